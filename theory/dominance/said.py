"""Sentences of sections 2 and 3: width, zero features, zombies, decoupling."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from theory import checks
from theory.claim import Assumption, Claim, vector
from theory.dominance.below import (
    Below,
    below_inner,
    belows,
    gradient_below,
    kink_shut,
    no_gradient_below,
    no_skip,
)
from theory.dominance.layer import ND, PAIRS, Vector, dot, fractions, products, verdict


@dataclass(frozen=True)
class Widths:
    """A neuron with this share of the activation of its layer, at two widths."""

    share: Fraction
    narrow: int
    wide: int

    def __str__(self) -> str:
        return f"share {self.share} at width {self.narrow} and at width {self.wide}"


def dominant_at(w: Widths, n: int) -> bool:
    """u = n · share > n/2."""
    return n * w.share > Fraction(n, 2)


def dominant_narrow(w: Widths) -> bool:
    return dominant_at(w, w.narrow)


def wider(w: Widths) -> bool:
    return w.wide > w.narrow


def no_longer(w: Widths) -> bool:
    return not dominant_at(w, w.wide)


def widths(size: int) -> SearchStrategy[Widths]:
    shares = st.integers(0, 12).map(lambda k: Fraction(k, 12))
    return st.builds(Widths, shares, st.integers(1, size), st.integers(1, 2 * size))


def width_steps(w: Widths) -> list[str]:
    lines = []
    for n in (w.narrow, w.wide):
        score = n * w.share
        lines += [f"width {n}: u_1 = {n} · {w.share} = {score}", verdict(score, Fraction(n, 2))]
    return lines


HARDER_WITH_WIDTH = Claim(
    id="dominance.harder-with-width",
    source=f"{ND}, section 3.2 ('harder to satisfy as the layer width increases')",
    origin="reading",
    title="A neuron's share must be larger in a wider layer to be dominant",
    statement="u_1 = N · share: a share that is enough at width N is not enough at some N' > N",
    given=(
        Assumption("dominant", "u_1 > N/2 at width N", dominant_narrow),
        Assumption("wider", "N' > N", wider),
    ),
    then=no_longer,
    instances=widths,
    sizes=(2, 16, 256),
    verdict="refuted",
    counterexample=Widths(Fraction(2, 3), 2, 256),
    steps=width_steps,
    breaks="Both sides have the factor N: u_1 > N/2 says that the share is above 1/2, at any N.",
    repaired_by=("dominance.definition-1",),
    remark="What is true: for N independent activations with one law of a finite mean the chance "
    "of a share above 1/2 goes to 0 with N (law of large numbers).",
)


@dataclass(frozen=True)
class Output:
    """Last features h (inputs, N), weights w (N,), bias b of an output."""

    h: tuple[Vector, ...]
    w: Vector
    b: Fraction

    def __post_init__(self) -> None:
        checks.matrix("h", self.h, width=len(self.w))

    def __str__(self) -> str:
        return f"h ∈ {{{', '.join(map(vector, self.h))}}}, w = {vector(self.w)}, b = {self.b}"

    def values(self) -> list[Fraction]:
        return [dot(self.w, h) + self.b for h in self.h]


def features_zero(o: Output) -> bool:
    return not any(any(h) for h in o.h)


def outputs_zero(o: Output) -> bool:
    return not any(o.values())


def outputs_bias(o: Output) -> bool:
    return set(o.values()) == {o.b}


def outputs(size: tuple[int, int]) -> SearchStrategy[Output]:
    width, count = size
    total = width * (count + 1)

    def build(numbers: list[int], b: int, dead: bool) -> Output:
        f = fractions(*numbers)
        h = tuple(f[(t + 1) * width : (t + 2) * width] for t in range(count))
        h = tuple(tuple(abs(x) * (not dead) for x in row) for row in h)
        return Output(h, f[:width], Fraction(b))

    numbers = st.lists(st.integers(-3, 3), min_size=total, max_size=total)
    return st.builds(build, numbers, st.integers(-2, 2), st.booleans())


ZERO_FEATURES = Assumption("zero features", "h = 0 at every input", features_zero)


def output_steps(o: Output) -> list[str]:
    lines = []
    for t, h in enumerate(o.h, 1):
        lines += [f"input {t}: h = {vector(h)}", f"w·h = {products(o.w, h)} = {dot(o.w, h)}"]
    return [*lines, f"b = {o.b}", f"outputs {vector(o.values())}, not all 0"]


ZERO_FEATURE = Claim(
    id="dominance.zero-feature",
    source=f"{ND}, section 3.3 ('output zero for all possible inputs')",
    origin="printed",
    title="A fully saturated penultimate layer makes the network output zero",
    statement="h(x) = 0 for all x  ⇒  output(x) = 0 for all x",
    given=(ZERO_FEATURES,),
    then=outputs_zero,
    instances=outputs,
    sizes=((1, 1), (1, 2), (2, 2)),
    verdict="refuted",
    counterexample=Output((fractions(0),), fractions(0), Fraction(1)),
    steps=output_steps,
    breaks="The last layer has a bias.",
    repaired_by=("dominance.zero-feature-bias",),
)


ZERO_FEATURE_BIAS = Claim(
    id="dominance.zero-feature-bias",
    source="repairs dominance.zero-feature",
    origin="ours",
    title="It makes it output its last bias, without distinguishing inputs",
    statement="h(x) = 0 for all x  ⇒  output(x) = b for all x",
    given=(ZERO_FEATURES,),
    then=outputs_bias,
    instances=outputs,
    sizes=((1, 2), (2, 2), (3, 2)),
    verdict="holds",
    needs={"zero features": Output((fractions(1),), fractions(1), Fraction(0))},
    proof="w·0 + b = b.",
    remark="A bias still learns: such a network can fit the mean target and nothing else.",
)


@dataclass(frozen=True)
class Segment:
    """A layer w (M, N), b (M,) at two inputs x, y (N,), and a point x + t (y - x)."""

    w: tuple[Vector, ...]
    b: Vector
    x: Vector
    y: Vector
    t: Fraction

    def __post_init__(self) -> None:
        checks.matrix("w", self.w, len(self.b), len(self.x))
        checks.row("y", self.y, len(self.x))

    def __str__(self) -> str:
        w = "; ".join(map(vector, self.w))
        ends = f"x = {vector(self.x)}, y = {vector(self.y)}, t = {self.t}"
        return f"w = {w}, b = {vector(self.b)}, {ends}"

    def z(self, at: Vector) -> Vector:
        return tuple(dot(row, at) + b for row, b in zip(self.w, self.b, strict=True))


def zombies(s: Segment) -> bool:
    return min(*s.z(s.x), *s.z(s.y)) > 0


def between(s: Segment) -> bool:
    return 0 <= s.t <= 1


def mix(t: Fraction, a: Vector, b: Vector) -> Vector:
    return tuple((1 - t) * x + t * y for x, y in zip(a, b, strict=True))


def affine(s: Segment) -> bool:
    """relu(z) is affine from x to y, and z > 0 there: each relu' is 1."""
    z = s.z(mix(s.t, s.x, s.y))
    ends = ([max(v, Fraction(0)) for v in s.z(at)] for at in (s.x, s.y))
    h = tuple(max(v, Fraction(0)) for v in z)
    return h == mix(s.t, *map(tuple, ends)) and min(z) > 0


def segments(size: tuple[int, int]) -> SearchStrategy[Segment]:
    width, count = size
    total = width * count + 2 * width

    def build(numbers: list[int], lift: int, t: int) -> Segment:
        f = fractions(*numbers)
        w = tuple(f[m * width : (m + 1) * width] for m in range(count))
        x, y = f[-2 * width : -width], f[-width:]
        b = tuple(
            Fraction(lift, 2) - min(dot(row, x), dot(row, y), Fraction(lift < 0)) for row in w
        )
        return Segment(w, b, x, y, Fraction(t, 4))

    numbers = st.lists(st.integers(-3, 3), min_size=total, max_size=total)
    return st.builds(build, numbers, st.integers(-1, 6), st.integers(-1, 5))


ZOMBIES_LINEAR = Claim(
    id="dominance.zombies-linear",
    source=f"{ND}, section 2 ('linearization')",
    origin="printed",
    title="Between inputs where all are zombies a layer is affine, and passes every gradient",
    statement="z_m(x) > 0 and z_m(y) > 0 for all m\n"
    "⇒  at x + t (y - x), 0 ≤ t ≤ 1: relu' = 1 and h = (1-t) h(x) + t h(y)",
    given=(
        Assumption("zombies", "z_m > 0 at x and at y, for all m", zombies),
        Assumption("between", "0 ≤ t ≤ 1", between, said=False),
    ),
    then=affine,
    instances=segments,
    sizes=((1, 1), (1, 2), (2, 2)),
    verdict="holds if",
    needs={
        "zombies": Segment((fractions(1),), fractions(0), fractions(1), fractions(-1), Fraction(1)),
        "between": Segment((fractions(1),), fractions(0), fractions(1), fractions(2), Fraction(-2)),
    },
    proof="z is affine and {z > 0} is convex: there relu(z) = z.",
    remark="So a layer of zombies loses capacity and no gradient; a saturated one loses both.",
)


NO_SKIP = Assumption("no skip", "g reaches the output through layer k+1 alone", no_skip)
SHUT_KINK = Assumption("kink", "relu'(0) = 0", kink_shut, said=False)


def one_saturated(s: Below) -> bool:
    return min(below_inner(s)) <= 0


def gate_steps(s: Below) -> list[str]:
    gates = [f"z_{m} = {z}: {'open' if z > 0 else 'shut'}" for m, z in enumerate(below_inner(s), 1)]
    end = "dŷ/dg = Σ_m v_m relu'(z_m) w_m"
    return [f"g = {vector(s.g)}", *gates, f"{end} = {vector(gradient_below(s))}"]


ONE_DECOUPLES = Claim(
    id="dominance.one-decouples",
    source=f"{ND}, section 2 ('saturated neurons induce a vanishing gradient')",
    origin="reading",
    title="A saturated neuron decouples the loss from the layers below",
    statement="z_m ≤ 0 for some m of layer k+1  ⇒  dL/dg = 0 for every loss, at this input",
    given=(Assumption("one saturated", "z_m ≤ 0 for some m", one_saturated), NO_SKIP, SHUT_KINK),
    then=no_gradient_below,
    instances=belows,
    sizes=PAIRS,
    verdict="refuted",
    counterexample=Below(
        fractions(1), (fractions(-1), fractions(1)), fractions(0, 0), fractions(1, 1),
        fractions(0), Fraction(0),
    ),
    steps=gate_steps,
    breaks="The gradient goes through every open gate: it vanishes only if all of them are shut.",
    repaired_by=("dominance.gradient-below",),
)  # fmt: skip


CLAIMS: tuple[Claim[Any], ...] = (
    HARDER_WITH_WIDTH,
    ZERO_FEATURE,
    ZERO_FEATURE_BIAS,
    ZOMBIES_LINEAR,
    ONE_DECOUPLES,
)
