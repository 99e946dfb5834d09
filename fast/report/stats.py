"""Aggregates over tasks and runs, with bootstrap intervals, in NumPy and SciPy alone.

`scores` is a sequence of arrays, one a task, each (..., runs of that task): tasks may have
different numbers of runs. Definitions and names are those of Agarwal et al., Deep Reinforcement
Learning at the Edge of the Statistical Precipice (rliable). Median and mean are over the tasks'
means; the interquartile mean is over all runs of all tasks, so a task with more runs weighs more
in it. With three to five runs a task every interval is a rough guide: it covers too rarely.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import trim_mean

from fast.errors import InputError
from fast.runs.records import Floats

Scores = Sequence[Floats]

RESAMPLES = 50_000  # rliable's own
LEVEL = 0.95


def median(scores: Scores) -> Floats:
    """Median over tasks of the tasks' mean scores, shape (...)."""
    return np.median(_task_means(scores), axis=-1)


def mean(scores: Scores) -> Floats:
    """Mean over tasks of the tasks' mean scores, shape (...)."""
    return np.mean(_task_means(scores), axis=-1)


def interquartile_mean(scores: Scores) -> Floats:
    """Mean of the middle half of all runs of all tasks, shape (...).

    Of n runs the floor(n / 4) lowest and as many highest are left out.
    """
    return trim_mean(np.concatenate(_checked(scores), axis=-1), 0.25, axis=-1)


STATISTICS: dict[str, Callable[[Scores], Floats]] = {
    "median": median,
    "IQM": interquartile_mean,
    "mean": mean,
}


def probability_of_improvement(scores: Scores, others: Scores) -> Floats:
    """How often a run of `scores` beats one of `others` on the same task, shape (...).

    A tie counts half; the mean over tasks of the shares of pairs (Mann and Whitney's U over the
    number of pairs). Both must have the same tasks in the same order.
    """
    scores, others = _checked(scores), _checked(others)
    if len(scores) != len(others):
        raise InputError("others", f"{len(others)} tasks", f"accepted: {len(scores)}, as scores")
    shares = []
    for ours, theirs in zip(scores, others, strict=True):
        ours, theirs = ours[..., :, None], theirs[..., None, :]
        shares.append(((ours > theirs) + 0.5 * (ours == theirs)).mean(axis=(-2, -1)))
    return np.mean(shares, axis=0)


def bootstrap(
    statistic: Callable[..., Floats],
    *groups: Scores,
    generator: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Floats:
    """`statistic(*groups)` of resampled runs, shape (resamples,).

    Stratified: within each task of each group as many runs as it has are drawn with replacement;
    the tasks stay. It says how far other seeds could lead, not other tasks.
    """
    if resamples < 1:
        raise InputError("resamples", resamples, "accepted: 1 or more")

    def drawn(task: Floats) -> Floats:
        return task[generator.integers(len(task), size=(resamples, len(task)))]

    return statistic(*([drawn(task) for task in _checked(group)] for group in groups))


def interval(
    statistic: Callable[..., Floats],
    *groups: Scores,
    generator: np.random.Generator,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> tuple[float, float]:
    """(low, high): the percentile interval of `bootstrap`, as likely to miss on either side."""
    if not 0 < level < 1:
        raise InputError("level", level, "accepted: a number between 0 and 1")
    values = bootstrap(statistic, *groups, generator=generator, resamples=resamples)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _task_means(scores: Scores) -> Floats:
    return np.stack([task.mean(axis=-1) for task in _checked(scores)], axis=-1)


def _checked(scores: Scores) -> list[Floats]:
    """Raises InputError where a task has no run, or a score is not finite."""
    tasks = [np.asarray(task, dtype=np.float64) for task in scores]
    if not tasks or any(task.ndim == 0 or task.shape[-1] == 0 for task in tasks):
        sizes = [task.shape for task in tasks]
        raise InputError("scores", sizes, "accepted: one or more tasks, each with a run or more")
    if not all(np.isfinite(task).all() for task in tasks):
        raise InputError("scores", "NaN or infinite", "accepted: finite numbers")
    return tasks
