"""Games with a few actions: MinAtar (Young and Tian 2019) and Atari (Bellemare et al. 2013).

MinAtar's are ten by ten, with a channel for each kind of thing: an agent learns them on a laptop.
Atari's come through the Arcade Learning Environment and gymnasium's wrapper: every fourth frame in
84 x 84 grey values, the maximum over two neighbours. Both packages are GPL and so no part of the
core: `pip install -e '.[minatar]'` and `'.[atari]'` bring them.
"""

import logging
from importlib import import_module
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from fast.errors import InputError
from fast.papers.atari import ATARI, SCORES

MINATAR = "minatar-"
CHANNELS = {"asterix": 4, "breakout": 4, "freeway": 7, "seaquest": 10, "space-invaders": 6}
SIDE = {MINATAR: 10, ATARI: 84}
TASKS = (*(MINATAR + game for game in CHANNELS), *(ATARI + game for game in SCORES))


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
        self._made = most_steps

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
        obs, reward, terminated = self._act(int(action[0]))
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
        self._env = gymnasium.wrappers.AtariPreprocessing(
            made, 0, frame_skip, SIDE[ATARI], terminal_on_life_loss=life_loss
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
