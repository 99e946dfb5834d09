"""A claim's parts are about one kind of instance, and mypy says so."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLAIMS = """
from hypothesis.strategies import SearchStrategy, nothing

from theory.claim import Assumption, Claim
from theory.dominance.layer import Means, Neuron


def of_means(m: Means) -> bool:
    return len(m.means) == 1


def of_a_neuron(n: Neuron) -> bool:
    return n.b == 0


def means(size: int) -> SearchStrategy[Means]:
    return nothing()


def neurons(size: int) -> SearchStrategy[Neuron]:
    return nothing()


ONE = Assumption("one", "N = 1", of_means)
Claim("x", "x", "ours", "x", "x", (ONE,), of_means, means, (1,), "open")
Claim("x", "x", "ours", "x", "x", (ONE,), of_a_neuron, means, (1,), "open")  # wrong
Claim("x", "x", "ours", "x", "x", (ONE,), of_a_neuron, neurons, (1,), "open")  # wrong
Claim("x", "x", "ours", "x", "x", (ONE,), of_means, neurons, (1,), "open")  # wrong
Claim("x", "x", "ours", "x", "x", (), of_a_neuron, means, (1,), "open")  # wrong
Claim("x", "x", "ours", "x", "x", (), of_means, means, (1,), "open", steps=lambda m: [m.b])  # wrong
"""


def test_mypy_refuses_a_claim_whose_parts_are_about_two_kinds_of_instance(tmp_path):
    (tmp_path / "claims.py").write_text(CLAIMS)
    command = [sys.executable, "-m", "mypy", "--strict", str(tmp_path / "claims.py")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    found = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error: " in line}
    lines = enumerate(CLAIMS.splitlines(), 1)
    assert found == {number for number, line in lines if line.endswith("# wrong")}, done.stdout
