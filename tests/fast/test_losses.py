"""What is the torch losses' own: no waiting, precision, and bad input. See tests/twins too."""

import math

import pytest
import torch

from fast import losses
from fast.errors import InputError


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_loss_reads_a_tensor_s_values_and_all_keep_the_precision(dtype):
    """On the meta device tensors hold nothing, and whatever would wait for values raises."""

    def empty(*shape):
        return torch.empty(*shape, dtype=dtype, device="meta", requires_grad=True)

    edges = losses.bin_edges(0, 100, 5).to("meta", dtype)
    centres = losses.centres(edges)
    p, share = losses.hl_gauss(empty(3), edges, 0.75)
    q, other = losses.two_hot(empty(3), centres)
    assert p.shape == q.shape == (3, 5)
    results = [losses.mse(empty(3), empty(3)), losses.cross_entropy(empty(3, 5), p),
               losses.quantile_huber(empty(2, 3, 5), empty(3, 4))]  # fmt: skip
    for loss in results:
        assert loss.shape == ()
        loss.backward()
    results += [centres, p, q, share, other, losses.decode(p, centres)]
    assert [(x.dtype, x.device.type) for x in results] == [(dtype, "meta")] * len(results)


V, P = torch.zeros(2), torch.full((2, 2), 0.5)
E = torch.tensor([0.0, 1.0, 2.0])


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: losses.mse(V, V[:, None]), "target"),
        (lambda: losses.mse(V[:0], V[:0]), "prediction"),
        (lambda: losses.quantile_huber(P, V), "target"),
        (lambda: losses.quantile_huber(P[:1], P), "prediction"),
        (lambda: losses.quantile_huber(P[:, :0], P), "prediction"),
        (lambda: losses.quantile_huber(V, P), "prediction"),
        (lambda: losses.cross_entropy(P, P[:1]), "probabilities"),
        (lambda: losses.cross_entropy(V, V), "logits"),
        (lambda: losses.cross_entropy(P[:0], P[:0]), "logits"),
        (lambda: losses.bin_edges(1, 1, 5), "low, high"),
        (lambda: losses.bin_edges(2, 1, 5), "low, high"),
        (lambda: losses.bin_edges(math.nan, 1, 5), "low, high"),
        (lambda: losses.bin_edges(-math.inf, 1, 5), "low, high"),
        (lambda: losses.bin_edges(0, math.inf, 5), "low, high"),
        (lambda: losses.bin_edges(0, 1, 1), "bins"),
        (lambda: losses.bin_edges(0, 1, 2.5), "bins"),
        (lambda: losses.bin_edges(1, math.nextafter(1, 2), 5), "bins"),
        (lambda: losses.centres(E[:1]), "edges"),
        (lambda: losses.centres(P), "edges"),
        (lambda: losses.two_hot(V, E[:1]), "centres"),
        (lambda: losses.two_hot(V, P), "centres"),
        (lambda: losses.two_hot(P, E), "value"),
        (lambda: losses.two_hot(V[:0], E), "value"),
        (lambda: losses.two_hot(V, E.double()), "value"),
        (lambda: losses.hl_gauss(V, E[:1], 1.0), "edges"),
        (lambda: losses.hl_gauss(V, E, 0.0), "sigma"),
        (lambda: losses.hl_gauss(V, E, math.nan), "sigma"),
        (lambda: losses.hl_gauss(V, E, math.inf), "sigma"),
        (lambda: losses.hl_gauss(P, E, 1.0), "value"),
        (lambda: losses.hl_gauss(V[:0], E, 1.0), "value"),
        (lambda: losses.hl_gauss(V, E.double(), 1.0), "value"),
        (lambda: losses.decode(V, V), "probabilities"),
        (lambda: losses.decode(P[:0], V), "probabilities"),
        (lambda: losses.decode(P, E), "centres"),
    ],
)
def test_bad_input_is_refused_by_name(call, field):
    with pytest.raises(InputError) as refused:
        call()
    assert refused.value.field == field
