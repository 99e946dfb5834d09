"""BRO (Nauman et al. 2024) from states, as GraMa has it: soft actor-critic with BRO-nets.

A BRO-net is dense0 with LayerNorm and ReLU, then blocks x + f(x), f two linear maps with LayerNorm
and a ReLU between them, then a linear map. An update is SAC's (sac.py), with

    y = r + discount * (Q' - alpha log pi(a' | o')),   Q' = (Q'_0 + Q'_1) / 2 - p |Q'_0 - Q'_1| / 2

and the same mean of both values, less pessimism p times half of their distance, in the actor's
loss. A critic of n quantiles has y for each quantile of Q', and descends quantile regression.

Of the neurons only the first layer of a block is recycled, read by the second: dense0 and every
second layer add to a stream that all later layers read in the same columns, so none of their
neurons has an outgoing weight of its own. All of them are scored.

BRO's resets are `--method reset`, but for the temperature, which stays.

Its second, optimistic actor is off, as in GraMa's tables: `--agent.optimistic`. Where it is on it
plays in training, a normal whose mean is the actor's and a shift that a network of its own makes of
both, whose deviation is the actor's times a factor. Behind each update of the others it descends

    -mean of ((Q_0 + Q_1) / 2 + o |Q_0 - Q_1| / 2) + k D,   D = mean of shift^2 / (2 std^2),

on the new critic; D is its divergence from the actor, but for the factor. o and k descend
o (D / actions - d) and -k (D / actions - d): the further away it is the less optimism.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, NotRequired, TypedDict

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from fast import losses
from fast.agents.learner import TINY_RUN, Learner, RandomFirst, adam, as_made
from fast.agents.sac import SAC, Actor, Draws, actor_loss, draw_as
from fast.experience.replay import Batch
from fast.nets.heads import LOG_STD, Temperature, squashed_action, squashed_sample
from fast.nets.layers import ResidualMLP, initialise, layer_norm, orthogonal
from fast.rules import (
    Beta,
    Count,
    Few,
    Finite,
    NonNegative,
    Positive,
    Share,
    Size,
    settings,
    unusual,
)

ADJUSTED = (-10.0, 7.5)  # bounds of the logarithm of optimism and regularizer
Adjusted = Annotated[float, Field(gt=math.exp(ADJUSTED[0]), lt=math.exp(ADJUSTED[1]))]


@settings
class BROSettings(RandomFirst):
    """The defaults are GraMa's (Tables 2 and 3), where it is silent those of BRO's code in JAX."""

    kind: Literal["bro"] = "bro"
    batch_size: Size = 128  # Table 3
    discount: Share = 0.99  # Table 3
    n_step: Few = 1  # rewards in the target
    hidden: Size = 256  # of every layer (Table 2); BRO's critic has 512
    critic_blocks: Few = 2  # Table 3
    actor_blocks: Few = 1  # Table 3
    quantiles: Few = 1  # of each head; 1: a value, and squared errors (Table 2); BRO: 100
    pessimism: NonNegative = 0.0  # 1 is the minimum of both heads
    layer_norm_eps: Positive = 1e-6  # flax's
    actor_learning_rate: Positive = 1e-4  # Table 3
    critic_learning_rate: Positive = 1e-3  # Table 3
    temperature_learning_rate: Positive = 3e-4
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    temperature_beta: Beta = 0.5  # the first one of its Adam
    adam_eps: Positive = 1e-8
    weight_decay: NonNegative = 1e-4  # of critic and actor: that of optax's AdamW
    decay_in_loss: bool = False  # as L2, through Adam (BRO in PyTorch); False: decoupled
    decay_biases: bool = True  # of all parameters, as in optax
    averaging_rate: Share = 0.005  # of the target
    initial_temperature: Positive = 1.0
    target_entropy_per_action: Finite = -0.5
    # Of the optimistic actor (BRO's code in JAX):
    optimistic: bool = False
    deviation_factor: Positive = 0.75
    divergence_per_action: Positive = 0.05  # d
    adjustment_learning_rate: Positive = 3e-5  # of o and k
    initial_optimism: Adjusted = 1.0  # o
    initial_regularizer: Adjusted = 0.25  # k
    first_update: Count = 2500  # random actions before it
    updates_per_step: Positive = 2.0  # Table 3; BRO: 10
    replay_capacity: Count = 1_000_000  # Table 3

    normalisation: ClassVar[str] = "layer_norm"
    # Of SAC's, which its update is: each does all.
    target_period: ClassVar[int] = 1
    actor_period: ClassVar[int] = 1
    actor_steps: ClassVar[int] = 1

    def told(self) -> list[str]:
        """What of it is not GraMa's, for the line that announces a run."""
        names = ("hidden", "critic_blocks", "actor_blocks", "quantiles", "pessimism")
        return unusual(self, *names)


def _acting(every: int | float, reset: dict[str, Any]) -> dict[str, Any]:
    """Interventions on both networks (GraMa, A.1: into 'BRO-net'; its code: into critics alone).

    ReDo and ReGraMa differ by their score and threshold (A.1) alone.
    """
    on, when = {"on": ("critic", "actor")}, {"when": {"every": every}}
    return {
        "redo": {"tau": 0.02, "initialisation": "initial", "bias_moments": "zero", **on, **when},
        "regrama": {"tau": 0.01, **on, **when},
        "reborn": on | when,
        "prune_dormant": {"tau": 0.02, **on, **when},
        "continual_backprop": on,
        "shrink_perturb": {**on, "when": reset},
        "reset": {**on, "when": reset},
    }


# What a preset changes of the defaults, which are `paper`.
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {
        # BRO resets once, before the updates of environment step 15,001 (its code in JAX, at two
        # updates a step); shrink and perturb as often: ours.
        "interventions": _acting(1000, {"every": 2 * (15_001 - 2500), "end": 1}),
        "run": {"updates": 1_995_002},  # a million steps (BRO; GraMa gives no length)
    },
    # One core and some minutes. All of it is ours.
    "laptop": {
        "agent": {"hidden": 128, "first_update": 1000, "replay_capacity": 100_000},
        "interventions": _acting(0.02, {"every": 0.1}),
        "run": {
            "updates": 10_000,
            "evaluation_interval": 1000,
            "evaluation_episodes": 3,
            "score_interval": 200,
            "checkpoint_interval": 1000,
        },
    },
    # Seconds: for the tests. All of it is ours.
    "tiny": {
        "agent": {"batch_size": 8, "hidden": 16, "first_update": 20, "replay_capacity": 2000},
        "interventions": _acting(0.02, {"every": 0.1}),
        "run": TINY_RUN,
    },
}


class Critic(nn.Module):
    """Two heads of values, (2, batch, quantiles), of an observation and an action."""

    def __init__(self, heads: Sequence[ResidualMLP]):
        super().__init__()
        self.heads = nn.ModuleList(heads)

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        x = torch.cat([obs, action], dim=1)
        return torch.stack([head(x) for head in self.heads])


class Optimist(nn.Module):
    """The shift of the actor's mean, (batch, actions), of an observation and that mean."""

    def __init__(self, head: ResidualMLP, actions: int):
        super().__init__()
        self.head = head
        self.head.final = nn.Linear(self.head.final.in_features, actions, bias=False)

    def forward(self, obs: Tensor, mean: Tensor) -> Tensor:
        return self.head(torch.cat([obs, mean], dim=1))


class Adjustment(nn.Module):
    """A positive number, whose logarithm a tanh keeps in ADJUSTED, as a network."""

    def __init__(self, initial: float):
        super().__init__()
        low, high = ADJUSTED
        share = 2 * (math.log(initial) - low) / (high - low) - 1
        self.raw = nn.Parameter(torch.tensor(math.atanh(share)))

    def forward(self) -> Tensor:
        low, high = ADJUSTED
        return (low + (high - low) / 2 * (1 + torch.tanh(self.raw))).exp()


class Networks(TypedDict):
    """Of every learner."""

    critic: Critic
    actor: Actor
    temperature: Temperature
    optimist: NotRequired[Optimist]
    optimism: NotRequired[Adjustment]
    regularizer: NotRequired[Adjustment]


def networks(settings: BROSettings, shape: Sequence[int], actions: int) -> Networks:
    """Of every learner; shape: of what the agent sees, (inputs,)."""
    s, (inputs,) = settings, shape

    def net(inputs: int, blocks: int, outputs: int) -> ResidualMLP:
        hidden, norm = (s.hidden,) * (1 + blocks), layer_norm(s.layer_norm_eps)
        return ResidualMLP(inputs, hidden, outputs, F.relu, norm, stream=True)

    heads = [net(inputs + actions, s.critic_blocks, s.quantiles) for _ in range(2)]
    made: Networks = {
        "critic": Critic(heads),
        "actor": Actor(net(inputs, s.actor_blocks, 2 * actions), "tanh", LOG_STD),
        "temperature": Temperature(s.initial_temperature),
    }
    if s.optimistic:
        made["optimist"] = Optimist(net(inputs + actions, s.actor_blocks, actions), actions)
        made["optimism"] = Adjustment(s.initial_optimism)
        made["regularizer"] = Adjustment(s.initial_regularizer)
    return made


class BRO(SAC):
    """SAC with BRO-nets, whose value of both heads is another; and with an optimist."""

    pieces = (*SAC.pieces, "optimist_loss")
    settings: BROSettings

    def __init__(self, settings: BROSettings, shape: Sequence[int], actions: int,
                 generator: Generator, device: torch.device | str = "cpu"):  # fmt: skip
        s = settings
        self.settings, self.actions, self.device = s, actions, torch.device(device)
        with torch.random.fork_rng(devices=[]):  # torch's own initial draws are thrown away
            made = networks(s, shape, actions)
        draw, how = draw_as("orthogonal"), adam(s, device)
        self.critic = Learner(made["critic"], draw, generator, rate=s.critic_learning_rate,
                              slow=True, **how)  # fmt: skip
        self.actor = Learner(made["actor"], draw, generator, rate=s.actor_learning_rate, **how)
        plain = adam(s, device, decays=False) | {"betas": (s.temperature_beta, s.betas[1])}
        self.temperature = Learner(made["temperature"], as_made, generator,
                                   rate=s.temperature_learning_rate, **plain)  # fmt: skip
        self.learners: dict[str, Learner[nn.Module]] = {
            "critic": self.critic, "actor": self.actor, "temperature": self.temperature,
        }  # fmt: skip
        if "optimist" in made:
            near = partial(
                initialise, kernel=orthogonal(), special={"head.final": orthogonal(0.01)}
            )
            self.optimist = Learner(made["optimist"], near, generator, rate=s.actor_learning_rate,
                                    **how)  # fmt: skip
            plain["rate"] = s.adjustment_learning_rate
            self.optimism = Learner(made["optimism"], as_made, generator, **plain)
            self.regularizer = Learner(made["regularizer"], as_made, generator, **plain)
            self.learners |= {"optimist": self.optimist, "optimism": self.optimism,
                              "regularizer": self.regularizer}  # fmt: skip

    @torch.no_grad()
    def act(self, obs: Tensor, generator: Generator | None = None) -> Tensor:
        """Actions (batch, actions): of the optimist, where there is one; without a generator, tanh
        of the actor's mean."""
        if generator is None or not self.settings.optimistic:
            return super().act(obs, generator)
        return squashed_action(self.optimistic(obs)[:2], generator)

    def draws(self, batch: int, generator: Generator) -> Draws:
        """The random numbers of one update, on the agent's device."""
        count = 2 + self.settings.optimistic  # the last is the optimist's
        noise = torch.randn(count, batch, self.actions, generator=generator)
        noise = noise.to(self.device, non_blocking=True)
        return Draws(noise[0], noise[1:])

    def update(self, batch: Batch, draws: Draws, count: int) -> dict[str, Tensor]:
        """The `count`-th update (from 1); returns scalars of it, still on the device."""
        info = super().update(batch, draws._replace(noise=draws.noise[:1]), count)
        if not self.settings.optimistic:
            return info
        loss, divergence = self.optimist_loss(batch.obs, draws.noise[-1])
        self.optimist.step(loss)
        excess = divergence / self.actions - self.settings.divergence_per_action
        self.optimism.step(self.optimism.module() * excess)
        self.regularizer.step(-self.regularizer.module() * excess)
        return info | {"optimist_loss": loss.detach(), "divergence": divergence,
                       "optimism": self.optimism.module().detach(),
                       "regularizer": self.regularizer.module().detach()}  # fmt: skip

    def loss(self, learner: str, batch: Batch, draws: Draws) -> Tensor:
        """What critic, actor or optimist descend on a batch: for the measures."""
        if learner == "optimist":
            return self.optimist_loss(batch.obs, draws.noise[-1])[0]
        return super().loss(learner, batch, draws)

    def optimistic(self, obs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, log deviation and how many of the actor's deviations the mean is shifted."""
        with torch.no_grad():
            mean, log_std = self.actor.module(obs)
        shift = self.optimist.module(obs, mean)
        narrower = log_std + math.log(self.settings.deviation_factor)
        return mean + shift, narrower, shift / log_std.exp()

    def optimist_loss(self, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """What the optimist descends, and D."""
        mean, log_std, shift = self.optimistic(obs)
        first, second = self.critic.module(obs, squashed_sample(mean, log_std, noise)[0])
        apart = self.optimism.module().detach() * (first - second).abs() / 2
        divergence = shift.square().sum(1).mean() / 2
        held = self.regularizer.module().detach() * divergence
        return held - ((first + second) / 2 + apart).mean(), divergence.detach()

    def of_both(self, first: Tensor, second: Tensor) -> Tensor:
        """What stands for the values of both heads: their mean, less pessimism."""
        mean = (first + second) / 2
        return mean - self.settings.pessimism * (first - second).abs() / 2

    @torch.no_grad()
    def target(self, batch: Batch, noise: Tensor) -> Tensor:
        """y (batch, quantiles)."""
        policy: tuple[Tensor, Tensor] = self.actor.module(batch.next_obs)
        action, log_prob = squashed_sample(*policy, noise)
        assert self.critic.slow is not None
        q = self.of_both(*self.critic.slow(batch.next_obs, action))
        value = q - (self.alpha * log_prob)[:, None]
        return batch.reward[:, None] + batch.discount[:, None] * value

    def critic_loss(self, batch: Batch, y: Tensor) -> tuple[Tensor, Tensor]:
        """Of both heads' quantiles against y (batch, quantiles), and the mean of their values."""
        q = self.critic.module(batch.obs, batch.action)
        loss = losses.mse if self.settings.quantiles == 1 else losses.quantile_huber
        return loss(q, y), q.detach().mean()

    def actor_loss(self, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        def value(first: Tensor, second: Tensor) -> Tensor:
            return self.of_both(first, second).mean(1)  # of all quantiles

        policy = self.actor.module(obs)
        return actor_loss(self.critic.module, policy, obs, self.alpha, noise, value)
