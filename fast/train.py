"""The training loop: play, update, score, intervene, evaluate, log, checkpoint.

A run is an experience that gives batches, an agent that learns from them, interventions between two
updates, measures of its layers, and a folder.
"""

import contextlib
import math
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from gymnasium.spaces.utils import flatdim

from fast import config as configs
from fast import envs, interventions, measures
from fast.agents import AGENTS
from fast.config import Config
from fast.errors import InputError
from fast.experience.labels import Labels
from fast.experience.play import Diverged, Play
from fast.experience.replay import Replay
from fast.experience.rollout import Rollout
from fast.experience.stored import Stored
from fast.interventions import INTERVENTIONS, Moment
from fast.machine import resources, terminal
from fast.machine.allocator import keep_large_blocks
from fast.machine.compiled import compiled, lacking
from fast.rules import unusual
from fast.runs.folder import (
    REMEDY,
    RunFolder,
    networks_of,
    read_config,
    refuse_used,
    stored_episodes,
)
from fast.runs.records import read_run
from fast.runs.session import (
    AUGMENTATION,
    INTERVENTION,
    SCORES,
    WEIGHTS,
    Clock,
    Stop,
    arithmetic,
    continue_arithmetic,
    describe_machine,
    generator,
)


def experience(
    config: Config, env: Any, test_env: Any, agent: Any, clock: Clock
) -> Play | Rollout | Labels:
    """What gives the batches of a run: labelled pictures, or an agent in an environment, with what
    it has just done or a replay of what it, or that of another run, has lived through."""
    kept: dict[str, Any] = {"seed": config.seed, "clock": clock}
    if AGENTS[config.agent.kind].on_policy:
        return Rollout(env, test_env, agent, updates=config.run.updates, **kept)
    if isinstance(config.env, envs.LabelSettings):
        return Labels(env, agent, settings=config.env, **kept)
    observation, settings = env.observation_space, config.agent
    with resources.allocating("--agent.replay-capacity", settings.replay_capacity):
        replay = Replay(
            resources.capacity(config, env.steps_per_episode),
            observation,
            env.action_space,
            stack=configs.seen(config, observation.shape)[0] // observation.shape[0],
            n_step=settings.n_step,
            discount=settings.discount,
            reward_clip=getattr(settings, "reward_clip", math.inf),
            steps_per_episode=env.steps_per_episode,
            device=config.device,
        )
    kept["update_first"] = config.run.update_first
    if config.run.stored:
        episodes = stored_episodes(config)
        return Stored(env, test_env, agent, replay, episodes=episodes, **kept)
    return Play(env, test_env, agent, replay, **kept)


class Training:
    """A run while it is trained: its state, and the loop that changes it."""

    def __init__(self, config: Config, env: Any, test_env: Any):
        self.config, self.env, self.clock = config, env, Clock()
        self.device, seed = torch.device(config.device), config.seed
        shape = configs.seen(config, env.observation_space.shape)
        outputs = flatdim(env.action_space)  # numbers of an action, or classes
        with resources.allocating("--agent", resources.sizes(config)):
            weights, kind = generator(seed, WEIGHTS), AGENTS[config.agent.kind]
            self.agent = kind.make(config.agent, shape, outputs, weights, self.device)
        self.learn = self.agent.update
        if config.run.compile and (lacks := lacking(self.device)):
            print(f"--run.compile: {lacks}: updates are eager", file=sys.stderr)
        elif config.run.compile:
            self.learn = compiled(self.agent)
        interventions.require(config.interventions, self.agent.learners)
        self.take_networks(kind.main)
        if penalty := config.interventions.l2_init:
            for name in penalty.on:
                self.agent.learners[name].pull_to_start(penalty.strength)
        self.experience = experience(config, env, test_env, self.agent, self.clock)
        self.draws = generator(seed, AUGMENTATION)
        self.update = 0
        self.timed_step = self.saved_step = 0  # agent steps of the last timing and checkpoint
        self.seconds = 0.0  # of training, over all sessions
        self.info: dict[str, torch.Tensor] = {}
        self.sets: dict[str, torch.Tensor] = {}  # of neurons, as the last scores had them
        self.results: list[tuple[int, float]] = []  # of the evaluations, after so many updates
        self.shown: dict[str, str] = {}  # beside the progress bar

    def take_networks(self, main: str) -> None:
        """Those of other runs, where it begins with them or is taught by one; raises InputError
        where they are of other shapes."""
        run, held = self.config.run, self.agent.learners
        asked = {"--run.teacher": (run.teacher, {main: held[main].slow})}
        if run.pretrained:
            begins = {name: learner.module for name, learner in held.items()}
            asked["--run.start"] = (run.start, begins)
        for field, (path, networks) in asked.items():
            if not path:
                continue
            found = networks_of(self.config, field, path)
            try:
                for name, network in networks.items():
                    network.load_state_dict(found[name])
            except (RuntimeError, KeyError) as error:
                told = f"its networks are others: {error}".splitlines()[0]
                raise InputError(field, path, told) from None
        if run.pretrained and not run.teacher:
            for learner in held.values():
                if learner.slow is not None:
                    learner.follow(1.0)

    # --- the loop -----------------------------------------------------------------------------

    def run(self, folder: RunFolder, stop: Stop) -> bool:
        """Train to the end, or to the end of the episode in which `stop` is asked for.

        Returns whether the run is complete.

        Raises:
            Diverged: when a loss or a parameter is not finite; the last checkpoint is good.
            EpisodeBroken: when no step of the environment could be used before the first update.
        """
        self.folder, run, played = folder, self.config.run, self.experience
        played.keep = folder.save_episode
        told = [r for r in folder.begin() if r["kind"] == "evaluation"]
        self.results = [(r["update"], r["return"]) for r in told if r["return"] is not None]
        if folder.checkpoint is None:
            self.save()
        self.log("session", **describe_machine(self.config.device, self.env))
        self.announce()
        self.clock.lap("storing")
        length = getattr(self.config.agent, "rollout_steps", self.env.steps_per_episode)
        length = 1 if run.stored else length
        planned = -(-resources.planned_agent_steps(self.config) // length) * length
        bar = terminal.bar(planned, "steps", initial=played.agent_step, smoothing=0.05,
                           desc=self.config.method)  # fmt: skip
        with bar:
            if played.agent_step == 0 and stop.signal is None:
                self.evaluate()
            # An episode is played to its end: only there can a run be taken up again.
            while not played.at_rest or (self.update < run.updates and stop.signal is None):
                for batch in played.step():
                    if self.update < run.updates:
                        self.improve(batch)
                if played.agent_step % run.evaluation_interval == 0:
                    self.evaluate()
                bar.update()
                bar.set_postfix(self.shown, refresh=False)
                if played.ended:
                    self.log("episode", **played.ended)
                    played.ended = None
                due = played.agent_step - self.saved_step >= run.checkpoint_interval
                if due and played.at_rest and self.update < run.updates:
                    self.save()
        if self.update >= run.updates:
            self.finish()
        if played.agent_step != self.saved_step:
            self.save()
        return self.update >= run.updates

    def announce(self) -> None:
        """Say what is trained, and what of it was chosen by the task and the preset."""
        c, run = self.config, self.config.run
        step = self.experience.agent_step
        start = f", resumed at agent step {step:,}" if step else ""
        print(
            f"{c.agent.kind}, {c.method} on {c.task}, preset {c.preset}, seed {c.seed}, "
            f"{c.device}: {run.updates:,} updates into {self.folder.path}{start}\n"
            f"  {c.env.told()}, batch {c.agent.batch_size}\n"
            f"  scores every {run.score_interval:,} updates, evaluation every "
            f"{run.evaluation_interval:,} agent steps"
            + (f", reward masked for {run.masked_updates:,} updates" if run.masked_updates else "")
            + "".join(f"\n  {line}" for line in self.chosen()),
            file=sys.stderr,
        )  # fmt: skip

    def chosen(self) -> list[str]:
        """What the method changes of the plain agent, with the numbers that were chosen."""
        c, updates, lines = self.config, self.config.run.updates, []
        for name, asked in c.interventions.on().items():
            timed = asked.when.told(updates) if hasattr(asked, "when") else "always"
            numbers = unusual(asked, *(key for key in vars(asked) if key not in ("on", "when")))
            rest = f": {', '.join(numbers)}" if numbers else ""
            lines.append(f"{name} of {', '.join(asked.on)} {timed}{rest}")
        return lines + c.agent.told()

    def improve(self, batch: Any) -> None:
        """One update of the agent, after the scores and before the record that fall due here."""
        run = self.config.run
        if self.update % run.score_interval == 0:
            self.score()
        batch = self.mask(batch)
        self.update += 1
        draws = self.agent.draws(len(batch.obs), self.draws)
        self.info |= self.learn(batch, draws, self.update)
        self.clock.lap("update")  # on a GPU until it is asked for: the next action waits for it
        self.intervene()
        if self.update % run.log_interval == 0:
            self.require_finite()
            told = {name: value.item() for name, value in self.info.items()}
            self.clock.lap("update")
            self.log("update", **told)
            self.log_timing()

    def intervene(self) -> None:
        """Reset, recycle, prune, ... learners after an update, where it is due; a record each."""
        updates = self.config.run.updates
        asked = self.config.interventions.on()
        there = [each for each in INTERVENTIONS if each in asked]
        now = (self.update, updates, self.results, self.experience.news)
        due = [each for each in there if asked[each].when.due(*now)]
        for name, learner in [(each, on) for each in due for on in asked[each].on]:
            # Keyed by name: another intervention beside it changes none of its draws.
            purpose = crc32(f"{name} {learner}".encode())
            key = self.config.seed, INTERVENTION, self.update, purpose
            own, for_draws = generator(*key), generator(*key, 1)

            held = self.agent.learners[learner]
            look = partial(self.look, learner, own, for_draws)
            moment = Moment(self.update, updates, held, look, own)
            told = INTERVENTIONS[name](asked[name], moment)
            held.hold()
            self.log("intervention", name=name, learner=learner, **told)
        self.clock.lap("intervention")

    def look(
        self, learner: str, own: torch.Generator, for_draws: torch.Generator, size: int
    ) -> dict[str, measures.Seen]:
        """The layers of a learner on so many replayed observations."""
        batch = self.experience.sample(size, own)
        return measures.look(self.agent, learner, batch, self.agent.draws(size, for_draws))

    def mask(self, batch: Any) -> Any:
        """The batch as the critic sees it: without reward while rewards are masked (B.1)."""
        if self.update < self.config.run.masked_updates:
            return batch._replace(reward=torch.zeros_like(batch.reward))
        return batch

    def finish(self) -> None:
        """The last scores and the last evaluation, unless they were just made."""
        self.score()
        if self.experience.agent_step % self.config.run.evaluation_interval != 0:
            self.evaluate()

    # --- measurements -------------------------------------------------------------------------

    def evaluate(self) -> None:
        """Returns of the deterministic policy."""
        self.clock.lap("storing")
        told = self.experience.evaluate(self.config.run.evaluation_episodes)
        self.log("evaluation", **told)
        self.results.append((self.update, told["return"]))
        name = next(iter(told))
        self.shown[name] = f"{told[name]:.4g}"
        self.clock.lap("evaluation")

    def score(self) -> None:
        """Scores of every hidden layer, on replayed, unaugmented observations."""
        self.require_finite()
        size = self.config.run.score_batch
        g = generator(self.config.seed, SCORES, self.update)
        batch = self.mask(self.experience.sample(size, g))
        draws, printed = self.agent.draws(size, g), self.config.run.magi == "printed"
        result = measures.measure(self.agent, batch, draws, self.sets, printed)
        self.log("scores", **result)
        first, held = next(iter(self.agent.learners.items()))  # of whose layers with readers
        for name, form in (("largest_share", ".2f"), ("saturated", ".0%")):
            most = max(result[f"{first}/{layer}/{name}"] for layer in held.readers)
            self.shown[name] = format(most, form)
        self.clock.lap("scores")

    def log(self, kind: str, **values: Any) -> None:
        played = self.experience
        self.folder.log(
            kind,
            agent_step=played.agent_step,
            environment_step=played.environment_step,
            update=self.update,
            **values,
        )

    def log_timing(self) -> None:
        """Milliseconds per agent step since the last such record, by what they were spent on."""
        steps = self.experience.agent_step - self.timed_step
        if steps == 0:  # several updates in one agent step
            return
        self.clock.lap("storing")
        spent = self.clock.take()
        self.timed_step = self.experience.agent_step
        self.seconds += sum(spent.values())
        rate = steps / sum(spent.values())
        parts = {f"{name}_ms": 1000 * seconds / steps for name, seconds in spent.items()}
        self.log("timing", seconds=self.seconds, agent_steps_per_second=rate, **parts)

    # --- safety -------------------------------------------------------------------------------

    def require_finite(self) -> None:
        learners = self.agent.learners.values()
        values = [*self.info.values(), *(p for held in learners for p in held.module.parameters())]
        if not torch.stack([value.isfinite().all() for value in values]).all():
            raise Diverged(f"a loss or a parameter is not finite at update {self.update}")

    def save(self) -> None:
        """Write a checkpoint; only between two episodes.

        Raises:
            Diverged: rather than replace a good checkpoint by a bad one.
        """
        self.require_finite()
        self.clock.lap("storing")
        state = {
            "agent": {name: held.state_dict() for name, held in self.agent.learners.items()},
            "experience": self.experience.state_dict(),
            "draws": self.draws.get_state(),
            "update": self.update,
            "arithmetic": arithmetic(),
            "seconds": self.seconds + sum(self.clock.seconds.values()),
            "info": {name: value.clone() for name, value in self.info.items()},
            "sets": dict(self.sets),
            "measures": crc32(" ".join(measures.NAMES).encode()),
        }
        if not finite(state):  # a moment of an optimizer, or the target
            raise Diverged(f"a number of the checkpoint is not finite at update {self.update}")
        self.folder.save_checkpoint(state, [number for number, _ in self.experience.stored])
        self.saved_step = self.experience.agent_step

    def load(self, folder: RunFolder) -> None:
        """Go back to the checkpoint of a folder.

        Raises:
            InputError: if its content does not fit its settings, or an episode cannot be read.
        """
        if folder.checkpoint is None:
            return
        state = folder.checkpoint["state"]
        try:
            if state["measures"] != crc32(" ".join(measures.NAMES).encode()):
                raise ValueError("it records other scores than this version does")
            for name, held in self.agent.learners.items():
                held.load_state_dict(state["agent"][name])
            self.experience.load_state_dict(state["experience"], folder.episodes())
            self.draws.set_state(state["draws"])
            self.update, self.seconds = state["update"], state["seconds"]
            self.timed_step = self.saved_step = self.experience.agent_step
            self.info, self.sets = (
                {name: value.to(self.device) for name, value in state[part].items()}
                for part in ("info", "sets")
            )
            if not finite(state):
                raise ValueError("a number of it is not finite")
            if self.device.type == "cpu":
                for told in continue_arithmetic(state["arithmetic"]):
                    print(told, file=sys.stderr)
        except Exception as error:  # each part has its own kinds for what it cannot be
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError(
                "--resume",
                str(folder.path),
                "its checkpoint does not fit its config.json, or an episode is damaged "
                f"({reason}): {REMEDY}",
            ) from None


def finite(state: object) -> bool:
    """Whether every tensor in nested dicts and lists holds finite numbers alone."""
    if isinstance(state, dict):
        return all(map(finite, state.values()))
    if isinstance(state, list | tuple):
        return all(map(finite, state))
    return not isinstance(state, torch.Tensor) or bool(state.isfinite().all())


def train(config: Config | None, path: Path, stop: Stop) -> bool:
    """Begin a run in the folder `path`; without `config`, resume the run that is there.

    Returns whether the run is complete (`stop` may have ended this session earlier).

    Raises:
        InputError: before anything is written, when it cannot be done here.
        Diverged: when a loss or a parameter is not finite; the last checkpoint is good.
    """
    path, resume = Path(os.path.realpath(path)), config is None
    if config is None:
        config = read_config(path)
    else:
        refuse_used(path)
    configs.check(config)
    if config.device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device", "cuda", "torch sees no GPU here; accepted: cpu")
    keep_large_blocks()
    with contextlib.ExitStack() as stack:
        if resume:
            folder = stack.enter_context(contextlib.closing(RunFolder.resume(path)))
            made = folder.checkpoint and folder.checkpoint["state"]["update"] >= config.run.updates
            if made and read_run(path).finished:  # not if its plan was shortened afterwards
                folder.tidy()  # it may have been killed in doing so
                return True
        env, test_env = (
            stack.enter_context(contextlib.closing(envs.make(config.task, config.env)))
            for _ in range(2)
        )
        resources.require(config, env, path, "--resume" if resume else "--out")
        training = Training(config, env, test_env)
        if resume:
            training.load(folder)
        else:
            folder = stack.enter_context(contextlib.closing(RunFolder.create(path, config)))
        return training.run(folder, stop)
