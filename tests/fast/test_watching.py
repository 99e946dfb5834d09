"""Watching changes nothing, whatever a module does; what is not seen or not known is told."""

import contextlib
import copy
import io
import math
import multiprocessing.reduction
import pickle
import threading
import warnings

import pytest
import torch
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from fast import scores
from fast.errors import InputError
from fast.monitor import GRADIENTS, Monitor

DOUBLE = torch.float64


def mlp(act=None):
    return nn.Sequential(
        nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), act or nn.Tanh(), nn.Linear(8, 2)
    )


def inputs(samples=5):
    return torch.randn(samples, 4, generator=torch.Generator().manual_seed(1))


class Calls(nn.Module):
    """A network with parts of these names, whose forward is a function of it and its input."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.how, self.state = forward, []
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, *args):
        return self.how(self, *args)


def hidden(forward):
    return Calls(forward, a=nn.Linear(4, 8), b=nn.Linear(8, 8), c=nn.Linear(8, 2))


def trained(network, *args):
    y = network(*(args or (inputs(),)))
    y.square().sum().backward()
    return [y, *(p.grad for p in network.parameters())]


# Each builds a network, has it watched or not, and returns tensors: the same ones in both.


def recursion(watch):
    def forward(self, x, depth=5):
        return self.last(x) if depth == 0 else self(F.relu(self.a(x)), depth - 1)

    network = Calls(forward, a=nn.Linear(4, 4), last=nn.Linear(4, 1))
    watch(network)
    return trained(network)


def checkpointing(watch, reentrant):
    network = Calls(lambda s, x: checkpoint(s.body, x, use_reentrant=reentrant), body=mlp())
    watch(network)
    return trained(network, inputs().requires_grad_())


def hooks_of_others(watch):
    network, seen = mlp(), []
    for part in network:
        part.register_full_backward_hook(lambda part, given, taken: seen.append(taken[0]))
    network[1].register_forward_hook(lambda part, args, out: out * 2)
    watch(network)
    network[0].register_forward_hook(lambda part, args, out: out + 1)
    network[2].register_forward_pre_hook(lambda part, args: (args[0] - 1,))
    return trained(network, inputs().requires_grad_()) + seen


def errors_that_are_caught(watch):
    def fails(part, args):
        if args[0].abs().max() > 1e3:
            raise ValueError

    def forward(self, x):
        for scale in (1e6, 1):
            with contextlib.suppress(ValueError):
                return self.body(x * scale)

    network = Calls(forward, body=mlp())
    watch(network)
    network.body[2].register_forward_pre_hook(fails, prepend=True)
    return trained(network)


def interrupted_under_a_mode(watch):
    def forward(self, x):
        y = F.relu(self.a(x))
        if not self.state:
            raise KeyboardInterrupt
        return y

    network, x = hidden(forward), inputs()
    watch(network)
    with contextlib.suppress(KeyboardInterrupt), torch.device("meta"):
        network(x)
    before = torch.zeros(2)  # the other mode has gone, not ours in its place
    network.state.append(1)
    return [before, network(x), torch.zeros(2)]


def a_mode_that_begins_inside(watch):
    def forward(self, x):
        torch.set_default_device("meta")
        return F.relu(self.a(x))

    network, x = hidden(forward), inputs()
    watch(network)
    try:
        return [network(x), torch.tensor(torch.zeros(1).is_meta, device="cpu")]
    finally:
        torch.set_default_device(None)


def modes_of_others(watch):
    functions, operations = [], []

    class Functions(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            functions.append(func)
            return func(*args, **(kwargs or {}))

    class Operations(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            operations.append(func)
            return func(*args, **(kwargs or {}))

    network = mlp()
    watch(network)
    with Functions(), Operations():
        y = network(inputs())
        y.sum().backward()
    return [y, torch.tensor([len(functions), len(operations)])]


def saved_tensors(watch):
    network, saved = mlp(), []
    watch(network)

    def keep(x):
        saved.append(x)
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        results = trained(network)
    return [*results, torch.tensor(len(saved))]


def threads(watch):
    network, results = mlp(), {}
    watch(network)

    def run(number):
        for _ in range(10):
            results[number] = network(inputs() + number)

    started = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    return [results[number] for number in range(4)]


def replicas(watch):
    network = mlp()
    watch(network)
    replica = network._replicate_for_data_parallel()
    for name, part in network.named_children():
        replica._modules[name] = other = part._replicate_for_data_parallel()
        for key, parameter in part.named_parameters(recurse=False):
            setattr(other, key, parameter.detach() + 1)
    return [replica(inputs()), network(inputs())]


def copies(watch):
    network = mlp()
    watch(network)
    results = trained(network)
    file = io.BytesIO()
    torch.save(network, file)
    file.seek(0)
    multiprocessing.reduction.ForkingPickler.dumps(network.state_dict())
    again = (copy.deepcopy(network), pickle.loads(pickle.dumps(network)))
    return results + [n(inputs()) for n in (*again, torch.load(file, weights_only=False))]


def without_gradients(watch):
    network = mlp()
    watch(network)
    with torch.inference_mode():
        first = network(inputs()).clone()
    with torch.no_grad():
        second = network(inputs())
    return [first, second, *trained(network)]


def mixed_precision(watch):
    network = mlp()
    watch(network)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**24)
    for _ in range(10):
        with torch.autocast("cpu", dtype=torch.float16):
            y = network(inputs())
        optimizer.zero_grad()
        scaler.scale((y.float() - 100).square().mean()).backward()
        scaler.step(optimizer)
        scaler.update()
    return [y, *network.parameters()]


def bfloat16(watch):
    network = mlp(nn.SiLU(inplace=True)).bfloat16()
    watch(network)
    return trained(network, inputs().bfloat16())


def what_is_not_float(watch):
    def forward(self, i):
        return (
            self.body(self.table(i)) + F.relu(i).sum() + torch.relu(torch.eye(2).to_sparse())[0, 0]
        )

    network, meta = Calls(forward, table=nn.Embedding(5, 4), body=mlp()), mlp().to("meta")
    watch(network)
    watch(meta)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nested tensors are a prototype
        nested = torch.nested.nested_tensor([inputs(2), inputs(3)], layout=torch.jagged)
    return [
        *trained(network, torch.tensor([1, 2, 3])),
        network.body(nested).values(),
        network.body(inputs(0)),
        torch.tensor(meta(inputs().to("meta")).is_meta),
    ]


def shared_parts(watch):
    layer = nn.Linear(4, 4)
    network = nn.Sequential(layer, nn.ReLU(), layer, nn.Sequential(layer, nn.ReLU()), layer)
    watch(network)
    return trained(network)


def attention(watch):
    torch.manual_seed(0)
    network = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
    x = torch.randn(2, 3, 8)
    watch(network)
    results = trained(network, x)
    network.eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nested tensors are a prototype
        masked = network(x, src_key_padding_mask=torch.tensor([[False, False, True]] * 2))
        return [*results, network(x), network.layers[0](x), masked]


def attention_among_others(watch):
    def forward(self, x):
        h = F.relu(self.first(x))
        return self.last(F.relu(self.last(self.attention(h, h, h)[0])))

    parts = {"first": nn.Linear(8, 8), "last": nn.Linear(8, 8)}
    network = Calls(forward, attention=nn.MultiheadAttention(8, 2, batch_first=True), **parts)
    watch(network.eval())
    x = torch.randn(2, 3, 8)
    with torch.no_grad():
        first = network(x)
    return [first, *trained(network, x)]


def compiled(watch):
    graphs = []

    def backend(graph, example):
        graphs.append(len(graph.graph.nodes))
        return graph.forward

    torch._dynamo.reset()
    network, compile = mlp(), {"backend": backend, "fullgraph": True}
    act = torch.compile(lambda x: F.silu(x) * 2, **compile)
    whole = Calls(lambda s, x: act(s.body(x)), body=network)
    watch(whole)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's own
        y = torch.compile(network, **compile)(inputs())
        network[2] = torch.compile(network[2], **compile)
        return [y, *trained(whole), torch.tensor(graphs)]


def traced(watch):
    network, x = mlp(), inputs()
    watch(network)
    exported = torch.export.export(network, (x,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated
        script = torch.jit.trace(network, x)
    graphs = [exported, torch.fx.symbolic_trace(network), make_fx(network)(x)]
    nodes = [len(g.graph.nodes) for g in graphs] + [len(list(script.inlined_graph.nodes()))]
    return [torch.tensor(nodes), exported.module()(x), script(x), network(x)]


def functorch(watch):
    network, x = mlp(), inputs()
    watch(network)
    vectorised = Calls(lambda s, x: torch.func.vmap(s.body)(x), body=network)
    watch(vectorised)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the first forward derivative scripts functions
        forward = torch.func.jvp(network, (x,), (x,))
    return [vectorised(x), torch.func.jacrev(network)(x[0]), *forward]


def gradients_of_gradients(watch):
    def forward(self, x):
        x = x.detach().requires_grad_()
        (g,) = torch.autograd.grad(self.body(x).sum(), x, create_graph=True)
        return g

    network = Calls(forward, body=mlp())
    watch(network)
    return trained(network)


def computed_weights(watch):
    torch.manual_seed(0)
    network = mlp()
    parametrizations.weight_norm(network[0])
    parametrizations.spectral_norm(network[2])
    monitor = watch(network)
    results = trained(network)
    if monitor is not None:
        monitor.table()
        for definition in ("redo", "drm", "timoklein"):
            monitor.dormant_ratio(definition)
        with pytest.raises(InputError, match="the weight of 0 is computed"):
            monitor.dormant_ratio("grama-code")
    with parametrize.cached():
        again = [network(inputs()), network(inputs())]
    return results + again + list(network.state_dict().values())


def widths_that_change(watch):
    network, results = mlp(), []
    monitor = watch(network)
    for width in (8, 12, 4, 12):
        for part, key, shape in (
            (0, "weight", (width, 4)), (0, "bias", (width,)), (2, "weight", (8, width))
        ):  # fmt: skip
            setattr(network[part], key, nn.Parameter(torch.randn(shape)))
        results += trained(network)
        if monitor is not None and width == 4:
            monitor.snapshot()
    return results


def detached_in_the_middle(watch):
    def forward(self, x):
        y = F.relu(self.a(x))
        for monitor in self.state:
            thread = threading.Thread(target=monitor.detach)
            thread.start()
            thread.join()
        return F.relu(y)

    network = hidden(forward)
    network.state += [monitor for monitor in [watch(network)] if monitor is not None]
    return [network(inputs()), network(inputs())]


def generators(watch):
    def forward(self, x):
        for part in (self.a, self.b, self.c):
            x = F.relu(part(x))
            yield x

    network = hidden(forward)
    watch(network)
    return list(network(inputs()))


CASES = [
    recursion, hooks_of_others, errors_that_are_caught, interrupted_under_a_mode,
    a_mode_that_begins_inside, modes_of_others, saved_tensors, threads, replicas, copies,
    without_gradients, mixed_precision, bfloat16, what_is_not_float, shared_parts, attention,
    attention_among_others, compiled, traced, functorch, gradients_of_gradients, computed_weights,
    widths_that_change, detached_in_the_middle, generators,
]  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("by", GRADIENTS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_whatever_a_module_does_it_does_under_the_watch(case, by):
    check(case, by)


@pytest.mark.parametrize("by", GRADIENTS)
@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointing_is_as_ever_and_counts_once(reentrant, by):
    monitor = check(lambda watch: checkpointing(watch, reentrant), by)
    assert {(row["samples"], row["passes"]) for row in monitor.rows()} == {(5, 1)}
    assert len(monitor.rows()) == 2


def check(case, by):
    monitors = []

    def watch(network):
        monitors.append(Monitor(network, by=by))
        return monitors[-1]

    torch.manual_seed(0)
    expected = case(lambda network: None)
    torch.manual_seed(0)
    found = case(watch)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        assert one is None or torch.equal(one, other) or (one != one).equal(other != other)
    assert torch._C._len_torch_function_stack() == 0
    for monitor in monitors:
        assert "not seen: " not in monitor.table()
        monitor.detach()
        assert all(not p._backward_hooks for part in monitor.parts for p in part.parameters())
    return monitors[0]


def test_what_goes_wrong_in_the_monitor_is_told_and_stops_nothing(monkeypatch):
    def fails(*args):
        raise MemoryError("no room")

    network = mlp()
    expected = trained(network)[0]
    with Monitor(network) as monitor:
        monkeypatch.setattr("fast.monitor._finite", fails)
        assert torch.equal(trained(network)[0], expected)
        monkeypatch.undo()
        assert "not seen: MemoryError: no room" in monitor.table()
        network(inputs())
    assert len(monitor.rows()) == 2


# What is seen all the same


def test_recursive_and_threaded_calls_are_all_counted():
    assert check(recursion, "incoming").rows()[0]["samples"] == 5 * 5
    assert {row["samples"] for row in check(threads, "incoming").rows()} == {4 * 10 * 5}


def test_what_a_backward_hook_passes_on_is_followed():
    network = mlp()
    with Monitor(network) as plain:
        trained(network, inputs().requires_grad_())
    network.zero_grad()
    for part in network:
        part.register_full_backward_hook(lambda *args: None)
    with Monitor(network) as hooked:
        trained(network, inputs().requires_grad_())
    assert hooked.table() == plain.table()


def test_attention_is_watched_where_torch_does_not_fuse_it():
    network = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
    x = torch.randn(2, 3, 8)
    with Monitor(network) as monitor:
        network(x)
        (row,) = monitor.snapshot()
        assert (row["layer"], row["samples"]) == ("linear1", 6)
        network.eval()
        network(x)
        assert monitor.snapshot()[0]["samples"] == 6
        with torch.no_grad():
            network(x)
        assert monitor.rows() == []
        assert "a TransformerEncoderLayer not watched: torch may comp" in monitor.table()
    assert not torch.nn.modules.module._global_forward_hooks


def test_a_traced_call_is_not_counted_and_that_is_told():
    network = mlp()
    with Monitor(network) as monitor:
        torch.export.export(network, (inputs(),))
        assert monitor.rows() == []
        network(inputs())
    assert [row["samples"] for row in monitor.rows()] == [5, 5]
    assert "a call not watched: traced, exported, captured or in torch.func" in monitor.table()


class Actor(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.mean = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 2)

    def sample(self, x, scale=1):
        return self.mean(F.relu(self.fc2(F.relu(self.fc1(x))))) * scale


def test_a_method_other_than_forward_is_seen_through_call_and_the_table_says_so():
    actor = Actor()
    with Monitor(actor) as monitor:
        actor.sample(inputs())
        assert monitor.table() == (
            "no row for fc1, fc2, mean (called alone: `call` sees methods other than forward)"
        )
        monitor.snapshot()
        y = monitor.call(actor.sample, inputs(), scale=2)
        with pytest.raises(TypeError):
            monitor.call(actor.sample)
    assert torch.equal(y, actor.sample(inputs(), 2))
    assert [(row["layer"], row["samples"]) for row in monitor.rows()] == [("fc1", 5), ("fc2", 5)]
    assert torch.equal(monitor.call(actor.sample, inputs(), 2), y)  # not watched any more
    assert torch._C._len_torch_function_stack() == 0


# Activations of several functions


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z * z.sigmoid()

    @staticmethod
    def backward(ctx, g):
        (z,) = ctx.saved_tensors
        s = z.sigmoid()
        return g * s * (1 + z * (1 - s))


def gelu(z):
    return 0.5 * z * (1 + torch.tanh(0.79788456 * z * (1 + 0.044715 * z * z)))


WRITTEN = {
    "swish": lambda z: z * torch.sigmoid(z),
    "in place": lambda z: F.softplus(z).sub_(1),
    "swish in another type": lambda z: z * torch.sigmoid(z.double()).to(z.dtype),
    "swish of a function": Swish.apply,
    "QuickGELU": lambda z: z * torch.sigmoid(1.702 * z),
    "GELU by tanh": gelu,
    "GELU by pow": lambda z: 0.5 * z * (1 + torch.tanh(0.8 * (z + 0.044715 * z.pow(3)))),
    "shifted": lambda z: -5 + F.softplus(z + 5),
    "mish": lambda z: z * torch.tanh(F.softplus(z)),
    "hard swish": lambda z: z * F.relu6(z + 3) / 6,
    "squared": lambda z: F.relu(z) ** 2,
    "square": lambda z: F.relu(z).square(),
    "clipped": lambda z: F.relu(z).clamp(max=0.5),
    "absolute": lambda z: F.relu(z) + F.relu(-z),
    "ELU by where": lambda z: torch.where(z > 0, z, F.elu(z)),
    "after normalisation": lambda z: (lambda y: y * torch.sigmoid(y))(F.layer_norm(z, (8,))),
}


@pytest.mark.parametrize("by", GRADIENTS)
@pytest.mark.parametrize("name", WRITTEN)
def test_an_activation_of_several_functions_has_its_own_row_or_a_reason_why_not(name, by):
    act = WRITTEN[name]
    network = Calls(lambda s, x: s.b(act(s.a(x))), a=nn.Linear(4, 8), b=nn.Linear(8, 2)).double()
    x = torch.randn(64, 4, dtype=DOUBLE)
    with Monitor(network, by=by) as monitor:
        network(x).square().sum().backward()
    z = network.a(x).detach().requires_grad_()
    h = act(z)
    if name == "ELU by where":
        assert monitor.rows() == []
        assert "no row for a (its activation is written out" in monitor.table()
        return
    (row,) = monitor.rows()
    assert row["largest_share"] == scores.largest_share(h.detach()).item()
    assert row["largest_activation"] == scores.mean_activation(h.detach()).max().item()
    assert row["dormant_0.1"] == scores.dormant(h.detach(), 0.1).double().mean()
    assert row["srank"] == scores.srank(h.detach())
    assert monitor.table().endswith("\n\nno row for b (reaches no linear layer that is seen)")
    if name == "swish of a function" and by == "activation":  # inside h has no gradient
        assert math.isnan(row["grama_inactive"])
        return
    gradient = monitor.layers["a"].sums["gradient"]
    of_h, _ = torch.autograd.grad(network.b(h).square().sum(), (h, z))
    expected = {"incoming": network.a.weight.grad.abs().sum(1), "activation": of_h.abs().sum(0)}
    if by in expected:
        torch.testing.assert_close(gradient, expected[by])


def test_a_gated_unit_has_no_row_and_a_reason():
    gated = Calls(
        lambda s, x: s.c(F.silu(s.a(x)) * s.b(x)),
        a=nn.Linear(4, 8), b=nn.Linear(4, 8), c=nn.Linear(8, 2),
    )  # fmt: skip
    with Monitor(gated) as monitor:
        gated(inputs())
    assert monitor.rows() == []
    assert "no row for a (its activation is written out or gated by " in monitor.table()


@pytest.mark.parametrize(
    "after",
    [
        lambda h: F.dropout(h, 0.5),
        lambda h: h / h.norm(dim=1, keepdim=True),
        lambda h: h - h.mean(1, keepdim=True),
        lambda h: h * (torch.arange(8) % 2),
        lambda h: F.layer_norm(h, (8,)),
    ],
)
def test_what_comes_after_the_activation_does_not_belong_to_it(after):
    network = Calls(lambda s, x: s.c(after(F.relu(s.a(x)))), a=nn.Linear(4, 8), c=nn.Linear(8, 2))
    with Monitor(network) as monitor:
        network(inputs())
    h = F.relu(network.a(inputs())).detach()
    assert monitor.rows()[0]["largest_share"] == scores.largest_share(h).item()


# GraMa


def half_dead():
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).double()
    with torch.no_grad():
        network[0].bias[:4] = -1e3
    return network, torch.randn(32, 4, dtype=DOUBLE)


@pytest.mark.parametrize(
    ("by", "share"), [("incoming", 0.5), ("activation", 0.0), ("preactivation", 0.5)]
)
def test_grama_finds_the_dead_half_but_not_by_the_gradient_of_activations(by, share):
    network, x = half_dead()
    with Monitor(network, by=by) as monitor:
        network(x).square().sum().backward()
    assert monitor.rows()[0]["grama_inactive"] == share
    assert by in monitor.table()
    if by == "incoming":
        assert Monitor(network).by == by
        gradient = network[0].weight.grad
        assert torch.equal(monitor.layers["0"].sums["gradient"], gradient.abs().sum(1))
        assert scores.gradient_dormant(gradient, 0.01).double().mean() == share


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d, nn.Conv1d, nn.ConvTranspose1d])
def test_the_incoming_weights_of_a_convolution_are_those_of_its_channels(kind, groups):
    network = nn.Sequential(kind(4, 6, 2, groups=groups), nn.ReLU(), nn.Flatten(), nn.LazyLinear(1))
    x = torch.randn(3, 4, *[3] * int(kind.__name__[-2]), dtype=DOUBLE)
    network.double()(x)
    with torch.no_grad():
        network[0].bias[4] = -1e3  # this channel is dead, and no other
    with Monitor(network) as monitor:
        network(x).square().sum().backward()
    gradient = monitor.layers["0"].sums["gradient"]
    assert (gradient == 0).tolist() == [False] * 4 + [True, False]
    torch.testing.assert_close(gradient.sum(), network[0].weight.grad.abs().sum())


def test_a_weight_that_is_used_twice_has_one_gradient():
    layer = nn.Linear(4, 4)
    network = nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU(), nn.Linear(4, 1))
    with Monitor(network) as monitor:
        trained(network)
    assert torch.equal(monitor.layers["0"].sums["gradient"], layer.weight.grad.abs().sum(1))


@pytest.mark.parametrize("wrap", [parametrizations.weight_norm, parametrizations.spectral_norm])
def test_grama_reads_through_a_weight_that_is_computed(wrap):
    network, x = half_dead()
    wrap(network[0])
    with Monitor(network) as monitor:
        network(x).square().sum().backward()
    assert monitor.rows()[0]["grama_inactive"] == 0.5
    with Monitor(network, by="activation"), pytest.raises(InputError, match="is computed"):
        monitor.dormant_ratio("grama-code")


def test_of_gradients_only_those_until_the_next_snapshot_or_detach_count():
    network = mlp()
    monitor = Monitor(network)
    y = network(inputs()).sum()
    monitor.snapshot()
    y.backward(retain_graph=True)
    assert monitor.rows() == []
    network(inputs()).sum().backward()
    assert monitor.rows()[0]["passes"] == 1
    monitor.detach()
    y.backward()
    assert monitor.rows()[0]["passes"] == 1


# What is not finite


def test_a_sample_that_is_not_finite_is_left_out_counted_and_told():
    network, x = mlp(nn.ReLU()).double(), torch.randint(-8, 9, (16, 4)).double() / 4
    with torch.no_grad():
        for parameter in network.parameters():  # so that every sum is exact, in any order
            parameter.copy_(torch.randint(-8, 9, parameter.shape) / 4)
    with Monitor(network) as clean:
        network(x[1:])
    for bad in (math.nan, math.inf, -math.inf):
        x[0, 0] = bad
        with Monitor(network) as monitor:
            network(x)
        for row, expected in zip(monitor.rows(), clean.rows(), strict=True):
            assert repr(row) == repr(expected | {"samples_left_out": 1})
        assert "left out of 0: 1 of 16 samples, not finite" in monitor.table()
        for definition in ("redo", "dopamine", "timoklein", "plasticine", "drm"):
            assert monitor.dormant_ratio(definition) == clean.dormant_ratio(definition)


def test_where_nothing_is_finite_nothing_is_defined():
    network = mlp().half()
    network[0].weight.data[0] = 6e4
    with Monitor(network) as monitor:
        monitor.tap("tapped", torch.ones(2, 3), torch.full((2, 3), math.nan))
        network(torch.ones(3, 4).half())
    for row in monitor.rows():
        names = ("layer", "neurons", "samples", "samples_left_out", "passes", "passes_left_out")
        assert all(math.isnan(value) for key, value in row.items() if key not in names)
        assert row["samples"] == 0
    for definition in ("redo", "dopamine", "timoklein", "plasticine", "drm"):
        assert math.isnan(monitor.dormant_ratio(definition))
    assert "%" not in monitor.table()
    monitor.snapshot()
    assert monitor.before == {}


def test_sums_that_overflow_are_undefined():
    monitor = Monitor(nn.Identity())
    h = torch.full((2, 4), 3e38)
    monitor.tap("large", h, h)
    (row,) = monitor.rows()
    assert math.isnan(row["dormant_0.1"]) and math.isnan(row["largest_share"])


@pytest.mark.parametrize("by", GRADIENTS)
def test_a_backward_pass_that_overflows_is_left_out_counted_and_told(by):
    network, x = half_dead()
    with Monitor(network, by=by) as monitor:
        network(x).square().sum().backward()
        expected = monitor.rows()[0]["grama_inactive"]
        (network(x) * math.inf).sum().backward()
        (row,) = monitor.rows()
    assert (row["passes"], row["passes_left_out"]) == (1, 1)
    assert row["grama_inactive"] == expected
    assert "left out of 0: 1 of 2 backward passes, not finite" in monitor.table()
    with Monitor(network, by=by) as monitor:
        (network(x) * math.nan).sum().backward()
    assert math.isnan(monitor.rows()[0]["grama_inactive"])


def test_grama_code_of_a_gradient_that_is_not_finite_is_undefined():
    network, x = half_dead()
    (network(x) * math.nan).sum().backward()
    assert math.isnan(Monitor(network).dormant_ratio("grama-code"))


# Layers that change


@pytest.mark.parametrize("snapshot", [False, True])
def test_a_layer_of_another_width_begins_a_new_row_and_that_is_told(snapshot):
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    with Monitor(network) as monitor:
        network(inputs())
        if snapshot:
            monitor.snapshot()
        for part, key, shape in (
            (0, "weight", (12, 4)),
            (0, "bias", (12,)),
            (2, "weight", (2, 12)),
        ):
            setattr(network[part], key, nn.Parameter(torch.randn(shape)))
        network(inputs(3))
    (row,) = monitor.rows()
    assert (row["neurons"], row["samples"]) == (12, 3)
    assert math.isnan(row["overlap"])
    assert "8 neurons of 0 became 12: its row begins there" in monitor.table()


def test_a_tap_of_another_width_or_of_no_sample_stops_nothing():
    monitor = Monitor(nn.Identity())
    monitor.tap("a", torch.ones(2, 3), torch.ones(2, 3))
    monitor.tap("a", torch.ones(0, 3), torch.ones(0, 3))
    assert [(row["neurons"], row["samples"]) for row in monitor.rows()] == [(3, 2)]
    monitor.tap("a", torch.ones(1, 4), torch.ones(1, 4))
    assert [(row["neurons"], row["samples"]) for row in monitor.rows()] == [(4, 1)]


def test_the_largest_activation_tells_a_neuron_that_grows_from_one_that_survives():
    seen = {}
    for name, h in (("grows", [9.0, 1.0]), ("survives", [1.0, 1 / 9])):
        monitor = Monitor(nn.Identity())
        h = torch.tensor([h, h], dtype=DOUBLE)
        monitor.tap("layer", h, h)
        (row,) = monitor.rows()
        seen[name] = row["largest_activation"]
        assert row["largest_share"] == pytest.approx(0.9, rel=2**-50)  # in both
    assert seen == {"grows": 9, "survives": 1}
