"""Read a run's folder: its settings and its records, without torch.

`metrics.jsonl` is the source of truth of a run; figures and reports are made from it alone.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fast.errors import InputError

COUNTERS = ("kind", "agent_step", "environment_step", "update")  # that every record has
VERSION = 2  # of everything in a run's folder: other versions are refused, never guessed

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """One training run as its folder tells it: `config.json` and the lines of `metrics.jsonl`."""

    folder: Path
    config: dict[str, Any]
    records: list[dict[str, Any]]

    @property
    def method(self) -> str:
        return self.config["method"]

    @property
    def seed(self) -> int:
        return self.config["seed"]

    @property
    def planned(self) -> int:
        """How many updates the run is to make."""
        return self.config["run"]["updates"]

    @property
    def reached(self) -> int:
        """How many updates the records tell of."""
        return max((record["update"] for record in self.records), default=0)

    @property
    def finished(self) -> bool:
        """Whether it made its planned updates, and was scored and evaluated at its end.

        The last episode outlasts the last update and may be evaluated before it is over: only the
        scores, of which no earlier ones tell of all updates, say that it is.
        """
        ends = [r["agent_step"] for r in self.of("scores") if r["update"] >= self.planned]
        return bool(ends) and any(r["agent_step"] >= ends[0] for r in self.of("evaluation"))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The records of one kind (`scores`, `evaluation`, ...) in the order of writing."""
        return [record for record in self.records if record["kind"] == kind]


def read_run(folder: Path | str) -> Run:
    """The run in `folder`, finished, in progress or killed.

    A last line without its end is what a killed process leaves behind, and is not read.

    Raises InputError where `folder` holds no run, or one that this version cannot read.
    """
    folder = Path(folder)
    path = folder / "config.json"
    if not path.is_file():
        accepted = "the folder of a run (one that holds a config.json) is accepted"
        raise InputError("run folder", str(folder), accepted)
    config = _object(path.read_bytes(), str(path))
    if config.get("version") != VERSION:
        raise InputError(f"{path}: version", config.get("version"), f"{VERSION} is accepted")
    for name in ("task", "method", "preset", "seed", "env", "run"):
        if name not in config:
            raise InputError(
                f"{path}: {name}", None, "the config.json that a run wrote is accepted"
            )

    metrics = folder / "metrics.jsonl"
    return Run(folder, config, parse(metrics.read_bytes() if metrics.is_file() else b"", metrics))


def parse(text: bytes, source: Path) -> list[dict[str, Any]]:
    """The records of the whole lines of `text`, which a metrics.jsonl, `source`, holds.

    Raises InputError where a line is no record.
    """
    *whole, _cut = text.split(b"\n")
    records = [_object(line, f"{source}:{n}") for n, line in enumerate(whole, start=1)]
    for n, record in enumerate(records, start=1):
        counts = [record.get(name) for name in COUNTERS[1:]]
        if not isinstance(record.get("kind"), str) or {type(count) for count in counts} != {int}:
            accepted = f"a record with {', '.join(COUNTERS)} is accepted; the file is damaged"
            raise InputError(f"{source}:{n}", sorted(record), accepted)
    return records


def _object(text: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # neither JSON nor UTF-8, or too deeply nested
        value = None
    if not isinstance(value, dict):
        shown = text[:60].decode(errors="replace")
        raise InputError(where, shown, "one JSON object is accepted; the file is damaged")
    return value


def is_unused(folder: Path) -> bool:
    """Whether nothing is in the place of `folder`, or a folder that may hold what a file system
    puts into a new one and what a process that was killed while it began a run left there."""
    left = {"lost+found", "config.json.tmp"}
    return not folder.exists() or (folder.is_dir() and left.issuperset(os.listdir(folder)))


def find_runs(folder: Path | str, required: bool = True) -> list[Run]:
    """The runs in `folder`: itself if it is a run, else its subfolders that are, by name.

    Raises InputError where there is none, if one is `required`.
    """
    folder = Path(folder)
    if (folder / "config.json").is_file():
        return [read_run(folder)]
    runs = [read_run(path.parent) for path in sorted(folder.glob("[!.]*/config.json"))]
    if required and not runs:
        accepted = "a run's folder, or a folder of them, is accepted (each holds a config.json)"
        raise InputError("runs", str(folder), accepted)
    return runs


def series(run: Run, kind: str, key: str) -> tuple[Floats, Floats]:
    """(environment steps, values), each (records,), of the records of `kind` that have `key`.

    A null (undefined there) is NaN.
    """
    told = [record for record in run.of(kind) if key in record]
    steps = [record["environment_step"] for record in told]
    values = [np.nan if record[key] is None else record[key] for record in told]
    return np.array(steps, dtype=np.float64), np.array(values, dtype=np.float64)


def flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves of nested settings by their dotted names: `{"run": {"updates": 1}}` is
    `{"run.updates": 1}`."""
    leaves: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            leaves |= flat(value, f"{prefix}{name}.")
        else:
            leaves[prefix + name] = value
    return leaves


def differing(runs: Sequence[Run]) -> list[str]:
    """The settings, by dotted name, that are not the same in all runs."""
    every = [flat(run.config) for run in runs]
    names = dict.fromkeys(name for settings in every for name in settings)
    return [name for name in names if any(s.get(name) != every[0].get(name) for s in every)]
