"""What the tutorial on recorded runs reads, and what it makes of whatever lies in results/."""

import csv
import math
from dataclasses import replace
from functools import cache
from importlib import import_module
from types import SimpleNamespace

import pytest

from fast.config import build

notebook = import_module("tutorials.08_from_theorem_to_agent")
HEAD = ["run", "method", "seed", "panel", "environment_step", "value"]


def write(path, rows, head=HEAD):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])


def run_of(results, folder, rho=0.15, zoom=True, methods=None):
    """All cells that follow a choice of the reader; their definitions."""
    gathered = notebook.gather.run(RESULTS=results)[1]
    folders, rewarded = gathered["folders"], gathered["rewarded"]
    if methods is None:
        methods = sorted({run["method"] for run in folders.get(folder, {}).values()})
    _, drawn = notebook.draw.run(
        folder=folder, folders=folders, methods=methods, rewarded=rewarded, zoom=zoom
    )
    assert drawn["cover"].axes
    shown = drawn["shown"]
    verdicts = notebook.weigh.run(shown=shown)[1]["verdicts"]
    said = notebook.conclude.run(verdicts=verdicts)[1]
    points = notebook.scatter.run(rho=rho, shown=shown)[1]
    return SimpleNamespace(
        folders=folders, shown=shown, verdicts=verdicts, said=said, **points_of(points)
    )


def points_of(found):
    return {name: found[name] for name in ("needed", "reached", "total", "points")}


@cache
def recorded(folder):
    return run_of(notebook.RESULTS, folder)


def test_the_recordings_of_this_repository_are_found():
    folders = notebook.gather.run()[1]["folders"]
    assert {"demo", "laptop"} <= set(folders)
    for name in folders:
        assert recorded(name).shown  # whatever is there is read and drawn


def test_the_reward_appears_where_the_settings_of_the_runs_let_it():
    """In the recordings: agent steps are updates after the first one, of 8 environment steps."""
    masked = build("drq", "cartpole-swingup-masked", preset="laptop")
    masked = replace(masked, run=replace(masked.run, updates=8000))
    known = {
        "demo": (6000, 2000, build("drq", "cartpole-swingup", preset="laptop")),
        "laptop-masked": (masked.run.updates, masked.run.masked_updates, masked),
    }
    rewarded = notebook.gather.run()[1]["rewarded"]
    assert {name for name, step in rewarded.items() if step} == set(known)
    for name, (updates, without, config) in known.items():
        told = (notebook.RESULTS / name / "reward.csv").read_text()
        assert told == f"updates,masked_updates\n{updates},{without}\n"
        step = (config.agent.first_update + without) * config.env.action_repeat
        assert rewarded[name] == step
        shown = {"folder": name, "folders": recorded(name).folders, "methods": ["baseline"]}
        output, _ = notebook.draw.run(**shown, rewarded=rewarded, zoom=True)
        assert f"appears at step {step:,}" in output


def test_no_network_of_the_demo_had_a_dominant_neuron_and_yet_it_saturated():
    found = recorded("demo")
    assert len(found.verdicts) == 4
    assert max(found.said["shares"]) < 0.15 and not any(found.said["ever"])
    assert max(found.said["saturated"]) > 0.8 and min(found.said["sranks"]) <= 3


def test_the_table_has_a_row_for_each_network_and_says_what_was_not_recorded():
    output, _ = notebook.weigh.run(shown=recorded("demo").shown)
    assert output.text.count("<tr>") == 1 + len(recorded("demo").verdicts)
    assert "not recorded" not in output.text
    lacking = {
        name: run | {"panels": {k: v for k, v in run["panels"].items() if "srank" not in k}}
        for name, run in recorded("demo").shown.items()
    }
    assert notebook.weigh.run(shown=lacking)[0].text.count("not recorded") == 4


def test_how_the_runs_were_made_links_no_file_that_the_page_has_not(tmp_path):
    write(tmp_path / "a/x.csv", [["r", "m", "0", "return", 0, 1]])
    (tmp_path / "README.md").write_text("[a table](a/x.csv), [there](https://a.example)")
    output = notebook.gather.run(RESULTS=tmp_path)[0].text
    assert "a table" in output and "a/x.csv" not in output and "https://a.example" in output


def test_a_share_proves_next_to_nothing_of_the_srank():
    for row in recorded("demo").verdicts:
        assert row["srank"] < 10 < 250 < row["srank ≤"] <= 256


def test_the_line_of_definition_1_is_at_one_half():
    found = run_of(notebook.RESULTS, "demo", rho=1, zoom=False)
    assert found.needed == 0.5 and found.reached == 0
    assert run_of(notebook.RESULTS, "demo", rho=0.01).reached == found.total > 0


def test_methods_can_be_left_out_down_to_none():
    assert {
        run["method"] for run in run_of(notebook.RESULTS, "demo", methods=["lnwd"]).shown.values()
    } == {"lnwd"}
    assert run_of(notebook.RESULTS, "demo", methods=[]).verdicts == []


def test_a_folder_with_more_methods_and_a_column_for_the_task_is_read(tmp_path):
    methods = [f"method-{i}" for i in range(9)]
    rows = [
        [f"{m}-{seed}", "swingup", m, seed, panel, step, value]
        for m in methods
        for seed in (0, 1)
        for panel, value in (
            ("critic/heads.0.dense0/largest_share", 0.6),
            ("critic/heads.0.dense1/saturated", 1.0),
            ("critic/heads.0.dense0/srank", 1),
            ("return", 5),
        )
        for step in (0, 1000, 2000)
    ]
    head = ["run", "task", *HEAD[1:]]
    write(tmp_path / "laptop-masked/lines.csv", rows, head)
    found = run_of(tmp_path, "laptop-masked")
    assert len(found.verdicts) == 18 and all(found.said["ever"])
    assert {row["dominant"] for row in found.verdicts} == {"3 of 3"}
    assert all(math.isclose(row["ρ"], 1.5) for row in found.verdicts)


def test_undefined_values_missing_panels_and_other_tables_do_no_harm(tmp_path):
    share, srank = "critic/heads.0.dense0/largest_share", "critic/heads.1.dense0/srank"
    rows = [["a", "redo", 0, share, 0, ""], ["a", "redo", 0, share, 1, "nan"]]
    rows += [["b", "redo", 1, srank, 0, 3], ["c", "redo", 2, share, 5, 1.0], ["d", "redo"]]
    write(tmp_path / "odd/overview.csv", rows)
    write(tmp_path / "odd/another.csv", [[1, 2]], ["step", "loss"])
    (tmp_path / "odd/empty.csv").write_text("")
    (tmp_path / "pictures").mkdir()
    found = run_of(tmp_path, "odd")
    assert list(found.folders) == ["odd"]
    first, last = found.verdicts
    assert all(math.isnan(first[key]) for key in ("largest share", "ρ", "srank ≤"))
    assert last["ρ"] == math.inf and last["srank ≤"] == 1 and math.isnan(last["saturated"])


def test_without_any_recording_the_page_says_so(tmp_path):
    output, found = notebook.gather.run(RESULTS=tmp_path)
    assert found["folders"] == {} and "No recorded run" in output.text
    assert run_of(tmp_path, None).verdicts == []


def test_a_search_prints_the_smallest_counterexample():
    id = "rank.dominance-is-a-bound"
    _, found = notebook.searching.run(wanted=id, without=None, pressed=True, set_step=str)
    assert found["search"].outcome.violation is not None


@pytest.mark.parametrize(
    ("exercise", "field", "wrong", "right"),
    [
        (notebook.exercise_1, "share_ui", "1/3", "1/4"),
        (notebook.exercise_2, "proof_ui", "1", "253"),
        (notebook.exercise_3, "follows_ui", "the low srank caused the low return",
         "a low srank needs no dominant neuron"),
    ],
)  # fmt: skip
def test_the_exercises_tell_right_from_wrong(exercise, field, wrong, right):
    for value, says in (("", "Your answer"), (wrong, "Not yet"), (right, "Right")):
        output, _ = exercise.run(**{field: SimpleNamespace(value=value)})
        assert says in output.text
