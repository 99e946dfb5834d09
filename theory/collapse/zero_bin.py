"""The bin of zero: what targets without reward do to a histogram."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from theory.claim import Assumption, Claim, vector
from theory.collapse.flows import (
    COLLAPSED,
    DISCOUNTED,
    GAMMAS_TO_1,
    HALF,
    HISTOGRAM,
    LOGITS,
    ONE,
    PROJECTED,
    STAY,
    ZERO,
    Bins,
    Classifier,
    bin_sets,
    classifier,
    projected_or_not,
    target_at_collapse,
    two_hot,
)

# Neuron Dominance, B.2: sigma is 0.75 in the units of the values.
PAPER = Bins(ZERO, Fraction(100), 101, Fraction(99, 100), Fraction(3, 4) / Fraction(100, 101))


def first_value_zero(c: Classifier) -> bool:
    return c.centres[0] == 0


def first_bin_has_most(c: Classifier) -> bool:
    return bool(target_at_collapse(c)[0] > HALF)


def first_bin_steps(c: Classifier) -> list[str]:
    mean = sum(c.centres) / Fraction(len(c.centres))
    far = two_hot(PAPER.centres(), PAPER.gamma * 50)
    return [
        f"Ψ = 0, so p̂ is uniform and every value is z̄ = {mean}",
        f"the target's value is γ z̄ = {c.gamma * mean}",
        f"its histogram is {vector(target_at_collapse(c))}: the first bin has no majority",
        f"in the paper's setting ({PAPER}),",
        f"the target's value is {PAPER.gamma * 50}, its first bin has the mass {far[0]},",
        f"and {backups(PAPER)} backups pass until a value is in the first bin",
    ]


def backups(b: Bins) -> int:
    """Exact two-hot backups without reward until the value is in the first bin, from collapse.

    -1 for never: where that bin ends at or below 0, as values only fall towards 0, or γ = 1.
    """
    centres, count = b.centres(), 0
    value = sum(centres) / Fraction(len(centres))
    end = b.low + b.width()
    if value > end and (b.gamma == 1 or end <= 0):
        return -1
    while value > end:
        p = two_hot(centres, b.gamma * value)
        value, count = sum((x * z for x, z in zip(p, centres, strict=True)), ZERO), count + 1
    return count


FIRST_0 = Assumption("from 0", "the smallest value is z_1 = 0", first_value_zero)


ZERO_BIN = Claim(
    id="collapse.zero-bin",
    source="Neuron Dominance, section 4.2, last paragraph",
    origin="reading",
    title="At collapse the target's mass is mostly on the first bin",
    statement="z_1 = 0, two-hot or C51, γ < 1, R = 0, Ψ = 0  ⇒  p*_1 > 1/2",
    given=(PROJECTED, COLLAPSED, FIRST_0, DISCOUNTED),
    then=first_bin_has_most,
    instances=projected_or_not,
    sizes=LOGITS,
    verdict="refuted",
    counterexample=classifier(STAY, "1/2", [[0]], [[0, 0, 0]], (0, 1, 2), "two-hot"),
    breaks="targets are bootstrapped: at collapse every value is z̄, and the target's is γ z̄",
    repaired_by=("collapse.backups",),
    steps=first_bin_steps,
    remark="And that uniform 'does not fit the target' is about the loss, not its gradient.",
)


def bins_from_0_or_not(bins: int) -> SearchStrategy[Bins]:
    either = bin_sets(bins, GAMMAS_TO_1)
    moved = either.map(lambda b: replace(b, low=ZERO, high=b.high - b.low))
    return st.one_of(moved, moved, either)


def backups_by_formula(b: Bins) -> bool:
    """The first n with gamma^n G <= 2."""
    count = backups(b)
    return (
        count >= 0
        and b.gamma**count * b.bins <= 2
        and (count == 0 or b.gamma ** (count - 1) * b.bins > 2)
    )


def starts_at_zero(b: Bins) -> bool:
    return b.low == 0


FROM_0 = Assumption("from 0", "the support is [0, b]", starts_at_zero)


BACKUPS = Claim(
    id="collapse.backups",
    source="repairs collapse.zero-bin",
    origin="ours",
    title="The first bin is reached after log(G/2) / log(1/γ) backups",
    statement="G bins on [0, b], two-hot, γ < 1, from collapse: the value is in the first bin\n"
    "after exactly the first n with γ^n G ≤ 2",
    given=(FROM_0, DISCOUNTED),
    then=backups_by_formula,
    instances=bins_from_0_or_not,
    sizes=(2, 3, 5, 8),
    verdict="holds",
    needs={
        "from 0": Bins(ONE, Fraction(2), 5, HALF),
        "discounted": Bins(ZERO, ONE, 3, ONE),
    },
    proof="Two-hot keeps means, above the first centre: v_n = γ^n b/2; the bin ends at b/G.",
    remark="In the paper's setting, G = 101 and γ = 0.99, n = 391; 460 to the bin's centre.",
)


def reads_zero_as_zero(b: Bins) -> bool:
    return abs(b.read(0.0)[1]) <= HISTOGRAM * float(b.high - b.low)


def after_backups(b: Bins, count: int) -> float:
    """The middle's value after so many backups without reward, written and read by HL-Gauss."""
    value = float(b.low + b.high) / 2
    for _ in range(count):
        value, before = b.read(float(b.gamma) * value)[1], value
        if value == before:
            break
    return value


def edge_steps(b: Bins) -> list[str]:
    masses, read = b.read(0.0)
    return [
        f"centres {vector(b.centres())}, all above 0",
        f"the histogram of 0 is {vector(round(float(x), 6) for x in masses)}",
        f"its mean is {read:.6f} ≥ {b.width() / 2}, the first centre: not 0",
        f"in the paper's setting (101 bins on [0, 100], σ = 0.75): {PAPER.read(0.0)[1]:.4f};",
        f"and backups with γ = 0.99 without reward end at {after_backups(PAPER, 5000):.4f}",
    ]


HL_ZERO = Claim(
    id="collapse.hl-zero",
    source="Neuron Dominance, section 4.2, 'the lowest value'",
    origin="reading",
    title="HL-Gauss reads the lowest value, 0, as 0",
    statement="equal bins on [0, b]  ⇒  decode(encode(0)) = 0",
    given=(FROM_0,),
    then=reads_zero_as_zero,
    instances=bins_from_0_or_not,
    sizes=(2, 3, 5, 8),
    verdict="refuted",
    counterexample=Bins(ZERO, ONE, 2, HALF),
    breaks="half of the normal is cut off at the edge; and all centres are above 0",
    repaired_by=("collapse.hl-floor",),
    steps=edge_steps,
    error=HISTOGRAM,
)


def floor_slack(b: Bins) -> float:
    """By how much 30 backups from the middle are read above decode(encode(0)), in bins."""
    return (after_backups(b, 30) - b.read(0.0)[1]) / float(b.width())


def floor_holds(b: Bins) -> bool:
    first = b.read(0.0)[1] / float(b.width()) - 1 / 2
    return floor_slack(b) >= -HISTOGRAM and first >= -HISTOGRAM


HL_FLOOR = Claim(
    id="collapse.hl-floor",
    source="repairs collapse.hl-zero",
    origin="ours",
    title="Under HL-Gauss values never fall to 0",
    statement="equal bins on [0, b], R = 0, v_{n+1} = decode(encode(γ v_n)), v_0 = b/2\n"
    "⇒  v_n ≥ decode(encode(0)) ≥ (width of a bin) / 2",
    given=(FROM_0,),
    then=floor_holds,
    instances=bins_from_0_or_not,
    sizes=(2, 3, 5, 8),
    verdict="holds",
    needs={"from 0": Bins(Fraction(-2), Fraction(-1), 2, HALF)},
    slack=floor_slack,
    error=HISTOGRAM,
    tight_at=Bins(ZERO, ONE, 2, ZERO),
    proof="Normals with larger means are larger in the likelihood ratio order, also cut off\n"
    "and binned; so decode(encode(.)) rises, and γ v_n ≥ 0. All centres are ≥ width / 2.",
    remark="In the paper's setting 0 is read as 0.69 and backups end at about 1.83.",
)


CLAIMS: tuple[Claim[Any], ...] = (
    ZERO_BIN,
    BACKUPS,
    HL_ZERO,
    HL_FLOOR,
)
