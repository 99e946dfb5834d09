"""Each mitigation by its defining property, mostly in exact (dyadic) arithmetic.

All arrays that go in are read-only, so a mitigation that changed one in place would raise.
"""

import math
from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ref import autograd as ag
from ref import mitigations as m
from ref import nn, scores
from ref.checks import InputError
from ref.mitigations import Reader, Rebirth

SEEDS = st.integers(0, 2**32 - 1)


def dyadic(generator, *shape):
    """Multiples of 1/8 in [-2, 2]: sums of products of a few of them are exact."""
    return generator.integers(-16, 17, shape) / 8


def frozen(arrays):
    for value in arrays.values():
        np.asarray(value).setflags(write=False)
    return arrays


def network(generator, sizes, prefix=""):
    """An MLP with dyadic weights and biases."""
    names = [f"{prefix}dense{i}" for i in range(len(sizes) - 2)] + [f"{prefix}final"]
    params = {}
    for name, (inputs, outputs) in zip(names, pairwise(sizes), strict=True):
        params[f"{name}.weight"] = dyadic(generator, outputs, inputs)
        params[f"{name}.bias"] = dyadic(generator, outputs)
    return params


# Two convolutions of 2x2 kernels on 4x4 pictures leave 2x2 maps; the head also reads 2 actions.
LAYERS = ["conv0", "conv1", "dense0", "dense1"]
READERS = {
    "conv0": (Reader("conv1"),),
    "conv1": (Reader("dense0", 4),),
    "dense0": (Reader("dense1"),),
    "dense1": (Reader("final"),),
}
SHAPES = {"conv0": (3, 2, 2, 2), "conv1": (2, 3, 2, 2)}
SHAPES |= {"dense0": (4, 2 * 4 + 2), "dense1": (3, 4), "final": (1, 3)}


def critic(generator):
    params = {}
    for layer, shape in SHAPES.items():
        params[f"{layer}.weight"] = dyadic(generator, *shape)
        params[f"{layer}.bias"] = dyadic(generator, shape[0])
    return frozen(params)


def value(params, pictures, actions, taps, activation=ag.relu):
    x = pictures
    for layer in ("conv0", "conv1"):
        z = nn.conv2d(params, layer, x)
        x = activation(z)
        taps[layer] = z, x
    x = np.concatenate([x.reshape(len(x), -1), actions], 1)
    return nn.mlp(params, x, activation=activation, taps=taps)


def adam_state(params):
    """A state that is nowhere 0, with a count for each parameter."""
    return {
        "count": {name: np.array(3.0) for name in params},
        "mean": frozen({name: 1.0 + np.abs(value) for name, value in params.items()}),
        "variance": frozen({name: 2.0 + np.abs(value) for name, value in params.items()}),
    }


def random_masks(generator, params, layers):
    return {k: generator.random(len(params[f"{k}.weight"])) < 0.5 for k in layers}


def activations(taps):
    return {layer: h for layer, (_, h) in taps.items()}


def equal(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


# --- readers and selection -----------------------------------------------------------------


def test_a_chain_is_read_layer_by_layer_and_a_flattened_convolution_by_its_area():
    params = critic(np.random.default_rng(0))
    params["dense0.weight"] = params["dense0.weight"][:, :8]  # a plain chain has no actions
    assert m.chain(params, [*LAYERS, "final"]) == READERS
    params["dense0.weight"] = params["dense0.weight"][:, :2]  # global pooling
    assert m.chain(params, ["conv1", "dense0"]) == {"conv1": (Reader("dense0"),)}


@pytest.mark.parametrize(
    "layers", [["conv1", "dense0"], ["dense0", "final"], ["dense0", "wide"], ["conv0", "deep"]]
)
def test_a_chain_with_other_inputs_or_a_gap_is_refused(layers):
    params = critic(np.random.default_rng(0))
    params["dense0.weight"] = np.zeros((4, 9))
    params |= {"wide.weight": np.zeros((2, 8)), "deep.weight": np.zeros((2, 6, 2, 2))}
    with pytest.raises(InputError, match="layers"):
        m.chain(params, layers)


def test_of_equal_scores_the_first_is_chosen():
    score = np.array([2.0, 1.0, 1.0, 3.0, 1.0, 3.0])
    assert m.lowest(score, 2).tolist() == [False, True, True, False, False, False]
    assert m.highest(score, 1).tolist() == [False, False, False, True, False, False]
    assert m.highest(score, 3).tolist() == [True, False, False, True, False, True]


@given(st.lists(st.integers(-3, 3), min_size=1), st.data())
def test_the_chosen_are_the_lowest_in_the_order_of_score_and_index(score, data):
    count = data.draw(st.integers(0, len(score)))
    order = sorted(range(len(score)), key=lambda i: (score[i], i))
    for choose in (m.lowest, m.random_choice):
        mask = choose(np.array(score, float), count)
        assert np.flatnonzero(mask).tolist() == sorted(order[:count])


@given(st.integers(1, 10**6), st.data())
def test_both_cosines_go_from_their_start_to_exactly_zero(total, data):
    assert m.cosine_fraction(0, total) == 0.1
    early, late = sorted(data.draw(st.tuples(*[st.integers(0, total)] * 2)))
    for cosine in ("half", "quarter"):
        assert m.cosine_fraction(0, total, 0.5, cosine) == 0.5
        assert m.cosine_fraction(total, total, cosine=cosine) == 0
        shares = [m.cosine_fraction(step, total, cosine=cosine) for step in (early, late)]
        assert shares[0] >= shares[1]
    # cos(pi / 3) = 1/2, within two roundings of numbers below 2
    assert m.cosine_fraction(1, 3, 1.0) == m.cosine_fraction(1, 3, 1.0, "half")
    assert math.isclose(m.cosine_fraction(1, 3, 1.0, "half"), 3 / 4, abs_tol=2**-51)
    assert math.isclose(m.cosine_fraction(2, 3, 1.0, "quarter"), 1 / 2, abs_tol=2**-51)


# --- recycling -----------------------------------------------------------------------------


def by_hand(params, state, chosen, fresh, outgoing="zero", bias_moments="zero", step_count="keep"):
    """Recycling neuron by neuron, weight by weight: what `recycle` must equal."""
    params = {name: value.copy() for name, value in params.items()}
    state = {slot: {k: np.copy(v) for k, v in values.items()} for slot, values in state.items()}

    def put(name, index, number):
        params[name][index] = number
        if bias_moments == "zero" or not name.endswith(".bias"):
            for slot in ("mean", "variance"):
                state[slot][name][index] = 0

    for layer, mask in chosen.items():
        for i in np.flatnonzero(mask):
            put(f"{layer}.weight", i, fresh[f"{layer}.weight"][i])
            put(f"{layer}.bias", i, fresh[f"{layer}.bias"][i])
    for layer, mask in chosen.items():
        for i, (reader, span) in product(np.flatnonzero(mask), READERS[layer]):
            name = f"{reader}.weight"
            for column in range(i * span, i * span + span):
                for row in range(len(params[name])):
                    new = fresh[name][row, column] if outgoing == "fresh" else 0
                    put(name, (row, column), new)
    if step_count == "zero":  # of whole tensors, whether or not a neuron of the layer is chosen
        for layer in chosen:
            readers = [reader for reader, _ in READERS[layer]]
            for name in (f"{layer}.bias", *(f"{k}.weight" for k in (layer, *readers))):
                state["count"][name] = np.zeros(())
    return params, state


HOW = {
    "outgoing": ["zero", "fresh"],
    "bias_moments": ["zero", "keep"],
    "step_count": ["keep", "zero"],
}


@given(SEEDS, st.fixed_dictionaries({k: st.sampled_from(v) for k, v in HOW.items()}))
def test_recycling_replaces_what_a_neuron_owns_and_clears_its_moments_there(seed, how):
    generator = np.random.default_rng(seed)
    params, fresh = critic(generator), critic(generator)
    some = [layer for layer in LAYERS if generator.random() < 0.7]
    state, chosen = adam_state(params), random_masks(generator, params, some)
    new, slots = m.recycle(params, state, chosen, fresh, READERS, **how)
    expected, expected_slots = by_hand(params, state, chosen, fresh, **how)
    assert equal(new, expected)
    assert slots.keys() == state.keys()
    for slot in state:
        assert equal(slots[slot], expected_slots[slot])


def test_a_weight_between_two_chosen_neurons_counts_as_outgoing():
    params = network(np.random.default_rng(0), (2, 2, 2, 1))
    fresh = {name: np.full_like(value, 9.0) for name, value in params.items()}
    chosen = {"dense1": np.array([True, False]), "dense0": np.array([True, False])}
    readers = m.chain(params, ["dense0", "dense1", "final"])
    new, _ = m.recycle(params, {}, chosen, fresh, readers)
    assert new["dense1.weight"][0].tolist() == [0.0, 9.0]


def test_a_layer_may_be_read_by_several_and_a_parameter_may_lack_bias_or_state():
    generator = np.random.default_rng(3)
    params = {name: dyadic(generator, 2, 2) for name in ("a.weight", "b.weight", "c.weight")}
    state = {"momentum": {"b.weight": np.ones((2, 2))}}
    readers = {"a": (Reader("b"), Reader("c"))}
    chosen = {"a": np.array([False, True])}
    new, slots = m.recycle(params, state, chosen, params, readers)
    for reader in ("b.weight", "c.weight"):
        assert new[reader][:, 1].tolist() == [0, 0]
        assert np.array_equal(new[reader][:, 0], params[reader][:, 0])
    assert equal(slots["momentum"], {"b.weight": np.array([[1.0, 0.0], [1.0, 0.0]])})


def test_new_neurons_can_have_the_mean_norm_of_the_live_ones():
    weight = np.array([[3.0, 4.0], [6.0, 8.0], [1.0, 1.0], [1.0, 1.0]])  # live norms 5 and 10
    fresh = np.array([[9.0, 9.0], [9.0, 9.0], [0.375, -0.5], [0.0, 0.0]])
    params = {"dense0.weight": weight, "final.weight": np.ones((1, 4))}
    drawn = {"dense0.weight": fresh, "final.weight": np.ones((1, 4))}
    chosen = {"dense0": np.array([False, False, True, True])}
    readers = m.chain(params, ["dense0", "final"])
    new, _ = m.recycle(params, {}, chosen, drawn, readers, incoming="live_norm")
    expected = [[3.0, 4.0], [6.0, 8.0], [4.5, -6.0], [0.0, 0.0]]
    assert new["dense0.weight"].tolist() == expected
    kernels = {k: v.reshape(len(v), 1, *v.shape[1:], 1) for k, v in params.items()}
    drawn_kernels = {k: v.reshape(len(v), 1, *v.shape[1:], 1) for k, v in drawn.items()}
    kernels["final.weight"] = drawn_kernels["final.weight"] = np.ones((1, 4, 1, 1))
    new, _ = m.recycle(kernels, {}, chosen, drawn_kernels, readers, incoming="live_norm")
    assert new["dense0.weight"].reshape(4, 2).tolist() == expected


def test_the_live_norm_leaves_fresh_biases_and_a_layer_without_live_neurons_as_drawn():
    generator = np.random.default_rng(5)
    params, fresh = critic(generator), critic(generator)
    chosen = {"conv0": np.ones(3, bool), "dense1": np.array([True, False, False])}
    new, _ = m.recycle(params, {}, chosen, fresh, READERS, incoming="live_norm")
    plain, _ = m.recycle(params, {}, chosen, fresh, READERS)
    assert [name for name in new if not np.array_equal(new[name], plain[name])] == ["dense1.weight"]
    assert np.array_equal(plain["conv0.weight"], fresh["conv0.weight"])


def test_xavier_weights_fill_the_interval_of_their_fans_and_have_biases_of_zero():
    shapes = {"dense0": (2, 4), "dense1": (22, 2), "conv0": (1, 2, 1, 2), "conv1": (4, 2, 2, 2)}
    bounds = {"dense0": 1.0, "dense1": 0.5, "conv0": 1.0, "conv1": 0.5}  # fans: 6, 24, 6, 24
    params = {f"{k}.weight": np.full(shape, 9.0) for k, shape in shapes.items()}
    params |= {f"{k}.bias": np.full(shape[:1], 9.0) for k, shape in shapes.items() if k != "conv1"}
    generator = np.random.default_rng(0)
    noise = {k: generator.integers(-8, 8, shape) / 8 for k, shape in shapes.items() if k != "conv0"}
    fresh = m.xavier_uniform(params, noise)
    assert fresh.keys() == {name for name in params if not name.startswith("conv0")}
    for layer, drawn in noise.items():
        assert np.array_equal(fresh[f"{layer}.weight"], bounds[layer] * drawn)
    assert not fresh["dense0.bias"].any() and fresh["dense0.bias"].shape == (2,)


# Most are 0 at 0, so that a neuron with z = 0 on all of the batch is dormant at tau = 0.
# Of the others, sigmoid and softplus are 0 where they underflow.
ACTIVATIONS = [ag.relu, ag.leaky_relu, ag.tanh, ag.gelu, ag.silu, ag.elu, ag.sigmoid, ag.softplus]
FAR = np.array(-(2.0**30))  # beyond what any layer below can reach


def kill(generator, params, layer, activation, constant=None):
    """Make about half of a layer's neurons 0 where the first input is `constant`; returns which."""
    weight, bias = params[f"{layer}.weight"], params[f"{layer}.bias"]
    dead = np.flatnonzero(generator.random(len(weight)) < 0.5)
    for i in dead:
        if constant is not None and activation(np.zeros(())) == 0:  # weight and bias cancel
            weight[i, 1:] = 0
            bias[i] = -weight[i, 0] * constant
        elif activation(FAR) == 0:
            bias[i] = FAR
        else:
            weight[i], bias[i] = 0, 0
    return dead


@given(SEEDS, st.sampled_from(ACTIVATIONS), st.integers(1, 5), *[st.sampled_from("CF")] * 2)
def test_redo_with_tau_zero_leaves_the_outputs_on_the_scored_batch_bit_equal(
    seed, activation, batch, layout, other
):
    """Of weights that round, too, and in both memory layouts, on which the rounding depends."""
    generator = np.random.default_rng(seed)
    sizes = [*generator.integers(1, 25, 4), 2]
    params, fresh = (
        {k: np.array(math.pi * w, order=order) for k, w in network(generator, sizes).items()}
        for order in (layout, other)
    )
    x = dyadic(generator, batch, sizes[0])
    x[:, 0] = 0.5
    kill(generator, params, "dense0", activation, constant=0.5)
    kill(generator, params, "dense1", activation)
    kill(generator, params, "dense2", activation)
    taps = {}
    before = nn.mlp(frozen(params), x, activation=activation, taps=taps)
    readers = m.chain(params, ["dense0", "dense1", "dense2", "final"])
    new, _ = m.redo(params, {}, activations(taps), 0.0, fresh, readers)
    assert np.array_equal(nn.mlp(new, x, activation=activation), before)
    for layer, (_, h) in taps.items():
        dead = ~h.any(0)
        assert not new[f"{readers[layer][0].layer}.weight"][:, dead].any()
        assert np.array_equal(new[f"{layer}.bias"][dead], fresh[f"{layer}.bias"][dead])


@given(SEEDS, st.sampled_from(ACTIVATIONS))
def test_redo_with_tau_zero_keeps_the_outputs_from_convolution_to_linear_layer(seed, activation):
    generator = np.random.default_rng(seed)
    params = {name: array.copy() for name, array in critic(generator).items()}
    killed = {layer: kill(generator, params, layer, activation) for layer in LAYERS}
    pictures, actions, taps = dyadic(generator, 3, 2, 4, 4), dyadic(generator, 3, 2), {}
    before = value(frozen(params), pictures, actions, taps, activation)
    for layer, dead in killed.items():
        assert scores.dormant(taps[layer][1], 0.0)[dead].all()
    new, _ = m.redo(params, {}, activations(taps), 0.0, critic(generator), READERS)
    assert np.array_equal(value(new, pictures, actions, {}, activation), before)


@pytest.mark.parametrize("layout", ["C", "F"])
def test_what_is_replaced_keeps_its_memory_layout_and_its_kind_of_float(layout):
    generator = np.random.default_rng(0)
    params = {k: np.array(w, np.float32, order=layout) for k, w in critic(generator).items()}
    state, chosen = {"mean": params}, random_masks(generator, params, LAYERS)
    new, slots = m.recycle(params, state, chosen, critic(generator), READERS)
    masked = m.apply_masks(params, m.neuron_masks(params, chosen, READERS))
    for found in (new, slots["mean"], masked):
        for name, old in params.items():
            before = old.flags
            after = found[name].flags
            assert after.c_contiguous == before.c_contiguous
            assert after.f_contiguous == before.f_contiguous
            assert found[name].dtype == old.dtype
    whole = {name: np.ones(w.shape, int) for name, w in params.items()}
    new, _ = m.recycle(whole, {}, chosen, critic(generator), READERS)
    assert new["dense0.bias"].dtype == np.float64, "integers do not cut the fresh values"


def test_zeroing_the_columns_in_the_other_flattening_order_changes_the_outputs():
    generator = np.random.default_rng(1)
    params = {name: abs(array) for name, array in critic(generator).items()}
    params["conv1.bias"] = np.array([-(2.0**10), 0.0])  # channel 0 is dead
    pictures, actions, taps = abs(dyadic(generator, 3, 2, 4, 4)), dyadic(generator, 3, 2), {}
    before = value(frozen(params), pictures, actions, taps)
    new, _ = m.redo(params, {}, activations(taps), 0.0, critic(generator), READERS)
    wrong = new | {"dense0.weight": params["dense0.weight"].copy()}
    wrong["dense0.weight"][:, np.append(np.tile([True, False], 4), [False, False])] = 0
    assert np.array_equal(value(new, pictures, actions, {}), before)
    assert not np.array_equal(value(wrong, pictures, actions, {}), before)


def test_redo_with_tau_zero_changes_the_outputs_where_layer_norm_couples_the_neurons():
    """LN(3, 1, 0) and LN(3, 1, 2) differ in their first two entries too (THEOREMS R2)."""
    params = {
        "dense0.weight": np.array([[3.0], [1.0], [0.0]]),
        "dense0.bias": np.zeros(3),
        "dense0.norm.weight": np.ones(3),
        "dense0.norm.bias": np.array([0.0, 2.0, -4.0]),  # only neuron 2 is dead
        "final.weight": np.array([[1.0, 0.0, 0.0]]),
        "final.bias": np.zeros(1),
    }
    fresh = {name: np.full_like(array, 2.0) for name, array in params.items()}
    fresh["dense0.bias"] = np.zeros(3)
    readers, x, taps = m.chain(params, ["dense0", "final"]), np.ones((1, 1)), {}
    before = nn.mlp(frozen(params), x, taps=taps, eps=0.0)
    new, _ = m.redo(params, {}, activations(taps), 0.0, fresh, readers)
    after = nn.mlp(new, x, eps=0.0)
    # (3 - 4/3) / sqrt(14/9) before, (3 - 2) / sqrt(2/3) after; a few roundings of numbers near 1
    assert np.isclose(before.item(), (5 / 3) / math.sqrt(14 / 9), rtol=0, atol=2**-48)
    assert np.isclose(after.item(), 1 / math.sqrt(2 / 3), rtol=0, atol=2**-48)
    for name in ("dense0.norm.weight", "dense0.norm.bias"):
        assert new[name] is params[name]


def test_redo_with_tau_above_zero_may_change_the_output_wholly():
    """h = (1, eps) with outgoing (0, 1/eps): output 1 becomes 0 (THEOREMS R3)."""
    eps = 2.0**-10
    params = {"dense0.weight": np.array([[1.0], [eps]]), "dense0.bias": np.zeros(2)}
    params |= {"final.weight": np.array([[0.0, 1 / eps]]), "final.bias": np.zeros(1)}
    readers, x, taps = m.chain(params, ["dense0", "final"]), np.ones((1, 1)), {}
    assert nn.mlp(params, x, taps=taps).item() == 1
    tau = 2 * eps / (1 + eps)
    for factor, expected in ((1 - 2**-20, 1), (1 + 2**-20, 0)):
        new, _ = m.redo(params, {}, activations(taps), tau * factor, params, readers)
        assert nn.mlp(new, x).item() == expected


def test_redo_and_regrama_recycle_the_neurons_that_their_scores_choose():
    generator = np.random.default_rng(7)
    params, fresh = critic(generator), critic(generator)
    state = adam_state(params)
    h = np.array([[1.0, 2.0, 0.25, 4.0], [1.0, -2.0, -0.25, 4.0]])
    low = {"dense0": np.array([False, False, True, False])}
    how = {"incoming": "live_norm", "outgoing": "fresh"}
    for options in ({}, how, {"bias_moments": "keep"}, {"step_count": "zero"}):
        expected = m.recycle(params, state, low, fresh, READERS, **options)
        by_activation = m.redo(params, state, {"dense0": h}, 0.25, fresh, READERS, **options)
        # without `by` the score takes the gradient of the weights, (N, in)
        by_weights = m.regrama(params, state, {"dense0": h.T}, 0.25, fresh, READERS, **options)
        options = {"by": "activation", **options}
        by_gradient = m.regrama(params, state, {"dense0": h}, 0.25, fresh, READERS, **options)
        for new, slots in (by_activation, by_gradient, by_weights):
            assert equal(new, expected[0])
            assert all(equal(slots[name], expected[1][name]) for name in state)


def test_regrama_draws_the_dead_half_of_a_network_anew():
    """GraMa's Theorem 1, for the gradient that its proof and code take; by dL/dh it finds none."""
    generator = np.random.default_rng(0)
    params, fresh = (nn.init_mlp(generator, (8, 64, 64, 1)) for _ in range(2))
    for layer in ("dense0", "dense1"):
        params[f"{layer}.bias"][::2] = -100
    layers, taps = ("dense0", "dense1"), {}
    nodes = {name: ag.Node(value) for name, value in params.items()}
    loss = ag.sum(nn.mlp(nodes, generator.standard_normal((64, 8)), taps=taps) ** 2)
    wanted = {k: (nodes[f"{k}.weight"], taps[k][1]) for k in layers}
    found = ag.gradients(loss, [node for pair in wanted.values() for node in pair])
    weights, outputs = (dict(zip(layers, found[i::2], strict=True)) for i in (0, 1))
    dead = {layer: scores.dormant(h.value, 0.0) for layer, (_, h) in taps.items()}
    assert all(mask.sum() == 32 for mask in dead.values())
    readers = m.chain(params, [*layers, "final"])
    expected, _ = m.recycle(params, {}, dead, fresh, readers)
    assert equal(m.regrama(params, {}, weights, 0.0, fresh, readers)[0], expected)
    by_outputs, _ = m.regrama(params, {}, outputs, 0.0, fresh, readers, by="activation")
    assert equal(by_outputs, params)


# --- ReBorn --------------------------------------------------------------------------------


def rebirth(generator, params, layer, reader, parts):
    count = len(params[f"{layer}.weight"])
    return Rebirth(
        order=generator.permutation(count).astype(float),
        choice=generator.random(count),
        factor=2.0 ** generator.integers(-2, 2, count),
        parts={f"{reader}.weight": parts},
    )


@given(SEEDS, st.sampled_from([ag.relu, lambda x: ag.leaky_relu(x, 0.25)]))
def test_reborn_keeps_the_outputs_where_the_dormant_neurons_were_zero(seed, activation):
    """Exactly: groups of two, parts 1 of the over-active and 1, 3 or 7 of the dormant neuron."""
    generator = np.random.default_rng(seed)
    sizes = [3, 8, 8, 2]
    params, fresh = network(generator, sizes), network(generator, sizes)
    x, names, over, draws = dyadic(generator, 4, 3), ["dense0", "dense1", "final"], {}, {}
    for (layer, reader), large in zip(pairwise(names), (2.0**12, 2.0**20), strict=True):
        params[f"{layer}.weight"][:4] = 0  # dead
        params[f"{layer}.bias"][:4] = 0
        over[layer] = generator.integers(4, 8)
        params[f"{layer}.bias"][over[layer]] = large  # so large that it alone is over-active
        parts = 2.0 ** generator.integers(1, 4, params[f"{reader}.weight"].shape) - 1
        parts[:, over[layer]] = 1
        draws[layer] = rebirth(generator, params, layer, reader, parts)
    taps, state, readers = {}, adam_state(params), m.chain(params, names)
    before = nn.mlp(frozen(params), x, activation=activation, taps=taps)
    args = params, state, activations(taps), fresh, readers, draws
    new, slots = m.reborn(*args, tau=0.0, most=1)
    assert np.array_equal(nn.mlp(new, x, activation=activation), before)
    dormant = {layer: ~h.any(0) for layer, (_, h) in taps.items()} | {"final": np.zeros(2, bool)}
    for layer, reader in pairwise(names):
        d = min(np.flatnonzero(dormant[layer]), key=lambda i: draws[layer].order[i])
        o, c = over[layer], draws[layer].factor[d]
        assert np.array_equal(new[f"{layer}.weight"][d], c * new[f"{layer}.weight"][o])
        assert new[f"{layer}.bias"][d] == c * params[f"{layer}.bias"][o]
        replaced = dormant[reader][:, None] | dormant[layer] | (np.arange(8) == o)
        for slot in ("mean", "variance"):
            assert np.array_equal(slots[slot][f"{reader}.weight"] == 0, replaced)
            assert np.array_equal(slots[slot][f"{layer}.bias"] == 0, dormant[layer])
        assert slots["count"] == state["count"]


def test_reborn_by_hand():
    """Two dormant neurons join the one over-active: shares 1/4, 1/4, 1/2 and 1/8, 5/8, 1/4."""
    params = {
        "dense0.weight": np.array([[0.0], [4.0], [0.0], [0.5], [0.5]]),
        "dense0.bias": np.array([-1.0, 8.0, -1.0, 0.0, 0.0]),
        "final.weight": np.array(
            [[3.0, 16.0, 3.0, 1.0, 1.0, 7.0], [3.0, 32.0, 3.0, 1.0, 1.0, 7.0]]
        ),
        "final.bias": np.zeros(2),
    }
    draw = Rebirth(
        order=np.zeros(5),
        choice=np.zeros(5),
        factor=np.array([0.5, 9.0, 0.25, 9.0, 9.0]),
        parts={"final.weight": np.array([[1.0, 2, 1, 9, 9, 9], [1.0, 2, 5, 9, 9, 9]])},
    )
    h = np.array([[0.0, 12.0, 0.0, 1.0, 2.0]])
    fresh = {name: np.full_like(array, 99.0) for name, array in params.items()}
    readers = {"dense0": (Reader("final"),)}
    args = frozen(params), {}, {"dense0": h}, fresh, readers, {"dense0": draw}
    new, _ = m.reborn(*args)
    assert new["dense0.weight"].ravel().tolist() == [2.0, 4.0, 1.0, 0.5, 0.5]
    assert new["dense0.bias"].tolist() == [4.0, 8.0, 2.0, 0.0, 0.0]
    assert new["final.weight"].tolist() == [
        [16 / 4 / 0.5, 16 / 2, 16 / 4 / 0.25, 1, 1, 7],
        [32 / 8 / 0.5, 32 / 4, 32 * 5 / 8 / 0.25, 1, 1, 7],
    ]
    # 12 > beta * 15/5 only for beta below 4; else the dormant neurons are merely recycled
    assert m.reborn(*args, beta=3.75)[0]["dense0.bias"].tolist() == [4.0, 8.0, 2.0, 0.0, 0.0]
    plain, _ = m.reborn(*args, beta=4.0)
    assert equal(plain, m.redo(params, {}, {"dense0": h}, 0.1, fresh, readers)[0])


def test_each_over_active_neuron_takes_at_most_so_many_in_the_order_drawn():
    """12 dormant and 2 over-active neurons: ten are reborn, the last two in order only fresh."""
    h = np.array([[64.0, 64.0, *np.zeros(12)]])
    params = {"dense0.weight": np.array([[1.0], [2.0], *[[0.0]] * 12])}  # no bias
    params |= {"final.weight": np.ones((1, 14))}
    fresh = {name: np.full_like(array, 99.0) for name, array in params.items()}
    order = np.array([0, 0, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0.0])
    readers = m.chain(params, ["dense0", "final"])
    for choice, first in ((0.0, 1.0), (1 - 2**-53, 2.0)):
        parts = {"final.weight": np.ones((1, 14))}
        draws = {"dense0": Rebirth(order, np.full(14, choice), np.ones(14), parts)}
        new, _ = m.reborn(params, {}, {"dense0": h}, fresh, readers, draws)
        last = 3 - first
        expected = [1.0, 2.0, 99.0, 99.0, *[last] * 5, *[first] * 5]
        assert new["dense0.weight"].ravel().tolist() == expected
        assert (new["final.weight"][0] == [*[1 / 6] * 2, 0, 0, *[1 / 6] * 10]).all()
        new, _ = m.reborn(params, {}, {"dense0": h}, fresh, readers, draws, most=6)
        assert new["dense0.weight"].ravel().tolist() == [1.0, 2.0, *[last] * 6, *[first] * 6]


def test_an_over_active_channel_is_split_over_its_whole_feature_map():
    generator = np.random.default_rng(2)
    params = {"conv0.weight": dyadic(generator, 5, 1, 2, 2), "conv0.bias": np.zeros(5)}
    params |= {"dense0.weight": dyadic(generator, 2, 5 * 4 + 1), "dense0.bias": np.zeros(2)}
    h = np.zeros((1, 5, 2, 2))
    h[0, 3] = 1.0  # the only live channel; the four others join it
    draw = rebirth(generator, params, "conv0", "dense0", np.ones((2, 21)))
    fresh = {name: np.zeros_like(array) for name, array in params.items()}
    readers = {"conv0": (Reader("dense0", 4),)}
    new, _ = m.reborn(params, {}, {"conv0": h}, fresh, readers, {"conv0": draw}, most=3)
    born = [i for i in np.argsort(draw.order) if i != 3][:3]
    old = params["dense0.weight"][:, 12:16]
    for i in range(5):
        columns = new["dense0.weight"][:, 4 * i : 4 * i + 4]
        if i in born:
            assert np.array_equal(columns, old / 4 / draw.factor[i])
            kernel = draw.factor[i] * params["conv0.weight"][3]
            assert np.array_equal(new["conv0.weight"][i], kernel)
        else:
            assert np.array_equal(columns, old / 4 if i == 3 else np.zeros((2, 4)))
    assert np.array_equal(new["dense0.weight"][:, 20], params["dense0.weight"][:, 20])


# --- how useful a neuron is, and continual backprop ----------------------------------------


def test_a_neurons_use_by_hand():
    """It varies by (1, 3/2, 0), is read by (3, 2, 1) and receives (1, 2, 1): the last never
    changes. Exact."""
    params = {"dense0.weight": np.array([[1.0], [-2.0], [1.0]]), "dense0.bias": np.ones(3)}
    params |= {"final.weight": np.array([[1.0, -1.0, 0.5, 8.0], [-2.0, 1.0, 0.5, 8.0]])}
    h = np.array([[1.0, -1.0, 2.0], [-1.0, 2.0, 2.0]])
    readers = {"dense0": (Reader("final"),)}
    assert m.usefulness(frozen(params), "dense0", h, readers).tolist() == [3, 1.5, 0]


def test_the_first_step_of_continual_backprop_by_hand():
    """Utilities 1/2 * a_i * sum |outgoing|: 1/2 * (1*3, 3/2*2, 2*1) in a layer of three."""
    params = {"dense0.weight": np.ones((3, 1)), "dense0.bias": np.ones(3)}
    params |= {"final.weight": np.array([[1.0, -1.0, 0.5, 8.0], [-2.0, 1.0, 0.5, 8.0]])}
    h = np.array([[1.0, -1.0, 2.0], [-1.0, 2.0, 2.0]])
    fresh = {name: np.full_like(array, 7.0) for name, array in params.items()}
    args = params, adam_state(params), m.continual_backprop_start(params, ["dense0"])
    args += ({"dense0": h}, fresh, {"dense0": (Reader("final"),)})
    new, _, memory = m.continual_backprop(*args, decay=0.5, maturity=1, rate=0.5)
    assert equal(new, params)  # nobody is older than 1
    assert memory["dense0"]["utility"].tolist() == [1.5, 1.5, 1.0]
    assert memory["dense0"]["age"].tolist() == [1, 1, 1]
    assert memory["dense0"]["pending"] == 0

    new, slots, memory = m.continual_backprop(*args, decay=0.5, maturity=0.5, rate=0.5)
    assert new["dense0.weight"].ravel().tolist() == [1, 1, 7]
    assert new["final.weight"].tolist() == [[1, -1, 0, 8], [-2, 1, 0, 8]]
    assert slots["mean"]["dense0.bias"].tolist() == [2, 2, 0]
    assert memory["dense0"]["utility"].tolist() == [1.5, 1.5, 0]
    assert memory["dense0"]["age"].tolist() == [1, 1, 0]
    assert memory["dense0"]["pending"] == 0.5


def test_utilities_are_compared_after_division_by_their_weight_so_far():
    params = {"dense0.weight": np.ones((2, 1)), "final.weight": np.ones((1, 2))}
    old = {"utility": np.array([3.0, 2.0]), "age": np.array([9.0, 0.0]), "pending": np.array(0.75)}
    h = np.array([[1.0, 0.5]])
    # 1/2 * (3, 2) + 1/2 * (1, 1/2) = (2, 5/4); corrected: 2 / (1 - 2^-10), 5/4 / (1 - 2^-1)
    args = params, {}, {"dense0": old}, {"dense0": h}, params, {"dense0": (Reader("final"),)}
    _, _, memory = m.continual_backprop(*args, decay=0.5, maturity=0, rate=0.125)
    assert memory["dense0"]["utility"].tolist() == [0, 1.25]
    assert memory["dense0"]["age"].tolist() == [0, 1]
    assert memory["dense0"]["pending"] == 0
    # from 1 instead of 2 the second has less even so: 3/4 / (1 - 2^-1) = 3/2
    lower = {"dense0": old | {"utility": np.array([3.0, 1.0])}}
    args = *args[:2], lower, *args[3:]
    _, _, memory = m.continual_backprop(*args, decay=0.5, maturity=0, rate=0.125)
    assert memory["dense0"]["age"].tolist() == [10, 0]
    # without a memory of utilities, decay = 0, the second has less
    _, _, memory = m.continual_backprop(*args, decay=0, maturity=0, rate=0.125)
    assert memory["dense0"]["utility"].tolist() == [1, 0]


def test_by_default_the_decay_is_99_percent_the_maturity_100_steps_and_the_rate_one_in_10000():
    params = {"dense0.weight": np.ones((2, 1)), "final.weight": np.ones((1, 2))}
    old = {"utility": np.ones(2), "age": np.array([99.0, 100.0]), "pending": np.array(0.0)}
    args = params, {}, {"dense0": old}, {"dense0": np.zeros((1, 2))}, params
    _, _, memory = m.continual_backprop(*args, {"dense0": (Reader("final"),)})
    assert memory["dense0"]["utility"].tolist() == [0.99, 0.99]
    assert memory["dense0"]["age"].tolist() == [100, 101]
    assert memory["dense0"]["pending"] == 1e-4  # only the second is older than 100


@given(SEEDS, st.integers(0, 6), st.sampled_from([0, 1 / 64, 1 / 8, 1 / 4, 1 / 2, 1]))
def test_the_number_replaced_is_the_rate_times_the_mature_and_none_is_younger(seed, mature, rate):
    generator = np.random.default_rng(seed)
    params = network(generator, (2, 5, 4, 1))
    readers = m.chain(params, ["dense0", "dense1", "final"])
    sizes = {"dense0": 5, "dense1": 4}
    memory = m.continual_backprop_start(params, sizes)
    born = {layer: np.zeros(n) for layer, n in sizes.items()}
    eligible, replaced = dict.fromkeys(sizes, 0), dict.fromkeys(sizes, 0)
    for step in range(1, 25):
        h = {layer: dyadic(generator, 3, n) for layer, n in sizes.items()}
        old, fresh = params, network(generator, (2, 5, 4, 1))
        args = params, {}, memory, h, fresh, readers
        params, _, memory = m.continual_backprop(*args, decay=0.5, maturity=mature, rate=rate)
        for layer in sizes:
            old_enough = step - born[layer] > mature
            eligible[layer] += int(old_enough.sum())
            gone = memory[layer]["age"] == 0
            replaced[layer] += int(gone.sum())
            assert not (gone & ~old_enough).any()
            assert not memory[layer]["utility"][gone].any()
            born[layer][gone] = step
            assert np.array_equal(memory[layer]["age"], step - born[layer])
            due = Fraction(rate) * eligible[layer]
            assert replaced[layer] == math.floor(due)
            assert memory[layer]["pending"] == due - math.floor(due)
            name = f"{layer}.bias"
            assert np.array_equal(params[name], np.where(gone, fresh[name], old[name]))


# --- pruning -------------------------------------------------------------------------------


@given(SEEDS)
def test_pruning_neurons_is_their_absence_and_of_dead_ones_changes_nothing(seed):
    generator = np.random.default_rng(seed)
    params = critic(generator)
    chosen = random_masks(generator, params, LAYERS)
    masks = m.neuron_masks(params, chosen, READERS)
    pruned = m.apply_masks(params, masks)
    ones = {name: np.ones_like(array) for name, array in params.items()}
    zeros = {name: np.zeros_like(array) for name, array in params.items()}
    replaced, _ = m.recycle(ones, {}, chosen, zeros, READERS)
    for name, array in params.items():
        assert np.array_equal(masks[name] if name in masks else ones[name], replaced[name] == 1)
        assert np.array_equal(pruned[name], array * replaced[name])
    pictures, actions = dyadic(generator, 3, 2, 4, 4), dyadic(generator, 3, 2)
    taps = {}
    after = value(pruned, pictures, actions, taps)
    for layer, mask in chosen.items():
        assert not taps[layer][1][:, mask].any()
    moved = {name: pruned[name] + fresh for name, fresh in critic(generator).items()}
    held = m.apply_masks(moved, masks)
    assert all(np.array_equal(held[k], np.where(replaced[k] == 1, moved[k], 0)) for k in held)
    dead = {layer: ~h.any((0, *range(2, h.ndim))) for layer, (_, h) in taps.items()}
    again = m.apply_masks(pruned, m.neuron_masks(pruned, dead, READERS))
    assert np.array_equal(value(again, pictures, actions, {}), after)


def test_the_cubic_schedule_is_exact_at_its_ends_and_in_between():
    steps = {-5: 0, 10: 0, 12: 37 / 64, 14: 7 / 8, 16: 63 / 64, 18: 1, 99: 1}
    for step, share in steps.items():
        assert m.cubic_sparsity(step, 10, 18, 0.75) == 0.75 * share
    assert m.cubic_sparsity(18, 10, 18, 0.95) == 0.95


# DrQ's critic without its encoder, for 6 actions: latent layer and two heads (FIELD 5.2).
TENSORS = {"trunk": (50, 39200)}
for head in ("heads.0.", "heads.1."):
    TENSORS |= {f"{head}dense0": (256, 56), f"{head}dense1": (256, 256), f"{head}final": (1, 256)}


class Shape(tuple):
    """Stands for an array where only its shape is looked at: the trunk has two million entries."""

    ndim = property(len)
    shape = property(lambda self: self)


def test_erk_keeps_of_the_critic_of_drq_what_its_formula_says():
    """Only the two final layers are dense; the others share what is left, by the sum of axes.

    jaxpruner rounds each tensor's number of zeros down before it solves, a budget of 1.2 weights
    more, and so keeps one more of the trunk: 101,251.
    """
    params = {name: Shape(shape) for name, shape in TENSORS.items()} | {"bias": Shape((256,))}
    assert m.uniform_sparsity(params, 0.95) == dict.fromkeys(TENSORS, 0.95)
    erk, size = m.erk_sparsity(params, 0.95), {k: math.prod(v) for k, v in TENSORS.items()}
    dense = [name for name in TENSORS if name.endswith("final")]
    left = Fraction(5, 100) * sum(size.values()) - sum(size[name] for name in dense)
    axes = {name: sum(shape) for name, shape in TENSORS.items() if name not in dense}
    exact = {name: left * axes[name] / sum(axes.values()) for name in axes}
    kept = {name: round(size[name] * (1 - erk[name])) for name in TENSORS}
    assert kept == {k: size[k] if k in dense else round(exact[k]) for k in TENSORS}
    heads = {kept[f"heads.{i}.{layer}"] for i in (0, 1) for layer in ("dense0", "dense1", "final")}
    assert heads == {805, 1321, 256}
    assert kept["trunk"] == 101_251 - 1


@given(SEEDS, st.integers(0, 20))
def test_erk_prunes_the_share_of_all_and_is_proportional_but_for_dense_tensors(seed, twentieths):
    generator, final = np.random.default_rng(seed), twentieths / 20
    shapes = [tuple(generator.integers(1, 9, generator.choice([2, 4]))) for _ in range(4)]
    params = {str(i): np.zeros(shape) for i, shape in enumerate(shapes)}
    sparsity = m.erk_sparsity(params, final)
    density = {name: 1 - share for name, share in sparsity.items()}
    total = sum(array.size for array in params.values())
    kept = sum(density[name] * array.size for name, array in params.items())
    # Fewer than 100 roundings of numbers up to `total`.
    assert abs(kept - (1 - final) * total) <= 100 * total * 2**-52
    ratios = {k: density[k] * v.size / sum(v.shape) for k, v in params.items()}
    sparse = [ratios[name] for name in params if sparsity[name] > 0]
    for name in params:
        assert 0 <= sparsity[name] <= 1
        if sparse:  # a dense tensor would want at least as much
            assert ratios[name] <= max(sparse) * (1 + 2**-44)
    assert not sparse or max(sparse) - min(sparse) <= max(sparse) * 2**-44


def test_at_least_one_weight_is_kept_and_of_equals_the_first():
    params = {"a.weight": np.array([[1.0, -2.0], [2.0, -2.0]]), "b.weight": np.ones((1, 2))}
    masks = m.magnitude_masks(params, {"a.weight": 0.5, "b.weight": 1.0})
    assert masks["a.weight"].tolist() == [[False, True], [True, False]]
    assert masks["b.weight"].tolist() == [[True, False]]
    # round(2 * (1 - 3/4)) = round(1/2) = 0, so one stays; round(4 * 5/8) = round(5/2) = 2
    masks = m.magnitude_masks(params, {"b.weight": 0.75, "a.weight": 0.375})
    assert masks["b.weight"].sum() == 1
    assert masks["a.weight"].sum() == 2


@given(SEEDS)
def test_masks_of_gradual_pruning_are_nested_and_meet_the_schedule_exactly(seed):
    generator = np.random.default_rng(seed)
    params = {
        "a.weight": np.zeros((4, 3, 2, 2)),
        "b.weight": np.zeros((5, 7)),
        "b.bias": np.ones(5),
    }
    final = m.erk_sparsity(params, 0.9)
    assert final.keys() == {"a.weight", "b.weight"}
    masks = None
    for step in range(12):
        # Few values: many ties, and many live weights that are exactly 0.
        moved = {
            name: array + generator.integers(-1, 2, array.shape) for name, array in params.items()
        }
        params = frozen(moved if masks is None else m.apply_masks(moved, masks))
        share = {name: m.cubic_sparsity(step, 2, 9, s) for name, s in final.items()}
        before, masks = masks, m.magnitude_masks(params, share, masks)
        for name, mask in masks.items():
            assert mask.sum() == max(1, round(mask.size * (1 - share[name])))
            assert abs(params[name][mask]).min() >= abs(params[name][~mask]).max(initial=0)
            assert before is None or not (mask & ~before[name]).any()
        params = m.apply_masks(params, masks)
    assert masks["b.weight"].sum() == max(1, round(35 * (1 - final["b.weight"])))


# --- whole layers --------------------------------------------------------------------------


def test_reset_replaces_what_it_names_and_keeps_everything_else_as_it_is():
    generator = np.random.default_rng(4)
    params = critic(generator) | network(generator, (2, 3, 1), "heads.0.")
    params["dense00.weight"] = np.ones((1, 1))  # not below dense0
    fresh = frozen({name: array + 1 for name, array in params.items()})
    state = adam_state(params)
    new, slots = m.reset(params, state, fresh, ["conv1", "dense0", "heads"])
    named = [k for k in params if k.partition(".")[0] in ("conv1", "dense0", "heads")]
    assert len(named) == 2 + 2 + 4
    assert new.keys() == params.keys()
    assert slots.keys() == state.keys()
    for name in params:
        assert new[name] is (fresh if name in named else params)[name]
        for slot, values in state.items():
            found = slots[slot][name]
            assert found is values[name] if name not in named else not found.any()
            assert found.shape == values[name].shape and found.dtype == values[name].dtype
    one, _ = m.reset(params, {}, fresh, ["final.bias"])
    assert [name for name in params if one[name] is fresh[name]] == ["final.bias"]


@given(SEEDS)
def test_shrink_and_perturb_ends_at_the_old_and_at_the_fresh_parameters(seed):
    generator = np.random.default_rng(seed)
    params, fresh = critic(generator), critic(generator)
    assert equal(m.shrink_and_perturb(params, fresh, 1, 0), params)
    assert equal(m.shrink_and_perturb(params, fresh, 0, 1), fresh)
    mixed = m.shrink_and_perturb(params, fresh, 0.5, 0.25)
    assert equal(mixed, {name: params[name] / 2 + fresh[name] / 4 for name in params})


@given(SEEDS)
def test_l2_init_is_the_squared_distance_and_pulls_towards_the_initial_values(seed):
    generator = np.random.default_rng(seed)
    params, initial = critic(generator), critic(generator)
    exact = sum(Fraction(x) ** 2 for k in params for x in (params[k] - initial[k]).ravel())
    assert m.l2_init(params, initial, 0.5) == exact / 2
    penalty, gradients = ag.value_and_grad(m.l2_init)(params, initial, 0.5)
    assert penalty == exact / 2
    assert equal(gradients, {name: params[name] - initial[name] for name in params})
    assert m.l2_init(initial, initial, 0.5) == 0


def test_a_late_layer_norm_starts_at_the_identity_with_empty_slots():
    generator = np.random.default_rng(6)
    params = network(generator, (3, 4, 5, 1), "heads.0.")
    state = adam_state(params) | {"other": {"heads.0.final.weight": np.ones((1, 5))}}
    layers = ["heads.0.dense0", "heads.0.dense1"]
    new, slots = m.insert_layer_norm(frozen(params), state, layers)
    added = nn.init_layer_norm("heads.0.dense0.norm", 4) | nn.init_layer_norm(
        "heads.0.dense1.norm", 5
    )
    assert equal(new, params | added)
    for slot in ("mean", "variance"):
        assert equal(slots[slot], state[slot] | {k: np.zeros_like(v) for k, v in added.items()})
    assert equal(slots["count"], state["count"] | {name: np.array(0.0) for name in added})
    assert equal(slots["other"], state["other"])
    # A layer that was wholly saturated lives again: LN makes some pre-activations positive.
    new["heads.0.dense0.bias"] = np.full(4, -(2.0**10))
    x, before, after = dyadic(generator, 3, 3), {}, {}
    nn.mlp({k: v for k, v in new.items() if k not in added}, x, "heads.0.", taps=before)
    nn.mlp(new, x, "heads.0.", taps=after)
    assert (before["heads.0.dense0"][0] < 0).all()
    assert (after["heads.0.dense0"][0] > 0).any()


def test_scaling_the_incoming_weights_makes_the_largest_neuron_dominant():
    generator = np.random.default_rng(8)
    params = frozen(nn.init_mlp(generator, (3, 16, 1)))
    x, taps, after = generator.standard_normal((32, 3)), {}, {}
    nn.mlp(params, x, taps=taps)
    h = taps["dense0"][1]
    assert not scores.dominant(h).any()
    largest = int(scores.activation_score(h).argmax())
    new = m.scale_incoming(params, "dense0", largest, 1e7)
    nn.mlp(new, x, taps=after)
    assert np.flatnonzero(scores.dominant(after["dense0"][1])).tolist() == [largest]
    rows = np.arange(16) == largest
    weight = params["dense0.weight"]
    assert np.array_equal(new["dense0.weight"], np.where(rows[:, None], 1e7 * weight, weight))
    assert all(new[name] is params[name] for name in params if name != "dense0.weight")
    kernels = critic(generator)
    scaled = m.scale_incoming(kernels, "conv1", 1, 4.0)["conv1.weight"]
    assert np.array_equal(scaled[1], 4 * kernels["conv1.weight"][1])
    assert np.array_equal(scaled[0], kernels["conv1.weight"][0])


# --- bad input -----------------------------------------------------------------------------

P = critic(np.random.default_rng(0))
MASK = {"dense1": np.array([True, False, False])}
H = {"dense1": np.eye(3)}
DRAW = Rebirth(np.zeros(3), np.zeros(3), np.ones(3), {"final.weight": np.ones((1, 3))})
MEMORY = m.continual_backprop_start(P, ["dense1"])


def born(draws, **how):
    return m.reborn(P, {}, H, P, READERS, draws, **how)


def continual(memory=MEMORY, h=H, **how):
    return m.continual_backprop(P, {}, memory, h, P, READERS, **how)


def without(name):
    return {k: v for k, v in P.items() if k != name}


BAD = {
    "layer": [
        lambda: m.chain(P, ["dense1", "missing"]),
        lambda: m.recycle(P, {}, {"missing": MASK["dense1"]}, P, READERS),
        lambda: m.recycle(P, {}, MASK, P, {"dense1": (Reader("missing"),)}),
        lambda: m.continual_backprop_start(P, ["missing"]),
        lambda: m.insert_layer_norm(P, {}, ["dense7"]),
        lambda: m.scale_incoming(P, "missing", 0, 2.0),
    ],
    "layers": [
        lambda: m.reset(P, {}, P, ["dens"]),
        lambda: m.insert_layer_norm(P, {}, ["conv0"]),
        lambda: m.insert_layer_norm(P, {}, ["dense0", "dense0"]),
    ],
    "readers": [lambda: m.recycle(P, {}, MASK, P, {})],
    "readers['dense1']": [
        lambda: m.recycle(P, {}, MASK, P, {"dense1": (Reader("final", 2),)}),
        lambda: m.recycle(P, {}, MASK, P, {"dense1": (Reader("final", 0),)}),
    ],
    "chosen['dense1']": [
        lambda: m.recycle(P, {}, {"dense1": np.ones(4, bool)}, P, READERS),
        lambda: m.recycle(P, {}, {"dense1": np.ones(3)}, P, READERS),
        lambda: m.neuron_masks(P, {"dense1": np.ones(3, int)}, READERS),
    ],
    "fresh['dense1.bias']": [
        lambda: m.recycle(P, {}, MASK, without("dense1.bias"), READERS),
        lambda: m.recycle(P, {}, MASK, P | {"dense1.bias": np.ones(4)}, READERS),
        lambda: m.reset(P, {}, without("dense1.bias"), ["dense1"]),
        lambda: m.shrink_and_perturb(P, without("dense1.bias"), 0.5, 0.5),
        lambda: m.redo(P, {}, H, 2.0, P | {"dense1.bias": np.array([0, np.nan, 0])}, READERS),
        lambda: m.reset(P, {}, P | {"dense1.bias": np.full(3, np.inf)}, ["dense1"]),
    ],
    "state['mean']['dense1.bias']": [
        lambda: m.recycle(P, {"mean": {"dense1.bias": np.ones(4)}}, MASK, P, READERS),
    ],
    "h": [
        lambda: m.redo(P, {}, {"dense1": np.ones((0, 3))}, 0.0, P, READERS),
        lambda: m.redo(P, {}, {"dense1": np.full((1, 3), np.nan)}, 0.0, P, READERS),
        lambda: continual(h={"dense1": np.full((1, 3), np.nan)}),
    ],
    "gradient": [lambda: m.regrama(P, {}, {"dense1": np.ones((3, 0))}, 0.0, P, READERS)],
    "final.weight": [
        lambda: m.magnitude_masks({"final.weight": np.array([1, np.nan])}, {"final.weight": 0.5}),
    ],
    "fresh['final.weight']": [
        lambda: m.recycle(P, {}, MASK, without("final.weight"), READERS, outgoing="fresh"),
    ],
    "initial['dense1.bias']": [lambda: m.l2_init(P, without("dense1.bias"), 1.0)],
    "masks": [lambda: m.apply_masks(P, {"missing": np.ones(3, bool)})],
    "masks['dense1.bias']": [
        lambda: m.apply_masks(P, {"dense1.bias": np.ones(4, bool)}),
        lambda: m.magnitude_masks(P, {}, {"dense1.bias": np.ones(4, bool)}),
    ],
    "incoming": [lambda: m.recycle(P, {}, MASK, P, READERS, incoming="zero")],
    "outgoing": [lambda: m.recycle(P, {}, MASK, P, READERS, outgoing="live_norm")],
    "bias_moments": [lambda: m.redo(P, {}, H, 0.0, P, READERS, bias_moments="live_norm")],
    "step_count": [lambda: m.redo(P, {}, H, 0.0, P, READERS, step_count="reset")],
    "cosine": [lambda: m.cosine_fraction(0, 10, cosine="whole")],
    "noise['dense1']": [lambda: m.xavier_uniform(P, {"dense1": np.ones((4, 4))})],
    "score": [
        lambda: m.lowest(np.zeros((2, 2)), 1),
        lambda: m.highest(np.array([1.0, math.nan]), 1),
    ],
    "count": [
        lambda: m.lowest(np.zeros(2), 3),
        lambda: m.lowest(np.zeros(2), -1),
        lambda: m.random_choice(np.zeros(2), 0.5),
    ],
    "step": [
        lambda: m.cosine_fraction(11, 10),
        lambda: m.cosine_fraction(-1, 10),
        lambda: m.cubic_sparsity(math.nan, 0, 1, 0.5),
    ],
    "total": [lambda: m.cosine_fraction(0, 0), lambda: m.cosine_fraction(0, math.inf)],
    "start": [lambda: m.cosine_fraction(0, 10, 1.5), lambda: m.cosine_fraction(0, 10, -0.5)],
    "end": [lambda: m.cubic_sparsity(0, 5, 5, 0.5)],
    "final": [
        lambda: m.cubic_sparsity(0, 0, 1, 1.5),
        lambda: m.uniform_sparsity(P, -0.5),
        lambda: m.uniform_sparsity(P, 1.5),
        lambda: m.erk_sparsity(P, 1.5),
    ],
    "sparsity": [lambda: m.magnitude_masks(P, {"missing": 0.5})],
    "sparsity['final.weight']": [
        lambda: m.magnitude_masks(P, {"final.weight": 1.5}),
        lambda: m.magnitude_masks(P, {"final.weight": -0.5}),
    ],
    "tau": [
        lambda: m.redo(P, {}, H, -1.0, P, READERS),
        lambda: m.regrama(P, {}, H, math.nan, P, READERS, "activation"),
        lambda: born({"dense1": DRAW}, tau=-1.0),
        lambda: born({"dense1": DRAW}, tau=4.0),
    ],
    "most": [lambda: born({"dense1": DRAW}, most=0)],
    "draws": [lambda: born({})],
    "draws['dense1'].order": [lambda: born({"dense1": DRAW._replace(order=np.zeros(4))})],
    "draws['dense1'].choice": [lambda: born({"dense1": DRAW._replace(choice=np.zeros(1))})],
    "draws['dense1'].factor": [lambda: born({"dense1": DRAW._replace(factor=np.ones((3, 1)))})],
    "draws['dense1']": [
        lambda: born({"dense1": DRAW._replace(choice=np.array([0.0, 0.0, 1.0]))}),
        lambda: born({"dense1": DRAW._replace(choice=np.array([0.0, 0.0, -0.5]))}),
        lambda: born({"dense1": DRAW._replace(factor=np.array([0.0, 1.0, 1.0]))}),
        lambda: born({"dense1": DRAW._replace(parts={"final.weight": np.eye(1, 3)})}),
    ],
    "draws['dense1'].parts['final.weight']": [
        lambda: born({"dense1": DRAW._replace(parts={})}),
        lambda: born({"dense1": DRAW._replace(parts={"final.weight": np.ones((3, 1))})}),
    ],
    "decay": [lambda: continual(decay=1.0), lambda: continual(decay=-0.5)],
    "maturity": [lambda: continual(maturity=-1)],
    "rate": [lambda: continual(rate=1.5), lambda: continual(rate=-0.5)],
    "memory": [lambda: continual(memory={})],
    "activations['dense1']": [lambda: continual(h={"dense1": np.eye(4)})],
    "shrink": [lambda: m.shrink_and_perturb(P, P, 1.5, 0)],
    "perturb": [lambda: m.shrink_and_perturb(P, P, 1, -0.5)],
    "strength": [lambda: m.l2_init(P, P, -1.0)],
    "neuron": [
        lambda: m.scale_incoming(P, "dense1", 3, 2.0),
        lambda: m.scale_incoming(P, "dense1", -1, 2.0),
    ],
    "factor": [lambda: m.scale_incoming(P, "dense1", 0, math.nan)],
}


@pytest.mark.parametrize(
    ("argument", "call"), [(name, call) for name, calls in BAD.items() for call in calls]
)
def test_bad_input_is_refused_by_name(argument, call):
    with pytest.raises(InputError) as error:
        call()
    assert error.value.argument == argument
    assert error.value.value is not None and error.value.accepted


def test_recycling_is_exact_on_fractions():
    third = Fraction(1, 3)
    params = {
        "dense0.weight": np.array([[third], [-third]], dtype=object),
        "dense0.bias": np.array([third, -third], dtype=object),
        "final.weight": np.array([[third, 3 * third]], dtype=object),
        "final.bias": np.array([third], dtype=object),
    }
    fresh = {name: value + third for name, value in params.items()}
    h = np.array([[third, Fraction(0)]], dtype=object)
    readers = m.chain(params, ["dense0", "final"])
    new, _ = m.redo(params, {}, {"dense0": h}, 0.0, fresh, readers)
    assert new["dense0.weight"].tolist() == [[third], [Fraction(0)]]
    assert new["final.weight"].tolist() == [[third, 0]]
    assert all(isinstance(x, Fraction) for x in new["dense0.weight"].ravel())
