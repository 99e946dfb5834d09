"""The figures of OCP (Rethinking Plasticity in Deep Reinforcement Learning): what each shows, of
which runs.

The pictures are not part of the paper's text, and neither are seeds and the threshold of a dormant
neuron: 0 here, as in its Definition 1. Figure 2 is a drawing of an idea, of no runs.
"""

from functools import partial

from fast.papers.grid import Panel, Recipe
from fast.papers.neuron_dominance import RETURN
from fast.papers.redo import DORMANT, NEARLY

# Two hidden layers each, as the paper counts them.
VALUE = {"critic/head.dense0": "Value-0", "critic/head.dense1": "Value-1"}
POLICY = {"actor/head.dense0": "Policy-0", "actor/head.dense1": "Policy-1"}
NEURONS = (("dormant_0", "dormant, τ = 0"), ("zero_gradient", "without gradient"))
OVERLAPS = tuple((f"{name}_overlap", f"{words}: overlap") for name, words in NEURONS)
TASKS, ARMS = ("HalfCheetah-v4",), ("baseline", "no-activation")  # ReLU, and none (section 1)
OURS = "task and arms: the paper; seeds: ours"
PER_LAYER = f"the layers: the paper; {OURS}"
FITTED = f"the runs whose networks are fitted; {OURS}"


def _of(
    layers: dict[str, str], measures: tuple[tuple[str, str], ...], axis: str = "linear"
) -> tuple[Panel, ...]:
    """A panel for each measure of each layer."""
    return tuple(
        Panel(f"{spoken}: {words}", "scores", (f"{layer}/{measure}",), axis)
        for layer, spoken in layers.items()
        for measure, words in measures
    )


_ppo = partial(Recipe, seeds=3, own=True, agent="ppo")

RECIPES: dict[str, Recipe] = {
    "ocp-1": _ppo(
        "Return and dormant neurons of PPO with and without activations",
        "dormancy", (RETURN, DORMANT, NEARLY), TASKS, ARMS, f"{OURS}, and the third panel",
        words="Without activations no score is exactly 0.",
    ),
    "ocp-3": _ppo(
        "A regression by value networks, trained and fresh: `python -m fast regression`",
        "regression", (), TASKS, ARMS, FITTED,
    ),
    "ocp-4": _ppo(
        "Dormant neurons and neurons without gradient, and what of them stays",
        "dormancy", _of({"critic/head.dense1": "Value-1"}, NEURONS + OVERLAPS, "fraction"),
        TASKS, ARMS[:1], f"the layer: ours; {OURS}", words="Overlap: with the look before.",
    ),
    "ocp-5": _ppo(
        "A regression at several learning rates: `python -m fast regression`",
        "regression", (), TASKS, ARMS, FITTED,
    ),
    "ocp-6-value": _ppo(
        "Dormant neurons and neurons without gradient, value network",
        "dormancy", _of(VALUE, NEURONS, "fraction"), TASKS, ARMS[:1], PER_LAYER,
    ),
    "ocp-6-policy": _ppo(
        "Dormant neurons and neurons without gradient, policy",
        "dormancy", _of(POLICY, NEURONS, "fraction"), TASKS, ARMS[:1], PER_LAYER,
    ),
    "ocp-appendix-c": _ppo(
        "Weights of each layer",
        "dormancy", _of(VALUE | POLICY, (("weight_norm", "weight norm"),)), TASKS, ARMS,
        f"which statistics: ours; {OURS}",
    ),
    "ocp-appendix-d": _ppo(
        "Ranks of each layer's activations",
        "dormancy", _of(VALUE | POLICY, (("srank", "srank"),)), TASKS, ARMS,
        f"which rank: ours; {OURS}",
    ),
}  # fmt: skip
