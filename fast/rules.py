"""What a setting may be, said at its field: types that pydantic holds settings to.

The upper bounds are far above what anybody trains and far below what overflows: what fits no
machine is refused by its size in memory, not here.
"""

from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field

Count = Annotated[int, Field(ge=1, le=10**12)]  # updates, steps, episodes
CountOrNone = Annotated[int, Field(ge=0, le=10**12)]
Size = Annotated[int, Field(ge=1, le=2**20)]  # of a layer or a batch
Few = Annotated[int, Field(ge=1, le=1024)]
Pixels = Annotated[int, Field(ge=1, le=4096)]  # every OpenGL can draw as many, no agent wants more
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Share = Annotated[float, Field(ge=0, le=1)]
OpenShare = Annotated[float, Field(gt=0, le=1)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Widths = Annotated[tuple[Size, ...], Field(min_length=1, max_length=64)]
Sizes = Annotated[tuple[Size, ...], Field(max_length=64)]
Strides = Annotated[tuple[Few, ...], Field(max_length=64)]

Kind = TypeVar("Kind")


@dataclass_transform(frozen_default=True)
def settings(kind: type[Kind]) -> type[Kind]:
    """A frozen dataclass whose fields are held to their types: no unknown names, "3" no number."""
    kind.__pydantic_config__ = ConfigDict(extra="forbid", strict=True)  # type: ignore[attr-defined]
    return dataclass(frozen=True)(kind)


def unusual(settings: Any, *names: str) -> list[str]:
    """Those of the named fields that are not what they are by default, each with its value."""
    usual = type(settings)()
    return [f"{name} {getattr(settings, name)}" for name in names
            if getattr(settings, name) != getattr(usual, name)]  # fmt: skip
