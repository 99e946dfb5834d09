"""The training loop: act, store, update, score, evaluate, log, checkpoint."""

import contextlib
import os
import platform
import shlex
import signal
import subprocess
import sys
import time
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch

from fast import config as configs
from fast import interventions, measures
from fast.agents.drq import DrQ
from fast.config import Config
from fast.envs import dmc
from fast.errors import EpisodeBroken, InputError
from fast.experience.replay import Batch, Replay
from fast.interventions import INTERVENTIONS, Moment
from fast.machine import resources, terminal
from fast.machine.allocator import keep_large_blocks
from fast.runs.folder import REMEDY, RunFolder, read_config, refuse_used
from fast.runs.records import read_run


class Diverged(RuntimeError):
    """A loss or a parameter is no longer finite."""


class Stop:
    """A first Ctrl-C, SIGTERM or hang-up asks to stop after the episode, a second one at once."""

    MESSAGE = b"""
Stopping after this episode. Once more to stop now, and lose what came after the checkpoint.
"""

    def __init__(self) -> None:
        self.signal: int | None = None

    def install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup, or a shell's background job
                signal.signal(number, self._handle)

    def _handle(self, number: int, frame: Any) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number
        if number == signal.SIGHUP:  # the terminal is gone, and writing to it would fail
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.dup2(nowhere, sys.stderr.fileno())
        with contextlib.suppress(OSError):
            os.write(2, self.MESSAGE)  # print() must not be called inside itself


class Clock:
    """Where the time goes: each lap adds the time since the last one to a name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] += now - self._last
        self._last = now

    def move(self, source: str, name: str, seconds: float) -> None:
        self.seconds[source] -= seconds
        self.seconds[name] += seconds

    def take(self) -> dict[str, float]:
        """The seconds so far, by name, and start again from zero."""
        seconds, self.seconds = dict(self.seconds), defaultdict(float)
        return seconds


def generator(*key: int) -> torch.Generator:
    """A generator of its own for each purpose: `key` is the run's seed and what it is for."""
    seed = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(seed >> 1))


# What a generator is for: the second part of its key.
WEIGHTS, POLICY, REPLAY, AUGMENTATION, SCORES, ENVIRONMENT, EVALUATION = range(7)
INTERVENTION = 7


def environment_seed(*key: int) -> int:
    return int(np.random.SeedSequence(key).generate_state(1)[0])


def make_env(config: Config, *key: int) -> dmc.DMControl:
    return dmc.make(
        config.task,
        seed=environment_seed(config.seed, *key),
        size=config.env.size,
        frame_stack=config.env.frame_stack,
        action_repeat=config.env.action_repeat,
        camera=config.env.camera,
        render_quality=config.env.render_quality,
    )


class Training:
    """A run while it is trained: its state, and the loop that changes it."""

    COUNTERS = ("agent_step", "environment_step", "update", "episode")

    def __init__(self, config: Config, env: dmc.DMControl, test_env: dmc.DMControl):
        self.config, self.env, self.test_env = config, env, test_env
        self.device = torch.device(config.device)
        self.actions = env.action_space.shape[0]
        stack, seed = config.env.frame_stack, config.seed
        sizes = f"channels {config.net.channels}, hidden {config.net.hidden}"
        with resources.allocating("--net", sizes):
            self.agent = DrQ(config, 3 * stack, self.actions, generator(seed, WEIGHTS))
        interventions.require(config.interventions, self.agent.learners)
        if penalty := config.interventions.l2_init:
            for name in penalty.on:
                self.agent.learners[name].pull_to_start(penalty.strength)
        held, length = resources.capacity(config, env.steps_per_episode), env.steps_per_episode
        with resources.allocating("--run.replay-capacity", config.run.replay_capacity):
            self.replay = Replay(
                held,
                env.frame_space,
                env.action_space,
                stack=stack,
                discount=config.agent.discount,
                steps_per_episode=length,
                device=config.device,
            )
        self.generators = {
            "policy": generator(seed, POLICY),
            "replay": generator(seed, REPLAY),
            "augmentation": generator(seed, AUGMENTATION),
        }
        self.agent_step = self.environment_step = self.update = self.episode = 0
        self.timed_step = self.saved_step = 0  # agent steps of the last timing and checkpoint
        self.stored: list[tuple[int, int]] = []  # (number, length) of the episodes in the buffer
        self.seconds = 0.0  # of training, over all sessions
        self.clock = Clock()
        self.info: dict[str, torch.Tensor] = {}
        self.shown: dict[str, str] = {}  # beside the progress bar

    # --- the loop -----------------------------------------------------------------------------

    def run(self, folder: RunFolder, stop: Stop) -> bool:
        """Train to the end, or to the end of the episode in which `stop` is asked for.

        Returns whether the run is complete.

        Raises:
            Diverged: when a loss or a parameter is not finite; the last checkpoint is good.
            EpisodeBroken: when no step of the environment could be used before the first update.
        """
        self.folder, updates = folder, self.config.run.updates
        folder.begin()
        if folder.checkpoint is None:
            self.save()
        self.log("session", **describe_machine(self.config, self.env))
        self.announce()
        self.clock.lap("storing")
        length = self.env.steps_per_episode
        planned = (
            -(-resources.planned_agent_steps(self.config) // length) * length
        )  # whole episodes
        bar = terminal.bar(planned, "steps", initial=self.agent_step, smoothing=0.05,
                           desc=self.config.method)  # fmt: skip
        with bar:
            if self.agent_step == 0 and stop.signal is None:
                self.evaluate()
            while self.update < updates and stop.signal is None:
                self.play_episode(bar)
                if self.update < updates and self.checkpoint_is_due():
                    self.save()
        if self.update >= updates:
            self.finish()
        if self.agent_step != self.saved_step:
            self.save()
        return self.update >= updates

    def announce(self) -> None:
        """Say what is trained, and what of it was chosen by the task and the preset."""
        c, env, run = self.config, self.config.env, self.config.run
        start = f", resumed at agent step {self.agent_step:,}" if self.agent_step else ""
        print(
            f"{c.method} on {c.task}, preset {c.preset}, seed {c.seed}, {c.device}: "
            f"{run.updates:,} updates into {self.folder.path}{start}\n"
            f"  {env.size}x{env.size} pixels, render quality {env.render_quality}, action repeat "
            f"{env.action_repeat}, camera {env.camera}, batch {c.agent.batch_size}\n"
            f"  scores every {run.score_interval:,} updates, evaluation every "
            f"{run.evaluation_interval:,} agent steps"
            + (f", reward masked for {run.reward_masked_updates:,} updates"
               if run.reward_masked_updates else "")
            + "".join(f"\n  {line}" for line in self.chosen()),
            file=sys.stderr,
        )  # fmt: skip

    def chosen(self) -> list[str]:
        """What the method changes of plain DrQ, with the numbers that were chosen."""
        c, updates, lines = self.config, self.config.run.updates, []
        for name, asked in c.interventions.on().items():
            usual = type(asked)()
            numbers = {k: v for k, v in vars(asked).items() if k == "on" or v != getattr(usual, k)}
            when = getattr(asked, "when", None)
            if isinstance(when, configs.Schedule):
                numbers["when"] = f"every {when.interval(updates):,} updates"
                if when.span(updates) != (0, updates):
                    numbers["when"] += " from {:,.0f} to {:,.0f}".format(*when.span(updates))
            elif when is not None:
                numbers["when"] = f"after update {when.first(updates):,}"
            head = f"{name} of {', '.join(numbers.pop('on'))}"
            timed = numbers.pop("when", "always")
            rest = ", ".join(f"{key} {value}" for key, value in numbers.items())
            lines.append(f"{head} {timed}" + (f": {rest}" if rest else ""))
        if c.loss.kind == "hl_gauss":
            span = f"[{c.loss.low:g}, {c.loss.high:g}]"
            lines.append(f"HL-Gauss: {c.loss.bins} bins on {span}, sigma {c.loss.sigma:g}")
        if c.net.normalisation != "none" or c.agent.weight_decay:
            lines.append(f"normalisation {c.net.normalisation}, decay {c.agent.weight_decay:g}")
        return lines

    def play_episode(self, bar: terminal.tqdm) -> None:
        """One training episode, with its updates.

        A step that breaks ends it as a time limit would, and is neither kept nor learnt from.
        """
        run, clock = self.config.run, self.clock
        obs, _ = self.env.reset()
        frames, actions, rewards = [obs[-3:]], [], []
        random, over, terminated, why = True, False, False, {}
        clock.lap("environment")
        while not over:
            self.agent_step += 1
            random_action = self.agent_step < run.first_update
            action = self.explore(obs, random_action)
            random &= random_action
            clock.lap("acting")
            rendered = self.env.render_seconds
            try:
                obs, reward, terminated, truncated, info = self.env.step(action)
                over, made = terminated or truncated, info["environment_steps"]
            except EpisodeBroken as error:
                over, made, why = True, error.environment_steps, {"broken": str(error)}
            self.environment_step += made
            clock.lap("environment")
            clock.move("environment", "rendering", self.env.render_seconds - rendered)
            if not why:
                if not rewards:
                    self.replay.begin(frames[0])
                frame = obs[-3:]
                self.replay.add(action, reward, terminated, frame)
                frames.append(frame)
                actions.append(action)
                rewards.append(reward)
            elif self.agent_step >= run.first_update and len(self.replay) == 0:
                told = "no step before the first update could be used, the last one because"
                raise EpisodeBroken(f"{told} {why['broken']}", made)
            clock.lap("storing")

            if self.agent_step >= run.first_update:
                for _ in range(run.updates_per_step):
                    if self.update < run.updates:
                        self.improve()
            if self.agent_step % run.evaluation_interval == 0:
                self.evaluate()
            bar.update()
            bar.set_postfix(self.shown, refresh=False)

        length = len(rewards)
        if rewards:
            self.folder.save_episode(
                self.episode,
                frames=np.stack(frames),
                actions=np.stack(actions),
                rewards=np.array(rewards, np.float32),
                terminated=np.array(terminated),
            )
            self.stored.append((self.episode, length))
        while sum(length for _, length in self.stored[1:]) >= self.replay.capacity:
            self.stored.pop(0)
        if why:
            told = f"episode {self.episode} is cut short after {length} agent steps"
            bar.write(f"{told}: {why['broken']}", file=sys.stderr)
        self.log("episode", **{"return": sum(rewards), "length": length, "random": random}, **why)
        self.episode += 1
        clock.lap("storing")

    def explore(self, obs: np.ndarray, random: bool) -> np.ndarray:
        """A uniformly random action, or one drawn from the policy."""
        policy = self.generators["policy"]
        if random:
            return (2 * torch.rand(self.actions, generator=policy) - 1).numpy()
        return self.act(obs, torch.randn((1, self.actions), generator=policy).to(self.device))

    def act(self, obs: np.ndarray, noise: torch.Tensor | None = None) -> np.ndarray:
        """The policy's action (actions,); raises Diverged if it is none."""
        action = self.agent.act(torch.from_numpy(obs)[None].to(self.device), noise)[0].cpu()
        if not action.isfinite().all():
            raise Diverged(f"the policy's action is not a number at update {self.update}")
        return action.numpy()

    def improve(self) -> None:
        """One update of the agent, after the scores and before the record that fall due here."""
        run, agent = self.config.run, self.config.agent
        if self.update % run.score_interval == 0:
            self.score()
        batch = self.mask(self.replay.sample(agent.batch_size, self.generators["replay"]))
        self.clock.lap("sampling")
        self.update += 1
        draws = self.agent.draws(agent.batch_size, self.generators["augmentation"])
        info = self.agent.update(batch, draws, self.update)
        self.info |= info
        if self.device.type == "cuda":  # the next action waits for it anyway
            torch.cuda.synchronize()
        self.clock.lap("update")
        self.intervene()
        if self.update % run.log_interval == 0:
            self.require_finite()
            self.log("update", **{name: value.item() for name, value in self.info.items()})
            self.log_timing()

    def intervene(self) -> None:
        """Reset, recycle, prune, ... learners after an update, where it is due; a record each."""
        updates = self.config.run.updates
        asked = self.config.interventions.on()
        there = [each for each in INTERVENTIONS if each in asked]
        due = [each for each in there if asked[each].when.due(self.update, updates)]
        for name, learner in [(each, on) for each in due for on in asked[each].on]:
            # Keyed by name: another intervention beside it changes none of its draws.
            purpose = crc32(f"{name} {learner}".encode())
            key = self.config.seed, INTERVENTION, self.update, purpose
            own, for_draws = generator(*key), generator(*key, 1)

            def look(size: int, learner=learner, own=own, drawn=for_draws) -> dict:
                batch = self.replay.sample(size, own)
                return measures.look(self.agent, learner, batch, self.agent.draws(size, drawn))

            held = self.agent.learners[learner]
            now = Moment(self.update, updates, held, look, own)
            told = INTERVENTIONS[name](asked[name], now)
            held.hold()
            self.log("intervention", name=name, learner=learner, **told)
        self.clock.lap("intervention")

    def mask(self, batch: Batch) -> Batch:
        """The batch as the critic sees it: without reward while rewards are masked (B.1)."""
        if self.update < self.config.run.reward_masked_updates:
            return batch._replace(reward=torch.zeros_like(batch.reward))
        return batch

    def finish(self) -> None:
        """The last scores and the last evaluation, unless they were just made."""
        self.score()
        if self.agent_step % self.config.run.evaluation_interval != 0:
            self.evaluate()

    # --- measurements -------------------------------------------------------------------------

    def evaluate(self) -> None:
        """Returns of the deterministic policy; draws nothing from the run's own generators.

        An episode that breaks counts with its reward up to there, and the record says why.
        """
        self.clock.lap("storing")
        seed = environment_seed(self.config.seed, EVALUATION, self.agent_step)
        returns, broken = [], []
        for episode in range(self.config.run.evaluation_episodes):
            obs, _ = self.test_env.reset(seed=seed if episode == 0 else None)
            total, over = 0.0, False
            while not over:
                try:
                    step = self.test_env.step(self.act(obs))
                except EpisodeBroken as error:
                    broken.append(str(error))
                    break
                obs, reward, terminated, truncated, _ = step
                total += reward
                over = terminated or truncated
            returns.append(total)
        mean = sum(returns) / len(returns)
        why = {"broken": broken} if broken else {}
        self.log("evaluation", **{"return": mean, "returns": returns}, **why)
        self.shown["return"] = f"{mean:.0f}"
        self.clock.lap("evaluation")

    def score(self) -> None:
        """Scores of every hidden layer, on replayed, unaugmented observations."""
        self.require_finite()
        size = self.config.run.score_batch
        g = generator(self.config.seed, SCORES, self.update)
        batch = self.mask(self.replay.sample(size, g))
        result = measures.measure(self.agent, batch, self.agent.draws(size, g))
        self.log("scores", **result)
        self.shown["share"] = f"{result['critic/heads.0.dense0/largest_share']:.2f}"
        self.shown["saturated"] = f"{result['critic/heads.0.dense1/saturated']:.0%}"
        self.clock.lap("scores")

    def log(self, kind: str, **values: Any) -> None:
        self.folder.log(
            kind,
            agent_step=self.agent_step,
            environment_step=self.environment_step,
            update=self.update,
            **values,
        )

    def log_timing(self) -> None:
        """Milliseconds per agent step since the last such record, by what they were spent on."""
        steps = self.agent_step - self.timed_step
        if steps == 0:  # several updates in one agent step
            return
        self.clock.lap("storing")
        spent = self.clock.take()
        self.timed_step = self.agent_step
        self.seconds += sum(spent.values())
        rate = steps / sum(spent.values())
        parts = {f"{name}_ms": 1000 * seconds / steps for name, seconds in spent.items()}
        self.log("timing", seconds=self.seconds, agent_steps_per_second=rate, **parts)

    # --- safety -------------------------------------------------------------------------------

    def checkpoint_is_due(self) -> bool:
        return self.agent_step - self.saved_step >= self.config.run.checkpoint_interval

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
            "env": self.env.state_dict(),
            "generators": {name: g.get_state() for name, g in self.generators.items()},
            **{name: getattr(self, name) for name in self.COUNTERS},
            "arithmetic": arithmetic(),
            "seconds": self.seconds + sum(self.clock.seconds.values()),
            "stored": [list(pair) for pair in self.stored],
            "info": {name: value.clone() for name, value in self.info.items()},
        }
        if not finite(state):  # a moment of an optimizer, or the target
            raise Diverged(f"a number of the checkpoint is not finite at update {self.update}")
        self.folder.save_checkpoint(state, [number for number, _ in self.stored])
        self.saved_step = self.agent_step

    def load(self, folder: RunFolder) -> None:
        """Go back to the checkpoint of a folder.

        Raises:
            InputError: if its content does not fit its settings, or an episode cannot be read.
        """
        if folder.checkpoint is None:
            return
        state = folder.checkpoint["state"]
        try:
            for name, held in self.agent.learners.items():
                held.load_state_dict(state["agent"][name])
            self.env.load_state_dict(state["env"])
            for name, g in self.generators.items():
                g.set_state(state["generators"][name])
            for name in (*self.COUNTERS, "seconds"):
                setattr(self, name, state[name])
            self.timed_step = self.saved_step = self.agent_step
            self.stored = [tuple(pair) for pair in state["stored"]]
            self.info = {name: value.to(self.device) for name, value in state["info"].items()}
            for episode in folder.episodes():
                self.replay.extend(**episode)
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


def require_device(config: Config) -> None:
    """Raises InputError if a GPU is asked for and absent."""
    if config.device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device", "cuda", "torch sees no GPU here; accepted: cpu")


def arithmetic() -> dict[str, Any]:
    """What the last bits of a sum depend on, on a CPU: how many add, with what, by which code."""
    return {
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "torch": str(torch.__version__),
    }


def continue_arithmetic(began: dict[str, Any]) -> list[str]:
    """Take the number of threads that a run began with; what to say of that and of the rest."""
    here, told = arithmetic(), []
    if began["threads"] != here["threads"]:
        torch.set_num_threads(began["threads"])
        told.append(
            f"The run goes on with {began['threads']} threads, as it began, not with the "
            f"{here['threads']} that are set here: with another number its sums round differently."
        )
    for name, what in (("cpu_capability", "instructions"), ("torch", "torch")):
        if began[name] != here[name]:
            told.append(
                f"The run began with {what} {began[name]}, here it is {here[name]}: from here on "
                "its last bits may differ from those of a run that was never interrupted."
            )
    return told


def describe_machine(config: Config, env: dmc.DMControl) -> dict[str, Any]:
    """What a reader of the metrics must know about where they were made."""
    try:
        git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
        commit = subprocess.run(git, capture_output=True, text=True).stdout.strip()
    except OSError:  # no git here
        commit = ""
    packages = ("torch", "numpy", "dm_control", "mujoco", "gymnasium")
    gpu = torch.cuda.get_device_name() if config.device == "cuda" else None
    return {
        "command": shlex.join(["python", "-m", "fast", *sys.argv[1:]]),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "device": gpu or f"{platform.machine()} CPU",
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "renderer": dmc.renderer_name(env),
        "commit": commit or None,
        "versions": {name: version(name) for name in packages},
    }


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
    config = configs.settle(config)
    configs.check(config)
    require_device(config)
    keep_large_blocks()
    with contextlib.ExitStack() as stack:
        if resume:
            folder = stack.enter_context(contextlib.closing(RunFolder.resume(path)))
            made = folder.checkpoint and folder.checkpoint["state"]["update"] >= config.run.updates
            if made and read_run(path).finished:  # not if its plan was shortened afterwards
                return True
        env = stack.enter_context(contextlib.closing(make_env(config, ENVIRONMENT)))
        test_env = stack.enter_context(contextlib.closing(make_env(config, EVALUATION)))
        length, actions = env.steps_per_episode, env.action_space.shape[0]
        resources.require(config, length, actions, path, "--resume" if resume else "--out")
        training = Training(config, env, test_env)
        if resume:
            training.load(folder)
        else:
            folder = stack.enter_context(contextlib.closing(RunFolder.create(path, config)))
        return training.run(folder, stop)
