"""A neuron m above a layer with activations g: its margins, how it prints and is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ref import scores
from ref.checks import Array
from theory import checks
from theory.claim import Assumption, vector

ONE, ZERO = Fraction(1), Fraction(0)
Vector = tuple[Fraction, ...]
Size = tuple[int, int]


def fractions(*numbers: int | Fraction) -> Vector:
    return tuple(map(Fraction, numbers))


def sign(x: Any) -> int:
    return int(x > 0) - int(x < 0)


def dot(a: Any, b: Any) -> Fraction:
    return sum((x * y for x, y in zip(a, b, strict=True)), ZERO)


def average(numbers: Any) -> Fraction:
    return sum(numbers, ZERO) / len(numbers)


@dataclass(frozen=True)
class Means:
    """E g_j of a layer, (N,), of any sign; a ratio ρ > 0."""

    means: Vector
    rho: Fraction = ONE

    def __post_init__(self) -> None:
        checks.row("means", self.means)
        checks.positive("rho", self.rho)

    def __str__(self) -> str:
        return f"E g = {vector(self.means)}" + (f", ρ = {self.rho}" if self.rho != 1 else "")


def printed_scores(layer: Means) -> Vector:
    """u_i = E g_i / ((1/N) Σ_j E g_j): eq. (1), without an absolute value; () if the sum is 0."""
    total = sum(layer.means)
    return tuple(mean * len(layer.means) / total for mean in layer.means) if total else ()


def positive_sum(layer: Means) -> bool:
    return sum(layer.means) > 0


def threshold(n: int, rho: Fraction) -> Fraction:
    """N ρ/(1 + ρ), which is N/2 for ρ = 1."""
    return n * rho / (1 + rho)


RATIOS = fractions(1, 1, 2, Fraction(1, 2), 3)


def signed_means(size: int) -> SearchStrategy[Means]:
    numbers = st.lists(st.integers(-4, 9), min_size=size, max_size=size)

    def build(numbers: list[int], kind: int, rho: Fraction) -> Means:
        means = [abs(x) for x in numbers] if kind else numbers
        if kind == 2:  # a tie: E g_1 is ρ times the sum of the others
            return Means(fractions(rho * sum(means[1:]), *means[1:]), rho)
        return Means(fractions(*means), rho)

    return st.builds(build, numbers, st.integers(0, 3), st.sampled_from(RATIOS))


POSITIVE_SUM = Assumption("positive sum", "Σ_j E g_j > 0", positive_sum, said=False)


@dataclass(frozen=True)
class Neuron:
    """Activations g (inputs, N) ≥ 0 of layer k, a neuron w (N,), b of the next; a ratio ρ > 0."""

    g: tuple[Vector, ...]
    w: Vector
    b: Fraction = ZERO
    rho: Fraction = ONE

    def __post_init__(self) -> None:
        checks.matrix("g", self.g, width=len(self.w))
        for row in self.g:
            checks.not_negative("g", row)
        checks.positive("rho", self.rho)

    def __str__(self) -> str:
        inputs = ", ".join(map(vector, self.g))
        rho = f", ρ = {self.rho}" if self.rho != 1 else ""
        return f"g ∈ {{{inputs}}}, w = {vector(self.w)}, b = {self.b}{rho}"


def neuron(g: Sequence[Sequence[int]], w: Sequence[int], b: int = 0, rho: Any = 1) -> Neuron:
    return Neuron(tuple(fractions(*row) for row in g), fractions(*w), Fraction(b), Fraction(rho))


def preactivations(n: Neuron) -> Array:
    """z at each input, (inputs,)."""
    return np.asarray(np.array(n.g) @ np.array(n.w) + n.b)


def means(n: Neuron) -> Array:
    """E g_j, (N,)."""
    return scores.mean_activation(np.array(n.g))


def margins(n: Neuron) -> Array:
    """Y = |w_1| g_1 - Σ_{j≥2} |w_j| g_j - |b| at each input, (inputs,)."""
    sizes = np.abs(np.array(n.w))
    sizes[1:] *= -1
    return np.asarray(np.array(n.g) @ sizes - abs(n.b))


def is_dominant(n: Neuron) -> bool:
    """u_1 > N ρ/(1 + ρ); for ρ = 1 Definition 1."""
    return bool(scores.activation_score(np.array(n.g))[0] > threshold(len(n.w), n.rho))


def dominates_everywhere(n: Neuron) -> bool:
    return all(row[0] > n.rho * sum(row[1:]) for row in n.g)


def printed_weights(n: Neuron) -> bool:
    return n.w[0] >= average(n.w)


def bounded_weights(n: Neuron) -> bool:
    return all(abs(w) <= n.rho * abs(n.w[0]) for w in n.w[1:])


def no_bias(n: Neuron) -> bool:
    return n.b == 0


def term(x: Any) -> str:
    return f"({x})" if x < 0 else str(x)


def products(weights: Any, activations: Any, bias: Any = 0) -> str:
    terms = [f"{term(w)}·{g}" for w, g in zip(weights, activations, strict=True)]
    return " + ".join([*terms, term(bias)] if bias else terms) or "0"


def verdict(x: Any, bound: Any) -> str:
    return f"{x} > {bound}: yes" if x > bound else f"{x} is not above {bound}: no"


def neurons(size: Size) -> SearchStrategy[Neuron]:
    width, count = size
    total = width * count + width + 3

    def build(numbers: list[int], b: int, rho: Fraction) -> Neuron:
        flat = [abs(x) for x in numbers[: width * count]]
        rows = [flat[i * width : (i + 1) * width] for i in range(count)]
        w = fractions(*numbers[width * count : -3])
        lift, kind, equal = (abs(x) for x in numbers[-3:])
        if equal == 3:  # the others are alike
            rows = [[row[0], *[row[-1]] * (width - 1)] for row in rows]
        g = [fractions(*row) for row in rows]
        if lift in (1, 2):  # neuron 1 outdoes ρ times the rest at every input
            g = [(rho * sum(row[1:]) + row[0] + Fraction(1, 2), *row[1:]) for row in g]
        elif lift == 3:  # or by its mean alone, and often exactly
            rest = rho * sum(sum(row[1:]) for row in g)
            g[0] = (rest + Fraction(equal % 2), *g[0][1:])
        if kind == lift == 1:  # one weight is as heavy as an average of sizes allows
            w = (abs(w[0]), *[(1 - width) * abs(w[0])] * (width > 1), *[Fraction(0)] * (width - 2))
        if kind > 1:  # |w_1| is large enough for |w_j| ≤ ρ |w_1|
            first = Fraction(max(map(abs, numbers[width * count : -3]))) * max(ONE, 1 / rho)
            w = (first if kind == 2 else -first, *w[1:])
        return Neuron(tuple(g), w, Fraction(b), rho)

    return st.builds(
        build,
        st.lists(st.integers(-3, 3), min_size=total, max_size=total),
        st.sampled_from((0, 0, 0, 0, 0, 1, -1, -2)),
        st.sampled_from(RATIOS),
    )


def printed_neurons(size: Size) -> SearchStrategy[Neuron]:
    """The same with the ratio ρ = 1 of Definition 1."""
    return neurons(size).map(lambda n: replace(n, rho=Fraction(1)))


WIDTHS: tuple[Size, ...] = ((1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2))
EVERYWHERE = Assumption(
    "everywhere", "g_1(x) > Σ_{j≥2} g_j(x) at every x", dominates_everywhere, said=False
)
WEIGHTS = Assumption("weights", "w_1 ≥ (1/N) Σ_j w_j", printed_weights)
BOUNDED = Assumption("weights", "|w_j| ≤ ρ |w_1| for j ≥ 2", bounded_weights, said=False)
NO_BIAS = Assumption("bias", "b = 0", no_bias)
HEAVY_WEIGHT = neuron([(2, 1)], (1, -3))
PAIRS: tuple[Size, ...] = ((1, 1), (1, 2), (2, 1), (2, 2), (1, 3))
ND = "Neuron Dominance"
