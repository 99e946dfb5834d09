"""Labelled pictures come in whole batches, each epoch in a new order, with the labels of now."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fast.envs import LabelSettings
from fast.errors import InputError
from fast.experience.labels import Labels
from fast.runs.session import Clock

N, BATCH = 21, 4  # five batches an epoch, and one picture waits
GENERATOR = np.random.default_rng(0)
X = GENERATOR.integers(0, 256, (N, 2, 3, 3), dtype=np.uint8)
X[:, 0, 0, 0] = np.arange(N)  # tells which picture it is
DATA = SimpleNamespace(
    x=X, y=np.arange(N, dtype=np.uint8), test_x=X[:6], test_y=np.array([0, 1, 2, 0, 0, 0])
)


class Agent:
    """It takes a picture for the number in its corner."""

    device, settings = torch.device("cpu"), SimpleNamespace(batch_size=BATCH)

    def act(self, obs):
        return number(obs)


def number(obs):
    """Which pictures these are, standardised as they are."""
    x = torch.from_numpy(X).float()
    mean, deviation = x.mean((0, 2, 3)), x.std((0, 2, 3), correction=0)
    return (obs[:, 0, 0, 0] * deviation[0] + mean[0]).round().long()


def pairs(batch):
    """[(picture, its label), ...]"""
    return list(zip(number(batch.obs).tolist(), batch.label.tolist(), strict=True))


def made(seed=0, **settings):
    return Labels(DATA, Agent(), seed=seed, clock=Clock(), settings=LabelSettings(**settings))


def epochs(labels, count):
    """[[(picture, its label), ...] of each epoch]"""
    told = []
    for _ in range(count):
        batches = [batch for _ in range(N // BATCH) for batch in labels.step()]
        assert [len(batch.obs) for batch in batches] == [BATCH] * (N // BATCH)
        told.append([pair for batch in batches for pair in pairs(batch)])
    return told


def test_an_epoch_is_of_different_pictures_in_an_order_of_its_own():
    one, other = epochs(made(), 2)
    assert len(set(one)) == len(set(other)) == BATCH * (N // BATCH)
    assert one != other
    assert all(picture == label for picture, label in one + other)


def test_each_channel_is_standardised_over_all_training_pictures():
    labels = made()
    x = labels._batch(torch.from_numpy(X), torch.zeros(N)).obs
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(2), rtol=0, atol=1e-6)
    torch.testing.assert_close(x.var((0, 2, 3), correction=0), torch.ones(2))


def test_labels_are_permuted_every_so_many_epochs_among_the_pictures_and_the_true_ones_come_first():
    told = epochs(made(shuffle_every=2), 6)
    assert all(picture == label for picture, label in told[0] + told[1])
    phases = [dict(told[n] + told[n + 1]) for n in (0, 2, 4)]
    for n, phase in enumerate(phases):
        assert all(phase[picture] == label for picture, label in told[2 * n] + told[2 * n + 1])
        assert len(set(phase.values())) == len(phase)  # each picture has another's label
    assert phases[0] != phases[1] != phases[2] != phases[0]


def test_with_fixed_and_with_shuffled_labels_the_batches_have_the_same_pictures():
    fixed, shuffled = epochs(made(), 4), epochs(made(shuffle_every=2), 4)
    for one, other in zip(fixed, shuffled, strict=True):
        assert [picture for picture, _ in one] == [picture for picture, _ in other]
    assert fixed[:2] == shuffled[:2] and fixed[2] != shuffled[2]


def test_the_seed_and_the_number_of_batches_are_all_that_a_batch_is_made_of():
    whole, resumed = made(3, shuffle_every=1, pictures=13), made(3, shuffle_every=1, pictures=13)
    for _ in range(7):
        next(whole.step())
    resumed.load_state_dict(whole.state_dict())
    for _ in range(5):
        for one, other in zip(next(whole.step()), next(resumed.step()), strict=True):
            assert torch.equal(one, other)
    assert whole.state_dict() == {"agent_step": 12}
    assert epochs(made(0), 1) != epochs(made(1), 1)


def test_what_is_sampled_are_different_pictures_that_are_learnt_from_with_their_labels_of_now():
    labels = made(shuffle_every=1, pictures=12)
    for _ in range(4):  # an epoch has three batches
        batch = next(labels.step())
    now = dict(pairs(labels._batch(labels.x, labels.labels())))
    sample = labels.sample(100, torch.Generator().manual_seed(0))
    assert len(sample.obs) == 12 and dict(pairs(sample)) == now
    assert now != {picture: picture for picture in now}
    assert all(now[picture] == label for picture, label in pairs(batch))


def test_an_evaluation_counts_hits_on_the_true_and_on_the_present_labels():
    labels = made(shuffle_every=1, tested=6)
    for _ in range(N // BATCH + 1):
        next(labels.step())
    told = labels.evaluate(1)
    assert told["accuracy"] == told["return"] == 3 / 6
    right = (labels.labels()[:6] == labels.y[:6]).sum().item()
    assert told["training_accuracy"] == right / 6 < 1
    assert made(tested=4).evaluate(1)["accuracy"] == 3 / 4


def test_a_batch_of_more_than_there_are_is_refused():
    with pytest.raises(InputError, match="at most the 3 pictures") as error:
        made(pictures=3)
    assert error.value.field == "--agent.batch-size"


# --- classes that come in one after the other ---------------------------------------------------

# Class 0 has three pictures, 1 five, 2 four and 3 nine; the corner says which picture it is.
CLASSES = np.repeat(np.arange(4, dtype=np.uint8), (3, 5, 4, 9))
GROWING = SimpleNamespace(**{**vars(DATA), "y": CLASSES, "test_y": CLASSES[[0, 3, 8, 12, 13, 14]]})


def growing(every=2, seed=0, batch=3, **settings):
    agent = SimpleNamespace(device=Agent.device, act=lambda obs: number(obs) % 4,
                            settings=SimpleNamespace(batch_size=batch))  # fmt: skip
    settings = LabelSettings(new_class_every=every, **settings)
    return Labels(GROWING, agent, seed=seed, clock=Clock(), settings=settings)


def schedule(labels, every, batch):
    """The classes in the order in which they come in, and with which batch each does."""
    order, first, count = [], 0, 0
    for label in labels.turns.unique().tolist():
        (kind,) = set(CLASSES[(labels.turns == label)[labels.x[:, 0, 0, 0].argsort()]].tolist())
        order.append((kind, first))
        count += int((kind == CLASSES).sum())
        first += every * (count // batch)
    return order


@pytest.mark.parametrize("seed", range(4))
def test_a_class_comes_in_with_the_first_batch_of_its_epoch_and_stays(seed):
    """A batch has the pictures of the classes that are there alone, an epoch each of them once but
    for what it leaves over, and `news` is true just in front of a new class."""
    labels = growing(seed=seed)
    told = schedule(labels, 2, 3)
    assert sorted(kind for kind, _ in told) == [0, 1, 2, 3]
    begins = [first for _, first in told[1:]] + [told[-1][1] + 2 * (N // 3)]
    at, there, epoch = 0, {told[0][0]}, []
    while at < begins[-1]:
        new = [kind for kind, first in told if first == at and at > 0]
        assert labels.news == bool(new)
        there |= set(new)
        (batch,) = labels.step()
        at += 1
        assert all(CLASSES[picture] == label for picture, label in pairs(batch))
        assert set(batch.label.tolist()) <= there
        epoch += pairs(batch)
        known = sum(CLASSES.tolist().count(kind) for kind in there)
        if len(epoch) == known // 3 * 3:
            assert len(set(epoch)) == len(epoch)
            if known % 3 == 0:
                assert {label for _, label in epoch} == there
            epoch = []
    assert not epoch and not labels.news


def test_the_order_of_the_classes_is_the_seeds():
    orders = {tuple(kind for kind, _ in schedule(growing(seed=s), 2, 3)) for s in range(9)}
    assert len(orders) > 2


def test_a_test_and_a_sample_are_of_the_classes_that_are_there():
    labels, generator = growing(), torch.Generator().manual_seed(0)
    told = schedule(labels, 2, 3)
    y, test_y = torch.from_numpy(CLASSES), GROWING.test_y
    for count, end in enumerate([first for _, first in told[1:]], start=1):
        while labels.agent_step < end:
            next(labels.step())
        there = [kind for kind, _ in told[:count]]
        sample = labels.sample(100, generator)
        assert (
            sorted(number(sample.obs).tolist()) == np.flatnonzero(np.isin(CLASSES, there)).tolist()
        )
        tested = [n for n, kind in enumerate(test_y) if kind in there]
        hits = [n % 4 == test_y[n] for n in tested]
        found = labels.evaluate(1)
        assert found["classes"] == count
        assert found["return"] == found["accuracy"] == pytest.approx(np.mean(hits))
        learnt = [n for n in range(N) if y[n] in there]
        right = np.mean([n % 4 == y[n].item() for n in learnt])
        assert found["training_accuracy"] == pytest.approx(right)


def test_where_no_picture_for_testing_is_of_a_class_that_is_there_the_accuracy_is_undefined():
    labels = growing(tested=1)
    labels.test_turns += 4
    assert math.isnan(labels.evaluate(1)["accuracy"])


def test_in_the_midst_of_an_epoch_of_few_classes_the_number_of_batches_is_all_there_is():
    whole, resumed = growing(5), growing(5)
    for _ in range(8):
        next(whole.step())
    assert whole._place(8)[2] > 0 and whole._place(8)[0] in (0, 1)
    resumed.load_state_dict(whole.state_dict())
    for _ in range(40):  # past the last class
        assert whole.news == resumed.news
        for one, other in zip(next(whole.step()), next(resumed.step()), strict=True):
            assert torch.equal(one, other)


def test_the_first_class_alone_has_a_batch():
    with pytest.raises(InputError, match="at first") as error:
        growing(batch=10)
    assert error.value.field == "--agent.batch-size"
