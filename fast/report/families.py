"""The families of drawings that the figures of the papers belong to, each of any tasks and panels.

Which runs and panels a figure has is said in `fast/papers/`.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from fast.errors import InputError
from fast.papers import atari
from fast.papers.grid import Panel
from fast.report import classifiers, drawing, stats
from fast.report.chosen import Chosen, face, planned
from fast.report.drawing import Drawing, Row
from fast.runs.records import Floats, Run, scored_layers, series

LAST = "Returns are the last evaluation of each run, not normalised but for Atari's: there random "
LAST += "is 0 and a human 1."


# --- single runs -----------------------------------------------------------------------------


def single_runs(chosen: Chosen) -> Drawing:
    """One line a run, coloured by seed: a column a task, or a column a panel for one task."""
    tasks, panels = chosen.tasks, chosen.recipe.panels
    rows = drawing.rows_of(chosen.runs, panels)
    many = len(tasks) > 1
    across, down = (len(tasks), len(panels)) if many else (len(panels), 1)
    size = (max(8.0, 0.6 + 3.3 * across), 1.9 + 2.5 * down)
    figure = drawing.sheet(*size, face(chosen, chosen.recipe.words))
    grid = figure.subplots(down, across, squeeze=False)
    colours = {seed: drawing.seed_colour(seed) for seed in sorted({r.seed for r in chosen.runs})}
    spans: dict[int, float] = {}
    marks: set[str] = set()

    def style(row: Row) -> dict[str, Any]:
        return {"color": colours[row.seed], "linewidth": 1.2, "alpha": 0.9}

    for task, column in zip(tasks, grid.T if many else grid, strict=True):
        runs, of_task = chosen.of(task), [row for row in rows if row.task == task]
        masked = drawing.masked_spans(runs)
        spans |= masked
        added = {
            record["environment_step"]
            for run in runs
            for record in run.of("intervention")
            if record.get("name") == "late_norm"
        }
        marks |= {"added"} if added else set()
        last = max((row.x for row in of_task), default=0)
        widths = {np.atleast_1d(run.config["agent"]["hidden"])[0] for run in runs}
        for axes, panel in zip(column, panels, strict=True):
            drawing.over_steps(axes, last, masked.values())
            for step in added:
                axes.axvline(step, color="#333333", linewidth=1.2, linestyle="--")
            marks |= drawing.lines(axes, panel, of_task, style, widths)
    names = [panel.title.replace(", ", ",\n", 1) for panel in panels]
    if many:
        drawing.label(grid, tasks, drawing.steps(chosen.runs), names)
    else:
        titles = names if across > 3 else [panel.title for panel in panels]
        drawing.label(grid, titles, drawing.steps(chosen.runs), [""])
    entries = [
        Line2D([], [], color=colour, linewidth=1.8, label=f"seed {seed}")
        for seed, colour in colours.items()
    ]
    drawing.legend(figure, entries, spans, marks)
    return Drawing(figure, drawing.HEADER, rows)


# --- learning curves -------------------------------------------------------------------------


class CurvePoint(NamedTuple):
    """The evaluations of one task and method at one environment step, over `seeds` runs."""

    task: str
    method: str
    environment_step: float
    seeds: int
    mean: float
    standard_deviation: float


def curve(runs: Sequence[Run], panel: Panel) -> list[CurvePoint]:
    """Mean and standard deviation over the runs of one task and method, step by step.

    The deviation is that among these runs (over n, not n - 1): of one run it is zero. A step that
    not every run has reached is told of those that have.
    """
    at: dict[float, list[float]] = {}
    for run in runs:
        for step, value in zip(*series(run, panel.kind, panel.keys[0]), strict=True):
            at.setdefault(float(step), []).append(value)
    return [
        CurvePoint(*planned(runs[0])[:2], step, len(at[step]), float(np.mean(at[step])),
                   float(np.std(at[step])))
        for step in sorted(at)
    ]  # fmt: skip


def learning_curves(chosen: Chosen) -> Drawing:
    """A panel a task: mean evaluation return over seeds, shaded by their standard deviation."""
    tasks, methods = chosen.tasks, drawing.methods_of(chosen.runs)
    looks = drawing.looks_of(methods)
    columns = min(4, len(tasks))
    down = -(-len(tasks) // columns)
    note = "Mean over seeds; the band is one standard deviation among them, to either side."
    figure = drawing.sheet(max(8.0, 3.3 * columns), 1.9 + 2.4 * down, face(chosen, note))
    grid = figure.subplots(down, columns, squeeze=False)
    rows: list[CurvePoint] = []
    spans: dict[int, float] = {}
    for index, axes in enumerate(grid.flat):
        if index >= len(tasks):
            axes.set_visible(False)
            continue
        runs, last = chosen.of(tasks[index]), 0.0
        masked = drawing.masked_spans(runs)
        spans |= masked
        for method in drawing.methods_of(runs):
            points = curve([run for run in runs if run.method == method], *chosen.recipe.panels)
            rows += points
            told = [(p.environment_step, p.mean, p.standard_deviation) for p in points]
            x, mean, spread = np.array(told).reshape(-1, 3).T
            _band(axes, looks[method], x, mean, mean - spread, mean + spread)
            last = max([last, *x])
        drawing.over_steps(axes, last, masked.values())
        axes.set_ylim(min(0.0, axes.get_ylim()[0]), max(1.0, axes.get_ylim()[1]))
        below = index + columns >= len(tasks)
        left = "evaluation return" if index % columns == 0 else ""
        drawing.plain(axes, tasks[index], drawing.steps(chosen.runs) if below else "", left)
    drawing.legend(figure, drawing.method_entries(looks), spans, set())
    return Drawing(figure, CurvePoint._fields, rows)


def _band(
    axes: Axes, look: tuple[str, str], x: Floats, y: Floats, low: Floats, high: Floats
) -> None:
    colour, marker = look
    axes.plot(x, y, color=colour, linewidth=1.5, marker=marker, markersize=4,
              markevery=max(1, len(x) // 6))  # fmt: skip
    axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)


# --- aggregates ------------------------------------------------------------------------------


class Aggregate(NamedTuple):
    """One statistic of one method's returns, and its 95 % interval."""

    method: str
    statistic: str
    value: float
    low: float
    high: float
    tasks: int
    runs: int


def final_return(run: Run) -> float:
    """The return of the last evaluation, NaN where there is none."""
    values = series(run, "evaluation", "return")[1]
    return float(values[-1]) if len(values) else math.nan


def final_returns(runs: Sequence[Run], method: str) -> dict[str, Floats]:
    """The defined final returns of one method, by task; a task without any is left out.

    Those of Atari are normalised by a random player's and a human's.
    """
    found: dict[str, list[float]] = {}
    for run in runs:
        if run.method == method and math.isfinite(value := final_return(run)):
            found.setdefault(run.task, []).append(atari.normalised(run.task, value))
    return {task: np.array(found[task]) for task in sorted(found)}


def _aggregate(method: str, name: str, statistic: Callable[..., Any], *groups: Any) -> Aggregate:
    """The same runs give the same interval."""
    low, high = stats.interval(statistic, *groups, generator=np.random.default_rng(0))
    count = sum(len(task) for task in groups[0])
    return Aggregate(method, name, float(statistic(*groups)), low, high, len(groups[0]), count)


def aggregates(runs: Sequence[Run]) -> list[Aggregate]:
    """Median, interquartile mean and mean of each method; empty where no run has been evaluated."""
    return [
        _aggregate(method, name, statistic, scores)
        for method in drawing.methods_of(runs)
        if (scores := list(final_returns(runs, method).values()))
        for name, statistic in stats.STATISTICS.items()
    ]


def improvements(runs: Sequence[Run]) -> list[Aggregate]:
    """How often each other method's run beats one of the first method, on the tasks of both."""
    first, *others = drawing.methods_of(runs)
    theirs, rows = final_returns(runs, first), []
    for method in others:
        ours = final_returns(runs, method)
        tasks = sorted(ours.keys() & theirs.keys())
        if tasks:
            pair = [ours[task] for task in tasks], [theirs[task] for task in tasks]
            statistic = stats.probability_of_improvement
            rows.append(_aggregate(method, f"beats {first}", statistic, *pair))
    return rows


def _unevaluated(chosen: Chosen) -> InputError:
    accepted = f"figure {chosen.name} needs runs that were evaluated and scored at least once"
    return InputError("--runs", f"{len(chosen.runs)} runs", accepted)


def aggregate_returns(chosen: Chosen) -> Drawing:
    """Median and mean over tasks, interquartile mean over runs, with 95 % bootstrap intervals.

    The paper's axis is the episodic return; DMC's lies between 0 and 1000 in every task.
    """
    rows = aggregates(chosen.runs)
    if not rows:
        raise _unevaluated(chosen)
    methods = list(dict.fromkeys(row.method for row in rows))
    looks = drawing.looks_of(methods)
    note = f"{LAST} Bars: 95 % intervals, stratified bootstrap over runs; line: the estimate."
    if min(Counter(planned(run)[:2] for run in chosen.runs).values()) < 2:
        note += " Tasks with one run of a method widen no interval: those are too narrow."
    figure = drawing.sheet(10.5, 2.1 + 0.48 * len(methods), face(chosen, note))
    grid = figure.subplots(1, len(stats.STATISTICS))
    for axes, name in zip(grid, stats.STATISTICS, strict=True):
        shown = [row for row in rows if row.statistic == name]
        for y, row in enumerate(shown):
            axes.barh(y, row.high - row.low, left=row.low, height=0.6, alpha=0.75,
                      color=looks[row.method][0])  # fmt: skip
            axes.plot([row.value] * 2, [y - 0.36, y + 0.36], color="#111111", linewidth=2)
        title = {"median": "Median", "IQM": "Interquartile mean", "mean": "Mean"}[name]
        drawing.plain(axes, title, "evaluation return")
        axes.set_ylim(len(shown) - 0.5, -0.5)
        labels = [f"{row.method}\n{_counted(row)}" for row in shown]
        axes.set_yticks(range(len(shown)), labels if axes is grid[0] else [], size=9)
        axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    return Drawing(figure, Aggregate._fields, rows)


def _counted(row: Aggregate) -> str:
    return f"{row.tasks} task{'s' * (row.tasks > 1)}, {row.runs} run{'s' * (row.runs > 1)}"


# --- sample efficiency -----------------------------------------------------------------------


EFFICIENCY = ("method", "environment_step", *Aggregate._fields[2:])


def efficiency(chosen: Chosen) -> Drawing:
    """The interquartile mean over all runs, with its bootstrap interval, against steps.

    Of each method at the steps at which all of its runs were evaluated; the first is before the
    first update.
    """
    looks, (panel,) = drawing.looks_of(drawing.methods_of(chosen.runs)), chosen.recipe.panels
    rows: list[tuple[Any, ...]] = []
    for method in looks:
        runs = [run for run in chosen.runs if run.method == method]
        told = [dict(zip(*series(run, panel.kind, panel.keys[0]), strict=True)) for run in runs]
        for step in sorted(set.intersection(*(set(values) for values in told))):
            scores: dict[str, list[float]] = {}
            for run, values in zip(runs, told, strict=True):
                score = atari.normalised(run.task, float(values[step]))
                scores.setdefault(run.task, []).append(score)
            groups = [np.array(of_task) for of_task in scores.values()]
            one = _aggregate(method, "IQM", stats.interquartile_mean, groups)
            rows.append((method, float(step), *one[2:]))
    if not rows:
        raise _unevaluated(chosen)
    note = "Interquartile mean over all runs; the band is its 95 % bootstrap interval."
    figure = drawing.sheet(8.0, 5.0, face(chosen, note))
    axes = figure.subplots()
    for method, look in looks.items():
        _band(axes, look, *np.array([row[1:5] for row in rows if row[0] == method]).T)
    drawing.over_steps(axes, max(row[1] for row in rows))
    drawing.plain(axes, "", drawing.steps(chosen.runs), "interquartile mean of returns")
    drawing.legend(figure, drawing.method_entries(looks), (), set())
    return Drawing(figure, EFFICIENCY, rows)


# --- points in a plane -----------------------------------------------------------------------

Point = tuple[Any, ...]  # who it is, and then a number for each panel


def number(run: Run, panel: Panel) -> float:
    """A run's last evaluation, or the mean of a score over training, undefined ones carried on."""
    if panel.kind == "evaluation":
        return final_return(run)
    values = drawing.filled(series(run, panel.kind, panel.keys[0])[1])
    values = values[np.isfinite(values)]
    return float(np.mean(values)) if len(values) else math.nan


def run_points(chosen: Chosen) -> list[Point]:
    """(run, task, method, seed, number of each panel) of each run."""
    panels = chosen.recipe.panels
    return [
        (run.folder.name, *planned(run), *(number(run, panel) for panel in panels))
        for run in chosen.runs
    ]


def method_points(chosen: Chosen) -> list[Point]:
    """(method, tasks, runs, number of each panel), the mean over tasks of the tasks' means.

    Of the runs in which all numbers are defined. Raises InputError where there is no such run.
    """
    points = [point for point in run_points(chosen) if all(map(math.isfinite, point[4:]))]
    rows = []
    for method in drawing.methods_of(chosen.runs):
        ours = [point for point in points if point[2] == method]
        tasks = [[p[4:] for p in ours if p[1] == task] for task in chosen.tasks]
        by_task: list[Floats] = [np.array(of_task).T for of_task in tasks if of_task]
        if by_task:
            values = (float(stats.mean(list(panel))) for panel in zip(*by_task, strict=True))
            rows.append((method, len(by_task), len(ours), *values))
    if not rows:
        raise _unevaluated(chosen)
    return rows


def _columns(panels: Sequence[Panel]) -> list[str]:
    measures = (panel.keys[0].rpartition("/")[2].removesuffix("_0.1") for panel in panels)
    return ["final_return" if name == "return" else name for name in measures]


def _scatter(
    chosen: Chosen, rows: Sequence[Point], names: Sequence[str], titles: Sequence[str]
) -> Drawing:
    """A row of axes for each of `titles`, a task (or "", all); `names` are who a point is."""
    x_panel, *against = panels = chosen.recipe.panels
    looks = drawing.looks_of(drawing.methods_of(chosen.runs))
    words = f"{chosen.recipe.words} {LAST}"
    figure = drawing.sheet(10.5, 2.1 + 2.2 * len(titles), face(chosen, words))
    grid = figure.subplots(len(titles), len(against), squeeze=False)
    for title, line in zip(titles, grid, strict=True):
        points = [row for row in rows if not title or row[names.index("task")] == title]
        for at, (axes, panel) in enumerate(zip(line, against, strict=True), start=1):
            x = [point[len(names)] for point in points]
            for method, (colour, marker) in looks.items():
                ours = [point for point in points if point[names.index("method")] == method]
                axes.plot([point[len(names)] for point in ours],
                          [point[len(names) + at] for point in ours], marker, color=colour,
                          markersize=9 if len(titles) == 1 else 5.5, alpha=0.85)  # fmt: skip
            axes.margins(0.12)
            if panel.axis == "fraction":
                drawing.in_percent(axes)
            below = x_panel.title[0].lower() + x_panel.title[1:] if title == titles[-1] else ""
            label = panel.title.replace(", ", ",\n", 1)
            drawing.plain(axes, title if axes is line[0] else "", below, label)
            _wide(axes, x)
    drawing.legend(figure, drawing.method_entries(looks), (), set())
    return Drawing(figure, [*names, *_columns(panels)], rows)


def _wide(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic x axis, labelled at 1, 2 and 5, for values that differ by a factor above 10."""
    values = [value for value in values if math.isfinite(value)]
    if values and max(values) > 10 * min(values):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())


def scatter_by_method(chosen: Chosen) -> Drawing:
    """A point a method: the first panel against the others."""
    return _scatter(chosen, method_points(chosen), ["method", "tasks", "runs"], [""])


def scatter_by_run(chosen: Chosen) -> Drawing:
    """The same task by task, a point a run."""
    names = ["run", "task", "method", "seed"]
    return _scatter(chosen, run_points(chosen), names, chosen.tasks)


# --- dormancy --------------------------------------------------------------------------------

FEW = 6  # runs, above which the mean of a method's is drawn in place of each


def dormancy(chosen: Chosen) -> Drawing:
    """A row of axes for each task, a column for each panel, over environment steps."""
    panels, looks = chosen.recipe.panels, drawing.looks_of(drawing.methods_of(chosen.runs))
    rows = drawing.rows_of(chosen.runs, panels)
    few = len(chosen.runs) <= FEW
    told = "Each line is a run." if few else "Mean, and band from the lowest to the highest run."
    size = (max(7.0, 5.0 * len(panels)), 2.0 + 2.4 * len(chosen.tasks))
    figure = drawing.sheet(*size, face(chosen, f"{chosen.recipe.words} {told}"))
    grid = figure.subplots(len(chosen.tasks), len(panels), squeeze=False)
    marks: set[str] = set()
    for task, line in zip(chosen.tasks, grid, strict=True):
        of_task = [row for row in rows if row.task == task]
        last = max((row.x for row in of_task), default=0)
        for panel, axes in zip(panels, line, strict=True):
            drawing.over_steps(axes, last)
            marks |= drawing.trend(axes, panel, of_task, looks, few, linewidth=1.3, alpha=0.9)
            shown = [row.value for row in of_task if row.panel in panel.keys]
            if panel.axis == "fraction":  # of a few in a hundred more is to be seen
                top = max([0.01, *(v for v in shown if v == v)])
                axes.set_ylim(-0.03 * top, 1.05 * top)  # a line at 0 is seen
    titles = [panel.title for panel in panels]
    drawing.label(grid, titles, drawing.steps(chosen.runs), chosen.tasks)
    drawing.legend(figure, drawing.method_entries(looks), (), marks)
    return Drawing(figure, drawing.HEADER, rows)


# --- survival --------------------------------------------------------------------------------

LIFE = (*Row._fields[:5], "learning_rate_x_updates", "value")


def learning_rate(run: Run, layer: str) -> float:
    """Of the network that a layer is in; raises InputError where the settings do not tell."""
    agent, learner = run.config["agent"], layer.partition("/")[0]
    rate = agent.get(f"{learner}_learning_rate", agent.get("learning_rate"))
    if not isinstance(rate, float) or not math.isfinite(rate):
        raise InputError(f"{run.folder}: agent.learning_rate", rate, "a number is accepted")
    return rate


def life_rows(run: Run, panels: Sequence[Panel]) -> list[Row]:
    """Every score of the panels in every layer of an MLP; those that live are not saturated.

    x is learning rate x updates: about the longest way of a weight under Adam.
    """
    rows = []
    for layer in scored_layers(run, "saturated"):
        if not re.split("[./]", layer)[-1].startswith("dense"):
            continue
        table = run.tables["scores"]
        x = learning_rate(run, layer) * table.numbers("update")
        for measure in (panel.keys[0] for panel in panels):
            values = table.numbers(f"{layer}/{measure}")
            name, y = ("living", 1 - values) if measure == "saturated" else (measure, values)
            rows += drawing.points(run, f"{layer}/{name}", x, y)
    return rows


def survival(chosen: Chosen) -> Drawing:
    """A row of axes for each dense layer, the critic's heads in one: a column for each panel."""
    panels, looks = chosen.recipe.panels, drawing.looks_of(drawing.methods_of(chosen.runs))
    rows = [row for run in chosen.runs for row in life_rows(run, panels)]
    every: dict[str, dict[str, None]] = {}  # layer of any head: its keys
    for row in rows:
        layer = re.sub(r"[.]\d+[.]", ".*.", row.panel.rpartition("/")[0])
        every.setdefault(layer, {})[row.panel] = None
    if not every:
        raise _unevaluated(chosen)
    few = len(chosen.runs) <= FEW
    told = "Each line is one" if few else "Mean, and band from the lowest to the highest,"
    note = f"{chosen.recipe.words} {told} of the runs and critic heads."
    figure = drawing.sheet(10.5, 2.0 + 1.8 * len(every), face(chosen, note))
    grid = figure.subplots(len(every), len(panels), squeeze=False)
    rates = {run.masked: learning_rate(run, next(iter(every))) for run in chosen.runs if run.masked}
    spans = {masked: masked * rate for masked, rate in rates.items()}
    last, marks = max(row.x for row in rows), set()
    for line, keys in zip(grid, every.values(), strict=True):
        of_layer = [row for row in rows if row.panel in keys]
        for at, (axes, panel) in enumerate(zip(line, panels, strict=True)):
            shown = panel._replace(keys=tuple(keys)[at :: len(panels)])
            drawing.over_steps(axes, last, spans.values())
            marks |= drawing.trend(axes, shown, of_layer, looks, few, linewidth=1.1, alpha=0.8)
    drawing.label(grid, [panel.title for panel in panels], "learning rate x updates", [*every])
    drawing.legend(figure, drawing.method_entries(looks), spans, marks)
    return Drawing(figure, LIFE, rows)


def regression(chosen: Chosen) -> Drawing:
    """Of networks that are fitted to something else than what the runs learnt."""
    made = "made by python -m fast regression RUN ... --out DIR, of these runs"
    raise InputError("NAME", chosen.name, made)


FAMILIES: dict[str, Callable[[Chosen], Drawing]] = {
    "regression": regression,
    "runs": single_runs,
    "curves": learning_curves,
    "aggregates": aggregate_returns,
    "methods": scatter_by_method,
    "points": scatter_by_run,
    "survival": survival,
    "efficiency": efficiency,
    "dormancy": dormancy,
    "dominated": classifiers.dominated,
    "shuffled": classifiers.shuffled,
}
