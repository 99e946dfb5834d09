"""TD learning on small chains: the paper's displays exactly, and what real networks do."""

import functools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ref import autograd as ag
from ref import dynamics, losses, nn
from ref.checks import InputError

EPS = np.finfo(np.float64).eps
MSE = dynamics.regression()
seeds = st.integers(0, 2**32 - 1)
THREE = dynamics.Chain(
    np.array([[0.25, 0.75, 0], [0, 0.25, 0.75], [0.75, 0, 0.25]]), np.array([1.25, 1, 0.75]), 0.5
)


def random_chain(rng, states):
    transition = rng.integers(1, 64, (states, states))
    transition = transition / transition.sum(axis=1, keepdims=True)
    return dynamics.Chain(transition, np.zeros(states), 0.75)


def tabular(psi, w, learnt=("dense0.weight", "final.weight")):
    """Free features Psi (N, states) and final weights W (N, G): what learns, and its network."""
    params = {"dense0.weight": psi, "final.weight": w.T}
    params |= {"dense0.bias": np.zeros(len(psi)), "final.bias": np.zeros(w.shape[1])}
    fixed = {name: params.pop(name) for name in params.keys() - learnt}
    return params, dynamics.network(np.eye(psi.shape[1]), fixed, ag.identity)


# A gradient below is a sum of fewer than 100 products of a few factors of at most 4 or so.
CLOSE = 1000 * EPS

# ----------------------------------------------------------------------- the displays


@given(seeds, st.integers(1, 5), st.integers(1, 4))
def test_fixed_orthonormal_heads_shrink_the_features_as_in_equations_5_and_6(seed, states, width):
    rng = np.random.default_rng(seed)
    chain = random_chain(rng, states)
    psi, heads = rng.uniform(-1, 1, (width, states)), nn.orthogonal(rng.normal(size=(width, width)))
    params, net = tabular(psi, heads, ("dense0.weight",))
    # sum_m w^m w^m' = I. The loss is a mean over states and heads of squares: hence the factor.
    operator = np.eye(states) - chain.gamma * chain.transition
    _, grads, _ = dynamics.td(chain, params, MSE, net)
    expected = 2 / (states * width) * (operator @ psi.T).T
    assert np.abs(grads["dense0.weight"] - expected).max() <= CLOSE
    # 10 Euler steps of eq. (5), of length 1/4: every one contracts, and adds its rounding
    steps, rate = 10, states * width / 8
    learnt, _ = dynamics.learn(chain, params, MSE, net, steps, rate, every=steps)
    shrunk = np.linalg.matrix_power(np.eye(states) - operator / 4, steps) @ psi.T
    assert np.abs(learnt["dense0.weight"].T - shrunk).max() <= steps * CLOSE
    # and the operator's own norm is 1 - (1 - gamma) / 4, since rows of P sum to 1
    bound = (1 - (1 - chain.gamma) / 4) ** steps * np.abs(psi).max()
    assert np.abs(learnt["dense0.weight"]).max() <= bound + steps * CLOSE


def test_one_learned_head_leaves_the_features_that_it_does_not_read():
    # the smallest case in which the conclusion of eq. (6), collapse to zero, fails: Psi = I
    chain = dynamics.Chain(np.eye(2), np.zeros(2), 0.5)
    params, net = tabular(np.eye(2), np.array([[1.0], [0.0]]))
    learnt, rows = dynamics.learn(chain, params, MSE, net, 400, 0.25, every=400)
    start, end = rows
    assert end["value_error"] < start["value_error"] / 50
    assert learnt["dense0.weight"][1].tolist() == [0, 1]
    assert end["dense0/feature_norm"] > 0.5  # the mean over the states


@given(seeds, st.integers(1, 5), st.integers(1, 4), st.integers(2, 6))
def test_the_flow_of_theorem_3_has_gamma_times_p_minus_i(seed, states, width, bins):
    rng = np.random.default_rng(seed)
    chain = random_chain(rng, states)
    psi, w = rng.uniform(-1, 1, (width, states)), rng.uniform(-1, 1, (width, bins))
    params, net = tabular(psi, w)
    objective = dynamics.theorem_3(np.arange(bins) + 0.5)
    _, grads, _ = dynamics.td(chain, params, objective, net)
    weights = np.exp(psi.T @ w)
    phat = weights / weights.sum(axis=1, keepdims=True)
    change = chain.gamma * (chain.transition - np.eye(states)) @ phat / states
    assert np.abs(-grads["final.weight"].T - psi @ change).max() <= CLOSE
    assert np.abs(-grads["dense0.weight"] - w @ change.T).max() <= CLOSE


def test_the_flow_as_theorem_3_prints_it_is_another_one():
    # one state, gamma = 1/2, W = (0, 0): P - I = 0, where the paper has gamma P - I = -1/2
    chain = dynamics.Chain(np.eye(1), np.zeros(1), 0.5)
    params, net = tabular(np.eye(1), np.zeros((1, 2)))
    _, grads, _ = dynamics.td(chain, params, dynamics.theorem_3(np.array([0.0, 1.0])), net)
    printed = (chain.gamma * 1 - 1) * np.array([0.5, 0.5])
    assert printed.tolist() == [-0.25, -0.25]
    # log(1/2) is rounded, and so is its exponential
    assert np.abs(grads["final.weight"]).max() <= 2 * EPS


@given(seeds, st.integers(1, 5), st.integers(2, 6))
def test_features_that_are_zero_stay_zero_in_theorem_3(seed, states, bins):
    rng = np.random.default_rng(seed)
    chain = random_chain(rng, states)
    params, net = tabular(np.zeros((3, states)), rng.uniform(-1, 1, (3, bins)))
    _, grads, _ = dynamics.td(chain, params, dynamics.theorem_3(np.arange(bins) * 1.0), net)
    assert not grads["final.weight"].any()
    assert np.abs(grads["dense0.weight"]).max() <= CLOSE


def fixed_point(edges, sigma, gamma):
    """What values end at that are read, discounted and written by HL-Gauss without reward."""
    value = np.zeros(1)
    for _ in range(1000):
        value = losses.decode(
            losses.hl_gauss(gamma * value, edges, sigma)[0], losses.centres(edges)
        )
    return value[0]


def test_a_dead_layer_is_a_rest_point_of_hl_gauss_where_the_bias_has_learnt_the_target():
    # classification does not exclude collapse: the output's bias alone fits a constant target
    edges, sigma, gamma = losses.bin_edges(0, 4, 8), 0.75, 0.5  # every bin has some mass
    target, _ = losses.hl_gauss(np.array([gamma * fixed_point(edges, sigma, gamma)]), edges, sigma)
    params = nn.init_mlp(np.random.default_rng(0), (3, 4, 8))
    params |= {"dense0.bias": np.full(4, -9.0), "final.bias": np.log(target[0])}
    objective, net = dynamics.hl_gauss(edges, sigma), dynamics.network(np.eye(3))
    loss, grads, _ = dynamics.td(THREE.hidden(), params, objective, net)
    for name in ("dense0.weight", "dense0.bias", "final.weight"):
        assert not grads[name].any()
    # logarithms of masses, at least -20, and back: the fixed point is as exact as they are
    assert np.log(target).min() > -20
    assert np.abs(grads["final.bias"]).max() <= 64 * EPS
    assert loss == pytest.approx(-np.sum(target * np.log(target)), rel=64 * EPS)


# ----------------------------------------------------------------------- real networks

WIDTH, HIDDEN_FOR = 0.5, 300  # of a bin; updates
EDGES, SIGMA = losses.bin_edges(0, 4, 8), 0.75 * WIDTH
OBJECTIVES = {
    "mse": (MSE, 1),
    "two_hot": (dynamics.two_hot(np.linspace(0, 4, 9)), 9),
    "hl_gauss": (dynamics.hl_gauss(EDGES, SIGMA), 8),
}
RUNS = [(name, norm) for name in OBJECTIVES for norm in (False, True)]


@functools.cache
def run(name, norm):
    """Rows of 600 updates, the first 300 without a reward, at updates 0, 150, ..., 600."""
    objective, outputs = OBJECTIVES[name]
    params = nn.init_mlp(np.random.default_rng(0), (3, 32, outputs), norm=norm)
    net = dynamics.network(np.eye(3))
    options = {"reveal_at": HIDDEN_FOR + 1, "every": 150, "optimizer": dynamics.ADAM}
    return dynamics.learn(THREE, params, objective, net, 600, 0.005, **options)[1]


@pytest.mark.parametrize(("name", "norm"), RUNS)
def test_without_reward_values_fall_to_zero_and_under_hl_gauss_to_its_fixed_point(name, norm):
    zero = fixed_point(EDGES, SIGMA, THREE.gamma) if name == "hl_gauss" else 0.0
    assert zero == 0 or zero > WIDTH / 2
    row = run(name, norm)[2]
    assert row["step"] == HIDDEN_FOR
    assert abs(row["value"] - zero) < WIDTH / 10
    assert abs(row["value_error"] - zero) < WIDTH / 10  # the greatest value, as the truth is 0


@pytest.mark.parametrize(("name", "norm"), RUNS)
def test_when_the_reward_is_shown_the_true_values_are_learnt(name, norm):
    after, end = run(name, norm)[3:]
    assert end["step"] == 600
    assert end["value_error"] < WIDTH / 4
    assert end["value_error"] < after["value_error"]
    assert end["clipped"] == 0


@pytest.mark.parametrize(("name", "norm"), RUNS)
def test_without_reward_features_shrink_under_mse_and_grow_under_cross_entropy(name, norm):
    # Measured, no theorem: so it was for other seeds. Under MSE they do not vanish: the head does.
    start, _, hidden, *_ = (row["dense0/feature_norm"] for row in run(name, norm))
    if name == "mse":
        assert start / 4 < hidden < start
    else:
        assert hidden > start


@pytest.mark.parametrize("norm", [False, True])
def test_the_value_error_obeys_the_bellman_residual(norm):
    # max abs(V - V*) <= max abs(R + gamma P V - V) / (1 - gamma), and MSE is the residuals' mean
    for row in run("mse", norm):
        residual = math.sqrt(len(THREE.reward) * row["loss"])
        assert row["value_error"] <= residual / (1 - THREE.gamma) * (1 + 100 * EPS) + 100 * EPS


@pytest.mark.parametrize("norm", [False, True])
def test_hl_gauss_does_not_keep_a_small_network_from_dying_without_reward(norm):
    # Neuron Dominance, 4.2, expects that classification prevents collapse. Its own bins begin at
    # the value 50, and on the way down the layer dies; with LayerNorm too, for it has a shift.
    # Measured with this rate for 6 of 6 seeds each.
    edges, sigma = losses.bin_edges(0, 100, 101), 0.75
    chain = dynamics.Chain(np.array([[0.5, 0.5], [0.25, 0.75]]), np.zeros(2), 0.99)
    params = nn.init_mlp(np.random.default_rng(0), (2, 8, 101), norm=norm)
    objective, net = dynamics.hl_gauss(edges, sigma), dynamics.network(np.eye(2))
    options = {"every": 600, "optimizer": dynamics.ADAM}
    _, (start, end) = dynamics.learn(chain, params, objective, net, 600, 0.05, **options)
    assert start["dense0/saturated"] < 0.5
    assert end["dense0/saturated"] == end["dense0/dormant_0"] == 1
    assert end["dense0/feature_norm"] == 0
    assert math.isnan(end["dense0/srank"])
    assert end["value"] < start["value"] - 10  # the bias goes on learning


# ----------------------------------------------------------------------- the loop

NET = dynamics.network(np.eye(3))
PARAMS = nn.init_mlp(np.random.default_rng(0), (3, 4, 4, 1))


def test_a_step_follows_the_semi_gradient_of_targets_that_are_held():
    loss, grads, _ = dynamics.td(THREE, PARAMS, MSE, NET)
    held = THREE.reward[:, None] + THREE.gamma * THREE.transition @ NET(PARAMS, None)
    supervised = ag.value_and_grad(lambda leaves: losses.mse(NET(leaves, None), held))(PARAMS)
    np.testing.assert_equal((loss, grads), supervised)
    learnt, _ = dynamics.learn(THREE, PARAMS, MSE, NET, 1, 0.25)
    np.testing.assert_equal(learnt, {k: w - 0.25 * grads[k] for k, w in PARAMS.items()})


def test_the_target_network_goes_its_rate_of_the_way_after_each_step():
    _, grads, _ = dynamics.td(THREE, PARAMS, MSE, NET)
    first = {name: w - 0.25 * grads[name] for name, w in PARAMS.items()}
    for rate in (0.0, 0.25, 1.0):
        targets = {name: (1 - rate) * w + rate * first[name] for name, w in PARAMS.items()}
        _, grads, _ = dynamics.td(THREE, first, MSE, NET, targets)
        second = {name: w - 0.25 * grads[name] for name, w in first.items()}
        learnt, _ = dynamics.learn(THREE, PARAMS, MSE, NET, 2, 0.25, target_rate=rate)
        np.testing.assert_equal(learnt, second)


def test_rows_have_the_scores_of_every_hidden_layer_and_the_reward_that_is_seen():
    rows = dynamics.learn(THREE, PARAMS, MSE, NET, 5, 0.25, reveal_at=3, every=2)[1]
    assert [row["step"] for row in rows] == [0, 2, 4]
    for row in rows:
        assert {name.split("/")[0] for name in row if "/" in name} == {"dense0", "dense1"}
    taps = {}
    values = NET(PARAMS, taps)[:, 0]
    assert rows[0]["value"] == values.mean()
    assert rows[0]["value_error"] == np.abs(values).max()
    assert rows[0]["loss"] == dynamics.td(THREE.hidden(), PARAMS, MSE, NET)[0]
    z, h = taps["dense1"]
    assert rows[0]["dense1/saturated"] == np.mean((z <= 0).all(axis=0))
    assert rows[0]["dense1/largest"] == h.mean(axis=0).max()
    assert rows[0]["dense1/feature_norm"] == np.linalg.norm(h, axis=1).mean()
    [shown] = dynamics.learn(THREE, PARAMS, MSE, NET, 0, 0.25)[1]
    assert shown["value_error"] == np.abs(values - THREE.values()).max()


def test_the_share_of_targets_that_were_clipped_is_in_the_rows():
    # at the start all values are near the middle, 2, so with gamma = 1/2 near 1 plus the reward
    chain = dynamics.Chain(THREE.transition, np.array([9.0, 0.0, -9.0]), 0.5)
    for name in ("two_hot", "hl_gauss"):
        objective, outputs = OBJECTIVES[name]
        params = nn.init_mlp(np.random.default_rng(0), (3, 4, outputs))
        assert dynamics.learn(chain, params, objective, NET, 0, 0.1)[1][0]["clipped"] == 2 / 3


def test_the_true_values_solve_the_bellman_equation():
    values = THREE.values()
    residual = THREE.reward + THREE.gamma * THREE.transition @ values - values
    assert np.abs(residual).max() <= 16 * EPS * np.abs(values).max()


# ----------------------------------------------------------------------- bad input

P2, R2 = np.full((2, 2), 0.5), np.zeros(2)


@pytest.mark.parametrize(
    ("transition", "reward", "gamma", "argument"),
    [
        (np.ones((2, 1)), R2, 0.5, "transition"),
        (np.ones(2), R2, 0.5, "transition"),
        (np.ones((0, 0)), R2[:0], 0.5, "transition"),
        (np.array([[1.5, -0.5], [0.5, 0.5]]), R2, 0.5, "transition"),
        (P2 * (1 + 8 * EPS), R2, 0.5, "transition"),
        (P2 * np.nan, R2, 0.5, "transition"),
        (P2, np.zeros(3), 0.5, "reward"),
        (P2, R2 + np.nan, 0.5, "reward"),
        (P2, R2, 1.0, "gamma"),
        (P2, R2, -0.1, "gamma"),
        (P2, R2, math.nan, "gamma"),
    ],
)
def test_what_is_no_chain_is_refused_by_name(transition, reward, gamma, argument):
    with pytest.raises(InputError) as refused:
        dynamics.Chain(transition, reward, gamma)
    assert refused.value.argument == argument
    assert refused.value.value is not None and refused.value.accepted


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"steps": -1}, "steps"),
        ({"steps": 1.5}, "steps"),
        ({"every": 0}, "every"),
        ({"target_rate": 1.5}, "target_rate"),
        ({"target_rate": math.nan}, "target_rate"),
        ({"rate": -1.0}, "rate"),
        ({"objective": dynamics.theorem_3(np.arange(2.0))}, "reward"),
    ],
)
def test_what_cannot_be_learnt_is_refused_by_name(options, argument):
    settings = {"objective": MSE, "net": NET, "steps": 1, "rate": 0.25} | options
    with pytest.raises(InputError) as refused:
        dynamics.learn(THREE, PARAMS, **settings)
    assert refused.value.argument == argument
    assert refused.value.value is not None and refused.value.accepted


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_learning_that_diverges_ends_with_an_error():
    with pytest.raises(InputError, match="finite numbers"):
        dynamics.learn(THREE, PARAMS, MSE, NET, 99, 1e6)
