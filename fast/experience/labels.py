"""Batches of labelled pictures, whose labels stay or are shuffled from time to time, or whose
classes come in one after the other.

All that a batch is made of follows from the run's seed and the batch's number, so that this number
is all that has to be kept.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from fast.errors import InputError
from fast.runs.session import LABELS, Clock, generator

TOGETHER = 1000  # pictures that are tested at once


class Batch(NamedTuple):
    """Pictures (batch, channels, height, width), standardised, and their classes (batch,)."""

    obs: Tensor
    label: Tensor


class Labels:
    """The pictures of a data set, an epoch of whole batches after the other, each in a new order.

    Each channel is standardised by the mean and deviation of all training pictures (ours). Labels
    are permuted among the pictures (ours), the true ones first, so that those of a phase can only
    be memorised. A batch is a step of the run, after which it can be taken up again.

    Where classes come in one after the other an epoch is one of the classes that are there, and so
    is a test, which counts all of the network's outputs: those of classes that are still to come
    are there from the start, and to name one of them is wrong (ours).
    """

    # What a player has: the episodes of its replay, whether none is running, the last one's record.
    stored: tuple[tuple[int, int], ...] = ()
    at_rest, ended = True, None
    keep: Callable[..., None]  # never called

    def __init__(self, data: Any, agent: Any, *, seed: int, clock: Clock, settings: Any):
        """
        Args:
            data: arrays `x` (n, channels, height, width), `y` (n,), and `test_x`, `test_y`, uint8.
            settings: how many are learnt from (`pictures`) and tested (`tested`), and for how many
                epochs labels stay (`shuffle_every`) or no class comes in (`new_class_every`).
        """
        self.agent, self.seed, self.clock, self.settings = agent, seed, clock, settings
        x, y, *test = (torch.from_numpy(a) for a in (data.x, data.y, data.test_x, data.test_y))
        self.mean, self.deviation = _moments(x)
        drawn = _permutation(len(x), seed, LABELS)[: settings.pictures]
        self.x, self.y, self.test = x[drawn], y[drawn], [a[: settings.tested] for a in test]
        self.batch_size = agent.settings.batch_size
        # When the class of each picture comes in; how many batches the epochs of each phase have,
        # and with which batch each begins.
        self.every = settings.new_class_every
        order = _permutation(int(y.max()) + 1, seed, LABELS, 3).argsort()
        self.turns, self.test_turns = (
            (order if self.every else 0 * order)[labels.long()] for labels in (self.y, self.test[1])
        )
        sizes = self.turns.bincount().cumsum(0).tolist()
        if self.batch_size > sizes[0]:
            accepted = f"accepted: at most the {sizes[0]:,} pictures that are learnt from"
            raise InputError("--agent.batch-size", self.batch_size, accepted + " at first")
        self.counts = [size // self.batch_size for size in sizes]
        self.begins = [0, *accumulate(self.every * count for count in self.counts[:-1])]
        self.agent_step = 0

    @property
    def environment_step(self) -> int:
        return self.agent_step

    @property
    def news(self) -> bool:
        """Whether the next batch is the first one with a class more."""
        return self.agent_step in self.begins[1:]

    def _place(self, batch: int) -> tuple[int, int, int]:
        """Of a batch, from 0 on: how many classes have come in, its epoch, its place in that."""
        phase = bisect_right(self.begins, batch) - 1
        epochs, place = divmod(batch - self.begins[phase], self.counts[phase])
        return phase, self.every * phase + epochs, place

    def _last(self) -> tuple[int, int]:
        """Of the last batch: how many classes had come in, and its epoch."""
        return self._place(max(0, self.agent_step - 1))[:2]

    def step(self) -> Iterator[Batch]:
        """The next batch; what an epoch leaves over waits for another one."""
        phase, epoch, place = self._place(self.agent_step)
        self.agent_step += 1
        (there,) = (self.turns <= phase).nonzero(as_tuple=True)
        order = there[_permutation(len(there), self.seed, LABELS, 1, epoch)]
        chosen = order[place * self.batch_size :][: self.batch_size]
        batch = self._batch(self.x[chosen], self.labels()[chosen])
        self.clock.lap("sampling")
        yield batch

    def labels(self) -> Tensor:
        """Of all pictures, as the last batch had them; (n,)."""
        (_, epoch), every = self._last(), self.settings.shuffle_every
        if every == 0 or epoch < every:
            return self.y
        return self.y[_permutation(len(self.y), self.seed, LABELS, 2, epoch // every)]

    def _batch(self, x: Tensor, y: Tensor) -> Batch:
        obs, device = (x - self.mean) / self.deviation, self.agent.device
        return Batch(obs.to(device), y.long().to(device))

    def sample(self, batch: int, generator: Generator) -> Batch:
        """Some of the pictures that are learnt from, no one twice: for the measures."""
        (there,) = (self.turns <= self._last()[0]).nonzero(as_tuple=True)
        chosen = there[torch.randperm(len(there), generator=generator)[:batch]]
        return self._batch(self.x[chosen], self.labels()[chosen])

    def evaluate(self, _passes: int) -> dict[str, Any]:
        """The accuracy on pictures for testing, which stands where others have the return, and on
        as many of those that are learnt from, with their labels of now; of classes that have come
        in alone, whose number is told where not all have from the start."""
        n, (phase, _) = self.settings.tested, self._last()
        tested, learnt = self.test_turns <= phase, self.turns[:n] <= phase
        accuracy = self._accuracy(*(part[tested] for part in self.test))
        training = self._accuracy(self.x[:n][learnt], self.labels()[:n][learnt])
        told = {"accuracy": accuracy, "training_accuracy": training, "return": accuracy}
        return told | ({"classes": phase + 1} if self.every else {})

    def _accuracy(self, x: Tensor, y: Tensor) -> float:
        parts = map(self._batch, x.split(TOGETHER), y.split(TOGETHER))
        hits = [(self.agent.act(part.obs) == part.label).sum().item() for part in parts]
        return sum(hits) / len(x) if len(x) else math.nan

    def state_dict(self) -> dict[str, Any]:
        return {"agent_step": self.agent_step}

    def load_state_dict(self, state: dict[str, Any], _episodes: Iterable[Any] = ()) -> None:
        self.agent_step = state["agent_step"]


@lru_cache(4)
def _permutation(n: int, *key: int) -> Tensor:
    """Of n, (n,); the key says of which run and what for."""
    return torch.randperm(n, generator=generator(*key))


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel of uint8 pictures, (1, channels, 1, 1)."""
    values = torch.arange(256)
    counts = torch.stack([c.flatten().bincount(minlength=256) for c in x.transpose(0, 1)]).double()
    share = counts / counts.sum(1, keepdim=True)
    mean = (share * values).sum(1, keepdim=True)
    deviation = (share * (values - mean).square()).sum(1, keepdim=True).sqrt()
    return mean.float()[None, ..., None], deviation.float()[None, ..., None]
