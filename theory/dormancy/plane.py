"""OCP's Theorem 1 on a curve in the plane: inputs that fill no region, as images do not."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
from hypothesis.strategies import SearchStrategy

from ref.checks import require
from theory import checks
from theory.claim import Assumption, Claim, vector
from theory.dormancy.activations import (
    PHI,
    POOL,
    Neuron,
    dormant,
    flat_in_input,
    ints,
    over,
    points,
)

Point = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Planar:
    """h(x) = φ(w·x + b) for x in the plane, uniform on the segment D from start to end."""

    phi: str
    w: Point
    b: Fraction
    start: Point
    end: Point

    def __post_init__(self) -> None:
        require(self.phi in PHI, "phi", self.phi, ", ".join(PHI))
        for name in ("w", "start", "end"):
            checks.row(name, getattr(self, name), 2)

    def __str__(self) -> str:
        return (
            f"h(x) = {self.phi} of ({vector(self.w)}·x + {self.b}), x uniform on the segment D "
            f"from {vector(self.start)} to {vector(self.end)}"
        )

    def along(self) -> Neuron:
        """The same on D alone, as a function of how far from its start, from 0 to 1."""
        at_start = self.w[0] * self.start[0] + self.w[1] * self.start[1]
        at_end = self.w[0] * self.end[0] + self.w[1] * self.end[1]
        return Neuron(self.phi, at_end - at_start, at_start + self.b, (over(0, 1),))


def planar(size: int) -> SearchStrategy[Planar]:
    """Entries up to `size`; half of them with w at a right angle to D, and z = 0 there."""

    def build(phi: str, kind: int, numbers: list[int]) -> Planar:
        a, b, c, d, e, f, g = map(Fraction, numbers)
        if kind:
            return Planar(phi, (d - b, a - c), -(d - b) * a - (a - c) * b, (a, b), (c, d))
        return Planar(phi, (e, f), g, (a, b), (c, d))

    return st.builds(build, st.sampled_from(POOL), st.integers(0, 1), ints(7, -size, size))


def planar_dormant(p: Planar) -> bool:
    return dormant(p.along())


def planar_smooth(p: Planar) -> bool:
    return PHI[p.phi].smooth


def is_curve(p: Planar) -> bool:
    return p.start != p.end


def flat_in_the_plane(p: Planar) -> bool:
    """∇_x h = φ'(z) w = 0 on D."""
    line = p.along()
    slopes = (PHI[p.phi].slope(z) for z in points(line, line.domain))
    return not any(p.w) or not any(slopes)


def planar_forward(p: Planar) -> bool:
    """What is dormant has no gradient; that h is 0 somewhere on D then goes without saying."""
    return not planar_dormant(p) or flat_in_the_plane(p)


def flat_along(p: Planar) -> bool:
    return flat_in_input(p.along())


def planar_steps(p: Planar) -> list[str]:
    line = p.along()
    z = sorted(set(points(line, line.domain)))
    slopes = [PHI[p.phi].slope(x) for x in z]
    aside = [vector(slope * w for w in p.w) for slope in slopes]
    return [
        f"on D z = {vector(p.w)}·x + {p.b} takes the values {vector(z)} (and those between)",
        f"h there: {vector(PHI[p.phi].value(x) for x in z)}, φ'(z) there: {vector(slopes)}",
        f"∇_x h = φ'(z) w there: {', '.join(aside)}",
        f"along D, from {vector(p.start)} to {vector(p.end)}, z changes by {line.w}",
    ]


SMOOTH = Assumption("smooth", "φ is continuously differentiable", planar_smooth)
CURVE = Assumption("curve", "D is a segment: connected, its law without atoms", is_curve)
DORMANT = Assumption("dormant", "E|h_i| = 0", planar_dormant)
ACROSS = Planar(
    "softsign",
    (Fraction(0), Fraction(1)),
    Fraction(0),
    (Fraction(0), Fraction(0)),
    (Fraction(1), Fraction(0)),
)
ALONG = (Fraction(1), Fraction(0))


OCP_THEOREM_1_CURVE = Claim(
    id="dormancy.ocp-theorem-1-curve",
    source="OCP, Theorem 1, (A) ⇒ (B), of inputs on a curve in the plane",
    title="Dormancy implies zero gradient on a connected, continuous law",
    statement="x ∈ R², uniform on a segment D, E|h_i| = 0\n⇒ ∇_x h_i = 0 on D",
    given=(SMOOTH, CURVE),
    then=planar_forward,
    instances=planar,
    sizes=(1, 2),
    verdict="refuted",
    counterexample=ACROSS,
    breaks="Neither connected nor continuous is enough: from D one may also step aside, and there "
    "h need not be 0.",
    repaired_by=("dormancy.tangent", "dormancy.ocp-theorem-1-region", "dormancy.ocp-star"),
    steps=planar_steps,
    remark="Inputs of pixels lie on such thin sets: no open set of images is ever drawn.",
    origin="reading",
)


TANGENT = Claim(
    id="dormancy.tangent",
    source="repairs dormancy.ocp-theorem-1-curve",
    origin="ours",
    title="A dormant neuron has no gradient along the inputs",
    statement="x ∈ R², uniform on a segment D, E|h_i| = 0\n"
    "⇒ the derivative of h_i along D is 0: ∇_x h_i is at a right angle to D",
    given=(DORMANT, SMOOTH),
    then=flat_along,
    instances=planar,
    sizes=(1, 2),
    verdict="holds",
    needs={
        "dormant": Planar("identity", ALONG, Fraction(0), ACROSS.start, ACROSS.end),
        "smooth": Planar("ReLU, φ'(0) = 1/2", ALONG, Fraction(-1), ACROSS.start, ACROSS.end),
    },
    proof="h is 0 on D, by dormancy.ocp-lemma-1-support; so it is constant along D.",
    steps=planar_steps,
)


CLAIMS: tuple[Claim[Any], ...] = (OCP_THEOREM_1_CURVE, TANGENT)
