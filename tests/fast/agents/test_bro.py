"""What defines BRO beside its update (tests/twins): its network, optimist and recycled neurons."""

from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.distributions import Normal
from torch.nn import functional as F

from fast import config as configs
from fast import measures, mitigations, scores
from fast.agents.bro import BRO, PRESETS, Adjustment, BROSettings
from fast.agents.learner import chains
from fast.agents.sac import SAC, Draws
from fast.nets.layers import ResidualMLP, layer_norm, tapped

INPUTS, ACTIONS, BATCH = 3, 2, 5


class Batch(NamedTuple):
    obs: torch.Tensor
    action: torch.Tensor
    reward: torch.Tensor
    discount: torch.Tensor
    next_obs: torch.Tensor


def agent_of(**changes):
    """In float64, away from initial biases and norms, target and critic apart."""
    settings = BROSettings(**({"hidden": 8} | changes))
    agent = BRO(settings, (INPUTS,), ACTIONS, torch.Generator().manual_seed(1))
    g = torch.Generator().manual_seed(2)
    for module in (*(held.module for held in agent.learners.values()), agent.critic.slow):
        module.double()
        with torch.no_grad():
            for p in module.parameters():
                p += 0.1 * torch.randn(p.shape, generator=g, dtype=p.dtype)
    return agent


def batch_and_draws(seed=0):
    g = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    ended = torch.randint(0, 2, (BATCH,), generator=g)
    batch = Batch(normal(BATCH, INPUTS), normal(BATCH, ACTIONS).tanh(), normal(BATCH),
                  0.99 * ended, normal(BATCH, INPUTS))  # fmt: skip
    return batch, Draws(normal(BATCH, ACTIONS), normal(2, BATCH, ACTIONS))


def flat(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def bro_net(params, x, blocks):
    """Tables 1 and 2 of GraMa, line by line."""

    def linear(name, x):
        return F.linear(x, params[f"{name}.weight"], params[f"{name}.bias"])

    def norm(name, x):
        return F.layer_norm(x, x.shape[1:], params[f"{name}.weight"], params[f"{name}.bias"], 1e-6)

    x = F.relu(norm("dense0.norm", linear("dense0", x)))
    for i in range(blocks):
        inner = F.relu(norm(f"blocks.{i}.dense.norm", linear(f"blocks.{i}.dense", x)))
        x = x + norm(f"blocks.{i}.out.norm", linear(f"blocks.{i}.out", inner))
    return linear("final", x)


@pytest.mark.parametrize("blocks", [1, 2, 4])
def test_the_networks_are_those_of_gramas_tables_1_and_2(blocks):
    agent = agent_of(critic_blocks=blocks, actor_blocks=3)
    batch, _ = batch_and_draws()
    x = torch.cat([batch.obs, batch.action], 1)
    for head, q in zip(
        agent.critic.module.heads, agent.critic.module(batch.obs, batch.action), strict=True
    ):
        assert q.shape == (BATCH, 1)
        assert torch.equal(q, bro_net(dict(head.named_parameters()), x, blocks))
    params = dict(agent.actor.module.head.named_parameters())
    mean, log = bro_net(params, batch.obs, 3).chunk(2, 1)
    found_mean, found_log = agent.actor.module(batch.obs)
    assert torch.equal(found_mean, mean)
    assert torch.equal(found_log, -10 + 12 / 2 * (log.tanh() + 1))


def test_the_divergence_of_an_optimist_is_that_of_normals_of_one_width():
    agent = agent_of(optimistic=True)
    batch, draws = batch_and_draws()
    mean, log_std = agent.actor.module(batch.obs)
    its = agent.optimistic(batch.obs)[0]
    between = torch.distributions.kl_divergence(Normal(its, log_std.exp()),
                                                Normal(mean, log_std.exp()))  # fmt: skip
    found = agent.optimist_loss(batch.obs, draws.noise[1])[1]
    torch.testing.assert_close(found, between.sum(1).mean())


def test_an_optimist_begins_at_the_actor_plays_in_training_alone_and_is_narrower():
    settings = BROSettings(hidden=8, optimistic=True)
    agent = BRO(settings, (INPUTS,), ACTIONS, torch.Generator().manual_seed(1))
    obs = torch.randn(200, INPUTS, generator=torch.Generator().manual_seed(2))
    mean, log_std = agent.actor.module(obs)
    its, narrower, shift = agent.optimistic(obs)
    assert 0 < (its - mean).abs().max() < 0.05
    torch.testing.assert_close(narrower.exp(), 0.75 * log_std.exp())
    torch.testing.assert_close(shift * log_std.exp(), its - mean)
    assert torch.equal(agent.act(obs), mean.tanh())
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(3))
    played = agent.act(obs, torch.Generator().manual_seed(3))
    torch.testing.assert_close(played, (its + narrower.exp() * noise).tanh())


@pytest.mark.parametrize("initial", [1e-3, 0.25, 1.0, 50.0])
def test_an_adjustment_begins_where_it_is_asked_to(initial):
    assert Adjustment(initial)().item() == pytest.approx(initial, rel=1e-5)


def test_without_an_optimist_the_draws_are_those_of_sac():
    agent = agent_of()
    one, other = (of.draws(agent, BATCH, torch.Generator().manual_seed(4)) for of in (BRO, SAC))
    assert all(map(torch.equal, one, other))


def test_a_pessimism_of_one_is_the_minimum_of_both_heads():
    agent = agent_of(pessimism=1.0)
    x, y = torch.tensor([1.0, -2.0, 3.0]), torch.tensor([4.0, -6.0, 3.0])
    assert torch.equal(agent.of_both(x, y), torch.minimum(x, y))


# --- which neurons are recycled, and with which reader --------------------------------------------


def test_only_the_first_layer_of_a_block_is_recycled_and_the_second_reads_it():
    agent = agent_of()
    found = {name: {layer: [r.layer for r in readers] for layer, readers in held.readers.items()}
             for name, held in agent.learners.items()}  # fmt: skip
    blocks = [f"heads.{head}.blocks.{i}" for head in (0, 1) for i in (0, 1)]
    assert found["critic"] == {f"{block}.dense": [f"{block}.out"] for block in blocks}
    assert found["actor"] == {"head.blocks.0.dense": ["head.blocks.0.out"]}
    with tapped(agent.critic.module) as taps:
        agent.loss("critic", *batch_and_draws())
    every = [f"heads.{head}.dense0" for head in (0, 1)] + [
        f"{block}.{layer}" for block in blocks for layer in ("dense", "out")
    ]
    assert sorted(taps) == sorted(every)  # scored are all


def stream(norm=None):
    """A residual stream, whose block's first neuron is off for every input."""
    made = ResidualMLP(3, (6, 6), 1, norm=norm, stream=True).double()
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, p in made.named_parameters():
            if "norm" not in name:
                p.copy_(torch.randn(p.shape, generator=g, dtype=p.dtype))
        block = made.blocks[0].dense
        if norm:
            block.norm.weight[0], block.norm.bias[0] = 0, -1
        else:
            block.weight[0], block.bias[0] = 0, -1
        made.dense0.weight[0], made.dense0.bias[0] = 0, -1
    return made, torch.randn(20, 3, generator=g, dtype=torch.float64)


@pytest.mark.parametrize("norm", [None, layer_norm(1e-6)])
def test_without_a_norm_in_between_recycling_at_zero_keeps_the_outputs(norm):
    """With one, what is drawn anew changes mean and deviation of its neighbours too."""
    made, x = stream(norm)
    before = made(x)
    with tapped(made) as taps:
        made(x)
    readers = chains(made, [["blocks.0.dense", "blocks.0.out"]])
    chosen = {"blocks.0.dense": scores.dormant(taps["blocks.0.dense"][1].detach(), 0.0)}
    assert chosen["blocks.0.dense"][0] and not chosen["blocks.0.dense"].all()
    fresh = {k: torch.randn_like(v) for k, v in made.named_parameters()}
    mitigations.recycle(dict(made.named_parameters()), {}, chosen, fresh, readers)
    assert torch.equal(made(x), before) == (norm is None)


@pytest.mark.parametrize("norm", [None, layer_norm(1e-6)])
def test_behind_a_norm_a_neuron_that_is_off_has_a_gradient(norm):
    """By its neighbours' mean and deviation: GraMa's Theorem 1 is of networks without norms."""
    made, x = stream(norm)
    made(x).square().sum().backward()
    incoming = made.blocks[0].dense.weight.grad[0]
    assert (incoming != 0).any() == (norm is not None)


def test_a_neuron_of_the_stream_has_no_outgoing_weights_of_its_own():
    """dense0's first neuron is off, but the block adds to what its columns read: without these
    columns the outputs are others."""
    made, x = stream()
    before = made(x)
    with tapped(made) as taps:
        made(x)
    assert (taps["dense0"][1][:, 0] == 0).all()
    with torch.no_grad():
        made.final.weight[:, 0] = 0
    assert not torch.isclose(made(x), before).any()


def test_a_dormant_neuron_s_own_norm_is_left_and_may_keep_it_dormant():
    """What is drawn anew is what reads the layer below; scale and offset behind it are not."""
    made, _ = stream(layer_norm(1e-6))
    readers = chains(made, [["blocks.0.dense", "blocks.0.out"]])
    params, first = dict(made.named_parameters()), torch.tensor([True] + 5 * [False])
    fresh = {k: torch.randn_like(v) for k, v in params.items()}
    mitigations.recycle(params, {}, {"blocks.0.dense": first}, fresh, readers)
    assert torch.equal(made.blocks[0].dense.weight[0], fresh["blocks.0.dense.weight"][0])
    assert made.blocks[0].dense.norm.bias[0] == -1


def test_reset_is_of_both_networks_and_in_the_paper_s_preset_once():
    asked = configs.build("bro", "dog-stand", "reset").interventions.reset
    assert asked.on == ("critic", "actor")
    once = 2 * (15_001 - 2500)
    assert [u for u in range(once, 1_995_002, once) if asked.when.due(u, 1_995_002)] == [once]
    assert asked.when.interval(1_995_002) == once
    agent = agent_of()
    assert agent.critic.body == ("heads",) and agent.actor.body == ("head",)  # all there is


def test_redo_and_regrama_differ_by_their_score_and_threshold_alone():
    asked = configs.build("bro", "dog-stand", "redo+regrama").interventions
    redo, regrama = asked.redo, asked.regrama
    assert redo.on == regrama.on == ("critic", "actor")
    assert (redo.tau, regrama.tau) == (0.02, 0.01)  # GraMa, A.1
    assert (redo.initialisation, redo.bias_moments) == ("initial", "zero")
    assert redo.when == regrama.when


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_makes_an_agent(preset):
    settings = BROSettings(**PRESETS[preset].get("agent", {}))
    agent = BRO(settings, (INPUTS,), ACTIONS, torch.Generator())
    assert [*agent.learners] == ["critic", "actor", "temperature"]
    assert all(isinstance(held.module, nn.Module) for held in agent.learners.values())
    batch, draws = batch_and_draws()
    single = Batch(*(x.float() for x in batch)), Draws(*(x.float() for x in draws))
    told = measures.measure(agent, *single)
    assert "critic/heads.1.blocks.1.out/dormant_0" in told
