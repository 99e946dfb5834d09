"""What eq. (10), from which the proof of Theorem 2 starts, measures: how much the rows vary."""

from fractions import Fraction
from typing import Any

from theory.claim import Assumption, Claim
from theory.rank.features import (
    ERROR,
    ONES,
    PAPER,
    SHAPES,
    ZERO,
    Matrix,
    Number,
    energies,
    line_10_square,
    matrices,
    matrix,
    quotient,
    rank_limit,
    ratio,
    some_sum_not_zero,
    sums,
    variation_bound,
    variation_curve,
    variation_square,
)


def eq_10_slack(x: Matrix) -> Fraction:
    """B Σ x_ij² - Σ s_i²."""
    return len(x.rows) * sum(energies(x)) - sum((s**2 for s in sums(x)), Fraction(0))


def cauchy_proved(n: int) -> bool:
    """n Σ x_i² ≥ (Σ x_i)², a column of n entries."""
    import z3

    x = z3.Reals(" ".join(f"x{i}" for i in range(n)))
    solver = z3.Solver()
    solver.add(n * z3.Sum([e * e for e in x]) < z3.Sum(x) * z3.Sum(x))
    return bool(solver.check() == z3.unsat)


EQ_10_SMALL = Claim(
    id="rank.eq-10-small",
    source=f"{PAPER}, A.2, eq. (10)",
    origin="consequence",
    title="Eq. (10) never gives more than 1/√n",
    statement="Σ s_i² ≤ B Σ x_ij², that is: right side of (10) ≤ 1/√n\n"
    "so it certifies srank_δ = 1 for no δ < 1 - 1/√n (N = 256 ≤ B: δ < 0.9375)",
    given=(),
    instances=matrices,
    sizes=SHAPES,
    verdict="holds",
    proof="Cauchy-Schwarz in each column: s_i² = (Σ_j 1·x_ji)² ≤ B Σ_j x_ji².",
    slack=eq_10_slack,
    tight_at=ONES,
    proved=cauchy_proved,
    proved_at=(1, 2, 3, 6),
    proved_size="B",
)


def eq_10_measures(x: Matrix) -> bool:
    """1/κ - 1 = CV², κ = ||s||² / (B ||X||²): n times the square of (10)."""
    return bool(quotient(1, rank_limit(x) * line_10_square(x)) - 1 == variation_square(x))


EQ_10_MEASURES = Claim(
    id="rank.eq-10-measures",
    source=f"{PAPER}, A.2, eq. (10): what it is",
    origin="ours",
    title="Eq. (10) measures the layer's variation, not dominance",
    statement="κ = Σ s_i² / (B Σ x_ij²):  1/κ - 1 = CV² := Σ_i var_i / Σ_i mean_i²\n"
    "(mean and variance of column i over the batch), and (10) is R ≥ √(κ/n)",
    given=(Assumption("s ≠ 0", "some column sum ≠ 0", some_sum_not_zero, said=False),),
    then=eq_10_measures,
    instances=matrices,
    sizes=SHAPES,
    verdict="holds if",
    needs={"s ≠ 0": ZERO},
    undefined=("s ≠ 0",),
    proof="Σ x_ij² = B Σ_i (var_i + mean_i²) and Σ s_i² = B² Σ mean_i².",
    remark="Nothing in it compares neurons: constant ones have κ = 1, equal or not.",
)


def variation_slack(x: Matrix) -> Number:
    return ratio(x) - variation_bound(x)


VARIATION = Claim(
    id="rank.variation",
    source="repairs rank.line-10",
    origin="ours",
    title="A layer that varies little has a large R",
    statement="CV² = Σ var_i / Σ mean_i²  ⇒  R ≥ 1 / (1 + √(n-1) CV)",
    given=(Assumption("s ≠ 0", "some column sum ≠ 0", some_sum_not_zero),),
    instances=matrices,
    sizes=SHAPES,
    verdict="holds",
    needs={"s ≠ 0": matrix((1,), (-1,))},
    undefined=("s ≠ 0",),
    proof="rank.direction for X' and v = 1: ρ = κ, and 1/κ - 1 = CV² (rank.eq-10-measures).",
    slack=variation_slack,
    error=ERROR,
    tight_at=matrix((2, 1, 1), (1, 2, 1), (1, 1, 2)),
    curve=variation_curve,
)


def variation_beats(x: Matrix) -> bool:
    """f(κ) ≥ √(κ/n), squared: (1 + mt)² ≤ (1 + m²)(1 + t²), m² = n - 1, t = CV."""
    m2, t2 = rank_limit(x) - 1, variation_square(x)
    return bool(4 * m2 * t2 <= (m2 + t2) ** 2)


VARIATION_BEATS_EQ_10 = Claim(
    id="rank.variation-beats-eq-10",
    source="compares rank.variation with eq. (10)",
    origin="ours",
    title="The bound by CV is never below eq. (10)",
    statement="1 / (1 + √(n-1) CV)  ≥  √(κ/n) = 1 / √(n (1 + CV²))",
    given=(Assumption("s ≠ 0", "some column sum ≠ 0", some_sum_not_zero),),
    then=variation_beats,
    instances=matrices,
    sizes=SHAPES,
    verdict="holds",
    needs={"s ≠ 0": ZERO},
    undefined=("s ≠ 0",),
    proof="(1 + mt)² ≤ (1 + m²)(1 + t²), which is (m - t)² ≥ 0; m² = n-1, t = CV.",
)


CLAIMS: tuple[Claim[Any], ...] = (
    EQ_10_SMALL,
    EQ_10_MEASURES,
    VARIATION,
    VARIATION_BEATS_EQ_10,
)
