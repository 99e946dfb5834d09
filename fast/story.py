"""What the records of runs say: their numbers, and sentences chosen by conditions on them.

Nothing here is prepared for an outcome that was hoped for: each sentence has its counterpart for
the opposite. Sentences are HTML; every number that is taken from the records stands in a
`<data value=...>` element with its full value.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeGuard

import numpy as np

from fast.drawing import DOMINANT_SHARE
from fast.records import Floats, Run, differing, series

HEADS = (0, 1)  # of the critic
# Neuron Dominance: twice the 500,000 masked updates of B.1, which are half of the training
# (Figure 3); Figures 2 and 3; B.2.
PAPER_UPDATES, PAPER_SEEDS, PAPER_BATCH = 1_000_000, 8, 512
UNDEFINED = "undefined"
UNRECORDED = "not recorded"


# --- what the records say ------------------------------------------------------------------------


@dataclass(frozen=True)
class Facts:
    """The numbers of one run that the page states.

    A number that was never recorded is None, one that is undefined (a wholly dead layer) is NaN.
    There are two critic heads; each number is that of the worse one: the larger share, saturation
    and dormancy, the smaller srank. Steps are environment steps.
    """

    run: Run
    returns: tuple[Floats, Floats]  # steps and values of the evaluations
    episodes: int  # behind one evaluation
    random_returns: list[float]  # of the training episodes with uniformly random actions
    scored: bool
    share_max: float | None
    share_max_step: float | None
    share_final: float | None
    dominant_step: float | None  # first, None if never
    saturated_max: float | None
    saturated_final: float | None
    collapsed_step: float | None  # first, None if never
    head_steps: list[tuple[int, float | None, float | None]]  # head, its two steps as above
    dead_step: float | None  # first score at which the first hidden layer was wholly dead
    srank_first: float | None
    srank_min: float | None
    srank_final: float | None
    dormant_final: float | None
    zombie_final: float | None
    seconds: float | None
    milliseconds: dict[str, float]

    @property
    def final_return(self) -> float | None:
        return _last(self.returns[1])

    @property
    def random_return(self) -> float | None:
        return float(np.mean(self.random_returns)) if self.random_returns else None

    @property
    def sequence(self) -> bool:
        """In one head a neuron was dominant before the next layer was wholly saturated."""
        return any(
            dominant is not None and collapsed is not None and dominant < collapsed
            for _, dominant, collapsed in self.head_steps
        )


def facts(run: Run) -> Facts:
    """What the records of one run say."""
    steps, share = _heads(run, "dense0/largest_share")
    next_steps, saturated = _heads(run, "dense1/saturated")
    _, srank = _heads(run, "dense0/srank")
    _, dormant = _heads(run, "dense0/dormant_0.1")
    _, zombie = _heads(run, "dense1/zombie")
    dominant, collapsed = share > DOMINANT_SHARE, saturated >= 1
    timing, evaluations = run.of("timing"), run.of("evaluation")
    parts = [key for key in (timing[-1] if timing else ()) if key.endswith("_ms")]
    peak = int(np.nanargmax(share.max(axis=1))) if np.isfinite(share.max(axis=1)).any() else None
    return Facts(
        run=run,
        returns=series(run, "evaluation", "return"),
        episodes=len(evaluations[-1]["returns"]) if evaluations else 0,
        random_returns=[
            math.nan if record["return"] is None else record["return"]
            for record in run.of("episode")
            if record["random"]
        ],
        scored=bool(len(steps)),
        share_max=_extreme(np.fmax, share),
        share_max_step=None if peak is None else float(steps[peak]),
        share_final=_last(share.max(axis=1)),
        dominant_step=_first(steps, dominant.any(axis=1)),
        saturated_max=_extreme(np.fmax, saturated),
        saturated_final=_last(saturated.max(axis=1)),
        collapsed_step=_first(next_steps, collapsed.any(axis=1)),
        head_steps=[
            (head, _first(steps, dominant[:, head]), _first(next_steps, collapsed[:, head]))
            for head in HEADS
        ],
        dead_step=_first(steps, np.isnan(share).any(axis=1)),
        srank_first=float(srank[0].min()) if len(srank) else None,
        srank_min=_extreme(np.fmin, srank),
        srank_final=_last(srank.min(axis=1)),
        dormant_final=_last(dormant.max(axis=1)),
        zombie_final=_last(zombie.max(axis=1)),
        seconds=timing[-1]["seconds"] if timing else None,
        milliseconds={
            key.removesuffix("_ms"): float(np.mean(series(run, "timing", key)[1])) for key in parts
        },
    )


def _heads(run: Run, score: str) -> tuple[Floats, Floats]:
    """(environment steps (records,), values (records, heads)) of one score of both heads."""
    pairs = [series(run, "scores", f"critic{head}/{score}") for head in HEADS]
    return pairs[0][0], np.stack([values for _, values in pairs], axis=1)


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


def is_defined(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def name_of(text: object) -> str:
    return f"<b>{escape(str(text))}</b>"


# --- sentences, each chosen by a condition on the facts ------------------------------------------


def about_run(f: Facts) -> list[str]:
    """What happened in one run, whatever happened, in HTML."""
    return [*_about_progress(f), *_about_return(f), *_about_neurons(f)]


def _about_progress(f: Facts) -> list[str]:
    said = []
    if not f.run.finished:
        said.append(
            f"<strong>This run is not finished</strong>: {number(f.run.reached)} of "
            f"{number(f.run.planned)} planned updates. All that follows is about these."
        )
    masked = f.run.config["run"]["reward_masked_updates"]
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
    return said


def _about_return(f: Facts) -> list[str]:
    steps, values = f.returns
    if not len(values):
        return ["It has no evaluation yet."]
    final = float(values[-1])
    said = [
        f"The last evaluation (mean of {number(f.episodes)} episode{plural(f.episodes)}, at "
        f"environment step {number(steps[-1])}) returned {number(final)}."
    ]
    if len(values) > 1 and np.isfinite(values).any():
        best = int(np.nanargmax(values))
        said[0] = said[0].removesuffix(".") + f"; the first, at step {number(steps[0])}, returned "
        said[0] += f"{number(values[0])}, the best, at step {number(steps[best])}, "
        said[0] += f"{number(values[best])}."
    if final == 0:
        said.append("A return of zero: in its last evaluation it earned nothing at all.")
    if not f.random_returns or not is_defined(f.random_return) or not is_defined(final):
        return said
    mean, best_random = f.random_return, max(f.random_returns)
    count = len(f.random_returns)
    if final > best_random:
        said.append(
            f"That is above each of the {number(count)} episode{plural(count)} of uniformly random "
            f"actions, whose mean is {number(mean)}."
        )
    elif final > mean:
        said.append(
            f"That is above the mean of {number(count)} episodes of uniformly random actions "
            f"({number(mean)}), but one of those reached {number(best_random)}: nothing shows "
            "that it learned."
        )
    else:
        said.append(
            f"That is not above the mean of {number(count)} episode{plural(count)} of uniformly "
            f"random actions ({number(mean)})."
        )
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
            "<strong>No neuron became dominant</strong>: the largest share of the first hidden "
            f"layer's activation that one neuron held was {percent(f.share_max)}, and dominance "
            "begins above one half."
        )
    else:
        text = (
            "<strong>A neuron became dominant</strong>: at environment step "
            f"{number(f.dominant_step)} one neuron was first seen to hold more than half of the "
            f"first hidden layer's activation. The largest share was {percent(f.share_max)}"
        )
        if not is_defined(f.share_final):
            said.append(f"{text}; at the end it is undefined in a head that is dead.")
        elif f.share_final > DOMINANT_SHARE:
            said.append(f"{text}, and {percent(f.share_final)} at the end.")
        else:
            said.append(
                f"{text}, but only {percent(f.share_final)} at the end: the dominance passed."
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
        text = (
            "<strong>The next layer collapsed</strong>: at step "
            f"{number(f.collapsed_step)} every neuron of it was first seen to be saturated"
        )
        if f.saturated_final == 1:
            said.append(f"{text}, and at the end that was so as well.")
        else:
            said.append(f"{text}; at the end {percent(f.saturated_final)} of them were.")
    for head, dominant, collapsed in f.head_steps:
        if dominant is None or collapsed is None:
            continue
        where = f"In critic head {number(head)} the dominant neuron was first seen at step "
        where += f"{number(dominant)} and the collapse at step {number(collapsed)}: "
        if dominant < collapsed:
            said.append(where + "dominance first, as in the paper.")
        elif dominant == collapsed:
            said.append(where + "the scores are too far apart to tell which came first.")
        else:
            said.append(where + "the collapse first, which is not the paper's order.")

    if f.srank_first is not None:
        said.append(_about_srank(f))
    return said


def _about_srank(f: Facts) -> str:
    first, final = f.srank_first, f.srank_final
    if not is_defined(first) or not is_defined(final):
        return (
            f"The smaller srank of the two heads' first hidden layers, at first {number(first)}, "
            f"was at the end {number(final)}; it is undefined for a layer that outputs only zeros."
        )
    change = "fell" if final < first else "rose" if final > first else "ended where it began"
    return (
        f"The smaller srank of the two heads' first hidden layers {change}: {number(first)} at "
        f"first, {number(final)} at the end, {number(f.srank_min)} at its lowest."
    )


def side_by_side(groups: dict[str, list[Facts]]) -> list[str]:
    """What the methods show beside each other; the first one is compared with every other."""
    (reference, ours), *others = groups.items()
    said = []
    for method, theirs in others:
        said.append(_compare_collapse(reference, ours, method, theirs))
        said += _compare_ends(reference, ours, method, theirs)
        said.append(_compare_returns(reference, ours, method, theirs))
        shares = [_mean(f.share_max for f in fs) for fs in (ours, theirs)]
        if all(map(is_defined, shares)):
            than = _comparison(shares[1], shares[0], "larger", "smaller", "equally large")
            said.append(
                f"The largest share that one neuron ever held was {than} with {name_of(method)} "
                f"({percent(shares[1])}; {name_of(reference)}: {percent(shares[0])})."
            )
    return said


def _compare_collapse(reference: str, ours: list[Facts], method: str, theirs: list[Facts]) -> str:
    counts = []
    for fs in (ours, theirs):
        scored = [f for f in fs if f.scored]
        counts.append((sum(f.collapsed_step is not None for f in scored), len(scored)))
    (a, of_a), (b, of_b) = counts
    names = (name_of(reference), name_of(method))
    told = [f"{number(k)} of {number(n)} run{plural(n)}" for k, n in counts]
    if not of_a or not of_b:
        return f"{names[0]} and {names[1]} cannot be compared: not both have scores yet."
    if a and b:
        return (
            f"<strong>The next layer collapsed with both</strong>: {names[0]} in {told[0]}, "
            f"{names[1]} in {told[1]}."
        )
    if a:
        return (
            f"<strong>The next layer collapsed with {names[0]}</strong> ({told[0]}) "
            f"<strong>and not with {names[1]}</strong> ({told[1]})."
        )
    if b:
        return (
            f"<strong>The next layer collapsed with {names[1]}</strong> ({told[1]}) "
            f"<strong>and not with {names[0]}</strong> ({told[0]})."
        )
    return (
        f"<strong>The next layer collapsed neither with {names[0]} nor with {names[1]}</strong> "
        f"({told[0]}, {told[1]}): whether one method prevents a collapse cannot be seen here."
    )


def _compare_ends(reference: str, ours: list[Facts], method: str, theirs: list[Facts]) -> list[str]:
    """Saturation and srank at the end, if both have scores."""
    if not all(any(f.scored for f in fs) for fs in (ours, theirs)):
        return []
    saturated = [percent(_mean(f.saturated_final for f in fs)) for fs in (ours, theirs)]
    srank = [number(_mean(f.srank_final for f in fs)) for fs in (ours, theirs)]
    return [
        f"At the end {saturated[0]} of the next layer's neurons were saturated with "
        f"{name_of(reference)} and {saturated[1]} with {name_of(method)}; the srank of the first "
        f"hidden layer was {srank[0]} and {srank[1]}."
    ]


def _compare_returns(reference: str, ours: list[Facts], method: str, theirs: list[Facts]) -> str:
    a, b = (_mean(f.final_return for f in fs) for fs in (ours, theirs))
    if a is None or b is None:
        return f"{name_of(reference)} and {name_of(method)}: not both have been evaluated yet."
    if not is_defined(a) or not is_defined(b):
        return f"A final return is {UNDEFINED}: the returns are not compared."
    verb = _comparison(b, a, "ended higher than", "ended lower than", "ended level with")
    text = (
        f"In evaluation return {name_of(method)} {verb} {name_of(reference)}: {number(b)} against "
        f"{number(a)}"
    )
    steps = [{float(f.returns[0][-1]) for f in fs if len(f.returns[0])} for fs in (ours, theirs)]
    if len(steps[0] | steps[1]) > 1:
        low, high = min(steps[0] | steps[1]), max(steps[0] | steps[1])
        text += (
            f"; but the last evaluations were made at different environment steps "
            f"({number(low)} to {number(high)})"
        )
    return text + "."


def counts(fs: Sequence[Facts]) -> str:
    """How many runs showed what the paper reports, for a page of many."""
    scored = [f for f in fs if f.scored]
    dominant = sum(f.dominant_step is not None for f in scored)
    collapsed = sum(f.collapsed_step is not None for f in scored)
    return (
        f"Of {number(len(scored))} scored run{plural(len(scored))} a neuron became dominant in "
        f"{number(dominant)}, the next layer collapsed in {number(collapsed)}, and the one before "
        f"the other in the same head in {number(sum(f.sequence for f in scored))}."
    )


def how_far(groups: dict[str, list[Facts]]) -> list[str]:
    """What these runs can and cannot show, in HTML."""
    said = []
    seeds = [len({f.run.seed for f in fs}) for fs in groups.values()]
    if len(groups) == 1:
        said.append("There is one method here, so there is nothing to compare it with.")
    if min(seeds) == 1:
        said.append(
            "A method with a single seed proves nothing: the next seed can turn every difference "
            "around."
        )
    else:
        said.append(
            f"There are at least {number(min(seeds))} seeds per method; the curves show how far "
            "they lie apart."
        )
    runs = [f.run for fs in groups.values() for f in fs]
    others = [name for name in differing(runs) if name not in ("method", "seed")]
    if others:
        names = ", ".join(f"<code>{escape(name)}</code>" for name in others)
        said.append(f"Apart from method and seed, the runs' settings differ in {names}.")
    elif len(runs) > 1:
        said.append("Apart from method and seed, the runs' settings are the same.")
    scored = [f for fs in groups.values() for f in fs if f.scored]
    seen = sum(f.sequence for f in scored)
    if scored:
        said.append(
            "The sequence that the paper reports (a dominant neuron, and later a wholly saturated "
            f"next layer in the same head) was seen in {number(seen)} of {number(len(scored))} "
            f"run{plural(len(scored))} here. "
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


def _comparison(a: float, b: float, more: str, less: str, equal: str) -> str:
    return more if a > b else less if a < b else equal


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean of what was recorded; None if nothing was, NaN if one is undefined."""
    recorded = [value for value in values if value is not None]
    return float(np.mean(recorded)) if recorded else None


def plural(count: int) -> str:
    return "" if count == 1 else "s"
