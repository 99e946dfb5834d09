"""Compiled updates: no break in any graph, equal to eager ones, and eager ones where they cannot
be made."""

import json
from dataclasses import replace

import pytest
import torch

from fast import config as configs
from fast.agents import AGENTS
from fast.agents.sac import SAC
from fast.machine import compiled, cost, gpu
from fast.nets.layers import layers
from fast.runs.session import Stop
from fast.train import train

OTHERS = [pytest.param(name, marks=[] if name == "sac" else pytest.mark.slow) for name in AGENTS]


def tiny(agent, **changes):
    config = configs.build(agent, cost.usual(agent, "tiny"), preset="tiny")
    return replace(config, run=replace(config.run, **changes))


@pytest.mark.parametrize("agent", OTHERS)
def test_each_piece_is_one_graph_and_twenty_updates_are_the_eager_ones(agent):
    """Without code generation the graphs call what eager torch calls: to the last bit."""
    (one, given), (other, _) = (gpu.made(tiny(agent), "cpu") for _ in range(2))
    found = [gpu.after(a, update, given, 20) for a, update in
             [(one, one.update), (other, compiled.compiled(other, "eager"))]]  # fmt: skip
    assert torch.equal(*found)
    assert not vars(other).keys() & {*other.pieces}  # looks at the neurons are eager


@pytest.fixture(autouse=True)
def nothing_compiled_before():
    torch._dynamo.reset()


# (A value that nothing depends on is never asked for there.)
@pytest.mark.parametrize(
    "look", [print, lambda x: 1 if x.item() > 0 else 0, lambda x: 1 if x > 0 else 0]
)
def test_a_value_that_is_asked_for_breaks_the_graph(look, monkeypatch):
    loss = SAC.actor_loss

    def planted(self, obs, noise):
        found = loss(self, obs, noise)
        look(found[0].detach())
        return found

    monkeypatch.setattr(SAC, "actor_loss", planted)
    agent, given = gpu.made(tiny("sac"), "cpu")
    with pytest.raises((torch._dynamo.exc.Unsupported, torch._dynamo.exc.UserError)):
        compiled.compiled(agent, "eager")(*given(1), 1)


def test_a_norm_that_comes_late_is_in_the_next_compiled_update():
    (one, given), (other, _) = (gpu.made(tiny("sac"), "cpu") for _ in range(2))
    update = compiled.compiled(other, "eager")
    gpu.after(one, one.update, given, 2), gpu.after(other, update, given, 2)
    for agent in (one, other):
        agent.critic.insert_norm(agent.critic.readers)
    assert torch.equal(gpu.after(one, one.update, given, 2), gpu.after(other, update, given, 2))
    assert all(not isinstance(layer.norm, torch.nn.Identity)
               for name, layer in layers(other.critic.module).items()
               if name in other.critic.readers)  # fmt: skip


def test_without_a_compiler_updates_are_eager_and_that_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("CXX", str(tmp_path / "none"))
    assert train(tiny("sac", updates=20, compile=True), tmp_path / "run", Stop())
    assert "--run.compile: no C++ compiler" in capsys.readouterr().err


@pytest.mark.slow
def test_inductors_code_is_eager_torch_to_the_rounding_of_float64():
    assert max(gpu.captured("cpu", "tiny").values()) <= gpu.BOUND


class HalfWay(Stop):
    """Asks to stop, as a signal would, as soon as half of the updates are recorded."""

    def __init__(self, folder):
        self.file = folder / "metrics.jsonl"

    @property
    def signal(self):
        last = json.loads(self.file.read_text().splitlines()[-1])
        return 15 if last["update"] >= 100 else None


@pytest.mark.slow
def test_a_compiled_run_resumes_bit_for_bit(tmp_path):
    config = tiny("classifier", updates=200, compile=True)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(config, whole, Stop())
    assert not train(config, parts, HalfWay(parts))
    assert train(None, parts, Stop())
    found = [torch.load(x / "checkpoint.pt", weights_only=True)["state"] for x in (whole, parts)]
    torch.testing.assert_close(*(state["agent"] for state in found), rtol=0, atol=0)
