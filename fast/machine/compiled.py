"""`--run.compile`: the pieces of an agent's update as torch compiles them, at fixed shapes.

On a CPU that is Inductor's C++, on a GPU its Triton in CUDA graphs (`reduce-overhead`; never seen
on a GPU by us). Looks at the neurons, actions and evaluations stay eager, and interventions change
the tensors that the compiled code reads; a LayerNorm that comes late makes it compile again.
"""

import os
import shutil
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Update = Callable[[Any, Any, int], dict[str, Tensor]]


def compiled(agent: Any, backend: str = "inductor") -> Update:
    """`agent.update` with its `pieces` compiled, each one graph: a break in it is an error."""
    captured = agent.device.type == "cuda" and backend == "inductor"
    compiler = torch.compile(
        fullgraph=True, dynamic=False, backend=backend, mode="reduce-overhead" if captured else None
    )
    made = {name: compiler(getattr(agent, name)) for name in agent.pieces}

    def update(batch: Any, draws: Any, count: int) -> dict[str, Tensor]:
        if captured:
            torch.compiler.cudagraph_mark_step_begin()
        for name, piece in made.items():
            setattr(agent, name, piece)
        try:
            info = agent.update(batch, draws, count)
        finally:  # whoever looks at the neurons has the eager ones
            for name in made:
                delattr(agent, name)
        # A captured graph writes its results to the same place at each update.
        return {name: value.clone() for name, value in info.items()} if captured else info

    return update


def lacking(device: torch.device) -> str | None:
    """What there would have to be for compiled updates, and is not."""
    if device.type == "cuda":
        from torch.utils._triton import has_triton

        return None if has_triton() else "no Triton for this GPU"
    compiler = os.environ.get("CXX", "g++")
    return None if shutil.which(compiler) else f"no C++ compiler ({compiler}; Debian: g++)"
