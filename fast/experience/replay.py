"""Replay of transitions in which every observation is stored once.

Observations lie in a ring, one after the other as they came, the last of an episode included. A
transition is the number of its observation and the number of its episode's first one: the stacks
before and after it are gathered when it is sampled, as are the rewards of n steps, and none reaches
into another episode. At 84 x 84 x 3 and 100,000 transitions that is 2.1 GB; two stacks of three for
each would be 12.7.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor

from fast.errors import InputError

LARGEST = torch.finfo(torch.float32).max  # of a reward or an action that the buffer can hold


class Batch(NamedTuple):
    """Transitions of k <= n steps, on the replay's device.

    `obs` and `next_obs` are `(batch, stack * channels, ...)`, oldest first, of the observations'
    type, and may share memory; `action` is float32 `(batch, actions)`, or `(batch, 1)` where it is
    the number of one, `reward` and `discount` float32 `(batch,)`. `reward` is the sum of
    gamma^i r_i over the k steps that the episode still has, n at the most; `discount` is gamma^k, 0
    where they ended in a terminal state, not at a time limit. So the target is
    reward + discount * V(next_obs) whatever n is.
    """

    obs: Tensor
    action: Tensor
    reward: Tensor
    discount: Tensor
    next_obs: Tensor


def slots(capacity: int, stack: int, steps_per_episode: int) -> int:
    """Observations to keep so that `capacity` transitions of full-length episodes can be sampled.

    One for each transition, one for the end of each episode, the `stack - 1` before the
    oldest transition, and the first one of an episode that has just begun. (In the middle of an
    episode there is no such frame, but one episode more may be touched.)
    """
    return capacity + math.ceil(capacity / steps_per_episode) + (stack - 1) + 1


class Replay:
    """The newest `capacity` transitions (agent steps), sampled uniformly.

    Where episodes are shorter than `steps_per_episode` there are more observations to a transition,
    and the oldest transitions go as soon as one of theirs is overwritten.

    An episode is one `begin` and then one `add` for each step, or one `extend`. The observations
    and numbers live on `device`; which transition has which is known on the CPU, so that a
    generator draws the same transitions on every device.

    To rebuild a replay that samples as another one does, `extend` a new one with that one's newest
    episodes, oldest first, that hold `slots` observations or more.
    """

    def __init__(
        self,
        capacity: int,
        observation: Box,
        action: Box | Discrete,
        *,
        stack: int = 1,
        n_step: int = 1,
        discount: float = 0.99,
        reward_clip: float = math.inf,
        steps_per_episode: int = 1000,
        device: torch.device | str = "cpu",
    ):
        """
        Args:
            observation: the space of one observation, of which `stack` are shown.
            n_step, discount: how many rewards are summed, and gamma.
            reward_clip: each reward is clipped to plus or minus this before they are.
        """
        for field, value in [
            ("capacity", capacity),
            ("stack", stack),
            ("n_step", n_step),
            ("steps_per_episode", steps_per_episode),
        ]:
            if value < 1:
                raise InputError(field, value, "accepted: 1 or more")
        self.capacity, self.stack, self.n_step = capacity, stack, n_step
        self.shape, self.dtype, self.device = observation.shape, observation.dtype, device
        self.action_size = 1 if isinstance(action, Discrete) else action.shape[0]
        self.reward_clip = reward_clip
        self.slots = slots(capacity, stack, steps_per_episode)

        # Observation number f, counted from the first one ever, lies at f % slots, and transition
        # number t at t % capacity.
        kind = torch.from_numpy(np.empty(0, observation.dtype)).dtype
        size = math.prod(self.shape)
        self._frame = torch.empty(self.slots, size, dtype=kind, device=device)
        self._action = torch.empty(capacity, self.action_size, device=device)
        self._reward = torch.zeros(capacity, device=device)  # 0 times what is not there yet is 0
        self._mask = torch.empty(capacity, device=device)
        self._now = torch.empty(capacity, dtype=torch.int64)  # the observation before the step
        self._first = torch.empty(capacity, dtype=torch.int64)  # the first one of its episode
        self._gamma = torch.tensor([discount**k for k in range(n_step + 1)], device=device)

        self._frames = 0  # ever stored
        self._added = 0  # transitions ever added
        self._oldest = 0  # the oldest transition that can still be sampled
        self._begin: int | None = None  # the first frame of the running episode
        self._over = False  # whether the last step ended in a terminal state

    @staticmethod
    def bytes(
        capacity: int, observation: int, actions: int, stack: int, steps_per_episode: int
    ) -> int:
        """The memory of a replay with these settings; all but 16 per transition on its device.

        observation: bytes of a single one.
        """
        numbers = 4 * actions + 4 + 4 + 8 + 8
        return slots(capacity, stack, steps_per_episode) * observation + capacity * numbers

    def __len__(self) -> int:
        """The number of transitions that can be sampled."""
        return self._added - self._oldest

    def begin(self, frame: np.ndarray) -> None:
        """Starts an episode with its first observation."""
        if self._begin is not None and self._begin == self._frames - 1:
            raise RuntimeError("begin: the episode before has no step yet")
        self._store(frame)
        self._begin, self._over = self._frames - 1, False
        self._drop()

    def add(self, action: np.ndarray, reward: float, terminated: bool, frame: np.ndarray) -> None:
        """Adds a step of the running episode.

        `action` is `(actions,)`, `frame` the single observation after the step. `terminated` says
        that the step ended in a terminal state; a time limit is none.
        """
        if self._begin is None or self._over:
            raise RuntimeError("add: no episode is running; call begin() first")
        if np.shape(action) != (self.action_size,):
            raise InputError("action", np.shape(action), f"accepted: shape ({self.action_size},)")
        for field, value in (("action", action), ("reward", reward)):
            if not np.all(np.abs(value) <= LARGEST):
                raise InputError(field, value, "accepted: finite float32 numbers")
        self._store(frame)
        at = self._added % self.capacity
        self._action[at] = torch.as_tensor(action)
        self._reward[at] = max(-self.reward_clip, min(float(reward), self.reward_clip))
        self._mask[at] = 0.0 if terminated else 1.0
        self._now[at] = self._frames - 2
        self._first[at] = self._begin
        self._added += 1
        self._over = terminated
        self._drop()

    def extend(
        self, frames: np.ndarray, actions: np.ndarray, rewards: np.ndarray, terminated: bool
    ) -> None:
        """Adds a whole episode of T steps: what `begin` and then T times `add` would do.

        `frames` is `(T + 1, *shape)`, `actions` `(T, actions)`, `rewards` `(T,)`;
        `terminated` is about the last step.
        """
        steps = len(actions)
        lengths = (len(frames), steps, len(rewards))
        if steps < 1 or lengths != (steps + 1, steps, steps):
            accepted = "accepted: T + 1, T and T of them, T at least 1"
            raise InputError("frames, actions, rewards", lengths, accepted)
        self.begin(frames[0])
        for step in range(steps):
            end = terminated and step == steps - 1
            self.add(actions[step], rewards[step], end, frames[step + 1])

    def sample(self, batch: int, generator: torch.Generator) -> Batch:
        """`batch` transitions, uniform and with replacement; `generator` is one on the CPU."""
        if len(self) == 0:
            raise RuntimeError("sample: no transition can be sampled yet")
        drawn = torch.randint(len(self), (batch,), generator=generator)
        return self._gather(self._oldest + drawn)

    def _gather(self, transition: Tensor) -> Batch:
        """The transitions of these numbers, int64 `(batch,)` on the CPU."""
        at, n = transition % self.capacity, self.n_step
        now, first = self._now[at], self._first[at]
        steps = transition[:, None] + torch.arange(n)
        there = steps % self.capacity
        # The steps that there are, up to the end of the episode: the first step always is one.
        made = (steps < self._added) & (self._first[there] == first[:, None])
        made = made.cumprod(1)
        k = made.sum(1)
        last = (transition + k - 1) % self.capacity
        if n == 1:  # both stacks are views of one window: each observation is copied once
            window = self._window(now + 1, first, self.stack + 1)
            obs, next_obs = window[:, :-1], window[:, 1:]
        else:
            obs = self._window(now, first, self.stack)
            next_obs = self._window(self._now[last] + 1, first, self.stack)
        at, there, last, k, made = (x.to(self.device) for x in (at, there, last, k, made))
        return Batch(
            obs=obs.flatten(1, 2),
            action=self._action[at],
            reward=(made * self._gamma[:n] * self._reward[there]).sum(1),
            discount=self._gamma[k] * self._mask[last],
            next_obs=next_obs.flatten(1, 2),
        )

    def _window(self, newest: Tensor, first: Tensor, length: int) -> Tensor:
        """(batch, length, *shape): observations up to `newest`; before its episode's first one
        that one again."""
        frame = newest[:, None] + torch.arange(1 - length, 1)
        frame = torch.maximum(frame, first[:, None]) % self.slots
        # index_select of whole rows is the fastest gather there is.
        found = self._frame.index_select(0, frame.flatten().to(self.device))
        return found.view(len(newest), length, *self.shape)

    def _store(self, frame: np.ndarray) -> None:
        if frame.shape != self.shape or frame.dtype != self.dtype:
            got = f"{frame.dtype} {frame.shape}"
            raise InputError("frame", got, f"accepted: {self.dtype} {self.shape}")
        self._frame[self._frames % self.slots] = torch.from_numpy(frame).flatten()
        self._frames += 1

    def _drop(self) -> None:
        """Moves the oldest transition on, past those that are overwritten or lack a frame."""
        self._oldest = max(self._oldest, self._added - self.capacity)
        while self._oldest < self._added:
            at = self._oldest % self.capacity
            start = max(self._now[at].item() - self.stack + 1, self._first[at].item())
            if start >= self._frames - self.slots:
                break
            self._oldest += 1
