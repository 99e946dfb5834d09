"""Layers of neurons, how they are drawn, and how to look at them.

A layer of neurons is a linear map with what follows it: its norm, if it has one, and its
non-linearity. A last linear layer is a plain nn.Linear: its outputs are no neurons. The path of a
layer in its network, such as "heads.0.dense1", is its one name: in the parameters, in what is
recorded of it, in the figures and in ref/.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from fast.nets import fused

Activation = Callable[[Tensor], Tensor]
Norm = Callable[[int], nn.Module]  # of so many neurons
Tap = tuple[Tensor, Tensor]  # what a layer's non-linearity receives, and what it returns
Taps = dict[str, Tap]  # by layer

ACTIVATIONS: dict[str, Activation] = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,  # slope 0.01, torch's default
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "mish": F.mish,
    "swish": F.silu,
    "none": lambda z: z,
}


class Dense(nn.Linear):
    """activation(norm(W x + b)), (batch, inputs) -> (batch, neurons)."""

    tap: Callable[[Tensor, Tensor], None] | None = None
    norm: nn.Module

    def __init__(
        self, inputs: int, neurons: int, activation: Activation = F.relu, norm: Norm | None = None
    ):
        super().__init__(inputs, neurons)
        self.activation, self.norm = activation, norm(neurons) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return _neurons(self, super().forward(x))


class Conv(nn.Conv2d):
    """activation(norm(conv(x) + b)), (batch, inputs, ...) -> (batch, neurons, ...).

    A neuron is a channel. Without padding; `bias` False where a norm with an offset follows.
    """

    tap: Callable[[Tensor, Tensor], None] | None = None
    norm: nn.Module

    def __init__(
        self,
        inputs: int,
        neurons: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        activation: Activation = F.relu,
        norm: Norm | None = None,
    ):
        super().__init__(inputs, neurons, kernel, stride, padding, bias=bias)
        self.activation, self.norm = activation, norm(neurons) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        plain = self.activation is F.relu and isinstance(self.norm, nn.Identity)
        looked_at = self.tap is not None and torch.is_grad_enabled()
        if plain and not looked_at and fused.fits(x, self):
            return fused.conv_relu(x, self)
        return _neurons(self, super().forward(x))


Layer = Dense | Conv


def _neurons(layer: Layer, y: Tensor) -> Tensor:
    z = layer.norm(y)
    if layer.tap is None and layer.activation is F.relu:
        return F.relu_(z)  # nobody else has z: half the memory to go through
    h = layer.activation(z)
    if layer.tap is not None and torch.is_grad_enabled():  # a target's pass is not what is seen
        layer.tap(z, h)
    return h


class MLP(nn.Module):
    """Layers dense0, dense1, ... and the linear `final`; (batch, inputs) -> (batch, outputs)."""

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        activation: Activation = F.relu,
        norm: Norm | None = None,
    ):
        super().__init__()
        for i, neurons in enumerate(hidden):
            self.add_module(f"dense{i}", Dense(inputs, neurons, activation, norm))
            inputs = neurons
        self.final = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        for part in self.children():
            x = part(x)
        return x

    def chains(self, path: str) -> list[list[str]]:
        """The layers that read each other, as paths in the network that holds this at `path`."""
        return [[f"{path}.{name}" for name, _ in self.named_children()]]


class Block(nn.Module):
    """The f of a residual block: the layer `dense`, then `out` back to the width: a linear map, or
    with `normed` a layer without a non-linearity, the norm its last step (BRO)."""

    def __init__(
        self,
        width: int,
        neurons: int,
        activation: Activation = F.relu,
        norm: Norm | None = None,
        normed: bool = False,
    ):
        super().__init__()
        self.dense = Dense(width, neurons, activation, norm)
        self.out = (
            Dense(neurons, width, ACTIVATIONS["none"], norm)
            if normed
            else nn.Linear(neurons, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.dense(x))


class ResidualMLP(nn.Module):
    """dense0, then blocks of equal width, then the linear `final`.

    A block returns x + f(x) through the non-linearity, or with `stream` the sum itself, whose f
    ends with the norm (BRO). Layers of neurons are dense0, each block's dense and with `stream` its
    out; of those only a block's dense has a single reader.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int],
        outputs: int,
        activation: Activation = F.relu,
        norm: Norm | None = None,
        stream: bool = False,
    ):
        super().__init__()
        self.dense0 = Dense(inputs, hidden[0], activation, norm)
        self.after = ACTIVATIONS["none"] if stream else activation
        self.blocks = nn.ModuleList(
            Block(hidden[0], neurons, activation, norm, stream) for neurons in hidden[1:]
        )
        self.final = nn.Linear(hidden[0], outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dense0(x)
        for block in self.blocks:
            x = self.after(x + block(x))
        return self.final(x)

    def chains(self, path: str) -> list[list[str]]:
        """The layers that read each other: each block's own.

        What is added to x, by dense0 and by every `out`, is read by all that follows, in columns
        that it shares: to zero them for one layer's neuron would silence the others' too.
        """
        return [[f"{path}.blocks.{i}.{name}" for name in ("dense", "out")]
                for i in range(len(self.blocks))]  # fmt: skip


def layer_norm(eps: float) -> Norm:
    """LayerNorm for so many neurons: eps is 1e-6 in flax, 1e-5 in torch."""
    return lambda neurons: nn.LayerNorm(neurons, eps=eps)


# --- looking -------------------------------------------------------------------------------


def layers(module: nn.Module) -> dict[str, Layer]:
    """The layers of neurons of a network by name, in the order of their definition."""
    return {k: v for k, v in module.named_modules() if isinstance(v, Layer)}


@contextmanager
def tapped(module: nn.Module) -> Iterator[Taps]:
    """z and h of every layer of neurons, of the last pass inside that is differentiated."""
    taps: Taps = {}
    with _tapping(module, taps.__setitem__):
        yield taps


@contextmanager
def all_tapped(module: nn.Module) -> Iterator[dict[str, list[Tap]]]:
    """z and h of every layer of neurons, of each pass inside that is differentiated."""
    taps: dict[str, list[Tap]] = defaultdict(list)
    with _tapping(module, lambda name, tap: taps[name].append(tap)):
        yield taps


@contextmanager
def _tapping(module: nn.Module, told: Callable[[str, Tap], None]) -> Iterator[None]:
    found = layers(module)
    for name, layer in found.items():
        layer.tap = lambda z, h, name=name: told(name, (z, h))
    try:
        yield
    finally:
        for layer in found.values():
            del layer.tap


@contextmanager
def exact(*modules: nn.Module) -> Iterator[None]:
    """Everything in the parameters' own precision: no bfloat16 where a network has asked for it."""
    with ExitStack() as stack:
        for module in modules:
            for part in module.modules():
                if getattr(part, "bfloat16", False):
                    part.bfloat16 = False  # type: ignore[assignment]
                    stack.callback(setattr, part, "bfloat16", True)
        stack.enter_context(torch.backends.cudnn.flags(allow_tf32=False))
        yield


# --- initial values ------------------------------------------------------------------------

Draw = Callable[[nn.Module, Generator], None]
Linear = nn.Linear | nn.Conv2d
DrawKernel = Callable[[Linear, Generator], None]
SQRT2 = math.sqrt(2)
# The standard deviation of a standard normal that is cut off at -2 and 2.
TRUNCATED_STD = math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(SQRT2))  # 0.8796


@torch.no_grad()
def initialise(
    module: nn.Module,
    generator: Generator,
    kernel: DrawKernel,
    special: Mapping[str, DrawKernel] | None = None,
) -> None:
    """All of a network drawn: kernels by `kernel`, biases 0, norms at the identity.

    special: {path of a linear map or convolution: how its kernel is drawn instead}.
    """
    for name, layer in module.named_modules():
        if isinstance(layer, nn.LayerNorm | nn.GroupNorm):
            layer.weight.fill_(1)
            layer.bias.zero_()
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            (special or {}).get(name, kernel)(layer, generator)
            if layer.bias is not None:
                layer.bias.zero_()


def orthogonal(
    gain: float = SQRT2, parts: int = 1, of_convolutions: float | None = None
) -> DrawKernel:
    """A kernel with orthogonal rows or columns of length `gain`; `parts`: each by itself."""

    def draw(layer: Linear, generator: Generator) -> None:
        length = gain
        if isinstance(layer, nn.Conv2d) and of_convolutions is not None:
            length = of_convolutions
        for part in layer.weight.chunk(parts):
            nn.init.orthogonal_(part, length, generator=generator)

    return draw


def lecun(layer: Linear, generator: Generator) -> None:
    """A kernel of truncated normal values, of variance 1 / inputs (flax's lecun_normal)."""
    std = math.sqrt(1 / layer.weight[0].numel()) / TRUNCATED_STD
    nn.init.trunc_normal_(layer.weight, 0, std, -2 * std, 2 * std, generator)


def xavier(layer: Linear, generator: Generator) -> None:
    """A kernel uniform in +- sqrt(6 / (inputs + outputs)), of a convolution's whole window."""
    nn.init.xavier_uniform_(layer.weight, generator=generator)


@torch.no_grad()
def uniform_fan_in(module: nn.Module, generator: Generator) -> None:
    """All of a network as torch draws linear maps: uniform in +- 1 / sqrt(inputs), biases too."""
    for layer in module.modules():
        if isinstance(layer, nn.LayerNorm | nn.GroupNorm):
            layer.weight.fill_(1)
            layer.bias.zero_()
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            bound = 1 / math.sqrt(layer.weight[0].numel())
            layer.weight.uniform_(-bound, bound, generator=generator)
            if layer.bias is not None:
                layer.bias.uniform_(-bound, bound, generator=generator)
