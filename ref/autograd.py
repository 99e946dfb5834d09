"""Reverse-mode automatic differentiation over NumPy arrays, float64.

- `value_and_grad(f)` and `grad(f)` differentiate a scalar function of an array, or of a flat dict
  of arrays, in its first argument; `grad(grad(f))`-like nesting works.
- `gradients(output, inputs)` differentiates in any nodes of a graph, such as activations.

A function here, applied to plain arrays, is NumPy. Applied to a `Node` it also notes what it did:
nodes are the edges of a graph from the output back to the inputs. A primitive is one row of the
table below: its value, and for each argument a *pull*, which takes the gradient of the output back
to that argument (its vector-Jacobian product). Pulls are written in these same functions, so they
differentiate too. Gradients live in the backward pass and are returned; a node never holds one.

Conventions where a derivative does not exist:
- ReLU'(0) = 0, leaky ReLU'(0) = its slope below zero, ELU'(0) = 1 (its two sides agree);
- `minimum` and `maximum` of equal numbers give half of the gradient to each;
- `clip` at a bound passes the gradient on whole, outside it passes nothing.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
from scipy import special

from ref.checks import Array, require

# ---------------------------------------------------------------------------------- the graph


class Node:
    """An array that remembers the primitive and the arguments that it came from."""

    __slots__ = ("arguments", "primitive", "value")
    __array_ufunc__ = None  # `array + node` is left to the node

    def __init__(
        self,
        value: Array | float,
        primitive: "Primitive | None" = None,
        arguments: tuple[Any, ...] = (),
    ):
        self.value: Array = np.asarray(value)
        require(self.value.dtype == np.float64, "value", self.value.dtype, "float64")
        self.primitive, self.arguments = primitive, arguments

    def __array__(self, *_: Any, **__: Any) -> Any:
        """Refused: NumPy's own functions would lose the gradient, some of them in silence."""
        require(False, "node", self, "its value, or the functions of ref.autograd")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    def parents(self) -> Iterator["Node"]:
        return (a for a in self.arguments if isinstance(a, Node))

    def __repr__(self) -> str:
        return f"Node({self.value!r})"

    # fmt: off
    def __add__(self, other: Any) -> Any: return add(self, other)
    def __radd__(self, other: Any) -> Any: return add(other, self)
    def __sub__(self, other: Any) -> Any: return subtract(self, other)
    def __rsub__(self, other: Any) -> Any: return subtract(other, self)
    def __mul__(self, other: Any) -> Any: return multiply(self, other)
    def __rmul__(self, other: Any) -> Any: return multiply(other, self)
    def __truediv__(self, other: Any) -> Any: return divide(self, other)
    def __rtruediv__(self, other: Any) -> Any: return divide(other, self)
    def __matmul__(self, other: Any) -> Any: return matmul(self, other)
    def __rmatmul__(self, other: Any) -> Any: return matmul(other, self)
    def __pow__(self, exponent: float) -> Any: return power(self, exponent)
    def __neg__(self) -> Any: return multiply(self, -1.0)
    def __getitem__(self, key: Any) -> Any: return index(self, key)
    # fmt: on


class Primitive:
    """A differentiable function: its value, and one pull for each of its array arguments.

    What is given after the arrays, such as a shape or an axis, is no array and has no gradient.
    """

    def __init__(self, value: Callable[..., Any], *pulls: Callable[..., Any]):
        self.value, self.pulls = value, pulls

    def __call__(self, *arguments: Any) -> Any:
        for option in arguments[len(self.pulls) :]:
            require(not isinstance(option, Node), "option", option, "a plain value, not a node")
        y = self.value(*map(plain, arguments))
        if any(isinstance(a, Node) for a in arguments):
            return Node(y, self, arguments)
        return y


def plain(x: Any) -> Any:
    """The array of a node; anything else as it is. What is computed from it has no gradient."""
    return x.value if isinstance(x, Node) else x


# ------------------------------------------------------------------------- values of the table


def product(a: Array, b: Array) -> Array:
    for argument, x in (("a", a), ("b", b)):
        require(
            np.ndim(x) >= 2, f"matmul {argument}.shape", np.shape(x), "matrices or stacks of them"
        )
    return np.asarray(np.matmul(a, b))


def raised(a: Array, exponent: float) -> Array:
    require(np.ndim(exponent) == 0, "exponent", exponent, "a plain number")
    return np.asarray(a**exponent)


def clipped(a: Array, low: float, high: float) -> Array:
    require(low <= high, "low, high", (low, high), "low <= high")
    return np.clip(a, low, high)


def normalised(a: Array) -> Array:
    below = a - a.max(-1, keepdims=True)
    return np.asarray(below - np.log(np.exp(below).sum(-1, keepdims=True)))


def scattered(g: Array, key: Any, shape: tuple[int, ...]) -> Array:
    a = np.zeros(shape)
    np.add.at(a, key, g)
    return a


def seen(a: Array, size: tuple[int, int], stride: int) -> Array:
    view = np.lib.stride_tricks.sliding_window_view(a, size, axis=(2, 3))
    return view[:, :, ::stride, ::stride]


def laid(g: Array, size: tuple[int, int], stride: int, shape: tuple[int, ...]) -> Array:
    a = np.zeros(shape)
    below, right = stride * g.shape[2], stride * g.shape[3]
    for i, j in np.ndindex(size):
        a[:, :, i : i + below : stride, j : j + right : stride] += g[..., i, j]
    return a


# -------------------------------------------------------------------------- pulls of the table


def shape_of(a: Any) -> tuple[int, ...]:
    return np.shape(plain(a))


def swap(a: Any) -> Any:
    """The transposed matrices of a stack."""
    axes = range(len(shape_of(a)))
    return transpose(a, (*axes[:-2], axes[-1], axes[-2]))


def inverse(axes: Sequence[int]) -> Array:
    """The permutation that takes `axes`, which may count from the end, back."""
    return np.argsort(np.asarray(axes) % len(axes))


def positive(a: Any) -> Array:
    """1 where a > 0, else 0: a step, whose own derivative is 0."""
    return np.asarray(plain(a) > 0, dtype=np.float64)


def two_sided(a: Any, above: Any, below: Any) -> Any:
    """`above` where a > 0, else `below`."""
    return positive(a) * above + (1.0 - positive(a)) * below


def slope_of_power(a: Any, exponent: float) -> Any:
    return exponent * power(a, exponent - 1) if exponent else 0.0  # also at a = 0


def share(a: Any, y: Any, b: Any) -> Array:
    """How much of the gradient of y = minimum or maximum(a, b) goes to a."""
    a, y, b = plain(a), plain(y), plain(b)
    return np.asarray((a == y) / (1.0 + (a == b)))


def inside(a: Any, low: float, high: float) -> Array:
    return np.asarray((low <= plain(a)) & (plain(a) <= high), dtype=np.float64)


def spread(g: Any, a: Any, axis: Any) -> Any:
    """The gradient of a sum, given back to every term."""
    shape = shape_of(a)
    axes = range(len(shape)) if axis is None else np.atleast_1d(axis) % len(shape)
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    return reshape(g, kept) * np.ones(shape)


def part(g: Any, a: Any, axis: int, first: bool) -> Any:
    """The part of g that belongs to a, the first of two joined arrays, or to the second."""
    n = shape_of(a)[axis]
    before = (slice(None),) * (axis % len(shape_of(a)))
    return index(g, (*before, slice(n) if first else slice(n, None)))


# ---------------------------------------------------------------------------------- the table
# Primitive(value, pull of the first argument, pull of the second). A pull takes g, the gradient of
# the output y, then y, then the arguments; it returns the gradient of its argument.

# fmt: off
identity   = Primitive(lambda a: a,     lambda g, y, a: g)
add        = Primitive(np.add,          lambda g, y, a, b: g,
                                        lambda g, y, a, b: g)
subtract   = Primitive(np.subtract,     lambda g, y, a, b: g,
                                        lambda g, y, a, b: -1.0 * g)
multiply   = Primitive(np.multiply,     lambda g, y, a, b: g * b,
                                        lambda g, y, a, b: g * a)
divide     = Primitive(np.divide,       lambda g, y, a, b: g / b,
                                        lambda g, y, a, b: -1.0 * g * y / b)
matmul: Primitive = Primitive(product,  lambda g, y, a, b: matmul(g, swap(b)),
                                        lambda g, y, a, b: matmul(swap(a), g))
minimum    = Primitive(np.minimum,      lambda g, y, a, b: g * share(a, y, b),
                                        lambda g, y, a, b: g * share(b, y, a))
maximum    = Primitive(np.maximum,      lambda g, y, a, b: g * share(a, y, b),
                                        lambda g, y, a, b: g * share(b, y, a))

exp        = Primitive(np.exp,          lambda g, y, a: g * y)
log        = Primitive(np.log,          lambda g, y, a: g / a)
tanh       = Primitive(np.tanh,         lambda g, y, a: g * (1.0 - y * y))
sqrt       = Primitive(np.sqrt,         lambda g, y, a: g / (2.0 * y))
erf        = Primitive(special.erf,     lambda g, y, a: g * (2 / math.sqrt(math.pi)) * exp(-a * a))
power: Primitive = Primitive(raised,    lambda g, y, a, exponent: g * slope_of_power(a, exponent))
clip       = Primitive(clipped,         lambda g, y, a, low, high: g * inside(a, low, high))

relu       = Primitive(lambda a: np.maximum(a, 0.0),
                                        lambda g, y, a: g * positive(a))
leaky_relu = Primitive(lambda a, slope=0.01: np.where(a > 0, a, slope * a),
                                        lambda g, y, a, slope=0.01: g * two_sided(a, 1.0, slope))
elu        = Primitive(lambda a: np.where(a > 0, a, np.expm1(np.minimum(a, 0.0))),
                                        lambda g, y, a: g * two_sided(a, 1.0, y + 1.0))
sigmoid    = Primitive(special.expit,   lambda g, y, a: g * y * (1.0 - y))
softplus   = Primitive(lambda a: np.logaddexp(0.0, a),
                                        lambda g, y, a: g * sigmoid(a))
log_softmax = Primitive(normalised,     lambda g, y, a: g - exp(y) * sum(g, -1, keepdims=True))

total      = Primitive(lambda a, axis, keepdims: np.sum(a, axis, keepdims=keepdims),
                                        lambda g, y, a, axis, keepdims: spread(g, a, axis))
reshape: Primitive = Primitive(np.reshape,
                                        lambda g, y, a, shape: reshape(g, shape_of(a)))
transpose: Primitive = Primitive(lambda a, axes: np.transpose(a, axes),
                                        lambda g, y, a, axes: transpose(g, inverse(axes)))
index: Primitive = Primitive(lambda a, key: a[key],
                                        lambda g, y, a, key: scatter(g, key, shape_of(a)))
scatter: Primitive = Primitive(scattered, lambda g, y, a, key, shape: index(g, key))
join       = Primitive(lambda a, b, axis: np.concatenate([a, b], axis),
                                        lambda g, y, a, b, axis: part(g, a, axis, first=True),
                                        lambda g, y, a, b, axis: part(g, a, axis, first=False))
# All windows of a stack of pictures, and the sum of windows laid back: together, a convolution.
windows: Primitive = Primitive(seen,    lambda g, y, a, size, s: lay(g, size, s, shape_of(a)))
lay: Primitive = Primitive(laid,        lambda g, y, a, size, s, shape: windows(g, size, s))
# fmt: on

# ------------------------------------------------------------------- what is made of primitives


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return total(x, axis, keepdims)


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    require(np.size(plain(x)) > 0, "mean x.shape", shape_of(x), "at least one number")
    y = sum(x, axis, keepdims)
    return y / (np.size(plain(x)) / np.size(plain(y)))


def silu(x: Any) -> Any:
    return x * sigmoid(x)


def gelu(x: Any) -> Any:
    """x times the standard normal's distribution function at x (the exact form)."""
    return x * 0.5 * (1.0 + erf(x * math.sqrt(0.5)))


def concatenate(parts: Sequence[Any], axis: int = 0) -> Any:
    return reduce(lambda a, b: join(a, b, axis), parts)


def conv2d(x: Any, weight: Any, stride: int = 1) -> Any:
    """Cross-correlation without padding.

    x (batch, in, height, width), weight (out, in, kh, kw) -> (batch, out, height', width').
    """
    out, *kernel = shape_of(weight)
    patches = transpose(windows(x, tuple(kernel[1:]), stride), (0, 2, 3, 1, 4, 5))
    rows = reshape(patches, (*shape_of(patches)[:3], math.prod(kernel)))
    y = matmul(rows, swap(reshape(weight, (out, math.prod(kernel)))))
    return transpose(y, (0, 3, 1, 2))


# --------------------------------------------------------------------------- the backward pass


def gradients(output: Node, inputs: Sequence[Node], differentiable: bool = False) -> list[Any]:
    """The gradient of a scalar node in each of `inputs`, of its shape; zeros if it has no part.

    With `differentiable` they are nodes themselves, else arrays.
    """
    order = backwards(output)
    require(output.shape == (), "output.shape", output.shape, "() (a scalar)")
    wanted = set(inputs)
    leads = set(inputs)  # the nodes that depend on an input: no other needs a gradient
    for node in reversed(order):
        if not leads.isdisjoint(node.parents()):
            leads.add(node)
    seed = np.ones(())
    # As a result, here of the identity, it is no leaf: leaves are what is differentiated in.
    found: dict[Node, Any] = {output: Node(seed, identity, (seed,)) if differentiable else seed}
    for node in order:
        if node not in leads or node.primitive is None:
            continue
        g = found[node] if node in wanted else found.pop(node)
        known = (node, *node.arguments)  # what the pulls see: nodes, or their values
        if not differentiable:
            known = tuple(map(plain, known))
        for argument, pull in zip(node.arguments, node.primitive.pulls, strict=False):
            if isinstance(argument, Node) and argument in leads:
                part = unbroadcast(pull(g, *known), argument.shape)
                found[argument] = found[argument] + part if argument in found else part
    return [found[x] if x in found else np.zeros(x.shape) for x in inputs]


def backwards(output: Node) -> list[Node]:
    """Every node that `output` was made from, each before its arguments; without recursion."""
    require(isinstance(output, Node), "output", output, "a node: a function of the inputs")
    uses: Counter[Node] = Counter()
    stack = [output]
    while stack:
        for parent in stack.pop().parents():
            if parent not in uses:
                stack.append(parent)
            uses[parent] += 1
    order, ready = [], [output]
    while ready:
        order.append(ready.pop())
        for parent in order[-1].parents():
            uses[parent] -= 1
            if not uses[parent]:
                ready.append(parent)
    return order


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum over what broadcasting repeated: the one place where it is undone."""
    extra = len(shape_of(g)) - len(shape)
    stretched = (i + extra for i, n in enumerate(shape) if n != shape_of(g)[i + extra])
    axes = (*range(extra), *stretched)
    return reshape(sum(g, axes), shape) if axes else g


def value_and_grad(f: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
    """The function x, ... -> (f(x, ...), gradient in x); x is an array or a flat dict of arrays.

    f returns a scalar, or (scalar, more): then so does the first result, with `more` as it is.
    Inside another differentiation, where f uses nodes of it (in x or not), all results are nodes.
    """

    def both(x: Any, *rest: Any, **options: Any) -> tuple[Any, Any]:
        leaves = x if isinstance(x, dict) else {"": x}
        for name, leaf in leaves.items():
            dtype = np.asarray(plain(leaf)).dtype
            require(dtype == np.float64, name or "x", dtype, "float64")
        # A leaf of its own for each input: f may use the same node elsewhere.
        nodes = {k: identity(v) if isinstance(v, Node) else Node(v) for k, v in leaves.items()}
        result = f(nodes if isinstance(x, dict) else nodes[""], *rest, **options)
        y, *more = result if isinstance(result, tuple) else (result,)
        inputs = list(nodes.values())
        nested = any(n.primitive is None and n not in inputs for n in backwards(y))
        found = dict(zip(nodes, gradients(y, inputs, nested), strict=True))
        value = y if nested else y.value[()]
        return (value, *more) if more else value, found if isinstance(x, dict) else found[""]

    return both


def grad(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function x, ... -> gradient of the scalar f(x, ...) in x."""
    return lambda *arguments, **options: value_and_grad(f)(*arguments, **options)[1]
