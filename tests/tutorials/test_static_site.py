"""What scripts/static_site.py adds to marimo's pages; test_browser.py opens the pages."""

import importlib.util
import re
import sys
import urllib.request
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SPEC = importlib.util.spec_from_file_location("static_site", ROOT / "scripts/static_site.py")
static_site = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(static_site)


def test_uv_is_found_beside_python_where_it_is_not_on_the_path(tmp_path, monkeypatch):
    (tmp_path / "uv").touch()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("UV", raising=False)
    assert static_site.uv() == str(tmp_path / "uv")
    (tmp_path / "uv").unlink()
    with pytest.raises(SystemExit, match="make site-wasm"):
        static_site.uv()
    monkeypatch.setenv("UV", "/elsewhere/uv")
    assert static_site.uv() == "/elsewhere/uv"


def test_marimos_scripts_are_kept_once(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "assets").mkdir(parents=True)
        (tmp_path / name / "assets/a.js").touch()
        page = tmp_path / name / "index.html"
        page.write_text('<body class="x"><script src="./assets/a.js"></script></body>')
        static_site.share(page, tmp_path / "marimo", "")
        assert '"../marimo/assets/a.js"' in page.read_text()
    assert [path.parent.parent.name for path in tmp_path.rglob("a.js")] == ["marimo"]


def offline_page(folder, lock):
    """What marimo leaves of a page with Python beside it."""
    for name in ("assets/a.js", "pyodide/pyodide.mjs", "packages/1/numpy.whl", f"lockfile/{lock}"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "index.html").write_text(
        f'<head><script src="./assets/a.js"></script><marimo-wasm hidden="" '
        f'data-pyodide-index-url="./pyodide/" data-pyodide-lockfile-url="./lockfile/{lock}" '
        'data-pypi-index-url="./packages/index/"></marimo-wasm></head><body></body>'
    )
    return folder / "index.html"


def test_pages_with_python_beside_them_share_it_and_keep_their_own_locks(tmp_path):
    pages = [offline_page(tmp_path / name, f"{name}.json") for name in ("one", "two")]
    for page in pages:
        static_site.share(page, tmp_path / "marimo", "")
        assert [path.name for path in page.parent.iterdir()] == ["index.html"]
        for address in re.findall(r'(?:src|url)="([^"]+)"', page.read_text()):
            assert (page.parent / address).exists() or address.endswith("/packages/index/")
    locks = {path.name for path in (tmp_path / "marimo/lockfile").iterdir()}
    assert locks == {"one.json", "two.json"}


def test_a_folder_that_is_no_pyodide_is_refused_by_what_it_lacks(tmp_path):
    for name in static_site.RUNTIME:
        (tmp_path / name).write_text(name)
    refused = pytest.raises(SystemExit, match=r"lacks pyodide-lock\.json")
    with refused, static_site.address(str(tmp_path)):
        pass
    (tmp_path / "pyodide-lock.json").write_text("{}")
    with static_site.address(str(tmp_path)) as served:
        answer = urllib.request.urlopen(f"{served}pyodide.mjs")
        assert answer.read() == b"pyodide.mjs"
    with static_site.address("https://a.example/full/") as named:
        assert named == "https://a.example/full/"


def test_another_way_to_name_the_scripts_is_not_published(tmp_path):
    (tmp_path / "one/assets").mkdir(parents=True)
    (page := tmp_path / "one/index.html").write_text("<body>url(./assets/a.css)</body>")
    with pytest.raises(SystemExit, match="in another way"):
        static_site.share(page, tmp_path / "marimo", "")


def test_a_notice_stands_at_the_top_of_the_page():
    assert static_site.noticed("<html><body a='b'>text", "note ") == "<html><body a='b'>note text"


def test_the_readme_names_every_host_that_a_page_asks():
    readme = (ROOT / "tutorials/README.md").read_text()
    assert all(host in readme and host in static_site.MISSING for host in static_site.HOSTS)


def test_the_wheel_of_the_pages_has_the_recorded_runs(tmp_path):
    names = zipfile.ZipFile(static_site.wheel_of_ours(tmp_path)).namelist()
    for table in (ROOT / "results").glob("*/*.csv"):
        assert f"tutorials/results/{table.parent.name}/{table.name}" in names
    assert {"tutorials/09_autograd.py", "tutorials/typed.py", "ref/nn.py"} <= set(names)
    assert not any(name.startswith(("fast/", "tests/")) for name in names)


def test_the_workflow_runs_targets_that_there_are():
    makefile = (ROOT / "Makefile").read_text()
    workflow = (ROOT / ".github/workflows/pages.yml").read_text()
    targets = [line.split()[3] for line in workflow.splitlines() if "- run: make" in line]
    assert targets == ["site", "site-wasm"]
    assert all(f"\n{target}: setup" in makefile for target in targets)


@pytest.mark.parametrize(
    ("live", "seen"),
    [("live", "../live"), ("https://a.example/b", "https://a.example/b"), ("/b", "/b")],
)
def test_the_live_pages_are_linked_from_where_a_page_stands(live, seen):
    assert static_site.up(live) == seen
