"""What weight decay can and cannot do (LNWD: AdamW of 1e-4, section 4.1)."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ref import scores
from ref.checks import require
from theory import checks
from theory.claim import Assumption, Claim, vector
from theory.dominance.layer import Vector, fractions


@dataclass(frozen=True)
class Decayed:
    """A layer's z without their biases at each input (inputs, N), biases (N,), and a factor
    κ = (1 - αλ)^t of the weights and of the biases."""

    z: tuple[Vector, ...]
    b: Vector
    kappa: Fraction
    of_bias: Fraction

    def __post_init__(self) -> None:
        checks.matrix("z", self.z, width=len(self.b))

    def __str__(self) -> str:
        z = ", ".join(map(vector, self.z))
        return f"w·g ∈ {{{z}}}, b = {vector(self.b)}, weights × {self.kappa}, b × {self.of_bias}"


def layer(d: Decayed, weights: Fraction, biases: Fraction) -> Any:
    z = np.array(d.z) * weights + np.array(d.b) * biases
    return z * (z > 0).astype(int)


def same_scores(d: Decayed) -> bool:
    before, after = layer(d, Fraction(1), Fraction(1)), layer(d, d.kappa, d.of_bias)
    if not before.any() or not after.any():
        return bool(before.any() == after.any())
    return bool((scores.activation_score(before) == scores.activation_score(after)).all())


def bias_too(d: Decayed) -> bool:
    return d.kappa == d.of_bias


def positive(d: Decayed) -> bool:
    return d.kappa > 0


def decayed(size: tuple[int, int]) -> SearchStrategy[Decayed]:
    width, count = size
    total = width * (count + 1)

    def build(numbers: list[int], kappa: int, odd: int) -> Decayed:
        z = tuple(fractions(*numbers[t * width : (t + 1) * width]) for t in range(count))
        k = Fraction(kappa, 4)
        return Decayed(z, fractions(*numbers[-width:]), k, Fraction(1) if odd == 0 else k)

    numbers = st.lists(st.integers(-3, 3), min_size=total, max_size=total)
    return st.builds(build, numbers, st.integers(0, 4), st.integers(0, 5))


DECAY_SCORES = Claim(
    id="dominance.decay-scores",
    source="new; on LNWD (section 4.1)",
    origin="ours",
    title="Decay of a whole layer does not change its scores",
    statement="weights and biases of a layer times one κ > 0  ⇒  the same scores u_i",
    given=(
        Assumption("bias too", "biases decay as weights do", bias_too, said=False),
        Assumption("κ > 0", "κ > 0", positive),
    ),
    then=same_scores,
    instances=decayed,
    sizes=((2, 1), (2, 2), (3, 2)),
    verdict="holds if",
    needs={
        "bias too": Decayed((fractions(1, 1),), fractions(1, 0), Fraction(1, 2), Fraction(1)),
        "κ > 0": Decayed((fractions(1, 1),), fractions(0, 0), Fraction(0), Fraction(0)),
    },
    proof="relu(κz) = κ relu(z), and κ drops out of every score.",
    remark="jaxrl's decay leaves biases alone: then it moves the scores, at the speed of "
    "dominance.decay-revives.",
)


@dataclass(frozen=True)
class Saturated:
    """A saturated neuron without a gradient: w·g and b at one input, αλ in (0, 1), T steps.

    `of_bias`: whether b decays too.
    """

    inner: Fraction
    b: Fraction
    rate: Fraction
    steps: int
    of_bias: bool = False

    def __post_init__(self) -> None:
        checks.share("rate", self.rate)
        require(self.steps >= 0, "steps", self.steps, "no number below 0")

    def __str__(self) -> str:
        too = ", b decays too" * self.of_bias
        return f"w·g = {self.inner}, b = {self.b}, αλ = {self.rate}, {self.steps} steps{too}"


def height(s: Saturated, t: int) -> Fraction:
    kappa = (1 - s.rate) ** t
    return kappa * s.inner + s.b * (kappa if s.of_bias else 1)


def off(s: Saturated) -> bool:
    return height(s, 0) <= 0


def no_bias_decay(s: Saturated) -> bool:
    return not s.of_bias


def revives_exactly_then(s: Saturated) -> bool:
    """Alive by step T ⇔ b > κ^T |w·g|; and not before (1 - b/|w·g|)/(αλ) steps."""
    awake = any(height(s, t) > 0 for t in range(s.steps + 1))
    kappa = (1 - s.rate) ** s.steps
    soon = s.inner < 0 and s.steps * s.rate < 1 - s.b / -s.inner
    return awake == (s.b > 0 and s.b > kappa * abs(s.inner)) and not (awake and soon)


def saturated(size: int) -> SearchStrategy[Saturated]:
    return st.builds(
        lambda inner, b, rate, odd: Saturated(
            Fraction(inner), Fraction(b, 2), Fraction(1, rate), size, odd == 0
        ),
        st.integers(-6, 3),
        st.integers(-4, 8),
        st.sampled_from((2, 4, 10, 100)),
        st.integers(0, 5),
    )


DECAY_REVIVES = Claim(
    id="dominance.decay-revives",
    source="new; on LNWD (section 4.1)",
    origin="ours",
    title="Decay revives a saturated neuron iff its bias is positive and does not decay",
    statement="z_0 = w·g + b ≤ 0 and no gradient: z_T > 0 for decay of w alone\n"
    "⇔ b > (1 - αλ)^T |w·g|: from T = ln(|w·g|/b)/(-ln(1 - αλ)) on, never for b ≤ 0, and not\n"
    "before T = (1 - b/|w·g|)/(αλ)",
    given=(
        Assumption("saturated", "w·g + b ≤ 0", off),
        Assumption("bias stays", "b does not decay", no_bias_decay, said=False),
    ),
    then=revives_exactly_then,
    instances=saturated,
    sizes=(1, 2, 4, 8, 16),
    verdict="holds if",
    needs={
        "saturated": Saturated(Fraction(3), Fraction(-1), Fraction(1, 2), 1),
        "bias stays": Saturated(Fraction(-2), Fraction(3, 2), Fraction(1, 2), 2, True),
    },
    proof="z_t = κ^t w·g + b. If w·g ≥ 0 then b ≤ -w·g ≤ 0, and z_t ≤ z_0 or ≤ 0. If w·g < 0 it "
    "rises with t, and is above 0 iff b > κ^t |w·g|. (1 - αλ)^t ≥ 1 - tαλ (Bernoulli).",
    remark="At the paper's α λ = 3e-4 · 1e-4 = 3e-8 weights are at 98.5 % after 500,000 updates, "
    "and a factor e takes 33 million. Practice: at these rates decay cannot revive or prevent "
    "anything within a run; what LNWD does, LayerNorm does.",
)


CLAIMS: tuple[Claim[Any], ...] = (DECAY_SCORES, DECAY_REVIVES)
