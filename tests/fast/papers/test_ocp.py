"""Every figure of OCP, of two real runs at tiny size."""

import numpy as np
import pytest

from fast import config as configs
from fast.errors import InputError
from fast.papers import ocp
from fast.report import chosen, figures
from fast.runs.records import find_runs
from fast.runs.session import Stop
from fast.train import train

DRAWN = [name for name, recipe in ocp.RECIPES.items() if recipe.family != "regression"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Both arms on a task of short episodes."""
    folder = tmp_path_factory.mktemp("runs")
    for arm in ocp.ARMS:
        config = configs.build("ppo", "Reacher-v4", arm, "tiny")
        assert train(config, folder / arm, Stop())
    return find_runs(folder)


@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_draws_each_of_its_records(runs, name):
    recipe = ocp.RECIPES[name]
    rows = figures.draw(name, runs, own=True).rows
    keys = [key for panel in recipe.panels for key in panel.keys]
    assert {row.panel for row in rows} == set(keys)
    assert {row.method for row in rows} == set(recipe.methods)
    for run in runs:
        for key in keys:
            kind = "evaluation" if key == "return" else "scores"
            shown = [row.value for row in rows if (row.run, row.panel) == (run.folder.name, key)]
            assert len(shown) == (len(run.of(kind)) if run.method in recipe.methods else 0)
            assert np.isfinite(shown).all() or key.endswith("_overlap")


def test_a_regression_is_of_the_same_runs_and_its_command_is_told(runs):
    for name in ocp.RECIPES.keys() - set(DRAWN):
        assert ocp.RECIPES[name].runs == ocp.RECIPES["ocp-1"].runs
        with pytest.raises(InputError, match="python -m fast regression RUN") as error:
            figures.draw(name, runs, own=True)
        assert error.value.value == name


def test_a_title_names_the_paper():
    titles = {name: chosen.title(name).partition(".")[0] for name in ocp.RECIPES}
    assert titles["ocp-1"] == "OCP, Figure 1"
    assert titles["ocp-appendix-c"] == "OCP, Appendix c"
    assert titles["ocp-6-value"] == "OCP, Figure 6-value"
