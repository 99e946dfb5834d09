"""One whole update of soft actor-critic from states, in jaxrl's order:

1. critic: one Adam step of both heads towards y = r + discount * (min Q'(o', a') - alpha log pi),
   a' from the actor on o';
2. target: Q' := (1 - tau) Q' + tau Q, all parameters, with the NEW critic;
3. actor: one Adam step towards less alpha log pi - min Q, on the NEW critic;
4. temperature: one Adam step of log alpha towards the target entropy, with the entropy of step 3.

alpha in 1 and 3 is the one before 4. The critic's parameters are "heads.{0,1}.{dense0, ...,
final}", the actor's "head.{dense0, ..., final}". The functions before `update` are those of every
soft actor-critic here: drq.py reads them.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ref import autograd as ag
from ref import losses, nn, optim
from ref.checks import Array, Params, require

LOG_STD = (-10.0, 2.0)  # bounds of the actor's log standard deviation (jaxrl)


class Settings(NamedTuple):
    """Of one update; the defaults are ReDo's (Table 4), where it is silent jaxrl's."""

    activation: Callable[[Any], Any] = ag.relu  # of the critic; the actor has ReLU
    actor_learning_rate: float = 3e-4
    critic_learning_rate: float = 3e-4
    temperature_learning_rate: float = 3e-4
    betas: tuple[float, float] = (0.9, 0.999)
    adam_eps: float = 1e-8
    weight_decay: float = 0.0  # decoupled, of the critic's kernels
    averaging_rate: float = 0.005  # tau
    layer_norm_eps: float = 1e-5
    target_entropy_per_action: float = -0.5
    reward_scale: float = 1.0


class Agent(NamedTuple):
    """Everything that an update changes; parameters and the state of their Adam."""

    critic: Params
    target: Params
    actor: Params
    temperature: Params  # {"log": ()}
    critic_state: optim.State
    actor_state: optim.State
    temperature_state: optim.State


class Batch(NamedTuple):
    """Transitions of state vectors, (batch, inputs), and actions (batch, actions)."""

    obs: Array
    action: Array
    reward: Array  # (batch,)
    discount: Array  # (batch,): gamma, 0 where the episode ended in a terminal state
    next_obs: Array


class Draws(NamedTuple):
    """The random numbers of one update: standard normal, (batch, actions)."""

    next_noise: Array  # for a'
    noise: Array  # for the actor's step


# --------------------------------------------------------------------------------- networks


def critic(params: dict[str, Any], obs: Any, action: Any, settings: Settings) -> tuple[Any, Any]:
    """The two values (batch,) of observations and actions."""
    x = ag.concatenate([obs, action], axis=1)
    activation, eps = settings.activation, settings.layer_norm_eps
    first, second = (nn.mlp(params, x, f"heads.{j}.", activation, eps=eps) for j in (0, 1))
    return first[:, 0], second[:, 0]


def actor(params: dict[str, Any], obs: Any, settings: Settings) -> tuple[Any, Any]:
    """Mean and log standard deviation before the squashing, each (batch, actions)."""
    return normal(nn.mlp(params, obs, "head.", eps=settings.layer_norm_eps))


def normal(out: Any) -> tuple[Any, Any]:
    """A policy's outputs (batch, 2 * actions) as mean and log standard deviation, in LOG_STD."""
    actions = ag.shape_of(out)[1] // 2
    return out[:, :actions], ag.clip(out[:, actions:], *LOG_STD)


def squashed_sample(mean: Any, log_std: Any, noise: Array) -> tuple[Any, Any]:
    """The action tanh(u), u = mean + std * noise, and its log density (batch,).

    The density of u, divided by the slope of tanh: log(1 - tanh(u)^2) is written as
    2 (log 2 - u - softplus(-2u)), which does not cancel at large |u|.
    """
    u = mean + ag.exp(log_std) * noise
    density = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
    slope = 2.0 * (math.log(2) - u - ag.softplus(-2.0 * u))
    return ag.tanh(u), ag.sum(density - slope, 1)


# -------------------------------------------------------------------------------- the losses


def soft_minimum(values: Any, alpha: Any, log_prob: Any) -> Any:
    """min_j Q_j - alpha log pi (batch,); at a tie each head has half of the gradient."""
    return ag.minimum(*values) - alpha * log_prob


def temperature_loss(params: dict[str, Any], entropy: float, target_entropy: float) -> Any:
    """alpha (entropy - target entropy): alpha falls while the policy is more random than wanted."""
    return ag.exp(params["log"]) * (entropy - target_entropy)


def target_value(agent: Agent, batch: Batch, noise: Array, settings: Settings) -> Array:
    """y (batch,): the reward and the discounted soft value."""
    action, log_prob = squashed_sample(*actor(agent.actor, batch.next_obs, settings), noise)
    q = critic(agent.target, batch.next_obs, action, settings)
    value = soft_minimum(q, np.exp(agent.temperature["log"]), log_prob)
    y: Array = settings.reward_scale * batch.reward + batch.discount * value
    return y


def critic_loss(params: dict[str, Any], batch: Batch, y: Array, settings: Settings) -> Any:
    """The mean squared errors, summed over both heads."""
    first, second = critic(params, batch.obs, batch.action, settings)
    return losses.mse(first, y) + losses.mse(second, y)


def actor_loss(
    params: dict[str, Any], agent: Agent, obs: Array, noise: Array, settings: Settings
) -> tuple[Any, Any]:
    """Mean of alpha log pi - min Q, and the entropy estimate - mean log pi."""
    action, log_prob = squashed_sample(*actor(params, obs, settings), noise)
    q = critic(agent.critic, obs, action, settings)
    loss = -ag.mean(soft_minimum(q, np.exp(agent.temperature["log"]), log_prob))
    return loss, -ag.plain(log_prob).mean()


# -------------------------------------------------------------------------------- the update


def update(
    agent: Agent, batch: Batch, draws: Draws, settings: Settings
) -> tuple[Agent, dict[str, Any]]:
    """The agent after one update, and the scalars and gradients of it."""
    check(batch, draws)
    adam = settings.betas, settings.adam_eps

    y = target_value(agent, batch, draws.next_noise, settings)
    loss, critic_grads = ag.value_and_grad(critic_loss)(agent.critic, batch, y, settings)
    decay = settings.weight_decay, optim.kernels(agent.critic)
    new, state = optim.adamw(
        critic_grads, agent.critic_state, agent.critic, settings.critic_learning_rate, *decay, *adam
    )
    agent = agent._replace(critic=new, critic_state=state)

    tau = settings.averaging_rate
    target = {k: (1 - tau) * w + tau * agent.critic[k] for k, w in agent.target.items()}
    agent = agent._replace(target=target)

    (value, entropy), actor_grads = ag.value_and_grad(actor_loss)(
        agent.actor, agent, batch.obs, draws.noise, settings
    )
    new, state = optim.adam(
        actor_grads, agent.actor_state, agent.actor, settings.actor_learning_rate, *adam
    )
    agent = agent._replace(actor=new, actor_state=state)

    target_entropy = settings.target_entropy_per_action * batch.action.shape[1]
    grads = ag.grad(temperature_loss)(agent.temperature, entropy, target_entropy)
    rate = settings.temperature_learning_rate
    new, state = optim.adam(grads, agent.temperature_state, agent.temperature, rate, *adam)
    agent = agent._replace(temperature=new, temperature_state=state)
    info = {
        "critic_loss": loss,
        "actor_loss": value,
        "entropy": entropy,
        "target": y.mean(),
        "critic_gradients": critic_grads,
        "actor_gradients": actor_grads,
    }
    return agent, info


def check(batch: Batch, draws: Draws) -> None:
    """Refuse shapes that do not fit together, an empty batch and what is not finite."""
    states, (n, actions) = np.shape(batch.obs), np.shape(batch.action)
    require(len(states) == 2 and n > 0, "obs", states, "(batch, inputs), not empty")
    shapes: dict[str, tuple[int, ...]] = {"obs": (n, states[1]), "next_obs": (n, states[1])}
    shapes |= {"reward": (n,), "discount": (n,)}
    shapes |= {"noise": (n, actions), "next_noise": (n, actions)}
    given = batch._asdict() | draws._asdict()
    for name, shape in shapes.items():
        good = np.shape(given[name]) == shape
        require(good, name, np.shape(given[name]), f"shape {shape}")
        require(bool(np.isfinite(given[name]).all()), name, given[name], "finite numbers")
