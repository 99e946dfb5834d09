"""The figures of OCP (Rethinking Plasticity in Deep Reinforcement Learning): what each shows, of
which runs.

The pictures are not part of the paper's text, and neither are seeds and the threshold of a dormant
neuron: 0 here, as in its Definition 1. Figure 2 is a drawing of an idea, of no runs.
"""

from fast.papers.grid import Panel, Recipe
from fast.papers.neuron_dominance import RETURN
from fast.papers.redo import DORMANT, NEARLY

VALUE, POLICY = "critic/head", "actor/head"  # two hidden layers each: dense0, dense1
NEURONS = (("dormant_0", "dormant, τ = 0"), ("zero_gradient", "without gradient"))
TASKS, ARMS = ("HalfCheetah-v4",), ("baseline", "no-activation")  # ReLU, and none (section 1)
OURS = "task and arms: the paper; seeds: ours"


def _of(
    layers: dict[str, str], measures: tuple[tuple[str, str], ...], axis: str
) -> tuple[Panel, ...]:
    """A panel for each measure of each layer."""
    return tuple(
        Panel(f"{spoken}: {words}", "scores", (f"{layer}/{measure}",), axis)
        for layer, spoken in layers.items()
        for measure, words in measures
    )


def _layers(head: str, name: str) -> dict[str, str]:
    return {f"{head}.dense0": f"{name}-0", f"{head}.dense1": f"{name}-1"}  # as the paper counts


def _ppo(title: str, panels: tuple[Panel, ...], methods: tuple[str, ...], note: str,
         words: str = "", family: str = "dormancy") -> Recipe:  # fmt: skip
    return Recipe(title, family, panels, TASKS, methods, 3, note, words, True, "ppo")


_NETWORKS = _layers(VALUE, "Value") | _layers(POLICY, "Policy")
_OVERLAPS = tuple((f"{name}_overlap", f"{words}: overlap") for name, words in NEURONS)
_PER_LAYER = f"the layers: the paper; {OURS}"

RECIPES: dict[str, Recipe] = {
    "ocp-1": _ppo(
        "Return and dormant neurons of PPO with and without activations",
        (RETURN, DORMANT, NEARLY), ARMS, f"{OURS}, and the third panel",
        "Without activations no score is exactly 0.",
    ),
    "ocp-3": _ppo(
        "A regression by value networks, trained and fresh: `python -m fast regression`",
        (), ARMS, f"the runs whose networks are fitted; {OURS}", family="regression",
    ),
    "ocp-4": _ppo(
        "Dormant neurons and neurons without gradient, and what of them stays",
        _of({f"{VALUE}.dense1": "Value-1"}, NEURONS + _OVERLAPS, "fraction"), ARMS[:1],
        f"the layer: ours; {OURS}", "Overlap: with the look before.",
    ),
    "ocp-5": _ppo(
        "A regression at several learning rates: `python -m fast regression`",
        (), ARMS, f"the runs whose networks are fitted; {OURS}", family="regression",
    ),
    "ocp-6-value": _ppo(
        "Dormant neurons and neurons without gradient, value network",
        _of(_layers(VALUE, "Value"), NEURONS, "fraction"), ARMS[:1], _PER_LAYER,
    ),
    "ocp-6-policy": _ppo(
        "Dormant neurons and neurons without gradient, policy",
        _of(_layers(POLICY, "Policy"), NEURONS, "fraction"), ARMS[:1], _PER_LAYER,
    ),
    "ocp-appendix-c": _ppo(
        "Weights of each layer",
        _of(_NETWORKS, (("weight_norm", "weight norm"),), "linear"), ARMS,
        f"which statistics: ours; {OURS}",
    ),
    "ocp-appendix-d": _ppo(
        "Ranks of each layer's activations",
        _of(_NETWORKS, (("srank", "srank"),), "linear"), ARMS, f"which rank: ours; {OURS}",
    ),
}  # fmt: skip
