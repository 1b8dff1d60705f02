"""Settings of a process of our own: how threads wait, and what becomes of freed memory."""

from __future__ import annotations

import ctypes
import os

# of glibc's malloc.h
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def settle() -> None:
    """For programs that do nothing but train; to be called before torch is imported."""
    # threads spin only briefly while they wait: spinning without end costs a busy machine many
    # times a step's time; OpenMP reads it once, when torch is first imported
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    keep_memory()


def keep_memory() -> None:
    """Let freed memory stay with the process, where the C library is glibc.

    Left alone, it gives tensors of megabytes back and takes them again, page by page, at every
    step: a fifth of the time of some.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return
    # both, as setting one stops the other from adapting itself; the most that it accepts
    mallopt(M_MMAP_THRESHOLD, 2**25)
    mallopt(M_TRIM_THRESHOLD, 2**30)
