"""Every figure that can be drawn, of all papers, by the name that `sweep` and `figure` take."""

from collections.abc import Sequence

from fast.errors import unknown
from fast.papers import grama, neuron_dominance, ocp, redo
from fast.papers.grid import PlannedRun, Recipe, plan
from fast.papers.neuron_dominance import HOURS

RECIPES: dict[str, Recipe] = {
    **neuron_dominance.RECIPES,
    **redo.RECIPES,
    **ocp.RECIPES,
    **grama.RECIPES,
}


def figure_runs(
    figure: str, seeds: int | None = None, tasks: Sequence[str] = ()
) -> list[PlannedRun]:
    """The runs of a figure, under other than its own number of `seeds` and its own `tasks` if those
    are given.

    Raises:
        InputError: for a figure that is not among them.
    """
    if figure not in RECIPES:
        names = ["2 to 17", "survival", "redo-1 to redo-30", "ocp-1 to ocp-6", "grama-1 to -13"]
        raise unknown("--figure", figure, RECIPES, names)
    recipe = RECIPES[figure]
    return plan(tasks or recipe.tasks, recipe.methods, seeds or recipe.seeds)


def table() -> str:
    """Which runs each figure needs, and at which cost, in Markdown; figures share runs."""
    lines = ["| figure | command | runs | GPU hours (assumed) |", "|---|---|---|---|"]
    everything: set[PlannedRun] = set()
    for figure, recipe in RECIPES.items():
        count = len(recipe.runs)
        sizes = f"{len(recipe.tasks)} x {len(recipe.methods)} x {recipe.seeds} = {count}"
        if recipe.agent == "drq":
            hours, everything = f"{count * HOURS:,}", everything | set(recipe.runs)
        else:
            sizes, hours = f"{sizes} of {NOUNS[recipe.agent]}", "not assumed"
        preset = "" if recipe.preset == "paper" else f" --preset {recipe.preset}"
        row = (f"{figure}: {recipe.title}", f"`sweep --figure {figure}{preset}`", sizes, hours)
        lines.append(f"| {' | '.join(row)} |")
    count = len(everything)
    return "\n".join([*lines, f"| all, each run once (of DrQ) | | {count} | {count * HOURS:,} |"])


NOUNS = {"bro": "BRO", "classifier": "a classifier", "dacer": "DACER", "dqn": "DQN",
         "drqv2": "DrQ-v2", "ppo": "PPO", "sac": "SAC"}  # fmt: skip
