"""One whole update of proximal policy optimisation from states: a minibatch of a rollout.

1. critic: value_weight / 2 times the mean of max((V - R)^2, (V_old + clip(V - V_old) - R)^2);
2. actor: less the mean of min(rho A, clip(rho) A), rho = pi(a | o) / pi_old(a | o), with the
   advantages normalised over the minibatch;
3. the gradient of both together, cut to its largest norm, and one Adam step of each.

The critic's parameters are "head.{dense0, ..., final}", the actor's those and "log_std". What a
minibatch is a part of, `prepare` makes from a rollout, by the networks that played it.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ref import autograd as ag
from ref import losses, nn, optim
from ref.checks import Array, Params, require


class Settings(NamedTuple):
    """Of one update; the defaults are OCP's (Appendix B), where it is silent CleanRL's."""

    activation: Callable[[Any], Any] = ag.relu  # of both
    discount: float = 0.99
    trace: float = 0.95  # lambda
    learning_rate: float = 3e-4
    betas: tuple[float, float] = (0.9, 0.999)
    adam_eps: float = 1e-5
    weight_decay: float = 0.0  # decoupled, of the kernels of both
    clip: float = 0.2  # c, of ratio and value
    value_weight: float = 0.5
    entropy_weight: float = 0.0
    most_gradient: float = 0.5  # norm
    layer_norm_eps: float = 1e-5


class Agent(NamedTuple):
    """Everything that an update changes; parameters and the state of their Adam."""

    critic: Params
    actor: Params
    critic_state: optim.State
    actor_state: optim.State


class Steps(NamedTuple):
    """T steps in a row, of normalised observations (T, inputs) and rewards (T,)."""

    obs: Array
    action: Array  # (T, actions)
    reward: Array
    ended: Array  # (T,): whether nothing follows, as after a terminal state
    over: Array  # (T,): whether it is the last step of its episode
    next_obs: Array  # after the step, also of an episode's last one


class Batch(NamedTuple):
    """Some of them, with what the networks that played them made of it, (batch,) each."""

    obs: Array  # (batch, inputs)
    action: Array  # (batch, actions)
    log_prob: Array
    value: Array
    advantage: Array
    target: Array


# --------------------------------------------------------------------------------- networks


def critic(params: dict[str, Any], obs: Any, settings: Settings) -> Any:
    """The value (batch,)."""
    s = settings
    return nn.mlp(params, obs, "head.", s.activation, eps=s.layer_norm_eps)[:, 0]


def log_density(params: dict[str, Any], obs: Any, action: Any, settings: Settings) -> Any:
    """log pi(action | obs), (batch,): of a normal with independent actions."""
    mean = nn.mlp(params, obs, "head.", settings.activation)
    z = (action - mean) * ag.exp(-params["log_std"])
    return ag.sum(-0.5 * z**2 - params["log_std"] - 0.5 * math.log(2 * math.pi), 1)


# -------------------------------------------------------------------------------- the losses


def normalised(advantage: Array) -> Array:
    """To mean 0 and deviation 1 over the batch, with n - 1 and + 1e-8 as CleanRL has it."""
    require(len(advantage) > 1, "advantage", np.shape(advantage), "two or more")
    out: Array = (advantage - advantage.mean()) / (advantage.std(ddof=1) + 1e-8)
    return out


def surrogate(ratio: Any, advantage: Array, clip: float) -> Any:
    """The mean of min(rho A, clip(rho, 1 - c, 1 + c) A), of (batch,) each.

    Its gradient in rho is A / batch up to where the clip cuts in the advantage's direction, that
    point included, and 0 beyond it.
    """
    cut = ag.clip(ratio, 1 - clip, 1 + clip)
    return ag.mean(ag.minimum(ratio * advantage, cut * advantage))


def value_loss(value: Any, old: Array, target: Array, clip: float | None) -> Any:
    """Half of the mean of max((V - R)^2, (V_old + clip(V - V_old, -c, c) - R)^2), of (batch,) each;
    without a clip of (V - R)^2."""
    error = (value - target) ** 2
    if clip is not None:
        cut = old + ag.clip(value - old, -clip, clip)
        error = ag.maximum(error, (cut - target) ** 2)
    return 0.5 * ag.mean(error)


def critic_loss(params: dict[str, Any], batch: Batch, settings: Settings) -> Any:
    value = critic(params, batch.obs, settings)
    loss = value_loss(value, batch.value, batch.target, settings.clip)
    return settings.value_weight * loss


def actor_loss(params: dict[str, Any], batch: Batch, settings: Settings) -> Any:
    log_prob = log_density(params, batch.obs, batch.action, settings)
    ratio = ag.exp(log_prob - batch.log_prob)
    entropy = ag.sum(params["log_std"] + 0.5 * math.log(2 * math.pi * math.e))
    gain = surrogate(ratio, normalised(batch.advantage), settings.clip)
    return -gain - settings.entropy_weight * entropy


# -------------------------------------------------------------------------------- the update


def prepare(agent: Agent, steps: Steps, settings: Settings) -> Batch:
    """A whole rollout as its minibatches have it, by the networks that played it."""
    value = critic(agent.critic, steps.obs, settings)
    after = critic(agent.critic, steps.next_obs, settings)
    discount = np.where(steps.ended, 0.0, settings.discount)
    advantage = losses.gae(steps.reward, discount, value, after, steps.over, settings.trace)
    log_prob = log_density(agent.actor, steps.obs, steps.action, settings)
    return Batch(steps.obs, steps.action, log_prob, value, advantage, advantage + value)


def clipped(grads: dict[str, Params], most: float) -> tuple[dict[str, Params], float]:
    """Gradients of several networks with their common norm cut to `most`, and what it was.

    Divided by the norm + 1e-6, as torch has it, so that the new norm is a little below `most`.
    """
    norm = math.sqrt(sum(float((g**2).sum()) for leaves in grads.values() for g in leaves.values()))
    factor = min(1.0, most / (norm + 1e-6))
    cut = {name: {k: factor * g for k, g in leaves.items()} for name, leaves in grads.items()}
    return cut, norm


def update(
    agent: Agent, batch: Batch, settings: Settings, left: float = 1.0
) -> tuple[Agent, dict[str, Any]]:
    """The agent after one minibatch, and the scalars and gradients of it.

    left: the share of the learning rate, that of the run which is left.
    """
    _check(batch)
    s = settings
    value, of_critic = ag.value_and_grad(critic_loss)(agent.critic, batch, s)
    loss, of_actor = ag.value_and_grad(actor_loss)(agent.actor, batch, s)
    grads, norm = clipped({"critic": of_critic, "actor": of_actor}, s.most_gradient)
    new: dict[str, Any] = {}
    for name, leaves in grads.items():
        params, state = getattr(agent, name), getattr(agent, f"{name}_state")
        new[name], new[f"{name}_state"] = optim.adamw(
            leaves, state, params, left * s.learning_rate, s.weight_decay, optim.kernels(params),
            s.betas, s.adam_eps,
        )  # fmt: skip
    info = {
        "critic_loss": value,
        "actor_loss": loss,
        "gradient_norm": norm,
        "critic_gradients": grads["critic"],
        "actor_gradients": grads["actor"],
    }
    return Agent(**new), info


def _check(batch: Batch) -> None:
    """Refuse shapes that do not fit together, an empty batch and what is not finite."""
    states, actions = np.shape(batch.obs), np.shape(batch.action)
    require(len(states) == 2 and states[0] > 0, "obs", states, "(batch, inputs), not empty")
    n = states[0]
    require(len(actions) == 2 and actions[0] == n, "action", actions, f"({n}, actions)")
    for name, x in batch._asdict().items():
        require(np.shape(x)[:1] == (n,), name, np.shape(x), f"a first axis of {n}")
        alone = name in ("obs", "action") or np.ndim(x) == 1
        require(alone, name, np.shape(x), f"shape ({n},)")
        require(bool(np.isfinite(x).all()), name, x, "finite numbers")
