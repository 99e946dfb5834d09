"""Every intervention at work inside the training loop: what it changes, when, what it leaves."""

import copy
import json
from dataclasses import fields, replace

import pytest
import torch
from torch.nn import functional as F

from fast import config as configs
from fast import interventions, mitigations, scores
from fast.agents.drq import DrQ
from fast.errors import InputError
from fast.interventions import INTERVENTIONS, Moment
from fast.measures import Seen
from fast.nets.layers import tapped
from fast.runs.session import Stop
from fast.train import Training, train

UPDATES = 30
HIDDEN = [f"heads.{head}.dense{layer}" for head in (0, 1) for layer in (0, 1)]
LAYERS = ("trunk", "heads")


def config_of(method, **changes):
    """Thirty updates in episodes of twenty agent steps; `changes` are of the one intervention."""
    config = configs.build("drq", "cartpole-swingup", method, "tiny")
    config = replace(config, env=replace(config.env, action_repeat=50))
    config = replace(config, run=replace(config.run, updates=UPDATES, score_batch=8))
    asked = config.interventions
    for name, each in asked.on().items():
        new = {"batch": 16} if hasattr(each, "batch") else {}
        asked = replace(asked, **{name: replace(each, **new, **changes)})
    return replace(config, interventions=asked)


TENTH = interventions.Schedule(10)


@pytest.mark.parametrize(
    ("results", "at", "due"),
    [
        ([], 1, []),
        ([(0, 0.1), (3, 0.4)], 1, []),
        ([(0, 0.1), (3, 0.5), (6, 0.2), (9, 0.9)], 1, [4]),  # the first evaluation of so much
        ([(3, 0.5)], 6, [6]),  # reached before it may act
        ([(0, 0.7)], 1, [1]),
        ([(9, 0.7)], 1, []),  # nothing acts after the last update
    ],
)
def test_what_waits_for_a_result_acts_once_after_the_evaluation_that_has_it(results, at, due):
    when = interventions.Once(at=at, reached=0.5)
    found = []
    for update in range(1, 11):
        so_far = [result for result in results if result[0] < update]
        found += [update] if when.due(update, 10, so_far) else []
    assert found == due


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
            used, sample = [], training.experience.sample

            def watched(size, generator):
                used.append(sample(size, generator))
                return used[-1]

            training.experience.sample = watched
            before = snapshot(training.agent)
            with torch.no_grad():
                frozen = copy.deepcopy(training.agent.critic.module)
            plain(training)
            training.experience.sample = sample
            after = snapshot(training.agent)
            seen.append((training.update, before, after, used, frozen))

        monkeypatch.setattr(Training, "intervene", intervene)
        assert train(config, tmp_path / "run", Stop())
        records = map(json.loads, (tmp_path / "run/metrics.jsonl").read_text().splitlines())
        return seen, [r for r in records if r["kind"] == "intervention"]

    def clear():
        """Room for another run."""
        (tmp_path / "run").rename(tmp_path / f"before-{len(list(tmp_path.iterdir()))}")

    run.clear = clear
    return run


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def below(layers, values):
    """Those of `values`, by name, that belong to one of `layers`, and the rest."""
    inside = {k: v for k, v in values.items() if k.startswith(layers)}
    return inside, {k: v for k, v in values.items() if k not in inside}


def test_every_intervention_has_its_settings_and_a_method_that_turns_it_on():
    names = [f.name for f in fields(interventions.Interventions)]
    assert set(INTERVENTIONS) == set(names) - {"l2_init"}  # that is a penalty
    turned_on = {name for m in configs.METHODS.values() for name in m.get("interventions", ())}
    assert turned_on == set(names)  # some by several methods: ReDo by each of its forms


def test_nothing_intervenes_in_the_baseline(watch):
    seen, records = watch(config_of("baseline"))
    assert records == []
    assert [update for update, *_ in seen] == list(range(1, UPDATES + 1))
    for _, before, after, used, _ in seen:
        assert same(before["critic"], after["critic"]) and not used


def test_reset_draws_trunk_and_heads_anew_and_keeps_all_else(watch):
    seen, records = watch(config_of("reset", when=TENTH))
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
    seen, records = watch(config_of("redo", when=TENTH))
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
    "initial": {"initialisation": "initial"},
    "biases": {"bias_moments": "zero"},
    "count": {"step_count": "zero"},
    "second head": {"second_head_moments": False},
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_redo_is_dopamines_and_what_others_do_is_behind_a_switch_each(watch, switch):
    seen, records = watch(config_of("redo", when=TENTH, **SWITCHES[switch]))
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
    config = config_of(
        "pruning", when=interventions.Schedule(4, 0.2, 0.8), distribution=distribution
    )
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
    seen, records = watch(config_of("hl-gauss+reset+redo+pruning+late-ln"))
    assert {r["name"] for r in records} == {"reset", "redo", "pruning", "late_norm"}
    for _, _, after, _, _ in seen:
        assert all((after["critic"][k][~mask] == 0).all() for k, mask in after["masks"].items())


def test_after_a_reset_the_target_is_the_critic_also_where_that_is_pruned():
    config = config_of("reset", when=TENTH)
    agent = DrQ(config.agent, configs.seen(config), 1, torch.Generator().manual_seed(0))
    weight = agent.critic.module.heads[1].dense0.weight
    agent.critic.masks = {
        "heads.1.dense0.weight": torch.arange(weight.numel()).view_as(weight) % 2 == 0
    }
    now = Moment(10, UPDATES, agent.critic, None, torch.Generator().manual_seed(1))
    assert INTERVENTIONS["reset"](config.interventions.reset, now)
    assert (weight == 0).any()
    found, expected = (dict(m.named_parameters()) for m in (agent.critic.slow, agent.critic.module))
    assert same(found, expected)


def test_the_draws_of_an_intervention_are_its_own(watch, tmp_path):
    """The run's own generators draw the same with ReDo and without, until its first event."""
    seen, _ = watch(config_of("redo", when=TENTH))
    plain, _ = watch_again(watch, tmp_path)
    assert same(seen[9][1]["critic"], plain[9][1]["critic"])
    assert not same(seen[10][1]["critic"], plain[10][1]["critic"])


def test_another_intervention_beside_it_changes_no_draw_of_it(watch, tmp_path):
    """Reset is listed before ReDo and acts after ReDo's first event alone."""
    alone, _ = watch(config_of("redo", when=TENTH))
    config = config_of("redo+reset", when=TENTH)
    late = interventions.Reset(when=interventions.Schedule(20))
    config = replace(config, interventions=replace(config.interventions, reset=late))
    beside, records = watch_again(watch, tmp_path, config)
    assert [(r["name"], r["update"]) for r in records] == [
        ("redo", 10),
        ("reset", 20),
        ("redo", 20),
    ]
    assert sum(v for k, v in records[0].items() if k.startswith("heads.")) > 0
    assert same(alone[9][2]["critic"], beside[9][2]["critic"])


def watch_again(watch, tmp_path, config=None):
    (tmp_path / "run").rename(tmp_path / "first")
    return watch(config or config_of("baseline"))


def layer(state, name):
    return state["critic"][f"{name}.weight"]


def test_regrama_takes_the_neurons_of_little_gradient_and_at_most_its_share(watch):
    for most in (1.0, 0.125):
        seen, records = watch(config_of("regrama", when=TENTH, tau=0.9, most=most))
        watch.clear()
        assert [r["update"] for r in records] == [10, 20]
        for record in records:
            _, before, after, _, _ = seen[record["update"] - 1]
            for name in HIDDEN:
                changed = (layer(before, name) != layer(after, name)).any(1)
                assert 0 < record[name] <= 16 * most
                # a neuron above in the chain loses columns, which is no change of its own
                if name.endswith("dense0"):
                    assert changed.sum() == record[name]


@pytest.mark.parametrize("select", ["lowest", "random", "highest", "least_useful"])
def test_redo_by_rank_takes_a_share_that_falls_to_zero(watch, select):
    seen, records = watch(config_of("redo", when=TENTH, select=select, share=0.5))
    # half a cosine: 3/4 and 1/4 of one half of 16 neurons
    assert [[r[name] for name in HIDDEN] for r in records] == [[6] * 4, [2] * 4]
    _, before, after, (batch,), critic = seen[9]
    with tapped(critic) as taps:
        critic(critic.encoder(batch.obs), batch.action)
    size = scores.mean_activation(taps["heads.0.dense0"][1].detach())
    taken = (layer(before, "heads.0.dense0") != layer(after, "heads.0.dense0")).any(1)
    assert taken.sum() == 6
    if select == "lowest":
        assert size[taken].max() <= size[~taken].min()
    if select == "highest":
        assert size[taken].min() >= size[~taken].max()
    if select == "least_useful":
        readers = {"heads.0.dense0": (mitigations.Reader("heads.0.dense1"),)}
        h = taps["heads.0.dense0"][1].detach()
        use = mitigations.usefulness(before["critic"], "heads.0.dense0", h, readers)
        assert use[taken].max() <= use[~taken].min()


def test_shrink_and_perturb_moves_all_parameters_towards_fresh_ones(watch):
    seen, records = watch(config_of("shrink-perturb", when=TENTH, shrink=0.5, perturb=0.0))
    assert [r["update"] for r in records] == [10, 20]
    _, before, after, _, _ = seen[9]
    assert all(torch.equal(after["critic"][k], 0.5 * v) for k, v in before["critic"].items())
    assert same(before["target"], after["target"]) and same(before["actor"], after["actor"])


def test_l2_init_pulls_the_critic_to_where_it_began(watch):
    def distance(seen):
        start, end = seen[0][1]["critic"], seen[-1][2]["critic"]
        return sum((end[k] - start[k]).square().sum() for k in start)

    pulled = distance(watch(config_of("l2-init", strength=1e3))[0])
    watch.clear()
    assert pulled < distance(watch(config_of("baseline"))[0]) / 4


def test_continual_backprop_replaces_mature_neurons_a_few_at_a_time(watch):
    changes = {"maturity": 5, "rate": 0.125}  # two of 16 neurons each time
    seen, records = watch(config_of("continual-backprop", **changes))
    assert [r["update"] for r in records] == list(range(1, UPDATES))
    replaced = [r["heads.0.dense0"] for r in records]
    assert replaced[:5] == [0] * 5 and max(replaced) == 2
    for (_, before, after, _, _), count in zip(seen, replaced, strict=False):
        changed = (layer(before, "heads.0.dense0") != layer(after, "heads.0.dense0")).any(1)
        assert changed.sum() == count


def test_a_dormant_neuron_that_was_pruned_stays_so(watch):
    seen, records = watch(config_of("prune-dormant", when=TENTH, tau=0.5))
    assert sum(r["heads.0.dense0"] for r in records) > 0
    dead = (layer(seen[9][2], "heads.0.dense0") == 0).all(1)
    assert dead.sum() == records[0]["heads.0.dense0"]
    for _, _, after, _, _ in seen[10:]:  # they stay so, whatever the optimizer does
        assert (layer(after, "heads.0.dense0")[dead] == 0).all()
        assert (layer(after, "heads.0.dense1")[:, dead] == 0).all()


def test_pruning_by_gradient_takes_the_neurons_of_little_gradient():
    """The first neuron has none and is active; the second has some and is dormant."""
    config, g = config_of("prune-low-gradient"), torch.Generator().manual_seed(0)
    critic = DrQ(config.agent, configs.seen(config), 1, g).critic
    found = {}
    for name in HIDDEN:
        weight = critic.params[f"{name}.weight"].detach()
        h, gradient = torch.ones(4, 16), torch.ones_like(weight)
        h[:, 1], gradient[0] = 0, 0
        found[name] = Seen(h, h, h, h, weight, gradient)
    now = Moment(1, 2, critic, lambda size: found, g)
    told = interventions.prune_dormant(config.interventions.prune_dormant, now)
    assert told == dict.fromkeys(HIDDEN, 1)
    for name in HIDDEN:
        gone = (critic.params[f"{name}.weight"] == 0).all(1)
        assert gone.nonzero().tolist() == [[0]]


def test_reborn_keeps_the_function_of_the_critic(watch):
    seen, records = watch(config_of("reborn", when=TENTH, tau=0.0, beta=1.5))
    assert [r["update"] for r in records] == [10, 20]
    _, _, after, (batch,), critic = seen[9]
    old = critic(critic.encoder(batch.obs), batch.action)
    critic.load_state_dict(after["critic"], strict=False)
    torch.testing.assert_close(critic(critic.encoder(batch.obs), batch.action), old)


def test_a_neuron_is_made_dominant_once(watch):
    seen, records = watch(config_of("make-dominant", when=interventions.Once(10)))
    (record,) = records
    _, before, after, (batch,), critic = seen[9]
    ratio = layer(after, "heads.0.dense0") / layer(before, "heads.0.dense0")
    rows = torch.arange(16) == record["neuron"]
    torch.testing.assert_close(ratio[rows], torch.full_like(ratio[rows], 1e7))
    assert (ratio[~rows] == 1).all()
    critic.load_state_dict(after["critic"], strict=False)
    with tapped(critic) as taps:
        critic(critic.encoder(batch.obs), batch.action)
    dominant = scores.dominant(taps["heads.0.dense0"][1].detach())
    assert dominant.nonzero().flatten().tolist() == [record["neuron"]]


@pytest.mark.parametrize("method", ["reset", "redo", "regrama", "pruning", "shrink-perturb"])
def test_an_intervention_acts_on_the_learner_that_it_is_told(watch, method):
    seen, records = watch(config_of(method, when=TENTH, on=("actor",)))
    assert {r["learner"] for r in records} == {"actor"}
    for _, before, after, _, _ in seen:
        assert same(before["critic"], after["critic"]) and same(before["target"], after["target"])


@pytest.mark.parametrize(
    ("method", "changes", "field"),
    [
        ("redo", {"on": ("crtic",)}, "redo.on"),
        ("redo", {"on": ("critic", "temperature")}, "redo.on"),
        ("reset", {"on": ("temperature",)}, "reset.on"),
        ("make-dominant", {"layer": "heads.0.final"}, "make-dominant.layer"),
    ],
)
def test_a_learner_or_a_layer_that_there_is_not_is_refused(tmp_path, method, changes, field):
    with pytest.raises(InputError) as error:
        train(config_of(method, **changes), tmp_path / "run", Stop())
    assert error.value.field == f"--interventions.{field}"
    assert not (tmp_path / "run").exists()


def test_a_decay_in_the_loss_goes_through_adam_and_a_decoupled_one_does_not():
    """With no other gradient Adam's step is the whole rate, whatever the decay: L2's mark."""
    for in_loss in (True, False):
        config = configs.build("drq", "cartpole-swingup", "weight-decay", "tiny")
        agent = replace(config.agent, decay_in_loss=in_loss, weight_decay=0.5, learning_rate=0.25)
        held = DrQ(agent, configs.seen(config), 1, torch.Generator().manual_seed(0)).critic
        for p in held.module.parameters():
            p.data.fill_(1.0)
            p.grad = torch.zeros_like(p)
        held.optimizer.step()
        expected = 1 - 0.25 if in_loss else 1 - 0.25 * 0.5
        for p in held.module.parameters():
            torch.testing.assert_close(p, torch.full_like(p, expected if p.ndim > 1 else 1.0))
