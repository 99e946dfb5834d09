"""The figures of the papers, each from the runs of its recipe: PNG, PDF and CSV."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fast.errors import InputError, as_input, unknown
from fast.papers.recipes import RECIPES
from fast.report import drawing
from fast.report.chosen import OWN, choose
from fast.report.drawing import Drawing
from fast.report.families import FAMILIES
from fast.runs.records import Keep, Run, find_runs

# All that is to be read of a run.
KEEP: Keep = {
    kind: {
        key
        for recipe in RECIPES.values()
        for panel in recipe.panels
        if panel.kind == kind
        for key in panel.keys
    }
    for kind in ("scores", "episode", "update", "timing")
}


def draw(name: str, runs: Sequence[Run], preset: str | None = None, own: bool = False) -> Drawing:
    """Figure `name` of the runs that belong to it; raises InputError where none can be made."""
    with drawing.house_style():
        return FAMILIES[RECIPES[name].family](choose(name, runs, preset, own))


def draw_all(
    runs: Sequence[Run], preset: str | None = None, own: bool = False
) -> Iterator[tuple[str, Drawing | InputError]]:
    """Every figure, one after the other so that no two need be held, or why it cannot be drawn."""
    for name in OWN if own else RECIPES:
        try:
            yield name, draw(name, runs, preset, own)
        except InputError as error:
            yield name, error


def write(
    name: str, folder: Path, out: Path, preset: str | None = None, own: bool = False
) -> tuple[list[Path], dict[str, InputError]]:
    """Write `figure-NAME.png`, `.pdf` and `.csv` into `out`, for `all` of whatever can be drawn.

    Returns the PNGs, and why figures of `all` are missing and runs are left out. Raises InputError
    where the name is unknown or nothing can be drawn, or written.
    """
    if name not in RECIPES and name != "all":
        raise unknown("NAME", name, [*RECIPES, "all"])
    drawing.require_writable(out)
    damaged: list[InputError] = []
    runs = find_runs(folder, damaged=damaged, keep=KEEP)
    drawn: Iterable[tuple[str, Drawing | InputError]]
    drawn = (
        draw_all(runs, preset, own) if name == "all" else [(name, draw(name, runs, preset, own))]
    )
    paths, refused = [], {}
    for name, made in drawn:
        if isinstance(made, InputError):
            refused[name] = made
            continue
        with as_input("--out", out, "nothing can be written there"):
            paths.append(drawing.save(made, out / f"figure-{name}.png"))
    if not paths:
        raise InputError("--runs", str(folder), "none of its runs belongs to a figure")
    return paths, refused | {error.field: error for error in damaged}
