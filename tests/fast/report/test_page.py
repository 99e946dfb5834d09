"""A run's folder becomes rows, a figure and a page that say what the records say."""

import csv
import json
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast import config as configs
from fast import demo as demos
from fast.errors import InputError
from fast.report import drawing, overview, story
from fast.report import page as pages
from fast.report.page import page, report
from fast.runs import sweep as sweeps
from fast.runs.records import Run, find_runs, read_run, series

STEPS_PER_UPDATE = 8


PIXELS = {"kind": "pixels", "render_quality": "fast", "action_repeat": 8, "size": 64,
          "frame_stack": 3}  # fmt: skip


def config(method="baseline", seed=0, updates=100, masked=0, **other):
    return {
        "version": 2,
        "task": "cartpole-swingup_sparse",
        "method": method,
        "preset": "laptop",
        "seed": seed,
        "env": PIXELS,
        "run": {"updates": updates, "reward_masked": masked, "score_batch": 256},
        "agent": {"kind": "drq", "batch_size": 64},
        "changed": [],
        **other,
    }


def record(kind, update, **values):
    step = update * STEPS_PER_UPDATE
    return {"kind": kind, "agent_step": update, "environment_step": step, "update": update} | values


def evaluation(update, *returns):
    return record("evaluation", update, **{"return": sum(returns) / len(returns)}, returns=returns)


def random_episode(value):
    return record("episode", 0, **{"return": value}, length=125, random=True)


def scores(update, share=0.01, saturated=0.0, srank=40, **others):
    """A record of scores: `share` and `srank` of a critic head's first layer, `saturated` of its
    next one, each one value for both heads, or a pair; `others` are of the actor's one layer."""
    named = {"dense0/largest_share": share, "dense1/largest_share": 0.01,
             "dense0/saturated": 0.0, "dense1/saturated": saturated,
             "dense0/srank": srank, "dense1/srank": 99}  # fmt: skip
    pairs = {k: v if isinstance(v, tuple) else (v, v) for k, v in named.items()}
    keys = {f"critic/heads.{head}.{k}": pair[head] for head in (0, 1) for k, pair in pairs.items()}
    actor = {"largest_share": 0.01, "saturated": 0.0, "srank": 99} | others
    return record("scores", update, **keys, **{f"actor/head.dense0/{k}": actor[k] for k in actor})


def make(records=(), folder="run-0", **configured):
    return Run(Path(folder), config(**configured), list(records))


def write(run, folder):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(run.config))
    lines = "".join(json.dumps(line) + "\n" for line in run.records)
    (folder / "metrics.jsonl").write_text(lines)
    return folder


# --- reading a folder ----------------------------------------------------------------------------


def test_a_run_is_read_as_it_was_written(tmp_path):
    run = make([evaluation(0, 1.0), scores(100), evaluation(100, 2.0)], updates=100)
    read = read_run(write(run, tmp_path / "x"))
    assert (read.config, read.records) == (run.config, json.loads(json.dumps(run.records)))
    assert (read.method, read.seed, read.planned, read.reached) == ("baseline", 0, 100, 100)
    assert read.finished


def test_a_metrics_file_cut_anywhere_gives_its_whole_lines(tmp_path):
    run = make([evaluation(0, 1.5), scores(1, srank=None)])
    folder = write(run, tmp_path / "x")
    content = (folder / "metrics.jsonl").read_bytes()
    whole = read_run(folder).records
    for cut in range(len(content) + 1):
        (folder / "metrics.jsonl").write_bytes(content[:cut])
        assert read_run(folder).records == whole[: content[:cut].count(b"\n")]


def test_a_run_without_records_yet_has_reached_no_update(tmp_path):
    folder = write(make(), tmp_path / "x")
    (folder / "metrics.jsonl").unlink()
    run = read_run(folder)
    assert (run.records, run.reached, run.finished) == ([], 0, False)


ENDS = {  # of 100 planned updates; updates and agent steps are the same but where they differ
    "nothing": ([], False),
    "on the way": ([scores(50), evaluation(50, 1.0)], False),
    "updates made": ([evaluation(50, 1.0), scores(100)], False),
    "scored, not evaluated": ([evaluation(99, 1.0), scores(100)], False),
    "evaluated before the last episode is over": ([evaluation(100, 1.0)], False),
    "the same, and killed before the last evaluation": (
        [evaluation(100, 1.0) | {"agent_step": 110}, scores(100) | {"agent_step": 125}], False),
    "whole": ([scores(100) | {"agent_step": 125}, evaluation(100, 1.0) | {"agent_step": 125}],
              True),
    "evaluated at the step that ends the last episode": ([evaluation(100, 1.0), scores(100)], True),
    "its plan was 90": ([scores(90), evaluation(90, 1.0), evaluation(95, 1.0)], False),
    "its plan was 300": ([scores(120), evaluation(150, 1.0)], True),
    "its plan was 300, and it is not evaluated": ([evaluation(110, 1.0), scores(120)], False),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDS)
def test_a_run_is_finished_when_it_is_scored_and_evaluated_after_its_planned_updates(case):
    records, finished = ENDS[case]
    assert make(records, updates=100).finished is finished


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("config.json", None, "run folder"),
        ("config.json", '{"version": 2, "task": ', "config.json"),
        ("config.json", json.dumps(config() | {"version": 1}), "version"),
        ("config.json", json.dumps({"version": 2}), "task"),
        ("config.json", json.dumps(config(changed=[[]])), "changed"),
        ("config.json", json.dumps(config(masked=1e300)), "reward_masked"),
        ("metrics.jsonl", '{"kind": "episode"\n{}\n', "metrics.jsonl:1"),
        ("metrics.jsonl", "[1]\n", "metrics.jsonl:1"),
        ("metrics.jsonl", json.dumps({"kind": "update", "update": 1}) + "\n", "metrics.jsonl:1"),
    ],
)
def test_a_folder_that_is_no_readable_run_is_refused(tmp_path, file, content, named):
    folder = write(make(), tmp_path / "x")
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=named):
        read_run(folder)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_series_has_environment_steps_and_nan_for_null():
    run = make([scores(1, srank=(5, 7)), evaluation(2, 1.0), scores(3, srank=(None, 8))])
    x, y = series(run, "scores", "critic/heads.0.dense0/srank")
    np.testing.assert_array_equal(x, [8, 24])
    np.testing.assert_array_equal(y, [5, np.nan])
    assert [len(part) for part in series(run, "scores", "no such key")] == [0, 0]


def test_runs_are_found_in_their_own_folder_and_in_the_one_above(tmp_path):
    for name in ("b", "a"):
        write(make(method=name), tmp_path / "runs" / name)
    (tmp_path / "runs" / "no-run").mkdir()
    assert [run.method for run in find_runs(tmp_path / "runs")] == ["a", "b"]
    assert [run.method for run in find_runs(tmp_path / "runs" / "b")] == ["b"]
    with pytest.raises(InputError, match="runs"):
        find_runs(tmp_path)


# --- the figure ----------------------------------------------------------------------------------


def two_runs(masked=0):
    baseline = [
        evaluation(0, 10.0, 20.0),
        random_episode(1.0),
        random_episode(4.0),
        random_episode(97.0) | {"broken": "QACC"},  # it counts nowhere
        scores(10, share=(0.1, 0.2), srank=(30, 31)),
        scores(20, share=(0.75, None), saturated=(1.0, 0.5), srank=(2, None)),
        scores(30, share=(None, None), saturated=(1.0, 1.0), srank=(None, None)),
        scores(40, share=(0.6, None), saturated=(0.9, 1.0), srank=(3, None)),
        evaluation(100, 0.0, 0.0),
    ]
    lnwd = [evaluation(0, 12.0), scores(10), scores(50, share=0.02), evaluation(66, 30.0)]
    return [
        make(baseline, "baseline-0", masked=masked),
        make(lnwd, "lnwd-3", method="lnwd", seed=3, masked=masked),
    ]


LAYERS = [f"critic/heads.{head}.dense{n}" for head in (0, 1) for n in (0, 1)]
LAYERS.append("actor/head.dense0")
KEYS = ["return", *(f"{layer}/{m}" for m in overview.WORST for layer in LAYERS)]


def test_the_csv_holds_exactly_the_recorded_values(tmp_path):
    runs = two_runs()
    path = drawing.save(overview.overview(runs), tmp_path / "new" / "overview.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    with path.with_suffix(".csv").open() as file:
        told = [tuple(row.values()) for row in csv.DictReader(file)]
    expected = []
    for run in runs:
        head = (run.folder.name, run.config["task"], run.method, str(run.seed))
        for key, line in product(KEYS, run.records):
            if key in line and line["kind"] in ("evaluation", "scores"):
                value = math.nan if line[key] is None else float(line[key])
                expected.append((*head, key, str(float(line["environment_step"])), str(value)))
        if run.method == "baseline":
            expected.append((*head, "random policy's return", "0", "2.5"))
    assert told == expected


def axes_of(drawn, title):
    (found,) = [axes for axes in drawn.figure.axes if title in axes.get_title(loc="left")]
    return found


def points(axes, style="-"):
    return [
        [point for point in zip(*line.get_data(), strict=True) if not math.isnan(point[1])]
        for line in axes.lines
        if line.get_linestyle() == style and len(line.get_xdata()) > 2 * (style == "-")
    ]


@pytest.mark.parametrize("alone", [False, True])
def test_a_network_is_drawn_by_its_worst_layer_and_what_is_undefined_is_carried_on_dotted(alone):
    drawn = overview.overview(two_runs(), alone=alone)
    share = axes_of(drawn, "critic: largest activation share")
    # At step 160 head 1 dies with a share of 0.2, but 0.75 is the worst; at 240 head 0 does.
    assert points(share)[0] == [(80, 0.2), (160, 0.75), (320, 0.6)]
    assert {(160, 0.75), (240, 0.75)} <= {point for line in points(share, ":") for point in line}
    saturated = axes_of(drawn, "critic: saturated neurons")
    assert points(saturated)[0] == [(80, 0), (160, 1), (240, 1), (320, 1)]
    assert points(axes_of(drawn, "actor: saturated"))[0] == [(80 * n, 0) for n in (1, 2, 3, 4)]
    legend = [text.get_text() for text in drawn.figure.legends[0].get_texts()]
    assert "undefined (layer wholly dead, or an empty set): last value" in legend
    assert [label for label in legend if "masked" in label] == []


def test_of_several_seeds_the_mean_is_drawn_and_a_band_from_the_lowest_to_the_highest():
    shares = [(0.125, 0.25, 0.5), (0.25, 0.25), (0.375, 0.5, 0.25)]
    runs = [
        make([scores(10 * n, share=share) for n, share in enumerate(told)], f"r{seed}", seed=seed)
        for seed, told in enumerate(shares)
    ]
    axes = axes_of(overview.overview(runs), "critic: largest activation share")
    assert points(axes)[0] == [(0, 0.25), (80, 1 / 3), (160, 0.375)]
    (band,) = axes.collections
    corners = {tuple(point) for point in band.get_paths()[0].vertices}
    assert corners == {(0, 0.125), (0, 0.375), (80, 0.25), (80, 0.5), (160, 0.25), (160, 0.5)}
    alone = axes_of(overview.overview(runs, alone=True), "critic: largest activation share")
    assert points(alone)[0] == [(0, 0.125), (80, 0.25), (160, 0.5)] and not alone.collections


def test_a_line_is_straight_between_its_points_and_ends_where_they_end():
    lines = [(np.array([0.0, 8.0]), np.array([2.0, 4.0])),
             (np.array([2.0, 4.0, 6.0]), np.array([np.nan, 1.0, np.nan]))]  # fmt: skip
    x, values, held = drawing.averaged(lines)
    np.testing.assert_array_equal(x, [0, 2, 4, 6, 8])
    np.testing.assert_array_equal(values[0], [2, 2.5, 3, 3.5, 4])
    np.testing.assert_array_equal(values[1], [np.nan, np.nan, 1, 1, np.nan])
    np.testing.assert_array_equal(held[1], [False, False, False, True, False])


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from([math.nan, 1.0, 2.0])))
def test_every_nan_after_a_number_is_carried_and_no_other(values):
    filled, last = [], None
    for value in values:
        if not math.isnan(value):
            last = value
        filled.append(last)
    carried = np.array(values)
    for first, end in drawing.carried(np.array(values)):
        assert not math.isnan(values[first])
        carried[first + 1 : end + 1] = values[first]
    np.testing.assert_array_equal(carried, [math.nan if v is None else v for v in filled])


def test_the_phase_of_masked_reward_is_shaded_up_to_the_step_of_its_last_update():
    runs = two_runs(masked=25)  # 25 updates lie between the scores at 20 and 30
    assert drawing.masked_spans(runs) == {25: 25 * STEPS_PER_UPDATE}
    assert drawing.masked_spans([make([scores(10)], masked=25)]) == {25: 10 * STEPS_PER_UPDATE}
    assert drawing.masked_spans([make(masked=25), make([scores(9)])]) == {25: 0}
    figure = overview.overview(runs).figure
    assert len(figure.axes) == 1 + 2 * len(overview.WORST)  # the critic's and the actor's
    for axes in figure.axes:
        (shade,) = axes.patches
        assert (shade.get_x(), shade.get_width()) == (0, 200)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "reward masked to 0 (first 25 updates)" in legend


def test_the_figures_face_says_what_was_run_and_that_it_is_incomplete():
    title, subtitle, warning, _ = overview.face(two_runs())
    assert title == "cartpole-swingup_sparse: baseline, lnwd"
    for part in ("preset laptop", "render quality fast", "action repeat 8", "1 seed per method",
                 "100 of 100 / 66 of 100 planned updates", "800 environment steps"):  # fmt: skip
        assert part in subtitle.replace("\u00a0", " ")
    assert warning.replace("\u00a0", " ") == (
        "INCOMPLETE: 66 % of the planned updates (lnwd, seed 3)"
    )
    assert "INCOMPLETE: 99 %" in drawing.incomplete([make([scores(999)], updates=1000)])
    assert "INCOMPLETE: 99 %" in drawing.incomplete([make([scores(1000)], updates=1000)])
    whole = make([scores(1000), evaluation(1000, 1.0)], updates=1000)
    assert drawing.incomplete([whole]) is None
    seeds = [make(folder=str(i), method=m, seed=i) for i, m in enumerate("aab")]
    assert "seeds: a 2, b 1" in overview.face(seeds)[1].replace("\u00a0", " ")


@pytest.mark.parametrize(
    "runs",
    [
        [make(folder="a"), make(folder="b", task="walker-walk")],
        [make(folder="a"), make(folder="up/a")],
        [make(folder=str(i), method=str(i)) for i in range(len(drawing.LOOKS) + 1)],
    ],
)
def test_runs_that_fit_no_overview_are_refused(runs):
    with pytest.raises(InputError):
        overview.overview(runs)


def test_a_method_looks_the_same_in_every_figure_and_no_two_alike():
    runs = [make(folder=name, method=name) for name in ("lnwd", "z", "baseline", "adam")]
    methods = drawing.methods_of(runs)
    assert methods == ["baseline", "lnwd", "adam", "z"]
    looks = drawing.looks_of(methods)
    assert [looks[name] for name in methods[:2]] == [drawing.LOOKS[name] for name in methods[:2]]
    for place in (0, 1):  # colour, marker
        assert len({look[place] for look in looks.values()}) == 4
        assert len({look[place] for look in drawing.LOOKS.values()}) == len(drawing.LOOKS)


def test_figure_page_and_demo_need_neither_torch_nor_pyplot():
    code = (
        "import sys, fast.demo, fast.report.page\n"
        "print('torch' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


# --- the sentences -------------------------------------------------------------------------------


def text_of(sentences):
    text = re.sub(r"<[^>]*>", "", " ".join(map(str, sentences))).replace("\u00a0", " ")
    return re.sub(r"\s+", " ", text).replace(" ,", ",")


def about(run):
    return pages.TEMPLATES.get_template("sentences.jinja").module.about_run(story.Facts(run))


SENTENCES = {
    "unfinished": ([scores(50)], ["not finished: 50 of 100 planned"], []),
    "finished": ([scores(100), evaluation(100, 1.0)], [], ["not finished"]),
    "updates made, not evaluated": ([scores(100), evaluation(99, 1.0)], ["not finished"], []),
    "masked, phase left": ([scores(31)], ["first 30 updates; after that it saw the real"], []),
    "masked, still": ([scores(30)], ["first 30", "has not left that phase"], ["real one"]),
    "no evaluation": ([scores(1)], ["no evaluation yet"], ["returned"]),
    "one evaluation": ([evaluation(0, 3.0, 4.0)], ["mean of 2 ep", "returned 3.5."], ["first"]),
    "evaluations": (
        [evaluation(0, 3.0), evaluation(9, 7.0)], ["step 72) returned 7; the first returned 3."], []
    ),
    "a broken evaluation": (
        [evaluation(0, 3.0), evaluation(9, 7.0) | {"broken": ["QACC"]}],
        ["returned 7; ", "An episode of it broke off"],
        [],
    ),
    "evaluations before it broke": (
        [evaluation(0, 3.0) | {"broken": ["QACC"]}, evaluation(9, 7.0)],
        ["returned 7; "],
        ["broke off"],
    ),
    "undefined return": ([evaluation(0, math.nan)], ["returned undefined"], ["random"]),
    "above random": (
        [random_episode(1.0), random_episode(4.0), evaluation(9, 5.0)],
        ["above each of 2 episodes of uniformly random actions, whose mean is 2.5"],
        [],
    ),
    "within random": (
        [random_episode(1.0), random_episode(4.0), evaluation(9, 4.0)],
        ["above the mean of 2 episodes", "reached 4: nothing shows that it learned"],
        ["above each"],
    ),
    "like random": (
        [random_episode(1.0), random_episode(4.0), evaluation(9, 2.5)],
        ["not above the mean of 2 episodes"],
        ["above each"],
    ),
    "a random episode that broke": (
        [random_episode(1.0), random_episode(4.0),
         random_episode(97.0) | {"broken": "QACC"}, evaluation(9, 5.0)],
        ["above each of 2 episodes of uniformly random actions, whose mean is 2.5"],
        [],
    ),
    "no random episodes": ([evaluation(9, 2.5)], ["returned 2.5"], ["random"]),
    "no scores": ([evaluation(0, 1.0)], ["no neuron scores yet"], ["saturated", "dominant"]),
    "no dominant neuron": (
        [scores(1, share=(0.1, 0.5))],
        ["No neuron became dominant in any of 5 layers", "was 50.0 %, in critic/heads.1.dense0"],
        ["A neuron of"],
    ),
    "a dominant neuron of the critic": (
        [scores(1), scores(2, share=(0.1, 0.75)), scores(3, share=(0.625, 0.1))],
        ["A neuron of critic/heads.1.dense0 became dominant: at environment step 16",
         "share was 75.0 %, at the end it is 10.0 %",
         "A neuron of critic/heads.0.dense0 became dominant: at environment step 24"],
        ["No neuron became dominant"],
    ),
    "a dominant neuron of the actor": (
        [scores(1), scores(2, largest_share=0.75)],
        ["A neuron of actor/head.dense0 became dominant: at environment step 16"],
        ["No neuron became dominant", "A neuron of critic"],
    ),
    "dominance that ends in a dead layer": (
        [scores(1, share=0.75), scores(2, share=(0.75, None))],
        ["share was 75.0 %, at the end it is undefined"],
        ["No neuron"],
    ),
    "no layer wholly saturated": (
        [scores(1, saturated=(0.25, 0.5)), scores(2, saturated=0.125)],
        ["No layer was wholly saturated: at most 50.0 % of one were, in critic/heads.1.dense1"],
        ["was wholly saturated: at step"],
    ),
    "a layer wholly saturated": (
        [scores(1), scores(2, saturated=(0.5, 1.0)), scores(3, saturated=0.5)],
        ["critic/heads.1.dense1 was wholly saturated: at step 16", "at the end 50.0 % of them are"],
        ["No layer was", "The dominant neuron"],
    ),
    "dominance before collapse": (
        [scores(1, share=(0.75, 0.1)), scores(2, saturated=(1.0, 0.0))],
        ["The dominant neuron of critic/heads.0.dense0 was first seen at step 8, and "
         "critic/heads.0.dense1 wholly saturated at step 16: dominance first."],
        ["neuron of critic/heads.1"],
    ),
    "dominance and collapse at once": (
        [scores(1, share=(0.1, 0.75), saturated=(0.0, 1.0))], ["both at one score"], ["first."]
    ),
    "collapse before dominance": (
        [scores(1, saturated=(0.0, 1.0)), scores(2, share=(0.1, 0.75))],
        ["the collapse first."],
        ["dominance first"],
    ),
    "dominance and collapse in different heads": (
        [scores(1, share=(0.75, 0.1)), scores(2, saturated=(0.0, 1.0))],
        ["became dominant", "was wholly saturated"],
        ["The dominant neuron"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SENTENCES)
def test_each_sentence_about_a_run_is_said_when_its_condition_holds(case):
    records, said, unsaid = SENTENCES[case]
    text = text_of([about(make(records, masked=30 * ("masked" in case)))])
    assert [part for part in said if part not in text] == []
    assert [part for part in unsaid if part in text] == []


def page_text(runs):
    return text_of([page(runs).partition("</style>")[2]])


def test_a_page_counts_the_runs_and_names_the_layers_in_which_it_was_seen():
    told = [
        [scores(1, share=(0.75, 0.1)), scores(2, saturated=(1.0, 0.0))],
        [scores(1, largest_share=0.75)],
        [scores(1, saturated=1.0)],
        [evaluation(1, 2.0)],
    ]
    text = page_text([make(records, f"r{n}", seed=n) for n, records in enumerate(told)])
    assert (
        "Of 3 scored runs a neuron became dominant in some layer in 2 (critic/heads.0.dense0, "
        "actor/head.dense0), some layer was wholly saturated in 2, and the one was seen before the "
        "other in the layer after it in 1."
    ) in text
    assert "There are at least 4 seeds per method" in text
    assert "one method here" in text and "settings are the same" in text


def test_a_page_says_in_which_settings_its_runs_differ_and_that_one_seed_proves_nothing():
    runs = [
        make([scores(1)]),
        make(folder="b", method="lnwd", agent={"kind": "drq", "batch_size": 9}),
    ]
    text = page_text(runs)
    assert "settings differ in agent.batch_size." in text
    assert "single seed proves nothing" in text and "one method here" not in text


def test_a_page_says_which_methods_have_another_non_linearity():
    agent = {"kind": "sac", "batch_size": 9, "activation": "relu", "actor_activation": "relu"}
    runs = [make([scores(1)], agent=agent)]
    assert "So it is with ReLU" not in page_text(runs)
    runs.append(make(folder="b", method="tanh", agent=agent | {"activation": "tanh"}))
    assert "So it is with ReLU. In runs of tanh neurons have tanh in its place" in page_text(runs)
    assert "So it is" not in page_text([make([scores(1)], agent={"kind": "drq", "batch_size": 9})])


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "not recorded"), (math.nan, "undefined"), (math.inf, "undefined"), (0, "0"),
     (999.6, "1,000"), (99.96, "100"), (0.25, "0.25"), (12.345, "12.3"), (20000, "20,000"),
     (-3.0, "-3")],
)  # fmt: skip
def test_a_number_is_written_in_full_or_with_three_digits(value, shown):
    assert text_of([pages.number(value)]) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.2, "0 s"), (59.6, "1 min"), (61, "1 min 1 s"), (7200, "2 h"), (None, "not recorded")],
)
def test_a_duration_is_written_in_hours_minutes_and_seconds(seconds, shown):
    assert text_of([pages.duration(seconds)]) == shown


# --- the page ------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a test looks at: the visible text, the stated numbers, and everything that loads."""

    VOID = ("meta", "img", "source", "br")
    LOADING = ("src", "srcset", "href", "action", "data", "poster", "background")

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.texts, self.stated, self.loads = [], [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []
        self.text = " ".join(self.texts)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.loads += [attributes[name] for name in self.LOADING if name in attributes]
        if tag == "data":
            self.stated.append(float(attributes["value"]))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if "style" not in self.open and "pre" not in self.open:
            self.texts.append(text)


VIEWS = [{"wide": "data:image/svg+xml;base64,", "narrow": "data:image/svg+xml;base64,"}]
# Sixty-fourths, so that sums and means of few are exact in whatever order they are taken.
fraction = st.integers(0, 64).map(lambda n: n / 64)
maybe = st.none() | fraction


@st.composite
def small_runs(draw):
    runs = []
    for method in draw(st.sampled_from([["baseline"], ["baseline", "lnwd"], ["lnwd", "redo"]])):
        for seed in range(draw(st.integers(1, 2))):
            records = []
            pair = st.tuples(maybe, maybe)
            for update in range(0, 10 * draw(st.integers(0, 4)), 10):
                told = scores(update, draw(pair), draw(st.tuples(fraction, fraction)), draw(pair))
                records += [told] if draw(st.booleans()) else []
                value = draw(maybe)
                returned = {"return": value, "returns": [value]}
                records += [record("evaluation", update, **returned)] * draw(st.integers(0, 1))
                times = {"seconds": 64 * draw(fraction), "environment_ms": draw(fraction)}
                records += [record("timing", update, **times)] * draw(st.integers(0, 1))
            random = [random_episode(draw(maybe)) for _ in range(draw(st.integers(0, 2)))]
            runs.append(make(random + records, f"{method}-{seed}", method=method, seed=seed,
                             updates=30, masked=draw(st.sampled_from([0, 10]))))  # fmt: skip
    return runs


def numbers_in(value):
    """Every number that stands somewhere in `value`."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [number for part in value for number in numbers_in(part)]
    return [value] if isinstance(value, int | float) and math.isfinite(value) else []


def means(values):
    return [(a + b) / 2 for a, b in product(values, values)]


@settings(deadline=None, max_examples=50)
@given(small_runs())
def test_a_page_loads_nothing_and_states_only_numbers_that_follow_from_the_records(runs):
    html = page(runs, VIEWS)
    parsed = Page(html)
    assert re.findall(r"\b(nan|None|inf|null|Undefined)\b", parsed.text) == []
    assert "{" not in parsed.text
    assert all(load.startswith("data:image/") for load in parsed.loads)
    assert not {"script", "link", "iframe", "object", "base"} & set(parsed.tags)
    assert "default-src 'none'" in html
    assert "url(" not in html

    allowed = set(numbers_in([run.config for run in runs]))
    allowed |= set(range(7))  # counts of runs, seeds, heads, episodes
    by_key = {}
    for line in [line for run in runs for line in run.records]:
        for key, value in line.items():
            by_key.setdefault(key.rpartition("/")[2], []).extend(numbers_in(value))
    for values in by_key.values():
        allowed |= set(values) | set(means(values))
    timings = [[r["environment_ms"] for r in run.of("timing")] for run in runs]
    of_runs = [sum(values) / len(values) for values in timings if values]
    random = [[r["return"] for r in run.of("episode")] for run in runs]
    of_runs += [sum(v) / len(v) for v in random if v and None not in v]
    allowed |= set(of_runs) | set(means(of_runs)) | set(means([run.reached for run in runs]))
    assert set(parsed.stated) <= allowed


@settings(deadline=None, max_examples=100)
@given(small_runs())
def test_no_sentence_holds_a_digit_that_is_not_taken_from_the_data(runs):
    said = " ".join(str(about(run)) for run in runs)
    rest = re.sub(r"<data value=[^>]*>[^<]*</data>", "", said)
    for layer in LAYERS:
        rest = rest.replace(layer, "")
    assert re.findall(r"\d", rest) == []


def test_what_a_run_is_called_cannot_change_the_page():
    html = page([make(task="<script>x</script>", method="<b", folder="a&b")])
    assert "script" not in Page(html).tags


def test_the_table_shows_the_mean_and_the_range_of_several_seeds():
    table = [
        [random_episode(1.0), evaluation(9, value), scores(9, share=share)]
        for value, share in ((2.0, 0.75), (3.0, 0.25), (7.0, None))
    ]
    runs = [make(records, f"r{seed}", seed=seed) for seed, records in enumerate(table)]
    text = re.sub(r"\s+", " ", Page(page(runs)).text)
    assert "Evaluation return, last 4 2 to 7 " in text
    assert "Largest activation share in a layer 33.7 % 1.0 % to 75.0 % " in text
    assert "First step with a dominant neuron 72 , never, never" in text
    assert "critic/heads.0.dense0 50.0 % 25.0 % to 75.0 % of 2 seeds; else undefined" in text


def test_a_report_is_one_file_with_the_runs_own_frames_commands_and_machine(tmp_path):
    session = record("session", 0, python="3.11.2", renderer="llvmpipe", commit=None,
                     command="python -m fast train --out x")  # fmt: skip
    again = session | {"renderer": "NVIDIA", "command": "python -m fast train --resume x"}
    run = make([session, *two_runs()[0].records, again])
    frames = write(run, tmp_path / "runs" / "x") / "frames"
    frames.mkdir()
    picture = np.zeros((126, 3, 8, 8), np.uint8)
    np.savez_compressed(frames / "0000009.npz", frames=picture)
    np.savez_compressed(frames / "0000010.npz", frames=picture)
    html = report(tmp_path / "runs", tmp_path / "page").read_text()
    parsed = Page(html)
    assert parsed.tags.count("img") == 1 + 6
    assert "0000010.npz" in parsed.text
    assert "NVIDIA" in parsed.text
    assert "llvmpipe; then NVIDIA" in parsed.text
    assert "python -m fast train --out x\npython -m fast train --resume x" in html
    written = sorted(path.name for path in (tmp_path / "page").iterdir())
    assert written == ["overview.csv", "overview.pdf", "overview.png", "report.html"]
    with pytest.raises(InputError, match="--out"):
        report(tmp_path / "runs", tmp_path / "page" / "report.html")

    whole = (frames / "0000010.npz").read_bytes()
    (frames / "0000010.npz").write_bytes(whole[: len(whole) // 2])
    parsed = Page(page(find_runs(tmp_path / "runs")))
    assert parsed.tags.count("img") == 0


# --- the demo ------------------------------------------------------------------------------------

# What `train` does to a folder, without training; ORDER is a run and what happens to it at first.
FAKE = """
import os, pathlib, shutil, signal, sys, time

resumed = "--resume" in sys.argv
folder = pathlib.Path(sys.argv[sys.argv.index("--resume" if resumed else "--out") + 1])
here = pathlib.Path(__file__).parent
with (here / "calls").open("a") as file:
    print(folder.name.split(".")[1], "resume" if resumed else "train", file=file)
folder.mkdir(exist_ok=True)
shutil.copy(here / f"{folder.name}.json", folder / "config.json")
name, order = os.environ.get("ORDER", "none none").split()
if name in folder.name and order == "fail":
    sys.exit(3)
if order == "wait":
    signal.signal(signal.SIGINT, lambda number, frame: sys.exit(128 + number))
    (here / f"{folder.name}.waits").touch()
    time.sleep(600)
shutil.copy(here / "metrics.jsonl", folder)
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A command line whose `train` writes what a training would; and the calls it had."""
    (tmp_path / "fake.py").write_text(FAKE)
    for job in sweeps.survey(demos.RUNS, "drq", "dominance", "cpu", tmp_path, demos.OPTIONS):
        (tmp_path / f"{job.run.name}.json").write_text(configs.to_json(job.config))
    lines = [evaluation(40_000, 1.0), scores(40_000, share=0.25)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    monkeypatch.setattr("fast.machine.resources.require_all", lambda *given: None)
    monkeypatch.setattr(sweeps, "POLL", 0.05)
    monkeypatch.setattr(drawing, "content", lambda figure, form: form.encode())
    calls = tmp_path / "calls"
    return [sys.executable, str(tmp_path / "fake.py")], lambda: calls.read_text().splitlines()


def test_the_demo_goes_on_where_it_failed_and_ends_with_figure_and_page(
    tmp_path, monkeypatch, fake, capsys
):
    command, calls = fake
    out = tmp_path / "demo"
    monkeypatch.setenv("ORDER", "adam-eps fail")
    assert demos.demo(out, command) == 1
    assert "failed: cartpole-swingup_sparse.adam-eps.0" in capsys.readouterr().out
    assert not (out / "report.html").exists()
    monkeypatch.delenv("ORDER")
    assert demos.demo(out, command) == 0
    again = ["adam-eps resume", "adam-eps resume", "adam-eps train"]
    assert sorted(calls()) == [*again, "baseline train"]
    assert str(out / "report.html") in capsys.readouterr().out
    assert (out / "overview.png").read_bytes() == b"png"
    text = text_of([Page((out / "report.html").read_text()).text])
    assert "Of 2 scored runs a neuron became dominant in some layer in 0" in text
    assert {run.planned for run in find_runs(out)} == {40_000}


def test_a_stopped_demo_stops_both_trainings_and_says_how_to_go_on(
    tmp_path, monkeypatch, fake, capsys
):
    command, calls = fake
    monkeypatch.setenv("ORDER", "both wait")

    def stop():
        while len(list(tmp_path.glob("*.waits"))) < len(demos.RUNS):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    # A shell's background job is born with the signal ignored, and so would this test be.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=stop)
    thread.start()
    try:
        assert demos.demo(tmp_path / "demo", command) == 128 + signal.SIGINT
    finally:
        signal.signal(signal.SIGINT, before)
        thread.join()
    assert "The same command again goes on from here" in capsys.readouterr().out
    assert sorted(calls()) == ["adam-eps train", "baseline train"]
    monkeypatch.delenv("ORDER")
    assert demos.demo(tmp_path / "demo", command) == 0
    assert sorted(calls())[::2] == ["adam-eps resume", "baseline resume"]


@pytest.mark.parametrize(
    ("name", "changes", "named"),
    [
        ("other-0", {}, "other-0"),
        (demos.RUNS[1].name, {"method": "adam-eps"}, "accepted: that, or another --out"),
    ],
)
def test_the_demo_refuses_a_folder_with_other_runs_before_it_trains(
    tmp_path, fake, name, changes, named
):
    command, _ = fake
    write(Run(tmp_path, config() | changes, []), tmp_path / "demo" / name)
    with pytest.raises(InputError, match=named):
        demos.demo(tmp_path / "demo", command)
    assert not (tmp_path / "calls").exists()
