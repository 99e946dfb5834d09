"""The figures of ReDo: what each shows, of which runs.

The pictures are not part of the paper's text: games and methods are those of its captions, legends
and sections, and each note says what is ours. A method names the replay ratio where it is not the
default, 0.25; there ReDo's threshold is 0.025, elsewhere 0.1 (Table 1). With `--tasks` a sweep has
a figure's methods on other tasks, such as MinAtar's.

Not here: GPU hours.
"""

from functools import partial

from fast.papers import atari
from fast.papers.grid import Panel, Recipe, joined
from fast.papers.neuron_dominance import LEARNT, RETURN, TEST

# Measures of every layer of all learners, or of one: the share of all their neurons.
DORMANT = Panel("Dormant neurons, τ = 0", "scores", ("dormant_0",), "fraction")
NEARLY = Panel("Dormant neurons, τ = 0.1", "scores", ("dormant_0.1",), "fraction")
OF_BOTH = (
    Panel("Dormant neurons of the critic, τ = 0", "scores", ("critic/dormant_0",), "fraction"),
    Panel("Dormant neurons of the actor, τ = 0", "scores", ("actor/dormant_0",), "fraction"),
)
OVERLAP = tuple(
    Panel(title, "scores", (f"critic/dense0/dormant_0_{change}",), "fraction")
    for title, change in (("Overlap with the look before, τ = 0", "overlap"),
                          ("Still dormant of those before", "retention"),
                          ("Overlap of random sets of their sizes", "chance"))
)  # fmt: skip
FIT = Panel("Loss", "update", ("critic_loss",), "magnitude")
RANK = Panel("srank, penultimate layer", "scores", ("critic/dense0/srank",))
SHUFFLED = (
    DORMANT._replace(title="Dormant neurons, τ = 0, all layers"),
    NEARLY._replace(title="Dormant neurons, τ = 0.1, all layers"),
    Panel("Accuracy on the labels trained with", "evaluation", ("training_accuracy",), "fraction"),
    TEST,
)

TWO = atari.tasks(("demon-attack", "asterix"))
FIVE, SEVENTEEN, TWENTY_SIX = map(atari.tasks, (atari.FIVE, atari.SEVENTEEN, atari.TWENTY_SIX))
ROBOTS = ("Ant-v4", "HalfCheetah-v4", "Hopper-v4", "Walker2d-v4")  # v2 in the paper

RATIOS = ("baseline", "replay-ratio-0.5", "replay-ratio-1", "replay-ratio-2")
ONE = "replay-ratio-1"
AT_ONE = (ONE, f"{ONE}+redo-0.1")
REGULARISED = (*AT_ONE, f"{ONE}+reset", f"{ONE}+weight-decay")
NETWORKS = "Of all layers that are recycled, channels among them."
SAME = "the methods: the paper"


def _with_redo(ratios: tuple[str, ...], first: str, *more: str) -> tuple[str, ...]:
    """Each replay ratio without and with ReDo; `first` is ReDo at the first ratio."""
    return tuple(
        joined(*more, ratio, redo)
        for ratio in ratios
        for redo in ("", first if ratio == ratios[0] else "redo-0.1")
    )


# Under the paper's numbers of seeds.
_dqn = partial(Recipe, seeds=5, words=NETWORKS, own=True, agent="dqn")
_sac = partial(Recipe, seeds=10, words=NETWORKS, own=True, agent="sac")

RECIPES: dict[str, Recipe] = {
    "redo-1": _dqn(
        "Sample efficiency of DQN at replay ratio 1",
        "efficiency", (RETURN,), SEVENTEEN, REGULARISED, f"games, seeds and {SAME}",
    ),
    "redo-2": _dqn(
        "Dormant neurons while DQN trains",
        "dormancy", (DORMANT,), TWO, ("baseline",), "games: the paper",
    ),
    "redo-3": Recipe(
        "Dormant neurons with fixed and with shuffled labels",
        "shuffled", SHUFFLED, ("cifar-10", "cifar-10-shuffled"), ("baseline",),
        "data and 3 seeds: the paper", 3, LEARNT, own=True, agent="classifier",
    ),
    "redo-4": _dqn(
        "Dormant neurons with stored episodes, and with fixed targets",
        "dormancy", (DORMANT,), TWO, ("baseline", "fixed-targets"),
        "games: the paper; episodes of an own run (`--run.stored`), how targets are fixed: ours",
    ),
    "redo-5": _dqn(
        "Overlap of the dormant neurons of two looks",
        "dormancy", OVERLAP, TWO, ("baseline",), "games and layer: the paper; tau: ours",
    ),
    "redo-6": _dqn(
        "Pruning dormant neurons during training",
        "dormancy", (RETURN, DORMANT), TWO, ("baseline", "prune-dormant"),
        "games: the paper; the period: ours",
    ),
    "redo-7": _dqn(
        "Dormant neurons and return, by replay ratio",
        "dormancy", (DORMANT, RETURN), TWO[:1], RATIOS, f"game and {SAME}",
    ),
    "redo-8": _dqn(
        "A network that has trained, and a fresh one, fitted to a teacher",
        "dormancy", (FIT, DORMANT), TWO[:1], ("fixed-targets", "fixed-targets+pretrained"),
        "game and arms: the paper; the loss (mean squares of all actions) and that the episodes "
        "are an own run's (`--run.stored`, `.teacher`, and `.start` at replay ratio 1): ours",
    ),
    "redo-9": _dqn(
        "ReDo at the default replay ratio",
        "dormancy", (DORMANT, RETURN), TWO[:1], ("baseline", "redo"),
        f"tau 0.025 and {SAME}; game and the threshold of the left panel: ours",
    ),
    "redo-10-dqn": _dqn(
        "Return by replay ratio with and without ReDo, DQN",
        "aggregates", (RETURN,), SEVENTEEN, _with_redo(RATIOS, "redo"), f"games and {SAME}",
    ),
    "redo-10-n-step": _dqn(
        "Return by replay ratio with and without ReDo, three steps",
        "aggregates", (RETURN,), SEVENTEEN, _with_redo(RATIOS, "redo-0.1", "n-step"),
        f"games and {SAME}",
    ),
    "redo-10-resnet": _dqn(
        "Return by replay ratio with and without ReDo, IMPALA's network",
        "aggregates", (RETURN,), SEVENTEEN, _with_redo(RATIOS, "redo-0.1", "impala"),
        f"games and {SAME}",
    ),
    "redo-10-drq": _dqn(
        "Return by replay ratio with and without ReDo, DrQ(eps)",
        "aggregates", (RETURN,), TWENTY_SIX,
        _with_redo(("baseline", "replay-ratio-2", "replay-ratio-4", "replay-ratio-8"), "redo"),
        f"26 games, 10 seeds and {SAME}", seeds=10, preset="drq-eps",
    ),
    "redo-11": _dqn(
        "A quarter of the learning rate",
        "aggregates", (RETURN,), SEVENTEEN, (*AT_ONE, f"{ONE}+low-lr"), f"games and {SAME}",
    ),
    "redo-11-dormant": _dqn(
        "A quarter of the learning rate, dormant neurons",
        "dormancy", (NEARLY,), TWO[:1], (*AT_ONE, f"{ONE}+low-lr"), f"game, tau and {SAME}",
    ),
    "redo-12": _dqn(
        "Width with and without ReDo",
        "aggregates", (RETURN,), SEVENTEEN,
        tuple(f"{ONE}{w}{r}" for w in ("", "+width-2", "+width-4") for r in ("", "+redo-0.1")),
        f"games: ours, as in Figure 10; {SAME}",
    ),
    "redo-12-dormant": _dqn(
        "Width, dormant neurons",
        "dormancy", (NEARLY,), TWO[:1], (ONE, f"{ONE}+width-2", f"{ONE}+width-4"),
        f"game, tau and {SAME}",
    ),
    "redo-13": _dqn(
        "ReDo, Reset and weight decay",
        "aggregates", (RETURN,), SEVENTEEN, REGULARISED, f"games and {SAME}",
    ),
    "redo-14": _sac(
        "SAC with ReDo, Reset and weight decay",
        "curves", (RETURN,), ROBOTS[:2], ("baseline", "redo", "reset", "weight-decay"),
        f"robots (v2), 10 seeds and {SAME}",
    ),
    "redo-15": _dqn(
        "Which neurons are recycled",
        "curves", (RETURN,), TWO,
        tuple(f"{ONE}+redo-{which}" for which in ("lowest", "random", "highest")),
        f"schedule, replay ratio and {SAME}; games: ours",
    ),
    "redo-16": _dqn(
        "Dormant neurons and return, by replay ratio, five games",
        "dormancy", (DORMANT, RETURN), FIVE, RATIOS, f"games and {SAME}",
    ),
    "redo-17": _dqn(
        "Dormant neurons while DrQ(eps) trains",
        "dormancy", (DORMANT,), FIVE, ("baseline",), "games: the paper", seeds=10, preset="drq-eps",
    ),
    "redo-18": _sac(
        "Dormant neurons while SAC trains",
        "dormancy", OF_BOTH, ROBOTS, ("baseline",), "robots (v2): the paper; which four: ours",
    ),
    "redo-19": _sac(
        "Pruning dormant neurons while SAC trains",
        "curves", (RETURN,), ROBOTS, ("baseline", "prune-dormant"),
        "the period: the paper; which robots: ours",
    ),
    "redo-20": _sac(
        "SAC with ReDo, Reset and weight decay, four robots",
        "curves", (RETURN,), ROBOTS, ("baseline", "redo", "reset", "weight-decay"),
        f"robots (v2) and {SAME}",
    ),
    "redo-21": _dqn(
        "Leaky ReLU",
        "dormancy", (RETURN, NEARLY), TWO,
        (*AT_ONE, f"{ONE}+leaky-relu", f"{ONE}+leaky-relu+redo-0.1"), f"{SAME}; games: ours",
    ),
    "redo-22": _dqn(
        "Outgoing weights of recycled neurons",
        "curves", (RETURN,), FIVE, (f"{ONE}+redo-0.1", f"{ONE}+redo-outgoing-fresh"),
        f"{SAME}; games: ours",
    ),
    "redo-23": _dqn(
        "Incoming weights of recycled neurons",
        "curves", (RETURN,), FIVE, (f"{ONE}+redo-0.1", f"{ONE}+redo-incoming-norm"),
        f"{SAME}; games: ours",
    ),
    "redo-24": _dqn(
        "Size of the batch that neurons are scored on",
        "curves", (RETURN,), TWO, tuple(f"{ONE}+redo-batch-{n}" for n in (32, 64, 256, 1024)),
        f"{SAME}; games: ours",
    ),
    "redo-25": _dqn(
        "Which neurons are recycled: the lowest scores, or the least utility of continual backprop",
        "curves", (RETURN,), TWO, tuple(f"{ONE}+redo-{n}" for n in ("lowest", "least-useful")),
        f"games, schedule and {SAME}; the utility's formula: its public code; replay ratio: ours, "
        "as in Figure 15",
    ),
    "redo-26": _dqn(
        "Return by replay ratio with and without ReDo, after as many updates",
        "aggregates", (RETURN,), SEVENTEEN,
        ("baseline", "redo", *(f"replay-ratio-{ratio}+same-updates{redo}"
                               for ratio in (0.5, 1) for redo in ("", "+redo-0.1"))),
        f"games and {SAME}; 10M, 5M and 2.5M frames there: ours the preset's updates",
    ),
    "redo-27": _dqn(
        "Learning curves at replay ratio 1", "curves", (RETURN,), SEVENTEEN, AT_ONE,
        f"games and {SAME}",
    ),
    "redo-28": _dqn(
        "Learning curves at replay ratio 0.25", "curves", (RETURN,), SEVENTEEN,
        ("baseline", "redo"), f"games and {SAME}",
    ),
    "redo-29": _dqn(
        "Learning curves of DrQ(eps) at replay ratio 4", "curves", (RETURN,), TWENTY_SIX,
        ("replay-ratio-4", "replay-ratio-4+redo-0.1"), f"games and {SAME}", seeds=10,
        preset="drq-eps",
    ),
    "redo-30": _dqn(
        "Learning curves of DrQ(eps) at replay ratio 1", "curves", (RETURN,), TWENTY_SIX,
        ("baseline", "redo"), f"games and {SAME}", seeds=10, preset="drq-eps",
    ),
    "redo-table-6": _sac(
        "SAC of half and a quarter of the width",
        "aggregates", (RETURN,), ROBOTS[:1],
        tuple(f"width-{w}{r}" for w in (0.25, 0.5) for r in ("", "+redo")),
        f"robot (v2) and {SAME}",
    ),
    "redo-table-7": _dqn(
        "Rank of the last features",
        "dormancy", (RANK,), TWO[:1], AT_ONE, f"game and {SAME}; the replay ratio: ours",
    ),
}  # fmt: skip
