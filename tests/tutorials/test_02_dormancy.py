"""What the tutorial on dormancy shows, asserted on its definitions."""

from importlib import import_module

import pytest

from theory.dormancy.activations import ACTIVATIONS

notebook = import_module("tutorials.02_dormancy")
app = notebook.app


def run(name, w=1, b=-2, domain=(-1, 1)):
    return app.run(defs={"name": name, "w": w, "b": b, "domain": domain})[1]


def both(found):
    return found["dormant"], found["flat"]


def test_a_shut_relu_is_dormant_and_without_a_gradient():
    found = app.run()[1]
    assert both(found) == (True, True)


@pytest.mark.parametrize(
    ("name", "w", "b", "expected"),
    [
        ("ReLU6", 1, 7, (False, True)),
        ("hardtanh", 0, 2, (False, True)),
        ("tanh", 0, 0, (True, False)),
        ("LeakyReLU", 1, -2, (False, False)),
        ("ReLU, φ'(0) = 1", 0, 0, (True, False)),
        ("ReLU, φ'(0) = 0", 0, 0, (True, True)),
    ],
)
def test_other_activations_have_the_one_without_the_other(name, w, b, expected):
    assert both(run(name, w, b)) == expected


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_can_be_chosen(name):
    assert run(name, 3, 8, (-2, 2))["told"]


@pytest.mark.parametrize("name", ["ReLU6", "GELU"])
@pytest.mark.parametrize(("w", "b", "domain"), [(3, 8, (-2, 2)), (-3, -4, (-2, 2)), (0, 0, (1, 1))])
def test_extreme_sliders_and_a_single_input_are_no_error(name, w, b, domain, drawn):
    assert run(name, w, b, domain)["told"]


@pytest.mark.parametrize(
    "wanted",
    ["dormancy.ocp-theorem-1", "dormancy.ocp-theorem-1-converse", "dormancy.keeps-dormant"],
)
def test_the_button_contradicts_the_printed_theorem(wanted):
    chosen = {"wanted": wanted, "without": None, "pressed": True}
    assert app.run(defs=chosen)[1]["search"].outcome.violation is not None


def test_the_repaired_theorem_needs_its_one_assumption():
    chosen = {"wanted": "dormancy.ocp-star", "pressed": True, "without": "Z = K"}
    assert app.run(defs=chosen)[1]["search"].outcome.violation is not None


@pytest.mark.parametrize(
    "broken", ["Z = K", "no decay", "no momentum", "frozen inputs", "not normalised"]
)
def test_a_dormant_neuron_wakes_up_without_each_of_the_conditions(broken):
    found = app.run(defs={"broken": broken, "steps": 5})[1]
    assert found["woken"].startswith("Neuron 1 wakes up at step 1")


def test_the_exercises_know_right_from_wrong():
    defs = {"answer_1": "ReLU²", "answer_2": -0.75, "name": "ReLU6", "w": 1, "b": 7}
    right = app.run(defs={**defs, "domain": (-1, 1)})[1]
    assert all(right[f"right_{i}"] for i in (1, 2, 3))
    assert not app.run(defs={**defs, "domain": (1, 1)})[1]["right_3"]  # a single input
    for wrong in ("ReLU6", "LeakyReLU", "GELU"):
        found = app.run(defs={"answer_1": wrong, "answer_2": -0.7})[1]
        assert not any(found[f"right_{i}"] for i in (1, 2, 3))
