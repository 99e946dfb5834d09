"""A run's folder: what is written, in which order, so that no kill leaves it beyond resuming.

    config.json     all settings; written first, never changed, locked while a process trains here
    metrics.jsonl   append-only records, one JSON object a line, NaN as null
    frames/         one file per episode of the replay buffer, never changed once written
    checkpoint.pt   everything else that the next episode depends on, and at its end the SHA-256 of
                    that; replaced by renaming
    tensorboard/    the records as events, a file a session

A checkpoint is written at the start and between two episodes. It names the episode files that it
needs and the length that metrics.jsonl had, and resuming cuts away what came after it. Files and
their names are synced before the checkpoint that needs them, and removed after it.
"""

import contextlib
import errno
import fcntl
import hashlib
import io
import json
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray

from fast import config as configs
from fast.config import Config
from fast.errors import InputError, as_input, require_place
from fast.runs.events import Events
from fast.runs.records import VERSION, is_unused, parse

DIGEST = hashlib.sha256().digest_size  # bytes at the end of checkpoint.pt, which torch overlooks
REMEDY = "what is recorded stays readable; train again into another folder"


def sync_folder(path: Path) -> None:
    """Let the names in a folder outlast a power cut; without it a synced file may have none."""
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system without it
            raise
    finally:
        os.close(number)


def write_atomically(path: Path, content: bytes) -> None:
    """Let `content` appear under `path` whole or not at all, and outlast a power cut.

    What was there goes only once the new file is read back from the disk as it was written.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("w+b") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if hasattr(os, "posix_fadvise"):  # from the disk itself, not from memory
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            file.seek(0)
            if file.read() != content:
                raise OSError(errno.EIO, "what is read is not what was written", str(path))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def seal(content: bytes) -> bytes:
    """`content` with its SHA-256 behind it."""
    return content + hashlib.sha256(content).digest()


def unseal(sealed: bytes) -> bytes:
    """What was sealed; raises ValueError where a bit of it has changed."""
    content = sealed[:-DIGEST]
    if seal(content) != sealed:
        raise ValueError("its checksum does not fit")
    return content


class RunFolder:
    """The folder of one run, held by this process alone until `close`.

    `create` and `resume` read and check all that the run needs of it but its episodes; `begin` is
    the first to change what is there.
    """

    def __init__(
        self, path: Path, config: Config, lock: IO[bytes], checkpoint: dict[str, Any] | None = None
    ):
        self.path, self.config, self.checkpoint = path, config, checkpoint
        self._kept: list[int] = checkpoint["episodes"] if checkpoint else []
        self._files = contextlib.ExitStack()
        self._files.enter_context(lock)

    @classmethod
    def create(cls, path: Path, config: Config) -> "RunFolder":
        """Begin a run in a folder that does not exist or is empty.

        Raises:
            InputError: if the folder holds anything or cannot be made.
        """
        refuse_used(path)
        made = [folder for folder in (path, *path.parents) if not folder.exists()]
        new, name = path / "config.json.tmp", path / "config.json"
        with as_input("--out", path, "it cannot be made"), contextlib.ExitStack() as undo:
            undo.callback(_remove, made)
            path.mkdir(parents=True, exist_ok=True)
            lock = undo.enter_context(new.open("ab"))
            _lock(lock, path, "--out")
            refuse_used(path)  # another process may have been quicker
            undo.callback(new.unlink, missing_ok=True)
            lock.truncate(0)  # of a process that was killed here
            lock.write(configs.to_json(config).encode())
            lock.flush()
            os.fsync(lock.fileno())
            new.rename(name)  # the lock goes with it
            undo.callback(name.unlink, missing_ok=True)
            for folder in (path, *(folder.parent for folder in made)):
                sync_folder(folder)
            undo.pop_all()
        return cls(path, config, lock)

    @classmethod
    def resume(cls, path: Path) -> "RunFolder":
        """Open an existing run at its last checkpoint.

        Raises:
            InputError: if it is no run, another process has it, or its checkpoint is unusable.
        """
        config = read_config(path)
        with contextlib.ExitStack() as undo:
            with as_input("--resume", path, "nothing can be written there"):
                lock = undo.enter_context((path / "config.json").open("r+b"))  # never written to
            _lock(lock, path, "--resume")
            checkpoint = _read_checkpoint(path)
            undo.pop_all()
        return cls(path, config, lock, checkpoint)

    def begin(self) -> list[dict[str, Any]]:
        """Forget what came after the checkpoint, and open metrics and TensorBoard events; the
        records so far."""
        frames, metrics = self.path / "frames", self.path / "metrics.jsonl"
        frames.mkdir(exist_ok=True)
        self._metrics = self._files.enter_context(metrics.open("ab"))
        self._metrics.truncate(self.checkpoint["metrics_bytes"] if self.checkpoint else 0)
        sync_folder(self.path)  # a checkpoint will need both names
        self.tidy()
        records = parse(metrics.read_bytes(), metrics)
        self._events = self._files.enter_context(Events(self.path / "tensorboard", records))
        return records

    def tidy(self) -> None:
        """Remove the episodes that the checkpoint does not need, and what was half written."""
        frames = self.path / "frames"
        keep = {episode_file(self.path, number) for number in self._kept}
        for file in (*self.path.glob("*.tmp"), *frames.glob("*.npz"), *frames.glob("*.npz.tmp")):
            if file not in keep:
                file.unlink()

    def log(self, kind: str, **record: Any) -> None:
        """Append one record; a number that is not finite becomes null."""
        record = {"kind": kind, **{k: _finite(v) for k, v in record.items()}}
        self._metrics.write((json.dumps(record, allow_nan=False) + "\n").encode())
        self._metrics.flush()
        self._events.add(record)

    def save_episode(self, number: int, **arrays: NDArray[Any]) -> None:
        file = io.BytesIO()
        np.savez_compressed(file, allow_pickle=False, **arrays)
        write_atomically(episode_file(self.path, number), file.getvalue())

    def episodes(self) -> Iterator[dict[str, NDArray[Any]]]:
        """The episodes of the checkpoint's replay buffer, oldest first."""
        return _episodes(self.path, self._kept)

    def save_checkpoint(self, state: dict[str, Any], episodes: list[int]) -> None:
        """Replace the checkpoint; `episodes` are the files that the replay buffer needs."""
        os.fsync(self._metrics.fileno())
        length = self._metrics.seek(0, os.SEEK_END)
        checkpoint = {
            "version": VERSION,
            "metrics_bytes": length,
            "episodes": episodes,
            "state": state,
        }
        file = io.BytesIO()  # torch.save into a file hides why it cannot be written
        torch.save(checkpoint, file)
        write_atomically(self.path / "checkpoint.pt", seal(file.getvalue()))
        for number in set(self._kept) - set(episodes):  # only now does nothing need them
            episode_file(self.path, number).unlink(missing_ok=True)
        self._kept = episodes

    def close(self) -> None:
        self._files.close()


def episode_file(folder: Path, number: int) -> Path:
    return folder / "frames" / f"{number:07d}.npz"


def _lock(file: IO[bytes], path: Path, field: str) -> None:
    """Raises InputError where another process holds the run; ours ends when `file` is closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        reason = "another process is training here: wait for it or stop it"
        raise InputError(field, str(path), reason) from None
    except OSError as error:
        reason = f"its file system cannot lock a file ({error.strerror}): use another"
        raise InputError(field, str(path), reason) from None


def _remove(folders: list[Path]) -> None:
    """Remove the folders that are empty, the inner ones first."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _read_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The checkpoint, None if the run was killed before it wrote any.

    Raises InputError where it, or the records that it counts on, cannot be used.
    """
    path, metrics = folder / "checkpoint.pt", folder / "metrics.jsonl"

    def unusable(reason: object) -> InputError:
        return InputError("--resume", str(folder), f"{reason}: {REMEDY}")

    try:
        recorded = metrics.read_bytes() if metrics.exists() else b""
        sealed = path.read_bytes() if path.exists() else None
    except OSError as error:
        raise unusable(error) from None
    if sealed is None:
        if recorded:
            raise unusable("its checkpoint.pt is missing")
        return None
    try:
        content = io.BytesIO(unseal(sealed))
        checkpoint = torch.load(content, map_location="cpu", weights_only=True)
        version, needed, _ = (checkpoint[k] for k in ("version", "metrics_bytes", "state"))
        files = [episode_file(folder, number) for number in checkpoint["episodes"]]
        missing = [file.name for file in files if not file.exists()]
        kept = recorded[:needed]
    except Exception as error:  # torch raises many kinds for a damaged file
        reason = f"its checkpoint.pt is cut short or damaged, or older than its checksum ({error})"
        raise unusable(reason) from None
    if version != VERSION:
        raise unusable(f"its checkpoint.pt is of version {version}, accepted: {VERSION}")
    if missing or len(kept) < needed:
        lost = missing[0] if missing else "the end of metrics.jsonl"
        raise unusable(f"files that its checkpoint.pt needs are missing, first {lost}")
    try:
        parse(kept, metrics)
    except InputError as error:
        raise unusable(error) from None
    return checkpoint


def refuse_used(path: Path) -> None:
    """Raises InputError if `path` is anything but a new or empty folder that can be used."""
    with as_input("--out", path):
        if (path / "config.json").exists():
            reason = f"it holds a run; continue it with --resume {path}"
            raise InputError("--out", str(path), reason)
        if not is_unused(path):
            raise InputError("--out", str(path), "accepted: a folder that is new or empty")
        require_place(path, episode_file(path, 0).with_suffix(".npz.tmp"))


def _other_run(config: Config, field: str, asked: str, same: Sequence[str]) -> tuple[Path, Any]:
    """The folder that a setting of this run names, and the checkpoint that is there.

    Raises:
        InputError: where there is no run with one, or one that has not the same settings.
    """
    path = Path(asked.replace("{task}", config.task))
    try:
        of, checkpoint = read_config(path), _read_checkpoint(path)
    except InputError as error:
        raise InputError(field, asked, f"{error.value}: {error.accepted}") from None
    for name in same:
        theirs, ours = getattr(of, name), getattr(config, name)
        if theirs != ours:
            accepted = f"accepted: a run of the same {name}; that one has {theirs}, this {ours}"
            raise InputError(field, asked, accepted)
    if checkpoint is None:
        raise InputError(field, asked, "it has no checkpoint.pt; accepted: a run that has one")
    return path, checkpoint


def networks_of(config: Config, field: str, asked: str) -> dict[str, Any]:
    """The parameters of every learner of another run, by name, as its checkpoint has them."""
    _, checkpoint = _other_run(config, field, asked, ())
    return {name: held["module"] for name, held in checkpoint["state"]["agent"].items()}


def stored_episodes(config: Config) -> Iterator[dict[str, NDArray[Any]]]:
    """The episodes that another run has kept, oldest first, for one that learns from them.

    Raises:
        InputError: at once, where it is no run of the same task and environment, or has none.
    """
    asked = config.run.stored
    path, checkpoint = _other_run(config, "--run.stored", asked, ("task", "env"))
    numbers = checkpoint["episodes"]
    if not numbers:
        raise InputError("--run.stored", asked, "accepted: a run that has kept an episode")

    def checked() -> Iterator[dict[str, NDArray[Any]]]:
        try:
            yield from _episodes(path, numbers)
        except Exception as error:  # zlib, zipfile and NumPy have their own kinds
            reason = f"an episode of it cannot be read: {type(error).__name__}: {error}"
            raise InputError("--run.stored", asked, reason) from None

    return checked()


def _episodes(path: Path, numbers: Sequence[int]) -> Iterator[dict[str, NDArray[Any]]]:
    for number in numbers:
        with np.load(episode_file(path, number)) as file:
            yield dict(file)


def read_config(path: Path) -> Config:
    """The settings of the run in a folder; raises InputError if there is none."""
    file = path / "config.json"
    with as_input("--resume", path):
        if not file.is_file():
            accepted = "accepted: the folder of a run, with config.json"
            raise InputError("--resume", str(path), accepted)
        text = file.read_bytes()
    return configs.from_json(text, file)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
