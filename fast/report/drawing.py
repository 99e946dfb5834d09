"""What every figure is made of: looks, a face that says what was run, lines, marks and files.

A line is one run, or with a band the mean over several, never smoothed, and is drawn from the very
rows that go to the figure's CSV. Where a whole layer is dead its scores are undefined (NaN, and NaN
in the CSV); there the last value is carried on as a dotted line (Neuron Dominance, B.1).
"""

import contextlib
import csv
import io
import math
import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, pairwise, product
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator
from numpy.typing import NDArray

from fast.errors import InputError, as_input, require_place
from fast.papers.grid import Panel
from fast.runs.records import Floats, Run, scored_layers, series

Looks = dict[str, tuple[str, str]]  # (colour, marker) of each method
# A method looks the same in every figure, and this is their order. Okabe and Ito's colours, told
# apart by every kind of colour vision, and three more; the markers say it again.
LOOKS: Looks = {
    "baseline": ("#D55E00", "o"),
    "reset": ("#CC79A7", "D"),
    "redo": ("#E69F00", "v"),
    "pruning": ("#56B4E9", "P"),
    "hl-gauss": ("#009E73", "^"),
    "hl-gauss-x10": ("#6B7A1E", "<"),
    "ln": ("#000000", "X"),
    "lnwd": ("#0072B2", "s"),
    "late-ln": ("#6A3D9A", ">"),
    "resnet18": ("#8C510A", "*"),
}
DOMINANT_SHARE = 0.5  # Neuron Dominance, Definition 1: a score above N/2 is a share above 1/2
DASHED = (0, (6, 3))
GREY, SHADE = "#555555", "#8a8a8a"


class Row(NamedTuple):
    """One point of a line and one line of a CSV; `panel` is the key of the record it stands in."""

    run: str
    task: str
    method: str
    seed: int
    panel: str
    x: float
    value: float


HEADER = (*Row._fields[:5], "environment_step", "value")


class Drawing(NamedTuple):
    """A figure, and the rows that it shows, each a line of its CSV under `header`."""

    figure: Figure
    header: Sequence[str]
    rows: Sequence[tuple[Any, ...]]


def house_style() -> contextlib.AbstractContextManager[None]:
    """Within it a user's matplotlibrc (TeX, fonts, colours, an origin below) says nothing."""
    return style.context("default")


def require_writable(out: Path) -> None:
    """Raises InputError, before any work, unless `out` is a folder for files or can be made one."""
    with as_input("--out", out):
        if out.exists() and not out.is_dir():
            raise InputError("--out", str(out), "a folder, new or not, is accepted")
        require_place(out, out / "overview.png")


def save(drawing: Drawing, path: Path) -> Path:
    """Write `path` (.png) and beside it the same as .pdf and .csv; returns `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(drawing, path.with_suffix(".csv"))
    for form in ("png", "pdf"):
        path.with_suffix(f".{form}").write_bytes(content(drawing.figure, form))
    return path


def write_table(drawing: Drawing, path: Path) -> None:
    # The name of a folder need not be text in any encoding.
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file)
        writer.writerow(drawing.header)
        writer.writerows(drawing.rows)


def content(figure: Figure, form: str) -> bytes:
    """The figure as a file's content; `form` is png, pdf or svg."""
    # Text stays text in the PDF; no date and no random ids, so that the same runs give one file.
    stamp = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[form]
    buffer = io.BytesIO()
    with house_style(), matplotlib.rc_context({"pdf.fonttype": 42, "svg.hashsalt": "figure"}):
        figure.savefig(buffer, format=form, metadata=stamp)
    figure.set_layout_engine(None)  # what the first form has laid out holds for the others
    return buffer.getvalue()


# --- which look --------------------------------------------------------------------------------


def methods_of(runs: Iterable[Run]) -> list[str]:
    """The methods of `runs`: the known ones in the order of LOOKS, then others by name."""
    present = {run.method for run in runs}
    return [name for name in LOOKS if name in present] + sorted(present - LOOKS.keys())


def looks_of(methods: Sequence[str]) -> Looks:
    """(colour, marker) of each method; raises InputError where there are more than looks."""
    if len(methods) > len(LOOKS):
        raise InputError("runs", methods, f"at most {len(LOOKS)} methods are accepted")
    spare = iter([look for name, look in LOOKS.items() if name not in methods])
    return {name: LOOKS[name] if name in LOOKS else next(spare) for name in methods}


def seed_colour(seed: int) -> str:
    return list(LOOKS.values())[seed % len(LOOKS)][0]


# --- what runs say -----------------------------------------------------------------------------


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


def points(run: Run, key: str, x: Floats, y: Floats) -> list[Row]:
    """The points of a line of a run."""
    head = (run.folder.name, run.task, run.method, run.seed, key)
    return [Row(*head, *point) for point in zip(x.tolist(), y.tolist(), strict=True)]


def rows_of(
    runs: Iterable[Run], panels: Sequence[Panel], counter: str = "environment_step"
) -> list[Row]:
    """Every point that the panels draw of the runs, over a counter; what is of no one layer is a
    share of the `whole`."""
    rows = []
    for run, panel in product(runs, panels):
        if panel.kind not in run.tables:
            continue
        table = run.tables[panel.kind]
        for key in panel.keys:
            of_all = panel.kind == "scores" and key.count("/") < 2
            y = whole(run, key) if of_all else series(run, panel.kind, key)[1]
            x = table.numbers(counter)[slice(None) if of_all else table.column(key).rows]
            rows += points(run, key, x, y)
    return rows


def carried(y: Floats) -> list[tuple[int, int]]:
    """Where `y` is NaN after a number: (index of the last number, index of the last NaN)."""
    numbers = [*np.flatnonzero(np.isfinite(y)).tolist(), len(y)]
    return [(at, after - 1) for at, after in pairwise(numbers) if after - at > 1]


def filled(y: Floats) -> Floats:
    """`y` with the last number carried on; NaN before the first."""
    y = y.copy()
    for first, last in carried(y):
        y[first + 1 : last + 1] = y[first]
    return y


def step_of(run: Run, update: int) -> float:
    """The environment step of an update, as far as the run has come: records hold both counts."""
    updates, steps = run.counter("update"), run.counter("environment_step")
    order = np.lexsort((steps, updates))
    return float(np.interp(update, updates[order], steps[order])) if len(order) else 0.0


def steps(runs: Iterable[Run]) -> str:
    """What `environment_step` counts: where nothing is played a step is a batch."""
    still = {run.config["env"]["kind"] == "labels" or bool(run.config["run"].get("stored"))
             for run in runs}  # fmt: skip
    played = "environment steps"
    return "batches" if all(still) else f"{played}, or batches" if any(still) else played


def masked_spans(runs: Iterable[Run]) -> dict[int, float]:
    """Number of masked updates -> the environment step at which the masking ends."""
    spans: dict[int, float] = {}
    for run in runs:
        masked = run.masked
        if masked:
            spans[masked] = max(spans.get(masked, 0.0), step_of(run, masked))
    return spans


# --- the face ----------------------------------------------------------------------------------


class Face(NamedTuple):
    """What stands above the panels: title, what was run, what to know, and a warning."""

    title: str
    subtitle: str
    warning: str | None = None
    note: str = ""


def subtitle(runs: Sequence[Run], *more: str) -> str:
    """How the runs were made and how far they came, with `more` parts; no part is broken."""
    env = [run.config["env"] for run in runs]
    pixels = [e for e in env if e["kind"] == "pixels"]
    kinds = {"labels": "labelled pictures", "games": "pictures of games"}
    seen = [kinds.get(kind, "from states") for kind in sorted({e["kind"] for e in env})]
    if pixels:
        seen = [
            f"render quality {each(e['render_quality'] for e in pixels)}",
            f"{each(e['size'] for e in pixels)} pixels a side",
        ]
    last = max(max(run.counter("environment_step").tolist(), default=0) for run in runs)
    held = {  # the same thing for a control suite and for games
        words: [e[name] for e in env if name in e]
        for name, words in (("action_repeat", "action repeat"), ("frame_skip", "frame skip"))
    }
    parts = [
        f"preset {each(run.config['preset'] for run in runs)}",
        *seen,
        *(f"{words} {each(values)}" for words, values in held.items() if values),
        *more,
        f"{_progress(runs)} planned updates",
        *([f"{last:,} {steps(runs)}"] if any(e["kind"] != "labels" for e in env) else []),
    ]
    return " · ".join(part.replace(" ", "\u00a0") for part in parts)


def _progress(runs: Sequence[Run]) -> str:
    pairs = list(dict.fromkeys((run.reached, run.planned) for run in runs))
    if len(pairs) <= 2:
        return " / ".join(f"{reached:,} of {planned:,}" for reached, planned in pairs)
    reached = sorted(pair[0] for pair in pairs)
    planned = each(f"{number:,}" for number in sorted({pair[1] for pair in pairs}))
    return f"{reached[0]:,} to {reached[-1]:,} of {planned}"


def incomplete(runs: Sequence[Run]) -> str | None:
    """A warning that names the run furthest from its planned updates, None if all are finished."""
    unfinished = [run for run in runs if not run.finished]
    if not unfinished:
        return None
    worst = min(unfinished, key=lambda run: run.reached / run.planned)
    # Rounded down: 99.9 % is not yet 100 %, and without its last evaluation no run is.
    percent = min(99, 100 * worst.reached // worst.planned)
    which = f"{worst.method}, seed\u00a0{worst.seed}"
    if len({run.task for run in runs}) > 1:
        which = f"{worst.task}, {which}"
    return f"INCOMPLETE: {percent} % of the planned updates ({which})"


def sheet(width: float, height: float, face: Face) -> Figure:
    """A figure of so many inches with its face at the top; the layout has what is left below."""
    figure, inch = Figure(figsize=(width, height), dpi=150), 1 / height
    left, y = 0.12 / width, 1 - 0.12 * inch
    parts = [
        (face.title, 13, "bold", "#111111"),
        (face.subtitle, 9, "normal", "#444444"),
        (face.note, 9, "normal", "#444444"),
        (face.warning or "", 10, "bold", "#b00020"),
    ]
    for text, size, weight, colour in parts:
        text = text.encode(errors="backslashreplace").decode()  # a folder's name need not be text
        letter = size * (0.68 if weight == "bold" else 0.6)  # points a letter, generously
        for line in textwrap.wrap(text, int((width - 0.24) * 72 / letter)):
            figure.text(left, y, line, size=size, weight=weight, color=colour, va="top")
            y -= size * 1.45 / 72 * inch
    figure.set_layout_engine("constrained", rect=(0, 0, 1, y - 0.04 * inch), h_pad=0.09, w_pad=0.07)
    return figure


# --- panels ------------------------------------------------------------------------------------


def plain(axes: Axes, title: str, x: str = "", y: str = "") -> None:
    """The style that all axes have."""
    axes.set_title(title, loc="left", size=10, weight="bold")
    axes.set_xlabel(x, size=9)
    axes.set_ylabel(y, size=9)
    axes.tick_params(which="both", labelsize=9)
    axes.tick_params(length=3)
    axes.grid(True, color="#000000", alpha=0.09, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)


def label(grid: Any, above: Sequence[str], x: str, left: Sequence[str]) -> None:
    """The style of a grid of axes, (rows, columns): titles above it, x below, names on its left."""
    for (row, column), axes in np.ndenumerate(grid):
        title, name = above[column] if row == 0 else "", left[row] if column == 0 else ""
        plain(axes, title, x if row == len(grid) - 1 else "", name)


def over_steps(axes: Axes, last: float, spans: Iterable[float] = ()) -> None:
    """An x axis of environment steps, or of what counts them, with the masked phases shaded."""
    axes.set_xlim(0, 1.02 * max(last, 1))
    axes.xaxis.set_major_formatter(FuncFormatter(_thousands))
    for end in spans:
        axes.axvspan(0, end, color=SHADE, alpha=0.16, linewidth=0)


def lines(
    axes: Axes,
    panel: Panel,
    rows: Sequence[Row],
    style: Callable[[Row], dict[str, Any]],
    widths: Iterable[int] = (),
) -> set[str]:
    """Draw the panel's lines, one a run and key; which MARKS were needed.

    `style` gives a line's keywords from its first row, `widths` are the layer's widths N.
    """
    marks: set[str] = set()
    of_panel = [row for row in rows if row.panel in panel.keys]
    values = np.array([row.value for row in of_panel])
    values = values[np.isfinite(values)]
    floor = _floor(values)
    for first_row, x, y in lines_of(of_panel):
        looks = style(first_row)
        zero = (y == 0) & (panel.axis == "magnitude")
        axes.plot(x, np.where(zero, np.nan, y), **looks)
        bare = {name: looks[name] for name in ("color", "linewidth")}
        for first, last in carried(y):
            axes.plot([x[first], x[last]], [y[first]] * 2, **bare, linestyle=":")
            marks.add("carried")
        if zero.any():
            axes.plot(x[zero], np.full(zero.sum(), floor), "v", markersize=3.5, clip_on=False,
                      color=looks["color"])  # fmt: skip
            marks.add("zero")
    scale(axes, panel.axis, values, widths, floor)
    return marks


def _floor(values: Floats) -> float:
    """The power of ten below the smallest positive value."""
    return 10.0 ** math.floor(math.log10(min(values[values > 0], default=1.0)))


def averaged(lines: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """(x, values, carried): the lines (x, y) at every x of any, the last two (lines, x).

    Between its points a line is straight, before its first number and after its end NaN; `carried`
    is where a value is the last one before what is undefined.
    """
    x = np.unique(np.concatenate([line[0] for line in lines]))
    values = np.full((len(lines), len(x)), np.nan)
    carried = np.zeros(values.shape, dtype=bool)
    for row, (at, y) in enumerate(lines):
        defined = np.isfinite(y)
        if defined.any():
            first = int(np.argmax(defined))
            inside = (x >= at[first]) & (x <= at[-1])
            values[row, inside] = np.interp(x[inside], at[first:], filled(y)[first:])
            carried[row, inside] = np.interp(x[inside], at[first:], ~defined[first:]) > 0
    return x, values, carried


def lines_of(rows: Iterable[Row]) -> list[tuple[Row, Floats, Floats]]:
    """(first row, x, y) of each run and key, whose rows stand together."""
    found = []
    for _, group in groupby(rows, key=lambda row: (row.run, row.panel)):
        points = list(group)
        x, y = np.array([(row.x, row.value) for row in points]).T
        found.append((points[0], x, y))
    return found


def bands(axes: Axes, panel: Panel, rows: Sequence[Row], looks: Looks) -> set[str]:
    """Draw of each method the mean of the panel's lines, and a band from the lowest to the highest.

    Dotted is a mean in which an undefined value is carried on. Which MARKS were needed.
    """
    marks: set[str] = set()
    shown = [np.array([])]
    for method, (colour, marker) in looks.items():
        every = [row for row in rows if row.method == method and row.panel in panel.keys]
        if not every:
            continue
        x, values, undefined = averaged([(x, y) for _, x, y in lines_of(every)])
        held = np.ma.masked_invalid(values)
        mean, low, high = (of(axis=0).filled(np.nan) for of in (held.mean, held.min, held.max))
        dotted = np.asarray(undefined.any(axis=0))
        look: dict[str, Any] = {"color": colour, "linewidth": 1.6}
        axes.plot(x, np.where(dotted, np.nan, mean), **look, marker=marker, markersize=4.5,
                  markevery=max(1, len(x) // 8))  # fmt: skip
        if dotted.any():
            near = dotted | np.append(dotted[1:], False)  # from the last point that is defined
            axes.plot(x, np.where(near, mean, np.nan), **look, linestyle=":")
            marks.add("carried")
        if len(values) > 1:
            axes.fill_between(x, low, high, color=colour, alpha=0.13, linewidth=0)
        shown += [low, high]
    told = np.concatenate(shown)
    told = told[np.isfinite(told)]
    scale(axes, panel.axis, told, floor=_floor(told))
    return marks


def trend(
    axes: Axes, panel: Panel, rows: Sequence[Row], looks: Looks, single: bool, **line: float
) -> set[str]:
    """Draw the panel of each run as a line of its method's colour, else of each method its band."""
    if single:
        return lines(axes, panel, rows, lambda row: {"color": looks[row.method][0], **line})
    return bands(axes, panel, rows, looks)


def scale(
    axes: Axes, axis: str, values: Floats, widths: Iterable[int] = (), floor: float = 1.0
) -> None:
    """The y axis, as in `Panel`: its scale, limits, and where dominance begins."""
    if axis == "share":
        # A share lies between 1/N and 1, and starts near 1/N: only a log scale shows both ends.
        axes.set_yscale("log")
        axes.set_ylim(0.7 * min([*values, 0.1]), 1.3)
        axes.set_yticks([tick for tick in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
                         if tick >= axes.get_ylim()[0]])  # fmt: skip
        axes.yaxis.set_minor_locator(NullLocator())
        in_percent(axes)
        _threshold(axes, DOMINANT_SHARE, "dominant above 1/2")
    elif axis == "score":
        axes.set_yscale("log")
        axes.set_ylim(0.8, 1.6 * max([*values, *widths, 10]))  # a score lies between 1 and N
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        for width in sorted(set(widths)):
            half = DOMINANT_SHARE * width
            _threshold(axes, half, f"dominant above N/2 = {half:g}")
    elif axis == "fraction":
        axes.set_ylim(-0.03, 1.05)
        in_percent(axes)
    elif axis == "magnitude":
        axes.set_yscale("log")
        axes.set_ylim(floor, 10.0 ** math.ceil(math.log10(max([*values, 2 * floor]))))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(min(0.0, *values, 0.0), max(axes.get_ylim()[1], 1.0))
    if not len(values):
        axes.text(0.5, 0.45, "no number recorded", transform=axes.transAxes, ha="center",
                  color="#777777")  # fmt: skip


def _threshold(axes: Axes, height: float, text: str) -> None:
    axes.axhline(height, color="#333333", linewidth=1, linestyle=DASHED)
    axes.annotate(text, (0.01, height), (0, -3), xycoords=("axes fraction", "data"), va="top",
                  textcoords="offset points", size=8.5, color="#333333")  # fmt: skip


# --- legends -----------------------------------------------------------------------------------

MARKS = {
    "carried": Line2D([], [], color=GREY, linewidth=1.8, linestyle=":",
                      label="undefined (layer wholly dead, or an empty set): last value"),
    "zero": Line2D([], [], color=GREY, linestyle="", marker="v", markersize=3.5,
                   label="exactly zero"),
    "added": Line2D([], [], color="#333333", linewidth=1.2, linestyle="--",
                    label="LayerNorm added"),
}  # fmt: skip


def method_entries(looks: Looks) -> list[Line2D | Patch]:
    return [
        Line2D([], [], color=colour, marker=marker, markersize=4.5, linewidth=1.8, label=method)
        for method, (colour, marker) in looks.items()
    ]


def legend(
    figure: Figure, named: Sequence[Line2D | Patch], spans: Iterable[int], marks: set[str]
) -> None:
    """One legend below all panels: what is `named`, the masked updates, and the other marks."""
    entries = [*named]
    for masked in spans:
        label = f"reward masked to 0 (first {masked:,} updates)"
        entries.append(Patch(color=SHADE, alpha=0.3, linewidth=0, label=label))
    entries += [MARKS[name] for name in MARKS if name in marks]
    widths = [0.7 + 0.075 * len(str(entry.get_label())) for entry in entries]  # inches

    def needed(columns: int) -> float:
        """The width of a legend of so many columns, filled as matplotlib fills them."""
        return sum(column.max() for column in np.array_split(widths, columns))

    fitting = [n for n in range(1, len(widths) + 1) if needed(n) <= figure.get_figwidth()]
    figure.legend(handles=entries, loc="outside lower left", ncols=max(fitting, default=1),
                  frameon=False, fontsize=9)  # fmt: skip


# --- words -------------------------------------------------------------------------------------


def each(values: Iterable[object]) -> str:
    """The distinct values, in order of appearance: what the runs share is said once."""
    return " / ".join(dict.fromkeys(map(str, values)))


def in_percent(axes: Axes) -> None:
    """Write the shares of a y axis as percentages."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))


def _thousands(value: float, _: int) -> str:
    for unit, letter in ((1_000_000, "M"), (1000, "k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"
