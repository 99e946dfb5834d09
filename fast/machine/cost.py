"""`python -m fast cost`: what an update, an action and a look at the neurons take of any device.

They are traced with tensors that have shapes and no memory (torch's FakeTensorMode), operation by
operation as eager torch calls them: arithmetic, bytes read and written, how many operations (each a
kernel or more on a GPU) and where the host would have to wait for a value. From the peak rates of a
card follows the time below which none of its eager updates can be; launches come on top.
"""

import contextlib
import sys
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from fast import config as configs
from fast import envs, measures
from fast.agents import AGENTS
from fast.config import Config
from fast.envs import dmc, pictures
from fast.envs.games import MINATAR
from fast.errors import InputError
from fast.experience import labels, replay, rollout
from fast.machine.compiled import lacking
from fast.nets import fused

# Peak bytes a second, and arithmetic a second in float32 (no TF32) and in dense bfloat16, written
# down from memory of the makers' data sheets: NVIDIA H200, H100 (both SXM), A100 80 GB (SXM), L4
# and L40S, and the Ada whitepaper, Appendix A (RTX 4090: with float32 accumulation). None was
# measured here.
CARDS = {
    "H200": (4.8e12, 67e12, 989e12),
    "H100": (3.35e12, 67e12, 989e12),
    "A100": (2.039e12, 19.5e12, 312e12),
    "RTX 4090": (1.008e12, 82.6e12, 165.2e12),
    "L40S": (0.864e12, 91.6e12, 362e12),
    "L4": (0.3e12, 30.3e12, 121e12),
}
PIECES = ("update", "act", "score")
FREE = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "lift_fresh"}


@dataclass
class Operation:
    """All calls of one operation."""

    calls: int = 0
    bytes: int = 0
    flops: int = 0


@dataclass
class Cost:
    """Of a piece of work."""

    operations: dict[str, Operation] = field(default_factory=lambda: defaultdict(Operation))
    waits: list[str] = field(default_factory=list)  # file:line of each
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(CARDS, 0.0))

    def total(self, of: str) -> int:
        return sum(getattr(each, of) for each in self.operations.values())

    def most(self) -> list[tuple[str, Operation]]:
        """The operations that move most."""
        return sorted(self.operations.items(), key=lambda item: -item[1].bytes)[:10]

    def row(self) -> dict[str, Any]:
        numbers = {name: self.total(name) for name in ("flops", "bytes", "calls")}
        return numbers | {"waits": len(self.waits)}


class Counting(TorchDispatchMode):
    """Counts the operations inside; a value that the host asks for is told in `waits`, and is 1
    where there is none."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.cost = Cost()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func._overloadpacket.__name__
        if name == "_local_scalar_dense":
            self.wait()
            if isinstance(args[0], FakeTensor):
                return 1
        out = func(*args, **kwargs)
        if func.namespace != "prim" and not func.is_view and name not in FREE:
            self.count(func, name, args, kwargs, out)
        return out

    def count(self, func: Any, name: str, args: Any, kwargs: Any, out: Any) -> None:
        read = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        written = [x for x in tree_leaves(out) if isinstance(x, Tensor)]
        if name.endswith("_") and not written:  # the lists of a fused or foreach operation
            written = read
        elif name in ("zero_", "fill_", "copy_", "scalar_tensor"):  # what was there is not read
            read = read[1:]
        moved = sum(map(_bytes, read)) + sum(map(_bytes, written))
        formula = flop_registry.get(func._overloadpacket)
        flops = formula(*args, **kwargs, out_val=out) if formula else 0
        of = self.cost.operations[name]
        of.calls, of.bytes, of.flops = of.calls + 1, of.bytes + moved, of.flops + flops
        half = any(x.dtype == torch.bfloat16 for x in read)
        for card, (memory, single, tensor) in CARDS.items():
            self.cost.seconds[card] += max(moved / memory, flops / (tensor if half else single))

    def wait(self) -> None:
        stack = (
            (frame.f_code.co_filename, n) for frame, n in traceback.walk_stack(sys._getframe())
        )
        file, line = next(at for at in stack if __file__ != at[0] and "site-packages" not in at[0])
        self.cost.waits.append(f"{Path(file).name}:{line}")


def _bytes(x: Tensor) -> int:
    """What lies in memory of it: an expanded axis does once."""
    sizes = [n for n, stride in zip(x.shape, x.stride(), strict=True) if stride or n == 0]
    return int(torch.Size(sizes).numel()) * x.element_size()


class Shapes(FakeTensorMode):
    """Tensors without memory; a copy of one is of the same mode."""

    def __deepcopy__(self, _memo: Any) -> "Shapes":
        return self


@contextlib.contextmanager
def counting() -> Iterator[Cost]:
    """Count what is computed inside, tensors that are shown or brought to the host included."""
    mode = Counting()

    def waiting(usual: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            mode.wait()
            return usual(*args, **kwargs)

        return call

    with contextlib.ExitStack() as stack:
        shown = [(torch._tensor_str, "_str"), *((Tensor, x) for x in ("cpu", "numpy", "tolist"))]
        for place, name in shown:
            stack.enter_context(patch.object(place, name, waiting(getattr(place, name))))
        ones = waiting(lambda tensor: np.ones(tensor.shape).tolist())  # at once, not one by one
        stack.enter_context(patch.object(FakeTensor, "tolist", ones))
        # On a card a ReLU is a kernel of its own.
        stack.enter_context(patch.object(fused, "TYPES", set()))
        stack.enter_context(mode)
        yield mode.cost


def usual(agent: str, preset: str) -> str:
    """The task of an agent's preset where none is asked for."""
    if agent == "dqn":
        return "atari-asterix" if preset in ("paper", "drq-eps") else "minatar-asterix"
    tasks = {"pixels": "cartpole-swingup", "states": "HalfCheetah-v4", "labels": "digits"}
    return tasks[AGENTS[agent].observes]


def trace(config: Config, pieces: Sequence[str] = PIECES) -> dict[str, Cost]:
    """The costs of one update (of that number `turn`), of one action, and of the scores,
    all without memory; an on-policy agent's update is a minibatch. With the piece "fused" also of
    an update after fusion: see `lowered`.

    Raises:
        InputError: for that piece, where there is no C++ compiler, whom Inductor asks what the
            processor can do.
    """
    if "fused" in pieces and (lacks := lacking(torch.device("cpu"))):
        raise InputError("--fused", True, lacks)
    found = {}
    with shaped(config) as (agent, given, generator):
        batch, draws = given(config.agent.batch_size)
        with counting():
            agent.update(batch, draws, turn(agent))  # Adam's state is made
        if "update" in pieces:
            with counting() as found["update"]:
                agent.update(batch, draws, turn(agent))
        if "fused" in pieces:
            from fast.machine import lowered  # Inductor takes seconds to import

            found["fused"] = lowered.update(agent, batch, draws, turn(agent))
        if "act" in pieces:
            with counting() as found["act"]:
                getattr(agent, "explore", agent.act)(batch.obs[:1], generator)
        if "score" in pieces:
            batch, draws = given(config.run.score_batch)
            with counting() as found["score"]:
                measures.measure(agent, batch, draws, {})
    return found


@contextlib.contextmanager
def shaped(config: Config) -> Iterator[tuple[Any, Callable[[int], tuple[Any, Any]], Any]]:
    """An agent without memory, what gives it a batch of some size with its draws, and the generator
    of both."""
    shape, outputs = sizes(config)
    with Shapes():
        generator = torch.Generator()
        # What is asked of values while an agent is made is answered with yes, which would never end
        # a draw that is repeated until it fits; and modules without memory cannot be moved.
        with (
            counting(),
            patch.object(torch.nn.init, "trunc_normal_", lambda weight, *how: weight),
            patch.object(torch.nn.Module, "to", lambda module, device: module),
        ):
            agent = AGENTS[config.agent.kind].make(config.agent, shape, outputs, generator)

        def given(size: int) -> tuple[Any, Any]:
            return batch_of(config, shape, outputs, size, generator), agent.draws(size, generator)

        yield agent, given, generator


def turn(agent: Any) -> int:
    """The number of an update in which all learners step: the first, but where that one also does
    on the host what is due once in thousands of updates, as DACER's fit of its temperature is."""
    return 1 + getattr(agent.settings, "policy_period", 0)


def sizes(config: Config) -> tuple[tuple[int, ...], int]:
    """The shape of what the agent sees, and the numbers of an action, or how many actions (of
    Atari at most) or classes there are."""
    kind, task = config.env.kind, config.task
    if kind == "labels":
        return configs.seen(config), pictures.TASKS[pictures.source(task)].classes
    if kind == "games":
        return configs.seen(config), 6 if task.startswith(MINATAR) else 18
    env: Any = dmc.DMControl(task, size=None) if kind == "pixels" else envs.make(task, config.env)
    with contextlib.closing(env):
        return configs.seen(config, env.observation_space.shape), env.action_space.shape[0]


def batch_of(
    config: Config, shape: tuple[int, ...], outputs: int, size: int, generator: torch.Generator
) -> Any:
    """A batch of an agent, of random numbers."""
    kind = config.env.kind
    if kind in ("pixels", "games"):
        obs = torch.randint(256, (2, size, *shape), dtype=torch.uint8, generator=generator)
    else:
        obs = torch.randn(2, size, *shape, generator=generator)
    one, two, three, four = torch.randn(4, size, generator=generator)
    chosen = torch.randint(outputs, (size, 1), generator=generator)
    if kind == "labels":
        return labels.Batch(obs[0], chosen[:, 0])
    action = 2 * torch.rand(size, outputs, generator=generator) - 1
    if AGENTS[config.agent.kind].on_policy:
        return rollout.Batch(obs[0], action, one, two, three, four, 1.0)
    action = chosen.float() if kind == "games" else action
    return replay.Batch(obs[0], action, one, two.sigmoid(), obs[1])


# --- what is told -----------------------------------------------------------------------------


def as_json(config: Config, after_fusion: bool = False) -> dict[str, Any]:
    found = trace(config, (*PIECES, *["fused"] * after_fusion))
    after = {"fused": found.pop("fused").row()} if after_fusion else {}
    return after | {
        "agent": config.agent.kind, "preset": config.preset, "task": config.task,
        "method": config.method,
        **{name: cost.row() | {"roofline_ms": {k: 1e3 * s for k, s in cost.seconds.items()},
                               "where": cost.waits}
           for name, cost in found.items()},
    }  # fmt: skip


def table(config: Config, after_fusion: bool = False) -> str:
    """The costs, what moves most in an update, and the least time of a run on each card."""
    found = trace(config, (*PIECES, *["fused"] * after_fusion))
    after = found.pop("fused", None)
    lines = [f"{config.agent.kind}, preset {config.preset}, {config.method} on {config.task}, "
             f"batch {config.agent.batch_size}; traced, not run", "",
             f"{'':8}{'GFLOP':>12}{'MB moved':>12}{'operations':>12}{'waits':>8}"]  # fmt: skip
    for name, cost in found.items():
        n = cost.row()
        lines.append(f"{name:8}{n['flops'] / 1e9:12.3f}{n['bytes'] / 1e6:12.1f}"
                     f"{n['calls']:12}{n['waits']:8}")  # fmt: skip
    update, run = found["update"], config.run
    lines += ["", f"{'most bytes of an update':32}{'calls':>8}{'MB':>12}{'GFLOP':>12}"]
    lines += [f"{name:32}{of.calls:8}{of.bytes / 1e6:12.1f}{of.flops / 1e9:12.3f}"
              for name, of in update.most()]  # fmt: skip
    if after:
        lines += ["", f"{'after fusion, on a CPU':32}{'calls':>8}{'MB':>12}"]
        lines += [f"{name:32}{of.calls:8}{of.bytes / 1e6:12.1f}" for name, of in after.most()]
        lines += [f"{'in all':32}{after.total('calls'):8}{after.total('bytes') / 1e6:12.1f}"]
    hours = {card: run.updates * seconds / 3600 for card, seconds in update.seconds.items()}
    lines += ["", f"at the least, by peak rates      {'ms an update':>12}"
              f"{f'hours of {run.updates:,} updates':>32}"]  # fmt: skip
    lines += [f"{card:32}{1e3 * update.seconds[card]:12.3f}{hours[card]:32.2f}" for card in CARDS]
    return "\n".join(lines)


def recorded() -> Iterator[str]:
    """Lines of results/costs.csv: an update of every agent's every preset on its usual task."""
    yield "agent,preset,flops,bytes,operations,waits"
    for agent, kind in AGENTS.items():
        for preset in kind.file.PRESETS:
            config = configs.build(agent, usual(agent, preset), preset=preset)
            row = trace(config, ("update",))["update"].row()
            yield ",".join(map(str, (agent, preset, *row.values())))
