"""How the tutorials look: figures, and the cards that show claims, instances and answers.

No mathematics here: what a card says comes from `theory`, what a figure shows from its notebook.
Colours are those of Okabe and Ito, which the colour-blind tell apart.
"""

import base64
import html
import io
import re
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import marimo as mo
import matplotlib
from marimo._runtime.context.types import ContextNotInitializedError
from matplotlib.figure import Figure

from theory.claim import Claim, Outcome, find
from theory.decide import CLAIMS
from tutorials import contents

BLACK, ORANGE, SKY, GREEN = "#000000", "#e69f00", "#56b4e9", "#009e73"
YELLOW, BLUE, VERMILION, PURPLE = "#f0e442", "#0072b2", "#d55e00", "#cc79a7"
GREY = "#8c8c8c"
# Beside the tutorials in a checkout, among them in the wheel of `make site-wasm`.
_PLACES = [path / "results" for path in Path(__file__).parents[:2]]
RESULTS = next((path for path in _PLACES if path.is_dir()), _PLACES[1])
NARROW = 4.0  # inches, of a figure in a narrow window
EXAMPLES = 300  # instances of each size that a search tries
PATIENCE = 20  # seconds of the processor, after which a search ends with the size that it is at
VERDICTS = {"holds": GREEN, "holds if": BLUE, "refuted": VERMILION, "open": GREY}
# Those darker, so that white letters on them have a contrast of 4.5 at least.
BADGES = {"holds": "#007a59", "holds if": "#00699f", "refuted": "#b04a00", "open": "#666666"}

# marimo's other threads draw random numbers while a search runs; it draws none itself.
warnings.filterwarnings("ignore", "Do not use the `random` module inside strategies")

matplotlib.rcParams.update(
    {
        "axes.prop_cycle": matplotlib.cycler(color=[BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY]),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "axes.labelsize": 11,
        "axes.grid": True,
        "grid.alpha": 0.25,
        "figure.constrained_layout.h_pad": 0.1,
        "figure.constrained_layout.w_pad": 0.1,
        "font.size": 10.5,
        "legend.frameon": False,
        "legend.fontsize": 10,
        "lines.linewidth": 2,
    }
)


# ------------------------------------------------------------------------------------- figures


def narrow() -> bool:
    """Whether the window is narrow: head.html then says so in the page's address."""
    try:
        return "narrow" in mo.query_params()
    except ContextNotInitializedError:  # a cell that a test runs alone
        return False


def figure(
    rows: int = 1, columns: int = 1, *, width: float = 9.0, height: float = 3.2, **options: Any
) -> tuple[Figure, Any]:
    """A figure (width x height inches; the text column has 9) and its axes, as plt.subplots.

    In a narrow window the panels stand one below the other. Not pyplot's figure: that one keeps
    every figure that a slider has ever drawn.
    """
    if not narrow():
        drawing = Figure(figsize=(width, height), layout="constrained")
        return drawing, drawing.subplots(rows, columns, **options)
    given = options.pop("gridspec_kw", {}).get("height_ratios", [1] * rows)
    heights = [ratio for ratio in given for _ in range(columns)]
    drawing = Figure(figsize=(NARROW, height * columns), layout="constrained")
    axes = drawing.subplots(len(heights), 1, gridspec_kw={"height_ratios": heights}, **options)
    return drawing, axes.reshape(rows, columns) if min(rows, columns) > 1 else axes


def show(drawing: Figure, says: str) -> mo.Html:
    """The figure, sharp at every zoom; `says` is for who cannot see it."""
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="svg", metadata={"Date": None})
    data = base64.b64encode(buffer.getvalue()).decode()
    slim = drawing.get_figwidth() == NARROW
    width = 100 if slim else drawing.get_figwidth() / 9 * 100
    return mo.Html(
        f'<div data-figure="{"narrow" if slim else "wide"}"><img alt="{html.escape(says)}" '
        f'src="data:image/svg+xml;base64,{data}" '
        f'style="width:{width:.0f}%; background:white; border-radius:6px"></div>'
    )


def _data(name: str) -> str:
    kind = name.rpartition(".")[2]
    content = base64.b64encode((contents.FOLDER / "pictures" / name).read_bytes()).decode()
    return f"data:image/{kind};base64,{content}"


def picture(name: str, says: str) -> mo.Html:
    """tutorials/pictures/NAME.png."""
    look = "max-width:100%; border-radius:6px; display:block"
    return mo.Html(f'<img alt="{html.escape(says)}" style="{look}" src="{_data(name + ".png")}">')


def film(name: str, says: str) -> mo.Html:
    """tutorials/pictures/NAME.gif; NAME.png for who has asked the system for less motion."""
    still = f'<source media="(prefers-reduced-motion: reduce)" srcset="{_data(name + ".png")}">'
    moving = f'<img alt="{html.escape(says)}" style="max-width:100%" src="{_data(name + ".gif")}">'
    return mo.Html(f"<picture>{still}{moving}</picture>")


def digits(value: float, limits: Sequence[float]) -> str:
    """A number with two digits after the point, or as many more as tell it from the limits."""
    if value != value:
        return "undefined"
    for count in range(2, 16):
        text = f"{value:.{count}f}"
        if all((float(text) > at) == (value > at) and (float(text) < at) == (value < at)
               for at in limits):  # fmt: skip
            return text
    return repr(float(value))


# --------------------------------------------------------------------------------------- cards


def _card(colour: str, head: str, body: str) -> mo.Html:
    return mo.Html(
        f'<div style="border-left:5px solid {colour}; padding:0.4em 0 0.4em 1em; margin:0.6em 0">'
        f'<div style="font-weight:600; margin-bottom:0.3em">{head}</div>{body}</div>'
    )


def _lines(lines: Iterable[str]) -> str:
    """Text as it stands, one paragraph a line; what is indented stays so."""
    return "".join(
        f'<div style="margin:0.2em 0 0.2em {(len(line) - len(line.lstrip())) / 2}em">'
        f"{_text(line.strip())}</div>"
        for line in lines
    )


def _text(text: str) -> str:
    """HTML of a line of theory's: there x_1 and x_{1j} have an index, and 2^n is a power."""
    return _raised(html.escape(text))


def _raised(text: str) -> str:
    for mark, tag in (("_", "sub"), (r"\^", "sup")):
        group = r"\{([^}]*)\}" if tag == "sub" else r"\(([^)]*)\)"
        text = re.sub(
            rf"(?<=\S){mark}(?:{group}|(-?[A-Za-zα-ω0-9]+))",
            lambda m, tag=tag: f"<{tag}>{_raised(m[1] or m[2])}</{tag}>",
            text,
        )
    return text


def _badge(verdict: str) -> str:
    colour = BADGES[verdict]
    return (
        f'<span style="color:white; background:{colour}; border-radius:1em; white-space:nowrap; '
        f'padding:0.1em 0.7em; font-size:0.85em; font-weight:600">{verdict}</span>'
    )


def claim(id: str, verdict: bool = True) -> mo.Html:
    """A claim as theory has it: title, source, statement, assumptions; its verdict, if that is
    no longer a question."""
    it = CLAIMS[id]
    given = [
        ("" if a.name == a.says else f"{a.name}: ")
        + f"{a.says}{'' if a.said else ' (unsaid in the paper)'}"
        for a in it.given
    ]
    bullets = "".join(f"<li>{_text(line)}</li>" for line in given)
    body = _lines(it.statement.splitlines())
    if given:
        body += f'<ul style="margin:0.3em 0 0 1.2em; list-style:disc">{bullets}</ul>'
    head = f"{html.escape(it.title)} " + (_badge(it.verdict) if verdict else "")
    head += f'<br><small style="font-weight:400">{html.escape(it.source)}</small>'
    return _card(VERDICTS[it.verdict] if verdict else GREY, head, body)


def predict(question: str, *options: str) -> mo.ui.radio:
    """To be asked before anything is shown."""
    return mo.ui.radio(options, label=question)


def reveal(predicted: str | None, right: str, says: str) -> mo.Html:
    """What is so, once something was predicted."""
    if predicted is None:
        return mo.md("*Predict first, then move.*")
    word = "As you said" if predicted == right else "Not so"
    return verdict("right" if predicted == right else "wrong", f"**{word}:** {says}")


def choose(ids: Sequence[str], first: str) -> mo.ui.dropdown:
    """Which of these claims to break."""
    names = {id: id if narrow() else f"{CLAIMS[id].title} ({id})" for id in ids}
    return mo.ui.dropdown({names[id]: id for id in ids}, value=names[first], label="The claim")


def drop(claim: Claim) -> mo.ui.dropdown:
    """Which of its assumptions to drop, or None."""
    short = narrow()
    names = {
        a.name if short or a.name == a.says else f"{a.name}: {a.says}": a.name for a in claim.given
    }
    return mo.ui.dropdown({"nothing": None} | names, value="nothing", label="Drop")


class Stopped(BaseException):
    """No failure of an instance: hypothesis lets it through at once."""


class Search:
    """theory's `find`, a size at a time, in a thread of its own: so the page can stop it.

    It ends with a counterexample, when its button is pressed, when the cell that began it runs
    again, or after the size at which PATIENCE ends. `told` is called at every step, for a state on
    which the cell that shows it depends. Outside a page, and in one without threads, it is done
    when it is made.
    """

    def __init__(
        self, claim: Claim, without: str | None, told: Callable[[str], None] = lambda says: None
    ):
        self.claim, self.without, self.told = claim, without, told
        self.outcome: Outcome | None = None
        self.says = "the smallest instances first"
        self.stopped = threading.Event()
        self.stop = mo.ui.button(label="stop", on_change=lambda _: self.stopped.set())
        if mo.running_in_notebook() and sys.platform != "emscripten":
            mo.Thread(target=self.run).start()
        else:
            self.run()

    def run(self) -> None:
        began, tried = time.process_time(), 0
        for size in self.claim.sizes:
            try:
                found = find(replace(self.claim, sizes=(size,), then=self.then), self.without,
                             EXAMPLES)  # fmt: skip
            except Stopped:
                break
            tried += found.tried
            if found.violation is not None:
                self.outcome = Outcome(tried, found.violation, size)
                break
            seconds = time.process_time() - began
            if seconds > PATIENCE:
                break
            self.says = f"none of size {size}; {tried:,} instances in {seconds:.0f} s"
            self.says += f"; ends after about {PATIENCE} s"
            self.told(self.says)
        self.outcome = self.outcome or Outcome(tried)
        self.told("done")

    def then(self, instance: Any) -> bool:
        thread = threading.current_thread()
        if self.stopped.is_set() or (isinstance(thread, mo.Thread) and thread.should_exit):
            raise Stopped
        return self.claim.then(instance)


def button() -> mo.ui.run_button:
    return mo.ui.run_button(label="find me a counterexample")


def searched(search: Search | None) -> mo.Html:
    """How far a search is, with the button that stops it, or what it ended with."""
    if search is None:
        return mo.md("*Press the button.*")
    if search.outcome is not None:
        return found(search.outcome, search.claim, search.without)
    says = f'<div role="status">Searching: {html.escape(search.says)}</div>'
    return mo.hstack([search.stop, mo.Html(says)], justify="start", gap=1, align="center")


def found(outcome: Outcome, claim: Claim, without: str | None = None) -> mo.Html:
    """What a search for a counterexample ended with, the instance redone by hand, the verdict."""
    dropped = f" without the assumption '{html.escape(without)}'" if without else ""
    if outcome.violation is None:
        head = f"No counterexample{dropped} among {outcome.tried:,} instances"
        said = ["That is evidence, not a proof."]
        if without is None:
            head += f" {_badge(claim.verdict)}"
        return _card(GREEN, head, _lines(said))
    steps = claim.steps(outcome.violation) if claim.steps else []
    size = html.escape(str(outcome.size))
    head = f"A counterexample{dropped}, of size {size}, after {outcome.tried:,} instances"
    if without is None:
        head += f" {_badge(claim.verdict)}"
    mono = '<div style="font-family:monospace; font-size:0.9em; margin-top:0.5em">'
    body = _lines(str(outcome.violation).splitlines()) + f"{mono}{_lines(steps)}</div>"
    return _card(VERMILION, head, body)


def proof(id: str) -> mo.Html:
    """Why the claim holds, or where its printed proof breaks, folded up."""
    it = CLAIMS[id]
    parts = {"Where the printed proof breaks": it.breaks, "The proof": it.proof}
    shown = {
        name: mo.Html(_lines(text.splitlines())) for name, text in parts.items() if text.strip()
    }
    if it.remark:
        shown["A remark"] = mo.Html(_lines(it.remark.splitlines()))
    return mo.accordion(shown)


def verdict(kind: str, says: str, solved: str = "") -> mo.Html:
    """What is said of an answer, in a region that screen readers read aloud when it changes.

    kind: right, wrong, unread or waiting; `solved` names an exercise that head.html remembers.
    """
    colour = {"right": GREEN, "wrong": ORANGE, "unread": VERMILION, "waiting": GREY}[kind]
    marks = f'data-verdict="{kind}"' + (f' data-solved="{solved}"' if solved else "")
    return mo.Html(
        f'<div role="status" {marks} style="border-left:5px solid {colour}; '
        f'padding:0.3em 0 0.3em 1em; margin:0.3em 0">{mo.md(says).text}</div>'
    )


def neighbours(name: str) -> mo.Html:
    """The way to the tutorial before and after this one."""
    links = (
        f'<a href="{address}">{html.escape(label)}</a>'
        for label, address in contents.neighbours(name)
    )
    return mo.Html(
        '<nav aria-label="Tutorials" style="display:flex; flex-wrap:wrap; gap:0.5em 2em; '
        f'justify-content:space-between; margin-top:1.5em">{"".join(links)}</nav>'
    )


def table(rows: Sequence[dict[str, Any]], says: str) -> mo.Html:
    """Rows of equal keys, which scroll in their place; `says` is their name."""

    def cell(value: Any) -> str:
        if isinstance(value, float):
            return "not recorded" if value != value else f"{round(value, 3):g}"
        return html.escape(str(value))

    look = f"{CELL}; text-align:left"
    head = "".join(f'<th style="{look}">{html.escape(key)}</th>' for key in rows[0])
    body = "".join(
        "<tr>"
        + "".join(f'<td style="{CELL}">{cell(value)}</td>' for value in row.values())
        + "</tr>"
        for row in rows
    )
    return mo.Html(
        f'<div role="region" aria-label="{html.escape(says)}" tabindex="0" '
        'style="overflow:auto; max-height:28rem">'
        '<table style="width:100%; border-collapse:collapse; font-size:0.92em">'
        f"<tr>{head}</tr>{body}</table></div>"
    )


def ledger(*ids: str) -> mo.Html:
    """What the paper says, what is true, where to look: one row a claim, all from theory."""
    rows = []
    for id in ids:
        it = CLAIMS[id]
        chapter = id.partition(".")[0]
        unsaid = [f"if {a.says}" for a in it.given if not a.said]
        truth = [CLAIMS[r].title for r in it.repaired_by] or unsaid or ["as it says"]
        cells = (
            f"{html.escape(it.title)}<br><small>{html.escape(it.source)}</small>",
            f"{_badge(it.verdict)}<br>{'<br>'.join(map(_text, truth))}",
            f"<code>theory/{chapter}/</code><br><code>python -m theory show {id}</code>",
        )
        rows.append("<tr>" + "".join(f'<td style="{CELL}">{cell}</td>' for cell in cells) + "</tr>")
    heads = {"What the paper says": 28, "What is true": 30, "Where to look": 42}  # %, of the width
    head = "".join(
        f'<th style="{CELL}; text-align:left; width:{width}%">{h}</th>'
        for h, width in heads.items()
    )
    return mo.Html(
        '<table style="width:100%; border-collapse:collapse; font-size:0.92em; '
        'table-layout:fixed; overflow-wrap:anywhere">'
        f"<tr>{head}</tr>{''.join(rows)}</table>"
    )


CELL = "padding:0.45em 0.8em 0.45em 0; vertical-align:top; border-bottom:1px solid #8884"
