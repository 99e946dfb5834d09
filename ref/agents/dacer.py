"""The losses of DACER: a diffusion policy and a critic of normals (Wang et al. 2024).

Forward, x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) e; so x_t given x_0 is normal with mean
sqrt(kept_t) x_0 and variance 1 - kept_t, kept_t the product of 1 - beta up to t. Backward,
x_{t-1} given x_t and x_0 is normal again (Ho, Jain and Abbeel 2020, eq. 7), and x_0 is what is left
of x_t without the noise that a network predicts in it, clipped to [-1, 1].

The critic's parameters are "heads.{0,1}.{dense0, ..., final}", the actor's
"head.{dense0, ..., final}" and "time.{first,final}".
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ref import autograd as ag
from ref import nn
from ref.checks import Array, require

EPSILON = 0.1  # in the critic's loss (public code)


class Settings(NamedTuple):
    """Of the losses; the defaults are GraMa's (Table 4), where it is silent the public code's."""

    steps: int = 20
    time_features: int = 16
    activation: Callable[[Any], Any] = ag.relu
    layer_norm_eps: float = 1e-5
    averaging_rate: float = 0.005
    reward_scale: float = 1.0
    noise_scale: float = 0.1
    beta: tuple[float, float] = (0.1, 10.0)


class Batch(NamedTuple):
    """Transitions of state vectors, (batch, inputs), and actions (batch, actions)."""

    obs: Array
    action: Array
    reward: Array  # (batch,)
    discount: Array  # (batch,)
    next_obs: Array


# ------------------------------------------------------------------------------ the diffusion


def betas(steps: int, low: float, high: float) -> Array:
    """beta_1 ... beta_steps: 1 - beta_t is exp of minus the integral from (t - 1) / steps to
    t / steps of a rate that grows from `low` at 0 to `high` at 1."""
    require(steps > 0 and 0 < low <= high, "beta", (steps, low, high), "steps > 0, 0 < low <= high")
    ends = np.arange(steps + 1) / steps
    integral = low * ends + (high - low) * ends**2 / 2
    return 1 - np.exp(-np.diff(integral))


def posterior(beta: Array, t: int) -> tuple[float, float, float]:
    """Of x_{t-1} given x_t and x_0, t from 1: the factors of x_0 and x_t in its mean, and its
    variance."""
    kept, before = np.prod(1 - beta[:t]), np.prod(1 - beta[: t - 1])
    of_start = math.sqrt(before) * beta[t - 1] / (1 - kept)
    of_x = math.sqrt(1 - beta[t - 1]) * (1 - before) / (1 - kept)
    return of_start, of_x, float((1 - before) / (1 - kept) * beta[t - 1])


def waves(t: int, features: int) -> Array:
    """(features,): sines and cosines of t - 1 at falling frequencies, times features^-1/2."""
    half = features // 2
    angles = (t - 1) * 10_000.0 ** (-np.arange(half) / half)
    return np.concatenate([np.sin(angles), np.cos(angles)]) / math.sqrt(features)


def denoised(params: dict[str, Any], obs: Array, noise: Array, settings: Settings) -> Any:
    """Actions of noise (steps + 1, batch, actions), of which the last is not used."""
    s, x = settings, noise[0]
    beta = betas(s.steps, *s.beta)
    for i, t in enumerate(range(s.steps, 0, -1)):
        wave = np.broadcast_to(waves(t, s.time_features), (len(obs), s.time_features))
        first = s.activation(nn.linear(params, "time.first", wave))
        time = nn.linear(params, "time.final", first)
        seen = ag.concatenate([obs, x, time], axis=1)
        kept = np.prod(1 - beta[:t])
        predicted = nn.mlp(params, seen, "head.", s.activation)
        start = (x - math.sqrt(1 - kept) * predicted) / math.sqrt(kept)
        of_start, of_x, variance = posterior(beta, t)
        x = of_start * ag.clip(start, -1.0, 1.0) + of_x * x
        x = x + math.sqrt(variance) * noise[i + 1] if t > 1 else x
    return x


def policy(
    params: dict[str, Any], obs: Array, alpha: float, noise: Array, settings: Settings
) -> Any:
    """Actions in [-1, 1], with alpha times the last noise."""
    action = denoised(params, obs, noise, settings) + settings.noise_scale * alpha * noise[-1]
    return ag.clip(action, -1.0, 1.0)


# --------------------------------------------------------------------------------- the losses


def critic(
    params: dict[str, Any], obs: Array, action: Any, settings: Settings
) -> list[tuple[Any, Any]]:
    """Mean and deviation (batch,) of the return, by each head."""
    x = ag.concatenate([obs, action], axis=1)
    outs = [
        nn.mlp(params, x, f"heads.{j}.", settings.activation, eps=settings.layer_norm_eps)
        for j in (0, 1)
    ]
    return [(out[:, 0], ag.softplus(out[:, 1])) for out in outs]


def target_values(
    target: dict[str, Any],
    actor: dict[str, Any],
    batch: Batch,
    alpha: float,
    noise: Array,
    value: Array,
    settings: Settings,
) -> tuple[Array, Array]:
    """y and a sample of it, each (batch,): of the head with the smaller mean. value (2, batch)."""
    action = policy(actor, batch.next_obs, alpha, noise, settings)
    (m0, d0), (m1, d1) = critic(target, batch.next_obs, action, settings)
    z = np.clip(value, -3, 3)
    low = np.where(m0 < m1, m0, m1), np.where(m0 < m1, m0 + d0 * z[0], m1 + d1 * z[1])
    y, sampled = (settings.reward_scale * batch.reward + batch.discount * v for v in low)
    return y, sampled


def critic_loss(
    params: dict[str, Any],
    batch: Batch,
    y: Array,
    sampled: Array,
    spread: Sequence[float],
    settings: Settings,
) -> tuple[Any, Array]:
    """What both heads descend, summed, and the new moving means of their deviations.

    Its gradient in a mean m is -w (y - m) / (d^2 + 0.1), in a deviation d
    -w ((m - y~)^2 - d^2) / (d^3 + 0.1), over the batch; w is b^2 + 0.1, b the moving mean (0:
    none yet), y~ the sample clipped to m +- 3 b.
    """
    loss, moved = 0.0, []
    for (mean, deviation), b in zip(
        critic(params, batch.obs, batch.action, settings), spread, strict=True
    ):
        m, d = ag.plain(mean), ag.plain(deviation)
        b = d.mean() if b == 0 else b + settings.averaging_rate * (d.mean() - b)
        bounded = np.clip(sampled, m - 3 * b, m + 3 * b)
        slope = (y - m) / (d**2 + EPSILON), ((m - bounded) ** 2 - d**2) / (d**3 + EPSILON)
        loss = loss - (b**2 + EPSILON) * ag.mean(mean * slope[0] + deviation * slope[1])
        moved.append(b)
    return loss, np.array(moved)


def actor_loss(
    params: dict[str, Any],
    critic_params: dict[str, Any],
    obs: Array,
    alpha: float,
    noise: Array,
    settings: Settings,
) -> Any:
    """The mean of -min_j m_j; at a tie each head has half of the gradient."""
    (first, _), (second, _) = critic(
        critic_params, obs, policy(params, obs, alpha, noise, settings), settings
    )
    return -ag.mean(ag.minimum(first, second))


def mixture_entropy(weight: Array, covariance: Array) -> float:
    """-sum w log w + sum w H of each component: at least the entropy of a mixture of normals.

    weight (components,), covariance (components, n, n).
    """
    require(np.shape(covariance)[:1] == np.shape(weight), "weight", np.shape(weight),
            "one for each component")  # fmt: skip
    parts = [np.linalg.slogdet(2 * math.pi * math.e * c)[1] / 2 for c in covariance]
    return float(sum(w * (part - math.log(w)) for w, part in zip(weight, parts, strict=True)))
