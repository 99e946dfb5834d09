"""What holds for every tutorial: it runs, shows no error, and has what the index page needs."""

import ast
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from matplotlib.text import Text

from theory.claim import Outcome, find
from theory.decide import CLAIMS
from tutorials import style
from tutorials.exercises import ALL

ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = sorted((ROOT / "tutorials").glob("[0-9]*.py"))
PLACES = ("left", "center", "right")  # of titles


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return request.param


def test_a_tutorial_runs_with_its_default_values_and_names_its_cover(notebook, drawn):
    app = import_module(f"tutorials.{notebook.stem}").app
    _, found = app.run()
    assert found["cover"].axes


@pytest.mark.slow
def test_a_narrow_figure_has_all_of_its_titles_and_legends_and_none_on_another(
    notebook, monkeypatch
):
    drawn = []
    monkeypatch.setattr(style, "narrow", lambda: True)
    monkeypatch.setattr(style, "show", lambda drawing, says: drawn.append(drawing))
    import_module(f"tutorials.{notebook.stem}").app.run()
    assert drawn
    for figure in drawn:
        figure.draw_without_rendering()
        for axes in figure.axes:
            texts = [it for it in axes.findobj(Text) if it.get_text()]
            titles = [it for it in texts if it.get_text() in map(axes.get_title, PLACES)]
            legends = [it for it in (axes.get_legend(), *figure.legends) if it]
            for it in (*titles, *legends):
                box, page = it.get_window_extent(), figure.bbox
                assert page.x0 <= box.x0 and box.x1 <= page.x1, it
                assert page.y0 <= box.y0 and box.y1 <= page.y1, it
            others = [it.get_tightbbox() for it in figure.axes if it is not axes]
            others += [it.get_window_extent() for it in (axes.xaxis.label, axes.yaxis.label)]
            for box in (it.get_window_extent() for it in titles):
                assert not any(box.overlaps(other) for other in others)
            for box in (it.get_window_extent() for it in legends):
                assert not any(box.overlaps(it.get_window_extent()) for it in titles)
                assert not box.overlaps(axes.xaxis.label.get_window_extent())


def readers_claims():
    """Each claim that some tutorial offers to break, once; slow, but for the first of a page.

    The counterexamples that are stored for the same are replayed by tests/theory.
    """
    seen = set()
    for path in NOTEBOOKS:
        offered = getattr(import_module(f"tutorials.{path.stem}"), "CLAIMS_HERE", [])
        for i, id in enumerate(id for id in offered if id not in seen):
            seen.add(id)
            yield pytest.param(id, marks=[pytest.mark.slow] if i else [])


@pytest.mark.parametrize("id", list(readers_claims()))
def test_what_can_be_broken_breaks_in_the_time_that_a_reader_has(id):
    claim = CLAIMS[id]
    for without in [None] if claim.verdict == "refuted" else [a.name for a in claim.given]:
        assert find(claim, without, style.EXAMPLES).violation is not None, without


def test_a_search_ends_when_the_patience_of_a_reader_does(monkeypatch):
    monkeypatch.setattr(style, "PATIENCE", -1)
    outcome = style.Search(CLAIMS["dormancy.average-one"], None).outcome
    assert outcome.violation is None and 0 < outcome.tried <= style.EXAMPLES


class StopsAfter(style.Search):
    """Its button is pressed after so many instances."""

    left = 0

    def then(self, instance):
        if self.left == 0:
            self.stopped.set()
        self.left -= 1
        return super().then(instance)


def test_a_search_that_is_stopped_ends_at_once_with_what_it_has(monkeypatch):
    claim, told = CLAIMS["dormancy.average-one"], []
    assert StopsAfter(claim, None, told.append).outcome == Outcome(0)
    assert told == ["done"]
    first = find(replace(claim, sizes=claim.sizes[:1]), None, style.EXAMPLES).tried
    monkeypatch.setattr(StopsAfter, "left", first + 5)
    assert StopsAfter(claim, None, told.append).outcome == Outcome(first)
    assert len(told) == 3 and told[1].startswith(f"none of size {claim.sizes[0]}; {first} in")


def test_a_tutorial_says_what_it_is(notebook):
    tree = ast.parse(notebook.read_text())
    assert ast.get_docstring(tree)
    assert "app_title=" in notebook.read_text()


def test_a_tutorial_has_few_cells_and_three_exercises(notebook):
    text = notebook.read_text()
    assert text.count("@app.cell") <= 32
    assert text.count(".check(") == len(ALL[notebook.stem]) == 3


def test_a_tutorial_needs_what_runs_in_a_browser_alone(notebook):
    names = set()
    for node in ast.walk(ast.parse(notebook.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.partition(".")[0])
    ours = {"hypothesis", "marimo", "matplotlib", "numpy", "scipy", "ref", "theory", "tutorials"}
    assert names <= ours | sys.stdlib_module_names


def test_the_readme_links_a_tutorial_with_its_picture(notebook):
    picture, folder = f"thumbnails/{notebook.stem}.png", ROOT / "tutorials"
    assert f"[![]({picture})]({notebook.name})" in (folder / "README.md").read_text()
    assert (folder / picture).read_bytes().startswith(b"\x89PNG")
