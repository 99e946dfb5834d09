"""What a reader types, read by a small grammar. Nothing is ever evaluated but that grammar.

    formula     =  number | name | (formula) | - formula
                |  formula + formula   with + - * / ** and the comparisons < <= > >= (1.0 or 0.0)
                |  function(formula, ...)   from FUNCTIONS, with `np.` or `ag.` before it or without

All numbers are float64, so a tower of powers ends in inf and not in a long wait.
"""

import ast
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from ref import autograd as ag

LONGEST = 200  # characters
OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
    ast.USub: np.negative,
    ast.UAdd: np.positive,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}
ONE = "abs sign square exp expm1 log log1p sqrt sin cos tan arctan sinh cosh tanh"
PRIMITIVES = "erf sigmoid softplus relu leaky_relu elu"
# name -> (function, how many arguments). No more than these: NumPy writes into one that follows.
FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    **{name: (getattr(np, name), 1) for name in ONE.split()},
    **{name: (getattr(ag, name), 1) for name in PRIMITIVES.split()},
    "maximum": (np.maximum, 2),
    "minimum": (np.minimum, 2),
    "where": (np.where, 3),
}


def formula(text: str, names: Sequence[str]) -> Callable[..., Any]:
    """The function of arrays, called `names`, that the text writes down.

    ValueError: says what in the text is none of the grammar.
    """
    if len(text) > LONGEST:
        raise ValueError(f"that is longer than {LONGEST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError("this is no formula: is a bracket or an operator missing?") from error
    value = _read(tree, names)

    def function(*arrays: Any) -> Any:
        with np.errstate(all="ignore"):  # a pole is no fault of the reader's: it is nan or inf
            return value(dict(zip(names, arrays, strict=True)))

    return function


def _read(node: ast.AST, names: Sequence[str]) -> Callable[[dict[str, Any]], Any]:
    """A function from {name: array} to the value of the node."""
    parts: list[ast.expr]
    match node:
        case ast.Constant(int() | float() as number) if not isinstance(number, bool):
            return lambda _: np.float64(number)
        case ast.Name(name) if name in names:
            return lambda given: given[name]
        case ast.BinOp(left, sign, right) if type(sign) in OPERATORS:
            function, parts = OPERATORS[type(sign)], [left, right]
        case ast.UnaryOp(sign, part) if type(sign) in OPERATORS:
            function, parts = OPERATORS[type(sign)], [part]
        case ast.Compare(left, [sign], [right]) if type(sign) in OPERATORS:
            function, parts = OPERATORS[type(sign)], [left, right]
        case ast.Call(ast.Name(name) | ast.Attribute(ast.Name("np" | "ag"), name), parts, []) if (
            name in FUNCTIONS
        ):
            function, count = FUNCTIONS[name]
            if len(parts) != count:
                raise ValueError(f"{name} takes {count} argument{'s' * (count > 1)} here")
        case _:
            raise ValueError(
                f"`{ast.unparse(node)}` is not among what can be read here: numbers, "
                f"{', '.join(names)}, + - * / **, < > and {', '.join(FUNCTIONS)}"
            )
    readers = [_read(part, names) for part in parts]
    return lambda given: np.float64(function(*(read(given) for read in readers)))


def number(text: str) -> Fraction:
    """The number that the text writes down: 3/2, 1.5, 1,5, -2, 1e-3.

    ValueError: says why it is none, or why it may be two.
    """
    said = text.strip().replace("−", "-").removeprefix("+").strip()
    digits = r"[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+"
    if re.fullmatch(r"-?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?", said) and not said.lstrip(
        "-"
    ).startswith("0,"):
        raise ValueError(f"is {said} a thousand or a decimal comma? Write a point, or no comma")
    if said.endswith("%"):
        raise ValueError("write the number alone, without %")
    match = re.fullmatch(
        rf"(-?)\s*({digits})(?:[eE]([+-]?[0-9]{{1,2}}))?(?:\s*/\s*({digits}))?", said
    )
    if match is None or len(said) > 40:
        raise ValueError("a number is wanted, such as 1.5 or 3/2")
    sign, above, exponent, below = match.groups(default="")
    value = Fraction(above.replace(",", ".")) * Fraction(10) ** int(exponent or 0)
    if below:
        if not Fraction(below.replace(",", ".")):
            raise ValueError("it divides by 0")
        value /= Fraction(below.replace(",", "."))
    return -value if sign else value
