"""An agent in an environment: each step is one action, and gives the batches that are then due."""

import math
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Discrete
from numpy.typing import NDArray
from torch import Tensor

from fast.errors import EpisodeBroken
from fast.experience.replay import Batch, Replay
from fast.runs.session import (
    ENVIRONMENT,
    EVALUATION,
    POLICY,
    REPLAY,
    Clock,
    environment_seed,
    generator,
)


class Diverged(RuntimeError):
    """A loss, a parameter or an action is no longer finite."""


Policy = Callable[[NDArray[Any]], NDArray[np.float32]]  # an observation -> an action (actions,)


def finite(action: Tensor, step: int) -> Tensor:
    """The policy's action; raises Diverged if it is none."""
    if not all(map(math.isfinite, action.flatten().tolist())):  # a tenth of what torch takes
        raise Diverged(f"the policy's action is not a number at agent step {step}")
    return action


def evaluated(
    env: Any, begin: Callable[[int, NDArray[Any]], Policy], episodes: int, seed: int, step: int
) -> dict[str, Any]:
    """The returns of some episodes, each fixed by the run's seed, its agent step and its number.

    begin: gives the policy of an episode, of its number and its first observation, which the policy
        is then given as every later one.

    An episode that breaks counts with its reward up to there, and the record says why.
    """
    returns, broken = [], []
    for episode in range(episodes):
        obs, _ = env.reset(seed=environment_seed(seed, EVALUATION, step, episode))
        act, total, over = begin(episode, obs), 0.0, False
        while not over:
            try:
                obs, reward, terminated, truncated, _ = env.step(act(obs))
            except EpisodeBroken as error:
                broken.append(str(error))
                break
            total += reward
            over = terminated or truncated
        returns.append(total)
    told = {"return": sum(returns) / len(returns), "returns": returns}
    return told | ({"broken": broken} if broken else {})


def ended(episode: int, rewards: list[float], random: bool, why: str | None) -> dict[str, Any]:
    """The record of an episode; of one that broke it says why, as stderr does."""
    told = {"return": sum(rewards), "length": len(rewards), "random": random}
    if why is None:
        return told
    cut = f"episode {episode} is cut short after {len(rewards)} agent steps"
    print(f"{cut}: {why}", file=sys.stderr)
    return told | {"broken": why}


class Play:
    """What an agent has lived through, and the environment that it lives in.

    Every episode is fixed by the run's seed and its number, so that of the environment nothing need
    be kept. `at_rest` is whether none is running, `ended` the record of one that has just ended.
    """

    news = False  # of labelled pictures: whether a class comes in

    def __init__(
        self,
        env: Any,
        test_env: Any,
        agent: Any,
        replay: Replay,
        *,
        seed: int,
        clock: Clock,
        update_first: bool = False,
    ):
        """
        Args:
            update_first: whether the updates that are due at a step come between choosing its
                action and taking it, and so without what it brings. On a GPU the environment steps
                beside them: the next action is what waits for the parameters.
        """
        self.update_first = update_first
        self.env, self.test_env, self.agent, self.replay = env, test_env, agent, replay
        self.seed, self.clock, self.settings = seed, clock, agent.settings
        # Called with the number of each episode and its arrays, as `replay.extend` has them.
        self.keep: Callable[..., None] = lambda number, **arrays: None
        self.generators = {"policy": generator(seed, POLICY), "replay": generator(seed, REPLAY)}
        self.agent_step = self.environment_step = self.episode = 0
        self.stored: list[tuple[int, int]] = []  # (number, length) of the episodes in the replay
        self.at_rest = True
        self.ended: dict[str, Any] | None = None
        # Of the episode that runs.
        self._seen: list[NDArray[Any]] = []
        self._actions: list[NDArray[np.float32]] = []
        self._rewards: list[float] = []
        self._random = True
        self._frames: deque[NDArray[Any]] = deque(maxlen=replay.stack)

    # --- one step ---------------------------------------------------------------------------------

    def step(self) -> Iterator[Batch]:
        """One action; the batches of the updates that are due at it.

        A step that breaks ends the episode as a time limit would, and is neither kept nor learnt
        from.

        Raises:
            EpisodeBroken: when no step could be used before the first update.
        """
        first = self.settings.first_update
        self.agent_step += 1
        rendered, due = self.env.render_seconds, self._due()
        try:
            if self.at_rest:
                self._begin()
            action = self._explore()
            self.clock.lap("acting")
            if self.update_first and len(self.replay):
                yield from due
            obs, reward, terminated, truncated, info = self.env.step(action)
            over, made, why = terminated or truncated, info["environment_steps"], None
        except EpisodeBroken as error:
            over, terminated, made, why = True, False, error.environment_steps, str(error)
        self.environment_step += made
        self.clock.lap("environment")
        self.clock.move("environment", "rendering", self.env.render_seconds - rendered)
        if why is None:
            if not self._rewards:
                self.replay.begin(self._seen[0])
            self.replay.add(action, reward, terminated, obs)
            self._frames.append(obs)
            self._seen.append(obs)
            self._actions.append(action)
            self._rewards.append(reward)
        elif self.agent_step >= first and len(self.replay) == 0:
            told = "no step before the first update could be used, the last one because"
            raise EpisodeBroken(f"{told} {why}", made)
        self.clock.lap("storing")
        yield from due  # none, where they came first
        if over:
            self._end(terminated, why)

    def _due(self) -> Iterator[Batch]:
        """Batches of this step's updates, whose number per step may be a fraction."""
        steps = self.agent_step - self.settings.first_update + 1
        ratio = self.settings.updates_per_step
        for _ in range(int(ratio * steps) - int(ratio * (steps - 1)) if steps > 0 else 0):
            batch = self.replay.sample(self.settings.batch_size, self.generators["replay"])
            self.clock.lap("sampling")
            yield batch

    def _begin(self) -> None:
        self._actions, self._rewards, self._random, self.at_rest = [], [], True, False
        obs, _ = self.env.reset(seed=environment_seed(self.seed, ENVIRONMENT, self.episode))
        self._frames.extend([obs] * self.replay.stack)
        self._seen = [obs]
        self.clock.lap("environment")

    def _end(self, terminated: bool, why: str | None) -> None:
        length = len(self._rewards)
        if length:
            self.keep(
                self.episode,
                frames=np.stack(self._seen),
                actions=np.stack(self._actions),
                rewards=np.array(self._rewards, np.float32),
                terminated=np.array(terminated),
            )
            self.stored.append((self.episode, length))
        while sum(length for _, length in self.stored[1:]) >= self.replay.capacity:
            self.stored.pop(0)
        self.ended = ended(self.episode, self._rewards, self._random, why)
        self.episode += 1
        self.at_rest = True
        self.clock.lap("storing")

    def _explore(self) -> NDArray[np.float32]:
        """A uniformly random action, or one drawn from the policy."""
        share, policy = self.settings.exploration(self.agent_step), self.generators["policy"]
        self._random &= share == 1
        return self._some_action(self._frames, share, policy, policy)

    def _some_action(
        self,
        frames: deque[NDArray[Any]],
        share: float,
        uniform: torch.Generator,
        policy: torch.Generator | None,
    ) -> NDArray[np.float32]:
        """The policy's action (actions,), or with probability `share` a uniformly random one;
        raises Diverged if it is none."""
        if share < 1 and (share == 0 or torch.rand((), generator=uniform) >= share):
            obs = torch.from_numpy(np.concatenate(frames))[None].to(self.agent.device)
            return finite(self.agent.act(obs, policy)[0].cpu(), self.agent_step).numpy()
        space = self.env.action_space
        if isinstance(space, Discrete):
            return torch.randint(int(space.n), (1,), generator=uniform).float().numpy()
        return (2 * torch.rand(space.shape, generator=uniform) - 1).numpy()

    def sample(self, batch: int, generator: torch.Generator) -> Batch:
        """Transitions as they are: for the measures."""
        return self.replay.sample(batch, generator)

    # --- beside it --------------------------------------------------------------------------------

    def evaluate(self, episodes: int) -> dict[str, Any]:
        """Of the policy as it is evaluated; draws nothing from the run's own generators."""

        def begin(episode: int, obs: NDArray[Any]) -> Policy:
            uniform = generator(self.seed, EVALUATION, self.agent_step, episode)
            share = self.settings.evaluation_exploration
            frames = deque([obs] * self.replay.stack, maxlen=self.replay.stack)

            def act(obs: NDArray[Any]) -> NDArray[np.float32]:
                frames.append(obs)
                return self._some_action(frames, share, uniform, None)

            return act

        return evaluated(self.test_env, begin, episodes, self.seed, self.agent_step)

    def state_dict(self) -> dict[str, Any]:
        """Between two episodes; the replay's episodes are in the run's folder."""
        assert self.at_rest
        return {
            "agent_step": self.agent_step,
            "environment_step": self.environment_step,
            "episode": self.episode,
            "stored": [list(pair) for pair in self.stored],
            "generators": {name: g.get_state() for name, g in self.generators.items()},
        }

    def load_state_dict(
        self, state: dict[str, Any], episodes: Iterable[dict[str, Any]] = ()
    ) -> None:
        """Back to what `state_dict` gave, with the arrays that were kept of its episodes."""
        for name in ("agent_step", "environment_step", "episode"):
            setattr(self, name, state[name])
        self.stored = [tuple(pair) for pair in state["stored"]]
        for name, g in self.generators.items():
            g.set_state(state["generators"][name])
        for episode in episodes:
            self.replay.extend(**episode)
