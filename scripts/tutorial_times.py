"""How long each tutorial takes to open, and to redraw after a slider's move, in a real browser.

    .venv/bin/pip install --no-deps --require-hashes --requirement tools.lock
    .venv/bin/python scripts/tutorial_times.py [NAME ...]

It opens all notebooks, or those named, one after the other, each in a new `make tutorials`. `opens`
is until the first figure stands below its sliders, `whole` until the last table is there too; a
redraw is from a key press on the first slider to another figure (median of MOVES). It needs
Debian's package chromium.
"""

import argparse
import shutil
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parent.parent
MOVES = 6
LIMIT = 120_000  # ms
PICTURES = "[...document.querySelectorAll('img[alt]')].map(i => i.src).join()"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def opened(page: Page, address: str) -> tuple[float, float]:
    begin = time.perf_counter()
    page.goto(address)
    page.wait_for_selector("img[alt]", timeout=LIMIT)
    first = time.perf_counter() - begin
    page.wait_for_selector("text=Where to look", timeout=LIMIT)
    return first, time.perf_counter() - begin


def redrawn(page: Page) -> float:
    slider = page.locator("[role=slider]").first
    at, end = (slider.get_attribute(f"aria-value{which}") for which in ("now", "max"))
    slider.focus()
    times = []
    for move in range(MOVES):
        before = page.evaluate(PICTURES)
        begin = time.perf_counter()
        page.keyboard.press("ArrowLeft" if (move + (at == end)) % 2 else "ArrowRight")
        page.wait_for_function(f"{PICTURES} !== {before!r}", timeout=LIMIT, polling=10)
        times.append(time.perf_counter() - begin)
        page.wait_for_timeout(500)  # other figures may still be on their way
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [path.stem for path in sorted((ROOT / "tutorials").glob("[0-9]*.py"))]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}")
    asked = parser.parse_args().names or names
    if unknown := set(asked) - set(names):
        parser.error(f"no tutorial: {', '.join(sorted(unknown))}")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        # no sandbox: inside a container, as root, there is none
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        print(f"{'seconds':28} opens  whole  redraw")
        for name in asked:
            command = [sys.executable, "-m", "tutorials", "--headless", "--port", str(free_port())]
            server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
            link = next(
                word for line in server.stdout for word in line.split() if "http://" in word
            )
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(link)
            first, whole = opened(page, f"{link.partition('?')[0]}{name}/")
            line = f"{name:28} {first:5.1f}  {whole:5.1f}  {redrawn(page):6.2f}"
            print(line, flush=True)
            page.close()
            server.terminate()
            server.wait()
        browser.close()


if __name__ == "__main__":
    main()
