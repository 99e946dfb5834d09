"""A convolution and its ReLU as one kernel are both in turn, to the last bit."""

import pytest
import torch

from fast.nets import fused
from fast.nets.layers import Conv, tapped

TYPES = [torch.float32, torch.bfloat16]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(("shape", "neurons", "kernel", "stride", "padding"), [
    ((16, 9, 32, 32), 8, 3, 2, 0), ((5, 8, 15, 15), 7, 3, 1, 0),
    ((8, 4, 36, 36), 16, 8, 4, 0), ((3, 5, 9, 9), 5, 3, 1, 1),
])  # fmt: skip
def test_values_and_gradients_are_those_of_both_in_turn(
    dtype, shape, neurons, kernel, stride, padding, monkeypatch
):
    if dtype not in fused.TYPES:
        pytest.skip("this processor has no bfloat16")
    generator = torch.Generator().manual_seed(0)
    layer = Conv(shape[1], neurons, kernel, stride, padding).to(dtype)
    for p in layer.parameters():
        p.data.normal_(std=0.2, generator=generator)
    x = torch.randn(shape, generator=generator).to(dtype).requires_grad_()
    monkeypatch.setattr(fused, "LEAST", 0)
    monkeypatch.setattr(fused, "conv_relu", wrapped := Counted(fused.conv_relu))
    found = []
    for types in (fused.TYPES, set()):
        monkeypatch.setattr(fused, "TYPES", types)
        y = layer(x)
        found.append([y, *torch.autograd.grad(y.square().sum(), [x, *layer.parameters()])])
    assert wrapped.calls == 1 and (found[0][0] == 0).any() and (found[0][0] > 0).any()
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other) and one.stride() == other.stride()


class Counted:
    def __init__(self, call):
        self.call, self.calls = call, 0

    def __call__(self, *given):
        self.calls += 1
        return self.call(*given)


def test_a_pass_that_is_looked_at_a_small_one_and_another_type_are_plain(monkeypatch):
    monkeypatch.setattr(fused, "conv_relu", None)  # would fail
    layer, x = Conv(2, 3, 3), torch.ones(4, 2, 8, 8)
    layer(x)
    monkeypatch.setattr(fused, "LEAST", 0)
    with tapped(layer) as taps:
        layer(x)
    assert [*taps] == [""]
    layer.double()(x.double())
    with pytest.raises(TypeError):
        layer.float()(x)
