"""The classifier is that of the papers, and its two experiments do what they say, once."""

import json
import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from fast import config as configs
from fast import envs
from fast.agents.classifier import Classifier, ClassifierSettings, incremental, networks
from fast.errors import InputError
from fast.experience.labels import Batch
from fast.interventions import Schedule
from fast.runs.session import Stop
from fast.train import Training, train

CIFAR = (3, 32, 32)


def settings_of(preset):
    return configs.build("classifier", "cifar-10", preset=preset).agent


def shapes(preset):
    network = networks(settings_of(preset), CIFAR, 10)["classifier"]
    return {name: tuple(p.shape) for name, p in network.named_parameters()}


def test_the_network_of_the_intervention_is_that_of_appendix_b3():
    widths = (3, 64, 128, 256, 256)
    assert shapes("paper") == {
        **{f"encoder.conv{i}.weight": (widths[i + 1], widths[i], 3, 3) for i in range(4)},
        "mlp.dense0.weight": (512, 256), "mlp.dense0.bias": (512,),
        "mlp.dense1.weight": (512, 512), "mlp.dense1.bias": (512,),
        "mlp.final.weight": (10, 512), "mlp.final.bias": (10,),
    }  # fmt: skip
    network, x = networks(settings_of("paper"), CIFAR, 10)["classifier"], torch.zeros(1, *CIFAR)
    sides = [(x := layer(x)).shape[-1] for layer in network.encoder.children()]
    assert sides == [16] * 4  # the first one's stride is 2, and the padding keeps the rest


def test_the_network_of_shuffled_labels_is_that_of_redos_table_5():
    found = shapes("redo")
    kernels = [shape for name, shape in found.items() if name.endswith("weight")]
    assert kernels == [(32, 3, 3, 3), (64, 32, 3, 3), (64, 64, 3, 3), (128, 64 * 8 * 8), (10, 128)]
    assert len(found) == 2 * len(kernels)
    s = settings_of("redo")
    assert (s.optimizer, s.learning_rate, s.momentum, s.batch_size) == ("sgd", 0.01, 0.9, 256)


def test_first_weights_have_variance_1_over_fan_in_and_no_more_than_the_cut_allows():
    agent = Classifier(settings_of("paper"), CIFAR, 10, torch.Generator().manual_seed(0))
    for name, parameter in agent.classifier.params.items():
        if name.endswith("bias"):
            assert not parameter.any()
            continue
        count, fan_in = parameter.numel(), parameter[0].numel()
        # A cut normal's fourth moment is below a normal's, 3: five deviations of the estimate.
        error = 5 * math.sqrt(2 / count)
        assert abs(parameter.var().item() * fan_in - 1) < error
        # 2 deviations before the cut; the factor 1e-5 is for float32.
        most = 2 / math.sqrt(fan_in) / 0.87962566
        assert parameter.abs().max().item() <= most * (1 + 1e-5)


@pytest.mark.parametrize("decay", [0.0, 0.5])
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "sgd in loss"])
def test_two_updates_are_those_of_torchs_own_loss_and_optimizer(optimizer, decay):
    changes = {"optimizer": optimizer[:4].strip(), "learning_rate": 0.1, "weight_decay": decay,
               "decay_in_loss": optimizer == "sgd in loss", "decay_biases": True}  # fmt: skip
    agent, twin = (
        Classifier(
            replace(settings_of("tiny"), **changes),
            (1, 8, 8), 10, torch.Generator().manual_seed(0),
        )
        for _ in range(2)
    )  # fmt: skip
    network = twin.classifier.module.double()
    agent.classifier.module.double()
    theirs = {
        "adam": lambda p: torch.optim.AdamW(p, 0.1, weight_decay=decay),
        "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
        "sgd in loss": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=decay),
    }[optimizer](list(network.parameters()))
    g = torch.Generator().manual_seed(1)
    for count in (1, 2):
        x = torch.randn(8, 1, 8, 8, generator=g, dtype=torch.float64)
        batch = Batch(x, torch.randint(10, (8,), generator=g))
        loss, hits = F.cross_entropy(network(x), batch.label), network(x).argmax(1) == batch.label
        info = agent.update(batch, agent.draws(8, g), count)
        theirs.zero_grad()
        loss.backward()
        if optimizer == "sgd":
            for p in network.parameters():
                p.data *= 1 - 0.1 * decay
        theirs.step()
        torch.testing.assert_close(info["classifier_loss"], loss.detach())
        assert info["batch_accuracy"] == hits.float().mean()
    torch.testing.assert_close(agent.classifier.params, dict(network.named_parameters()))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"strides": (2, 1)}, "--agent.strides"),
        ({"pools": ()}, "--agent.pools"),
        ({"pools": (2, 2, 2, 1)}, "--agent.pools"),  # 8 pixels: 4, 2, 1, 0
    ],
)
def test_settings_that_cannot_be_together_are_refused(changes, field):
    config = configs.build("classifier", "digits")
    with pytest.raises(InputError) as error:
        configs.check(replace(config, agent=ClassifierSettings(**changes)))
    assert error.value.field == field


@pytest.mark.parametrize("name", ["reward_masked", "evaluation_episodes"])
def test_of_a_classifier_there_is_no_reward_to_mask_and_one_pass_to_test(name):
    config = configs.build("classifier", "digits")
    with pytest.raises(InputError) as error:
        configs.check(replace(config, run=replace(config.run, **{name: 7})))
    assert error.value.field == f"--run.{name}".replace("_", "-")


# --- runs -------------------------------------------------------------------------------------


def config_of(task="digits", method="baseline", reached=0.0, **env):
    config = configs.build("classifier", task, method, "tiny")
    run = replace(config.run, updates=8, evaluation_interval=3, score_interval=1, log_interval=4)
    config = replace(config, run=run, env=replace(config.env, **env))
    if made := config.interventions.make_dominant:
        made = replace(made, when=replace(made.when, reached=reached))
        asked = replace(config.interventions, make_dominant=made)
        config = replace(config, interventions=asked)
    return config


def told(folder, *kinds):
    records = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [record for record in records if record["kind"] in kinds]


def test_one_neurons_incoming_weights_are_multiplied_once_when_the_accuracy_is_reached(
    tmp_path, monkeypatch
):
    states, real = [], Training.intervene

    def intervene(training):
        params = training.agent.classifier.params
        states.append({name: p.detach().clone() for name, p in params.items()})
        real(training)
        if any(not torch.equal(params[name], p) for name, p in states[-1].items()):
            after = {name: p.detach().clone() for name, p in params.items()}
            changes.append((training.update, states[-1], after))

    changes = []
    monkeypatch.setattr(Training, "intervene", intervene)
    accuracies = [0.1, 0.4, 0.6, 0.7]  # before the first update, and after 3, 6 and 8
    results = iter(accuracies)

    def evaluate(self, passes):
        return {"accuracy": (value := next(results)), "training_accuracy": 0.0, "return": value}

    monkeypatch.setattr("fast.experience.labels.Labels.evaluate", evaluate)
    assert train(config_of(method="make-dominant", reached=0.5), tmp_path / "run", Stop())
    ((update, before, after),) = changes
    (record,) = told(tmp_path / "run", "intervention")
    assert update == record["update"] == 7  # 0.6 was found after 6
    (name,) = [name for name in before if not torch.equal(before[name], after[name])]
    assert name == "mlp.dense0.weight"
    expected = before[name].clone()
    expected[record["neuron"]] *= 1e7
    assert torch.equal(after[name], expected)
    last = told(tmp_path / "run", "scores")[7]  # of the same parameters
    assert last["update"] == 7 and last["classifier/mlp.dense0/dominant"] == 1 / 16
    assert last["classifier/mlp.dense0/largest_neuron"] == record["neuron"]


def test_with_and_without_the_intervention_a_seed_is_one_run_until_then(tmp_path):
    for method in ("baseline", "make-dominant"):
        assert train(config_of(method=method), tmp_path / method, Stop())
    one, other = (told(tmp_path / method, "scores") for method in ("baseline", "make-dominant"))
    at = told(tmp_path / "make-dominant", "intervention")[0]["update"]
    assert at == 1
    assert one[:at] == other[:at] and one[at] != other[at]


def test_with_fixed_and_shuffled_labels_a_seed_is_one_run_up_to_the_first_shuffle(tmp_path):
    env = {"pictures": 16}  # two updates an epoch
    fixed, shuffled = config_of(**env), config_of("digits-shuffled", shuffle_every=2, **env)
    assert configs.build("classifier", "digits-shuffled").env.shuffle_every == 20
    assert train(fixed, tmp_path / "fixed", Stop())
    assert train(shuffled, tmp_path / "shuffled", Stop())
    one, other = (told(tmp_path / name, "scores") for name in ("fixed", "shuffled"))
    assert one[:4] == other[:4]  # before update 5 the batch has new labels, the network has not
    key = "classifier/mlp.dense0/largest_share"
    assert one[4][key] == other[4][key] and one[5][key] != other[5][key]
    for record in told(tmp_path / "shuffled", "evaluation"):
        assert record["accuracy"] == record["return"]


GROWING = {"pictures": 200, "new_class_every": 2}


def test_neurons_are_recycled_in_front_of_each_new_class_and_a_run_goes_on_in_its_midst(
    tmp_path, monkeypatch
):
    """Stopped in the midst of an epoch of three classes, and taken up there, it is the same run."""
    config = config_of("digits-incremental", "redo+regrama", **GROWING)
    assert config.interventions.redo.when.every == config.interventions.regrama.when.every
    config = replace(config, run=replace(config.run, updates=40))
    assert train(config, tmp_path / "whole", Stop())
    training = Training(config, *[envs.make(config.task, config.env)] * 2)
    begins = [first for first in training.experience.begins[1:] if first < 40]
    assert len(begins) == 3
    at = (begins[1] + begins[2]) // 2 + 1
    assert (at - begins[1]) % training.experience.counts[2] > 0

    stop, real = Stop(), Training.intervene

    def intervene(training):
        real(training)
        if training.update == at:
            stop.received.append(2)

    monkeypatch.setattr(Training, "intervene", intervene)
    assert not train(config, tmp_path / "other", stop)
    assert train(None, tmp_path / "other", Stop())
    for folder in ("whole", "other"):
        acts = told(tmp_path / folder, "intervention")
        assert [(r["name"], r["update"]) for r in acts] == [
            (name, first) for first in begins for name in ("redo", "regrama")
        ]
        seen = {r["update"]: r["classes"] for r in told(tmp_path / folder, "evaluation")}
        # The record of a moment is of the classes that the batch before it had.
        assert all(n == 1 + sum(f < max(1, u) for f in begins) for u, n in seen.items())
    kinds = ("scores", "evaluation", "update", "intervention")
    assert told(tmp_path / "whole", *kinds) == told(tmp_path / "other", *kinds)


@pytest.mark.parametrize(
    ("task", "env", "method", "field"),
    [
        ("digits", {}, "redo", "--interventions.redo.when.every"),
        ("digits-shuffled", {"new_class_every": 3}, "baseline", "--env.shuffle-every"),
    ],
)
def test_what_needs_classes_that_come_in_is_refused_where_none_does(task, env, method, field):
    config = config_of(task, method, **env)
    if asked := config.interventions.redo:
        asked = replace(asked, when=Schedule("new-class"))
        config = replace(config, interventions=replace(config.interventions, redo=asked))
    with pytest.raises(InputError) as error:
        configs.check(config)
    assert error.value.field == field


@pytest.mark.parametrize(
    ("classes", "each", "batch", "updates"), [(1, 9, 4, 2), (3, 4, 3, 1 + 2 + 4), (2, 4, 3, 3)]
)
def test_a_preset_of_classes_that_come_in_is_as_long_as_their_epochs(classes, each, batch, updates):
    assert incremental(classes, each, batch, 1) == updates
    assert incremental(classes, each, batch, 15) == 15 * updates
