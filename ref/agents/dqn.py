"""One whole update of a deep Q-network: an Adam step of Q towards y = r + discount * Q'(o', b).

b is the best action of Q' (Mnih et al. 2015) or, in double Q-learning, of Q (van Hasselt et al.
2016); Q' is Q as it was some updates ago, and takes no step here. A dueling network (Wang et al.
2016) has a value and advantages, whose mean over the actions is taken off. DrQ(eps) augments o and
o' first. Parameters are "encoder.conv{i}", "dense{i}", and "final" or "value" and "advantage".
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ref import autograd as ag
from ref import losses, nn, optim
from ref.agents.drq import random_shift
from ref.checks import Array, Params, require


class Settings(NamedTuple):
    """Of one update; the defaults are ReDo's (Table 1)."""

    strides: Sequence[int] = (4, 2, 1)
    same: bool = True  # padding that leaves a side of ceil(size / stride)
    double: bool = False
    learning_rate: float = 6.25e-5
    betas: tuple[float, float] = (0.9, 0.999)
    adam_eps: float = 1.5e-4
    weight_decay: float = 0.0  # decoupled, of the kernels
    layer_norm_eps: float = 1e-6
    pad: int = 0
    intensity: float = 0.0


class Agent(NamedTuple):
    """Everything that an update changes or reads."""

    critic: Params
    target: Params
    critic_state: optim.State


class Batch(NamedTuple):
    """Transitions of pictures (batch, channels, size, size) in 0 ... 255."""

    obs: Array
    action: Array  # (batch,), the numbers of actions
    reward: Array  # (batch,), clipped, of n steps their discounted sum
    discount: Array  # (batch,): gamma to the number of steps, 0 at a terminal state
    next_obs: Array


class Draws(NamedTuple):
    """The random numbers of one update, of o and o'."""

    shift: Array  # (2, batch, 2) integers in [0, 2 * pad]
    brightness: Array  # (2, batch) standard normal


def values(params: dict[str, Any], obs: Array, settings: Settings) -> Any:
    """Q (batch, actions)."""
    x: Any = obs / 255
    for i, stride in enumerate(settings.strides):
        layer = f"encoder.conv{i}"
        if settings.same:
            x = padded(x, ag.shape_of(params[f"{layer}.weight"])[-1], stride)
        x = ag.relu(nn.conv2d(params, layer, x, stride))
    h = nn.hidden(params, ag.reshape(x, (len(obs), -1)), eps=settings.layer_norm_eps)
    if "final.weight" in params:
        return nn.linear(params, "final", h)
    advantage = nn.linear(params, "advantage", h)
    return nn.linear(params, "value", h) + advantage - ag.mean(advantage, axis=1, keepdims=True)


def padded(x: Any, kernel: int, stride: int) -> Any:
    """Zeros around pictures so that ceil(side / stride) windows fit, an odd one behind."""
    for axis in (2, 3):
        shape = list(ag.shape_of(x))
        windows = -(-shape[axis] // stride)
        needed = max(0, (windows - 1) * stride + kernel - shape[axis])
        parts = []
        for zeros in (needed // 2, needed - needed // 2):
            shape[axis] = zeros
            parts.append(np.zeros(shape))
        x = ag.concatenate([parts[0], x, parts[1]], axis)
    return x


def augmented(obs: Array, shift: Array, brightness: Array, settings: Settings) -> Array:
    """Each picture shifted, and times 1 + intensity * noise, the noise cut off at +-2."""
    factor = 1 + settings.intensity * np.clip(brightness, -2, 2)
    result: Array = random_shift(obs, shift, settings.pad) * factor[:, None, None, None]
    return result


def target_value(agent: Agent, batch: Batch, settings: Settings) -> Array:
    """y (batch,)."""
    slow = values(agent.target, batch.next_obs, settings)
    choosing = values(agent.critic, batch.next_obs, settings) if settings.double else slow
    best = choosing.argmax(1)
    y: Array = batch.reward + batch.discount * slow[np.arange(len(best)), best]
    return y


def critic_loss(params: dict[str, Any], batch: Batch, y: Array, settings: Settings) -> Any:
    """The mean Huber loss of the actions taken."""
    chosen = np.arange(len(y)), batch.action
    return losses.huber(values(params, batch.obs, settings)[chosen], y)


def update(
    agent: Agent, batch: Batch, draws: Draws | None, settings: Settings
) -> tuple[Agent, dict[str, Any]]:
    """The agent after one update, and the scalars and gradients of it."""
    n = len(batch.obs)
    for name, value in batch._asdict().items():
        good = len(value) == n > 0 and bool(np.isfinite(value).all())
        require(good, name, value, f"{n} of them, at least 1, finite")
    if draws is not None:
        both = zip((batch.obs, batch.next_obs), draws.shift, draws.brightness, strict=True)
        obs, next_obs = (augmented(*each, settings) for each in both)
        batch = batch._replace(obs=obs, next_obs=next_obs)
    y = target_value(agent, batch, settings)
    loss, gradients = ag.value_and_grad(critic_loss)(agent.critic, batch, y, settings)
    decay = settings.weight_decay, optim.kernels(agent.critic)
    adam = settings.betas, settings.adam_eps
    new, state = optim.adamw(
        gradients, agent.critic_state, agent.critic, settings.learning_rate, *decay, *adam
    )
    agent = agent._replace(critic=new, critic_state=state)
    return agent, {"critic_loss": loss, "target": y.mean(), "critic_gradients": gradients}
