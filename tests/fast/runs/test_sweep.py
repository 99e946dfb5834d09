"""Sweeps: which runs are started, which go on, and what is said of those that fail.

The training is a small script but for the last test; its orders are files, one word for each try.
"""

import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from fast import config as configs
from fast.__main__ import main
from fast.errors import InputError
from fast.papers import neuron_dominance, recipes, redo
from fast.papers.grid import PlannedRun, plan
from fast.runs import forecast
from fast.runs import sweep as sweeps
from fast.runs.records import read_run
from fast.runs.session import Stop

ROOT = Path(__file__).parents[3]
UPDATES = 300  # of the preset `tiny`

# What `train` does to a folder, without training: it runs in OUT's parent, where `told` holds the
# config.json and `orders` the orders of each run.
FAKE = """
import fcntl, json, os, shutil, signal, subprocess, sys, time
from pathlib import Path
here = Path(__file__).parent
given = dict(zip(sys.argv[2::2], sys.argv[3::2]))
folder = Path(given.get("--out") or given["--resume"])
(here / "alive").mkdir(exist_ok=True)
mark = here / "alive" / folder.name
mark.touch()
calls = here / "calls.jsonl"
earlier = calls.read_text().count(f'["{folder.name}", [') if calls.exists() else 0
orders = here / "orders" / folder.name
orders = orders.read_text().split() if orders.exists() else []
order = orders[earlier] if earlier < len(orders) else "finish"
with calls.open("a") as file:
    places = {k: os.environ.get(k) for k in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")}
    call = [folder.name, sys.argv[1:], places, sorted(p.name for p in (here / "alive").iterdir())]
    file.write(json.dumps(call) + "\\n")

def record(kind, update, **more):
    with (folder / "metrics.jsonl").open("a") as file:
        told = {"kind": kind, "agent_step": update, "environment_step": update, "update": update}
        file.write(json.dumps(told | more) + "\\n")

def leave(status, said=""):
    print("working\\n" + said, flush=True)
    mark.unlink()
    sys.exit(status)

if order == "refuse":
    leave(2, "error: no")
folder.mkdir(exist_ok=True)
told = here / "told" / folder.name
if not (folder / "config.json").exists():
    shutil.copy(told if told.exists() else here / "told/any", folder / "new")
    (folder / "new").rename(folder / "config.json")  # whole or not at all, as train has it
if order == "pair":  # the first waits for the second, the third for the fourth, and so on
    started = [json.loads(line)[0] for line in calls.read_text().splitlines()]
    while len(calls.read_text().splitlines()) < started.index(folder.name) // 2 * 2 + 2:
        time.sleep(0.01)
if order in ("wait", "stubborn"):
    got = []
    def take(number, frame):
        got.append(number)
        record("signal", 150, number=number)
        if order == "wait" or len(got) == 2:
            leave(128 + number, "stopped")
    signal.signal(signal.SIGINT, take)
    signal.signal(signal.SIGTERM, take)
    signal.signal(signal.SIGHUP, take)
    record("update", 150)
    while True:
        time.sleep(0.01)
if order == "hang":
    def note(number, frame):
        record("signal", 150, number=number)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, note)
    record("update", 150)
    while True:
        time.sleep(60)
if order == "slow":
    for n in range(6):
        time.sleep(0.5)
        record("update", n)
if order == "half":
    record("update", 150)
    leave(1, "Stopped: no space left")
if order == "lie":
    leave(0)
if order == "race":
    lock = (folder / "config.json").open("r+")
    fcntl.flock(lock, fcntl.LOCK_EX)
    subprocess.Popen(["sleep", "1"], pass_fds=[lock.fileno()])
    leave(2, "error: another process is training here")
if order == "timing":
    for n in range(60):
        record("timing", n + 1, agent_step=5 + n, evaluation_ms=200.0 if n == 0 else 0.0,
               scores_ms=100.0 if n == 0 else 0.0, update_ms=20.0, environment_ms=10.0,
               seconds=n + 1.0)
    while True:
        time.sleep(0.01)
if order == "short":
    for n in range(20):
        record("timing", n + 1, agent_step=5 + n, evaluation_ms=0.0, scores_ms=0.0, update_ms=20.0,
               seconds=n + 1.0)
record("scores", 300)
record("evaluation", 300, **{"return": 1.0, "returns": [1.0]})
leave(0, "Complete")
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(sweeps, "POLL", 0.01)
    monkeypatch.setattr(forecast, "POLL", 0.01)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


class Bench:
    """A folder of runs, and the script that makes them."""

    def __init__(self, path):
        self.path, self.out = path, path / "runs"
        self.script = path / "fake.py"
        self.script.write_text(FAKE)
        self.command = (sys.executable, "-S", str(self.script))
        self.overrides = []

    def survey(self, methods=("baseline", "lnwd"), seeds=1, tasks=("cartpole-swingup",)):
        runs = plan(tasks, methods, seeds)
        jobs = sweeps.survey(runs, "drq", "tiny", "cpu", self.out, self.overrides)
        (self.path / "told").mkdir(exist_ok=True)
        for job in jobs:
            (self.path / "told" / job.run.name).write_text(configs.to_json(job.config))
        (self.path / "told" / "any").write_text(configs.to_json(jobs[0].config))
        return jobs

    def order(self, name, *words):
        (self.path / "orders").mkdir(exist_ok=True)
        (self.path / "orders" / name).write_text(" ".join(words))

    def sweep(self, jobs=None, at_a_time=1):
        jobs = self.survey() if jobs is None else jobs
        _, places = sweeps.places("cpu", at_a_time)
        return sweeps.sweep(jobs, places, self.overrides, self.command)

    def calls(self):
        """(name of the run, arguments, its places, who was alive) of every start."""
        file = self.path / "calls.jsonl"
        return [json.loads(x) for x in file.read_text().splitlines()] if file.exists() else []

    def started(self):
        return [(name, arguments[1]) for name, arguments, *_ in self.calls()]


BASELINE, LNWD = "cartpole-swingup.baseline.0", "cartpole-swingup.lnwd.0"


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture(autouse=True)
def heeded():
    """No signal is ignored, whoever started the tests: a background job is deaf to Ctrl-C, and a
    sweep in it stays so."""
    numbers = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
    plain = {signal.SIGINT: signal.default_int_handler}
    before = {n: signal.signal(n, plain.get(n, signal.SIG_DFL)) for n in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


# --- what is run ----------------------------------------------------------------------------------


def test_each_run_is_trained_once_into_its_own_folder(bench, capsys):
    bench.overrides = ["--run.score-interval", "20"]
    assert bench.sweep(bench.survey(seeds=2)) == 0
    names = [f"cartpole-swingup.{m}.{s}" for s in (0, 1) for m in ("baseline", "lnwd")]
    assert [name for name, *_ in bench.calls()] == names
    assert sorted(p.name for p in bench.out.iterdir() if p.is_dir()) == sorted(names)
    name, arguments, *_ = bench.calls()[3]
    assert arguments == [
        *("train", "--task", "cartpole-swingup", "--method", "lnwd", "--preset", "tiny"),
        *("--seed", "1", "--device", "cpu", "--out", str(bench.out / name), "--agent", "drq"),
        *("--run.score-interval", "20"),
    ]
    log = (bench.out / f"{name}.log").read_text()
    assert log.splitlines()[0].endswith("--run.score-interval 20")
    assert log.splitlines()[-1] == "Complete"
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2:] for line in lines[:2]] == [["start", BASELINE], ["done", BASELINE]]
    assert lines[-1] == "4 of 4 runs are complete, 0 failed"


def test_what_the_script_is_told_is_what_train_would_write(bench):
    """The settings that a sweep expects are those that the command line of each run gives."""
    import tyro

    bench.overrides = ["--run.updates", "90", "--agent.normalisation", "none"]
    tasks = ("reacher-easy-masked", "finger-spin-fast")
    for job in bench.survey(("lnwd", "pruning"), 2, tasks):
        flags = job.train(bench.out / "x", bench.overrides)[1:]
        at = flags.index("--out")
        assert flags[at + 2 : at + 4] == ["--agent", "drq"]
        del flags[at : at + 4]
        default = configs.build("drq", job.run.task, job.run.method, "tiny")
        how = {"args": flags, "default": default, "config": configs.TYRO}
        assert job.config == tyro.cli(configs.Config, **how)
        masked = 45 if "masked" in job.run.task else 0
        assert job.config.run.masked_updates == masked


def test_complete_runs_are_left_alone_and_begun_ones_go_on(bench, capsys):
    assert bench.sweep(bench.survey(["baseline"])) == 0
    bench.order(LNWD, "half")
    jobs = bench.survey()
    assert [job.state for job in jobs] == ["complete", "new"]
    jobs[1].tries = 1  # so that it fails for good
    assert bench.sweep(jobs) == 1
    jobs = bench.survey(seeds=2)
    assert [job.state for job in jobs] == ["complete", "begun", "new", "new"]
    assert [job.update for job in jobs] == [300, 150, 0, 0]
    capsys.readouterr()
    assert bench.sweep(jobs) == 0
    assert bench.started()[2:] == [
        (LNWD, "--resume"),
        ("cartpole-swingup.baseline.1", "--task"),
        ("cartpole-swingup.lnwd.1", "--task"),
    ]
    assert f"resume  {LNWD} at update 150" in capsys.readouterr().out
    before = bench.calls()
    assert bench.sweep(bench.survey(seeds=2)) == 0
    assert bench.calls() == before


def test_a_run_that_fails_is_tried_once_more_after_the_others(bench, capsys):
    bench.order(BASELINE, "half", "finish")
    assert bench.sweep() == 0
    assert bench.started() == [(BASELINE, "--task"), (LNWD, "--task"), (BASELINE, "--resume")]
    said = capsys.readouterr().out
    assert f"{BASELINE}: 1, Stopped: no space left; it is tried once more" in said


def test_without_anything_to_go_on_from_the_second_try_starts_anew(bench):
    bench.order(BASELINE, "refuse", "finish")
    assert bench.sweep() == 0
    assert bench.started() == [(BASELINE, "--task"), (LNWD, "--task"), (BASELINE, "--task")]


@pytest.mark.parametrize("word", ["refuse", "half", "lie"])
def test_a_run_that_fails_twice_is_reported_and_the_others_go_on(bench, capsys, word):
    bench.order(BASELINE, word, word, "finish")
    assert bench.sweep() == 1
    assert len(bench.calls()) == 3
    assert read_run(bench.out / LNWD).finished
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == [
        "1 of 2 runs are complete, 1 failed",
        f"  failed: {BASELINE}; see {bench.out / BASELINE}.log",
    ]
    assert bench.sweep() == 0  # another sweep tries again


def test_as_many_runs_as_asked_for_go_at_a_time(bench):
    jobs = bench.survey(seeds=3)
    for job in jobs:
        bench.order(job.run.name, "pair")
    assert bench.sweep(jobs, at_a_time=2) == 0
    alive = [len(alive) for *_, alive in bench.calls()]
    assert len(alive) == 6
    assert max(alive) == 2


# --- interruptions --------------------------------------------------------------------------------


def interrupt(bench, *steps):
    """Send a signal to this process as soon as a run has as many records as given."""

    def watch():
        for number, name, records in steps:
            file = bench.out / name / "metrics.jsonl"
            while not file.exists() or file.read_text().count("\n") < records:
                time.sleep(0.01)
            os.kill(os.getpid(), number)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_each_run_once_and_the_next_sweep_goes_on(bench, capsys, number):
    bench.order(BASELINE, "finish")
    bench.order(LNWD, "wait", "finish")
    before = signal.getsignal(number)
    thread = interrupt(bench, (number, LNWD, 1))
    assert bench.sweep(bench.survey(seeds=2), at_a_time=1) == 128 + number
    thread.join()
    assert signal.getsignal(number) == before
    assert bench.started() == [(BASELINE, "--task"), (LNWD, "--task")]
    got = read_run(bench.out / LNWD).of("signal")
    assert [record["number"] for record in got] == [number]
    said = capsys.readouterr().out
    assert f"stopped {LNWD} at update 150" in said
    assert "The same command again goes on from here" in said
    assert bench.sweep(bench.survey(seeds=2)) == 0
    assert bench.started()[2] == (LNWD, "--resume")


def test_a_second_signal_is_passed_on_too(bench):
    bench.order(BASELINE, "stubborn")
    thread = interrupt(bench, (signal.SIGINT, BASELINE, 1), (signal.SIGINT, BASELINE, 2))
    assert bench.sweep() == 130
    thread.join()
    got = read_run(bench.out / BASELINE).of("signal")
    assert [record["number"] for record in got] == [signal.SIGINT] * 2
    assert len(bench.calls()) == 1


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with Stop(patient=True) as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.received == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_error_of_the_sweep_itself_leaves_no_run_behind(bench, monkeypatch):
    bench.order(BASELINE, "wait")

    def gone(folder):
        if (folder / "metrics.jsonl").exists():
            raise OSError(5, "Input/output error")
        return 0

    monkeypatch.setattr(sweeps, "_reached", gone)
    with pytest.raises(OSError, match="Input/output"):
        bench.sweep()
    while (bench.path / "alive" / BASELINE).exists():
        time.sleep(0.01)
    got = read_run(bench.out / BASELINE).of("signal")
    assert [record["number"] for record in got] == [signal.SIGTERM]


# --- another process in the same folder -----------------------------------------------------------


def test_a_run_that_another_process_trains_is_waited_for(bench, capsys):
    bench.order(BASELINE, "half", "half")
    bench.sweep(bench.survey(["baseline"]))
    held = (bench.out / BASELINE / "config.json").open("r+")
    fcntl.flock(held, fcntl.LOCK_EX)
    jobs = bench.survey()

    def let_go():
        while not (bench.out / LNWD / "metrics.jsonl").exists():
            time.sleep(0.01)
        held.close()

    thread = threading.Thread(target=let_go)
    thread.start()
    assert bench.sweep(jobs) == 0
    thread.join()
    assert bench.started()[2:] == [(LNWD, "--task"), (BASELINE, "--resume")]
    said = capsys.readouterr().out
    assert said.count(f"waiting {BASELINE}: another process is training it") == 1
    assert said.endswith("2 of 2 runs are complete, 0 failed\n")


def test_what_another_process_has_completed_meanwhile_is_not_trained_again(bench, capsys):
    jobs = bench.survey()
    assert bench.sweep(bench.survey()) == 0
    before = bench.calls()
    assert bench.sweep(jobs) == 0
    assert bench.calls() == before
    assert f"complete {BASELINE} by another process" in capsys.readouterr().out


def test_a_sweep_that_waits_for_another_process_stops_when_asked_to(bench):
    bench.order(BASELINE, "half", "half")
    bench.sweep(bench.survey(["baseline"]))
    with (bench.out / BASELINE / "config.json").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        thread = interrupt(bench, (signal.SIGINT, LNWD, 2))
        assert bench.sweep() == 130
        thread.join()


def test_a_run_that_another_process_began_first_is_waited_for_too(bench, capsys):
    bench.order(BASELINE, "race")
    assert bench.sweep() == 0
    names = [(BASELINE, "--task"), (LNWD, "--task"), (BASELINE, "--resume")]
    assert bench.started() == names
    said = capsys.readouterr().out
    assert f"waiting {BASELINE}" in said
    assert "failed " not in said.replace("0 failed", "")


@pytest.mark.slow
def test_two_sweeps_of_one_folder_complete_it_together(tmp_path):
    """Both with 0, and no run is trained twice."""
    given = ["sweep", "--tasks", "finger-spin-fast", "--methods", "baseline", "lnwd", "--preset",
             "tiny", "--out", str(tmp_path / "runs"), "--env.action-repeat", "50",
             "--run.updates", "60"]  # fmt: skip
    command = [sys.executable, "-m", "fast", *given]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in "ab"]
    said = [sweep.communicate()[0] for sweep in both]
    assert [sweep.returncode for sweep in both] == [0, 0], said
    assert all(text.endswith("2 of 2 runs are complete, 0 failed\n") for text in said)
    for folder in (tmp_path / "runs").glob("*.0"):
        run = read_run(folder)
        assert run.finished
        assert len(run.of("session")) == 1


# --- what goes wrong with one run -----------------------------------------------------------------


def test_a_run_that_is_silent_is_asked_killed_and_tried_again(bench, capsys, monkeypatch):
    monkeypatch.setattr(sweeps, "GRACE", 0.2)
    bench.order(BASELINE, "hang", "finish")
    places = sweeps.places("cpu", 1)[1]
    assert sweeps.sweep(bench.survey(), places, (), bench.command, silence=3) == 0
    assert bench.started() == [(BASELINE, "--task"), (LNWD, "--task"), (BASELINE, "--resume")]
    got = [record["number"] for record in read_run(bench.out / BASELINE).of("signal")]
    assert got == [signal.SIGTERM] * 2
    said = capsys.readouterr().out
    assert f"silent  {BASELINE} for 0.05 minutes: it is ended" in said
    assert f"failed  {BASELINE}: -9, " in said


def test_what_is_written_keeps_a_run_from_being_called_silent(bench, capsys):
    bench.order(BASELINE, "slow")  # a record each half second, for three seconds
    places = sweeps.places("cpu", 1)[1]
    assert sweeps.sweep(bench.survey(), places, (), bench.command, silence=2) == 0
    assert "silent" not in capsys.readouterr().out


@pytest.mark.parametrize("third", [True, False])
def test_a_run_that_heeds_no_signal_is_killed(bench, capsys, monkeypatch, third):
    """By a third signal at once; by itself some time after the second."""
    monkeypatch.setattr(sweeps, "GRACE", 600 if third else 0.2)
    bench.order(BASELINE, "hang")
    steps = [(signal.SIGINT, BASELINE, records) for records in (1, 2, 3)]
    thread = interrupt(bench, *steps[: 3 if third else 2])
    assert bench.sweep() == 130
    thread.join()
    assert f"stopped {BASELINE} at update 150" in capsys.readouterr().out
    assert bench.started() == [(BASELINE, "--task")]


def test_a_log_that_cannot_be_written_fails_its_run_alone(bench, capsys):
    jobs = bench.survey()
    bench.out.mkdir()
    (bench.out / f"{BASELINE}.log").symlink_to("/dev/full")
    assert bench.sweep(jobs) == 1
    assert bench.started() == [(LNWD, "--task")]
    said = capsys.readouterr().out
    assert f"failed  {BASELINE}: [Errno 28] No space left on device; it is tried once more" in said
    assert said.splitlines()[-2] == "1 of 2 runs are complete, 1 failed"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metrics.jsonl", "{}\n"),
        ("metrics.jsonl", "no JSON\n"),
        ("config.json", "{"),
        ("config.json", ""),
        ("config.json", '{"version": 0}'),
    ],
)
def test_a_damaged_run_is_named_and_left_out(bench, capsys, name, text):
    assert bench.sweep(bench.survey(["baseline"])) == 0
    (bench.out / BASELINE / name).write_text(text)
    jobs = bench.survey()
    assert [job.state for job in jobs] == ["damaged", "new"]
    assert bench.sweep(jobs) == 1
    assert bench.started()[1:] == [(LNWD, "--task")]
    said = capsys.readouterr().out
    assert f"damaged {BASELINE} and left out: {bench.out / BASELINE / name}" in said
    assert "1 of 2 runs are complete, 1 failed" in said
    assert (bench.out / BASELINE / name).read_text() == text
    assert forecast.dry_run(bench.survey(), [{}], (), bench.command) == 0
    assert "1 complete, 0 begun, 0 new, 1 damaged" in capsys.readouterr().out


def test_a_log_is_named_by_bytes_that_are_no_text(bench):
    bench.out = bench.path / os.fsdecode(b"runs\xff")
    assert bench.sweep() == 0
    assert all(os.fsencode(bench.out) in job.log.read_bytes() for job in bench.survey())


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"overrides": ["--run.updates", "301"]}, "--run.updates: 301 .*/.* has 300"),
        ({"overrides": ["--agent.batch-size=9"]}, "--agent.batch-size: 9"),
        ({"overrides": ["--agent.strides", "2", "1"]}, "--agent.strides"),
        ({"preset": "laptop"}, "--agent.averaging-rate: 0.03"),
        ({"agent": "sac"}, "--agent.kind: 'sac'"),
        ({"device": "cuda"}, "--device: 'cuda'"),
    ],
)
def test_a_run_with_other_settings_is_refused_before_anything_starts(bench, changes, field):
    bench.order(BASELINE, "half", "half")
    bench.sweep(bench.survey(["baseline"]))
    given = {"agent": "drq", "preset": "tiny", "device": "cpu", "out": bench.out, "overrides": []}
    given |= changes
    with pytest.raises(InputError, match=field):
        sweeps.survey(plan(["cartpole-swingup"], ["lnwd", "baseline"], 1), **given)
    assert len(bench.calls()) == 2


def test_a_complete_run_may_have_been_trained_on_another_device(bench):
    bench.sweep()
    runs = plan(["cartpole-swingup"], ["baseline", "lnwd"], 1)
    jobs = sweeps.survey(runs, "drq", "tiny", "cuda", bench.out, [])
    assert {job.state for job in jobs} == {"complete"}


GIVEN = {"--tasks": "cartpole-swingup", "--methods": "baseline", "--preset": "tiny"}


@pytest.mark.parametrize(
    ("changes", "field", "hint"),
    [
        ({"--tasks": "cartpole-swingup_spars"}, "--task", "did you mean cartpole-swingup_sparse"),
        ({"--methods": "lnw"}, "--method", "did you mean lnwd"),
        ({"--preset": "tinny"}, "--preset", "did you mean tiny"),
        ({"--preset": None}, "--preset", "paper, drq-original, laptop, dominance, tiny"),
        ({"--out": None}, "--out", "a sweep needs it"),
        ({"--tasks": None}, "--figure", "or --tasks and --methods"),
        ({"--figure": "5"}, "--figure", "it, or --methods"),
        ({"--tasks": None, "--methods": None, "--figure": "18"}, "--figure", "2 to 17"),
        (
            {"--tasks": None, "--methods": None, "--figure": "4", "--agent": "sac"},
            "--task",
            "cifar",
        ),
        (
            {"--tasks": None, "--methods": None, "--figure": "4", "--preset": "tinny"},
            "--preset",
            "did you mean tiny",
        ),
        (
            {"--tasks": None, "--methods": None, "--figure": "4", "--preset": "drq-original"},
            "--preset",
            "paper, redo, redo-laptop, tiny",
        ),
        ({"--seeds": "0"}, "--seeds", "1 to 10,000"),
        ({"--jobs": "0"}, "--jobs", "1 to 1,000"),
        ({"--devices": "gpu"}, "--devices", "cuda:0,cuda:1"),
        ({"--devices": "cpu,cuda:0"}, "--devices", "cuda:0,cuda:1"),
        ({"--": "--seed=3"}, "--", "the sweep itself"),
        ({"--": "--run.updates=0"}, "--run.updates", "or equal to 1"),
    ],
)
def test_bad_input_is_refused_before_anything_is_created(tmp_path, capsys, changes, field, hint):
    given = {**GIVEN, "--out": str(tmp_path / "runs")} | changes
    arguments = [text for pair in given.items() if pair[1] is not None for text in pair]
    assert main(["sweep", *arguments]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: {field}")
    assert hint in message
    assert not list(tmp_path.iterdir())


def test_an_unusable_output_folder_is_refused(bench):
    bench.sweep()
    (bench.out / "cartpole-swingup.reset.0").mkdir()
    assert bench.survey(["reset"])[0].state == "new"  # empty: train takes it
    (bench.out / "cartpole-swingup.reset.0" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"reset\.0"):
        bench.survey(["reset"])
    for out in (bench.out / BASELINE, bench.script, bench.script / "runs"):
        bench.out = out
        with pytest.raises(InputError, match="--out"):
            bench.sweep()


def test_places_are_spread_over_the_devices_one_thread_each(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    one = {"OMP_NUM_THREADS": "1"}
    assert sweeps.places("cpu", None) == ("cpu", [{}])
    assert sweeps.places("cpu", 2) == ("cpu", [one, one])
    assert sweeps.places("cuda", None) == ("cuda", [{}])
    gpus = [one | {"CUDA_VISIBLE_DEVICES": number} for number in "01"]
    assert sweeps.places("cuda:0,cuda:1", None) == ("cuda", gpus)
    assert sweeps.places("cuda:0,cuda:1", 3) == ("cuda", [*gpus, gpus[0]])
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,7")
    two = [{"OMP_NUM_THREADS": "4", "CUDA_VISIBLE_DEVICES": number} for number in "72"]
    assert sweeps.places("cuda:1,cuda:0", None) == ("cuda", two)
    with pytest.raises(InputError, match="2,7"):
        sweeps.places("cuda:2", None)


def test_each_process_sees_its_own_gpu(bench, monkeypatch):
    jobs = bench.survey(seeds=2)
    for job in jobs:
        bench.order(job.run.name, "pair")
    _, places = sweeps.places("cuda:1,cuda:3", None)
    assert sweeps.sweep(jobs, places, (), bench.command) == 0
    seen = [place["CUDA_VISIBLE_DEVICES"] for _, _, place, _ in bench.calls()]
    assert sorted(seen) == ["1", "1", "3", "3"]
    assert {place["OMP_NUM_THREADS"] for _, _, place, _ in bench.calls()} == {"1"}


# --- the forecast ---------------------------------------------------------------------------------


def add_timing(folder, update, seconds):
    told = {"kind": "timing", "agent_step": 1, "environment_step": 8, "update": update}
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(told | {"seconds": seconds}) + "\n")


def test_the_hours_come_from_the_runs_that_are_there(bench, capsys):
    bench.order(LNWD, "half", "half")
    assert bench.sweep() == 1
    for name, seconds, update in ((BASELINE, 600, 300), (LNWD, 1350, 150)):
        add_timing(bench.out / name, update, seconds)
    jobs = bench.survey(("baseline", "lnwd", "ln"), 2)
    calls = bench.calls()
    capsys.readouterr()
    places = sweeps.places("cpu", 2)[1]
    assert forecast.dry_run(jobs, places, (), bench.command) == 0
    # baseline 2 s an update, lnwd 9, so ln the mean of both: 300, 150 + 300 and 600 updates
    seconds = 300 * 2 + 450 * 9 + 600 * 5.5
    assert capsys.readouterr().out.splitlines() == [
        "6 runs of 300 updates: 1 complete, 1 begun, 4 new",
        f"1,350 updates to make, {seconds / 1350:.2g} s each by the runs in {bench.out} "
        "(baseline, lnwd)",
        f"{seconds / 2 / 3600:.2g} hours with 2 at a time",
    ]
    assert bench.calls() == calls


def test_runs_of_another_preset_or_device_tell_no_speed(bench):
    bench.sweep()
    add_timing(bench.out / BASELINE, 300, 3)
    job = bench.survey()[0]
    assert forecast.recorded(job) == {"baseline": 0.01}
    assert forecast.recorded(replace(job, config=replace(job.config, device="cuda"))) == {}
    assert forecast.recorded(replace(job, config=replace(job.config, preset="paper"))) == {}


def test_where_no_run_is_there_a_trial_in_a_temporary_folder_is_timed(
    bench, capsys, monkeypatch, tmp_path
):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    for name in ("0", "1"):
        bench.order(name, "timing")
    jobs, places = bench.survey(), sweeps.places("cpu", 2)[1]
    assert forecast.dry_run(jobs, places, bench.overrides, bench.command) == 0
    out = capsys.readouterr().out
    assert "timing baseline on cartpole-swingup in a temporary folder" in out
    assert "600 updates to make" in out
    assert {name for name, *_ in bench.calls()} == {"0", "1"}
    assert all(set(forecast.TRIAL) < set(arguments) for _, arguments, *_ in bench.calls())
    assert not list((tmp_path / "temporary").iterdir())
    assert not bench.out.exists()
    with pytest.raises(OSError, match="No child"):  # they were ended
        os.waitpid(-1, os.WNOHANG)


def test_a_trial_that_fails_is_told(bench, capsys):
    bench.order("0", "refuse")
    assert forecast.dry_run(bench.survey(), [{}], (), bench.command) == 1
    assert capsys.readouterr().out.endswith("hours: not known, the trial failed: error: no\n")


def test_a_run_that_is_over_before_its_trial_is_timed_all_the_same(bench, capsys):
    bench.order("0", "short")
    assert forecast.dry_run(bench.survey(), [{}], (), bench.command) == 0
    assert "600 updates to make" in capsys.readouterr().out


def test_a_run_of_too_few_updates_gives_no_hours(bench, capsys):
    assert forecast.dry_run(bench.survey(), [{}], (), bench.command) == 1
    assert capsys.readouterr().out.endswith("the trial failed: 0 timed updates are too few\n")


def test_nothing_is_measured_where_nothing_is_left_to_do(bench, capsys):
    bench.sweep()
    capsys.readouterr()
    assert forecast.dry_run(bench.survey(), [{}], (), bench.command) == 0
    assert capsys.readouterr().out == "2 runs of 300 updates: 2 complete, 0 begun, 0 new\n"


def test_evaluations_and_scores_count_as_often_as_the_run_makes_them():
    config = configs.build("drq", "cartpole-swingup", preset="tiny")
    agent = replace(config.agent, first_update=101, updates_per_step=2.0)
    config = replace(config, agent=agent)
    run = replace(config.run, updates=1000, evaluation_interval=100, evaluation_episodes=3,
                  score_interval=50)  # fmt: skip
    first = {"agent_step": 5, "evaluation_ms": 400.0, "scores_ms": 100.0, "update_ms": 9e9}
    warming = {"evaluation_ms": 0.0, "scores_ms": 0.0, "update_ms": 9e9}
    usual = {"agent_steps_per_second": 9.0, "update_ms": 30.0, "environment_ms": 10.0}
    scoring = {**usual, "scores_ms": 500.0}
    timing = [first, warming, usual, scoring, usual]
    # 100 + 500 steps of 0.04 s, 3 episodes of 2 s at 1 + 6 evaluations, 1 + 20 scorings of 0.5 s
    expected = (600 * 0.04 + 3 * 7 * 2.0 + 21 * 0.5) / 1000
    assert forecast.foretell(replace(config, run=run), timing) == pytest.approx(expected)


# --- the recipes ----------------------------------------------------------------------------------


def test_every_figure_of_the_paper_with_results_has_a_recipe_that_can_be_run():
    assert list(neuron_dominance.RECIPES) == [*map(str, range(2, 18)), "survival"]
    of_redo = {int(name.split("-")[1]) for name in redo.RECIPES if "table" not in name}
    assert of_redo == {*range(1, 31)}
    for agent, masked in (("drq", {0, 500_000}), ("classifier", {0})):
        of_agent = [recipe for recipe in recipes.RECIPES.values() if recipe.agent == agent]
        everything = {run for recipe in of_agent for run in recipe.runs}
        kinds = sorted({run[:2] for run in everything})
        jobs = sweeps.survey([PlannedRun(*kind, 0) for kind in kinds], agent, "paper", "cpu",
                             Path("nowhere"), [])  # fmt: skip
        assert len(jobs) == len(kinds)
        assert {job.config.run.masked_updates for job in jobs} == masked
        if agent == "drq":
            count = len(everything)
            last = f"| all, each run once (of DrQ) | | {count} | {count * recipes.HOURS:,} |"
            assert recipes.table().splitlines()[-1] == last


def test_the_readme_shows_the_table_of_recipes():
    readme = (ROOT / "fast/README.md").read_text().splitlines()
    for line in recipes.table().splitlines():
        assert any(shown.startswith(line) for shown in readme), line


def test_the_recipes_have_the_papers_numbers():
    runs = {figure: len(recipe.runs) for figure, recipe in recipes.RECIPES.items()}
    tasks = neuron_dominance.PAPER_TASKS
    assert len(tasks) == len(set(tasks)) == 8 + 4
    assert len(neuron_dominance.PAPER_METHODS) == 5 + 1
    assert runs["2"] == runs["3"] == 3 * 8
    assert runs["5"] == runs["6"] == runs["9"] == runs["14"] == 12 * 6 * 6
    assert (runs["7"], runs["8"], runs["15"]) == (8 * 6 * 6, 4 * 6 * 6, 12 * 2 * 6)
    assert (runs["4"], runs["redo-3"]) == (2 * 5, 2 * 3)
    assert runs["redo-13"] == 17 * 4 * 5 and runs["redo-14"] == 2 * 4 * 10
    assert runs["redo-10-dqn"] == 17 * 8 * 5 and runs["redo-10-drq"] == 26 * 8 * 10


def test_other_seeds_than_the_figures_are_the_first_ones():
    runs = recipes.figure_runs("8", 2)
    assert {run.seed for run in runs} == {0, 1}
    assert set(runs) < set(recipes.figure_runs("8"))
    # all methods and tasks under one seed come before the next
    assert [run.seed for run in runs] == [0] * 24 + [1] * 24


def test_a_run_that_is_named_twice_is_planned_once():
    runs = plan(["cartpole-swingup"] * 2, ["baseline", "lnwd", "baseline"], 1)
    assert [run.method for run in runs] == ["baseline", "lnwd"]


def test_the_list_is_the_markdown_table_of_all_figures(capsys):
    assert main(["sweep", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(recipes.RECIPES) + 1
    assert len({line.count("|") for line in lines}) == 1
    assert "| 8 x 6 x 6 = 288 |" in next(line for line in lines if line.startswith("| 7:"))


# --- the real thing -------------------------------------------------------------------------------


def test_a_real_sweep_is_interrupted_and_goes_on(tmp_path, capsys):
    out = tmp_path / "runs"
    given = ["sweep", "--tasks", "finger-spin-fast", "--methods", "baseline", "lnwd", "--preset",
             "tiny", "--jobs", "2", "--out", str(out)]  # fmt: skip
    overrides = ["--", "--env.action-repeat", "50", "--run.updates", "200",
                 "--run.log-interval", "1"]  # fmt: skip
    command = [sys.executable, "-m", "fast", *given, *overrides]
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    files = [out / f"finger-spin-fast.{method}.0" / "metrics.jsonl" for method in given[4:6]]
    while not any(file.exists() and '"timing"' in file.read_text() for file in files):
        assert first.poll() is None
        time.sleep(0.02)
    first.send_signal(signal.SIGINT)  # the other may still be importing torch
    said, _ = first.communicate()
    assert first.returncode == 130
    assert said.count("stopped ") == 2
    half = [read_run(file.parent) for file in files if file.exists()]
    assert half and not any(run.finished for run in half)

    assert main([*given, "--dry-run", *overrides]) == 0
    assert "2 runs of 200 updates: 0 complete" in capsys.readouterr().out
    assert main([*given, *overrides]) == 0
    assert capsys.readouterr().out.count("done ") == 2
    assert all(read_run(file.parent).finished for file in files)
    played = [run for run in half if run.of("episode")]
    assert played
    for before in played:  # nothing was trained twice
        after = read_run(before.folder)
        assert len(after.of("session")) == 2
        assert after.of("episode")[: len(before.of("episode"))] == before.of("episode")


def test_a_run_alone_has_a_command_that_makes_what_is_left_of_it(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    methods = ["--methods", "baseline", "n-step+redo"]
    given = ["sweep", "--agent", "sac", "--tasks", "HalfCheetah-v4", *methods, "--preset", "tiny"]
    given += ["--out", "the runs", "--run.updates", "12", "--agent.first-update", "20"]
    given += ["--run.score-interval", "6", "--run.log-interval", "6"]
    assert main([*given, "--print"]) == 0
    commands = capsys.readouterr().out.splitlines()
    assert len(commands) == 2 and not (tmp_path / "the runs").exists()
    python, *command = shlex.split(commands[1])
    assert python == sys.executable and command[:2] == ["-m", "fast"]
    assert main(command[2:]) == 0  # from any place
    folder = tmp_path / "the runs/HalfCheetah-v4.n-step+redo.0"
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
    assert main(command[2:]) == 0
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*")} == before
    capsys.readouterr()
    assert main([*given, "--print"]) == 0
    assert capsys.readouterr().out.splitlines() == commands[:1]
    assert main([*given, "--only", "HalfCheetah-v4.baseline.1"]) == 2
    assert "HalfCheetah-v4.baseline.0" in capsys.readouterr().err
