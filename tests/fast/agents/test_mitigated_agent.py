"""Every mitigation on a real agent in the midst of training: what it keeps, and that it goes on."""

import math

import pytest
import torch

from fast import config as configs
from fast import mitigations as m
from fast.agents.drq import DrQ
from fast.experience.replay import Batch
from fast.mitigations import Reader
from fast.nets.layers import tapped

ACTIONS, BATCH = 2, 6
HEADS = ["heads.0", "heads.1"]
HIDDEN = [f"{head}.dense{i}" for head in HEADS for i in (0, 1)]


def new_agent(method="baseline"):
    config = configs.build("drq", "cartpole-swingup", method, "tiny")
    return DrQ(config.agent, configs.seen(config), ACTIONS, torch.Generator().manual_seed(1))


def batch_and_draws(agent, seed):
    g = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 256, (2, BATCH, 9, 32, 32), dtype=torch.uint8, generator=g)
    action = 2 * torch.rand(BATCH, ACTIONS, generator=g) - 1
    reward, mask = torch.randn(BATCH, generator=g), torch.ones(BATCH)
    batch = Batch(pictures[0], action, reward, mask, pictures[1])
    return batch, agent.draws(BATCH, g)


def update(agent, seed):
    """One update, after which everything is finite; its results."""
    info = {k: v.item() for k, v in agent.update(*batch_and_draws(agent, seed), seed).items()}
    modules = agent.critic.module, agent.critic.slow, agent.actor.module
    assert all(map(math.isfinite, info.values()))
    assert all(p.isfinite().all() for module in modules for p in module.parameters())
    return info


def trained():
    """An agent after three updates, and the parameters and the state of its critic."""
    agent = new_agent()
    for seed in (1, 2, 3):
        update(agent, seed)
    params = dict(agent.critic.module.named_parameters())
    return agent, params, m.optimizer_state(agent.critic.optimizer, params)


def drawn(params):
    g = torch.Generator().manual_seed(7)
    return {name: 0.1 * torch.randn(value.shape, generator=g) for name, value in params.items()}


def copies(*trees):
    return [{k: v.detach().clone() for k, v in tree.items()} for tree in trees]


def test_redo_at_zero_keeps_the_outputs_of_critic_and_actor_who_share_convolutions():
    agent, _, _ = trained()
    modules = {"critic": agent.critic.module, "actor": agent.actor.module}
    optimizers = agent.critic.optimizer, agent.actor.optimizer
    params = {f"{k}.{n}": p for k, module in modules.items() for n, p in module.named_parameters()}
    state = {}
    for (key, module), optimizer in zip(modules.items(), optimizers, strict=True):
        for slot, values in m.optimizer_state(optimizer, module.named_parameters()).items():
            state.setdefault(slot, {}).update({f"{key}.{n}": v for n, v in values.items()})
    convolutions = [f"critic.encoder.conv{i}" for i in range(4)]
    critic_heads = [f"critic.{name}" for name in HEADS]
    trunks = ["critic.trunk", "actor.trunk"]
    area = params[f"{trunks[0]}.weight"].shape[1] // len(params[f"{convolutions[-1]}.weight"])
    readers = m.chain(params, convolutions)
    readers[convolutions[-1]] = tuple(Reader(trunk, area) for trunk in trunks)
    for head in (*critic_heads, "actor.head"):
        readers |= m.chain(params, [f"{head}.dense0", f"{head}.dense1", f"{head}.final"])
    with torch.no_grad():
        for layer in readers:  # the first neuron of every layer dies
            params[f"{layer}.weight"][0] = 0
            params[f"{layer}.bias"][0] = -1

    batch, _ = batch_and_draws(agent, 0)

    def hidden_and_outputs():
        with tapped(agent.critic.module) as critic, tapped(agent.actor.module) as actor:
            features = agent.critic.module.encoder(batch.obs)
            outputs = (
                agent.critic.module(features, batch.action),
                *agent.actor.module(features.detach()),
            )
        taps = {f"critic.{k}": h for k, (_, h) in critic.items()}
        taps |= {f"actor.{k}": h for k, (_, h) in actor.items()}
        return {layer: taps[layer].detach() for layer in readers}, outputs

    hidden, outputs = hidden_and_outputs()
    assert hidden.keys() == readers.keys()
    gradients = {name: p.grad.clone() for name, p in params.items()}
    places = {name: p.data_ptr() for name, p in params.items()}
    fresh = drawn(params)
    m.redo(params, state, hidden, 0.0, fresh, readers)
    for layer in readers:
        assert params[f"{layer}.bias"][0] == fresh[f"{layer}.bias"][0]
    for trunk in trunks:
        for slot in ("mean", "variance"):
            assert not state[slot][f"{trunk}.weight"][:, :area].any()
            assert state[slot][f"{trunk}.weight"][:, area:].any()
        assert not params[f"{trunk}.weight"][:, :area].any()
        assert state["count"][f"{trunk}.weight"] == 3
    _, after = hidden_and_outputs()
    assert all(torch.equal(*pair) for pair in zip(outputs, after, strict=True))
    assert all(torch.equal(p.grad, gradients[name]) for name, p in params.items())
    assert places == {name: p.data_ptr() for name, p in params.items()}
    update(agent, 4)
    assert state["count"][f"{trunks[0]}.weight"] == 4  # the live tensor


def test_resetting_trunk_and_heads_begins_them_anew_and_keeps_the_convolutions():
    agent, params, state = trained()
    old_params, old_mean = copies(params, state["mean"])
    fresh = drawn(params)
    m.reset(params, state, fresh, ["trunk", "heads"])
    for name, value in params.items():
        kept = name.startswith("encoder")
        assert torch.equal(value, old_params[name] if kept else fresh[name])
        assert state["count"][name] == 3 * kept
        assert torch.equal(state["mean"][name], old_mean[name] * kept)
        assert value.requires_grad
    targets = dict(agent.critic.slow.named_parameters())
    heads = {k: v for k, v in params.items() if not k.startswith("encoder")}
    m.reset(targets, {}, heads, ["trunk", "heads"])  # what the caller does to the target
    assert not any(p.requires_grad for p in agent.critic.slow.parameters())
    assert torch.equal(
        agent.critic.slow.heads[0].final.weight, agent.critic.module.heads[0].final.weight
    )
    update(agent, 4)
    assert [state["count"][k].item() for k in ("trunk.norm.bias", "encoder.conv0.bias")] == [
        1,
        4,
    ]


def test_pruned_weights_stay_at_zero_while_the_agent_goes_on():
    agent, params, _ = trained()
    masks = None
    for seed, share in ((4, 0.5), (5, 0.9)):
        masks = m.magnitude_masks(params, m.erk_sparsity(params, share), masks)
        m.apply_masks(params, masks)
        update(agent, seed)
        assert any(params[name][~mask].any() for name, mask in masks.items())
        m.apply_masks(params, masks)
        assert not any(params[name][~mask].any() for name, mask in masks.items())


def test_shrinking_and_continual_backprop_let_the_agent_go_on():
    agent, params, state = trained()
    fresh = drawn(params)
    (old,) = copies(params)
    m.shrink_and_perturb(params, fresh, 0.5, 0.25)
    assert all(torch.equal(p, 0.5 * old[k] + 0.25 * fresh[k]) for k, p in params.items())
    readers = {}
    for head in HEADS:
        readers |= m.chain(params, [f"{head}.dense0", f"{head}.dense1", f"{head}.final"])
    memory = m.continual_backprop_start(params, HIDDEN)
    batch, _ = batch_and_draws(agent, 0)
    for seed in (4, 5):
        update(agent, seed)
        with tapped(agent.critic.module) as taps:
            agent.critic.module(agent.critic.module.encoder(batch.obs), batch.action)
        hidden = {layer: taps[layer][1].detach() for layer in HIDDEN}
        m.continual_backprop(params, state, memory, hidden, fresh, readers, maturity=1, rate=0.5)
    # Two steps: at the second all 16 neurons are old enough, and half of them are replaced.
    assert [int((memory[layer]["age"] == 0).sum()) for layer in HIDDEN] == [8] * 4
    update(agent, 6)


def normalised():
    """A trained agent with late LayerNorm in critic and target."""
    agent, _, _ = trained()
    agent.critic.insert_norm(HIDDEN)
    return agent


def test_an_agent_goes_on_after_late_layer_norm_in_critic_and_target():
    agent = normalised()
    assert not any(p.requires_grad for p in agent.critic.slow.parameters())
    update(agent, 4)
    name = "heads.1.dense1.norm.weight"
    scale, target = agent.critic.params[name], agent.critic.slow.get_parameter(name)
    rate = torch.tensor(agent.settings.averaging_rate)
    assert (scale != 1).any()
    torch.testing.assert_close(target, torch.ones(()).lerp(scale.detach(), rate))
    assert agent.critic.state["count"][name] == 1
    assert agent.critic.state["count"]["heads.1.dense1.weight"] == 4


@pytest.mark.parametrize("method", ["baseline", "lnwd"])
@pytest.mark.parametrize("stepped", [False, True])
def test_a_checkpoint_after_late_layer_norm_loads_with_the_norms_or_without(stepped, method):
    agent, other = normalised(), new_agent(method)
    if stepped:
        update(agent, 4)
    for name, held in other.learners.items():
        held.load_state_dict(agent.learners[name].state_dict())
    for seed in (5, 6):
        assert update(agent, seed) == update(other, seed)
    found, expected = other.critic.state, agent.critic.state
    for slot, values in expected.items():
        assert all(torch.equal(found[slot][name], value) for name, value in values.items())


def test_norms_of_which_the_learner_does_not_know_are_noticed():
    agent, _, _ = trained()
    m.insert_layer_norm(agent.critic.module, agent.critic.optimizer, HIDDEN)
    with pytest.raises(RuntimeError, match="another way than insert_norm"):
        update(agent, 4)
