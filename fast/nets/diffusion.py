"""Denoising diffusion: how noise becomes an action (Ho, Jain and Abbeel 2020), as DACER has it."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

BETA = (0.1, 10.0)  # rate of the noise at the start and at the end (DACER's public code)


def variances(steps: int) -> NDArray[np.float64]:
    """beta_t, t = 1 ... steps: what each forward step x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t)
    e adds. Its rate grows linearly within BETA: the product of 1 - beta_t up to t is exp of minus
    the rate's integral to t / steps."""
    t, (low, high) = np.arange(1, steps + 1), BETA
    found: NDArray[np.float64] = -np.expm1(
        -low / steps - (high - low) * (2 * t - 1) / (2 * steps**2)
    )
    return found


def chain(steps: int) -> list[tuple[float, ...]]:
    """What `denoise` multiplies x_t, the noise in it, x_0, x_t and new noise by; for each step.

    The first two give x_0, the others x_{t-1} given x_t and x_0, which is normal.
    """
    beta = variances(steps)
    kept = np.cumprod(1 - beta)
    before = np.append(1.0, kept[:-1])
    rows = (
        1 / np.sqrt(kept),
        np.sqrt(1 / kept - 1),
        beta * np.sqrt(before) / (1 - kept),
        np.sqrt(1 - beta) * (1 - before) / (1 - kept),
        np.sqrt(beta * (1 - before) / (1 - kept)),
    )
    return [tuple(row) for row in np.stack(rows, 1).tolist()]


def denoise(x: Tensor, predicted: Tensor, noise: Tensor, by: Sequence[float]) -> Tensor:
    """x_{t-1} of x_t and the noise that is predicted in it; what it was at first is in [-1, 1]."""
    start = (by[0] * x - by[1] * predicted).clamp(-1, 1)
    return by[2] * start + by[3] * x + by[4] * noise


def waves(steps: int, features: int) -> list[list[float]]:
    """Of each step's number sines and cosines of falling frequency, times features^-1/2."""
    half = features // 2
    angles = np.arange(steps)[:, None] * 10_000.0 ** (-np.arange(half) / half)
    found = np.concatenate([np.sin(angles), np.cos(angles)], 1) / math.sqrt(features)
    return [list(row) for row in found.tolist()]
