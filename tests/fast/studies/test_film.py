"""`python -m fast film RUN`: what it shows, and what it refuses."""

import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fast import config as configs
from fast.__main__ import main
from fast.envs import dmc
from fast.runs.session import Stop
from fast.train import train

# Episodes of 20 steps of half a second, and an evaluation after each, so also at the checkpoint.
REPEAT, STEPS = 50, 20


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "run"
    config = configs.build("drq", "cartpole-swingup", "baseline", "tiny")
    plan = replace(config.run, updates=10, evaluation_interval=STEPS, evaluation_episodes=2)
    train(replace(config, env=replace(config.env, action_repeat=REPEAT), run=plan), path, Stop())
    return path


def test_a_film_is_an_episode_of_the_last_evaluation_in_the_time_that_it_took(run, capsys):
    records = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    returns = [record for record in records if record["kind"] == "evaluation"][-1]["returns"]
    assert returns[0] != returns[1]
    for number, wanted in enumerate(returns, 1):
        out = run.parent / f"{number}.gif"
        arguments = ["--out", str(out), "--size", "64", "--episode", str(number)]
        assert main(["film", str(run), *arguments]) == 0
        assert capsys.readouterr().out == f"{out}: return {wanted:.0f}\n"
    film = Image.open(run.parent / "1.gif")
    stills, milliseconds = [], 0
    for number in range(film.n_frames):
        film.seek(number)
        stills.append(np.asarray(film.convert("L"), float))
        milliseconds += film.info["duration"]  # of equal pictures one is kept, for as long
    assert milliseconds == 500 * (STEPS + 1)
    assert stills[0].shape == (64, 64)
    moves = [np.abs(a - b).max() for a, b in itertools.pairwise(stills)]
    assert max(moves) > 50  # of 255: the cart and its pole are elsewhere


def test_what_cannot_be_filmed_is_refused_by_name(run, tmp_path, monkeypatch, capsys):
    (there := tmp_path / "there.gif").touch()
    (unsaved := tmp_path / "unsaved").mkdir()
    (unsaved / "config.json").write_bytes((run / "config.json").read_bytes())
    for arguments, told in [
        ([str(tmp_path)], "error: RUN: .* config.json"),
        ([str(unsaved)], "error: RUN: .* no checkpoint.pt"),
        ([str(run), "--out", str(there)], "error: --out: .*a new file"),
        ([str(run), "--out", str(tmp_path / "film.mp4")], r"error: --out: .*\.gif"),
        ([str(run), "--out", str(there / "film.gif")], "error: --out: .*cannot be made"),
        ([str(run), "--size", "0"], "error: --size: .*1 to 1,024"),
        ([str(run), "--episode", "0"], "error: --episode: .*1 to"),
    ]:
        assert main(["film", *arguments]) == 2
        err = capsys.readouterr().err
        assert len(err.splitlines()) == 1
        assert re.search(told, err), err
    monkeypatch.setattr(dmc, "tasks", lambda: ["walker-walk"])  # where nothing draws the run's task
    assert main(["film", str(run), "--out", str(tmp_path / "film.gif")]) == 2
    assert "dm_control" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there.gif", "unsaved"]
    assert there.read_bytes() == b""
