"""The pictures of the supervised experiments: scikit-learn's digits, and CIFAR-10 from its archive.

Reading needs no torch. The archive is the public one for Python. Of its pickles no name is looked
up: what an array is made of becomes plain data here, so that a false archive can neither run code
nor make NumPy read memory that is not its own.
"""

import hashlib
import pickle
import shutil
import sys
import tarfile
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fast.errors import InputError

CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
# The MD5 stands on the data set's page; the SHA-256 is the one that Keras checks.
CIFAR10_CHECKSUMS = {
    "md5": "c58f30108f718f92721af3b95e74349a",
    "sha256": "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
}
TIMEOUT = 60  # seconds without a byte of a download
DIGITS_TRAINING = 1500  # of 1797, in the data set's order; the others are for testing (ours)


class Pictures(NamedTuple):
    """Pictures (n, channels, height, width) uint8 and their classes (n,), from 0 to 9."""

    x: NDArray[np.uint8]
    y: NDArray[np.int64]
    test_x: NDArray[np.uint8]
    test_y: NDArray[np.int64]


def read(data: str, download: bool = False) -> Pictures:
    """`digits`, or the CIFAR-10 archive at a path, fetched to there first if that is asked for.

    Raises InputError where there is no such archive, or it is not the public one.
    """
    if data == "digits":
        if download:
            raise InputError("--download", data, "accepted with --data PATH: digits are here")
        return digits()
    path = Path(data)
    if download and not path.exists():
        fetch(path)
    if not path.is_file():
        accepted = "accepted: digits, or the path of cifar-10-python.tar.gz (--download fetches it)"
        raise InputError("--data", data, accepted)
    return cifar10(path)


def digits() -> Pictures:
    """1797 handwritten digits of 8x8 pixels, with values 0 to 16."""
    from sklearn.datasets import load_digits  # takes a second to import

    bunch = load_digits()
    x, y = bunch.images.astype(np.uint8)[:, None], bunch.target.astype(np.int64)
    n = DIGITS_TRAINING
    return Pictures(x[:n], y[:n], x[n:], y[n:])


def cifar10(path: Path, checksums: dict[str, str] = CIFAR10_CHECKSUMS) -> Pictures:
    """50,000 and 10,000 pictures of 3x32x32 from the archive; nothing is extracted to the disk.

    Raises InputError where the file's checksums are not `checksums` or it holds something else.
    """
    _verify("--data", path, checksums)
    try:
        with tarfile.open(path) as archive:
            batches = [_batch(archive, f"data_batch_{n}") for n in range(1, 6)]
            test = _batch(archive, "test_batch")
    except (tarfile.TarError, pickle.UnpicklingError, KeyError, EOFError) as error:
        accepted = f"accepted: an archive as the public one ({error})"
        raise InputError("--data", str(path), accepted) from None
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return Pictures(x, y, *test)


def fetch(path: Path) -> None:
    """Download the CIFAR-10 archive (170 MB) to `path`; it appears there whole or not at all."""
    print(f"Downloading {CIFAR10_URL} (170 MB) to {path}", file=sys.stderr)
    part = path.with_name(path.name + ".part")
    try:
        source = urllib.request.urlopen(CIFAR10_URL, timeout=TIMEOUT)
        with source, part.open("wb") as file:
            shutil.copyfileobj(source, file)
        _verify("--download", part, CIFAR10_CHECKSUMS)  # a connection that is cut is no error
        part.rename(path)
    except (OSError, HTTPException) as error:  # of the network or of the disk
        raise InputError("--download", CIFAR10_URL, f"it cannot be had: {error}") from None
    finally:
        part.unlink(missing_ok=True)


def _verify(field: str, path: Path, checksums: dict[str, str]) -> None:
    """Raises InputError where a file's checksums are not `checksums`."""
    for algorithm, expected in checksums.items():
        with path.open("rb") as file:
            found = hashlib.file_digest(file, algorithm).hexdigest()
        if found != expected:
            accepted = f"accepted: the {algorithm} checksum {expected} (this has {found})"
            raise InputError(field, str(path), accepted)


def _batch(archive: tarfile.TarFile, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pictures (n, 3, 32, 32), whose rows of 3072 bytes are planes of red, green and blue, and
    labels (n,); raises UnpicklingError where the file holds anything else."""
    file = archive.extractfile(f"cifar-10-batches-py/{name}")
    if file is None:
        raise KeyError(f"{name} is no file")
    try:
        # Python 2 wrote them, whose strings are bytes.
        batch = _Unpickler(file, encoding="bytes").load()
        _, (rows, columns), kind, by_column, data = batch[b"data"].state
        kind, labels = kind.arguments[0], np.array(batch[b"labels"], dtype=np.int64)
        x = np.frombuffer(data, np.uint8).reshape((rows, columns), order="F" if by_column else "C")
        x = x.reshape(rows, 3, 32, 32).copy()
        fits = kind == b"u1" and columns == 3072 and labels.shape == (rows,)
    except pickle.UnpicklingError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise pickle.UnpicklingError(f"{name}: {error}") from None
    if not (fits and set(labels.tolist()) <= set(range(10))):
        raise pickle.UnpicklingError(f"{name} is no rows of 3072 bytes with labels 0 to 9")
    return x, labels


class _Part:
    """A part of a pickled array as plain data: what it was called with, and its state."""

    state: Any = None

    def __init__(self, *arguments: Any):
        self.arguments = arguments

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    """Loads arrays as `_Part`s, bytes, numbers, lists and dicts, and refuses every other name."""

    KNOWN = (("numpy.core.multiarray", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype"))

    def find_class(self, module: str, name: str) -> type[_Part]:
        if (module, name) not in self.KNOWN:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return _Part
