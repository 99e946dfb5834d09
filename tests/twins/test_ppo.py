"""One PPO update of ref against fast's agent, in float64 on the CPU, from the same state and steps.

The bounds are those of test_drq.py: 1e-10 for one update from one state, 1e-8 where Adam's division
by the root of a small second moment amplifies rounding.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fast.agents import ppo as fast_ppo
from fast.experience import rollout
from ref import autograd as ag
from ref import optim
from ref.agents import ppo

INPUTS, ACTIONS, STEPS = 4, 2, 12


def fast_agent(seed=1, **changes):
    """fast's agent in float64, away from its initial biases and deviations."""
    s = fast_ppo.PPOSettings(hidden=(7, 5), rollout_steps=STEPS, batch_size=STEPS, **changes)
    made = fast_ppo.PPO(s, (INPUTS,), ACTIONS, torch.Generator().manual_seed(seed))
    g = torch.Generator().manual_seed(seed + 1)
    for held in made.learners.values():
        held.module.double()
        with torch.no_grad():
            for p in held.module.parameters():
                p += 0.1 * torch.randn(p.shape, generator=g, dtype=p.dtype)
    return made


def params_of(module):
    return {name: p.detach().numpy().copy() for name, p in module.named_parameters()}


def same_agent(made):
    """ref's agent in the state of fast's, and its settings."""
    s, state = made.settings, {}
    parts = {name: params_of(held.module) for name, held in made.learners.items()}
    for name, held in made.learners.items():
        state[f"{name}_state"] = {
            slot: {k: v.numpy().astype(float) for k, v in values.items()}
            for slot, values in held.state.items()
        } or optim.start_adam(parts[name])
    names = ppo.Settings._fields[1:]
    activation = {"relu": ag.relu, "tanh": ag.tanh, "none": lambda z: z}[s.activation]
    same = ppo.Settings(activation, **{name: getattr(s, name) for name in names})
    return ppo.Agent(**parts, **state), same


def steps(seed):
    """The same rollout for ref and for fast: some episodes, each ended one way or the other."""
    rng = np.random.default_rng(seed)
    over = rng.random(STEPS) < 0.3
    ended = over & (rng.random(STEPS) < 0.5)
    ours = ppo.Steps(
        rng.standard_normal((STEPS, INPUTS)), rng.standard_normal((STEPS, ACTIONS)),
        rng.standard_normal(STEPS), ended, over, rng.standard_normal((STEPS, INPUTS)),
    )  # fmt: skip
    return ours, rollout.Steps(*map(torch.from_numpy, ours))


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
    activation=st.sampled_from(["relu", "tanh", "none"]),
    normalisation=st.sampled_from(["none", "layer_norm"]),
    weight_decay=st.sampled_from([0.0, 0.1]),
    entropy_weight=st.sampled_from([0.0, 0.1]),
    most_gradient=st.sampled_from([0.1, 100.0]),
)
def test_a_rollout_and_its_update_from_the_same_state_are_the_same(seed, **changes):
    made = fast_agent(seed, **changes)
    agent, same = same_agent(made)
    ours, theirs = steps(seed)
    whole, expected = made.prepare(theirs, left=0.5), ppo.prepare(agent, ours, same)
    for found, wanted in zip(whole[:-1], expected, strict=True):
        assert np.abs(found.numpy() - wanted).max() < 1e-10
    # beyond the clip of ratio and value, on both sides
    rng = np.random.default_rng(seed)
    apart = expected._replace(
        log_prob=expected.log_prob + rng.uniform(-0.5, 0.5, STEPS),
        value=expected.value + rng.uniform(-0.5, 0.5, STEPS),
    )
    batch = rollout.Batch(*map(torch.from_numpy, apart), left=0.5)
    fast_info = made.update(batch, None, 1)
    agent, info = ppo.update(agent, apart, same, left=0.5)
    for name in ("critic_loss", "actor_loss", "gradient_norm"):
        assert info[name] == pytest.approx(fast_info[name].item(), rel=1e-10, abs=1e-10)
    for name, held in made.learners.items():
        assert distance(info[f"{name}_gradients"], gradients_of(held)) < 1e-10


def test_every_step_from_fasts_own_state_is_the_same():
    """No rounding is carried on: ref begins each step where fast does, moments and all."""
    made = fast_agent(6, weight_decay=0.01)
    for count in range(1, 8):
        agent, same = same_agent(made)
        ours, theirs = steps(count)
        left = 1 - count / 10
        whole, expected = made.prepare(theirs, left), ppo.prepare(agent, ours, same)
        made.update(whole, None, count)
        agent, _ = ppo.update(agent, expected, same, left)
        reached, _ = same_agent(made)
        for part in ("critic", "actor"):
            assert distance(getattr(agent, part), getattr(reached, part)) < 1e-8
