"""A claim's parts are about one kind of instance, and mypy says so."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORDS = 'id="x", source="x", origin="ours", title="x", statement="x", sizes=(1,), verdict="open"'
CLAIMS = f"""
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
Claim({WORDS}, given=(ONE,), then=of_means, instances=means)
Claim({WORDS}, given=(ONE,), then=of_a_neuron, instances=means)  # wrong
Claim({WORDS}, given=(ONE,), then=of_a_neuron, instances=neurons)  # wrong
Claim({WORDS}, given=(ONE,), then=of_means, instances=neurons)  # wrong
Claim({WORDS}, given=(), then=of_a_neuron, instances=means)  # wrong
Claim({WORDS}, given=(), then=of_means, instances=means, steps=lambda m: [m.b])  # wrong
"""


def test_mypy_refuses_a_claim_whose_parts_are_about_two_kinds_of_instance(tmp_path):
    (tmp_path / "claims.py").write_text(CLAIMS)
    command = [sys.executable, "-m", "mypy", "--strict", str(tmp_path / "claims.py")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    found = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ": error: " in line}
    lines = enumerate(CLAIMS.splitlines(), 1)
    assert found == {number for number, line in lines if line.endswith("# wrong")}, done.stdout
