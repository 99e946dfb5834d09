"""What an update costs by tracing: the counts of what can be counted by hand, no host wait in any
agent's update, and no preset that moves more than is on record."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fast import config as configs
from fast.__main__ import main
from fast.agents import AGENTS
from fast.agents.learner import Learner
from fast.agents.sac import SAC
from fast.machine import cost, lowered
from fast.nets import fused

RECORD = Path(__file__).parents[3] / "results" / "costs.csv"
COMMAND = "python -m fast cost --all > results/costs.csv"
PRESETS = [(agent, preset) for agent, kind in AGENTS.items() for preset in kind.file.PRESETS]
RECORDED = [(row["agent"], row["preset"]) for row in csv.DictReader(RECORD.open())]


def update_of(agent, preset="tiny", method="baseline"):
    config = configs.build(agent, cost.usual(agent, preset), method, preset)
    return cost.trace(config, ("update",))["update"]


def test_arithmetic_and_bytes_are_those_of_the_operations():
    x, w = torch.ones(4, 8), torch.ones(2, 8)
    with cost.counting() as found:
        y = x @ w.t()  # a view costs nothing
        y.add_(torch.ones(1).expand(4, 2))  # a 1 is read once
    assert found.total("flops") == 2 * 4 * 8 * 2
    assert found.operations["mm"].bytes == 4 * (4 * 8 + 2 * 8 + 4 * 2)
    assert found.operations["add_"].bytes == 4 * (4 * 2 + 1 + 4 * 2)
    assert found.seconds["L4"] > found.seconds["H100"] > 0


@pytest.mark.parametrize("look", [
    torch.Tensor.item, bool, float, print, lambda x: x.tolist(), lambda x: x.cpu(),
    lambda x: f"{x}", lambda x: 1 if x > 0 else 0,
])  # fmt: skip
def test_a_value_that_an_update_asks_for_is_told_with_its_line(look, monkeypatch):
    loss = SAC.actor_loss

    def planted(self, obs, noise):
        found = loss(self, obs, noise)
        look(found[0].detach())
        return found

    monkeypatch.setattr(SAC, "actor_loss", planted)
    waits = update_of("sac").waits
    assert len(waits) == 1 and waits[0].startswith("test_cost.py:")


@pytest.mark.parametrize("agent", AGENTS)
def test_no_agents_update_waits_for_the_device(agent):
    assert update_of(agent).waits == []


def test_weights_held_at_zero_and_pulled_to_their_start_wait_for_nothing(monkeypatch):
    made = Learner.__init__

    def masked(self, *args, **kwargs):
        made(self, *args, **kwargs)
        self.masks = {k: v > 0 for k, v in self.params.items()}
        self.pull_to_start(0.1)

    monkeypatch.setattr(Learner, "__init__", masked)
    found = update_of("sac")
    assert found.waits == [] and found.operations["masked_fill_"].calls > 0


def test_scores_are_brought_to_the_host_at_once():
    config = configs.build("sac", "HalfCheetah-v4", preset="tiny")
    found = cost.trace(config)
    assert [len(found[piece].waits) for piece in cost.PIECES] == [0, 0, 1]


@pytest.mark.parametrize(("agent", "preset"), [
    pytest.param(*each, marks=[] if each[1] == "paper" else pytest.mark.slow) for each in RECORDED
])  # fmt: skip
def test_an_update_costs_what_is_on_record(agent, preset):
    rows = {(row.pop("agent"), row.pop("preset")): row for row in csv.DictReader(RECORD.open())}
    found = {name: str(value) for name, value in update_of(agent, preset).row().items()}
    assert dict(zip(rows[agent, preset], found.values(), strict=True)) == rows[agent, preset], (
        f"if that is meant, record it: {COMMAND}"
    )


def test_every_preset_is_on_record():
    assert RECORDED == PRESETS


@pytest.mark.parametrize("task", ["digits", "digits-shuffled", "digits-incremental"])
def test_what_a_task_does_to_its_labels_changes_no_shape(task):
    config = configs.build("classifier", task, preset="tiny")
    assert cost.sizes(config) == ((1, 8, 8), 10)


class Reading:
    """What DrQ does with pictures before anything learns from them."""

    pieces, device = ("pictures", "features"), torch.device("cpu")

    def __init__(self, agent):
        self.pictures, self.features = agent.pictures, agent.features

    def update(self, batch, draws, count):
        self.features(self.pictures(batch.obs, draws.obs_shift))
        return {}


def test_after_fusion_pictures_and_the_neurons_of_each_convolution_are_written_once(monkeypatch):
    """By hand: one more tensor of the size of the pictures, or of a layer's values, is seen."""
    monkeypatch.setattr(fused, "LEAST", 0)
    config = configs.build("drq", "cartpole-swingup", preset="tiny")
    config = replace(config, agent=replace(config.agent, bfloat16=True))
    n, layer = config.agent.batch_size, config.agent.channels
    with cost.shaped(config) as (agent, given, _):
        found = lowered.update(Reading(agent), *given(n), 1)
    numbers = [n * 9 * 32**2] + [n * layer * side**2 for side in (15, 7, 5, 3)]
    weights = [layer * (inputs * 3**2 + 1) for inputs in (9, layer, layer, layer)]
    assert found.operations["conv_relu"].bytes == sum(
        2 * (read + w + written)
        for read, w, written in zip(numbers[:-1], weights, numbers[1:], strict=True)
    )
    # uint8 pictures and int64 shifts to bfloat16; bfloat16 weights and float32 features
    rest = (1 + 2) * numbers[0] + 8 * 2 * n + (4 + 2) * (sum(weights) + numbers[-1])
    assert found.total("bytes") == found.operations["conv_relu"].bytes + rest


@pytest.mark.slow
def test_after_fusion_drqs_paper_moves_at_most_four_and_a_half_gigabytes_in_bfloat16():
    config = configs.build("drq", "cartpole-swingup")
    config = replace(config, agent=replace(config.agent, bfloat16=True))
    assert cost.trace(config, ("fused",))["fused"].total("bytes") <= 4.5e9


def test_without_a_compiler_the_count_after_fusion_is_refused(monkeypatch, capsys):
    monkeypatch.setenv("CXX", "none")
    assert main(["cost", "--agent", "sac", "--preset", "tiny", "--fused"]) == 2
    assert "--fused: True is not usable here; no C++ compiler (none" in capsys.readouterr().err
    assert main(["cost", "--agent", "sac", "--preset", "tiny", "--bfloat16"]) == 2
    assert "the agent sac has no bfloat16" in capsys.readouterr().err


def test_the_command_tells_costs_and_cards_in_words_and_for_programs(capsys):
    assert main(["cost", "--agent", "sac", "--preset", "tiny"]) == 0
    page = capsys.readouterr().out
    assert "update" in page and "H100" in page and "addmm" in page
    assert main(["cost", "--agent", "sac", "--preset", "tiny", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["update"]["waits"] == 0 < told["update"]["bytes"]
    assert told["update"]["roofline_ms"].keys() == cost.CARDS.keys()
    assert main(["cost", "--agent", "sac", "--preset", "huge"]) == 2
    assert "--preset" in capsys.readouterr().err
