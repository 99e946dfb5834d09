"""Mutation testing: change what ref/ computes and theory/ asserts, and see that a test notices.

Of ref/ all formulas, by tests/ref; of theory/ the assumptions, conclusions and slacks of all
claims, by tests/theory. mutmut makes the mutants, in mutants/FLOOR with that floor's table of
pyproject.toml, and runs the tests of ref/. The tests of theory/ are collected once and each mutant
gets a fork of that: the tests of the claims that name its function, then those of its chapter that
reach it, until one fails. What is decided stays in mutants/FLOOR, so a second call goes on where
the first one stopped. Printed at the end: every survivor as a diff, and a table of each floor's
files. Who ends in a timeout has survived; in ref/ mutants that change only the words of a message
are counted apart. Exit status 1 if of the others fewer were killed than WANTED.
"""

import argparse
import ast
import collections
import gc
import json
import os
import random
import re
import resource
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
MUTMUT = [sys.executable, "-m", "mutmut"]
FLOORS = ("ref", "theory")
KILLED, SURVIVED = 1, {0, 33}  # mutmut's exit codes; 33: no test covers it
TIMEOUT = {24, 36, 152, 255, -24, -9}
WANTED = {"ref": 0.9, "theory": 0.95}
STRINGS = re.compile(r'f?"[^"]*"|\bNone\b(?=\)$)')  # a message is the last argument of its call
BROKEN = 2  # of a fork: a test that fails without the mutant too
KINDS = ("killed", "survived", "words", "timeout", "open")
CPU = 60  # seconds that the tests of a mutant of theory/ may take


def words_only(diff: str) -> bool:
    """Whether the two versions of the changed line differ in a string alone."""
    before, after = (
        [line[1:] for line in diff.splitlines() if re.match(rf"\{sign}(?!\{sign})", line)]
        for sign in "-+"
    )
    return [STRINGS.sub('""', x) for x in before] == [STRINGS.sub('""', x) for x in after]


def workshop(floor: str) -> Path:
    """Where mutmut works on a floor: links to the sources, and the configuration it looks for."""
    place = ROOT / "mutants" / floor
    place.mkdir(parents=True, exist_ok=True)
    for name in ("ref", "theory", "tests", "README.md"):
        if not (place / name).is_symlink():
            (place / name).symlink_to(ROOT / name)
    config = (ROOT / "pyproject.toml").read_text()
    config = config.replace(f"[tool.mutmut-{floor}]", "[tool.mutmut]")
    (place / "pyproject.toml").write_text(config)
    return place


def wanted(floor: str) -> set[str]:
    """What the names of the mutants that count begin with."""
    if floor == "ref":
        return {"ref."}
    from theory.decide import CLAIMS

    claims = CLAIMS.values()
    return {f"{function_of(f)}__mutmut_" for claim in claims for f in named(claim)}


def named(claim: Any) -> list[Any]:
    """The functions that a claim names."""
    functions = (claim.then, claim.slack, *(a.holds for a in claim.given))
    return [f for f in functions if f is not None]


def function_of(f: Any) -> str:
    """What mutmut calls it."""
    return f"{f.__module__}.x_{f.__name__}"


def verdicts(floor: str, place: Path) -> dict[str, dict[str, int | None]]:
    """Of every mutant that counts, by file."""
    starts = tuple(wanted(floor))
    found = {}
    top = place / "mutants" / floor
    for path in sorted(top.rglob("*.meta")):
        codes = json.loads(path.read_text())["exit_code_by_key"]
        file = str(path.relative_to(top).with_suffix(""))
        found[file] = {name: code for name, code in codes.items() if name.startswith(starts)}
    return found


def run_ref(place: Path, jobs: int) -> int:
    """Decide what is not decided; a second time for what changed since the last call."""
    for _ in range(2):
        status = subprocess.run([*MUTMUT, "run", "--max-children", str(jobs)], cwd=place).returncode
        if status or not any(None in codes.values() for codes in verdicts("ref", place).values()):
            break
    return status


def run_theory(place: Path, jobs: int, sample: int | None) -> int:
    """Decide what is not decided or has survived, of all mutants or of a sample of them."""
    os.chdir(place)
    os.environ["MUTANT_UNDER_TEST"] = "mutant_generation"
    import pytest
    from mutmut import __main__ as mutmut
    from mutmut.state import state

    Path("mutants").mkdir(exist_ok=True)
    state()._covered_lines = lines_of(place, wanted("theory"))  # all others stay as they are
    for name in [name for name in sys.modules if name.partition(".")[0] in FLOORS]:
        del sys.modules[name]
    mutmut.copy_src_dir()
    mutmut.copy_also_copy_files()
    mutmut.setup_source_paths()  # from now on `theory` is the one with the mutants
    mutmut.create_mutants(jobs)
    os.environ["MUTANT_UNDER_TEST"] = ""
    os.chdir("mutants")
    codes = {k: v for file in verdicts("theory", place).values() for k, v in file.items()}
    left = [name for name in sampled(codes, sample) if codes[name] != KILLED]
    table = tomllib.loads((place / "pyproject.toml").read_text())["tool"]["mutmut"]
    tests = table["pytest_add_cli_args_test_selection"] + table["pytest_add_cli_args"]
    return pytest.main(["--rootdir=.", "-q", *tests], plugins=[Forks(left, jobs)])


def lines_of(place: Path, starts: set[str]) -> dict[str, set[int]]:
    """The lines of the functions whose mutants count, as mutmut asks for those that tests cover."""
    found = {}
    for path in sorted((ROOT / "theory").glob("*/*.py")):
        file = path.relative_to(ROOT)
        module = ".".join(file.with_suffix("").parts)
        found[str(place / "mutants" / file)] = {
            line
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.FunctionDef) and f"{module}.x_{node.name}__mutmut_" in starts
            for line in range(node.lineno, (node.end_lineno or 0) + 1)
        }
    return found


def sampled(names: Iterable[str], size: int | None) -> list[str]:
    """All of them, or as many drawn: the same at each call, as long as the mutants are the same."""
    names = sorted(names)
    return names if size is None else random.Random(0).sample(names, size)


class Forks:
    """A plugin of pytest, in the place of its loop over the tests: a fork for each mutant.

    The first tests that a mutant meets are those with its function as a parameter, or a claim that
    names it. Who survives them meets the chapters' tests that reach it.
    """

    def __init__(self, names: list[str], jobs: int) -> None:
        self.names, self.jobs = names, jobs
        self.running: dict[int, str] = {}
        self.survivors: list[str] = []

    def pytest_runtestloop(self, session: Any) -> bool:
        self.session = session
        near, others = self.near()
        gc.freeze()  # or else a fork copies what it does not change
        self.try_all(self.names, near)
        if names := self.survivors:
            self.try_all(names, self.reaching(others))
        return True

    def near(self) -> tuple[dict[str, list[Any]], list[Any]]:
        """The tests of each function, and the chapters' tests that are of none."""
        tests, others = collections.defaultdict(list), []
        for item in self.session.items:
            parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
            functions = [f for x in parameters for f in (named(x) if hasattr(x, "given") else [x])]
            names = {function_of(f) for f in functions if hasattr(f, "__wrapped__")}
            for name in names:
                tests[name].append(item)
            if not names and item.path.name not in ("test_claims.py", "test_types.py"):
                others.append(item)
        return tests, others

    def reaching(self, items: list[Any]) -> dict[str, list[Any]]:
        """The tests of each function that they call. Who calls what is written down."""
        from mutmut.state import state

        file = Path("reached.json")
        reached = json.loads(file.read_text()) if file.exists() else {}
        if (pid := os.fork()) == 0:
            for item in items:
                if item.nodeid not in reached:
                    state()._stats.clear()
                    self.fails(item, "stats")
                    reached[item.nodeid] = sorted(state()._stats)
                    file.write_text(json.dumps(reached))
            os._exit(0)
        os.waitpid(pid, 0)
        tests = collections.defaultdict(list)
        for item in items:
            for name in json.loads(file.read_text())[item.nodeid]:
                tests[name].append(item)
        return tests

    def try_all(self, names: list[str], tests: dict[str, list[Any]]) -> None:
        self.survivors = []
        for name in names:
            while len(self.running) >= self.jobs:
                self.reap()
            if (pid := os.fork()) == 0:
                resource.setrlimit(resource.RLIMIT_CPU, (CPU, CPU + 1))
                os._exit(self.verdict(name, tests[name.partition("__mutmut_")[0]]))
            self.running[pid] = name
        while self.running:
            self.reap()

    def verdict(self, name: str, tests: list[Any]) -> int:
        for item in tests:
            if self.fails(item, name):
                return BROKEN if self.fails(item, "") else KILLED
        return 0

    def fails(self, item: Any, mutant: str) -> bool:
        os.environ["MUTANT_UNDER_TEST"] = mutant
        before = self.session.testsfailed
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return bool(self.session.testsfailed > before)

    def reap(self) -> None:
        """Write down what became of the first to end, where mutmut would."""
        pid, status = os.wait()
        name, code = self.running.pop(pid), os.waitstatus_to_exitcode(status)
        assert code != BROKEN, f"a test fails without {name} too"
        if code in SURVIVED:
            self.survivors.append(name)
        file = Path(*name.split(".")[:-1]).with_suffix(".py.meta")
        meta = json.loads(file.read_text())
        meta["exit_code_by_key"][name] = code
        file.write_text(json.dumps(meta, indent=4))
        print(f"{code:4} {name}", file=sys.__stderr__, flush=True)


def report(floor: str, place: Path, sample: int | None) -> int:
    def show(name: str) -> str:
        command = [*MUTMUT, "show", name]
        return subprocess.run(command, cwd=place, capture_output=True, text=True).stdout

    total: collections.Counter[str] = collections.Counter()
    table, survivors = [], []
    found = verdicts(floor, place)
    counted = set(sampled((name for codes in found.values() for name in codes), sample))
    for file, codes in found.items():
        kinds: collections.Counter[str] = collections.Counter()
        for name in codes.keys() & counted:
            code = codes[name]
            kind = "open" if code is None else "timeout" if code in TIMEOUT else "killed"
            if code in SURVIVED:
                diff = show(name)
                kind = "words" if floor == "ref" and words_only(diff) else "survived"
                if kind == "survived":
                    survivors.append(diff)
            kinds[kind] += 1
        if kinds:
            table.append((file, kinds))
            total += kinds
    print("\n".join(survivors))
    print(f"{floor + '/':<32}" + "".join(f"{kind:>10}" for kind in KINDS))
    for file, kinds in table:
        print(f"{file:<32}" + "".join(f"{kinds[kind]:>10}" for kind in KINDS))
    decided = total["killed"] + total["survived"] + total["timeout"]
    if not decided:
        print("no mutant is decided yet")
        return 2
    killed = total["killed"] / decided
    print(f"{floor}/: killed {total['killed']} of {decided} mutants: {killed:.1%}", flush=True)
    return int(killed < WANTED[floor])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("floor", nargs="?", choices=FLOORS, help="the other one is left out")
    parser.add_argument("--jobs", type=int, default=2, help="mutants tested at once")
    parser.add_argument("--sample", type=int, help="of theory/ only so many, drawn by chance")
    parser.add_argument("--report", action="store_true", help="only tell what is decided already")
    options = parser.parse_args()
    worst = 0
    for floor in [options.floor] if options.floor else FLOORS:
        place = workshop(floor)
        sample = options.sample if floor == "theory" else None
        if not options.report:
            ref = floor == "ref"
            jobs = options.jobs
            if run_ref(place, jobs) if ref else run_theory(place, jobs, sample):
                return 2
        worst = max(worst, report(floor, place, sample))
    return worst


if __name__ == "__main__":
    sys.exit(main())
