"""What defines DrQ-v2: its noise, its shift, and which network reads what."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fast import config as configs
from fast.agents.drq import random_shift
from fast.agents.drqv2 import LIMIT, DrQv2, DrQv2Settings, noisy
from fast.errors import InputError
from fast.experience.play import Play
from fast.experience.replay import Batch
from fast.runs.session import Clock


def agent_of(**changes):
    config = configs.build("drqv2", "cartpole-swingup", preset="tiny")
    settings = replace(config.agent, **changes)
    return DrQv2(settings, configs.seen(config), 2, torch.Generator().manual_seed(1))


def batch_and_draws(agent, batch=6):
    g = torch.Generator().manual_seed(0)
    obs = torch.randint(0, 256, (2, batch, 9, 32, 32), dtype=torch.uint8, generator=g)
    action, reward = 2 * torch.rand(batch, 2, generator=g) - 1, torch.randn(batch, generator=g)
    transitions = Batch(obs[0], action, reward, torch.full((batch,), 0.99), obs[1])
    return transitions, agent.draws(batch, g)


def test_the_noise_falls_down_a_line_between_its_ends():
    s = DrQv2Settings(noise_start=1.0, noise_end=0.1, noise_steps=500)
    assert (s.noise(0), s.noise(500), s.noise(501), s.noise(10**9)) == (1.0, 0.1, 0.1, 0.1)
    assert s.noise(250) == pytest.approx(0.55, rel=1e-15)
    with pytest.raises(InputError, match="noise-start"):
        DrQv2Settings(noise_start=0.05).require((9, 84, 84))


@pytest.mark.parametrize("ratio", [2.0, 1.0, 0.5, 0.3])
def test_an_update_has_the_noise_of_its_agent_step(ratio):
    agent = agent_of(updates_per_step=ratio, first_update=7)
    replay = SimpleNamespace(stack=1, sample=lambda size, generator: None)
    play, count = Play(None, None, agent, replay, seed=0, clock=Clock()), 0
    for step in range(1, 40):
        play.agent_step = step
        for _ in play._due():
            count += 1
            assert agent.settings.agent_step(count) == step
    agent.update(*batch_and_draws(agent), 5)
    wanted = agent.settings.noise(agent.settings.agent_step(5))
    assert agent.actor.module.sigma.item() == pytest.approx(wanted, rel=1e-7)


def test_what_is_played_has_the_noise_of_the_last_update_and_is_kept_within_the_limit():
    agent = agent_of()
    batch, _ = batch_and_draws(agent)
    mean, sigma = agent.act(batch.obs), agent.actor.module.sigma
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(3))
    played = agent.act(batch.obs, torch.Generator().manual_seed(3))
    assert torch.equal(played, (mean + sigma * noise).clamp(-LIMIT, LIMIT))
    sigma.fill_(100.0)
    far = agent.act(batch.obs, torch.Generator().manual_seed(3))
    assert torch.equal(far, LIMIT * noise.sign())


def test_noise_is_clipped_in_learning_and_actions_beyond_the_limit_have_a_gradient():
    mean = torch.tensor([0.0, 0.9, -0.99], dtype=torch.float64, requires_grad=True)
    noise = torch.tensor([5.0, 0.2, -5.0], dtype=torch.float64)
    found = noisy(mean, torch.tensor(0.5, dtype=torch.float64), noise, clip=0.3)
    assert found.tolist() == [0.3, LIMIT, -LIMIT]
    found.sum().backward()
    assert mean.grad.tolist() == [1, 1, 1]


@pytest.mark.parametrize("size", [9, 20])
def test_interpolating_at_the_centres_of_shifted_pixels_is_shifting_whole_pixels(size):
    """The form of the public code: a grid over the padded picture, moved by whole pixels."""
    pad, side = 4, size + 8
    g = torch.Generator().manual_seed(size)
    obs = torch.randint(0, 256, (6, 3, size, size), dtype=torch.uint8, generator=g)
    shift = torch.randint(2 * pad + 1, (6, 2), generator=g)
    moved = 2 * shift.double() / side
    centre = (2 * torch.arange(size, dtype=torch.float64) + 1) / side - 1  # in [-1, 1]
    rows = centre[None, :, None] + moved[:, 0, None, None]
    columns = centre[None, None, :] + moved[:, 1, None, None]
    grid = torch.stack(torch.broadcast_tensors(columns, rows), dim=-1)
    padded = F.pad(obs.double(), (pad,) * 4, "replicate")
    expected = F.grid_sample(padded, grid, align_corners=False)
    # A place is off by some units in 2^-52 of a side, a pixel by 255 times as much.
    bound = 255 * side * 16 * np.finfo(np.float64).eps
    found = random_shift(obs, shift, pad).double()
    torch.testing.assert_close(found, expected, rtol=0, atol=bound)


def test_the_encoder_is_trained_by_the_critic_alone_and_the_target_has_none():
    agent = agent_of()
    batch, draws = batch_and_draws(agent)
    before = agent.loss("critic", batch, draws)
    with torch.no_grad():  # nothing is read of the target's encoder
        for p in agent.critic.slow.encoder.parameters():
            p.add_(torch.randn_like(p))
    assert torch.equal(agent.loss("critic", batch, draws), before)
    encoder = list(agent.critic.module.encoder.parameters())
    grads = torch.autograd.grad(agent.loss("actor", batch, draws), encoder, allow_unused=True)
    assert all(grad is None for grad in grads)
    assert all(g.any() for g in torch.autograd.grad(agent.loss("critic", batch, draws), encoder))


def test_the_encoder_sees_pictures_around_zero():
    agent = agent_of()
    obs = torch.full((1, 9, 32, 32), 255, dtype=torch.uint8)
    encoder = agent.critic.module.encoder
    first = encoder.get_submodule("conv0")
    expected = first.weight.sum((1, 2, 3)) / 2 + first.bias
    seen = []
    first.register_forward_hook(lambda module, inputs, out: seen.append((inputs[0], out)))
    encoder(obs)
    torch.testing.assert_close(seen[0][0], torch.full((1, 9, 32, 32), 0.5), rtol=0, atol=0)
    torch.testing.assert_close(seen[0][1][0, :, 0, 0], F.relu(expected))


def test_the_paper_preset_is_quadruped_run_of_the_public_code():
    config = configs.build("drqv2", "quadruped-run")
    assert (config.env.action_repeat, config.env.camera, config.env.frame_stack) == (2, 2, 3)
    steps = config.agent.agent_step(config.run.updates)
    assert steps * config.env.action_repeat == 3_000_000
