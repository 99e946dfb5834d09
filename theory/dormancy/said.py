"""OCP's sentences on landscapes, small gradients and softmax (sections 2, 4 and C)."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from ref.checks import require
from theory import checks
from theory.claim import Assumption, Claim, vector

OCP = "OCP"


@dataclass(frozen=True)
class Hessian:
    """A loss's second derivatives at a point, symmetric (n, n); the last parameter is frozen."""

    rows: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        checks.matrix("rows", self.rows, len(self.rows), len(self.rows))
        require(len(self.rows) >= 2, "rows", self.rows, "at least two parameters")
        symmetric = tuple(zip(*self.rows, strict=True)) == self.rows
        require(symmetric, "rows", self.rows, "a symmetric matrix")

    def __str__(self) -> str:
        return f"Hessian with rows {', '.join(map(vector, self.rows))}, the last parameter frozen"


def extremes(h: Hessian) -> tuple[float, float, float, float]:
    """Largest and smallest curvature, of all parameters and of those that are not frozen."""
    whole = np.array(h.rows, float)
    all_, free = (np.linalg.eigvalsh(m) for m in (whole, whole[:-1, :-1]))
    return float(all_[-1]), float(all_[0]), float(free[-1]), float(free[0])


# eigvalsh of matrices of up to 4 rows with entries up to 6 is within 40 eps ‖H‖ < 3e-13.
CURVATURE = 3e-13


def steeper(h: Hessian) -> bool:
    largest, _, free, _ = extremes(h)
    return free > largest + CURVATURE


def interlace_slack(h: Hessian) -> float:
    largest, smallest, free, least = extremes(h)
    return min(largest - free, least - smallest)


def hessians(size: int) -> SearchStrategy[Hessian]:
    def build(numbers: list[int]) -> Hessian:
        m = np.zeros((size, size), int)
        m[np.triu_indices(size)] = numbers
        return Hessian(tuple(tuple(map(int, row)) for row in m + m.T))

    count = size * (size + 1) // 2
    return st.lists(st.integers(-3, 3), min_size=count, max_size=count).map(build)


def curvature_steps(h: Hessian) -> list[str]:
    largest, _, free, _ = extremes(h)
    return [
        f"over all {len(h.rows)} parameters the largest curvature is {largest:g}",
        f"with the last one frozen H loses its last row and column: {free:g}",
        f"so it does not become steeper: {free:g} ≤ {largest:g}",
    ]


STEEPER = Claim(
    id="dormancy.steeper",
    source=f"{OCP}, section 3.1 ('steeper loss landscape due to the reduced dimensionality')",
    origin="printed",
    title="Fewer adjustable parameters make the landscape steeper",
    statement="some parameters frozen  ⇒  the largest curvature along the others is larger",
    given=(),
    then=steeper,
    instances=hessians,
    sizes=(2, 3, 4),
    verdict="refuted",
    counterexample=Hessian(((0, 0), (0, 0))),
    breaks="A direction that is left was there before: a maximum over fewer directions.",
    steps=curvature_steps,
    repaired_by=("dormancy.interlacing",),
    remark="What may be steeper is another point, to which a frozen network goes.",
)


INTERLACING = Claim(
    id="dormancy.interlacing",
    source="repairs dormancy.steeper; Cauchy's interlacing theorem",
    origin="ours",
    title="At one point fewer parameters never make it steeper",
    statement="λ_min(H) ≤ λ_min(H without some rows and columns) ≤ λ_max(of that) ≤ λ_max(H)",
    given=(),
    instances=hessians,
    sizes=(2, 3, 4),
    verdict="holds",
    slack=interlace_slack,
    error=CURVATURE,
    tight_at=Hessian(((1, 0), (0, 1))),
    proof="v'Hv over unit vectors v; the frozen ones have v = 0 in some entries. One parameter at "
    "a time, so for any number of them. The gradient's norm cannot grow either.",
)


@dataclass(frozen=True)
class Quiet:
    """h = relu(w x + b), f = v h, dL/df = e, at one input x; α = 1, a momentum buffer (of b)."""

    w: Fraction
    b: Fraction
    x: Fraction
    v: Fraction
    e: Fraction
    momentum: Fraction = Fraction(0)

    def __str__(self) -> str:
        more = f", momentum of b {self.momentum}" if self.momentum else ""
        return f"w = {self.w}, b = {self.b}, x = {self.x}, v = {self.v}, dL/df = {self.e}{more}"

    def output(self) -> Fraction:
        return max(self.w * self.x + self.b, Fraction(0))

    def gradient(self) -> Fraction:
        """dL/db = dL/dz."""
        return self.e * self.v * (self.w * self.x + self.b > 0)

    def trained(self) -> Fraction:
        """The output after a step of SGD on w and b."""
        g, buffer = self.gradient(), self.gradient() + self.momentum
        z = (self.w - g * self.x) * self.x + self.b - buffer
        return max(z, Fraction(0))


def quiet(w: int, b: int, x: int, v: int, e: int, momentum: int = 0) -> Quiet:
    return Quiet(*map(Fraction, (w, b, x, v, e, momentum)))


def no_gradient(q: Quiet) -> bool:
    return q.gradient() == 0


def no_momentum(q: Quiet) -> bool:
    return q.momentum == 0


def no_output(q: Quiet) -> bool:
    return q.trained() == 0


def output_stays(q: Quiet) -> bool:
    return q.trained() == q.output()


def quiets(size: int) -> SearchStrategy[Quiet]:
    few = st.integers(-size, size)
    return st.builds(quiet, few, few, few, few, few, st.sampled_from((0, 0, 0, 1)))


NO_GRADIENT = Assumption("no gradient", "dL/dz = 0 on the data", no_gradient)


def quiet_steps(q: Quiet) -> list[str]:
    z = q.w * q.x + q.b
    return [
        f"z = w x + b = {q.w}·{q.x} + {q.b} = {z}, the output is max(z, 0) = {q.output()}",
        f"dL/dz = dL/df · v · relu'(z) = {q.e}·{q.v}·{int(z > 0)} = {q.gradient()}",
        f"a step moves w and b by {q.gradient()}: the output is {q.trained()}, not 0",
    ]


SMALL_GRADIENT = Claim(
    id="dormancy.small-gradient",
    source=f"{OCP}, below Theorem 1 ('will either remain or become close to zero in output')",
    origin="printed",
    title="A neuron whose gradient is negligible has an output near zero",
    statement="dL/dz = 0  ⇒  the output is 0 after the next step",
    given=(NO_GRADIENT,),
    then=no_output,
    instances=quiets,
    sizes=(1, 2, 3),
    verdict="refuted",
    counterexample=quiet(0, 1, 0, 0, 0),
    breaks="No gradient also comes from an error or an outgoing weight of 0: a neuron that fits.",
    steps=quiet_steps,
    repaired_by=("dormancy.small-gradient-stays",),
)


SMALL_GRADIENT_STAYS = Claim(
    id="dormancy.small-gradient-stays",
    source="repairs dormancy.small-gradient",
    origin="ours",
    title="Without a gradient a neuron's output stays what it is",
    statement="dL/dz = 0, plain SGD  ⇒  the output does not change, whatever it is",
    given=(
        NO_GRADIENT,
        Assumption("plain SGD", "no momentum is left", no_momentum, said=False),
    ),
    then=output_stays,
    instances=quiets,
    sizes=(1, 2, 3),
    verdict="holds if",
    needs={
        "no gradient": quiet(0, 2, 0, 1, 1),
        "plain SGD": quiet(0, 2, 0, 0, 0, 1),
    },
    proof="w and b do not move.",
    remark="Under Adam the moments go on moving it for a while (dominance.adam-longest-step).",
)


@dataclass(frozen=True)
class Logit:
    """One class's prediction p̂ and target p, each in [0, 1], over the samples, and a bound."""

    phat: tuple[Fraction, ...]
    p: tuple[Fraction, ...]
    bound: Fraction

    def __post_init__(self) -> None:
        checks.row("p", self.p)
        checks.row("phat", self.phat, len(self.p))
        for share in (*self.p, *self.phat):
            checks.between("p, phat", share, 0, 1)

    def __str__(self) -> str:
        return f"p̂_i ∈ {vector(self.phat)}, p_i ∈ {vector(self.p)}, bound {self.bound}"


def logit_gradient(c: Logit) -> Fraction:
    """Of cross-entropy in the logit: mean of p̂_i - p_i."""
    return sum((a - b for a, b in zip(c.phat, c.p, strict=True)), Fraction(0)) / len(c.p)


def low_output(c: Logit) -> bool:
    return max(c.phat) <= c.bound


def low_gradient(c: Logit) -> bool:
    return abs(logit_gradient(c)) <= c.bound


def never_label(c: Logit) -> bool:
    return not any(c.p)


def falls_slowly(c: Logit) -> bool:
    """0 ≤ gradient ≤ bound: it falls, and by no more than that."""
    return 0 <= logit_gradient(c) <= c.bound


def logits(size: int) -> SearchStrategy[Logit]:
    def build(phat: list[int], p: list[int], bound: int, absent: bool) -> Logit:
        target = tuple(Fraction(x, 4) * (not absent) for x in p)
        return Logit(tuple(Fraction(x, 20) for x in phat), target, Fraction(bound, 20))

    of_20 = st.lists(st.integers(0, 12), min_size=size, max_size=size)
    of_4 = st.lists(st.integers(0, 4), min_size=size, max_size=size)
    return st.builds(build, of_20, of_4, st.integers(0, 20), st.booleans())


LOW = Assumption("low output", "p̂_i ≤ bound on all samples", low_output)


def logit_steps(c: Logit) -> list[str]:
    terms = [f"({a} - {b})" for a, b in zip(c.phat, c.p, strict=True)]
    gradient = logit_gradient(c)
    return [
        f"dL/d(logit i) = mean of p̂_i - p_i = ({' + '.join(terms)})/{len(terms)} = {gradient}",
        f"every p̂_i ≤ {c.bound}, but |{gradient}| > {c.bound}",
    ]


SOFTMAX_LOW = Claim(
    id="dormancy.softmax-low",
    source=f"{OCP}, appendix ('low output yields low gradient')",
    origin="printed",
    title="A logit of little probability gets little gradient",
    statement="p̂_i ≤ b on all samples  ⇒  |dL/d(logit i)| ≤ b",
    given=(LOW,),
    then=low_gradient,
    instances=logits,
    sizes=(1, 2, 3),
    verdict="refuted",
    counterexample=Logit((Fraction(0),), (Fraction(1),), Fraction(0)),
    breaks="The gradient is p̂_i - p_i: where the class is the label it is near -1, the largest.",
    steps=logit_steps,
    repaired_by=("dormancy.softmax-never-label",),
)


SOFTMAX_NEVER_LABEL = Claim(
    id="dormancy.softmax-never-label",
    source="repairs dormancy.softmax-low",
    origin="ours",
    title="So it is for a class that never is the label, and then it only falls",
    statement="p̂_i ≤ b and p_i = 0 on all samples  ⇒  0 ≤ dL/d(logit i) ≤ b",
    given=(LOW, Assumption("never the label", "p_i = 0 on all samples", never_label, said=False)),
    then=falls_slowly,
    instances=logits,
    sizes=(1, 2, 3),
    verdict="holds if",
    needs={
        "low output": Logit((Fraction(1, 2),), (Fraction(0),), Fraction(0)),
        "never the label": Logit((Fraction(0),), (Fraction(1),), Fraction(0)),
    },
    proof="dL/d(logit i) is the mean of p̂_i - p_i = p̂_i.",
)


CLAIMS: tuple[Claim[Any], ...] = (
    STEEPER,
    INTERLACING,
    SMALL_GRADIENT,
    SMALL_GRADIENT_STAYS,
    SOFTMAX_LOW,
    SOFTMAX_NEVER_LABEL,
)
