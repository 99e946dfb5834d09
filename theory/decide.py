"""All claims, and what one run finds of each: certificates replayed, fresh examples, proofs.

Apart from `__main__`, so that the processes that share the work can import it.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from theory import collapse, dominance, dormancy, rank, recycling
from theory.claim import Claim, check, find, necessity, replay
from theory.proofs import PROOFS

FOR_ALL, UP_TO = "proved for all N", "proved up to"  # by Coq; by the SMT solver
CHAPTERS = (dormancy, dominance, rank, collapse, recycling)
CLAIMS: dict[str, Claim[Any]] = {
    claim.id: claim for chapter in CHAPTERS for claim in chapter.CLAIMS
}


@dataclass(frozen=True)
class Decision:
    """What one run found of a claim; `problems` is empty if its verdict was re-established."""

    id: str
    evidence: str
    problems: tuple[str, ...]
    seconds: float


def decide(id: str, examples: int, seed: int, search: bool) -> Decision:
    """Replay what is stored of a claim, try fresh examples and, with `search`, find anew."""
    claim, start = CLAIMS[id], time.perf_counter()
    problems, evidence = replay(claim), []
    if claim.verdict == "refuted":
        evidence.append("certificate")
        if search:
            found = find(claim, seed=seed)
            if found.violation is None:
                problems.append(f"a search of {found.tried} instances found no counterexample")
            else:
                evidence.append(f"found anew at size {found.size}")
    else:
        proved = _prove(claim, problems)
        evidence += [f"{UP_TO} {claim.proved_size} = {max(proved)}"] if proved else []
        # what is open rests on nothing: a glance will do
        outcome = check(claim, examples if claim.verdict != "open" else -(-examples // 10), seed)
        evidence.append(f"survived {outcome.tried}")
        if outcome.violation is not None:
            problems.append(f"violated by {outcome.violation}")
        if outcome.tried == 0:
            problems.append("no instance satisfied the assumptions")
        if search and claim.given:
            anew = [name for name, found in necessity(claim, seed=seed).items() if found.violation]
            evidence.append(f"{len(anew)} of {len(claim.given)} assumptions found needed anew")
    seconds = time.perf_counter() - start
    return Decision(id, ", ".join(evidence), tuple(problems), seconds)


def with_proofs(decisions: Iterable[Decision], unproved: str) -> list[Decision]:
    """The decisions with what Coq finds, `unproved` as `theory.proofs` has it."""

    def told(d: Decision) -> Decision:
        if d.id not in PROOFS:
            return d
        if unproved:
            return replace(d, problems=(*d.problems, unproved))
        return replace(d, evidence=f"{FOR_ALL}, {d.evidence}")

    return [told(d) for d in decisions]


def _prove(claim: Claim[Any], problems: list[str]) -> list[int]:
    """The sizes at which the solver proves the claim; none where the solver is not installed."""
    if claim.proved is None:
        return []
    try:
        import z3  # noqa: F401
    except ImportError:
        return []
    proved = [size for size in claim.proved_at if claim.proved(size)]
    problems += [f"no proof at size {n}" for n in claim.proved_at if n not in proved]
    return proved
