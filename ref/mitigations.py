"""Mitigations: what the papers do to a network that loses its neurons.

`params` is a flat dict by dotted name, `state` the optimizer's {slot: {name: array}}, such as
Adam's "count", "mean" and "variance"; names that an optimizer does not hold are left out of it.
A layer is named by its prefix ("heads.0.dense1"). Nothing is changed in place: new dicts come
back, which share the arrays that stayed as they were. Every random draw is an argument: `fresh`
holds new initial values under the names of `params`. Nothing here looks at a target network:
the last column says what happens to it.

| mitigation | optimizer state | target network |
|---|---|---|
| recycle: ReDo, ReGraMa, random, inverse | 0 at the replaced entries; count kept | untouched |
| ReBorn | the same, and at the outgoing weights that were split | untouched |
| continual backprop | as recycle; its own memory beside it | untouched |
| reset | 0 for the whole layers, count included | the caller copies the reset layers into it |
| pruning neurons, magnitude pruning | kept: moments of pruned weights go on | not masked |
| shrink and perturb | kept | untouched |
| L2-init | none of its own: a term of the loss | untouched |
| weight decay | `optim.adamw`, with a mask of what decays | untouched |
| LayerNorm inserted late | 0 for scale and offset, count included | the caller inserts there too |
| scaling incoming weights | kept | untouched |

Where public code differs it is said at the function, or has a switch there. A LayerNorm's scale
and offset are never those of a neuron: recycling and pruning leave them alone.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ref import autograd as ag
from ref import scores
from ref.checks import Array, Params, neurons, number, require

State = dict[str, Params]


class Reader(NamedTuple):
    """A layer that reads a layer of N neurons: neuron i owns `span` columns, from i * span on.

    Columns are axis 1 of the reader's weight; the span is the area of the feature map where a
    linear layer reads a flattened convolution, else 1. Columns from N * span on belong to other
    inputs, such as the action of a critic, and are never touched.
    """

    layer: str
    span: int = 1


Readers = Mapping[str, Sequence[Reader]]


def chain(params: Params, layers: Sequence[str]) -> dict[str, tuple[Reader, ...]]:
    """Readers of a plain chain: each layer is read by the next one, the last by none.

    InputError where the columns do not fit: extra inputs are for the caller to say.
    """
    readers: dict[str, tuple[Reader, ...]] = {}
    for layer, above in pairwise(layers):
        below, reader = _weight(params, layer), _weight(params, above)
        flattened = below.ndim == 4 and reader.ndim == 2
        span, rest = divmod(reader.shape[1], len(below)) if flattened else (1, 0)
        fits = rest == 0 and len(below) * span == reader.shape[1]
        require(fits, "layers", (layer, above), f"a reader of {len(below)} neurons and no more")
        readers[layer] = (Reader(above, span),)
    return readers


# --- which neurons -------------------------------------------------------------------------


def lowest(score: Array, count: int) -> Array:
    """The `count` neurons of lowest score, shape (N,) bool; of equals, the first by index.

    A dead layer has no activation score: rank it by `scores.mean_activation`.
    """
    score = np.asarray(score)
    require(score.ndim == 1, "score", score.shape, "shape (N,)")
    require(count in range(len(score) + 1), "count", count, f"an integer from 0 to {len(score)}")
    return _rank("score", score) < count


def highest(score: Array, count: int) -> Array:
    """The `count` neurons of highest score, as inverse ReDo takes them (ReDo, 5.5)."""
    return lowest(-np.asarray(score), count)


def random_choice(noise: Array, count: int) -> Array:
    """`count` neurons at random, by noise (N,) of any continuous distribution (ReDo, 5.5)."""
    return lowest(noise, count)


def cosine_fraction(step: float, total: float, start: float = 0.1, cosine: str = "half") -> float:
    """The share of a layer to recycle, from `start` at step 0 down to 0 at `total` (ReDo, 5.5).

    The paper says 'a cosine schedule starting at 0.1 and ending at 0'. cosine: "half" is the usual
    one (Loshchilov and Hutter 2017), start * (1 + cos(pi p)) / 2 with p = step / total, flat at
    both ends; "quarter" that of Dopamine's NeuronRecyclerScheduled, start * cos(pi p / 2), which
    ends at its steepest; its own `start` is 0.3.
    """
    require(0 < total < math.inf, "total", total, "a positive number of steps")
    number("step", step, 0, total)
    number("start", start, 0, 1)
    require(cosine in ("half", "quarter"), "cosine", cosine, "'half' or 'quarter'")
    if cosine == "half":
        return start * (1 + math.cos(math.pi * step / total)) / 2
    return start * math.sin(math.pi * (total - step) / (2 * total))  # the cosine, exactly 0 at 0


def _rank(argument: str, score: Array) -> Array:
    """The place of each entry in ascending order; of equals, the lower index comes first."""
    require(not np.isnan(score).any(), argument, score, "numbers, not NaN")
    rank = np.empty(len(score), int)
    rank[np.argsort(score, kind="stable")] = np.arange(len(score))
    return rank


# --- recycling -----------------------------------------------------------------------------


def recycle(
    params: Params,
    state: State,
    chosen: Mapping[str, Array],
    fresh: Params,
    readers: Readers,
    incoming: str = "fresh",
    outgoing: str = "zero",
    bias_moments: str = "zero",
    step_count: str = "keep",
) -> tuple[Params, State]:
    """Draw the chosen neurons anew: the surgery of ReDo (Algorithm 1) and of its Appendix C.2.

    chosen: {layer: (N,) bool}. Incoming weights and biases := those of `fresh`; with
    `incoming="live_norm"` each new neuron's weights are scaled to the mean norm of the incoming
    weights of the neurons of its layer that were not chosen (as drawn where none is left; a row
    drawn as zero stays zero). Outgoing weights := 0, or `fresh`. A weight between two chosen
    neurons counts as outgoing.

    Optimizer: slots of the parameter's own shape are set to 0 at exactly the replaced entries; no
    paper says more. bias_moments="keep" leaves those of biases, as Dopamine's official ReDo does,
    where only kernels have a mask. step_count="zero" sets Adam's count to 0 for the whole weight
    and bias of each layer of `chosen` and the whole weight of its readers, a neuron chosen or
    not, as a public PyTorch ReDo does (timoklein/redo); Dopamine keeps it.
    """
    require(incoming in ("fresh", "live_norm"), "incoming", incoming, "'fresh' or 'live_norm'")
    require(outgoing in ("zero", "fresh"), "outgoing", outgoing, "'zero' or 'fresh'")
    for name, value in (("bias_moments", bias_moments), ("step_count", step_count)):
        require(value in ("zero", "keep"), name, value, "'zero' or 'keep'")
    into, out = _incoming(params, chosen), _outgoing(params, chosen, readers)
    _alike("fresh", fresh, params, into if outgoing == "zero" else into | out)
    new = dict(params)
    for name, mask in into.items():
        drawn = fresh[name]
        if incoming == "live_norm" and name.endswith(".weight"):
            drawn = drawn * _live_scale(drawn, params[name], chosen[name.removesuffix(".weight")])
        new[name] = _put(new[name], mask, drawn)
    for name, mask in out.items():
        new[name] = _put(new[name], mask, fresh[name] if outgoing == "fresh" else 0.0)
    counts = _either(into, out) if step_count == "zero" else {}
    if bias_moments == "keep":
        into = {name: mask for name, mask in into.items() if not name.endswith(".bias")}
    return new, _zeroed(state, _either(into, out), counts)


def xavier_uniform(params: Params, noise: Mapping[str, Array]) -> Params:
    """Fresh values for `recycle` as in Dopamine's ReDo: Xavier-uniform weights, biases 0.

    noise: {layer: uniform in [-1, 1), of the weight's shape}. It is scaled to
    sqrt(6 / (fan in + fan out)) (Glorot and Bengio 2010), where a convolution's fans count its
    kernel's area. ReDo's text says 'the original weight distribution', which in its networks is
    this one; in another network, as in DrQ with its orthogonal weights, the two differ.
    """
    fresh = {}
    for layer, drawn in noise.items():
        weight = _weight(params, layer)
        accepted = f"an array of shape {weight.shape}"
        require(np.shape(drawn) == weight.shape, f"noise[{layer!r}]", np.shape(drawn), accepted)
        fans = (weight.shape[0] + weight.shape[1]) * math.prod(weight.shape[2:])
        fresh[f"{layer}.weight"] = math.sqrt(6 / fans) * drawn
        if f"{layer}.bias" in params:
            fresh[f"{layer}.bias"] = np.zeros_like(params[f"{layer}.bias"])
    return fresh


def redo(
    params: Params,
    state: State,
    activations: Mapping[str, Array],
    tau: float,
    fresh: Params,
    readers: Readers,
    **how: str,
) -> tuple[Params, State]:
    """ReDo (Algorithm 1): recycle every tau-dormant neuron; activations: {layer: h}.

    how: the choices of `recycle`, by name. As Dopamine's official ReDo, which Neuron Dominance
    (B.2) uses unchanged: `fresh` from `xavier_uniform`, bias_moments="keep".

    Its two controls of section 5.5 take a fixed number of neurons instead: `recycle` with
    `{layer: random_choice(noise, count)}`, or `highest(activation_score(h), count)` for inverse
    ReDo, where count = round(cosine_fraction(step, total) * N).
    """
    chosen = {layer: scores.dormant(h, tau) for layer, h in activations.items()}
    return recycle(params, state, chosen, fresh, readers, **how)


def regrama(
    params: Params,
    state: State,
    gradients: Mapping[str, Array],
    tau: float,
    fresh: Params,
    readers: Readers,
    by: str = "incoming",
    **how: str,
) -> tuple[Params, State]:
    """ReGraMa (GraMa, 4.2): recycle every neuron with a GraMa score <= tau.

    gradients: {layer: dL/dW}, or what `scores.gradient_dormant` takes for another `by`; how: the
    choices of `recycle`. The public code recycles incoming weights only and leaves the optimizer
    alone; the paper's text sets outgoing weights to 0, as here.
    """
    chosen = {k: scores.gradient_dormant(g, tau, by) for k, g in gradients.items()}
    return recycle(params, state, chosen, fresh, readers, **how)


class Rebirth(NamedTuple):
    """The random draws of ReBorn for one layer of N neurons; dormant neuron d uses entry d."""

    order: Array  # (N,) noise: the dormant neurons choose in this order, the lowest first
    choice: Array  # (N,) in [0, 1): which over-active neuron with room it joins
    factor: Array  # (N,) positive, the authors' uniform on (0.3, 0.8): c_d
    parts: Params  # {reader's weight name: positive, that weight's shape}: exp of normal noise


def reborn(
    params: Params,
    state: State,
    activations: Mapping[str, Array],
    fresh: Params,
    readers: Readers,
    draws: Mapping[str, Rebirth],
    tau: float = 0.1,
    beta: float = 3.0,
    most: int = 5,
) -> tuple[Params, State]:
    """ReBorn (Qin et al. 2024): dormant neurons take over a part of an over-active one.

    tau-dormant neurons are recycled; then each joins, at random, one over-active neuron o
    (a_o > beta * mean a) that fewer than `most` have joined, while there is one. Neuron d gets
    c_d times o's incoming weights and bias. The outgoing weights of o are split: each member of
    the group gets its share of them, parts / (sum of parts over the group), separately for
    every weight, divided by c_d for d. With a positively homogeneous activation (ReLU, leaky
    ReLU) the outputs stay as they are wherever the dormant neurons were exactly 0.
    The authors' code leaves the optimizer alone and, for the scores, takes means without abs.
    """
    number("tau", tau, 0, beta)
    require(most >= 1, "most", most, "at least 1")
    dormant = {layer: scores.dormant(h, tau) for layer, h in activations.items()}
    params, state = recycle(params, state, dormant, fresh, readers)
    split = {layer: np.zeros(len(mask), bool) for layer, mask in dormant.items()}
    new = {name: value.copy() for name, value in params.items()}
    for layer, h in activations.items():
        require(layer in draws, "draws", sorted(draws), f"an entry for {layer!r}")
        a, draw = scores.mean_activation(h), draws[layer]
        _check_rebirth(layer, draw, params, readers)
        for over, born in _groups(dormant[layer], a * len(a) > beta * a.sum(), draw, most).items():
            factor = np.append(draw.factor[born], 1.0)
            for name in (f"{layer}.weight", f"{layer}.bias"):
                if name in new:
                    new[name][born] = _column(factor[:-1], new[name].ndim) * new[name][over]
            group = [*born, over]
            for name, span in _reading(params, layer, readers):
                weight = _owned(new[name], len(a), span)
                parts = _owned(draw.parts[name], len(a), span)[:, group]
                share = parts / parts.sum(1, keepdims=True)
                weight[:, group] = share * weight[:, [over]] / _column(factor, weight.ndim - 1)
            split[layer][over] = True
    return new, _zeroed(state, _outgoing(params, split, readers))


def _groups(dormant: Array, over: Array, draw: Rebirth, most: int) -> dict[int, list[int]]:
    """{over-active neuron: the dormant ones that join it}, for those that any joins."""
    groups: dict[int, list[int]] = {int(o): [] for o in np.flatnonzero(over)}
    for d in np.argsort(draw.order, kind="stable"):
        room = [o for o, born in groups.items() if len(born) < most]
        if dormant[d] and room:
            groups[room[int(draw.choice[d] * len(room))]].append(int(d))
    return {o: born for o, born in groups.items() if born}


def _check_rebirth(layer: str, draw: Rebirth, params: Params, readers: Readers) -> None:
    count, names = len(_weight(params, layer)), [n for n, _ in _reading(params, layer, readers)]
    _alike(f"draws[{layer!r}].parts", draw.parts, params, names)
    for field, value in zip(draw._fields[:3], draw[:3], strict=True):
        shape, accepted = np.shape(value), f"an array of shape {(count,)}"
        require(shape == (count,), f"draws[{layer!r}].{field}", shape, accepted)
    above = draw.factor, 1 - draw.choice, *(draw.parts[name] for name in names)
    good = all((value > 0).all() for value in above) and bool((draw.choice >= 0).all())
    require(good, f"draws[{layer!r}]", draw, "choice in [0, 1), positive factor and parts")


# --- how useful a neuron is, and continual backprop ----------------------------------------


def _reach(params: Params, layer: str, readers: Readers) -> Array:
    """The sum of the absolute outgoing weights of each neuron of a layer, (N,)."""
    n = len(_weight(params, layer))
    reach: Array = np.zeros(n)
    for name, span in _reading(params, layer, readers):
        outgoing = np.abs(_owned(params[name], n, span))
        reach = reach + outgoing.sum((0, *range(2, outgoing.ndim)))
    return reach


def usefulness(params: Params, layer: str, h: Array, readers: Readers) -> Array:
    """How useful each neuron of a layer is on a batch, (N,), not negative: the mean of
    abs(h - its mean) times the sum of its absolute outgoing weights, over that of its incoming
    ones. One that never changes is of no use.

    Continual backprop's (Dohare et al. 2021) without its running means, as ReDo has it (C.4).
    """
    values = neurons("h", h)
    worth = np.abs(values - values.mean(0)).mean(0) * _reach(params, layer, readers)
    weight = _weight(params, layer)
    incoming = np.abs(weight).reshape(len(weight), -1).sum(1)
    return np.asarray(np.divide(worth, incoming, out=np.zeros(len(worth)), where=worth > 0))


def continual_backprop_start(params: Params, layers: Iterable[str]) -> dict[str, Params]:
    """The memory before the first step: {layer: utility (N,), age (N,), pending ()}, all 0."""
    return {
        layer: {"utility": np.zeros(n), "age": np.zeros(n), "pending": np.zeros(())}
        for layer, n in ((layer, len(_weight(params, layer))) for layer in layers)
    }


def continual_backprop(
    params: Params,
    state: State,
    memory: Mapping[str, Params],
    activations: Mapping[str, Array],
    fresh: Params,
    readers: Readers,
    decay: float = 0.99,
    maturity: float = 100,
    rate: float = 1e-4,
) -> tuple[Params, State, dict[str, Params]]:
    """One step of continual backprop (Dohare et al. 2024), after the optimizer's.

    All ages grow by 1. Utility := decay * utility + (1 - decay) * a_i * sum of abs(outgoing
    weights of i). Each neuron older than `maturity` adds `rate` to what is pending, and each
    whole 1 of it is taken off for a neuron: of those older than `maturity` the one of least
    utility / (1 - decay^age) is recycled, its age and utility set to 0.

    The Nature paper's text compares utilities as they are; the division is that of the 2021 paper
    and of the public code, and matters only while decay^age does. As in that text, outgoing
    weights are set to 0 and nothing else. So do both public versions in effect: gnt.py is written
    to move a removed neuron's mean contribution to the reader's bias, but has set that mean to 0
    when it does, so that the correction is always 0; cbp_linear.py has none. The
    authors' Adam counts steps weight by weight and restarts them; here count is kept.
    """
    require(0 <= decay < 1, "decay", decay, "a number in [0, 1)")
    number("maturity", maturity, 0)
    number("rate", rate, 0, 1)  # so that never more are due than there are to choose from
    chosen, new = {}, dict(memory)
    for layer, h in activations.items():
        a, n = scores.mean_activation(h), len(_weight(params, layer))
        require(layer in memory, "memory", sorted(memory), f"an entry for {layer!r}")
        require(len(a) == n, f"activations[{layer!r}]", np.shape(h), f"{n} neurons")
        old = memory[layer]
        age = old["age"] + 1
        utility = decay * old["utility"] + (1 - decay) * a * _reach(params, layer, readers)
        mature = age > maturity
        pending = old["pending"] + rate * mature.sum()
        due = np.floor(pending)
        corrected = np.where(mature, utility / (1 - decay**age), np.inf)
        chosen[layer] = mature & (_rank("utility", corrected) < due)
        new[layer] = {
            "utility": np.where(chosen[layer], 0.0, utility),
            "age": np.where(chosen[layer], 0.0, age),
            "pending": pending - due,
        }
    return *recycle(params, state, chosen, fresh, readers), new


# --- pruning -------------------------------------------------------------------------------


def neuron_masks(params: Params, chosen: Mapping[str, Array], readers: Readers) -> Params:
    """{name: bool, True where kept}: the chosen neurons without incoming, bias and outgoing.

    Held with `apply_masks` after every step they prune dormant neurons (ReDo, Figure 6).
    """
    pruned = _either(_incoming(params, chosen), _outgoing(params, chosen, readers))
    return {name: ~mask for name, mask in pruned.items()}


def apply_masks(params: Params, masks: Params) -> Params:
    """0 wherever a mask is False; after every optimizer step, which moves pruned weights again."""
    _alike("masks", masks, params, masks)
    return params | {name: _put(params[name], ~mask, 0.0) for name, mask in masks.items()}


def cubic_sparsity(step: float, start: float, end: float, final: float) -> float:
    """The share of weights pruned at `step`, final * (1 - (1 - p)^3) with p from 0 at `start` to
    1 at `end` (Zhu and Gupta 2017). jaxpruner is one step ahead of it: p counts step + 1.

    Each tensor follows it towards a share of its own:
    `{k: cubic_sparsity(step, start, end, s) for k, s in erk_sparsity(params, final).items()}`.
    """
    require(start < end, "end", end, f"a step after start = {start}")
    number("step", step)
    number("final", final, 0, 1)
    p = min(max((step - start) / (end - start), 0.0), 1.0)
    return final * (1 - (1 - p) ** 3)


def uniform_sparsity(params: Params, final: float) -> dict[str, float]:
    """The same share pruned of every tensor with more than one axis."""
    number("final", final, 0, 1)
    return {name: final for name, value in params.items() if value.ndim > 1}


def erk_sparsity(params: Params, final: float) -> dict[str, float]:
    """Erdos-Renyi-Kernel (Evci et al. 2020): the share kept of a tensor is proportional to the
    sum of its axes over their product, and `final` is pruned of all tensors together.

    Tensors that would keep more than all stay dense, and the others are solved for again.
    """
    number("final", final, 0, 1)
    shapes = {name: value.shape for name, value in params.items() if value.ndim > 1}
    kept = (1 - final) * sum(math.prod(shape) for shape in shapes.values())
    density: dict[str, float] = {}
    while rest := shapes.keys() - density.keys():
        left = kept - sum(math.prod(shapes[name]) for name in density)
        scale = left / sum(sum(shapes[name]) for name in rest)
        tried = {name: scale * sum(shapes[name]) / math.prod(shapes[name]) for name in rest}
        dense = {name: 1.0 for name in rest if tried[name] > 1}
        density |= dense or tried
    return {name: 1 - density[name] for name in shapes}


def magnitude_masks(
    params: Params, sparsity: Mapping[str, float], masks: Params | None = None
) -> Params:
    """{name: bool}: of each tensor of size n the max(1, round(n (1 - s))) largest abs are kept.

    Of equals the lower index is kept. With the `masks` of before nothing that was pruned comes
    back, so masks under a growing sparsity are nested, weights that are exactly 0 included.
    """
    _alike("masks", masks or {}, params, masks or {})
    new = {}
    for name, share in sparsity.items():
        require(name in params, "sparsity", name, f"one of {', '.join(params)}")
        number(f"sparsity[{name!r}]", share, 0, 1)
        weight = params[name]
        size = np.abs(weight) if masks is None else np.where(masks[name], np.abs(weight), -1.0)
        count = max(1, round(weight.size * (1 - share)))
        new[name] = (_rank(name, -size.ravel()) < count).reshape(weight.shape)
    return new


# --- whole layers --------------------------------------------------------------------------


def reset(
    params: Params, state: State, fresh: Params, layers: Iterable[str]
) -> tuple[Params, State]:
    """Reset (Nikishin et al. 2022): everything at or below the named layers := fresh.

    Every slot there is 0, count included; nothing else is touched. Afterwards the caller sets
    the target network's copy of these layers equal to the new ones. Neuron Dominance (B.2)
    resets the critic's head and keeps the convolutions: layers ("trunk", "heads").
    """
    names = []
    for layer in layers:
        below = [name for name in params if name == layer or name.startswith(f"{layer}.")]
        require(bool(below), "layers", layer, f"a layer or prefix of {', '.join(params)}")
        names += below
    _alike("fresh", fresh, params, names)
    empty = {
        slot: {k: np.zeros_like(v) if k in names else v for k, v in values.items()}
        for slot, values in state.items()
    }
    return params | {name: fresh[name] for name in names}, empty


def shrink_and_perturb(params: Params, fresh: Params, shrink: float, perturb: float) -> Params:
    """shrink * params + perturb * fresh, for all parameters (Ash and Adams 2020)."""
    number("shrink", shrink, 0, 1)
    number("perturb", perturb, 0)
    _alike("fresh", fresh, params, params)
    return {name: shrink * value + perturb * fresh[name] for name, value in params.items()}


def l2_init(params: Mapping[str, Any], initial: Params, strength: float) -> Any:
    """The penalty strength * sum of squared distances from the initial values (Kumar et al. 2023).

    A scalar, for the loss: of traced parameters it is traced, and differentiable.
    """
    number("strength", strength, 0)
    _alike("initial", initial, params, params)
    distance = [ag.sum((value - initial[name]) ** 2) for name, value in params.items()]
    return strength * sum(distance)


def insert_layer_norm(params: Params, state: State, layers: Iterable[str]) -> tuple[Params, State]:
    """LayerNorm after layers of a trained network (Neuron Dominance, 4.1.4): late LN.

    A layer "dense{i}" gets "dense{i}.norm.weight" = 1 and "dense{i}.norm.bias" = 0, whose slots are
    0 and count from 0. The function changes at once; the caller inserts the same into the target.
    """
    new, slots = dict(params), {slot: dict(values) for slot, values in state.items()}
    for layer in layers:
        weight, norm = _weight(params, layer), f"{layer}.norm"
        good = weight.ndim == 2 and f"{norm}.weight" not in new
        require(good, "layers", layer, "dense layers without LayerNorm")
        new[f"{norm}.weight"] = np.ones(len(weight), weight.dtype)
        new[f"{norm}.bias"] = np.zeros(len(weight), weight.dtype)
        for values in slots.values():
            if (slot := values.get(f"{layer}.weight")) is not None:
                per_entry = np.shape(slot) == weight.shape
                for name in (f"{norm}.weight", f"{norm}.bias"):
                    values[name] = np.zeros_like(new[name] if per_entry else slot)
    return new, slots


def scale_incoming(params: Params, layer: str, neuron: int, factor: float) -> Params:
    """Multiply one neuron's incoming weights, not its bias, by `factor`.

    Neuron Dominance (3.2, B.3) makes a dominant neuron so: 1e7, for the largest of the layer.
    """
    weight = _weight(params, layer)
    require(neuron in range(len(weight)), "neuron", neuron, f"from 0 to {len(weight) - 1}")
    number("factor", factor)
    factors = np.where(np.arange(len(weight)) == neuron, factor, 1.0)
    return params | {f"{layer}.weight": weight * _column(factors, weight.ndim)}


# --- where a neuron's weights are ----------------------------------------------------------


def _weight(params: Params, layer: str) -> Array:
    known = [name.removesuffix(".weight") for name in params if name.endswith(".weight")]
    require(layer in known, "layer", layer, f"one of {', '.join(known)}")
    return params[f"{layer}.weight"]


def _reading(params: Params, layer: str, readers: Readers) -> list[tuple[str, int]]:
    """(name of the weight, span) of each reader of a layer."""
    count = len(_weight(params, layer))
    require(layer in readers, "readers", sorted(readers), f"an entry for {layer!r}")
    for reader, span in readers[layer]:
        columns = _weight(params, reader).shape[1]
        good = span >= 1 and count * span <= columns
        accepted = f"a span from 1 to {columns // count}: {count} neurons, {columns} columns"
        require(good, f"readers[{layer!r}]", Reader(reader, span), accepted)
    return [(f"{reader}.weight", span) for reader, span in readers[layer]]


def _owned(weight: Array, neurons: int, span: int) -> Array:
    """A view (outputs, neurons, span, ...) of the columns that a layer's neurons own."""
    return weight[:, : neurons * span].reshape(len(weight), neurons, span, *weight.shape[2:])


def _column(values: Array, ndim: int) -> Array:
    """(N,) as (N, 1, ...), to broadcast along the first of `ndim` axes."""
    return values.reshape(-1, *(1,) * (ndim - 1))


def _incoming(params: Params, chosen: Mapping[str, Array]) -> Params:
    """{name: bool}, True at the incoming weights and the biases of the chosen neurons."""
    found = {}
    for layer, mask in chosen.items():
        weight, mask = _weight(params, layer), np.asarray(mask)
        good = mask.dtype == bool and mask.shape == weight.shape[:1]
        require(good, f"chosen[{layer!r}]", mask, f"bool of shape {weight.shape[:1]}")
        found[f"{layer}.weight"] = np.broadcast_to(_column(mask, weight.ndim), weight.shape)
        if f"{layer}.bias" in params:
            found[f"{layer}.bias"] = mask
    return found


def _outgoing(params: Params, chosen: Mapping[str, Array], readers: Readers) -> Params:
    """{name: bool}, True at the outgoing weights of the chosen neurons."""
    found: Params = {}
    for layer, mask in chosen.items():
        for name, span in _reading(params, layer, readers):
            where = np.zeros(params[name].shape, bool)
            _owned(where, len(mask), span)[:, mask] = True
            found = _either(found, {name: where})
    return found


def _either(a: Params, b: Params) -> Params:
    return a | {name: mask | a[name] if name in a else mask for name, mask in b.items()}


def _put(old: Array, mask: Array, value: Array | float) -> Array:
    """`old` with `value` where the mask is True, laid out in memory as `old` is.

    The order in which a matrix product adds, and so its rounding, depends on that layout: with
    another one the outputs that ReDo leaves as they are would differ in their last bits.
    """
    new = np.array(old, np.result_type(old, 0.0), order="K")
    np.copyto(new, value, where=mask)
    return new


def _zeroed(state: State, masks: Params, counts: Iterable[str] = ()) -> State:
    """0 at the masked entries of every slot that has its parameter's shape; a count has not.

    It is 0 for the parameters `counts`.
    """
    new = {slot: dict(values) for slot, values in state.items()}
    for slot, values in new.items():
        for name in values.keys() & masks.keys():
            found, shape = np.shape(values[name]), masks[name].shape
            require(found in ((), shape), f"state[{slot!r}][{name!r}]", found, f"() or {shape}")
            if found == shape:
                values[name] = _put(values[name], masks[name], 0.0)
    if "count" in new:
        zeros = {k: np.zeros_like(v) for k, v in new["count"].items() if k in set(counts)}
        new["count"] |= zeros
    return new


def _live_scale(drawn: Array, weight: Array, chosen: Array) -> Array:
    """What brings each drawn row to the mean norm of the rows of `weight` not chosen."""
    live, norm = (np.sqrt((x.reshape(len(x), -1) ** 2).sum(1)) for x in (weight, drawn))
    if chosen.all():
        return np.ones(())
    scale = np.divide(live[~chosen].mean(), norm, out=np.ones_like(norm), where=norm > 0)
    return _column(scale, drawn.ndim)


def _alike(
    argument: str, given: Mapping[str, Any], params: Mapping[str, Any], names: Iterable[str]
) -> None:
    """Refuse arrays that lack one of `names`, have another shape or are not finite."""
    for name in names:
        require(name in params, argument, name, f"one of {', '.join(params)}")
        found = given[name].shape if name in given else "missing"
        shape = params[name].shape
        require(found == shape, f"{argument}[{name!r}]", found, f"an array of shape {shape}")
        exact = given[name].dtype == object  # Fractions are finite
        finite = exact or bool(np.isfinite(given[name]).all())
        require(finite, f"{argument}[{name!r}]", given[name], "finite numbers")
