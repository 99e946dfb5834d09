"""`python -m fast bench AGENT`: what a step and an update cost, beside what others have.

Each measurement is a process of its own, ours and the others' in turn, so that what else the
machine does touches all alike; what counts is the ratio within a round. With one thread it is the
processor's time that counts, which does not grow while others have the core; with more the
clock's. The others' are scripts/peer_*.py, in the environment that `make bench` makes.
`python -m fast.machine.bench AGENT STEPS` prints one measurement of ours as JSON.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fast.errors import InputError
from fast.machine.allocator import SETTINGS, keep_large_blocks

SCRIPTS = Path(__file__).parents[2] / "scripts"
OURS = [sys.executable, "-m", "fast.machine.bench"]
# {agent: {argument of its script: what that is}}
PEERS = {
    "sac": {"sb3": "stable-baselines3", "single": "one file, as CleanRL's"},
    "dqn": {"sb3": "stable-baselines3"},
    "ppo": {"sb3": "stable-baselines3"},
    **{name: {"original": "the original's published form"} for name in ("drq", "drq-bfloat16")},
}
SCRIPT = {"sac": "peer_sac.py", "dqn": "peer_sb3.py", "ppo": "peer_sb3.py",
          "drq": "peer_drq.py", "drq-bfloat16": "peer_drq.py"}  # fmt: skip
TASK, WARM = "HalfCheetah-v4", 1100  # steps before it counts, all but the last few random
# What training asks of glibc, for a process that does not ask by itself.
KEPT = {f"MALLOC_{name}_": str(value) for name, (_, value) in SETTINGS.items()}


def clock() -> Callable[[], float]:
    return time.process_time if os.environ.get("OMP_NUM_THREADS") == "1" else time.perf_counter


class Frames:
    """Games of no rule, which cost nothing: random pictures, of which an agent sees a few."""

    def __init__(self, channels: int, actions: Any):
        import numpy as np
        from gymnasium.spaces import Box

        self.observation_space = Box(0, 255, (channels, 84, 84), np.uint8)
        self.action_space = actions
        self.steps_per_episode, self.render_seconds, self.step_number = 1000, 0.0, 0
        rng = np.random.default_rng(0)
        self.pictures = rng.integers(256, size=(100, channels, 84, 84), dtype=np.uint8)

    def reset(self, seed: int) -> tuple[Any, dict[str, int]]:
        return self.pictures[0], {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, int]]:
        self.step_number += 1
        obs = self.pictures[self.step_number % 100]
        return obs, 1.0, False, self.step_number % 1000 == 0, {"environment_steps": 1}


def ours(agent: str, steps: int) -> dict[str, float]:
    """Milliseconds of a whole step (act, environment, store, sample, update), and of sampling and
    update alone, at the settings of the other's script."""
    keep_large_blocks()  # as in training
    return on_policy(steps) if agent == "ppo" else replayed(agent, steps)


def replayed(kind: str, steps: int) -> dict[str, float]:
    """Of an agent with a replay, at one update a step."""
    import torch
    from gymnasium.spaces import Box, Discrete
    from gymnasium.spaces.utils import flatdim

    from fast import config as configs
    from fast import envs
    from fast.agents import AGENTS
    from fast.experience.play import Play
    from fast.experience.replay import Replay
    from fast.runs.session import Clock

    if kind == "sac":
        config = configs.build("sac", TASK, preset="laptop")
        env: Any = envs.make(TASK, config.env)
        changed: dict[str, Any] = {"initialisation": "torch", "log_std_bounds": (-20.0, 2.0)}
        stack, before = 1, 100
    elif kind == "dqn":
        config, env = configs.build("dqn", "minatar-asterix"), Frames(1, Discrete(6))
        changed, stack, before = {"padding": "valid", "updates_per_step": 1.0}, 4, 100
    else:  # an update of the original's size takes seconds
        config = configs.build("drq", "cartpole-swingup", preset="drq-original")
        env, changed = Frames(3, Box(-1.0, 1.0, (1,))), {"bfloat16": kind == "drq-bfloat16"}
        stack, before = 3, 2
    usual: Any = config.agent
    settings: Any = replace(usual, first_update=WARM - before, **changed)
    channels, *side = env.observation_space.shape
    g = torch.Generator().manual_seed(0)
    shape = (stack * channels, *side)
    agent = AGENTS[usual.kind].make(settings, shape, flatdim(env.action_space), g)
    replay = Replay(steps + 2 * WARM, env.observation_space, env.action_space, stack=stack)
    play = Play(env, env, agent, replay, seed=0, clock=Clock())
    now, updates = clock(), 0
    for step in range(WARM + steps):
        if step == WARM:
            start = now()
        for batch in play.step():
            updates += 1
            agent.update(batch, agent.draws(settings.batch_size, g), updates)
    whole = now() - start
    start = now()
    for count in range(updates, updates + steps):
        batch = replay.sample(settings.batch_size, g)
        agent.update(batch, agent.draws(settings.batch_size, g), count + 1)
    return {"step": 1e3 * whole / steps, "update": 1e3 * (now() - start) / steps}


def on_policy(steps: int) -> dict[str, float]:
    """Of PPO, by whole rollouts behind a first one; an update is a minibatch, and what of the
    rollout all epochs share is no part of it."""
    import torch

    from fast import config as configs
    from fast import envs
    from fast.agents.ppo import PPO, PPOSettings
    from fast.experience.rollout import Rollout
    from fast.runs.session import Clock

    config = configs.build("ppo", TASK, preset="laptop")
    settings = config.agent
    assert isinstance(settings, PPOSettings)
    env, g = envs.make(TASK, config.env), torch.Generator().manual_seed(0)
    (inputs,), (actions,) = env.observation_space.shape, env.action_space.shape
    agent = PPO(settings, (inputs,), actions, g)
    rollouts = max(1, round(steps / settings.rollout_steps))
    each = settings.epochs * settings.rollout_steps // settings.batch_size
    played = Rollout(env, env, agent, updates=(rollouts + 1) * each, seed=0, clock=Clock())
    now, learning, updates = clock(), 0.0, 0
    for step in range((rollouts + 1) * settings.rollout_steps):
        if step == settings.rollout_steps:
            start, learning, updates = now(), 0.0, 0
        batches = played.step()
        batch = next(batches, None)  # of the first, the rollout is prepared
        began = now()
        while batch is not None:
            updates += 1
            agent.update(batch, None, updates)
            batch = next(batches, None)
        learning += now() - began
    whole = now() - start
    made = rollouts * settings.rollout_steps
    return {"step": 1e3 * whole / made, "update": 1e3 * learning / updates}


def bench(
    agent: str, python: Path, steps: int, rounds: int, threads: int = 1, kept: bool = True
) -> None:
    """Print each round, and the medians of the ratios: theirs over ours.

    kept: the others have the allocator that training here asks for; else they are as they come.

    Raises:
        InputError: where that Python has no stable-baselines3.
    """
    peers, script = PEERS[agent], SCRIPTS / SCRIPT[agent]
    commands = {"ours": [*OURS, agent, str(steps)]}
    for name in peers:
        peer = [str(Path(python).absolute()), "-W", "ignore", str(script), "speed"]
        commands[name] = [*peer, *([] if agent == "sac" else [agent]), name, str(steps)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)} | (KEPT if kept else {})
    unit = "the processor's" if threads == 1 else "the clock's"
    ratios: dict[str, list[float]] = {}
    for number in range(rounds):
        found = {}
        for name, command in commands.items():
            # MuJoCo writes what it warns of into a file where it runs
            there = None if name == "ours" else tempfile.gettempdir()
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, cwd=there, env=environment
                )
            except OSError as error:
                raise InputError("--peers", str(python), f"accepted: a Python ({error})") from None
            if done.returncode:
                told = (done.stderr.strip() or f"exit {done.returncode}").splitlines()[-1]
                accepted = "a Python with scripts/peers.txt, as `make bench` makes it"
                raise InputError("--peers", str(python), f"{told}; accepted: {accepted}")
            found[name] = json.loads(done.stdout)
        shown = [f"{name} {x['step']:.2f} and {x['update']:.2f}" for name, x in found.items()]
        head = f"round {number + 1}, {unit} ms a step and an update"
        print(f"{head}: {', '.join(shown)}", flush=True)
        for name in peers:
            for what in ("step", "update"):
                ratio = found[name][what] / found["ours"][what]
                ratios.setdefault(f"{peers[name]}, {what}", []).append(ratio)
    for name, of in ratios.items():
        print(f"{name}: {statistics.median(of):.2f} times ours ({min(of):.2f} to {max(of):.2f})")


if __name__ == "__main__":
    print(json.dumps(ours(sys.argv[1], int(sys.argv[2]))))
