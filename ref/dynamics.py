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
    chain: Chain, params: Params, objective: Objective, net: Network, targets: Params | None = None
) -> tuple[float, Params, float]:
    """The mean loss over the states, its semi-gradient, and the share of the targets clipped.

    The target values are those of the parameters `targets`, by default of `params`.
    """
    target, clipped = objective.target(chain, net(params if targets is None else targets, None))
    both = ag.value_and_grad(lambda leaves: objective.loss(net(leaves, None), target))
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
) -> tuple[Params, list[Row]]:
    """The parameters after that many steps, and a row of scores every `every` steps.

    The reward is zero until step `reveal_at`, also in a row's true values. After each step the
    target network goes `target_rate` of its way to the parameters: with 1 there is none apart.
    """
    require(isinstance(steps, int) and steps >= 0, "steps", steps, "a whole number of at least 0")
    require(isinstance(every, int) and every > 0, "every", every, "a whole number of at least 1")
    number("target_rate", target_rate, 0, 1)
    start, step = optimizer
    state, targets, rows = start(params), params, []
    for t in range(steps + 1):
        now = chain if t >= reveal_at else chain.hidden()
        loss, grads, clipped = td(now, params, objective, net, targets)
        if t % every == 0:
            rows.append(
                {"step": t, "loss": loss, "clipped": clipped} | row(now, params, objective, net)
            )
        if t < steps:
            params, state = step(grads, state, params, rate)
            r = target_rate
            targets = {name: (1 - r) * w + r * params[name] for name, w in targets.items()}
    return params, rows


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
