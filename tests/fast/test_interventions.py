"""Every intervention at work inside the training loop: what it changes, when, what it leaves."""

import copy
import json
from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch.nn import functional as F

from fast import config as configs
from fast import mitigations, scores
from fast.agents.drq import DrQ
from fast.interventions import INTERVENTIONS, Moment
from fast.nets.layers import tapped
from fast.train import Stop, Training, train

UPDATES = 30
HIDDEN = [f"heads.{head}.dense{layer}" for head in (0, 1) for layer in (0, 1)]
LAYERS = ("trunk", "heads")


def config_of(method, **settings):
    """Thirty updates in episodes of twenty agent steps."""
    config = configs.build("cartpole-swingup", method, "tiny")
    config = replace(config, env=replace(config.env, action_repeat=50))
    config = replace(config, run=replace(config.run, updates=UPDATES, score_batch=8))
    return replace(config, intervention=replace(config.intervention, redo_batch=16, **settings))


@pytest.fixture
def watch(monkeypatch, tmp_path):
    """Train, and get what each `intervene` found and left: (update, before, after, batch)."""

    def run(config):
        seen, plain = [], Training.intervene

        def snapshot(agent):
            modules = {
                "critic": agent.critic.module,
                "target": agent.critic.slow,
                "actor": agent.actor.module,
            }
            state = {name: {k: v.detach().clone() for k, v in module.named_parameters()}
                     for name, module in modules.items()}  # fmt: skip
            state["moments"] = copy.deepcopy(agent.critic.state)
            state["masks"] = dict(agent.critic.masks)
            state["actor moments"] = copy.deepcopy(agent.actor.state)
            return state

        def intervene(training):
            used, sample = [], training.replay.sample

            def watched(size, generator):
                used.append(sample(size, generator))
                return used[-1]

            training.replay.sample = watched
            before = snapshot(training.agent)
            with torch.no_grad():
                frozen = copy.deepcopy(training.agent.critic.module)
            plain(training)
            training.replay.sample = sample
            after = snapshot(training.agent)
            seen.append((training.update, before, after, used, frozen))

        monkeypatch.setattr(Training, "intervene", intervene)
        assert train(config, tmp_path / "run", Stop())
        records = map(json.loads, (tmp_path / "run/metrics.jsonl").read_text().splitlines())
        return seen, [r for r in records if r["kind"] == "intervention"]

    return run


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def below(layers, values):
    """Those of `values`, by name, that belong to one of `layers`, and the rest."""
    inside = {k: v for k, v in values.items() if k.startswith(layers)}
    return inside, {k: v for k, v in values.items() if k not in inside}


def test_the_settings_know_the_interventions_that_there_are():
    options = configs.InterventionConfig.__dataclass_fields__["names"].type
    assert get_args(get_args(options)[0]) == tuple(INTERVENTIONS)


def test_nothing_intervenes_in_the_baseline(watch):
    seen, records = watch(config_of("baseline"))
    assert records == []
    assert [update for update, *_ in seen] == list(range(1, UPDATES + 1))
    for _, before, after, used, _ in seen:
        assert same(before["critic"], after["critic"]) and not used


def test_reset_draws_trunk_and_heads_anew_and_keeps_all_else(watch):
    seen, records = watch(config_of("reset", reset_interval=10))
    assert [r["update"] for r in records] == [10, 20]  # not after the last update
    drawn = []
    for update, before, after, _, _ in seen:
        if update not in (10, 20):
            assert same(before["critic"], after["critic"]), update
            assert same(before["target"], after["target"])
            continue
        old, kept = below(LAYERS, before["critic"])
        new, encoder = below(LAYERS, after["critic"])
        assert same(kept, encoder)
        assert all(not torch.equal(old[k], new[k]) for k in old if k == "trunk.weight")
        assert all(not torch.equal(old[k], new[k]) for k in old if "dense" in k)
        for slot, values in after["moments"].items():
            reset, survived = below(LAYERS, values)
            assert all((v == 0).all() for v in reset.values())
            assert same(survived, below(LAYERS, before["moments"][slot])[1])
            assert any((v != 0).any() for v in survived.values())
        target, target_encoder = below(LAYERS, after["target"])
        assert same(target, new)
        assert same(target_encoder, below(LAYERS, before["target"])[1])
        assert same(before["actor"], after["actor"])
        for slot, values in before["actor moments"].items():
            assert same(values, after["actor moments"][slot])
        drawn.append(new)
    assert not torch.equal(drawn[0]["trunk.weight"], drawn[1]["trunk.weight"])


def test_redo_draws_the_dormant_neurons_of_both_heads_anew_and_no_others(watch):
    seen, records = watch(config_of("redo", redo_interval=10))
    assert [r["update"] for r in records] == [10, 20]
    assert sum(r["heads.0.dense0"] + r["heads.1.dense1"] for r in records) > 0
    for update, before, after, used, critic in seen:
        if update not in (10, 20):
            assert same(before["critic"], after["critic"]) and not used
            continue
        (batch,) = used
        assert len(batch.obs) == 16
        with tapped(critic) as taps:
            critic(critic.encoder(batch.obs), batch.action)
        record = next(r for r in records if r["update"] == update)
        for head in (0, 1):
            masks = [scores.dormant(taps[f"heads.{head}.dense{i}"][1], 0.1) for i in (0, 1)]
            assert [record[f"heads.{head}.dense{i}"] for i in (0, 1)] == [m.sum() for m in masks]
            names = [f"heads.{head}.{n}.weight" for n in ("dense0", "dense1", "final")]
            old, new = ([state["critic"][n] for n in names] for state in (before, after))
            moments = [after["moments"]["mean"][n] for n in names]
            for i, mask in enumerate(masks):
                assert (new[i + 1][:, mask] == 0).all()  # outgoing
                assert (moments[i][mask] == 0).all() and (moments[i + 1][:, mask] == 0).all()
                assert (new[i][mask] != old[i][mask]).any(1).all()  # incoming
            assert torch.equal(new[0][~masks[0]], old[0][~masks[0]])
            both = ~masks[1][:, None] & ~masks[0]
            assert torch.equal(new[1][both], old[1][both])
            assert torch.equal(new[2][:, ~masks[1]], old[2][:, ~masks[1]])
        rest = below(("heads",), before["critic"])[1]
        assert same(rest, below(("heads",), after["critic"])[1])
        assert same(before["target"], after["target"]) and same(before["actor"], after["actor"])
        assert same(before["moments"]["count"], after["moments"]["count"])


SWITCHES = {
    "as the paper says": {},
    "initial": {"redo_initialisation": "initial"},
    "biases": {"redo_bias_moments": "zero"},
    "count": {"redo_step_count": "zero"},
    "second head": {"redo_second_head_moments": False},
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_redo_is_dopamines_and_what_others_do_is_behind_a_switch_each(watch, switch):
    seen, records = watch(config_of("redo", redo_interval=10, **SWITCHES[switch]))
    assert records[0]["heads.1.dense1"] > 0
    _, before, after, _, _ = seen[9]
    name = "heads.1.dense1.weight"
    drawn = (after["critic"][name] != before["critic"][name]) & (after["critic"][name] != 0)
    bound = (6 / (16 + 16)) ** 0.5  # of Xavier's uniform distribution; its largest is near it
    largest = after["critic"][name][drawn].abs().max()
    assert largest > bound if switch == "initial" else bound / 2 < largest <= bound

    old, new = ({slot: values["heads.1.dense1.bias"] for slot, values in moments.items()}
                for moments in (before["moments"], after["moments"]))  # fmt: skip
    chosen = (after["critic"][name] != before["critic"][name]).all(1)
    for slot in ("mean", "variance"):
        expected = old[slot].masked_fill(chosen, 0) if switch == "biases" else old[slot]
        assert old[slot][chosen].all() and torch.equal(new[slot], expected)
    counts = {key: count.item() for key, count in after["moments"]["count"].items()}
    restarted = {key for key, count in counts.items() if count == 0}
    read = {key for key in counts if key.startswith("heads.") and "final.bias" not in key}
    assert restarted == (read if switch == "count" else set())
    if switch == "second head":
        for slot, values in before["moments"].items():
            second = [k for k in values if k.startswith("heads.1.")]
            assert all(torch.equal(values[k], after["moments"][slot][k]) for k in second)
        first = before["moments"]["mean"]["heads.0.dense1.weight"]
        assert not torch.equal(first, after["moments"]["mean"]["heads.0.dense1.weight"])


@pytest.mark.parametrize("distribution", ["uniform", "erk"])
def test_pruning_follows_its_schedule_and_pruned_weights_stay_at_zero(watch, distribution):
    config = config_of("pruning", pruning_interval=4, pruning_distribution=distribution)
    seen, records = watch(config)
    # 20 % and 80 % of 30 updates are 6 and 24
    assert [r["update"] for r in records] == [8, 12, 16, 20, 24]
    masks = {}
    for update, before, after, _, _ in seen:
        assert all((before["critic"][k][~mask] == 0).all() for k, mask in masks.items())
        due = update in (8, 12, 16, 20, 24)
        assert same(masks, after["masks"]) != due
        if due:
            assert all((after["masks"][k] <= mask).all() for k, mask in masks.items())  # nested
            masks = after["masks"]
            record = next(r for r in records if r["update"] == update)
            counts = [(m.numel(), m.sum().item()) for m in masks.values()]
            size, kept = map(sum, zip(*counts, strict=True))
            assert record["sparsity"] == pytest.approx(1 - kept / size)
            wanted = 0.95 * (1 - (1 - (update - 6) / 18) ** 3)
            # each tensor is rounded to a whole weight, and keeps one at least
            assert abs(record["sparsity"] - wanted) <= len(masks) / size
        assert same(before["target"], after["target"]) and same(before["actor"], after["actor"])
    critic = seen[0][1]["critic"]
    matrices = {k: v for k, v in critic.items() if k.startswith(LAYERS) and v.ndim > 1}
    final = getattr(mitigations, f"{distribution}_sparsity")(matrices, 0.95)
    assert masks.keys() == matrices.keys() == final.keys()
    for name, mask in masks.items():
        assert mask.sum() == max(1, round(mask.numel() * (1 - final[name])))


def test_late_norm_comes_at_half_time_and_centres_the_layers(watch):
    seen, records = watch(config_of("late-ln"))
    assert [r["update"] for r in records] == [15]
    norms = {f"{layer}.norm.{p}" for layer in HIDDEN for p in ("weight", "bias")}
    for update, before, after, _, _ in seen:
        new = after["critic"].keys() - before["critic"].keys()
        assert new == (norms if update == 15 else set())
        assert after["critic"].keys() == after["target"].keys()
        assert all(torch.equal(before["critic"][k], after["critic"][k]) for k in before["critic"])
    last = seen[-1][2]["critic"]
    assert all((last[k] != 1).any() for k in norms if k.endswith("weight"))  # and they are trained
    z = torch.randn(4, 16)
    expected = (z - z.mean(1, keepdim=True)) / (z.var(1, correction=0, keepdim=True) + 1e-6).sqrt()
    fresh = seen[14][2]["critic"]
    found = F.layer_norm(
        z, (16,), *(fresh[f"heads.0.dense0.norm.{p}"] for p in ("weight", "bias")), 1e-6
    )
    torch.testing.assert_close(found, expected)


def test_interventions_combine_and_pruned_weights_survive_no_reset(watch):
    names = ("reset", "redo", "pruning", "late_norm")
    seen, records = watch(config_of("hl-gauss", names=names, reset_interval=10, redo_interval=5))
    assert {r["name"] for r in records} == set(names)
    for _, _, after, _, _ in seen:
        assert all((after["critic"][k][~mask] == 0).all() for k, mask in after["masks"].items())


def test_after_a_reset_the_target_is_the_critic_also_where_that_is_pruned():
    config = config_of("reset", reset_interval=10)
    agent = DrQ(config, 9, 1, torch.Generator().manual_seed(0))
    weight = agent.critic.module.heads[1].dense0.weight
    agent.critic.masks = {
        "heads.1.dense0.weight": torch.arange(weight.numel()).view_as(weight) % 2 == 0
    }
    now = Moment(
        10, UPDATES, agent.critic, config.intervention, None, torch.Generator().manual_seed(1)
    )
    assert INTERVENTIONS["reset"](now)
    assert (weight == 0).any()
    found, expected = (dict(m.named_parameters()) for m in (agent.critic.slow, agent.critic.module))
    assert same(found, expected)


def test_the_draws_of_an_intervention_are_its_own(watch, tmp_path):
    """The run's own generators draw the same with ReDo and without, until its first event."""
    seen, _ = watch(config_of("redo", redo_interval=10))
    plain, _ = watch_again(watch, tmp_path)
    assert same(seen[9][1]["critic"], plain[9][1]["critic"])
    assert not same(seen[10][1]["critic"], plain[10][1]["critic"])


def watch_again(watch, tmp_path):
    (tmp_path / "run").rename(tmp_path / "first")
    return watch(config_of("baseline"))
