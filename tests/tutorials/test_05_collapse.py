"""What the collapse tutorial says of its flows, its histogram, LayerNorm and the network."""

import math
from functools import cache
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest

from theory import collapse
from theory.decide import CLAIMS

notebook = import_module("tutorials.05_collapse")
FIXED = "squared error, fixed heads in all directions"
LEARNED = "squared error, learned heads"
HL = "cross-entropy, HL-Gauss targets"
PRINTED = "cross-entropy, the paper's targets γPp̂"


@cache
def flow(name=FIXED, walk="stay or step on", gamma=0.9, strength=0.5):
    set_up = notebook.arrange.run(flow=name, walk=walk, gamma=gamma, strength=strength)[1]
    known = {n: set_up[n] for n in ("chain", "heads", "net", "objective", "weights")}
    found = notebook.follow.run(flow=name, **known)[1]
    return {**set_up, **found}


@cache
def judged(name=FIXED, walk="stay or step on", gamma=0.9, strength=0.5, moment=50):
    """What the notebook says of a flow; all its other cells of this section run too."""
    found = flow(name, walk, gamma, strength)
    _, drawn = notebook.draw_path.run(
        features=found["features"], moments=found["moments"], flow=name, moment=moment
    )
    assert drawn["cover"].axes
    names = ("chain", "features", "heads", "moments", "path", "start")
    known = {name: found[name] for name in names} | {"singular": drawn["singular"]}
    says, found = notebook.judge.run(flow=name, gamma=gamma, moment=moment, **known)
    return {**found, "says": says.text}


def spread(found):
    return np.ptp(found["features"][-1], axis=0).max()


def test_fixed_heads_follow_equation_6_and_collapse():
    found = judged()
    # A step of Euler's method errs by at most 0.05² |A|² |Φ| / 2, with |A| <= 2 and |Φ| < 2, and
    # the flow contracts from then on; there are 400 steps.
    assert found["collapses"] and found["off"] < 400 * 0.05**2 * 4 * 2 / 2
    assert found["rank"] == 1 and found["size"] < 0.1


def test_one_fixed_head_leaves_the_other_direction_as_it_was():
    found = flow("squared error, one fixed head")
    assert not judged("squared error, one fixed head")["collapses"]
    np.testing.assert_array_equal(found["features"][-1][:, 1], found["start"][:, 1])
    assert np.abs(found["features"][-1][:, 0]).max() < 0.2


@pytest.mark.parametrize(("strength", "collapses"), [(0.0, False), (0.5, False), (3.0, True)])
def test_learned_heads_collapse_the_features_exactly_if_they_start_stronger(strength, collapses):
    found = judged(LEARNED, strength=strength)
    assert found["collapses"] == collapses
    assert (found["size"] < 0.01) == collapses


def test_strong_heads_and_hl_gauss_draw_all_states_onto_one_point_that_is_not_zero():
    apart, together = flow(HL, strength=0.5), flow(HL, strength=3.0)
    assert 10 * spread(together) < 0.5 < 1 < spread(apart)
    assert np.abs(together["features"][-1]).max() > 0.9


def test_of_the_papers_targets_gamma_changes_the_speed_alone():
    slow, fast = flow(PRINTED, strength=1.0, gamma=0.45), flow(PRINTED, strength=1.0, gamma=0.9)
    far, off = (fast["features"][25] - other for other in (fast["start"], slow["features"][50]))
    assert np.abs(off).max() < 0.05 * np.abs(far).max()  # twice the speed, up to the step's length


@pytest.mark.parametrize(
    ("walk", "gamma", "strength"),
    [("stay", 0.9, 0.5), ("stay or step on", 0.0, 0.5), ("stay or step on", 0.9, 0.0)],
)
def test_where_the_papers_targets_move_nothing_the_page_says_so(walk, gamma, strength):
    assert "Nothing moves" in judged(PRINTED, walk, gamma, strength)["says"]
    assert "consensus" in judged(PRINTED, "anywhere", 0.9, 0.5)["says"]


@pytest.mark.parametrize(
    ("name", "gamma", "strength"),
    [
        (FIXED, 0.99, 0.0),
        (LEARNED, 0.0, 3.0),
        (PRINTED, 0.0, 0.0),
        ("cross-entropy, two-hot targets", 0.0, 3.0),
        (HL, 0.99, 0.0),
    ],
)
def test_the_ends_of_the_sliders_give_finite_features(name, gamma, strength):
    assert np.isfinite(flow(name, "stay", gamma, strength)["features"]).all()
    assert math.isfinite(judged(name, "stay", gamma, strength)["size"])


def test_at_time_0_nothing_has_moved():
    found = judged(moment=0)
    assert found["size"] == 1 and found["off"] == 0


def test_a_search_prints_the_smallest_counterexample():
    claim = "collapse.learned-heads"
    _, found = notebook.searching.run(wanted=claim, without=None, pressed=True, set_step=str)
    assert found["search"].outcome.size == CLAIMS[claim].sizes[0]
    assert not collapse.learned_heads.may_collapse(found["search"].outcome.violation)


@pytest.mark.parametrize(
    ("exercise", "field", "wrong", "right"),
    [
        (notebook.exercise_1, "keep_ui", "3", "1"),
        (notebook.exercise_2, "half_ui", "0.77", "6,93"),
        (notebook.exercise_3, "equal_ui", "nothing", "move all of them alike"),
    ],
)
def test_the_exercises_tell_right_from_wrong(exercise, field, wrong, right):
    for value, says in (("", "Your answer"), (wrong, "Not yet"), (right, "Right")):
        output, _ = exercise.run(**{field: SimpleNamespace(value=value)})
        assert says in output.text
