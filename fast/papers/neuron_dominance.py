"""The figures of Neuron Dominance: what each shows, of which runs.

The text names four sparse tasks and two dense ones; the pictures are not part of it. So each list
says what is the paper's and what is ours, and so does the note of each recipe.

Both critic heads are recorded; the paper shows one, and so do these figures: head 0. "First hidden
layer" is the head's `dense0`, which can hold a dominant neuron, "penultimate" its `dense1`.
"""

from functools import partial

from fast.papers.grid import Panel, Recipe

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


def _score(title: str, layer: str, measure: str, axis: str) -> Panel:
    return Panel(title, "scores", (f"critic/heads.0.{layer}/{measure}",), axis)


RETURN = Panel("Evaluation return", "evaluation", ("return",))
SCORE = _score("Largest activation score, first hidden layer", "dense0", "largest_score", "score")
SRANK = _score("srank, first hidden layer", "dense0", "srank", "linear")
FIRST_SATURATED = _score("Saturated, first hidden layer", "dense0", "saturated", "fraction")
SATURATED = _score("Saturated, penultimate layer", "dense1", "saturated", "fraction")
DORMANT = _score("0.1-dormant, penultimate layer", "dense1", "dormant_0.1", "fraction")
GRADIENTS = (
    _score("Gradient magnitude, first hidden layer", "dense0", "gradient_magnitude", "magnitude"),
    _score("Gradient magnitude, penultimate layer", "dense1", "gradient_magnitude", "magnitude"),
)
# Section 4.2 speaks of the saturation of either layer, the caption of the dormant percentage.
UNMASKING = (RETURN, SCORE, FIRST_SATURATED, SATURATED, DORMANT)
POINTS = (SCORE, SRANK, RETURN._replace(title="last\nevaluation return"), DORMANT)
TEST = Panel("Test accuracy, true labels", "evaluation", ("accuracy",), "fraction")
DOMINATED = (
    Panel("Largest activation score, first MLP layer", "scores",
          ("classifier/mlp.dense0/largest_score",), "score"),
    Panel("Next layer: saturated (zombie dotted)", "scores",
          ("classifier/mlp.dense1/saturated", "classifier/mlp.dense1/zombie"), "fraction"),
    TEST,
)  # fmt: skip
LIVES = (
    Panel("Living neurons", "scores", ("saturated",), "fraction"),
    Panel("Largest activation", "scores", ("largest_activation",), "magnitude"),
    Panel("Largest activation share", "scores", ("largest_share",), "share"),
)

HEAD_0 = "Critic head 0, as the paper shows one; 0.1-dormant and saturated are shares of neurons."
AVERAGED = (
    "Critic head 0. The paper says averaged over seeds and tasks, not when: scores are means over "
    "training, undefined ones carried on."
)
LEARNT = "Scores: on pictures that are learnt."
_SIX_SEEDS = "6 seeds: the paper (Figures 6 and 9); six dense tasks: ours"
_EIGHT_OURS = "the number of seeds: ours, as in Figures 2 and 3"


_runs = partial(Recipe, seeds=8, words=HEAD_0)  # single ones, of one method

RECIPES: dict[str, Recipe] = {
    "2": _runs(
        "Largest activation score and next-layer saturation, sparse tasks",
        "runs", (SCORE, SATURATED), UNMASKED_SPARSE, ("baseline",),
        "8 seeds: the paper; that these three tasks are here and the masked ones in Figure 3: the "
        "caption of Figure 3 (the text also calls the masked reacher-easy Figure 2 (d))",
    ),
    "3": _runs(
        "Largest activation score and next-layer saturation, masked rewards",
        "runs", (SCORE, SATURATED), PAPER_MASKED, ("baseline",),
        "8 seeds, reacher-easy: the paper; the two further tasks: ours",
    ),
    "4": Recipe(
        "A dominant neuron made in supervised training",
        "dominated", DOMINATED, ("cifar-10",), ("baseline", "make-dominant"),
        "data: the paper; 5 seeds: ours", 5, LEARNT, own=True, agent="classifier",
    ),
    "5": Recipe(
        "Aggregate return, 12 tasks",
        "aggregates", (RETURN,), PAPER_TASKS, PAPER_METHODS, _SIX_SEEDS, 6, own=True,
    ),
    "6": Recipe(
        "Learning curves, 12 tasks",
        "curves", (RETURN,), PAPER_TASKS, PAPER_METHODS, _SIX_SEEDS, 6, own=True,
    ),
    "7": Recipe(
        "Aggregate return, dense tasks",
        "aggregates", (RETURN,), PAPER_DENSE, PAPER_METHODS, _SIX_SEEDS, 6,
    ),
    "8": Recipe(
        "Aggregate return, sparse tasks",
        "aggregates", (RETURN,), PAPER_SPARSE, PAPER_METHODS, "tasks and 6 seeds: the paper", 6,
    ),
    "9": Recipe(
        "Largest activation score against srank, return and dormancy, by method",
        "methods", POINTS, PAPER_TASKS, PAPER_METHODS, _SIX_SEEDS, 6, AVERAGED, own=True,
    ),
    "10": _runs(
        "LayerNorm added at half time",
        "runs", (RETURN, SCORE, SATURATED), (MASKED_REACHER,), ("late-ln",),
        f"task: the paper; {_EIGHT_OURS}",
    ),
    "11": _runs(
        "HL-Gauss while the reward is masked and after",
        "runs", UNMASKING, (MASKED_REACHER,), ("hl-gauss",), f"task: the paper; {_EIGHT_OURS}",
    ),
    "12": _runs(
        "Dominance with a ResNet-18 encoder",
        "runs", (SCORE, SATURATED), UNMASKED_SPARSE[:2], ("resnet18",),
        f"two sparse tasks: the paper; which two: ours; {_EIGHT_OURS}",
    ),
    "13": _runs(
        "Gradient magnitude of the heads' layers",
        "runs", GRADIENTS, ("cartpole-balance_sparse-narrow",), ("baseline",),
        "the paper shows those runs of Figure 2 (c) that fail, this all of them",
        words="Critic head 0; mean absolute gradient of the layer's weights.",
    ),
    "14": Recipe(
        "Largest activation score against srank, return and dormancy, by run",
        "points", POINTS, PAPER_TASKS, PAPER_METHODS, _SIX_SEEDS, 6, AVERAGED, own=True,
    ),
    "15": Recipe(
        "LayerNorm with and without weight decay",
        "curves", (RETURN,), PAPER_TASKS, ("ln", "lnwd"),
        "12 tasks: the paper; six dense tasks and the number of seeds: ours, as in Figure 6", 6,
    ),
    "16": _runs(
        "LayerNorm added at half time, further tasks",
        "runs", (RETURN, SCORE, SATURATED), FURTHER_MASKED, ("late-ln",),
        f"two tasks: the paper; which two: ours; {_EIGHT_OURS}",
    ),
    "17": _runs(
        "HL-Gauss while the reward is masked and after, further tasks",
        "runs", UNMASKING, FURTHER_MASKED, ("hl-gauss",),
        f"two tasks: the paper; which two: ours; {_EIGHT_OURS}",
    ),
    "survival": Recipe(
        "Living neurons, largest activation and largest share",
        "survival", LIVES, (*UNMASKED_SPARSE, *PAPER_MASKED), ("baseline",),
        "ours, of the runs of Figures 2 and 3", 8,
        "Living: above zero for some observation. A neuron that is dominant because it grows has a "
        "largest activation that grows; one that survives a layer which dies has not.",
        own=True,
    ),
}  # fmt: skip
