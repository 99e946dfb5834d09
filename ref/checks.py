"""What bad input gets: an error that names the argument, its value and what is accepted."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]  # float64; in the algebraic scores also object arrays of Fraction
Params = dict[str, Array]  # by dotted name, as torch names them


class InputError(ValueError):
    """An argument that cannot be used."""

    def __init__(self, argument: str, value: object, accepted: str):
        super().__init__(argument, value, accepted)  # all three, so that it can be pickled
        self.argument, self.value, self.accepted = argument, value, accepted

    def __str__(self) -> str:
        return f"{self.argument}: {self.value!r} is not usable here; accepted: {self.accepted}"


def require(good: bool, argument: str, value: object, accepted: str) -> None:
    """Raise an InputError unless `good`."""
    if not good:
        raise InputError(argument, value, accepted)


def neurons(argument: str, values: Array) -> Array:
    """`values` of a layer of neurons, as (samples, N): (batch, N), or (batch, N, height, width).

    A convolutional neuron is a channel, and every position of every picture is a sample of it.
    """
    values = np.asarray(values)
    shapes = "(batch, N) or (batch, N, height, width)"
    require(values.ndim in (2, 4), argument, values.shape, shapes)
    require(values.size > 0, argument, values.shape, "at least one sample and one neuron")
    if values.dtype != object:
        values = values.astype(np.float64)
        require(bool(np.isfinite(values).all()), argument, values, "finite numbers")
    return np.moveaxis(values, 1, -1).reshape(-1, values.shape[1])


def number(argument: str, value: float, low: float = -math.inf, high: float = math.inf) -> None:
    """Refuse a number that is NaN or outside [low, high]."""
    require(low <= value <= high, argument, value, f"a number from {low} to {high}")
