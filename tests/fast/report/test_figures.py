"""The paper's figures: known numbers in a folder of runs, known rows in the CSV; refusals.

The numbers are dyadic, so that means and deviations of them are exact.
"""

import csv
import json
import math
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from fast.__main__ import main
from fast.errors import InputError
from fast.papers import neuron_dominance
from fast.papers.grid import PlannedRun
from fast.papers.neuron_dominance import SATURATED, SRANK
from fast.papers.recipes import RECIPES
from fast.report import chosen, drawing, families, figures, overview, stats
from fast.report.page import page, report
from fast.runs.records import Run, find_runs, read_run, series

ROOT = Path(__file__).parents[3]
PLANNED = 100
SPARSE, MASKED = "cartpole-swingup_sparse", "reacher-easy-masked"


def record(kind, update, **values):
    step = 8 * update
    return {"kind": kind, "agent_step": update, "environment_step": step, "update": update} | values


def evaluation(update, value):
    return record("evaluation", update, **{"return": value}, returns=[value])


def scores(update, largest=2.0, saturated=0.25, srank=8.0, dormant=0.5, gradient=0.125):
    """Head 1 has other numbers everywhere: they must reach no figure of the paper."""
    told = {}
    for head, shift in ((0, 0.0), (1, 0.0625)):
        for layer in ("dense0", "dense1"):
            named = {"largest_score": largest, "largest_share": largest and largest / 16,
                     "largest_activation": 0.25, "saturated": saturated, "srank": srank,
                     "dormant_0.1": dormant, "gradient_magnitude": gradient}  # fmt: skip
            key = f"critic/heads.{head}.{layer}/"
            told |= {key + k: None if v is None else v + shift for k, v in named.items()}
    return record("scores", update, **told)


PIXELS = {"kind": "pixels", "render_quality": "fast", "action_repeat": 8, "size": 64,
          "frame_stack": 3}  # fmt: skip


def write(folder, task, method, seed, records, preset="laptop", masked=None, **run):
    masked = PLANNED // 2 * task.endswith("-masked") if masked is None else masked
    config = {
        "version": 2,
        "task": task,
        "method": method,
        "preset": preset,
        "seed": seed,
        "device": "cpu",
        "env": PIXELS,
        "agent": {"kind": "drq", "batch_size": 64, "hidden": [16, 16], "learning_rate": 0.5},
        "changed": [],
        "run": {"updates": PLANNED, "reward_masked": masked, "score_batch": 256} | run,
    }
    path = Path(folder) / PlannedRun(task, method, seed).name
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(config))
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in records))
    return read_run(path)


def whole(value=64.0, **scored):
    return [scores(0, **scored), scores(50, **scored), evaluation(50, value / 2),
            scores(PLANNED, **scored), evaluation(PLANNED, value)]  # fmt: skip


def drawn(name, folder):
    """The lines of the CSV of a figure of the runs in a folder."""
    path = folder / "figure.csv"
    drawing.write_table(figures.draw(name, find_runs(folder)), path)
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def quick(monkeypatch):
    """Files of pictures are empty: what is drawn is seen without them."""
    monkeypatch.setattr(drawing, "content", lambda figure, form: b"")


# --- single runs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "task", "method", "keys"),
    [
        ("2", SPARSE, "baseline", ["dense0/largest_score", "dense1/saturated"]),
        ("3", MASKED, "baseline", ["dense0/largest_score", "dense1/saturated"]),
        ("12", SPARSE, "resnet18", ["dense0/largest_score", "dense1/saturated"]),
        ("10", MASKED, "late-ln", ["return", "dense0/largest_score", "dense1/saturated"]),
        ("16", "walker-walk-masked", "late-ln",
         ["return", "dense0/largest_score", "dense1/saturated"]),
        ("11", MASKED, "hl-gauss", ["return", "dense0/largest_score", "dense0/saturated",
                                    "dense1/saturated", "dense1/dormant_0.1"]),
        ("17", "walker-walk-masked", "hl-gauss",
         ["return", "dense0/largest_score", "dense0/saturated", "dense1/saturated",
          "dense1/dormant_0.1"]),
        ("13", "cartpole-balance_sparse-narrow", "baseline",
         ["dense0/gradient_magnitude", "dense1/gradient_magnitude"]),
    ],
)  # fmt: skip
def test_a_figure_of_single_runs_shows_every_record_of_head_0(tmp_path, name, task, method, keys):
    records = [scores(10, largest=4.0, saturated=0.5), scores(20, largest=None, srank=None),
               evaluation(30, 7.0)]  # fmt: skip
    for seed in (0, 3):
        write(tmp_path, task, method, seed, records)
    write(tmp_path, "cheetah-run", "redo", 0, whole())  # does not belong
    expected = []
    for seed in (0, 3):
        head = {"run": f"{task}.{method}.{seed}", "task": task, "method": method, "seed": str(seed)}
        for key in keys:
            full = key if key == "return" else f"critic/heads.0.{key}"
            for line in records:
                if full in line:
                    value = math.nan if line[full] is None else line[full]
                    step = str(float(line["environment_step"]))
                    expected.append(
                        head | {"panel": full, "environment_step": step, "value": str(value)}
                    )
    assert drawn(name, tmp_path) == expected


def lines_of(axes):
    return [line for line in axes.lines if len(line.get_xdata()) > 2]


def test_dominance_is_drawn_on_a_log_axis_with_its_threshold_and_undefined_scores_carried_on(
    tmp_path,
):
    values = [4.0, 12.0, None, None, 2.0]
    records = [scores(10 * i, largest=value) for i, value in enumerate(values)]
    run = write(tmp_path, MASKED, "baseline", 0, records)
    figure = figures.draw("3", [run]).figure
    score, saturated = figure.axes
    assert (score.get_yscale(), saturated.get_yscale()) == ("log", "linear")
    (line,) = lines_of(score)
    np.testing.assert_array_equal(line.get_ydata(), [4, 12, np.nan, np.nan, 2])
    two = [list(zip(*part.get_data(), strict=True)) for part in score.lines if part is not line]
    assert [(80.0, 12.0), (240.0, 12.0)] in two  # dotted: steps of the last number, the last NaN
    assert [(0, 8.0), (1, 8.0)] in two  # N / 2
    (shade,) = score.patches
    assert (shade.get_x(), shade.get_width()) == (0, 320)  # 40 of 50 masked updates told of


def test_a_gradient_of_exactly_zero_is_marked_and_not_lost_on_the_log_axis(tmp_path):
    records = [scores(10 * i, gradient=g) for i, g in enumerate([0.5, 0.25, 0.0, 0.0])]
    run = write(tmp_path, "cartpole-balance_sparse-narrow", "baseline", 0, records)
    axes = figures.draw("13", [run]).figure.axes[0]
    (line,) = lines_of(axes)
    np.testing.assert_array_equal(line.get_ydata(), [0.5, 0.25, np.nan, np.nan])
    (zeros,) = [part for part in axes.lines if part.get_marker() == "v"]
    assert list(zeros.get_xdata()) == [160, 240]
    assert set(zeros.get_ydata()) == {axes.get_ylim()[0]} == {0.1}


def test_the_step_at_which_layer_norm_was_added_is_marked(tmp_path):
    added = record("intervention", 50, name="late_norm")
    run = write(tmp_path, MASKED, "late-ln", 0, [*whole(), added])
    for axes in figures.draw("10", [run]).figure.axes:
        assert [400, 400] in [list(line.get_xdata()) for line in axes.lines]


def test_survival_is_over_learning_rate_times_updates_in_every_dense_layer(tmp_path):
    """0.75 of the layer lives, then nothing: its largest share is undefined, not its activation."""
    dead = scores(20, largest=None, saturated=0.75)
    live = scores(10, largest=4.0, saturated=0.25)
    for layer in ("critic/encoder.conv0", "critic/trunk", "actor/head.dense0"):
        for records in (live, dead):
            records |= {f"{layer}/{m}": 0.5 for m in ("saturated", "largest_activation")}
            records[f"{layer}/largest_share"] = 0.125
    run = write(tmp_path, SPARSE, "baseline", 0, [live, dead])
    head = {"run": run.folder.name, "task": SPARSE, "method": "baseline", "seed": "0"}
    expected = []
    for layer, shift in (("heads.0.dense0", 0), ("heads.0.dense1", 0), ("heads.1.dense0", 0.0625),
                         ("heads.1.dense1", 0.0625)):  # fmt: skip
        for name, values in (("living", [0.75 - shift, 0.25 - shift]),
                             ("largest_activation", [0.25 + shift] * 2),
                             ("largest_share", [0.25 + shift, math.nan])):  # fmt: skip
            expected += [
                (f"critic/{layer}/{name}", x, y) for x, y in zip((5.0, 10.0), values, strict=True)
            ]
    for name, value in (("living", 0.5), ("largest_activation", 0.5), ("largest_share", 0.125)):
        expected += [(f"actor/head.dense0/{name}", x, value) for x in (5.0, 10.0)]
    rows = drawn("survival", tmp_path)
    assert rows == [
        head | {"panel": panel, "learning_rate_x_updates": str(x), "value": str(y)}
        for panel, x, y in expected
    ]
    axes = figures.draw("survival", [run]).figure.axes
    assert [part.get_ylabel() for part in axes[::3]] == [
        "critic/heads.*.dense0", "critic/heads.*.dense1", "actor/head.dense0"
    ]  # fmt: skip


@pytest.mark.parametrize(("key", "x"), [("critic_learning_rate", 2.5), ("actor_learning_rate", 5)])
def test_each_network_counts_its_own_learning_rate(tmp_path, key, x):
    run = write(tmp_path, SPARSE, "baseline", 0, [scores(10)])
    run.config["agent"][key] = 0.25
    assert {row[-2] for row in figures.draw("survival", [run]).rows} == {x}
    del run.config["agent"]["learning_rate"], run.config["agent"][key]
    with pytest.raises(InputError, match=r"agent\.learning_rate"):
        figures.draw("survival", [run])


# --- curves, aggregates and points ---------------------------------------------------------------


@pytest.mark.parametrize(("name", "method"), [("6", "redo"), ("15", "lnwd")])
def test_a_learning_curve_is_mean_and_deviation_over_the_seeds_that_reached_a_step(
    tmp_path, name, method
):
    write(tmp_path, SPARSE, method, 0, [evaluation(10, 2.0), evaluation(20, 8.0)])
    write(tmp_path, SPARSE, method, 1, [evaluation(10, 6.0)])
    write(tmp_path, "walker-run", method, 0, [evaluation(10, None)])
    head = {"task": SPARSE, "method": method}
    assert drawn(name, tmp_path) == [
        {"task": "walker-run", "method": method, "environment_step": "80.0", "seeds": "1",
         "mean": "nan", "standard_deviation": "nan"},
        head | {"environment_step": "80.0", "seeds": "2", "mean": "4.0",
                "standard_deviation": "2.0"},
        head | {"environment_step": "160.0", "seeds": "1", "mean": "8.0",
                "standard_deviation": "0.0"},
    ]  # fmt: skip


def sweep_of_returns(folder):
    """Baseline returns 0, 8 and 4 on one task and 64 on another; lnwd 32 on the first."""
    sparse, dense = SPARSE, "walker-run"
    for seed, value in enumerate((0.0, 8.0, 4.0)):
        write(folder, sparse, "baseline", seed, whole(value))
    write(folder, dense, "baseline", 0, whole(64.0))
    write(folder, sparse, "lnwd", 0, whole(32.0))
    write(folder, dense, "lnwd", 0, [evaluation(9, None)])  # undefined: left out


@pytest.mark.parametrize(
    ("name", "tasks"), [("5", (SPARSE, "walker-run")), ("7", ("walker-run",)), ("8", (SPARSE,))]
)
def test_aggregates_are_of_the_last_returns_of_the_recipes_tasks(tmp_path, name, tasks):
    sweep_of_returns(tmp_path)
    returns = {
        "baseline": {SPARSE: [0.0, 8.0, 4.0], "walker-run": [64.0]},
        "lnwd": {SPARSE: [32.0]},
    }
    expected = []
    for method, by_task in returns.items():
        kept = [values for task, values in by_task.items() if task in tasks]
        for label, statistic in stats.STATISTICS.items() if kept else ():
            interval = stats.interval(statistic, kept, generator=np.random.default_rng(0))
            numbers = [str(float(x)) for x in (statistic(kept), *interval)]
            sizes = [str(len(kept)), str(sum(map(len, kept)))]
            expected.append([method, label, *numbers, *sizes])
    assert [list(row.values()) for row in drawn(name, tmp_path)] == expected
    if name == "5":
        assert [row[2] for row in expected] == ["34.0", "6.0", "34.0", *["32.0"] * 3]


def test_the_probability_of_improvement_is_over_the_tasks_of_both(tmp_path):
    sweep_of_returns(tmp_path)
    runs = [read_run(path) for path in sorted(tmp_path.iterdir())]
    (row,) = families.improvements(runs)
    assert row == ("lnwd", "beats baseline", 1.0, 1.0, 1.0, 1, 1)


def test_a_run_is_a_point_of_its_means_over_training_with_undefined_scores_carried_on(tmp_path):
    # srank: 8, then undefined and so 8 again, then 4 and 4; the mean is 6.
    records = [scores(0, 2.0, srank=8.0), scores(10, 4.0, srank=None, dormant=1.0),
               scores(20, None, srank=4.0, dormant=0.75), evaluation(20, 3.0),
               evaluation(30, 5.0), scores(30, 6.0, srank=4.0, dormant=0.75)]  # fmt: skip
    write(tmp_path, SPARSE, "redo", 1, records)
    write(tmp_path, SPARSE, "lnwd", 0, [scores(0, None), evaluation(9, 1.0)])  # dead from the first
    write(tmp_path, "walker-run", "redo", 0, [scores(0, 8.0), evaluation(9, 1.0)])
    (one, two, dead) = sorted(drawn("14", tmp_path), key=lambda row: row["largest_score"])
    point = {"largest_score": "4.0", "srank": "6.0", "final_return": "5.0", "dormant": "0.75"}
    head = {"run": f"{SPARSE}.redo.1", "task": SPARSE, "method": "redo", "seed": "1"}
    assert one == head | point
    assert (two["largest_score"], two["run"]) == ("8.0", "walker-run.redo.0")
    assert (dead["largest_score"], dead["method"]) == ("nan", "lnwd")
    # Figure 9: a point a method, the mean over tasks, without the run that has an undefined number.
    assert drawn("9", tmp_path) == [
        {"method": "redo", "tasks": "2", "runs": "2", "largest_score": "6.0", "srank": "7.0",
         "final_return": "3.0", "dormant": "0.625"}
    ]  # fmt: skip


def test_a_method_is_the_mean_of_its_tasks_means_also_when_they_have_unlike_many_runs(tmp_path):
    for seed, largest in enumerate((2.0, 4.0, 6.0)):
        write(tmp_path, SPARSE, "redo", seed, whole(largest=largest))
    write(tmp_path, "walker-run", "redo", 0, whole(largest=8.0))
    (row,) = drawn("9", tmp_path)
    assert (row["largest_score"], row["runs"]) == ("6.0", "4")


# --- the face ------------------------------------------------------------------------------------


def face_of(name, runs):
    face = chosen.face(chosen.choose(name, runs), "Note.")
    return [(part or "").replace("\u00a0", " ") for part in face]


def test_a_face_says_what_is_missing_unfinished_left_out_and_unlike(tmp_path):
    runs = [write(tmp_path, SPARSE, "baseline", seed, whole()) for seed in (0, 1)]
    runs.append(write(tmp_path, "finger-spin-fast", "baseline", 0, [scores(34)]))
    runs.append(write(tmp_path, SPARSE, "baseline", 8, whole()))  # a ninth seed: not the recipe's
    title, subtitle, warning, note = face_of("2", runs)
    assert title == f"Figure 2. {RECIPES['2'].title}"
    for part in ("preset laptop", "render quality fast", "3 of 24 runs", "1 to 2 of 8 seeds",
                 "2 of 3 tasks", "1 other run left out", "100 of 100 / 34 of 100 planned updates",
                 "800 environment steps"):  # fmt: skip
        assert part in subtitle
    assert warning == (
        "INCOMPLETE: 3 of 24 runs; as little as 34 % of the planned updates "
        "(finger-spin-fast, baseline, seed 0)"
    )
    assert note == f"Note. Recipe: {RECIPES['2'].note}."
    assert "methods" not in subtitle
    other = write(tmp_path, SPARSE, "baseline", 2, whole(), updates=PLANNED - 1)
    assert "RUNS OF ONE METHOD DIFFER in run.updates" in face_of("2", [*runs, other])[2]


def test_the_face_of_a_complete_figure_warns_of_nothing(tmp_path):
    recipe = RECIPES["13"]
    runs = [write(tmp_path, *planned, whole()) for planned in recipe.runs]
    assert face_of("13", runs)[2] == ""
    assert "8 of 8 runs · 8 of 8 seeds" in face_of("13", runs)[1]


def test_a_face_names_the_settings_that_are_not_those_of_its_preset_and_method(tmp_path):
    run = write(tmp_path, SPARSE, "baseline", 0, whole())
    run.config["changed"] = ["agent.hidden", "run.updates"]
    assert "not the preset's: agent.hidden, run.updates ·" in face_of("2", [run])[1]


# --- refusals ------------------------------------------------------------------------------------


def test_mixed_presets_are_refused_unless_one_is_chosen(tmp_path):
    runs = [
        write(tmp_path / preset, SPARSE, "baseline", seed, whole(), preset=preset)
        for seed, preset in enumerate(("laptop", "tiny"))
    ]
    with pytest.raises(InputError, match="one preset"):
        chosen.choose("2", runs)
    assert chosen.choose("2", runs, "tiny").runs == runs[1:]
    assert chosen.choose("2", runs, "tiny").others == 1
    with pytest.raises(InputError, match="--preset paper"):
        chosen.choose("2", runs, "paper")


def test_a_figure_without_a_run_names_what_it_needs_and_the_sweep_that_makes_it(tmp_path, capsys):
    write(tmp_path, SPARSE, "baseline", 0, whole())
    assert main(["figure", "10", "--runs", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "late-ln on reacher-easy-masked" in said
    assert "python -m fast sweep --figure 10 --preset paper --out DIR" in said
    assert main(["figure", "5", "--runs", str(tmp_path), "--preset", "tiny"]) == 2
    assert "python -m fast sweep --figure 5 --preset tiny" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{SPARSE}.baseline.0"]


def test_a_figure_of_ones_own_takes_every_run_and_says_that_it_is_not_the_papers(
    tmp_path, capsys, quick
):
    for seed, value in enumerate((64.0, 32.0)):
        write(tmp_path, "fish-swim", "ln", seed, whole(value))
    write(tmp_path, "fish-swim", "resnet18", 0, whole(8.0))
    assert main(["figure", "6", "--runs", str(tmp_path)]) == 2
    capsys.readouterr()
    assert main(["figure", "6", "--own", "--runs", str(tmp_path), "--out", str(tmp_path)]) == 0
    with (tmp_path / "figure-6.csv").open(newline="") as file:
        last = [row for row in csv.DictReader(file) if row["environment_step"] == "800.0"]
    found = [(row["task"], row["method"], float(row["mean"])) for row in last]
    assert found == [("fish-swim", "ln", 48.0), ("fish-swim", "resnet18", 8.0)]
    title, subtitle, warning, _ = chosen.face(chosen.choose("6", find_runs(tmp_path), own=True), "")
    assert title == "As Figure 6. Learning curves"
    assert "3 of 4 runs" in subtitle.replace("\u00a0", " ") and "INCOMPLETE" in warning
    html = report(tmp_path, tmp_path).read_text()
    assert all(
        f'alt="{chosen.title(name, own=True)}"' in html
        for name in chosen.OWN
        if RECIPES[name].agent == "drq"
    )


@pytest.mark.parametrize("name", [n for n in RECIPES if n not in chosen.OWN])
def test_a_figure_of_certain_tasks_or_of_one_method_cannot_be_of_ones_own(tmp_path, name):
    run = write(tmp_path, "fish-swim", "ln", 0, whole())
    with pytest.raises(InputError, match="4, 5, 6, 9, 14, survival, redo-1, ") as error:
        figures.draw(name, [run], own=True)
    assert error.value.field == "--own"


def test_a_hidden_folder_is_no_run(tmp_path):
    write(tmp_path, SPARSE, "baseline", 0, whole())
    left = write(tmp_path, SPARSE, "baseline", 1, whole()).folder
    left.rename(tmp_path / f".{left.name}.123.tmp")  # of a process killed while it began a run
    assert [run.seed for run in find_runs(tmp_path)] == [0]


def test_the_same_run_twice_unevaluated_runs_and_unknown_names_are_refused(tmp_path):
    once = write(tmp_path / "a", SPARSE, "baseline", 0, [scores(1)])
    again = write(tmp_path / "b", SPARSE, "baseline", 0, whole())
    with pytest.raises(InputError, match="each task, method and seed"):
        chosen.choose("2", [once, again])
    for name in ("5", "9"):
        with pytest.raises(InputError, match="evaluated"):
            figures.draw(name, [once])
    with pytest.raises(InputError, match="NAME"):
        figures.write("1", tmp_path, tmp_path)
    with pytest.raises(InputError, match="--out"):
        figures.write("2", tmp_path / "b", again.folder / "config.json")
    other = write(tmp_path / "c", "fish-swim", "baseline", 0, whole())
    with pytest.raises(InputError, match="belongs to a figure"):
        figures.write("all", other.folder.parent, tmp_path / "out")


# --- every figure, the command and the page ------------------------------------------------------


def test_every_figure_draws_from_a_small_sweep(tmp_path):
    tasks = {SPARSE, "cartpole-balance_sparse-narrow", MASKED, "walker-walk-masked", "walker-run"}
    ours = {name: recipe for name, recipe in RECIPES.items() if recipe.agent == "drq"}
    assert ours.keys() == neuron_dominance.RECIPES.keys() - {"4"}
    planned = {run for recipe in ours.values() for run in recipe.runs}
    for run in sorted(planned):
        if run.task in tasks and run.seed < 2:
            write(tmp_path, *run, whole(64.0 * (1 + run.seed), largest=4.0 + run.seed))
    shown = dict(figures.draw_all(find_runs(tmp_path, keep=figures.KEEP)))
    assert shown.keys() == RECIPES.keys()
    for of_figure in (drawn for name, drawn in shown.items() if name in ours):
        assert of_figure.rows
        assert all(len(row) == len(of_figure.header) for row in of_figure.rows)
        of_figure.figure.set_dpi(40)
        assert drawing.content(of_figure.figure, "png").startswith(b"\x89PNG")


def test_a_score_that_was_not_kept_is_never_as_if_it_had_not_been_recorded(tmp_path):
    folder = write(tmp_path, MASKED, "lnwd", 0, whole()).folder
    kept = read_run(folder, {"scores": [SRANK.keys[0]]})
    for part in zip(*(series(r, "scores", SRANK.keys[0]) for r in (kept, read_run(folder))),
                    strict=True):  # fmt: skip
        np.testing.assert_array_equal(*part)
    with pytest.raises(KeyError, match="saturated"):
        series(kept, "scores", *SATURATED.keys)


def test_a_users_matplotlibrc_changes_no_figure(tmp_path):
    runs = [write(tmp_path, SPARSE, "baseline", seed, whole()) for seed in (0, 1)]

    def pictures():
        drawings = [figures.draw("2", runs), overview.overview(runs, narrow=True)]
        for drawn in drawings:
            drawn.figure.set_dpi(40)
        return [drawing.content(drawn.figure, "png") for drawn in drawings]

    ours = pictures()
    theirs = {"text.usetex": True, "font.size": 30, "axes.facecolor": "black", "savefig.dpi": 20,
              "axes.prop_cycle": "cycler('color', ['r'])", "lines.marker": "x",
              "savefig.bbox": "tight", "savefig.transparent": True}  # fmt: skip
    with matplotlib.rc_context(theirs):
        assert pictures() == ours


def test_the_same_runs_give_the_same_files(tmp_path):
    write(tmp_path, MASKED, "late-ln", 0, whole())
    contents = []
    for out in (tmp_path / "a", tmp_path / "b"):
        assert figures.write("10", tmp_path, out) == ([out / "figure-10.png"], {})
        contents.append([path.read_bytes() for path in sorted(out.iterdir())])
    assert contents[0] == contents[1]
    table, pdf, png = contents[0]
    assert table.startswith(b"run,task,method,seed,panel,environment_step,value\r\n")
    assert pdf.startswith(b"%PDF") and png.startswith(b"\x89PNG")


def test_the_command_draws_all_that_can_be_and_says_what_cannot_without_torch(tmp_path):
    for task in (MASKED, "walker-walk-masked"):
        write(tmp_path, task, "late-ln", 0, whole())
    code = (
        "import sys; from fast.__main__ import main; "
        "status = main(sys.argv[1:]); print('torch' in sys.modules); sys.exit(status)"
    )
    command = [sys.executable, "-c", code, "figure", "all", "--runs", str(tmp_path),
               "--out", str(tmp_path / "out")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    expected = [str(tmp_path / "out" / f"figure-{name}.png") for name in ("10", "16")]
    assert done.stdout.splitlines() == [*expected, "False"]
    assert done.stderr.count("not drawn: ") == len(RECIPES) - 2
    assert len(list((tmp_path / "out").iterdir())) == 3 * 2


def test_the_help_lists_all_figures_with_their_titles(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["figure", "--help"])
    said = capsys.readouterr().out
    assert list(RECIPES)[:17] == [*(str(number) for number in range(2, 18)), "survival"]
    for name, recipe in RECIPES.items():
        assert f"{name:>3}  {recipe.title}" in said


def test_the_page_of_a_sweep_has_what_can_be_drawn_and_the_statistics(tmp_path, quick):
    for method, value in (("baseline", 16.0), ("lnwd", 48.0)):
        write(tmp_path, "walker-run", method, 0, whole(value))
        write(tmp_path, SPARSE, method, 0, whole(2 * value))
    html = report(tmp_path, tmp_path / "out").read_text()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.html"]
    names = [name for name in RECIPES if f'alt="{chosen.title(name)}"' in html]
    assert names == ["2", "5", "6", "7", "8", "9", "14", "15", "survival"]
    assert html.count("data:image/png;base64,") == len(names)
    assert "<th scope=col>beats baseline</th>" in html
    assert '<data value="72.0">72</data>' in html  # lnwd: the mean of 48 and 96
    assert "2 tasks" in html
    assert "4</data> scored runs" in html.split("class=gist")[1]


@pytest.mark.parametrize(("seeds", "views", "titles"), [(1, 1, 1), (2, 2, 5)])
def test_a_page_of_one_task_has_the_overview_and_with_several_seeds_each_run_and_all_figures(
    tmp_path, quick, seeds, views, titles
):
    for method, seed in product(("baseline", "lnwd"), range(seeds)):
        write(tmp_path, "fish-swim", method, seed, whole())
    html = report(tmp_path, tmp_path).read_text()
    assert html.count("data:image/svg+xml;base64,") == 2 * views
    assert html.count("Every run by itself") == views - 1
    found = re.findall('<div class=plot>.*?alt="([^"]*)"', html)
    assert found[-1] == chosen.title("survival") and len(found) == titles


def test_the_page_of_many_runs_tells_of_their_machine_once():
    session = record("session", 0, command="python -m fast x", python="3.11")
    runs = [
        Run(Path(f"r{seed}"), read, [session | {"command": f"python -m fast {seed}"}, *whole()])
        for seed, read in enumerate([CONFIG | {"seed": seed} for seed in range(6)])
    ]
    html = page(runs)
    assert html.count("<dt>python</dt>") == 1
    assert "6</data> commands" in html


CONFIG = {
    "version": 2,
    "task": SPARSE,
    "method": "baseline",
    "preset": "laptop",
    "env": PIXELS,
    "agent": {"kind": "drq", "batch_size": 64, "hidden": [16, 16]},
    "changed": [],
    "run": {"updates": PLANNED, "reward_masked": 0, "score_batch": 256},
}
