"""A network that learns, with all that belongs to it; an agent is made of a few of these."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Generator, Tensor, nn

from fast import mitigations
from fast.nets.layers import MLP, Draw, ResidualMLP, layers

Network = TypeVar("Network", bound=nn.Module, covariant=True)

SLOTS = ("step", "exp_avg", "exp_avg_sq")  # of Adam's state, in torch's words
KERNELS = {torch.optim.Adam: torch._fused_adam_, torch.optim.AdamW: torch._fused_adamw_}

# A run of seconds, for the tests: of the presets `tiny`.
TINY_RUN = {
    "updates": 300,
    "evaluation_interval": 500,
    "evaluation_episodes": 1,
    "score_interval": 50,
    "score_batch": 32,
    "log_interval": 50,
    "checkpoint_interval": 1,
}


class RandomFirst:
    """Of settings: actions are random before the first update, and none where it is evaluated."""

    first_update: int
    evaluation_exploration: ClassVar[float] = 0.0

    def exploration(self, agent_step: int) -> float:
        """The share of uniformly random actions."""
        return float(agent_step < self.first_update)

    def require(self, shape: Sequence[int]) -> None:
        """Whatever the fields allow, for observations of any shape."""


class Learner(Generic[Network]):
    """A network, its optimizer, its slow copy (the target network), and weights held at 0.

    Mitigations act on a learner and on nothing else. `readers` are the layers of neurons that may
    be recycled, each with who reads it: those of its MLPs, where no others are given. `body` names
    what Reset draws anew and what is pruned: the parts of the network behind its encoder, or all of
    it where none are named. `draw` fills a network of this shape with new initial values.
    """

    def __init__(
        self,
        module: Network,
        draw: Draw,
        generator: Generator,
        *,
        rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        momentum: float | None = None,
        decay: float = 0.0,
        decay_vectors: bool = False,
        decay_in_loss: bool = False,
        readers: mitigations.Readers | None = None,
        body: Sequence[str] = (),
        slow: bool = False,
        norm_eps: float = 1e-6,
        device: torch.device | str = "cpu",
    ):
        """
        Args:
            momentum: of SGD, which then stands for Adam.
            decay: decoupled, w -= rate * decay * w, or with `decay_in_loss` as the gradient
                decay * w that goes through Adam; of kernels, and with `decay_vectors` of biases
                and norms too. With 0 AdamW is Adam.
            slow: whether there is a target network.
            norm_eps: of a LayerNorm that comes late.
        """
        self.draw, self.norm_eps, self.rate = draw, norm_eps, rate
        self.readers = readers_of_mlps(module) if readers is None else readers
        draw(module, generator)
        self.module: Network = module.to(device)
        self.body = tuple(body) or tuple(name for name, _ in module.named_children())
        self.slow: Network | None = copy.deepcopy(module).requires_grad_(False) if slow else None
        self._list()
        groups: list[dict[str, Any]] = [
            {"params": [p for p in self.learned if p.ndim > 1], "weight_decay": decay},
            {"params": [p for p in self.learned if p.ndim <= 1],
             "weight_decay": decay * decay_vectors},
        ]  # fmt: skip
        groups = [group for group in groups if group["params"]]
        if momentum is not None:  # not fused: a norm that comes late has no momentum yet
            for group in () if decay_in_loss else groups:
                group["keep"] = 1 - rate * group.pop("weight_decay")
            self.optimizer: torch.optim.Optimizer = torch.optim.SGD(groups, rate, momentum)
        else:
            kind = torch.optim.Adam if decay_in_loss else torch.optim.AdamW
            self.optimizer = kind(groups, rate, betas, eps, fused=True)
        self.masks: mitigations.Masks = {}
        self.memory: dict[str, mitigations.Masks] = {}  # of continual backprop
        self.start: dict[str, Tensor] = {}  # what L2-init pulls to, with `pull`
        self.pull = 0.0

    def _list(self) -> None:
        """What each update asks for: to look through a network takes longer than a small kernel."""
        self.learned: list[Tensor] = [*self.module.parameters()]
        self.followers: list[Tensor] = [*self.slow.parameters()] if self.slow is not None else []

    @property
    def params(self) -> dict[str, Tensor]:
        return dict(self.module.named_parameters())

    @property
    def state(self) -> dict[str, dict[str, Tensor]]:
        """The live moments of its optimizer, as the mitigations want them."""
        return mitigations.optimizer_state(self.optimizer, self.params)

    def fresh(self, generator: Generator) -> nn.Module:
        """A network drawn as at the start of a run."""
        new = copy.deepcopy(self.module).cpu()
        self.draw(new, generator)
        return new.to(next(self.module.parameters()).device)

    def step(self, loss: Tensor) -> None:
        """One step of the optimizer down `loss`, of these parameters alone."""
        self.backward(loss)
        self.descend()

    def backward(self, loss: Tensor) -> None:
        """The gradient of `loss`, in these parameters alone."""
        if self.start:
            params = {name: value for name, value in self.params.items() if name in self.start}
            loss = loss + mitigations.l2_init(params, self.start, self.pull)
        gradients = torch.autograd.grad(loss, self.learned, allow_unused=True)
        for parameter, gradient in zip(self.learned, gradients, strict=True):
            # The kernel of Adam reads memory in the parameter's order: compiled convolutions have
            # another, and the gradient of a sum has one number for all.
            if gradient is not None and gradient.stride() != parameter.stride():
                gradient = torch.empty_like(parameter).copy_(gradient)
            parameter.grad = gradient

    def descend(self, share: float = 1.0) -> None:
        """One step of the optimizer down the gradient, at this share of its rate."""
        if sum(len(group["params"]) for group in self.optimizer.param_groups) != len(self.learned):
            raise RuntimeError("parameters came in by another way than insert_norm")
        for group in self.optimizer.param_groups:
            group["lr"] = share * self.rate
            if group.get("keep", 1) != 1:  # decoupled, which torch's SGD has not
                with torch.no_grad():
                    torch._foreach_mul_(group["params"], group["keep"])
        advance(self.optimizer)
        self.hold()

    @contextmanager
    def still(self) -> Iterator[None]:
        """No loss that is computed inside is one of these parameters: compiled code would make
        their gradient too, whoever asks for which."""
        for parameter in self.learned:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in self.learned:
                parameter.requires_grad_()

    def hold(self) -> None:
        """Pruned weights are 0, also after a step."""
        if self.masks:
            mitigations.apply_masks(self.params, self.masks)

    def pull_to_start(self, strength: float) -> None:
        """L2-init from now on: a penalty on the distance from these parameters."""
        self.start = {name: value.detach().clone() for name, value in self.params.items()}
        self.pull = strength

    @torch.no_grad()
    def follow(self, rate: float) -> None:
        """slow := (1 - rate) slow + rate module, all parameters."""
        assert self.slow is not None, "made without a target network"
        torch._foreach_lerp_(self.followers, self.learned, rate)

    def insert_norm(self, names: Iterable[str]) -> None:
        """LayerNorm before the non-linearities of these layers from now on, in both networks."""
        names = list(names)
        mitigations.insert_layer_norm(self.module, self.optimizer, names, self.norm_eps)
        if self.slow is not None:
            mitigations.insert_layer_norm(self.slow, None, names, self.norm_eps)
        self._list()

    def state_dict(self) -> dict[str, Any]:
        return {
            "module": self.module.state_dict(),
            "slow": None if self.slow is None else self.slow.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "masks": dict(self.masks),
            "memory": {name: dict(values) for name, values in self.memory.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Back to what `state_dict` gave; norms that had come late are inserted first.

        Raises:
            RuntimeError: where the networks are of other shapes.
        """
        state = copy.deepcopy(state)  # torch's optimizers would share the moments with their source
        had = state["module"].keys() - self.module.state_dict().keys()
        self.insert_norm(name for name in layers(self.module) if f"{name}.norm.weight" in had)
        self.module.load_state_dict(state["module"])
        if self.slow is not None:
            self.slow.load_state_dict(state["slow"])
        self.optimizer.load_state_dict(state["optimizer"])
        device = next(self.module.parameters()).device
        self.masks = {name: mask.to(device) for name, mask in state["masks"].items()}
        self.memory = {
            layer: {name: value.to(device) for name, value in values.items()}
            for layer, values in state["memory"].items()
        }


@torch.no_grad()
def advance(optimizer: torch.optim.Optimizer) -> None:
    """`optimizer.step()`; of Adam the same kernel without what torch asks before each call, which
    of small networks takes longer than the kernel."""
    groups, kernel = optimizer.param_groups, KERNELS.get(type(optimizer))
    states: list[list[Any]] = [
        [optimizer.state.get(p) for p in group["params"]] for group in groups
    ]
    gradients = [[p.grad for p in group["params"]] for group in groups]
    new = any(not each or g is None for of, gs in zip(states, gradients, strict=True)
              for each, g in zip(of, gs, strict=True))  # fmt: skip
    if kernel is None or new:
        optimizer.step()
        return
    for group, state, gradient in zip(groups, states, gradients, strict=True):
        counts, means, variances = ([each[k] for each in state] for k in SLOTS)
        torch._foreach_add_(counts, 1)
        beta1, beta2 = group["betas"]
        kernel(group["params"], gradient, means, variances, [], counts, lr=group["lr"],
               beta1=beta1, beta2=beta2, weight_decay=group["weight_decay"], eps=group["eps"],
               amsgrad=False, maximize=False)  # fmt: skip


def as_made(module: nn.Module, generator: Generator) -> None:
    """Draws nothing: a network that begins with what it was made of."""


def adam(settings: Any, device: torch.device | str, decays: bool = True) -> dict[str, Any]:
    """How a Learner of an agent with these settings descends; `decays`: with their weight decay."""
    s = settings
    how = {"betas": s.betas, "eps": s.adam_eps, "norm_eps": s.layer_norm_eps, "device": device}
    decay = {"decay": s.weight_decay, "decay_vectors": s.decay_biases,
             "decay_in_loss": s.decay_in_loss} if decays else {}  # fmt: skip
    return how | decay


def readers_of_mlps(network: nn.Module) -> mitigations.Readers:
    """The readers of the layers of every MLP in it."""
    paths = [path for name, part in network.named_modules() if isinstance(part, MLP | ResidualMLP)
             for path in part.chains(name)]  # fmt: skip
    return chains(network, paths)


def chains(module: nn.Module, paths: Sequence[Sequence[str]]) -> mitigations.Readers:
    """The readers of several plain chains of layers of one network."""
    params = dict(module.named_parameters())
    return {
        name: readers for path in paths for name, readers in mitigations.chain(params, path).items()
    }
