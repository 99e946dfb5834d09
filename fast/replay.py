"""Replay of pixel transitions in which every frame is stored once.

Frames lie in a ring, one after the other as they came, the last of an episode included. A
transition is the number of its frame and the number of its episode's first frame: the stacks of
frames before and after it are gathered when it is sampled, and never reach into another episode.
At 84 x 84 x 3 and 100,000 transitions that is 2.1 GB; two stacks of three for each would be 12.7.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fast.errors import InputError

LARGEST = torch.finfo(torch.float32).max  # of a reward or an action that the buffer can hold


class Batch(NamedTuple):
    """Transitions, on the replay's device; `obs` and `next_obs` share memory.

    `obs` and `next_obs` are uint8 `(batch, frame_stack * channels, height, width)`, oldest frame
    first; `action` is float32 `(batch, action_size)`, `reward` and `mask` float32 `(batch,)`.
    `mask` is 0 after a step that ended in a terminal state, else 1: also at a time limit, so that
    the target bootstraps through it.
    """

    obs: Tensor
    action: Tensor
    reward: Tensor
    mask: Tensor
    next_obs: Tensor


def slots(capacity: int, frame_stack: int, steps_per_episode: int) -> int:
    """Frames to keep so that `capacity` transitions of full-length episodes can be sampled.

    One for each transition, one for the end of each episode, the `frame_stack - 1` before the
    oldest transition, and the first one of an episode that has just begun. (In the middle of an
    episode there is no such frame, but one episode more may be touched.)
    """
    return capacity + math.ceil(capacity / steps_per_episode) + (frame_stack - 1) + 1


class Replay:
    """The newest `capacity` transitions (agent steps), sampled uniformly.

    Where episodes are shorter than `steps_per_episode` there are more frames to a transition, and
    the oldest transitions go as soon as one of their frames is overwritten.

    An episode is one `begin` and then one `add` for each step, or one `extend`. `frame_shape` is
    `(channels, height, width)`. The frames and numbers live on `device`; which transition has which
    frames is known on the CPU, so that a generator draws the same transitions on every device.

    To rebuild a replay that samples as another one does, `extend` a new one with that one's newest
    episodes, oldest first, that hold `slots` frames or more.
    """

    def __init__(
        self,
        capacity: int,
        frame_shape: tuple[int, int, int],
        action_size: int,
        frame_stack: int,
        steps_per_episode: int,
        device: torch.device | str = "cpu",
    ):
        for field, value in [
            ("capacity", capacity),
            ("frame_stack", frame_stack),
            ("steps_per_episode", steps_per_episode),
        ]:
            if value < 1:
                raise InputError(field, value, "accepted: 1 or more")
        self.capacity, self.frame_shape, self.action_size = capacity, frame_shape, action_size
        self.frame_stack, self.device = frame_stack, torch.device(device)
        self.slots = slots(capacity, frame_stack, steps_per_episode)

        # Frame number f, counted from the first one ever, lies at f % slots, and transition number
        # t at t % capacity.
        self._frame = torch.empty(
            self.slots, math.prod(frame_shape), dtype=torch.uint8, device=device
        )
        self._action = torch.empty(capacity, action_size, device=device)
        self._reward = torch.empty(capacity, device=device)
        self._mask = torch.empty(capacity, device=device)
        self._now = torch.empty(capacity, dtype=torch.int64)  # the frame before the step
        self._first = torch.empty(capacity, dtype=torch.int64)  # the first frame of its episode
        self._window = torch.arange(-frame_stack + 1, 2)  # a stack and the frame after it

        self._frames = 0  # ever stored
        self._added = 0  # transitions ever added
        self._oldest = 0  # the oldest transition that can still be sampled
        self._begin: int | None = None  # the first frame of the running episode
        self._over = False  # whether the last step ended in a terminal state

    @staticmethod
    def bytes(
        capacity: int,
        frame_shape: tuple[int, int, int],
        action_size: int,
        frame_stack: int,
        steps_per_episode: int,
    ) -> int:
        """The memory of a replay with these settings; all but 16 per transition on its device."""
        frames = slots(capacity, frame_stack, steps_per_episode) * math.prod(frame_shape)
        return frames + capacity * (4 * action_size + 4 + 4 + 8 + 8)

    def __len__(self) -> int:
        """The number of transitions that can be sampled."""
        return self._added - self._oldest

    def begin(self, frame: np.ndarray) -> None:
        """Starts an episode with its first frame, uint8 `frame_shape`."""
        if self._begin is not None and self._begin == self._frames - 1:
            raise RuntimeError("begin: the episode before has no step yet")
        self._store(frame)
        self._begin, self._over = self._frames - 1, False
        self._drop()

    def add(self, action: np.ndarray, reward: float, terminated: bool, frame: np.ndarray) -> None:
        """Adds a step of the running episode.

        `action` is `(action_size,)`, `frame` the newest single frame after the step, uint8
        `frame_shape`. `terminated` says that the step ended in a terminal state; a time limit is
        none.
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
        self._reward[at] = float(reward)
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

        `frames` is uint8 `(T + 1, *frame_shape)`, `actions` `(T, action_size)`, `rewards` `(T,)`;
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
        at = transition % self.capacity
        now, first = self._now[at, None], self._first[at, None]
        # Before the episode's first frame a stack repeats that frame.
        frame = torch.maximum(now + self._window, first) % self.slots
        # index_select of whole rows copies each once; both stacks are views of what it copied.
        window = self._frame.index_select(0, frame.flatten().to(self.device))
        window = window.view(len(at), self.frame_stack + 1, *self.frame_shape)
        at = at.to(self.device)
        return Batch(
            obs=window[:, :-1].flatten(1, 2),
            action=self._action[at],
            reward=self._reward[at],
            mask=self._mask[at],
            next_obs=window[:, 1:].flatten(1, 2),
        )

    def _store(self, frame: np.ndarray) -> None:
        if frame.shape != self.frame_shape or frame.dtype != np.uint8:
            got = f"{frame.dtype} {frame.shape}"
            raise InputError("frame", got, f"accepted: uint8 {self.frame_shape}")
        self._frame[self._frames % self.slots] = torch.from_numpy(frame).flatten()
        self._frames += 1

    def _drop(self) -> None:
        """Moves the oldest transition on, past those that are overwritten or lack a frame."""
        self._oldest = max(self._oldest, self._added - self.capacity)
        while self._oldest < self._added:
            at = self._oldest % self.capacity
            start = max(self._now[at].item() - self.frame_stack + 1, self._first[at].item())
            if start >= self._frames - self.slots:
                break
            self._oldest += 1
