"""The supervised experiments do to the network what the papers say, once, and nothing else."""

import csv
import gzip
import hashlib
import http.client
import io
import json
import math
import pickle
import re
import struct
import subprocess
import sys
import tarfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fast import supervised
from fast.__main__ import main
from fast.errors import InputError
from fast.experience import pictures
from fast.experience.pictures import Pictures, digits
from fast.report import drawing, supervised_figures
from fast.supervised import Intervention, ShuffledLabels

ROOT = Path(__file__).parents[2]

# --- the pictures ---------------------------------------------------------------------------------


def test_the_digits_are_1797_pictures_of_8_by_8_with_values_0_to_16():
    data = pictures.read("digits")
    assert data.x.shape == (1500, 1, 8, 8)
    assert data.test_x.shape == (297, 1, 8, 8)
    assert (data.x.min(), data.x.max(), data.x.dtype) == (0, 16, np.uint8)
    assert set(data.y) == set(data.test_y) == set(range(10))


def text(value):
    """A string as Python 2 pickles it (opcode T)."""
    return b"T" + struct.pack("<i", len(value)) + value


def python_2_batch(x, y, before=b"", name=b"u1", by_column=b"\x89"):
    """A batch as Python 2 wrote it at protocol 2: strings are bytes, and NumPy's are old names.

    `before` is put where an array's type stands; `by_column` is False, or True for an array that
    lies column by column in memory.
    """
    kind = b"cnumpy\ndtype\n" + text(name) + b"K\0K\1\x87R"  # dtype("u1", 0, 1)
    kind += b"(K\3" + text(b"|") + b"NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\0tb"  # its state
    array = b"cnumpy.core.multiarray\n_reconstruct\n" + (before or b"cnumpy\nndarray\n")
    array += b"K\0\x85" + text(b"b") + b"\x87R"  # _reconstruct(ndarray, (0,), "b")
    shape = b"M" + struct.pack("<H", len(x)) + b"M" + struct.pack("<H", x.shape[1]) + b"\x86"
    array += (
        b"(K\1"
        + shape
        + kind
        + by_column
        + text(x.tobytes("F" if by_column == b"\x88" else "C"))
        + b"tb"
    )  # its state
    labels = b"](" + b"".join(b"K" + bytes([label]) for label in y) + b"e"
    return b"\x80\2}(" + text(b"data") + array + text(b"labels") + labels + b"u."


def archive(path, leave_out=(), **parts):
    """An archive with two pictures a batch, and what its reader should return."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (12, 3072), dtype=np.uint8)
    y = generator.integers(0, 10, 12)
    names = [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]
    with tarfile.open(path, "w:gz") as file:
        for n, name in enumerate(names):
            some = slice(2 * n, 2 * n + 2)
            content = parts.get(name, python_2_batch(x[some], y[some]))
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            if name not in leave_out:
                file.addfile(info, io.BytesIO(content))
    x = x.reshape(-1, 3, 32, 32)
    return Pictures(x[:10], y[:10], x[10:], y[10:])


def checksums(path):
    content = path.read_bytes()
    return {name: hashlib.new(name, content).hexdigest() for name in ("md5", "sha256")}


def test_the_reader_returns_what_a_python_2_archive_holds(tmp_path):
    path = tmp_path / "cifar.tar.gz"
    expected = archive(path)
    found = pictures.cifar10(path, checksums(path))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [part.dtype for part in found] == [np.uint8, np.int64] * 2


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_an_archive_with_another_checksum_is_refused_before_it_is_opened(tmp_path, algorithm):
    path = tmp_path / "cifar.tar.gz"
    archive(path, data_batch_1=b"not a pickle")
    wrong = checksums(path) | {algorithm: "0" * 32}
    with pytest.raises(InputError, match=f"the {algorithm} checksum 0000") as error:
        pictures.cifar10(path, wrong)
    assert error.value.field == "--data"


def test_the_published_checksums_are_demanded_by_default(tmp_path, capsys):
    path = tmp_path / "cifar.tar.gz"
    archive(path)
    command = ["supervised", "intervention", "--data", str(path), "--out", str(tmp_path / "out")]
    assert main(command) == 2
    assert "c58f30108f718f92721af3b95e74349a" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert [len(value) for value in pictures.CIFAR10_CHECKSUMS.values()] == [32, 64]


@pytest.mark.parametrize("by_column", [b"\x88", b"\x89"])
def test_a_row_is_a_red_a_green_and_a_blue_plane_each_row_by_row(tmp_path, by_column):
    one = np.arange(3072, dtype=np.uint16).astype(np.uint8)  # of its place, the low byte
    two = np.stack([one, one[::-1]])
    path = tmp_path / "cifar.tar.gz"
    archive(path, test_batch=python_2_batch(two, [7, 2], by_column=by_column))
    found = pictures.cifar10(path, checksums(path))
    for place in ((0, 0, 1), (1, 0, 0), (2, 31, 30), (0, 5, 9)):
        plane, row, column = place
        assert found.test_x[0][place] == (1024 * plane + 32 * row + column) % 256
    assert (found.test_x[1] == found.test_x[0, ::-1, ::-1, ::-1]).all()
    assert found.test_y.tolist() == [7, 2]


BLACK = np.zeros((2, 3072), np.uint8)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (pickle.dumps({b"data": subprocess.run}), "it names subprocess.run"),
        (b"cos\nsystem\n(S'echo'\ntR.", "it names os.system"),
        (python_2_batch(BLACK, [1, 2], before=b"cbuiltins\neval\n"), "builtins.eval"),
        (pickle.dumps({b"data": np.zeros((2, 3072), np.uint8)}), "names"),  # of a newer NumPy
        (b"", "accepted: an archive as the public one"),
        (pickle.dumps({b"data": 0})[:-1], "accepted: an archive as the public one"),
        (pickle.dumps({b"data": 0}), "accepted: an archive as the public one"),
        (pickle.dumps([]), "accepted: an archive as the public one"),
        (python_2_batch(BLACK, [1]), "no rows of 3072"),  # a label is missing
        (python_2_batch(BLACK, [1, 10]), "no rows of 3072"),
        (python_2_batch(BLACK, [1, 2], name=b"O8"), "no rows of 3072"),  # pointers
        (python_2_batch(BLACK.reshape(1, -1), [1]), "accepted: an archive as the public one"),
    ],
)
def test_a_pickle_that_names_anything_but_an_array_is_refused(tmp_path, content, told):
    path = tmp_path / "cifar.tar.gz"
    archive(path, test_batch=content)
    with pytest.raises(InputError, match=re.escape(told)):
        pictures.cifar10(path, checksums(path))


def test_a_download_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    source, path = tmp_path / "source.tar.gz", tmp_path / "here" / "cifar.tar.gz"
    expected = archive(source)
    path.parent.mkdir()
    monkeypatch.setattr(pictures, "CIFAR10_CHECKSUMS", checksums(source))
    monkeypatch.setattr(pictures, "CIFAR10_URL", source.as_uri())
    pictures.fetch(path)
    np.testing.assert_array_equal(pictures.cifar10(path, checksums(source)).x, expected.x)
    path.unlink()
    source.write_bytes(source.read_bytes()[:-100])  # as of a connection that was cut
    with pytest.raises(InputError, match="checksum") as error:
        pictures.fetch(path)
    assert error.value.field == "--download"
    source.unlink()
    with pytest.raises(InputError, match="cannot be had"):
        pictures.fetch(path)
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize("stop", [KeyboardInterrupt, http.client.IncompleteRead(b"")])
def test_a_download_that_is_stopped_leaves_nothing(tmp_path, monkeypatch, capsys, stop):
    path = tmp_path / "cifar.tar.gz"

    def begun(source, file):
        file.write(b"half")
        assert not path.exists()
        raise stop

    monkeypatch.setattr(pictures.urllib.request, "urlopen", lambda *_, **__: io.BytesIO())
    monkeypatch.setattr(pictures.shutil, "copyfileobj", begun)
    with pytest.raises((KeyboardInterrupt, InputError)):
        pictures.read(str(path), download=True)
    assert not list(tmp_path.iterdir())
    assert "170 MB" in capsys.readouterr().err


def test_nothing_is_downloaded_unless_asked_for_nor_over_what_is_there(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise AssertionError("a download was begun")

    monkeypatch.setattr(pictures.urllib.request, "urlopen", refused)
    path = tmp_path / "cifar.tar.gz"
    with pytest.raises(InputError, match="--download fetches it"):
        pictures.read(str(path))
    path.write_bytes(b"mine")
    with pytest.raises(InputError, match="checksum"):
        pictures.read(str(path), download=True)
    assert path.read_bytes() == b"mine"


def test_an_archive_without_one_of_its_files_or_cut_short_is_refused(tmp_path):
    path = tmp_path / "cifar.tar.gz"
    archive(path, leave_out=("data_batch_3",))
    with pytest.raises(InputError, match="data_batch_3"):
        pictures.cifar10(path, checksums(path))
    for content in (path.read_bytes()[:-200], gzip.compress(b"no archive"), b"no archive"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="an archive as the public one"):
            pictures.cifar10(path, checksums(path))


# --- the networks ---------------------------------------------------------------------------------


def test_the_network_of_the_intervention_is_that_of_appendix_b3():
    network = supervised.dominance_network(3, torch.Generator())
    shapes = {name: tuple(p.shape) for name, p in network.named_parameters()}
    widths = [3, 64, 128, 256, 256]
    convolutions = {
        f"features.{2 * n}.weight": (b, a, 3, 3) for n, (a, b) in enumerate(pairwise(widths))
    }
    assert shapes == convolutions | {
        "mlp.dense0.weight": (512, 256), "mlp.dense0.bias": (512,),
        "mlp.dense1.weight": (512, 512), "mlp.dense1.bias": (512,),
        "mlp.final.weight": (10, 512), "mlp.final.bias": (10,),
    }  # fmt: skip
    sides = [32]
    x = torch.zeros(1, 3, 32, 32)
    for part in network.features[:8]:
        x = part(x)
        sides.append(x.shape[-1])
    assert sides == [32, *[16] * 8]
    assert network.features[8](x).shape == (1, 256, 1, 1)


def test_the_network_of_shuffled_labels_is_that_of_redos_table_5():
    network = supervised.redo_network(3, 32, torch.Generator())
    kinds = [type(part).__name__ for part in network if not isinstance(part, nn.ReLU)]
    expected = ["Conv2d", "Conv2d", "MaxPool2d", "Conv2d", "MaxPool2d", "Flatten", "Linear"]
    assert kinds == [*expected, "Linear"]
    shapes = [tuple(p.shape) for p in network.parameters() if p.ndim > 1]
    assert shapes == [(32, 3, 3, 3), (64, 32, 3, 3), (64, 64, 3, 3), (128, 4096), (10, 128)]


def test_first_weights_have_variance_1_over_fan_in_and_no_more_than_the_cut_allows():
    network = supervised.dominance_network(1, torch.Generator().manual_seed(0))
    for name, parameter in network.named_parameters():
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


# --- the intervention -----------------------------------------------------------------------------

SMALL = Intervention(batch_size=8, epochs=2, validation=16, interval=3, close=2)


def some(count=40, test=8):
    data = digits()
    return Pictures(data.x[:count], data.y[:count], data.test_x[:test], data.test_y[:test])


def test_the_intervention_multiplies_one_neurons_incoming_weights_once(monkeypatch):
    calls, real = [], supervised.scale_incoming

    def watched(parameters, layer, neuron, factor):
        before = {name: p.detach().clone() for name, p in parameters.items()}
        real(parameters, layer, neuron, factor)
        calls.append((before, {name: p.detach().clone() for name, p in parameters.items()}))

    monkeypatch.setattr(supervised, "scale_incoming", watched)
    rows = list(supervised.intervention(some(), replace(SMALL, accuracy=0.0), 0, "intervention"))
    ((before, after),) = calls
    neuron = int(rows[0]["largest_neuron"])
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert changed == ["mlp.dense0.weight"]
    expected = before["mlp.dense0.weight"].clone()
    expected[neuron] *= 1e7
    assert torch.equal(after["mlp.dense0.weight"], expected)


def test_the_intervention_is_shown_by_two_rows_of_its_step_and_makes_the_neuron_dominant():
    rows = list(supervised.intervention(some(), replace(SMALL, accuracy=0.0), 0, "intervention"))
    # 24 pictures are left to train with, three batches an epoch; steps 0 to 2 are close.
    assert [row["step"] for row in rows] == [0, 0, 1, 2, 3, 6]
    assert [row["intervened"] for row in rows] == [0, 1, 1, 1, 1, 1]
    first, second = rows[:2]
    assert (first["dominant"], second["dominant"]) == (0, 1)
    assert second["largest_neuron"] == first["largest_neuron"]
    assert math.isnan(first["made_active"])
    assert 0 < second["made_active"] <= 1
    assert second["largest_score"] == 512 * second["largest_share"] > 256


def test_scores_and_shares_are_those_of_all_validation_pictures():
    data, settings = some(), replace(SMALL, epochs=1)
    row = next(supervised.intervention(data, settings, 3, "control"))
    generator = torch.Generator().manual_seed(3)
    held = torch.randperm(40, generator=generator)[:16]
    network = supervised.dominance_network(1, generator)
    x = torch.from_numpy(data.x).float()
    x = ((x - x.mean()) / x.std())[held]
    with torch.no_grad():
        features = network.features(x)
        h = network.mlp.dense0(features).relu()
        z = network.mlp.dense1(h)
        hits = network(x).argmax(1) == torch.from_numpy(data.y)[held]
    a = h.mean(0)
    assert row["largest_neuron"] == a.argmax()
    # Both are quotients of float32 sums of at most 16 * 512 positive terms.
    assert row["largest_score"] == pytest.approx((a.max() / a.mean()).item(), rel=1e-3)
    assert row["saturated"] == (z <= 0).all(0).float().mean()
    assert row["zombie"] == (z > 0).all(0).float().mean()
    assert row["validation_accuracy"] == pytest.approx(hits.sum().item() / 16)


def test_nothing_is_done_below_the_accuracy_and_both_runs_are_then_the_same():
    settings = replace(SMALL, accuracy=1.01)
    names = ("control", "intervention")
    runs = [list(supervised.intervention(some(), settings, 0, run)) for run in names]
    for control, other in zip(*runs, strict=True):
        assert repr(control | {"run": 0}) == repr(other | {"run": 0})  # NaN is not equal to itself


# --- shuffled labels ------------------------------------------------------------------------------

SHORT = ShuffledLabels(batch_size=8, epochs=3, shuffle_interval=2, pictures=24)


def test_labels_are_permuted_among_the_pictures_every_interval_and_in_one_run_alone(monkeypatch):
    told, real = [], supervised._step

    def watched(network, optimizer, x, y):
        told.append((x.sum((1, 2, 3)), y))
        return real(network, optimizer, x, y)

    monkeypatch.setattr(supervised, "_step", watched)
    settings = replace(SHORT, epochs=6)
    phases = {}
    for run in ("fixed", "shuffled"):
        told.clear()
        list(supervised.shuffled_labels(some(), settings, 0, run))
        # 24 pictures, 3 batches an epoch, 6 batches with the same labels.
        for n in range(3):
            pairs = [pair for x, y in told[6 * n : 6 * n + 6] for pair in zip(x, y, strict=True)]
            phases[run, n] = {(x.item(), y.item()) for x, y in pairs}
    assert phases["fixed", 0] == phases["fixed", 1] == phases["fixed", 2] == phases["shuffled", 0]
    assert phases["fixed", 0] != phases["shuffled", 1] != phases["shuffled", 2]
    for n in range(3):
        assert len(phases["shuffled", n]) == 24  # a picture keeps its label within a phase
        labels = sorted(label for _, label in phases["shuffled", n])
        assert labels == sorted(label for _, label in phases["fixed", n])


def test_both_runs_are_the_same_up_to_the_first_shuffle_and_differ_after_it():
    fixed, shuffled = (
        list(supervised.shuffled_labels(some(), SHORT, 0, run)) for run in ("fixed", "shuffled")
    )
    same = [
        repr(one | {"run": 0}) == repr(other | {"run": 0})
        for one, other in zip(fixed, shuffled, strict=True)
    ]
    assert same == [True, True, True, False]


def test_dormancy_is_of_all_hidden_neurons_on_the_test_pictures():
    row = next(supervised.shuffled_labels(some(), SHORT, 0, "fixed"))
    # 32 + 64 + 64 channels and 128 dense neurons: the share is a multiple of 1 / 288.
    for key in ("dormant_0", "dormant_0.1"):
        count = row[key] * 288
        assert count == pytest.approx(round(count), abs=1e-9)
    assert 0 <= row["dormant_0"] <= row["dormant_0.1"] < 1


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch):
    """The command works on few pictures for a moment."""
    monkeypatch.setattr(pictures, "digits", some)
    settings = {"intervention": replace(SMALL, accuracy=0.05), "shuffled-labels": SHORT}
    monkeypatch.setattr(supervised, "DIGITS", settings)


@pytest.mark.parametrize("experiment", ["intervention", "shuffled-labels"])
def test_the_same_command_twice_gives_the_same_table_and_picture(small, tmp_path, experiment):
    for name in ("a", "b"):
        out = str(tmp_path / name)
        assert main(["supervised", experiment, "--out", out, "--seeds", "1", "--epochs", "1"]) == 0
    names = {f"{experiment}.{kind}" for kind in ("csv", "png", "pdf")} | {"settings.json"}
    assert {path.name for path in (tmp_path / "a").iterdir()} == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    told = json.loads((tmp_path / "a/settings.json").read_text())
    assert (told["data"], told["seeds"], told["epochs"]) == ("digits", 1, 1)


@pytest.mark.parametrize(
    ("flags", "field"),
    [
        (["--seeds", "0"], "--seeds"),
        (["--epochs", "0"], "--epochs"),
        (["--data", "nowhere.tar.gz"], "--data"),
        (["--download"], "--download"),
    ],
)
def test_a_bad_setting_is_told_before_any_work(tmp_path, capsys, flags, field):
    out = tmp_path / "out"
    assert main(["supervised", "intervention", "--out", str(out), *flags]) == 2
    assert capsys.readouterr().err.startswith(f"error: {field}: ")
    assert not out.exists()


def test_a_used_folder_is_refused_and_keeps_what_it_has(tmp_path, capsys):
    (tmp_path / "intervention.csv").write_text("mine")
    assert main(["supervised", "intervention", "--out", str(tmp_path)]) == 2
    assert "error: --out" in capsys.readouterr().err
    assert (tmp_path / "intervention.csv").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_interrupt_leaves_what_was_measured_and_a_figure_that_says_so(
    small, tmp_path, capsys, monkeypatch
):
    real = supervised._step
    left = [6 + 6 + 4]  # steps: both runs of seed 0, and some of the control of seed 1

    def interrupted(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(supervised, "_step", interrupted)
    out = tmp_path / "out"
    assert main(["supervised", "intervention", "--out", str(out), "--seeds", "2"]) == 130
    assert "Stopped" in capsys.readouterr().err
    with (out / "intervention.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[-1] | {"seed": "1", "run": "control", "step": "3"} == rows[-1]
    assert (out / "intervention.png").stat().st_size > 0
    told = [
        part.get_text() for part in supervised_figures.draw(out / "intervention.csv").figure.texts
    ]
    assert "intervened in 1 of 2" in told[1]
    assert told[2] == "INCOMPLETE: 2 of 4 runs are whole"


# --- the figures ----------------------------------------------------------------------------------


def test_the_figures_and_the_pictures_are_read_without_torch():
    files = "fast.report.supervised_figures, fast.experience.pictures"
    code = f"import sys, {files}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def recorded(folder, rows, experiment="intervention", **settings):
    settings = {"experiment": experiment, "data": "digits", "seeds": 1, "steps": 10} | settings
    (folder / "settings.json").write_text(json.dumps(settings))
    path = folder / f"{experiment}.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def measured(run, step, intervened, score, saturated=0.25):
    return {"seed": 0, "run": run, "step": step, "intervened": intervened, "largest_score": score,
            "saturated": saturated, "zombie": 0.5, "validation_accuracy": 0.75}  # fmt: skip


ROWS = [
    measured("control", 0, 0, 2), measured("control", 10, 0, 3),
    measured("intervention", 0, 0, 2), measured("intervention", 5, 0, 2.5),
    measured("intervention", 5, 1, 512), measured("intervention", 10, 1, 500, saturated=1),
]  # fmt: skip


def test_figure_4_draws_each_value_of_the_table_and_is_redrawn_from_it_alone(tmp_path):
    source = recorded(tmp_path, ROWS)
    drawn = supervised_figures.draw(source)
    out = drawing.save(drawn, tmp_path / "elsewhere/figure-4.png")
    assert {path.suffix for path in out.parent.iterdir()} == {".png", ".pdf", ".csv"}
    assert out.with_suffix(".csv").read_bytes() == source.read_bytes()
    score, layer, accuracy, close, *_ = drawn.figure.axes
    lines = [(list(line.get_xdata()), list(line.get_ydata())) for line in score.lines]
    assert ([0, 10], [2, 3]) in lines
    assert ([0, 5, 5, 10], [2, 2.5, 512, 500]) in lines
    assert ([5], [512]) in lines  # the dot
    assert ([0, 1], [256, 256]) in lines  # N / 2
    assert [0.25, 0.25, 0.25, 1] in [list(line.get_ydata()) for line in layer.lines]
    assert [0.5] * 4 in [list(line.get_ydata()) for line in layer.lines]
    assert [0.75] * 4 in [list(line.get_ydata()) for line in accuracy.lines]
    assert [-5, 0, 0, 5] in [list(line.get_xdata()) for line in close.lines]


def test_a_figure_of_no_measurement_yet_says_so(tmp_path):
    source = recorded(tmp_path, ROWS)
    source.write_bytes(b"")
    texts = [part.get_text() for part in supervised_figures.draw(source).figure.texts]
    assert "INCOMPLETE: 0 of 2 runs are whole" in texts


def test_a_figure_is_not_made_of_another_experiment(tmp_path):
    recorded(tmp_path, ROWS).rename(tmp_path / "shuffled-labels.csv")
    with pytest.raises(InputError, match="the experiment shuffled-labels"):
        supervised_figures.draw(tmp_path / "shuffled-labels.csv")
