"""The environment against dm_control called directly."""

import itertools
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from fast.envs import dmc
from fast.errors import EpisodeBroken, InputError

Make = Callable[..., dmc.DMControl]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes small, quickly drawn environments and closes them."""
    made = []

    def make_small(task: str, **settings: Any) -> dmc.DMControl:
        made.append(
            dmc.DMControl(task, **{"seed": 0, "size": 16, "render_quality": "fast"} | settings)
        )
        return made[-1]

    yield make_small
    for env in made:
        env.close()


def suite_environment(task: str, seed: int) -> Any:
    dmc.select_renderer()
    from dm_control import suite

    domain, name = task.split("-")
    return suite.load(domain, name, task_kwargs={"random": np.random.RandomState(seed)})


def actions(env: dmc.DMControl, seed: int = 0) -> Iterator[np.ndarray]:
    random = np.random.default_rng(seed)
    while True:
        yield random.uniform(-1, 1, env.action_space.shape).astype(np.float32)


def play(env: dmc.DMControl, seed: int = 0, reset: int | None = None) -> tuple[list, list, list]:
    """One episode to its end: observations, rewards, and what else each step returned."""
    observation, _ = env.reset(seed=reset)
    observations, rewards, others = [observation], [], []
    for action in actions(env, seed):
        observation, reward, *other = env.step(action)
        observations.append(observation)
        rewards.append(reward)
        others.append(other)
        if other[0] or other[1]:
            return observations, rewards, others


@pytest.mark.parametrize(
    ("task", "repeat"),
    [("cartpole-swingup", 8), ("finger-spin", 37), ("walker-walk", 1000)],
)
def test_rewards_and_length_are_those_of_dm_control_summed_over_repeats(
    make: Make, task: str, repeat: int
) -> None:
    env, direct = make(task, action_repeat=repeat, seed=4), suite_environment(task, 4)
    for episode in range(2):  # the second goes on with the same generator
        _, rewards, others = play(env, seed=episode)

        source = actions(env, seed=episode)
        direct.reset()
        flat = []
        time_step = None
        while time_step is None or not time_step.last():
            if len(flat) % repeat == 0:
                action = next(source)
            time_step = direct.step(action)
            flat.append(time_step.reward)
        chunks = [flat[start : start + repeat] for start in range(0, len(flat), repeat)]

        assert rewards == [sum(chunk) for chunk in chunks]
        assert [info["environment_steps"] for *_, info in others] == [len(c) for c in chunks]
        assert len(rewards) == env.steps_per_episode == math.ceil(1000 / repeat)
        assert [terminated for terminated, _, _ in others] == [False] * len(rewards)
        assert [cut for _, cut, _ in others] == [False] * (len(rewards) - 1) + [True]


def test_a_repeat_that_does_not_divide_the_episode_leaves_a_short_last_step(make: Make) -> None:
    env = make("pendulum-swingup", action_repeat=3)
    _, _, others = play(env)
    assert env.steps_per_episode == 334
    assert [info["environment_steps"] for *_, info in others] == [3] * 333 + [1]


@pytest.mark.parametrize(
    ("task", "camera"),
    [("cartpole-swingup_sparse", 0), ("finger-spin", 1), ("quadruped-walk", 2)],
)
def test_suite_quality_is_what_dm_control_renders(make: Make, task: str, camera: int) -> None:
    chosen = None if camera == dmc.camera_of(task) else camera
    env = make(task, render_quality="suite", size=40, action_repeat=2, camera=chosen)
    direct = suite_environment(task, 0)

    def picture() -> np.ndarray:
        return direct.physics.render(40, 40, camera).transpose(2, 0, 1)

    direct.reset()
    observation, info = env.reset()
    np.testing.assert_array_equal(observation, picture())
    assert info == {"environment_steps": 0}
    low = np.full(env.action_space.shape, -1, np.float32)
    for _ in range(3):
        observation, *_ = env.step(low)
        for _ in range(2):
            direct.step(direct.action_spec().minimum)
        np.testing.assert_array_equal(observation, picture())
        assert observation.dtype == np.uint8
        assert observation.flags.c_contiguous
    direct.physics.free()


def test_each_render_quality_is_another_picture_of_the_same_episode(make: Make) -> None:
    played = [
        play(make("reacher-easy", render_quality=quality, action_repeat=50))
        for quality in dmc.RENDER_QUALITIES
    ]
    assert all(rewards == played[0][1] for _, rewards, _ in played)
    for (seen, _, _), (other, _, _) in itertools.combinations(played, 2):
        assert all((a != b).any() for a, b in zip(seen, other, strict=True))


def test_a_step_renders_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    env = make("cheetah-run")
    env.reset()
    calls = []
    render = env._camera.render
    monkeypatch.setattr(env._camera, "render", lambda: calls.append(1) or render())
    env.step(next(actions(env)))
    assert env.action_repeat == 4
    assert len(calls) == 1


def test_time_is_split_into_physics_and_rendering(make: Make) -> None:
    start = time.perf_counter()
    env = make("cartpole-balance", action_repeat=100)
    play(env)
    assert env.physics_seconds > 0
    assert env.render_seconds > 0
    assert env.physics_seconds + env.render_seconds < time.perf_counter() - start


def test_actions_are_rescaled_to_the_bounds_of_the_task(make: Make) -> None:
    env = make("quadruped-walk")
    spec = env._env.action_spec()
    assert (spec.maximum != 1).any()  # else there is nothing to see
    for value, expected in [
        (-1, spec.minimum),
        (0, (spec.minimum + spec.maximum) / 2),
        (1, spec.maximum),
    ]:
        env.reset()
        env.step(np.full(spec.shape, value, np.float32))
        # Two roundings, each of at most half a unit of numbers below 2.
        np.testing.assert_allclose(env._env.physics.control(), expected, rtol=0, atol=2 * 2**-52)


def test_a_terminal_state_terminates_and_stops_the_repeat(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = make("ball_in_cup-catch")  # action repeat 4
    calls: list[int] = []

    def end_at_the_tenth(physics: object) -> float | None:
        calls.append(1)
        return 0.0 if len(calls) == 10 else None

    monkeypatch.setattr(env._env.task, "get_termination", end_at_the_tenth)
    _, _, others = play(env)
    assert [tuple(other) for other in others] == [
        (False, False, {"environment_steps": 4}),
        (False, False, {"environment_steps": 4}),
        (True, False, {"environment_steps": 2}),
    ]
    with pytest.raises(ResetNeeded):
        env.step(next(actions(env)))


def assert_same_episode(one: tuple[list, list, list], other: tuple[list, list, list]) -> None:
    np.testing.assert_array_equal(one[0], other[0])
    assert one[1:] == other[1:]


def test_the_same_seed_plays_the_same_episodes_and_another_seed_others(make: Make) -> None:
    one, same, other = (make("cartpole-swingup", seed=s, action_repeat=50) for s in (3, 3, 4))
    first = play(one)
    assert_same_episode(first, play(same))
    assert first[1] != play(other)[1]
    second = play(one)
    assert second[1] != first[1]
    assert_same_episode(second, play(same))


def test_reset_with_a_seed_starts_the_generator_anew(make: Make) -> None:
    env, fresh = (
        make("reacher-hard", action_repeat=50),
        make("reacher-hard", seed=9, action_repeat=50),
    )
    env.reset()
    observation, _ = env.reset(seed=9)
    np.testing.assert_array_equal(observation, fresh.reset()[0])
    np.testing.assert_array_equal(env.reset()[0], fresh.reset()[0])


def test_environments_share_no_generator_and_leave_numpys_alone(make: Make) -> None:
    env, other = make("finger-turn_easy", seed=1), make("finger-turn_easy", seed=2)
    direct = suite_environment("finger-turn_easy", 1)
    before = np.random.get_state()
    for _ in range(3):
        other.reset()
        env.reset()
        direct.reset()
        np.testing.assert_array_equal(env._env.physics.get_state(), direct.physics.get_state())
    np.testing.assert_equal(np.random.get_state(), before)


@pytest.mark.parametrize("task", ["cartpole-swingup", "point_mass-hard"])
@pytest.mark.parametrize("size", [16, None])
def test_a_seed_fixes_an_episode_whatever_came_before(
    make: Make, task: str, size: int | None
) -> None:
    env, fresh = (make(task, seed=s, size=size, action_repeat=100) for s in (1, 2))
    play(env)
    env._random.randn()  # normal numbers come in pairs: leave one waiting
    env.reset(seed=4)
    env.step(next(actions(env)))  # in the middle of an episode
    assert_same_episode(play(env, reset=7), play(fresh, reset=7))
    assert not np.array_equal(play(env, reset=7)[0], play(fresh, reset=8)[0])


@pytest.mark.parametrize("task", ["walker-walk", "dog-walk"])
def test_a_state_is_what_dm_control_observes_end_to_end(make: Make, task: str) -> None:
    env, direct = make(task, seed=3, size=None, action_repeat=2), suite_environment(task, 3)
    assert env.renderer is None

    def flat(time_step: Any) -> np.ndarray:
        return np.concatenate([np.ravel(part) for part in time_step.observation.values()])

    observation, _ = env.reset()
    np.testing.assert_array_equal(observation, flat(direct.reset()).astype(np.float32))
    assert env.observation_space.contains(observation)
    action = next(actions(env))
    spec = direct.action_spec()
    control = spec.minimum + (action.astype(np.float64) + 1) / 2 * (spec.maximum - spec.minimum)
    observation, reward, *_ = env.step(action)
    both = [direct.step(control) for _ in range(2)]
    np.testing.assert_allclose(observation, flat(both[1]), rtol=1e-5, atol=1e-6)
    assert reward == pytest.approx(sum(step.reward for step in both), rel=1e-9)


def test_a_step_outside_an_episode_is_refused(make: Make) -> None:
    env = make("cartpole-swingup", action_repeat=500)
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(next(actions(env)))
    play(env)
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(next(actions(env)))


def test_broken_physics_ends_the_episode_and_says_after_how_many_steps(make: Make) -> None:
    env = make("cartpole-swingup", action_repeat=3)
    env.reset()
    physics, step = env._env.physics, env._env.step

    def breaks_at_the_third(control: np.ndarray) -> Any:
        if physics.time() > 0.015:  # seconds, of 0.01 a control step
            physics.data.qpos[:] = np.nan
        return step(control)

    env._env.step = breaks_at_the_third
    with pytest.raises(EpisodeBroken, match="mjWARN_BADQPOS") as error:
        env.step(next(actions(env)))
    assert error.value.environment_steps == 2
    env._env.step = step
    with pytest.raises(ResetNeeded):
        env.step(next(actions(env)))
    env.reset()
    env.step(next(actions(env)))


def test_an_unusable_action_is_refused_and_the_episode_goes_on(make: Make) -> None:
    env, other = make("finger-spin"), make("finger-spin")
    env.reset()
    other.reset()
    for action in [0, np.nan], [0, 1.5], [-1.5, 0], 0, [0], [[0, 0]], [0, 0, 0]:
        with pytest.raises(InputError, match="action"):
            env.step(np.array(action, np.float32))
    env.step(np.ones(2))
    other.step(np.ones(2))
    states = [one._env.physics.get_state() for one in (env, other)]
    np.testing.assert_array_equal(*states)


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ({"task": "cartpole-swingup_spars"}, "did you mean cartpole-swingup_sparse"),
        ({"task": "cartpole"}, "--task"),
        ({"task": "cartpole-balance_sparse-narow"}, "did you mean cartpole-balance_sparse-narrow"),
        ({"task": "finger-spin-quick"}, "accepted: .*finger-spin-fast, each of the suite's with"),
        ({"task": "finger-spin-fast-masked"}, "--task"),
        ({"task": "reacher-easy-maskd"}, "did you mean reacher-easy-masked"),
        ({"task": "lqr-lqr_2_1-masked"}, "--task"),
        ({"task": "lqr-lqr_2_1"}, "--task"),
        ({"size": 0}, "--env.size"),
        ({"size": 4097}, "--env.size"),
        ({"action_repeat": 0}, "--env.action-repeat"),
        ({"camera": 2}, "--env.camera"),
        ({"camera": -2}, "--env.camera"),
        ({"render_quality": "quick"}, "--env.render-quality"),
        ({"seed": -1}, "--seed"),
        ({"seed": 2**32}, "--seed"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(setting: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        dmc.DMControl(**{"task": "cartpole-swingup", "seed": 0} | setting)


def test_the_table_of_action_repeats_names_tasks_that_exist(make: Make) -> None:
    assert set(dmc.ACTION_REPEAT) < set(dmc.tasks())
    assert dmc.repeat_of("cartpole-swingup") == make("cartpole-swingup").action_repeat == 8
    assert dmc.repeat_of("cartpole-swingup_sparse") == 2


def test_the_quadruped_alone_is_not_seen_by_the_first_camera() -> None:
    cameras = {task: dmc.camera_of(task) for task in dmc.tasks()}
    assert {camera for task, camera in cameras.items() if "quadruped" in task} == {2}
    assert {camera for task, camera in cameras.items() if "quadruped" not in task} == {0}


# --- variants ----------------------------------------------------------------------------------


def reward(env: dmc.DMControl) -> float:
    """The reward of the present state, as the environment itself asks for it."""
    return env._env.task.get_reward(env._env.physics)


def put_cartpole(env: dmc.DMControl, cart: float, cosine: float) -> None:
    """At rest; the cosine is written where the reward reads it, so that it is exact."""
    physics = env._env.physics
    physics.data.qpos[:] = cart, 0
    physics.data.qvel[:] = 0
    physics.forward()
    physics.named.data.xmat["pole_1", "zz"] = cosine


def put_finger(env: dmc.DMControl, velocity: float) -> None:
    """The spinner turns at `velocity` and the rest hangs still."""
    physics = env._env.physics
    physics.data.qpos[:] = physics.data.qvel[:] = 0
    physics.named.data.qvel["hinge"] = velocity
    physics.forward()


def above(value: float) -> float:
    return math.nextafter(value, math.inf)


def below(value: float) -> float:
    return math.nextafter(value, -math.inf)


@pytest.mark.parametrize(
    ("task", "carts", "cosines"),
    [
        ("cartpole-balance_sparse", (-0.25, 0.25), (0.995, 1.0)),
        ("cartpole-balance_sparse-narrow", (-0.0001, 0.0001), (0.9999, 1.0)),
        ("cartpole-swingup_sparse", (-0.25, 0.25), (0.995, 1.0)),
    ],
)
def test_sparse_cartpoles_are_rewarded_up_to_their_bounds_and_not_beside_them(
    make: Make, task: str, carts: tuple[float, float], cosines: tuple[float, float]
) -> None:
    env = make(task)
    env.reset()
    for cart in (carts[0], 0.0, carts[1]):
        for cosine in cosines:
            put_cartpole(env, cart, cosine)
            assert reward(env) == 1
    for cart in (below(carts[0]), above(carts[1])):
        put_cartpole(env, cart, 1.0)
        assert reward(env) == 0
    for cosine in (below(cosines[0]), above(cosines[1]), -1.0):
        put_cartpole(env, 0.0, cosine)
        assert reward(env) == 0


@pytest.mark.parametrize(("task", "bound"), [("finger-spin", 15.0), ("finger-spin-fast", 30.0)])
def test_finger_spin_is_rewarded_from_its_velocity_on_in_one_direction(
    make: Make, task: str, bound: float
) -> None:
    env = make(task)
    env.reset()
    given = {-bound: 1, below(-bound): 1, above(-bound): 0, bound: 0, above(bound): 0, 0.0: 0}
    for velocity, expected in given.items():
        put_finger(env, velocity)
        assert reward(env) == expected


def test_two_of_the_three_constants_of_finger_spin_are_defined_and_never_read() -> None:
    dmc.select_renderer()
    from dm_control.suite import finger

    package = Path(finger.__file__).parents[1]
    source = "".join(path.read_text() for path in package.rglob("*.py"))
    uses = {
        name: len(re.findall(rf"\b{name}\b", source))
        for name in ("_INITIAL_SPIN_VELOCITY", "_STOP_VELOCITY", "_SPIN_VELOCITY")
    }
    assert uses == {"_INITIAL_SPIN_VELOCITY": 1, "_STOP_VELOCITY": 1, "_SPIN_VELOCITY": 2}


@pytest.mark.parametrize("variant_first", [True, False])
@pytest.mark.parametrize(
    ("plain", "variant"),
    [
        ("cartpole-balance_sparse", "cartpole-balance_sparse-narrow"),
        ("finger-spin", "finger-spin-fast"),
    ],
)
def test_a_variant_leaves_every_other_environment_of_the_process_as_it_is(
    make: Make, plain: str, variant: str, variant_first: bool
) -> None:
    order = [variant, plain, variant, plain] if variant_first else [plain, variant, plain, variant]
    envs = [make(task, action_repeat=1) for task in order]
    for env in envs:
        env.reset()
    for env in [*envs, *reversed(envs)]:
        if "cartpole" in plain:
            put_cartpole(env, 0.01, 1.0)
        else:
            put_finger(env, -25.0)
        assert reward(env) == (env.task == plain)
        # One step on, the cart is where it was and the spinner has lost little.
        _, rewarded, *_ = env.step(np.zeros(env.action_space.shape))
        assert rewarded == (env.task == plain)
    direct = suite_environment(plain, 0)
    assert "get_reward" not in vars(direct.task)
    assert "_CART_RANGE" not in vars(direct.task)


@pytest.mark.parametrize(
    "variant", ["cartpole-balance_sparse-narrow", "finger-spin-fast", "reacher-easy-masked"]
)
def test_a_variant_is_its_source_in_all_but_the_reward(make: Make, variant: str) -> None:
    source = dmc.source(variant)
    assert source in dmc.tasks()
    assert dmc.repeat_of(variant) == dmc.repeat_of(source) == make(variant).action_repeat
    env, other = (make(task, action_repeat=100, seed=5) for task in (variant, source))
    assert env.task == variant
    (seen, rewards, others), (same, plain, ends) = play(env), play(other)
    np.testing.assert_array_equal(seen, same)
    assert others == ends
    if variant.endswith("masked"):  # the learner masks, not the environment
        assert rewards == plain
        assert any(plain)  # else there is nothing to see


def test_every_task_of_the_suite_has_a_masked_variant_with_its_camera_and_repeat() -> None:
    known = dmc.tasks()
    masked = {task for task in known if task.endswith(dmc.MASKED)}
    plain = set(known) - masked - {dmc.NARROW, dmc.FAST}
    assert {dmc.source(task) for task in masked} == plain
    assert len(known) == len(set(known)) == 2 * len(plain) + 2
    for task in known:
        assert dmc.camera_of(task) == dmc.camera_of(dmc.source(task))
        assert dmc.repeat_of(task) == dmc.repeat_of(dmc.source(task))


def test_gymnasiums_own_checks_pass(make: Make) -> None:
    check_env(make("cartpole-balance", action_repeat=10), skip_render_check=True)


def test_opengl_names_the_renderer(make: Make) -> None:
    renderer, _, version = str(make("cartpole-balance").renderer).partition(", ")
    assert renderer
    assert version[0].isdigit()


@pytest.mark.parametrize(
    ("name", "software"),
    [
        ("llvmpipe (LLVM 15.0.6, 256 bits), 4.5 (Compatibility Profile) Mesa 22.3.6", True),
        ("softpipe, 3.3 (Compatibility Profile) Mesa 22.3.6", True),
        ("NVIDIA H100 80GB HBM3/PCIe/SSE2, 4.6.0 NVIDIA 550.54.15", False),
        ("AMD Radeon Graphics (radeonsi, renoir, LLVM 15.0.6), 4.6 Mesa 22.3.6", False),
    ],
)
def test_a_renderer_on_the_cpu_is_recognised(name: str, software: bool) -> None:
    assert dmc.is_software(name) == software


def python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "MUJOCO_GL"}
    kept.pop("PYOPENGL_PLATFORM", None)
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=kept | environment, capture_output=True, text=True)


def test_the_tables_need_no_dm_control() -> None:
    script = """
import sys
from fast.envs import dmc
print(dmc.repeat_of("cheetah-run"), dmc.camera_of("quadruped-walk"))
print(sorted({"dm_control", "mujoco", "torch"} & sys.modules.keys()))
"""
    assert python(script).stdout.splitlines() == ["4 2", "[]"]


REFUSED = """
import sys
from fast.envs import dmc
from fast.errors import EpisodeBroken, InputError
try:
    dmc.DMControl("cartpole-swingup", seed=0)
except InputError as error:
    print(error, "dm_control" in sys.modules)
"""


def test_without_a_renderer_its_reason_and_the_packages_to_install_are_named() -> None:
    message = python(REFUSED.replace("try:", "dmc.RENDERERS = ['none']\ntry:")).stdout
    assert message.startswith("MUJOCO_GL: not given; no renderer starts (none: RuntimeError: ")
    assert "must be one of" in message  # what dm_control said
    assert "apt-get install libegl1 libgl1-mesa-dri libopengl0" in message
    assert "apt-get install libosmesa6" in message
    assert message.endswith("False\n")


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("MUJOCO_GL", "EGL", "must be one of"),
        ("MUJOCO_GL", "glfw", "as without a display"),
        ("MUJOCO_EGL_DEVICE_ID", "99", "must be an integer between 0 and"),
        ("MUJOCO_EGL_DEVICE_ID", "first", "invalid literal for int"),
        ("PYOPENGL_PLATFORM", "none", "PYOPENGL_PLATFORM environment variable is set to 'none'"),
    ],
)
def test_the_variable_that_keeps_a_renderer_from_starting_is_blamed(
    variable: str, value: str, reason: str
) -> None:
    message = python(REFUSED, **{variable: value}).stdout
    assert message.startswith(f"{variable}: '{value}' is not usable here; unset it: without it")
    assert reason in message
    assert "apt-get" not in message
    assert message.endswith("False\n")


def test_a_trial_that_is_interrupted_blames_no_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # where the tests run under nohup the child would ignore it
        kill = f"import os, signal; signal.signal({int(number)}, signal.SIG_DFL); "
        kill += f"os.kill(os.getpid(), {int(number)})"
        monkeypatch.setattr(dmc, "_RENDERER_TRIAL", kill)
        with pytest.raises(KeyboardInterrupt):
            dmc._fault_of("egl", os.environ)
    monkeypatch.setattr(dmc, "_RENDERER_TRIAL", "import os; os.kill(os.getpid(), 11)")
    assert dmc._fault_of("egl", os.environ) == "it dies of signal 11"
    monkeypatch.setattr(dmc, "_RENDERER_TRIAL", "import os; assert os.getpgrp() == os.getpid()")
    assert dmc._fault_of("egl", os.environ) is None  # the terminal's Ctrl-C is not for it
    monkeypatch.setattr(dmc, "TRIAL_SECONDS", 0.01)
    assert "says nothing" in str(dmc._fault_of("egl", os.environ))


def test_a_closed_environment_leaves_nothing_to_complain_about_at_exit() -> None:
    script = """
from fast.envs import dmc
env = dmc.DMControl("cartpole-swingup", seed=0, size=16, render_quality="fast")
env.reset()
env.close()
env.close()
"""
    ended = python(script)
    assert (ended.returncode, ended.stderr) == (0, "")
