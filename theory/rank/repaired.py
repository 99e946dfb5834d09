"""Theorem 2 repaired for every batch: which dominance bounds R and srank."""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ref.checks import require
from theory import checks
from theory.claim import Assumption, Claim, Curve, vector
from theory.rank.features import (
    CROSS,
    ERROR,
    EYE,
    NON_NEGATIVE,
    PAPER,
    SHAPES,
    X_NOT_ZERO,
    ZERO,
    Cut,
    Matrix,
    Number,
    Row,
    cut_not_zero,
    cuts,
    dot,
    energies,
    first_dominant,
    integer_table,
    matrices,
    matrix,
    matrix_curve,
    matrix_non_negative,
    matrix_not_zero,
    matrix_steps,
    quotient,
    rank_limit,
    ratio,
    root,
    shares,
    some_sum_not_zero,
    srank,
    srank_is_one,
    sums,
)


def share(x: Matrix) -> Number:
    """u_1/N on the batch, of the largest neuron; by absolute values of column sums."""
    s = [abs(e) for e in sums(x)]
    return quotient(max(s), sum(s))


def share_is_a_bound(x: Matrix) -> bool:
    return bool(ratio(x) >= share(x) - ERROR)


DOMINANCE_IS_A_BOUND = Claim(
    id="rank.dominance-is-a-bound",
    source=f"{PAPER}, section 3.3",
    origin="reading",
    title="A dominant neuron's share bounds R",
    statement="X ≥ 0, neuron 1 dominant (Definition 1)  ⇒  R ≥ u_1/N",
    given=(
        NON_NEGATIVE,
        Assumption("dominant", "s_1 > Σ_{j≥2} s_j", first_dominant),
    ),
    then=share_is_a_bound,
    instances=matrices,
    sizes=SHAPES,
    verdict="refuted",
    counterexample=matrix((1, 1), (2, 0)),
    breaks="Means are dominated, but singular values see squares: a rare high activation "
    "counts more than its mean. Here R = (1 + √(1/5))/2 < 3/4, as 1/5 < 1/4.",
    repaired_by=("rank.rms-share", "rank.share", "rank.spikes"),
    steps=matrix_steps(("R", ratio), ("u_1/N", share)),
)


@dataclass(frozen=True)
class Spikes:
    """Column 1 is 1 everywhere; each other one is one spike of height εB/(N-1), on its own row."""

    eps: Fraction
    width: int
    batch: int

    def __post_init__(self) -> None:
        checks.positive("eps", self.eps)
        require(self.width >= 2, "width", self.width, "at least two neurons")
        accepted = f"a row for each of the {self.width - 1} spikes"
        require(self.batch >= self.width - 1, "batch", self.batch, accepted)

    def __str__(self) -> str:
        return f"ε = {self.eps}, N = {self.width}, B = {self.batch}"


def spikes(size: int) -> SearchStrategy[Spikes]:
    return st.builds(
        Spikes,
        st.integers(1, 40).map(lambda k: Fraction(k, 20)),
        st.just(size),
        st.sampled_from([size, 10, 10**3, 10**6]),
    )


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


LONG = 100  # rows, beyond which singular values are no longer computed for every example


def spikes_slack(i: Spikes) -> float:
    return 1 / (i.width - 1) + 1 / (i.eps * math.sqrt(i.batch)) - spikes_ratio(i)


def spikes_matrix(i: Spikes) -> Matrix:
    height = i.eps * i.batch / (i.width - 1)
    rows = ([height * (j == k) for k in range(i.width - 1)] for j in range(i.batch))
    return matrix(*((1, *row) for row in rows))


def spikes_hold(i: Spikes) -> bool:
    """And of a batch that is not too long the matrix itself has that R, and that dominance."""
    if i.batch <= LONG:
        x = spikes_matrix(i)
        first, *others = sums(x)
        if i.eps * first != sum(others) or abs(ratio(x) - spikes_ratio(i)) > ERROR:
            return False
    return spikes_slack(i) >= -ERROR


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


SPIKES = Claim(
    id="rank.spikes",
    source="sharpens rank.dominance-is-a-bound",
    origin="ours",
    title="No dominance by means forces a low rank",
    statement="For every ε > 0, N ≥ 2 and B ≥ N-1 there is X ≥ 0 with u_1/N = 1/(1+ε) and "
    "R ≤ 1/(N-1) + 1/(ε√B):\n"
    "column 1 is 1, each other column one spike of height M = εB/(N-1) on its own row.\n"
    "So no bound on R by u_1 and N alone is above 1/(N-1).",
    given=(),
    then=spikes_hold,
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
)


@dataclass(frozen=True)
class Directed:
    """A batch and a direction v (N,), of any length."""

    x: Matrix
    v: Row

    def __post_init__(self) -> None:
        checks.row("v", self.v, len(self.x.rows[0]))

    def __str__(self) -> str:
        return f"{self.x}, v = {vector(self.v)}"


def directed(size: tuple[int, int]) -> SearchStrategy[Directed]:
    v = integer_table(1, size[1]).map(lambda table: tuple(map(Fraction, table[0])))
    return st.builds(Directed, matrices(size), v)


def directed_not_zero(i: Directed) -> bool:
    return matrix_not_zero(i.x)


def direction_not_zero(i: Directed) -> bool:
    return any(i.v)


def spread(n: int, rho: Number) -> float:
    """f(ρ) = 1 / (1 + √((n-1)(1/ρ - 1))), the least R when σ_1² ≥ ρ ||X||_F²."""
    return 1 / (1 + math.sqrt((n - 1) * (1 / rho - 1))) if rho > 0 else 0.0


def direction_slack(i: Directed) -> Number:
    along = sum(dot(row, i.v) ** 2 for row in i.x.rows)
    rho = quotient(along, dot(i.v, i.v) * sum(energies(i.x)))
    return ratio(i.x) - spread(rank_limit(i.x), rho) if rho >= 0 else math.nan


DIRECTION = Claim(
    id="rank.direction",
    source="repairs rank.line-10",
    origin="ours",
    title="One direction with much energy bounds R",
    statement="v ≠ 0, ρ = ||Xv||² / (||v||² ||X||_F²)  ⇒  R ≥ 1 / (1 + √((n-1)(1/ρ - 1)))",
    given=(
        Assumption("X ≠ 0", "X ≠ 0", directed_not_zero),
        Assumption("v ≠ 0", "v ≠ 0", direction_not_zero),
    ),
    instances=directed,
    sizes=SHAPES,
    verdict="holds",
    needs={
        "X ≠ 0": Directed(ZERO, (Fraction(1),)),
        "v ≠ 0": Directed(matrix((1,)), (Fraction(0),)),
    },
    undefined=(
        "X ≠ 0",
        "v ≠ 0",
    ),
    proof="σ_1² ≥ ρ ||X||_F², and Σ_{i≥2} σ_i ≤ √((n-1)(||X||_F² - σ_1²)) by Cauchy-Schwarz; "
    "so R ≥ f(σ_1²/||X||_F²) ≥ f(ρ), f(ρ) = 1/(1 + √((n-1)(1/ρ - 1))), which rises.",
    slack=direction_slack,
    error=ERROR,
    tight_at=Directed(matrix((2, 1, 1), (1, 2, 1), (1, 1, 2)), (Fraction(1),) * 3),
)


def rms_share(x: Matrix) -> Number:
    """max_j c_j / Σ_j c_j."""
    norms = [math.sqrt(e) for e in energies(x)]
    return quotient(max(norms), sum(norms))


def rms_slack(x: Matrix) -> Number:
    return ratio(x) - rms_share(x)


def ratio_floor(p: Number, batch: int) -> Number:
    """p / (p + √B (1 - p)), p = u_1/N on a batch of B."""
    return quotient(p, p + math.sqrt(batch) * (1 - p))


def share_bound(x: Matrix) -> Number:
    return ratio_floor(share(x), len(x.rows))


def even_bound(x: Matrix) -> Number:
    """p / (p + √(1+K²) (1 - p)), K the largest CV_j among the other neurons that are not dead."""
    s, c2, p = sums(x), energies(x), share(x)
    first = max(range(len(s)), key=lambda j: abs(s[j]))
    others = [j for j in range(len(s)) if j != first and c2[j] > 0]
    if any(s[j] == 0 for j in others):
        return 0.0  # K is infinite
    uneven = max((len(x.rows) * c2[j] / s[j] ** 2 for j in others), default=Fraction(1))
    return quotient(p, p + math.sqrt(uneven) * (1 - p))


D_CURVE = partial(
    matrix_curve,
    {"D2, RMS share": rms_share, "D3, share": share_bound, "D3 with CV": even_bound},
)


RMS_SHARE = Claim(
    id="rank.rms-share",
    source="repairs rank.theorem-2",
    origin="ours",
    title="R is at least the largest neuron's RMS share",
    statement="X ≠ 0  ⇒  R ≥ max_j c_j / Σ_j c_j,  c_j = ||column j|| = √B RMS of neuron j",
    given=(Assumption("X ≠ 0", "X ≠ 0", matrix_not_zero),),
    instances=matrices,
    sizes=SHAPES,
    verdict="holds",
    needs={"X ≠ 0": ZERO},
    undefined=("X ≠ 0",),
    proof="σ_1 ≥ ||X e_j|| = c_j. And X = Σ_j (X e_j) e_j', matrices of rank one whose "
    "nuclear norms are c_j: Σ σ_i ≤ Σ c_j.",
    slack=rms_slack,
    error=ERROR,
    tight_at=matrix((3, 0), (0, 1)),
    curve=D_CURVE,
    remark="Tight exactly where columns are orthogonal. The score of eq. (1) with root mean "
    "squares for means is N c_j / Σ c: no square root of n is lost.",
)


def rms_dominant(i: Cut) -> bool:
    norms = [root(e) for e in energies(i.x)]
    return bool((1 - i.delta) * sum(norms[1:]) <= i.delta * norms[0])


RMS_DOMINANT = Claim(
    id="rank.rms-dominant",
    source="repairs the use of rank.theorem-2",
    origin="ours",
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
)


def small_matrices(size: tuple[int, int]) -> SearchStrategy[Matrix]:
    """Entries 0, 1, 2, and as many zeros as not."""
    entry = st.sampled_from([0, 0, 1, 2])
    row = st.tuples(*[entry] * size[1])
    rows = st.tuples(*[row] * size[0])
    return st.one_of(rows.map(lambda drawn: matrix(*drawn)), matrices(size))


def two_columns_slack(x: Matrix) -> Number:
    norms = sorted((root(e) for e in energies(x)), reverse=True)
    return sum(shares(x)[:2]) - quotient(sum(norms[:2]), sum(norms))


def two_columns(x: Matrix) -> bool:
    return bool(two_columns_slack(x) >= -ERROR)


TOP_TWO_COLUMNS = Claim(
    id="rank.top-two-columns",
    source="the analogue of rank.rms-share for k = 2",
    origin="ours",
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
)


def few_columns_slack(i: Cut) -> Number:
    """k - srank for the least k for which all columns but the k longest are within δ ||X||_F."""
    norms = sorted((root(e) for e in energies(i.x)), reverse=True)
    frobenius = root(sum(energies(i.x)))
    k = next(k for k in range(len(norms) + 1) if sum(norms[k:]) <= i.delta * frobenius)
    return k - srank(i.x, i.delta)


FEW_COLUMNS = Claim(
    id="rank.few-columns",
    source="repairs rank.top-two-columns",
    origin="ours",
    title="k columns with nearly all energy bound srank by k",
    statement="X ≠ 0, |S| = k, Σ_{j∉S} c_j ≤ δ ||X||_F  ⇒  srank_δ(X) ≤ k",
    given=(Assumption("X ≠ 0", "X ≠ 0", cut_not_zero),),
    instances=cuts,
    sizes=SHAPES,
    verdict="holds",
    needs={"X ≠ 0": Cut(ZERO, Fraction(1, 2))},
    undefined=("X ≠ 0",),
    proof="Let Y keep the columns of S: rank Y ≤ k, so Σ_{i>k} σ_i(X) ≤ Σ σ_i(X-Y) ≤ "
    "Σ_{j∉S} c_j ≤ δ ||X||_F ≤ δ Σ σ_i(X).",
    slack=few_columns_slack,
    tight_at=Cut(EYE, Fraction(1, 4)),
)


def share_slack(x: Matrix) -> Number:
    return ratio(x) - share_bound(x)


SHARE = Claim(
    id="rank.share",
    source="repairs rank.dominance-is-a-bound",
    origin="ours",
    title="The activation share bounds R, at the price of √B",
    statement="X ≥ 0, X ≠ 0, p = max_j s_j / Σ s_j = u_1/N  ⇒  R ≥ p / (p + √B (1-p))",
    given=(
        Assumption("X ≠ 0", "X ≠ 0", matrix_not_zero),
        Assumption("non-negative", "x_ij ≥ 0 for all i, j", matrix_non_negative),
    ),
    instances=matrices,
    sizes=SHAPES,
    verdict="holds",
    needs={"X ≠ 0": ZERO, "non-negative": CROSS},
    undefined=("X ≠ 0",),
    proof="c_1 ≥ s_1/√B (Cauchy-Schwarz) and c_j ≤ s_j (no sign): rank.rms-share.",
    slack=share_slack,
    error=ERROR,
    tight_at=matrix((1, 0), (1, 0)),
    curve=D_CURVE,
    remark="Column 1 constant on B-N+1 rows and a spike of each other neuron on a row of its "
    "own is tight with √(B-N+1) for √B: the factor is no artefact.",
)


def even_slack(x: Matrix) -> Number:
    return ratio(x) - even_bound(x) if some_sum_not_zero(x) else math.nan


EVEN_SHARE = Claim(
    id="rank.even-share",
    source="repairs rank.dominance-is-a-bound",
    origin="ours",
    title="The share bounds R if the other neurons vary little",
    statement="p = max_j |s_j| / Σ |s_j|, CV_j ≤ K for the other neurons that are not dead\n"
    "⇒  R ≥ p / (p + √(1+K²) (1-p))",
    given=(Assumption("s ≠ 0", "some column sum ≠ 0", some_sum_not_zero),),
    instances=matrices,
    sizes=SHAPES,
    verdict="holds",
    needs={"s ≠ 0": matrix((1,), (-1,))},
    undefined=("s ≠ 0",),
    proof="c_j² = B mean_j² (1 + CV_j²): c_1 ≥ √B |mean_1|, c_j ≤ √(1+K²) √B |mean_j|; then "
    "rank.rms-share. For K = ∞ the bound is 0.",
    slack=even_slack,
    error=ERROR,
    tight_at=matrix((1, 0), (1, 0)),
    curve=D_CURVE,
)


CLAIMS: tuple[Claim[Any], ...] = (
    DOMINANCE_IS_A_BOUND,
    SPIKES,
    DIRECTION,
    RMS_SHARE,
    RMS_DOMINANT,
    TOP_TWO_COLUMNS,
    FEW_COLUMNS,
    SHARE,
    EVEN_SHARE,
)
