"""The new theorems of `theory`: they compute what `ref` does, and what their remarks say."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from ref import autograd as ag
from ref import losses, nn, optim
from theory.claim import check
from theory.collapse import flows, hl_gauss, limit_law, shares
from theory.dominance import decay
from theory.rank import centred
from theory.recycling import balance

EPS = np.finfo(float).eps


@pytest.mark.parametrize("seed", range(4))
def test_features_end_at_the_positive_part_of_their_balance(seed):
    rng = np.random.default_rng(seed)
    states, width, heads = 3, 3, 2
    phi, w = (flows.rows(rng.integers(-3, 4, size)) for size in ((states, width), (width, heads)))
    chain = flows.rows([[Fraction(1, states)] * states] * states)
    r = flows.Regression(chain, Fraction(1, 2), phi, w, Fraction(400))
    phi_t, w_t, _ = limit_law.follow(r)
    up, down = limit_law.split(np.asarray(r.balance(), float))
    outputs = np.linalg.norm(phi_t @ w_t)
    assert outputs < 0.01 < np.linalg.norm(np.asarray(phi, float) @ np.asarray(w, float))
    assert np.linalg.norm(phi_t.T @ phi_t - up) <= outputs + flows.INTEGRATED
    assert np.linalg.norm(w_t @ w_t.T - down) <= outputs + flows.INTEGRATED


def test_layer_norm_raises_a_share_of_0_56_to_0_72_at_width_256():
    rng, width, samples = np.random.default_rng(0), 256, 2000
    z = rng.standard_normal((samples, width))
    z[:, 0] = width / 2
    params = {"norm.weight": np.ones(width), "norm.bias": np.zeros(width)}
    before, after = np.maximum(z, 0), np.maximum(nn.layer_norm(params, "norm", z), 0)
    largest = [h[:, 0].mean() / h.mean(axis=0).sum() for h in (before, after)]
    assert [round(x, 2) for x in largest] == [0.56, 0.72]
    assert round(after[:, 0].mean()) == 16
    one = shares.Normed(tuple(Fraction(x) for x in z[0]))
    assert shares.mean_sign(one) == 1 and shares.share_moves(one)


def test_the_pull_on_a_neuron_is_the_gradient_of_cross_entropy():
    rng, bins = np.random.default_rng(0), 5
    w, h = rng.standard_normal(bins), 0.75
    target, _ = losses.two_hot(np.array([1.3]), np.arange(bins, dtype=float))

    def loss(h):
        return losses.cross_entropy(ag.reshape(h * w, (1, bins)), target)

    prediction = np.exp(h * w) / np.exp(h * w).sum()
    rows = (tuple(map(Fraction, x)) for x in (w, target[0], prediction))
    kill = hl_gauss.Kill(*rows)
    assert abs(float(hl_gauss.pull(kill)) + ag.grad(loss)(np.array(h))) <= 100 * EPS
    # prediction sums to 1 up to a rounding of each of its bins
    assert float(hl_gauss.kill_slack(kill)) >= -bins * EPS * np.abs(w).max()


@pytest.mark.parametrize("seed", range(3))
def test_a_relu_network_of_ref_conserves_the_balance_of_each_neuron(seed):
    rng = np.random.default_rng(seed)
    params = nn.init_mlp(rng, (3, 6, 1))
    params["dense0.bias"] = rng.standard_normal(6)
    x, y = rng.standard_normal((5, 3)), rng.standard_normal((5, 1))
    grads = ag.grad(lambda leaves: losses.mse(nn.mlp(leaves, x), y))(params)
    w, b, v = (params[k] for k in ("dense0.weight", "dense0.bias", "final.weight"))
    dw, db, dv = (grads[k] for k in ("dense0.weight", "dense0.bias", "final.weight"))
    change = (w * dw).sum(axis=1) + b * db - (v * dv)[0]
    assert np.abs(change).max() <= 1000 * EPS
    one = balance.Balanced(
        tuple(map(Fraction, w[0])), Fraction(b[0]), Fraction(v[0, 0]),
        tuple(tuple(map(Fraction, row)) for row in x),
        tuple(map(Fraction, (2 * (nn.mlp(params, x) - y) / 5)[:, 0])),
    )  # fmt: skip
    moved = balance.moves(one)
    assert np.abs(np.array(moved[0], float) + dw[0]).max() <= 1000 * EPS
    assert abs(float(moved[2]) + dv[0, 0]) <= 1000 * EPS


def test_decay_at_the_papers_rate_leaves_98_5_percent_after_500_000_updates():
    params = {"w": np.ones((1, 1)), "b": np.zeros(1)}
    state, zero = optim.start_adam(params), {"w": np.zeros((1, 1)), "b": np.zeros(1)}
    stepped, _ = optim.adamw(zero, state, params, 3e-4, 1e-4, optim.kernels(params))
    factor = float(stepped["w"][0, 0])
    assert abs(factor - (1 - 3e-8)) <= EPS
    assert round(100 * factor**500_000, 1) == 98.5
    neuron = decay.Saturated(Fraction(-2), Fraction(1), Fraction(1, 10), 0)
    alive = [decay.height(neuron, t) > 0 for t in range(12)]
    assert alive.index(True) == 7  # ln 2 / -ln 0.9 = 6.58


@pytest.mark.parametrize(
    ("claim", "module", "name", "fault"),
    [
        (limit_law.LIMIT_DISTANCE, limit_law, "split", lambda d: (0 * d, -d)),
        (shares.LAYER_NORM_SHARE, shares, "mean_sign", lambda n: 1),
        (hl_gauss.KILL_CAP, hl_gauss, "same_mass", lambda k: True),
        (hl_gauss.WIDE_UNLEARNS, hl_gauss, "wide", lambda r: True),
        (balance.RELU_BALANCE, balance, "one_rate", lambda n: True),
        (decay.DECAY_SCORES, decay, "bias_too", lambda d: True),
        (decay.DECAY_REVIVES, decay, "no_bias_decay", lambda s: True),
        (centred.CENTRED, centred, "centred_slack", lambda i: _without_one(i)),
    ],
)
def test_a_false_assumption_or_formula_is_caught(monkeypatch, claim, module, name, fault):
    original = getattr(module, name)
    monkeypatch.setattr(module, name, fault)
    given = tuple(replace(a, holds=fault if a.holds is original else a.holds) for a in claim.given)
    assert check(replace(claim, given=given)).violation is not None


def _without_one(i):
    return centred.srank(centred.centred(i.x), i.delta) - centred.srank(i.x, i.delta)
