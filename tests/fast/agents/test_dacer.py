"""What defines DACER: its diffusion in closed form, its critic's losses, its entropy, its order."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import integrate

from fast import config as configs
from fast import measures
from fast.agents import dacer
from fast.agents.dacer import DACER
from fast.errors import InputError
from fast.experience.replay import Batch
from fast.nets import diffusion

INPUTS, ACTIONS, BATCH = 3, 2, 5
EPS = np.finfo(np.float64).eps


def agent_of(**changes):
    settings = replace(configs.build("dacer", "HalfCheetah-v4", preset="tiny").agent, **changes)
    agent = DACER(settings, (INPUTS,), ACTIONS, torch.Generator().manual_seed(1))
    for module in (*(held.module for held in agent.learners.values()), agent.critic.slow):
        module.double()
    return agent


def batch_and_draws(agent, seed=0):
    g = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    discount = torch.full((BATCH,), 0.99, dtype=torch.float64)
    batch = Batch(normal(BATCH, INPUTS), normal(BATCH, ACTIONS).tanh(), normal(BATCH), discount,
                  normal(BATCH, INPUTS))  # fmt: skip
    draws = agent.draws(BATCH, g)
    return batch, dacer.Draws(*(x.double() for x in draws[:3]), draws.seed)


# --- the diffusion ----------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 5, 20, 1000])
def test_what_is_kept_of_an_action_is_exp_of_minus_the_integral_of_the_rate(steps):
    """By numeric integration of the rate, which grows linearly from 0.1 to 10."""
    kept = np.cumprod(1 - diffusion.variances(steps))
    for t in {1, steps // 2 or 1, steps}:
        area, error = integrate.quad(lambda u: 0.1 + 9.9 * u, 0, t / steps)
        assert error < 1e-12
        # a product of t rounded factors, and what the integral is off by
        assert kept[t - 1] == pytest.approx(math.exp(-area), rel=4 * t * EPS + 1e-12)


@pytest.mark.parametrize("t", [1, 2, 500, 1000])
def test_a_denoising_step_has_the_mean_and_variance_of_bayes_rule(t):
    """q(x_{t-1} | x_t, x_0) is proportional to q(x_t | x_{t-1}) q(x_{t-1} | x_0): by quadrature."""
    beta = diffusion.variances(1000)
    kept = np.append(1.0, np.cumprod(1 - beta))
    x0, x = 0.4, -0.7
    by = diffusion.chain(1000)[t - 1]
    predicted = (x - math.sqrt(kept[t]) * x0) / math.sqrt(1 - kept[t])
    one = [torch.tensor(v, dtype=torch.float64) for v in (x, predicted, 0.0)]
    mean, deviation = diffusion.denoise(*one, by).item(), by[4]
    if t == 1:  # nothing but x_0 itself
        assert (mean, deviation) == (pytest.approx(x0, abs=1e-12), 0.0)
        return

    def log_density(y):
        forward = (x - math.sqrt(1 - beta[t - 1]) * y) ** 2 / beta[t - 1]
        return -0.5 * (forward + (y - math.sqrt(kept[t - 1]) * x0) ** 2 / (1 - kept[t - 1]))

    # The trapezoidal rule of a normal over +- 12 of its deviations is exact but for rounding.
    y = mean + deviation * np.linspace(-12, 12, 4001)
    weight = np.exp(log_density(y) - log_density(mean))
    weight /= weight.sum()
    found = weight @ y
    assert mean == pytest.approx(found, abs=1e-11 * max(1, deviation))
    assert deviation**2 == pytest.approx(weight @ (y - found) ** 2, rel=1e-9)


@pytest.mark.parametrize("steps", [1, 5, 20, 1000])
def test_all_denoising_steps_together_undo_the_forward_process(steps):
    """Where the noise is predicted as it is, x_t after each step is as it was in the forward one:
    normal, mean sqrt(kept) x_0, variance 1 - kept. A step is affine: both are composed exactly."""
    x0 = torch.tensor(0.3, dtype=torch.float64)
    kept = torch.from_numpy(np.append(1.0, np.cumprod(1 - diffusion.variances(steps))))
    mean, variance = kept[-1].sqrt() * x0, 1 - kept[-1]
    zero, one = torch.tensor([0.0, 1.0], dtype=torch.float64)
    chain = diffusion.chain(steps)
    for t in range(steps, 0, -1):

        def step(x, noise, t=t):
            predicted = (x - kept[t].sqrt() * x0) / (1 - kept[t]).sqrt()
            return diffusion.denoise(x, predicted, noise, chain[t - 1])

        slope, spread = step(one, zero) - step(zero, zero), step(zero, one) - step(zero, zero)
        mean, variance = step(mean, zero), slope**2 * variance + spread**2
        # each step rounds a few times, at numbers of at most 1 / sqrt(1 - kept_1) in size
        bound = 64 * steps * EPS / math.sqrt(1 - kept[1])
        assert abs(mean - kept[t - 1].sqrt() * x0) < bound
        assert abs(variance - (1 - kept[t - 1])) < bound


def test_the_actor_composes_the_steps_with_its_noise():
    agent = agent_of(steps=3)
    batch, draws = batch_and_draws(agent)
    actor, noise = agent.actor.module, draws.noise
    x = noise[0]
    waves = torch.tensor(diffusion.waves(3, 4), dtype=torch.float64)
    for i, t in enumerate((2, 1, 0)):
        time = actor.time(waves[t]).expand(BATCH, -1)
        predicted = actor.head(torch.cat([batch.obs, x, time], 1))
        x = diffusion.denoise(x, predicted, noise[i + 1], diffusion.chain(3)[t])
    assert torch.equal(actor(batch.obs, noise), x)
    other = torch.cat([noise[:3], noise[3:] + 1])  # the last noise is added to the action alone
    assert torch.equal(actor(batch.obs, other), x)
    assert x.abs().max() <= 1
    played = (x + 0.1 * 3.0 * noise[3]).clamp(-1, 1)
    torch.testing.assert_close(agent.policy(batch.obs, noise), played, rtol=1e-7, atol=0)


def test_the_policy_is_differentiated_through_all_steps():
    """The gradient of the first noise, which every step hands on, is a central difference's."""
    agent = agent_of(steps=4)
    batch, draws = batch_and_draws(agent, 3)
    noise = draws.noise.clone().requires_grad_()
    direction = torch.randn(noise.shape, generator=torch.Generator().manual_seed(5)).double()
    direction[1:] = 0
    (grad,) = torch.autograd.grad(agent.actor_loss(batch.obs, noise), noise)
    step = 1e-6
    ends = [agent.actor_loss(batch.obs, noise.detach() + s * step * direction) for s in (1, -1)]
    difference = (ends[0] - ends[1]).item() / (2 * step)
    assert difference != 0
    # rounding of the losses over 2 steps, and the third derivative times the step squared
    assert (grad * direction).sum().item() == pytest.approx(difference, rel=1e-6, abs=1e-9)


# --- acting -----------------------------------------------------------------------------------


def test_an_evaluated_action_is_of_its_state_alone():
    agent = agent_of()
    obs = batch_and_draws(agent)[0].obs
    actions = agent.act(obs)
    assert torch.equal(actions, agent.act(obs))
    torch.testing.assert_close(actions[3:4], agent.act(obs[3:4]), rtol=1e-12, atol=1e-12)
    drawn = [agent.act(obs, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert torch.stack([actions, *drawn]).abs().max() <= 1


# --- learning ---------------------------------------------------------------------------------


def test_the_critics_gradient_is_that_of_its_equations():
    """In a mean -w (y - m) / (d^2 + 0.1), in a deviation -w ((m - y~)^2 - d^2) / (d^3 + 0.1)."""
    agent = agent_of()
    agent.critic.module.spread.copy_(torch.tensor([0.1, 0.2]))
    batch, _ = batch_and_draws(agent)
    y = torch.tensor([-3.0, -0.2, 0.0, 0.2, 3.0], dtype=torch.float64)
    mean, deviation = agent.critic.module(batch.obs, batch.action)
    loss, b = agent.critic_loss(batch, y, 2 * y)
    m, d, b = mean.detach(), deviation.detach(), b[:, None]
    w = (b**2 + 0.1) / BATCH
    sample = torch.maximum(torch.minimum(2 * y, m + 3 * b), m - 3 * b)
    assert (sample != 2 * y).any() and (sample == 2 * y).any()
    of_mean = -w * (y - m) / (d**2 + 0.1)
    of_deviation = -w * ((m - sample) ** 2 - d**2) / (d**3 + 0.1)
    params = list(agent.critic.module.parameters())
    found = torch.autograd.grad(loss, params)
    expected = torch.autograd.grad((mean * of_mean + deviation * of_deviation).sum(), params)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)


def test_the_moving_mean_of_deviations_begins_at_the_first_and_moves_with_each_update():
    agent = agent_of(averaging_rate=0.25)
    batch, draws = batch_and_draws(agent)
    b = torch.zeros(2, dtype=torch.float64)
    for count in (1, 2, 3):
        now = agent.critic.module(batch.obs, batch.action)[1].detach().mean(1)
        b = now if count == 1 else 0.75 * b + 0.25 * now
        agent.update(batch, draws, count)
        torch.testing.assert_close(agent.critic.module.spread, b, rtol=1e-12, atol=0)


def test_every_gradient_is_taken_before_any_step():
    """The actor's is on the critic as it was, the critic's target from the actor as it was."""
    agent, untouched = agent_of(), agent_of()
    batch, draws = batch_and_draws(agent)
    agent.update(batch, draws, 1)
    for name in ("critic", "actor"):
        params = list(untouched.learners[name].module.parameters())
        expected = torch.autograd.grad(untouched.loss(name, batch, draws), params)
        for p, grad in zip(agent.learners[name].module.parameters(), expected, strict=True):
            assert torch.equal(p.grad, grad)


@pytest.mark.parametrize(("period", "part"), [("policy_period", "actor"),
                                              ("policy_period", "target"),
                                              ("alpha_period", "temperature")])  # fmt: skip
def test_a_period_of_two_acts_at_the_first_and_every_second_update(period, part):
    agent = agent_of(**{"policy_period": 1, "alpha_period": 1} | {period: 2})
    module = agent.critic.slow if part == "target" else agent.learners[part].module
    changed = []
    for count in (1, 2, 3, 4):
        before = [p.detach().clone() for p in module.parameters()]
        agent.update(*batch_and_draws(agent, count), count)
        after = list(module.parameters())
        changed.append(any(not torch.equal(a, b) for a, b in zip(before, after, strict=True)))
    assert changed == [True, False, True, False]


def test_a_terminal_state_is_not_bootstrapped_and_the_smaller_heads_sample_is():
    agent = agent_of(reward_scale=0.5)
    batch, draws = batch_and_draws(agent)
    ended = batch._replace(discount=torch.zeros(BATCH, dtype=torch.float64))
    for value in agent.target(ended, draws):
        assert torch.equal(value, 0.5 * batch.reward)
    with torch.no_grad():  # one head below the other, whatever the state
        agent.critic.slow.get_submodule("heads.0").final.bias[0] -= 1e6
    y, sampled = agent.target(batch, draws)
    action = agent.policy(batch.next_obs, draws.next_noise)
    mean, deviation = (x[0] for x in agent.critic.slow(batch.next_obs, action))
    z = draws.value[0].clamp(-3, 3)
    torch.testing.assert_close(y, 0.5 * batch.reward + 0.99 * mean)
    torch.testing.assert_close(sampled, 0.5 * batch.reward + 0.99 * (mean + deviation * z))


# --- entropy ----------------------------------------------------------------------------------


def test_the_entropy_of_normal_samples_is_that_of_their_normal():
    """One component fitted to n samples has their covariance, up to scikit-learn's 1e-6."""
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 3))
    covariance = np.cov(samples.T, bias=True) + 1e-6 * np.eye(3)
    expected = 0.5 * np.linalg.slogdet(2 * math.pi * math.e * covariance)[1]
    assert dacer.entropy(samples, 1) == pytest.approx(expected, rel=1e-10)


def test_the_entropy_of_components_far_apart_is_exact():
    """Then which component it is and where in it are independent: by quadrature in one axis."""
    weight, deviation = np.array([0.3, 0.7]), np.array([0.5, 2.0])
    found = dacer.mixture_entropy(weight, (deviation**2)[:, None, None])

    def integrand(x):
        parts = [w / (s * math.sqrt(2 * math.pi)) * math.exp(-(((x - m) / s) ** 2) / 2)
                 for w, s, m in zip(weight, deviation, (0.0, 100.0), strict=True)]  # fmt: skip
        density = sum(parts)
        return -density * math.log(density) if density > 0 else 0.0

    areas = [integrate.quad(integrand, a, b)[0] for a, b in ((-6, 6), (75, 125))]
    assert found == pytest.approx(sum(areas), abs=1e-7)


def test_alpha_grows_while_the_policy_is_less_random_than_wanted():
    for target, grows in ((100.0, True), (-100.0, False)):
        agent = agent_of(target_entropy_per_action=target)
        before = agent.alpha
        agent.update(*batch_and_draws(agent), 1)
        assert bool(agent.alpha > before) == grows


def test_settings_that_cannot_be_together_are_refused():
    with pytest.raises(InputError, match="entropy-samples"):
        agent_of(entropy_samples=1).settings.require((3,))


# --- looking ----------------------------------------------------------------------------------


def test_a_look_at_the_actor_is_at_the_passes_of_all_denoising_steps():
    """Each row of h is of one step; the mean over rows is over steps and batch."""
    agent = agent_of(steps=3)
    batch, draws = batch_and_draws(agent)
    seen = measures.look(agent, "actor", batch, draws)
    assert seen["head.dense0"].h.shape == (3 * BATCH, 16) == seen["head.dense0"].dh.shape
    assert seen.keys() == {"head.dense0", "head.dense1"} == agent.actor.readers.keys()
    layer = agent.actor.module.head.get_submodule("dense0")
    # dweight is the sum over rows of dz and what the layer read: of the states the columns
    states = batch.obs.repeat(3, 1)
    expected = seen["head.dense0"].dz.T @ states
    torch.testing.assert_close(seen["head.dense0"].dweight[:, :INPUTS], expected)
    assert layer.weight.shape[1] == INPUTS + ACTIONS + 4
