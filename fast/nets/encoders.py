"""What pictures go through first: uint8 (batch, channels, size, size) -> features (batch, F).

Each has `bfloat16`, whether it computes in bfloat16, and `features(size)`, how many it returns.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fast.nets.layers import Conv


class Convolutions(nn.Module):
    """3x3 convolutions without padding, each with ReLU: DrQ's encoder, flattened."""

    def __init__(self, inputs: int, channels: int, strides: Sequence[int], bfloat16: bool = False):
        super().__init__()
        for i, stride in enumerate(strides):
            self.add_module(f"conv{i}", Conv(channels if i else inputs, channels, 3, stride))
        self.channels, self.strides = channels, strides
        self.bfloat16: bool = bfloat16  # type: ignore[assignment]  # torch has a method of that name

    def forward(self, obs: Tensor) -> Tensor:
        return _in_own_precision(self, self._convolve, obs)

    def _convolve(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = layer(x)
        return x.flatten(1)

    def features(self, size: int) -> int:
        return self.channels * feature_map(size, self.strides) ** 2


class ResNet18(nn.Module):
    """ResNet-18 (He et al. 2016) in the place of the convolutions (Neuron Dominance, C.1).

    A 7x7 convolution and a max pooling, each with stride 2, four stages of two blocks, and the
    mean over space. GroupNorm stands for the original's batch normalisation: with that a value
    would depend on what else is in the batch, and on running means that the target has not.
    """

    def __init__(self, inputs: int, width: int, bfloat16: bool = False):
        super().__init__()
        self.stem = Conv(inputs, width, 7, 2, 3, bias=False, norm=group_norm)
        widths = [width, *(width * 2**stage for stage in range(4))]
        self.blocks = nn.ModuleList()
        for stage, (before, after) in enumerate(pairwise(widths)):
            self.blocks.append(Block(before, after, 1 if stage == 0 else 2))
            self.blocks.append(Block(after, after, 1))
        self.width = width
        self.bfloat16: bool = bfloat16  # type: ignore[assignment]  # torch has a method of that name

    def forward(self, obs: Tensor) -> Tensor:
        return _in_own_precision(self, self._convolve, obs).mean((2, 3))

    def _convolve(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.stem(x), 3, 2, 1)
        for block in self.blocks:
            x = block(x)
        return x

    def features(self, size: int) -> int:
        return 8 * self.width


class Block(nn.Module):
    """relu(x + f(x)), f two 3x3 convolutions; a 1x1 convolution fits x where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv0 = Conv(inputs, outputs, 3, stride, 1, bias=False, norm=group_norm)
        self.conv1 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm1 = group_norm(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            fit = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(fit, group_norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + self.norm1(self.conv1(self.conv0(x))))


def group_norm(channels: int) -> nn.GroupNorm:
    """16 channels a group (Wu and He 2018, Table 3), or one group where they do not divide so."""
    return nn.GroupNorm(1 if channels % 16 else channels // 16, channels)


def feature_map(size: int, strides: Sequence[int]) -> int:
    """Side in pixels of what 3x3 convolutions without padding make of a picture."""
    for stride in strides:
        size = (size - 3) // stride + 1
    return size


def _in_own_precision(
    encoder: Convolutions | ResNet18, convolve: Callable[[Tensor], Tensor], obs: Tensor
) -> Tensor:
    """`convolve` of the pictures in [0, 1], in bfloat16 where the encoder has it; the result and
    what stands behind it are of the parameters' own type."""
    dtype = next(encoder.parameters()).dtype
    with torch.autocast(obs.device.type, torch.bfloat16, encoder.bfloat16):
        x = convolve(obs.to(dtype) / 255)
    return x.to(dtype)
