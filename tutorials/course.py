"""tutorials/README.md, the page for teachers: `python -m tutorials.course` writes it."""

from itertools import pairwise

from tutorials import contents
from tutorials.contents import COURSE, notebooks
from tutorials.exercises import ALL

CLASS = (  # minute it begins, what is done, where
    (0, "The words: dormant, dominant, saturated, zombie. Everyone builds one of each.", "1, top"),
    (10, "Theorem 1 on the board. Everyone predicts, in writing.", "3, top"),
    (15, "Neuron 1 is off at one input in eight. Who was right? Which line of the proof fails?",
     "3, first figure"),
    (30, "In pairs: the smallest counterexample by hand; then the machine's.", "3, Break it"),
    (45, "Which inequality repairs it? Exercise 1.", "3, What is true"),
    (60, "Does dominance lower the rank? Predict, then build a batch of full rank.", "4, top"),
    (75, "What a recorded training can show of all this, and what it cannot.", "8, its tables"),
    (90, "", ""),
)  # fmt: skip
PAGE = """<!-- `python -m tutorials.course` writes this file. -->
# The tutorials

Study the theorems by playing with them: {many} notebooks, about {hours} hours in all. A tutorial
states a theorem as printed, asks for a prediction, lets the reader find where it fails, and ends
with what is true and three exercises. In this order; what was solved is remembered in the browser.

| | | minutes | before it | afterwards one can |
|---|---|---|---|---|
{rows}

| command | what it does |
|---|---|
| `make tutorials` | serves them and opens a list of them in your browser, if there is one; Ctrl-C ends it |
| `make site` | all of them with their outputs as pages in `build/site`, for any static server; no page asks another host for anything; `LIVE=address` links the next one, where the sliders move |
| `make site-wasm` | the same with Python inside the reader's browser, in `build/site-wasm`: every slider moves, but Python itself comes from the network (cdn.jsdelivr.net, pypi.org, files.pythonhosted.org, wasm.marimo.app), and a page says which of them it misses. `PYODIDE=X`, the folder or address of a Pyodide distribution (`full/`), puts Python beside the pages, and no page asks another host (`PYPI=Y`: a package index to build from; it takes `.venv/bin/playwright install chromium`) |
| `make thumbnails` | draws the pictures above anew |

Serving means that Python runs here for whoever moves a slider there. So `make tutorials` listens to
this machine alone (127.0.0.1) and asks for the token in the link that it prints and opens, a new one
each time; what is typed into a tutorial is read by a small grammar (`tutorials/typed.py`) and never
evaluated. Do not pass the link on: for a class, `make site` and `make site-wasm` make pages that run
nothing on your machine. `.github/workflows/pages.yml` builds both and publishes them as GitHub Pages.

They are [marimo](https://marimo.io) notebooks: plain Python, whose mathematics is that of `ref/` and
`theory/`. On two idle cores each showed its first figure 4.7 to 5.8 s after it was opened, and a figure
was drawn anew within 0.12 to 0.51 s of a move; beside other work up to 38 s and 7.6 s
(`python scripts/tutorial_times.py`, in Chromium).

## A class of 90 minutes

| minutes | what | tutorial |
|---|---|---|
{plan}

[A sheet to print](SHEET.md) goes with it. Whoever has less time leaves out the last two rows.

## Exercises and solutions

In a tutorial each has two hints, given after wrong answers, and its solution after three. Numbers
may be typed as 1.5, 1,5 or 3/2.

{exercises}"""  # noqa: E501


def solved(number: int, task: dict[str, object]) -> str:
    wrong = task.get("meant") or {}
    assert isinstance(wrong, dict)
    meant = "".join(f"- {answer}: {says}\n" for answer, says in wrong.items())
    return (
        f"**Exercise {number}.** {task['question']}\n\n<details><summary>Solution</summary>\n\n"
        f"{task['solution']}\n\n{task['praise']}\n\n"
        + (f"What wrong answers mean:\n\n{meant}\n" if meant else "")
        + "</details>\n"
    )


def page() -> str:
    found = notebooks()
    rows = [
        f"| [![](thumbnails/{it.name}.png)]({it.path.name}) | **[{int(it.name[:2])}. {it.title}]"
        f"({it.path.name}).** {it.sentence} | {' | '.join(map(str, COURSE[it.name]))} |"
        for it in found
    ]
    plan = [
        f"| {begin} to {end} | {what} | {where} |"
        for (begin, what, where), (end, _, _) in pairwise(CLASS)
    ]
    parts = [
        "\n".join(
            [f"### {int(it.name[:2])}. {it.title}\n\n{it.sentence}\n"]
            + [solved(number, task) for number, task in enumerate(ALL[it.name], 1)]
        )
        for it in found
    ]
    return PAGE.format(
        many=len(found),
        hours=round(sum(minutes for minutes, _, _ in COURSE.values()) / 60),
        rows="\n".join(rows),
        plan="\n".join(plan),
        exercises="\n".join(parts),
    )


def main() -> None:
    (contents.FOLDER / "README.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
