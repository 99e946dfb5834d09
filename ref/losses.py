"""Losses of value learning, and how a value becomes a histogram and back.

Regression: `mse` and `huber`. Classification: `two_hot` or `hl_gauss` turns values into
probabilities of bins, `cross_entropy` compares logits with them, and `decode` turns probabilities
into values.
Sources: Farebrother et al. (2024), 'Stop Regressing', section 3; Imani & White (2018), section 3;
Neuron Dominance, sections 4.1 and B.2: 101 bins on [0, 100] with sigma 0.75.

Values outside the support are clipped to it, and the share of the batch that was clipped comes
with the probabilities. Near its ends HL-Gauss is read with a bias, since the normal loses a tail
there: in the paper's setting a value of 0 is read as 0.688.
"""

import math
from typing import Any

import numpy as np
from scipy.special import erf

from ref import autograd as ag
from ref.checks import Array, require


def mse(prediction: Any, target: Array) -> Any:
    """The mean of (prediction - target)^2; both of one shape."""
    target = _pair("prediction", prediction, "target", target)
    return ag.mean((prediction - target) ** 2)


def huber(prediction: Any, target: Array) -> Any:
    """The mean of d^2 / 2 where |d| = |prediction - target| is at most 1, of |d| - 1/2 elsewhere.

    Its gradient is d cut off at +-1, over the size (Huber 1964; DQN's error clipping).
    """
    target = _pair("prediction", prediction, "target", target)
    size = ag.maximum(prediction - target, target - prediction)
    inner = ag.minimum(size, 1.0)
    return ag.mean(inner * (size - 0.5 * inner))


def quantile_huber(prediction: Any, target: Array) -> Any:
    """Quantile regression with Huber's loss; prediction (batch, n), target (batch, m).

    The sum over the n quantiles, at tau = (i + 1/2) / n, of the mean over the m targets and the
    batch of |tau - [d < 0]| huber(d), d = target - prediction (QR-DQN, Dabney et al. 2018,
    Algorithm 1). Where all |d| are above 1 its gradient in a prediction is the share of targets
    below it, weighted by 1 - tau, less that above, weighted by tau: 0 at the tau-quantile.
    """
    shape, target = ag.shape_of(prediction), np.asarray(target, float)
    good = len(shape) == 2 and 0 not in shape
    require(good, "prediction", shape, "shape (batch, quantiles), not empty")
    good = target.ndim == 2 and len(target) == shape[0] and target.size > 0
    require(good, "target", np.shape(target), f"shape ({shape[0]}, targets), not empty")
    for argument, array in (("prediction", ag.plain(prediction)), ("target", target)):
        require(bool(np.isfinite(array).all()), argument, array, "finite numbers")
    tau = (np.arange(shape[1]) + 0.5)[:, None] / shape[1]
    d = target[:, None] - ag.reshape(prediction, (*shape, 1))  # (batch, n, m)
    size = ag.maximum(d, -d)
    inner = ag.minimum(size, 1.0)
    loss = np.abs(tau - (ag.plain(d) < 0)) * inner * (size - 0.5 * inner)
    return shape[1] * ag.mean(loss)


def cross_entropy(logits: Any, probabilities: Array) -> Any:
    """The batch's mean of -sum_i p_i log softmax(logits)_i; both (batch, bins).

    Its gradient in the logits is (softmax(logits) - p) / batch where p sums to 1.
    """
    probabilities = _pair("logits", logits, "probabilities", probabilities)
    _two_axes("logits", logits)
    return -ag.mean(ag.sum(ag.log_softmax(logits) * probabilities, axis=1))


def gae(
    reward: Array, discount: Array, value: Array, next_value: Array, over: Array, trace: float
) -> Array:
    """Generalised advantage estimates (T,) of T steps in a row (Schulman et al. 2016, eq. 16).

    A_t = delta_t + discount_t trace A_(t+1), delta_t = r_t + discount_t V(o'_t) - V(o_t), where
    the second term ends with the episode and with the last step. `discount` is gamma, 0 where the
    step ended in a terminal state; `next_value` is of the observation o' after the step, which at
    a time limit is the episode's last one and not the first of the next; `over` is true at the
    last step of an episode, whatever ended it; `trace` is lambda.
    """
    shape = np.shape(reward)
    require(len(shape) == 1 and shape[0] > 0, "reward", shape, "shape (T,), not empty")
    given = {"discount": discount, "value": value, "next_value": next_value, "over": over}
    for name, x in given.items():
        require(np.shape(x) == shape, name, np.shape(x), f"shape {shape}")
    require(0 <= trace <= 1, "trace", trace, "0 to 1")
    advantage: Array = reward + discount * next_value - value
    for t in reversed(range(shape[0] - 1)):
        if not over[t]:
            advantage[t] += discount[t] * trace * advantage[t + 1]
    return advantage


def bin_edges(low: float, high: float, bins: int) -> Array:
    """The (bins + 1,) edges of bins of one width on [low, high]."""
    good = -math.inf < low < high < math.inf
    require(good, "low, high", (low, high), "finite numbers with low < high")
    require(isinstance(bins, int) and bins > 1, "bins", bins, "a whole number of at least 2")
    return _increasing("bins", np.linspace(low, high, bins + 1))


def centres(edges: Array) -> Array:
    """The middle of each bin, (bins,)."""
    edges = _increasing("edges", edges)
    return (edges[:-1] + edges[1:]) / 2


def two_hot(value: Array, centres: Array) -> tuple[Array, float]:
    """Probabilities (batch, bins) on the two centres around each value, and the share clipped.

    Their mean is the value, clipped to the first and the last centre.
    """
    centres = _increasing("centres", centres)
    value, clipped = _clip(value, centres)
    above = np.clip(np.searchsorted(centres, value, side="right"), 1, len(centres) - 1)
    weight = (value - centres[above - 1]) / (centres[above] - centres[above - 1])
    rows = np.arange(len(value))
    probabilities = np.zeros((len(value), len(centres)))
    probabilities[rows, above - 1] = 1 - weight
    probabilities[rows, above] = weight
    return probabilities, clipped


def hl_gauss(value: Array, edges: Array, sigma: float) -> tuple[Array, float]:
    """Probabilities (batch, bins) of a normal around each value, and the share clipped.

    A bin has the mass of the normal with standard deviation `sigma` (in the value's units)
    between its edges, divided by the mass between the first and the last edge.
    """
    edges = _increasing("edges", edges)
    require(0 < sigma < math.inf, "sigma", sigma, "a finite number above 0")
    value, clipped = _clip(value, edges)
    below = erf((edges - value[:, None]) / (sigma * math.sqrt(2)))  # is 2 * mass below - 1
    return np.diff(below, axis=1) / (below[:, -1:] - below[:, :1]), clipped


def decode(probabilities: Any, centres: Array) -> Any:
    """The mean (batch,) of a histogram (batch, bins); differentiable, as the losses are."""
    bins = _two_axes("probabilities", probabilities)[1:]
    require(np.shape(centres) == bins, "centres", np.shape(centres), f"shape {bins}")
    return ag.sum(probabilities * centres, axis=1)


def _two_axes(argument: str, x: Any) -> tuple[int, ...]:
    shape = ag.shape_of(x)
    require(len(shape) == 2 and 0 not in shape, argument, shape, "shape (batch, bins), not empty")
    return shape


def _pair(first: str, x: Any, second: str, y: Array) -> Array:
    """y in float64, of which no gradient is taken: a node is refused."""
    shape, y = ag.shape_of(x), np.asarray(y, float)
    require(np.shape(y) == shape, second, np.shape(y), f"the shape of {first}, {shape}")
    require(0 not in shape, first, shape, "a batch that is not empty")
    for argument, array in ((first, ag.plain(x)), (second, y)):
        require(bool(np.isfinite(array).all()), argument, array, "finite numbers")
    return y


def _increasing(argument: str, points: Array) -> Array:
    points = np.asarray(points, float)
    require(points.ndim == 1 and len(points) > 1, argument, points.shape, "at least two numbers")
    good = np.isfinite(points).all() and (np.diff(points) > 0).all()
    require(bool(good), argument, points, "finite numbers, each above the one before it")
    return points


def _clip(value: Array, points: Array) -> tuple[Array, float]:
    value = np.asarray(value, float)
    require(value.ndim == 1 and len(value) > 0, "value", value.shape, "shape (batch,), not empty")
    require(bool(np.isfinite(value).all()), "value", value, "finite numbers")
    clipped = np.clip(value, points[0], points[-1])
    return clipped, float(np.mean(clipped != value))
