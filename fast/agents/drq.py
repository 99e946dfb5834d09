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

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import torch
from pydantic import Field
from torch import Generator, Tensor, nn

from fast import losses
from fast.agents.learner import TINY_RUN, Learner, RandomFirst, adam, as_made
from fast.agents.sac import actor_loss, soft_value, temperature_loss
from fast.errors import InputError
from fast.experience.replay import Batch
from fast.nets.encoders import Convolutions, ResNet18
from fast.nets.heads import Temperature, normal, squashed_action
from fast.nets.layers import MLP, SQRT2, Dense, Draw, initialise, layer_norm, lecun, orthogonal
from fast.rules import (
    Beta,
    Count,
    Few,
    Finite,
    NonNegative,
    Positive,
    Share,
    Size,
    Strides,
    Widths,
    settings,
)


@settings
class DrQSettings(RandomFirst):
    """The defaults are those of Neuron Dominance; "B.2" and the like are its appendices, "jaxrl"
    the implementation that B.2 names as its default, "drq" the original DrQ."""

    kind: Literal["drq"] = "drq"
    # Encoder, latent layer and heads.
    encoder: Literal["conv", "resnet18"] = "conv"  # C.1 replaces the convolutions by ResNet-18
    channels: Size = 32  # of each 3x3 convolution (jaxrl)
    strides: Strides = (2, 1, 1, 1)
    resnet_width: Size = 64  # channels of ResNet-18's first stage (He et al. 2016)
    latent: Size = 50  # linear, LayerNorm, tanh: one for the critic, one for the actor
    hidden: Widths = (256, 256)  # of each head of the critic, and of the actor
    normalisation: Literal["none", "layer_norm"] = "none"  # before each ReLU of the critic's heads
    layer_norm_eps: Positive = 1e-6  # flax's; torch's own default is 1e-5
    initialisation: Literal["jaxrl", "drq"] = "jaxrl"
    log_std: Literal["clip", "tanh"] = "clip"  # how the actor keeps log std in [-10, 2]
    bfloat16: bool = False  # convolutions in training and acting; scores are always float32
    # What the critic's heads predict, and how it is compared with the target.
    loss: Literal["mse", "hl_gauss"] = "mse"
    bins: Annotated[int, Field(ge=2, le=2**20)] = 101  # of HL-Gauss, whose settings are B.2's
    low: Finite = 0.0
    high: Finite = 100.0  # targets are clipped to [low, high]; the share clipped is recorded
    sigma: Positive = 0.75
    entropy_in_target: bool = True  # False: as one public version of HL-Gauss DrQ has it
    # The update.
    batch_size: Size = 512  # B.2
    discount: Share = 0.99  # B.2
    n_step: Few = 1  # rewards in the target
    learning_rate: Positive = 3e-4  # actor and critic, B.2
    temperature_learning_rate: Positive = 3e-4  # jaxrl
    betas: tuple[Beta, Beta] = (0.9, 0.999)  # B.2
    adam_eps: Positive = 1e-8  # B.2
    weight_decay: NonNegative = 0.0  # on the critic; B.2: none
    decay_in_loss: bool = False  # as L2, through Adam; False: decoupled
    decay_biases: bool = False  # whether the decay includes biases and LayerNorm parameters
    averaging_rate: Share = 0.005  # of the target critic (tau), B.2
    target_period: Count = 1  # updates between two steps of the target critic
    actor_period: Count = 1  # updates between two steps of actor and temperature
    target_augmentations: Few = 1  # K, averaged in the target
    critic_augmentations: Few = 1  # M, summed in the critic's loss
    pad: Annotated[int, Field(ge=0, le=4096)] = (
        4  # the shift moves the picture by up to this (jaxrl)
    )
    initial_temperature: Positive = 0.1  # jaxrl
    target_entropy_per_action: Finite = -1.0  # jaxrl: minus the number of actions
    # How the agent plays and what it keeps.
    first_update: Count = 1000  # agent step of it; before it actions are random (jaxrl)
    updates_per_step: Positive = 1.0  # jaxrl
    replay_capacity: Count = 100_000  # agent steps, B.2

    def smallest_picture(self) -> int:
        """Side in pixels of the smallest picture that the encoder takes."""
        if self.encoder == "resnet18":  # any; but its first norm must not be of a single number
            return 5 if self.resnet_width == 1 else 1
        size = 1
        for stride in reversed(self.strides):
            size = (size - 1) * stride + 3
        return size

    def require(self, shape: Sequence[int]) -> None:
        """Refuse what these settings cannot be, together and for observations of this shape.

        Raises:
            InputError: naming the setting.
        """
        if self.low >= self.high:
            raise InputError("--agent.high", self.high, f"accepted: a number above low, {self.low}")
        if self.encoder == "conv" and not self.strides:
            raise InputError("--agent.strides", self.strides, "accepted: one stride or more")
        least = self.smallest_picture()
        if shape[-1] < least:
            reason = f"accepted by this encoder: {least} or more"
            raise InputError("--env.size", shape[-1], reason)

    def told(self) -> list[str]:
        """What of it is not plain DrQ, for the line that announces a run."""
        lines = []
        if self.loss == "hl_gauss":
            span = f"[{self.low:g}, {self.high:g}]"
            lines.append(f"HL-Gauss: {self.bins} bins on {span}, sigma {self.sigma:g}")
        if self.normalisation != "none" or self.weight_decay:
            lines.append(f"normalisation {self.normalisation}, decay {self.weight_decay:g}")
        return lines


# What a preset changes of the defaults, which are `paper`.
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {},
    # The original DrQ (github.com/denisyarats/drq); the number of updates is ours.
    "drq-original": {
        "agent": {
            "hidden": (1024, 1024),
            "initialisation": "drq",
            "layer_norm_eps": 1e-5,
            "log_std": "tanh",
            "learning_rate": 1e-3,
            "temperature_learning_rate": 1e-3,
            "averaging_rate": 0.01,
            "target_period": 2,
            "actor_period": 2,
            "target_augmentations": 2,
            "critic_augmentations": 2,
            "first_update": 1001,
        },
        "run": {"updates": 500_000, "update_first": True},
    },
    # Two cores and twenty minutes. All of it is ours.
    "laptop": {
        "env": {"size": 64, "render_quality": "no-shadows"},
        "agent": {
            "strides": (2, 2, 1, 1),
            "bfloat16": True,
            "batch_size": 64,
            "learning_rate": 1e-3,
            "temperature_learning_rate": 1e-3,
            # Values approach their level with a time constant of 1 / (averaging rate * (1 -
            # discount)): 3,300 updates, where the paper's rate takes 20,000.
            "averaging_rate": 0.03,
            "first_update": 500,
        },
        "run": {
            "updates": 20_000,
            "evaluation_interval": 1000,
            "evaluation_episodes": 3,
            "score_interval": 200,
            "log_interval": 200,
            "checkpoint_interval": 1000,
        },
    },
    # A dominant neuron from pixels within half of an hour of one core: learning rate times updates
    # without a reward reaches the 20 to 45 at which one appeared elsewhere. All of it is ours.
    "dominance": {
        "env": {"size": 32, "render_quality": "fast"},
        "agent": {
            "channels": 8,
            "strides": (2, 1),
            "batch_size": 32,
            "learning_rate": 1e-3,
            "temperature_learning_rate": 1e-3,
            "averaging_rate": 0.05,
            "first_update": 500,
            "updates_per_step": 4.0,
        },
        "run": {
            "updates": 80_000,
            "evaluation_interval": 1000,
            "evaluation_episodes": 3,
            "score_interval": 250,
            "log_interval": 500,
            "checkpoint_interval": 2000,
        },
    },
    # Seconds: for the tests. All of it is ours.
    "tiny": {
        "env": {"size": 32, "render_quality": "fast"},
        "agent": {
            "channels": 4,
            "strides": (2, 2, 1, 1),
            "resnet_width": 4,
            "latent": 8,
            "hidden": (16, 16),
            "batch_size": 8,
            "first_update": 20,
            "replay_capacity": 400,
        },
        "run": TINY_RUN | {"evaluation_interval": 150},
    },
}


class Draws(NamedTuple):
    """The random numbers of one update."""

    obs_shift: Tensor  # (M, batch, 2) integers in [0, 2 * pad]: vertical, horizontal
    next_obs_shift: Tensor  # (K, batch, 2)
    next_noise: Tensor  # (K, batch, actions) standard normal, for a'
    noise: Tensor  # (batch, actions) standard normal, for the actor's step


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


class Critic(nn.Module):
    """Two values of (observation, action): one encoder, one trunk, two heads.

    The heads give a value or, under a classification loss, the logits of a histogram over values.
    """

    edges: Tensor  # of the histogram's bins, (bins + 1,)
    centres: Tensor  # (bins,)

    def __init__(self, settings: DrQSettings, shape: Sequence[int], actions: int):
        super().__init__()
        s, channels = settings, shape[0]
        self.classifies = s.loss != "mse"
        if s.encoder == "resnet18":
            self.encoder: Convolutions | ResNet18 = ResNet18(channels, s.resnet_width, s.bfloat16)
        else:
            n = len(s.strides)
            self.encoder = Convolutions(channels, [s.channels] * n, [3] * n, s.strides,
                                        bfloat16=s.bfloat16)  # fmt: skip
        self.trunk = trunk(self.encoder.features(shape[-1]), s)
        norm = None if s.normalisation == "none" else layer_norm(s.layer_norm_eps)
        inputs, outputs = s.latent + actions, s.bins if self.classifies else 1
        heads = [MLP(inputs, s.hidden, outputs, norm=norm) for _ in range(2)]
        self.heads = nn.ModuleList(heads)
        edges, dtype = losses.bin_edges(s.low, s.high, s.bins), torch.get_default_dtype()
        self.register_buffer("edges", edges.to(dtype), persistent=False)
        self.register_buffer("centres", losses.centres(edges).to(dtype), persistent=False)

    def outputs(self, features: Tensor, action: Tensor) -> Tensor:
        """What the heads give, (2, batch, 1) or logits (2, batch, bins), from the encoder's
        features (batch, F)."""
        x = torch.cat([self.trunk(features), action], dim=1)
        return torch.stack([head(x) for head in self.heads])

    def value(self, outputs: Tensor) -> Tensor:
        """The values (2, batch) of `outputs`: of logits the mean of their histogram."""
        if not self.classifies:
            return outputs.squeeze(2)
        probabilities = outputs.flatten(0, 1).softmax(1)
        return losses.decode(probabilities, self.centres).view(outputs.shape[:2])

    def forward(self, features: Tensor, action: Tensor) -> Tensor:
        """Values (2, batch)."""
        return self.value(self.outputs(features, action))


class Actor(nn.Module):
    """A policy on the critic's features, with a trunk of its own; it never trains the encoder."""

    def __init__(self, settings: DrQSettings, features: int, actions: int):
        super().__init__()
        self.trunk = trunk(features, settings)
        self.head = MLP(settings.latent, settings.hidden, 2 * actions)
        self.log_std = settings.log_std

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation before the squashing, each (batch, actions)."""
        return normal(self.head(self.trunk(features)), self.log_std)


def trunk(features: int, settings: DrQSettings) -> Dense:
    """The latent layer: linear, LayerNorm, tanh."""
    return Dense(features, settings.latent, torch.tanh, layer_norm(settings.layer_norm_eps))


class Networks(TypedDict):
    """Of every learner."""

    critic: Critic
    actor: Actor
    temperature: Temperature


def networks(settings: DrQSettings, shape: Sequence[int], actions: int) -> Networks:
    """Of every learner; shape: of what the agent sees, (channels, size, size)."""
    critic = Critic(settings, shape, actions)
    return {
        "critic": critic,
        "actor": Actor(settings, critic.trunk.in_features, actions),
        "temperature": Temperature(settings.initial_temperature),
    }


def draw_as(style: str) -> Draw:
    """How jaxrl or the original DrQ draws a Critic or an Actor.

    Both: orthogonal convolutions with gain sqrt 2, biases 0, norms at the identity.
    jaxrl: hidden layers and the critic's final one orthogonal with gain sqrt 2, the actor's mean
    and log std each orthogonal with gain 1, the latent layer truncated LeCun normal.
    drq: every linear layer orthogonal with gain 1.
    """
    if style == "drq":
        return partial(initialise, kernel=orthogonal(1, of_convolutions=SQRT2))
    special = {"trunk": lecun, "head.final": orthogonal(1, parts=2)}
    return partial(initialise, kernel=orthogonal(), special=special)


class DrQ:
    """Networks and the update. Observations are uint8, actions in [-1, 1]."""

    pieces = ("pictures", "target", "critic_loss", "features", "actor_loss")

    def __init__(self, settings: DrQSettings, shape: Sequence[int], actions: int,
                 generator: Generator, device: torch.device | str = "cpu"):  # fmt: skip
        s = settings
        self.settings, self.actions, self.device = s, actions, torch.device(device)
        with torch.random.fork_rng(devices=[]):  # torch's own initial draws are thrown away
            made = networks(s, shape, actions)
        draw, plain = draw_as(s.initialisation), adam(s, device, decays=False)
        self.critic = Learner(made["critic"], draw, generator, rate=s.learning_rate, slow=True,
                              body=("trunk", "heads"), **adam(s, device))  # fmt: skip
        self.actor = Learner(made["actor"], draw, generator, rate=s.learning_rate,
                             body=("trunk", "head"), **plain)  # fmt: skip
        self.temperature = Learner(made["temperature"], as_made, generator,
                                   rate=s.temperature_learning_rate, **plain)  # fmt: skip
        self.learners: dict[str, Learner[nn.Module]] = {
            "critic": self.critic, "actor": self.actor, "temperature": self.temperature,
        }  # fmt: skip

    @property
    def alpha(self) -> Tensor:
        """The temperature, without gradient."""
        return self.temperature.module().detach()

    # --- acting ---------------------------------------------------------------------------------

    @torch.no_grad()
    def act(self, obs: Tensor, generator: Generator | None = None) -> Tensor:
        """Actions (batch, actions) for uint8 observations; without a generator tanh of the mean."""
        return squashed_action(self.actor.module(self.critic.module.encoder(obs)), generator)

    # --- learning -------------------------------------------------------------------------------

    def draws(self, batch: int, generator: Generator) -> Draws:
        """The random numbers of one update, on the agent's device."""
        s = self.settings
        k, m = s.target_augmentations, s.critic_augmentations
        shifts = torch.randint(2 * s.pad + 1, (m + k, batch, 2), generator=generator)
        noise = torch.randn((k + 1, batch, self.actions), generator=generator)
        drawn = shifts[:m], shifts[m:], noise[:k], noise[k]
        return Draws(*(draw.to(self.device, non_blocking=True) for draw in drawn))

    def update(self, batch: Batch, draws: Draws, count: int) -> dict[str, Tensor]:
        """The `count`-th update (from 1); returns scalars of it, still on the device."""
        s = self.settings
        seen = self.pictures(batch.obs, draws.obs_shift)
        y = self.target(batch, self.pictures(batch.next_obs, draws.next_obs_shift),
                        draws.next_noise)  # fmt: skip
        critic_loss, info = self.critic_loss(seen, batch.action, y)
        self.critic.step(critic_loss)
        if (count - 1) % s.target_period == 0:  # the first update does all
            self.critic.follow(s.averaging_rate)
        if (count - 1) % s.actor_period == 0:
            features = self.features(seen[: len(batch.obs)])
            with self.critic.still():
                actor_loss, entropy = self.actor_loss(features, draws.noise)
            self.actor.step(actor_loss)
            self.temperature.step(self.temperature_loss(entropy))
            info |= {"actor_loss": actor_loss.detach(), "entropy": entropy,
                     "temperature": self.alpha}  # fmt: skip
        return info

    def loss(self, learner: str, batch: Batch, draws: Draws) -> Tensor:
        """What critic or actor descend, on pictures that are not shifted: for the measures."""
        pictures = self.critic.module.encoder.pictures
        if learner == "critic":
            y = self.target(batch, pictures(batch.next_obs), draws.next_noise[:1])
            return self.critic_loss(pictures(batch.obs), batch.action, y)[0]
        return self.actor_loss(self.features(pictures(batch.obs)), draws.noise)[0]

    def pictures(self, obs: Tensor, shifts: Tensor) -> Tensor:
        """The shifts (n, batch, 2) of each observation one after another, as the encoder reads
        them: (n * batch, channels, height, width)."""
        moved = [random_shift(obs, shift, self.settings.pad) for shift in shifts]
        return self.critic.module.encoder.pictures(torch.cat(moved))

    @torch.no_grad()
    def features(self, pictures: Tensor) -> Tensor:
        """What the actor reads of them, (batch, F)."""
        return self.critic.module.encoder.read(pictures)

    @torch.no_grad()
    def target(self, batch: Batch, pictures: Tensor, noise: Tensor) -> Tensor:
        """y (batch,): reward plus discounted soft value, averaged over the K augmentations.

        pictures: K of each next observation, as `pictures` returns them.
        """
        values, slow = [], self.critic.slow
        assert slow is not None
        alpha = self.alpha if self.settings.entropy_in_target else 0
        for x, draw in zip(pictures.split(len(batch.reward)), noise, strict=True):
            policy = self.actor.module(self.critic.module.encoder.read(x))
            values.append(soft_value(slow, policy, slow.encoder.read(x), alpha, draw))
        return batch.reward + batch.discount * torch.stack(values).mean(0)

    def critic_loss(
        self, pictures: Tensor, action: Tensor, y: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum over heads and augmentations of the batch's mean loss, and what is recorded of it.

        pictures: M of each observation, as `pictures` returns them. Under HL-Gauss the loss is the
        cross-entropy with the histogram of each target (batch,), and `clipped` the share of
        targets outside the histograms.
        """
        critic, s = self.critic.module, self.settings
        actions = action.repeat(len(pictures) // len(action), 1)
        outputs = critic.outputs(critic.encoder.read(pictures), actions)
        if s.loss == "mse":
            loss, info = losses.mse(outputs.view(2, -1, len(y)), y), {}
        else:
            histogram, clipped = losses.hl_gauss(y, critic.edges, s.sigma)
            logits = outputs.view(2, -1, *histogram.shape)
            loss, info = losses.cross_entropy(logits, histogram), {"clipped": clipped}
        value = critic.value(outputs.detach()).mean()
        return loss, {"critic_loss": loss.detach(), "value": value, "target": y.mean()} | info

    def actor_loss(self, features: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        policy = self.actor.module(features)
        return actor_loss(self.critic.module, policy, features, self.alpha, noise)

    def temperature_loss(self, entropy: Tensor) -> Tensor:
        wanted = self.settings.target_entropy_per_action * self.actions
        return temperature_loss(self.temperature.module, entropy, wanted)
