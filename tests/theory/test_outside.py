"""What a claim needs stands in `given`, or the instance refuses it when it is made.

Here instances are drawn outside of each claim's own strategy: one of its instances with something
changed that the strategy does not vary, or with a part of another of its instances. N = 1, G = 1,
γ = 1, activations below 0, bounds and shapes that do not fit each other come about that way. What
the instance does not refuse and `given` admits must satisfy `then`, without an exception.
"""

from dataclasses import fields, is_dataclass, replace
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from ref.checks import InputError
from theory.claim import AFRESH, admits
from theory.decide import CLAIMS

HOLDING = [claim for claim in CLAIMS.values() if claim.verdict in ("holds", "holds if")]
NUMBERS = [
    *map(Fraction, (0, 1, -1, 2, -3, 10)),
    Fraction(1, 2),
    Fraction(-1, 3),
    Fraction(99, 100),
]


def drawn(claim):
    """Of one of its sizes, or of one with a 1 in it."""
    first = claim.sizes[0]
    pair = isinstance(first, tuple)
    ones = [(*first[:k], 1, *first[k + 1 :]) for k in range(len(first))] if pair else [1]
    return st.sampled_from([*claim.sizes, *ones]).flatmap(claim.instances)


def depth(value):
    """0 of a number, 1 of a row, 2 of a matrix."""
    return 1 + max(map(depth, value), default=0) if isinstance(value, tuple) else 0


def alike(values):
    """Whether they are one kind of thing, so that one of them may be left out, or come twice."""
    return len({(type(x), depth(x)) for x in values}) == 1


@st.composite
def changed(draw, value, other):
    """Something like `value`, with one part of it changed or taken from `other`."""
    if draw(st.integers(0, 5)) == 0 and depth(other) == depth(value):
        return other
    match value:
        case bool():
            return not value
        case Fraction():
            return draw(st.sampled_from([*NUMBERS, -value, value + 1]))
        case int():
            return draw(st.sampled_from([0, 1, value + 1, value - 1]))
        case frozenset():
            return value ^ {draw(st.integers(0, 3))}
        case tuple() if value:
            return draw(changed_tuple(value, other))
    return draw(outside(value, other)) if is_dataclass(value) else other


@st.composite
def changed_tuple(draw, value, other):
    """Without one of its items, or with one twice, in each row or here; or with one changed."""
    at = draw(st.integers(0, len(value) - 1))
    how = draw(st.integers(0, 5)) if alike(value) else 5
    rows = how < 5 and depth(value) == 2 and all(map(alike, value))
    match how:
        case 0:
            return value[:at] + value[at + 1 :]
        case 1:
            return value[: at + 1] + value[at:]
        case 2 if rows:
            return tuple(row[:at] + row[at + 1 :] for row in value)
        case 3 if rows:
            return tuple(row[: at + 1] + row[at:] for row in value)
    twin = other[at] if depth(other) == depth(value) and at < len(other) else value[at]
    return (*value[:at], draw(changed(value[at], twin)), *value[at + 1 :])


@st.composite
def outside(draw, value, other):
    """An instance with one to three of its fields changed."""
    names = draw(st.lists(st.sampled_from([f.name for f in fields(value)]), min_size=1, max_size=3))
    new = {n: draw(changed(getattr(value, n), getattr(other, n, getattr(value, n)))) for n in names}
    return replace(value, **new)


@st.composite
def instances(draw, claim):
    """Drawn outside of the claim's strategy; what is refused is not drawn."""
    try:
        return draw(outside(draw(drawn(claim)), draw(drawn(claim))))
    except InputError:
        assume(False)


def numbers(value):
    """Every fraction in an instance."""
    if isinstance(value, Fraction):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from numbers(part)
    elif is_dataclass(value):
        for f in fields(value):
            yield from numbers(getattr(value, f.name))


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=str)
def test_no_fraction_that_is_drawn_can_overflow(claim):
    """A Fraction of NumPy's integers computes with 64 bits, and silently."""

    @settings(max_examples=5, database=None, deadline=None, derandomize=True, **AFRESH)
    @given(st.sampled_from(claim.sizes).flatmap(claim.instances))
    def attempt(instance):
        parts = {type(x) for f in numbers(instance) for x in (f.numerator, f.denominator)}
        assert parts <= {int}

    attempt()


def violations(claim, examples):
    """What is admitted and does not satisfy `then`, drawn outside; and how many are admitted."""
    tried, found = 0, []

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        **AFRESH,
    )
    @given(instances(claim))
    def attempt(instance):
        nonlocal tried
        if admits(claim, instance):
            tried += 1
            if not claim.then(instance):
                found.append(instance)

    attempt()
    return found, tried


@pytest.mark.parametrize("claim", HOLDING, ids=str)
def test_what_is_admitted_satisfies_the_claim_wherever_it_was_drawn(claim):
    found, tried = violations(claim, 20)
    if not tried:
        found, tried = violations(claim, 400)
    assert found == []
    assert tried


@pytest.mark.slow
@pytest.mark.parametrize("claim", HOLDING, ids=str)
def test_a_thousand_instances_drawn_outside_satisfy_the_claim(claim):
    assert violations(claim, 1000)[0] == []


def test_an_assumption_that_is_only_in_the_strategy_is_found_out():
    claim = CLAIMS["collapse.uniform-hl-gauss"]
    assert [a.name for a in claim.given] == ["discounted"]
    assert violations(replace(claim, given=()), 400)[0]
