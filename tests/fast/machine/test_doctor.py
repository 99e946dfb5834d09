"""The doctor's page, on the smallest preset."""

import subprocess
import sys

import pytest
import torch

from fast import config as configs
from fast.envs import dmc
from fast.errors import InputError
from fast.machine import doctor, resources


@pytest.fixture
def quick(monkeypatch):
    """Without the measurements, which take seconds each."""
    frames = {"suite": 50.0, "no-shadows": 700.0, "fast": 2000.0}
    monkeypatch.setattr(
        doctor, "measure_frames", lambda quality, size: (9000.0, frames[quality], "llvmpipe")
    )

    def measured(preset, device, allocator):
        return {"ms": {"kept": 40.0, "default": 80.0}[allocator], "peak": 5e8}

    monkeypatch.setattr(doctor, "measure_apart", measured)


def test_the_page_says_renderer_frames_updates_memory_and_disk(capsys):
    assert doctor.doctor(("tiny",)) == []
    page = capsys.readouterr().out
    for words in ("Python", "torch", "mujoco", "suite", "fast", "frames/s", "MUJOCO_GL=", "GPU",
                  "tiny", "ratio", "memory", "disk", "updates", "No problems found"):  # fmt: skip
        assert words in page
    software = any(name in page for name in ("llvmpipe", "softpipe", "OSMesa"))
    assert software == ("(software)" in page)


def test_updates_per_second_and_the_length_of_a_run_come_from_the_measurement(quick, capsys):
    doctor.doctor(("laptop",))
    page = capsys.readouterr().out
    assert "25.00" in page and "12.50" in page and "ratio 2.0" in page
    updates = configs.build("drq", doctor.TASK, preset="laptop").run.updates
    assert f"{updates:,} updates: {updates * 0.040 / 60:.0f} minutes" in page


def test_too_little_memory_is_a_problem_with_a_remedy(quick, capsys, monkeypatch):
    memory = resources.Memory(10**6, 2 * 10**9, "the container's memory")
    monkeypatch.setattr(resources, "memory", lambda: memory)
    (problem,) = doctor.doctor(("laptop",))
    assert "laptop" in problem and "--agent.replay-capacity" in problem
    page = capsys.readouterr().out
    assert problem in page
    assert "memory 2.0 GB (the container's memory), 0.0 GB free" in page


def test_more_threads_than_cores_is_a_problem_with_a_remedy(quick, capsys, monkeypatch):
    monkeypatch.setattr(resources, "cores", lambda: 2.5)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 16)
    (problem,) = doctor.doctor(("tiny",))
    assert problem.endswith("OMP_NUM_THREADS=2") and problem in capsys.readouterr().out
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert doctor.doctor(("tiny",)) == []


def test_no_renderer_is_a_problem_with_a_remedy(quick, capsys, monkeypatch):
    def none(quality, size):
        raise InputError("MUJOCO_GL", None, dmc.RENDERER_PACKAGES)

    monkeypatch.setattr(doctor, "measure_frames", none)
    problems = doctor.doctor(("laptop",))
    assert any("apt-get install libegl1" in problem for problem in problems)


def test_a_failing_update_is_told_and_the_page_goes_on(quick, capsys, monkeypatch):
    def failing(preset, device, allocator):
        raise RuntimeError("MemoryError: no")

    monkeypatch.setattr(doctor, "measure_apart", failing)
    (problem,) = doctor.doctor(("laptop",))
    assert "laptop" in problem and "MemoryError: no" in problem


def test_a_measurement_in_a_process_of_its_own_reports_its_last_line_when_it_fails():
    with pytest.raises(RuntimeError, match="abacus"):
        doctor.measure_apart("tiny", "abacus", "kept")


def test_the_command_has_help():
    command = [sys.executable, "-m", "fast", "doctor", "--help"]
    assert subprocess.run(command, capture_output=True).returncode == 0
