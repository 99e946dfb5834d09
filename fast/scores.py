"""What neurons and layers do: the scores of the four papers, on tensors of any device.

`z` (batch, N) is what the ReLU receives, `h` (batch, N) what it returns. Every function returns
a tensor, so nothing waits for the device. A layer that is wholly dead has no activation scores:
they are NaN, never hidden behind an epsilon.
"""

import torch
from torch import Tensor


def mean_activation(h: Tensor) -> Tensor:
    """a_i: mean over the batch of abs(h_i), shape (N,)."""
    return h.abs().mean(0)


def activation_score(h: Tensor) -> Tensor:
    """s_i = a_i / mean_j a_j, shape (N,); averages to 1 (Neuron Dominance, eq. (1); ReDo, 3.1)."""
    a = mean_activation(h)
    return a / a.mean()


def dormant(h: Tensor, tau: float) -> Tensor:
    """Which neurons have a_i <= tau * mean_j a_j, shape (N,) bool; all of a dead layer."""
    a = mean_activation(h)
    return a <= tau * a.mean()


def dominant(h: Tensor) -> Tensor:
    """Which neuron has a_i > sum of all others, shape (N,) bool (Neuron Dominance, Def. 1)."""
    a = mean_activation(h)
    return a > a.sum() - a


def saturated(z: Tensor) -> Tensor:
    """Which neurons have z_i <= 0 for all of the batch, shape (N,) bool."""
    return (z <= 0).all(0)


def zombie(z: Tensor) -> Tensor:
    """Which neurons have z_i > 0 for all of the batch, shape (N,) bool."""
    return (z > 0).all(0)


def srank(h: Tensor, delta: float = 0.01) -> Tensor:
    """Singular values needed for 1 - delta of their sum (Neuron Dominance, eq. (3)).

    NaN for a zero matrix. The count is exact up to the rounding of the singular values.
    """
    sigma = torch.linalg.svdvals(h)
    total = sigma.sum()
    count = (sigma.cumsum(0) < (1 - delta) * total).sum() + 1
    return torch.where(total > 0, count.to(h.dtype), torch.nan)


def effective_rank(h: Tensor) -> Tensor:
    """exp of the entropy of the normalised singular values; NaN for a zero matrix."""
    sigma = torch.linalg.svdvals(h)
    return torch.special.entr(sigma / sigma.sum()).sum().exp()


def layer_scores(z: Tensor, h: Tensor, gradient: Tensor) -> dict[str, Tensor]:
    """Everything that a run records of one layer, as scalars.

    `gradient` is the loss's gradient with respect to the layer's weight matrix; its mean absolute
    value is the layer's gradient magnitude (Neuron Dominance, C.2).
    """
    score = activation_score(h)
    largest = score.max()
    return {
        "largest_score": largest,
        "largest_share": largest / h.shape[1],
        "largest_neuron": torch.where(largest.isnan(), torch.nan, score.argmax().to(h.dtype)),
        "dormant_0": dormant(h, 0.0).to(h.dtype).mean(),
        "dormant_0.1": dormant(h, 0.1).to(h.dtype).mean(),
        "dominant": dominant(h).to(h.dtype).mean(),
        "saturated": saturated(z).to(h.dtype).mean(),
        "zombie": zombie(z).to(h.dtype).mean(),
        "srank": srank(h),
        "effective_rank": effective_rank(h),
        "gradient_magnitude": gradient.abs().mean(),
    }
