"""An agent in an environment, on policy: what it does for some steps is learnt from, and forgotten.

Observations and rewards are normalised as they come, by running moments as gymnasium's wrappers
have them in CleanRL's ppo_continuous_action, and cut to +-10. Two things differ: the discounted
return by whose deviation rewards are divided begins anew with every episode (there a time limit
does not end it, and a terminal state cuts it one step too soon); and the moments of observations
are the agent's, since its policy is none without them. So an evaluation takes those of training,
and changes nothing.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from fast.errors import EpisodeBroken
from fast.experience.play import ended, evaluated, finite
from fast.runs.session import ENVIRONMENT, POLICY, REPLAY, Clock, environment_seed, generator

MOST = 10.0  # of a normalised observation or reward (CleanRL)


class Steps(NamedTuple):
    """T steps in the order in which they were made; observations and rewards are normalised."""

    obs: Tensor  # (T, inputs)
    action: Tensor  # (T, actions), as drawn; the environment had it clipped to [-1, 1]
    reward: Tensor  # (T,)
    terminated: Tensor  # (T,) bool: in a terminal state, not at a time limit
    over: Tensor  # (T,) bool: the last step of its episode
    next_obs: Tensor  # (T, inputs): after the step, also of an episode's last one


class Batch(NamedTuple):
    """Some of those steps, as the agent has prepared them all."""

    obs: Tensor  # (batch, inputs)
    action: Tensor  # (batch, actions)
    log_prob: Tensor  # (batch,), under the policy that drew the action, as all of these
    value: Tensor
    advantage: Tensor
    target: Tensor  # of the value
    left: float  # the share of the run that was left when its rollout ended


class Moments(nn.Module):
    """Running mean and variance, float64, from 1e-4 observations of mean 0 and variance 1."""

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(shape, dtype=torch.float64))
        self.register_buffer("count", torch.tensor(1e-4, dtype=torch.float64))

    def add(self, x: Tensor | float) -> None:
        """One more observation, of the shape of the mean."""
        mean, variance, count, x = map(_quick, (self.mean, self.variance, self.count, x))
        total, apart = count + 1, x - mean
        mean += apart / total
        spread = variance + apart * apart / total
        variance[...] = spread * (count / total)
        count[...] = total

    @property
    def deviation(self) -> Tensor:
        """Above 0 also where nothing varies, by gymnasium's 1e-8."""
        return (self.variance + 1e-8).sqrt()

    def normalised(self, x: Tensor) -> Tensor:
        """(x - mean) / deviation, cut, in float32; x (..., *shape)."""
        return ((x - self.mean) / self.deviation).clamp(-MOST, MOST).float()


def _quick(x: Any) -> Any:
    """A tensor as NumPy has it, the same memory: of so few numbers torch's own work around each
    operation, which is the same to the last bit, takes most of the time. Not so on a GPU."""
    return x.numpy() if isinstance(x, Tensor) and x.is_cpu else x


class Rollout:
    """What an agent does in `rollout_steps` steps, and then its epochs of minibatches.

    Every episode is fixed by the run's seed and its number, as in `play`, but a rollout ends in the
    midst of one. `at_rest` is whether no step waits to be learnt from: then the agent's networks
    and moments, the last rollout and the actions of the episode that runs are all that there is,
    and the environment is led back by those actions.

    `ended` is the record of an episode that ended in the last step.
    """

    # What others have: the episodes of a replay, classes that come in, and where episodes go.
    stored: tuple[tuple[int, int], ...] = ()
    news = False
    keep: Callable[..., None]  # never called

    def __init__(
        self, env: Any, test_env: Any, agent: Any, *, updates: int, seed: int, clock: Clock
    ):
        """
        Args:
            updates: of the whole run, by which the learning rate falls.
        """
        self.env, self.test_env, self.agent = env, test_env, agent
        self.seed, self.clock, self.settings = seed, clock, agent.settings
        self.generators = {
            "policy": generator(seed, POLICY),
            "minibatches": generator(seed, REPLAY),
        }
        self.agent_step = self.environment_step = self.episode = self.rollouts = 0
        s = self.settings
        self.planned = math.ceil(updates / (s.epochs * (s.rollout_steps // s.batch_size)))
        self.batch: Batch | None = None  # all of the last rollout
        self.rewards = Moments(())  # of the discounted return up to each step
        self.ended: dict[str, Any] | None = None
        self._steps: list[tuple[Any, ...]] = []  # as Steps, in parts
        self._broken = 0  # steps since the last that could be used
        # Of the episode that runs; without an observation none does.
        self._obs: Tensor | None = None
        self._actions: list[Tensor] = []  # as the environment had them
        self._earned: list[float] = []
        self._discounted = 0.0

    @property
    def at_rest(self) -> bool:
        return not self._steps

    # --- one step ---------------------------------------------------------------------------------

    def step(self) -> Iterator[Batch]:
        """One action; after the last of a rollout, its minibatches.

        A step that breaks ends the episode as a time limit would, and is not learnt from.

        Raises:
            EpisodeBroken: when none of as many steps as a rollout has could be used.
        """
        self.agent_step += 1
        self.ended, why, over = None, None, True
        try:
            obs = self._obs if self._obs is not None else self._begin()
            action = self._explore(obs)
            self.clock.lap("acting")
            clipped = action.clamp(-1, 1)
            seen, reward, terminated, truncated, info = self.env.step(clipped.numpy())
            over, made = terminated or truncated, info["environment_steps"]
        except EpisodeBroken as error:
            made, why = error.environment_steps, str(error)
        self.environment_step += made
        self.clock.lap("environment")
        if why is None:
            self._obs, self._broken = self.agent.observe(torch.from_numpy(seen)), 0
            self._actions.append(clipped)
            self._earned.append(reward)
            scaled = self._scaled(reward)
            self._steps.append((obs, action, scaled, terminated, over, self._obs))
        else:
            if self._steps:
                *step, _, last = self._steps[-1]
                self._steps[-1] = (*step, True, last)
            self._broken += 1
            if self._broken >= self.settings.rollout_steps:
                told = "no step of a whole rollout could be used, the last one because"
                raise EpisodeBroken(f"{told} {why}", made)
        if over:
            self._end(why)
        self.clock.lap("storing")
        if len(self._steps) == self.settings.rollout_steps:
            yield from self._minibatches()

    def _begin(self) -> Tensor:
        """The first observation of a new episode."""
        self._actions, self._earned, self._discounted = [], [], 0.0
        obs, _ = self.env.reset(seed=environment_seed(self.seed, ENVIRONMENT, self.episode))
        self.clock.lap("environment")
        return self.agent.observe(torch.from_numpy(obs))

    def _explore(self, obs: Tensor) -> Tensor:
        """An action drawn from the policy."""
        action = self.agent.explore(obs[None], self.generators["policy"])[0].cpu()
        return finite(action, self.agent_step)

    def _scaled(self, reward: float) -> float:
        """The reward over the deviation of the discounted returns so far, cut."""
        self._discounted = self.settings.discount * self._discounted + reward
        self.rewards.add(self._discounted)
        return min(MOST, max(-MOST, reward / self.rewards.deviation.item()))

    def _end(self, why: str | None) -> None:
        self.ended = ended(self.episode, self._earned, False, why)
        self.episode += 1
        self._obs, self._actions = None, []

    def _minibatches(self) -> Iterator[Batch]:
        """The rollout in its epochs, each in a new order."""
        obs, action, reward, terminated, over, next_obs = zip(*self._steps, strict=True)
        steps = Steps(
            torch.stack(obs), torch.stack(action), torch.tensor(reward),
            torch.tensor(terminated), torch.tensor(over), torch.stack(next_obs),
        )  # fmt: skip
        self.batch = self.agent.prepare(steps, left=1 - self.rollouts / self.planned)
        self.rollouts += 1
        self._steps = []
        for _ in range(self.settings.epochs):
            order = torch.randperm(len(obs), generator=self.generators["minibatches"])
            for chosen in order.split(self.settings.batch_size):
                batch = self._rows(chosen)
                self.clock.lap("sampling")
                yield batch

    def _rows(self, chosen: Tensor) -> Batch:
        assert self.batch is not None, "nothing is learnt from before the first rollout"
        *columns, left = self.batch
        chosen = chosen.to(self.agent.device)
        return Batch._make((*(x[chosen] for x in columns), left))

    def sample(self, batch: int, generator: Generator) -> Batch:
        """Some of the last rollout's steps, no one twice: for the measures."""
        return self._rows(torch.randperm(self.settings.rollout_steps, generator=generator)[:batch])

    # --- beside it --------------------------------------------------------------------------------

    def evaluate(self, episodes: int) -> dict[str, Any]:
        """Of the deterministic policy, rewards unscaled; of training it changes nothing."""
        own = (self.seed, self.agent_step)
        return evaluated(self.test_env, lambda _episode, _obs: self._best, episodes, *own)

    def _best(self, obs: NDArray[Any]) -> NDArray[np.float32]:
        """The deterministic action."""
        action = self.agent.act(torch.from_numpy(obs)[None].to(self.agent.device))[0].cpu()
        return finite(action, self.agent_step).numpy()

    def state_dict(self) -> dict[str, Any]:
        """Between two rollouts."""
        assert self.at_rest
        return {
            "agent_step": self.agent_step,
            "environment_step": self.environment_step,
            "episode": self.episode,
            "rollouts": self.rollouts,
            "generators": {name: g.get_state() for name, g in self.generators.items()},
            "rewards": dict(self.rewards.state_dict()),
            "batch": self.batch and tuple(self.batch),
            "obs": self._obs,
            "actions": list(self._actions),
            "discounted": self._discounted,
        }

    def load_state_dict(self, state: dict[str, Any], _episodes: Iterable[Any] = ()) -> None:
        """Back to what `state_dict` gave: the running episode is played up to there again."""
        for name in ("agent_step", "environment_step", "episode", "rollouts"):
            setattr(self, name, state[name])
        for name, g in self.generators.items():
            g.set_state(state["generators"][name])
        self.rewards.load_state_dict(state["rewards"])
        device = self.agent.device
        if state["batch"] is not None:
            *columns, left = state["batch"]
            self.batch = Batch._make((*(x.to(device) for x in columns), left))
        self._actions, self._discounted = list(state["actions"]), state["discounted"]
        if state["obs"] is not None:
            self._obs = state["obs"].to(device)
            self.env.reset(seed=environment_seed(self.seed, ENVIRONMENT, self.episode))
            self._earned = [self.env.step(action.numpy())[1] for action in self._actions]
