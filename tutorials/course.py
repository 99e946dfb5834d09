"""tutorials/README.md, the page for teachers: `python -m tutorials.course` writes it."""

from itertools import pairwise

from tutorials.contents import COURSE, FOLDER, notebooks
from tutorials.exercises import ALL

CLASS = (  # minute it begins, what is done, where
    (0, "The words: dormant, dominant, saturated, zombie. Everyone builds one of each.", "1, top"),
    (10, "Theorem 1 on the board. Everyone predicts, in writing.", "3, top"),
    (15, "Neuron 1 is off at one input in eight. Who was right? Which line of the proof fails?",
     "3, first figure"),
    (30, "In pairs: the smallest counterexample by hand; then the machine's.", "3, Break it"),
    (45, "Which inequality repairs it? Exercise 1.", "3, What is true"),
    (60, "Does dominance lower the rank? Predict, then build a batch of full rank.", "4, top"),
    (75, "What a recorded training can show of all this, and what it cannot.", "7, its tables"),
    (90, "", ""),
)  # fmt: skip
PAGE = """<!-- `python -m tutorials.course` writes this file. -->
# The tutorials, for who teaches with them

{many} notebooks, about {hours} hours in all. A tutorial states a theorem as printed, asks for a
prediction, lets the reader find where it fails, and ends with what is true and three exercises.
`make tutorials` opens a list of them; what was solved is remembered in the browser.

| | minutes | before it | afterwards one can |
|---|---|---|---|
{rows}

## A class of 90 minutes

| minutes | what | tutorial |
|---|---|---|
{plan}

Whoever has less time leaves out the last two rows. Do not share the link of a served tutorial with
a class: `make site` makes pages to read, `make site-wasm` pages to play with, for any web server.

## Exercises and solutions

In a tutorial each has two hints, given after wrong answers, and its solution after three. Numbers
may be typed as 1.5, 1,5 or 3/2.

{exercises}"""


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
        f"| [{int(it.name[:2])}. {it.title}]({it.path.name}) | {COURSE[it.name][0]} | "
        f"{COURSE[it.name][1]} | {COURSE[it.name][2]} |"
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


if __name__ == "__main__":
    (FOLDER / "README.md").write_text(page(), encoding="utf-8")
