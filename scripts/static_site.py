"""The tutorials as a static site: `make site`, `make site-wasm`, `make thumbnails`.

    python scripts/static_site.py               build/site: all notebooks with outputs, an index
    python scripts/static_site.py --wasm        build/site-wasm: there Python runs in the browser
    python scripts/static_site.py --thumbnails  tutorials/thumbnails/*.png, which their README shows

    python scripts/static_site.py --live ../live      links that one from each page of build/site
    python scripts/static_site.py --wasm --pyodide X  puts Python itself beside the pages, from X

X is the address or the folder of a Pyodide distribution (`full/`, of marimo's version), from which
marimo takes what the notebooks need; other packages come from --pypi, or from PyPI. Then a page
asks no other host for anything. marimo needs Playwright's Chromium to find out what is needed:
`.venv/bin/playwright install chromium`.

build/site asks no other host for anything: marimo's own scripts, which an exported page would
fetch from a content network, lie beside the pages. A notebook's thumbnail is the figure that it
names `cover`.
"""

import argparse
import functools
import http.server
import importlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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


def uv() -> str:
    """marimo asks it which files a notebook imports, and looks for it in $UV and on the PATH."""
    beside = Path(sys.executable).with_name("uv")
    found = os.environ.get("UV") or (str(beside) if beside.exists() else shutil.which("uv"))
    return found or sys.exit("needs the package uv: make site-wasm installs it")


def marimo_export(*arguments: str | Path, **environment: str) -> None:
    """Ends the program with marimo's message if a cell fails."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "marimo", "-q", "-y", "export", *map(str, arguments)]
    known = {**os.environ, "PYTHONPATH": paths, **environment}
    done = subprocess.run(command, cwd=ROOT, env=known, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def up(live: str) -> str:
    """An address as seen from the index, seen from a page in a folder beside it."""
    return live if "://" in live or live.startswith("/") else f"../{live}"


def noticed(page: str, notice: str) -> str:
    """The page with a notice on top."""
    begin = page.index(">", page.index("<body")) + 1
    return page[:begin] + notice + page[begin:]


def site(out: Path, found: list[Notebook], live: str | None) -> None:
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
        link = f"{up(live)}/{notebook.name}/index.html" if live else "../index.html"
        text = text.replace(NETWORK, "../marimo").replace("<head>", '<head><meta name="still">', 1)
        page.write_text(noticed(text, STILL.format(link=link)))
        thumbnail(notebook, out / "thumbnails")
    (out / "index.html").write_text(
        index(found, STATIC + (MOVES.format(live=live) if live else CLONE))
    )


def wheel_of_ours(folder: Path) -> Path:
    """ref, theory, tutorials and the recorded runs that tutorial 8 reads."""
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("ref", "theory", "tutorials"):
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("__*__", "thumbnails")
        )
        for module in (ROOT / name).rglob("__init__.py"):
            shutil.copy(module, source / module.relative_to(ROOT))
    for table in (ROOT / "results").glob("*/*.csv"):
        (copy := source / "tutorials" / table.relative_to(ROOT)).parent.mkdir(
            exist_ok=True, parents=True
        )
        shutil.copy(table, copy)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "-w", str(folder), "."], cwd=source, check=True)
    shutil.rmtree(source)
    (wheel,) = folder.glob("*.whl")
    return wheel


RUNTIME = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
BESIDE = ("assets", "pyodide", "packages", "lockfile")  # what marimo puts beside a page


@contextmanager
def address(pyodide: str) -> Iterator[str]:
    """That of a Pyodide distribution; a folder is served to this machine meanwhile."""
    if "://" in pyodide:
        yield pyodide
        return
    folder = Path(pyodide).resolve()
    missing = [name for name in (*RUNTIME, "pyodide-lock.json") if not (folder / name).is_file()]
    if missing:
        sys.exit(f"--pyodide: {folder} is no Pyodide distribution, it lacks {', '.join(missing)}")
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def wasm(out: Path, found: list[Notebook], sources: tuple[str, ...] = ()) -> None:
    """Each notebook with a wheel of ours beside it; Python itself comes from HOSTS, unless
    `sources`, options of marimo's, say from where to put it beside the pages.

    The notebooks are exported from a folder where they are alone with the wheel: marimo would
    bundle what lies beside a notebook, and not find ref and theory. Its own scripts, which it
    puts beside each, are kept once.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as name:
        alone = Path(name)
        # No versions: marimo would pin those of this machine where it cannot ask for Pyodide's.
        needs = f'dependencies = ["dominant-neurons[theory] @ {wheel_of_ours(alone).as_uri()}"]'
        shutil.copy(ROOT / "tutorials/head.html", alone)
        for notebook in found:
            print(out.name, notebook.name, flush=True)
            copy, page = alone / notebook.path.name, out / notebook.name / "index.html"
            copy.write_text(f"# /// script\n# {needs}\n# ///\n\n{notebook.path.read_text()}")
            into = ("-o", page.parent, "-f", "--mode", "run", *sources)
            marimo_export("html-wasm", copy, *into, UV=uv())
            share(page, out / "marimo", "" if sources else MISSING)
            thumbnail(notebook, out / "thumbnails")
    (out / "index.html").write_text(index(found, SELF_HOSTED if sources else IN_BROWSER))


def share(page: Path, shared: Path, notice: str) -> None:
    """Move what marimo put beside a page to `shared`, where those of all pages are one."""
    text = page.read_text()
    for name in BESIDE:
        if (beside := page.parent / name).exists():
            shutil.copytree(beside, shared / name, dirs_exist_ok=True)
            shutil.rmtree(beside)
            text = text.replace(f'"./{name}/', f'"../{shared.name}/{name}/')
            if f"./{name}/" in text.replace(f"../{shared.name}/{name}/", ""):
                sys.exit(f"{page}: marimo names its {name} in another way")
    (page.parent / "CLAUDE.md").unlink(missing_ok=True)
    page.write_text(noticed(text, notice))


# Where a page of site-wasm gets Python, our packages' wheels and the list of their versions from.
HOSTS = ("cdn.jsdelivr.net", "pypi.org", "files.pythonhosted.org", "wasm.marimo.app")
LOOK = "font:15px/1.4 system-ui,sans-serif;margin:0;padding:.6em 1em;background:#fff3cd;color:#222"
STILL = f"""<p id="still" style="{LOOK}">This page is still: its sliders and buttons need the
<a href="{{link}}" style="color:#00507d">live version</a>, in which Python runs.</p>"""
MISSING = f"""<p id="missing" role="alert" hidden style="{LOOK}"></p>
<script>
for (const host of {list(HOSTS)}) fetch(`https://${{host}}/`, {{mode: 'no-cors'}}).catch(() => {{
  const told = document.getElementById('missing');
  told.textContent ||= 'This page gets Python from the network, and cannot reach:';
  told.textContent += ` ${{host}}`;
  told.hidden = false;
}});
</script>"""
STATIC = "These pages show each tutorial as it opens, formulas, figures and all. "
MOVES = 'To move the sliders, open <a href="{live}/index.html">the live version</a>.'
CLONE = "To move the sliders, clone the repository and type <code>make tutorials</code>."
IN_BROWSER = f"""Here Python runs in your browser, so every slider moves. Your browser fetches it,
with NumPy, SciPy and matplotlib, when a page opens: that takes the network
({", ".join(HOSTS)}), and a minute the first time."""
SELF_HOSTED = """Here Python runs in your browser, so every slider moves. It comes from where this
page comes from, and takes a minute the first time."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build")
    parser.add_argument("--wasm", action="store_true", help="the site in which Python runs")
    parser.add_argument(
        "--thumbnails", action="store_true", help="only those of tutorials/README.md"
    )
    parser.add_argument("--pyodide", help="with --wasm: a Pyodide distribution, folder or address")
    parser.add_argument("--pypi", help="with --pyodide: a package index, in place of PyPI")
    parser.add_argument("--live", help="where the pages of --wasm are, seen from the index")
    options = parser.parse_args()
    if (options.pyodide and not options.wasm) or (options.pypi and not options.pyodide):
        parser.error("--pyodide goes with --wasm, --pypi with --pyodide")
    found = notebooks()
    if options.thumbnails:
        for notebook in found:
            thumbnail(notebook, THUMBNAILS)
            print((THUMBNAILS / f"{notebook.name}.png").relative_to(ROOT))
    elif options.pyodide:
        with address(options.pyodide) as runtime:
            sources = ["--offline", "--pyodide-index-url", runtime]
            sources += ["--pypi-index-url", options.pypi] if options.pypi else []
            wasm(options.out / "site-wasm", found, tuple(sources))
    elif options.wasm:
        wasm(options.out / "site-wasm", found)
    else:
        site(options.out / "site", found, options.live)
        print(f"Now serve it: python3 -m http.server --directory {options.out / 'site'}")


if __name__ == "__main__":
    main()
