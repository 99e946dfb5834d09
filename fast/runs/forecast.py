"""`python -m fast sweep --dry-run`: which runs there are to make, and how long they take here.

The speed is that of the runs which the sweep's folder holds; where there is none, the first
updates of one run are timed in a temporary folder.
"""

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fast.config import Config
from fast.errors import InputError
from fast.runs.records import find_runs, read_run
from fast.runs.sweep import COMMAND, POLL, Job, Place, last_line, spawn

# What a trial changes of the run: every update is timed, and the first one comes early.
TRIAL = ("--run.log-interval=1", "--run.evaluation-episodes=1")
PLAYED = ("--agent.first-update=5",)  # of an agent that plays
# It is ended after so many updates, or so many seconds and at least the smaller number of updates.
ENOUGH, SECONDS, FEWEST = 50, 40, 3


def dry_run(
    jobs: Sequence[Job],
    places: Sequence[Place],
    overrides: Sequence[str] = (),
    command: Sequence[str] = COMMAND,
) -> int:
    """Print how many runs there are and the hours that the rest takes here; the exit status."""
    states = [job.state for job in jobs]
    counts = [f"{states.count(state)} {state}" for state in ("complete", "begun", "new")]
    counts += [f"{states.count('damaged')} damaged"] if "damaged" in states else []
    lengths = sorted({job.config.run.updates for job in jobs})
    each = " or ".join(f"{updates:,}" for updates in lengths)
    print(f"{len(jobs)} runs of {each} updates: {', '.join(counts)}", flush=True)
    unfinished = [job for job in jobs if job.unfinished]
    if not unfinished:
        return 0
    first, used = unfinished[0], places[: len(unfinished)]
    speeds = recorded(first)
    source = f"by the runs in {first.folder.parent} ({', '.join(speeds)})"
    if not speeds:
        task, method, _ = first.run
        print(f"timing {method} on {task} in a temporary folder, about a minute", flush=True)
        try:
            speeds = {method: measure(first, used, overrides, command)}
        except RuntimeError as error:
            print(f"hours: not known, the trial failed: {error}")
            return 1
        source = f"by a trial of {method} alone"
    mean = statistics.mean(speeds.values())
    seconds = sum(job.missing * speeds.get(job.run.method, mean) for job in unfinished)
    updates, hours = sum(job.missing for job in unfinished), seconds / len(used) / 3600
    print(f"{updates:,} updates to make, {seconds / max(1, updates):.2g} s each {source}")
    shown = f"{hours:,.0f}" if hours >= 100 else f"{hours:.2g}"
    print(f"{shown} hours with {len(used)} at a time")
    return 0


def recorded(like: Job) -> dict[str, float]:
    """Seconds per update, evaluations and scores included, of each method that was trained in the
    same folder with the same preset on the same kind of device."""
    seconds: dict[str, float] = defaultdict(float)
    updates: dict[str, int] = defaultdict(int)
    try:
        runs = find_runs(like.folder.parent)
    except InputError:  # none is there yet
        return {}
    wanted = like.config.agent.kind, like.config.preset, like.config.device
    for run in runs:
        timing = run.of("timing")
        of = run.config["agent"]["kind"], run.config["preset"], run.config["device"]
        if timing and of == wanted:
            seconds[run.method] += timing[-1]["seconds"]
            updates[run.method] += timing[-1]["update"]
    return {method: seconds[method] / updates[method] for method in seconds}


def measure(
    job: Job, places: Sequence[Place], overrides: Sequence[str], command: Sequence[str]
) -> float:
    """Seconds per update of the whole run `job`, from the first updates of such a run at each
    place, all at once.

    Raises:
        RuntimeError: with the last line that was said, where one of them fails.
    """
    with tempfile.TemporaryDirectory() as name:
        first = PLAYED if job.config.env.kind != "labels" else ()
        folders = [Path(name) / str(number) for number in range(len(places))]
        children = []
        timings: list[list[dict[str, Any]]] = [[]]
        begin = time.monotonic()
        try:
            for folder, place in zip(folders, places, strict=True):
                arguments = job.train(folder, [*overrides, *TRIAL, *first])
                children.append(spawn([*command, *arguments], folder.with_suffix(".log"), place))
            while min(map(len, timings)) < (
                ENOUGH if time.monotonic() - begin < SECONDS else FEWEST
            ):
                ended = [child.poll() for child in children]
                for folder, status in zip(folders, ended, strict=True):
                    if status:
                        raise RuntimeError(last_line(folder.with_suffix(".log")))
                time.sleep(POLL)
                timings = [_timing(folder) for folder in folders]
                if None not in ended:  # short runs are over before the trial is
                    break
        finally:
            for child in children:
                child.kill()
                child.wait()
    if (count := min(map(len, timings))) < FEWEST:
        raise RuntimeError(f"{count} timed updates are too few")
    return statistics.mean(foretell(job.config, timing) for timing in timings)


def _timing(folder: Path) -> list[dict[str, Any]]:
    return read_run(folder).of("timing") if (folder / "config.json").exists() else []


def foretell(config: Config, timing: Sequence[dict[str, Any]]) -> float:
    """Seconds per update of a whole run, from the timing records of a trial.

    The first record holds one evaluation episode and one scoring, the second warms up.
    """
    run, first = config.run, timing[0]
    apart = ("evaluation_ms", "scores_ms")
    evaluation, scoring = (first[name] * first["agent_step"] / 1000 for name in apart)
    parts = [[v for k, v in r.items() if k.endswith("_ms") and k not in apart] for r in timing[2:]]
    step = statistics.median(sum(part) for part in parts) / 1000
    steps = config.agent.first_update - 1 + run.updates / config.agent.updates_per_step
    steps = run.updates if run.stored else steps
    evaluations = (1 + steps / run.evaluation_interval) * run.evaluation_episodes
    scorings = 1 + run.updates / run.score_interval
    seconds: float = steps * step + evaluations * evaluation + scorings * scoring
    return seconds / run.updates
