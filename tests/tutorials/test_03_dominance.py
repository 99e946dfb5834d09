"""What the tutorial on dominance shows, asserted on its definitions."""

from fractions import Fraction
from importlib import import_module

import pytest

app = import_module("tutorials.03_dominance").app
START = {"width": 5, "factor": 12, "on": 0.625, "spread": 1, "bias": 0, "seed": 0}


def run(**changed):
    return app.run(defs={**START, **changed})[1]


def test_the_printed_theorem_fails_at_once():
    found = app.run()[1]
    assert found["score"][0] > Fraction(5, 2)
    assert len(found["failures"]) > 5


def test_where_the_repaired_condition_holds_no_neuron_is_mixed():
    for on in (0.5, 1):
        for factor in (3, 40):
            for seed in range(3):
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
@pytest.mark.parametrize(("factor", "on"), [(0, 0), (40, 0), (40, 1)])
@pytest.mark.parametrize("bias", [-4, 0, 4])
def test_extreme_sliders_are_no_error(width, factor, on, bias):
    found = run(width=width, factor=factor, on=on, bias=bias, spread=4)
    assert found["failures"] == [] or bias == 0


@pytest.mark.parametrize(
    "wanted",
    ["dominance.theorem-1", "dominance.theorem-1-everywhere", "dominance.theorem-1-absolute"],
)
def test_the_button_contradicts_each_reading_of_the_theorem(wanted):
    chosen = {"wanted": wanted, "without": None, "pressed": True}
    assert app.run(defs=chosen)[1]["outcome"].violation is not None


@pytest.mark.parametrize("dropped", [None, "everywhere", "weights", "bias"])
def test_the_repair_needs_each_of_its_assumptions(dropped):
    chosen = {"wanted": "dominance.pointwise-ratio", "without": dropped, "pressed": True}
    outcome = app.run(defs=chosen)[1]["outcome"]
    assert (outcome.violation is None) == (dropped is None)


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


@pytest.mark.parametrize("loud", [1, 8])
@pytest.mark.parametrize("target", [-4, 6])
@pytest.mark.parametrize("rate", [0, 1])
def test_extreme_step_sizes_are_no_error(loud, target, rate):
    assert len(app.run(defs={"loud": loud, "target": target, "rate": rate})[1]["run"]) == 13


def test_the_exercises_know_right_from_wrong():
    assert app.run(defs={"answer_1": 1.5})[1]["right_1"]
    assert not app.run(defs={"answer_1": 7 / 3})[1]["right_1"]
    assert app.run(defs={"answer_2": 0.2})[1]["right_2"]
    assert not app.run(defs={"answer_2": 0.25})[1]["right_2"]
