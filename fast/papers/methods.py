"""The methods of the papers, as data: what each changes of a preset.

A method is settings of the agent or of the run, or interventions that it turns on, so methods
combine by `+`. One that needs a setting which an agent lacks is refused there.
"""

from typing import Any

METHODS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "reset": {"interventions": {"reset": {}}},
    "redo": {"interventions": {"redo": {}}},
    "redo-0.02": {"interventions": {"redo": {"tau": 0.02}}},  # GraMa, Appendix A
    "redo-0.1": {"interventions": {"redo": {"tau": 0.1}}},  # ReDo, Table 1, off the default ratio
    "pruning": {"interventions": {"pruning": {}}},
    "hl-gauss": {"agent": {"loss": "hl_gauss"}},
    # B.2, footnote 6: the interval and sigma ten times as large.
    "hl-gauss-x10": {"agent": {"loss": "hl_gauss", "high": 1000.0, "sigma": 7.5}},
    "ln": {"agent": {"normalisation": "layer_norm"}},
    "lnwd": {  # LayerNorm with weight decay; the rate: B.2
        "agent": {"normalisation": "layer_norm", "weight_decay": 1e-4},
    },
    "late-ln": {"interventions": {"late_norm": {}}},
    "resnet18": {"agent": {"encoder": "resnet18"}},
    # Of the other papers.
    "regrama": {"interventions": {"regrama": {}}},
    "reborn": {"interventions": {"reborn": {}}},
    "continual-backprop": {"interventions": {"continual_backprop": {}}},
    "shrink-perturb": {"interventions": {"shrink_perturb": {}}},
    "l2-init": {"interventions": {"l2_init": {}}},
    "prune-dormant": {"interventions": {"prune_dormant": {}}},
    "weight-decay": {"agent": {"weight_decay": 1e-5, "decay_in_loss": True}},  # ReDo's L2
    # ReDo, Figures 7 and 10.
    **{
        f"replay-ratio-{ratio:g}": {"agent": {"updates_per_step": ratio}}
        for ratio in (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
    },
    "same-updates": {"updates": "as the preset"},  # at any replay ratio (Figure 26)
    "n-step": {"agent": {"n_step": 3}},
    "fixed-targets": {"agent": {"targets": "fixed"}},  # Figures 4 and 8
    "pretrained": {"run": {"pretrained": True}},  # Figure 8
    "impala": {"agent": {"network": "impala"}},
    "low-lr": {"agent": {"learning_rate": 6.25e-5 / 4}},  # Figure 11
    **{f"width-{factor:g}": {"agent": {"width": factor}} for factor in (0.25, 0.5, 2.0, 4.0)},
    "leaky-relu": {"agent": {"activation": "leaky_relu"}},  # Figure 21
    # OCP, Figure 1, and CleanRL's of its PPO.
    "no-activation": {"agent": {"activation": "none"}},
    "tanh": {"agent": {"activation": "tanh"}},
    # GraMa, Figures 12, 4, 9, 7, 6 (with Table 7) and 13.
    "sigmoid": {"agent": {"activation": "sigmoid"}},
    "residual": {"agent": {"residual": True}},
    **{
        f"blocks-{depth}": {"agent": {"critic_blocks": depth, "actor_blocks": depth}}
        for depth in (1, 2, 3, 4)
    },
    "prune-low-gradient": {"interventions": {"prune_dormant": {"by": "gradient", "tau": 0.01}}},
    **{
        f"{name}-{option}-{value:g}": {"interventions": {name: {option: value}}}
        for option, values in (("most", (0.01, 0.05, 0.1)), ("tau", (0, 0.025, 0.05, 0.075, 0.1)))
        for name in ("redo", "regrama")
        for value in map(float, values)
    },
    # ReDo, Figures 15, 22, 23 and 24; tau off the default replay ratio.
    **{
        f"redo-{which}": {"interventions": {"redo": {"select": which}}}
        for which in ("lowest", "random", "highest")
    },
    "redo-least-useful": {"interventions": {"redo": {"select": "least_useful"}}},  # Figure 25
    "redo-outgoing-fresh": {"interventions": {"redo": {"tau": 0.1, "outgoing": "fresh"}}},
    "redo-incoming-norm": {"interventions": {"redo": {"tau": 0.1, "incoming": "live_norm"}}},
    **{
        f"redo-batch-{size}": {"interventions": {"redo": {"tau": 0.1, "batch": size}}}
        for size in (32, 64, 256, 1024)
    },
    # Ours: what of a small gradient Adam does not enlarge. B.2 has 1e-8.
    "adam-eps": {"agent": {"adam_eps": 1e-5}},
    "adam-eps-1e-8": {"agent": {"adam_eps": 1e-8}},  # against ReDo's 1.5e-4 of its DQN
    "make-dominant": {"interventions": {"make_dominant": {}}},
}
