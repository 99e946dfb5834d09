"""The figures of the supervised experiments, from the CSV that a run of them wrote.

Nothing is smoothed, averaged or left out: a line is one run of one seed. What was planned is read
from the settings.json beside the CSV, and a figure of less than that says so.
"""

import csv
import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fast.errors import InputError
from fast.papers.neuron_dominance import RECIPES
from fast.report import drawing
from fast.report.drawing import Drawing, Face
from fast.runs.records import Floats

# What each seed is run with, the run that nothing is done to first.
RUNS = {
    "intervention": ("control", "intervention"),
    "shuffled-labels": ("fixed", "shuffled"),
}
UNITS = {"intervention": "step", "shuffled-labels": "epoch"}  # the column that counts
TITLES = {
    "intervention": f"Figure 4. {RECIPES['4'].title}",
    "shuffled-labels": "ReDo, Figure 3. Fixed and shuffled labels",
}
WIDTH = 512  # of the first MLP layer (Neuron Dominance, B.3)
CONTROL = "#9a9a9a"


class Line(NamedTuple):
    """One run: its columns by name, each (measurements,)."""

    seed: int
    run: str
    columns: dict[str, Floats]


def find(folder: Path) -> list[Path]:
    """The CSVs in a folder and in those right below it that lie beside their settings.json."""
    return [
        path
        for name in RUNS
        for path in [*folder.glob(f"{name}.csv"), *sorted(folder.glob(f"[!.]*/{name}.csv"))]
        if path.with_name("settings.json").is_file()
    ]


def draw(path: Path, note: str = "") -> Drawing:
    """The figure of a CSV, whose name says of which experiment, with a `note` on its face.

    Raises InputError where the settings.json beside it is of another, or one of the two is damaged.
    """
    try:
        with drawing.house_style():
            return _draw(path, note)
    except InputError:
        raise
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        accepted = f"accepted: what an experiment wrote; it is damaged ({error!r})"
        raise InputError("run folder", str(path), accepted) from None


def _draw(path: Path, note: str) -> Drawing:
    experiment, settings_path = path.stem, path.with_name("settings.json")
    settings = json.loads(settings_path.read_text())
    if settings["experiment"] != experiment:
        accepted = f"accepted beside {path.name}: the experiment {experiment}"
        raise InputError(str(settings_path), settings["experiment"], accepted)
    with path.open(newline="", encoding="utf-8") as file:
        header, *table = list(csv.reader(file)) or [[]]
    rows = [dict(zip(header, cells, strict=True)) for cells in table]
    lines = []
    for (seed, run), group in groupby(rows, key=lambda row: (int(row["seed"]), row["run"])):
        several = list(group)
        columns = {
            key: np.array([float(row[key]) for row in several])
            for key in several[0].keys() - {"seed", "run"}
        }
        lines.append(Line(seed, run, columns))
    figure = Figure(figsize=(11, 7.0), dpi=150)
    drawing.write_face(figure, face(lines, settings)._replace(note=note))
    if experiment == "intervention":
        _intervention(figure, lines)
    else:
        _shuffled_labels(figure, lines)
    return Drawing(figure, header, [tuple(cells) for cells in table])


def face(lines: Sequence[Line], settings: dict[str, Any]) -> Face:
    """What was run, and a warning if a run of what was planned is not whole."""
    experiment, planned = settings["experiment"], settings["seeds"]
    unit = UNITS[experiment]
    length = settings[f"{unit}s"]
    seeds = f"{planned} seed{'s' * (planned > 1)}"
    parts = [f"data {settings['data']}", seeds, f"{length:,} {unit}s each"]
    if experiment == "intervention":
        made = sum(line.columns["intervened"].any() for line in lines)
        parts.append(f"intervened in {made} of {planned}")
    whole = sum(line.columns[unit][-1] == length for line in lines)
    count = len(RUNS[experiment]) * planned
    warning = None if whole == count else f"INCOMPLETE: {whole} of {count} runs are whole"
    return Face(TITLES[experiment], " · ".join(parts), warning)


def _intervention(figure: Figure, lines: Sequence[Line]) -> None:
    """Neuron Dominance, Figure 4: above all of training, below around the intervention.

    The largest activation score of the first MLP layer, the saturated and zombie shares of the
    second, and the validation accuracy.
    """
    panels = (
        ("Largest activation score, first MLP layer", ("largest_score",), "score"),
        ("Next layer: saturated (zombie dotted)", ("saturated", "zombie"), "fraction"),
        ("Validation accuracy", ("validation_accuracy",), "fraction"),
    )
    grid = figure.subplots(2, len(panels))
    for (title, keys, axis), column in zip(panels, grid.T, strict=True):
        for axes, close in zip(column, (False, True), strict=True):
            for line in lines:
                _around(axes, line, keys, close)
            values = np.array([v for line in lines for key in keys for v in line.columns[key]])
            drawing.scale(axes, axis, values[np.isfinite(values)], [WIDTH])
            drawing.plain(axes, title, "steps since the intervention" if close else "steps")
    dot = Line2D([], [], color=drawing.GREY, marker="o", linewidth=0, label="the intervention")
    drawing.legend(figure, [*_entries(lines, "control (no intervention)"), dot], (), set())


def _around(axes: Axes, line: Line, keys: Sequence[str], close: bool) -> None:
    """One run in one panel; a dot is where it was intervened, with the value before and after."""
    steps = line.columns["step"]
    after = np.flatnonzero(line.columns["intervened"])
    if close:
        if not len(after):
            return
        steps = steps - steps[after[0]]
        axes.set_xlim(-10, 25)
    for key, style in zip(keys, ("-", ":"), strict=False):
        axes.plot(steps, line.columns[key], **_look(line) | {"linestyle": style})
        if len(after) and style == "-":
            axes.plot(steps[after[0]], line.columns[key][after[0]], "o", markersize=4.5,
                      color=_look(line)["color"])  # fmt: skip


def _shuffled_labels(figure: Figure, lines: Sequence[Line]) -> None:
    """ReDo, Figure 3: the share of 0-dormant neurons over epochs; beside it, accuracies."""
    panels = (
        ("Dormant neurons, τ = 0", "dormant_0"),
        ("Dormant neurons, τ = 0.1", "dormant_0.1"),
        ("Accuracy on the labels trained with", "training_accuracy"),
        ("Test accuracy on the true labels", "test_accuracy"),
    )
    for axes, (title, key) in zip(figure.subplots(2, 2).flat, panels, strict=True):
        for line in lines:
            axes.plot(line.columns["epoch"], line.columns[key], **_look(line))
        axes.set_ylim(bottom=0)
        drawing.in_percent(axes)
        drawing.plain(axes, title, "epochs")
    drawing.legend(figure, _entries(lines, "fixed labels"), (), set())


def _look(line: Line) -> dict[str, Any]:
    if line.run in ("control", "fixed"):
        return {"color": CONTROL, "linewidth": 1.0, "alpha": 0.8, "zorder": 1}
    return {"color": drawing.seed_colour(line.seed), "linewidth": 1.3}


def _entries(lines: Sequence[Line], control: str) -> list[Line2D]:
    treated = [line for line in lines if _look(line)["color"] != CONTROL]
    return [
        *(Line2D([], [], **_look(line), label=f"{line.run}, seed {line.seed}") for line in treated),
        Line2D([], [], color=CONTROL, label=control),
    ]
