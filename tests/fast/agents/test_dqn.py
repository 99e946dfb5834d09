"""DQN: schedules, targets, targets' copies, what is learnt from, and a chain that it solves."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fast import config as configs
from fast import losses
from fast.agents.dqn import DQN, PRESETS, DQNSettings, brighter
from fast.errors import InputError
from fast.experience.replay import Batch, Replay
from fast.nets.encoders import Convolutions, Impala, pad_same
from fast.train import Training

ACTIONS = 3
SMALL = {"channels": (4,), "kernels": (3,), "strides": (1,), "hidden": (8,)}


def agent(seed=0, **changes):
    g = torch.Generator().manual_seed(seed)
    return DQN(DQNSettings(**(SMALL | changes)), (2, 6, 6), ACTIONS, g)


def batch(seed=0, size=5):
    g = torch.Generator().manual_seed(seed)
    obs = torch.randint(0, 256, (2, size, 2, 6, 6), dtype=torch.uint8, generator=g)
    action = torch.randint(ACTIONS, (size, 1), generator=g).float()
    return Batch(obs[0], action, torch.randn(size, generator=g), torch.full((size,), 0.9), obs[1])


# --- what plays -----------------------------------------------------------------------------------


def test_epsilon_falls_down_a_line_from_the_first_update_and_stays():
    s = DQNSettings(first_update=100, epsilon_decay=200, epsilon=0.1)
    assert [s.exploration(step) for step in (1, 99, 100)] == [1, 1, 1]
    assert s.exploration(200) == pytest.approx(0.55)
    assert s.exploration(300) == s.exploration(10**9) == pytest.approx(0.1)
    at_once = replace(s, epsilon_decay=0)
    assert [at_once.exploration(step) for step in (99, 100)] == [1, 0.1]


def test_the_defaults_are_redos_tables():
    """Tables 1 and 2; the target's period in agent steps is that of every replay ratio."""
    s = DQNSettings()
    assert (s.adam_eps, s.learning_rate, s.epsilon) == (1.5e-4, 6.25e-5, 0.01)
    assert (s.evaluation_exploration, s.batch_size, s.replay_capacity) == (0.001, 32, 10**6)
    assert (s.channels, s.kernels, s.strides) == ((32, 64, 64), (8, 4, 3), (4, 2, 1))
    for ratio, period in [(0.25, 8000), (0.5, 4000), (1, 2000), (2, 1000)]:
        assert s.target_period / ratio == period
    eps = replace(s, **PRESETS["drq-eps"]["agent"])
    assert (eps.learning_rate, eps.first_update, eps.n_step) == (1e-4, 1600, 10)  # Table 3
    assert PRESETS["paper"]["run"]["updates"] / s.updates_per_step == 40 * 250_000


def test_the_best_action_is_taken_and_the_first_one_of_equals():
    made, seen = agent(), batch()
    best = made.act(seen.obs)
    assert best.shape == (5, 1) and best.dtype == torch.float32
    assert torch.equal(best[:, 0].long(), made.critic.module(seen.obs).argmax(1))
    with torch.no_grad():
        made.critic.module.final.weight.zero_()
    assert not made.act(seen.obs).any()


class Counted(gymnasium.Env):
    """Two actions; each picture tells how many steps there were. Rewards of 5 and -3."""

    renderer, render_seconds, steps_per_episode = None, 0.0, 10
    observation_space = gymnasium.spaces.Box(0, 255, (4, 10, 10), np.uint8)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self):
        self.actions = []

    def reset(self, *, seed=None, options=None):
        self.made = 0
        return np.zeros((4, 10, 10), np.uint8), {"environment_steps": 0}

    def step(self, action):
        self.actions.append(action)
        self.made += 1
        obs = np.full((4, 10, 10), self.made, np.uint8)
        over = self.made == self.steps_per_episode
        return obs, [5.0, -3.0][self.made % 2], False, over, {"environment_steps": 1}


def training(env=None, test_env=None, **changes):
    made = configs.build("dqn", "minatar-asterix", preset="tiny")
    of_agent = {"padding": "same", "first_update": 50, **changes}
    made = replace(made, agent=replace(made.agent, **of_agent))
    made = replace(made, env=replace(made.env, most_steps=10))
    return Training(made, env or Counted(), test_env or Counted())


def test_as_many_actions_are_random_as_epsilon_says():
    env = Counted()
    run = training(env, epsilon=0.5, epsilon_decay=0, updates_per_step=1e-9)
    with torch.no_grad():  # the second action is the best one for ever
        run.agent.critic.module.final.weight.zero_()
        run.agent.critic.module.final.bias.copy_(torch.tensor([0.0, 1.0]))
    for _ in range(1049):
        list(run.experience.step())
    taken = np.array([action[0] for action in env.actions])
    assert {action.shape for action in env.actions} == {(1,)} and set(taken) == {0, 1}
    before, after = taken[:49].mean(), taken[49:].mean()  # 1/2, and 1 - 1/4
    assert abs(before - 0.5) < 4 * 0.5 / 49**0.5
    assert abs(after - 0.75) < 4 * 0.44 / 1000**0.5


def test_rewards_are_clipped_where_they_are_learnt_from_and_nowhere_else():
    run = training()
    for _ in range(10):
        list(run.experience.step())
    assert run.experience.ended["return"] == 5 * (5.0 - 3.0)
    learnt = run.experience.replay.sample(200, torch.Generator().manual_seed(0)).reward
    assert set(learnt.tolist()) == {1.0, -1.0}


def test_clipping_comes_before_the_sum_over_n_steps():
    env = Counted()
    replay = Replay(20, env.observation_space, env.action_space, n_step=3, discount=0.5,
                    reward_clip=1.0, steps_per_episode=10)  # fmt: skip
    replay.begin(env.reset()[0])
    for _ in range(4):
        obs, reward, terminated, _, _ = env.step(np.zeros(1, np.float32))
        replay.add(np.zeros(1, np.float32), reward, terminated, obs)
    found = replay._gather(torch.arange(4))
    assert found.reward.tolist() == [-1 + 0.5 - 0.25, 1 - 0.5 + 0.25, -1 + 0.5, 1]
    assert found.discount.tolist() == [0.125, 0.125, 0.25, 0.5]


def test_an_evaluation_plays_its_own_epsilon_and_takes_no_draw_of_the_run():
    env, test_env = Counted(), Counted()
    run = training(env, test_env, evaluation_exploration=0.5)
    before = {name: g.get_state() for name, g in run.experience.generators.items()}
    first = run.experience.evaluate(100)
    taken = [action[0] for action in test_env.actions]
    assert len(set(taken)) == 2
    test_env.actions = []
    assert run.experience.evaluate(100) == first
    assert [action[0] for action in test_env.actions] == taken
    for name, g in run.experience.generators.items():
        assert torch.equal(g.get_state(), before[name])
    test_env.actions = []
    training(env, test_env, evaluation_exploration=0.0).experience.evaluate(3)
    played = np.array(test_env.actions).reshape(3, 10)
    assert (played == played[0]).all()  # nothing is drawn, and every episode looks the same


# --- what is learnt -------------------------------------------------------------------------------


def test_the_target_is_the_naive_one():
    seen = batch()
    for double in (False, True):
        made = agent(double=double)
        with torch.no_grad():
            made.critic.slow.final.bias.copy_(torch.tensor([3.0, -2.0, 0.5]))
            made.critic.slow.final.weight.neg_()
        slow, fast = made.critic.slow(seen.next_obs), made.critic.module(seen.next_obs)
        y = made.target(seen)
        for i in range(5):
            best = slow[i].max() if not double else slow[i, fast[i].argmax()]
            assert y[i].item() == pytest.approx((seen.reward[i] + 0.9 * best).item(), rel=1e-6)
    made = agent()
    terminal = seen._replace(discount=torch.zeros(5))
    assert torch.equal(made.target(terminal), seen.reward)


def test_the_target_network_is_copied_whole_every_so_many_updates_and_rests_between():
    made = agent(target_period=3)
    old = [p.clone() for p in made.critic.slow.parameters()]
    for count in range(1, 8):
        made.update(batch(count), None, count)
        new = [*made.critic.module.parameters()]
        if count % 3 == 0:
            old = [p.detach().clone() for p in new]
        assert all(map(torch.equal, made.critic.slow.parameters(), old))


def test_a_dueling_network_has_the_mean_of_the_advantages_taken_off():
    made = agent(dueling=True)
    network, seen = made.critic.module, batch()
    h = network.dense0(network.encoder(seen.obs))
    q, advantage = network(seen.obs), network.advantage(h)
    torch.testing.assert_close(q.mean(1, keepdim=True), network.value(h))
    torch.testing.assert_close(q - q.mean(1, keepdim=True), advantage - advantage.mean(1, True))


def test_the_huber_loss_at_its_kinks():
    """Value, and gradient: the error cut off at +-1."""
    error = torch.tensor([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5]).double().requires_grad_()
    loss = losses.huber(error, torch.zeros(7).double())
    assert loss.item() * 7 == pytest.approx(1.5 + 0.5 + 0.125 + 0 + 0.125 + 0.5 + 1)
    loss.backward()
    assert (7 * error.grad).tolist() == pytest.approx([-1, -1, -0.5, 0, 0.5, 1, 1])
    with pytest.raises(InputError, match="target"):
        losses.huber(torch.zeros(2, 3), torch.zeros(3))


@pytest.mark.parametrize(
    ("side", "kernel", "stride"), [(84, 8, 4), (21, 4, 2), (11, 3, 1), (9, 2, 3)]
)
def test_same_padding_leaves_the_side_over_the_stride_rounded_up(side, kernel, stride):
    """As TensorFlow and JAX: an odd zero lies behind."""
    x = torch.arange(1.0, side**2 + 1).view(1, 1, side, side)
    padded = pad_same(x, kernel, stride)
    needed = max(0, (-(-side // stride) - 1) * stride + kernel - side)
    before = needed // 2
    assert torch.equal(padded[..., before : before + side, before : before + side], x)
    assert padded.shape[-1] == side + needed and padded.sum() == x.sum()
    out = F.conv2d(padded, torch.ones(1, 1, kernel, kernel), stride=stride)
    assert out.shape[-1] == -(-side // stride)


def test_the_encoders_say_how_many_numbers_they_return():
    for encoder in (Convolutions(2, (3, 5), (4, 3), (2, 1), same=True), Impala(2, (3, 4, 5)),
                    Convolutions(2, (3, 5), (4, 3), (2, 1))):  # fmt: skip
        for side in (9, 12):
            obs = torch.zeros(1, 2, side, side, dtype=torch.uint8)
            assert encoder(obs).shape == (1, encoder.features(side))
    assert Impala(4, (32, 64, 64)).features(84) == 64 * 11 * 11


def test_width_multiplies_every_layer():
    """ReDo, Figure 12: convolutions and dense ones."""
    made = agent(width=2.5)
    module = made.critic.module
    assert module.encoder.conv0.out_channels == 10 and module.dense0.out_features == 20


def test_pictures_get_brighter_or_darker_each_by_itself():
    obs = torch.full((4, 1, 2, 2), 100, dtype=torch.uint8)
    found = brighter(obs, torch.tensor([0.0, 1.0, -5.0, 7.0]), 0.05)
    assert found.flatten(1).std(1).max() == 0
    assert found[:, 0, 0, 0].tolist() == pytest.approx([100, 105, 90, 110])


def test_each_of_the_shifts_is_drawn():
    """All 9 x 9 of pad 4: one public version never draws the last offset."""
    made = agent(pad=4)
    draws = made.draws(4000, torch.Generator().manual_seed(0))
    for axis in (0, 1):
        assert set(draws.shift[..., axis].flatten().tolist()) == set(range(9))
    assert agent().draws(4000, torch.Generator()) is None


def test_the_penultimate_layer_is_what_reset_draws_anew():
    """ReDo, 5.4: 'only the penultimate layer for Atari environments'."""
    assert agent(hidden=(8, 7)).critic.body == ("dense1",)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"channels": ()}, "channels"),
        ({"kernels": (3, 3)}, "kernels"),
        ({"strides": (1, 1)}, "strides"),
        ({"kernels": (7,), "padding": "valid"}, "kernels"),
    ],
)
def test_what_cannot_be_together_is_refused(changes, field):
    with pytest.raises(InputError, match=f"--agent.{field}"):
        DQNSettings(**(SMALL | changes)).require((2, 6, 6))


PICTURES = 255 * np.eye(5, 25, dtype=np.uint8).reshape(5, 1, 5, 5)


class Chain(gymnasium.Env):
    """Five states in a row, one pixel each: right at the end gives 1, left at the start 0.2."""

    renderer, render_seconds, steps_per_episode = None, 0.0, 20
    observation_space = gymnasium.spaces.Box(0, 255, (1, 5, 5), np.uint8)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.made, self.state = 0, int(np.random.default_rng(seed).integers(5))
        return self.seen(), {"environment_steps": 0}

    def seen(self):
        return PICTURES[self.state]

    def step(self, action):
        self.made += 1
        before = self.state
        self.state = min(4, before + 1) if action[0] else max(0, before - 1)
        reward = 1.0 if before == 4 and action[0] else 0.2 if before == 0 and not action[0] else 0.0
        return self.seen(), reward, False, self.made == 20, {"environment_steps": 1}


def test_the_values_of_a_chain_are_found():
    """Right for ever is best from every state: gamma^steps / (1 - gamma), gamma 0.8."""
    made = configs.build("dqn", "minatar-asterix", preset="tiny")
    of_agent = {
        "channels": (8,), "kernels": (1,), "hidden": (32,), "strides": (1,), "discount": 0.8,
        "learning_rate": 2e-3, "target_period": 30, "double": True,
        "replay_capacity": 2000, "batch_size": 32,
    }  # fmt: skip
    made = replace(made, agent=replace(made.agent, **of_agent))
    made = replace(made, env=replace(made.env, most_steps=20))
    env = Chain()
    run = DQN(made.agent, (1, 5, 5), 2, torch.Generator().manual_seed(0))
    replay = Replay(2000, env.observation_space, env.action_space, discount=0.8,
                    steps_per_episode=20)  # fmt: skip
    rng = np.random.default_rng(0)
    for episode in range(50):
        replay.begin(env.reset(seed=episode)[0])
        over = False
        while not over:
            action = rng.integers(2, size=1).astype(np.float32)
            obs, reward, _, over, _ = env.step(action)
            replay.add(action, reward, False, obs)
    g = torch.Generator().manual_seed(1)
    for count in range(1, 1501):
        run.update(replay.sample(32, g), None, count)
    values = run.critic.module(torch.from_numpy(PICTURES)).detach()
    expected = torch.tensor([0.8 ** (4 - state) / 0.2 for state in range(5)])
    torch.testing.assert_close(values.amax(1), expected, rtol=0.02, atol=0)
    assert values.argmax(1).tolist() == [1] * 5
