"""A sweep on a Ray cluster of two nodes on this machine; a worker and a node are lost."""

import contextlib
import os
import signal
import sys
import threading
import time

import psutil
import pytest

from fast.__main__ import main
from fast.errors import InputError
from fast.runs.records import read_run

pytestmark = pytest.mark.slow
GRID = ["sweep", "--agent", "sac", "--tasks", "HalfCheetah-v4", "--methods", "baseline", "redo"]
GRID += ["--seeds", "2", "--preset", "tiny", "--run.updates", "600"]
NAMES = [f"HalfCheetah-v4.{method}.{seed}" for seed in (0, 1) for method in ("baseline", "redo")]


@pytest.fixture
def cluster():
    pytest.importorskip("ray", reason="make thorough installs it")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    made.second = made.add_node(num_cpus=1)
    yield made
    import ray

    ray.shutdown()
    made.shutdown()


def records(folder):
    """What was learnt: all but times and who trained when."""
    run = read_run(folder)
    return [run.of(kind) for kind in ("scores", "update", "intervention", "evaluation", "episode")]


def workers():
    """Of Ray, those that train."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # it has just ended
            parent = process.parent()
            if "--only" in process.cmdline() and "ray::" in " ".join(parent.cmdline()):
                found.append(parent)
    return found


def wait(there, seconds=120):
    end = time.monotonic() + seconds
    while not (found := there()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def test_every_run_is_completed_though_a_worker_and_a_node_are_lost(cluster, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    assert main([*GRID, "--out", str(here), "--jobs", "2"]) == 0
    assert main([*GRID, "--out", str(there), "--only", NAMES[0]]) == 0
    before = {file: file.stat().st_mtime_ns for file in (there / NAMES[0]).rglob("*")}
    lost = []

    def lose():
        begun = [there / name / "metrics.jsonl" for name in NAMES[1:]]
        wait(lambda: [file for file in begun if file.exists() and file.stat().st_size > 2000])
        lost.append(wait(workers)[0].pid)
        os.kill(lost[0], signal.SIGKILL)
        wait(lambda: [p for p in workers() if p.pid != lost[0]])
        cluster.remove_node(cluster.second)
        lost.append("node")

    thread = threading.Thread(target=lose)
    thread.start()
    address = ["--engine", "ray", "--address", cluster.address]
    assert main([*GRID, "--out", str(there), *address]) == 0
    thread.join()
    assert lost[1:] == ["node"]
    assert {file: file.stat().st_mtime_ns for file in (there / NAMES[0]).rglob("*")} == before
    for name in NAMES:
        assert read_run(there / name).finished
        assert records(there / name) == records(here / name)
    told = "".join((there / f"{name}.log").read_text() for name in NAMES[1:])
    assert "train --resume" in told


def test_an_address_without_a_cluster_and_a_gpu_that_it_lacks_are_refused(
    cluster, tmp_path, capsys
):
    from fast.runs.cluster import engine

    for address in ("127.0.0.1:9", "nowhere.invalid:1", "a:b"):
        given = ["--out", str(tmp_path), "--engine", "ray", "--address", address]
        assert main([*GRID, *given]) == 2
        assert capsys.readouterr().err.startswith("error: --address")
    with pytest.raises(InputError, match="--gpus-per-run"):
        engine(cluster.address, 0.25, lambda job: [sys.executable])
