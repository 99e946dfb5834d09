"""What neurons and layers do: the scores of the four papers, on tensors of any device.

`z` is what the non-linearity receives and `h` what it returns, float32 or float64: (batch, N), or
for convolutions (batch, N, height, width), where a neuron is a channel and every position of every
picture is one of its samples. Shapes, types and numbers are checked (InputError), values never:
every function returns a tensor, so nothing waits for the device but `torch.linalg.svdvals` in the
three ranks, which on CUDA does. A layer that is wholly dead has no activation scores: they are
NaN, never hidden behind an epsilon. The definitions and their sources are those of ref/scores.py.

Sums stand where the papers have means: then a comparison is exact on dyadic numbers, at ties too.
"""

import math

import torch
from torch import Tensor

from fast.errors import InputError, unknown

# The activations of a layer


def mean_activation(h: Tensor) -> Tensor:
    """a_i: mean over the samples of abs(h_i), shape (N,)."""
    return _neurons("h", h).abs().mean(0)


def activation_score(h: Tensor) -> Tensor:
    """s_i = a_i / mean_j a_j, shape (N,); averages to 1 (Neuron Dominance, eq. (1); ReDo, 3.1)."""
    return _relative(_sums("h", h))


def dormant(h: Tensor, tau: float) -> Tensor:
    """Which neurons have a_i <= tau * mean_j a_j, shape (N,) bool; all of a dead layer."""
    return _low(_sums("h", h), tau)


def dominant(h: Tensor) -> Tensor:
    """Which neuron has a_i > sum of all others, shape (N,) bool (Neuron Dominance, Def. 1)."""
    sums = _sums("h", h)
    return sums > sums.sum() - sums


def largest_score(h: Tensor) -> Tensor:
    """max_i s_i; NaN for a dead layer."""
    return activation_score(h).max()


def largest_neuron(h: Tensor) -> Tensor:
    """The index of the neuron of largest score, of equals the first, in h's type; NaN if none."""
    score = activation_score(h)
    return torch.where(score.max().isnan(), torch.nan, score.argmax().to(h.dtype))


def largest_share(h: Tensor) -> Tensor:
    """max_i s_i / N: the part of all activation that the largest neuron has; NaN if none has."""
    sums = _sums("h", h)
    return sums.max() / sums.sum()


# The signs of the pre-activations


def saturated(z: Tensor) -> Tensor:
    """Which neurons have z_i <= 0 for every sample, shape (N,) bool."""
    return (_neurons("z", z) <= 0).all(0)


def zombie(z: Tensor) -> Tensor:
    """Which neurons have z_i > 0 for every sample, shape (N,) bool."""
    return (_neurons("z", z) > 0).all(0)


def collapsed(z: Tensor) -> Tensor:
    """Whether every neuron of the layer is saturated, a bool scalar."""
    return saturated(z).all()


# The feature matrix: one row per sample, so batch * height * width rows for a convolution


def srank(h: Tensor, delta: float = 0.01) -> Tensor:
    """Singular values needed for 1 - delta of their sum (Neuron Dominance, eq. (3)).

    NaN for a zero matrix. The count is exact up to the rounding of the singular values.
    """
    if not 0 < delta < 1:
        raise InputError("delta", delta, "accepted: a number between 0 and 1, both excluded")
    partial = torch.linalg.svdvals(_neurons("h", h)).cumsum(0)
    total = partial[-1]  # not sum(): then a rounding never asks for more than there are
    count = (partial < (1 - delta) * total).sum() + 1
    return torch.where(total > 0, count.to(h.dtype), torch.nan)


def effective_rank(h: Tensor) -> Tensor:
    """exp of the entropy of the normalised singular values; NaN for a zero matrix."""
    sigma = torch.linalg.svdvals(_neurons("h", h))
    return torch.special.entr(sigma / sigma.sum()).sum().exp()


def stable_rank(h: Tensor) -> Tensor:
    """Squared Frobenius norm over squared spectral norm; NaN for a zero matrix. Not srank."""
    sigma = torch.linalg.svdvals(_neurons("h", h))
    return (sigma / sigma[0]).square().sum()


def feature_norm(h: Tensor) -> Tensor:
    """Mean over the rows of the feature matrix of their L2 norm."""
    return torch.linalg.vector_norm(_neurons("h", h), dim=1).mean()


# Gradients


def grama(gradient: Tensor, by: str = "incoming") -> Tensor:
    """G_i: mean abs(gradient_i) over its mean in the layer, shape (N,); NaN if no gradient is left.

    GraMa, eq. (2). `by` names the gradient: "incoming" (dL/dW of the batch's loss, (N, ...), as
    in the proof of Theorem 1 and in the public code), "activation" (dL/dh of each sample, as
    printed) or "preactivation" (dL/dz of each sample).
    """
    return _relative(_gradient_sums(gradient, by))


def gradient_dormant(gradient: Tensor, tau: float, by: str = "incoming") -> Tensor:
    """Which neurons have G_i <= tau, shape (N,) bool; all if no gradient is left (GraMa, 4.2)."""
    return _low(_gradient_sums(gradient, by), tau)


def magi(gradient: Tensor) -> Tensor:
    """Mean over the incoming weights of abs(gradient), shape (N,) (OCP, Definition 2).

    There `gradient`, (N, ...), is that of the mean of h over samples and neurons, not of a loss.
    """
    return _rows(gradient).abs().mean(1)


def gradient_magnitude(gradient: Tensor) -> Tensor:
    """Mean abs(dL/dW) of one layer's weights, any shape (Neuron Dominance, C.2)."""
    return _filled("gradient", gradient).abs().mean()


def weight_norm(weight: Tensor) -> Tensor:
    """The Frobenius norm of one layer's weights, any shape."""
    return torch.linalg.vector_norm(_filled("weight", weight))


# Two sets of neurons of one layer, as bool masks of shape (N,); results in torch's default type


def overlap(x: Tensor, y: Tensor) -> Tensor:
    """Size of the intersection over that of the smaller set; NaN if one is empty."""
    size_x, size_y, size_both = _sizes(x=x, y=y)
    return size_both / torch.minimum(size_x, size_y)


def retention(now: Tensor, before: Tensor) -> Tensor:
    """The share of the neurons in `before` that are in `now` too; NaN if there were none."""
    _, size_before, size_both = _sizes(now=now, before=before)
    return size_both / size_before


def chance_overlap(x: Tensor, y: Tensor) -> Tensor:
    """The expected overlap of independent random sets of these sizes; NaN if one is empty."""
    size_x, size_y, _ = _sizes(x=x, y=y)
    larger, smaller = torch.maximum(size_x, size_y), torch.minimum(size_x, size_y)
    return torch.where(smaller > 0, larger / len(x), torch.nan)


# What the above share


def _neurons(argument: str, values: Tensor) -> Tensor:
    """`values` as (samples, N); a view of (batch, N)."""
    shapes = "(batch, N) or (batch, N, height, width)"
    if values.ndim not in (2, 4) or values.numel() == 0:
        raise InputError(argument, tuple(values.shape), f"accepted: {shapes}, not empty")
    if values.dtype not in (torch.float32, torch.float64):
        raise InputError(argument, values.dtype, "accepted: float32 or float64")
    return values.movedim(1, -1).reshape(-1, values.shape[1])


def _sums(argument: str, values: Tensor) -> Tensor:
    return _neurons(argument, values).abs().sum(0)


def _relative(sums: Tensor) -> Tensor:
    return sums * len(sums) / sums.sum()


def _low(sums: Tensor, tau: float) -> Tensor:
    if not 0 <= tau < math.inf:
        raise InputError("tau", tau, "accepted: a finite number, 0 or more")
    total = sums.sum()  # not finite: nothing is known, and nothing is to be recycled for it
    return (sums * len(sums) <= tau * total) & total.isfinite()


def _filled(argument: str, values: Tensor) -> Tensor:
    if values.numel() == 0:
        raise InputError(argument, tuple(values.shape), "accepted: at least one number")
    return values


def _rows(gradient: Tensor) -> Tensor:
    if gradient.ndim < 2:
        raise InputError("gradient", tuple(gradient.shape), "accepted: (N, ...), as the weight")
    return _filled("gradient", gradient).flatten(1)


def _gradient_sums(gradient: Tensor, by: str) -> Tensor:
    known = ("activation", "preactivation", "incoming")
    if by not in known:
        raise unknown("by", by, known)
    if by == "incoming":
        return _rows(gradient).abs().sum(1)
    return _sums("gradient", gradient)


def _sizes(**masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    (first, x), (second, y) = masks.items()
    for name, mask in masks.items():
        if mask.dtype != torch.bool or mask.ndim != 1 or mask.numel() == 0:
            given = (mask.dtype, tuple(mask.shape))
            raise InputError(name, given, "accepted: a bool mask of shape (N,)")
    if x.shape != y.shape:
        raise InputError(
            second, tuple(y.shape), f"accepted: the shape of {first}, {tuple(x.shape)}"
        )
    return x.sum(), y.sum(), (x & y).sum()
