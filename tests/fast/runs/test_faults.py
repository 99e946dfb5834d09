"""Runs that are killed, disks that fail and files that are damaged, by the hundred.

Each run is short: three episodes and what follows, so that a thousand of them take minutes.
"""

import errno
import io
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fast import config as configs
from fast import envs
from fast.__main__ import main
from fast.errors import InputError
from fast.papers.neuron_dominance import LIVES, RECIPES, RETURN, SATURATED, SCORE
from fast.report import chosen, drawing, families, overview, story
from fast.report.page import TEMPLATES, tables
from fast.runs.folder import RunFolder
from fast.runs.records import COUNTERS, find_runs
from fast.runs.session import Stop
from fast.train import Training, train

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]


# Episodes of ten agent steps, a buffer of two or three of them, a checkpoint after each.
RUN = {"agent.replay_capacity": 20, "run.updates": 25, "run.evaluation_interval": 15,
       "run.log_interval": 5, "run.score_interval": 10, "run.checkpoint_interval": 1}  # fmt: skip
DRQ = {"agent.first_update": 20, "env.action_repeat": 100} | RUN
SAC = {"env.action_repeat": 5} | RUN
DQN = {"agent.first_update": 20, "env.most_steps": 10} | RUN
# Five rollouts, that end in the midst of an episode and with it.
PPO = {"env.action_repeat": 5, "agent.rollout_steps": 16, "run.updates": 10,
       "run.evaluation_interval": 32, "run.log_interval": 2, "run.score_interval": 4,
       "run.checkpoint_interval": 1}  # fmt: skip
# A run from states takes a tenth of one from pixels, so these have a method of each intervention,
# and some that change the agent.
EACH = {
    turned: method
    for method, changes in reversed(configs.METHODS.items())
    for turned in changes.get("interventions", {})
}
CASES = [
    *(("sac", "Reacher-v4", method, SAC)
      for method in ("baseline", "lnwd", "replay-ratio-4", *EACH.values())),
    ("ppo", "Reacher-v4", "baseline", PPO),
    ("dqn", "minatar-breakout", "redo", DQN),
    *(("drq", "cartpole-swingup-masked", method, DRQ) for method in ("baseline", "hl-gauss")),
]  # fmt: skip
PIXELS = CASES[-2]


def config(case=CASES[0]):
    agent, task, method, changes = case
    made = configs.build(agent, task, method, "tiny")
    for part in ("agent", "env", "run"):
        own = {n.partition(".")[2]: v for n, v in changes.items() if n.startswith(part)}
        made = replace(made, **{part: replace(getattr(made, part), **own)})
    return made


def name_of(case):
    agent, _, method, _ = case
    return f"{agent}-{method}"


def told(folder):
    """What a run has recorded, without when, where and how fast."""
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] not in ("session", "timing")]


def state(folder):
    """Of its checkpoint the plain values, and the tensors with what holds them."""
    found = torch.load(folder / "checkpoint.pt", weights_only=True)["state"]
    del found["seconds"]
    return found.pop("arithmetic"), found


def frames(folder):
    return {
        path.name: {name: array.tobytes() for name, array in np.load(path).items()}
        for path in folder.glob("frames/*")
    }


def assert_equal_runs(folder, whole):
    assert told(folder) == told(whole)
    (plain, ours), (expected, theirs) = state(folder), state(whole)
    assert plain == expected
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert frames(folder) == frames(whole)


def listing(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A whole run of each case, made when it is asked for."""
    made, root = {}, tmp_path_factory.mktemp("whole")

    def of(case):
        name = name_of(case)
        if name not in made:
            assert train(config(case), root / name, Stop())
            made[name] = root / name
        return made[name]

    return of


# --- kills -----------------------------------------------------------------------------------

KILLS = 15  # of each case


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_run_that_is_killed_again_and_again_ends_as_one_that_is_not(case, whole, tmp_path):
    started = multiprocessing.get_context("forkserver")
    started.set_forkserver_preload(["fast.train"])
    folder, generator, kills = tmp_path / "run", np.random.default_rng(0), 0
    begin = time.monotonic()
    first = started.Process(target=train, args=(config(case), tmp_path / "timed", Stop()))
    first.start()
    first.join()
    length = time.monotonic() - begin
    while kills < KILLS:
        known = config(case) if not (folder / "config.json").exists() else None
        child = started.Process(target=train, args=(known, folder, Stop()))
        child.start()
        child.join(generator.uniform(0, length))
        if child.exitcode is None:
            child.kill()
            child.join()
            kills += 1
        elif kills < KILLS:  # it came to its end
            assert child.exitcode == 0
            assert_equal_runs(folder, whole(case))
            shutil.rmtree(folder)
    if not (folder / "config.json").exists():
        assert train(config(case), folder, Stop())
    else:
        assert train(None, folder, Stop())
    assert_equal_runs(folder, whole(case))
    assert not [*folder.rglob("*.tmp"), *tmp_path.glob(".*")]


# --- every file operation --------------------------------------------------------------------


class Files:
    """Calls `before(operation, path)` before whatever changes a file below `root`."""

    def __init__(self, root, monkeypatch, before):
        self.root, self.before, self.quiet = Path(root), before, False
        for name in ("rename", "replace", "unlink", "mkdir", "rmdir"):
            monkeypatch.setattr(os, name, self.watched(name, getattr(os, name)))
        monkeypatch.setattr(os, "fsync", self.watched("fsync", os.fsync))
        monkeypatch.setattr(io, "open", self.opened(io.open))

    def tell(self, operation, path):
        path = os.readlink(f"/proc/self/fd/{path}") if isinstance(path, int) else os.fspath(path)
        if isinstance(path, str) and path.startswith(str(self.root)) and not self.quiet:
            self.quiet = True
            try:
                self.before(operation, path)
            finally:
                self.quiet = False

    def watched(self, name, change):
        def changed(path, *rest, **named):
            if "dir_fd" not in named:
                self.tell(name, path)
            return change(path, *rest, **named)

        return changed

    def opened(self, plain):
        files = self

        class Raw(io.FileIO):
            def write(self, data):
                files.tell("write", self.name)
                return super().write(data)

            def truncate(self, *size):
                files.tell("truncate", self.name)
                return super().truncate(*size)

        def open(path, mode="r", *rest, **named):
            if "b" not in mode or not set(mode) & set("wax+") or not isinstance(path, Path):
                return plain(path, mode, *rest, **named)
            files.tell("open", path)
            raw = Raw(path, mode.replace("b", ""))
            return io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)

        return open


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_run_that_was_killed_before_any_of_its_file_operations_goes_on(
    case, whole, tmp_path, monkeypatch
):
    folder, kept = tmp_path / "run", []

    def keep(operation, path):
        if folder.exists():
            left = tmp_path / f"{len(kept)}"
            shutil.copytree(folder, left)
            if not kept or {p.relative_to(left): c for p, c in listing(left).items()} != {
                p.relative_to(kept[-1]): c for p, c in listing(kept[-1]).items()
            }:
                kept.append(left)
            else:
                shutil.rmtree(left)

    with monkeypatch.context() as patch:
        Files(folder, patch, keep)
        assert train(config(case), folder, Stop())
    assert_equal_runs(folder, whole(case))
    assert len(kept) >= 50  # of each of 17 cases
    print(f"{name_of(case)}: {len(kept)} states")
    for left in kept:
        begun = (left / "config.json").exists()
        assert train(None if begun else config(case), left, Stop())
        assert_equal_runs(left, whole(case))
        shutil.rmtree(left)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EMFILE])
def test_an_error_of_the_disk_at_any_file_operation_is_told_and_loses_nothing(
    number, whole, tmp_path, monkeypatch, capsys
):
    folder, place = tmp_path / "run", 0
    agent, task, method, changes = CASES[0]
    arguments = ["train", "--agent", agent, "--task", task, "--method", method,
                 "--preset", "tiny", "--out", str(folder)]  # fmt: skip
    for name, value in changes.items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    seen = Counter()

    def until(place):
        """The exit status of a run whose file operation `place` fails, and how many it made."""
        count = 0

        def fail(operation, path):
            nonlocal count
            count += 1
            if count == place:
                seen[operation] += 1
                raise OSError(number, os.strerror(number), path)

        with monkeypatch.context() as patch:
            Files(folder, patch, fail)
            return main(arguments), count

    while True:
        place += 1 + place // 40  # each of the first, and then ever fewer
        status, count = until(place)
        said = capsys.readouterr().err
        if count < place:
            assert status == 0
            break
        assert status in (1, 2), (place, said)
        assert os.strerror(number) in said and "Traceback" not in said
        if (folder / "config.json").exists():
            assert main(["train", "--resume", str(folder)]) == 0
            assert_equal_runs(folder, whole(CASES[0]))
            shutil.rmtree(folder)
        assert not folder.exists()
    with capsys.disabled():
        print(f"\n{errno.errorcode[number]}: {dict(seen)}")
    assert sum(seen.values()) >= 50
    assert seen.keys() >= {"open", "write", "fsync", "rename", "replace", "unlink", "mkdir"}


# --- fuzzers ---------------------------------------------------------------------------------

INPUTS = 10_000
ODD = [None, True, -1, 2**63, 1e308, "", "é", [], {}, [[]], {"a": {}}, "nan"]


def damaged(content, generator):
    """Bytes flipped, zeroed, cut off, doubled, or swapped for others."""
    content, kind = bytearray(content), generator.integers(6)
    start = int(generator.integers(len(content)))
    end = start + int(generator.integers(1, 65))
    if kind == 0:
        content[start] ^= 1 << int(generator.integers(8))
    elif kind == 1:
        content[start:end] = bytes(len(content[start:end]))
    elif kind == 2:
        del content[start:]
    elif kind == 3:
        content[start:start] = content[start:end]
    elif kind == 4:
        del content[start:end]
    else:
        content[start:end] = generator.bytes(end - start)
    return bytes(content)


def odd(value, generator):
    """A JSON value of which one part is another."""
    if isinstance(value, dict) and value and generator.random() < 0.9:
        key = list(value)[generator.integers(len(value))]
        if generator.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        return value | {key: odd(value[key], generator)}
    return ODD[generator.integers(len(ODD))]


def readable(folder):
    """All that figure and page take of a folder of runs but the drawing."""
    for run in find_runs(folder):
        facts = story.Facts(run)
        TEMPLATES.get_template("sentences.jinja").module.about_run(facts)
        tables({run.method: [facts]})
        drawing.rows_of([run], (RETURN, SCORE, SATURATED))
        drawing.masked_spans([run])
        overview.overview_rows([run])
        overview.worst_rows(run)
        families.life_rows(run, LIVES)
        here = chosen.choose("14", [run], own=True)
        chosen.face(here, "")
        families.run_points(here)
        families.curve([run], RETURN)


def resumable(folder):
    RunFolder.resume(folder).close()


@pytest.fixture
def run(whole, tmp_path):
    shutil.copytree(whole(PIXELS), tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl"])
def test_whatever_stands_in_a_file_it_is_read_or_refused(name, run):
    generator, file = np.random.default_rng(0), run / name
    content, outcomes = file.read_bytes(), Counter()
    lines = content.splitlines() if name == "metrics.jsonl" else [content]
    for _ in range(INPUTS):
        if generator.random() < 0.5:
            file.write_bytes(damaged(content, generator))
        else:
            changed, at = list(lines), generator.integers(len(lines))
            changed[at] = json.dumps(odd(json.loads(lines[at]), generator)).encode()
            file.write_bytes(b"\n".join([*changed, b""]))
        before = file.read_bytes()
        for read in (readable, resumable):
            try:
                read(run)
                outcomes[read, "read"] += 1
            except InputError:
                outcomes[read, "refused"] += 1
        assert file.read_bytes() == before
    assert min(outcomes.values()) > INPUTS // 100


def test_whatever_stands_in_frames_and_checkpoint_it_is_resumed_or_refused(run):
    generator = np.random.default_rng(0)
    settings = RunFolder.resume(run)
    settings.close()
    env, test_env = (envs.make(settings.config.task, settings.config.env) for _ in range(2))
    files = [run / "checkpoint.pt", *sorted((run / "frames").iterdir())]
    contents, outcomes = {file: file.read_bytes() for file in files}, Counter()
    training = Training(settings.config, env, test_env)
    before = {path: content for path, content in listing(run).items() if path not in contents}
    for _ in range(INPUTS):
        file = files[generator.integers(len(files))]
        changed = damaged(contents[file], generator)
        file.write_bytes(changed)
        try:
            folder = RunFolder.resume(run)
            try:
                training.load(folder)
            finally:
                folder.close()
            outcomes[file.suffix, "loaded"] += 1
            assert file.suffix == ".npz" or changed == contents[file]
        except InputError:
            outcomes[file.suffix, "refused"] += 1
        assert file.read_bytes() == changed
        file.write_bytes(contents[file])
    assert {path: c for path, c in listing(run).items() if path not in contents} == before
    assert outcomes[".pt", "refused"] and outcomes[".npz", "refused"]


# --- memory ----------------------------------------------------------------------------------

RUNS = 432  # of Figure 5: 12 tasks, 6 methods, 6 seeds
GIGABYTE = 10**9


def paper_length(whole):
    """The lines of a run of a million updates, of as many numbers as a run has today."""
    plan, lines = configs.build("drq", "walker-walk", preset="paper").run, []
    generator = np.random.default_rng(0)
    one = {line["kind"]: line for line in map(json.loads, (whole / "metrics.jsonl").open())}
    due = {"evaluation": plan.evaluation_interval, "scores": plan.score_interval,
           "update": plan.log_interval, "timing": plan.log_interval, "episode": 125}  # fmt: skip
    for update in range(plan.updates + 1):
        for kind, interval in due.items():
            if update % interval == 0:
                counts = dict.fromkeys(COUNTERS[1:], update) | {"environment_step": 8 * update}
                numbers = {  # of float32, as what is measured is
                    name: float(np.float32(generator.random()))
                    if isinstance(value, float)
                    else value
                    for name, value in one[kind].items()
                }
                lines.append(json.dumps(numbers | counts))
    return "\n".join([*lines, ""])


@pytest.mark.parametrize("command", [["figure", "5"], ["figure", "all"], ["report"]])
def test_432_runs_at_the_papers_length_are_read_in_less_than_a_gigabyte(
    command, whole, tmp_path, capsys
):
    records_file = tmp_path / "metrics.jsonl"
    records_file.write_text(paper_length(whole(PIXELS)))
    for task, method, seed in RECIPES["5"].runs:
        made = replace(configs.build("drq", task, method, "paper"), seed=seed)
        folder = tmp_path / "runs" / f"{task}.{method}.{seed}"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(configs.to_json(made))
        (folder / "metrics.jsonl").hardlink_to(records_file)
    assert len(list((tmp_path / "runs").iterdir())) == RUNS
    given = ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    child = subprocess.Popen(
        [sys.executable, "-m", "fast", *command, *given], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(child.pid, 0)
    with capsys.disabled():
        size = records_file.stat().st_size * RUNS
        print(f"\n{command}: {size / 1e9:.1f} GB of records, {used.ru_utime:.0f} CPU-s, "
              f"{used.ru_maxrss * 1024 / 1e9:.2f} GB")  # fmt: skip
    assert status == 0
    assert used.ru_maxrss * 1024 < GIGABYTE
