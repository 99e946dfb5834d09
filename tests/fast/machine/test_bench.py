"""The benchmark: what it prints are ratios within a round, and it says what it lacks."""

import sys

import pytest

from fast.errors import InputError
from fast.machine import bench

SLOW = [pytest.param(each, marks=pytest.mark.slow) for each in ("ppo", "drq", "drq-bfloat16")]


@pytest.mark.parametrize("agent", ["sac", "dqn", *SLOW])
def test_a_step_holds_an_update_and_both_take_time(agent, monkeypatch):
    monkeypatch.setattr(bench, "WARM", 150)
    found = bench.ours(agent, 3)
    assert found["step"] > 0 < found["update"]


def test_ratios_are_taken_round_by_round(tmp_path, monkeypatch, capsys):
    """Ours 2 and 1 ms in both rounds, theirs 4 and 3 in the first and 6 and 3 in the second."""
    rounds = tmp_path / "rounds"
    peer = tmp_path / "peer.py"
    peer.write_text(f"""
import json, pathlib, sys
if sys.argv[1:2] == ["speed"]:
    file = pathlib.Path({str(rounds)!r})
    with file.open("a") as log: log.write("x")
    late = len(file.read_text()) > 2
    print(json.dumps({{"step": 6.0 if late else 4.0, "update": 3.0}}))
""")
    monkeypatch.setitem(bench.SCRIPT, "sac", peer)
    fake = tmp_path / "python"
    fake.write_text('#!/bin/sh\necho \'{"step": 2.0, "update": 1.0}\'\n')
    fake.chmod(0o755)
    monkeypatch.setattr(bench, "OURS", [str(fake)])
    bench.bench("sac", sys.executable, 10, 2)
    said = capsys.readouterr().out
    assert "stable-baselines3, step: 2.50 times ours (2.00 to 3.00)" in said
    assert "stable-baselines3, update: 3.00 times ours (3.00 to 3.00)" in said


@pytest.mark.parametrize("python", ["/nowhere", "/bin/false"])
def test_a_python_without_the_peers_is_refused(python, monkeypatch):
    monkeypatch.setattr(bench, "OURS", ["/bin/sh", "-c", 'echo \'{"step": 1, "update": 1}\''])
    with pytest.raises(InputError, match="--peers"):
        bench.bench("sac", python, 10, 1)
