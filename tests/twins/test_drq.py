"""One DrQ update of ref against fast's agent, in float64 on the CPU, from the same state and draws.

Bounds. One update from the same state differs by the order of sums alone: 1e-10 relative, which is
some 1e6 units in 2^-53, and a wrong term is off by far more. Adam divides by the root of its second
moment, so where a gradient is tiny it amplifies that rounding: ten free updates are held to 1e-8.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fast import config as configs
from fast import losses
from fast.agents import drq as fast_drq
from fast.experience.replay import Batch as FastBatch
from fast.nets.heads import squashed_sample
from ref import autograd as ag
from ref import optim
from ref.agents import drq


def fast_agent(method="baseline", size=20, channels=3, actions=2, seed=1, strides=(2, 1), **agent):
    """fast's agent in float64 with small networks."""
    config = configs.build("drq", "cartpole-swingup", method, "tiny")
    small = {"channels": channels, "strides": strides, "latent": 5, "hidden": (7, 7)}
    bins = {"low": -2.0, "high": 2.0, "bins": 6, "sigma": 0.5}  # some targets are clipped
    s = replace(config.agent, **(small | bins | agent))
    made = fast_drq.DrQ(s, (9, size, size), actions, torch.Generator().manual_seed(seed))
    for held in made.learners.values():  # before its Adam has made any moments
        held.module.double()
    made.critic.slow.double()
    edges = losses.bin_edges(s.low, s.high, s.bins)
    for critic in (made.critic.module, made.critic.slow):  # not those of float32, made double
        critic.edges, critic.centres = edges, losses.centres(edges)
    g = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():  # biases and norms away from their start, target away from the critic
        for module in (made.critic.module, made.critic.slow, made.actor.module):
            for p in module.parameters():
                p += 0.1 * torch.randn(p.shape, generator=g, dtype=p.dtype)
    return made


def params_of(module):
    return {name: p.detach().numpy().copy() for name, p in module.named_parameters()}


def same_agent(made):
    """ref's agent with the parameters of a new agent of fast, and its settings."""
    critic, target, actor = map(
        params_of, (made.critic.module, made.critic.slow, made.actor.module)
    )
    temperature = {"log": made.temperature.module.log.detach().numpy().copy()}
    states = (optim.start_adam(params) for params in (critic, actor, temperature))
    agent = made.settings
    same = drq.Settings(
        strides=agent.strides,
        learning_rate=agent.learning_rate,
        temperature_learning_rate=agent.temperature_learning_rate,
        betas=agent.betas,
        adam_eps=agent.adam_eps,
        weight_decay=agent.weight_decay,
        averaging_rate=agent.averaging_rate,
        pad=agent.pad,
        target_entropy_per_action=agent.target_entropy_per_action,
        histogram=None
        if agent.loss == "mse"
        else drq.Histogram(agent.low, agent.high, agent.bins, agent.sigma),
    )
    return drq.Agent(critic, target, actor, temperature, *states), same


def batch_and_draws(made, batch, size, seed):
    """The same transitions and random numbers for ref and for fast."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (2, batch, 9, size, size), dtype=np.uint8)
    given_ = drq.Batch(
        pictures[0],
        rng.uniform(-1, 1, (batch, made.actions)),
        rng.standard_normal(batch),
        0.99 * rng.integers(0, 2, batch),
        pictures[1],
    )
    m, k = made.settings.critic_augmentations, made.settings.target_augmentations
    drawn = drq.Draws(
        rng.integers(0, 2 * made.settings.pad + 1, (m, batch, 2)),
        rng.integers(0, 2 * made.settings.pad + 1, (k, batch, 2)),
        rng.standard_normal((k, batch, made.actions)),
        rng.standard_normal((batch, made.actions)),
    )
    tensors = [map(torch.from_numpy, x) for x in (given_, drawn)]
    return given_, drawn, FastBatch(*tensors[0]), fast_drq.Draws(*tensors[1])


def distance(found, expected):
    """The largest L2 distance of a tensor, relative to its L2 norm.

    Below a norm of 1e-3 relative to that: a gradient may be nothing but rounding.
    """
    assert found.keys() == expected.keys()
    return max(
        np.linalg.norm(found[k] - expected[k]) / max(np.linalg.norm(expected[k]), 1e-3)
        for k in expected
    )


def after(made):
    return {
        "critic": params_of(made.critic.module),
        "target": params_of(made.critic.slow),
        "actor": params_of(made.actor.module),
        "temperature": {"log": made.temperature.module.log.detach().numpy()},
    }


def gradients_of(module):
    return {name: p.grad.numpy() for name, p in module.named_parameters()}


@settings(max_examples=10)
@given(
    method=st.sampled_from(["baseline", "lnwd", "hl-gauss"]),
    size=st.integers(9, 20),
    channels=st.integers(1, 4),
    actions=st.integers(1, 3),
    batch=st.integers(1, 5),
    strides=st.sampled_from([(1,), (2, 1), (1, 2, 1)]),
    pictures=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    seed=st.integers(0, 2**32 - 1),
)
def test_one_update_from_the_same_state_is_the_same(
    method, size, channels, actions, batch, strides, pictures, seed
):
    m, k = pictures
    made = fast_agent(
        method,
        size,
        channels,
        actions,
        seed,
        strides,
        critic_augmentations=m,
        target_augmentations=k,
    )
    agent, same = same_agent(made)
    transitions, draws, fast_batch, fast_draws = batch_and_draws(made, batch, size, seed)
    fast_info = made.update(fast_batch, fast_draws, 1)
    agent, info = drq.update(agent, transitions, draws, same)
    for name in ("critic_loss", "actor_loss", "entropy", "target"):
        assert info[name] == pytest.approx(fast_info[name].item(), rel=1e-10, abs=1e-10)
    assert distance(info["critic_gradients"], gradients_of(made.critic.module)) < 1e-10
    assert distance(info["actor_gradients"], gradients_of(made.actor.module)) < 1e-10


def state_of(made, agent):
    """ref's agent with fast's parameters and the state of its optimizers."""
    parts = {}
    for part, held in made.learners.items():
        parts[f"{part}_state"] = {
            slot: {name: tensor.numpy().astype(float) for name, tensor in values.items()}
            for slot, values in held.state.items()
        }
    return agent._replace(
        **{k: {n: v.copy() for n, v in p.items()} for k, p in after(made).items()}, **parts
    )


@pytest.mark.parametrize("method", ["baseline", "lnwd", "hl-gauss"])
def test_updates_from_fasts_own_state_are_the_same_at_every_step(method):
    """No rounding is carried on: ref begins each step where fast does, moments and all."""
    made = fast_agent(method, seed=6, learning_rate=1e-2, averaging_rate=0.05)
    agent, same = same_agent(made)
    for count in range(1, 7):
        if count > 1:
            agent = state_of(made, agent)
        transitions, draws, fast_batch, fast_draws = batch_and_draws(made, 4, 20, count)
        fast_info = made.update(fast_batch, fast_draws, count)
        agent, info = drq.update(agent, transitions, draws, same)
        for name in ("critic_loss", "actor_loss", "entropy", "target"):
            assert info[name] == pytest.approx(fast_info[name].item(), rel=1e-10, abs=1e-10)
        assert distance(info["critic_gradients"], gradients_of(made.critic.module)) < 1e-10
        assert distance(info["actor_gradients"], gradients_of(made.actor.module)) < 1e-10
        expected = after(made)
        assert max(distance(getattr(agent, k), expected[k]) for k in expected) < 1e-8


def apart(made, size, batch, updates):
    """How far ref and fast are apart after as many updates, each on its own."""
    agent, same = same_agent(made)
    for count in range(1, updates + 1):
        transitions, draws, fast_batch, fast_draws = batch_and_draws(made, batch, size, count)
        made.update(fast_batch, fast_draws, count)
        agent, _ = drq.update(agent, transitions, draws, same)
    expected = after(made)
    return max(distance(getattr(agent, k), expected[k]) for k in expected)


@pytest.mark.parametrize("method", ["baseline", "lnwd", "hl-gauss"])
def test_ten_free_updates_end_at_the_same_parameters(method):
    made = fast_agent(method, seed=3, learning_rate=1e-3, averaging_rate=0.05)
    assert apart(made, size=20, batch=4, updates=10) < 1e-8


@pytest.mark.slow
def test_updates_agree_at_full_size():
    made = fast_agent(size=84, channels=32, seed=4, strides=(2, 1, 1, 1))
    assert apart(made, size=84, batch=4, updates=10) < 1e-8


@given(seed=st.integers(0, 2**32 - 1), pad=st.integers(0, 4), size=st.integers(1, 6))
def test_shifts_are_bit_equal_and_the_middle_one_is_the_identity(seed, pad, size):
    rng = np.random.default_rng(seed)
    obs = rng.integers(0, 256, (3, 2, size, size), dtype=np.uint8)
    shift = rng.integers(0, 2 * pad + 1, (3, 2))
    expected = fast_drq.random_shift(torch.from_numpy(obs), torch.from_numpy(shift), pad)
    assert np.array_equal(drq.random_shift(obs, shift, pad), expected.numpy())
    assert np.array_equal(drq.random_shift(obs, np.full((3, 2), pad), pad), obs)


@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([0.1, 1.0, 30.0]))
def test_squashed_samples_and_their_densities_are_the_same(seed, scale):
    rng = np.random.default_rng(seed)
    mean, log_std, noise = scale * rng.standard_normal((3, 4, 2))
    found = drq.squashed_sample(mean, np.clip(log_std, -10, 2), noise)
    tensors = torch.from_numpy(np.stack([mean, np.clip(log_std, -10, 2), noise]))
    for x, y in zip(found, squashed_sample(*tensors), strict=True):
        # each side rounds a few sums of terms of this size
        assert np.abs(x - y.numpy()).max() < 1e-12 * (1 + scale**2)


def test_equal_values_of_both_heads_share_the_actors_gradient():
    """The tie of min Q: both backends give each head half, as jaxrl's minimum does.

    The heads are twins but for the sign of what they read of the action, and every action is 0: so
    the two values are equal and their slopes opposite, and half of each is nothing.
    """
    made = fast_agent(seed=5)
    latent = made.critic.module.trunk.out_features
    with torch.no_grad():
        first, second = made.critic.module.heads
        for p, q in zip(first.parameters(), second.parameters(), strict=True):
            q.copy_(p)
        second.dense0.weight[:, latent:] *= -1
        made.actor.module.head.final.weight.zero_()
        made.actor.module.head.final.bias.zero_()
    agent, same = same_agent(made)
    transitions, draws, fast_batch, _ = batch_and_draws(made, 4, 20, 0)
    quiet = np.zeros_like(draws.noise)

    _, ours = ag.value_and_grad(drq.actor_loss)(agent.actor, agent, transitions.obs, quiet, same)
    features = made.critic.module.encoder(fast_batch.obs)
    made.actor_loss(features, torch.from_numpy(quiet))[0].backward()
    for gradients in (ours, gradients_of(made.actor.module)):
        of_mean = gradients["head.final.bias"][: made.actions]
        assert np.array_equal(of_mean, np.zeros(made.actions))
