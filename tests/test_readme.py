"""The README's examples run as they stand there, and show what it says they show."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n((?:    [^\n]*\n|\n)*)", README, re.DOTALL)


def printed(code):
    run = [sys.executable, "-c", code]
    return subprocess.run(run, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def words(text):
    """Without numbers and the space between columns: another BLAS may round another way."""
    return re.sub(r"[\d.%]+", "#", " ".join(text.split()))


@pytest.mark.parametrize(("code", "shown"), EXAMPLES, ids=["reference", "monitor"])
def test_an_example_prints_what_is_shown_below_it(code, shown):
    assert words(printed(code)) == words(shown)


def test_the_reference_is_shown_in_20_lines():
    code = [line for line in EXAMPLES[0][0].splitlines() if line.strip()]
    assert len(code) <= 20
    assert all(len(line) <= 100 for line in code)
