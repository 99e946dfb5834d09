"""`python -m fast sweep --engine ray`: each run is a task of Ray's, on any node of a cluster.

A task is the command that `sweep --print` prints for its run: it makes what is left of it. So what
Ray tries again, after a lost worker or node, goes on from the last checkpoint. The folders lie on
storage that all nodes share, and each node has this package. Nothing else imports Ray (the extra
`[cluster]`).
"""

import ctypes
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from functools import partial

import ray

from fast.errors import InputError
from fast.runs.sweep import Engine, Job

LOST = -signal.SIGKILL  # the status of a task that ended without one
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def make(command: Sequence[str]) -> int:
    """On a node: the command's exit status. Its process ends with this one, and is asked to when
    Ray cancels the task, which Python sees as Ctrl-C."""
    die = partial(ctypes.CDLL(None).prctl, PR_SET_PDEATHSIG, signal.SIGTERM)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=die, process_group=0)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGTERM)


class Task:
    """A run's task, as a `Process` of fast.runs.sweep."""

    def __init__(self, status: "ray.ObjectRef[int]"):
        self.status = status

    def poll(self) -> int | None:
        if not ray.wait([self.status], timeout=0)[0]:
            return None
        try:
            return int(ray.get(self.status))
        except ray.exceptions.RayError:  # cancelled before it began, or killed
            return LOST

    def send_signal(self, number: int) -> None:
        ray.cancel(self.status, force=number == signal.SIGKILL)


def engine(address: str, gpus: float, command: Callable[[Job], Sequence[str]]) -> Engine:
    """What trains a job on the cluster at `address`: its command, with so much of a GPU.

    Raises:
        InputError: where no cluster answers, or it has no such GPU.
    """
    host, _, port = address.partition(":")
    try:
        if port:  # Ray itself would wait for minutes
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (OSError, ValueError, RuntimeError) as error:
        reason = f"no cluster of Ray answers: {error}"
        raise InputError("--address", address, reason) from None
    there = ray.cluster_resources().get("GPU", 0.0)
    if gpus > there:
        raise InputError("--gpus-per-run", gpus, f"the cluster has {there:g} GPUs")
    remote = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=-1)(make)
    return lambda job: Task(remote.remote(command(job)))
