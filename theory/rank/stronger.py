"""The conjecture behind Theorem 2 in units of the features: where it is proved, and how tight.

Of i.i.d. rows r with mean μ the right side of Theorem 2, every scale repaired, is at most
√((1 + (B-1) m²)/(nB)) with m² = ‖μ‖²/E‖r‖²: that is √(E‖s‖²/(nB E‖X‖²)), and knows no neuron 1.
Whether E R is at least that is open.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ref.checks import require
from theory import checks
from theory.claim import Assumption, Claim
from theory.rank.features import (
    CENTRED,
    ERROR,
    LAW_NON_NEGATIVE,
    MEAN_NOT_ZERO,
    NEVER_ZERO,
    SHAPES,
    Law,
    Matrix,
    Number,
    batches,
    dot,
    expected,
    law,
    law_limit,
    law_steps,
    laws,
    mean_ratio,
    moment,
    ordered_laws,
    quotient,
    rank,
    ratio,
    ratio_or_zero,
    reaches_root,
    root,
    shares,
    width,
)
from theory.rank.theorem_2 import rescaled_slack, rescaled_square


def norm_square(of: Law) -> Fraction:
    """E‖r‖²."""
    return sum((moment(of, j, 2) for j in range(width(of))), Fraction(0))


def mean_square(of: Law) -> Fraction:
    """‖μ‖²."""
    return sum((moment(of, j, 1) ** 2 for j in range(width(of))), Fraction(0))


def common(of: Law) -> Number:
    """m² = ‖μ‖²/E‖r‖²: 1 iff all rows are the same, NaN of a law of zeros."""
    return quotient(mean_square(of), norm_square(of))


def stronger_square(of: Law) -> Number:
    return (1 + (of.batch - 1) * common(of)) / (law_limit(of) * of.batch)


def stronger(of: Law) -> bool:
    return reaches_root(mean_ratio(of), stronger_square(of))


STRONGER = Claim(
    id="rank.stronger",
    source="implies rank.theorem-2-rescaled-alive",
    origin="ours",
    title="R is on average at least what the rows have in common",
    statement="no row is 0  ⇒  (E R)² ≥ E‖s‖²/(nB E‖X‖²) = (1 + (B-1) m²)/(nB),  m² = ‖μ‖²/E‖r‖²",
    given=(LAW_NON_NEGATIVE, NEVER_ZERO),
    then=stronger,
    instances=laws,
    sizes=((2, 2), (3, 2), (2, 3), (3, 3)),
    verdict="open",
    remark="Proved where the bound is at most 1/n (rank.stronger-spread), of two rows of one norm\n"
    "(rank.stronger-two-rows) and of rows in one direction (rank.stronger-one-direction). No\n"
    "constant can be added (rank.stronger-slack). The same of σ_1/‖X‖, without σ_2, .., is false:\n"
    "rank.stronger-rank-free.",
)


def implied_slack(of: Law) -> Number:
    return stronger_square(of) - rescaled_square(of)


STRONGER_IMPLIES = Claim(
    id="rank.stronger-implies",
    source="compares rank.stronger with rank.theorem-2-rescaled-alive",
    origin="ours",
    title="The stronger conjecture implies the repaired Theorem 2",
    statement="E x_1 ≠ 0  ⇒  (B-1)/(1 + v_1/μ_1² + Bθ) ≤ (B-1) m²",
    given=(MEAN_NOT_ZERO,),
    instances=ordered_laws,
    sizes=SHAPES,
    verdict="holds if",
    needs={"μ_1 ≠ 0": CENTRED},
    undefined=("μ_1 ≠ 0",),
    slack=implied_slack,
    tight_at=law(2, (1, (1, 0))),
    proof="Bθ = Σ_{i≥2} (E x_i² + (B-1) μ_i²)/μ_1², so the left side is (B-1) μ_1² divided by\n"
    "E‖r‖² + (B-1) Σ_{i≥2} μ_i² ≥ E‖r‖², and μ_1² ≤ ‖μ‖².",
)


def spread(of: Law) -> bool:
    n = law_limit(of)
    return norm_square(of) * (of.batch - n) >= n * (of.batch - 1) * mean_square(of)


def trivial_slack(of: Law) -> Number:
    """1/n² - the bound's square."""
    return Fraction(1, law_limit(of) ** 2) - stronger_square(of)


def trivial(of: Law) -> bool:
    """The right side is at most 1/n, and R never below that."""
    least = min(float(ratio_or_zero(x)) for _, x in batches(of))
    return bool(trivial_slack(of) >= 0 and least >= 1 / law_limit(of) - ERROR)


STRONGER_SPREAD = Claim(
    id="rank.stronger-spread",
    source="a case of rank.stronger",
    origin="ours",
    title="It is true, and says nothing, of few neurons that have little in common",
    statement="E‖r‖² (B-n) ≥ n (B-1) ‖μ‖², no row is 0  ⇒  right side ≤ 1/n ≤ R for every X",
    given=(Assumption("spread", "E‖r‖² (B-n) ≥ n (B-1) ‖μ‖²", spread), NEVER_ZERO),
    then=trivial,
    instances=lambda size: laws(size).map(opposed),
    sizes=((2, 1), (3, 1), (3, 2), (4, 2), (4, 3)),
    verdict="holds if",
    needs={
        "spread": law(3, (1, (1, 0))),
        "no zero row": law(3, ("1/8", (1, 0)), ("7/8", (0, 0))),
    },
    proof="(1 + (B-1) m²)/(nB) ≤ 1/n² iff (B-1) m² ≤ (B-n)/n. And σ_1 is the largest of n.",
    slack=trivial_slack,
    tight_at=law(3, ("1/6", (3, 1)), ("1/6", (3, -1)), ("1/3", (0, 1)), ("1/3", (0, -1))),
)


def opposed(of: Law) -> Law:
    """The law with half of each probability on the row with its first entry turned round."""
    turned = ((-row[0], *row[1:]) for _, row in of.points)
    pairs = zip(of.points, turned, strict=True)
    return Law(tuple((p / 2, r) for (p, row), other in pairs for r in (row, other)), of.batch)


def two_rows(of: Law) -> bool:
    return of.batch == 2


def one_norm(of: Law) -> bool:
    return len({dot(row, row) for _, row in of.points}) == 1


def half_angle(e: float) -> float:
    """h(e) = e/(1 + √(1-e²)): the tangent of half the angle whose sine is e."""
    return e / (1 + math.sqrt(1 - e * e))


def cosine(x: Matrix) -> float:
    """|cos| of the angle of the first two rows."""
    a, b = x.rows[0], x.rows[-1]
    return float(root(quotient(dot(a, b) ** 2, dot(a, a) * dot(b, b))))


def ratio_by_angle(of: Law) -> bool:
    """R = (1 + h(e))/2 of every batch."""
    return all(
        abs(float(ratio(x)) - (1 + half_angle(cosine(x))) / 2) <= ERROR for _, x in batches(of)
    )


def two_rows_slack(of: Law) -> float:
    """E R - (1 + h(m²))/2."""
    return float(mean_ratio(of)) - (1 + half_angle(float(common(of)))) / 2


def two_rows_hold(of: Law) -> bool:
    return ratio_by_angle(of) and two_rows_slack(of) >= -ERROR and stronger(of)


def turned_laws(size: tuple[int, int]) -> SearchStrategy[Law]:
    """Rows with the same entries in other places and with other signs; or any."""
    batch, neurons = size

    def build(entries: list[int], shifts: list[tuple[int, int]]) -> Law:
        rows = [(*entries[k:], *entries[:k]) for k, _ in shifts]
        rows = [(s * row[0], *row[1:]) for row, (_, s) in zip(rows, shifts, strict=True)]
        return law(batch, *((Fraction(1, len(rows)), row) for row in rows))

    entries = st.lists(st.integers(0, 3), min_size=neurons, max_size=neurons).filter(any)
    shift = st.tuples(st.integers(0, neurons - 1), st.sampled_from((1, 1, -1)))
    turned = st.builds(build, entries, st.lists(shift, min_size=1, max_size=4))
    return st.one_of(turned, turned, turned, laws(size))


STRONGER_TWO_ROWS = Claim(
    id="rank.stronger-two-rows",
    source="a case of rank.stronger",
    origin="ours",
    title="It is true of two rows of one norm",
    statement="B = 2, rows of one norm, not 0, e = |cos| of their angle, h(e) = e/(1+√(1-e²))\n"
    "⇒  R = (1 + h(e))/2 and E R ≥ (1 + h(m²))/2 ≥ √(1 + m²)/2",
    given=(
        Assumption("two rows", "B = 2", two_rows),
        Assumption("one norm", "‖r‖ is the same for all rows", one_norm),
        NEVER_ZERO,
    ),
    then=two_rows_hold,
    instances=turned_laws,
    sizes=((2, 1), (2, 2), (3, 2), (2, 3), (2, 4)),
    verdict="holds if",
    needs={
        "two rows": law(3, ("1/3", (1, 0, 0)), ("1/3", (0, 1, 0)), ("1/3", (0, 0, 1))),
        "one norm": law(2, ("1/2", (1, 0)), ("1/2", (0, 2))),
        "no zero row": law(2, (1, (0, 0))),
    },
    undefined=("no zero row",),
    proof="σ_1, σ_2 = ‖r‖ √(1 ± e), so 2R - 1 = (√(1+e) - √(1-e))/(√(1+e) + √(1-e)) = h(e), which\n"
    "is convex and rises. E|cos| ≥ |E cos| = m², by independence; so Jensen. Last, 2h(e) ≥ e:\n"
    "(1 + h)² ≥ 1 + 2h ≥ 1 + m².",
    slack=two_rows_slack,
    error=ERROR,
    tight_at=law(2, (1, (1, 0))),
    remark="Signs do not matter here. For n = 2 the last is the right side of rank.stronger.",
)


def one_direction(of: Law) -> bool:
    return rank(Matrix(tuple(row for _, row in of.points))) <= 1


def all_in_one(of: Law) -> bool:
    """R = 1 of every batch, and the bound at most 1/n."""
    sure = all(ratio(x) >= 1 - ERROR for _, x in batches(of))
    return bool(sure and stronger_square(of) <= Fraction(1, law_limit(of)))


STRONGER_ONE_DIRECTION = Claim(
    id="rank.stronger-one-direction",
    source="a case of rank.stronger",
    origin="ours",
    title="It is true where all rows are multiples of one, and of one neuron",
    statement="rows in one direction, not 0  ⇒  R = 1, and for any law right side ≤ 1/√n",
    given=(Assumption("one direction", "rows are multiples of one", one_direction), NEVER_ZERO),
    then=all_in_one,
    instances=lambda size: st.one_of(laws(size), laws(size).map(straight)),
    sizes=((2, 1), (2, 2), (3, 2), (3, 3)),
    verdict="holds if",
    needs={
        "one direction": law(2, ("1/2", (1, 0)), ("1/2", (0, 1))),
        "no zero row": law(2, ("1/2", (1,)), ("1/2", (0,))),
    },
    proof="X has rank 1. And m² ≤ 1.",
)


def straight(of: Law) -> Law:
    """The law with all its rows along the first."""
    first = of.points[0][1]
    rows = (tuple((k + 1) * x for x in first) for k in range(len(of.points)))
    return Law(tuple((p, row) for (p, _), row in zip(of.points, rows, strict=True)), of.batch)


# ------------------------------------------------------------------- what cannot be improved


@dataclass(frozen=True)
class Star:
    """B = 2, rows (a, b e_j) with j uniform over `others` neurons, a, b > 0: all of one norm."""

    a: Fraction
    b: Fraction
    others: int

    def __post_init__(self) -> None:
        checks.positive("a", self.a)
        checks.positive("b", self.b)
        require(self.others >= 1, "others", self.others, "a whole number, 1 or more")

    def __str__(self) -> str:
        return f"B = 2, rows ({self.a}, {self.b} e_j), j uniform over {self.others} neurons"

    def law(self) -> Law:
        rows = np.diag([self.b] * self.others)
        return law(2, *((Fraction(1, self.others), (self.a, *row)) for row in rows))

    def cosine(self) -> Fraction:
        """Of two rows with different j."""
        return self.a**2 / (self.a**2 + self.b**2)


def slack_vanishes(s: Star) -> bool:
    slack = float(rescaled_slack(s.law()))
    return 0 < slack <= (Fraction(1, s.others) + s.cosine()) / 2


def stars(size: int) -> SearchStrategy[Star]:
    entry = st.builds(Fraction, st.integers(1, 9), st.integers(1, 9))
    return st.builds(Star, entry, entry, st.integers(1, size))


STRONGER_SLACK = Claim(
    id="rank.stronger-slack",
    source="beside rank.theorem-2-rescaled-alive",
    origin="ours",
    title="No constant can be added to the repaired Theorem 2: its slack goes to 0",
    statement="B = 2, rows (a, b e_j), j uniform on M neurons, a, b > 0, c = a²/(a²+b²)\n"
    "⇒  0 < E R - right side ≤ (1/M + c)/2: with b = a √M it goes to 0 as M grows",
    given=(),
    then=slack_vanishes,
    instances=stars,
    sizes=(2, 4, 6),
    verdict="holds",
    proof="Rows with different j have cos = c, the others 1, and h(e) ≤ e; so E R ≤ 1/2 +\n"
    "(1/M + c)/2, and the right side is at least 1/2. It is below E R by\n"
    "rank.stronger-two-rows and rank.stronger-implies, whose slack here is not 0.",
    remark="A search of small laws sees a least slack of 0.118: an artefact of their width.",
)


def rank_free_square(of: Law) -> Number:
    return (1 + (of.batch - 1) * common(of)) / of.batch


def mean_top(of: Law) -> Number:
    """E σ_1/‖X‖."""

    def top(x: Matrix) -> Number:
        p = shares(x)
        return float(p[0]) / math.sqrt(sum(float(q) ** 2 for q in p))

    return expected(of, top)


def rank_free(of: Law) -> bool:
    return reaches_root(mean_top(of), rank_free_square(of))


STRONGER_RANK_FREE = Claim(
    id="rank.stronger-rank-free",
    source="beside rank.stronger: what would imply it, by Σ σ_i ≤ √n ‖X‖",
    origin="ours",
    title="The same without n: σ_1 by the norm of X",
    statement="no row is 0  ⇒  E[σ_1/‖X‖] ≥ √((1 + (B-1) m²)/B)",
    given=(LAW_NON_NEGATIVE, NEVER_ZERO),
    then=rank_free,
    instances=laws,
    sizes=((2, 2), (3, 2), (2, 3)),
    verdict="refuted",
    counterexample=law(2, ("1/2", (1, 0)), ("1/2", (0, 1))),
    breaks="Of two rows of one norm σ_1²/‖X‖² = (1 + e)/2, with the mean (1 + m²)/2 here: its "
    "root has a smaller mean (Jensen). So a proof of rank.stronger needs σ_2, .., σ_n.",
    steps=law_steps(
        ("m²", common), ("E σ_1/‖X‖", mean_top), ("its square", lambda of: mean_top(of) ** 2),
        ("(right side)²", rank_free_square),
    ),
)  # fmt: skip


CLAIMS: tuple[Claim[Any], ...] = (
    STRONGER,
    STRONGER_IMPLIES,
    STRONGER_SPREAD,
    STRONGER_TWO_ROWS,
    STRONGER_ONE_DIRECTION,
    STRONGER_SLACK,
    STRONGER_RANK_FREE,
)
