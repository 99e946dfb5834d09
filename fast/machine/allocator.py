"""Keep large blocks of memory instead of giving them back to the kernel at every update.

With glibc's defaults a block over 32 MB is mapped afresh at each allocation, and filling in its
pages costs more than the arithmetic on it; `python -m fast doctor` measures the difference.
"""

import ctypes

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4  # names of mallopt(3)


def keep_large_blocks() -> bool:
    """Tell glibc never to map or trim; False where the C library has no `mallopt`."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    largest = 2**31 - 1
    settings = (MMAP_MAX, 0), (TRIM_THRESHOLD, largest), (TOP_PAD, 64 * 2**20)
    return all(mallopt(name, value) for name, value in settings)
