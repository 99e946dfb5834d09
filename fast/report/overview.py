"""The overview of runs of one task: return, dominance, saturation and rank beside each other.

Neuron Dominance, Figures 2, 3 and 5 in one, for any runs; `figures.py` has the paper's own.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from fast.errors import InputError
from fast.report import drawing
from fast.report.drawing import Drawing, Face, Panel, Row
from fast.runs.records import Run, random_returns

RANDOM_POLICY = "random policy's return"
FIRST, NEXT = "critic/heads.{}.dense0/", "critic/heads.{}.dense1/"
PANELS = tuple(
    Panel(title, kind, tuple(dict.fromkeys(key.format(head) for head in (0, 1))), axis)
    for title, kind, key, axis in (
        ("Evaluation return", "evaluation", "return", "linear"),
        ("Largest activation share, critic's first hidden layer", "scores",
         FIRST + "largest_share", "share"),
        ("Saturated neurons, next hidden layer", "scores", NEXT + "saturated", "fraction"),
        ("srank of the first hidden layer's output", "scores", FIRST + "srank", "linear"),
    )
)  # fmt: skip


def overview_rows(runs: Sequence[Run]) -> list[Row]:
    """Every point of the overview.

    The random policy's return is the mean over a run's whole episodes of uniformly random actions,
    at the last of them.
    """
    rows = []
    for run in runs:
        rows += drawing.rows_of([run], PANELS)
        steps, returns = random_returns(run)
        if len(steps):
            head = (run.folder.name, run.config["task"], run.method, run.seed, RANDOM_POLICY)
            rows.append(Row(*head, int(steps[-1]), float(np.mean(returns))))
    return rows


def require_comparable(runs: Sequence[Run]) -> None:
    """Raises InputError where the runs cannot be compared in one figure."""
    tasks = sorted({run.config["task"] for run in runs})
    if len(tasks) != 1:
        raise InputError("runs", tasks, "one or more runs of one task are accepted")
    names = [run.folder.name for run in runs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError("runs", twice, "folders whose names differ are accepted")
    drawing.looks_of(drawing.methods_of(runs))


def face(runs: Sequence[Run]) -> Face:
    """Task and methods, how the runs were made, and a warning where one is unfinished."""
    methods = drawing.methods_of(runs)
    seeds = {method: len({run.seed for run in runs if run.method == method}) for method in methods}
    if len(set(seeds.values())) == 1:
        count = next(iter(seeds.values()))
        text = f"{count} seed{'s' if count > 1 else ''} per method"
    else:
        text = "seeds: " + ", ".join(f"{name} {count}" for name, count in seeds.items())
    title = f"{runs[0].config['task']}: {', '.join(methods)}"
    return Face(title, drawing.subtitle(runs, text), drawing.incomplete(runs))


def overview(runs: Sequence[Run], columns: int = 2) -> Drawing:
    """Four panels over environment steps, one line a run and critic head.

    `columns` is 2 for a page and 1 for a narrow screen. Raises InputError where the runs do not
    belong in one figure.
    """
    require_comparable(runs)
    with drawing.house_style():
        return _overview(runs, columns)


def _overview(runs: Sequence[Run], columns: int) -> Drawing:
    rows = overview_rows(runs)
    figure = drawing.Figure(figsize=(10.5, 7.8) if columns == 2 else (4.8, 13.2), dpi=150)
    drawing.write_face(figure, face(runs))
    looks = drawing.looks_of(drawing.methods_of(runs))
    spans = drawing.masked_spans(runs)
    last = max((row.environment_step for row in rows), default=0)
    random = [row.value for row in rows if row.panel == RANDOM_POLICY]

    marks = set()
    grid = figure.subplots(len(PANELS) // columns, columns, squeeze=False).flat
    for axes, panel in zip(grid, PANELS, strict=True):
        drawing.over_steps(axes, last, spans.values())

        def style(row: Row, panel: Panel = panel) -> dict[str, Any]:
            colour, marker = looks[row.method]
            if row.panel != panel.keys[0]:
                return {"color": colour, "linewidth": 0.8, "alpha": 0.75}
            points = sum(r.run == row.run and r.panel == row.panel for r in rows)
            return {"color": colour, "linewidth": 1.8, "marker": marker, "markersize": 4.5,
                    "markevery": max(1, points // 8)}  # fmt: skip

        if panel.kind == "evaluation":
            for value in random:
                axes.axhline(value, color="#777777", linewidth=1, linestyle=(0, (2, 2)))
        marks |= drawing.lines(axes, panel, rows, style)
        drawing.plain(axes, panel.title)

    entries = drawing.method_entries(looks)
    entries.append(Line2D([], [], color=drawing.GREY, linewidth=1.8, label="bold: critic head 0"))
    entries.append(Line2D([], [], color=drawing.GREY, linewidth=0.8, label="thin: critic head 1"))
    if random:
        entries.append(Line2D([], [], color="#777777", linewidth=1, linestyle=(0, (2, 2)),
                              label="return of a random policy"))  # fmt: skip
    drawing.legend(figure, entries, spans, marks)
    return Drawing(figure, Row._fields, rows)
