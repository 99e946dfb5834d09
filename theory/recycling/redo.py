"""ReDo: what replacing or pruning dormant neurons changes."""

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis.strategies import SearchStrategy

from ref import mitigations, scores
from ref.mitigations import Reader
from theory import checks
from theory.claim import Assumption, Claim, Curve, vector
from theory.recycling.arrays import ONE, ZERO, Row, exact, mean, positive


@dataclass(frozen=True)
class Network:
    """ReLU layers (w, b) on a real input x, then f = out·h, exact.

    `norm`: "before" centres the last z over its neurons, "after" normalises the last h (LayerNorm
    without its epsilon). `skip` is a second reader of the last layer, added to f, that the surgery
    does not know. Scored on `batch`, compared at `asked`; all fresh weights and biases are `fresh`.
    """

    layers: tuple[tuple[tuple[Row, ...], Row], ...]
    out: Row
    batch: Row
    asked: Row
    tau: Fraction = Fraction(0)
    fresh: Fraction = Fraction(1)
    skip: Row = ()
    norm: str = ""

    def __post_init__(self) -> None:
        width, readers = 1, (self.out, self.skip) if self.skip else (self.out,)
        checks.row("layers", self.layers)
        for w, b in self.layers:
            checks.matrix("w", w, len(b), width)
            width = len(b)
        for reader in readers:
            checks.row("out, skip", reader, width)
        checks.row("batch", self.batch)
        checks.row("asked", self.asked)
        checks.not_negative("tau", (self.tau,))

    def __str__(self) -> str:
        layers = "; ".join(
            f"w = {', '.join(map(vector, w))}, b = {vector(b)}" for w, b in self.layers
        )
        skip = f", second reader {vector(self.skip)}" if self.skip else ""
        norm = f", normalised {self.norm} ReLU" if self.norm else ""
        return (
            f"{layers}; out = {vector(self.out)}{skip}{norm}; batch {vector(self.batch)}, "
            f"asked {vector(self.asked)}, τ = {self.tau}, fresh = {self.fresh}"
        )


def parameters(net: Network) -> dict[str, Any]:
    params: dict[str, Any] = {"final.weight": exact([net.out])}
    for i, (w, b) in enumerate(net.layers):
        params |= {f"dense{i}.weight": exact(w), f"dense{i}.bias": exact(b)}
    return params


def hidden(net: Network, params: dict[str, Any], xs: Row) -> list[Any]:
    """The activations (batch, N) of every layer."""
    h, found = exact(xs).reshape(-1, 1), []
    for i in range(len(net.layers)):
        z = h @ params[f"dense{i}.weight"].T + params[f"dense{i}.bias"]
        if net.norm == "before" and i == len(net.layers) - 1:
            z = z - z.sum(1, keepdims=True) / z.shape[1]
        h = positive(z)
        found.append(h)
    return found


def outputs(net: Network, params: dict[str, Any], xs: Row) -> list[Fraction]:
    """f(x); where LayerNorm divides by a root, sign(f) f², which is exact and tells f apart."""
    h, weight = hidden(net, params, xs)[-1], params["final.weight"][0]
    weight = weight + exact(net.skip) if net.skip else weight
    if net.norm != "after":
        return list(h @ weight)
    centred = h - h.sum(1, keepdims=True) / h.shape[1]
    variance, top = (centred**2).sum(1) / h.shape[1], centred @ weight
    return [t * abs(t) / v if v else Fraction(0) for t, v in zip(top, variance, strict=True)]


def readers(net: Network) -> dict[str, list[Reader]]:
    names = [*(f"dense{i}" for i in range(len(net.layers))), "final"]
    return {below: [Reader(above)] for below, above in pairwise(names)}


def activations(net: Network, only_last: bool = False) -> dict[str, Any]:
    found = {f"dense{i}": h for i, h in enumerate(hidden(net, parameters(net), net.batch))}
    return dict(list(found.items())[-1:]) if only_last else found


def recycled(net: Network, only_last: bool = False) -> dict[str, Any]:
    """The parameters after ReDo, by ref."""
    params, h = parameters(net), activations(net, only_last)
    fresh = {name: exact(np.full(value.shape, net.fresh)) for name, value in params.items()}
    tau: Any = net.tau
    new, _ = mitigations.redo(params, {}, h, tau, fresh, readers(net))
    return {name: exact(value) for name, value in new.items()}


def same_after_redo(net: Network) -> bool:
    return outputs(net, recycled(net), net.asked) == outputs(net, parameters(net), net.asked)


def zero_tau(net: Network) -> bool:
    return net.tau == 0


def networks(size: int) -> SearchStrategy[Network]:
    """One or two layers of `size` neurons; often with a neuron made small, its reader large."""

    def network(drawn: list[int]) -> Network:
        deep, more, tau, asked, skip, norm, small, fresh, *rest = drawn
        numbers = iter(map(Fraction, rest))

        def take(n: int) -> Row:
            return tuple(next(numbers) for _ in range(n))

        layers: list[Any] = [(tuple(take(1) for _ in range(size)), take(size))]
        if deep:
            layers.append((tuple(take(size) for _ in range(size)), take(size)))
        out, batch = take(size), take(1 + more)
        found = Network(
            tuple(layers),
            out,
            batch,
            (*batch, next(numbers)) if asked == 5 else batch,
            (
                Fraction(0),
                Fraction(0),
                Fraction(0),
                Fraction(0),
                Fraction(1, 100),
                Fraction(1, 100),
                Fraction(1, 2),
                Fraction(1),
            )[tau],
            Fraction(fresh + 1),
            take(size) if skip == 5 else (),
            ("", "", "", "", "before", "after")[norm],
        )
        if small % 2 and not deep:
            (w, b), scale = found.layers[-1], Fraction(199)
            row, bias = tuple(entry / scale for entry in w[-1]), b[-1] / scale
            layer = ((*w[:-1], row), (*b[:-1], bias))
            found = replace(found, layers=(layer,), out=(*out[:-1], out[-1] * scale))
        return found

    head = st.tuples(
        st.integers(0, 1),
        st.integers(0, 1),
        st.integers(0, 7),
        *[st.integers(0, 5)] * 4,
        st.integers(0, 1),
    ).map(list)
    count = size * (size + 6) + 3
    return st.tuples(head, st.lists(st.integers(-2, 2), min_size=count, max_size=count)).map(
        lambda two: network(two[0] + two[1])
    )


def network_steps(net: Network) -> list[str]:
    h = hidden(net, parameters(net), net.batch)[-1]
    tau: Any = net.tau
    chosen = scores.dormant(h, tau)
    what = "sign(f) f²" if net.norm == "after" else "f"
    before, after = parameters(net), recycled(net)
    lines = [f"x = {x}: h = {vector(row)}" for x, row in zip(net.batch, h, strict=True)]
    lines += [
        f"E|h| = {vector(scores.mean_activation(h))}, of which "
        f"{net.tau}-dormant: {vector(int(i) + 1 for i in np.flatnonzero(chosen))}",
        f"outgoing weights after ReDo: {vector(after['final.weight'][0])}",
    ]
    rows = zip(
        net.asked, outputs(net, before, net.asked), outputs(net, after, net.asked), strict=True
    )
    return lines + [f"x = {x}: {what} = {old} before, {new} after" for x, old, new in rows]


TAU_ZERO = Assumption("tau zero", "τ = 0", zero_tau)
OFF = Network((((((ONE,),), (ZERO,))),), (ONE,), (ZERO,), (ONE,))


REDO_ZERO = Claim(
    id="recycling.redo-zero",
    source="ReDo, section 4",
    origin="printed",
    title="With τ = 0 ReDo leaves the output unchanged",
    statement="τ = 0\n⇒ f(x) is the same before and after ReDo, for all x",
    given=(TAU_ZERO,),
    then=same_after_redo,
    instances=networks,
    sizes=(1, 2, 3),
    verdict="refuted",
    counterexample=OFF,
    breaks="h_i = 0 is known on the batch that was scored. Elsewhere the neuron may be "
    "active, and "
    "its outgoing weights are gone.",
    repaired_by=("recycling.redo-zero-batch", "recycling.batch-law-bound"),
    steps=network_steps,
)


def on_batch(net: Network) -> bool:
    return set(net.asked) <= set(net.batch)


def all_readers(net: Network) -> bool:
    return not any(net.skip)


def no_norm(net: Network) -> bool:
    return net.norm == ""


ON_BATCH = Assumption("on the batch", "x is in the batch that was scored", on_batch, said=False)
READERS = Assumption(
    "all readers", "the zeroed weights are all that read the layer", all_readers, said=False
)
NO_NORM = Assumption("no normalisation", "none across the layer's neurons", no_norm, said=False)


def constant(b: Row, out: Row, tau: Fraction = Fraction(0), **more: Any) -> Network:
    """h = relu(b) for the only input, 0."""
    return Network(
        (((((Fraction(0),),) * len(b)), b),), out, (Fraction(0),), (Fraction(0),), tau, **more
    )


LOUD = constant((ONE,), (ONE,), ONE)
TWO_HEADS = constant((ZERO,), (ONE,), skip=(ONE,))
NORMED = constant((Fraction(3), ONE, ZERO), (ONE, ZERO, ZERO), fresh=Fraction(2), norm="after")


REDO_ZERO_BATCH = Claim(
    id="recycling.redo-zero-batch",
    source="repairs recycling.redo-zero",
    origin="ours",
    title="With τ = 0 the output stays on the batch",
    statement="τ = 0, x in the batch, all readers of each layer known, no normalisation across "
    "neurons\n⇒ f(x) is the same before and after ReDo, of any layers at once",
    given=(TAU_ZERO, ON_BATCH, READERS, NO_NORM),
    then=same_after_redo,
    instances=networks,
    sizes=(1, 2, 3),
    verdict="holds if",
    needs={
        "tau zero": LOUD,
        "on the batch": OFF,
        "all readers": TWO_HEADS,
        "no normalisation": NORMED,
    },
    proof="Layer by layer: a neuron that is not reset has the same inputs from neurons that "
    "are "
    "not, and from the reset ones h_i w = 0·w before and h_i·0 after. So it has the same h. "
    "The "
    "output is such a neuron, it is never reset.",
    steps=network_steps,
    remark="A second head that the surgery does not know (a twin critic on one encoder) hears "
    "the "
    "fresh neuron; a LayerNorm hears it through mean and variance.",
)


def change(net: Network) -> Fraction:
    """E|f after - f before| where only the last layer is recycled."""
    pairs = zip(
        outputs(net, recycled(net, True), net.asked),
        outputs(net, parameters(net), net.asked),
        strict=True,
    )
    return mean(abs(after - before) for after, before in pairs)


def small_change(net: Network) -> bool:
    return change(net) <= mean(map(abs, outputs(net, parameters(net), net.asked))) / 2


def hundredth(net: Network) -> bool:
    return 0 < net.tau <= Fraction(1, 100)


def is_batch(net: Network) -> bool:
    return net.asked == net.batch


IS_BATCH = Assumption("the batch", "E is over the batch that was scored", is_batch, said=False)
SMALL = constant((ONE, Fraction(1, 199)), (ZERO, Fraction(199)), Fraction(1, 100))


REDO_SMALL = Claim(
    id="recycling.redo-small",
    source="ReDo, section 4",
    origin="reading",
    title="With small τ the output changes only slightly",
    statement="τ ≤ 1/100, x in the batch\n⇒ E|f after - f before| ≤ E|f| / 2, generously",
    given=(Assumption("small tau", "0 < τ ≤ 1/100", hundredth), IS_BATCH, READERS, NO_NORM),
    then=small_change,
    instances=networks,
    sizes=(1, 2),
    verdict="refuted",
    counterexample=SMALL,
    breaks="A score is about h_i, the change is about out_i h_i: a small neuron with large "
    "outgoing "
    "weights may be the whole output.",
    repaired_by=("recycling.redo-bound", "recycling.any-dormant"),
    steps=network_steps,
    remark="With h = (1, ε), out = (0, 1/ε) so for every τ > 0.",
)


def lower_score_lower_impact(net: Network) -> bool:
    """Whether E|out_i h_i| is in the order of E|h_i|."""
    a = list(scores.mean_activation(hidden(net, parameters(net), net.batch)[-1]))
    pairs = [(low, high) for low in range(len(a)) for high in range(len(a)) if a[low] < a[high]]
    return all(a[i] * abs(net.out[i]) <= a[j] * abs(net.out[j]) for i, j in pairs)


def impact_steps(net: Network) -> list[str]:
    a = list(scores.mean_activation(hidden(net, parameters(net), net.batch)[-1]))
    pairs = enumerate(zip(a, net.out, strict=True), 1)
    return [f"neuron {i}: E|h| = {h}, E|out·h| = {abs(u) * h}" for i, (h, u) in pairs]


IMPACT = Claim(
    id="recycling.impact",
    source="ReDo, section 3: the impact of low neurons 'is expected to be less'",
    origin="reading",
    title="Recycling a lower neuron changes the output less",
    statement="E|h_i| < E|h_j|\n⇒ E|out_i h_i| ≤ E|out_j h_j|",
    given=(),
    then=lower_score_lower_impact,
    instances=networks,
    sizes=(1, 2),
    verdict="refuted",
    counterexample=constant((ONE, Fraction(2)), (ONE, ZERO)),
    breaks="The outgoing weights are not in the score.",
    repaired_by=("recycling.redo-bound", "recycling.any-dormant"),
    steps=impact_steps,
)


def bound_slack(net: Network) -> Fraction:
    """τ mean_j E|h_j| Σ |out_i| over the recycled neurons, less the true change."""
    (h,) = activations(net, True).values()
    tau: Any = net.tau
    chosen = scores.dormant(h, tau)
    outgoing = sum((abs(u) for u, c in zip(net.out, chosen, strict=True) if c), Fraction(0))
    return net.tau * mean(scores.mean_activation(h)) * outgoing - change(net)


def bound_curve() -> Curve:
    """Ten neurons of activation 1/10, 2/10, ..., 1, all read with weight 1."""
    width = 10
    layer = (((Fraction(0),),) * width, tuple(Fraction(i, width) for i in range(1, width + 1)))
    nets = [
        Network(
            (layer,), (Fraction(1),) * width, (Fraction(0),), (Fraction(0),), tau=Fraction(t, 40)
        )
        for t in range(61)
    ]
    truth = [change(net) for net in nets]
    bound = [t + bound_slack(net) for t, net in zip(truth, nets, strict=True)]
    lines = {"change": list(map(float, truth)), "bound": list(map(float, bound))}
    return Curve("τ", [float(net.tau) for net in nets], lines, "E|Δf|")


REDO_BOUND = Claim(
    id="recycling.redo-bound",
    source="repairs recycling.redo-small",
    origin="ours",
    title="The change is at most τ times the outgoing weights",
    statement="E|f after - f before| ≤ τ ((1/N) Σ_j E|h_j|) Σ_{i reset} |out_i|,\n"
    "E over the batch, f any linear reader of the layer",
    given=(IS_BATCH, READERS, NO_NORM),
    instances=networks,
    sizes=(1, 2, 3),
    verdict="holds if",
    needs={"the batch": OFF, "all readers": TWO_HEADS, "no normalisation": NORMED},
    proof="The change at x is Σ_{i reset} out_i h_i(x), as fresh neurons are read with weight "
    "0. "
    "E|·| of it is at most Σ |out_i| E|h_i|, and E|h_i| ≤ τ (1/N) Σ_j E|h_j| for each reset "
    "one. "
    "For readers in R^m put norms of the outgoing columns; above, the Lipschitz constant.",
    steps=network_steps,
    slack=bound_slack,
    tight_at=SMALL,
    curve=bound_curve,
)


def shrunk(net: Network) -> Network:
    """Neuron 1 of the last layer times c, its outgoing weights over c; c makes it τ-dormant."""
    a = scores.mean_activation(hidden(net, parameters(net), net.batch)[-1])
    rest = a[1:].sum() if len(a) > 1 else Fraction(0)
    c = net.tau * rest / (len(a) * a[0]) if a[0] else Fraction(1)
    if c == 0:
        return net
    w, b = net.layers[-1]
    first = tuple(c * entry for entry in w[0]), c * b[0]
    layer = ((first[0], *w[1:]), (first[1], *b[1:]))
    out, skip = ((v[0] / c, *v[1:]) if v else () for v in (net.out, net.skip))
    return replace(net, layers=(*net.layers[:-1], layer), out=out, skip=skip)


def can_be_made_dormant(net: Network) -> bool:
    small = shrunk(net)
    (h,) = activations(small, True).values()
    tau: Any = net.tau
    same = outputs(small, parameters(small), net.asked) == outputs(net, parameters(net), net.asked)
    return same and bool(scores.dormant(h, tau)[0])


def positive_tau(net: Network) -> bool:
    return net.tau > 0


def another_alive(net: Network) -> bool:
    h = hidden(net, parameters(net), net.batch)[-1]
    return bool((h[:, 1:] != 0).any())


ANY_DORMANT = Claim(
    id="recycling.any-dormant",
    source="why recycling.redo-small and recycling.impact fail",
    origin="ours",
    title="Any neuron can be made τ-dormant without changing f",
    statement="τ > 0, another neuron alive, no normalisation\n"
    "⇒ some c > 0: (w_1, b_1) := c (w_1, b_1), out_1 := out_1 / c leaves f, and s_1 ≤ τ",
    given=(
        Assumption("positive tau", "τ > 0", positive_tau),
        Assumption("another alive", "E|h_j| > 0 for some j ≠ 1", another_alive),
        Assumption("no normalisation", "none across the layer's neurons", no_norm),
    ),
    then=can_be_made_dormant,
    instances=networks,
    sizes=(2, 3),
    verdict="holds",
    needs={
        "positive tau": constant((ONE, ONE), (ONE, ONE)),
        "another alive": constant((ONE, ZERO), (ONE, ONE), Fraction(1, 2)),
        "no normalisation": replace(NORMED, tau=Fraction(1, 2)),
    },
    proof="relu(c z) = c relu(z). Take c = τ Σ_{j>1} E|h_j| / (N E|h_1|): then c E|h_1| is "
    "τ/N of "
    "the others' sum.",
    remark="So a score says how a function was written, not only what it does.",
)


def pruned(net: Network) -> dict[str, Any]:
    """The parameters after dormant neurons are pruned, by ref."""
    params, tau = parameters(net), net.tau
    chosen = {k: scores.dormant(h, tau) for k, h in activations(net).items()}  # type: ignore[arg-type]
    masks = mitigations.neuron_masks(params, chosen, readers(net))
    return {k: exact(v) for k, v in mitigations.apply_masks(params, masks).items()}


def same_after_pruning(net: Network) -> bool:
    return outputs(net, pruned(net), net.asked) == outputs(net, parameters(net), net.asked)


PRUNE_ZERO = Claim(
    id="recycling.prune-zero",
    source="ReDo, section 3, Figure 6",
    origin="reading",
    title="Pruning dormant neurons does not matter",
    statement="τ = 0\n⇒ f(x) is the same before and after pruning, for all x",
    given=(TAU_ZERO,),
    then=same_after_pruning,
    instances=networks,
    sizes=(1, 2, 3),
    verdict="refuted",
    counterexample=OFF,
    breaks="As recycling.redo-zero: dormant is said of a batch.",
    repaired_by=("recycling.prune-zero-batch",),
    steps=network_steps,
    remark="That returns do not fall when dormant neurons are pruned does not confirm that "
    "they "
    "'remain dormant': neurons which would wake up may be as useless.",
)


PRUNE_ZERO_BATCH = Claim(
    id="recycling.prune-zero-batch",
    source="repairs recycling.prune-zero",
    origin="ours",
    title="Pruning dormant neurons leaves f on the batch",
    statement="τ = 0, x in the batch, no normalisation across neurons\n"
    "⇒ f(x) is the same before and after pruning",
    given=(TAU_ZERO, ON_BATCH, NO_NORM),
    then=same_after_pruning,
    instances=networks,
    sizes=(1, 2, 3),
    verdict="holds if",
    needs={
        "tau zero": LOUD,
        "on the batch": OFF,
        "no normalisation": replace(NORMED, out=(ZERO, ZERO, ONE)),
    },
    proof="A pruned neuron is 0 before, and relu(0) = 0 after, whoever reads it: here an "
    "unknown "
    "reader does no harm. With LayerNorm it is not 0 for its readers but (0 - mean)/std.",
)


CLAIMS: tuple[Claim[Any], ...] = (
    REDO_ZERO,
    REDO_ZERO_BATCH,
    REDO_SMALL,
    IMPACT,
    REDO_BOUND,
    ANY_DORMANT,
    PRUNE_ZERO,
    PRUNE_ZERO_BATCH,
)
