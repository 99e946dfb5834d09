"""The DeepMind Control Suite from pixels or from states, as a `gymnasium.Env`.

An agent step is `action_repeat` control steps, an observation is one frame rendered after the last
of them (or the state, a vector), and an episode that runs out of time is truncated, not terminated:
what jaxrl does with wrappers, in one class. dm_control is imported inside functions only, because
it reads MUJOCO_GL when it is imported: `select_renderer` has to come first.

The tasks of the domain `lqr` are left out: their actions have no bounds to rescale to and their
episodes no time limit. Added are the variants of Neuron Dominance, Appendix B.1, in each of which
one thing of a suite's task, its SOURCE, is changed:

    cartpole-balance_sparse-narrow  rewarded within narrower ranges of position and angle
    finger-spin-fast                rewarded above a higher velocity
    SOURCE-masked                   nothing here: the learner masks the reward in its updates
"""

import functools
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded

from fast.errors import EpisodeBroken, InputError, unknown

# Control steps per agent step: PlaNet's table (Hafner et al. 2019) as jaxrl's training script has
# it; Neuron Dominance gives none. It names six tasks and every other one gets 2: so
# cartpole-swingup_sparse has 2, although cartpole-swingup has 8.
ACTION_REPEAT = {
    "ball_in_cup-catch": 4,
    "cartpole-swingup": 8,
    "cheetah-run": 4,
    "finger-spin": 2,
    "reacher-easy": 4,
    "walker-walk": 2,
}
ACTION_REPEAT_ELSEWHERE = 2

# B.1's constants, by the names that dm_control has for them. Of finger-spin B.1 sets two more,
# _INITIAL_SPIN_VELOCITY = 10 and _STOP_VELOCITY = 20: dm_control defines both and reads neither, so
# there is nothing to set.
NARROW_CART_RANGE = (-0.0001, 0.0001)  # _CART_RANGE, metres; the suite's: -0.25 to 0.25
NARROW_ANGLE_COSINE_RANGE = (0.9999, 1)  # _ANGLE_COSINE_RANGE; the suite's: 0.995 to 1
FAST_SPIN_VELOCITY = 30.0  # _SPIN_VELOCITY, rad/s; the suite's: 15

NARROW, FAST = "cartpole-balance_sparse-narrow", "finger-spin-fast"
MASKED = "-masked"

# As in jaxrl: the first camera of the model, but the third, from the side, for the quadruped.
CAMERA = {"quadruped": 2}

# `suite`: what dm_control renders. `no-shadows`: no shadows and no reflections. `fast`: also no
# multisampling, and fewer facets on round shapes. Each is several times faster in software than the
# one before, and each is another picture.
RENDER_QUALITIES = ("suite", "no-shadows", "fast")

LARGEST_REWARD = np.finfo(np.float32).max  # what a replay buffer holds
LARGEST_SIZE = 4096  # pixels; every OpenGL can draw this, and no agent wants more

RENDERERS = ("egl", "osmesa")
RENDERER_PACKAGES = (
    "egl needs `apt-get install libegl1 libgl1-mesa-dri libopengl0`, "
    "osmesa needs `apt-get install libosmesa6`, glfw needs a display"
)
# What of the environment decides which library draws, and can keep it from it.
RENDERER_VARIABLES = (
    "MUJOCO_EGL_DEVICE_ID", "PYOPENGL_PLATFORM", "EGL_PLATFORM", "__EGL_VENDOR_LIBRARY_FILENAMES",
    "__EGL_VENDOR_LIBRARY_DIRS", "LIBGL_DRIVERS_PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "MUJOCO_GL",
)  # fmt: skip
TRIAL_SECONDS = 120  # a driver that takes longer hangs

# Run in a process of its own. glfw hands out a context that is none where there is no display, so
# the context has to say its name.
_RENDERER_TRIAL = """
from dm_control import _render
context = _render.Renderer(8, 8)
from OpenGL import GL
with context.make_current() as thread:
    if not thread.call(GL.glGetString, GL.GL_RENDERER):
        raise RuntimeError("its context has no name, as without a display")
context.free()
"""


def source(task: str) -> str:
    """The suite's task that `task` is or is a variant of."""
    return {NARROW: "cartpole-balance_sparse", FAST: "finger-spin"}.get(
        task, task.removesuffix(MASKED)
    )


def repeat_of(task: str) -> int:
    """Control steps per agent step that the field uses for `task`; a variant has its source's."""
    return ACTION_REPEAT.get(source(task), ACTION_REPEAT_ELSEWHERE)


def camera_of(task: str) -> int:
    """The number of the camera that the field looks through in `task`."""
    return CAMERA.get(task.partition("-")[0], 0)


def tasks() -> list[str]:
    """The names of all usable tasks: `domain-name` of the suite, and the variants.

    Imports dm_control, opens no GL context.
    """
    suite = [f"{domain}-{name}" for domain, name in _suite().ALL_TASKS if domain != "lqr"]
    return [*suite, NARROW, FAST, *(task + MASKED for task in suite)]


def validate(task: str) -> None:
    """Raises `InputError` with the near names unless `task` is one of `tasks()`."""
    known = tasks()
    if task not in known:
        shown = [name for name in known if not name.endswith(MASKED)]
        raise unknown("--task", task, known, [*shown, f"each of the suite's with {MASKED}"])


@functools.cache
def select_renderer() -> str:
    """Settles MUJOCO_GL before dm_control reads it, and returns it.

    What the user set is kept. Else egl is taken where it starts (on a GPU or in software), else
    osmesa. Each is tried in a process of its own, because a failed start leaves PyOpenGL bound to
    the wrong platform.

    Raises `InputError` when nothing starts: naming the variable of the environment without which
    it would, or else what each said and the packages to install.
    """
    loaded = sys.modules.get("dm_control._render")
    if loaded is not None:  # imported before: it is settled
        return str(loaded.BACKEND)
    chosen = os.environ.get("MUJOCO_GL")
    said = {}
    for renderer in [chosen] if chosen else RENDERERS:
        fault = _fault_of(renderer, os.environ)
        if fault is None:
            os.environ["MUJOCO_GL"] = renderer
            return renderer
        said[renderer] = fault
    told = "; ".join(f"{renderer}: {fault}" for renderer, fault in said.items())
    for variable in RENDERER_VARIABLES:
        if variable in os.environ:
            others = {name: text for name, text in os.environ.items() if name != variable}
            for renderer in RENDERERS if variable == "MUJOCO_GL" else said:
                if _fault_of(renderer, others) is None:
                    accepted = f"unset it: without it {renderer} starts ({told})"
                    raise InputError(variable, os.environ[variable], accepted)
    accepted = f"no renderer starts ({told}); accepted: one that does, {RENDERER_PACKAGES}"
    raise InputError("MUJOCO_GL", chosen, accepted)


def _fault_of(renderer: str, environment: Mapping[str, str]) -> str | None:
    """Why a renderer does not start in a process of its own; None: it does.

    The process has a group of its own, which a terminal's Ctrl-C does not reach.

    Raises `KeyboardInterrupt` where it was asked to stop: that is no fault of the renderer.
    """
    command = [sys.executable, "-c", _RENDERER_TRIAL]
    environment = {**environment, "MUJOCO_GL": renderer}
    try:
        trial = subprocess.run(command, env=environment, capture_output=True, process_group=0,
                               timeout=TRIAL_SECONDS, text=True, errors="replace")  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"it says nothing within {TRIAL_SECONDS} seconds"
    if -trial.returncode in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        raise KeyboardInterrupt
    if trial.returncode < 0:
        return f"it dies of signal {-trial.returncode}"
    return trial.stderr.strip().rpartition("\n")[2] if trial.returncode else None


def _suite() -> Any:  # the module dm_control.suite, which has no types
    select_renderer()
    from dm_control import suite

    return suite


def _control() -> Any:  # the module dm_control.rl.control
    from dm_control.rl import control

    return control


def _seed(seed: int) -> int:
    if not 0 <= seed < 2**32:
        raise InputError("--seed", seed, "accepted: 0 to 2**32 - 1")
    return seed


class DMControl(gymnasium.Env[np.ndarray, np.ndarray]):
    """One task, by a name like `cartpole-swingup_sparse` or a variant's.

    Observations are uint8 `(3, size, size)`, or float32 `(numbers,)`: the suite's own, in its order
    and end to end. Actions are float32 in [-1, 1], rescaled to the bounds of the task. The reward
    of a step is the sum over its control steps.

    `steps_per_episode` is the number of agent steps of an episode that runs out of time,
    `seconds_per_step` how long one is in the simulation, and `physics_seconds` and
    `render_seconds` are wall time since the environment was made.
    """

    def __init__(
        self,
        task: str,
        *,
        seed: int = 0,
        size: int | None = 84,
        action_repeat: int | None = None,
        camera: int | None = None,
        render_quality: str = "suite",
    ):
        """`size` is the side of a frame in pixels, and None shows the state instead;
        `action_repeat` and `camera` are the field's choice for the task when None (camera -1 is the
        free one). With `seed` the episodes are those of `suite.load(domain, name,
        task_kwargs={"random": seed})`, those of a variant but for rewards, and so is the next one
        after `reset(seed=...)`.

        Raises `InputError` for anything that cannot be used.
        """
        validate(task)
        if action_repeat is None:
            action_repeat = repeat_of(task)
        if camera is None:
            camera = camera_of(task)
        for field, value, most in [
            ("--env.size", 1 if size is None else size, LARGEST_SIZE),
            ("--env.action-repeat", action_repeat, math.inf),
        ]:
            if not 1 <= value <= most:
                raise InputError(field, value, f"accepted: 1 to {most}")
        if render_quality not in RENDER_QUALITIES:
            raise unknown("--env.render-quality", render_quality, RENDER_QUALITIES)
        self.task, self.action_repeat = task, action_repeat
        self._random = np.random.RandomState(_seed(seed))
        domain, _, name = source(task).partition("-")
        self._env = _suite().load(domain, name, task_kwargs={"random": self._random})
        _change_reward(self._env.task, task)
        spec = self._env.action_spec()
        self._centre = (spec.maximum + spec.minimum) / 2
        self._half_width = (spec.maximum - spec.minimum) / 2
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, spec.shape, np.float32)
        self._camera = None
        if size is None:
            shapes = [part.shape for part in self._env.observation_spec().values()]
            numbers = (sum(math.prod(shape) for shape in shapes),)
            self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, numbers, np.float32)
        else:
            self._camera = _open_camera(self._env.physics, size, camera, render_quality)
            self.observation_space = gymnasium.spaces.Box(0, 255, (3, size, size), np.uint8)
        self._in_episode = False
        # dm_control ends an episode at the first step count that is not below `_step_limit`, a
        # quotient of floats.
        self.steps_per_episode = math.ceil(math.ceil(self._env._step_limit) / action_repeat)
        self.seconds_per_step = action_repeat * float(self._env.control_timestep())
        self.physics_seconds = self.render_seconds = 0.0

    @property
    def renderer(self) -> str | None:
        """What OpenGL itself says draws the frames: renderer and version; None: there are none."""
        if self._camera is None:
            return None
        from OpenGL import GL

        with self._env.physics.contexts.gl.make_current() as thread:
            names = [thread.call(GL.glGetString, name) for name in (GL.GL_RENDERER, GL.GL_VERSION)]
        return ", ".join(name.decode() for name in names)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Starts an episode; with a `seed` the generator starts anew, without one it goes on."""
        super().reset(seed=seed)
        if seed is not None:
            self._random.seed(_seed(seed))
        start = time.perf_counter()
        try:
            first = self._env.reset()
        except _control().PhysicsError as error:
            raise EpisodeBroken(f"at its start: {error}", 0) from None
        self.physics_seconds += time.perf_counter() - start
        self._in_episode = True
        return self._observe(first), {"environment_steps": 0}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Makes up to `action_repeat` control steps, fewer where the episode ends before.

        The info's `environment_steps` is the number of control steps that were made.

        Raises `ResetNeeded` outside an episode, `InputError` for an action of another shape, out
        of [-1, 1] or not a number, and `EpisodeBroken` where MuJoCo's state has diverged
        (dm_control's `PhysicsError`) or the reward is no finite float32: the episode is over.
        """
        if not self._in_episode:
            raise ResetNeeded(f"{self.task}: no episode is running; call reset() first")
        action = np.asarray(action, np.float64)
        if action.shape != self.action_space.shape or not np.all(np.abs(action) <= 1):
            shape = self.action_space.shape
            raise InputError("action", action.tolist(), f"accepted: shape {shape} in [-1, 1]")
        control = self._centre + self._half_width * action

        self._in_episode = False  # so it stays if the episode breaks
        start = time.perf_counter()
        reward, made, last = 0.0, 0, False
        while made < self.action_repeat and not last:
            try:
                time_step = self._env.step(control)
            except _control().PhysicsError as error:
                raise EpisodeBroken(str(error), made) from None
            reward, made, last = reward + float(time_step.reward), made + 1, time_step.last()
        self.physics_seconds += time.perf_counter() - start
        if not abs(reward) <= LARGEST_REWARD:
            raise EpisodeBroken(f"the reward is {reward}", made)
        self._in_episode = not last

        # A last discount of 1 says that time is up, and 0 that the state is terminal.
        terminated = last and time_step.discount == 0.0
        info = {"environment_steps": made}
        return self._observe(time_step), reward, terminated, last and not terminated, info

    def _observe(self, time_step: Any) -> np.ndarray:
        """The present frame, `(3, size, size)` and contiguous, or the state."""
        if self._camera is None:
            parts = [np.ravel(part) for part in time_step.observation.values()]
            return np.concatenate(parts).astype(np.float32)
        start = time.perf_counter()
        picture = self._camera.render()
        self.render_seconds += time.perf_counter() - start
        return np.ascontiguousarray(picture.transpose(2, 0, 1))

    def close(self) -> None:
        """Frees the physics and its GL context; the environment is unusable afterwards."""
        self._in_episode = False
        self._env.physics.free()


def _change_reward(suite_task: Any, task: str) -> None:
    """Makes this one instance the variant `task`: other environments keep the suite's reward."""
    if task == NARROW:  # class attributes, which it reads through itself
        suite_task._CART_RANGE = NARROW_CART_RANGE
        suite_task._ANGLE_COSINE_RANGE = NARROW_ANGLE_COSINE_RANGE
    if task == FAST:  # a global of its module, so the reward that reads it is replaced
        suite_task.get_reward = _spins_fast


def _spins_fast(physics: Any) -> float:
    return float(physics.hinge_velocity() <= -FAST_SPIN_VELOCITY)


def _open_camera(physics: Any, size: int, camera: int, render_quality: str) -> Any:
    """A dm_control `Camera` to keep, which saves what `physics.render` builds at each call.

    The GL context is made here, and takes over the visual settings once.
    """
    from dm_control.mujoco import Camera
    from mujoco import mjtRndFlag

    count = physics.model.ncam
    if not -1 <= camera < count:
        raise InputError("--env.camera", camera, f"accepted: -1 (the free camera) to {count - 1}")
    visual = physics.model.ptr.vis
    # The suite's buffer is larger than a frame; the pixels are the same, clearing it is not free.
    visual.global_.offwidth = visual.global_.offheight = size
    if render_quality != "suite":
        visual.quality.shadowsize = 0  # no map to draw shadows in: there are none
    if render_quality == "fast":
        visual.quality.offsamples = 0
        visual.quality.numslices, visual.quality.numstacks = 8, 6
    kept = Camera(physics, size, size, camera)
    if render_quality != "suite":
        kept.scene.flags[mjtRndFlag.mjRND_REFLECTION] = False
    return kept


def is_software(renderer: str) -> bool:
    """Whether the renderer of that name draws on the CPU (Mesa's llvmpipe, softpipe, swrast)."""
    return any(word in renderer.lower() for word in ("llvmpipe", "softpipe", "swrast", "osmesa"))
