"""A folder as the main paper's 586 runs of DrQ leave it, to measure what reading it takes.

    python -m fast train --task cartpole-swingup --preset tiny --out ONE
    python scripts/many_runs.py ONE MANY
    /usr/bin/time -v python -m fast figure all --runs MANY --out PICTURES

ONE says what the records hold; their number is that of a run of the preset `paper`, their numbers
are random float32. All runs have the same 12 MB of lines, which are on the disk once.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from fast import config as configs
from fast.papers.recipes import RECIPES
from fast.runs.records import COUNTERS

EPISODE = 125  # agent steps: 1,000 of the suite's, 8 an action


def lines(like: Path) -> str:
    """The metrics.jsonl of a run at full length, of records like those of the run `like`."""
    plan = configs.build("drq", "walker-walk").run
    every = (like / "metrics.jsonl").read_text().splitlines()
    one = {record["kind"]: record for record in map(json.loads, every)}
    due = {"evaluation": plan.evaluation_interval, "scores": plan.score_interval,
           "update": plan.log_interval, "timing": plan.log_interval,
           "episode": EPISODE}  # fmt: skip
    generator, written = np.random.default_rng(0), []
    for update in range(plan.updates + 1):
        counters = dict.fromkeys(COUNTERS[1:], update) | {"environment_step": 8 * update}
        for kind in (kind for kind, interval in due.items() if update % interval == 0):
            drawn = {
                name: float(np.float32(generator.random())) if isinstance(value, float) else value
                for name, value in one[kind].items()
            }
            written.append(json.dumps(drawn | counters))
    return "\n".join([*written, ""])


def main(like: Path, out: Path) -> None:
    out.mkdir(parents=True)
    first = out / "lines"  # no run: readers ask for a config.json
    first.write_text(lines(like))
    of_drq = (each for each in RECIPES.values() if (each.agent, each.preset) == ("drq", "paper"))
    runs = dict.fromkeys(run for recipe in of_drq for run in recipe.runs)
    for task, method, seed in runs:
        folder = out / f"{task}.{method}.{seed}"
        folder.mkdir()
        config = replace(configs.build("drq", task, method), seed=seed)
        (folder / "config.json").write_text(configs.to_json(config))
        (folder / "metrics.jsonl").hardlink_to(first)
    print(f"{len(runs)} runs of {first.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
