"""Layers, networks and initial weights by what defines them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from ref import autograd as ag
from ref import nn
from ref.checks import InputError

SEEDS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS, width=st.integers(2, 6), norm=st.booleans())
def test_taps_name_what_every_layer_received_and_returned(seed, width, norm):
    rng = np.random.default_rng(seed)
    params = nn.init_mlp(rng, (3, width, width, 2), "q.", norm)
    x = rng.standard_normal((5, 3))
    taps = {}
    y = nn.mlp(params, x, "q.", taps=taps)
    assert list(taps) == ["q.dense0", "q.dense1"], "the last linear layer has none"
    h = x
    for i in range(2):
        z = nn.linear(params, f"q.dense{i}", h)
        if norm:
            z = nn.layer_norm(params, f"q.dense{i}.norm", z)
        assert np.array_equal(taps[f"q.dense{i}"][0], z)
        h = np.maximum(z, 0)
        assert np.array_equal(taps[f"q.dense{i}"][1], h)
    assert np.array_equal(y, nn.linear(params, "q.final", h))


@given(seed=SEEDS, rows=st.integers(1, 4), width=st.integers(2, 6))
def test_layer_norm_gives_mean_0_and_variance_1_and_ignores_shift_and_scale(seed, rows, width):
    rng = np.random.default_rng(seed)
    params = nn.init_layer_norm("norm", width)
    # rows that are not constant: there eps = 0 leaves nothing defined
    x = rng.permuted(np.tile(np.arange(width), (rows, 1)), axis=1) + rng.random((rows, 1))
    y = nn.layer_norm(params, "norm", x, eps=0)
    # a few roundings of numbers of order 1, in sums of at most 6
    assert np.abs(y.mean(1)).max() < 1e-14
    assert np.abs((y**2).mean(1) - 1).max() < 1e-14
    assert np.abs(nn.layer_norm(params, "norm", 4 * x - 8, eps=0) - y).max() < 1e-14
    shifted = {"norm.weight": np.full(width, 2.0), "norm.bias": np.full(width, 3.0)}
    assert np.abs(nn.layer_norm(shifted, "norm", x, eps=0) - (2 * y + 3)).max() < 1e-14


def test_layer_norm_of_a_constant_row_is_its_shift():
    params = {"norm.weight": np.ones(3), "norm.bias": np.array([1.0, 2.0, 3.0])}
    assert np.array_equal(nn.layer_norm(params, "norm", np.full((2, 3), 5.0)), [[1, 2, 3]] * 2)


@given(width=st.integers(2, 6), at=st.integers(0, 5))
def test_the_gradient_of_layer_norm_at_a_constant_row_is_finite(width, at):
    """There the root is sqrt(eps) and its own slope meets zeros: (weight - mean) / sqrt(eps)."""
    params, pick = nn.init_layer_norm("norm", width), np.eye(width)[at % width]
    x = np.full((1, width), 2.0)
    slope = ag.grad(lambda x: ag.sum(nn.layer_norm(params, "norm", x, eps=2.0**-20) * pick))(x)
    # at most ten roundings of numbers up to 1 / sqrt(eps) = 1024
    assert np.abs(slope[0] - 1024 * (pick - 1 / width)).max() <= 10 * 1024 * 2**-52


def complex_elu(x):
    return np.where(x.real > 0, x, np.exp(x) - 1)


# Each as it is on complex numbers, where the table's own may know only real ones.
ANALYTIC = {
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: x * (1 + special.erf(x / math.sqrt(2))) / 2,
    "elu": complex_elu,
    "relu": lambda x: np.where(x.real > 0, x, 0),
    "leaky_relu": lambda x: np.where(x.real > 0, x, 0.01 * x),
}


@pytest.mark.parametrize("name", ANALYTIC)
@given(seed=SEEDS)
def test_a_whole_networks_gradient_agrees_with_the_complex_step(name, seed):
    """Linear, LayerNorm, activation, log-softmax; Im f(w + ihv) / h has no subtraction.

    ReLU and its kin are analytic away from zero, where a random number is.
    """
    rng = np.random.default_rng(seed)
    params = nn.init_mlp(rng, (3, 4, 4, 3), norm=True)
    params = {k: w + 0.1 * rng.standard_normal(w.shape) for k, w in params.items()}
    x, p = rng.standard_normal((5, 3)), rng.dirichlet(np.ones(3), 5)

    def loss(params, activation):
        return -ag.sum(ag.log_softmax(nn.mlp(params, x, activation=activation, eps=1e-2)) * p)

    grads = ag.grad(loss)(params, getattr(ag, name))
    h, v = 1e-30, {k: rng.standard_normal(w.shape) for k, w in params.items()}
    moved = {k: w + 1j * h * v[k] for k, w in params.items()}
    expected = loss(moved, ANALYTIC[name]).imag / h
    # some hundred roundings of terms whose sum of sizes is below 1e4
    assert sum(np.sum(grads[k] * v[k]) for k in params) == pytest.approx(expected, abs=1e-10)


def test_layer_norm_revives_a_wholly_saturated_layer():
    """All pre-activations are negative; with LayerNorm some are positive (section 4.1.4)."""
    params = nn.init_mlp(np.random.default_rng(0), (3, 8, 1))
    params["dense0.bias"] = np.full(8, -100.0)
    x, taps = np.random.default_rng(1).standard_normal((16, 3)), {}
    nn.mlp(params, x, taps=taps)
    assert (taps["dense0"][0] < 0).all()
    nn.mlp(params | nn.init_layer_norm("dense0.norm", 8), x, taps=taps)
    assert (taps["dense0"][0] > 0).any(axis=1).all()


@given(seed=SEEDS)
def test_a_residual_block_is_the_identity_where_its_last_norm_has_no_scale(seed):
    rng = np.random.default_rng(seed)
    shapes = {"dense.weight": (6, 4), "dense.bias": 6, "out.weight": (4, 6), "out.bias": 4}
    params = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    params |= nn.init_layer_norm("dense.norm", 6) | nn.init_layer_norm("out.norm", 4)
    x, taps = rng.standard_normal((3, 4)), {}
    y = nn.residual_block(params, x, taps=taps)
    assert taps["dense"][0].shape == (3, 6)
    # what is added has mean 0 over the features, as LayerNorm makes it
    assert np.abs((y - x).mean(1)).max() < 1e-14
    assert not np.array_equal(x, y)
    params["out.norm.weight"] = np.zeros(4)
    assert np.array_equal(nn.residual_block(params, x), x)


@given(
    seed=SEEDS, shape=st.sampled_from([(3, 5), (5, 3), (4, 4), (1, 3), (6, 2, 3, 3), (2, 1, 1, 1)])
)
def test_orthogonal_weights_have_orthogonal_rows_or_columns_of_length_gain(seed, shape):
    w = nn.orthogonal(np.random.default_rng(seed).standard_normal(shape), gain=2.0)
    assert w.shape == shape
    m = w.reshape(shape[0], -1)
    gram = m @ m.T if m.shape[0] <= m.shape[1] else m.T @ m
    # the QR of a matrix of at most 6 columns is orthogonal to some dozens of units in 2^-53
    assert np.abs(gram - 4 * np.eye(len(gram))).max() < 1e-13


def test_orthogonal_weights_keep_the_side_of_their_draws():
    """R has a positive diagonal: without it the result would not be uniform."""
    assert nn.orthogonal(np.array([[3.0]]))[0, 0] == 1
    assert nn.orthogonal(np.array([[-3.0]]))[0, 0] == -1


def test_uniform_and_lecun_weights_are_the_quantiles_of_their_laws():
    fan_in = 4
    ends = np.array([[0.0] * fan_in, [0.5] * fan_in, [1.0] * fan_in])
    assert np.array_equal(nn.uniform_fan_in(ends)[:, 0], [-0.5, 0, 0.5])
    u = (np.arange(400_000) + 0.5).reshape(-1, fan_in) / 400_000
    w = nn.lecun(u)
    # the mean square over equal quantiles: the law's variance 1 / fan-in, by the midpoint rule
    assert (w**2).mean() == pytest.approx(1 / fan_in, rel=1e-5)
    assert np.abs(w).max() * nn.TRUNCATED_STD * math.sqrt(fan_in) < 2
    assert (np.diff(w.ravel()) > 0).all()


def test_the_initial_mlp_is_orthogonal_with_zero_biases_and_comes_from_its_generator_alone():
    sizes = (3, 5, 4, 2)
    params = nn.init_mlp(np.random.default_rng(7), sizes)
    again = nn.init_mlp(np.random.default_rng(7), sizes)
    assert params.keys() == again.keys()
    assert all(np.array_equal(params[k], again[k]) for k in params)
    assert [params[f"{k}.weight"].shape for k in ("dense0", "dense1", "final")] == [
        (5, 3),
        (4, 5),
        (2, 4),
    ]
    for k in ("dense0", "dense1", "final"):
        assert not params[f"{k}.bias"].any()
        assert np.linalg.norm(params[f"{k}.weight"], 2) == pytest.approx(math.sqrt(2), rel=1e-14)


def test_gradients_reach_every_parameter_and_every_tap():
    rng = np.random.default_rng(0)
    params = {k: ag.Node(v + 0.1) for k, v in nn.init_mlp(rng, (3, 4, 4, 1), norm=True).items()}
    taps = {}
    loss = ag.mean(nn.mlp(params, rng.standard_normal((6, 3)), activation=ag.gelu, taps=taps) ** 2)
    nodes = [*params.values(), *(h for _, h in taps.values())]
    assert all(g.any() for g in ag.gradients(loss, nodes))


X = np.ones((2, 3))


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda p: nn.mlp(p, X, "no."), "layer"),
        (lambda p: nn.linear(p, "dense9", X), "layer"),
        (lambda p: nn.linear(p, "dense0", np.ones((2, 4))), "x of dense0"),
        (lambda p: nn.linear(p, "dense0", np.ones(3)), "x of dense0"),
        (lambda p: nn.conv2d(p, "conv", np.ones((1, 3, 4, 4))), "x of conv"),
        (lambda p: nn.conv2d(p, "conv", np.ones((1, 2, 4, 2))), "x of conv"),
        (lambda p: nn.layer_norm(p, "dense0.norm", X), "layer"),
        (lambda p: nn.layer_norm(p, "norm", X), "x of norm"),
        (lambda p: nn.layer_norm(p, "norm", np.ones((2, 1))), "x of norm"),
        (lambda p: nn.linear(p, "dense0", X[:0]), "x of dense0"),
        (lambda p: nn.mlp(p, X[:0]), "x of dense0"),
        (lambda p: nn.conv2d(p, "conv", np.ones((0, 2, 4, 4))), "x of conv"),
        (lambda p: nn.conv2d(p, "conv", np.ones((1, 2, 4, 4)), 0), "stride"),
        (lambda p: nn.conv2d(p, "conv", np.ones((1, 2, 4, 4)), -1), "stride"),
        (lambda p: nn.init_mlp(np.random.default_rng(0), (3,)), "sizes"),
        (lambda p: nn.init_mlp(np.random.default_rng(0), (3, 0, 1)), "sizes"),
    ],
)
def test_bad_input_is_named(call, named):
    params = nn.init_mlp(np.random.default_rng(0), (3, 4, 1))
    params |= {"conv.weight": np.ones((4, 2, 3, 3)), "conv.bias": np.zeros(4)}
    params |= nn.init_layer_norm("norm", 4)
    with pytest.raises(InputError) as error:
        call(params)
    assert error.value.argument == named
    assert error.value.value is not None and error.value.accepted
