"""Chains, features, heads and bins: how they print, are drawn, and move."""

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from scipy.integrate import solve_ivp

from ref import losses
from ref.checks import Array, require
from theory import checks
from theory.claim import Assumption, vector

Row = tuple[Fraction, ...]
Matrix = tuple[Row, ...]
ZERO, ONE, HALF = Fraction(0), Fraction(1), Fraction(1, 2)


def exact(rows: Any) -> Array:
    """An object array of Fractions."""
    return np.array(rows, dtype=object)


def identity(size: int) -> Array:
    return exact([[Fraction(i == j) for j in range(size)] for i in range(size)])


def rows(matrix: Any) -> Matrix:
    """The inverse of `exact`, also of NumPy's integers, of which a Fraction would overflow."""
    plain = np.asarray(matrix).tolist()
    return tuple(tuple(map(Fraction, row)) for row in plain)


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


@dataclass(frozen=True)
class Regression:
    """Features phi (states, N) and heads w (N, M) at time 0, and a time t."""

    transition: Matrix
    gamma: Fraction
    phi: Matrix
    w: Matrix
    t: Fraction = ONE

    def __post_init__(self) -> None:
        checks.chain("transition", self.transition)
        checks.between("gamma", self.gamma, 0, 1)
        checks.matrix("phi", self.phi, height=len(self.transition))
        checks.matrix("w", self.w, height=len(self.phi[0]))
        checks.not_negative("t", (self.t,))

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

    def __post_init__(self) -> None:
        checks.chain("transition", self.transition)
        checks.between("gamma", self.gamma, 0, 1)
        checks.matrix("psi", self.psi, width=len(self.transition))
        checks.increasing("centres", self.centres)
        checks.matrix("w", self.w, len(self.psi), len(self.centres))
        require(self.encode in ENCODERS, "encode", self.encode, ", ".join(ENCODERS))

    def __str__(self) -> str:
        return (
            f"P = {show(self.transition)}, γ = {self.gamma}, Ψ = {show(self.psi)}, "
            f"W = ln 2 · {show(self.w)}, z = {vector(self.centres)}, {self.encode} targets"
        )


@dataclass(frozen=True)
class Bins:
    """Equal bins on [low, high]; sigma in units of a bin's width."""

    low: Fraction
    high: Fraction
    bins: int
    gamma: Fraction
    sigma: Fraction = Fraction(3, 4)

    def __post_init__(self) -> None:
        require(self.low < self.high, "high", self.high, f"a number above {self.low}")
        require(self.bins >= 2, "bins", self.bins, "at least two")
        checks.between("gamma", self.gamma, 0, 1)
        checks.between(
            "sigma", self.sigma, Fraction(1, 100), 3
        )  # for which HISTOGRAM bounds what floats err by

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
projected_or_not = partial(collapsed_or_not, encoders=("two-hot", "C51", "two-hot", "zero-bin"))
LOGITS = ((1, 1, 2), (1, 1, 3), (2, 1, 2), (2, 2, 2), (2, 2, 3), (3, 2, 4))  # states, N, bins


def bin_sets(bins: int, gammas: tuple[Fraction, ...] = GAMMAS) -> SearchStrategy[Bins]:
    def build(drawn: tuple[int, int, int, int]) -> Bins:
        low, span, gamma, sigma = drawn
        return Bins(Fraction(low), Fraction(low + span), bins, gammas[gamma], Fraction(sigma, 4))

    last = len(gammas) - 1
    numbers = st.integers(-4, 2), st.integers(1, 8), st.integers(0, last), st.integers(2, 12)
    return st.tuples(*numbers).map(build)


# solve_ivp holds the local error of a step, which is estimated, below ATOL + RTOL times the value.
RTOL, ATOL = 1e-9, 1e-10
# Entries here stay below 10 and steps are fewer than 200. Local errors can only add up, for eq. (6)
# because the flow contracts, for the others because the exact flow conserves D and V never grows;
# a quadratic quantity moves by 2 * 10 times a local error. In all 200 * 2 * 10 * (ATOL + 10 * RTOL)
# = 4.04e-5.
INTEGRATED = 4.04e-5


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


def discounted(r: Regression | Classifier | Bins) -> bool:
    return r.gamma < 1


DISCOUNTED = Assumption("discounted", "γ < 1", discounted)


def spread(phi: Array) -> Array:
    """Over the states, of each feature."""
    return np.asarray(phi.max(axis=0) - phi.min(axis=0))


def one_class(r: Regression | Classifier) -> bool:
    return len(kernel(identity(len(r.transition)) - exact(r.transition))) == 1


ONE_CLASS = Assumption("one class", "P has one recurrent class: π'P = π' once", one_class, False)


def power_of_2(x: Fraction) -> Fraction:
    """Exact of an integer; of another number up to the rounding of its fractional part's power."""
    whole = math.floor(x)
    return Fraction(2) ** whole * Fraction(2.0 ** float(x - whole))


def softmax(logits: Any) -> Array:
    """Of logits by ln 2: where they are integers, quotients of powers of 2, exactly."""
    powers = exact([[power_of_2(x) for x in row] for row in logits])
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


def features_zero(c: Classifier) -> bool:
    return not exact(c.psi).any()


def features_constant(c: Classifier) -> bool:
    psi = exact(c.psi)
    return bool((psi == psi[:, :1]).all())


DIRECT = Assumption("p = γPp̂", "the targets are γ P p̂, as in the printed proof", direct)
COLLAPSED = Assumption("collapsed", "Ψ = 0", features_zero)
CONSTANT = Assumption("state-constant", "Ψ = ψ 1'", features_constant)


def target_at_collapse(c: Classifier) -> Array:
    """p* (G,): the target of one state that goes to itself and predicts u."""
    alone = replace(c, transition=((ONE,),), psi=tuple((ZERO,) for _ in c.psi))
    return np.asarray(targets(alone, predictions(alone))[0])


def uniform(c: Classifier) -> Array:
    return exact([Fraction(1, len(c.centres))] * len(c.centres))


def projected(c: Classifier) -> bool:
    return c.encode in ("two-hot", "C51")


PROJECTED = Assumption("projected", "targets are two-hot or C51", projected)
# erf and quotients of differences of it: masses to 1e-15, if the first to last edge has some mass,
# which is so for a value between the edges. Log-concave masses that are all equal would have ratios
# p1 p3 / p2^2 = 1; they have exp(-(w / sigma)^2) about: for sigma <= 3 w the masses differ by 1e-3.
HISTOGRAM = 1e-12


def regression(p: Any, gamma: Any, phi: Any, w: Any, t: Any = 1) -> Regression:
    return Regression(rows(p), Fraction(gamma), rows(phi), rows(w), Fraction(t))


def classifier(p: Any, gamma: Any, psi: Any, w: Any, z: Any, encode: str) -> Classifier:
    return Classifier(rows(p), Fraction(gamma), rows(psi), rows(w), tuple(map(Fraction, z)), encode)


def row(*numbers: Any) -> Row:
    return tuple(map(Fraction, numbers))


STAY, STAYS, FUNNEL = ((1,),), ((1, 0), (0, 1)), ((1, 0), (1, 0))
AFTER_6 = "Neuron Dominance, section 4.2, after eq. (6)"
AFTER_8 = "Neuron Dominance, section 4.2, after eq. (8)"
