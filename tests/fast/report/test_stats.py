"""Aggregates against SciPy, against cases by hand and against what rliable says."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, norm, trim_mean

from fast.errors import InputError
from fast.report import stats

GOLDEN = json.loads((Path(__file__).parent / "golden" / "rliable.json").read_text())
OURS, THEIRS = ([np.array(task) for task in GOLDEN[name]] for name in ("ours", "theirs"))

# Quarters of small integers: sums, halves and comparisons of them are exact.
quarters = st.integers(-40, 40).map(lambda n: n / 4)
tasks = st.lists(st.lists(quarters, min_size=1, max_size=6), min_size=1, max_size=5)


def rng(seed=0):
    return np.random.default_rng(seed)


@settings(deadline=None)
@given(tasks)
def test_median_and_mean_are_over_tasks_and_the_iqm_is_over_all_runs(scores):
    means = [np.mean(task) for task in scores]
    assert stats.median(scores) == np.median(means)
    assert stats.mean(scores) == np.mean(means)
    assert stats.interquartile_mean(scores) == trim_mean(np.concatenate(scores), 0.25)


def test_by_hand():
    scores = [[0.0, 4.0], [8.0], [100.0]]
    assert stats.median(scores) == 8  # of 2, 8 and 100
    assert stats.mean(scores) == 110 / 3
    assert stats.interquartile_mean(scores) == 6  # one of four left out on either side: 4 and 8
    assert stats.interquartile_mean([[0.0, 3.0, 9.0]]) == 4  # floor(3 / 4) = 0: none left out


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.lists(quarters, min_size=1, max_size=6)] * 2), min_size=1))
def test_the_probability_of_improvement_is_mann_and_whitneys_u_over_the_pairs(pairs):
    ours, theirs = zip(*pairs, strict=True)
    shares = []
    for x, y in pairs:
        u = mannwhitneyu(x, y, alternative="greater", method="asymptotic").statistic
        shares.append(u / (len(x) * len(y)))
    assert stats.probability_of_improvement(ours, theirs) == np.mean(shares)
    one, other = (stats.probability_of_improvement(*p) for p in ((ours, theirs), (theirs, ours)))
    # Every share is a rational with a denominator of at most 36, rounded once, as is their mean:
    # that is at most 2 * (len + 1) roundings of numbers of at most 1.
    assert abs(one + other - 1) <= 2 * (len(pairs) + 1) * np.finfo(float).eps
    assert stats.probability_of_improvement(ours, ours) == 0.5


def test_a_probability_of_improvement_by_hand():
    assert stats.probability_of_improvement([[1.0, 3.0]], [[2.0, 3.0]]) == 0.375  # 0, 0, 1, 1/2
    assert stats.probability_of_improvement([[1.0], [1.0]], [[0.0], [2.0]]) == 0.5


@settings(deadline=None)
@given(tasks, st.integers(0, 9))
def test_a_resample_draws_from_each_task_as_many_of_its_own_runs(scores, seed):
    seen = []

    def spy(drawn):
        seen.append(drawn)
        return drawn[0][:, 0]

    assert stats.bootstrap(spy, scores, generator=rng(seed), resamples=7).shape == (7,)
    (drawn,) = seen
    assert [task.shape for task in drawn] == [(7, len(task)) for task in scores]
    assert all(set(d.ravel()) <= set(t) for d, t in zip(drawn, scores, strict=True))


def test_every_run_of_a_task_is_drawn_equally_often():
    resamples, runs = 4000, 5

    def count(drawn):
        return (drawn[0][..., None] == np.arange(runs)).sum(axis=(0, 1))

    counts = stats.bootstrap(count, [np.arange(5.0)], generator=rng(), resamples=resamples)
    draws = resamples * runs
    spread = math.sqrt(draws * 0.2 * 0.8)  # binomial; five standard deviations
    assert np.abs(counts - draws / runs).max() < 5 * spread


def test_the_bootstrap_is_its_generators():
    one, same, other = (
        stats.interval(stats.mean, OURS, generator=rng(seed), resamples=500) for seed in (3, 3, 4)
    )
    assert one == same != other


@pytest.mark.parametrize("statistic", stats.STATISTICS.values())
def test_one_run_a_task_or_equal_runs_leave_an_interval_of_one_point(statistic):
    for scores in ([[1.0], [5.0], [6.0]], [[2.0, 2.0], [2.0]]):
        point = statistic(scores)
        low, high = stats.interval(statistic, scores, generator=rng(), resamples=50)
        assert low == high == point


def test_a_mean_of_many_runs_has_the_interval_of_the_normal_law():
    scores = rng(5).normal(size=400)
    resamples = 20_000
    low, high = stats.interval(stats.mean, [scores], generator=rng(6), resamples=resamples)
    error = scores.std() / math.sqrt(len(scores))
    # The quantile's own standard error is sqrt(q (1 - q) / resamples) over the density there; five
    # of them, and as much again for skewness, of the order of error / sqrt(400).
    quantile_error = math.sqrt(0.025 * 0.975 / resamples) / (norm.pdf(norm.ppf(0.025)) / error)
    allowed = 5 * quantile_error + error / math.sqrt(len(scores))
    assert abs(low - (scores.mean() + norm.ppf(0.025) * error)) < allowed
    assert abs(high - (scores.mean() + norm.ppf(0.975) * error)) < allowed


def test_intervals_cover_what_they_should_and_with_few_runs_too_rarely():
    covered = {}
    for runs in (3, 30):
        hits = 0
        for repetition in range(300):
            scores = [rng((runs, repetition)).normal(size=runs)]
            low, high = stats.interval(
                stats.mean, scores, generator=rng((runs, repetition, 1)), resamples=400
            )
            hits += low <= 0 <= high
        covered[runs] = hits / 300
    # Of a normal law with n runs the interval is about 1.96 sqrt((n-1)/n) standard errors wide:
    # for n = 30 it covers 93.6 %, five binomial standard deviations are 7.1 points.
    assert abs(covered[30] - 0.936) < 0.071
    assert covered[3] < 0.85


# --- what rliable says ---------------------------------------------------------------------------


def within_sampling_error(values, level, golden, resamples):
    """Whether `golden`, the `level` quantile of as many values, fits our own bootstrap `values`.

    The share of our values below a quantile of another bootstrap of the same law differs from
    `level` by the error of both: each has variance level (1 - level) / its resamples. Five
    standard deviations; on a grid of few values the share jumps, so both sides are looked at.
    """
    slack = 5 * math.sqrt(level * (1 - level) * (1 / len(values) + 1 / resamples))
    return (values < golden).mean() - slack <= level <= (values <= golden).mean() + slack


@pytest.mark.parametrize("name", stats.STATISTICS)
def test_aggregates_and_their_intervals_are_rliables(name):
    statistic, (point, *bounds) = stats.STATISTICS[name], GOLDEN["aggregates"][name]
    # Sums of 30 numbers below 1,200 in another order: 30 roundings of at most 36,000 eps.
    assert abs(statistic(OURS) - point) < 30 * 36_000 * np.finfo(float).eps
    values = stats.bootstrap(statistic, OURS, generator=rng())
    for level, golden in zip((0.025, 0.975), bounds, strict=True):
        assert within_sampling_error(values, level, golden, GOLDEN["resamples"])
        assert not within_sampling_error(values + 3, level, golden, GOLDEN["resamples"])


def test_the_probability_of_improvement_and_its_interval_are_rliables():
    point, *bounds = GOLDEN["improvement"]
    ours = stats.probability_of_improvement(OURS, THEIRS)
    assert abs(ours - point) < 10 * np.finfo(float).eps  # five shares, their sum and a division
    values = stats.bootstrap(
        stats.probability_of_improvement, OURS, THEIRS, generator=rng(), resamples=20_000
    )
    for level, golden in zip((0.025, 0.975), bounds, strict=True):
        assert within_sampling_error(values, level, golden, GOLDEN["improvement_resamples"])


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("scores", [[], [[]], [[1.0], []], [[math.nan]], [[1.0], [math.inf]]])
def test_scores_that_are_missing_or_not_finite_are_refused(scores):
    for statistic in stats.STATISTICS.values():
        with pytest.raises(InputError, match="scores"):
            statistic(scores)
    with pytest.raises(InputError, match="scores"):
        stats.interval(stats.mean, scores, generator=rng())


def test_numbers_that_make_no_interval_are_refused():
    for level in (0, 1, math.nan):
        with pytest.raises(InputError, match="level"):
            stats.interval(stats.mean, OURS, generator=rng(), level=level)
    with pytest.raises(InputError, match="resamples"):
        stats.bootstrap(stats.mean, OURS, generator=rng(), resamples=0)
    with pytest.raises(InputError, match="others"):
        stats.probability_of_improvement(OURS, OURS[:2])
