"""What the papers observed, each sentence as a condition on records that anybody can read.

An experiment is a grid of runs and says which of their records are kept; a finding is a number of
each run, or of each pair of runs of one seed, and the condition that the sentence puts on its mean.
The conditions stand here before the runs that they judge, and no verdict is typed: `verdict` is in
`fast.report.ledger`. A finding whose source is "ours" is no paper's, but an answer to one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from fast.papers.grid import PlannedRun, joined, plan
from fast.papers.neuron_dominance import MASKED_REACHER

Floats = NDArray[np.float64]


class Told(NamedTuple):
    """What is kept of one run: columns of equal length by name, each with `update`."""

    task: str
    method: str
    seed: int
    scores: Mapping[str, Floats]
    evaluations: Mapping[str, Floats]  # update and return


Arms = Mapping[str, Sequence[Told]]  # the runs of each method, by task and seed
Value = Callable[[Told], float]  # a number of a run; NaN: undefined there


@dataclass(frozen=True)
class Experiment:
    """A grid of runs of one agent, in pictures of its score records that match `keep`."""

    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: int
    keep: tuple[str, ...]
    preset: str = "dominance"
    agent: str = "drq"
    settings: tuple[str, ...] = ()  # changed of the preset, as `train` takes them

    @property
    def runs(self) -> list[PlannedRun]:
        return plan(self.tasks, self.methods, self.seeds)


class Above(NamedTuple):
    """Whether a number is greater."""

    bound: float

    def __call__(self, x: float) -> bool:
        return x > self.bound

    def __str__(self) -> str:
        return f"> {self.bound:g}"


class Below(NamedTuple):
    """Whether a number is less."""

    bound: float

    def __call__(self, x: float) -> bool:
        return x < self.bound

    def __str__(self) -> str:
        return f"< {self.bound:g}"


@dataclass(frozen=True)
class Finding:
    """A sentence about the runs of a method, or about what one has more than another.

    `holds` is asked of the whole interval of the mean of `effect`.
    """

    source: str  # paper and place, or "ours"
    says: str  # in our words
    experiment: str
    arms: tuple[str, ...]  # one method, or two
    value: Value
    measures: str  # what `effect` is, with its unit
    holds: Above | Below
    seeds: int = 3  # at least so many are asked

    def effect(self, arms: Arms) -> list[float]:
        """The value of every run, or of two arms its difference, task by task and seed by seed."""
        first, *others = (
            {(run.task, run.seed): self.value(run) for run in arms[name]} for name in self.arms
        )
        if not others:
            return list(first.values())
        (other,) = others
        return [value - other[key] for key, value in first.items() if key in other]


# What is read of a run of DrQ: its critic has two heads of two hidden layers, of which the last is
# the penultimate layer of the papers and the first is the one that precedes it.

HEADS = ("critic/heads.0", "critic/heads.1")
FIRST, LAST = "dense0", "dense1"


def both(run: Told, layer: str, measure: str) -> Floats:
    """A measure of one hidden layer, (heads, times)."""
    return np.stack([run.scores[f"{head}.{layer}/{measure}"] for head in HEADS])


def largest(run: Told, *layers: str) -> float:
    """The largest share of its layer that one neuron ever held."""
    return float(np.nanmax([both(run, layer, "largest_share") for layer in layers]))


def dominance(run: Told) -> tuple[int, int] | None:
    """(head, time) at which a neuron of a first hidden layer holds more than half of it first."""
    heads, times = np.nonzero(both(run, FIRST, "largest_share") > 0.5)
    return min(zip(heads.tolist(), times.tolist(), strict=True), key=lambda x: x[1], default=None)


def then(run: Told, layer: str, measure: str) -> float:
    """A measure of that head when its first hidden layer became dominated; NaN if it never did."""
    found = dominance(run)
    return float(both(run, layer, measure)[found]) if found else np.nan


def survival(run: Told) -> float:
    """The dominant neuron's mean activation over the largest that its layer had before."""
    found = dominance(run)
    if not found or not found[1]:
        return np.nan
    head, time = found
    sizes = both(run, FIRST, "largest_activation")[head]
    return float(sizes[time] / np.nanmax(sizes[:time]))


def next_layer(run: Told) -> float:
    """The most of the next layer that was ever saturated from the dominance on, in that head."""
    found = dominance(run)
    return float(np.nanmax(both(run, LAST, "saturated")[found[0], found[1] :])) if found else np.nan


def before(run: Told) -> float:
    """The part of `next_layer` that was saturated when dominance began."""
    return then(run, LAST, "saturated") / next_layer(run)


def mixed(run: Told) -> float:
    """The share of the next layer that is neither saturated nor a zombie when dominance begins."""
    return 1 - then(run, LAST, "saturated") - then(run, LAST, "zombie")


def at_end(run: Told, layer: str, measure: str) -> float:
    """Mean over heads and the last tenth of the scores; an undefined srank is that of no feature,
    0."""
    values = both(run, layer, measure)
    return float(np.nan_to_num(values[:, -max(1, values.shape[1] // 10) :]).mean())


def together(run: Told, other: str, layer: str) -> float:
    """Spearman's correlation over time, mean of the heads, of the first hidden layer's largest
    share with another measure, while both are defined."""
    found = []
    pairs = both(run, FIRST, "largest_share"), both(run, layer, other)
    for x, y in zip(*pairs, strict=True):
        there = np.isfinite(x) & np.isfinite(y)
        found.append(spearmanr(x[there], y[there]).statistic if there.sum() > 2 else np.nan)
    return float(np.mean(found))


def gradient(run: Told, layer: str) -> float:
    """A layer's mean gradient magnitude in the last tenth of a run over that in the first."""
    values = both(run, layer, "gradient_magnitude").mean(axis=0)
    part = max(1, len(values) // 10)
    return float(values[-part:].mean() / values[:part].mean())


def last_return(run: Told) -> float:
    """Mean of the last three evaluations."""
    return float(run.evaluations["return"][-3:].mean())


def at_unmasking(run: Told, layer: str, measure: str) -> float:
    """Mean over heads of the last score of the first half, whose rewards were masked."""
    values = both(run, layer, measure)
    return float(np.nan_to_num(values[:, values.shape[1] // 2 - 1]).mean())


def mean_of(run: Told, measure: str, learner: str = "") -> Floats:
    """A measure, mean over the layers of a learner, or of all, (times,)."""
    names = [n for n in run.scores if n.startswith(learner) and n.endswith(f"/{measure}")]
    return np.mean([run.scores[name] for name in names], axis=0)


def growth(run: Told, measure: str, learner: str = "") -> float:
    """How much more of it the last tenth of a run has than the first."""
    values = mean_of(run, measure, learner)
    part = max(1, len(values) // 10)
    return float(values[-part:].mean() - values[:part].mean())


def later(run: Told, measure: str, learner: str = "") -> float:
    """Its mean over the second half of a run."""
    values = mean_of(run, measure, learner)
    return float(values[len(values) // 2 :].mean())


def ever(run: Told, measure: str) -> float:
    """The largest that any layer ever had of it."""
    return float(np.nanmax([v for name, v in run.scores.items() if name.endswith(f"/{measure}")]))


def area(run: Told) -> float:
    """Mean of all evaluations: the sooner a run returns much, the more."""
    return float(run.evaluations["return"].mean())


def decline(run: Told) -> float:
    """How much less the last tenth of the evaluations has than the first, once updates began."""
    values = run.evaluations["return"][run.evaluations["update"] > 0]
    part = max(1, len(values) // 10)
    return float(values[:part].mean() - values[-part:].mean())


def stays(run: Told, of: str, layer: str = "") -> float:
    """Of neurons that were in a set at one look, the share that still is at the next: mean over the
    looks and layers where there were any."""
    names = [n for n in run.scores if n.startswith(layer) and n.endswith(f"/{of}_retention")]
    values = np.concatenate([run.scores[name] for name in names])
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan


def steadier(run: Told) -> float:
    """How much more of the critic's neurons of low gradient are so again at the next look than of
    its dormant ones (0.1)."""
    return stays(run, INACTIVE, "critic") - stays(run, "dormant_0.1", "critic")


def deeper(run: Told, measure: str) -> float:
    """How much more of it PPO's last hidden layers have than those before, in the second half."""
    of = [[later(run, measure, f"{net}/head.{layer}") for net in ("critic", "actor")]
          for layer in (FIRST, LAST)]  # fmt: skip
    return float(np.mean(of[1]) - np.mean(of[0]))


def apart(run: Told) -> float:
    """How far the shares of dormant neurons and of those without gradient lie apart in PPO's last
    hidden layers, mean over the looks; NaN where there never was one of either."""
    pairs = np.stack([
        [run.scores[f"{net}/head.{LAST}/{name}"] for name in ("dormant_0", "zero_gradient")]
        for net in ("critic", "actor")
    ])  # fmt: skip
    return float(np.abs(pairs[:, 0] - pairs[:, 1]).mean()) if pairs.any() else np.nan


def read(value: Callable[..., float], *given: str) -> Value:
    """A number of a run that asks for more than the run."""
    return lambda run: value(run, *given)


KEEP = (
    *(f"critic/heads.*/{name}" for name in ("largest_activation", "saturated", "zombie", "srank",
                                            "dormant_0.1", "gradient_magnitude")),
    "*/largest_share",
    "actor/head.*/saturated",
)  # fmt: skip
ARMS = ("baseline", "adam-eps", "lnwd", "hl-gauss")
FURTHER = ("ln", "redo", "reset", "pruning")
BRO_LAYERS = tuple(  # those with a ReLU
    f"*dense*/{name}"
    for name in ("dormant_0", "dormant_0.02", "dormant_0.1", "zero_gradient", "low_gradient_0.01",
                 "low_gradient_0.01_retention", "lowest_quarters")
)  # fmt: skip
NONLINEARITIES = ("baseline", "tanh", "sigmoid", "leaky-relu")  # the first: ReLU
ARCHITECTURES = ("ln", "residual")  # a LayerNorm before the ReLUs, blocks relu(x + f(x))
RECYCLING = ("baseline", "redo-0.02", "regrama")
RECYCLED = ("redo", "ReDo", "redo-0.02"), ("regrama", "ReGraMa", "regrama")


def _figure_4(changes: Sequence[str], *more: str) -> Experiment:
    """GraMa's Figures 4 and 12: SAC with something else in its critic; `more` of it is kept."""
    return Experiment(
        ("HalfCheetah-v4",),
        tuple(joined(change, arm) for arm in RECYCLING for change in changes),
        3,
        ("critic/*/dormant_0.02", "critic/*/dormant_0.1", "critic/*/zero_gradient",
         "critic/*/low_gradient_0.01", *more),
        preset="laptop",
        agent="sac",
        settings=("--run.updates", "20000"),
    )  # fmt: skip


EXPERIMENTS: dict[str, Experiment] = {
    # Half of the preset's length: random actions never meet the reward, so nothing is unmasked.
    "sparse": Experiment(
        ("cartpole-swingup_sparse",),
        (*ARMS, *FURTHER),
        5,
        KEEP,
        settings=("--run.updates", "40000"),
    ),
    "masked": Experiment(("cartpole-swingup-masked",), ARMS, 5, KEEP),
    "masked-reacher": Experiment((MASKED_REACHER,), ARMS, 5, KEEP),
    # A fiftieth of ReDo's million updates.
    "halfcheetah": Experiment(
        ("HalfCheetah-v4",),
        ("baseline", "redo", "reset", "weight-decay", "regrama", "replay-ratio-4"),
        5,
        ("*/dormant_0", "*/dormant_0.1", "*/srank", "*/largest_share"),
        preset="laptop",
        agent="sac",
        settings=("--run.updates", "20000"),
    ),
    # 200,000 agent steps, a fiftieth of ReDo's ten million; its Adam has an epsilon of 1.5e-4.
    "minatar": Experiment(
        ("minatar-breakout",),
        (
            *("baseline", "redo", "adam-eps-1e-8", "adam-eps-1e-8+redo"),
            *("replay-ratio-1", "replay-ratio-1+redo-0.1", "replay-ratio-1+adam-eps-1e-8"),
        ),
        5,
        (
            "critic/*/dormant_0",
            "critic/*/dormant_0.1",
            "critic/dense0/srank",
            "critic/dense0/largest_share",
            "critic/dense0/saturated",
        ),
        preset="laptop",
        agent="dqn",
    ),
    # 40 rollouts, 82,000 of OCP's 20 million steps, with a look at each.
    "ppo": Experiment(
        ("HalfCheetah-v4",),
        ("baseline", "no-activation", "tanh"),
        3,
        (
            *("*/dormant_0", "*/dormant_0.1", "*/zero_gradient", "*/weight_norm", "*/srank"),
            *("*/dormant_0_retention", "*/zero_gradient_retention"),
            *("*/dormant_0_chance", "*/zero_gradient_chance"),
        ),
        preset="laptop",
        agent="ppo",
        settings=("--run.updates", "12800", "--run.score-interval", "320"),
    ),
    # A million steps, again with a look at each rollout: so long that neurons die. Five seeds since
    # the first two of them were seen, which lie far apart.
    "ppo-long": Experiment(
        ("HalfCheetah-v4",),
        ("baseline", "no-activation"),
        5,
        (
            *("*/dormant_0", "*/zero_gradient", "*/weight_norm"),
            *("*/dormant_0_retention", "*/zero_gradient_retention"),
        ),
        preset="laptop",
        agent="ppo",
        settings=("--run.score-interval", "320"),
    ),
    # One class more every 15 epochs, until all ten of them are there: of a sixth of the pictures,
    # and of all.
    "incremental": Experiment(
        ("fashion-mnist-incremental",),
        ("baseline", "redo-0.02", "regrama",
         "reborn", "shrink-perturb", "continual-backprop", "l2-init"),
        5,
        ("*/low_gradient_0.01", "*/dormant_0"),
        preset="grama-laptop",
        agent="classifier",
    ),
    "incremental-whole": Experiment(
        ("fashion-mnist-incremental",),
        ("baseline", "redo-0.02", "regrama"),
        5,
        ("*/low_gradient_0.01", "*/dormant_0"),
        preset="grama-laptop",
        agent="classifier",
        settings=(
            *("--env.pictures", "60000", "--env.tested", "10000", "--run.updates", "38595"),
            *("--run.evaluation-interval", "500", "--run.score-interval", "500"),
        ),
    ),
    # 600 steps of learning, where the preset `paper` has a million.
    "bro": Experiment(
        ("dog-stand",),
        ("baseline", "redo", "regrama"),
        3,
        BRO_LAYERS,
        preset="laptop",
        agent="bro",
        settings=(
            *("--agent.first-update", "200", "--run.updates", "1200"),
            *("--run.score-interval", "50", "--run.evaluation-interval", "200"),
            *("--run.evaluation-episodes", "1"),
        ),
    ),
    # Of two of its tasks 5,000 steps of learning.
    "bro-long": Experiment(
        ("dog-stand", "humanoid-stand"),
        ("baseline", "redo", "regrama"),
        2,
        BRO_LAYERS,
        preset="laptop",
        agent="bro",
    ),
    # A quarter of its denoising steps.
    "dacer": Experiment(
        ("Walker2d-v4",),
        ("baseline", "redo", "regrama"),
        3,
        ("actor/*/dormant_0.02", "actor/*/low_gradient_0.01"),
        preset="laptop",
        agent="dacer",
        settings=(
            *("--run.updates", "10000", "--run.evaluation-interval", "2500"),
            *("--run.score-interval", "500"),
        ),
    ),
    # A hundred and fiftieth of GraMa's three million steps, and another robot: its is Ant.
    # ReGraMa's threshold is that of its A.2, 0.01, where its 5.3 has 0.
    "activations": _figure_4(NONLINEARITIES),
    "architectures": _figure_4(
        ARCHITECTURES, "critic/*/dormant_0.1_retention", "critic/*/low_gradient_0.01_retention"
    ),
}  # fmt: skip

ND = "Neuron Dominance"


def _phenomenon(experiment: str) -> dict[str, Finding]:
    """What is asked of the baseline where there is no reward, or none in the first half."""

    def seen(source: str, says: str, value: Callable[..., float], *rest: Any) -> Finding:
        *given, measures, holds = rest
        reads = read(value, *given)
        return Finding(source, says, experiment, ("baseline",), reads, measures, holds)

    return {
        "arises": seen(
            f"{ND}, 3.1, Figures 2 and 3",
            "in the layer before the penultimate one a neuron becomes dominant",
            largest, FIRST, "largest share of the first hidden layer ever", Above(0.5),
        ),
        "next-layer-saturates": seen(
            f"{ND}, 3.1, Figures 2 and 3",
            "once a neuron is dominant the next layer becomes saturated completely",
            next_layer, "largest saturated share of the next layer from dominance on", Above(0.99),
        ),
        "no-neuron-is-mixed": seen(
            f"{ND}, Theorem 1",
            "after a dominant neuron each neuron is always on or always off",
            mixed, "share of the next layer that is neither, when dominance begins", Below(0.05),
        ),
        "dominance-comes-first": seen(
            f"{ND}, 3.1 and 3.2",
            "the next layer saturates after the dominance and by it, not before",
            before, "part of the next layer's saturation that was there when dominance began",
            Below(0.5),
        ),
        "excessive-activation": seen(
            f"{ND}, 3.1",
            "a dominant neuron's activation is excessively large",
            survival, "its mean activation when it becomes dominant, over the largest in its layer "
            "before", Above(1),
        ),
        "last-survivor": seen(
            "ours",
            "a dominant neuron is the last survivor of a layer that dies",
            then, FIRST, "saturated", "saturated share of its own layer when it becomes dominant",
            Above(0.9),
        ),
        "only-before-the-penultimate": seen(
            f"{ND}, 3.3",
            "no neuron of the penultimate layer becomes dominant",
            largest, LAST, "largest share of the penultimate layer ever", Below(0.5),
        ),
        "score-goes-with-saturation": seen(
            f"{ND}, Figures 2 and 3",
            "the largest score and the next layer's saturation rise together",
            together, "saturated", LAST, "rank correlation over a run of share and saturation",
            Above(0.5),
        ),
        "score-goes-against-srank": seen(
            f"{ND}, 3.3, Figures 9 and 14",
            "the larger the largest score, the smaller the srank of its layer",
            together, "srank", FIRST, "rank correlation over a run of share and srank", Below(-0.5),
        ),
    }  # fmt: skip


PREVENTS = {  # method: how it is spoken of, and where it is said
    "adam-eps": ("Adam's epsilon at 1e-5 alone", "ours"),
    "lnwd": ("LayerNorm and weight decay", f"{ND}, 4.1.3 and 4.1.4"),
    "hl-gauss": ("HL-Gauss", f"{ND}, abstract and 4.1.3"),
    "ln": ("LayerNorm alone", f"{ND}, 4.1.4"),
    "redo": ("ReDo", f"{ND}, 4.1.3"),
    "reset": ("Reset", f"{ND}, 4.1.3"),
}


def _prevented(experiment: str) -> dict[str, Finding]:
    """Of each method of an experiment that is said to keep the largest score low."""
    return {
        f"{method}-prevents": Finding(
            source, f"with {name} no neuron of the critic's heads becomes dominant",
            experiment, (method,), read(largest, FIRST, LAST),
            "largest share of a hidden layer ever", Below(0.5),
        )
        for method, (name, source) in PREVENTS.items()
        if method in EXPERIMENTS[experiment].methods
    }  # fmt: skip


def _of(experiment: str, name: str) -> dict[str, Finding]:
    found = _phenomenon(experiment) | _prevented(experiment)
    return {f"{name}.{key}": finding for key, finding in found.items()}


def _activated(experiment: str) -> dict[str, Finding]:
    """What OCP says of PPO with ReLU beside PPO without activations."""
    both = ("baseline", "no-activation")
    found = {
        "relu-is-more-dormant": Finding(
            "OCP, 1 and 3.2, Figure 1",
            "with ReLU more neurons are dormant (score 0) than without activations",
            experiment, both, read(later, "dormant_0"),
            "dormant share of the second half, less that without activations", Above(0),
        ),
        "the-more-dormant-converges-faster": Finding(
            "OCP, 1, Figure 1",
            "PPO with ReLU, of which more is dormant, converges faster than without activations",
            experiment, both, area,
            "mean of all evaluations, less that without activations", Above(0),
        ),
        "all-have-a-gradient-without-activations": Finding(
            "ours",
            "without activations every neuron has a gradient",
            experiment, both[1:], read(ever, "zero_gradient"),
            "largest share without gradient of a layer ever", Below(0.01),
        ),
    }  # fmt: skip
    return {f"{experiment}.{name}": finding for name, finding in found.items()}


def _incremental(experiment: str) -> dict[str, Finding]:
    """What GraMa says of classes that come in one after the other."""

    def of(says: str, arms: tuple[str, ...], value: Value, measures: str,
           holds: Above | Below) -> Finding:  # fmt: skip
        return Finding("GraMa, 4.3, Figure 5", says, experiment, arms, value, measures, holds)

    plain = "baseline"
    found = {
        "accuracy-declines": of(
            "the accuracy of a plain classifier declines as one class after the other comes in",
            (plain,), decline,
            "accuracy in the first tenth less that in the last, of the classes there", Above(0),
        ),
        "low-gradient-grows": of(
            "the share of neurons of little gradient grows meanwhile",
            (plain,), read(growth, INACTIVE),
            "their share (GraMa at most 0.01) in the last tenth, less that in the first", Above(0),
        ),
        **{
            f"{name}-raises-accuracy": of(
                f"{spoken} at each new class raises the accuracy",
                (arm, plain), area,
                "mean of all tests, less the baseline's", Above(0),
            )
            for name, spoken, arm in RECYCLED
        },
        **{
            f"{name}-lowers-low-gradient": of(
                f"{spoken} leaves fewer neurons of little gradient",
                (arm, plain), read(later, INACTIVE),
                "their share (GraMa at most 0.01) in the second half, less the baseline's",
                Below(0),
            )
            for name, spoken, arm in RECYCLED
        },
        "regrama-does-as-redo": of(
            "ReGraMa is worth as much as ReDo: at most one picture in a hundred less",
            ("regrama", "redo-0.02"), area,
            "mean of all tests of regrama, less those of redo", Above(-0.01),
        ),
    }  # fmt: skip
    return {f"{experiment}.{name}": finding for name, finding in found.items()}


def _bro(experiment: str, name: str, task: str, apart: int) -> dict[str, Finding]:
    """What GraMa says of BRO-net; its neurons are looked at every `apart` updates."""

    def of(source: str, says: str, arms: tuple[str, ...], value: Value, measures: str,
           holds: Above | Below) -> Finding:  # fmt: skip
        return Finding(f"GraMa, {source}", says, experiment, arms, value, measures, holds)

    plain, returns = ("baseline",), "5.1, Figure 8 and Table 8"
    of_second = "share of low gradient (0.01) of the second half, less"
    found = {
        "activations-find-none": of(
            "1 and 4.1, Figure 8",
            "in BRO-net the activation score finds almost no inactive neuron",
            plain, read(later, "dormant_0.02"),
            "dormant share (0.02) of both networks' ReLU layers, second half", Below(0.01),
        ),
        "gradients-find-more": of(
            "4.1 and 4.2, Figures 3 and 8",
            "in BRO-net the gradient score finds more inactive neurons than the activation score",
            plain, lambda run: later(run, INACTIVE) - later(run, "dormant_0.02"),
            "share of low gradient (0.01) less the dormant share (0.02), second half", Above(0),
        ),
        "scores-disagree": of(
            "4.1, Figure 3", "neurons of little activation are not those of little gradient",
            plain, read(later, "lowest_quarters"),
            "share of the lowest quarter by activation in that by gradient, second half",
            Below(0.5),
        ),
        "inactive-for-good": of(
            "4.2, Figure 6 (b)", "a neuron of low gradient stays so",
            plain, read(stays, INACTIVE),
            f"share of the neurons of low gradient (0.01) that still are {apart} updates later",
            Above(0.95),
        ),
        "regrama-leaves-fewer-inactive": of(
            "5.1, Figure 8", "ReGraMa leaves fewer neurons of low gradient",
            ("regrama", "baseline"), read(later, INACTIVE),
            f"{of_second} the baseline's", Below(0),
        ),
        "redo-leaves-more-inactive-than-regrama": of(
            "5.1, Figure 8", "ReDo leaves more neurons of low gradient than ReGraMa",
            ("redo", "regrama"), read(later, INACTIVE),
            f"{of_second} that of regrama", Above(0),
        ),
    }  # fmt: skip
    for key, says, (arm, other), source, holds in (
        ("regrama-raises-return", "ReGraMa raises BRO's return", ("regrama", "baseline"),
         returns, Above(0)),
        ("redo-lowers-return", "ReDo lowers BRO's return", ("redo", "baseline"),
         "4.1, Figure 1, and Table 8", Below(0)),
        ("regrama-returns-more-than-redo", "ReGraMa returns more than ReDo", ("regrama", "redo"),
         returns, Above(0)),
    ):  # fmt: skip
        less = "the baseline's" if other == "baseline" else f"those of {other}"
        found[key] = of(source, f"{says} on {task}", (arm, other), last_return,
                        f"last three evaluations of {arm}, less {less}", holds)  # fmt: skip
    return {f"{name}.{key}": finding for key, finding in found.items()}


def _dacer() -> dict[str, Finding]:
    """What GraMa says of a diffusion policy."""
    pairs = ("regrama", "baseline"), ("regrama", "redo")
    more = "mean of all evaluations of regrama, less"
    return {
        "dacer.regrama-raises-return": Finding(
            "GraMa, 5.2, Figure 10", "ReGraMa raises DACER's return",
            "dacer", pairs[0], area, f"{more} the baseline's", Above(0),
        ),
        "dacer.regrama-returns-more-than-redo": Finding(
            "GraMa, 5.2, Figure 10", "ReGraMa returns more than ReDo to DACER",
            "dacer", pairs[1], area, f"{more} those of redo", Above(0),
        ),
        "dacer.regrama-leaves-fewer-inactive": Finding(
            "GraMa, 5.2, Figure 11", "ReGraMa leaves fewer neurons of the actor of low gradient",
            "dacer", pairs[0], read(later, INACTIVE, "actor"),
            "share of low gradient (0.01), second half, less the baseline's", Below(0),
        ),
    }  # fmt: skip


# What a critic may have: how it is spoken of, the experiment, and GraMa's place.
_NONLINEARITY = "activations", "GraMa, 4.1 (ii) and 5.3, Figures 4 and 12"
CRITICS = {
    "baseline": ("relu", "activations", "GraMa, 5.3, Figure 12"),
    **{name: (name, *_NONLINEARITY) for name in NONLINEARITIES[1:]},
    "ln": ("layer-norm", "architectures", "GraMa, 4.1 (iii), Figure 4 (c)"),
    "residual": ("residual-blocks", "architectures", "GraMa, 4.1 (i), Figure 4 (a)"),
}


def _hidden(change: str) -> dict[str, Finding]:
    """What either score finds with something else in SAC's critic."""
    spoken, experiment, source = CRITICS[change]
    found = {
        f"sac.{spoken}-shows-in-gradients": Finding(
            source, f"with {spoken} the gradient score finds inactive neurons, at its threshold "
            "of 0", experiment, (change,), read(later, "zero_gradient", "critic"),
            "share of the critic without gradient, second half", Above(0.001),
        ),
    }  # fmt: skip
    if change == "ln":  # which is said to make activations unsteady
        found[f"sac.{spoken}-gradients-are-steadier"] = Finding(
            source, f"with {spoken} a neuron of low gradient is found again more often than a "
            "dormant one", experiment, (change,), steadier,
            "retention of low gradient (0.01) less that of dormant neurons (0.1)", Above(0),
        )  # fmt: skip
    else:
        found[f"sac.{spoken}-hides-from-activations"] = Finding(
            source, f"with {spoken} in the critic the activation score finds almost no inactive "
            "neuron", experiment, (change,), read(later, "dormant_0.02", "critic"),
            "dormant share (0.02) of the critic, second half", Below(0.01),
        )  # fmt: skip
    return found


def _recycled(change: str) -> dict[str, Finding]:
    """What recycling is worth to SAC with something else in its critic."""
    spoken, experiment, source = CRITICS[change]
    plain, redo, regrama = (joined(change, how) for how in RECYCLING)
    more = "mean of all evaluations, less that without"
    found = {
        f"sac.{spoken}-regrama-raises-return": Finding(
            source, f"with {spoken} ReGraMa raises the return",
            experiment, (regrama, plain), area, more, Above(0),
        ),
        f"sac.{spoken}-regrama-lowers-low-gradient": Finding(
            source, f"with {spoken} ReGraMa leaves fewer neurons of low gradient",
            experiment, (regrama, plain), read(later, INACTIVE, "critic"),
            "share of low gradient (0.01) of the critic, second half, less that without", Below(0),
        ),
    }  # fmt: skip
    if change != "baseline":  # with ReLU it 'performs well'
        found[f"sac.{spoken}-redo-costs-return"] = Finding(
            source, f"with {spoken} ReDo lowers the return",
            experiment, (redo, plain), area, more, Below(0),
        )  # fmt: skip
    return found


INACTIVE = "low_gradient_0.01"
_SRANK = "srank of the first hidden layer at the end, less the baseline's"

FINDINGS: dict[str, Finding] = {
    **_of("sparse", "sparse"),
    "sparse.gradient-vanishes": Finding(
        f"{ND}, C.2, Figure 13 (a)",
        "the gradient of the layer with the dominant neuron converges to 0",
        "sparse", ("baseline",), read(gradient, FIRST),
        "its mean magnitude in the last tenth over that in the first", Below(0.01),
    ),
    "sparse.baseline-fails": Finding(
        f"{ND}, 3.1",
        "DrQ often ends at a return of zero in sparse tasks",
        "sparse", ("baseline",), last_return,
        "mean of the last three evaluations", Below(1),
    ),
    "sparse.lnwd-keeps-srank": Finding(
        f"{ND}, 4.1.3, Figure 9",
        "LayerNorm with weight decay keeps a higher srank than the baseline",
        "sparse", ("lnwd", "baseline"), read(at_end, FIRST, "srank"),
        _SRANK, Above(0),
    ),
    "sparse.hl-gauss-keeps-srank": Finding(
        f"{ND}, 4.1.3, Figure 9",
        "HL-Gauss keeps a higher srank than the baseline",
        "sparse", ("hl-gauss", "baseline"), read(at_end, FIRST, "srank"),
        _SRANK, Above(0),
    ),
    "sparse.adam-eps-keeps-srank": Finding(
        "ours",
        "Adam's epsilon at 1e-5 keeps a higher srank than LayerNorm with weight decay",
        "sparse", ("adam-eps", "lnwd"), read(at_end, FIRST, "srank"),
        "srank of the first hidden layer at the end, less that of lnwd", Above(0),
    ),
    "sparse.lnwd-keeps-the-next-layer-awake": Finding(
        f"{ND}, 4.1.3, Figure 9",
        "LayerNorm with weight decay keeps the next layer less dormant than the baseline",
        "sparse", ("lnwd", "baseline"), read(at_end, LAST, "dormant_0.1"),
        "dormant share (0.1) of the next layer at the end, less the baseline's", Below(0),
    ),
    "sparse.hl-gauss-never-saturates": Finding(
        f"{ND}, 4.1.4, Figures 11 and 17",
        "with HL-Gauss the penultimate layer is never saturated completely, without any reward",
        "sparse", ("hl-gauss",),
        lambda run: float(np.nanmax(both(run, LAST, "saturated"))),
        "largest saturated share of the penultimate layer ever", Below(0.99),
    ),
    "sparse.pruning-does-not-prevent": Finding(
        f"{ND}, 4.1.3",
        "under pruning the largest score is not kept low",
        "sparse", ("pruning",), read(largest, FIRST, LAST),
        "largest share of a hidden layer ever, of pruning", Above(0.5),
    ),
    "sparse.redo-keeps-srank": Finding(
        f"{ND}, 4.1.3, Figure 9",
        "ReDo keeps a higher srank than the baseline",
        "sparse", ("redo", "baseline"), read(at_end, FIRST, "srank"),
        _SRANK, Above(0),
    ),
    "sparse.reset-keeps-srank": Finding(
        f"{ND}, 4.1.3, Figure 9",
        "Reset keeps a higher srank than the baseline",
        "sparse", ("reset", "baseline"), read(at_end, FIRST, "srank"),
        _SRANK, Above(0),
    ),
    **_of("masked", "masked"),
    "masked.baseline-never-learns": Finding(
        f"{ND}, 4.1.4, Figure 6",
        "the baseline does not learn any more once the reward is there; LNWD does",
        "masked", ("lnwd", "baseline"), last_return,
        "last three evaluations of lnwd, less the baseline's", Above(0),
    ),
    "masked.hl-gauss-learns": Finding(
        f"{ND}, 4.1.4, Figure 6",
        "HL-Gauss learns once the reward is there; the baseline does not",
        "masked", ("hl-gauss", "baseline"), last_return,
        "last three evaluations of hl-gauss, less the baseline's", Above(0),
    ),
    "masked.adam-eps-learns": Finding(
        "ours",
        "with Adam's epsilon at 1e-5 alone the baseline learns once the reward is there",
        "masked", ("adam-eps", "baseline"), last_return,
        "last three evaluations of adam-eps, less the baseline's", Above(0),
    ),
    "masked.adam-eps-learns-as-lnwd": Finding(
        "ours",
        "with Adam's epsilon at 1e-5 alone it learns at least as well as LNWD",
        "masked", ("adam-eps", "lnwd"), last_return,
        "last three evaluations of adam-eps, less those of lnwd", Above(0),
    ),
    "masked.hl-gauss-wakes-up": Finding(
        f"{ND}, 4.1.4, Figures 11 and 17",
        "with HL-Gauss the penultimate layer wakes up when the reward appears",
        "masked", ("hl-gauss",),
        lambda run: at_end(run, LAST, "saturated")
             - at_unmasking(run, LAST, "saturated"),
        "its saturated share at the end, less that before the reward", Below(0),
    ),
    "masked.lnwd-wakes-up": Finding(
        f"{ND}, 4.1.4",
        "with LNWD the srank comes back when the reward appears",
        "masked", ("lnwd",),
        lambda run: at_end(run, FIRST, "srank") - at_unmasking(run, FIRST, "srank"),
        "srank of the first hidden layer at the end, less that before the reward", Above(0),
    ),
    **_of("masked-reacher", "reacher"),
    "sac.dormancy-grows": Finding(
        "ReDo, 3 and Appendix B",
        "the share of dormant neurons (score 0) grows while SAC trains",
        "halfcheetah", ("baseline",), read(growth, "dormant_0"),
        "dormant share of all layers in the last tenth, less that in the first", Above(0),
    ),
    "sac.critic-dormancy-grows": Finding(
        "ReDo, 3 and Appendix B",
        "so does that of the critic at a score of at most 0.1",
        "halfcheetah", ("baseline",), read(growth, "dormant_0.1", "critic"),
        "dormant share (0.1) of the critic in the last tenth, less that in the first", Above(0),
    ),
    "sac.replay-ratio-grows-dormancy": Finding(
        "ReDo, 3, Figure 7",
        "four updates a step leave more neurons dormant than one, after as many updates",
        "halfcheetah", ("replay-ratio-4", "baseline"), read(later, "dormant_0.1"),
        "dormant share (0.1) of the second half, less the baseline's", Above(0),
    ),
    "sac.redo-lowers-dormancy": Finding(
        "ReDo, 5.4 and Appendix B",
        "ReDo leaves fewer neurons dormant",
        "halfcheetah", ("redo", "baseline"), read(later, "dormant_0.1"),
        "dormant share (0.1) of the second half, less the baseline's", Below(0),
    ),
    "sac.redo-costs-no-return": Finding(
        "ReDo, 5.4, Figure 14",
        "of ReDo, Reset and weight decay only ReDo does not lower SAC's return: it beats Reset",
        "halfcheetah", ("redo", "reset"), last_return,
        "last three evaluations of redo, less those of reset", Above(0),
    ),
    "sac.weight-decay-costs-return": Finding(
        "ReDo, 5.4, Figure 14",
        "weight decay lowers SAC's return",
        "halfcheetah", ("weight-decay", "baseline"), last_return,
        "last three evaluations of weight-decay, less the baseline's", Below(0),
    ),
    "sac.reset-costs-return": Finding(
        "ReDo, 5.4, Figure 14",
        "Reset lowers SAC's return",
        "halfcheetah", ("reset", "baseline"), last_return,
        "last three evaluations of reset, less the baseline's", Below(0),
    ),
    "sac.regrama-does-as-redo": Finding(
        "GraMa, 4.2, Figure 5",
        "in a plain MLP with ReLU ReGraMa returns at least what ReDo does",
        "halfcheetah", ("regrama", "redo"), last_return,
        "last three evaluations of regrama, less those of redo", Above(0),
    ),
    "sac.no-neuron-dominates": Finding(
        f"{ND}, 4.1",
        "where rewards are dense no neuron becomes dominant",
        "halfcheetah", ("baseline",),
        read(ever, "largest_share"), "largest share of any layer ever", Below(0.5),
    ),
    "dqn.dormancy-grows": Finding(
        "ReDo, 3, Figure 2",
        "the share of dormant neurons (score 0) grows while DQN trains",
        "minatar", ("baseline",), read(growth, "dormant_0"),
        "dormant share of all layers in the last tenth, less that in the first", Above(0),
    ),
    "dqn.dormancy-grows-at-1e-8": Finding(
        "ours",
        "it grows where Adam's epsilon is 1e-8",
        "minatar", ("adam-eps-1e-8",), read(growth, "dormant_0"),
        "dormant share of all layers in the last tenth, less that in the first", Above(0),
    ),
    "dqn.adam-eps-decides": Finding(
        "ours",
        "Adam's epsilon at 1e-8 leaves more neurons dormant (0.1) than at ReDo's 1.5e-4",
        "minatar", ("adam-eps-1e-8", "baseline"), read(later, "dormant_0.1"),
        "dormant share (0.1) of the second half, less the baseline's", Above(0),
    ),
    "dqn.replay-ratio-grows-dormancy": Finding(
        "ReDo, 3, Figure 7",
        "a replay ratio of 1 leaves more neurons dormant than one of 0.25, after as many steps",
        "minatar", ("replay-ratio-1", "baseline"), read(later, "dormant_0"),
        "dormant share of the second half, less the baseline's", Above(0),
    ),
    "dqn.replay-ratio-grows-dormancy-at-1e-8": Finding(
        "ours",
        "so it does where Adam's epsilon is 1e-8",
        "minatar", ("replay-ratio-1+adam-eps-1e-8", "adam-eps-1e-8"), read(later, "dormant_0"),
        "dormant share of the second half, less that at a ratio of 0.25", Above(0),
    ),
    "dqn.replay-ratio-costs-return": Finding(
        "ReDo, 3 and 5.1, Figures 7 and 10",
        "a replay ratio of 1 lowers DQN's return",
        "minatar", ("replay-ratio-1", "baseline"), last_return,
        "last three evaluations, less the baseline's", Below(0),
    ),
    "dqn.redo-lowers-dormancy": Finding(
        "ReDo, 4, Figure 9",
        "ReDo leaves fewer neurons dormant",
        "minatar", ("redo", "baseline"), read(later, "dormant_0"),
        "dormant share of the second half, less the baseline's", Below(0),
    ),
    "dqn.redo-lowers-dormancy-at-1e-8": Finding(
        "ours",
        "so it does where Adam's epsilon is 1e-8",
        "minatar", ("adam-eps-1e-8+redo", "adam-eps-1e-8"), read(later, "dormant_0"),
        "dormant share of the second half, less that without ReDo", Below(0),
    ),
    "dqn.redo-raises-return": Finding(
        "ReDo, 4 and 5, Figures 9 and 10",
        "ReDo raises DQN's return at the default replay ratio",
        "minatar", ("redo", "baseline"), last_return,
        "last three evaluations of redo, less the baseline's", Above(0),
    ),
    "dqn.redo-raises-return-at-ratio-1": Finding(
        "ReDo, 5.1, Figures 1 and 10",
        "ReDo raises DQN's return at a replay ratio of 1",
        "minatar", ("replay-ratio-1+redo-0.1", "replay-ratio-1"), last_return,
        "last three evaluations of redo, less those without", Above(0),
    ),
    "dqn.no-neuron-dominates": Finding(
        f"{ND}, 4.1",
        "where rewards are dense no neuron of the hidden layer becomes dominant",
        "minatar", ("baseline",), read(ever, "largest_share"),
        "largest share of the dense layer ever", Below(0.5),
    ),
    **_activated("ppo"),
    "ppo.relu-is-more-dormant-at-0.1": Finding(
        "ours",
        "so it is at a score of at most 0.1, which a linear neuron can have too",
        "ppo", ("baseline", "no-activation"), read(later, "dormant_0.1"),
        "dormant share (0.1) of the second half, less that without activations", Above(0),
    ),
    **_activated("ppo-long"),
    "ppo.dormancy-grows": Finding(
        "OCP, 3.3 and Appendix B",
        "the share of dormant neurons (score 0) grows while PPO trains",
        "ppo-long", ("baseline",), read(growth, "dormant_0"),
        "dormant share of all layers in the last tenth, less that in the first", Above(0),
    ),
    "ppo.zero-gradient-grows": Finding(
        "OCP, 3.3 and Appendix B",
        "so does the share of neurons without gradient",
        "ppo-long", ("baseline",), read(growth, "zero_gradient"),
        "share without gradient of all layers in the last tenth, less that in the first", Above(0),
    ),
    "ppo.dormant-for-good": Finding(
        "OCP, 3.3, Figure 4",
        "a dormant neuron stays dormant",
        "ppo-long", ("baseline",), read(stays, "dormant_0"),
        "share of the dormant neurons that still are after a rollout", Above(0.95),
    ),
    "ppo.without-gradient-for-good": Finding(
        "OCP, 3.3 and Appendix B, Figures 4 and 6",
        "a neuron without gradient stays without",
        "ppo-long", ("baseline",), read(stays, "zero_gradient"),
        "share of the neurons without gradient that still are after a rollout", Above(0.95),
    ),
    "ppo.value-0-recovers": Finding(
        "OCP, Appendix B",
        "in the value network's first layer neurons without gradient recover",
        "ppo-long", ("baseline",), read(stays, "zero_gradient", "critic/head.dense0"),
        "share of those in this layer that still are after a rollout", Below(0.95),
    ),
    "ppo.last-layer-is-dormant-most": Finding(
        "OCP, Appendix B",
        "more of the last hidden layer is dormant than of the layer before",
        "ppo-long", ("baseline",), read(deeper, "dormant_0"),
        "dormant share of the last hidden layers less that of the first, second half", Above(0),
    ),
    "ppo.last-layer-has-least-gradient": Finding(
        "OCP, Appendix B",
        "more of the last hidden layer is without gradient than of the layer before",
        "ppo-long", ("baseline",), read(deeper, "zero_gradient"),
        "share without gradient of the last hidden layers less that of the first, second half",
        Above(0),
    ),
    "ppo.dormant-are-those-without-gradient": Finding(
        "OCP, Theorem 1 and Appendix B, Figures 4 and 6",
        "in the last hidden layer as many neurons are dormant as are without gradient",
        "ppo-long", ("baseline",), apart,
        "how far the two shares of a look lie apart", Below(0.05),
    ),
    "ppo.more-are-dormant-than-without-gradient": Finding(
        "OCP, Appendix B",
        "in the value network's first layer more are dormant than without gradient",
        "ppo-long", ("baseline",),
        lambda run: later(run, "dormant_0", "critic/head.dense0")
             - later(run, "zero_gradient", "critic/head.dense0"),
        "dormant share of that layer less that without gradient, second half", Above(0),
    ),
    "ppo.weights-grow": Finding(
        "ours",
        "the norm of a layer's weights grows while PPO trains",
        "ppo-long", ("baseline",), read(growth, "weight_norm"),
        "mean norm in the last tenth, less that in the first", Above(0),
    ),
    "ppo.tanh-converges-faster": Finding(
        "ours",
        "PPO with tanh, CleanRL's, converges faster than with ReLU",
        "ppo", ("tanh", "baseline"), area,
        "mean of all evaluations of tanh, less those of ReLU", Above(0),
    ),
    **_incremental("incremental"),
    **_incremental("incremental-whole"),
    **_bro("bro", "bro", "Dog Stand", 50),
    **_bro("bro-long", "bro-long", "Dog Stand and Humanoid Stand", 200),
    **_dacer(),
    **{name: found for change in ("tanh", "sigmoid", *ARCHITECTURES)
       for name, found in _hidden(change).items()},
    **{name: found for change in CRITICS for name, found in _recycled(change).items()},
}  # fmt: skip
