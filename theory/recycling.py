"""Recycling: what replacing dormant neurons changes, and what gradients say about neurons.

ReDo (Sokar et al., 2023), sections 3 and 4; GraMa ("Measure gradients, not activations"), eq. (2),
Theorem 1 and section 4. ReDo resets the neurons of low activation, ReGraMa those of low gradient:
incoming weights := fresh ones, outgoing weights := 0. Here both are what `ref.mitigations` does, on
networks of fractions, so that "the output does not change" is exact.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from fractions import Fraction as F
from itertools import pairwise, product
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis.strategies import SearchStrategy

from ref import autograd as ag
from ref import dynamics, mitigations, nn, scores
from ref.mitigations import Reader
from theory.claim import Assumption, Claim, Curve, vector

# What `python -m theory show` says of the letters.
LETTERS = """\
h_i = relu(w_i x + b_i) is what neuron i of a layer of N gives, f = Σ_i out_i h_i the output.
E is a mean over the batch, s_i = E|h_i| / ((1/N) Σ_j E|h_j|) the score; τ-dormant: s_i ≤ τ.
G_i is the same of |dL/dh_i|, the gradient of the loss L, in the place of |h_i|.
ReDo: a τ-dormant neuron gets fresh incoming weights, and its outgoing ones become 0.
An instance scores on `batch` and compares the output at `asked`.
"""

Row = tuple[Fraction, ...]


def exact(values: Any) -> Any:
    """An array of Fractions; ref writes its zeros as 0.0."""
    return np.vectorize(Fraction, otypes=[object])(np.asarray(values, dtype=object))


def positive(values: Any) -> Any:
    return values * (values > 0)


# ------------------------------------------------------------------------- networks and surgery


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
    return [t * abs(t) / v if v else F(0) for t, v in zip(top, variance, strict=True)]


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


def pruned(net: Network) -> dict[str, Any]:
    """The parameters after dormant neurons are pruned, by ref."""
    params, tau = parameters(net), net.tau
    chosen = {k: scores.dormant(h, tau) for k, h in activations(net).items()}  # type: ignore[arg-type]
    masks = mitigations.neuron_masks(params, chosen, readers(net))
    return {k: exact(v) for k, v in mitigations.apply_masks(params, masks).items()}


def same_after_redo(net: Network) -> bool:
    return outputs(net, recycled(net), net.asked) == outputs(net, parameters(net), net.asked)


def same_after_pruning(net: Network) -> bool:
    return outputs(net, pruned(net), net.asked) == outputs(net, parameters(net), net.asked)


def mean(values: Iterable[Fraction]) -> Fraction:
    listed = list(values)
    return sum(listed, F(0)) / len(listed)


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


def bound_slack(net: Network) -> Fraction:
    """τ mean_j E|h_j| Σ |out_i| over the recycled neurons, less the true change."""
    (h,) = activations(net, True).values()
    tau: Any = net.tau
    chosen = scores.dormant(h, tau)
    outgoing = sum((abs(u) for u, c in zip(net.out, chosen, strict=True) if c), F(0))
    return net.tau * mean(scores.mean_activation(h)) * outgoing - change(net)


def within_bound(net: Network) -> bool:
    return bound_slack(net) >= 0


def lower_score_lower_impact(net: Network) -> bool:
    """Whether E|out_i h_i| is in the order of E|h_i|."""
    a = list(scores.mean_activation(hidden(net, parameters(net), net.batch)[-1]))
    pairs = [(low, high) for low in range(len(a)) for high in range(len(a)) if a[low] < a[high]]
    return all(a[i] * abs(net.out[i]) <= a[j] * abs(net.out[j]) for i, j in pairs)


def shrunk(net: Network) -> Network:
    """Neuron 1 of the last layer times c, its outgoing weights over c; c makes it τ-dormant."""
    a = scores.mean_activation(hidden(net, parameters(net), net.batch)[-1])
    rest = a[1:].sum() if len(a) > 1 else F(0)
    c = net.tau * rest / (len(a) * a[0]) if a[0] else F(1)
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


def zero_tau(net: Network) -> bool:
    return net.tau == 0


def positive_tau(net: Network) -> bool:
    return net.tau > 0


def hundredth(net: Network) -> bool:
    return 0 < net.tau <= F(1, 100)


def on_batch(net: Network) -> bool:
    return set(net.asked) <= set(net.batch)


def is_batch(net: Network) -> bool:
    return net.asked == net.batch


def all_readers(net: Network) -> bool:
    return not any(net.skip)


def no_norm(net: Network) -> bool:
    return net.norm == ""


def another_alive(net: Network) -> bool:
    h = hidden(net, parameters(net), net.batch)[-1]
    return bool((h[:, 1:] != 0).any())


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
            (F(0), F(0), F(0), F(0), F(1, 100), F(1, 100), F(1, 2), F(1))[tau],
            F(fresh + 1),
            take(size) if skip == 5 else (),
            ("", "", "", "", "before", "after")[norm],
        )
        if small % 2 and not deep:
            (w, b), scale = found.layers[-1], F(199)
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


def impact_steps(net: Network) -> list[str]:
    a = list(scores.mean_activation(hidden(net, parameters(net), net.batch)[-1]))
    pairs = enumerate(zip(a, net.out, strict=True), 1)
    return [f"neuron {i}: E|h| = {h}, E|out·h| = {abs(u) * h}" for i, (h, u) in pairs]


def bound_curve() -> Curve:
    """Ten neurons of activation 1/10, 2/10, ..., 1, all read with weight 1."""
    width = 10
    layer = (((F(0),),) * width, tuple(F(i, width) for i in range(1, width + 1)))
    nets = [Network((layer,), (F(1),) * width, (F(0),), (F(0),), tau=F(t, 40)) for t in range(61)]
    truth = [change(net) for net in nets]
    bound = [t + bound_slack(net) for t, net in zip(truth, nets, strict=True)]
    lines = {"change": list(map(float, truth)), "bound": list(map(float, bound))}
    return Curve("τ", [float(net.tau) for net in nets], lines, "E|Δf|")


# ------------------------------------------------------------------ a batch and the law behind it


@dataclass(frozen=True)
class Draws:
    """A neuron that is active with probability p, seen on a batch; `copies` of one draw, or not."""

    p: Fraction
    seen: tuple[bool, ...]
    copies: bool = False

    def __str__(self) -> str:
        how = "copies of one draw" if self.copies else "independent draws"
        active = vector("active" if s else "not" for s in self.seen)
        return f"active with probability {self.p}; batch of {len(self.seen)} {how}: {active}"


def never_active(draws: Draws) -> bool:
    return not any(draws.seen)


def dormant_in_law(draws: Draws) -> bool:
    return draws.p == 0


def independent(draws: Draws) -> bool:
    return not draws.copies


def chance_of_missing(draws: Draws) -> Fraction:
    """P(not active on the batch, and yet p ≥ 1 - (1/20)^(1/B)), over all batches of that size."""
    size, p, total = len(draws.seen), draws.p, F(0)
    if (1 - p) ** size > F(1, 20):  # p is below the bound
        return total
    for batch in product((False, True), repeat=1 if draws.copies else size):
        chance = F(1)
        for active in batch:
            chance *= p if active else 1 - p
        total += chance * (not any(batch))
    return total


def confidence_slack(draws: Draws) -> Fraction:
    return F(1, 20) - chance_of_missing(draws)


def covered(draws: Draws) -> bool:
    return confidence_slack(draws) >= 0


def draws_of(size: int) -> SearchStrategy[Draws]:
    def draws(drawn: list[int]) -> Draws:
        p, copies, *seen = drawn
        return Draws(F(p, 20), tuple(s > 3 for s in seen), copies > 12)

    count = 2 + size
    return st.lists(st.integers(0, 20), min_size=count, max_size=count).map(draws)


def confidence_curve() -> Curve:
    sizes = [2**k for k in range(11)]
    bound = [1 - 0.05 ** (1 / b) for b in sizes]
    # the largest p that a batch of B overlooks with probability 1/2
    half = [1 - 0.5 ** (1 / b) for b in sizes]
    lines = {"overlooked every second time": half, "95 % bound": bound}
    return Curve("batch size B", list(map(float, sizes)), lines, "P(active)")


def draw_steps(draws: Draws) -> list[str]:
    size = len(draws.seen)
    return [
        f"P(not active on {size} draws) = (1 - {draws.p})^{size} = {(1 - draws.p) ** size}",
        f"95 % bound on P(active) from such a batch: {1 - 0.05 ** (1 / size):.4f}",
    ]


# ------------------------------------------------------------------------- gradients as scores


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
    return h_gradient(net) * ((z > 0) * F(1) + (z == 0) * net.kink)


def b_gradient(net: Scored) -> Any:
    """dL/db of each sample: through the centring, if there is one."""
    return centre(net, z_gradient(net))


def w_gradient(net: Scored) -> Any:
    return b_gradient(net) * exact(net.xs)[:, None]


def rescaled(net: Scored) -> Scored:
    """Neuron 1 times c, its outgoing weight divided by c."""
    w, b = ((net.c * v[0], *v[1:]) for v in (net.w, net.b))
    return replace(net, w=w, b=b, out=(net.out[0] / net.c, *net.out[1:]))


def sizes_of(gradient: Any) -> Any:
    """mean over the samples of the absolute value, (N,)."""
    return scores.mean_activation(gradient)


def trained(net: Scored) -> Scored:
    """A step of gradient descent of rate 1 on everything."""
    count = len(net.xs)
    w = exact(net.w) - w_gradient(net).sum(0) / count
    b = exact(net.b) - b_gradient(net).sum(0) / count
    out = exact(net.out) - (residuals(net)[:, None] * h_of(net)).sum(0) / count
    return replace(net, w=tuple(w), b=tuple(b), out=tuple(out))


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


def dead(net: Scored) -> bool:
    """Neuron 1 is dormant."""
    return not h_of(net)[:, 0].any()


def low_but_alive(net: Scored) -> bool:
    """Neuron 1 is 1/10-dormant and not dead."""
    return bool(scores.dormant(h_of(net), F(1, 10))[0]) and not dead(net)  # type: ignore[arg-type]


def kink_zero(net: Scored) -> bool:
    return net.kink == 0


def not_centred(net: Scored) -> bool:
    return not net.centred


def grama_zero(net: Scored) -> bool:
    """G_1 = 0, and the layer's gradients are not all 0."""
    gradient = h_gradient(net)
    return not gradient[:, 0].any() and bool((gradient != 0).any())


def is_read(net: Scored) -> bool:
    return net.out[0] != 0


def all_wrong(net: Scored) -> bool:
    return bool((residuals(net) != 0).all())


def positive_factor(net: Scored) -> bool:
    return net.c > 0


def zero_outgoing(net: Scored) -> bool:
    return net.outgoing == "zero"


def mean_gradient_zero(net: Scored) -> bool:
    """The gradient of the batch's loss in w_1 is 0."""
    return bool(w_gradient(net)[:, 0].sum() == 0)


def balanced(net: Scored) -> bool:
    """All scores are 1: s_i and G_i, by activation and by pre-activation."""
    arrays = (h_of(net), h_gradient(net), z_gradient(net))
    return all(len(set(sizes_of(array))) == 1 and sizes_of(array)[0] > 0 for array in arrays)


def no_h_gradient(net: Scored) -> bool:
    return not h_gradient(net)[:, 0].any()


def no_z_gradient(net: Scored) -> bool:
    return not z_gradient(net)[:, 0].any()


def no_weight_gradient(net: Scored) -> bool:
    return not w_gradient(net)[:, 0].any() and not b_gradient(net)[:, 0].any()


def low_gradient(net: Scored) -> bool:
    """Neuron 1 has a GraMa score of at most 1/10, by activation and by pre-activation."""
    tau: Any = F(1, 10)
    by_h = scores.gradient_dormant(h_gradient(net), tau, "activation")[0]
    return bool(by_h and scores.gradient_dormant(z_gradient(net), tau, "preactivation")[0])


def gradient_iff_dead(net: Scored) -> bool:
    return no_z_gradient(net) == dead(net)


def stays_without_gradient(net: Scored) -> bool:
    return no_h_gradient(trained(net))


def scores_go_apart(net: Scored) -> bool:
    """Rescaling leaves f, multiplies E|h_1| by c and divides every gradient of neuron 1 by it."""
    new, c = rescaled(net), net.c
    same = list(residuals(new)) == list(residuals(net))
    gradients = (h_gradient, z_gradient, w_gradient)
    down = all(sizes_of(g(new))[0] * c == sizes_of(g(net))[0] for g in gradients)
    return same and down and bool(sizes_of(h_of(new))[0] == c * sizes_of(h_of(net))[0])


def saliencies(net: Scored) -> tuple[Fraction, Fraction]:
    """E|h_1 dL/dh_1|, and w_1 dL/dw_1 + b_1 dL/db_1 of the batch's loss."""
    count = len(net.xs)
    inner = net.w[0] * w_gradient(net)[:, 0].sum() + net.b[0] * b_gradient(net)[:, 0].sum()
    return sizes_of(h_of(net) * h_gradient(net))[0], inner / count


def saliencies_stay(net: Scored) -> bool:
    return saliencies(rescaled(net)) == saliencies(net)


def reset_is_flagged(net: Scored) -> bool:
    new, chosen = after_redo(net)
    return bool(scores.gradient_dormant(h_gradient(new), 0, "activation")[chosen].all())


def every_gradient_zero(net: Scored) -> bool:
    return not w_gradient(net)[:, 0].any()


def cancellation_slack(net: Scored) -> Fraction:
    gradient = list(w_gradient(net)[:, 0])
    return mean(map(abs, gradient)) - abs(mean(gradient))


def mean_is_less(net: Scored) -> bool:
    return cancellation_slack(net) >= 0


def some_gate_shuts(net: Scored) -> bool:
    """Not all neurons are zombies: the layer is not an affine map on the batch."""
    return not scores.zombie(z_of(net)).all()


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
            out = (F(0), *out[1:])
        if mode == 5:
            w, b, out = (w[0] / 19, *w[1:]), (b[0] / 19, *b[1:]), (19 * out[0], *out[1:])
        if mode == 6:  # equal neurons
            w, b, out = w[:1] * size, (abs(b[0]) + 2,) * size, out[:1] * size
        if mode == 7 and len(xs) == 2:
            xs, ys = (xs[0], -xs[0]), (ys[0], ys[0] - 2 * out[0] * w[0] * xs[0])
        factor = (F(1, 2), F(3), F(1, 100), F(-1))[c]
        how = "fresh" if outgoing == 1 else "zero"
        return Scored(w, b, out, xs, ys, F(int(kink == 1), 2), centred == 1, factor, how)

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


def step_steps(net: Scored) -> list[str]:
    after = trained(net)
    return [*gradient_steps(net), f"after a step of rate 1: {after}", *gradient_steps(after)]


# ------------------------------------------------------------------------ along a training by ref


def follow(
    optimizer: Any = dynamics.SGD,
    rate: float = 0.05,
    snapshots: int = 10,
    steps: int = 20,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """TD learning on a chain of 16 states of an MLP of ref with two layers of 64 neurons.

    Of each layer and snapshot: which share of the neurons is dormant, and has no gradient; and what
    has become of all that were dormant at an earlier snapshot (ReDo's historical set).
    """
    widths = (64, 64)
    generator = np.random.default_rng(seed)
    states = 16
    chain = dynamics.Chain(
        generator.dirichlet(np.ones(states), size=states), generator.standard_normal(states), 0.9
    )
    params = nn.init_mlp(generator, (8, *widths, 1))
    for i, width in enumerate(widths):
        params[f"dense{i}.bias"] = generator.standard_normal(width)
    net, objective = dynamics.network(generator.standard_normal((states, 8))), dynamics.regression()
    rows: list[dict[str, Any]] = []
    ever: dict[str, Any] = {}
    for snapshot in range(snapshots + 1):
        if snapshot:
            params, _ = dynamics.learn(
                chain, params, objective, net, steps, rate, optimizer=optimizer
            )
        taps: nn.Taps = {}
        nodes: dict[str, Any] = {name: ag.Node(value) for name, value in params.items()}
        target, _ = objective.target(chain, net(params, None))
        loss = objective.loss(net(nodes, taps), target)
        layers = list(taps)
        wanted = [node for layer in layers for node in taps[layer]]
        found = ag.gradients(loss, wanted)
        for k, layer in enumerate(layers):
            dormant = scores.dormant(taps[layer][1].value, 0.0)
            by_h = scores.gradient_dormant(found[2 * k + 1], 0.0, "activation")
            by_z = scores.gradient_dormant(found[2 * k], 0.0, "preactivation")
            before = ever.get(layer, dormant)
            ever[layer] = before | dormant
            rows.append(
                {
                    "step": snapshot * steps,
                    "layer": layer,
                    "dormant": dormant.mean(),
                    "no dL/dh": by_h.mean(),
                    "no dL/dz": by_z.mean(),
                    "dormant, yet dL/dh": (dormant & ~by_h).mean(),
                    "dL/dz agrees": (dormant == by_z).mean(),
                    "overlap": scores.overlap(dormant, before),
                    "retention": scores.retention(dormant, before),
                    "chance": scores.chance_overlap(dormant, before),
                }
            )
    return rows


# ---------------------------------------------------------------------------------- assumptions

TAU_ZERO = Assumption("tau zero", "τ = 0", zero_tau)
ON_BATCH = Assumption("on the batch", "x is in the batch that was scored", on_batch, said=False)
IS_BATCH = Assumption("the batch", "E is over the batch that was scored", is_batch, said=False)
READERS = Assumption(
    "all readers", "the zeroed weights are all that read the layer", all_readers, said=False
)
NO_NORM = Assumption("no normalisation", "none across the layer's neurons", no_norm, said=False)
DEAD = Assumption("dormant", "h_1 = 0 on the batch", dead)
KINK = Assumption("relu'(0) = 0", "relu'(0) = 0", kink_zero)
RAW = Assumption("not normalised", "no LayerNorm before the ReLU", not_centred, said=False)
FACTOR = Assumption("positive factor", "c > 0", positive_factor)
NO_GRAMA = Assumption("G zero", "G_1 = 0 in a layer with gradients", grama_zero)
NEVER = Assumption("never active", "the neuron is 0 on the batch", never_active)


def constant(b: Row, out: Row, tau: Fraction = F(0), **more: Any) -> Network:
    """h = relu(b) for the only input, 0."""
    return Network((((((F(0),),) * len(b)), b),), out, (F(0),), (F(0),), tau, **more)


def fixed(b: Row, out: Row, y: Fraction, **more: Any) -> Scored:
    """h = relu(b) for the only input, 0."""
    return Scored((F(0),) * len(b), b, out, (F(0),), (y,), **more)


ONE, ZERO = F(1), F(0)
OFF = Network((((((ONE,),), (ZERO,))),), (ONE,), (ZERO,), (ONE,))
LOUD = constant((ONE,), (ONE,), ONE)
TWO_HEADS = constant((ZERO,), (ONE,), skip=(ONE,))
NORMED = constant((F(3), ONE, ZERO), (ONE, ZERO, ZERO), fresh=F(2), norm="after")
SMALL = constant((ONE, F(1, 199)), (ZERO, F(199)), F(1, 100))
ALIVE, WRONG = fixed((ONE,), (ONE,), ZERO), fixed((ZERO,), (ONE,), ONE)
AT_KINK = replace(WRONG, kink=F(1, 2))
SHIFTED = fixed((F(3), ONE), (ONE, ONE), ZERO, centred=True, c=F(3))
FLIPPED = replace(ALIVE, c=F(-1))

# ------------------------------------------------------------------------------------ the claims

CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="recycling.redo-zero",
        source="ReDo, section 4",
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
    ),
    Claim(
        id="recycling.redo-zero-batch",
        source="repairs recycling.redo-zero",
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
    ),
    Claim(
        id="recycling.redo-small",
        source="ReDo, section 4",
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
    ),
    Claim(
        id="recycling.impact",
        source="ReDo, section 3: the impact of low neurons 'is expected to be less'",
        title="Recycling a lower neuron changes the output less",
        statement="E|h_i| < E|h_j|\n⇒ E|out_i h_i| ≤ E|out_j h_j|",
        given=(),
        then=lower_score_lower_impact,
        instances=networks,
        sizes=(1, 2),
        verdict="refuted",
        counterexample=constant((ONE, F(2)), (ONE, ZERO)),
        breaks="The outgoing weights are not in the score.",
        repaired_by=("recycling.redo-bound", "recycling.any-dormant"),
        steps=impact_steps,
    ),
    Claim(
        id="recycling.redo-bound",
        source="repairs recycling.redo-small",
        title="The change is at most τ times the outgoing weights",
        statement="E|f after - f before| ≤ τ ((1/N) Σ_j E|h_j|) Σ_{i reset} |out_i|,\n"
        "E over the batch, f any linear reader of the layer",
        given=(IS_BATCH, READERS, NO_NORM),
        then=within_bound,
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
    ),
    Claim(
        id="recycling.any-dormant",
        source="why recycling.redo-small and recycling.impact fail",
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
            "another alive": constant((ONE, ZERO), (ONE, ONE), F(1, 2)),
            "no normalisation": replace(NORMED, tau=F(1, 2)),
        },
        proof="relu(c z) = c relu(z). Take c = τ Σ_{j>1} E|h_j| / (N E|h_1|): then c E|h_1| is "
        "τ/N of "
        "the others' sum.",
        remark="So a score says how a function was written, not only what it does.",
    ),
    Claim(
        id="recycling.prune-zero",
        source="ReDo, section 3, Figure 6",
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
    ),
    Claim(
        id="recycling.prune-zero-batch",
        source="repairs recycling.prune-zero",
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
    ),
    Claim(
        id="recycling.batch-law",
        source="ReDo and Neuron Dominance: dormancy is scored on a batch",
        title="Dormant on a batch means dormant",
        statement="h_i = 0 on a batch of B samples of D\n⇒ h_i = 0 on D",
        given=(NEVER,),
        then=dormant_in_law,
        instances=draws_of,
        sizes=(1, 2, 4),
        verdict="refuted",
        counterexample=Draws(F(1, 2), (False,)),
        breaks="A neuron active with probability p is not active on B samples with probability "
        "(1-p)^B.",
        repaired_by=("recycling.batch-law-bound",),
        steps=draw_steps,
        remark="B = 64: a neuron active on 1 % of the inputs looks dormant every second time.",
    ),
    Claim(
        id="recycling.batch-law-bound",
        source="repairs recycling.batch-law (Clopper and Pearson)",
        title="Dormant on a batch bounds how often it is active",
        statement="B independent draws\n"
        "⇒ P(not active on the batch and p ≥ 1 - 0.05^(1/B)) ≤ 0.05, whatever p is",
        given=(Assumption("independent", "the samples are independent", independent, said=False),),
        then=covered,
        instances=draws_of,
        sizes=(1, 2, 4, 8),
        verdict="holds if",
        needs={"independent": Draws(F(4, 5), (False, False), copies=True)},
        proof="The event has probability (1-p)^B if (1-p)^B ≤ 0.05, else 0. Counted over all "
        "batches.",
        slack=confidence_slack,
        tight_at=Draws(F(19, 20), (False,)),
        curve=confidence_curve,
        steps=draw_steps,
        remark="B = 64: p < 4.6 %; B = 256: p < 1.2 %. Frames of one episode are not independent.",
    ),
    # ------------------------------------------------------------------------------------ GraMa
    Claim(
        id="recycling.grama-theorem-1",
        source="GraMa, Theorem 1",
        title="A dormant neuron has GraMa score 0",
        statement="s_i = 0\n⇒ ∇_{h_i} f = 0 and G_i = 0, G_i by |dL/dh_i| as in eq. (2)",
        given=(DEAD, KINK),
        then=no_h_gradient,
        instances=scored,
        sizes=(2, 3),
        verdict="refuted",
        counterexample=Scored((F(-1), ONE), (ZERO, ZERO), (ONE, ZERO), (ONE,), (F(-1),)),
        breaks="The proof's second step multiplies by dh_i/dz_i h^{l-1}: that is the gradient of "
        "the "
        "incoming weights. dL/dh_i is residual times outgoing weight, and knows no gate.",
        repaired_by=("recycling.grama-preactivation", "recycling.grama-incoming"),
        steps=gradient_steps,
        remark="Here the dormant neuron has the largest GraMa score there is, N.",
    ),
    Claim(
        id="recycling.grama-preactivation",
        source="repairs recycling.grama-theorem-1",
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
    ),
    Claim(
        id="recycling.grama-incoming",
        source="repairs recycling.grama-theorem-1",
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
            "not normalised": fixed((ZERO, F(2)), (ZERO, ONE), ZERO, centred=True),
        },
        proof="dL/dw_i = dL/dz_i x. A LayerNorm makes every z depend on every w: a shut neuron's "
        "weights "
        "then have the gradient of its neighbours, and may wake it up.",
        steps=gradient_steps,
    ),
    Claim(
        id="recycling.grama-converse",
        source="GraMa, section 4: 'Equivalence of ReGraMa to ReDo'",
        title="A neuron with GraMa score 0 is dormant",
        statement="G_i = 0, in a layer with gradients\n⇒ s_i = 0",
        given=(NO_GRAMA,),
        then=dead,
        instances=scored,
        sizes=(1, 2),
        verdict="refuted",
        counterexample=fixed((ONE, ONE), (ZERO, ONE), ZERO),
        breaks="No proof is given. A neuron that nobody reads has no gradient, however active it "
        "is.",
        repaired_by=("recycling.grama-equivalence",),
        steps=gradient_steps,
    ),
    Claim(
        id="recycling.grama-equivalence",
        source="repairs recycling.grama-converse and recycling.grama-theorem-1",
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
    ),
    Claim(
        id="recycling.grama-small",
        source="GraMa, section 4, Takeaway, at the thresholds that are used",
        title="What ReDo finds inactive ReGraMa finds too",
        statement="0 < s_i ≤ 1/10\n⇒ G_i ≤ 1/10, by activation and by pre-activation",
        given=(Assumption("low, not dead", "0 < s_1 ≤ 1/10", low_but_alive), KINK, RAW),
        then=low_gradient,
        instances=scored,
        sizes=(2, 3),
        verdict="refuted",
        counterexample=fixed((F(1, 19), ONE), (F(19), ONE), ZERO),
        breaks="Theorem 1 is on a score of exactly 0. Small activations go with large outgoing "
        "weights "
        "where a network computes the same function, and those are the gradient.",
        repaired_by=("recycling.anti-correlation", "recycling.saliency"),
        steps=gradient_steps,
    ),
    Claim(
        id="recycling.anti-correlation",
        source="beyond GraMa and ReDo; repairs recycling.grama-small",
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
    ),
    Claim(
        id="recycling.saliency",
        source="beyond GraMa and ReDo; repairs recycling.grama-small",
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
    ),
    Claim(
        id="recycling.irreversible",
        source="GraMa, section 4: 'Neuron loss of learning capacity is irreversible'",
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
    ),
    Claim(
        id="recycling.reset-flagged",
        source="ReDo and ReGraMa together",
        title="A neuron just reset has GraMa score 0",
        statement="outgoing weights := 0\n⇒ dL/dh_i = 0 for every neuron that ReDo has just reset",
        given=(Assumption("zero outgoing", "outgoing weights := 0, not fresh", zero_outgoing),),
        then=reset_is_flagged,
        instances=scored,
        sizes=(1, 2, 3),
        verdict="holds",
        needs={"zero outgoing": fixed((ZERO,), (ZERO,), ZERO, outgoing="fresh")},
        proof="dL/dh_i = residual · out_i = 0. Scored again before the next update, it is reset "
        "again.",
    ),
    Claim(
        id="recycling.batch-mean",
        source="public code of GraMa: the weights' gradient of the batch's loss",
        title="No batch gradient means no gradient on any sample",
        statement="dL/dw_i = 0 for L the mean over the batch\n⇒ dL/dw_i = 0 on every sample",
        given=(Assumption("mean zero", "dL/dw_1 = 0", mean_gradient_zero),),
        then=every_gradient_zero,
        instances=scored,
        sizes=(1, 2),
        verdict="refuted",
        counterexample=Scored((ONE,), (F(2),), (ONE,), (ONE, F(-1)), (F(2), ZERO)),
        breaks="The samples are added before the absolute value is taken: 1 - 1 = 0.",
        repaired_by=("recycling.batch-mean-bound",),
        steps=gradient_steps,
    ),
    Claim(
        id="recycling.batch-mean-bound",
        source="repairs recycling.batch-mean",
        title="The batch's gradient is at most the samples' mean size",
        statement="|E dL/dw_i| ≤ E|dL/dw_i|",
        given=(),
        then=mean_is_less,
        instances=scored,
        sizes=(1, 2, 3),
        verdict="holds",
        proof="The triangle inequality; equal where all samples pull in one direction.",
        slack=cancellation_slack,
        tight_at=Scored((ONE,), (F(2),), (ONE,), (ONE, F(2)), (F(2), ZERO)),
    ),
    Claim(
        id="recycling.zombies",
        source="ReDo and GraMa: what the scores measure",
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
    ),
)
