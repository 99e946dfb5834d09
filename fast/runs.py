"""A run's folder: what is written, in which order, so that no kill leaves it beyond resuming.

    config.json     all settings; written first, never changed, locked while a process trains here
    metrics.jsonl   append-only records, one JSON object a line, NaN as null
    frames/         one file per episode of the replay buffer, never changed once written
    checkpoint.pt   everything else that the next episode depends on; replaced by renaming
    tensorboard/    events made from metrics.jsonl, made again at every start

A checkpoint is written at the start and between two episodes. It names the episode files that it
needs and the length that metrics.jsonl had, and resuming cuts away what came after it.
"""

import fcntl
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from fast import config as configs
from fast.config import Config
from fast.errors import InputError
from fast.records import VERSION


def write_atomically(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Let `write` fill a file that appears under `path` whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class RunFolder:
    """The folder of one run, held by this process alone until `close`.

    `create` and `resume` read and check; `begin` is the first to change what is there.
    """

    def __init__(self, path: Path, config: Config, field: str):
        self.path, self.config = path, config
        self._lock = (path / "config.json").open("r+")  # never written to; held by flock
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            reason = "another process is training here: wait for it or stop it"
            raise InputError(field, str(path), reason) from None
        try:
            self.checkpoint = self._read_checkpoint(field)
        except InputError:
            self._lock.close()
            raise
        self._kept: list[int] = self.checkpoint["episodes"] if self.checkpoint else []

    @classmethod
    def create(cls, path: Path, config: Config) -> "RunFolder":
        """Begin a run in a folder that does not exist or is empty.

        Raises:
            InputError: if the folder holds anything or cannot be made.
        """
        refuse_used(path)
        new = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            shutil.rmtree(new, ignore_errors=True)  # of a process that had our number before
            new.mkdir(parents=True)
            text = configs.to_json(config).encode()
            write_atomically(new / "config.json", lambda file: file.write(text))
            new.rename(path)  # so that the folder never exists without its settings
        except OSError as error:
            shutil.rmtree(new, ignore_errors=True)
            refuse_used(path)  # another process may have been quicker
            raise InputError("--out", str(path), f"it cannot be made: {error.strerror}") from None
        return cls(path, config, "--out")

    @classmethod
    def resume(cls, path: Path) -> "RunFolder":
        """Open an existing run at its last checkpoint.

        Raises:
            InputError: if it is no run, another process has it, or its checkpoint is unusable.
        """
        return cls(path, read_config(path), "--resume")

    def _read_checkpoint(self, field: str) -> dict | None:
        """The checkpoint, None if the run was killed before it wrote any."""
        path, metrics = self.path / "checkpoint.pt", self.path / "metrics.jsonl"
        length = metrics.stat().st_size if metrics.exists() else 0

        def unusable(reason: str) -> InputError:
            remedy = "what is recorded stays readable; train again into another folder"
            return InputError(field, str(self.path), f"{reason}: {remedy}")

        if not path.exists():
            if length:
                raise unusable("its checkpoint.pt is missing")
            return None
        try:
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
            version, needed, _ = (checkpoint[k] for k in ("version", "metrics_bytes", "state"))
            missing = [n for n in checkpoint["episodes"] if not self._episode(n).exists()]
        except Exception as error:  # torch raises many kinds for a damaged file
            kind = type(error).__name__
            raise unusable(f"its checkpoint.pt is cut short or damaged ({kind})") from None
        if version != VERSION:
            raise unusable(f"its checkpoint.pt is of version {version}, accepted: {VERSION}")
        if missing or length < needed:
            lost = self._episode(missing[0]).name if missing else "the end of metrics.jsonl"
            raise unusable(f"files that its checkpoint.pt needs are missing, first {lost}")
        return checkpoint

    def begin(self) -> None:
        """Forget what came after the checkpoint, and open metrics and TensorBoard events."""
        (self.path / "frames").mkdir(exist_ok=True)
        self._metrics = (self.path / "metrics.jsonl").open("a+b")
        self._metrics.truncate(self.checkpoint["metrics_bytes"] if self.checkpoint else 0)
        keep = {self._episode(number) for number in self._kept}
        for file in [*self.path.glob("*.tmp"), *(self.path / "frames").iterdir()]:
            if file not in keep:
                file.unlink()
        from torch.utils.tensorboard import SummaryWriter  # a second to import

        shutil.rmtree(self.path / "tensorboard", ignore_errors=True)
        self._events = SummaryWriter(self.path / "tensorboard", max_queue=1000)
        self._metrics.seek(0)
        for line in self._metrics:
            self._add_events(json.loads(line))

    def log(self, kind: str, **record: Any) -> None:
        """Append one record; a number that is not finite becomes null."""
        record = {"kind": kind, **{k: _finite(v) for k, v in record.items()}}
        self._metrics.write((json.dumps(record, allow_nan=False) + "\n").encode())
        self._metrics.flush()
        self._add_events(record)

    def _add_events(self, record: dict) -> None:
        kind, step = record["kind"], record["environment_step"]
        for name, value in record.items():
            counter = name in ("agent_step", "environment_step", "update")
            if isinstance(value, int | float) and not counter and kind != "session":
                self._events.add_scalar(f"{kind}/{name}", value, step)

    def _episode(self, number: int) -> Path:
        return self.path / "frames" / f"{number:07d}.npz"

    def save_episode(self, number: int, **arrays: np.ndarray) -> None:
        write_atomically(self._episode(number), lambda f: np.savez_compressed(f, **arrays))

    def episodes(self) -> Iterator[dict[str, np.ndarray]]:
        """The episodes of the checkpoint's replay buffer, oldest first."""
        for number in self._kept:
            with np.load(self._episode(number)) as file:
                yield dict(file)

    def save_checkpoint(self, state: dict, episodes: list[int]) -> None:
        """Replace the checkpoint; `episodes` are the files that the replay buffer needs."""
        os.fsync(self._metrics.fileno())
        length = self._metrics.seek(0, os.SEEK_END)
        checkpoint = {
            "version": VERSION,
            "metrics_bytes": length,
            "episodes": episodes,
            "state": state,
        }
        write_atomically(self.path / "checkpoint.pt", lambda file: torch.save(checkpoint, file))
        for number in set(self._kept) - set(episodes):  # only now does nothing need them
            self._episode(number).unlink(missing_ok=True)
        self._kept = episodes

    def close(self) -> None:
        if hasattr(self, "_events"):
            self._events.close()
            self._metrics.close()
        self._lock.close()


def refuse_used(path: Path) -> None:
    """Raises InputError if `path` is anything but a new or empty folder that can be made."""
    if (path / "config.json").exists():
        raise InputError("--out", str(path), f"it holds a run; continue it with --resume {path}")
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise InputError("--out", str(path), "accepted: a folder that is new or empty")
    parent = next(folder for folder in path.parents if folder.exists())
    if not (parent.is_dir() and os.access(parent, os.W_OK)):
        raise InputError("--out", str(path), f"nothing can be written in {parent}")


def read_config(path: Path) -> Config:
    """The settings of the run in a folder; raises InputError if there is none."""
    file = path / "config.json"
    if not file.is_file():
        raise InputError("--resume", str(path), "accepted: the folder of a run, with config.json")
    return configs.from_json(file.read_bytes(), file)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
