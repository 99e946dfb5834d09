"""MinAtar and Atari against their packages called by hand, and what every environment keeps."""

import cv2
import numpy as np
import pytest
from ale_py import ALEInterface, LoggerMode, roms
from gymnasium.error import ResetNeeded
from minatar import Environment

from fast import envs
from fast.envs import games
from fast.errors import InputError
from fast.papers import atari
from fast.papers.atari import SCORES

SOME = ["minatar-breakout", "minatar-seaquest", "minatar-space-invaders", "atari-breakout"]


def made(task, **changes):
    usual = vars(envs.defaults(task, "games"))
    return envs.make(task, envs.GameSettings(**(usual | changes)))


def act(env, action):
    return env.step(np.array([action], np.float32))


def played(env, seed, steps=40):
    """Pictures and rewards of an episode, its actions drawn by the seed."""
    rng = np.random.default_rng(seed)
    pictures, rewards = [env.reset(seed=seed)[0]], []
    for _ in range(steps):
        obs, reward, terminated, truncated, _ = act(env, rng.integers(env.action_space.n))
        pictures.append(obs)
        rewards.append(reward)
        if terminated or truncated:
            break
    return np.stack(pictures), rewards


@pytest.mark.parametrize("task", SOME)
def test_a_seed_fixes_the_whole_episode_whatever_came_before(task):
    one, other = made(task), made(task)
    for seed in (5, 7, 9):  # the last action of an episode must not stick in the next one
        played(other, seed, steps=3)
    for seed in (1, 2):
        (pictures, rewards), (again, too) = played(one, seed), played(other, seed)
        np.testing.assert_array_equal(pictures, again)
        assert rewards == too
    if task != "atari-breakout":  # nothing moves there before the ball is let go
        assert not np.array_equal(played(one, 1)[0][-1], played(one, 2)[0][-1])


@pytest.mark.parametrize("task", SOME)
def test_pictures_have_the_shape_that_is_told_before_one_is_made(task):
    env = made(task)
    obs, info = env.reset(seed=0)
    assert obs.shape == games.shape(task) == env.observation_space.shape
    assert obs.dtype == np.uint8 and info == {"environment_steps": 0}
    stack = envs.defaults(task, "games").frame_stack
    assert envs.seen(task, envs.defaults(task, "games")) == (stack * obs.shape[0], *obs.shape[1:])
    *_, info = act(env, 0)
    assert info == {"environment_steps": 4 if task.startswith("atari") else 1}


@pytest.mark.parametrize("game", games.CHANNELS)
def test_minatar_is_the_package_called_by_hand(game):
    env, other = made(f"minatar-{game}"), Environment(game.replace("-", "_"))
    assert env.observation_space.shape[0] == other.n_channels
    rng = np.random.default_rng(3)
    obs, _ = env.reset(seed=11)
    other.seed(11)
    other.reset()
    for _ in range(60):
        np.testing.assert_array_equal(obs, 255 * other.state().transpose(2, 0, 1))
        action = int(rng.integers(6))
        obs, reward, terminated, _, _ = act(env, action)
        assert (reward, terminated) == other.act(action)
        if terminated:
            break


def test_atari_is_the_emulator_called_frame_by_frame():
    """Four frames an agent step, the maximum of the last two, grey, 84 x 84 by areas."""
    env = made("atari-breakout", sticky=0.0)
    obs, _ = env.reset(seed=1)
    ALEInterface.setLoggerMode(LoggerMode.Error)
    ale = ALEInterface()
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(roms.get_rom_path("breakout"))
    ale.reset_game()
    actions = ale.getMinimalActionSet()
    assert env.action_space.n == len(actions) == 4

    def seen(*screens):
        return cv2.resize(np.maximum.reduce(screens), (84, 84), interpolation=cv2.INTER_AREA)

    np.testing.assert_array_equal(obs[0], seen(ale.getScreenGrayscale()))
    rng, total = np.random.default_rng(0), 0.0
    for step in range(150):
        action = 1 if step < 3 else int(rng.integers(4))
        expected, screens = 0.0, []
        for _ in range(4):
            expected += ale.act(actions[action])
            screens.append(ale.getScreenGrayscale())
        obs, reward, terminated, truncated, _ = act(env, action)
        np.testing.assert_array_equal(obs[0], seen(*screens[-2:]))
        assert reward == expected and not truncated
        total += reward
        if terminated:
            break
    assert total > 0  # a brick was hit
    assert ale.game_over() == terminated


def test_a_life_ends_an_episode_of_atari_only_where_that_is_asked_for():
    lengths = {}
    for life_loss in (False, True):
        env = made("atari-breakout", life_loss=life_loss)
        env.reset(seed=0)
        for length in range(1, 1000):
            *_, terminated, _, _ = act(env, 1 if length % 10 == 1 else 0)
            if terminated:
                break
        lengths[life_loss] = length
    assert lengths[True] < lengths[False] < 999


def test_actions_stick_as_often_as_asked():
    """With every action repeated the first one, 0, goes on for ever: nothing is pressed."""
    env, idle = made("minatar-breakout", sticky=1.0), made("minatar-breakout", sticky=0.0)
    env.reset(seed=3)
    idle.reset(seed=3)
    for _ in range(5):
        np.testing.assert_array_equal(act(env, 3)[0], act(idle, 0)[0])


@pytest.mark.parametrize("task", ["minatar-freeway", "atari-breakout"])
def test_a_time_limit_is_no_terminal_state_and_ends_the_episode(task):
    env = made(task, most_steps=3)
    env.reset(seed=0)
    ends = [act(env, 0)[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]
    with pytest.raises(ResetNeeded, match="reset"):
        act(env, 0)
    env.reset(seed=1)
    act(env, 0)


@pytest.mark.parametrize("action", [[6], [-1], [0.5], [0, 1], [[0]], [float("nan")]])
def test_what_is_no_action_is_refused(action):
    env = made("minatar-asterix")
    env.reset(seed=0)
    with pytest.raises(InputError, match="action"):
        env.step(np.array(action, np.float32))


@pytest.mark.parametrize("changes", [{"frame_skip": 4}, {"life_loss": True}])
def test_what_minatar_has_not_is_refused(changes):
    (name,) = changes
    with pytest.raises(InputError, match=name.replace("_", "-")):
        made("minatar-asterix", **changes)


@pytest.mark.parametrize(
    ("task", "extra"), [("minatar-asterix", "minatar"), ("atari-pong", "atari")]
)
def test_without_its_package_a_task_says_which_extra_brings_it(task, extra, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(games, "import_module", missing)
    with pytest.raises(InputError, match=rf"{task}.*\[{extra}\]"):
        made(task)


def test_an_unknown_game_gets_the_near_names():
    with pytest.raises(InputError, match="atari-ms-pacman"):
        envs.validate("atari-mspacman", "games")


def test_scores_are_normalised_so_that_random_is_0_and_human_1():
    """ReDo, Appendix A: 17 games of DQN; the 26 of Atari 100k: 34 names in all."""
    assert len(SCORES) == 34
    for game, (random, human) in SCORES.items():
        task = f"atari-{game}"
        assert task in games.TASKS
        assert atari.normalised(task, random) == 0 and atari.normalised(task, human) == 1
        assert atari.normalised(task, 2 * human - random) == pytest.approx(2)


@pytest.mark.slow
@pytest.mark.parametrize("game", SCORES)
def test_every_game_of_the_papers_is_there(game):
    obs, _ = made(f"atari-{game}").reset(seed=0)
    assert obs.shape == (1, 84, 84)
