"""`python -m fast doctor`: one page on what this machine can do, each problem with its remedy.

Updates are timed in processes of their own, because the allocator cannot be told twice how to
behave: `python -m fast.machine.doctor PRESET DEVICE default|kept` prints one such measurement as
JSON.
"""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fast.envs import dmc
from fast.errors import InputError
from fast.machine import resources

TASK = "cartpole-swingup"
PACKAGES = ("torch", "numpy", "dm_control", "mujoco", "gymnasium", "matplotlib", "tensorboard")
CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"


def measure_updates(preset: str, device: str, allocator: str) -> dict[str, float]:
    """Milliseconds per update of a preset, and the device's peak memory in bytes."""
    import torch

    from fast import config as configs
    from fast.agents import AGENTS
    from fast.machine import cost
    from fast.machine.allocator import keep_large_blocks

    if allocator == "kept":
        keep_large_blocks()
    config = configs.build("drq", TASK, preset=preset)
    shape, size, g = configs.seen(config), config.agent.batch_size, torch.Generator().manual_seed(0)
    agent = AGENTS["drq"].make(config.agent, shape, 1, g, device)
    batch = cost.batch_of(config, shape, 1, size, g)
    batch, draws = batch._make(x.to(device) for x in batch), agent.draws(size, g)
    times: list[float] = []
    while len(times) < 4 or (sum(times) < 2 and len(times) < 100):
        start = time.perf_counter()
        agent.update(batch, draws, len(times) + 1)
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated()
    return {"ms": 1000 * statistics.median_high(times[2:]), "peak": peak}  # the first ones warm up


def measure_apart(preset: str, device: str, allocator: str) -> dict[str, float]:
    """`measure_updates` in a new process; raises RuntimeError with the last line it said."""
    command = [sys.executable, "-m", "fast.machine.doctor", preset, device, allocator]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError((done.stderr.strip() or f"exit {done.returncode}").splitlines()[-1])
    return json.loads(done.stdout)


def measure_frames(quality: str, size: int) -> tuple[float, float, str]:
    """Control steps and frames per second of one environment, and what OpenGL calls itself."""
    env = dmc.DMControl(TASK, size=size, render_quality=quality, action_repeat=1)
    env.reset(seed=0)
    steps = 0
    started = env.render_seconds, env.physics_seconds
    while env.render_seconds - started[0] < 1 and steps < 900:
        env.step(env.action_space.sample())
        steps += 1
    rendering, physics = env.render_seconds - started[0], env.physics_seconds - started[1]
    name = env.renderer or ""  # there is one where there are pictures
    env.close()
    return steps / physics, steps / rendering, name


def doctor(presets: tuple[str, ...] = ("laptop", "paper")) -> list[str]:
    """Print the page; returns the problems found."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    problems = [*_machine(), *_packages(), *_rendering(device)]
    measured, failed = _updates(presets, device)
    problems += [*failed, *_runs(measured, device)]
    print("\nProblems" if problems else "\nNo problems found.")
    for problem in problems:
        print(f"  - {problem}")
    return problems


def _machine() -> list[str]:
    """Processor, memory, disk and GPU."""
    import torch

    problems = []
    memory, disk = resources.memory(), resources.disk(Path.cwd())
    print("This machine")
    print(f"  Python {platform.python_version()}, {platform.platform()}")
    cores, threads = resources.cores(), torch.get_num_threads()
    print(f"  {os.cpu_count()} cores, {cores:g} of them for this process, torch uses {threads} "
          f"thread{'s' * (threads > 1)}")  # fmt: skip
    if threads > max(1, cores):
        problems.append(
            f"torch uses {threads} threads where {cores:g} cores may be kept busy, so that they "
            f"wait for each other: OMP_NUM_THREADS={max(1, int(cores))}"
        )
    print(f"  memory {memory.total / 1e9:.1f} GB ({memory.whose}), {memory.free / 1e9:.1f} GB free")
    print(f"  disk {disk / 1e9:.1f} GB free in this folder")
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        name = torch.cuda.get_device_name()
        print(f"  GPU {name}, memory {total / 1e9:.1f} GB, {free / 1e9:.1f} GB of it free")
    else:
        print("  GPU none that torch sees: training runs on the CPU")
    return problems


def _packages() -> list[str]:
    """The versions that are here, beside those that were tested."""
    problems = []
    print("\nPackages")
    lines = CONSTRAINTS.read_text().splitlines() if CONSTRAINTS.exists() else []
    tested = dict(line.split("==") for line in lines if "==" in line and line[0] != "#")
    for name in PACKAGES:
        try:
            found = version(name).partition("+")[0]
        except PackageNotFoundError:
            problems.append(f"{name} is missing: pip install -c constraints.txt -e '.[fast]'")
            continue
        differs = f" (tested with {tested[name]})" if tested.get(name, found) != found else ""
        print(f"  {name} {found}{differs}")
        if name == "mujoco" and int(found.split(".")[0]) >= 4:
            problems.append("dm_control breaks with mujoco 4: pip install 'mujoco<4'")
    return problems


def _rendering(device: str) -> list[str]:
    """Frames a second in each quality, and what draws them."""
    problems = []
    print(f"\nRendering, {TASK}, one process")
    try:
        for quality in dmc.RENDER_QUALITIES:
            physics, frames, name = measure_frames(quality, 84)
            print(f"  {quality:10} {frames:7.0f} frames/s at 84x84, {physics:7.0f} control steps/s")
        software = dmc.is_software(name)
        print(f"  MUJOCO_GL={dmc.select_renderer()}: {name}{' (software)' if software else ''}")
        if software and device == "cuda":
            problems.append(
                "there is a GPU but OpenGL renders in software: install the driver's EGL library "
                "(Debian: libnvidia-egl-gbm1 or nvidia-driver-libs; in a container, the "
                "`graphics` capability) so that 10_nvidia.json is among the EGL vendors"
            )
    except InputError as error:
        problems.append(str(error))
        print("  none: see the problems below")
    return problems


def _updates(
    presets: tuple[str, ...], device: str
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """What was measured of each preset, and what failed."""
    print(
        f"\nUpdates per second on {device}: large blocks of memory kept (what training does), and"
    )
    print("as the C library would have it")
    measured, problems = {}, []
    for preset in presets:
        try:
            kept, default = (measure_apart(preset, device, way) for way in ("kept", "default"))
        except RuntimeError as error:
            problems.append(f"an update of the preset {preset} failed: {error}")
            continue
        measured[preset] = kept
        ratio = default["ms"] / kept["ms"]
        rates = f"{1000 / kept['ms']:8.2f}   {1000 / default['ms']:8.2f}"
        print(f"  {preset:8} {rates}   ratio {ratio:.1f}")
    return measured, problems


def _runs(measured: dict[str, dict[str, float]], device: str) -> list[str]:
    """The memory, disk and time of a whole run of each preset that was measured."""
    import torch

    from fast import config as configs
    from fast import envs

    problems = []
    disk = resources.disk(Path.cwd())
    free = torch.cuda.mem_get_info()[0] if device == "cuda" else resources.memory().free
    print("\nWhat a run takes")
    for preset, update in measured.items():
        config = configs.build("drq", TASK, preset=preset)
        env = envs.make(TASK, config.env)
        buffer = resources.buffer(config, env)
        env.close()
        hours, memory = config.run.updates * update["ms"] / 3.6e6, buffer + update["peak"]
        length = f"{hours:.0f} hours" if hours >= 2 else f"{60 * hours:.0f} minutes"
        print(
            f"  {preset:8} {device} memory {memory / 1e9:.1f} GB, disk at most "
            f"{buffer / 1e9:.1f} GB, {config.run.updates:,} updates: {length} and the environment"
        )
        if memory > free:
            problems.append(
                f"{preset}: too little memory; give a smaller --agent.replay-capacity or "
                "--agent.batch-size"
            )
        if buffer > disk:
            problems.append(f"{preset}: too little disk; free some or choose another --out")
    return problems


if __name__ == "__main__":
    print(json.dumps(measure_updates(*sys.argv[1:])))
