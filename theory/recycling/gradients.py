"""Gradients as scores: GraMa, eq. (2), Theorem 1 and section 4."""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis.strategies import SearchStrategy

from ref import mitigations, scores
from ref.mitigations import Reader
from theory import checks
from theory.claim import Assumption, Claim, vector
from theory.recycling.arrays import ONE, ZERO, Row, exact, mean, positive


@dataclass(frozen=True)
class Scored:
    """h_i = relu(w_i x + b_i), f = out·h, loss (f - y)²/2, on pairs (x, y) with equal weight.

    `kink` is relu'(0); `centred` subtracts the mean of the layer from z, as LayerNorm does first.
    """

    w: Row
    b: Row
    out: Row
    xs: Row
    ys: Row
    kink: Fraction = Fraction(0)
    centred: bool = False
    c: Fraction = Fraction(1)
    outgoing: str = "zero"

    def __post_init__(self) -> None:
        checks.row("w", self.w)
        checks.row("b", self.b, len(self.w))
        checks.row("out", self.out, len(self.w))
        checks.row("xs", self.xs)
        checks.row("ys", self.ys, len(self.xs))

    def __str__(self) -> str:
        more = f", relu'(0) = {self.kink}" if self.kink else ""
        more += ", centred" if self.centred else ""
        more += f", c = {self.c}" if self.c != 1 else ""
        more += ", outgoing weights drawn anew" if self.outgoing == "fresh" else ""
        return (
            f"w = {vector(self.w)}, b = {vector(self.b)}, out = {vector(self.out)}, "
            f"x = {vector(self.xs)}, y = {vector(self.ys)}{more}"
        )


def centre(net: Scored, values: Any) -> Any:
    return values - values.sum(1, keepdims=True) / values.shape[1] if net.centred else values


def z_of(net: Scored) -> Any:
    return centre(net, exact(net.xs)[:, None] * exact(net.w) + exact(net.b))


def h_of(net: Scored) -> Any:
    return positive(z_of(net))


def residuals(net: Scored) -> Any:
    return h_of(net) @ exact(net.out) - exact(net.ys)


def h_gradient(net: Scored) -> Any:
    """dL/dh of each sample, (batch, N)."""
    return residuals(net)[:, None] * exact(net.out)


def z_gradient(net: Scored) -> Any:
    """dL/dz of each sample, z what the ReLU receives."""
    z = z_of(net)
    return h_gradient(net) * ((z > 0) * Fraction(1) + (z == 0) * net.kink)


def b_gradient(net: Scored) -> Any:
    """dL/db of each sample: through the centring, if there is one."""
    return centre(net, z_gradient(net))


def w_gradient(net: Scored) -> Any:
    return b_gradient(net) * exact(net.xs)[:, None]


def sizes_of(gradient: Any) -> Any:
    """mean over the samples of the absolute value, (N,)."""
    return scores.mean_activation(gradient)


def dead(net: Scored) -> bool:
    """Neuron 1 is dormant."""
    return not h_of(net)[:, 0].any()


def kink_zero(net: Scored) -> bool:
    return net.kink == 0


def no_h_gradient(net: Scored) -> bool:
    return not h_gradient(net)[:, 0].any()


def scored(size: int) -> SearchStrategy[Scored]:
    """`size` neurons; often with neuron 1 shut, unread, or made small and its reader large."""

    def net(drawn: list[int]) -> Scored:
        mode, kink, centred, c, outgoing, more, *rest = drawn
        numbers = iter(map(Fraction, rest))

        def take(n: int) -> Row:
            return tuple(next(numbers) for _ in range(n))

        w, b, out, xs, ys = take(size), take(size), take(size), take(1 + more), take(1 + more)
        if mode in (1, 2, 3):  # its largest z is 0 or -1
            b = (-max(w[0] * x for x in xs) - mode % 2, *b[1:])
        if mode == 4:
            out = (Fraction(0), *out[1:])
        if mode == 5:
            w, b, out = (w[0] / 19, *w[1:]), (b[0] / 19, *b[1:]), (19 * out[0], *out[1:])
        if mode == 6:  # equal neurons
            w, b, out = w[:1] * size, (abs(b[0]) + 2,) * size, out[:1] * size
        if mode == 7 and len(xs) == 2:
            xs, ys = (xs[0], -xs[0]), (ys[0], ys[0] - 2 * out[0] * w[0] * xs[0])
        factor = (Fraction(1, 2), Fraction(3), Fraction(1, 100), Fraction(-1))[c]
        how = "fresh" if outgoing == 1 else "zero"
        return Scored(w, b, out, xs, ys, Fraction(int(kink == 1), 2), centred == 1, factor, how)

    head = st.tuples(
        st.integers(0, 7),
        *[st.integers(0, 5)] * 2,
        st.integers(0, 3),
        st.integers(0, 5),
        st.integers(0, 1),
    ).map(list)
    count = 3 * size + 4
    return st.tuples(head, st.lists(st.integers(-2, 2), min_size=count, max_size=count)).map(
        lambda two: net(two[0] + two[1])
    )


def relative(values: Any) -> str:
    total = values.sum()
    return vector(values * len(values) / total) if total else "undefined (0/0)"


def gradient_steps(net: Scored) -> list[str]:
    lines = []
    rows = zip(
        net.xs, z_of(net), h_of(net), residuals(net), h_gradient(net), z_gradient(net), strict=True
    )
    for x, z, h, r, dh, dz in rows:
        lines.append(f"x = {x}: z = {vector(z)}, h = {vector(h)}, residual f - y = {r}")
        lines.append(f"  dL/dh = {vector(dh)}, dL/dz = {vector(dz)}")
    return [
        *lines,
        f"s = {relative(sizes_of(h_of(net)))}, G = {relative(sizes_of(h_gradient(net)))}",
        f"dL/dw of the batch: {vector(w_gradient(net).sum(0) / len(net.xs))}",
    ]


DEAD = Assumption("dormant", "h_1 = 0 on the batch", dead)
KINK = Assumption("relu'(0) = 0", "relu'(0) = 0", kink_zero)


GRAMA_THEOREM_1 = Claim(
    id="recycling.grama-theorem-1",
    source="GraMa, Theorem 1",
    origin="printed",
    title="A dormant neuron has GraMa score 0",
    statement="s_i = 0\n⇒ ∇_{h_i} f = 0 and G_i = 0, G_i by |dL/dh_i| as in eq. (2)",
    given=(DEAD, KINK),
    then=no_h_gradient,
    instances=scored,
    sizes=(2, 3),
    verdict="refuted",
    counterexample=Scored((Fraction(-1), ONE), (ZERO, ZERO), (ONE, ZERO), (ONE,), (Fraction(-1),)),
    breaks="The proof's second step multiplies by dh_i/dz_i h^{l-1}: that is the gradient of "
    "the "
    "incoming weights. dL/dh_i is residual times outgoing weight, and knows no gate.",
    repaired_by=("recycling.grama-preactivation", "recycling.grama-incoming"),
    steps=gradient_steps,
    remark="Here the dormant neuron has the largest GraMa score there is, N.",
)


def no_z_gradient(net: Scored) -> bool:
    return not z_gradient(net)[:, 0].any()


def fixed(b: Row, out: Row, y: Fraction, **more: Any) -> Scored:
    """h = relu(b) for the only input, 0."""
    return Scored((Fraction(0),) * len(b), b, out, (Fraction(0),), (y,), **more)


ALIVE, WRONG = fixed((ONE,), (ONE,), ZERO), fixed((ZERO,), (ONE,), ONE)
AT_KINK = replace(WRONG, kink=Fraction(1, 2))


GRAMA_PREACTIVATION = Claim(
    id="recycling.grama-preactivation",
    source="repairs recycling.grama-theorem-1",
    origin="ours",
    title="A dormant neuron has no gradient before its ReLU",
    statement="h_i = 0 on the batch, relu'(0) = 0\n⇒ dL/dz_i = 0 on every sample, z what the "
    "ReLU receives",
    given=(DEAD, KINK),
    then=no_z_gradient,
    instances=scored,
    sizes=(1, 2, 3),
    verdict="holds",
    needs={"dormant": ALIVE, "relu'(0) = 0": AT_KINK},
    proof="h_i = 0 means z_i ≤ 0, so relu'(z_i) = 0, and dL/dz_i = dL/dh_i relu'(z_i).",
    steps=gradient_steps,
    remark="Also behind a LayerNorm, if z is taken after it.",
)


def not_centred(net: Scored) -> bool:
    return not net.centred


def no_weight_gradient(net: Scored) -> bool:
    return not w_gradient(net)[:, 0].any() and not b_gradient(net)[:, 0].any()


RAW = Assumption("not normalised", "no LayerNorm before the ReLU", not_centred, said=False)


GRAMA_INCOMING = Claim(
    id="recycling.grama-incoming",
    source="repairs recycling.grama-theorem-1",
    origin="ours",
    title="A dormant neuron's incoming weights have no gradient",
    statement="h_i = 0 on the batch, relu'(0) = 0, no LayerNorm before the ReLU\n"
    "⇒ dL/dw_i = 0 and dL/db_i = 0 on every sample",
    given=(DEAD, KINK, RAW),
    then=no_weight_gradient,
    instances=scored,
    sizes=(1, 2, 3),
    verdict="holds if",
    needs={
        "dormant": ALIVE,
        "relu'(0) = 0": AT_KINK,
        "not normalised": fixed((ZERO, Fraction(2)), (ZERO, ONE), ZERO, centred=True),
    },
    proof="dL/dw_i = dL/dz_i x. A LayerNorm makes every z depend on every w: a shut neuron's "
    "weights "
    "then have the gradient of its neighbours, and may wake it up.",
    steps=gradient_steps,
)


def grama_zero(net: Scored) -> bool:
    """G_1 = 0, and the layer's gradients are not all 0."""
    gradient = h_gradient(net)
    return not gradient[:, 0].any() and bool((gradient != 0).any())


NO_GRAMA = Assumption("G zero", "G_1 = 0 in a layer with gradients", grama_zero)


GRAMA_CONVERSE = Claim(
    id="recycling.grama-converse",
    source="GraMa, section 4: 'Equivalence of ReGraMa to ReDo'",
    origin="reading",
    title="A neuron with GraMa score 0 is dormant",
    statement="G_i = 0, in a layer with gradients\n⇒ s_i = 0",
    given=(NO_GRAMA,),
    then=dead,
    instances=scored,
    sizes=(1, 2),
    verdict="refuted",
    counterexample=fixed((ONE, ONE), (ZERO, ONE), ZERO),
    breaks="No proof is given. A neuron that nobody reads has no gradient, however active it is.",
    repaired_by=("recycling.grama-equivalence",),
    steps=gradient_steps,
)


def is_read(net: Scored) -> bool:
    return net.out[0] != 0


def all_wrong(net: Scored) -> bool:
    return bool((residuals(net) != 0).all())


def gradient_iff_dead(net: Scored) -> bool:
    return no_z_gradient(net) == dead(net)


GRAMA_EQUIVALENCE = Claim(
    id="recycling.grama-equivalence",
    source="repairs recycling.grama-converse and recycling.grama-theorem-1",
    origin="ours",
    title="By pre-activation dormancy and no gradient are equivalent",
    statement="relu'(0) = 0, out_i ≠ 0, f(x) ≠ y on every sample; f = out·h\n"
    "⇒ (h_i = 0 on the batch ⇔ dL/dz_i = 0 on the batch)",
    given=(
        KINK,
        Assumption("read", "out_i ≠ 0", is_read, said=False),
        Assumption("wrong everywhere", "f(x) ≠ y on every sample", all_wrong, said=False),
    ),
    then=gradient_iff_dead,
    instances=scored,
    sizes=(1, 2, 3),
    verdict="holds if",
    needs={
        "relu'(0) = 0": AT_KINK,
        "read": fixed((ONE,), (ZERO,), ONE),
        "wrong everywhere": fixed((ONE,), (ONE,), ONE),
    },
    proof="dL/dz_i = (f - y) out_i relu'(z_i), a product whose first two factors are not 0.",
    steps=gradient_steps,
)


def low_but_alive(net: Scored) -> bool:
    """Neuron 1 is 1/10-dormant and not dead."""
    return bool(scores.dormant(h_of(net), Fraction(1, 10))[0]) and not dead(net)  # type: ignore[arg-type]


def low_gradient(net: Scored) -> bool:
    """Neuron 1 has a GraMa score of at most 1/10, by activation and by pre-activation."""
    tau: Any = Fraction(1, 10)
    by_h = scores.gradient_dormant(h_gradient(net), tau, "activation")[0]
    return bool(by_h and scores.gradient_dormant(z_gradient(net), tau, "preactivation")[0])


GRAMA_SMALL = Claim(
    id="recycling.grama-small",
    source="GraMa, section 4, Takeaway, at the thresholds that are used",
    origin="reading",
    title="What ReDo finds inactive ReGraMa finds too",
    statement="0 < s_i ≤ 1/10\n⇒ G_i ≤ 1/10, by activation and by pre-activation",
    given=(Assumption("low, not dead", "0 < s_1 ≤ 1/10", low_but_alive), KINK, RAW),
    then=low_gradient,
    instances=scored,
    sizes=(2, 3),
    verdict="refuted",
    counterexample=fixed((Fraction(1, 19), ONE), (Fraction(19), ONE), ZERO),
    breaks="Theorem 1 is on a score of exactly 0. Small activations go with large outgoing "
    "weights "
    "where a network computes the same function, and those are the gradient.",
    repaired_by=("recycling.anti-correlation", "recycling.saliency"),
    steps=gradient_steps,
)


def rescaled(net: Scored) -> Scored:
    """Neuron 1 times c, its outgoing weight divided by c."""
    w, b = ((net.c * v[0], *v[1:]) for v in (net.w, net.b))
    return replace(net, w=w, b=b, out=(net.out[0] / net.c, *net.out[1:]))


def positive_factor(net: Scored) -> bool:
    return net.c > 0


def scores_go_apart(net: Scored) -> bool:
    """Rescaling leaves f, multiplies E|h_1| by c and divides every gradient of neuron 1 by it."""
    new, c = rescaled(net), net.c
    same = list(residuals(new)) == list(residuals(net))
    gradients = (h_gradient, z_gradient, w_gradient)
    down = all(sizes_of(g(new))[0] * c == sizes_of(g(net))[0] for g in gradients)
    return same and down and bool(sizes_of(h_of(new))[0] == c * sizes_of(h_of(net))[0])


FACTOR = Assumption("positive factor", "c > 0", positive_factor)
SHIFTED = fixed((Fraction(3), ONE), (ONE, ONE), ZERO, centred=True, c=Fraction(3))
FLIPPED = replace(ALIVE, c=Fraction(-1))


ANTI_CORRELATION = Claim(
    id="recycling.anti-correlation",
    source="beyond GraMa and ReDo; repairs recycling.grama-small",
    origin="ours",
    title="Rescaling moves the two scores in opposite directions",
    statement="(w_i, b_i) := c (w_i, b_i), out_i := out_i / c, c > 0\n"
    "⇒ f stays, E|h_i| is multiplied by c; E|dL/dh_i|, E|dL/dz_i|, E|dL/dw_i| are divided by c",
    given=(FACTOR, replace(RAW, said=True)),
    then=scores_go_apart,
    instances=scored,
    sizes=(1, 2, 3),
    verdict="holds",
    needs={"positive factor": FLIPPED, "not normalised": SHIFTED},
    proof="relu(c z) = c relu(z), so f and the residual stay; dL/dh_i = residual · out_i / c; "
    "the gate "
    "stays, so dL/dz_i and dL/dw_i go with it.",
    steps=gradient_steps,
)


def saliencies(net: Scored) -> tuple[Fraction, Fraction]:
    """E|h_1 dL/dh_1|, and w_1 dL/dw_1 + b_1 dL/db_1 of the batch's loss."""
    count = len(net.xs)
    inner = net.w[0] * w_gradient(net)[:, 0].sum() + net.b[0] * b_gradient(net)[:, 0].sum()
    return sizes_of(h_of(net) * h_gradient(net))[0], inner / count


def saliencies_stay(net: Scored) -> bool:
    return saliencies(rescaled(net)) == saliencies(net)


SALIENCY = Claim(
    id="recycling.saliency",
    source="beyond GraMa and ReDo; repairs recycling.grama-small",
    origin="ours",
    title="E|h dL/dh| does not change with rescaling",
    statement="(w_i, b_i) := c (w_i, b_i), out_i := out_i / c, c > 0\n"
    "⇒ E|h_i dL/dh_i| stays, and w_i·dL/dw_i + b_i dL/db_i stays",
    given=(FACTOR, replace(RAW, said=True)),
    then=saliencies_stay,
    instances=scored,
    sizes=(1, 2, 3),
    verdict="holds",
    needs={"positive factor": FLIPPED, "not normalised": SHIFTED},
    proof="One factor is multiplied by c and the other divided. The second is E[h_i dL/dh_i], "
    "without "
    "absolute value, as z relu'(z) = relu(z).",
)


def trained(net: Scored) -> Scored:
    """A step of gradient descent of rate 1 on everything."""
    count = len(net.xs)
    w = exact(net.w) - w_gradient(net).sum(0) / count
    b = exact(net.b) - b_gradient(net).sum(0) / count
    out = exact(net.out) - (residuals(net)[:, None] * h_of(net)).sum(0) / count
    return replace(net, w=tuple(w), b=tuple(b), out=tuple(out))


def stays_without_gradient(net: Scored) -> bool:
    return no_h_gradient(trained(net))


def step_steps(net: Scored) -> list[str]:
    after = trained(net)
    return [*gradient_steps(net), f"after a step of rate 1: {after}", *gradient_steps(after)]


IRREVERSIBLE = Claim(
    id="recycling.irreversible",
    source="GraMa, section 4: 'Neuron loss of learning capacity is irreversible'",
    origin="printed",
    title="A neuron with GraMa score 0 never recovers",
    statement="G_i = 0, in a layer with gradients\n⇒ G_i = 0 after a step of gradient descent",
    given=(NO_GRAMA,),
    then=stays_without_gradient,
    instances=scored,
    sizes=(1, 2),
    verdict="refuted",
    counterexample=fixed((ONE, ONE), (ZERO, ONE), ZERO),
    breaks="G_i = 0 may come from out_i = 0. But dL/dout_i = residual · h_i is not 0, and "
    "with out_i "
    "the gradient is back. ReGraMa's own reset leaves neurons in this state.",
    repaired_by=("dormancy.absorbing",),
    steps=step_steps,
)


def after_redo(net: Scored) -> tuple[Scored, Any]:
    """ReDo with τ = 0 by ref, fresh weights 1; and which neurons it took."""
    params = {"dense0.weight": exact(net.w)[:, None], "dense0.bias": exact(net.b)}
    params |= {"final.weight": exact([net.out])}
    fresh = {name: exact(np.ones(value.shape, int)) for name, value in params.items()}
    h = h_of(net)
    new, _ = mitigations.redo(
        params, {}, {"dense0": h}, 0, fresh, {"dense0": [Reader("final")]}, outgoing=net.outgoing
    )
    w, b, out = (tuple(exact(v).ravel()) for v in new.values())
    return replace(net, w=w, b=b, out=out), scores.dormant(h, 0)


def zero_outgoing(net: Scored) -> bool:
    return net.outgoing == "zero"


def reset_is_flagged(net: Scored) -> bool:
    new, chosen = after_redo(net)
    return bool(scores.gradient_dormant(h_gradient(new), 0, "activation")[chosen].all())


RESET_FLAGGED = Claim(
    id="recycling.reset-flagged",
    source="ReDo and ReGraMa together",
    origin="ours",
    title="A neuron just reset has GraMa score 0",
    statement="outgoing weights := 0\n⇒ dL/dh_i = 0 for every neuron that ReDo has just reset",
    given=(Assumption("zero outgoing", "outgoing weights := 0, not fresh", zero_outgoing),),
    then=reset_is_flagged,
    instances=scored,
    sizes=(1, 2, 3),
    verdict="holds",
    needs={"zero outgoing": fixed((ZERO,), (ZERO,), ZERO, outgoing="fresh")},
    proof="dL/dh_i = residual · out_i = 0. Scored again before the next update, it is reset again.",
)


def mean_gradient_zero(net: Scored) -> bool:
    """The gradient of the batch's loss in w_1 is 0."""
    return bool(w_gradient(net)[:, 0].sum() == 0)


def every_gradient_zero(net: Scored) -> bool:
    return not w_gradient(net)[:, 0].any()


BATCH_MEAN = Claim(
    id="recycling.batch-mean",
    source="public code of GraMa: the weights' gradient of the batch's loss",
    origin="public code",
    title="No batch gradient means no gradient on any sample",
    statement="dL/dw_i = 0 for L the mean over the batch\n⇒ dL/dw_i = 0 on every sample",
    given=(Assumption("mean zero", "dL/dw_1 = 0", mean_gradient_zero),),
    then=every_gradient_zero,
    instances=scored,
    sizes=(1, 2),
    verdict="refuted",
    counterexample=Scored((ONE,), (Fraction(2),), (ONE,), (ONE, Fraction(-1)), (Fraction(2), ZERO)),
    breaks="The samples are added before the absolute value is taken: 1 - 1 = 0.",
    repaired_by=("recycling.batch-mean-bound",),
    steps=gradient_steps,
)


def cancellation_slack(net: Scored) -> Fraction:
    gradient = list(w_gradient(net)[:, 0])
    return mean(map(abs, gradient)) - abs(mean(gradient))


BATCH_MEAN_BOUND = Claim(
    id="recycling.batch-mean-bound",
    source="repairs recycling.batch-mean",
    origin="ours",
    title="The batch's gradient is at most the samples' mean size",
    statement="|E dL/dw_i| ≤ E|dL/dw_i|",
    given=(),
    instances=scored,
    sizes=(1, 2, 3),
    verdict="holds",
    proof="The triangle inequality; equal where all samples pull in one direction.",
    slack=cancellation_slack,
    tight_at=Scored((ONE,), (Fraction(2),), (ONE,), (ONE, Fraction(2)), (Fraction(2), ZERO)),
)


def balanced(net: Scored) -> bool:
    """All scores are 1: s_i and G_i, by activation and by pre-activation."""
    arrays = (h_of(net), h_gradient(net), z_gradient(net))
    return all(len(set(sizes_of(array))) == 1 and sizes_of(array)[0] > 0 for array in arrays)


def some_gate_shuts(net: Scored) -> bool:
    """Not all neurons are zombies: the layer is not an affine map on the batch."""
    return not scores.zombie(z_of(net)).all()


ZOMBIES = Claim(
    id="recycling.zombies",
    source="ReDo and GraMa: what the scores measure",
    origin="ours",
    title="A layer of equal scores has not lost expressivity",
    statement="s_i = 1 and G_i = 1 for all i\n⇒ some gate shuts on the batch: the layer is "
    "not affine there",
    given=(Assumption("balanced", "all s_i = 1, all G_i = 1", balanced),),
    then=some_gate_shuts,
    instances=scored,
    sizes=(2, 3),
    verdict="refuted",
    counterexample=Scored((ONE, ONE), (ONE, ONE), (ONE, ONE), (ZERO, ONE), (ZERO, ZERO)),
    breaks="Both scores compare neurons with their layer. Neurons that are always active are "
    "an "
    "affine layer with perfect scores; so is a layer of any scale.",
    steps=gradient_steps,
    remark="Count zombies and saturated neurons by their gates beside the scores.",
)


CLAIMS: tuple[Claim[Any], ...] = (
    GRAMA_THEOREM_1,
    GRAMA_PREACTIVATION,
    GRAMA_INCOMING,
    GRAMA_CONVERSE,
    GRAMA_EQUIVALENCE,
    GRAMA_SMALL,
    ANTI_CORRELATION,
    SALIENCY,
    IRREVERSIBLE,
    RESET_FLAGGED,
    BATCH_MEAN,
    BATCH_MEAN_BOUND,
    ZOMBIES,
)
