"""DrQ-v2: deterministic policy gradients from pixels with n-step targets (Yarats et al. 2021).

One update, in the order of its public code (github.com/facebookresearch/drqv2):

1. shift o and o' by up to `pad` pixels, each picture by itself, and encode both as the encoder is;
2. critic: one Adam step of encoder, trunk and both heads down the sum over heads of the mean of
   (Q_j(o, a) - y)^2, y = r + discount * min_j Q'_j(o', a'), where r is the discounted sum of n
   rewards and a' = mu(o') + clip(sigma e', -c, c), kept in [-1, 1];
3. actor: one Adam step of its own trunk and head down the mean of -min_j Q_j(o, a), with
   a = mu(o) + clip(sigma e, -c, c), on the NEW critic and the features of step 1;
4. target: Q' := (1 - tau) Q' + tau Q; of its encoder nothing is read, there is one for all.

sigma falls down a line over agent steps, for what is played, where nothing is clipped, and for what
is learnt. What lies beyond 1 is put back to 1 - 1e-6 and has a gradient all the same, as there.

The shift is DrQ's, of whole pixels. The paper speaks of bilinear interpolation (3.1); its code
draws whole pixels and interpolates at their centres, which is the same picture. Another difference
from the code: an episode's last n - 1 steps are learnt from too, with the rewards that they have.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypedDict

import torch
from torch import Generator, Tensor, nn

from fast import losses
from fast.agents.drq import Critic, DrQSettings, draw_as, random_shift, trunk
from fast.agents.learner import TINY_RUN, Learner, RandomFirst, adam
from fast.errors import InputError
from fast.experience.replay import Batch
from fast.nets.encoders import Convolutions
from fast.nets.layers import MLP
from fast.rules import (
    Beta,
    Count,
    Few,
    NonNegative,
    Positive,
    Share,
    Size,
    Strides,
    Widths,
    settings,
)

LIMIT = 1 - 1e-6  # of an action: the public code's


@settings
class DrQv2Settings(RandomFirst):
    """The defaults are the paper's, Table 2, and its code's for tasks of medium difficulty."""

    kind: Literal["drqv2"] = "drqv2"
    channels: Size = 32  # of each 3x3 convolution
    strides: Strides = (2, 1, 1, 1)
    latent: Size = 50  # linear, LayerNorm, tanh: one for the critic, one for the actor
    hidden: Widths = (1024, 1024)  # of each head of the critic, and of the actor
    normalisation: Literal["none", "layer_norm"] = "none"  # before each ReLU of the critic's heads
    layer_norm_eps: Positive = 1e-5  # torch's
    bfloat16: bool = False  # convolutions in training and acting; scores are always float32
    batch_size: Size = 256
    discount: Share = 0.99
    n_step: Few = 3  # rewards in the target
    learning_rate: Positive = 1e-4
    betas: tuple[Beta, Beta] = (0.9, 0.999)  # torch's
    adam_eps: Positive = 1e-8  # torch's
    weight_decay: NonNegative = 0.0  # on the critic
    decay_in_loss: bool = False  # as L2, through Adam; False: decoupled
    decay_biases: bool = False  # whether the decay includes biases and LayerNorm parameters
    averaging_rate: Share = 0.01  # of the target critic (tau)
    pad: Few = 4
    noise_start: NonNegative = 1.0  # sigma at agent step 0
    noise_end: NonNegative = 0.1  # and from step `noise_steps` on
    noise_steps: Count = 500_000
    noise_clip: Positive = 0.3  # c
    first_update: Count = 2001  # agent step of it; before it actions are random
    updates_per_step: Positive = 0.5
    replay_capacity: Count = 1_000_000

    def noise(self, agent_step: int) -> float:
        """sigma at an agent step."""
        gone = min(agent_step / self.noise_steps, 1.0)
        return (1 - gone) * self.noise_start + gone * self.noise_end

    def agent_step(self, count: int) -> int:
        """That of the `count`-th update, from 1."""
        return self.first_update - 1 + math.ceil(count / self.updates_per_step)

    @property
    def as_drq(self) -> DrQSettings:
        """DrQ's settings of networks like these."""
        names = ("channels", "strides", "latent", "hidden", "normalisation", "layer_norm_eps",
                 "bfloat16")  # fmt: skip
        return DrQSettings(**{name: getattr(self, name) for name in names})

    def require(self, shape: Sequence[int]) -> None:
        """Refuse what these settings cannot be, together and for observations of this shape.

        Raises:
            InputError: naming the setting.
        """
        self.as_drq.require(shape)
        if self.noise_start < self.noise_end:
            reason = f"accepted: what falls to noise_end, {self.noise_end}"
            raise InputError("--agent.noise-start", self.noise_start, reason)

    def told(self) -> list[str]:
        """What of it is not plain DrQ-v2, for the line that announces a run."""
        falls = f"{self.noise_start:g} to {self.noise_end:g} at step {self.noise_steps:,}"
        return [f"{self.n_step} steps, noise from {falls}", *self.as_drq.told()]


# What a preset changes of the defaults. `paper` is quadruped-run (GraMa, Table 9: 3 million steps
# of the environment) as the public code has it, with which every task repeats an action twice.
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {
        "env": {"action_repeat": 2},
        "agent": {"replay_capacity": 100_000},
        "run": {"updates": (3_000_000 // 2 - 2000) // 2},
    },
    # cartpole-swingup on a core in a few minutes. All of it is ours.
    "laptop": {
        "env": {"size": 48, "render_quality": "no-shadows"},
        "agent": {
            "strides": (2, 2, 1, 1),
            "hidden": (256, 256),
            "bfloat16": True,
            "batch_size": 64,
            "learning_rate": 2e-4,  # at 5e-4 the policy's tanh was once saturated for good
            "averaging_rate": 0.02,
            "noise_steps": 10_000,
            "first_update": 1001,
            "updates_per_step": 1.0,
            "replay_capacity": 100_000,
        },
        "run": {
            "updates": 10_000,
            "evaluation_interval": 2500,
            "score_interval": 1000,
            "log_interval": 500,
            "checkpoint_interval": 1000,
        },
    },
    # Seconds: for the tests. All of it is ours.
    "tiny": {
        "env": {"size": 32, "render_quality": "fast"},
        "agent": {
            "channels": 4,
            "strides": (2, 2, 1, 1),
            "latent": 8,
            "hidden": (16, 16),
            "batch_size": 8,
            "noise_steps": 200,
            "first_update": 20,
            "updates_per_step": 1.0,
            "replay_capacity": 400,
        },
        "run": TINY_RUN | {"evaluation_interval": 150},
    },
}


class Draws(NamedTuple):
    """The random numbers of one update."""

    obs_shift: Tensor  # (batch, 2) integers in [0, 2 * pad]: vertical, horizontal
    next_obs_shift: Tensor  # (batch, 2)
    next_noise: Tensor  # (batch, actions) standard normal, e'
    noise: Tensor  # (batch, actions) standard normal, e


class Actor(nn.Module):
    """mu (batch, actions) of the critic's features, with a trunk of its own, and sigma."""

    sigma: Tensor  # (), as of the last update: what a run that goes on has to have

    def __init__(self, settings: DrQv2Settings, features: int, actions: int):
        super().__init__()
        self.trunk = trunk(features, settings.as_drq)
        self.head = MLP(settings.latent, settings.hidden, actions)
        self.register_buffer("sigma", torch.tensor(settings.noise(settings.first_update)))

    def forward(self, features: Tensor) -> Tensor:
        return torch.tanh(self.head(self.trunk(features)))


def noisy(mean: Tensor, sigma: Tensor, noise: Tensor, clip: float = math.inf) -> Tensor:
    """mean + clip(sigma * noise), kept within LIMIT; with the gradient of what was not kept."""
    free = mean + (sigma * noise).clamp(-clip, clip)
    return free.detach().clamp(-LIMIT, LIMIT) + (free - free.detach())


class Networks(TypedDict):
    """Of every learner."""

    critic: Critic
    actor: Actor


def networks(settings: DrQv2Settings, shape: Sequence[int], actions: int) -> Networks:
    """Of every learner; shape: of what the agent sees, (channels, size, size)."""
    critic = Critic(settings.as_drq, shape, actions)
    assert isinstance(critic.encoder, Convolutions)
    critic.encoder.offset = 0.5  # pictures in [-1/2, 1/2]
    return {"critic": critic, "actor": Actor(settings, critic.trunk.in_features, actions)}


class DrQv2:
    """Networks and the update. Observations are uint8, actions in [-1, 1]."""

    pieces = ("target", "actor_loss")

    def __init__(self, settings: DrQv2Settings, shape: Sequence[int], actions: int,
                 generator: Generator, device: torch.device | str = "cpu"):  # fmt: skip
        s = settings
        self.settings, self.actions, self.device = s, actions, torch.device(device)
        with torch.random.fork_rng(devices=[]):  # torch's own initial draws are thrown away
            made = networks(s, shape, actions)
        draw, plain = draw_as("drq"), adam(s, device, decays=False)
        self.critic = Learner(made["critic"], draw, generator, rate=s.learning_rate, slow=True,
                              body=("trunk", "heads"), **adam(s, device))  # fmt: skip
        self.actor = Learner(made["actor"], draw, generator, rate=s.learning_rate,
                             body=("trunk", "head"), **plain)  # fmt: skip
        self.learners: dict[str, Learner[nn.Module]] = {"critic": self.critic, "actor": self.actor}

    @torch.no_grad()
    def act(self, obs: Tensor, generator: Generator | None = None) -> Tensor:
        """Actions (batch, actions) for uint8 observations; without a generator mu."""
        actor = self.actor.module
        mean = actor(self.critic.module.encoder(obs))
        if generator is None:
            return mean
        noise = torch.randn((len(obs), self.actions), generator=generator).to(obs.device)
        return noisy(mean, actor.sigma, noise)

    def draws(self, batch: int, generator: Generator) -> Draws:
        """The random numbers of one update, on the agent's device."""
        shifts = torch.randint(2 * self.settings.pad + 1, (2, batch, 2), generator=generator)
        noise = torch.randn((2, batch, self.actions), generator=generator)
        return Draws(*(x.to(self.device, non_blocking=True) for x in (*shifts, *noise)))

    def update(self, batch: Batch, draws: Draws, count: int) -> dict[str, Tensor]:
        """The `count`-th update (from 1); returns scalars of it, still on the device."""
        s, actor = self.settings, self.actor.module
        actor.sigma.fill_(s.noise(s.agent_step(count)))
        obs = random_shift(batch.obs, draws.obs_shift, s.pad)
        next_obs = random_shift(batch.next_obs, draws.next_obs_shift, s.pad)
        y = self.target(batch, next_obs, draws.next_noise)
        features = self.critic.module.encoder(obs)
        q = self.critic.module(features, batch.action)
        critic_loss = losses.mse(q, y)
        self.critic.step(critic_loss)
        actor_loss = self.actor_loss(features.detach(), draws.noise)
        self.actor.step(actor_loss)
        self.critic.follow(s.averaging_rate)
        return {"critic_loss": critic_loss.detach(), "value": q.detach().mean(),
                "target": y.mean(), "actor_loss": actor_loss.detach(),
                "sigma": actor.sigma.clone()}  # fmt: skip

    def loss(self, learner: str, batch: Batch, draws: Draws) -> Tensor:
        """What critic or actor descend, on pictures that are not shifted: for the measures."""
        if learner == "critic":
            y = self.target(batch, batch.next_obs, draws.next_noise)
            critic = self.critic.module
            return losses.mse(critic(critic.encoder(batch.obs), batch.action), y)
        with torch.no_grad():
            features = self.critic.module.encoder(batch.obs)
        return self.actor_loss(features, draws.noise)

    @torch.no_grad()
    def target(self, batch: Batch, next_obs: Tensor, noise: Tensor) -> Tensor:
        """y (batch,)."""
        assert self.critic.slow is not None
        features = self.critic.module.encoder(next_obs)
        action = self.noisy_action(features, noise)
        return batch.reward + batch.discount * torch.minimum(*self.critic.slow(features, action))

    def actor_loss(self, features: Tensor, noise: Tensor) -> Tensor:
        """The mean of -min_j Q_j; where both are equal each head gets half of the gradient."""
        q = self.critic.module(features, self.noisy_action(features, noise))
        return -torch.minimum(*q).mean()

    def noisy_action(self, features: Tensor, noise: Tensor) -> Tensor:
        actor = self.actor.module
        return noisy(actor(features), actor.sigma, noise, self.settings.noise_clip)
