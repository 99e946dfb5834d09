"""What changes a learner from outside its gradient, between two updates; of any agent.

One function an intervention, and its settings, with its schedule: it acts on a learner in place
when that says so, and returns what to record. To add one: write both here, a field of
`Interventions` and a row of INTERVENTIONS. L2-init is no event but a penalty: the learner's.

None acts after the last update: nothing could be learnt from it. What is in front of a learner's
`body` and the replay buffer are left alone by all but shrink and perturb, the target network by all
but Reset and late LN.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from fast import mitigations, scores
from fast.agents.learner import Learner
from fast.errors import InputError
from fast.measures import Seen
from fast.nets.layers import Dense, layers
from fast.rules import (
    Beta,
    Count,
    CountOrNone,
    Few,
    Finite,
    NonNegative,
    OpenShare,
    Positive,
    Share,
    Size,
    settings,
)

# --- when, and with what --------------------------------------------------------------------------

Results = Sequence[tuple[int, float]]  # of the evaluations: (updates before it, return or accuracy)


@settings
class Schedule:
    """When something is due: whole numbers count updates, fractions are shares of the run.

    At every multiple of `every` from `start` on; the last time is the first one at or after `end`,
    so that what goes on gradually comes to its end. Never after the last update. `new-class`: in
    front of each batch with which a class comes in.
    """

    every: Count | OpenShare | Literal["new-class"] = 1000
    start: CountOrNone | Share = 0
    end: Count | OpenShare = 1.0

    def interval(self, updates: int) -> int:
        """Updates between two times; 1 where none is fixed."""
        if isinstance(self.every, str):
            return 1
        return self.every if isinstance(self.every, int) else max(1, int(self.every * updates))

    def span(self, updates: int) -> tuple[float, float]:
        """The updates of `start` and `end`."""
        ends = self.start, self.end
        first, last = (e if isinstance(e, int) else e * updates for e in ends)
        return first, last

    def first(self, updates: int) -> int:
        """The update after which it is due first."""
        interval, (start, _) = self.interval(updates), self.span(updates)
        return interval * max(1, math.ceil(start / interval))

    def due(self, update: int, updates: int, results: Results = (), news: bool = False) -> bool:
        """Whether it is due after that update of so many; news: with the next a class comes in."""
        interval, (start, end) = self.interval(updates), self.span(updates)
        if isinstance(self.every, str) and not news:
            return False
        return update % interval == 0 and start <= update < min(updates, end + interval)

    def told(self, updates: int) -> str:
        every, (start, end) = f"every {self.interval(updates):,} updates", self.span(updates)
        if isinstance(self.every, str):
            every = "at every new class"
        return every if (start, end) == (0, updates) else f"{every} from {start:,.0f} to {end:,.0f}"


@settings
class Once:
    """The one update after which something happens: a number, or a share of the run.

    With `reached` it is the first one from there on that follows an evaluation of so much.
    """

    at: Count | OpenShare = 0.5
    reached: Finite | None = None  # return, or accuracy, of an evaluation

    def first(self, updates: int) -> int:
        """The earliest update after which it can be due."""
        return self.at if isinstance(self.at, int) else int(self.at * updates)

    def due(self, update: int, updates: int, results: Results = (), news: bool = False) -> bool:
        """Whether it is due after that update of so many, with these results before it."""
        first = self.first(updates)
        if self.reached is not None:
            later = [after + 1 for after, result in results if result >= self.reached]
            first = max(first, later[0]) if later else updates
        return update == first < updates

    def told(self, updates: int) -> str:
        reached = "" if self.reached is None else f", once an evaluation has {self.reached:g}"
        return f"after update {self.first(updates):,}{reached}"


def every(when: int) -> Any:
    return field(default_factory=lambda: Schedule(when))


Learners = Annotated[tuple[str, ...], Field(min_length=1, max_length=8)]  # by name, as in critic


@settings
class Reset:
    """The learner's body and its Adam drawn anew (Nikishin et al. 2022)."""

    when: Schedule = every(100_000)  # B.2: 100k
    on: Learners = ("critic",)


@settings
class ReDo:
    """Recycle dormant neurons (ReDo, Algorithm 1; B.2)."""

    when: Schedule = every(1000)  # B.2: 1k
    on: Learners = ("critic",)
    tau: NonNegative = 0.1  # B.2
    batch: Size = 256  # replayed, unaugmented observations (Dopamine's ReDo)
    # dormant: score at most tau. The others take a share of each layer that falls from `share` to 0
    # over the run as a half cosine, of the lowest, random or highest scores (ReDo, 5.5), or of the
    # least utility of continual backprop (C.4).
    select: Literal["dormant", "lowest", "random", "highest", "least_useful"] = "dormant"
    share: Share = 0.1
    most: OpenShare = 1.0  # of a layer at one time, the lowest scores first (GraMa, Table 7)
    incoming: Literal["fresh", "live_norm"] = "fresh"  # ReDo, C.2: norm of the living
    outgoing: Literal["zero", "fresh"] = "zero"
    # The next three as in Dopamine's ReDo, the official one, whose core B.2 keeps 'unchanged'.
    initialisation: Literal["xavier", "initial"] = "xavier"  # initial: ReDo's text, section 4
    bias_moments: Literal["keep", "zero"] = "keep"  # zero: at the recycled neurons' biases too
    step_count: Literal["keep", "zero"] = "keep"  # of Adam; zero: timoklein/redo, in PyTorch
    second_head_moments: bool = True  # False: as public code, which leaves them as they are


@settings
class ReGraMa:
    """Recycle neurons of little gradient (GraMa, 4.2)."""

    when: Schedule = every(1000)  # its Appendix A
    on: Learners = ("critic",)
    tau: NonNegative = 0.01  # its Appendix A
    by: Literal["incoming", "activation", "preactivation"] = "incoming"  # activation: as printed
    batch: Size = 256
    most: OpenShare = 1.0  # of a layer at one time: Table 7 has 0.05 for Humanoid


@settings
class ReBorn:
    """Dormant neurons take over a part of over-active ones (Qin et al. 2024)."""

    when: Schedule = every(1000)
    on: Learners = ("critic",)
    tau: NonNegative = 0.1
    beta: Positive = 3.0  # over-active: above beta times the layer's mean
    most: Few = 5  # dormant neurons that join one
    batch: Size = 256


@settings
class ContinualBackprop:
    """Replace the least useful mature neurons, a few at a time (Dohare et al. 2024)."""

    when: Schedule = every(1)
    on: Learners = ("critic",)
    decay: Beta = 0.99
    maturity: CountOrNone = 100  # steps before a neuron may be replaced
    rate: Share = 1e-4  # of the mature neurons of a layer at each step
    batch: Size = 32  # (ours) there the activations of the training batch


@settings
class ShrinkPerturb:
    """All parameters towards fresh ones: shrink * old + perturb * fresh (Ash and Adams 2020)."""

    when: Schedule = every(100_000)  # (ours, as Reset)
    on: Learners = ("critic",)
    shrink: Share = 0.8  # (ours)
    perturb: Share = 0.2  # (ours)


@settings
class L2Init:
    """A penalty on the squared distance from the initial parameters (Kumar et al. 2023)."""

    on: Learners = ("critic",)
    strength: NonNegative = 1e-2  # GraMa, Table 9


@settings
class Pruning:
    """Gradual magnitude pruning of the kernels of the learner's body (B.2)."""

    when: Schedule = field(default_factory=lambda: Schedule(1000, 0.2, 0.8))  # B.2
    on: Learners = ("critic",)
    sparsity: Share = 0.95  # B.2
    distribution: Literal["erk", "uniform"] = "erk"  # public code has both


@settings
class PruneDormant:
    """Dormant neurons held at 0 from then on (ReDo, Figure 6), or those of little gradient."""

    when: Schedule = every(1000)
    on: Learners = ("critic",)
    by: Literal["activation", "gradient"] = "activation"  # GraMa, Figure 7, has both
    tau: NonNegative = 0.0
    batch: Size = 256


@settings
class LateNorm:
    """LayerNorm in the dense layers that have readers from then on (4.1.4)."""

    when: Once = field(default_factory=Once)  # 4.1.4: at half time
    on: Learners = ("critic",)


@settings
class MakeDominant:
    """The incoming weights of a layer's largest neuron multiplied (3.2, B.3)."""

    when: Once = field(default_factory=Once)
    on: Learners = ("critic",)
    layer: str | None = None  # of those that may be recycled; None: the first
    factor: Finite = 1e7  # B.3
    batch: Size = 256


@settings
class Interventions:
    """What changes learners from outside their gradient; fast/interventions.py. None: it is off.

    A method turns them on (`--method redo+pruning`), and each then has its own options.
    """

    reset: Reset | None = None
    redo: ReDo | None = None
    regrama: ReGraMa | None = None
    reborn: ReBorn | None = None
    continual_backprop: ContinualBackprop | None = None
    shrink_perturb: ShrinkPerturb | None = None
    l2_init: L2Init | None = None
    pruning: Pruning | None = None
    prune_dormant: PruneDormant | None = None
    late_norm: LateNorm | None = None
    make_dominant: MakeDominant | None = None

    def on(self) -> dict[str, Any]:
        """Those that are on, by name."""
        there = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {name: asked for name, asked in there.items() if asked is not None}


# --- what each does -------------------------------------------------------------------------------

Record = dict[str, float]


@dataclass(frozen=True)
class Moment:
    """After which update of how many, and what an intervention may use."""

    update: int
    updates: int
    learner: Learner[torch.nn.Module]
    look: Callable[[int], dict[str, Seen]]  # the learner's layers on so many replayed observations
    generator: torch.Generator  # of this moment, this intervention and this learner alone

    def fresh(self) -> dict[str, Tensor]:
        """Parameters drawn as at the start of a run."""
        return dict(self.learner.fresh(self.generator).named_parameters())

    def noise(self, shape: torch.Size, like: Tensor) -> Tensor:
        """Uniform in [0, 1)."""
        return torch.rand(shape, generator=self.generator).to(like)


def reset(asked: Reset, now: Moment) -> Record:
    """The learner's body drawn anew, its Adam too (Nikishin et al. 2022; B.2).

    The target's body becomes the learner's; what is in front of it, the encoder, is kept in both.
    """
    learner = now.learner
    params = learner.params
    mitigations.reset(params, learner.state, now.fresh(), learner.body)
    learner.hold()  # before the copy: the target is the learner, pruned where that is
    if learner.slow is not None:
        for part in learner.body:
            new = learner.module.get_submodule(part).state_dict()
            learner.slow.get_submodule(part).load_state_dict(new)
    return {"parameters": sum(v.numel() for k, v in params.items() if _within(k, learner.body))}


def redo(asked: ReDo, now: Moment) -> Record:
    """Dormant neurons of every layer that has readers drawn anew (ReDo; B.2), or others."""
    learner, seen = now.learner, now.look(asked.batch)
    chosen = {name: _chosen(asked, now, name, seen[name].h) for name in learner.readers}
    params, fresh = learner.params, now.fresh()
    if asked.initialisation == "xavier":
        weights = {name: params[f"{name}.weight"] for name in learner.readers}
        noise = {name: 2 * now.noise(weight.shape, weight) - 1 for name, weight in weights.items()}
        fresh |= mitigations.xavier_uniform(params, noise)
    state = learner.state
    if not asked.second_head_moments:
        state = {
            slot: {k: v for k, v in values.items() if not k.startswith("heads.1.")}
            for slot, values in state.items()
        }
    how = {"bias_moments": asked.bias_moments, "step_count": asked.step_count}
    mitigations.recycle(
        params, state, chosen, fresh, learner.readers, asked.incoming, asked.outgoing, **how
    )
    return _counts(chosen)


def regrama(asked: ReGraMa, now: Moment) -> Record:
    """Neurons of little gradient drawn anew (GraMa, 4.2)."""
    learner, seen = now.learner, now.look(asked.batch)
    chosen = {}
    for name in learner.readers:
        of = {"incoming": seen[name].dweight, "activation": seen[name].dh,
              "preactivation": seen[name].dz}[asked.by]  # fmt: skip
        mask = scores.gradient_dormant(of, asked.tau, asked.by)
        size = of.flatten(1).abs().sum(1) if asked.by == "incoming" else scores.mean_activation(of)
        chosen[name] = _at_most(asked.most, mask, size)
    mitigations.recycle(learner.params, learner.state, chosen, now.fresh(), learner.readers)
    return _counts(chosen)


def reborn(asked: ReBorn, now: Moment) -> Record:
    """Dormant neurons take over a part of over-active ones (Qin et al. 2024)."""
    learner, seen = now.learner, now.look(asked.batch)
    params = learner.params
    h = {name: seen[name].h for name in learner.readers}
    draws = {}
    for name, readers in learner.readers.items():
        weight = params[f"{name}.weight"]
        names = [f"{reader.layer}.weight" for reader in readers]
        parts = {k: torch.randn(params[k].shape, generator=now.generator).exp().to(params[k])
                 for k in names}  # fmt: skip
        order, choice, factor = (now.noise(weight.shape[:1], weight) for _ in range(3))
        draws[name] = mitigations.Rebirth(order, choice, 0.3 + 0.5 * factor, parts)
    how: dict[str, Any] = {"tau": asked.tau, "beta": asked.beta, "most": asked.most}
    mitigations.reborn(params, learner.state, h, now.fresh(), learner.readers, draws, **how)
    return _counts({name: scores.dormant(x, asked.tau) for name, x in h.items()})


def continual_backprop(asked: ContinualBackprop, now: Moment) -> Record:
    """The least useful mature neurons replaced, a few at a time (Dohare et al. 2024)."""
    learner, seen = now.learner, now.look(asked.batch)
    params = learner.params
    if not learner.memory:
        learner.memory = mitigations.continual_backprop_start(params, learner.readers)
    h = {name: seen[name].h for name in learner.readers}
    mitigations.continual_backprop(
        params, learner.state, learner.memory, h, now.fresh(), learner.readers,
        asked.decay, asked.maturity, asked.rate,
    )  # fmt: skip
    return _counts({name: learner.memory[name]["age"] == 0 for name in h})


def shrink_perturb(asked: ShrinkPerturb, now: Moment) -> Record:
    """All parameters towards freshly drawn ones (Ash and Adams 2020); the target follows."""
    params = now.learner.params
    mitigations.shrink_and_perturb(params, now.fresh(), asked.shrink, asked.perturb)
    return {"parameters": sum(v.numel() for v in params.values())}


def pruning(asked: Pruning, now: Moment) -> Record:
    """Gradual magnitude pruning of the kernels of the learner's body, not of biases (B.2).

    The smallest weights are masked; the learner holds them at 0 after every step of its optimizer.
    """
    learner = now.learner
    params = learner.params
    prunable = {k: v for k, v in params.items() if _within(k, learner.body) and v.ndim > 1}
    erk = asked.distribution == "erk"
    distribution = mitigations.erk_sparsity if erk else mitigations.uniform_sparsity
    final = distribution(prunable, asked.sparsity)
    progress = mitigations.cubic_sparsity(now.update, *asked.when.span(now.updates), 1.0)
    sparsity = {name: progress * share for name, share in final.items()}
    whole = {name: torch.ones_like(v, dtype=torch.bool) for name, v in prunable.items()}
    before = {name: learner.masks.get(name, mask) for name, mask in whole.items()}
    learner.masks |= mitigations.magnitude_masks(prunable, sparsity, before)
    learner.hold()
    kept = sum(int(learner.masks[name].sum()) for name in prunable)
    return {"sparsity": 1 - kept / sum(v.numel() for v in prunable.values())}


def prune_dormant(asked: PruneDormant, now: Moment) -> Record:
    """Neurons of a low score without any weight from here on (ReDo, Figure 6)."""
    learner, seen = now.learner, now.look(asked.batch)
    dormant = {
        name: scores.dormant(seen[name].h, asked.tau)
        if asked.by == "activation"
        else scores.gradient_dormant(seen[name].dweight, asked.tau)
        for name in learner.readers
    }
    for name, mask in mitigations.neuron_masks(learner.params, dormant, learner.readers).items():
        learner.masks[name] = learner.masks[name] & mask if name in learner.masks else mask
    learner.hold()
    return _counts(dormant)


def late_norm(asked: LateNorm, now: Moment) -> Record:
    """LayerNorm in dense layers that have readers, of the target too, from here on (4.1.4)."""
    there = [name for name, layer in layers(now.learner.module).items() if isinstance(layer, Dense)]
    names = [name for name in there if name in now.learner.readers]
    now.learner.insert_norm(names)
    return {"layers": len(names)}


def make_dominant(asked: MakeDominant, now: Moment) -> Record:
    """The incoming weights of a layer's largest neuron multiplied (3.2, B.3)."""
    seen, layer = now.look(asked.batch), asked.layer or next(iter(now.learner.readers))
    neuron = scores.activation_score(seen[layer].h).argmax()
    mitigations.scale_incoming(now.learner.params, layer, neuron, asked.factor)
    return {"neuron": neuron.item()}


def _chosen(asked: ReDo, now: Moment, layer: str, h: Tensor) -> Tensor:
    """Which neurons of a layer ReDo takes."""
    size = scores.mean_activation(h)
    if asked.select == "dormant":
        return _at_most(asked.most, scores.dormant(h, asked.tau), size)
    share = mitigations.cosine_fraction(now.update, now.updates, asked.share)
    count = int(min(share, asked.most) * len(size))
    if asked.select == "random":
        return mitigations.random_choice(now.noise(size.shape, size), count)
    if asked.select == "least_useful":
        use = mitigations.usefulness(now.learner.params, layer, h, now.learner.readers)
        return mitigations.lowest(use, count)
    return getattr(mitigations, asked.select)(size, count)


def _at_most(share: float, chosen: Tensor, size: Tensor) -> Tensor:
    """Of the chosen neurons those of lowest size, a share of the layer at most."""
    if share == 1:
        return chosen
    return chosen & mitigations.lowest(size, int(share * len(size)))


def _counts(chosen: dict[str, Tensor]) -> Record:
    return {name: mask.sum().item() for name, mask in chosen.items()}


def _within(name: str, parts: tuple[str, ...]) -> bool:
    """Whether a parameter belongs to one of the parts of its network."""
    return any(name == part or name.startswith(f"{part}.") for part in parts)


# In this order where several are due.
INTERVENTIONS: dict[str, Callable[..., Record]] = {
    "reset": reset,
    "shrink_perturb": shrink_perturb,
    "redo": redo,
    "regrama": regrama,
    "reborn": reborn,
    "continual_backprop": continual_backprop,
    "pruning": pruning,
    "prune_dormant": prune_dormant,
    "late_norm": late_norm,
    "make_dominant": make_dominant,
}


def require(asked: Interventions, learners: dict[str, Learner[torch.nn.Module]]) -> None:
    """Refuse an intervention on a learner, or a layer, that there is not.

    Raises:
        InputError: naming the setting, and which learners or layers there are.
    """
    for name, intervention in asked.on().items():
        field = f"--interventions.{name}".replace("_", "-")
        recycling = name not in ("reset", "shrink_perturb", "l2_init", "pruning")
        able = [k for k, held in learners.items() if held.readers or (not recycling and held.body)]
        for learner in intervention.on:
            if learner not in able:
                raise InputError(f"{field}.on", learner, f"accepted: {', '.join(able)}")
            layer = getattr(intervention, "layer", None)
            there = learners[learner].readers
            if layer is not None and layer not in there:
                raise InputError(f"{field}.layer", layer, f"accepted: {', '.join(there)}")
