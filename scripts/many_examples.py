"""Draw 20,000 examples of every claim of theory/ and count: how many different ones, how many fail.

A row is written as soon as its claim is done, the quickest claims first; a second call goes on
where the first one stopped. Exit status 1 if an instance of a claim that holds fails.
"""

import argparse
import csv
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
from theory.claim import Claim, check  # noqa: E402
from theory.decide import CLAIMS  # noqa: E402

HEADS = ("id", "verdict", "asked", "different", "fail", "cpu seconds")


def count(claim: Claim[Any], examples: int, seed: int = 0) -> tuple[int, int]:
    """How many different instances satisfy the assumptions, and of how many `then` is false."""
    failed = 0

    def then(instance: Any) -> bool:
        nonlocal failed
        failed += not claim.then(instance)
        return True

    return check(replace(claim, then=then), examples, seed).tried, failed


def seconds(claim: Claim[Any], examples: int) -> tuple[float, tuple[int, int]]:
    start = time.process_time()
    found = count(claim, examples)
    return time.process_time() - start, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=20_000)
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "claims" / "examples.csv")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows = list(csv.DictReader(options.out.open())) if options.out.exists() else []
    with options.out.open("a", newline="") as file:
        writer = csv.DictWriter(file, HEADS, lineterminator="\n")
        if not rows:
            writer.writeheader()
        done = {row["id"] for row in rows}
        left = [claim for claim in CLAIMS.values() if claim.id not in done]
        for claim in sorted(left, key=lambda claim: seconds(claim, 10)[0]):
            took, found = seconds(claim, options.examples)
            values = (claim.id, claim.verdict, options.examples, *found, round(took, 1))
            rows.append(dict(zip(HEADS, map(str, values), strict=True)))
            writer.writerow(rows[-1])
            file.flush()
    wrong = [r["id"] for r in rows if r["verdict"].startswith("holds") and r["fail"] != "0"]
    print(f"{len(rows)} claims, {sum(int(r['different']) for r in rows)} different instances")
    if wrong:
        print(f"fail somewhere: {', '.join(wrong)}", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
