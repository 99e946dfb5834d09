"""What stands at the end of an agent's networks: policies, and the temperature of soft ones."""

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

LOG_STD = (-10.0, 2.0)  # bounds of the log standard deviation (jaxrl and drq)


def normal(
    out: Tensor, log_std: str = "clip", bounds: tuple[float, float] = LOG_STD
) -> tuple[Tensor, Tensor]:
    """Mean and log standard deviation, each (batch, actions), of a policy's outputs.

    log_std: what keeps the log standard deviation in its bounds, a clip (jaxrl) or a tanh (drq).
    """
    mean, log = out.chunk(2, dim=1)
    low, high = bounds
    if log_std == "clip":
        return mean, log.clamp(low, high)
    return mean, low + (high - low) / 2 * (torch.tanh(log) + 1)


class Temperature(nn.Module):
    """alpha = exp(log), a network of one parameter: so that it is learned as all others are."""

    def __init__(self, initial: float):
        super().__init__()
        self.log = nn.Parameter(torch.tensor(initial).log())

    def forward(self) -> Tensor:
        return self.log.exp()


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


def squashed_action(policy: tuple[Tensor, Tensor], generator: Generator | None) -> Tensor:
    """Actions (batch, actions) of a policy; without a generator, tanh of the mean."""
    mean, log_std = policy
    if generator is None:
        return torch.tanh(mean)
    noise = torch.randn(mean.shape, generator=generator).to(mean.device)
    return squashed_sample(mean, log_std, noise)[0]
