"""Does temporal-difference learning without reward make the features collapse to zero?

Neuron Dominance, section 4.2: with regression it does, eqs. (5) and (6) after Lyle et al. (2021);
with classification, Theorem 3, it does not; LayerNorm revives a saturated layer (section 4.1).

Features are free numbers, one column of Psi (N, states) for each state; Phi = Psi' (states, N).
P (states, states) is the chain, gamma the discount, A = I - gamma P. W (N, M) are heads, or (N, G)
the weights of G logits. Both learning rates are 1: alpha and beta come back by Phi -> sqrt(beta)
Phi, W -> sqrt(alpha) W and a change of time. Factors like 2 / states of a mean are left out.

Exactness: logits are integers times ln 2, so that softmax is a quotient of powers of 2. Only what
is integrated over time, HL-Gauss and singular values are floats, with the bound written beside.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from scipy import special
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from ref import losses, scores
from ref.checks import Array
from theory.claim import Assumption, Claim, Curve, vector

# What `python -m theory show` says of the letters.
LETTERS = """\
Ψ has a row for each of N neurons, a column of features for each state; Φ = Ψ' (' transposes).
P has the probabilities of the next state, γ is the discount, I = [1 0; 0 1] (rows by ;).
W: heads for regression; for classification a column of weights for each of G bins, at values z.
p̂ = softmax(Ψ'W) are predictions, p their targets: "direct" is γPp̂; zero-bin, two-hot, C51 and
HL-Gauss make a histogram of γ times the next value. u = (1/G, .., 1/G); w̄: mean column of W.
R = 0: no reward. ∂Ψ, ∂W: how learning moves them; a subscript t or 0 is the time.
LN(z) = (z - mean of z) / (standard deviation of z); h = relu(LN(z)).
"""

Row = tuple[Fraction, ...]
Matrix = tuple[Row, ...]
ZERO, ONE, HALF = Fraction(0), Fraction(1), Fraction(1, 2)

# ------------------------------------------------------------------------ exact linear algebra


def exact(rows: Any) -> Array:
    """An object array of Fractions."""
    return np.array(rows, dtype=object)


def identity(size: int) -> Array:
    return exact([[Fraction(i == j) for j in range(size)] for i in range(size)])


def rows(matrix: Any) -> Matrix:
    """The inverse of `exact`."""
    return tuple(tuple(map(Fraction, row)) for row in matrix)


def show(matrix: Any) -> str:
    """[1 0; 0 1]: how matrices are printed here."""
    return f"[{'; '.join(' '.join(map(str, row)) for row in matrix)}]"


def kernel(matrix: Array) -> list[Array]:
    """A basis of {v: matrix v = 0}, exactly."""
    left, pivots = matrix.copy(), list[int]()
    columns = left.shape[1]
    for column in range(columns):
        top = len(pivots)
        found = [i for i in range(top, len(left)) if left[i, column] != 0]
        if found:
            left[[top, found[0]]] = left[[found[0], top]]
            left[top] = left[top] / left[top, column]
            for i in range(len(left)):
                if i != top:
                    left[i] = left[i] - left[i, column] * left[top]
            pivots.append(column)
    basis = []
    for free in set(range(columns)) - set(pivots):
        v = exact([ZERO] * columns)
        v[free] = ONE
        for i, column in enumerate(pivots):
            v[column] = -left[i, free]
        basis.append(v)
    return basis


def relu(z: Array) -> Array:
    return np.asarray(z * (z > 0).astype(int))


def positive(matrix: Array, strictly: bool = False) -> bool:
    """Whether v' matrix v >= 0 for all v, or > 0 for all v but 0, exactly (by elimination)."""
    left = matrix.copy()
    for i in range(len(left)):
        if left[i, i] < 0 or (strictly and left[i, i] == 0):
            return False
        if left[i, i] == 0:
            if left[i].any():
                return False
            continue
        left = left - np.outer(left[:, i], left[i]) / left[i, i]
    return True


# ------------------------------------------------------------------------------- the instances


@dataclass(frozen=True)
class Regression:
    """Features phi (states, N) and heads w (N, M) at time 0, and a time t."""

    transition: Matrix
    gamma: Fraction
    phi: Matrix
    w: Matrix
    t: Fraction = ONE

    def __str__(self) -> str:
        return (
            f"P = {show(self.transition)}, γ = {self.gamma}, Φ = {show(self.phi)}, "
            f"W = {show(self.w)}, t = {self.t}"
        )

    def a(self) -> Array:
        return np.asarray(identity(len(self.phi)) - self.gamma * exact(self.transition))

    def gram(self) -> Array:
        """The sum over the heads of w w', (N, N)."""
        w = exact(self.w)
        return np.asarray(w @ w.T)

    def balance(self) -> Array:
        """D = Phi'Phi - W W' at time 0, (N, N)."""
        phi = exact(self.phi)
        return np.asarray(phi.T @ phi - self.gram())


@dataclass(frozen=True)
class Classifier:
    """Features psi (N, states), and final weights ln 2 times w (N, G) for bins at `centres`.

    `encode` names the targets: "direct" (gamma P phat, as the paper's proof has it), "zero-bin"
    (the mass that lacks is put on the first bin), "two-hot" or "C51".
    """

    transition: Matrix
    gamma: Fraction
    psi: Matrix
    w: Matrix
    centres: Row
    encode: str

    def __str__(self) -> str:
        return (
            f"P = {show(self.transition)}, γ = {self.gamma}, Ψ = {show(self.psi)}, "
            f"W = ln 2 · {show(self.w)}, z = {vector(self.centres)}, {self.encode} targets"
        )


@dataclass(frozen=True)
class Head:
    """Pre-activations z (states, N) of a ReLU layer; logits relu(z) W + c, where W = ln 2 w and
    c = ln 2 bias; two-hot targets on `centres`, and every state goes to itself."""

    z: Matrix
    w: Matrix
    bias: Row
    centres: Row
    gamma: Fraction

    def __str__(self) -> str:
        return (
            f"z = {show(self.z)}, W = ln 2 · {show(self.w)}, c = ln 2 · {vector(self.bias)}, "
            f"bins at {vector(self.centres)}, γ = {self.gamma}"
        )


@dataclass(frozen=True)
class Bins:
    """Equal bins on [low, high]; sigma in units of a bin's width."""

    low: Fraction
    high: Fraction
    bins: int
    gamma: Fraction
    sigma: Fraction = Fraction(3, 4)

    def __str__(self) -> str:
        return (
            f"{self.bins} bins on [{self.low}, {self.high}], γ = {self.gamma}, "
            f"σ = {self.sigma} bins"
        )

    def width(self) -> Fraction:
        return (self.high - self.low) / self.bins

    def centres(self) -> Row:
        return tuple(self.low + (i + HALF) * self.width() for i in range(self.bins))

    def read(self, value: float) -> tuple[Array, float]:
        """The HL-Gauss histogram of a value, and the value that is read from it (floats)."""
        edges = losses.bin_edges(float(self.low), float(self.high), self.bins)
        masses, _ = losses.hl_gauss(np.array([value]), edges, float(self.sigma * self.width()))
        return masses[0], float(losses.decode(masses, losses.centres(edges))[0])


# Neuron Dominance, B.2: sigma is 0.75 in the units of the values.
PAPER = Bins(ZERO, Fraction(100), 101, Fraction(99, 100), Fraction(3, 4) / Fraction(100, 101))


@dataclass(frozen=True)
class Normed:
    """One sample's pre-activations z (N,) before LayerNorm, its shift, and outgoing weights v."""

    z: Row
    shift: Fraction = ZERO
    v: Row = ()

    def __str__(self) -> str:
        shift = f", shift = {self.shift}" if self.shift else ""
        return f"z = {vector(self.z)}{shift}" + (f", v = {vector(self.v)}" if self.v else "")

    def centred(self) -> Array:
        """z - mean z: LayerNorm(z) but for the positive factor 1 / std."""
        return np.asarray(exact(self.z) - sum(self.z) / Fraction(len(self.z)))

    def variance(self) -> Fraction:
        return Fraction((self.centred() ** 2).sum()) / len(self.z)


# ------------------------------------------------------------------------ how they are drawn


def chain(states: int, kind: int, numbers: list[int]) -> Matrix:
    """General, identity, a cycle, or all into the first state, by kind."""
    if kind == 1:
        return rows(identity(states))
    if kind == 2:
        return rows(np.roll(identity(states), 1, axis=1))
    if kind == 3:
        return rows([[int(j == 0) for j in range(states)]] * states)
    weights = np.abs(np.array(numbers)).reshape(states, states)
    weights += np.diag((weights.sum(1) == 0).astype(int))  # a row of zeros stays where it is
    return tuple(tuple(Fraction(int(x), int(row.sum())) for x in row) for row in weights)


def shaped(numbers: list[int], columns: int) -> Matrix:
    return rows(np.array(numbers).reshape(-1, columns))


def integers(count: int) -> SearchStrategy[list[int]]:
    return st.lists(st.integers(-2, 2), min_size=count, max_size=count)


GAMMAS = (HALF, ZERO, Fraction(1, 4), Fraction(9, 10))
GAMMAS_TO_1 = (*GAMMAS, ONE)
TIMES = (ONE, HALF, Fraction(1, 4), ZERO)
ROTATION = ((Fraction(3, 5), Fraction(4, 5)), (Fraction(-4, 5), Fraction(3, 5)))
BALANCED_SIZES = ((1, 1, 1), (1, 2, 2), (2, 1, 1), (2, 2, 2), (3, 2, 2), (3, 3, 3))
SIZES = ((1, 1, 1), (1, 2, 1), (1, 2, 2), (2, 1, 1), (2, 2, 1), (2, 2, 2), (3, 2, 2), (3, 3, 3))


def heads(width: int, count: int, kind: str, numbers: list[int]) -> Matrix:
    """Any; or such that sum w w' = I, where there are enough; or strong ones."""
    if kind == "balanced" and width == count == 2 and numbers[0] > 0:
        return ROTATION
    if kind != "any":
        return rows((1 if kind == "balanced" else 3) * np.eye(width, count, dtype=int))
    return shaped(numbers, count)


def regressions(
    size: tuple[int, int, int],
    gammas: tuple[Fraction, ...] = GAMMAS,
    kinds: tuple[str, ...] = ("any", "any", "balanced", "strong"),
) -> SearchStrategy[Regression]:
    """Of a size (states, N, M); `kinds` are those of the heads, drawn equally often."""
    states, width, count = size
    cut, end = states * states, states * (states + width)

    def build(drawn: tuple[int, int, int, int, list[int]]) -> Regression:
        kind, gamma, which, t, numbers = drawn
        return Regression(
            chain(states, kind, numbers[:cut]),
            gammas[gamma],
            shaped(numbers[cut:end], width),
            heads(width, count, kinds[which], numbers[end:]),
            TIMES[t],
        )

    few, discounts = st.integers(0, 3), st.integers(0, len(gammas) - 1)
    which = st.integers(0, len(kinds) - 1)
    return st.tuples(few, discounts, which, few, integers(end + width * count)).map(build)


regressions_to_1 = partial(regressions, gammas=GAMMAS_TO_1)
balanced_or_not = partial(regressions, kinds=("any", "balanced", "balanced", "balanced"))
strong_or_not = partial(regressions, kinds=("any", "balanced", "strong", "strong"))
spanning_or_not = partial(balanced_or_not, gammas=GAMMAS_TO_1)


ENCODERS = ("direct", "two-hot", "C51", "zero-bin")


def supports(bins: int, kind: int, numbers: list[int]) -> Row:
    """Increasing centres: from 0 on in unit steps, symmetric, or any."""
    if kind == 0:
        return tuple(Fraction(i) for i in range(bins))
    if kind == 1:
        return tuple(Fraction(2 * i - bins + 1, 2) for i in range(bins))
    steps = np.cumsum(np.abs(numbers[1:]) + 1)
    return tuple(Fraction(numbers[0] + int(x)) for x in [0, *steps])


def classifiers(
    size: tuple[int, int, int],
    gammas: tuple[Fraction, ...] = GAMMAS_TO_1,
    encoders: tuple[str, ...] = ENCODERS,
    features: tuple[str, ...] = ("zero", "constant", "any", "any"),
    scale: int = 1,
) -> SearchStrategy[Classifier]:
    """Of a size (states, N, G); `encoders` and kinds of `features` are drawn equally often."""
    states, width, bins = size
    cut = states * states
    end = cut + width * states
    last = end + width * bins

    def build(drawn: tuple[int, int, int, int, int, list[int]]) -> Classifier:
        kind, gamma, which, encode, support, numbers = drawn
        psi = np.array(numbers[cut:end]).reshape(width, states)
        psi = {"zero": 0 * psi, "constant": psi[:, :1] + 0 * psi, "any": psi}[features[which]]
        return Classifier(
            chain(states, kind, numbers[:cut]),
            gammas[gamma],
            rows(psi),
            shaped([scale * x for x in numbers[end:last]], bins),
            supports(bins, support, numbers[last:]),
            encoders[encode],
        )

    few, discounts = st.integers(0, 3), st.integers(0, len(gammas) - 1)
    which, encode = (st.integers(0, len(some) - 1) for some in (features, encoders))
    return st.tuples(few, discounts, which, encode, few, integers(last + bins)).map(build)


discounted_classifiers = partial(classifiers, gammas=GAMMAS)
direct_or_not = partial(
    classifiers, encoders=("direct", "direct", "two-hot"), features=("any", "any", "constant")
)
collapsed_or_not = partial(classifiers, features=("zero", "zero", "any"))
strong_weights_or_not = partial(classifiers, features=("constant", "any"), scale=2)
first_bin_or_not = partial(collapsed_or_not, encoders=("zero-bin", "zero-bin", "direct"))
projected_or_not = partial(collapsed_or_not, encoders=("two-hot", "C51", "two-hot", "zero-bin"))


LOGITS = ((1, 1, 2), (1, 1, 3), (2, 1, 2), (2, 2, 2), (2, 2, 3), (3, 2, 4))  # states, N, bins


def dead_or_alive(size: tuple[int, int, int]) -> SearchStrategy[Head]:
    """Of a size (states, N, G); mostly z <= 0, and often bins and a bias that fit each other."""
    states, width, bins = size
    end = width * states
    last = end + width * bins

    def build(drawn: tuple[int, int, int, list[int]]) -> Head:
        kind, support, gamma, numbers = drawn
        z = np.array(numbers[:end]).reshape(states, width)
        fits = kind < 2 and bins == 2
        return Head(
            rows(z if kind == 3 else -np.abs(z)),
            shaped(numbers[end:last], bins),
            # two-hot of 0 on (-1, 2) is (2/3, 1/3) = softmax(ln 2 (1, 0))
            (ONE, ZERO) if fits else tuple(map(Fraction, numbers[last : last + bins])),
            (-ONE, Fraction(2)) if fits else supports(bins, support, numbers[last + bins :]),
            GAMMAS[gamma],
        )

    few = st.integers(0, 3)
    return st.tuples(few, few, few, integers(last + 2 * bins)).map(build)


def bin_sets(bins: int) -> SearchStrategy[Bins]:
    def build(drawn: tuple[int, int, int, int]) -> Bins:
        low, span, gamma, sigma = map(Fraction, drawn)
        return Bins(low, low + span, bins, GAMMAS[int(gamma)], sigma / 4)

    numbers = st.integers(-4, 2), st.integers(1, 8), st.integers(0, 3), st.integers(2, 12)
    return st.tuples(*numbers).map(build)


def bins_from_0_or_not(bins: int) -> SearchStrategy[Bins]:
    moved = bin_sets(bins).map(lambda b: replace(b, low=ZERO, high=b.high - b.low))
    return st.one_of(moved, moved, bin_sets(bins))


def normed(width: int) -> SearchStrategy[Normed]:
    def build(drawn: tuple[int, int, list[int]]) -> Normed:
        kind, shift, numbers = drawn
        z = numbers[:width] if kind else [numbers[0]] * width
        return Normed(
            tuple(map(Fraction, z)), Fraction(-shift), tuple(map(Fraction, numbers[width:]))
        )

    return st.tuples(st.integers(0, 3), st.integers(0, 3), integers(2 * width)).map(build)


# ------------------------------------------------------------------ regression: the flows

# solve_ivp holds the local error of a step, which is estimated, below ATOL + RTOL times the value.
RTOL, ATOL = 1e-9, 1e-10
# Entries here stay below 10 and steps are fewer than 200. Local errors can only add up, for eq. (6)
# because the flow contracts, for the others because the exact flow conserves D and V never grows;
# a quadratic quantity moves by 2 * 10 times a local error. In all 200 * 2 * 10 * (ATOL + 10 * RTOL)
# = 4.04e-5.
INTEGRATED = 4.04e-5
# Sums and products of fewer than 100 numbers below 100, singular values and exponentials of small
# matrices: each has a relative error of a few 2^-52, all together less than 1e-11.
ROUNDED = 1e-11


def fixed_heads(r: Regression) -> Array:
    """The semi-gradient flow of Phi for fixed heads: -A Phi sum w w'. (states, N)"""
    return -(r.a() @ exact(r.phi) @ r.gram())


def learned_heads(r: Regression) -> tuple[Array, Array]:
    """The semi-gradient flow of Phi and of W, whose error is E = A Phi W."""
    phi, w = exact(r.phi), exact(r.w)
    error = r.a() @ phi @ w
    return -error @ w.T, -phi.T @ error


def integrate(r: Regression, learned: bool) -> tuple[Array, Array]:
    """Phi_t and W_t, in floats."""
    a, phi, w = (np.asarray(x, float) for x in (r.a(), r.phi, r.w))
    cut = phi.size

    def slope(_: float, state: Array) -> Array:
        phi_t, w_t = state[:cut].reshape(phi.shape), state[cut:].reshape(w.shape)
        error = a @ phi_t @ w_t
        move_w = phi_t.T @ error if learned else 0 * w_t
        return -np.concatenate([(error @ w_t.T).ravel(), move_w.ravel()])

    start = np.concatenate([phi.ravel(), w.ravel()])
    done = solve_ivp(slope, (0, float(r.t)), start, method="DOP853", rtol=RTOL, atol=ATOL)
    end = done.y[:, -1]
    return end[:cut].reshape(phi.shape), end[cut:].reshape(w.shape)


def closed_form(r: Regression) -> Array:
    """exp(-t (I - gamma P)) Phi_0, in floats: e^-t exp(t gamma P), without cancellation."""
    t, p = float(r.t), np.asarray(r.transition, float)
    grown = expm(t * float(r.gamma) * p) @ np.asarray(r.phi, float)
    return np.asarray(math.exp(-t) * grown)


def balanced(r: Regression) -> bool:
    return bool((r.gram() == identity(len(r.w))).all())


def square(r: Regression) -> bool:
    return len(r.phi) == len(r.w)


def heads_not_zero(r: Regression) -> bool:
    return bool(all(column.any() for column in exact(r.w).T))


def heads_span(r: Regression) -> bool:
    return positive(r.gram(), strictly=True)


def discounted(r: Regression | Classifier) -> bool:
    return r.gamma < 1


BALANCED = Assumption(
    "balanced heads", "Σ_m w^m w^m' = I, and the heads are fixed", balanced, False
)
SQUARE = Assumption("square", "N = |X|, so that the product exists", square)
DISCOUNTED = Assumption("discounted", "γ < 1", discounted)
HEADS = Assumption("no head is 0", "w^m ≠ 0 for every m", heads_not_zero)
SPANNING = Assumption("spanning heads", "Σ_m w^m w^m' > 0: the heads span R^N", heads_span, False)


# ------------------------------------------------------------------ eqs. (5) and (6) as printed


def flow_as_printed(r: Regression) -> bool:
    psi = exact(r.phi).T
    if psi.shape[0] != len(r.transition):
        return False  # (I - gamma P) Psi does not exist
    return bool((-(r.a() @ psi) == fixed_heads(r).T).all())


def printed_steps(r: Regression) -> list[str]:
    psi, a = exact(r.phi).T, r.a()
    lines = [f"Ψ = {show(psi)} is {psi.shape[0]} × {psi.shape[1]}", f"I - γP = {show(a)}"]
    if psi.shape[0] == len(a):
        lines.append(f"as printed:       ∂Ψ = -(I - γP) Ψ  = {show(-(a @ psi))}")
    else:
        lines.append(f"(I - γP) Ψ does not exist: {len(a)} columns against {psi.shape[0]} rows")
    return [*lines, f"semi-gradient:    ∂Ψ = -Ψ (I - γP)' = {show(fixed_heads(r).T)}"]


def descends_the_squared_norm(r: Regression) -> bool:
    """Whether the semi-gradient is a positive multiple of the gradient of |A Phi W|^2."""
    semi = -fixed_heads(r).ravel()
    full = (r.a().T @ r.a() @ exact(r.phi) @ r.gram()).ravel()
    parallel = (np.outer(semi, full) == np.outer(full, semi)).all()
    return bool(parallel and (semi @ full > 0 or not semi.any()))


def squared_norm_steps(r: Regression) -> list[str]:
    a, phi, gram = r.a(), exact(r.phi), r.gram()
    return [
        f"I - γP = A = {show(a)}, Σ w w' = {show(gram)}",
        f"∇ of |A Φ W|² / 2:               A'A Φ Σww' = {show(a.T @ a @ phi @ gram)}",
        f"semi-gradient, as eq. (5) has it:  A Φ Σww' = {show(a @ phi @ gram)}, no multiple of it",
    ]


def ends_at_zero(r: Regression) -> bool:
    """Whether Phi_t -> 0 for fixed heads, exactly.

    What Phi does in the kernel of sum w w' never moves; elsewhere exp(-t A) tends to the
    projection on the kernel of A, which is 0 on Phi iff the left kernel of A is orthogonal to it.
    """
    phi = exact(r.phi)
    stays = [phi @ v for v in kernel(r.gram())] + [v @ phi for v in kernel(r.a().T)]
    return not any(kept.any() for kept in stays)


def fixed_heads_steps(r: Regression) -> list[str]:
    phi = exact(r.phi)
    lines = [f"Σ w w' = {show(r.gram())}"]
    for v in kernel(r.gram()):
        lines += [f"v = {vector(v)} has Σ w w' v = 0, so ∂(Φ v) = -A Φ (Σ w w' v) = 0:"]
        lines += [f"Φ_t v = Φ_0 v = {vector(phi @ v)} for ever"]
    return lines


def follows_the_closed_form(r: Regression) -> bool:
    return bool(np.abs(integrate(r, learned=False)[0] - closed_form(r)).max() <= INTEGRATED)


def transposed_flow(r: Regression) -> bool:
    return bool((fixed_heads(r) == -(r.a() @ exact(r.phi))).all())


def norm_slack(r: Regression) -> float:
    largest = float(np.abs(exact(r.phi)).max())
    bound = math.exp(-float((1 - r.gamma) * r.t)) * largest
    return bound - float(np.abs(closed_form(r)).max())


def norm_falls(r: Regression) -> bool:
    return norm_slack(r) >= -ROUNDED


def spread(phi: Array) -> Array:
    """Over the states, of each feature."""
    return np.asarray(phi.max(axis=0) - phi.min(axis=0))


def dobrushin(transition: Matrix) -> Fraction:
    """The largest total variation between two rows of P: 0 if all are equal, at most 1."""
    p = exact(transition)
    return max(Fraction(abs(x - y).sum()) / 2 for x in p for y in p)


def spread_slack(r: Regression) -> float:
    rate = 1 - r.gamma * dobrushin(r.transition)
    bound = math.exp(-float(rate * r.t)) * spread(np.asarray(r.phi, float))
    return float((bound - spread(closed_form(r))).min())


def spread_falls(r: Regression) -> bool:
    return spread_slack(r) >= -ROUNDED


def rate_curve(slack: Callable[[Regression], float], name: str) -> Curve:
    """The largest feature, or the spread, of Phi_0 = (1, 0) on a chain of two states."""
    chain = ((Fraction(3, 4), Fraction(1, 4)), (HALF, HALF))
    values, truth, bound = [k / 4 for k in range(33)], [], []
    for t in values:
        r = Regression(chain, Fraction(9, 10), ((ONE,), (ZERO,)), ((ONE,),), Fraction(t))
        phi = closed_form(r)
        truth.append(float(spread(phi)[0] if name == "spread" else np.abs(phi).max()))
        bound.append(truth[-1] + slack(r))
    return Curve("t", values, {f"{name} of Φ_t": truth, "bound": bound}, name)


def norm_curve() -> Curve:
    return rate_curve(norm_slack, "norm")


def spread_curve() -> Curve:
    return rate_curve(spread_slack, "spread")


def direction(r: Regression) -> Array:
    """The limit of e^((1 - gamma) t) Phi_t = exp(-t gamma (I - P)) Phi_0, exactly.

    It is R (L R)^-1 L Phi_0, where R and L span the right and the left kernel of gamma (I - P).
    """
    generator = r.gamma * (identity(len(r.phi)) - exact(r.transition))
    right, left = exact(kernel(generator)).T, exact(kernel(generator.T))
    inner = left @ right
    aim = left @ exact(r.phi)
    # (L R)^-1 aim, column by column: the kernel of (L R | -aim) scaled to end with 1
    parts = [kernel(np.column_stack([inner, -column]))[0] for column in aim.T]
    return np.asarray(right @ exact([part[:-1] / part[-1] for part in parts]).T)


def direction_constant(r: Regression) -> bool:
    limit = direction(r)
    return bool((limit == limit[0]).all())


def one_class(r: Regression | Classifier) -> bool:
    return len(kernel(identity(len(r.transition)) - exact(r.transition))) == 1


def looks_ahead(r: Regression) -> bool:
    return r.gamma > 0


ONE_CLASS = Assumption("one class", "P has one recurrent class: π'P = π' once", one_class, False)
AHEAD = Assumption("looks ahead", "γ > 0", looks_ahead, False)

# ------------------------------------------------------------------ regression: learned heads


def value_not_zero(r: Regression) -> bool:
    return bool((exact(r.phi) @ exact(r.w)).any())


def may_collapse(r: Regression) -> bool:
    """D <= 0, exactly. If Phi_t -> 0 then v'Dv = lim |Phi_t v|^2 - |W_t'v|^2 <= 0 for every v."""
    return positive(-r.balance())


def learned_steps(r: Regression) -> list[str]:
    d = r.balance()
    return [
        f"Φ'Φ - WW' = {show(d)} at t = 0",
        "∂(Φ'Φ) = -(W E'Φ + Φ'E W') = ∂(WW') for any error E: the difference never changes",
        "so Φ_t'Φ_t = D + W_t W_t' ≥ D, and if Φ_t went to 0 then D ≤ 0; but",
        *[f"D_{i + 1}{i + 1} = {d[i, i]} > 0, so |Φ_t e_{i + 1}|² ≥ {d[i, i]} for ever"
          for i in range(len(d)) if d[i, i] > 0],
    ]  # fmt: skip


def conserved(r: Regression) -> bool:
    phi, w = exact(r.phi), exact(r.w)
    move_phi, move_w = learned_heads(r)
    rise, other = move_phi.T @ phi, move_w @ w.T
    return not (rise + rise.T - other - other.T).any()


def conserved_for_all_reals(size: int) -> bool:
    """With any error signal E, for `size` states, features and heads."""
    import z3

    def matrix(name: str) -> Any:
        return np.array([[z3.Real(f"{name}{i}{j}") for j in range(size)] for i in range(size)])

    phi, w, error = matrix("phi"), matrix("w"), matrix("e")
    rise, other = (-error @ w.T).T @ phi, (-phi.T @ error) @ w.T
    drift = rise + rise.T - other - other.T
    solver = z3.Solver()
    solver.add(z3.Or([z3.simplify(x, som=True) != 0 for x in drift.ravel()]))
    return bool(solver.check() == z3.unsat)


def singular_slack(r: Regression) -> float:
    """Of sigma_i(Phi_t)^2 >= sigma_(i + M)(Phi_0)^2, the least over i; infinite without an i."""

    def squares(phi: Array) -> Array:
        return np.asarray(np.linalg.eigvalsh(phi.T @ phi)[::-1])

    now, start = squares(integrate(r, learned=True)[0]), squares(np.asarray(r.phi, float))
    count = len(r.w[0])
    return float(np.min(now[: len(now) - count] - start[count:], initial=math.inf))


def singular_values_stay(r: Regression) -> bool:
    return singular_slack(r) >= -INTEGRATED


def weights_of_states(r: Regression) -> Array:
    """d' = (1 - gamma) u' (I - gamma P)^-1, u uniform: where a discounted walk is, exactly."""
    states = len(r.phi)
    start = exact([(1 - r.gamma) / states] * states)
    found = kernel(np.column_stack([r.a().T, -start]))[0]
    return np.asarray(found[:-1] / found[-1])


def norm_never_grows(r: Regression) -> bool:
    """-dV/dt / 2 = tr(Y'dAY) >= (1 - sqrt gamma) tr(Y'dY) >= 0 with Y = Phi W, exactly."""
    d, y = weights_of_states(r), exact(r.phi) @ exact(r.w)
    move, _ = learned_heads(r)
    falls = -(d[:, None] * exact(r.phi) * move).sum()
    whole = (d[:, None] * y * y).sum()
    gap = whole - falls  # falls >= (1 - sqrt gamma) whole  iff  gap <= sqrt(gamma) whole
    return bool(gap <= 0 or gap * gap <= r.gamma * whole * whole)


def strong_slack(r: Regression) -> float:
    """Of V_t <= V_0 / (1 + 2 (1 - sqrt gamma) V_0 t / (min(N, states) max d))."""
    d = np.asarray(weights_of_states(r), float)[:, None]
    start = float((d * np.asarray(r.phi, float) ** 2).sum())
    rate = 2 * (1 - math.sqrt(r.gamma)) / (min(len(r.phi), len(r.w)) * d.max())
    now, _ = integrate(r, learned=True)
    return float(start / (1 + rate * start * float(r.t)) - (d * now**2).sum())


def strong_heads_collapse(r: Regression) -> bool:
    return strong_slack(r) >= -INTEGRATED


VALUE = Assumption("values are not 0", "Φ_0 W_0 ≠ 0: there is something to learn", value_not_zero)
STRONG = Assumption("strong heads", "Φ_0'Φ_0 ≤ W_0 W_0' (as matrices)", may_collapse, False)

# -------------------------------------------------------------------- classification: the flows


def softmax(logits: Any) -> Array:
    """Of logits that are integers times ln 2: quotients of powers of 2, exactly."""
    powers = exact([[Fraction(2) ** int(x) for x in row] for row in logits])
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def predictions(c: Classifier) -> Array:
    """phat (states, G)."""
    return softmax(exact(c.psi).T @ exact(c.w))


def two_hot(centres: Row, value: Fraction) -> list[Fraction]:
    """The two-hot histogram of a value, clipped to the first and last centre, exactly."""
    value = min(max(value, centres[0]), centres[-1])
    above = next(i for i, z in enumerate(centres) if value <= z and i > 0)
    weight = (value - centres[above - 1]) / (centres[above] - centres[above - 1])
    masses = [ZERO] * len(centres)
    masses[above - 1 : above + 1] = [1 - weight, weight]
    return masses


def targets(c: Classifier, phat: Array) -> Array:
    """What the states (states, G) learn without reward."""
    backup = exact(c.transition) @ phat
    if c.encode in ("direct", "zero-bin"):
        masses = c.gamma * backup
        masses[:, 0] = masses[:, 0] + (1 - c.gamma if c.encode == "zero-bin" else 0)
        return np.asarray(masses)
    if c.encode == "two-hot":
        return exact([two_hot(c.centres, c.gamma * v) for v in backup @ exact(c.centres)])
    return np.asarray(backup @ exact([two_hot(c.centres, c.gamma * z) for z in c.centres]))  # C51


def semi_gradient(c: Classifier) -> tuple[Array, Array]:
    """Minus the gradients of W and Psi / ln 2, bin by bin as eqs. (18) and (19) have them.

    For any p, whatever its sum: dW = sum_i psi p_i (e_i - phat)', dpsi = sum_i p_i (w^i - W phat).
    """
    phat, psi, w = predictions(c), exact(c.psi), exact(c.w)
    unit = identity(len(c.centres))
    move_w, columns = 0 * w, []
    for x, p in enumerate(targets(c, phat)):
        move_w = move_w + sum(p[i] * np.outer(psi[:, x], unit[i] - phat[x]) for i in range(len(p)))
        columns.append(sum(p[i] * (w[:, i] - w @ phat[x]) for i in range(len(p))))
    return move_w, exact(columns).T


def outer_flows(c: Classifier, error: Array) -> tuple[Array, Array]:
    """Psi E and W E' / ln 2 for an E (states, G) in the place of p - phat."""
    return exact(c.psi) @ error, exact(c.w) @ error.T


def printed_flow(c: Classifier) -> tuple[Array, Array]:
    """The right hand sides of eqs. (7) and (8), the second by ln 2."""
    move = c.gamma * exact(c.transition) - identity(len(c.transition))
    return outer_flows(c, move @ predictions(c))


def equal(x: tuple[Array, ...], y: tuple[Array, ...]) -> bool:
    return all(bool((a == b).all()) for a, b in zip(x, y, strict=True))


def direct(c: Classifier) -> bool:
    return c.encode == "direct"


def simplex(c: Classifier) -> bool:
    return c.encode != "direct"


def features_zero(c: Classifier) -> bool:
    return not exact(c.psi).any()


def features_constant(c: Classifier) -> bool:
    psi = exact(c.psi)
    return bool((psi == psi[:, :1]).all())


def weights_matter(c: Classifier) -> bool:
    """The columns of W are not all one: the features have a say in phat. And they do not cancel."""
    w = exact(c.w)
    return bool((w != w[:, :1]).any())


def sum_matters(c: Classifier) -> bool:
    return bool(exact(c.w).sum(axis=1).any())


def mass_one(c: Classifier) -> bool:
    return bool((targets(c, predictions(c)).sum(axis=1) == 1).all())


DIRECT = Assumption("p = γPp̂", "the targets are γ P p̂, as in the printed proof", direct)
SIMPLEX = Assumption("simplex", "the targets are distributions: zero-bin, two-hot, C51", simplex)
COLLAPSED = Assumption("collapsed", "Ψ = 0", features_zero)
CONSTANT = Assumption("state-constant", "Ψ = ψ 1'", features_constant)
MATTERS = Assumption("W matters", "the columns of W are not all equal", weights_matter)
SUM_MATTERS = Assumption("W1 ≠ 0", "the columns of W do not sum to 0", sum_matters)
MASS = Assumption("mass 1", "Σ_i p_i(x) = 1 for every x", mass_one, False)


# ------------------------------------------------------------------------- Theorem 3, as printed


def theorem_3(c: Classifier) -> bool:
    return equal(semi_gradient(c), printed_flow(c))


def theorem_3_steps(c: Classifier) -> list[str]:
    phat = predictions(c)
    p = targets(c, phat)
    move_w, move_psi = semi_gradient(c)
    printed_w, printed_psi = printed_flow(c)
    return [
        f"p̂ = softmax(Ψ'W) = {show(phat)}",
        f"p = γ P p̂ = {show(p)}, rows sum to {vector(p.sum(axis=1))}",
        f"eq. (18), Σ_i ψ p_i (e_i - p̂)':    ∂W = {show(move_w)}",
        f"eq. (7),  Ψ (γP - I) p̂:            ∂W = {show(printed_w)}",
        f"eq. (19), Σ_i p_i (w^i - W p̂):     ∂Ψ = ln 2 · {show(move_psi)}",
        f"eq. (8),  W ((γP - I) p̂)':         ∂Ψ = ln 2 · {show(printed_psi)}",
    ]


# ------------------------------------------------------------- Theorem 3, line by line and repaired


def line_22(c: Classifier) -> bool:
    """Psi (p - phat) and W (p - phat)', as line (22) has them."""
    phat = predictions(c)
    return equal(semi_gradient(c), outer_flows(c, targets(c, phat) - phat))


def theorem_3_derived(c: Classifier) -> bool:
    """gamma Psi (P - I) phat and gamma W ((P - I) phat)'."""
    move = c.gamma * (exact(c.transition) - identity(len(c.transition)))
    return equal(semi_gradient(c), outer_flows(c, move @ predictions(c)))


def no_softmax_loss(c: Classifier) -> bool:
    """Logit gradients J'g, J = diag(phat) - phat phat', sum to 0; what (7) has instead does not.

    As the slope g of a loss in phat stand here the centres, which are any numbers.
    """
    phat = predictions(c)
    slopes = [np.diag(p) @ c.centres - p * (p @ exact(c.centres)) for p in phat]
    move = c.gamma * exact(c.transition) - identity(len(phat))
    printed = (move @ phat).sum(axis=1)
    return not any(slope.sum() for slope in slopes) and bool((printed == c.gamma - 1).all())


def no_softmax_loss_for_all_reals(bins: int) -> bool:
    import z3

    p, g = ([z3.Real(f"{name}{i}") for i in range(bins)] for name in "pg")
    mean = z3.Sum([x * y for x, y in zip(p, g, strict=True)])
    total = z3.Sum([x * (y - mean) for x, y in zip(p, g, strict=True)])
    solver = z3.Solver()
    solver.add(z3.Sum(p) == 1, total != 0)
    return bool(solver.check() == z3.unsat)


def full_rank_lost(c: Classifier) -> bool:
    """Psi Psi' - W W' > 0 fails; where it holds, Psi_t Psi_t' is at least that for ever.

    W W' is (ln 2)^2 w w' <= w w' / 2, so that the test below is exact and never says False wrongly.
    """
    psi, w = exact(c.psi), exact(c.w)
    return not positive(psi @ psi.T - w @ w.T / 2, strictly=True)


def predictions_agree(c: Classifier) -> bool:
    phat = predictions(c)
    return bool((phat == phat[0]).all())


def weights_strong(c: Classifier) -> bool:
    """Psi Psi' <= (W - wbar 1') (W - wbar 1')', in fact <= 12/25 of it by (ln 2)^2 > 12/25."""
    psi, w = exact(c.psi), exact(c.w)
    centred = w - w.sum(axis=1, keepdims=True) / Fraction(len(c.centres))
    return positive(centred @ centred.T * Fraction(12, 25) - psi @ psi.T)


def wide(c: Classifier) -> bool:
    return len(c.psi) > 1


def rank_steps(c: Classifier) -> list[str]:
    psi, w = exact(c.psi), exact(c.w)
    return [
        f"ΨΨ' = {show(psi @ psi.T)}, WW' = (ln 2)² · {show(w @ w.T)}, and (ln 2)² < 1/2",
        "∂(ΨΨ') = ∂(WW') = W E'Ψ' + Ψ E W' for any error E = p - p̂: D = ΨΨ' - WW' never changes",
        f"D ≥ {show(psi @ psi.T - w @ w.T / 2)} > 0, so Ψ_t Ψ_t' = D + W_t W_t' > 0 for ever",
        "ψ 1' has rank 1, so Ψ_t keeps a distance from all of these",
    ]


def hl_gauss_flow(c: Classifier, psi: Array, w: Array) -> tuple[Array, Array]:
    """(dPsi, dW) of line (22) in floats, W itself and not by ln 2: HL-Gauss targets without reward.

    On as many bins of width 1 from 0 on as W has columns.
    """
    bins = Bins(ZERO, Fraction(len(c.centres)), len(c.centres), c.gamma)
    edges = losses.bin_edges(0.0, float(bins.high), bins.bins)
    phat = special.softmax(psi.T @ w, axis=1)
    backup = np.asarray(c.transition, float) @ losses.decode(phat, losses.centres(edges))
    error = losses.hl_gauss(float(c.gamma) * backup, edges, float(bins.sigma))[0] - phat
    return w @ error.T, psi @ error


def differences(c: Classifier, until: float = 10_000) -> list[float]:
    """The largest difference of two states' p̂ on the way of that flow from t = 0 on."""
    psi, w = np.asarray(c.psi, float), math.log(2) * np.asarray(c.w, float)
    cut = psi.size

    def split(state: Array) -> tuple[Array, Array]:
        return state[:cut].reshape(psi.shape), state[cut:].reshape(w.shape)

    def slope(_: float, state: Array) -> Array:
        return np.concatenate([move.ravel() for move in hl_gauss_flow(c, *split(state))])

    start = np.concatenate([psi.ravel(), w.ravel()])
    way = solve_ivp(slope, (0, until), start, method="LSODA", rtol=RTOL, atol=ATOL).y.T
    logits = [psi_t.T @ w_t for psi_t, w_t in map(split, way)]
    return [float(spread(special.softmax(x, axis=1)).max()) for x in logits]


def predictions_close(c: Classifier) -> bool:
    """What can be seen of a limit 0: the differences at t = 10,000."""
    return differences(c)[-1] <= INTEGRATED


def error_sums_cancel(c: Classifier) -> bool:
    """d(Psi Psi') = d(W W'), both by ln 2: the law of `conserved`, for cross-entropy."""
    move_w, move_psi = semi_gradient(c)
    rise, other = move_psi @ exact(c.psi).T, move_w @ exact(c.w).T
    return not (rise + rise.T - other - other.T).any()


AGREE = Assumption("predictions agree", "p̂(x) is the same for all x", predictions_agree)
STRONG_W = Assumption(
    "strong weights", "ΨΨ' ≤ (W - w̄1')(W - w̄1')', which no training changes", weights_strong
)
WIDE = Assumption("wide", "N ≥ 2", wide)


# --------------------------------------------------------------- Theorem 3, the remark on collapse


def full_rank(c: Classifier) -> bool:
    move = c.gamma * exact(c.transition) - identity(len(c.transition))
    return not kernel(move)


def moves_as_printed(c: Classifier) -> bool:
    return bool(printed_flow(c)[1].any())


def moves(c: Classifier) -> bool:
    return bool(semi_gradient(c)[1].any())


def rests(c: Classifier) -> bool:
    return not any(move.any() for move in semi_gradient(c))


def printed_push(c: Classifier) -> bool:
    """(8) at Psi = 0 is -(1 - gamma) wbar 1': 0 iff the columns of W sum to 0, or gamma = 1."""
    mean = exact(c.w).sum(axis=1) / len(c.centres)
    push = -np.outer((1 - c.gamma) * mean, exact([ONE] * len(c.transition)))
    return bool((printed_flow(c)[1] == push).all())


def collapse_steps(c: Classifier) -> list[str]:
    phat = predictions(c)
    p = targets(c, phat)
    return [
        f"Ψ = 0, so p̂ = u = {show(phat)}; the targets are {show(p)}",
        f"W (p - p̂)' = ln 2 · {show(exact(c.w) @ (p - phat).T)}",
        f"eq. (19): ∂Ψ = ln 2 · {show(semi_gradient(c)[1])}",
        f"eq. (8) as printed: ∂Ψ = ln 2 · {show(printed_flow(c)[1])}",
    ]


# ------------------------------------------------------------------------- Theorem 3, corrected


def target_at_collapse(c: Classifier) -> Array:
    """p* (G,): the target of one state that goes to itself and predicts u."""
    alone = replace(c, transition=((ONE,),), psi=tuple((ZERO,) for _ in c.psi))
    return np.asarray(targets(alone, predictions(alone))[0])


def uniform(c: Classifier) -> Array:
    return exact([Fraction(1, len(c.centres))] * len(c.centres))


def rests_iff(c: Classifier) -> bool:
    """Collapse is a fixed point iff W (p* - u) = 0, for the flow by its definition."""
    return rests(c) == (not (exact(c.w) @ (target_at_collapse(c) - uniform(c))).any())


def first_bin_push(c: Classifier) -> bool:
    """With the lacking mass on the first bin: dPsi = (1 - gamma) (w^0 - wbar) 1'."""
    w = exact(c.w)
    push = (1 - c.gamma) * (w[:, 0] - w.sum(axis=1) / len(c.centres))
    return bool((semi_gradient(c)[1] == push[:, None]).all())


def zero_bin_targets(c: Classifier) -> bool:
    return c.encode == "zero-bin"


def projected(c: Classifier) -> bool:
    return c.encode in ("two-hot", "C51")


def target_uniform_iff(c: Classifier) -> bool:
    uniform_target = bool((target_at_collapse(c) == uniform(c)).all())
    return uniform_target == (len(c.centres) == 2 and sum(c.centres) == 0)


def target_not_uniform(c: Classifier) -> bool:
    return bool((target_at_collapse(c) != uniform(c)).any())


PROJECTED = Assumption("projected", "targets are two-hot or C51", projected)
FIRST_BIN = Assumption("zero-bin", "p = γPp̂ + (1-γ) 1 e_1'", zero_bin_targets)
PUSH = Assumption("p* ≠ u", "the target at collapse is not uniform", target_not_uniform)

# erf and quotients of differences of it: masses to 1e-15, if the first to last edge has some mass,
# which is so for a value between the edges. Log-concave masses that are all equal would have ratios
# p1 p3 / p2^2 = 1; they have exp(-(w / sigma)^2) about: for sigma <= 3 w the masses differ by 1e-3.
HISTOGRAM = 1e-12


def hl_target(b: Bins) -> Array:
    return b.read(float(b.gamma * (b.low + b.high) / 2))[0]


def hl_uniform_iff(b: Bins) -> bool:
    uniform_target = bool(np.abs(hl_target(b) - 1 / b.bins).max() <= HISTOGRAM)
    return uniform_target == (b.bins == 2 and b.low + b.high == 0)


# --------------------------------------------------------------------- limits of the correction


def state_constant_move(c: Classifier) -> bool:
    move = semi_gradient(c)[1]
    return bool((move == move[:, :1]).all())


def linear_part(c: Classifier, psi: Array, w: Array) -> tuple[Array, Array]:
    """Of the flow (dPsi, dW) at Psi = 0, W = 0: (W q 1', Psi 1 q') with q = p* - u."""
    q = target_at_collapse(c) - uniform(c)
    ones = exact([ONE] * psi.shape[1])
    return np.outer(w @ q, ones), np.outer(psi @ ones, q)


def saddle(c: Classifier) -> bool:
    """On (v 1', v q') the square of the linear part is states |q|^2 > 0, for every v."""
    q = target_at_collapse(c) - uniform(c)
    square = len(c.transition) * (q @ q)
    for v in identity(len(c.psi)):
        start = np.outer(v, exact([ONE] * len(c.transition))), np.outer(v, q)
        twice = linear_part(c, *linear_part(c, *start))
        if not (square > 0 and equal(twice, (square * start[0], square * start[1]))):
            return False
    return True


def head_errors(h: Head) -> tuple[Array, Array]:
    """p - phat of cross-entropy, and (gamma - 1) logits / ln 2 of regression, (states, G)."""
    logits = relu(exact(h.z)) @ exact(h.w) + exact(h.bias)
    phat = softmax(logits)
    target = exact([two_hot(h.centres, h.gamma * v) for v in phat @ exact(h.centres)])
    return np.asarray(target - phat), np.asarray((h.gamma - 1) * logits)


def head_moves(h: Head, error: Array) -> tuple[Array, Array, Array]:
    """Of z, W and c: (error W') where z > 0, relu(z)'error, and the states' sum of the error."""
    z = exact(h.z)
    gate = (z > 0).astype(int)
    return (error @ exact(h.w).T) * gate, relu(z).T @ error, error.sum(axis=0)


def layer_dead(h: Head) -> bool:
    return bool((exact(h.z) <= 0).all())


def stays_dead(h: Head) -> bool:
    moved = [head_moves(h, error)[:2] for error in head_errors(h)]
    return not any(move.any() for pair in moved for move in pair)


def bias_fits(h: Head) -> bool:
    phat = softmax([h.bias])[0]
    return two_hot(h.centres, h.gamma * (phat @ exact(h.centres))) == list(phat)


def nothing_moves(h: Head) -> bool:
    return not any(move.any() for move in head_moves(h, head_errors(h)[0]))


DEAD = Assumption("saturated", "z ≤ 0 for all states and neurons", layer_dead)
FITS = Assumption("bias fits", "softmax(c) is the target of its own value", bias_fits, False)


# ------------------------------------------------------------------------------- the zero bin


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

    -1 for never, where that bin ends at or below 0: values only fall towards 0.
    """
    if b.low + b.width() <= 0:
        return -1
    centres, count = b.centres(), 0
    value = sum(centres) / Fraction(len(centres))
    while value > b.low + b.width():
        p = two_hot(centres, b.gamma * value)
        value, count = sum((x * z for x, z in zip(p, centres, strict=True)), ZERO), count + 1
    return count


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


def floor_slack(b: Bins) -> float:
    """By how much 30 backups from the middle are read above decode(encode(0)), in bins."""
    return (after_backups(b, 30) - b.read(0.0)[1]) / float(b.width())


def floor_holds(b: Bins) -> bool:
    first = b.read(0.0)[1] / float(b.width()) - 1 / 2
    return floor_slack(b) >= -HISTOGRAM and first >= -HISTOGRAM


FROM_0 = Assumption("from 0", "the support is [0, b]", starts_at_zero)
FIRST_0 = Assumption("from 0", "the smallest value is z_1 = 0", first_value_zero)


# ---------------------------------------------------------------------------------- LayerNorm


def not_constant(n: Normed) -> bool:
    return n.variance() > 0


def no_shift(n: Normed) -> bool:
    return n.shift == 0


def shift_low(n: Normed) -> bool:
    return n.shift <= 0 and n.shift**2 >= len(n.z) - 1


def some_positive(n: Normed) -> bool:
    """At least one and at most N - 1 of LN(z) + shift are above 0, exactly."""
    return 1 <= sum(above(n)) <= len(n.z) - 1


def above(n: Normed) -> list[bool]:
    """Whether LN(z)_i + shift > 0: d_i > -shift std, by signs and squares."""
    return [exceeds(d, -n.shift, n.variance()) for d in n.centred()]


def exceeds(d: Fraction, times: Fraction, variance: Fraction) -> bool:
    """d > times * sqrt(variance), exactly."""
    right = times * abs(times) * variance
    return d * abs(d) > right


def nobody_dominates(n: Normed) -> bool:
    """Definition 1 on this one sample; a common factor of the activations does not matter."""
    h = exact([relu(n.centred())])
    return not scores.dominant(h).any()


def dominance_steps(n: Normed) -> list[str]:
    h = relu(n.centred())
    return [
        f"z - mean z = {vector(n.centred())}, LN(z) is that by its standard deviation > 0",
        f"relu: {vector(h)} times a number > 0",
        f"u = {vector(h * len(h) / h.sum())} against N/2 = {Fraction(len(h), 2)}",
    ]


def all_shut(n: Normed) -> bool:
    return not any(above(n))


def shift_steps(n: Normed) -> list[str]:
    return [
        f"z - mean z = {vector(n.centred())}, variance {n.variance()}",
        "LN(z)_i + shift > 0 iff (z - mean z)_i > -shift · std; squared, on the positive side:",
        *[f"{d}: {'' if d > 0 else 'not positive; '}{d * d} against {n.shift**2 * n.variance()}"
          for d in n.centred()],
    ]  # fmt: skip


def largest_slack(n: Normed) -> Fraction:
    """(N - 1) var - max_i (z_i - mean)^2."""
    return Fraction((len(n.z) - 1) * n.variance() - (n.centred() ** 2).max())


def largest_bounded(n: Normed) -> bool:
    return largest_slack(n) >= 0


def norm_of_h_slack(n: Normed) -> Fraction:
    """(N - 1) var - sum of relu(z_i - mean)^2, which is (N - 1 - |h|^2) var."""
    return Fraction((len(n.z) - 1) * n.variance() - (relu(n.centred()) ** 2).sum())


def norm_of_h_bounded(n: Normed) -> bool:
    return norm_of_h_slack(n) >= 0


def norm_of_h_for_all_reals(width: int) -> bool:
    """Over the mean-free d in R^N: sum relu(d)^2 <= (N - 1) / N sum d^2."""
    import z3

    d = [z3.Real(f"d{i}") for i in range(width)]
    live = z3.Sum([z3.If(x > 0, x * x, 0) for x in d])
    solver = z3.Solver()
    solver.add(z3.Sum(d) == 0, width * live > (width - 1) * z3.Sum([x * x for x in d]))
    return bool(solver.check() == z3.unsat)


def largest_for_all_reals(width: int) -> bool:
    import z3

    d = [z3.Real(f"d{i}") for i in range(width)]
    solver = z3.Solver()
    solver.add(z3.Sum(d) == 0, width * d[0] * d[0] > (width - 1) * z3.Sum([x * x for x in d]))
    return bool(solver.check() == z3.unsat)


def gradient_of_z(n: Normed) -> Array:
    """std times df/dz for f = sum_i v_i relu(LN(z)_i), with relu'(0) = 0, exactly."""
    d = n.centred()
    g = exact(n.v) * (d > 0).astype(int)
    return np.asarray(g - g.sum() / len(d) - d / n.variance() * ((g @ d) / len(d)))


def dormant_means_no_gradient(n: Normed) -> bool:
    return not gradient_of_z(n)[n.centred() <= 0].any()


def gradient_steps(n: Normed) -> list[str]:
    d = n.centred()
    g = exact(n.v) * (d > 0).astype(int)
    return [
        f"d = z - mean z = {vector(d)}, variance {n.variance()}, so relu(LN(z)) is 0 where d ≤ 0",
        f"g = v where d > 0, else 0: {vector(g)}",
        "std · ∂f/∂z_i = g_i - mean g - (d_i / variance) · mean(g d)",
        f"mean g = {g.sum() / Fraction(len(d))}, mean(g d) = {(g @ d) / Fraction(len(d))}",
        f"std · ∂f/∂z = {vector(gradient_of_z(n))}: not 0 for a neuron with d ≤ 0",
    ]


VARIES = Assumption("not constant", "z_i ≠ z_j for some i, j", not_constant, False)
NO_SHIFT = Assumption("no shift", "LayerNorm has no learned shift", no_shift, False)
LOW_SHIFT = Assumption("low shift", "every shift is ≤ -√(N-1)", shift_low)


# ------------------------------------------------------------------------------- the claims


def regression(p: Any, gamma: Any, phi: Any, w: Any, t: Any = 1) -> Regression:
    return Regression(rows(p), Fraction(gamma), rows(phi), rows(w), Fraction(t))


def classifier(p: Any, gamma: Any, psi: Any, w: Any, z: Any, encode: str) -> Classifier:
    return Classifier(rows(p), Fraction(gamma), rows(psi), rows(w), tuple(map(Fraction, z)), encode)


def row(*numbers: Any) -> Row:
    return tuple(map(Fraction, numbers))


STAY, STAYS, FUNNEL = ((1,),), ((1, 0), (0, 1)), ((1, 0), (1, 0))
AFTER_6 = "Neuron Dominance, section 4.2, after eq. (6)"
AFTER_8 = "Neuron Dominance, section 4.2, after eq. (8)"

REGRESSION_CLAIMS = (
    Claim(
        id="collapse.eq-5",
        source="Neuron Dominance, eq. (5)",
        title="The features' flow is -(I - γP) Ψ, for Ψ of N × |X|",
        statement="∂Ψ = -(I - γP) Ψ\nfor the semi-gradient of Σ_m |γPΨ'w^m - Ψ'w^m|² in Ψ",
        given=(BALANCED,),
        then=flow_as_printed,
        instances=balanced_or_not,
        sizes=BALANCED_SIZES,
        verdict="refuted",
        counterexample=regression(STAY, "1/2", [[1, 0]], STAYS),
        breaks="Lyle et al. have Φ of |X| × N; with Ψ = Φ' the operator acts from the right",
        repaired_by=("collapse.eq-5-transposed",),
        steps=printed_steps,
    ),
    Claim(
        id="collapse.eq-5-square",
        source="Neuron Dominance, eq. (5), where its product exists",
        title="With N = |X| the flow is -(I - γP) Ψ",
        statement="N = |X|  ⇒  ∂Ψ = -(I - γP) Ψ",
        given=(BALANCED, SQUARE),
        then=flow_as_printed,
        instances=balanced_or_not,
        sizes=((1, 1, 1), (2, 2, 2), (3, 3, 3)),
        verdict="refuted",
        counterexample=regression(FUNNEL, "1/2", [[1, 0], [0, 0]], STAYS),
        breaks="rows of Ψ are neurons: as printed, P mixes neurons and not states",
        repaired_by=("collapse.eq-5-transposed",),
        steps=printed_steps,
    ),
    Claim(
        id="collapse.squared-norm",
        source="Neuron Dominance, section 4.2, before eq. (5)",
        title="Eq. (5) descends the squared temporal difference",
        statement="-(I - γP) Φ is a positive multiple of -∇_Φ Σ_m |(γP - I) Φ w^m|²",
        given=(BALANCED,),
        then=descends_the_squared_norm,
        instances=balanced_or_not,
        sizes=BALANCED_SIZES,
        verdict="refuted",
        counterexample=regression(FUNNEL, "1/2", [[0], [1]], [[1]]),
        breaks="that gradient is A'AΦ with A = I - γP; AΦ holds the target fixed: a semi-gradient",
        repaired_by=("collapse.eq-5-transposed",),
        steps=squared_norm_steps,
    ),
    Claim(
        id="collapse.eq-5-transposed",
        source="repairs collapse.eq-5",
        title="Balanced fixed heads move Φ by -(I - γP) Φ",
        statement="Φ = Ψ' of |X| × N, heads fixed, Σ_m w^m w^m' = I\n"
        "⇒  semi-gradient flow ∂Φ = -(I - γP) Φ",
        given=(BALANCED,),
        then=transposed_flow,
        instances=balanced_or_not,
        sizes=BALANCED_SIZES,
        verdict="holds if",
        needs={"balanced heads": regression(STAY, 0, [[1]], [[0]])},
        proof="Head m errs by A Φ w^m, A = I - γP (the target without gradient), and moves Φ by\n"
        "-A Φ w^m w^m'. Summed over m: -A Φ Σ_m w^m w^m' = -A Φ.",
    ),
    Claim(
        id="collapse.eq-6",
        source="Neuron Dominance, eq. (6), of Φ",
        title="Φ_t = exp(-t (I - γP)) Φ_0 for balanced fixed heads",
        statement="Σ_m w^m w^m' = I, fixed  ⇒  Φ_t = exp(-t (I - γP)) Φ_0",
        given=(BALANCED,),
        then=follows_the_closed_form,
        instances=balanced_or_not,
        sizes=BALANCED_SIZES,
        verdict="holds if",
        needs={"balanced heads": regression(STAY, "1/2", [[1]], [[0]])},
        proof="A linear flow with constant coefficients. The semi-gradient flow, integrated, is\n"
        f"compared with it: in the maximum norm it contracts, so errors add up to {INTEGRATED}.",
        error=INTEGRATED,
    ),
    Claim(
        id="collapse.fixed-heads",
        source=AFTER_6,
        title="With fixed heads and zero reward features collapse to zero",
        statement="R = 0, W fixed, w^m ≠ 0  ⇒  Φ_t → 0",
        given=(HEADS,),
        then=ends_at_zero,
        instances=regressions,
        sizes=SIZES,
        verdict="refuted",
        counterexample=regression(STAY, "1/2", [[0, 1]], [[1], [0]]),
        breaks="lim_M Σ w^m w^m' = I is used; M heads span at most M directions, the rest stays",
        repaired_by=("collapse.fixed-heads-span",),
        steps=fixed_heads_steps,
    ),
    Claim(
        id="collapse.fixed-heads-span",
        source="repairs collapse.fixed-heads",
        title="Features collapse if the fixed heads span all directions",
        statement="R = 0, γ < 1, W fixed, Σ_m w^m w^m' > 0  ⇒  Φ_t → 0\n"
        "and for any fixed W: Φ_t → Φ_0 · (projection on the kernel of Σ w w')",
        given=(SPANNING, DISCOUNTED),
        then=ends_at_zero,
        instances=spanning_or_not,
        sizes=BALANCED_SIZES,
        verdict="holds if",
        needs={
            "spanning heads": regression(STAY, "1/2", [[0, 1]], [[1], [0]]),
            "discounted": regression(STAY, 1, [[1]], [[1]]),
        },
        proof="With Σww' = Σ_i λ_i q_i q_i':  Φ_t = Σ_i exp(-λ_i t A) Φ_0 q_i q_i'. All\n"
        "eigenvalues of A = I - γP have real part ≥ 1-γ > 0, so a term tends to 0 iff λ_i > 0.",
        remark="A single fixed head collapses one direction of N; Lyle et al. need M → ∞ heads.",
    ),
    Claim(
        id="collapse.rate",
        source="beyond eq. (6)",
        title="The largest feature decays at rate 1 - γ exactly",
        statement="max |Φ_t| ≤ e^(-(1-γ)t) max |Φ_0|,  with = for state-constant Φ_0\n"
        "(the maximum norm of exp(-t(I - γP)) is e^(-(1-γ)t))",
        given=(),
        then=norm_falls,
        instances=regressions,
        sizes=SIZES,
        verdict="holds",
        slack=norm_slack,
        error=ROUNDED,
        tight_at=regression(((0, 1), ("1/2", "1/2")), "1/2", [[1], [1]], [[1]]),
        curve=norm_curve,
        proof="exp(-t(I - γP)) = e^-t Σ_k (γt)^k P^k / k! has entries ≥ 0, and rows that sum to\n"
        "e^-t e^(γt), as P1 = 1.",
    ),
    Claim(
        id="collapse.spread",
        source="beyond eq. (6)",
        title="Differences between states decay faster than features do",
        statement="δ(P) = max_xy ½ Σ_z |P_xz - P_yz|  (Dobrushin), spread = max - min over states\n"
        "spread Φ_t ≤ e^(-(1 - γδ)t) spread Φ_0,  for every feature",
        given=(),
        then=spread_falls,
        instances=regressions,
        sizes=SIZES,
        verdict="holds",
        slack=spread_slack,
        error=ROUNDED,
        tight_at=regression((("3/4", "1/4"), ("1/4", "3/4")), "1/2", [[1], [0]], [[1]]),
        curve=spread_curve,
        proof="spread(Pf) ≤ δ spread f, so spread(e^-t Σ (γt)^k P^k f / k!)\n"
        "≤ e^-t e^(γδt) spread f.",
        remark="So if δ < 1 features become one and the same for all states, relative to their\n"
        "size, before they vanish: srank falls to 1 at the rate γ(1 - δ).",
    ),
    Claim(
        id="collapse.direction",
        source="beyond eq. (6)",
        title="Normalised features tend to one row for all states",
        statement="e^((1-γ)t) Φ_t → 1 π'Φ_0,  π'P = π':  of rank ≤ 1",
        given=(ONE_CLASS, AHEAD),
        then=direction_constant,
        instances=regressions,
        sizes=SIZES,
        verdict="holds if",
        needs={
            "one class": regression(STAYS, "1/2", [[0], [1]], [[1]]),
            "looks ahead": regression(FUNNEL, 0, [[0], [1]], [[1]]),
        },
        proof="e^((1-γ)t) exp(-t(I - γP)) = exp(-tγ(I - P)). 0 is a semisimple eigenvalue of\n"
        "I - P, and its only one without positive real part; the projection on its kernel is 1π'.",
        remark="Periodic chains too: the limit is in continuous time.",
    ),
    Claim(
        id="collapse.learned-heads",
        source=AFTER_6,
        title="In a value network, zero reward collapses the features",
        statement="R = 0, Φ and W learned, Φ_0 W_0 ≠ 0  ⇒  Φ_t → 0",
        given=(VALUE,),
        then=may_collapse,
        instances=regressions,
        sizes=SIZES,
        verdict="refuted",
        counterexample=regression(STAY, "1/2", [[2]], [[1]]),
        breaks="the heads of eqs. (5) and (6) never learn; a head that learns goes to 0 itself",
        repaired_by=("collapse.strong-heads", "collapse.singular-values"),
        steps=learned_steps,
    ),
    Claim(
        id="collapse.conserved",
        source="beyond eq. (6)",
        title="Learning changes Φ'Φ and WW' alike",
        statement="D = Φ_t'Φ_t - W_t W_t' is constant, for every error signal E\n"
        "(with rates: α Φ'Φ - β W W')",
        given=(),
        then=conserved,
        instances=regressions_to_1,
        sizes=SIZES,
        verdict="holds",
        proof="∂Φ = -E W', ∂W = -Φ'E  ⇒  ∂(Φ'Φ) = -(W E'Φ + Φ'E W') = ∂(WW').",
        proved=conserved_for_all_reals,
        proved_at=(1, 2),
    ),
    Claim(
        id="collapse.singular-values",
        source="repairs collapse.learned-heads",
        title="M learned heads leave all but M directions alive",
        statement="σ_i(Φ_t) ≥ σ_{i+M}(Φ_0)  for all t and i, with M learned heads",
        given=(),
        then=singular_values_stay,
        instances=regressions,
        sizes=SIZES,
        verdict="holds",
        slack=singular_slack,
        error=INTEGRATED,
        tight_at=regression(STAYS, "1/2", STAYS, [[1], [0]]),
        proof="Φ_t'Φ_t = D + W_t W_t' ≥ D = Φ_0'Φ_0 - W_0 W_0', and W_0 W_0' has rank ≤ M:\n"
        "by Weyl λ_i(D) ≥ λ_{i+M}(Φ_0'Φ_0).",
        remark="With one head and two independent features there is no collapse, ever, and under\n"
        "any loss: the smallest case is Φ_0 = I, w = (1, 0), of which column 2 stays (0, 1).",
    ),
    Claim(
        id="collapse.never-grows",
        source="beyond eq. (6)",
        title="Without reward learned features never grow in one norm",
        statement="d' = (1-γ) u'(I - γP)^-1, Y = ΦW, V = tr(Φ'dΦ)\n"
        "⇒  -∂V/2 = tr(Y'd(I - γP)Y) ≥ (1 - √γ) tr(Y'dY) ≥ 0",
        given=(),
        then=norm_never_grows,
        instances=regressions,
        sizes=SIZES,
        verdict="holds",
        proof="d'P ≤ d'/γ, so |Py|_d² ≤ Σ_x d_x Σ_z P_xz y_z² ≤ |y|_d²/γ:\n"
        "γ <y, Py>_d ≤ √γ |y|_d².",
        remark="So semi-gradient TD with a learned linear head cannot diverge on free features.",
    ),
    Claim(
        id="collapse.strong-heads",
        source="repairs collapse.learned-heads",
        title="Learned heads collapse the features iff they start stronger",
        statement="Φ_0'Φ_0 ≤ W_0 W_0'  ⇒  V_t ≤ V_0 / (1 + 2(1-√γ) V_0 t / (r max d)) → 0\n"
        "V = tr(Φ'dΦ), d' = (1-γ) u'(I - γP)^-1, r = min(N, |X|);  else Φ_t never tends to 0",
        given=(STRONG,),
        then=strong_heads_collapse,
        instances=strong_or_not,
        sizes=BALANCED_SIZES,
        verdict="holds if",
        needs={"strong heads": regression(STAY, 0, [[2]], [[1]])},
        slack=strong_slack,
        error=INTEGRATED,
        tight_at=regression(STAY, 0, [[1]], [[1]]),
        proof="WW' = Φ'Φ - D ≥ Φ'Φ, so -∂V/2 ≥ (1-√γ) tr(Φ'dΦ WW') ≥ (1-√γ) tr(Φ'dΦ Φ'Φ)\n"
        "≥ (1-√γ) tr((Φ'dΦ)²) / max d ≥ (1-√γ) V² / (r max d); integrate. Conversely Φ_t → 0\n"
        "gives v'Dv = lim |Φ_t v|² - |W_t'v|² ≤ 0 for every v.",
        remark="Φ'Φ ≤ WW' needs at least rank Φ heads. What keeps features alive is this balance\n"
        "at the start, and not the loss.",
    ),
)

THEOREM_3_CLAIMS = (
    Claim(
        id="collapse.theorem-3",
        source="Neuron Dominance, Theorem 3, eqs. (7) and (8)",
        title="Cross-entropy flows by Ψ (γP - I) p̂",
        statement="∂W = Ψ (γP - I) p̂  and  ∂Ψ = W ((γP - I) p̂)',  p̂ = softmax(Ψ'W)\n"
        "for the semi-gradient of -Σ_i p_i log p̂_i with p = γPp̂",
        given=(DIRECT,),
        then=theorem_3,
        instances=direct_or_not,
        sizes=LOGITS,
        verdict="refuted",
        counterexample=classifier(STAY, "1/2", [[1]], [[0, 0]], (0, 1), "direct"),
        breaks="from (21) to (22): Σ_i p_i (e_i - p̂)' = p' - (Σ_i p_i) p̂', and Σ_i p_i is γ, not 1",
        repaired_by=("collapse.theorem-3-derived", "collapse.line-22"),
        steps=theorem_3_steps,
        remark="Lines (23) and (24) also lose α and β. With one logit it fails as well.",
    ),
    Claim(
        id="collapse.no-softmax-loss",
        source="on Neuron Dominance, eq. (7)",
        title="Eq. (7) descends no loss of a softmax",
        statement="gradients of f(softmax(l)) in the logits sum to 0 over the bins, for any f\n"
        "(γP - I) p̂ sums to γ - 1",
        given=(),
        then=no_softmax_loss,
        instances=classifiers,
        sizes=LOGITS,
        verdict="holds",
        proof="softmax does not change if all logits rise by the same. And P1 = 1, p̂1 = 1.",
        proved=no_softmax_loss_for_all_reals,
        proved_at=(2, 3, 4),
    ),
    Claim(
        id="collapse.line-22",
        source="Neuron Dominance, Appendix A.3, line (22)",
        title="The flow is Ψ (p - p̂) for targets of mass 1",
        statement="Σ_i p_i(x) = 1 for every x  ⇒  ∂W = Ψ (p - p̂),  ∂Ψ = W (p - p̂)'",
        given=(MASS,),
        then=line_22,
        instances=discounted_classifiers,
        sizes=LOGITS,
        verdict="holds if",
        needs={"mass 1": classifier(STAY, "1/2", [[1]], [[0, 0]], (0, 1), "direct")},
        proof="Σ_i p_i (e_i - p̂)' = p' - (Σ_i p_i) p̂' = (p - p̂)'.",
    ),
    Claim(
        id="collapse.theorem-3-derived",
        source="repairs collapse.theorem-3",
        title="With p = γPp̂ the flow is γ Ψ (P - I) p̂",
        statement="p = γPp̂  ⇒  ∂W = γ Ψ (P - I) p̂,  ∂Ψ = γ W ((P - I) p̂)'",
        given=(DIRECT,),
        then=theorem_3_derived,
        instances=direct_or_not,
        sizes=LOGITS,
        verdict="holds",
        needs={"p = γPp̂": classifier(STAY, "1/2", [[1]], [[0, 0]], (0, 1), "two-hot")},
        proof="p' - (Σ_i p_i) p̂' = γ (Pp̂)' - γ p̂', as P1 = 1 makes Σ_i p_i = γ.",
        remark="γ only changes the speed: this flow is a consensus of the states' p̂.",
    ),
    Claim(
        id="collapse.conserved-classification",
        source="beyond Theorem 3",
        title="Learning changes ΨΨ' and WW' alike under cross-entropy",
        statement="D = Ψ_t Ψ_t' - W_t W_t' is constant, for all targets",
        given=(),
        then=error_sums_cancel,
        instances=classifiers,
        sizes=LOGITS,
        verdict="holds",
        proof="As collapse.conserved, which asks nothing of the error: here it is p̂ Σ_i p_i - p.",
    ),
    Claim(
        id="collapse.full-rank",
        source=AFTER_8,
        title="γP - I is of full rank",
        statement="γ < 1  ⇒  (γP - I) v = 0 only for v = 0",
        given=(DISCOUNTED,),
        then=full_rank,
        instances=classifiers,
        sizes=LOGITS,
        verdict="holds",
        needs={"discounted": classifier(STAY, 1, [[0]], [[0, 0]], (0, 1), "direct")},
        proof="v = γPv gives max|v| ≤ γ max|v|, so v = 0.",
        remark="But ((γP - I) p̂)' is multiplied by W, which is not of full rank: G > N, or W1 = 0.",
    ),
    Claim(
        id="collapse.remark-printed",
        source=AFTER_8,
        title="By eq. (8), collapsed features have a non-zero gradient",
        statement="Ψ = 0, the columns of W not all equal, γ < 1  ⇒  W ((γP - I) p̂)' ≠ 0",
        given=(COLLAPSED, MATTERS, DISCOUNTED),
        then=moves_as_printed,
        instances=collapsed_or_not,
        sizes=LOGITS,
        verdict="refuted",
        counterexample=classifier(STAY, "1/2", [[0]], [[1, -1]], (0, 1), "direct"),
        breaks="γP - I takes no p̂ ≠ 0 to 0, but W may take what comes out, (γ-1) 1u', to 0",
        repaired_by=("collapse.printed-push",),
        steps=collapse_steps,
    ),
    Claim(
        id="collapse.printed-push",
        source="repairs collapse.remark-printed",
        title="Eq. (8) moves collapsed features by -(1-γ) w̄ 1'",
        statement="Ψ = 0  ⇒  W ((γP - I) p̂)' = -(1-γ) w̄ 1',  w̄ the mean column of W:\n"
        "0 iff the columns of W sum to 0, or γ = 1",
        given=(COLLAPSED,),
        then=printed_push,
        instances=collapsed_or_not,
        sizes=LOGITS,
        verdict="holds",
        needs={"collapsed": classifier(STAY, "1/2", [[1]], [[0, 1]], (0, 1), "direct")},
        proof="p̂ = 1u', Pp̂ = p̂, so (γP - I) p̂ = (γ-1) 1u' and Wu = w̄.",
        remark="To add one vector to all columns of W changes no p̂, and this push at will.",
    ),
    Claim(
        id="collapse.remark-derived",
        source=AFTER_8,
        title="Under cross-entropy collapsed features have a non-zero gradient",
        statement="p = γPp̂, Ψ = 0, W1 ≠ 0, columns of W not all equal  ⇒  ∂Ψ ≠ 0",
        given=(DIRECT, COLLAPSED, MATTERS, SUM_MATTERS),
        then=moves,
        instances=direct_or_not,
        sizes=LOGITS,
        verdict="refuted",
        counterexample=classifier(STAY, "1/2", [[0]], [[0, 1]], (0, 1), "direct"),
        breaks="with the right flow, γ W ((P - I) p̂)', a p̂ that is the same for all states rests",
        repaired_by=("collapse.derived-rests", "collapse.fixed-point"),
        steps=collapse_steps,
    ),
    Claim(
        id="collapse.derived-rests",
        source="repairs collapse.remark-derived",
        title="With p = γPp̂ collapse is a fixed point, for every W",
        statement="p = γPp̂, Ψ = ψ 1'  ⇒  ∂W = 0, ∂Ψ = 0",
        given=(DIRECT, CONSTANT),
        then=rests,
        instances=direct_or_not,
        sizes=LOGITS,
        verdict="holds",
        needs={
            "p = γPp̂": classifier(STAY, "1/2", [[0]], [[0, 1]], (0, 1), "two-hot"),
            "state-constant": classifier(FUNNEL, "1/2", [[0, 1]], [[0, 1]], (0, 1), "direct"),
        },
        proof="p̂ has equal rows, so (P - I) p̂ = 0.",
    ),
    Claim(
        id="collapse.prevents",
        source="Neuron Dominance, section 4.2, its title",
        title="Classification losses prevent representation collapse",
        statement="distributions as targets, Ψ = 0, columns of W not all equal  ⇒  ∂Ψ ≠ 0",
        given=(SIMPLEX, COLLAPSED, MATTERS),
        then=moves,
        instances=collapsed_or_not,
        sizes=LOGITS,
        verdict="refuted",
        counterexample=classifier(STAY, "1/2", [[0]], [[0, 1]], ("-1/2", "1/2"), "two-hot"),
        breaks="the uniform histogram is the target of its own value, if that value is 0",
        repaired_by=("collapse.fixed-point", "collapse.uniform-target"),
        steps=collapse_steps,
    ),
    Claim(
        id="collapse.fixed-point",
        source="repairs collapse.remark-derived",
        title="Collapse is a fixed point iff W (p* - u) = 0",
        statement="distributions as targets, R = 0, no output bias, Ψ = 0\n"
        "⇒  ∂W = 0,  and ∂Ψ = 0 iff W (p* - u) = 0\n"
        "u = 1/G, p* the target of the value z̄ of u",
        given=(SIMPLEX, COLLAPSED),
        then=rests_iff,
        instances=collapsed_or_not,
        sizes=LOGITS,
        verdict="holds",
        needs={
            "simplex": classifier(STAY, "1/2", [[0]], [[0, 1]], (0, 1), "direct"),
            "collapsed": classifier(STAY, "1/2", [[1]], [[0, 1]], ("-1/2", "1/2"), "two-hot"),
        },
        proof="p̂ = 1u' has equal rows, so P p̂ = p̂ and all targets are p*; ∂Ψ = W (p* - u) 1', and\n"
        "∂W = Ψ (..) = 0. A condition of N equations on W; empty iff p* = u.",
    ),
    Claim(
        id="collapse.first-bin-push",
        source="repairs collapse.remark-derived",
        title="With the lost mass at value 0, collapse is pushed",
        statement="p = γPp̂ + (1-γ) 1 e_1', Ψ = 0  ⇒  ∂Ψ = (1-γ) (w^1 - w̄) 1'",
        given=(FIRST_BIN, COLLAPSED),
        then=first_bin_push,
        instances=first_bin_or_not,
        sizes=LOGITS,
        verdict="holds",
        needs={
            "zero-bin": classifier(STAY, "1/2", [[0]], [[0, 1]], (0, 1), "direct"),
            "collapsed": classifier(STAY, "1/2", [[1]], [[0, 1]], (0, 1), "zero-bin"),
        },
        proof="p* - u = γu + (1-γ) e_1 - u = (1-γ) (e_1 - u).",
        remark="The nearest true statement to the paper's: what p = γPp̂ means if bin 1 is value 0.",
    ),
    Claim(
        id="collapse.uniform-target",
        source="beyond Theorem 3",
        title="Two-hot and C51 targets are uniform only for ±z",
        statement="two-hot or C51, γ < 1:  p* = u  iff  G = 2 and z_1 + z_2 = 0",
        given=(PROJECTED, DISCOUNTED),
        then=target_uniform_iff,
        instances=projected_or_not,
        sizes=LOGITS,
        verdict="holds",
        needs={
            "projected": classifier(STAY, 0, [[0]], [[0, 0]], ("-1/2", "1/2"), "zero-bin"),
            "discounted": classifier(STAY, 1, [[0]], [[0, 0]], (0, 1), "two-hot"),
        },
        proof="Two-hot has at least G - 2 zeros. C51, G ≥ 3: if z_(G-1) ≥ 0 the top atom gets\n"
        "less than 1/G, else z_2 < 0 and the bottom one does. G = 2: if z_1 ≤ 0 ≤ z_2 nothing is\n"
        "clipped, means are kept and p* = u gives γz̄ = z̄, so z̄ = 0; else everything moves towards\n"
        "0, and the end next to it gets more than 1/2.",
    ),
    Claim(
        id="collapse.uniform-hl-gauss",
        source="beyond Theorem 3",
        title="HL-Gauss targets are uniform only for two bins ±",
        statement="equal bins on [low, high], σ from 1/2 to 3 bins, γ < 1:\n"
        "HL-Gauss has p* = u  iff  G = 2 and low + high = 0",
        given=(),
        then=hl_uniform_iff,
        instances=bin_sets,
        sizes=(2, 3, 4, 7),
        verdict="holds",
        error=HISTOGRAM,
        proof="Masses of a normal in equal bins are strictly log-concave: p_1 p_3 < p_2², so not\n"
        "equal for G ≥ 3. For G = 2 they are equal iff γm is the middle edge m, iff m = 0.",
    ),
)

LIMITS_CLAIMS = (
    Claim(
        id="collapse.stays-rank-one",
        source="limit of the corrected Theorem 3",
        title="State-constant features stay so: no escape from rank one",
        statement="Ψ = ψ 1'  ⇒  ∂Ψ = (the same for all states), for all targets",
        given=(CONSTANT,),
        then=state_constant_move,
        instances=classifiers,
        sizes=LOGITS,
        verdict="holds",
        needs={"state-constant": classifier(STAYS, "1/2", [[0, 1]], [[0, 1]], (0, 1), "two-hot")},
        proof="All rows of p̂ are equal, and so those of Pp̂ and of p; ∂Ψ = W (..)' has equal ones.",
        remark="From Ψ = 0 cross-entropy may escape, but only to features of rank one, for ever.",
    ),
    Claim(
        id="collapse.ends-state-constant",
        source="beyond Theorem 3",
        title="Without reward cross-entropy makes features state-constant",
        statement="R = 0, N ≥ 2  ⇒  Ψ_t tends to matrices ψ 1', as p̂ does to 1 p'",
        given=(WIDE,),
        then=full_rank_lost,
        instances=discounted_classifiers,
        sizes=LOGITS,
        verdict="refuted",
        counterexample=classifier(STAYS, "1/2", STAYS, [[0, 0], [0, 0]], (0, 1), "direct"),
        breaks="that predictions agree says nothing on features that W does not read",
        repaired_by=("collapse.state-constant",),
        steps=rank_steps,
    ),
    Claim(
        id="collapse.state-constant",
        source="repairs collapse.ends-state-constant",
        title="Once predictions agree, features that started weaker are equal",
        statement="p̂ equal for all states, ΨΨ' ≤ MM' with M = W - w̄1'  ⇒  Ψ = ψ 1'\n"
        "ΨΨ' - MM' never changes, so the start decides",
        given=(AGREE, STRONG_W),
        then=features_constant,
        instances=strong_weights_or_not,
        sizes=LOGITS,
        verdict="holds",
        needs={
            "predictions agree": classifier(STAYS, "1/2", [[0, 1]], [[2, -2]], (0, 1), "direct"),
            "strong weights": classifier(STAYS, "1/2", [[0, 1]], [[0, 0]], (0, 1), "direct"),
        },
        proof="W1 never changes, as E1 = 0; so D = ΨΨ' - MM' is conserved like ΨΨ' - WW'. Let C\n"
        "= I - 11'/|X|. p̂ agrees: CΨ'M = 0, so CΨ'DΨC = C(Ψ'Ψ)²C ≥ 0; and D ≤ 0: it is 0: ΨC = 0.",
    ),
    Claim(
        id="collapse.predictions-agree",
        source="beyond Theorem 3",
        title="Without reward the states' predictions come to agree",
        statement="R = 0, HL-Gauss targets, one recurrent class  ⇒  p̂_t(x) - p̂_t(y) → 0",
        given=(ONE_CLASS,),
        then=predictions_close,
        instances=discounted_classifiers,
        sizes=((2, 1, 2), (2, 2, 3)),
        verdict="open",
        remark="Measured, for γ ≤ 9/10: `then` asks that at t = 10,000 the differences are gone.\n"
        "Nearer to 1 it takes longer: with γ = 99/100 and W_0 = 0 they first grow, to t = 1000.\n"
        "That one class is needed is open too: 400 instances of any chain agreed in the end.\n"
        "With collapse.state-constant it would decide when features end state-constant.",
    ),
    Claim(
        id="collapse.saddle",
        source="limit of the corrected Theorem 3",
        title="Ψ = 0, W = 0 is a saddle that both can leave",
        statement="p* ≠ u  ⇒  at Ψ = 0, W = 0 (a fixed point) the linear part\n"
        "L(Ψ, W) = (Wq1', Ψ1q'), q = p* - u, has the eigenvalue √|X| |q| > 0 with multiplicity N",
        given=(PUSH,),
        then=saddle,
        instances=discounted_classifiers,
        sizes=LOGITS,
        verdict="holds",
        needs={"p* ≠ u": classifier(STAY, "1/2", [[0]], [[0, 0]], ("-1/2", "1/2"), "two-hot")},
        proof="p and p̂ there are p* and u up to terms of second order in (Ψ, W). L²(v1', vq') =\n"
        "|X||q|² (v1', vq') for every v; so (√|X| |q|) (v1', ..) + L(..) is an eigenvector.",
        remark="With MSE and R = 0 it is a degenerate minimum instead.",
    ),
    Claim(
        id="collapse.dead-layer",
        source="limit of the corrected Theorem 3",
        title="A saturated layer is as dead under cross-entropy as under MSE",
        statement="z ≤ 0 for all states  ⇒  ∂z = 0 and ∂W = 0, with cross-entropy and with MSE:\n"
        "only the output bias moves (ReLU with relu'(0) = 0)",
        given=(DEAD,),
        then=stays_dead,
        instances=dead_or_alive,
        sizes=LOGITS,
        verdict="holds",
        needs={"saturated": Head(((ONE,),), ((ZERO, ZERO),), row(0, 0), row(0, 1), HALF)},
        proof="∂W = relu(z)'E = 0, and ∂z = (E W') where z > 0: nowhere. E is any error.",
        remark="So Theorem 3, of free features, does not speak of what section 3.1 observes.",
    ),
    Claim(
        id="collapse.output-bias",
        source="limit of the corrected Theorem 3",
        title="With an output bias, collapse may be an exact optimum",
        statement="z ≤ 0, and softmax(c) = the target of its own value\n"
        "⇒  nothing moves, W, z or c, and the loss is the target's entropy: the least there is",
        given=(DEAD, FITS),
        then=nothing_moves,
        instances=dead_or_alive,
        sizes=((1, 1, 2), (2, 1, 2), (2, 2, 2)),
        verdict="holds if",
        needs={
            "saturated": Head(((ONE,),), ((ONE, ZERO),), row(0, 0), row("-1/2", "1/2"), HALF),
            "bias fits": Head(((ZERO,),), ((ZERO, ZERO),), row(0, 0), row(0, 1), HALF),
        },
        proof="p̂ = softmax(c) = p for all states: the error is 0.",
        remark="Two-hot on (-1, 2): p = (2/3, 1/3), c = ln 2 (1, 0). For HL-Gauss such a c always\n"
        "exists, as all of its masses are above 0.",
    ),
    Claim(
        id="collapse.zero-bin",
        source="Neuron Dominance, section 4.2, last paragraph",
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
    ),
    Claim(
        id="collapse.backups",
        source="repairs collapse.zero-bin",
        title="The first bin is reached after log(G/2) / log(1/γ) backups",
        statement="G bins on [0, b], two-hot, from collapse: the value is in the first bin after\n"
        "exactly the first n with γ^n G ≤ 2",
        given=(FROM_0,),
        then=backups_by_formula,
        instances=bins_from_0_or_not,
        sizes=(2, 3, 5, 8),
        verdict="holds",
        needs={"from 0": Bins(ONE, Fraction(2), 5, HALF)},
        proof="Two-hot keeps means, above the first centre: v_n = γ^n b/2; the bin ends at b/G.",
        remark="In the paper's setting, G = 101 and γ = 0.99, n = 391; 460 to the bin's centre.",
    ),
    Claim(
        id="collapse.hl-zero",
        source="Neuron Dominance, section 4.2, 'the lowest value'",
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
    ),
    Claim(
        id="collapse.hl-floor",
        source="repairs collapse.hl-zero",
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
    ),
)

LAYER_NORM_CLAIMS = (
    Claim(
        id="collapse.layer-norm-revives",
        source="Neuron Dominance, section 4.1, on LayerNorm",
        title="LayerNorm makes some but not all neurons positive",
        statement="z not constant, no shift  ⇒  1 ≤ #{i : LN(z)_i > 0} ≤ N - 1",
        given=(VARIES, NO_SHIFT),
        then=some_positive,
        instances=normed,
        sizes=(2, 3, 4, 6),
        verdict="holds if",
        needs={"not constant": Normed(row(0, 0)), "no shift": Normed(row(1, -1), -ONE)},
        proof="Σ_i LN(z)_i = 0 and not all are 0: one is above 0 and one below.",
        remark="Per sample. One neuron may still be dead, of the least z in all of them.",
    ),
    Claim(
        id="collapse.layer-norm-shifted",
        source="Neuron Dominance, section 4.1, on LayerNorm",
        title="LayerNorm as used, with a shift, revives a layer",
        statement="z not constant  ⇒  some but not all of LN(z) + shift are above 0",
        given=(VARIES,),
        then=some_positive,
        instances=normed,
        sizes=(1, 2, 3, 4),
        verdict="refuted",
        counterexample=Normed(row(1, -1), -ONE),
        breaks="zero mean is before the learned shift",
        repaired_by=("collapse.layer-norm-revives", "collapse.layer-norm-shift"),
        steps=shift_steps,
    ),
    Claim(
        id="collapse.layer-norm-shift",
        source="repairs collapse.layer-norm-shifted",
        title="A shift of -√(N-1) saturates a layer with LayerNorm",
        statement="shift ≤ -√(N-1)  ⇒  LN(z)_i + shift ≤ 0 for all i and z",
        given=(LOW_SHIFT,),
        then=all_shut,
        instances=normed,
        sizes=(1, 2, 3, 4),
        verdict="holds",
        needs={"low shift": Normed(row(1, -1))},
        proof="LN(z)_i ≤ √(N-1), collapse.layer-norm-largest; any less, and\n"
        "z = (N-1, -1, ..) lives.",
    ),
    Claim(
        id="collapse.layer-norm-largest",
        source="beyond Neuron Dominance",
        title="LayerNorm bounds an activation by √(N-1)",
        statement="LN(z)_i² ≤ N - 1,  i.e.  (z_i - z̄)² ≤ (N-1) var z,  with = at (N-1, -1, .., -1)",
        given=(),
        then=largest_bounded,
        instances=normed,
        sizes=(1, 2, 3, 4, 6),
        verdict="holds",
        slack=largest_slack,
        tight_at=Normed(row(2, -1, -1)),
        proof="The other N - 1 deviations sum to -d_i, so their squares to at least d_i²/(N-1):\n"
        "N var ≥ d_i² N/(N-1).",
        proved=largest_for_all_reals,
        proved_at=(2, 3),
    ),
    Claim(
        id="collapse.layer-norm-norm",
        source="beyond Neuron Dominance",
        title="LayerNorm and ReLU bound the norm of h by √(N-1)",
        statement="|relu(LN(z))| ≤ √(N-1)  (and not only √N = |LN(z)|),  = at (N-1, -1, .., -1)",
        given=(),
        then=norm_of_h_bounded,
        instances=normed,
        sizes=(1, 2, 3, 4, 6),
        verdict="holds",
        slack=norm_of_h_slack,
        tight_at=Normed(row(2, -1, -1)),
        proof="Let s be the sum of the positive deviations, P of their squares, Q of the others'.\n"
        "P ≤ s², and the at most N - 1 others sum to -s: Q ≥ s²/(N-1) ≥ P/(N-1).\n"
        "So |h|² = N P / (P + Q) ≤ N - 1.",
        proved=norm_of_h_for_all_reals,
        proved_at=(2, 3),
    ),
    Claim(
        id="collapse.layer-norm-dominant",
        source="Neuron Dominance, section 4.1, on LayerNorm",
        title="LayerNorm eliminates dominant neurons",
        statement="h = relu(LN(z)), z not constant  ⇒  no neuron has u_i > N/2",
        given=(VARIES, NO_SHIFT),
        then=nobody_dominates,
        instances=normed,
        sizes=(1, 2, 3, 4),
        verdict="refuted",
        counterexample=Normed(row(1, -1)),
        breaks="mean 0 and variance 1 bound an activation by √(N-1), far above the others'",
        repaired_by=("collapse.layer-norm-largest", "collapse.layer-norm-norm"),
        steps=dominance_steps,
        remark="For any N: z = (N-1, -1, .., -1) has u_1 = N, the largest there is.",
    ),
    Claim(
        id="collapse.layer-norm-dormant",
        source="GraMa, Theorem 1; OCP, Theorem 1, of a layer with LayerNorm",
        title="With LayerNorm a dormant neuron has no gradient",
        statement="f = Σ_i v_i relu(LN(z)_i), LN(z)_i ≤ 0  ⇒  ∂f/∂z_i = 0",
        given=(VARIES, NO_SHIFT),
        then=dormant_means_no_gradient,
        instances=normed,
        sizes=(2, 3, 4),
        verdict="refuted",
        counterexample=Normed(row(0, 1, 3), v=row(0, 0, 1)),
        breaks="z_i moves the mean and the variance that the other neurons are divided by",
        repaired_by=("recycling.grama-preactivation",),
        steps=gradient_steps,
    ),
)

CLAIMS: tuple[Claim, ...] = (
    *REGRESSION_CLAIMS,
    *THEOREM_3_CLAIMS,
    *LIMITS_CLAIMS,
    *LAYER_NORM_CLAIMS,
)
