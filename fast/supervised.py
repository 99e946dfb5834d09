"""The papers' supervised experiments, where the data stay fixed and one cause is set by hand.

    intervention     a dominant neuron is made in the middle of training (Neuron Dominance,
                     section 3.2, Figure 4, Appendix B.3), against a control without it
    shuffled-labels  labels that are shuffled every few epochs, against fixed ones (ReDo,
                     section 3, Figure 3, Appendix A and Table 5)

The two runs of a seed begin with the same weights and see the same batches. In the settings, "B.3"
and "Table 5" are those of the papers, and "ours" is what their texts leave open. Everything drawn
comes from one generator of the seed: on one CPU the same command gives the same numbers.
"""

import csv
import dataclasses
import json
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fast.errors import InputError
from fast.experience import pictures
from fast.experience.pictures import Pictures
from fast.machine import terminal
from fast.mitigations import scale_incoming
from fast.monitor import Monitor
from fast.report import drawing
from fast.report.supervised_figures import RUNS, UNITS, draw
from fast.runs.folder import refuse_used

Row = dict[str, str | int | float]
CHUNK = 1000  # pictures that are measured at once


@dataclass(frozen=True)
class Intervention:
    """Neuron Dominance, B.3. The defaults are for CIFAR-10, which has not been run here."""

    learning_rate: float = 0.005  # of Adam, B.3
    factor: float = 1e7  # of the incoming weights of the neuron with the largest score, B.3
    accuracy: float = 0.5  # on the validation pictures, at which that happens, B.3
    batch_size: int = 128  # ours
    epochs: int = 20  # ours
    validation: int = 5000  # training pictures set apart, drawn by the seed; all scores are
    # over them (ours)
    interval: int = 25  # steps between two measurements (ours)
    close: int = 25  # steps after the intervention that are all measured (ours)


@dataclass(frozen=True)
class ShuffledLabels:
    """ReDo, Appendix A and Table 5. The defaults are for CIFAR-10, which has not been run here."""

    learning_rate: float = 0.01  # of SGD, Table 5
    momentum: float = 0.9  # Table 5
    batch_size: int = 256  # Table 5
    epochs: int = 100  # Appendix A
    shuffle_interval: int = 20  # epochs with the same labels; the first are the true ones, App. A
    pictures: int = 10_000  # for training, drawn by the seed, Appendix A


Settings = Intervention | ShuffledLabels
CIFAR10: dict[str, Settings] = {
    "intervention": Intervention(),
    "shuffled-labels": ShuffledLabels(),
}
# 8x8 pictures of one channel, which enter as they are: the stride of 2 leaves 4x4 of them.
DIGITS: dict[str, Settings] = {
    "intervention": Intervention(validation=300, interval=5),
    # Batches of 32 make 46 steps an epoch, where the paper makes 39.
    "shuffled-labels": ShuffledLabels(batch_size=32, pictures=pictures.DIGITS_TRAINING),
}


# The networks


def dominance_network(channels: int, generator: torch.Generator) -> nn.Sequential:
    """Four 3x3 convolutions, each with ReLU, global average pool, and an MLP of 512 (B.3).

    B.3 names ReLU for the MLP alone. Its 'same padding' is JAX's, 0 before and 1 after at stride 2;
    here it is 1 on both sides.
    """
    convolutions: list[nn.Module] = []
    for width, stride in ((64, 2), (128, 1), (256, 1), (256, 1)):
        convolutions += [nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.ReLU()]
        channels = width
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    mlp = OrderedDict(
        dense0=nn.Linear(channels, 512), relu0=nn.ReLU(),
        dense1=nn.Linear(512, 512), relu1=nn.ReLU(),
        final=nn.Linear(512, 10),
    )  # fmt: skip
    parts = OrderedDict(features=nn.Sequential(*convolutions, *pool), mlp=nn.Sequential(mlp))
    return initialised(nn.Sequential(parts), generator)


def redo_network(channels: int, size: int, generator: torch.Generator) -> nn.Sequential:
    """Three 3x3 convolutions, two max pools and a dense layer of 128 (Table 5).

    Ours, where the table is silent: ReLU after each layer and padding that keeps the size.
    """
    network = nn.Sequential(
        nn.Conv2d(channels, 32, 3, 1, 1), nn.ReLU(),
        nn.Conv2d(32, 64, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(64 * (size // 4) ** 2, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    return initialised(network, generator)


@torch.no_grad()
def initialised(network: nn.Sequential, generator: torch.Generator) -> nn.Sequential:
    """Weights truncated normal at two deviations, of variance 1 / fan-in, and biases 0 (ours).

    The default of flax, as both papers used JAX; and Theorem 1 assumes the biases to be 0.
    """
    for part in network.modules():
        if isinstance(part, nn.Linear | nn.Conv2d):
            deviation = part.weight[0].numel() ** -0.5 / 0.87962566  # what truncating leaves of it
            nn.init.trunc_normal_(
                part.weight, 0, deviation, -2 * deviation, 2 * deviation, generator
            )
            if part.bias is not None:
                part.bias.zero_()
    return network


# The experiments: each yields its measurements in order


def intervention(
    data: Pictures, settings: Intervention, seed: int, run: str, device: str = "cpu"
) -> Iterator[Row]:
    """Train as B.3 says; in the run `intervention` make a neuron dominant once, else not.

    Measured are all validation pictures: of the first MLP layer the largest score, its share, its
    neuron and whether it is dominant (Definition 1), and the share of pictures on which the neuron
    that was made dominant is active; of the second layer the shares that are saturated, zombie
    and 0.1-dormant. The step of the intervention has two rows: before and after it.
    """
    generator = torch.Generator().manual_seed(seed)
    x, y = _tensors(data.x, data.x, data.y, device)
    order = torch.randperm(len(x), generator=generator)
    held, training = order[: settings.validation], order[settings.validation :]
    network = dominance_network(x.shape[1], generator).to(device)
    optimizer = torch.optim.Adam(network.parameters(), settings.learning_rate)
    losses: list[Tensor] = []
    step, intervened, made = 0, None, None  # the step of the intervention and its neuron

    @torch.no_grad()
    def measured() -> Row:
        features = torch.cat([network.features(part) for part in x[held].split(CHUNK)])
        with Monitor(network.mlp, taus=(0.1,), feature_rows=1) as monitor:
            hits = network.mlp(features).argmax(1) == y[held]
        first, second = monitor.rows()
        active = network.mlp.dense0(features) > 0
        row: Row = {
            "seed": seed,
            "run": run,
            "step": step,
            "intervened": int(intervened is not None),
            "training_loss": torch.stack(losses).mean().item() if losses else torch.nan,
            "validation_accuracy": hits.float().mean().item(),
            "largest_score": first["largest_share"] * first["neurons"],
            "largest_share": first["largest_share"],
            "largest_neuron": first["largest_neuron"],
            "dominant": int(first["dominant"] > 0),
            "made_active": torch.nan if made is None else active[:, made].float().mean().item(),
            "saturated": second["saturated"],
            "zombie": second["zombie"],
            "dormant": second["dormant_0.1"],
        }
        losses.clear()
        return row

    for _ in range(settings.epochs):
        for batch in _batches(training, settings.batch_size, generator):
            soon = intervened is not None and step <= intervened + settings.close
            if step % settings.interval == 0 or soon:
                row = measured()
                yield row
                reached = row["validation_accuracy"] >= settings.accuracy
                if run == "intervention" and intervened is None and reached:
                    parameters = dict(network.named_parameters())
                    intervened, made = step, int(row["largest_neuron"])
                    scale_incoming(parameters, "mlp.dense0", made, settings.factor)
                    yield measured()
            losses.append(_step(network, optimizer, x[batch], y[batch])[0])
            step += 1
    yield measured()


def shuffled_labels(
    data: Pictures, settings: ShuffledLabels, seed: int, run: str, device: str = "cpu"
) -> Iterator[Row]:
    """Train as ReDo's Appendix A says; in the run `shuffled` permute the labels, else not.

    Measured before the first and after each epoch: the share of all neurons that are dormant on
    the test pictures at tau 0 (as there, section 3) and 0.1, and the accuracy on them. Labels are
    permuted among the pictures (ours), so that those of a phase can only be memorised.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(data.x), generator=generator)[: settings.pictures]
    x, y = _tensors(data.x, data.x, data.y, device)
    x, y = x[chosen], y[chosen]
    test_x, test_y = _tensors(data.x, data.test_x, data.test_y, device)
    network = redo_network(x.shape[1], x.shape[-1], generator).to(device)
    rate, momentum = settings.learning_rate, settings.momentum
    optimizer = torch.optim.SGD(network.parameters(), rate, momentum)
    losses, hits = torch.tensor([torch.nan]), torch.tensor([torch.nan])
    for epoch in range(settings.epochs + 1):
        with Monitor(network, feature_rows=1) as monitor:
            accuracy = _accuracy(network, test_x, test_y)
        yield {
            "seed": seed,
            "run": run,
            "epoch": epoch,
            "training_loss": losses.mean().item(),
            "training_accuracy": hits.mean().item(),
            "test_accuracy": accuracy,
            "dormant_0": monitor.dormant_ratio(tau=0.0),
            "dormant_0.1": monitor.dormant_ratio(tau=0.1),
        }
        if epoch == settings.epochs:
            return
        if epoch and epoch % settings.shuffle_interval == 0:
            permutation = torch.randperm(len(y), generator=generator)  # drawn in both runs
            y = y[permutation] if run == "shuffled" else y
        told = [
            _step(network, optimizer, x[batch], y[batch])
            for batch in _batches(torch.arange(len(x)), settings.batch_size, generator)
        ]
        losses, hits = (torch.stack(values) for values in zip(*told, strict=True))


def _tensors(training: object, x: object, y: object, device: str) -> tuple[Tensor, Tensor]:
    """Pictures and labels on the device, each channel by the training pictures' mean and deviation
    (ours)."""
    known = torch.as_tensor(training).float()
    mean, deviation = known.mean((0, 2, 3), True), known.std((0, 2, 3), keepdim=True)
    return ((torch.as_tensor(x) - mean) / deviation).to(device), torch.as_tensor(y).to(device)


def _batches(chosen: Tensor, size: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """An epoch of whole batches in a new order; what is left over waits for another epoch."""
    order = chosen[torch.randperm(len(chosen), generator=generator)]
    return order[: len(order) // size * size].split(size)


def _step(
    network: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor
) -> tuple[Tensor, Tensor]:
    """One step on the cross-entropy: the loss and the accuracy on the batch before it."""
    logits = network(x)
    loss = F.cross_entropy(logits, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach(), (logits.argmax(1) == y).float().mean()


@torch.no_grad()
def _accuracy(network: nn.Module, x: Tensor, y: Tensor) -> float:
    logits = torch.cat([network(part) for part in x.split(CHUNK)])
    return (logits.argmax(1) == y).float().mean().item()


# The command

# What runs a seed of it.
EXPERIMENTS: dict[str, Callable[..., Iterator[Row]]] = {
    "intervention": intervention,
    "shuffled-labels": shuffled_labels,
}


def supervised(
    experiment: str,
    data: str,
    out: Path,
    seeds: int,
    epochs: int | None = None,
    device: str = "cpu",
    download: bool = False,
) -> int:
    """Run both runs of each seed into a new folder and draw them; the exit status.

    `settings.json` is written first; `EXPERIMENT.csv` grows by a row at each measurement, and
    Ctrl-C leaves what was measured, drawn as the whole is.

    Raises InputError before any work.
    """
    if seeds < 1:
        raise InputError("--seeds", seeds, "accepted: 1 or more")
    if epochs is not None and epochs < 1:
        raise InputError("--epochs", epochs, "accepted: 1 or more")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device", device, "torch sees no GPU here; accepted: cpu")
    refuse_used(out)
    read = pictures.read(data, download)
    settings = (DIGITS if data == "digits" else CIFAR10)[experiment]
    settings = replace(settings, epochs=epochs or settings.epochs)
    measure, unit = EXPERIMENTS[experiment], UNITS[experiment]
    length = settings.epochs
    if isinstance(settings, Intervention):
        length *= (len(read.x) - settings.validation) // settings.batch_size

    out.mkdir(parents=True, exist_ok=True)
    told = {
        "experiment": experiment,
        "data": "digits" if data == "digits" else "cifar10",
        "seeds": seeds,
        f"{unit}s": length,
        "device": device,
        **dataclasses.asdict(settings),
    }
    (out / "settings.json").write_text(json.dumps(told, indent=2) + "\n")
    runs = [(seed, run) for seed in range(seeds) for run in RUNS[experiment]]
    path = out / f"{experiment}.csv"
    status = 0
    bar = terminal.bar(len(runs) * length, f"{unit}s")
    with path.open("w", newline="") as file, bar:
        writer = csv.writer(file)
        try:
            for index, (seed, run) in enumerate(runs):
                bar.set_description(f"seed {seed} {run}")
                for row in measure(read, settings, seed, run, device):
                    if file.tell() == 0:
                        writer.writerow(row)
                    writer.writerow(f"{v:.6g}" if isinstance(v, float) else v for v in row.values())
                    file.flush()
                    bar.update(index * length + int(row[unit]) - bar.n)
        except KeyboardInterrupt:
            status = 130
    if status:
        print(f"Stopped. What was measured is in {path}; the rest needs a new --out.",
              file=sys.stderr)  # fmt: skip
        if not path.stat().st_size:
            return status
    print(drawing.save_pictures(draw(path).figure, path.with_suffix(".png")))
    return status
