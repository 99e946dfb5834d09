"""One whole update of BRO (Nauman et al. 2024), as GraMa has it: SAC's (sac.py) with BRO-nets.

The order is SAC's, with Q = (Q_0 + Q_1) / 2 - p |Q_0 - Q_1| / 2 in place of its minimum, p the
pessimism. A head has n quantiles: with n = 1 the critic steps down squared errors, else quantile
regression, each quantile of Q a target; the actor has the mean of them. All parameters decay.

The optimistic actor, which GraMa leaves off, is `optimist_update`, behind each of these updates.

Both heads of the critic are "heads.{0,1}.", the actor's and the optimist's "head.", each dense0,
blocks.0, blocks.1, ... and final, of which the optimist's has no bias.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from ref import autograd as ag
from ref import losses, nn, optim
from ref.agents.sac import (
    LOG_STD,
    Agent,
    Batch,
    Draws,
    check,
    squashed_sample,
    temperature_loss,
)
from ref.checks import Array, Params

ADJUSTED = (-10.0, 7.5)  # bounds of the logarithm of optimism and regularizer


class Settings(NamedTuple):
    """Of one update; the defaults are GraMa's (Tables 2 and 3), else those of BRO's code."""

    pessimism: float = 0.0  # p
    actor_learning_rate: float = 1e-4  # the optimist's too
    critic_learning_rate: float = 1e-3
    temperature_learning_rate: float = 3e-4
    betas: tuple[float, float] = (0.9, 0.999)
    temperature_beta: float = 0.5  # in place of the first, also of optimism and regularizer
    adam_eps: float = 1e-8
    weight_decay: float = 1e-4  # decoupled, of critic, actor and optimist, biases and norms too
    averaging_rate: float = 0.005  # tau
    layer_norm_eps: float = 1e-6
    target_entropy_per_action: float = -0.5
    deviation_factor: float = 0.75
    divergence_per_action: float = 0.05  # d
    adjustment_learning_rate: float = 3e-5  # of optimism and regularizer


class Optimist(NamedTuple):
    """Everything that `optimist_update` changes."""

    optimist: Params
    optimism: Params  # {"raw": ()}
    regularizer: Params  # {"raw": ()}
    optimist_state: optim.State
    optimism_state: optim.State
    regularizer_state: optim.State


# --------------------------------------------------------------------------------- networks


def bro_net(params: dict[str, Any], x: Any, prefix: str, eps: float) -> Any:
    """dense0 with LayerNorm and ReLU, the blocks, a linear map (GraMa, Tables 1 and 2)."""
    x, i = nn.hidden(params, x, prefix, eps=eps), 0
    while f"{prefix}blocks.{i}.dense.weight" in params:
        x, i = nn.residual_block(params, x, f"{prefix}blocks.{i}.", eps=eps), i + 1
    return nn.linear(params, f"{prefix}final", x)


def critic(params: dict[str, Any], obs: Any, action: Any, settings: Settings) -> tuple[Any, Any]:
    """Both heads' quantiles, each (batch, n), of observations and actions."""
    x = ag.concatenate([obs, action], axis=1)
    first, second = (bro_net(params, x, f"heads.{j}.", settings.layer_norm_eps) for j in (0, 1))
    return first, second


def actor(params: dict[str, Any], obs: Any, settings: Settings) -> tuple[Any, Any]:
    """Mean and log standard deviation before the squashing, each (batch, actions); a tanh keeps the
    latter in LOG_STD."""
    out, (low, high) = bro_net(params, obs, "head.", settings.layer_norm_eps), LOG_STD
    actions = ag.shape_of(out)[1] // 2
    return out[:, :actions], low + (high - low) / 2 * (1 + ag.tanh(out[:, actions:]))


def adjustment(params: dict[str, Any]) -> Any:
    """Optimism or regularizer: a positive number, whose logarithm a tanh keeps in ADJUSTED."""
    low, high = ADJUSTED
    return ag.exp(low + (high - low) / 2 * (1 + ag.tanh(params["raw"])))


# -------------------------------------------------------------------------------- the losses


def between(values: tuple[Any, Any], pessimism: float) -> Any:
    """The mean of both heads, less `pessimism` times half of their distance: 1 is their minimum."""
    first, second = values
    apart = ag.maximum(first - second, second - first)
    return (first + second) / 2 - pessimism * apart / 2


def target_value(agent: Agent, batch: Batch, noise: Array, settings: Settings) -> Array:
    """y (batch, n): the reward and the discounted soft value, for each quantile of it."""
    action, log_prob = squashed_sample(*actor(agent.actor, batch.next_obs, settings), noise)
    q = between(critic(agent.target, batch.next_obs, action, settings), settings.pessimism)
    value = q - np.exp(agent.temperature["log"]) * log_prob[:, None]
    y: Array = batch.reward[:, None] + batch.discount[:, None] * value
    return y


def critic_loss(params: dict[str, Any], batch: Batch, y: Array, settings: Settings) -> Any:
    """Squared errors, or quantile regression, summed over both heads."""
    first, second = critic(params, batch.obs, batch.action, settings)
    loss = losses.mse if y.shape[1] == 1 else losses.quantile_huber
    return loss(first, y) + loss(second, y)


def actor_loss(
    params: dict[str, Any], agent: Agent, obs: Array, noise: Array, settings: Settings
) -> tuple[Any, Any]:
    """Mean of alpha log pi - Q, and the entropy estimate - mean log pi."""
    action, log_prob = squashed_sample(*actor(params, obs, settings), noise)
    q = between(critic(agent.critic, obs, action, settings), settings.pessimism)
    alpha = np.exp(agent.temperature["log"])
    return ag.mean(alpha * log_prob) - ag.mean(q), -ag.plain(log_prob).mean()


def optimist_loss(
    params: dict[str, Any], own: Optimist, agent: Agent, obs: Array, noise: Array,
    settings: Settings,
) -> tuple[Any, Any]:  # fmt: skip
    """k D - mean of ((Q_0 + Q_1) / 2 + o |Q_0 - Q_1| / 2), o the optimism, k the regularizer; and
    D = mean of shift^2 / (2 std^2), summed over the actions.

    The actions are those of a normal whose mean is the actor's and a shift, the optimist's of
    observations and that mean, and whose deviation is the actor's times a factor.
    """
    mean, log_std = actor(agent.actor, obs, settings)
    no_bias: dict[str, Any] = {"head.final.bias": np.zeros(mean.shape[1])}
    x = np.concatenate([obs, mean], axis=1)
    shift = bro_net(params | no_bias, x, "head.", settings.layer_norm_eps)
    narrower = log_std + math.log(settings.deviation_factor)
    action, _ = squashed_sample(mean + shift, narrower, noise)
    upper = between(critic(agent.critic, obs, action, settings), -adjustment(own.optimism))
    divergence = ag.mean(ag.sum((shift / np.exp(log_std)) ** 2, 1)) / 2
    return adjustment(own.regularizer) * divergence - ag.mean(upper), ag.plain(divergence)


def adjustment_loss(params: dict[str, Any], excess: float, sign: float) -> Any:
    """Optimism (sign 1) falls, and the regularizer (-1) grows, where the optimist is too far."""
    return sign * adjustment(params) * excess


# ------------------------------------------------------------------------------- the updates


def update(
    agent: Agent, batch: Batch, draws: Draws, settings: Settings
) -> tuple[Agent, dict[str, Any]]:
    """The agent after one update, and the scalars and gradients of it."""
    check(batch, draws)
    s = settings

    y = target_value(agent, batch, draws.next_noise, s)
    loss, critic_grads = ag.value_and_grad(critic_loss)(agent.critic, batch, y, s)
    new, state = _decaying(
        critic_grads, agent.critic_state, agent.critic, s.critic_learning_rate, s
    )
    agent = agent._replace(critic=new, critic_state=state)

    tau = s.averaging_rate
    target = {k: (1 - tau) * w + tau * agent.critic[k] for k, w in agent.target.items()}
    agent = agent._replace(target=target)

    (value, entropy), actor_grads = ag.value_and_grad(actor_loss)(
        agent.actor, agent, batch.obs, draws.noise, s
    )
    new, state = _decaying(actor_grads, agent.actor_state, agent.actor, s.actor_learning_rate, s)
    agent = agent._replace(actor=new, actor_state=state)

    target_entropy = s.target_entropy_per_action * batch.action.shape[1]
    grads = ag.grad(temperature_loss)(agent.temperature, entropy, target_entropy)
    adam = s.temperature_learning_rate, (s.temperature_beta, s.betas[1]), s.adam_eps
    new, state = optim.adam(grads, agent.temperature_state, agent.temperature, *adam)
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


def optimist_update(
    own: Optimist, agent: Agent, obs: Array, noise: Array, settings: Settings
) -> tuple[Optimist, dict[str, Any]]:
    """The optimist after one update, on the agent's NEW critic and actor."""
    s = settings
    (loss, divergence), grads = ag.value_and_grad(optimist_loss)(
        own.optimist, own, agent, obs, noise, s
    )
    new, state = _decaying(grads, own.optimist_state, own.optimist, s.actor_learning_rate, s)
    changed: dict[str, Any] = {"optimist": new, "optimist_state": state}
    info = {"optimist_loss": loss, "divergence": divergence, "optimist_gradients": grads}
    excess = divergence / noise.shape[1] - s.divergence_per_action
    adam = s.adjustment_learning_rate, (s.temperature_beta, s.betas[1]), s.adam_eps
    for name, sign in (("optimism", 1.0), ("regularizer", -1.0)):
        params, state = getattr(own, name), getattr(own, f"{name}_state")
        info[f"{name}_gradients"] = step = ag.grad(adjustment_loss)(params, excess, sign)
        changed[name], changed[f"{name}_state"] = optim.adam(step, state, params, *adam)
    return own._replace(**changed), info


def _decaying(
    grads: Params, state: optim.State, params: Params, rate: float, settings: Settings
) -> tuple[Params, optim.State]:
    """One step of AdamW in which all parameters decay."""
    every = dict.fromkeys(params, True)
    adam = settings.betas, settings.adam_eps
    return optim.adamw(grads, state, params, rate, settings.weight_decay, every, *adam)
