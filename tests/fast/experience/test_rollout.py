"""Rollouts: what is normalised by what, which steps follow which, and that nothing is lost."""

import json
import signal
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch

from fast import config as configs
from fast.agents.ppo import PPO, PPOSettings
from fast.errors import EpisodeBroken
from fast.experience.rollout import MOST, Moments, Rollout
from fast.runs.session import Clock, Stop
from fast.train import train

INPUTS, ACTIONS, T = 3, 2, 24


class Toy(gymnasium.Env):
    """Episodes of 5 to 9 steps, drawn by the seed: of even numbers they end in a terminal state,
    of odd ones at a time limit. Every seventh step breaks where `breaks`."""

    action_space = gymnasium.spaces.Box(-1.0, 1.0, (ACTIONS,), np.float32)
    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (INPUTS,), np.float32)
    steps_per_episode = 9

    def __init__(self, breaks=False):
        self.breaks, self.made, self.told, self.seeds = breaks, 0, [], []

    def reset(self, *, seed=None, options=None):
        self.seeds.append(seed)
        self.rng, self.t = np.random.default_rng(seed), 0
        self.length = self.rng.integers(5, 10)
        return self._obs(), {"environment_steps": 0}

    def _obs(self):
        return (100 + 3 * self.rng.standard_normal(INPUTS)).astype(np.float32)

    def step(self, action):
        assert action.dtype == np.float32 and np.abs(action).max() <= 1
        self.t, self.made = self.t + 1, self.made + 1
        if self.breaks and self.made % 7 == 0:
            raise EpisodeBroken("the seventh step", 1)
        over, reward = self.t == self.length, float(50 * self.rng.standard_normal() + action.sum())
        ended = over and self.length % 2 == 0
        self.told.append((action.copy(), reward, ended, over))
        return self._obs(), reward, ended, over and not ended, {"environment_steps": 1}


def rollout_of(breaks=False, seed=0, **changes):
    settings = PPOSettings(hidden=(8,), rollout_steps=T, batch_size=6, epochs=2, **changes)
    agent = PPO(settings, (INPUTS,), ACTIONS, torch.Generator().manual_seed(1))
    return Rollout(Toy(breaks), Toy(), agent, updates=32, seed=seed, clock=Clock())


def collected(rollout, monkeypatch, steps):
    """What the agent was given of so many steps: the rollouts, and the minibatches."""
    wholes, batches, prepare = [], [], rollout.agent.prepare

    def prepared(steps, left):
        wholes.append(steps)
        return prepare(steps, left)

    monkeypatch.setattr(rollout.agent, "prepare", prepared)
    for _ in range(steps):
        batches.extend(rollout.step())
    return wholes, batches


def test_the_moments_are_those_of_all_that_was_added_and_of_a_grain_before_it():
    """Of n observations and 1e-4 ones of mean 0 and variance 1: gymnasium's RunningMeanStd."""
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 3
    moments = Moments((2,))
    for row in x:
        moments.add(row)
    total = 50 + 1e-4
    mean = x.sum(0) / total
    variance = ((x - mean).square().sum(0) + 1e-4 * (1 + mean.square())) / total
    torch.testing.assert_close(moments.mean, mean, rtol=1e-13, atol=0)
    torch.testing.assert_close(moments.variance, variance, rtol=1e-12, atol=0)
    far = moments.normalised(torch.tensor([1e9, -1e9]))
    assert far.tolist() == [MOST, -MOST]


@pytest.mark.parametrize("shape", [(), (17,)])
def test_the_moments_are_those_of_torchs_operations_to_the_last_bit(shape):
    g, moments = torch.Generator().manual_seed(0), Moments(shape)
    mean, variance, count = (held.clone() for held in moments.buffers())
    for x in 10 ** torch.randn(200, *shape, generator=g):  # float32, as environments have it
        moments.add(x)
        total, apart = count + 1, x - mean
        mean = mean + apart / total
        variance = (variance + apart.square() / total) * (count / total)
        count = total
    for found, expected in zip(moments.buffers(), (mean, variance, count), strict=True):
        assert torch.equal(found, expected) and found.dtype == torch.float64


def test_observations_are_normalised_as_they_come_and_follow_each_other(monkeypatch):
    rollout, again = rollout_of(), Toy()
    wholes, _ = collected(rollout, monkeypatch, 2 * T)
    moments, episode, env = Moments((INPUTS,)), 0, rollout.env
    assert len(wholes) == 2 and len(env.told) == 2 * T

    def seen(obs):
        moments.add(torch.from_numpy(obs))
        return moments.normalised(torch.from_numpy(obs))

    obs, told = None, iter(env.told)
    for whole in wholes:
        for t in range(T):
            if obs is None:
                obs = seen(again.reset(seed=env.seeds[episode])[0])
            action, _, ended, over = next(told)
            assert torch.equal(whole.obs[t], obs)
            assert torch.equal(whole.action[t].clamp(-1, 1), torch.from_numpy(action))
            assert (whole.terminated[t], whole.over[t]) == (ended, over)
            obs = seen(again.step(action)[0])
            assert torch.equal(whole.next_obs[t], obs)  # of a last step its own, not the next one's
            if over:
                obs, episode = None, episode + 1
    assert torch.equal(rollout.agent.actor.module.seen.mean, moments.mean)
    assert {True} == {bool(w.action.abs().max() > 1) for w in wholes}  # so that a clip is seen
    assert len(set(env.seeds)) == len(env.seeds) > 4


def test_rewards_are_over_the_deviation_of_the_discounted_returns_of_their_episodes(monkeypatch):
    """Against a naive sum over several episodes, of which each begins at 0."""
    rollout = rollout_of()
    wholes, _ = collected(rollout, monkeypatch, 2 * T)
    found = torch.cat([whole.reward for whole in wholes]).tolist()
    returns, start = [], 0
    for t, (_, reward, _, over) in enumerate(rollout.env.told):
        so_far = [r for _, r, _, _ in rollout.env.told[start : t + 1]]
        returns.append(sum(0.99 ** (t - start - i) * r for i, r in enumerate(so_far)))
        moments = Moments(())
        for value in returns:
            moments.add(torch.tensor(value, dtype=torch.float64))
        expected = max(-MOST, min(MOST, reward / moments.deviation.item()))
        assert found[t] == pytest.approx(expected, rel=1e-6)
        start = t + 1 if over else start


def test_every_epoch_has_every_step_once_in_a_new_order(monkeypatch):
    rollout = rollout_of()
    wholes, batches = collected(rollout, monkeypatch, T)
    assert len(batches) == 2 * T / 6 and rollout.at_rest
    epochs = [torch.cat([b.obs for b in batches[i : i + 4]]) for i in (0, 4)]
    assert not torch.equal(*epochs)
    for epoch in epochs:
        rows, whole = (sorted(map(tuple, x.tolist())) for x in (epoch, wholes[0].obs))
        assert rows == whole
    sampled = rollout.sample(100, torch.Generator().manual_seed(0))
    assert sorted(sampled.value.tolist()) == sorted(rollout.batch.value.tolist())


def test_the_share_that_is_left_falls_from_one_by_a_rollout_at_a_time(monkeypatch):
    rollout = rollout_of()  # 32 updates are four rollouts of eight
    _, batches = collected(rollout, monkeypatch, 4 * T)
    assert [b.left for b in batches] == [1 - k // 8 / 4 for k in range(32)]


def test_a_step_that_breaks_ends_its_episode_and_is_not_learnt_from(monkeypatch):
    rollout = rollout_of(breaks=True)
    wholes, _ = collected(rollout, monkeypatch, 60)
    kept = rollout.env.told
    assert rollout.agent_step == 60 and len(kept) == 60 - 60 // 7
    over = torch.cat([whole.over for whole in wholes])
    terminated = torch.cat([whole.terminated for whole in wholes])
    for t, (_, _, ended, last) in enumerate(kept[: len(over)]):
        # Six kept steps and then one that breaks; of a rollout's last step none can know.
        broken = (t + 1) % 6 == 0 and (t + 1) % T != 0
        assert terminated[t] == ended and over[t] == (last or broken)


def test_where_every_step_breaks_it_stops_after_as_many_as_a_rollout_has():
    rollout = rollout_of()
    rollout.env.step = lambda action: (_ for _ in ()).throw(EpisodeBroken("always", 1))
    for _ in range(T - 1):
        assert not list(rollout.step())
    with pytest.raises(EpisodeBroken, match="no step of a whole rollout"):
        list(rollout.step())


def test_an_evaluation_takes_the_moments_of_training_and_changes_nothing():
    rollout = rollout_of()
    for _ in range(T):
        list(rollout.step())
    seen = rollout.agent.actor.module.seen
    before = [x.clone() for x in seen.buffers()]
    state = {name: g.get_state() for name, g in rollout.generators.items()}
    first = rollout.evaluate(2)
    assert rollout.evaluate(2) == first
    assert all(torch.equal(x, y) for x, y in zip(before, seen.buffers(), strict=True))
    assert all(torch.equal(g.get_state(), state[name]) for name, g in rollout.generators.items())
    seen.mean += 100  # it does take them
    assert rollout.evaluate(2) != first


# --- resume ---------------------------------------------------------------------------------------


def config_of(task, rollouts, method="baseline"):
    """Of 64 steps and eight updates each."""
    config = configs.build("ppo", task, method, "tiny")
    run = replace(config.run, updates=8 * rollouts, score_interval=12, log_interval=8)
    on = {name: replace(asked, on=("critic", "actor"))
          for name, asked in config.interventions.on().items()}  # fmt: skip
    return replace(config, run=run, interventions=replace(config.interventions, **on))


class StopAtStep(Stop):
    """Asks to stop, as a signal would, as soon as so many agent steps are recorded."""

    def __init__(self, folder, step):
        self.file, self.step = folder / "metrics.jsonl", step

    @property
    def signal(self):
        last = self.file.read_text().splitlines()[-1]
        return signal.SIGTERM if json.loads(last)["agent_step"] >= self.step else None


def told(folder):
    records = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [record for record in records if record["kind"] not in ("session", "timing")]


def state(folder):
    found = torch.load(folder / "checkpoint.pt", weights_only=True)["state"]
    del found["seconds"], found["arithmetic"]
    return found


def assert_equal_runs(folder, whole):
    assert told(folder) == told(whole)
    torch.testing.assert_close(state(folder), state(whole), rtol=0, atol=0)


EVERYTHING = ("reset+redo+pruning+regrama+reborn+continual-backprop+shrink-perturb+l2-init+"
              "prune-dormant+late-ln+weight-decay")  # fmt: skip


def test_a_run_that_was_stopped_in_the_midst_of_an_episode_is_the_one_that_was_not(tmp_path):
    """With all that acts on layers, on critic and actor."""
    config, whole, folder = config_of("InvertedPendulum-v4", 3, EVERYTHING), *folders(tmp_path)
    assert train(config, whole, Stop())
    assert {record["kind"] for record in told(whole)} == {
        *("episode", "evaluation", "scores", "update", "intervention")
    }
    acted = {record["name"] for record in told(whole) if record["kind"] == "intervention"}
    assert acted == config.interventions.on().keys() - {"l2_init"}
    assert not train(config, folder, StopAtStep(folder, 120))
    assert state(folder)["experience"]["actions"]  # an episode runs
    assert len(told(folder)) < len(told(whole))
    assert train(None, folder, Stop())
    assert_equal_runs(folder, whole)
    assert state(whole)["update"] == 24


def test_a_run_that_ended_in_the_midst_of_a_rollout_goes_on_from_the_one_before(
    tmp_path, monkeypatch
):
    config, whole, folder = config_of("HalfCheetah-v4", 4), *folders(tmp_path)
    assert train(config, whole, Stop())
    step = Rollout.step

    def breaks(rollout):
        if rollout.agent_step == 200:
            raise KeyboardInterrupt
        return step(rollout)

    with monkeypatch.context() as patch:
        patch.setattr(Rollout, "step", breaks)
        with pytest.raises(KeyboardInterrupt):
            train(config, folder, Stop())
    assert state(folder)["experience"]["agent_step"] == 192
    assert len(state(folder)["experience"]["actions"]) == 192
    assert train(None, folder, Stop())
    assert_equal_runs(folder, whole)


def folders(path):
    return path / "whole", path / "run"
