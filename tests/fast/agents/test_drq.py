"""One DrQ update against a naive one, and what defines each of its parts."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from fast import config as configs
from fast import losses, measures, scores
from fast.agents.drq import DrQ, random_shift
from fast.experience.replay import Batch
from fast.nets.encoders import ResNet18
from fast.nets.heads import squashed_sample
from fast.nets.layers import tapped

ACTIONS, SIZE, BATCH = 2, 32, 6


def agent_of(preset="tiny", method="baseline", dtype=torch.float64, **changes):
    """An agent with tiny networks in float64, and the settings it was made from."""
    config = configs.build("drq", "cartpole-swingup", method, "tiny")
    source = configs.build("drq", "cartpole-swingup", method, preset)
    small = {"channels": 4, "strides": (2, 2, 1, 1), "latent": 8, "hidden": (16, 16)}
    s = replace(source.agent, **({"batch_size": BATCH} | small | changes))
    agent = DrQ(s, configs.seen(config), ACTIONS, torch.Generator().manual_seed(1))
    for module in (agent.critic.module, agent.critic.slow, agent.actor.module):
        module.to(dtype)
    return agent


def batch_and_draws(agent, seed=0):
    g = torch.Generator().manual_seed(seed)
    dtype = next(agent.actor.module.parameters()).dtype
    pictures = torch.randint(0, 256, (2, BATCH, 9, SIZE, SIZE), dtype=torch.uint8, generator=g)
    batch = Batch(
        pictures[0],
        2 * torch.rand(BATCH, ACTIONS, generator=g, dtype=dtype) - 1,
        torch.randn(BATCH, generator=g, dtype=dtype),
        0.99 * torch.randint(0, 2, (BATCH,), generator=g).to(dtype),
        pictures[1],
    )
    draws = agent.draws(BATCH, g)
    return batch, draws._replace(next_noise=draws.next_noise.to(dtype), noise=draws.noise.to(dtype))


def flat(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


class NaiveDrQ:
    """jaxrl's update, line by line and wastefully: the actor owns a copy of the encoder.

    Every gradient is taken of a loss that is written out here, and every Adam step is torch's.
    """

    def __init__(self, agent):
        self.settings = agent.settings
        self.critic = copy.deepcopy(agent.critic.module)
        self.target = copy.deepcopy(agent.critic.slow)
        self.actor = copy.deepcopy(agent.actor.module)
        self.actor_encoder = copy.deepcopy(agent.critic.module.encoder)
        self.log_alpha = agent.temperature.module.log.detach().clone().requires_grad_()
        s = self.settings
        self.critic_adam = torch.optim.Adam(self.critic.parameters(), s.learning_rate)
        self.actor_adam = torch.optim.Adam(self.actor.parameters(), s.learning_rate)
        self.alpha_adam = torch.optim.Adam([self.log_alpha], s.temperature_learning_rate)

    def crop(self, pictures, shift):
        padded = F.pad(pictures.double(), [self.settings.pad] * 4, mode="replicate")
        crops = [p[:, y : y + SIZE, x : x + SIZE] for p, (y, x) in zip(padded, shift, strict=True)]
        return torch.stack(crops)

    def sample(self, obs, noise):
        mean, log_std = self.actor(self.actor_encoder(obs).detach())
        u = mean + log_std.exp() * noise
        action = torch.tanh(u)
        normal = torch.distributions.Normal(mean, log_std.exp()).log_prob(u).sum(1)
        return action, normal - torch.log(1 - action**2).sum(1)

    def update(self, batch, draws, count):
        s, alpha = self.settings, self.log_alpha.detach().exp()
        with torch.no_grad():
            y = 0
            for shift, noise in zip(draws.next_obs_shift, draws.next_noise, strict=True):
                next_obs = self.crop(batch.next_obs, shift)
                action, log_prob = self.sample(next_obs, noise)
                q1, q2 = self.target(self.target.encoder(next_obs), action)
                value = torch.minimum(q1, q2) - alpha * log_prob
                y = y + (batch.reward + batch.discount * value)
            y = y / len(draws.next_noise)
        loss = 0
        for shift in draws.obs_shift:
            obs = self.crop(batch.obs, shift)
            q1, q2 = self.critic(self.critic.encoder(obs), batch.action)
            loss = loss + F.mse_loss(q1, y) + F.mse_loss(q2, y)
        self.critic_adam.zero_grad()
        loss.backward()
        self.critic_adam.step()

        if (count - 1) % s.target_period == 0:
            pairs = zip(self.target.parameters(), self.critic.parameters(), strict=True)
            for old, new in pairs:
                mixed = (1 - s.averaging_rate) * old + s.averaging_rate * new
                old.data.copy_(mixed.detach())
        self.actor_encoder.load_state_dict(self.critic.encoder.state_dict())

        if (count - 1) % s.actor_period == 0:
            obs = self.crop(batch.obs, draws.obs_shift[0])
            action, log_prob = self.sample(obs, draws.noise)
            q = torch.minimum(*self.critic(self.critic.encoder(obs), action))
            self.actor_adam.zero_grad()
            (alpha * log_prob - q).mean().backward()
            self.actor_adam.step()
            entropy = -log_prob.detach().mean()
            self.alpha_adam.zero_grad()
            target_entropy = s.target_entropy_per_action * ACTIONS
            (self.log_alpha.exp() * (entropy - target_entropy)).backward()
            self.alpha_adam.step()


@pytest.mark.parametrize("preset", ["paper", "drq-original"])
def test_three_updates_equal_the_naive_ones(preset):
    agent = agent_of(preset)
    naive = NaiveDrQ(agent)
    for count in (1, 2, 3):
        batch, draws = batch_and_draws(agent, seed=count)
        agent.update(batch, draws, count)
        naive.update(batch, draws, count)
    for ours, theirs in [
        (agent.critic.module, naive.critic),
        (agent.critic.slow, naive.target),
        (agent.actor.module, naive.actor),
    ]:
        # Adam divides by the root of the squared gradient, so an error of float64's 1e-16 in a
        # gradient of size g moves a parameter by about learning_rate * 1e-16 / g; g > 1e-9 here.
        torch.testing.assert_close(flat(ours), flat(theirs), rtol=0, atol=1e-9)
    torch.testing.assert_close(agent.temperature.module.log, naive.log_alpha, rtol=0, atol=1e-6)
    start = agent_of(preset)
    for moved, before in [
        (agent.critic.module, start.critic.module),
        (agent.actor.module, start.actor.module),
    ]:
        assert (flat(moved) - flat(before)).abs().max() > 1e-4


def test_the_target_moves_towards_the_new_critic():
    agent = agent_of(averaging_rate=0.25)
    before = flat(agent.critic.slow)
    agent.update(*batch_and_draws(agent), 1)
    expected = 0.75 * before + 0.25 * flat(agent.critic.module)
    torch.testing.assert_close(flat(agent.critic.slow), expected, rtol=1e-14, atol=1e-15)


def test_the_actors_step_changes_neither_the_critic_nor_its_gradients():
    agent = agent_of()
    batch, draws = batch_and_draws(agent)
    before = flat(agent.critic.module)
    agent.actor.step(agent.loss("actor", batch, draws))
    assert torch.equal(before, flat(agent.critic.module))
    assert all(p.grad is None for p in agent.critic.module.parameters())
    assert all(p.grad is not None for p in agent.actor.module.parameters())


def test_the_encoder_runs_once_in_the_actors_step_and_after_the_critics():
    agent = agent_of()
    seen = []
    agent.critic.module.encoder.conv0.register_forward_hook(
        lambda module, args, out: seen.append(module.weight.detach().clone())
    )
    old = agent.critic.module.encoder.conv0.weight.detach().clone()
    agent.update(*batch_and_draws(agent), 1)
    new = agent.critic.module.encoder.conv0.weight.detach()
    assert not torch.equal(old, new)
    # a' and the critic's step see the old encoder, the actor's step sees the new one, once
    assert [torch.equal(weight, new) for weight in seen] == [False, False, True]


def test_a_true_end_is_not_bootstrapped_and_a_time_limit_is():
    agent = agent_of()
    batch, draws = batch_and_draws(agent)
    ended = batch._replace(discount=torch.zeros_like(batch.discount))
    pictures = agent.critic.module.encoder.pictures(batch.next_obs)
    assert torch.equal(agent.target(ended, pictures, draws.next_noise), batch.reward)
    running = batch._replace(discount=torch.ones_like(batch.discount))
    target = agent.target(running, pictures, draws.next_noise)
    assert not torch.isclose(target, batch.reward).any()


@pytest.mark.parametrize("period", ["target_period", "actor_period"])
def test_a_period_of_two_acts_at_the_first_and_every_second_update(period):
    agent = agent_of(**{period: 2})
    module = {"target_period": agent.critic.slow, "actor_period": agent.actor.module}[period]
    changed = []
    for count in (1, 2, 3, 4):
        before = flat(module)
        agent.update(*batch_and_draws(agent), count)
        changed.append(not torch.equal(before, flat(module)))
    assert changed == [True, False, True, False]


@pytest.mark.parametrize(("entropy_is_low", "sign"), [(True, 1), (False, -1)])
def test_the_temperature_rises_when_the_entropy_is_below_its_target(entropy_is_low, sign):
    target = 100.0 if entropy_is_low else -100.0
    agent = agent_of(target_entropy_per_action=target)
    before = agent.alpha.item()
    agent.update(*batch_and_draws(agent), 1)
    assert sign * (agent.alpha.item() - before) > 0


def test_decay_shrinks_the_critics_kernels_by_exactly_its_rate_and_nothing_else():
    for decay_biases in (False, True):
        settings = {"weight_decay": 0.5, "decay_biases": decay_biases, "learning_rate": 0.25}
        agent = agent_of(method="lnwd", **settings)
        for p in [*agent.critic.module.parameters(), *agent.actor.module.parameters()]:
            p.data.fill_(1.0)
            p.grad = torch.zeros_like(p)
        agent.critic.optimizer.step()
        agent.actor.optimizer.step()
        for p in agent.critic.module.parameters():
            decays = p.ndim > 1 or decay_biases
            assert torch.equal(p, torch.full_like(p, 1 - 0.25 * 0.5 if decays else 1.0))
        assert all(torch.equal(p, torch.ones_like(p)) for p in agent.actor.module.parameters())


def test_lnwd_normalises_before_each_relu_of_the_critics_heads_only():
    agent = agent_of(method="lnwd")
    batch, _ = batch_and_draws(agent)
    with tapped(agent.critic.module) as critic, tapped(agent.actor.module) as actor:
        features = agent.critic.module.encoder(batch.obs)
        agent.critic.module(features, batch.action)
        agent.actor.module(features)
    heads = {k: v for k, v in (critic | actor).items() if "head" in k}
    for name, (z, h) in heads.items():
        assert torch.equal(h, z.clamp(min=0))
        normal = torch.allclose(z.mean(1), torch.zeros(BATCH, dtype=z.dtype), atol=1e-12)
        assert normal == name.startswith("heads")
    assert [*heads] == [f"{n}.dense{i}" for n in ("heads.0", "heads.1", "head") for i in (0, 1)]
    norms = [m for m in agent.actor.module.modules() if isinstance(m, torch.nn.LayerNorm)]
    assert norms == [agent.actor.module.trunk.norm]


def test_the_shift_pads_with_the_edge_and_crops_and_keeps_every_byte():
    g = torch.Generator().manual_seed(0)
    obs = torch.randint(0, 256, (81, 9, 7, 5), dtype=torch.uint8, generator=g)
    shift = torch.cartesian_prod(torch.arange(9), torch.arange(9))
    padded = F.pad(obs.double(), [4, 4, 4, 4], mode="replicate").to(torch.uint8)
    crops = [p[:, y : y + 7, x : x + 5] for p, (y, x) in zip(padded, shift, strict=True)]
    assert torch.equal(random_shift(obs, shift, pad=4), torch.stack(crops))
    assert torch.equal(random_shift(obs, torch.full((81, 2), 4), pad=4), obs)


@pytest.mark.parametrize("bfloat16", [False, True])
def test_pictures_are_rounded_once_whatever_type_they_go_through(bfloat16):
    encoder = agent_of(dtype=torch.float32, bfloat16=bfloat16).critic.module.encoder
    every = torch.arange(256, dtype=torch.uint8)
    expected = (every.double() / 255).to(torch.bfloat16 if bfloat16 else torch.float32)
    assert torch.equal(encoder.pictures(every), expected)


def test_the_actors_step_asks_for_no_gradient_of_the_critic():
    agent = agent_of()
    learned = agent.critic.learned
    seen, actor_loss = [], agent.actor_loss
    agent.actor_loss = lambda *given: (
        seen.extend(p.requires_grad for p in learned),
        actor_loss(*given),
    )[1]
    agent.update(*batch_and_draws(agent), 1)
    assert not any(seen) and len(seen) == len(learned)
    assert all(p.requires_grad for p in learned)


def test_draws_have_independent_shifts_in_the_whole_range():
    agent = agent_of(target_augmentations=2, critic_augmentations=3)
    draws = agent.draws(1000, torch.Generator().manual_seed(0))
    assert [tuple(d.shape) for d in draws] == [(3, 1000, 2), (2, 1000, 2), (2, 1000, 2), (1000, 2)]
    shifts = torch.cat([draws.obs_shift, draws.next_obs_shift])
    for i, shift in enumerate(shifts):
        assert set(shift.flatten().tolist()) == set(range(9))
        assert all(not torch.equal(shift, other) for other in shifts[:i])


def test_the_log_density_of_a_squashed_sample_is_torchs():
    g = torch.Generator().manual_seed(0)
    mean, log_std, noise = torch.randn(3, 50, ACTIONS, generator=g, dtype=torch.float64)
    action, log_prob = squashed_sample(mean, log_std, noise)
    normal = torch.distributions.Normal(mean, log_std.exp())
    squash = torch.distributions.transforms.TanhTransform(cache_size=1)
    squashed = torch.distributions.TransformedDistribution(normal, squash)
    u = mean + log_std.exp() * noise
    torch.testing.assert_close(action, squash(u))
    torch.testing.assert_close(log_prob, squashed.log_prob(squash(u)).sum(1))


def test_the_deterministic_action_is_tanh_of_the_mean():
    agent = agent_of()
    batch, _ = batch_and_draws(agent)
    mean, log_std = agent.actor.module(agent.critic.module.encoder(batch.obs))
    assert torch.equal(agent.act(batch.obs), torch.tanh(mean))
    noisy = agent.act(batch.obs, torch.Generator().manual_seed(3))
    noise = torch.randn((BATCH, ACTIONS), generator=torch.Generator().manual_seed(3))
    assert torch.equal(noisy, torch.tanh(mean + log_std.exp() * noise))


@pytest.mark.parametrize("way", ["clip", "tanh"])
def test_log_std_stays_in_its_bounds(way):
    agent = agent_of(log_std=way)
    with torch.no_grad():
        agent.actor.module.head.final.weight.zero_()
        agent.actor.module.head.final.bias.copy_(torch.tensor([0.0, 0.0, 1e6, -1e6]))
    features = torch.zeros(1, agent.actor.module.trunk.in_features, dtype=torch.float64)
    assert agent.actor.module(features)[1].tolist() == [[2.0, -10.0]]
    with torch.no_grad():
        agent.actor.module.head.final.bias[2:] = torch.tensor([0.5, -1.0])
    expected = [0.5, -1.0] if way == "clip" else [-4 + 6 * math.tanh(x) for x in (0.5, -1.0)]
    assert agent.actor.module(features)[1][0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("style", ["jaxrl", "drq"])
def test_initial_weights_are_those_of_the_source(style):
    agent = agent_of(initialisation=style)
    root2, hidden = math.sqrt(2), math.sqrt(2) if style == "jaxrl" else 1.0

    def is_orthogonal(weight, gain):
        w = weight.detach().flatten(1)
        w = w if len(w) <= w.shape[1] else w.T
        return torch.allclose(w @ w.T, gain**2 * torch.eye(len(w), dtype=w.dtype), atol=1e-5)

    for convolution in agent.critic.module.encoder.children():
        assert is_orthogonal(convolution.weight, root2)
    for head in agent.critic.module.heads:
        layers = head.dense0, head.dense1, head.final
        assert all(is_orthogonal(layer.weight, hidden) for layer in layers)
    for layer in (agent.actor.module.head.dense0, agent.actor.module.head.dense1):
        assert is_orthogonal(layer.weight, hidden)
    for half in agent.actor.module.head.final.weight.chunk(2):
        assert is_orthogonal(half, 1.0)
    for trunk in (agent.critic.module.trunk, agent.actor.module.trunk):
        assert is_orthogonal(trunk.weight, 1.0) == (style == "drq")
        if style == "jaxrl":
            # Truncated at two standard deviations of the normal that is cut, variance 1 / fan-in
            # after the cut: the sample standard deviation of 8 * 36 draws is off by 4 % (1 sigma).
            std = 1 / math.sqrt(trunk.in_features)
            assert trunk.weight.std().item() == pytest.approx(std, rel=0.2)
            assert trunk.weight.abs().max() <= 2 * std / 0.8796
    for name, p in [
        *agent.critic.module.named_parameters(),
        *agent.actor.module.named_parameters(),
    ]:
        assert not name.endswith("bias") or not p.any()
    assert torch.equal(flat(agent.critic.slow), flat(agent.critic.module))
    assert not torch.equal(flat(agent.critic.module.heads[0]), flat(agent.critic.module.heads[1]))


def test_making_an_agent_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    first, second = agent_of(), agent_of()
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(flat(first.critic.module), flat(second.critic.module))


@pytest.mark.parametrize("method", ["baseline", "ln", "hl-gauss", "resnet18"])
def test_scores_are_those_of_the_layers_on_unaugmented_pictures_and_change_nothing(method):
    agent = agent_of(method=method)
    batch, draws = batch_and_draws(agent)
    before = {k: copy.deepcopy(held.state_dict()) for k, held in agent.learners.items()}
    result = measures.measure(agent, batch, draws)
    after = {k: held.state_dict() for k, held in agent.learners.items()}
    torch.testing.assert_close(after, before, rtol=0, atol=0)
    assert all(p.grad is None for p in agent.critic.module.parameters())

    critic, shown = agent.critic.module, 0
    pictures = critic.encoder.pictures(batch.next_obs)
    y = agent.target(batch, pictures, draws.next_noise)
    with tapped(critic) as taps:
        outputs = critic.outputs(critic.encoder(batch.obs), batch.action)
    for i, out in enumerate(outputs):
        if critic.classifies:
            histogram, _ = losses.hl_gauss(y, critic.edges, agent.settings.sigma)
            loss = losses.cross_entropy(out, histogram)
        else:
            loss = F.mse_loss(out[:, 0], y)
        for name in (f"heads.{i}.dense0", f"heads.{i}.dense1"):
            z, h = taps[name]
            weight = critic.get_submodule(name).weight
            gradient = torch.autograd.grad(loss, weight, retain_graph=True)[0]
            expected = {
                "largest_share": scores.largest_share(h),
                "saturated": scores.saturated(z).double().mean(),
                "srank": scores.srank(h),
                "gradient_magnitude": scores.gradient_magnitude(gradient),
            }
            ours = {key: result[f"critic/{name}/{key}"] for key in expected}
            assert ours == pytest.approx({k: v.item() for k, v in expected.items()})
            shown += 1
    assert shown == 4
    layers = {name.rpartition("/")[0] for name in result}
    convolutions = {"critic/encoder.stem"} if method == "resnet18" else {"critic/encoder.conv3"}
    heads = {f"critic/{name}" for name in taps if name.startswith("heads")}
    assert layers > heads | convolutions | {"critic/trunk", "actor/trunk", "actor/head.dense1"}


def test_the_share_of_targets_outside_the_histogram_is_told_of_a_classifying_critic_alone():
    for method, expected in (("hl-gauss", 0.5), ("baseline", None)):
        agent = agent_of(method=method)
        batch, _ = batch_and_draws(agent)
        # half of them; 0 and 100 are the outer edges
        target = torch.tensor([-1.0, 101.0, 1e9, 0.0, 100.0, 50.0]).to(batch.reward)
        pictures = agent.critic.module.encoder.pictures(batch.obs)
        _, info = agent.critic_loss(pictures, batch.action, target)
        assert info.get("clipped") == expected


def test_bfloat16_touches_the_convolutions_of_training_and_no_score():
    exact = agent_of(dtype=torch.float32)
    rounded = agent_of(dtype=torch.float32, bfloat16=True)
    batch, draws = batch_and_draws(exact)
    assert measures.measure(exact, batch, draws) == measures.measure(rounded, batch, draws)
    ours, theirs = exact.critic.module.encoder(batch.obs), rounded.critic.module.encoder(batch.obs)
    assert ours.dtype == theirs.dtype == torch.float32
    # Each layer rounds its input, its weights and its output to 8 significant bits: the error is
    # at most (1 + 2^-8)^(3 * 4) - 1 times what the layers make of absolute values.
    absolute = copy.deepcopy(exact.critic.module.encoder)
    for p in absolute.parameters():
        p.data.abs_()
    bound = ((1 + 2**-8) ** 12 - 1) * absolute(batch.obs)
    assert ((ours - theirs).abs() <= bound).all()
    assert not torch.equal(ours, theirs)


def test_an_agent_that_was_loaded_from_another_shares_nothing_with_it():
    one, two = agent_of(), agent_of()
    batch, draws = batch_and_draws(one)
    one.update(batch, draws, 1)
    for name, held in two.learners.items():
        held.load_state_dict(one.learners[name].state_dict())
    before = (
        flat(one.critic.module),
        one.critic.optimizer.state_dict()["state"][0]["exp_avg"].clone(),
    )
    two.update(batch, draws, 2)
    after = flat(one.critic.module), one.critic.optimizer.state_dict()["state"][0]["exp_avg"]
    assert all(torch.equal(x, y) for x, y in zip(before, after, strict=True))


@pytest.mark.parametrize("width", [1, 16, 33, 50, 64])
def test_a_resnet_may_have_any_width(width):
    encoder = ResNet18(9, width)
    pictures = torch.zeros(1, 9, SIZE, SIZE, dtype=torch.uint8)
    assert encoder(pictures).shape == (1, 8 * width)
    groups = {m.num_channels: m.num_groups for m in encoder.modules() if hasattr(m, "num_groups")}
    assert groups == {
        n * width: n * width // 16 if n * width % 16 == 0 else 1 for n in (1, 2, 4, 8)
    }
