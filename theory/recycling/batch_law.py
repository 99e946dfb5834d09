"""What dormant on a batch says of the law behind it."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import hypothesis.strategies as st
from hypothesis.strategies import SearchStrategy

from theory import checks
from theory.claim import Assumption, Claim, Curve, vector


@dataclass(frozen=True)
class Draws:
    """A neuron that is active with probability p, seen on a batch; `copies` of one draw, or not."""

    p: Fraction
    seen: tuple[bool, ...]
    copies: bool = False

    def __post_init__(self) -> None:
        checks.between("p", self.p, 0, 1)
        checks.row("seen", self.seen)

    def __str__(self) -> str:
        how = "copies of one draw" if self.copies else "independent draws"
        active = vector("active" if s else "not" for s in self.seen)
        return f"active with probability {self.p}; batch of {len(self.seen)} {how}: {active}"


def never_active(draws: Draws) -> bool:
    return not any(draws.seen)


def dormant_in_law(draws: Draws) -> bool:
    return draws.p == 0


def draws_of(size: int) -> SearchStrategy[Draws]:
    def draws(drawn: list[int]) -> Draws:
        p, copies, *seen = drawn
        return Draws(Fraction(p, 20), tuple(s > 3 for s in seen), copies > 12)

    count = 2 + size
    return st.lists(st.integers(0, 20), min_size=count, max_size=count).map(draws)


def draw_steps(draws: Draws) -> list[str]:
    size = len(draws.seen)
    return [
        f"P(not active on {size} draws) = (1 - {draws.p})^{size} = {(1 - draws.p) ** size}",
        f"95 % bound on P(active) from such a batch: {1 - 0.05 ** (1 / size):.4f}",
    ]


NEVER = Assumption("never active", "the neuron is 0 on the batch", never_active)


BATCH_LAW = Claim(
    id="recycling.batch-law",
    source="ReDo and Neuron Dominance: dormancy is scored on a batch",
    origin="consequence",
    title="Dormant on a batch means dormant",
    statement="h_i = 0 on a batch of B samples of D\n⇒ h_i = 0 on D",
    given=(NEVER,),
    then=dormant_in_law,
    instances=draws_of,
    sizes=(1, 2, 4),
    verdict="refuted",
    counterexample=Draws(Fraction(1, 2), (False,)),
    breaks="A neuron active with probability p is not active on B samples with probability "
    "(1-p)^B.",
    repaired_by=("recycling.batch-law-bound",),
    steps=draw_steps,
    remark="B = 64: a neuron active on 1 % of the inputs looks dormant every second time.",
)


def independent(draws: Draws) -> bool:
    return not draws.copies


def chance_of_missing(draws: Draws) -> Fraction:
    """P(not active on the batch, and yet p ≥ 1 - (1/20)^(1/B)), over all batches of that size."""
    size, p, total = len(draws.seen), draws.p, Fraction(0)
    if (1 - p) ** size > Fraction(1, 20):  # p is below the bound
        return total
    for batch in product((False, True), repeat=1 if draws.copies else size):
        chance = Fraction(1)
        for active in batch:
            chance *= p if active else 1 - p
        total += chance * (not any(batch))
    return total


def confidence_slack(draws: Draws) -> Fraction:
    return Fraction(1, 20) - chance_of_missing(draws)


def confidence_curve() -> Curve:
    sizes = [2**k for k in range(11)]
    bound = [1 - 0.05 ** (1 / b) for b in sizes]
    # the largest p that a batch of B overlooks with probability 1/2
    half = [1 - 0.5 ** (1 / b) for b in sizes]
    lines = {"overlooked every second time": half, "95 % bound": bound}
    return Curve("batch size B", list(map(float, sizes)), lines, "P(active)")


BATCH_LAW_BOUND = Claim(
    id="recycling.batch-law-bound",
    source="repairs recycling.batch-law (Clopper and Pearson)",
    origin="ours",
    title="Dormant on a batch bounds how often it is active",
    statement="B independent draws\n"
    "⇒ P(not active on the batch and p ≥ 1 - 0.05^(1/B)) ≤ 0.05, whatever p is",
    given=(Assumption("independent", "the samples are independent", independent, said=False),),
    instances=draws_of,
    sizes=(1, 2, 4, 8),
    verdict="holds if",
    needs={"independent": Draws(Fraction(4, 5), (False, False), copies=True)},
    proof="The event has probability (1-p)^B if (1-p)^B ≤ 0.05, else 0. Counted over all batches.",
    slack=confidence_slack,
    tight_at=Draws(Fraction(19, 20), (False,)),
    curve=confidence_curve,
    steps=draw_steps,
    remark="B = 64: p < 4.6 %; B = 256: p < 1.2 %. Frames of one episode are not independent.",
)


CLAIMS: tuple[Claim[Any], ...] = (
    BATCH_LAW,
    BATCH_LAW_BOUND,
)
