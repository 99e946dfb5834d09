"""Losses of value learning, and how a value becomes a histogram and back, on tensors.

The same functions as ref/losses.py, which says more. They run in their arguments' precision and
on their device, and never wait for it: shapes are checked, and bins where they are made, but not
what tensors hold. The share of the batch that was clipped is a tensor, to be read with the logs.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from fast.errors import InputError


def mse(prediction: Tensor, target: Tensor) -> Tensor:
    """The mean of (prediction - target)^2 over target's axes.

    prediction may have more axes in front, of an ensemble's members: their means are summed.
    """
    _pair("prediction", prediction, "target", target)
    return (prediction - target).square().mean(dim=tuple(range(-target.ndim, 0))).sum()


def huber(prediction: Tensor, target: Tensor) -> Tensor:
    """The mean of d^2 / 2 where |d| is at most 1, of |d| - 1/2 elsewhere; d prediction - target."""
    _pair("prediction", prediction, "target", target)
    if target.shape != prediction.shape:
        accepted = f"accepted: the shape of prediction, {tuple(prediction.shape)}"
        raise InputError("target", tuple(target.shape), accepted)
    return F.huber_loss(prediction, target)


def quantile_huber(prediction: Tensor, target: Tensor) -> Tensor:
    """Quantile regression with Huber's loss; prediction (..., batch, n), target (batch, m).

    The sum over the n quantiles, at (i + 1/2) / n, of the mean over the m targets and the batch of
    |tau - [d < 0]| huber(d), d target - prediction; an ensemble's members are summed.
    """
    _shape("target", target, 2, "(batch, targets)")
    if prediction.ndim < 2 or prediction.shape[-2] != len(target) or not prediction.shape[-1]:
        accepted = f"accepted: shape (..., {len(target)}, quantiles)"
        raise InputError("prediction", tuple(prediction.shape), accepted)
    n = prediction.shape[-1]
    tau = (torch.arange(n, device=prediction.device, dtype=prediction.dtype) + 0.5) / n
    d = target[:, None] - prediction[..., None]  # (..., batch, n, m)
    size = d.abs()
    inner = size.clamp(max=1)
    loss = (tau[:, None] - (d < 0).to(d)).abs() * inner * (size - inner / 2)
    return loss.sum(-2).mean((-2, -1)).sum()


def cross_entropy(logits: Tensor, probabilities: Tensor) -> Tensor:
    """The batch's mean of -sum_i p_i log softmax(logits)_i; probabilities (batch, bins).

    logits (..., batch, bins): the means of an ensemble's members are summed.
    """
    if logits.ndim < 2 or logits.numel() == 0:
        accepted = "accepted: shape (..., batch, bins), not empty"
        raise InputError("logits", tuple(logits.shape), accepted)
    _shape("probabilities", probabilities, 2, "(batch, bins)")
    _pair("logits", logits, "probabilities", probabilities)
    return -(F.log_softmax(logits, -1) * probabilities).sum(-1).mean(-1).sum()


def gae(
    reward: Tensor, discount: Tensor, value: Tensor, next_value: Tensor, over: Tensor, trace: float
) -> Tensor:
    """Generalised advantage estimates (T,) of T steps in a row, all (T,); `over` is bool."""
    _shape("reward", reward, 1, "(T,)")
    for name, x in {"discount": discount, "value": value, "next_value": next_value,
                    "over": over}.items():  # fmt: skip
        if x.shape != reward.shape:
            raise InputError(name, tuple(x.shape), f"accepted: shape {tuple(reward.shape)}")
    delta = reward + discount * next_value - value
    carried = torch.where(over, 0, discount * trace)
    advantage, later = torch.empty_like(delta), torch.zeros_like(delta[0])
    for t in reversed(range(len(delta))):
        later = delta[t] + carried[t] * later
        advantage[t] = later
    return advantage


def bin_edges(low: float, high: float, bins: int) -> Tensor:
    """The (bins + 1,) edges of bins of one width on [low, high], float64 on the CPU."""
    if not -math.inf < low < high < math.inf:
        raise InputError("low, high", (low, high), "accepted: finite numbers with low < high")
    if not isinstance(bins, int) or bins < 2:
        raise InputError("bins", bins, "accepted: a whole number of at least 2")
    # as NumPy has it, to the last bit
    edges = torch.arange(bins + 1, dtype=torch.float64, device="cpu") * ((high - low) / bins) + low
    edges[-1] = high
    if not (edges.isfinite().all() and (edges.diff() > 0).all()):
        raise InputError("bins", bins, "accepted: bins that are wider than the edges' rounding")
    return edges


def centres(edges: Tensor) -> Tensor:
    """The middle of each bin, (bins,)."""
    _points("edges", edges)
    return (edges[:-1] + edges[1:]) / 2


def two_hot(value: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities (batch, bins) on the two centres around each value, and the share clipped."""
    _points("centres", centres)
    value, clipped = _clip(value, centres)
    above = torch.searchsorted(centres, value, right=True).clamp(1, len(centres) - 1)
    weight = (value - centres[above - 1]) / (centres[above] - centres[above - 1])
    probabilities = value.new_zeros(len(value), len(centres))
    probabilities.scatter_(1, above[:, None] - 1, 1 - weight[:, None])
    return probabilities.scatter_(1, above[:, None], weight[:, None]), clipped


def hl_gauss(value: Tensor, edges: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """Probabilities (batch, bins) of a normal around each value, and the share clipped."""
    _points("edges", edges)
    if not 0 < sigma < math.inf:
        raise InputError("sigma", sigma, "accepted: a finite number above 0")
    value, clipped = _clip(value, edges)
    below = torch.erf((edges - value[:, None]) / (sigma * math.sqrt(2)))
    return below.diff(dim=1) / (below[:, -1:] - below[:, :1]), clipped


def decode(probabilities: Tensor, centres: Tensor) -> Tensor:
    """The mean (batch,) of a histogram (batch, bins)."""
    _shape("probabilities", probabilities, 2, "(batch, bins)")
    if centres.shape != probabilities.shape[1:]:
        accepted = f"accepted: shape {tuple(probabilities.shape[1:])}"
        raise InputError("centres", tuple(centres.shape), accepted)
    # no matrix product: a GPU may round one to 10 bits
    return (probabilities * centres).sum(1)


def _shape(field: str, x: Tensor, ndim: int, accepted: str) -> None:
    if x.ndim != ndim or x.numel() == 0:
        raise InputError(field, tuple(x.shape), f"accepted: shape {accepted}, not empty")


def _pair(first: str, x: Tensor, second: str, y: Tensor) -> None:
    """Refuse a target that has not the shape of the prediction's last axes, or is empty."""
    if x.numel() == 0 or y.ndim == 0:
        raise InputError(first, tuple(x.shape), "accepted: a batch that is not empty")
    if y.shape != x.shape[-y.ndim :]:
        accepted = f"accepted: the shape of the last axes of {first}, {tuple(x.shape)}"
        raise InputError(second, tuple(y.shape), accepted)


def _points(field: str, points: Tensor) -> None:
    if points.ndim != 1 or len(points) < 2:
        raise InputError(field, tuple(points.shape), "accepted: at least two numbers")


def _clip(value: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    _shape("value", value, 1, "(batch,)")
    if value.dtype != points.dtype:
        raise InputError("value", value.dtype, f"accepted: the bins' own, {points.dtype}")
    clipped = value.clamp(points[0], points[-1])
    return clipped, (clipped != value).to(value.dtype).mean()
