"""One step of training: OCP, section 3.3."""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
from hypothesis.strategies import SearchStrategy

from theory import checks
from theory.claim import Assumption, Claim, vector
from theory.dormancy.activations import (
    CONNECTED,
    DORMANT,
    EQUAL,
    EXACT,
    ON_SUPPORT,
    PHI,
    RELU,
    SMOOTH,
    SOLID,
    Neuron,
    at,
    cells,
    dormant,
    inner,
    ints,
    neuron_steps,
    neurons,
    over,
    points,
)


def flat_in_parameters(neuron: Neuron) -> bool:
    """dh/db = φ'(w x + b) = 0 almost surely, and so dh/dw = x dh/db = 0."""
    return all(PHI[neuron.phi].slope(z) == 0 for z in points(neuron, neuron.law, almost=True))


CONSTANT = Neuron("softsign", Fraction(0), Fraction(0), (over(-1, 1),))


KEEPS_DORMANT = Claim(
    id="dormancy.keeps-dormant",
    source="OCP, after Theorem 1: 'a zero gradient that will keep it in a dormant state'",
    origin="printed",
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
)


def same_sets(neuron: Neuron) -> bool:
    return PHI[neuron.phi].zeros == PHI[neuron.phi].flats


def dormant_iff_flat(neuron: Neuron) -> bool:
    return dormant(neuron) == flat_in_parameters(neuron)


SAME = Assumption("Z = K", "φ and φ' have the same zeros", same_sets, said=False)


OCP_STAR = Claim(
    id="dormancy.ocp-star",
    source="repairs dormancy.ocp-theorem-1 and dormancy.keeps-dormant",
    origin="ours",
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
)


def different_sets(neuron: Neuron) -> bool:
    return not same_sets(neuron)


def constant_neuron_tells(neuron: Neuron) -> bool:
    """Some neuron with w = 0, at a b in one of Z and K only, breaks the equivalence."""
    found = [inner(c) for c in cells(PHI[neuron.phi].nodes)]
    return not all(dormant_iff_flat(replace(neuron, w=Fraction(0), b=b)) for b in found)


OCP_STAR_ONLY = Claim(
    id="dormancy.ocp-star-only",
    source="repairs dormancy.ocp-theorem-1",
    origin="ours",
    title="If Z ≠ K a constant neuron breaks the equivalence",
    statement="Z ≠ K\n⇒ with w = 0 and some b: h = 0 without dh/db = 0, or the other way round",
    given=(Assumption("Z ≠ K", "φ and φ' have different zeros", different_sets),),
    then=constant_neuron_tells,
    instances=neurons,
    sizes=(1,),
    verdict="holds",
    needs={"Z ≠ K": Neuron(RELU, Fraction(1), Fraction(0), at(0))},
    proof="Take b in one of Z and K only: then z = b for all x.",
)


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
    rate: Fraction = Fraction(1)
    decay: Fraction = Fraction(0)
    push: Fraction = Fraction(0)
    below: bool = False
    centred: bool = False

    def __post_init__(self) -> None:
        for name in ("w", "b", "u"):
            checks.row(name, getattr(self, name), 2)

    def __str__(self) -> str:
        return (
            f"{self.phi}, v = {self.v}, w = {vector(self.w)}, b = {vector(self.b)}, "
            f"u = {vector(self.u)}, target {self.target}, rate {self.rate}, decay {self.decay}, "
            f"momentum {self.push}{', inputs learn' * self.below}{', centred' * self.centred}"
        )


def centre(step: Step, values: list[Fraction]) -> list[Fraction]:
    """Subtract the mean of the layer: what a LayerNorm does first, and its own transpose."""
    mean = sum(values, Fraction(0)) / len(values)
    return [value - mean for value in values] if step.centred else values


def preactivations(step: Step) -> list[Fraction]:
    below = max(step.v, Fraction(0))
    return centre(step, [w * below + b for w, b in zip(step.w, step.b, strict=True)])


def output(step: Step) -> Fraction:
    phi = PHI[step.phi].value
    return sum((u * phi(z) for u, z in zip(step.u, preactivations(step), strict=True)), Fraction(0))


def z_gradients(step: Step) -> list[Fraction]:
    """dL/d(w_i a + b_i)."""
    residual, slope = output(step) - step.target, PHI[step.phi].slope
    pairs = zip(step.u, preactivations(step), strict=True)
    return centre(step, [residual * u * slope(z) for u, z in pairs])


def trained(step: Step) -> Step:
    """The network after the step."""
    below, dz, h = (
        max(step.v, Fraction(0)),
        z_gradients(step),
        map(PHI[step.phi].value, preactivations(step)),
    )
    residual = output(step) - step.target
    push = (step.push, Fraction(0))
    dv = sum((d * w for d, w in zip(dz, step.w, strict=True)), Fraction(0)) * (step.v > 0)
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


def steps_of_training(size: int) -> SearchStrategy[Step]:
    """size 0: nothing but plain SGD; size 1: with one thing more, or all."""

    def step(drawn: list[int]) -> Step:
        phi, mode, extra, v, w1, w2, b1, b2, u1, u2, target = drawn
        if mode:  # at the edge of being shut, or one below it
            b1 = -w1 * max(v, 0) - (mode % 2)
        name = EXACT[phi] if mode < 4 else EQUAL[phi % len(EQUAL)]
        rate = Fraction(1 + extra % 2, 2)
        found = Step(
            name,
            Fraction(v),
            (Fraction(w1), Fraction(w2)),
            (Fraction(b1), Fraction(b2)),
            (Fraction(u1), Fraction(u2)),
            Fraction(target),
            rate,
        )
        extras: list[dict[str, Any]] = [
            {"below": True},
            {"decay": Fraction(3, 2)},
            {"push": Fraction(1)},
            {"centred": True},
        ]
        return replace(found, **extras[extra]) if size and extra < 4 else found

    head = st.tuples(st.integers(0, len(EXACT) - 1), st.integers(0, 7), st.integers(0, 7)).map(list)
    return st.tuples(head, ints(8, -2, 3)).map(lambda two: step(two[0] + two[1]))


def training_steps(step: Step) -> list[str]:
    after, phi = trained(step), PHI[step.phi]
    z, dz = preactivations(step), z_gradients(step)
    return [
        f"a = relu({step.v}) = {max(step.v, Fraction(0))}, z = {vector(z)}",
        f"h = φ(z) = {vector(map(phi.value, z))}",
        f"y = {output(step)}, residual y - target = {output(step) - step.target}",
        f"φ'(z) = {vector(map(phi.slope, z))}, dL/db = {vector(dz)}",
        f"after the step: v = {after.v}, w = {vector(after.w)}, b = {vector(after.b)}",
        f"z_1 = {preactivations(after)[0]}, h_1 = {phi.value(preactivations(after)[0])}",
    ]


STEP_DORMANT = Assumption("dormant", "h_1 = 0", first_dormant)
STEP_SAME = Assumption("Z = K", "φ and φ' have the same zeros", step_same_sets, said=False)
ONES = (Fraction(1), Fraction(1))
BELOW = Step(
    RELU,
    Fraction(1),
    ONES,
    (Fraction(-2), Fraction(0)),
    (Fraction(3), Fraction(1)),
    Fraction(4),
    Fraction(1, 2),
    below=True,
)


ONCE_DORMANT = Claim(
    id="dormancy.once-dormant",
    source="OCP, 3.3: 'Once a neuron enters a dormant or zero-gradient state, it becomes "
    "irrecoverable'",
    origin="printed",
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
    remark="OCP trains with weight decay, which by itself wakes neurons: see dormancy.absorbing.",
)


def no_decay(step: Step) -> bool:
    return step.decay == 0


def no_push(step: Step) -> bool:
    return step.push == 0


def inputs_fixed(step: Step) -> bool:
    return not step.below


def not_centred(step: Step) -> bool:
    return not step.centred


DECAYED = Step(
    RELU,
    Fraction(1),
    (Fraction(-1), Fraction(0)),
    (Fraction(1, 2), Fraction(0)),
    ONES,
    Fraction(0),
    Fraction(1, 2),
    decay=Fraction(3, 2),
)
PUSHED = Step(
    RELU,
    Fraction(1),
    (Fraction(0), Fraction(0)),
    (Fraction(0), Fraction(0)),
    ONES,
    Fraction(0),
    push=Fraction(1),
)
MOVED = Step(
    "softsign",
    Fraction(1),
    (Fraction(0), Fraction(0)),
    (Fraction(0), Fraction(0)),
    ONES,
    Fraction(1),
)
CENTRED = Step(
    RELU,
    Fraction(1),
    (Fraction(0), Fraction(0)),
    (Fraction(0), Fraction(1)),
    ONES,
    Fraction(0),
    Fraction(4),
    centred=True,
)
OPEN = Step(
    RELU,
    Fraction(1),
    (Fraction(0), Fraction(0)),
    (Fraction(1), Fraction(0)),
    (Fraction(0), Fraction(0)),
    Fraction(0),
)


ABSORBING = Claim(
    id="dormancy.absorbing",
    source="repairs dormancy.once-dormant",
    origin="ours",
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
)


def loss(step: Step) -> Fraction:
    return (output(step) - step.target) ** 2 / 2


def first_without_gradient(step: Step) -> bool:
    return z_gradients(step)[0] == 0


EPS = Fraction(1, 2**20)


def nearby(step: Step, by: Fraction) -> Step:
    """The same network with b_1 moved."""
    return replace(step, b=(step.b[0] + by, step.b[1]))


def first_is_optimal(step: Step) -> bool:
    return min(loss(nearby(step, e)) for e in (EPS, -EPS)) >= loss(step)


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


NO_GRADIENT = Assumption("no gradient", "dL/db_1 = 0 = dL/dw_1", first_without_gradient)
TOP = Step(
    "square", Fraction(1), (Fraction(0), Fraction(0)), (Fraction(0), Fraction(0)), ONES, Fraction(1)
)
# Two ReLUs at their kink: output 0, target 1.
EDGE = replace(TOP, phi=RELU)


ZERO_GRADIENT_OPTIMUM = Claim(
    id="dormancy.zero-gradient-optimum",
    source="OCP, 3.2 and 3.3: zero-gradient neurons are 'trapped in a local optimum'",
    origin="reading",
    title="A neuron without gradient is at a local optimum",
    statement="dL/dw_i = dL/db_i = 0\n⇒ no b_i nearby has a smaller loss",
    given=(NO_GRADIENT,),
    then=first_is_optimal,
    instances=steps_of_training,
    sizes=(0,),
    verdict="refuted",
    counterexample=EDGE,
    breaks="A zero gradient need not even be one: automatic differentiation gives relu'(0) = 0, "
    "and above 0 the loss falls.",
    repaired_by=("dormancy.flat",),
    steps=optimum_steps,
    remark="ReLU² has the derivative 0 at 0 and does the same. With φ(z) = z² the point is a "
    "smooth maximum of the loss.",
)


def inside_zeros(step: Step) -> bool:
    """z_1 inside of Z, further than EPS from its ends."""
    z = preactivations(step)[0]
    return any(s.lo < z - EPS and z + EPS < s.hi for s in PHI[step.phi].zeros)


def loss_is_flat(step: Step) -> bool:
    """Whatever the target: as a dead neuron is no optimum of this task or another."""
    tasks = [replace(step, target=Fraction(t)) for t in (-2, 0, 1, 5)]
    return all(loss(nearby(t, e)) == loss(t) for t in tasks for e in (EPS, -EPS))


LINKED = Step(
    RELU,
    Fraction(1),
    (Fraction(0), Fraction(0)),
    (Fraction(-1), Fraction(1)),
    ONES,
    Fraction(0),
    centred=True,
)


FLAT = Claim(
    id="dormancy.flat",
    source="repairs dormancy.zero-gradient-optimum",
    origin="ours",
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
)


CLAIMS: tuple[Claim[Any], ...] = (
    KEEPS_DORMANT,
    OCP_STAR,
    OCP_STAR_ONLY,
    ONCE_DORMANT,
    ABSORBING,
    ZERO_GRADIENT_OPTIMUM,
    FLAT,
)
