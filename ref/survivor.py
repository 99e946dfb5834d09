"""TD learning without a reward until a layer dies: the dominant neuron is its last survivor.

Two critics read a trunk as an agent from pixels has it, on fixed data, without an environment:

    features (256) -> linear, LayerNorm, tanh (50), beside an action -> ReLU -> ReLU -> Q_c,
    loss = sum_c mean (Q_c(s, a) - y)^2,   y = gamma (min_c Q'_c(s', a') + alpha ln 2).

Q' is the target network, a' uniform in [-1, 1], whose entropy is ln 2, and alpha, which SAC learns,
goes as exp(-rate) an update. Nothing else is learnt: the values only have to forget their start.
The data are random as well (`transitions`), so the cause is neither a task nor an exploration.
By hand and in float32 for speed: 45,000 updates in a quarter of a minute. Tests hold a gradient
equal to autograd.py's and a step to optim.py's.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ref import nn, scores
from ref.checks import Array, Params, number, require
from ref.optim import BELOW_ONE

Row = dict[str, float]
STATES, FEATURES, TRUNK, CRITICS, LAYERS = 5, 256, 50, 2, ("dense0", "dense1", "final")
GAMMA, ALPHA, BETA1, NORM_EPS = 0.99, 0.1, 0.9, 1e-6
SCORED = 256  # the first transitions, on which all rows are scored
DRAWN = 1000  # for so many updates at a time: a call of the generator costs as much as a layer


@dataclass(frozen=True)
class Settings:
    """Adam's eps, rate and beta2; the target network's averaging rate; the network; the updates."""

    eps: float = 1e-8
    rate: float = 1e-3
    beta2: float = 0.999
    averaging: float = 0.05
    batch: int = 32
    width: int = 64
    trunk_norm: bool = True
    head_norm: bool = False  # LayerNorm before each ReLU
    correlation: float = 0.95  # of a state and the next one
    updates: int = 45_000

    def __post_init__(self) -> None:
        for name in ("eps", "rate", "averaging", "correlation"):
            number(name, getattr(self, name), 0, 1)
        number("beta2", self.beta2, 0, BELOW_ONE)
        for name in ("batch", "width", "updates"):
            value = getattr(self, name)
            require(isinstance(value, int) and value > 0, name, value, "a whole number, 1 or more")


class Transitions(NamedTuple):
    """Features of the states (n, 256), the actions taken (n, 1), features of the next states."""

    features: Array
    action: Array
    following: Array


def transitions(rng: np.random.Generator, correlation: float, n: int = 4096) -> Transitions:
    """Standard normal states (n, 5) and next ones; their features are max(0, x W + b).

    W and b are random and fixed, of a scale that leaves about half of the features on.
    """
    state, noise = rng.normal(size=(2, n, STATES))
    following = correlation * state + math.sqrt(1 - correlation**2) * noise
    weight = rng.normal(size=(STATES, FEATURES)) / math.sqrt(STATES)
    bias = rng.normal(size=FEATURES) / 2
    seen, then = (np.maximum(x @ weight + bias, 0).astype("f4") for x in (state, following))
    return Transitions(seen, rng.uniform(-1, 1, size=(n, 1)).astype("f4"), then)


def start(rng: np.random.Generator, settings: Settings) -> Params:
    """The first parameters: a truncated normal matrix in the trunk, orthogonal ones in the critics.

    Matrices are (in, out), and those of both critics one array: dense0.weight (2, 51, width).
    """
    width = settings.width
    params = {"trunk.weight": nn.lecun(rng.uniform(size=(TRUNK, FEATURES))).T}
    params["trunk.bias"] = np.zeros(TRUNK)
    if settings.trunk_norm:
        params |= nn.init_layer_norm("trunk.norm", TRUNK)
    critics = [
        nn.init_mlp(rng, (TRUNK + 1, width, width, 1), norm=settings.head_norm)
        for _ in range(CRITICS)
    ]
    for name in critics[0]:  # a matrix is turned, a vector becomes a row
        params[name] = np.stack([np.atleast_2d(critic[name].T) for critic in critics])
    return params


def forward(params: Params, features: Array, action: Array) -> tuple[Array, dict[str, Any]]:
    """Q (2, batch); and what `backward` needs, by layer: z and h, of a norm its rows and root."""
    kept: dict[str, Any] = {}
    z = features @ params["trunk.weight"] + params["trunk.bias"]
    h = np.concatenate([np.tanh(_norm(params, "trunk.norm", z, kept)), action], axis=1)
    kept["trunk"] = z, h
    for layer in LAYERS[:-1]:
        z = h @ params[f"{layer}.weight"] + params[f"{layer}.bias"]
        z = _norm(params, f"{layer}.norm", z, kept)
        h = np.maximum(z, 0)
        kept[layer] = z, h
    return (h @ params["final.weight"] + params["final.bias"])[..., 0], kept


def backward(params: Params, grads: Params, features: Array, kept: Any, upper: Array) -> None:
    """Fill `grads`, named and shaped as `params`, from `upper` = dloss/dQ (2, batch)."""
    d = upper[..., None]
    for layer, below in (("final", "dense1"), ("dense1", "dense0"), ("dense0", "trunk")):
        if layer != "final":
            d = _norm_back(params, grads, f"{layer}.norm", d * (kept[layer][0] > 0), kept)
        weight, x = params[f"{layer}.weight"], kept[below][1]
        np.matmul(x.swapaxes(-1, -2), d, out=grads[f"{layer}.weight"])
        d.sum(axis=1, keepdims=True, out=grads[f"{layer}.bias"])
        d = d @ weight.swapaxes(1, 2)
    tanh = kept["trunk"][1][:, :TRUNK]
    d = d.sum(axis=0)[:, :TRUNK] * (1 - tanh * tanh)
    d = _norm_back(params, grads, "trunk.norm", d, kept)
    np.matmul(features.T, d, out=grads["trunk.weight"])
    d.sum(axis=0, out=grads["trunk.bias"])


def adam(w: Array, g: Array, mean: Array, variance: Array, count: int, settings: Settings) -> None:
    """Adam's step number `count`, from 1, in place; it spoils g. All are vectors of one length."""
    mean *= BETA1
    mean += (1 - BETA1) * g
    variance *= settings.beta2
    g *= g
    g *= 1 - settings.beta2
    variance += g
    scale = variance / (1 - settings.beta2**count)
    np.sqrt(scale, out=scale)
    scale += settings.eps
    np.divide(mean, scale, out=scale)
    scale *= settings.rate / (1 - BETA1**count)
    w -= scale


def learn(settings: Settings, seed: int, every: int = 250) -> Iterator[Row]:
    """A row of scores at update 0 and after every `every` updates; two equal calls, equal rows."""
    require(isinstance(every, int) and every > 0, "every", every, "a whole number of at least 1")
    rng = np.random.default_rng(seed)
    data, first = transitions(rng, settings.correlation), start(rng, settings)
    w = np.concatenate([leaf.ravel() for leaf in first.values()]).astype("f4")
    g, mean, variance = np.zeros((3, w.size), "f4")
    averaged = w.copy()
    params, targets, grads = (_views(flat, first) for flat in (w, averaged, g))
    yield {"update": 0, "loss": math.nan} | row(params, data)
    for count in range(1, settings.updates + 1):
        t = (count - 1) % DRAWN
        if t == 0:
            drawn = rng.integers(len(data.action), size=(DRAWN, settings.batch))
            actions = rng.uniform(-1, 1, size=(DRAWN, settings.batch, 1)).astype("f4")
        features, action, following = (x[drawn[t]] for x in data)
        bonus = ALPHA * math.exp(-settings.rate * count) * math.log(2)
        y = GAMMA * (forward(targets, following, actions[t])[0].min(axis=0) + bonus)
        q, kept = forward(params, features, action)
        error = q - y
        backward(params, grads, features, kept, error * (2 / settings.batch))
        adam(w, g, mean, variance, count, settings)
        averaged += settings.averaging * (w - averaged)
        if count % every == 0:
            loss = float((error.astype("f8") ** 2).mean())
            yield {"update": count, "loss": loss} | row(params, data)


def row(params: Params, data: Transitions) -> Row:
    """The spread of the trunk over its inputs, and the scores of each critic's hidden layers."""
    features, action, _ = (x[:SCORED] for x in data)
    kept = forward(params, features, action)[1]
    found = {"spread": float(kept["trunk"][1][:, :TRUNK].std(axis=0).mean())}
    for layer in LAYERS[:-1]:
        for critic, (z, h) in enumerate(zip(*kept[layer], strict=True)):
            name = f"critic{critic}/{layer}"
            found[f"{name}/largest_share"] = float(scores.largest_share(h))
            found[f"{name}/saturated"] = float(scores.saturated(z).mean())
            found[f"{name}/largest"] = float(scores.mean_activation(h).max())
    return found


def _views(flat: Array, like: Params) -> Params:
    """Leaves shaped as those of `like` that share the memory of `flat`."""
    ends = np.cumsum([leaf.size for leaf in like.values()])
    parts = np.split(flat, ends[:-1])
    return {
        name: part.reshape(leaf.shape)
        for (name, leaf), part in zip(like.items(), parts, strict=True)
    }


def _norm(params: Params, norm: str, z: Array, kept: dict[str, Any]) -> Array:
    """LayerNorm, or z itself where the network has no such norm."""
    if f"{norm}.weight" not in params:
        return z
    centred = z - z.mean(axis=-1, keepdims=True)
    root = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + NORM_EPS)
    kept[norm] = rows, _ = centred / root, root
    return np.asarray(rows * params[f"{norm}.weight"] + params[f"{norm}.bias"])


def _norm_back(params: Params, grads: Params, norm: str, d: Array, kept: Any) -> Array:
    if norm not in kept:
        return d
    rows, root = kept[norm]
    wide = d.ndim == 3
    (d * rows).sum(axis=-2, keepdims=wide, out=grads[f"{norm}.weight"])
    d.sum(axis=-2, keepdims=wide, out=grads[f"{norm}.bias"])
    d = d * params[f"{norm}.weight"]
    along = (d * rows).mean(axis=-1, keepdims=True)
    return np.asarray((d - d.mean(axis=-1, keepdims=True) - rows * along) / root)
