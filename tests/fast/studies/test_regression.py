"""`python -m fast regression`: its target, its control, what it writes and what it refuses."""

import csv
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from fast import config as configs
from fast.__main__ import main
from fast.runs.session import Stop
from fast.studies import regression
from fast.train import train

INPUTS = regression.INPUTS


def run_of(path, task, **agent):
    config = configs.build("ppo", task, preset="tiny")
    agent = replace(config.agent, **agent)
    return train(replace(config, agent=agent, run=replace(config.run, updates=8)), path, Stop())


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ppo")
    for activation in ("relu", "none"):
        assert run_of(folder / activation, "HalfCheetah-v4", activation=activation)
    return folder


def test_the_target_has_the_terms_that_the_paper_names():
    """At a point without ties, term by term; every input moves it."""
    x = [0.3, -1.2, 0.7, 2.0, -0.4, 0.9, 1.1, -0.6, 0.5, 1.3, -0.8, 0.2, -1.7, 0.4, 1.9, -0.1, 0.6]
    linear, square, cube = 0.3 + 0.3 * 0.6, 1.2**2 + 0.5 * 2.0**2, -0.5 * 0.7**3
    waves = math.sin(2.0) + math.cos(-0.4)
    bells = math.exp(-(0.9**2)) + math.tanh(1.1)
    products, kinks = -0.6 * 0.5 + 1.3 * -0.8 * 0.2, 1.7 + 0.4
    point = torch.tensor([x], dtype=torch.float64, requires_grad=True)
    value = regression.eq_15(point)
    expected = linear + square + cube + waves + bells + products + kinks
    assert value.item() == pytest.approx(expected, rel=1e-14)
    value.sum().backward()
    assert (point.grad != 0).all()


def test_a_fresh_network_learns_and_a_dead_one_learns_a_constant(runs):
    of = regression.read(runs / "relu")
    last = {}
    for fit in regression.fits([of], [1e-2], 1):
        *_, last[fit.inputs, fit.network] = regression.rows(fit, 20)
    for inputs in ("normal", "states"):
        dead, fresh = last[inputs, "dead"], last[inputs, "fresh"]
        assert fresh.train_mse < 0.5 * dead.train_mse
        assert float(dead.dormant.split()[-1]) == 1 > float(fresh.dormant.split()[-1])
        # It has one number to learn: the mean of what it learns from is the best of all.
        y = regression.data(inputs, of.states, 0)[1]
        assert dead.train_mse >= y.var(correction=0).item() * (1 - 1e-6)


def test_a_dead_layer_stays_dead_and_only_the_last_bias_moves(runs):
    of = regression.read(runs / "relu")
    made, x = regression.network("dead", of, 0), torch.randn(50, INPUTS)
    before = {name: p.detach().clone() for name, p in made.named_parameters()}
    for _ in regression.fit(made, x, regression.eq_15(x), 1e-2, 3, torch.Generator()):
        pass
    moved = {name for name, p in made.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"head.final.bias"}


def test_all_networks_have_the_same_data_and_the_trained_one_is_the_checkpoints(runs):
    of = regression.read(runs / "none")
    assert torch.equal(regression.data("normal", of.states, 3)[1],
                       regression.data("normal", of.states, 3)[1])  # fmt: skip
    x, _, test_x, _ = regression.data("states", of.states, 3)
    rows = {tuple(row) for row in of.states.tolist()}
    halves = [{tuple(row) for row in part.tolist()} for part in (x, test_x)]
    assert len(x) == len(test_x) == len(of.states) // 2  # a tiny rollout; else a thousand
    assert halves[0] | halves[1] == rows and not halves[0] & halves[1]
    state = torch.load(runs / "none" / "checkpoint.pt", weights_only=True)["state"]
    weight = state["agent"]["critic"]["module"]["head.dense1.weight"]
    assert torch.equal(regression.network("trained", of, 0).head.dense1.weight, weight)
    assert not torch.equal(regression.network("fresh", of, 0).head.dense1.weight, weight)


def test_the_command_writes_a_figure_and_its_rows(runs, tmp_path, capsys):
    out = tmp_path / "out"
    given = ["--out", str(out), "--rates", "1e-3", "--seeds", "2", "--epochs", "2"]
    assert main(["regression", str(runs / "relu"), str(runs / "none"), *given]) == 0
    assert capsys.readouterr().out == f"{out / 'regression.png'}\n"
    assert sorted(path.suffix for path in out.iterdir()) == [".csv", ".pdf", ".png"]
    with (out / "regression.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == regression.Row._fields
    # three networks of ReLUs and two without, two kinds of inputs, two seeds; epochs 0, 1 and 2
    assert len(rows) == (3 + 2) * 2 * 2 * 3
    assert {row["agent_step"] for row in rows} == {"64"}
    assert np.isfinite([float(row["test_mse"]) for row in rows]).all()


def test_what_is_no_run_of_ppo_with_17_observations_is_refused(tmp_path, capsys):
    assert run_of(tmp_path / "other", "InvertedPendulum-v4")
    (tmp_path / "none").mkdir()
    for name in ("other", "none"):
        assert main(["regression", str(tmp_path / name), "--out", str(tmp_path / "x")]) == 2
        said = capsys.readouterr().err
        assert "RUN" in said and name in said
    assert not (tmp_path / "x").exists()
    for option, value in (("--rates", "0"), ("--rates", "nan"), ("--epochs", "0")):
        given = [str(tmp_path / "other"), "--out", str(tmp_path / "x"), option, value]
        assert main(["regression", *given]) == 2
        assert option in capsys.readouterr().err
