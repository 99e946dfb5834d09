"""`python -m fast findings`: what was run for each sentence of the papers, and what came out.

`collect` keeps what the findings read of a folder of runs, in one CSV an experiment; every verdict
is made of those files and of `fast.papers.findings` alone.
"""

import csv
import fnmatch
import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

from fast.errors import InputError, as_input, unknown
from fast.papers.findings import EXPERIMENTS, FINDINGS, Experiment, Finding, Told
from fast.papers.grid import PlannedRun
from fast.runs.records import Run, find_runs, flat

RESULTS = Path("results/findings")
NAMES = ("task", "method", "seed", "kind", "update")  # the first columns of a CSV
LEVEL = 0.95
REPRODUCED, CONTRADICTED = "reproduced", "contradicted"
NOT_DECIDED, NOT_RUN = "not decided", "not run"


@dataclass(frozen=True)
class Verdict:
    """What came out of one finding: `word` is one of four, with the scale in it."""

    word: str
    values: tuple[float, ...] = ()  # the effect, of each run or pair where it is defined
    undefined: int = 0  # runs or pairs of which it is not
    low: float = np.nan  # Student's interval of the mean, LEVEL of it
    high: float = np.nan

    @property
    def mean(self) -> float:
        return float(np.mean(self.values)) if self.values else np.nan


def verdict(finding: Finding, told: Iterable[Told]) -> Verdict:
    """Whether the records decide a finding.

    They do where enough runs have the effect and the interval of its mean over runs is clear of the
    bound. A share that is 0 in every run is not: where nothing was, nothing is contradicted.
    """
    arms: dict[str, list[Told]] = {method: [] for method in finding.arms}
    for run in told:
        if run.method in arms:
            arms[run.method].append(run)
    if not all(arms.values()):
        return Verdict(NOT_RUN)
    every = finding.effect(arms)
    values = tuple(value for value in every if np.isfinite(value))
    undefined = len(every) - len(values)
    if len(values) < max(2, finding.seeds):
        return Verdict(NOT_DECIDED, values, undefined)
    mean, spread = np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))
    reach = t.ppf((1 + LEVEL) / 2, len(values) - 1) * spread
    low, high = float(mean - reach), float(mean + reach)
    word = REPRODUCED if finding.holds(low) else CONTRADICTED
    word = NOT_DECIDED if low <= finding.holds.bound <= high else word
    scale = EXPERIMENTS[finding.experiment].preset
    decided = word != NOT_DECIDED and scale != "paper"
    return Verdict(f"{word} at {scale} scale" if decided else word, values, undefined, low, high)


def scale(experiment: Experiment, finding: Finding, told: Iterable[Told]) -> str:
    """At which scale a finding was tried, in words."""
    there = [run for run in told if run.method in finding.arms]
    updates = max((run.scores["update"][-1] for run in there), default=0)
    of_arms = [{(run.task, run.seed) for run in there if run.method == m} for m in finding.arms]
    common = set.intersection(*of_arms)  # a pair has both
    tasks, seeds = ({pair[i] for pair in common} for i in (0, 1))
    return (
        f"{experiment.preset}, {updates:,.0f} updates, seeds {len(seeds)} of {experiment.seeds}, "
        f"tasks {len(tasks)} of {len(experiment.tasks)}"
    )


def kept(run: Run, experiment: Experiment) -> Told:
    """What an experiment keeps of a run."""
    scores, played = run.tables["scores"], run.tables["evaluation"]
    names = [n for n in scores.columns if any(fnmatch.fnmatch(n, p) for p in experiment.keep)]
    columns = {name: scores.numbers(name) for name in ("update", *names)}
    returns = {name: played.numbers(name) for name in ("update", "return")}
    return Told(run.task, run.method, run.seed, columns, returns)


def collect(name: str, folder: Path, results: Path = RESULTS) -> list[str]:
    """Keep what an experiment needs of the finished runs in `folder`; says what was left out.

    What was kept of the same experiment stays, but for runs that are in the folder again.

    Raises:
        InputError: for an unknown experiment, a folder without runs, and a run of it with settings
            that are not the experiment's.
    """
    if name not in EXPERIMENTS:
        raise unknown("EXPERIMENT", name, EXPERIMENTS)
    experiment = EXPERIMENTS[name]
    damaged: list[InputError] = []
    left = []
    rows = {PlannedRun(run.task, run.method, run.seed): run for run in read(name, results)}
    path = results / f"{name}.json"
    sources = json.loads(path.read_text()) if path.exists() else {}
    for run in find_runs(folder, damaged=damaged):
        key = PlannedRun(run.task, run.method, run.seed)
        if key not in experiment.runs:
            left.append(f"{run.folder.name} is not of the experiment")
        elif not run.finished:
            left.append(f"{run.folder.name} is not finished")
        else:
            _refuse_other(run, experiment)
            rows[key] = kept(run, experiment)
            sources[key.name] = _source(run)
    _write(name, [rows[key] for key in sorted(rows)], results)
    path.write_text(json.dumps(dict(sorted(sources.items())), indent=1) + "\n")
    return [*left, *map(str, damaged)]


def _refuse_other(run: Run, experiment: Experiment) -> None:
    """Refuse a run whose settings are not those of the experiment."""
    names = [name.removeprefix("--").replace("-", "_") for name in experiment.settings[::2]]
    given = dict(zip(names, experiment.settings[1::2], strict=True))
    asked = {"preset": experiment.preset, "changed": sorted(given), **given}
    found = flat(run.config) | {"changed": sorted(run.config["changed"])}
    for name, value in asked.items():
        if found[name] != value and str(found[name]) != value:
            raise InputError(f"{run.folder}: {name}", found[name], f"the experiment has {value}")


def _source(run: Run) -> dict[str, Any]:
    """When, at which commit and on what a run was begun; `sweep_of` tells the command."""
    names = ("time", "commit", "device", "threads", "cpu_capability", "versions")
    first, *_ = run.of("session")
    return {name: first[name] for name in names if name in first}


def read(name: str, results: Path = RESULTS) -> list[Told]:
    """The runs that were kept of an experiment; none where there is no file.

    Raises:
        InputError: for a file that `collect` did not write.
    """
    path = results / f"{name}.csv"
    if not path.exists():
        return []
    with as_input("results", path, "it cannot be read"), path.open(newline="") as file:
        table = list(csv.reader(file))
    try:
        return list(_told(table))
    except (ValueError, IndexError, KeyError):
        raise InputError("results", str(path), "accepted: a file of `findings collect`") from None


def _told(table: list[list[str]]) -> Iterable[Told]:
    header, *rest = table
    if tuple(header[: len(NAMES)]) != NAMES:
        raise ValueError(header)
    columns = header[len(NAMES) - 1 :]  # update and what follows it
    runs: dict[tuple[str, str, int], dict[str, list[list[float]]]] = {}
    for row in rest:
        task, method, seed, kind = row[: len(NAMES) - 1]
        numbers = [float(text) if text else np.nan for text in row[len(NAMES) - 1 :]]
        if len(numbers) != len(columns):
            raise ValueError(row)
        kinds = runs.setdefault((task, method, int(seed)), {"scores": [], "evaluation": []})
        kinds[kind].append(numbers)
    for key, kinds in runs.items():
        scores, played = (dict(zip(columns, np.array(k).T, strict=True)) for k in kinds.values())
        # Another method's network may have other layers, which have no number here.
        there = {_layer(name) for name, values in scores.items() if not np.isnan(values).all()}
        yield Told(*key, {k: v for k, v in scores.items() if _layer(k) in there}, played)


def _layer(score: str) -> str:
    return score.rpartition("/")[0]


def _write(name: str, runs: list[Told], results: Path) -> None:
    """One row a record; numbers to four digits, undefined ones empty."""
    scored = (key for run in runs for key in run.scores if key != "update")
    keys = [*dict.fromkeys(["return", *scored])]
    results.mkdir(parents=True, exist_ok=True)
    path = results / f"{name}.csv"
    partial = path.with_suffix(".tmp")
    with partial.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*NAMES, *keys))
        for run in runs:
            for kind, columns in (("scores", run.scores), ("evaluation", run.evaluations)):
                for n, update in enumerate(columns["update"]):
                    values = [_text(columns[key][n]) if key in columns else "" for key in keys]
                    writer.writerow((run.task, run.method, run.seed, kind, int(update), *values))
    partial.replace(path)


def _text(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4g}"


def sweep_of(name: str) -> str:
    """The command that makes the runs of a finding's experiment."""
    if name not in FINDINGS:
        raise unknown("ID", name, FINDINGS)
    experiment = FINDINGS[name].experiment
    of, out = EXPERIMENTS[experiment], f"runs/{experiment}"
    words = ["python", "-m", "fast", "sweep", "--agent", of.agent, "--tasks", *of.tasks,
             "--methods", *of.methods, "--seeds", str(of.seeds), "--preset", of.preset,
             "--out", out, *of.settings]  # fmt: skip
    return shlex.join(words)


Decided = tuple[Finding, str, Verdict]  # with the scale in words


def decided(results: Path = RESULTS) -> dict[str, Decided]:
    """Every finding with its scale and its verdict."""
    told, found = {name: read(name, results) for name in EXPERIMENTS}, {}
    for name, finding in FINDINGS.items():
        of, runs = EXPERIMENTS[finding.experiment], told[finding.experiment]
        found[name] = finding, scale(of, finding, runs), verdict(finding, runs)
    return found


def as_json(found: Mapping[str, Decided]) -> str:
    """The ledger for programs: undefined numbers are null."""
    rows = [
        {
            "id": name, "source": finding.source, "says": finding.says,
            "experiment": finding.experiment, "scale": at, "effect": finding.measures,
            "condition": str(finding.holds), "mean": result.mean, "low": result.low,
            "high": result.high, "values": list(result.values), "undefined": result.undefined,
            "verdict": result.word,
        }
        for name, (finding, at, result) in found.items()
    ]  # fmt: skip
    plain = [{k: None if v != v else v for k, v in row.items()} for row in rows]
    return json.dumps(plain, indent=1)


def table(found: Mapping[str, Decided]) -> str:
    """The ledger in Markdown, and how many have which verdict."""
    lines = [
        "| finding | source | what it says | scale | effect | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for name, (finding, at, result) in found.items():
        run = "" if result.word == NOT_RUN else at
        row = (f"`{name}`", finding.source, finding.says, run, _effect(finding, result))
        lines.append(f"| {' | '.join(row)} | {result.word} |")
    words = [result.word.split(" at ")[0] for _, _, result in found.values()]
    counts = ", ".join(
        f"{words.count(word)} {word}" for word in (REPRODUCED, CONTRADICTED, NOT_DECIDED, NOT_RUN)
    )
    return "\n".join([*lines, "", f"{len(words)} findings: {counts}."])


def _effect(finding: Finding, result: Verdict) -> str:
    """The mean with its interval, and the condition on it."""
    if not result.values:
        return str(finding.holds)
    lacking = f"; undefined in {result.undefined}" if result.undefined else ""
    interval = "" if np.isnan(result.low) else f" [{result.low:.3g}, {result.high:.3g}]"
    return f"{result.mean:.3g}{interval}, asked {finding.holds}{lacking}"


def show(name: str, results: Path = RESULTS) -> str:
    """One finding with all that its verdict rests on."""
    if name not in FINDINGS:
        raise unknown("ID", name, FINDINGS)
    finding, at, result = decided(results)[name]
    values = ", ".join(f"{value:.4g}" for value in result.values) or "none"
    lines = {
        "source": finding.source,
        "says": finding.says,
        "effect": finding.measures,
        "condition": f"its mean is {finding.holds}, and so is the whole of its 95 % interval",
        "arms": ", ".join(finding.arms),
        "scale": at,
        "values": values,
        "result": _effect(finding, result),
        "verdict": result.word,
        "runs": sweep_of(name),
    }
    return "\n".join([name, *(f"  {key:10} {value}" for key, value in lines.items())])
