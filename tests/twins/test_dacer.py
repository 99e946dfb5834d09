"""DACER's losses in ref against fast's agent, in float64 on the CPU, from the same state.

The bound is that of test_drq.py: a difference of 1e-10 is far above what the order of sums makes.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fast.agents import dacer as fast_dacer
from fast.experience.replay import Batch as FastBatch
from ref import autograd as ag
from ref.agents import dacer

INPUTS, ACTIONS = 4, 2


def fast_agent(seed, **changes):
    """fast's agent in float64, away from its initial biases and norms, target and critic apart."""
    small = {"hidden": (7, 5), "time_features": 4, "alpha_period": 1000}
    s = fast_dacer.DACERSettings(**small, **changes)
    made = fast_dacer.DACER(s, (INPUTS,), ACTIONS, torch.Generator().manual_seed(seed))
    g = torch.Generator().manual_seed(seed + 1)
    for module in (*(held.module for held in made.learners.values()), made.critic.slow):
        module.double()
        with torch.no_grad():
            for p in module.parameters():
                p += 0.3 * torch.randn(p.shape, generator=g, dtype=p.dtype)
    return made


def params_of(module):
    return {name: p.detach().numpy().copy() for name, p in module.named_parameters()}


def batch_and_draws(seed, batch, steps):
    """The same transitions and random numbers for ref and for fast."""
    rng = np.random.default_rng(seed)
    given_ = dacer.Batch(
        rng.standard_normal((batch, INPUTS)),
        rng.uniform(-1, 1, (batch, ACTIONS)),
        rng.standard_normal(batch),
        0.99 * rng.integers(0, 2, batch),
        rng.standard_normal((batch, INPUTS)),
    )
    noise = rng.standard_normal((2, steps + 1, batch, ACTIONS))
    drawn = *noise, 2 * rng.standard_normal((2, batch))
    tensors = *map(torch.from_numpy, drawn), torch.tensor(0)
    return given_, drawn, FastBatch(*map(torch.from_numpy, given_)), fast_dacer.Draws(*tensors)


def distance(found, expected):
    """The largest L2 distance of a tensor relative to its norm, or to 1e-3 if that is smaller."""
    assert found.keys() == expected.keys()
    return max(
        np.linalg.norm(found[k] - expected[k]) / max(np.linalg.norm(expected[k]), 1e-3)
        for k in expected
    )


def gradients_of(held, loss):
    held.backward(loss)
    return {name: p.grad.numpy().copy() for name, p in held.module.named_parameters()}


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**31),
    batch=st.integers(1, 4),
    steps=st.sampled_from([1, 2, 5]),
    activation=st.sampled_from(["relu", "swish"]),
    normalisation=st.sampled_from(["none", "layer_norm"]),
    spread=st.sampled_from([0.0, 0.2]),
    reward_scale=st.sampled_from([0.2, 1.0]),
)
def test_losses_and_gradients_of_the_same_state_are_the_same(
    seed, batch, steps, activation, spread, **changes
):
    made = fast_agent(seed, steps=steps, activation=activation, **changes)
    made.critic.module.spread.copy_(torch.tensor([spread, 2 * spread]))
    critic, target, actor = map(
        params_of, (made.critic.module, made.critic.slow, made.actor.module)
    )
    same = dacer.Settings(
        steps, 4, {"relu": ag.relu, "swish": ag.silu}[activation],
        reward_scale=made.settings.reward_scale,
    )  # fmt: skip
    transitions, (next_noise, noise, value), fast_batch, fast_draws = batch_and_draws(
        seed, batch, steps
    )
    alpha = made.alpha.item()
    wanted = dacer.target_values(target, actor, transitions, alpha, next_noise, value, same)
    found = made.target(fast_batch, fast_draws)
    for ours, theirs in zip(wanted, found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)
    (loss, moved), gradients = ag.value_and_grad(dacer.critic_loss)(
        critic, transitions, *wanted, made.critic.module.spread.tolist(), same
    )
    fast_loss, fast_moved = made.critic_loss(fast_batch, *found)
    assert loss == pytest.approx(fast_loss.item(), rel=1e-10, abs=1e-10)
    np.testing.assert_allclose(moved, fast_moved, rtol=1e-10)
    assert distance(gradients, gradients_of(made.critic, fast_loss)) < 1e-10
    loss, gradients = ag.value_and_grad(dacer.actor_loss)(
        actor, critic, transitions.obs, alpha, noise, same
    )
    fast_loss = made.actor_loss(fast_batch.obs, fast_draws.noise)
    assert loss == pytest.approx(fast_loss.item(), rel=1e-10, abs=1e-10)
    assert distance(gradients, gradients_of(made.actor, fast_loss)) < 1e-10


@given(seed=st.integers(0, 2**31), components=st.integers(1, 3), n=st.integers(1, 4))
def test_the_entropy_of_a_mixture_is_the_same(seed, components, n):
    rng = np.random.default_rng(seed)
    weight = rng.dirichlet(np.ones(components))
    root = rng.standard_normal((components, n, n))
    covariance = root @ root.transpose(0, 2, 1) + 0.1 * np.eye(n)
    found = fast_dacer.mixture_entropy(weight, covariance)
    assert dacer.mixture_entropy(weight, covariance) == pytest.approx(found, rel=1e-10, abs=1e-10)
