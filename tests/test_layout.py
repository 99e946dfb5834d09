"""The arrows between the floors, what may import torch, the pins, and the linters."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
# Which of our own floors each floor may import, besides itself (DESIGN: imports go one way).
MAY_IMPORT = {
    "ref": set(),
    "theory": {"ref"},
    "fast": set(),
    "tutorials": {"theory", "ref"},
    "tests": {"ref", "theory", "fast", "tutorials"},
}


def imported(tree: ast.AST) -> Iterator[str]:
    """The top-level name of everything that a module imports, by statement or by name."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case ast.Call(
                func=ast.Name("__import__" | "import_module")
                | ast.Attribute(attr="import_module" | "run_module"),
                args=[ast.Constant(str(name)), *_],
            ):
                yield name.partition(".")[0]


def wrong_arrows(root: Path) -> list[str]:
    """Every import under `root` that goes against MAY_IMPORT, as `file imports floor`."""
    return [
        f"{path.relative_to(root)} imports {name}"
        for floor, allowed in MAY_IMPORT.items()
        for path in sorted((root / floor).rglob("*.py"))
        for name in sorted(set(imported(ast.parse(path.read_bytes()))))
        if name in MAY_IMPORT.keys() - allowed - {floor}
    ]


def test_imports_between_the_floors_go_one_way():
    assert wrong_arrows(ROOT) == []


@pytest.mark.parametrize(
    ("path", "line", "found"),
    [
        ("fast/agents/drq.py", "from ref.losses import mse", "ref"),
        ("fast/scores.py", "def f():\n    import theory.claims as claims", "theory"),
        ("fast/losses.py", "import importlib\nimportlib.import_module('ref.losses')", "ref"),
        ("ref/nn.py", "import numpy, fast.nets", "fast"),
        ("ref/optim.py", "from theory import claims", "theory"),
        ("theory/claims.py", "try:\n    import fast\nexcept ImportError:\n    fast = None", "fast"),
        ("tutorials/one.py", "from fast import scores", "fast"),
        ("fast/train.py", "from tests.fast import tools", "tests"),
    ],
)
def test_an_import_against_the_arrows_is_found(tmp_path, path, line, found):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(line)
    assert wrong_arrows(tmp_path) == [f"{path} imports {found}"]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("theory/claims.py", "from ref.scores import dormant"),
        ("tutorials/one.py", "import theory, ref"),
        ("tests/ref/test_scores.py", "import fast.scores, ref.scores"),
        ("fast/agents/drq.py", "from . import sac\nfrom .theory import x\nimport fast.nets, torch"),
    ],
)
def test_an_import_along_the_arrows_is_allowed(tmp_path, path, line):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(line)
    assert wrong_arrows(tmp_path) == []


def needed(root: Path, path: str) -> set[str]:
    """What a file needs beyond the standard library, and what that needs of ours: our own files,
    and the top-level names of others."""
    found, waiting = set(), [path]
    while waiting:
        tree = ast.parse((root / waiting.pop()).read_bytes())
        names = {name for name in imported(tree) if name not in MAY_IMPORT}
        for node in ast.walk(tree):
            match node:
                case ast.Import(aliases):
                    parts = [alias.name.split(".") for alias in aliases]
                case ast.ImportFrom(module=str(module), names=aliases):
                    # `from fast import scores` is of a file, `from fast.errors import x` is not.
                    parts = [[*module.split("."), alias.name] for alias in aliases]
                case _:
                    continue
            paths = ["/".join(p[:n]) + ".py" for p in parts for n in (2, 3) if p[0] in MAY_IMPORT]
            names |= {name for name in paths if (root / name).exists()}
        ours = {name for name in names if name.endswith(".py")}
        waiting += ours - found
        found |= names
    return found - sys.stdlib_module_names


def test_the_monitor_needs_torch_the_scores_and_the_errors_alone():
    assert needed(ROOT, "fast/monitor.py") == {"torch", "fast/scores.py", "fast/errors.py"}


def test_ref_needs_numpy_and_scipy_alone():
    for path in sorted((ROOT / "ref").rglob("*.py")):
        others = {name for name in needed(ROOT, str(path.relative_to(ROOT))) if "/" not in name}
        assert others <= {"numpy", "scipy"}, path


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("import math, torch.nn as nn", {"torch"}),
        ("from fast import scores", {"fast/scores.py", "numpy"}),
        ("def f():\n    import fast.scores", {"fast/scores.py", "numpy"}),
        ("from fast.agents.drq import DrQ", {"fast/agents/drq.py"}),
        ("from fast.agents import drq", {"fast/agents/drq.py"}),
    ],
)
def test_what_a_file_needs_is_found_through_other_files(tmp_path, line, found):
    (tmp_path / "fast/agents").mkdir(parents=True)
    (tmp_path / "fast/agents/drq.py").write_text("")
    (tmp_path / "fast/scores.py").write_text("import numpy")
    (tmp_path / "fast/x.py").write_text(line)
    assert needed(tmp_path, "fast/x.py") == found


def test_the_package_fast_imports_nothing():
    assert list(imported(ast.parse((ROOT / "fast/__init__.py").read_bytes()))) == []


# Who may import whom within `fast`. A room is a folder, or a file beside them; a row names what it
# may import beside itself. What has no row (commands) may import anything.
ROOMS = {
    "errors": set(),
    "rules": set(),
    "papers": {"errors"},
    "nets": set(),
    "losses": {"errors"},
    "scores": {"errors"},
    "mitigations": {"errors", "scores"},
    "monitor": {"errors", "scores"},
    "measures": {"nets", "scores"},
    "envs": {"errors", "rules", "papers"},
    "experience": {"runs", "errors"},
    "agents": {"nets", "losses", "mitigations", "experience", "rules", "errors"},
    "interventions": {
        "agents",
        "nets",
        "measures",
        "mitigations",
        "scores",
        "rules",
        "errors",
    },
    "config": {"agents", "interventions", "envs", "papers", "runs", "rules", "errors"},
    "runs": {"config", "papers", "machine", "errors"},
    "machine": {"config", "agents", "experience", "envs", "measures", "nets", "runs", "errors"},
    "report": {"runs", "papers", "errors"},
}
MOST_FILES = 12  # of a room


def rooms(root: Path) -> dict[str, set[str]]:
    """{room: the rooms of `fast` that its files import}"""
    found: dict[str, set[str]] = {}
    for path in sorted((root / "fast").rglob("*.py")):
        room = path.relative_to(root / "fast").parts[0].removesuffix(".py")
        arrows = found.setdefault(room, set())
        for node in ast.walk(ast.parse(path.read_bytes())):
            match node:
                case ast.Import(aliases):
                    names = [alias.name for alias in aliases]
                case ast.ImportFrom(module="fast", names=aliases):
                    names = [f"fast.{alias.name}" for alias in aliases]
                case ast.ImportFrom(module=str(module)):
                    names = [module]
                case _:
                    continue
            arrows |= {name.split(".")[1] for name in names if name.startswith("fast.")}
        arrows.discard(room)
    return found


def test_each_room_of_fast_imports_what_its_row_allows():
    found = rooms(ROOT)
    assert ROOMS.keys() <= found.keys()
    wrong = {room: found[room] - allowed for room, allowed in ROOMS.items()}
    assert {room: names for room, names in wrong.items() if names} == {}
    unused = {room: allowed - found[room] for room, allowed in ROOMS.items()}
    assert {room: names for room, names in unused.items() if names} == {}


@pytest.mark.parametrize(
    ("path", "line", "arrow"),
    [
        ("fast/report/page.py", "from fast.machine.doctor import doctor", "machine"),
        ("fast/report/page.py", "def f():\n    from fast import train", "train"),
        ("fast/nets/layers.py", "import fast.config", "config"),
    ],
)
def test_an_arrow_between_rooms_is_found(tmp_path, path, line, arrow):
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(line)
    room = path.split("/")[1]
    assert rooms(tmp_path) == {room: {arrow}} and arrow not in ROOMS[room]


def test_no_room_has_more_files_than_a_reader_holds():
    folders = [path for path in (ROOT / "fast").rglob("*") if path.is_dir()]
    sizes = {path.name: len(list(path.glob("[a-z]*.py"))) for path in folders}
    assert {name: size for name, size in sizes.items() if size > MOST_FILES} == {}


# Reading a run, drawing a figure and --help must be quick: none of these may load torch.
TORCH_FREE = ["papers/*", "report/*", "runs/records", "runs/events", "machine/terminal", "demo",
              "__main__"]  # fmt: skip


@pytest.mark.parametrize("files", TORCH_FREE)
def test_reading_and_drawing_import_no_torch(files):
    paths = [path.relative_to(ROOT).with_suffix("") for path in ROOT.glob(f"fast/{files}.py")]
    assert paths
    names = ", ".join(".".join(path.parts) for path in paths if path.name != "__init__")
    code = f"import sys, {names}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def pins() -> dict[str, str]:
    """constraints.txt as {canonical name: version}; every line must be an exact pin."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    lines = [line for line in lines if not line.startswith("#")]
    for line in lines:
        assert re.fullmatch(r"[\w.-]+==[\w.]+", line), f"not an exact public version: {line}"
    found = {canonicalize_name(name): version for name, version in (x.split("==") for x in lines)}
    assert len(found) == len(lines), "a package is pinned twice"
    return found


def test_the_versions_that_the_results_rest_on_are_pinned():
    expected = {"torch": "2.13.0", "dm-control": "1.0.50", "mujoco": "3.17.0"}
    assert expected.items() <= pins().items()


def test_constraints_are_complete_and_inside_the_ranges():
    """Set-up installs constraints.txt as it stands, so each need of each package is among them."""
    pinned = pins()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    ours = [*project["dependencies"], *extras["fast"], *extras["theory"]]
    ours += [need for name in ("atari", "minatar", "test", "tutorials") for need in extras[name]]
    needs = [("pyproject.toml", need) for need in ours]
    for name in pinned:
        needs += [(name, need) for need in metadata.requires(name) or []]
    for who, need in needs:
        requirement = Requirement(need)
        name = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        if (
            name == "labmaze"
            or (who == "torch" and name.startswith(("nvidia-", "cuda-", "triton")))
            or (who == "minatar" and name in ("pandas", "seaborn", "pytz", "six"))
        ):
            continue  # left out on purpose: the head of constraints.txt says why
        assert name in pinned, f"{who} needs {need}"
        assert requirement.specifier.contains(pinned[name]), f"{who} needs {need}"


def locked(name: str) -> dict[str, str]:
    """A lock as {canonical name: version}; each requirement has the hashes of its files."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    found = {}
    for line in (line for line in text.splitlines() if not line.startswith("#")):
        requirement, *hashes = line.split(" --hash=sha256:")
        package, version = requirement.partition(";")[0].split("==")
        assert hashes and all(re.fullmatch("[0-9a-f]{64} *", x) for x in hashes), line[:80]
        found[canonicalize_name(package.strip())] = version.strip()
    return found


def test_each_pin_but_torchs_is_locked_to_the_hashes_of_its_files():
    assert locked("requirements.lock") == {k: v for k, v in pins().items() if k != "torch"}


def test_what_other_targets_add_is_locked_and_complete():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras, added = project["optional-dependencies"], locked("tools.lock")
    assert not added.keys() & pins().keys()
    for need in (
        need for name in ("browser", "cluster", "mutants", "wasm") for need in extras[name]
    ):
        requirement = Requirement(need)
        assert requirement.specifier.contains(added[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("command", [["format", "--check"], ["check"]])
def test_ruff_finds_nothing(command):
    ruff = [sys.executable, "-m", "ruff", *command, "."]
    done = subprocess.run(ruff, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy_finds_nothing():
    """Strict, but for what pyproject.toml says of fast."""
    mypy = [sys.executable, "-m", "mypy", "fast", "ref", "theory"]
    done = subprocess.run(mypy, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "fast").rglob("*.py")), ids=lambda path: path.stem)
def test_a_function_is_at_most_60_lines_long(path):
    functions = [
        node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, DEFINED)
    ]
    long = {node.name: n for node in functions if (n := node.end_lineno - node.lineno + 1) > 60}
    assert long == {}


DEFINED = ast.FunctionDef | ast.AsyncFunctionDef
