"""The next layer under random weights: how often a narrow cone of inputs leaves it mixed."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import atan2, comb, inf, pi, sqrt
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from scipy import special

from ref.checks import require
from theory import checks
from theory.claim import Assumption, Claim, Curve, vector
from theory.dominance.layer import ZERO, Size, Vector, fractions


@dataclass(frozen=True)
class Inputs:
    """Activations g (inputs, N) at one to three inputs, signed or not; random weights, b = 0."""

    g: tuple[Vector, ...]

    def __post_init__(self) -> None:
        checks.matrix("g", self.g)
        require(len(self.g) <= 3, "g", self.g, "one to three inputs")

    def __str__(self) -> str:
        return f"g ∈ {{{', '.join(map(vector, self.g))}}}, w ~ N(0, I)"


# Angles and incomplete beta functions each come with a relative error of a few dozen units in the
# last place (below 1e-14), of numbers that are at most 1, and fewer than 10 of them are added; what
# they are of, sin² or cos², is rounded once.
CONE_ERROR = 1e-12


def inputs(*rows: Sequence[int]) -> Inputs:
    return Inputs(tuple(fractions(*row) for row in rows))


def first_is_on(layer: Inputs) -> bool:
    return all(row[0] > 0 for row in layer.g)


def angle(a: Vector, b: Vector) -> float:
    aa, bb, ab = (
        sum(x * y for x, y in zip(*pair, strict=True)) for pair in ((a, a), (b, b), (a, b))
    )
    return atan2(sqrt(aa * bb - ab**2), ab)


def mixed_probability(layer: Inputs) -> float:
    """P_w(neither saturated nor zombie), exact but for rounding.

    Two inputs are parted by z = 0 with probability angle/π; of three either no pair is parted or
    exactly two pairs are. With a dead input (g = 0, z = 0) none is a zombie: the rest has to be
    below 0, which is half of where it is not parted.
    """
    live = [g for g in layer.g if any(g)]
    pairs = [angle(a, b) for i, a in enumerate(live) for b in live[:i]]
    parted = sum(pairs) / pi / max(1, len(live) - 1)
    return parted if len(live) in (0, len(layer.g)) else (1 + parted) / 2


def squared_sine(layer: Inputs) -> Fraction:
    """sin² φ, where tan φ is the largest ‖(g_2, .., g_N)‖ / |g_1| over the live inputs."""
    squares = [[x * x for x in g] for g in layer.g if any(g)]
    return max((sum(g[1:], ZERO) / sum(g) for g in squares), default=ZERO)


def student(degrees: int, sine2: Fraction | float) -> float:
    """P(|t_k| ≤ √k tan φ) = I_{sin² φ}(1/2, k/2) = 1 - I_{cos² φ}(k/2, 1/2), and 0 for k = 0.

    Near 1 it ends as the root of cos² φ does: so by cos² φ, exact of a Fraction.
    """
    if not degrees:
        return 0.0
    if sine2 < 0.5:
        return float(special.betainc(0.5, degrees / 2, float(sine2)))
    return 1 - float(special.betainc(degrees / 2, 0.5, float(1 - sine2)))


def cone_bound(width: int, sine2: Fraction | float) -> float:
    return student(width - 1, sine2)


def rectified_bound(width: int, sine2: Fraction | float) -> float:
    """Σ_k C(N-1, k) 2^-(N-1) P(|t_k| ≤ √k tan φ): of N - 1 weights a random half counts."""
    ways = [comb(width - 1, k) / 2 ** (width - 1) for k in range(width)]
    return float(sum(way * student(k, sine2) for k, way in enumerate(ways)))


def cone_slack(layer: Inputs) -> float:
    return cone_bound(len(layer.g[0]), squared_sine(layer)) - mixed_probability(layer)


def cone_holds(layer: Inputs) -> bool:
    width, sine2 = len(layer.g[0]), squared_sine(layer)
    tangent = sqrt(sine2 / (1 - sine2)) if sine2 < 1 else inf
    below = cone_bound(width, sine2) <= sqrt(2 * (width - 1) / pi) * tangent + CONE_ERROR
    return below and cone_slack(layer) >= -CONE_ERROR


def layers_of_inputs(size: Size) -> SearchStrategy[Inputs]:
    width, count = size
    number = width * count

    def build(numbers: list[int], kind: int) -> Inputs:
        values = [abs(x) for x in numbers] if kind % 2 else numbers
        rows = [values[i * width : (i + 1) * width] for i in range(count)]
        if kind > 1:  # the first is on
            rows = [[abs(row[0]) + 1, *row[1:]] for row in rows]
        return Inputs(tuple(fractions(*row) for row in rows))

    return st.builds(
        build, st.lists(st.integers(-3, 3), min_size=number, max_size=number), st.integers(0, 3)
    )


def cone_curve() -> Curve:
    """Width 64: mixed neurons among 4,000 drawn, for 200 drawn inputs on the cone's surface."""
    width, generator = 64, np.random.default_rng(0)
    others = np.abs(generator.standard_normal((200, width - 1)))
    others *= generator.random(others.shape) < 0.1  # few neurons are on: directions apart
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    w = generator.standard_normal((width, 4000))
    tangents = np.linspace(0, 0.5, 26)
    lines: dict[str, list[float]] = {"truth (drawn)": [], "ReLU bound": [], "any layer": []}
    for tangent in tangents:
        z = w[0] + tangent * others @ w[1:]
        sine2 = tangent**2 / (1 + tangent**2)
        lines["truth (drawn)"].append(float(((z > 0).any(0) & (z <= 0).any(0)).mean()))
        lines["ReLU bound"].append(rectified_bound(width, sine2))
        lines["any layer"].append(cone_bound(width, sine2))
    return Curve("tan φ", [float(x) for x in tangents], lines, "P(neither saturated nor zombie)")


CONE = Claim(
    id="dominance.cone",
    source="repairs dominance.theorem-1, for random weights",
    origin="ours",
    title="Few mixed neurons, if neuron 1 dominates in norm",
    statement="w ~ N(0, I), b = 0, and at every input g_1 > 0 and ‖(g_2 .. g_N)‖ ≤ g_1 tan φ\n"
    "⇒ P(neither saturated nor zombie) ≤ P(|t_{N-1}| ≤ √(N-1) tan φ)\n"
    "and that is at most √(2(N-1)/π) tan φ. All weights are normal and independent: N(0, I).",
    given=(Assumption("on", "g_1 > 0 at every input", first_is_on, said=False),),
    then=cone_holds,
    instances=layers_of_inputs,
    sizes=((1, 2), (2, 2), (3, 2), (2, 3), (3, 3)),
    verdict="holds if",
    needs={"on": inputs((1, 0), (-1, 0))},
    proof="|Σ_{j≥2} w_j g_j| ≤ ‖(w_2 .. w_N)‖ g_1 tan φ (Cauchy-Schwarz), so the sign of z is "
    "fixed if |w_1| > ‖(w_2 .. w_N)‖ tan φ; √(N-1) w_1/‖(w_2 .. w_N)‖ has the law t_{N-1}. It "
    "depends on the direction of w alone: any rotation-invariant law will do. The density of "
    "t_k is largest at 0, and there at most 1/√(2π).",
    slack=cone_slack,
    error=CONE_ERROR,
    tight_at=inputs((1, 1), (1, -1)),
    curve=cone_curve,
    remark="The truth of an instance is computed from the angles between its inputs.",
)


def rectified(layer: Inputs) -> bool:
    return all(min(row) >= 0 for row in layer.g)


def rectified_slack(layer: Inputs) -> float:
    return rectified_bound(len(layer.g[0]), squared_sine(layer)) - mixed_probability(layer)


CONE_RELU = Claim(
    id="dominance.cone-relu",
    source="repairs dominance.theorem-1; sharpens dominance.cone",
    origin="ours",
    title="Fewer still, as activations are not negative",
    statement="w ~ N(0, I), b = 0, g ≥ 0, and at every input g_1 > 0 and "
    "‖(g_2 .. g_N)‖ ≤ g_1 tan φ\n"
    "⇒ P(neither) ≤ E P(|t_K| ≤ √K tan φ) with K ~ Binomial(N - 1, 1/2): K is how often N - 1 "
    "tosses of a coin show heads; E is the mean over that",
    given=(
        Assumption("on", "g_1 > 0 at every input", first_is_on, said=False),
        Assumption("ReLU", "g ≥ 0", rectified),
    ),
    instances=layers_of_inputs,
    sizes=((1, 2), (2, 2), (3, 2), (2, 3), (3, 3)),
    verdict="holds if",
    needs={"on": inputs((1, 0), (0, 0)), "ReLU": inputs((1, 1), (1, -1))},
    proof="If w_1 > 0, only negative weights lower z: z ≥ g_1 (w_1 - ‖(w_j)⁻‖ tan φ) over j ≥ "
    "2. If w_1 < 0, only positive ones raise it. Each time K ~ Binomial(N - 1, 1/2) of the N - "
    "1 weights count, and given K their norm is that of K normals independent of w_1. Equality "
    "for a layer that fills the part of the cone with g ≥ 0.",
    slack=rectified_slack,
    error=CONE_ERROR,
    tight_at=inputs((1, 0), (1, 1)),
    curve=cone_curve,
)


CLAIMS: tuple[Claim[Any], ...] = (
    CONE,
    CONE_RELU,
)
