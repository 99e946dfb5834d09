"""What the records of runs say, in numbers: of each run, and of each layer of its networks.

A number that was never recorded is None, one that is undefined (a wholly dead layer) is NaN. Steps
are environment steps, those of what never was are None.
"""

import re
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from fast.report.drawing import DOMINANT_SHARE
from fast.runs.records import Floats, Run, random_returns, scored_layers, series

SCORES = ("largest_share", "saturated", "srank")  # what is to be read of each layer


class Layer(NamedTuple):
    """One layer of one run, `network/layer`; its srank is None for a convolution."""

    name: str
    share_max: float | None
    share_final: float | None
    dominant_step: float | None  # when one neuron was first seen to hold more than half
    saturated_max: float | None
    saturated_final: float | None
    collapsed_step: float | None  # when every neuron was first seen to be saturated
    srank_final: float | None


class Facts:
    """The numbers of one run that the page states."""

    def __init__(self, run: Run):
        self.run = run
        self.steps, self.returns = series(run, "evaluation", "return")
        evaluations = run.of("evaluation")
        last = evaluations[-1] if evaluations else {}
        self.episodes = len(last.get("returns", ()))  # behind one of them
        self.cut_short = bool(last.get("broken"))  # one of these
        self.final_return = _last(self.returns)
        self.random_returns = random_returns(run)[1]  # of uniformly random actions
        random = self.random_returns
        self.random_return = float(np.mean(random)) if len(random) else None

        self.layers = [_layer(run, name) for name in scored_layers(run, "largest_share")]
        self.dominated, self.collapsed = map(self._with, ("dominant_step", "collapsed_step"))
        self.sequence = any(order == "dominance first" for _, _, order in self.orders)
        self.dominant_step = min(map(attrgetter("dominant_step"), self.dominated), default=None)
        self.collapsed_step = min(map(attrgetter("collapsed_step"), self.collapsed), default=None)
        self.share_max = getattr(self.most("share_max"), "share_max", None)
        self.saturated_max = getattr(self.most("saturated_max"), "saturated_max", None)
        self.seconds = _last(series(run, "timing", "seconds")[1])
        self.milliseconds = {
            key.removesuffix("_ms"): float(np.mean(series(run, "timing", key)[1]))
            for key in (run.tables["timing"].columns if "timing" in run.tables else ())
            if key.endswith("_ms")
        }

    @property
    def orders(self) -> list[tuple[Layer, Layer, str]]:
        """(layer, the next of the same part of a network, which came first), where the one had a
        dominant neuron and the other was wholly saturated."""
        told = []
        for layer, after in zip(self.layers, self.layers[1:], strict=False):
            parts = [re.sub(r"[^./]*$", "", it.name) for it in (layer, after)]
            first, then = layer.dominant_step, after.collapsed_step
            if parts[0] == parts[1] and first is not None and then is not None:
                order = "dominance first" if first < then else "the collapse first"
                told.append((layer, after, order if first != then else "both at one score"))
        return told

    def _with(self, name: str) -> list[Layer]:
        """The layers of which a number of that name is recorded."""
        return [layer for layer in self.layers if getattr(layer, name) is not None]

    def most(self, name: str) -> Layer | None:
        """The layer of the largest number of that name, None where it was nowhere recorded."""
        return max(
            self._with(name),
            key=lambda layer: np.nan_to_num(getattr(layer, name), nan=-1.0),
            default=None,
        )


Groups = dict[str, list[Facts]]  # by method


def _layer(run: Run, name: str) -> Layer:
    steps, share = series(run, "scores", f"{name}/largest_share")
    saturated, srank = (series(run, "scores", f"{name}/{it}")[1] for it in ("saturated", "srank"))
    return Layer(
        name,
        _largest(share),
        _last(share),
        _first(steps, share > DOMINANT_SHARE),
        _largest(saturated),
        _last(saturated),
        _first(steps, saturated >= 1),
        _last(srank),
    )


def _largest(values: Floats) -> float | None:
    """The largest that is defined; NaN if none is, None if there is no record."""
    return float(np.fmax.reduce(values)) if len(values) else None


def _last(values: Floats) -> float | None:
    return float(values[-1]) if len(values) else None


def _first(steps: Floats, holds: np.ndarray) -> float | None:
    return float(steps[np.argmax(holds)]) if holds.any() else None
