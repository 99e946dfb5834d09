"""Figures and tables of GraMa (Measure gradients, not activations): what each shows, of which runs.

The pictures are not part of the paper's text. A method without a number recycles as its Appendix A
has it: ReDo at tau 0.02, ReGraMa at 0.01, every 1,000 updates.
"""

from fast.papers.grid import Panel, Recipe
from fast.papers.neuron_dominance import RETURN

WALKERS = ("Ant-v4", "Walker2d-v4")
RECYCLED = ("baseline", "redo", "regrama")
INACTIVE = (
    Panel("Actor's neurons of low gradient", "scores", ("actor/low_gradient_0.01",), "fraction"),
    Panel("Actor's dormant neurons, τ = 0", "scores", ("actor/dormant_0",), "fraction"),
)
ACTOR = "Recycled, and looked at, is the actor."


def _dacer(title: str, panels: tuple[Panel, ...], note: str) -> Recipe:
    """Of DACER under 4 seeds, the paper's number."""
    return Recipe(title, "dormancy", panels, WALKERS, RECYCLED, 4, note, ACTOR, True, "dacer")


RECIPES: dict[str, Recipe] = {
    "grama-10": _dacer(
        "Return of a diffusion policy, DACER",
        (RETURN,), "tasks, methods and 4 seeds: the paper, whose boxes are of normalised scores",
    ),
    "grama-11": _dacer(
        "Inactive neurons of a diffusion policy, DACER",
        INACTIVE, "tasks, methods and 4 seeds: the paper; when a neuron is inactive: ours",
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
