"""One whole update of DrQ-v2, deterministic policy gradients from pixels (Yarats et al. 2021):

1. shift o and o', and encode both with the critic's encoder, of which there is one;
2. critic: one Adam step of encoder, trunk and both heads towards
   y = r + discount * min_j Q'_j(o', a'), a' = mu(o') + clip(sigma e', -c, c) kept in [-1, 1];
3. actor: one Adam step of its trunk and head towards a larger min_j Q_j(o, a), on the NEW trunk and
   heads and the features of step 1;
4. target: Q' := (1 - tau) Q' + tau Q, all parameters.

The parameters are named as DrQ's (drq.py); the actor's head gives mu before its tanh.
"""

from typing import Any, NamedTuple

import numpy as np

from ref import autograd as ag
from ref import losses, nn, optim
from ref.agents.drq import Batch, encoder, heads, random_shift, trunk
from ref.checks import Array, Params, require

LIMIT = 1 - 1e-6  # of an action


class Settings(NamedTuple):
    """Of one update; the defaults are the paper's."""

    strides: tuple[int, ...] = (2, 1, 1, 1)
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    adam_eps: float = 1e-8
    averaging_rate: float = 0.01  # tau
    pad: int = 4
    layer_norm_eps: float = 1e-5
    noise_clip: float = 0.3  # c


class Agent(NamedTuple):
    """Everything that an update changes; parameters and the state of their Adam."""

    critic: Params
    target: Params
    actor: Params
    critic_state: optim.State
    actor_state: optim.State


class Draws(NamedTuple):
    """The random numbers of one update."""

    obs_shift: Array  # (batch, 2) integers in [0, 2 * pad]: vertical, horizontal
    next_obs_shift: Array  # (batch, 2)
    next_noise: Array  # (batch, actions) standard normal, e'
    noise: Array  # (batch, actions) standard normal, e


def noise_scale(step: float, start: float, end: float, steps: float) -> float:
    """sigma at a step: from `start` at 0 down a line to `end` at `steps`, and `end` from there."""
    require(steps > 0, "steps", steps, "a number above 0")
    return float(np.interp(step, [0, steps], [start, end]))


def features(params: dict[str, Any], obs: Array, settings: Settings) -> Any:
    """Of pictures (batch, channels, size, size) in 0 ... 255, which the encoder sees around 0."""
    return encoder(params, obs - 127.5, settings.strides)


def critic(params: dict[str, Any], seen: Any, action: Any, settings: Settings) -> tuple[Any, Any]:
    """The two values (batch,) of features and actions."""
    first, second = heads(params, seen, action, settings.layer_norm_eps)
    return first[:, 0], second[:, 0]


def action(
    params: dict[str, Any], seen: Any, sigma: float, noise: Array, settings: Settings
) -> Any:
    """mu + clip(sigma * noise), kept within LIMIT with the gradient of what was not kept."""
    eps, clip = settings.layer_norm_eps, settings.noise_clip
    mean = ag.tanh(nn.mlp(params, trunk(params, seen, eps), "head.", eps=eps))
    free = mean + np.clip(sigma * noise, -clip, clip)
    return free + (np.clip(ag.plain(free), -LIMIT, LIMIT) - ag.plain(free))


def target_value(
    agent: Agent, batch: Batch, next_obs: Array, sigma: float, noise: Array, settings: Settings
) -> Array:
    """y (batch,): the reward and the discounted smaller value."""
    seen = features(agent.critic, next_obs, settings)
    q = critic(agent.target, seen, action(agent.actor, seen, sigma, noise, settings), settings)
    y: Array = batch.reward + batch.discount * np.minimum(*q)
    return y


def critic_loss(
    params: dict[str, Any], obs: Array, taken: Array, y: Array, settings: Settings
) -> Any:
    """The mean squared errors, summed over both heads."""
    first, second = critic(params, features(params, obs, settings), taken, settings)
    return losses.mse(first, y) + losses.mse(second, y)


def actor_loss(
    params: dict[str, Any], agent: Agent, seen: Array, sigma: float, noise: Array,
    settings: Settings,
) -> Any:  # fmt: skip
    """The mean of -min_j Q_j; at a tie each head has half of the gradient."""
    return -ag.mean(
        ag.minimum(
            *critic(agent.critic, seen, action(params, seen, sigma, noise, settings), settings)
        )
    )


def update(
    agent: Agent, batch: Batch, draws: Draws, sigma: float, settings: Settings
) -> tuple[Agent, dict[str, Any]]:
    """The agent after one update, and the scalars and gradients of it."""
    rate, adam = settings.learning_rate, (settings.betas, settings.adam_eps)
    obs = random_shift(batch.obs, draws.obs_shift, settings.pad)
    next_obs = random_shift(batch.next_obs, draws.next_obs_shift, settings.pad)
    seen = features(agent.critic, obs, settings)  # before the critic's step

    y = target_value(agent, batch, next_obs, sigma, draws.next_noise, settings)
    loss, critic_grads = ag.value_and_grad(critic_loss)(
        agent.critic, obs, batch.action, y, settings
    )
    new, state = optim.adam(critic_grads, agent.critic_state, agent.critic, rate, *adam)
    agent = agent._replace(critic=new, critic_state=state)

    value, actor_grads = ag.value_and_grad(actor_loss)(
        agent.actor, agent, seen, sigma, draws.noise, settings
    )
    new, state = optim.adam(actor_grads, agent.actor_state, agent.actor, rate, *adam)
    agent = agent._replace(actor=new, actor_state=state)

    tau = settings.averaging_rate
    target = {k: (1 - tau) * w + tau * agent.critic[k] for k, w in agent.target.items()}
    info = {
        "critic_loss": loss,
        "actor_loss": value,
        "target": y.mean(),
        "critic_gradients": critic_grads,
        "actor_gradients": actor_grads,
    }
    return agent._replace(target=target), info
