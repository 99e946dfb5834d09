"""Keep large blocks of memory instead of giving them back to the kernel at every update.

With glibc's defaults a block over 32 MB is mapped afresh at each allocation, and filling in its
pages costs more than the arithmetic on it; `python -m fast doctor` measures the difference.
"""

import contextlib
import ctypes

# By its name in mallopt(3): its number, and what it is set to. Nothing is mapped or trimmed then.
SETTINGS = {"MMAP_MAX": (-4, 0), "TRIM_THRESHOLD": (-1, 2**31 - 1), "TOP_PAD": (-2, 64 * 2**20)}


def keep_large_blocks() -> None:
    """Tell it to glibc; another C library, which has no `mallopt`, is left as it is."""
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        for number, value in SETTINGS.values():
            mallopt(number, value)
