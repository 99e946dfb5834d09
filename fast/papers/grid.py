"""A figure of a paper as data: which runs it is of, and which family draws what of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class PlannedRun(NamedTuple):
    """One run of a sweep."""

    task: str
    method: str
    seed: int

    @property
    def name(self) -> str:
        """The name of its folder in the sweep's."""
        return f"{self.task}.{self.method}.{self.seed}"


class Panel(NamedTuple):
    """One axes: the records' keys that it draws, and its words.

    `axis` is linear, fraction (0 to 100 %), share or score (logarithmic, with the threshold of
    Neuron Dominance, Definition 1), or magnitude (logarithmic; what is exactly zero is marked at
    the lower edge).
    """

    title: str
    kind: str
    keys: tuple[str, ...]
    axis: str = "linear"


@dataclass(frozen=True)
class Recipe:
    """One figure: every task with every method under seeds 0 to `seeds - 1`, drawn by a family.

    The families are those of `fast/report/families.py`; `panels` is what they draw of a run, for
    points in a plane first what is on the x axis.
    """

    title: str
    family: str
    panels: tuple[Panel, ...]
    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    note: str  # what of it the paper's text gives and what is our choice
    seeds: int
    words: str = ""  # what its face says of the panels
    own: bool = False  # whether it can also be drawn of any other runs
    agent: str = "drq"
    preset: str = "paper"  # which of the agent's is the paper's

    @property
    def runs(self) -> list[PlannedRun]:
        return plan(self.tasks, self.methods, self.seeds)


def joined(*changes: str) -> str:
    """The method of several, of which an empty one and the baseline change nothing."""
    return "+".join(name for name in changes if name not in ("", "baseline")) or "baseline"


def plan(tasks: Sequence[str], methods: Sequence[str], seeds: int) -> list[PlannedRun]:
    """All runs, seed by seed: so that a sweep that is stopped early has compared everything."""
    every = [PlannedRun(t, m, seed) for seed in range(seeds) for t in tasks for m in methods]
    return list(dict.fromkeys(every))  # two processes would train what is named twice
