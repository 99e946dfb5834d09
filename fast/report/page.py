"""One page of HTML that says in plain words what a folder of runs shows.

The sentences stand in `page.html.jinja`, the numbers come from `story.py`. The page loads nothing:
pictures and style are in it, and its content security policy forbids the rest.
"""

import base64
import io
import json
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from fast.errors import InputError, as_input
from fast.papers.recipes import RECIPES
from fast.report import drawing, figures, overview, story
from fast.report.chosen import title
from fast.report.drawing import Drawing
from fast.report.families import Aggregate, aggregates, improvements
from fast.report.story import Facts, Groups
from fast.runs.records import COUNTERS, Keep, Run, differing, find_runs

# All that is to be read of a run.
KEEP: Keep = {
    "scores": {*figures.KEEP["scores"], *story.SCORES},
    "update": figures.KEEP["update"],
}
STRIP = 6  # frames shown of one episode
MANY = 4  # runs, above which what is said of each is folded or told of all together
ALGORITHMS = {"drq": "DrQ", "drqv2": "DrQ-v2", "sac": "soft actor-critic", "bro": "BRO",
              "ppo": "PPO", "dacer": "DACER", "dqn": "deep Q-network",
              "classifier": "A classifier"}  # fmt: skip
TABLE = (  # label, attribute of Facts, how its numbers are written
    ("Evaluation return, last", "final_return", "number"),
    ("Return of random actions, mean", "random_return", "number"),
    ("Largest activation share in a layer", "share_max", "percent"),
    ("First step with a dominant neuron", "dominant_step", "step"),
    ("Saturated, most in a layer", "saturated_max", "percent"),
    ("First step with a layer wholly saturated", "collapsed_step", "step"),
    ("Updates made", "run.reached", "number"),
    ("Wall time", "seconds", "duration"),
)
LAYERS = (  # the same, of Layer
    ("Largest activation share", "share_max", "percent"),
    ("Saturated at the end", "saturated_final", "percent"),
    ("srank at the end", "srank_final", "number"),
)


# --- numbers in HTML -----------------------------------------------------------------------------


def _shown(value: float | None, write: Callable[[float], str]) -> Markup:
    """The value as it is written, in full in a `<data>` element."""
    if value is None:
        return Markup("not recorded")
    if not math.isfinite(value):
        return Markup("undefined")
    return Markup('<data value="{}">{}</data>').format(repr(float(value)), write(value))


def number(value: float | None) -> Markup:
    """Three digits, all digits of what is 100 or more, and no exponent down to a thousandth."""
    return _shown(value, lambda v: f"{v:,.0f}" if abs(v) >= 99.95 or v == int(v) else f"{v:.3g}")


def percent(value: float | None) -> Markup:
    return _shown(value, lambda v: f"{100 * v:.1f}\u00a0%")


def duration(value: float | None) -> Markup:
    def write(seconds: float) -> str:
        minutes, seconds = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        parts = ((hours, "h"), (minutes, "min"), (seconds, "s"))
        return " ".join(f"{n}\u00a0{unit}" for n, unit in parts if n) or "0\u00a0s"

    return _shown(value, write)


def several(count: int, noun: str) -> Markup:
    """`1 run`, `2 runs`."""
    return Markup("{} {}{}").format(number(count), noun, "" if count == 1 else "s")


WRITE = {"number": number, "percent": percent, "duration": duration}


def spread(write: Callable[[float], Markup], *told: float) -> Markup:
    """A value, and the ends of its range below it."""
    return Markup("{}<br><small>{} to {}</small>").format(*map(write, told))


def cell(values: Sequence[float | None], form: str) -> Markup:
    """The mean over runs, and lowest and highest below it; of steps each, which may be never."""
    if form == "step":
        each = [Markup("never") if value is None else number(value) for value in values]
        return Markup(", ").join(each)
    write, defined = WRITE[form], [v for v in values if v is not None and math.isfinite(v)]
    if len(set(values)) <= 1 or not defined:
        return write(values[0] if values else None)
    text = spread(write, float(np.mean(defined)), min(defined), max(defined))
    if len(defined) < len(values):
        few = Markup("<br><small>of {} seeds; else undefined</small>")
        text += few.format(number(len(defined)))
    return text


# --- what the template is given ------------------------------------------------------------------


def tables(groups: Groups) -> dict[str, list[list[Any]]]:
    """Rows of (label, a cell for each method): of the runs, and of each of their layers."""

    def of_layer(fs: Sequence[Facts], name: str, attribute: str) -> list[float | None]:
        return [getattr(x, attribute) for f in fs for x in f.layers if x.name == name] or [None]

    facts = [
        [label, *(cell([attrgetter(name)(f) for f in fs], form) for fs in groups.values())]
        for label, name, form in TABLE
    ]
    for name in dict.fromkeys(n for fs in groups.values() for f in fs for n in f.milliseconds):
        cells = (cell([f.milliseconds.get(name) for f in fs], "number") for fs in groups.values())
        facts.append([f"Milliseconds per agent step: {name}", *cells])
    found: dict[str, list[list[Any]]] = {"Runs": facts}
    names = dict.fromkeys(x.name for fs in groups.values() for f in fs for x in f.layers)
    for label, attribute, form in LAYERS:
        found[label] = [
            [name, *(cell(of_layer(fs, name, attribute), form) for fs in groups.values())]
            for name in names
        ]
    return found


def statistics(rows: Sequence[Aggregate]) -> tuple[list[str], list[list[Any]]]:
    """(columns, rows): a line a method, the aggregates of its last returns with their intervals."""
    names = list(dict.fromkeys(row.statistic for row in rows))
    table = []
    for method in dict.fromkeys(row.method for row in rows):
        own = [row for row in rows if row.method == method]
        cells = {}
        for row in own:
            write = percent if row.statistic.startswith("beats") else number
            cells[row.statistic] = spread(write, row.value, row.low, row.high)
        told = [cells.get(name, "") for name in names]
        table.append([method, *told, number(own[0].tasks), number(own[0].runs)])
    return [*names, "tasks", "runs"], table


def strip(run: Run) -> tuple[str, dict[int, str]]:
    """(file, {index: picture}) of the last stored episode; ("", {}) where none is readable."""
    files = sorted((run.folder / "frames").glob("*.npz"))
    if not files or run.config["env"]["kind"] != "pixels":
        return "", {}
    try:
        with np.load(files[-1]) as episode:
            frames = episode["frames"]
        pictures = {}
        for index in np.unique(np.linspace(0, len(frames) - 1, STRIP).round().astype(int)):
            file = io.BytesIO()
            picture = frames[index].transpose(1, 2, 0).copy()
            matplotlib.image.imsave(file, picture, format="png", origin="upper")
            pictures[int(index)] = uri(file.getvalue(), "png")
    except Exception:  # of many kinds: the file is cut short, as by a copy that was, or damaged
        return "", {}
    return files[-1].name, pictures


def made(runs: Sequence[Run]) -> dict[str, Any]:
    """The commands and the machine behind runs, from their `session` records."""
    sessions = [session for run in runs for session in run.of("session")]
    machine = {
        "preset": drawing.each(run.config["preset"] for run in runs),
        "render quality": drawing.each(
            run.config["env"].get("render_quality", "none") for run in runs
        ),
        "sessions": str(len(sessions)),
    }
    for key in dict.fromkeys(key for session in sessions for key in session):
        if key not in (*COUNTERS, "command"):
            values = list(dict.fromkeys(_plain(s[key]) for s in sessions if key in s))
            shown = values if len(values) <= MANY else [values[0], "…", values[-1]]
            machine[key] = "; then ".join(shown)
    return {
        "runs": runs,
        "commands": list(dict.fromkeys(s["command"] for s in sessions if s.get("command"))),
        "machine": machine,
        "settings": json.dumps(runs[0].config, indent=2),
    }


def _plain(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    return str(value)


def go_on(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Commands: what they are for, and the lines."""
    folder = shlex.quote(str(runs[0].folder if len(runs) == 1 else runs[0].folder.parent))
    return {
        "Finish what is unfinished:": [
            f"python -m fast train --resume {shlex.quote(str(run.folder))}"
            for run in runs
            if not run.finished
        ],
        "Train at the scale of the paper, with other seeds as well:": [
            shlex.join(["python", "-m", "fast", "train", "--agent", agent, "--task", task,
                        "--method", method, "--preset", "paper", "--seed", "0",
                        "--out", f"runs/{task}.{method}.0"])
            for agent, task, method in dict.fromkeys(
                (run.config["agent"]["kind"], run.task, run.method) for run in runs
            )
        ],
        "Make this page again, or follow every score in TensorBoard:": [
            f"python -m fast report --runs {folder}",
            f"tensorboard --logdir {folder}",
        ],
    }  # fmt: skip


def uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


# --- the page ------------------------------------------------------------------------------------

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
TEMPLATES.filters |= WRITE
TEMPLATES.globals |= {"several": several, "tables": tables, "strip": strip, "each": drawing.each,
                      "MANY": MANY, "isfinite": math.isfinite}  # fmt: skip


def page(
    runs: Sequence[Run],
    views: Sequence[Mapping[str, str]] = (),
    pictures: Mapping[str, str] | None = None,
    returns: Sequence[Aggregate] = (),
    damaged: Sequence[InputError] = (),
) -> str:
    """The whole page.

    `views` are the overview's pictures, each for `wide` and `narrow` screens, `pictures` the
    papers' figures by title, as URIs; `returns` their statistics.
    """
    order, tasks = drawing.methods_of(runs), dict[str, Groups]()
    ordered = sorted(runs, key=lambda run: (run.task, order.index(run.method)))
    for f in map(Facts, ordered):
        tasks.setdefault(f.run.task, {}).setdefault(f.run.method, []).append(f)
    curved: dict[str, list[str]] = {}
    for run in runs:
        agent = run.config["agent"]
        there = {agent.get(f"{part}activation", "relu") for part in ("", "actor_")} - {"relu"}
        if there:
            curved[run.method] = sorted(there)
    html = TEMPLATES.get_template("page.html.jinja").render(
        runs=runs,
        methods=order,
        tasks=tasks,
        every=[f for groups in tasks.values() for fs in groups.values() for f in fs],
        seeds=min(len({f.run.seed for f in fs}) for of in tasks.values() for fs in of.values()),
        agents=[ALGORITHMS.get(kind, kind)
                for kind in dict.fromkeys(run.config["agent"]["kind"] for run in runs)],
        differing=[name for name in differing(runs) if name not in ("task", "method", "seed")],
        curved=curved,  # the methods that have another non-linearity than ReLU
        warning=drawing.incomplete(runs),
        views=views,
        pictures=pictures or {},
        statistics=statistics(returns),
        damaged=damaged,
        made=[made(runs)] if len(runs) > MANY else [made([run]) for run in runs],
        go_on=go_on(runs),
    )  # fmt: skip
    return html.lstrip()


def _figures(runs: Sequence[Run], names: Sequence[str]) -> dict[str, str]:
    """Of some figures the papers', else what is like them, that the runs give: URIs by title."""
    found = {}
    for name in names:
        for own in (False, True):
            try:
                drawn = figures.draw(name, runs, own=own)
            except InputError:
                continue
            found[title(name, own)] = uri(drawing.content(drawn.figure, "png"), "png")
            break
    return found


def _views(runs: Sequence[Run], out: Path) -> list[dict[str, str]]:
    """The overview of runs of one task, which is also written; below it the runs one by one."""
    drawn = overview.overview(runs)
    with as_input("--out", out, "nothing can be written there"):
        drawing.save(drawn, out / "overview.png")

    def svg(made: Drawing) -> str:
        return uri(drawing.content(made.figure, "svg"), "svg+xml")

    views = [{"wide": svg(drawn), "narrow": svg(overview.overview(runs, narrow=True))}]
    if len(runs) > len(drawing.methods_of(runs)):
        wide, narrow = (
            svg(overview.overview(runs, narrow, alone=True)) for narrow in (False, True)
        )
        views.append({"wide": wide, "narrow": narrow})
    return views


def report(runs_folder: Path | str, out: Path | str) -> Path:
    """Write `report.html` into the folder `out`; for runs of one task the overview beside it.

    The page has the figure of survival, and with several tasks, or several seeds of a method, the
    papers' figures that can be drawn, or what is like them, and the statistics of the returns. What
    of the folder cannot be read is named on it and left out. Returns the path of the page. Raises
    InputError, before anything is written, where `runs_folder` holds no run, or runs that do not
    belong on one page, or nothing can be written in `out`.
    """
    out, damaged = Path(out), list[InputError]()
    drawing.require_writable(out)
    runs = find_runs(runs_folder, True, damaged, KEEP)
    views = _views(runs, out) if len({run.task for run in runs}) == 1 else []
    returns = list[Aggregate]()
    many = len(runs) > len({(run.task, run.method) for run in runs}) or not views
    pictures = _figures(runs, list(RECIPES) if many else ["survival"])
    if many and len({run.config["preset"] for run in runs}) == 1:
        returns = aggregates(runs) + improvements(runs)
    html = page(runs, views, pictures, returns, damaged)
    path = out / "report.html"
    with as_input("--out", out, "nothing can be written there"):
        out.mkdir(parents=True, exist_ok=True)
        # The name of a folder need not be text in any encoding.
        path.write_text(html, encoding="utf-8", errors="backslashreplace")
    return path
