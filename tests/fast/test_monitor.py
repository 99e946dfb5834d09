"""The monitor against the scores of known layers; that it leaves no trace; what it leaves out."""

import contextlib
import copy
import gc
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from fast import config as configs
from fast import scores
from fast.agents.drq import DrQ
from fast.errors import InputError
from fast.measures import Seen, measured
from fast.monitor import CHANGES, DEFINITIONS, Monitor
from fast.nets.layers import MLP, layer_norm, tapped

DOUBLE = torch.float64
HOOKS = [
    "_forward_hooks",
    "_forward_pre_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
]
TABLE = """\
layer  neurons  dormant  dormant  dominant  saturated  zombie  GraMa ≤ 0.01
                  ≤ 0.1      ≤ 0                                   incoming
0            2    50.0%    50.0%     50.0%      50.0%   50.0%         50.0%

layer   largest  largest  srank  effective  stable
       mean |h|    share              rank    rank
0             1   100.0%      1        1.0     1.0

layer   became  revived    still  overlap  retention  chance
       dormant           dormant
0         0.0%     0.0%    50.0%   100.0%     100.0%   50.0%

no row for 2 (reaches no linear layer that is seen)"""


def linear(weight, bias=None):
    """A linear layer with these numbers, in float64."""
    weight = torch.tensor(weight, dtype=DOUBLE)
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, dtype=DOUBLE)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(torch.tensor(bias))
    return layer


def column(*values):
    return torch.tensor(values, dtype=DOUBLE)[:, None]


def same(rows, others):
    """Equal, where NaN is equal to NaN."""
    return repr(rows) == repr(others)


class Functional(nn.Module):
    """Two hidden layers; `act` is called as a function."""

    def __init__(self, sizes, act):
        super().__init__()
        self.final = nn.Linear(sizes[2], sizes[3], dtype=DOUBLE)  # defined first, executed last
        self.dense0 = nn.Linear(sizes[0], sizes[1], dtype=DOUBLE)
        self.dense1 = nn.Linear(sizes[1], sizes[2], dtype=DOUBLE)
        self.act = act

    def forward(self, x):
        return self.final(self.act(self.dense1(self.act(self.dense0(x)))))


# The rows are the scores


def networks():
    config = configs.build("drq", "cartpole-swingup", "baseline", "tiny")
    agent = DrQ(config.agent, configs.seen(config), 2, torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    critic, actor = agent.critic.module.double(), agent.actor.module.double()
    features = critic.trunk.in_features
    x, action = torch.randn(16, features, dtype=DOUBLE), torch.randn(16, 2, dtype=DOUBLE)
    for norm in (None, layer_norm(1e-6)):
        yield MLP(features, (16, 16), 3, norm=norm).double(), (x,)
    yield actor, (x,)
    yield critic, (x, action)


@pytest.mark.parametrize("case", range(4), ids=["head", "head with LayerNorm", "actor", "critic"])
def test_the_rows_of_our_own_networks_are_the_scores_of_their_taps(case):
    network, inputs = list(networks())[case]
    with Monitor(network) as monitor, tapped(network) as taps:
        network(*inputs)
    rows = {row["layer"]: row for row in monitor.rows()}
    assert [*rows] == [*taps]
    for name, (z, h) in taps.items():
        weight = torch.zeros(z.shape[1], 1)
        expected = measured(Seen(z.detach(), h.detach(), weight, weight, weight, weight))
        for key in expected.keys() & rows[name].keys():
            if key != "largest_score":
                assert same(rows[name][key], expected[key].item()), key
        assert rows[name]["stable_rank"] == scores.stable_rank(h.detach()).item()
        assert (rows[name]["samples"], rows[name]["neurons"]) == h.shape


FORMS = [
    (torch.relu, F.relu, torch.Tensor.relu, lambda x: x.relu_(), nn.ReLU(), nn.ReLU(inplace=True)),
    (torch.tanh, F.tanh, torch.Tensor.tanh, torch.Tensor.tanh_, nn.Tanh()),
    (torch.sigmoid, F.sigmoid, torch.Tensor.sigmoid, nn.Sigmoid()),
    (F.gelu, nn.GELU()),
    (F.silu, lambda x: F.silu(input=x), nn.SiLU()),
    (F.leaky_relu, F.leaky_relu_, nn.LeakyReLU()),
    (F.softplus, nn.Softplus()),
    (F.elu, nn.ELU()),
    (F.mish, nn.Mish()),
]


@pytest.mark.parametrize("forms", FORMS, ids=lambda forms: type(forms[-1]).__name__)
def test_modules_functions_methods_and_in_place_activations_give_the_same_rows(forms):
    x = torch.randn(7, 3, dtype=DOUBLE)
    seen = []
    for act in forms:
        torch.manual_seed(1)
        network = Functional([3, 8, 5, 1], act)
        with Monitor(network) as monitor:
            network(x).sum().backward()
        seen.append(monitor.rows())
        assert [row["layer"] for row in seen[-1]] == ["dense0", "dense1"]
        assert not math.isnan(seen[-1][0]["grama_inactive"])
        assert same(seen[-1], seen[0])


@pytest.mark.parametrize(
    "activation",
    [
        nn.PReLU(), nn.RReLU(), nn.ReLU6(), nn.SELU(), nn.CELU(), nn.Hardtanh(), nn.Hardswish(),
        nn.Hardsigmoid(), nn.Softsign(), nn.LogSigmoid(), nn.Threshold(0.1, 0), nn.Tanhshrink(),
        nn.Softshrink(), nn.Hardshrink(),
    ],
    ids=lambda module: type(module).__name__,
)  # fmt: skip
def test_torchs_other_activations_are_seen(activation):
    network = nn.Sequential(nn.Linear(2, 3), activation, nn.Linear(3, 1))
    with Monitor(network) as monitor:
        network(torch.randn(4, 2))
    assert [row["layer"] for row in monitor.rows()] == ["0"]


def dyadic(*shape):
    """Integers / 4: every sum and product below is exact."""
    return torch.randint(-8, 9, shape, dtype=DOUBLE) / 4


@given(
    st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 5), st.sampled_from(["mlp", "conv"])
)
def test_two_batches_are_one_batch_of_both(seed, first, second, kind):
    torch.manual_seed(seed)
    if kind == "mlp":
        network = Functional([3, 4, 5, 1], F.relu)
        x = dyadic(first + second, 3)
    else:
        network = nn.Sequential(nn.Conv2d(2, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
        network, x = network.double(), dyadic(first + second, 2, 3, 3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(dyadic(*parameter.shape))
    one, two = (Monitor(network, by="activation", feature_rows=1000) for _ in range(2))
    network(x).sum().backward()
    one.detach()
    two.snapshot()
    for part in x.split([first, second]):
        network(part).sum().backward()
    assert [{row["passes"] for row in monitor.rows()} for monitor in (one, two)] == [{1}, {2}]
    others = dict.fromkeys((*CHANGES, "passes"))
    assert same([row | others for row in one.rows()], [row | others for row in two.rows()])


def test_a_convolutions_neuron_is_a_channel_through_pooling_and_flattening():
    torch.manual_seed(0)
    first, second = nn.Conv2d(2, 6, 3), nn.Conv2d(6, 4, 2)
    network = nn.Sequential(
        first, nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        second, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.ReLU(), nn.Linear(4, 1),
    ).double().eval()  # fmt: skip
    x = torch.randn(5, 2, 8, 8, dtype=DOUBLE)
    with Monitor(network, feature_rows=10_000) as monitor, torch.no_grad():
        network(x)
        z = network[1](first(x))
        h = z.relu()
    row, pooled = monitor.rows()
    assert (row["neurons"], row["samples"], pooled["neurons"], pooled["samples"]) == (6, 180, 4, 5)
    assert row["dormant_0.1"] == scores.dormant(h, 0.1).double().mean()
    assert row["saturated"] == scores.saturated(z).double().mean()
    assert row["srank"] == scores.srank(h)
    # The sum of 180 numbers in another order: n * eps on either side.
    assert row["largest_share"] == pytest.approx(scores.largest_share(h).item(), rel=360 * 2**-52)


@pytest.mark.parametrize(
    ("layer", "shape", "samples"),
    [
        (nn.Linear(3, 4), (3,), 1),
        (nn.Linear(3, 4), (2, 5, 3), 10),
        (nn.Conv1d(3, 4, 2), (2, 3, 6), 10),
        (nn.Conv2d(3, 4, 2), (3, 4, 5), 12),
        (nn.Conv3d(3, 4, 2), (2, 3, 3, 3, 3), 16),
        (nn.ConvTranspose2d(3, 4, 2), (2, 3, 2, 2), 18),
    ],
    ids=str,
)
def test_every_kind_of_linear_layer_has_its_neurons(layer, shape, samples):
    network = nn.Sequential(layer, nn.Dropout(0.0), nn.ReLU())
    with Monitor(network, outputs=True) as monitor:
        h = network(torch.randn(shape))
    (row,) = monitor.rows()
    assert (row["neurons"], row["samples"]) == (4, samples)
    axis = -1 if isinstance(layer, nn.Linear) else -1 - len(layer.kernel_size)
    dead = (h == 0).movedim(axis, 0).reshape(4, -1).all(1)
    assert row["dormant_0"] == dead.float().mean()


def test_z_is_what_the_non_linearity_receives_after_layer_norm():
    # The linear layer's outputs are 1 and 3, all positive; LayerNorm makes them -1 and 1.
    network = nn.Sequential(
        linear([[1.0], [3.0]]),
        nn.LayerNorm(2, eps=0.0, dtype=DOUBLE),
        nn.ReLU(),
        linear([[1.0, 1.0]]),
    )
    with Monitor(network) as monitor:
        network(column(1.0, 2.0))
    (row,) = monitor.rows()
    assert (row["saturated"], row["zombie"]) == (0.5, 0.5)
    assert row["largest_neuron"] == 1


# GraMa


def test_grama_is_of_each_samples_gradient_and_counts_every_backward_pass():
    # dL/dh: the first neuron's +1 and -1 cancel in the weights, not here; the second has none.
    network = nn.Sequential(linear([[1.0], [1.0]]), nn.ReLU(), linear([[1.0, 0.0]]))
    with Monitor(network, by="activation") as monitor:
        y = network(column(1.0, 1.0))
        assert math.isnan(monitor.rows()[0]["grama_inactive"])
        (y[0] - y[1]).backward(retain_graph=True)
        assert network[0].weight.grad.tolist() == [[0.0], [0.0]]
        assert monitor.rows()[0]["grama_inactive"] == 0.5
        assert monitor.layers["0"].sums["gradient"].tolist() == [2.0, 0.0]
        y[0].backward()
        assert monitor.layers["0"].sums["gradient"].tolist() == [3.0, 0.0]
    late = network(column(1.0))
    late.sum().backward()
    assert monitor.layers["0"].sums["gradient"].tolist() == [3.0, 0.0]


def test_gramas_threshold_has_its_own_setting():
    network = nn.Sequential(linear([[1.0], [1.0]]), nn.ReLU(), linear([[3.0, 1.0]]))
    for tau, share in ((0.49, 0), (0.5, 0.5)):  # G = 3/2 and 1/2
        with Monitor(network, grama_tau=tau) as monitor:
            network(column(1.0)).sum().backward()
        assert monitor.rows()[0]["grama_inactive"] == share


def test_a_gradient_that_comes_after_the_snapshot_counts_nowhere():
    network = Functional([3, 4, 5, 1], F.relu)
    monitor = Monitor(network, by="activation")
    y = network(torch.ones(2, 3, dtype=DOUBLE))
    monitor.snapshot()
    network(torch.ones(2, 3, dtype=DOUBLE))
    y.sum().backward()
    assert math.isnan(monitor.rows()[0]["grama_inactive"])


# What has a row


def layers_of(network, *inputs, **settings):
    with Monitor(network, **settings) as monitor:
        network(*inputs)
    return [row["layer"] for row in monitor.rows()], monitor


def test_the_last_linear_layer_is_the_one_executed_last_and_has_no_row():
    network = Functional([3, 4, 5, 2], torch.tanh)
    assert next(iter(dict(network.named_children()))) == "final"
    forward = network.forward
    network.forward = lambda x: torch.tanh(forward(x))  # even with a non-linearity after it
    x = torch.ones(2, 3, dtype=DOUBLE)
    names, monitor = layers_of(network, x)
    assert names == ["dense0", "dense1"]
    assert monitor.table().endswith("\n\nno row for final (reaches no linear layer that is seen)")
    assert layers_of(network, x, outputs=True)[0] == ["dense0", "dense1", "final"]


class Heads(nn.Module):
    """A body, two heads that end in tanh, and a way in for each."""

    def __init__(self):
        super().__init__()
        self.body, self.one, self.two = nn.Linear(3, 4), nn.Linear(4, 1), nn.Linear(4, 1)

    def forward(self, x):
        h = F.relu(self.body(x))
        return self.one(h).tanh() + self.two(h).tanh()


def test_no_last_layer_of_a_head_has_a_row():
    assert layers_of(Heads(), torch.randn(2, 3))[0] == ["body"]


def test_parts_that_are_called_apart_are_watched_as_one_network():
    config = configs.build("drq", "cartpole-swingup", "baseline", "tiny")
    torch.manual_seed(0)
    critic = DrQ(config.agent, configs.seen(config), 2, torch.Generator()).critic.module
    size = config.env.size
    obs = torch.randint(256, (3, 9, size, size), dtype=torch.uint8)
    with Monitor(critic) as monitor:
        with torch.inference_mode():
            critic(critic.encoder(obs), torch.zeros(3, 2))
        critic(critic.encoder(obs), torch.zeros(3, 2)).sum().backward()
    rows = monitor.rows()
    assert [row["layer"] for row in rows] == [
        *(f"encoder.conv{i}" for i in range(4)),
        "trunk",
        *(f"heads.{i}.dense{j}" for i in range(2) for j in range(2)),
    ]
    assert {row["samples"] for row in rows[4:]} == {6}
    assert layers_of(critic.encoder, obs, outputs=True)[0][-1] == "conv3"


def test_a_module_used_twice_is_one_layer_with_the_samples_of_both():
    twice = linear([[1.0, 0.0], [0.0, -1.0]])
    network = nn.Sequential(twice, nn.ReLU(), twice, nn.ReLU(), linear([[1.0, 1.0]]))
    x = torch.tensor([[1.0, -2.0]], dtype=DOUBLE)
    with Monitor(network) as monitor:
        network(x)
    (row,) = monitor.rows()
    assert (row["layer"], row["samples"]) == ("0", 2)
    assert monitor.layers["0"].sums["activation"].tolist() == [2.0, 2.0]  # (1, 2) and (1, 0)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(3, 3) for _ in range(3))

    def forward(self, x):
        h = self.a(x).relu()
        y = h + self.b(h)
        return self.c(F.relu(y)) + F.relu(x)


def test_a_sum_is_of_the_deepest_layer_in_it_and_other_non_linearities_are_told():
    network = Residual()
    x = torch.randn(4, 3)
    names, monitor = layers_of(network, x)
    assert names == ["a", "b"]
    h = network.a(x).relu()
    expected = (h + network.b(h)).relu().sum(0)
    torch.testing.assert_close(monitor.layers["b"].sums["activation"], expected.detach())
    assert "no row for relu after c (not the first of a linear layer)" in monitor.table()


class Then(nn.Module):
    """A convolution to 4 channels, `then`, and a sum over everything but the batch, times 1."""

    def __init__(self, then):
        super().__init__()
        self.conv, self.final, self.then = nn.Conv2d(1, 4, 2), nn.Linear(1, 1), then

    def forward(self, x):
        return self.final(self.then(self.conv(x)).flatten(1).sum(1, keepdim=True))


class Shortcut(nn.Module):
    """The ResNet block: two layers, and a third beside them that is executed last."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.shortcut, self.final = (nn.Linear(3, 3) for _ in range(4))

    def forward(self, x):
        out = self.b(self.a(x).relu())
        return self.final((self.shortcut(x) + out).relu()) + self.final(
            (self.b(x) + self.shortcut(x)).relu()
        )


def test_a_sum_is_of_the_deepest_layer_whatever_their_order_and_of_equals_the_last():
    network, x = Shortcut(), torch.randn(4, 3)
    _, monitor = layers_of(network, x)
    samples = {row["layer"]: row["samples"] for row in monitor.rows()}
    assert samples == {"a": 4, "b": 4, "shortcut": 4}
    expected = (network.b(network.a(x).relu()) + network.shortcut(x)).relu().sum(0)
    torch.testing.assert_close(monitor.layers["b"].sums["activation"], expected.detach())


class Highway(nn.Module):
    """What the first layer returns reaches the last one only through a sum."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.final = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 1)

    def forward(self, x):
        h = self.a(x).relu()
        return self.final((h + self.b(x)).relu())


def test_what_reaches_a_layer_through_a_sum_has_a_row():
    assert layers_of(Highway(), torch.randn(2, 3))[0] == ["a", "b"]


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN, nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_a_layer_that_a_recurrent_one_reads_has_a_row(kind):
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), kind(4, 2))
    assert layers_of(network, torch.randn(5, 3))[0] == ["0"]


@pytest.mark.parametrize(
    ("then", "row"),
    [
        (lambda z: F.relu(z * 2), True),
        (lambda z: F.relu(z.flatten(1)), False),  # a neuron is a channel, and there are none now
        (lambda z: F.relu(z.flatten(2)), False),  # the batch, as large, is not the channels
        (lambda z: F.relu(z.chunk(2, dim=1)[0]), False),
        (lambda z: F.relu(F.max_pool2d(z, 2).flatten(1)), True),
    ],
)
def test_a_layer_is_followed_as_long_as_its_axis_is_known(then, row):
    names, monitor = layers_of(Then(then), torch.randn(4, 1, 3, 3))
    assert names == ["conv"] * row
    assert ("no row for relu after conv" in str(monitor)) != row


def test_only_the_first_non_linearity_of_a_layer_is_its_own():
    both = Then(lambda z: torch.cat([z.relu(), z.tanh()], 1))
    names, monitor = layers_of(both, torch.randn(2, 1, 3, 3))
    assert (names, monitor.rows()[0]["samples"]) == (["conv"], 8)
    assert "no row for tanh after conv" in str(monitor)


def test_features_are_kept_as_they_were_when_they_are_overwritten_later():
    network = Functional([3, 4, 5, 1], lambda z: z.sigmoid().zero_())
    _, monitor = layers_of(network, torch.ones(2, 3, dtype=DOUBLE))
    assert monitor.layers["dense0"].features[0].all()


def test_what_has_no_non_linearity_has_no_row_and_is_told():
    names, monitor = layers_of(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), torch.ones(1, 2))
    assert names == []
    assert monitor.table() == (
        "no row for 1 (reaches no linear layer that is seen)\n"
        "no row for 0 (no non-linearity of its own)"
    )
    assert str(Monitor(nn.Linear(1, 1))) == "nothing seen yet: call the module"


class ThroughNumpy(torch.autograd.Function):
    """x * sigmoid(x), computed where no monitor looks."""

    @staticmethod
    def forward(ctx, z):
        return torch.from_numpy(z.numpy() / (1 + np.exp(-z.numpy())))

    @staticmethod
    def backward(ctx, g):
        return g  # whatever it is


class Opaque(nn.Module):
    """An activation that cannot be followed, shown to the monitor."""

    def __init__(self):
        super().__init__()
        self.dense, self.final = linear([[1.0], [-1.0]]), linear([[1.0, 1.0]])
        self.monitor = None

    def forward(self, x):
        z = self.dense(x)
        h = ThroughNumpy.apply(z)
        if self.monitor is not None:
            self.monitor[0].tap("dense", z, h)
        return self.final(h)


def test_a_tap_shows_what_cannot_be_followed():
    network, x = Opaque(), column(1.0, 2.0)
    z = torch.tensor([[1.0, -1.0], [2.0, -2.0]], dtype=DOUBLE)
    with Monitor(network) as monitor:
        network(x)
        assert "no row for dense, final (reaches no linear" in monitor.table()
        network.monitor = [monitor]  # in a list: a Monitor is no part of the network
        monitor.snapshot()
        network(x).sum().backward()
        network(x)
    sums = monitor.layers["dense"].sums
    assert sums["output_samples"] == 4  # which DrM's ratio counts, tapped or not
    torch.testing.assert_close(sums["activation"], 2 * F.silu(z).abs().sum(0))
    assert (monitor.rows()[0]["samples"], "gradient" in sums) == (4, True)


# Identity over time


def test_changes_follow_each_neuron_from_one_snapshot_to_the_next():
    monitor = Monitor(nn.Identity(), taus=(0.0,))

    def show(*active):
        h = torch.tensor([active], dtype=DOUBLE)
        monitor.tap("layer", h, h)
        return monitor.snapshot()[0]

    first = show(0, 0, 0, 1, 1, 1, 1, 1)
    assert all(math.isnan(first[key]) for key in CHANGES)
    assert monitor.before["layer"].tolist() == [True] * 3 + [False] * 5
    row = show(0, 1, 1, 0, 0, 0, 1, 1)  # one of three stays, two revive, three become dormant
    assert {key: Fraction(row[key]) for key in CHANGES[:3]} == {
        "became_dormant": Fraction(3, 8), "revived": Fraction(2, 8), "still_dormant": Fraction(1, 8)
    }  # fmt: skip
    third = torch.tensor(1 / 3).item()
    assert (row["overlap"], row["retention"], row["chance"]) == (third, third, 4 / 8)
    row = show(1, 1, 1, 1, 1, 1, 1, 1)
    assert (row["became_dormant"], row["revived"], row["retention"]) == (0, 4 / 8, 0)
    assert math.isnan(row["overlap"]) and math.isnan(row["chance"])
    row = show(0, 1, 1, 1, 1, 1, 1, 1)
    assert row["became_dormant"] == 1 / 8 and math.isnan(row["retention"])


def test_a_log_is_a_snapshot_whose_defined_numbers_go_to_the_writer():
    class Writer:
        def __init__(self):
            self.told = []

        def add_scalar(self, *told):
            self.told.append(told)

    network, writer = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)), Writer()
    monitor = Monitor(network)
    network(torch.ones(4, 2))
    rows = monitor.rows()
    with pytest.raises(InputError, match=r"writer: .*add_scalar"):
        monitor.log(None, 7)
    assert same(monitor.log(writer, 7), rows) and monitor.rows() == []
    (row,) = rows
    defined = {key: value for key, value in row.items() if key != "layer" and value == value}
    assert set(row) - set(defined) == {"layer", "grama_inactive", *CHANGES}
    assert writer.told == [(f"0/{key}", value, 7) for key, value in defined.items()]


def test_a_layer_that_did_not_run_is_compared_with_when_it_last_did():
    monitor = Monitor(nn.Identity(), taus=(0.0,))
    for name in ("one", "other", "one"):
        h = torch.tensor([[0.0, 1.0]])
        monitor.tap(name, h, h)
        (row,) = monitor.snapshot()
    assert (row["layer"], row["still_dormant"], row["became_dormant"]) == ("one", 0.5, 0)


def test_reading_the_rows_changes_nothing():
    network = Functional([3, 4, 5, 1], F.relu)
    monitor = Monitor(network)
    network(torch.randn(4, 3, dtype=DOUBLE))
    assert same(monitor.rows(), monitor.rows())
    assert str(monitor) == monitor.table()
    masks = monitor.dormant()
    assert [mask.double().mean() for mask in masks.values()] == [
        row["dormant_0.1"] for row in monitor.rows()
    ]


# The public definitions


def ratio(network, x, definition, tau=0.1):
    with Monitor(network) as monitor:
        network(x)
    return monitor.dormant_ratio(definition, tau)


def chain(*weights, activation=nn.ReLU):
    parts = [part for weight in weights for part in (linear(weight), activation())]
    return nn.Sequential(*parts[:-1])


def test_redo_counts_neurons_where_plasticine_averages_layers():
    # One of 2 neurons and none of 98: 1/100 and (1/2 + 0)/2.
    network = chain([[1.0], [-1.0]], [[1.0, 0.0]] * 98, [[1.0] * 98])
    assert ratio(network, column(1.0), "redo") == 1 / 100
    assert ratio(network, column(1.0), "plasticine") == 1 / 4


def test_dopamines_epsilon_makes_small_activations_dormant():
    network = chain([[1e-12], [1e-12]], [[1.0, 1.0]])
    assert ratio(network, column(1.0), "redo") == 0
    assert ratio(network, column(1.0), "dopamine") == 1  # 1e-12 / (1e-12 + 1e-9) < 0.1
    assert ratio(network, column(1.0), "dopamine", 0.0) == 0
    network = chain([[1e-9], [1e-9]], [[1.0, 1.0]])  # a score of 1/2
    assert [ratio(network, column(1.0), "dopamine", tau) for tau in (0.49, 0.51)] == [0, 1]


def test_timoklein_and_plasticine_count_what_is_close_to_zero():
    network = chain([[1.0], [2.0**-30]], [[1.0, 1.0]])  # its score is just below 2^-29 < 1e-8
    assert [ratio(network, column(1.0), name, 0.0) for name in DEFINITIONS[:4]] == [0, 0, 0.5, 0.5]


def test_timoklein_rectifies_the_linear_layers_own_output():
    # tanh of (1, -1), which no ReLU follows; the last layer executed does not count.
    network = chain([[1.0], [-1.0]], [[0.0, 0.0]], activation=nn.Tanh)
    assert ratio(network, column(1.0), "redo") == 0
    assert ratio(network, column(1.0), "timoklein") == 1 / 2


def test_drm_counts_outputs_of_all_linear_layers_before_the_activation():
    # z = (1, -1), h = (1, 0), outputs (1, 0): 1 of 2 and 1 of 4.
    network = chain([[1.0], [-1.0]], [[1.0, 0.0], [0.0, 0.0]])
    assert ratio(network, column(1.0), "redo") == 1 / 2
    assert ratio(network, column(1.0), "drm") == 1 / 4


def test_a_dead_layer_is_all_dormant_but_not_for_drm():
    network = chain([[0.0], [0.0]], [[1.0, 1.0]])
    assert ratio(network, column(1.0), "redo") == 1
    assert ratio(network, column(1.0), "drm") == 0


def test_drm_leaves_convolutions_out():
    conv = nn.Conv2d(1, 2, 1, bias=False)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([1.0, 0.0]).view(2, 1, 1, 1))
    network = nn.Sequential(conv, nn.ReLU(), nn.Flatten(), nn.Linear(2, 1))
    assert ratio(network, torch.ones(1, 1, 1, 1), "redo") == 1 / 2
    assert ratio(network, torch.ones(1, 1, 1, 1), "drm") == 0


def test_gramas_code_takes_the_weights_gradient_where_gradients_of_samples_cancel():
    network = chain([[1.0], [1.0]], [[1.0, 0.0], [0.0, 1.0]])
    with Monitor(network, by="activation") as monitor:
        y = network(column(1.0, 1.0))
        assert monitor.dormant_ratio("grama-code", 0.0) == 0  # nothing has a .grad
        (y[0, 0] - y[1, 0] + y[:, 1].sum()).backward()
    # The first neuron and, which has no row, the first output: 2 of 4.
    assert monitor.dormant_ratio("grama-code", 0.0) == 1 / 2
    assert monitor.rows()[0]["grama_inactive"] == 0


def test_gramas_code_scores_layer_norms_and_convolutions_too():
    network = nn.Sequential(
        nn.Conv2d(1, 2, 1, bias=False),
        nn.Flatten(),
        nn.LayerNorm(2),
        nn.Linear(2, 1),
        nn.LayerNorm(1, elementwise_affine=False),
    ).double()
    monitor = Monitor(network)
    gradients = [[[[[1.0]]], [[[0.0]]]], [0.0, 1.0], [[1.0, 0.0]]]
    weights = [network[0].weight, network[2].weight, network[3].weight]
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = torch.tensor(gradient, dtype=DOUBLE)
    assert monitor.dormant_ratio("grama-code", 0.0) == 2 / 5


def test_all_definitions_but_grama_agree_where_nothing_tells_them_apart():
    # Two hidden layers of two neurons, in each of which one is 0; the output is not.
    network = chain([[1.0], [0.0]], [[1.0, 0.0], [0.0, 0.0]], [[1.0, 1.0]])
    four = [ratio(network, column(1.0), name) for name in DEFINITIONS[:4]]
    assert four == [0.5] * 4
    assert ratio(network, column(1.0), "drm") == 2 / 5  # but for the output


def test_a_ratio_of_nothing_is_undefined():
    monitor = Monitor(nn.Sequential(nn.ReLU()))
    assert all(math.isnan(monitor.dormant_ratio(name)) for name in DEFINITIONS)


# No trace


@given(
    st.integers(0, 2**32),
    st.lists(st.integers(1, 6), min_size=4, max_size=4),
    st.sampled_from(
        [nn.ReLU(inplace=True), F.relu, F.rrelu, torch.tanh, lambda x: F.dropout(x.relu())]
    ),
    st.booleans(),
)
def test_watching_leaves_no_trace(seed, sizes, act, training):
    def run(watched):
        torch.manual_seed(seed)
        network = Functional(sizes, act).train(training)
        network.dense1.bias.requires_grad_(False)
        hooks = [{name: len(getattr(p, name)) for name in HOOKS} for p in network.modules()]
        keys = [list(p.__dict__) for p in network.modules()]
        x = torch.randn(5, sizes[0], dtype=DOUBLE)
        if watched:
            monitor = Monitor(network)
        y = network(x)
        y.square().sum().backward()
        if watched:
            monitor.snapshot()
            monitor.dormant_ratio()
            monitor.detach()
            monitor.detach()
        assert hooks == [{name: len(getattr(p, name)) for name in HOOKS} for p in network.modules()]
        assert keys == [list(p.__dict__) for p in network.modules()]
        assert torch._C._len_torch_function_stack() == 0
        assert all(not p._backward_hooks for p in network.parameters())
        flags = [p.requires_grad for p in network.parameters()], network.training
        grads = [p.grad for p in network.parameters()]
        return flags, [y, *grads, *network.parameters(), torch.get_rng_state()]

    (flags, tensors), (other_flags, others) = run(False), run(True)
    assert flags == other_flags
    for one, other in zip(tensors, others, strict=True):
        assert (one is None) == (other is None)
        assert one is None or torch.equal(one, other)


def test_a_module_can_be_copied_and_pickled_after_detach():
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    with Monitor(network):
        network(torch.ones(1, 2))
    for again in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(again(torch.ones(1, 2)), network(torch.ones(1, 2)))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_of_a_watched_module_is_not_watched_and_outlives_the_watch(copied):
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    with Monitor(network) as monitor:
        network(torch.ones(1, 2))
        before = monitor.table()
        target = copied(network)  # as a target network is made
        target(torch.zeros(4, 2))
        assert monitor.table() == before
    assert torch.equal(copied(target)(torch.ones(1, 2)), network(torch.ones(1, 2)))
    own = Monitor(target)
    target(torch.ones(1, 2))
    assert own.table() == before


def test_weights_can_be_loaded_under_the_watch():
    network = Functional([3, 4, 5, 1], F.relu)
    plain = list(network.state_dict())
    with Monitor(network) as monitor:
        assert list(network.state_dict()) == plain
        network.load_state_dict(Functional([3, 4, 5, 1], F.relu).state_dict())
        network(torch.ones(2, 3, dtype=DOUBLE))
    assert monitor.rows()[0]["samples"] == 2


def test_what_runs_inside_torch_func_is_computed_as_ever_and_not_seen():
    network, x = Functional([3, 4, 5, 1], F.relu), torch.randn(6, 3, dtype=DOUBLE)
    params = dict(network.named_parameters())

    def loss(params, x):
        return torch.func.functional_call(network, params, (x,)).sum()

    per_sample = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))
    expected = per_sample(params, x)
    with Monitor(network) as monitor:
        found = per_sample(params, x)
        torch.func.vmap(network)(x)
        assert monitor.rows() == []
        loss(params, x)  # functional_call alone is eager
    assert monitor.rows()[0]["samples"] == 6
    assert all(torch.equal(found[name], expected[name]) for name in params)


def test_complex_numbers_pass_unseen():
    dtype = torch.complex64
    network = nn.Sequential(nn.Linear(2, 3, dtype=dtype), nn.Tanh(), nn.Linear(3, 1, dtype=dtype))
    assert layers_of(network, torch.ones(1, 2, dtype=dtype))[0] == []


def test_memory_does_not_grow_with_the_calls():
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))

    def held():
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    with Monitor(network, feature_rows=8) as monitor:
        for _ in range(10):
            network(torch.ones(4, 2)).sum().backward()
        before = held()
        for _ in range(100):
            network(torch.ones(4, 2)).sum().backward()
        assert held() <= before
        assert monitor.rows()[0]["samples"] == 440


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_in_the_forward_pass_does_not_stop_or_outlive_the_watch(error):
    class Fails(nn.Module):
        def forward(self, x):
            if x.sum() < 0:
                raise error
            return F.relu(x)

    network = nn.Sequential(linear([[1.0]]), Fails(), linear([[1.0]]))
    monitor = Monitor(network)
    with pytest.raises(error):
        network(column(-1.0))
    # After an interrupt torch calls no hook: the next call sets it right.
    assert torch._C._len_torch_function_stack() == (error is KeyboardInterrupt)
    network(column(1.0))
    assert torch._C._len_torch_function_stack() == 0
    assert monitor.rows()[0]["samples"] == 1
    with pytest.raises(error):
        network(column(-1.0))
    monitor.detach()
    assert torch._C._len_torch_function_stack() == 0


def test_two_monitors_of_one_module_do_not_disturb_each_other():
    network = Functional([3, 4, 5, 1], F.relu)
    one, two, part = Monitor(network), Monitor(network), Monitor(network.dense0)
    network(torch.randn(2, 3, dtype=DOUBLE))
    assert same(one.rows(), two.rows()) and len(one.rows()) == 2
    assert torch._C._len_torch_function_stack() == 0
    assert part.rows() == []


class Waits(TorchDispatchMode):
    """Finds whatever makes the host wait for the device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        assert name not in ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select"), name
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("by", ["incoming", "activation", "preactivation"])
def test_nothing_waits_for_the_device_before_the_rows(monkeypatch, by):
    monkeypatch.setattr("fast.monitor._disable_current_modes", contextlib.nullcontext)
    network = Functional([3, 4, 5, 1], F.relu)
    x = torch.randn(4, 3, dtype=DOUBLE)
    with Monitor(network, by=by) as monitor:
        with Waits():
            network(x).sum().backward()
            network(x).sum().backward()
            monitor.dormant()
        assert (monitor.rows()[0]["passes"], "not seen" in str(monitor)) == (2, False)
        with Waits(), pytest.raises(AssertionError, match="_local_scalar_dense"):
            x.sum().item()


def test_bfloat16_is_summed_in_float32():
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU(), nn.Linear(1, 1)).bfloat16()
    nn.init.ones_(network[0].weight)
    with Monitor(network) as monitor:
        network(torch.ones(1000, 1, dtype=torch.bfloat16))
    total = monitor.layers["0"].sums["activation"]
    assert (total.item(), total.dtype) == (1000, torch.float32)  # bfloat16 has no 1000 + 1


def test_a_network_that_has_diverged_still_has_rows():
    network = chain([[math.inf], [1.0]], [[1.0, 1.0]])
    with Monitor(network) as monitor:
        network(column(0.0, 1.0))  # inf * 0 is NaN
    (row,) = monitor.rows()
    assert math.isnan(row["srank"]) and math.isnan(row["largest_share"])


def test_at_most_the_stated_rows_are_kept_spread_over_the_batch():
    network = chain([[1.0]], [[1.0]])
    with Monitor(network, feature_rows=3) as monitor:
        network(column(1.0, 2.0))
        network(column(3.0, 4.0, 5.0))
        network(column(6.0))
    assert torch.cat(monitor.layers["0"].features).flatten().tolist() == [1, 2, 3]
    with Monitor(network, feature_rows=3) as monitor:
        network(column(1.0, 2.0, 3.0, 4.0, 5.0))
    assert torch.cat(monitor.layers["0"].features).flatten().tolist() == [1, 3, 5]


def test_an_empty_batch_is_no_batch():
    network = Functional([3, 4, 5, 1], F.relu)
    with Monitor(network) as monitor:
        network(torch.ones(0, 3, dtype=DOUBLE))
    assert monitor.rows() == []


# The table, and bad input


def test_the_table_is_the_rows_to_be_read():
    network = chain([[1.0], [-1.0]], [[1.0, 0.0]])
    with Monitor(network) as monitor:
        network(column(1.0))
        assert "revived" not in monitor.table()
        monitor.snapshot()
        network(column(1.0)).sum().backward()
    assert str(monitor) == TABLE


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"taus": ()}, "taus"),
        ({"taus": (0.1, -1)}, "taus"),
        ({"taus": (math.nan,)}, "taus"),
        ({"taus": ("a",)}, "taus"),
        ({"grama_tau": math.inf}, "grama_tau"),
        ({"by": "weights"}, "by"),
        ({"by": None}, "by"),
        ({"feature_rows": 0}, "feature_rows"),
        ({"feature_rows": 1.5}, "feature_rows"),
    ],
    ids=str,
)
def test_a_bad_setting_is_named(settings, field):
    with pytest.raises(InputError, match="accepted: ") as error:
        Monitor(nn.Linear(1, 1), **settings)
    assert error.value.field == field


@pytest.mark.filterwarnings("ignore:`torch.jit.script")
@pytest.mark.parametrize(
    "make",
    [
        lambda layer: "relu",
        torch.jit.script,
        torch.compile,
        lambda layer: nn.Sequential(torch.compile(layer)),
        nn.DataParallel,
    ],
)
def test_what_cannot_be_watched_is_refused(make):
    with pytest.raises(InputError, match="accepted: ") as error:
        Monitor(make(nn.Linear(1, 1)))
    assert error.value.field == "module"


def test_a_module_compiled_in_place_is_refused():
    module = nn.Linear(1, 1)
    module.compile()
    with pytest.raises(InputError, match="before torch"):
        Monitor(module)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("", torch.ones(1, 2), torch.ones(1, 2)), "name"),
        ((3, torch.ones(1, 2), torch.ones(1, 2)), "name"),
        (("a", torch.ones(2), torch.ones(1, 2)), "z"),
        (("a", torch.ones(1, 2), [1.0]), "h"),
        (("a", torch.ones(1, 2), torch.ones(2, 2)), "h"),
    ],
    ids=str,
)
def test_a_bad_tap_is_named(arguments, field):
    monitor = Monitor(nn.Identity())
    monitor.tap("known", torch.ones(1, 3), torch.ones(1, 3))
    with pytest.raises(InputError, match="accepted: ") as error:
        monitor.tap(*arguments)
    assert error.value.field == field
    assert [row["layer"] for row in monitor.rows()] == ["known"]


def test_a_bad_definition_is_named():
    monitor = Monitor(nn.Linear(1, 1))
    with pytest.raises(InputError, match="did you mean dopamine"):
        monitor.dormant_ratio("dopamin")
    with pytest.raises(InputError, match="tau: -1"):
        monitor.dormant_ratio("redo", -1)
