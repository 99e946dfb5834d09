"""Every setting of a run, once: the command line, `config.json` and the presets are made from here.

`build(task, method, preset)` gives a complete `Config`; a method's name is a preset over separate
fields (loss, normalisation, decay, interventions), so methods combine. Sources: a letter, as in
"B.2", is an appendix of Neuron Dominance, "jaxrl" the implementation which B.2 names as its
default, "drq" the original DrQ, and "ours" a choice that no source fixes.
"""

import dataclasses
import json
import math
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from fast.envs import dmc
from fast.errors import InputError, unknown
from fast.records import VERSION
from fast.rules import (
    Beta,
    Count,
    CountOrNone,
    Few,
    Finite,
    NonNegative,
    Pixels,
    Positive,
    Seed,
    Share,
    Size,
    Strides,
    settings,
)


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
class InterventionConfig:
    """What changes the critic from outside its gradient; fast/interventions.py.

    An interval of 0 is filled in by `settle`, for `paper` with B.2's.
    """

    names: tuple[Literal["reset", "redo", "pruning", "late_norm"], ...] = ()
    reset_interval: CountOrNone = 0  # updates; B.2: 100k
    redo_interval: CountOrNone = 0  # updates; B.2: 1k
    redo_tau: NonNegative = 0.1  # B.2
    redo_batch: Size = 256  # replayed, unaugmented observations (Dopamine's ReDo)
    # The next three as in Dopamine's ReDo, the official one, whose core B.2 keeps 'unchanged'.
    redo_initialisation: Literal["xavier", "initial"] = "xavier"  # initial: ReDo's text, section 4
    redo_bias_moments: Literal["keep", "zero"] = "keep"  # zero: at the recycled neurons' biases too
    redo_step_count: Literal["keep", "zero"] = "keep"  # of Adam; zero: timoklein/redo, in PyTorch
    redo_second_head_moments: bool = True  # False: as public code, which leaves them as they are
    pruning_interval: CountOrNone = 0  # updates; B.2: 1k
    pruning_sparsity: Share = 0.95  # B.2
    pruning_start: Share = 0.2  # of the run's updates, B.2
    pruning_end: Share = 0.8  # of the run's updates, B.2
    pruning_distribution: Literal["erk", "uniform"] = "erk"  # public code has both
    late_norm_at: Share = 0.5  # of the run's updates (4.1.4)


@settings
class AgentConfig:
    """One DrQ update."""

    batch_size: Size = 512  # B.2
    discount: Share = 0.99  # B.2
    learning_rate: Positive = 3e-4  # actor and critic, B.2
    temperature_learning_rate: Positive = 3e-4  # jaxrl
    betas: tuple[Beta, Beta] = (0.9, 0.999)  # B.2
    adam_eps: Positive = 1e-8  # B.2
    weight_decay: NonNegative = 0.0  # decoupled, on the critic; B.2: none
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
    intervention: InterventionConfig = field(default_factory=InterventionConfig)
    agent: AgentConfig = field(default_factory=AgentConfig)
    run: RunConfig = field(default_factory=RunConfig)


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
    "reset": {"intervention": {"names": ("reset",)}},
    "redo": {"intervention": {"names": ("redo",)}},
    "pruning": {"intervention": {"names": ("pruning",)}},
    "hl-gauss": {"loss": {"kind": "hl_gauss"}},
    # B.2, footnote 6: the interval and sigma ten times as large.
    "hl-gauss-x10": {"loss": {"kind": "hl_gauss", "high": 1000.0, "sigma": 7.5}},
    "ln": {"net": {"normalisation": "layer_norm"}},
    "lnwd": {  # LayerNorm with weight decay; the rate: B.2
        "net": {"normalisation": "layer_norm"},
        "agent": {"weight_decay": 1e-4},
    },
    "late-ln": {"intervention": {"names": ("late_norm",)}},
    "resnet18": {"net": {"encoder": "resnet18"}},
}

# Updates between two events of each intervention, where the settings leave them open: B.2's, and
# in presets that are shorter by far a tenth of the run, or a fiftieth of it or of the pruning.
INTERVALS = {"reset": 100_000, "redo": 1000, "pruning": 1000}


def build(task: str, method: str = "baseline", preset: str = "paper", seed: int = 0) -> Config:
    """The settings of a run before `settle` and `check`.

    Raises:
        InputError: for an unknown method or preset, with the names nearest to it.
    """
    if preset not in PRESETS:
        raise unknown("--preset", preset, PRESETS)
    if method not in METHODS:
        raise unknown("--method", method, METHODS)
    config = Config(task=task, method=method, preset=preset, seed=seed)
    per_task = {"env": {"action_repeat": dmc.repeat_of(task), "camera": dmc.camera_of(task)}}
    for changes in (per_task, PRESETS[preset], METHODS[method]):
        parts = {name: replace(getattr(config, name), **new) for name, new in changes.items()}
        config = replace(config, **parts)
    return config


def settle(config: Config) -> Config:
    """Fill in what depends on the length of the run: intervals that are 0, and TASK-masked."""
    run, asked = config.run, config.intervention
    intervals = INTERVALS
    if config.preset in ("laptop", "tiny"):
        pruned = run.updates * (asked.pruning_end - asked.pruning_start)
        shares = {"reset": run.updates / 10, "redo": run.updates / 50, "pruning": pruned / 50}
        # `check` refuses the settings that make a share NaN or infinite.
        intervals = {k: max(1, int(v)) if math.isfinite(v) else 1 for k, v in shares.items()}
    new = {f"{name}_interval": value for name, value in intervals.items()}
    new = {name: value for name, value in new.items() if getattr(asked, name) == 0}
    if config.task.endswith("-masked") and run.reward_masked_updates == 0:
        run = replace(run, reward_masked_updates=run.updates // 2)
    return replace(config, intervention=replace(asked, **new), run=run)


def check(config: Config) -> None:
    """Refuse a setting that cannot work; `dmc.make` does so for those of the environment.

    What one setting may be stands at its field; here is what two have to do with each other.

    Raises:
        InputError: naming the field as the command line spells it, its value and its range.
    """
    dmc.validate(config.task)
    _validated(dataclasses.asdict(config))
    net, loss, asked = config.net, config.loss, config.intervention
    if loss.low >= loss.high:
        raise InputError("--loss.high", loss.high, f"accepted: a number above low, {loss.low}")
    if asked.pruning_start >= asked.pruning_end:
        accepted = f"accepted: a share after pruning-start, {asked.pruning_start}"
        raise InputError("--intervention.pruning-end", asked.pruning_end, accepted)
    if net.encoder == "conv" and not net.strides:
        raise InputError("--net.strides", net.strides, "accepted: one stride or more")
    least = smallest_picture(net)
    if config.env.size < least:
        raise InputError(
            "--env.size", config.env.size, f"accepted by this encoder: {least} or more"
        )
    if len(set(asked.names)) != len(asked.names):
        raise InputError("--intervention.names", asked.names, "accepted: each of them once")
    if "late_norm" in asked.names and net.normalisation != "none":
        reason = "late_norm needs --net.normalisation none: there it adds what is already there"
        raise InputError("--intervention.names", asked.names, reason)
    for name in asked.names:
        option, first = _first_event(name, config)
        if not 1 <= first < config.run.updates:
            reason = (
                f"{name} would never act: accepted is what is due within "
                f"{config.run.updates:,} updates"
            )
            value = getattr(asked, option)
            raise InputError(f"--intervention.{option.replace('_', '-')}", value, reason)


def _first_event(name: str, config: Config) -> tuple[str, int]:
    """The setting that says when an intervention acts, and the update after which it first does."""
    settings, updates = config.intervention, config.run.updates
    if name == "late_norm":
        return "late_norm_at", int(settings.late_norm_at * updates)
    option = f"{name}_interval"
    first = interval = getattr(settings, option)
    if name == "pruning":
        first *= max(1, math.ceil(settings.pruning_start * updates / interval))
    return option, first


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
        first = error.errors(include_url=False)[0]
    name = ".".join(part for part in first["loc"] if isinstance(part, str))
    field = f"{source}: {name}" if source else "--" + name.replace("_", "-")
    accepted = first["msg"].removeprefix("Input should be ")
    raise InputError(field, first["input"], f"accepted: {accepted}")
