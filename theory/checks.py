"""What an instance refuses when it is made: shapes that do not fit, numbers outside their domain.

An assumption that a claim needs stands in its `given`; here is only what makes the letters mean
what they say, such as that the rows of P sum to 1. Errors are those of `ref.checks`.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from ref.checks import require


def row(argument: str, values: Sequence[Any], length: int | None = None) -> None:
    """A tuple of at least one number, of exactly `length` where that is given."""
    accepted = "at least one number" if length is None else f"{length} numbers"
    require(len(values) >= 1 and length in (None, len(values)), argument, values, accepted)


def matrix(
    argument: str,
    rows: Sequence[Sequence[Any]],
    height: int | None = None,
    width: int | None = None,
) -> None:
    """A tuple of at least one row, of rows of one length; of this height and width where given."""
    row(argument, rows, height)
    row(argument, rows[0], width)
    for other in rows[1:]:
        row(argument, other, len(rows[0]))


def between(argument: str, value: Fraction | int, low: Any, high: Any) -> None:
    """low ≤ value ≤ high."""
    require(low <= value <= high, argument, value, f"a number from {low} to {high}")


def positive(argument: str, value: Fraction) -> None:
    require(value > 0, argument, value, "a number above 0")


def not_negative(argument: str, values: Sequence[Fraction]) -> None:
    require(min(values) >= 0, argument, values, "no number below 0")


def law(argument: str, weights: Sequence[Fraction]) -> None:
    """Positive probabilities that sum to 1."""
    row(argument, weights)
    good = min(weights) > 0 and sum(weights) == 1
    require(good, argument, weights, "positive probabilities that sum to 1")


def chain(argument: str, rows: Sequence[Sequence[Fraction]]) -> None:
    """P (states, states): no entry below 0, rows that sum to 1."""
    matrix(argument, rows, len(rows), len(rows))
    for line in rows:
        good = min(line) >= 0 and sum(line) == 1
        require(good, argument, line, "rows that sum to 1 with no entry below 0")


def share(argument: str, value: Fraction) -> None:
    """Strictly between 0 and 1."""
    require(0 < value < 1, argument, value, "a number between 0 and 1")


def increasing(argument: str, values: Sequence[Fraction]) -> None:
    """At least two numbers, each above the one before."""
    good = len(values) >= 2 and all(a < b for a, b in pairwise(values))
    require(good, argument, values, "at least two numbers that increase")


def below_one(argument: str, value: Fraction) -> None:
    """At least 0 and less than 1, as a decay of a mean is."""
    require(0 <= value < 1, argument, value, "a number from 0 to below 1")
