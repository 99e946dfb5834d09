"""Dormancy: what a score of zero says about a neuron, and what it does not.

ReDo (Sokar et al., 2023), Definition 3.1 and section 3; "Rethinking plasticity" (OCP),
Definitions 1 to 3, Lemmas 1 to 3, Theorem 1. A neuron is h(x) = φ(w x + b) under a law of inputs.
Two sets decide everything: Z = {φ = 0} and K = {φ' = 0}, where φ' is what automatic differentiation
returns, also at kinks. Dormant is z(x) ∈ Z almost surely; a zero gradient of the neuron's weights
for every loss is z(x) ∈ K almost surely. OCP takes the gradient with respect to the input x
instead, which is another thing. `ACTIVATIONS` is the table of Z and K for what people train with.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from fractions import Fraction as F
from functools import cached_property
from itertools import combinations, pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis.strategies import SearchStrategy
from scipy import optimize, special

from ref import scores
from theory.claim import Assumption, Claim, vector

# What `python -m theory show` says of the letters.
LETTERS = """\
h_i is what neuron i of a layer of N gives for an input x, E a mean over the inputs.
s_i = E|h_i| / ((1/N) Σ_j E|h_j|) is its score; it is dormant if that is 0, τ-dormant if ≤ τ.
h(x) = φ(z), z = w x + b: φ is the activation function, Z where φ is 0, K where φ' is.
D is the domain of the inputs; its support are the points around which inputs do occur.
C¹: with a continuous derivative. #S: how many are in S. φ', ∇_x, ∂, d/d..: derivatives.
softsign(z) = z / (1 + |z|), an activation function of which all numbers are exact.
"""

INF = math.inf

# ------------------------------------------------------------- activations, their zeros and kinks


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
    nodes: tuple[Fraction, ...] = (F(0),)
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
    slope = lambda z: F(z > 0) if z != 0 else at_zero  # noqa: E731
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
    "ReLU, φ'(0) = 0": _relu(F(0)),
    "ReLU, φ'(0) = 1/2": _relu(F(1, 2)),
    "ReLU, φ'(0) = 1": _relu(F(1)),
    "ReLU²": Activation(lambda z: max(z, 0) ** 2, lambda z: 2 * max(z, 0)),
    "ReLU6": Activation(
        lambda z: min(max(z, 0), 6), lambda z: F(0 < z < 6), (F(0), F(6)), smooth=False
    ),
    "LeakyReLU": Activation(
        lambda z: z if z > 0 else F(1, 100) * z,
        lambda z: F(1) if z > 0 else F(1, 100),
        smooth=False,
    ),
    "ELU": Activation(
        lambda z: z if z > 0 else math.expm1(z), lambda z: 1 if z > 0 else math.exp(z), exact=False
    ),
    "tanh": Activation(math.tanh, lambda z: 1 - math.tanh(z) ** 2, exact=False),
    "hardtanh": Activation(
        lambda z: max(min(z, 1), -1), lambda z: F(-1 < z < 1), (F(-1), F(0), F(1)), smooth=False
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
    "identity": Activation(lambda z: z, lambda z: F(1)),
    "softsign": Activation(lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2),
    "square": Activation(lambda z: z * z, lambda z: 2 * z),
    "smoothstep": Activation(
        _smoothstep, lambda z: F(3, 4) * (1 - z * z) if abs(z) < 1 else F(0), (F(-1), F(1))
    ),
    "step": Activation(lambda z: F(z > 0), lambda z: F(0), smooth=False, continuous=False),
    "spike": Activation(lambda z: F(z == 0), lambda z: F(0), smooth=False, continuous=False),
}
PHI = ACTIVATIONS | EXAMPLES
EXACT = [name for name, phi in PHI.items() if phi.exact]
EQUAL = [name for name in EXACT if PHI[name].zeros == PHI[name].flats]
POOL = EXACT + 2 * [name for name in EXACT if PHI[name].smooth]  # drawn from: mostly smooth
RELU = "ReLU, φ'(0) = 0"


def table() -> list[tuple[str, str, str, str]]:
    """Activation, Z, K, and what becomes of "dormant ⇔ zero gradient": for people to read."""
    return [(n, union(p.zeros), union(p.flats), p.verdict) for n, p in ACTIVATIONS.items()]


def _ints(count: int, lo: int, hi: int) -> SearchStrategy[list[int]]:
    return st.lists(st.integers(lo, hi), min_size=count, max_size=count)


# ---------------------------------------------------------------- scores: ReDo, Definition 3.1


@dataclass(frozen=True)
class Layer:
    """Mean activations a_i = E|h_i| of a layer, a threshold, and a factor for all activations."""

    means: tuple[Fraction, ...]
    tau: Fraction = F(1, 10)
    c: Fraction = F(1)

    def __str__(self) -> str:
        factor = "" if self.c == 1 else f", times c = {self.c}"
        return f"E|h| = {vector(self.means)}, τ = {self.tau}{factor}"

    @property
    def sample(self) -> Any:
        """A batch (1, N) with these means."""
        return np.array([self.means], dtype=object)


def layers(size: int) -> SearchStrategy[Layer]:
    def layer(drawn: list[int]) -> Layer:
        tau, c, kind, *means = drawn
        means = (
            [means[0]] * size if kind == 0 else means if kind == 1 else [max(m, 0) for m in means]
        )
        taus = (F(1, 10), F(0), F(1, 2), F(1), F(9, 10), F(3, 2), F(1, 4), F(1, 10))
        factors = (F(1), F(2), F(1, 10**12), F(10**6), F(0), F(1, 10**9), F(1, 3), F(1))
        return Layer(tuple(F(abs(m)) for m in means), taus[tau], factors[c])

    heads = st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(0, 2)).map(list)
    return st.tuples(heads, _ints(size, -2, 4)).map(lambda two: layer(two[0] + two[1]))


def alive(layer: Layer) -> bool:
    return any(layer.means)


def tenth(layer: Layer) -> bool:
    return layer.tau == F(1, 10)


def below_one(layer: Layer) -> bool:
    return layer.tau < 1


def positive_tau(layer: Layer) -> bool:
    return layer.tau > 0


def positive_factor(layer: Layer) -> bool:
    return layer.c > 0


def sums_to_one(layer: Layer) -> bool:
    return bool(scores.activation_score(layer.sample).sum() == 1)


def averages_one(layer: Layer) -> bool:
    s = scores.activation_score(layer.sample)
    return bool(s.sum() == len(s) and 1 <= s.max() <= len(s))


def low(h: Any, tau: Any) -> list[bool]:
    """Which neurons are τ-dormant."""
    return list(scores.dormant(h, tau))


def awake(layer: Layer) -> int:
    """How many neurons are not τ-dormant."""
    return low(layer.sample, layer.tau).count(False)


def at_most_nine(layer: Layer) -> bool:
    return awake(layer) <= 9


def few_slack(layer: Layer) -> int:
    large = sum(a > layer.tau * sum(layer.means) for a in layer.means)
    return math.ceil(1 / layer.tau) - 1 - large if layer.tau else -1


def few_large_shares(layer: Layer) -> bool:
    return few_slack(layer) >= 0


def awake_slack(layer: Layer) -> int:
    return awake(layer) - 1


def someone_awake(layer: Layer) -> bool:
    return awake_slack(layer) >= 0


def coded(layer: Layer, c: Fraction) -> list[bool]:
    """Which neurons are τ-dormant by public code, which divides by mean + 1e-9, after factor c."""
    mean = c * sum(layer.means) / len(layer.means)
    return [c * a / (mean + F(1, 10**9)) <= layer.tau for a in layer.means]


def code_is_invariant(layer: Layer) -> bool:
    return coded(layer, layer.c) == coded(layer, F(1))


def set_is_invariant(layer: Layer) -> bool:
    return low(layer.sample * layer.c, layer.tau) == low(layer.sample, layer.tau)


def proved_average(n: int) -> bool:
    import z3

    a, s = z3.Reals([f"a{i}" for i in range(n)]), z3.Reals([f"s{i}" for i in range(n)])
    given = [x >= 0 for x in a] + [z3.Sum(a) > 0]
    given += [s[i] * z3.Sum(a) == n * a[i] for i in range(n)]
    top = z3.Or([x >= 1 for x in s])
    then = z3.And(z3.Sum(s) == n, top, *[x <= n for x in s])
    solver = z3.Solver()
    solver.add(*given, z3.Not(then))
    return bool(solver.check() == z3.unsat)


def proved_awake(n: int) -> bool:
    import z3

    a, tau = z3.Reals([f"a{i}" for i in range(n)]), z3.Real("tau")
    solver = z3.Solver()
    solver.add(z3.Sum(a) > 0, tau < 1, tau >= 0, *[x >= 0 for x in a])
    solver.add(*[n * x <= tau * z3.Sum(a) for x in a])
    return bool(solver.check() == z3.unsat)


def layer_steps(layer: Layer) -> list[str]:
    n, total = len(layer.means), sum(layer.means)
    lines = [f"mean of the layer: {total}/{n} = {total / n}"]
    if total:
        lines += [
            f"s_{i} = {a} / {total / n} = {a * n / total}" for i, a in enumerate(layer.means, 1)
        ]
        lines += [f"sum of the scores: {sum(a * n / total for a in layer.means)}, and N = {n}"]
    return [*lines, f"not {layer.tau}-dormant: {awake(layer)} of {n}"]


def code_steps(layer: Layer) -> list[str]:
    lines = []
    for c in (F(1), layer.c):
        a, mean = c * layer.means[0], c * sum(layer.means) / len(layer.means)
        s = a / (mean + F(1, 10**9))
        verdict = "dormant" if s <= layer.tau else "not dormant"
        lines.append(f"c = {c}: s_1 = {a} / ({mean} + 1/10⁹) = {s} ≈ {float(s):.6f}: {verdict}")
    return lines


# ------------------------------------------- a neuron under a law: OCP, Definition 1 to Theorem 1


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


def zero_on_domain(neuron: Neuron) -> bool:
    return all(PHI[neuron.phi].value(z) == 0 for z in points(neuron, neuron.domain))


def zero_somewhere(neuron: Neuron) -> bool:
    return any(PHI[neuron.phi].value(z) == 0 for z in points(neuron, neuron.domain))


def flat_in_input(neuron: Neuron) -> bool:
    """dh/dx = w φ'(w x + b) = 0 on D."""
    slope = PHI[neuron.phi].slope
    return neuron.w == 0 or all(slope(z) == 0 for z in points(neuron, neuron.domain))


def flat_in_parameters(neuron: Neuron) -> bool:
    """dh/db = φ'(w x + b) = 0 almost surely, and so dh/dw = x dh/db = 0."""
    return all(PHI[neuron.phi].slope(z) == 0 for z in points(neuron, neuron.law, almost=True))


def smooth(neuron: Neuron) -> bool:
    return PHI[neuron.phi].smooth


def continuous(neuron: Neuron) -> bool:
    return PHI[neuron.phi].continuous


def differentiable_minimum(neuron: Neuron) -> bool:
    """φ >= 0: no cell of the line has a negative value."""
    return all(PHI[neuron.phi].value(inner(c)) >= 0 for c in cells(PHI[neuron.phi].nodes))


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


def same_sets(neuron: Neuron) -> bool:
    return PHI[neuron.phi].zeros == PHI[neuron.phi].flats


def different_sets(neuron: Neuron) -> bool:
    return not same_sets(neuron)


def theorem_1_forward(neuron: Neuron) -> bool:
    return not dormant(neuron) or (flat_in_input(neuron) and zero_somewhere(neuron))


def theorem_1_backward(neuron: Neuron) -> bool:
    return dormant(neuron) or not (flat_in_input(neuron) and zero_somewhere(neuron))


def theorem_1(neuron: Neuron) -> bool:
    return theorem_1_forward(neuron) and theorem_1_backward(neuron)


def dormant_iff_flat(neuron: Neuron) -> bool:
    return dormant(neuron) == flat_in_parameters(neuron)


def constant_neuron_tells(neuron: Neuron) -> bool:
    """Some neuron with w = 0, at a b in one of Z and K only, breaks the equivalence."""
    found = [inner(c) for c in cells(PHI[neuron.phi].nodes)]
    return not all(dormant_iff_flat(replace(neuron, w=F(0), b=b)) for b in found)


def at(*xs: int | Fraction) -> Spans:
    return tuple(Span(F(x), F(x)) for x in xs)


def over(lo: int | Fraction, hi: int | Fraction) -> Span:
    return Span(F(lo), F(hi))


def neurons(size: int) -> SearchStrategy[Neuron]:
    """Neurons on `size` spans; most are shifted to where φ is zero, or to two plateaus."""

    def neuron(drawn: list[int]) -> Neuron:
        phi, w, b, start, extra, mode, least, *lengths = drawn
        shut = ("smoothstep", "ReLU²", "ReLU, φ'(0) = 1/2")
        name = POOL[phi] if mode < 6 else shut[phi % 3 if mode < 12 else 0]
        spans, lo = [], F(start)
        for length in lengths:
            hi = lo + max(length, least > 0)
            spans.append(Span(lo, hi))
            lo = hi + (2 if mode >= 12 else extra % 2)
        # a neighbour of the support that belongs to D but has no mass
        more = () if extra else (Span(lo, lo + 1),)
        found = Neuron(name, F(w), F(b), tuple(spans), more)
        if mode >= 12:  # the first span on the plateau of 0, the others on that of 1
            return replace(found, w=F(1), b=-1 - spans[0].hi)
        if mode >= 10:
            return replace(found, phi=POOL[phi], w=F(0), b=F(min(b, 0)))
        if mode >= 3:  # the largest z is 0 or -1
            top = max(hi for _, hi in images(replace(found, b=F(0)), found.law))
            return replace(found, b=-top - mode % 2)
        return found

    head = st.tuples(
        st.integers(0, len(POOL) - 1),
        _ints(3, -2, 2),
        st.integers(0, 6),
        st.integers(0, 13),
        st.integers(0, 2),
    ).map(lambda d: [d[0], *d[1], *d[2:]])
    return st.tuples(head, _ints(size, 0, 2)).map(lambda two: neuron(two[0] + two[1]))


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


# ------------------------------------------------------------------ one step of training: OCP 3.3


@dataclass(frozen=True)
class Step:
    """Input 1, a = relu(v); z_i = w_i a + b_i for two neurons, centred by their mean if `centred`;
    y = u·φ(z); loss (y - target)²/2. Then one step of SGD on everything (v only if `below`), with
    `decay` of w (not of b), and a momentum that pushes b_1 by `push` times the rate.
    """

    phi: str
    v: Fraction
    w: tuple[Fraction, Fraction]
    b: tuple[Fraction, Fraction]
    u: tuple[Fraction, Fraction]
    target: Fraction
    rate: Fraction = F(1)
    decay: Fraction = F(0)
    push: Fraction = F(0)
    below: bool = False
    centred: bool = False

    def __str__(self) -> str:
        return (
            f"{self.phi}, v = {self.v}, w = {vector(self.w)}, b = {vector(self.b)}, "
            f"u = {vector(self.u)}, target {self.target}, rate {self.rate}, decay {self.decay}, "
            f"momentum {self.push}{', inputs learn' * self.below}{', centred' * self.centred}"
        )


def centre(step: Step, values: list[Fraction]) -> list[Fraction]:
    """Subtract the mean of the layer: what a LayerNorm does first, and its own transpose."""
    mean = sum(values, F(0)) / len(values)
    return [value - mean for value in values] if step.centred else values


def preactivations(step: Step) -> list[Fraction]:
    below = max(step.v, F(0))
    return centre(step, [w * below + b for w, b in zip(step.w, step.b, strict=True)])


def output(step: Step) -> Fraction:
    phi = PHI[step.phi].value
    return sum((u * phi(z) for u, z in zip(step.u, preactivations(step), strict=True)), F(0))


def loss(step: Step) -> Fraction:
    return (output(step) - step.target) ** 2 / 2


def z_gradients(step: Step) -> list[Fraction]:
    """dL/d(w_i a + b_i)."""
    residual, slope = output(step) - step.target, PHI[step.phi].slope
    pairs = zip(step.u, preactivations(step), strict=True)
    return centre(step, [residual * u * slope(z) for u, z in pairs])


def trained(step: Step) -> Step:
    """The network after the step."""
    below, dz, h = (
        max(step.v, F(0)),
        z_gradients(step),
        map(PHI[step.phi].value, preactivations(step)),
    )
    residual = output(step) - step.target
    push = (step.push, F(0))
    dv = sum((d * w for d, w in zip(dz, step.w, strict=True)), F(0)) * (step.v > 0)
    w = [w - step.rate * (d * below + step.decay * w) for w, d in zip(step.w, dz, strict=True)]
    b = [b - step.rate * (d - p) for b, d, p in zip(step.b, dz, push, strict=True)]
    u = [u - step.rate * residual * value for u, value in zip(step.u, h, strict=True)]
    v = step.v - step.rate * dv * step.below
    return replace(step, v=v, w=(w[0], w[1]), b=(b[0], b[1]), u=(u[0], u[1]))


def first_dormant(step: Step) -> bool:
    return bool(PHI[step.phi].value(preactivations(step)[0]) == 0)


def first_stays(step: Step) -> bool:
    return first_dormant(trained(step))


def step_same_sets(step: Step) -> bool:
    return PHI[step.phi].zeros == PHI[step.phi].flats


def no_decay(step: Step) -> bool:
    return step.decay == 0


def no_push(step: Step) -> bool:
    return step.push == 0


def inputs_fixed(step: Step) -> bool:
    return not step.below


def not_centred(step: Step) -> bool:
    return not step.centred


def first_without_gradient(step: Step) -> bool:
    return z_gradients(step)[0] == 0


EPS = F(1, 2**20)


def nearby(step: Step, by: Fraction) -> Step:
    """The same network with b_1 moved."""
    return replace(step, b=(step.b[0] + by, step.b[1]))


def first_is_optimal(step: Step) -> bool:
    return min(loss(nearby(step, e)) for e in (EPS, -EPS)) >= loss(step)


def inside_zeros(step: Step) -> bool:
    """z_1 inside of Z, further than EPS from its ends."""
    z = preactivations(step)[0]
    return any(s.lo < z - EPS and z + EPS < s.hi for s in PHI[step.phi].zeros)


def loss_is_flat(step: Step) -> bool:
    """Whatever the target: as a dead neuron is no optimum of this task or another."""
    tasks = [replace(step, target=F(t)) for t in (-2, 0, 1, 5)]
    return all(loss(nearby(t, e)) == loss(t) for t in tasks for e in (EPS, -EPS))


def steps_of_training(size: int) -> SearchStrategy[Step]:
    """size 0: nothing but plain SGD; size 1: with one thing more, or all."""

    def step(drawn: list[int]) -> Step:
        phi, mode, extra, v, w1, w2, b1, b2, u1, u2, target = drawn
        if mode:  # at the edge of being shut, or one below it
            b1 = -w1 * max(v, 0) - (mode % 2)
        name = EXACT[phi] if mode < 4 else EQUAL[phi % len(EQUAL)]
        rate = F(1 + extra % 2, 2)
        found = Step(name, F(v), (F(w1), F(w2)), (F(b1), F(b2)), (F(u1), F(u2)), F(target), rate)
        extras: list[dict[str, Any]] = [
            {"below": True},
            {"decay": F(3, 2)},
            {"push": F(1)},
            {"centred": True},
        ]
        return replace(found, **extras[extra]) if size and extra < 4 else found

    head = st.tuples(st.integers(0, len(EXACT) - 1), st.integers(0, 7), st.integers(0, 7)).map(list)
    return st.tuples(head, _ints(8, -2, 3)).map(lambda two: step(two[0] + two[1]))


def training_steps(step: Step) -> list[str]:
    after, phi = trained(step), PHI[step.phi]
    z, dz = preactivations(step), z_gradients(step)
    return [
        f"a = relu({step.v}) = {max(step.v, F(0))}, z = {vector(z)}",
        f"h = φ(z) = {vector(map(phi.value, z))}",
        f"y = {output(step)}, residual y - target = {output(step) - step.target}",
        f"φ'(z) = {vector(map(phi.slope, z))}, dL/db = {vector(dz)}",
        f"after the step: v = {after.v}, w = {vector(after.w)}, b = {vector(after.b)}",
        f"z_1 = {preactivations(after)[0]}, h_1 = {phi.value(preactivations(after)[0])}",
    ]


def optimum_steps(step: Step) -> list[str]:
    z, close = preactivations(step), [nearby(step, e) for e in (-EPS, EPS)]
    return [
        f"z_1 = {z[0]}, φ'(z_1) = {PHI[step.phi].slope(z[0])}, dL/db_1 = {z_gradients(step)[0]}",
        f"loss = {loss(step)}; with ε = 2⁻²⁰:",
        *(
            f"at b_1 = {s.b[0]} the loss is less by {float(loss(step) - loss(s)):.3g}"
            for s in close
        ),
    ]


# ------------------------------------------------------------------------- MAGI: OCP, Definition 2


@dataclass(frozen=True)
class Units:
    """h_i(x) = φ(w_i·x + b_i) for the rows w_i of a weight matrix, on a batch of inputs x."""

    phi: str
    w: tuple[tuple[Fraction, ...], ...]
    b: tuple[Fraction, ...]
    xs: tuple[tuple[Fraction, ...], ...]

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
        slopes = [PHI[units.phi].slope(z) if activated else F(1) for z in unit_z(units, i)]
        columns = zip(*units.xs, strict=True)
        rows.append(
            [sum(map(Fraction.__mul__, slopes, c), F(0)) / (n * len(slopes)) for c in columns]
        )
    return list(scores.magi(np.array(rows, dtype=object)))


def unit_dormant(units: Units) -> bool:
    """The first unit is dormant."""
    return all(PHI[units.phi].value(z) == 0 for z in unit_z(units, 0))


def unit_same_sets(units: Units) -> bool:
    return PHI[units.phi].zeros == PHI[units.phi].flats


def magi_printed_zero(units: Units) -> bool:
    return magi(units, activated=False)[0] == 0


def magi_printed_same(units: Units) -> bool:
    return len(set(magi(units, activated=False))) == 1


def magi_zero(units: Units) -> bool:
    return magi(units, activated=True)[0] == 0


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

    head = st.tuples(st.integers(0, len(EXACT) - 1), _ints(2, 1, 2), st.integers(0, 2))
    return st.tuples(head, _ints(6 + 2 * size, -2, 2)).map(
        lambda two: units([two[0][0], *two[0][1], two[0][2], *two[1]])
    )


def unit_steps(units: Units) -> list[str]:
    z = unit_z(units, 0)
    return [
        f"z_1 on the samples: {vector(z)}, h_1: {vector(map(PHI[units.phi].value, z))}",
        f"MAGI with h in eq. (17): {vector(magi(units, True))}",
        f"MAGI with z, as eq. (18) prints it: {vector(magi(units, False))}",
    ]


# ----------------------------------------------- overlap: ReDo, footnote 1 and OCP, Definition 3


@dataclass(frozen=True)
class Sets:
    """The dormant neurons now and before, of N neurons."""

    n: int
    now: frozenset[int]
    before: frozenset[int]

    def __str__(self) -> str:
        now, before = (f"{{{', '.join(map(str, sorted(s)))}}}" for s in (self.now, self.before))
        return f"N = {self.n}, now {now}, before {before}"


def overlap(sets: Sets) -> Fraction | None:
    least = min(len(sets.now), len(sets.before))
    return F(len(sets.now & sets.before), least) if least else None


def none_empty(sets: Sets) -> bool:
    return bool(sets.now and sets.before)


def overlap_is_one(sets: Sets) -> bool:
    return overlap(sets) == 1


def not_fewer(sets: Sets) -> bool:
    return len(sets.now) >= len(sets.before)


def all_stay(sets: Sets) -> bool:
    return sets.before <= sets.now


def one_iff_nested(sets: Sets) -> bool:
    return overlap_is_one(sets) == (sets.now <= sets.before or sets.before <= sets.now)


def retention_slack(sets: Sets) -> Fraction:
    kept = F(len(sets.now & sets.before), len(sets.before) or 1)
    found = overlap(sets)
    return found - kept if found is not None else F(-1)  # undefined is no bound


def at_least_retention(sets: Sets) -> bool:
    return retention_slack(sets) >= 0


def chance_is_larger_share(sets: Sets) -> bool:
    """The mean overlap of `now` with all sets as large as `before` is the larger size over N."""
    others = combinations(range(1, sets.n + 1), len(sets.before))
    found = [overlap(replace(sets, before=frozenset(other))) for other in others]
    mean = sum((o if o is not None else F(-1) for o in found), F(0)) / len(found)
    return mean == F(max(len(sets.now), len(sets.before)), sets.n)


def sets_of(size: int) -> SearchStrategy[Sets]:
    def sets(drawn: list[int]) -> Sets:
        now, before = ({i for i, d in enumerate(drawn, 1) if d & bit} for bit in (1, 2))
        return Sets(size, frozenset(now), frozenset(before))

    return _ints(size, 0, 3).map(sets)


def set_steps(sets: Sets) -> list[str]:
    both = len(sets.now & sets.before)
    return [
        f"|now| = {len(sets.now)}, |before| = {len(sets.before)}, in both: {both}",
        f"overlap = {both}/{min(len(sets.now), len(sets.before))} = {overlap(sets)}",
        f"no longer dormant: {len(sets.before - sets.now)} of {len(sets.before)}",
    ]


# ---------------------------------------------------------------------------------- assumptions

ALIVE = Assumption("alive", "Σ_j E|h_j| > 0", alive, said=False)
BELOW_ONE = Assumption("tau below one", "τ < 1", below_one, said=False)
DORMANT = Assumption("dormant", "E|h_i| = 0", dormant)
SMOOTH = Assumption("smooth", "φ is continuously differentiable", smooth)
ON_SUPPORT = Assumption("support", "D is the support of the input law", on_support, said=False)
SOLID = Assumption("solid", "D is the closure of its interior", solid, said=False)
CONNECTED = Assumption("connected", "D is connected", connected, said=False)
FLAT = Assumption("flat", "dh_i/dx = 0 on D", flat_in_input)
ZERO = Assumption("zero", "h_i(x) = 0 at some x of D", zero_somewhere)
SAME = Assumption("Z = K", "φ and φ' have the same zeros", same_sets, said=False)
STEP_DORMANT = Assumption("dormant", "h_1 = 0", first_dormant)
STEP_SAME = Assumption("Z = K", "φ and φ' have the same zeros", step_same_sets, said=False)
NO_GRADIENT = Assumption("no gradient", "dL/db_1 = 0 = dL/dw_1", first_without_gradient)
UNIT_DORMANT = Assumption("dormant", "h_1 = 0 on the batch", unit_dormant)
UNIT_SAME = Assumption("Z = K", "φ and φ' have the same zeros", unit_same_sets, said=False)
NON_EMPTY = Assumption("non-empty", "neither set is empty", none_empty, said=False)
ONE = Assumption("overlap one", "the overlap coefficient is 1", overlap_is_one)

SOFT = Neuron("softsign", F(1), F(0), at(0))  # passes through 0 at the only input
SHUT = Neuron("ReLU²", F(1), F(0), (over(-1, 0),), (over(0, 1),))  # shut on the support, not on D
ONLY_HERE = Neuron("ReLU²", F(1), F(0), at(0), at(1))
KINK = Neuron("ReLU, φ'(0) = 1/2", F(1), F(0), (over(-1, 0),))
SLOPE = Neuron("identity", F(1), F(0), (over(0, 1),))
STEPS = Neuron("smoothstep", F(1), F(0), at(-1, 1))
PLATEAUS = Neuron("smoothstep", F(1), F(0), (over(-2, -1), over(1, 2)))
CONSTANT = Neuron("softsign", F(0), F(0), (over(-1, 1),))
SPIKE = Neuron("spike", F(1), F(0), (over(-1, 1),))
JUMP = Neuron("step", F(1), F(0), (over(-1, 1),))
ONE_ON = Neuron("smoothstep", F(1), F(0), (over(1, 2),))

ONES = (F(1), F(1))
BELOW = Step(RELU, F(1), ONES, (F(-2), F(0)), (F(3), F(1)), F(4), F(1, 2), below=True)
DECAYED = Step(RELU, F(1), (F(-1), F(0)), (F(1, 2), F(0)), ONES, F(0), F(1, 2), decay=F(3, 2))
PUSHED = Step(RELU, F(1), (F(0), F(0)), (F(0), F(0)), ONES, F(0), push=F(1))
MOVED = Step("softsign", F(1), (F(0), F(0)), (F(0), F(0)), ONES, F(1))
CENTRED = Step(RELU, F(1), (F(0), F(0)), (F(0), F(1)), ONES, F(0), F(4), centred=True)
OPEN = Step(RELU, F(1), (F(0), F(0)), (F(1), F(0)), (F(0), F(0)), F(0))
LINKED = Step(RELU, F(1), (F(0), F(0)), (F(-1), F(1)), ONES, F(0), centred=True)
TOP = Step("square", F(1), (F(0), F(0)), (F(0), F(0)), ONES, F(1))

# ------------------------------------------------------------------------------------ the claims

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="dormancy.sum-to-one",
        source="ReDo, Definition 3.1; Neuron Dominance, eq. (1)",
        title="The scores of a layer sum to 1",
        statement="s_i = E|h_i| / ((1/N) Σ_j E|h_j|)\n⇒ Σ_i s_i = 1",
        given=(ALIVE,),
        then=sums_to_one,
        instances=layers,
        sizes=(1, 2, 3),
        verdict="refuted",
        counterexample=Layer((F(1), F(1))),
        breaks="E|h_i| is divided by the mean of the layer and not by the sum: the 1/N is left "
        "over.",
        repaired_by=("dormancy.average-one",),
        steps=layer_steps,
        remark="True for N = 1 only. Public code has the same sentence as a comment.",
    ),
    Claim(
        id="dormancy.average-one",
        source="repairs dormancy.sum-to-one",
        title="Scores average to 1; the largest is from 1 to N",
        statement="Σ_i s_i = N\n1 ≤ max_i s_i ≤ N",
        given=(ALIVE,),
        then=averages_one,
        instances=layers,
        sizes=(1, 2, 3, 5),
        verdict="holds if",
        needs={"alive": Layer((F(0),))},
        proof="Σ_i N a_i / Σ_j a_j = N. The largest of N numbers is at least their mean, 1, and "
        "as all "
        "are ≥ 0 at most their sum, N. A dead layer is 0/0.",
        proved=proved_average,
        proved_at=(1, 2, 3),
        steps=layer_steps,
    ),
    Claim(
        id="dormancy.at-most-nine",
        source="follows from ReDo, Definition 3.1, as printed",
        title="At τ = 1/10 at most 9 neurons are not dormant",
        statement="Σ_i s_i = 1 and τ = 1/10\n⇒ #{i : s_i > τ} ≤ 9, in a layer of any width",
        given=(Assumption("tau", "τ = 1/10", tenth),),
        then=at_most_nine,
        instances=layers,
        sizes=(1, 9, 10),
        verdict="refuted",
        counterexample=Layer((F(1),) * 10),
        breaks="It would be so if scores summed to 1. They sum to N.",
        repaired_by=("dormancy.few-large-shares", "dormancy.one-awake"),
        steps=layer_steps,
    ),
    Claim(
        id="dormancy.few-large-shares",
        source="repairs dormancy.at-most-nine",
        title="Of shares, which do sum to 1, few exceed τ",
        statement="p_i = E|h_i| / Σ_j E|h_j|, τ > 0\n⇒ #{i : p_i > τ} ≤ ⌈1/τ⌉ - 1",
        given=(Assumption("positive tau", "τ > 0", positive_tau),),
        then=few_large_shares,
        instances=layers,
        sizes=(1, 2, 4, 10),
        verdict="holds",
        needs={"positive tau": Layer((F(1),), F(0))},
        proof="m shares larger than τ sum to more than m τ, and to at most 1: m < 1/τ.",
        slack=few_slack,
        tight_at=Layer((F(1),) * 9),
    ),
    Claim(
        id="dormancy.one-awake",
        source="repairs dormancy.at-most-nine; the definition of τ-dormant",
        title="Not all neurons of a live layer are τ-dormant",
        statement="τ < 1, Σ_j E|h_j| > 0\n⇒ #{i : s_i > τ} ≥ 1: a relative score never finds 100 %",
        given=(ALIVE, BELOW_ONE),
        then=someone_awake,
        instances=layers,
        sizes=(1, 2, 3, 5),
        verdict="holds if",
        needs={"alive": Layer((F(0),)), "tau below one": Layer((F(1),), F(1))},
        proof="Otherwise every s_i ≤ τ < 1, but their mean is 1. One live neuron among dead ones: "
        "tight.",
        slack=awake_slack,
        tight_at=Layer((F(1), F(0), F(0))),
        proved=proved_awake,
        proved_at=(1, 2, 3, 4),
        remark="So a layer that shuts off as a whole is seen by its gates (saturated), not by "
        "scores.",
    ),
    Claim(
        id="dormancy.scale-invariant-code",
        source="public code of ReDo: division by mean + 1e-9",
        title="The coded scores do not depend on the layer's scale",
        statement="s_i = E|h_i| / ((1/N) Σ_j E|h_j| + 10⁻⁹), c > 0\n⇒ c·h has the τ-dormant "
        "neurons of h",
        given=(Assumption("positive factor", "c > 0", positive_factor), ALIVE),
        then=code_is_invariant,
        instances=layers,
        sizes=(1, 2, 3),
        verdict="refuted",
        counterexample=Layer((F(1),), F(1, 10), F(1, 10**12)),
        breaks="10⁻⁹ is not scaled with the layer: once the mean is below it every score is near "
        "0.",
        repaired_by=("dormancy.scale-invariant",),
        steps=code_steps,
    ),
    Claim(
        id="dormancy.scale-invariant",
        source="repairs dormancy.scale-invariant-code",
        title="Without the epsilon dormancy does not depend on scale",
        statement="E|h_i| ≤ τ (1/N) Σ_j E|h_j|, c > 0\n⇒ c·h has the τ-dormant neurons of h",
        given=(Assumption("positive factor", "c > 0", positive_factor),),
        then=set_is_invariant,
        instances=layers,
        sizes=(1, 2, 4),
        verdict="holds",
        needs={"positive factor": Layer((F(1),), F(1, 10), F(0))},
        proof="Both sides of the inequality are multiplied by c > 0.",
        remark="No division: a dead layer is wholly dormant by definition; only its scores are "
        "undefined.",
    ),
    # ------------------------------------------------------------------------ OCP, section 3.3
    Claim(
        id="dormancy.ocp-lemma-1",
        source="OCP, Lemma 1",
        title="A dormant neuron outputs zero on all of D",
        statement="E|h_i(x)| = 0, h_i continuous\n⇒ h_i(x) = 0 for all x ∈ D",
        given=(DORMANT, Assumption("continuous", "φ is continuous", continuous)),
        then=zero_on_domain,
        instances=neurons,
        sizes=(1, 2),
        verdict="refuted",
        counterexample=ONLY_HERE,
        breaks="'continuity would imply a neighbourhood where it remains non-zero': that "
        "contradicts "
        "'almost everywhere zero' only where the neighbourhood has mass, that is on the support.",
        repaired_by=("dormancy.ocp-lemma-1-support",),
        steps=neuron_steps,
    ),
    Claim(
        id="dormancy.ocp-lemma-1-support",
        source="repairs dormancy.ocp-lemma-1",
        title="A dormant neuron outputs zero on the support",
        statement="E|h_i(x)| = 0, h_i continuous, D the support of the law of x\n⇒ h_i(x) = 0 for "
        "all x ∈ D",
        given=(DORMANT, Assumption("continuous", "φ is continuous", continuous), ON_SUPPORT),
        then=zero_on_domain,
        instances=neurons,
        sizes=(1, 2, 3),
        verdict="holds if",
        needs={"dormant": SLOPE, "continuous": SPIKE, "support": ONLY_HERE},
        proof="Were |h(x)| > 0 at x in the support, then |h| > c > 0 on a ball around x, which has "
        "positive mass by the definition of a support, and E|h| would be positive. ReLU will do.",
        steps=neuron_steps,
    ),
    Claim(
        id="dormancy.ocp-lemma-2",
        source="OCP, Lemma 2",
        title="A dormant neuron has no gradient in its input",
        statement="E|h_i(x)| = 0, h_i ∈ C¹, D the support\n⇒ ∇_x h_i(x) = 0 for all x ∈ D",
        given=(DORMANT, SMOOTH, ON_SUPPORT),
        then=flat_in_input,
        instances=neurons,
        sizes=(1, 2),
        verdict="refuted",
        counterexample=SOFT,
        breaks="Eq. (7) puts h(x₀ + δx) = h(x₀) = 0 'for every possible δx', but x₀ + δx need not "
        "be in "
        "D: a finite batch has no two neighbours.",
        repaired_by=("dormancy.ocp-lemma-2-solid", "dormancy.ocp-lemma-2-nonnegative"),
        steps=neuron_steps,
        remark="Softsign is a tanh with rational values; tanh does the same.",
    ),
    Claim(
        id="dormancy.ocp-lemma-2-solid",
        source="repairs dormancy.ocp-lemma-2",
        title="It has none where the support is solid",
        statement="E|h_i(x)| = 0, h_i ∈ C¹, D the support, D = closure(interior(D))\n"
        "⇒ ∇_x h_i(x) = 0 for all x ∈ D",
        given=(DORMANT, SMOOTH, ON_SUPPORT, SOLID),
        then=flat_in_input,
        instances=neurons,
        sizes=(1, 2, 3),
        verdict="holds if",
        needs={"dormant": SLOPE, "smooth": KINK, "support": SHUT, "solid": SOFT},
        proof="h = 0 on D (Lemma 1), so h is constant near each interior point and its gradient "
        "is 0 "
        "there; the gradient is continuous and every point of D is a limit of interior ones.",
        steps=neuron_steps,
    ),
    Claim(
        id="dormancy.ocp-lemma-2-nonnegative",
        source="repairs dormancy.ocp-lemma-2",
        title="It has none on any batch if φ ≥ 0",
        statement="E|h_i(x)| = 0, φ ∈ C¹, φ ≥ 0, D the support (finite is fine)\n"
        "⇒ ∇_x h_i(x) = 0 for all x ∈ D",
        given=(
            DORMANT,
            SMOOTH,
            ON_SUPPORT,
            Assumption("non-negative", "φ ≥ 0", differentiable_minimum, said=False),
        ),
        then=flat_in_input,
        instances=neurons,
        sizes=(1, 2, 3),
        verdict="holds if",
        needs={
            "dormant": Neuron("square", F(1), F(0), at(1)),
            "smooth": Neuron("ReLU, φ'(0) = 1/2", F(1), F(0), at(0)),
            "support": ONLY_HERE,
            "non-negative": SOFT,
        },
        proof="h(x) = 0 is then a global minimum of φ at z(x), so φ'(z(x)) = 0, and ∇_x h = φ'(z) "
        "w.",
        steps=neuron_steps,
    ),
    Claim(
        id="dormancy.ocp-lemma-3",
        source="OCP, Lemma 3",
        title="No gradient and one zero make a neuron dormant",
        statement="∇_x h_i = 0 on D, h_i ∈ C¹, h_i(x₀) = 0 for some x₀ ∈ D\n⇒ E|h_i(x)| = 0",
        given=(SMOOTH, FLAT, ZERO),
        then=dormant,
        instances=neurons,
        sizes=(1, 2),
        verdict="refuted",
        counterexample=STEPS,
        breaks="'zero everywhere on a connected domain': connectedness is used but not assumed, "
        "and D, "
        "where replayed inputs come from, is not connected.",
        repaired_by=("dormancy.ocp-lemma-3-connected",),
        steps=neuron_steps,
    ),
    Claim(
        id="dormancy.ocp-lemma-3-connected",
        source="repairs dormancy.ocp-lemma-3",
        title="They do if D is connected",
        statement="∇_x h_i = 0 on D, h_i = φ(w·x + b) ∈ C¹, h_i(x₀) = 0 for some x₀ ∈ D, D "
        "connected\n"
        "⇒ E|h_i(x)| = 0",
        given=(SMOOTH, FLAT, ZERO, CONNECTED),
        then=dormant,
        instances=neurons,
        sizes=(1, 2, 3),
        verdict="holds if",
        needs={"smooth": JUMP, "flat": SLOPE, "zero": ONE_ON, "connected": STEPS},
        proof="If w = 0 then h is constant. Otherwise φ' = 0 on z(D), the image of a connected "
        "set: an "
        "interval. So φ is constant on it, equal to φ(z(x₀)) = 0.",
        steps=neuron_steps,
        remark="It suffices because h depends on x through one number z. For a C¹ function of two "
        "variables connected is not enough: Whitney (1935) has one that is critical on an arc but "
        "not constant on it. A D that is the closure of a connected open set suffices for all.",
    ),
    Claim(
        id="dormancy.ocp-theorem-1",
        source="OCP, Theorem 1, (A) ⇒ (B)",
        title="Dormancy implies zero gradient",
        statement="E|h_i| = 0\n⇒ ∇_x h_i = 0 on D, and h_i = 0 somewhere on D",
        given=(SMOOTH, ON_SUPPORT),
        then=theorem_1_forward,
        instances=neurons,
        sizes=(1, 2),
        verdict="refuted",
        counterexample=SOFT,
        breaks="Lemma 2 (dormancy.ocp-lemma-2): next to x, outside of D, h need not be 0.",
        repaired_by=("dormancy.ocp-theorem-1-region", "dormancy.ocp-star"),
        steps=neuron_steps,
    ),
    Claim(
        id="dormancy.ocp-theorem-1-converse",
        source="OCP, Theorem 1, (B) ⇒ (A)",
        title="Zero gradient implies dormancy",
        statement="∇_x h_i = 0 on D, and h_i = 0 somewhere on D\n⇒ E|h_i| = 0",
        given=(SMOOTH, ON_SUPPORT),
        then=theorem_1_backward,
        instances=neurons,
        sizes=(1, 2),
        verdict="refuted",
        counterexample=STEPS,
        breaks="Lemma 3 (dormancy.ocp-lemma-3): on one piece of D h may be 0, on another not.",
        repaired_by=("dormancy.ocp-theorem-1-region", "dormancy.ocp-star"),
        steps=neuron_steps,
    ),
    Claim(
        id="dormancy.ocp-theorem-1-region",
        source="repairs dormancy.ocp-theorem-1 and its converse",
        title="They are equivalent if the support is a region",
        statement="φ ∈ C¹, D the support, D = closure(interior(D)), D connected\n"
        "⇒ (E|h_i| = 0 ⇔ ∇_x h_i = 0 on D and h_i = 0 somewhere on D)",
        given=(SMOOTH, ON_SUPPORT, SOLID, CONNECTED),
        then=theorem_1,
        instances=neurons,
        sizes=(1, 2, 3),
        verdict="holds if",
        needs={"smooth": KINK, "support": SHUT, "solid": SOFT, "connected": PLATEAUS},
        proof="⇒ is Lemma 2 on a solid support, ⇐ is Lemma 3 on a connected one.",
        steps=neuron_steps,
        remark="ReLU is not C¹, and boundedness (Assumption 2) is not used.",
    ),
    Claim(
        id="dormancy.keeps-dormant",
        source="OCP, after Theorem 1: 'a zero gradient that will keep it in a dormant state'",
        title="A dormant neuron's weights have no gradient",
        statement="φ ∈ C¹, D the support, a connected region, E|h_i| = 0\n⇒ dh_i/db = 0 and "
        "dh_i/dw = 0",
        given=(DORMANT, SMOOTH, ON_SUPPORT, SOLID, CONNECTED),
        then=flat_in_parameters,
        instances=neurons,
        sizes=(1,),
        verdict="refuted",
        counterexample=CONSTANT,
        breaks="The theorem is on the gradient by the input, ∇_x h = φ'(z) w. What training "
        "follows is "
        "the gradient by the weights, φ'(z) x, which w = 0 does not make zero.",
        repaired_by=("dormancy.ocp-star",),
        steps=neuron_steps,
    ),
    Claim(
        id="dormancy.ocp-star",
        source="repairs dormancy.ocp-theorem-1 and dormancy.keeps-dormant",
        title="Dormant ⇔ weights without gradient, if Z = K",
        statement="Z = {φ = 0}, K = {φ' = 0}, Z = K; any law, any support\n"
        "⇒ (E|h_i| = 0 ⇔ dL/db_i = 0 and dL/dw_i = 0 for every loss L)",
        given=(SAME,),
        then=dormant_iff_flat,
        instances=neurons,
        sizes=(1, 2, 3),
        verdict="holds if",
        needs={"Z = K": CONSTANT},
        proof="E|h| = 0 ⇔ z(x) ∈ Z almost surely ⇔ z(x) ∈ K almost surely ⇔ φ'(z(x)) = 0 almost "
        "surely. The gradients are E[r φ'(z)] and E[r φ'(z) x] with r = dL/dh: zero for every r "
        "exactly in that case. Nothing on D, C¹ or bounds is used.",
        steps=neuron_steps,
        remark="Z = K for ReLU with φ'(0) = 0 and ReLU²; see ACTIVATIONS for the others.",
    ),
    Claim(
        id="dormancy.ocp-star-only",
        source="repairs dormancy.ocp-theorem-1",
        title="If Z ≠ K a constant neuron breaks the equivalence",
        statement="Z ≠ K\n⇒ with w = 0 and some b: h = 0 without dh/db = 0, or the other way round",
        given=(Assumption("Z ≠ K", "φ and φ' have different zeros", different_sets),),
        then=constant_neuron_tells,
        instances=neurons,
        sizes=(1,),
        verdict="holds",
        needs={"Z ≠ K": Neuron(RELU, F(1), F(0), at(0))},
        proof="Take b in one of Z and K only: then z = b for all x.",
    ),
    # ----------------------------------------------------------------------- what training does
    Claim(
        id="dormancy.once-dormant",
        source="OCP, 3.3: 'Once a neuron enters a dormant or zero-gradient state, it becomes "
        "irrecoverable'",
        title="Once dormant, always dormant",
        statement="h_i = 0 on D, ReLU with φ'(0) = 0\n⇒ h_i = 0 on D after a step of SGD",
        given=(STEP_DORMANT, STEP_SAME),
        then=first_stays,
        instances=steps_of_training,
        sizes=(0, 1),
        verdict="refuted",
        counterexample=BELOW,
        breaks="Its own weights get no gradient, but its inputs move: the layer below goes on "
        "learning.",
        repaired_by=("dormancy.absorbing",),
        steps=training_steps,
        remark="OCP trains with weight decay, which by itself wakes neurons: see "
        "dormancy.absorbing.",
    ),
    Claim(
        id="dormancy.absorbing",
        source="repairs dormancy.once-dormant",
        title="Dormancy is absorbing for plain SGD on frozen inputs",
        statement="h_i = 0 on D, Z = K, SGD without decay and momentum of (w_i, b_i), inputs of "
        "the "
        "layer frozen, no normalisation across neurons\n⇒ h_i = 0 on D after the step",
        given=(
            STEP_DORMANT,
            STEP_SAME,
            Assumption("no decay", "no weight decay on w_i", no_decay, said=False),
            Assumption("no momentum", "no momentum left from before", no_push, said=False),
            Assumption("frozen inputs", "the layers below do not learn", inputs_fixed, said=False),
            Assumption("not normalised", "no LayerNorm before φ", not_centred, said=False),
        ),
        then=first_stays,
        instances=steps_of_training,
        sizes=(0, 1),
        verdict="holds if",
        needs={
            "dormant": OPEN,
            "Z = K": MOVED,
            "no decay": DECAYED,
            "no momentum": PUSHED,
            "frozen inputs": BELOW,
            "not normalised": CENTRED,
        },
        proof="z ∈ Z = K, so φ'(z) = 0 and the gradient of (w_i, b_i) is 0: they stay, the inputs "
        "stay, "
        "so z stays, at every step. A neighbour reaches z only through a normalisation.",
        steps=training_steps,
    ),
    Claim(
        id="dormancy.zero-gradient-optimum",
        source="OCP, 3.2 and 3.3: zero-gradient neurons are 'trapped in a local optimum'",
        title="A neuron without gradient is at a local optimum",
        statement="dL/dw_i = dL/db_i = 0\n⇒ no b_i nearby has a smaller loss",
        given=(NO_GRADIENT,),
        then=first_is_optimal,
        instances=steps_of_training,
        sizes=(0,),
        verdict="refuted",
        counterexample=TOP,
        breaks="A zero gradient is a stationary point: a maximum here, and in b_1 at that.",
        repaired_by=("dormancy.flat",),
        steps=optimum_steps,
        remark="ReLU² at its edge, z = 0, is a saddle: the loss falls on one side only.",
    ),
    Claim(
        id="dormancy.flat",
        source="repairs dormancy.zero-gradient-optimum",
        title="For a shut neuron the loss of every task is flat",
        statement="z_i inside of Z and of K\n⇒ L does not change with b_i nearby, for any target",
        given=(
            Assumption("inside", "z_i is inside of Z", inside_zeros, said=False),
            Assumption("not normalised", "no LayerNorm before φ", not_centred, said=False),
        ),
        then=loss_is_flat,
        instances=steps_of_training,
        sizes=(0, 1),
        verdict="holds if",
        needs={"inside": TOP, "not normalised": LINKED},
        proof="φ(z_i) = 0 for all z_i nearby, so y does not depend on b_i nearby, whatever the "
        "target. "
        "So a shut neuron is stuck at no optimum that an old task has left: it is on a plateau of "
        "all.",
        steps=optimum_steps,
    ),
    Claim(
        id="dormancy.magi-printed",
        source="OCP, Definition 2, eqs. (16) to (18)",
        title="As printed, MAGI is zero for dormant neurons",
        statement="T = mean of X W' + b over samples and neurons, h_i = 0 on the batch, Z = K\n"
        "⇒ MAGI_i = (1/d) Σ_j |dT/dW_ij| = 0",
        given=(UNIT_DORMANT, UNIT_SAME),
        then=magi_printed_zero,
        instances=units_of,
        sizes=(1, 2),
        verdict="refuted",
        counterexample=Units(RELU, ((F(0),),), (F(0),), ((F(1),),)),
        breaks="Eq. (18) has no activation: dT/dW_ij = (mean of x_j) / N, whatever neuron i does.",
        repaired_by=("dormancy.magi-same", "dormancy.magi"),
        steps=unit_steps,
    ),
    Claim(
        id="dormancy.magi-same",
        source="OCP, Definition 2, eqs. (16) to (18)",
        title="As printed, MAGI is the same for all neurons",
        statement="T = mean of X W' + b over samples and neurons\n⇒ MAGI_1 = ... = MAGI_N",
        given=(),
        then=magi_printed_same,
        instances=units_of,
        sizes=(1, 2, 3),
        verdict="holds",
        proof="dT/dW_ij = (mean of x_j) / N does not depend on i.",
        steps=unit_steps,
    ),
    Claim(
        id="dormancy.magi",
        source="repairs dormancy.magi-printed",
        title="With the activation in it, MAGI is zero if dormant",
        statement="T = mean of φ(X W' + b), h_i = 0 on the batch, Z = K\n⇒ MAGI_i = 0",
        given=(UNIT_DORMANT, UNIT_SAME),
        then=magi_zero,
        instances=units_of,
        sizes=(1, 2, 3),
        verdict="holds if",
        needs={
            "dormant": Units(RELU, ((F(1),),), (F(0),), ((F(1),),)),
            "Z = K": Units("softsign", ((F(0),),), (F(0),), ((F(1),),)),
        },
        proof="dT/dW_ij is the mean of φ'(z_i) x_j / N, and z_i ∈ Z = K on every sample.",
        steps=unit_steps,
    ),
    Claim(
        id="dormancy.magi-converse",
        source="OCP, Appendix B: MAGI as the measure of zero-gradient neurons",
        title="MAGI zero implies dormant",
        statement="MAGI_i = 0, Z = K\n⇒ h_i = 0 on the batch",
        given=(Assumption("MAGI zero", "MAGI_i = 0", magi_zero), UNIT_SAME),
        then=unit_dormant,
        instances=units_of,
        sizes=(1, 2),
        verdict="refuted",
        counterexample=Units(RELU, ((F(0),),), (F(1),), ((F(0),),)),
        breaks="The bias is left out: with inputs 0 nothing is seen. And samples cancel before the "
        "absolute value: w = 1, b = 2, x ∈ {1, -1} has h = (3, 1) and MAGI 0.",
        repaired_by=("dormancy.ocp-star",),
        steps=unit_steps,
    ),
    # -------------------------------------------------------------------------------- overlap
    Claim(
        id="dormancy.overlap-stays",
        source="ReDo, section 3; OCP, Definition 3 and Appendix B",
        title="A high overlap means that dormant neurons stay dormant",
        statement="|now ∩ before| / min(|now|, |before|) = 1\n⇒ before ⊆ now",
        given=(ONE,),
        then=all_stay,
        instances=sets_of,
        sizes=(1, 2, 3),
        verdict="refuted",
        counterexample=Sets(2, frozenset({1}), frozenset({1, 2})),
        breaks="The smaller set is in the denominator: if most neurons wake up, that is the set "
        "of now.",
        repaired_by=("dormancy.overlap-stays-growing", "dormancy.overlap-retention"),
        steps=set_steps,
        remark="With 100 dormant before and one of them now: overlap 1, and 99 have woken up.",
    ),
    Claim(
        id="dormancy.overlap-stays-growing",
        source="repairs dormancy.overlap-stays",
        title="It does if no fewer are dormant than before",
        statement="overlap = 1, |now| ≥ |before|\n⇒ before ⊆ now",
        given=(
            ONE,
            Assumption("not fewer", "|now| ≥ |before|", not_fewer, said=False),
        ),
        then=all_stay,
        instances=sets_of,
        sizes=(1, 2, 3, 5),
        verdict="holds if",
        needs={
            "overlap one": Sets(2, frozenset({1}), frozenset({2})),
            "not fewer": Sets(2, frozenset({1}), frozenset({1, 2})),
        },
        proof="Then min = |before|, so |now ∩ before| = |before|.",
    ),
    Claim(
        id="dormancy.overlap-nested",
        source="OCP, Definition 3",
        title="The overlap is 1 exactly for nested sets",
        statement="overlap(X, Y) = 1 ⇔ X ⊆ Y or Y ⊆ X",
        given=(NON_EMPTY,),
        then=one_iff_nested,
        instances=sets_of,
        sizes=(1, 2, 4),
        verdict="holds if",
        needs={"non-empty": Sets(1, frozenset(), frozenset())},
        proof="|X ∩ Y| ≤ min(|X|, |Y|), with equality exactly if the smaller is the intersection. "
        "An "
        "empty set is 0/0, though nested in every other.",
        steps=set_steps,
    ),
    Claim(
        id="dormancy.overlap-retention",
        source="OCP, Definition 3; repairs dormancy.overlap-stays",
        title="The overlap is never below the share that stays",
        statement="overlap ≥ retention = |now ∩ before| / |before|",
        given=(NON_EMPTY,),
        then=at_least_retention,
        instances=sets_of,
        sizes=(1, 2, 4, 6),
        verdict="holds if",
        needs={"non-empty": Sets(1, frozenset(), frozenset({1}))},
        proof="min(|now|, |before|) ≤ |before|. Equal if |before| ≤ |now| or nothing is in both.",
        slack=retention_slack,
        tight_at=Sets(3, frozenset({1, 2}), frozenset({2, 3})),
        steps=set_steps,
    ),
    Claim(
        id="dormancy.overlap-chance",
        source="OCP, Definition 3; ReDo, footnote 1",
        title="Independent sets overlap by the larger size over N",
        statement="Y uniform among the sets of |Y| of N neurons\n⇒ E overlap(X, Y) = max(|X|, "
        "|Y|) / N",
        given=(NON_EMPTY,),
        then=chance_is_larger_share,
        instances=sets_of,
        sizes=(1, 2, 4, 6),
        verdict="holds if",
        needs={"non-empty": Sets(1, frozenset(), frozenset({1}))},
        proof="E|X ∩ Y| = |X| |Y| / N; divide by the smaller size. Counted here over all sets.",
        remark="At 95 % dormant neurons chance alone gives 95 %: compare an overlap with it.",
    ),
)
