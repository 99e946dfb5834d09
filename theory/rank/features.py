"""Batches of features and their laws: how they print, are drawn, measured and redone by hand."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ref import scores
from ref.checks import Array, require
from theory import checks
from theory.claim import Assumption, Curve, vector

Number = Any  # a Fraction; a float where a root is irrational
Row = tuple[Fraction, ...]
# Float error of every slack below. LAPACK's singular values are within 40 eps ||X|| for up to 4
# columns, so those of R and of σ_1 with entries up to 16 are within 64 * 40 eps = 6e-13; what is
# added and compared after that are a few correctly rounded operations on numbers below 2.
ERROR = 1e-12


@dataclass(frozen=True)
class Matrix:
    """A batch of features: B rows of N entries."""

    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        checks.matrix("rows", self.rows)

    def __str__(self) -> str:
        return f"X with rows {', '.join(map(vector, self.rows))}"


@dataclass(frozen=True)
class Cut:
    """A batch, the δ of srank, and a factor for the whole batch."""

    x: Matrix
    delta: Fraction
    scale: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        checks.share("delta", self.delta)

    def __str__(self) -> str:
        return f"{self.x}, δ = {self.delta}" + (f", c = {self.scale}" if self.scale != 1 else "")


@dataclass(frozen=True)
class Law:
    """B i.i.d. rows, each one of finitely many points: ((probability, row), ...)."""

    points: tuple[tuple[Fraction, Row], ...]
    batch: int

    def __post_init__(self) -> None:
        checks.law("probabilities", [p for p, _ in self.points])
        checks.matrix("points", [row for _, row in self.points])
        require(self.batch >= 1, "batch", self.batch, "at least one row")

    def __str__(self) -> str:
        points = ", ".join(f"{vector(row)} w.p. {p}" for p, row in self.points)
        return f"B = {self.batch} i.i.d. rows: {points}"


@dataclass(frozen=True)
class LawCut:
    """A law and the δ of srank."""

    law: Law
    delta: Fraction

    def __post_init__(self) -> None:
        checks.share("delta", self.delta)

    def __str__(self) -> str:
        return f"{self.law}; δ = {self.delta}"


@dataclass(frozen=True)
class Scaled:
    """A law and a factor, for all its neurons or for the first; the claim says which."""

    law: Law
    factor: Fraction

    def __str__(self) -> str:
        return f"{self.law}; factor {self.factor}"


def matrix(*rows: tuple[Any, ...]) -> Matrix:
    """A Matrix of rows of whatever Fraction reads."""
    return Matrix(tuple(tuple(map(Fraction, row)) for row in rows))


def law(batch: int, *points: tuple[Any, tuple[Any, ...]]) -> Law:
    """A Law of (probability, row) of whatever Fraction reads."""
    return Law(tuple((Fraction(p), tuple(map(Fraction, row))) for p, row in points), batch)


def quotient(part: Number, whole: Number) -> Number:
    """part / whole, NaN where whole is 0."""
    return part / whole if whole != 0 else math.nan


def root(x: Number) -> Number:
    """√x: a Fraction where it is one, NaN below 0."""
    if x < 0:
        return math.nan
    if isinstance(x, Fraction):
        top, bottom = math.isqrt(x.numerator), math.isqrt(x.denominator)
        if top**2 == x.numerator and bottom**2 == x.denominator:
            return Fraction(top, bottom)
    return math.sqrt(x)


def columns(x: Matrix) -> list[Row]:
    return list(zip(*x.rows, strict=True))


def rank_limit(x: Matrix) -> int:
    """n = min(B, N)."""
    return min(len(x.rows), len(x.rows[0]))


def sums(x: Matrix) -> list[Fraction]:
    """s_j."""
    return [sum(c, Fraction(0)) for c in columns(x)]


def energies(x: Matrix) -> list[Fraction]:
    """c_j²."""
    return [dot(c, c) for c in columns(x)]


def dot(a: Row, b: Row) -> Fraction:
    return sum((p * q for p, q in zip(a, b, strict=True)), Fraction(0))


def array(x: Matrix) -> Array:
    return np.array(x.rows, dtype=float)


def small_gram(x: Matrix) -> list[Row]:
    """XX' or X'X, whichever is smaller: its eigenvalues are σ_i²."""
    short = columns(x) if len(x.rows) > len(x.rows[0]) else list(x.rows)
    return [tuple(dot(a, b) for b in short) for a in short]


def diagonal(gram: list[Row]) -> bool:
    return all(g == 0 for i, row in enumerate(gram) for j, g in enumerate(row) if i != j)


def shares(x: Matrix) -> tuple[Number, ...]:
    """σ_i / Σ σ, from the largest on; (NaN,) of a zero matrix.

    From the Gram matrix of rows or columns, whichever is smaller. If that is diagonal, or 2 x 2,
    roots of Fractions are enough, and what is rational is exact; else LAPACK's floats.
    """
    gram = small_gram(x)
    largest = max(gram[i][i] for i in range(len(gram)))
    if largest == 0:
        return (math.nan,)
    if diagonal(gram):
        roots = sorted((root(gram[i][i] / largest) for i in range(len(gram))), reverse=True)
        return tuple(r / sum(roots) for r in roots)
    if len(gram) == 2:
        # σ_1² + σ_2² = T and σ_1 σ_2 = √D, so (σ_1 - σ_2)² / (σ_1 + σ_2)² =
        # (T - 2√D) / (T + 2√D) = (T² - 4D) / (T + 2√D)²
        (a, b), (_, d) = gram
        trace, det = a + d, a * d - b * b
        apart = root(trace**2 - 4 * det) / (trace + 2 * root(det))
        return (1 + apart) / 2, (1 - apart) / 2
    sigma = np.linalg.svd(array(x), compute_uv=False)
    return tuple(map(float, sigma / sigma.sum()))


def ratio(x: Matrix) -> Number:
    """R = σ_1 / Σ σ_i."""
    return shares(x)[0]


def srank(x: Matrix, delta: Fraction) -> Number:
    """Eq. (3): the least k with σ_1 + ... + σ_k ≥ (1 - δ) Σ σ_i; exact where shares are."""
    p = shares(x)
    if any(isinstance(share, float) for share in p):
        return scores.srank(array(x), float(delta))
    return next(k for k in range(1, len(p) + 1) if sum(p[:k]) >= 1 - delta)


def rank(x: Matrix) -> int:
    """The number of linearly independent rows, by elimination."""
    rows, found = list(x.rows), 0
    for j in range(len(x.rows[0])):
        pivot = next((r for r in rows if r[j] != 0), None)
        if pivot is not None:
            found += 1
            rows.remove(pivot)
            rows = [
                tuple(a - row[j] / pivot[j] * b for a, b in zip(row, pivot, strict=True))
                for row in rows
            ]
    return found


def width(of: Law) -> int:
    return len(of.points[0][1])


def law_limit(of: Law) -> int:
    """n = min(B, N)."""
    return min(of.batch, width(of))


@lru_cache(maxsize=32)  # a claim asks for many moments of one law
def batches(of: Law) -> list[tuple[Fraction, Matrix]]:
    """All batches with their probabilities, up to the order of rows, which R does not see."""
    drawn = []
    for chosen in combinations_with_replacement(range(len(of.points)), of.batch):
        weight = Fraction(math.factorial(of.batch))
        for times in Counter(chosen).values():
            weight /= math.factorial(times)
        weight *= math.prod(of.points[k][0] for k in chosen)
        drawn.append((weight, Matrix(tuple(of.points[k][1] for k in chosen))))
    return drawn


def expected(of: Law, f: Callable[[Matrix], Number]) -> Number:
    """E f(X), for an f that does not see the order of the rows."""
    return sum((p * f(x) for p, x in batches(of)), Fraction(0))


def ratio_or_zero(x: Matrix) -> Number:
    """R, and 0 for a batch of zeros."""
    return ratio(x) if any(map(any, x.rows)) else Fraction(0)


def moment(of: Law, j: int, k: int) -> Fraction:
    """E x_j^k of an entry of column j (from 0)."""
    return sum((p * row[j] ** k for p, row in of.points), Fraction(0))


def variance(of: Law, j: int) -> Fraction:
    """v_j."""
    return moment(of, j, 2) - moment(of, j, 1) ** 2


def sum_moment(of: Law, j: int, k: int) -> Fraction:
    """E s_j^k, over all batches."""
    return Fraction(expected(of, lambda x: sums(x)[j] ** k))


def sum_variance(of: Law, j: int) -> Fraction:
    """Var(s_j)."""
    return sum_moment(of, j, 2) - sum_moment(of, j, 1) ** 2


def theta(of: Law) -> Number:
    """θ = Σ_{i≥2} E s_i² / (E s_1)², the paper's degree of dominance: less is more."""
    rest = sum((sum_moment(of, i, 2) for i in range(1, width(of))), Fraction(0))
    return quotient(rest, sum_moment(of, 0, 1) ** 2)


def score(of: Law) -> Number:
    """u_1, by absolute values."""
    means = [sum(p * abs(row[j]) for p, row in of.points) for j in range(width(of))]
    return quotient(means[0] * len(means), sum(means))


def rms(of: Law, j: int) -> float:
    """q_j = √(E x_j²)."""
    return math.sqrt(moment(of, j, 2))


def rest_rms(of: Law) -> float:
    """min( Σ_{j≥2} q_j, √((n-1) Σ_{j≥2} q_j²) )."""
    others = range(1, width(of))
    energy = sum(moment(of, j, 2) for j in others)
    return min(sum(rms(of, j) for j in others), math.sqrt((law_limit(of) - 1) * energy))


def times_first(of: Law, factor: Fraction) -> Law:
    """The law with neuron 1 multiplied."""
    return Law(tuple((p, (factor * r[0], *r[1:])) for p, r in of.points), of.batch)


DELTAS = tuple(Fraction(k, 100) for k in (1, 10, 25, 50, 75, 90))
SHAPES = ((1, 1), (2, 1), (1, 2), (2, 2), (3, 2), (2, 3), (3, 3))
KINDS = ("non-negative", "general", "live", "sparse", "repeated", "rank one", "diagonal")


def _entry(kind: str, table: list[list[int]], i: int, j: int) -> int:
    e = table[i][j]
    return {
        "non-negative": abs(e),
        "general": e,
        "live": abs(e) + 1,
        "sparse": max(e, 0),
        "repeated": table[0][j],
        "rank one": table[i][0] * table[0][j],
        "diagonal": e if i == j else 0,
    }[kind]


def integer_table(height: int, size: int) -> SearchStrategy[list[list[int]]]:
    """Small integers in general position or in one of the degenerate ones."""

    def shape(drawn: tuple[str, list[int]]) -> list[list[int]]:
        kind, e = drawn
        table = [e[i * size : (i + 1) * size] for i in range(height)]
        return [[_entry(kind, table, i, j) for j in range(size)] for i in range(height)]

    numbers = st.lists(st.integers(-3, 3), min_size=height * size, max_size=height * size)
    return st.tuples(st.sampled_from(KINDS), numbers).map(shape)


def matrices(size: tuple[int, int]) -> SearchStrategy[Matrix]:
    return integer_table(*size).map(lambda table: matrix(*map(tuple, table)))


def cuts(size: tuple[int, int]) -> SearchStrategy[Cut]:
    return st.builds(Cut, matrices(size), st.sampled_from(DELTAS))


def laws(size: tuple[int, int]) -> SearchStrategy[Law]:
    """Up to three points, in units from 1/8 to 2."""
    batch, neurons = size

    def build(table: list[list[int]], weights: list[int], unit: Fraction) -> Law:
        points = zip(weights, table, strict=True)
        whole = sum(weights)
        return law(
            batch, *((Fraction(w, whole), tuple(unit * e for e in row)) for w, row in points)
        )

    def of(points: int) -> SearchStrategy[Law]:
        weights = st.lists(st.integers(1, 3), min_size=points, max_size=points)
        units = st.sampled_from([Fraction(u) for u in (1, "1/2", "1/8", 2)])
        return st.builds(build, integer_table(points, neurons), weights, units)

    return st.one_of(of(2), of(1), of(3))


def ordered_laws(size: tuple[int, int]) -> SearchStrategy[Law]:
    """Laws whose first neuron has the largest mean."""

    def order(of: Law) -> Law:
        js = sorted(range(width(of)), key=lambda j: -moment(of, j, 1))
        return Law(tuple((p, tuple(row[j] for j in js)) for p, row in of.points), of.batch)

    return laws(size).map(order)


def law_cuts(size: tuple[int, int]) -> SearchStrategy[LawCut]:
    return st.builds(LawCut, laws(size), st.sampled_from(DELTAS))


def scaled_laws(size: tuple[int, int]) -> SearchStrategy[Scaled]:
    factors = st.sampled_from([Fraction(f) for f in (2, "3/2", 10, "1/2", 0, -1)])
    return st.builds(Scaled, ordered_laws(size), factors)


def matrix_not_zero(x: Matrix) -> bool:
    return any(map(any, x.rows))


def cut_not_zero(i: Cut) -> bool:
    return matrix_not_zero(i.x)


def matrix_non_negative(x: Matrix) -> bool:
    return all(e >= 0 for row in x.rows for e in row)


def some_sum_not_zero(x: Matrix) -> bool:
    return any(sums(x))


def first_dominant(x: Matrix) -> bool:
    """Definition 1 on the batch, as ref.scores has it."""
    return bool(scores.dominant(np.array(x.rows))[0])


def law_non_negative(of: Law) -> bool:
    return all(e >= 0 for _, row in of.points for e in row)


def never_zero(of: Law) -> bool:
    return all(any(row) for _, row in of.points)


def first_largest(of: Law) -> bool:
    means = [moment(of, j, 1) for j in range(width(of))]
    return means[0] > 0 and means[0] == max(means)


def mean_not_zero(of: Law) -> bool:
    return moment(of, 0, 1) != 0


def first_not_zero(of: Law) -> bool:
    return moment(of, 0, 2) != 0


def factor_at_least_one(i: Scaled) -> bool:
    return i.factor >= 1


X_NOT_ZERO = Assumption("X ≠ 0", "X ≠ 0", matrix_not_zero, said=False)
NON_NEGATIVE = Assumption("non-negative", "x_ij ≥ 0 for all i, j", matrix_non_negative, said=False)
LAW_NON_NEGATIVE = Assumption("non-negative", "x_j ≥ 0 almost surely", law_non_negative, said=False)
NEVER_ZERO = Assumption("no zero row", "X ≠ 0 almost surely", never_zero, said=False)
FIRST_LARGEST = Assumption("1 is largest", "E s_1 > 0, E s_1 ≥ E s_j for all j", first_largest)
MEAN_NOT_ZERO = Assumption("μ_1 ≠ 0", "E x_1 ≠ 0", mean_not_zero, said=False)
FIRST_NOT_ZERO = Assumption("q_1 ≠ 0", "x_1 is not 0 almost surely", first_not_zero, said=False)


def number(x: Any) -> str:
    if isinstance(x, float):
        return "undefined" if math.isnan(x) else f"≈ {x:.6g}"
    return f"= {x}"


def ratio_in_words(x: Matrix) -> str:
    """R, and how it comes about."""
    gram = small_gram(x)
    if not matrix_not_zero(x):
        return "X = 0: R undefined"
    if rank(x) == 1:
        return "rank 1, R = 1"
    if diagonal(gram):
        norms = ", ".join(f"√({row[i]})" for i, row in enumerate(gram))
        return f"orthogonal, σ_i are the norms {norms}, R {number(ratio(x))}"
    if len(gram) == 2:
        (a, b), (_, d) = gram
        trace, det = a + d, a * d - b * b
        return (
            f"σ_1² + σ_2² = {trace}, (σ_1 σ_2)² = {det}, "
            f"R = (1 + √(({trace})² - 4·{det}) / ({trace} + 2√{det})) / 2 {number(ratio(x))}"
        )
    return f"σ_i/Σσ: {', '.join(f'{float(p):.6g}' for p in shares(x))}, R {number(ratio(x))}"


def matrix_lines(sides: tuple[tuple[str, Callable[[Any], Any]], ...], i: Any) -> list[str]:
    x = i if isinstance(i, Matrix) else i.x
    return [
        f"{i}",
        f"s = {vector(sums(x))}, c² = {vector(energies(x))}, n = {rank_limit(x)}",
        ratio_in_words(x),
        *(f"{name} {number(side(i))}" for name, side in sides),
    ]


def law_lines(sides: tuple[tuple[str, Callable[[Any], Any]], ...], of: Law) -> list[str]:
    lines = [f"{of}"]
    for p, x in batches(of):
        rows = ", ".join(map(vector, x.rows))
        lines.append(f"rows {rows} w.p. {p}: s = {vector(sums(x))}; {ratio_in_words(x)}")
    for j in range(width(of)):
        mean, square = sum_moment(of, j, 1), sum_moment(of, j, 2)
        lines.append(
            f"E s_{j + 1} = {mean}, E s_{j + 1}² = {square}, "
            f"Var(s_{j + 1}) = {square} - ({mean})² = {sum_variance(of, j)}"
        )
    return lines + [f"{name} {number(side(of))}" for name, side in sides]


def matrix_steps(*sides: tuple[str, Callable[[Any], Any]]) -> Callable[[Any], list[str]]:
    """Steps that print the batch, its sums and singular values, then the named sides."""
    return partial(matrix_lines, sides)


def law_steps(*sides: tuple[str, Callable[[Any], Any]]) -> Callable[[Any], list[str]]:
    """Steps that print every batch of the law and the moments, then the named sides."""
    return partial(law_lines, sides)


def mean_ratio(of: Law) -> Number:
    """E R, with R = 0 for a batch of zeros."""
    return expected(of, ratio_or_zero)


FACTORS = tuple(2 ** (k / 2) for k in range(-4, 21))
BASE_MATRIX = matrix((2, 1, 0), (1, 0, 2), (2, 1, 1), (3, 2, 1))
BASE_LAW = law(3, ("1/3", (2, 1, 0)), ("1/3", (1, 0, 2)), ("1/3", (2, 1, 1)))


def matrix_curve(bounds: dict[str, Callable[[Matrix], Number]]) -> Curve:
    """Over the share of neuron 1 while its column is multiplied."""
    grown = [Matrix(tuple((Fraction(f) * r[0], *r[1:]) for r in BASE_MATRIX.rows)) for f in FACTORS]
    lines = {"R": ratio} | bounds
    values = [float(sums(x)[0] / sum(sums(x))) for x in grown]
    return Curve(
        "u_1 / N", values, {k: [float(f(x)) for x in grown] for k, f in lines.items()}, "R"
    )


def law_curve(bounds: dict[str, Callable[[Law], Number]]) -> Curve:
    """Over the share of neuron 1 while it is multiplied."""
    grown = [times_first(BASE_LAW, Fraction(f)) for f in FACTORS]
    lines = {"E R": mean_ratio} | bounds
    values = [float(score(of) / width(of)) for of in grown]
    return Curve(
        "u_1 / N", values, {k: [float(f(of)) for of in grown] for k, f in lines.items()}, "E R"
    )


PAPER = "Neuron Dominance"
ZERO = matrix((0,))
EYE = matrix((1, 0), (0, 1))
CROSS = matrix((1, 1), (1, -1))
ONES = matrix((1, 1), (1, 1))
CENTRED = law(1, ("1/2", (1,)), ("1/2", (-1,)))
DEAD = law(1, (1, (0,)))


def srank_is_one(i: Cut) -> bool:
    return bool(srank(i.x, i.delta) == 1)


def certain(outcomes: Any, delta: Fraction) -> Fraction:
    """Pr(R ≥ 1 - δ): that srank is 1."""
    return sum((p for p, x in outcomes if ratio_or_zero(x) >= 1 - delta), Fraction(0))


def reaches_root(value: Number, square: Number) -> bool:
    """value ≥ √square, without rounding where the value is rational."""
    if isinstance(value, Fraction):
        return bool(value**2 >= square)
    return bool(value >= math.sqrt(square) - ERROR)


def square_sum(x: Matrix) -> Fraction:
    """Σ s_i²."""
    return sum((s**2 for s in sums(x)), Fraction(0))


def line_10_square(x: Matrix) -> Number:
    """Σ s_i² / (nB Σ x_ij²), the square of the right-hand side of (10)."""
    return quotient(square_sum(x), rank_limit(x) * len(x.rows) * sum(energies(x)))


def variation_square(x: Matrix) -> Number:
    """CV² = Σ_j var_j / Σ_j mean_j², over the batch."""
    b = len(x.rows)
    means = [s / b for s in sums(x)]
    variances = [e / b - m**2 for e, m in zip(energies(x), means, strict=True)]
    return quotient(sum(variances), sum(m**2 for m in means))


def line_10_right(x: Matrix) -> Number:
    return root(line_10_square(x))


def variation_curve() -> Curve:
    return matrix_curve({"with CV": variation_bound, "eq. (10)": line_10_right})


def variation_bound(x: Matrix) -> float:
    return 1 / (1 + math.sqrt((rank_limit(x) - 1) * variation_square(x)))


def kurtosis(of: Law) -> Number:
    """κ_4 = E x_1⁴ / (E x_1²)²."""
    return quotient(moment(of, 0, 4), moment(of, 0, 2) ** 2)


def e1k_bound(of: Law) -> Number:
    root_mean = rms(of, 0) / math.sqrt(1 + (kurtosis(of) - 1) / of.batch)
    level: Number = max(float(abs(moment(of, 0, 1))), root_mean) if first_not_zero(of) else math.nan
    return quotient(level**3, moment(of, 0, 2) * (level + rest_rms(of)))
