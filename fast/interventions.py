"""What changes the critic of DrQ from outside its gradient, between two updates.

One function an intervention: it looks whether it is due after an update, acts on the agent in
place, and returns what to record, or None where it was not due. To add one: write it here, put it
into INTERVENTIONS, and its name and settings into `config.InterventionConfig`.

None acts after the last update: nothing could be learnt from it. The encoder, the actor and the
replay buffer are left alone by all of them, the target network by all but Reset and late LN.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fast import mitigations, nets, scores
from fast.agents.drq import HIDDEN, DrQ
from fast.config import InterventionConfig
from fast.replay import Batch

Record = dict[str, float]


@dataclass(frozen=True)
class Moment:
    """After which update of how many, and what an intervention may use."""

    update: int
    updates: int
    agent: DrQ
    sample: Callable[[int, torch.Generator], Batch]
    generator: torch.Generator  # of this moment and this intervention alone

    @property
    def settings(self) -> InterventionConfig:
        return self.agent.settings.intervention

    def due(self, interval: int) -> bool:
        return self.update % interval == 0 and self.update < self.updates

    def critic(self) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
        """The critic's parameters by name and the state of their Adam."""
        params = dict(self.agent.critic.named_parameters())
        return params, mitigations.optimizer_state(self.agent.critic_optimizer, params)

    def fresh(self) -> nn.Module:
        """A critic drawn as at the start of a run, on the agent's device."""
        new = copy.deepcopy(self.agent.critic).cpu()
        nets.initialise(new, self.agent.settings.net.initialisation, self.generator)
        return new.to(self.agent.device)


def reset(now: Moment) -> Record | None:
    """Trunk and heads of the critic drawn anew, their Adam too (Nikishin et al. 2022; B.2).

    The target's trunk and heads become the critic's; both encoders are kept.
    """
    if not now.due(now.settings.reset_interval):
        return None
    layers = ("trunk", "heads")
    params, state = now.critic()
    mitigations.reset(params, state, dict(now.fresh().named_parameters()), layers)
    now.agent.hold_masks()  # before the copy: the target is the critic, pruned where that is
    with torch.no_grad():
        for layer in layers:
            old, new = getattr(now.agent.target, layer), getattr(now.agent.critic, layer)
            old.load_state_dict(new.state_dict())
    return {"parameters": sum(v.numel() for k, v in params.items() if k.startswith(layers))}


def redo(now: Moment) -> Record | None:
    """The tau-dormant neurons of both hidden layers of both heads drawn anew (ReDo; B.2)."""
    settings = now.settings
    if not now.due(settings.redo_interval):
        return None
    agent, (params, state) = now.agent, now.critic()
    batch = now.sample(settings.redo_batch, now.generator)
    taps: nets.Taps = {}
    with torch.no_grad():
        agent.critic(agent.critic.encoder(batch.obs, exact=True), batch.action, taps)
    hidden = dict(zip(HIDDEN, taps.values(), strict=True))
    dormant = {layer: scores.dormant(h, settings.redo_tau) for layer, (_, h) in hidden.items()}

    fresh = now.fresh()
    if settings.redo_initialisation == "xavier":
        for layer in HIDDEN:
            weight = torch.empty_like(fresh.get_submodule(layer).weight, device="cpu")
            nn.init.xavier_uniform_(weight, generator=now.generator)
            fresh.get_submodule(layer).weight.data.copy_(weight)
    readers: dict[str, tuple[mitigations.Reader, ...]] = {}
    for head in ("heads.0", "heads.1"):
        readers |= mitigations.chain(params, [f"{head}.{n}" for n in ("dense0", "dense1", "final")])
    if not settings.redo_second_head_moments:
        first = {slot: {k: v for k, v in values.items() if not k.startswith("heads.1.")}
                 for slot, values in state.items()}  # fmt: skip
        state = first
    mitigations.recycle(params, state, dormant, dict(fresh.named_parameters()), readers)
    names = {layer: layer.replace("heads.", "critic").replace(".", "/") for layer in HIDDEN}
    return {names[layer]: mask.sum().item() for layer, mask in dormant.items()}


def pruning(now: Moment) -> Record | None:
    """Gradual magnitude pruning of the critic's trunk and heads, not of biases (B.2).

    The smallest weights are masked; the agent holds them at 0 after every step of its optimizer.
    """
    settings, updates = now.settings, now.updates
    start, end = settings.pruning_start * updates, settings.pruning_end * updates
    done = now.update - settings.pruning_interval >= end  # at the event before
    if not now.due(settings.pruning_interval) or now.update < start or done:
        return None
    agent, (params, _) = now.agent, now.critic()
    prunable = {k: v for k, v in params.items() if not k.startswith("encoder.") and v.ndim > 1}
    erk = settings.pruning_distribution == "erk"
    distribution = mitigations.erk_sparsity if erk else mitigations.uniform_sparsity
    final = distribution(prunable, settings.pruning_sparsity)
    progress = mitigations.cubic_sparsity(now.update, start, end, 1.0)
    sparsity = {name: progress * share for name, share in final.items()}
    agent.masks = mitigations.magnitude_masks(prunable, sparsity, agent.masks or None)
    agent.hold_masks()
    kept = sum(mask.sum() for mask in agent.masks.values()).item()
    return {"sparsity": 1 - kept / sum(mask.numel() for mask in agent.masks.values())}


def late_norm(now: Moment) -> Record | None:
    """LayerNorm in the critic's and the target's hidden layers from here on (4.1.4)."""
    if now.update != int(now.settings.late_norm_at * now.updates) or now.update == now.updates:
        return None
    now.agent.insert_layer_norm()
    return {"layers": len(HIDDEN)}


# In this order where several are due.
INTERVENTIONS: dict[str, Callable[[Moment], Record | None]] = {
    "reset": reset,
    "redo": redo,
    "pruning": pruning,
    "late_norm": late_norm,
}
