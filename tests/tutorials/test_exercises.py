"""How the exercises answer: numbers as people write them, hints in steps, the solution at last."""

from fractions import Fraction

import pytest

from tutorials import typed
from tutorials.exercises import ALL, TRIES, exercises, same


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3/2", Fraction(3, 2)),
        (" 3 / 2 ", Fraction(3, 2)),
        ("1,5", Fraction(3, 2)),
        ("1.50", Fraction(3, 2)),
        (",5", Fraction(1, 2)),
        ("0,125", Fraction(1, 8)),
        ("-0.75", Fraction(-3, 4)),
        ("−3", -3),
        ("+7.", 7),
        ("1e-3", Fraction(1, 1000)),
        ("2.5E2", 250),
    ],
)
def test_a_number_is_read_as_people_write_it(text, value):
    assert typed.number(text) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1,234", "thousand or a decimal comma"),
        ("1,234,567.8", "thousand or a decimal comma"),
        ("50 %", "without %"),
        ("3/0", "divides by 0"),
        ("", "a number is wanted"),
        ("three", "a number is wanted"),
        ("3/2/1", "a number is wanted"),
        ("1 5", "a number is wanted"),
        ("1.5.2", "a number is wanted"),
        ("1_0", "a number is wanted"),
        ("٣", "a number is wanted"),
        ("1e999", "a number is wanted"),
        ("__import__('os')", "a number is wanted"),
        ("9" * 50, "a number is wanted"),
    ],
)
def test_what_is_no_number_or_may_be_two_is_refused_with_a_word(text, says):
    with pytest.raises(ValueError, match=says):
        typed.number(text)


def task(name="03_dominance", i=0):
    return exercises(name)[i]


def test_a_typed_0_is_an_answer():
    it = task("06_zero")
    assert "That is the target" in it.check(it.read("0"), False).text


def test_there_is_no_verdict_before_an_answer():
    assert "Your answer?" in task().check(None, False).text
    assert "press the button" in task(i=2).check(0, False).text


def test_hints_come_one_by_one_and_the_solution_after_three_tries():
    it = task()
    for count, wrong in enumerate((5, 6, 7), 1):
        said = it.check(wrong, False).text
        assert "Not yet" in said
        assert said.count("Hint:") == min(count, len(it.hints))
        assert ("The solution" in said) == (count >= TRIES)


def test_the_same_wrong_answer_is_one_try():
    it = task()
    for _ in range(5):
        assert "The solution" not in it.check(5, False).text
    assert len(it.tried) == 1


def test_what_cannot_be_read_is_no_try():
    it = task()
    assert it.read("3 halves") is None
    assert "cannot be read" in it.check(None, False).text and not it.tried
    assert it.read("3/2") == Fraction(3, 2) and "Right" in it.check(Fraction(3, 2), True).text


def test_a_wrong_answer_is_told_what_it_would_mean():
    it = task()
    for typed_, wrong in (("2.333", Fraction(7, 3)), ("4", 4)):
        first = it.meant[wrong].partition("*")[0].partition(";")[0]
        assert first in it.check(it.read(typed_), False).text


def test_a_right_answer_names_what_was_solved():
    assert 'data-solved="03_dominance.1"' in task().check(Fraction(3, 2), True).text
    assert "data-solved" not in task().check(1, False).text


def test_another_page_starts_untried():
    task().check(5, False)
    assert not task().tried


@pytest.mark.parametrize("it", [e for name in ALL for e in exercises(name)], ids=lambda it: it.key)
def test_an_exercise_has_two_hints_and_no_wrong_answer_is_the_right_one(it):
    assert len(it.hints) == TRIES - 1
    assert it.solution and it.praise and it.question
    numbers = [wrong for wrong in it.meant if not isinstance(wrong, str)]
    if numbers:
        assert not any(same(typed.number(it.right), wrong) for wrong in numbers)
    assert it.right not in it.meant
