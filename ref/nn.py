"""Layers and networks: pure functions of a flat dict of parameters, named and shaped as torch's.

A layer is named by its prefix: "dense0" has "dense0.weight" (out, in) and "dense0.bias" (out,). A
forward pass fills `taps`, if it is given, with every layer of neurons by name: its pre-activation
z (what the non-linearity receives, after LayerNorm where there is one) and its activation h.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import special

from ref import autograd as ag
from ref.checks import Array, InputError, Params, require

Taps = dict[str, tuple[Any, Any]]
SQRT2 = math.sqrt(2)
# The standard deviation of a standard normal that is cut off at -2 and 2.
TRUNCATED_STD = math.sqrt(
    1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / special.erf(SQRT2)
)  # 0.8796


# ------------------------------------------------------------------------------------- layers


def parameter(params: dict[str, Any], name: str) -> Any:
    """The parameter of that name; an InputError if there is none."""
    if name not in params:
        raise InputError("layer", name, f"one of {sorted(params)}")
    return params[name]


def linear(params: dict[str, Any], layer: str, x: Any) -> Any:
    """x (batch, in) -> x W' + b (batch, out)."""
    weight, bias = parameter(params, f"{layer}.weight"), parameter(params, f"{layer}.bias")
    inputs, shape = ag.shape_of(weight)[1], ag.shape_of(x)
    good = len(shape) == 2 and shape[0] > 0 and shape[1] == inputs
    require(good, f"x of {layer}", shape, f"(batch, {inputs}), not empty")
    return x @ ag.swap(weight) + bias


def conv2d(params: dict[str, Any], layer: str, x: Any, stride: int = 1) -> Any:
    """x (batch, in, height, width) -> (batch, out, height', width'), without padding."""
    weight, bias = parameter(params, f"{layer}.weight"), parameter(params, f"{layer}.bias")
    (out, inputs, *kernel), shape = ag.shape_of(weight), ag.shape_of(x)
    good = len(shape) == 4 and shape[0] > 0 and shape[1] == inputs
    good = good and shape[2] >= kernel[0] and shape[3] >= kernel[1]
    accepted = f"(batch, {inputs}, {kernel[0]}.., {kernel[1]}..), not empty"
    require(good, f"x of {layer}", shape, accepted)
    require(stride >= 1, "stride", stride, "a whole number of at least 1")
    return ag.conv2d(x, weight, stride) + ag.reshape(bias, (out, 1, 1))


def layer_norm(params: dict[str, Any], layer: str, x: Any, eps: float = 1e-6) -> Any:
    """Each row of x (batch, N) to mean 0 and (biased) variance 1, then scaled and shifted.

    eps is inside the root: 1e-6 in flax, 1e-5 in torch. A constant row gives the shift alone.
    """
    weight, bias = parameter(params, f"{layer}.weight"), parameter(params, f"{layer}.bias")
    (width,), shape = ag.shape_of(weight), ag.shape_of(x)
    require(shape[1:] == (width,), f"x of {layer}", shape, f"(batch, {width})")
    centred = x - ag.mean(x, axis=-1, keepdims=True)
    variance = ag.mean(centred * centred, axis=-1, keepdims=True)
    return centred / ag.sqrt(variance + eps) * weight + bias


# ----------------------------------------------------------------------------------- networks


def mlp(
    params: dict[str, Any],
    x: Any,
    prefix: str = "",
    activation: Callable[[Any], Any] = ag.relu,
    taps: Taps | None = None,
    eps: float = 1e-6,
) -> Any:
    """Layers dense0, dense1, ... as in `hidden`, then the linear `final`; (batch, outputs)."""
    return linear(params, f"{prefix}final", hidden(params, x, prefix, activation, taps, eps))


def hidden(
    params: dict[str, Any],
    x: Any,
    prefix: str = "",
    activation: Callable[[Any], Any] = ag.relu,
    taps: Taps | None = None,
    eps: float = 1e-6,
) -> Any:
    """Layers dense0, dense1, ... with `activation`: what the last one returns, (batch, N).

    Layer i has LayerNorm before its activation exactly if `params` has dense{i}.norm.
    """
    for i in range(depth(params, prefix)):
        layer, norm = f"{prefix}dense{i}", f"{prefix}dense{i}.norm"
        z = linear(params, layer, x)
        if f"{norm}.weight" in params:
            z = layer_norm(params, norm, z, eps)
        x = activation(z)
        if taps is not None:
            taps[layer] = z, x
    return x


def depth(params: dict[str, Any], prefix: str = "") -> int:
    """How many hidden layers the MLP has: dense0, dense1, ... without a gap."""
    i = 0
    while f"{prefix}dense{i}.weight" in params:
        i += 1
    return i


def residual_block(
    params: dict[str, Any], x: Any, prefix: str = "", taps: Taps | None = None, eps: float = 1e-6
) -> Any:
    """x + norm(out(relu(norm(dense(x))))), (batch, N) (BRO, Nauman et al. 2024; GraMa, Table 1)."""
    dense, out = f"{prefix}dense", f"{prefix}out"
    z = layer_norm(params, f"{dense}.norm", linear(params, dense, x), eps)
    h = ag.relu(z)
    f = layer_norm(params, f"{out}.norm", linear(params, out, h), eps)
    if taps is not None:
        taps |= {dense: (z, h), out: (f, f)}
    return x + f


# ----------------------------------------------------------- initial weights, from given draws


def orthogonal(normal: Array, gain: float = 1.0) -> Array:
    """Orthogonal rows or columns, whichever are fewer, of length `gain`, from normal draws.

    A kernel (out, in, kh, kw) counts as a matrix (out, in * kh * kw). Of the QR factors those with
    a positive diagonal of R are taken: then the matrix is uniform among the orthogonal ones.
    """
    matrix = normal.reshape(len(normal), -1)
    wide = matrix.shape[0] < matrix.shape[1]
    q, r = np.linalg.qr(matrix.T if wide else matrix)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)
    return gain * (q.T if wide else q).reshape(normal.shape)


def lecun(uniform: Array) -> Array:
    """Normal of variance 1 / fan-in, cut off at two standard deviations, from draws in (0, 1)."""
    low, high = special.ndtr([-2.0, 2.0])
    cut = special.ndtri(low + (high - low) * uniform)
    return np.asarray(cut * math.sqrt(1 / fan_in(uniform)) / TRUNCATED_STD)


def uniform_fan_in(uniform: Array) -> Array:
    """Uniform in +- 1 / sqrt(fan-in), torch's own default, from draws in (0, 1)."""
    return (2 * uniform - 1) / math.sqrt(fan_in(uniform))


def fan_in(weight: Array) -> int:
    return math.prod(weight.shape[1:])


def init_mlp(
    generator: np.random.Generator,
    sizes: Sequence[int],
    prefix: str = "",
    norm: bool = False,
    gain: float = SQRT2,
) -> Params:
    """An MLP of widths (in, hidden ..., out): orthogonal weights with `gain`, biases 0 (jaxrl)."""
    require(len(sizes) >= 2 and min(sizes) >= 1, "sizes", sizes, "at least two widths, 1 or more")
    params: Params = {}
    for i, (inputs, outputs) in enumerate(pairwise(sizes)):
        last = i == len(sizes) - 2
        layer = f"{prefix}final" if last else f"{prefix}dense{i}"
        params[f"{layer}.weight"] = orthogonal(generator.standard_normal((outputs, inputs)), gain)
        params[f"{layer}.bias"] = np.zeros(outputs)
        if norm and not last:
            params |= init_layer_norm(f"{layer}.norm", outputs)
    return params


def init_layer_norm(layer: str, width: int) -> Params:
    return {f"{layer}.weight": np.ones(width), f"{layer}.bias": np.zeros(width)}
