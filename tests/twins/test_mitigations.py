"""ref and fast mitigate alike, on the same masks and draws: a real module, a real AdamW.

Where only copies, products and sums of two are involved the results are bit-equal; elsewhere the
bound on the difference is stated. In fast every parameter and every slot stays where it was.
"""

import inspect
import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fast import mitigations as fast
from fast.nets.layers import Dense
from ref import mitigations as ref

SEEDS = st.integers(0, 2**32 - 1)
LAYERS = ["conv0", "conv1", "dense0", "dense1"]
SPANS = {"conv0": ("conv1", 1), "conv1": ("dense0", 4), "dense0": ("dense1", 1)}
SPANS |= {"dense1": ("final", 1)}
ADAM = {"count", "mean", "variance"}


class Critic(nn.Module):
    """Two convolutions of 4x4 pictures down to 2x2 maps; the head reads two actions as well."""

    def __init__(self):
        super().__init__()
        self.conv0, self.conv1 = nn.Conv2d(2, 3, 2), nn.Conv2d(3, 4, 2)
        self.dense0, self.dense1 = Dense(4 * 4 + 2, 8), Dense(8, 8)
        self.final = nn.Linear(8, 1)

    def forward(self, pictures, actions, hidden):
        for name in ("conv0", "conv1"):
            pictures = hidden[name] = torch.relu(self.get_submodule(name)(pictures))
        x = torch.cat([pictures.flatten(1), actions], 1)
        for i in (0, 1):
            x = hidden[f"dense{i}"] = self.get_submodule(f"dense{i}")(x)
        return self.final(x)


class Twins:
    """A module that AdamW has moved twice, and copies of all of it for ref."""

    def __init__(self, seed):
        self.torch = torch.Generator().manual_seed(seed % 2**63)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.module = Critic().double()
        self.params = dict(self.module.named_parameters())
        self.optimizer = torch.optim.AdamW(self.params.values(), 0.01)
        for _ in range(2):
            self.step()
        self.state = fast.optimizer_state(self.optimizer, self.params)
        assert self.state.keys() == ADAM
        self.readers = {k: (fast.Reader(*v),) for k, v in SPANS.items()}
        self.ref_readers = {k: (ref.Reader(*v),) for k, v in SPANS.items()}
        self.ref_params = arrays(self.params)
        self.ref_state = {slot: arrays(values) for slot, values in self.state.items()}
        self.pointers = self.where()

    def step(self):
        self.hidden = {}
        pictures, actions = self.normal(6, 2, 4, 4), self.normal(6, 2)
        loss = self.module(pictures, actions, self.hidden).square().sum()
        self.gradients = dict(zip(LAYERS, self.gradient(loss), strict=True))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def gradient(self, loss):
        return torch.autograd.grad(loss, [self.hidden[k] for k in LAYERS], retain_graph=True)

    def normal(self, *shape):
        return torch.randn(shape, generator=self.torch, dtype=torch.float64)

    def fresh(self):
        return {name: self.normal(*value.shape) for name, value in self.params.items()}

    def masks(self):
        return {k: self.normal(len(self.params[f"{k}.weight"])) < 0 for k in LAYERS}

    def where(self):
        found = {name: value.data_ptr() for name, value in self.params.items()}
        for slot, values in self.state.items():
            found |= {(slot, name): value.data_ptr() for name, value in values.items()}
        return found

    def assert_equal(self, params, state):
        assert_equal(self.params, params)
        assert self.state.keys() == state.keys()
        for slot, values in state.items():
            assert_equal(self.state[slot], values)
        self.assert_in_place()

    def assert_in_place(self):
        assert self.where() == self.pointers
        live = fast.optimizer_state(self.optimizer, self.params)
        assert all(
            live[slot][k] is v for slot, values in self.state.items() for k, v in values.items()
        )
        assert all(value.requires_grad for value in self.params.values())


def arrays(tensors):
    return {name: value.detach().numpy().copy() for name, value in tensors.items()}


def assert_equal(tensors, values):
    assert tensors.keys() == values.keys()
    for name, tensor in tensors.items():
        assert tuple(tensor.shape) == values[name].shape
        assert np.array_equal(tensor.detach().numpy(), values[name]), name


def public(module):
    return {
        name: value
        for name, value in vars(module).items()
        if callable(value) and value.__module__ == module.__name__ and name[0] != "_"
    }


# What fast has alone: torch hides an optimizer's state.
ONLY_FAST = {"optimizer_state"}
# What takes other arguments: torch's LayerNorm is a module, holds its epsilon, and its optimizer
# has to be told of new parameters; ref's are entries of a dict.
DIFFERENT = {"insert_layer_norm": ["module", "optimizer", "layers", "eps"]}


def test_the_twins_have_the_same_names_arguments_and_defaults():
    ours, theirs = public(ref), public(fast)
    assert theirs.keys() - ours.keys() == ONLY_FAST
    assert ours.keys() <= theirs.keys()
    for name in ours:
        one, other = (inspect.signature(x[name]).parameters.values() for x in (ours, theirs))
        if name in DIFFERENT:
            assert [p.name for p in other] == DIFFERENT[name]
        else:
            known = [(p.name, p.default, p.kind) for p in one]
            assert known == [(p.name, p.default, p.kind) for p in other], name


CHOICES = st.fixed_dictionaries(
    {
        "outgoing": st.sampled_from(["zero", "fresh"]),
        "bias_moments": st.sampled_from(["zero", "keep"]),
        "step_count": st.sampled_from(["keep", "zero"]),
    }
)


@given(SEEDS, CHOICES)
def test_recycling_is_the_same_and_in_place(seed, how):
    twins = Twins(seed)
    chosen, fresh = twins.masks(), twins.fresh()
    del chosen[LAYERS[seed % len(LAYERS)]]
    fast.recycle(twins.params, twins.state, chosen, fresh, twins.readers, **how)
    args = twins.ref_params, twins.ref_state, arrays(chosen), arrays(fresh), twins.ref_readers
    twins.assert_equal(*ref.recycle(*args, **how))


@given(SEEDS)
def test_xavier_weights_are_the_same_and_as_wide_as_torchs(seed):
    twins = Twins(seed)
    noise = {k: 2 * torch.rand(twins.params[f"{k}.weight"].shape) - 1 for k in LAYERS}
    noise = {k: v.double() for k, v in noise.items()}
    fresh = fast.xavier_uniform(twins.params, noise)
    assert_equal(fresh, ref.xavier_uniform(twins.ref_params, arrays(noise)))
    for layer in LAYERS:
        fans = nn.init._calculate_fan_in_and_fan_out(twins.params[f"{layer}.weight"])
        bound = math.sqrt(6 / sum(fans))
        assert torch.equal(fresh[f"{layer}.weight"], bound * noise[layer])


@given(SEEDS, st.sampled_from(["some", "all"]))
def test_recycling_to_the_live_norm_is_the_same(seed, how_many):
    twins = Twins(seed)
    chosen, fresh = twins.masks(), twins.fresh()
    if how_many == "all":
        chosen["dense0"][:] = True
    fresh["conv0.weight"][0] = 0
    fast.recycle(twins.params, twins.state, chosen, fresh, twins.readers, "live_norm")
    args = twins.ref_params, twins.ref_state, arrays(chosen), arrays(fresh), twins.ref_readers
    params, state = ref.recycle(*args, "live_norm")
    for name, value in params.items():
        # Sums of at most 18 squares and 8 norms in two orders, all positive: relative 40 * 2^-53.
        tensor = twins.params[name].detach().numpy()
        assert np.allclose(tensor, value, rtol=40 * 2.0**-53, atol=0)
    for slot, values in state.items():
        assert_equal(twins.state[slot], values)
    twins.assert_in_place()


HOW = [
    {"incoming": "live_norm"},
    {"outgoing": "fresh", "bias_moments": "keep"},
    {"incoming": "live_norm", "outgoing": "fresh", "step_count": "zero"},
]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("by", ["activation", "preactivation", "incoming"])
def test_redo_and_regrama_hand_on_every_choice(by, how):
    twins, same = Twins(1), Twins(1)
    fresh = twins.fresh()
    h = {k: v.detach() for k, v in twins.hidden.items()}
    gradients = {k: twins.params[f"{k}.weight"].detach().clone() for k in LAYERS}
    gradients = gradients if by == "incoming" else h
    for name, values, grama in (("redo", h, ()), ("regrama", gradients, (by,))):
        args = twins.params, twins.state, values, 0.9, fresh, twins.readers
        getattr(fast, name)(*args, *grama, **how)
        find = fast.scores.gradient_dormant if name == "regrama" else fast.scores.dormant
        chosen = {k: find(v, 0.9, *grama) for k, v in values.items()}
        assert any(mask.any() and not mask.all() for mask in chosen.values())
        fast.recycle(same.params, same.state, chosen, fresh, same.readers, **how)
        assert_equal(twins.params, arrays(same.params))
        for slot, found in twins.state.items():
            assert_equal(found, arrays(same.state[slot]))
        numbers = {k: v.numpy() for k, v in values.items()}
        args = arrays(fresh), twins.ref_readers
        before = twins.ref_params, twins.ref_state
        found = getattr(ref, name)(*before, numbers, 0.9, *args, *grama, **how)
        expected = ref.recycle(*before, arrays(chosen), *args, **how)
        for one, other in zip(
            (found[0], *found[1].values()), (expected[0], *expected[1].values()), strict=True
        ):
            assert one.keys() == other.keys()
            assert all(np.array_equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("tau", [0.0, 0.3, 1.1])
def test_redo_and_regrama_are_the_same(tau):
    for seed in range(5):
        twins = Twins(seed)
        hidden, fresh = arrays(twins.hidden), twins.fresh()
        hidden = {k: np.round(v * 64) / 64 for k, v in hidden.items()}  # dyadic: scores are exact
        tensors = {k: torch.from_numpy(v) for k, v in hidden.items()}
        fast.redo(twins.params, twins.state, tensors, tau, fresh, twins.readers)
        args = twins.ref_params, twins.ref_state, hidden, tau, arrays(fresh), twins.ref_readers
        params, state = ref.redo(*args)
        twins.assert_equal(params, state)

        weights = {k: twins.params[f"{k}.weight"].grad for k in LAYERS}
        for by, found in (({}, weights), ({"by": "activation"}, twins.gradients)):
            fresh = twins.fresh()
            gradients = {k: np.round(v * 64) / 64 for k, v in arrays(found).items()}
            tensors = {k: torch.from_numpy(v) for k, v in gradients.items()}
            fast.regrama(twins.params, twins.state, tensors, tau, fresh, twins.readers, **by)
            args = params, state, gradients, tau, arrays(fresh), twins.ref_readers
            params, state = ref.regrama(*args, **by)
            twins.assert_equal(params, state)


@given(SEEDS, st.integers(1, 3))
def test_reborn_is_the_same_and_in_place(seed, most):
    twins = Twins(seed)
    generator = np.random.default_rng(seed)
    draws, hidden = {}, {}
    for layer in LAYERS:
        count = len(twins.params[f"{layer}.weight"])
        # About half are dormant and few are large; with beta = 1.5 about one or two over-active.
        small = generator.integers(0, 2, count) * generator.integers(1, 4, count)
        hidden[layer] = small[None] * np.where(generator.random(count) < 0.3, 8.0, 1.0)
        name = f"{SPANS[layer][0]}.weight"
        draws[layer] = ref.Rebirth(
            order=generator.standard_normal(count),
            choice=generator.random(count),
            factor=generator.uniform(0.3, 0.8, count),
            # Small integers: their sums are exact in any order.
            parts={name: generator.integers(1, 9, twins.params[name].shape).astype(float)},
        )
    fresh = twins.fresh()
    tensors = {k: torch.from_numpy(v) for k, v in hidden.items()}
    fast_draws = {
        layer: fast.Rebirth(
            *map(torch.from_numpy, draw[:3]),
            {k: torch.from_numpy(v) for k, v in draw.parts.items()},
        )
        for layer, draw in draws.items()
    }
    how = {"tau": 0.1, "beta": 1.5, "most": most}
    fast.reborn(twins.params, twins.state, tensors, fresh, twins.readers, fast_draws, **how)
    args = twins.ref_params, twins.ref_state, hidden, arrays(fresh), twins.ref_readers, draws
    twins.assert_equal(*ref.reborn(*args, **how))


@given(SEEDS, st.sampled_from(LAYERS), st.booleans())
def test_a_neurons_use_is_the_same_and_none_where_it_never_changes(seed, layer, unread):
    twins = Twins(seed)
    h = twins.hidden[layer].detach()
    h[:, 0] = 0.5
    if unread:  # nothing comes in, so that 0 is divided by 0
        twins.params[f"{layer}.weight"].data[0] = 0
        twins.ref_params[f"{layer}.weight"][0] = 0
    ours = ref.usefulness(twins.ref_params, layer, h.numpy(), twins.ref_readers)
    theirs = fast.usefulness(twins.params, layer, h, twins.readers).numpy()
    assert ours[0] == theirs[0] == 0 and (ours >= 0).all()
    # Each rounds a mean, a mean of distances from it, and two sums, of at most 54 numbers each.
    weight = np.abs(twins.ref_params[f"{layer}.weight"]).reshape(len(ours), -1).sum(1)[1:]
    most = np.abs(h.numpy()).max() * ref._reach(twins.ref_params, layer, twins.ref_readers)[1:]
    assert (np.abs(ours - theirs)[1:] <= 2 * 4 * 54 * 2.0**-53 * 2 * most / weight).all()


@given(SEEDS, st.sampled_from([0.0, 0.05, 0.3, 1.0]), st.integers(0, 3))
def test_continual_backprop_is_the_same_over_many_steps_and_in_place(seed, rate, maturity):
    twins = Twins(seed)
    memory = fast.continual_backprop_start(twins.params, LAYERS)
    ref_memory = ref.continual_backprop_start(twins.ref_params, LAYERS)
    params, state = twins.ref_params, twins.ref_state
    pointers = {(k, f): v.data_ptr() for k in LAYERS for f, v in memory[k].items()}
    how = {"decay": 0.9, "maturity": maturity, "rate": rate}
    for _ in range(8):
        hidden = {k: twins.normal(*v.shape).abs() for k, v in twins.hidden.items()}
        fresh = twins.fresh()
        args = params, state, ref_memory, arrays(hidden), arrays(fresh), twins.ref_readers
        params, state, ref_memory = ref.continual_backprop(*args, **how)
        args = twins.params, twins.state, memory, hidden, fresh, twins.readers
        fast.continual_backprop(*args, **how)
        twins.assert_equal(params, state)
        for layer in LAYERS:
            values = arrays(memory[layer])
            for field in ("age", "pending"):
                assert np.array_equal(values[field], ref_memory[layer][field])
            # Sums of at most 32 positive numbers and means of 54, in two orders, 8 times over.
            close = np.allclose(values["utility"], ref_memory[layer]["utility"], 1000 * 2.0**-53, 0)
            assert close
    assert pointers == {(k, f): v.data_ptr() for k in LAYERS for f, v in memory[k].items()}


@given(SEEDS)
def test_pruned_neurons_and_applied_masks_are_the_same(seed):
    twins = Twins(seed)
    chosen = twins.masks()
    masks = fast.neuron_masks(twins.params, chosen, twins.readers)
    ref_masks = ref.neuron_masks(twins.ref_params, arrays(chosen), twins.ref_readers)
    assert_equal(masks, ref_masks)
    fast.apply_masks(twins.params, masks)
    twins.assert_equal(ref.apply_masks(twins.ref_params, ref_masks), twins.ref_state)


@given(SEEDS)
def test_masks_by_magnitude_are_the_same_at_ties_and_zeros(seed):
    twins = Twins(seed)
    with torch.no_grad():
        for value in twins.params.values():
            value.copy_((2 * value).round() / 2)
    params = arrays(twins.params)
    final = fast.erk_sparsity(twins.params, 0.8)
    assert final == ref.erk_sparsity(params, 0.8)
    assert fast.uniform_sparsity(twins.params, 0.8) == ref.uniform_sparsity(params, 0.8)
    masks = ref_masks = None
    for step in (1, 2, 3):
        share = {k: fast.cubic_sparsity(step, 0, 3, s) for k, s in final.items()}
        assert share == {k: ref.cubic_sparsity(step, 0, 3, s) for k, s in final.items()}
        masks = fast.magnitude_masks(twins.params, share, masks)
        ref_masks = ref.magnitude_masks(params, share, ref_masks)
        assert_equal(masks, ref_masks)
        fast.apply_masks(twins.params, masks)
        params = ref.apply_masks(params, ref_masks)
        twins.assert_equal(params, twins.ref_state)


@given(SEEDS, st.floats(0, 1))
def test_masks_stay_nested_in_both_where_pruned_weights_have_grown_again(seed, share):
    twins = Twins(seed)
    old = fast.magnitude_masks(twins.params, fast.uniform_sparsity(twins.params, share))
    grown = twins.fresh()
    sparsity = fast.uniform_sparsity(grown, (1 + share) / 2)
    masks = fast.magnitude_masks(grown, sparsity, old)
    assert_equal(masks, ref.magnitude_masks(arrays(grown), sparsity, arrays(old)))
    assert not any((mask & ~old[name]).any() for name, mask in masks.items())


@pytest.mark.parametrize("layers", [["dense1"], ["conv1", "dense0", "final.bias"]])
def test_resetting_layers_is_the_same_and_in_place(layers):
    twins = Twins(1)
    fresh = twins.fresh()
    fast.reset(twins.params, twins.state, fresh, layers)
    twins.assert_equal(*ref.reset(twins.ref_params, twins.ref_state, arrays(fresh), layers))


@given(SEEDS, st.floats(0, 1), st.floats(0, 2))
def test_shrink_and_perturb_is_the_same_and_in_place(seed, shrink, perturb):
    twins = Twins(seed)
    fresh = twins.fresh()
    fast.shrink_and_perturb(twins.params, fresh, shrink, perturb)
    params = ref.shrink_and_perturb(twins.ref_params, arrays(fresh), shrink, perturb)
    twins.assert_equal(params, twins.ref_state)


@given(SEEDS)
def test_l2_init_and_its_gradient_are_the_same(seed):
    twins = Twins(seed)
    initial = twins.fresh()
    penalty = fast.l2_init(twins.params, initial, 0.5)
    expected = ref.l2_init(twins.ref_params, arrays(initial), 0.5)
    # Sums of fewer than 512 squares in two orders, all positive.
    assert math.isclose(penalty.item(), expected, rel_tol=512 * 2.0**-53)
    gradients = torch.autograd.grad(penalty, list(twins.params.values()))
    for gradient, (name, value) in zip(gradients, twins.ref_params.items(), strict=True):
        assert np.array_equal(gradient.numpy(), value - initial[name].numpy())


@pytest.mark.parametrize("layer", LAYERS)
def test_scaling_incoming_weights_is_the_same_and_in_place(layer):
    for neuron in (0, 2):
        for index in (neuron, torch.tensor(neuron)):
            twins = Twins(2)
            fast.scale_incoming(twins.params, layer, index, 1e7)
            params = ref.scale_incoming(twins.ref_params, layer, neuron, 1e7)
            twins.assert_equal(params, twins.ref_state)


def test_a_late_layer_norm_is_the_same_and_its_first_step_starts_from_nothing():
    twins = Twins(3)
    layers = ["dense0", "dense1"]
    params, state = ref.insert_layer_norm(twins.ref_params, twins.ref_state, layers)
    fast.insert_layer_norm(twins.module, twins.optimizer, layers)
    twins.assert_in_place()
    old, twins.params = twins.params, dict(twins.module.named_parameters())
    assert_equal(twins.params, params)
    assert all(twins.params[name] is value for name, value in old.items())
    # One more step: where ref has zero slots, torch makes them, and both come to the same.
    twins.step()
    twins.state = fast.optimizer_state(twins.optimizer, twins.params)
    for name, parameter in twins.params.items():
        assert twins.state["count"][name] == state["count"][name] + 1
        mean = 0.9 * state["mean"][name] + (1 - 0.9) * parameter.grad.numpy()
        # Three roundings of numbers no larger than the two terms.
        bound = 3 * 2.0**-52 * (abs(state["mean"][name]) + abs(parameter.grad.numpy()))
        assert (abs(twins.state["mean"][name].numpy() - mean) <= bound).all()


@given(st.lists(st.integers(-3, 3), min_size=1), st.data())
def test_the_choice_of_neurons_is_the_same(score, data):
    count = data.draw(st.integers(0, len(score)))
    score = np.array(score, float)
    for name in ("lowest", "highest", "random_choice"):
        mask = getattr(fast, name)(torch.from_numpy(score), count)
        assert np.array_equal(mask.numpy(), getattr(ref, name)(score, count))


def test_the_schedules_and_the_readers_are_the_same():
    for step, total in product(range(8), (7, 9)):
        for how in ((), (0.5, "half"), (0.3, "quarter")):
            ours, theirs = (x.cosine_fraction(step, total, *how) for x in (ref, fast))
            assert ours == theirs
        assert fast.cubic_sparsity(step, 1, total, 0.9) == ref.cubic_sparsity(step, 1, total, 0.9)
    twins = Twins(0)
    for layers in (["conv0", "conv1"], ["dense0", "dense1", "final"]):
        assert fast.chain(twins.params, layers) == ref.chain(twins.ref_params, layers)
