"""Every figure of GraMa: real runs at tiny size, a sample here and all of them where slow."""

import numpy as np
import pytest

from fast import config as configs
from fast.papers import grama
from fast.report import chosen, figures
from fast.runs.records import find_runs
from fast.runs.session import Stop
from fast.train import train

TASKS = {"bro": "Reacher-v4", "sac": "Reacher-v4", "classifier": "digits-incremental"}


def drawn(name, methods, folder):
    """The rows of a figure of runs of these methods, on a task of short episodes."""
    agent = grama.RECIPES[name].agent
    for method in methods:
        config = configs.build(agent, TASKS[agent], method, "tiny")
        assert train(config, folder / method, Stop())
    return figures.draw(name, find_runs(folder), own=True).rows


@pytest.mark.parametrize(
    ("name", "methods"), [("grama-8", ("regrama",)), ("grama-4-residual", ("residual+regrama",))]
)
def test_a_figure_draws_each_of_its_records(name, methods, tmp_path):
    rows = drawn(name, methods, tmp_path)
    keys = [key for panel in grama.RECIPES[name].panels for key in panel.keys]
    assert {row.panel for row in rows} == set(keys)
    assert {row.method for row in rows} == set(methods)
    assert np.isfinite([row.value for row in rows]).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", grama.RECIPES)
def test_every_method_of_every_figure_trains_at_tiny_size_and_is_drawn(name, tmp_path):
    rows = drawn(name, grama.RECIPES[name].methods, tmp_path)
    assert {row.method for row in rows} == set(grama.RECIPES[name].methods)


def test_every_run_of_every_figure_can_be_asked_for():
    for recipe in grama.RECIPES.values():
        for task, method, seed in recipe.runs[: len(recipe.tasks) * len(recipe.methods)]:
            configs.check(configs.build(recipe.agent, task, method, recipe.preset, seed))


def test_depth_share_and_threshold_are_as_a_method_s_name_says():
    asked = configs.build("bro", "dog-walk", "blocks-3+regrama-most-0.05")
    assert (asked.agent.critic_blocks, asked.agent.actor_blocks) == (3, 3)
    assert (asked.interventions.regrama.most, asked.interventions.regrama.tau) == (0.05, 0.01)
    of_redo = configs.build("bro", "dog-walk", "redo-tau-0.025").interventions.redo
    assert (of_redo.tau, of_redo.on) == (0.025, ("critic", "actor"))
    both = configs.build("sac", "Ant-v4", "sigmoid+redo", "grama")
    assert (both.agent.activation, both.interventions.redo.tau) == ("sigmoid", 0.02)


def test_a_title_names_the_paper():
    titles = {name: chosen.title(name).partition(".")[0] for name in grama.RECIPES}
    assert titles["grama-8"] == "GraMa, Figure 8"
    assert titles["grama-table-8"] == "GraMa, Table 8"
