"""Arrays of fractions."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np

Row = tuple[Fraction, ...]


def exact(values: Any) -> Any:
    """An array of Fractions; ref writes its zeros as 0.0."""
    return np.vectorize(Fraction, otypes=[object])(np.asarray(values, dtype=object))


def positive(values: Any) -> Any:
    return values * (values > 0)


def mean(values: Iterable[Fraction]) -> Fraction:
    listed = list(values)
    return sum(listed, Fraction(0)) / len(listed)


ONE, ZERO = Fraction(1), Fraction(0)
