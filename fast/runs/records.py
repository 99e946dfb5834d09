"""Read a run's folder: its settings and its records, without torch.

`metrics.jsonl` is the source of truth of a run; figures and reports are made from it alone. It is
held by columns: 432 runs at the paper's length are 1.3 GB of lines and many times that as dicts.
"""

import gc
import json
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from operator import itemgetter
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from fast.errors import InputError, as_input

COUNTERS = ("kind", "agent_step", "environment_step", "update")  # that every record has
ROUNDED = 2.0**63  # from here on a float may have been an integer: orjson's have 64 bits
VERSION = 2  # of everything in a run's folder: other versions are refused, never guessed

Floats = NDArray[np.float64]
# Kind of record -> what of it is needed: keys, or measures, the last part of a score's key.
Keep = Mapping[str, Collection[str]]
# How far a run has come.
PROGRESS: Keep = dict.fromkeys(
    ("session", "episode", "update", "timing", "scores", "evaluation", "intervention"), ()
)


# What readers use of a config.json, by dotted name.
SETTINGS: dict[str, type] = {
    "task": str,
    "method": str,
    "preset": str,
    "seed": int,
    "agent.kind": str,
    "agent.batch_size": int,
    "env.kind": str,
    "run.updates": int,
    "run.reward_masked": float,
    "run.score_batch": int,
    "changed": list,
}
OF_STATES = {"env.action_repeat": int}
OF_PIXELS = OF_STATES | {"env.render_quality": str, "env.size": int, "env.frame_stack": int}
OF_KIND: dict[str, dict[str, type]] = {
    "labels": {},
    "pixels": OF_PIXELS,
    "games": {"env.frame_skip": int},
}
# And of the records of a kind, where they have it; a float may be null, and an integer. Those of
# the kinds that are MEASURED hold such numbers alone, every score record of a run the same ones.
FIELDS: dict[str, dict[str, type]] = {
    "evaluation": {"return": float, "returns": list},
    "episode": {"return": float, "random": bool},
    "timing": {"seconds": float},
    "intervention": {"name": str},
}
MEASURED = ("scores", "update", "timing")
NUMBERS = {float, int, NoneType}


class Column(NamedTuple):
    """The values of one key, and which records of their kind have it, in the order of writing.

    Numbers, with NaN for null, are an array, so that they take 4 or 8 bytes each, and so are
    booleans; all else is a list.
    """

    rows: NDArray[np.int32] | slice
    values: NDArray[Any] | list[Any]


class Table:
    """The records of one kind, by columns; with `keep` those alone, and the COUNTERS."""

    def __init__(self, records: Sequence[dict[str, Any]], keep: Collection[str] | None = None):
        self.length, self.keep = len(records), keep
        self.kind = records[0]["kind"] if records else ""
        alike = _alike(records)
        every = dict.fromkeys(key for record in records[: 1 if alike else None] for key in record)
        keys = [key for key in every if self.keeps(key) and key != "kind"]
        self.columns = {key: _column(records, key, alike) for key in keys}

    def keeps(self, key: str) -> bool:
        return self.keep is None or not {key, key.rpartition("/")[2]}.isdisjoint(
            (*COUNTERS, *self.keep)
        )

    def column(self, key: str) -> Column:
        """The values of a key, none if no record has it; raises KeyError if it was not kept."""
        if not self.keeps(key):
            raise KeyError(f"{key} is not among the keys that were to be kept")
        return self.columns.get(key, Column(np.array([], dtype=np.int32), np.array([])))

    def numbers(self, key: str) -> Floats:
        """The values of a key, (records,), NaN where it is null or missing."""
        rows, values = self.column(key)
        told = np.full(self.length, np.nan)
        told[rows] = np.asarray(values, dtype=np.float64)
        return told

    def has(self, key: str) -> NDArray[np.bool_]:
        """Whether what a record has under a key is there and neither false nor empty."""
        rows, values = self.column(key)
        found = np.zeros(self.length, dtype=bool)
        found[rows] = list(map(bool, values))
        return found

    def records(self) -> list[dict[str, Any]]:
        """The records again, each a dict."""
        found: list[dict[str, Any]] = [{"kind": self.kind} for _ in range(self.length)]
        for key, (rows, values) in self.columns.items():
            plain = values if isinstance(values, list) else values.tolist()
            having = found[rows] if isinstance(rows, slice) else [found[row] for row in rows]
            for record, value in zip(having, plain, strict=True):
                record[key] = None if value != value else value  # NaN alone is not itself
        return found


def _column(records: Sequence[dict[str, Any]], key: str, whole: bool) -> Column:
    """The column of a key, which with `whole` all records have."""
    rows = [] if whole else [row for row, record in enumerate(records) if key in record]
    having = records if whole else map(records.__getitem__, rows)
    values = [*map(itemgetter(key), having)]
    kinds, exact = set(map(type, values)), 2**53  # below it every integer is a float
    where = slice(None) if whole or len(rows) == len(records) else np.array(rows, dtype=np.int32)
    if kinds == {bool}:
        return Column(where, np.array(values))
    whole_numbers = values if kinds == {int} else [v for v in values if type(v) is int]
    if not kinds <= {int, float, NoneType} or (
        whole_numbers and not -exact < min(whole_numbers) <= max(whole_numbers) < exact
    ):
        return Column(where, values)
    if kinds == {int}:
        return Column(where, _halved(np.array(values, dtype=np.int64), np.int32))
    return Column(where, _halved(np.array(values, dtype=np.float64), np.float32))  # None is NaN


def _halved(values: NDArray[Any], kind: type) -> NDArray[Any]:
    """The values in half of the bytes, where none is lost: scores are float32 where they are made,
    and the columns of episodes are the longest."""
    with np.errstate(over="ignore"):
        half: NDArray[Any] = values.astype(kind)
    return half if np.array_equal(half, values, equal_nan=True) else values


class Run:
    """One training run as its folder tells it: `config.json` and the lines of `metrics.jsonl`.

    Of the kinds in `keep` only its keys, and COUNTERS, are held: a long run has little else than
    scores that no figure shows.
    """

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any],
        records: Iterable[dict[str, Any]],
        keep: Keep | None = None,
    ):
        self.folder, self.config = folder, config
        records = [*records]
        groups = _by_kind(records)
        codes = {kind: code for code, kind in enumerate(groups)}
        # Which table each record is in.
        self._order = np.array([codes[record["kind"]] for record in records], dtype=np.int32)
        self.tables = {kind: Table(group, (keep or {}).get(kind)) for kind, group in groups.items()}

    @property
    def task(self) -> str:
        return self.config["task"]

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
    def masked(self) -> int:
        """For how many updates at the start the reward was masked."""
        asked = self.config["run"]["reward_masked"]
        return asked if isinstance(asked, int) else int(asked * self.planned)

    @property
    def reached(self) -> int:
        """How many updates the records tell of."""
        return int(self.counter("update").max(initial=0))

    @property
    def finished(self) -> bool:
        """Whether it made its planned updates, and was scored and evaluated at its end.

        The last episode outlasts the last update and may be evaluated before it is over: only the
        scores, of which no earlier ones tell of all updates, say that it is.
        """
        whole = self.counter("update", "scores") >= self.planned
        ends = self.counter("agent_step", "scores")[whole]
        return bool(len(ends)) and bool((self.counter("agent_step", "evaluation") >= ends[0]).any())

    def counter(self, name: str, *kinds: str) -> NDArray[np.int64]:
        """One of the COUNTERS, (records,), of some kinds in turn, or of all."""
        tables = [self.tables[kind] for kind in kinds or self.tables if kind in self.tables]
        found = [np.asarray(table.columns[name].values, dtype=np.int64) for table in tables]
        return np.concatenate([*found, np.array([], dtype=np.int64)])

    def table(self, kind: str) -> Table:
        """The records of one kind, by columns; one without any where there are none."""
        return self.tables.get(kind, Table([]))

    @property
    def records(self) -> list[dict[str, Any]]:
        """All records in the order of writing."""
        each = [iter(table.records()) for table in self.tables.values()]
        return [next(each[code]) for code in self._order]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The records of one kind (`scores`, `evaluation`, ...) in the order of writing."""
        return self.table(kind).records()


def read_run(folder: Path | str, keep: Keep | None = None) -> Run:
    """The run in `folder`, finished, in progress or killed; `keep` is as in `Run`.

    A last line without its end is what a killed process leaves behind, and is not read.

    Raises InputError where `folder` holds no run, or one that this version cannot read.
    """
    folder = Path(folder)
    path, metrics = folder / "config.json", folder / "metrics.jsonl"
    with as_input("run folder", folder, "it cannot be read"):
        if not path.is_file():
            accepted = "the folder of a run (one that holds a config.json) is accepted"
            raise InputError("run folder", str(folder), accepted)
        settings = path.read_bytes()
        records = metrics.read_bytes() if metrics.is_file() else b""
    with _uncollected():
        return Run(folder, _config(settings, path), parse(records, metrics), keep)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Python's search for garbage in circles, of which records have none, waits: a fifth of the
    time of reading."""
    usual = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if usual:
            gc.enable()


def _config(text: bytes, path: Path) -> dict[str, Any]:
    config = _object(text, str(path))
    if config.get("version") != VERSION:
        raise InputError(f"{path}: version", config.get("version"), f"{VERSION} is accepted")
    leaves = flat(config)
    wanted = SETTINGS | OF_KIND.get(str(leaves.get("env.kind")), OF_STATES)
    for name, kind in wanted.items():
        value: Any = leaves.get(name)
        fits = type(value) is kind or (kind is float and type(value) is int)
        if kind is list:
            fits = fits and all(type(part) is str for part in value)
        if not fits or (kind in (int, float) and not (name == "run.updates") <= value < 2**53):
            accepted = "the config.json that a run wrote is accepted"
            raise InputError(f"{path}: {name}", value, accepted)
    return config


def parse(text: bytes, source: Path) -> list[dict[str, Any]]:
    """The records of the whole lines of `text`, which a metrics.jsonl, `source`, holds.

    Raises InputError where a line is no record.
    """
    *whole, _cut = text.split(b"\n")
    try:
        records = [*map(orjson.loads, whole)]
    except orjson.JSONDecodeError:  # NaN is no JSON, and Python's reader takes it
        return _one_by_one(whole, source)
    return records if _are_records(records, rounded=True) else _one_by_one(whole, source)


def _one_by_one(lines: Sequence[bytes], source: Path) -> list[dict[str, Any]]:
    """As `parse`, by Python's own reader, to say which line is no record."""
    records, scored = [], set()
    for n, line in enumerate(lines, start=1):
        where = f"{source}:{n}"
        record = _object(line, where)
        scored |= {tuple(record)} if record.get("kind") == "scores" else set()
        if not _are_records([record]) or len(scored) > 1:
            accepted = f"a record with {', '.join(COUNTERS)} is accepted; the file is damaged"
            raise InputError(where, line[:60].decode(errors="replace"), accepted)
        records.append(record)
    return records


def _are_records(found: Sequence[Any], rounded: bool = False) -> bool:
    """Whether all have what readers use of their kinds, and with `rounded` no number that orjson
    may have rounded; asked of many at once it takes a third of the time."""
    try:
        groups = _by_kind(found)
        counters = [[*map(itemgetter(name), found)] for name in COUNTERS[1:]]
    except (KeyError, TypeError):  # no object, or a counter that is not there
        return False
    return (
        all(set(map(type, of)) <= {int} for of in counters)
        and all(0 <= min(of, default=0) <= max(of, default=0) < 2**53 for of in counters)
        and all(type(kind) is str and _are_of(kind, of, rounded) for kind, of in groups.items())
    )


def _are_of(kind: str, group: Sequence[dict[str, Any]], rounded: bool) -> bool:
    """Whether the records have what those of their kind must."""
    values = [*chain.from_iterable(map(dict.values, group))]
    types = [*map(type, values)]
    every = set(types)
    if rounded:
        floats = [value for value in values if type(value) is float]
        if floats and not -ROUNDED < min(floats) <= max(floats) < ROUNDED:
            return False
        if not every.isdisjoint((list, dict)) and not all(map(_is_exact, values)):
            return False
    if kind in MEASURED:  # a run has a million of these numbers, and the kind is the one text
        of_numbers = types.count(str) == len(group) and every <= {str, *NUMBERS}
        return of_numbers and (kind != "scores" or len(set(map(tuple, group))) == 1)
    for name, of in FIELDS.get(kind, {}).items():
        allowed = NUMBERS if of is float else {of}
        if not allowed.issuperset(type(record[name]) for record in group if name in record):
            return False
    returns = chain.from_iterable(r.get("returns", ()) for r in group if kind == "evaluation")
    return NUMBERS.issuperset(map(type, returns))


def _by_kind(records: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        groups[record["kind"]].append(record)
    return groups


def _alike(records: Sequence[dict[str, Any]]) -> bool:
    """Whether all have the same keys."""
    return not records or all(map(records[0].keys().__eq__, map(dict.keys, records)))


def _is_exact(value: object) -> bool:
    """Whether there is no float in it that may have been an integer."""
    if isinstance(value, list | dict):
        return all(map(_is_exact, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or -ROUNDED < value < ROUNDED


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


def find_runs(
    folder: Path | str,
    required: bool = True,
    damaged: list[InputError] | None = None,
    keep: Keep | None = None,
) -> list[Run]:
    """The runs in `folder`: itself if it is a run, else its subfolders that are, by name.

    A run among others that cannot be read is left out, and why is appended to `damaged`.

    Raises InputError where there is none, if one is `required`. `keep` is as in `Run`.
    """
    folder, runs, errors = Path(folder), [], damaged if damaged is not None else []
    with as_input("runs", folder, "it cannot be read"):
        if (folder / "config.json").is_file():
            return [read_run(folder, keep)]
        paths = sorted(folder.glob("[!.]*/config.json"))
    for path in paths:
        try:
            runs.append(read_run(path.parent, keep))
        except InputError as error:
            errors.append(error)
    if required and not runs:
        if errors:
            raise errors[0]
        accepted = "a run's folder, or a folder of them, is accepted (each holds a config.json)"
        raise InputError("runs", str(folder), accepted)
    return runs


def series(run: Run, kind: str, key: str) -> tuple[Floats, Floats]:
    """(environment steps, values), each (records,), of the records of `kind` that have `key`.

    A null (undefined there) is NaN.
    """
    table = run.table(kind)
    rows, values = table.column(key)
    return table.numbers("environment_step")[rows], np.asarray(values, dtype=np.float64)


def scored_layers(run: Run, measure: str) -> list[str]:
    """The layers that have a score, `network/layer` in the order of the networks."""
    parts = (key.rpartition("/") for key in run.table("scores").columns)
    return [layer for layer, _, name in parts if name == measure and layer]


def random_returns(run: Run) -> tuple[Floats, Floats]:
    """(environment steps, returns), each (episodes,), of the episodes of uniformly random actions.

    One that broke is none of them: its return is that of a shorter one.
    """
    table = run.table("episode")
    chosen = table.has("random") & ~table.has("broken")
    return table.numbers("environment_step")[chosen], table.numbers("return")[chosen]


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
