"""Figures of ReDo: shares of whole networks, normalised scores, and every one at tiny size."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from fast import config as configs
from fast.__main__ import main
from fast.errors import InputError
from fast.papers import atari, redo
from fast.report import chosen, drawing, figures
from fast.runs.records import find_runs, read_run
from fast.runs.session import Stop
from fast.train import train

PLANNED = 100


def write(folder, task, method, seed, dormant=(0.25, 0.5), returns=(0.0, 8.0), agent="dqn",
          preset="paper"):  # fmt: skip
    """A run of four channels and sixteen neurons, or of SAC: dormant shares of either at two times,
    the dense layer's twice the channels'."""
    path = Path(folder) / f"{task}.{method}.{seed}"
    path.mkdir(parents=True)
    config = json.loads(configs.to_json(configs.build(agent, task, method, preset, seed)))
    config["run"]["updates"] = PLANNED
    if agent == "dqn":
        config["agent"] |= {"channels": [4], "hidden": [16], "width": 1.0}
        layers = {"critic/encoder.conv0": 1, "critic/dense0": 2}
    else:
        config["agent"] |= {"hidden": [16, 8], "width": 1.0}
        layers = {"critic/heads.0.dense0": 1, "critic/heads.0.dense1": 2, "actor/head.dense0": 0.5}
    (path / "config.json").write_text(json.dumps(config))
    lines = []
    for update, share, value in zip((0, PLANNED), dormant, returns, strict=True):
        head = {"agent_step": update, "environment_step": 4 * update, "update": update}
        told = {f"{layer}/{name}": times * share for layer, times in layers.items()
                for name in ("dormant_0", "dormant_0.1", "srank")}  # fmt: skip
        told |= {
            "critic/dense0/dormant_0_" + name: share for name in ("overlap", "retention", "chance")
        }
        lines += [{"kind": "scores", **head, **told},
                  {"kind": "update", **head, "critic_loss": share},
                  {"kind": "evaluation", **head, "return": value, "returns": [value]}]  # fmt: skip
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return read_run(path)


def test_a_share_of_a_network_counts_neurons_not_layers(tmp_path):
    run = write(tmp_path, "atari-asterix", "baseline", 0)
    expected = [(4 * share + 16 * 2 * share) / 20 for share in (0.25, 0.5)]
    assert drawing.whole(run, "dormant_0").tolist() == pytest.approx(expected)
    assert drawing.whole(run, "critic/dormant_0").tolist() == pytest.approx(expected)
    of_sac = write(tmp_path, "Ant-v4", "baseline", 0, agent="sac")
    shares = {"critic/dormant_0": (16 + 8 * 2) / 24, "actor/dormant_0": 0.5,
              "dormant_0": (16 + 8 * 2 + 16 * 0.5) / 40}  # fmt: skip
    for key, factor in shares.items():
        expected = [factor * share for share in (0.25, 0.5)]
        assert drawing.whole(of_sac, key).tolist() == pytest.approx(expected), key


def test_the_width_of_a_layer_is_that_of_its_settings(tmp_path):
    run = write(tmp_path, "atari-asterix", "baseline", 0)
    run.config["agent"]["width"] = 2.0
    layers = {"critic/encoder.conv0": 8, "critic/dense0": 32}
    assert {layer: drawing.neurons(run, layer) for layer in layers} == layers
    for layer in ("critic/encoder.block00.conv1", "critic/trunk", "critic/heads.0.blocks.0.out"):
        with pytest.raises(InputError, match="width"):
            drawing.neurons(run, layer)


def test_the_widths_are_those_of_a_real_network():
    """Of every layer that a run of these agents records."""
    for agent, task, method in (("dqn", "minatar-asterix", "baseline"), ("bro", "dog-run", "redo"),
                                ("sac", "HalfCheetah-v4", "residual"),
                                ("sac", "HalfCheetah-v4", "baseline"),
                                ("dacer", "Ant-v4", "baseline"),
                                ("classifier", "digits", "baseline")):  # fmt: skip
        config = configs.build(agent, task, method, "tiny")
        kind = configs.AGENTS[agent]
        shape = (17,) if kind.observes == "states" else configs.seen(config)
        fake = type("Run", (), {"config": json.loads(configs.to_json(config)), "folder": "here"})
        for learner, network in kind.file.networks(config.agent, shape, 6).items():
            for name, layer in figures_layers(network).items():
                found = drawing.neurons(fake, f"{learner}/{name}")
                assert found == layer.weight.shape[0], name


def figures_layers(network):
    from fast.nets.layers import layers

    return layers(network)


@pytest.mark.parametrize("seeds", [1, 5])
def test_dormancy_shows_every_point_of_every_run(tmp_path, seeds):
    """Of two runs as lines, of ten as means and bands."""
    methods = ("baseline", "replay-ratio-1")
    for method in methods:
        for seed in range(seeds):
            write(tmp_path, "atari-demon-attack", method, seed, returns=(0.0, 4.0 * seed))
    made = figures.draw("redo-7", find_runs(tmp_path))
    assert made.header == drawing.HEADER
    assert len(made.rows) == 2 * seeds * 2 * 2
    found = {(row.method, row.seed, row.panel, row.x): row.value for row in made.rows}
    for method in methods:
        for seed in range(seeds):
            assert found[method, seed, "return", 400] == 4.0 * seed
            assert found[method, seed, "dormant_0", 400] == pytest.approx(0.9)
    assert made.figure.axes[0].get_ylim()[1] == pytest.approx(1.05 * 0.9)
    assert "INCOMPLETE" in " ".join(text.get_text() for text in made.figure.texts)


def test_games_skip_frames_and_where_nothing_is_played_a_step_is_a_batch(tmp_path):
    """On the face and below the axes."""

    def told():
        figure = figures.draw("redo-7", find_runs(tmp_path)).figure
        face = " ".join(text.get_text() for text in figure.texts).replace("\u00a0", " ")
        return face, figure.axes[0].get_xlabel()

    path = write(tmp_path, "atari-demon-attack", "baseline", 0).folder / "config.json"
    face, label = told()
    assert "frame skip 4" in face and "action repeat" not in face
    assert "400 environment steps" in face and label == "environment steps"
    config = json.loads(path.read_text())
    config["run"]["stored"] = "of another run"
    path.write_text(json.dumps(config))
    face, label = told()
    assert "400 batches" in face and label == "batches"
    write(tmp_path, "atari-demon-attack", "baseline", 1)
    assert told()[1] == "environment steps, or batches"


def efficiency_of(folder):
    made = figures.draw("redo-1", find_runs(folder))
    return [dict(zip(made.header, row, strict=True)) for row in made.rows]


def test_atari_is_aggregated_after_it_is_normalised(tmp_path):
    """One game at random's score, one at a human's: the mean over games is 1/2."""
    games = ("pong", "qbert")
    for game, which in zip(games, (0, 1), strict=True):
        scores = (0.0, atari.SCORES[game][which])
        write(tmp_path, f"atari-{game}", "replay-ratio-1", 0, returns=scores)
    rows = figures.draw("redo-13", find_runs(tmp_path)).rows
    assert {row.statistic: row.value for row in rows}["mean"] == pytest.approx(0.5)
    curve = efficiency_of(tmp_path)
    assert [row["environment_step"] for row in curve] == [0, 400]
    last = [curve[-1][name] for name in ("value", "tasks", "runs")]
    assert last == [pytest.approx(0.5), 2, 2]
    assert atari.normalised("minatar-breakout", 7.0) == 7.0


def test_the_interquartile_mean_over_steps_is_of_steps_that_all_runs_have(tmp_path):
    write(tmp_path, "atari-pong", "replay-ratio-1", 0)
    other = write(tmp_path, "atari-pong", "replay-ratio-1", 1).folder / "metrics.jsonl"
    other.write_text("".join(other.read_text().splitlines(keepends=True)[:3]))
    assert [row["environment_step"] for row in efficiency_of(tmp_path)] == [0]


def test_the_names_of_the_papers_games_are_there():
    assert len(atari.SEVENTEEN) == 17 and len(atari.TWENTY_SIX) == 26 and len(atari.FIVE) == 5
    assert {*atari.SEVENTEEN, *atari.TWENTY_SIX} == atari.SCORES.keys()
    assert {*atari.FIVE} < {*atari.SEVENTEEN}
    for random, human in atari.SCORES.values():
        assert human > random and math.isfinite(human)


def test_every_figure_of_redo_is_drawn_of_made_up_runs(tmp_path):
    for name, recipe in redo.RECIPES.items():
        if recipe.agent == "classifier":
            continue
        tasks = {*recipe.tasks[:2]}
        for run in recipe.runs:
            if run.task in tasks and run.seed < 2:
                write(tmp_path / name, *run, agent=recipe.agent, preset=recipe.preset)
        made = figures.draw(name, find_runs(tmp_path / name))
        assert made.rows and all(len(row) == len(made.header) for row in made.rows)
        assert chosen.title(name).startswith(("ReDo, Figure ", "ReDo, Table "))


def test_runs_of_another_agent_are_none_of_a_figure(tmp_path):
    write(tmp_path, "minatar-asterix", "baseline", 0, preset="laptop")
    write(tmp_path, "HalfCheetah-v4", "baseline", 0, agent="sac", preset="laptop")
    write(tmp_path, "minatar-asterix", "ln", 0, preset="laptop")
    made = figures.draw("redo-7", find_runs(tmp_path), own=True)
    assert {(row.task, row.method) for row in made.rows} == {("minatar-asterix", "baseline")}


def test_a_sweep_has_a_figures_methods_on_other_tasks(tmp_path, capsys):
    """And its runs are drawn, and told on the page."""
    out = tmp_path / "runs"
    given = ["sweep", "--figure", "redo-9", "--tasks", "minatar-breakout", "--preset", "tiny",
             "--seeds", "1", "--out", str(out)]  # fmt: skip
    assert main([*given, "--dry-run"]) == 0
    assert "2 runs" in capsys.readouterr().out
    for method in ("baseline", "redo"):
        config = configs.build("dqn", "minatar-breakout", method, "tiny")
        assert train(config, out / f"minatar-breakout.{method}.0", Stop())
    assert main(given) == 0
    assert "2 of 2 runs are complete" in capsys.readouterr().out
    to = ["--runs", str(out), "--out", str(tmp_path / "drawn")]
    assert main(["figure", "redo-9", "--own", *to]) == 0
    assert main(["figure", "6", "--own", *to]) == 0
    assert main(["figure", "survival", "--own", *to]) == 0
    assert main(["report", *to]) == 0
    html = (tmp_path / "drawn" / "report.html").read_text()
    assert "deep Q-network" in html and "minatar-breakout" in html
    shares = [row.value for row in figures.draw("redo-9", find_runs(out), own=True).rows
              if row.panel == "dormant_0"]  # fmt: skip
    assert len(shares) == 2 * 7 and np.isfinite(shares).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n, r in redo.RECIPES.items() if r.agent != "classifier"])
def test_every_method_of_every_figure_of_redo_trains_at_tiny_size(name, tmp_path):
    recipe = redo.RECIPES[name]
    task = {"dqn": "minatar-breakout", "sac": "Reacher-v4"}[recipe.agent]
    for method in recipe.methods:
        start = ["--run.start", str(tmp_path / recipe.methods[0])] * ("pretrained" in method)
        assert main(["train", *start, "--agent", recipe.agent, "--task", task, "--method", method,
                     "--preset", "tiny", "--run.updates", "60", "--run.score-interval", "30",
                     "--run.log-interval", "30", "--out", str(tmp_path / method)]) == 0  # fmt: skip
    assert main(["figure", name, "--own", "--runs", str(tmp_path), "--out", str(tmp_path)]) == 0
