"""Collapse of features: the chapter's own certificates, and its flows against ref's gradients."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special
from scipy.integrate import solve_ivp

from ref import autograd as ag
from ref import dynamics, losses, nn
from theory import claim, collapse
from theory.collapse.flows import ONE, ZERO, classifier, exact, regression, row
from theory.collapse.layer_norm import Normed
from theory.collapse.zero_bin import PAPER

EPS = np.finfo(np.float64).eps
BY_ID = {c.id.removeprefix("collapse."): c for c in collapse.CLAIMS}
REFUTED = [name for name, c in BY_ID.items() if c.verdict == "refuted"]
# A gradient below is a sum of fewer than 100 products of a few factors of at most 10 or so.
CLOSE = 10_000 * EPS


LONG = {"eq-5", "eq-5-square", "squared-norm", "fixed-heads", "ends-state-constant", "zero-bin"}
LONG |= {"predictions-agree", "layer-norm-dominant", "layer-norm-shifted", "layer-norm-dormant"}
SEARCHED = [pytest.param(x, marks=[pytest.mark.slow] if x in LONG else []) for x in REFUTED]


@pytest.mark.parametrize("name", SEARCHED)
def test_a_search_finds_a_counterexample_no_larger_than_the_stored_one(name):
    found = claim.find(BY_ID[name], examples=400)
    assert found.violation is not None
    assert claim.admits(BY_ID[name], found.violation)
    assert extent(found.violation) == extent(BY_ID[name].counterexample)


def extent(instance):
    """The numbers of states, neurons, bins, in whichever form an instance has them."""
    match instance:
        case collapse.flows.Regression(phi=phi, w=w):
            return len(phi), len(w), len(w[0])
        case collapse.flows.Classifier(psi=psi, w=w):
            return len(psi[0]), len(w), len(w[0])
        case collapse.flows.Bins(bins=bins):
            return bins
        case collapse.said.Episode(repeat=repeat):
            return repeat
    return len(instance.z)


def test_the_steps_of_a_refutation_have_the_numbers_of_its_counterexample():
    for name in REFUTED:
        c = BY_ID[name]
        if name not in ("value-interval", "apply-p"):  # one number each: the remark says it
            assert len(c.steps(c.counterexample)) >= 2
    text = "\n".join(BY_ID["theorem-3"].steps(BY_ID["theorem-3"].counterexample))
    assert "p̂ = softmax(Ψ'W) = [1/2 1/2]" in text
    assert "[1/4 1/4], rows sum to (1/2)" in text
    assert "∂W = [0 0]" in text
    assert "∂W = [-1/4 -1/4]" in text


FAULTS = {
    "eq-5-transposed": ("fixed_heads", lambda r: r.a() @ exact(r.phi) @ r.gram()),
    "eq-6": ("closed_form", lambda r: math.exp(-0.001) * np.asarray(r.phi, float)),
    "rate": ("closed_form", lambda r: 1.001 * np.asarray(r.phi, float)),
    "spread": ("dobrushin", lambda transition: Fraction(0)),
    "direction": ("direction", lambda r: exact(r.phi)),
    "conserved": ("learned_heads", lambda r: (-exact(r.phi), exact(r.w))),
    "singular-values": ("integrate", lambda r, learned: (0.9 * np.asarray(r.phi, float), None)),
    "never-grows": ("weights_of_states", lambda r: exact([ONE] + [ZERO] * (len(r.phi) - 1))),
    "strong-heads": ("integrate", lambda r, learned: (1.1 * np.asarray(r.phi, float), None)),
    "line-22": ("outer_flows", lambda c, error: (exact(c.psi) @ error, -exact(c.w) @ error.T)),
    "theorem-3-derived": ("predictions", lambda c: exact([[ONE] * len(c.centres)] * len(c.psi[0]))),
    "uniform-target": ("two_hot", lambda z, value: [Fraction(1, len(z))] * len(z)),
    "fixed-point": ("target_at_collapse", lambda c: collapse.flows.uniform(c)),
    "first-bin-push": ("semi_gradient", lambda c: (exact(c.w), exact(c.psi))),
    "saddle": ("linear_part", lambda c, psi, w: (psi, w)),
    "dead-layer": ("relu", lambda z: z),
    "backups": ("two_hot", lambda z, value: [ONE] + [ZERO] * (len(z) - 1)),
    "layer-norm-revives": ("exceeds", lambda d, times, variance: d >= 0),
    "layer-norm-shift": ("exceeds", lambda d, times, variance: d > times),
    "full-rank": ("kernel", lambda matrix: [matrix[0]]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name, plant):
    plant(collapse, *FAULTS[name])
    c = BY_ID[name]
    assert claim.replay(c) or claim.check(c, 2000).violation is not None


# ----------------------------------------------------------------------- the exact algebra

numbers = st.integers(-3, 3).map(Fraction)


def matrices(shape):
    return st.lists(numbers, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]).map(
        lambda found: exact(found).reshape(shape)
    )


def test_logits_that_are_no_integers_are_not_cut_to_integers():
    logits = [[Fraction(99, 100), ZERO, Fraction(-7, 2)]]
    exactly = special.softmax(np.log(2) * np.asarray(logits, float))
    found = collapse.flows.softmax(logits)
    assert found.sum() == 1
    np.testing.assert_allclose(np.asarray(found, float)[0], exactly[0], rtol=10 * EPS)


@given(st.tuples(st.integers(1, 3), st.integers(1, 4)).flatmap(matrices))
def test_the_kernel_is_what_the_matrix_takes_to_zero_and_no_smaller(matrix):
    found = collapse.flows.kernel(matrix)
    assert all(not (matrix @ v).any() for v in found)
    rank = np.linalg.matrix_rank(matrix.astype(float))  # integers of one digit: rank is clear
    assert len(found) == matrix.shape[1] - rank
    if found:
        assert np.linalg.matrix_rank(exact(found).astype(float)) == len(found)


@given(st.integers(1, 3).flatmap(lambda n: matrices((n, n))))
def test_definiteness_is_the_sign_of_the_least_eigenvalue(matrix):
    symmetric = matrix + matrix.T
    least = np.linalg.eigvalsh(symmetric.astype(float)).min()
    # Integer coefficients of at most 12 ^ 3: a least eigenvalue that is not 0 is not tiny
    assert collapse.flows.positive(symmetric) == (least > -1e-9)
    assert collapse.flows.positive(symmetric, strictly=True) == (least > 1e-9)
    assert collapse.flows.positive(matrix @ matrix.T)


# ----------------------------------------------------------------------- ref's semi-gradients


def chain_of(instance):
    transition = np.asarray(instance.transition, float)
    return dynamics.Chain(transition, np.zeros(len(transition)), float(instance.gamma))


def semi_gradients(instance, psi, w, objective):
    """Minus the semi-gradients of Psi (N, states) and W (N, G), of the mean over the states."""
    params = {"dense0.weight": psi, "final.weight": w.T}
    fixed = {"dense0.bias": np.zeros(len(psi)), "final.bias": np.zeros(w.shape[1])}
    net = dynamics.network(np.eye(psi.shape[1]), fixed, ag.identity)
    _, grads, _ = dynamics.td(chain_of(instance), params, objective, net)
    return -grads["dense0.weight"], -grads["final.weight"].T


@given(st.sampled_from(collapse.flows.SIZES).flatmap(collapse.flows.regressions))
def test_the_flows_of_regression_are_semi_gradients_of_the_reference(r):
    phi, w = (np.asarray(x, float) for x in (r.phi, r.w))
    move_psi, move_w = semi_gradients(r, phi.T, w, dynamics.regression())
    # the loss is a mean over states and heads of squares: hence the factor
    factor = 2 / (len(r.phi) * w.shape[1])
    expected_phi, expected_w = (
        np.asarray(x, float) for x in collapse.learned_heads.learned_heads(r)
    )
    assert np.abs(move_psi.T - factor * expected_phi).max() <= CLOSE
    assert np.abs(move_w - factor * expected_w).max() <= CLOSE
    fixed = np.asarray(collapse.eq_5.fixed_heads(r), float)
    assert np.abs(move_psi.T - factor * fixed).max() <= CLOSE


@given(st.sampled_from(collapse.flows.LOGITS).flatmap(collapse.flows.discounted_classifiers))
def test_the_flows_of_classification_are_semi_gradients_of_the_reference(c):
    centres = np.asarray(c.centres, float)
    objectives = {"direct": dynamics.theorem_3, "two-hot": dynamics.two_hot}
    if c.encode not in objectives:
        c = dataclasses.replace(c, encode="two-hot")
    psi, w = np.asarray(c.psi, float), math.log(2) * np.asarray(c.w, float)
    move_psi, move_w = semi_gradients(c, psi, w, objectives[c.encode](centres))
    states = len(c.transition)
    exact_w, exact_psi = (np.asarray(x, float) for x in collapse.flows.semi_gradient(c))
    assert np.abs(move_w - exact_w / states).max() <= CLOSE
    assert np.abs(move_psi - math.log(2) * exact_psi / states).max() <= CLOSE


@given(st.sampled_from(collapse.flows.LOGITS).flatmap(collapse.flows.discounted_classifiers))
def test_the_flow_of_hl_gauss_is_the_semi_gradient_of_the_reference(c):
    psi, w = np.asarray(c.psi, float), math.log(2) * np.asarray(c.w, float)
    bins = len(c.centres)
    objective = dynamics.hl_gauss(losses.bin_edges(0, bins, bins), 0.75)
    expected = semi_gradients(c, psi, w, objective)
    for found, move in zip(collapse.agreement.hl_gauss_flow(c, psi, w), expected, strict=True):
        assert np.abs(found / len(c.transition) - move).max() <= CLOSE


def test_predictions_agree_where_they_always_did_and_where_they_had_the_time():
    def apart(gamma, psi, w):
        return classifier(((0, 1), (1, 0)), gamma, [psi], [w], (0, 1), "two-hot")

    start = apart("9/10", [0, 1], [0, 1])  # p-hat is (1/2, 1/2) and (1/3, 2/3)
    assert collapse.agreement.differences(start, 1)[0] == pytest.approx(1 / 6, abs=4 * EPS)
    assert collapse.agreement.predictions_close(start)
    assert collapse.agreement.predictions_close(apart("9/10", [1, 1], [0, 1]))
    slow = apart("99/100", [1, 0], [0, 0])
    way = collapse.agreement.differences(slow)
    assert way[0] == 0 and not collapse.agreement.predictions_close(slow)
    assert collapse.flows.INTEGRATED < way[-1] < max(way)  # it falls, and later it is gone
    assert collapse.agreement.differences(slow, 100_000)[-1] <= collapse.flows.INTEGRATED
    early = collapse.agreement.differences(slow, 100)
    assert early[-1] == max(early)


def test_of_the_differences_the_last_one_counts(monkeypatch):
    small, large = collapse.flows.INTEGRATED, 1.01 * collapse.flows.INTEGRATED
    for way, truth in [([1.0, large, small], True), ([1.0, small, large], False)]:
        monkeypatch.setattr(collapse.agreement, "differences", lambda _, way=way: way)
        monkeypatch.setattr(collapse.agreement, "rests_apart", lambda _: False)
        assert collapse.agreement.predictions_close(None) is truth
        monkeypatch.setattr(collapse.agreement, "rests_apart", lambda _: True)
        assert collapse.agreement.predictions_close(None) is False


def test_that_predictions_stay_apart_is_proved_and_where_it_is_not_so_it_is_not():
    pytest.importorskip("flint")
    for c, bins in [(collapse.agreement.TEN, 3), (BY_ID["predictions-agree"].counterexample, 1)]:
        assert collapse.agreement.rests_apart(c)
        low, high = map(float, collapse.agreement.rest_near(c).values)
        assert high - low > bins  # values so many bins apart, without reward
    far = dataclasses.replace(c, psi=(row(-3, 1),))  # not near that point
    other = dataclasses.replace(c, gamma=Fraction(1, 4))  # not at rest
    even = dataclasses.replace(c, psi=(row(1, 1),))  # at rest or not, the states are alike
    assert not any(map(collapse.agreement.rests_apart, (far, other, even)))


def test_a_flow_from_weights_of_zero_ends_at_the_point_that_is_proved():
    c = BY_ID["predictions-agree"].counterexample
    start = dataclasses.replace(c, psi=(row(-4, 2),), w=(row(*[0] * 7),))
    psi, w = collapse.agreement.way(start, 1e6)[-1]
    move_psi, move_w = collapse.agreement.hl_gauss_flow(start, psi, w)
    assert max(np.abs(move_psi).max(), np.abs(move_w).max()) <= collapse.flows.INTEGRATED
    apart = collapse.agreement.differences(start, 1e6)[-1]
    assert apart == pytest.approx(
        collapse.agreement.differences(c, 1e6)[-1], abs=collapse.flows.INTEGRATED
    )
    assert apart > 3 / 10
    smaller = Fraction(1000, 1463)  # the same point of rest with ψ_2 = 1 is not stable
    psi, w = exact(c.psi) * smaller, exact(c.w) / smaller
    scaled = dataclasses.replace(c, psi=tuple(map(tuple, psi)), w=tuple(map(tuple, w)))
    assert collapse.agreement.rests_apart(scaled)
    assert collapse.agreement.differences(scaled, 1e6)[-1] <= collapse.flows.INTEGRATED


@given(st.sampled_from([3, 5]).flatmap(collapse.agreement.half_dead))
def test_at_the_rest_of_a_half_dead_layer_nothing_moves(h):
    """The reference's semi-gradient with the gates of a ReLU: state 1 is shut, state 2 fits."""
    bins = collapse.flows.Bins(ZERO, Fraction(h.bins), h.bins, h.gamma)
    value = collapse.agreement.rest_value(h)
    w = np.log(bins.read(collapse.agreement.next_value(h, value))[0])
    chain = ((1, 0), (h.leave, 1 - h.leave))
    c = classifier(chain, h.gamma, [[0, 1]], [[0] * h.bins], range(h.bins), "direct")
    move_psi, move_w = collapse.agreement.hl_gauss_flow(c, np.array([[0.0, 1.0]]), w[None])
    assert np.abs(move_w).max() <= CLOSE and abs(move_psi[0, 1]) <= CLOSE


def test_the_flow_that_theorem_3_prints_is_not_the_reference_s():
    c = BY_ID["theorem-3"].counterexample
    w = np.zeros((1, 2))
    _, move_w = semi_gradients(c, np.eye(1), w, dynamics.theorem_3(np.array([0.0, 1.0])))
    assert np.abs(move_w).max() <= 2 * EPS  # log(1/2) is rounded, and its exponential
    assert collapse.flows.printed_flow(c)[0].tolist() == [[Fraction(-1, 4)] * 2]


@given(st.sampled_from(collapse.flows.LOGITS).flatmap(collapse.flows.classifiers))
def test_exact_two_hot_is_the_reference_s(c):
    value = np.array([-3.25, 0.0, 0.5, 1.0, 7.0])
    found, _ = losses.two_hot(value, np.asarray(c.centres, float))
    for row_, v in zip(found, value, strict=True):
        expected = collapse.flows.two_hot(c.centres, Fraction(v))
        assert np.abs(row_ - np.asarray(expected, float)).max() <= 4 * EPS


@given(st.sampled_from(((1, 1, 2), (2, 2, 3))).flatmap(collapse.limits.dead_or_alive))
def test_what_a_relu_layer_s_head_learns_is_the_reference_s_gradient(h):
    # z is the bias of a layer without inputs: one state at a time
    z, w = np.asarray(h.z, float), np.log(2) * np.asarray(h.w, float)
    bias, centres = np.log(2) * np.asarray(h.bias, float), np.asarray(h.centres, float)
    chain = dynamics.Chain(np.eye(len(z)), np.zeros(len(z)), float(h.gamma))
    params = {"dense0.weight": z.T, "final.weight": w.T, "final.bias": bias}
    net = dynamics.network(np.eye(len(z)), {"dense0.bias": np.zeros(z.shape[1])})
    _, grads, _ = dynamics.td(chain, params, dynamics.two_hot(centres), net)
    moves = collapse.limits.head_moves(h, collapse.limits.head_errors(h)[0])
    move_z, move_w, move_c = (np.asarray(x, float) / len(z) for x in moves)
    assert np.abs(-grads["dense0.weight"].T - math.log(2) * move_z).max() <= CLOSE
    assert np.abs(-grads["final.weight"].T - move_w).max() <= CLOSE
    assert np.abs(-grads["final.bias"] - move_c).max() <= CLOSE


@given(st.sampled_from((2, 3, 4)).flatmap(collapse.layer_norm.normed))
def test_the_gradient_through_layer_norm_is_the_reference_s(n):
    if n.variance() == 0:
        return
    z, v = np.asarray([n.z], float), np.asarray(n.v, float)
    unit = {"norm.weight": np.ones(len(v)), "norm.bias": np.zeros(len(v))}
    f = ag.grad(lambda z: ag.sum(ag.relu(nn.layer_norm(unit, "norm", z, 0.0)) * v))
    std = math.sqrt(n.variance())
    found, expected = std * f(z)[0], np.asarray(collapse.layer_norm.gradient_of_z(n), float)
    # A neuron on the mean may be rounded to either side, where the gate is open or shut
    if all(x != 0 for x in n.centred()):
        assert np.abs(found - expected).max() <= CLOSE


def test_the_audit_s_dormant_neuron_has_a_gradient_under_layer_norm():
    n = Normed(row(3, 1, -2), v=row(1, 1, 1))
    found = float(collapse.layer_norm.gradient_of_z(n)[2]) / math.sqrt(n.variance())
    assert found == pytest.approx(-0.0512, abs=5e-5)  # four digits are in the audit


# ----------------------------------------------------------------------- the flows in time


def test_one_fixed_head_collapses_one_direction_only():
    r = regression(((1, 0), (0, 1)), "1/2", ((1, 0), (0, 1)), [[1], [0]], 3)
    found, _ = collapse.flows.integrate(r, learned=False)
    expected = np.diag([math.exp(-1.5), 1])
    assert np.abs(found - expected).max() <= collapse.flows.INTEGRATED


@given(st.sampled_from(collapse.flows.SIZES).flatmap(collapse.flows.regressions))
def test_two_tolerances_of_the_integrator_agree_within_the_stated_bound(r):
    found = collapse.flows.integrate(r, learned=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collapse.flows, "RTOL", collapse.flows.RTOL / 100)
        patch.setattr(collapse.flows, "ATOL", collapse.flows.ATOL / 100)
        finer = collapse.flows.integrate(r, learned=True)
    for x, y in zip(found, finer, strict=True):
        assert np.abs(x - y).max() <= collapse.flows.INTEGRATED
    # and what the exact flow conserves has drifted less than that
    phi, w = found
    drift = phi.T @ phi - w @ w.T - np.asarray(r.balance(), float)
    assert np.abs(drift).max() <= collapse.flows.INTEGRATED


@given(st.sampled_from(collapse.flows.SIZES).flatmap(collapse.flows.regressions))
def test_features_of_fixed_heads_end_at_what_no_head_reads(r):
    gram = np.asarray(r.gram(), float)
    eigenvalues, q = np.linalg.eigh(gram)
    silent = q[:, eigenvalues < 1e-9]  # integers of one digit: others are above 1e-3
    limit = np.asarray(r.phi, float) @ silent @ silent.T
    assert collapse.eq_5.ends_at_zero(r) == (np.abs(limit).max() < 1e-9)


def test_the_normalised_features_of_an_ergodic_chain_end_at_their_stationary_mean():
    r = regression(((0, 1), ("1/2", "1/2")), "9/10", [[1, 0], [0, 3]], [[1], [0]], 40)
    limit = np.asarray(collapse.eq_5.direction(r), float)
    assert np.abs(limit - [[1 / 3, 2], [1 / 3, 2]]).max() <= 4 * EPS
    grown = math.exp((1 - 0.9) * 40) * collapse.eq_5.closed_form(r)
    # what is left falls at the rate gamma (1 - delta), as collapse.spread has it
    rest = math.exp(-0.9 * (1 - float(collapse.eq_5.dobrushin(r.transition))) * 40) * 3
    assert np.abs(grown - limit).max() <= rest + 1e-11


def test_cross_entropy_keeps_the_features_that_its_weights_did_not_outweigh():
    # W_0 = 0, Psi_0 = I, HL-Gauss: D = I is conserved, so no singular value falls below 1
    edges = losses.bin_edges(0, 4, 4)
    transition, size = np.array([[0.5, 0.5], [0.25, 0.75]]), (2, 4)

    def slope(_, state):
        psi, w = state[:4].reshape(2, 2), state[4:].reshape(size)
        phat = np.exp(ag.log_softmax(psi.T @ w))
        values = 0.9 * transition @ losses.decode(phat, losses.centres(edges))
        error = losses.hl_gauss(values, edges, 0.75)[0] - phat
        return np.concatenate([(w @ error.T).ravel(), (psi @ error).ravel()])

    start = np.concatenate([np.eye(2).ravel(), np.zeros(8)])
    end = solve_ivp(slope, (0, 100), start, rtol=1e-9, atol=1e-10, method="LSODA").y[:, -1]
    psi, w = end[:4].reshape(2, 2), end[4:].reshape(size)
    # conserved by the exact flow: local errors add up, of fewer than 2000 steps of a norm below 10
    bound = 2000 * 2 * 10 * (1e-10 + 10 * 1e-9)
    assert np.abs(psi @ psi.T - w @ w.T - np.eye(2)).max() <= bound
    assert np.linalg.svd(psi)[1].min() >= 1 - bound


def test_the_linear_part_at_zero_is_that_of_the_flow():
    c = classifier(((0, 1), (1, 0)), "1/2", [[2, 1]], [[1, -1, 3]], (0, 1, 2), "two-hot")
    centres = np.asarray(c.centres, float)
    gaps = []
    for small in (1e-2, 1e-3):
        psi, w = small * np.asarray(c.psi, float), small * np.asarray(c.w, float)
        found = semi_gradients(c, psi, w, dynamics.two_hot(centres))
        linear = collapse.limits.linear_part(c, psi, w)
        gaps.append(max(np.abs(2 * x - y).max() for x, y in zip(found, linear, strict=True)))
    # the rest is of third order, so a tenth of the size leaves about a thousandth
    assert gaps[1] < gaps[0] / 500


# ----------------------------------------------------------------------- the zero bin and its edge


def test_in_the_paper_s_bins_the_target_at_collapse_is_far_from_the_first_one():
    centres = PAPER.centres()
    target = collapse.flows.two_hot(centres, PAPER.gamma * sum(centres) / 101)
    assert sum(p * z for p, z in zip(target, centres, strict=True)) == Fraction(99, 2)
    assert target[0] == 0
    assert collapse.zero_bin.backups(PAPER) == 391
    assert 50 * PAPER.gamma**459 > centres[0] >= 50 * PAPER.gamma**460


def test_in_the_paper_s_bins_hl_gauss_never_reads_a_value_of_the_first_bin():
    # three digits are stated; floats of 1e-12 do not touch them
    assert PAPER.read(0.0)[1] == pytest.approx(0.688, abs=5e-4)
    assert collapse.zero_bin.after_backups(PAPER, 5000) == pytest.approx(1.83, abs=5e-3)
    assert collapse.zero_bin.after_backups(PAPER, 5000) > PAPER.width()


# ----------------------------------------------------------------------- adversarial search


@pytest.mark.slow
@pytest.mark.parametrize("name", ["layer-norm-largest", "layer-norm-norm"])
def test_no_optimiser_gets_below_the_bounds_of_layer_norm(name):
    slack = BY_ID[name].slack

    def relative(z):
        n = Normed(tuple(Fraction(float(x)) for x in z))  # exact: a float is a fraction
        return float(slack(n) / n.variance()) if n.variance() else 0.0

    bounds = [(-1, 1)] * 4
    found = optimize.differential_evolution(relative, bounds, seed=0, maxiter=60)
    assert 0 <= found.fun < 1e-3  # and it gets close: the bound is tight


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rate", "spread"])
def test_no_optimiser_gets_below_the_bounds_of_the_decay(name):
    slack = BY_ID[name].slack

    def value(x):
        p, q, gamma, t, a, b = (Fraction(float(y)) for y in x)
        return slack(regression(((p, 1 - p), (q, 1 - q)), gamma, [[a], [b]], [[1]], t))

    bounds = [(0, 1), (0, 1), (0, 1), (0, 4), (-1, 1), (-1, 1)]
    found = optimize.differential_evolution(value, bounds, seed=0, maxiter=60)
    assert -BY_ID[name].error <= found.fun < 1e-3


# ----------------------------------------------------------------------- measured on networks


@pytest.mark.parametrize("name", ["mse", "two_hot", "hl_gauss"])
def test_balance_of_features_and_head_moves_only_with_the_square_of_the_step(name):
    # ref's MLP obeys collapse.conserved too: gradient descent on its last layer and on free
    # features is the flow's Euler method, which errs by rate^2 a step: by rate in all.
    edges = losses.bin_edges(0, 4, 8)
    objective, outputs = {
        "mse": (dynamics.regression(), 1),
        "two_hot": (dynamics.two_hot(losses.centres(edges)), 8),
        "hl_gauss": (dynamics.hl_gauss(edges, 0.375), 8),
    }[name]
    chain = dynamics.Chain(np.array([[0.5, 0.5], [0.25, 0.75]]), np.zeros(2), 0.5)
    drifts, ends = [], []
    for steps in (100, 200):
        params = nn.init_mlp(np.random.default_rng(0), (2, 4, outputs))
        fixed = {key: params.pop(key) for key in list(params) if key.endswith("bias")}
        net = dynamics.network(np.eye(2), fixed, ag.identity)
        end, rows = dynamics.learn(chain, params, objective, net, steps, 20 / steps, every=steps)

        def balance(found):
            psi, w = found["dense0.weight"], found["final.weight"].T
            return psi @ psi.T - w @ w.T

        drifts.append(np.abs(balance(end) - balance(params)).max())
        ends.append(rows[-1]["dense0/feature_norm"])
    assert 0.4 * drifts[0] < drifts[1] < 0.6 * drifts[0]
    assert min(ends) > 0.1  # and in 20 units of time no loss has collapsed the features


DEATHS = [("mse", 0.05, False), ("two_hot", 0.05, True), ("hl_gauss", 0.05, True)]
DEATHS += [("mse", 0.005, False), ("two_hot", 0.005, False), ("hl_gauss", 0.005, False)]


@pytest.mark.parametrize(("name", "rate", "dies"), DEATHS)
def test_with_a_high_rate_classification_kills_a_network_that_regression_leaves_alive(
    name, rate, dies
):
    # Measured, no theorem, and against the title of section 4.2: in the paper's own bins without
    # reward. With rate 0.05 both classification losses killed the hidden layer for 4 of 4 seeds,
    # MSE for 1 of 4 (not for this one); with rate 0.005 none did. Classification starts at the
    # value 50, MSE near 0, and has the longer way to go.
    edges = losses.bin_edges(0, 100, 101)
    objective, outputs = {
        "mse": (dynamics.regression(), 1),
        "two_hot": (dynamics.two_hot(losses.centres(edges)), 101),
        "hl_gauss": (dynamics.hl_gauss(edges, 0.75), 101),
    }[name]
    chain = dynamics.Chain(np.array([[0.5, 0.5], [0.25, 0.75]]), np.zeros(2), 0.99)
    params = nn.init_mlp(np.random.default_rng(0), (2, 8, outputs))
    net = dynamics.network(np.eye(2))
    options = {"every": 600, "optimizer": dynamics.ADAM}
    _, (start, end) = dynamics.learn(chain, params, objective, net, 600, rate, **options)
    assert start["dense0/saturated"] < 1
    assert (end["dense0/saturated"] == 1) == dies
    assert (end["dense0/feature_norm"] == 0) == dies
