"""A run's folder becomes rows, a figure and a page that say what the records say."""

import csv
import json
import math
import os
import re
import signal
import subprocess
import sys
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast import demo as demos
from fast.errors import InputError
from fast.report import drawing, overview, story
from fast.report.page import page, report
from fast.runs.records import Run, find_runs, flat, read_run, series

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


def scores(update, share=0.01, saturated=0.0, srank=40, dormant=0.0, zombie=0.0):
    """A record of scores; each argument is one value for both critic heads, or a pair."""
    named = {"dense0/largest_share": share, "dense1/saturated": saturated, "dense0/srank": srank,
             "dense0/dormant_0.1": dormant, "dense1/zombie": zombie}  # fmt: skip
    pairs = {k: v if isinstance(v, tuple) else (v, v) for k, v in named.items()}
    keys = {f"critic/heads.{head}.{k}": pair[head] for k, pair in pairs.items() for head in (0, 1)}
    return record("scores", update, **keys)


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


KEYS = ["return"] + [
    f"critic/heads.{head}.{score}"
    for score in ("dense0/largest_share", "dense1/saturated", "dense0/srank")
    for head in (0, 1)
]


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


def test_the_lines_are_the_rows_and_an_undefined_value_is_carried_on_dotted():
    runs = two_runs()
    figure = overview.overview(runs).figure
    lines = [line for line in figure.axes[1].lines if len(line.get_xdata()) > 2]
    np.testing.assert_array_equal(lines[0].get_xdata(), [80, 160, 240, 320])
    np.testing.assert_array_equal(lines[0].get_ydata(), [0.1, 0.75, np.nan, 0.6])
    np.testing.assert_array_equal(lines[1].get_ydata(), [0.2, np.nan, np.nan, np.nan])
    dotted = [
        (list(line.get_xdata()), list(line.get_ydata()))
        for line in figure.axes[1].lines
        if line.get_linestyle() == ":"
    ]
    assert dotted == [([160, 240], [0.75, 0.75]), ([80, 320], [0.2, 0.2])]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "undefined (layer wholly dead): last value" in legend
    assert [label for label in legend if "masked" in label] == []


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
        "import sys, fast.demo, fast.report.figures\n"
        "print('torch' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


# --- the sentences -------------------------------------------------------------------------------


def text_of(sentences):
    return re.sub(r"<[^>]*>", "", " ".join(sentences)).replace("&nbsp;", " ")


SENTENCES = {
    "unfinished": ([scores(50)], ["not finished: 50 of 100 planned"], []),
    "finished": ([scores(100), evaluation(100, 1.0)], [], ["not finished"]),
    "updates made, not evaluated": ([scores(100), evaluation(99, 1.0)], ["not finished"], []),
    "masked, phase left": ([scores(31)], ["first 30 updates", "saw the real one"], []),
    "masked, still": ([scores(30)], ["first 30", "has not left that phase"], ["real one"]),
    "no evaluation": ([scores(1)], ["no evaluation yet"], ["returned"]),
    "one evaluation": ([evaluation(0, 3.0, 4.0)], ["mean of 2 ep", "returned 3.5."], ["best"]),
    "evaluations": (
        [evaluation(0, 3.0), evaluation(5, 9.0), evaluation(9, 7.0)],
        ["step 72) returned 7; the first, at step 0, returned 3, the best, at step 40, 9."],
        [],
    ),
    "zero return": ([evaluation(0, 0.0)], ["earned nothing at all"], []),
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
    "undefined return": ([evaluation(0, math.nan)], ["returned undefined"], ["nothing at all"]),
    "above random": (
        [random_episode(1.0), random_episode(4.0), evaluation(9, 5.0)],
        ["above each of the 2 episodes of uniformly random actions, whose mean is 2.5"],
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
        ["above each of the 2 episodes of uniformly random actions, whose mean is 2.5"],
        [],
    ),
    "random episodes that all broke": (
        [random_episode(1.0) | {"broken": "QACC"}, evaluation(9, 2.5)],
        ["returned 2.5"],
        ["random"],
    ),
    "no random episodes": ([evaluation(9, 2.5)], ["returned 2.5"], ["random"]),
    "no scores": ([evaluation(0, 1.0)], ["no neuron scores yet"], ["srank", "dominant"]),
    "no dominant neuron": (
        [scores(1, share=(0.1, 0.5))],
        ["No neuron became dominant", "held was 50.0 %"],
        ["A neuron became dominant", "wholly dead"],
    ),
    "dominant to the end": (
        [scores(1), scores(2, share=(0.1, 0.75)), scores(3, share=(0.625, 0.1))],
        ["A neuron became dominant: at environment step 16", "was 75.0 %, and 62.5 % at the end"],
        ["No neuron became dominant"],
    ),
    "dominance that passes": (
        [scores(1, share=0.75), scores(2, share=0.25)],
        ["but only 25.0 % at the end: the dominance passed"],
        [],
    ),
    "dominance that ends in a dead layer": (
        [scores(1, share=0.75), scores(2, share=(0.75, None))],
        ["undefined in a head that is dead", "At step 16 the first hidden layer was first seen"],
        ["No neuron"],
    ),
    "dead from the first score": (
        [scores(1, share=None, srank=None)],
        ["wholly dead in both critic heads", "at first undefined, was at the end undefined"],
        ["became dominant"],
    ),
    "no collapse": (
        [scores(1, saturated=(0.25, 0.5)), scores(2, saturated=0.125)],
        ["did not collapse: at most 50.0 %", "12.5 % at the end"],
        ["next layer collapsed"],
    ),
    "collapse to the end": (
        [scores(1), scores(2, saturated=(0.5, 1.0))],
        ["The next layer collapsed: at step 16", "that was so as well"],
        ["did not collapse", "In critic head"],
    ),
    "collapse that passes": (
        [scores(1, saturated=1.0), scores(2, saturated=0.5)],
        ["The next layer collapsed: at step 8", "at the end 50.0 % of them were"],
        [],
    ),
    "dominance before collapse": (
        [scores(1, share=(0.75, 0.1)), scores(2, saturated=(1.0, 0.0))],
        ["In critic head 0 the dominant neuron was first seen at step 8 and the collapse at step "
         "16: dominance first, as in the paper."],
        ["In critic head 1"],
    ),
    "dominance and collapse at once": (
        [scores(1, share=(0.1, 0.75), saturated=(0.0, 1.0))],
        ["In critic head 1", "too far apart to tell"],
        ["as in the paper"],
    ),
    "collapse before dominance": (
        [scores(1, saturated=(0.0, 1.0)), scores(2, share=(0.1, 0.75))],
        ["the collapse first, which is not the paper's order"],
        ["as in the paper"],
    ),
    "dominance and collapse in different heads": (
        [scores(1, share=(0.75, 0.1)), scores(2, saturated=(0.0, 1.0))],
        ["A neuron became dominant", "The next layer collapsed"],
        ["In critic head"],
    ),
    "srank falls": (
        [scores(1, srank=(40, 50)), scores(2, srank=3), scores(3, srank=(9, 6))],
        ["layers fell: 40 at first, 6 at the end, 3 at its lowest"],
        [],
    ),
    "srank rises": ([scores(1, srank=4), scores(2, srank=5)], ["layers rose: 4 at first, 5"], []),
    "srank stays": ([scores(1, srank=4)], ["ended where it began: 4 at first, 4"], []),
    "srank undefined at the end": (
        [scores(1, srank=4), scores(2, srank=(None, 5))],
        ["at first 4, was at the end undefined"],
        ["fell", "rose"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SENTENCES)
def test_each_sentence_about_a_run_is_said_when_its_condition_holds(case):
    records, said, unsaid = SENTENCES[case]
    text = text_of(story.about_run(story.Facts(make(records, masked=30 * ("masked" in case)))))
    assert [part for part in said if part not in text] == []
    assert [part for part in unsaid if part in text] == []


def groups_of(baseline, lnwd):
    return {
        method: [
            story.Facts(make(records, folder=f"{method}-{seed}", method=method, seed=seed))
            for seed, records in enumerate(runs)
        ]
        for method, runs in {"baseline": baseline, "lnwd": lnwd}.items()
        if runs
    }


DEAD, ALIVE = [scores(1, saturated=(1.0, 0.0))], [scores(1)]
COMPARISONS = {
    "baseline only": ([DEAD], [ALIVE], "collapsed with baseline (1 of 1 run) and not with lnwd (0"),
    "lnwd only": ([ALIVE], [DEAD], "collapsed with lnwd (1 of 1 run) and not with baseline (0 of"),
    "both": ([DEAD], [DEAD], "collapsed with both: baseline in 1 of 1 run, lnwd in 1 of 1 run"),
    "neither": ([ALIVE], [ALIVE], "neither with baseline nor with lnwd (0 of 1 run, 0 of 1 run)"),
    "some seeds": ([DEAD, ALIVE], [ALIVE] * 3, "baseline (1 of 2 runs) and not with lnwd (0 of 3"),
    "no scores": ([DEAD], [[evaluation(0, 1.0)]], "baseline and lnwd cannot be compared"),
    "higher": ([[evaluation(1, 1.0)]], [[evaluation(1, 2.0)]], "higher than baseline: 2 agains"),
    "lower": ([[evaluation(1, 2.0)]], [[evaluation(1, 1.0)]], "lower than baseline: 1 against 2."),
    "level": ([[evaluation(1, 2.0)]], [[evaluation(1, 2.0)]], "ended level with baseline: 2 agai"),
    "means": ([[evaluation(1, 2.0)], [evaluation(1, 4.0)]], [[evaluation(1, 7.0)]], "7 against 3."),
    "other steps": ([[evaluation(1, 2.0)]], [[evaluation(2, 3.0)]], "environment steps (8 to 16)."),
    "undefined": ([[evaluation(1, 2.0)]], [[evaluation(1, math.nan)]], "the returns are not comp"),
    "not evaluated": ([[evaluation(1, 2.0)]], [ALIVE], "not both have been evaluated yet"),
    "share smaller": ([[scores(1, share=0.5)]], [[scores(1, share=0.25)]],
                      "smaller with lnwd (25.0 %; baseline: 50.0 %)"),
    "share larger": ([[scores(1, share=0.25)]], [[scores(1, share=0.5)]], "held was larger with"),
    "share equal": ([ALIVE], [ALIVE], "equally large with lnwd"),
    "ends": ([[scores(1, saturated=(0.5, 0.75), srank=(9, 7))]], [ALIVE],
             "At the end 75.0 % of the next layer's neurons were saturated with baseline and 0.0 % "
             "with lnwd; the srank of the first hidden layer was 7 and 40."),
    "ends undefined": ([[scores(1, srank=None)]], [ALIVE], "was undefined and 40."),
    "ends of several seeds": ([ALIVE, [scores(1, srank=20)]], [ALIVE], "layer was 30 and 40."),
}  # fmt: skip


@pytest.mark.parametrize("case", COMPARISONS)
def test_methods_are_compared_by_what_their_records_say(case):
    baseline, lnwd, said = COMPARISONS[case]
    assert said in text_of(story.side_by_side(groups_of(baseline, lnwd)))


def test_the_page_says_how_far_its_runs_carry():
    sequence = [scores(1, share=0.75), scores(2, saturated=1.0)]
    text = text_of(story.how_far(groups_of([sequence], [ALIVE])))
    assert "single seed proves nothing" in text
    assert "settings are the same" in text
    assert "was seen in 1 of 2 runs here. To have seen it is not" in text
    at_once = [scores(1, share=0.75, saturated=1.0)]
    assert "was seen in 0 of 1 run here" in text_of(story.how_far(groups_of([at_once], [])))
    text = text_of(story.how_far(groups_of([ALIVE, ALIVE], [])))
    assert "one method here" in text
    assert "at least 2 seeds per method" in text
    assert "was seen in 0 of 2 runs here. That does not speak against the paper" in text
    assert "its runs are larger" in text
    large = {"updates": 10**6, "agent": {"batch_size": 512}}
    runs = [make([scores(10**6)], str(seed), seed=seed, **large) for seed in range(8)]
    text = text_of(story.how_far({"baseline": [story.Facts(run) for run in runs]}))
    assert "0 of 8 runs here. These runs are no smaller than the paper's." in text
    assert story.smaller_than_the_papers(runs[1:])
    assert story.smaller_than_the_papers([*runs, make([scores(9)], seed=9, **large)])
    assert story.smaller_than_the_papers([*runs, make([scores(10**6)], seed=9, updates=10**6)])
    differing = groups_of([ALIVE], [])
    differing["lnwd"] = [story.Facts(make(method="lnwd", agent={"kind": "drq", "batch_size": 32}))]
    assert "differ in agent.batch_size." in text_of(story.how_far(differing))


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "not recorded"), (math.nan, "undefined"), (math.inf, "undefined"), (0, "0"),
     (999.6, "1,000"), (99.96, "100"), (0.25, "0.25"), (12.345, "12.3"), (20000, "20,000"),
     (-3.0, "-3")],
)  # fmt: skip
def test_a_number_is_written_in_full_or_with_three_digits(value, shown):
    assert text_of([story.number(value)]) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.2, "0 s"), (59.6, "1 min"), (61, "1 min 1 s"), (7200, "2 h"), (None, "not recorded")],
)
def test_a_duration_is_written_in_hours_minutes_and_seconds(seconds, shown):
    assert text_of([story.duration(seconds)]) == shown


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


@settings(deadline=None, max_examples=200)
@given(small_runs())
def test_a_page_loads_nothing_and_states_only_numbers_that_follow_from_the_records(runs):
    html = page(runs, b"wide", b"narrow")
    parsed = Page(html)
    assert re.findall(r"\b(nan|None|inf|null)\b", parsed.text, re.IGNORECASE) == []
    assert "$" not in parsed.text
    assert all(load.startswith("data:image/") for load in parsed.loads)
    assert not {"script", "link", "iframe", "object", "base"} & set(parsed.tags)
    assert "default-src 'none'" in html
    assert "url(" not in html

    allowed = set(numbers_in([run.config for run in runs]))
    allowed |= set(range(7))  # counts of runs, seeds, heads, episodes
    by_key = {}
    for line in [line for run in runs for line in run.records]:
        for key, value in line.items():
            by_key.setdefault(re.sub(r"heads\.\d", "", key), []).extend(numbers_in(value))
    for values in by_key.values():
        allowed |= set(values) | set(means(values))
    timings = [[r["environment_ms"] for r in run.of("timing")] for run in runs]
    of_runs = [sum(values) / len(values) for values in timings if values]
    random = [[r["return"] for r in run.of("episode")] for run in runs]
    of_runs += [sum(v) / len(v) for v in random if v and None not in v]
    allowed |= set(of_runs) | set(means(of_runs)) | set(means([run.reached for run in runs]))
    assert set(parsed.stated) <= allowed


@settings(deadline=None, max_examples=200)
@given(small_runs())
def test_no_sentence_holds_a_digit_that_is_not_taken_from_the_data(runs):
    groups = {}
    for run in runs:
        groups.setdefault(run.method, []).append(story.Facts(run))
    said = [sentence for fs in groups.values() for f in fs for sentence in story.about_run(f)]
    said += story.side_by_side(groups) if len(groups) > 1 else []
    said += story.how_far(groups)
    rest = re.sub(r"<data value=[^>]*>[^<]*</data>", "", " ".join(said))
    assert re.findall(r"\d", rest) == []


def test_what_a_run_is_called_cannot_change_the_page():
    html = page([make(task="<script>x</script>", method="<b", folder="a&b")], b"", b"")
    assert "script" not in Page(html).tags


def test_the_table_shows_the_mean_and_the_range_of_several_seeds():
    table = [
        [random_episode(1.0), evaluation(9, value), scores(9, share=share)]
        for value, share in ((2.0, 0.75), (3.0, 0.25), (7.0, None))
    ]
    runs = [make(records, f"r{seed}", seed=seed) for seed, records in enumerate(table)]
    text = re.sub(r"\s+", " ", Page(page(runs, b"", b"")).text)
    assert "Evaluation return, last 4 2 to 7 " in text
    assert "Largest activation share, highest 50.0 % 25.0 % to 75.0 % of 2 seeds" in text
    assert "First step with a dominant neuron 72 , never, never" in text


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
    parsed = Page(page(find_runs(tmp_path / "runs"), b"", b""))
    assert parsed.tags.count("img") == 1


# --- the demo ------------------------------------------------------------------------------------

FAKE = """
import json, os, pathlib, signal, sys

arguments = dict(a.split("=", 1) for a in sys.argv[2:] if "=" in a)
resumed = "--resume" in sys.argv
folder = pathlib.Path(sys.argv[-1] if resumed else arguments.pop("--out"))
with open(os.environ["CALLS"], "a") as file:
    print(folder.name, "resume" if resumed else "train", file=file)
if not resumed:
    folder.mkdir(parents=True)
    config = json.loads(os.environ["CONFIG"])
    for name, value in arguments.items():
        *path, leaf = name[2:].replace("-", "_").split(".")
        part = config
        for key in path:
            part = part[key]
        try:
            part[leaf] = json.loads(value)
        except ValueError:
            part[leaf] = value
    (folder / "config.json").write_text(json.dumps(config))
planned = json.loads((folder / "config.json").read_text())["run"]["updates"]
behaviour = os.environ.get(folder.name)
if behaviour == "wait" and not resumed:
    stops = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)  # none is lost, and none comes inside a print
    print("waiting", flush=True)
    number = signal.sigwait(stops)
    print("stopped by", int(number), flush=True)
    sys.exit(128 + number)
if behaviour and not resumed:
    sys.exit(int(behaviour))
step = {"agent_step": 1, "environment_step": 8, "update": planned}
layers = [f"critic/heads.{head}.dense{layer}/" for head in (0, 1) for layer in (0, 1)]
names = ("largest_share", "saturated", "srank", "dormant_0.1", "zombie")
scores = {layer + name: 0.25 for layer in layers for name in names}
with (folder / "metrics.jsonl").open("a") as file:
    print(json.dumps({"kind": "scores", **step, **scores}), file=file)
    print(json.dumps({"kind": "evaluation", **step, "return": 1.0, "returns": [1.0]}), file=file)
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A command line whose `train` writes what a training would; and the calls it had."""
    (tmp_path / "fake.py").write_text(FAKE)
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("CONFIG", json.dumps(config()))
    calls = tmp_path / "calls"
    return [sys.executable, str(tmp_path / "fake.py")], lambda: calls.read_text().splitlines()


def test_the_demo_goes_on_where_it_failed_and_ends_with_figure_and_page(
    tmp_path, monkeypatch, fake, capsys
):
    command, calls = fake
    out = tmp_path / "demo"
    monkeypatch.setenv("lnwd-0", "3")
    assert demos.demo(out, command) == 3
    assert "lnwd ended with exit status 3" in capsys.readouterr().out
    assert not (out / "report.html").exists()
    assert demos.demo(out, command) == 0
    assert calls() == ["baseline-0 train", "lnwd-0 train", "lnwd-0 resume"]
    said = capsys.readouterr().out
    assert "is finished and is used as it is" in said
    assert str(out / "report.html") in said
    assert (out / "overview.png").stat().st_size
    assert "baseline" in Page((out / "report.html").read_text()).text
    chosen = [flat(run.config) for run in find_runs(out)]
    for name, value in demos.SETTINGS.items():
        assert [part[name] for part in chosen] == [value, value]


def test_a_training_that_ends_well_but_unfinished_does_not_pass_for_a_run(
    tmp_path, monkeypatch, fake
):
    command, calls = fake
    monkeypatch.setenv("baseline-0", "0")
    assert demos.demo(tmp_path / "demo", command) == 1
    assert calls() == ["baseline-0 train"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_demo_stops_its_training_and_says_how_to_go_on(
    tmp_path, monkeypatch, fake, number
):
    command, calls = fake
    monkeypatch.setenv("baseline-0", "wait")
    code = "import sys; from fast.demo import demo; sys.exit(demo(sys.argv[1], sys.argv[2:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "demo"), *command],
        stdout=subprocess.PIPE,
        text=True,
    )
    while process.stdout.readline() != "waiting\n":
        pass
    os.kill(process.pid, number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert said.splitlines()[0] == f"stopped by {int(number)}"
    assert "make demo" in said
    assert calls() == ["baseline-0 train"]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("other-0", {}),
        ("baseline-0", {"task": "walker-walk"}),
        ("baseline-0", {"method": "lnwd"}),
        ("lnwd-0", {"method": "lnwd", "run": config()["run"] | {"updates": 1}}),
    ],
)
def test_the_demo_refuses_a_folder_with_other_runs_before_it_trains(tmp_path, fake, name, changes):
    command, _ = fake
    write(Run(tmp_path, config() | changes, []), tmp_path / "demo" / name)
    with pytest.raises(InputError, match="--out"):
        demos.demo(tmp_path / "demo", command)
    assert not (tmp_path / "calls").exists()
