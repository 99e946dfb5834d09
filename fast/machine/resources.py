"""What a run takes of this machine, and what of it there is: memory, disk, the device.

The memory is that of the machine, of the container (cgroup v1 or v2) or of the process (`ulimit
-v`), whichever has the least left. Needs no torch, but for the size of a replay buffer.
"""

import contextlib
import math
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from gymnasium.spaces.utils import flatdim

from fast.config import Config, seen
from fast.errors import InputError

# Bytes that a training takes beside its buffer and its batch: measured, with the preset `tiny`.
PROCESS = 600_000_000
# Of an episode, an action and a state where no environment has been made: of most tasks, and the
# largest two.
CONTROL_STEPS, ACTIONS, NUMBERS = 1000, 38, 376


class Memory(NamedTuple):
    """Bytes that are free, of how many, and whose they are."""

    free: int
    total: int
    whose: str

    def __str__(self) -> str:
        return f"{self.free / 1e9:.1f} GB of {self.whose} are free"


def memory(root: Path = Path("/")) -> Memory:
    """The memory that this process may still take; `root` holds `proc` and `sys`."""
    machine = psutil.virtual_memory()
    found = [Memory(machine.available, machine.total, "this machine's memory")]
    found += _cgroups(root)
    taken = psutil.Process().memory_info()
    limits = (resource.RLIMIT_AS, taken.vms, "v"), (resource.RLIMIT_DATA, taken.data, "d")
    for which, size, letter in limits:
        limit = resource.getrlimit(which)[0]
        if limit != resource.RLIM_INFINITY:
            whose = f"what `ulimit -{letter}` lets a process have"
            found.append(Memory(max(0, limit - size), limit, whose))
    return min(found)


def _cgroups(root: Path) -> Iterator[Memory]:
    """The limits of this process's cgroups; file pages not used lately can be had back."""
    for version, folder in _groups(root, "memory"):
        limit, used, idle = {
            1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
            2: ("memory.max", "memory.current", "inactive_file"),
        }[version]
        with contextlib.suppress(OSError, ValueError):  # not there, or "max"
            most = int((folder / limit).read_text())
            stat = dict(x.split() for x in (folder / "memory.stat").read_text().splitlines())
            free = most - int((folder / used).read_text()) + int(stat.get(idle, 0))
            yield Memory(max(0, free), most, "the container's memory")


def _groups(root: Path, controller: str) -> Iterator[tuple[int, Path]]:
    """(version, folder) of this process's cgroup of a controller and of those around it.

    Inside a container the path of the group is often that of the host, which is not there: then
    the group that is mounted counts.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # no Linux
        return
    mounts = root / "sys/fs/cgroup"
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            version, bases = 2, [mounts, mounts / "unified"]
        elif controller in controllers.split(","):
            version, bases = 1, [mounts / name for name in {controller, controllers}]
        else:
            continue
        for base in bases:
            group = base.joinpath(*(part for part in Path(path).parts if part not in ("/", "..")))
            for folder in (group, *group.parents):
                yield version, folder
                if folder == base:
                    break


def cores(root: Path = Path("/")) -> float:
    """How many cores this process may keep busy: its mask's, or the quota of its cgroups."""
    masked = hasattr(os, "sched_getaffinity")
    most = float(len(os.sched_getaffinity(0)) if masked else os.cpu_count() or 1)
    for version, folder in _groups(root, "cpu"):
        names = {1: ("cpu.cfs_quota_us", "cpu.cfs_period_us"), 2: ("cpu.max",)}[version]
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):  # not there, or "max"
            quota, period = " ".join((folder / name).read_text() for name in names).split()
            if int(quota) > 0:  # -1 is no quota
                most = min(most, int(quota) / int(period))
    return most


def gpu_memory(place: Mapping[str, str]) -> int:
    """Free bytes of the GPU that a process with these environment variables sees.

    Raises:
        InputError: where torch sees none; asked in a process of its own.
    """
    code = "import torch; print(torch.cuda.mem_get_info()[0])"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | place, capture_output=True)
    if done.returncode:
        shown = place.get("CUDA_VISIBLE_DEVICES", os.environ.get("CUDA_VISIBLE_DEVICES"))
        where = "" if shown is None else f" with CUDA_VISIBLE_DEVICES={shown}"
        raise InputError("--devices", "cuda", f"torch sees no GPU here{where}; accepted: cpu")
    return int(done.stdout)


def disk(folder: Path) -> int:
    """Free bytes where `folder` is or would be made."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


# --- what a run takes -----------------------------------------------------------------------------


def planned_agent_steps(config: Config) -> int:
    """The agent step of the last update."""
    agent = config.agent
    if config.run.stored:
        return config.run.updates
    return agent.first_update - 1 + math.ceil(config.run.updates / agent.updates_per_step)


def capacity(config: Config, steps_per_episode: int) -> int:
    """Agent steps that the replay buffer holds: no more than the run can make."""
    if config.run.stored:
        return config.agent.replay_capacity
    return min(config.agent.replay_capacity, planned_agent_steps(config) + steps_per_episode)


def buffer(config: Config, env: Any = None) -> int:
    """Bytes of the replay buffer, on the device; its episodes take no more of the disk.

    None of labelled pictures: they are read, before any work, into what they take.
    """
    if config.env.kind == "labels":
        return 0
    from fast.experience.replay import Replay

    stack = getattr(config.env, "frame_stack", 1)
    if env is not None:
        actions, steps = flatdim(env.action_space), env.steps_per_episode
        one = math.prod(env.observation_space.shape) * env.observation_space.dtype.itemsize
    else:
        actions = ACTIONS
        if config.env.kind == "games":
            steps = config.env.most_steps
        else:
            steps = max(1, CONTROL_STEPS // config.env.action_repeat)
        one = 4 * NUMBERS if config.env.kind == "states" else math.prod(seen(config)) // stack
    return Replay.bytes(capacity(config, steps), one, actions, stack, steps)


def batch(config: Config, env: Any = None) -> int:
    """Bytes of the observations of one batch as the networks take them."""
    one = (NUMBERS,) if env is None else env.observation_space.shape
    return 4 * config.agent.batch_size * math.prod(seen(config, one))


def sizes(config: Config) -> str:
    """Those of the networks, in words."""
    names = ("channels", "latent", "hidden", "width")
    there = {name: getattr(config.agent, name, None) for name in names}
    return ", ".join(f"{name} {value}" for name, value in there.items() if value is not None)


def networks(config: Config, env: Any) -> int:
    """Bytes of parameters, gradients, moments and slow copies, before any is made."""
    import torch

    from fast.agents import AGENTS

    of, shape = AGENTS[config.agent.kind].file.networks, seen(config, env.observation_space.shape)
    with torch.device("meta"):
        made = of(config.agent, shape, flatdim(env.action_space))
    return 4 * 5 * sum(p.numel() for module in made.values() for p in module.parameters())


def _recorded(folder: Path) -> int:
    """Bytes of the episodes that a run's folder holds: a run that goes on needs them no more."""
    taken = 0
    for file in folder.glob("frames/*"):
        with contextlib.suppress(FileNotFoundError):  # another process may train there
            taken += file.stat().st_size
    return taken


def require(config: Config, env: Any, folder: Path, field: str) -> None:
    """Refuse a run whose networks, batch or replay buffer fit neither memory nor disk.

    Raises:
        InputError: naming what is needed and what there is.
    """
    if config.device == "cuda":
        import torch

        free = torch.cuda.mem_get_info()[0]
        where = f"{free / 1e9:.1f} GB of the GPU's memory are free"
    else:
        free, where = memory().free, str(memory())
    made = networks(config, env)
    if made > free:
        reason = f"the networks and their Adam take {made / 1e9:.1f} GB, {where}"
        raise InputError("--agent", sizes(config), reason)
    one, needed = batch(config, env), buffer(config, env)
    holds = "rollout_steps" if hasattr(config.agent, "rollout_steps") else "replay_capacity"
    holding = f"--agent.{holds}".replace("_", "-")
    if one > free:
        reason = f"the observations of one batch alone take {one / 1e9:.1f} GB, {where}"
        raise InputError("--agent.batch-size", config.agent.batch_size, reason)
    if needed + one > free:
        reason = (
            f"the buffer takes {needed / 1e9:.1f} GB and a batch {one / 1e9:.1f}, {where}: "
            "accepted is a smaller one, or of pictures a smaller --env.size"
        )
        raise InputError(holding, getattr(config.agent, holds), reason)
    free = disk(folder) + _recorded(folder)
    if needed > free:
        reason = (
            f"the episodes of the buffer may take up to {needed / 1e9:.1f} GB of disk, "
            f"{free / 1e9:.1f} GB are free: free some, or give a smaller {holding}"
        )
        raise InputError(field, str(folder), reason)


def require_all(runs: Sequence[tuple[Config, Path]], places: Sequence[Mapping[str, str]]) -> None:
    """Refuse to begin as many of these runs at once as there are places, if that is too much.

    Each finds enough for itself when it begins, because a buffer takes its memory as it fills.

    Raises:
        InputError: naming how many would fit.
    """
    if not runs:
        return
    places = places[: len(runs)]
    on_gpu = runs[0][0].device == "cuda"
    sizes = sorted((buffer(config) + batch(config) for config, _ in runs), reverse=True)
    here = [PROCESS if on_gpu else size + PROCESS for size in sizes]
    _require_sum("--jobs", here[: len(places)], memory().free, str(memory()))
    if on_gpu:
        of = [tuple(sorted(place.items())) for place in places]
        for place in set(of):
            free = gpu_memory(dict(place))
            said = f"{free / 1e9:.1f} GB of the memory of one GPU are free"
            _require_sum("--jobs", sizes[: of.count(place)], free, said)
    wanted = (max(0, buffer(config) - _recorded(folder)) for config, folder in runs)
    parent = runs[0][1].parent
    free = disk(parent)
    most = sorted(wanted, reverse=True)[: len(places)]
    _require_sum("--jobs", most, free, f"{free / 1e9:.1f} GB of the disk of {parent} are free")


def _require_sum(field: str, sizes: Sequence[int], free: int, said: str) -> None:
    if sum(sizes) <= free:
        return
    fit = max(n for n in range(len(sizes)) if sum(sizes[:n]) <= free)
    most = f"{fit} or fewer" if fit else "a smaller --agent.replay-capacity"
    reason = f"so many runs at once may take {sum(sizes) / 1e9:.1f} GB, {said}; accepted: {most}"
    raise InputError(field, len(sizes), reason)


# --- where it was not enough ----------------------------------------------------------------------


@contextlib.contextmanager
def allocating(field: str, value: object) -> Iterator[None]:
    """What is made here is refused, by the name of its setting, where it cannot be allocated."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InputError(field, value, f"it cannot be allocated: {reason}; {memory()}") from None


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether that is what a MemoryError, or an error of torch, says."""
    lacks = "can't allocate memory", "not enough memory", "out of memory", "alloc_cpu"
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in lacks)
    )
