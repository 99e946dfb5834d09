"""The scores against their definitions, exactly: Fractions, dyadic numbers, kinks and ties."""

import itertools
import math
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ref import scores
from ref.checks import InputError

# Multiples of 1/4 from -16 to 16, many zeros among them: sums of these are exact in float64.
DYADIC = st.integers(-64, 64).map(lambda k: k / 4) | st.just(0.0)
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=5) | hnp.array_shapes(
    min_dims=4, max_dims=4, max_side=3
)
LAYERS = hnp.arrays("float64", SHAPES, elements=DYADIC, fill=st.nothing())
TAUS = st.sampled_from([0.0, 0.125, 0.5, 1.0, 2.0])
SMALL = st.integers(-3, 3).map(Fraction)
EPS = 2.0**-52

# The forms that take a gradient for each sample, of h's shape.
grama = partial(scores.grama, by="activation")
gradient_dormant = partial(scores.gradient_dormant, by="activation")

ACTIVATION_SCORES = (
    scores.mean_activation,
    scores.activation_score,
    scores.dominant,
    scores.largest_score,
    scores.largest_share,
    grama,
)
SIGNS = (scores.saturated, scores.zombie, scores.collapsed)
RANKS = (scores.srank, scores.effective_rank, scores.stable_rank)


def exact(values):
    """The same numbers as Fractions."""
    values = np.asarray(values)
    return np.array([Fraction(v) for v in values.ravel().tolist()], object).reshape(values.shape)


def flat(h):
    """A convolutional layer as one of (batch * height * width, N), sample by sample."""
    if h.ndim == 2:
        return h
    batch, width, rows, columns = h.shape
    places = itertools.product(range(batch), range(rows), range(columns))
    return np.array([[h[b, i, y, x] for i in range(width)] for b, y, x in places])


def same(x, y):
    """Equal in every number, NaN with NaN, and in shape."""
    x, y = np.asarray(x), np.asarray(y)
    pairs = zip(x.ravel(), y.ravel(), strict=True)
    return x.shape == y.shape and all(a == b or (a != a and b != b) for a, b in pairs)


# The definitions


@given(LAYERS, TAUS)
def test_every_score_is_its_definition(z, tau):
    samples = exact(flat(z))
    count, width = samples.shape
    a = [sum(abs(v) for v in samples[:, i]) / count for i in range(width)]
    mean = sum(a) / width
    h = exact(z)
    assert scores.mean_activation(h).tolist() == a
    assert scores.dormant(h, tau).tolist() == [a[i] <= Fraction(tau) * mean for i in range(width)]
    others = [sum(a[:i] + a[i + 1 :]) for i in range(width)]
    assert scores.dominant(h).tolist() == [a[i] > others[i] for i in range(width)]
    assert scores.saturated(h).tolist() == [max(samples[:, i]) <= 0 for i in range(width)]
    assert scores.zombie(h).tolist() == [min(samples[:, i]) > 0 for i in range(width)]
    assert scores.collapsed(h) is (samples.max() <= 0)
    if mean > 0:
        assert scores.activation_score(h).tolist() == [a_i / mean for a_i in a]
        assert scores.largest_score(h) == max(a) / mean
        assert scores.largest_share(h) == max(a) / mean / width
    for by in ("activation", "preactivation"):
        assert same(scores.grama(h, by), scores.activation_score(h))
        assert same(scores.gradient_dormant(h, tau, by), scores.dormant(h, tau))


@given(hnp.arrays("float64", SHAPES, elements=DYADIC, fill=st.nothing()), TAUS)
def test_scores_by_incoming_weights_are_their_definition(gradient, tau):
    rows = exact(gradient).reshape(len(gradient), -1)
    mean = [sum(abs(v) for v in row) / len(row) for row in rows]
    layer = sum(mean) / len(mean)
    assert scores.magi(exact(gradient)).tolist() == mean
    assert scores.gradient_magnitude(exact(gradient)) == layer
    low = scores.gradient_dormant(exact(gradient), tau, by="incoming")
    assert low.tolist() == [m <= Fraction(tau) * layer for m in mean]
    if layer > 0:
        assert scores.grama(exact(gradient), by="incoming").tolist() == [m / layer for m in mean]


@given(LAYERS, TAUS)
def test_floats_give_the_exact_score_rounded_once_and_the_exact_comparisons(z, tau):
    h = exact(z)
    for score in (*ACTIVATION_SCORES, scores.gradient_magnitude, scores.magi):
        assert same(score(z), np.asarray(score(h), float)), score
    assert same(scores.grama(z, "incoming"), scores.grama(h, "incoming").astype(float))
    for sign in SIGNS:
        assert same(sign(z), sign(h))
    assert same(scores.dormant(z, tau), scores.dormant(h, tau))
    for by in ("activation", "preactivation", "incoming"):
        low = scores.gradient_dormant(z, tau, by)
        assert same(low, scores.gradient_dormant(h, tau, by))


def test_fractions_stay_fractions():
    h = exact([[1, 2], [3, 5]]) / 7
    results = [scores.largest_score(h), scores.largest_share(h), scores.gradient_magnitude(h)]
    assert [type(v) for v in (*scores.activation_score(h), *scores.magi(h), *results)] == (
        [Fraction] * 7
    )
    assert results == [Fraction(14, 11), Fraction(7, 11), Fraction(11, 28)]


def test_with_fractions_a_threshold_is_the_exact_value_of_its_float():
    # The float 0.1 is 1/10 + 5.55e-18; neuron 1 has 1/10 + 5e-18 of the mean.
    excess = Fraction(5, 10**17)
    h = exact([[1 + excess, 19 - excess]])
    for find in (scores.dormant, gradient_dormant):
        assert find(h, 0.1).tolist() == [True, False]
        assert find(h, Fraction(1, 10)).tolist() == [False, False]
        assert find(h, Fraction(1, 10) + Fraction(5, 10**18)).tolist() == [True, False]


# What follows from them


@given(LAYERS)
def test_scores_average_to_one_and_the_largest_is_between_one_and_the_width(z):
    h = exact(z)
    width = z.shape[1]
    score = scores.activation_score(h)
    if z.any():
        assert score.mean() == 1
        assert 1 <= scores.largest_score(h) <= width
        assert scores.largest_share(h) == scores.largest_score(h) / width
        assert scores.dominant(h).tolist() == [s > Fraction(width, 2) for s in score]
        assert scores.dominant(h).sum() <= 1
        assert not scores.dormant(h, 0.99).all()
    else:
        assert same(score, np.full(width, math.nan))
        assert not scores.dominant(h).any()
        assert scores.dormant(h, 0.0).all()


@given(LAYERS, st.integers(1, 40).map(lambda k: Fraction(k, 7)), TAUS)
def test_relative_scores_do_not_change_when_the_whole_layer_is_scaled(z, c, tau):
    h = exact(z)
    for score in ACTIVATION_SCORES[1:]:
        assert same(score(c * h), score(h))
    assert same(scores.mean_activation(c * h), c * scores.mean_activation(h))
    assert same(scores.dormant(c * h, tau), scores.dormant(h, tau))
    for sign in SIGNS:
        assert same(sign(c * h), sign(h))


@given(LAYERS, st.randoms(use_true_random=False), TAUS)
def test_neurons_can_be_renumbered_and_samples_reordered(z, random, tau):
    neurons = random.sample(range(z.shape[1]), z.shape[1])
    samples = random.sample(range(z.shape[0]), z.shape[0])
    h = exact(z)
    mixed = h[samples][:, neurons]
    for score in (scores.mean_activation, scores.activation_score, grama):
        assert same(score(mixed), score(h)[neurons])
    for which in (scores.dominant, scores.saturated, scores.zombie):
        assert same(which(mixed), which(h)[neurons])
    assert same(scores.dormant(mixed, tau), scores.dormant(h, tau)[neurons])
    for scalar in (scores.largest_score, scores.largest_share, scores.collapsed):
        assert same(scalar(mixed), scalar(h))


@given(LAYERS, TAUS)
def test_a_convolutional_layer_is_the_layer_of_its_positions(z, tau):
    for score in (*ACTIVATION_SCORES, *SIGNS, *RANKS, scores.feature_norm):
        assert same(score(z), score(flat(z))), score
    assert same(scores.dormant(z, tau), scores.dormant(flat(z), tau))
    assert same(gradient_dormant(z, tau), gradient_dormant(flat(z), tau))


@given(LAYERS)
def test_after_a_relu_a_neuron_is_saturated_exactly_if_it_is_0_dormant(z):
    h = np.maximum(z, 0)
    assert same(scores.saturated(z), scores.dormant(h, 0.0))
    assert scores.collapsed(z) == (not h.any())
    assert not (scores.saturated(z) & scores.zombie(z)).any()


# Kinks and ties


@pytest.mark.parametrize("kind", [np.asarray, exact])
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 2, 1), (1, 1)])
def test_a_dead_layer_is_wholly_dormant_and_has_no_scores_no_ranks_and_no_dominant_neuron(
    kind, shape
):
    h = kind(np.zeros(shape))
    with np.errstate(all="raise"):  # undefined on purpose: no warning on the way
        width = shape[1]
        for tau in (0.0, 0.1, 1e300):
            assert scores.dormant(h, tau).tolist() == [True] * width
            assert gradient_dormant(h, tau).tolist() == [True] * width
        assert scores.dominant(h).tolist() == [False] * width
        assert scores.saturated(h).tolist() == [True] * width
        assert scores.zombie(h).tolist() == [False] * width
        assert scores.collapsed(h)
        undefined = np.full(width, math.nan)
        assert same(scores.activation_score(h), undefined)
        assert same(grama(h), undefined)
        assert same(scores.grama(h, "incoming"), np.full(len(h), math.nan))
        for scalar in (scores.largest_score, scores.largest_share, *RANKS):
            assert math.isnan(scalar(h))
        assert scores.feature_norm(h) == scores.weight_norm(h) == scores.gradient_magnitude(h) == 0
        assert scores.mean_activation(h).tolist() == [0] * width


@pytest.mark.parametrize("copies", [1, 3, 7])
@pytest.mark.parametrize("unit", [1.0, 0.25, 3.0])
def test_a_neuron_exactly_at_a_threshold_is_dormant_and_not_dominant(copies, unit):
    # Three samples whose means are not floats: the ties hold all the same.
    h = unit * np.array([[3.0, 1.0, 2.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]] * copies)
    assert scores.dominant(h).tolist() == [False, False, False]  # 3 = 1 + 2
    assert scores.dormant(h, 0.5).tolist() == [False, True, False]  # 1 = 0.5 * mean
    assert scores.dormant(h, 1.0).tolist() == [False, True, True]  # 2 = mean
    assert scores.dormant(h, math.nextafter(0.5, 0)).tolist() == [False, False, False]
    h[0, 0] = math.nextafter(h[0, 0], math.inf) if copies == 1 else h[0, 0] + unit / 8
    assert scores.dominant(h).tolist() == [True, False, False]
    assert gradient_dormant(h[:1, 1:], 0.5).tolist() == [False, False]


def test_a_neuron_that_is_alone_and_alive_is_dominant_and_never_dormant_below_one():
    assert scores.dominant(np.array([[0.0], [-0.5]])).tolist() == [True]
    assert scores.dormant(np.array([[0.5]]), 1.0).tolist() == [True]
    assert scores.dormant(np.array([[0.5]]), math.nextafter(1, 0)).tolist() == [False]


def test_a_preactivation_of_zero_is_shut():
    z = np.array([[0.0, 0.0, 1.0, -1.0, 5e-324], [0.0, 1.0, 2.0, -2.0, 1.0]])
    assert scores.saturated(z).tolist() == [True, False, False, True, False]
    assert scores.zombie(z).tolist() == [False, False, True, False, True]
    assert not scores.collapsed(z)
    assert scores.collapsed(z[:, [0, 3]])


def test_the_activation_score_uses_absolute_values():
    h = np.array([[-2.0, 0.5], [2.0, 0.5]])
    assert scores.activation_score(h).tolist() == [1.6, 0.4]
    assert scores.mean_activation(h).tolist() == [2, 0.5]
    assert scores.grama(h, "incoming").tolist() == [1, 1]
    assert scores.magi(h).tolist() == [1.25, 1.25]
    assert scores.gradient_magnitude(h) == 1.25


# ReLU networks: x -> w_out . relu(w_in x + b), loss (y - target)^2 / 2 averaged over the batch


def backprop(x, w_in, b, w_out, target):
    """z, h, the outputs, and dL/dh, dL/dz (per sample) and dL/dw_in (of the mean loss)."""
    z = x @ w_in.T + b
    h = np.where(z > 0, z, Fraction(0))
    y = h @ w_out
    dh = np.outer(y - target, w_out)
    dz = np.where(z > 0, dh, Fraction(0))
    return z, h, y, dh, dz, dz.T @ x * Fraction(1, len(x))


def small(*shape):
    return hnp.arrays(object, shape, elements=SMALL, fill=st.nothing())


@st.composite
def networks(draw):
    batch, inputs, width = (draw(st.integers(1, 3)) for _ in range(3))
    shapes = (batch, inputs), (width, inputs), (width,), (width,), (batch,)
    return tuple(draw(small(*shape)) for shape in shapes)


def moves(before, after, sign):
    """Whether a score went up (sign 1) or down (-1); from 0, from N or from NaN it cannot."""
    width = len(before)
    first, last = before[0], after[0]
    if first != first or first in (0, width):
        return same(first, last)
    return sign * (last - first) > 0


@given(networks(), st.integers(2, 9))
def test_rescaling_a_neuron_leaves_the_function_and_moves_its_two_scores_apart(network, c):
    x, w_in, b, w_out, target = network
    w_in, b, w_out = w_in.copy(), b.copy(), w_out.copy()
    z, h, y, dh, dz, dw = backprop(x, w_in, b, w_out, target)
    w_in[0], b[0], w_out[0] = w_in[0] * c, b[0] * c, w_out[0] / c
    z2, h2, y2, dh2, dz2, dw2 = backprop(x, w_in, b, w_out, target)
    assert same(y2, y)
    for sign in SIGNS:
        assert same(sign(z2), sign(z))
    assert moves(scores.activation_score(h), scores.activation_score(h2), +1)
    assert moves(grama(dh), grama(dh2), -1)
    assert moves(scores.grama(dz, "preactivation"), scores.grama(dz2, "preactivation"), -1)
    assert moves(scores.grama(dw, "incoming"), scores.grama(dw2, "incoming"), -1)
    # so at a threshold between the two scores dormancy ends and gradient-dormancy begins
    tau = scores.activation_score(h)[0]
    if 0 < tau < len(b):
        assert scores.dormant(h, tau)[0] and not scores.dormant(h2, tau)[0]
    tau = grama(dh2)[0]
    if 0 < tau < len(b):
        assert gradient_dormant(dh2, tau)[0] and not gradient_dormant(dh, tau)[0]


def test_the_three_readings_of_grama_differ_where_gates_shut_and_samples_cancel():
    # x = 1 and -1; neuron 1 = relu(x + 2) = 3, 1; neuron 2 = relu(x) = 1, 0; output their sum,
    # targets one less than the output: the residual is 1 on both samples.
    x = exact([[1], [-1]])
    network = x, exact([[1], [1]]), exact([2, 0]), exact([1, 1]), exact([3, 0])
    _, h, _, dh, dz, dw = backprop(*network)
    assert h.tolist() == [[3, 1], [1, 0]]
    assert grama(dh).tolist() == [1, 1]  # each sample reaches each activation
    # neuron 2 is shut on the second sample: means 1 and 1/2
    assert scores.grama(dz, by="preactivation").tolist() == [Fraction(4, 3), Fraction(2, 3)]
    # neuron 1: x sums to 0, so its samples cancel, though it is the more active of the two
    assert dw.tolist() == [[0], [Fraction(1, 2)]]
    assert scores.grama(dw, by="incoming").tolist() == [0, 2]
    assert scores.gradient_dormant(dw, 0.0, by="incoming").tolist() == [True, False]
    assert scores.gradient_dormant(dz, 0.0, by="preactivation").tolist() == [False, False]
    assert gradient_dormant(dz, Fraction(2, 3)).tolist() == [False, True]  # a tie


def test_a_dormant_neuron_can_have_the_largest_grama_score_by_activation():
    # x = 1: h = (relu(x), relu(-x)) = (1, 0), weights out (0, 1), residual 1
    network = exact([[1]]), exact([[1], [-1]]), exact([0, 0]), exact([0, 1]), exact([-1])
    _, h, _, dh, dz, _ = backprop(*network)
    assert scores.dormant(h, 0.0).tolist() == [False, True]
    assert grama(dh).tolist() == [0, 2]
    assert np.isnan(scores.grama(dz, "preactivation").astype(float)).all()


def mean_output_gradient(x, z, gate):
    """d(mean over samples and neurons of the output)/dW of eqs. (17) and (18)."""
    return (gate(z).T @ x) / z.size


@given(small(3, 2), small(4, 2), small(4))
def test_magi_as_printed_is_the_same_for_all_neurons_and_with_a_relu_zero_for_saturated_ones(
    x, w, b
):
    z = x @ w.T + b
    linear = scores.magi(mean_output_gradient(x, z, lambda z: exact(np.ones(z.shape))))
    assert linear.tolist() == [linear[0]] * 4
    rectified = scores.magi(mean_output_gradient(x, z, lambda z: exact((z > 0).astype(float))))
    assert not rectified[scores.saturated(z)].any()


def test_a_live_neuron_can_have_magi_zero_since_samples_cancel_before_the_absolute_value():
    x = exact([[1], [-1]])
    z = x @ exact([[1]]) + 2  # 3 and 1: a zombie
    gradient = mean_output_gradient(x, z, lambda z: exact((z > 0).astype(float)))
    assert scores.zombie(z).tolist() == [True]
    assert scores.magi(gradient).tolist() == [0]


# Ranks and norms


def diagonal(sigma, rows, columns):
    h = np.zeros((rows, columns))
    h[range(len(sigma)), range(len(sigma))] = sigma
    return h


# Zeros and powers of two from 1/8 to 8: LAPACK scales a bidiagonal matrix by its largest entry, so
# these singular values come out exact, and sums and multiples of 1/8 of them are exact as well.
POWERS = st.lists(st.sampled_from([0, 0.125, 0.25, 0.5, 1, 2, 4, 8]), min_size=1, max_size=5)
EIGHTHS = st.integers(1, 7).map(lambda k: k / 8)
MARGINS = st.tuples(st.integers(0, 3), st.integers(0, 3))


@given(POWERS, EIGHTHS, MARGINS)
def test_srank_is_the_least_number_of_singular_values_that_reaches_the_share(sigma, delta, more):
    h = diagonal(sigma, len(sigma) + more[0], len(sigma) + more[1])
    ordered = sorted(map(Fraction, sigma), reverse=True)
    total = sum(ordered)
    reached = [k for k in range(1, len(sigma) + 1) if sum(ordered[:k]) >= (1 - delta) * total]
    expected = reached[0] if total > 0 else math.nan
    assert same(scores.srank(h, delta), expected)


@pytest.mark.parametrize(
    ("sigma", "delta", "rank"),
    [
        ([1, 0, 0], 0.01, 1),
        ([1, 1, 1], 0.01, 3),
        ([4, 2, 1, 1], 0.25, 2),  # 6 of 8: exactly 1 - delta is enough
        ([4, 2, 1, 1], 0.125, 3),
        ([4, 2, 1, 1], 0.5, 1),
        ([4, 2, 1, 1], 0.24, 3),
        ([98, 1, 0.9], 0.01, 2),
        # LAPACK returns 3/4, and 1/4 within 2^-54: the sum then still rounds to 1, a tie
        ([0.75, 0.25], 0.25, 1),
        ([0.75, 0.25], 0.2499, 2),
    ],
)
def test_srank_at_its_ties(sigma, delta, rank):
    assert scores.srank(np.diag(np.array(sigma, float)), delta) == rank


def test_the_share_of_srank_is_one_in_a_hundred_unless_said_otherwise():
    assert scores.srank(np.diag([989.0, 11.0])) == 2
    assert scores.srank(np.diag([991.0, 9.0])) == 1


@given(
    hnp.arrays("float64", SHAPES, elements=st.floats(-1, 1), fill=st.nothing()),
    st.sampled_from([1e-300, 1e-17, 1e-9, 0.01, 0.5, 0.999]),
)
def test_no_rounding_takes_srank_out_of_one_to_the_smaller_side(h, delta):
    rank = scores.srank(h, delta)
    assert rank in range(1, min(flat(h).shape) + 1) if h.any() else math.isnan(rank)


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("scale", [3.0, 2.0**-500, 2.0**500])
def test_all_three_ranks_of_equal_singular_values_are_their_number(count, scale):
    h = scale * diagonal([1] * count, 7, 5)
    assert scores.srank(h) == count
    # a sum of 5 terms, a logarithm below 1.7 and an exponential: below 20 roundings
    assert scores.effective_rank(h) == pytest.approx(count, rel=20 * EPS)
    assert scores.stable_rank(h) == count


def test_the_ranks_of_two_singular_values_are_what_their_formulas_say():
    h = np.diag([4.0, 2.0])  # shares 2/3 and 1/3
    entropy = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
    assert scores.effective_rank(h) == pytest.approx(math.exp(entropy), rel=20 * EPS)
    assert scores.stable_rank(h) == 1.25  # (16 + 4) / 16


@given(LAYERS.filter(np.any))
def test_ranks_lie_between_one_and_the_rank(h):
    # The rank is exact. At most 5 singular values, each within 100 eps of the largest: a ratio to
    # the largest is off by 200 eps, its square by 400, their sum by 2000; a share of the sum is
    # off by t = 1000 eps at most, and an entropy then by 5 t log(1/t).
    rank = exact_rank(exact(flat(h)))
    spread = 5 * 1000 * EPS * -math.log(1000 * EPS)
    assert 1 <= scores.stable_rank(h) <= rank + 2000 * EPS
    assert 1 - spread <= scores.effective_rank(h) <= rank * math.exp(spread)
    assert 1 <= scores.srank(h) <= rank


def exact_rank(rows):
    """Rank by elimination over the Fractions."""
    rows, rank = [list(row) for row in rows], 0
    for column in range(len(rows[0])):
        pivot = next((r for r in rows[rank:] if r[column]), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        rows.insert(rank, pivot)
        for k in range(rank + 1, len(rows)):
            factor = rows[k][column] / pivot[column]
            rows[k] = [v - factor * p for v, p in zip(rows[k], pivot, strict=True)]
        rank += 1
    return rank


def test_effective_rank_survives_a_share_that_underflows():
    assert scores.effective_rank(np.diag([1e300, 1e-300])) == 1


def test_norms_are_those_of_right_triangles():
    h = np.array([[3.0, -4.0], [5.0, 12.0]])
    assert scores.feature_norm(h) == (5 + 13) / 2
    assert scores.feature_norm(exact(h)) == 9
    assert scores.feature_norm(h.reshape(1, 2, 2, 1)) == (34**0.5 + 160**0.5) / 2
    assert scores.weight_norm(np.array([[[[1.0, -1.0]], [[1.0, 1.0]]]])) == 2
    assert scores.weight_norm(exact([[3, 4]])) == 5
    assert scores.weight_norm(np.array([3.0, 4.0])) == 5


def test_integers_are_scored_as_the_numbers_that_they_are():
    h = np.array([[-128, 127], [-128, 127]], np.int8)  # in int8 abs(-128) is -128
    for score in (*ACTIVATION_SCORES, scores.magi, scores.gradient_magnitude, scores.weight_norm):
        assert same(score(h), score(h.astype(float)))
    assert same(scores.grama(h, "incoming"), scores.grama(h.astype(float), "incoming"))


# Sets of neurons

MASKS = st.integers(1, 6).flatmap(
    lambda n: st.tuples(*[st.lists(st.booleans(), min_size=n, max_size=n)] * 2)
)


@given(MASKS)
def test_overlap_is_at_least_retention_and_is_one_exactly_for_nested_sets(masks):
    x, y = map(np.array, masks)
    set_x, set_y = set(np.flatnonzero(x)), set(np.flatnonzero(y))
    value = scores.overlap(x, y)
    if set_x and set_y:
        assert value == len(set_x & set_y) / min(len(set_x), len(set_y))
        assert value >= scores.retention(x, y) == len(set_x & set_y) / len(set_y)
        assert (value == 1) == (set_x <= set_y or set_y <= set_x)
        equal = len(set_y) <= len(set_x) or not set_x & set_y
        assert (value == scores.retention(x, y)) == equal
    else:
        assert math.isnan(value)
        assert same(scores.retention(x, y), 0.0 if set_y else math.nan)
    assert same(value, scores.overlap(y, x))
    assert same(scores.chance_overlap(x, y), scores.chance_overlap(y, x))


def test_overlap_says_one_where_all_neurons_but_one_have_left():
    before = np.ones(100, bool)
    now = np.arange(100) == 0
    assert scores.overlap(now, before) == 1
    assert scores.retention(now, before) == 0.01
    assert scores.retention(before, now) == 1
    assert scores.chance_overlap(now, before) == 1


@pytest.mark.parametrize("width", [1, 2, 5])
def test_chance_overlap_is_the_mean_overlap_over_all_sets_of_these_sizes(width):
    def mask(members):
        return np.isin(np.arange(width), members)

    for size_x, size_y in itertools.product(range(width + 1), repeat=2):
        x = range(size_x)  # by symmetry one x is enough
        sets = list(itertools.combinations(range(width), size_y))
        value = scores.chance_overlap(mask(list(x)), mask(list(sets[0])))
        if min(size_x, size_y) == 0:
            assert math.isnan(value)
            continue
        shares = [Fraction(len({*x} & {*y}), min(size_x, size_y)) for y in sets]
        assert value == float(sum(shares) / len(shares))


# Bad input

GOOD = np.ones((2, 3))
BAD_LAYERS = [
    np.ones(3),
    np.ones((2, 3, 4)),
    np.ones((0, 3)),
    np.ones((2, 0)),
    np.array([[1.0, math.nan]]),
    np.array([[math.inf]]),
]


@pytest.mark.parametrize("bad", BAD_LAYERS, ids=lambda bad: f"{bad.shape}")
def test_a_layer_of_the_wrong_shape_empty_or_not_finite_is_refused_by_name(bad):
    calls = [(score, "h") for score in (*ACTIVATION_SCORES[:-1], *RANKS, scores.feature_norm)]
    calls += [(score, "z") for score in SIGNS] + [(grama, "gradient")]
    calls += [(lambda h: scores.dormant(h, 0.1), "h")]
    calls += [(lambda g: gradient_dormant(g, 0.1), "gradient")]
    for score, argument in calls:
        with pytest.raises(InputError) as error:
            score(bad)
        assert error.value.argument == argument
        assert error.value.value is not None and error.value.accepted


@pytest.mark.parametrize("bad", [-1e-9, -1, math.nan, math.inf])
def test_a_tau_below_zero_or_not_finite_is_refused(bad):
    for call in (scores.dormant, scores.gradient_dormant):
        with pytest.raises(InputError, match=r"^tau: .* a finite number, 0 or more"):
            call(GOOD, bad)


@pytest.mark.parametrize("bad", [0, 1, -0.5, 1.5, math.nan])
def test_a_delta_that_is_not_inside_zero_to_one_is_refused(bad):
    with pytest.raises(InputError, match=r"^delta: .* between 0 and 1"):
        scores.srank(GOOD, bad)


def test_gradients_and_weights_that_cannot_be_used_are_refused_by_name():
    calls = {
        "by": [lambda: scores.grama(GOOD, "weights"), lambda: scores.gradient_dormant(GOOD, 0, "")],
        "gradient": [
            lambda: scores.grama(np.ones(3), "incoming"),
            lambda: scores.magi(np.ones(3)),
            lambda: scores.magi(np.ones((3, 0))),
            lambda: scores.magi(np.array([[1, math.nan]])),
            lambda: scores.gradient_dormant(np.array([[math.inf]]), 0.1, "incoming"),
            lambda: scores.gradient_magnitude(np.array([])),
            lambda: scores.gradient_magnitude(np.array([math.nan])),
        ],
        "weight": [
            lambda: scores.weight_norm(np.ones((2, 0))),
            lambda: scores.weight_norm(np.array([-math.inf])),
        ],
    }
    for argument, bad in calls.items():
        for call in bad:
            with pytest.raises(InputError) as error:
                call()
            assert error.value.argument == argument
            assert error.value.value is not None and error.value.accepted
    assert scores.gradient_magnitude([-1.0, 3.0]) == 2  # a bias may be asked for; lists will do


@pytest.mark.parametrize("score", [scores.overlap, scores.retention, scores.chance_overlap])
def test_masks_must_be_bool_of_one_length(score):
    good = np.array([True, False])
    names = ("now", "before") if score is scores.retention else ("x", "y")
    for bad in (np.array([1, 0]), np.array([[True, False]]), np.array([], bool)):
        for place, pair in enumerate([(bad, good), (good, bad)]):
            with pytest.raises(InputError) as error:
                score(*pair)
            assert error.value.argument == names[place]
            assert error.value.value is not None and error.value.accepted
    with pytest.raises(InputError, match=rf"^{names[1]}: \(3,\) .* shape of {names[0]}, \(2,\)"):
        score(good, np.array([True, False, True]))
    assert not math.isnan(score([True, False], [True, False]))  # lists will do
