"""The steps of the optimizers, exactly, on numbers that floats hold."""

import copy
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ref import optim
from ref.checks import InputError

DYADIC = st.integers(-64, 64).map(lambda k: k / 8)
POWER = st.integers(-8, 8).map(lambda k: 2.0**k)
SIGN = st.sampled_from([-1.0, 1.0])
PARAMS = {
    "conv0.weight": np.ones((2, 3, 1, 1)),
    "dense0.weight": np.ones((2, 3)),
    "dense0.bias": np.ones(2),
    "dense0.norm.weight": np.ones(2),
    "log_alpha": np.ones(()),
}
GRADS = {name: np.full(w.shape, 0.5) for name, w in PARAMS.items()}


def one(value):
    """A network with one number."""
    return {"w": np.array([value])}


@given(DYADIC, DYADIC, POWER)
def test_sgd_without_momentum_subtracts_rate_times_gradient(w, g, rate):
    params, state = optim.sgd(one(g), optim.start_sgd(one(w)), one(w), rate)
    assert Fraction(params["w"][0]) == Fraction(w) - Fraction(rate) * Fraction(g)
    assert state == {"momentum": one(g)}


@given(DYADIC, DYADIC, st.integers(1, 8))
def test_momentum_sums_the_past_gradients_geometrically(w, g, steps):
    # b_k = g (1 + m + ... + m^(k-1)): with m = 1/2 and 8 steps all of it fits into 53 bits
    params, state = one(w), optim.start_sgd(one(w))
    for _ in range(steps):
        params, state = optim.sgd(one(g), state, params, 0.25, 0.5)
    m, buffers = Fraction(1, 2), []
    for k in range(1, steps + 1):
        buffers.append(Fraction(g) * (1 - m**k) / (1 - m))
    assert Fraction(state["momentum"]["w"][0]) == buffers[-1]
    assert Fraction(params["w"][0]) == Fraction(w) - Fraction(1, 4) * sum(buffers)


@given(DYADIC, SIGN, POWER, st.sampled_from([1, 2, 4]), POWER)
def test_the_first_step_of_adam_is_rate_times_the_sign_up_to_eps(w, sign, size, total, rate):
    # rate * g / (|g| + eps); with these betas the corrections divide without rounding, and with
    # |g| + eps = total * |g| so does the step. total = 1 is eps = 0: the sign itself.
    g, eps = sign * size, (total - 1) * size
    params, state = optim.adam(one(g), optim.start_adam(one(w)), one(w), rate, (0.5, 0.75), eps)
    assert params["w"][0] == w - rate * sign / total
    assert state["count"]["w"] == 1
    assert state["mean"]["w"] == g / 2
    assert state["variance"]["w"] == g**2 / 4


def test_the_second_step_of_adam_by_hand():
    # g = 2 then -6: mean 1 then -5/2, corrected by 3/4: -10/3; variance 1 then 39/4, by 7/16
    params, state = one(0.0), optim.start_adam(one(0.0))
    for g in (2.0, -6.0):
        params, state = optim.adam(one(g), state, params, 1.0, (0.5, 0.75), 1.0)
    assert state["mean"]["w"] == -5 / 2
    assert state["variance"]["w"] == 39 / 4
    first, second = -2 / (2 + 1), (10 / 3) / (math.sqrt(39 / 4 * 16 / 7) + 1)
    # each of about ten operations rounds by at most half an epsilon of a value below 2
    assert abs(params["w"][0] - (first + second)) <= 10 * np.finfo(float).eps


def test_adam_s_defaults_are_those_of_the_paper():
    state = optim.start_adam(PARAMS)
    given_, _ = optim.adam(GRADS, state, PARAMS, 0.1, (0.9, 0.999), 1e-8)
    default, _ = optim.adam(GRADS, state, PARAMS, 0.1)
    for name in PARAMS:
        assert np.array_equal(given_[name], default[name])
    marked = optim.kernels(PARAMS)
    given_, _ = optim.adamw(GRADS, state, PARAMS, 0.1, 0.5, marked, (0.9, 0.999), 1e-8)
    default, _ = optim.adamw(GRADS, state, PARAMS, 0.1, 0.5, marked)
    for name in PARAMS:
        assert np.array_equal(given_[name], default[name])


@given(SIGN)
def test_every_parameter_counts_its_own_steps_so_one_that_is_reset_starts_anew(sign):
    params = {"kept": np.zeros(1), "reset": np.zeros(1)}
    grads = {"kept": np.array([2.0]), "reset": np.array([-8.0])}
    state = optim.start_adam(params)
    for _ in range(3):
        params, state = optim.adam(grads, state, params, 0.5, (0.5, 0.75), 0.0)
    for slot in state.values():
        slot["reset"] = np.zeros_like(slot["reset"])
    grads["reset"] = np.array([sign])
    stepped, state = optim.adam(grads, state, params, 0.5, (0.5, 0.75), 0.0)
    assert state["count"] == {"kept": 4, "reset": 1}
    assert stepped["reset"] - params["reset"] == -0.5 * sign


@given(DYADIC, st.sampled_from([0.0, 0.25, 0.5, 2.0]), st.sampled_from([0.125, 0.5, 1.0]))
def test_adamw_with_zero_gradient_shrinks_what_decays_by_exactly_one_minus_rate_decay(w, decay, r):
    params = {"kernel": np.array([[w]]), "bias": np.array([w])}
    zero = {name: np.zeros_like(leaf) for name, leaf in params.items()}
    state, marked = optim.start_adam(params), optim.kernels(params)
    for k in range(1, 5):  # w is k/8, and each factor has at most 4 binary digits: no rounding
        zeroed, state = optim.adamw(zero, state, params, r, decay, marked)
        factor = 1 - Fraction(r) * Fraction(decay)
        assert Fraction(zeroed["kernel"].item()) == Fraction(params["kernel"].item()) * factor
        assert zeroed["bias"] == w
        assert state["count"] == {"kernel": k, "bias": k}
        params = zeroed


@given(DYADIC, DYADIC)
def test_adamw_is_decay_and_then_adam(w, g):
    params = {"kernel": np.array([[w]]), "bias": np.array([w])}
    grads = {name: np.full_like(leaf, g) for name, leaf in params.items()}
    state = optim.start_adam(params)
    stepped, new = optim.adamw(grads, state, params, 0.5, 0.25, {"kernel": True, "bias": False})
    shrunk = {"kernel": params["kernel"] * 0.875, "bias": params["bias"]}
    expected = optim.adam(grads, state, shrunk, 0.5)
    assert (stepped, new) == expected


def test_kernels_are_the_leaves_that_are_no_vectors():
    kernels = {name for name, decays in optim.kernels(PARAMS).items() if decays}
    assert kernels == {"conv0.weight", "dense0.weight"}


STEPS = {
    "sgd": lambda grads, state, params: optim.sgd(grads, state, params, 0.5, 0.5),
    "adam": lambda grads, state, params: optim.adam(grads, state, params, 0.5),
    "adamw": lambda grads, state, params: optim.adamw(
        grads, state, params, 0.5, 0.5, optim.kernels(PARAMS)
    ),
}
STARTS = {"sgd": optim.start_sgd, "adam": optim.start_adam, "adamw": optim.start_adam}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_changes_nothing_that_it_was_given_and_keeps_every_shape(name):
    before = (GRADS, STARTS[name](PARAMS), PARAMS)
    kept = copy.deepcopy(before)
    stepped, state = STEPS[name](*before)
    np.testing.assert_equal(before, kept)
    assert list(stepped) == list(PARAMS)
    for leaf, w in PARAMS.items():
        assert stepped[leaf].shape == w.shape
        assert not np.any(stepped[leaf] == w)
    for slot, leaves in STARTS[name](PARAMS).items():
        assert {k: np.shape(v) for k, v in state[slot].items()} == {
            k: np.shape(v) for k, v in leaves.items()
        }


def without(params, name):
    return {key: value for key, value in params.items() if key != name}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_of_a_part_of_the_network_needs_that_part_alone(name):
    part = without(PARAMS, "dense0.bias")
    grads = without(GRADS, "dense0.bias")
    if name == "adamw":
        marked = optim.kernels(part)
        stepped, _ = optim.adamw(grads, STARTS[name](part), part, 0.5, 0.5, marked)
    else:
        stepped, _ = STEPS[name](grads, STARTS[name](part), part)
    whole, _ = STEPS[name](GRADS, STARTS[name](PARAMS), PARAMS)
    for leaf in part:
        assert np.array_equal(stepped[leaf], whole[leaf])


@pytest.mark.parametrize("name", STEPS)
def test_what_does_not_fit_the_parameters_is_refused_by_name(name):
    step, state = STEPS[name], STARTS[name](PARAMS)
    with pytest.raises(InputError, match=r"^grads: .*without \['dense0.bias'\], with \[\]"):
        step(without(GRADS, "dense0.bias"), state, PARAMS)
    with pytest.raises(InputError, match=r"^grads: .*without \[\], with \['more'\]"):
        step(GRADS | {"more": np.ones(2)}, state, PARAMS)
    with pytest.raises(InputError, match=r"^grads\['dense0.bias'\]: \(3,\) .* shape \(2,\)"):
        step(GRADS | {"dense0.bias": np.ones(3)}, state, PARAMS)
    for bad in (np.nan, np.inf):
        with pytest.raises(InputError, match=r"^grads\['dense0.bias'\]: .* finite"):
            step(GRADS | {"dense0.bias": np.array([1.0, bad])}, state, PARAMS)
        with pytest.raises(InputError, match=r"^params\['dense0.bias'\]: .* finite"):
            step(GRADS, state, PARAMS | {"dense0.bias": np.array([1.0, bad])})
    for slot in state:
        where = rf"^state\['{slot}'\]"
        with pytest.raises(InputError, match=rf"{where}: .*without \['log_alpha'\]"):
            step(GRADS, state | {slot: without(state[slot], "log_alpha")}, PARAMS)
        with pytest.raises(InputError, match=rf"{where}\['dense0.bias'\]: \(7,\)"):
            step(GRADS, state | {slot: state[slot] | {"dense0.bias": np.ones(7)}}, PARAMS)
        with pytest.raises(InputError, match=r"^state: "):
            step(GRADS, without(state, slot), PARAMS)
    with pytest.raises(InputError, match=r"^state: .*'more'"):
        step(GRADS, state | {"more": {}}, PARAMS)


@pytest.mark.parametrize("bad", [-1e-300, np.nan, np.inf])
def test_a_setting_out_of_range_is_refused_by_name(bad):
    state, marked = optim.start_adam(PARAMS), optim.kernels(PARAMS)
    momentum = optim.start_sgd(PARAMS)
    with pytest.raises(InputError, match=r"^rate: "):
        optim.sgd(GRADS, momentum, PARAMS, bad)
    with pytest.raises(InputError, match=r"^rate: "):
        optim.adam(GRADS, state, PARAMS, bad)
    with pytest.raises(InputError, match=r"^eps: "):
        optim.adam(GRADS, state, PARAMS, 0.5, eps=bad)
    with pytest.raises(InputError, match=r"^decay: "):
        optim.adamw(GRADS, state, PARAMS, 0.5, bad, marked)
    for beyond in (bad, 1.0):
        with pytest.raises(InputError, match=r"^momentum: "):
            optim.sgd(GRADS, momentum, PARAMS, 0.5, beyond)
        for betas in ((beyond, 0.5), (0.5, beyond)):
            with pytest.raises(InputError, match=r"^betas: "):
                optim.adam(GRADS, state, PARAMS, 0.5, betas)


def test_the_mask_of_decay_names_every_parameter():
    state, marked = optim.start_adam(PARAMS), optim.kernels(PARAMS)
    with pytest.raises(InputError, match=r"^decayed: .*without \['log_alpha'\]"):
        optim.adamw(GRADS, state, PARAMS, 0.5, 0.5, without(marked, "log_alpha"))


def test_zero_is_a_setting():
    state = optim.start_adam(PARAMS)
    for params, new in (
        optim.adam(GRADS, state, PARAMS, 0.0, (0.0, 0.0), 0.0),
        optim.adamw(GRADS, state, PARAMS, 0.0, 0.0, optim.kernels(PARAMS), (0.0, 0.0), 0.0),
    ):
        np.testing.assert_equal(params, PARAMS)
        np.testing.assert_equal(new["mean"], GRADS)
