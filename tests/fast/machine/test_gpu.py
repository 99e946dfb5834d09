"""The checks of a GPU, on the CPU: that they can pass, that they can fail, and that without a GPU
none is told as passed."""

import json

import pytest
import torch

from fast.__main__ import main
from fast.agents.dqn import DQN
from fast.machine import gpu


@pytest.fixture
def only(monkeypatch):
    """A few checks in the place of all."""

    def choose(**checks):
        monkeypatch.setattr(gpu, "CHECKS", checks)

    return choose


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_every_check_is_not_run_and_the_status_says_so(tmp_path, capsys):
    assert main(["doctor", "--gpu", "--out", str(tmp_path / "gpu.json")]) == 1
    page = capsys.readouterr().out
    assert page.count("not run") == len(gpu.CHECKS) and "passed" not in page
    assert not (tmp_path / "gpu.json").exists()


def test_what_was_found_is_written_down_and_a_failure_is_one(only, tmp_path):
    out = tmp_path / "results" / "gpu.json"
    only(good=lambda device, preset: {"figure": 3})
    assert gpu.examine("cpu", out, "tiny") == 0
    told = json.loads(out.read_text())
    assert told["checks"]["good"].items() >= {"state": "passed", "figure": 3}.items()

    def bad(device, preset):
        raise torch.OutOfMemoryError("no room")

    only(good=lambda device, preset: {}, bad=bad)
    assert gpu.examine("cpu", out, "tiny") == 1
    told = json.loads(out.read_text())["checks"]
    assert told["good"]["state"] == "passed" and told["bad"]["state"] == "failed"
    assert "no room" in told["bad"]["reason"]


def test_updates_of_one_seed_are_twins_repeat_and_wait_for_nothing():
    assert max(gpu.twins("cpu", "tiny").values()) == 0
    assert all(gpu.repeats("cpu", "tiny").values())
    assert gpu.waits("cpu", "tiny") == {"agents": len(gpu.AGENTS)}


def test_another_result_and_a_wait_fail(monkeypatch):
    with pytest.raises(gpu.Failed, match="differ by 1"):
        gpu._alike(torch.zeros(3), torch.tensor([0.0, 1.0, 0.0]))
    with pytest.raises(gpu.Failed, match="differ by nan"):
        gpu._alike(torch.zeros(3), torch.full((3,), torch.nan))
    compare = DQN.compare

    def planted(self, q, y):
        q.max().item()
        return compare(self, q, y)

    monkeypatch.setattr(DQN, "compare", planted)
    with pytest.raises(gpu.Failed, match=r"waits at test_gpu.py"):
        gpu.waits("cpu", "tiny")


def test_software_rendering_fails_on_a_gpu(monkeypatch):
    monkeypatch.setattr(gpu.doctor, "measure_frames", lambda *_: (1.0, 2.0, "llvmpipe"))
    assert gpu.rendering("cpu", "tiny") == {"renderer": "llvmpipe", "frames_per_second": 2.0}
    with pytest.raises(gpu.Failed, match="llvmpipe"):
        gpu.rendering("cuda", "tiny")


@pytest.mark.slow
def test_every_agents_update_and_a_training_are_timed(monkeypatch):
    found = gpu.updates("cpu", "tiny", backend="eager")
    assert found.keys() == gpu.AGENTS.keys()
    assert min(min(row.values()) for row in found.values()) > 0
    for order in gpu.steps("cpu", "tiny").values():
        assert order["agent_steps_per_second"] > 0
