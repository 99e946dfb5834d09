"""Which runs each figure of Neuron Dominance, and ReDo's Figure 3, needs: tasks, methods, seeds.

The text names four sparse tasks and two dense ones; the pictures are not part of it. So each list
says what is the paper's and what is ours, and so does the note of each recipe.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fast.errors import unknown

# B.1: the suite's own, and two with other constants (fast/envs/dmc.py says which have an effect).
UNMASKED_SPARSE = ("cartpole-swingup_sparse", "cartpole-balance_sparse-narrow", "finger-spin-fast")
# B.1: the reward is masked in the critic's updates for the first half of training.
MASKED_REACHER = "reacher-easy-masked"
# Figures 3, 16 and 17 show two more masked tasks, which the text never names. Ours: two of PlaNet's
# six, of two other domains.
FURTHER_MASKED = ("cartpole-swingup-masked", "walker-walk-masked")
PAPER_MASKED = (MASKED_REACHER, *FURTHER_MASKED)
PAPER_SPARSE = (*UNMASKED_SPARSE, MASKED_REACHER)
# The text has eight and names reacher-easy and cheetah-run. Ours: the other four of PlaNet's six
# (Hafner et al. 2019), then hopper-hop and walker-run, which are harder.
PAPER_DENSE = (
    "ball_in_cup-catch",
    "cartpole-swingup",
    "cheetah-run",
    "finger-spin",
    "hopper-hop",
    "reacher-easy",
    "walker-run",
    "walker-walk",
)
# Hours of a run at the paper's scale on one GPU. Assumed, for no GPU was at hand: others report 56
# agent steps per second of a DrQ-v2 in JAX on an RTX 3080, which makes an update every second step
# at batch 256; at the paper's 512 an update is taken to last twice as long. There are a million.
HOURS = round(1_000_000 / (56 / 2 * 256 / 512) / 3600)
PAPER_TASKS = (*PAPER_DENSE, *PAPER_SPARSE)  # the twelve of section 4.1

# Section 4: five approaches and the DrQ baseline.
PAPER_METHODS = ("baseline", "reset", "redo", "pruning", "hl-gauss", "lnwd")


class PlannedRun(NamedTuple):
    """One run of a sweep."""

    task: str
    method: str
    seed: int

    @property
    def name(self) -> str:
        """The name of its folder in the sweep's."""
        return f"{self.task}.{self.method}.{self.seed}"


@dataclass(frozen=True)
class Recipe:
    """The runs of one figure: every task with every method under seeds 0 to `seeds - 1`."""

    title: str
    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: int
    note: str  # what of it the paper's text gives and what is our choice
    agent: str = "drq"

    @property
    def runs(self) -> list[PlannedRun]:
        return plan(self.tasks, self.methods, self.seeds)


def plan(tasks: Sequence[str], methods: Sequence[str], seeds: int) -> list[PlannedRun]:
    """All runs, seed by seed: so that a sweep that is stopped early has compared everything."""
    every = [PlannedRun(t, m, seed) for seed in range(seeds) for t in tasks for m in methods]
    return list(dict.fromkeys(every))  # two processes would train what is named twice


_SIX_SEEDS = "6 seeds: the paper (Figures 6 and 9); six dense tasks: ours"
_EIGHT_OURS = "the number of seeds: ours, as in Figures 2 and 3"

RECIPES: dict[str, Recipe] = {
    "2": Recipe(
        "Largest activation score and next-layer saturation, sparse tasks",
        UNMASKED_SPARSE,
        ("baseline",),
        8,
        "8 seeds: the paper; that these three tasks are here and the masked ones in Figure 3: the "
        "caption of Figure 3 (the text also calls the masked reacher-easy Figure 2 (d))",
    ),
    "3": Recipe(
        "Largest activation score and next-layer saturation, masked rewards",
        PAPER_MASKED,
        ("baseline",),
        8,
        "8 seeds, reacher-easy: the paper; the two further tasks: ours",
    ),
    "4": Recipe(
        "A dominant neuron made in supervised training",
        ("cifar-10",),
        ("baseline", "make-dominant"),
        5,
        "data: the paper; 5 seeds: ours",
        "classifier",
    ),
    "5": Recipe("Aggregate return, 12 tasks", PAPER_TASKS, PAPER_METHODS, 6, _SIX_SEEDS),
    "6": Recipe("Learning curves, 12 tasks", PAPER_TASKS, PAPER_METHODS, 6, _SIX_SEEDS),
    "7": Recipe("Aggregate return, dense tasks", PAPER_DENSE, PAPER_METHODS, 6, _SIX_SEEDS),
    "8": Recipe(
        "Aggregate return, sparse tasks",
        PAPER_SPARSE,
        PAPER_METHODS,
        6,
        "tasks and 6 seeds: the paper",
    ),
    "9": Recipe(
        "Largest activation score against srank, return and dormancy, by method",
        PAPER_TASKS,
        PAPER_METHODS,
        6,
        _SIX_SEEDS,
    ),
    "10": Recipe(
        "LayerNorm added at half time",
        (MASKED_REACHER,),
        ("late-ln",),
        8,
        f"task: the paper; {_EIGHT_OURS}",
    ),
    "11": Recipe(
        "HL-Gauss while the reward is masked and after",
        (MASKED_REACHER,),
        ("hl-gauss",),
        8,
        f"task: the paper; {_EIGHT_OURS}",
    ),
    "12": Recipe(
        "Dominance with a ResNet-18 encoder",
        UNMASKED_SPARSE[:2],
        ("resnet18",),
        8,
        f"two sparse tasks: the paper; which two: ours; {_EIGHT_OURS}",
    ),
    "13": Recipe(
        "Gradient magnitude of the heads' layers",
        ("cartpole-balance_sparse-narrow",),
        ("baseline",),
        8,
        "the paper shows those runs of Figure 2 (c) that fail, this all of them",
    ),
    "14": Recipe(
        "Largest activation score against srank, return and dormancy, by run",
        PAPER_TASKS,
        PAPER_METHODS,
        6,
        _SIX_SEEDS,
    ),
    "15": Recipe(
        "LayerNorm with and without weight decay",
        PAPER_TASKS,
        ("ln", "lnwd"),
        6,
        "12 tasks: the paper; six dense tasks and the number of seeds: ours, as in Figure 6",
    ),
    "16": Recipe(
        "LayerNorm added at half time, further tasks",
        FURTHER_MASKED,
        ("late-ln",),
        8,
        f"two tasks: the paper; which two: ours; {_EIGHT_OURS}",
    ),
    "17": Recipe(
        "HL-Gauss while the reward is masked and after, further tasks",
        FURTHER_MASKED,
        ("hl-gauss",),
        8,
        f"two tasks: the paper; which two: ours; {_EIGHT_OURS}",
    ),
    # Of ReDo, section 3.
    "redo-3": Recipe(
        "Dormant neurons with fixed and with shuffled labels",
        ("cifar-10", "cifar-10-shuffled"),
        ("baseline",),
        3,
        "data and 3 seeds: the paper",
        "classifier",
    ),
}


def figure_runs(figure: str, seeds: int | None = None) -> list[PlannedRun]:
    """The runs of a figure, under other than its own number of `seeds` if that is given.

    Raises:
        InputError: for a figure that is not among them.
    """
    if figure not in RECIPES:
        raise unknown("--figure", figure, RECIPES, ["2 to 17", "redo-3"])
    recipe = RECIPES[figure]
    return plan(recipe.tasks, recipe.methods, seeds or recipe.seeds)


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
            sizes, hours = f"{sizes} of a {recipe.agent}", "not assumed"
        row = (f"{figure}: {recipe.title}", f"`sweep --figure {figure}`", sizes, hours)
        lines.append(f"| {' | '.join(row)} |")
    count = len(everything)
    return "\n".join([*lines, f"| all, each run once (of DrQ) | | {count} | {count * HOURS:,} |"])
