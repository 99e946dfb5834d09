"""Every setting of a run, once: the command line, `config.json` and the presets are made from here.

The settings of an agent, an intervention and an environment stand where they act; here are those of
the run, and `build(agent, task, method, preset)`, which puts them together. Sources: a letter, as
in "B.2", is an appendix of Neuron Dominance, "jaxrl" the implementation which B.2 names as its
default, and "ours" a choice that no source fixes.
"""

import dataclasses
import functools
import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import tyro
from pydantic import Discriminator, TypeAdapter, ValidationError

from fast import envs
from fast.agents import AGENTS, AgentSettings
from fast.envs import dmc
from fast.errors import InputError, unknown
from fast.interventions import Interventions, Once, Schedule
from fast.papers.methods import METHODS
from fast.rules import Count, CountOrNone, Seed, Share, Size, settings
from fast.runs.records import VERSION, flat

if TYPE_CHECKING:
    Agent = AgentSettings
else:  # one of the rows of AGENTS, by its kind
    ANY = functools.reduce(operator.or_, (kind.settings for kind in AGENTS.values()))
    Agent = Annotated[ANY, Discriminator("kind")]
Env = Annotated[envs.Settings, Discriminator("kind")]


@settings
class RunConfig:
    """How long a run is and what is measured on the way."""

    updates: Count = 1_000_000  # B.1: 500k masked updates are the first half of training
    # At the start updates see a reward of zero: so many, or a share of them; filled in: half of
    # them for TASK-masked (B.1).
    reward_masked: CountOrNone | Share = 0
    # Folder of a run whose last episodes are learnt from, and nothing is played (ReDo, Figure 4);
    # {task} in it is the task. A step is then a batch, and an update.
    stored: str = ""
    # Folders of runs of the same agent and networks, {task} as above: the one whose network is the
    # target where targets are fixed, and the one whose networks a `pretrained` run begins with.
    teacher: str = ""
    start: str = ""
    pretrained: bool = False
    evaluation_interval: Count = 5000  # agent steps (jaxrl)
    evaluation_episodes: Count = 10  # jaxrl
    score_interval: Count = 2000  # updates (ours)
    score_batch: Size = 256  # replayed, unaugmented observations (ours)
    magi: Literal["loss", "printed"] = "loss"  # whose gradient (OCP, eq. 17); printed: z's mean
    log_interval: Count = 1000  # updates between two records of losses and timing (ours)
    checkpoint_interval: Count = 5000  # agent steps; written at the next end of an episode (ours)
    # Updates due at a step come between choosing its action and taking it, as in the original DrQ:
    # on a GPU beside the environment's step, which they do not see.
    update_first: bool = False
    compile: bool = False  # updates by torch.compile: no faster on our CPU, never seen on a GPU

    @property
    def masked_updates(self) -> int:
        """Updates at the start that see a reward of zero."""
        asked = self.reward_masked
        return asked if isinstance(asked, int) else int(asked * self.updates)


@settings
class Config:
    """One run, complete: nothing about what is learnt is decided anywhere else."""

    task: str
    method: str
    preset: str
    seed: Seed = 0
    device: Literal["cpu", "cuda"] = "cpu"
    env: Env = field(default_factory=envs.PixelSettings)
    interventions: Interventions = field(default_factory=Interventions)
    agent: Agent = field(default_factory=AGENTS["drq"].settings)
    run: RunConfig = field(default_factory=RunConfig)


# An intervention that is on has options, and one that is off none; an agent has its own: no
# subcommands.
TYRO = (tyro.conf.AvoidSubcommands,)

# In presets of so many updates or fewer: a tenth of the run, a fiftieth of it or of the pruning.
BRIEF = 100_000
SHORT = {
    **{name: {"when": {"every": 0.1}} for name in ("reset", "shrink_perturb")},
    **{name: {"when": {"every": 0.02}} for name in ("redo", "regrama", "reborn", "prune_dormant")},
    "pruning": {"when": {"every": 0.012}},
}


def build(
    agent: str, task: str, method: str = "baseline", preset: str = "paper", seed: int = 0
) -> Config:
    """The settings of a run.

    method: one of METHODS, or several joined by +: the later ones change what the earlier set. One
        with another replay ratio keeps the preset's number of agent steps (ReDo, Figures 7 and 10);
        behind it `same-updates` that of updates (Figure 26).

    Raises:
        InputError: for an unknown agent, method or preset, with the names nearest to it; for a
            method that needs what the agent lacks.
    """
    if agent not in AGENTS:
        raise unknown("--agent", agent, AGENTS)
    kind = AGENTS[agent]
    if preset not in kind.file.PRESETS:
        raise unknown("--preset", preset, kind.file.PRESETS)
    methods = method.split("+")
    for name in methods:
        if name not in METHODS:
            raise unknown("--method", name, METHODS)
    if len(set(methods)) < len(methods):
        raise InputError("--method", method, "accepted: each method once")
    changed, made = kind.file.PRESETS[preset], kind.settings()
    for name in methods:
        if lacking := METHODS[name].get("agent", {}).keys() - vars(made).keys():
            reason = f"the agent {agent} has no {', '.join(sorted(lacking))}"
            raise InputError("--method", name, reason)
    made = replace(made, **changed.get("agent", {}))
    run = RunConfig(reward_masked=0.5 if task.endswith(dmc.MASKED) else 0)
    config = Config(
        task=task,
        method=method,
        preset=preset,
        seed=seed,
        env=replace(envs.defaults(task, kind.observes), **changed.get("env", {})),
        agent=made,
        run=replace(run, **changed.get("run", {})),
    )
    usual: dict[str, Any] = SHORT if config.run.updates <= BRIEF else {}
    if getattr(config.env, "new_class_every", 0):  # GraMa, 4.3; pruning has an end to come to
        usual = {name: {"when": {"every": "new-class"}} for name in SHORT if name != "pruning"}
    usual = usual | changed.get("interventions", {})
    planned = config.run.updates
    for name in methods:
        new, on = METHODS[name], config.interventions
        for turned, values in new.get("interventions", {}).items():
            asked = _made(turned, {"on": (kind.main,)}, usual.get(turned, {}), values)
            on = replace(on, **{turned: asked})
        ratio, made = made.updates_per_step, replace(made, **new.get("agent", {}))
        updates = max(1, round(config.run.updates * made.updates_per_step / ratio))
        updates = planned if "updates" in new else updates
        run = replace(config.run, updates=updates, **new.get("run", {}))
        config = replace(config, agent=made, interventions=on, run=run)
    return config


def _made(name: str, *changes: dict[str, Any]) -> Any:
    """The settings of an intervention; a change of its schedule keeps the rest of it."""
    made = get_args(Interventions.__annotations__[name])[0]()  # of its type | None
    for values in changes:
        parts = {
            key: replace(getattr(made, key), **value) if isinstance(value, dict) else value
            for key, value in values.items()
        }
        made = replace(made, **parts)
    return made


def check(config: Config) -> None:
    """Refuse a setting that cannot work; making the environment does so for those of its task.

    What one setting may be stands at its field; here is what two have to do with each other.

    Raises:
        InputError: naming the field as the command line spells it, its value and its range.
    """
    envs.validate(config.task, AGENTS[config.agent.kind].observes)
    _validated(dataclasses.asdict(config))
    config.agent.require(seen(config))
    asked, updates = config.interventions.on(), config.run.updates
    only: dict[str, int | str] = {"update_first": False} if config.run.stored else {}
    reason = "with --run.stored, where nothing is played"
    if config.run.pretrained and not config.run.start:
        raise InputError("--run.start", "", "accepted: the run whose networks it begins with")
    if config.run.teacher and getattr(config.agent, "targets", "moving") != "fixed":
        reason = "accepted with --agent.targets fixed: of an agent that has them"
        raise InputError("--run.teacher", config.run.teacher, reason)
    if AGENTS[config.agent.kind].on_policy:  # rewards are in its advantages
        only = {"reward_masked": 0, "stored": "", "update_first": False}
        reason = "of an agent that learns on policy"
    if isinstance(config.env, envs.LabelSettings):
        only = {"reward_masked": 0, "evaluation_episodes": 1, "stored": "", "update_first": False}
        reason = "of labelled pictures"
        if config.env.new_class_every and config.env.shuffle_every:
            accepted = "accepted with --env.new-class-every: 0"
            raise InputError("--env.shuffle-every", config.env.shuffle_every, accepted)
    for name, value in only.items():
        if getattr(config.run, name) != value:
            field_of = f"--run.{name}".replace("_", "-")
            raise InputError(field_of, getattr(config.run, name), f"accepted {reason}: {value!r}")
    if "late_norm" in asked and config.agent.normalisation != "none":
        reason = "late_norm needs --agent.normalisation none: there it adds what is already there"
        raise InputError("--agent.normalisation", config.agent.normalisation, reason)
    for name, intervention in asked.items():
        when = getattr(intervention, "when", None)
        field_of = f"--interventions.{name}.when".replace("_", "-")
        new = isinstance(when, Schedule) and when.every == "new-class"
        if new and not getattr(config.env, "new_class_every", 0):
            raise InputError(f"{field_of}.every", "new-class", "accepted of a task -incremental")
        if isinstance(when, Schedule) and not operator.lt(*when.span(updates)):
            accepted = f"accepted: a time after its start, {when.start}"
            raise InputError(f"{field_of}.end", when.end, accepted)
        if when is not None and not 1 <= when.first(updates) < updates:
            option = "at" if isinstance(when, Once) else "every"
            value = getattr(when, option)
            reason = f"{name} would never act: accepted is what is due within {updates:,} updates"
            raise InputError(f"{field_of}.{option}", value, reason)


def seen(config: Config, observation: Sequence[int] = (1,)) -> tuple[int, ...]:
    """The shape of what the agent sees at once; see `envs.seen`."""
    return envs.seen(config.task, config.env, observation)


def changed(config: Config) -> list[str]:
    """The settings of a run, by dotted name, that agent, task, preset and method do not give it."""
    usual = build(config.agent.kind, config.task, config.method, config.preset)
    there, named = flat(dataclasses.asdict(config)), flat(dataclasses.asdict(usual))
    own = there.keys() & named.keys() - {"seed", "device"}
    return [name for name in there if name in own and there[name] != named[name]]


def to_json(config: Config) -> str:
    """All settings, and the names of those that were changed: readers do not build them anew."""
    values = {"version": VERSION, **dataclasses.asdict(config), "changed": changed(config)}
    return json.dumps(values, indent=2) + "\n"


def from_json(text: bytes, source: Path) -> Config:
    """The settings that a run's `config.json` holds.

    Raises:
        InputError: if the file is no settings of this version.
    """
    try:
        values = json.loads(text)
        version = values.pop("version")
        values.pop("changed", None)
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
        return _rules().validate_json(json.dumps(values))
    except ValidationError as error:
        found = [(_named(e, values), e) for e in error.errors(include_url=False)]
    name, first = found[0]
    field = f"{source}: {name}" if source else "--" + name.replace("_", "-")
    told = [e["msg"].removeprefix("Input should be ") for other, e in found if other == name]
    raise InputError(field, first["input"], f"accepted: {' or '.join(dict.fromkeys(told))}")


@functools.cache
def _rules() -> TypeAdapter[Config]:
    return TypeAdapter(Config)  # a hundredth of a second


def _named(error: Mapping[str, Any], values: Any) -> str:
    """A setting's dotted name: without what of a tuple, or which member of a union, was tried."""
    place, names = error["loc"], []
    for part in place:
        if isinstance(values, dict) and part in values:
            names.append(part)
            values = values[part]
    if error["type"] == "missing" and isinstance(place[-1], str):  # of a tuple it is a number
        names.append(place[-1])
    return ".".join(names)
