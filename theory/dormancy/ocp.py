"""A neuron under a law: OCP, Definition 1 to Theorem 1."""

from fractions import Fraction
from typing import Any

from theory.claim import Assumption, Claim
from theory.dormancy.activations import (
    CONNECTED,
    DORMANT,
    ON_SUPPORT,
    PHI,
    SMOOTH,
    SOLID,
    Neuron,
    at,
    cells,
    dormant,
    flat_in_input,
    inner,
    neuron_steps,
    neurons,
    over,
    points,
)


def zero_on_domain(neuron: Neuron) -> bool:
    return all(PHI[neuron.phi].value(z) == 0 for z in points(neuron, neuron.domain))


def continuous(neuron: Neuron) -> bool:
    return PHI[neuron.phi].continuous


ONLY_HERE = Neuron("ReLU²", Fraction(1), Fraction(0), at(0), at(1))


OCP_LEMMA_1 = Claim(
    id="dormancy.ocp-lemma-1",
    source="OCP, Lemma 1",
    origin="printed",
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
)


SLOPE = Neuron("identity", Fraction(1), Fraction(0), (over(0, 1),))
SPIKE = Neuron("spike", Fraction(1), Fraction(0), (over(-1, 1),))


OCP_LEMMA_1_SUPPORT = Claim(
    id="dormancy.ocp-lemma-1-support",
    source="repairs dormancy.ocp-lemma-1",
    origin="ours",
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
)


SOFT = Neuron("softsign", Fraction(1), Fraction(0), at(0))  # passes through 0 at the only input


OCP_LEMMA_2 = Claim(
    id="dormancy.ocp-lemma-2",
    source="OCP, Lemma 2",
    origin="printed",
    title="A dormant neuron has no gradient in its input",
    statement="E|h_i(x)| = 0, h_i ∈ C¹, D the support\n⇒ ∇_x h_i(x) = 0 for all x ∈ D",
    given=(DORMANT, SMOOTH, ON_SUPPORT),
    then=flat_in_input,
    instances=neurons,
    sizes=(1, 2),
    verdict="refuted",
    counterexample=SOFT,
    breaks="Eq. (7) puts h(x₀ + δx) = h(x₀) = 0 'for every possible δx', but x₀ + δx need not "
    "be in D: a finite batch has no two neighbours.",
    repaired_by=("dormancy.ocp-lemma-2-solid", "dormancy.ocp-lemma-2-nonnegative"),
    steps=neuron_steps,
    remark="Softsign is a tanh with rational values; tanh does the same.",
)


SHUT = Neuron(
    "ReLU²", Fraction(1), Fraction(0), (over(-1, 0),), (over(0, 1),)
)  # shut on the support, not on D
KINK = Neuron("ReLU, φ'(0) = 1/2", Fraction(1), Fraction(0), (over(-1, 0),))


OCP_LEMMA_2_SOLID = Claim(
    id="dormancy.ocp-lemma-2-solid",
    source="repairs dormancy.ocp-lemma-2",
    origin="ours",
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
    "is 0 there; the gradient is continuous and every point of D is a limit of interior ones.",
    steps=neuron_steps,
)


def differentiable_minimum(neuron: Neuron) -> bool:
    """φ >= 0: no cell of the line has a negative value."""
    return all(PHI[neuron.phi].value(inner(c)) >= 0 for c in cells(PHI[neuron.phi].nodes))


OCP_LEMMA_2_NONNEGATIVE = Claim(
    id="dormancy.ocp-lemma-2-nonnegative",
    source="repairs dormancy.ocp-lemma-2",
    origin="ours",
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
        "dormant": Neuron("square", Fraction(1), Fraction(0), at(1)),
        "smooth": Neuron("ReLU, φ'(0) = 1/2", Fraction(1), Fraction(0), at(0)),
        "support": ONLY_HERE,
        "non-negative": SOFT,
    },
    proof="h(x) = 0 is then a global minimum of φ at z(x), so φ'(z(x)) = 0, and ∇_x h = φ'(z) w.",
    steps=neuron_steps,
)


def zero_somewhere(neuron: Neuron) -> bool:
    return any(PHI[neuron.phi].value(z) == 0 for z in points(neuron, neuron.domain))


FLAT_IN_INPUT = Assumption("flat", "dh_i/dx = 0 on D", flat_in_input)
ZERO = Assumption("zero", "h_i(x) = 0 at some x of D", zero_somewhere)
STEPS = Neuron("smoothstep", Fraction(1), Fraction(0), at(-1, 1))


OCP_LEMMA_3 = Claim(
    id="dormancy.ocp-lemma-3",
    source="OCP, Lemma 3",
    origin="printed",
    title="No gradient and one zero make a neuron dormant",
    statement="∇_x h_i = 0 on D, h_i ∈ C¹, h_i(x₀) = 0 for some x₀ ∈ D\n⇒ E|h_i(x)| = 0",
    given=(SMOOTH, FLAT_IN_INPUT, ZERO),
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
)


JUMP = Neuron("step", Fraction(1), Fraction(0), (over(-1, 1),))
ONE_ON = Neuron("smoothstep", Fraction(1), Fraction(0), (over(1, 2),))


OCP_LEMMA_3_CONNECTED = Claim(
    id="dormancy.ocp-lemma-3-connected",
    source="repairs dormancy.ocp-lemma-3",
    origin="ours",
    title="They do if D is connected",
    statement="∇_x h_i = 0 on D, h_i = φ(w·x + b) ∈ C¹, h_i(x₀) = 0 for some x₀ ∈ D, D "
    "connected\n"
    "⇒ E|h_i(x)| = 0",
    given=(SMOOTH, FLAT_IN_INPUT, ZERO, CONNECTED),
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
)


def theorem_1_forward(neuron: Neuron) -> bool:
    return not dormant(neuron) or (flat_in_input(neuron) and zero_somewhere(neuron))


OCP_THEOREM_1 = Claim(
    id="dormancy.ocp-theorem-1",
    source="OCP, Theorem 1, (A) ⇒ (B)",
    origin="printed",
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
    remark="Why D = {0}: a batch, or a replay buffer, is a list of inputs with gaps between them, "
    "and one input is the shortest list. In a longer one every input has such a gap around it. "
    "With inputs that fill a segment of the plane it fails too: dormancy.ocp-theorem-1-curve. "
    "Softsign is a tanh with rational values; tanh does the same.",
)


def theorem_1_backward(neuron: Neuron) -> bool:
    return dormant(neuron) or not (flat_in_input(neuron) and zero_somewhere(neuron))


OCP_THEOREM_1_CONVERSE = Claim(
    id="dormancy.ocp-theorem-1-converse",
    source="OCP, Theorem 1, (B) ⇒ (A)",
    origin="printed",
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
    remark="D = {-1, 1} is a batch of two inputs. Smoothstep is a sigmoid with ends that are flat.",
)


def theorem_1(neuron: Neuron) -> bool:
    return theorem_1_forward(neuron) and theorem_1_backward(neuron)


PLATEAUS = Neuron("smoothstep", Fraction(1), Fraction(0), (over(-2, -1), over(1, 2)))


OCP_THEOREM_1_REGION = Claim(
    id="dormancy.ocp-theorem-1-region",
    source="repairs dormancy.ocp-theorem-1 and its converse",
    origin="ours",
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
)


CLAIMS: tuple[Claim[Any], ...] = (
    OCP_LEMMA_1,
    OCP_LEMMA_1_SUPPORT,
    OCP_LEMMA_2,
    OCP_LEMMA_2_SOLID,
    OCP_LEMMA_2_NONNEGATIVE,
    OCP_LEMMA_3,
    OCP_LEMMA_3_CONNECTED,
    OCP_THEOREM_1,
    OCP_THEOREM_1_CONVERSE,
    OCP_THEOREM_1_REGION,
)
