"""Every row of the table against differences, to second order; kinks and ties by hand.

One random projection is compared: f(x) = sum(w * primitive(x)), along a random direction v.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ref import autograd as ag
from ref.checks import InputError

SEEDS = st.integers(0, 2**32 - 1)
STEP = 1e-5
# Of a central difference. Truncation is at most STEP^2 / 6 times the third derivative along v,
# which is below 1e4 for all that is drawn here (at most 48 terms, x in [1/2, 2] where a function
# has a pole, else in [-2, 2], |v|, |w| <= 1): 2e-7. Rounding is about 1e-16 * |f| / STEP < 1e-8.
# A wrong formula is off by the size of the derivative, which is of order 1.
TOLERANCE = 1e-6


def numbers(rng, shape, low=-2.0, high=2.0):
    """Values at odd multiples of 1/64: 0 and every multiple of 1/32 is at least 1/64 away."""
    return (2 * rng.integers(int(low * 32), int(high * 32), shape) + 1) / 64


def check(f, *xs, seed=0, order=2):
    """Compare the gradient of sum(w * f(xs)) with central differences, to `order`."""
    rng = np.random.default_rng(seed)
    w = rng.uniform(-1, 1, np.shape(f(*xs)))
    names = [str(i) for i in range(len(xs))]

    def scalar(params):
        return ag.sum(f(*(params[name] for name in names)) * w)

    params = dict(zip(names, xs, strict=True))
    for _ in range(order):
        v = {k: rng.uniform(-1, 1, np.shape(x)) for k, x in params.items()}
        gradient = ag.grad(scalar)(params)
        assert {k: g.shape for k, g in gradient.items()} == {
            k: np.shape(x) for k, x in params.items()
        }
        along = sum(np.sum(gradient[k] * v[k]) for k in names)
        ahead, behind = (
            scalar({k: x + sign * STEP * v[k] for k, x in params.items()}) for sign in (1, -1)
        )
        assert along == pytest.approx((ahead - behind) / (2 * STEP), rel=0, abs=TOLERANCE)
        scalar = directional(scalar, v)


def directional(f, v):
    """x -> the derivative of f along v: what the next order differentiates."""
    return lambda x: sum((ag.sum(g * v[k]) for k, g in ag.grad(f)(x).items()), start=0.0)


ANYWHERE, ABOVE_ZERO = (-2.0, 2.0), (0.5, 2.0)
ELEMENTWISE = {
    "identity": ANYWHERE,
    "exp": ANYWHERE,
    "log": ABOVE_ZERO,
    "tanh": ANYWHERE,
    "sqrt": ABOVE_ZERO,
    "erf": ANYWHERE,
    "relu": ANYWHERE,
    "leaky_relu": ANYWHERE,
    "elu": ANYWHERE,
    "sigmoid": ANYWHERE,
    "softplus": ANYWHERE,
    "silu": ANYWHERE,
    "gelu": ANYWHERE,
}
BROADCASTING = {
    "add": ANYWHERE,
    "subtract": ANYWHERE,
    "multiply": ANYWHERE,
    "divide": ABOVE_ZERO,
    "minimum": ANYWHERE,
    "maximum": ANYWHERE,
}
STRUCTURAL = {  # each has a test of its own below
    *("matmul", "power", "clip", "log_softmax", "total", "reshape", "transpose"),
    *("index", "scatter", "join", "windows", "lay"),
}


def test_no_primitive_is_left_out():
    rows = {name for name, value in vars(ag).items() if isinstance(value, ag.Primitive)}
    assert rows == (ELEMENTWISE.keys() | BROADCASTING.keys() | STRUCTURAL) - {"silu", "gelu"}


@pytest.mark.parametrize("name", ELEMENTWISE)
@given(seed=SEEDS, shape=hnp.array_shapes(max_dims=3, max_side=3))
def test_elementwise_functions_have_their_derivatives(name, seed, shape):
    x = numbers(np.random.default_rng(seed), shape, *ELEMENTWISE[name])
    check(getattr(ag, name), x, seed=seed)


@pytest.mark.parametrize("name", BROADCASTING)
@given(seed=SEEDS, shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3))
def test_every_broadcasting_pair_has_its_derivatives(name, seed, shapes):
    rng = np.random.default_rng(seed)
    a, b = (numbers(rng, shape, *BROADCASTING[name]) for shape in shapes.input_shapes)
    b = b + 1 / 128  # no ties
    check(getattr(ag, name), a, b, seed=seed)


@given(seed=SEEDS, exponent=st.sampled_from([-2, -1, 0, 0.5, 1, 1.5, 2, 3]))
def test_powers_have_their_derivatives(seed, exponent):
    x = numbers(np.random.default_rng(seed), (2, 3), *ABOVE_ZERO)
    check(lambda a: a**exponent, x, seed=seed)


@given(seed=SEEDS, shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=3))
def test_products_of_stacked_matrices_have_their_derivatives(seed, shapes):
    rng = np.random.default_rng(seed)
    n, k, m = rng.integers(1, 4, 3)
    first, second = shapes.input_shapes
    a, b = numbers(rng, (*first, n, k)), numbers(rng, (*second, k, m))
    check(ag.matmul, a, b, seed=seed)


@given(
    seed=SEEDS,
    shape=hnp.array_shapes(max_dims=3, max_side=3),
    keepdims=st.booleans(),
    data=st.data(),
)
def test_sums_and_means_have_their_derivatives(seed, shape, keepdims, data):
    x = numbers(np.random.default_rng(seed), shape)
    axes = st.integers(-len(shape), len(shape) - 1)
    axis = data.draw(st.none() | axes | hnp.valid_tuple_axes(len(shape)))
    check(lambda a: ag.sum(a * a, axis, keepdims), x, seed=seed)
    check(lambda a: ag.mean(a * a, axis, keepdims), x, seed=seed)
    assert np.array_equal(ag.mean(x, axis, keepdims), np.mean(x, axis, keepdims=keepdims))


@given(seed=SEEDS, shape=hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
def test_log_softmax_has_its_derivatives(seed, shape):
    x = numbers(np.random.default_rng(seed), shape)
    check(ag.log_softmax, x, seed=seed)


@given(seed=SEEDS)
def test_what_only_moves_numbers_has_its_derivatives(seed):
    x = numbers(np.random.default_rng(seed), (2, 3, 4))
    repeated = np.array([[0, 2, 2], [1, 0, 0]])  # a gather that takes some numbers twice
    for move in (
        lambda a: ag.reshape(a, (6, 4)),
        lambda a: ag.transpose(a, (2, 0, 1)),
        lambda a: a[:, 1:, ::2],
        lambda a: a[:, repeated],
        lambda a: a[..., 0],
        lambda a: ag.scatter(a, (slice(None), slice(1, 4)), (2, 5, 4)),
        lambda a: ag.scatter(a, (slice(None), np.array([0, 0, 2])), (2, 3, 4)),
        lambda a: ag.swap(a),
        lambda a: ag.concatenate([a, a[:, :1], a * a], axis=1),
        lambda a: ag.concatenate([a[:1], a], axis=-3),
    ):
        check(lambda a, move=move: move(a) * move(a), x, seed=seed)


@given(
    seed=SEEDS,
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 3),
    spare=st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
def test_convolutions_have_their_derivatives_and_are_sums_of_products(seed, kernel, stride, spare):
    rng = np.random.default_rng(seed)
    x = numbers(rng, (2, 2, kernel[0] + spare[0], kernel[1] + spare[1]))
    w = numbers(rng, (3, 2, *kernel))
    check(lambda a, b: ag.conv2d(a, b, stride), x, w, seed=seed)
    y = ag.conv2d(x, w, stride)
    for i, j in np.ndindex(y.shape[2:]):
        top, left = i * stride, j * stride
        window = x[:, :, top : top + kernel[0], left : left + kernel[1]]
        # at most 18 products of multiples of 1/64 below 4: exact in float64
        assert np.array_equal(y[:, :, i, j], np.einsum("bihw,oihw->bo", window, w))


ANALYTIC = ["exp", "log", "tanh", "sqrt", "erf"]


@pytest.mark.parametrize("name", ANALYTIC)
@given(x=st.floats(0.5, 2))
def test_analytic_functions_agree_with_the_complex_step(name, x):
    """Im f(x + ih) / h has no subtraction: it is exact to rounding (Squire and Trapp, 1998)."""
    f = getattr(ag, name)
    h = 1e-30
    expected = f.value(np.array(x + 1j * h)).imag / h
    # each of the few products and functions on either side is right to a few units in 2^-53
    assert ag.grad(f)(np.array(x)) == pytest.approx(expected, rel=20 * 2**-53)


def test_the_conventions_at_kinks():
    zero = np.array(0.0)
    for x in (zero, -zero):
        assert ag.grad(ag.relu)(x) == 0
        assert ag.grad(ag.leaky_relu)(x) == 0.01
        assert ag.grad(lambda a: ag.leaky_relu(a, 0.25))(x) == 0.25
        assert ag.grad(ag.elu)(x) == 1
    assert ag.grad(lambda a: a**2)(zero) == ag.grad(lambda a: a**0)(zero) == 0
    assert ag.grad(lambda a: a**1)(zero) == 1


def test_clip_passes_the_gradient_at_its_bounds_and_nothing_outside():
    x = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    assert np.array_equal(ag.clip(x, -1, 1), [-1, -1, 0, 1, 1])
    slope = ag.grad(lambda a: ag.sum(ag.clip(a, -1, 1)))(x)
    assert np.array_equal(slope, [0, 1, 1, 1, 0])


@pytest.mark.parametrize("f", [ag.minimum, ag.maximum])
def test_equal_numbers_share_the_gradient_of_minimum_and_maximum(f):
    a, b = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0])
    slopes = ag.grad(lambda p: ag.sum(f(p["a"], p["b"])))({"a": a, "b": b})
    assert slopes["a"][1] == slopes["b"][1] == 0.5
    assert np.array_equal(slopes["a"] + slopes["b"], np.ones(3))
    # of a number and itself: the derivative of the identity
    assert ag.grad(lambda x: f(x, x))(np.array(1.5)) == 1


def test_a_chain_of_100000_nodes_differentiates():
    def chain(x):
        for _ in range(100_000):
            x = x + 1.0
        return x

    assert ag.value_and_grad(chain)(np.array(1.0)) == (100_001, 1)


def test_a_node_that_is_used_many_times_is_pulled_back_once():
    """2^60 paths lead from the output to the input."""

    def doubled(x):
        for _ in range(60):
            x = x + x
        return x

    assert ag.grad(doubled)(np.array(1.0)) == 2.0**60


def test_higher_derivatives_nest():
    derivative, x = ag.tanh, np.array(0.5)
    for _ in range(4):
        derivative = ag.grad(derivative)
    t = math.tanh(0.5)
    # the fourth derivative of tanh: (16 t - 24 t^3)(1 - t^2); a few dozen roundings
    assert derivative(x) == pytest.approx((16 * t - 24 * t**3) * (1 - t**2), rel=1e-14)


def test_an_inner_derivative_does_not_see_the_outer_one():
    """d/dx [x * d/dy (x + y) at y = x] = 1: the textbook case of perturbation confusion."""
    f = ag.grad(lambda x: x * ag.grad(lambda y: x + y)(x))
    assert f(np.array(3.0)) == 1


def test_an_outer_derivative_reaches_what_an_inner_one_only_closes_over():
    """The inner gradient at plain numbers is y^2, so the outer function is the sum of y^3."""
    y, start = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    scaled = ag.grad(lambda x, z: ag.sum(x * z * z))
    outers = (
        lambda y: ag.sum(y * ag.grad(lambda x: ag.sum(x * y * y))(start)),
        lambda y: ag.sum(y * scaled(start, y)),
        lambda y: ag.sum(
            y * ag.value_and_grad(lambda p: ag.sum(p["x"] * y * y))({"x": start})[1]["x"]
        ),
    )
    for outer in outers:
        assert np.array_equal(ag.grad(outer)(y), 3 * y**2)
        assert np.array_equal(ag.grad(lambda y, f=outer: ag.sum(ag.grad(f)(y)))(y), 6 * y)


@pytest.mark.parametrize("axes", list(itertools.product([0, -3], [1, -2], [2, -1])))
def test_axes_of_a_transpose_may_count_from_the_end(axes):
    x = np.arange(8.0).reshape(2, 2, 2)  # equal sides, so that no shape tells a wrong order
    for order in itertools.permutations(axes):
        slope = ag.grad(lambda a, order=order: ag.sum(ag.transpose(a, order) * x))(x)
        assert np.array_equal(np.transpose(slope, order), x)


def test_numpys_own_functions_refuse_a_node_instead_of_losing_its_gradient():
    node = ag.Node(np.ones((2, 2)))
    for call in (np.asarray, np.mean, np.stack, lambda x: np.dot(x, x), lambda x: np.add(1.0, x)):
        with pytest.raises((InputError, TypeError), match="Node"):
            call(node)


def test_values_and_derivatives_are_finite_far_from_zero():
    """At +-1000, where exp overflows, the functions are their asymptotes to the last bit."""
    x = np.array([-1000.0, 1000.0])
    limits = {  # name: values, slopes
        "sigmoid": ([0, 1], [0, 0]),
        "softplus": ([0, 1000], [0, 1]),
        "elu": ([-1, 1000], [0, 1]),
        "silu": ([0, 1000], [0, 1]),
        "gelu": ([0, 1000], [0, 1]),
        "tanh": ([-1, 1], [0, 0]),
        "erf": ([-1, 1], [0, 0]),
        "log_softmax": ([-2000, 0], [1, -1]),  # the second slopes by what the first gains
    }
    with np.errstate(all="raise", under="ignore"):
        for name, (values, slopes) in limits.items():
            f = getattr(ag, name)
            assert f(x).tolist() == values
            weight = np.array([1.0, 0.0]) if name == "log_softmax" else np.ones(2)
            slope = ag.grad(lambda a, f=f, weight=weight: ag.sum(f(a) * weight))
            assert slope(x).tolist() == slopes
            curvature = ag.grad(lambda a, slope=slope: ag.sum(slope(a)))
            assert curvature(x).tolist() == [0, 0]


def test_gradients_are_taken_in_any_node_and_are_zero_where_nothing_leads():
    x, unused = ag.Node(np.array([1.0, -2.0])), ag.Node(np.ones((2, 2)))
    h = ag.relu(x * 3.0)
    y = ag.sum(h * h)
    of_y, of_h, of_x, of_unused = ag.gradients(y, [y, h, x, unused])
    assert of_y == 1
    assert np.array_equal(of_h, [6, 0])
    assert np.array_equal(of_x, [18, 0])
    assert np.array_equal(of_unused, np.zeros((2, 2)))
    assert np.array_equal(ag.gradients(y, [x])[0], of_x), "asking again changes nothing"


def test_what_is_computed_from_plain_values_is_plain_and_has_no_gradient():
    assert isinstance(ag.relu(np.array([1.0])), np.ndarray)
    f = ag.grad(lambda x: ag.sum(x * ag.plain(x)))
    assert np.array_equal(f(np.array([2.0, 3.0])), [2, 3])


def test_inputs_are_not_changed():
    params = {"a": np.array([1.0, 2.0]), "b": np.array([[3.0], [4.0]])}
    kept = {k: v.copy() for k, v in params.items()}
    ag.grad(lambda p: ag.sum((p["a"] * p["b"]) ** 2))(params)
    assert all(np.array_equal(params[k], kept[k]) for k in params)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: ag.Node(np.ones(2, np.float32)), "value"),
        (lambda: ag.Node(np.array(1)), "value"),
        (lambda: ag.grad(lambda x: x * x)(3), "x"),
        (lambda: ag.grad(lambda p: p["b"])({"a": 1.0, "b": np.float32(2)}), "b"),
        (lambda: ag.grad(lambda x: x * 2.0)(np.ones(2)), "output.shape"),
        (lambda: ag.grad(lambda x: 1.0)(np.ones(2)), "output"),
        (lambda: ag.grad(lambda x: ag.clip(x, 1, 0))(np.array(1.0)), "low, high"),
        (lambda: ag.power(np.ones(2), np.ones(2)), "exponent"),
        (lambda: ag.power(2.0, ag.Node(np.array(1.0))), "option"),
        (lambda: ag.matmul(np.ones(2), np.ones((2, 2))), "matmul a.shape"),
        (lambda: ag.matmul(np.ones((2, 2)), np.ones(2)), "matmul b.shape"),
        (lambda: ag.mean(np.ones((0, 2)), axis=1), "mean x.shape"),
        (lambda: np.asarray(ag.Node(np.ones(2))), "node"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(InputError) as error:
        call()
    assert error.value.argument == named
    assert error.value.value is not None and error.value.accepted
