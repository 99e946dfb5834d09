"""What pictures go through first: uint8 (batch, channels, size, size) -> features (batch, F).

Each has `bfloat16`, whether it computes in bfloat16, and `features(size)`, how many it returns.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fast.nets.layers import Activation, Conv


class Encoder(nn.Module):
    """What `convolve` makes of pictures in [0, 1], less `offset`; with `bfloat16` in bfloat16."""

    offset = 0.0
    bfloat16: bool = False  # type: ignore[assignment]  # torch has a method of that name

    def forward(self, obs: Tensor) -> Tensor:
        return self.read(self.pictures(obs))

    def pictures(self, obs: Tensor) -> Tensor:
        """What `read` takes of such observations, for whoever reads the same ones twice."""
        own = self._own
        # As autocast, which leaves float64 alone.
        inside = torch.bfloat16 if self.bfloat16 and own == torch.float32 else own
        # 0 to 255 are exact in bfloat16, so that the quotient is the same through either type.
        x = obs.to(inside if obs.dtype == torch.uint8 and not self.offset else own) / 255
        return (x - self.offset if self.offset else x).to(inside)

    def read(self, x: Tensor) -> Tensor:
        """The features of `pictures`; they and what stands behind them are of the parameters' own
        type."""
        with torch.autocast(x.device.type, torch.bfloat16, self.bfloat16):
            x = self.convolve(x)
        return x.to(self._own)

    def convolve(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    @property
    def _own(self) -> torch.dtype:
        return next(self.parameters()).dtype


class Convolutions(Encoder):
    """Convolutions, each with its non-linearity, flattened.

    Without padding, or with `same` so much of it that a stride of s leaves a side of ceil(size / s)
    as in TensorFlow and JAX: where that is odd, one more behind than before.
    """

    def __init__(
        self,
        inputs: int,
        channels: Sequence[int],
        kernels: Sequence[int],
        strides: Sequence[int],
        *,
        same: bool = False,
        activation: Activation = F.relu,
        bfloat16: bool = False,
    ):
        super().__init__()
        self.channels, self.kernels, self.strides, self.same = channels, kernels, strides, same
        for i, (neurons, kernel, stride) in enumerate(self._rows()):
            conv = Conv(inputs, neurons, kernel, stride, activation=activation)
            self.add_module(f"conv{i}", conv)
            inputs = neurons
        self.bfloat16 = bfloat16

    def _rows(self) -> Iterator[tuple[int, int, int]]:
        return zip(self.channels, self.kernels, self.strides, strict=True)

    def convolve(self, x: Tensor) -> Tensor:
        for layer, (_, kernel, stride) in zip(self.children(), self._rows(), strict=True):
            x = layer(pad_same(x, kernel, stride) if self.same else x)
        return x.flatten(1)

    def chains(self, path: str) -> list[list[str]]:
        """The layers that read each other, as paths in the network that holds this at `path`."""
        return [[f"{path}.{name}" for name, _ in self.named_children()]]

    def features(self, size: int) -> int:
        """How many numbers come of pictures of this side."""
        for _, kernel, stride in self._rows():
            size = -(-size // stride) if self.same else (size - kernel) // stride + 1
        return self.channels[-1] * size**2


class Impala(Encoder):
    """The residual network of IMPALA (Espeholt et al. 2018), flattened.

    A stack for each number of channels: a 3x3 convolution, a max pool of side 3 and stride 2, and
    two blocks x + g(relu(f(relu(x)))), f and g 3x3 convolutions, all with `same` padding. Layers of
    neurons are each block's f: all else is summed, and has no single reader.
    """

    def __init__(self, inputs: int, channels: Sequence[int], activation: Activation = F.relu):
        super().__init__()
        self.channels, self.activation = channels, activation
        for i, neurons in enumerate(channels):
            self.add_module(f"stack{i}", nn.Conv2d(inputs, neurons, 3, padding=1))
            for j in range(2):
                self.add_module(f"block{i}{j}", Residual(neurons, activation))
            inputs = neurons

    def convolve(self, x: Tensor) -> Tensor:
        for name, part in self.named_children():
            x = part(x)
            if name.startswith("stack"):
                x = F.max_pool2d(pad_same(x, 3, 2, -torch.inf), 3, 2)
        return self.activation(x).flatten(1)

    def chains(self, path: str) -> list[list[str]]:
        """The layers that read each other, as paths in the network that holds this at `path`."""
        blocks = [name for name, part in self.named_children() if isinstance(part, Residual)]
        return [[f"{path}.{name}.conv0", f"{path}.{name}.conv1"] for name in blocks]

    def features(self, size: int) -> int:
        """How many numbers come of pictures of this side."""
        for _ in self.channels:
            size = -(-size // 2)
        return self.channels[-1] * size**2


class Residual(nn.Module):
    """x + g(relu(f(relu(x)))), f and g 3x3 convolutions."""

    def __init__(self, channels: int, activation: Activation):
        super().__init__()
        self.activation = activation
        self.conv0 = Conv(channels, channels, 3, padding=1, activation=activation)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv1(self.conv0(self.activation(x)))


def pad_same(x: Tensor, kernel: int, stride: int, value: float = 0.0) -> Tensor:
    """Square pictures padded so that a kernel and its stride leave ceil(side / stride)."""
    side = x.shape[-1]
    needed = max(0, (-(-side // stride) - 1) * stride + kernel - side)
    before, after = needed // 2, needed - needed // 2
    return F.pad(x, (before, after, before, after), value=value)


class ResNet18(Encoder):
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
        self.bfloat16 = bfloat16

    def read(self, x: Tensor) -> Tensor:
        return super().read(x).mean((2, 3))

    def convolve(self, x: Tensor) -> Tensor:
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
