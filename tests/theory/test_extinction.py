"""Adam, its epsilon and extinction: what the claims compute is what `ref` does."""

import math
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from ref import dynamics, optim
from theory.claim import check
from theory.dominance import adam, extinction

HALF = Fraction(1, 2)
ADAM = Fraction(9, 10), Fraction(999, 1000)


@pytest.mark.parametrize("betas", [(0, 0), (HALF, HALF), ADAM])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_layer_fades_as_ref_learns_it_with_a_fixed_final_layer(betas, sign):
    width, alpha = 4, Fraction(1, 6)
    w = tuple((Fraction(k, 3), Fraction(k, 3)) for k in (7, 5, 4, 2))
    x, v = (Fraction(1), Fraction(2)), tuple(Fraction(sign * k, 2) for k in (1, 4, 3, 2))
    betas = tuple(map(Fraction, betas))
    fading = extinction.Fading(w, (x,), v, alpha, betas=betas)
    assert extinction.one_sign(fading) and extinction.small_step(fading)
    way, dead = extinction.fade(fading)
    assert dead and extinction.extinct(fading)

    params = {"dense0.weight": np.array(w, float)}
    fixed = {
        "dense0.bias": np.zeros(width),
        "final.weight": np.array([v], float),
        "final.bias": np.zeros(1),
    }
    features = np.array([x], float)
    chain = dynamics.Chain(np.eye(1), np.zeros(1), float(fading.gamma))
    net = dynamics.network(features, fixed)
    adam_step = partial(optim.adam, betas=tuple(map(float, betas)), eps=1e-300)
    steps, rows = len(way) - 1, []
    for t in range(steps + 1):
        learnt, rows = dynamics.learn(
            chain, params, dynamics.regression(), net, t, float(alpha), every=1,
            optimizer=(optim.start_adam, adam_step),
        )  # fmt: skip
        z = features @ learnt["dense0.weight"].T
        living = way[t] > 0
        assert (living == (z > 0)).all()
        assert np.abs(z - way[t])[living].max(initial=0) <= extinction.NEAR
    assert [row["step"] for row in rows] == list(range(steps + 1))
    largest = [row["dense0/largest"] for row in rows]
    shares = [row["dense0/largest_share"] for row in rows]
    assert all(b < a for a, b in pairwise(largest))
    assert shares[:-1] == sorted(shares[:-1]) and shares[0] < 0.5 < shares[-2]
    assert math.isnan(shares[-1]) and rows[-1]["dense0/saturated"] == 1


@pytest.mark.parametrize("error", [1e-6, 1e-3, 1.0, 100.0])
def test_adam_moves_a_unit_by_the_same_for_every_error_and_sgd_does_not(error):
    x, alpha = np.array([0.5, 0.25, 2.0]), 2.0**-10
    params, grads = {"w": np.ones(3)}, {"w": error * x}
    stepped, _ = optim.adam(grads, optim.start_adam(params), params, alpha, eps=0.0)
    assert abs((params["w"] - stepped["w"]) @ x - alpha * x.sum()) <= 1e-15
    first = adam.First((HALF, HALF / 2, Fraction(2)), Fraction(3), Fraction(error), Fraction(alpha))
    assert 3 - adam.after_adam(first) == Fraction(alpha) * Fraction(11, 4)
    stepped, _ = optim.sgd(grads, optim.start_sgd(params), params, alpha)
    assert abs((params["w"] - stepped["w"]) @ x - alpha * error * (x @ x)) <= 1e-15 * max(1, error)


def test_the_longest_step_of_adam_is_as_long_as_the_remark_says():
    # K_t √ of the corrected moments, from the first step to where both corrections are 1
    worst = max(
        math.sqrt(k * (1 - 0.999**t)) / (1 - 0.9**t)
        for t, k in ((t, _longest(t)) for t in range(1, 20_001))
    )
    assert 7.2 < worst <= 7.28
    # a single gradient after a long silence: (1 - β₁)/√(1 - β₂)
    assert round(0.1 / math.sqrt(0.001), 1) == 3.2


def _longest(t):
    ratio = 0.9**2 / 0.999
    return 0.1**2 / 0.001 * (1 - ratio**t) / (1 - ratio)


def test_kappa_of_the_papers_momentum_is_3_01():
    beta, terms = 0.9, 400
    kappa = sum((1 - beta) * beta ** (t - 1) / (1 - beta**t) for t in range(1, terms))
    assert round(kappa, 2) == 3.01
    assert abs(float(adam.kappa(Fraction(9, 10), 20)) - sum(
        (1 - beta) * beta ** (t - 1) / (1 - beta**t) for t in range(1, 21))) < 1e-12  # fmt: skip


def test_a_walk_without_epsilon_dies_and_one_with_it_is_spared():
    # the same noise, 0.9^t: without ε the chance to live goes to 0, with ε = 16 it is 1
    noise = Fraction(9, 10)
    alive = [extinction.survivors(extinction.Walk(1, t, noise)) for t in (2, 4, 6, 8)]
    assert alive == sorted(alive, reverse=True) and alive[-1] < alive[0]
    spared = extinction.Walk(1, 8, noise, Fraction(16))
    assert sum(noise**t / (noise**t + 16) for t in range(1, 9)) < 1
    assert extinction.survivors(spared) == 1


@pytest.mark.parametrize(
    ("claim", "name", "fault"),
    [
        (adam.ADAM_KILL, "norm_1", lambda s: max(s.x)),
        (adam.EPSILON_SURVIVES, "room", lambda p: float(p.z)),
        (adam.ADAM_LONGEST_STEP, "longest_square", lambda s, t: Fraction(1)),
        (extinction.LAST_SURVIVORS, "onset", lambda f: sum(extinction.gaps(f)[:2]) / 2),
        (extinction.EXTINCTION, "small_step", lambda f: True),
        (extinction.EPSILON_SPARES, "within", lambda s: True),
    ],
)
def test_a_false_assumption_or_constant_is_caught(monkeypatch, claim, name, fault):
    module = adam if hasattr(adam, name) else extinction
    original = getattr(module, name)
    monkeypatch.setattr(module, name, fault)
    given = tuple(replace(a, holds=fault if a.holds is original else a.holds) for a in claim.given)
    assert check(replace(claim, given=given)).violation is not None
