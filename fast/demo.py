"""`make demo`: a short baseline and a short lnwd run, then a figure and a page about the two.

The runs go one after the other: two at once would give 18 % more work per second on two cores, but
two progress bars cannot share a terminal's line.
"""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from fast.errors import InputError
from fast.report.page import report
from fast.runs.records import flat, read_run

METHODS = ("baseline", "lnwd")
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The settings of both runs, by the dotted names of config.json. As in Neuron Dominance, Figure 3
# and Appendix B.1, the reward is masked at first; and the learning rate is ten times the paper's,
# so that what takes it hundreds of thousands of updates has a chance to be seen in minutes.
SETTINGS: dict[str, str | int | float] = {
    "task": "cartpole-swingup",
    "preset": "laptop",
    "seed": 0,
    "agent.learning_rate": 3e-3,
    "agent.temperature_learning_rate": 3e-3,
    "run.updates": 6000,
    "run.reward_masked": 2000,
    "run.evaluation_interval": 500,
    "run.score_interval": 100,
}


def demo(out: Path | str, command: Sequence[str] = (sys.executable, "-m", "fast")) -> int:
    """Train what is not yet trained in `out`, write figure and page there; the exit status.

    `command` is the command line whose `train` does the work. Ctrl-C, SIGTERM and SIGHUP are
    passed on to it, so that it stops cleanly; the next call goes on from there.

    Raises InputError, before any work, where `out` holds runs that are not this demo's.
    """
    out = Path(out)
    folders = {method: out / f"{method}-{SETTINGS['seed']}" for method in METHODS}
    _refuse_others(out, folders)
    for method, folder in folders.items():
        if not (folder / "config.json").is_file():
            print(f"{method}: training into {folder}", flush=True)
            settings = {**SETTINGS, "method": method, "out": folder}
            flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
            status = _train([*command, "train", *flags])
        elif not read_run(folder).finished:
            print(f"{method}: going on with {folder}", flush=True)
            status = _train([*command, "train", "--resume", str(folder)])
        else:
            print(f"{method}: {folder} is finished and is used as it is", flush=True)
            continue
        if status in [128 + number for number in STOPS]:
            print("\nStopped. The same command again goes on from here: make demo", flush=True)
            return status
        if status or not read_run(folder).finished:
            print(f"\nThe training of {method} ended with exit status {status}; see above. "
                  "The same command again goes on from here: make demo", flush=True)  # fmt: skip
            return status or 1
    page = report(out, out)
    print(f"\nThe figure:  {out / 'overview.png'}\nThe page:    {page}  (open it in a browser)")
    return 0


def _refuse_others(out: Path, folders: dict[str, Path]) -> None:
    accepted = "a new folder, or one that a demo with the same settings has begun, is accepted"
    if (out / "config.json").exists() or (out.exists() and not out.is_dir()):
        raise InputError("--out", str(out), accepted)
    for path in sorted(out.glob("*/config.json")):
        folder = path.parent
        if folder not in folders.values():
            raise InputError("--out", str(out), f"it holds another run, {folder.name}; {accepted}")
        run = read_run(folder)
        settings = flat(run.config)
        expected = {**SETTINGS, "method": folder.name.rsplit("-", 1)[0]}
        for name, value in expected.items():
            if settings.get(name) != value:
                differs = f"{folder.name} has {name} {settings.get(name)!r} and not {value!r}"
                raise InputError("--out", str(out), f"{differs}; {accepted}")


def _train(command: Sequence[str]) -> int:
    """Run `command` to its end and return its exit status, 128 + n if signal n ended it or us.

    It gets a process group of its own: otherwise a terminal's Ctrl-C would reach it twice, from
    the terminal and from here, and a second one means 'stop at once' to a training.
    """
    received: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if child is not None:
            child.send_signal(number)

    before = {n: signal.signal(n, pass_on) for n in STOPS}
    try:
        if not received:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
            if received:  # while it was being started
                child.send_signal(received[0])
            status = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        return 128 + received[0]
    return status if status >= 0 else 128 - status
