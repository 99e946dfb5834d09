"""Figures 2 to 17 of Neuron Dominance and Figure 3 of ReDo, each from the runs of its recipe.

A function here draws one figure: its docstring says what the panels show and what of it the paper
leaves open. Which runs belong is said in `fast/papers/neuron_dominance.py`; what is missing stands
on the figure's face.
Both critic heads are recorded; the paper shows one, and so do these figures: head 0. "First hidden
layer" is the head's `dense0`, which can hold a dominant neuron, "penultimate" its `dense1`.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from fast.errors import InputError, as_input, unknown
from fast.papers.neuron_dominance import RECIPES, Recipe
from fast.report import classifiers, drawing, stats
from fast.report.drawing import Drawing, Face, Panel, Row
from fast.runs.records import Floats, Keep, Run, differing, find_runs, series

RETURN = Panel("Evaluation return", "evaluation", ("return",))
SCORE = Panel("Largest activation score, first hidden layer", "scores",
              ("critic/heads.0.dense0/largest_score",), "score")  # fmt: skip
FIRST_SATURATED = Panel("Saturated, first hidden layer", "scores",
                        ("critic/heads.0.dense0/saturated",), "fraction")  # fmt: skip
SATURATED = Panel("Saturated, penultimate layer", "scores",
                  ("critic/heads.0.dense1/saturated",), "fraction")  # fmt: skip
DORMANT = Panel("0.1-dormant, penultimate layer", "scores",
                ("critic/heads.0.dense1/dormant_0.1",), "fraction")  # fmt: skip
GRADIENTS = tuple(
    Panel(f"Gradient magnitude, {layer} layer", "scores",
          (f"critic/heads.0.{name}/gradient_magnitude",), "magnitude")
    for name, layer in (("dense0", "first hidden"), ("dense1", "penultimate"))
)  # fmt: skip
SRANK = "critic/heads.0.dense0/srank"
# All that is to be read of a run.
KEEP: Keep = {
    "scores": {SRANK, *classifiers.KEYS}.union(
        *(panel.keys for panel in (SCORE, FIRST_SATURATED, SATURATED, DORMANT, *GRADIENTS))
    ),
    "episode": (),
    "update": (),
    "timing": (),
}
HEAD_0 = "Critic head 0, as the paper shows one; 0.1-dormant and saturated are shares of neurons."
LAST = "Returns are the last evaluation of each run, not normalised."


class Chosen(NamedTuple):
    """The runs that a figure is made from, and how many others lay beside them."""

    name: str
    recipe: Recipe
    runs: list[Run]
    others: int
    own: bool = False  # whether the recipe is that of the runs at hand, not the paper's

    @property
    def tasks(self) -> list[str]:
        """Of the recipe's tasks those that have a run."""
        present = {run.config["task"] for run in self.runs}
        return [task for task in self.recipe.tasks if task in present]

    def of(self, task: str) -> list[Run]:
        return [run for run in self.runs if run.config["task"] == task]


def planned(run: Run) -> tuple[str, str, int]:
    return run.config["task"], run.method, run.seed


def title(name: str, own: bool = False) -> str:
    """What stands above a figure; with `own`, that it is not the paper's."""
    text = f"Figure {name}. {RECIPES[name].title}".replace("Figure redo-", "ReDo, Figure ")
    return f"As {text.removesuffix(', 12 tasks')}" if own else text


def own_recipe(recipe: Recipe, runs: Sequence[Run]) -> Recipe:
    """The recipe with the tasks and methods of `runs`, and as many seeds as any of these has."""
    counts = Counter((run.config["task"], run.method) for run in runs)
    return Recipe(
        recipe.title,
        tuple(sorted({run.config["task"] for run in runs})),
        tuple(drawing.methods_of(runs)),
        max(counts.values(), default=0),
        "the tasks, methods and seeds that are here, not the paper's",
        recipe.agent,
    )


def fits(recipe: Recipe, run: Run) -> bool:
    """Whether a run is of the recipe's kind: of players or of classifiers, then of its methods."""
    of_pictures, task = recipe.agent == "classifier", run.config["task"]
    if (run.config["agent"]["kind"] == "classifier") != of_pictures:
        return False
    shuffles = any(name.endswith("-shuffled") for name in recipe.tasks)
    return not of_pictures or (
        run.method in recipe.methods and (shuffles or not task.endswith("-shuffled"))
    )


def choose(name: str, runs: Sequence[Run], preset: str | None = None, own: bool = False) -> Chosen:
    """Of `runs` those that figure `name` is made from; with `preset`, of that preset alone, and
    with `own` all of them, not the paper's alone.

    Raises InputError where there is none, where two presets mix, or one run is there twice, and
    for an own one of a figure that is of certain tasks or one method.
    """
    if own and name not in OWN:
        raise InputError("--own", name, f"accepted for figures {', '.join(OWN)}")
    beside, recipe = len(runs), RECIPES[name]
    runs = [run for run in runs if fits(recipe, run)]
    recipe = own_recipe(recipe, runs) if own else recipe
    wanted = set(map(planned, runs)) if own else set(recipe.runs)
    found = [run for run in runs if planned(run) in wanted]
    presets = sorted({run.config["preset"] for run in found})
    if preset is not None:
        found = [run for run in found if run.config["preset"] == preset]
    elif len(presets) > 1:
        accepted = f"figure {name} takes runs of one preset: choose one with --preset"
        raise InputError("--runs", presets, accepted)
    if not found:
        methods, tasks = _few(recipe.methods, "methods"), _few(recipe.tasks, "tasks")
        make = f"python -m fast sweep --figure {name} --preset {preset or 'paper'} --out DIR"
        accepted = f"figure {name} takes {methods} on {tasks}; none is here. Make them: {make}"
        raise InputError("--runs", f"{beside} runs", accepted)
    counts = Counter(planned(run) for run in found)
    twice = sorted(str(key) for key, count in counts.items() if count > 1)
    if twice:
        raise InputError("--runs", twice, "one run of each task, method and seed is accepted")
    return Chosen(name, recipe, found, beside - len(found), own)


def _few(names: Sequence[str], kind: str) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} {kind}"


# --- the face --------------------------------------------------------------------------------


def face(chosen: Chosen, note: str) -> Face:
    """Title, what was run, and a warning where a run is missing, unfinished or unlike the rest."""
    recipe, runs = chosen.recipe, chosen.runs
    here, wanted = len(runs), len(recipe.tasks) * len(recipe.methods) * recipe.seeds
    seeds = Counter((run.config["task"], run.method) for run in runs).values()
    few, many = min(seeds), max(seeds)
    counts = [
        f"{here:,} of {wanted:,} runs",
        f"{few if few == many else f'{few} to {many}'} of {recipe.seeds} seeds",
    ]
    for name, kind in (("task", "tasks"), ("method", "methods")):
        present, all_of = {run.config[name] for run in runs}, getattr(recipe, kind)
        if len(present) < len(all_of):
            counts.append(f"{len(present)} of {len(all_of)} {kind}")
    other = sorted({setting for run in runs for setting in changed(run)})
    if other:
        counts.append(f"not the preset's: {', '.join(other)}")
    if chosen.others:
        counts.append(f"{chosen.others} other run{'s' * (chosen.others > 1)} left out")
    warnings = [f"INCOMPLETE: {here:,} of {wanted:,} runs"] if here < wanted else []
    unfinished = drawing.incomplete(runs)
    if unfinished:
        shortest = unfinished.replace("INCOMPLETE: ", "as little as ")
        warnings.append(shortest if warnings else unfinished)
    odd = sorted({
        setting
        for task, method in {(run.config["task"], run.method) for run in runs}
        for setting in differing([run for run in chosen.of(task) if run.method == method])
    } - {"seed", "device"})  # fmt: skip
    if odd:
        warnings.append(f"RUNS OF ONE METHOD DIFFER in {', '.join(odd)}")
    return Face(
        title(chosen.name, chosen.own),
        drawing.subtitle(runs, *counts),
        "; ".join(warnings) or None,
        f"{note} Recipe: {recipe.note}.",
    )


def changed(run: Run) -> list[str]:
    """The settings of a run, by dotted name, that task, preset and method do not give it."""
    return list(run.config["changed"])


# --- single runs -----------------------------------------------------------------------------


def _single_runs(chosen: Chosen, panels: Sequence[Panel], note: str = HEAD_0) -> Drawing:
    """One line a run, coloured by seed: a column a task, or a column a panel for one task."""
    tasks, rows = chosen.tasks, drawing.rows_of(chosen.runs, panels)
    across = len(tasks) if len(tasks) > 1 else len(panels)
    down = len(panels) if len(tasks) > 1 else 1
    figure = Figure(figsize=(max(8.0, 0.6 + 3.3 * across), 1.9 + 2.5 * down), dpi=150)
    drawing.write_face(figure, face(chosen, note))
    grid = figure.subplots(down, across, squeeze=False)
    if len(tasks) == 1:
        grid = grid.T
    colours = {seed: drawing.seed_colour(seed) for seed in sorted({r.seed for r in chosen.runs})}
    all_spans: dict[int, float] = {}
    marks: set[str] = set()
    for task, column in zip(tasks, grid.T, strict=True):
        runs = chosen.of(task)
        of_task = [row for row in rows if row.task == task]
        spans = drawing.masked_spans(runs)
        all_spans |= spans
        added = {
            record["environment_step"]
            for run in runs
            for record in run.of("intervention")
            if record.get("name") == "late_norm"
        }
        last = max((row.environment_step for row in of_task), default=0)
        for axes, panel in zip(column, panels, strict=True):
            drawing.over_steps(axes, last, spans.values())
            for step in added:
                axes.axvline(step, color="#333333", linewidth=1.2, linestyle="--")
                marks.add("added")

            def style(row: Row) -> dict[str, Any]:
                return {"color": colours[row.seed], "linewidth": 1.2, "alpha": 0.9}

            widths = {run.config["agent"]["hidden"][0] for run in runs} if panel is SCORE else ()
            marks |= drawing.lines(axes, panel, of_task, style, widths)
            title = panel.title.replace(", ", ",\n", 1)
            if len(tasks) == 1:
                drawing.plain(axes, panel.title if across < 4 else title)
            else:
                x = "environment steps" if panel is panels[-1] else ""
                y = title if task == tasks[0] else ""
                drawing.plain(axes, task if panel is panels[0] else "", x, y)
    entries = [
        Line2D([], [], color=colour, linewidth=1.8, label=f"seed {seed}")
        for seed, colour in colours.items()
    ]
    drawing.legend(figure, entries, all_spans, marks)
    return Drawing(figure, Row._fields, rows)


def dominance(chosen: Chosen) -> Drawing:
    """Largest score of the first hidden layer and saturation of the penultimate, run by run."""
    return _single_runs(chosen, (SCORE, SATURATED))


def late_norm(chosen: Chosen) -> Drawing:
    """Return, largest score and saturation while LayerNorm is absent and after it was added."""
    return _single_runs(chosen, (RETURN, SCORE, SATURATED))


def classification(chosen: Chosen) -> Drawing:
    """HL-Gauss: return, largest score, saturation of both hidden layers, penultimate dormancy.

    Section 4.2 speaks of the saturation of either layer, the caption of the dormant percentage.
    """
    return _single_runs(chosen, (RETURN, SCORE, FIRST_SATURATED, SATURATED, DORMANT))


def gradients(chosen: Chosen) -> Drawing:
    """Mean magnitude of the loss's gradient in the weights of either hidden layer, run by run."""
    return _single_runs(
        chosen, GRADIENTS, "Critic head 0; mean absolute gradient of the layer's weights."
    )


# --- learning curves -------------------------------------------------------------------------


class CurvePoint(NamedTuple):
    """The evaluations of one task and method at one environment step, over `seeds` runs."""

    task: str
    method: str
    environment_step: float
    seeds: int
    mean: float
    standard_deviation: float


def curve(runs: Sequence[Run]) -> list[CurvePoint]:
    """Mean and standard deviation over the runs of one task and method, step by step.

    The deviation is that among these runs (over n, not n - 1): of one run it is zero. A step that
    not every run has reached is told of those that have.
    """
    at: dict[float, list[float]] = {}
    for run in runs:
        for step, value in zip(*series(run, "evaluation", "return"), strict=True):
            at.setdefault(float(step), []).append(value)
    task, method = runs[0].config["task"], runs[0].method
    return [
        CurvePoint(task, method, step, len(at[step]), float(np.mean(at[step])),
                   float(np.std(at[step])))
        for step in sorted(at)
    ]  # fmt: skip


def learning_curves(chosen: Chosen) -> Drawing:
    """A panel a task: mean evaluation return over seeds, shaded by their standard deviation."""
    tasks, methods = chosen.tasks, drawing.methods_of(chosen.runs)
    looks = drawing.looks_of(methods)
    columns = min(4, len(tasks))
    down = -(-len(tasks) // columns)
    figure = Figure(figsize=(max(8.0, 3.3 * columns), 1.9 + 2.4 * down), dpi=150)
    note = "Mean over seeds; the band is one standard deviation among them, to either side."
    drawing.write_face(figure, face(chosen, note))
    grid = figure.subplots(down, columns, squeeze=False)
    rows: list[CurvePoint] = []
    spans: dict[int, float] = {}
    for index, axes in enumerate(grid.flat):
        if index >= len(tasks):
            axes.set_visible(False)
            continue
        runs, last = chosen.of(tasks[index]), 0.0
        of_task = drawing.masked_spans(runs)
        spans |= of_task
        for method in methods:
            of_method = [run for run in runs if run.method == method]
            points = curve(of_method) if of_method else []
            rows += points
            x, mean, spread = (
                np.array([getattr(point, name) for point in points])
                for name in ("environment_step", "mean", "standard_deviation")
            )
            colour, marker = looks[method]
            axes.plot(x, mean, color=colour, linewidth=1.5, marker=marker, markersize=4,
                      markevery=max(1, len(x) // 6))  # fmt: skip
            axes.fill_between(x, mean - spread, mean + spread, color=colour, alpha=0.15,
                              linewidth=0)  # fmt: skip
            last = max([last, *x])
        drawing.over_steps(axes, last, of_task.values())
        axes.set_ylim(min(0.0, axes.get_ylim()[0]), max(1.0, axes.get_ylim()[1]))
        below = index + columns >= len(tasks)
        left = "evaluation return" if index % columns == 0 else ""
        drawing.plain(axes, tasks[index], "environment steps" if below else "", left)
    drawing.legend(figure, drawing.method_entries(looks), spans, set())
    return Drawing(figure, CurvePoint._fields, rows)


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
    """The defined final returns of one method, by task; a task without any is left out."""
    found: dict[str, list[float]] = {}
    for run in runs:
        if run.method == method and math.isfinite(value := final_return(run)):
            found.setdefault(run.config["task"], []).append(value)
    return {task: np.array(found[task]) for task in sorted(found)}


def aggregates(runs: Sequence[Run]) -> list[Aggregate]:
    """Median, interquartile mean and mean of each method; the same runs give the same intervals.

    Empty where no run has been evaluated.
    """
    rows = []
    for method in drawing.methods_of(runs):
        scores = list(final_returns(runs, method).values())
        count = sum(len(task) for task in scores)
        for name, statistic in stats.STATISTICS.items() if scores else ():
            low, high = stats.interval(statistic, scores, generator=np.random.default_rng(0))
            rows.append(
                Aggregate(method, name, float(statistic(scores)), low, high, len(scores), count)
            )
    return rows


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
            low, high = stats.interval(statistic, *pair, generator=np.random.default_rng(0))
            value, count = float(statistic(*pair)), sum(len(task) for task in pair[0])
            rows.append(Aggregate(method, f"beats {first}", value, low, high, len(tasks), count))
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
    figure = Figure(figsize=(10.5, 2.1 + 0.48 * len(methods)), dpi=150)
    note = f"{LAST} Bars: 95 % intervals, stratified bootstrap over runs; line: the estimate."
    alone = [
        run for run, count in Counter(planned(r)[:2] for r in chosen.runs).items() if count < 2
    ]
    if alone:
        note += " Tasks with one run of a method widen no interval: those are too narrow."
    drawing.write_face(figure, face(chosen, note))
    grid = figure.subplots(1, len(stats.STATISTICS), squeeze=False)[0]
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


# --- scatter plots ---------------------------------------------------------------------------


class RunPoint(NamedTuple):
    """One run in numbers; scores are means over training (head 0), undefined ones carried on."""

    run: str
    task: str
    method: str
    seed: int
    largest_score: float
    srank: float
    final_return: float
    dormant: float


class MethodPoint(NamedTuple):
    """One method in numbers: the mean over `tasks` of the tasks' means over `runs` in all."""

    method: str
    tasks: int
    runs: int
    largest_score: float
    srank: float
    final_return: float
    dormant: float


METRICS = ("largest_score", "srank", "final_return", "dormant")
AGAINST = (
    ("srank", "srank,\nfirst hidden layer"),
    ("final_return", "last\nevaluation return"),
    ("dormant", "0.1-dormant,\npenultimate layer"),
)
AVERAGED = (
    "Critic head 0. The paper says averaged over seeds and tasks, not when: scores are means over "
    f"training, undefined ones carried on. {LAST}"
)


def run_points(chosen: Chosen) -> list[RunPoint]:
    def averaged(run: Run, key: str) -> float:
        values = drawing.filled(series(run, "scores", key)[1])
        values = values[np.isfinite(values)]
        return float(np.mean(values)) if len(values) else math.nan

    return [
        RunPoint(
            run.folder.name,
            *planned(run),
            averaged(run, SCORE.keys[0]),
            averaged(run, SRANK),
            final_return(run),
            averaged(run, DORMANT.keys[0]),
        )
        for run in chosen.runs
    ]


def method_points(chosen: Chosen) -> list[MethodPoint]:
    """A point a method, from the runs in which all four numbers are defined.

    Raises InputError where there is no such run.
    """
    points = [p for p in run_points(chosen) if all(math.isfinite(getattr(p, m)) for m in METRICS)]
    rows = []
    for method in drawing.methods_of(chosen.runs):
        ours = [point for point in points if point.method == method]
        tasks = [[p for p in ours if p.task == task] for task in chosen.tasks]
        tasks = [of_task for of_task in tasks if of_task]
        if tasks:
            values = (
                float(stats.mean([np.array([getattr(p, metric) for p in task]) for task in tasks]))
                for metric in METRICS
            )
            rows.append(MethodPoint(method, len(tasks), len(ours), *values))
    if not rows:
        raise _unevaluated(chosen)
    return rows


def _scatter(
    chosen: Chosen, panels: Sequence[tuple[str, Sequence[Any]]], rows: Sequence[Any], note: str
) -> Drawing:
    """A row of three axes for each panel (title, points)."""
    looks = drawing.looks_of(drawing.methods_of(chosen.runs))
    figure = Figure(figsize=(10.5, 2.1 + 2.2 * len(panels)), dpi=150)
    drawing.write_face(figure, face(chosen, note))
    grid = figure.subplots(len(panels), len(AGAINST), squeeze=False)
    for index, (title, points) in enumerate(panels):
        for axes, (metric, label) in zip(grid[index], AGAINST, strict=True):
            for method, (colour, marker) in looks.items():
                ours = [point for point in points if point.method == method]
                axes.plot([point.largest_score for point in ours],
                          [getattr(point, metric) for point in ours], marker, color=colour,
                          markersize=9 if len(panels) == 1 else 5.5, alpha=0.85)  # fmt: skip
            axes.margins(0.12)
            if metric == "dormant":
                drawing.in_percent(axes)
            x = "largest activation score, first hidden layer" if index + 1 == len(panels) else ""
            drawing.plain(axes, title if axes is grid[index, 0] else "", x, label)
            _wide(axes, [point.largest_score for point in points])
    drawing.legend(figure, drawing.method_entries(looks), (), set())
    return Drawing(figure, type(rows[0])._fields, rows)


def _wide(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic x axis, labelled at 1, 2 and 5, for values that differ by a factor above 10."""
    values = [value for value in values if math.isfinite(value)]
    if values and max(values) > 10 * min(values):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())


def scatter_by_method(chosen: Chosen) -> Drawing:
    """A point a method: largest score against srank, return and the penultimate's dormancy.

    The paper averages over seeds and tasks and does not say over which part of training: here the
    three scores are means over all of it and the return is that of the last evaluation.
    """
    rows = method_points(chosen)
    return _scatter(chosen, [("", rows)], rows, AVERAGED)


def scatter_by_run(chosen: Chosen) -> Drawing:
    """Figure 9 task by task, a point a run."""
    rows = run_points(chosen)
    panels = [(task, [point for point in rows if point.task == task]) for task in chosen.tasks]
    return _scatter(chosen, panels, rows, AVERAGED)


# --- classifiers ------------------------------------------------------------------------------


def dominated_classifiers(chosen: Chosen) -> Drawing:
    """A dominant neuron made in the middle of training, against runs without it."""
    if not any(run.method == "make-dominant" for run in chosen.runs):
        raise InputError("--runs", f"{len(chosen.runs)} runs", "figure 4 needs make-dominant")
    return classifiers.dominated(chosen.runs, face(chosen, "Scores: on pictures that are learnt."))


def shuffled_labels(chosen: Chosen) -> Drawing:
    """Labels that are shuffled every few epochs, against fixed ones."""
    if not any(task.endswith("-shuffled") for task in chosen.tasks):
        accepted = "figure redo-3 needs a task with -shuffled"
        raise InputError("--runs", f"{len(chosen.runs)} runs", accepted)
    return classifiers.shuffled(chosen.runs, face(chosen, "Scores: on pictures that are learnt."))


# --- all of them -----------------------------------------------------------------------------

FIGURES: dict[str, Callable[[Chosen], Drawing]] = {
    "2": dominance,
    "3": dominance,
    "4": dominated_classifiers,
    "5": aggregate_returns,
    "6": learning_curves,
    "7": aggregate_returns,
    "8": aggregate_returns,
    "9": scatter_by_method,
    "10": late_norm,
    "11": classification,
    "12": dominance,
    "13": gradients,
    "14": scatter_by_run,
    "15": learning_curves,
    "16": late_norm,
    "17": classification,
    "redo-3": shuffled_labels,
}


# What `own` draws of all: one of each kind that compares methods or tasks.
OWN = ("4", "5", "6", "9", "14", "redo-3")


def draw(name: str, runs: Sequence[Run], preset: str | None = None, own: bool = False) -> Drawing:
    """Figure `name` of the runs that belong to it; raises InputError where none can be made."""
    with drawing.house_style():
        return FIGURES[name](choose(name, runs, preset, own))


def draw_all(
    runs: Sequence[Run], preset: str | None = None, own: bool = False
) -> Iterator[tuple[str, Drawing | InputError]]:
    """Every figure, one after the other so that no two need be held, or why it cannot be drawn."""
    for name in OWN if own else FIGURES:
        try:
            drawn: Drawing | InputError = draw(name, runs, preset, own)
        except InputError as error:
            drawn = error
        yield name, drawn


def write(
    name: str, folder: Path, out: Path, preset: str | None = None, own: bool = False
) -> tuple[list[Path], dict[str, InputError]]:
    """Write `figure-NAME.png`, `.pdf` and `.csv` into `out`, for `all` of whatever can be drawn.

    Returns the PNGs, and why figures of `all` are missing and runs are left out. Raises InputError
    where the name is unknown or nothing can be drawn, or written.
    """
    if name not in RECIPES and name != "all":
        raise unknown("NAME", name, [*RECIPES, "all"])
    drawing.require_writable(out)
    damaged: list[InputError] = []
    runs = find_runs(folder, damaged=damaged, keep=KEEP)
    drawn: Iterable[tuple[str, Drawing | InputError]]
    if name == "all":
        drawn = draw_all(runs, preset, own)
    else:
        drawn = [(name, draw(name, runs, preset, own))]
    paths, refused = [], {}
    for name, made in drawn:
        if isinstance(made, InputError):
            refused[name] = made
            continue
        with as_input("--out", out, "nothing can be written there"):
            paths.append(drawing.save(made, out / f"figure-{name}.png"))
    if not paths:
        raise InputError("--runs", str(folder), "none of its runs belongs to a figure")
    return paths, refused | {error.field: error for error in damaged}
