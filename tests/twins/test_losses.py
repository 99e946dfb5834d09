"""ref's losses are fast's, in float64: values and gradients."""

import inspect

import numpy as np
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import ndtr

from fast import losses as fast
from ref import autograd as ag
from ref import losses as ref

EPS = np.finfo(np.float64).eps
seeds = st.integers(0, 2**32 - 1)
dyadic = st.integers(-800, 800).map(lambda k: k / 8)


def tensor(x):
    return torch.from_numpy(np.asarray(x))


def both_gradients(name, prediction, target):
    """Value and gradient of a loss in its first argument, of ref and of fast."""
    traced = tensor(prediction).clone().requires_grad_()
    loss = getattr(fast, name)(traced, tensor(target))
    loss.backward()
    return ag.value_and_grad(getattr(ref, name))(prediction, target), (loss.item(), traced.grad)


@given(seeds, st.integers(1, 300))
def test_mse_and_its_gradient(seed, batch):
    prediction, target = np.random.default_rng(seed).uniform(-8, 8, (2, batch))
    (value, gradient), (other, other_gradient) = both_gradients("mse", prediction, target)
    # squares, sum and quotient of positive numbers: (batch + 3) relative roundings on each side
    assert abs(value - other) <= (batch + 3) * EPS * value
    assert np.abs(gradient - other_gradient.numpy()).max() <= 4 * EPS * np.abs(gradient).max()


@given(seeds, st.integers(1, 300))
def test_huber_and_its_gradient(seed, batch):
    prediction, target = np.random.default_rng(seed).uniform(-2, 2, (2, batch))
    target[0] = prediction[0] - 1  # at the kink of its second derivative
    (value, gradient), (other, other_gradient) = both_gradients("huber", prediction, target)
    # half of a product, sum and quotient of numbers that are not negative
    assert abs(value - other) <= (batch + 5) * EPS * value
    assert np.abs(gradient - other_gradient.numpy()).max() <= 4 * EPS / batch
    clipped = np.clip(prediction - target, -1, 1)
    assert np.abs(batch * gradient - clipped).max() <= 8 * EPS


@given(seeds, st.integers(1, 5), st.integers(1, 7), st.integers(1, 7))
def test_quantile_huber_and_its_gradient(seed, batch, n, m):
    rng = np.random.default_rng(seed)
    prediction, target = rng.uniform(-3, 3, (batch, n)), rng.uniform(-3, 3, (batch, m))
    target[0, 0] = prediction[0, 0] - 1  # at the kink of its second derivative
    target[-1, -1] = prediction[-1, -1]  # and of its first
    (value, gradient), (other, other_gradient) = both_gradients(
        "quantile_huber", prediction, target
    )
    # a sum of products of numbers that are not negative, three roundings each and four of the sizes
    assert abs(value - other) <= (batch * n * m + 12) * EPS * value
    assert np.abs(gradient - other_gradient.numpy()).max() <= 8 * (m + 2) * EPS / batch
    members = np.stack([prediction, prediction + 0.5])
    both = fast.quantile_huber(tensor(members), tensor(target)).item()
    apart = value + ref.quantile_huber(members[1], target)
    assert abs(both - apart) <= (2 * batch * n * m + 12) * EPS * apart


@given(seeds, st.integers(1, 5), st.integers(1, 101), st.sampled_from([1.0, 30.0]))
def test_cross_entropy_and_its_gradient(seed, batch, bins, size):
    rng = np.random.default_rng(seed)
    logits, p = rng.uniform(-size, size, (batch, bins)), rng.dirichlet(np.ones(bins), batch)
    (value, gradient), (other, other_gradient) = both_gradients("cross_entropy", logits, p)
    # A log-probability is below 2 * size + log(bins), and off by that and by the rounding of a
    # sum of bins terms; the sums over bins and batch add theirs, relative to what is summed.
    bound = (2 * size + bins) * EPS
    assert abs(value - other) <= 2 * bound + 2 * (bins + batch + 4) * EPS * value
    assert np.abs(gradient - other_gradient.numpy()).max() <= 2 * (bound + 4 * EPS) / batch


@given(seeds, st.integers(1, 30), st.floats(0, 1))
def test_gae(seed, steps, trace):
    rng = np.random.default_rng(seed)
    reward, value, after = rng.uniform(-8, 8, (3, steps))
    over = rng.random(steps) < 0.3
    discount = np.where(over & (rng.random(steps) < 0.5), 0, 0.99)
    given_ = reward, discount, value, after, over
    found = fast.gae(*map(tensor, given_), trace).numpy()
    # A sum of at most `steps` terms of at most 24: each step rounds it four times, on either side.
    assert np.abs(found - ref.gae(*given_, trace)).max() <= 8 * steps**2 * 24 * EPS


@given(dyadic, st.integers(1, 100), st.integers(2, 200))
@example(0.0, 1, 49)  # 49 * (1 / 49) is below 1
def test_edges_and_centres_are_equal_to_the_last_bit(low, size, bins):
    edges = ref.bin_edges(low, low + size, bins)
    assert np.array_equal(fast.bin_edges(low, low + size, bins), edges)
    assert np.array_equal(fast.centres(tensor(edges)), ref.centres(edges))


supports = st.tuples(
    dyadic, st.lists(st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0]), min_size=1, max_size=8)
).map(lambda pair: np.cumsum([pair[0], *pair[1]]))


@given(supports, st.lists(dyadic, min_size=1, max_size=8))
def test_two_hot_is_equal_on_dyadic_values_at_the_centres_and_beyond(centres, values):
    values = np.array([*values, *centres, centres[0] - 1, centres[-1] + 1])
    p, clipped = ref.two_hot(values, centres)
    q, share = fast.two_hot(tensor(values), tensor(centres))
    assert np.array_equal(p, q)
    assert clipped == share.item()
    assert np.array_equal(ref.decode(p, centres), fast.decode(q, tensor(centres)))


@given(seeds, dyadic, st.integers(1, 100), st.integers(2, 101), st.floats(0.1, 4))
def test_hl_gauss_and_decode(seed, low, size, bins, ratio):
    edges, sigma = ref.bin_edges(low, low + size, bins), ratio * size / bins
    values = low + size * np.random.default_rng(seed).uniform(-0.5, 1.5, 6)
    values[:2] = edges[0], edges[-1]
    p, clipped = ref.hl_gauss(values, edges, sigma)
    q, share = fast.hl_gauss(tensor(values), tensor(edges), sigma)
    assert clipped == share.item()
    # The arguments of erf are equal but for their last bits, erf is good to two epsilons or so;
    # two are subtracted and divided by their mass inside the support.
    inside = values.clip(edges[0], edges[-1])
    mass = ndtr((edges[-1] - inside) / sigma) - ndtr((edges[0] - inside) / sigma)
    bound = 8 * EPS / mass
    assert (np.abs(p - q.numpy()).max(axis=1) <= bound).all()
    middle = ref.centres(edges)
    decoded = fast.decode(tensor(p), tensor(middle)).numpy()
    assert np.abs(decoded - ref.decode(p, middle)).max() <= 2 * bins * EPS * np.abs(edges).max()


def test_the_gradient_through_decode_is_equal():
    centres = np.array([-1.0, 0.5, 4.0])
    p = np.full((2, 3), 0.25)
    traced = tensor(p).clone().requires_grad_()
    fast.decode(traced, tensor(centres)).sum().backward()
    gradient = ag.grad(lambda x: ag.sum(ref.decode(x, centres)))(p)
    assert np.array_equal(traced.grad, gradient)


def public(module):
    return {
        name: [(p.name, p.default, p.kind) for p in inspect.signature(value).parameters.values()]
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and name[0] != "_"
    }


def test_the_twins_are_the_same_functions_of_the_same_arguments():
    assert public(ref) == public(fast)
    assert public(ref).keys() == {
        *("mse", "huber", "quantile_huber", "cross_entropy", "gae"),
        *("bin_edges", "centres", "two_hot", "hl_gauss", "decode"),
    }
