"""Shares of dormant neurons of whole networks over training, beside returns, by method."""

import re
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from fast.errors import InputError
from fast.papers.grid import Panel
from fast.report import drawing
from fast.report.chosen import Chosen, face, planned
from fast.report.drawing import Drawing, Row
from fast.runs.records import Floats, Run, scored_layers

FEW = 6  # runs, above which the mean of a method's is drawn in place of each


def neurons(run: Run, layer: str) -> int:
    """How many a layer has, `learner/path`, by its settings; raises InputError where they do not
    tell."""
    agent = run.config["agent"]
    place = re.search(r"(?:conv|dense|(blocks)[.])(\d+)(?(1)[.]dense)$", layer)
    sizes = agent.get("channels" if "conv" in layer else "hidden")
    if isinstance(sizes, int):  # of every layer (BRO)
        return sizes
    at = int(place[2]) + bool(place[1]) if place else 0  # blocks follow dense0
    if place is None or not isinstance(sizes, list) or at >= len(sizes):
        accepted = "of this agent no share of whole networks is known: a layer's width is not told"
        raise InputError(f"--runs: {run.folder}", layer, accepted)
    return max(1, round(agent.get("width", 1) * sizes[at]))


def whole(run: Run, key: str) -> Floats:
    """A share of the neurons of all layers, channels among them, (records,).

    key: the measure, of all learners, or `learner/measure`.
    """
    learner, _, measure = key.rpartition("/")
    layers = [x for x in scored_layers(run, measure) if not learner or x.startswith(f"{learner}/")]
    if not layers:
        raise InputError(f"--runs: {run.folder}", key, "accepted: what its layers are scored by")
    counts = [neurons(run, layer) for layer in layers]
    values = (run.tables["scores"].numbers(f"{layer}/{measure}") for layer in layers)
    parts = [count * value for count, value in zip(counts, values, strict=True)]
    return sum(parts[1:], parts[0]) / sum(counts)


def rows_of(run: Run, panels: Sequence[Panel], counter: str) -> list[Row]:
    """Every point of a run that the panels draw, over a counter; shares are those of `whole`."""
    rows = []
    for panel in (panel for panel in panels if panel.kind in run.tables):
        table = run.tables[panel.kind]
        for key in panel.keys:
            of_all = panel.kind == "scores" and key.count("/") < 2
            values = whole(run, key) if of_all else table.numbers(key)
            points = zip(table.numbers(counter).tolist(), values.tolist(), strict=True)
            rows += [Row(run.folder.name, *planned(run), key, *point) for point in points]
    return rows


def dormancy(chosen: Chosen) -> Drawing:
    """A row of axes for each task, a column for each panel, over environment steps: of few runs
    each a line, else of a method their mean and a band from the lowest to the highest."""
    panels, looks = chosen.recipe.panels, drawing.looks_of(drawing.methods_of(chosen.runs))
    rows = [row for run in chosen.runs for row in rows_of(run, panels, "environment_step")]
    few = len(chosen.runs) <= FEW
    told = "Each line is a run." if few else "Mean, and band from the lowest to the highest run."
    size = (max(7.0, 5.0 * len(panels)), 2.0 + 2.4 * len(chosen.tasks))
    figure = Figure(figsize=size, dpi=150)
    drawing.write_face(figure, face(chosen, f"{chosen.recipe.words} {told}"))
    grid = figure.subplots(len(chosen.tasks), len(panels), squeeze=False)
    marks: set[str] = set()

    def style(row: Row) -> dict[str, Any]:
        return {"color": looks[row.method][0], "linewidth": 1.3, "alpha": 0.9}

    for task, line in zip(chosen.tasks, grid, strict=True):
        of_task = [row for row in rows if row.task == task]
        last = max((row.x for row in of_task), default=0)
        for panel, axes in zip(panels, line, strict=True):
            drawing.over_steps(axes, last)
            if few:
                marks |= drawing.lines(axes, panel, of_task, style)
            else:
                marks |= drawing.bands(axes, panel, of_task, looks)
            shown = [row.value for row in of_task if row.panel in panel.keys]
            if panel.axis == "fraction":  # of a few in a hundred more is to be seen
                top = max([0.01, *(v for v in shown if v == v)])
                axes.set_ylim(-0.03 * top, 1.05 * top)  # a line at 0 is seen
            x = drawing.steps(chosen.runs) if task == chosen.tasks[-1] else ""
            first = task == chosen.tasks[0]
            drawing.plain(axes, panel.title if first else "", x, task if axes is line[0] else "")
    drawing.legend(figure, drawing.method_entries(looks), (), marks)
    return Drawing(figure, drawing.HEADER, rows)
