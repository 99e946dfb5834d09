"""Mutation testing of ref/'s formulas: change them one by one and see that tests/ref notices.

mutmut makes the mutants and runs the tests; what it has decided stays in mutants/, so a second
call goes on where the first one stopped. Printed at the end: a table of each file, and every
survivor as a diff. Mutants that change only the words of a message are counted apart, and so are
those that ended in a timeout. Exit status 1 if fewer than 90 % of the others were killed.
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
SURVIVED, TIMEOUT = {0, 33}, {24, 36, 152, 255, -24}  # mutmut's exit codes; 33: no test covers it
WANTED = 0.9
STRINGS = re.compile(r'f?"[^"]*"|\bNone\b(?=\)$)')  # a message is the last argument of its call


def words_only(diff: str) -> bool:
    """Whether the two versions of the changed line differ in a string alone."""
    before, after = (
        [line[1:] for line in diff.splitlines() if re.match(rf"\{sign}(?!\{sign})", line)]
        for sign in "-+"
    )
    return [STRINGS.sub('""', x) for x in before] == [STRINGS.sub('""', x) for x in after]


def show(name: str) -> str:
    done = subprocess.run([*MUTMUT, "show", name], cwd=ROOT, capture_output=True, text=True)
    return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="mutants tested at once")
    parser.add_argument("--report", action="store_true", help="only tell what is decided already")
    options = parser.parse_args()
    if not options.report:
        run = [*MUTMUT, "run", "--max-children", str(options.jobs)]
        if subprocess.run(run, cwd=ROOT).returncode:
            return 2

    wanted = counted = 0
    table, survivors = [], []
    for path in sorted((ROOT / "mutants/ref").glob("*.meta")):
        verdicts = json.loads(path.read_text())["exit_code_by_key"]
        kinds: collections.Counter[str] = collections.Counter()
        for name, code in verdicts.items():
            kind = "open" if code is None else "killed"
            if code in TIMEOUT:
                kind = "timeout"
            elif code in SURVIVED:
                diff = show(name)
                kind = "words" if words_only(diff) else "survived"
                if kind == "survived":
                    survivors.append(diff)
            kinds[kind] += 1
        if kinds:
            table.append((path.stem, kinds))
            wanted += kinds["killed"]
            counted += kinds["killed"] + kinds["survived"]
    print("\n".join(survivors))
    kinds_shown = ("killed", "survived", "words", "timeout", "open")
    print(f"{'file':<16}" + "".join(f"{kind:>10}" for kind in kinds_shown))
    for file, kinds in table:
        print(f"{file:<16}" + "".join(f"{kinds[kind]:>10}" for kind in kinds_shown))
    if not counted:
        print("no mutant is decided yet")
        return 2
    print(f"killed {wanted} of {counted} mutants of formulas: {wanted / counted:.1%}")
    return int(wanted / counted < WANTED)


if __name__ == "__main__":
    sys.exit(main())
