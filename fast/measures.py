"""What a run records of every layer of neurons of any agent, from one batch and its losses."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from fast import scores
from fast.nets.layers import all_tapped, exact, layers


class Seen(NamedTuple):
    """A layer of N neurons on a batch; d stands for the gradient of the learner's loss.

    Of a layer that a loss calls several times, as a diffusion policy does, one pass behind another.
    """

    z: Tensor  # what the non-linearity receives, (batch, N) or (batch, N, height, width)
    h: Tensor  # what it returns
    dz: Tensor
    dh: Tensor
    weight: Tensor  # (N, ...)
    dweight: Tensor
    # The gradient of the mean of z over samples and neurons in place of the loss's, with respect to
    # the weights: OCP's eq. (17) and (18) as printed. None: it is not looked at.
    dmean: Tensor | None = None


class Agent(Protocol):
    """What is asked of an agent here."""

    learners: dict[str, Any]

    def loss(self, learner: str, batch: Any, draws: Any) -> Tensor: ...


# Of each layer; what is left of a set at the next look is recorded too.
SETS: dict[str, Callable[[Seen], Tensor]] = {
    "dormant_0": lambda seen: scores.dormant(seen.h, 0.0),
    "dormant_0.1": lambda seen: scores.dormant(seen.h, 0.1),
    "zero_gradient": lambda seen: scores.gradient_dormant(seen.dweight, 0.0),
    "low_gradient_0.01": lambda seen: scores.gradient_dormant(seen.dweight, 0.01),  # GraMa, A.1
}
CHANGES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "overlap": scores.overlap,
    "retention": scores.retention,
    "chance": scores.chance_overlap,
}


def _share(of: Callable[[Seen], Tensor], seen: Seen) -> Tensor:
    return of(seen).to(seen.h.dtype).mean()


def magi(seen: Seen) -> Tensor:
    """Of each neuron, (N,) (OCP, Definition 2): on the loss, or as printed, the same of all."""
    return scores.magi(seen.dweight if seen.dmean is None else seen.dmean)


def _lowest_quarters(seen: Seen) -> Tensor:
    """Of the quarter of least activation, the share in that of least gradient (GraMa, Figure 3)."""
    sizes = scores.mean_activation(seen.h), seen.dweight.flatten(1).abs().sum(1)
    quarter = -(-len(sizes[0]) // 4)  # of ties all
    return scores.overlap(*(size <= size.kthvalue(quarter).values for size in sizes)).to(seen.h)


# Of dense layers alone: the matrix of a convolution has a row for each position of each picture.
RANKS: dict[str, Callable[[Seen], Tensor]] = {
    "srank": lambda seen: scores.srank(seen.h),
    "effective_rank": lambda seen: scores.effective_rank(seen.h),
}
MEASURES: dict[str, Callable[[Seen], Tensor]] = {
    "largest_score": lambda seen: scores.largest_score(seen.h),
    "largest_share": lambda seen: scores.largest_share(seen.h),
    "largest_neuron": lambda seen: scores.largest_neuron(seen.h),
    "largest_activation": lambda seen: scores.mean_activation(seen.h).max(),
    **{name: partial(_share, of) for name, of in SETS.items()},
    "dormant_0.02": lambda seen: _share(lambda of: scores.dormant(of.h, 0.02), seen),  # GraMa's
    "lowest_quarters": _lowest_quarters,
    "dominant": lambda seen: scores.dominant(seen.h).to(seen.h.dtype).mean(),
    "saturated": lambda seen: scores.saturated(seen.z).to(seen.h.dtype).mean(),
    "zombie": lambda seen: scores.zombie(seen.z).to(seen.h.dtype).mean(),
    **RANKS,
    "magi_smallest": lambda seen: magi(seen).min(),
    "magi_largest": lambda seen: magi(seen).max(),
    "gradient_magnitude": lambda seen: scores.gradient_magnitude(seen.dweight),
    "weight_norm": lambda seen: scores.weight_norm(seen.weight),
}
# All that is recorded of a layer: a run that goes on has to have the same.
NAMES = (*MEASURES, *(f"{name}_{change}" for name in SETS for change in CHANGES))


def look(
    agent: Agent, learner: str, batch: Any, draws: Any, printed: bool = False
) -> dict[str, Seen]:
    """Every layer of one learner's network on a batch; it changes nothing.

    In the parameters' own precision, on the batch as it is: unaugmented.

    printed: with `dmean`, which takes a pass back from every layer.
    """
    module = agent.learners[learner].module
    networks = [n for x in agent.learners.values() for n in (x.module, x.slow) if n is not None]
    with exact(*networks), all_tapped(module) as taps:
        loss = agent.loss(learner, batch, draws)
        weights = {name: module.get_submodule(name).weight for name in taps}
        means = {name: torch.autograd.grad(_joined([z for z, _ in passes]).mean(), weights[name],
                                           retain_graph=True)[0]
                 for name, passes in taps.items() if printed}  # fmt: skip
        flat = [tensor for passes in taps.values() for pair in passes for tensor in pair]
        gradients = iter(torch.autograd.grad(loss, [*weights.values(), *flat]))
    dweights = {name: next(gradients) for name in weights}
    found = {}
    for name, passes in taps.items():
        each = [(z.detach(), h.detach(), next(gradients), next(gradients)) for z, h in passes]
        z, h, dz, dh = map(_joined, zip(*each, strict=True))
        weight = weights[name].detach()
        found[name] = Seen(z, h, dz, dh, weight, dweights[name], means.get(name))
    return found


def _joined(passes: Sequence[Tensor]) -> Tensor:
    return passes[0] if len(passes) == 1 else torch.cat(list(passes))


def measured(seen: Seen) -> dict[str, Tensor]:
    """Every measure of one layer, as scalars: NaN, each of them, where z or h is not finite.

    Of such a layer no share of its neurons is known: a NaN is neither above nor below a threshold.
    """
    dense = seen.h.ndim == 2
    finite = seen.z.isfinite().all() & seen.h.isfinite().all()
    whole = seen._replace(z=seen.z.nan_to_num(0, 0, 0), h=seen.h.nan_to_num(0, 0, 0))
    return {
        name: torch.where(finite, of(whole), torch.nan)
        for name, of in MEASURES.items()
        if dense or name not in RANKS
    }


def measure(
    agent: Agent,
    batch: Any,
    draws: Any,
    last: dict[str, Tensor] | None = None,
    printed: bool = False,
) -> dict[str, float]:
    """{"learner/layer/measure": value} of every layer; one wait for the device.

    last: the SETS of the look before, by name, to measure what has changed (at the first one
    they are empty); those of this look are put in their place. printed: as of `look`.
    """
    told: dict[str, Tensor] = {}
    for learner, held in agent.learners.items():
        found = look(agent, learner, batch, draws, printed) if layers(held.module) else {}
        for layer, seen in found.items():
            place = f"{learner}/{layer}"
            told |= {f"{place}/{name}": value for name, value in measured(seen).items()}
            if last is not None:
                for name, of in SETS.items():
                    now, key = of(seen), f"{place}/{name}"
                    before = last.get(key, torch.zeros_like(now))
                    for change, between in CHANGES.items():
                        told[f"{key}_{change}"] = between(now, before).to(seen.h)
                    last[key] = now
    return dict(zip(told, torch.stack(list(told.values())).tolist(), strict=True))
