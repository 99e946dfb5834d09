"""Dormant neurons along a training by ref."""

from typing import Any

import numpy as np

from ref import autograd as ag
from ref import dynamics, nn, scores


def follow(
    optimizer: Any = dynamics.SGD,
    rate: float = 0.05,
    snapshots: int = 10,
    steps: int = 20,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """TD learning on a chain of 16 states of an MLP of ref with two layers of 64 neurons.

    Of each layer and snapshot: which share of the neurons is dormant, and has no gradient; and what
    has become of all that were dormant at an earlier snapshot (ReDo's historical set).
    """
    widths = (64, 64)
    generator = np.random.default_rng(seed)
    states = 16
    chain = dynamics.Chain(
        generator.dirichlet(np.ones(states), size=states), generator.standard_normal(states), 0.9
    )
    params = nn.init_mlp(generator, (8, *widths, 1))
    for i, width in enumerate(widths):
        params[f"dense{i}.bias"] = generator.standard_normal(width)
    net, objective = dynamics.network(generator.standard_normal((states, 8))), dynamics.regression()
    rows: list[dict[str, Any]] = []
    ever: dict[str, Any] = {}
    for snapshot in range(snapshots + 1):
        if snapshot:
            params, _ = dynamics.learn(
                chain, params, objective, net, steps, rate, optimizer=optimizer
            )
        taps: nn.Taps = {}
        nodes: dict[str, Any] = {name: ag.Node(value) for name, value in params.items()}
        target, _ = objective.target(chain, net(params, None))
        loss = objective.loss(net(nodes, taps), target)
        layers = list(taps)
        wanted = [node for layer in layers for node in taps[layer]]
        found = ag.gradients(loss, wanted)
        for k, layer in enumerate(layers):
            dormant = scores.dormant(taps[layer][1].value, 0.0)
            by_h = scores.gradient_dormant(found[2 * k + 1], 0.0, "activation")
            by_z = scores.gradient_dormant(found[2 * k], 0.0, "preactivation")
            before = ever.get(layer, dormant)
            ever[layer] = before | dormant
            rows.append(
                {
                    "step": snapshot * steps,
                    "layer": layer,
                    "dormant": dormant.mean(),
                    "no dL/dh": by_h.mean(),
                    "no dL/dz": by_z.mean(),
                    "dormant, yet dL/dh": (dormant & ~by_h).mean(),
                    "dL/dz agrees": (dormant == by_z).mean(),
                    "overlap": scores.overlap(dormant, before),
                    "retention": scores.retention(dormant, before),
                    "chance": scores.chance_overlap(dormant, before),
                }
            )
    return rows
