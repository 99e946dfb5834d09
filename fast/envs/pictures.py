"""Labelled pictures: scikit-learn's digits, Fashion-MNIST, CIFAR-10 and CIFAR-100.

All but the digits are files, which nothing here downloads: plain bytes, read by NumPy.
"""

import gzip
import math
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from fast.errors import InputError

SHUFFLED = "-shuffled"  # TASK-shuffled: labels that are shuffled every few epochs (ReDo, App. A)
INCREMENTAL = "-incremental"  # TASK-incremental: one class more every few epochs (GraMa, 4.3)
DIGITS_TRAINING = 1500  # of 1797, in the data set's order; the others are for testing (ours)
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
CLOTHES = f"or in {DEBIAN}, where `apt-get install dataset-fashion-mnist` puts it"
PHOTOGRAPHS = "the binary version at https://www.cs.toronto.edu/~kriz/cifar.html"
MOST = 2**28  # bytes of a file, a third more than the largest has

Labelled = tuple[NDArray[np.uint8], NDArray[np.uint8]]  # (n, channels, height, width) and (n,)


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures (n, channels, height, width) and their classes (n,), from 0 on.

    With what every environment has: a batch is a step, and an episode too.
    """

    x: NDArray[np.uint8]
    y: NDArray[np.uint8]
    test_x: NDArray[np.uint8]
    test_y: NDArray[np.uint8]
    classes: int

    renderer: ClassVar[None] = None
    steps_per_episode: ClassVar[int] = 1

    @property
    def observation_space(self) -> Box:
        return Box(0, 255, self.x.shape[1:], np.uint8)

    @property
    def action_space(self) -> Discrete:
        return Discrete(self.classes)

    def close(self) -> None:
        pass


def source(task: str) -> str:
    """The data set of a task, by its name."""
    (kind,) = [k for k in (SHUFFLED, INCREMENTAL) if task.endswith(k)] or [""]
    return task.removesuffix(kind)


@lru_cache(1)
def read(task: str, folder: str) -> Pictures:
    """The pictures of a task, whose files are in `folder`.

    Raises:
        InputError: naming the file that is not there, or damaged, and where it is to be had.
    """
    data = TASKS[source(task)]
    training, test = data.read(Path(folder))
    for x, y in (training, test):
        if x.shape != (len(y), *data.shape) or not len(y) or y.max() >= data.classes:
            accepted = f"accepted: pictures of {data.shape} in {data.classes} classes"
            raise InputError("--env.folder", folder, accepted)
    return Pictures(*training, *test, data.classes)


def digits(_folder: Path) -> tuple[Labelled, Labelled]:
    """1797 handwritten digits, with values 0 to 16."""
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]  # takes a second

    bunch, n = load_digits(), DIGITS_TRAINING
    x, y = bunch.images.astype(np.uint8)[:, None], bunch.target.astype(np.uint8)
    return (x[:n], y[:n]), (x[n:], y[n:])


def fashion_mnist(folder: Path) -> tuple[Labelled, Labelled]:
    """60,000 and 10,000 grey pictures of clothes: four files, here or where Debian puts them."""
    there = folder if (folder / "train-images-idx3-ubyte.gz").exists() else DEBIAN
    x, y, test_x, test_y = (
        _idx(there / f"{part}-{kind}-ubyte.gz", axes)
        for part in ("train", "t10k")
        for kind, axes in (("images-idx3", 3), ("labels-idx1", 1))
    )
    return (x[:, None], y), (test_x[:, None], test_y)


def _idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """The array of a gzipped IDX file: 0, 0, 8 for bytes, axes, their lengths, and the bytes."""
    try:
        with gzip.open(path) as file:
            head, content = file.read(4), file.read(MOST)
        shape = np.frombuffer(content, ">u4", axes).tolist()
        if head != bytes([0, 0, 8, axes]) or len(content) != 4 * axes + math.prod(shape):
            raise ValueError(f"no IDX file with {axes} axes")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise _refused(path, CLOTHES, error) from None
    return np.frombuffer(content, np.uint8, offset=4 * axes).reshape(shape)


def cifar(name: str, files: list[str], labels: int, folder: Path) -> tuple[Labelled, Labelled]:
    """Photographs from an archive, of which nothing is extracted to the disk.

    Each row of a file, the last of which is for testing, has so many bytes of labels, the class the
    last of them, and 3072 of planes of red, green and blue.
    """
    path, tables = folder / f"{name}-binary.tar.gz", []
    try:
        with tarfile.open(path) as archive:
            for file in files:
                found = archive.extractfile(file)
                content = found.read(MOST) if found else b""
                tables.append(np.frombuffer(content, np.uint8).reshape(-1, labels + 3072))
    except (OSError, EOFError, KeyError, ValueError, tarfile.TarError, zlib.error) as error:
        raise _refused(path, PHOTOGRAPHS, error) from None
    parts = np.concatenate(tables[:-1]), tables[-1]
    one, other = ((t[:, labels:].reshape(-1, 3, 32, 32), t[:, labels - 1]) for t in parts)
    return one, other


def _refused(path: Path, source: str, reason: object) -> InputError:
    accepted = f"accepted: a folder that has {path.name}, {source} (here: {reason})"
    return InputError("--env.folder", str(path.parent), accepted)


class Data(NamedTuple):
    """A data set: how it is read from a folder, a picture's shape, how many classes."""

    read: Callable[[Path], tuple[Labelled, Labelled]]
    shape: tuple[int, int, int]
    classes: int


_PARTS = (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch")
_TEN = [f"cifar-10-batches-bin/{part}.bin" for part in _PARTS]
_HUNDRED = [f"cifar-100-binary/{part}.bin" for part in ("train", "test")]
TASKS = {
    "digits": Data(digits, (1, 8, 8), 10),
    "fashion-mnist": Data(fashion_mnist, (1, 28, 28), 10),
    "cifar-10": Data(partial(cifar, "cifar-10", _TEN, 1), (3, 32, 32), 10),
    "cifar-100": Data(partial(cifar, "cifar-100", _HUNDRED, 2), (3, 32, 32), 100),
}
