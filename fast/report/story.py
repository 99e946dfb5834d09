"""What the records of runs say, in numbers: of each run, and of each layer of its networks.

A number that was never recorded is None, one that is undefined (a wholly dead layer) is NaN. Steps
are environment steps, those of what never was are None.
"""

import re
from collections.abc import Iterable
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
    srank_first: float | None
    srank_min: float | None
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
        self.dominated = [layer for layer in self.layers if layer.dominant_step is not None]
        self.collapsed = [layer for layer in self.layers if layer.collapsed_step is not None]
        self.sequence = any(order == "dominance first" for _, _, order in self.orders)
        self.dominant_step = _earliest(layer.dominant_step for layer in self.layers)
        self.collapsed_step = _earliest(layer.collapsed_step for layer in self.layers)
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

    def most(self, name: str) -> Layer | None:
        """The layer of the largest number of that name, None where it was nowhere recorded."""
        found = [layer for layer in self.layers if getattr(layer, name) is not None]
        return max(
            found, key=lambda layer: np.nan_to_num(getattr(layer, name), nan=-1.0), default=None
        )

    @property
    def share_max(self) -> float | None:
        most = self.most("share_max")
        return most and most.share_max

    @property
    def saturated_max(self) -> float | None:
        most = self.most("saturated_max")
        return most and most.saturated_max


Groups = dict[str, list[Facts]]  # by method


def _layer(run: Run, name: str) -> Layer:
    steps, share = series(run, "scores", f"{name}/largest_share")
    saturated = series(run, "scores", f"{name}/saturated")[1]
    srank = series(run, "scores", f"{name}/srank")[1]
    return Layer(
        name,
        _extreme(np.fmax, share),
        _last(share),
        _first(steps, share > DOMINANT_SHARE),
        _extreme(np.fmax, saturated),
        _last(saturated),
        _first(steps, saturated >= 1),
        float(srank[0]) if len(srank) else None,
        _extreme(np.fmin, srank),
        _last(srank),
    )


def _extreme(pick: np.ufunc, values: Floats) -> float | None:
    """The largest or smallest that is defined; NaN if none is, None if there is no record."""
    return float(pick.reduce(values)) if len(values) else None


def _last(values: Floats) -> float | None:
    return float(values[-1]) if len(values) else None


def _earliest(steps: Iterable[float | None]) -> float | None:
    return min((step for step in steps if step is not None), default=None)


def _first(steps: Floats, holds: np.ndarray) -> float | None:
    return float(steps[np.argmax(holds)]) if holds.any() else None


def counts(every: Iterable[Facts]) -> dict[str, int]:
    """In how many of the scored runs was seen what the paper reports."""
    scored = [f for f in every if f.layers]
    return {
        "scored": len(scored),
        "dominant": sum(bool(f.dominated) for f in scored),
        "collapsed": sum(bool(f.collapsed) for f in scored),
        "sequence": sum(f.sequence for f in scored),
    }


def layers_with(every: Iterable[Facts], name: str) -> list[str]:
    """The layers, by name, in which a step of that name was seen in a run."""
    return list(dict.fromkeys(
        layer.name for f in every for layer in f.layers if getattr(layer, name) is not None
    ))  # fmt: skip
