"""Assumptions and conclusions on instances made by hand: at ties, at kinks, at what is degenerate.

The strategies meet such instances too, but a conclusion that is wrong only there would not be
noticed where the claim's verdict does not turn on it. Some instances are none of their claim (a
"chain" whose rows do not sum to 1), so that a conclusion that always holds there has a way to fail.
"""

from copy import copy
from dataclasses import replace
from fractions import Fraction
from inspect import ismodule

import pytest

from theory import collapse, dominance, dormancy, rank, recycling
from theory.collapse.flows import Bins, classifier, identity, regression, row
from theory.collapse.hl_gauss import Rest
from theory.collapse.layer_norm import Normed
from theory.dominance.adam import Gradients, Path
from theory.dominance.below import Below
from theory.dominance.decay import Saturated
from theory.dominance.extinction import Fading
from theory.dominance.layer import fractions
from theory.dominance.rates import Sharp, start
from theory.dominance.theorem_1 import Peak
from theory.dormancy.activations import RELU
from theory.dormancy.scores import Layer
from theory.dormancy.training import EPS, Step
from theory.rank.features import Cut, Scaled, law, matrix
from theory.recycling.batch_law import Draws
from theory.recycling.gradients import Scored
from theory.recycling.redo import Network
from theory.recycling.said import Loss, Magnitudes

STAY = ((1,),)


def one_state(psi, w, encode="direct", gamma="1/2"):
    """A classifier with the features psi (N,) of its only state."""
    return classifier(STAY, gamma, [[x] for x in psi], w, range(len(w[0])), encode)


def no_chain(instance, total):
    """The same with P = (total), which is refused when it is made."""
    other = copy(instance)
    object.__setattr__(other, "transition", (row(total),))
    return other


def step(phi, z, target=0):
    """Two neurons at z and 1, both read with weight 1, or 4 and 0 for a spike."""
    u = (Fraction(4), Fraction(0)) if phi == "spike" else (Fraction(1), Fraction(1))
    return Step(
        phi,
        Fraction(0),
        (Fraction(0), Fraction(0)),
        (Fraction(z), Fraction(1)),
        u,
        Fraction(target),
    )


def network(w, out):
    """One layer, at the input 1."""
    weights = tuple((x,) for x in row(*w))
    return Network(((weights, row(*[0] * len(w))),), row(*out), row(1), row(1))


def layer(w, out=None, y=0, c=1):
    """One layer, at the input 1."""
    return Scored(
        row(*w), row(*[0] * len(w)), row(*(out or [1] * len(w))), row(1), row(y), c=Fraction(c)
    )


COLLAPSE = [
    ("descends_the_squared_norm", regression(STAY, "1/2", [[1]], [[1]]), True),
    ("descends_the_squared_norm", regression(STAY, "1/2", [[0]], [[1]]), True),  # both rest
    ("norm_never_grows", no_chain(regression(STAY, "1/4", [[1]], [[1]]), 2), True),  # a tie
    ("norm_never_grows", no_chain(regression(STAY, "1/4", [["1/4"]], [[1]]), 3), False),
    ("weights_matter", one_state([1], [[2, 2]]), False),
    ("weights_matter", one_state([1], [[2, 1]]), True),
    ("no_softmax_loss", no_chain(one_state([1], [[0, 1]]), 2), False),
    ("full_rank_lost", one_state([1], [[1, 0]]), False),
    ("full_rank_lost", one_state([1], [[1, 1]]), True),  # the difference is 0
    ("full_rank_lost", one_state([1], [[2, 0]]), True),
    ("full_rank_lost", one_state([0], [[0, 0]]), True),
    ("weights_strong", one_state([1], [[1, -1]]), False),  # 24/25 < 1
    (
        "weights_strong",
        classifier(identity(3), 0, [[2, 2, 4]], [[5, -5]], (0, 1), "direct"),
        True,
    ),  # a tie
    ("limits.wide", one_state([1], [[0, 1]]), False),
    # the mean is that of each row, not that of all weights
    (
        "weights_strong",
        classifier(STAY, "1/2", [[0], ["1/2"]], [[1, 1], [0, 0]], (0, 1), "direct"),
        False,
    ),
    ("hl_gauss.wide", Rest((row(0, 0),) * 2, (row(1, 1), row(0, 0)), (row(0, 0),) * 2), False),
    ("projected", one_state([0], [[0, 1]], "C51"), True),
    ("has_reward_classes", one_state([1], [[0, 1]]), False),
    ("stays_positive", one_state([1], [[0, 1]]), True),
    ("moves_as_printed", one_state([0], [[0, 1]]), True),
    ("moves", one_state([0], [[0, 1]], "two-hot"), True),
    ("first_bin_has_most", one_state([0], [[0, 0]], "two-hot"), True),
    ("first_bin_has_most", one_state([0], [[0, 0]], "two-hot", gamma=1), False),  # exactly half
    ("some_positive", Normed(row(1, -1), Fraction(2)), False),  # all
    ("dormant_means_no_gradient", Normed(row(2, 1, 0, -3), v=row(1, 5, 0, 0)), False),  # d = 0 has
    ("dormant_means_no_gradient", Normed(row(1, 2, 3, -6), v=row(0, 11, 1, 0)), True),
]

ONE_ON = (fractions(1), (fractions(1),), fractions(0), fractions(1))
DOMINANCE = [
    (
        "at_most_one",
        dominance.layer.Means(fractions("3/5", "3/5", "-1/5")),
        False,
    ),  # 9/5 in (3/2, 2]
    ("printed_display", dominance.layer.Neuron((fractions(1),), fractions("1/2")), True),
    ("printed_display", dominance.layer.Neuron((fractions(0),), fractions("1/2")), False),
    ("dominates_yet_is_rarely_on", Peak(Fraction(1)), False),
    ("dominates_yet_is_rarely_on", Peak(Fraction(1, 2)), True),
    ("same", start([1], [[1]], [0], 1, 1), False),
    ("not_opposite", start([1], [[1]], [0], 1, 1), True),
    ("rate_for_all", start([1], [[1], [1]], [1, 0], 0, 2), False),
    ("rate_for_all", start([1], [[1], [1]], [2, 2], 3, 1), True),  # pulls of 2: 1 > 1/2
    ("riser_dies", Sharp(Fraction(1)), True),
    (
        "one_sign",
        Fading((fractions(1), fractions(1)), (fractions(1),), fractions(0, 1), Fraction(1)),
        False,
    ),
    ("is_geometric", Gradients(fractions(0), *fractions("1/2", "1/2")), False),
    ("is_geometric", Gradients(fractions(2, 4), *fractions("1/2", "1/2")), False),
    ("has_room", Path((fractions(1),), fractions(1), Fraction(1), Fraction(0)), False),
    ("one_saturated", Below(*ONE_ON, fractions(0), Fraction(0)), False),  # z = 1
    ("revives_exactly_then", Saturated(*fractions(-4, 1, "1/2"), 2), True),  # to 0, not above
]

DORMANCY = [
    ("sums_to_one", Layer((Fraction(3),)), True),
    (
        "code_is_invariant",
        Layer((Fraction(1, 10**9),), tau=Fraction(1, 2)),
        True,
    ),  # 1/2, but 2/3 with c = 2
    ("first_without_gradient", step(RELU, -1), True),  # while the second has one
    ("first_without_gradient", step(RELU, 1), False),
    ("first_is_optimal", step(RELU, 1), False),  # b_1 should fall
    ("first_is_optimal", step(RELU, -1), True),  # a tie: all is flat
    ("inside_zeros", step(RELU, -EPS), False),
    ("inside_zeros", step(RELU, -2 * EPS), True),
    ("inside_zeros", step("spike", EPS), False),
    ("loss_is_flat", step("ReLU6", 6), False),  # to one side it is
    ("loss_is_flat", step("spike", 0, target=2), False),  # for this target it is
    ("loss_is_flat", step(RELU, -1), True),
]

RANK = [
    ("rms_dominant", Cut(matrix((1, 1)), Fraction(1, 2)), True),  # a tie
    ("rms_dominant", Cut(matrix((1, 2)), Fraction(1, 2)), False),
    ("first_largest", law(1, ("1/2", (2, 0)), ("1/2", (2, 3))), True),  # its square is not
    ("first_largest", law(1, (1, (1, 2))), False),
    ("first_largest", law(1, (1, (0, 0))), False),
    ("first_not_zero", law(1, ("1/2", (1,)), ("1/2", (-1,))), True),
    ("scaled_fine", Scaled(law(1, ("1/2", (1, 0)), ("1/2", (0, 0))), Fraction(1)), False),
    ("factor_not_zero", Scaled(law(1, (1, (1,))), Fraction(1)), True),
    ("two_columns", matrix((1, 0), (0, 1)), True),  # a tie: both are all
    ("column_reading", matrix((1, 1)), False),  # at N/2 Definition 1 is strict
    ("column_reading", matrix((1, 2)), True),
    ("units_do_not_matter", Scaled(law(1, (1, (1, 1))), Fraction(1)), True),
    ("printed_rises", Scaled(law(2, ("1/2", (1, 1)), ("1/2", (3, 1))), Fraction(1)), True),  # a tie
    ("line_13", matrix((1, 0)), True),
    ("second_moment", law(1, ("1/2", (1,)), ("1/2", (2,))), True),
    ("line_14", law(1, (1, (1, 1))), True),  # a tie
    ("share_is_a_bound", matrix((1,)), True),  # a tie
    ("some_mean_not_zero", law(1, ("1/2", (1,)), ("1/2", (-1,))), False),
    ("no_converse", Cut(matrix((1, 0), (0, 1)), Fraction(1, 4)), True),  # 2 and, centred, 1
]

RECYCLING = [
    ("dormant_in_law", Draws(Fraction(0), (False,)), True),
    ("dormant_in_law", Draws(Fraction(1), (False,)), False),
    ("lower_score_lower_impact", network((1, 1), (1, 2)), True),  # equal scores: no order
    ("lower_score_lower_impact", network((1, 2), (2, 1)), True),  # equal impact
    ("low_but_alive", layer((1, 19)), True),  # a tie: the score is 2/20
    ("low_but_alive", layer((1, 15)), False),
    ("low_but_alive", layer((0, 1)), False),
    ("grama_zero", layer((1, 1), y=2), False),  # no gradient at all
    ("positive_factor", layer((1, 1), c=0), False),
    ("positive_factor", layer((1, 1), c="1/2"), True),
    ("gradients.balanced", layer((1,)), True),
    ("gradients.balanced", layer((1, 1), y=1), True),
    ("gradients.balanced", layer((-1, -1)), False),
    ("low_gradient", layer((1, 1), (1, 19)), True),  # a tie
    ("low_gradient", layer((1, 1), (1, 15)), False),
    ("low_gradient", layer((1, -1), (1, 19)), False),  # behind the gate neuron 1 is the only one
    ("scores_go_apart", layer((0, 1), c=-1), False),  # relu(-z) is not -relu(z)
    ("printed_flags", Magnitudes(row(0, 1), Fraction(0)), True),  # a tie
    ("hundredth", replace(network((1, 1), (1, 1)), tau=Fraction(1, 2)), False),
    ("least_at_target", Loss(Fraction(1), Fraction(0)), False),
    ("all_wrong", layer((1,), y=1), False),
]


def named(chapter, name):
    """What a chapter calls so, in whichever of its files; `file.name` where two files do."""
    file, _, name = name.rpartition(".")
    files = [vars(chapter)[file]] if file else filter(ismodule, vars(chapter).values())
    (found,) = {vars(file)[name] for file in files if name in vars(file)}
    return found


TABLE = [
    pytest.param(named(chapter, name), instance, truth, id=f"{name}: {instance}"[:90])
    for chapter, part in [
        (collapse, COLLAPSE),
        (dominance, DOMINANCE),
        (dormancy, DORMANCY),
        (rank, RANK),
        (recycling, RECYCLING),
    ]
    for name, instance, truth in part
]


@pytest.mark.parametrize(("predicate", "instance", "truth"), TABLE)
def test_a_predicate_is_true_of_an_instance_made_by_hand_or_not(predicate, instance, truth):
    assert predicate(instance) is truth


def test_what_a_histogram_reads_may_err_by_a_rounding_of_the_range(monkeypatch):
    assert collapse.zero_bin.reads_zero_as_zero(
        Bins(Fraction(-1), Fraction(1), 2, Fraction(1, 2))
    )  # by symmetry
    bins = Bins(Fraction(-1), Fraction(3), 4, Fraction(1, 2))
    for value, truth in [
        (4 * collapse.flows.HISTOGRAM, True),
        (4.01 * collapse.flows.HISTOGRAM, False),
    ]:
        monkeypatch.setattr(Bins, "read", lambda self, _, value=value: (None, -value))
        assert collapse.zero_bin.reads_zero_as_zero(bins) is truth


def test_the_floor_of_hl_gauss_is_half_a_bin():
    # of a narrow normal all is in the first bin, and 0 is read as its centre: a tie
    assert collapse.zero_bin.floor_holds(
        Bins(Fraction(0), Fraction(4), 4, Fraction(1, 2), Fraction(1, 100))
    )
    for low in (Fraction(-2), Fraction(-1, 2)):  # read as 0, and as 0.37 of a bin
        bins = Bins(low, low + 4, 4, Fraction(1, 2))
        assert collapse.zero_bin.floor_slack(bins) >= 0
        assert not collapse.zero_bin.floor_holds(bins)
