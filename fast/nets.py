"""The networks of DrQ: a shared encoder, and for critic and actor a latent layer and heads.

As in jaxrl: 3x3 convolutions with ReLU, then linear, LayerNorm, tanh ("trunk"), then MLPs with
two hidden layers. The heads of the critic give a value or, under a classification loss, the logits
of a histogram over values. A forward pass fills `taps`, if it is given, with every hidden layer's
pre-activation z (what the ReLU receives, after LayerNorm where there is one) and activation h.
Shapes: observations (batch, 3 * stack, size, size) uint8; z and h (batch, width).
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fast import losses
from fast.config import Config, NetConfig, feature_map

LOG_STD = (-10.0, 2.0)  # bounds of the actor's log standard deviation (jaxrl and drq)
Taps = dict[str, tuple[Tensor, Tensor]]


class Encoder(nn.Module):
    """Four 3x3 convolutions without padding, each with ReLU; returns (batch, features)."""

    def __init__(self, inputs: int, config: NetConfig):
        super().__init__()
        sizes = [inputs] + [config.channels] * len(config.strides)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(*pair, 3, stride)
            for pair, stride in zip(pairwise(sizes), config.strides, strict=True)
        )
        self.bfloat16 = config.bfloat16

    def forward(self, obs: Tensor, exact: bool = False) -> Tensor:
        """Features of uint8 pictures; `exact` keeps them in the parameters' own precision."""
        dtype = self.convolutions[0].weight.dtype
        x = obs.to(dtype) / 255
        with torch.autocast(obs.device.type, torch.bfloat16, self.bfloat16 and not exact):
            for convolution in self.convolutions:
                x = F.relu(convolution(x))
        return x.flatten(1).to(dtype)


class ResNet18(nn.Module):
    """ResNet-18 (He et al. 2016) in the place of the convolutions (C.1); returns (batch, 8 width).

    A 7x7 convolution and a max pooling, each with stride 2, four stages of two blocks, and the
    mean over space. GroupNorm stands for the original's batch normalisation: with that a value
    would depend on what else is in the batch, and on running means that the target has not.
    """

    def __init__(self, inputs: int, config: NetConfig):
        super().__init__()
        width = config.resnet_width
        self.stem = nn.Conv2d(inputs, width, 7, 2, 3, bias=False)
        self.norm = group_norm(width)
        widths = [width, *(width * 2**stage for stage in range(4))]
        self.blocks = nn.ModuleList()
        for stage, (before, after) in enumerate(pairwise(widths)):
            self.blocks.append(Block(before, after, 1 if stage == 0 else 2))
            self.blocks.append(Block(after, after, 1))
        self.bfloat16 = config.bfloat16

    def forward(self, obs: Tensor, exact: bool = False) -> Tensor:
        """Features of uint8 pictures; `exact` keeps them in the parameters' own precision."""
        dtype = self.stem.weight.dtype
        x = obs.to(dtype) / 255
        with torch.autocast(obs.device.type, torch.bfloat16, self.bfloat16 and not exact):
            x = F.max_pool2d(F.relu(self.norm(self.stem(x))), 3, 2, 1)
            for block in self.blocks:
                x = block(x)
        return x.to(dtype).mean((2, 3))


class Block(nn.Module):
    """relu(x + f(x)), f two 3x3 convolutions; a 1x1 convolution fits x where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv0 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm0 = group_norm(outputs)
        self.conv1 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm1 = group_norm(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            fit = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(fit, group_norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(self.conv1(F.relu(self.norm0(self.conv0(x)))))
        return F.relu(self.shortcut(x) + y)


def group_norm(channels: int) -> nn.GroupNorm:
    """16 channels a group (Wu and He 2018, Table 3), or one group where they do not divide so."""
    return nn.GroupNorm(1 if channels % 16 else channels // 16, channels)


def features(config: Config) -> int:
    """How many features the encoder of these settings returns."""
    net = config.net
    if net.encoder == "resnet18":
        return 8 * net.resnet_width
    return net.channels * feature_map(config.env.size, net.strides) ** 2


class Trunk(nn.Module):
    """The latent layer: linear, LayerNorm, tanh."""

    def __init__(self, inputs: int, config: NetConfig):
        super().__init__()
        self.linear = nn.Linear(inputs, config.latent)
        self.norm = nn.LayerNorm(config.latent, eps=config.layer_norm_eps)

    def forward(self, features: Tensor) -> Tensor:
        return torch.tanh(self.norm(self.linear(features)))


class Head(nn.Module):
    """An MLP with two hidden ReLU layers, `dense0` and `dense1`, and a linear `final`."""

    def __init__(self, inputs: int, outputs: int, config: NetConfig, normalisation: str):
        super().__init__()
        self.dense0 = nn.Linear(inputs, config.hidden)
        self.dense1 = nn.Linear(config.hidden, config.hidden)
        self.final = nn.Linear(config.hidden, outputs)
        if normalisation == "layer_norm":
            self.norm0 = nn.LayerNorm(config.hidden, eps=config.layer_norm_eps)
            self.norm1 = nn.LayerNorm(config.hidden, eps=config.layer_norm_eps)
        else:
            self.norm0 = self.norm1 = nn.Identity()

    def forward(self, x: Tensor, taps: Taps | None = None, name: str = "") -> Tensor:
        z0 = self.norm0(self.dense0(x))
        h0 = F.relu(z0)
        z1 = self.norm1(self.dense1(h0))
        h1 = F.relu(z1)
        if taps is not None:
            taps[f"{name}/dense0"] = z0, h0
            taps[f"{name}/dense1"] = z1, h1
        return self.final(h1)


class Critic(nn.Module):
    """Two values of (observation, action): one encoder, one trunk, two heads."""

    edges: Tensor  # of the histogram's bins, (bins + 1,)
    centres: Tensor  # (bins,)

    def __init__(self, obs_channels: int, actions: int, config: Config):
        super().__init__()
        net, loss = config.net, config.loss
        self.classifies = loss.kind != "mse"
        encoder = ResNet18 if net.encoder == "resnet18" else Encoder
        self.encoder = encoder(obs_channels, net)
        self.trunk = Trunk(features(config), net)
        outputs = loss.bins if self.classifies else 1
        self.heads = nn.ModuleList(
            Head(net.latent + actions, outputs, net, net.normalisation) for _ in range(2)
        )
        edges = losses.bin_edges(loss.low, loss.high, loss.bins)
        dtype = torch.get_default_dtype()
        self.register_buffer("edges", edges.to(dtype), persistent=False)
        self.register_buffer("centres", losses.centres(edges).to(dtype), persistent=False)

    def outputs(self, features: Tensor, action: Tensor, taps: Taps | None = None) -> Tensor:
        """What the heads give, (2, batch, 1) or logits (2, batch, bins), from the encoder's
        features (batch, features)."""
        x = torch.cat([self.trunk(features), action], dim=1)
        return torch.stack([head(x, taps, f"critic{i}") for i, head in enumerate(self.heads)])

    def value(self, outputs: Tensor) -> Tensor:
        """The values (2, batch) of `outputs`: of logits the mean of their histogram."""
        if not self.classifies:
            return outputs.squeeze(2)
        probabilities = outputs.flatten(0, 1).softmax(1)
        return losses.decode(probabilities, self.centres).view(outputs.shape[:2])

    def forward(self, features: Tensor, action: Tensor, taps: Taps | None = None) -> Tensor:
        """Values (2, batch)."""
        return self.value(self.outputs(features, action, taps))


class Actor(nn.Module):
    """A tanh-squashed normal policy on the critic's features; it never trains the encoder."""

    def __init__(self, actions: int, config: Config):
        super().__init__()
        net = config.net
        self.trunk = Trunk(features(config), net)
        self.head = Head(net.latent, 2 * actions, net, "none")
        self.squash = net.log_std

    def forward(self, features: Tensor, taps: Taps | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation before the squashing, each (batch, actions)."""
        mean, log_std = self.head(self.trunk(features), taps, "actor").chunk(2, dim=1)
        low, high = LOG_STD
        if self.squash == "clip":
            return mean, log_std.clamp(low, high)
        return mean, low + (high - low) / 2 * (torch.tanh(log_std) + 1)


def squashed_sample(mean: Tensor, log_std: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """The action tanh(u), u = mean + std * noise, and its log density (batch,).

    With log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2u)), which does not cancel at large |u|.
    Torch's own threshold of 20, above which softplus(x) is x, is off by 2e-9 there: too soon for
    float64.
    """
    u = mean + log_std.exp() * noise
    normal = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
    jacobian = 2 * (math.log(2) - u - F.softplus(-2 * u, threshold=40))
    return torch.tanh(u), (normal - jacobian).sum(1)


@torch.no_grad()
def initialise(module: nn.Module, style: str, generator: torch.Generator) -> None:
    """Draw all parameters of a Critic or an Actor as jaxrl or the original DrQ does.

    Both: orthogonal convolutions with gain sqrt 2, biases 0, norms at the identity.
    jaxrl: hidden layers and the critic's final one orthogonal with gain sqrt 2, the actor's mean
    and log std each orthogonal with gain 1, the latent layer truncated LeCun normal.
    drq: every linear layer orthogonal with gain 1.
    """
    for name, layer in module.named_modules():
        if isinstance(layer, nn.LayerNorm | nn.GroupNorm):
            layer.weight.fill_(1)
            layer.bias.zero_()
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            if layer.bias is not None:
                layer.bias.zero_()
            if isinstance(layer, nn.Conv2d):
                nn.init.orthogonal_(layer.weight, math.sqrt(2), generator=generator)
            elif style == "drq":
                nn.init.orthogonal_(layer.weight, 1, generator=generator)
            elif name == "trunk.linear":
                # The standard deviation of a normal truncated at 2 is 0.8796 of the whole one's.
                std = math.sqrt(1 / layer.in_features) / 0.87962566103423978
                nn.init.trunc_normal_(layer.weight, 0, std, -2 * std, 2 * std, generator)
            elif isinstance(module, Actor) and name == "head.final":
                for half in layer.weight.chunk(2):
                    nn.init.orthogonal_(half, 1, generator=generator)
            else:
                nn.init.orthogonal_(layer.weight, math.sqrt(2), generator=generator)
