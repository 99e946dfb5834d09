"""What the tutorial on automatic differentiation shows of the file, and what it lets one try."""

import math
from functools import cache
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

from ref import autograd as ag
from tutorials.exercises import ALL as EXERCISES

notebook = import_module("tutorials.09_autograd")
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


WRONG = [
    (SOFTSIGN, "g / (1.0 + np.abs(a))"),
    ("minimum(relu(a), 6)", "g * (a > 0)"),  # wrong above 6
    ("a * minimum(relu(a + 3), 6) / 6", "g * (a > -3)"),  # right beyond 3 on both sides
    ("tanh(a)", "g * (1 - y)"),
    ("exp(a)", "1.0001 * g * y"),
    ("sigmoid(a)", "g * y * (1 - y) + 1e-9 * g"),  # wrong where the slope is small
    ("a**2", "2 * g * a * (abs(a) < 1000)"),  # wrong far out
    ("sqrt(1 + a * a)", "g * sign(a)"),
    ("a**3", "3 * g * a * a + 1e-8 * g"),  # wrong near 0
    ("softplus(a)", "g * y / (1 + y)"),
    ("where(a > 3, 2 * a - 3, a)", "g"),  # wrong beyond the kink at 3
    ("elu(a)", "g"),
]


@pytest.mark.parametrize(("value", "pull"), WRONG)
def test_a_wrong_pull_is_caught_wherever_it_is_wrong(value, pull):
    outcome = own(value, pull)[1]["own_outcome"]
    assert outcome.violation is not None


@pytest.mark.parametrize(
    ("value", "pull"),
    [
        ("minimum(relu(a), 6)", "g * (a > 0) * (a < 6)"),
        (
            "a * minimum(relu(a + 3), 6) / 6",
            "g * where(a >= 3, 1, where(a <= -3, 0, (2 * a + 3) / 6))",
        ),
        ("tanh(a)", "g * (1 - y * y)"),
        ("exp(a)", "g * y"),
        ("sigmoid(a)", "g * y * (1 - y)"),
        ("a**2", "2 * g * a"),
        ("sqrt(1 + a * a)", "g * a / y"),
        ("a**3", "3 * g * a * a"),
        ("softplus(a)", "g * sigmoid(a)"),
        ("where(a > 3, 2 * a - 3, a)", "g * where(a > 3, 2, 1)"),
        ("elu(a)", "g * where(a > 0, 1, exp(minimum(a, 0)))"),
        ("sin(a)", "g * cos(a)"),
        ("erf(a)", "g * 2 / sqrt(3.141592653589793) * exp(-a * a)"),
        ("1 / a", "-g * y * y"),
        ("1e9 * a", "1e9 * g"),
    ],
)
def test_a_right_pull_is_not_accused(value, pull):
    found = own(value, pull)[1]
    assert found["own_outcome"].violation is None, found["own_outcome"]


@pytest.mark.parametrize(
    ("exercise", "field", "wrong"),
    [
        (notebook.exercise_1, "tie_ui", "3"),
        (notebook.exercise_2, "sum_ui", "4"),
        (notebook.exercise_3, "cube_ui", "3 * a**2"),
        (notebook.exercise_3, "cube_ui", "3 * g * y / a"),  # 0 / 0 at 0
        (notebook.exercise_3, "cube_ui", "3 * g * a**2 + 1e-9"),
        (notebook.exercise_3, "cube_ui", "3 * g * abs(y) / abs(a + 1e-3)"),
    ],
)
def test_the_exercises_tell_right_from_wrong(exercise, field, wrong):
    right = EXERCISES[notebook.__name__.rpartition(".")[2]][int(exercise.name[-1]) - 1]["right"]
    for value, says in (("", "Your answer"), (wrong, "Not yet"), (right, "Right")):
        output, _ = exercise.run(**{field: SimpleNamespace(value=value)})
        assert says in output.text


@pytest.mark.parametrize("typed", ["oops(", "g * q", "__import__('os')"])
def test_what_is_no_formula_is_said_and_is_no_try(typed):
    output, _ = notebook.exercise_3.run(cube_ui=SimpleNamespace(value=typed))
    assert "cannot be read" in output.text and "Not yet" not in output.text
