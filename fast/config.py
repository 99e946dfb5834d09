"""Every setting of a run, once: the command line, `config.json` and the presets are made from here.

`build(task, method, preset)` gives a complete `Config`; a method's name is a preset over separate
fields (loss, normalisation, decay, interventions), so methods combine. Sources: a letter, as in
"B.2", is an appendix of Neuron Dominance, "jaxrl" the implementation which B.2 names as its
default, "drq" the original DrQ, and "ours" a choice that no source fixes.
"""

import dataclasses
import json
import math
import operator
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tyro
from pydantic import Field, TypeAdapter, ValidationError

from fast.envs import dmc
from fast.errors import InputError, unknown
from fast.rules import (
    Beta,
    Count,
    CountOrNone,
    Few,
    Finite,
    NonNegative,
    OpenShare,
    Pixels,
    Positive,
    Seed,
    Share,
    Size,
    Strides,
    settings,
)
from fast.runs.records import VERSION


@settings
class EnvConfig:
    """What the agent sees and how long it holds an action."""

    size: Pixels = 84  # pixels, square (jaxrl)
    frame_stack: Few = 3  # (jaxrl)
    action_repeat: Annotated[int, Field(ge=1, le=2**20)] = (
        2  # control steps per agent step; filled in from the per-task table
    )
    camera: Annotated[int, Field(ge=-1, le=2**20)] = 0  # filled in: 2 for quadruped
    render_quality: Literal["suite", "no-shadows", "fast"] = "suite"  # fast: nor multisampling


@settings
class NetConfig:
    """Encoder, latent layer and heads."""

    encoder: Literal["conv", "resnet18"] = "conv"  # C.1 replaces the convolutions by ResNet-18
    channels: Size = 32  # of each 3x3 convolution (jaxrl)
    strides: Strides = (2, 1, 1, 1)
    resnet_width: Size = 64  # channels of ResNet-18's first stage (He et al. 2016)
    latent: Size = 50  # linear, LayerNorm, tanh: one for the critic, one for the actor
    hidden: Size = 256  # width of the two hidden layers of each head
    normalisation: Literal["none", "layer_norm"] = "none"  # before each ReLU of the critic's heads
    layer_norm_eps: Positive = 1e-6  # flax's; torch's own default is 1e-5
    initialisation: Literal["jaxrl", "drq"] = "jaxrl"
    log_std: Literal["clip", "tanh"] = "clip"  # how the actor keeps log std in [-10, 2]
    bfloat16: bool = False  # convolutions in training and acting; scores are always float32


@settings
class LossConfig:
    """What the critic's heads predict, and how it is compared with the target."""

    kind: Literal["mse", "hl_gauss"] = "mse"
    bins: Annotated[int, Field(ge=2, le=2**20)] = 101  # of HL-Gauss, whose settings are B.2's
    low: Finite = 0.0
    high: Finite = 100.0  # targets are clipped to [low, high]; the share clipped is recorded
    sigma: Positive = 0.75
    entropy_in_target: bool = True  # False: as one public version of HL-Gauss DrQ has it


@settings
class Schedule:
    """When something is due: whole numbers count updates, fractions are shares of the run.

    At every multiple of `every` from `start` on; the last time is the first one at or after `end`,
    so that what goes on gradually comes to its end. Never after the last update.
    """

    every: Count | OpenShare = 1000
    start: CountOrNone | Share = 0
    end: Count | OpenShare = 1.0

    def interval(self, updates: int) -> int:
        """Updates between two times."""
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

    def due(self, update: int, updates: int) -> bool:
        """Whether it is due after that update of so many."""
        interval, (start, end) = self.interval(updates), self.span(updates)
        return update % interval == 0 and start <= update < min(updates, end + interval)


@settings
class Once:
    """The one update after which something happens: a number, or a share of the run."""

    at: Count | OpenShare = 0.5

    def first(self, updates: int) -> int:
        return self.at if isinstance(self.at, int) else int(self.at * updates)

    def due(self, update: int, updates: int) -> bool:
        return update == self.first(updates) < updates


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
    # over the run as a half cosine, of the lowest, random or highest scores (ReDo, 5.5).
    select: Literal["dormant", "lowest", "random", "highest"] = "dormant"
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
    """Dormant neurons held at 0 from then on (ReDo, Figure 6)."""

    when: Schedule = every(1000)
    on: Learners = ("critic",)
    tau: NonNegative = 0.0
    batch: Size = 256


@settings
class LateNorm:
    """LayerNorm in the layers that have readers from then on (4.1.4)."""

    when: Once = field(default_factory=Once)  # 4.1.4: at half time
    on: Learners = ("critic",)


@settings
class MakeDominant:
    """The incoming weights of a layer's largest neuron multiplied (3.2, B.3)."""

    when: Once = field(default_factory=Once)
    on: Learners = ("critic",)
    layer: str = "heads.0.dense0"
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


@settings
class AgentConfig:
    """One DrQ update."""

    batch_size: Size = 512  # B.2
    discount: Share = 0.99  # B.2
    learning_rate: Positive = 3e-4  # actor and critic, B.2
    temperature_learning_rate: Positive = 3e-4  # jaxrl
    betas: tuple[Beta, Beta] = (0.9, 0.999)  # B.2
    adam_eps: Positive = 1e-8  # B.2
    weight_decay: NonNegative = 0.0  # on the critic; B.2: none
    decay_in_loss: bool = False  # as L2, through Adam; False: decoupled
    decay_biases: bool = False  # whether the decay includes biases and LayerNorm parameters
    averaging_rate: Share = 0.005  # of the target critic (tau), B.2
    target_period: Count = 1  # updates between two steps of the target critic
    actor_period: Count = 1  # updates between two steps of actor and temperature
    target_augmentations: Few = 1  # K, averaged in the target
    critic_augmentations: Few = 1  # M, summed in the critic's loss
    pad: Annotated[int, Field(ge=0, le=dmc.LARGEST_SIZE)] = (
        4  # the random shift moves the picture by up to this many pixels (jaxrl)
    )
    initial_temperature: Positive = 0.1  # jaxrl
    target_entropy_per_action: Finite = -1.0  # jaxrl: minus the number of actions


@settings
class RunConfig:
    """How long a run is and what is measured on the way."""

    updates: Count = 1_000_000  # B.1: 500k masked updates are the first half of training
    first_update: Count = (
        1000  # agent step of the first update; before it actions are random (jaxrl)
    )
    updates_per_step: Few = 1  # jaxrl
    replay_capacity: Count = 100_000  # agent steps, B.2
    # Updates at the start that see a reward of zero; filled in: half of them for TASK-masked (B.1).
    reward_masked_updates: CountOrNone = 0
    evaluation_interval: Count = 5000  # agent steps (jaxrl)
    evaluation_episodes: Count = 10  # jaxrl
    score_interval: Count = 2000  # updates (ours)
    score_batch: Size = 256  # replayed, unaugmented observations (ours)
    log_interval: Count = 1000  # updates between two records of losses and timing (ours)
    checkpoint_interval: Count = 5000  # agent steps; written at the next end of an episode (ours)


@settings
class Config:
    """One run, complete: nothing about what is learnt is decided anywhere else."""

    task: str
    method: str
    preset: str
    seed: Seed = 0
    device: Literal["cpu", "cuda"] = "cpu"
    env: EnvConfig = field(default_factory=EnvConfig)
    net: NetConfig = field(default_factory=NetConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    interventions: Interventions = field(default_factory=Interventions)
    agent: AgentConfig = field(default_factory=AgentConfig)
    run: RunConfig = field(default_factory=RunConfig)


# An intervention that is on has options, and one that is off none: no subcommands.
TYRO = (tyro.conf.AvoidSubcommands,)

# A preset is what it changes of the defaults above, and the defaults are `paper`.
PRESETS: dict[str, dict] = {
    "paper": {},
    # The original DrQ (github.com/denisyarats/drq); the number of updates is ours.
    "drq-original": {
        "net": {
            "hidden": 1024,
            "initialisation": "drq",
            "layer_norm_eps": 1e-5,
            "log_std": "tanh",
        },
        "agent": {
            "learning_rate": 1e-3,
            "temperature_learning_rate": 1e-3,
            "averaging_rate": 0.01,
            "target_period": 2,
            "actor_period": 2,
            "target_augmentations": 2,
            "critic_augmentations": 2,
        },
        # There an update comes between choosing an action and taking it: ours, after it, sees one
        # transition more.
        "run": {"updates": 500_000, "first_update": 1001},
    },
    # Two cores and twenty minutes. All of it is ours.
    "laptop": {
        "env": {"size": 64, "render_quality": "no-shadows"},
        "net": {"strides": (2, 2, 1, 1), "bfloat16": True},
        "agent": {
            "batch_size": 64,
            "learning_rate": 1e-3,
            "temperature_learning_rate": 1e-3,
            # Values approach their level with a time constant of 1 / (averaging rate * (1 -
            # discount)): 3,300 updates, where the paper's rate takes 20,000.
            "averaging_rate": 0.03,
        },
        "run": {
            "updates": 20_000,
            "first_update": 500,
            "evaluation_interval": 1000,
            "evaluation_episodes": 3,
            "score_interval": 200,
            "log_interval": 200,
            "checkpoint_interval": 1000,
        },
    },
    # Seconds: for the tests. All of it is ours.
    "tiny": {
        "env": {"size": 32, "render_quality": "fast"},
        "net": {
            "channels": 4,
            "strides": (2, 2, 1, 1),
            "resnet_width": 4,
            "latent": 8,
            "hidden": 16,
        },
        "agent": {"batch_size": 8},
        "run": {
            "updates": 300,
            "first_update": 20,
            "replay_capacity": 400,
            "evaluation_interval": 150,
            "evaluation_episodes": 1,
            "score_interval": 50,
            "score_batch": 32,
            "log_interval": 50,
            "checkpoint_interval": 1,
        },
    },
}

# A method is what it changes of a preset.
METHODS: dict[str, dict] = {
    "baseline": {},
    "reset": {"interventions": {"reset": {}}},
    "redo": {"interventions": {"redo": {}}},
    "pruning": {"interventions": {"pruning": {}}},
    "hl-gauss": {"loss": {"kind": "hl_gauss"}},
    # B.2, footnote 6: the interval and sigma ten times as large.
    "hl-gauss-x10": {"loss": {"kind": "hl_gauss", "high": 1000.0, "sigma": 7.5}},
    "ln": {"net": {"normalisation": "layer_norm"}},
    "lnwd": {  # LayerNorm with weight decay; the rate: B.2
        "net": {"normalisation": "layer_norm"},
        "agent": {"weight_decay": 1e-4},
    },
    "late-ln": {"interventions": {"late_norm": {}}},
    "resnet18": {"net": {"encoder": "resnet18"}},
    # Of the other papers.
    "regrama": {"interventions": {"regrama": {}}},
    "reborn": {"interventions": {"reborn": {}}},
    "continual-backprop": {"interventions": {"continual_backprop": {}}},
    "shrink-perturb": {"interventions": {"shrink_perturb": {}}},
    "l2-init": {"interventions": {"l2_init": {}}},
    "prune-dormant": {"interventions": {"prune_dormant": {}}},
    "weight-decay": {"agent": {"weight_decay": 1e-5, "decay_in_loss": True}},  # ReDo's L2
    "make-dominant": {"interventions": {"make_dominant": {}}},
}

# In presets that are shorter by far a tenth of the run, a fiftieth of it or of the pruning.
SHORT = {"reset": 0.1, "shrink_perturb": 0.1, "redo": 0.02, "regrama": 0.02, "reborn": 0.02,
         "prune_dormant": 0.02, "pruning": 0.012}  # fmt: skip


def build(task: str, method: str = "baseline", preset: str = "paper", seed: int = 0) -> Config:
    """The settings of a run before `settle` and `check`.

    method: one of METHODS, or several joined by +: the later ones change what the earlier set.

    Raises:
        InputError: for an unknown method or preset, with the names nearest to it.
    """
    if preset not in PRESETS:
        raise unknown("--preset", preset, PRESETS)
    methods = method.split("+")
    for name in methods:
        if name not in METHODS:
            raise unknown("--method", name, METHODS)
    if len(set(methods)) < len(methods):
        raise InputError("--method", method, "accepted: each method once")
    config = Config(task=task, method=method, preset=preset, seed=seed)
    per_task = {"env": {"action_repeat": dmc.repeat_of(task), "camera": dmc.camera_of(task)}}
    for changes in (per_task, PRESETS[preset], *(METHODS[name] for name in methods)):
        parts = {
            name: _turned_on(config, new)
            if name == "interventions"
            else replace(getattr(config, name), **new)
            for name, new in changes.items()
        }
        config = replace(config, **parts)
    return config


def _turned_on(config: Config, new: dict[str, dict]) -> Interventions:
    kinds = {f.name: f.type.__args__[0] for f in dataclasses.fields(Interventions)}
    made = {name: kinds[name](**values) for name, values in new.items()}
    if config.preset in ("laptop", "tiny"):
        for name in made.keys() & SHORT.keys():
            when = replace(made[name].when, every=SHORT[name])
            made[name] = replace(made[name], when=when)
    return replace(config.interventions, **made)


def settle(config: Config) -> Config:
    """Fill in what depends on the length of the run: how long TASK-masked masks the reward."""
    run = config.run
    if config.task.endswith("-masked") and run.reward_masked_updates == 0:
        run = replace(run, reward_masked_updates=run.updates // 2)
    return replace(config, run=run)


def check(config: Config) -> None:
    """Refuse a setting that cannot work; `dmc.make` does so for those of the environment.

    What one setting may be stands at its field; here is what two have to do with each other.

    Raises:
        InputError: naming the field as the command line spells it, its value and its range.
    """
    dmc.validate(config.task)
    _validated(dataclasses.asdict(config))
    net, loss = config.net, config.loss
    if loss.low >= loss.high:
        raise InputError("--loss.high", loss.high, f"accepted: a number above low, {loss.low}")
    if net.encoder == "conv" and not net.strides:
        raise InputError("--net.strides", net.strides, "accepted: one stride or more")
    least = smallest_picture(net)
    if config.env.size < least:
        raise InputError(
            "--env.size", config.env.size, f"accepted by this encoder: {least} or more"
        )
    asked, updates = config.interventions.on(), config.run.updates
    if "late_norm" in asked and net.normalisation != "none":
        reason = "late_norm needs --net.normalisation none: there it adds what is already there"
        raise InputError("--net.normalisation", net.normalisation, reason)
    for name, intervention in asked.items():
        when = getattr(intervention, "when", None)
        field_of = f"--interventions.{name}.when".replace("_", "-")
        if isinstance(when, Schedule) and not operator.lt(*when.span(updates)):
            accepted = f"accepted: a time after its start, {when.start}"
            raise InputError(f"{field_of}.end", when.end, accepted)
        if when is not None and not 1 <= when.first(updates) < updates:
            value = when.at if isinstance(when, Once) else when.every
            option = "at" if isinstance(when, Once) else "every"
            reason = f"{name} would never act: accepted is what is due within {updates:,} updates"
            raise InputError(f"{field_of}.{option}", value, reason)


def smallest_picture(net: NetConfig) -> int:
    """Side in pixels of the smallest picture that the encoder takes."""
    if net.encoder == "resnet18":  # any; but its first norm must not be of a single number
        return 5 if net.resnet_width == 1 else 1
    size = 1
    for stride in reversed(net.strides):
        size = (size - 1) * stride + 3
    return size


def to_json(config: Config) -> str:
    return json.dumps({"version": VERSION, **dataclasses.asdict(config)}, indent=2) + "\n"


def from_json(text: bytes, source: Path) -> Config:
    """The settings that a run's `config.json` holds.

    Raises:
        InputError: if the file is no settings of this version.
    """
    try:
        values = json.loads(text)
        version = values.pop("version")
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        raise InputError(str(source), text[:40], "accepted: the config.json of a run") from None
    if version != VERSION:
        raise InputError(str(source), version, f"accepted: a folder of version {VERSION}")
    config = _validated(values, source)
    absent = _absent(values, dataclasses.asdict(config))
    if absent:
        raise InputError(f"{source}: {absent}", None, "accepted: a file with all settings")
    return config


def _absent(values: dict[str, Any], wanted: dict[str, Any]) -> str | None:
    """The name of a setting that is not among the values."""
    for name, value in wanted.items():
        if name not in values:
            return name
        if isinstance(value, dict) and (inner := _absent(values[name], value)):
            return f"{name}.{inner}"
    return None


def _validated(values: dict[str, Any], source: Path | None = None) -> Config:
    """The settings of nested dicts: of a file, or typed on the command line.

    Raises:
        InputError: naming the first setting that breaks the rule at its field.
    """
    try:
        return TypeAdapter(Config).validate_json(json.dumps(values))
    except ValidationError as error:
        found = [(_named(e["loc"]), e) for e in error.errors(include_url=False)]
    name, first = found[0]
    field = f"{source}: {name}" if source else "--" + name.replace("_", "-")
    told = [e["msg"].removeprefix("Input should be ") for other, e in found if other == name]
    raise InputError(field, first["input"], f"accepted: {' or '.join(dict.fromkeys(told))}")


def _named(place: tuple[int | str, ...]) -> str:
    """A setting's dotted name: without what of a tuple, or which member of a union, was tried."""
    names, kind = [], Config
    for part in place:
        options = {f.name: f.type for f in dataclasses.fields(kind)}
        names.append(str(part))
        of = options.get(part)
        kind = next((k for k in (of, *get_args(of)) if dataclasses.is_dataclass(k)), None)
        if kind is None:
            break
    return ".".join(names)
