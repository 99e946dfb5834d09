"""What defines BRO: its network and equations written out, and which neurons are recycled."""

import copy
from typing import NamedTuple

import pytest
import torch
from torch import nn
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


class Naive:
    """BRO's update line by line, with torch's own optimizers and distributions, on copies."""

    def __init__(self, agent):
        self.s = s = agent.settings
        self.critic, self.slow, self.actor = (
            copy.deepcopy(x) for x in (agent.critic.module, agent.critic.slow, agent.actor.module)
        )
        self.log_alpha = agent.temperature.module.log.detach().clone().requires_grad_()
        decay = {"weight_decay": s.weight_decay}
        self.adams = [
            torch.optim.AdamW(self.critic.parameters(), s.critic_learning_rate, **decay),
            torch.optim.AdamW(self.actor.parameters(), s.actor_learning_rate, **decay),
            torch.optim.Adam([self.log_alpha], s.temperature_learning_rate, (0.5, 0.999)),
        ]

        if s.optimistic:
            self.optimist = copy.deepcopy(agent.optimist.module)
            self.raw = [held.module.raw.detach().clone().requires_grad_()
                        for held in (agent.optimism, agent.regularizer)]  # fmt: skip
            self.adams += [
                torch.optim.AdamW(self.optimist.parameters(), s.actor_learning_rate, **decay),
                torch.optim.Adam(self.raw, s.adjustment_learning_rate, (0.5, 0.999)),
            ]

    def be_optimistic(self, obs, noise):
        with torch.no_grad():
            mean, log_std = self.actor(obs)
        actor = torch.distributions.Normal(mean, log_std.exp())
        mean = mean + self.optimist.head(torch.cat([obs, mean], 1))
        as_wide = torch.distributions.Normal(mean, log_std.exp())
        divergence = torch.distributions.kl_divergence(as_wide, actor).sum(1).mean()
        q = self.critic(obs, torch.tanh(mean + 0.75 * log_std.exp() * noise))
        optimism, regularizer = (torch.exp(-10 + 17.5 * (1 + raw.tanh()) / 2) for raw in self.raw)
        upper = (q[0] + q[1]) / 2 + optimism.detach() * (q[0] - q[1]).abs() / 2
        self.step(self.adams[3], regularizer.detach() * divergence - upper.mean(1).mean())
        excess = divergence.detach() / ACTIONS - 0.05
        self.step(self.adams[4], optimism * excess - regularizer * excess)

    def sample(self, obs, noise):
        mean, log_std = self.actor(obs)
        normal = torch.distributions.Normal(mean, log_std.exp())
        u = mean + log_std.exp() * noise
        return u.tanh(), (normal.log_prob(u) - torch.log1p(-(u.tanh() ** 2))).sum(1)

    def between(self, q):
        return (q[0] + q[1]) / 2 - self.s.pessimism * (q[0] - q[1]).abs() / 2

    def error(self, q, y):
        if self.s.quantiles == 1:
            return ((q - y) ** 2).mean()
        n, total = self.s.quantiles, 0.0
        for i in range(n):
            for j in range(n):
                d = y[:, j] - q[:, i]
                huber = torch.where(d.abs() <= 1, d**2 / 2, d.abs() - 1 / 2)
                total += (((i + 0.5) / n - (d < 0).double()).abs() * huber).mean() / n
        return total

    def step(self, optimizer, loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def update(self, batch, draws):
        with torch.no_grad():
            action, log_prob = self.sample(batch.next_obs, draws.next_noise)
            q = self.between(self.slow(batch.next_obs, action))
            soft = q - self.log_alpha.exp() * log_prob[:, None]
            y = batch.reward[:, None] + batch.discount[:, None] * soft
        q = self.critic(batch.obs, batch.action)
        self.step(self.adams[0], self.error(q[0], y) + self.error(q[1], y))
        with torch.no_grad():
            for p, new in zip(self.slow.parameters(), self.critic.parameters(), strict=True):
                p.copy_((1 - self.s.averaging_rate) * p + self.s.averaging_rate * new)
        action, log_prob = self.sample(batch.obs, draws.noise[0])
        q = self.between(self.critic(batch.obs, action)).mean(1)
        self.step(self.adams[1], (self.log_alpha.exp().detach() * log_prob - q).mean())
        entropy = -log_prob.detach().mean()
        self.step(self.adams[2], self.log_alpha.exp() * (entropy + ACTIONS / 2))
        if self.s.optimistic:
            self.be_optimistic(batch.obs, draws.noise[1])


@pytest.mark.parametrize("changes", [
    {}, {"pessimism": 0.5, "critic_blocks": 1}, {"quantiles": 3, "pessimism": 1.0},
    {"optimistic": True}, {"optimistic": True, "quantiles": 3},
])  # fmt: skip
def test_two_updates_equal_the_naive_ones(changes):
    agent = agent_of(**changes)
    naive, start = Naive(agent), flat(agent.actor.module)
    for count in (1, 2):
        batch, draws = batch_and_draws(count)
        naive.update(batch, draws)
        agent.update(batch, draws, count)
    found = agent.critic.module, agent.critic.slow, agent.actor.module
    # Adam divides a gradient by its own size: float64's rounding of the smallest, 1e-6 or so, moves
    # a parameter by less than 1e-11 of a learning rate.
    for ours, theirs in zip(found, (naive.critic, naive.slow, naive.actor), strict=True):
        torch.testing.assert_close(flat(ours), flat(theirs), rtol=0, atol=1e-9)
    log = agent.temperature.module.log.detach()
    torch.testing.assert_close(log, naive.log_alpha.detach(), rtol=0, atol=1e-9)
    if agent.settings.optimistic:
        ours = [
            flat(agent.optimist.module),
            flat(agent.optimism.module),
            flat(agent.regularizer.module),
        ]
        theirs = [flat(naive.optimist), *(raw.detach().reshape(1) for raw in naive.raw)]
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)
    assert (flat(agent.actor.module) - start).abs().max() > 1e-5


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
