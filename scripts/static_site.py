"""The tutorials as a static site: `make site`, `make site-wasm`, `make thumbnails`.

    python scripts/static_site.py               build/site: all notebooks with outputs, an index
    python scripts/static_site.py --wasm        build/site-wasm: there Python runs in the browser
    python scripts/static_site.py --thumbnails  tutorials/thumbnails/*.png, which the README shows

build/site asks no other host for anything: marimo's own scripts, which an exported page would
fetch from a content network, lie beside the pages. A notebook's thumbnail is the figure that it
names `cover`.
"""

import argparse
import importlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import marimo

sys.path.insert(0, str(Path(__file__).parent.parent))

from tutorials.contents import Notebook, index, notebooks

ROOT = Path(__file__).parent.parent
THUMBNAILS = ROOT / "tutorials/thumbnails"
NETWORK = f"https://cdn.jsdelivr.net/npm/@marimo-team/frontend@{marimo.__version__}/dist"
PICTURE = {"width": 480, "colours": 48}  # of a thumbnail: below 30 kB


def run(notebook: Notebook) -> dict[str, Any]:
    """The definitions of a notebook that was run with its default values."""
    app = importlib.import_module(f"tutorials.{notebook.name}").app
    return dict(app.run()[1])


def thumbnail(notebook: Notebook, folder: Path) -> None:
    from PIL import Image

    figure = run(notebook)["cover"]
    figure.savefig(drawn := io.BytesIO(), dpi=2 * PICTURE["width"] / figure.get_figwidth())
    picture = Image.open(drawn).convert("RGB")
    height = round(PICTURE["width"] * picture.height / picture.width)
    picture = picture.resize((PICTURE["width"], height), Image.Resampling.LANCZOS)
    folder.mkdir(parents=True, exist_ok=True)
    picture.quantize(PICTURE["colours"]).save(folder / f"{notebook.name}.png", optimize=True)


def marimo_export(*arguments: str | Path) -> None:
    """Ends the program with marimo's message if a cell fails."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "marimo", "-q", "-y", "export", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def site(out: Path, found: list[Notebook]) -> None:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    static = Path(marimo.__file__).parent / "_static"
    shutil.copytree(static, out / "marimo", ignore=shutil.ignore_patterns("*.md"))
    for notebook in found:
        page = out / notebook.name / "index.html"
        page.parent.mkdir()
        print(page.relative_to(out.parent), flush=True)
        # without the plumbing: the code that teaches is shown by its cell
        marimo_export("html", notebook.path, "-o", page, "-f", "--no-include-code")
        text = page.read_text()
        if NETWORK not in text:
            sys.exit(f"{page}: marimo no longer loads its scripts from {NETWORK}")
        page.write_text(text.replace(NETWORK, "../marimo"))
        thumbnail(notebook, out / "thumbnails")
    (out / "index.html").write_text(index(found, STATIC))


def wasm(out: Path, found: list[Notebook]) -> None:
    """Each notebook with a wheel of ours beside it; Python itself comes from the network.

    The notebooks are exported from a folder where they are alone with the wheel: marimo would
    bundle what lies beside a notebook, and not find ref and theory.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as name:
        alone = Path(name)
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--no-build-isolation", "-w", name, "."], cwd=ROOT, check=True)
        (wheel,) = alone.glob("*.whl")
        # No versions: marimo would pin those of this machine where it cannot ask for Pyodide's.
        needs = f'dependencies = ["dominant-neurons[theory] @ {wheel.as_uri()}"]'
        for notebook in found:
            print(out.name, notebook.name, flush=True)
            copy = alone / notebook.path.name
            copy.write_text(f"# /// script\n# {needs}\n# ///\n\n{notebook.path.read_text()}")
            marimo_export("html-wasm", copy, "-o", out / notebook.name, "-f", "--mode", "run")
            thumbnail(notebook, out / "thumbnails")
    (out / "index.html").write_text(index(found, IN_BROWSER))


STATIC = """These pages show each tutorial as it opens, formulas, figures and all. To move the
sliders, clone the repository and type <code>make tutorials</code>."""
IN_BROWSER = """Here Python runs in your browser, so every slider moves. Your browser fetches it,
with NumPy, SciPy and matplotlib, from cdn.jsdelivr.net and pypi.org when a page opens: that takes
the network, and a minute the first time."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build")
    parser.add_argument("--wasm", action="store_true", help="the site in which Python runs")
    parser.add_argument("--thumbnails", action="store_true", help="only those of the README")
    options = parser.parse_args()
    found = notebooks()
    if options.thumbnails:
        for notebook in found:
            thumbnail(notebook, THUMBNAILS)
            print((THUMBNAILS / f"{notebook.name}.png").relative_to(ROOT))
    elif options.wasm:
        wasm(options.out / "site-wasm", found)
    else:
        site(options.out / "site", found)
        print(f"Now serve it: python3 -m http.server --directory {options.out / 'site'}")


if __name__ == "__main__":
    main()
