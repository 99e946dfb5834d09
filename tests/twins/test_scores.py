"""The scores of fast are those of ref: equal on dyadic numbers, to a rounding bound on others."""

import inspect
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fast.errors
import fast.scores
import ref.checks
import ref.scores

NAMES = [
    name
    for name, value in vars(ref.scores).items()
    if inspect.isfunction(value) and value.__module__ == "ref.scores" and name[0] != "_"
]
OF_SAMPLES = ["mean_activation", "activation_score", "largest_score", "largest_share", "grama"]
OF_WEIGHTS = ["magi", "gradient_magnitude"]
WHICH = ["dominant", "saturated", "zombie", "collapsed"]
RANKS = ["srank", "effective_rank", "stable_rank"]
NORMS = ["feature_norm", "weight_norm"]
SETS = ["overlap", "retention", "chance_overlap"]
GRADIENTS = ["activation", "preactivation", "incoming"]

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=6) | hnp.array_shapes(
    min_dims=4, max_dims=4, max_side=3
)
# Multiples of 1/8 from -8 to 8: sums are exact in both, in whatever order.
DYADIC = hnp.arrays(
    "float64",
    SHAPES,
    elements=st.integers(-64, 64).map(lambda k: k / 8) | st.just(0.0),
    fill=st.nothing(),
)
# Away from underflow, where relative rounding bounds end; the zeros stay.
FLOATS = hnp.arrays(
    "float64",
    SHAPES,
    elements=st.floats(-100, 100).map(lambda v: v if abs(v) > 1e-100 else 0.0),
    fill=st.nothing(),
)
TAUS = st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0, 1.75, 3.0])
EPS = 2.0**-52


def both(name, *arrays, **options):
    """The same call of both floors, as arrays; GraMa by activation unless `by` is given."""
    if name in ("grama", "gradient_dormant"):
        options = {"by": "activation", **options}
    ours = getattr(ref.scores, name)(*arrays, **options)
    theirs = getattr(fast.scores, name)(*map(torch.from_numpy, arrays), **options)
    return np.asarray(ours), theirs.numpy()


def equal(ours, theirs):
    """Equal in every bit (a NaN is a NaN), in shape, and in being bool."""
    assert ours.shape == theirs.shape
    assert (ours.dtype == bool) == (theirs.dtype == bool)
    np.testing.assert_array_equal(ours, theirs)


def near(ours, theirs, roundings):
    """Both within `roundings` / 2 relative roundings of the truth; undefined where ref is."""
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=roundings * EPS, atol=0)


def roundings(h):
    """For a quotient of sums over h: each of the additions, and the few operations around them."""
    return 2 * h.size + 10


def spread(h):
    """How far singular values may be off, over the largest.

    LAPACK promises a modest multiple of eps that grows with the sides; 10 per side is taken.
    """
    return 10 * (h.size // h.shape[1] + h.shape[1]) * EPS


def test_every_function_of_ref_has_its_twin_with_the_same_arguments_and_defaults():
    assert {*NAMES} == {
        *(OF_SAMPLES + OF_WEIGHTS + WHICH + RANKS + NORMS + SETS),
        *("dormant", "gradient_dormant"),
    }
    for name in NAMES:
        ours = inspect.signature(getattr(ref.scores, name)).parameters.values()
        theirs = inspect.signature(getattr(fast.scores, name)).parameters.values()
        assert [(p.name, p.default, p.kind) for p in ours] == [
            (p.name, p.default, p.kind) for p in theirs
        ]


# Dyadic numbers: equal


@given(DYADIC, TAUS)
def test_on_dyadic_numbers_both_give_the_same_bits_and_the_same_neurons(z, tau):
    for name in OF_SAMPLES + OF_WEIGHTS + WHICH:
        equal(*both(name, z))
    equal(*both("dormant", z, tau=tau))
    for by in GRADIENTS:
        equal(*both("grama", z, by=by))
        equal(*both("gradient_dormant", z, tau=tau, by=by))


@pytest.mark.parametrize("batch", [1, 3, 7])
def test_ties_are_ties_in_both(batch):
    h = np.zeros((batch, 3))
    h[0] = [3, 1, 2]
    for name, options, expected in [
        ("dominant", {}, [False, False, False]),
        ("dormant", {"tau": 0.5}, [False, True, False]),
        ("gradient_dormant", {"tau": 1.0}, [False, True, True]),
    ]:
        ours, theirs = both(name, h, **options)
        assert ours.tolist() == theirs.tolist() == expected


@given(
    st.lists(st.sampled_from([0, 0.125, 0.25, 0.5, 1, 2, 4, 8]), min_size=1, max_size=6),
    st.integers(1, 7).map(lambda k: k / 8),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
def test_srank_is_equal_where_the_singular_values_are_exact(sigma, delta, more):
    # Powers of two on a diagonal: LAPACK scales by the largest, so nothing is rounded.
    h = np.zeros((len(sigma) + more[0], len(sigma) + more[1]))
    h[range(len(sigma)), range(len(sigma))] = sigma
    equal(*both("srank", h, delta=delta))


@given(
    st.integers(1, 9).flatmap(
        lambda n: st.tuples(hnp.arrays(bool, n), hnp.arrays(bool, n)),
    )
)
def test_sets_compare_equally(masks):
    for name in SETS:
        ours, theirs = both(name, *masks)
        assert theirs.dtype == np.float32  # torch's default type: the quotient rounded to it
        equal(ours.astype(np.float32), theirs)


# General floats: to rounding


@given(FLOATS)
def test_on_floats_scores_are_equal_to_rounding(h):
    for name in OF_SAMPLES + OF_WEIGHTS:
        near(*both(name, h), roundings(h))
    for by in GRADIENTS:
        near(*both("grama", h, by=by), roundings(h))
    for name in NORMS:
        near(*both(name, h), roundings(h))
    for name in ("saturated", "zombie", "collapsed"):
        equal(*both(name, h))


@given(FLOATS, st.floats(0, 3))
def test_on_floats_the_same_neurons_are_found_wherever_rounding_cannot_decide(h, tau):
    # Both sides of a comparison carry a relative error below half of `bound` in each floor, so
    # both decide as exact arithmetic does where the sides are further apart than `bound`.
    bound = Fraction(roundings(h) * EPS)
    samples = np.moveaxis(h, 1, -1).reshape(-1, h.shape[1])
    a = [sum(map(Fraction, column.tolist())) for column in np.abs(samples).T]
    total, width = sum(a), h.shape[1]
    cases = {
        "dormant": ({"tau": tau}, [(a_i * width, Fraction(tau) * total) for a_i in a]),
        "gradient_dormant": ({"tau": tau}, [(a_i * width, Fraction(tau) * total) for a_i in a]),
        # total - a_i: the error is relative to the total, not to the difference
        "dominant": ({}, [(2 * a_i, total) for a_i in a]),
    }
    for name, (options, sides) in cases.items():
        ours, theirs = both(name, h, **options)
        for i, (left, right) in enumerate(sides):
            if abs(left - right) > bound * (left + right) or total == 0:
                exact = left > right if name == "dominant" else left <= right
                assert ours[i] == theirs[i] == exact


@given(FLOATS, st.sampled_from([0.01, 0.1, 0.3]))
def test_on_floats_the_ranks_agree_as_far_as_singular_values_can(h, delta):
    rows = np.moveaxis(h, 1, -1).reshape(-1, h.shape[1])
    sigma = np.linalg.svd(rows, compute_uv=False)
    count = len(sigma)
    for name in RANKS:
        ours, theirs = both(name, h)
        assert ours.shape == theirs.shape == ()
        assert math.isnan(ours) == math.isnan(theirs) == (not h.any())
    if not h.any():
        return
    # A partial sum or a total is off by count * spread * sigma_1 at most.
    partial = sigma.cumsum()
    if (abs(partial - (1 - delta) * partial[-1]) > 4 * count * spread(h) * sigma[0]).all():
        equal(*both("srank", h, delta=delta))
    # A ratio to the largest is off by 2 spread, its square by 4, their sum by 4 count; in both.
    ours, theirs = both("stable_rank", h)
    assert abs(ours - theirs) <= 2 * 4 * count * spread(h)
    # A share of the sum is off by t = (1 + count) spread at most; -p log p then by t log(1/t),
    # for t below 1/e; and the logarithm of the rank by count times that; in both.
    t = (1 + count) * spread(h)
    ours, theirs = both("effective_rank", h)
    assert abs(math.log(ours / theirs)) <= 2 * count * t * math.log(1 / t)


# Bad input


@pytest.mark.parametrize(
    ("name", "arguments", "field"),
    [
        ("dormant", (np.ones((2, 3)), -0.1), "tau"),
        ("dormant", (np.ones((2, 3)), math.nan), "tau"),
        ("gradient_dormant", (np.ones((2, 3)), math.inf), "tau"),
        ("srank", (np.ones((2, 3)), 0.0), "delta"),
        ("srank", (np.ones((2, 3)), 1.0), "delta"),
        ("srank", (np.ones((2, 3)), math.nan), "delta"),
        ("grama", (np.ones((2, 3)), "weights"), "by"),
        ("grama", (np.ones((2, 3, 4)), "activation"), "gradient"),
        ("grama", (np.ones(2), "incoming"), "gradient"),
        ("magi", (np.ones((3, 0)),), "gradient"),
        ("gradient_magnitude", (np.ones(0),), "gradient"),
        ("weight_norm", (np.ones((0, 2)),), "weight"),
        *((name, (np.ones(3),), "h") for name in [*OF_SAMPLES[:-1], *RANKS, "feature_norm"]),
        *((name, (np.ones((0, 3)),), "h") for name in ["dominant", "stable_rank"]),
        *((name, (np.ones((2, 0)),), "z") for name in WHICH[1:]),
        *((name, (np.ones(2), np.ones(2, bool)), None) for name in SETS),
        ("overlap", (np.ones(2, bool), np.ones(3, bool)), "y"),
        ("retention", (np.ones(2, bool), np.ones(3, bool)), "before"),
        ("chance_overlap", (np.ones((1, 2), bool), np.ones((1, 2), bool)), "x"),
        ("overlap", (np.ones(0, bool), np.ones(0, bool)), "x"),
    ],
)
def test_both_refuse_the_same_and_name_the_same_argument(name, arguments, field):
    if field is None:
        field = "now" if name == "retention" else "x"
    with pytest.raises(ref.checks.InputError) as ours:
        getattr(ref.scores, name)(*arguments)
    tensors = [torch.from_numpy(v) if isinstance(v, np.ndarray) else v for v in arguments]
    with pytest.raises(fast.errors.InputError) as theirs:
        getattr(fast.scores, name)(*tensors)
    assert ours.value.argument == theirs.value.field == field
