"""The figures and tables of GraMa (Measure gradients, not activations!): what each shows, of which
runs.

The pictures are not part of the paper's text: tasks, seeds and methods are those of its captions,
legends and sections, and each note says what is ours. A neuron's gradient is that of its incoming
weights, as in the paper's code. A method without a number recycles as its Appendix A has it: ReDo
at tau 0.02, ReGraMa at 0.01 (SAC's 0), every 1,000 updates. Figure 2 is a drawing of an idea.
"""

from typing import Any

from fast.papers.grid import Panel, Recipe
from fast.papers.neuron_dominance import RETURN, TEST

INACTIVE = Panel("Low gradient, τ = 0.01", "scores", ("low_gradient_0.01",), "fraction")
WITHOUT = Panel("Without gradient, τ = 0", "scores", ("zero_gradient",), "fraction")
DORMANT = Panel("Dormant neurons, τ = 0.02", "scores", ("dormant_0.02",), "fraction")
COST = Panel("Scoring and recycling, ms an agent step", "timing", ("intervention_ms",))
FIRST = "critic/heads.0.blocks.0.dense"  # of the layers of BRO-net that are recycled
QUARTERS = Panel("Lowest quarters' overlap", "scores", (f"{FIRST}/lowest_quarters",), "fraction")
STAY = Panel(
    "Still of low gradient, of those before", "scores", (f"{FIRST}/low_gradient_0.01_retention",),
    "fraction",
)  # fmt: skip

SHARES = "Shares: of the neurons of all layers."
WALK = ("dog-walk",)
FOUR = ("humanoid-stand", "dog-walk", "dog-stand", "humanoid-walk")
ARMS = ("baseline", "redo", "regrama")
TAUS = (0.0, 0.025, 0.05, 0.075, 0.1)
MOST = (0.01, 0.05, 0.1)
SAC = {"agent": "sac", "preset": "grama"}
WALKERS = ("Ant-v4", "Walker2d-v4")
OF_ACTOR = (
    Panel("Actor's neurons of low gradient", "scores", ("actor/low_gradient_0.01",), "fraction"),
    Panel("Actor's dormant neurons, τ = 0", "scores", ("actor/dormant_0",), "fraction"),
)
ACTOR = "Recycled, and looked at, is the actor."
TASKS = "tasks, seeds and methods: the paper"


def _recipe(title: str, family: str, panels: tuple[Panel, ...], tasks: tuple[str, ...],
            methods: tuple[str, ...], seeds: int, note: str, **of: Any) -> Recipe:  # fmt: skip
    """Of BRO, where no other agent is named."""
    return Recipe(
        title, family, panels, tasks, methods, seeds, note, SHARES, True, **{"agent": "bro"} | of
    )


def _arms(change: str) -> tuple[str, ...]:
    """A change of the agent by itself, with ReDo and with ReGraMa."""
    return tuple(change if arm == "baseline" else f"{change}+{arm}" for arm in ARMS)


def _dacer(title: str, panels: tuple[Panel, ...], note: str) -> Recipe:
    """Of DACER under 4 seeds, the paper's number."""
    return Recipe(title, "dormancy", panels, WALKERS, ARMS, 4, note, ACTOR, True, "dacer")


RECIPES: dict[str, Recipe] = {
    "grama-1": _recipe(
        "ReDo in BRO-net", "efficiency", (RETURN,), ("dog-stand", "dog-walk", "dog-run"), ARMS[:2],
        5, "tasks and 15 runs a method: the paper, which calls its states images",
    ),
    "grama-3": _recipe(
        "Neurons of little activation and of little gradient", "dormancy",
        (QUARTERS, DORMANT, INACTIVE), WALK, ("baseline",), 4,
        "task and the quarters: the paper; seeds, layer, and all looks in place of one: ours",
    ),
    **{
        f"grama-4-{name}": _recipe(
            f"SAC with {spoken}", "dormancy", (RETURN, DORMANT, WITHOUT), WALK, _arms(change), 3,
            f"task, seeds and arms: the paper; what each score finds, in place of what was "
            f"recycled{more}: ours", **SAC,
        )
        for name, change, spoken, more in (
            ("residual", "residual", "residual blocks", ", and one block a network"),
            ("leaky-relu", "leaky-relu", "leaky ReLU in the critic", ""),
            ("layer-norm", "ln", "LayerNorm in the critic", ""),
        )
    },
    "grama-5-time": _recipe(
        "The time of both scores", "dormancy", (COST,), WALK, ARMS, 4,
        "agent: the paper; task and seeds: ours. Here both are read from one and the same pass",
    ),
    "grama-5-classes": _recipe(
        "Classes that come in one after the other", "dormancy", (TEST, INACTIVE),
        ("cifar-100-incremental",), ("baseline", "redo-0.02", "regrama"), 5,
        "data and arms: the paper; network and seeds: ours",
        agent="classifier", preset="grama",
    ),
    "grama-6-held": _recipe(
        "Shares held inactive, and return", "dormancy", (INACTIVE, RETURN), WALK,
        ("baseline", *(f"regrama-most-{share:g}" for share in MOST), "regrama"), 4,
        "task and four agents: the paper; which shares of a layer are recycled at most: ours",
    ),
    "grama-6-traced": _recipe(
        "What is inactive stays inactive", "dormancy", (STAY, INACTIVE), WALK, ("baseline",), 4,
        "the claim: the paper (its 0.0095 is 0.01 here); layer, seeds, and every look with the one "
        "before in place of 1,000 neurons traced: ours",
    ),
    "grama-7": _recipe(
        "Pruning by either score", "curves", (RETURN,), WALK,
        ("baseline", "prune-dormant", "prune-low-gradient"), 4,
        "task and seeds: the paper; period and thresholds, those of recycling: ours",
    ),
    "grama-8": _recipe(
        "Return and inactive neurons of BRO-net", "dormancy", (RETURN, INACTIVE), FOUR, ARMS, 4,
        TASKS,
    ),
    **{
        f"grama-9-blocks-{depth}": _recipe(
            f"BRO-net of depth {depth}", "aggregates", (RETURN,), FOUR, _arms(f"blocks-{depth}"),
            12, "tasks, seeds and depths 1 to 4 of both networks: the paper",
        )
        for depth in (1, 2, 3, 4)
    },
    "grama-10": _dacer(
        "Return of a diffusion policy, DACER",
        (RETURN,), "tasks, methods and 4 seeds: the paper, whose boxes are of normalised scores",
    ),
    "grama-11": _dacer(
        "Inactive neurons of a diffusion policy, DACER",
        OF_ACTOR, "tasks, methods and 4 seeds: the paper; when a neuron is inactive: ours",
    ),
    **{
        f"grama-12-{name}": _recipe(
            f"SAC with {name} in the critic", "dormancy", (RETURN, DORMANT, WITHOUT, INACTIVE),
            ("Ant-v4",), methods, 4, f"robot, {TASKS.removeprefix('tasks, ')}; thresholds: ours",
            **SAC,
        )
        for name, methods in (("relu", ARMS), ("sigmoid", _arms("sigmoid")),
                              ("tanh", _arms("tanh")))
    },
    "grama-13": _recipe(
        "Thresholds", "aggregates", (RETURN,), ("humanoid-walk",),
        tuple(f"{arm}-tau-{tau:g}" for arm in ARMS[1:] for tau in TAUS), 4,
        "task, seeds and the interval [0, 0.1]: the paper, which draws from it; five steps: ours",
    ),
    "grama-table-8": _recipe(
        "Return with every remedy", "curves", (RETURN,),
        ("humanoid-stand", "humanoid-run", "dog-stand", "dog-walk"),
        ("baseline", "regrama", "redo", "shrink-perturb", "reborn", "continual-backprop"), 3,
        f"{TASKS}; their settings: ours, as it gives none",
    ),
    "grama-table-9": Recipe(
        "ReGraMa with L2-init and with weight decay, DrQ-v2",
        "dormancy", (RETURN,), ("quadruped-run",),
        ("baseline", "regrama", "regrama+l2-init", "regrama+weight-decay",
         "regrama+l2-init+weight-decay"),
        3, "task, methods and L2-init's 0.01: the paper; seeds, weight decay (ReDo's) and that "
        "the critic is recycled: ours", "", True, "drqv2",
    ),
}  # fmt: skip
