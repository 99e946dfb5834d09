"""One DrQ-v2 update of ref against fast's agent, in float64 on the CPU, from the same state.

The bounds are those of test_drq.py: 1e-10 for one update from one state, 1e-8 where Adam's division
by the root of a small second moment amplifies rounding.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from hypothesis import given, settings
from hypothesis import strategies as st

from fast import config as configs
from fast.agents import drqv2 as fast_drqv2
from fast.experience.replay import Replay
from ref import optim
from ref.agents import drqv2

SIZE, STACK, ACTIONS = 12, 2, 2
GAMMA = 0.9


def fast_agent(seed, **changes):
    """fast's agent in float64, away from its initial biases and norms, target and critic apart."""
    settings_ = configs.build("drqv2", "cartpole-swingup", "baseline", "tiny").agent
    small = {"channels": 3, "strides": (2, 1), "latent": 5, "hidden": (7, 6), "noise_clip": 0.2}
    s = replace(settings_, **small, **changes)
    shape = (3 * STACK, SIZE, SIZE)
    made = fast_drqv2.DrQv2(s, shape, ACTIONS, torch.Generator().manual_seed(seed))
    g = torch.Generator().manual_seed(seed + 1)
    for module in (made.critic.module, made.critic.slow, made.actor.module):
        module.double()
        with torch.no_grad():
            for p in module.parameters():
                p += 0.1 * torch.randn(p.shape, generator=g, dtype=p.dtype)
    return made


def params_of(module):
    return {name: p.detach().numpy().copy() for name, p in module.named_parameters()}


def same_agent(made):
    """ref's agent in the state of fast's, and its settings."""
    critic, target, actor = map(
        params_of, (made.critic.module, made.critic.slow, made.actor.module)
    )
    states = (
        {
            slot: {k: v.numpy().astype(float) for k, v in values.items()}
            for slot, values in held.state.items()
        }
        or optim.start_adam(params_of(held.module))
        for held in (made.critic, made.actor)
    )
    same = drqv2.Settings(**{name: getattr(made.settings, name) for name in drqv2.Settings._fields})
    return drqv2.Agent(critic, target, actor, *states), same


def an_episode(rng, steps=9):
    """Pictures, actions and rewards of an episode that ends in a terminal state."""
    pictures = rng.integers(0, 256, (steps + 1, 3, SIZE, SIZE), dtype=np.uint8)
    actions = rng.uniform(-1, 1, (steps, ACTIONS)).astype(np.float32)
    return pictures, actions, rng.standard_normal(steps).astype(np.float32)


def transitions(episode, start, n):
    """Those that begin at these steps, written out: ref's batch."""
    pictures, actions, rewards = episode
    steps = len(rewards)
    stacked = np.stack([np.concatenate([pictures[max(t - 1, 0)], pictures[t]])
                        for t in range(steps + 1)])  # fmt: skip
    end = np.minimum(start + n, steps)
    summed = [sum(GAMMA**i * float(rewards[t + i]) for i in range(e - t))
              for t, e in zip(start, end, strict=True)]  # fmt: skip
    discount = np.where(end == steps, 0.0, GAMMA ** (end - start))
    return drqv2.Batch(stacked[start], actions[start].astype(float), np.array(summed), discount,
                       stacked[end])  # fmt: skip


def pair(n, batch, seed):
    """The same transitions of n steps and random numbers for ref, and for fast from its replay."""
    rng = np.random.default_rng(seed)
    episode = an_episode(rng)
    space = Box(0, 255, (3, SIZE, SIZE), np.uint8)
    replay = Replay(9, space, Box(-1, 1, (ACTIONS,)), stack=STACK, n_step=n, discount=GAMMA)
    replay.extend(*episode, terminated=True)
    start = torch.randint(9, (batch,), generator=torch.Generator().manual_seed(seed)).numpy()
    found = replay.sample(batch, torch.Generator().manual_seed(seed))
    found = found._replace(
        **{name: getattr(found, name).double() for name in ("action", "reward", "discount")}
    )
    drawn = drqv2.Draws(*rng.integers(0, 9, (2, batch, 2)),
                        *rng.standard_normal((2, batch, ACTIONS)))  # fmt: skip
    tensors = fast_drqv2.Draws(*map(torch.from_numpy, drawn))
    return transitions(episode, start, n), drawn, found, tensors


def distance(found, expected):
    """The largest L2 distance of a tensor relative to its norm, or to 1e-3 if that is smaller."""
    assert found.keys() == expected.keys()
    return max(
        np.linalg.norm(found[k] - expected[k]) / max(np.linalg.norm(expected[k]), 1e-3)
        for k in expected
    )


def gradients_of(held):
    return {name: p.grad.numpy() for name, p in held.module.named_parameters()}


@settings(max_examples=10)
@given(seed=st.integers(0, 2**31), batch=st.integers(1, 5), n=st.sampled_from([1, 3]))
def test_one_update_from_the_same_state_is_the_same(seed, batch, n):
    made = fast_agent(seed)
    agent, same = same_agent(made)
    ref_batch, draws, fast_batch, fast_draws = pair(n, batch, seed)
    np.testing.assert_array_equal(ref_batch.obs, fast_batch.obs)
    np.testing.assert_array_equal(ref_batch.next_obs, fast_batch.next_obs)
    # float32's rounding of a sum of three rewards and of gamma^k, before fast is in float64
    np.testing.assert_allclose(ref_batch.reward, fast_batch.reward, rtol=0, atol=3e-6)
    np.testing.assert_allclose(ref_batch.discount, fast_batch.discount, rtol=1e-6, atol=0)
    exact = ref_batch._replace(
        reward=fast_batch.reward.numpy(), discount=fast_batch.discount.numpy()
    )
    told = made.update(fast_batch, fast_draws, 1)
    s = made.settings
    sigma = drqv2.noise_scale(s.agent_step(1), s.noise_start, s.noise_end, s.noise_steps)
    _, info = drqv2.update(agent, exact, draws, sigma, same)
    for name in ("critic_loss", "actor_loss", "target"):
        assert info[name] == pytest.approx(told[name].item(), rel=1e-10, abs=1e-10)
    assert distance(info["critic_gradients"], gradients_of(made.critic)) < 1e-10
    assert distance(info["actor_gradients"], gradients_of(made.actor)) < 1e-10


@pytest.mark.parametrize("n", [1, 3])
def test_every_step_from_fasts_own_state_is_the_same(n):
    """No rounding is carried on: ref begins each step where fast does, moments and all."""
    made = fast_agent(6, averaging_rate=0.05)
    for count in range(1, 5):
        agent, same = same_agent(made)
        batch, draws, fast_batch, fast_draws = pair(n, 4, count)
        exact = batch._replace(
            reward=fast_batch.reward.numpy(), discount=fast_batch.discount.numpy()
        )
        made.update(fast_batch, fast_draws, count)
        sigma = made.settings.noise(made.settings.agent_step(count))
        agent, info = drqv2.update(agent, exact, draws, sigma, same)
        assert distance(info["critic_gradients"], gradients_of(made.critic)) < 1e-10
        assert distance(info["actor_gradients"], gradients_of(made.actor)) < 1e-10
        expected, _ = same_agent(made)
        for part in ("critic", "target", "actor"):
            found, wanted = getattr(agent, part), getattr(expected, part)
            if part == "target":  # nothing is read of the target's encoder
                found, wanted = ({k: v for k, v in x.items() if not k.startswith("encoder")}
                                 for x in (found, wanted))  # fmt: skip
            assert distance(found, wanted) < 1e-8
