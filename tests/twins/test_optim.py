"""ref's optimizers are torch's, in float64 over 20 steps."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ref import optim

STEPS, RATE, EPS = 20, 0.01, np.finfo(np.float64).eps
LOW, HIGH = 1 / 8, 8.0  # the sizes of the gradients' entries
SHAPES = {"dense0.weight": (3, 2), "dense0.bias": (3,)}
seeds = st.integers(0, 2**32 - 1)


def drawn(seed):
    """Parameters in [-1, 1] and 20 gradients of random sign, all entries of sizes LOW to HIGH."""
    rng = np.random.default_rng(seed)
    params = {name: rng.uniform(-1, 1, shape) for name, shape in SHAPES.items()}
    grads = [
        {
            name: rng.choice([-1, 1], shape) * rng.uniform(LOW, HIGH, shape)
            for name, shape in SHAPES.items()
        }
        for _ in range(STEPS)
    ]
    return params, grads


def torch_steps(make, params, grads):
    """The parameters after torch's steps, and the optimizer's state by parameter name."""
    leaves = {name: torch.tensor(w, requires_grad=True) for name, w in params.items()}
    optimizer = make(leaves)
    for step in grads:
        for name, leaf in leaves.items():
            leaf.grad = torch.tensor(step[name])
        optimizer.step()
    state = {name: optimizer.state[leaf] for name, leaf in leaves.items()}
    return {name: leaf.detach().numpy() for name, leaf in leaves.items()}, state


@given(seeds, st.sampled_from([0.0, 0.5, 0.9]))
def test_sgd_is_torch_s(seed, momentum):
    params, grads = drawn(seed)
    expected, buffers = torch_steps(
        lambda leaves: torch.optim.SGD(leaves.values(), lr=RATE, momentum=momentum), params, grads
    )
    state = optim.start_sgd(params)
    for step in grads:
        params, state = optim.sgd(step, state, params, RATE, momentum)
    # A step rounds the buffer twice, and w twice: half an epsilon each of at most size, and a
    # buffer's errors enter all later steps, at most size / HIGH times. Two such sums are compared.
    size = HIGH / (1 - momentum)
    bound = 2 * STEPS * EPS * (1 + STEPS * RATE * size) * size / HIGH
    for name in SHAPES:
        assert np.abs(params[name] - expected[name]).max() <= bound
        if momentum:
            buffer = buffers[name]["momentum_buffer"].numpy()
            assert np.abs(state["momentum"][name] - buffer).max() <= 2 * STEPS * EPS * size


def adam_bound(betas):
    """How far two orders of rounding can take the parameters apart in STEPS steps.

    Adam divides: a rounding of the moments is amplified by HIGH / LOW, which is why the gradients
    are kept away from zero. 1 - beta**t loses up to 1 / (1 - beta) of its digits where two powers
    differ in the last one. The moments collect at most 4 roundings a step, a step has 4 more.
    """
    correction = 1 / (1 - betas[0]) + 1 / (1 - betas[1])
    a_step = RATE * HIGH / LOW * (correction + 4 * STEPS + 4) * EPS
    return STEPS * (a_step + EPS * (1 + STEPS * RATE * HIGH / LOW))


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.75), (0.0, 0.0)])
@given(seeds, st.sampled_from([1e-8, 1.0]))
def test_adam_is_torch_s(betas, seed, eps):
    params, grads = drawn(seed)
    expected, moments = torch_steps(
        lambda leaves: torch.optim.Adam(leaves.values(), lr=RATE, betas=betas, eps=eps),
        params,
        grads,
    )
    state = optim.start_adam(params)
    for step in grads:
        params, state = optim.adam(step, state, params, RATE, betas, eps)
    for name in SHAPES:
        assert np.abs(params[name] - expected[name]).max() <= adam_bound(betas)
        assert state["count"][name] == moments[name]["step"].item() == STEPS
        # two orders of summation, at most 4 roundings a step each, of at most HIGH and HIGH^2
        mean, variance = moments[name]["exp_avg"].numpy(), moments[name]["exp_avg_sq"].numpy()
        assert np.abs(state["mean"][name] - mean).max() <= 4 * STEPS * EPS * HIGH
        assert np.abs(state["variance"][name] - variance).max() <= 4 * STEPS * EPS * HIGH**2


@given(seeds, st.sampled_from([0.0, 0.1, 10.0]))
def test_adamw_is_torch_s_with_decay_on_the_kernels_alone(seed, decay):
    params, grads = drawn(seed)

    def make(leaves):
        groups = [
            {"params": [leaves["dense0.weight"]], "weight_decay": decay},
            {"params": [leaves["dense0.bias"]], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=RATE)

    expected, _ = torch_steps(make, params, grads)
    state, marked = optim.start_adam(params), optim.kernels(params)
    for step in grads:
        params, state = optim.adamw(step, state, params, RATE, decay, marked)
    # the factor 1 - rate * decay is at most 1: it adds two roundings a step and amplifies none
    bound = adam_bound((0.9, 0.999)) + 2 * STEPS * EPS * (1 + STEPS * RATE * HIGH / LOW)
    for name in SHAPES:
        assert np.abs(params[name] - expected[name]).max() <= bound
