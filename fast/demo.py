"""`make demo`: a baseline in which a neuron becomes dominant and a run in which none does, side by
side, then a page about the two.

The task is Neuron Dominance's first (3.1), whose reward neither run ever meets; what keeps the
second one's critic alive is Adam's epsilon, 1e-5 in the place of 1e-8 (`results/findings`).
"""

from collections.abc import Sequence
from pathlib import Path

from fast.errors import InputError
from fast.papers.grid import plan

RUNS = plan(["cartpole-swingup_sparse"], ["baseline", "adam-eps"], 1)
OPTIONS = ("--run.updates", "40000")


def demo(out: Path | str, command: Sequence[str] = ()) -> int:
    """Train what is not yet trained in `out`, write figure and page there; the exit status.

    `command` is the command line whose `train` does the work, ours without it. It is a sweep, so
    it stops as one does, and the next call goes on.

    Raises InputError, before any work, where `out` holds runs that are not this demo's.
    """
    from fast.machine import resources
    from fast.report.page import report
    from fast.runs import sweep

    out = Path(out)
    others = {path.parent.name for path in out.glob("*/config.json")} - {run.name for run in RUNS}
    if others:
        accepted = "accepted: a new folder, or one that a demo has begun"
        raise InputError("--out", str(out), f"it holds other runs, {sorted(others)}; {accepted}")
    device, places = sweep.places("cpu", len(RUNS))
    jobs = sweep.survey(RUNS, "drq", "dominance", device, out, OPTIONS)
    resources.require_all([(job.config, job.folder) for job in jobs if job.unfinished], places)
    status = sweep.sweep(jobs, places, OPTIONS, command or sweep.COMMAND)
    if status == 0:
        page = report(out, out)
        print(f"\nThe figure:  {out / 'overview.png'}\nThe page:    {page}  (open it in a browser)")
    return status
