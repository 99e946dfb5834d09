"""Does a dominant neuron lower the rank? srank, Theorem 2, its proof line by line, and repairs.

Neuron Dominance, section 3.3 and A.2. X is a batch of features, B rows (samples) by N columns
(neurons), n = min(B, N), σ_1 ≥ σ_2 ≥ ... its singular values, R = σ_1 / Σ σ_i, s_j the sum of
column j and c_j its norm. A law is that of the i.i.d. rows of X: finite, so E is a finite sum.
μ_j, v_j: mean and variance of an entry of column j, q_j = √(μ_j² + v_j).

What comes out: Theorem 2 is false. Of its proof lines (13), (14), (15) and (17) are false, (11) and
(16) need more than is said, and what it starts from, eq. (10), is never above 1/√n and does not
compare neurons at all. Dominance as Definition 1 has
it, by means, does not force a low rank. Dominance by root mean squares does: R is at least the
RMS share of the largest neuron, and that survives in expectation.

Undefined is NaN, and of NaN no conclusion holds. Numbers are exact (Fractions) wherever they are
rational; see `shares`.
"""

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
from ref.checks import Array
from theory.claim import Assumption, Claim, Curve, vector

# What `python -m theory show` says of the letters.
LETTERS = """\
X is a batch of features, a row for each of B samples and a column for each of N neurons.
s_j is the sum of column j, c_j its norm (root of the sum of squares), n the smaller of B and N.
σ_1 ≥ σ_2 ≥ .. are the singular values of X, R = σ_1 / (σ_1 + σ_2 + ..): 1 iff X has rank 1.
srank (also 'srnk' in the paper) is the least k with σ_1 + .. + σ_k ≥ (1 - δ) (σ_1 + σ_2 + ..).
i.i.d. rows: each drawn anew, with the given probabilities; E, Var: mean, variance over draws.
Of an entry of column j: mean μ_j, variance v_j, q_j = √(μ_j² + v_j). w.p.: with probability.
"""

Number = Any  # a Fraction; a float where a root is irrational
Row = tuple[Fraction, ...]

# Float error of every slack below. LAPACK's singular values are within 40 eps ||X|| for up to 4
# columns, so those of R and of σ_1 with entries up to 16 are within 64 * 40 eps = 6e-13; what is
# added and compared after that are a few correctly rounded operations on numbers below 2.
ERROR = 1e-12

# ----------------------------------------------------------------------------- instances


@dataclass(frozen=True)
class Matrix:
    """A batch of features: B rows of N entries."""

    rows: tuple[Row, ...]

    def __str__(self) -> str:
        return f"X with rows {', '.join(map(vector, self.rows))}"


@dataclass(frozen=True)
class Cut:
    """A batch, the δ of srank, and a factor for the whole batch."""

    x: Matrix
    delta: Fraction
    scale: Fraction = Fraction(1)

    def __str__(self) -> str:
        return f"{self.x}, δ = {self.delta}" + (f", c = {self.scale}" if self.scale != 1 else "")


@dataclass(frozen=True)
class Directed:
    """A batch and a direction v (N,), of any length."""

    x: Matrix
    v: Row

    def __str__(self) -> str:
        return f"{self.x}, v = {vector(self.v)}"


@dataclass(frozen=True)
class Spikes:
    """Column 1 is 1 everywhere; each other one is one spike of height εB/(N-1), on its own row."""

    eps: Fraction
    width: int
    batch: int

    def __str__(self) -> str:
        return f"ε = {self.eps}, N = {self.width}, B = {self.batch}"


@dataclass(frozen=True)
class Law:
    """B i.i.d. rows, each one of finitely many points: ((probability, row), ...)."""

    points: tuple[tuple[Fraction, Row], ...]
    batch: int

    def __str__(self) -> str:
        points = ", ".join(f"{vector(row)} w.p. {p}" for p, row in self.points)
        return f"B = {self.batch} i.i.d. rows: {points}"


@dataclass(frozen=True)
class LawCut:
    """A law and the δ of srank."""

    law: Law
    delta: Fraction

    def __str__(self) -> str:
        return f"{self.law}; δ = {self.delta}"


@dataclass(frozen=True)
class Scaled:
    """A law and a factor, for all its neurons or for the first; the claim says which."""

    law: Law
    factor: Fraction

    def __str__(self) -> str:
        return f"{self.law}; factor {self.factor}"


@dataclass(frozen=True)
class TwoLaws:
    """Two laws and one δ."""

    first: Law
    second: Law
    delta: Fraction

    def __str__(self) -> str:
        return f"A: {self.first}; B: {self.second}; δ = {self.delta}"


@dataclass(frozen=True)
class Lottery:
    """A random batch of any kind: ((probability, X), ...), and the δ of srank."""

    outcomes: tuple[tuple[Fraction, Matrix], ...]
    delta: Fraction

    def __str__(self) -> str:
        outcomes = "; ".join(f"{x} w.p. {p}" for p, x in self.outcomes)
        return f"{outcomes}; δ = {self.delta}"


def matrix(*rows: tuple[Any, ...]) -> Matrix:
    """A Matrix of rows of whatever Fraction reads."""
    return Matrix(tuple(tuple(map(Fraction, row)) for row in rows))


def law(batch: int, *points: tuple[Any, tuple[Any, ...]]) -> Law:
    """A Law of (probability, row) of whatever Fraction reads."""
    return Law(tuple((Fraction(p), tuple(map(Fraction, row))) for p, row in points), batch)


# ----------------------------------------------------------- definitions: one batch of features


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


def decided(x: Matrix, delta: Fraction) -> bool:
    """Whether floats can tell that partial sums of singular values are not at 1 - δ."""
    p = shares(x)
    ties = (abs(sum(p[: k + 1]) - (1 - delta)) <= ERROR for k in range(len(p)))
    return not any(isinstance(share, float) for share in p) or not any(ties)


# ----------------------------------------------------------------- definitions: laws of features


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


def times_all(of: Law, factor: Fraction) -> Law:
    """The law with every neuron multiplied."""
    return Law(tuple((p, tuple(factor * e for e in r)) for p, r in of.points), of.batch)


# ------------------------------------------------------------------------------- strategies

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


def _table(height: int, size: int) -> SearchStrategy[list[list[int]]]:
    """Small integers in general position or in one of the degenerate ones."""

    def shape(drawn: tuple[str, list[int]]) -> list[list[int]]:
        kind, e = drawn
        table = [e[i * size : (i + 1) * size] for i in range(height)]
        return [[_entry(kind, table, i, j) for j in range(size)] for i in range(height)]

    numbers = st.lists(st.integers(-3, 3), min_size=height * size, max_size=height * size)
    return st.tuples(st.sampled_from(KINDS), numbers).map(shape)


def matrices(size: tuple[int, int]) -> SearchStrategy[Matrix]:
    return _table(*size).map(lambda table: matrix(*map(tuple, table)))


def small_matrices(size: tuple[int, int]) -> SearchStrategy[Matrix]:
    """Entries 0, 1, 2, and as many zeros as not."""
    entry = st.sampled_from([0, 0, 1, 2])
    row = st.tuples(*[entry] * size[1])
    rows = st.tuples(*[row] * size[0])
    return st.one_of(rows.map(lambda drawn: matrix(*drawn)), matrices(size))


def cuts(size: tuple[int, int]) -> SearchStrategy[Cut]:
    return st.builds(Cut, matrices(size), st.sampled_from(DELTAS))


def scaled_cuts(size: tuple[int, int]) -> SearchStrategy[Cut]:
    # powers of two, by which floats are multiplied exactly
    powers = st.sampled_from([Fraction(f) for f in (2, -1, "1/1024", 2**20, 0)])
    return st.builds(Cut, matrices(size), st.sampled_from(DELTAS), powers)


def directed(size: tuple[int, int]) -> SearchStrategy[Directed]:
    v = _table(1, size[1]).map(lambda table: tuple(map(Fraction, table[0])))
    return st.builds(Directed, matrices(size), v)


def spikes(size: int) -> SearchStrategy[Spikes]:
    return st.builds(
        Spikes,
        st.integers(1, 40).map(lambda k: Fraction(k, 20)),
        st.just(size),
        st.sampled_from([size, 10, 10**3, 10**6]),
    )


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
        return st.builds(build, _table(points, neurons), weights, units)

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


def two_laws(size: tuple[int, int]) -> SearchStrategy[TwoLaws]:
    return st.builds(TwoLaws, ordered_laws(size), ordered_laws(size), st.sampled_from(DELTAS))


def lotteries(size: tuple[int, int]) -> SearchStrategy[Lottery]:
    def build(xs: list[Matrix], delta: Fraction) -> Lottery:
        return Lottery(tuple((Fraction(1, len(xs)), x) for x in xs), delta)

    listed = st.lists(matrices(size), min_size=1, max_size=3)
    independent = st.builds(lambda c: Lottery(tuple(batches(c.law)), c.delta), law_cuts(size))
    return st.one_of(st.builds(build, listed, st.sampled_from(DELTAS)), independent)


MATRIX: dict[str, Any] = {"instances": matrices, "sizes": SHAPES}
LAW: dict[str, Any] = {"instances": laws, "sizes": SHAPES}
ORDERED: dict[str, Any] = {"instances": ordered_laws, "sizes": SHAPES}

# ------------------------------------------------------------------------------ assumptions


def matrix_not_zero(x: Matrix) -> bool:
    return any(map(any, x.rows))


def cut_not_zero(i: Cut) -> bool:
    return matrix_not_zero(i.x)


def cut_zero(i: Cut) -> bool:
    return not matrix_not_zero(i.x)


def scale_not_zero(i: Cut) -> bool:
    return i.scale != 0


def directed_not_zero(i: Directed) -> bool:
    return matrix_not_zero(i.x)


def direction_not_zero(i: Directed) -> bool:
    return any(i.v)


def lottery_not_zero(i: Lottery) -> bool:
    return all(matrix_not_zero(x) for _, x in i.outcomes)


def matrix_non_negative(x: Matrix) -> bool:
    return all(e >= 0 for row in x.rows for e in row)


def some_sum_not_zero(x: Matrix) -> bool:
    return any(sums(x))


def rms_dominant(i: Cut) -> bool:
    norms = [root(e) for e in energies(i.x)]
    return bool((1 - i.delta) * sum(norms[1:]) <= i.delta * norms[0])


def first_dominant(x: Matrix) -> bool:
    """Definition 1 on the batch, as ref.scores has it."""
    return bool(scores.dominant(np.array(x.rows))[0])


def line_11_not_zero(x: Matrix) -> bool:
    return line_11_bottom(x) != 0


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


def some_mean_not_zero(of: Law) -> bool:
    return any(moment(of, j, 1) for j in range(width(of)))


def several(of: Law) -> bool:
    return law_limit(of) >= 2


def unit_small_enough(of: Law) -> bool:
    return sum_moment(of, 0, 1) ** 2 >= 1


def scaled_fine(i: Scaled) -> bool:
    return first_largest(i.law) and never_zero(i.law)


def factor_not_zero(i: Scaled) -> bool:
    return i.factor != 0


def factor_at_least_one(i: Scaled) -> bool:
    return i.factor >= 1


def scaled_mean_not_zero(i: Scaled) -> bool:
    return mean_not_zero(i.law)


def cut_first_not_zero(i: LawCut) -> bool:
    return first_not_zero(i.law)


def ratio_rises(i: TwoLaws) -> bool:
    return bool(expected(i.first, ratio) + ERROR < expected(i.second, ratio))


def dominance_rises(i: TwoLaws) -> bool:
    return bool(score(i.first) < score(i.second))


def both_never_zero(i: TwoLaws) -> bool:
    return never_zero(i.first) and never_zero(i.second)


def both_non_negative(i: TwoLaws) -> bool:
    return law_non_negative(i.first) and law_non_negative(i.second)


X_NOT_ZERO = Assumption("X ≠ 0", "X ≠ 0", matrix_not_zero, said=False)
NON_NEGATIVE = Assumption("non-negative", "x_ij ≥ 0 for all i, j", matrix_non_negative, said=False)
CUT_NOT_ZERO = Assumption("X ≠ 0", "X ≠ 0", cut_not_zero, said=False)
LAW_NON_NEGATIVE = Assumption("non-negative", "x_j ≥ 0 almost surely", law_non_negative, said=False)
NEVER_ZERO = Assumption("no zero row", "X ≠ 0 almost surely", never_zero, said=False)
FIRST_LARGEST = Assumption("1 is largest", "E s_1 > 0, E s_1 ≥ E s_j for all j", first_largest)
MEAN_NOT_ZERO = Assumption("μ_1 ≠ 0", "E x_1 ≠ 0", mean_not_zero, said=False)
FIRST_NOT_ZERO = Assumption("q_1 ≠ 0", "x_1 is not 0 almost surely", first_not_zero, said=False)
SOME_MEAN = Assumption("μ ≠ 0", "some μ_j ≠ 0", some_mean_not_zero, said=False)
SEVERAL = Assumption("n ≥ 2", "B ≥ 2 and N ≥ 2", several, said=False)

# ----------------------------------------------------------- redoing it by hand; what plot draws


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


def _matrix_steps(sides: tuple[tuple[str, Callable[[Any], Any]], ...], i: Any) -> list[str]:
    x = i if isinstance(i, Matrix) else i.x
    return [
        f"{i}",
        f"s = {vector(sums(x))}, c² = {vector(energies(x))}, n = {rank_limit(x)}",
        ratio_in_words(x),
        *(f"{name} {number(side(i))}" for name, side in sides),
    ]


def _law_steps(sides: tuple[tuple[str, Callable[[Any], Any]], ...], of: Law) -> list[str]:
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


def by_batch(f: Callable[[Matrix], Any]) -> Callable[[Law], str]:
    """Steps' side that tells f of every batch."""
    return lambda of: ", ".join(f"{f(x)} w.p. {p}" for p, x in batches(of))


def matrix_steps(*sides: tuple[str, Callable[[Any], Any]]) -> Callable[[Any], list[str]]:
    """Steps that print the batch, its sums and singular values, then the named sides."""
    return partial(_matrix_steps, sides)


def law_steps(*sides: tuple[str, Callable[[Any], Any]]) -> Callable[[Any], list[str]]:
    """Steps that print every batch of the law and the moments, then the named sides."""
    return partial(_law_steps, sides)


def mean_ratio(of: Law) -> Number:
    """E R, with R = 0 for a batch of zeros."""
    return expected(of, ratio_or_zero)


FACTORS = tuple(2 ** (k / 2) for k in range(-4, 21))
BASE_MATRIX = matrix((2, 1, 0), (1, 0, 2), (2, 1, 1), (3, 2, 1))
BASE_LAW = law(3, ("1/3", (2, 1, 0)), ("1/3", (1, 0, 2)), ("1/3", (2, 1, 1)))


def _matrix_curve(bounds: dict[str, Callable[[Matrix], Number]]) -> Curve:
    """Over the share of neuron 1 while its column is multiplied."""
    grown = [Matrix(tuple((Fraction(f) * r[0], *r[1:]) for r in BASE_MATRIX.rows)) for f in FACTORS]
    lines = {"R": ratio} | bounds
    values = [float(sums(x)[0] / sum(sums(x))) for x in grown]
    return Curve(
        "u_1 / N", values, {k: [float(f(x)) for x in grown] for k, f in lines.items()}, "R"
    )


def _law_curve(bounds: dict[str, Callable[[Law], Number]]) -> Curve:
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
TWO_VALUES = law(2, ("1/2", (0,)), ("1/2", (1,)))
BERNOULLI = law(1, ("1/2", (1, 0)), ("1/2", (0, 0)))
CENTRED = law(1, ("1/2", (1,)), ("1/2", (-1,)))
DEAD = law(1, (1, (0,)))
THEOREM_2 = law(2, ("2/3", ("1/2", 0)), ("1/3", (0, "1/2")))
MORE_OF_THEOREM_2 = (  # further violations: three samples; one neuron that is constant
    law(3, ("1/2", ("1/10", 0)), ("1/2", ("1/10", "1/10"))),
    law(3, ("1/3", ("1/1000", 0)), ("1/3", (0, "1/1000")), ("1/3", ("1/1000", "1/1000"))),
)


# --------------------------------------------------------------------------- srank, eq. (3)


def srank_one_strictly(i: Cut) -> bool:
    return bool((srank(i.x, i.delta) == 1) == (ratio(i.x) > 1 - i.delta))


def srank_one(i: Cut) -> bool:
    """Floats cannot tell at a tie of irrational singular values: that is not counted against."""
    if not decided(i.x, i.delta):
        return True
    r = ratio(i.x)
    return not math.isnan(r) and (srank(i.x, i.delta) == 1) == (r >= 1 - i.delta)


def srank_is_one(i: Cut) -> bool:
    return bool(srank(i.x, i.delta) == 1)


def srank_keeps(i: Cut) -> bool:
    x, delta = array(i.x), float(i.delta)
    return scores.srank(float(i.scale) * x, delta) == scores.srank(x, delta)


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
    return bool(by_share_slack(i) >= 0)


def two_columns_slack(x: Matrix) -> Number:
    norms = sorted((root(e) for e in energies(x)), reverse=True)
    return sum(shares(x)[:2]) - quotient(sum(norms[:2]), sum(norms))


def two_columns(x: Matrix) -> bool:
    return bool(two_columns_slack(x) >= -ERROR)


def few_columns_slack(i: Cut) -> Number:
    """k - srank for the least k for which all columns but the k longest are within δ ||X||_F."""
    norms = sorted((root(e) for e in energies(i.x)), reverse=True)
    frobenius = root(sum(energies(i.x)))
    k = next(k for k in range(len(norms) + 1) if sum(norms[k:]) <= i.delta * frobenius)
    return k - srank(i.x, i.delta)


def few_columns(i: Cut) -> bool:
    return bool(few_columns_slack(i) >= 0)


def column_reading(x: Matrix) -> bool:
    s = sums(x)
    return (s[0] >= sum(s[1:])) == first_dominant(x)


def column_strictly(x: Matrix) -> bool:
    s = sums(x)
    return (s[0] > sum(s[1:])) == first_dominant(x)


def certain(outcomes: Any, delta: Fraction) -> Fraction:
    """Pr(R ≥ 1 - δ): that srank is 1."""
    return sum((p for p, x in outcomes if ratio_or_zero(x) >= 1 - delta), Fraction(0))


def probability_rises(i: TwoLaws) -> bool:
    first, second = (
        sum(p for p, x in batches(of) if ratio(x) > 1 - i.delta) for of in (i.first, i.second)
    )
    return first <= second


def at_least_slack(i: Lottery) -> Number:
    mean = sum(p * ratio_or_zero(x) for p, x in i.outcomes)
    return (1 - i.delta) + i.delta * certain(i.outcomes, i.delta) - mean


def probability_at_least(i: Lottery) -> bool:
    return bool(at_least_slack(i) >= -ERROR)


def at_most_slack(i: Lottery) -> Number:
    low = Fraction(1, rank_limit(i.outcomes[0][1]))
    mean = sum(p * ratio_or_zero(x) for p, x in i.outcomes)
    return mean - low - (1 - i.delta - low) * certain(i.outcomes, i.delta)


def probability_at_most(i: Lottery) -> bool:
    return bool(at_most_slack(i) >= -ERROR)


def two_laws_steps(i: TwoLaws) -> list[str]:
    lines = []
    for name, of in (("A", i.first), ("B", i.second)):
        sides = ((f"u_1 of {name}", score), (f"E R of {name}", mean_ratio))
        above = sum(p for p, x in batches(of) if ratio(x) > 1 - i.delta)
        lines += [*_law_steps(sides, of), f"Pr(R > 1 - δ) of {name} = {above}"]
    return lines


SRANK = (
    Claim(
        id="rank.srank-one-strict",
        source=f"{PAPER}, section 3.3",
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
        steps=matrix_steps(
            ("1 - δ", lambda i: 1 - i.delta), ("srank", lambda i: srank(i.x, i.delta))
        ),
    ),
    Claim(
        id="rank.srank-one",
        source="repairs rank.srank-one-strict",
        title="srank is 1 exactly when R reaches 1 - δ",
        statement="X ≠ 0  ⇒  ( srank_δ(X) = 1  ⇔  R ≥ 1 - δ )",
        given=(CUT_NOT_ZERO,),
        then=srank_one,
        instances=cuts,
        sizes=SHAPES,
        verdict="holds if",
        needs={"X ≠ 0": Cut(ZERO, Fraction(1, 2))},
        proof="Eq. (3) with k = 1. For X = 0 its quotient is 0/0.",
    ),
    Claim(
        id="rank.collapse-shows",
        source=f"{PAPER}, section 3.3",
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
    ),
    Claim(
        id="rank.srank-scale",
        source="repairs rank.collapse-shows",
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
    ),
    Claim(
        id="rank.srank-by-share",
        source=f"{PAPER}, eq. (3): what R says of srank above 1",
        title="The largest share of the singular values bounds srank",
        statement="r = rank X > 1  ⇒  srank_δ(X) ≤ 1 + ⌈(r-1) [1 - R - δ]₊ / (1 - R)⌉\n"
        "hence srank_δ(X) ≤ ⌈(1-δ) r⌉",
        given=(CUT_NOT_ZERO,),
        then=by_share,
        instances=cuts,
        sizes=SHAPES,
        verdict="holds if",
        needs={"X ≠ 0": Cut(ZERO, Fraction(1, 2))},
        proof="Beside σ_1 there are r-1 shares that sum to 1 - R; the j largest of them sum to "
        "at least j (1-R)/(r-1), which reaches 1 - R - δ as soon as j ≥ (r-1)(1-R-δ)/(1-R). The "
        "right side falls in R, and R ≥ 1/r gives the second line. For r = 1, srank = 1.",
        slack=by_share_slack,
        tight_at=Cut(EYE, Fraction(1, 4)),
    ),
    Claim(
        id="rank.column-reading",
        source=f"{PAPER}, section 3.3",
        title="Neuron 1 dominates exactly if its column sum reaches the rest",
        statement="X ≥ 0  ⇒  ( s_1 ≥ Σ_{j≥2} s_j  ⇔  neuron 1 is dominant on the batch )",
        given=(NON_NEGATIVE,),
        then=column_reading,
        **MATRIX,
        verdict="refuted",
        counterexample=ZERO,
        breaks="Definition 1 has >; at equality, (1, 1) say, and in a dead layer, nothing "
        "dominates.",
        repaired_by=("rank.column-strictly",),
        steps=matrix_steps(
            ("s_1 ≥ Σ_{j≥2} s_j", lambda x: 2 * sums(x)[0] >= sum(sums(x))),
            ("neuron 1 dominant", first_dominant),
        ),
    ),
    Claim(
        id="rank.column-strictly",
        source="repairs rank.column-reading",
        title="Neuron 1 dominates exactly if its column sum exceeds the rest",
        statement="X ≥ 0  ⇒  ( s_1 > Σ_{j≥2} s_j  ⇔  neuron 1 is dominant on the batch )",
        given=(NON_NEGATIVE,),
        then=column_strictly,
        **MATRIX,
        verdict="holds if",
        needs={"non-negative": matrix((-1,))},
        proof="Then s_j = Σ_i |x_ij|, and Definition 1 is the display divided by B.",
    ),
    Claim(
        id="rank.probability-rises",
        source=f"{PAPER}, section 3.3",
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
    ),
    Claim(
        id="rank.probability-at-least",
        source="repairs rank.probability-rises",
        title="E R near 1 makes srank 1 likely",
        statement="Pr(srank_δ = 1) ≥ (E R - (1-δ)) / δ     (X = 0 counted as R = 0)",
        given=(),
        then=probability_at_least,
        instances=lotteries,
        sizes=SHAPES,
        verdict="holds",
        proof="R ≤ 1 where R ≥ 1-δ and R ≤ 1-δ elsewhere: E R ≤ Pr + (1-δ)(1 - Pr). It says "
        "nothing unless E R > 1 - δ.",
        slack=at_least_slack,
        error=ERROR,
        tight_at=Lottery(((Fraction(1), ONES),), Fraction(1, 4)),
        remark="No better bound: R in {1-δ-ε, 1} approaches it as ε falls to 0.",
    ),
    Claim(
        id="rank.probability-at-most",
        source="repairs rank.probability-rises",
        title="E R near 1/n makes srank 1 unlikely",
        statement="X ≠ 0  ⇒  E R ≥ 1/n + (1 - δ - 1/n) Pr(srank_δ = 1)\n"
        "hence, if δ < 1 - 1/n:  Pr(srank_δ = 1) ≤ (E R - 1/n) / (1 - δ - 1/n)",
        given=(Assumption("X ≠ 0", "X ≠ 0 almost surely", lottery_not_zero, said=False),),
        then=probability_at_most,
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
    ),
)


# ---------------------------------------------------------------------- Theorem 2 as printed


def printed_square(of: Law, var: Fraction) -> Number:
    """The square of the right-hand side of (4), with `var` for its Var(s_i)."""
    b, n = of.batch, law_limit(of)
    return Fraction(1, n * b) + quotient(Fraction(2 * (b - 1), n), b * (1 + var) + theta(of))


def printed_in_words(of: Law, var: Fraction) -> str:
    b, n = of.batch, law_limit(of)
    summed = f"1/({n}·{b}) + 2·{b - 1}/({n}·[{b}·(1 + {var}) + {theta(of)}])"
    return f"{summed} = {printed_square(of, var)}"


def widest_variance(of: Law) -> Fraction:
    """The index i of Var(s_i) is unbound in (4): this reading makes the bound weakest."""
    return max(sum_variance(of, j) for j in range(width(of)))


def reaches_root(value: Number, square: Number) -> bool:
    """value ≥ √square, without rounding where the value is rational."""
    if isinstance(value, Fraction):
        return bool(value**2 >= square)
    return bool(value >= math.sqrt(square) - ERROR)


def theorem_2(of: Law) -> bool:
    return reaches_root(expected(of, ratio), printed_square(of, widest_variance(of)))


def theorem_2_first(of: Law) -> bool:
    """With Var(s_1) for Var(s_i), as in line (15)."""
    return reaches_root(expected(of, ratio), printed_square(of, sum_variance(of, 0)))


def units_do_not_matter(i: Scaled) -> bool:
    scaled = times_all(i.law, i.factor)
    return bool(
        printed_square(scaled, widest_variance(scaled))
        == printed_square(i.law, widest_variance(i.law))
    )


def printed_rises(i: Scaled) -> bool:
    scaled = times_first(i.law, i.factor)
    after = printed_square(scaled, sum_variance(scaled, 0))
    return bool(after >= printed_square(i.law, sum_variance(i.law, 0)))


def eq_10_slack(x: Matrix) -> Fraction:
    """B Σ x_ij² - Σ s_i²."""
    return len(x.rows) * sum(energies(x)) - sum((s**2 for s in sums(x)), Fraction(0))


def eq_10_small(x: Matrix) -> bool:
    return eq_10_slack(x) >= 0


def printed_slack(of: Law) -> Number:
    b, n = of.batch, law_limit(of)
    return Fraction(2 * b - 1, n * b) - printed_square(of, widest_variance(of))


def printed_small(of: Law) -> bool:
    return bool(printed_slack(of) >= 0)


def cauchy_proved(n: int) -> bool:
    """n Σ x_i² ≥ (Σ x_i)², a column of n entries."""
    import z3

    x = z3.Reals(" ".join(f"x{i}" for i in range(n)))
    solver = z3.Solver()
    solver.add(n * z3.Sum([e * e for e in x]) < z3.Sum(x) * z3.Sum(x))
    return bool(solver.check() == z3.unsat)


def printed_bound(of: Law) -> float:
    return math.sqrt(printed_square(of, sum_variance(of, 0)))


def units_steps(i: Scaled) -> list[str]:
    scaled = times_all(i.law, i.factor)
    sides = (
        ("θ", theta),
        ("E R", mean_ratio),
        ("(right of (4))²", lambda of: printed_in_words(of, widest_variance(of))),
    )
    return [*_law_steps(sides, i.law), "all features in other units:", *_law_steps(sides, scaled)]


def rises_steps(i: Scaled) -> list[str]:
    sides = (
        ("u_1", score),
        ("θ", theta),
        ("(right of (4))² with Var(s_1)", lambda of: printed_in_words(of, sum_variance(of, 0))),
    )
    after = times_first(i.law, i.factor)
    return [*_law_steps(sides, i.law), "neuron 1 multiplied:", *_law_steps(sides, after)]


def printed_curve() -> Curve:
    return _law_curve({"(4), with Var(s_1)": printed_bound, "E1k": e1k_bound})


PRINTED = (
    Claim(
        id="rank.theorem-2",
        source=f"{PAPER}, Theorem 2, eq. (4)",
        title="Dominance bounds E R from below",
        statement="i.i.d. rows, E s_1 ≥ E s_j  ⇒  "
        "E R ≥ √( 1/(nB) + 2(B-1) / (n [B(1 + Var(s_i)) + θ]) )\n"
        "θ = Σ_{i≥2} E s_i² / (E s_1)²; of all Var(s_i) the one that makes the bound weakest",
        given=(FIRST_LARGEST, LAW_NON_NEGATIVE, NEVER_ZERO, SEVERAL),
        then=theorem_2,
        instances=ordered_laws,
        sizes=((2, 2), (3, 2), (2, 3)),
        verdict="refuted",
        counterexample=THEOREM_2,
        breaks="Lines (13), (14), (15) and (17); (14) and (17) use Jensen's inequality the "
        "wrong way. Also E R has no unit and the bound has one (rank.theorem-2-units).",
        repaired_by=("rank.e1", "rank.e1k", "rank.e4", "rank.rms-share"),
        steps=law_steps(
            ("θ", theta),
            ("E R", mean_ratio),
            ("(right of (4))²", lambda of: printed_in_words(of, widest_variance(of))),
            ("right of (4)", lambda of: root(printed_square(of, widest_variance(of)))),
        ),
        curve=printed_curve,
    ),
    Claim(
        id="rank.theorem-2-one-neuron",
        source=f"{PAPER}, Theorem 2, eq. (4)",
        title="Theorem 2 for a layer of one neuron",
        statement="N = 1  ⇒  E R = 1 ≥ √( 1/B + 2(B-1) / (B (1 + Var(s_1))) )",
        given=(FIRST_LARGEST, LAW_NON_NEGATIVE, NEVER_ZERO),
        then=theorem_2,
        instances=ordered_laws,
        sizes=((1, 1), (2, 1), (3, 1)),
        verdict="refuted",
        counterexample=law(2, (1, (1,))),
        breaks="R ≤ 1 always; for N = 1, B ≥ 2 the bound exceeds 1 whenever Var(s_1) < 1.",
        repaired_by=("rank.e1",),
        steps=law_steps(
            ("E R", mean_ratio),
            ("(right of (4))²", lambda of: printed_in_words(of, widest_variance(of))),
        ),
    ),
    Claim(
        id="rank.theorem-2-signed",
        source=f"{PAPER}, Theorem 2, eq. (4), Var(s_i) read as Var(s_1)",
        title="Theorem 2 for activations of both signs",
        statement="i.i.d. rows, E s_1 ≥ E s_j  ⇒  E R ≥ right side of (4) with Var(s_1)",
        given=(FIRST_LARGEST, NEVER_ZERO, SEVERAL),
        then=theorem_2_first,
        instances=ordered_laws,
        sizes=((2, 2), (3, 2), (2, 3)),
        verdict="refuted",
        counterexample=law(2, ("1/2", (1, 1)), ("1/2", (1, -1))),
        breaks="Line (11) needs non-negative entries, beside all that breaks for those.",
        repaired_by=("rank.e1",),
        steps=law_steps(
            ("θ", theta),
            ("E R", mean_ratio),
            ("(right of (4))²", lambda of: printed_in_words(of, sum_variance(of, 0))),
        ),
    ),
    Claim(
        id="rank.theorem-2-units",
        source=f"{PAPER}, Theorem 2, eq. (4)",
        title="The bound of Theorem 2 is free of units, as R is",
        statement="the right side of (4) is the same for X and cX, c ≠ 0",
        given=(
            Assumption("fine", "E s_1 > 0 is the largest; X ≠ 0 almost surely", scaled_fine),
            Assumption("c ≠ 0", "c ≠ 0", factor_not_zero),
        ),
        then=units_do_not_matter,
        instances=scaled_laws,
        sizes=((2, 2), (3, 2), (2, 3)),
        verdict="refuted",
        counterexample=Scaled(THEOREM_2, Fraction(2)),
        breaks="Var(s_i) has the unit squared of the features, and it is added to 1. As c → ∞ "
        "the bound falls to 1/√(nB), which is trivial; as c → 0 it rises above the truth.",
        repaired_by=("rank.e1",),
        steps=units_steps,
    ),
    Claim(
        id="rank.bound-rises",
        source=f"{PAPER}, section 3.3, Var(s_i) read as Var(s_1)",
        title="The bound of Theorem 2 rises with dominance",
        statement="neuron 1 multiplied by a ≥ 1 (θ falls)  ⇒  the right side of (4) does not fall",
        given=(
            Assumption("fine", "E s_1 > 0 is the largest; X ≠ 0 almost surely", scaled_fine),
            Assumption("a ≥ 1", "a ≥ 1", factor_at_least_one),
        ),
        then=printed_rises,
        instances=scaled_laws,
        sizes=((2, 2), (3, 2), (2, 3)),
        verdict="refuted",
        counterexample=Scaled(law(2, ("1/2", ("1/2", 1)), ("1/2", ("3/2", 1))), Fraction(2)),
        breaks="Var(s_1) grows by a² and outweighs what θ loses.",
        repaired_by=("rank.e1-rises",),
        steps=rises_steps,
        remark="With Var(s_2) it rises, since only θ changes; with the largest Var(s_i) it falls "
        "here too.",
    ),
    Claim(
        id="rank.eq-10-small",
        source=f"{PAPER}, A.2, eq. (10)",
        title="Eq. (10) never gives more than 1/√n",
        statement="Σ s_i² ≤ B Σ x_ij², that is: right side of (10) ≤ 1/√n\n"
        "so it certifies srank_δ = 1 for no δ < 1 - 1/√n (N = 256 ≤ B: δ < 0.9375)",
        given=(),
        then=eq_10_small,
        **MATRIX,
        verdict="holds",
        proof="Cauchy-Schwarz in each column: s_i² = (Σ_j 1·x_ji)² ≤ B Σ_j x_ji².",
        slack=eq_10_slack,
        tight_at=ONES,
        proved=cauchy_proved,
        proved_at=(1, 2, 3),
    ),
    Claim(
        id="rank.theorem-2-small",
        source=f"{PAPER}, Theorem 2, eq. (4)",
        title="The printed bound never exceeds √((2B-1)/(nB))",
        statement="E s_1 ≠ 0  ⇒  right side of (4) ≤ √((2B-1)/(nB))\n"
        "(N = 256, B = 512: ≤ 0.0884, so it could certify srank_δ = 1 for no δ < 0.91)",
        given=(MEAN_NOT_ZERO,),
        then=printed_small,
        **ORDERED,
        verdict="holds if",
        needs={"μ_1 ≠ 0": CENTRED},
        proof="Var ≥ 0 and θ ≥ 0, so the second term is at most 2(B-1)/(nB).",
        slack=printed_slack,
        tight_at=law(2, (1, (1, 0))),
    ),
)


# ---------------------------------------------------------------------- the proof, line by line


def square_sum(x: Matrix) -> Fraction:
    """Σ s_i²."""
    return sum((s**2 for s in sums(x)), Fraction(0))


def line_9_slack(x: Matrix) -> Number:
    return float(np.linalg.norm(array(x), 2)) - math.sqrt(square_sum(x) / len(x.rows))


def line_9(x: Matrix) -> bool:
    return bool(line_9_slack(x) >= -ERROR)


def line_10_square(x: Matrix) -> Number:
    """Σ s_i² / (nB Σ x_ij²), the square of the right-hand side of (10)."""
    return quotient(square_sum(x), rank_limit(x) * len(x.rows) * sum(energies(x)))


def line_10_slack(x: Matrix) -> Number:
    return ratio(x) - root(line_10_square(x))


def line_10(x: Matrix) -> bool:
    return bool(line_10_slack(x) >= -ERROR)


def line_11_bottom(x: Matrix) -> Fraction:
    """Σ_j x_j1² + Σ_{i≥2} s_i²."""
    return energies(x)[0] + sum((s**2 for s in sums(x)[1:]), Fraction(0))


def line_11_left(x: Matrix) -> Number:
    return quotient(square_sum(x), sum(energies(x)))


def line_11_right(x: Matrix) -> Number:
    return quotient(square_sum(x), line_11_bottom(x))


def line_11_slack(x: Matrix) -> Number:
    return line_11_left(x) - line_11_right(x)


def line_11(x: Matrix) -> bool:
    return bool(line_11_slack(x) >= 0)


def non_negative_proved(n: int) -> bool:
    """Σ x_i² ≤ (Σ x_i)² for n entries, none of them negative: all that line (11) needs."""
    import z3

    x = z3.Reals(" ".join(f"x{i}" for i in range(n)))
    solver = z3.Solver()
    solver.add(*(e >= 0 for e in x), z3.Sum([e * e for e in x]) > z3.Sum(x) * z3.Sum(x))
    return bool(solver.check() == z3.unsat)


def line_12_right(x: Matrix) -> Number:
    top = sum(columns(x)[0]) ** 2 + sum((s**2 for s in sums(x)[1:]), Fraction(0))
    return quotient(top, line_11_bottom(x))


def line_12(x: Matrix) -> bool:
    return bool(line_11_right(x) == line_12_right(x))


def cross_unordered(x: Matrix) -> Fraction:
    """Σ_{i<j} x_i1 x_j1."""
    c = columns(x)[0]
    return sum((c[i] * c[j] for j in range(len(c)) for i in range(j)), Fraction(0))


def line_13_ordered(x: Matrix) -> Number:
    return 1 + quotient(2 * 2 * cross_unordered(x), line_11_bottom(x))


def line_13_unordered(x: Matrix) -> Number:
    return 1 + quotient(2 * cross_unordered(x), line_11_bottom(x))


def line_13(x: Matrix) -> bool:
    return bool(line_12_right(x) == line_13_ordered(x))


def line_13_repaired(x: Matrix) -> bool:
    return bool(line_12_right(x) == line_13_unordered(x))


def second_moment_printed(of: Law) -> Fraction:
    return sum_moment(of, 0, 1) ** 2 + sum_variance(of, 0)


def second_moment_repaired(of: Law) -> Fraction:
    return sum_moment(of, 0, 1) ** 2 / of.batch**2 + sum_variance(of, 0) / of.batch


def second_moment(of: Law) -> bool:
    return moment(of, 0, 2) == second_moment_printed(of)


def second_moment_right(of: Law) -> bool:
    return moment(of, 0, 2) == second_moment_repaired(of)


def line_14_left(of: Law) -> Number:
    """E[U/V] with U = 2 Σ_{i<j} x_i1 x_j1; with ordered pairs both sides double."""
    return expected(of, lambda x: quotient(2 * cross_unordered(x), line_11_bottom(x)))


def line_14_right(of: Law) -> Number:
    return quotient(expected(of, lambda x: 2 * cross_unordered(x)), expected(of, line_11_bottom))


def line_14(of: Law) -> bool:
    return bool(line_14_left(of) >= line_14_right(of))


def line_14_cauchy(of: Law) -> Number:
    """(E √U)² / E V."""
    roots = expected(of, lambda x: root(2 * cross_unordered(x)))
    return quotient(roots**2, expected(of, line_11_bottom))


def line_14_slack(of: Law) -> Number:
    return line_14_left(of) - line_14_cauchy(of)


def line_14_repaired(of: Law) -> bool:
    return bool(line_14_slack(of) >= -ERROR)


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


def line_15_repaired(of: Law) -> bool:
    b, square = of.batch, sum_moment(of, 0, 1) ** 2
    bottom = square / b + sum_variance(of, 0) + other_energy(of)
    return bool(line_14_right(of) == quotient((1 - Fraction(1, b)) * square, bottom))


def line_16_right(of: Law) -> Number:
    """With Var(s_1) for Var(s_i), as in line (15)."""
    b = of.batch
    return quotient(Fraction(2 * b * (b - 1)), b * (1 + sum_variance(of, 0)) + theta(of))


def line_16_slack(of: Law) -> Number:
    return line_15_right(of) - line_16_right(of)


def line_16(of: Law) -> bool:
    return bool(line_16_slack(of) >= 0)


def line_17_left(of: Law) -> Number:
    """E √Y, where √Y is the right-hand side of (10)."""
    return expected(of, lambda x: root(line_10_square(x)))


def line_17_square(of: Law) -> Number:
    return expected(of, line_10_square)


def line_17(of: Law) -> bool:
    return reaches_root(line_17_left(of), line_17_square(of))


# ------------------------------------------------------------------- what eq. (10) measures


def variation_square(x: Matrix) -> Number:
    """CV² = Σ_j var_j / Σ_j mean_j², over the batch."""
    b = len(x.rows)
    means = [s / b for s in sums(x)]
    variances = [e / b - m**2 for e, m in zip(energies(x), means, strict=True)]
    return quotient(sum(variances), sum(m**2 for m in means))


def eq_10_measures(x: Matrix) -> bool:
    """1/κ - 1 = CV², κ = ||s||² / (B ||X||²): n times the square of (10)."""
    return bool(quotient(1, rank_limit(x) * line_10_square(x)) - 1 == variation_square(x))


def share(x: Matrix) -> Number:
    """u_1/N on the batch, of the largest neuron; by absolute values of column sums."""
    s = [abs(e) for e in sums(x)]
    return quotient(max(s), sum(s))


def share_is_a_bound(x: Matrix) -> bool:
    return bool(ratio(x) >= share(x) - ERROR)


def spikes_ratio(i: Spikes) -> float:
    """R: on the spikes X'X is B, M on the border and M² on the diagonal.

    So σ is M, N-2 times, and the two of [[B, M√(N-1)], [M√(N-1), M²]].
    """
    height = i.eps * i.batch / (i.width - 1)
    trace = i.batch + height**2
    det = i.batch * height**2 - (i.width - 1) * height**2
    # σ_1² = (T + √(T² - 4D))/2, and the two singular values sum to √(T + 2√D)
    largest = math.sqrt((trace + math.sqrt(trace**2 - 4 * det)) / 2)
    return largest / float(math.sqrt(trace + 2 * math.sqrt(det)) + (i.width - 2) * height)


def spikes_slack(i: Spikes) -> float:
    return 1 / (i.width - 1) + 1 / (i.eps * math.sqrt(i.batch)) - spikes_ratio(i)


def spikes_have_high_rank(i: Spikes) -> bool:
    return bool(spikes_slack(i) >= -ERROR)


def line_10_right(x: Matrix) -> Number:
    return root(line_10_square(x))


def spikes_curve() -> Curve:
    """Definition 1 with u_1/N = 2/3 at every B."""
    layers = [Spikes(Fraction(1, 2), 5, 4**k) for k in range(2, 13)]
    return Curve(
        "B",
        [layer.batch for layer in layers],
        {
            "R": [spikes_ratio(layer) for layer in layers],
            "1/(N-1) + 1/(ε√B)": [spikes_ratio(i) + spikes_slack(i) for i in layers],
            "u_1/N": [float(1 / (1 + layer.eps)) for layer in layers],
        },
        "R",
    )


def variation_curve() -> Curve:
    return _matrix_curve({"with CV": variation_bound, "eq. (10)": line_10_right})


LINES = (
    Claim(
        id="rank.line-9",
        source=f"{PAPER}, A.2, line (9)",
        title="σ_1 is at least the norm of the column sums, scaled",
        statement="y = (1, ..., 1)/√B: ||yX||² = Σ s_i² / B, so σ_1 ≥ √(Σ s_i² / B)",
        given=(),
        then=line_9,
        **MATRIX,
        verdict="holds",
        proof="(yX)_i = s_i/√B, and σ_1 is the maximum of ||yX|| over unit y.",
        slack=line_9_slack,
        error=ERROR,
        tight_at=ONES,
    ),
    Claim(
        id="rank.line-10",
        source=f"{PAPER}, A.2, line (10)",
        title="R is at least the normalised column sums",
        statement="R ≥ √( Σ s_i² / (nB Σ x_ij²) )",
        given=(X_NOT_ZERO,),
        then=line_10,
        **MATRIX,
        verdict="holds if",
        needs={"X ≠ 0": ZERO},
        proof="(9), and Σ σ_i ≤ √(n Σ σ_i²) = √(n Σ x_ij²) by Cauchy-Schwarz.",
        slack=line_10_slack,
        error=ERROR,
        tight_at=EYE,
        curve=variation_curve,
        remark="Tight at the identity, of full rank: what it gives is small, 1/n there.",
    ),
    Claim(
        id="rank.line-11",
        source=f"{PAPER}, A.2, line (11)",
        title="Squares of columns 2 to N enlarged to squares of sums",
        statement="Σ s_i² / Σ x_ij²  ≥  Σ s_i² / ( Σ_j x_j1² + Σ_{i≥2} s_i² )",
        given=(X_NOT_ZERO, NON_NEGATIVE),
        then=line_11,
        **MATRIX,
        verdict="holds if",
        needs={"X ≠ 0": ZERO, "non-negative": CROSS},
        proof="Σ_j x_ji² ≤ (Σ_j x_ji)² when no product of two entries is negative.",
        slack=line_11_slack,
        tight_at=matrix((1,), (1,)),
        proved=non_negative_proved,
        proved_at=(1, 2, 3),
    ),
    Claim(
        id="rank.line-12",
        source=f"{PAPER}, A.2, line (12)",
        title="The first sum written out",
        statement="Σ_i s_i² / (Σ_j x_j1² + Σ_{i≥2} s_i²) = "
        "((Σ_j x_j1)² + Σ_{i≥2} s_i²) / (Σ_j x_j1² + Σ_{i≥2} s_i²)",
        given=(Assumption("V ≠ 0", "Σ_j x_j1² + Σ_{i≥2} s_i² ≠ 0", line_11_not_zero, said=False),),
        then=line_12,
        **MATRIX,
        verdict="holds if",
        needs={"V ≠ 0": ZERO},
        proof="s_1 = Σ_j x_j1.",
    ),
    Claim(
        id="rank.line-13",
        source=f"{PAPER}, A.2, line (13), i ≠ j over ordered pairs as (15) counts them",
        title="The square of the sum split",
        statement="(12) = 1 + 2 Σ_{i≠j} x_i1 x_j1 / V,  V = Σ_j x_j1² + Σ_{i≥2} s_i²",
        given=(X_NOT_ZERO, NON_NEGATIVE),
        then=line_13,
        **MATRIX,
        verdict="refuted",
        counterexample=matrix((1,), (1,)),
        breaks="(Σ x)² - Σ x² is twice the sum over unordered pairs, once that over ordered ones. "
        "Line (15) has B(B-1) pairs, so it means ordered ones, and keeps the 2.",
        repaired_by=("rank.line-13-unordered",),
        steps=matrix_steps(("(12)", line_12_right), ("(13)", line_13_ordered)),
    ),
    Claim(
        id="rank.line-13-unordered",
        source="repairs rank.line-13",
        title="The square of the sum split over unordered pairs",
        statement="(12) = 1 + 2 Σ_{i<j} x_i1 x_j1 / V",
        given=(Assumption("V ≠ 0", "Σ_j x_j1² + Σ_{i≥2} s_i² ≠ 0", line_11_not_zero, said=False),),
        then=line_13_repaired,
        **MATRIX,
        verdict="holds if",
        needs={"V ≠ 0": ZERO},
        proof="(Σ_j x_j1)² = Σ_j x_j1² + 2 Σ_{i<j} x_i1 x_j1.",
    ),
    Claim(
        id="rank.second-moment",
        source=f"{PAPER}, A.2, before line (14)",
        title="The second moment of an entry by those of a sum",
        statement="E x_ij² = (E s_j)² + Var(s_j)",
        given=(LAW_NON_NEGATIVE,),
        then=second_moment,
        **LAW,
        verdict="refuted",
        counterexample=law(2, (1, (1,))),
        breaks="E x = E s / B and Var(x) = Var(s) / B: the right side has the scale of a sum.",
        repaired_by=("rank.second-moment-scaled",),
        steps=law_steps(
            ("E x²", lambda of: moment(of, 0, 2)), ("(E s)² + Var(s)", second_moment_printed)
        ),
    ),
    Claim(
        id="rank.second-moment-scaled",
        source="repairs rank.second-moment",
        title="The second moment of an entry, on its own scale",
        statement="E x_ij² = (E s_j)²/B² + Var(s_j)/B",
        given=(),
        then=second_moment_right,
        **LAW,
        verdict="holds",
        proof="A sum of B i.i.d. entries has B times the mean and B times the variance.",
    ),
    Claim(
        id="rank.line-14",
        source=f"{PAPER}, A.2, line (14)",
        title="Jensen's inequality for a ratio",
        statement="U = 2 Σ_{i<j} x_i1 x_j1, V = Σ_j x_j1² + Σ_{i≥2} s_i²:  E[U/V] ≥ E U / E V",
        given=(LAW_NON_NEGATIVE, NEVER_ZERO),
        then=line_14,
        **LAW,
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
    ),
    Claim(
        id="rank.line-14-cauchy",
        source="repairs rank.line-14",
        title="Cauchy-Schwarz for a ratio",
        statement="U ≥ 0, V > 0  ⇒  E[U/V] ≥ (E √U)² / E V",
        given=(LAW_NON_NEGATIVE, NEVER_ZERO),
        then=line_14_repaired,
        **LAW,
        verdict="holds if",
        needs={"non-negative": law(2, ("1/2", (1,)), ("1/2", (-1,))), "no zero row": DEAD},
        proof="(E √U)² = (E √(U/V) √V)² ≤ E[U/V] E V. Without the signs √U is undefined; with "
        "a zero row V may be 0.",
        slack=line_14_slack,
        error=ERROR,
        tight_at=law(2, (1, (1, 1))),
    ),
    Claim(
        id="rank.line-15",
        source=f"{PAPER}, A.2, line (15)",
        title="The moments put in",
        statement="2 E[Σ_{i≠j} x_i1 x_j1] / E V  ≥  "
        "2B(B-1)(E s_1)² / ( B((E s_1)² + Var s_1) + Σ_{i≥2} E s_i² )",
        given=(FIRST_LARGEST, LAW_NON_NEGATIVE, NEVER_ZERO),
        then=line_15,
        **ORDERED,
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
    ),
    Claim(
        id="rank.line-15-scaled",
        source="repairs rank.line-15",
        title="The moments put in on one scale",
        statement="2 E[Σ_{i<j} x_i1 x_j1] / E V = "
        "(1 - 1/B)(E s_1)² / ( (E s_1)²/B + Var s_1 + Σ_{i≥2} E s_i² )",
        given=(FIRST_NOT_ZERO,),
        then=line_15_repaired,
        **LAW,
        verdict="holds if",
        needs={"q_1 ≠ 0": DEAD},
        proof="E x_i1 x_j1 = (E s_1)²/B² for each of the B(B-1)/2 pairs, and "
        "B E x_1² = (E s_1)²/B + Var s_1.",
    ),
    Claim(
        id="rank.line-16",
        source=f"{PAPER}, A.2, line (16), Var(s_i) read as Var(s_1)",
        title="Divided by (E s_1)², but for the variance",
        statement="E s_1 ≥ E s_j, E s_1 ≥ 1  ⇒  right side of (15) ≥ "
        "2B(B-1) / (B(1 + Var(s_1)) + θ)",
        given=(
            Assumption("(E s_1)² ≥ 1", "(E s_1)² ≥ 1: a choice of units", unit_small_enough, False),
        ),
        then=line_16,
        **ORDERED,
        verdict="holds if",
        needs={"(E s_1)² ≥ 1": law(2, ("1/2", (0,)), ("1/2", ("1/2",)))},
        proof="(15) is 2B(B-1) / (B(1 + Var(s_1)/(E s_1)²) + θ). The line replaces "
        "Var(s_1)/(E s_1)² by Var(s_1), which is no smaller exactly if (E s_1)² ≥ 1 or "
        "Var(s_1) = 0.",
        slack=line_16_slack,
        tight_at=law(2, (1, (1, 1))),
    ),
    Claim(
        id="rank.line-17",
        source=f"{PAPER}, A.2, line (17)",
        title="The root taken out of the expectation",
        statement="Y = Σ s_i² / (nB Σ x_ij²):  E √Y ≥ √(E Y)",
        given=(LAW_NON_NEGATIVE, NEVER_ZERO),
        then=line_17,
        **LAW,
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
    ),
    Claim(
        id="rank.eq-10-measures",
        source=f"{PAPER}, A.2, eq. (10): what it is",
        title="Eq. (10) measures the layer's variation, not dominance",
        statement="κ = Σ s_i² / (B Σ x_ij²):  1/κ - 1 = CV² := Σ_i var_i / Σ_i mean_i²\n"
        "(mean and variance of column i over the batch), and (10) is R ≥ √(κ/n)",
        given=(Assumption("s ≠ 0", "some column sum ≠ 0", some_sum_not_zero, said=False),),
        then=eq_10_measures,
        **MATRIX,
        verdict="holds if",
        needs={"s ≠ 0": ZERO},
        proof="Σ x_ij² = B Σ_i (var_i + mean_i²) and Σ s_i² = B² Σ mean_i².",
        remark="Nothing in it compares neurons: constant ones have κ = 1, equal or not.",
    ),
)


# ------------------------------------------------------ Theorem 2 repaired: for every batch


def spread(n: int, rho: Number) -> float:
    """f(ρ) = 1 / (1 + √((n-1)(1/ρ - 1))), the least R when σ_1² ≥ ρ ||X||_F²."""
    return 1 / (1 + math.sqrt((n - 1) * (1 / rho - 1))) if rho > 0 else 0.0


def direction_slack(i: Directed) -> Number:
    along = sum(dot(row, i.v) ** 2 for row in i.x.rows)
    rho = quotient(along, dot(i.v, i.v) * sum(energies(i.x)))
    return ratio(i.x) - spread(rank_limit(i.x), rho) if rho >= 0 else math.nan


def direction(i: Directed) -> bool:
    return bool(direction_slack(i) >= -ERROR)


def variation_bound(x: Matrix) -> float:
    return 1 / (1 + math.sqrt((rank_limit(x) - 1) * variation_square(x)))


def variation_slack(x: Matrix) -> Number:
    return ratio(x) - variation_bound(x)


def variation(x: Matrix) -> bool:
    return bool(variation_slack(x) >= -ERROR)


def variation_beats(x: Matrix) -> bool:
    """f(κ) ≥ √(κ/n), squared: (1 + mt)² ≤ (1 + m²)(1 + t²), m² = n - 1, t = CV."""
    m2, t2 = rank_limit(x) - 1, variation_square(x)
    return bool(4 * m2 * t2 <= (m2 + t2) ** 2)


def rms_share(x: Matrix) -> Number:
    """max_j c_j / Σ_j c_j."""
    norms = [math.sqrt(e) for e in energies(x)]
    return quotient(max(norms), sum(norms))


def rms_slack(x: Matrix) -> Number:
    return ratio(x) - rms_share(x)


def rms_share_bounds(x: Matrix) -> bool:
    return bool(rms_slack(x) >= -ERROR)


def ratio_floor(p: Number, batch: int) -> Number:
    """p / (p + √B (1 - p)), p = u_1/N on a batch of B."""
    return quotient(p, p + math.sqrt(batch) * (1 - p))


def share_bound(x: Matrix) -> Number:
    return ratio_floor(share(x), len(x.rows))


def share_slack(x: Matrix) -> Number:
    return ratio(x) - share_bound(x)


def share_bounds(x: Matrix) -> bool:
    return bool(share_slack(x) >= -ERROR)


def even_bound(x: Matrix) -> Number:
    """p / (p + √(1+K²) (1 - p)), K the largest CV_j among the other neurons that are not dead."""
    s, c2, p = sums(x), energies(x), share(x)
    first = max(range(len(s)), key=lambda j: abs(s[j]))
    others = [j for j in range(len(s)) if j != first and c2[j] > 0]
    if any(s[j] == 0 for j in others):
        return 0.0  # K is infinite
    uneven = max((len(x.rows) * c2[j] / s[j] ** 2 for j in others), default=Fraction(1))
    return quotient(p, p + math.sqrt(uneven) * (1 - p))


def even_slack(x: Matrix) -> Number:
    return ratio(x) - even_bound(x) if some_sum_not_zero(x) else math.nan


def even(x: Matrix) -> bool:
    return bool(even_slack(x) >= -ERROR)


D_CURVE = partial(
    _matrix_curve,
    {"D2, RMS share": rms_share, "D3, share": share_bound, "D3 with CV": even_bound},
)

DETERMINISTIC = (
    Claim(
        id="rank.dominance-is-a-bound",
        source=f"{PAPER}, section 3.3",
        title="A dominant neuron's share bounds R",
        statement="X ≥ 0, neuron 1 dominant (Definition 1)  ⇒  R ≥ u_1/N",
        given=(
            NON_NEGATIVE,
            Assumption("dominant", "s_1 > Σ_{j≥2} s_j", first_dominant),
        ),
        then=share_is_a_bound,
        **MATRIX,
        verdict="refuted",
        counterexample=matrix((1, 1), (2, 0)),
        breaks="Means are dominated, but singular values see squares: a rare high activation "
        "counts more than its mean. Here R = (1 + √(1/5))/2 < 3/4, as 1/5 < 1/4.",
        repaired_by=("rank.rms-share", "rank.share", "rank.spikes"),
        steps=matrix_steps(("R", ratio), ("u_1/N", share)),
    ),
    Claim(
        id="rank.spikes",
        source="sharpens rank.dominance-is-a-bound",
        title="No dominance by means forces a low rank",
        statement="For every ε > 0, N ≥ 2 and B ≥ N-1 there is X ≥ 0 with u_1/N = 1/(1+ε) and "
        "R ≤ 1/(N-1) + 1/(ε√B):\n"
        "column 1 is 1, each other column one spike of height M = εB/(N-1) on its own row.\n"
        "So no bound on R by u_1 and N alone is above 1/(N-1).",
        given=(),
        then=spikes_have_high_rank,
        instances=spikes,
        sizes=(2, 3, 4, 5),
        verdict="holds",
        proof="s_1 = B, the others sum to εB. Dropping column 1 raises no singular value, so "
        "Σ σ_i ≥ (N-1)M; and σ_1 ≤ √B + M, the norm of column 1 plus that of the spikes. Hence "
        "R ≤ (M + √B) / ((N-1)M).",
        slack=spikes_slack,
        error=ERROR,
        curve=spikes_curve,
        remark="The slack vanishes only as B → ∞.",
    ),
    Claim(
        id="rank.direction",
        source="repairs rank.line-10",
        title="One direction with much energy bounds R",
        statement="v ≠ 0, ρ = ||Xv||² / (||v||² ||X||_F²)  ⇒  R ≥ 1 / (1 + √((n-1)(1/ρ - 1)))",
        given=(
            Assumption("X ≠ 0", "X ≠ 0", directed_not_zero),
            Assumption("v ≠ 0", "v ≠ 0", direction_not_zero),
        ),
        then=direction,
        instances=directed,
        sizes=SHAPES,
        verdict="holds",
        needs={
            "X ≠ 0": Directed(ZERO, (Fraction(1),)),
            "v ≠ 0": Directed(matrix((1,)), (Fraction(0),)),
        },
        proof="σ_1² ≥ ρ ||X||_F², and Σ_{i≥2} σ_i ≤ √((n-1)(||X||_F² - σ_1²)) by Cauchy-Schwarz; "
        "so R ≥ f(σ_1²/||X||_F²) ≥ f(ρ), f(ρ) = 1/(1 + √((n-1)(1/ρ - 1))), which rises.",
        slack=direction_slack,
        error=ERROR,
        tight_at=Directed(matrix((2, 1, 1), (1, 2, 1), (1, 1, 2)), (Fraction(1),) * 3),
    ),
    Claim(
        id="rank.variation",
        source="repairs rank.line-10",
        title="A layer that varies little has a large R",
        statement="CV² = Σ var_i / Σ mean_i²  ⇒  R ≥ 1 / (1 + √(n-1) CV)",
        given=(Assumption("s ≠ 0", "some column sum ≠ 0", some_sum_not_zero),),
        then=variation,
        **MATRIX,
        verdict="holds",
        needs={"s ≠ 0": matrix((1,), (-1,))},
        proof="rank.direction for X' and v = 1: ρ = κ, and 1/κ - 1 = CV² (rank.eq-10-measures).",
        slack=variation_slack,
        error=ERROR,
        tight_at=matrix((2, 1, 1), (1, 2, 1), (1, 1, 2)),
        curve=variation_curve,
    ),
    Claim(
        id="rank.variation-beats-eq-10",
        source="compares rank.variation with eq. (10)",
        title="The bound by CV is never below eq. (10)",
        statement="1 / (1 + √(n-1) CV)  ≥  √(κ/n) = 1 / √(n (1 + CV²))",
        given=(Assumption("s ≠ 0", "some column sum ≠ 0", some_sum_not_zero),),
        then=variation_beats,
        **MATRIX,
        verdict="holds",
        needs={"s ≠ 0": ZERO},
        proof="(1 + mt)² ≤ (1 + m²)(1 + t²), which is (m - t)² ≥ 0; m² = n-1, t = CV.",
    ),
    Claim(
        id="rank.rms-share",
        source="repairs rank.theorem-2",
        title="R is at least the largest neuron's RMS share",
        statement="X ≠ 0  ⇒  R ≥ max_j c_j / Σ_j c_j,  c_j = ||column j|| = √B RMS of neuron j",
        given=(Assumption("X ≠ 0", "X ≠ 0", matrix_not_zero),),
        then=rms_share_bounds,
        **MATRIX,
        verdict="holds",
        needs={"X ≠ 0": ZERO},
        proof="σ_1 ≥ ||X e_j|| = c_j. And X = Σ_j (X e_j) e_j', matrices of rank one whose "
        "nuclear norms are c_j: Σ σ_i ≤ Σ c_j.",
        slack=rms_slack,
        error=ERROR,
        tight_at=matrix((3, 0), (0, 1)),
        curve=D_CURVE,
        remark="Tight exactly where columns are orthogonal. The score of eq. (1) with root mean "
        "squares for means is N c_j / Σ c: no square root of n is lost.",
    ),
    Claim(
        id="rank.rms-dominant",
        source="repairs the use of rank.theorem-2",
        title="A neuron dominant by RMS makes srank 1",
        statement="X ≠ 0, Σ_{j≥2} c_j ≤ δ/(1-δ) c_1  ⇒  srank_δ(X) = 1",
        given=(
            Assumption("X ≠ 0", "X ≠ 0", cut_not_zero),
            Assumption("RMS-dominant", "(1-δ) Σ_{j≥2} c_j ≤ δ c_1", rms_dominant),
        ),
        then=srank_is_one,
        instances=cuts,
        sizes=SHAPES,
        verdict="holds",
        needs={"X ≠ 0": Cut(ZERO, Fraction(1, 2)), "RMS-dominant": Cut(EYE, Fraction(1, 4))},
        proof="R ≥ c_1/Σ c ≥ 1 - δ by rank.rms-share; then rank.srank-one.",
    ),
    Claim(
        id="rank.top-two-columns",
        source="the analogue of rank.rms-share for k = 2",
        title="Two singular values reach the share of two columns",
        statement="X ≠ 0  ⇒  (σ_1 + σ_2)/Σ σ ≥ (c_1 + c_2)/Σ c, c_1 and c_2 the two largest",
        given=(X_NOT_ZERO,),
        then=two_columns,
        instances=small_matrices,
        sizes=((1, 3), (2, 3), (3, 3)),
        verdict="refuted",
        counterexample=matrix((0, 0, 1), (0, 2, 0), (2, 1, 0)),
        breaks="σ_1 ≥ c_1, but not σ_1 + σ_2 ≥ c_1 + c_2. By hand: row 1 is apart, σ = 1; of the "
        "rest σ + σ' = √(9 + 2·4) = √17. So √17/(√17 + 1) against (2 + √5)/(3 + √5): √17 < 2 + √5.",
        repaired_by=("rank.few-columns",),
        steps=matrix_steps(("(σ_1+σ_2)/Σσ - (c_1+c_2)/Σc", two_columns_slack)),
    ),
    Claim(
        id="rank.few-columns",
        source="repairs rank.top-two-columns",
        title="k columns with nearly all energy bound srank by k",
        statement="X ≠ 0, |S| = k, Σ_{j∉S} c_j ≤ δ ||X||_F  ⇒  srank_δ(X) ≤ k",
        given=(Assumption("X ≠ 0", "X ≠ 0", cut_not_zero),),
        then=few_columns,
        instances=cuts,
        sizes=SHAPES,
        verdict="holds",
        needs={"X ≠ 0": Cut(ZERO, Fraction(1, 2))},
        proof="Let Y keep the columns of S: rank Y ≤ k, so Σ_{i>k} σ_i(X) ≤ Σ σ_i(X-Y) ≤ "
        "Σ_{j∉S} c_j ≤ δ ||X||_F ≤ δ Σ σ_i(X).",
        slack=few_columns_slack,
        tight_at=Cut(EYE, Fraction(1, 4)),
    ),
    Claim(
        id="rank.share",
        source="repairs rank.dominance-is-a-bound",
        title="The activation share bounds R, at the price of √B",
        statement="X ≥ 0, X ≠ 0, p = max_j s_j / Σ s_j = u_1/N  ⇒  R ≥ p / (p + √B (1-p))",
        given=(
            Assumption("X ≠ 0", "X ≠ 0", matrix_not_zero),
            Assumption("non-negative", "x_ij ≥ 0 for all i, j", matrix_non_negative),
        ),
        then=share_bounds,
        **MATRIX,
        verdict="holds",
        needs={"X ≠ 0": ZERO, "non-negative": CROSS},
        proof="c_1 ≥ s_1/√B (Cauchy-Schwarz) and c_j ≤ s_j (no sign): rank.rms-share.",
        slack=share_slack,
        error=ERROR,
        tight_at=matrix((1, 0), (1, 0)),
        curve=D_CURVE,
        remark="Column 1 constant on B-N+1 rows and a spike of each other neuron on a row of its "
        "own is tight with √(B-N+1) for √B: the factor is no artefact.",
    ),
    Claim(
        id="rank.even-share",
        source="repairs rank.dominance-is-a-bound",
        title="The share bounds R if the other neurons vary little",
        statement="p = max_j |s_j| / Σ |s_j|, CV_j ≤ K for the other neurons that are not dead\n"
        "⇒  R ≥ p / (p + √(1+K²) (1-p))",
        given=(Assumption("s ≠ 0", "some column sum ≠ 0", some_sum_not_zero),),
        then=even,
        **MATRIX,
        verdict="holds",
        needs={"s ≠ 0": matrix((1,), (-1,))},
        proof="c_j² = B mean_j² (1 + CV_j²): c_1 ≥ √B |mean_1|, c_j ≤ √(1+K²) √B |mean_j|; then "
        "rank.rms-share. For K = ∞ the bound is 0.",
        slack=even_slack,
        error=ERROR,
        tight_at=matrix((1, 0), (1, 0)),
        curve=D_CURVE,
    ),
)


# --------------------------------------------------- Theorem 2 repaired: in expectation


def e1_bound(of: Law) -> Number:
    mean = moment(of, 0, 1)
    noise, rest = quotient(variance(of, 0), mean**2), quotient(rest_rms(of), abs(mean))
    return 1 / ((1 + noise) * (1 + rest))


def kurtosis(of: Law) -> Number:
    """κ_4 = E x_1⁴ / (E x_1²)²."""
    return quotient(moment(of, 0, 4), moment(of, 0, 2) ** 2)


def e1k_bound(of: Law) -> Number:
    root_mean = rms(of, 0) / math.sqrt(1 + (kurtosis(of) - 1) / of.batch)
    level: Number = max(float(abs(moment(of, 0, 1))), root_mean) if first_not_zero(of) else math.nan
    return quotient(level**3, moment(of, 0, 2) * (level + rest_rms(of)))


def e4_bound(of: Law) -> Number:
    noise = of.batch * quotient(sum_variance(of, 0), sum_moment(of, 0, 1) ** 2)
    return 1 / ((1 + noise) * (1 + math.sqrt((law_limit(of) - 1) * of.batch * theta(of))))


def layer_variation(of: Law) -> Number:
    """C² = Σ v_i / Σ μ_i²."""
    js = range(width(of))
    return quotient(sum(variance(of, j) for j in js), sum(moment(of, j, 1) ** 2 for j in js))


def e2_bound(of: Law) -> Number:
    b, c2 = of.batch, layer_variation(of)
    return 1 / ((1 + c2 / b) * (1 + math.sqrt(c2 * (law_limit(of) - 1) * (1 - Fraction(1, b)))))


def e3_bound(of: Law) -> Number:
    c2 = layer_variation(of)
    return 1 / (math.sqrt(law_limit(of) * (1 + c2)) * (1 + c2 / of.batch))


def e1_slack(of: Law) -> Number:
    return mean_ratio(of) - e1_bound(of)


def e1(of: Law) -> bool:
    return bool(e1_slack(of) >= -ERROR)


def e1_rises_slack(i: Scaled) -> Number:
    return e1_bound(times_first(i.law, i.factor)) - e1_bound(i.law)


def e1_rises(i: Scaled) -> bool:
    return bool(e1_rises_slack(i) >= -ERROR)


def e1k_slack(of: Law) -> Number:
    return mean_ratio(of) - e1k_bound(of)


def e1k(of: Law) -> bool:
    return bool(e1k_slack(of) >= -ERROR)


def e4_slack(of: Law) -> Number:
    return mean_ratio(of) - e4_bound(of)


def e4(of: Law) -> bool:
    return bool(e4_slack(of) >= -ERROR)


def e2_slack(of: Law) -> Number:
    return mean_ratio(of) - e2_bound(of)


def e2(of: Law) -> bool:
    return bool(e2_slack(of) >= -ERROR)


def e3_slack(of: Law) -> Number:
    return mean_ratio(of) - e3_bound(of)


def e3(of: Law) -> bool:
    return bool(e3_slack(of) >= -ERROR)


def e3_weaker_slack(of: Law) -> Number:
    return min(e2_bound(of), 1 / math.sqrt(law_limit(of))) - e3_bound(of)


def e3_weaker(of: Law) -> bool:
    return bool(e3_weaker_slack(of) >= -ERROR)


def p1_bound(i: LawCut) -> Number:
    spread_of_energy = (kurtosis(i.law) - 1) / i.law.batch
    rest = quotient(sum(rms(i.law, j) for j in range(1, width(i.law))), rms(i.law, 0))
    return 9 / (9 + 16 * spread_of_energy) - 2 * (1 - i.delta) / i.delta * rest


def p1_slack(i: LawCut) -> Number:
    return certain(batches(i.law), i.delta) - p1_bound(i)


def p1(i: LawCut) -> bool:
    return bool(p1_slack(i) >= -ERROR)


def rescaled_square(of: Law) -> Number:
    """The square of the right side of (4) with every scale repaired."""
    b, mean = of.batch, moment(of, 0, 1)
    bottom = 1 + quotient(variance(of, 0), mean**2) + b * theta(of)
    return (1 + (b - 1) / bottom) / (law_limit(of) * b)


def rescaled_bound(of: Law) -> float:
    return math.sqrt(rescaled_square(of))


def rescaled_slack(of: Law) -> Number:
    return mean_ratio(of) - rescaled_bound(of)


def rescaled(of: Law) -> bool:
    return reaches_root(mean_ratio(of), rescaled_square(of))


E_CURVE = partial(_law_curve, {"E1": e1_bound, "E1k": e1k_bound, "E4": e4_bound})
E2_CURVE = partial(_law_curve, {"E2": e2_bound, "E3": e3_bound})

EXPECTED = (
    Claim(
        id="rank.e1",
        source="repairs rank.theorem-2",
        title="Dominance by moments bounds E R",
        statement="μ_1 ≠ 0  ⇒  E R ≥ 1 / ((1 + v_1/μ_1²)(1 + Δ))\n"
        "Δ = min( Σ_{j≥2} q_j, √((n-1) Σ_{j≥2} q_j²) ) / |μ_1|     (X = 0 counted as R = 0)",
        given=(MEAN_NOT_ZERO,),
        then=e1,
        **LAW,
        verdict="holds if",
        needs={"μ_1 ≠ 0": CENTRED},
        proof="a = c_1, b = min(Σ_{j≥2} c_j, √((n-1) Σ_{j≥2} c_j²)): R ≥ a/(a+b), by "
        "rank.rms-share and by rank.direction with v = e_1. Cauchy-Schwarz: E[a/(a+b)] ≥ "
        "(E √a)²/E(a+b). Hölder: E √a ≥ (E a)^(3/2)/(E a²)^(1/2). Together E R ≥ (E a)³ / "
        "(E a² (E a + E b)), which rises in E a. Jensen: E a ≥ √B |μ_1|, E a² = B q_1², "
        "E b ≤ √B Δ |μ_1|.",
        slack=e1_slack,
        error=ERROR,
        tight_at=BERNOULLI,
        curve=E_CURVE,
        remark="Free of units; no sign is needed; rows need only be identically distributed.",
    ),
    Claim(
        id="rank.e1-rises",
        source="repairs rank.bound-rises",
        title="The repaired bound rises with dominance",
        statement="μ_1 ≠ 0, neuron 1 multiplied by a ≥ 1  ⇒  the bound of rank.e1 does not fall",
        given=(
            Assumption("μ_1 ≠ 0", "E x_1 ≠ 0", scaled_mean_not_zero),
            Assumption("a ≥ 1", "a ≥ 1", factor_at_least_one),
        ),
        then=e1_rises,
        instances=scaled_laws,
        sizes=SHAPES,
        verdict="holds",
        needs={
            "μ_1 ≠ 0": Scaled(CENTRED, Fraction(2)),
            "a ≥ 1": Scaled(law(2, (1, (1, 1))), Fraction(1, 2)),
        },
        proof="v_1/μ_1² keeps its value, and Δ is divided by a; strictly, unless q_j = 0 for all "
        "j ≥ 2 or n = 1.",
        slack=e1_rises_slack,
        error=ERROR,
        tight_at=Scaled(law(2, (1, (1, 1))), Fraction(1)),
    ),
    Claim(
        id="rank.e1k",
        source="repairs rank.theorem-2",
        title="The same with the fourth moment, tight for large batches",
        statement="E x_1² ≠ 0, i.i.d. rows, κ_4 = E x_1⁴/q_1⁴, "
        "l = max( |μ_1|, q_1/√(1 + (κ_4-1)/B) )\n"
        "⇒  E R ≥ l³ / ( q_1² (l + min(Σ_{j≥2} q_j, √((n-1) Σ_{j≥2} q_j²))) )",
        given=(FIRST_NOT_ZERO,),
        then=e1k,
        **LAW,
        verdict="holds if",
        needs={"q_1 ≠ 0": DEAD},
        proof="As rank.e1, with E a ≥ √B l: by Hölder E a ≥ (E a²)^(3/2)/(E a⁴)^(1/2), and "
        "E a⁴ = B² q_1⁴ (1 + (κ_4-1)/B) for i.i.d. rows.",
        slack=e1k_slack,
        error=ERROR,
        tight_at=law(2, (1, (1, 0))),
        curve=E_CURVE,
        remark="Never below rank.e1, and μ_1 = 0 is allowed. As B → ∞ it tends to the RMS share "
        "q_1/(q_1 + Σ_{j≥2} q_j), which neurons that are never active together attain.",
    ),
    Claim(
        id="rank.e4",
        source="repairs rank.theorem-2",
        title="Dominance in the paper's own degree bounds E R",
        statement="E s_1 ≠ 0, i.i.d. rows  ⇒  "
        "E R ≥ 1 / ( (1 + B Var(s_1)/(E s_1)²)(1 + √((n-1) B θ)) )",
        given=(MEAN_NOT_ZERO,),
        then=e4,
        **LAW,
        verdict="holds if",
        needs={"μ_1 ≠ 0": CENTRED},
        proof="v_1/μ_1² = B Var(s_1)/(E s_1)². And E s_j² = B v_j + B² μ_j² ≥ B q_j², so "
        "Σ_{j≥2} q_j²/μ_1² ≤ B θ, Δ ≤ √((n-1) B θ): rank.e1.",
        slack=e4_slack,
        error=ERROR,
        tight_at=BERNOULLI,
        curve=E_CURVE,
    ),
    Claim(
        id="rank.e2",
        source="repairs the proof of rank.theorem-2",
        title="A layer that varies little has a large E R",
        statement="C² = Σ v_i / Σ μ_i², uncorrelated rows  ⇒  "
        "E R ≥ 1 / ( (1 + C²/B)(1 + C √((n-1)(1 - 1/B))) )",
        given=(SOME_MEAN,),
        then=e2,
        **LAW,
        verdict="holds if",
        needs={"μ ≠ 0": CENTRED},
        proof="P the projection on constants, a = ||PX||_F = ||s||/√B, d = ||X - PX||_F: R ≥ "
        "a/(a + √(n-1) d) (rank.variation). As in rank.e1, E R ≥ (E a)³/(E a² (E a + √(n-1) E d)); "
        "with m² = Σ μ_i²: E a ≥ √B m, E a² = B m² (1 + C²/B), E d ≤ √(E d²) = C m √(B-1).",
        slack=e2_slack,
        error=ERROR,
        tight_at=BERNOULLI,
        curve=E2_CURVE,
        remark="What the all-ones vector of line (9) can give: nothing about dominance.",
    ),
    Claim(
        id="rank.e3",
        source="repairs rank.line-17",
        title="The printed proof with Hölder for Jensen",
        statement="E R ≥ n^(-1/2) (1 + C²/B)^(-1) (1 + C²)^(-1/2)",
        given=(SOME_MEAN,),
        then=e3,
        **LAW,
        verdict="holds if",
        needs={"μ ≠ 0": CENTRED},
        proof="It is below rank.e2 (rank.e3-weaker). Directly: by (10) R ≥ a/(√n ||X||_F) with "
        "a = ||s||/√B; E[a/||X||] ≥ (E √a)²/E||X|| ≥ (E a)³/(E a² √(E||X||²)), and "
        "E||X||_F² = B m² (1 + C²), the rest as in rank.e2.",
        slack=e3_slack,
        error=ERROR,
        tight_at=law(2, (1, (1,))),
        curve=E2_CURVE,
    ),
    Claim(
        id="rank.e3-weaker",
        source="compares rank.e3 with rank.e2",
        title="The repaired printed proof gives at most 1/√n",
        statement="the bound of rank.e3 is at most that of rank.e2, and at most 1/√n",
        given=(SOME_MEAN,),
        then=e3_weaker,
        **LAW,
        verdict="holds if",
        needs={"μ ≠ 0": CENTRED},
        proof="(1 + C√(n-1))² ≤ n (1 + C²) by Cauchy-Schwarz. So dividing by √n, not Jensen's "
        "inequality, is what makes the approach useless for srank.",
        slack=e3_weaker_slack,
        error=ERROR,
        tight_at=law(2, (1, (1,))),
    ),
    Claim(
        id="rank.p1",
        source="repairs the use of rank.theorem-2",
        title="Dominance by RMS makes srank 1 likely",
        statement="E x_1² ≠ 0, i.i.d. rows, V = (κ_4-1)/B  ⇒  "
        "Pr(srank_δ = 1) ≥ 9/(9 + 16V) - 2(1-δ)/δ Σ_{j≥2} q_j/q_1",
        given=(Assumption("q_1 ≠ 0", "x_1 is not 0 almost surely", cut_first_not_zero),),
        then=p1,
        instances=law_cuts,
        sizes=SHAPES,
        verdict="holds",
        needs={"q_1 ≠ 0": LawCut(DEAD, Fraction(1, 2))},
        proof="c_1²/(B q_1²) has mean 1 and variance V, so c_1 > √B q_1/2 but for 16V/(9 + 16V) "
        "(Cantelli at 1/4). By Markov Σ_{j≥2} c_j ≤ δ/(1-δ) √B q_1/2 but for the last term. Else "
        "rank.rms-dominant.",
        slack=p1_slack,
        error=ERROR,
        tight_at=LawCut(law(2, (1, (1, 0))), Fraction(1, 2)),
    ),
    Claim(
        id="rank.theorem-2-rescaled",
        source=f"{PAPER}, Theorem 2, with every scale repaired",
        title="Theorem 2 in units of the features, dead batches included",
        statement="E R ≥ √( (1 + (B-1)/(1 + v_1/μ_1² + Bθ)) / (nB) )     (X = 0 counted as R = 0)",
        given=(FIRST_LARGEST, LAW_NON_NEGATIVE, SEVERAL),
        then=rescaled,
        instances=ordered_laws,
        sizes=((2, 2), (3, 2), (2, 3), (3, 3)),
        verdict="refuted",
        counterexample=law(2, ("1/3", (1, 0)), ("2/3", (0, 0))),
        breaks="A sparse neuron leaves many batches dead, E R ≤ Pr(X ≠ 0) → 0 with its "
        "probability, and the bound stays above 1/√(nB).",
        repaired_by=("rank.e1",),
        remark="Without dead rows it is open: rank.theorem-2-rescaled-alive.",
        steps=law_steps(
            ("v_1/μ_1²", lambda of: quotient(variance(of, 0), moment(of, 0, 1) ** 2)),
            ("θ", theta),
            ("E R", mean_ratio),
            ("(E R)²", lambda of: mean_ratio(of) ** 2),
            ("(right side)²", rescaled_square),
        ),
    ),
    Claim(
        id="rank.theorem-2-rescaled-alive",
        source=f"{PAPER}, Theorem 2, with every scale repaired",
        title="Theorem 2 in units of the features, no dead rows",
        statement="no row is 0  ⇒  E R ≥ √( (1 + (B-1)/(1 + v_1/μ_1² + Bθ)) / (nB) )",
        given=(FIRST_LARGEST, LAW_NON_NEGATIVE, NEVER_ZERO, SEVERAL),
        then=rescaled,
        instances=ordered_laws,
        sizes=((2, 2), (3, 2), (2, 3), (3, 3)),
        verdict="open",
        slack=rescaled_slack,
        error=ERROR,
        curve=partial(_law_curve, {"rescaled (4), open": rescaled_bound, "E1k": e1k_bound}),
        remark="Neither proved nor refuted. The right side is at most 1/√n, so it would be "
        "useless for srank; it does not follow from (10) alone. With dead rows it is false.",
    ),
)

CLAIMS: tuple[Claim, ...] = (*SRANK, *PRINTED, *LINES, *DETERMINISTIC, *EXPECTED)
