"""GraMa's eq. (2) as it is printed, fused branches, and sentences of ReDo."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ref import scores
from theory import checks
from theory.claim import Assumption, Claim, vector

Row = tuple[Fraction, ...]
ZERO = Fraction(0)


def row(*numbers: Any) -> Row:
    return tuple(map(Fraction, numbers))


# ------------------------------------------------------------------------------- GraMa, eq. (2)


@dataclass(frozen=True)
class Magnitudes:
    """E|∇_{h_i} L| of each neuron of a layer, (N,) ≥ 0, and a threshold τ in [0, 1)."""

    sizes: Row
    tau: Fraction = Fraction(1, 10)

    def __post_init__(self) -> None:
        checks.row("sizes", self.sizes)
        checks.not_negative("sizes", self.sizes)
        checks.below_one("tau", self.tau)

    def __str__(self) -> str:
        return f"E|∇_h L| = {vector(self.sizes)}, τ = {self.tau}"


def printed(m: Magnitudes) -> Row:
    """Eq. (2) letter by letter: the sum over k has the neuron's own gradient in each term."""
    n = len(m.sizes)
    return tuple(s / (sum((s for _ in m.sizes), ZERO) / n) if s else ZERO for s in m.sizes)


def meant(m: Magnitudes) -> Row:
    """With k in the sum."""
    return tuple(scores.grama(np.array([m.sizes], dtype=object), by="activation"))


def all_with_gradient(m: Magnitudes) -> bool:
    return min(m.sizes) > 0


def some_low(m: Magnitudes) -> bool:
    """Some neuron's gradient is at most τ times the mean."""
    return min(m.sizes) * len(m.sizes) <= m.tau * sum(m.sizes)


def printed_flags(m: Magnitudes) -> bool:
    return min(printed(m)) <= m.tau


def meant_flags(m: Magnitudes) -> bool:
    g = meant(m)
    return sum(g) == len(g) and min(g) <= m.tau


def magnitudes(size: int) -> SearchStrategy[Magnitudes]:
    def build(numbers: list[int], tau: int, low: bool) -> Magnitudes:
        sizes = row(*numbers)
        if low:
            sizes = (*sizes[:-1], sum(sizes) * Fraction(tau, 40) / size)
        return Magnitudes(sizes, Fraction(tau, 20))

    numbers = st.lists(st.integers(0, 9), min_size=size, max_size=size)
    return st.builds(build, numbers, st.integers(0, 19), st.booleans())


WITH_GRADIENT = Assumption("gradients", "E|∇_{h_i} L| > 0 for all i", all_with_gradient)
LOW = Assumption("one low", "some E|∇_{h_i} L| ≤ τ times the mean of the layer", some_low)


def printed_steps(m: Magnitudes) -> list[str]:
    n, first = len(m.sizes), m.sizes[0]
    return [
        f"neuron 1 has {first}, the layer's mean is {sum(m.sizes) / n}: at most τ = {m.tau} of it",
        f"eq. (2) divides {first} by (1/{n}) Σ_k of its own {first}, not of neuron k's",
        f"so G_1 = {first}/{first} = 1, and G = {vector(printed(m))}: none is at most {m.tau}",
        f"with k in the sum G = {vector(meant(m))}",
    ]


GRAMA_PRINTED = Claim(
    id="recycling.grama-printed",
    source="GraMa, eq. (2), as printed",
    origin="printed",
    title="Eq. (2) finds a neuron of little gradient",
    statement="E|∇_{h_i} L| ≤ τ · mean of the layer for some i, all above 0  ⇒  G_i ≤ τ for some i",
    given=(WITH_GRADIENT, LOW),
    then=printed_flags,
    instances=magnitudes,
    sizes=(2, 3, 5),
    verdict="refuted",
    counterexample=Magnitudes(row(1, 99)),
    breaks="The sum over k has ∇_{h_i} in each term: G_i = 1 for every neuron with a gradient, and "
    "ReGraMa resets none of them at any τ < 1.",
    steps=printed_steps,
    repaired_by=("recycling.grama-meant",),
    remark="The simplest error of the paper, a letter; its code divides by the layer's mean.",
)


def some_gradient(m: Magnitudes) -> bool:
    return any(m.sizes)


GRAMA_MEANT = Claim(
    id="recycling.grama-meant",
    source="repairs recycling.grama-printed",
    origin="ours",
    title="With h_k in the sum it does, and the scores average 1",
    statement="G_i = E|∇_{h_i} L| / mean_k E|∇_{h_k} L|:  Σ_i G_i = N, and min G ≤ τ for one low",
    given=(Assumption("some gradient", "E|∇_{h_i} L| > 0 for some i", some_gradient), LOW),
    then=meant_flags,
    instances=magnitudes,
    sizes=(2, 3, 5),
    verdict="holds",
    needs={
        "some gradient": Magnitudes(row(0, 0)),
        "one low": Magnitudes(row(1, 1)),
    },
    proof="Divide by the mean.",
)


@dataclass(frozen=True)
class Kink:
    """A pre-activation z, and the derivative that relu has at 0."""

    z: Fraction
    kink: Fraction = ZERO

    def __str__(self) -> str:
        return f"z = {self.z}, relu'(0) = {self.kink}"

    def slope(self, z: Fraction) -> Fraction:
        return self.kink if z == 0 else Fraction(z > 0)


def same_slope(k: Kink) -> bool:
    return k.slope(max(k.z, ZERO)) == k.slope(k.z)


def kink_shut(k: Kink) -> bool:
    return k.kink == 0


def kinks(size: int) -> SearchStrategy[Kink]:
    return st.builds(
        lambda z, kink: Kink(Fraction(z, 7), Fraction(kink, 2)),
        st.integers(-size, size),
        st.sampled_from((0, 0, 0, 1, 2)),
    )


Z_AFTER = Claim(
    id="recycling.z-after",
    source="GraMa, proof of Theorem 1 ('z represents the output after .. the activation')",
    origin="consequence",
    title="A slip that does no harm: relu' is the same before and after relu",
    statement="relu'(relu(z)) = relu'(z) for all z",
    given=(Assumption("relu'(0) = 0", "relu'(0) = 0", kink_shut, said=False),),
    then=same_slope,
    instances=kinks,
    sizes=(60, 600),
    verdict="holds if",
    needs={"relu'(0) = 0": Kink(Fraction(-1), Fraction(1, 2))},
    proof="relu(z) > 0 iff z > 0, and elsewhere relu(z) = 0 where the derivative is 0.",
    remark="For other activations the letter matters: leaky relu'(h) is relu'(z) too, tanh'(h) is "
    "not tanh'(z).",
)


@dataclass(frozen=True)
class Fused:
    """Two branches' outputs a and b, fused as h = relu(a + b), with a gradient dL/dh."""

    a: Fraction
    b: Fraction
    gradient: Fraction = Fraction(1)

    def __str__(self) -> str:
        return (
            f"branches {self.a} and {self.b}, h = relu({self.a + self.b}), dL/dh = {self.gradient}"
        )


def fused_zero(f: Fused) -> bool:
    return f.a + f.b <= 0


def both_silent(f: Fused) -> bool:
    return f.a == f.b == 0


def branch_gradients(f: Fused) -> tuple[Fraction, Fraction]:
    """dL/da and dL/db, by relu's difference quotients away from its kink."""
    step = Fraction(1, 1000)
    h = max(f.a + f.b, ZERO)
    quotients = (
        (max(f.a + da + f.b + db, ZERO) - h) / step for da, db in ((step, ZERO), (ZERO, step))
    )
    first, second = (f.gradient * q for q in quotients)
    return first, second


def gradients_same(f: Fused) -> bool:
    first, second = branch_gradients(f)
    return first == second


def fusions(size: int) -> SearchStrategy[Fused]:
    few = st.integers(-size, size).map(Fraction)
    return st.builds(Fused, few, few, few)


def fused_steps(f: Fused) -> list[str]:
    return [
        f"a + b = {f.a} + {f.b} = {f.a + f.b}, so relu(a + b) = {max(f.a + f.b, ZERO)}",
        f"and yet a = {f.a} and b = {f.b}: the branches are not silent, they cancel",
    ]


FUSED_DORMANT = Claim(
    id="recycling.fused-dormant",
    source="ReDo's score after a fusion of branches (GraMa, section 4.1 (i))",
    origin="reading",
    title="A fused activation of zero shows that its branches are silent",
    statement="relu(a + b) = 0  ⇒  a = b = 0",
    given=(Assumption("dormant", "relu(a + b) = 0", fused_zero),),
    then=both_silent,
    instances=fusions,
    sizes=(1, 2, 9),
    verdict="refuted",
    counterexample=Fused(Fraction(1), Fraction(-1)),
    breaks="Branches cancel: GraMa is right that the score after the fusion tells nothing of them.",
    steps=fused_steps,
    repaired_by=("recycling.fused-gradient",),
)


FUSED_GRADIENT = Claim(
    id="recycling.fused-gradient",
    source="beyond GraMa, section 4.1 (i)",
    origin="ours",
    title="Nor does the gradient tell branches apart: both have the same",
    statement="h = relu(a + b)  ⇒  dL/da = dL/db for every loss",
    given=(),
    then=gradients_same,
    instances=fusions,
    sizes=(2, 9, 99),
    verdict="holds",
    proof="Both are dL/dh relu'(a + b).",
    remark="So neither score sees a branch at the fusion; each must be taken inside a branch.",
)

# ------------------------------------------------------------------------------------------ ReDo


@dataclass(frozen=True)
class Layers:
    """Mean activations of two layers, (N,) and (M,), each with a positive sum."""

    one: Row
    other: Row

    def __post_init__(self) -> None:
        for name in ("one", "other"):
            means = getattr(self, name)
            checks.row(name, means)
            checks.not_negative(name, means)
            checks.positive(f"the sum of {name}", sum(means, Fraction(0)))

    def __str__(self) -> str:
        return f"E|h| = {vector(self.one)} in one layer, {vector(self.other)} in another"


def score(means: Row) -> Fraction:
    """s_1 of the first neuron."""
    return means[0] * len(means) / sum(means) if any(means) else ZERO


def lower_score(x: Layers) -> bool:
    return score(x.one) < score(x.other)


def lower_activation(x: Layers) -> bool:
    return x.one[0] < x.other[0]


def same_layer(x: Layers) -> bool:
    return len(x.one) == len(x.other) and sum(x.one) == sum(x.other)


def layers(size: int) -> SearchStrategy[Layers]:
    def build(one: list[int], other: list[int], factor: int, same: bool) -> Layers:
        first = row(*one)
        second = row(*(other if not same else [one[-1], *one[1:-1], one[0]]))
        return Layers(first, tuple(factor * x if not same else x for x in second))

    numbers = st.lists(st.integers(0, 9), min_size=size, max_size=size).filter(any)
    return st.builds(build, numbers, numbers, st.integers(1, 9), st.booleans())


LOWER = Assumption("lower score", "s of the first is below s of the second", lower_score)


def score_steps(x: Layers) -> list[str]:
    lines = [
        f"s of {means[0]} in {vector(means)}: {means[0]} / (mean {sum(means) / len(means)}) = "
        f"{score(means)}"
        for means in (x.one, x.other)
    ]
    return [*lines, f"{score(x.one)} < {score(x.other)}, but {x.one[0]} is not below {x.other[0]}"]


COMPARABLE = Claim(
    id="recycling.comparable",
    source="ReDo, section 3 ('makes the comparison of neurons in different layers possible')",
    origin="reading",
    title="The lower score has the lower activation, across layers",
    statement="s_i < s_j for i, j in two layers  ⇒  E|h_i| < E|h_j|",
    given=(LOWER,),
    then=lower_activation,
    instances=layers,
    sizes=(2, 3),
    verdict="refuted",
    counterexample=Layers(row(1, 2), row(1, 1)),
    breaks="A score is relative to its own layer's mean.",
    steps=score_steps,
    repaired_by=("recycling.comparable-within",),
)


COMPARABLE_WITHIN = Claim(
    id="recycling.comparable-within",
    source="repairs recycling.comparable",
    origin="ours",
    title="Within layers of one width and one sum of activations it has",
    statement="s_i < s_j, the same N and the same Σ E|h|  ⇒  E|h_i| < E|h_j|",
    given=(LOWER, Assumption("same layer", "the same N and Σ E|h|", same_layer, said=False)),
    then=lower_activation,
    instances=layers,
    sizes=(2, 3, 4),
    verdict="holds if",
    needs={"lower score": Layers(row(1, 1), row(1, 1)), "same layer": Layers(row(1, 2), row(1, 1))},
    proof="s = N E|h|/Σ with one factor for both.",
    remark="So one τ for all layers asks for different things of each: τ times its own mean.",
)


@dataclass(frozen=True)
class Outgoing:
    """A recycled neuron's activation at an input, and its fresh outgoing weight."""

    h: Fraction
    v: Fraction
    rest: Fraction

    def __str__(self) -> str:
        return f"h = {self.h}, fresh outgoing weight {self.v}, the rest of f is {self.rest}"


def changes(o: Outgoing) -> bool:
    return o.rest + o.v * o.h != o.rest


def outgoings(size: int) -> SearchStrategy[Outgoing]:
    few = st.integers(-size, size).map(lambda n: Fraction(n, 3))
    return st.builds(lambda h, v, rest: Outgoing(abs(h), v, rest), few, few, few)


RANDOM_OUTGOING = Claim(
    id="recycling.random-outgoing",
    source="ReDo, appendix C.2",
    origin="printed",
    title="Random outgoing weights of a recycled neuron change the output",
    statement="v ≠ 0 and h(x) ≠ 0  ⇒  f(x) changes, by v h(x)",
    given=(
        Assumption("weight", "v ≠ 0", lambda o: o.v != 0),
        Assumption("active", "h(x) ≠ 0 with the fresh incoming weights", lambda o: o.h != 0, False),
    ),
    then=changes,
    instances=outgoings,
    sizes=(3, 9, 99),
    verdict="holds if",
    needs={
        "weight": Outgoing(Fraction(1), ZERO, ZERO),
        "active": Outgoing(ZERO, Fraction(1), ZERO),
    },
    proof="f was the rest, as the neuron gave 0.",
)


@dataclass(frozen=True)
class Loss:
    """A target y and a value q."""

    y: Fraction
    q: Fraction

    def __str__(self) -> str:
        return f"target {self.y}, Q = {self.q}"


def least_at_target(x: Loss) -> bool:
    """Q - y at Q = y is at most that at q."""
    return x.q - x.y >= 0


def squared_least(x: Loss) -> bool:
    return (x.q - x.y) ** 2 >= 0 and ((x.q - x.y) ** 2 > 0) == (x.q != x.y)


def pairs(size: int) -> SearchStrategy[Loss]:
    few = st.integers(-size, size).map(Fraction)
    return st.builds(Loss, few, few)


def loss_steps(x: Loss) -> list[str]:
    return [
        f"L at Q = y = {x.y} is {x.y} - {x.y} = 0",
        f"L at Q = {x.q} is {x.q} - {x.y} = {x.q - x.y}, which is less",
    ]


TD_UNSQUARED = Claim(
    id="recycling.td-unsquared",
    source="ReDo, section 2 (L = Q(s, a) - Q^T(s, a))",
    origin="consequence",
    title="The loss as printed is least where Q is the target",
    statement="L(Q) = Q - y  ⇒  L(y) ≤ L(Q) for all Q",
    given=(),
    then=least_at_target,
    instances=pairs,
    sizes=(1, 9),
    verdict="refuted",
    counterexample=Loss(ZERO, Fraction(-1)),
    breaks="The square is missing: without it the loss has no least value.",
    steps=loss_steps,
    repaired_by=("recycling.td-squared",),
)


TD_SQUARED = Claim(
    id="recycling.td-squared",
    source="repairs recycling.td-unsquared",
    origin="ours",
    title="Squared it is least there, and nowhere else",
    statement="L(Q) = (Q - y)²  ⇒  L(y) = 0 < L(Q) for all Q ≠ y",
    given=(),
    then=squared_least,
    instances=pairs,
    sizes=(9, 99),
    verdict="holds",
    proof="A square is 0 for 0 alone.",
)


CLAIMS: tuple[Claim[Any], ...] = (
    GRAMA_PRINTED,
    GRAMA_MEANT,
    Z_AFTER,
    FUSED_DORMANT,
    FUSED_GRADIENT,
    COMPARABLE,
    COMPARABLE_WITHIN,
    RANDOM_OUTGOING,
    TD_UNSQUARED,
    TD_SQUARED,
)
