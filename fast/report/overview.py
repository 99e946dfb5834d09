"""The overview of runs of one task: return, dominance, saturation and rank beside each other.

Of any agent: each of its networks is drawn by the dense layer that is worst off, and the CSV has
all layers. A convolution has so few channels that one of them often outweighs the others.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from fast.errors import InputError
from fast.papers.grid import Panel
from fast.papers.neuron_dominance import RETURN
from fast.report import drawing
from fast.report.drawing import Drawing, Face, Row
from fast.runs.records import Run, random_returns, scored_layers, series

RANDOM_POLICY = "random policy's return"
# Measure: which of a network's layers is drawn at each score, in words, and the axis.
WORST = {
    "largest_share": (np.fmax, "largest activation share in a dense layer", "share"),
    "saturated": (np.fmax, "saturated neurons, most in a dense layer", "fraction"),
    "srank": (np.fmin, "srank of a layer's output, smallest", "linear"),
}
DOTS: dict[str, Any] = {"color": "#777777", "linewidth": 1, "linestyle": (0, (2, 2))}


def overview_rows(runs: Sequence[Run]) -> list[Row]:
    """Every recorded return, and every score in WORST of every layer.

    The random policy's return is the mean over a run's whole episodes of uniformly random actions,
    at the last of them.
    """
    rows = []
    for run in runs:
        keys = [f"{layer}/{measure}" for measure in WORST for layer in scored_layers(run, measure)]
        rows += drawing.rows_of([run], [RETURN, Panel("", "scores", tuple(keys))])
        steps, returns = random_returns(run)
        if len(steps):
            last = steps[-1:].astype(int)
            rows += drawing.points(run, RANDOM_POLICY, last, np.mean(returns, keepdims=True))
    return rows


def worst_rows(run: Run) -> list[Row]:
    """The worst of the dense layers of each network by each of WORST; the panel: network/measure.

    A layer that is wholly dead counts with its last value, and NaN where that is the worst.
    """
    rows, of_learner = [], dict[str, list[str]]()
    for layer in scored_layers(run, "srank"):
        of_learner.setdefault(layer.partition("/")[0], []).append(layer)
    for (measure, (pick, _, _)), (learner, layers) in product(WORST.items(), of_learner.items()):
        lines = [series(run, "scores", f"{layer}/{measure}") for layer in layers]
        each = np.stack([y for _, y in lines])
        whole = np.stack([drawing.filled(y) for y in each])
        values = pick.reduce(whole)
        defined = (whole == values) & np.isfinite(each)
        values = np.where(defined.any(axis=0), values, np.nan)
        rows += drawing.points(run, f"{learner}/{measure}", lines[0][0], values)
    return rows


def face(runs: Sequence[Run], note: str = "") -> Face:
    """Task and methods, how the runs were made, and a warning where one is unfinished."""
    methods = drawing.methods_of(runs)
    seeds = {method: len({run.seed for run in runs if run.method == method}) for method in methods}
    if len(set(seeds.values())) == 1:
        count = next(iter(seeds.values()))
        text = f"{count} seed{'s' if count > 1 else ''} per method"
    else:
        text = "seeds: " + ", ".join(f"{name} {count}" for name, count in seeds.items())
    title = f"{runs[0].task}: {', '.join(methods)}"
    return Face(title, drawing.subtitle(runs, text), drawing.incomplete(runs), note)


def overview(runs: Sequence[Run], narrow: bool = False, alone: bool = False) -> Drawing:
    """The return, and for each network WORST, over environment steps; by method, or with `alone`
    a line a run. `narrow` is for a small screen.

    Raises InputError where the runs do not belong in one figure.
    """
    tasks = sorted({run.task for run in runs})
    if len(tasks) != 1:
        raise InputError("runs", tasks, "one or more runs of one task are accepted")
    twice = [name for name, n in Counter(run.folder.name for run in runs).items() if n > 1]
    if twice:
        raise InputError("runs", sorted(twice), "folders whose names differ are accepted")
    with drawing.house_style():
        return _overview(runs, narrow, alone)


def _overview(runs: Sequence[Run], narrow: bool, alone: bool) -> Drawing:
    rows, looks = overview_rows(runs), drawing.looks_of(drawing.methods_of(runs))
    worst = [row for run in runs for row in worst_rows(run)]
    learners = dict.fromkeys(row.panel.partition("/")[0] for row in worst) or {"": None}
    panels = [RETURN] + [
        Panel(f"{learner}: {words}", "scores", (f"{learner}/{measure}",), axis)
        for measure, (_, words, axis) in WORST.items()
        for learner in learners
    ]
    across = 1 if narrow else 2
    down = -(-len(panels) // across)
    size = (4.8, 1.9 + 2.7 * down) if narrow else (10.5, 1.9 + 2.1 * down)
    if alone or len(runs) == len(looks):
        note = "Each line is one run."
    else:
        note = "Mean over seeds; the band is from the lowest to the highest."
    figure = drawing.sheet(*size, face(runs, note))
    spans = drawing.masked_spans(runs)
    last = max((row.x for row in rows), default=0)
    random = [row.value for row in rows if row.panel == RANDOM_POLICY]
    marks: set[str] = set()
    grid = figure.add_gridspec(down, across)
    odd = len(panels) % across  # then the first has a whole line
    for place, panel in enumerate(panels, start=odd):
        at = grid[0, :] if odd and place == 1 else grid[place // across, place % across]
        axes = figure.add_subplot(at)
        drawing.over_steps(axes, last, spans.values())
        if panel is RETURN and random:
            axes.axhline(float(np.mean(random)), **DOTS)
        shown = rows if panel is RETURN else worst
        marks |= drawing.trend(axes, panel, shown, looks, alone, linewidth=1.0, alpha=0.8)
        below = place + across >= len(panels) + odd
        drawing.plain(axes, panel.title, drawing.steps(runs) if below else "")
    entries = drawing.method_entries(looks)
    if random:
        entries.append(Line2D([], [], **DOTS, label="return of a random policy"))
    drawing.legend(figure, entries, spans, marks)
    return Drawing(figure, drawing.HEADER, rows)
