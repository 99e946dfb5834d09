"""ref's autograd and networks against torch: values, gradients, kinks, initial weights."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from fast import config as configs
from fast.agents.drq import DrQ
from fast.nets import layers
from ref import autograd as ag
from ref import nn
from ref.agents import drq

SEEDS = st.integers(0, 2**32 - 1)
# Both sides evaluate one formula in float64; a value of order 1 is right to a few units in 2^-53,
# and sums of at most some hundreds of such terms to some thousands of them.
ROUNDING = 1e-12

ACTIVATIONS = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "sigmoid": torch.sigmoid,
    "softplus": lambda x: F.softplus(x, threshold=40),
    "silu": F.silu,
    "gelu": F.gelu,
    "elu": F.elu,
    "tanh": torch.tanh,
    "erf": torch.erf,
}
KINKS = np.array([-0.0, 0.0, 1.0, -1.0])


def close(x, y):
    return np.abs(np.asarray(x) - y.detach().numpy()).max() <= ROUNDING * (1 + np.abs(x).max())


@pytest.mark.parametrize("name", ACTIVATIONS)
@given(seed=SEEDS)
def test_activations_have_torchs_values_and_gradients_also_at_zero(name, seed):
    rng = np.random.default_rng(seed)
    x = np.concatenate([3 * rng.standard_normal(6), KINKS])
    w = rng.standard_normal(len(x))
    f = getattr(ag, name)
    t = torch.from_numpy(x).requires_grad_()
    y = ACTIVATIONS[name](t)
    (y * torch.from_numpy(w)).sum().backward()
    assert close(f(x), y)
    assert close(ag.grad(lambda a: ag.sum(f(a) * w))(x), t.grad)


@pytest.mark.parametrize("name", ["minimum", "maximum"])
@given(seed=SEEDS)
def test_ties_of_minimum_and_maximum_are_torchs(name, seed):
    x, y = np.random.default_rng(seed).integers(-1, 2, (2, 8)).astype(float)
    ours = ag.grad(lambda p: ag.sum(getattr(ag, name)(p["x"], p["y"])))({"x": x, "y": y})
    theirs = [torch.from_numpy(v).requires_grad_() for v in (x, y)]
    getattr(torch, name)(*theirs).sum().backward()
    assert np.array_equal(ours["x"], theirs[0].grad.numpy())
    assert np.array_equal(ours["y"], theirs[1].grad.numpy())


@given(seed=SEEDS)
def test_clip_at_and_beyond_its_bounds_is_torchs(seed):
    x = np.random.default_rng(seed).integers(-2, 3, 8).astype(float)
    t = torch.from_numpy(x).requires_grad_()
    t.clamp(-1, 1).sum().backward()
    assert np.array_equal(ag.grad(lambda a: ag.sum(ag.clip(a, -1, 1)))(x), t.grad.numpy())


@given(seed=SEEDS, stride=st.integers(1, 3), kernel=st.integers(1, 3), spare=st.integers(0, 4))
def test_convolutions_have_torchs_values_and_gradients(seed, stride, kernel, spare):
    rng = np.random.default_rng(seed)
    size = kernel + spare
    params = {
        "x": rng.standard_normal((2, 3, size, size)),
        "c.weight": rng.standard_normal((4, 3, kernel, kernel)),
        "c.bias": rng.standard_normal(4),
    }
    y, gradients = ag.value_and_grad(lambda p: ag.sum(ag.tanh(nn.conv2d(p, "c", p["x"], stride))))(
        params
    )
    tensors = {k: torch.from_numpy(v).requires_grad_() for k, v in params.items()}
    t = torch.tanh(F.conv2d(tensors["x"], tensors["c.weight"], tensors["c.bias"], stride)).sum()
    t.backward()
    assert close(y, t)
    assert all(close(gradients[k], tensors[k].grad) for k in params)


@given(seed=SEEDS, norm=st.booleans(), batch=st.integers(1, 5), width=st.integers(2, 6))
def test_a_head_has_fasts_values_taps_and_gradients(seed, norm, batch, width):
    rng = np.random.default_rng(seed)
    params = nn.init_mlp(rng, (3, width, width, 2), norm=norm)
    params = {k: v + 0.1 * rng.standard_normal(v.shape) for k, v in params.items()}
    head = layers.MLP(3, (width, width), 2, norm=layers.layer_norm(1e-6) if norm else None).double()
    head.load_state_dict({k: torch.from_numpy(v) for k, v in params.items()})
    x = rng.standard_normal((batch, 3))

    def loss(p, taps):
        return ag.mean(nn.mlp(p, x, taps=taps) ** 2)

    ours = {}
    value, gradients = ag.value_and_grad(loss)(params, ours)
    with layers.tapped(head) as theirs:
        t = (head(torch.from_numpy(x)) ** 2).mean()
    t.backward()
    assert close(value, t)
    assert ours.keys() == theirs.keys()
    for layer, (z, h) in ours.items():
        assert close(z.value, theirs[layer][0])
        assert close(h.value, theirs[layer][1])
    for name, p in head.named_parameters():
        # LayerNorm divides by the root of the variance + 1e-6: it amplifies rounding up to 1e3
        assert np.abs(gradients[name] - p.grad.numpy()).max() < 1e3 * ROUNDING


@given(seed=SEEDS, batch=st.integers(1, 5), width=st.integers(3, 6), neurons=st.integers(3, 6))
def test_a_block_of_bro_net_has_fasts_values_taps_and_gradients(seed, batch, width, neurons):
    rng = np.random.default_rng(seed)
    norm = layers.layer_norm(1e-6)
    block = layers.Block(width, neurons, F.relu, norm, normed=True).double()
    shapes = {name: p.shape for name, p in block.named_parameters()}
    params = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    block.load_state_dict({k: torch.from_numpy(v) for k, v in params.items()})
    x, w = rng.standard_normal((2, batch, width))
    ours = {}
    value, gradients = ag.value_and_grad(
        lambda p: ag.sum(nn.residual_block(p, p["x"], taps=ours) * w)
    )(params | {"x": x})
    t = torch.from_numpy(x).requires_grad_()
    with layers.tapped(block) as theirs:
        out = ((t + block(t)) * torch.from_numpy(w)).sum()
    out.backward()
    gradients = {k: (v, t.grad if k == "x" else dict(block.named_parameters())[k].grad)
                 for k, v in gradients.items()}  # fmt: skip
    # Two norms, each of which divides by the root of the variance + 1e-6: relative to the largest.
    largest = max(np.abs(v).max() for v, _ in gradients.values())
    assert abs(value - out.item()) <= 1e-10 * (1 + abs(value))
    assert all(np.abs(v - g.numpy()).max() <= 1e-10 * (1 + largest) for v, g in gradients.values())
    assert [*ours] == [*theirs] == ["dense", "out"]
    for layer, (z, h) in ours.items():
        assert np.abs(z.value - theirs[layer][0].detach().numpy()).max() <= 1e-10
        assert np.abs(h.value - theirs[layer][1].detach().numpy()).max() <= 1e-10


@given(seed=SEEDS, width=st.integers(2, 6), eps=st.sampled_from([1e-6, 1e-5]))
def test_layer_norm_and_log_softmax_are_torchs(seed, width, eps):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3, width))
    params = {"n.weight": rng.standard_normal(width), "n.bias": rng.standard_normal(width)}
    weight, bias = (torch.from_numpy(v) for v in params.values())
    theirs = F.layer_norm(torch.from_numpy(x), (width,), weight, bias, eps)
    assert np.abs(nn.layer_norm(params, "n", x, eps) - theirs.numpy()).max() < 1e3 * ROUNDING
    assert close(ag.log_softmax(x), F.log_softmax(torch.from_numpy(x), -1))


@given(seed=SEEDS, shape=st.sampled_from([(3, 5), (5, 3), (4, 4), (1, 3), (6, 2, 3, 3)]))
def test_orthogonal_weights_are_torchs_for_the_same_draws(seed, shape):
    theirs, g = torch.empty(shape, dtype=torch.float64), torch.Generator()
    torch.nn.init.orthogonal_(theirs, math.sqrt(2), generator=g.manual_seed(seed))
    flat = (shape[0], math.prod(shape[1:]))
    draws = torch.empty(flat, dtype=torch.float64).normal_(0, 1, generator=g.manual_seed(seed))
    ours = nn.orthogonal(draws.numpy().reshape(shape), nn.SQRT2)
    # a QR amplifies rounding by the condition of the draws: square ones can be near singular
    condition = np.linalg.cond(draws.numpy())
    assert np.abs(ours - theirs.numpy()).max() < ROUNDING * (1 + condition)


@pytest.mark.parametrize("method", ["baseline", "lnwd"])
def test_a_new_agent_has_the_names_shapes_and_sizes_of_fasts(method):
    config = configs.build("drq", "cartpole-swingup", method, "tiny")
    g = torch.Generator().manual_seed(0)
    made = DrQ(config.agent, configs.seen(config), 2, g)
    critic, actor = made.critic.module, made.actor.module
    s = config.agent
    agent = drq.init_agent(
        np.random.default_rng(0),
        *(9, config.env.size, 2),
        drq.Settings(strides=s.strides),
        *(s.channels, s.latent, s.hidden[0], method == "lnwd"),
    )
    for module, params in ((critic, agent.critic), (actor, agent.actor)):
        expected = dict(module.named_parameters())
        assert {k: v.shape for k, v in params.items()} == {k: v.shape for k, v in expected.items()}
        for k, v in params.items():
            if k == "trunk.weight":  # draws of one law: 5 % is 7 standard errors of its std
                assert v.std() == pytest.approx(expected[k].std().item(), rel=0.05)
            else:  # orthogonal with one gain, or constant: the same norm
                norm = expected[k].norm().item()
                assert np.linalg.norm(v) == pytest.approx(norm, rel=1e-6)  # torch's are float32
    assert all(np.array_equal(agent.target[k], agent.critic[k]) for k in agent.critic)
