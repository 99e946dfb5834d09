"""TD learning of an MLP on a finite Markov chain whose reward is hidden at first.

Neuron Dominance, section 4.2, asks what temporal-difference learning does to features while all
rewards are zero: with regression, eqs. (5) and (6), and with classification, Theorem 3. Here it
runs on a network of this reference, with the gradient of all states at once:

    loss(outputs(s), target),   target from R(s) + gamma * sum_s' P(s, s') V(s'), without gradient.

An `Objective` says how outputs are read as values and what they are compared with. The displays
of the paper are `td` on free features: one-hot states, dense0.weight = Psi (N, states) with the
identity as activation, final.weight = W' (G, N), and all biases, or for eq. (5) all but Psi, fixed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ref import autograd as ag
from ref import losses, nn, optim, scores
from ref.checks import Array, Params, number, require

Row = dict[str, float]
Network = Callable[[Params, nn.Taps | None], Any]  # parameters -> outputs (states, G)
SGD = optim.start_sgd, optim.sgd
ADAM = optim.start_adam, optim.adam


@dataclass(frozen=True, eq=False)
class Chain:
    """transition (states, states), rows summing to 1; reward (states,) of leaving a state."""

    transition: Array
    reward: Array
    gamma: float

    def __post_init__(self) -> None:
        shape = np.shape(self.transition)
        good = len(shape) == 2 and shape[0] == shape[1] > 0
        require(good, "transition", shape, "shape (states, states)")
        states = shape[0]
        # numbers that add up to 1 do so in floats up to a rounding for each of them
        off = np.abs(np.sum(self.transition, axis=1) - 1).max()
        good = np.min(self.transition) >= 0 and off <= states * np.finfo(float).eps
        require(bool(good), "transition", self.transition, "rows of numbers >= 0 that sum to 1")
        require(np.shape(self.reward) == (states,), "reward", np.shape(self.reward), f"({states},)")
        require(bool(np.isfinite(self.reward).all()), "reward", self.reward, "finite numbers")
        number("gamma", self.gamma, 0, optim.BELOW_ONE)

    def values(self) -> Array:
        """(I - gamma P)^-1 R: the expected discounted rewards from each state, (states,)."""
        return np.linalg.solve(np.eye(len(self.reward)) - self.gamma * self.transition, self.reward)

    def hidden(self) -> "Chain":
        """The same chain with a reward of zero."""
        return Chain(self.transition, np.zeros(len(self.reward)), self.gamma)


class Objective(NamedTuple):
    """What the network's outputs (states, G) mean, and what they learn."""

    value: Callable[[Array], Array]  # outputs -> values (states,)
    target: Callable[[Chain, Array], tuple[Array, float]]  # outputs -> targets, share clipped
    loss: Callable[[Any, Array], Any]


def regression() -> Objective:
    """MSE. Several outputs are heads, each with a target of its own (eq. (5)); V is their mean."""
    return Objective(
        lambda outputs: outputs.mean(axis=1),
        lambda chain, outputs: (_backup(chain, outputs), 0.0),
        losses.mse,
    )


def two_hot(centres: Array) -> Objective:
    """Cross-entropy with the two-hot histogram of the target value."""
    return _classification(centres, lambda value: losses.two_hot(value, centres))


def hl_gauss(edges: Array, sigma: float) -> Objective:
    """Cross-entropy with the HL-Gauss histogram of the target value."""
    centres = losses.centres(edges)
    return _classification(centres, lambda value: losses.hl_gauss(value, edges, sigma))


def theorem_3(centres: Array) -> Objective:
    """Cross-entropy with gamma P phat, for a zero reward: the targets of eqs. (7) and (8).

    Their mass is gamma. The flow is W' = gamma Psi (P - I) phat, where the paper prints
    Psi (gamma P - I) phat: the derivation takes the mass for 1.
    """

    def target(chain: Chain, outputs: Array) -> tuple[Array, float]:
        require(not chain.reward.any(), "reward", chain.reward, "zeros: Theorem 3 has no reward")
        return _backup(chain, _softmax(outputs)), 0.0

    return Objective(
        lambda outputs: losses.decode(_softmax(outputs), centres), target, losses.cross_entropy
    )


def network(
    features: Array, fixed: Params | None = None, activation: Callable[[Any], Any] = ag.relu
) -> Network:
    """The MLP on the `features` (states, inputs) of all states; `fixed` parameters never learn."""
    return lambda params, taps: nn.mlp((fixed or {}) | params, features, "", activation, taps)


def td(
    chain: Chain,
    params: Params,
    objective: Objective,
    net: Network,
    targets: Params | None = None,
    states: Array | None = None,
) -> tuple[float, Params, float]:
    """The mean loss over the states, its semi-gradient, and the share of the targets clipped.

    The target values are those of the parameters `targets`, by default of `params`. The mean is
    over the `states` of these numbers, (batch,), by default over each once.
    """
    target, clipped = objective.target(chain, net(params if targets is None else targets, None))
    seen = slice(None) if states is None else states
    both = ag.value_and_grad(lambda leaves: objective.loss(net(leaves, None)[seen], target[seen]))
    loss, grads = both(params)
    return float(loss), grads, clipped


def learn(
    chain: Chain,
    params: Params,
    objective: Objective,
    net: Network,
    steps: int,
    rate: float,
    reveal_at: int = 0,
    every: int = 1,
    optimizer: tuple[Callable[..., Any], Callable[..., Any]] = SGD,
    target_rate: float = 1.0,
    batches: Array | None = None,
) -> tuple[Params, list[Row]]:
    """The parameters after that many steps, and a row of scores every `every` steps.

    The reward is zero until step `reveal_at`, also in a row's true values. After each step the
    target network goes `target_rate` of its way to the parameters: with 1 there is none apart.
    Step t takes the mean over the states of the numbers batches[t], by default over each once.
    """
    require(isinstance(steps, int) and steps >= 0, "steps", steps, "a whole number of at least 0")
    require(isinstance(every, int) and every > 0, "every", every, "a whole number of at least 1")
    number("target_rate", target_rate, 0, 1)
    if batches is not None:
        states, known = len(chain.reward), np.issubdtype(np.asarray(batches).dtype, np.integer)
        good = np.ndim(batches) == 2 and len(batches) == steps + 1 and np.size(batches) > 0
        good = good and known and np.min(batches) >= 0 and np.max(batches) < states
        accepted = f"({steps + 1}, batch) whole numbers from 0 to {states - 1}"
        require(bool(good), "batches", np.shape(batches), accepted)
    start, step = optimizer
    state, targets, rows = start(params), params, []
    for t in range(steps + 1):
        now = chain if t >= reveal_at else chain.hidden()
        drawn = None if batches is None else batches[t]
        loss, grads, clipped = td(now, params, objective, net, targets, drawn)
        if t % every == 0:
            rows.append(
                {"step": t, "loss": loss, "clipped": clipped} | row(now, params, objective, net)
            )
        if t < steps:
            params, state = step(grads, state, params, rate)
            r = target_rate
            targets = {name: (1 - r) * w + r * params[name] for name, w in targets.items()}
    return params, rows


def last_survivor(eps: float, seed: int = 0, steps: int = 40_000, every: int = 400) -> list[Row]:
    """The rows of Adam with that epsilon, without reward: a layer dies, and its last is dominant.

    64 states with nearly one and the same 16 features, as a trunk that has collapsed gives them,
    batches of 4, an MLP of width 32, 32: half a minute. A neuron becomes dominant (Definition 1)
    not because it grows, `largest` falls, but because nearly all others are `saturated` by then.
    """
    states, inputs, alike, batch, gamma, rate, averaging = 64, 16, 0.1, 4, 0.99, 2e-3, 0.05
    rng = np.random.default_rng(seed)
    features = np.tanh(rng.normal(size=inputs) + alike * rng.normal(size=(states, inputs)))
    chain = Chain(rng.dirichlet(np.full(states, 0.3), states), np.zeros(states), gamma)
    params = nn.init_mlp(rng, (inputs, 32, 32, 1))
    net, batches = network(features), rng.integers(states, size=(steps + 1, batch))
    adam = optim.start_adam, partial(optim.adam, eps=eps)
    return learn(chain, params, regression(), net, steps, rate, 0, every, adam, averaging, batches)[
        1
    ]


def row(chain: Chain, params: Params, objective: Objective, net: Network) -> Row:
    """The mean value, the largest error of a value, and every hidden layer's scores."""
    taps: nn.Taps = {}
    value = objective.value(net(params, taps))
    error = np.abs(value - chain.values()).max()
    result = {"value": float(value.mean()), "value_error": float(error)}
    for layer, (z, h) in taps.items():
        found = {
            "dormant_0": scores.dormant(h, 0.0).mean(),
            "dormant_0.1": scores.dormant(h, 0.1).mean(),
            "dominant": scores.dominant(h).mean(),
            "saturated": scores.saturated(z).mean(),
            "largest": scores.mean_activation(h).max(),
            "largest_share": scores.largest_share(h),
            "srank": scores.srank(h),
            "feature_norm": scores.feature_norm(h),
        }
        result |= {f"{layer}/{score}": float(x) for score, x in found.items()}
    return result


def _classification(centres: Array, encode: Callable[[Array], tuple[Array, float]]) -> Objective:
    def value(outputs: Array) -> Array:
        return np.asarray(losses.decode(_softmax(outputs), centres))

    return Objective(
        value,
        lambda chain, outputs: encode(_backup(chain, value(outputs))),
        losses.cross_entropy,
    )


def _backup(chain: Chain, next_values: Array) -> Array:
    """R + gamma P V for values (states,) or (states, G)."""
    expected = chain.gamma * chain.transition @ next_values
    return np.asarray((chain.reward + expected.T).T)


def _softmax(outputs: Array) -> Array:
    return np.asarray(np.exp(ag.log_softmax(outputs)))
