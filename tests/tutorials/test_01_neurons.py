"""What the first tutorial shows, asserted on its definitions."""

import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from tutorials import style

notebook = import_module("tutorials.01_neurons")
app = notebook.app
HEALTHY = {"w": [1, -1, 1.2, -0.8], "b": [0.2, 0.1, -0.6, -0.5], "v": [1, 1, -1, 0.5]}


def run(**changed):
    controls = {**HEALTHY, "domain": (-2, 2), "tau": 0.1, **changed}
    return app.run(defs=controls)[1]


def words(found):
    return [
        [name for name in ("dormant", "dominant", "saturated", "zombie") if found[name][i]]
        for i in range(4)
    ]


def test_the_first_layer_has_four_neurons_that_work():
    found = app.run()[1]
    assert words(found) == [[], [], [], []]
    assert found["score"].sum() == pytest.approx(4)
    assert "uses all it has" in found["told"]


@pytest.mark.parametrize(
    ("preset", "there", "word"),
    [
        ("four healthy neurons", set(), "uses all it has"),
        ("a dominant neuron", {"dominant"}, "**dominant**"),
        ("a saturated neuron", {"saturated", "dormant"}, "Neuron 4 is **saturated**"),
        ("four zombies", {"zombie"}, "straight line"),
        ("a collapsed layer", {"saturated", "dormant"}, "**collapsed**"),
    ],
)
def test_a_preset_shows_what_its_name_says_and_nothing_else(preset, there, word):
    w, b, v = notebook.LAYERS[preset]
    found = run(w=w, b=b, v=v)
    assert {name for of_one in words(found) for name in of_one} == there
    assert word in found["told"]


def test_all_that_is_there_is_said():
    told = run(w=[3, -1, 0.5, -1], b=[4, 0.1, -2.5, 5])["told"]
    assert all(word in told for word in ("**dominant**", "**saturated**", "(zombie)"))


@pytest.mark.parametrize(
    ("value", "limits", "text"),
    [
        (1.5, (0.1, 2), "1.50"),
        (2.0001, (0.1, 2), "2.0001"),
        (1.999, (0.1, 2), "1.999"),
        (2.0, (0.1, 2), "2.00"),
        (0.1 + 1e-9, (0.1, 2), "0.100000001"),
        (float("nan"), (2,), "undefined"),
    ],
)
def test_a_score_near_a_threshold_has_the_digits_that_tell_them_apart(value, limits, text):
    assert style.digits(value, limits) == text


def test_no_control_is_an_array():
    """marimo keeps only the last move of an array of controls that comes while Python is busy."""
    for path in sorted(Path(notebook.__file__).parent.glob("*.py")):
        assert not re.search(r"ui\.(array|dictionary|batch)\b|\.batch\(", path.read_text()), path


def test_one_loud_neuron_is_dominant():
    found = run(w=[3, -1, 0.5, -0.5], b=[4, -0.5, -0.3, 0])
    assert words(found)[0] == ["dominant"]
    assert "**dominant**" in found["told"]


def test_a_saturated_neuron_is_dormant_and_passes_no_gradient():
    found = run(b=[0.2, 0.1, -0.6, -5])
    assert words(found)[3] == ["dormant", "saturated"]
    assert not found["gradient"][:, 3].any()
    assert found["gradient"][:, 0].any()


def test_a_saturated_neuron_wakes_up_on_other_inputs():
    assert "saturated" in words(run(w=[1, 1, 1, 1], b=[0, 0, 0, -2]))[3]
    assert "saturated" not in words(run(w=[1, 1, 1, 1], b=[0, 0, 0, -2], domain=(-2, 3)))[3]


def test_zombies_make_a_straight_line():
    found = run(b=[5, 5, 5, 5])
    assert found["zombie"].all()
    assert "straight line" in found["told"]


def test_a_zombie_among_others_is_not_said_to_bend_the_function():
    found = run(b=[5, 0.1, -0.6, -0.5])
    assert words(found)[0] == ["dominant", "zombie"] and "uses all" not in found["told"]
    found = run(w=[0.2, -4, 4, -2], b=[1, 0.1, -0.6, -0.5])
    assert words(found)[0] == ["zombie"] and "zombie" in found["told"]


def test_a_neuron_that_nobody_reads_is_not_said_to_be_used():
    assert "Neuron 2" in run(v=[1, 0, -1, 0.5])["told"]


def test_on_a_single_input_no_line_is_spoken_of():
    assert "single input" in run(domain=(1, 1))["told"]


def test_a_collapsed_layer_has_no_scores_and_says_so():
    found = run(w=[0, 0, 0, 0], b=[-5, -5, -5, -5])
    assert np.isnan(found["score"]).all()
    assert found["dormant"].all() and not found["dominant"].any()
    assert "collapsed" in found["told"]


@pytest.mark.parametrize("w", [-4, 4])
@pytest.mark.parametrize(("domain", "tau"), [((-3, 3), 0), ((3, 3), 1)])
def test_extreme_sliders_are_no_error(w, domain, tau, drawn):
    found = run(w=[w] * 4, b=[5, -5, 5, -5], v=[3, -3, 3, -3], domain=domain, tau=tau)
    assert found["told"]


def test_the_button_finds_two_neurons_whose_scores_do_not_sum_to_1():
    chosen = {"wanted": "dormancy.sum-to-one", "without": None, "pressed": True}
    outcome = app.run(defs=chosen)[1]["search"].outcome
    assert outcome.size == 2


def test_a_claim_that_holds_has_a_counterexample_once_its_assumption_is_dropped():
    claim = {"wanted": "dormancy.average-one", "pressed": True}
    assert app.run(defs={**claim, "without": None})[1]["search"].outcome.violation is None
    assert (
        str(app.run(defs={**claim, "without": "alive"})[1]["search"].outcome.violation)[:10]
        == "E|h| = (0)"
    )


def test_the_exercises_know_right_from_wrong():
    untouched = app.run()[1]
    assert not any(untouched[f"right_{i}"] for i in (1, 2, 3))
    built = run(
        w=[0, 4, 1, 1], b=[0.1, 5, 0, 0], tau=0.2, answer_1=3, answer_3="neither of the two"
    )
    assert words(built)[0] == ["dormant", "zombie"]
    assert all(built[f"right_{i}"] for i in (1, 2, 3))
    wrong = app.run(defs={"answer_1": 6 / 8, "answer_3": "the scores only"})[1]
    assert not any(wrong[f"right_{i}"] for i in (1, 2, 3))
