"""What a claim is, and how it is checked, searched and shown to need its assumptions.

A claim is data and two kinds of small pure functions over one instance (a layer, a law of features,
a chain): its assumptions, and its conclusion `then`. A search draws instances with hypothesis. It
goes over sizes outermost, so that the smallest counterexample is the smallest of the mathematics
and not of the shrinker.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy

# Hypothesis follows what it has drawn with variations of it, which finds a violation sooner and
# then repeats itself. By another name its own provider draws each instance afresh: of as many there
# are more different ones, in half the time.
AFRESH: dict[str, Any] = {}  # of `settings`
try:
    from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS
except ImportError:  # an older one, as a browser's Python may have
    pass
else:
    AVAILABLE_PROVIDERS["afresh"] = AVAILABLE_PROVIDERS["hypothesis"]
    AFRESH["backend"] = "afresh"

Instance = TypeVar("Instance")  # a frozen dataclass that prints as the mathematics does
Given = TypeVar("Given", contravariant=True)  # what holds for more kinds may be asked of fewer
# Whether a paper says so, or can charitably be read to say so, or it follows from what one says at
# once, or public code does it, or nobody says so but us.
Origin = Literal["printed", "reading", "consequence", "public code", "ours"]
Verdict = Literal["holds", "holds if", "refuted", "open"]


@dataclass(frozen=True)
class Assumption(Generic[Given]):
    """A named condition on an instance; `said` is False where the paper leaves it unsaid."""

    name: str
    says: str  # in readable mathematics
    holds: Callable[[Given], bool]
    said: bool = True


@dataclass(frozen=True)
class Curve:
    """What `plot` draws: a bound against the truth over a parameter."""

    parameter: str
    values: Sequence[float]
    lines: Mapping[str, Sequence[float]]  # name -> one number per value; the first is the truth
    y: str


def by_slack(instance: Any) -> bool:
    """Stands where a claim is that its slack is not negative; `Claim` puts that in its place."""
    raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Claim(Generic[Instance]):
    """A statement of a paper or its repair, with its verdict and what the verdict rests on.

    Where the verdict is "refuted" there is a `counterexample`: all assumptions hold of it and
    `then` does not. Where it is "holds" or "holds if" every assumption is needed: `needs` has for
    each one an instance of which all the others hold, but not `then`. A bound has its `slack`
    (what is left until it fails) and an instance where it is tight; without a `then` of its own
    the claim is that slack >= -error.
    """

    id: str  # "dominance.theorem-1"
    source: str  # "Neuron Dominance, Theorem 1"
    origin: Origin  # of the statement
    title: str  # what it says, in about ten words
    statement: str  # in readable mathematics
    given: tuple[Assumption[Instance], ...]
    then: Callable[[Instance], bool] = by_slack
    instances: Callable[[Any], SearchStrategy[Instance]]  # of a size; most satisfy `given`
    sizes: tuple[Any, ...]  # from the smallest on
    verdict: Verdict
    counterexample: Instance | None = None
    needs: Mapping[str, Instance] = field(default_factory=dict)
    undefined: tuple[str, ...] = ()  # needed for the conclusion to mean something: else it is 0/0
    repaired_by: tuple[str, ...] = ()
    breaks: str = ""  # where the printed proof breaks
    proof: str = ""  # of what holds
    steps: Callable[[Instance], list[str]] | None = None  # an instance, redone by hand
    slack: Callable[[Instance], Any] | None = None
    error: float = 0.0  # of the slack, where floats are needed: a stated bound
    tight_at: Instance | None = None
    curve: Callable[[], Curve] | None = None
    proved: Callable[[int], bool] | None = None  # by an SMT solver, for all reals, at a size
    proved_at: tuple[int, ...] = ()  # the sizes at which `proved` is asked
    proved_size: str = "N"  # of what they are the number
    remark: str = ""

    def __post_init__(self) -> None:
        slack, error = self.slack, self.error
        if self.then is by_slack and slack is not None:
            object.__setattr__(self, "then", lambda instance: bool(slack(instance) >= -error))

    def __str__(self) -> str:
        return f"{self.id}: {self.title}"


@dataclass(frozen=True)
class Outcome(Generic[Instance]):
    """Of a search: how many different instances satisfied the assumptions; the violation found."""

    tried: int
    violation: Instance | None = None
    size: Any = None


def admits(claim: Claim[Instance], instance: Instance, without: str | None = None) -> bool:
    """Whether all assumptions hold of the instance, but for the one named `without`."""
    return all(a.holds(instance) for a in claim.given if a.name != without)


def check(claim: Claim[Instance], examples: int = 300, seed: int = 0) -> Outcome[Instance]:
    """Look for a violation among as many instances of all sizes as satisfy the assumptions."""
    share = -(-examples // len(claim.sizes))
    tried = 0
    for size in claim.sizes:
        found = _search(claim, size, None, share, seed, shrink=False)
        tried += found.tried
        if found.violation is not None:
            return Outcome(tried, found.violation, size)
    return Outcome(tried)


def find(
    claim: Claim[Instance],
    without: str | None = None,
    examples: int = 2000,
    seed: int = 0,
    progress: Callable[[Any, int], None] = lambda size, tried: None,
) -> Outcome[Instance]:
    """The smallest counterexample: sizes in their order, and shrunk within the first that has one.

    `without` drops the assumption of that name. `examples` is per size.
    """
    if without is not None and without not in {a.name for a in claim.given}:
        names = ", ".join(a.name for a in claim.given) or "none: it has no assumption"
        raise ValueError(f"without: {without!r} is no assumption of {claim.id}; accepted: {names}")
    tried = 0
    for size in claim.sizes:
        found = _search(claim, size, without, examples, seed, shrink=True)
        tried += found.tried
        progress(size, tried)
        if found.violation is not None:
            return Outcome(tried, found.violation, size)
    return Outcome(tried)


def necessity(
    claim: Claim[Instance], examples: int = 2000, seed: int = 0
) -> dict[str, Outcome[Instance]]:
    """For each assumption the smallest counterexample to the claim without it."""
    return {a.name: find(claim, a.name, examples, seed) for a in claim.given}


def vector(numbers: Iterable[Any]) -> str:
    """(1, 1/2): how chapters print tuples of numbers."""
    return f"({', '.join(map(str, numbers))})"


class _Violation(Exception):
    pass


def _search(
    claim: Claim[Instance], size: Any, without: str | None, examples: int, seed: int, shrink: bool
) -> Outcome[Instance]:
    seen: set[object] = set()
    last: list[Instance] = []

    def attempt(instance: Instance) -> None:
        # an array of a reader's own has no hash: each is another one
        key: object = instance if isinstance(instance, Hashable) else object()
        if key in seen:
            return
        hypothesis.assume(admits(claim, instance, without))
        if not claim.then(instance):
            last[:] = [instance]
            raise _Violation
        seen.add(key)

    run = hypothesis.given(claim.instances(size))(attempt)
    run = settings(
        max_examples=examples,
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        database=None,
        deadline=None,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        **({} if shrink else AFRESH),
    )(hypothesis.seed(seed)(run))
    # Unsatisfiable: no instance of this size satisfies the assumptions
    with suppress(_Violation, Unsatisfiable):
        run()
    return Outcome(len(seen) + len(last), last[0] if last else None, size)


# -------------------------------------------------------------------- replaying what is stored


def _undefined(slack: Callable[[Instance], Any], instance: Instance) -> bool:
    """Whether a slack is 0/0, as floats or fractions have it, or the root of a negative number."""
    try:
        return math.isnan(slack(instance))
    except ZeroDivisionError:
        return True


def replay(claim: Claim[Instance]) -> list[str]:
    """What is wrong with the stored certificates of a claim; empty if all is as it says."""
    wrong = []
    if claim.verdict == "refuted":
        if claim.counterexample is None:
            wrong.append("refuted without a counterexample")
        elif not admits(claim, claim.counterexample):
            failed = [a.name for a in claim.given if not a.holds(claim.counterexample)]
            wrong.append(f"the counterexample violates {', '.join(failed)}")
        elif claim.then(claim.counterexample):
            wrong.append("the conclusion holds of the counterexample")
    elif claim.verdict in ("holds", "holds if"):
        for a in claim.given:
            if a.name not in claim.needs:
                wrong.append(f"no instance shows that {a.name} is needed")
                continue
            instance = claim.needs[a.name]
            if not admits(claim, instance, without=a.name):
                wrong.append(f"the instance for {a.name} violates another assumption")
            elif claim.then(instance):
                wrong.append(f"the conclusion holds of the instance for {a.name}")
            elif claim.slack is not None and (
                _undefined(claim.slack, instance) != (a.name in claim.undefined)
            ):
                wrong.append(f"undefined without {a.name}, or said to be")
        wrong += [f"{x} is no assumption" for x in claim.undefined if x not in claim.needs]
        if claim.verdict == "holds if" and all(a.said for a in claim.given):
            wrong.append("holds if, but every assumption is said")
    if claim.tight_at is not None:
        if claim.slack is None or not admits(claim, claim.tight_at):
            wrong.append("tight at an instance outside of its domain")
        elif abs(claim.slack(claim.tight_at)) > claim.error:
            wrong.append(f"not tight: the slack is {claim.slack(claim.tight_at)}")
    return wrong
