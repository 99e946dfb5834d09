"""The environments: which there are, what an agent sees of them, and how one is made.

An environment is a `gymnasium.Env` with one frame (or state) a step, whose `reset(seed=...)` fixes
the whole episode; `info["environment_steps"]` says how many of its own steps a step was,
`steps_per_episode` how many steps an episode has that runs out of time, and `renderer` what draws.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from fast.envs import dmc
from fast.errors import unknown
from fast.rules import Few, Pixels, settings

Repeat = Annotated[int, Field(ge=1, le=2**20)]


@settings
class PixelSettings:
    """What an agent sees that learns from pixels, and how long it holds an action."""

    kind: Literal["pixels"] = "pixels"
    size: Pixels = 84  # pixels, square (jaxrl)
    frame_stack: Few = 3  # (jaxrl)
    action_repeat: Repeat = 2  # control steps per agent step; filled in from the per-task table
    camera: Annotated[int, Field(ge=-1, le=2**20)] = 0  # filled in: 2 for quadruped
    render_quality: Literal["suite", "no-shadows", "fast"] = "suite"  # fast: nor multisampling


@settings
class StateSettings:
    """How long an agent holds an action that learns from states."""

    kind: Literal["states"] = "states"
    action_repeat: Repeat = 1  # steps of the environment per agent step (all sources)


Settings = PixelSettings | StateSettings


def is_mujoco(task: str) -> bool:
    """Whether a task is one of gymnasium's, by the form of its name: HalfCheetah-v4."""
    return task[:1].isupper()


def validate(task: str, observes: str) -> None:
    """Raises InputError, with the near names, unless it is a task for agents that observe so."""
    if observes == "states" and is_mujoco(task):
        from fast.envs import mujoco

        if task.removesuffix(dmc.MASKED) not in mujoco.TASKS:
            raise unknown("--task", task, mujoco.TASKS, [*mujoco.TASKS, "dm_control's"])
        return
    dmc.validate(task)


def defaults(task: str, observes: str) -> Settings:
    """The settings that the field has for a task."""
    if observes == "pixels":
        repeat, camera = dmc.repeat_of(task), dmc.camera_of(task)
        return PixelSettings(action_repeat=repeat, camera=camera)
    return StateSettings()


def make(task: str, settings: Settings) -> Any:
    """The environment of a task. Raises InputError for what cannot be used."""
    if isinstance(settings, PixelSettings):
        return dmc.make(task, size=settings.size, action_repeat=settings.action_repeat,
                        camera=settings.camera, render_quality=settings.render_quality)  # fmt: skip
    if is_mujoco(task):
        from fast.envs.mujoco import MuJoCo

        return MuJoCo(task.removesuffix(dmc.MASKED), settings.action_repeat)
    return dmc.make(task, size=None, action_repeat=settings.action_repeat)
