"""What the records of runs say: their numbers, and sentences chosen by conditions on them.

Nothing here is prepared for an outcome that was hoped for: each sentence has its counterpart for
the opposite. Sentences are HTML; every number that is taken from the records stands in a
`<data value=...>` element with its full value.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import TypeGuard

import numpy as np

from fast.report.drawing import DOMINANT_SHARE
from fast.runs.records import Floats, Run, differing, random_returns, series

HEADS = (0, 1)  # of the critic
SCORES = tuple(  # what is to be read of a run for the facts
    f"critic/heads.{head}.{score}"
    for head in HEADS
    for score in ("dense0/largest_share", "dense0/srank", "dense0/dormant_0.1",
                  "dense1/saturated", "dense1/zombie")
)  # fmt: skip
# Neuron Dominance: twice the 500,000 masked updates of B.1, which are half of the training
# (Figure 3); Figures 2 and 3; B.2.
PAPER_UPDATES, PAPER_SEEDS, PAPER_BATCH = 1_000_000, 8, 512
UNDEFINED = "undefined"
UNRECORDED = "not recorded"


# --- what the records say ------------------------------------------------------------------------


class Facts:
    """The numbers of one run that the page states: what its records say.

    A number that was never recorded is None, one that is undefined (a wholly dead layer) is NaN.
    There are two critic heads; each number is that of the worse one: the larger share, saturation
    and dormancy, the smaller srank. Steps are environment steps, those of what never was are None.
    """

    def __init__(self, run: Run):
        def of_heads(score: str) -> Floats:
            """Both heads' values of a score, (records, heads)."""
            heads = [series(run, "scores", f"critic/heads.{head}.{score}")[1] for head in HEADS]
            return np.stack(heads, axis=1)

        self.run = run
        self.returns = series(run, "evaluation", "return")
        self.final_return = _last(self.returns[1])
        evaluations = run.of("evaluation")
        last = evaluations[-1] if evaluations else {}
        self.episodes = len(last.get("returns", ()))  # behind one of them
        self.cut_short = bool(last.get("broken"))  # one of these
        self.random_returns = random_returns(run)[1]  # of uniformly random actions
        self.random_return = (
            float(np.mean(self.random_returns)) if len(self.random_returns) else None
        )

        share, saturated = of_heads("dense0/largest_share"), of_heads("dense1/saturated")
        srank, steps = (
            of_heads("dense0/srank"),
            series(run, "scores", "critic/heads.0.dense0/srank")[0],
        )
        dominant, collapsed = share > DOMINANT_SHARE, saturated >= 1
        self.scored = bool(len(steps))
        self.share_max = _extreme(np.fmax, share)
        self.share_final = _last(share.max(axis=1))
        self.dominant_step = _first(steps, dominant.any(axis=1))
        self.dead_step = _first(steps, np.isnan(share).any(axis=1))  # of the first hidden layer
        self.saturated_max = _extreme(np.fmax, saturated)
        self.saturated_final = _last(saturated.max(axis=1))
        self.collapsed_step = _first(steps, collapsed.any(axis=1))
        self.head_steps = [
            (head, _first(steps, dominant[:, head]), _first(steps, collapsed[:, head]))
            for head in HEADS
        ]
        self.sequence = any(  # in one head a neuron was dominant before the next layer collapsed
            first is not None and then is not None and first < then
            for _, first, then in self.head_steps
        )
        self.srank_first = float(srank[0].min()) if len(srank) else None
        self.srank_min = _extreme(np.fmin, srank)
        self.srank_final = _last(srank.min(axis=1))
        self.dormant_final = _last(of_heads("dense0/dormant_0.1").max(axis=1))
        self.zombie_final = _last(of_heads("dense1/zombie").max(axis=1))

        self.seconds = _last(series(run, "timing", "seconds")[1])
        self.milliseconds = {
            key.removesuffix("_ms"): float(np.mean(series(run, "timing", key)[1]))
            for key in (run.tables["timing"].columns if "timing" in run.tables else ())
            if key.endswith("_ms")
        }


Groups = dict[str, list[Facts]]  # by method


def _extreme(pick: np.ufunc, values: Floats) -> float | None:
    """The largest or smallest that is defined; NaN if none is, None if there is no record."""
    return float(pick.reduce(values, axis=None)) if values.size else None


def _last(values: Floats) -> float | None:
    return float(values[-1]) if len(values) else None


def _first(steps: Floats, holds: np.ndarray) -> float | None:
    return float(steps[np.argmax(holds)]) if holds.any() else None


# --- numbers in HTML -----------------------------------------------------------------------------


def _shown(value: float | None, write: Callable[[float], str]) -> str:
    if value is None:
        return UNRECORDED
    if not math.isfinite(value):
        return UNDEFINED
    return f'<data value="{float(value)!r}">{write(value)}</data>'


def number(value: float | None) -> str:
    """Three digits, all digits of what is 100 or more, and no exponent down to a thousandth."""
    return _shown(value, lambda v: f"{v:,.0f}" if abs(v) >= 99.95 or v == int(v) else f"{v:.3g}")


def percent(value: float | None) -> str:
    return _shown(value, lambda v: f"{100 * v:.1f}&nbsp;%")


def duration(value: float | None) -> str:
    def write(seconds: float) -> str:
        minutes, seconds = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        parts = ((hours, "h"), (minutes, "min"), (seconds, "s"))
        return " ".join(f"{n}&nbsp;{unit}" for n, unit in parts if n) or "0&nbsp;s"

    return _shown(value, write)


def several(count: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def is_defined(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def name_of(text: object) -> str:
    return f"<b>{escape(str(text))}</b>"


# --- sentences, each chosen by a condition on the facts ------------------------------------------


def about_run(f: Facts) -> list[str]:
    """What happened in one run, whatever happened, in HTML."""
    said = []
    if not f.run.finished:
        said.append(
            f"<strong>This run is not finished</strong>: {number(f.run.reached)} of "
            f"{number(f.run.planned)} planned updates. All that follows is about these."
        )
    masked = f.run.masked
    if masked and f.run.reached > masked:
        said.append(
            f"For its first {number(masked)} updates the reward that it learned from was masked "
            "to zero; after that it saw the real one."
        )
    elif masked:
        said.append(
            f"The reward that it learns from is masked to zero for the first {number(masked)} "
            "updates, and it has not left that phase."
        )
    return [*said, *_about_return(f), *_about_neurons(f)]


def _about_return(f: Facts) -> list[str]:
    steps, values = f.returns
    if not len(values):
        return ["It has no evaluation yet."]
    final = float(values[-1])
    text = (
        f"The last evaluation (mean of {several(f.episodes, 'episode')}, at environment step "
        f"{number(steps[-1])}) returned {number(final)}"
    )
    if len(values) > 1 and np.isfinite(values).any():
        best = int(np.nanargmax(values))
        text += (
            f"; the first, at step {number(steps[0])}, returned {number(values[0])}, the best, at "
            f"step {number(steps[best])}, {number(values[best])}"
        )
    said = [f"{text}."]
    if f.cut_short:
        said.append("An episode of it broke off, and counts with its reward up to there.")
    if final == 0:
        said.append("A return of zero: in its last evaluation it earned nothing at all.")
    mean = f.random_return
    if not is_defined(mean) or not is_defined(final):
        return said
    best_random = max(f.random_returns)
    played = f"{several(len(f.random_returns), 'episode')} of uniformly random actions"
    if final > best_random:
        said.append(f"That is above each of the {played}, whose mean is {number(mean)}.")
    elif final > mean:
        said.append(
            f"That is above the mean of {played} ({number(mean)}), but one of those reached "
            f"{number(best_random)}: nothing shows that it learned."
        )
    else:
        said.append(f"That is not above the mean of {played} ({number(mean)}).")
    return said


def _about_neurons(f: Facts) -> list[str]:
    if not f.scored:
        return ["It has no neuron scores yet."]
    said = []
    if not is_defined(f.share_max):
        said.append(
            "At every score the first hidden layer was wholly dead in both critic heads: "
            "there is no largest share to tell of."
        )
    elif f.dominant_step is None:
        said.append(
            "<strong>No neuron became dominant</strong> in the critic's first hidden layers, which "
            "are looked at here: the largest share of a layer's activation that one neuron held "
            f"was {percent(f.share_max)}, and dominance begins above one half."
        )
    else:
        if not is_defined(f.share_final):
            end = "; at the end it is undefined in a head that is dead"
        elif f.share_final > DOMINANT_SHARE:
            end = f", and {percent(f.share_final)} at the end"
        else:
            end = f", but only {percent(f.share_final)} at the end: the dominance passed"
        said.append(
            "<strong>A neuron became dominant</strong>: at environment step "
            f"{number(f.dominant_step)} one neuron was first seen to hold more than half of the "
            f"first hidden layer's activation. The largest share was {percent(f.share_max)}{end}."
        )
    if f.dead_step is not None:
        said.append(
            f"At step {number(f.dead_step)} the first hidden layer was first seen to be wholly "
            "dead (zero for every observation) in a critic head, where its shares are undefined."
        )

    if f.collapsed_step is None:
        said.append(
            f"<strong>The next layer did not collapse</strong>: at most "
            f"{percent(f.saturated_max)} of its neurons were saturated at once, "
            f"{percent(f.saturated_final)} at the end."
        )
    else:
        end = f"; at the end {percent(f.saturated_final)} of them were"
        said.append(
            f"<strong>The next layer collapsed</strong>: at step {number(f.collapsed_step)} every "
            "neuron of it was first seen to be saturated"
            f"{', and at the end that was so as well' if f.saturated_final == 1 else end}."
        )
    for head, dominant, collapsed in f.head_steps:
        if dominant is not None and collapsed is not None:
            order = _by_size(
                collapsed - dominant,
                "dominance first, as in the paper",
                "the collapse first, which is not the paper's order",
                "the scores are too far apart to tell which came first",
            )
            said.append(
                f"In critic head {number(head)} the dominant neuron was first seen at step "
                f"{number(dominant)} and the collapse at step {number(collapsed)}: {order}."
            )

    first, final = f.srank_first, f.srank_final
    if is_defined(first) and is_defined(final):
        said.append(
            "The smaller srank of the two heads' first hidden layers "
            f"{_by_size(final - first, 'rose', 'fell', 'ended where it began')}: {number(first)} "
            f"at first, {number(final)} at the end, {number(f.srank_min)} at its lowest."
        )
    else:
        said.append(
            f"The smaller srank of the two heads' first hidden layers, at first {number(first)}, "
            f"was at the end {number(final)}; it is undefined for a layer that outputs only zeros."
        )
    return said


def side_by_side(groups: Groups) -> list[str]:
    """What the methods show beside each other; the first one is compared with every other."""
    (reference, ours), *others = groups.items()
    return [
        sentence
        for method, theirs in others
        for sentence in _compare(name_of(reference), ours, name_of(method), theirs)
    ]


def _compare(a: str, ours: list[Facts], b: str, theirs: list[Facts]) -> list[str]:
    def means(value: Callable[[Facts], float | None]) -> list[float | None]:
        return [_mean(map(value, fs)) for fs in (ours, theirs)]

    scored = [[f for f in fs if f.scored] for fs in (ours, theirs)]
    if all(scored):
        saturated = list(map(percent, means(lambda f: f.saturated_final)))
        srank = list(map(number, means(lambda f: f.srank_final)))
        said = [
            _compare_collapse(a, scored[0], b, scored[1]),
            f"At the end {saturated[0]} of the next layer's neurons were saturated with {a} and "
            f"{saturated[1]} with {b}; the srank of the first hidden layer was {srank[0]} and "
            f"{srank[1]}.",
        ]
    else:
        said = [f"{a} and {b} cannot be compared: not both have scores yet."]

    x, y = means(lambda f: f.final_return)
    if x is None or y is None:
        said.append(f"{a} and {b}: not both have been evaluated yet.")
    elif not is_defined(x) or not is_defined(y):
        said.append(f"A final return is {UNDEFINED}: the returns are not compared.")
    else:
        ended = _by_size(y - x, "higher than", "lower than", "level with")
        text = f"In evaluation return {b} ended {ended} {a}: {number(y)} against {number(x)}"
        steps = {f.returns[0][-1] for f in (*ours, *theirs) if len(f.returns[0])}
        if len(steps) > 1:
            text += (
                "; but the last evaluations were made at different environment steps "
                f"({number(min(steps))} to {number(max(steps))})"
            )
        said.append(f"{text}.")

    x, y = means(lambda f: f.share_max)
    if is_defined(x) and is_defined(y):
        than = _by_size(y - x, "larger", "smaller", "equally large")
        said.append(
            f"The largest share that one neuron ever held was {than} with {b} ({percent(y)}; "
            f"{a}: {percent(x)})."
        )
    return said


def _compare_collapse(a: str, ours: list[Facts], b: str, theirs: list[Facts]) -> str:
    counts = [sum(f.collapsed_step is not None for f in fs) for fs in (ours, theirs)]
    told = [
        f"{number(count)} of {several(len(fs), 'run')}"
        for count, fs in zip(counts, (ours, theirs), strict=True)
    ]
    if all(counts):
        return (
            f"<strong>The next layer collapsed with both</strong>: {a} in {told[0]}, {b} in "
            f"{told[1]}."
        )
    if not any(counts):
        return (
            f"<strong>The next layer collapsed neither with {a} nor with {b}</strong> ({told[0]}, "
            f"{told[1]}): whether one method prevents a collapse cannot be seen here."
        )
    if counts[1]:
        (b, a), told = (a, b), told[::-1]
    return (
        f"<strong>The next layer collapsed with {a}</strong> ({told[0]}) <strong>and not with "
        f"{b}</strong> ({told[1]})."
    )


def counts(fs: Sequence[Facts]) -> str:
    """How many runs showed what the paper reports, for a page of many."""
    scored = [f for f in fs if f.scored]
    dominant = sum(f.dominant_step is not None for f in scored)
    collapsed = sum(f.collapsed_step is not None for f in scored)
    return (
        f"Of {several(len(scored), 'scored run')} a neuron of the critic's first hidden layers "
        f"became dominant in {number(dominant)}, the next layer collapsed in {number(collapsed)}, "
        "and the one before the other in the same head in "
        f"{number(sum(f.sequence for f in scored))}."
    )


def how_far(groups: Groups) -> list[str]:
    """What these runs can and cannot show, in HTML."""
    every = [f for fs in groups.values() for f in fs]
    runs, scored = [f.run for f in every], [f for f in every if f.scored]
    said = []
    if len(groups) == 1:
        said.append("There is one method here, so there is nothing to compare it with.")
    seeds = min(len({f.run.seed for f in fs}) for fs in groups.values())
    said.append(
        "A method with a single seed proves nothing: the next seed can turn every difference "
        "around."
        if seeds == 1
        else f"There are at least {number(seeds)} seeds per method; the curves show how far they "
        "lie apart."
    )
    others = [f"<code>{escape(n)}</code>" for n in differing(runs) if n not in ("method", "seed")]
    if len(runs) > 1:
        differ = f"differ in {', '.join(others)}" if others else "are the same"
        said.append(f"Apart from method and seed, the runs' settings {differ}.")
    if scored:
        seen = sum(f.sequence for f in scored)
        said.append(
            "The sequence that the paper reports (a dominant neuron, and later a wholly saturated "
            f"next layer in the same head) was seen in {number(seen)} of "
            f"{several(len(scored), 'run')} here. "
            + (
                "To have seen it is not to have shown that the one caused the other."
                if seen
                else "That does not speak against the paper: its runs are larger."
                if smaller_than_the_papers(runs)
                else "These runs are no smaller than the paper's."
            )
        )
    return said


def smaller_than_the_papers(runs: Sequence[Run]) -> bool:
    """Whether the runs have fewer updates, seeds or samples a batch than the paper's (B.1, B.2)."""
    return (
        min(run.reached for run in runs) < PAPER_UPDATES
        or len({run.seed for run in runs}) < PAPER_SEEDS
        or min(run.config["agent"]["batch_size"] for run in runs) < PAPER_BATCH
    )


def _by_size(difference: float, above: str, below: str, zero: str) -> str:
    return above if difference > 0 else below if difference < 0 else zero


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean of what was recorded; None if nothing was, NaN if one is undefined."""
    recorded = [value for value in values if value is not None]
    return float(np.mean(recorded)) if recorded else None
