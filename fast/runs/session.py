"""What a process that trains needs beside its run: how it is stopped, its clock, its generators."""

import contextlib
import os
import platform
import shlex
import signal
import subprocess
import sys
import time
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch


class Stop:
    """A first Ctrl-C, SIGTERM or hang-up asks to stop after the episode, a second one at once.

    With `patient` they are only counted, for one who stops others.
    """

    MESSAGE = b"""
Stopping after this episode. Once more to stop now, and lose what came after the checkpoint.
"""

    def __init__(self, patient: bool = False) -> None:
        self.patient = patient
        self.received: list[int] = []
        self._before: dict[int, Any] = {}

    @property
    def signal(self) -> int | None:
        """The first one."""
        return self.received[0] if self.received else None

    def install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup, or a shell's background job
                self._before[number] = signal.signal(number, self._handle)

    def __enter__(self) -> "Stop":
        self.install()
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: Any) -> None:
        self.received.append(number)
        if self.patient:
            return
        if len(self.received) > 1:
            raise KeyboardInterrupt
        if number == signal.SIGHUP:  # the terminal is gone, and writing to it would fail
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.dup2(nowhere, sys.stderr.fileno())
        with contextlib.suppress(OSError):
            os.write(2, self.MESSAGE)  # print() must not be called inside itself


class Clock:
    """Where the time goes: each lap adds the time since the last one to a name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] += now - self._last
        self._last = now

    def move(self, source: str, name: str, seconds: float) -> None:
        self.seconds[source] -= seconds
        self.seconds[name] += seconds

    def take(self) -> dict[str, float]:
        """The seconds so far, by name, and start again from zero."""
        seconds, self.seconds = dict(self.seconds), defaultdict(float)
        return seconds


def generator(*key: int) -> torch.Generator:
    """A generator of its own for each purpose: `key` is the run's seed and what it is for."""
    seed = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(seed >> 1))


# What a generator is for: the second part of its key.
WEIGHTS, POLICY, REPLAY, AUGMENTATION, SCORES, ENVIRONMENT, EVALUATION = range(7)
INTERVENTION, LABELS = 7, 8


def environment_seed(*key: int) -> int:
    return int(np.random.SeedSequence(key).generate_state(1)[0])


def arithmetic() -> dict[str, Any]:
    """What the last bits of a sum depend on, on a CPU: how many add, with what, by which code."""
    return {
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "torch": str(torch.__version__),
    }


def continue_arithmetic(began: dict[str, Any]) -> list[str]:
    """Take the number of threads that a run began with; what to say of that and of the rest."""
    here, told = arithmetic(), []
    if began["threads"] != here["threads"]:
        torch.set_num_threads(began["threads"])
        told.append(
            f"The run goes on with {began['threads']} threads, as it began, not with the "
            f"{here['threads']} that are set here: with another number its sums round differently."
        )
    for name, what in (("cpu_capability", "instructions"), ("torch", "torch")):
        if began[name] != here[name]:
            told.append(
                f"The run began with {what} {began[name]}, here it is {here[name]}: from here on "
                "its last bits may differ from those of a run that was never interrupted."
            )
    return told


def describe_machine(device: str, env: Any) -> dict[str, Any]:
    """What a reader of the metrics must know about where they were made."""
    try:
        git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
        commit = subprocess.run(git, capture_output=True, text=True).stdout.strip()
    except OSError:  # no git here
        commit = ""
    packages = ("torch", "numpy", "dm_control", "mujoco", "gymnasium")
    gpu = torch.cuda.get_device_name() if device == "cuda" else None
    return {
        "command": shlex.join(["python", "-m", "fast", *sys.argv[1:]]),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "device": gpu or f"{platform.machine()} CPU",
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "renderer": env.renderer,
        "commit": commit or None,
        "versions": {name: version(name) for name in packages},
    }
