"""What holds for every claim: certificates replay, fresh examples survive, repairs repair."""

import json
import secrets
import subprocess
import sys
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import strategies as st

from theory import __main__ as cli
from theory import decide, rank
from theory.claim import Assumption, Claim, check, find, necessity, replay

ROOT = Path(__file__).parents[2]
CLAIMS = list(cli.CLAIMS.values())
HOLDING = [claim for claim in CLAIMS if claim.verdict in ("holds", "holds if")]


@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_every_stored_certificate_replays(claim):
    assert replay(claim) == []


@pytest.mark.parametrize("claim", HOLDING, ids=str)
def test_what_holds_survives_100_examples(claim):
    outcome = check(claim, examples=100)
    assert outcome.violation is None
    # of small sets there are about fifty that differ
    assert outcome.tried >= 40, "the strategy must meet the assumptions most of the time"


def test_what_holds_survives_examples_of_a_seed_drawn_now():
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    for claim in HOLDING:
        assert check(claim, examples=5, seed=seed).violation is None, (claim.id, seed)


def test_ids_are_unique_and_begin_with_their_chapter():
    ids = [claim.id for chapter in decide.CHAPTERS for claim in chapter.CLAIMS]
    assert len(ids) == len(set(ids))
    for chapter in decide.CHAPTERS:
        name = chapter.__name__.rpartition(".")[2]
        assert all(claim.id.startswith(f"{name}.") for claim in chapter.CLAIMS)


def test_at_least_45_claims_are_decided():
    assert sum(claim.verdict != "open" for claim in CLAIMS) >= 45


@pytest.mark.parametrize("claim", [c for c in CLAIMS if c.verdict == "refuted"], ids=str)
def test_a_refuted_claim_says_where_it_breaks_and_its_repairs_stand(claim):
    assert claim.breaks
    assert claim.steps is not None and len(claim.steps(claim.counterexample)) >= 2
    for name in claim.repaired_by:
        repair = cli.CLAIMS[name]
        assert repair.verdict in ("holds", "holds if")
        domain = type(claim.counterexample)
        if isinstance(repair.tight_at, domain) or any(
            isinstance(x, domain) for x in repair.needs.values()
        ):  # the two speak of the same kind of instance: the old counterexample is answered
            excluded = [a for a in repair.given if not a.holds(claim.counterexample)]
            assert excluded or repair.then(claim.counterexample)


def says_more(claim):
    """Whether a bound has a conclusion of its own, of which its slack is a part."""
    return claim.slack is not None and claim.then.__module__ != Claim.__module__


SPIKES = rank.repaired.Spikes(Fraction(1, 2), 3, 10)  # the bound that is tight nowhere


@pytest.mark.parametrize("claim", [c for c in HOLDING if says_more(c)], ids=str)
def test_a_bound_holds_down_to_a_slack_of_minus_its_error_and_no_further(claim, monkeypatch):
    module = sys.modules[claim.then.__module__]
    for slack, truth in [(-claim.error, True), (-2 * claim.error - 1e-30, False)]:
        monkeypatch.setattr(module, claim.slack.__name__, lambda _, slack=slack: slack)
        assert claim.then(claim.tight_at or SPIKES) == truth


@pytest.mark.parametrize("claim", HOLDING, ids=str)
def test_what_holds_has_a_proof_in_words(claim):
    assert claim.proof


@pytest.mark.slow
@pytest.mark.parametrize("claim", [c for c in CLAIMS if c.verdict == "refuted"], ids=str)
def test_a_search_from_scratch_refutes_what_is_refuted(claim):
    assert find(claim).violation is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("claim", "assumption"),
    [
        pytest.param(claim, a.name, id=f"{claim.id} without {a.name}")
        for claim in HOLDING
        for a in claim.given
        if a.name not in claim.undefined
    ],
)
def test_a_search_finds_that_an_assumption_is_needed(claim, assumption):
    assert find(claim, assumption).violation is not None


@pytest.mark.slow
@pytest.mark.parametrize("claim", HOLDING, ids=str)
def test_what_holds_survives_20000_examples(claim):
    assert check(claim, examples=20_000).violation is None


# ------------------------------------------------------------------ the machinery, on a toy claim


@dataclass(frozen=True)
class Pair:
    a: int
    b: int


def positive(pair):
    return pair.a > 0


def below_ten(pair):
    return pair.a < 10


def sum_is_larger(pair):
    return pair.a + pair.b > pair.b


def pairs(size):
    return st.builds(Pair, st.integers(-size, size), st.integers(-size, size))


TOY = Claim(
    id="toy.sum",
    source="nowhere",
    origin="ours",
    title="a + b > b",
    statement="a + b > b",
    given=(Assumption("positive", "a > 0", positive),),
    then=sum_is_larger,
    instances=pairs,
    sizes=(1, 5),
    verdict="holds",
    needs={"positive": Pair(0, 0)},
    proof="Add b to a > 0.",
)


def test_a_claim_that_holds_is_not_violated_and_needs_its_assumption():
    assert check(TOY, 100).violation is None
    assert check(TOY, 100).tried > 20
    assert find(TOY, "positive").violation == Pair(0, 0)
    assert necessity(TOY)["positive"].size == 1
    assert replay(TOY) == []


def test_a_false_claim_is_found_at_its_smallest_size():
    false = replace(TOY, given=(), verdict="refuted", counterexample=Pair(0, 0), needs={})
    found = find(false)
    assert (found.violation, found.size) == (Pair(0, 0), 1)
    assert check(false, 100).violation is not None
    assert replay(false) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"needs": {}}, "no instance shows that positive is needed"),
        ({"needs": {"positive": Pair(1, 0)}}, "the conclusion holds of the instance for positive"),
        ({"verdict": "holds if"}, "holds if, but every assumption is said"),
        ({"verdict": "refuted"}, "refuted without a counterexample"),
        (
            {"verdict": "refuted", "counterexample": Pair(0, 0)},
            "the counterexample violates positive",
        ),
        (
            {"verdict": "refuted", "counterexample": Pair(1, 0)},
            "the conclusion holds of the counter",
        ),
        ({"tight_at": Pair(1, 0)}, "tight at an instance outside"),
    ],
)
def test_a_wrong_certificate_is_named(change, said):
    (problem, *_) = replay(replace(TOY, **change))
    assert problem.startswith(said)


@pytest.mark.parametrize(
    ("slack", "truth"), [(-0.5, True), (-0.6, False), (0.0, True), (float("nan"), False)]
)
def test_a_claim_without_a_conclusion_says_that_its_slack_is_not_below_minus_its_error(
    slack, truth
):
    bound = {name: getattr(TOY, name) for name in TOY.__dataclass_fields__ if name != "then"}
    claim = Claim(**bound | {"slack": lambda pair: slack, "error": 0.5})
    assert claim.then(Pair(1, 1)) is truth
    assert replace(claim, then=positive).then is positive


def test_an_assumption_that_is_not_needed_is_found_out():
    more = (*TOY.given, Assumption("below-ten", "a < 10", below_ten))
    assert find(replace(TOY, given=more), "below-ten").violation is None


def test_dropping_an_unknown_assumption_is_refused():
    with pytest.raises(
        ValueError, match=r"'negative' is no assumption of toy\.sum; accepted: positive"
    ):
        find(TOY, "negative")


def test_searches_repeat_from_their_seed():
    drawn = []

    def spy(pair):
        drawn.append(pair)
        return True

    spied = replace(TOY, then=spy)
    check(spied, 40, seed=7)
    first, drawn[:] = list(drawn), []
    check(spied, 40, seed=7)
    assert drawn == first
    drawn.clear()
    check(spied, 40, seed=8)
    assert drawn != first


# ------------------------------------------------------------------------------- the command line


def run(*arguments):
    command = [sys.executable, "-m", "theory", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_an_unknown_id_gets_status_2_and_the_nearest_ids():
    done = run("show", "dominance.theorem1")
    assert done.returncode == 2
    assert "dominance.theorem-1" in done.stderr


def test_every_claim_can_be_shown(capsys):
    for claim in CLAIMS:
        assert cli.main(["show", claim.id]) == 0
        shown = capsys.readouterr().out
        assert claim.source in shown
        assert "\nLetters\n" in shown
        assert max(map(len, shown.splitlines())) <= 100
        assert claim.verdict in shown
        if claim.steps is not None and claim.counterexample is not None:
            assert "Step by step" in shown


def test_the_printed_proof_of_theorem_2_is_shown_line_by_line(capsys):
    assert cli.main(["show", "rank.theorem-2"]) == 0
    shown = capsys.readouterr().out
    for line in range(9, 18):
        claim = cli.CLAIMS[f"rank.line-{line}"]
        assert f"({line}) {claim.verdict}: " in shown
    assert "(E s_1)² = (2/9) / (2/3)² = 1/2" in shown


def test_every_curve_is_drawn(tmp_path, capsys):
    drawn = [claim for claim in CLAIMS if claim.curve is not None]
    assert drawn
    for claim in drawn:
        out = tmp_path / f"{claim.id}.png"
        assert cli.main(["plot", claim.id, "--out", str(out)]) == 0
        assert out.stat().st_size > 1000


@pytest.mark.parametrize("name", ["x.bmp", "x", "file/x.png"])
def test_a_picture_that_cannot_be_written_gets_status_2(tmp_path, capsys, name):
    (tmp_path / "file").write_text("not a folder")
    drawn = next(claim for claim in CLAIMS if claim.curve is not None)
    arguments = ["plot", drawn.id, "--out", str(tmp_path / name)]
    try:
        status = cli.main(arguments)
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    assert name.rpartition("/")[0] in capsys.readouterr().err


def test_a_claim_without_a_curve_says_which_have_one(tmp_path, capsys):
    flat = next(claim for claim in CLAIMS if claim.curve is None)
    assert cli.main(["plot", flat.id, "--out", str(tmp_path / "x.png")]) == 2
    assert "accepted: " in capsys.readouterr().err


def test_a_search_tells_its_sizes_and_what_it_found(capsys):
    claim = next(c for c in CLAIMS if c.verdict == "refuted")
    assert cli.main(["search", claim.id, "--examples", "500"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("size ")
    assert "counterexample of size " in out
    assert cli.main(["search", claim.id, "--without", "nonsense"]) == 2


def test_the_table_is_json_too_and_its_exit_status_tells(monkeypatch, capsys):
    few = {claim.id: claim for claim in CLAIMS[:3]}
    for module in (cli, decide):
        monkeypatch.setattr(module, "CLAIMS", few)
    monkeypatch.setattr(cli, "ProcessPoolExecutor", InThisProcess)
    monkeypatch.setattr(cli.proofs, "unproved", lambda: "")
    monkeypatch.setattr(cli.proofs, "installed", lambda: True)
    assert cli.main(["--json", "--examples", "20"]) == 0
    rows = json.loads(capsys.readouterr().out)["claims"]
    assert [row["id"] for row in rows] == list(few)
    assert all({"id", "source", "verdict", "evidence"} <= row.keys() for row in rows)
    assert [row["evidence"].startswith("proved for all N") for row in rows] == [
        claim in cli.proofs.PROOFS for claim in few
    ]
    spoilt = replace(TOY, needs={})
    for module in (cli, decide):
        monkeypatch.setattr(module, "CLAIMS", {**few, TOY.id: spoilt})
    assert cli.main(["--examples", "20"]) == 1
    captured = capsys.readouterr()
    assert "1 NOT re-established" in captured.out
    assert "toy.sum: no instance shows that positive is needed" in captured.err


class InThisProcess:
    """An executor that runs what it is given at once."""

    def __init__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, f, *arguments):
        outcome = f(*arguments)
        return type("Done", (), {"result": lambda self: outcome})()


def test_the_readme_has_the_table_of_the_claims():
    written = cli.README.read_text().partition(cli.TABLE)[2]
    assert written == cli.table(), "`python -m theory --readme` writes it anew"


def test_every_row_of_the_table_has_a_cell_for_each_head():
    rows = [line for line in cli.table().splitlines() if line.startswith("|")]
    assert len(rows) == len(CLAIMS) + 2 * len(decide.CHAPTERS)
    assert {row.replace("\\|", "").count("|") for row in rows} == {8}


@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_what_names_a_paper_first_is_not_ours_and_what_repairs_one_is(claim):
    papers = ("Neuron Dominance", "OCP", "ReDo", "GraMa", "public code")
    mends = ("repairs", "new", "beyond", "beside", "compares", "sharpens", "limit of")
    if claim.origin != "ours":
        assert claim.source.startswith((*papers, "follows from"))
    if claim.source.startswith(mends):
        assert claim.origin == "ours"
    assert (claim.origin == "public code") == claim.source.startswith("public code")


@pytest.mark.parametrize(
    ("word", "chapter"),
    [
        ("mixed", decide.dominance),
        ("Cantelli", decide.dominance),
        ("Cantelli", decide.rank),
        ("Var", decide.dominance),
    ],
)
def test_the_letters_of_a_chapter_say_what_its_words_mean(word, chapter):
    assert f"{word} if" in chapter.LETTERS or f"{word}:" in chapter.LETTERS
