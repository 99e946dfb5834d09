"""The agents: one file each, which reads as its paper.

An agent has (there is no base class; BRO is SAC with other networks):

    learners        {"critic": Learner, ...}, what interventions act on
    act(obs, generator)             actions in [-1, 1], or the number of one, (batch, 1); without a
                                    generator as it is evaluated; of labelled pictures the classes
    draws(batch, generator)         the random numbers of one update
    update(batch, draws, count)     the count-th update; scalars, still on the device
    loss(learner, batch, draws)     what that learner descends, for the measures
    pieces          names of the methods that `update` calls and `--run.compile` compiles

and its file settings with `require` and `told`, PRESETS, `networks(settings, shape, actions)` and
the class. To add one: write the file, and one row in AGENTS.

One that learns on policy has three more, which `experience.rollout` asks for:

    observe(obs)                    an observation of training, normalised
    explore(obs, generator)         actions as drawn, of normalised observations
    prepare(steps, left)            a rollout as `update` reads it in parts
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple, Protocol

from fast.agents import bro, classifier, dacer, dqn, drq, drqv2, ppo, sac


class AgentSettings(Protocol):
    """What others ask of an agent's settings."""

    kind: str
    batch_size: int
    normalisation: str
    first_update: int  # agent step of it
    updates_per_step: float
    # Of agents that play:
    replay_capacity: int
    n_step: int
    discount: float
    evaluation_exploration: float  # the share of random actions where it is evaluated

    def exploration(self, agent_step: int) -> float:
        """The share of uniformly random actions at an agent step (from 1) of training."""

    def require(self, shape: Sequence[int]) -> None:
        """Refuse what these settings cannot be for observations of this shape."""

    def told(self) -> list[str]:
        """What of them the line that announces a run should say."""


class Kind(NamedTuple):
    """An agent's file, its class and settings, what it learns from (`pixels`, `states`, `games`
    or `labels`), the learner that interventions act on where no other is asked for, and whether it
    learns from what it has just done alone."""

    file: ModuleType
    make: type[Any]
    settings: type[Any]
    observes: str
    main: str = "critic"
    on_policy: bool = False


AGENTS = {
    "drq": Kind(drq, drq.DrQ, drq.DrQSettings, "pixels"),
    "drqv2": Kind(drqv2, drqv2.DrQv2, drqv2.DrQv2Settings, "pixels"),
    "sac": Kind(sac, sac.SAC, sac.SACSettings, "states"),
    "bro": Kind(bro, bro.BRO, bro.BROSettings, "states"),
    "ppo": Kind(ppo, ppo.PPO, ppo.PPOSettings, "states", on_policy=True),
    "dacer": Kind(dacer, dacer.DACER, dacer.DACERSettings, "states", "actor"),
    "dqn": Kind(dqn, dqn.DQN, dqn.DQNSettings, "games"),
    "classifier": Kind(
        classifier, classifier.Classifier, classifier.ClassifierSettings, "labels", "classifier"
    ),
}
