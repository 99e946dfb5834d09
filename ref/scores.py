"""What neurons and layers do: every score of the four papers, as the papers define it.

`z` is what the non-linearity receives and `h` what it returns: (batch, N), or for convolutions
(batch, N, height, width), where a neuron is a channel and every position of every picture is one
of its samples. An array of a layer is refused (InputError) if it has another shape, is empty or
is not finite. What is undefined is NaN, never hidden behind an epsilon.

Everything but singular values and norms also takes object arrays of `fractions.Fraction` and is
then exact. To the same end sums stand here where the papers have means: N a_i / sum_j a_j is one
rounding away from the truth and a comparison of sums is exact on dyadic numbers, also at a tie;
a mean over three samples is not.
"""

import math
from fractions import Fraction
from typing import Any

import numpy as np

from ref.checks import Array, neurons, require

Number = Any  # a float; a Fraction where the arrays hold Fractions

# The activations of a layer


def mean_activation(h: Array) -> Array:
    """a_i: mean over the samples of abs(h_i), shape (N,)."""
    return np.asarray(np.abs(neurons("h", h)).mean(0))


def activation_score(h: Array) -> Array:
    """s_i = a_i / mean_j a_j, shape (N,); NaN for a layer that is wholly dead.

    Neuron Dominance, eq. (1), with the absolute value of ReDo, Definition 3.1. Both say that the
    scores sum to 1; they average to 1 and sum to N.
    """
    return _relative(_sums("h", h))


def dormant(h: Array, tau: float) -> Array:
    """Which neurons have a_i <= tau * mean_j a_j, shape (N,), bool (ReDo, Definition 3.1).

    Without the division of s_i <= tau, so a layer that is wholly dead is wholly dormant.
    """
    return _low(_sums("h", h), tau)


def dominant(h: Array) -> Array:
    """Which neuron has a_i > sum of all other a_j, shape (N,), bool; at most one.

    Neuron Dominance, Definition 1: s_i > N / 2, the same in a live layer. A dead one has none.
    """
    sums = _sums("h", h)
    return np.asarray(sums > sums.sum() - sums)


def largest_score(h: Array) -> Number:
    """max_i s_i, from 1 to N; NaN for a dead layer (Neuron Dominance, Figures 2 and 3)."""
    sums = _sums("h", h)
    return _quotient(sums.max() * len(sums), sums.sum())


def largest_share(h: Array) -> Number:
    """max_i s_i / N: the part of all activation that the largest neuron has; NaN if none has."""
    sums = _sums("h", h)
    return _quotient(sums.max(), sums.sum())


# The signs of the pre-activations


def saturated(z: Array) -> Array:
    """Which neurons have z_i <= 0 for every sample, shape (N,), bool (Neuron Dominance, 2)."""
    return np.asarray((neurons("z", z) <= 0).all(0))


def zombie(z: Array) -> Array:
    """Which neurons have z_i > 0 for every sample, shape (N,), bool (Neuron Dominance, 2)."""
    return np.asarray((neurons("z", z) > 0).all(0))


def collapsed(z: Array) -> bool:
    """Whether every neuron of the layer is saturated (Neuron Dominance, 3.1)."""
    return bool(saturated(z).all())


# The feature matrix: one row per sample, so batch * height * width rows for a convolution


def srank(h: Array, delta: float = 0.01) -> float:
    """Singular values needed for 1 - delta of their sum; NaN for a zero matrix.

    Neuron Dominance, eq. (3), there called effective rank. An integer up to min(rows, N); a tie
    at 1 - delta counts as reached, as far as the rounding of the singular values allows.
    """
    require(0 < delta < 1, "delta", delta, "a number between 0 and 1, both excluded")
    partial = np.cumsum(_singular_values(h))
    if not partial.any():
        return math.nan
    # partial[-1] and not sum(): then a rounding never asks for more than there are
    return float((partial < (1 - delta) * partial[-1]).sum()) + 1


def effective_rank(h: Array) -> float:
    """exp of the entropy of the singular values divided by their sum; NaN for a zero matrix."""
    sigma = _singular_values(h)
    if not sigma.any():
        return math.nan
    p = sigma / sigma.sum()
    p = p[p > 0]  # the limit of p log p at 0 is 0
    return float(np.exp(-(p * np.log(p)).sum()))


def stable_rank(h: Array) -> float:
    """Squared Frobenius norm over squared spectral norm; NaN for a zero matrix. Not srank."""
    sigma = _singular_values(h)
    return float(((sigma / sigma[0]) ** 2).sum()) if sigma.any() else math.nan


def feature_norm(h: Array) -> float:
    """Mean over the rows of the feature matrix of their L2 norm."""
    return float(np.linalg.norm(neurons("h", h).astype(float), axis=1).mean())


# Gradients


def grama(gradient: Array, by: str = "incoming") -> Array:
    """G_i: mean abs(gradient_i) over its mean in the layer, shape (N,); NaN if no gradient is left.

    GraMa, eq. (2); `by` names the gradient, and the mean is over the samples or the weights:
    "incoming": dL/dW of the batch's loss, (N, ...): what the paper's text describes (no outputs
    of neurons are stored), the proof of its Theorem 1 ends with (dh/dz times the layer below) and
    its public code takes. Samples may cancel in it, before the absolute value.
    "activation": dL/dh of each sample, shaped as h. As eq. (2) prints it; Theorem 1 fails.
    "preactivation": dL/dz of each sample, shaped as z: zero where a ReLU is shut.
    """
    return _relative(_gradient_sums(gradient, by))


def gradient_dormant(gradient: Array, tau: float, by: str = "incoming") -> Array:
    """Which neurons have G_i <= tau, shape (N,), bool: those that ReGraMa resets (GraMa, 4.2).

    Without the division: where no gradient is left every neuron is gradient-dormant.
    """
    return _low(_gradient_sums(gradient, by), tau)


def magi(gradient: Array) -> Array:
    """Mean over the incoming weights of abs(gradient), not normalised, shape (N,).

    OCP, Definition 2 (MAGI), eq. (16). There `gradient`, (N, ...), is that of eq. (17), the mean
    over samples and neurons of the layer's output, with respect to its weights: not of a loss.
    As eq. (18) prints the output, without an activation, all neurons get one and the same MAGI;
    so the output must be h. Samples may cancel before the absolute value; the bias is left out.
    """
    return np.asarray(np.abs(_rows("gradient", gradient)).mean(1))


def gradient_magnitude(gradient: Array) -> Number:
    """Mean abs(dL/dW) of one layer's weights, any shape (Neuron Dominance, C.2, Figure 13)."""
    return np.abs(_finite("gradient", gradient)).mean()


def weight_norm(weight: Array) -> float:
    """The Frobenius norm of one layer's weights, any shape."""
    return float(np.linalg.norm(_finite("weight", weight).astype(float)))


# Two sets of neurons of one layer, as bool masks of shape (N,)


def overlap(x: Array, y: Array) -> float:
    """Size of the intersection over that of the smaller set; NaN if one is empty.

    The overlap coefficient (ReDo, footnote 1; OCP, Definition 3). It is 1 exactly for nested
    sets: it is not the share of neurons that stay (`retention`), and `chance_overlap` may be high.
    """
    size_x, size_y, size_both = _sizes(x=x, y=y)
    return float(_quotient(size_both, min(size_x, size_y)))


def retention(now: Array, before: Array) -> float:
    """The share of the neurons in `before` that are in `now` too; NaN if there were none."""
    _, size_before, size_both = _sizes(now=now, before=before)
    return float(_quotient(size_both, size_before))


def chance_overlap(x: Array, y: Array) -> float:
    """The expected overlap of independent random sets of these sizes: the larger size over N.

    Since E|X and Y| = |X| |Y| / N. NaN if one is empty, as their overlap is.
    """
    size_x, size_y, _ = _sizes(x=x, y=y)
    return max(size_x, size_y) / len(x) if min(size_x, size_y) > 0 else math.nan


# What the above share


def _sums(argument: str, values: Array) -> Array:
    return np.asarray(np.abs(neurons(argument, values)).sum(0))


def _quotient(part: Number, whole: Number) -> Number:
    return part / whole if whole != 0 else part * math.nan


def _relative(sums: Array) -> Array:
    return np.asarray(_quotient(sums * len(sums), sums.sum()))


def _low(sums: Array, tau: float) -> Array:
    require(0 <= tau < math.inf, "tau", tau, "a finite number, 0 or more")
    # A Fraction times a float is a float, as it would be anyway; times a Fraction it is exact.
    return np.asarray(sums * len(sums) <= Fraction(tau) * sums.sum())


def _singular_values(h: Array) -> Array:
    return np.linalg.svd(neurons("h", h).astype(float), compute_uv=False)


def _finite(argument: str, values: Array) -> Array:
    values = np.asarray(values)
    values = values if values.dtype == object else values.astype(np.float64)
    require(values.size > 0, argument, values.shape, "at least one number")
    good = values.dtype == object or bool(np.isfinite(values).all())
    require(good, argument, values, "finite numbers")
    return values


def _rows(argument: str, gradient: Array) -> Array:
    gradient = _finite(argument, gradient)
    require(gradient.ndim >= 2, argument, gradient.shape, "(N, ...), as the layer's weight")
    return gradient.reshape(len(gradient), -1)


def _gradient_sums(gradient: Array, by: str) -> Array:
    known = ("activation", "preactivation", "incoming")
    require(by in known, "by", by, " or ".join(known))
    if by == "incoming":
        return np.asarray(np.abs(_rows("gradient", gradient)).sum(1))
    return _sums("gradient", gradient)


def _sizes(**masks: Array) -> tuple[int, int, int]:
    (first, x), (second, y) = ((name, np.asarray(mask)) for name, mask in masks.items())
    for name, mask in ((first, x), (second, y)):
        good = mask.dtype == bool and mask.ndim == 1 and mask.size > 0
        require(good, name, mask, "a bool mask of shape (N,)")
    require(x.shape == y.shape, second, y.shape, f"the shape of {first}, {x.shape}")
    return int(x.sum()), int(y.sum()), int((x & y).sum())
