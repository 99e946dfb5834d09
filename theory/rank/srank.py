"""srank, eq. (3) of Neuron Dominance: when it is 1, what it keeps, what dominance tells of it."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ref import scores
from theory import checks
from theory.claim import Assumption, Claim
from theory.rank.features import (
    DELTAS,
    ERROR,
    EYE,
    NON_NEGATIVE,
    ONES,
    PAPER,
    SHAPES,
    ZERO,
    Cut,
    Law,
    Matrix,
    Number,
    array,
    batches,
    certain,
    cut_not_zero,
    cuts,
    expected,
    first_dominant,
    law,
    law_cuts,
    law_lines,
    law_non_negative,
    matrices,
    matrix,
    matrix_not_zero,
    matrix_steps,
    mean_ratio,
    never_zero,
    ordered_laws,
    rank,
    rank_limit,
    ratio,
    ratio_or_zero,
    score,
    shares,
    srank,
    srank_is_one,
    sums,
)

CUT_NOT_ZERO = Assumption("X ≠ 0", "X ≠ 0", cut_not_zero, said=False)


def srank_one_strictly(i: Cut) -> bool:
    return bool((srank(i.x, i.delta) == 1) == (ratio(i.x) > 1 - i.delta))


SRANK_ONE_STRICT = Claim(
    id="rank.srank-one-strict",
    source=f"{PAPER}, section 3.3",
    origin="reading",
    title="srank is 1 exactly when R exceeds 1 - δ",
    statement="srank_δ(X) = 1  ⇔  R > 1 - δ",
    given=(CUT_NOT_ZERO,),
    then=srank_one_strictly,
    instances=cuts,
    sizes=SHAPES,
    verdict="refuted",
    counterexample=Cut(EYE, Fraction(1, 2)),
    breaks="Eq. (3) asks for ≥ 1 - δ, so srank is 1 at equality too.",
    repaired_by=("rank.srank-one",),
    steps=matrix_steps(("1 - δ", lambda i: 1 - i.delta), ("srank", lambda i: srank(i.x, i.delta))),
)


def decided(x: Matrix, delta: Fraction) -> bool:
    """Whether floats can tell that partial sums of singular values are not at 1 - δ."""
    p = shares(x)
    ties = (abs(sum(p[: k + 1]) - (1 - delta)) <= ERROR for k in range(len(p)))
    return not any(isinstance(share, float) for share in p) or not any(ties)


def srank_one(i: Cut) -> bool:
    """Floats cannot tell at a tie of irrational singular values: that is not counted against."""
    if not decided(i.x, i.delta):
        return True
    r = ratio(i.x)
    return not math.isnan(r) and (srank(i.x, i.delta) == 1) == (r >= 1 - i.delta)


SRANK_ONE = Claim(
    id="rank.srank-one",
    source="repairs rank.srank-one-strict",
    origin="ours",
    title="srank is 1 exactly when R reaches 1 - δ",
    statement="X ≠ 0  ⇒  ( srank_δ(X) = 1  ⇔  R ≥ 1 - δ )",
    given=(CUT_NOT_ZERO,),
    then=srank_one,
    instances=cuts,
    sizes=SHAPES,
    verdict="holds if",
    needs={"X ≠ 0": Cut(ZERO, Fraction(1, 2))},
    undefined=("X ≠ 0",),
    proof="Eq. (3) with k = 1. For X = 0 its quotient is 0/0.",
)


def cut_zero(i: Cut) -> bool:
    return not matrix_not_zero(i.x)


COLLAPSE_SHOWS = Claim(
    id="rank.collapse-shows",
    source=f"{PAPER}, section 3.3",
    origin="consequence",
    title="Features that are zero for every input have srank 1",
    statement="representation collapse, X = 0  ⇒  srank_δ(X) = 1, its smallest value",
    given=(Assumption("X = 0", "X = 0", cut_zero),),
    then=srank_is_one,
    instances=cuts,
    sizes=SHAPES,
    verdict="refuted",
    counterexample=Cut(ZERO, Fraction(1, 2)),
    breaks="Σ σ_i = 0: srank is undefined exactly where the text wants it to warn; and near 0 "
    "it may have any value, for it does not see scale.",
    repaired_by=("rank.srank-scale",),
    steps=matrix_steps(("srank", lambda i: srank(i.x, i.delta))),
)


def scaled_cuts(size: tuple[int, int]) -> SearchStrategy[Cut]:
    # powers of two, by which floats are multiplied exactly
    powers = st.sampled_from([Fraction(f) for f in (2, -1, "1/1024", 2**20, 0)])
    return st.builds(Cut, matrices(size), st.sampled_from(DELTAS), powers)


def scale_not_zero(i: Cut) -> bool:
    return i.scale != 0


def srank_keeps(i: Cut) -> bool:
    x, delta = array(i.x), float(i.delta)
    return scores.srank(float(i.scale) * x, delta) == scores.srank(x, delta)


SRANK_SCALE = Claim(
    id="rank.srank-scale",
    source="repairs rank.collapse-shows",
    origin="ours",
    title="srank does not see the scale of the features",
    statement="X ≠ 0, c ≠ 0  ⇒  srank_δ(cX) = srank_δ(X)",
    given=(
        CUT_NOT_ZERO,
        Assumption("c ≠ 0", "c ≠ 0", scale_not_zero),
    ),
    then=srank_keeps,
    instances=scaled_cuts,
    sizes=SHAPES,
    verdict="holds if",
    needs={
        "X ≠ 0": Cut(ZERO, Fraction(1, 2), Fraction(2)),
        "c ≠ 0": Cut(matrix((1,)), Fraction(1, 2), Fraction(0)),
    },
    proof="σ_i(cX) = |c| σ_i(X), and |c| cancels. So 'features near 0' and 'srank near 1' are "
    "independent: srank of cI is that of I for every c ≠ 0.",
    remark="c is a power of two, by which floats are multiplied exactly.",
)


def srank_limit(r: int, top: Number, delta: Number) -> Number:
    """1 + ⌈(r - 1) [1 - R - δ]₊ / (1 - R)⌉, r the rank, R = top; a float tie counts as reached."""
    if r == 1 or top == 1:
        return 1
    needed = (r - 1) * max(1 - top - delta, 0) / (1 - top)
    if isinstance(needed, float) and abs(needed - round(needed)) <= 100 * ERROR:
        needed = max(round(needed), 0 if needed <= 0 else 1)
    return 1 + math.ceil(needed)


def by_share_slack(i: Cut) -> Number:
    r, top = rank(i.x), ratio(i.x)
    return math.nan if math.isnan(top) else srank_limit(r, top, i.delta) - srank(i.x, i.delta)


def by_share(i: Cut) -> bool:
    """And at the least R that there is, 1/r, the bound is the second one."""
    r = rank(i.x)
    second = math.ceil((1 - i.delta) * r)
    return bool(by_share_slack(i) >= 0 and srank_limit(r, Fraction(1, r), i.delta) == second)


SRANK_BY_SHARE = Claim(
    id="rank.srank-by-share",
    source=f"{PAPER}, eq. (3): what R says of srank above 1",
    origin="consequence",
    title="The largest share of the singular values bounds srank",
    statement="r = rank X > 1  ⇒  srank_δ(X) ≤ 1 + ⌈(r-1) [1 - R - δ]₊ / (1 - R)⌉\n"
    "and so srank_δ(X) ≤ ⌈(1-δ) r⌉, also for r = 1",
    given=(CUT_NOT_ZERO,),
    then=by_share,
    instances=cuts,
    sizes=SHAPES,
    verdict="holds if",
    needs={"X ≠ 0": Cut(ZERO, Fraction(1, 2))},
    undefined=("X ≠ 0",),
    proof="Beside σ_1 there are r-1 shares that sum to 1 - R; the j largest of them sum to "
    "at least j (1-R)/(r-1), which reaches 1 - R - δ as soon as j ≥ (r-1)(1-R-δ)/(1-R). The "
    "right side falls in R, and R ≥ 1/r gives the second line. For r = 1, srank = 1.",
    slack=by_share_slack,
    tight_at=Cut(EYE, Fraction(1, 4)),
)


def column_reading(x: Matrix) -> bool:
    s = sums(x)
    return (s[0] >= sum(s[1:])) == first_dominant(x)


COLUMN_READING = Claim(
    id="rank.column-reading",
    source=f"{PAPER}, section 3.3",
    origin="printed",
    title="Neuron 1 dominates exactly if its column sum reaches the rest",
    statement="X ≥ 0  ⇒  ( s_1 ≥ Σ_{j≥2} s_j  ⇔  neuron 1 is dominant on the batch )",
    given=(NON_NEGATIVE,),
    then=column_reading,
    instances=matrices,
    sizes=SHAPES,
    verdict="refuted",
    counterexample=ZERO,
    breaks="Definition 1 has >; at equality, (1, 1) say, and in a dead layer, nothing dominates.",
    repaired_by=("rank.column-strictly",),
    steps=matrix_steps(
        ("s_1 ≥ Σ_{j≥2} s_j", lambda x: 2 * sums(x)[0] >= sum(sums(x))),
        ("neuron 1 dominant", first_dominant),
    ),
)


def column_strictly(x: Matrix) -> bool:
    s = sums(x)
    return (s[0] > sum(s[1:])) == first_dominant(x)


COLUMN_STRICTLY = Claim(
    id="rank.column-strictly",
    source="repairs rank.column-reading",
    origin="ours",
    title="Neuron 1 dominates exactly if its column sum exceeds the rest",
    statement="X ≥ 0  ⇒  ( s_1 > Σ_{j≥2} s_j  ⇔  neuron 1 is dominant on the batch )",
    given=(NON_NEGATIVE,),
    then=column_strictly,
    instances=matrices,
    sizes=SHAPES,
    verdict="holds if",
    needs={"non-negative": matrix((-1,))},
    proof="Then s_j = Σ_i |x_ij|, and Definition 1 is the display divided by B.",
)


@dataclass(frozen=True)
class TwoLaws:
    """Two laws and one δ."""

    first: Law
    second: Law
    delta: Fraction

    def __post_init__(self) -> None:
        checks.share("delta", self.delta)

    def __str__(self) -> str:
        return f"A: {self.first}; B: {self.second}; δ = {self.delta}"


def two_laws(size: tuple[int, int]) -> SearchStrategy[TwoLaws]:
    return st.builds(TwoLaws, ordered_laws(size), ordered_laws(size), st.sampled_from(DELTAS))


def ratio_rises(i: TwoLaws) -> bool:
    return bool(expected(i.first, ratio) + ERROR < expected(i.second, ratio))


def dominance_rises(i: TwoLaws) -> bool:
    return bool(score(i.first) < score(i.second))


def both_never_zero(i: TwoLaws) -> bool:
    return never_zero(i.first) and never_zero(i.second)


def both_non_negative(i: TwoLaws) -> bool:
    return law_non_negative(i.first) and law_non_negative(i.second)


def probability_rises(i: TwoLaws) -> bool:
    first, second = (
        sum(p for p, x in batches(of) if ratio(x) > 1 - i.delta) for of in (i.first, i.second)
    )
    return first <= second


def two_laws_steps(i: TwoLaws) -> list[str]:
    lines = []
    for name, of in (("A", i.first), ("B", i.second)):
        sides = ((f"u_1 of {name}", score), (f"E R of {name}", mean_ratio))
        above = sum(p for p, x in batches(of) if ratio(x) > 1 - i.delta)
        lines += [*law_lines(sides, of), f"Pr(R > 1 - δ) of {name} = {above}"]
    return lines


PROBABILITY_RISES = Claim(
    id="rank.probability-rises",
    source=f"{PAPER}, section 3.3",
    origin="printed",
    title="Pr(R > 1 - δ) rises as E R rises",
    statement="E R_A < E R_B and u_1 of A < u_1 of B  ⇒  Pr(R_A > 1-δ) ≤ Pr(R_B > 1-δ)",
    given=(
        Assumption("E R rises", "E R_A < E R_B", ratio_rises),
        Assumption("dominance rises", "u_1 of A < u_1 of B", dominance_rises, said=False),
        Assumption("no zero row", "X ≠ 0 almost surely", both_never_zero, said=False),
        Assumption("non-negative", "x_j ≥ 0 almost surely", both_non_negative, said=False),
    ),
    then=probability_rises,
    instances=two_laws,
    sizes=((2, 2), (3, 2), (2, 3)),
    verdict="refuted",
    counterexample=TwoLaws(
        law(2, ("3/4", (1, 0)), ("1/4", (0, 1))),
        law(2, ("1/2", (4, 0)), ("1/2", (0, 1))),
        Fraction(1, 100),
    ),
    breaks="An expectation does not order tails: B moves mass from 1/2 up to 4/5, which is "
    "still short of 1 - δ, and takes some from 1.",
    repaired_by=("rank.probability-at-least", "rank.probability-at-most"),
    steps=two_laws_steps,
)


@dataclass(frozen=True)
class Lottery:
    """A random batch of any kind: ((probability, X), ...), and the δ of srank."""

    outcomes: tuple[tuple[Fraction, Matrix], ...]
    delta: Fraction

    def __post_init__(self) -> None:
        checks.share("delta", self.delta)
        checks.law("probabilities", [p for p, _ in self.outcomes])

    def __str__(self) -> str:
        outcomes = "; ".join(f"{x} w.p. {p}" for p, x in self.outcomes)
        return f"{outcomes}; δ = {self.delta}"


def lotteries(size: tuple[int, int]) -> SearchStrategy[Lottery]:
    def build(xs: list[Matrix], delta: Fraction) -> Lottery:
        return Lottery(tuple((Fraction(1, len(xs)), x) for x in xs), delta)

    listed = st.lists(matrices(size), min_size=1, max_size=3)
    independent = st.builds(lambda c: Lottery(tuple(batches(c.law)), c.delta), law_cuts(size))
    return st.one_of(st.builds(build, listed, st.sampled_from(DELTAS)), independent)


def at_least_slack(i: Lottery) -> Number:
    mean = sum(p * ratio_or_zero(x) for p, x in i.outcomes)
    return (1 - i.delta) + i.delta * certain(i.outcomes, i.delta) - mean


PROBABILITY_AT_LEAST = Claim(
    id="rank.probability-at-least",
    source="repairs rank.probability-rises",
    origin="ours",
    title="E R near 1 makes srank 1 likely",
    statement="Pr(srank_δ = 1) ≥ (E R - (1-δ)) / δ     (X = 0 counted as R = 0)",
    given=(),
    instances=lotteries,
    sizes=SHAPES,
    verdict="holds",
    proof="R ≤ 1 where R ≥ 1-δ and R ≤ 1-δ elsewhere: E R ≤ Pr + (1-δ)(1 - Pr). It says "
    "nothing unless E R > 1 - δ.",
    slack=at_least_slack,
    error=ERROR,
    tight_at=Lottery(((Fraction(1), ONES),), Fraction(1, 4)),
    remark="No better bound: R in {1-δ-ε, 1} approaches it as ε falls to 0.",
)


def lottery_not_zero(i: Lottery) -> bool:
    return all(matrix_not_zero(x) for _, x in i.outcomes)


def at_most_slack(i: Lottery) -> Number:
    low = Fraction(1, rank_limit(i.outcomes[0][1]))
    mean = sum(p * ratio_or_zero(x) for p, x in i.outcomes)
    return mean - low - (1 - i.delta - low) * certain(i.outcomes, i.delta)


PROBABILITY_AT_MOST = Claim(
    id="rank.probability-at-most",
    source="repairs rank.probability-rises",
    origin="ours",
    title="E R near 1/n makes srank 1 unlikely",
    statement="X ≠ 0  ⇒  E R ≥ 1/n + (1 - δ - 1/n) Pr(srank_δ = 1)\n"
    "hence, if δ < 1 - 1/n:  Pr(srank_δ = 1) ≤ (E R - 1/n) / (1 - δ - 1/n)",
    given=(Assumption("X ≠ 0", "X ≠ 0 almost surely", lottery_not_zero, said=False),),
    instances=lotteries,
    sizes=SHAPES,
    verdict="holds if",
    needs={
        "X ≠ 0": Lottery(
            ((Fraction(1, 2), EYE), (Fraction(1, 2), matrix((0, 0), (0, 0)))), Fraction(1, 4)
        )
    },
    proof="R ≥ 1-δ on the event, and R ≥ 1/n everywhere, since σ_1 is the largest of n.",
    slack=at_most_slack,
    error=ERROR,
    tight_at=Lottery(
        ((Fraction(1, 2), EYE), (Fraction(1, 2), matrix((3, 0), (0, 1)))), Fraction(1, 4)
    ),
)


CLAIMS: tuple[Claim[Any], ...] = (
    SRANK_ONE_STRICT,
    SRANK_ONE,
    COLLAPSE_SHOWS,
    SRANK_SCALE,
    SRANK_BY_SHARE,
    COLUMN_READING,
    COLUMN_STRICTLY,
    PROBABILITY_RISES,
    PROBABILITY_AT_LEAST,
    PROBABILITY_AT_MOST,
)
