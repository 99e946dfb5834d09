"""Soft actor-critic from states (Haarnoja et al. 2018), with a learned temperature.

One update, in jaxrl's order:

1. critic: one Adam step down the sum over both heads of the mean of (Q_j(o, a) - y)^2, with
   y = r + discount * (min_j Q'_j(o', a') - alpha log pi(a' | o')), a' from pi(. | o');
2. target: Q' := (1 - tau) Q' + tau Q, with the NEW critic;
3. actor: one Adam step down the mean of alpha log pi(a | o) - min_j Q_j(o, a), on the NEW critic;
4. temperature: one Adam step down alpha * (entropy - target entropy), with the entropy of step 3.

alpha in 1 and 3 is the one before 4. Every random number is an argument (`Draws`). The functions
below the settings are those of every soft actor-critic here: drq.py reads them.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, TypedDict

import torch
from torch import Generator, Tensor, nn

from fast import losses
from fast.agents.learner import TINY_RUN, Learner, RandomFirst, adam, as_made
from fast.errors import InputError
from fast.experience.replay import Batch
from fast.nets.heads import Temperature, normal, squashed_action, squashed_sample
from fast.nets.layers import (
    ACTIVATIONS,
    MLP,
    Activation,
    Draw,
    Norm,
    ResidualMLP,
    initialise,
    layer_norm,
    orthogonal,
    uniform_fan_in,
)
from fast.rules import (
    Beta,
    Count,
    Few,
    Finite,
    NonNegative,
    Positive,
    Share,
    Size,
    Widths,
    settings,
    unusual,
)

Activations = Literal["relu", "leaky_relu", "tanh", "sigmoid", "mish", "swish", "none"]


@settings
class SACSettings(RandomFirst):
    """The defaults are ReDo's for SAC on MuJoCo (Table 4), where it is silent jaxrl's."""

    kind: Literal["sac"] = "sac"
    batch_size: Size = 256
    discount: Share = 0.99
    n_step: Few = 1  # rewards in the target
    hidden: Widths = (256, 256)  # of both heads of the critic, and of the actor
    width: Positive = 1.0  # times `hidden`, rounded to whole neurons (ReDo, Table 6)
    activation: Activations = "relu"  # of the critic
    actor_activation: Activations = "relu"
    normalisation: Literal["none", "layer_norm"] = "none"  # before the critic's non-linearities
    layer_norm_eps: Positive = 1e-5  # torch's
    residual: bool = False  # the critic's layers behind the first as blocks relu(x + f(x)) (ours)
    log_std: Literal["clip", "tanh"] = "clip"  # how the actor keeps log std in its bounds (jaxrl)
    log_std_bounds: tuple[Finite, Finite] = (-10.0, 2.0)  # jaxrl
    initialisation: Literal["orthogonal", "torch"] = "orthogonal"  # jaxrl; torch: CleanRL's
    actor_learning_rate: Positive = 3e-4
    critic_learning_rate: Positive = 3e-4
    temperature_learning_rate: Positive = 3e-4
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    adam_eps: Positive = 1e-8
    weight_decay: NonNegative = 0.0  # on the critic
    decay_in_loss: bool = False  # as L2, through Adam; False: decoupled
    decay_biases: bool = False  # whether the decay includes biases and LayerNorm parameters
    averaging_rate: Share = 0.005  # tau
    target_period: Few = 1  # updates between two steps of the target
    actor_period: Few = 1  # updates between two turns of actor and temperature
    actor_steps: Few = 1  # steps in each of these turns (CleanRL: as many as the period)
    initial_temperature: Positive = 1.0  # jaxrl
    target_entropy_per_action: Finite = -0.5  # TF-Agents', which ReDo's code takes; jaxrl's is -1
    reward_scale: Positive = 1.0  # ReDo's code has 0.1, its text none
    first_update: Count = 10_000  # random actions before it
    updates_per_step: Positive = 1.0
    replay_capacity: Count = 1_000_000

    def require(self, shape: Sequence[int]) -> None:
        """Refuse what these settings cannot be, together.

        Raises:
            InputError: naming the setting.
        """
        low, high = self.log_std_bounds
        if low >= high:
            reason = "accepted: the lower bound first"
            raise InputError("--agent.log-std-bounds", self.log_std_bounds, reason)

    def told(self) -> list[str]:
        """What of it is not plain SAC, for the line that announces a run."""
        return unusual(self, "activation", "normalisation", "residual", "width")


# What a preset changes of the defaults, which are `paper`. ReDo's Table 4: recycled every 200,000
# updates at tau 0; 'Reset' is of the whole networks as often.
REDO = {"redo": {"when": {"every": 200_000}, "tau": 0.0}, "reset": {"when": {"every": 200_000}}}
PRESETS: dict[str, dict[str, Any]] = {
    "paper": {"interventions": REDO},
    # GraMa, Tables 6 and 7, on CleanRL's sac_continuous_action, whose layers torch draws.
    "grama": {
        "agent": {
            "initialisation": "torch",
            "critic_learning_rate": 1e-3,
            "temperature_learning_rate": 1e-3,
            "log_std": "tanh",
            "log_std_bounds": (-5.0, 2.0),
            "target_entropy_per_action": -1.0,
            "first_update": 5000,
            "actor_period": 2,
            "actor_steps": 2,
        },
        # 5.3: ReGraMa's threshold is 0, ReDo's that of A.1; they differ by the score alone.
        "interventions": {
            "redo": {"tau": 0.02, "initialisation": "initial", "bias_moments": "zero"},
            "regrama": {"tau": 0.0},
        },
        "run": {"updates": 2_995_000},  # three million steps
    },
    # Two cores and half an hour. All of it is ours.
    "laptop": {
        "agent": {
            "first_update": 5000,
            "target_entropy_per_action": -1.0,
            "replay_capacity": 200_000,
        },
        "run": {
            "updates": 100_000,
            "evaluation_interval": 10_000,
            "score_interval": 2000,
            "checkpoint_interval": 10_000,
        },
    },
    # Seconds: for the tests. All of it is ours.
    "tiny": {
        "agent": {"batch_size": 8, "hidden": (16, 16), "first_update": 20, "replay_capacity": 2000},
        "run": TINY_RUN,
    },
}


class Draws(NamedTuple):
    """The random numbers of one update, standard normal."""

    next_noise: Tensor  # (batch, actions), for a'
    noise: Tensor  # (actor_steps, batch, actions), for the actor's steps


# --- networks -------------------------------------------------------------------------------


class Critic(nn.Module):
    """Two values (2, batch) of an observation and an action."""

    def __init__(self, inputs: int, hidden: Widths, activation: Activation, norm: Norm | None,
                 residual: bool):  # fmt: skip
        super().__init__()
        body = ResidualMLP if residual else MLP
        heads = [body(inputs, hidden, 1, activation, norm) for _ in range(2)]
        self.heads = nn.ModuleList(heads)

    def forward(self, obs: Tensor, action: Tensor) -> Tensor:
        x = torch.cat([obs, action], dim=1)
        return torch.stack([head(x).squeeze(1) for head in self.heads])


class Actor(nn.Module):
    """Mean and log standard deviation of a normal before its tanh, each (batch, actions)."""

    def __init__(self, head: MLP | ResidualMLP, log_std: str, bounds: tuple[float, float]):
        super().__init__()
        self.head, self.log_std, self.bounds = head, log_std, bounds

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        return normal(self.head(obs), self.log_std, self.bounds)


def draw_as(style: str) -> Draw:
    """orthogonal: all with gain sqrt 2, the actor's mean and log std apart with gain 1 (jaxrl).
    torch: kernels and biases uniform in +- 1 / sqrt(inputs), torch's own (CleanRL)."""
    if style == "torch":
        return uniform_fan_in
    return partial(initialise, kernel=orthogonal(), special={"head.final": orthogonal(1, parts=2)})


# --- the equations, of states or features ----------------------------------------------------

Pair = Callable[[Tensor, Tensor], Tensor]  # what is taken of both heads' values


def soft_value(critic: nn.Module, policy: tuple[Tensor, Tensor], obs: Tensor, alpha: Tensor | float,
               noise: Tensor) -> Tensor:  # fmt: skip
    """min_j Q_j(o, a) - alpha log pi(a | o), (batch,), a drawn from the policy by `noise`."""
    action, log_prob = squashed_sample(*policy, noise)
    return torch.minimum(*critic(obs, action)) - alpha * log_prob


def actor_loss(critic: nn.Module, policy: tuple[Tensor, Tensor], obs: Tensor, alpha: Tensor,
               noise: Tensor, of: Pair = torch.minimum) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The mean of alpha log pi - min_j Q_j, and the entropy estimate - mean log pi.

    Where both values are equal each head gets half of the gradient. `of` stands for min.
    """
    action, log_prob = squashed_sample(*policy, noise)
    q = of(*critic(obs, action))
    return (alpha * log_prob - q).mean(), -log_prob.detach().mean()


def temperature_loss(temperature: nn.Module, entropy: Tensor, target_entropy: float) -> Tensor:
    """alpha falls while the policy is more random than wanted."""
    return temperature() * (entropy - target_entropy)


class Networks(TypedDict):
    """Of every learner."""

    critic: Critic
    actor: Actor
    temperature: Temperature


def networks(settings: SACSettings, shape: Sequence[int], actions: int) -> Networks:
    """Of every learner; shape: of what the agent sees, (inputs,)."""
    s, (inputs,) = settings, shape
    hidden = tuple(max(1, round(s.width * neurons)) for neurons in s.hidden)
    norm = layer_norm(s.layer_norm_eps) if s.normalisation == "layer_norm" else None
    return {
        "critic": Critic(inputs + actions, hidden, ACTIVATIONS[s.activation], norm, s.residual),
        "actor": Actor(MLP(inputs, hidden, 2 * actions, ACTIVATIONS[s.actor_activation]),
                       s.log_std, s.log_std_bounds),
        "temperature": Temperature(s.initial_temperature),
    }  # fmt: skip


class SAC:
    """Observations are float vectors, actions in [-1, 1]."""

    pieces: tuple[str, ...] = ("target", "critic_loss", "actor_loss")
    settings: Any  # SACSettings here
    critic: Learner[nn.Module]
    actor: Learner[nn.Module]

    def __init__(self, settings: SACSettings, shape: Sequence[int], actions: int,
                 generator: Generator, device: torch.device | str = "cpu"):  # fmt: skip
        s = settings
        self.settings, self.actions, self.device = s, actions, torch.device(device)
        with torch.random.fork_rng(devices=[]):  # torch's own initial draws are thrown away
            made = networks(s, shape, actions)
        draw, plain = draw_as(s.initialisation), adam(s, device, decays=False)
        self.critic = Learner(made["critic"], draw, generator, rate=s.critic_learning_rate,
                              slow=True, **adam(s, device))  # fmt: skip
        self.actor = Learner(made["actor"], draw, generator, rate=s.actor_learning_rate, **plain)
        self.temperature = Learner(made["temperature"], as_made, generator,
                                   rate=s.temperature_learning_rate, **plain)  # fmt: skip
        self.learners: dict[str, Learner[nn.Module]] = {
            "critic": self.critic, "actor": self.actor, "temperature": self.temperature,
        }  # fmt: skip

    @property
    def alpha(self) -> Tensor:
        """The temperature, without gradient."""
        return self.temperature.module().detach()

    @torch.no_grad()
    def act(self, obs: Tensor, generator: Generator | None = None) -> Tensor:
        """Actions (batch, actions); without a generator, tanh of the mean."""
        return squashed_action(self.actor.module(obs), generator)

    def draws(self, batch: int, generator: Generator) -> Draws:
        """The random numbers of one update, on the agent's device."""
        noise = torch.randn(1 + self.settings.actor_steps, batch, self.actions, generator=generator)
        noise = noise.to(self.device, non_blocking=True)
        return Draws(noise[0], noise[1:])

    def update(self, batch: Batch, draws: Draws, count: int) -> dict[str, Tensor]:
        """The `count`-th update (from 1); returns scalars of it, still on the device."""
        s = self.settings
        y = self.target(batch, draws.next_noise)
        critic_loss, value = self.critic_loss(batch, y)
        self.critic.step(critic_loss)
        if (count - 1) % s.target_period == 0:  # the first update does all
            self.critic.follow(s.averaging_rate)
        info = {"critic_loss": critic_loss.detach(), "value": value, "target": y.mean()}
        if (count - 1) % s.actor_period == 0:
            for noise in draws.noise:
                loss, entropy = self.actor_loss(batch.obs, noise)
                self.actor.step(loss)
                self.temperature.step(self.temperature_loss(entropy))
            info |= {"actor_loss": loss.detach(), "entropy": entropy, "temperature": self.alpha}
        return info

    def loss(self, learner: str, batch: Batch, draws: Draws) -> Tensor:
        """What critic or actor descend on a batch: for the measures."""
        if learner == "critic":
            return self.critic_loss(batch, self.target(batch, draws.next_noise))[0]
        return self.actor_loss(batch.obs, draws.noise[0])[0]

    @torch.no_grad()
    def target(self, batch: Batch, noise: Tensor) -> Tensor:
        """y (batch,)."""
        policy = self.actor.module(batch.next_obs)
        assert self.critic.slow is not None
        value = soft_value(self.critic.slow, policy, batch.next_obs, self.alpha, noise)
        return self.settings.reward_scale * batch.reward + batch.discount * value

    def critic_loss(self, batch: Batch, y: Tensor) -> tuple[Tensor, Tensor]:
        """Summed over both heads, and the mean of their values."""
        q = self.critic.module(batch.obs, batch.action)
        return losses.mse(q, y), q.detach().mean()

    def actor_loss(self, obs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        return actor_loss(self.critic.module, self.actor.module(obs), obs, self.alpha, noise)

    def temperature_loss(self, entropy: Tensor) -> Tensor:
        wanted = self.settings.target_entropy_per_action * self.actions
        return temperature_loss(self.temperature.module, entropy, wanted)
