"""What the tutorial on the rank shows, asserted on its definitions."""

import math
import re
from importlib import import_module

import pytest

from theory import rank

notebook = import_module("tutorials.04_rank")
app = notebook.app
START = {"factor": 1, "rare": 1, "alike": 0, "seed": 0}
LAW = {"chance": 0.625, "louder": 1, "batch": 4}


def run(**changed):
    return app.run(defs={**START, **changed})[1]


def test_a_dominant_neuron_may_come_with_full_rank():
    found = run(factor=10, rare=12)
    assert found["dominant"] and found["srank"] == 6
    assert found["right_3"]


def test_a_neuron_that_dominates_by_rms_lowers_the_rank():
    found = run(factor=30, alike=1)
    assert found["dominant"] and found["srank"] < 3


@pytest.mark.parametrize("factor", [0, 30])
@pytest.mark.parametrize(("rare", "alike"), [(1, 0), (12, 0), (12, 1)])
def test_every_bound_is_below_the_truth_at_extreme_sliders_too(factor, rare, alike, drawn):
    found = run(factor=factor, rare=rare, alike=alike, seed=9)
    for bound in found["bounds"].values():
        assert math.isnan(found["ratio"]) or bound <= found["ratio"] + rank.features.ERROR


def test_theorem_2_is_violated_in_front_of_the_reader():
    found = app.run()[1]
    assert found["applies"] and found["violated"]


@pytest.mark.parametrize(("chance", "louder"), [(0.125, 1), (0.125, 8), (0.875, 8)])
@pytest.mark.parametrize("batch", [2, 6])
def test_the_repaired_bounds_stay_below_the_truth(chance, louder, batch):
    curves = app.run(defs={"chance": chance, "louder": louder, "batch": batch})[1]["curves"]
    truth = curves.pop("the truth, E R")
    assert max(truth) - min(truth) < rank.features.ERROR  # R has no unit
    for name, values in curves.items():
        if name.startswith("repaired"):
            assert all(b <= t + rank.features.ERROR for b, t in zip(values, truth, strict=True))


@pytest.mark.parametrize("wanted", ["rank.theorem-2", "rank.dominance-is-a-bound"])
def test_the_button_contradicts_the_paper(wanted):
    chosen = {"wanted": wanted, "without": None, "pressed": True}
    assert app.run(defs=chosen)[1]["search"].outcome.violation is not None


def test_the_exercises_know_right_from_wrong():
    right = app.run(defs={"answer_1": 2, "answer_2": "only the bound changes"})[1]
    assert right["right_1"] and right["right_2"] and not right["right_3"]
    wrong = app.run(defs={"answer_1": 3, "answer_2": "both stay"})[1]
    assert not (wrong["right_1"] or wrong["right_2"])


def test_a_batch_with_a_dominant_neuron_can_have_full_rank():
    built = {"factor": 10, "rare": 12, "alike": 0, "seed": 0}
    assert app.run(defs=built)[1]["right_3"]
    assert not app.run(defs={**built, "factor": 1})[1]["right_3"]


def test_singular_values_are_drawn_of_a_cloud_that_has_one_direction_and_of_one_that_has_two():
    two, one = re.findall(r"σ = ([\d.]+) and ([\d.]+)", notebook.clouds())
    assert float(one[1]) < 0.05 * float(one[0])
    assert float(two[1]) > 0.2 * float(two[0])
