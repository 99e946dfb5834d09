"""`python -m fast sweep`: the runs that a figure needs, a process each, several at a time.

A run's folder is DIR/TASK.METHOD.SEED, and what its process says goes to the .log beside it. What
is complete is left as it is, what is begun goes on and the rest is started: so a sweep that was
interrupted, or that failed in part, goes on when it is called again.
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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import tyro

from fast import config as configs
from fast.config import Config
from fast.errors import InputError, as_input
from fast.machine import terminal
from fast.papers.grid import PlannedRun
from fast.runs.records import PROGRESS, flat, is_unused, read_run
from fast.runs.session import Stop

COMMAND = (sys.executable, "-m", "fast")  # its `train` does the work
MOST_JOBS = 1000  # each is a process of its own
POLL = 0.5  # seconds between two looks at the processes
SILENCE = 3600.0  # seconds; in a log a training says a line a minute, but for a long evaluation
GRACE = 60.0  # seconds for a process to end at once
STOPPING = (
    "Stopping each run after its episode. Once more to stop now.",
    "Stopping each run now. Once more to kill what does not.",
)
OURS = ("--task", "--method", "--preset", "--seed", "--device", "--out", "--agent", "--resume")

Place = dict[str, str]  # where one process at a time runs: its environment variables


class Process(Protocol):
    """What trains a job: a process here, or a task of a cluster."""

    def poll(self) -> int | None:
        """Its exit status; None while it is not over."""

    def send_signal(self, number: int, /) -> None:
        """Ask it to end."""


@dataclass
class Job:
    """One run of the sweep, and how far it is."""

    run: PlannedRun
    config: Config
    folder: Path
    state: str = "new"  # or begun, complete, damaged; once tried also failed
    why: str = ""  # it is damaged or failed
    update: int = 0  # how many it has made
    tries: int = 0

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.run.name}.log")

    @property
    def unfinished(self) -> bool:
        return self.state in ("new", "begun")

    @property
    def missing(self) -> int:
        """Updates still to make."""
        return self.config.run.updates - self.update if self.unfinished else 0

    def alone(self, overrides: Sequence[str]) -> list[str]:
        """A command that makes what is left of this run, however often it is called."""
        task, method, seed = self.run
        c, out = self.config, str(self.folder.parent.absolute())
        which = ["--tasks", task, "--methods", method, "--seeds", str(seed + 1)]
        how = ["--agent", c.agent.kind, "--preset", c.preset, "--devices", c.device, "--out", out]
        return [*COMMAND, "sweep", *which, "--only", self.run.name, *how, *overrides]

    def train(self, out: Path, overrides: Sequence[str]) -> list[str]:
        """The arguments that train this run into `out`."""
        task, method, seed = self.run
        c = self.config
        values = (task, method, c.preset, str(seed), c.device, str(out), c.agent.kind)
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
    agent: str,
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
            config = replace(configs.build(agent, *kind, preset), device=device)
            how: dict[str, Any] = {"args": overrides, "default": config, "config": configs.TYRO}
            settings[kind] = tyro.cli(Config, prog="python -m fast sweep", **how)
            configs.check(settings[kind])
        jobs.append(_find(Job(run, replace(settings[kind], seed=run.seed), out / run.name)))
    return jobs


def _find(job: Job) -> Job:
    """The job, as far as its folder says it is.

    Raises:
        InputError: for a run with other settings, and for a folder of something else.
    """
    try:
        found = read_run(job.folder, PROGRESS) if (job.folder / "config.json").exists() else None
        unused = found is None and is_unused(job.folder)
    except (InputError, OSError) as error:
        job.state, job.why = "damaged", str(error)
        return job
    if unused:
        return job
    if found is None:
        accepted = "accepted: a run, or nothing, in this place"
        raise InputError("--out", str(job.folder), accepted)
    there, wanted = flat(found.config), flat(json.loads(configs.to_json(job.config)))
    others = sorted((there.keys() | wanted.keys()) - {"agent.kind", "changed"})
    for name in ("agent.kind", *others):
        moved = name == "device" and found.finished  # it does not matter any more
        if there.get(name) != wanted.get(name) and not moved:
            reason = f"{job.folder} has {there.get(name)!r}; accepted: that, or another --out"
            raise InputError(f"--{name.replace('_', '-')}", wanted.get(name), reason)
    job.state, job.update = "complete" if found.finished else "begun", found.reached
    return job


Engine = Callable[[Job], Process]  # trains a job, on this machine or another


class Child:
    """A process that trains a job, and how it is made to end: twice asked to, then killed."""

    def __init__(self, process: Process, job: Job, place: Place, silence: float, queued: bool):
        self.process, self.job, self.place, self.silence = process, job, place, silence
        self.queued = queued  # it may wait for a node before it begins
        self.asked, self.silent = 0, False
        self._written = self._sizes()
        self.due = time.monotonic() + silence  # when it is asked next, if nothing is heard

    def _sizes(self) -> list[int]:
        sizes = []
        for file in (self.job.log, self.job.folder / "metrics.jsonl"):
            with contextlib.suppress(OSError):
                sizes.append(file.stat().st_size)
        return sizes

    def ask(self, number: int) -> None:
        """Ask to stop, after its episode and then at once; the third time it is not asked."""
        self.asked += 1
        self.process.send_signal(number if self.asked <= 2 else signal.SIGKILL)
        if self.silent or self.asked > 1:
            self.due = time.monotonic() + GRACE

    def listen(self) -> bool:
        """Whether it has just been silent for too long; then, and later, it is asked to end."""
        written, now = self._sizes(), time.monotonic()
        self.queued &= written == self._written  # who begins a run says so in its log
        heard = self.queued or written != self._written
        if heard and not self.silent and self.asked <= 1:
            self._written, self.due = written, now + self.silence
        if now < self.due:
            return False
        news = not self.silent and self.asked <= 1
        self.silent |= news
        self.ask(signal.SIGTERM)
        return news


class Sweep:
    """The jobs of a sweep while they are trained."""

    def __init__(self, jobs: Sequence[Job], places: Sequence[Place], overrides: Sequence[str],
                 command: Sequence[str], silence: float, engine: Engine | None):  # fmt: skip
        self.jobs, self.overrides, self.command, self.silence = jobs, overrides, command, silence
        self.engine = engine
        self.waiting = [job for job in jobs if job.unfinished]
        self.free, self.running, self.locked = list(places), list[Child](), set[str]()
        self.stop = Stop(patient=True)
        self.bar = terminal.bar(
            sum(job.update + job.missing for job in jobs),
            "updates",
            initial=sum(job.update for job in jobs),
            smoothing=0,  # the time left comes from the mean speed of the sweep
        )

    def complete(self) -> int:
        return sum(job.state == "complete" for job in self.jobs)

    def say(self, word: str, job: Job, rest: str = "") -> None:
        self.bar.write(f"{time.strftime('%F %T')} {word:7} {job.run.name}{rest}")
        sys.stdout.flush()

    def give_up(self, job: Job, why: str) -> None:
        self.bar.total -= job.missing
        job.state, job.why = "failed", why
        self.say("failed", job, f": {why}")

    def run(self) -> None:
        """Until all is done, or all has stopped after a signal."""
        for job in self.jobs:
            if job.state == "damaged":
                self.say("damaged", job, f" and left out: {job.why}")
        passed = 0
        while self.running or (self.waiting and not self.stop.received):
            self.start_some()
            time.sleep(POLL)
            if passed < len(self.stop.received):
                if passed < len(STOPPING):
                    self.bar.write(STOPPING[passed])
                passed = len(self.stop.received)
                for child in self.running:
                    child.ask(self.stop.received[-1])
            for child in list(self.running):
                self.look_after(child)
            self.bar.set_description(f"{self.complete()} of {len(self.jobs)} runs", refresh=False)
            self.bar.update(sum(job.update for job in self.jobs) - self.bar.n)

    def start_some(self) -> None:
        """Start jobs while there are places; those that another process trains go on waiting."""
        for job in list(self.waiting):
            if not self.free or self.stop.received:
                return
            if not _locked(job.folder):
                self.waiting.remove(job)
                self.start(job)
            elif job.run.name not in self.locked:
                self.locked.add(job.run.name)
                self.say("waiting", job, ": another process is training it")

    def start(self, job: Job) -> None:
        try:
            _find(job)  # anew: another process may have trained it
        except InputError as error:
            return self.give_up(job, str(error))
        if not job.unfinished:
            return self.say(job.state, job, f": {job.why}" if job.why else " by another process")
        if job.state == "begun":
            self.say("resume", job, f" at update {job.update:,}")
            arguments = ["train", "--resume", str(job.folder)]
        else:
            self.say("start", job)
            arguments = job.train(job.folder, self.overrides)
        job.tries += 1
        try:
            if self.engine is not None:
                process = self.engine(job)
            else:
                process = spawn([*self.command, *arguments], job.log, self.free[0])
        except OSError as error:  # its log cannot be written, or no process be had
            return self.failed(job, str(error))
        queued = self.engine is not None
        self.running.append(Child(process, job, self.free.pop(0), self.silence, queued))

    def look_after(self, child: Child) -> None:
        """What its process has reached; an end to it where it is silent or over."""
        job, status = child.job, child.process.poll()
        job.update = _reached(job.folder)
        if status is None:
            if child.listen():
                self.say("silent", job, f" for {self.silence / 60:.3g} minutes: it is ended")
            return
        self.running.remove(child)
        self.free.append(child.place)
        with contextlib.suppress(InputError):
            if status == 0:
                _find(job)
        if status == 0 and job.state == "complete":
            self.say("done", job)
        elif self.stop.received:
            self.say("stopped", job, f" at update {job.update:,}")
        elif _locked(job.folder):  # another process was quicker
            job.tries -= 1
            self.waiting.append(job)
        else:
            self.failed(job, f"{status}, {last_line(job.log)}")

    def failed(self, job: Job, why: str) -> None:
        if job.tries == 1:
            self.waiting.append(job)
            self.say("failed", job, f": {why}; it is tried once more")
        else:
            self.give_up(job, f"{why}; see {job.log}")


def sweep(
    jobs: list[Job],
    places: Sequence[Place],
    overrides: Sequence[str] = (),
    command: Sequence[str] = COMMAND,
    silence: float = SILENCE,
    engine: Engine | None = None,
) -> int:
    """Complete all jobs, one process at each place at a time; the exit status.

    A job that fails is tried once more, after the others; so is one whose process was ended because
    it wrote nothing for `silence` seconds. A first Ctrl-C (or SIGTERM, or hang-up) is passed on to
    each process, which stops after its episode; a second one, and it stops at once; a third one, or
    `GRACE` seconds, and it is killed. A job that another process trains is waited for.

    Given an `engine`, that trains each job, wherever it does, and `command` is not used.

    Returns 0 if all are complete, 1 if any is not, 128 + n after signal n.
    """
    out = jobs[0].folder.parent
    with as_input("--out", out, "it cannot be made"):
        out.mkdir(parents=True, exist_ok=True)
    this = Sweep(jobs, places, overrides, command, silence, engine)
    with this.bar, this.stop:
        try:
            this.run()
        finally:
            for child in this.running:  # none, but after an error of ours
                child.process.send_signal(signal.SIGTERM)
    failed = [job for job in jobs if job.state in ("failed", "damaged")]
    print(f"{this.complete()} of {len(jobs)} runs are complete, {len(failed)} failed")
    for job in failed:
        print(f"  {job.state}: {job.run.name}; see {job.log if job.tries else job.why}")
    if this.stop.signal:
        print("Stopped. The same command again goes on from here.")
        return 128 + this.stop.signal
    return int(this.complete() < len(jobs))


def spawn(command: Sequence[str], log: Path, place: Place) -> subprocess.Popen[bytes]:
    """Start a process in a process group of its own, so that a terminal's Ctrl-C reaches us alone:
    a second one means 'stop at once' to a training."""
    with log.open("ab") as file:
        file.write(b"$ " + os.fsencode(shlex.join(command)) + b"\n")
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
    """The last line of a log that is not empty; "" where there is none."""
    try:
        return re.split(r"[\r\n]+", log.read_text(errors="replace").strip())[-1].strip()
    except OSError:
        return ""


def _locked(folder: Path) -> bool:
    """Whether another process is training in `folder`."""
    try:
        with (folder / "config.json").open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # nothing there, or nothing that can be locked: `train` says what is wrong
        return False
    return False


def _reached(folder: Path) -> int:
    """The update of the last whole record in a run's folder: cheap, however long the run is."""
    try:
        with (folder / "metrics.jsonl").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 2**16))
            return int(json.loads(file.read().split(b"\n")[-2])["update"])
    except (OSError, IndexError, ValueError, TypeError, KeyError, RecursionError):
        return 0
