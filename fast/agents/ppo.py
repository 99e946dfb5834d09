"""Proximal policy optimisation from states (Schulman et al. 2017), with activations and without:
the agent of OCP (Rethinking Plasticity in Deep Reinforcement Learning), its Figures 1, 4 and 6.

A rollout is learnt from in some epochs of minibatches. Before them, with the networks as they are:

1. the old log-probabilities log pi_old(a | o) and values V_old(o);
2. advantages A by generalised advantage estimation, and targets R = A + V_old.

An update is one minibatch:

3. critic: value_weight / 2 times the mean of max((V - R)^2, (V_old + clip(V - V_old) - R)^2), with
   the clip to +- c;
4. actor: less the mean of min(rho A, clip(rho) A), rho = pi(a | o) / pi_old(a | o), with the clip
   to 1 +- c and the advantages normalised over the minibatch;
5. the gradient of both together, cut to its largest norm, and one Adam step of each, at a rate that
   falls from rollout to rollout, linearly to 0 at the end of the run.

pi is a normal, whose mean the actor's network tells and whose deviation depends on no state. Its
density is that of the action as drawn; the environment has it clipped to [-1, 1].
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Literal, TypedDict

import torch
from torch import Generator, Tensor, nn

from fast import losses
from fast.agents.learner import Learner, adam
from fast.agents.sac import Activations
from fast.errors import InputError
from fast.experience.rollout import Batch, Moments, Steps
from fast.nets.layers import ACTIVATIONS, MLP, Activation, Norm, initialise, layer_norm, orthogonal
from fast.rules import Beta, Few, NonNegative, Positive, Share, Size, Widths, settings, unusual


@settings
class PPOSettings:
    """The defaults are OCP's (its Appendix B), where it is silent those of CleanRL's
    ppo_continuous_action, whose minibatches and epochs it has."""

    kind: Literal["ppo"] = "ppo"
    rollout_steps: Size = 2048  # CleanRL
    batch_size: Size = 64  # 32 minibatches (Appendix B)
    epochs: Few = 10  # Appendix B
    discount: Share = 0.99  # Appendix B
    trace: Share = 0.95  # lambda; CleanRL (the value is lost from our text of Appendix B)
    # What follows the last step of an episode that ran out of time: the value of its last
    # observation, or nothing, as after a terminal state (CleanRL).
    time_limits: Literal["bootstrap", "terminal"] = "bootstrap"
    hidden: Widths = (64, 64)  # of critic and actor, apart (CleanRL)
    activation: Activations = "relu"  # of both: Figure 1; CleanRL has tanh
    normalisation: Literal["none", "layer_norm"] = "none"  # before the critic's non-linearities
    layer_norm_eps: Positive = 1e-5  # torch's
    learning_rate: Positive = 3e-4  # CleanRL (lost from Appendix B)
    anneal: bool = True  # Appendix B
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    adam_eps: Positive = 1e-5  # CleanRL
    weight_decay: NonNegative = 0.0  # on both; CleanRL (Appendix B has some, its value is lost)
    decay_in_loss: bool = False  # as L2, through Adam; False: decoupled
    decay_biases: bool = False  # whether the decay includes biases and LayerNorm parameters
    clip: Positive = 0.2  # c, of ratio and value (Appendix B)
    clip_value: bool = True  # CleanRL
    value_weight: Positive = 0.5  # Appendix B
    entropy_weight: NonNegative = 0.0  # CleanRL
    most_gradient: Positive = 0.5  # norm (Appendix B)

    first_update: ClassVar[int] = 1

    @property
    def updates_per_step(self) -> float:
        return self.epochs / self.batch_size

    @property
    def replay_capacity(self) -> int:
        """Steps that it learns from."""
        return self.rollout_steps

    def require(self, shape: Sequence[int]) -> None:
        """Refuse what these settings cannot be, together.

        Raises:
            InputError: naming the setting.
        """
        if self.batch_size < 2 or self.rollout_steps % self.batch_size:
            reason = f"accepted: 2 or more, and a divisor of the {self.rollout_steps} rollout steps"
            raise InputError("--agent.batch-size", self.batch_size, reason)

    def told(self) -> list[str]:
        """What of it is not plain PPO, for the line that announces a run."""
        return unusual(self, "activation", "normalisation", "time_limits", "hidden")


def _run(rollouts: int, look: int, updates: int = 320) -> dict[str, int]:
    """So many rollouts, and every `look` of them scores, an evaluation and a checkpoint."""
    return {
        "updates": rollouts * updates,
        "evaluation_interval": look * 2048,
        "score_interval": look * updates,  # at the first minibatch of a rollout: the ratio is 1
        "score_batch": 2048,
        "log_interval": look * updates,
        "checkpoint_interval": look * 2048,
    }


# What a preset changes of the defaults, which are `paper`.
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {"run": _run(9765, 50)},  # 20 million steps (Appendix B), as CleanRL counts rollouts
    # A core and a quarter of an hour: a million steps. Ours.
    "laptop": {"run": _run(500, 10) | {"evaluation_episodes": 3}},
    # Seconds: for the tests. All of it is ours.
    "tiny": {
        "agent": {"rollout_steps": 64, "batch_size": 16, "epochs": 2, "hidden": (16, 16)},
        "run": {
            "updates": 160,
            "evaluation_interval": 640,
            "evaluation_episodes": 1,
            "score_interval": 40,
            "score_batch": 32,
            "log_interval": 40,
            "checkpoint_interval": 1,
        },
    },
}


# --- networks -------------------------------------------------------------------------------


class Critic(nn.Module):
    """The value (batch,) of normalised observations."""

    def __init__(self, inputs: int, hidden: Widths, activation: Activation, norm: Norm | None):
        super().__init__()
        self.head = MLP(inputs, hidden, 1, activation, norm)

    def forward(self, obs: Tensor) -> Tensor:
        return self.head(obs).squeeze(1)


class Actor(nn.Module):
    """Mean (batch, actions) and log standard deviation (actions,) of a normal, of normalised
    observations; and what they are normalised by."""

    def __init__(self, inputs: int, hidden: Widths, actions: int, activation: Activation):
        super().__init__()
        self.seen = Moments((inputs,))
        self.head = MLP(inputs, hidden, actions, activation)
        self.log_std = nn.Parameter(torch.zeros(actions))

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        return self.head(obs), self.log_std


@torch.no_grad()
def draw(module: nn.Module, generator: Generator, last: float) -> None:
    """Orthogonal kernels with gain sqrt 2, the last one with `last`; deviations 1 (CleanRL)."""
    initialise(module, generator, orthogonal(), {"head.final": orthogonal(last)})
    if isinstance(module, Actor):
        module.log_std.zero_()


# --- the equations --------------------------------------------------------------------------


def log_density(mean: Tensor, log_std: Tensor, action: Tensor) -> Tensor:
    """Of a normal at (batch, actions), with independent actions; (batch,)."""
    z = (action - mean) / log_std.exp()
    return (-0.5 * z.square() - log_std - 0.5 * math.log(2 * math.pi)).sum(1)


def normalised(advantage: Tensor) -> Tensor:
    """To mean 0 and deviation 1 over the batch (batch,), with n - 1 and + 1e-8 as CleanRL has it"""
    return (advantage - advantage.mean()) / (advantage.std() + 1e-8)


def surrogate(ratio: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """The mean of min(rho A, clip(rho, 1 - c, 1 + c) A), of (batch,) each.

    A ratio that is moved beyond the clip in the advantage's direction gets no gradient; at
    1 +- c itself it gets all of it.
    """
    cut = ratio.clamp(1 - clip, 1 + clip)
    return torch.minimum(ratio * advantage, cut * advantage).mean()


def value_loss(value: Tensor, old: Tensor, target: Tensor, clip: float | None) -> Tensor:
    """Half of the mean of max((V - R)^2, (V_old + clip(V - V_old, -c, c) - R)^2), of (batch,) each;
    without a clip of (V - R)^2."""
    assert value.shape == old.shape == target.shape
    error = (value - target).square()
    if clip is not None:
        cut = old + (value - old).clamp(-clip, clip)
        error = torch.maximum(error, (cut - target).square())
    return 0.5 * error.mean()


class Networks(TypedDict):
    """Of every learner."""

    critic: Critic
    actor: Actor


def networks(settings: PPOSettings, shape: Sequence[int], actions: int) -> Networks:
    """Of every learner; shape: of what the agent sees, (inputs,)."""
    s, (inputs,) = settings, shape
    norm = layer_norm(s.layer_norm_eps) if s.normalisation == "layer_norm" else None
    activation = ACTIVATIONS[s.activation]
    return {
        "critic": Critic(inputs, s.hidden, activation, norm),
        "actor": Actor(inputs, s.hidden, actions, activation),
    }


class PPO:
    """Observations are float vectors, actions in [-1, 1]."""

    pieces = ("loss",)

    def __init__(self, settings: PPOSettings, shape: Sequence[int], actions: int,
                 generator: Generator, device: torch.device | str = "cpu"):  # fmt: skip
        s = settings
        self.settings, self.actions, self.device = s, actions, torch.device(device)
        with torch.random.fork_rng(devices=[]):  # torch's own initial draws are thrown away
            made = networks(s, shape, actions)
        how = adam(s, device) | {"rate": s.learning_rate}
        self.critic = Learner(made["critic"], partial(draw, last=1.0), generator, **how)
        self.actor = Learner(made["actor"], partial(draw, last=0.01), generator,
                             body=("head", "log_std"), **how)  # fmt: skip
        self.learners: dict[str, Learner[nn.Module]] = {"critic": self.critic, "actor": self.actor}

    # --- playing ------------------------------------------------------------------------------

    def observe(self, obs: Tensor) -> Tensor:
        """One observation of training (inputs,), which is then counted in, normalised."""
        seen, obs = self.actor.module.seen, obs.to(self.device)
        seen.add(obs)
        return seen.normalised(obs)

    @torch.no_grad()
    def explore(self, obs: Tensor, generator: Generator) -> Tensor:
        """Actions (batch, actions) as drawn, at normalised observations."""
        mean, log_std = self.actor.module(obs)
        noise = torch.randn(mean.shape, generator=generator).to(mean)
        return mean + log_std.exp() * noise

    @torch.no_grad()
    def act(self, obs: Tensor, generator: Generator | None = None) -> Tensor:
        """Actions (batch, actions) in [-1, 1]; without a generator, the mean."""
        obs = self.actor.module.seen.normalised(obs)
        action = self.explore(obs, generator) if generator else self.actor.module(obs)[0]
        return action.clamp(-1, 1)

    # --- learning -----------------------------------------------------------------------------

    @torch.no_grad()
    def prepare(self, steps: Steps, left: float) -> Batch:
        """A rollout with all that its epochs keep fixed; `left`: the share of the run."""
        s, steps = self.settings, Steps(*(x.to(self.device) for x in steps))
        ended = steps.over if s.time_limits == "terminal" else steps.terminated
        value, next_value = (self.critic.module(x) for x in (steps.obs, steps.next_obs))
        discount = s.discount * (~ended).to(value)
        reward = steps.reward.to(value)
        advantage = losses.gae(reward, discount, value, next_value, steps.over, s.trace)
        mean, log_std = self.actor.module(steps.obs)
        log_prob = log_density(mean, log_std, steps.action)
        return Batch(
            steps.obs, steps.action, log_prob, value, advantage, advantage + value, left
        )  # fmt: skip

    def draws(self, batch: int, generator: Generator) -> None:
        """An update draws nothing."""

    def update(self, batch: Batch, draws: None, count: int) -> dict[str, Tensor]:
        """The `count`-th update (from 1); returns scalars of it, still on the device."""
        s, (critic, actor) = self.settings, (self.critic, self.actor)
        critic_loss, actor_loss = (self.loss(name, batch, draws) for name in self.learners)
        critic.backward(critic_loss)
        actor.backward(actor_loss)
        both = critic.learned + actor.learned
        norm = nn.utils.clip_grad_norm_(both, s.most_gradient)
        for held in (critic, actor):
            held.descend(batch.left if s.anneal else 1.0)
        return {
            "critic_loss": critic_loss.detach(),
            "actor_loss": actor_loss.detach(),
            "gradient_norm": norm,
            "deviation": actor.module.log_std.detach().exp().mean(),
            "target": batch.target.mean(),
        }

    def loss(self, learner: str, batch: Batch, draws: None) -> Tensor:
        """What critic or actor descend on a batch."""
        s = self.settings
        if learner == "critic":
            clip = s.clip if s.clip_value else None
            value = self.critic.module(batch.obs)
            return s.value_weight * value_loss(value, batch.value, batch.target, clip)
        mean, log_std = self.actor.module(batch.obs)
        ratio = (log_density(mean, log_std, batch.action) - batch.log_prob).exp()
        entropy = (log_std + 0.5 * math.log(2 * math.pi * math.e)).sum()
        gain = surrogate(ratio, normalised(batch.advantage), s.clip)
        return -gain - s.entropy_weight * entropy
