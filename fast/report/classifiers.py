"""The figures of classifiers of pictures: Neuron Dominance, Figure 4, and ReDo, Figure 3.

A line is one run; nothing is smoothed, averaged or left out. x is updates, which are batches.
"""

from collections.abc import Sequence
from typing import Any

from matplotlib.lines import Line2D

from fast.errors import InputError
from fast.report import drawing
from fast.report.chosen import Chosen, face
from fast.report.drawing import Drawing, Row
from fast.runs.records import Run

HEADER = (*Row._fields[:5], "update", "value")
CONTROL = {"color": "#9a9a9a", "linewidth": 1.0, "alpha": 0.8, "zorder": 1}


def dominated(chosen: Chosen) -> Drawing:
    """A neuron of the first dense layer made dominant: all of training, and around that below."""
    runs, panels = chosen.runs, chosen.recipe.panels
    if not any(run.method == "make-dominant" for run in runs):
        raise InputError("--runs", f"{len(runs)} runs", "figure 4 needs make-dominant")
    made = {run.folder.name: at for run in runs for at in run.counter("update", "intervention")[:1]}
    widths = {run.config["agent"]["hidden"][0] for run in runs}
    rows = drawing.rows_of(runs, panels, "update")
    close = [row._replace(x=row.x - made[row.run]) for row in rows if row.run in made]
    figure = drawing.sheet(11, 7, face(chosen, chosen.recipe.words))
    for panel, (above, below) in zip(panels, figure.subplots(2, 3).T, strict=True):
        drawing.lines(above, panel, rows, _look, widths)
        drawing.plain(above, panel.title, "updates")
        drawing.lines(below, panel, close, _look, widths)
        drawing.plain(below, panel.title, "updates since the intervention")
        below.axvline(0, color=drawing.GREY, linewidth=1, linestyle=drawing.DASHED)
        below.set_xlim(-10, 25)
    drawing.legend(figure, _entries(runs), (), set())
    return Drawing(figure, HEADER, rows)


def shuffled(chosen: Chosen) -> Drawing:
    """Dormant neurons of all layers together, and accuracies, with fixed and shuffled labels."""
    runs, panels = chosen.runs, chosen.recipe.panels
    if not any(task.endswith("-shuffled") for task in chosen.tasks):
        accepted = "figure redo-3 needs a task with -shuffled"
        raise InputError("--runs", f"{len(runs)} runs", accepted)
    rows = drawing.rows_of(runs, panels, "update")
    figure = drawing.sheet(11, 7, face(chosen, chosen.recipe.words))
    for panel, axes in zip(panels, figure.subplots(2, 2).flat, strict=True):
        drawing.lines(axes, panel, rows, _look)
        drawing.plain(axes, panel.title, "updates")
        axes.set_ylim(0, max((r.value for r in rows if r.panel in panel.keys), default=1) * 1.05)
    drawing.legend(figure, _entries(runs), (), set())
    return Drawing(figure, HEADER, rows)


def _look(row: Row) -> dict[str, Any]:
    """Grey where nothing is done, else a colour a seed; a panel's second line is dotted."""
    look = {"color": drawing.seed_colour(row.seed), "linewidth": 1.3}
    if row.method == "baseline" and not row.task.endswith("-shuffled"):
        look = CONTROL
    return look | {"linestyle": ":" if row.panel.endswith("zombie") else "-"}


def _entries(runs: Sequence[Run]) -> list[Line2D]:
    entries = {}
    for run in runs:
        look = _look(Row(run.folder.name, run.task, run.method, run.seed, "", 0, 0))
        name = f"{run.task}, {run.method}"
        label = name if look["color"] == CONTROL["color"] else f"{name}, seed {run.seed}"
        entries[label] = Line2D([], [], **look, label=label)
    return list(entries.values())
