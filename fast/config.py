"""Every setting of a run, once: the command line, `config.json` and the presets are made from here.

`build(task, method, preset)` gives a complete `Config`; a method's name is a preset over separate
fields (loss, normalisation, decay, interventions), so methods combine. Sources: a letter, as in
"B.2", is an appendix of Neuron Dominance, "jaxrl" the implementation which B.2 names as its
default, "drq" the original DrQ, and "ours" a choice that no source fixes.
"""

import dataclasses
import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from fast.envs import dmc
from fast.errors import InputError, unknown
from fast.records import VERSION


@dataclass(frozen=True)
class EnvConfig:
    """What the agent sees and how long it holds an action."""

    size: int = 84  # pixels, square (jaxrl)
    frame_stack: int = 3  # (jaxrl)
    action_repeat: int = 2  # control steps per agent step; filled in from the per-task table
    camera: int = 0  # filled in: 2 for quadruped
    render_quality: Literal["suite", "no-shadows", "fast"] = "suite"  # fast: nor multisampling


@dataclass(frozen=True)
class NetConfig:
    """Encoder, latent layer and heads."""

    encoder: Literal["conv", "resnet18"] = "conv"  # C.1 replaces the convolutions by ResNet-18
    channels: int = 32  # of each 3x3 convolution (jaxrl)
    strides: tuple[int, ...] = (2, 1, 1, 1)
    resnet_width: int = 64  # channels of ResNet-18's first stage (He et al. 2016)
    latent: int = 50  # linear, LayerNorm, tanh: one for the critic, one for the actor
    hidden: int = 256  # width of the two hidden layers of each head
    normalisation: Literal["none", "layer_norm"] = "none"  # before each ReLU of the critic's heads
    layer_norm_eps: float = 1e-6  # flax's; torch's own default is 1e-5
    initialisation: Literal["jaxrl", "drq"] = "jaxrl"
    log_std: Literal["clip", "tanh"] = "clip"  # how the actor keeps log std in [-10, 2]
    bfloat16: bool = False  # convolutions in training and acting; scores are always float32


@dataclass(frozen=True)
class LossConfig:
    """What the critic's heads predict, and how it is compared with the target."""

    kind: Literal["mse", "hl_gauss"] = "mse"
    bins: int = 101  # of HL-Gauss, whose settings are B.2's
    low: float = 0.0
    high: float = 100.0  # targets are clipped to [low, high]; the share clipped is recorded
    sigma: float = 0.75
    entropy_in_target: bool = True  # False: as one public version of HL-Gauss DrQ has it


@dataclass(frozen=True)
class InterventionConfig:
    """What changes the critic from outside its gradient; fast/interventions.py.

    An interval of 0 is filled in by `settle`, for `paper` with B.2's.
    """

    names: tuple[Literal["reset", "redo", "pruning", "late_norm"], ...] = ()
    reset_interval: int = 0  # updates; B.2: 100k
    redo_interval: int = 0  # updates; B.2: 1k
    redo_tau: float = 0.1  # B.2
    redo_batch: int = 256  # replayed, unaugmented observations (Dopamine's ReDo)
    redo_initialisation: Literal["initial", "xavier"] = "initial"  # xavier: Dopamine's ReDo
    redo_second_head_moments: bool = True  # False: as public code, which leaves them as they are
    pruning_interval: int = 0  # updates; B.2: 1k
    pruning_sparsity: float = 0.95  # B.2
    pruning_start: float = 0.2  # of the run's updates, B.2
    pruning_end: float = 0.8  # of the run's updates, B.2
    pruning_distribution: Literal["erk", "uniform"] = "erk"  # public code has both
    late_norm_at: float = 0.5  # of the run's updates (4.1.4)


@dataclass(frozen=True)
class AgentConfig:
    """One DrQ update."""

    batch_size: int = 512  # B.2
    discount: float = 0.99  # B.2
    learning_rate: float = 3e-4  # actor and critic, B.2
    temperature_learning_rate: float = 3e-4  # jaxrl
    betas: tuple[float, float] = (0.9, 0.999)  # B.2
    adam_eps: float = 1e-8  # B.2
    weight_decay: float = 0.0  # decoupled, on the critic; B.2: none
    decay_biases: bool = False  # whether the decay includes biases and LayerNorm parameters
    averaging_rate: float = 0.005  # of the target critic (tau), B.2
    target_period: int = 1  # updates between two steps of the target critic
    actor_period: int = 1  # updates between two steps of actor and temperature
    target_augmentations: int = 1  # K, averaged in the target
    critic_augmentations: int = 1  # M, summed in the critic's loss
    pad: int = 4  # the random shift moves the picture by up to this many pixels (jaxrl)
    initial_temperature: float = 0.1  # jaxrl
    target_entropy_per_action: float = -1.0  # jaxrl: minus the number of actions


@dataclass(frozen=True)
class RunConfig:
    """How long a run is and what is measured on the way."""

    updates: int = 1_000_000  # B.1: 500k masked updates are the first half of training
    first_update: int = 1000  # agent step of the first update; before it actions are random (jaxrl)
    updates_per_step: int = 1  # jaxrl
    replay_capacity: int = 100_000  # agent steps, B.2
    # Updates at the start that see a reward of zero; filled in: half of them for TASK-masked (B.1).
    reward_masked_updates: int = 0
    evaluation_interval: int = 5000  # agent steps (jaxrl)
    evaluation_episodes: int = 10  # jaxrl
    score_interval: int = 2000  # updates (ours)
    score_batch: int = 256  # replayed, unaugmented observations (ours)
    log_interval: int = 1000  # updates between two records of losses and timing (ours)
    checkpoint_interval: int = 5000  # agent steps; written at the next end of an episode (ours)


@dataclass(frozen=True)
class Config:
    """One run, complete: nothing about what is learnt is decided anywhere else."""

    task: str
    method: str
    preset: str
    seed: int = 0
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

    Raises:
        InputError: naming the field as the command line spells it, its value and its range.
    """
    dmc.validate(config.task)
    env, net, agent, run = config.env, config.net, config.agent, config.run
    loss, intervention = config.loss, config.intervention
    at_least = {  # field: (value, least)
        "--seed": (config.seed, 0),
        "--net.channels": (net.channels, 1),
        "--net.resnet-width": (net.resnet_width, 1),
        "--net.latent": (net.latent, 1),
        "--net.hidden": (net.hidden, 1),
        "--loss.bins": (loss.bins, 2),
        "--intervention.reset-interval": (intervention.reset_interval, 1),
        "--intervention.redo-interval": (intervention.redo_interval, 1),
        "--intervention.redo-tau": (intervention.redo_tau, 0),
        "--intervention.redo-batch": (intervention.redo_batch, 1),
        "--intervention.pruning-interval": (intervention.pruning_interval, 1),
        "--agent.batch-size": (agent.batch_size, 1),
        "--agent.target-period": (agent.target_period, 1),
        "--agent.actor-period": (agent.actor_period, 1),
        "--agent.target-augmentations": (agent.target_augmentations, 1),
        "--agent.critic-augmentations": (agent.critic_augmentations, 1),
        "--agent.pad": (agent.pad, 0),
        "--agent.weight-decay": (agent.weight_decay, 0),
        "--run.updates": (run.updates, 1),
        "--run.first-update": (run.first_update, 1),
        "--run.updates-per-step": (run.updates_per_step, 1),
        "--run.replay-capacity": (run.replay_capacity, 1),
        "--run.reward-masked-updates": (run.reward_masked_updates, 0),
        "--run.evaluation-interval": (run.evaluation_interval, 1),
        "--run.evaluation-episodes": (run.evaluation_episodes, 1),
        "--run.score-interval": (run.score_interval, 1),
        "--run.score-batch": (run.score_batch, 1),
        "--run.log-interval": (run.log_interval, 1),
        "--run.checkpoint-interval": (run.checkpoint_interval, 1),
    }
    for name, (value, least) in at_least.items():
        if not (math.isfinite(value) and value >= least):
            raise InputError(name, value, f"accepted: {least} or more")
    fractions = {
        "--agent.discount": agent.discount,
        "--agent.averaging-rate": agent.averaging_rate,
        "--intervention.pruning-sparsity": intervention.pruning_sparsity,
        "--intervention.pruning-start": intervention.pruning_start,
        "--intervention.pruning-end": intervention.pruning_end,
        "--intervention.late-norm-at": intervention.late_norm_at,
    }
    for name, value in fractions.items():
        if not 0 <= value <= 1:
            raise InputError(name, value, "accepted: 0 to 1")
    positive = {
        "--agent.learning-rate": agent.learning_rate,
        "--agent.temperature-learning-rate": agent.temperature_learning_rate,
        "--agent.adam-eps": agent.adam_eps,
        "--agent.initial-temperature": agent.initial_temperature,
        "--net.layer-norm-eps": net.layer_norm_eps,
        "--loss.sigma": loss.sigma,
    }
    for name, value in positive.items():
        if not (math.isfinite(value) and value > 0):
            raise InputError(name, value, "accepted: a finite number above 0")
    if not math.isfinite(agent.target_entropy_per_action):
        entropy = agent.target_entropy_per_action
        raise InputError("--agent.target-entropy-per-action", entropy, "accepted: a finite number")
    if not all(0 <= beta < 1 for beta in agent.betas):
        raise InputError("--agent.betas", agent.betas, "accepted: two numbers in [0, 1)")
    if not -math.inf < loss.low < loss.high < math.inf:
        raise InputError("--loss.high", loss.high, f"accepted: a number above low, {loss.low}")
    if intervention.pruning_start >= intervention.pruning_end:
        accepted = f"accepted: a share after pruning-start, {intervention.pruning_start}"
        raise InputError("--intervention.pruning-end", intervention.pruning_end, accepted)
    if net.encoder == "conv" and (not net.strides or min(net.strides) < 1):
        raise InputError("--net.strides", net.strides, "accepted: a stride of 1 or more for each")
    least = smallest_picture(net)
    if env.size < least:
        raise InputError("--env.size", env.size, f"accepted by this encoder: {least} or more")
    parts = {"net.": net, "loss.": loss, "intervention.": intervention}
    for prefix, part in ({"": config} | parts).items():
        for option in dataclasses.fields(part):
            accepted, value = _choices(option.type), getattr(part, option.name)
            for chosen in value if isinstance(value, tuple) else (value,):
                if accepted and chosen not in accepted:
                    name = f"--{prefix}{option.name.replace('_', '-')}"
                    raise unknown(name, chosen, accepted)
    names = intervention.names
    if len(set(names)) != len(names):
        raise InputError("--intervention.names", names, "accepted: each of them once")
    if "late_norm" in names and net.normalisation != "none":
        reason = "late_norm needs --net.normalisation none: there it adds what is already there"
        raise InputError("--intervention.names", names, reason)
    for name in names:
        option, first = _first_event(name, config)
        if not 1 <= first < run.updates:
            reason = (
                f"{name} would never act: accepted is what is due within {run.updates:,} updates"
            )
            value = getattr(intervention, option)
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


def _choices(kind: Any) -> tuple[str, ...]:
    """The strings of a Literal, or of a tuple of one."""
    found = get_args(kind)
    if found and get_origin(kind) is tuple:
        return _choices(found[0])
    return tuple(value for value in found if isinstance(value, str))


def feature_map(size: int, strides: tuple[int, ...]) -> int:
    """Side of the encoder's output in pixels: 3x3 convolutions without padding."""
    for stride in strides:
        size = (size - 3) // stride + 1
    return size


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
    except (ValueError, TypeError, AttributeError, KeyError):
        raise InputError(str(source), text[:40], "accepted: the config.json of a run") from None
    if version != VERSION:
        raise InputError(str(source), version, f"accepted: a folder of version {VERSION}")
    return _typed(Config, values, source, "")


def _typed(kind: type, values: object, source: Path, prefix: str) -> Any:
    """The dataclass `kind` of JSON values; each must be there and of its field's type."""
    names = {f.name for f in dataclasses.fields(kind)}
    if not isinstance(values, dict) or values.keys() != names:
        odd = sorted(values.keys() ^ names) if isinstance(values, dict) else values
        raise InputError(f"{source}: {prefix or 'settings'}", odd, f"accepted: {sorted(names)}")
    result = {}
    for option in dataclasses.fields(kind):
        value, name, parts = values[option.name], prefix + option.name, get_args(option.type)
        if dataclasses.is_dataclass(option.type):
            result[option.name] = _typed(option.type, value, source, f"{name}.")
            continue
        if get_origin(option.type) is tuple:
            some = parts[0]
            length = len(value) if Ellipsis in parts and isinstance(value, list) else len(parts)
            fits = isinstance(value, list) and len(value) == length
            among = get_args(some)  # of a Literal
            fits = fits and all(v in among if among else isinstance(v, some) for v in value)
            value = tuple(value) if fits else value
        elif parts:
            fits = value in parts  # a Literal
        else:
            fits = type(value) is option.type or (option.type is float and type(value) is int)
        if not fits:
            raise InputError(f"{source}: {name}", value, f"accepted: {option.type}")
        result[option.name] = value
    return kind(**result)
