"""Appendix C.2: the gradient that reaches the layers below."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from theory import checks
from theory.claim import Assumption, Claim, vector
from theory.dominance.layer import ND, PAIRS, Size, Vector, dot, fractions


@dataclass(frozen=True)
class Below:
    """One input: g (N,), layer k + 1 with w (M, N), b (M,), head v (M,), a skip weight (N,) from g
    past layer k + 1 to the output, and the derivative `kink` that relu has at 0."""

    g: Vector
    w: tuple[Vector, ...]
    b: Vector
    v: Vector
    skip: Vector
    kink: Fraction

    def __post_init__(self) -> None:
        checks.row("g", self.g)
        checks.matrix("w", self.w, len(self.v), len(self.g))
        checks.row("b", self.b, len(self.v))
        checks.row("skip", self.skip, len(self.g))

    def __str__(self) -> str:
        w = "; ".join(map(vector, self.w))
        return (
            f"g = {vector(self.g)}, w = {w}, b = {vector(self.b)}, v = {vector(self.v)}, "
            f"skip = {vector(self.skip)}, relu'(0) = {self.kink}"
        )


def below(weight: int, bias: int, skip: int = 0, kink: int = 0) -> Below:
    """g = 1, one neuron above it and v = 1."""
    one = fractions(1)
    return Below(one, (fractions(weight),), fractions(bias), one, fractions(skip), Fraction(kink))


def below_inner(s: Below) -> Vector:
    return tuple(dot(row, s.g) + b for row, b in zip(s.w, s.b, strict=True))


def above_saturated(s: Below) -> bool:
    return max(below_inner(s)) <= 0


def no_skip(s: Below) -> bool:
    return not any(s.skip)


def kink_shut(s: Below) -> bool:
    return s.kink == 0


def gradient_below(s: Below) -> Vector:
    """dŷ/dg = skip + Σ_j v_j relu'(z_j) w_j, (N,): every loss's gradient is a multiple of it."""
    slopes = [s.kink if z == 0 else Fraction(z > 0) for z in below_inner(s)]
    return tuple(
        skip + sum(v * slope * row[i] for v, slope, row in zip(s.v, slopes, s.w, strict=True))
        for i, skip in enumerate(s.skip)
    )


def no_gradient_below(s: Below) -> bool:
    return not any(gradient_below(s))


def belows(size: Size) -> SearchStrategy[Below]:
    width, count = size
    total = 2 * width + count * width + 2 * count

    def build(numbers: list[int], kind: int, kink: int) -> Below:
        values = iter(numbers)
        g = fractions(*(abs(next(values)) for _ in range(width)))
        w = tuple(fractions(*(next(values) for _ in range(width))) for _ in range(count))
        v = fractions(*(next(values) for _ in range(count)))
        b = fractions(*(next(values) for _ in range(count)))
        if kind:  # a bias that shuts the gate, at times just so
            b = tuple(
                min(x, Fraction(0)) - max(dot(row, g), Fraction(0))
                for x, row in zip(b, w, strict=True)
            )
        skip = fractions(*(next(values) if kind == 1 else 0 for _ in range(width)))
        return Below(g, w, b, v, skip, Fraction(kink, 2))

    return st.builds(
        build,
        st.lists(st.integers(-2, 2), min_size=total, max_size=total),
        st.integers(0, 3),
        st.sampled_from((0, 0, 1, 2)),
    )


GRADIENT_BELOW = Claim(
    id="dominance.gradient-below",
    source=f"{ND}, section C.2",
    origin="printed",
    title="A saturated layer passes no gradient down",
    statement="z_j ≤ 0 for all j of layer k+1  ⇒  dL/dg = 0 for every loss, at this input",
    given=(
        Assumption("saturated", "z_j ≤ 0 for all j", above_saturated),
        Assumption("no skip", "g reaches the output through layer k+1 alone", no_skip),
        Assumption("kink", "relu'(0) = 0", kink_shut, said=False),
    ),
    then=no_gradient_below,
    instances=belows,
    sizes=PAIRS,
    verdict="holds if",
    needs={
        "saturated": below(weight=1, bias=0),
        "no skip": below(weight=-1, bias=0, skip=1),
        "kink": below(weight=1, bias=-1, kink=1),
    },
    proof="dL/dg = dL/dŷ Σ_j v_j relu'(z_j) w_j, and every relu'(z_j) is 0.",
)


CLAIMS: tuple[Claim[Any], ...] = (GRADIENT_BELOW,)
