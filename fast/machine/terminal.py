"""What a command says: on a terminal, into a file or a pipe, in any encoding, while it lasts.

The work does not depend on who listens: what can no longer be written is dropped, and the exit
status tells of it.
"""

import errno
import io
import os
import sys
import time
from collections.abc import Callable
from typing import Any

# tqdm would take its arguments from there too, and its import fails for one that is no number.
for _name in [name for name in os.environ if name.startswith("TQDM_")]:
    del os.environ[_name]

from tqdm import tqdm  # noqa: E402

MINUTE = 60.0  # seconds between two lines of a progress bar where nobody looks


class _Descriptor(io.FileIO):
    """Where text goes, which may go away: a pipe is closed, a disk full, a terminal lost."""

    def __init__(self, number: int):
        super().__init__(number, "wb", closefd=False)
        self.lost = 0  # the errno of the first write that failed

    def write(self, data: Any) -> int:
        try:
            written = super().write(data)
        except OSError as error:
            self.lost = self.lost or error.errno or errno.EIO
            return len(data)
        return len(data) if written is None else written  # None: a pipe that is full, and no wait


class Stream(io.TextIOWrapper):
    """Text for a descriptor, line by line: what its encoding has not is escaped."""

    def __init__(self, number: int, encoding: str):
        self.descriptor = _Descriptor(number)
        super().__init__(io.BufferedWriter(self.descriptor), encoding, "backslashreplace",
                         line_buffering=True)  # fmt: skip


def run(command: Callable[[list[str]], int]) -> int:
    """Run a command with the arguments of this process; its exit status.

    Where something of stdout was lost it is 1; but a reader that leaves, as `head` does, has seen
    enough.
    """
    for name, number in (("stdout", 1), ("stderr", 2)):
        encoding = getattr(getattr(sys, name), "encoding", "utf-8")
        try:
            os.fstat(number)
        except OSError:  # closed by who started us: no file that we open may take its place
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        setattr(sys, name, Stream(number, encoding))
    try:
        status = command(sys.argv[1:])
    except SystemExit as end:  # argparse and tyro, after --help or a bad option
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    sys.stdout.flush()
    lost = sys.stdout.descriptor.lost if isinstance(sys.stdout, Stream) else 0
    if status or lost in (0, errno.EPIPE):
        return status
    print(f"error: stdout: {os.strerror(lost)}", file=sys.stderr)
    return 1


class _Log(tqdm):  # type: ignore[misc]  # it has no types
    """A progress bar in a file or a pipe: a line at the start, one a minute and one at the end."""

    due = 0.0

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        if msg is None and time.monotonic() >= self.due:
            self.due = time.monotonic() + MINUTE
            self.fp.write(f"{self}\n")
            self.fp.flush()
        return False

    def clear(self, nolock: bool = False) -> None:
        """Nothing has to make way for what others write."""

    def close(self) -> None:
        if not self.disable:
            self.due = 0.0
            self.display()
        super().close()


def bar(total: int, unit: str, **how: Any) -> tqdm:
    """A progress bar on stderr: redrawn on a terminal, few whole lines anywhere else."""
    if sys.stderr.isatty():
        return tqdm(total=total, unit=f" {unit}", dynamic_ncols=True, **how)
    return _Log(total=total, unit=f" {unit}", ncols=100, leave=False, mininterval=MINUTE,
                miniters=1, **how)  # fmt: skip
