"""What one DrQ update refuses; what it computes is held equal to fast's in tests/twins."""

import numpy as np
import pytest

from ref import mitigations
from ref.agents import drq
from ref.checks import InputError

SETTINGS = drq.Settings(strides=(2, 1))
RNG = np.random.default_rng(0)
AGENT = drq.init_agent(RNG, 3, 9, 2, SETTINGS, channels=2, latent=3, hidden=4)
PICTURES = RNG.integers(0, 256, (4, 3, 9, 9), dtype=np.uint8)
BATCH = drq.Batch(PICTURES, np.zeros((4, 2)), np.ones(4), np.ones(4), PICTURES)
DRAWS = drq.Draws(
    np.full((2, 4, 2), 4), np.full((1, 4, 2), 4), np.zeros((1, 4, 2)), np.zeros((4, 2))
)
EMPTY_BATCH = {name: array[:0] for name, array in BATCH._asdict().items()}


def test_an_update_changes_nothing_that_it_was_given_and_moves_what_has_a_gradient():
    kept = {part: dict(getattr(AGENT, part)) for part in ("critic", "target", "actor")}
    copies = {part: {k: w.copy() for k, w in leaves.items()} for part, leaves in kept.items()}
    agent, info = drq.update(AGENT, BATCH, DRAWS, SETTINGS)
    for part, leaves in copies.items():
        np.testing.assert_equal(getattr(AGENT, part), leaves)
    for name, gradient in info["critic_gradients"].items():
        stayed = np.array_equal(agent.critic[name], AGENT.critic[name])
        assert stayed == (not gradient.any()), name
    assert agent.temperature["log"] != AGENT.temperature["log"]


def test_redo_with_tau_zero_leaves_the_critic_bit_equal_from_the_convolutions_to_the_values():
    fresh = drq.init_agent(np.random.default_rng(1), 3, 9, 2, SETTINGS, 2, 3, 4).critic
    params = dict(AGENT.critic)
    for layer, neuron in (("encoder.conv1", 0), ("heads.0.dense0", 2)):
        params[f"{layer}.bias"] = np.where(
            np.arange(len(params[f"{layer}.bias"])) == neuron, -99.0, 0.0
        )

    def values(params):
        taps = {}
        features = drq.encoder(params, PICTURES, SETTINGS.strides, taps)
        return drq.heads(params, features, BATCH.action, 1e-6, taps), taps

    before, taps = values(params)
    assert list(taps) == [
        *(f"encoder.conv{i}" for i in (0, 1)),
        *(f"heads.{j}.dense{i}" for j in (0, 1) for i in (0, 1)),
    ]
    readers = mitigations.chain(params, ["encoder.conv0", "encoder.conv1"])
    readers |= mitigations.chain(params, ["encoder.conv1", "trunk"])
    for j in (0, 1):
        readers |= mitigations.chain(
            params, [f"heads.{j}.{k}" for k in ("dense0", "dense1", "final")]
        )
    assert readers["encoder.conv1"][0].span == 4
    h = {layer: h for layer, (_, h) in taps.items()}
    new, _ = mitigations.redo(params, {}, h, 0.0, fresh, readers)
    assert np.array_equal(new["encoder.conv1.weight"][0], fresh["encoder.conv1.weight"][0])
    assert np.array_equal(new["heads.0.dense0.weight"][2], fresh["heads.0.dense0.weight"][2])
    assert np.array_equal(values(new)[0], before)


@pytest.mark.parametrize(
    ("batch", "draws", "named"),
    [
        (EMPTY_BATCH, {}, "obs"),
        ({"obs": PICTURES[0]}, {}, "obs"),
        ({"next_obs": PICTURES[:, :, :8]}, {}, "next_obs"),
        ({"action": BATCH.action[:2]}, {}, "action"),
        ({"action": np.full((4, 2), np.nan)}, {}, "action"),
        ({"reward": BATCH.reward[:, None]}, {}, "reward"),
        ({"reward": np.full(4, np.nan)}, {}, "reward"),
        ({"discount": np.ones(1)}, {}, "discount"),
        ({}, {"obs_shift": DRAWS.obs_shift[:0]}, "obs_shift"),
        ({}, {"obs_shift": DRAWS.obs_shift[0]}, "obs_shift"),
        ({}, {"obs_shift": DRAWS.obs_shift + 5}, "shift"),
        ({}, {"next_obs_shift": DRAWS.next_obs_shift - 5}, "shift"),
        ({}, {"next_noise": DRAWS.next_noise[:0]}, "next_noise"),
        ({}, {"noise": DRAWS.noise[:, :1]}, "noise"),
        ({}, {"noise": np.full((4, 2), np.inf)}, "noise"),
    ],
)
def test_bad_input_is_named(batch, draws, named):
    with pytest.raises(InputError) as error:
        drq.update(AGENT, BATCH._replace(**batch), DRAWS._replace(**draws), SETTINGS)
    assert error.value.argument == named
    assert error.value.value is not None and error.value.accepted


def test_a_head_that_is_missing_is_named():
    critic = {name: w for name, w in AGENT.critic.items() if not name.startswith("heads.1")}
    with pytest.raises(InputError, match=r"^layer: 'heads.1"):
        drq.update(AGENT._replace(critic=critic), BATCH, DRAWS, SETTINGS)
