"""MuJoCo's tasks as gymnasium has them, from states: HalfCheetah-v4, Ant-v4, ...

v4 is what OCP and GraMa use, and nearest to ReDo's v2: Ant-v4 has no contact forces (27 numbers,
v2 had 111, v5 has 105). Nothing of gymnasium's environment is changed but the range of actions.
"""

import warnings
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.error import ResetNeeded

from fast.errors import EpisodeBroken, InputError

ROBOTS = ("Ant", "HalfCheetah", "Hopper", "Humanoid", "HumanoidStandup", "InvertedDoublePendulum",
          "InvertedPendulum", "Pusher", "Reacher", "Swimmer", "Walker2d")  # fmt: skip
# Pusher-v4 reads a field of MuJoCo that is gone: gymnasium says so when it is made.
TASKS = tuple(f"{robot}-v{n}" for robot in ROBOTS for n in (4, 5) if (robot, n) != ("Pusher", 4))


class MuJoCo(gymnasium.Env[np.ndarray, np.ndarray]):
    """One task: float32 states, actions in [-1, 1] rescaled to its own range.

    `reset(seed=...)` fixes the whole episode. A step is `action_repeat` of gymnasium's.
    """

    renderer, render_seconds = None, 0.0

    def __init__(self, task: str, action_repeat: int = 1):
        self.task, self.action_repeat = task, action_repeat
        # Of a v5 that there is, and of an attribute of its XML.
        with warnings.catch_warnings(action="ignore"):
            told = mujoco.get_mju_user_warning()  # else into a file of the working directory
            mujoco.set_mju_user_warning(lambda text: None)
            made = gymnasium.make(task, disable_env_checker=True)
            mujoco.set_mju_user_warning(told)
        self._env = made
        bounds: Any = made.action_space
        self._centre = (bounds.high + bounds.low) / 2
        self._half_width = (bounds.high - bounds.low) / 2
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, bounds.shape, np.float32)
        shape = made.observation_space.shape
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, shape, np.float32)
        limit = made.spec and made.spec.max_episode_steps
        assert limit, "every task here has a time limit"
        self.steps_per_episode = -(-limit // action_repeat)
        self._in_episode = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts an episode."""
        super().reset(seed=seed)
        obs, _ = self._env.reset(seed=seed)
        self._in_episode = True
        return obs.astype(np.float32), {"environment_steps": 0}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Up to `action_repeat` steps; the info's `environment_steps` says how many.

        Raises `ResetNeeded` outside an episode, `InputError` for an action of another shape, out
        of [-1, 1] or not a number, and `EpisodeBroken` where a reward or a state is no finite
        float32: the episode is over.
        """
        if not self._in_episode:
            raise ResetNeeded(f"{self.task}: no episode is running; call reset() first")
        action = np.asarray(action, np.float64)
        if action.shape != self.action_space.shape or not np.all(np.abs(action) <= 1):
            shape = self.action_space.shape
            raise InputError("action", action.tolist(), f"accepted: shape {shape} in [-1, 1]")
        control = self._centre + self._half_width * action
        reward, made = 0.0, 0
        self._in_episode = terminated = truncated = False
        while made < self.action_repeat and not (terminated or truncated):
            obs, more, terminated, truncated, _ = self._env.step(control)
            reward, made = reward + float(more), made + 1
        with np.errstate(over="ignore"):
            obs = obs.astype(np.float32)
        if not np.isfinite(np.float32(reward)) or not np.isfinite(obs).all():
            raise EpisodeBroken(f"the reward is {reward}, or a state is not finite", made)
        self._in_episode = not (terminated or truncated)
        return obs, reward, bool(terminated), bool(truncated), {"environment_steps": made}

    def close(self) -> None:
        self._env.close()
