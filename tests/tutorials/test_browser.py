"""Each tutorial in a real browser: served, moved, searched; and the static site, offline."""

import hashlib
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import zipfile
from functools import partial
from importlib.metadata import requires, version
from pathlib import Path
from urllib.parse import urlparse

import pytest
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename

from theory.claim import find
from theory.decide import CLAIMS
from tutorials import style

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = sorted((ROOT / "tutorials").glob("[0-9]*.py"))
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
LIMIT = 120_000  # ms: a busy machine is no failure
CONTENT = "document.body.innerText"
TEXTS = "[...document.querySelectorAll('img[alt]')].map(i => i.alt).join()"
PICTURES = "[...document.querySelectorAll('img[alt]')].map(i => i.src).join()"


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="make thorough installs it")
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt-get install chromium")
    with playwright.sync_playwright() as running:
        # no sandbox: inside a container, as root, there is none; and no other host is to be found
        alone = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        opened = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", alone])
        yield opened
        opened.close()


@pytest.fixture
def page(browser):
    """A page, with what its console complained of in `errors` and where it went in `hosts`."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.errors, opened.hosts = [], set()
    opened.on("console", lambda m: opened.errors.append(m.text) if m.type == "error" else None)
    opened.on("pageerror", lambda error: opened.errors.append(str(error)))
    opened.on("request", lambda request: opened.hosts.add(urlparse(request.url).hostname))
    yield opened
    opened.close()


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def link():
    """The link that `make tutorials` opens."""
    command = [sys.executable, "-m", "tutorials", "--headless", "--port", str(free_port())]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    yield server.stdout.readline().split()[-1]
    server.terminate()
    server.wait()


@pytest.fixture
def served(link, page):
    """Opens a served tutorial, whole."""

    def open_it(name):
        page.goto(link)
        page.goto(f"{link.partition('?')[0]}{name}/")
        page.wait_for_selector("img[alt]", timeout=LIMIT)
        page.wait_for_selector("text=Where to look", timeout=LIMIT)
        return page

    return open_it


def elsewhere(page):
    return page.hosts - {"127.0.0.1", None, ""}


@pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS])
def test_a_slider_and_the_button_change_what_a_tutorial_shows(served, name):
    page = served(name)
    figure, text = page.evaluate(PICTURES), page.evaluate(CONTENT)
    slider = page.locator("[role=slider]").first
    at, end = (slider.get_attribute(f"aria-value{which}") for which in ("now", "max"))
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft" if at == end else "ArrowRight")
    page.wait_for_function(f"{PICTURES} !== {figure!r}", timeout=LIMIT)
    page.wait_for_function("before => document.body.innerText !== before", arg=text, timeout=LIMIT)
    button = page.get_by_role("button", name="find me a counterexample")
    if button.count():
        text = page.evaluate(CONTENT)
        button.first.click()
        found = page.get_by_text("ounterexample, of size").or_(page.get_by_text("No counterexampl"))
        found.first.wait_for(timeout=LIMIT)
        assert page.evaluate(CONTENT) != text
    assert "Traceback" not in page.evaluate(CONTENT)
    assert page.errors == []
    assert not elsewhere(page)


def test_theorem_1_falls_at_the_move_that_tutorial_3_suggests(served):
    theorem_1_falls(served("03_dominance"))


def theorem_1_falls(page):
    """Within a minute of its first figure, on a page of tutorial 3 that is there."""
    began = time.monotonic()
    assert "refuted" not in page.evaluate(CONTENT).partition("Break it")[0]
    assert "0 mixed" in page.evaluate(TEXTS)
    page.get_by_text("no: it is still dominant").click()
    share = page.get_by_role("slider", name="share of inputs where it is on")
    share.focus()
    page.keyboard.press("ArrowLeft")
    page.get_by_text("Not so:").wait_for(timeout=LIMIT)
    assert "19 mixed" in page.evaluate(TEXTS)
    page.get_by_role("button", name="find me a counterexample").click()
    page.get_by_text("A counterexample, of size").wait_for(timeout=LIMIT)
    page.get_by_text("the search below found, in this figure").wait_for(timeout=LIMIT)
    assert "at 2 inputs: 0 saturated, 0 zombie, 1 mixed; 1 fulfil" in page.evaluate(TEXTS)
    assert time.monotonic() - began < 60
    share.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"{TEXTS}.includes('0 mixed')", timeout=LIMIT)


def test_a_search_says_how_far_it_is_and_can_be_stopped(served):
    page, id = served("03_dominance"), "dominance.all-die"
    option = page.locator("option", has_text=f"({id})")
    page.locator("select", has=option).first.select_option(label=option.first.inner_text())
    page.get_by_text("Drop").first.wait_for(timeout=LIMIT)
    page.get_by_role("button", name="find me a counterexample").click()
    page.get_by_text("Searching:").wait_for(timeout=LIMIT)
    page.get_by_role("button", name="stop").click()
    told = page.get_by_text("No counterexample among")
    told.wait_for(timeout=LIMIT)
    tried = int(told.inner_text().partition("among ")[2].partition(" ")[0].replace(",", ""))
    assert tried < find(CLAIMS[id], None, style.EXAMPLES).tried
    assert page.errors == []


def test_quick_moves_over_several_sliders_are_all_kept(served):
    page = served("01_neurons")
    sliders = page.locator("[role=slider]")
    for turn in range(3):
        for i in range(12):
            sliders.nth(i).focus()
            page.keyboard.press("ArrowRight" if turn != 1 or i % 2 else "ArrowLeft")
    at = [round(float(sliders.nth(i).get_attribute("aria-valuenow")), 1) for i in range(12)]
    state = f"w = {at[0::3]}, b = {at[1::3]}, v = {at[2::3]}"
    page.wait_for_function(f"{TEXTS}.includes({state!r})", timeout=LIMIT)


ROLES = ("slider", "combobox", "textbox", "radio", "checkbox", "button")


@pytest.mark.parametrize("name", [path.stem for path in NOTEBOOKS])
def test_a_tutorial_has_names_for_its_controls_and_fits_a_telephone(served, page, name):
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    served(name)
    assert "dark" in page.evaluate("document.body.className")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    drawn = page.locator("[data-figure] img")
    for i in range(drawn.count()):  # whole, and letters of 10.5 points (of 96 / 72 pixels) readable
        shown, natural = drawn.nth(i).evaluate("it => [it.clientWidth, it.naturalWidth]")
        assert shown <= 390 and shown / natural * 10.5 * 96 / 72 >= 11
    formulas = page.locator(".katex-display")
    for i in range(formulas.count()):  # one that is too wide can be moved
        its = "it => [it.scrollWidth > it.clientWidth, getComputedStyle(it).overflowX]"
        wide, overflow = formulas.nth(i).evaluate(its)
        assert not wide or overflow == "auto", formulas.nth(i).inner_text()
    for role in ROLES:
        controls = page.get_by_role(role)
        for i in range(controls.count()):
            if not controls.nth(i).evaluate("it => it.matches('.cm-content')"):  # code, to read
                assert '"' in controls.nth(i).aria_snapshot().partition("\n")[0], (role, i)
                box = controls.nth(i).bounding_box()
                if box:
                    assert box["x"] + box["width"] <= 390, (role, i)


# Every text that is shown with a contrast below 4.5, or 3 where it is large (WCAG 2.2, 1.4.3), as
# "text, contrast"; without code in marimo's editor and without what KaTeX hides.
FAINT = """() => {
  const paper = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const parts = colour => {  // whatever way it is written: red, green and blue to 255, alpha to 1
    paper.clearRect(0, 0, 1, 1);
    paper.fillStyle = colour;
    paper.fillRect(0, 0, 1, 1);
    const [r, g, b, alpha] = paper.getImageData(0, 0, 1, 1).data;
    return [r, g, b, alpha / 255];
  };
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const over = (above, below) => above.slice(0, 3)
    .map((c, i) => c * above[3] + below[i] * (1 - above[3]));
  const parent = it => it.parentElement ?? it.getRootNode().host;
  const ground = it => {
    if (!it) return parts(getComputedStyle(document.body).backgroundColor);
    const own = parts(getComputedStyle(it).backgroundColor);
    return own[3] === 1 ? own : over(own, ground(parent(it)));
  };
  const faint = [];
  const visit = root => {
    for (const it of root.querySelectorAll('*')) {
      if (it.shadowRoot) visit(it.shadowRoot);
      const text = [...it.childNodes].map(n => n.nodeType === 3 ? n.data.trim() : '').join('');
      const shown = it.checkVisibility({ opacityProperty: true, visibilityProperty: true });
      if (!text || !shown) continue;
      if (it.closest('.cm-editor, .katex-mathml, style, script, [disabled]')) continue;
      const style = getComputedStyle(it), below = ground(it), size = parseFloat(style.fontSize);
      const ink = over(parts(style.color), below);
      const [dark, bright] = [light(ink), light(below)].sort((a, b) => a - b);
      const contrast = (bright + 0.05) / (dark + 0.05);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (contrast < (large ? 3 : 4.5)) faint.push(`${text.slice(0, 40)}, ${contrast.toFixed(2)}`);
    }
  };
  visit(document.body);
  return faint;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["", *(path.stem for path in NOTEBOOKS)])
def test_every_text_stands_out_from_what_is_behind_it(served, page, link, name, scheme):
    page.emulate_media(color_scheme=scheme)
    if name:
        served(name)
    else:
        page.goto(link)
    assert page.evaluate(FAINT) == []


def test_a_word_opens_on_what_it_means(served):
    page = served("03_dominance")
    page.locator("strong", has_text="zombie").first.click()
    page.get_by_text("always on, it bends nothing").wait_for(timeout=LIMIT)
    page.keyboard.press("Escape")
    assert page.locator("#word").count() == 0
    page.locator("strong", has_text="dominant").first.focus()
    page.keyboard.press("Enter")
    page.get_by_text("its score is above N/2").wait_for(timeout=LIMIT)


def test_an_exercise_reads_fractions_helps_in_steps_and_is_remembered(served, link):
    page = served("03_dominance")
    field = page.get_by_label("c =").first
    verdict = page.locator("[data-verdict]").first
    for typed, says in (
        ("", "Your answer?"),
        ("three halves", "cannot be read"),
        ("7/3", "keeps the mean"),
        ("4", "At the second input the margin"),
        ("2", "The solution"),
        ("1,5", "Right."),
    ):
        field.fill(typed)
        field.press("Enter")
        page.get_by_text(says).first.wait_for(timeout=LIMIT)
    assert verdict.get_attribute("data-solved") == "03_dominance.1"
    page.goto(link.partition("?")[0])
    assert "1 of 3 solved" in page.locator("li[data-name='03_dominance']").inner_text()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of build/site, on Python's own static server."""
    out = tmp_path_factory.mktemp("build")
    command = [sys.executable, "scripts/static_site.py", "--out", str(out), "--live", "live"]
    subprocess.run(command, cwd=ROOT, check=True)
    yield from serve(out / "site")


def serve(folder):
    """The address of a folder on Python's own static server."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_the_site_works_without_another_host_and_its_links_resolve(page, site):
    failed = []
    page.on("response", lambda r: failed.append(r.url) if r.status >= 400 else None)
    page.goto(f"{site}/index.html")
    links = page.eval_on_selector_all("li a", "all => all.map(a => a.href)")
    assert len(links) == len(NOTEBOOKS)
    for link in links:
        page.goto(link)
        page.wait_for_selector("img[alt]", timeout=LIMIT)
        page.wait_for_selector("text=Where to look", timeout=LIMIT)
        page.wait_for_selector(".katex, marimo-tex", timeout=LIMIT)
        assert "Traceback" not in page.evaluate(CONTENT)
        live = page.locator("#still a").get_attribute("href")
        assert live == f"../live/{link.split('/')[-2]}/index.html"
        inside = page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)")
        for address in {
            a.partition("#")[0] for a in inside if a.startswith(site) and "/live/" not in a
        }:
            assert page.request.get(address).ok, address
    assert failed == []
    assert page.errors == []
    assert not elsewhere(page)


@pytest.fixture(scope="module")
def wasm(tmp_path_factory):
    """The address of the first page of build/site-wasm."""
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        pytest.skip("no uv here: make site-wasm installs it")
    out = tmp_path_factory.mktemp("wasm") / "site-wasm"
    code = "import sys; from pathlib import Path; sys.path.insert(0, 'scripts'); import static_site"
    code += "; static_site.wasm(Path(sys.argv[1]), static_site.notebooks()[:1])"
    subprocess.run([sys.executable, "-c", code, str(out)], cwd=ROOT, check=True)
    yield from serve(out)


def test_a_page_with_python_in_it_names_the_hosts_that_it_misses(page, wasm):
    """Other hosts are blocked: all that is ours loads, and a message says what does not."""
    failed = []
    page.on("response", lambda r: failed.append(r.url) if r.status >= 400 else None)
    page.goto(f"{wasm}/index.html")
    page.goto(page.eval_on_selector("li a", "a => a.href"))
    page.get_by_role("alert").first.wait_for(timeout=LIMIT)
    told = page.locator("#missing").inner_text()
    for host in ("cdn.jsdelivr.net", "pypi.org", "files.pythonhosted.org", "wasm.marimo.app"):
        page.wait_for_function(
            "host => document.getElementById('missing').innerText.includes(host)", arg=host
        )
    assert "cannot reach" in told
    assert elsewhere(page) <= {
        "cdn.jsdelivr.net", "pypi.org", "files.pythonhosted.org", "wasm.marimo.app"
    }  # fmt: skip
    assert failed == []


# --- Python beside the pages ----------------------------------------------------------------------

NPM, CORE = shutil.which("npm"), "pyodide@314.0.0"  # marimo's
# These come with a whole Pyodide alone; what a module of theirs is called, and does here.
NUMPY = """
from hypothesis import __version__
from tutorials.contents import COURSE
raise ModuleNotFoundError(
    f"No module named 'numpy', beside hypothesis {__version__} and {len(COURSE)} tutorials"
)
"""
LACKING = {
    "numpy": ("numpy", NUMPY),
    "scipy": ("scipy", "import numpy"),
    "matplotlib": ("matplotlib", "import numpy"),
    "python-flint": ("flint", ""),
}


def packed(folder, name, files):
    """A wheel of these files, as if it were the one that is installed here."""
    stem = f"{name.replace('-', '_')}-{version(name)}"
    files |= {
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\n"
        f"Version: {version(name)}\n",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{stem}.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)


def locked(wheel):
    """What pyodide-lock.json says of a wheel."""
    name, release, _, _ = parse_wheel_filename(wheel.name)
    with zipfile.ZipFile(wheel) as opened:
        paths = [path.split("/") for path in opened.namelist()]
    return {
        "name": name,
        "version": str(release),
        "file_name": wheel.name,
        "install_dir": "site",
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "package_type": "package",
        "imports": [at[0] for at in paths if at[1:] == ["__init__.py"]],
        "depends": [],
        "unvendored_tests": False,
    }


def fetch_wheels(folder):
    """What marimo, its export and our pages need, as PyPI has it for Pyodide."""
    there = {"sys_platform": "emscripten", "python_full_version": "3.14.0", "extra": ""}
    asked = [Requirement(line) for line in requires("marimo")]
    needs = [it for it in asked if not it.marker or it.marker.evaluate(there)]
    wanted = [f"{it.name}{it.specifier}" for it in needs if it.name != "pyyaml"]
    wanted += [f"marimo-base=={version('marimo')}", "micropip", "pyodide-http", "parso"]
    wanted += ["black", "click", "mypy-extensions", "pathspec", "platformdirs", "pytokens"]
    wanted += ["hypothesis>=6.112", "sortedcontainers"]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    pip += ["--python-version=3.14", "--only-binary=:all:", "--implementation=cp"]
    pip += [f"--platform={name}" for name in ("pyemscripten_2026_0_wasm32", "any")]
    pip += [f"--abi={name}" for name in ("cp314", "none")]
    subprocess.run([*pip, *wanted], check=True)
    yaml = Path(pytest.importorskip("yaml").__file__).parent  # of which PyPI has none for Pyodide
    packed(folder, "pyyaml", {f"yaml/{path.name}": path.read_text() for path in yaml.glob("*.py")})


@pytest.fixture(scope="module")
def pyodide(tmp_path_factory):
    """$PYODIDE, a whole Pyodide; or what is to be had of one: all but NumPy and what imports it."""
    if "PYODIDE" in os.environ:
        return os.environ["PYODIDE"]
    folder = tmp_path_factory.mktemp("pyodide")
    if (
        NPM is None
        or subprocess.run([NPM, "pack", CORE], cwd=folder, capture_output=True).returncode
    ):
        pytest.skip("Pyodide's core cannot be fetched here: it takes npm")
    (core,) = folder.glob("*.tgz")
    subprocess.run(["tar", "xzf", core, "--strip-components=1"], cwd=folder, check=True)
    fetch_wheels(folder)
    for name, (module, text) in LACKING.items():
        packed(folder, name, {f"{module}/__init__.py": text})
    packages = {found["name"]: found for found in map(locked, folder.glob("*.whl"))}
    packages["hypothesis"]["depends"] = ["sortedcontainers"]
    ours = {*LACKING, "marimo-base", "hypothesis", "sortedcontainers"}
    packages["marimo-base"]["depends"] = sorted({*packages} - ours)
    lock = json.loads((folder / "pyodide-lock.json").read_text())
    (folder / "pyodide-lock.json").write_text(json.dumps(lock | {"packages": packages}))
    return str(folder)


@pytest.fixture(scope="module")
def self_hosted(browser, pyodide, tmp_path_factory):
    """The address of tutorial 3 as `make site-wasm PYODIDE=folder` builds it, without a network."""
    browsers = tmp_path_factory.mktemp("browsers")
    build = Path(browser.browser_type.executable_path).parts[-3].partition("-")[2]
    shell = browsers / f"chromium_headless_shell-{build}" / "chrome-headless-shell-linux64"
    shell.mkdir(parents=True)
    (shell / "chrome-headless-shell").symlink_to(CHROMIUM)  # marimo asks for playwright's own
    out = tmp_path_factory.mktemp("self-hosted") / "site-wasm"
    code = f"""
import sys
from pathlib import Path
sys.path.insert(0, "scripts")
import static_site
(third,) = [it for it in static_site.notebooks() if it.name == "03_dominance"]
with static_site.address({pyodide!r}) as runtime:
    nowhere = "http://127.0.0.1:9/simple"
    sources = ("--offline", "--pyodide-index-url", runtime, "--pypi-index-url", nowhere)
    static_site.wasm(Path({str(out)!r}), [third], sources)
"""
    known = {**os.environ, "PLAYWRIGHT_BROWSERS_PATH": str(browsers)}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=known, check=True)
    yield from (f"{address}/03_dominance/index.html" for address in serve(out))


def test_tutorial_3_with_python_beside_it_runs_as_far_as_numpy_is_there(page, self_hosted):
    """On a page that comes from one host, all others blocked: marimo, hypothesis and our packages
    run, and the first thing that fails is the import of NumPy. With a whole Pyodide in $PYODIDE
    nothing fails, and Theorem 1 falls as on the served page."""
    told, failed = [], []
    page.on("console", lambda message: told.append(message.text))
    page.on("response", lambda r: failed.append(r.url) if r.status >= 400 else None)
    page.goto(self_hosted)
    if "PYODIDE" in os.environ:
        page.wait_for_selector("text=Where to look", timeout=LIMIT)
        theorem_1_falls(page)
    else:
        page.get_by_text("An internal error occurred").first.wait_for(timeout=LIMIT)
        first = next(text for text in told if "Traceback" in text)
        assert "(setup)" in first and "ModuleNotFoundError: No module named 'numpy'" in first
        assert f"and {len(NOTEBOOKS)} tutorials" in first
    assert failed == []  # no name of ours is asked for in a package index
    assert not elsewhere(page)
