"""The proofs for every size: Coq accepts them, and they say what the claims say."""

import re
from dataclasses import replace

import pytest

from theory import proofs
from theory.claim import check
from theory.decide import CLAIMS, Decision, with_proofs
from theory.proofs import HERE, PROOFS, Proof, Refused, Session, goals

needs_coq = pytest.mark.skipif(not proofs.installed(), reason="coqc is not installed")


@pytest.fixture(scope="module")
def coq(tmp_path_factory):
    return Session(tmp_path_factory.mktemp("coq"))


def seen(claim, per_size):
    """Instances that the claim stores and draws, whether they satisfy its assumptions or not."""
    stored = [*claim.needs.values(), claim.tight_at]
    found = [i for i in stored if i is not None]
    for size in claim.sizes:
        drawn = []
        spy = replace(claim, given=(), sizes=(size,), then=lambda i, into=drawn: not into.append(i))
        check(spy, 4 * per_size)
        found += list(dict.fromkeys(drawn))[:per_size]
    return found


def test_at_least_twenty_claims_are_proved_for_every_size():
    assert len(PROOFS) >= 20
    assert {CLAIMS[id].verdict for id in PROOFS} <= {"holds", "holds if"}


def test_nothing_is_admitted_or_assumed_in_a_file():
    for path in HERE.glob("*.v"):
        assert not re.search(r"\b(Admitted|admit|Axiom|Parameter|Conjecture)\b", path.read_text())


@needs_coq
def test_coq_proves_every_theorem_from_the_axioms_of_its_real_numbers_alone(coq):
    assert proofs.beyond_the_reals(coq) == frozenset()


@needs_coq
def test_that_adam_without_epsilon_knows_no_scale_is_proved_for_every_step(coq):
    reals = coq.assumptions(proofs.OF_THE_REALS)
    assert coq.assumptions(["Learning.adam_scale_free"]) <= reals


@needs_coq
def test_an_axiom_of_our_own_is_found_out(tmp_path, monkeypatch):
    cheat = "Axiom cheat : forall P : Prop, P.\nTheorem one_is_two : 1 = 2. apply cheat. Qed.\n"
    for name in ("Sums", "Instances"):
        (tmp_path / f"{name}.v").write_text((HERE / f"{name}.v").read_text())
    (tmp_path / "Cheated.v").write_text(f"From Proofs Require Import Sums.\n{cheat}")
    monkeypatch.setattr(proofs, "HERE", tmp_path)
    monkeypatch.setattr(proofs, "FILES", ("Sums", "Instances", "Cheated"))
    monkeypatch.setattr(proofs, "PROOFS", {"x": Proof("Cheated.one_is_two", str)})
    assert proofs.unproved() == "the proofs assume Cheated.cheat"
    (tmp_path / "Cheated.v").write_text("Theorem one_is_two : 1 = 2. reflexivity. Qed.")
    assert proofs.unproved().startswith("Cheated.v: ")


@needs_coq
def test_a_goal_that_is_false_at_an_instance_is_named(coq):
    coq.ask(["Goal 1 < 2. holds. Qed.", "Goal ~ 2 < 1. fails. Qed."])
    for goal in ("Goal 2 < 1. holds. Qed.", "Goal ~ 1 < 2. fails. Qed."):
        with pytest.raises(Refused, match=f"^{re.escape(goal)}"):
            coq.ask(["Goal 1 = 1. holds. Qed.", goal])


@needs_coq
@pytest.mark.parametrize("per_size", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_a_theorem_says_at_instances_what_its_claim_says_in_python(coq, per_size):
    coq.ask([goal for id in PROOFS for goal in goals(CLAIMS[id], seen(CLAIMS[id], per_size))])


def test_a_run_tells_what_coq_proves_and_what_it_does_not():
    ours, other = (Decision(id, "survived 300", (), 0.1) for id in (next(iter(PROOFS)), "toy.sum"))
    told = with_proofs([ours, other], "")
    assert [d.evidence for d in told] == ["proved for all N, survived 300", "survived 300"]
    assert [d.problems for d in with_proofs([ours, other], "Sums.v: no")] == [("Sums.v: no",), ()]


@pytest.mark.parametrize("proof", PROOFS.values(), ids=lambda proof: proof.theorem)
def test_a_theorem_leads_from_what_is_given_to_what_then_holds(proof):
    given, then, theorem = (
        re.search(rf"{start} {proof.theorem.partition('.')[2]}{end}\b.*", proof.statement())
        for start, end in (("Definition", "_given"), ("Definition", "_then"), ("Theorem", ""))
    )
    assert given and then and theorem
    assert re.search(r"(\w+)_given[^>]*-> \1_then[^>]*\.$", proof.statement())


# ---------------------------------------------------------------- by an SMT solver, at small sizes

SOLVED = [claim for claim in CLAIMS.values() if claim.proved is not None]


def test_the_solver_proves_more_than_twenty_claims_and_says_up_to_which_size():
    assert len(SOLVED) > 20
    assert all(claim.proved_at and claim.verdict in ("holds", "holds if") for claim in SOLVED)


@pytest.mark.parametrize("claim", SOLVED, ids=str)
def test_the_solver_proves_a_claim_from_premises_that_can_be_met(claim, monkeypatch):
    z3 = pytest.importorskip("z3")
    asked = []

    class Spy(z3.Solver):
        """Every solver here is given its premises first, and the conclusion's negation at last."""

        def add(self, *terms):
            asked.extend(terms)
            super().add(*terms)

    monkeypatch.setattr(z3, "Solver", Spy)
    assert all(map(claim.proved, claim.proved_at[:3]))
    del asked[:]
    assert claim.proved(claim.proved_at[1])
    monkeypatch.undo()
    premises = z3.Solver()
    premises.add(*asked[:-1])
    assert premises.check() == z3.sat
