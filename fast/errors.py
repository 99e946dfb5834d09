"""The errors that others catch: of bad input, naming field, value and remedy; of a lost episode."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path


class InputError(ValueError):
    """Bad input, found before any work starts; the command line prints it and exits with 2.

    `field` is the setting as the user wrote it (`--task`), `value` what was given (None: nothing)
    and `accepted` a sentence fragment: what would be accepted, or the command that mends it.
    """

    def __init__(self, field: str, value: object, accepted: str):
        given = "not given" if value is None else f"{_short(repr(value))} is not usable here"
        super().__init__(f"{field}: {given}; {accepted}")
        self.field, self.value, self.accepted = field, value, accepted


def unknown(field: str, value: str, known: Iterable[str], shown: Iterable[str] = ()) -> InputError:
    """The error for a name that is not among `known`: the near ones first, then all.

    `shown` is what to say in place of all, where they are too many. No number is near another.
    """
    known = sorted(known)
    near = [] if value.isdecimal() else get_close_matches(value, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return InputError(field, value, f"{hint}accepted: {', '.join(shown or known)}")


class EpisodeBroken(RuntimeError):
    """The episode cannot go on, and its last step must not be learnt from; `reset` begins another.

    `environment_steps` is the number of control steps that the last step made before.
    """

    def __init__(self, reason: str, environment_steps: int):
        super().__init__(reason)
        self.environment_steps = environment_steps


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:190]}... ({len(text):,} characters)"


@contextmanager
def as_input(field: str, value: object, reason: str = "it cannot be used") -> Iterator[None]:
    """What the system says against a path in the block, as an InputError about `value`."""
    try:
        yield
    except OSError as error:
        raise InputError(field, str(value), f"{reason}: {error.strerror or error}") from None


def require_place(folder: Path, file: Path) -> None:
    """Raises InputError unless `file` can be made in the folder, which may have to be made too."""
    with suppress(FileNotFoundError, NotADirectoryError):
        file.stat()  # its name may be too long
    place = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not (place.is_dir() and os.access(place, os.W_OK)):
        raise InputError("--out", str(folder), f"nothing can be written in {place}")
