"""OCP's regression (its Figures 3 and 5): does a value network that PPO has trained learn something
else as well as a fresh one? `python -m fast regression RUN ... --out DIR`.

Each run's value network as its checkpoint has it, and a fresh one of the same form, fit the target
of eq. (15) by Adam on the mean squared error, at several rates. Three things that the paper lacks
stand beside it, and decide what its figure means:

- `dead`: the fresh network with the last hidden layer of ReLUs switched off, which cannot learn
  more than a constant: what a network without plasticity looks like in this figure;
- `states`: the run's own normalised states as inputs, where the paper draws them at random;
- the share of dormant neurons ON the inputs of the regression. Neurons that are dormant on the
  states of a task need not be on others.
"""

from collections.abc import Iterator, Sequence
from itertools import product, starmap
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from torch import Generator, Tensor

from fast import losses, scores
from fast.agents.ppo import Critic, PPOSettings, draw, networks
from fast.errors import InputError
from fast.machine import terminal
from fast.nets.layers import tapped
from fast.report import drawing
from fast.runs.folder import RunFolder
from fast.runs.session import generator

INPUTS = 17  # of HalfCheetah, and of the formula
SAMPLES = 1000  # to learn from, and as many for testing (OCP, Appendix A)
BATCH = 64  # ours
LOOKS = {"fresh": ("#D55E00", "o"), "trained": ("#0072B2", "s"), "dead": ("#000000", "X")}
SHOWN = {"normal": "normal inputs", "states": "its own states"}
DRAWN, FRESH, ORDER = range(3)  # what a generator is for


def eq_15(x: Tensor) -> Tensor:
    """A target (n,) of inputs (n, 17), in place of OCP's eq. (15).

    The formula is a picture that our text of the paper has lost: this one, ours, has the terms that
    the text names, each of the 17 inputs once or more.
    """
    a = dict(enumerate(x.unbind(1), 1))
    powers = a[1] + a[2] ** 2 - 0.5 * a[3] ** 3 + 0.5 * (a[15] - a[16]) ** 2 + 0.3 * a[17]
    curves = a[4].sin() + a[5].cos() + (-(a[6] ** 2)).exp() + a[7].tanh()
    products = a[8] * a[9] + a[10] * a[11] * a[12]
    return powers + curves + products + a[13].abs() + a[14].clamp(min=0)


NOISE = 0.1  # deviation of what is added to the target (lost from our text; ours)


class Trained(NamedTuple):
    """A run's value network, and what of the run is needed beside it."""

    name: str
    settings: PPOSettings
    agent_step: int
    critic: dict[str, Tensor]
    states: Tensor  # (n, 17), of its last rollout


class Row(NamedTuple):
    """One line of the CSV: a network after so many epochs."""

    run: str
    agent_step: int
    activation: str
    inputs: str  # normal, or states
    network: str  # fresh, trained or dead
    rate: float
    seed: int
    epoch: int
    train_mse: float
    test_mse: float
    constant_mse: float  # on the test of the best constant, the mean of what is learnt from
    dormant: str  # share of each hidden layer on what is learnt from, in order, joined by spaces


def read(run: Path) -> Trained:
    """What a run of PPO has left.

    Raises:
        InputError: where it is none, or observes other than 17 numbers.
    """
    try:
        folder = RunFolder.resume(run)
    except InputError as error:
        raise InputError("RUN", str(run), error.accepted) from None
    folder.close()
    settings, checkpoint = folder.config.agent, folder.checkpoint
    accepted = f"accepted: a run of ppo with {INPUTS} observations, such as HalfCheetah-v4's"
    state = checkpoint and checkpoint["state"]
    if not (isinstance(settings, PPOSettings) and state and state["experience"]["batch"]):
        raise InputError("RUN", str(run), f"{accepted}, that has learnt from a rollout")
    states = state["experience"]["batch"][0]
    if states.shape[1] != INPUTS:
        raise InputError("RUN", str(run), accepted)
    step, critic = state["experience"]["agent_step"], state["agent"]["critic"]["module"]
    return Trained(run.name, settings, step, critic, states)


def data(inputs: str, states: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Inputs and targets to learn from, and for testing; the same of every network."""
    g = generator(seed, DRAWN)
    if inputs == "normal":
        x = torch.randn(2 * SAMPLES, INPUTS, generator=g)
    else:
        x = states[torch.randperm(len(states), generator=g)][: 2 * SAMPLES]
    y = eq_15(x) + NOISE * torch.randn(len(x), generator=g)
    half = len(x) // 2
    return x[:half], y[:half], x[half:], y[half:]


def network(which: str, of: Trained, seed: int) -> Critic:
    """One that begins: fresh, trained or dead."""
    with torch.random.fork_rng(devices=[]):  # torch's own initial draws are thrown away
        made = networks(of.settings, (INPUTS,), 1)["critic"]
    if which == "trained":
        made.load_state_dict(of.critic)
        return made
    draw(made, generator(seed, FRESH), last=1.0)
    if which == "dead":
        last = made.head.get_submodule(f"dense{len(of.settings.hidden) - 1}")
        with torch.no_grad():
            last.weight.zero_()  # type: ignore[operator]
            last.bias.fill_(-1.0)  # type: ignore[operator]
    return made


def fit(
    made: Critic, x: Tensor, y: Tensor, rate: float, epochs: int, g: Generator
) -> Iterator[int]:
    """Yields the number of epochs behind it: before the first, and after each twentieth of all."""
    adam = torch.optim.Adam(made.parameters(), rate, fused=True)
    told = {round(k * epochs / 20) for k in range(21)}
    for epoch in range(epochs + 1):
        if epoch in told:
            yield epoch
        if epoch == epochs:
            return
        for chosen in torch.randperm(len(x), generator=g).split(BATCH):
            adam.zero_grad()
            losses.mse(made(x[chosen]), y[chosen]).backward()
            adam.step()


def dormant(made: Critic, x: Tensor) -> str:
    """The share of neurons of each hidden layer that are 0 on all inputs."""
    with tapped(made) as taps:
        made(x)
    return " ".join(f"{scores.dormant(h.detach(), 0.0).float().mean():g}" for _, h in taps.values())


class Fit(NamedTuple):
    """One network, and what it is to learn."""

    run: Trained
    inputs: str
    seed: int
    network: str
    rate: float


def fits(runs: Sequence[Trained], rates: Sequence[float], seeds: int) -> list[Fit]:
    """Of every run, kind of inputs, seed, network and rate; dead are ReLUs alone."""
    every = starmap(Fit, product(runs, SHOWN, range(seeds), LOOKS, rates))
    return [fit for fit in every if fit.network != "dead" or fit.run.settings.activation == "relu"]


def rows(of: Fit, epochs: int) -> Iterator[Row]:
    """What one fit comes to, along its epochs."""
    run, s = of.run, of.run.settings
    x, y, test_x, test_y = data(of.inputs, run.states, of.seed)
    constant = (test_y - y.mean()).square().mean().item()
    made = network(of.network, run, of.seed)
    for epoch in fit(made, x, y, of.rate, epochs, generator(of.seed, ORDER)):
        with torch.no_grad():
            train, test = (losses.mse(made(i), o).item() for i, o in ((x, y), (test_x, test_y)))
        yield Row(run.name, run.agent_step, s.activation, of.inputs, of.network, of.rate, of.seed,
                  epoch, train, test, constant, dormant(made, x))  # fmt: skip


def figure(found: Sequence[Row]) -> Figure:
    """The test's error over epochs: a row of panels for each run and kind of inputs, a panel for
    each rate, with the mean over seeds and, between the lowest and the highest one, a band."""
    kinds = list(dict.fromkeys((r.run, r.agent_step, r.inputs) for r in found))
    rates = sorted({r.rate for r in found})
    with drawing.house_style():
        made = Figure(figsize=(3.2 * len(rates) + 1, 2.4 * len(kinds) + 0.6), layout="constrained")
        grid = made.subplots(len(kinds), len(rates), squeeze=False, sharex=True)
        for (kind, rate), axes in zip(product(kinds, rates), grid.flat, strict=True):
            here = [r for r in found if (r.run, r.agent_step, r.inputs, r.rate) == (*kind, rate)]
            for which, (colour, marker) in LOOKS.items():
                lines = [r for r in here if r.network == which]
                if not lines:
                    continue
                epochs = sorted({r.epoch for r in lines})
                y = np.array([[r.test_mse for r in lines if r.epoch == e] for e in epochs])
                how = {"color": colour, "marker": marker, "markevery": 5, "label": which}
                axes.plot(epochs, y.mean(1), **how)
                axes.fill_between(epochs, y.min(1), y.max(1), color=colour, alpha=0.2, linewidth=0)
            constant = float(np.mean([r.constant_mse for r in here]))
            axes.axhline(constant, color=drawing.GREY, linestyle="--", label="the best constant")
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_locator(NullLocator())
            run, step, inputs = kind
            title = f"{run} after {step:,} steps\n{SHOWN[inputs]}, rate {rate:g}"
            axes.set_title(title, fontsize="small")
        for axes in grid[-1]:
            axes.set_xlabel("epochs")
        for axes in grid[:, 0]:
            axes.set_ylabel("test MSE")
        handles = {h.get_label(): h for axes in grid.flat
                   for h in axes.get_legend_handles_labels()[0]}  # fmt: skip
        made.legend(handles=list(handles.values()), loc="outside lower center", ncols=4)
    return made


def regression(
    runs: Sequence[Path], out: Path, rates: Sequence[float], seeds: int, epochs: int
) -> Path:
    """Write regression.png, .pdf and .csv; returns the first of them.

    Raises:
        InputError: before any work, for a run that cannot be used, or an `out` that cannot.
    """
    drawing.require_writable(out)
    asked = fits([read(run) for run in runs], rates, seeds)
    found: list[Row] = []
    with terminal.bar(len(asked), "fits") as bar:
        for each in asked:
            found.extend(rows(each, epochs))
            bar.update()
    made = drawing.Drawing(figure(found), Row._fields, found)
    return drawing.save(made, out / "regression.png")
