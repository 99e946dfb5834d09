"""One SAC update of ref against fast's agent, in float64 on the CPU, from the same state and draws.

The bounds are those of test_drq.py: 1e-10 for one update from one state, 1e-8 where Adam's division
by the root of a small second moment amplifies rounding.
"""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fast.agents import sac as fast_sac
from ref import autograd as ag
from ref import optim
from ref.agents import sac

INPUTS, ACTIONS = 4, 2


class Batch(NamedTuple):
    obs: torch.Tensor
    action: torch.Tensor
    reward: torch.Tensor
    discount: torch.Tensor
    next_obs: torch.Tensor


def fast_agent(seed=1, **changes):
    """fast's agent in float64, away from its initial biases and norms, target and critic apart."""
    s = fast_sac.SACSettings(hidden=(7, 5), **changes)
    return moved(fast_sac.SAC(s, (INPUTS,), ACTIONS, torch.Generator().manual_seed(seed)), seed)


def moved(made, seed):
    """An agent with a target critic, in float64 and all its parameters a little apart."""
    g = torch.Generator().manual_seed(seed + 1)
    for module in (*(held.module for held in made.learners.values()), made.critic.slow):
        module.double()
        with torch.no_grad():
            for p in module.parameters():
                p += 0.1 * torch.randn(p.shape, generator=g, dtype=p.dtype)
    return made


def params_of(module):
    return {name: p.detach().numpy().copy() for name, p in module.named_parameters()}


def parts_of(made):
    """Of every learner the parameters, and the state of their Adam."""
    parts = {name: params_of(held.module) for name, held in made.learners.items()}
    for name, held in made.learners.items():
        parts[f"{name}_state"] = {
            slot: {k: v.numpy().astype(float) for k, v in values.items()}
            for slot, values in held.state.items()
        } or optim.start_adam(parts[name])
    return parts


def same_agent(made):
    """ref's agent in the state of fast's, and its settings."""
    s = made.settings
    names = sac.Settings._fields[1:]
    activation = {"relu": ag.relu, "tanh": ag.tanh}[s.activation]
    same = sac.Settings(activation, **{name: getattr(s, name) for name in names})
    return sac.Agent(target=params_of(made.critic.slow), **parts_of(made)), same


def batch_and_draws(seed, batch=4):
    """The same transitions and random numbers for ref and for fast."""
    rng = np.random.default_rng(seed)
    given_ = sac.Batch(
        rng.standard_normal((batch, INPUTS)),
        rng.uniform(-1, 1, (batch, ACTIONS)),
        rng.standard_normal(batch),
        0.99 * rng.integers(0, 2, batch),
        rng.standard_normal((batch, INPUTS)),
    )
    drawn = sac.Draws(*rng.standard_normal((2, batch, ACTIONS)))
    tensors = [torch.from_numpy(x) for x in (*given_, *drawn)]
    return given_, drawn, Batch(*tensors[:5]), fast_sac.Draws(tensors[5], tensors[6][None])


def distance(found, expected):
    """The largest L2 distance of a tensor relative to its norm, or to 1e-3 if that is smaller."""
    assert found.keys() == expected.keys()
    return max(
        np.linalg.norm(found[k] - expected[k]) / max(np.linalg.norm(expected[k]), 1e-3)
        for k in expected
    )


def gradients_of(held):
    return {name: p.grad.numpy() for name, p in held.module.named_parameters()}


@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**31),
    batch=st.integers(1, 5),
    activation=st.sampled_from(["relu", "tanh"]),
    normalisation=st.sampled_from(["none", "layer_norm"]),
    weight_decay=st.sampled_from([0.0, 0.1]),
    reward_scale=st.sampled_from([0.1, 1.0]),
)
def test_one_update_from_the_same_state_is_the_same(seed, batch, **changes):
    made = fast_agent(seed, **changes)
    agent, same = same_agent(made)
    transitions, draws, fast_batch, fast_draws = batch_and_draws(seed, batch)
    fast_info = made.update(fast_batch, fast_draws, 1)
    agent, info = sac.update(agent, transitions, draws, same)
    for name in ("critic_loss", "actor_loss", "entropy", "target"):
        assert info[name] == pytest.approx(fast_info[name].item(), rel=1e-10, abs=1e-10)
    assert distance(info["critic_gradients"], gradients_of(made.critic)) < 1e-10
    assert distance(info["actor_gradients"], gradients_of(made.actor)) < 1e-10


@pytest.mark.parametrize("normalisation", ["none", "layer_norm"])
def test_every_step_from_fasts_own_state_is_the_same(normalisation):
    """No rounding is carried on: ref begins each step where fast does, moments and all."""
    made = fast_agent(6, normalisation=normalisation, averaging_rate=0.05, weight_decay=0.01)
    for count in range(1, 8):
        agent, same = same_agent(made)
        transitions, draws, fast_batch, fast_draws = batch_and_draws(count)
        made.update(fast_batch, fast_draws, count)
        agent, info = sac.update(agent, transitions, draws, same)
        assert distance(info["critic_gradients"], gradients_of(made.critic)) < 1e-10
        assert distance(info["actor_gradients"], gradients_of(made.actor)) < 1e-10
        expected, _ = same_agent(made)
        for part in ("critic", "target", "actor", "temperature"):
            assert distance(getattr(agent, part), getattr(expected, part)) < 1e-8
