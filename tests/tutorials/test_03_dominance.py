"""What the tutorial on dominance shows, asserted on its definitions."""

from fractions import Fraction
from importlib import import_module

import pytest

from theory.claim import find
from theory.decide import CLAIMS

notebook = import_module("tutorials.03_dominance")
app = notebook.app
START = {"width": 5, "factor": 12, "on": 1, "spread": 1, "bias": 0, "seed": 0}


def run(**changed):
    return app.run(defs={**START, **changed})[1]


def test_the_printed_theorem_holds_as_the_page_opens_and_falls_at_the_move_it_suggests():
    found = app.run()[1]
    assert found["score"][0] > Fraction(5, 2)
    assert any(found["asked"]) and found["failures"] == []
    moved = run(on=0.875)
    assert moved["score"][0] > Fraction(5, 2)
    assert len(moved["failures"]) > 5


def test_the_move_that_is_suggested_then_mixes_some_until_neuron_1_is_louder():
    assert run(on=1, spread=4)["failures"]
    assert run(on=1, spread=4, factor=40)["failures"] == []


def test_no_verdict_is_shown_before_the_search():
    shown = notebook.style.claim("dominance.theorem-1", verdict=False).text
    badge = notebook.style._badge("refuted")
    assert badge not in shown and badge in notebook.style.claim("dominance.theorem-1").text
    outcome = find(CLAIMS["dominance.theorem-1"], examples=300)
    assert badge not in notebook.style.searched(None).text
    assert badge in notebook.style.found(outcome, CLAIMS["dominance.theorem-1"]).text


@pytest.mark.parametrize(("on", "factor", "seed"), [(1, 3, 0), (1, 6, 1), (1, 12, 2), (0.5, 40, 3)])
def test_where_the_repaired_condition_holds_no_neuron_is_mixed(on, factor, seed):
    found = run(on=on, factor=factor, seed=seed)
    assert all(found["kinds"][m] != "mixed" for m in found["kept"])


def test_a_loud_neuron_that_is_always_on_leaves_no_mixed_one():
    found = run(on=1, factor=40)
    assert found["failures"] == []
    assert len(found["kept"]) == len(found["kinds"])


def test_a_neuron_off_at_some_inputs_leaves_mixed_ones_however_loud():
    assert run(on=0.875, factor=40)["failures"]


def test_a_heavy_weight_breaks_the_theorem_at_inputs_where_neuron_1_is_on():
    found = run(on=1, factor=4, spread=4)
    assert found["failures"] and found["right_3"]


@pytest.mark.parametrize("width", [2, 8])
@pytest.mark.parametrize(("factor", "on", "bias"), [(0, 0, 0), (40, 0, 4), (40, 1, -4)])
def test_extreme_sliders_are_no_error(width, factor, on, bias, drawn):
    found = run(width=width, factor=factor, on=on, bias=bias, spread=4)
    assert found["failures"] == []


def test_a_dead_layer_has_no_scores():
    found = run(width=2, factor=0, spread=0, on=0)
    assert found["score"][0] == 0 and not any(found["asked"])


@pytest.mark.parametrize("wanted", ["dominance.theorem-1", "dominance.theorem-1-everywhere"])
def test_the_button_contradicts_the_theorem(wanted):
    chosen = {"wanted": wanted, "without": None, "pressed": True}
    assert app.run(defs=chosen)[1]["search"].outcome.violation is not None


def test_at_the_critical_step_size_the_neuron_dies_and_just_below_it_does_not():
    found = app.run(defs={"loud": 2, "target": -1, "rate": 0.25})[1]
    assert found["critical"] == [Fraction(1, 4), None]
    assert found["survivors"] == {1}
    below = app.run(defs={"loud": 2, "target": -1, "rate": 0.234375})[1]
    assert below["survivors"] == {0, 1}


def test_a_louder_neuron_lowers_the_critical_step_size():
    critical = [
        app.run(defs={"loud": g, "target": -1, "rate": 0.1})[1]["critical"][0] for g in (2, 8)
    ]
    assert critical[1] < critical[0] / 4


@pytest.mark.parametrize(("loud", "target"), [(1, -4), (8, 6), (8, -4)])
@pytest.mark.parametrize("rate", [0.015625, 1])
def test_extreme_step_sizes_are_no_error(loud, target, rate, drawn):
    assert len(app.run(defs={"loud": loud, "target": target, "rate": rate})[1]["run"]) == 13


def test_the_exercises_know_right_from_wrong():
    right = app.run(defs={"answer_1": 1.5, "answer_2": Fraction(1, 5)})[1]
    assert right["right_1"] and right["right_2"] and not right["right_3"]
    wrong = app.run(defs={"answer_1": 7 / 3, "answer_2": 0.25})[1]
    assert not (wrong["right_1"] or wrong["right_2"])
