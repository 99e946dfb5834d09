"""A film of a run's deterministic policy: `python -m fast film RUN`.

The agent sees what it saw while it was trained. Beside it a second environment of the same task,
with the same seed and the same actions, draws the larger pictures of the film.
"""

import contextlib
from collections import deque
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import torch

from fast import config as configs
from fast import envs
from fast.agents import AGENTS
from fast.config import Config
from fast.envs import dmc
from fast.errors import EpisodeBroken, InputError, as_input, unknown
from fast.runs.folder import RunFolder
from fast.runs.session import EVALUATION, WEIGHTS, environment_seed, generator

FASTEST = 0.02  # seconds a picture: viewers slow down a GIF that asks for less


def film(run: Path, out: Path, size: int = 240, episode: int = 0) -> float:
    """Write one episode as a GIF that takes as long as it did; its return.

    `size` is the side of a picture in pixels. Episodes are numbered as those of the evaluation
    after the agent step of the checkpoint: where the run had one, the returns are its own.

    Raises:
        InputError: before any work, where the run, its task or `out` cannot be filmed.
    """
    try:
        folder = RunFolder.resume(run)
    except InputError as error:
        raise InputError("RUN", error.value, error.accepted) from None
    folder.close()
    config, checkpoint = folder.config, folder.checkpoint
    if checkpoint is None:
        raise InputError("RUN", str(run), "it has no checkpoint.pt; accepted: a run that has one")
    if config.task not in (drawn := dmc.tasks()):
        raise unknown("RUN", config.task, drawn, ["a run of a task of dm_control, which is drawn"])
    if out.suffix != ".gif" or out.exists():
        raise InputError("--out", str(out), "accepted: a new file whose name ends in .gif")
    with as_input("--out", out, "it cannot be made"):
        out.parent.mkdir(parents=True, exist_ok=True)
    assert isinstance(config.env, envs.PixelSettings | envs.StateSettings)  # of dm_control
    repeat = config.env.action_repeat
    with (
        contextlib.closing(envs.make(config.task, config.env)) as seen,
        contextlib.closing(dmc.DMControl(config.task, size=size, action_repeat=repeat)) as camera,
    ):
        state = checkpoint["state"]
        step = state["experience"]["agent_step"]
        agent = _agent(config, state["agent"], seen)
        stack = getattr(config.env, "frame_stack", 1)
        seed = environment_seed(config.seed, EVALUATION, step, episode)
        pictures, total = _play(agent, seen, camera, seed, stack)
        seconds = camera.seconds_per_step
    each = max(1, round(FASTEST / seconds))  # of so many pictures one is shown
    stills = np.stack(pictures[::each]).transpose(0, 2, 3, 1)
    imageio.imwrite(out, stills, duration=1000 * seconds * each, loop=0)
    return total


def _agent(config: Config, states: dict[str, Any], env: Any) -> Any:
    """The agent of a run as its checkpoint has it, on the CPU."""
    kind, shape = AGENTS[config.agent.kind], configs.seen(config, env.observation_space.shape)
    weights = generator(config.seed, WEIGHTS)
    actions = env.action_space.shape[0]
    agent = kind.make(config.agent, shape, actions, weights, torch.device("cpu"))
    for name, held in agent.learners.items():
        held.load_state_dict(states[name])
    return agent


def _play(
    agent: Any, seen: Any, camera: Any, seed: int, stack: int
) -> tuple[list[np.ndarray], float]:
    """The pictures (3, size, size) before and after every step, and the return."""
    obs, picture = seen.reset(seed=seed)[0], camera.reset(seed=seed)[0]
    frames, pictures, total, over = deque([obs] * stack, maxlen=stack), [picture], 0.0, False
    while not over:
        with torch.no_grad():
            action = agent.act(torch.from_numpy(np.concatenate(frames))[None], None)[0].numpy()
        try:
            obs, reward, terminated, truncated, _ = seen.step(action)
        except EpisodeBroken:
            break
        pictures.append(camera.step(action)[0])
        frames.append(obs)
        total, over = total + reward, terminated or truncated
    return pictures, total
