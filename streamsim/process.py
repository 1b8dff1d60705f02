"""Settings of a process of our own: how threads wait, what becomes of freed memory and garbage."""

from __future__ import annotations

import ctypes
import gc
import os

# of glibc's malloc.h
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
RARELY = 1000  # collections of young objects before one of all: as good as never


def settle() -> None:
    """For programs that do nothing but train; to be called before torch is imported."""
    # threads spin only briefly while they wait: spinning without end costs a busy machine many
    # times a step's time; OpenMP reads it once, when torch is first imported
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    # torch and its compiler leave millions of objects that stay: looking through them for garbage
    # a few times, while they are made, is an eighth of a short run
    young, old, _ = gc.get_threshold()
    gc.set_threshold(young, old, RARELY)
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
