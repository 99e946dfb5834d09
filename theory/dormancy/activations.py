"""Activations, their zeros Z and their flat points K; the neuron under a law of inputs."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis.strategies import SearchStrategy
from scipy import optimize, special

from theory import checks
from theory.claim import Assumption

INF = math.inf


@dataclass(frozen=True)
class Span:
    """An interval of the line, a point where lo = hi; `root` marks one that isolates a root."""

    lo: Any
    hi: Any
    left: bool = True  # whether lo belongs to it
    right: bool = True
    root: bool = False

    def __str__(self) -> str:
        if self.root:
            return f"{{{(self.lo + self.hi) / 2:.6f}}}"
        if self.lo == self.hi:
            return f"{{{self.lo}}}"
        lo, hi = (str(end).replace("inf", "∞") for end in (self.lo, self.hi))
        return f"{'(['[self.left]}{lo}, {hi}{')]'[self.right]}"


Spans = tuple[Span, ...]


def union(spans: Iterable[Span]) -> str:
    return " ∪ ".join(map(str, spans)) or "∅"


@dataclass(frozen=True)
class Activation:
    """φ and its derivative as automatic differentiation has it, also at kinks.

    `nodes`: between two neighbours neither φ nor φ' changes between zero and not zero, but at
    the irrational root of φ' between the two numbers of `bracket`. Exact on Fractions if `exact`.
    """

    value: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    nodes: tuple[Fraction, ...] = (Fraction(0),)
    smooth: bool = True  # continuously differentiable
    continuous: bool = True
    exact: bool = True
    bracket: tuple[float, float] | None = None

    @cached_property
    def zeros(self) -> Spans:
        """Z = {φ = 0}."""
        return zero_set(self.value, self.nodes)

    @cached_property
    def flats(self) -> Spans:
        """K = {φ' = 0}."""
        if self.bracket is None:
            return zero_set(self.slope, self.nodes)
        root = optimize.brentq(self.slope, *self.bracket, xtol=1e-13)
        lo, hi = root - 1e-12, root + 1e-12
        assert self.slope(lo) < 0 < self.slope(hi)
        return (Span(lo, hi, root=True), *zero_set(self.slope, self.nodes))

    @property
    def verdict(self) -> str:
        """Of "dormant ⇔ zero gradient of the neuron's weights", for all neurons and laws."""
        if self.zeros == self.flats:
            return "holds" if self.zeros else "vacuous"
        apart = not any(meet(z, k) for z in self.zeros for k in self.flats)
        return "fails: disjoint" if apart else "fails"


def meet(a: Span, b: Span) -> bool:
    """Whether two spans have a point in common."""
    lo, hi = max(a.lo, b.lo), min(a.hi, b.hi)
    ends = all((lo > s.lo or s.left) and (hi < s.hi or s.right) for s in (a, b))
    return lo < hi or (lo == hi and ends)


def cells(nodes: Iterable[Fraction]) -> list[Span]:
    """The line cut at the nodes: ray, node, open interval, node, ..., ray."""
    found: list[Span] = []
    for lo, hi in pairwise((-INF, *nodes, INF)):
        found += [Span(lo, hi, False, False), Span(hi, hi)]
    return found[:-1]


def inner(span: Span) -> Any:
    """A point of the span."""
    if span.lo == -INF:
        return span.hi - 1
    return span.lo + 1 if span.hi == INF else (span.lo + span.hi) / 2


def zero_set(f: Callable[[Any], Any], nodes: Iterable[Fraction]) -> Spans:
    """{f = 0}: the cells where f vanishes, neighbours joined."""
    found: list[Span] = []
    for cell in cells(nodes):
        if f(inner(cell)) != 0:
            continue
        if found and found[-1].hi == cell.lo and (found[-1].right or cell.left):
            found[-1] = replace(found[-1], hi=cell.hi, right=cell.right)
        else:
            found.append(cell)
    return tuple(found)


def _relu(at_zero: Fraction) -> Activation:
    slope = lambda z: Fraction(z > 0) if z != 0 else at_zero  # noqa: E731
    return Activation(lambda z: max(z, 0), slope, smooth=False)


def _sigmoid(z: float) -> float:
    return float(special.expit(float(z)))


def _silu_slope(z: float) -> float:
    s = _sigmoid(z)
    return s * (1 + z * (1 - s))


def _gelu_slope(z: float) -> float:
    return float(special.ndtr(float(z))) + z * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def _softplus(z: float) -> float:
    return float(np.logaddexp(0.0, float(z)))


def _mish_slope(z: float) -> float:
    t = math.tanh(_softplus(z))
    return t + z * (1 - t * t) * _sigmoid(z)


# One root each. GELU'' = (2 - z²) times a density, so GELU' falls, rises, falls, from 0 to 1. SiLU'
# has the sign of 1 + z(1 - σ(z)), which rises for z < 0. Mish' is tested on a grid.
ACTIVATIONS: dict[str, Activation] = {
    "ReLU, φ'(0) = 0": _relu(Fraction(0)),
    "ReLU, φ'(0) = 1/2": _relu(Fraction(1, 2)),
    "ReLU, φ'(0) = 1": _relu(Fraction(1)),
    "ReLU²": Activation(lambda z: max(z, 0) ** 2, lambda z: 2 * max(z, 0)),
    "ReLU6": Activation(
        lambda z: min(max(z, 0), 6),
        lambda z: Fraction(0 < z < 6),
        (Fraction(0), Fraction(6)),
        smooth=False,
    ),
    "LeakyReLU": Activation(
        lambda z: z if z > 0 else Fraction(1, 100) * z,
        lambda z: Fraction(1) if z > 0 else Fraction(1, 100),
        smooth=False,
    ),
    "ELU": Activation(
        lambda z: z if z > 0 else math.expm1(z), lambda z: 1 if z > 0 else math.exp(z), exact=False
    ),
    "tanh": Activation(math.tanh, lambda z: 1 - math.tanh(z) ** 2, exact=False),
    "hardtanh": Activation(
        lambda z: max(min(z, 1), -1),
        lambda z: Fraction(-1 < z < 1),
        (Fraction(-1), Fraction(0), Fraction(1)),
        smooth=False,
    ),
    "sigmoid": Activation(_sigmoid, lambda z: _sigmoid(z) * (1 - _sigmoid(z)), exact=False),
    "softplus": Activation(_softplus, _sigmoid, exact=False),
    "GELU": Activation(
        lambda z: z * special.ndtr(float(z)), _gelu_slope, exact=False, bracket=(-1.4, 0.0)
    ),
    "SiLU": Activation(lambda z: z * _sigmoid(z), _silu_slope, exact=False, bracket=(-2.0, 0.0)),
    "Mish": Activation(
        lambda z: z * math.tanh(_softplus(z)), _mish_slope, exact=False, bracket=(-2.0, 0.0)
    ),
}


def _smoothstep(z: Any) -> Any:
    return 0 if z <= -1 else 1 if z >= 1 else (1 + z) ** 2 * (2 - z) / 4


# Made to be exact where the table's own are not: softsign is a tanh with rational values.
EXAMPLES: dict[str, Activation] = {
    "identity": Activation(lambda z: z, lambda z: Fraction(1)),
    "softsign": Activation(lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2),
    "square": Activation(lambda z: z * z, lambda z: 2 * z),
    "smoothstep": Activation(
        _smoothstep,
        lambda z: Fraction(3, 4) * (1 - z * z) if abs(z) < 1 else Fraction(0),
        (Fraction(-1), Fraction(1)),
    ),
    "step": Activation(
        lambda z: Fraction(z > 0), lambda z: Fraction(0), smooth=False, continuous=False
    ),
    "spike": Activation(
        lambda z: Fraction(z == 0), lambda z: Fraction(0), smooth=False, continuous=False
    ),
}
PHI = ACTIVATIONS | EXAMPLES
EXACT = [name for name, phi in PHI.items() if phi.exact]
EQUAL = [name for name in EXACT if PHI[name].zeros == PHI[name].flats]
POOL = EXACT + 2 * [name for name in EXACT if PHI[name].smooth]  # drawn from: mostly smooth
RELU = "ReLU, φ'(0) = 0"


def table() -> list[tuple[str, str, str, str]]:
    """Activation, Z, K, and what becomes of "dormant ⇔ zero gradient": for people to read."""
    return [(n, union(p.zeros), union(p.flats), p.verdict) for n, p in ACTIVATIONS.items()]


def ints(count: int, lo: int, hi: int) -> SearchStrategy[list[int]]:
    return st.lists(st.integers(lo, hi), min_size=count, max_size=count)


@dataclass(frozen=True)
class Neuron:
    """h(x) = φ(w x + b), x real. `law`: the support of the input law, a mass on every span
    (uniform on intervals); D is `law` and `more`, the rest of what the paper calls the domain.

    A second neuron that is always 1 is in the layer, so OCP's Assumption 3 holds, and D is bounded,
    so its Assumption 2 does.
    """

    phi: str
    w: Fraction
    b: Fraction
    law: Spans
    more: Spans = ()

    def __post_init__(self) -> None:
        checks.row("law", self.law)

    def __str__(self) -> str:
        domain = f", D = {union(self.domain)}" if self.more else " = D"
        return f"h(x) = {self.phi} of ({self.w} x + {self.b}), support {union(self.law)}{domain}"

    @property
    def domain(self) -> Spans:
        return self.law + self.more


def images(neuron: Neuron, spans: Spans) -> list[tuple[Fraction, Fraction]]:
    """Where z = w x + b goes, span by span."""
    ends = [(neuron.w * s.lo + neuron.b, neuron.w * s.hi + neuron.b) for s in spans]
    return [(min(pair), max(pair)) for pair in ends]


def points(neuron: Neuron, spans: Spans, almost: bool = False) -> list[Fraction]:
    """Values of z that decide what φ and φ' are on the spans, for almost all or for all of them."""
    found: list[Fraction] = []
    for lo, hi in images(neuron, spans):
        ends = [lo, *(n for n in PHI[neuron.phi].nodes if lo < n < hi), hi]
        found += [(a + b) / 2 for a, b in pairwise(ends)]
        found += [] if almost and lo < hi else ends
    return found


def dormant(neuron: Neuron) -> bool:
    """E|h| = 0."""
    return all(PHI[neuron.phi].value(z) == 0 for z in points(neuron, neuron.law, almost=True))


def flat_in_input(neuron: Neuron) -> bool:
    """dh/dx = w φ'(w x + b) = 0 on D."""
    slope = PHI[neuron.phi].slope
    return neuron.w == 0 or all(slope(z) == 0 for z in points(neuron, neuron.domain))


def smooth(neuron: Neuron) -> bool:
    return PHI[neuron.phi].smooth


def on_support(neuron: Neuron) -> bool:
    return neuron.more == ()


def solid(neuron: Neuron) -> bool:
    return all(s.lo < s.hi for s in neuron.domain)


def connected(neuron: Neuron) -> bool:
    spans = sorted(neuron.domain, key=lambda s: (s.lo, s.hi))
    reach = spans[0].hi
    for span in spans:
        if span.lo > reach:
            return False
        reach = max(reach, span.hi)
    return True


def at(*xs: int | Fraction) -> Spans:
    return tuple(Span(Fraction(x), Fraction(x)) for x in xs)


def over(lo: int | Fraction, hi: int | Fraction) -> Span:
    return Span(Fraction(lo), Fraction(hi))


def neurons(size: int) -> SearchStrategy[Neuron]:
    """Neurons on `size` spans; most are shifted to where φ is zero, or to two plateaus."""

    def neuron(drawn: list[int]) -> Neuron:
        phi, w, b, start, extra, mode, least, *lengths = drawn
        shut = ("smoothstep", "ReLU²", "ReLU, φ'(0) = 1/2")
        name = POOL[phi] if mode < 6 else shut[phi % 3 if mode < 12 else 0]
        spans, lo = [], Fraction(start)
        for length in lengths:
            hi = lo + max(length, least > 0)
            spans.append(Span(lo, hi))
            lo = hi + (2 if mode >= 12 else extra % 2)
        # a neighbour of the support that belongs to D but has no mass
        more = () if extra else (Span(lo, lo + 1),)
        found = Neuron(name, Fraction(w), Fraction(b), tuple(spans), more)
        if mode >= 12:  # the first span on the plateau of 0, the others on that of 1
            return replace(found, w=Fraction(1), b=-1 - spans[0].hi)
        if mode >= 10:
            return replace(found, phi=POOL[phi], w=Fraction(0), b=Fraction(min(b, 0)))
        if mode >= 3:  # the largest z is 0 or -1
            top = max(hi for _, hi in images(replace(found, b=Fraction(0)), found.law))
            return replace(found, b=-top - mode % 2)
        return found

    head = st.tuples(
        st.integers(0, len(POOL) - 1),
        ints(3, -2, 2),
        st.integers(0, 6),
        st.integers(0, 13),
        st.integers(0, 2),
    ).map(lambda d: [d[0], *d[1], *d[2:]])
    return st.tuples(head, ints(size, 0, 2)).map(lambda two: neuron(two[0] + two[1]))


def neuron_steps(neuron: Neuron) -> list[str]:
    phi, lines = PHI[neuron.phi], []
    for span, (lo, hi) in zip(neuron.domain, images(neuron, neuron.domain), strict=True):
        where = "the support" if span in neuron.law else "D, without mass"
        for x, z in (
            (span.lo, neuron.w * span.lo + neuron.b),
            (span.hi, neuron.w * span.hi + neuron.b),
        ):
            lines.append(
                f"x = {x} (of {where}): z = {neuron.w}·{x} + {neuron.b} = {z}, "
                f"h = φ(z) = {phi.value(z)}, dh/db = φ'(z) = {phi.slope(z)}, "
                f"dh/dx = w φ'(z) = {neuron.w * phi.slope(z)}"
            )
            if lo == hi and span.lo == span.hi:
                break
    lines += [f"E|h| = 0: {'yes' if dormant(neuron) else 'no'}"]
    return [*lines, f"dh/dx = 0 on all of D: {'yes' if flat_in_input(neuron) else 'no'}"]


DORMANT = Assumption("dormant", "E|h_i| = 0", dormant)
SMOOTH = Assumption("smooth", "φ is continuously differentiable", smooth)
ON_SUPPORT = Assumption("support", "D is the support of the input law", on_support, said=False)
SOLID = Assumption(
    "solid",
    "D is the closure of its interior: no isolated points, no thin parts",
    solid,
    said=False,
)
CONNECTED = Assumption("connected", "D is connected: in one piece", connected, said=False)
