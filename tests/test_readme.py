"""The READMEs: their examples and commands run as they stand there, and the front page is short."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from fast.__main__ import main as fast
from fast.papers import recipes
from theory import __main__ as theory
from theory.decide import CLAIMS
from tutorials import contents, course

ROOT = Path(__file__).parent.parent
FRONT = "README.md"
ROOMS = [f"{room}/README.md" for room in ("ref", "theory", "fast", "tutorials", "results")]
PAGES = {page: (ROOT / page).read_text() for page in (FRONT, *ROOMS, "fast/WATCHING.md")}
PYTHON = re.compile(r"```python\n(.*?)```\n\n((?:    [^\n]*\n|\n)*)", re.DOTALL)
EXAMPLES = [(page, *example) for page in PAGES for example in PYTHON.findall(PAGES[page])]


# --- the front page -------------------------------------------------------------------------------


def test_the_front_page_has_at_most_150_lines():
    assert len(PAGES[FRONT].splitlines()) <= 150


def plain(cell):
    """Without links, bold type, escapes and the number of a tutorial."""
    text = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", cell).replace("**", "").strip()
    text = text.replace("\\|", "|")
    return re.sub(r"^\d+\. ", "", text)


def rows(page):
    """The cells of every row of its tables."""
    lines = [line for line in page.splitlines() if line.startswith("|")]
    return [[plain(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_all_that_the_front_page_once_had_stands_in_a_room():
    """tests/old_front_page.txt: the headings, commands and (`|`) rows of tables that it had."""
    every = "\n".join(PAGES.values())
    joined = " ".join(every.split())
    begins = [cell for cells in rows(every) for cell in cells[:2]]
    for line in (ROOT / "tests/old_front_page.txt").read_text().splitlines():
        if line.startswith("#"):
            assert re.search(rf"(?m)^#+ {re.escape(line.lstrip('# '))}$", every), line
        elif line.startswith("| "):
            assert any(cell.startswith(plain(line[2:])) for cell in begins), line
        else:
            assert line in joined


def test_the_front_page_shows_ten_claims_as_they_were_decided():
    shown = [cells for cells in rows(PAGES[FRONT]) if cells[0].strip("`") in CLAIMS]
    assert len(shown) == 10
    for id, *cells in shown:
        it = CLAIMS[id.strip("`")]
        repairs = ", ".join(repair.partition(".")[2] for repair in it.repaired_by)
        assert cells == [it.title, it.origin, it.verdict, repairs]


def test_the_front_page_names_the_hours_of_all_figures():
    of_drq = [recipe for recipe in recipes.RECIPES.values() if recipe.agent == "drq"]
    runs = {run for recipe in of_drq for run in recipe.runs}
    assert f"{len(runs) * recipes.HOURS:,} GPU hours" in PAGES[FRONT]


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_is_there(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        path, _, place = target.partition("#")
        if "://" in path:
            continue
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        if place:
            heads = re.findall(r"(?m)^#+ (.*)", file.read_text())
            anchors = [re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads]
            assert place in anchors, target


# --- the examples ---------------------------------------------------------------------------------


def printed(code, folder):
    run = [sys.executable, "-c", code]
    known = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(run, cwd=folder, env=known, check=True, capture_output=True, text=True)
    return done.stdout


def words(text):
    """Without numbers and the space between columns: another BLAS may round another way."""
    return re.sub(r"[\d.%]+", "#", " ".join(text.split()))


def test_the_reference_and_the_monitor_have_an_example():
    watched = ["fast/README.md", *["fast/WATCHING.md"] * 3]
    assert [page for page, _, _ in EXAMPLES] == ["ref/README.md", *watched]


SLOW = ("gymnasium", "stable_baselines3")


@pytest.mark.parametrize(
    ("page", "code", "shown"),
    [
        pytest.param(*it, marks=[pytest.mark.slow] if any(name in it[1] for name in SLOW) else [])
        for it in EXAMPLES
    ],
)
def test_an_example_prints_what_is_shown_below_it(page, code, shown, tmp_path):
    if "stable_baselines3" in code:
        pytest.importorskip("stable_baselines3", reason="not among our packages")
    assert words(printed(code, tmp_path)) == words(shown)


def test_the_monitor_brings_torch_and_what_ref_needs_and_nothing_else():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needs = [*project["dependencies"], *project["optional-dependencies"]["monitor"]]
    asked = {re.match(r"[\w-]+", need)[0] for need in needs}
    assert asked == {"numpy", "scipy", "torch"}


def test_the_reference_is_shown_in_20_lines():
    code = [line for line in EXAMPLES[0][1].splitlines() if line.strip()]
    assert len(code) <= 20
    assert all(len(line) <= 100 for line in code)


# --- the commands ---------------------------------------------------------------------------------

# What begins a command, in a block or between back ticks; the last ones follow `python -m fast`.
COMMAND = r"python -m |python scripts/|make |tensorboard -|\. \.venv|sweep -|figure \d"
# Longer than a few seconds, or needs a browser: for `make thorough`.
LONG = re.compile(
    r"theory(?! show| plot)|scripts/|tensorboard|fast doctor|sweep|figure"
    r"|runs/x|runs/paper|bench|--agent (sac|ppo|drqv2|dacer)|regression|DIR|--seed S"
    r"|cartpole-balance"
)
SMALL = {"--preset": "tiny", "--devices": "cpu", "--jobs": "1", "--run.updates": "60"}
ADDED = {
    "train": {"--preset": "tiny", "--run.updates": "60"},
    "sweep": {"--figure": "10", "--seeds": "1", "--preset": "tiny", "--run.updates": "60"},
    "figure": {"--runs": "runs"},
}
SCRIPTS = {  # the package of each that may not be here, and how little it can be given to do
    "scripts/ablation.py": ("scipy", ["--look", "--out", "last-survivor"]),
    "scripts/mutants.py": ("mutmut", ["theory", "--sample", "1"]),
    "scripts/peer_sac.py": (
        "stable_baselines3",
        ["learn", "--seed", "0", "--steps", "0", "--out", "peer.csv"],
    ),
    "scripts/tutorial_times.py": ("playwright", ["00_agents"]),
}
PLACEHOLDERS = {
    "DIR": "runs",
    "EXPERIMENT": "sparse",
    "ID": "sparse.arises",
    "S": "0",
    "M": "baseline",
}


def commands(page):
    """Each once, in the page's order, without its comment."""
    text = PYTHON.sub("", PAGES[page])
    found = re.findall(rf"(?m)^    ((?:{COMMAND})[^#\n]*)|`(?:OMP\S+ )?((?:{COMMAND})[^`]*)`", text)
    return list(dict.fromkeys(" ".join((block or inline).split()) for block, inline in found))


def try_out(command, tmp_path, monkeypatch):
    """Run it as it stands, but small, in the folder where those before it left their runs."""
    first, *given = shlex.split(command)
    if first == "make":
        subprocess.run(["make", "--dry-run", *given], cwd=ROOT, check=True, capture_output=True)
    elif first == ".":
        if (ROOT / given[0]).exists():
            subprocess.run(["sh", "-c", command], cwd=ROOT, check=True)
    elif first == "tensorboard":
        tensorboard = [sys.executable, "-m", "tensorboard.main", "--inspect", *given]
        subprocess.run(tensorboard, check=True, capture_output=True)
    elif given[:2] == ["-m", "tutorials.course"]:
        contents.notebooks()
        monkeypatch.setattr(contents, "FOLDER", tmp_path)
        course.main()
        assert (tmp_path / "README.md").read_text() == PAGES["tutorials/README.md"]
    elif given[:2] == ["-m", "theory"]:
        (copy := tmp_path / "theory.md").write_text(PAGES["theory/README.md"])
        monkeypatch.setattr(theory, "README", copy)
        assert not theory.main(given[2:])
    elif first == "python" and given[0].startswith("scripts/"):
        needs, arguments = SCRIPTS[given[0]]
        if find_spec(needs):
            subprocess.run([sys.executable, ROOT / given[0], *arguments], cwd=tmp_path, check=True)
    elif "--help" in given:
        with pytest.raises(SystemExit, match=r"^0$"):
            fast(given[2:])
    else:  # in a table and where fast is spoken of, `python -m fast` is left out
        lacks_files = re.search(r"fashion|cifar|figure (4|redo-3)$", command)  # of pictures
        words = small(given[2:] if first == "python" else [first, *given])
        # small runs are none of an experiment's, and no cluster is here
        refused = "collect" in words or "ray" in words
        assert fast(words) == 2 * refused or lacks_files


def small(arguments):
    """The arguments of a command of `fast`, for as little work as will do."""
    words = [PLACEHOLDERS.get(word, word) for word in arguments]
    words = [SMALL.get(before, word) for before, word in zip(["", *words], words, strict=False)]
    if "--resume" in words:
        return words
    if words[0] in ("train", "sweep") and "--out" not in words:
        words += ["--out", f"runs/{abs(hash(tuple(words)))}"]
        words += ["--dry-run"] if words[0] == "sweep" and "--dry-run" not in words else []
    for option, value in ADDED.get(words[0], {}).items():
        known = option in words or (option == "--figure" and "--tasks" in words)
        words += [] if known else [option, value]
    return words


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


EVERY = list(dict.fromkeys(command for page in PAGES for command in commands(page)))


def test_the_quick_commands_run_at_tiny_size(elsewhere, monkeypatch):
    for command in EVERY:
        if not LONG.search(command):
            try_out(command, elsewhere, monkeypatch)


@pytest.mark.slow
def test_every_command_runs_at_tiny_size(elsewhere, monkeypatch):
    shutil.copytree(ROOT / "results/last-survivor", elsewhere / "last-survivor")
    for command in EVERY:
        try_out(command, elsewhere, monkeypatch)
