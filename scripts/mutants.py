"""Mutation testing: change what ref/ computes and theory/ asserts, and see that a test notices.

Of ref/ all formulas, by tests/ref; of theory/ the assumptions and conclusions of all claims, by
tests/theory. mutmut makes the mutants and runs the tests, in mutants/FLOOR with that floor's table
of pyproject.toml. What it has decided stays there, so a second call goes on where the first one
stopped. Printed at the end: every survivor as a diff, and a table of each floor's files. In ref/
mutants that change only the words of a message are counted apart, and so are everywhere those that
ended in a timeout. Exit status 1 if on a floor fewer than 90 % of the others were killed.
"""

import argparse
import collections
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
MUTMUT = [sys.executable, "-m", "mutmut"]
FLOORS = ("ref", "theory")
SURVIVED, TIMEOUT = {0, 33}, {24, 36, 152, 255, -24}  # mutmut's exit codes; 33: no test covers it
WANTED = 0.9
STRINGS = re.compile(r'f?"[^"]*"|\bNone\b(?=\)$)')  # a message is the last argument of its call
KINDS = ("killed", "survived", "words", "timeout", "open")


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
    sys.path.insert(0, str(ROOT))
    from theory.decide import CLAIMS

    claims = CLAIMS.values()
    functions = [f for c in claims for f in (c.then, *(a.holds for a in c.given))]
    return {f"{f.__module__}.x_{f.__name__}__mutmut_" for f in functions}


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


def run(floor: str, place: Path, jobs: int) -> int:
    """Decide what is not decided, and of theory's functions again those with a survivor.

    mutmut without names runs all that is undecided; what is named it runs, decided or not. The
    second round is for what changed since the last call, which mutmut finds out in the first.
    """
    for _ in range(2):
        names: set[str] = set()
        if floor != "ref":
            codes = {k: v for file in verdicts(floor, place).values() for k, v in file.items()}
            again = [k for k, code in codes.items() if code is None or code in SURVIVED]
            names = {re.sub(r"\d+$", "", name) for name in again} or wanted(floor)
        command = [*MUTMUT, "run", "--max-children", str(jobs), *sorted(f"{n}*" for n in names)]
        if status := subprocess.run(command, cwd=place).returncode:
            return status
        if not any(None in file.values() for file in verdicts(floor, place).values()):
            break
    return 0


def report(floor: str, place: Path) -> int:
    def show(name: str) -> str:
        command = [*MUTMUT, "show", name]
        return subprocess.run(command, cwd=place, capture_output=True, text=True).stdout

    total: collections.Counter[str] = collections.Counter()
    table, survivors = [], []
    for file, codes in verdicts(floor, place).items():
        kinds: collections.Counter[str] = collections.Counter()
        for name, code in codes.items():
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
    counted = total["killed"] + total["survived"]
    if not counted:
        print("no mutant is decided yet")
        return 2
    killed = total["killed"] / counted
    print(f"{floor}/: killed {total['killed']} of {counted} mutants: {killed:.1%}", flush=True)
    return int(killed < WANTED)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("floor", nargs="?", choices=FLOORS, help="the other one is left out")
    parser.add_argument("--jobs", type=int, default=2, help="mutants tested at once")
    parser.add_argument("--report", action="store_true", help="only tell what is decided already")
    options = parser.parse_args()
    worst = 0
    for floor in [options.floor] if options.floor else FLOORS:
        place = workshop(floor)
        if not options.report and run(floor, place, options.jobs):
            return 2
        worst = max(worst, report(floor, place))
    return worst


if __name__ == "__main__":
    sys.exit(main())
