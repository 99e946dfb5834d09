"""What is on the disk: synced before it is needed, checked before it is used."""

import io
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fast import config as configs
from fast import measures
from fast.__main__ import main
from fast.errors import InputError
from fast.report import chosen, drawing
from fast.report.page import strip
from fast.runs import events, records
from fast.runs.folder import RunFolder, seal
from fast.runs.records import Run, find_runs, read_run, series
from fast.runs.session import Stop
from fast.train import train

ROOT = Path(__file__).parents[3]
ARGUMENTS = ["--task", "cartpole-swingup", "--method", "baseline", "--preset", "tiny",
             "--env.action-repeat", "50", "--run.updates", "130", "--agent.replay-capacity", "60",
             "--run.evaluation-interval", "50", "--run.log-interval", "10"]  # fmt: skip


def config(updates=130):
    """Episodes of 20 agent steps, and a buffer of which three or four are needed."""
    made = configs.build("drq", "cartpole-swingup", "baseline", "tiny")
    made = replace(made, env=replace(made.env, action_repeat=50))
    made = replace(made, agent=replace(made.agent, replay_capacity=60))
    run = {"updates": updates, "evaluation_interval": 50, "log_interval": 10}
    return replace(made, run=replace(made.run, **run))


class StopAtEpisode(Stop):
    """Asks to stop as a signal would, as soon as so many episodes are written."""

    def __init__(self, folder, episode):
        self.file = folder / "frames" / f"{episode:07d}.npz"

    @property
    def signal(self):
        return 15 if self.file.exists() else None


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    """A run of which five episodes of eight are played."""
    folder = tmp_path_factory.mktemp("runs") / "half"
    assert not train(config(), folder, StopAtEpisode(folder, 4))
    return folder


@pytest.fixture
def run(half, tmp_path):
    shutil.copytree(half, tmp_path / "run")
    return tmp_path / "run"


def listing(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def recorded(folder, kind):
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] == kind]


# --- a power cut -----------------------------------------------------------------------------


class Disk:
    """What a power cut would leave of a folder: what was synced, under the names that were.

    `look` is called before each operation that changes a name, and after each sync.
    """

    def __init__(self, root, monkeypatch, look):
        self.root, self.look = root, look
        self.content = {}  # of a file by its inode, as it was synced
        self.names = {}  # path -> inode, as its folder was synced
        self.held = []  # so that no inode is given to another file
        self.looking = False
        for name in ("rename", "replace", "unlink"):
            monkeypatch.setattr(os, name, self.after_looking(getattr(os, name)))
        monkeypatch.setattr(os, "fsync", self.sync)

    def after_looking(self, change):
        def changed(*arguments, **named):
            self.look_once()
            return change(*arguments, **named)

        return changed

    def look_once(self):
        if not self.looking:  # what `look` itself changes is not of the run
            self.looking = True
            self.look(self)
            self.looking = False

    def sync(self, number):
        path, inode = Path(os.readlink(f"/proc/self/fd/{number}")), os.fstat(number).st_ino
        if path.is_dir():
            elsewhere = {p: i for p, i in self.names.items() if p.parent != path}
            self.names = elsewhere | {p: p.stat().st_ino for p in path.iterdir()}
        else:
            self.held.append(os.open(path, os.O_RDONLY))
            self.content[inode] = path.read_bytes()
        self.look_once()

    def files(self, every_name):
        """Path -> content after the cut: renames happened all (`every_name`), or only if synced;
        what is removed is gone."""
        now = {path: path.stat().st_ino for path in self.root.rglob("*")}
        names = now if every_name else {p: i for p, i in self.names.items() if p in now}
        return {
            path: self.content.get(inode, b"")
            for path, inode in names.items()
            if path.is_file()
            and all(above in names for above in path.parents if self.root in above.parents)
        }


def test_a_power_cut_at_any_moment_leaves_a_run_that_goes_on(tmp_path, monkeypatch):
    folder, counts, tried = tmp_path / "run", [], []

    def look(disk):
        for every_name in (False, True):
            files, left = disk.files(every_name), tmp_path / "left"
            tried.append(frozenset(files.items()))
            if tried[-1] in tried[:-1]:
                continue
            shutil.rmtree(left, ignore_errors=True)
            for path, content in files.items():
                target = left / path.relative_to(folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            if not (left / "config.json").exists():
                assert not counts  # nothing was said to be there yet
                continue
            found = RunFolder.resume(left)
            counts.append(sum(len(episode["rewards"]) for episode in found.episodes()))
            found.close()

    disk = Disk(folder, monkeypatch, look)
    assert train(config(70), folder, Stop())
    for number in disk.held:
        os.close(number)
    assert len(tried) > 60 and len(counts) > 40
    assert counts[-1] == config().agent.replay_capacity


# --- damage ----------------------------------------------------------------------------------


def refused(folder, capsys):
    before = listing(folder)
    assert main(["train", "--resume", str(folder)]) == 2
    assert listing(folder) == before
    message = capsys.readouterr().err
    assert message.startswith("error: --resume") and message.count("\n") == 1
    assert "train again into another folder" in message
    return message


def test_no_changed_bit_and_no_lost_range_of_a_checkpoint_is_taken_for_a_state(run):
    path = run / "checkpoint.pt"
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[generator.integers(len(whole))] ^= 1 << generator.integers(8)
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="checksum"):
            RunFolder.resume(run)
    for _ in range(30):
        start = generator.integers(len(whole) - 512)
        path.write_bytes(whole[:start] + bytes(512) + whole[start + 512 :])
        if path.read_bytes() != whole:
            with pytest.raises(InputError, match="checksum"):
                RunFolder.resume(run)
    for end in generator.integers(len(whole), size=30):
        path.write_bytes(whole[:end])
        with pytest.raises(InputError, match="checksum"):
            RunFolder.resume(run)


def tensors(state):
    """Every tensor of fractions in nested dicts and lists."""
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, list) else ()
    found = [tensor for part in parts for tensor in tensors(part)]
    return [state] if isinstance(state, torch.Tensor) and state.is_floating_point() else found


@pytest.mark.parametrize("which", [0, -1])
def test_a_checkpoint_with_a_number_that_is_not_finite_is_not_resumed(run, capsys, which):
    path = run / "checkpoint.pt"
    saved = torch.load(path, weights_only=True)
    tensors(saved["state"]["agent"])[which].view(-1)[0] = float("nan")
    file = io.BytesIO()
    torch.save(saved, file)
    path.write_bytes(seal(file.getvalue()))
    assert "not finite" in refused(run, capsys)


def test_a_run_whose_scores_were_others_is_not_resumed(run, capsys, monkeypatch):
    """Readers refuse a run whose score records are not alike, so none is made."""
    monkeypatch.setattr(measures, "NAMES", (*measures.NAMES, "a_new_one"))
    assert "records other scores" in refused(run, capsys)


def shorter(content):
    return content[: len(content) // 2]


def emptied(content):
    return b""


def zeroed(content):
    return content[:300] + bytes(300) + content[600:]


@pytest.mark.parametrize("change", [shorter, emptied, zeroed])
def test_a_damaged_episode_is_told_before_anything_is_changed(run, capsys, change):
    file = min((run / "frames").iterdir())
    file.write_bytes(change(file.read_bytes()))
    assert "an episode is damaged" in refused(run, capsys)


@pytest.mark.parametrize(
    "line", [b"\0" * 30, b'{"kind": "epi', b"[" * 99, b"{}", b'{"kind": 1, "update": 2}']
)
def test_a_damaged_record_is_told_before_anything_is_changed(run, capsys, line):
    file = run / "metrics.jsonl"
    first, second, rest = file.read_bytes().split(b"\n", 2)
    file.write_bytes(b"\n".join([first, line + b" " * (len(second) - len(line)), rest]))
    assert "metrics.jsonl:2" in refused(run, capsys)


def test_what_came_after_the_checkpoint_may_be_damaged(run):
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b"\0" * 300 + b"\n{]\n")
    assert train(None, run, Stop())
    assert recorded(run, "episode")[-1]["update"] == 130


def test_what_a_killed_process_left_half_written_is_gone_when_the_run_goes_on(run):
    left = [
        run / "checkpoint.pt.tmp",
        run / "frames" / "0000009.npz.tmp",
        run / "frames" / "0000009.npz",
    ]
    for file in left:
        file.write_bytes(b"half")
    assert train(None, run, Stop())
    assert [file for file in left[:2] if file.exists()] == []
    assert b"half" not in [file.read_bytes() for file in (run / "frames").iterdir()]


# --- places ----------------------------------------------------------------------------------


def test_an_empty_folder_is_used_and_not_replaced(tmp_path):
    folder = tmp_path / "run"
    (folder / "lost+found").mkdir(parents=True)  # of a volume that was just mounted there
    (folder / "config.json.tmp").write_text("{ of a process that was killed here")
    before = folder.stat().st_ino
    RunFolder.create(folder, config()).close()
    assert folder.stat().st_ino == before
    assert RunFolder.resume(folder).config == config()
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "lost+found"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_cannot_be_filled_is_left_as_it_was(tmp_path, monkeypatch):
    folder = tmp_path / "a" / "b" / "run"

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        RunFolder.create(folder, config())
    assert not list(tmp_path.iterdir())


def test_of_two_processes_that_begin_in_one_folder_one_is_refused(tmp_path):
    first = RunFolder.create(tmp_path / "run", config())
    (tmp_path / "run" / "config.json").rename(tmp_path / "run" / "config.json.tmp")
    with pytest.raises(InputError, match="another process"):
        RunFolder.create(tmp_path / "run", config())
    assert (tmp_path / "run" / "config.json.tmp").read_text() == configs.to_json(config())
    first.close()


@pytest.mark.parametrize("name", ["x" * 300, "/".join(["y" * 200] * 20 + ["z" * 40]), "loop"])
@pytest.mark.parametrize("option", ["--out", "--resume"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path, capsys, name, option):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    before = sorted(tmp_path.rglob("*"))
    given = ARGUMENTS if option == "--out" else []
    assert main(["train", *given, option, str(tmp_path / name)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {option}")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_place_that_has_room_for_the_settings_name_but_none_for_an_episodes_is_refused(
    tmp_path, capsys
):
    room = os.pathconf(tmp_path, "PC_PATH_MAX") - 1 - len("/config.json.tmp") - len(f"{tmp_path}/")
    name = "/".join(["y" * 200] * (room // 201))
    path = tmp_path / (name + "/" + "z" * (room - len(name) - 1))
    assert len(f"{path}/config.json.tmp") == os.pathconf(tmp_path, "PC_PATH_MAX") - 1
    assert main(["train", *ARGUMENTS, "--out", str(path)]) == 2
    assert capsys.readouterr().err.startswith("error: --out")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_by_its_own_name_wherever_it_is_met(tmp_path, capsys):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))  # less than a checkpoint has
    try:
        assert main(["train", *ARGUMENTS, "--out", str(tmp_path / "run")]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    message = capsys.readouterr().err
    assert "File too large" in message and "--resume" in message
    assert main(["train", "--resume", str(tmp_path / "run")]) == 0


def test_events_that_cannot_be_written_end_a_run_as_any_file_does(run, capsys, monkeypatch):
    add = events.Events.add

    def full(self, record):
        if record["kind"] == "episode":
            raise OSError(28, "No space left on device")
        add(self, record)

    monkeypatch.setattr(events.Events, "add", full)
    assert main(["train", "--resume", str(run)]) == 1
    assert "No space left on device" in capsys.readouterr().err


# --- TensorBoard -----------------------------------------------------------------------------


def test_a_tensorboard_that_is_open_while_a_killed_run_goes_on_shows_what_is_recorded(tmp_path):
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

    folder, earlier = tmp_path / "run", tmp_path / "earlier"
    train(config(), folder, StopAtEpisode(folder, 2))
    shutil.copytree(folder, earlier, ignore=shutil.ignore_patterns("tensorboard"))
    train(None, folder, StopAtEpisode(folder, 5))
    shown = EventMultiplexer().AddRunsFromDirectory(str(folder))
    shown.Reload()
    for name in ("frames", "checkpoint.pt", "metrics.jsonl"):  # as if killed after episode 5
        copy = shutil.copytree if name == "frames" else shutil.copyfile
        copy(earlier / name, folder / name, **{"dirs_exist_ok": True} if name == "frames" else {})
    assert train(None, folder, Stop())
    for _ in range(3):  # a file at a time
        shown.Reload()
    srank = next(key for key in recorded(folder, "scores")[0] if key.endswith("/srank"))
    for kind, name in (("evaluation", "return"), ("episode", "return"), ("scores", srank)):
        seen = [event.step for event in shown.Tensors("tensorboard", f"{kind}/{name}")]
        assert seen == [record["environment_step"] for record in recorded(folder, kind)]


def test_events_that_were_removed_are_made_again_from_the_records(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    shutil.rmtree(run / "tensorboard")
    assert train(None, run, Stop())
    seen = EventAccumulator(str(run / "tensorboard")).Reload().Scalars("episode/return")
    assert [event.step for event in seen] == [
        record["environment_step"] for record in recorded(run, "episode")
    ]


# --- reading many runs -----------------------------------------------------------------------


def several(half, folder):
    """Three runs, of which the second one can be damaged."""
    for seed in range(3):
        shutil.copytree(half, folder / str(seed))
        file = folder / str(seed) / "config.json"
        file.write_text(file.read_text().replace('"seed": 0', f'"seed": {seed}'))
    return folder / "1"


def nul_line(path):
    with (path / "metrics.jsonl").open("ab") as file:
        file.write(b"\0" * 300 + b"\n")


def other_type(path):
    file = path / "metrics.jsonl"
    file.write_text(file.read_text().replace('"random": false', '"random": "no"'))


def lost_score(path):
    file = path / "metrics.jsonl"
    file.write_text(re.sub(r"/srank", "/srunk", file.read_text(), count=1))


def deep(path):
    file = path / "metrics.jsonl"
    file.write_bytes(file.read_bytes() + b"[" * 100_000 + b"\n")


def no_settings(path):
    file = path / "config.json"
    file.write_text(file.read_text().replace('"size": 32', '"size": "32"'))


DAMAGES = [nul_line, other_type, lost_score, deep, no_settings]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_named_and_left_out_and_the_others_are_read(half, tmp_path, damage):
    damage(several(half, tmp_path))
    damaged = []
    assert [run.seed for run in find_runs(tmp_path, damaged=damaged)] == [0, 2]
    (error,) = damaged
    assert str(tmp_path / "1") in str(error)
    with pytest.raises(InputError):
        find_runs(tmp_path / "1")


def test_figure_and_page_of_a_folder_with_a_damaged_run_name_it_and_show_the_others(
    half, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(drawing, "content", lambda figure, form: b"")
    nul_line(several(half, tmp_path / "runs"))
    given = ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    assert main(["figure", "6", "--own", *given]) == 0
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'out' / 'figure-6.png'}\n"
    assert str(tmp_path / "runs" / "1") in said.err
    assert main(["report", *given]) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("Left out: ") == 1 and str(tmp_path / "runs" / "1") in page


def test_a_damaged_last_episode_takes_only_its_pictures_from_a_page(run):
    file = max((run / "frames").iterdir())
    whole = file.read_bytes()
    assert len(strip(read_run(run))[1]) == 6
    for end in range(0, len(whole), len(whole) // 20):
        for content in (whole[:end], whole[:end] + bytes(100) + whole[end + 100 :]):
            file.write_bytes(content)
            assert len(strip(read_run(run))[1]) in (0, 6)


def test_what_is_held_by_columns_is_what_was_recorded():
    counts = {"agent_step": 1, "environment_step": 8, "update": 0}
    records = [
        {"kind": "a", **counts, "x": 0.5, "some": 1.0, "text": "é", "list": [1, None], "yes": True},
        {"kind": "b", **counts, "x": 2**60},
        {"kind": "a", **counts, "x": None, "text": None, "list": [], "yes": False},
        {"kind": "a", **counts, "x": 3, "some": -0.0, "text": "", "list": {}, "yes": None},
        {"kind": "b", **counts, "x": 0.5},
    ]
    run = Run(Path("x"), {}, records)
    for kind in "ab":
        assert run.of(kind) == [record for record in records if record["kind"] == kind]
    assert run.of("c") == []
    steps, values = series(run, "a", "some")
    np.testing.assert_array_equal([steps, values], [[8, 8], [1, 0]])


def test_an_own_figure_costs_what_is_there_whatever_the_seeds_are(half, tmp_path):
    for name, seed in (("a", 11), ("b", 2**32)):
        shutil.copytree(half, tmp_path / name)
        file = tmp_path / name / "config.json"
        file.write_text(file.read_text().replace('"seed": 0', f'"seed": {seed}'))
    here = chosen.choose("6", find_runs(tmp_path), own=True)
    face = chosen.face(here, "")
    assert "2 of 2 runs" in face.subtitle.replace("\u00a0", " ")
    assert "2 of 2 seeds" in face.subtitle.replace("\u00a0", " ")
    assert "runs" not in face.warning  # that they are unfinished is all that is told
    for run in here.runs[1:]:
        run.config["method"] = "lnwd"  # a seed each, and another one
    assert "2 of 2 runs" in chosen.face(
        chosen.choose("6", here.runs, own=True), ""
    ).subtitle.replace("\u00a0", " ")


# --- where nothing can be written, and names that are no text -------------------------------


@pytest.mark.parametrize("name", ["x" * 300, "loop/out", "file/out", "file"])
@pytest.mark.parametrize("command", [["report"], ["figure", "6", "--own"]])
def test_a_place_for_figures_that_cannot_be_is_refused_before_the_work(
    run, tmp_path, capsys, monkeypatch, command, name
):
    monkeypatch.setattr(records, "parse", None)  # nothing is read
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_text("mine")
    assert main([*command, "--runs", str(run), "--out", str(tmp_path / name)]) == 2
    assert capsys.readouterr().err.startswith("error: --out")


@pytest.mark.parametrize("command", [["report"], ["figure", "6", "--own"]])
def test_a_place_that_is_read_only_is_refused_before_the_work(
    run, tmp_path, capsys, monkeypatch, command
):
    monkeypatch.setattr(records, "parse", None)
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # root may everything
    assert main([*command, "--runs", str(run), "--out", str(tmp_path / "new" / "out")]) == 2
    assert f"nothing can be written in {tmp_path}" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("command", [["report"], ["figure", "6", "--own"]])
def test_a_disk_that_is_full_is_told(run, tmp_path, capsys, monkeypatch, command):
    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main([*command, "--runs", str(run), "--out", str(tmp_path / "out")]) == 2
    assert "No space left on device" in capsys.readouterr().err


def test_a_folder_whose_name_is_no_text_has_its_figures_and_its_page(half, tmp_path, capsys):
    runs = tmp_path / os.fsdecode(b"r\xff")
    for name, method in ((b"\xfe", "baseline"), (b"b", "lnwd")):  # a page without statistics
        shutil.copytree(half, runs / os.fsdecode(name))
        file = runs / os.fsdecode(name) / "config.json"
        file.write_text(file.read_text().replace('"method": "baseline"', f'"method": "{method}"'))
    given = ["--runs", str(runs), "--out", str(tmp_path / "out")]
    for command in (["figure", "14", "--own"], ["report"]):
        assert main([*command, *given]) == 0
        assert capsys.readouterr().err == ""
    assert "\\udcfe" in (tmp_path / "out" / "figure-14.csv").read_text(encoding="utf-8")
    assert "\\udcff" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_backend_of_a_notebook_is_none_of_a_command(run, tmp_path):
    environment = os.environ | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    given = ["--runs", str(run), "--out", str(tmp_path)]
    command = [sys.executable, "-m", "fast", "figure", "6", "--own", *given]
    assert subprocess.run(command, cwd=ROOT, env=environment).returncode == 0
