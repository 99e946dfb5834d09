"""The pictures are what their files hold, and a file that is missing or damaged is named."""

import gzip
import io
import tarfile

import numpy as np
import pytest

from fast.envs import LabelSettings, make, pictures
from fast.errors import InputError

SEED = 0


def test_the_digits_are_1797_pictures_of_8_by_8_with_values_0_to_16():
    data = make("digits-shuffled", LabelSettings())
    assert data.x.shape == (1500, 1, 8, 8)
    assert data.test_x.shape == (297, 1, 8, 8)
    assert (data.x.min(), data.x.max(), data.x.dtype) == (0, 16, np.uint8)
    assert set(data.y) == set(data.test_y) == set(range(10))


def random(count, shape, classes):
    generator = np.random.default_rng(SEED)
    x = generator.integers(0, 256, (count, *shape), dtype=np.uint8)
    return x, generator.integers(0, classes, count, dtype=np.uint8)


def archive(folder, task, leave_out="", cut=0, label=None):
    """An archive as the public one, two pictures a file, and what its reader should return."""
    name = {"cifar-10": "cifar-10-batches-bin", "cifar-100": "cifar-100-binary"}[task]
    files = [f"data_batch_{n}.bin" for n in range(1, 6)] + ["test_batch.bin"]
    if task == "cifar-100":
        files = ["train.bin", "test.bin"]
    x, y = random(2 * len(files), (3, 32, 32), pictures.TASKS[task].classes)
    y = y if label is None else np.full_like(y, label)
    coarse = np.full((len(y), int(task == "cifar-100")), 99, np.uint8)
    rows = np.hstack([coarse, y[:, None], x.reshape(len(x), -1)])
    with tarfile.open(folder / f"{task}-binary.tar.gz", "w:gz") as file:
        for n, of in enumerate(files):
            content = rows[2 * n : 2 * n + 2].tobytes()[cut:]
            info = tarfile.TarInfo(f"{name}/{of}")
            info.size = len(content)
            if of != leave_out:
                file.addfile(info, io.BytesIO(content))
    return x[:-2], y[:-2], x[-2:], y[-2:]


def arrays(data):
    return data.x, data.y, data.test_x, data.test_y


def read(task, folder):
    pictures.read.cache_clear()
    return pictures.read(task, str(folder))


@pytest.mark.parametrize("task", ["cifar-10", "cifar-100"])
def test_photographs_are_those_of_the_archive_with_the_finer_labels(task, tmp_path):
    expected = archive(tmp_path, task)
    found = read(task, tmp_path)
    for one, other in zip(arrays(found), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert found.observation_space.shape == (3, 32, 32)
    assert found.action_space.n == found.classes == pictures.TASKS[task].classes


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ({"leave_out": "data_batch_3.bin"}, "data_batch_3"),
        ({"cut": 1}, "cannot reshape"),
        ({"label": 10}, "in 10 classes"),
    ],
)
def test_an_archive_that_holds_something_else_is_refused(broken, told, tmp_path):
    archive(tmp_path, "cifar-10", **broken)
    with pytest.raises(InputError, match=told) as error:
        read("cifar-10", tmp_path)
    assert (error.value.field, error.value.value) == ("--env.folder", str(tmp_path))


def test_an_archive_that_is_cut_short_or_none_is_refused_with_its_name_and_where_it_is(tmp_path):
    archive(tmp_path, "cifar-10")
    path = tmp_path / "cifar-10-binary.tar.gz"
    for content in (path.read_bytes()[:-200], gzip.compress(b"no archive"), b"no archive", None):
        path.write_bytes(content) if content else path.unlink()
        with pytest.raises(InputError, match=r"cifar-10-binary\.tar\.gz, .*kriz/cifar\.html"):
            read("cifar-10", tmp_path)


def clothes(folder, count=6):
    """The four files, as the public ones but for their size, and what they hold."""
    held = []
    for part in ("train", "t10k"):
        for kind, array in zip(
            ("images-idx3", "labels-idx1"), random(count, (28, 28), 10), strict=True
        ):
            head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            content = gzip.compress(head + array.tobytes())
            (folder / f"{part}-{kind}-ubyte.gz").write_bytes(content)
            held.append(array)
    return held


def test_pictures_of_clothes_are_those_of_their_files(tmp_path):
    x, y, test_x, test_y = clothes(tmp_path)
    found = read("fashion-mnist", tmp_path)
    for one, other in zip(arrays(found), (x[:, None], y, test_x[:, None], test_y), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_file_of_clothes_that_is_missing_or_damaged_is_refused_with_the_command(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(pictures, "DEBIAN", tmp_path / "nowhere")
    with pytest.raises(InputError, match="apt-get install dataset-fashion-mnist"):
        read("fashion-mnist", tmp_path)
    clothes(tmp_path)
    path = tmp_path / "t10k-labels-idx1-ubyte.gz"
    whole = gzip.decompress(path.read_bytes())
    for content in (whole[:-1], whole + b"\0", b"\1" + whole[1:], whole[:3] + b"\3" + whole[4:]):
        path.write_bytes(gzip.compress(content))
        with pytest.raises(InputError, match=r"t10k-labels-idx1-ubyte\.gz, or in"):
            read("fashion-mnist", tmp_path)
    path.write_bytes(gzip.compress(whole)[:-4])
    with pytest.raises(InputError, match="t10k-labels"):
        read("fashion-mnist", tmp_path)


@pytest.mark.skipif(not pictures.DEBIAN.exists(), reason="Debian's dataset-fashion-mnist is absent")
def test_debians_clothes_are_as_many_of_each_kind(tmp_path):
    found = read("fashion-mnist", tmp_path)
    assert np.bincount(found.y).tolist() == [6000] * 10
    assert np.bincount(found.test_y).tolist() == [1000] * 10
    assert found.x.shape == (60_000, 1, 28, 28)
