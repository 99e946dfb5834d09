"""Games with a few actions: MinAtar (Young and Tian 2019) and Atari (Bellemare et al. 2013).

MinAtar's are ten by ten, with a channel for each kind of thing: an agent learns them on a laptop.
Atari's come through the Arcade Learning Environment and gymnasium's wrapper: every fourth frame in
84 x 84 grey values, the maximum over two neighbours. Both packages are GPL and so no part of the
core: `pip install -e '.[minatar]'` and `'.[atari]'` bring them.
"""

import logging
import time
from importlib import import_module
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from fast.errors import InputError

MINATAR, ATARI = "minatar-", "atari-"
CHANNELS = {"asterix": 4, "breakout": 4, "freeway": 7, "seaquest": 10, "space-invaders": 6}
SIDE = {MINATAR: 10, ATARI: 84}
# The 17 games of ReDo's DQN (Appendix A) and the 26 of Atari 100k (Kaiser et al. 2019), each with
# the mean scores of a random player and of a human, as Dopamine and DQN Zoo have them.
SCORES: dict[str, tuple[float, float]] = {
    "alien": (227.8, 7127.7),
    "amidar": (5.8, 1719.5),
    "assault": (222.4, 742.0),
    "asterix": (210.0, 8503.3),
    "bank-heist": (14.2, 753.1),
    "battle-zone": (2360.0, 37187.5),
    "beam-rider": (363.9, 16926.5),
    "boxing": (0.1, 12.1),
    "breakout": (1.7, 30.5),
    "chopper-command": (811.0, 7387.8),
    "crazy-climber": (10780.5, 35829.4),
    "demon-attack": (152.1, 1971.0),
    "double-dunk": (-18.6, -16.4),
    "enduro": (0.0, 860.5),
    "freeway": (0.0, 29.6),
    "frostbite": (65.2, 4334.7),
    "gopher": (257.6, 2412.5),
    "hero": (1027.0, 30826.4),
    "ice-hockey": (-11.2, 0.9),
    "jamesbond": (29.0, 302.8),
    "kangaroo": (52.0, 3035.0),
    "krull": (1598.0, 2665.5),
    "kung-fu-master": (258.5, 22736.3),
    "ms-pacman": (307.3, 6951.6),
    "pong": (-20.7, 14.6),
    "private-eye": (24.9, 69571.3),
    "qbert": (163.9, 13455.0),
    "road-runner": (11.5, 7845.0),
    "seaquest": (68.4, 42054.7),
    "space-invaders": (148.0, 1668.7),
    "up-n-down": (533.4, 11693.2),
    "wizard-of-wor": (563.5, 4756.5),
    "yars-revenge": (3092.9, 54576.9),
    "zaxxon": (32.5, 9173.3),
}
TASKS = (*(MINATAR + game for game in CHANNELS), *(ATARI + game for game in SCORES))


def normalised(game: str, score: float) -> float:
    """(score - random) / (human - random), as the papers aggregate over games."""
    random, human = SCORES[game]
    return (score - random) / (human - random)


def shape(task: str) -> tuple[int, int, int]:
    """Of one observation: (channels, height, width)."""
    side = SIDE[MINATAR if task.startswith(MINATAR) else ATARI]
    return CHANNELS.get(task.removeprefix(MINATAR), 1), side, side


class Game(gymnasium.Env[NDArray[np.uint8], NDArray[np.float32]]):
    """One game: uint8 pictures (channels, height, width), an action the number of one, (1,).

    `reset(seed=...)` fixes the whole episode. After `steps_per_episode` steps it is cut short.
    """

    renderer, render_seconds = None, 0.0
    frame_skip: int
    action_space: gymnasium.spaces.Discrete[Any]

    def __init__(self, task: str, most_steps: int):
        self.task, self.steps_per_episode = task, most_steps
        self.observation_space = gymnasium.spaces.Box(0, 255, shape(task), np.uint8)
        self.physics_seconds, self._made = 0.0, most_steps

    def _begin(self, seed: int | None) -> NDArray[np.uint8]:
        raise NotImplementedError

    def _act(self, action: int) -> tuple[NDArray[np.uint8], float, bool]:
        """The picture after an action, its reward, and whether the game is over."""
        raise NotImplementedError

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Starts an episode."""
        super().reset(seed=seed)
        self._made = 0
        return self._begin(seed), {"environment_steps": 0}

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """One action; the info's `environment_steps` says how many frames it was.

        Raises `ResetNeeded` outside an episode, and `InputError` for what is no action of (1,).
        """
        if self._made == self.steps_per_episode:
            raise ResetNeeded(f"{self.task}: no episode is running; call reset() first")
        if np.shape(action) != (1,) or action[0] not in range(int(self.action_space.n)):
            accepted = f"accepted: shape (1,), a whole number below {self.action_space.n}"
            raise InputError("action", np.asarray(action).tolist(), accepted)
        start = time.perf_counter()
        obs, reward, terminated = self._act(int(action[0]))
        self.physics_seconds += time.perf_counter() - start
        self._made += 1
        truncated = not terminated and self._made == self.steps_per_episode
        if terminated:
            self._made = self.steps_per_episode
        return obs, reward, terminated, truncated, {"environment_steps": self.frame_skip}


class MinAtar(Game):
    """All six actions, as its authors' agents have; what is there has the value 255."""

    frame_skip = 1

    def __init__(self, task: str, sticky: float, most_steps: int):
        super().__init__(task, most_steps)
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)  # that its own window needs seaborn
        made = _package("minatar", task).Environment
        logging.disable(before)
        name = task.removeprefix(MINATAR).replace("-", "_")
        self._game = made(name, sticky_action_prob=sticky, difficulty_ramping=True)
        self.action_space = gymnasium.spaces.Discrete(self._game.num_actions())

    def _begin(self, seed: int | None) -> NDArray[np.uint8]:
        self._game.seed(seed)
        self._game.last_action = 0  # which its own reset lets stick from the episode before
        self._game.reset()
        return self._seen()

    def _act(self, action: int) -> tuple[NDArray[np.uint8], float, bool]:
        reward, over = self._game.act(action)
        return self._seen(), float(reward), bool(over)

    def _seen(self) -> NDArray[np.uint8]:
        state: NDArray[np.bool_] = self._game.state()
        return np.ascontiguousarray(state.transpose(2, 0, 1)) * np.uint8(255)


class Atari(Game):
    """Dopamine's: the actions that a game uses, no life's loss ends it, none is lost at first.

    life_loss: whether one does, as on Atari 100k.
    """

    def __init__(self, task: str, frame_skip: int, sticky: float, life_loss: bool, most_steps: int):
        super().__init__(task, most_steps)
        self.frame_skip = frame_skip
        ale = _package("ale_py", task)
        ale.ALEInterface.setLoggerMode(ale.LoggerMode.Error)  # no banner
        gymnasium.register_envs(ale)
        name = "".join(part.title() for part in task.removeprefix(ATARI).split("-"))
        made = gymnasium.make(f"ALE/{name}-v5", frameskip=1, repeat_action_probability=sticky)
        side = SIDE[ATARI]
        self._env = gymnasium.wrappers.AtariPreprocessing(
            made,
            noop_max=0,
            frame_skip=frame_skip,
            screen_size=side,
            terminal_on_life_loss=life_loss,
        )
        self.action_space = gymnasium.spaces.Discrete(int(made.action_space.n))  # type: ignore[attr-defined]

    def _begin(self, seed: int | None) -> NDArray[np.uint8]:
        return np.asarray(self._env.reset(seed=seed)[0])[None]

    def _act(self, action: int) -> tuple[NDArray[np.uint8], float, bool]:
        obs, reward, terminated, _, _ = self._env.step(action)  # its own limit is not below ours
        return np.asarray(obs)[None], float(reward), bool(terminated)

    def close(self) -> None:
        self._env.close()


def _package(name: str, task: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        extra = {"minatar": "minatar", "ale_py": "atari"}[name]
        reason = f"{error}; accepted: after `pip install -e '.[{extra}]'`, which is GPL"
        raise InputError("--task", task, reason) from None
