"""`python -m fast sweep`: the runs that a figure needs, a process each, several at a time.

A run's folder is DIR/TASK.METHOD.SEED, and what its process says goes to the .log beside it. What
is complete is left as it is, what is begun goes on and the rest is started: so a sweep that was
interrupted, or that failed in part, goes on when it is called again. Needs no torch itself.
"""

import contextlib
import fcntl
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import tyro

from fast import config as configs
from fast import terminal
from fast.config import Config
from fast.errors import InputError
from fast.recipes import PlannedRun
from fast.records import flat, read_run

COMMAND = (sys.executable, "-m", "fast")  # its `train` does the work
MOST_JOBS = 1000  # each is a process of its own
POLL = 0.5  # seconds between two looks at the processes
OURS = ("--task", "--method", "--preset", "--seed", "--device", "--out", "--resume")

Place = dict[str, str]  # where one process at a time runs: its environment variables


@dataclass
class Job:
    """One run of the sweep, and how far it is."""

    run: PlannedRun
    config: Config
    folder: Path
    state: str = "new"  # or begun, complete; once tried also failed or locked
    update: int = 0  # how many it has made
    tries: int = 0

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.run.name}.log")

    @property
    def missing(self) -> int:
        """Updates still to make."""
        return 0 if self.state == "complete" else self.config.run.updates - self.update

    def train(self, out: Path, overrides: Sequence[str]) -> list[str]:
        """The arguments that train this run into `out`."""
        task, method, seed = self.run
        values = (task, method, self.config.preset, str(seed), self.config.device, str(out))
        flags = [text for pair in zip(OURS, values, strict=False) for text in pair]
        return ["train", *flags, *overrides]


def places(devices: str, jobs: int | None) -> tuple[Literal["cpu", "cuda"], list[Place]]:
    """The kind of device, and `jobs` places spread over `devices` (`cpu`, `cuda:0,cuda:1`).

    `train` knows cpu and cuda alone, so each process is shown the one GPU that it is to use.
    """
    names = devices.split(",")
    kinds = {name.partition(":")[0] for name in names}
    if len(kinds) > 1 or not all(re.fullmatch(r"cpu|cuda(:\d+)?", name) for name in names):
        raise InputError("--devices", devices, "accepted: cpu, cuda, or a list like cuda:0,cuda:1")
    if jobs is not None and not 1 <= jobs <= MOST_JOBS:
        raise InputError("--jobs", jobs, f"accepted: 1 to {MOST_JOBS:,}")
    jobs = jobs or len(names)
    threads = {} if jobs == 1 else {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    result = []
    for name in (names[n % len(names)] for n in range(jobs)):
        number = name.partition(":")[2]
        if number and shown:
            if int(number) >= len(shown.split(",")):
                raise InputError("--devices", devices, f"CUDA_VISIBLE_DEVICES has only {shown}")
            number = shown.split(",")[int(number)]
        result.append(threads | ({"CUDA_VISIBLE_DEVICES": number} if number else {}))
    return "cpu" if kinds == {"cpu"} else "cuda", result


def survey(
    runs: Sequence[PlannedRun],
    preset: str,
    device: Literal["cpu", "cuda"],
    out: Path,
    overrides: Sequence[str],
) -> list[Job]:
    """How much of `runs` the folder `out` holds; nothing is written.

    Raises:
        InputError: for settings that cannot be, and for a run in `out` with other settings.
    """
    if (out / "config.json").exists() or (out.exists() and not out.is_dir()):
        raise InputError("--out", str(out), "accepted: a new folder, or one that holds runs")
    for option in overrides:
        if option.partition("=")[0] in OURS:
            raise InputError("--", option, f"the sweep itself gives {', '.join(OURS)}")
    settings: dict[tuple[str, str], Config] = {}
    jobs = []
    for run in runs:
        kind = run.task, run.method
        if kind not in settings:
            config = replace(configs.build(*kind, preset), device=device)
            prog = "python -m fast sweep"
            config = configs.settle(tyro.cli(Config, prog=prog, args=overrides, default=config))
            configs.check(config)
            settings[kind] = config
        jobs.append(_find(Job(run, replace(settings[kind], seed=run.seed), out / run.name)))
    return jobs


def _find(job: Job) -> Job:
    """The job, as far as its folder says it is."""
    if not (job.folder / "config.json").exists():
        if job.folder.exists() and any(job.folder.iterdir()):
            raise InputError("--out", str(job.folder), "accepted: a run, or nothing, in this place")
        return job
    found = read_run(job.folder)
    there, wanted = flat(found.config), flat(json.loads(configs.to_json(job.config)))
    for name in sorted(there.keys() | wanted.keys()):
        moved = name == "device" and found.finished  # it does not matter any more
        if there.get(name) != wanted.get(name) and not moved:
            reason = f"{job.folder} has {there.get(name)!r}; accepted: that, or another --out"
            raise InputError(f"--{name.replace('_', '-')}", wanted.get(name), reason)
    job.state, job.update = "complete" if found.finished else "begun", found.reached
    return job


def sweep(
    jobs: list[Job],
    places: Sequence[Place],
    overrides: Sequence[str] = (),
    command: Sequence[str] = COMMAND,
) -> int:
    """Complete all jobs, one process at each place at a time; the exit status.

    A job that fails is tried once more, after the others. A first Ctrl-C (or SIGTERM, or hang-up)
    is passed on to each process, which stops after its episode; a second one, and it stops at once.

    Returns 0 if all are complete, 1 if any is not, 128 + n after signal n.
    """
    out = jobs[0].folder.parent
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError("--out", str(out), f"it cannot be made: {error.strerror}") from None
    waiting = [job for job in jobs if job.state != "complete"]
    free, running, passed = list(places), dict[subprocess.Popen[bytes], tuple[Job, Place]](), 0
    bar = terminal.bar(
        sum(job.update + job.missing for job in jobs),
        "updates",
        initial=sum(job.update for job in jobs),
        smoothing=0,  # the time left comes from the mean speed of the sweep
    )

    def complete() -> int:
        return sum(job.state == "complete" for job in jobs)

    def say(word: str, job: Job, rest: str = "") -> None:
        bar.write(f"{time.strftime('%F %T')} {word:7} {job.run.name}{rest}")
        sys.stdout.flush()

    def give_up(state: str, job: Job, rest: str) -> None:
        bar.total -= job.missing
        job.state = state
        say(state, job, rest)

    def start(job: Job) -> None:
        if _locked(job.folder):
            give_up("locked", job, ": another process is training it")
            return
        place, job.tries = free.pop(0), job.tries + 1
        if (job.folder / "config.json").exists():
            say("resume", job, f" at update {job.update:,}")
            arguments = ["train", "--resume", str(job.folder)]
        else:
            say("start", job)
            arguments = job.train(job.folder, overrides)
        running[spawn([*command, *arguments], job.log, place)] = job, place

    def end(job: Job, status: int) -> None:
        job.update = _reached(job.folder)
        if status == 0 and read_run(job.folder).finished:
            job.state = "complete"
            say("done", job)
        elif received:
            say("stopped", job, f" at update {job.update:,}")
        elif _locked(job.folder):  # another process was quicker
            give_up("locked", job, ": another process is training it")
        elif job.tries == 1:
            waiting.append(job)
            say("failed", job, f": {status}, {last_line(job.log)}; it is tried once more")
        else:
            give_up("failed", job, f": {status}, {last_line(job.log)}; see {job.log}")

    with bar, _stops() as received:
        try:
            while running or (waiting and not received):
                while waiting and free and not received:
                    start(waiting.pop(0))
                time.sleep(POLL)
                if passed < len(received):
                    if not passed:
                        bar.write("Stopping each run after its episode. Once more to stop now.")
                    passed = len(received)
                    for child in running:
                        child.send_signal(received[-1])
                for child, (job, place) in list(running.items()):
                    job.update = _reached(job.folder)
                    if child.poll() is not None:
                        del running[child]
                        free.append(place)
                        end(job, child.returncode)
                bar.set_description(f"{complete()} of {len(jobs)} runs", refresh=False)
                bar.update(sum(job.update for job in jobs) - bar.n)
        finally:
            for child in running:  # none, but after an error, as of a terminal that is gone
                child.terminate()
    failed = [job for job in jobs if job.state == "failed"]
    print(f"{complete()} of {len(jobs)} runs are complete, {len(failed)} failed")
    for job in failed:
        print(f"  failed: {job.run.name}; see {job.log}")
    if received:
        print("Stopped. The same command again goes on from here.")
        return 128 + received[0]
    return int(complete() < len(jobs))


def spawn(command: Sequence[str], log: Path, place: Place) -> subprocess.Popen[bytes]:
    """Start a process in a process group of its own, so that a terminal's Ctrl-C reaches us alone:
    a second one means 'stop at once' to a training."""
    with log.open("ab") as file:
        file.write(f"$ {shlex.join(command)}\n".encode())
        file.flush()
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=os.environ | place,
            process_group=0,
        )


def last_line(log: Path) -> str:
    return re.split(r"[\r\n]+", log.read_text(errors="replace").strip())[-1].strip()


@contextlib.contextmanager
def _stops() -> Iterator[list[int]]:
    """The list of signals to stop that came, in place of what they do otherwise."""
    received: list[int] = []

    def take(number: int, _frame: Any) -> None:
        received.append(number)

    before = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup, or a shell's background job
            before[number] = signal.signal(number, take)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _locked(folder: Path) -> bool:
    """Whether another process is training in `folder`."""
    try:
        with (folder / "config.json").open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _reached(folder: Path) -> int:
    """The update of the last whole record in a run's folder: cheap, however long the run is."""
    try:
        with (folder / "metrics.jsonl").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 2**16))
            return int(json.loads(file.read().split(b"\n")[-2])["update"])
    except (OSError, IndexError, ValueError):
        return 0
