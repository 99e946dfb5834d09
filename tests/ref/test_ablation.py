"""The conditions of scripts/ablation.py on records made up for them, and that it can be resumed."""

import importlib.util
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent
SPEC = importlib.util.spec_from_file_location("ablation", ROOT / "scripts/ablation.py")
ablation = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(ablation)
HEADS = [(seed, critic) for seed in ablation.SEEDS for critic in range(ablation.CRITICS)]
# A head with a dominant neuron, and one without.
FOUND = {"saturated": 0.95, "activation": 1.0, "before": 3.0, "next_saturated": 0.7}
NONE = {"saturated": math.nan, "activation": math.nan, "before": 3.0, "next_saturated": math.nan}


def heads(arm, dominated=16, first=20_000.0, **changes):
    """16 heads of an arm, the first so many of them with a dominant neuron."""
    return [
        ablation.Head(
            **{"arm": arm, "seed": seed, "head": critic, "next_largest_share": 0.2}
            | {"updates": ablation.ARMS[arm].updates, "largest_share": 0.9 if found else 0.4}
            | {"first": first if found else math.nan}
            | (FOUND | changes if found else NONE)
        )
        for found, (seed, critic) in ((i < dominated, x) for i, x in enumerate(HEADS))
    ]


def one_else(found, **changes):
    """The same with one head changed."""
    return [found[0]._replace(**changes), *found[1:]]


def mixed_sizes(small):
    """13 heads with a dominant neuron, so many of them with less than half of the largest."""
    sizes = heads("base", activation=1.4)[:small] + heads("base", activation=1.6)[small:13]
    return sizes + heads("base", 0)[13:]


def doses(*dominated):
    return [h for arm, n in zip(ablation.EPS_ARMS, dominated, strict=True) for h in heads(arm, n)]


BASE = heads("base")
# Of each condition records at its edge that satisfy it, and others, one step on, that contradict.
EDGES = {
    "appears": (heads("base", 12), heads("base", 11)),
    "spared": (heads("eps 1e-5", 1), heads("eps 1e-5", 2)),
    "dose-response": (doses(14, 14, 0, 0), doses(14, 13, 0, 1)),
    "last-of-its-layer": (heads("base", saturated=0.94), one_else(BASE, saturated=0.93)),
    "survives": (mixed_sizes(7), mixed_sizes(6)),
    "never-grows": (one_else(BASE, activation=2.9), one_else(BASE, activation=3.0)),
    "next-layer-lives": (one_else(BASE, next_saturated=0.98), one_else(BASE, next_saturated=1.0)),
    "short-memory": (
        BASE + heads("beta2 0.9", first=19_750.0)[:14] + heads("beta2 0.9")[14:],
        BASE + heads("beta2 0.9", first=19_750.0)[:12] + heads("beta2 0.9")[12:],
    ),
    "path": (BASE + heads("rate /3", first=80_000.0), BASE + heads("rate /3", first=91_000.0)),
    "not-at-3e-3": (heads("rate x3", 7), heads("rate x3", 8)),
    "slow-target": (BASE + heads("averaging 0.005", 12), BASE + heads("averaging 0.005", 11)),
    "needs-alike-inputs": (BASE + heads("no trunk norm", 15), BASE + heads("no trunk norm", 16)),
    "moves-with-norm": (
        one_else(heads("head norm", 0), next_largest_share=0.6),
        one_else(heads("head norm", 1), next_largest_share=0.6),
    ),
    "later-if-wide": (
        heads("width 32", first=19_000.0) + BASE + heads("width 128", first=21_000.0),
        heads("width 32", first=19_000.0) + BASE + heads("width 128"),
    ),
    "any-batch": (
        heads("batch 8", 12) + heads("batch 128", 12),
        heads("batch 8", 16) + heads("batch 128", 11),
    ),
    "any-data": (heads("uncorrelated", 12), heads("uncorrelated", 11)),
}
# Other ways to contradict: the other half of a condition of two.
ALSO = {
    "dose-response": doses(9, 9, 9, 9),
    "path": BASE + heads("rate /3", first=39_000.0),
    "slow-target": BASE + heads("averaging 0.005", first=30_000.0),
    "moves-with-norm": heads("head norm", 0),
    "later-if-wide": heads("width 32") + BASE + heads("width 128", first=21_000.0),
    "any-batch": heads("batch 8", 11) + heads("batch 128", 16),
    "survives": heads("base", 0),
}


@pytest.mark.parametrize("name", ablation.CONDITIONS)
def test_a_condition_holds_up_to_its_edge_and_is_not_decided_with_a_head_less(name):
    condition, (satisfied, contradicted) = ablation.CONDITIONS[name], EDGES[name]
    assert ablation.verdict(condition, satisfied) == "holds"
    assert ablation.verdict(condition, contradicted) == "contradicted"
    if name in ALSO:
        assert ablation.verdict(condition, ALSO[name]) == "contradicted"
    for arm in condition.arms:
        last = max(i for i, one in enumerate(satisfied) if one.arm == arm)
        fewer = satisfied[:last] + satisfied[last + 1 :]
        assert ablation.verdict(condition, fewer) == "not decided"


def test_a_head_says_what_was_when_its_first_neuron_became_dominant():
    def row(update, share, saturated, size, next_share=0.1):
        first = {"largest_share": share, "saturated": saturated, "largest": size}
        following = {"largest_share": next_share, "saturated": saturated / 2, "largest": 9.0}
        scores = {f"critic1/dense0/{k}": v for k, v in first.items()}
        return (
            {"update": update} | scores | {f"critic1/dense1/{k}": v for k, v in following.items()}
        )

    rows = [row(0, 0.1, 0.2, 3.0), row(5, 0.5, 0.8, 2.0), row(10, 0.6, 0.9, 1.0, 0.3)]
    rows += [row(15, 0.7, 0.96, 4.0), row(20, math.nan, 1.0, 0.0, math.nan)]
    found = ablation.head("base", 3, 1, rows)
    assert found == ablation.Head("base", 3, 1, 10, 0.9, 1.0, 3.0, 0.7, 0.45, 0.3, 20)
    never = ablation.head("base", 3, 1, rows[:2])
    assert never.largest_share == 0.5 and never.before == 3.0 and never.updates == 5
    assert all(math.isnan(x) for x in (never.first, never.saturated, never.activation))


def test_runs_that_are_recorded_are_not_run_again(tmp_path, monkeypatch):
    small = replace(ablation.BASE, updates=4, width=4, batch=2)
    arms = {"base": small, "eps 1e-5": replace(small, eps=1e-5)}
    whole = ablation.run(tmp_path / "whole", arms, [10, 11])
    ablation.run(tmp_path / "parts", {"base": small}, [10])
    asked = []
    learn = ablation.learn
    monkeypatch.setattr(ablation, "learn", lambda *a, **k: asked.append(a) or learn(*a, **k))
    parts = ablation.run(tmp_path / "parts", arms, [10, 11])
    assert len(asked) == 3 and len(parts) == 8
    for name in ("heads.csv", "curves.csv"):
        assert (tmp_path / "parts" / name).read_text() == (tmp_path / "whole" / name).read_text()
    np.testing.assert_equal(parts, whole)


def test_what_came_out_stands_in_the_readme_as_it_is_in_the_csv():
    """`python scripts/ablation.py --look` prints it."""
    table = ablation.table(ablation.read(ablation.OUT / "heads.csv"))
    assert table in (ROOT / "results/README.md").read_text()


def test_the_table_has_the_medians_of_an_arm_and_the_verdicts():
    low, high = heads("base", 4, first=10_000.0)[:4], heads("base", first=30_000.0)[4:]
    lines = ablation.table(low + high).splitlines()
    assert lines[2] == (
        "| base | 16 of 16 | 30 (10 to 30) | 0.95 (0.95 to 0.95) | 0.333 (0.333 to 0.333) | "
        "0.7 (0.7 to 0.7) |"
    )
    assert lines[-len(ablation.CONDITIONS)].endswith("at eps 1e-8 | holds |")
    assert lines[-1].endswith("| not decided |")
