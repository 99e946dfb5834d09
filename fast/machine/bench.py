"""`python -m fast bench sac`: what a step and an update cost, beside stable-baselines3's.

Each measurement is a process of its own, ours and the others' in turn, so that what else the
machine does touches all alike; what counts is the ratio within a round. The others' are
scripts/peer_sac.py, in the environment that `make bench` makes. `python -m fast.machine.bench
STEPS` prints one measurement of ours as JSON.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from fast.errors import InputError

PEER = Path(__file__).parents[2] / "scripts" / "peer_sac.py"
OURS = [sys.executable, "-m", "fast.machine.bench"]
PEERS = {"sb3": "stable-baselines3", "single": "one file, as CleanRL's"}
TASK, WARM = "HalfCheetah-v4", 1100  # the first thousand steps are random


def ours(steps: int) -> dict[str, float]:
    """Milliseconds of a whole step (act, environment, store, sample, update), and of sampling and
    update alone, at the settings of scripts/peer_sac.py."""
    import torch

    from fast import config as configs
    from fast import envs
    from fast.agents.sac import SAC, SACSettings
    from fast.experience.play import Play
    from fast.experience.replay import Replay
    from fast.runs.session import Clock

    config = configs.build("sac", TASK, preset="laptop")
    assert isinstance(config.agent, SACSettings)
    settings = replace(config.agent, first_update=1000, initialisation="torch",
                       log_std_bounds=(-20.0, 2.0))  # fmt: skip
    env, g = envs.make(TASK, config.env), torch.Generator().manual_seed(0)
    (actions,) = env.action_space.shape
    agent = SAC(settings, env.observation_space.shape, actions, g)
    replay = Replay(steps + 2 * WARM, env.observation_space, env.action_space)
    play = Play(env, env, agent, replay, seed=0, clock=Clock())
    updates = 0
    for step in range(WARM + steps):
        if step == WARM:
            start = time.perf_counter()
        for batch in play.step():
            updates += 1
            agent.update(batch, agent.draws(settings.batch_size, g), updates)
    whole = time.perf_counter() - start
    start = time.perf_counter()
    for count in range(updates, updates + steps):
        batch = replay.sample(settings.batch_size, g)
        agent.update(batch, agent.draws(settings.batch_size, g), count + 1)
    alone = time.perf_counter() - start
    return {"step": 1e3 * whole / steps, "update": 1e3 * alone / steps}


def bench(python: Path, steps: int, rounds: int) -> None:
    """Print each round, and the medians of the ratios: theirs over ours.

    Raises:
        InputError: where that Python has no stable-baselines3.
    """
    commands = {"ours": [*OURS, str(steps)]}
    for name in PEERS:
        peer = [str(Path(python).absolute()), "-W", "ignore", str(PEER)]
        commands[name] = [*peer, "speed", name, str(steps)]
    ratios: dict[str, list[float]] = {}
    for number in range(rounds):
        found = {}
        for name, command in commands.items():
            # MuJoCo writes what it warns of into a file where it runs
            there = None if name == "ours" else tempfile.gettempdir()
            try:
                done = subprocess.run(command, capture_output=True, text=True, cwd=there)
            except OSError as error:
                raise InputError("--peers", str(python), f"accepted: a Python ({error})") from None
            if done.returncode:
                told = (done.stderr.strip() or f"exit {done.returncode}").splitlines()[-1]
                accepted = "a Python with scripts/peers.txt, as `make bench` makes it"
                raise InputError("--peers", str(python), f"{told}; accepted: {accepted}")
            found[name] = json.loads(done.stdout)
        shown = [f"{name} {x['step']:.1f} and {x['update']:.1f}" for name, x in found.items()]
        print(f"round {number + 1}, ms a step and an update: {', '.join(shown)}", flush=True)
        for name in PEERS:
            for what in ("step", "update"):
                ratio = found[name][what] / found["ours"][what]
                ratios.setdefault(f"{PEERS[name]}, {what}", []).append(ratio)
    for name, of in ratios.items():
        print(f"{name}: {statistics.median(of):.2f} times ours ({min(of):.2f} to {max(of):.2f})")


if __name__ == "__main__":
    print(json.dumps(ours(int(sys.argv[1]))))
