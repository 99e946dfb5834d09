"""What an update moves after fusion, by Inductor's own count, of code that is never run.

The pieces of an update are lowered as `--run.compile` has them on a CPU: the code is made and not
compiled, and what it would return is as empty as what it is given. So it is Inductor's CPU lowering
that is counted, not a card's: there a convolution is another kernel, and its ReLU one more. A
kernel reads and writes each tensor once, or less of one where it takes less (the sum is
`torch._inductor.metrics.num_bytes_accessed`). What stands outside the pieces, steps of Adam and
of the target network above all, is counted as eager torch calls it.
"""

import warnings
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch._inductor import config as inductor
from torch._inductor import ir
from torch._inductor.graph import GraphLowering

from fast.machine.compiled import compiled
from fast.machine.cost import Cost, Counting


class Outside(Counting):
    """Counts what stands outside of compiled code."""

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        return True


def update(agent: Any, batch: Any, draws: Any, count: int) -> Cost:
    """Of `agent.update(batch, draws, count)`, all of them tensors without memory."""
    mode = Outside()

    def lowered(graph: GraphLowering) -> SimpleNamespace:
        graph.codegen()
        assert graph.scheduler is not None
        _, kernels, _ = graph.count_bytes()
        moved = [(_name(node), node.get_read_write_buffers_sizes()) for node, _ in kernels]
        returned = [_layout(out) for out in graph.graph_outputs]

        def call(given: list[Tensor]) -> list[Tensor | None]:
            given.clear()
            for name, size in moved:
                of = mode.cost.operations[name]
                of.calls, of.bytes = of.calls + 1, of.bytes + size
            return [how and torch.empty_strided(*how[:2], dtype=how[2]) for how in returned]

        return SimpleNamespace(call=call)

    learn = compiled(agent)
    with (
        patch.object(GraphLowering, "compile_to_module", lowered),
        inductor.patch(force_disable_caches=True),
        warnings.catch_warnings(action="ignore"),  # that the caches are off, that nothing is there
    ):
        torch._dynamo.reset()
        learn(batch, draws, count)
        mode.cost.operations.clear()  # from here on nothing has to be compiled
        with mode:
            learn(batch, draws, count)
        torch._dynamo.reset()
    return mode.cost


def _name(node: Any) -> str:
    """A kernel of torch by its operation; all that Inductor writes itself are one."""
    if operation := getattr(node.node, "op_overload", None):
        return str(operation.__name__.removesuffix(".default"))
    return getattr(node.node, "python_kernel_name", None) or "written by Inductor"


def _layout(out: Any) -> tuple[list[int], list[int], torch.dtype] | None:
    if isinstance(out, ir.NoneAsConstantBuffer | ir.ShapeAsConstantBuffer):
        return None
    return [*map(int, out.get_size())], [*map(int, out.get_stride())], out.get_dtype()
