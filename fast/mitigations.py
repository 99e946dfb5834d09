"""The mitigations of ref/mitigations.py on tensors: the same names, arguments and meaning.

`params` is `dict(module.named_parameters())` and `state` the live tensors of a torch optimizer,
from `optimizer_state`. Both are changed in place and nothing is returned, so pointers stay and
captured graphs stay valid; what each mitigation does to optimizer state and target network is
the table of ref/mitigations.py. Masks, fresh values and draws are on the parameters' device.

Shapes, names and Python numbers are checked (InputError), values of tensors never: nothing waits
for the device, but for `reborn`, which asks it who is dormant and who over-active.
"""

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fast import scores
from fast.errors import InputError

Params = Mapping[str, Tensor]
State = Mapping[str, Mapping[str, Tensor]]
Masks = dict[str, Tensor]

SLOTS = {  # what ref calls torch's names
    "step": "count",
    "exp_avg": "mean",
    "exp_avg_sq": "variance",
    "max_exp_avg_sq": "max_variance",
    "momentum_buffer": "momentum",
}


def optimizer_state(
    optimizer: Optimizer, named_parameters: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]]
) -> dict[str, dict[str, Tensor]]:
    """{slot: {name: tensor}}, the optimizer's own tensors: "count", "mean", "variance" of Adam
    and AdamW, "momentum" of SGD; other slots keep torch's names.

    Parameters that have not taken a step have no state yet and are left out: before the first
    step the dict is empty. Get it anew after a first step or `load_state_dict`.
    """
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    state: dict[str, dict[str, Tensor]] = {}
    for name, parameter in dict(named_parameters).items():
        _require(id(parameter) in held, "named_parameters", name, "parameters of this optimizer")
        for slot, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                state.setdefault(SLOTS.get(slot, slot), {})[name] = value
    return state


class Reader(NamedTuple):
    """A layer that reads a layer of N neurons: neuron i owns `span` columns, from i * span on.

    Columns from N * span on belong to other inputs, such as the action of a critic.
    """

    layer: str
    span: int = 1


Readers = Mapping[str, Sequence[Reader]]


def chain(params: Params, layers: Sequence[str]) -> dict[str, tuple[Reader, ...]]:
    """Readers of a plain chain: each layer is read by the next one, the last by none."""
    readers: dict[str, tuple[Reader, ...]] = {}
    for layer, above in pairwise(layers):
        below, reader = _weight(params, layer), _weight(params, above)
        flattened = below.ndim == 4 and reader.ndim == 2
        span, rest = divmod(reader.shape[1], len(below)) if flattened else (1, 0)
        fits = rest == 0 and len(below) * span == reader.shape[1]
        _require(fits, "layers", (layer, above), f"a reader of {len(below)} neurons and no more")
        readers[layer] = (Reader(above, span),)
    return readers


# --- which neurons -------------------------------------------------------------------------


def lowest(score: Tensor, count: int) -> Tensor:
    """The `count` neurons of lowest score, shape (N,) bool; of equals, the first by index.

    NaN counts as highest: rank a layer that may be dead by `scores.mean_activation`.
    """
    _require(score.ndim == 1, "score", tuple(score.shape), "shape (N,)")
    good = count in range(len(score) + 1)
    _require(good, "count", count, f"an integer from 0 to {len(score)}")
    return _rank(score) < count


def highest(score: Tensor, count: int) -> Tensor:
    """The `count` neurons of highest score, as inverse ReDo takes them (ReDo, 5.5)."""
    return lowest(-score, count)


def random_choice(noise: Tensor, count: int) -> Tensor:
    """`count` neurons at random, by noise (N,) of any continuous distribution (ReDo, 5.5)."""
    return lowest(noise, count)


def cosine_fraction(step: float, total: float, start: float = 0.1, cosine: str = "half") -> float:
    """The share of a layer to recycle, from `start` at step 0 down to 0 at `total` (ReDo, 5.5).

    cosine: "half", or "quarter" as in Dopamine.
    """
    _require(0 < total < math.inf, "total", total, "a positive number of steps")
    _number("step", step, 0, total)
    _number("start", start, 0, 1)
    _require(cosine in ("half", "quarter"), "cosine", cosine, "'half' or 'quarter'")
    if cosine == "half":
        return start * (1 + math.cos(math.pi * step / total)) / 2
    return start * math.sin(math.pi * (total - step) / (2 * total))  # the cosine, exactly 0 at 0


def _rank(score: Tensor) -> Tensor:
    """The place of each entry in ascending order; of equals, the lower index comes first."""
    order = torch.argsort(score, stable=True)
    return torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))


# --- recycling -----------------------------------------------------------------------------


@torch.no_grad()
def recycle(
    params: Params,
    state: State,
    chosen: Mapping[str, Tensor],
    fresh: Params,
    readers: Readers,
    incoming: str = "fresh",
    outgoing: str = "zero",
    bias_moments: str = "zero",
    step_count: str = "keep",
) -> None:
    """Draw the chosen neurons anew: the surgery of ReDo (Algorithm 1) and of its Appendix C.2.

    chosen: {layer: (N,) bool}. incoming: "fresh" or "live_norm"; outgoing: "zero" or "fresh".
    bias_moments: "zero" at the replaced entries, or "keep" (Dopamine's official ReDo).
    step_count: "keep", or "zero" for each whole tensor with a mask (timoklein/redo).
    """
    _require(incoming in ("fresh", "live_norm"), "incoming", incoming, "'fresh' or 'live_norm'")
    _require(outgoing in ("zero", "fresh"), "outgoing", outgoing, "'zero' or 'fresh'")
    for name, value in (("bias_moments", bias_moments), ("step_count", step_count)):
        _require(value in ("zero", "keep"), name, value, "'zero' or 'keep'")
    into, out = _incoming(params, chosen), _outgoing(params, chosen, readers)
    _alike("fresh", fresh, params, into if outgoing == "zero" else into | out)
    for name, mask in into.items():
        drawn = fresh[name]
        if incoming == "live_norm" and name.endswith(".weight"):
            drawn = drawn * _live_scale(drawn, params[name], chosen[name.removesuffix(".weight")])
        params[name].copy_(torch.where(mask, drawn, params[name]))
    for name, mask in out.items():
        if outgoing == "fresh":
            params[name].copy_(torch.where(mask, fresh[name], params[name]))
        else:
            params[name].masked_fill_(mask, 0)
    counts = _either(into, out) if step_count == "zero" else {}
    if bias_moments == "keep":
        into = {name: mask for name, mask in into.items() if not name.endswith(".bias")}
    _zero(state, _either(into, out), counts)


def xavier_uniform(params: Params, noise: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Fresh values for `recycle` as in Dopamine's ReDo: Xavier-uniform weights, biases 0.

    noise: {layer: uniform in [-1, 1), of the weight's shape}.
    """
    fresh = {}
    for layer, drawn in noise.items():
        weight = _weight(params, layer)
        accepted = f"a tensor of shape {tuple(weight.shape)}"
        good = drawn.shape == weight.shape
        _require(good, f"noise[{layer!r}]", tuple(drawn.shape), accepted)
        fans = (weight.shape[0] + weight.shape[1]) * math.prod(weight.shape[2:])
        fresh[f"{layer}.weight"] = math.sqrt(6 / fans) * drawn
        if f"{layer}.bias" in params:
            fresh[f"{layer}.bias"] = torch.zeros_like(params[f"{layer}.bias"])
    return fresh


def redo(
    params: Params,
    state: State,
    activations: Mapping[str, Tensor],
    tau: float,
    fresh: Params,
    readers: Readers,
    **how: str,
) -> None:
    """ReDo (Algorithm 1): recycle every tau-dormant neuron; activations: {layer: h}.

    how: the choices of `recycle`, by name. Random and inverse ReDo: `recycle` with `random_choice`
    or `highest`.
    """
    chosen = {layer: scores.dormant(h, tau) for layer, h in activations.items()}
    recycle(params, state, chosen, fresh, readers, **how)


def regrama(
    params: Params,
    state: State,
    gradients: Mapping[str, Tensor],
    tau: float,
    fresh: Params,
    readers: Readers,
    by: str = "incoming",
    **how: str,
) -> None:
    """ReGraMa (GraMa, 4.2): recycle every neuron with a GraMa score <= tau.

    gradients: {layer: dL/dW}, or what `scores.gradient_dormant` takes for another `by`; how: the
    choices of `recycle`.
    """
    chosen = {k: scores.gradient_dormant(g, tau, by) for k, g in gradients.items()}
    recycle(params, state, chosen, fresh, readers, **how)


class Rebirth(NamedTuple):
    """The random draws of ReBorn for one layer of N neurons; dormant neuron d uses entry d."""

    order: Tensor  # (N,) noise: the dormant neurons choose in this order, the lowest first
    choice: Tensor  # (N,) in [0, 1): which over-active neuron with room it joins
    factor: Tensor  # (N,) positive, the authors' uniform on (0.3, 0.8): c_d
    parts: Params  # {reader's weight name: positive, that weight's shape}: exp of normal noise


@torch.no_grad()
def reborn(
    params: Params,
    state: State,
    activations: Mapping[str, Tensor],
    fresh: Params,
    readers: Readers,
    draws: Mapping[str, Rebirth],
    tau: float = 0.1,
    beta: float = 3.0,
    most: int = 5,
) -> None:
    """ReBorn (Qin et al. 2024): dormant neurons take over a part of an over-active one.

    Who joins whom is decided on the host: this one waits for the device, once per layer.
    """
    _number("tau", tau, 0, beta)
    _require(most >= 1, "most", most, "at least 1")
    for layer in activations:
        _require(layer in draws, "draws", sorted(draws), f"an entry for {layer!r}")
        _check_rebirth(layer, draws[layer], params, readers)
    dormant = {layer: scores.dormant(h, tau) for layer, h in activations.items()}
    recycle(params, state, dormant, fresh, readers)
    split = {layer: torch.zeros_like(mask) for layer, mask in dormant.items()}
    for layer, h in activations.items():
        a, draw = scores.mean_activation(h), draws[layer]
        over_active = a * len(a) > beta * a.sum()
        for over, born in _groups(dormant[layer], over_active, draw, most).items():
            factor = torch.cat([draw.factor[born], draw.factor.new_ones(1)])
            for name in (f"{layer}.weight", f"{layer}.bias"):
                if name in params:
                    scale = _column(factor[:-1], params[name].ndim)
                    params[name][born] = scale * params[name][over]
            group = [*born, over]
            for name, span in _reading(params, layer, readers):
                weight = _owned(params[name], len(a), span)
                parts = _owned(draw.parts[name], len(a), span)[:, group]
                share = parts / parts.sum(1, keepdim=True)
                weight[:, group] = share * weight[:, [over]] / _column(factor, weight.ndim - 1)
            split[layer][over] = True
    _zero(state, _outgoing(params, split, readers))


def _groups(dormant: Tensor, over: Tensor, draw: Rebirth, most: int) -> dict[int, list[int]]:
    """{over-active neuron: the dormant ones that join it}, for those that any joins."""
    order = torch.argsort(draw.order, stable=True)
    host = torch.stack([x.to(torch.float64) for x in (dormant, over, draw.choice, order)]).tolist()
    groups: dict[int, list[int]] = {o: [] for o, is_over in enumerate(host[1]) if is_over}
    for d in map(int, host[3]):
        room = [o for o, born in groups.items() if len(born) < most]
        if host[0][d] and room:
            groups[room[int(host[2][d] * len(room))]].append(d)
    return {o: born for o, born in groups.items() if born}


def _check_rebirth(layer: str, draw: Rebirth, params: Params, readers: Readers) -> None:
    shape = _weight(params, layer).shape[:1]
    for field, value in zip(draw._fields[:3], draw[:3], strict=True):
        accepted = f"a tensor of shape {tuple(shape)}"
        _require(value.shape == shape, f"draws[{layer!r}].{field}", value, accepted)
    names = [name for name, _ in _reading(params, layer, readers)]
    _alike(f"draws[{layer!r}].parts", draw.parts, params, names)


# --- continual backprop --------------------------------------------------------------------


def _reach(params: Params, layer: str, readers: Readers) -> Tensor:
    """The sum of the absolute outgoing weights of each neuron of a layer, (N,)."""
    n = len(_weight(params, layer))
    reach = _weight(params, layer).new_zeros(n)
    for name, span in _reading(params, layer, readers):
        outgoing = _owned(params[name], n, span).abs()
        reach += outgoing.sum((0, *range(2, outgoing.ndim)))
    return reach


@torch.no_grad()
def usefulness(params: Params, layer: str, h: Tensor, readers: Readers) -> Tensor:
    """How useful each neuron of a layer is on a batch, (N,), not negative: the mean of
    abs(h - its mean) times the sum of its absolute outgoing weights, over that of its incoming
    ones. One that never changes is of no use.

    Continual backprop's (Dohare et al. 2021) without its running means, as ReDo has it (C.4).
    """
    apart = scores.mean_activation(h - h.mean((0, *range(2, h.ndim)), keepdim=True))
    worth = apart * _reach(params, layer, readers)
    incoming = _weight(params, layer).flatten(1).abs().sum(1)
    return torch.where(worth > 0, worth / incoming, 0)


def continual_backprop_start(params: Params, layers: Iterable[str]) -> dict[str, Masks]:
    """The memory before the first step: {layer: utility (N,), age (N,), pending ()}, all 0."""
    memory = {}
    for layer in layers:
        zeros = _weight(params, layer).new_zeros
        n = len(_weight(params, layer))
        memory[layer] = {"utility": zeros(n), "age": zeros(n), "pending": zeros(())}
    return memory


@torch.no_grad()
def continual_backprop(
    params: Params,
    state: State,
    memory: Mapping[str, Params],
    activations: Mapping[str, Tensor],
    fresh: Params,
    readers: Readers,
    decay: float = 0.99,
    maturity: float = 100,
    rate: float = 1e-4,
) -> None:
    """One step of continual backprop (Dohare et al. 2024), after the optimizer's.

    `memory` too is changed in place. Who is replaced is a mask from ranks: nothing waits.
    """
    _require(0 <= decay < 1, "decay", decay, "a number in [0, 1)")
    _number("maturity", maturity, 0)
    _number("rate", rate, 0, 1)
    chosen = {}
    for layer, h in activations.items():
        a, n = scores.mean_activation(h), len(_weight(params, layer))
        _require(layer in memory, "memory", sorted(memory), f"an entry for {layer!r}")
        _require(len(a) == n, f"activations[{layer!r}]", tuple(h.shape), f"{n} neurons")
        utility, age, pending = (memory[layer][key] for key in ("utility", "age", "pending"))
        age += 1
        utility.copy_(decay * utility + (1 - decay) * a * _reach(params, layer, readers))
        mature = age > maturity
        pending += rate * mature.sum(dtype=pending.dtype)
        due = pending.floor()
        corrected = torch.where(mature, utility / (1 - decay**age), torch.inf)
        chosen[layer] = mature & (_rank(corrected) < due)
        utility.masked_fill_(chosen[layer], 0)
        age.masked_fill_(chosen[layer], 0)
        pending -= due
    recycle(params, state, chosen, fresh, readers)


# --- pruning -------------------------------------------------------------------------------


def neuron_masks(params: Params, chosen: Mapping[str, Tensor], readers: Readers) -> Masks:
    """{name: bool, True where kept}: the chosen neurons without incoming, bias and outgoing.

    Held with `apply_masks` after every step they prune dormant neurons (ReDo, Figure 6).
    """
    pruned = _either(_incoming(params, chosen), _outgoing(params, chosen, readers))
    return {name: ~mask for name, mask in pruned.items()}


@torch.no_grad()
def apply_masks(params: Params, masks: Params) -> None:
    """0 wherever a mask is False; after every optimizer step, which moves pruned weights again.

    A captured graph reads these very masks: copy new ones into them.
    """
    _alike("masks", masks, params, masks)
    for name, mask in masks.items():
        params[name].masked_fill_(~mask, 0)


def cubic_sparsity(step: float, start: float, end: float, final: float) -> float:
    """The share of weights pruned at `step`: from 0 at `start` to `final` at `end`, cubic."""
    _require(start < end, "end", end, f"a step after start = {start}")
    _number("step", step)
    _number("final", final, 0, 1)
    p = min(max((step - start) / (end - start), 0.0), 1.0)
    return final * (1 - (1 - p) ** 3)


def uniform_sparsity(params: Params, final: float) -> dict[str, float]:
    """The same share pruned of every tensor with more than one axis."""
    _number("final", final, 0, 1)
    return {name: final for name, value in params.items() if value.ndim > 1}


def erk_sparsity(params: Params, final: float) -> dict[str, float]:
    """Erdos-Renyi-Kernel (Evci et al. 2020): the share kept of a tensor is proportional to the
    sum of its axes over their product, and `final` is pruned of all tensors together.
    """
    _number("final", final, 0, 1)
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


@torch.no_grad()
def magnitude_masks(
    params: Params, sparsity: Mapping[str, float], masks: Params | None = None
) -> Masks:
    """{name: bool}: of each tensor of size n the max(1, round(n (1 - s))) largest abs are kept.

    Of equals the lower index is kept; with the `masks` of before the new ones are nested in them.
    """
    _alike("masks", masks or {}, params, masks or {})
    new = {}
    for name, share in sparsity.items():
        _require(name in params, "sparsity", name, f"one of {', '.join(params)}")
        _number(f"sparsity[{name!r}]", share, 0, 1)
        size = params[name].abs()
        if masks is not None:
            size.masked_fill_(~masks[name], -1)
        count = max(1, round(size.numel() * (1 - share)))
        new[name] = (_rank(-size.flatten()) < count).view_as(size)
    return new


# --- whole layers --------------------------------------------------------------------------


@torch.no_grad()
def reset(params: Params, state: State, fresh: Params, layers: Iterable[str]) -> None:
    """Reset (Nikishin et al. 2022): everything at or below the named layers := fresh.

    Every slot there is 0, count included. The caller does the target network's copy.
    """
    names = []
    for layer in layers:
        below = [name for name in params if name == layer or name.startswith(f"{layer}.")]
        _require(bool(below), "layers", layer, f"a layer or prefix of {', '.join(params)}")
        names += below
    _alike("fresh", fresh, params, names)
    for name in names:
        params[name].copy_(fresh[name])
        for values in state.values():
            if name in values:
                values[name].zero_()


@torch.no_grad()
def shrink_and_perturb(params: Params, fresh: Params, shrink: float, perturb: float) -> None:
    """shrink * params + perturb * fresh, for all parameters (Ash and Adams 2020)."""
    _number("shrink", shrink, 0, 1)
    _number("perturb", perturb, 0)
    _alike("fresh", fresh, params, params)
    for name, value in params.items():
        value.copy_(shrink * value + perturb * fresh[name])


def l2_init(params: Params, initial: Params, strength: float) -> Tensor:
    """The penalty strength * sum of squared distances from `initial` (Kumar et al. 2023)."""
    _number("strength", strength, 0)
    _alike("initial", initial, params, params)
    distance = [((value - initial[name]) ** 2).sum() for name, value in params.items()]
    return strength * functools.reduce(torch.add, distance)


def insert_layer_norm(
    module: nn.Module, optimizer: Optimizer | None, layers: Iterable[str], eps: float = 1e-6
) -> None:
    """LayerNorm after layers of a trained network (Neuron Dominance, 4.1.4): late LN.

    module: the `norm` of each layer must be an nn.Identity, as in fast/nets/layers.py; an
    nn.LayerNorm takes its place, and its scale 1 and offset 0 join the optimizer's group of the
    layer's bias, where they would be had they been there from the start: checkpoints then load
    into such a network. Their state starts at their first step. The network has another shape
    now: graphs captured before must be captured again, and the caller inserts into the target,
    with None for its optimizer.
    """
    params, found = dict(module.named_parameters()), {}
    for layer in layers:
        weight, holder = _weight(params, layer), module.get_submodule(layer)
        good = weight.ndim == 2 and isinstance(getattr(holder, "norm", None), nn.Identity)
        _require(good, "layers", layer, "dense layers whose norm is an nn.Identity")
        vector, groups = params.get(f"{layer}.bias", weight), []
        if optimizer is not None:
            groups = [g for g in optimizer.param_groups if any(p is vector for p in g["params"])]
            _require(bool(groups), "optimizer", layer, "the optimizer of these layers")
        found[layer] = weight, holder, groups[:1]
    for weight, holder, groups in found.values():
        new = nn.LayerNorm(len(weight), eps=eps, device=weight.device, dtype=weight.dtype)
        holder.norm = new.requires_grad_(weight.requires_grad)
        place = {parameter: i for i, parameter in enumerate(module.parameters())}
        for group in groups:
            for parameter in new.parameters():
                later = [place.get(p, -1) > place[parameter] for p in group["params"]]
                group["params"].insert([*later, True].index(True), parameter)


@torch.no_grad()
def scale_incoming(params: Params, layer: str, neuron: int | Tensor, factor: float) -> None:
    """Multiply one neuron's incoming weights, not its bias, by `factor`.

    `neuron` may be a tensor, such as `activation_score(h).argmax()`: nothing waits for it.
    """
    weight = _weight(params, layer)
    good = isinstance(neuron, Tensor) or neuron in range(len(weight))
    _require(good, "neuron", neuron, f"from 0 to {len(weight) - 1}")
    _number("factor", factor)
    row = torch.arange(len(weight), device=weight.device) == neuron
    ones = weight.new_ones(len(weight))
    weight.mul_(_column(ones.masked_fill_(row, factor), weight.ndim))


# --- where a neuron's weights are ----------------------------------------------------------


def _require(good: bool, field: str, value: object, accepted: str) -> None:
    if not good:
        raise InputError(field, value, f"accepted: {accepted}")


def _number(field: str, value: float, low: float = -math.inf, high: float = math.inf) -> None:
    """Refuse a number that is NaN or outside [low, high]."""
    _require(low <= value <= high, field, value, f"a number from {low} to {high}")


def _weight(params: Params, layer: str) -> Tensor:
    known = [name.removesuffix(".weight") for name in params if name.endswith(".weight")]
    _require(layer in known, "layer", layer, f"one of {', '.join(known)}")
    return params[f"{layer}.weight"]


def _reading(params: Params, layer: str, readers: Readers) -> list[tuple[str, int]]:
    """(name of the weight, span) of each reader of a layer."""
    count = len(_weight(params, layer))
    _require(layer in readers, "readers", sorted(readers), f"an entry for {layer!r}")
    for reader, span in readers[layer]:
        columns = _weight(params, reader).shape[1]
        good = span >= 1 and count * span <= columns
        accepted = f"a span from 1 to {columns // count}: {count} neurons, {columns} columns"
        _require(good, f"readers[{layer!r}]", Reader(reader, span), accepted)
    return [(f"{reader}.weight", span) for reader, span in readers[layer]]


def _owned(weight: Tensor, neurons: int, span: int) -> Tensor:
    """A view (outputs, neurons, span, ...) of the columns that a layer's neurons own."""
    return weight[:, : neurons * span].unflatten(1, (neurons, span))


def _column(values: Tensor, ndim: int) -> Tensor:
    """(N,) as (N, 1, ...), to broadcast along the first of `ndim` axes."""
    return values.reshape(-1, *(1,) * (ndim - 1))


def _incoming(params: Params, chosen: Mapping[str, Tensor]) -> Masks:
    """{name: bool}, True at the incoming weights and the biases of the chosen neurons."""
    found = {}
    for layer, mask in chosen.items():
        weight = _weight(params, layer)
        good = mask.dtype == torch.bool and mask.shape == weight.shape[:1]
        accepted = f"bool of shape {tuple(weight.shape[:1])}"
        _require(good, f"chosen[{layer!r}]", (mask.dtype, tuple(mask.shape)), accepted)
        found[f"{layer}.weight"] = _column(mask, weight.ndim).expand_as(weight)
        if f"{layer}.bias" in params:
            found[f"{layer}.bias"] = mask
    return found


def _outgoing(params: Params, chosen: Mapping[str, Tensor], readers: Readers) -> Masks:
    """{name: bool}, True at the outgoing weights of the chosen neurons."""
    found: Masks = {}
    for layer, mask in chosen.items():
        for name, span in _reading(params, layer, readers):
            where = torch.zeros_like(params[name], dtype=torch.bool)
            owned = _owned(where, len(mask), span)
            owned.copy_(_column(mask, owned.ndim - 1).expand_as(owned))
            found = _either(found, {name: where})
    return found


def _either(a: Masks, b: Masks) -> Masks:
    return a | {name: mask | a[name] if name in a else mask for name, mask in b.items()}


def _zero(state: State, masks: Masks, counts: Iterable[str] = ()) -> None:
    """0 at the masked entries of every slot that has its parameter's shape; a count has not.

    It is 0 for the parameters `counts`.
    """
    for name in state.get("count", {}).keys() & set(counts):
        state["count"][name].zero_()
    for values in state.values():
        for name in values.keys() & masks.keys():
            if values[name].shape == masks[name].shape:
                values[name].masked_fill_(masks[name], 0)


def _live_scale(drawn: Tensor, weight: Tensor, chosen: Tensor) -> Tensor:
    """What brings each drawn row to the mean norm of the rows of `weight` not chosen."""
    live, norm = (x.flatten(1).square().sum(1).sqrt() for x in (weight, drawn))
    mean = live.masked_fill(chosen, 0).sum() / (~chosen).sum()
    scale = torch.where(chosen.all() | (norm == 0), 1.0, mean / norm)
    return _column(scale, drawn.ndim)


def _alike(field: str, given: Params, params: Params, names: Iterable[str]) -> None:
    """Refuse tensors that lack one of `names` or have not the parameter's shape."""
    for name in names:
        _require(name in params, field, name, f"one of {', '.join(params)}")
        found = tuple(given[name].shape) if name in given else "missing"
        shape = tuple(params[name].shape)
        _require(found == shape, f"{field}[{name!r}]", found, f"a tensor of shape {shape}")
