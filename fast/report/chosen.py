"""Which runs a figure is of, and what stands on its face: what is there of what its recipe asks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from fast.errors import InputError
from fast.papers.grid import Recipe
from fast.papers.recipes import RECIPES
from fast.report import drawing
from fast.report.drawing import Face
from fast.runs.records import Run, differing

# How a figure's name begins, and how that is spoken.
PAPERS = {
    "redo-table-": "ReDo, Table ",
    "redo-": "ReDo, Figure ",
    "ocp-appendix-": "OCP, Appendix ",
    "ocp-": "OCP, Figure ",
    "grama-table-": "GraMa, Table ",
    "grama-": "GraMa, Figure ",
}
OWN = tuple(name for name, recipe in RECIPES.items() if recipe.own)


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
        present = {run.task for run in self.runs}
        return [task for task in self.recipe.tasks if task in present]

    def of(self, task: str) -> list[Run]:
        return [run for run in self.runs if run.task == task]


def planned(run: Run) -> tuple[str, str, int]:
    return run.task, run.method, run.seed


def title(name: str, own: bool = False) -> str:
    """What stands above a figure; with `own`, that it is not the paper's."""
    if name == "survival":  # it is in no paper
        return RECIPES[name].title
    text = f"Figure {name}. {RECIPES[name].title}"
    for written, spoken in PAPERS.items():
        text = text.replace(f"Figure {written}", spoken)
    return f"As {text.removesuffix(', 12 tasks')}" if own else text


def own_recipe(recipe: Recipe, runs: Sequence[Run]) -> Recipe:
    """The recipe with the tasks and methods of `runs`, and as many seeds as any of these has."""
    counts = Counter(planned(run)[:2] for run in runs)
    return replace(
        recipe,
        tasks=tuple(sorted({run.task for run in runs})),
        methods=tuple(drawing.methods_of(runs)),
        seeds=max(counts.values(), default=0),
        note="the tasks, methods and seeds that are here, not the paper's",
    )


def fits(recipe: Recipe, run: Run) -> bool:
    """Whether a run is of the recipe's kind: for DrQ's of any player, else of its agent and its
    methods."""
    if recipe.family == "survival":  # it is of any agent
        return True
    kind, task = run.config["agent"]["kind"], run.task
    if recipe.agent == "drq":
        return kind != "classifier"
    shuffles = any(name.endswith("-shuffled") for name in recipe.tasks)
    return (
        kind == recipe.agent
        and run.method in recipe.methods
        and (shuffles or not task.endswith("-shuffled"))
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
        papers = RECIPES[name]
        methods, tasks = _few(papers.methods, "methods"), _few(papers.tasks, "tasks")
        made = preset or papers.preset
        make = f"python -m fast sweep --figure {name} --preset {made} --out DIR"
        accepted = f"figure {name} takes {methods} on {tasks}; none is here. Make them: {make}"
        raise InputError("--runs", f"{beside} runs", accepted)
    counts = Counter(planned(run) for run in found)
    twice = sorted(str(key) for key, count in counts.items() if count > 1)
    if twice:
        raise InputError("--runs", twice, "one run of each task, method and seed is accepted")
    return Chosen(name, recipe, found, beside - len(found), own)


def _few(names: Sequence[str], kind: str) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{len(names)} {kind}"


def face(chosen: Chosen, note: str) -> Face:
    """Title, what was run, and a warning where a run is missing, unfinished or unlike the rest."""
    recipe, runs = chosen.recipe, chosen.runs
    here, wanted = len(runs), len(recipe.tasks) * len(recipe.methods) * recipe.seeds
    seeds = Counter(planned(run)[:2] for run in runs)
    few, many = min(seeds.values()), max(seeds.values())
    counts = [
        f"{here:,} of {wanted:,} runs",
        f"{few if few == many else f'{few} to {many}'} of {recipe.seeds} seeds",
    ]
    for name, kind in (("task", "tasks"), ("method", "methods")):
        present, all_of = {run.config[name] for run in runs}, getattr(recipe, kind)
        if len(present) < len(all_of):
            counts.append(f"{len(present)} of {len(all_of)} {kind}")
    other = sorted({setting for run in runs for setting in run.config["changed"]})
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
        for pair in seeds
        for setting in differing([run for run in runs if planned(run)[:2] == pair])
    } - {"seed", "device"})  # fmt: skip
    if odd:
        warnings.append(f"RUNS OF ONE METHOD DIFFER in {', '.join(odd)}")
    return Face(
        title(chosen.name, chosen.own),
        drawing.subtitle(runs, *counts),
        "; ".join(warnings) or None,
        f"{note} Recipe: {recipe.note}.",
    )
