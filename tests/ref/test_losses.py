"""What the losses are, and what values and histograms lose on the way to each other."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtr
from scipy.stats import norm, truncnorm

from ref import autograd as ag
from ref import losses
from ref.checks import InputError

EPS = np.finfo(np.float64).eps
PAPER = losses.bin_edges(0, 100, 101), 0.75  # Neuron Dominance, B.2
seeds = st.integers(0, 2**32 - 1)
dyadic = st.integers(-800, 800).map(lambda k: k / 8)

# ----------------------------------------------------------------------- regression


@given(st.lists(st.tuples(dyadic, dyadic), min_size=1, max_size=9))
def test_mse_is_the_mean_of_squares_rounded_once(pairs):
    prediction, target = map(np.array, zip(*pairs, strict=True))
    squares = [(Fraction(p) - Fraction(t)) ** 2 for p, t in pairs]
    assert losses.mse(prediction, target) == float(sum(squares) / len(pairs))


def test_mse_of_integers_does_not_wrap_around():
    assert losses.mse(np.array([0], np.uint8), np.array([17], np.uint8)) == 17**2
    assert losses.mse([0, 3], [4, 0]) == (16 + 9) / 2  # lists will do


@given(seeds, st.sampled_from([(1,), (8,), (2, 4), (4, 1)]))
def test_the_gradient_of_mse_is_twice_the_error_over_the_number_of_entries(seed, shape):
    rng = np.random.default_rng(seed)
    prediction, target = rng.integers(-64, 64, (2, *shape)) / 8  # and sizes are powers of two
    value, gradient = ag.value_and_grad(losses.mse)(prediction, target)
    assert value == losses.mse(prediction, target)
    assert np.array_equal(gradient, 2 * (prediction - target) / prediction.size)


@given(seeds, st.integers(1, 3), st.integers(1, 4), st.integers(1, 5))
def test_quantile_huber_is_the_naive_double_sum_of_an_integral(seed, batch, n, m):
    """huber(d) is the integral of min(t, 1) from 0 to |d|; axes are told apart by n != m."""
    rng = np.random.default_rng(seed)
    prediction, target = rng.uniform(-3, 3, (batch, n)), rng.uniform(-3, 3, (batch, m))
    total = 0.0
    for b in range(batch):
        for i in range(n):
            for j in range(m):
                d = target[b, j] - prediction[b, i]
                weight = 1 - (i + 0.5) / n if d < 0 else (i + 0.5) / n
                area = quad(lambda t: min(t, 1.0), 0, abs(d), points=[min(1.0, abs(d))])[0]
                total += weight * area / (m * batch)
    assert losses.quantile_huber(prediction, target) == pytest.approx(total, rel=1e-12)


def test_quantile_huber_has_no_gradient_at_the_quantiles_of_far_targets():
    """Of three predictions the first has a sixth of the targets below it, the others more."""
    target = 10.0 * np.arange(6)[None]
    prediction = np.array([[5.0, 25.0, 45.0]])  # 1, 3 and 5 of 6 targets below: 1/6, 1/2, 5/6
    gradient = ag.grad(losses.quantile_huber)(prediction, target)
    assert np.abs(gradient).max() <= 4 * EPS
    moved = ag.grad(losses.quantile_huber)(prediction + 10, target)
    assert moved == pytest.approx(np.full((1, 3), 1 / 6), rel=1e-14)  # one more target below


# ----------------------------------------------------------------------- classification


def softmax(logits):
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


@given(seeds, st.integers(1, 4), st.integers(1, 6), st.sampled_from([0.0, 1.0, 30.0]))
def test_the_gradient_of_cross_entropy_is_softmax_minus_target_over_the_batch(
    seed, batch, bins, size
):
    rng = np.random.default_rng(seed)
    logits, p = rng.uniform(-size, size, (batch, bins)), rng.dirichlet(np.ones(bins), batch)
    value, gradient = ag.value_and_grad(losses.cross_entropy)(logits, p)
    # A logit, less the greatest one, is rounded at 2 * size, and the sum of bins terms bins times;
    # the exponential turns these errors into relative ones of a softmax of at most 1.
    bound = 4 * (2 * size + bins + 4) * EPS
    assert np.abs(gradient - (softmax(logits) - p) / batch).max() <= bound
    assert value == losses.cross_entropy(logits, p)
    expected = -np.sum(p * np.log(softmax(logits))) / batch
    assert abs(value - expected) <= bound * (1 + abs(expected))


@given(seeds, st.sampled_from([0.5, 0.99]))
def test_a_target_of_less_mass_scales_the_softmax_in_the_gradient(seed, mass):
    # as the targets of Neuron Dominance, eq. (7), gamma * P * phat, whose mass is gamma
    rng = np.random.default_rng(seed)
    logits, p = rng.uniform(-1, 1, (3, 5)), mass * rng.dirichlet(np.ones(5), 3)
    gradient = ag.grad(losses.cross_entropy)(logits, p)
    assert np.abs(gradient - (mass * softmax(logits) - p) / 3).max() <= 4 * (2 + 5 + 4) * EPS


def test_cross_entropy_of_logits_far_apart_is_finite():
    assert losses.cross_entropy(np.array([[1000.0, 0.0]]), np.array([[0.0, 1.0]])) == 1000


# ----------------------------------------------------------------------- bins


@pytest.mark.parametrize("bins", [2, 101])
def test_bins_are_equal_and_cover_the_support(bins):
    edges = losses.bin_edges(-1, 99, bins)
    assert edges.shape == (bins + 1,)
    assert (edges[0], edges[-1]) == (-1, 99)
    assert np.abs(np.diff(edges) - 100 / bins).max() <= 2 * 99 * EPS
    middle = losses.centres(edges)
    assert middle.shape == (bins,)
    assert np.array_equal(middle - edges[:-1] > 0, edges[1:] - middle > 0)
    assert np.abs((middle - edges[:-1]) - (edges[1:] - middle)).max() <= 2 * 99 * EPS


def test_centres_of_unequal_bins_are_their_middles():
    assert losses.centres(np.array([0.0, 1.0, 4.0])).tolist() == [0.5, 2.5]


# ----------------------------------------------------------------------- two-hot

# Centres whose distances are powers of two: then all of two-hot's arithmetic is exact.
supports = st.tuples(
    dyadic, st.lists(st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0]), min_size=1, max_size=8)
).map(lambda pair: np.cumsum([pair[0], *pair[1]]))


@given(supports, st.lists(dyadic, min_size=1, max_size=8))
def test_two_hot_decodes_to_the_clipped_value_exactly(centres, values):
    p, clipped = losses.two_hot(np.array(values), centres)
    inside = np.clip(values, centres[0], centres[-1])
    assert np.array_equal(losses.decode(p, centres), inside)
    assert np.array_equal(p.sum(axis=1), np.ones(len(values)))
    assert (p >= 0).all()
    assert clipped == np.mean(inside != values)
    for row, value in zip(p, inside, strict=True):
        used = np.flatnonzero(row)
        assert len(used) <= 2 and used[-1] - used[0] <= 1
        assert centres[used[0]] <= value <= centres[used[-1]]


@given(supports)
def test_two_hot_is_one_hot_at_the_centres_and_beyond_the_ends(centres):
    p, clipped = losses.two_hot(centres, centres)
    assert np.array_equal(p, np.eye(len(centres)))
    assert clipped == 0
    beyond = np.array([centres[0] - 1, centres[-1] + 1, centres[0], centres[-1]])
    p, clipped = losses.two_hot(beyond, centres)
    assert np.array_equal(p, np.eye(len(centres))[[0, -1, 0, -1]])
    assert clipped == 0.5


# ----------------------------------------------------------------------- HL-Gauss


@st.composite
def histograms(draw):
    """Edges, a sigma of 1/10 to 4 bins, and values of the support, its ends included."""
    low, size = draw(dyadic), draw(st.integers(1, 100))
    bins, ratio = draw(st.integers(2, 60)), draw(st.floats(0.1, 4))
    edges = losses.bin_edges(low, low + size, bins)
    places = np.array([0.0, 1.0, *draw(st.lists(st.floats(0, 1), min_size=1, max_size=5))])
    values = np.clip(low + places * size, low, low + size)
    return edges, ratio * size / bins, values


def rounding(edges, sigma, values):
    """A bound on the error of a bin's mass, (batch,).

    An argument of erf has at most 4 roundings, and x erf'(x) is below 1/2; erf itself is good to
    an epsilon or two of at most 1. Two of them are subtracted, and divided by the mass inside.
    """
    mass = ndtr((edges[-1] - values) / sigma) - ndtr((edges[0] - values) / sigma)
    return 8 * EPS / mass


@given(histograms())
def test_hl_gauss_is_the_mass_of_a_truncated_normal_in_every_bin(case):
    edges, sigma, values = case
    p, clipped = losses.hl_gauss(values, edges, sigma)
    for row, value, bound in zip(p, values, rounding(edges, sigma, values), strict=True):
        ends = (edges[0] - value) / sigma, (edges[-1] - value) / sigma
        below = truncnorm(*ends, loc=value, scale=sigma).cdf(edges)
        assert np.abs(row - np.diff(below)).max() <= 2 * bound  # both round
    assert clipped == 0
    assert (p >= 0).all()
    # the masses telescope; their rounding, that of the division and of the sum remain
    assert np.abs(p.sum(axis=1) - 1).max() <= (len(edges) + 3) * EPS


@given(histograms())
def test_hl_gauss_decodes_to_the_mean_of_the_truncated_normal_up_to_the_bins_width(case):
    """The bound, for bins of width w; c(x) is the centre of x's bin on an endless grid.

    c(x) - x is the sawtooth (w / pi) sum_m sin(2 pi m (x - low) / w) / m. For x ~ N(value, sigma)
    the mean of the m-th sine is at most q^(m^2), q = exp(-2 (pi sigma / w)^2): so the mean of
    c(x) - x is at most (w / pi) q / (1 - q). What of it is due to x outside the support, where
    abs(c(x) - x) <= w / 2, is missing; and all is divided by the mass inside. The mean of the
    truncated normal is value + sigma (pdf(a) - pdf(b)) / mass: the term at the edges a and b,
    exponentially small away from them.
    """
    edges, sigma, values = case
    p, _ = losses.hl_gauss(values, edges, sigma)
    decoded = losses.decode(p, losses.centres(edges))
    w = (edges[-1] - edges[0]) / (len(edges) - 1)
    a, b = (edges[0] - values) / sigma, (edges[-1] - values) / sigma
    mass = ndtr(b) - ndtr(a)
    truncated = values + sigma * (norm.pdf(a) - norm.pdf(b)) / mass
    q = math.exp(-2 * (math.pi * sigma / w) ** 2)
    bound = (w / math.pi * q / (1 - q) + w / 2 * (1 - mass)) / mass
    exact = (len(edges) * rounding(edges, sigma, values) + 8 * EPS) * np.abs(edges).max()
    assert (np.abs(decoded - truncated) <= bound + exact).all()


def test_away_from_the_ends_the_papers_hl_gauss_decodes_what_it_encodes_to_4e_6():
    edges, sigma = PAPER
    w = 100 / 101
    q = math.exp(-2 * (math.pi * sigma / w) ** 2)
    assert w / math.pi * q / (1 - q) < 4e-6  # the bound of the test above
    values = np.linspace(10 * sigma, 100 - 10 * sigma, 1001)  # ndtr(-10) is below 1e-23
    decoded = losses.decode(losses.hl_gauss(values, edges, sigma)[0], losses.centres(edges))
    assert np.abs(decoded - values).max() <= w / math.pi * q / (1 - q) + 102 * 8 * EPS * 100


def test_the_papers_hl_gauss_reads_zero_as_0_688():
    # The mean of the centres is w (1/2 + sum_k P(x > k w)) for x truncated to [0, 100].
    edges, sigma = PAPER
    above = truncnorm(0, 100 / sigma, scale=sigma).sf(edges[1:-1])
    expected = 100 / 101 * (0.5 + above.sum())
    p, clipped = losses.hl_gauss(np.zeros(1), edges, sigma)
    decoded = losses.decode(p, losses.centres(edges))[0]
    assert abs(decoded - expected) <= 102 * 16 * EPS * 100
    assert round(decoded, 3) == 0.688
    assert clipped == 0


def test_values_backed_up_through_the_papers_hl_gauss_end_at_1_83_and_not_at_zero():
    edges, sigma = PAPER
    values = np.array([0.0, 1.0, 50.0, 100.0])
    for _ in range(1000):
        p, _ = losses.hl_gauss(0.99 * values, edges, sigma)  # no reward
        values = losses.decode(p, losses.centres(edges))
    assert [round(value, 2) for value in values] == [1.83] * 4


@given(
    st.integers(-50, 50),
    st.sampled_from([2, 3, 4, 8, 16]),
    st.sampled_from([0.25, 1.0]),
    st.integers(0, 64),
    st.floats(0.1, 10),
)
def test_hl_gauss_of_mirrored_values_is_mirrored_exactly(middle, bins, width, k, sigma):
    # all differences of edges and values are exact, and erf is odd to the last bit
    reach = bins * width / 2
    edges = losses.bin_edges(middle - reach, middle + reach, bins)
    p, _ = losses.hl_gauss(middle + np.array([-k, k]) / 64 * reach, edges, sigma)
    assert np.array_equal(p[0], p[1][::-1])


@given(histograms(), st.floats(0.125, 100))
def test_values_outside_are_clipped_to_the_edges_and_the_share_is_told(case, beyond):
    edges, sigma, _ = case
    ends = edges[[0, -1]]
    outside = np.array([ends[0] - beyond, ends[1] + beyond, *ends])
    p, clipped = losses.hl_gauss(outside, edges, sigma)
    at_ends, none = losses.hl_gauss(ends, edges, sigma)
    assert np.array_equal(p, at_ends[[0, 1, 0, 1]])
    assert (clipped, none) == (0.5, 0)


def test_a_sigma_that_vanishes_gives_the_bin_alone_and_half_of_each_at_an_edge():
    p, _ = losses.hl_gauss(np.array([0.0, 0.5, 1.0]), np.array([0.0, 1.0, 2.0]), 1e-9)
    assert p.tolist() == [[1, 0], [1, 0], [0.5, 0.5]]


def test_the_decoded_value_is_differentiable_in_the_probabilities():
    centres = np.array([-1.0, 0.5, 4.0])
    gradient = ag.grad(lambda p: ag.sum(losses.decode(p, centres)))(np.full((2, 3), 1 / 3))
    assert np.array_equal(gradient, [centres, centres])


# ----------------------------------------------------------------------- bad input

V, E, P = np.zeros(2), np.array([0.0, 1.0, 2.0]), np.full((2, 2), 0.5)
NAN = np.array([0.0, np.nan])


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: losses.mse(V, np.zeros((2, 1))), "target"),
        (lambda: losses.mse(np.zeros(0), np.zeros(0)), "prediction"),
        (lambda: losses.mse(NAN, V), "prediction"),
        (lambda: losses.mse(V, NAN), "target"),
        (lambda: ag.grad(losses.mse)(NAN, V), "prediction"),
        (lambda: losses.mse(V, ag.Node(V)), "node"),
        (lambda: losses.cross_entropy(P, ag.Node(P)), "node"),
        (lambda: losses.cross_entropy(P, P[:1]), "probabilities"),
        (lambda: losses.cross_entropy(V, V), "logits"),
        (lambda: losses.cross_entropy(P[:0], P[:0]), "logits"),
        (lambda: losses.cross_entropy(P * np.inf, P), "logits"),
        (lambda: losses.cross_entropy(P, P * np.nan), "probabilities"),
        (lambda: losses.bin_edges(1, 1, 5), "low, high"),
        (lambda: losses.bin_edges(2, 1, 5), "low, high"),
        (lambda: losses.bin_edges(math.nan, 1, 5), "low, high"),
        (lambda: losses.bin_edges(-math.inf, 1, 5), "low, high"),
        (lambda: losses.bin_edges(0, math.inf, 5), "low, high"),
        (lambda: losses.bin_edges(0, 1, 1), "bins"),
        (lambda: losses.bin_edges(0, 1, 2.5), "bins"),
        (lambda: losses.bin_edges(1, 1 + 2 * EPS, 5), "bins"),
        (lambda: losses.centres(E[::-1]), "edges"),
        (lambda: losses.centres(E[:1]), "edges"),
        (lambda: losses.two_hot(V, E[[0, 2, 1]]), "centres"),
        (lambda: losses.two_hot(V, E[[0, 0, 1]]), "centres"),
        (lambda: losses.two_hot(V, E[:1]), "centres"),
        (lambda: losses.two_hot(V, P), "centres"),
        (lambda: losses.two_hot(V, np.array([0.0, np.inf])), "centres"),
        (lambda: losses.two_hot(P, E), "value"),
        (lambda: losses.two_hot(V[:0], E), "value"),
        (lambda: losses.two_hot(NAN, E), "value"),
        (lambda: losses.hl_gauss(V, E[::-1], 1.0), "edges"),
        (lambda: losses.hl_gauss(V, E * np.nan, 1.0), "edges"),
        (lambda: losses.hl_gauss(V, E, 0.0), "sigma"),
        (lambda: losses.hl_gauss(V, E, -1.0), "sigma"),
        (lambda: losses.hl_gauss(V, E, math.nan), "sigma"),
        (lambda: losses.hl_gauss(V, E, math.inf), "sigma"),
        (lambda: losses.hl_gauss(P, E, 1.0), "value"),
        (lambda: losses.hl_gauss(V[:0], E, 1.0), "value"),
        (lambda: losses.hl_gauss(NAN, E, 1.0), "value"),
        (lambda: losses.decode(V, V), "probabilities"),
        (lambda: losses.decode(P[:0], V), "probabilities"),
        (lambda: losses.decode(P, E), "centres"),
    ],
)
def test_bad_input_is_refused_by_name(call, argument):
    with pytest.raises(InputError) as refused:
        call()
    assert refused.value.argument == argument
    assert refused.value.value is not None and refused.value.accepted


def test_the_smallest_settings_are_accepted():
    assert losses.bin_edges(0, 1, 2).tolist() == [0, 0.5, 1]
    assert losses.two_hot(V[:1], E[:2])[0].tolist() == [[1, 0]]
    assert losses.hl_gauss(V[:1], E[:2], 1e-300)[0].tolist() == [[1]]
