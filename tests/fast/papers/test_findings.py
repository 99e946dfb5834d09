"""Every condition on made-up runs: one that satisfies it, one that contradicts it, one with too few
seeds; and the way of a record from a run's folder to a verdict."""

import json
from pathlib import Path

import numpy as np
import pytest

from fast import config as configs
from fast.__main__ import main
from fast.agents import AGENTS
from fast.errors import InputError
from fast.papers.findings import (
    EXPERIMENTS,
    FINDINGS,
    Above,
    Below,
    Finding,
    Told,
    before,
    dominance,
    last_return,
    next_layer,
    survival,
)
from fast.report import ledger

ROOT = Path(__file__).parents[3]
TIMES = 40
LAYERS = [
    f"{head}.{layer}"
    for head in ("critic/heads.0", "critic/heads.1", "critic/head", "actor/head")
    for layer in ("dense0", "dense1")
]


def run(method="baseline", seed=0, returns=(0.0, 0.0, 0.0), **measures):
    """A run in which every hidden layer has these measures, constant or over time; `dense0` or
    `dense1` before a name gives it to those layers alone."""
    usual = {"largest_share": 0.1, "largest_activation": 1.0, "saturated": 0.3, "zombie": 0.2,
             "srank": 50.0, "dormant_0": 0.2, "dormant_0.1": 0.3,
             "gradient_magnitude": 1e-3, "zero_gradient": 0.2, "weight_norm": 1.0,
             "low_gradient_0.01": 0.2, "dormant_0_retention": 1.0, "dormant_0.02": 0.005,
             "zero_gradient_retention": 1.0, "low_gradient_0.01_retention": 1.0,
             "dormant_0.1_retention": 1.0, "lowest_quarters": 0.25}  # fmt: skip
    scores = {"update": np.arange(1.0, TIMES + 1)}
    for layer in LAYERS:
        own = {k.removeprefix("dense0_"): v for k, v in measures.items() if "dense1_" not in k}
        if layer.endswith("dense1"):
            own = {k.removeprefix("dense1_"): v for k, v in measures.items() if "dense0_" not in k}
        for name, value in (usual | own).items():
            scores[f"{layer}/{name}"] = np.broadcast_to(np.asarray(value, float), TIMES).copy()
    played = {"update": np.arange(float(len(returns))), "return": np.array(returns, float)}
    return Told("a-task", method, seed, scores, played)


rising = np.linspace(0.02, 1, TIMES)  # passes 1/2 at the twentieth score
half = np.where(np.arange(TIMES) < TIMES // 2, 1.0, 0.0)
dominated = {"dense0_largest_share": rising}
MORE, LESS = ({f"dormant_{tau}": share for tau in ("0", "0.1")} for share in (0.9, 0.1))
# (settings of the runs where it holds, where it does not); of two arms, those of the first.
CASES = {
    "arises": (dominated, {}),
    "next-layer-saturates": ({**dominated, "dense1_saturated": 1.0}, {**dominated}),
    "no-neuron-is-mixed": ({**dominated, "dense1_saturated": 0.8}, {**dominated}),
    "dominance-comes-first": (
        {**dominated, "dense1_saturated": np.where(rising > 0.8, 0.9, 0.2)},
        {**dominated, "dense1_saturated": np.where(rising > 0.8, 0.9, 0.8)},
    ),
    "excessive-activation": (
        {**dominated, "dense0_largest_activation": rising},
        {**dominated, "dense0_largest_activation": 1 - rising},
    ),
    "last-survivor": ({**dominated, "dense0_saturated": 0.97}, {**dominated}),
    "only-before-the-penultimate": ({}, {"dense1_largest_share": rising}),
    "score-goes-with-saturation": (
        {**dominated, "dense1_saturated": rising},
        {**dominated, "dense1_saturated": 1 - rising},
    ),
    "score-goes-against-srank": (
        {**dominated, "dense0_srank": 100 * (1 - rising)},
        {**dominated, "dense0_srank": 100 * rising},
    ),
    "adam-eps-prevents": ({}, {"dense1_largest_share": rising}),
    "lnwd-prevents": ({}, {"dense0_largest_share": rising}),
    "hl-gauss-prevents": ({}, {"dense1_largest_share": rising}),
    "gradient-vanishes": (
        {"dense0_gradient_magnitude": np.logspace(0, -9, TIMES)},
        {"dense0_gradient_magnitude": np.logspace(-9, 0, TIMES)},
    ),
    "baseline-fails": ({}, {"returns": (0, 50, 60, 70)}),
    "lnwd-keeps-srank": ({"dense0_srank": 60}, {"dense0_srank": 40}),
    "hl-gauss-keeps-srank": ({"dense0_srank": 60}, {"dense0_srank": np.nan}),
    "adam-eps-keeps-srank": ({"dense0_srank": 60}, {"dense0_srank": 40}),
    "lnwd-keeps-the-next-layer-awake": ({"dense1_dormant_0.1": 0.1}, {"dense1_dormant_0.1": 0.9}),
    "hl-gauss-never-saturates": ({}, {"dense1_saturated": half}),
    "ln-prevents": ({}, {"dense0_largest_share": rising}),
    "redo-prevents": ({}, {"dense0_largest_share": rising}),
    "reset-prevents": ({}, {"dense0_largest_share": rising}),
    "pruning-does-not-prevent": ({"dense1_largest_share": rising}, {}),
    "redo-keeps-srank": ({"dense0_srank": 60}, {"dense0_srank": 40}),
    "reset-keeps-srank": ({"dense0_srank": 60}, {"dense0_srank": 40}),
    "dormancy-grows": ({"dormant_0": rising}, {"dormant_0": 1 - rising}),
    "critic-dormancy-grows": ({"dormant_0.1": rising}, {"dormant_0.1": 1 - rising}),
    "replay-ratio-grows-dormancy": (MORE, LESS),
    "redo-lowers-dormancy": (LESS, MORE),
    "dormancy-grows-at-1e-8": ({"dormant_0": rising}, {"dormant_0": 1 - rising}),
    "adam-eps-decides": (MORE, LESS),
    "replay-ratio-grows-dormancy-at-1e-8": (MORE, LESS),
    "redo-lowers-dormancy-at-1e-8": (LESS, MORE),
    "replay-ratio-costs-return": ({"returns": (-9, -9, -9)}, {"returns": (9, 9, 9)}),
    "redo-raises-return": ({"returns": (9, 9, 9)}, {"returns": (-9, -9, -9)}),
    "redo-raises-return-at-ratio-1": ({"returns": (9, 9, 9)}, {"returns": (-9, -9, -9)}),
    "redo-costs-no-return": ({"returns": (9, 9, 9)}, {"returns": (-9, -9, -9)}),
    "weight-decay-costs-return": ({"returns": (-9, -9, -9)}, {"returns": (9, 9, 9)}),
    "reset-costs-return": ({"returns": (-9, -9, -9)}, {"returns": (9, 9, 9)}),
    "regrama-does-as-redo": ({"returns": (9, 9, 9)}, {"returns": (-9, -9, -9)}),
    "no-neuron-dominates": ({}, {"dense1_largest_share": rising}),
    "relu-is-more-dormant": (MORE, LESS),
    "relu-is-more-dormant-at-0.1": (MORE, LESS),
    "the-more-dormant-converges-faster": ({"returns": (9, 9, 9)}, {"returns": (-9, -9, -9)}),
    "zero-gradient-grows": ({"zero_gradient": rising}, {"zero_gradient": 1 - rising}),
    "dormant-for-good": ({}, {"dormant_0_retention": 0.9}),
    "without-gradient-for-good": ({}, {"zero_gradient_retention": 0.9}),
    "value-0-recovers": (
        {"dense0_zero_gradient_retention": 0.9},
        {"dense1_zero_gradient_retention": 0.9},
    ),
    "last-layer-is-dormant-most": ({"dense1_dormant_0": 0.3}, {"dense0_dormant_0": 0.3}),
    "last-layer-has-least-gradient": ({"dense1_zero_gradient": 0.3}, {"dense0_zero_gradient": 0.3}),
    "dormant-are-those-without-gradient": (
        {"dense0_dormant_0": 0.9},
        {"dense1_dormant_0": half},
    ),
    "more-are-dormant-than-without-gradient": (
        {"dense0_dormant_0": 0.3},
        {"dense0_dormant_0": 0.1},
    ),
    "all-have-a-gradient-without-activations": ({"zero_gradient": 0.0}, {"zero_gradient": half}),
    "weights-grow": ({"weight_norm": 1 + rising}, {"weight_norm": 2 - rising}),
    "tanh-converges-faster": ({"returns": (9, 9, 9)}, {"returns": (-9, -9, -9)}),
    "accuracy-declines": ({"returns": (0.9, 0.5, 0.1)}, {"returns": (0.1, 0.5, 0.9)}),
    "low-gradient-grows": ({"low_gradient_0.01": rising}, {"low_gradient_0.01": 1 - rising}),
    "redo-raises-accuracy": ({"returns": (0.9, 0.9)}, {"returns": (-0.9, -0.9)}),
    "regrama-raises-accuracy": ({"returns": (0.9, 0.9)}, {"returns": (-0.9, -0.9)}),
    "redo-lowers-low-gradient": ({"low_gradient_0.01": 0.1}, {"low_gradient_0.01": 0.9}),
    "regrama-lowers-low-gradient": ({"low_gradient_0.01": 0.1}, {"low_gradient_0.01": 0.9}),
    "activations-find-none": ({}, {"dormant_0.02": 0.02}),
    "gradients-find-more": ({}, {"dormant_0.02": 0.9}),
    "scores-disagree": ({}, {"lowest_quarters": 0.75}),
    "inactive-for-good": ({}, {"low_gradient_0.01_retention": 0.9}),
    "regrama-leaves-fewer-inactive": ({"low_gradient_0.01": 0.05}, {"low_gradient_0.01": 0.9}),
    "redo-leaves-more-inactive-than-regrama": (
        {"low_gradient_0.01": 0.9},
        {"low_gradient_0.01": 0.05},
    ),
    "regrama-raises-return": ({"returns": (9, 9, 9)}, {"returns": (-9, -9, -9)}),
    "redo-lowers-return": ({"returns": (-9, -9, -9)}, {"returns": (9, 9, 9)}),
    "regrama-returns-more-than-redo": ({"returns": (9, 9, 9)}, {"returns": (-9, -9, -9)}),
    **{
        f"{name}-hides-from-activations": ({}, {"dormant_0.02": 0.02})
        for name in ("tanh", "sigmoid", "residual-blocks")
    },
    **{
        f"{name}-shows-in-gradients": ({}, {"zero_gradient": 0.0})
        for name in ("tanh", "sigmoid", "layer-norm", "residual-blocks")
    },
    "layer-norm-gradients-are-steadier": (
        {"dormant_0.1_retention": 0.9},
        {"low_gradient_0.01_retention": 0.5},
    ),
    **{
        f"{name}-{what}": case
        for name in ("relu", "tanh", "sigmoid", "leaky-relu", "layer-norm", "residual-blocks")
        for what, case in {
            "regrama-raises-return": ({"returns": (9, 9, 9)}, {"returns": (-9, -9, -9)}),
            "regrama-lowers-low-gradient": (
                {"low_gradient_0.01": 0.1},
                {"low_gradient_0.01": 0.9},
            ),
            "redo-costs-return": ({"returns": (-9, -9, -9)}, {"returns": (9, 9, 9)}),
        }.items()
    },
    "baseline-never-learns": ({"returns": (9, 9, 9)}, {"returns": (-9, -9, -9)}),
    "hl-gauss-learns": ({"returns": (9, 9, 9)}, {"returns": (-9, -9, -9)}),
    "adam-eps-learns": ({"returns": (9, 9, 9)}, {"returns": (-9, -9, -9)}),
    "adam-eps-learns-as-lnwd": ({"returns": (9, 9, 9)}, {"returns": (-9, -9, -9)}),
    "hl-gauss-wakes-up": ({"dense1_saturated": half}, {"dense1_saturated": 1 - half}),
    "lnwd-wakes-up": ({"dense0_srank": 1 - half}, {"dense0_srank": half}),
}


def arms(finding: Finding, changed: dict, seeds: int) -> list[Told]:
    first, *others = finding.arms
    noise = np.random.default_rng(0).uniform(0.999, 1.001, size=seeds)
    return [
        run(method, seed, **({k: np.asarray(v) * noise[seed] for k, v in changed.items()}
                             if method == first else {}))
        for seed in range(seeds)
        for method in (first, *others)
    ]  # fmt: skip


@pytest.mark.parametrize("name", FINDINGS)
def test_a_condition_tells_runs_that_satisfy_it_from_those_that_contradict_it(name):
    finding = FINDINGS[name]
    satisfying, contradicting = CASES[name.partition(".")[2]]
    scale = EXPERIMENTS[finding.experiment].preset
    for changed, word in ((satisfying, "reproduced"), (contradicting, "contradicted")):
        result = ledger.verdict(finding, arms(finding, changed, finding.seeds))
        assert result.word == f"{word} at {scale} scale", result
        assert result.low <= result.mean <= result.high
        too_few = arms(finding, changed, finding.seeds - 1)
        assert ledger.verdict(finding, too_few).word == "not decided"
    assert ledger.verdict(finding, []).word == "not run"


@pytest.mark.parametrize(("holds", "edge"), [(Above(0.5), 0.5), (Below(0.5), 0.5)])
def test_the_bound_itself_is_on_neither_side(holds, edge):
    assert not holds(edge)
    assert holds(edge + 0.1) != holds(edge - 0.1)


def judged(values, holds):
    """The verdict on runs whose last evaluations are these."""
    finding = Finding("ours", "", "sparse", ("baseline",), last_return, "", holds)
    told = [run(seed=seed, returns=(value,)) for seed, value in enumerate(values)]
    return ledger.verdict(finding, told)


def test_an_interval_that_crosses_the_condition_decides_nothing():
    """Student's interval by hand: of (1, 2, 3) it is 2 -+ 4.3027 / sqrt(3)."""
    reach = 4.302652729911275 / np.sqrt(3)
    ends = ((2 - reach - 1e-9, "reproduced"), (2 - reach + 1e-9, "not decided"),
            (2 + reach - 1e-9, "not decided"), (2 + reach + 1e-9, "contradicted"))  # fmt: skip
    for bound, word in ends:
        assert judged((1, 2, 3), Above(bound)).word.startswith(word)


@pytest.mark.parametrize("holds", [Above(0), Below(0)])
def test_an_effect_that_is_the_bound_itself_in_every_run_decides_nothing(holds):
    assert judged((0, 0, 0), holds).word == "not decided"


def test_runs_where_the_effect_is_undefined_are_counted_and_do_not_decide():
    result = judged((1, 1.1, np.nan), Above(0))
    assert (result.word, result.undefined, len(result.values)) == ("not decided", 1, 2)


def test_dominance_is_above_one_half_in_the_head_that_comes_first_and_its_peak_is_before_it():
    told = run(dense1_saturated=0.5)
    share, size = (np.full(TIMES, v) for v in (0.1, 1.0))
    share[5:], size[3], size[6], size[8] = 0.5, 4.0, 1.0, 9.0  # one half is not dominant
    share[6:] = 0.6
    told.scores["critic/heads.1.dense0/largest_share"][:] = share
    told.scores["critic/heads.1.dense0/largest_activation"][:] = size
    told.scores["critic/heads.0.dense0/largest_share"][7:] = 0.9  # later
    told.scores["critic/heads.1.dense1/saturated"][9] = 0.8
    told.scores["critic/heads.0.dense1/saturated"][:] = 0.9
    assert dominance(told) == (1, 6)
    assert survival(told) == 0.25
    assert next_layer(told) == 0.8
    assert before(told) == 0.625


def test_a_paired_finding_compares_seed_with_seed_whatever_the_order():
    finding = FINDINGS["sparse.lnwd-keeps-srank"]
    told = [run("lnwd", s, dense0_srank=50 + s) for s in (2, 0, 1)]
    told += [run("baseline", s, dense0_srank=40 + s) for s in range(4)]
    assert ledger.verdict(finding, told).values == pytest.approx((10, 10, 10))


def test_every_experiment_can_be_trained_and_every_finding_has_its_arms_in_one():
    for experiment in EXPERIMENTS.values():
        assert experiment.preset in AGENTS[experiment.agent].file.PRESETS
        for task, method, seed in experiment.runs[: len(experiment.methods)]:
            configs.check(configs.build(experiment.agent, task, method, experiment.preset, seed))
    for finding in FINDINGS.values():
        assert set(finding.arms) <= set(EXPERIMENTS[finding.experiment].methods)


def test_no_two_findings_rest_on_the_same_comparison():
    told = {(f.experiment, f.arms, f.measures) for f in FINDINGS.values()}
    assert len(told) == len(FINDINGS)


# From a folder of runs to a CSV and back

SPARSE = EXPERIMENTS["sparse"]
LAYER = "critic/heads.0.dense0"


def folder_of(tmp_path, method="baseline", seed=0, preset="dominance", changed=("run.updates",),
              done=40_000, updates=40_000):  # fmt: skip
    """A finished run by hand, with what readers ask of a folder."""
    task = SPARSE.tasks[0]
    path = tmp_path / f"{task}.{method}.{seed}"
    path.mkdir(parents=True)
    pixels = {"kind": "pixels", "render_quality": "fast", "action_repeat": 2, "size": 32,
              "frame_stack": 3}  # fmt: skip
    config = {
        "version": 2, "task": task, "method": method, "preset": preset, "seed": seed,
        "device": "cpu", "env": pixels, "agent": {"kind": "drq", "batch_size": 32},
        "changed": list(changed),
        "run": {"updates": updates, "reward_masked": 0, "score_batch": 256},
    }  # fmt: skip
    (path / "config.json").write_text(json.dumps(config))
    lines = [{"kind": "session", "update": 0, "command": "train", "commit": "abc", "other": 1}]
    for update in (0, 50, done):
        told = {f"{LAYER}/largest_share": 0.123456 + seed, f"{LAYER}/srank": None, "x": 1.0}
        lines.append({"kind": "scores", "update": update, **told})
        lines.append({"kind": "evaluation", "update": update, "return": 2.0 * update})
    text = [json.dumps({"agent_step": n, "environment_step": 2 * n} | line)
            for n, line in enumerate(lines)]  # fmt: skip
    (path / "metrics.jsonl").write_text("\n".join(text) + "\n")
    return path


def test_what_an_experiment_keeps_comes_back_and_a_run_that_is_not_finished_is_left_out(tmp_path):
    runs, results = tmp_path / "runs", tmp_path / "results"
    folder_of(runs, seed=1)
    folder_of(runs, seed=0)
    folder_of(runs, seed=2, done=39_999)
    folder_of(runs, seed=SPARSE.seeds)
    left = ledger.collect("sparse", runs, results)
    assert [text.split(" ", 1)[1] for text in left] == [
        "is not finished",
        "is not of the experiment",
    ]
    first, second = ledger.read("sparse", results)
    assert (first.task, first.method, first.seed, second.seed) == (*SPARSE.runs[0][:2], 0, 1)
    assert set(first.scores) >= {"update", f"{LAYER}/largest_share", f"{LAYER}/srank"}
    assert "x" not in first.scores
    assert list(first.scores["update"]) == list(first.evaluations["update"]) == [0, 50, 40_000]
    assert list(first.scores[f"{LAYER}/largest_share"]) == [0.1235] * 3
    assert np.isnan(first.scores[f"{LAYER}/srank"]).all()
    assert list(first.evaluations["return"]) == [0, 100, 80_000]
    told = json.loads((results / "sparse.json").read_text())
    assert list(told) == [f"{SPARSE.tasks[0]}.baseline.{seed}" for seed in (0, 1)]
    assert told[f"{SPARSE.tasks[0]}.baseline.0"] == {"commit": "abc"}


def test_runs_that_were_collected_before_stay(tmp_path):
    results = tmp_path / "results"
    for seed in (0, 1):
        folder_of(tmp_path / str(seed), seed=seed)
        ledger.collect("sparse", tmp_path / str(seed), results)
    assert [run.seed for run in ledger.read("sparse", results)] == [0, 1]
    assert len(json.loads((results / "sparse.json").read_text())) == 2


OTHER = [
    ({"preset": "laptop"}, "preset"),
    ({"changed": ()}, "changed"),
    ({"changed": ("run.updates", "env.size")}, "changed"),
    ({"updates": 101}, "run.updates"),
]


@pytest.mark.parametrize(("how", "named"), OTHER)
def test_runs_of_other_settings_are_refused(tmp_path, how, named):
    folder_of(tmp_path / "runs", **how)
    with pytest.raises(InputError, match=named):
        ledger.collect("sparse", tmp_path / "runs", tmp_path / "results")
    assert not (tmp_path / "results").exists()


HEADER = "task,method,seed,kind,update,return"


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", f"{HEADER}\na,b,c,d\n", f"{HEADER}\na,b,0,x,1,2"]
)
def test_a_damaged_file_is_named(tmp_path, text):
    (tmp_path / "sparse.csv").write_text(text)
    with pytest.raises(InputError, match=r"sparse\.csv"):
        ledger.read("sparse", tmp_path)


def test_the_command_lists_shows_and_refuses(capsys, tmp_path):
    assert main(["findings", "--results", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.count("| not run |") == len(FINDINGS)
    assert f"{len(FINDINGS)} findings: 0 reproduced, 0 contradicted, 0 not decided" in out
    assert main(["findings", "--json", "--results", str(tmp_path)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["id"] for row in rows] == list(FINDINGS)
    assert {row["verdict"] for row in rows} == {"not run"}
    assert main(["findings", "run", "sac.dormancy-grows"]) == 0
    assert "--agent sac --tasks HalfCheetah-v4" in capsys.readouterr().out
    assert main(["findings", "show", "sparse.arise"]) == 2
    assert "did you mean sparse.arises" in capsys.readouterr().err
    assert main(["findings", "collect", "spars", "--runs", str(tmp_path)]) == 2
    assert "did you mean sparse" in capsys.readouterr().err


def test_seeds_are_counted_that_every_arm_has():
    told = [run("lnwd", seed) for seed in (0, 1)] + [run("baseline", seed) for seed in (1, 2, 3)]
    finding = FINDINGS["sparse.lnwd-keeps-srank"]
    assert "seeds 1 of 5" in ledger.scale(EXPERIMENTS["sparse"], finding, told)


def test_the_ledger_that_is_committed_is_what_the_committed_records_say():
    """Every file belongs to an experiment; `python -m fast findings` prints the table again."""
    found = {path.stem for path in (ROOT / ledger.RESULTS).glob("*.csv")}
    assert found <= set(EXPERIMENTS)
    for name in found:
        told = ledger.read(name, ROOT / ledger.RESULTS)
        sources = json.loads((ROOT / ledger.RESULTS / f"{name}.json").read_text())
        assert set(sources) == {f"{run.task}.{run.method}.{run.seed}" for run in told}
    page = (ROOT / ledger.RESULTS / "README.md").read_text()
    assert ledger.table(ledger.decided(ROOT / ledger.RESULTS)) in page


def test_a_run_has_the_layers_of_its_own_network_alone(tmp_path):
    """Undefined is a measure of a layer that is there; another method's network has others."""
    one, other = run("ln", dormant_0=np.nan), run("residual")
    for name in [name for name in other.scores if "dense1" in name]:
        other.scores[name.replace("dense1", "blocks.0.dense")] = other.scores.pop(name)
    ledger._write("made-up", [one, other], tmp_path)
    for kept, given in zip(ledger.read("made-up", tmp_path), [one, other], strict=True):
        assert kept.scores.keys() - {"return"} == given.scores.keys()
        for name, values in given.scores.items():
            np.testing.assert_allclose(kept.scores[name], values, rtol=1e-3)
