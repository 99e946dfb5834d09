"""MuJoCo's tasks against gymnasium called directly."""

import gymnasium
import mujoco
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from fast import envs
from fast.envs.mujoco import TASKS, MuJoCo
from fast.errors import EpisodeBroken, InputError


@pytest.fixture(autouse=True)
def quiet():
    """MuJoCo writes its warnings into a file of the working directory, unless it is told."""
    mujoco.set_mju_user_warning(lambda text: None)
    yield
    mujoco.set_mju_user_warning(None)


def actions(env, seed=0):
    random = np.random.default_rng(seed)
    while True:
        yield random.uniform(-1, 1, env.action_space.shape).astype(np.float32)


def play(env, seed, steps=1000):
    obs, _ = env.reset(seed=seed)
    seen, rewards = [obs], []
    for _, action in zip(range(steps), actions(env), strict=False):
        obs, reward, terminated, truncated, _ = env.step(action)
        seen.append(obs)
        rewards.append(reward)
        if terminated or truncated:
            break
    return np.array(seen), rewards, terminated, truncated


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("task", ["HalfCheetah-v4", "Humanoid-v4"])  # Humanoid's bounds are 0.4
def test_an_episode_is_gymnasiums_with_actions_rescaled(task):
    env, direct = MuJoCo(task), gymnasium.make(task)
    seen, rewards, terminated, truncated = play(env, 3, 100)
    obs, _ = direct.reset(seed=3)
    low, high = (bound.astype(np.float64) for bound in (direct.action_space.low,
                                                        direct.action_space.high))  # fmt: skip
    for count, action in zip(range(len(rewards)), actions(env), strict=False):
        np.testing.assert_array_equal(seen[count], obs.astype(np.float32))
        control = (low + high) / 2 + (high - low) / 2 * action
        obs, reward, over, cut, _ = direct.step(control)
        assert rewards[count] == reward
    assert (terminated, truncated) == (over, cut)


def test_the_time_limit_truncates_and_terminates_nothing():
    *_, terminated, truncated = play(MuJoCo("HalfCheetah-v4"), 0)
    assert truncated and not terminated
    env = MuJoCo("Hopper-v4")
    seen, _, terminated, truncated = play(env, 0)
    assert terminated and not truncated and len(seen) < env.steps_per_episode  # it falls


@pytest.mark.parametrize("task", ["HalfCheetah-v5", "Reacher-v4"])
def test_a_seed_fixes_an_episode_whatever_came_before(task):
    env, fresh = MuJoCo(task), MuJoCo(task)
    play(env, 1, 30)
    ours, theirs, other = play(env, 7, 40), play(fresh, 7, 40), play(fresh, 8, 40)
    np.testing.assert_array_equal(ours[0], theirs[0])
    assert ours[1] == theirs[1] != other[1]


def test_a_repeated_action_sums_rewards_and_counts_steps():
    one, three = MuJoCo("HalfCheetah-v4"), MuJoCo("HalfCheetah-v4", action_repeat=3)
    one.reset(seed=1)
    three.reset(seed=1)
    action = next(actions(one))
    singly = [one.step(action) for _ in range(3)]
    obs, reward, _, _, info = three.step(action)
    np.testing.assert_array_equal(obs, singly[-1][0])
    assert reward == sum(step[1] for step in singly) and info == {"environment_steps": 3}
    assert three.steps_per_episode == 334


def test_what_is_not_finite_breaks_the_episode(monkeypatch):
    env = MuJoCo("HalfCheetah-v4")
    env.reset(seed=0)
    obs = np.zeros(17)
    monkeypatch.setattr(env._env, "step", lambda control: (obs, np.inf, False, False, {}))
    with pytest.raises(EpisodeBroken, match="inf"):
        env.step(np.zeros(6))
    with pytest.raises(ResetNeeded):
        env.step(np.zeros(6))


def test_an_unusable_action_is_refused():
    env = MuJoCo("HalfCheetah-v4")
    env.reset(seed=0)
    for action in (np.zeros(5), np.full(6, 1.1), np.full(6, np.nan)):
        with pytest.raises(InputError, match="shape"):
            env.step(action)


def test_gymnasiums_own_checks_pass():
    check_env(MuJoCo("HalfCheetah-v4"), skip_render_check=True)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_made_quietly(task, capfd):
    env = envs.make(task, envs.defaults(task, "states"))
    obs, _ = env.reset(seed=0)
    assert env.observation_space.contains(obs)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("task", "near"), [("HalfCheeta-v4", "HalfCheetah-v4"), ("Ant-v2", "Ant-v4")]
)
def test_an_unknown_task_is_refused_with_the_near_ones(task, near):
    with pytest.raises(InputError, match=near):
        envs.validate(task, "states")
    with pytest.raises(InputError):
        envs.validate("HalfCheetah-v4", "pixels")
