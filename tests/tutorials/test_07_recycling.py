"""What the tutorial on recycling says of its four neurons, of batches and of a training."""

from functools import cache
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

from ref import nn
from theory.decide import CLAIMS

notebook = import_module("tutorials.07_recycling")
WIDE = np.linspace(-2.5, 2.5, 201)


@cache
def recycled(tau=0.1, by="activation", scale=1.0, seed=0):
    found = notebook.recycle.run(tau=tau, by=by, scale=scale, seed=seed)[1]
    names = ("after_redo", "after_regrama", "params")
    known = {name: found[name] for name in names}
    drawn = known | {name: found[name] for name in ("s", "gradient_score")}
    assert notebook.draw.run(tau=tau, **drawn)[1]["cover"].axes
    judged = known | {name: found[name] for name in ("jump", "silent", "unmoved")}
    said = notebook.judge.run(tau=tau, **judged)[1]
    return SimpleNamespace(**{n: found[n] for n in (*drawn, *judged)}, **{n: said[n] for n in said})


def taken(mask):
    return [int(i) + 1 for i in np.flatnonzero(mask)]


def test_the_two_methods_take_different_neurons():
    assert taken(recycled().silent) == [3] and taken(recycled().unmoved) == [4]


def test_the_silent_neuron_has_the_largest_gradient_behind_its_relu_and_none_before_it():
    behind, before = recycled().gradient_score, recycled(by="preactivation").gradient_score
    assert behind.argmax() == 2 and before[2] == 0
    assert recycled(by="incoming").gradient_score[2] == 0


def test_the_output_stays_on_the_batch_and_jumps_elsewhere():
    assert recycled().jumps["ReDo"][0] == 0 < 1 < recycled().jumps["ReDo"][1]
    assert recycled().jumps["ReGraMa"] == (0, 0)


@pytest.mark.parametrize("scale", [2.0**-6, 0.5, 2.0**6])
def test_rewriting_neuron_1_leaves_the_function(scale):
    old, new = (
        nn.mlp(found.params, WIDE[:, None]) for found in (recycled(), recycled(scale=scale))
    )
    np.testing.assert_array_equal(old, new)  # by a power of 2: exactly


def test_rewriting_neuron_1_flips_both_verdicts_on_it():
    small, large = recycled(scale=2.0**-6), recycled(scale=2.0**6)
    assert small.silent[0] and not small.unmoved[0]
    assert large.unmoved[0] and not large.silent[0]
    assert small.jumps["ReDo"][0] > 0.5 and large.jumps["ReGraMa"][0] > 0.5


@pytest.mark.parametrize("tau", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("scale", [2.0**-6, 1.0, 2.0**6])
def test_the_change_on_the_batch_is_within_its_bound(tau, scale):
    found = recycled(tau=tau, scale=scale, by="incoming", seed=9)
    assert 0 <= found.change <= found.bound


def test_the_saliency_does_not_see_how_the_network_is_written():
    _, found = notebook.flip.run(by="activation", scale=1.0, tau=0.1)
    np.testing.assert_allclose(found["curves"]["saliency"], found["curves"]["saliency"][0], 1e-12)
    assert (np.diff(found["curves"]["$s_1$"]) > 0).all()
    assert (np.diff(found["curves"]["$G_1$"]) < 0).all()
    assert found["redo_below"].max() < 1 < found["regrama_above"].min()


@pytest.mark.parametrize("tau", [0.0, 1.0])
def test_the_flip_is_drawn_at_the_ends_of_the_threshold(tau):
    _, found = notebook.flip.run(by="preactivation", scale=2.0**6, tau=tau)
    assert (len(found["redo_below"]) > 0) == (tau > 0)


def test_a_search_prints_the_smallest_counterexample():
    id = "recycling.redo-zero"
    _, found = notebook.searching.run(wanted=id, without=None, pressed=True, set_step=str)
    assert found["search"].outcome.size == CLAIMS[id].sizes[0]


@pytest.mark.parametrize(("size", "sure"), [(1, 0.95), (64, 0.0457), (1024, 0.0029)])
def test_silence_on_a_batch_bounds_how_often_a_neuron_is_active(size, sure):
    assert round(notebook.silence.run(size=size)[1]["sure"], 4) == sure


def test_a_recycled_neuron_has_no_gradient_until_the_next_step():
    rows = notebook.again.run()[1]["rows"]
    assert rows["before"][0] == 0 == rows["after ReDo"][1]
    assert rows["after ReDo"][0] > 0 and rows["one step later"][1] > 0


@pytest.mark.parametrize("optimizer", ["Adam", "SGD"])
def test_along_a_training_dormancy_is_seen_before_the_relu_alone(optimizer):
    _, found = notebook.train.run(optimizer=optimizer)
    assert found["agree"] == 1
    assert not any(row["no dL/dh"] for row in found["history"])
    assert all(row["dormant"] > 0 for row in found["history"])


@pytest.mark.parametrize(
    ("exercise", "field", "wrong", "right"),
    [
        (notebook.exercise_1, "small_ui", "0.07", "0,068"),
        (notebook.exercise_1, "small_ui", "0.067", "0.069"),  # the same, rounded up
        (notebook.exercise_2, "sure_ui", "1.19", "1.16"),
        (notebook.exercise_3, "who_ui", "both", "ReGraMa alone"),
    ],
)
def test_the_exercises_tell_right_from_wrong(exercise, field, wrong, right):
    for value, says in (("", "Your answer"), (wrong, "Not yet"), (right, "Right")):
        output, _ = exercise.run(**{field: SimpleNamespace(value=value)})
        assert says in output.text
