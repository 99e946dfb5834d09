"""What is recorded of a layer: here only what the scores themselves do not say."""

import math

import pytest
import torch

from fast import scores
from fast.measures import MEASURES, Seen, measured


def seen(**changed):
    g = torch.Generator().manual_seed(0)
    z = torch.randn(8, 4, generator=g)
    layer = Seen(z, z.relu(), *(torch.randn(8, 4, generator=g) for _ in range(2)),
                 *(torch.randn(4, 3, generator=g) for _ in range(2)))  # fmt: skip
    return layer._replace(**changed)


def test_each_measure_of_a_finite_layer_is_the_score_itself():
    layer = seen()
    told = measured(layer)
    assert told.keys() == MEASURES.keys()
    assert told["dormant_0.1"] == scores.dormant(layer.h, 0.1).float().mean()
    assert all(told[name] == of(layer) for name, of in MEASURES.items())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["z", "h"])
def test_every_measure_of_a_layer_that_is_not_finite_is_undefined(where, value):
    layer = seen()
    changed = getattr(layer, where).clone()
    changed[3, 2] = value
    told = measured(layer._replace(**{where: changed}))
    assert told.keys() == MEASURES.keys()
    assert all(number.isnan() for number in told.values())
