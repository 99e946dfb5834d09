"""What is recorded of a layer: here only what the scores themselves do not say."""

import math
from types import SimpleNamespace

import pytest
import torch

from fast import scores
from fast.measures import CHANGES, MEASURES, SETS, Seen, look, magi, measure, measured
from fast.nets.layers import MLP


class Agent:
    """One layer of four neurons and a reader; the observations say which of them are 0."""

    def __init__(self):
        module = MLP(4, (4,), 1)
        with torch.no_grad():
            module.dense0.weight.copy_(torch.eye(4))
            module.dense0.bias.zero_()
            module.final.weight.fill_(1)
        self.learners = {"critic": SimpleNamespace(module=module, slow=None)}

    def loss(self, learner, batch, draws):
        return self.learners[learner].module(batch).sum()


def test_what_is_left_of_a_set_of_neurons_is_measured_from_one_look_to_the_next():
    """Dormant, and so without gradient, are first neurons 0 and 1, then 1, 2 and 3, then none."""
    agent, last = Agent(), {}
    looks = [measure(agent, torch.tensor([x]), None, last) for x in
             ([0.0, 0, 2, 3], [1.0, 0, 0, 0], [1.0, 1, 1, 1])]  # fmt: skip
    keys = {f"critic/dense0/{name}_{change}" for name in SETS for change in CHANGES}
    assert looks[0].keys() == looks[1].keys() >= keys
    assert all(math.isnan(looks[0][key]) for key in keys)
    for name in SETS:
        place = f"critic/dense0/{name}"
        assert looks[1][f"{place}_overlap"] == looks[1][f"{place}_retention"] == 1 / 2
        assert math.isnan(looks[2][f"{place}_overlap"])  # of an empty set
        assert looks[2][f"{place}_retention"] == 0
        assert looks[1][f"{place}_chance"] == 3 / 4  # the larger set over the layer
        assert looks[0][place] == 2 / 4
        assert not last[place].any()


def test_magi_on_the_loss_is_of_each_neuron_and_as_printed_it_is_one_number_of_all():
    """By hand: the observations are the inputs, each neuron's weight is its own and 1, and neuron 0
    is off; dz/dw is the input, and z's mean is over two samples and four neurons."""
    agent, x = Agent(), torch.tensor([[-1.0, 1, 2, 3], [-3.0, 1, 4, 5]])
    (of_loss,) = look(agent, "critic", x, None).values()
    (printed,) = look(agent, "critic", x, None, printed=True).values()
    mean_input = x.mean(0).abs().mean()
    on = torch.tensor([0.0, 1, 1, 1])
    assert torch.equal(magi(of_loss), 2 * mean_input * on)  # the loss is a sum over two samples
    assert torch.equal(magi(printed), mean_input.expand(4) / 4)
    for found, name in ((measure(agent, x, None), "loss"),
                        (measure(agent, x, None, printed=True), "printed")):  # fmt: skip
        ends = [found[f"critic/dense0/magi_{end}"] for end in ("smallest", "largest")]
        assert ends == {"loss": [0, 2 * mean_input], "printed": [mean_input / 4] * 2}[name]
        assert found["critic/dense0/gradient_magnitude"] == 2 * mean_input * 3 / 4


def seen(**changed):
    g = torch.Generator().manual_seed(0)
    z = torch.randn(8, 4, generator=g)
    layer = Seen(z, z.relu(), *(torch.randn(8, 4, generator=g) for _ in range(2)),
                 *(torch.randn(4, 3, generator=g) for _ in range(2)))  # fmt: skip
    return layer._replace(**changed)


def test_each_measure_of_a_finite_layer_is_the_score_itself():
    layer = seen()
    told = measured(layer)
    assert told.keys() == MEASURES.keys()
    assert told["dormant_0.1"] == scores.dormant(layer.h, 0.1).float().mean()
    assert all(told[name] == of(layer) for name, of in MEASURES.items())
    assert told["dormant_0.02"] == scores.dormant(layer.h, 0.02).float().mean()
    low = scores.gradient_dormant(layer.dweight, 0.01)
    assert told["low_gradient_0.01"] == low.float().mean()


def test_the_lowest_quarters_are_of_activation_and_of_gradient():
    """Of eight neurons the first two have least activation, and one of these least gradient."""
    size, other = torch.arange(1.0, 9), torch.tensor([1.0, 3, 2, 4, 5, 6, 7, 8])
    layer = seen(
        h=size.expand(3, 8), z=size.expand(3, 8), dweight=other[:, None] * torch.ones(8, 2)
    )
    assert measured(layer)["lowest_quarters"] == 1 / 2
    same = layer._replace(dweight=layer.h.T.clone())
    assert measured(same)["lowest_quarters"] == 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["z", "h"])
def test_every_measure_of_a_layer_that_is_not_finite_is_undefined(where, value):
    layer = seen()
    changed = getattr(layer, where).clone()
    changed[3, 2] = value
    told = measured(layer._replace(**{where: changed}))
    assert told.keys() == MEASURES.keys()
    assert all(number.isnan() for number in told.values())
