"""The printed proof of Theorem 2, lines (9) to (17), line by line."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from theory.claim import Assumption, Claim
from theory.rank.features import (
    CROSS,
    DEAD,
    ERROR,
    EYE,
    FIRST_LARGEST,
    FIRST_NOT_ZERO,
    LAW_NON_NEGATIVE,
    NEVER_ZERO,
    NON_NEGATIVE,
    ONES,
    PAPER,
    SHAPES,
    X_NOT_ZERO,
    ZERO,
    Law,
    Matrix,
    Number,
    array,
    batches,
    columns,
    energies,
    expected,
    law,
    law_steps,
    laws,
    line_10_right,
    line_10_square,
    matrices,
    matrix,
    matrix_steps,
    moment,
    ordered_laws,
    quotient,
    ratio,
    reaches_root,
    root,
    square_sum,
    sum_moment,
    sum_variance,
    sums,
    theta,
    variation_curve,
    width,
)


def line_9_slack(x: Matrix) -> Number:
    """By the norm of X, so that its error knows no scale; 0 of X = 0."""
    norm = float(np.linalg.norm(array(x)))
    slack = float(np.linalg.norm(array(x), 2)) - math.sqrt(square_sum(x) / len(x.rows))
    return slack / norm if norm else 0.0


LINE_9 = Claim(
    id="rank.line-9",
    source=f"{PAPER}, A.2, line (9)",
    origin="printed",
    title="σ_1 is at least the norm of the column sums, scaled",
    statement="y = (1, ..., 1)/√B: ||yX||² = Σ s_i² / B, so σ_1 ≥ √(Σ s_i² / B)",
    given=(),
    instances=matrices,
    sizes=SHAPES,
    verdict="holds",
    proof="(yX)_i = s_i/√B, and σ_1 is the maximum of ||yX|| over unit y.",
    slack=line_9_slack,
    error=ERROR,
    tight_at=ONES,
)


def line_10_slack(x: Matrix) -> Number:
    return ratio(x) - root(line_10_square(x))


LINE_10 = Claim(
    id="rank.line-10",
    source=f"{PAPER}, A.2, line (10)",
    origin="printed",
    title="R is at least the normalised column sums",
    statement="R ≥ √( Σ s_i² / (nB Σ x_ij²) )",
    given=(X_NOT_ZERO,),
    instances=matrices,
    sizes=SHAPES,
    verdict="holds if",
    needs={"X ≠ 0": ZERO},
    undefined=("X ≠ 0",),
    proof="(9), and Σ σ_i ≤ √(n Σ σ_i²) = √(n Σ x_ij²) by Cauchy-Schwarz.",
    slack=line_10_slack,
    error=ERROR,
    tight_at=EYE,
    curve=variation_curve,
    remark="Tight at the identity, of full rank: what it gives is small, 1/n there.",
)


def line_11_bottom(x: Matrix) -> Fraction:
    """Σ_j x_j1² + Σ_{i≥2} s_i²."""
    return energies(x)[0] + sum((s**2 for s in sums(x)[1:]), Fraction(0))


def line_11_left(x: Matrix) -> Number:
    return quotient(square_sum(x), sum(energies(x)))


def line_11_right(x: Matrix) -> Number:
    return quotient(square_sum(x), line_11_bottom(x))


def line_11_slack(x: Matrix) -> Number:
    return line_11_left(x) - line_11_right(x)


def non_negative_proved(n: int) -> bool:
    """Σ x_i² ≤ (Σ x_i)² for n entries, none of them negative: all that line (11) needs."""
    import z3

    x = z3.Reals(" ".join(f"x{i}" for i in range(n)))
    solver = z3.Solver()
    solver.add(*(e >= 0 for e in x), z3.Sum([e * e for e in x]) > z3.Sum(x) * z3.Sum(x))
    return bool(solver.check() == z3.unsat)


LINE_11 = Claim(
    id="rank.line-11",
    source=f"{PAPER}, A.2, line (11)",
    origin="printed",
    title="Squares of columns 2 to N enlarged to squares of sums",
    statement="Σ s_i² / Σ x_ij²  ≥  Σ s_i² / ( Σ_j x_j1² + Σ_{i≥2} s_i² )",
    given=(X_NOT_ZERO, NON_NEGATIVE),
    instances=matrices,
    sizes=SHAPES,
    verdict="holds if",
    needs={"X ≠ 0": ZERO, "non-negative": CROSS},
    undefined=("X ≠ 0",),
    proof="Σ_j x_ji² ≤ (Σ_j x_ji)² when no product of two entries is negative.",
    slack=line_11_slack,
    tight_at=matrix((1,), (1,)),
    proved=non_negative_proved,
    proved_at=(1, 2, 3),
    proved_size="B",
)


def line_11_not_zero(x: Matrix) -> bool:
    return line_11_bottom(x) != 0


def line_12_right(x: Matrix) -> Number:
    top = sum(columns(x)[0]) ** 2 + sum((s**2 for s in sums(x)[1:]), Fraction(0))
    return quotient(top, line_11_bottom(x))


def line_12(x: Matrix) -> bool:
    return bool(line_11_right(x) == line_12_right(x))


LINE_12 = Claim(
    id="rank.line-12",
    source=f"{PAPER}, A.2, line (12)",
    origin="printed",
    title="The first sum written out",
    statement="Σ_i s_i² / (Σ_j x_j1² + Σ_{i≥2} s_i²) = "
    "((Σ_j x_j1)² + Σ_{i≥2} s_i²) / (Σ_j x_j1² + Σ_{i≥2} s_i²)",
    given=(Assumption("V ≠ 0", "Σ_j x_j1² + Σ_{i≥2} s_i² ≠ 0", line_11_not_zero, said=False),),
    then=line_12,
    instances=matrices,
    sizes=SHAPES,
    verdict="holds if",
    needs={"V ≠ 0": ZERO},
    undefined=("V ≠ 0",),
    proof="s_1 = Σ_j x_j1.",
)


def cross_unordered(x: Matrix) -> Fraction:
    """Σ_{i<j} x_i1 x_j1."""
    c = columns(x)[0]
    return sum((c[i] * c[j] for j in range(len(c)) for i in range(j)), Fraction(0))


def line_13_ordered(x: Matrix) -> Number:
    return 1 + quotient(2 * 2 * cross_unordered(x), line_11_bottom(x))


def line_13(x: Matrix) -> bool:
    return bool(line_12_right(x) == line_13_ordered(x))


LINE_13 = Claim(
    id="rank.line-13",
    source=f"{PAPER}, A.2, line (13), i ≠ j over ordered pairs as (15) counts them",
    origin="reading",
    title="The square of the sum split",
    statement="(12) = 1 + 2 Σ_{i≠j} x_i1 x_j1 / V,  V = Σ_j x_j1² + Σ_{i≥2} s_i²",
    given=(X_NOT_ZERO, NON_NEGATIVE),
    then=line_13,
    instances=matrices,
    sizes=SHAPES,
    verdict="refuted",
    counterexample=matrix((1,), (1,)),
    breaks="(Σ x)² - Σ x² is twice the sum over unordered pairs, once that over ordered ones. "
    "Line (15) has B(B-1) pairs, so it means ordered ones, and keeps the 2.",
    repaired_by=("rank.line-13-unordered",),
    steps=matrix_steps(("(12)", line_12_right), ("(13)", line_13_ordered)),
)


def line_13_unordered(x: Matrix) -> Number:
    return 1 + quotient(2 * cross_unordered(x), line_11_bottom(x))


def line_13_repaired(x: Matrix) -> bool:
    return bool(line_12_right(x) == line_13_unordered(x))


LINE_13_UNORDERED = Claim(
    id="rank.line-13-unordered",
    source="repairs rank.line-13",
    origin="ours",
    title="The square of the sum split over unordered pairs",
    statement="(12) = 1 + 2 Σ_{i<j} x_i1 x_j1 / V",
    given=(Assumption("V ≠ 0", "Σ_j x_j1² + Σ_{i≥2} s_i² ≠ 0", line_11_not_zero, said=False),),
    then=line_13_repaired,
    instances=matrices,
    sizes=SHAPES,
    verdict="holds if",
    needs={"V ≠ 0": ZERO},
    undefined=("V ≠ 0",),
    proof="(Σ_j x_j1)² = Σ_j x_j1² + 2 Σ_{i<j} x_i1 x_j1.",
)


def second_moment_printed(of: Law) -> Fraction:
    return sum_moment(of, 0, 1) ** 2 + sum_variance(of, 0)


def second_moment(of: Law) -> bool:
    return moment(of, 0, 2) == second_moment_printed(of)


SECOND_MOMENT = Claim(
    id="rank.second-moment",
    source=f"{PAPER}, A.2, before line (14)",
    origin="printed",
    title="The second moment of an entry by those of a sum",
    statement="E x_ij² = (E s_j)² + Var(s_j)",
    given=(LAW_NON_NEGATIVE,),
    then=second_moment,
    instances=laws,
    sizes=SHAPES,
    verdict="refuted",
    counterexample=law(2, (1, (1,))),
    breaks="E x = E s / B and Var(x) = Var(s) / B: the right side has the scale of a sum.",
    repaired_by=("rank.second-moment-scaled",),
    steps=law_steps(
        ("E x²", lambda of: moment(of, 0, 2)), ("(E s)² + Var(s)", second_moment_printed)
    ),
)


def second_moment_repaired(of: Law) -> Fraction:
    return sum_moment(of, 0, 1) ** 2 / of.batch**2 + sum_variance(of, 0) / of.batch


def second_moment_right(of: Law) -> bool:
    return moment(of, 0, 2) == second_moment_repaired(of)


SECOND_MOMENT_SCALED = Claim(
    id="rank.second-moment-scaled",
    source="repairs rank.second-moment",
    origin="ours",
    title="The second moment of an entry, on its own scale",
    statement="E x_ij² = (E s_j)²/B² + Var(s_j)/B",
    given=(),
    then=second_moment_right,
    instances=laws,
    sizes=SHAPES,
    verdict="holds",
    proof="A sum of B i.i.d. entries has B times the mean and B times the variance.",
)


def by_batch(f: Callable[[Matrix], Any]) -> Callable[[Law], str]:
    """Steps' side that tells f of every batch."""
    return lambda of: ", ".join(f"{f(x)} w.p. {p}" for p, x in batches(of))


def line_14_left(of: Law) -> Number:
    """E[U/V] with U = 2 Σ_{i<j} x_i1 x_j1; with ordered pairs both sides double."""
    return expected(of, lambda x: quotient(2 * cross_unordered(x), line_11_bottom(x)))


def line_14_right(of: Law) -> Number:
    return quotient(expected(of, lambda x: 2 * cross_unordered(x)), expected(of, line_11_bottom))


def line_14(of: Law) -> bool:
    return bool(line_14_left(of) >= line_14_right(of))


LINE_14 = Claim(
    id="rank.line-14",
    source=f"{PAPER}, A.2, line (14)",
    origin="printed",
    title="Jensen's inequality for a ratio",
    statement="U = 2 Σ_{i<j} x_i1 x_j1, V = Σ_j x_j1² + Σ_{i≥2} s_i²:  E[U/V] ≥ E U / E V",
    given=(LAW_NON_NEGATIVE, NEVER_ZERO),
    then=line_14,
    instances=laws,
    sizes=SHAPES,
    verdict="refuted",
    counterexample=law(2, ("1/3", (1,)), ("2/3", (2,))),
    breaks="1/V is convex in V, but U/V is not convex in (U, V), and U and V are dependent. "
    "(With ordered pairs both sides double.)",
    repaired_by=("rank.line-14-cauchy",),
    steps=law_steps(
        ("U", by_batch(lambda x: 2 * cross_unordered(x))),
        ("V", by_batch(line_11_bottom)),
        ("E[U/V]", line_14_left),
        ("E U", lambda of: expected(of, lambda x: 2 * cross_unordered(x))),
        ("E V", lambda of: expected(of, line_11_bottom)),
        ("E U / E V", line_14_right),
    ),
)


def line_14_cauchy(of: Law) -> Number:
    """(E √U)² / E V."""
    roots = expected(of, lambda x: root(2 * cross_unordered(x)))
    return quotient(roots**2, expected(of, line_11_bottom))


def line_14_slack(of: Law) -> Number:
    return line_14_left(of) - line_14_cauchy(of)


LINE_14_CAUCHY = Claim(
    id="rank.line-14-cauchy",
    source="repairs rank.line-14",
    origin="ours",
    title="Cauchy-Schwarz for a ratio",
    statement="U ≥ 0, V > 0  ⇒  E[U/V] ≥ (E √U)² / E V",
    given=(LAW_NON_NEGATIVE, NEVER_ZERO),
    instances=laws,
    sizes=SHAPES,
    verdict="holds if",
    needs={"non-negative": law(2, ("1/2", (1,)), ("1/2", (-1,))), "no zero row": DEAD},
    undefined=(
        "non-negative",
        "no zero row",
    ),
    proof="(E √U)² = (E √(U/V) √V)² ≤ E[U/V] E V. Without the signs √U is undefined; with "
    "a zero row V may be 0.",
    slack=line_14_slack,
    error=ERROR,
    tight_at=law(2, (1, (1, 1))),
)


def other_energy(of: Law) -> Fraction:
    """Σ_{i≥2} E s_i²."""
    return sum((sum_moment(of, i, 2) for i in range(1, width(of))), Fraction(0))


def line_15_left(of: Law) -> Number:
    """The right side of (14) with ordered pairs: the larger reading, the one that (15) counts."""
    return 2 * line_14_right(of)


def line_15_right(of: Law) -> Number:
    b, square = of.batch, sum_moment(of, 0, 1) ** 2
    return quotient(2 * b * (b - 1) * square, b * second_moment_printed(of) + other_energy(of))


def line_15(of: Law) -> bool:
    return bool(line_15_left(of) >= line_15_right(of))


LINE_15 = Claim(
    id="rank.line-15",
    source=f"{PAPER}, A.2, line (15)",
    origin="printed",
    title="The moments put in",
    statement="2 E[Σ_{i≠j} x_i1 x_j1] / E V  ≥  "
    "2B(B-1)(E s_1)² / ( B((E s_1)² + Var s_1) + Σ_{i≥2} E s_i² )",
    given=(FIRST_LARGEST, LAW_NON_NEGATIVE, NEVER_ZERO),
    then=line_15,
    instances=ordered_laws,
    sizes=SHAPES,
    verdict="refuted",
    counterexample=law(2, ("1/2", (1,)), ("1/2", (2,))),
    breaks="The second moment has the scale of a sum (rank.second-moment), while the others' "
    "E s_i² keep theirs. Even with ordered pairs the line fails for every B ≥ 2 unless "
    "Var(s_1) = 0 and all other neurons are 0; with unordered pairs also then.",
    repaired_by=("rank.line-15-scaled",),
    steps=law_steps(
        ("2 E Σ_{i≠j} x_i1 x_j1", lambda of: expected(of, lambda x: 4 * cross_unordered(x))),
        ("E V", lambda of: expected(of, line_11_bottom)),
        ("left", line_15_left),
        ("right", line_15_right),
    ),
)


def line_15_repaired(of: Law) -> bool:
    b, square = of.batch, sum_moment(of, 0, 1) ** 2
    bottom = square / b + sum_variance(of, 0) + other_energy(of)
    return bool(line_14_right(of) == quotient((1 - Fraction(1, b)) * square, bottom))


LINE_15_SCALED = Claim(
    id="rank.line-15-scaled",
    source="repairs rank.line-15",
    origin="ours",
    title="The moments put in on one scale",
    statement="2 E[Σ_{i<j} x_i1 x_j1] / E V = "
    "(1 - 1/B)(E s_1)² / ( (E s_1)²/B + Var s_1 + Σ_{i≥2} E s_i² )",
    given=(FIRST_NOT_ZERO,),
    then=line_15_repaired,
    instances=laws,
    sizes=SHAPES,
    verdict="holds if",
    needs={"q_1 ≠ 0": DEAD},
    undefined=("q_1 ≠ 0",),
    proof="E x_i1 x_j1 = (E s_1)²/B² for each of the B(B-1)/2 pairs, and "
    "B E x_1² = (E s_1)²/B + Var s_1.",
)


def unit_small_enough(of: Law) -> bool:
    return sum_moment(of, 0, 1) ** 2 >= 1


def line_16_right(of: Law) -> Number:
    """With Var(s_1) for Var(s_i), as in line (15)."""
    b = of.batch
    return quotient(Fraction(2 * b * (b - 1)), b * (1 + sum_variance(of, 0)) + theta(of))


def line_16_slack(of: Law) -> Number:
    return line_15_right(of) - line_16_right(of)


LINE_16 = Claim(
    id="rank.line-16",
    source=f"{PAPER}, A.2, line (16), Var(s_i) read as Var(s_1)",
    origin="reading",
    title="Divided by (E s_1)², but for the variance",
    statement="E s_1 ≥ E s_j, E s_1 ≥ 1  ⇒  right side of (15) ≥ 2B(B-1) / (B(1 + Var(s_1)) + θ)",
    given=(
        Assumption("(E s_1)² ≥ 1", "(E s_1)² ≥ 1: a choice of units", unit_small_enough, False),
    ),
    instances=ordered_laws,
    sizes=SHAPES,
    verdict="holds if",
    needs={"(E s_1)² ≥ 1": law(2, ("1/2", (0,)), ("1/2", ("1/2",)))},
    proof="(15) is 2B(B-1) / (B(1 + Var(s_1)/(E s_1)²) + θ). The line replaces "
    "Var(s_1)/(E s_1)² by Var(s_1), which is no smaller exactly if (E s_1)² ≥ 1 or "
    "Var(s_1) = 0.",
    slack=line_16_slack,
    tight_at=law(2, (1, (1, 1))),
)


def line_17_left(of: Law) -> Number:
    """E √Y, where √Y is the right-hand side of (10)."""
    return expected(of, lambda x: root(line_10_square(x)))


def line_17_square(of: Law) -> Number:
    return expected(of, line_10_square)


def line_17(of: Law) -> bool:
    return reaches_root(line_17_left(of), line_17_square(of))


LINE_17 = Claim(
    id="rank.line-17",
    source=f"{PAPER}, A.2, line (17)",
    origin="printed",
    title="The root taken out of the expectation",
    statement="Y = Σ s_i² / (nB Σ x_ij²):  E √Y ≥ √(E Y)",
    given=(LAW_NON_NEGATIVE, NEVER_ZERO),
    then=line_17,
    instances=laws,
    sizes=SHAPES,
    verdict="refuted",
    counterexample=law(2, ("1/2", (1,)), ("1/2", (7,))),
    breaks="√ is concave: E √Y ≤ √(E Y), with equality only if Y is constant.",
    repaired_by=("rank.e3",),
    steps=law_steps(
        ("Y", by_batch(line_10_square)),
        ("√Y", by_batch(line_10_right)),
        ("E √Y", line_17_left),
        ("(E √Y)²", lambda of: line_17_left(of) ** 2),
        ("E Y", line_17_square),
    ),
)


# The printed proof, in its order.
PRINTED: tuple[Claim[Any], ...] = (
    LINE_9,
    LINE_10,
    LINE_11,
    LINE_12,
    LINE_13,
    LINE_14,
    LINE_15,
    LINE_16,
    LINE_17,
)


CLAIMS: tuple[Claim[Any], ...] = (
    LINE_9,
    LINE_10,
    LINE_11,
    LINE_12,
    LINE_13,
    LINE_13_UNORDERED,
    SECOND_MOMENT,
    SECOND_MOMENT_SCALED,
    LINE_14,
    LINE_14_CAUCHY,
    LINE_15,
    LINE_15_SCALED,
    LINE_16,
    LINE_17,
)
