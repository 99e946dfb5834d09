"""The command line: what it refuses and how, and that whom it speaks to does not matter."""

import contextlib
import io
import os
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from gymnasium.spaces import Box
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fast.__main__ import COMMANDS, main
from fast.agents.drq import PRESETS
from fast.config import build
from fast.errors import InputError, unknown
from fast.machine import terminal
from fast.papers import recipes
from fast.runs.records import flat, read_run

ROOT = Path(__file__).parents[2]
FAST = [sys.executable, "-m", "fast"]


def closed_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def call(arguments, code=None, **how):
    command = [sys.executable, "-c", code] if code else [*FAST, *arguments]
    how = {"cwd": ROOT, "stderr": subprocess.PIPE, "text": True} | how
    return subprocess.run(command, **how)


# --- who listens ----------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["sweep", "--list"]])
def test_a_reader_that_leaves_is_no_error(arguments):
    writer = closed_pipe()
    done = call(arguments, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_an_output_that_is_full_is_told_in_one_line():
    with open("/dev/full", "w") as full:
        done = call(["sweep", "--list"], stdout=full)
    assert done.returncode == 1
    assert done.stderr == "error: stdout: No space left on device\n"


def test_a_closed_output_is_no_error():
    done = subprocess.run(["sh", "-c", '"$@" >&- 2>&-', "sh", *FAST, "sweep", "--list"], cwd=ROOT)
    assert done.returncode == 0


WORK = """
import sys
from fast.machine import terminal
def work(arguments):
    bar = terminal.bar(3, "steps")
    for _ in range(3):
        print("said", file=sys.stderr)
        bar.update()
        bar.write("told")
    bar.close()
    open(arguments[0], "w").close()
    return 0
sys.argv[1:] = [{path!r}]
sys.exit(terminal.run(work))
"""


def test_work_goes_on_where_stderr_is_broken(tmp_path):
    writer = closed_pipe()
    done = call([], WORK.format(path=str(tmp_path / "done")), stderr=writer, stdout=-1)
    os.close(writer)
    assert (done.returncode, done.stdout) == (0, "told\n" * 3)
    assert (tmp_path / "done").exists()


@pytest.mark.slow
def test_a_training_goes_on_where_stderr_is_broken(tmp_path):
    writer = closed_pipe()
    run = ["--task", "cartpole-swingup", "--preset", "tiny", "--run.updates", "60"]
    done = call(["train", *run, "--out", str(tmp_path / "x")], stderr=writer)
    os.close(writer)
    assert done.returncode == 0
    assert read_run(tmp_path / "x").finished


def test_work_goes_on_where_nobody_reads_a_pipe_that_does_not_wait(tmp_path):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x")
    except BlockingIOError:
        pass
    done = call([], WORK.format(path=str(tmp_path / "done")), stderr=writer, stdout=-1)
    os.close(reader)
    os.close(writer)
    assert done.returncode == 0
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize(
    "site",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "ascii:strict", "LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"TQDM_MININTERVAL": "soon", "TQDM_NCOLS": "", "COLUMNS": "wide", "LINES": "-1"},
        {"TERM": "none", "HOME": "/nowhere", "TMPDIR": "/nowhere"},
    ],
    ids=lambda site: " ".join(f"{name}={value}" for name, value in site.items()),
)
def test_no_encoding_and_no_variable_ends_in_a_traceback(site):
    """Neither what it refuses, nor what it says of names that the encoding lacks."""
    typed = ["sweep", "--figure", "10", "--preset", "tiny", "--out", "Ωµ≤", "--devices", "Ωµ≤"]
    done = call(typed, env=os.environ | site, stdout=subprocess.PIPE)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: --devices: ")
    code = "print('\\u03a9\\u2264') or 0"
    code = f"from fast.machine import terminal; raise SystemExit(terminal.run(lambda _: {code}))"
    done = call([], code, env=os.environ | site, stdout=subprocess.PIPE, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout in ("Ω≤\n", "\\u03a9\\u2264\n")


def test_the_theory_speaks_in_any_encoding_too():
    command = [sys.executable, "-m", "theory", "show", "dominance.theorem-1"]
    site = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=ROOT, env=site, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_folder_whose_name_is_no_text_is_named():
    done = call(["report", "--runs", b"nowhere\xff"], stdout=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.startswith("error: runs: 'nowhere\\udcff'")


# --- progress -------------------------------------------------------------------------------------


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now

    def time(self):
        return self.now


def lines_of_a_bar(monkeypatch, seconds, words=()):
    """What a bar of a step each second says in a log."""
    clock = Clock()
    monkeypatch.setattr(terminal, "time", clock)
    monkeypatch.setattr(terminal.tqdm, "_time", clock.time, raising=False)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with terminal.bar(seconds, "steps", desc="lnwd") as bar:
        bar._time = clock.time
        bar.last_print_t = bar.start_t = 0.0
        for clock.now in range(1, seconds + 1):
            bar.set_postfix({"return": clock.now}, refresh=False)
            bar.update()
            for word in words:
                bar.write(word, file=sys.stderr)
    return sys.stderr.getvalue()


def test_a_bar_in_a_log_is_a_line_a_minute(monkeypatch):
    said = lines_of_a_bar(monkeypatch, 600)
    assert "\r" not in said
    lines = said.splitlines()
    assert len(lines) == 1 + 10 + 1  # at its start, each minute, at its end
    assert [re.search(r"\d+/600", line)[0] for line in lines[:3]] == ["0/600", "60/600", "120/600"]
    assert "600/600" in lines[-1] and "return=600" in lines[-1]


def test_what_is_said_beside_it_repeats_no_bar(monkeypatch):
    lines = lines_of_a_bar(monkeypatch, 120, ["done"]).splitlines()
    assert lines.count("done") == 120
    assert len(lines) == 120 + 1 + 2 + 1


def test_every_bar_of_the_project_is_this_one():
    for path in (ROOT / "fast").rglob("*.py"):
        if path.name != "terminal.py":
            assert "import tqdm" not in path.read_text(), path


# --- what is refused ------------------------------------------------------------------------------


def refusal(arguments, capsys):
    assert main(arguments) == 2
    return capsys.readouterr().err.removeprefix("error: ").strip()


TRAIN = ["train", "--task", "cartpole-swingup", "--out", "x"]
SWEEP = ["sweep", "--figure", "10", "--preset", "tiny", "--out", "x", "--dry-run"]


@pytest.mark.parametrize("option", ["--preset", "--method", "--task", "--out", "--resume"])
@pytest.mark.parametrize("joined", [True, False])
def test_an_empty_value_is_refused_and_not_taken_for_none(option, joined, capsys):
    typed = [f"{option}="] if joined else [option, ""]
    assert refusal([*TRAIN, *typed], capsys).startswith(f"{option}: '' is not usable")


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["sweep", "--figure", "", "--preset", "tiny"], "--figure"),
        (["sweep", "--tasks", "cartpole-swingup", "", "--preset", "tiny"], "cartpole-swingup"),
        (["report", "--runs", ""], "--runs"),
        (["figure", ""], "figure"),
        (["demo", "--out="], "--out"),
        ([""], "COMMAND"),
    ],
)
def test_no_command_takes_an_empty_value(arguments, option, capsys):
    assert refusal(arguments, capsys).startswith(f"{option}: '' is not usable")


def test_a_sweep_without_a_preset_lists_them(capsys):
    said = refusal(["sweep", "--figure", "10", "--out", "x"], capsys)
    assert said.startswith("--preset: not given; ")
    assert said.endswith(", ".join(PRESETS))


@pytest.mark.parametrize("figure", ["99", "1", "18", "0", "100"])
def test_no_number_of_a_figure_is_near_another(figure, capsys):
    for arguments in (["sweep", "--figure", figure], ["figure", figure, "--runs", str(ROOT)]):
        said = refusal(arguments, capsys)
        assert f"'{figure}' is not usable" in said
        assert "did you mean" not in said
    assert "did you mean cartpole" in str(unknown("--task", "cartpol", ["cartpole"]))


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["--sedes", "3"], "'--sedes' is not usable here; did you mean --seeds"),
        (["--seed", "3"], "'--seed' is not usable here; did you mean --seeds"),
        (["--device=cuda"], "'--device' is not usable here; did you mean --devices"),
        (["--resume", "x"], "'--resume' is not usable here"),
        (["10"], "'10' is not usable here; accepted: options, such as --figure 10"),
        (["-x"], "'-x'"),
        (["--seeds", "1000000000"], "1000000000 is not usable here; accepted: 1 to 10,000"),
        (["--jobs", "1000000000"], "1000000000 is not usable here; accepted: 1 to 1,000"),
        (["--run.updates", "0"], "--run.updates: 0"),
    ],
)
def test_a_sweep_says_what_was_typed_and_what_to_type(typed, told, capsys):
    assert told in refusal([*SWEEP, *typed], capsys)


def test_a_misspelt_setting_of_a_sweep_is_refused(capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*SWEEP, "--run.update", "100"])
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert "--run.updates" in said.out + said.err


def test_a_setting_that_is_not_given_is_not_called_unusable():
    assert str(InputError("--task", None, "accepted: a task")) == (
        "--task: not given; accepted: a task"
    )
    assert len(str(InputError("--task", "x" * 10**6, "accepted: a task"))) < 300


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_path_that_cannot_be_looked_at_is_told_in_one_line(name, capsys, monkeypatch):
    monkeypatch.setitem(COMMANDS, name, lambda arguments: Path("x" * 5000).stat())
    assert main([name]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: [Errno 36] File name too long")


# --- the hours ------------------------------------------------------------------------------------


def test_every_hour_of_the_readme_comes_from_one_assumption():
    """56 agent steps a second of DrQ-v2, an update each second step, at half the paper's batch."""
    readme = (ROOT / "fast/README.md").read_text()
    per_second = 56 / 2 / 2
    assert round(10**6 / per_second / 3600) == recipes.HOURS
    assert f"a million updates is taken to last\n{recipes.HOURS} hours" in readme
    assert "| GPU hours (assumed) |" in readme
    for line in recipes.table().splitlines()[2:]:
        if count := re.search(r"(\d+) \| ([\d,]+) \|$", line):
            assert int(count[2].replace(",", "")) == int(count[1]) * recipes.HOURS


# --- anything at all ------------------------------------------------------------------------------

VALUES = st.one_of(
    st.sampled_from(["", " ", ".", "..", "/", "/dev/null", "/proc/x", "/root\udcff", "x" * 300,
                     "0", "-1", "1", "2", "1e30", "-0.0", "nan", "inf", "9" * 5000, str(2**63),
                     "0x10", "٣", "Ω≤µ", "None", "True", "cpu", "cuda", "cuda:0,cuda:0", "--", "-h",
                     "cartpole-swingup", "cartpole-swingup-masked", "baseline", "lnwd", "tiny",
                     "paper", "layer_norm", "resnet18", "digits", "classifier", "all", "10", "redo",
                     "hl_gauss"]),
    st.text(st.characters(exclude_characters="\0", exclude_categories=()), max_size=20),
    st.integers().map(str),
    st.floats().map(str),
)  # fmt: skip
SETTINGS = [
    f"--{name.replace('_', '-')}" for name in flat(asdict(build("drq", "cartpole-swingup")))
]
OPTIONS = {
    "train": ["--agent", *SETTINGS, "--out", "--resume", "--help"],
    "sweep": ["--agent", "--figure", "--tasks", "--methods", "--preset", "--out", "--seeds",
              "--jobs", "--devices", "--silence", "--dry-run", "--list", "--", *SETTINGS],
    "figure": ["--runs", "--out", "--preset", "--own"],
    "report": ["--runs", "--out"],
    "demo": ["--out", "--jobs"],
    "doctor": ["--out"],
}  # fmt: skip
# So that some inputs get as far as the work, which is not done here.
WHOLE = {
    "train": ["--task", "cartpole-swingup", "--preset", "tiny", "--out", "new"],
    "sweep": ["--figure", "10", "--preset", "tiny", "--out", "new"],
}


@st.composite
def command_lines(draw):
    name = draw(st.sampled_from(sorted(OPTIONS)))
    typed = list(WHOLE.get(name, [])) if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 5))):
        option = draw(st.one_of(st.sampled_from(OPTIONS[name]), VALUES))
        values = draw(st.lists(VALUES, max_size=2))
        joined = [f"{option}={values[0]}"] if values and draw(st.booleans()) else [option, *values]
        at = draw(st.integers(0, len(typed)))
        typed[at:at] = joined
    return [name, *typed]


class Begun(Exception):
    """What was typed is accepted: from here on there would be work."""


@pytest.fixture
def idle(monkeypatch, tmp_path):
    """No command does its work: it ends where the first file would be written."""

    def begin(*_arguments, **_how):
        raise Begun

    def make(task, _settings):
        seen, action = Box(0, 255, (3, 84, 84), np.uint8), Box(-1, 1, (1,))
        made = {"steps_per_episode": 125, "observation_space": seen, "action_space": action}
        return SimpleNamespace(**made, close=lambda: None)

    monkeypatch.setattr("fast.envs.make", make)
    monkeypatch.setattr("fast.train.Training", begin)
    monkeypatch.setattr("fast.runs.sweep.sweep", begin)
    monkeypatch.setattr("fast.runs.forecast.dry_run", begin)
    monkeypatch.setattr("fast.machine.doctor.doctor", begin)
    monkeypatch.setattr("fast.machine.resources.gpu_memory", lambda place: 10**9)
    monkeypatch.setattr("fast.runs.session.Stop.install", lambda self: None)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# A part of 1,000 examples at most: what they leave in memory goes at its end.
PARTS = -(-settings.default.max_examples // 1000)


@pytest.mark.parametrize("part", range(PARTS))
@given(typed=command_lines())
@settings(
    max_examples=settings.default.max_examples // PARTS,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_command_line_ends_in_a_traceback_or_leaves_anything_when_refused(part, typed, idle):
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()) as said,
    ):
        try:
            status = main(typed)
        except Begun:
            return
        except SystemExit as stopped:  # argparse and tyro
            status = stopped.code
    assert status in (0, 1, 2)
    assert status == 0 or len(said.getvalue()) > 10
    assert not list(idle.iterdir())
