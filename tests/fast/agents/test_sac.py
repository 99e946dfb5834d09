"""What defines soft actor-critic: its equations written out, its order, its density."""

import copy
import math
from typing import NamedTuple

import pytest
import torch

from fast.agents.sac import PRESETS, SAC, Draws, SACSettings
from fast.nets.heads import squashed_sample

INPUTS, ACTIONS, BATCH = 3, 2, 5


class Batch(NamedTuple):
    obs: torch.Tensor
    action: torch.Tensor
    reward: torch.Tensor
    discount: torch.Tensor
    next_obs: torch.Tensor


def agent_of(**changes):
    changes = {"hidden": (16, 16)} | changes
    agent = SAC(SACSettings(**changes), (INPUTS,), ACTIONS, torch.Generator().manual_seed(1))
    for module in (*(held.module for held in agent.learners.values()), agent.critic.slow):
        module.double()
    return agent


def batch_and_draws(agent, seed=0):
    g = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    ended = torch.randint(0, 2, (BATCH,), generator=g)
    batch = Batch(normal(BATCH, INPUTS), normal(BATCH, ACTIONS).tanh(), normal(BATCH),
                  0.99 * ended, normal(BATCH, INPUTS))  # fmt: skip
    steps = agent.settings.actor_steps
    return batch, Draws(normal(BATCH, ACTIONS), normal(steps, BATCH, ACTIONS))


def flat(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def naive_update(agent, batch, draws, count):
    """The update line by line, with torch's own Adam and distributions, on copies of everything."""
    s = agent.settings
    critic, slow, actor = (copy.deepcopy(x) for x in (agent.critic.module, agent.critic.slow,
                                                      agent.actor.module))  # fmt: skip
    log_alpha = agent.temperature.module.log.detach().clone().requires_grad_()
    adams = [torch.optim.Adam(params, rate) for params, rate in [
        (critic.parameters(), s.critic_learning_rate), (actor.parameters(), s.actor_learning_rate),
        ([log_alpha], s.temperature_learning_rate)]]  # fmt: skip

    def sample(obs, noise):
        mean, log_std = actor(obs)
        normal = torch.distributions.Normal(mean, log_std.exp())
        u = mean + log_std.exp() * noise
        return u.tanh(), (normal.log_prob(u) - torch.log1p(-(u.tanh() ** 2))).sum(1)

    with torch.no_grad():
        action, log_prob = sample(batch.next_obs, draws.next_noise)
        q = torch.minimum(*slow(batch.next_obs, action))
        y = s.reward_scale * batch.reward + batch.discount * (q - log_alpha.exp() * log_prob)
    q = critic(batch.obs, batch.action)
    adams[0].zero_grad()
    (((q[0] - y) ** 2).mean() + ((q[1] - y) ** 2).mean()).backward()
    adams[0].step()
    with torch.no_grad():
        for p, new in zip(slow.parameters(), critic.parameters(), strict=True):
            p.copy_((1 - s.averaging_rate) * p + s.averaging_rate * new)
    for noise in draws.noise:
        action, log_prob = sample(batch.obs, noise)
        adams[1].zero_grad()
        q = torch.minimum(*critic(batch.obs, action))
        (log_alpha.exp().detach() * log_prob - q).mean().backward()
        adams[1].step()
        adams[2].zero_grad()
        wanted = s.target_entropy_per_action * ACTIONS
        (log_alpha.exp() * (-log_prob.detach().mean() - wanted)).backward()
        adams[2].step()
    return critic, slow, actor, log_alpha


@pytest.mark.parametrize("changes", [
    {}, {"actor_steps": 2, "reward_scale": 0.1}, {"normalisation": "layer_norm"},
    {"residual": True}, {"activation": "tanh", "actor_activation": "sigmoid"},
    {k: v for k, v in PRESETS["grama"]["agent"].items() if k != "first_update"},
])  # fmt: skip
def test_a_first_update_equals_the_naive_one(changes):
    agent = agent_of(**changes)
    batch, draws = batch_and_draws(agent)
    expected = naive_update(agent, batch, draws, 1)
    before = flat(agent.actor.module)
    agent.update(batch, draws, 1)
    found = agent.critic.module, agent.critic.slow, agent.actor.module
    # Adam's first step is the learning rate times the sign of a gradient, of 1e-6 or more here:
    # float64's rounding of it moves a parameter by less than 1e-11.
    for ours, theirs in zip(found, expected, strict=False):
        torch.testing.assert_close(flat(ours), flat(theirs), rtol=0, atol=1e-9)
    torch.testing.assert_close(
        agent.temperature.module.log.detach(), expected[3].detach(), rtol=0, atol=1e-9
    )
    assert (flat(agent.actor.module) - before).abs().max() > 1e-5


def test_a_terminal_state_is_not_bootstrapped_and_a_time_limit_is():
    agent = agent_of()
    batch, draws = batch_and_draws(agent)
    ended = batch._replace(discount=torch.zeros(BATCH, dtype=torch.float64))
    assert torch.equal(agent.target(ended, draws.next_noise), batch.reward)
    on = batch._replace(discount=torch.full((BATCH,), 0.99, dtype=torch.float64))
    assert not torch.isclose(agent.target(on, draws.next_noise), batch.reward).any()


@pytest.mark.parametrize("period", ["target_period", "actor_period"])
def test_a_period_of_two_acts_at_the_first_and_every_second_update(period):
    agent = agent_of(**{period: 2})
    module = {"target_period": agent.critic.slow, "actor_period": agent.actor.module}[period]
    changed = []
    for count in (1, 2, 3, 4):
        before = flat(module)
        agent.update(*batch_and_draws(agent, count), count)
        changed.append(not torch.equal(before, flat(module)))
    assert changed == [True, False, True, False]


def test_the_density_of_a_squashed_sample_integrates_to_one():
    """By quadrature over the action; at |u| = 20 it is finite and equals the exact one."""
    mean, log_std = torch.tensor([[0.3]]).double(), torch.tensor([[-0.5]]).double()
    u = torch.linspace(-12, 12, 100_001, dtype=torch.float64)[:, None]
    noise = (u - mean) / log_std.exp()
    _, log_prob = squashed_sample(mean.expand_as(u), log_std.expand_as(u), noise)
    # da = (1 - a^2) du, so that the trapezoidal rule is one of a smooth function of u
    slope = 1 / torch.cosh(u[:, 0]) ** 2
    total = torch.trapezoid(log_prob.exp() * slope, u[:, 0])
    assert total.item() == pytest.approx(1, abs=1e-9)
    for far in (20.0, -20.0):
        zero, one = torch.zeros(1, 1).double(), torch.full((1, 1), far).double()
        _, log_prob = squashed_sample(zero, zero, one)
        exact = -0.5 * far**2 - 0.5 * math.log(2 * math.pi) + 2 * math.log(math.cosh(far))
        assert log_prob.item() == pytest.approx(exact, abs=1e-10)


def test_the_width_factor_scales_every_hidden_layer():
    agent = SAC(SACSettings(hidden=(8, 6), width=0.5), (INPUTS,), ACTIONS, torch.Generator())
    shapes = {k: tuple(v.shape) for k, v in agent.critic.params.items() if "weight" in k}
    assert shapes["heads.0.dense0.weight"] == (4, INPUTS + ACTIONS)
    assert shapes["heads.1.dense1.weight"] == (3, 4)
    assert tuple(agent.actor.params["head.dense1.weight"].shape) == (3, 4)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_makes_an_agent(preset):
    agent = SAC(
        SACSettings(**PRESETS[preset].get("agent", {})), (INPUTS,), ACTIONS, torch.Generator()
    )
    assert [*agent.learners] == ["critic", "actor", "temperature"]
