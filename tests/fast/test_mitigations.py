"""What fast's mitigations do beyond ref: live optimizer state, no waiting, structure, bad input."""

import copy
import math

import pytest
import torch
from torch import nn

from fast import mitigations as m
from fast.errors import InputError
from fast.mitigations import Reader, Rebirth
from fast.nets.layers import MLP, layer_norm


def head(normalisation="none"):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MLP(3, (4, 4), 1, norm=layer_norm(1e-6) if normalisation == "layer_norm" else None)


LAYERS = ["dense0", "dense1", "final"]


# --- optimizer_state -----------------------------------------------------------------------


def test_an_optimizer_that_has_not_stepped_has_no_state():
    module = head()
    for optimizer in (torch.optim.AdamW(module.parameters()), torch.optim.SGD(module.parameters())):
        assert m.optimizer_state(optimizer, module.named_parameters()) == {}


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (torch.optim.Adam, {"count": "step", "mean": "exp_avg", "variance": "exp_avg_sq"}),
        (torch.optim.AdamW, {"count": "step", "mean": "exp_avg", "variance": "exp_avg_sq"}),
        (
            lambda p: torch.optim.AdamW(p, fused=True, amsgrad=True),
            {"count": "step", "mean": "exp_avg", "variance": "exp_avg_sq"}
            | {"max_variance": "max_exp_avg_sq"},
        ),
        (
            lambda p: torch.optim.Adam(p, foreach=True),
            {"count": "step", "mean": "exp_avg", "variance": "exp_avg_sq"},
        ),
        (lambda p: torch.optim.SGD(p, momentum=0.5), {"momentum": "momentum_buffer"}),
        (torch.optim.SGD, {}),
    ],
)
def test_the_state_is_the_optimizers_own_tensors_of_what_has_stepped(make, names):
    module = head()
    optimizer = make(module.parameters())
    module.final(module.dense1(torch.ones(2, 4))).sum().backward()  # dense0 gets no gradient
    optimizer.step()
    stepped = {k: v for k, v in module.named_parameters() if not k.startswith("dense0")}
    for loaded in (False, True):
        if loaded:
            optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        state = m.optimizer_state(optimizer, module.named_parameters())
        assert state.keys() == names.keys()
        for slot, name in names.items():
            assert state[slot].keys() == stepped.keys()
            for key, parameter in stepped.items():
                assert state[slot][key] is optimizer.state[parameter][name]


def test_a_parameter_of_another_optimizer_is_refused():
    optimizer = torch.optim.Adam(head().parameters())
    with pytest.raises(InputError, match="named_parameters"):
        m.optimizer_state(optimizer, head().named_parameters())


# --- how useful a neuron is ----------------------------------------------------------------


def test_usefulness_is_what_varies_times_what_is_read_over_what_is_received():
    """Against loops: a convolution that a convolution and a dense layer read, the latter an action
    too. A neuron that never changes is of no use, also where nothing comes in."""
    g = torch.Generator().manual_seed(0)
    n, span = 3, 4
    params = {"conv0.weight": torch.randn(n, 2, 3, 3, generator=g),
              "conv1.weight": torch.randn(5, n, 2, 2, generator=g),
              "dense0.weight": torch.randn(6, n * span + 2, generator=g)}  # fmt: skip
    h = torch.randn(7, n, 2, 2, generator=g).relu()
    params["conv0.weight"][1], h[:, 1] = 0, 0.5
    readers = {"conv0": (Reader("conv1"), Reader("dense0", span))}
    expected = []
    for i in range(n):
        values = [h[b, i, y, x].item() for b in range(7) for y in range(2) for x in range(2)]
        mean = sum(values) / len(values)
        worth = sum(abs(value - mean) for value in values) / len(values)
        reach = params["conv1.weight"][:, i].abs().sum()
        reach += params["dense0.weight"][:, i * span : (i + 1) * span].abs().sum()
        received = params["conv0.weight"][i].abs().sum()
        expected.append(0.0 if i == 1 else worth * reach / received)
    torch.testing.assert_close(m.usefulness(params, "conv0", h, readers), torch.tensor(expected))


# --- nothing waits for the device ----------------------------------------------------------


def on_meta():
    """Parameters, Adam's slots and draws without values: to ask for one is an error."""
    params = {k: nn.Parameter(p.to("meta")) for k, p in head().named_parameters()}
    state = {
        slot: {k: torch.empty_like(p) for k, p in params.items()} for slot in ("mean", "variance")
    }
    state["count"] = {k: torch.empty((), device="meta") for k in params}
    return params, state, {k: torch.empty_like(p) for k, p in params.items()}


def test_no_mitigation_asks_for_a_value_but_reborn():
    params, state, fresh = on_meta()
    readers, layers = m.chain(params, LAYERS), LAYERS[:2]
    h = {layer: torch.empty(5, 4, device="meta") for layer in layers}
    chosen = {layer: torch.empty(4, dtype=torch.bool, device="meta") for layer in layers}
    memory = m.continual_backprop_start(params, layers)
    live = {"incoming": "live_norm", "outgoing": "fresh"}
    for how in ({}, live, {"bias_moments": "keep", "step_count": "zero"}):
        m.redo(params, state, h, 0.1, fresh, readers, **how)
        m.regrama(params, state, h, 0.1, fresh, readers, "activation", **how)
        m.recycle(params, state, chosen, fresh, readers, **how)
    m.xavier_uniform(params, {layer: fresh[f"{layer}.weight"] for layer in layers})
    m.continual_backprop(params, state, memory, h, fresh, readers)
    m.usefulness(params, "dense0", h["dense0"], readers)
    m.apply_masks(params, m.neuron_masks(params, chosen, readers))
    masks = m.magnitude_masks(params, m.erk_sparsity(params, 0.5))
    m.apply_masks(params, m.magnitude_masks(params, m.uniform_sparsity(params, 0.9), masks))
    m.reset(params, state, fresh, ["dense0"])
    m.shrink_and_perturb(params, fresh, 0.5, 0.5)
    m.l2_init(params, fresh, 0.5).backward()
    m.scale_incoming(params, "dense0", torch.zeros((), dtype=torch.long, device="meta"), 1e7)
    m.lowest(h["dense0"][0], 2)
    m.highest(h["dense0"][0], 2)
    draws = {
        layer: Rebirth(
            *(torch.empty(4, device="meta"),) * 3, {f"{reader}.weight": fresh[f"{reader}.weight"]}
        )
        for layer, reader in zip(layers, LAYERS[1:], strict=True)
    }
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        m.reborn(params, state, h, fresh, readers, draws)


def test_float32_stays_float32():
    module = head()
    params = dict(module.named_parameters())
    fresh = {k: torch.ones_like(v) for k, v in params.items()}
    readers, h = m.chain(params, LAYERS), {"dense0": torch.tensor([[0.0, 0.0, 1.0, 9.0]])}
    memory = m.continual_backprop_start(params, ["dense0"])
    m.continual_backprop(params, {}, memory, h, fresh, readers, maturity=0, rate=0.5)
    assert memory["dense0"]["age"].tolist() == [0, 0, 1, 1]
    parts = {"dense1.weight": torch.ones(4, 4)}
    draws = {"dense0": Rebirth(torch.zeros(4), torch.zeros(4), torch.full((4,), 0.5), parts)}
    m.reborn(params, {}, h, fresh, readers, draws)
    assert torch.equal(params["dense0.weight"][0], params["dense0.weight"][3] / 2)
    m.scale_incoming(params, "dense0", 0, 1e7)
    m.shrink_and_perturb(params, fresh, 0.5, 0.5)
    tensors = [*params.values(), *memory["dense0"].values()]
    assert {value.dtype for value in tensors} == {torch.float32}


def test_recycling_leaves_slots_of_another_shape_alone():
    # Adafactor keeps a number for each row; this one's shape broadcasts to the weight's.
    params = {name: value.detach().clone() for name, value in head().named_parameters()}
    rows = {"dense1.weight": torch.ones(4, 1)}
    m.recycle(params, {"row_var": rows}, MASK, P, READERS)
    assert torch.equal(rows["dense1.weight"], torch.ones(4, 1))


# --- late LayerNorm ------------------------------------------------------------------------


def test_inserting_layer_norm_makes_the_network_that_has_it_from_the_start():
    module, whole = head(), head("layer_norm")
    kernels = [p for p in module.parameters() if p.ndim > 1]
    vectors = [p for p in module.parameters() if p.ndim == 1]
    groups = [{"params": kernels, "weight_decay": 0.5}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups)
    m.insert_layer_norm(module, optimizer, ["dense0", "dense1"], eps=1e-6)
    x = torch.linspace(-1, 1, 6).reshape(2, 3)
    assert module.state_dict().keys() == whole.state_dict().keys()
    assert torch.equal(module(x), whole(x))
    assert module.dense0.norm.eps == 1e-6
    added = [*module.dense0.norm.parameters(), *module.dense1.norm.parameters()]
    assert all(any(p is q for q in optimizer.param_groups[1]["params"]) for p in added)
    module(x).sum().backward()
    optimizer.step()  # the new parameters take their first step with the others
    state = m.optimizer_state(optimizer, module.named_parameters())
    assert state["count"].keys() == dict(module.named_parameters()).keys()


def test_nothing_is_inserted_where_one_of_the_layers_cannot_have_it():
    module, other = head(), torch.optim.Adam(head().parameters())
    optimizer = torch.optim.Adam(module.parameters())
    for layers, wrong in (
        (["dense0", "final"], optimizer),
        (["dense0", "dense7"], optimizer),
        (["dense0"], other),
    ):
        with pytest.raises(InputError):
            m.insert_layer_norm(module, wrong, layers)
    assert isinstance(module.dense0.norm, nn.Identity)
    m.insert_layer_norm(module, optimizer, ["dense0"])
    with pytest.raises(InputError, match=r"nn\.Identity"):
        m.insert_layer_norm(module, optimizer, ["dense0"])


# --- bad input -----------------------------------------------------------------------------

P = {name: value.detach() for name, value in head().named_parameters()}
READERS = m.chain(P, LAYERS)
MASK = {"dense1": torch.tensor([True, False, False, False])}
H = {"dense1": torch.eye(4)}
DRAW = Rebirth(torch.zeros(4), torch.zeros(4), torch.ones(4), {"final.weight": torch.ones(1, 4)})
MEMORY = m.continual_backprop_start(P, ["dense1"])


def without(name):
    return {k: v for k, v in P.items() if k != name}


BAD = {
    "layer": [
        lambda: m.recycle(P, {}, {"missing": MASK["dense1"]}, P, READERS),
        lambda: m.continual_backprop_start(P, ["missing"]),
        lambda: m.scale_incoming(P, "missing", 0, 2.0),
    ],
    "layers": [
        lambda: m.reset(P, {}, P, ["dens"]),
        lambda: m.chain(P, ["dense0", "final", "dense0"]),
    ],
    "readers": [lambda: m.recycle(P, {}, MASK, P, {})],
    "readers['dense1']": [lambda: m.recycle(P, {}, MASK, P, {"dense1": (Reader("final", 2),)})],
    "chosen['dense1']": [
        lambda: m.recycle(P, {}, {"dense1": torch.ones(5, dtype=torch.bool)}, P, READERS),
        lambda: m.neuron_masks(P, {"dense1": torch.ones(4)}, READERS),
    ],
    "fresh['dense1.bias']": [
        lambda: m.recycle(P, {}, MASK, without("dense1.bias"), READERS),
        lambda: m.reset(P, {}, P | {"dense1.bias": torch.ones(5)}, ["dense1"]),
        lambda: m.shrink_and_perturb(P, without("dense1.bias"), 0.5, 0.5),
    ],
    "initial['dense1.bias']": [lambda: m.l2_init(P, without("dense1.bias"), 1.0)],
    "masks": [lambda: m.apply_masks(P, {"missing": torch.ones(4, dtype=torch.bool)})],
    "masks['dense1.bias']": [lambda: m.magnitude_masks(P, {}, {"dense1.bias": torch.ones(5)})],
    "incoming": [lambda: m.recycle(P, {}, MASK, P, READERS, incoming="zero")],
    "outgoing": [lambda: m.recycle(P, {}, MASK, P, READERS, outgoing="live_norm")],
    "bias_moments": [lambda: m.recycle(P, {}, MASK, P, READERS, bias_moments="live_norm")],
    "step_count": [lambda: m.recycle(P, {}, MASK, P, READERS, step_count="reset")],
    "cosine": [lambda: m.cosine_fraction(0, 10, cosine="whole")],
    "noise['dense1']": [lambda: m.xavier_uniform(P, {"dense1": torch.ones(9, 9)})],
    "score": [lambda: m.lowest(torch.zeros(2, 2), 1)],
    "count": [lambda: m.lowest(torch.zeros(2), 3), lambda: m.random_choice(torch.zeros(2), -1)],
    "step": [lambda: m.cosine_fraction(11, 10), lambda: m.cubic_sparsity(math.nan, 0, 1, 0.5)],
    "total": [lambda: m.cosine_fraction(0, 0)],
    "start": [lambda: m.cosine_fraction(0, 10, 1.5)],
    "end": [lambda: m.cubic_sparsity(0, 5, 5, 0.5)],
    "final": [lambda: m.uniform_sparsity(P, -0.5), lambda: m.erk_sparsity(P, 1.5)],
    "sparsity": [lambda: m.magnitude_masks(P, {"missing": 0.5})],
    "sparsity['final.weight']": [lambda: m.magnitude_masks(P, {"final.weight": 1.5})],
    "tau": [lambda: m.reborn(P, {}, H, P, READERS, {"dense1": DRAW}, tau=4.0)],
    "most": [lambda: m.reborn(P, {}, H, P, READERS, {"dense1": DRAW}, most=0)],
    "draws": [lambda: m.reborn(P, {}, H, P, READERS, {})],
    "draws['dense1'].choice": [
        lambda: m.reborn(P, {}, H, P, READERS, {"dense1": DRAW._replace(choice=torch.ones(5))})
    ],
    "draws['dense1'].parts['final.weight']": [
        lambda: m.reborn(P, {}, H, P, READERS, {"dense1": DRAW._replace(parts={})})
    ],
    "decay": [lambda: m.continual_backprop(P, {}, MEMORY, H, P, READERS, decay=1.0)],
    "maturity": [lambda: m.continual_backprop(P, {}, MEMORY, H, P, READERS, maturity=-1)],
    "rate": [lambda: m.continual_backprop(P, {}, MEMORY, H, P, READERS, rate=1.5)],
    "memory": [lambda: m.continual_backprop(P, {}, {}, H, P, READERS)],
    "activations['dense1']": [
        lambda: m.continual_backprop(P, {}, MEMORY, {"dense1": torch.eye(5)}, P, READERS)
    ],
    "shrink": [lambda: m.shrink_and_perturb(P, P, 1.5, 0)],
    "perturb": [lambda: m.shrink_and_perturb(P, P, 1, -0.5)],
    "strength": [lambda: m.l2_init(P, P, -1.0)],
    "neuron": [lambda: m.scale_incoming(P, "dense1", 4, 2.0)],
    "factor": [lambda: m.scale_incoming(P, "dense1", 0, math.nan)],
}


@pytest.mark.parametrize(
    ("field", "call"), [(name, call) for name, calls in BAD.items() for call in calls]
)
def test_bad_input_is_refused_by_name_and_changes_nothing(field, call):
    before = {name: value.clone() for name, value in P.items()}
    with pytest.raises(InputError) as error:
        call()
    assert error.value.field == field
    assert all(torch.equal(P[name], value) for name, value in before.items())
