"""What changes a learner from outside its gradient, between two updates; of any agent.

One function an intervention: it looks whether it is due after an update, acts on the learner in
place, and returns what to record, or None where it was not due. To add one: write it here, put it
into INTERVENTIONS, and its name and settings into `config.InterventionConfig`.

None acts after the last update: nothing could be learnt from it. What is in front of a learner's
`body` and the replay buffer are left alone by all of them, the target network by all but Reset and
late LN.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from fast import mitigations, scores
from fast.agents.learner import Learner
from fast.config import InterventionConfig
from fast.measures import Seen

Record = dict[str, float]


@dataclass(frozen=True)
class Moment:
    """After which update of how many, and what an intervention may use."""

    update: int
    updates: int
    learner: Learner
    settings: InterventionConfig
    look: Callable[[int], dict[str, Seen]]  # the learner's layers on so many replayed observations
    generator: torch.Generator  # of this moment and this intervention alone

    def due(self, interval: int) -> bool:
        return self.update % interval == 0 and self.update < self.updates


def reset(now: Moment) -> Record | None:
    """The learner's body drawn anew, its Adam too (Nikishin et al. 2022; B.2).

    The target's body becomes the learner's; what is in front of it, the encoder, is kept in both.
    """
    if not now.due(now.settings.reset_interval):
        return None
    learner = now.learner
    params = learner.params
    fresh = dict(learner.fresh(now.generator).named_parameters())
    mitigations.reset(params, learner.state, fresh, learner.body)
    learner.hold()  # before the copy: the target is the learner, pruned where that is
    if learner.slow is not None:
        for part in learner.body:
            new = learner.module.get_submodule(part).state_dict()
            learner.slow.get_submodule(part).load_state_dict(new)
    return {"parameters": sum(v.numel() for k, v in params.items() if _within(k, learner.body))}


def redo(now: Moment) -> Record | None:
    """The tau-dormant neurons of every layer that has readers drawn anew (ReDo; B.2)."""
    settings, learner = now.settings, now.learner
    if not now.due(settings.redo_interval):
        return None
    seen = now.look(settings.redo_batch)
    dormant = {name: scores.dormant(seen[name].h, settings.redo_tau) for name in learner.readers}
    params, fresh = learner.params, dict(learner.fresh(now.generator).named_parameters())
    if settings.redo_initialisation == "xavier":
        weights = {name: params[f"{name}.weight"] for name in learner.readers}
        noise = {name: 2 * torch.rand(weight.shape, generator=now.generator) - 1
                 for name, weight in weights.items()}  # fmt: skip
        noise = {name: drawn.to(weights[name].device) for name, drawn in noise.items()}
        fresh |= mitigations.xavier_uniform(params, noise)
    state = learner.state
    if not settings.redo_second_head_moments:
        state = {
            slot: {k: v for k, v in values.items() if not k.startswith("heads.1.")}
            for slot, values in state.items()
        }
    how = {"bias_moments": settings.redo_bias_moments, "step_count": settings.redo_step_count}
    mitigations.recycle(params, state, dormant, fresh, learner.readers, **how)
    return {name: mask.sum().item() for name, mask in dormant.items()}


def pruning(now: Moment) -> Record | None:
    """Gradual magnitude pruning of the kernels of the learner's body, not of biases (B.2).

    The smallest weights are masked; the learner holds them at 0 after every step of its optimizer.
    """
    settings, updates, learner = now.settings, now.updates, now.learner
    start, end = settings.pruning_start * updates, settings.pruning_end * updates
    done = now.update - settings.pruning_interval >= end  # at the event before
    if not now.due(settings.pruning_interval) or now.update < start or done:
        return None
    params = learner.params
    prunable = {k: v for k, v in params.items() if _within(k, learner.body) and v.ndim > 1}
    erk = settings.pruning_distribution == "erk"
    distribution = mitigations.erk_sparsity if erk else mitigations.uniform_sparsity
    final = distribution(prunable, settings.pruning_sparsity)
    progress = mitigations.cubic_sparsity(now.update, start, end, 1.0)
    sparsity = {name: progress * share for name, share in final.items()}
    learner.masks = mitigations.magnitude_masks(prunable, sparsity, learner.masks or None)
    learner.hold()
    kept = sum(mask.sum() for mask in learner.masks.values()).item()
    return {"sparsity": 1 - kept / sum(mask.numel() for mask in learner.masks.values())}


def late_norm(now: Moment) -> Record | None:
    """LayerNorm in the layers that have readers, of the target too, from here on (4.1.4)."""
    if now.update != int(now.settings.late_norm_at * now.updates) or now.update == now.updates:
        return None
    now.learner.insert_norm(now.learner.readers)
    return {"layers": len(now.learner.readers)}


def _within(name: str, parts: tuple[str, ...]) -> bool:
    """Whether a parameter belongs to one of the parts of its network."""
    return any(name == part or name.startswith(f"{part}.") for part in parts)


# In this order where several are due.
INTERVENTIONS: dict[str, Callable[[Moment], Record | None]] = {
    "reset": reset,
    "redo": redo,
    "pruning": pruning,
    "late_norm": late_norm,
}
