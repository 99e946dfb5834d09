"""What the tutorial on a value of zero shows, asserted on its definitions."""

import math
from functools import cache
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

from theory import collapse

notebook = import_module("tutorials.06_zero")


def test_a_search_prints_what_breaks_the_claim():
    claim = "collapse.layer-norm-shifted"
    _, found = notebook.searching.run(wanted=claim, without=None, pressed=True, set_step=str)
    assert found["search"].outcome.violation.v == (0, 0)


def written(predicted=None, **settings):
    return notebook.write_and_read.run(predicted_ui=SimpleNamespace(value=predicted), **settings)


def test_where_hl_gauss_rests_is_told_after_the_prediction_and_the_move_alone():
    first, _ = written("higher", bins=101, sigma=0.75, discount=0.0)
    moved, _ = written(None, bins=101, sigma=0.75, discount=0.99)
    told, _ = written("higher", bins=101, sigma=0.75, discount=0.99)
    assert "0.69" in first.text and "As you said" not in first.text
    assert "Predict first" in moved.text and "As you said" in told.text


def test_zero_is_read_as_0_69_and_backups_rest_at_1_83():
    _, found = written(bins=101, sigma=0.75, discount=0.99)
    assert round(found["zero_reads"], 3) == 0.688
    assert round(found["rests_at"], 2) == 1.83


@pytest.mark.parametrize(
    ("bins", "sigma", "discount"), [(5, 0.25, 0.0), (201, 1.25, 0.999), (5, 1.25, 0.999)]
)
def test_backups_never_rest_below_what_zero_is_read_as(bins, sigma, discount):
    _, found = written(bins=bins, sigma=sigma, discount=discount)
    error = collapse.flows.HISTOGRAM * 100
    assert found["rests_at"] >= found["zero_reads"] - error
    assert found["zero_reads"] >= 50 / bins - error


@cache
def normalised(offset, contrast, shift):
    return notebook.normalise.run(offset=offset, contrast=contrast, shift=shift)[1]


def test_layer_norm_does_not_see_what_is_added_to_all():
    low, high = normalised(-6.0, 1.0, 0.0), normalised(6.0, 1.0, 0.0)
    assert (low["z"] < 0).all() and (high["z"] > 0).all()
    assert low["alive"] == high["alive"] == 1 and low["dominates"]
    np.testing.assert_allclose(low["normed"], high["normed"], rtol=0, atol=1e-12)


def test_a_low_shift_kills_a_layer_that_has_layer_norm_and_a_high_one_opens_it():
    assert normalised(0.0, 3.0, -2.0)["alive"] == 0
    assert normalised(0.0, 0.0, 3.0)["alive"] == 5


@cache
def history(loss, norm, shut=False):
    return notebook.train.run(loss=loss, norm=norm, shut=shut)[1]["history"]


def dies_at(rows):
    return next((row["step"] for row in rows if row["dense1/saturated"] == 1), math.inf)


def test_a_learned_head_leaves_the_network_its_features():
    sizes = [
        row["dense1/feature_norm"] for row in history("squared error, one learned head", False)
    ]
    assert min(sizes) > 0.8 * sizes[0]


def test_fixed_heads_kill_the_network_and_layer_norm_puts_it_off():
    bare, normed = (history("squared error, 24 fixed heads", norm) for norm in (False, True))
    assert 0 < dies_at(bare) < 120 < dies_at(normed) < 240
    assert math.isnan(bare[-1]["dense1/srank"])


@pytest.mark.parametrize("loss", ["squared error, one learned head", "HL-Gauss"])
def test_a_shut_layer_stays_shut_unless_there_is_layer_norm(loss):
    assert {row["dense1/saturated"] for row in history(loss, norm=False, shut=True)} == {1.0}
    assert dies_at(history(loss, norm=True, shut=True)) == math.inf


HEADS = [
    {"arm": arm, "seed": "10", "head": head, "first": first}
    | {"saturated": "0.95", "activation": "0.5", "before": "2"}
    for arm, firsts in (("base", ("500", "700")), ("eps 1e-5", ("", "")))
    for head, first in zip("01", firsts, strict=True)
]
CURVES = [
    {"arm": row["arm"], "seed": "10", "head": row["head"], "update": update}
    | {"share": share, "saturated": "0.95", "largest": "0.5"}
    for row in HEADS
    for update, share in (("0", "0.1"), ("500", "0.6"), ("700", ""))
]


def survived(predicted, exponent):
    output, found = notebook.survive.run(
        curves=[row | {"share": row["share"] or "nan"} for row in CURVES],
        heads=HEADS,
        how_ui=SimpleNamespace(value=predicted),
        exponent=exponent,
        seed=10,
    )
    return output.text, found["firsts"]


def test_who_survives_is_told_after_the_prediction_and_the_move_alone():
    right = "the others die, and it shrinks as well"
    before, firsts = survived(right, -8)
    assert firsts == [500, 700] and "last survivor" not in before
    assert "Predict first" in survived(None, -5)[0]
    told, firsts = survived(right, -5)
    assert firsts == [] and "As you said" in told
    assert "has 25 % (median; 25 %)" in told and "2 of 2 at" in told and "0 of 2 at" in told


def of_an_agent(method, shares):
    """Rows as those of results/findings/sparse.csv: at each share one neuron is left of ten."""
    scores = [("largest_share", None), ("saturated", "0.9"), ("largest_activation", "0.5")]
    return [
        {"method": method, "seed": "0", "kind": "scores", "update": f"{250 * i}"}
        | {
            f"critic/heads.{head}.dense0/{score}": value or share
            for head in (0, 1)
            for score, value in scores
        }
        | {"critic/heads.0.dense0/largest_activation": "2" if i == 0 else "0.5"}
        for i, share in enumerate(shares)
    ]


def test_agents_with_and_without_a_survivor_are_shown_after_the_prediction_and_the_move_alone():
    rows = of_an_agent("baseline", ["0.1", "0.7", ""]) + of_an_agent("adam-eps", ["0.1", "0.5"])
    evaluation = {"method": "baseline", "seed": "0", "kind": "evaluation", "update": "500"}

    _, found = notebook.gather.run(recorded=lambda name: [*rows, evaluation])
    assert found["passed"] == {-8: [(0.25, 0.9), (1.0, 0.9)], -5: []}

    def shown(predicted, exponent):
        how_ui = SimpleNamespace(value=predicted)
        return notebook.pixels.run(**found, how_ui=how_ui, exponent=exponent)[0].text

    assert "In an agent" not in shown(None, -5) + shown("any", -8)
    text = shown("any", -5)
    assert "2 of 2" in text and "0 of 2" in text and "90 % of the layer is off" in text
    assert "has 25 to 100 % of the largest" in text


def test_the_recorded_agents_are_those_that_the_page_speaks_of():
    _, found = notebook.gather.run()
    seeds = [len(curves) // 2 for curves in found["agents"].values()]
    assert min(seeds) >= 3
    assert len(found["passed"][-8]) == 2 * seeds[0] and found["passed"][-5] == []


@pytest.mark.parametrize("narrow", [False, True])
def test_the_legend_of_the_next_layer_leaves_its_axes_their_width(monkeypatch, narrow):
    drawn = []
    monkeypatch.setattr(notebook.style, "narrow", lambda: narrow)
    monkeypatch.setattr(notebook.style, "show", lambda drawing, says: drawn.append(drawing))
    notebook.intervene.run(made_ui=SimpleNamespace(value="few are, in every seed"))
    (figure,) = drawn
    figure.draw_without_rendering()
    legend = figure.axes[0].get_legend().get_window_extent()
    assert figure.axes[0].get_position().width > 0.7
    assert figure.bbox.x0 <= legend.x0 and legend.x1 <= figure.bbox.x1


def test_a_neuron_made_dominant_decides_all_of_the_next_layer_in_some_seeds_alone():
    output, found = notebook.intervene.run(made_ui=SimpleNamespace(value=None))
    assert "Predict first" in output.text
    assert len(found["after"]) == 5 and found["after"].count(1.0) == 2
    assert max(part for part in found["after"] if part < 1) < min(found["before"])
    output, _ = notebook.intervene.run(made_ui=SimpleNamespace(value="few are, in every seed"))
    assert "Not so" in output.text and "in 2 of 5 seeds every one is" in output.text


def test_a_table_of_other_columns_is_said_to_be_missing():
    output, found = notebook.intervene.run(
        made_ui=SimpleNamespace(value=None), recorded=lambda name: [{"seed": "0"}]
    )
    assert "No recorded run" in output.text and found["after"] == []


@pytest.mark.parametrize(
    ("exercise", "field", "wrong", "right"),
    [
        (notebook.exercise_1, "rest_ui", "0", "0.69"),
        (notebook.exercise_2, "reach_ui", "30", "31"),
        (notebook.exercise_3, "dead_ui", "-2.99", "−3"),
    ],
)
def test_the_exercises_tell_right_from_wrong(exercise, field, wrong, right):
    for value, says in (("", "Your answer"), (wrong, "Not yet"), (right, "Right")):
        output, _ = exercise.run(**{field: SimpleNamespace(value=value)})
        assert says in output.text
