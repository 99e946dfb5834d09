"""SGD with momentum, Adam and AdamW as pure functions that equal torch.optim's.

Each takes (gradients, state, parameters, settings) and returns new (parameters, state). The state
is {slot: {parameter name: array}}: "momentum" of SGD; "count", "mean" and "variance" of Adam,
where every parameter counts its own steps. Gradients, parameters and state name the same
parameters: to step a part of a network, pass that part.
Sources: Kingma & Ba, algorithm 1 (Adam); Loshchilov & Hutter, algorithm 2 (AdamW).
"""

import math
import sys
from collections.abc import Mapping

import numpy as np

from ref.checks import Params, number, require

State = dict[str, Params]
BELOW_ONE = math.nextafter(1, 0)
FINITE = sys.float_info.max


def start_sgd(params: Params) -> State:
    """The state before the first step of `sgd`: zero momentum."""
    return {"momentum": {name: np.zeros_like(w) for name, w in params.items()}}


def start_adam(params: Params) -> State:
    """The state before the first step of `adam` or `adamw`: counts (), moments as the leaves."""
    return {
        "count": {name: np.zeros(()) for name in params},
        "mean": {name: np.zeros_like(w) for name, w in params.items()},
        "variance": {name: np.zeros_like(w) for name, w in params.items()},
    }


def kernels(params: Params) -> dict[str, bool]:
    """Which leaves decay where weights do and biases and norms do not: those with ndim > 1."""
    return {name: np.ndim(w) > 1 for name, w in params.items()}


def sgd(
    grads: Params, state: State, params: Params, rate: float, momentum: float = 0.0
) -> tuple[Params, State]:
    """One step against b <- momentum * b + gradient."""
    _check(grads, state, params, ("momentum",), rate)
    number("momentum", momentum, 0, BELOW_ONE)
    buffer = {name: momentum * state["momentum"][name] + grads[name] for name in params}
    return {name: w - rate * buffer[name] for name, w in params.items()}, {"momentum": buffer}


def adam(
    grads: Params,
    state: State,
    params: Params,
    rate: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> tuple[Params, State]:
    """One step along mean / (sqrt(variance) + eps), both corrected for their start at zero."""
    _check(grads, state, params, ("count", "mean", "variance"), rate)
    for beta in betas:
        number("betas", beta, 0, BELOW_ONE)
    number("eps", eps, 0, FINITE)

    stepped: Params = {}
    new: State = {"count": {}, "mean": {}, "variance": {}}
    for name, w in params.items():
        g = grads[name]
        count = state["count"][name] + 1
        mean = betas[0] * state["mean"][name] + (1 - betas[0]) * g
        variance = betas[1] * state["variance"][name] + (1 - betas[1]) * g**2
        direction = mean / (1 - betas[0] ** count)
        scale = np.sqrt(variance / (1 - betas[1] ** count)) + eps
        stepped[name] = w - rate * direction / scale
        new["count"][name], new["mean"][name], new["variance"][name] = count, mean, variance
    return stepped, new


def adamw(
    grads: Params,
    state: State,
    params: Params,
    rate: float,
    decay: float,
    decayed: Mapping[str, bool],
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> tuple[Params, State]:
    """w <- (1 - rate * decay) * w for the leaves that `decayed` marks, and then Adam's step."""
    number("decay", decay, 0, FINITE)
    _same_names("decayed", decayed, params)
    shrunk = {name: w * (1 - rate * decay) if decayed[name] else w for name, w in params.items()}
    return adam(grads, state, shrunk, rate, betas, eps)


def _same_names(argument: str, given: Mapping[str, object], params: Params) -> None:
    missing, extra = sorted(params.keys() - given), sorted(given.keys() - params)
    found = f"without {missing}, with {extra}"
    require(not missing and not extra, argument, found, "the names of the parameters")


def _check(
    grads: Params, state: State, params: Params, slots: tuple[str, ...], rate: float
) -> None:
    number("rate", rate, 0, FINITE)
    require(set(slots) == state.keys(), "state", sorted(state), f"the slots {slots}")
    entries: dict[str, Params] = {
        "grads": grads,
        "params": params,
        **{f"state[{slot!r}]": state[slot] for slot in slots},
    }
    for argument, leaves in entries.items():
        _same_names(argument, leaves, params)
        for name, leaf in leaves.items():
            shape = () if argument == "state['count']" else np.shape(params[name])
            where = f"{argument}[{name!r}]"
            require(np.shape(leaf) == shape, where, np.shape(leaf), f"shape {shape}")
            require(bool(np.isfinite(leaf).all()), where, leaf, "finite numbers")
