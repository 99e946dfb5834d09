"""What agents learn from: which tasks there are, what is seen of them, and how one is made.

An environment is a `gymnasium.Env` with one frame (or state) a step, whose `reset(seed=...)` fixes
the whole episode; `info["environment_steps"]` says how many of its own steps a step was,
`steps_per_episode` how many steps an episode has that runs out of time, and `renderer` what draws.
Of labelled pictures nothing is played: they are `pictures.Pictures`.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from fast.envs import dmc, games, pictures
from fast.errors import InputError, unknown
from fast.papers.atari import ATARI
from fast.rules import Count, CountOrNone, Few, Pixels, Share, settings

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

    def told(self) -> str:
        return (f"{self.size}x{self.size} pixels, render quality {self.render_quality}, action "
                f"repeat {self.action_repeat}, camera {self.camera}")  # fmt: skip


@settings
class StateSettings:
    """How long an agent holds an action that learns from states."""

    kind: Literal["states"] = "states"
    action_repeat: Repeat = 1  # steps of the environment per agent step (all sources)

    def told(self) -> str:
        return f"action repeat {self.action_repeat}"


@settings
class LabelSettings:
    """Which pictures a classifier learns from, and how long they keep their labels."""

    kind: Literal["labels"] = "labels"
    pictures: Count = 60_000  # to learn from, drawn by the seed; all, where there are no more
    # How many of the pictures for testing are tested, and how many of the others, the first ones.
    tested: Count = 10_000
    shuffle_every: CountOrNone = 0  # epochs; 0: never; filled in: 20 for TASK-shuffled
    # Epochs after which the pictures of one class more come in, in an order that the seed draws; 0:
    # all are there; filled in: 15 for TASK-incremental (GraMa, 4.3).
    new_class_every: CountOrNone = 0
    folder: str = "data"  # of the data set's files

    def told(self) -> str:
        labels = f"shuffled every {self.shuffle_every} epochs" if self.shuffle_every else "fixed"
        every = self.new_class_every
        new = f", one class more every {every} epochs" if every else ""
        return f"at most {self.pictures:,} pictures, labels {labels}{new}"


@settings
class GameSettings:
    """How a game is played and seen; filled in for Atari: 4, 4, 0.25 and 27,000 (Dopamine)."""

    kind: Literal["games"] = "games"
    frame_stack: Few = 1
    frame_skip: Few = 1  # frames of an agent step; of Atari's the last two are seen, as a maximum
    sticky: Share = 0.1  # how often the action before is repeated instead (Young and Tian)
    life_loss: bool = False  # whether a lost life ends an episode of Atari, as on Atari 100k
    # Agent steps of an episode (ours: a good player of MinAtar never ends).
    most_steps: Count = 5000

    def told(self) -> str:
        return f"{self.frame_stack} frames, one in {self.frame_skip}, sticky {self.sticky}"


Settings = PixelSettings | StateSettings | LabelSettings | GameSettings


def is_mujoco(task: str) -> bool:
    """Whether a task is one of gymnasium's, by the form of its name: HalfCheetah-v4."""
    return task[:1].isupper()


def validate(task: str, observes: str) -> None:
    """Raises InputError, with the near names, unless it is a task for agents that observe so."""
    if observes == "labels":
        if pictures.source(task) not in pictures.TASKS:
            raise unknown("--task", task, pictures.TASKS)
        return
    if observes == "games":
        if task not in games.TASKS:
            raise unknown("--task", task, games.TASKS)
        return
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
    if observes == "labels":
        return LabelSettings(
            shuffle_every=20 if task.endswith(pictures.SHUFFLED) else 0,
            new_class_every=15 if task.endswith(pictures.INCREMENTAL) else 0,
        )
    if observes == "games":
        if task.startswith(ATARI):
            return GameSettings(frame_stack=4, frame_skip=4, sticky=0.25, most_steps=27_000)
        return GameSettings()
    return StateSettings()


def seen(task: str, settings: Settings, observation: Sequence[int] = (1,)) -> tuple[int, ...]:
    """The shape of what an agent sees at once; observation: of one state, where it sees those."""
    if isinstance(settings, PixelSettings):
        return (3 * settings.frame_stack, settings.size, settings.size)
    if isinstance(settings, LabelSettings):
        return pictures.TASKS[pictures.source(task)].shape
    if isinstance(settings, GameSettings):
        channels, height, width = games.shape(task)
        return (settings.frame_stack * channels, height, width)
    return tuple(observation)


def make(task: str, settings: Settings) -> Any:
    """The environment of a task, or its pictures. Raises InputError for what cannot be used."""
    if isinstance(settings, LabelSettings):
        return pictures.read(task, settings.folder)
    if isinstance(settings, GameSettings):
        return _game(task, settings)
    if isinstance(settings, PixelSettings):
        return dmc.DMControl(task, size=settings.size, action_repeat=settings.action_repeat,
                             camera=settings.camera,
                             render_quality=settings.render_quality)  # fmt: skip
    if is_mujoco(task):
        from fast.envs.mujoco import MuJoCo

        return MuJoCo(task.removesuffix(dmc.MASKED), settings.action_repeat)
    return dmc.DMControl(task, size=None, action_repeat=settings.action_repeat)


def _game(task: str, s: GameSettings) -> games.Game:
    if task.startswith(ATARI):
        return games.Atari(task, s.frame_skip, s.sticky, s.life_loss, s.most_steps)
    for name, only in (("frame_skip", 1), ("life_loss", False)):
        if getattr(s, name) != only:
            field = f"--env.{name}".replace("_", "-")
            raise InputError(field, getattr(s, name), f"accepted by MinAtar: {only}")
    return games.MinAtar(task, s.sticky, s.most_steps)
