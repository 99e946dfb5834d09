"""Runs: what is recorded, and that stopping, killing and resuming change nothing of it."""

import io
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fast import config as configs
from fast.__main__ import main
from fast.agents.drq import DrQSettings
from fast.envs import dmc
from fast.errors import InputError
from fast.experience.play import Diverged
from fast.papers import neuron_dominance
from fast.runs.folder import RunFolder, seal
from fast.runs.records import read_run
from fast.runs.session import Stop
from fast.train import Training, train

ROOT = Path(__file__).parents[2]
# Episodes of 20 agent steps, and a buffer that wraps around after five of them.
ARGUMENTS = ["--task", "cartpole-swingup", "--method", "lnwd", "--preset", "tiny",
             "--env.action-repeat", "50", "--run.updates", "150", "--agent.replay-capacity", "90",
             "--run.evaluation-interval", "50", "--run.log-interval", "10"]  # fmt: skip


def config_of(**parts):
    config = configs.build("drq", "cartpole-swingup", "lnwd", "tiny")
    run = {
        "updates": 150,
        "evaluation_interval": 50,
        "log_interval": 10,
        **parts.pop("run", {}),
    }
    config = replace(config, run=replace(config.run, **run))
    config = replace(config, env=replace(config.env, action_repeat=50))
    parts = parts | {"agent": {"replay_capacity": 90} | parts.get("agent", {})}
    for name, changes in parts.items():
        config = replace(config, **{name: replace(getattr(config, name), **changes)})
    return config


class StopAtEpisode(Stop):
    """Asks to stop as a signal would, as soon as so many episodes are written."""

    def __init__(self, folder, episode):
        self.file = folder / "frames" / f"{episode:07d}.npz"

    @property
    def signal(self):
        return signal.SIGTERM if self.file.exists() else None


def metrics(folder, *kinds):
    """The records of a run but those that say when and how fast, or only those of some kinds."""
    records = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    wanted = kinds or ("episode", "evaluation", "update", "scores")
    return [record for record in records if record["kind"] in wanted]


def checkpoint(folder):
    state = torch.load(folder / "checkpoint.pt", weights_only=True)["state"]
    del state["seconds"]
    return state


def assert_equal_runs(folder, other):
    assert metrics(folder) == metrics(other)
    ours, theirs = checkpoint(folder), checkpoint(other)
    assert ours.pop("arithmetic") == theirs.pop("arithmetic")
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    files = sorted(path.name for path in (folder / "frames").iterdir())
    assert files == sorted(path.name for path in (other / "frames").iterdir())
    for name in files:
        with np.load(folder / "frames" / name) as a, np.load(other / "frames" / name) as b:
            assert all(np.array_equal(a[key], b[key]) for key in (*a, *b))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert train(config_of(), folder, Stop())
    return folder


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    """The same run, stopped after its eighth episode."""
    folder = tmp_path_factory.mktemp("runs") / "half"
    assert not train(config_of(), folder, StopAtEpisode(folder, 7))
    return folder


def test_a_run_has_every_record_at_its_interval(whole):
    config = config_of()
    assert [r["update"] for r in metrics(whole, "update")] == list(range(10, 151, 10))
    assert [r["update"] for r in metrics(whole, "scores")] == [0, 50, 100, 150]
    assert [r["agent_step"] for r in metrics(whole, "evaluation")] == [0, 50, 100, 150, 180]
    episodes = metrics(whole, "episode")
    assert [r["agent_step"] for r in episodes] == list(range(20, 181, 20))
    # the first update, and the first action of the policy, come at agent step `first_update`
    assert [r["random"] for r in episodes] == [False] + [False] * 8
    assert episodes[0]["update"] == 20 - config.agent.first_update + 1 == 1
    assert all(r["length"] == 20 and r["environment_step"] % 1000 == 0 for r in episodes)
    scores = metrics(whole, "scores")[0]
    layers = {name.rpartition("/")[0] for name in scores if "/" in name}
    heads = ("critic/heads.0", "critic/heads.1", "actor/head")
    wanted = {f"{head}.dense{i}" for head in heads for i in (0, 1)}
    wanted |= {f"critic/encoder.conv{i}" for i in range(4)} | {"critic/trunk", "actor/trunk"}
    assert layers == wanted
    assert len(metrics(whole, "session")) == 1
    timing = metrics(whole, "timing")
    assert [r["update"] for r in timing] == list(range(10, 151, 10))
    spent = ("environment", "rendering", "acting", "sampling", "update")
    assert all(r[f"{name}_ms"] > 0 for r in timing for name in spent)


def test_the_folder_holds_only_the_episodes_of_the_buffer_and_events_of_the_records(whole):
    names = sorted(path.name for path in whole.iterdir())
    expected = ["checkpoint.pt", "config.json", "frames", "metrics.jsonl", "tensorboard"]
    assert names == expected
    assert len(list((whole / "frames").iterdir())) == 5  # 90 agent steps need five episodes of 20
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(whole / "tensorboard")).Reload()
    shown, recorded = events.Scalars("evaluation/return"), metrics(whole, "evaluation")
    assert [e.step for e in shown] == [r["environment_step"] for r in recorded]
    assert [e.value for e in shown] == [np.float32(r["return"]) for r in recorded]


# --- episodes that cannot go on ------------------------------------------------------------


def break_the_physics(time_step):
    from dm_control.rl.control import PhysicsError

    raise PhysicsError("Warning(s) raised: mjWARN_BADQACC")


WAYS = {
    "physics": break_the_physics,
    "nan": lambda time_step: time_step._replace(reward=math.nan),
    "infinite": lambda time_step: time_step._replace(reward=-math.inf),
    "overflow": lambda time_step: time_step._replace(reward=1e39),  # infinite as float32
}


def break_where(monkeypatch, way, condition):
    """Break the steps of dm_control that end where `condition` of the physics holds."""
    dmc.select_renderer()  # before dm_control is imported
    from dm_control.rl.control import Environment

    step = Environment.step

    def breaking(env, action):
        time_step = step(env, action)
        return WAYS[way](time_step) if condition(env.physics) else time_step

    monkeypatch.setattr(Environment, "step", breaking)


def sometimes(physics):
    """In some of the episodes in the middle of their eighth agent step, by the state alone."""
    return abs(physics.time() - 3.75) < 0.005 and physics.data.qpos[0] > 0


def often(physics):
    """In most agent steps of a random policy, and in many first ones."""
    return abs(physics.data.qpos[0]) > 0.6


@pytest.mark.parametrize("way", WAYS)
def test_an_episode_that_breaks_ends_is_recorded_and_nothing_of_the_break_is_kept(
    way, tmp_path, monkeypatch, capsys
):
    break_where(monkeypatch, way, sometimes)
    whole = tmp_path / "whole"
    assert train(config_of(run={"updates": 60}), whole, Stop())
    episodes = metrics(whole, "episode")
    cut = [r for r in episodes if "broken" in r]
    assert cut and all(r["length"] == 7 and r["broken"] for r in cut)
    assert any(r["length"] == 20 for r in episodes)
    assert f"episode {episodes.index(cut[0])} is cut short after {cut[0]['length']}" in (
        capsys.readouterr().err
    )
    assert any("broken" in r for r in metrics(whole, "evaluation"))
    for file in (whole / "frames").iterdir():
        with np.load(file) as episode:
            assert np.isfinite(episode["rewards"]).all() and not episode["terminated"]
            assert len(episode["frames"]) == len(episode["rewards"]) + 1
    assert metrics(whole, "update")[-1]["update"] == 60


@pytest.mark.parametrize(("episode", "update_first"), [(0, False), (19, True)])
def test_a_run_of_episodes_that_break_early_or_at_once_resumes_bit_exactly(
    episode, update_first, tmp_path, monkeypatch
):
    break_where(monkeypatch, "physics", often)
    whole, folder = tmp_path / "whole", tmp_path / "run"
    run = {"updates": 60, "update_first": update_first}
    config = config_of(run=run, agent={"replay_capacity": 20})
    assert train(config, whole, Stop())
    lengths = [r["length"] for r in metrics(whole, "episode")]
    assert 0 in lengths and max(lengths) < 20 < sum(lengths)
    stored = checkpoint(whole)["experience"]["stored"]
    assert stored[0][0] > 0 and all(length == lengths[number] > 0 for number, length in stored)
    while lengths[episode] == 0:  # it has no file to see
        episode += 1
    assert not train(config, folder, StopAtEpisode(folder, episode))
    assert train(None, folder, Stop())
    assert_equal_runs(folder, whole)


def test_a_run_whose_every_step_breaks_stops_with_a_message(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        break_where(patch, "nan", lambda physics: True)
        assert main(["train", *ARGUMENTS, "--out", str(folder)]) == 1
    message = capsys.readouterr().err
    assert "the reward is nan" in message
    assert f"--resume {folder}" in message
    assert main(["train", "--resume", str(folder)]) == 0


def short(task, method):
    """The updates of thirty agent steps in episodes of twenty."""
    config = configs.build("drq", task, method, "tiny")
    config = replace(config, env=replace(config.env, action_repeat=50))
    updates = int(30 * config.agent.updates_per_step)
    for name, each in config.interventions.on().items():
        if getattr(getattr(each, "when", None), "every", None) == 0.02:  # here each update
            each = replace(each, when=replace(each.when, every=0.1))
            config = replace(config, interventions=replace(config.interventions, **{name: each}))
    run = {"updates": updates, "evaluation_interval": 40, "log_interval": 10, "score_interval": 10}
    return replace(config, run=replace(config.run, **run))


EVERYTHING = (
    "hl-gauss+reset+shrink-perturb+redo+regrama+reborn+continual-backprop+pruning+prune-dormant"
    "+late-ln+make-dominant+l2-init"
)


METHODS = [
    method
    for method, changes in configs.METHODS.items()
    if changes.get("agent", {}).keys() <= {f.name for f in fields(DrQSettings)}
    and method != "pretrained"  # which needs a run to begin with
]
# Of each kind of thing that a checkpoint holds one: networks and moments, fresh weights, ages and
# utilities, a norm that came, masks, another encoder, updates within a step, all together.
SOME = ["baseline", "redo", "continual-backprop", "late-ln", "pruning", "resnet18",
        "replay-ratio-4", EVERYTHING]  # fmt: skip
REST = [pytest.param(each, marks=pytest.mark.slow) for each in METHODS if each not in SOME]


@pytest.mark.parametrize("method", [*SOME, *REST])
def test_every_method_resumes_bit_exactly(method, tmp_path):
    config = short("cartpole-swingup-masked", method)
    whole, folder = tmp_path / "whole", tmp_path / "run"
    assert train(config, whole, Stop())
    assert not train(config, folder, StopAtEpisode(folder, 1))  # at update 21, after late LN
    assert train(None, folder, Stop())
    assert_equal_runs(folder, whole)
    assert metrics(folder, "intervention") == metrics(whole, "intervention")


@pytest.fixture
def threads():
    """Sets the number of torch's threads, and sets it back after the test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_a_resume_takes_the_number_of_threads_that_the_run_began_with(tmp_path, capsys, threads):
    # Few updates: two threads that wait for each other on a busy machine are slow.
    config, runs = config_of(run={"updates": 8, "log_interval": 1, "score_interval": 100}), {}
    for begun in (1, 2):
        threads(begun)
        runs[begun] = tmp_path / f"{begun}"
        assert train(config, runs[begun], Stop())
        assert metrics(runs[begun], "session")[0]["threads"] == begun
    assert metrics(runs[1], "update") != metrics(runs[2], "update")  # so that it can be seen

    folder = tmp_path / "run"
    threads(2)
    assert not train(config, folder, StopAtEpisode(folder, 0))  # after its first update
    threads(1)
    capsys.readouterr()
    assert train(None, folder, Stop())
    assert "with 2 threads, as it began, not with the 1" in capsys.readouterr().err
    assert_equal_runs(folder, runs[2])
    assert [r["threads"] for r in metrics(folder, "session")] == [2, 2]


@pytest.mark.parametrize(
    ("place", "name"),
    [(torch.backends.cpu, "get_cpu_capability"), (torch, "__version__")],
)
def test_a_resume_on_another_processor_or_torch_says_that_its_last_bits_may_differ(
    half, tmp_path, capsys, monkeypatch, place, name
):
    folder = tmp_path / "run"
    shutil.copytree(half, folder)
    began = torch.__version__ if name == "__version__" else torch.backends.cpu.get_cpu_capability()
    monkeypatch.setattr(place, name, "9.9" if name == "__version__" else lambda: "9.9")
    assert main(["train", "--resume", str(folder)]) == 0
    said = capsys.readouterr().err
    assert "9.9" in said and f"{began}" in said and "last bits" in said


def test_a_resume_where_the_run_began_says_nothing_of_threads_or_processors(half, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(half, folder)
    assert main(["train", "--resume", str(folder)]) == 0
    said = capsys.readouterr().err
    assert "threads" not in said and "last bits" not in said


@pytest.mark.parametrize("task", [*neuron_dominance.PAPER_SPARSE, *neuron_dominance.FURTHER_MASKED])
def test_every_sparse_and_masked_task_of_the_paper_is_trained(task, tmp_path):
    folder = tmp_path / "run"
    assert train(short(task, "baseline"), folder, Stop())
    assert read_run(folder).masked == (15 if task.endswith("-masked") else 0)
    assert [record["update"] for record in metrics(folder, "update")] == [10, 20, 30]


@pytest.mark.parametrize("episode", [0, 7])
def test_stopping_after_an_episode_and_resuming_changes_no_bit(whole, tmp_path, episode):
    folder = tmp_path / "run"
    assert not train(config_of(), folder, StopAtEpisode(folder, episode))
    assert len(metrics(folder, "episode")) == episode + 1
    assert train(None, folder, Stop())
    assert_equal_runs(folder, whole)
    assert len(metrics(folder, "session")) == 2


def test_what_is_measured_does_not_change_what_is_learnt(whole, tmp_path):
    folder = tmp_path / "run"
    run = {"evaluation_interval": 70, "score_interval": 7, "log_interval": 30}
    train(config_of(run=run), folder, Stop())
    assert metrics(folder, "episode") == metrics(whole, "episode")
    ours, theirs = checkpoint(folder), checkpoint(whole)
    torch.testing.assert_close(ours["agent"], theirs["agent"], rtol=0, atol=0)


def start(folder, *arguments):
    command = [sys.executable, "-m", "fast", "train", *ARGUMENTS, "--out", str(folder)]
    if arguments:
        command = [sys.executable, "-m", "fast", "train", *arguments]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())},
    )


def wait_for_records(process, folder, count):
    """Until the run has written so many lines of metrics, or is over."""
    file = folder / "metrics.jsonl"
    while process.poll() is None:
        if file.exists() and file.read_bytes().count(b"\n") >= count:
            return
    raise AssertionError(process.stderr.read())


def test_sigterm_saves_at_the_end_of_the_episode_and_says_how_to_go_on(whole, tmp_path):
    folder = tmp_path / "run"
    process = start(folder)
    wait_for_records(process, folder, 6)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert f"--resume {folder}" in said
    assert (
        checkpoint(folder)["experience"]["agent_step"]
        == metrics(folder, "episode")[-1]["agent_step"]
    )
    assert train(None, folder, Stop())
    assert_equal_runs(folder, whole)


def test_kill_9_at_any_moment_loses_only_the_work_since_the_last_checkpoint(whole, tmp_path):
    folder = tmp_path / "run"
    process = start(folder)
    for records in (1, 24):  # before the first checkpoint, in the middle
        wait_for_records(process, folder, records)
        process.kill()
        process.communicate()
        (folder / "checkpoint.pt.tmp").write_bytes(b"half a checkpoint")
        with (folder / "metrics.jsonl").open("a") as file:
            file.write('{"kind": "half a rec')
        if records != 24:
            process = start(folder, "--resume", str(folder))
    assert train(None, folder, Stop())
    assert_equal_runs(folder, whole)
    assert not list(folder.glob("*.tmp"))


def test_a_second_process_on_the_same_folder_is_refused(tmp_path, capsys):
    folder = tmp_path / "run"
    held = RunFolder.create(folder, config_of())
    before = sorted(path.name for path in folder.rglob("*"))
    assert main(["train", "--resume", str(folder)]) == 2
    message = capsys.readouterr().err
    assert "--resume" in message
    assert "another process is training here" in message
    assert before == sorted(path.name for path in folder.rglob("*"))
    held.close()


@pytest.mark.parametrize(
    ("changes", "field", "hint"),
    [
        (["--task", "cartpole-swingup_spars"], "--task", "cartpole-swingup_sparse"),
        (["--method", "lnw"], "--method", "did you mean lnwd or ln?"),
        (["--preset", "laptp"], "--preset", "did you mean laptop?"),
        (["--agent.batch-size", "0"], "--agent.batch-size", "or equal to 1"),
        (["--agent.learning-rate", "nan"], "--agent.learning-rate", "finite"),
        (["--env.size", "8"], "--env.size", "accepted by this encoder: 23 or more"),
        (["--env.camera", "7"], "--env.camera", "accepted"),
        (["--agent.initial-temperature", "0"], "--agent.initial-temperature", "greater than 0"),
        (["--env.size", "40000"], "--env.size", "accepted"),
        (["--agent.channels", "1000000"], "--agent", "the networks and their Adam"),
        (["--agent.batch-size", "1000000"], "--agent.batch-size", "GB"),
        (["--device", "cuda"], "--device", "accepted: cpu"),
        (["--agent.replay-capacity", "10000000", "--run.updates", "1000000000"],
         "--agent.replay-capacity", "GB"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_before_anything_is_created(
    tmp_path, capsys, monkeypatch, changes, field, hint
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    folder = tmp_path / "new" / "run"
    given = dict(zip(ARGUMENTS[::2], ARGUMENTS[1::2], strict=True))
    given |= dict(zip(changes[::2], changes[1::2], strict=True))
    arguments = [text for pair in given.items() for text in pair]
    assert main(["train", *arguments, "--out", str(folder)]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: {field}")
    assert hint in message
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_not_touched(whole, tmp_path, capsys):
    before = (whole / "metrics.jsonl").read_bytes()
    assert main(["train", *ARGUMENTS, "--out", str(whole)]) == 2
    assert f"continue it with --resume {whole}" in capsys.readouterr().err
    assert before == (whole / "metrics.jsonl").read_bytes()
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["train", *ARGUMENTS, "--out", str(tmp_path)]) == 2
    assert "new or empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert main(["train", "--resume", str(tmp_path)]) == 2
    assert "config.json" in capsys.readouterr().err


def listing(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def damage_checkpoint(folder):
    (folder / "checkpoint.pt").write_bytes((folder / "checkpoint.pt").read_bytes()[:20_000])


def lose_checkpoint(folder):
    (folder / "checkpoint.pt").unlink()


def rewrite(folder, change):
    """The same checkpoint, with a change and the seal that belongs to it."""
    saved, file = torch.load(folder / "checkpoint.pt", weights_only=True), io.BytesIO()
    change(saved)
    torch.save(saved, file)
    (folder / "checkpoint.pt").write_bytes(seal(file.getvalue()))


def make_it_old(folder):
    rewrite(folder, lambda saved: saved.update(version=0))


def forget_the_threads(folder):
    rewrite(folder, lambda saved: saved["state"].pop("arithmetic"))


def lose_episode(folder):
    min((folder / "frames").iterdir()).unlink()


def damage_episode(folder):
    file = min((folder / "frames").iterdir())
    file.write_bytes(file.read_bytes()[:1000])


def cut_metrics(folder):
    (folder / "metrics.jsonl").write_bytes((folder / "metrics.jsonl").read_bytes()[:500])


def change_network(folder):
    file = folder / "config.json"
    file.write_text(file.read_text().replace('"latent": 8', '"latent": 9'))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_checkpoint, "cut short or damaged"),
        (lose_checkpoint, "checkpoint.pt is missing"),
        (make_it_old, "version 0, accepted: 2"),
        (forget_the_threads, "does not fit its config.json"),
        (lose_episode, "needs are missing, first 00000"),
        (damage_episode, "an episode is damaged"),
        (cut_metrics, "the end of metrics.jsonl"),
        (change_network, "does not fit its config.json"),
    ],
)
def test_a_run_that_cannot_go_on_is_refused_with_the_remedy_and_left_alone(
    half, tmp_path, capsys, damage, said
):
    folder = tmp_path / "run"
    shutil.copytree(half, folder)
    damage(folder)
    before = listing(folder)
    assert main(["train", "--resume", str(folder)]) == 2
    message = capsys.readouterr().err
    assert said in message
    assert "train again into another folder" in message
    assert listing(folder) == before


def test_a_complete_run_is_left_alone(whole, capsys):
    before = listing(whole)
    assert main(["train", "--resume", str(whole)]) == 0
    assert f"Complete: {whole}" in capsys.readouterr().err
    assert listing(whole) == before


def test_a_run_whose_plan_was_shortened_is_scored_and_evaluated_where_it_is(half, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(half, folder)
    before = (folder / "metrics.jsonl").read_bytes()
    settings = json.loads((folder / "config.json").read_text())
    settings["run"]["updates"] = read_run(folder).reached - 1
    (folder / "config.json").write_text(json.dumps(settings))
    assert not read_run(folder).finished
    assert main(["train", "--resume", str(folder)]) == 0
    assert read_run(folder).finished
    after = (folder / "metrics.jsonl").read_bytes()
    assert after.startswith(before)
    assert main(["train", "--resume", str(folder)]) == 0
    assert (folder / "metrics.jsonl").read_bytes() == after


def test_resume_stands_alone_and_a_task_must_be_named(half, tmp_path, capsys):
    assert main(["train", "--resume", str(half), "--method", "baseline"]) == 2
    assert "--resume" in capsys.readouterr().err
    assert main(["train", "--out", str(tmp_path / "run")]) == 2
    assert "--task" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["file/run", "file"])
def test_an_output_folder_that_cannot_be_made_is_refused(tmp_path, capsys, place):
    (tmp_path / "file").write_text("mine")
    assert main(["train", *ARGUMENTS, "--out", str(tmp_path / place)]) == 2
    assert capsys.readouterr().err.startswith("error: --out")
    assert listing(tmp_path) == {tmp_path / "file": b"mine"}


def test_a_place_for_a_run_that_is_read_only_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # root may everything
    assert main(["train", *ARGUMENTS, "--out", str(tmp_path / "new" / "run")]) == 2
    assert f"nothing can be written in {tmp_path}" in capsys.readouterr().err
    assert listing(tmp_path) == {}


@pytest.mark.parametrize(
    ("run", "agent"),
    [
        ({"log_interval": 1}, {}),  # told by the loss
        ({"log_interval": 10_000}, {"first_update": 5}),  # by the next action
        ({"score_interval": 2, "log_interval": 10_000}, {"updates_per_step": 8.0}),  # by the scores
    ],
)
def test_a_run_that_diverges_stops_with_its_last_good_checkpoint(tmp_path, run, agent):
    folder = tmp_path / "run"
    with pytest.raises(Diverged):
        train(config_of(run=run, agent=agent | {"learning_rate": 1e30}), folder, Stop())
    assert checkpoint(folder)["update"] == 0
    lines = (folder / "metrics.jsonl").read_text()
    assert "NaN" not in lines
    assert "Infinity" not in lines


def test_a_full_disk_leaves_the_last_checkpoint_intact(whole, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "run"
    write, calls = np.savez_compressed, []

    def full_at_the_fifth(file, **arrays):
        calls.append(file)
        if len(calls) == 5:
            file.write(b"half")
            raise OSError(28, "No space left on device")
        write(file, **arrays)

    monkeypatch.setattr(np, "savez_compressed", full_at_the_fifth)
    assert main(["train", *ARGUMENTS, "--out", str(folder)]) == 1
    message = capsys.readouterr().err
    assert "No space left on device" in message
    assert f"--resume {folder}" in message
    assert checkpoint(folder)["experience"]["agent_step"] == 80
    monkeypatch.undo()
    assert main(["train", "--resume", str(folder)]) == 0
    assert_equal_runs(folder, whole)


def test_the_reward_is_masked_in_the_updates_only_and_only_at_first(tmp_path, monkeypatch):
    rewards = {}
    update = Training.improve

    def spy(self, batch):
        original = self.learn

        def remember(batch, draws, count):
            rewards[count] = batch.reward.clone()
            return original(batch, draws, count)

        monkeypatch.setattr(self, "learn", remember)
        update(self, batch)
        monkeypatch.setattr(self, "learn", original)

    monkeypatch.setattr(Training, "improve", spy)
    folder = tmp_path / "run"
    train(config_of(run={"reward_masked": 30, "updates": 60}), folder, Stop())
    assert sorted(rewards) == list(range(1, 61))
    assert not any(rewards[count].any() for count in range(1, 31))
    assert all(rewards[count].any() for count in range(31, 61))
    assert all(r["return"] > 0 for r in metrics(folder, "episode"))  # they are recorded unmasked


def test_several_updates_per_agent_step_stop_at_exactly_the_planned_number(tmp_path):
    folder = tmp_path / "run"
    run = {"updates": 50, "log_interval": 1}
    train(config_of(run=run, agent={"updates_per_step": 4.0}), folder, Stop())
    assert len(metrics(folder, "update")) == 50
    assert len(metrics(folder, "timing")) == 13  # one an agent step with updates
    assert checkpoint(folder)["update"] == 50
    assert (
        checkpoint(folder)["experience"]["agent_step"] == 40
    )  # the end of the episode of step 19 + 13


def test_settings_survive_the_folder_and_a_foreign_one_is_refused(tmp_path):
    config = config_of(agent={"bfloat16": True, "strides": (2, 1), "betas": (0.5, 0.9)})
    assert configs.from_json(configs.to_json(config).encode(), tmp_path) == config
    good = json.loads(configs.to_json(config))
    assert configs.from_json(json.dumps(good).encode(), tmp_path) == config
    changes = [("version", 99), ("seed", "x"), ("task", 3), ("more", 1), ("device", "abacus")]
    inside = [
        ("run", "updates", "100"),
        ("env", "size", 64.5),
        ("agent", "strides", 3),
        ("agent", "strides", [2, "1"]),
        ("agent", "bfloat16", 1),
        ("agent", "betas", [0.9]),
    ]
    bad = [good | {name: value} for name, value in changes]
    bad += [good | {part: good[part] | {name: value}} for part, name, value in inside]
    texts = [b"{}", b"[]", b"no json", b"\xff", *(json.dumps(text).encode() for text in bad)]
    for text in texts:
        with pytest.raises(InputError):
            configs.from_json(text, tmp_path)
