"""DrQ: soft actor-critic from pixels, regularised by random shifts.

The default settings are jaxrl's, which Neuron Dominance uses (Appendix B.2); with K = M = 2 and
the periods of `drq-original` it is the original DrQ (Kostrikov, Yarats and Fergus, 2021).
One update, in this order:

1. shift the observations M times and the next observations K times;
2. critic: one Adam step on encoder, trunk and both heads towards
   y = r + gamma * mask * mean over K of (min Q'(o', a') - alpha log pi(a' | o')),
   where a' comes from the actor on the encoder as it was before this step;
3. target: Q' moves towards the NEW critic, all parameters;
4. actor: one Adam step on its own trunk and head; it and the critic read the NEW encoder on the
   same pictures, whose output is computed once;
5. temperature: one Adam step, on the entropy of step 4.

alpha in 2 and 4 is the one before 5. Every random number is an argument (`Draws`). In jaxrl the
actor has a copy of the encoder, drawn apart and replaced after each step of the critic: but for
a' in the very first update that is the encoder shared here.
"""

import copy
from typing import NamedTuple

import torch
from torch import Tensor

from fast import losses, mitigations, nets, scores
from fast.config import AgentConfig, Config
from fast.replay import Batch


class Draws(NamedTuple):
    """The random numbers of one update."""

    obs_shift: Tensor  # (M, batch, 2) integers in [0, 2 * pad]: vertical, horizontal
    next_obs_shift: Tensor  # (K, batch, 2)
    next_noise: Tensor  # (K, batch, actions) standard normal, for a'
    noise: Tensor  # (batch, actions) standard normal, for the actor's step

    @classmethod
    def make(
        cls, config: AgentConfig, batch: int, actions: int, generator: torch.Generator
    ) -> "Draws":
        k, m = config.target_augmentations, config.critic_augmentations
        shifts = torch.randint(2 * config.pad + 1, (m + k, batch, 2), generator=generator)
        noise = torch.randn((k + 1, batch, actions), generator=generator)
        return cls(shifts[:m], shifts[m:], noise[:k], noise[k])

    def to(self, device: torch.device) -> "Draws":
        return Draws(*(draw.to(device, non_blocking=True) for draw in self))


def random_shift(obs: Tensor, shift: Tensor, pad: int) -> Tensor:
    """Pad by repeating the edge, then crop: a gather, exact on uint8.

    obs: (batch, channels, height, width). shift: (batch, 2) in [0, 2 * pad]; (pad, pad) is the
    identity, and all channels of a picture move together.
    """
    batch, channels, height, width = obs.shape
    device = obs.device
    rows = (torch.arange(height, device=device) + shift[:, :1] - pad).clamp(0, height - 1)
    columns = (torch.arange(width, device=device) + shift[:, 1:] - pad).clamp(0, width - 1)
    source = (rows[:, :, None] * width + columns[:, None, :]).reshape(batch, 1, -1)
    return obs.flatten(2).gather(2, source.expand(-1, channels, -1)).view_as(obs)


HIDDEN = [f"heads.{head}.dense{layer}" for head in (0, 1) for layer in (0, 1)]  # of the critic


class DrQ:
    """Networks, optimizers and the update. Observations are uint8, actions in [-1, 1]."""

    def __init__(self, config: Config, obs_channels: int, actions: int, generator: torch.Generator):
        agent = config.agent
        self.config, self.actions, self.settings = agent, actions, config
        self.masks: mitigations.Masks = {}  # of pruned parameters of the critic, by their names
        self.device = torch.device(config.device)
        with torch.random.fork_rng(devices=[]):  # torch's own initial draws are thrown away
            self.critic = nets.Critic(obs_channels, actions, config)
            self.target = nets.Critic(obs_channels, actions, config)
            self.actor = nets.Actor(actions, config)
        nets.initialise(self.critic, config.net.initialisation, generator)
        nets.initialise(self.actor, config.net.initialisation, generator)
        self.target.load_state_dict(self.critic.state_dict())
        self.target.requires_grad_(False)
        for module in (self.critic, self.target, self.actor):
            module.to(self.device)
        start = torch.tensor(agent.initial_temperature, device=self.device).log()
        self.log_temperature = start.requires_grad_()

        kernels = [p for p in self.critic.parameters() if p.ndim > 1]
        vectors = [p for p in self.critic.parameters() if p.ndim == 1]  # biases, LayerNorm
        groups = [
            {"params": kernels, "weight_decay": agent.weight_decay},
            {"params": vectors, "weight_decay": agent.weight_decay * agent.decay_biases},
        ]
        # AdamW with decay 0 is Adam; the decay is decoupled: w -= learning_rate * decay * w.
        adam = {"betas": agent.betas, "eps": agent.adam_eps, "fused": True, "weight_decay": 0.0}
        rate, temperature_rate = agent.learning_rate, agent.temperature_learning_rate
        self.critic_optimizer = torch.optim.AdamW(groups, rate, **adam)
        self.actor_optimizer = torch.optim.AdamW(self.actor.parameters(), rate, **adam)
        self.temperature_optimizer = torch.optim.AdamW(
            [self.log_temperature], temperature_rate, **adam
        )

    @property
    def temperature(self) -> Tensor:
        """alpha, without gradient."""
        return self.log_temperature.detach().exp()

    @torch.no_grad()
    def act(self, obs: Tensor, noise: Tensor | None = None) -> Tensor:
        """Actions (batch, actions) for uint8 observations; without noise, tanh of the mean."""
        mean, log_std = self.actor(self.critic.encoder(obs))
        if noise is None:
            return torch.tanh(mean)
        return nets.squashed_sample(mean, log_std, noise)[0]

    def update(self, batch: Batch, draws: Draws, count: int) -> dict[str, Tensor]:
        """The `count`-th update (from 1); returns scalars of it, still on the device."""
        pad = self.config.pad
        obs = torch.cat([random_shift(batch.obs, s, pad) for s in draws.obs_shift])
        next_obs = [random_shift(batch.next_obs, s, pad) for s in draws.next_obs_shift]

        target = self.target_value(batch, next_obs, draws.next_noise)
        info = self.step_critic(obs, batch.action, target)
        if (count - 1) % self.config.target_period == 0:  # the first one does all
            self.step_target()
        if (count - 1) % self.config.actor_period == 0:
            info |= self.step_actor_and_temperature(obs[: len(batch.obs)], draws.noise)
        return info

    @torch.no_grad()
    def target_value(
        self, batch: Batch, next_obs: list[Tensor], noise: Tensor, exact: bool = False
    ) -> Tensor:
        """y (batch,): reward plus discounted soft value, averaged over the K augmentations."""
        values = []
        for o, n in zip(next_obs, noise, strict=True):
            mean_log_std = self.actor(self.critic.encoder(o, exact))
            next_action, log_prob = nets.squashed_sample(*mean_log_std, n)
            q = self.target(self.target.encoder(o, exact), next_action)
            bonus = self.temperature * log_prob if self.settings.loss.entropy_in_target else 0
            values.append(torch.minimum(*q) - bonus)
        return batch.reward + self.config.discount * batch.mask * torch.stack(values).mean(0)

    def critic_loss(self, outputs: Tensor, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum over heads and augmentations of the batch's mean loss, for targets (batch,).

        outputs: (2, M * batch, 1) under MSE; under HL-Gauss logits (2, M * batch, bins), whose
        cross-entropy is taken with the histogram of each target. What there is to record of it:
        `clipped`, the share of targets outside the histograms.
        """
        loss = self.settings.loss
        if loss.kind == "mse":
            each, info = (outputs.view(2, -1, len(target)) - target).square(), {}
        else:
            label, clipped = losses.hl_gauss(target, self.critic.edges, loss.sigma)
            logits = outputs.view(2, -1, *label.shape)
            each, info = -(logits.log_softmax(3) * label).sum(3), {"clipped": clipped}
        return each.mean(2).sum(), info

    def step_critic(self, obs: Tensor, action: Tensor, target: Tensor) -> dict[str, Tensor]:
        augmentations = len(obs) // len(action)
        outputs = self.critic.outputs(self.critic.encoder(obs), action.repeat(augmentations, 1))
        loss, info = self.critic_loss(outputs, target)
        self.critic_optimizer.zero_grad()
        loss.backward()
        self.critic_optimizer.step()
        self.hold_masks()
        value = self.critic.value(outputs.detach()).mean()
        return {"critic_loss": loss.detach(), "value": value, "target": target.mean()} | info

    def hold_masks(self) -> None:
        """Pruned weights of the critic are 0, also after a step of its optimizer."""
        if self.masks:
            mitigations.apply_masks(dict(self.critic.named_parameters()), self.masks)

    def insert_layer_norm(self) -> None:
        """LayerNorm in the hidden layers of critic and target from now on: late LN (4.1.4)."""
        eps = self.settings.net.layer_norm_eps
        mitigations.insert_layer_norm(self.critic, self.critic_optimizer, HIDDEN, eps)
        mitigations.insert_layer_norm(self.target, None, HIDDEN, eps)

    @torch.no_grad()
    def step_target(self) -> None:
        """Q' := (1 - tau) Q' + tau Q, all parameters."""
        old, new = list(self.target.parameters()), list(self.critic.parameters())
        torch._foreach_lerp_(old, new, self.config.averaging_rate)

    def actor_loss(self, features: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, nets.Taps]:
        """alpha log pi - min Q, its entropy estimate and the actor's hidden layers."""
        taps: nets.Taps = {}
        action, log_prob = nets.squashed_sample(*self.actor(features, taps), noise)
        q = torch.minimum(*self.critic(features, action))  # at a tie, half of the gradient each
        return (self.temperature * log_prob - q).mean(), -log_prob.detach().mean(), taps

    def step_actor_and_temperature(self, obs: Tensor, noise: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            features = self.critic.encoder(obs)
        loss, entropy, _ = self.actor_loss(features, noise)
        self.actor_optimizer.zero_grad()
        loss.backward(inputs=list(self.actor.parameters()))  # not into the critic
        self.actor_optimizer.step()

        target_entropy = self.config.target_entropy_per_action * self.actions
        temperature_loss = self.log_temperature.exp() * (entropy - target_entropy)
        self.temperature_optimizer.zero_grad()
        temperature_loss.backward()
        self.temperature_optimizer.step()
        return {"actor_loss": loss.detach(), "entropy": entropy, "temperature": self.temperature}

    def score(self, batch: Batch, draws: Draws) -> dict[str, float]:
        """Scores of every hidden layer of both critic heads and the actor, as "layer/score".

        On unaugmented observations, in the parameters' own precision; it changes nothing.
        """
        with torch.backends.cudnn.flags(allow_tf32=False):
            return self._score(batch, draws)

    def _score(self, batch: Batch, draws: Draws) -> dict[str, float]:
        with torch.no_grad():
            features = self.critic.encoder(batch.obs, exact=True)
        target = self.target_value(batch, [batch.next_obs], draws.next_noise[:1], exact=True)
        critic_taps: nets.Taps = {}
        outputs = self.critic.outputs(features, batch.action, critic_taps)
        actor_loss, _, actor_taps = self.actor_loss(features, draws.noise)

        modules = {f"critic{i}": head for i, head in enumerate(self.critic.heads)}
        modules["actor"] = self.actor.head
        result = {}
        critic_loss, _ = self.critic_loss(outputs, target)
        losses = (critic_loss, critic_taps), (actor_loss, actor_taps)
        for loss, taps in losses:
            names = [name.split("/") for name in taps]
            weights = [modules[network].get_submodule(layer).weight for network, layer in names]
            gradients = torch.autograd.grad(loss, weights)
            for (name, (z, h)), gradient in zip(taps.items(), gradients, strict=True):
                layer = scores.layer_scores(z.detach(), h.detach(), gradient)
                result |= {f"{name}/{score}": value for score, value in layer.items()}
        values = torch.stack(list(result.values())).tolist()  # the one wait for the device
        return dict(zip(result, values, strict=True))

    def state_dict(self) -> dict:
        return {
            "masks": dict(self.masks),
            "critic": self.critic.state_dict(),
            "target": self.target.state_dict(),
            "actor": self.actor.state_dict(),
            "log_temperature": self.log_temperature.detach(),
            "critic_optimizer": self.critic_optimizer.state_dict(),
            "actor_optimizer": self.actor_optimizer.state_dict(),
            "temperature_optimizer": self.temperature_optimizer.state_dict(),
        }

    @torch.no_grad()
    def load_state_dict(self, state: dict) -> None:
        state = copy.deepcopy(state)  # torch's optimizers would share the moments with their source
        self.masks = {name: mask.to(self.device) for name, mask in state["masks"].items()}
        late = "late_norm" in self.settings.intervention.names
        if late and state["critic"].keys() > self.critic.state_dict().keys():
            self.insert_layer_norm()  # as it had been when this was saved
        self.critic.load_state_dict(state["critic"])
        self.target.load_state_dict(state["target"])
        self.actor.load_state_dict(state["actor"])
        self.log_temperature.copy_(state["log_temperature"])
        self.critic_optimizer.load_state_dict(state["critic_optimizer"])
        self.actor_optimizer.load_state_dict(state["actor_optimizer"])
        self.temperature_optimizer.load_state_dict(state["temperature_optimizer"])
