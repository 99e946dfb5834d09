"""MAGI: OCP, Definition 2."""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis.strategies import SearchStrategy

from ref import scores
from theory import checks
from theory.claim import Assumption, Claim, vector
from theory.dormancy.activations import EQUAL, EXACT, PHI, RELU, ints


@dataclass(frozen=True)
class Units:
    """h_i(x) = φ(w_i·x + b_i) for the rows w_i of a weight matrix, on a batch of inputs x."""

    phi: str
    w: tuple[tuple[Fraction, ...], ...]
    b: tuple[Fraction, ...]
    xs: tuple[tuple[Fraction, ...], ...]

    def __post_init__(self) -> None:
        checks.matrix("w", self.w)
        checks.row("b", self.b, len(self.w))
        checks.matrix("xs", self.xs, width=len(self.w[0]))

    def __str__(self) -> str:
        xs = ", ".join(map(vector, self.xs))
        return (
            f"{self.phi}, w = {', '.join(map(vector, self.w))}, b = {vector(self.b)}, x ∈ {{{xs}}}"
        )


def unit_z(units: Units, i: int) -> list[Fraction]:
    return [sum(map(Fraction.__mul__, units.w[i], x), units.b[i]) for x in units.xs]


def magi(units: Units, activated: bool) -> list[Fraction]:
    """MAGI of every neuron; T is the mean of h, or as eq. (18) prints it, of z."""
    n, rows = len(units.w), []
    for i in range(n):
        slopes = [PHI[units.phi].slope(z) if activated else Fraction(1) for z in unit_z(units, i)]
        columns = zip(*units.xs, strict=True)
        rows.append(
            [
                sum(map(Fraction.__mul__, slopes, c), Fraction(0)) / (n * len(slopes))
                for c in columns
            ]
        )
    return list(scores.magi(np.array(rows, dtype=object)))


def unit_dormant(units: Units) -> bool:
    """The first unit is dormant."""
    return all(PHI[units.phi].value(z) == 0 for z in unit_z(units, 0))


def unit_same_sets(units: Units) -> bool:
    return PHI[units.phi].zeros == PHI[units.phi].flats


def magi_printed_zero(units: Units) -> bool:
    return magi(units, activated=False)[0] == 0


def units_of(size: int) -> SearchStrategy[Units]:
    """`size` samples, one or two neurons with one or two inputs."""

    def units(drawn: list[int]) -> Units:
        phi, n, inputs, shut, *rest = drawn
        numbers = iter(map(Fraction, rest))
        w = tuple(tuple(next(numbers) for _ in range(inputs)) for _ in range(n))
        b = tuple(next(numbers) for _ in range(n))
        xs = tuple(tuple(next(numbers) for _ in range(inputs)) for _ in range(size))
        found = Units(EQUAL[phi % len(EQUAL)] if shut == 1 else EXACT[phi], w, b, xs)
        if shut:
            top = max(unit_z(found, 0)) + shut - 1
            return replace(found, b=(b[0] - top, *b[1:]))
        return found

    head = st.tuples(st.integers(0, len(EXACT) - 1), ints(2, 1, 2), st.integers(0, 2))
    return st.tuples(head, ints(6 + 2 * size, -2, 2)).map(
        lambda two: units([two[0][0], *two[0][1], two[0][2], *two[1]])
    )


def unit_steps(units: Units) -> list[str]:
    z = unit_z(units, 0)
    return [
        f"z_1 on the samples: {vector(z)}, h_1: {vector(map(PHI[units.phi].value, z))}",
        f"MAGI with h in eq. (17): {vector(magi(units, True))}",
        f"MAGI with z, as eq. (18) prints it: {vector(magi(units, False))}",
    ]


UNIT_DORMANT = Assumption("dormant", "h_1 = 0 on the batch", unit_dormant)
UNIT_SAME = Assumption("Z = K", "φ and φ' have the same zeros", unit_same_sets, said=False)


MAGI_PRINTED = Claim(
    id="dormancy.magi-printed",
    source="OCP, Theorem 1 measured by Definition 2, eqs. (16) to (18)",
    origin="consequence",
    title="As printed, MAGI is zero for dormant neurons",
    statement="T = mean of X W' + b over samples and neurons, h_i = 0 on the batch, Z = K\n"
    "⇒ MAGI_i = (1/d) Σ_j |dT/dW_ij| = 0",
    given=(UNIT_DORMANT, UNIT_SAME),
    then=magi_printed_zero,
    instances=units_of,
    sizes=(1, 2),
    verdict="refuted",
    counterexample=Units(RELU, ((Fraction(0),),), (Fraction(0),), ((Fraction(1),),)),
    breaks="Eq. (18) has no activation: dT/dW_ij = (mean of x_j) / N, whatever neuron i does.",
    repaired_by=("dormancy.magi-same", "dormancy.magi"),
    steps=unit_steps,
)


def magi_printed_same(units: Units) -> bool:
    return len(set(magi(units, activated=False))) == 1


MAGI_SAME = Claim(
    id="dormancy.magi-same",
    source="OCP, Definition 2, eqs. (16) to (18)",
    origin="consequence",
    title="As printed, MAGI is the same for all neurons",
    statement="T = mean of X W' + b over samples and neurons\n⇒ MAGI_1 = ... = MAGI_N",
    given=(),
    then=magi_printed_same,
    instances=units_of,
    sizes=(1, 2, 3),
    verdict="holds",
    proof="dT/dW_ij = (mean of x_j) / N does not depend on i.",
    steps=unit_steps,
)


def magi_zero(units: Units) -> bool:
    return magi(units, activated=True)[0] == 0


MAGI = Claim(
    id="dormancy.magi",
    source="repairs dormancy.magi-printed",
    origin="ours",
    title="With the activation in it, MAGI is zero if dormant",
    statement="T = mean of φ(X W' + b), h_i = 0 on the batch, Z = K\n⇒ MAGI_i = 0",
    given=(UNIT_DORMANT, UNIT_SAME),
    then=magi_zero,
    instances=units_of,
    sizes=(1, 2, 3),
    verdict="holds if",
    needs={
        "dormant": Units(RELU, ((Fraction(1),),), (Fraction(0),), ((Fraction(1),),)),
        "Z = K": Units("softsign", ((Fraction(0),),), (Fraction(0),), ((Fraction(1),),)),
    },
    proof="dT/dW_ij is the mean of φ'(z_i) x_j / N, and z_i ∈ Z = K on every sample.",
    steps=unit_steps,
)


MAGI_CONVERSE = Claim(
    id="dormancy.magi-converse",
    source="OCP, Appendix B: MAGI as the measure of zero-gradient neurons",
    origin="reading",
    title="MAGI zero implies dormant",
    statement="MAGI_i = 0, Z = K\n⇒ h_i = 0 on the batch",
    given=(Assumption("MAGI zero", "MAGI_i = 0", magi_zero), UNIT_SAME),
    then=unit_dormant,
    instances=units_of,
    sizes=(1, 2),
    verdict="refuted",
    counterexample=Units(RELU, ((Fraction(0),),), (Fraction(1),), ((Fraction(0),),)),
    breaks="The bias is left out: with inputs 0 nothing is seen. And samples cancel before the "
    "absolute value: w = 1, b = 2, x ∈ {1, -1} has h = (3, 1) and MAGI 0.",
    repaired_by=("dormancy.ocp-star",),
    steps=unit_steps,
)


CLAIMS: tuple[Claim[Any], ...] = (
    MAGI_PRINTED,
    MAGI_SAME,
    MAGI,
    MAGI_CONVERSE,
)
