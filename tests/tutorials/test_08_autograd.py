"""What the tutorial on automatic differentiation shows of the file, and what it lets one try."""

import math
from functools import cache
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

from ref import autograd as ag

notebook = import_module("tutorials.08_autograd")
FORMULAS = (
    "a·b + tanh(a)",
    "log(exp(a) + exp(b))",
    "relu(a - b) · a",
    "mean of (a - (0, 1, 2))², times b",
)


def walked(formula, a, b, visited):
    found = notebook.trace.run(formula=formula, at_a=a, at_b=b)[1]
    known = {name: found[name] for name in ("leaf_a", "leaf_b", "order", "reached")}
    _, drawn = notebook.draw.run(visited=visited, **known)
    assert drawn["cover"].axes
    told, said = notebook.tell.run(visited=visited, **known)
    return found, said["grads"], told.text


def test_the_walk_ends_at_the_gradients():
    found, grads, _ = walked("a·b + tanh(a)", 0.5, 2.0, 9)
    assert grads["a"] == pytest.approx(2 + 1 - math.tanh(0.5) ** 2, rel=1e-15)
    assert grads["b"] == 0.5
    assert found["order"][0] is found["output"]


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize(("a", "b", "visited"), [(-3, -3, 0), (3, 3, 9), (-3, 3, 4)])
def test_the_ends_of_the_sliders_are_drawn(formula, a, b, visited):
    _, grads, _ = walked(formula, a, b, visited)
    assert all(np.isfinite(g) for g in grads.values())


def test_the_walk_tells_the_row_that_it_is_at():
    assert "lambda" in walked("a·b + tanh(a)", 0.5, 2.0, 1)[2]
    assert "leaf" in walked("a·b + tanh(a)", 0.5, 2.0, 9)[2]


def test_the_rows_are_those_of_the_file():
    assert notebook.row_of("tanh").endswith("lambda g, y, a: g * (1.0 - y * y))")
    assert len(notebook.row_of("relu").splitlines()) == 2
    for name in notebook.NAMES.values():
        assert notebook.row_of(name).startswith(name)


@cache
def checked(primitive="tanh", epsilon=1e-5, wrong=False):
    return notebook.check.run(primitive=primitive, epsilon=epsilon, wrong=wrong)[1]


@pytest.mark.parametrize("primitive", [*notebook.SMOOTH, *notebook.KINKED, "log_softmax"])
def test_every_pull_passes_the_random_projection(primitive):
    # truncation: 4 terms, third derivatives below 10 there; rounding 4 * 1e-16 / 1e-5
    bound = 4 * 10 * 1e-10 / 6 + 4e-11
    assert abs(checked(primitive)["by_table"] - checked(primitive)["by_trying"]) < bound


def test_a_wrong_pull_fails_it_at_every_step():
    assert min(checked(wrong=True)["errors"]) > 1e-3 > min(checked()["errors"])


@pytest.mark.parametrize("epsilon", [1e-12, 1e-1])
def test_the_ends_of_the_step_are_shown(epsilon):
    assert np.isfinite(checked("log", epsilon)["by_trying"])


def own(value, pull, without=None, pressed=True):
    return notebook.own.run(value_text=value, pull_text=pull, without=without, pressed=pressed)


SOFTSIGN = "a / (1.0 + np.abs(a))"


def test_the_mistake_is_found_and_the_mended_pull_survives():
    wrong = own(SOFTSIGN, "g / (1.0 + np.abs(a))")[1]["own_outcome"]
    assert wrong.size == 1 and wrong.violation is not None
    for pull in ("g * (1.0 - np.abs(y)) ** 2", "g / (1.0 + np.abs(a)) ** 2"):
        assert own(SOFTSIGN, pull)[1]["own_outcome"].violation is None


def test_relu_has_its_slope_but_at_its_kink():
    assert own("ag.relu(a)", "g * (a > 0)")[1]["own_outcome"].violation is None
    found = own("ag.relu(a)", "g * (a > 0)", "smooth")[1]["own_outcome"]
    np.testing.assert_array_equal(found.violation, [0.0])


@pytest.mark.parametrize(
    ("value", "pull"),
    [("a +", "g"), ("b", "g"), ("a", "g[0]"), ("1 / 0", "g"), ("", ""), ("np.sum(a)", "g")],
)
def test_what_does_not_work_is_said_and_not_raised(value, pull):
    output, found = own(value, pull)
    assert found["trouble"] and "does not work yet" in output.text


def test_a_function_with_a_pole_is_searched_where_it_is_defined():
    assert own("ag.log(a)", "g / a")[1]["own_outcome"].violation is None


def test_a_primitive_of_ones_own_is_part_of_the_table():
    output, found = own(SOFTSIGN, "g * (1.0 - np.abs(y)) ** 2", pressed=False)
    assert not found["trouble"]
    slope = ag.grad(lambda a: a / (1.0 + a))(np.array(0.5))  # softsign, above 0
    assert f"{slope:.4g}" in output.text


@pytest.mark.parametrize(
    ("exercise", "field", "empty", "wrong", "right"),
    [
        (notebook.exercise_1, "tie_ui", None, 3, 1.5),
        (notebook.exercise_2, "sum_ui", None, 4, 20),
        (notebook.exercise_3, "cube_ui", "", "3 * a", "3 * g * a**2"),
        (notebook.exercise_3, "cube_ui", "", "oops(", "g * 3.0 * a * a"),
        (notebook.exercise_3, "cube_ui", "", "3 * g * y / a", "3 * g * np.abs(a * a)"),
    ],
)
def test_the_exercises_tell_right_from_wrong(exercise, field, empty, wrong, right):
    for value, says in ((empty, "Your answer"), (wrong, "Not yet"), (right, "Right")):
        output, _ = exercise.run(**{field: SimpleNamespace(value=value)})
        assert says in output.text
