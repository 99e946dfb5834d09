"""The conditions of the chapter looked up on trained networks of ref."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ref import autograd as ag
from ref import dynamics, losses, mitigations, nn, optim, scores
from ref.checks import Array, Params, require
from theory.dominance.layer import average


def on_network(params: Params, x: Array) -> list[dict[str, Any]]:
    """A row for each neuron of dense1, dense2, .. of an MLP of `ref.nn` on inputs x (batch, in).

    "hypothesis": Theorem 1's for this neuron: u_1 > N/2 and w_1 ≥ mean w, with the bias of its
    Remark; 1 is the largest neuron below. "pointwise", "expectation": the displays of the repairs,
    by more than what rounding may change. Not for layers with LayerNorm, where z is another.
    """
    require(not any(".norm." in name for name in params), "params", sorted(params), "no norm")
    taps: nn.Taps = {}
    nn.mlp(params, x, taps=taps)
    rows = []
    for k in range(1, len(taps)):
        h, (z, _) = taps[f"dense{k - 1}"][1], taps[f"dense{k}"]
        weight, bias = params[f"dense{k}.weight"], params[f"dense{k}.bias"]
        first = int(np.argmax(scores.mean_activation(h)))
        terms = h[:, None, :] * np.abs(weight)  # (batch, M, N)
        whole = terms.sum(2)
        delta = 2 * terms[..., first] - whole
        # sums of N terms and a bias, and of these a mean over the batch
        rounding = (whole + np.abs(bias)) * (h.shape[1] + len(h) + 4) * np.finfo(float).eps
        dominant = bool(scores.dominant(h)[first])
        with_bias = (bias == 0) | (bias <= delta.mean(0))
        hypothesis = dominant & (weight[:, first] >= weight.mean(1)) & with_bias
        pointwise = (delta - np.abs(bias) > rounding).all(0)
        expectation = (delta - np.abs(bias)).mean(0) > rounding.mean(0)
        saturated, zombie = scores.saturated(z), scores.zombie(z)
        for m in range(len(weight)):
            rows.append(
                {
                    "layer": f"dense{k}",
                    "neuron": m,
                    "share": float(scores.largest_share(h)),  # u_1/N
                    "on": float((h[:, first] > 0).mean()),  # of the inputs, for neuron 1
                    "w_1": float(weight[m, first]),
                    "E z": float(z[:, m].mean()),
                    "hypothesis": bool(hypothesis[m]),
                    "pointwise": bool(pointwise[m]),
                    "expectation": bool(expectation[m]),
                    "saturated": bool(saturated[m]),
                    "zombie": bool(zombie[m]),
                }
            )
    return rows


def summary(name: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Shares of the rows; "kept": of those with the hypothesis, how many are not mixed (or NaN)."""

    def share(of: Sequence[dict[str, Any]], *keys: str) -> float:
        return sum(any(row[key] for key in keys) for row in of) / len(of) if of else float("nan")

    supposed = [row for row in rows if row["hypothesis"]]
    return {
        "network": name,
        "neurons": len(rows),
        "u_1/N": average([row["share"] for row in rows]),
        "neuron 1 on": average([row["on"] for row in rows]),
        "hypothesis": share(rows, "hypothesis"),
        "kept": share(supposed, "saturated", "zombie"),
        "pointwise": share(rows, "pointwise"),
        "expectation": share(rows, "expectation"),
        "saturated": share(rows, "saturated"),
        "zombie": share(rows, "zombie"),
        "mixed": 1 - share(rows, "saturated", "zombie"),
    }


FACTOR = 1e7  # Neuron Dominance, B.3
RATE = 0.005  # of Adam, there too
Task = Callable[[Params], Any]  # parameters -> loss


def adam_steps(loss: Task, params: Params, steps: int) -> Params:
    state, gradient = optim.start_adam(params), ag.grad(loss)
    for _ in range(steps):
        params, state = optim.adam(gradient(params), state, params, RATE)
    return params


def trained(seed: int, low: float, steps: int = 200) -> tuple[Params, Array, Task]:
    """An MLP (8, 32, 32, 1) after Adam on a quadratic of 64 inputs in [low, 1]^8; these; the loss.

    With low = 0, as for pictures or for features after a ReLU, a neuron can be on everywhere.
    """
    generator = np.random.default_rng(seed)
    x = generator.uniform(low, 1, (64, 8))
    target = x[:, :1] * x[:, 1:2] - x[:, 2:3] * x[:, 3:4]
    params = nn.init_mlp(generator, (8, 32, 32, 1))

    def loss(p: Params) -> Any:
        return losses.mse(nn.mlp(p, x), target)

    return adam_steps(loss, params, steps), x, loss


def intervened(params: Params, x: Array) -> Params:
    """Section 3.2: the incoming weights of the largest neuron of dense0, times 1e7."""
    taps: nn.Taps = {}
    nn.mlp(params, x, taps=taps)
    largest = int(np.argmax(scores.mean_activation(taps["dense0"][1])))
    return mitigations.scale_incoming(params, "dense0", largest, FACTOR)


def network_table(seeds: Sequence[int] = range(4)) -> list[dict[str, Any]]:
    """How often the conditions hold and what follows: trained, scaled, and under TD learning."""
    stages: dict[str, list[dict[str, Any]]] = {}

    def add(name: str, params: Params, x: Array) -> None:
        stages.setdefault(name, []).extend(on_network(params, x))

    for low in (-1, 0):
        for seed in seeds:
            params, x, loss = trained(seed, low)
            name = f"inputs in [{low}, 1]: "
            add(name + "trained by Adam", params, x)
            scaled = intervened(params, x)
            add(name + "largest neuron scaled by 1e7", scaled, x)
            add(name + "and 20 more steps", adam_steps(loss, scaled, 20), x)
    for seed in seeds:
        generator = np.random.default_rng(seed)
        transition = np.full((16, 16), 1 / 16)
        chain = dynamics.Chain(transition, np.zeros(16), 0.9)
        x = generator.standard_normal((16, 4))
        params, net, done = nn.init_mlp(generator, (4, 32, 32, 1)), dynamics.network(x), 0
        for stage in (0, 100, 300):
            more, regression = stage - done, dynamics.regression()
            params, _ = dynamics.learn(chain, params, regression, net, more, 0.05, 0, more or 1)
            add(f"zero-reward TD, step {stage}", params, x)
            done = stage
    return [summary(name, rows) for name, rows in stages.items()]
