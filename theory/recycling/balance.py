"""What ReLU conserves at each neuron, and so what recycling starts from."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ref.checks import require
from theory import checks
from theory.claim import Assumption, Claim, vector

Row = tuple[Fraction, ...]
ZERO = Fraction(0)


@dataclass(frozen=True)
class Balanced:
    """A neuron w (N,), b, v at inputs x (batch, N), what dL/dŷ is at each, (batch,): any errors.

    Its activation is relu, or with `power` 2 its square; rates of the layers below and above.
    """

    w: Row
    b: Fraction
    v: Fraction
    x: tuple[Row, ...]
    error: Row
    power: int = 1
    rates: tuple[Fraction, Fraction] = (Fraction(1), Fraction(1))

    def __post_init__(self) -> None:
        checks.row("w", self.w)
        checks.matrix("x", self.x, len(self.error), len(self.w))
        require(self.power in (1, 2), "power", self.power, "1 or 2")
        checks.row("rates", self.rates, 2)

    def __str__(self) -> str:
        x = ", ".join(map(vector, self.x))
        more = ", activation relu²" * (self.power == 2)
        rates = f", rates {vector(self.rates)}" * (self.rates[0] != self.rates[1])
        return (
            f"w = {vector(self.w)}, b = {self.b}, v = {self.v}, x ∈ {{{x}}}, "
            f"dL/dŷ = {vector(self.error)}{more}{rates}"
        )


def moves(n: Balanced) -> tuple[Row, Fraction, Fraction]:
    """∂w, ∂b, ∂v of the semi-gradient flow."""
    dw, db, dv = [ZERO] * len(n.w), ZERO, ZERO
    for x, e in zip(n.x, n.error, strict=True):
        z = sum((w * a for w, a in zip(n.w, x, strict=True)), n.b)
        h = max(z, ZERO) ** n.power
        slope = n.power * max(z, ZERO) ** (n.power - 1) if z > 0 else ZERO
        dw = [d - n.rates[0] * e * n.v * slope * a for d, a in zip(dw, x, strict=True)]
        db, dv = db - n.rates[0] * e * n.v * slope, dv - n.rates[1] * e * h
    return tuple(dw), db, dv


def conserved(n: Balanced) -> bool:
    """w·∂w + b ∂b = v ∂v: half the change of ‖w‖² + b² - v²."""
    dw, db, dv = moves(n)
    return sum((w * d for w, d in zip(n.w, dw, strict=True)), n.b * db) == n.v * dv


def homogeneous(n: Balanced) -> bool:
    return n.power == 1


def one_rate(n: Balanced) -> bool:
    return n.rates[0] == n.rates[1]


def balanced(size: tuple[int, int]) -> SearchStrategy[Balanced]:
    """Of a size (N, batch)."""
    width, batch = size
    total = width + 2 + batch * (width + 1)

    def build(numbers: list[int], power: int, other: int) -> Balanced:
        f = tuple(map(Fraction, numbers))
        w, (b, v), rest = f[:width], f[width : width + 2], f[width + 2 :]
        x = tuple(rest[i * width : (i + 1) * width] for i in range(batch))
        rates = Fraction(1), Fraction(1 + (other == 0))
        return Balanced(w, b, v, x, rest[batch * width :], 1 + (power == 0), rates)

    numbers = st.lists(st.integers(-3, 3), min_size=total, max_size=total)
    return st.builds(build, numbers, st.integers(0, 9), st.integers(0, 9))


ONE = Fraction(1)


RELU_BALANCE = Claim(
    id="recycling.relu-balance",
    source="new; beside Du et al. (2018), for semi-gradients, biases and any error",
    origin="ours",
    title="ReLU conserves, at each neuron, incoming less outgoing weights",
    statement="‖w‖² + b² - v² of each neuron is constant along the (semi-)gradient flow, for every "
    "loss\nand target; so after ReDo, v = 0:  ‖w_t‖² + b_t² = ‖w_0‖² + b_0² + v_t² for ever",
    given=(
        Assumption("homogeneous", "h(z) = z h'(z), as relu has it", homogeneous),
        Assumption("one rate", "both layers learn at the same rate", one_rate, said=False),
    ),
    then=conserved,
    instances=balanced,
    sizes=((1, 1), (2, 1), (1, 2), (2, 3)),
    verdict="holds if",
    needs={
        "homogeneous": Balanced((ONE,), ZERO, ONE, ((ONE,),), (ONE,), 2),
        "one rate": Balanced((ONE,), ZERO, ONE, ((ONE,),), (ONE,), 1, (ONE, ONE + ONE)),
    },
    proof="w·∂w + b ∂b = -Σ e v h'(z)(w·x + b) = -Σ e v h'(z) z = -Σ e v h(z) = v ∂v, e = dL/dŷ.",
    remark="With several outgoing weights v² is ‖v‖². So a neuron that ReDo recycles never has an "
    "incoming norm below the fresh one, while one with v² ≤ ‖w‖² + b² keeps the order: its head "
    "dies first and the neuron stays alive. Adam conserves nothing of it. Practice: under SGD a "
    "recycled neuron is safe from shrinking; under Adam look again.",
)


CLAIMS: tuple[Claim[Any], ...] = (RELU_BALANCE,)
