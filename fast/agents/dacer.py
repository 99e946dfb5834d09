"""DACER: a diffusion policy, differentiated through its denoising steps (Wang et al. 2024).

An action is what T denoising steps make of normal noise, plus noise_scale * alpha * e, kept in
[-1, 1]. One update, in the order of the public code (github.com/happy-yan/
DACER-Diffusion-with-Online-RL), where every gradient is taken before any step:

1. critic: each of two heads gives a normal over returns, mean m and deviation d. With
   y = r + discount * min_j m'_j(o', a') and y~ the same of a sample of that head's normal, clipped
   to m +- 3 b, it descends -(b^2 + 0.1) * mean of m (y - m) / (d^2 + 0.1)
   + d ((m - y~)^2 - d^2) / (d^3 + 0.1), in which only the factors m and d in front have a gradient
   (DSAC-T); b is a moving mean of d;
2. every second update, actor: down the mean of -min_j m_j(o, a), on the critic as it was; and
   Q' := (1 - tau) Q' + tau Q;
3. every `alpha_period` updates log alpha descends log alpha * (H - target entropy), H the entropy
   of mixtures of normals that are fitted to samples of the policy.

A look at its layers, for a score or to recycle, is at the passes of all denoising steps.
"""

import math
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from fast.agents.learner import TINY_RUN, Learner, RandomFirst, adam, as_made
from fast.agents.sac import Activations
from fast.errors import InputError
from fast.experience.replay import Batch
from fast.nets.diffusion import chain, denoise, waves
from fast.nets.heads import Temperature
from fast.nets.layers import ACTIVATIONS, MLP, Activation, initialise, layer_norm, lecun
from fast.rules import Beta, Count, Few, Finite, Positive, Share, Size, Widths, settings

EPSILON = 0.1  # in the critic's loss (public code)


@settings
class DACERSettings(RandomFirst):
    """The defaults are GraMa's (Tables 4 and 5), where it is silent the public code's.

    GraMa's text has a U-net with Swish and 'official defaults'; its Table 4, which we take, an MLP
    with ReLU. The public code has three layers of 256 with Mish, a learning rate of 1e-4 and a
    reward scale of 0.2.
    """

    kind: Literal["dacer"] = "dacer"
    steps: Few = 20  # of denoising
    time_features: Annotated[int, Field(ge=4, le=1024, multiple_of=2)] = 16  # of a step's number
    hidden: Widths = (256, 256)  # of both heads of the critic, and of the actor
    activation: Activations = "relu"  # of all
    normalisation: Literal["none", "layer_norm"] = "none"  # before the critic's non-linearities
    layer_norm_eps: Positive = 1e-5  # torch's
    batch_size: Size = 256
    discount: Share = 0.99
    n_step: Few = 1  # rewards in the target
    actor_learning_rate: Positive = 3e-4
    critic_learning_rate: Positive = 3e-4
    temperature_learning_rate: Positive = 3e-2
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    adam_eps: Positive = 1e-8
    averaging_rate: Share = 0.005  # tau, also of b
    policy_period: Few = 2  # updates between two steps of actor and target
    reward_scale: Positive = 1.0
    noise_scale: Positive = 0.1  # public code has 0.15, and says '0.1' of other environments
    initial_temperature: Positive = 3.0
    target_entropy_per_action: Finite = -0.9
    alpha_period: Count = 10_000  # updates between two steps of alpha
    entropy_states: Size = 256  # of the batch, the first ones
    entropy_samples: Size = 200  # actions for each
    components: Few = 3  # of a mixture
    # Of 20 environments, each with one step to an update; ours is one.
    first_update: Count = 30_001
    updates_per_step: Positive = 0.05
    replay_capacity: Count = 1_000_000

    def require(self, shape: Sequence[int]) -> None:
        """Refuse what these settings cannot be, together.

        Raises:
            InputError: naming the setting.
        """
        if self.entropy_samples < self.components:
            reason = f"accepted: {self.components} or more, one for each component"
            raise InputError("--agent.entropy-samples", self.entropy_samples, reason)

    def told(self) -> list[str]:
        """What of it is not plain DACER, for the line that announces a run."""
        return [f"{self.steps} denoising steps, {self.activation}"]


# What a preset changes of the defaults, which are `paper`. GraMa, A.2: ReDo's tau.
REDO = {"redo": {"tau": 0.02}}
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {"interventions": REDO, "run": {"evaluation_interval": 100_000}},
    # A core and a quarter of an hour; a quarter of the denoising steps. All of it is ours.
    "laptop": {
        "agent": {
            "steps": 5,
            "batch_size": 128,
            "alpha_period": 500,
            "entropy_states": 16,
            "first_update": 5001,
            "updates_per_step": 1.0,
            "replay_capacity": 200_000,
        },
        "interventions": REDO,
        "run": {
            "updates": 30_000,
            "evaluation_interval": 5000,
            "score_interval": 1000,
            "log_interval": 500,
            "checkpoint_interval": 1000,
        },
    },
    # Seconds: for the tests. All of it is ours.
    "tiny": {
        "agent": {
            "steps": 2,
            "time_features": 4,
            "hidden": (16, 16),
            "batch_size": 8,
            "alpha_period": 40,
            "entropy_states": 2,
            "entropy_samples": 20,
            "components": 2,
            "first_update": 20,
            "updates_per_step": 1.0,
            "replay_capacity": 2000,
        },
        "run": TINY_RUN,
    },
}


class Draws(NamedTuple):
    """The random numbers of one update, standard normal but the seed of the entropy's."""

    next_noise: Tensor  # (steps + 1, batch, actions), for a'
    noise: Tensor  # (steps + 1, batch, actions), for the actor's step
    value: Tensor  # (2, batch), for the samples of both heads
    seed: Tensor  # (), int64


# --- networks ---------------------------------------------------------------------------------


class Time(nn.Module):
    """What the actor sees of a step's number, (steps, features) as given and as returned.

    Linear maps, no layers of neurons: GraMa's Table 4 lists those behind it.
    """

    def __init__(self, features: int, activation: Activation):
        super().__init__()
        self.first, self.activation = nn.Linear(features, 2 * features), activation
        self.final = nn.Linear(2 * features, features)

    def forward(self, waves: Tensor) -> Tensor:
        return self.final(self.activation(self.first(waves)))


class Actor(nn.Module):
    """The noise in an action, of state, action and step, and what denoising makes of noise."""

    def __init__(self, settings: DACERSettings, inputs: int, actions: int):
        super().__init__()
        s, features, activation = settings, settings.time_features, ACTIVATIONS[settings.activation]
        self.times, self.chain = waves(s.steps, features), chain(s.steps)
        self.time = Time(features, activation)
        self.head = MLP(inputs + actions + features, s.hidden, actions, activation)

    def forward(self, obs: Tensor, noise: Tensor) -> Tensor:
        """Actions (batch, actions); noise (steps + 1, batch, actions), the last is not used: the
        last step adds 0 times it."""
        times, x = self.time(obs.new_tensor(self.times)), noise[0]
        for t in reversed(range(len(self.chain))):
            seen = torch.cat([obs, x, times[t].expand(len(obs), -1)], dim=1)
            x = denoise(x, self.head(seen), noise[len(self.chain) - t], self.chain[t])
        return x


class Critic(nn.Module):
    """Means and deviations, each (2, batch), of the return of an observation and an action."""

    spread: Tensor  # (2,): b; 0 before the first update

    def __init__(self, settings: DACERSettings, inputs: int):
        super().__init__()
        s, activation = settings, ACTIVATIONS[settings.activation]
        norm = layer_norm(s.layer_norm_eps) if s.normalisation == "layer_norm" else None
        heads = [MLP(inputs, s.hidden, 2, activation, norm) for _ in range(2)]
        self.heads = nn.ModuleList(heads)
        self.register_buffer("spread", torch.zeros(2))

    def forward(self, obs: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat([obs, action], dim=1)
        mean, deviation = torch.stack([head(x) for head in self.heads]).unbind(2)
        return mean, F.softplus(deviation, threshold=40)


class Networks(TypedDict):
    """Of every learner."""

    critic: Critic
    actor: Actor
    temperature: Temperature


def networks(settings: DACERSettings, shape: Sequence[int], actions: int) -> Networks:
    """Of every learner; shape: of what the agent sees, (inputs,)."""
    (inputs,) = shape
    return {
        "critic": Critic(settings, inputs + actions),
        "actor": Actor(settings, inputs, actions),
        "temperature": Temperature(settings.initial_temperature),
    }


# --- the entropy of a policy ------------------------------------------------------------------


def mixture_entropy(weight: NDArray[Any], covariance: NDArray[Any]) -> float:
    """That of which component, plus the components' mean: an upper bound of a mixture's entropy.

    weight (components,), covariance (components, n, n).
    """
    n = covariance.shape[-1]
    parts = n / 2 * (1 + math.log(2 * math.pi)) + np.linalg.slogdet(covariance)[1] / 2
    return float(weight @ (parts - np.log(weight)))


def entropy(samples: NDArray[Any], components: int) -> float:
    """Of a mixture of normals that is fitted to samples (count, n)."""
    from sklearn.mixture import GaussianMixture  # type: ignore[import-untyped]  # takes a second

    with warnings.catch_warnings():  # that samples are alike, or that its steps were too few
        warnings.simplefilter("ignore")
        fitted = GaussianMixture(components, random_state=0).fit(samples)
    return mixture_entropy(fitted.weights_, fitted.covariances_)


class DACER:
    """Observations are float vectors, actions in [-1, 1]."""

    pieces = ("target", "critic_loss", "actor_loss")

    def __init__(self, settings: DACERSettings, shape: Sequence[int], actions: int,
                 generator: Generator, device: torch.device | str = "cpu"):  # fmt: skip
        s = settings
        self.settings, self.actions, self.device = s, actions, torch.device(device)
        with torch.random.fork_rng(devices=[]):  # torch's own initial draws are thrown away
            made = networks(s, shape, actions)
        how = adam(s, device, decays=False)
        draw = partial(initialise, kernel=lecun)  # as haiku
        self.critic = Learner(made["critic"], draw, generator, rate=s.critic_learning_rate,
                              slow=True, **how)  # fmt: skip
        self.actor = Learner(made["actor"], draw, generator, rate=s.actor_learning_rate, **how)
        self.temperature = Learner(made["temperature"], as_made, generator,
                                   rate=s.temperature_learning_rate, **how)  # fmt: skip
        self.learners: dict[str, Learner[nn.Module]] = {
            "critic": self.critic, "actor": self.actor, "temperature": self.temperature,
        }  # fmt: skip

    @property
    def alpha(self) -> Tensor:
        """The temperature, without gradient."""
        return self.temperature.module().detach()

    def policy(self, obs: Tensor, noise: Tensor) -> Tensor:
        """Actions (batch, actions) of noise (steps + 1, batch, actions)."""
        action = self.actor.module(obs, noise)
        return (action + self.settings.noise_scale * self.alpha * noise[-1]).clamp(-1, 1)

    @torch.no_grad()
    def act(self, obs: Tensor, generator: Generator | None = None) -> Tensor:
        """Actions (batch, actions). Without a generator they are denoised from the same noise for
        every state, and nothing is added (public code: from noise that the state determines)."""
        still, shape = generator is None, (self.settings.steps + 1, len(obs), self.actions)
        if still:
            one = torch.randn(shape[0], 1, self.actions, generator=Generator().manual_seed(0))
            return self.actor.module(obs, one.to(obs.device).expand(shape))
        return self.policy(obs, torch.randn(shape, generator=generator).to(obs.device))

    # --- learning -----------------------------------------------------------------------------

    def draws(self, batch: int, generator: Generator) -> Draws:
        """The random numbers of one update, on the agent's device; the seed stays on the CPU."""
        shape = (2, self.settings.steps + 1, batch, self.actions)
        noise = torch.randn(shape, generator=generator).to(self.device, non_blocking=True)
        value = torch.randn(2, batch, generator=generator).to(self.device, non_blocking=True)
        seed = torch.randint(2**62, (), generator=generator)
        return Draws(noise[0], noise[1], value, seed)

    def update(self, batch: Batch, draws: Draws, count: int) -> dict[str, Tensor]:
        """The `count`-th update (from 1); returns scalars of it, still on the device."""
        s, turn = self.settings, (count - 1) % self.settings.policy_period == 0
        info = {}
        if (count - 1) % s.alpha_period == 0:  # the first update does all
            info["entropy"] = self.entropy(batch.obs, draws.seed)
        y, sampled = self.target(batch, draws)
        critic_loss, spread = self.critic_loss(batch, y, sampled)
        if turn:
            actor_loss = self.actor_loss(batch.obs, draws.noise)
            self.actor.step(actor_loss)
            info["actor_loss"] = actor_loss.detach()
        self.critic.step(critic_loss)
        self.critic.module.spread.copy_(spread)
        if turn:
            self.critic.follow(s.averaging_rate)
        if "entropy" in info:
            wanted = s.target_entropy_per_action * self.actions
            self.temperature.step(self.temperature.module.log * (info["entropy"] - wanted))
        return info | {"critic_loss": critic_loss.detach(), "target": y.mean(),
                       "deviation": spread.mean(), "temperature": self.alpha}  # fmt: skip

    def loss(self, learner: str, batch: Batch, draws: Draws) -> Tensor:
        """What critic or actor descend on a batch: for the measures."""
        if learner == "critic":
            return self.critic_loss(batch, *self.target(batch, draws))[0]
        return self.actor_loss(batch.obs, draws.noise)

    @torch.no_grad()
    def target(self, batch: Batch, draws: Draws) -> tuple[Tensor, Tensor]:
        """y and a sample of it, each (batch,)."""
        assert self.critic.slow is not None
        action = self.policy(batch.next_obs, draws.next_noise)
        mean, deviation = self.critic.slow(batch.next_obs, action)
        sample = mean + deviation * draws.value.clamp(-3, 3)
        reward, low = self.settings.reward_scale * batch.reward, mean[0] < mean[1]
        y = reward + batch.discount * torch.minimum(*mean)
        return y, reward + batch.discount * torch.where(low, sample[0], sample[1])

    def critic_loss(self, batch: Batch, y: Tensor, sampled: Tensor) -> tuple[Tensor, Tensor]:
        """The sum over heads of what each descends, and the new b."""
        critic = self.critic.module
        mean, deviation = critic(batch.obs, batch.action)
        m, d = mean.detach(), deviation.detach()
        now = d.mean(1)
        moved = critic.spread.lerp(now, self.settings.averaging_rate)
        spread = torch.where(critic.spread == 0, now, moved)
        b = spread[:, None]
        bounded = m + (sampled - m).clamp(-3 * b, 3 * b)
        of_mean = mean * (y - m) / (d**2 + EPSILON)
        of_deviation = deviation * ((m - bounded) ** 2 - d**2) / (d**3 + EPSILON)
        return -((b**2 + EPSILON) * (of_mean + of_deviation)).mean(1).sum(), spread

    def actor_loss(self, obs: Tensor, noise: Tensor) -> Tensor:
        """The mean of -min_j m_j; where both are equal each head gets half of the gradient."""
        mean, _ = self.critic.module(obs, self.policy(obs, noise))
        return -torch.minimum(*mean).mean()

    @torch.no_grad()
    def entropy(self, obs: Tensor, seed: Tensor) -> Tensor:
        """The mean over the first states of the entropy of what is played there."""
        s = self.settings
        states = obs[: s.entropy_states].repeat_interleave(s.entropy_samples, 0)
        shape, g = (s.steps + 1, len(states), self.actions), Generator().manual_seed(int(seed))
        actions = self.policy(states, torch.randn(shape, generator=g).to(obs))
        each = actions.double().cpu().view(-1, s.entropy_samples, self.actions).numpy()
        found = [entropy(samples, s.components) for samples in each]
        return obs.new_tensor(sum(found) / len(found))
