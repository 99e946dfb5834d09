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

from functools import partial
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from fast import losses
from fast.agents.learner import Learner, chains
from fast.agents.sac import actor_loss, soft_value, temperature_loss
from fast.config import Config, NetConfig
from fast.experience.replay import Batch
from fast.nets.encoders import Convolutions, ResNet18
from fast.nets.heads import Temperature, normal, squashed_sample
from fast.nets.layers import MLP, SQRT2, Dense, Draw, initialise, layer_norm, lecun, orthogonal


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

    def __init__(self, channels: int, actions: int, config: Config):
        super().__init__()
        net, loss = config.net, config.loss
        self.classifies = loss.kind != "mse"
        if net.encoder == "resnet18":
            self.encoder: nn.Module = ResNet18(channels, net.resnet_width, net.bfloat16)
        else:
            self.encoder = Convolutions(channels, net.channels, net.strides, net.bfloat16)
        self.trunk = trunk(self.encoder.features(config.env.size), net)
        norm = None if net.normalisation == "none" else layer_norm(net.layer_norm_eps)
        inputs, outputs = net.latent + actions, loss.bins if self.classifies else 1
        self.heads = nn.ModuleList(
            MLP(inputs, (net.hidden, net.hidden), outputs, norm=norm) for _ in range(2)
        )
        edges, dtype = losses.bin_edges(loss.low, loss.high, loss.bins), torch.get_default_dtype()
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

    def __init__(self, features: int, actions: int, config: Config):
        super().__init__()
        net = config.net
        self.trunk = trunk(features, net)
        self.head = MLP(net.latent, (net.hidden, net.hidden), 2 * actions)
        self.log_std = net.log_std

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation before the squashing, each (batch, actions)."""
        return normal(self.head(self.trunk(features)), self.log_std)


def trunk(features: int, net: NetConfig) -> Dense:
    """The latent layer: linear, LayerNorm, tanh."""
    return Dense(features, net.latent, torch.tanh, layer_norm(net.layer_norm_eps))


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

    def __init__(self, config: Config, channels: int, actions: int, generator: Generator):
        settings, net = config.agent, config.net
        self.config, self.settings, self.actions = config, settings, actions
        self.device = torch.device(config.device)
        with torch.random.fork_rng(devices=[]):  # torch's own initial draws are thrown away
            critic = Critic(channels, actions, config)
            actor = Actor(critic.trunk.in_features, actions, config)
        adam = {"betas": settings.betas, "eps": settings.adam_eps, "device": self.device}
        draw, rate = draw_as(net.initialisation), settings.learning_rate
        names = [path for j in (0, 1) for path in critic.heads[j].chains(f"heads.{j}")]
        self.critic = Learner(
            critic, draw, generator, rate=rate, slow=True, readers=chains(critic, names),
            body=("trunk", "heads"), norm_eps=net.layer_norm_eps,
            decay=settings.weight_decay, decay_vectors=settings.decay_biases,
            decay_in_loss=settings.decay_in_loss, **adam,
        )  # fmt: skip
        self.actor = Learner(
            actor, draw, generator, rate=rate, readers=chains(actor, actor.head.chains("head")),
            body=("trunk", "head"), norm_eps=net.layer_norm_eps, **adam,
        )  # fmt: skip
        self.temperature = Learner(
            Temperature(settings.initial_temperature), lambda module, generator: None, generator,
            rate=settings.temperature_learning_rate, **adam,
        )  # fmt: skip
        self.learners = {
            "critic": self.critic,
            "actor": self.actor,
            "temperature": self.temperature,
        }

    @property
    def alpha(self) -> Tensor:
        """The temperature, without gradient."""
        return self.temperature.module().detach()

    # --- acting ---------------------------------------------------------------------------------

    @torch.no_grad()
    def act(self, obs: Tensor, noise: Tensor | None = None) -> Tensor:
        """Actions (batch, actions) for uint8 observations; without noise, tanh of the mean."""
        mean, log_std = self.actor.module(self.critic.module.encoder(obs))
        if noise is None:
            return torch.tanh(mean)
        return squashed_sample(mean, log_std, noise)[0]

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
        obs = torch.cat([random_shift(batch.obs, shift, s.pad) for shift in draws.obs_shift])
        next_obs = [random_shift(batch.next_obs, shift, s.pad) for shift in draws.next_obs_shift]

        y = self.target(batch, next_obs, draws.next_noise)
        critic_loss, info = self.critic_loss(obs, batch.action, y)
        self.critic.step(critic_loss)
        if (count - 1) % s.target_period == 0:  # the first update does all
            self.critic.follow(s.averaging_rate)
        if (count - 1) % s.actor_period == 0:
            with torch.no_grad():
                features = self.critic.module.encoder(obs[: len(batch.obs)])
            actor_loss, entropy = self.actor_loss(features, draws.noise)
            self.actor.step(actor_loss)
            self.temperature.step(self.temperature_loss(entropy))
            info |= {"actor_loss": actor_loss.detach(), "entropy": entropy,
                     "temperature": self.alpha}  # fmt: skip
        return info

    def loss(self, learner: str, batch: Batch, draws: Draws) -> Tensor:
        """What critic or actor descend, on pictures that are not shifted: for the measures."""
        if learner == "critic":
            y = self.target(batch, [batch.next_obs], draws.next_noise[:1])
            return self.critic_loss(batch.obs, batch.action, y)[0]
        with torch.no_grad():
            features = self.critic.module.encoder(batch.obs)
        return self.actor_loss(features, draws.noise)[0]

    @torch.no_grad()
    def target(self, batch: Batch, next_obs: list[Tensor], noise: Tensor) -> Tensor:
        """y (batch,): reward plus discounted soft value, averaged over the K augmentations."""
        values, alpha = [], self.alpha if self.config.loss.entropy_in_target else 0
        for obs, draw in zip(next_obs, noise, strict=True):
            policy = self.actor.module(self.critic.module.encoder(obs))
            features = self.critic.slow.encoder(obs)
            values.append(soft_value(self.critic.slow, policy, features, alpha, draw))
        return batch.reward + batch.discount * torch.stack(values).mean(0)

    def critic_loss(
        self, obs: Tensor, action: Tensor, y: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum over heads and augmentations of the batch's mean loss, and what is recorded of it.

        obs: the M shifts of each observation one after another. Under HL-Gauss the loss is the
        cross-entropy with the histogram of each target (batch,), and `clipped` the share of
        targets outside the histograms.
        """
        critic, settings = self.critic.module, self.config.loss
        outputs = critic.outputs(critic.encoder(obs), action.repeat(len(obs) // len(action), 1))
        if settings.kind == "mse":
            loss, info = losses.mse(outputs.view(2, -1, len(y)), y), {}
        else:
            histogram, clipped = losses.hl_gauss(y, critic.edges, settings.sigma)
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
