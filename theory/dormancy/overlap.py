"""The overlap of two dormant sets: ReDo, footnote 1, and OCP, Definition 3."""

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations
from typing import Any

from hypothesis.strategies import SearchStrategy

from ref.checks import require
from theory.claim import Assumption, Claim
from theory.dormancy.activations import ints


@dataclass(frozen=True)
class Sets:
    """The dormant neurons now and before, of N neurons."""

    n: int
    now: frozenset[int]
    before: frozenset[int]

    def __post_init__(self) -> None:
        both = self.now | self.before
        require(both <= set(range(1, self.n + 1)), "now, before", both, f"from 1 to {self.n}")

    def __str__(self) -> str:
        now, before = (f"{{{', '.join(map(str, sorted(s)))}}}" for s in (self.now, self.before))
        return f"N = {self.n}, now {now}, before {before}"


def overlap(sets: Sets) -> Fraction | None:
    least = min(len(sets.now), len(sets.before))
    return Fraction(len(sets.now & sets.before), least) if least else None


def overlap_is_one(sets: Sets) -> bool:
    return overlap(sets) == 1


def all_stay(sets: Sets) -> bool:
    return sets.before <= sets.now


def sets_of(size: int) -> SearchStrategy[Sets]:
    def sets(drawn: list[int]) -> Sets:
        now, before = ({i for i, d in enumerate(drawn, 1) if d & bit} for bit in (1, 2))
        return Sets(size, frozenset(now), frozenset(before))

    return ints(size, 0, 3).map(sets)


def set_steps(sets: Sets) -> list[str]:
    both = len(sets.now & sets.before)
    return [
        f"|now| = {len(sets.now)}, |before| = {len(sets.before)}, in both: {both}",
        f"overlap = {both}/{min(len(sets.now), len(sets.before))} = {overlap(sets)}",
        f"no longer dormant: {len(sets.before - sets.now)} of {len(sets.before)}",
    ]


ONE = Assumption("overlap one", "the overlap coefficient is 1", overlap_is_one)


OVERLAP_STAYS = Claim(
    id="dormancy.overlap-stays",
    source="ReDo, section 3; OCP, Definition 3 and Appendix B",
    origin="reading",
    title="A high overlap means that dormant neurons stay dormant",
    statement="|now ∩ before| / min(|now|, |before|) = 1\n⇒ before ⊆ now",
    given=(ONE,),
    then=all_stay,
    instances=sets_of,
    sizes=(1, 2, 3),
    verdict="refuted",
    counterexample=Sets(2, frozenset({1}), frozenset({1, 2})),
    breaks="The smaller set is in the denominator: if most neurons wake up, that is the set "
    "of now.",
    repaired_by=("dormancy.overlap-stays-growing", "dormancy.overlap-retention"),
    steps=set_steps,
    remark="With 100 dormant before and one of them now: overlap 1, and 99 have woken up.",
)


def not_fewer(sets: Sets) -> bool:
    return len(sets.now) >= len(sets.before)


OVERLAP_STAYS_GROWING = Claim(
    id="dormancy.overlap-stays-growing",
    source="repairs dormancy.overlap-stays",
    origin="ours",
    title="It does if no fewer are dormant than before",
    statement="overlap = 1, |now| ≥ |before|\n⇒ before ⊆ now",
    given=(
        ONE,
        Assumption("not fewer", "|now| ≥ |before|", not_fewer, said=False),
    ),
    then=all_stay,
    instances=sets_of,
    sizes=(1, 2, 3, 5),
    verdict="holds if",
    needs={
        "overlap one": Sets(2, frozenset({1}), frozenset({2})),
        "not fewer": Sets(2, frozenset({1}), frozenset({1, 2})),
    },
    proof="Then min = |before|, so |now ∩ before| = |before|.",
)


def none_empty(sets: Sets) -> bool:
    return bool(sets.now and sets.before)


def one_iff_nested(sets: Sets) -> bool:
    return overlap_is_one(sets) == (sets.now <= sets.before or sets.before <= sets.now)


NON_EMPTY = Assumption("non-empty", "neither set is empty", none_empty, said=False)


OVERLAP_NESTED = Claim(
    id="dormancy.overlap-nested",
    source="OCP, Definition 3",
    origin="consequence",
    title="The overlap is 1 exactly for nested sets",
    statement="overlap(X, Y) = 1 ⇔ X ⊆ Y or Y ⊆ X",
    given=(NON_EMPTY,),
    then=one_iff_nested,
    instances=sets_of,
    sizes=(1, 2, 4),
    verdict="holds if",
    needs={"non-empty": Sets(1, frozenset(), frozenset())},
    proof="|X ∩ Y| ≤ min(|X|, |Y|), with equality exactly if the smaller is the intersection. "
    "An "
    "empty set is 0/0, though nested in every other.",
    steps=set_steps,
)


def retention_slack(sets: Sets) -> Fraction:
    kept = Fraction(len(sets.now & sets.before), len(sets.before) or 1)
    found = overlap(sets)
    return found - kept if found is not None else Fraction(-1)  # undefined is no bound


OVERLAP_RETENTION = Claim(
    id="dormancy.overlap-retention",
    source="OCP, Definition 3; repairs dormancy.overlap-stays",
    origin="ours",
    title="The overlap is never below the share that stays",
    statement="overlap ≥ retention = |now ∩ before| / |before|",
    given=(NON_EMPTY,),
    instances=sets_of,
    sizes=(1, 2, 4, 6),
    verdict="holds if",
    needs={"non-empty": Sets(1, frozenset(), frozenset({1}))},
    proof="min(|now|, |before|) ≤ |before|. Equal if |before| ≤ |now| or nothing is in both.",
    slack=retention_slack,
    tight_at=Sets(3, frozenset({1, 2}), frozenset({2, 3})),
    steps=set_steps,
)


def chance_is_larger_share(sets: Sets) -> bool:
    """The mean overlap of `now` with all sets as large as `before` is the larger size over N."""
    others = combinations(range(1, sets.n + 1), len(sets.before))
    found = [overlap(replace(sets, before=frozenset(other))) for other in others]
    mean = sum((o if o is not None else Fraction(-1) for o in found), Fraction(0)) / len(found)
    return mean == Fraction(max(len(sets.now), len(sets.before)), sets.n)


OVERLAP_CHANCE = Claim(
    id="dormancy.overlap-chance",
    source="OCP, Definition 3; ReDo, footnote 1",
    origin="consequence",
    title="Independent sets overlap by the larger size over N",
    statement="Y uniform among the sets of |Y| of N neurons\n⇒ E overlap(X, Y) = max(|X|, |Y|) / N",
    given=(NON_EMPTY,),
    then=chance_is_larger_share,
    instances=sets_of,
    sizes=(1, 2, 4, 6),
    verdict="holds if",
    needs={"non-empty": Sets(1, frozenset(), frozenset({1}))},
    proof="E|X ∩ Y| = |X| |Y| / N; divide by the smaller size. Counted here over all sets.",
    remark="At 95 % dormant neurons chance alone gives 95 %: compare an overlap with it.",
)


CLAIMS: tuple[Claim[Any], ...] = (
    OVERLAP_STAYS,
    OVERLAP_STAYS_GROWING,
    OVERLAP_NESTED,
    OVERLAP_RETENTION,
    OVERLAP_CHANCE,
)
