"""What the list of tutorials and the page for teachers say is what the tutorials are."""

from pathlib import Path

import pytest

from tutorials import contents, course, style
from tutorials.exercises import ALL

FOUND = contents.notebooks()


def test_every_tutorial_has_minutes_prerequisites_goals_and_exercises():
    assert [it.name for it in FOUND] == list(contents.COURSE) == list(ALL)
    for minutes, before, goals in contents.COURSE.values():
        assert 10 <= minutes <= 60 and before and goals


def test_the_page_for_teachers_is_the_one_that_is_written_now():
    """`python -m tutorials.course` writes it."""
    assert (contents.FOLDER / "README.md").read_text(encoding="utf-8") == course.page()


def test_the_page_for_teachers_has_every_question_and_every_solution_folded():
    text = course.page()
    assert text.count("<details>") == sum(map(len, ALL.values()))
    for tasks in ALL.values():
        for task in tasks:
            folded = text.partition(task["question"])[2].partition("</details>")[0]
            assert folded.index("<details>") < folded.index(task["solution"])


def test_the_class_fills_90_minutes():
    begins = [begin for begin, _, _ in course.CLASS]
    assert begins == sorted(set(begins)) and (begins[0], begins[-1]) == (0, 90)


def test_a_tutorial_links_the_one_before_and_the_one_after():
    ways = [contents.neighbours(it.name) for it in FOUND]
    assert [len(way) for way in ways] == [2, *[3] * (len(FOUND) - 2), 2]
    for before, way, after in zip(FOUND, ways[1:], FOUND[2:], strict=False):
        assert way[0][1] == f"../{before.name}/index.html"
        assert way[-1][1] == f"../{after.name}/index.html"
        assert after.title in way[-1][0]


@pytest.mark.parametrize("it", FOUND, ids=lambda it: it.name)
def test_a_tutorial_ends_with_its_links(it):
    assert it.path.read_text().count(f'style.neighbours("{it.name}")') == 1
    assert 'href="../index.html"' in style.neighbours(it.name).text


def test_the_index_leads_to_every_tutorial_and_says_how_long_it_takes():
    page = contents.index(FOUND, "a note")
    for it in FOUND:
        assert f'href="{it.name}/index.html"' in page
        assert Path(contents.FOLDER / "thumbnails" / f"{it.name}.png").exists()
        assert f"{contents.COURSE[it.name][0]} minutes" in page
