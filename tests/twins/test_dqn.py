"""One DQN update of ref against fast's agent, in float64 on the CPU, from the same state and draws.

The bounds are those of test_drq.py.
"""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fast.agents import dqn as fast_dqn
from ref import optim
from ref.agents import dqn

SIZE, ACTIONS = 9, 3


class Batch(NamedTuple):
    obs: torch.Tensor
    action: torch.Tensor
    reward: torch.Tensor
    discount: torch.Tensor
    next_obs: torch.Tensor


def fast_agent(seed=1, **changes):
    """fast's agent in float64, away from its initial biases and norms, target and critic apart."""
    s = fast_dqn.DQNSettings(**({"channels": (3, 2), "kernels": (4, 2), "strides": (2, 1),
                                 "hidden": (5,)} | changes))  # fmt: skip
    made = fast_dqn.DQN(s, (2, SIZE, SIZE), ACTIONS, torch.Generator().manual_seed(seed))
    g = torch.Generator().manual_seed(seed + 1)
    for module in (made.critic.module, made.critic.slow):
        module.double()
        with torch.no_grad():
            for p in module.parameters():
                p += 0.1 * torch.randn(p.shape, generator=g, dtype=p.dtype)
    return made


def params_of(module):
    return {name: p.detach().numpy().copy() for name, p in module.named_parameters()}


def same_agent(made):
    """ref's agent in the state of fast's, and its settings."""
    s, params = made.settings, params_of(made.critic.module)
    state = {
        slot: {k: v.numpy().astype(float) for k, v in values.items()}
        for slot, values in made.critic.state.items()
    } or optim.start_adam(params)
    named = {name: getattr(s, name) for name in dqn.Settings._fields if name != "same"}
    same = dqn.Settings(same=s.padding == "same", **named)
    return dqn.Agent(params, params_of(made.critic.slow), state), same


def batch_and_draws(seed, batch, made):
    """The same transitions and random numbers for ref and for fast."""
    rng, s = np.random.default_rng(seed), made.settings
    given_ = dqn.Batch(
        rng.integers(0, 256, (batch, 2, SIZE, SIZE)).astype(float),
        rng.integers(0, ACTIONS, batch),
        2 * rng.standard_normal(batch),
        0.99 * rng.integers(0, 2, batch),
        rng.integers(0, 256, (batch, 2, SIZE, SIZE)).astype(float),
    )
    tensors = [torch.from_numpy(x) for x in given_]
    tensors[1] = tensors[1][:, None].float()
    if s.pad == s.intensity == 0:
        return given_, None, Batch(*tensors), None
    shift, bright = rng.integers(0, 2 * s.pad + 1, (2, batch, 2)), rng.standard_normal((2, batch))
    drawn = fast_dqn.Draws(torch.from_numpy(shift), torch.from_numpy(bright))
    return given_, dqn.Draws(shift, bright), Batch(*tensors), drawn


def distance(found, expected):
    """The largest L2 distance of a tensor relative to its norm, or to 1e-3 if that is smaller."""
    assert found.keys() == expected.keys()
    return max(
        np.linalg.norm(found[k] - expected[k]) / max(np.linalg.norm(expected[k]), 1e-3)
        for k in expected
    )


def gradients_of(held):
    return {name: p.grad.numpy() for name, p in held.module.named_parameters()}


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**31),
    batch=st.integers(1, 5),
    double=st.booleans(),
    dueling=st.booleans(),
    padding=st.sampled_from(["same", "valid"]),
    normalisation=st.sampled_from(["none", "layer_norm"]),
    weight_decay=st.sampled_from([0.0, 0.1]),
    pad=st.sampled_from([0, 2]),
    intensity=st.sampled_from([0.0, 0.05]),
)
def test_one_update_from_the_same_state_is_the_same(seed, batch, **changes):
    made = fast_agent(seed, **changes)
    agent, same = same_agent(made)
    transitions, draws, fast_batch, fast_draws = batch_and_draws(seed, batch, made)
    fast_info = made.update(fast_batch, fast_draws, 1)
    agent, info = dqn.update(agent, transitions, draws, same)
    for name in ("critic_loss", "target"):
        assert info[name] == pytest.approx(fast_info[name].item(), rel=1e-10, abs=1e-10)
    assert distance(info["critic_gradients"], gradients_of(made.critic)) < 1e-10


@pytest.mark.parametrize("changes", [{}, {"dueling": True, "double": True, "pad": 1}])
def test_every_step_from_fasts_own_state_is_the_same(changes):
    """No rounding is carried on: ref begins each step where fast does, moments and all."""
    made = fast_agent(6, target_period=3, weight_decay=0.01, **changes)
    for count in range(1, 8):
        agent, same = same_agent(made)
        transitions, draws, fast_batch, fast_draws = batch_and_draws(count, 4, made)
        made.update(fast_batch, fast_draws, count)
        agent, info = dqn.update(agent, transitions, draws, same)
        assert distance(info["critic_gradients"], gradients_of(made.critic)) < 1e-10
        expected, _ = same_agent(made)
        assert distance(agent.critic, expected.critic) < 1e-8
        copied = agent.critic if count % 3 == 0 else agent.target  # ref's takes no step
        assert distance(expected.target, copied) < 1e-8


def test_the_default_network_is_dopamines():
    """Sides 84, 21, 11, 11 with flax's padding, so that 7,744 numbers reach the dense layer."""
    network = fast_dqn.Network(fast_dqn.DQNSettings(), (4, 84, 84), 6)
    assert network.encoder.features(84) == 7744 == network.dense0.in_features
    agent, same = same_agent(fast_agent(channels=(2, 2, 2), kernels=(8, 4, 3), strides=(4, 2, 1)))
    assert agent.critic["dense0.weight"].shape[1] == 2 * 2 * 2
    obs = np.zeros((1, 2, SIZE, SIZE))
    assert dqn.values(agent.critic, obs, same).shape == (1, ACTIONS)
