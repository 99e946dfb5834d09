"""The figures of the supervised experiments, from the CSV that a run of them wrote.

Nothing is smoothed, averaged or left out: a line is one run of one seed. What was planned is read
from the settings.json beside the CSV, and a figure of less than that says so.
"""

import csv
import json
import shutil
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from fast.errors import InputError

# What each seed is run with, the run that nothing is done to first.
RUNS = {
    "intervention": ("control", "intervention"),
    "shuffled-labels": ("fixed", "shuffled"),
}
# Okabe and Ito's colours, told apart by every kind of colour vision.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
CONTROL = "#9a9a9a"


class Line(NamedTuple):
    """One run: its columns by name, each (measurements,)."""

    seed: int
    run: str
    columns: dict[str, NDArray[np.float64]]


def draw_figure_4(csv_path: Path | str, out: Path | str) -> Path:
    """Draw Figure 4 of Neuron Dominance to `out` (.png), and beside it .pdf and .csv.

    Above over all of training, below around the intervention: the largest activation score of the
    first MLP layer, the saturated and zombie shares of the second, and the validation accuracy.

    Raises InputError where `out` is no .png or `csv_path` is not of an intervention.
    """
    lines, title, warning = _read(Path(csv_path), "intervention", "step")
    panels = (
        ("Largest activation score, first MLP layer", ("largest_score",)),
        ("Next layer: saturated (zombie dotted)", ("saturated", "zombie")),
        ("Validation accuracy", ("validation_accuracy",)),
    )
    figure = _figure(title, warning, height=6.6)
    for row in range(2):
        for place, (name, keys) in enumerate(panels, start=1):
            axes = figure.add_subplot(2, 3, 3 * row + place)
            for line in lines:
                _draw_intervention(axes, line, keys, close=row == 1)
            if keys == ("largest_score",):
                axes.set_yscale("log")
                axes.axhline(256, color="#333333", linewidth=1, linestyle=(0, (6, 3)))
                axes.annotate("dominant above N/2 = 256", (0.01, 256), (0, -10), size=8,
                              xycoords=("axes fraction", "data"),
                              textcoords="offset points")  # fmt: skip
            else:
                axes.set_ylim(-0.03, 1.03)
            _dress(axes, name, "steps since the intervention" if row else "steps")
    _legend(figure, lines, "control (no intervention)", "the intervention")
    return _save(figure, Path(csv_path), Path(out))


def draw_shuffled_labels(csv_path: Path | str, out: Path | str) -> Path:
    """Draw ReDo's Figure 3 to `out` (.png), and beside it .pdf and .csv.

    Over epochs: the share of 0-dormant neurons (as there), and test accuracy beside it.

    Raises InputError where `out` is no .png or `csv_path` is not of shuffled labels.
    """
    lines, title, warning = _read(Path(csv_path), "shuffled-labels", "epoch")
    panels = (
        ("Dormant neurons, τ = 0", "dormant_0"),
        ("Dormant neurons, τ = 0.1", "dormant_0.1"),
        ("Accuracy on the labels trained with", "training_accuracy"),
        ("Test accuracy on the true labels", "test_accuracy"),
    )
    figure = _figure(title, warning, height=6.6)
    for place, (name, key) in enumerate(panels, start=1):
        axes = figure.add_subplot(2, 2, place)
        for line in lines:
            axes.plot(line.columns["epoch"], line.columns[key], **_look(line))
        axes.set_ylim(bottom=0)
        _dress(axes, name, "epochs")
    _legend(figure, lines, "fixed labels")
    return _save(figure, Path(csv_path), Path(out))


def _draw_intervention(axes: Axes, line: Line, keys: Sequence[str], close: bool) -> None:
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


def _read(path: Path, experiment: str, unit: str) -> tuple[list[Line], str, str]:
    """The runs of the CSV, what stands above the figure, and a warning if a run is not whole."""
    settings_path = path.with_name("settings.json")
    if not (path.is_file() and settings_path.is_file()):
        accepted = "accepted: the CSV of `python -m fast supervised`, beside its settings.json"
        raise InputError("csv_path", str(path), accepted)
    settings = json.loads(settings_path.read_text())
    if settings["experiment"] != experiment:
        raise InputError("csv_path", str(path), f"accepted: the experiment {experiment}")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = []
    for (seed, run), group in groupby(rows, key=lambda row: (int(row["seed"]), row["run"])):
        several = list(group)
        columns = {
            key: np.array([float(row[key]) for row in several])
            for key in several[0].keys() - {"seed", "run"}
        }
        lines.append(Line(seed, run, columns))
    planned, length = settings["seeds"], settings[f"{unit}s"]
    whole = sum(line.columns[unit][-1] == length for line in lines)
    title = f"{experiment} · {settings['data']} · seeds: {planned} · {length:,} {unit}s each"
    if experiment == "intervention":
        made = [line.seed for line in lines if line.columns["intervened"].any()]
        title += f" · intervened in {len(made)} of {planned}"
    count = 2 * planned
    return lines, title, "" if whole == count else f"INCOMPLETE: {whole} of {count} runs are whole"


def _figure(title: str, warning: str, height: float) -> Figure:
    figure = Figure(figsize=(11, height), dpi=100, layout="constrained")
    figure.suptitle(f"{title}\n{warning}" if warning else title, x=0.01, ha="left", size=11,
                    color="#b00020" if warning else "#111111")  # fmt: skip
    return figure


def _look(line: Line) -> dict[str, object]:
    if line.run in ("control", "fixed"):
        return {"color": CONTROL, "linewidth": 1.0, "alpha": 0.8, "zorder": 1}
    return {"color": COLOURS[line.seed % len(COLOURS)], "linewidth": 1.3}


def _dress(axes: Axes, title: str, x: str) -> None:
    axes.set_title(title, loc="left", size=9.5, weight="bold")
    axes.set_xlabel(x, size=9)
    axes.tick_params(labelsize=8.5, length=3)
    axes.grid(True, color="#000000", alpha=0.09, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)


def _legend(figure: Figure, lines: Sequence[Line], control: str, dot: str = "") -> None:
    entries = [
        Line2D([], [], **_look(line), label=f"{line.run}, seed {line.seed}")
        for line in lines
        if _look(line)["color"] != CONTROL
    ]
    entries.append(Line2D([], [], color=CONTROL, label=control))
    if dot:
        entries.append(Line2D([], [], color="#555555", marker="o", linewidth=0, label=dot))
    figure.legend(handles=entries, loc="outside lower left", ncols=4, frameon=False, fontsize=8.5)


def _save(figure: Figure, source: Path, out: Path) -> Path:
    if out.suffix != ".png":
        raise InputError("--out", str(out), "a name that ends in .png is accepted")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out)
    with matplotlib.rc_context({"pdf.fonttype": 42}):
        figure.savefig(out.with_suffix(".pdf"), metadata={"CreationDate": None})
    if out.with_suffix(".csv").resolve() != source.resolve():
        shutil.copyfile(source, out.with_suffix(".csv"))
    return out
