"""Play: what comes after what in a step, in both orders of action, update and environment."""

from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
import torch

from fast import config as configs
from fast.errors import EpisodeBroken, InputError
from fast.experience.play import Play
from fast.experience.replay import Replay
from fast.runs.session import Clock, Stop
from fast.train import Training, train

FIRST, LENGTH = 4, 5  # agent step of the first update, steps of an episode


class Told(gymnasium.Env):
    """An observation is the number of the environment's steps so far; `broken` of them break."""

    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float32)
    steps_per_episode, render_seconds = LENGTH, 0.0

    def __init__(self, events, broken=()):
        self.events, self.made, self.broken = events, 0, broken

    def reset(self, *, seed=None, options=None):
        self.t = 0
        return np.array([self.made], np.float32), {}

    def step(self, action):
        self.made, self.t = self.made + 1, self.t + 1
        self.events.append(("step", self.made))
        if self.made in self.broken:
            raise EpisodeBroken("asked to", 1)
        obs = np.array([self.made], np.float32)
        return obs, 0.0, False, self.t == LENGTH, {"environment_steps": 1}


def played(update_first, steps, broken=(), ratio=1.0, first=FIRST):
    """What happened: ("act", parameters' number), ("step", its number), ("update", transitions)."""
    events, updates = [], 0

    def act(obs, generator):
        events.append(("act", updates))
        return torch.zeros(1, 1)

    settings = SimpleNamespace(
        first_update=first, updates_per_step=ratio, batch_size=2, exploration=lambda step: 0
    )
    agent = SimpleNamespace(settings=settings, act=act, device="cpu")
    env = Told(events, broken)
    replay = Replay(100, env.observation_space, env.action_space, steps_per_episode=LENGTH)
    play = Play(env, env, agent, replay, seed=0, clock=Clock(), update_first=update_first)
    for _ in range(steps):
        for batch in play.step():
            updates += 1
            assert batch.obs.max() < env.made
            events.append(("update", len(replay)))
    return events


def test_an_update_comes_after_the_step_that_it_may_learn_from():
    assert played(False, 5)[-6:] == [
        *[("act", 0), ("step", 4), ("update", 4)],
        *[("act", 1), ("step", 5), ("update", 5)],
    ]


def test_update_first_comes_between_an_action_and_its_step_and_learns_from_those_before():
    """Each action is of all the updates before it: the order costs the newest transition alone."""
    assert played(True, 5)[-6:] == [
        *[("act", 0), ("update", 3), ("step", 4)],
        *[("act", 1), ("update", 4), ("step", 5)],
    ]


@pytest.mark.parametrize("ratio", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("broken", [(), (4,), (6, 7)])
def test_both_orders_make_as_many_updates_whatever_breaks(ratio, broken):
    counts = []
    for update_first in (False, True):
        events = played(update_first, 12, broken, ratio)
        counts.append(sum(kind == "update" for kind, _ in events))
    assert counts[0] == counts[1] == int(ratio * (12 - FIRST + 1))


def test_without_a_transition_even_update_first_waits_for_one():
    assert played(True, 2, first=1) == [
        *[("act", 0), ("step", 1), ("update", 1)],
        *[("act", 1), ("update", 1), ("step", 2)],
    ]


def settled(agent="sac", task="HalfCheetah-v4", **run):
    config = configs.build(agent, task, preset="tiny")
    return configs.replace(config, run=configs.replace(config.run, **run))


def test_the_setting_reaches_the_player():
    env = Told([])
    assert Training(settled(update_first=True), env, env).experience.update_first
    assert not Training(settled(), env, env).experience.update_first
    assert configs.build("drq", "cartpole-swingup", preset="drq-original").run.update_first


@pytest.mark.parametrize(
    ("agent", "task", "more"),
    [("ppo", "HalfCheetah-v4", {}), ("classifier", "digits", {}),
     ("sac", "HalfCheetah-v4", {"stored": "runs/one"})],
)  # fmt: skip
def test_where_nothing_is_played_update_first_is_refused(agent, task, more, tmp_path):
    with pytest.raises(InputError, match=r"--run\.update-first: True is not usable here; accepted"):
        train(settled(agent, task, update_first=True, **more), tmp_path / "run", Stop())
