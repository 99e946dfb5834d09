"""The quick reader of records gives what Python's own gives line by line, or the same refusal."""

import json
from pathlib import Path

import pytest

from fast.errors import InputError
from fast.runs import records

HEAD = {"agent_step": 1, "environment_step": 2, "update": 3}


def line(kind: object, **values: object) -> str:
    return json.dumps({"kind": kind, **HEAD} | values)


WHOLE = [
    line("session", threads=2, cores=[0, 1], limits={"memory": 2.5, "swap": [1, [2]]}),
    line("scores", **{"critic/dense0/score": 0.1, "critic/dense1/score": None}),
    line("scores", **{"critic/dense0/score": 1, "critic/dense1/score": -0.0}),
    line("update", critic_loss=5e-324),
    line("update", critic_loss=1.5, clipped=0.25),
    line("evaluation", **{"return": None, "returns": [1.5, None, 3]}),
    line("episode", **{"return": -1.25, "random": True}),
    line("episode", **{"return": 2, "random": False, "broken": "it fell"}),
    line("timing", seconds=0.1 + 0.2),
    line("intervention", name="redo", learner="critic"),
]
ODD = [  # each is read where it stands among whole ones
    line("update", critic_loss=float("nan")), line("update", critic_loss=float("-inf")),
    line("update", critic_loss=2**63), line("update", critic_loss=2**64),
    line("update", critic_loss=-(10**30)), line("update", critic_loss=1e300),
    line("evaluation", **{"return": 0.0, "returns": [2**64]}), line("session", of={"a": [10**30]}),
    '{"kind": "update", "agent_step": 1, "environment_step": 2, "update": 3, "loss": 1e400}',
    '{"kind": "update", "agent_step": 1, "environment_step": 2, "update": 3, "update": 4}',
    line("session", name="\ud800"), line("session", name="\x00 é"), " " + WHOLE[0] + " ",
    line("timing", seconds=None),
]  # fmt: skip
WRONG = [  # each is refused there
    "", "null", "[]", '"kind"', "{}", "{", WHOLE[0] + WHOLE[1], WHOLE[0][:-9], "[" * 5000,
    line(None), line(1), line(["update"]), line("update", update=None), line("update", update=True),
    line("update", update=2**53), line("update", update=-1), line("update", agent_step=1.0),
    line("update", critic_loss="1"), line("update", critic_loss=True), line("update", loss=[1.0]),
    line("scores", **{"critic/dense1/score": 1.0, "critic/dense0/score": 1.0}),
    line("scores", more=1.0), line("episode", **{"return": "1"}), line("episode", random=1),
    line("evaluation", returns=[True]), line("evaluation", returns=[[1.0]]),
    line("evaluation", returns=1.0), line("intervention", name=1),
    '{"kind": "update", "agent_step": 1, "update": 3}',
]  # fmt: skip
BYTES = [
    *((each.encode("utf-8", "surrogatepass"), True) for each in ODD),
    *((each.encode(), False) for each in WRONG),
    (b"\xef\xbb\xbf" + WHOLE[0].encode(), True),
    (WHOLE[0].encode("utf-16"), True),
    (b'{"kind": "session", "name": "\xff"}', False),
]


def read(by, given):
    try:
        return repr(by(given))
    except InputError as error:
        return str(error)


@pytest.mark.parametrize(("odd", "whole"), BYTES)
def test_a_line_among_others_is_read_or_refused_as_by_pythons_reader(odd, whole):
    for lines in ([odd], [*map(str.encode, WHOLE), odd, WHOLE[1].encode()]):
        text = b"\n".join([*lines, b'{"kind": "torn'])
        slowly = read(lambda lines: records._one_by_one(lines, Path("m")), text.split(b"\n")[:-1])
        assert read(lambda text: records.parse(text, Path("m")), text) == slowly
    assert slowly.startswith("[" if whole else f"m:{len(WHOLE) + 1}:")


def test_whole_lines_are_read_by_the_quick_reader_alone(monkeypatch):
    monkeypatch.setattr(records, "_one_by_one", None)  # would fail
    text = "".join(f"{each}\n" for each in WHOLE).encode()
    assert records.parse(text, Path("m")) == [*map(json.loads, WHOLE)]
    assert records.parse(b"", Path("m")) == records.parse(b'{"kind"', Path("m")) == []


def test_a_run_has_the_records_that_it_was_made_of_in_their_order():
    made = [*map(json.loads, WHOLE)]
    assert records.Run(Path("run"), {}, made).records == made
