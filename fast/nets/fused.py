"""relu(conv(x) + b) as one kernel: on a CPU, oneDNN's, to the last bit what both in turn give.

What a convolution writes would be read and written once more. But for NaN, of which oneDNN's ReLU
makes 0: pictures have none, and a look at the neurons, which has both in turn, tells of it.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TYPES: set[torch.dtype] = set()  # those of which torch's own convolution is oneDNN's too
if torch.backends.mkldnn.is_available():
    TYPES.add(torch.float32)
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        TYPES.add(torch.bfloat16)
LEAST = 2**20  # numbers read; of fewer the call through Python takes longer than it saves


def fits(x: Tensor, layer: nn.Conv2d) -> bool:
    """Whether it may stand for both: where torch's own convolution would be oneDNN's too."""
    return (
        x.device.type == "cpu" and x.numel() >= LEAST and x.dtype in TYPES
        and layer.bias is not None and layer.weight.shape[-1] > 1
    )  # fmt: skip


def conv_relu(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """relu(layer(x)), in the type of x, of a layer that `fits`."""
    assert layer.bias is not None
    weight, bias = layer.weight.to(x.dtype), layer.bias.to(x.dtype)
    return _conv_relu(x, weight, bias, layer.stride[0], int(layer.padding[0]))


@torch.library.custom_op("fast::conv_relu", mutates_args=())
def _conv_relu(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    return torch.ops.mkldnn._convolution_pointwise(
        x, weight, bias, [padding] * 2, [stride] * 2, [1, 1], 1, "relu", [], ""
    )


@_conv_relu.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    return F.conv2d(x, weight, bias, stride, padding)


def _keep(ctx: Any, inputs: Any, output: Tensor) -> None:
    x, weight, _, *ctx.how = inputs
    ctx.save_for_backward(x, weight, output)


def _gradients(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, weight, y = ctx.saved_tensors
    stride, padding = ctx.how
    of_sum = torch.ops.aten.threshold_backward(grad, y, 0)
    found = torch.ops.aten.convolution_backward(
        of_sum, x, weight, [len(weight)], [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1,
        ctx.needs_input_grad[:3],
    )  # fmt: skip
    return *found, None, None


_conv_relu.register_autograd(_gradients, setup_context=_keep)
