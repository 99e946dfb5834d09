"""Memory, disk and device: what there is, and what is refused because it is too little."""

import os
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from gymnasium.spaces import Box

from fast import config as configs
from fast.__main__ import main
from fast.agents.drq import DrQ
from fast.errors import InputError
from fast.experience.replay import Replay
from fast.machine import resources

ROOT = Path(__file__).parents[3]
GB = 10**9
HOST = 64 * GB


@pytest.fixture(autouse=True)
def host(monkeypatch):
    """A machine with 64 GB, all free."""
    memory = namedtuple("memory", "total available")(HOST, HOST)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)


def machine(root, group, **files):
    """A root with the cgroup of this process, and files by their path with / as __."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(group)
    for path, text in files.items():
        file = root / "sys/fs/cgroup" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    return root


def v1(folder, limit, used, idle=0):
    return {
        f"memory{folder}/memory.limit_in_bytes": limit,
        f"memory{folder}/memory.usage_in_bytes": used,
        f"memory{folder}/memory.stat": f"cache 7\ntotal_inactive_file {idle}",
    }


def v2(folder, limit, used, idle=0):
    return {
        f"{folder}memory.max": limit,
        f"{folder}memory.current": used,
        f"{folder}memory.stat": f"anon 7\ninactive_file {idle}",
    }


V1 = "9:name=systemd:/\n4:cpu,memory:{}\n0::/\n"
NO_LIMIT = 9223372036854771712  # what version 1 says


@pytest.mark.parametrize(
    ("group", "files", "free"),
    [
        (V1.format("/job"), v1("/job", 3 * GB, 2 * GB), GB),
        (V1.format("/job"), v1("/job", NO_LIMIT, 2 * GB), HOST),
        (V1.format("/job"), v1("/job", 3 * GB, 2 * GB, GB), 2 * GB),
        (V1.format("/a/b"), v1("/a/b", 5 * GB, 0) | v1("/a", 4 * GB, GB), 3 * GB),
        (V1.format("/docker/0123"), v1("", 2 * GB, GB), GB),  # the path is the host's
        ("0::/job\n", v2("job/", 3 * GB, 2 * GB), GB),
        ("0::/job\n", v2("job/", 3 * GB, 2 * GB, GB // 2), GB + GB // 2),
        ("0::/job\n", v2("job/", "max", 2 * GB), HOST),
        ("0::/a/b\n", v2("a/b/", "max", 0) | v2("a/", 4 * GB, GB), 3 * GB),
        ("0::/\n", v2("", 2 * GB, GB), GB),
        ("0::/../../other\n", v2("", 2 * GB, GB), GB),
        ("0::/job\n", v2("unified/job/", 2 * GB, GB), GB),
        ("0::/job\n", v2("job/", GB, 2 * GB), 0),  # over its limit
        ("0::/job\n", {}, HOST),
        ("0::/job\n", v2("job/", "many", GB), HOST),
    ],
)  # fmt: skip
def test_the_memory_is_the_containers_where_it_has_a_limit(tmp_path, group, files, free):
    found = resources.memory(machine(tmp_path, group, **files))
    assert found.free == free
    assert found.whose == ("this machine's memory" if free == HOST else "the container's memory")


@pytest.mark.parametrize(
    ("group", "files", "cores"),
    [
        ("0::/job\n", {"job/cpu.max": "150000 100000"}, 1.5),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000"}, 0.5),
        ("0::/job\n", {"job/cpu.max": "max 100000"}, 16),
        ("0::/job\n", {"job/cpu.max": "9900000 100000"}, 16),  # more than there are
        ("0::/../of/the/host\n", {"cpu.max": "200000 100000"}, 2),
        ("4:cpu,cpuacct:/job\n", {"cpu,cpuacct/job/cpu.cfs_quota_us": "250000",
                                  "cpu,cpuacct/job/cpu.cfs_period_us": "100000"}, 2.5),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 16),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "1", "cpu/cpu.cfs_period_us": "0"}, 16),
        ("0::/job\n", {"job/cpu.max": "what"}, 16),
        ("", {}, 16),
    ],
)  # fmt: skip
def test_the_cores_are_those_that_mask_and_quota_leave(tmp_path, monkeypatch, group, files, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)), raising=False)
    assert resources.cores(machine(tmp_path, group, **files)) == cores


def test_without_control_groups_the_memory_is_the_machines(tmp_path):
    assert resources.memory(tmp_path).free == HOST


@pytest.mark.parametrize("which", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_the_memory_is_the_processs_where_ulimit_sets_one(which):
    letter = {"RLIMIT_AS": "v", "RLIMIT_DATA": "d"}[which]
    code = f"""
import resource
from fast.machine import resources
resource.setrlimit(resource.{which}, ({GB}, {GB}))
memory = resources.memory()
assert 0 < memory.free < memory.total == {GB}, memory
assert "ulimit -{letter}" in str(memory), memory
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def config_of(**agent):
    config = configs.build("drq", "cartpole-swingup", preset="paper")
    return replace(config, agent=replace(config.agent, **agent))


ENV = SimpleNamespace(
    observation_space=Box(0, 255, (3, 84, 84), np.uint8),
    action_space=Box(-1, 1, (1,)),
    steps_per_episode=125,
)


def free(monkeypatch, amount, disk=HOST):
    has = resources.Memory(amount, amount, "the container's memory")
    monkeypatch.setattr(resources, "memory", lambda: has)
    monkeypatch.setattr(resources, "disk", lambda folder: disk)


def test_a_run_is_refused_where_its_buffer_does_not_fit_the_container(monkeypatch, tmp_path):
    config = config_of()
    needed = Replay.bytes(100_000, 3 * 84**2, 1, 3, 125) + resources.batch(config, ENV)
    free(monkeypatch, needed)
    resources.require(config, ENV, tmp_path / "x", "--out")
    free(monkeypatch, needed - 1)
    with pytest.raises(
        InputError, match=r"--agent.replay-capacity: 100000 .*the container's memory"
    ):
        resources.require(config, ENV, tmp_path / "x", "--out")
    free(monkeypatch, resources.batch(config, ENV) - 1)
    with pytest.raises(InputError, match=r"--agent.batch-size: 512 .*observations of one batch"):
        resources.require(config, ENV, tmp_path / "x", "--out")


def test_networks_that_no_machine_holds_are_refused_before_any_is_made(monkeypatch, tmp_path):
    config = config_of()
    agent = DrQ(config.agent, configs.seen(config), 1, torch.Generator())
    modules = [learner.module for learner in agent.learners.values()]
    held = sum(p.numel() for module in modules for p in module.parameters())
    assert resources.networks(config, ENV) == 5 * 4 * held  # gradient, two moments, slow copy
    huge = config_of(hidden=(2**20, 2**20), latent=2**20, channels=2**20)
    free(monkeypatch, 10**13)
    with pytest.raises(InputError, match=r"--agent: .*hidden .*1048576.*the networks and"):
        resources.require(huge, ENV, tmp_path / "x", "--out")


def test_what_a_run_has_stored_is_not_asked_of_the_disk_again(monkeypatch, tmp_path):
    config = config_of(replay_capacity=1000)
    needed = resources.buffer(config, ENV)
    free(monkeypatch, HOST, needed - 100)
    with pytest.raises(InputError, match=r"--resume: .*of disk"):
        resources.require(config, ENV, tmp_path, "--resume")
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames/0000000.npz").write_bytes(bytes(100))
    resources.require(config, ENV, tmp_path, "--resume")


def test_an_episode_that_another_process_removes_meanwhile_is_not_counted(monkeypatch, tmp_path):
    """A sweep looks at the runs of another one, which goes on."""
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "1.npz").write_bytes(b"1234")
    gone = tmp_path / "frames" / "0.npz"
    found = [gone, tmp_path / "frames" / "1.npz"]
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(found))
    assert resources._recorded(tmp_path) == 4


def test_an_address_space_limit_is_blamed_on_what_does_not_fit_it(tmp_path):
    """Not on the networks: the buffer is what would be too large."""
    code = f"""
import resource
from fast.__main__ import main
from fast.envs import dmc
dmc.select_renderer()
resource.setrlimit(resource.RLIMIT_AS, ({6 * GB},) * 2)
raise SystemExit(main("train --task cartpole-swingup --preset paper --agent.replay-capacity 300000 "
     "--run.updates 400000 --env.render-quality fast --out {tmp_path}/x".split()))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: --agent.replay-capacity: 300000 is not usable here; ")
    assert "ulimit -v" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [RuntimeError("DefaultCPUAllocator: no\nat x"), MemoryError()])
def test_what_cannot_be_allocated_is_refused_by_its_own_name(error):
    with (
        pytest.raises(InputError, match=r"--net: 3 .*cannot be allocated: (Default|Memory)"),
        resources.allocating("--net", 3),
    ):
        raise error


def test_a_lack_of_memory_is_told_from_a_fault_of_ours():
    with pytest.raises(RuntimeError) as lacking:
        torch.empty(2**60, dtype=torch.uint8)
    assert resources.is_lack_of_memory(lacking.value)
    assert resources.is_lack_of_memory(MemoryError())
    assert not resources.is_lack_of_memory(RuntimeError("shapes cannot be multiplied"))
    assert not resources.is_lack_of_memory(ValueError("out of memory"))


# --- several at once ------------------------------------------------------------------------------


def runs_of(folder, *capacities):
    return [(config_of(replay_capacity=n), folder / str(i)) for i, n in enumerate(capacities)]


def test_what_a_sweep_starts_at_once_has_to_fit_together(monkeypatch, tmp_path):
    small, large = 10_000, 50_000
    runs = runs_of(tmp_path, small, large, small, large)
    size = {n: resources.buffer(config_of(replay_capacity=n)) for n in (small, large)}
    one = resources.PROCESS + resources.batch(runs[0][0])
    both = 2 * size[large] + 2 * one  # the two that take most may meet
    free(monkeypatch, both)
    resources.require_all(runs, [{}, {}])
    resources.require_all(runs[:1], [{}] * 9)  # one run needs one place
    free(monkeypatch, both - 1)
    with pytest.raises(InputError, match=r"--jobs: 2 .*container's memory.*accepted: 1 or fewer"):
        resources.require_all(runs, [{}, {}])
    resources.require_all(runs, [{}])
    free(monkeypatch, size[large])
    with pytest.raises(
        InputError, match=r"--jobs: 1 .*accepted: a smaller --agent.replay-capacity"
    ):
        resources.require_all(runs, [{}])
    free(monkeypatch, HOST, 2 * size[large] - 1)
    with pytest.raises(InputError, match=r"--jobs: 2 .*of the disk of"):
        resources.require_all(runs, [{}, {}])
    resources.require_all([], [{}])


def test_the_runs_of_each_gpu_have_to_fit_it_together(monkeypatch, tmp_path):
    runs = [(replace(c, device="cuda"), folder) for c, folder in runs_of(tmp_path, *[10_000] * 3)]
    size = resources.buffer(runs[0][0]) + resources.batch(runs[0][0])
    places = [{"CUDA_VISIBLE_DEVICES": number} for number in "010"]
    monkeypatch.setattr(resources, "gpu_memory", lambda place: 2 * size)
    free(monkeypatch, 3 * resources.PROCESS)  # their buffers are not in it
    resources.require_all(runs, places)
    monkeypatch.setattr(resources, "gpu_memory", lambda place: 2 * size - 1)
    with pytest.raises(InputError, match=r"--jobs: 2 .*of one GPU.*accepted: 1 or fewer"):
        resources.require_all(runs, places)


def test_a_sweep_on_a_gpu_that_is_not_there_is_refused(tmp_path, capsys):
    runs = ["--tasks", "cartpole-swingup", "--methods", "baseline", "--preset", "tiny"]
    assert main(["sweep", *runs, "--out", str(tmp_path / "x"), "--devices", "cuda:999"]) == 2
    assert "torch sees no GPU here with CUDA_VISIBLE_DEVICES=999" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_formula_of_the_buffer_without_an_environment_is_near(tmp_path):
    config = config_of()
    exact = Replay.bytes(100_000, 3 * 84**2, 1, 3, 125)  # of 1000 steps, repeated 8 times
    assert exact <= resources.buffer(config) <= exact + 4 * 100_000 * resources.ACTIONS
