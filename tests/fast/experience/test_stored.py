"""Runs that learn from the episodes of another one, and targets that never move."""

import json
from dataclasses import replace

import pytest
import torch

from fast import config as configs
from fast.__main__ import main
from fast.agents.dqn import DQN
from fast.errors import InputError
from fast.experience.replay import Batch
from fast.runs.session import Stop
from fast.train import Training, train

TINY = ["--agent", "dqn", "--task", "minatar-breakout", "--preset", "tiny"]


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A run that has played, and kept its last episodes."""
    folder = tmp_path_factory.mktemp("played") / "minatar-breakout"
    assert train(configs.build("dqn", "minatar-breakout", preset="tiny"), folder, Stop())
    return folder


def config(played, method="baseline", **run):
    made = configs.build("dqn", "minatar-breakout", method, "tiny")
    run = {"stored": str(played), "updates": 60, "score_interval": 20} | run
    return replace(made, run=replace(made.run, **run))


def told(folder):
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] not in ("session", "timing")]


class StopAt:
    """Asked to stop after so many batches."""

    def __init__(self, number):
        self.left = number

    @property
    def signal(self):
        self.left -= 1
        return 2 if self.left < 0 else None


def test_every_batch_is_of_the_other_runs_transitions_and_none_is_played(played, tmp_path):
    from fast import envs

    made = config(played)
    env, test_env = (envs.make(made.task, made.env) for _ in range(2))
    run = Training(made, env, test_env)
    stored = run.experience.replay
    whole = stored._gather(torch.arange(stored._oldest, stored._added))
    env.step = None  # nothing may be played
    for number in range(1, 6):
        (batch,) = run.experience.step()
        assert run.experience.agent_step == run.experience.environment_step == number
        assert run.experience.at_rest
        for obs, action, reward in zip(batch.obs, batch.action, batch.reward, strict=True):
            alike = (whole.obs == obs).flatten(1).all(1) & (whole.action == action).all(1)
            assert (alike & (whole.reward == reward)).any()


def test_a_run_with_stored_episodes_goes_on_as_one_that_was_never_stopped(played, tmp_path):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert train(config(played), whole, Stop())
    assert not train(config(played), halves, StopAt(25))
    assert not list((halves / "frames").iterdir())
    assert train(None, halves, Stop())
    assert told(whole) == told(halves)
    updates = [line["update"] for line in told(whole) if line["kind"] == "scores"]
    assert updates == [0, 20, 40, 60]
    assert told(whole)[-1]["agent_step"] == 60


def test_from_the_command_line_the_task_may_stand_in_the_path(played, tmp_path):
    given = ["--run.stored", str(played.parent / "{task}"), "--run.updates", "40"]
    assert main(["train", *TINY, *given, "--out", str(tmp_path / "run")]) == 0
    assert told(tmp_path / "run")[-1]["update"] == 40


@pytest.mark.parametrize(
    ("stored", "more", "said"),
    [
        ("nowhere", [], "folder of a run"),
        ("{played}", ["--task", "minatar-asterix"], "same task"),
        ("{played}", ["--env.sticky", "0.5"], "same env"),
        ("{empty}", [], "kept an episode"),
        ("{damaged}", [], "cannot be read"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused_before_anything_is_made(
    played, tmp_path, capsys, stored, more, said
):
    import shutil

    empty, damaged = tmp_path / "empty", tmp_path / "damaged"
    shutil.copytree(played, damaged)
    first = next((damaged / "frames").iterdir())
    for file in (damaged / "frames").iterdir():
        file.write_bytes(first.read_bytes()[:40])
    if stored == "{empty}":
        with pytest.raises(KeyboardInterrupt):
            train(configs.build("dqn", "minatar-breakout", preset="tiny"), empty, Broken())
    capsys.readouterr()
    path = stored.format(played=played, empty=empty, damaged=damaged)
    given = [*TINY, *more] if "--task" not in more else [*TINY[:2], *more, *TINY[4:]]
    out = tmp_path / "run"
    assert main(["train", *given, "--run.stored", path, "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --run.stored") and said in error
    assert not out.exists()


class Broken:
    """Stops at once, after the first checkpoint."""

    @property
    def signal(self):
        raise KeyboardInterrupt


@pytest.mark.parametrize("agent", [("ppo", "HalfCheetah-v4"), ("classifier", "digits")])
def test_agents_without_a_replay_learn_from_none(agent):
    made = configs.build(*agent, preset="tiny")
    with pytest.raises(InputError, match=r"--run\.stored"):
        configs.check(replace(made, run=replace(made.run, stored="somewhere")))


def test_fixed_targets_are_those_of_one_network_that_was_drawn_at_the_start():
    settings = configs.build("dqn", "minatar-asterix", "fixed-targets", "tiny").agent
    settings = replace(settings, learning_rate=1e-3)
    agent = DQN(settings, (4, 10, 10), 3, torch.Generator().manual_seed(0))
    g = torch.Generator().manual_seed(1)
    obs = torch.randint(0, 256, (2, 8, 4, 10, 10), dtype=torch.uint8, generator=g)
    batch = Batch(obs[0], torch.zeros(8, 1), torch.randn(8), torch.full((8,), 0.9), obs[1])
    before = agent.critic.slow(batch.obs)
    q = agent.critic.module(batch.obs)
    assert not torch.allclose(q, before)  # its own draw
    expected = ((q - before) ** 2).mean(0).sum()
    torch.testing.assert_close(agent.loss("critic", batch, None), expected / 3)
    first = agent.loss("critic", batch, None).item()
    for count in range(1, 200):
        agent.update(batch._replace(reward=torch.randn(8)), None, count)
    assert torch.equal(agent.critic.slow(batch.obs), before)
    assert agent.loss("critic", batch, None).item() < first / 10


# --- networks of other runs -----------------------------------------------------------------------


def network(folder):
    return torch.load(folder / "checkpoint.pt", weights_only=True)["state"]["agent"]["critic"]


def test_a_run_is_taught_by_the_network_of_another_one(played, tmp_path):
    """The target is the teacher's network, from the first update to the last."""
    made = config(played, "fixed-targets", teacher=str(played))
    assert train(made, tmp_path / "run", Stop())
    torch.testing.assert_close(
        network(tmp_path / "run")["slow"], network(played)["module"], rtol=0, atol=0
    )
    losses = [line["critic_loss"] for line in told(tmp_path / "run") if line["kind"] == "update"]
    assert losses and all(loss > 0 for loss in losses)
    assert not train(made, tmp_path / "halves", StopAt(25))
    assert train(None, tmp_path / "halves", Stop())
    assert told(tmp_path / "run") == told(tmp_path / "halves")


def test_a_pretrained_run_begins_with_the_networks_of_another_one(played):
    from fast import envs

    made = config(played, "fixed-targets+pretrained", teacher=str(played), start=str(played))
    run = Training(made, *(envs.make(made.task, made.env) for _ in range(2)))
    critic, before = run.agent.critic, network(played)["module"]
    torch.testing.assert_close(critic.module.state_dict(), before, rtol=0, atol=0)
    assert not critic.optimizer.state  # fresh
    (batch,) = run.experience.step()
    assert run.agent.loss("critic", batch, None) == 0  # it is its own teacher
    moving = config(played, "pretrained", start=str(played))
    run = Training(moving, *(envs.make(made.task, made.env) for _ in range(2)))
    torch.testing.assert_close(run.agent.critic.slow.state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("method", "run", "agent", "field"),
    [
        ("pretrained", {}, {}, "--run.start"),
        ("baseline", {"teacher": "{played}"}, {}, "--run.teacher"),
        ("fixed-targets", {"teacher": "nowhere"}, {}, "--run.teacher"),
        ("fixed-targets", {"teacher": "{played}"}, {"hidden": (8,)}, "--run.teacher"),
        ("pretrained", {"start": "{played}"}, {"hidden": (8,)}, "--run.start"),
    ],
)
def test_networks_that_cannot_be_taken_are_refused(played, tmp_path, method, run, agent, field):
    run = {name: path.format(played=played) for name, path in run.items()}
    made = config(played, method, **run)
    made = replace(made, agent=replace(made.agent, **agent))
    with pytest.raises(InputError, match=field):
        train(made, tmp_path / "run", Stop())
    assert not (tmp_path / "run").exists()
