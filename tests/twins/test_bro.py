"""One BRO update of ref against fast's agent, in float64 on the CPU, from the same state and draws.

The bounds are those of test_drq.py: 1e-10 for one update from one state, 1e-8 where Adam's division
by the root of a small second moment amplifies rounding.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fast.agents import bro as fast_bro
from ref.agents import bro, sac
from tests.twins.test_sac import (
    ACTIONS,
    INPUTS,
    distance,
    gradients_of,
    moved,
    params_of,
    parts_of,
)
from tests.twins.test_sac import batch_and_draws as sac_batch_and_draws

OWN = ("optimist", "optimism", "regularizer")


def fast_agent(seed=1, **changes):
    """fast's agent in float64, away from its initial biases and norms, target and critic apart."""
    s = fast_bro.BROSettings(hidden=6, **changes)
    return moved(fast_bro.BRO(s, (INPUTS,), ACTIONS, torch.Generator().manual_seed(seed)), seed)


def same_agent(made):
    """ref's agent and optimist in the state of fast's, and its settings."""
    parts = parts_of(made)
    own = {name: parts.pop(name) for name in bro.Optimist._fields if name in parts}
    same = bro.Settings(**{name: getattr(made.settings, name) for name in bro.Settings._fields})
    agent = sac.Agent(target=params_of(made.critic.slow), **parts)
    return agent, bro.Optimist(**own) if own else None, same


def batch_and_draws(seed, batch=4):
    """SAC's, and the optimist's noise behind them."""
    transitions, draws, fast_batch, fast_draws = sac_batch_and_draws(seed, batch)
    last = np.random.default_rng((seed, 1)).standard_normal((1, batch, ACTIONS))
    both = torch.cat([fast_draws.noise, torch.from_numpy(last)])
    return transitions, draws, last[0], fast_batch, fast_draws._replace(noise=both)


def update(agent, own, transitions, draws, last, same):
    agent, info = bro.update(agent, transitions, draws, same)
    if own:
        own, more = bro.optimist_update(own, agent, transitions.obs, last, same)
        info |= more
    return agent, own, info


def test_the_defaults_are_the_same():
    theirs = fast_bro.BROSettings()
    assert bro.Settings() == tuple(getattr(theirs, name) for name in bro.Settings._fields)


SCALARS = ("critic_loss", "actor_loss", "entropy", "target", "optimist_loss", "divergence")


@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**31),
    batch=st.integers(1, 5),
    quantiles=st.sampled_from([1, 3]),
    pessimism=st.sampled_from([0.0, 0.5, 1.0]),
    critic_blocks=st.integers(1, 2),
    weight_decay=st.sampled_from([0.0, 0.1]),
    optimistic=st.booleans(),
)
def test_one_update_from_the_same_state_is_the_same(seed, batch, **changes):
    made = fast_agent(seed, **changes)
    agent, own, same = same_agent(made)
    transitions, draws, last, fast_batch, fast_draws = batch_and_draws(seed, batch)
    fast_info = made.update(fast_batch, fast_draws, 1)
    _, _, info = update(agent, own, transitions, draws, last, same)
    for name in SCALARS if made.settings.optimistic else SCALARS[:4]:
        assert info[name] == pytest.approx(fast_info[name].item(), rel=1e-10, abs=1e-10)
    for name in ("critic", "actor", *OWN):
        if name in made.learners:
            assert distance(info[f"{name}_gradients"], gradients_of(made.learners[name])) < 1e-10


@pytest.mark.parametrize("changes", [
    {}, {"quantiles": 3, "pessimism": 1.0}, {"optimistic": True},
    {"optimistic": True, "quantiles": 3, "deviation_factor": 0.5},
])  # fmt: skip
def test_every_step_from_fasts_own_state_is_the_same(changes):
    """No rounding is carried on: ref begins each step where fast does, moments and all."""
    made = fast_agent(6, averaging_rate=0.05, weight_decay=0.01, **changes)
    for count in range(1, 8):
        agent, own, same = same_agent(made)
        transitions, draws, last, fast_batch, fast_draws = batch_and_draws(count)
        made.update(fast_batch, fast_draws, count)
        agent, own, _ = update(agent, own, transitions, draws, last, same)
        expected, its, _ = same_agent(made)
        for part in ("critic", "target", "actor", "temperature"):
            assert distance(getattr(agent, part), getattr(expected, part)) < 1e-8
        for part in OWN if own else ():
            assert distance(getattr(own, part), getattr(its, part)) < 1e-8
