"""The figures and tables of GraMa (Measure gradients, not activations!): what each shows, of which
runs.

The pictures are not part of the paper's text: tasks, seeds and methods are those of its captions,
legends and sections, and each note says what is ours. A neuron's gradient is that of its incoming
weights, as in the paper's code. A method without a number recycles as its Appendix A has it: ReDo
at tau 0.02, ReGraMa at 0.01 (SAC's 0), every 1,000 updates. Figure 2 is a drawing of an idea.
"""

from functools import partial

from fast.papers.grid import Panel, Recipe, joined
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
WALKERS = ("Ant-v4", "Walker2d-v4")
OF_ACTOR = (
    Panel("Actor's neurons of low gradient", "scores", ("actor/low_gradient_0.01",), "fraction"),
    Panel("Actor's dormant neurons, τ = 0", "scores", ("actor/dormant_0",), "fraction"),
)
ACTOR = "Recycled, and looked at, is the actor."
TASKS = "tasks, seeds and methods: the paper"


_bro = partial(Recipe, words=SHARES, own=True, agent="bro")
_sac = partial(Recipe, words=SHARES, own=True, agent="sac", preset="grama")
_dacer = partial(Recipe, seeds=4, words=ACTOR, own=True, agent="dacer")  # 4: the paper's number


def _arms(change: str) -> tuple[str, ...]:
    """A change of the agent by itself, with ReDo and with ReGraMa."""
    return tuple(joined(change, arm) for arm in ARMS)


RECIPES: dict[str, Recipe] = {
    "grama-1": _bro(
        "ReDo in BRO-net", "efficiency", (RETURN,), ("dog-stand", "dog-walk", "dog-run"), ARMS[:2],
        "tasks and 15 runs a method: the paper, which calls its states images", 5,
    ),
    "grama-3": _bro(
        "Neurons of little activation and of little gradient", "dormancy",
        (QUARTERS, DORMANT, INACTIVE), WALK, ("baseline",),
        "task and the quarters: the paper; seeds, layer, and all looks in place of one: ours", 4,
    ),
    **{
        f"grama-4-{name}": _sac(
            f"SAC with {spoken}", "dormancy", (RETURN, DORMANT, WITHOUT), WALK, _arms(change),
            "task, seeds and arms: the paper; what each score finds, in place of what was "
            f"recycled{more}: ours", 3,
        )
        for name, change, spoken, more in (
            ("residual", "residual", "residual blocks", ", and one block a network"),
            ("leaky-relu", "leaky-relu", "leaky ReLU in the critic", ""),
            ("layer-norm", "ln", "LayerNorm in the critic", ""),
        )
    },
    "grama-5-time": _bro(
        "The time of both scores", "dormancy", (COST,), WALK, ARMS,
        "agent: the paper; task and seeds: ours. Here both are read from one and the same pass", 4,
    ),
    "grama-5-classes": _bro(
        "Classes that come in one after the other", "dormancy", (TEST, INACTIVE),
        ("cifar-100-incremental",), ("baseline", "redo-0.02", "regrama"),
        "data and arms: the paper; network and seeds: ours", 5,
        agent="classifier", preset="grama",
    ),
    "grama-6-held": _bro(
        "Shares held inactive, and return", "dormancy", (INACTIVE, RETURN), WALK,
        ("baseline", *(f"regrama-most-{share:g}" for share in MOST), "regrama"),
        "task and four agents: the paper; which shares of a layer are recycled at most: ours", 4,
    ),
    "grama-6-traced": _bro(
        "What is inactive stays inactive", "dormancy", (STAY, INACTIVE), WALK, ("baseline",),
        "the claim: the paper (its 0.0095 is 0.01 here); layer, seeds, and every look with the one "
        "before in place of 1,000 neurons traced: ours", 4,
    ),
    "grama-7": _bro(
        "Pruning by either score", "curves", (RETURN,), WALK,
        ("baseline", "prune-dormant", "prune-low-gradient"),
        "task and seeds: the paper; period and thresholds, those of recycling: ours", 4,
    ),
    "grama-8": _bro(
        "Return and inactive neurons of BRO-net", "dormancy", (RETURN, INACTIVE), FOUR, ARMS,
        TASKS, 4,
    ),
    **{
        f"grama-9-blocks-{depth}": _bro(
            f"BRO-net of depth {depth}", "aggregates", (RETURN,), FOUR, _arms(f"blocks-{depth}"),
            "tasks, seeds and depths 1 to 4 of both networks: the paper", 12,
        )
        for depth in (1, 2, 3, 4)
    },
    "grama-10": _dacer(
        "Return of a diffusion policy, DACER", "dormancy", (RETURN,), WALKERS, ARMS,
        "tasks, methods and 4 seeds: the paper, whose boxes are of normalised scores",
    ),
    "grama-11": _dacer(
        "Inactive neurons of a diffusion policy, DACER", "dormancy", OF_ACTOR, WALKERS, ARMS,
        "tasks, methods and 4 seeds: the paper; when a neuron is inactive: ours",
    ),
    **{
        f"grama-12-{name}": _sac(
            f"SAC with {name} in the critic", "dormancy", (RETURN, DORMANT, WITHOUT, INACTIVE),
            ("Ant-v4",), _arms(change), "robot, seeds and methods: the paper; thresholds: ours", 4,
        )
        for name, change in (("relu", "baseline"), ("sigmoid", "sigmoid"), ("tanh", "tanh"))
    },
    "grama-13": _bro(
        "Thresholds", "aggregates", (RETURN,), ("humanoid-walk",),
        tuple(f"{arm}-tau-{tau:g}" for arm in ARMS[1:] for tau in TAUS),
        "task, seeds and the interval [0, 0.1]: the paper, which draws from it; five steps: ours",
        4,
    ),
    "grama-table-8": _bro(
        "Return with every remedy", "curves", (RETURN,),
        ("humanoid-stand", "humanoid-run", "dog-stand", "dog-walk"),
        ("baseline", "regrama", "redo", "shrink-perturb", "reborn", "continual-backprop"),
        f"{TASKS}; their settings: ours, as it gives none", 3,
    ),
    "grama-table-9": Recipe(
        "ReGraMa with L2-init and with weight decay, DrQ-v2",
        "dormancy", (RETURN,), ("quadruped-run",),
        ("baseline", "regrama", "regrama+l2-init", "regrama+weight-decay",
         "regrama+l2-init+weight-decay"),
        "task, methods and L2-init's 0.01: the paper; seeds, weight decay (ReDo's) and that "
        "the critic is recycled: ours", 3, own=True, agent="drqv2",
    ),
}  # fmt: skip
