"""The scores at their kinks and ties, on numbers that floats hold exactly."""

import inspect
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fast import scores
from fast.errors import InputError
from fast.measures import RANKS, Seen, measured

# Multiples of 1/4 up to 16: sums of few of them are exact in float64.
LAYERS = hnp.arrays(
    "float64",
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=5),
    elements=st.integers(-64, 64).map(lambda k: k / 4),
    fill=st.nothing(),
).map(torch.from_numpy)
DEAD = torch.zeros(4, 3, dtype=torch.float64)


def layer_scores(z, h, gradient):
    """All that a run records of a layer of which nothing else is known."""
    return measured(Seen(z, h, gradient, gradient, gradient, gradient))


def every_score(h, x, y):
    """Every score there is, of a layer (also taken for its gradient and weight) and of two sets."""
    of_arrays = (
        *(scores.mean_activation, scores.activation_score, scores.dominant, scores.largest_score),
        scores.largest_neuron,
        *(scores.largest_share, scores.saturated, scores.zombie, scores.collapsed, scores.grama),
        *(scores.srank, scores.effective_rank, scores.stable_rank, scores.feature_norm),
        *(scores.magi, scores.gradient_magnitude, scores.weight_norm),
    )
    of_sets = scores.overlap, scores.retention, scores.chance_overlap
    result = {score.__name__: score(h) for score in of_arrays}
    result |= {score.__name__: score(x, y) for score in of_sets}
    for by in ("activation", "preactivation", "incoming"):
        result[f"grama by {by}"] = scores.grama(h, by)
        result[f"gradient_dormant by {by}"] = scores.gradient_dormant(h, 0.1, by)
    result["dormant"] = scores.dormant(h, 0.1)
    return result


@given(LAYERS)
def test_scores_average_to_one_and_the_definitions_agree(z):
    h = z.clamp(min=0)
    batch, width = h.shape
    a = [sum(abs(h[b, i].item()) for b in range(batch)) for i in range(width)]  # times batch
    total = sum(a)
    for i in range(width):
        assert scores.dominant(h)[i] == (a[i] > total - a[i])
        assert scores.dormant(h, 0.0)[i] == (a[i] == 0)
        assert scores.saturated(z)[i] == all(z[b, i] <= 0 for b in range(batch))
        assert scores.zombie(z)[i] == all(z[b, i] > 0 for b in range(batch))
        assert not (scores.saturated(z)[i] and scores.zombie(z)[i])
    # after a ReLU a neuron is saturated exactly if it is 0-dormant
    assert torch.equal(scores.saturated(z), scores.dormant(h, 0.0))
    score = scores.activation_score(h)
    if total > 0:
        assert score.mean().item() == pytest.approx(1, rel=1e-14)
        assert scores.dominant(h).sum() <= 1
    else:
        assert score.isnan().all()


def test_a_dead_layer_is_all_dormant_and_has_no_scores_no_rank_and_no_dominant_neuron():
    assert scores.dormant(DEAD, 0.0).all()
    assert scores.dormant(DEAD, 0.1).all()
    assert not scores.dominant(DEAD).any()
    assert scores.saturated(DEAD).all()
    assert not scores.zombie(DEAD).any()
    result = layer_scores(DEAD, DEAD, gradient=torch.zeros(3, 2))
    undefined = {name for name, value in result.items() if value.isnan()}
    ranks = {"srank", "effective_rank"}
    assert undefined == {"largest_score", "largest_share", "largest_neuron"} | ranks


def test_a_neuron_exactly_at_a_threshold_is_dormant_but_not_dominant():
    h = torch.tensor([[3.0, 1.0, 2.0]], dtype=torch.float64)
    assert scores.dominant(h).tolist() == [False, False, False]  # 3 = 1 + 2
    assert scores.dormant(h, 0.5).tolist() == [False, True, False]  # 1 = 0.5 * mean
    above = h + torch.tensor([0.25, 0.0, 0.0])
    assert scores.dominant(above).tolist() == [True, False, False]


def test_the_activation_score_uses_absolute_values():
    h = torch.tensor([[-2.0, 0.5], [2.0, 0.5]], dtype=torch.float64)
    assert scores.activation_score(h).tolist() == [1.6, 0.4]


@pytest.mark.parametrize(
    ("sigma", "delta", "rank"),
    [
        ([1, 0, 0], 0.01, 1),
        ([1, 1, 1], 0.01, 3),
        ([97, 1, 1, 1], 0.01, 3),  # 99 of 100 reached at the third
        ([3, 1], 0.25, 1),  # exactly 1 - delta is enough
        ([3, 1], 0.24, 2),
    ],
)
def test_srank_counts_singular_values_up_to_their_share_of_the_sum(sigma, delta, rank):
    assert scores.srank(torch.diag(torch.tensor(sigma, dtype=torch.float64)), delta) == rank


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_effective_rank_of_equal_singular_values_is_their_number(count):
    h = torch.zeros(7, 5, dtype=torch.float64)
    h[:count, :count] = 3 * torch.eye(count)
    assert scores.effective_rank(h).item() == pytest.approx(count, rel=1e-14)
    two = torch.diag(torch.tensor([3.0, 1.0], dtype=torch.float64))
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert scores.effective_rank(two).item() == pytest.approx(math.exp(entropy), rel=1e-14)


def test_layer_scores_name_the_largest_neuron_and_its_share():
    h = torch.tensor([[1.0, 5.0, 0.0, 2.0]], dtype=torch.float64)
    result = layer_scores(h - 0.5, h, gradient=torch.tensor([[-1.0], [3.0], [3.0], [1.0]]))
    assert result["largest_neuron"] == 1
    assert result["largest_share"] == 5 / 8
    assert result["largest_score"] == 2.5
    assert result["dominant"] == result["saturated"] == result["dormant_0"] == 1 / 4
    assert result["zombie"] == 3 / 4
    assert result["gradient_magnitude"] == 2


def public_scores():
    return {
        name
        for name, value in vars(scores).items()
        if inspect.isfunction(value) and value.__module__ == scores.__name__ and name[0] != "_"
    }


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 4, 5)])
def test_no_score_waits_for_the_device(shape):
    # Tensors on the meta device have a shape and no values: whatever asks for one fails there.
    h = torch.empty(shape, device="meta")
    x = torch.empty(3, dtype=torch.bool, device="meta")
    with pytest.raises(RuntimeError):
        h.max().item()
    result = every_score(h, x, x)
    assert public_scores() == {name.partition(" ")[0] for name in result}
    assert all(value.is_meta for value in result.values())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scores_keep_the_type_and_are_the_same_with_and_without_gradients(dtype):
    # With gradients LAPACK's algorithm is another: by both the singular values are exactly 2 and 1.
    h = torch.tensor([[-2.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=dtype)
    x, y = torch.tensor([True, True, False]), torch.tensor([True, False, True])
    result = every_score(h, x, y)
    sets = {"overlap", "retention", "chance_overlap"}  # no numbers in: torch's default type out
    for name, value in result.items():
        assert value.dtype in (dtype, torch.bool) or name in sets, name
    followed = every_score(h.clone().requires_grad_(), x, y)
    with torch.no_grad():
        unfollowed = every_score(h.clone().requires_grad_(), x, y)
    for name, value in result.items():
        assert torch.equal(value, followed[name]) and torch.equal(value, unfollowed[name]), name
    assert result["mean_activation"].tolist() == [1, 0.5, 0]
    assert result["activation_score"].tolist() == [2, 1, 0]
    assert result["dormant"].tolist() == [False, False, True]
    assert result["collapsed"].item() is False


def test_a_convolutional_neuron_is_a_channel_over_batch_and_space():
    h = torch.tensor([[[[1.0, 0.0]], [[-1.0, -2.0]]], [[[3.0, 4.0]], [[0.0, -1.0]]]])
    assert h.shape == (2, 2, 1, 2)
    rows = torch.tensor([[1.0, -1.0], [0.0, -2.0], [3.0, 0.0], [4.0, -1.0]])
    assert scores.mean_activation(h).tolist() == [2, 1]
    assert scores.saturated(h).tolist() == [False, True]
    assert scores.dominant(h).tolist() == [True, False]
    gradient = torch.ones(2, 2)
    ours = layer_scores(h, h, gradient)
    theirs = layer_scores(rows, rows, gradient)
    assert ours == {k: v for k, v in theirs.items() if k not in RANKS}
    assert theirs.keys() - ours.keys() == RANKS.keys()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.bool])
def test_a_layer_that_is_not_float32_or_float64_is_refused(dtype):
    with pytest.raises(InputError, match=r"^h: .* float32 or float64"):
        scores.activation_score(torch.ones(2, 3, dtype=dtype))


@given(
    hnp.arrays(
        "float32",
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
        elements=st.floats(-1, 1, width=32),
        fill=st.nothing(),
    ),
    st.sampled_from([1e-300, 1e-9, 0.01, 0.5, 0.999]),
)
def test_no_rounding_takes_srank_out_of_one_to_the_smaller_side(h, delta):
    rank = scores.srank(torch.from_numpy(h), delta)
    assert rank in range(1, min(h.shape) + 1) or (rank.isnan() and not h.any())


@given(st.integers(1, 5).flatmap(lambda n: hnp.arrays("float64", n, elements=st.floats(0, 1e9))))
def test_no_rounding_makes_two_neurons_dominant(a):
    assert scores.dominant(torch.from_numpy(a)[None]).sum() <= 1


@pytest.mark.parametrize("bad", [torch.inf, torch.nan])
def test_nobody_is_dormant_where_an_activation_or_a_gradient_is_not_finite(bad):
    h = torch.tensor([[1.0, 0.0, bad]])
    assert not scores.dormant(h, 0.1).any()
    assert not any(scores.gradient_dormant(h, 0.1, by).any() for by in ("activation", "incoming"))
    assert not scores.dominant(h).any()
