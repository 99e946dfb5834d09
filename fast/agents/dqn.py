"""Deep Q-network (Mnih et al. 2015), with what Dopamine, ReDo and DrQ(eps) make of it.

One update: one step of Adam down the mean of huber(Q(o, a) - y), with
y = r + discount * max_b Q'(o', b), where Q' is the network as it was `target_period` updates ago
or fewer: it is copied whole. Double: Q'(o', argmax_b Q(o', b)). r is the clipped reward, or the
discounted sum of n of them. DrQ(eps) shifts o and o' by up to `pad` pixels and makes them brighter
or darker, each by itself.

The agent takes the action of the largest value, and with probability epsilon any. In the settings,
"Table 1" and the like are ReDo's, "Dopamine" is the code that it builds on (Appendix A).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from torch import Generator, Tensor, nn

from fast import losses
from fast.agents.drq import random_shift
from fast.agents.learner import TINY_RUN, Learner, adam, chains
from fast.agents.sac import Activations
from fast.errors import InputError
from fast.experience.replay import Batch
from fast.mitigations import Reader
from fast.nets.encoders import Convolutions, Impala
from fast.nets.layers import ACTIVATIONS, Dense, initialise, layer_norm, xavier
from fast.rules import (
    Beta,
    Count,
    CountOrNone,
    Few,
    NonNegative,
    Positive,
    Share,
    Size,
    Sizes,
    Strides,
    Widths,
    settings,
)


@settings
class DQNSettings:
    """The defaults are ReDo's for Atari at its default replay ratio (Tables 1 and 2)."""

    kind: Literal["dqn"] = "dqn"
    network: Literal["conv", "impala"] = "conv"  # impala: Figure 10, three stacks of `channels`
    channels: Sizes = (32, 64, 64)
    kernels: Strides = (8, 4, 3)
    strides: Strides = (4, 2, 1)
    padding: Literal["same", "valid"] = "same"  # flax's in Dopamine; the Nature paper has none
    hidden: Widths = (512,)
    width: Positive = 1.0  # times `channels` and `hidden`, rounded to whole neurons (Figure 12)
    activation: Activations = "relu"  # leaky: Figure 21
    normalisation: Literal["none", "layer_norm"] = "none"  # before dense layers' non-linearities
    layer_norm_eps: Positive = 1e-6  # flax's
    dueling: bool = False  # values and advantages apart, both read from the last hidden layer
    double: bool = False
    batch_size: Size = 32
    discount: Share = 0.99
    n_step: Few = 1
    reward_clip: Positive = 1.0  # in training alone (Dopamine)
    learning_rate: Positive = 6.25e-5
    betas: tuple[Beta, Beta] = (0.9, 0.999)  # Dopamine
    adam_eps: Positive = 1.5e-4
    weight_decay: NonNegative = 0.0
    decay_in_loss: bool = False  # as L2, through Adam; False: decoupled
    decay_biases: bool = False  # whether the decay includes biases and LayerNorm parameters
    # Updates between two copies. Table 2: 8,000 agent steps at ratio 0.25, 4,000 at 0.5, 2,000 at
    # 1, 1,000 at 2: 2,000 updates at every ratio.
    target_period: Count = 2000
    # fixed: Q is fitted to a network that is drawn once, at every action, by mean squared error
    # (ReDo, Figure 4, 'fixed random targets': how, ours).
    targets: Literal["moving", "fixed"] = "moving"
    pad: CountOrNone = 0  # pixels that DrQ(eps) shifts pictures by, at most
    intensity: NonNegative = 0.0  # DrQ(eps): pictures times 1 + this * a normal, cut off at 2
    epsilon: Share = 0.01
    epsilon_decay: CountOrNone = 250_000  # agent steps from the first update until it is reached
    evaluation_exploration: Share = 0.001  # the epsilon of evaluations
    first_update: Count = 20_000  # random actions before it
    updates_per_step: Positive = 0.25
    replay_capacity: Count = 1_000_000

    def exploration(self, agent_step: int) -> float:
        """The share of uniformly random actions: 1 before the first update, then down a line."""
        if self.epsilon_decay == 0:
            return 1.0 if agent_step < self.first_update else self.epsilon
        gone = max(0.0, (agent_step - self.first_update) / self.epsilon_decay)
        return max(self.epsilon, 1 - (1 - self.epsilon) * gone)

    def neurons(self, width: int) -> int:
        return max(1, round(self.width * width))

    def require(self, shape: Sequence[int]) -> None:
        """Refuse what these settings cannot be, together and for pictures of this shape.

        Raises:
            InputError: naming the setting.
        """
        if not self.channels:
            raise InputError("--agent.channels", self.channels, "accepted: one convolution or more")
        if self.network == "impala":
            return
        for name in ("kernels", "strides"):
            value = getattr(self, name)
            if len(value) != len(self.channels):
                reason = f"accepted: one for each of the {len(self.channels)} convolutions"
                raise InputError(f"--agent.{name}", value, reason)
        side = shape[-1]
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            if self.padding == "valid" and kernel > side:
                reason = f"accepted: what leaves something of {shape[-1]} pixels"
                raise InputError("--agent.kernels", self.kernels, reason)
            side = (side - kernel) // stride + 1

    def told(self) -> list[str]:
        """What of it is not plain DQN, for the line that announces a run."""
        usual = DQNSettings()
        names = ("network", "width", "activation", "normalisation", "dueling", "double", "n_step",
                 "updates_per_step", "adam_eps")  # fmt: skip
        return [f"{name} {getattr(self, name)}" for name in names
                if getattr(self, name) != getattr(usual, name)]  # fmt: skip


# What a preset changes of the defaults, which are `paper`. There tau is 0.025 at the default replay
# ratio and 0.1 at others; Reset is of the penultimate layer (5.4), its interval Dopamine's.
REDO: dict[str, dict[str, Any]] = {
    "redo": {"when": {"every": 1000}, "tau": 0.025, "batch": 64},
    "reset": {"when": {"every": 100_000}},
}
STEPS = 10_000_000  # agent steps of 40 iterations (Table 2), which are 40 million frames
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {
        "interventions": REDO,
        "run": {
            "updates": STEPS // 4,
            "evaluation_interval": 250_000,
            "score_interval": 10_000,
            "score_batch": 64,
            "checkpoint_interval": 100_000,
        },
    },
    # DrQ(eps) on Atari 100k (Table 3), where it is silent Dopamine's; 400,000 agent steps.
    "drq-eps": {
        "agent": {
            "dueling": True,
            "double": True,
            "n_step": 10,
            "learning_rate": 1e-4,
            "target_period": 1,
            "pad": 4,
            "intensity": 0.05,
            "epsilon_decay": 5000,
            "first_update": 1600,
            "updates_per_step": 1.0,
        },
        "env": {"sticky": 0.0, "life_loss": True},
        "interventions": REDO | {"redo": REDO["redo"] | {"tau": 0.1}},
        "run": {
            "updates": 400_000 - 1600,
            "evaluation_interval": 40_000,
            "evaluation_episodes": 100,
            "checkpoint_interval": 10_000,
        },
    },
    # MinAtar with its authors' network and schedule, on a core in minutes; Adam's epsilon: ReDo's.
    "laptop": {
        "agent": {
            "channels": (16,),
            "kernels": (3,),
            "strides": (1,),
            "padding": "valid",
            "hidden": (128,),
            "learning_rate": 2.5e-4,
            "target_period": 250,
            "epsilon": 0.1,
            "epsilon_decay": 100_000,
            "evaluation_exploration": 0.05,
            "first_update": 5000,
            "replay_capacity": 100_000,
        },
        "interventions": {"redo": REDO["redo"]},
        "run": {
            "updates": 50_000,
            "evaluation_interval": 10_000,
            "evaluation_episodes": 10,
            "score_interval": 1000,
            "log_interval": 1000,
            "checkpoint_interval": 10_000,
        },
    },
    # Seconds: for the tests. All of it is ours.
    "tiny": {
        "agent": {
            "channels": (4,),
            "kernels": (3,),
            "strides": (2,),
            "hidden": (16,),
            "batch_size": 8,
            "target_period": 20,
            "epsilon_decay": 100,
            "first_update": 20,
            "updates_per_step": 1.0,
            "replay_capacity": 400,
        },
        "env": {"most_steps": 60},
        "run": TINY_RUN | {"evaluation_interval": 150},
    },
}


class Draws(NamedTuple):
    """The random numbers of one update, of o and o'; without augmentation the shifts do nothing."""

    shift: Tensor  # (2, batch, 2) integers in [0, 2 * pad]: vertical, horizontal
    brightness: Tensor  # (2, batch) standard normal


class Network(nn.Module):
    """The values (batch, actions) of pictures (batch, channels, size, size)."""

    def __init__(self, settings: DQNSettings, shape: Sequence[int], actions: int):
        super().__init__()
        s, activation = settings, ACTIVATIONS[settings.activation]
        channels = [s.neurons(c) for c in s.channels]
        if s.network == "impala":
            self.encoder: Convolutions | Impala = Impala(shape[0], channels, activation)
        else:
            how: dict[str, Any] = {"same": s.padding == "same", "activation": activation}
            self.encoder = Convolutions(shape[0], channels, s.kernels, s.strides, **how)
        norm = layer_norm(s.layer_norm_eps) if s.normalisation == "layer_norm" else None
        inputs = self.encoder.features(shape[-1])
        self.hidden = [f"dense{i}" for i in range(len(s.hidden))]
        for name, neurons in zip(self.hidden, map(s.neurons, s.hidden), strict=True):
            self.add_module(name, Dense(inputs, neurons, activation, norm))
            inputs = neurons
        self.dueling = s.dueling
        if s.dueling:
            self.value, self.advantage = nn.Linear(inputs, 1), nn.Linear(inputs, actions)
        else:
            self.final = nn.Linear(inputs, actions)

    def forward(self, obs: Tensor) -> Tensor:
        x = self.encoder(obs)
        for name in self.hidden:
            x = self.get_submodule(name)(x)
        if not self.dueling:
            return self.final(x)
        advantage = self.advantage(x)
        return self.value(x) + advantage - advantage.mean(1, keepdim=True)

    def readers(self) -> dict[str, Sequence[Reader]]:
        """Who reads each layer: the last hidden one both heads, where there are two."""
        paths, last = self.encoder.chains("encoder"), self.hidden[-1]
        if isinstance(self.encoder, Convolutions):
            paths = [[*paths[0], *self.hidden]]
        else:
            paths = [*paths, self.hidden]
        heads = ("value", "advantage") if self.dueling else ("final",)
        return {**chains(self, paths), last: tuple(map(Reader, heads))}


def networks(settings: DQNSettings, shape: Sequence[int], actions: int) -> dict[str, Network]:
    """Of the one learner; shape: of what the agent sees, (channels, size, size)."""
    return {"critic": Network(settings, shape, actions)}


class DQN:
    """Observations are uint8 pictures, actions the numbers of theirs."""

    pieces = ("augmented", "pair", "compare")

    def __init__(self, settings: DQNSettings, shape: Sequence[int], actions: int,
                 generator: Generator, device: torch.device | str = "cpu"):  # fmt: skip
        s = settings
        self.settings, self.device = s, torch.device(device)
        with torch.random.fork_rng(devices=[]):  # torch's own initial draws are thrown away
            made = networks(s, shape, actions)["critic"]
        self.critic = Learner(
            made, partial(initialise, kernel=xavier), generator, rate=s.learning_rate, slow=True,
            readers=made.readers(), body=(made.hidden[-1],), **adam(s, device),
        )  # fmt: skip
        if s.targets == "fixed":
            assert self.critic.slow is not None
            self.critic.slow.load_state_dict(self.critic.fresh(generator).state_dict())
        self.learners: dict[str, Learner[nn.Module]] = {"critic": self.critic}

    @torch.no_grad()
    def act(self, obs: Tensor, generator: Generator | None = None) -> Tensor:
        """The numbers of the best actions, (batch, 1); epsilon is of those who play."""
        return self.critic.module(obs).argmax(1, keepdim=True).float()

    def draws(self, batch: int, generator: Generator) -> Draws | None:
        """The random numbers of one update, on the agent's device; None where it draws nothing."""
        s = self.settings
        if s.pad == 0 and s.intensity == 0:
            return None
        shift = torch.randint(2 * s.pad + 1, (2, batch, 2), generator=generator)
        brightness = torch.randn(2, batch, generator=generator)
        return Draws(shift.to(self.device), brightness.to(self.device))

    def update(self, batch: Batch, draws: Draws | None, count: int) -> dict[str, Tensor]:
        """The `count`-th update (from 1); returns scalars of it, still on the device."""
        if draws is not None:
            batch = self.augmented(batch, draws)
        q, y = self.pair(batch)
        loss = self.compare(q, y)
        self.critic.step(loss)
        if self.settings.targets == "moving" and count % self.settings.target_period == 0:
            self.critic.follow(1.0)
        return {"critic_loss": loss.detach(), "value": q.detach().mean(), "target": y.mean()}

    def loss(self, learner: str, batch: Batch, draws: Draws | None) -> Tensor:
        """What the critic descends on an unaugmented batch: for the measures."""
        return self.compare(*self.pair(batch))

    def pair(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Q and what it is to become: of the actions taken, (batch,), or at fixed targets of all
        actions, (batch, actions)."""
        q = self.critic.module(batch.obs)
        if self.settings.targets == "fixed":
            assert self.critic.slow is not None
            with torch.no_grad():
                return q, self.critic.slow(batch.obs)
        return q.gather(1, batch.action.long()).squeeze(1), self.target(batch)

    def compare(self, q: Tensor, y: Tensor) -> Tensor:
        return losses.mse(q, y) if self.settings.targets == "fixed" else losses.huber(q, y)

    @torch.no_grad()
    def target(self, batch: Batch) -> Tensor:
        """y (batch,)."""
        assert self.critic.slow is not None
        values = self.critic.slow(batch.next_obs)
        if self.settings.double:
            best = self.critic.module(batch.next_obs).argmax(1, keepdim=True)
            value = values.gather(1, best).squeeze(1)
        else:
            value = values.amax(1)
        return batch.reward + batch.discount * value

    def augmented(self, batch: Batch, draws: Draws) -> Batch:
        """Both observations shifted and brighter or darker, each picture by itself."""
        obs, next_obs = (
            brighter(
                random_shift(seen, shift, self.settings.pad), brightness, self.settings.intensity
            )
            for seen, shift, brightness in zip(
                (batch.obs, batch.next_obs), draws.shift, draws.brightness, strict=True
            )
        )
        return batch._replace(obs=obs, next_obs=next_obs)


def brighter(obs: Tensor, noise: Tensor, intensity: float) -> Tensor:
    """Pictures (batch, ...) times 1 + intensity * noise, the noise (batch,) cut off at +-2."""
    factor = 1 + intensity * noise.clamp(-2, 2)
    return obs * factor.view(-1, *(1,) * (obs.ndim - 1))
