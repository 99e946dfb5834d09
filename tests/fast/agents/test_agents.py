"""What every agent must keep, whatever it learns: one row here, and it is tested."""

import copy
from contextlib import nullcontext
from dataclasses import replace
from typing import NamedTuple

import pytest
import torch
from torch.nn import functional as F

from fast import config as configs
from fast import measures, mitigations, scores
from fast.agents import learner
from fast.agents.bro import BRO, BROSettings
from fast.agents.classifier import Classifier
from fast.agents.dacer import DACER
from fast.agents.dqn import DQN
from fast.agents.drq import DrQ
from fast.agents.drqv2 import DrQv2
from fast.agents.ppo import PPO, PPOSettings
from fast.agents.sac import SAC, SACSettings
from fast.experience import labels, rollout
from fast.monitor import Monitor
from fast.nets.layers import Dense, layers, tapped

ACTIONS, BATCH = 2, 6


class Batch(NamedTuple):
    obs: torch.Tensor
    action: torch.Tensor
    reward: torch.Tensor
    discount: torch.Tensor
    next_obs: torch.Tensor


def drq(method, agent="drq"):
    def make(seed):
        config = configs.build(agent, "cartpole-swingup", method, "tiny")
        kind, g = configs.AGENTS[agent].make, torch.Generator().manual_seed(seed)
        return kind(config.agent, configs.seen(config), ACTIONS, g)

    return make


def sac(**changes):
    def make(seed):
        settings = SACSettings(**({"hidden": (16, 16)} | changes))
        return SAC(settings, (3,), ACTIONS, torch.Generator().manual_seed(seed))

    return make


def bro(**changes):
    def make(seed):
        settings = BROSettings(**({"hidden": 16} | changes))
        return BRO(settings, (3,), ACTIONS, torch.Generator().manual_seed(seed))

    return make


def dqn(**changes):
    def make(seed):
        settings = replace(configs.build("dqn", "minatar-asterix", preset="tiny").agent, **changes)
        return DQN(settings, (4, 10, 10), ACTIONS, torch.Generator().manual_seed(seed))

    return make


def dacer(**changes):
    def make(seed):
        settings = configs.build("dacer", "HalfCheetah-v4", preset="tiny").agent
        settings = replace(settings, **changes)
        return DACER(settings, (3,), ACTIONS, torch.Generator().manual_seed(seed))

    return make


def ppo(**changes):
    def make(seed):
        settings = PPOSettings(**({"hidden": (16, 16)} | changes))
        return PPO(settings, (3,), ACTIONS, torch.Generator().manual_seed(seed))

    return make


def classifier(**changes):
    def make(seed):
        settings = replace(configs.build("classifier", "digits", preset="tiny").agent, **changes)
        return Classifier(settings, (1, 8, 8), 10, torch.Generator().manual_seed(seed))

    return make


AGENTS = {
    "drq": drq("baseline"),
    "drq hl-gauss": drq("hl-gauss"),
    "drq lnwd": drq("lnwd"),
    "drqv2": drq("baseline", "drqv2"),
    "drqv2 lnwd": drq("lnwd", "drqv2"),
    "sac": sac(),
    "sac tanh": sac(activation="tanh", weight_decay=0.1),
    "sac layer norm": sac(normalisation="layer_norm"),
    "sac residual": sac(residual=True, hidden=(16, 16, 16)),
    "dacer": dacer(),
    "dacer mish": dacer(activation="mish", normalisation="layer_norm"),
    "bro": bro(),
    "bro quantiles": bro(quantiles=3, pessimism=0.5, critic_blocks=1),
    "bro optimistic": bro(optimistic=True),
    "ppo": ppo(),
    "ppo none": ppo(activation="none", weight_decay=0.1),
    "ppo tanh": ppo(activation="tanh", normalisation="layer_norm", entropy_weight=0.1),
    "dqn": dqn(),
    "dqn eps": dqn(dueling=True, double=True, pad=2, intensity=0.05, hidden=(16, 16)),
    "dqn impala": dqn(network="impala", channels=(4, 8), normalisation="layer_norm"),
    "classifier": classifier(),
    "classifier sgd": classifier(optimizer="sgd", pools=(1, 2), average=False),
    "classifier mlp": classifier(channels=(), strides=(), pools=(), weight_decay=0.1),
}


@pytest.fixture(params=AGENTS)
def make(request):
    return AGENTS[request.param]


def batch_and_draws(agent, seed=0):
    g = torch.Generator().manual_seed(seed)
    if isinstance(agent, Classifier):
        label = torch.randint(10, (BATCH,), generator=g)
        batch = labels.Batch(torch.randn(BATCH, 1, 8, 8, generator=g), label)
        return batch, agent.draws(BATCH, g)
    if isinstance(agent, DQN):
        obs = torch.randint(0, 256, (2, BATCH, 4, 10, 10), dtype=torch.uint8, generator=g)
    elif isinstance(agent, DrQ | DrQv2):
        obs = torch.randint(0, 256, (2, BATCH, 9, 32, 32), dtype=torch.uint8, generator=g)
    else:
        obs = torch.randn(2, BATCH, 3, generator=g)
    action = 2 * torch.rand(BATCH, ACTIONS, generator=g) - 1
    if isinstance(agent, DQN):
        action = torch.randint(ACTIONS, (BATCH, 1), generator=g).float()
    reward = torch.randn(BATCH, generator=g)
    if isinstance(agent, PPO):
        over = torch.arange(BATCH) % 3 == 2
        steps = rollout.Steps(obs[0], action, reward, over, over, obs[1])
        return agent.prepare(steps, left=1.0), None
    batch = Batch(obs[0], action, reward, torch.full((BATCH,), 0.99), obs[1])
    return batch, agent.draws(BATCH, g)


def main(agent):
    """The first of its learners."""
    return next(iter(agent.learners.values()))


def state(agent):
    return {name: copy.deepcopy(held.state_dict()) for name, held in agent.learners.items()}


def trained(make, updates=3):
    agent = make(1)
    for count in range(1, updates + 1):
        agent.update(*batch_and_draws(agent, count), count)
    return agent


def kill(agent):
    """The first neuron of every layer that may be recycled is off for every observation."""
    with torch.no_grad():
        for held in agent.learners.values():
            for name in held.readers:
                layer = held.module.get_submodule(name)
                if isinstance(layer.norm, torch.nn.Identity) and layer.activation is F.relu:
                    layer.weight[0], layer.bias[0] = 0, -1


def test_an_update_is_finite_and_moves_every_learner(make):
    agent = make(1)
    before = state(agent)
    info = agent.update(*batch_and_draws(agent), 1)
    assert all(value.isfinite() and value.ndim == 0 for value in info.values())
    for name, held in agent.learners.items():
        moved = [k for k, v in held.params.items() if not torch.equal(v, before[name]["module"][k])]
        assert moved and all(p.isfinite().all() for p in held.params.values()), name


def test_the_step_of_a_learner_moves_it_alone(make):
    for name in [name for name, held in make(1).learners.items() if layers(held.module)]:
        agent = trained(make)
        before = state(agent)
        agent.learners[name].step(agent.loss(name, *batch_and_draws(agent)))
        for other, held in agent.learners.items():
            changed = any(
                not torch.equal(v, before[other]["module"][k]) for k, v in held.params.items()
            )
            assert changed == (other == name)


def test_two_agents_of_one_seed_are_one_and_the_global_generator_is_left_alone(make):
    before = torch.random.get_rng_state()
    torch.testing.assert_close(state(make(1)), state(make(1)), rtol=0, atol=0)
    assert torch.equal(before, torch.random.get_rng_state())
    one, other = main(make(1)).params, main(make(2)).params
    assert any(not torch.equal(one[k], other[k]) for k in one)


def test_a_layer_has_one_name_in_parameters_taps_and_readers(make):
    agent = make(1)
    batch, draws = batch_and_draws(agent)
    for name, held in agent.learners.items():
        if not layers(held.module):
            continue
        with tapped(held.module) as taps:
            agent.loss(name, batch, draws)
        assert [*taps] == [*layers(held.module)]
        assert all(f"{layer}.weight" in held.params for layer in taps)
        assert held.readers.keys() <= taps.keys()
        for layer, readers in held.readers.items():
            for reader in readers:
                columns = held.params[f"{reader.layer}.weight"].shape[1]
                assert len(held.params[f"{layer}.weight"]) * reader.span <= columns


def test_measures_change_nothing_and_are_of_every_layer(make):
    agent = trained(make)
    before = state(agent)
    told = measures.measure(agent, *batch_and_draws(agent))
    torch.testing.assert_close(state(agent), before, rtol=0, atol=0)
    for name, held in agent.learners.items():
        for layer in layers(held.module):
            assert f"{name}/{layer}/largest_share" in told
            assert told[f"{name}/{layer}/gradient_magnitude"] >= 0


def _pass(agent, network, batch):
    x = network.encoder(batch.obs) if isinstance(agent, DrQ | DrQv2) else batch.obs
    return network(x, *([] if isinstance(agent, Classifier | DQN | PPO) else [batch.action]))


def test_monitor_agrees_with_the_taps(make):
    agent = trained(make)
    batch, _ = batch_and_draws(agent)
    network = main(agent).module
    with tapped(network) as taps:
        _pass(agent, network, batch)
    with Monitor(network) as monitor:  # and now the ReLUs are in place
        _pass(agent, network, batch)
    rows = {row["layer"]: row for row in monitor.rows()}
    # A sum of blocks has a row there and no tap, a layer without a non-linearity no row.
    hidden = {layer: h for layer, (z, h) in taps.items() if h is not z}
    assert hidden.keys() <= rows.keys()
    for layer, h in hidden.items():
        share = scores.largest_share(h.detach()).item()
        assert rows[layer]["largest_share"] == pytest.approx(share, rel=1e-6, nan_ok=True), layer


def test_what_is_not_looked_at_is_the_same_to_the_last_bit(make):
    agent = trained(make)
    batch, draws = batch_and_draws(agent)
    for name, held in agent.learners.items():
        if not layers(held.module):
            continue
        found = []
        for looking in (tapped(held.module), nullcontext()):
            with looking:
                loss = agent.loss(name, batch, draws)
            found.append([loss, *torch.autograd.grad(loss, held.learned, allow_unused=True)])
        for one, other in zip(*found, strict=True):
            assert one is other is None or torch.equal(one, other)


def test_redo_at_zero_keeps_what_the_learner_descends(make):
    agent = trained(make)
    kill(agent)
    batch, draws = batch_and_draws(agent)
    for name, held in agent.learners.items():
        if not held.readers:
            continue
        before = agent.loss(name, batch, draws)
        seen = measures.look(agent, name, batch, draws)
        dormant = {layer: scores.dormant(seen[layer].h, 0.0) for layer in held.readers}
        fresh = dict(held.fresh(torch.Generator().manual_seed(7)).named_parameters())
        mitigations.recycle(held.params, held.state, dormant, fresh, held.readers)
        if not any(f"{layer}.norm.weight" in held.params for layer in held.readers):
            # (a norm before the non-linearity carries what is drawn over to its neighbours)
            assert torch.equal(agent.loss(name, batch, draws), before)
        outgoing = mitigations.neuron_masks(held.params, dormant, held.readers)
        for layer, mask in dormant.items():
            row, drawn = held.params[f"{layer}.weight"][mask], fresh[f"{layer}.weight"][mask]
            below = row == 0  # columns of neurons below that were recycled too
            assert torch.equal(row[~below], drawn[~below])
            assert not outgoing[f"{layer}.weight"][mask][below].any()


def test_pruned_weights_stay_at_zero_through_updates(make):
    agent = trained(make)
    held = main(agent)
    kernels = {k: v for k, v in held.params.items() if v.ndim > 1}
    held.masks = mitigations.magnitude_masks(kernels, mitigations.erk_sparsity(kernels, 0.9))
    for count in (4, 5):
        agent.update(*batch_and_draws(agent, count), count)
        assert not any(held.params[name][~mask].any() for name, mask in held.masks.items())


def test_two_halves_are_the_whole(make):
    """N + N = 2N bit for bit, with masks and late norms where they can be."""
    whole, half = trained(make, 3), trained(make, 3)
    for agent in (whole, half):
        held = main(agent)
        names = [
            name
            for name in held.readers
            if isinstance(held.module.get_submodule(name), Dense)
            and isinstance(held.module.get_submodule(name).norm, torch.nn.Identity)
        ]
        held.insert_norm(names)
        name = next(k for k, v in held.params.items() if v.ndim > 1)
        held.masks = {name: held.params[name] > 0}
        held.hold()
    resumed = make(5)
    for name, held in resumed.learners.items():
        held.load_state_dict(half.learners[name].state_dict())
    for count in (4, 5, 6):
        for agent in (whole, resumed):
            agent.update(*batch_and_draws(agent, count), count)
    torch.testing.assert_close(state(resumed), state(whole), rtol=0, atol=0)


@pytest.mark.parametrize(
    "decay", [{}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "decay_in_loss": True}]
)
def test_a_step_is_that_of_torchs_optimizer_to_the_last_bit(decay, monkeypatch):
    ours = trained(sac(**decay))
    before = state(ours)
    monkeypatch.setattr(learner, "advance", lambda optimizer: optimizer.step())
    theirs = trained(sac(**decay))
    torch.testing.assert_close(before, state(theirs), rtol=0, atol=0)


def test_a_norm_that_comes_late_takes_its_first_step_with_the_others():
    agent = trained(sac())
    agent.critic.insert_norm(agent.critic.readers)
    before = state(agent)["critic"]["module"]
    agent.update(*batch_and_draws(agent), 4)
    after = state(agent)["critic"]["module"]
    assert all(not torch.equal(after[k], before[k]) for k in after)
    assert agent.critic.followers[0] is next(agent.critic.slow.parameters())
    assert len(agent.critic.followers) == len(agent.critic.learned) == len(after)


def test_a_gradient_of_another_memory_order_steps_what_it_is_of():
    """Of a sum it is one number for all, and compiled convolutions return channels last."""
    ours, theirs = trained(sac()), trained(sac())
    for agent in (ours, theirs):
        weights = agent.critic.learned
        loss = sum(w.sum() for w in weights)
        if agent is ours:
            agent.critic.step(loss)
        else:
            agent.critic.optimizer.zero_grad()
            loss.backward(inputs=weights)
            agent.critic.optimizer.step()
    torch.testing.assert_close(state(ours), state(theirs), rtol=0, atol=0)
