"""theory/dormancy.py: its stored certificates, its table of activations, and its ties to ref."""

import math
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ref import autograd as ag
from ref import dynamics, nn, scores
from theory import dormancy
from theory.claim import Claim, check, find, replay
from theory.dormancy import CLAIMS, said
from theory.dormancy.activations import ACTIVATIONS, PHI, Neuron, Span
from theory.dormancy.overlap import Sets
from theory.dormancy.scores import Layer
from theory.dormancy.training import Step

BY_ID = {claim.id: claim for claim in CLAIMS}
REFUTED = [c for c in CLAIMS if c.verdict == "refuted"]
GRID = np.arange(-8, 8.25, 0.25)  # has the kinks -1, 0, 1 and 6


def named(claim: Claim) -> str:
    return claim.id


def size_of(instance) -> int:
    match instance:
        case Layer():
            return len(instance.means)
        case Neuron():
            return len(instance.law)
        case dormancy.magi.Units():
            return len(instance.xs)
        case Sets():
            return instance.n
        case said.Hessian():
            return len(instance.rows)
        case said.Quiet():
            return 1
        case said.Logit():
            return len(instance.p)
        case Step():  # 1 where there is more than plain SGD of the layer
            return int(not all((not instance.below, not instance.decay, not instance.push)))


# ---------------------------------------------------------------------------------- certificates


@pytest.mark.slow
@pytest.mark.parametrize("claim", REFUTED, ids=named)
def test_a_search_from_scratch_refutes_at_the_size_of_the_stored_counterexample(claim):
    found = find(claim)
    assert found.violation is not None
    assert size_of(found.violation) == size_of(claim.counterexample)


@pytest.mark.parametrize("claim", [c for c in CLAIMS if c.steps], ids=named)
def test_the_steps_are_lines_with_numbers(claim):
    shown = claim.counterexample or next(iter(claim.needs.values()), None)
    if shown is not None:
        lines = claim.steps(shown)
        assert len(lines) >= 2 and all(any(c.isdigit() for c in line) for line in lines[:1])
        assert all("\n" not in line for line in lines)


@pytest.mark.parametrize(
    ("name", "fault", "claim"),
    [
        ("dormant", dormancy.ocp.zero_somewhere, "ocp-lemma-2-solid"),
        ("solid", dormancy.ocp.continuous, "ocp-theorem-1-region"),
        ("connected", dormancy.ocp.continuous, "ocp-lemma-3-connected"),
        ("smooth", dormancy.ocp.continuous, "ocp-lemma-2-nonnegative"),
        ("same_sets", dormancy.ocp.continuous, "ocp-star"),
        ("none_empty", dormancy.overlap.all_stay, "overlap-chance"),
        ("not_fewer", dormancy.overlap.none_empty, "overlap-stays-growing"),
        ("first_dormant", dormancy.training.not_centred, "absorbing"),
        ("inside_zeros", dormancy.training.first_without_gradient, "flat"),
        ("unit_dormant", dormancy.magi.magi_printed_same, "magi"),
        ("below_one", dormancy.scores.alive, "one-awake"),
    ],
)
def test_a_weaker_assumption_makes_a_replay_or_a_search_fail(name, fault, claim):
    old = BY_ID[f"dormancy.{claim}"]
    weak = [replace(a, holds=fault) if a.holds.__name__ == name else a for a in old.given]
    assert [a.holds for a in weak] != [a.holds for a in old.given]
    planted = replace(old, given=tuple(weak))
    assert replay(planted) or check(planted, 2000).violation is not None


def test_a_wrong_conclusion_makes_a_search_fail():
    for claim, fault in [
        ("average-one", dormancy.scores.sums_to_one),
        ("overlap-retention", dormancy.overlap.all_stay),
        ("magi", dormancy.magi.magi_printed_zero),
        ("scale-invariant", dormancy.scores.code_is_invariant),
        ("ocp-star", dormancy.activations.flat_in_input),
    ]:
        assert check(replace(BY_ID[f"dormancy.{claim}"], then=fault)).violation is not None


# ------------------------------------------------------------------------------------- the scores


def test_code_calls_a_live_layer_of_tiny_activations_wholly_dormant():
    layer = BY_ID["dormancy.scale-invariant-code"].counterexample
    assert dormancy.scores.coded(layer, Fraction(1)) == [False] and dormancy.scores.coded(
        layer, layer.c
    ) == [True]
    assert list(scores.dormant(layer.sample * layer.c, layer.tau)) == [False]


# A layer of one live neuron among dead ones is what the bounds are tight for.
@given(st.integers(1, 6), st.integers(1, 9))
def test_one_live_neuron_has_the_largest_score_there_is(n, a):
    layer = Layer((Fraction(a),) + (Fraction(0),) * (n - 1))
    assert scores.largest_score(layer.sample) == n and dormancy.scores.awake(layer) == 1


# ---------------------------------------------------------------------------- the table of Z and K


def member(z: float, spans: tuple[Span, ...]) -> bool:
    return any(dormancy.activations.meet(Span(z, z), span) for span in spans)


@pytest.mark.parametrize("name", PHI)
def test_Z_and_K_are_the_zeros_of_phi_and_of_its_slope_on_a_grid(name):
    phi = PHI[name]
    for z in map(Fraction, GRID):
        assert (phi.value(z) == 0) == member(z, phi.zeros)
        assert (phi.slope(z) == 0) == member(z, phi.flats)


TRACED = {
    "ReLU, φ'(0) = 0": ag.relu,
    "ReLU²": lambda z: ag.relu(z) ** 2,
    "LeakyReLU": ag.leaky_relu,
    "ELU": ag.elu,
    "tanh": ag.tanh,
    "sigmoid": ag.sigmoid,
    "softplus": ag.softplus,
    "GELU": ag.gelu,
    "SiLU": ag.silu,
    "Mish": lambda z: z * ag.tanh(ag.softplus(z)),
    "identity": lambda z: 1.0 * z,
    "square": lambda z: z * z,
}


@pytest.mark.parametrize("name", TRACED)
def test_phi_and_its_slope_are_those_of_ref(name):
    phi, f = PHI[name], TRACED[name]
    slopes = ag.grad(lambda z: ag.sum(f(z)))(GRID)
    # A few roundings of numbers of at most 64: 1e-13 is some 10 times what they can add up to.
    for z, value, slope in zip(GRID, f(GRID), slopes, strict=True):
        assert abs(float(phi.value(Fraction(z))) - value) <= 1e-13
        assert abs(float(phi.slope(Fraction(z))) - slope) <= 1e-13


def test_phi_and_its_slope_at_kinks_are_those_of_torch():
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    for name, phi in {
        "ReLU, φ'(0) = 0": f.relu,
        "ReLU6": f.relu6,
        "hardtanh": f.hardtanh,
        "LeakyReLU": f.leaky_relu,
        "Mish": f.mish,
        "ELU": f.elu,
    }.items():
        z = torch.tensor([-1.0, 0.0, 1.0, 6.0], dtype=torch.float64, requires_grad=True)
        phi(z).sum().backward()
        for at, slope in zip(z.tolist(), z.grad.tolist(), strict=True):
            assert float(ACTIVATIONS[name].slope(Fraction(at))) == pytest.approx(slope, abs=1e-15)


def test_the_equivalence_of_dormancy_and_zero_gradient_holds_for_relu_and_its_square_only():
    verdict = {name: phi.verdict for name, phi in ACTIVATIONS.items()}
    assert [n for n, v in verdict.items() if v == "holds"] == ["ReLU, φ'(0) = 0", "ReLU²"]
    assert [n for n, v in verdict.items() if v == "vacuous"] == ["sigmoid", "softplus"]
    assert [n for n, v in verdict.items() if v == "fails"] == [
        "ReLU, φ'(0) = 1/2",
        "ReLU, φ'(0) = 1",
        "ReLU6",
    ]
    assert all(len(row) == 4 and row[3] for row in dormancy.activations.table())


@pytest.mark.parametrize(
    ("name", "root"), [("GELU", -0.751792), ("SiLU", -1.278465), ("Mish", -1.192431)]
)
def test_the_slopes_of_gelu_silu_and_mish_have_one_root_where_they_are_not_dormant(name, root):
    phi = ACTIVATIONS[name]
    (span,) = phi.flats
    assert round((span.lo + span.hi) / 2, 6) == root
    assert phi.slope(span.lo) < 0 < phi.slope(span.hi) and phi.value(span.lo) < 0
    signs = [phi.slope(z) > 0 for z in np.linspace(-20, 20, 4001)]
    assert signs == sorted(signs)  # the sign changes once


# --------------------------------------------------------------- training, as ref differentiates it


@given(st.lists(st.integers(-3, 3), min_size=8, max_size=8), st.booleans())
def test_the_step_of_this_chapter_is_a_step_along_the_gradient_of_ref(drawn, below):
    v, w1, w2, b1, b2, u1, u2, target = map(Fraction, drawn)
    step = Step(
        dormancy.activations.RELU,
        v,
        (w1, w2),
        (b1, b2),
        (u1, u2),
        target,
        Fraction(1, 2),
        below=below,
    )
    params = {n: np.array(getattr(step, n), float) for n in ("v", "w", "b", "u")}

    def loss(p):
        y = ag.sum(p["u"] * ag.relu(ag.relu(p["v"]) * p["w"] + p["b"]))
        return (y - float(target)) ** 2 / 2

    grads = ag.grad(loss)(params)  # exact: small integers
    after = dormancy.training.trained(step)
    for name in ("w", "b", "u", *(["v"] if below else [])):
        expected = params[name] - 0.5 * grads[name]
        assert (np.array(getattr(after, name), float) == expected).all()
    assert (
        dormancy.training.preactivations(after)[0]
        == after.w[0] * max(after.v, Fraction(0)) + after.b[0]
    )


def test_full_gradient_descent_wakes_the_dormant_neuron_of_the_counterexample():
    step = BY_ID["dormancy.once-dormant"].counterexample
    after = dormancy.training.trained(step)
    assert dormancy.training.preactivations(step)[0] == -1 and after.v == Fraction(5, 2)
    assert dormancy.training.preactivations(after)[0] == Fraction(1, 2)


def chain_network(widths, seed=0):
    generator = np.random.default_rng(seed)
    states = 8
    transition = generator.dirichlet(np.ones(states), size=states)
    chain = dynamics.Chain(transition, generator.standard_normal(states), 0.9)
    params = nn.init_mlp(generator, (4, *widths, 1))
    for i in range(len(widths)):  # biases, so that some neurons are shut from the start
        params[f"dense{i}.bias"] = generator.standard_normal(widths[i])
    return chain, params, dynamics.network(generator.standard_normal((states, 4)))


def dormant_over_time(widths, snapshots=20, steps=10):
    """{layer: bool (snapshots, N)}: plain SGD of TD learning on a chain."""
    chain, params, net = chain_network(widths)
    found = {f"dense{i}": [] for i in range(len(widths))}
    for _ in range(snapshots):
        taps = {}
        net(params, taps)
        for layer, (_, h) in taps.items():
            found[layer].append(scores.dormant(h, 0.0))
        params, _ = dynamics.learn(chain, params, dynamics.regression(), net, steps, 0.05)
    return {layer: np.array(masks) for layer, masks in found.items()}


def test_in_a_trained_network_dormancy_is_absorbing_on_frozen_inputs_and_not_above_them():
    over_time = dormant_over_time((64, 64))
    first, second = over_time["dense0"], over_time["dense1"]
    assert first[0].any() and not (first[:-1] & ~first[1:]).any()  # none of the first layer wakes
    assert (second[:-1] & ~second[1:]).any()  # some of the second do, by plain SGD
    assert any(scores.retention(now, before) < 1 for before, now in pairwise(second))


def test_overlaps_of_this_chapter_are_those_of_ref():
    @given(st.lists(st.integers(0, 3), min_size=1, max_size=6))
    def compare(drawn):
        now, before = (np.array([bool(d & bit) for d in drawn]) for bit in (1, 2))
        sets = Sets(
            len(drawn), frozenset(np.flatnonzero(now) + 1), frozenset(np.flatnonzero(before) + 1)
        )
        ours = dormancy.overlap.overlap(sets)
        found = scores.overlap(now, before)
        assert math.isnan(found) if ours is None else found == float(ours)
        if ours is not None:  # one rounding each of numbers up to 1
            kept = scores.retention(now, before)
            assert abs(float(dormancy.overlap.retention_slack(sets)) - (found - kept)) <= 2**-52
            expected = max(now.sum(), before.sum()) / len(now)
            assert scores.chance_overlap(now, before) == expected

    compare()


# --------------------------------------------------------------------- dormancy and its gradients


@given(st.integers(-3, 3), st.integers(-3, 3), st.lists(st.integers(-3, 3), min_size=1, max_size=4))
def test_relu_neurons_without_output_have_no_gradient_in_ref_either(w, b, xs):
    neuron = Neuron(
        dormancy.activations.RELU, Fraction(w), Fraction(b), dormancy.activations.at(*xs)
    )
    x = np.array(xs, float)
    by_bias = ag.grad(lambda bias: ag.sum(ag.relu(w * x + bias)))(np.full(len(xs), float(b)))
    assert (
        dormancy.training.flat_in_parameters(neuron)
        == (not by_bias.any())
        == dormancy.activations.dormant(neuron)
    )
