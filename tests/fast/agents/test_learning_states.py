"""Agents through the loop, stopped and resumed; a toy TD3 is a file and a row."""

import json
import math
import signal
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fast import config as configs
from fast.experience.play import Play
from fast.runs.session import Clock, Stop
from fast.train import train

ROOT, HERE = Path(__file__).parents[3], Path(__file__).parent

# What a user's own script does that adds an agent: its file, and its row.
WITH_TD3 = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
import td3
from fast.agents import AGENTS, Kind
AGENTS["td3"] = Kind(td3, td3.TD3, td3.TD3Settings, "states")
from fast.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def config_of(task, method="reset", kind="sac", **agent):
    config = configs.build(kind, task, method, "tiny")
    repeat = 50 if task.startswith("cartpole") else 1  # twenty agent steps an episode
    asked = config.interventions
    if asked.regrama:
        asked = replace(asked, regrama=replace(asked.regrama, batch=8))
    run = replace(config.run, updates=60, evaluation_interval=40, score_interval=20)
    return replace(
        config,
        env=replace(config.env, action_repeat=repeat),
        agent=replace(config.agent, replay_capacity=60, **agent),
        interventions=asked,
        run=replace(run, log_interval=10),
    )


class StopAtEpisode(Stop):
    """Asks to stop as a signal would, as soon as so many episodes are written."""

    def __init__(self, folder, episode):
        self.file = folder / "frames" / f"{episode:07d}.npz"

    @property
    def signal(self):
        return signal.SIGTERM if self.file.exists() else None


class StopAtUpdate(Stop):
    """Asks to stop, as a signal would, as soon as so many updates are recorded."""

    def __init__(self, folder, update):
        self.file, self.update = folder / "metrics.jsonl", update

    @property
    def signal(self):
        last = self.file.read_text().splitlines()[-1]
        return signal.SIGTERM if json.loads(last)["update"] >= self.update else None


# All that acts on layers, joined; each is due before the end of so short a run.
EVERYTHING = ("reset+redo+pruning+regrama+reborn+continual-backprop+shrink-perturb+l2-init+"
              "prune-dormant+late-ln+weight-decay")  # fmt: skip


@pytest.mark.parametrize("method", ["make-dominant", EVERYTHING])
def test_a_run_of_a_classifier_that_was_stopped_is_the_one_that_was_not(method, tmp_path):
    """Also where what has been reached before the stop decides what happens after it."""
    config = configs.build("classifier", "digits-shuffled", method, "tiny")
    asked = config.interventions
    if asked.make_dominant:  # reached at once, due in the second half
        when = replace(asked.make_dominant.when, at=40, reached=0.0)
        asked = replace(asked, make_dominant=replace(asked.make_dominant, when=when))
    env = replace(config.env, shuffle_every=3)
    config = replace(config, env=env, interventions=asked)
    whole, folder = tmp_path / "whole", tmp_path / "run"
    assert train(config, whole, Stop())
    kinds = {"evaluation", "scores", "update", "intervention"}
    assert {record["kind"] for record in told(whole)} == kinds
    named = {record["name"] for record in told(whole) if record["kind"] == "intervention"}
    assert named == config.interventions.on().keys() - {"l2_init"}
    assert not train(config, folder, StopAtUpdate(folder, 30))
    assert len(told(folder)) < len(told(whole))
    assert train(None, folder, Stop())
    assert told(folder) == told(whole)
    torch.testing.assert_close(state(folder), state(whole), rtol=0, atol=0)
    assert state(whole)["experience"] == {"agent_step": 60}


def told(folder):
    records = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [record for record in records if record["kind"] not in ("session", "timing")]


def state(folder):
    found = torch.load(folder / "checkpoint.pt", weights_only=True)["state"]
    del found["seconds"], found["arithmetic"]
    return found


@pytest.mark.parametrize(
    ("task", "agent"),
    [
        ("InvertedPendulum-v4", {}),  # it falls: terminal states, short episodes
        ("cartpole-swingup", {"n_step": 3, "updates_per_step": 2.0}),
        ("cartpole-swingup-masked", {"updates_per_step": 0.5, "actor_period": 2}),
        # The last row of GraMa's Table 9; the noise goes on where it was.
        ("cartpole-swingup", {"kind": "drqv2", "method": "regrama+l2-init+weight-decay"}),
        # Reset and ReGraMa of the actor; alpha moves before the stop and after it.
        ("InvertedPendulum-v4", {"kind": "dacer", "method": "reset+regrama", "alpha_period": 15}),
    ],
)
def test_a_run_of_an_agent_that_was_stopped_is_the_one_that_was_not(task, agent, tmp_path):
    config, whole, folder = config_of(task, **agent), tmp_path / "whole", tmp_path / "run"
    assert train(config, whole, Stop())
    assert {record["kind"] for record in told(whole)} == {
        *("episode", "evaluation", "scores", "update", "intervention")
    }
    assert not train(config, folder, StopAtEpisode(folder, 0))
    assert len(told(folder)) < len(told(whole))
    assert train(None, folder, Stop())
    assert told(folder) == told(whole)
    torch.testing.assert_close(state(folder), state(whole), rtol=0, atol=0)
    assert state(whole)["update"] == 60


def test_terminal_states_end_episodes_and_are_stored_as_such(tmp_path):
    assert train(config_of("InvertedPendulum-v4", "baseline"), tmp_path / "run", Stop())
    files = sorted((tmp_path / "run/frames").iterdir())
    assert files
    for file in files:
        with np.load(file) as episode:
            assert episode["terminated"] and len(episode["rewards"]) < 1000
            assert episode["frames"].dtype == np.float32


def command(*typed):
    call = [sys.executable, "-W", "ignore", "-c", WITH_TD3, *map(str, typed)]
    return subprocess.run(call, cwd=ROOT, capture_output=True, text=True)


def test_an_agent_is_one_file_and_one_row(tmp_path):
    """Trained, recycled, scored, resumed and drawn by the commands that know nothing of it."""
    out = tmp_path / "run"
    chosen = ["--agent", "td3", "--task", "InvertedPendulum-v4", "--preset", "tiny"]
    done = command("train", *chosen, "--method", "redo+reset+l2-init", "--out", out,
                   "--interventions.redo.on", "critic", "actor")  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = told(out)
    named = {record["name"] for record in records if record["kind"] == "intervention"}
    assert named == {"redo", "reset"}
    scores = next(record for record in records if record["kind"] == "scores")
    layers = {key.rpartition("/")[0] for key in scores if "/" in key}
    heads = ("critic/heads.0", "critic/heads.1", "actor/head")
    assert layers == {f"{head}.dense{i}" for head in heads for i in (0, 1)}
    assert command("train", "--resume", out).returncode == 0  # complete: nothing to do
    assert command("report", "--runs", tmp_path).returncode == 0
    refused = command("train", *chosen, "--method", "hl-gauss", "--out", tmp_path / "x")
    assert refused.returncode == 2 and "the agent td3 has no loss" in refused.stderr


@pytest.mark.parametrize("ratio", [4.0, 2.0, 1.0, 0.5, 0.25, 0.3])
def test_updates_begin_at_their_step_and_keep_their_ratio(ratio):
    """After k steps, the first of them at `first_update`, there were floor(ratio k)."""
    settings = SimpleNamespace(first_update=5, updates_per_step=ratio, batch_size=1)
    replay = SimpleNamespace(stack=1, sample=lambda size, generator: None)
    agent = SimpleNamespace(settings=settings)
    play, made = Play(None, None, agent, replay, seed=0, clock=Clock()), 0
    for step in range(1, 60):
        play.agent_step = step
        made += len(list(play._due()))
        assert made == math.floor(Fraction(str(ratio)) * max(0, step - 4))
