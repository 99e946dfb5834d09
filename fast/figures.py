"""Figures made from runs' records. Each is written as PNG, as PDF, and as a CSV of what it shows.

Nothing is smoothed, averaged over seeds or left out: a line is one run. What the figure draws is
read back from the very rows that go to the CSV.
"""

import csv
import io
import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullLocator

from fast.errors import InputError
from fast.records import Floats, Run, series

# Okabe and Ito's colours, told apart by every kind of colour vision; the markers say it again.
LOOKS = (
    ("#D55E00", "o"),
    ("#0072B2", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "D"),
    ("#E69F00", "v"),
    ("#56B4E9", "P"),
    ("#000000", "X"),
)
DOMINANT_SHARE = 0.5  # Neuron Dominance, Definition 1: a score above N/2 is a share above 1/2
RANDOM_POLICY = "random policy's return"


class Panel(NamedTuple):
    """One axes: the records' keys that it draws, the first one bold, and its words."""

    title: str
    kind: str
    keys: tuple[str, ...]


PANELS = (
    Panel("Evaluation return", "evaluation", ("return",)),
    Panel(
        "Largest activation share, critic's first hidden layer",
        "scores",
        ("critic0/dense0/largest_share", "critic1/dense0/largest_share"),
    ),
    Panel(
        "Saturated neurons, next hidden layer",
        "scores",
        ("critic0/dense1/saturated", "critic1/dense1/saturated"),
    ),
    Panel(
        "srank of the first hidden layer's output",
        "scores",
        ("critic0/dense0/srank", "critic1/dense0/srank"),
    ),
)


class Row(NamedTuple):
    """One point of the figure, and one line of its CSV. An undefined value is NaN."""

    run: str
    method: str
    seed: int
    panel: str
    environment_step: float
    value: float


def overview_rows(runs: Sequence[Run]) -> list[Row]:
    """Every point of the overview; `panel` is the key of the record that the value stands in.

    The random policy's return is the mean over a run's episodes of uniformly random actions, at
    the last of them.
    """
    rows = []
    for run in runs:
        head = (run.folder.name, run.method, run.seed)
        for panel in PANELS:
            for key in panel.keys:
                x, y = series(run, panel.kind, key)
                rows += [Row(*head, key, *point) for point in zip(x, y, strict=True)]
        random = [record for record in run.of("episode") if record["random"]]
        if random:
            mean = float(np.mean([_number(record["return"]) for record in random]))
            rows.append(Row(*head, RANDOM_POLICY, random[-1]["environment_step"], mean))
    return rows


def overview(runs: Sequence[Run], path: Path | str) -> Path:
    """Draw the overview of `runs` to `path` (.png), and beside it the same as .pdf and .csv.

    Four panels over environment steps, one line a run and critic head: evaluation return, largest
    activation share of the first hidden layer, saturated fraction of the next, srank of the
    first's output (Neuron Dominance, Figures 2, 3 and 5 in one).

    Raises InputError where `path` is no .png or the runs do not belong in one figure.
    """
    path = Path(path)
    if path.suffix != ".png":
        raise InputError("--out", str(path), "a name that ends in .png is accepted")
    methods_of(runs)
    rows = overview_rows(runs)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(draw(runs, rows, "png"))
    path.with_suffix(".pdf").write_bytes(draw(runs, rows, "pdf"))
    with path.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Row._fields)
        writer.writerows(rows)
    return path


def methods_of(runs: Sequence[Run]) -> list[str]:
    """The methods of `runs`, `baseline` first, then by name.

    Raises InputError where the runs cannot be compared in one figure.
    """
    tasks = sorted({run.config["task"] for run in runs})
    if len(tasks) != 1:
        raise InputError("runs", tasks, "one or more runs of one task are accepted")
    names = [run.folder.name for run in runs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError("runs", twice, "folders whose names differ are accepted")
    methods = sorted({run.method for run in runs}, key=lambda name: (name != "baseline", name))
    if len(methods) > len(LOOKS):
        raise InputError("runs", methods, f"at most {len(LOOKS)} methods are accepted")
    return methods


def face(runs: Sequence[Run]) -> tuple[str, str, str | None]:
    """What stands above the panels: title, subtitle, and a warning where a run is unfinished."""
    methods = methods_of(runs)
    title = f"{runs[0].config['task']}: {', '.join(methods)}"
    seeds = {method: len({run.seed for run in runs if run.method == method}) for method in methods}
    if len(set(seeds.values())) == 1:
        count = next(iter(seeds.values()))
        seeds_text = f"{count} seed{'s' if count > 1 else ''} per method"
    else:
        seeds_text = "seeds: " + ", ".join(f"{name} {count}" for name, count in seeds.items())
    last = max((r["environment_step"] for run in runs for r in run.records), default=0)
    parts = [
        f"preset {_each(run.config['preset'] for run in runs)}",
        f"render quality {_each(run.config['env'].get('render_quality') for run in runs)}",
        f"{_each(run.config['env'].get('size') for run in runs)} pixels a side",
        f"action repeat {_each(run.config['env'].get('action_repeat') for run in runs)}",
        seeds_text,
        f"{_each(f'{run.reached:,} of {run.planned:,}' for run in runs)} planned updates",
        f"{last:,} environment steps",
    ]
    return title, " · ".join(part.replace(" ", "\u00a0") for part in parts), incomplete(runs)


def incomplete(runs: Sequence[Run]) -> str | None:
    """A warning that names the run furthest from its planned updates, None if all are finished."""
    unfinished = [run for run in runs if not run.finished]
    if not unfinished:
        return None
    worst = min(unfinished, key=lambda run: run.reached / run.planned)
    # Rounded down: 99.9 % is not yet 100 %, and without its last evaluation no run is.
    percent = min(99, 100 * worst.reached // worst.planned)
    return (
        f"INCOMPLETE: {percent} % of the planned updates ({worst.method}, seed\u00a0{worst.seed})"
    )


def masked_until(run: Run) -> float:
    """The environment step at which the reward's masking ends, as far as the run has come.

    0 where nothing is masked. Masking counts updates; records hold both counts.
    """
    masked = run.config["run"]["reward_masked_updates"]
    if not masked or not run.records:
        return 0.0
    told = sorted((record["update"], record["environment_step"]) for record in run.records)
    updates, steps = zip(*told, strict=True)
    return float(np.interp(masked, updates, steps))


def carried(y: Floats) -> list[tuple[int, int]]:
    """Where `y` is NaN after a number: (index of the last number, index of the last NaN)."""
    defined = np.isfinite(y)
    spans = []
    for index in range(1, len(y)):
        if not defined[index] and defined[index - 1]:
            ends = np.flatnonzero(defined[index:])
            spans.append((index - 1, index + int(ends[0]) - 1 if len(ends) else len(y) - 1))
    return spans


def draw(runs: Sequence[Run], rows: Sequence[Row], form: str, columns: int = 2) -> bytes:
    """The overview of `rows` as a file's content; `form` is png, pdf or svg."""
    # Text stays text in the PDF; no date and no random ids, so that the same runs give one file.
    stamp = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[form]
    buffer = io.BytesIO()
    with matplotlib.rc_context({"pdf.fonttype": 42, "svg.hashsalt": "overview"}):
        compose(runs, rows, columns).savefig(buffer, format=form, metadata=stamp)
    return buffer.getvalue()


def compose(runs: Sequence[Run], rows: Sequence[Row], columns: int = 2) -> Figure:
    """The figure of `rows`; `columns` is 2 for a page and 1 for a narrow screen."""
    looks = dict(zip(methods_of(runs), LOOKS, strict=False))
    figure = Figure(figsize=(10.5, 7.8) if columns == 2 else (4.8, 13.2), dpi=150)
    top = _write_face(figure, runs, columns)
    figure.set_layout_engine("constrained", rect=(0, 0, 1, top), h_pad=0.09, w_pad=0.07)
    spans: dict[int, float] = {}  # masked updates: environment step at which the masking ends
    for run in runs:
        masked = run.config["run"]["reward_masked_updates"]
        if masked:
            spans[masked] = max(spans.get(masked, 0.0), masked_until(run))
    last = max((row.environment_step for row in rows), default=0)
    any_carried = False
    grid = figure.subplots(len(PANELS) // columns, columns, squeeze=False).flat
    for axes, panel in zip(grid, PANELS, strict=True):
        axes.set_xlim(0, 1.02 * max(last, 1))
        for end in spans.values():
            axes.axvspan(0, end, color="#8a8a8a", alpha=0.16, linewidth=0)
        any_carried |= _draw_panel(axes, panel, rows, looks)
    _legend(figure, looks, rows, spans, any_carried, columns)
    return figure


def _write_face(figure: Figure, runs: Sequence[Run], columns: int) -> float:
    """Write title, subtitle and warning; the height (0 to 1) that is left below them."""
    title, subtitle, warning = face(runs)
    inch = 1 / figure.get_figheight()
    left, y = 0.12 / figure.get_figwidth(), 1 - 0.12 * inch
    parts = [
        (title, 13, "bold", "#111111"),
        (subtitle, 9, "normal", "#444444"),
        (warning or "", 10, "bold", "#b00020"),
    ]
    for text, size, weight, colour in parts:
        for line in textwrap.wrap(text, 1150 // size if columns == 2 else 510 // size):
            figure.text(left, y, line, size=size, weight=weight, color=colour, va="top")
            y -= size * 1.45 / 72 * inch
    return y - 0.04 * inch


def _draw_panel(
    axes: Axes, panel: Panel, rows: Sequence[Row], looks: dict[str, tuple[str, str]]
) -> bool:
    """Draw the lines of one panel; whether an undefined value was carried on somewhere."""
    any_carried = False
    of_panel = [row for row in rows if row.panel in panel.keys]
    for (_, method, key), group in groupby(of_panel, key=lambda r: (r.run, r.method, r.panel)):
        points = list(group)
        x = np.array([row.environment_step for row in points])
        y = np.array([row.value for row in points])
        colour, marker = looks[method]
        bold = key == panel.keys[0]
        style: dict[str, Any] = {"color": colour, "linewidth": 1.8 if bold else 0.8}
        axes.plot(
            x, y, **style, marker=marker if bold else None, markersize=4.5,
            markevery=max(1, len(x) // 8), alpha=1 if bold else 0.75,
        )  # fmt: skip
        for first, last in carried(y):
            axes.plot([x[first], x[last]], [y[first]] * 2, **style, linestyle=":")
            any_carried = True
    values = np.array([row.value for row in of_panel])
    values = values[np.isfinite(values)]

    if panel.keys[0].endswith("largest_share"):
        # A share lies between 1/N and 1, and starts near 1/N: only a log scale shows both ends.
        axes.set_yscale("log")
        axes.set_ylim(0.7 * min([*values, 0.1]), 1.3)
        axes.set_yticks([tick for tick in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
                         if tick >= axes.get_ylim()[0]])  # fmt: skip
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(_percent))
        axes.axhline(DOMINANT_SHARE, color="#333333", linewidth=1, linestyle=(0, (6, 3)))
        axes.annotate("dominant above 1/2", (0.01, DOMINANT_SHARE), (0, 3),
                      xycoords=("axes fraction", "data"), textcoords="offset points",
                      size=8.5, color="#333333")  # fmt: skip
    elif panel.keys[0].endswith("saturated"):
        axes.set_ylim(-0.03, 1.05)
        axes.yaxis.set_major_formatter(FuncFormatter(_percent))
    else:
        for row in rows:
            if row.panel == RANDOM_POLICY and panel.kind == "evaluation":
                axes.axhline(row.value, color="#777777", linewidth=1, linestyle=(0, (2, 2)))
        high = axes.get_ylim()[1]
        axes.set_ylim(min(0.0, *values, 0.0), max(high, 1.0))
    axes.set_title(panel.title, loc="left", size=10, weight="bold")
    axes.set_xlabel("environment steps", size=9)
    axes.xaxis.set_major_formatter(FuncFormatter(_thousands))
    axes.tick_params(labelsize=9, length=3)
    axes.grid(True, color="#000000", alpha=0.09, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    if not len(values):
        axes.text(0.5, 0.45, "no number recorded", transform=axes.transAxes, ha="center",
                  color="#777777")  # fmt: skip
    return any_carried


def _legend(
    figure: Figure,
    looks: dict[str, tuple[str, str]],
    rows: Sequence[Row],
    spans: dict[int, float],
    any_carried: bool,
    columns: int,
) -> None:
    """One legend below all panels: the methods, then every other mark that the figure has."""
    entries: list[Line2D | Patch] = [
        Line2D([], [], color=colour, marker=marker, markersize=4.5, linewidth=1.8, label=method)
        for method, (colour, marker) in looks.items()
    ]
    entries.append(Line2D([], [], color="#555555", linewidth=1.8, label="bold: critic head 0"))
    entries.append(Line2D([], [], color="#555555", linewidth=0.8, label="thin: critic head 1"))
    if any(row.panel == RANDOM_POLICY for row in rows):
        entries.append(Line2D([], [], color="#777777", linewidth=1, linestyle=(0, (2, 2)),
                              label="return of a random policy"))  # fmt: skip
    for masked in spans:
        label = f"reward masked to 0 (first {masked:,} updates)"
        entries.append(Patch(color="#8a8a8a", alpha=0.3, linewidth=0, label=label))
    if any_carried:
        entries.append(Line2D([], [], color="#555555", linewidth=1.8, linestyle=":",
                              label="undefined (layer wholly dead): last value"))  # fmt: skip
    figure.legend(handles=entries, loc="outside lower left", ncols=4 if columns == 2 else 1,
                  frameon=False, fontsize=9)  # fmt: skip


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _each(values: Iterable[object]) -> str:
    """The distinct values, in order of appearance: what the runs share is said once."""
    return " / ".join(dict.fromkeys(map(str, values)))


def _percent(value: float, _: int | None = None) -> str:
    return f"{100 * value:.4g} %"


def _thousands(value: float, _: int | None = None) -> str:
    return f"{value / 1000:g}k" if abs(value) >= 1000 else f"{value:g}"
