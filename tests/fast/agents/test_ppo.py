"""What defines PPO: its equations written out, its kinks, what ends an episode, that it learns."""

import copy
import json
import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from fast import config as configs
from fast import losses
from fast.agents.ppo import PPO, PRESETS, PPOSettings, surrogate, value_loss
from fast.errors import InputError
from fast.experience.rollout import Steps
from fast.runs.session import Stop
from fast.train import train

INPUTS, ACTIONS, T = 3, 2, 12
DOUBLE = torch.float64


def agent_of(**changes):
    changes = {"hidden": (16, 16), "rollout_steps": T, "batch_size": T} | changes
    agent = PPO(PPOSettings(**changes), (INPUTS,), ACTIONS, torch.Generator().manual_seed(1))
    for held in agent.learners.values():
        held.module.double()
    return agent


def steps(agent, seed=0, terminated=(), limits=()):
    """A rollout with the actions of the agent, whose episodes end after these steps."""
    g = torch.Generator().manual_seed(seed)
    obs = torch.randn(T + 1, INPUTS, generator=g, dtype=DOUBLE)
    action = agent.explore(obs[:-1], g)
    ended, over = ([t in at for t in range(T)] for at in (terminated, (*terminated, *limits)))
    reward = torch.randn(T, generator=g, dtype=DOUBLE)
    return Steps(obs[:-1], action, reward, torch.tensor(ended), torch.tensor(over), obs[1:])


def flat(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


# --- advantages -----------------------------------------------------------------------------------


def naive_gae(reward, discount, value, next_value, over, trace):
    """The sum over all later steps of the same episode, written out."""
    found = []
    for t in range(len(reward)):
        total, weight = 0.0, 1.0
        for k in range(t, len(reward)):
            total += weight * (reward[k] + discount[k] * next_value[k] - value[k])
            weight *= discount[k] * trace
            if over[k]:
                break
        found.append(total)
    return found


def test_gae_is_the_naive_sum_over_every_split_of_a_rollout_into_episodes():
    """Each step ends no episode, ends one at a time limit, or in a terminal state."""
    g = torch.Generator().manual_seed(0)
    reward, value, next_value = torch.randn(3, 5, generator=g, dtype=DOUBLE)
    for ends in product(("on", "limit", "terminal"), repeat=5):
        discount = torch.tensor([0.0 if e == "terminal" else 0.9 for e in ends], dtype=DOUBLE)
        over = torch.tensor([e != "on" for e in ends])
        given = reward, discount, value, next_value, over
        expected = naive_gae(*(x.tolist() for x in given), 0.8)
        # at most five terms of size 10, rounded a few times each
        np.testing.assert_allclose(losses.gae(*given, 0.8), expected, rtol=0, atol=1e-13)


def test_a_terminal_step_is_read_at_its_own_time():
    """Rewards 1, -5, 1 and values 1: where the second step is terminal its advantage is -6."""
    reward, value = torch.tensor([1.0, -5.0, 1.0]), torch.ones(3)
    discount, over = torch.tensor([1.0, 0.0, 1.0]), torch.tensor([False, True, False])
    found = losses.gae(reward, discount, value, torch.tensor([1.0, 1.0, 100.0]), over, 1.0)
    assert found.tolist() == [1 - 6, -6, 100]


def test_a_reward_moves_the_advantages_up_to_its_step_and_none_after():
    zeros, on = torch.zeros(T), torch.zeros(T, dtype=torch.bool)
    for t in range(T):
        reward = torch.eye(T)[t]
        found = losses.gae(reward, torch.full((T,), 0.9), zeros, zeros, on, 0.5)
        expected = [0.45 ** (t - k) if k <= t else 0.0 for k in range(T)]
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["discount", "value", "next_value", "over"])
def test_gae_refuses_a_column_of_another_shape(name):
    """(T,) against (T, 1) would broadcast to (T, T) in silence."""
    given = {k: torch.zeros(T) for k in ("reward", "discount", "value", "next_value")}
    given["over"] = torch.zeros(T, dtype=torch.bool)
    with pytest.raises(InputError, match=name):
        losses.gae(**given | {name: given[name][:, None]}, trace=0.9)


def test_a_time_limit_is_bootstrapped_by_the_last_observation_and_a_terminal_state_is_not():
    agent = agent_of()
    made = steps(agent, terminated=(3,), limits=(7,))
    value = agent.critic.module(made.obs).detach()
    after = agent.critic.module(made.next_obs).detach()
    found = agent.prepare(made, left=1.0).advantage
    assert found[3] == made.reward[3] - value[3]
    assert found[7] == made.reward[7] + 0.99 * after[7] - value[7]
    assert found[11] == made.reward[11] + 0.99 * after[11] - value[11]  # the rollout's end
    cleanrl = agent_of(time_limits="terminal").prepare(made, left=1.0).advantage
    assert cleanrl[7] == made.reward[7] - value[7]
    assert torch.equal(cleanrl[8:], found[8:]) and cleanrl[3] == found[3]


# --- the losses -----------------------------------------------------------------------------------


def test_the_ratio_is_one_where_no_update_came_between_and_its_loss_is_less_the_mean_advantage():
    """In the first minibatch of the first epoch, of the actions as drawn, beyond [-1, 1] too."""
    agent = agent_of()
    made = steps(agent)
    batch = agent.prepare(made, left=1.0)
    assert made.action.abs().max() > 1
    mean, log_std = agent.actor.module(batch.obs)
    density = torch.distributions.Normal(mean, log_std.exp()).log_prob(batch.action).sum(1)
    # its terms are of size 10 and rounded a few times each
    torch.testing.assert_close(density, batch.log_prob, rtol=0, atol=1e-14)
    # the normalised advantages have mean 0, and so has the surrogate
    assert agent.loss("actor", batch, None).item() == pytest.approx(0, abs=1e-15)
    agent.update(batch, None, 1)
    assert not torch.isclose(agent.loss("actor", batch, None), torch.zeros((), dtype=DOUBLE))


@pytest.mark.parametrize("side", [1, -1])
def test_the_gradient_of_the_surrogate_at_its_kink_is_whole_and_beyond_it_none(side):
    """Where the clip cuts against the advantage, the gradient is never cut."""
    edge = 1 + side * 0.25  # a ratio that float64 holds
    for ratio, passed in [(1.0, 1), (edge, 1), (edge + side * 0.125, 0)]:
        x = torch.tensor([ratio], dtype=DOUBLE, requires_grad=True)
        surrogate(x, torch.tensor([3.0 * side], dtype=DOUBLE), 0.25).backward()
        assert x.grad.item() == 3 * side * passed
        x.grad = None
        surrogate(x, torch.tensor([-3.0 * side], dtype=DOUBLE), 0.25).backward()
        assert x.grad.item() == -3 * side


def test_the_clipped_value_has_no_gradient_where_it_is_the_worse_and_beyond_the_clip():
    """Old value 0, clip 1/4, target 1: the clipped error is the larger above 1/4."""
    for value, expected in [(0.125, 0.125 - 1), (0.25, 0.25 - 1), (0.5, 0.0), (-0.5, -1.5)]:
        x = torch.tensor([value], dtype=DOUBLE, requires_grad=True)
        zero, one = torch.zeros(1, dtype=DOUBLE), torch.ones(1, dtype=DOUBLE)
        value_loss(x, zero, one, 0.25).backward()
        assert x.grad.item() == expected
        x.grad = None
        value_loss(x, zero, one, None).backward()
        assert x.grad.item() == value - 1


def naive_update(agent, batch):
    """The update line by line, with torch's own Adam over both networks at once, on copies."""
    s = agent.settings
    critic, actor = (copy.deepcopy(held.module) for held in agent.learners.values())
    parameters = [*critic.parameters(), *actor.parameters()]
    adam = torch.optim.Adam(parameters, batch.left * s.learning_rate, eps=s.adam_eps)
    a = (batch.advantage - batch.advantage.mean()) / (batch.advantage.std() + 1e-8)
    mean, log_std = actor(batch.obs)
    normal = torch.distributions.Normal(mean, log_std.exp().expand_as(mean))
    ratio = (normal.log_prob(batch.action).sum(1) - batch.log_prob).exp()
    policy = torch.max(-a * ratio, -a * torch.clamp(ratio, 1 - s.clip, 1 + s.clip)).mean()
    value = critic(batch.obs)
    cut = batch.value + torch.clamp(value - batch.value, -s.clip, s.clip)
    errors = torch.max((value - batch.target) ** 2, (cut - batch.target) ** 2)
    entropy = normal.entropy().sum(1).mean()
    loss = policy - s.entropy_weight * entropy + s.value_weight * 0.5 * errors.mean()
    loss.backward()
    norm = torch.sqrt(sum((p.grad**2).sum() for p in parameters))
    for p in parameters:
        p.grad *= min(1.0, s.most_gradient / (norm.item() + 1e-6))
    adam.step()
    return critic, actor, norm


@pytest.mark.parametrize("changes", [
    {}, {"most_gradient": 100.0}, {"entropy_weight": 0.1}, {"activation": "tanh"},
    {"activation": "none", "value_weight": 2.0},
])  # fmt: skip
def test_a_first_update_equals_the_naive_one_of_one_loss_and_one_adam(changes):
    agent = agent_of(**changes)
    batch = agent.prepare(steps(agent), left=0.5)
    g = torch.Generator().manual_seed(3)
    moved = torch.rand(2, T, generator=g, dtype=DOUBLE) - 0.5  # beyond the clip on both sides
    batch = batch._replace(log_prob=batch.log_prob + moved[0], value=batch.value + moved[1])
    critic, actor, norm = naive_update(agent, batch)
    before = flat(agent.actor.module)
    told = agent.update(batch, None, 1)
    assert told["gradient_norm"].item() == pytest.approx(norm.item(), rel=1e-12)
    # Adam's first step is the rate times g / (|g| + eps), of gradients known to 1e-15: it is then
    # known to 1e-15 / eps = 1e-10 of the rate, 1e-14.
    for ours, theirs in ((agent.critic.module, critic), (agent.actor.module, actor)):
        torch.testing.assert_close(flat(ours), flat(theirs), rtol=0, atol=1e-13)
    assert (flat(agent.actor.module) - before).abs().max() > 1e-5


def test_the_rate_falls_with_what_is_left_of_the_run():
    moved = {}
    for anneal, left in product((True, False), (1.0, 0.25, 0.0)):
        agent = agent_of(anneal=anneal)
        batch, before = agent.prepare(steps(agent), left), flat(agent.critic.module)
        agent.update(batch, None, 1)
        moved[anneal, left] = flat(agent.critic.module) - before
    torch.testing.assert_close(moved[True, 0.25], 0.25 * moved[True, 1.0], rtol=1e-9, atol=1e-15)
    assert not moved[True, 0.0].any()
    assert torch.equal(moved[False, 0.25], moved[True, 1.0])


# --- the agent ------------------------------------------------------------------------------------


def test_actions_are_clipped_and_the_evaluated_one_is_the_mean():
    g = torch.Generator().manual_seed(0)
    agent = PPO(PPOSettings(), (INPUTS,), ACTIONS, g)
    obs = torch.randn(500, INPUTS, generator=g)
    drawn = agent.act(obs, g)
    assert drawn.abs().max() == 1 and drawn.std() > 0.5
    seen = agent.actor.module.seen.normalised(obs)
    with torch.no_grad():
        mean = agent.actor.module.head(seen)
    assert torch.equal(agent.act(obs), mean.clamp(-1, 1))
    assert math.isclose(agent.explore(seen, g).std().item(), 1, rel_tol=0.1)


def test_the_networks_begin_as_cleanrls_do():
    agent = agent_of(hidden=(8, 6))
    for name, gain in (("critic", 1.0), ("actor", 0.01)):
        params = agent.learners[name].params
        for layer, length in (("dense0", math.sqrt(2)), ("dense1", math.sqrt(2)), ("final", gain)):
            weight = params[f"head.{layer}.weight"].detach()
            singular = torch.linalg.svdvals(weight)
            # drawn in float32, from a factorisation of matrices of at most 8 rows
            torch.testing.assert_close(
                singular, torch.full_like(singular, length), rtol=1e-5, atol=0
            )
            assert not params[f"head.{layer}.bias"].any()
    assert not agent.actor.params["log_std"].any()
    assert agent.actor.fresh(torch.Generator()).log_std.abs().max() == 0


@pytest.mark.parametrize(("size", "rollout"), [(1, 64), (48, 64), (128, 64)])
def test_a_minibatch_of_one_or_that_does_not_fit_into_the_rollout_is_refused(size, rollout):
    config = configs.build("ppo", "HalfCheetah-v4", preset="tiny")
    made = replace(config.agent, batch_size=size, rollout_steps=rollout)
    with pytest.raises(InputError, match=r"^--agent\.batch-size: "):
        configs.check(replace(config, agent=made))


def test_a_masked_reward_is_refused_because_it_is_in_the_advantages():
    with pytest.raises(InputError, match="on policy: 0"):
        configs.check(configs.build("ppo", "HalfCheetah-v4-masked", preset="tiny"))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_looks_at_the_first_minibatch_of_a_rollout(preset):
    config = configs.build("ppo", "HalfCheetah-v4", preset=preset)
    s, run = config.agent, config.run
    updates = s.epochs * s.rollout_steps // s.batch_size
    assert run.updates % updates == run.score_interval % updates == 0
    assert run.evaluation_interval % s.rollout_steps == 0
    assert run.score_batch <= s.rollout_steps


def test_paper_is_twenty_million_steps_in_32_minibatches_of_10_epochs():
    config = configs.build("ppo", "HalfCheetah-v4")
    s = config.agent
    assert s.rollout_steps / s.batch_size == 32 and s.epochs == 10
    steps = config.run.updates / s.updates_per_step
    assert 20e6 - s.rollout_steps < steps <= 20e6


def test_it_learns_to_balance_a_pole_three_times_as_long_within_3072_steps(tmp_path):
    """Six rollouts of 512 steps. Seeds 0, 1 and 2 went from 27 or less to 139 or more."""
    config = configs.build("ppo", "InvertedPendulum-v4", preset="tiny")
    how = {"rollout_steps": 512, "batch_size": 64, "epochs": 5, "learning_rate": 3e-3}
    never = {"evaluation_interval": 10**6, "checkpoint_interval": 10**6, "score_interval": 240}
    run = replace(config.run, updates=6 * 40, log_interval=40, evaluation_episodes=3, **never)
    agent = replace(config.agent, hidden=(64, 64), **how)
    assert train(replace(config, agent=agent, run=run), tmp_path / "run", Stop())
    records = map(json.loads, (tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    before, after = (r["returns"] for r in records if r["kind"] == "evaluation")
    assert min(after) > 3 * max(before)
