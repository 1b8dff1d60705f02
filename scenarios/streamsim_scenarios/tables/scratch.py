"""Arrays that may be larger than memory: written block by block to a scratch file without a name,
then mapped into memory. The file vanishes with the array, or with the process.

Shape letters: N rows, K columns.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt


def on_disk(
    blocks: Iterable[npt.NDArray[Any]], dtype: type[np.floating[Any]], columns: int
) -> npt.NDArray[Any]:
    """Blocks `[n, K]` one below the other: `[N, K]`, read from disk where it is touched.

    The file lies in the folder for temporary files (TMPDIR); ValueError where it does not fit.

    >>> on_disk([np.ones((2, 3)), np.zeros((1, 3))], np.float32, 3).shape
    (3, 3)
    """
    rows = 0
    with tempfile.TemporaryFile() as file:
        for block in blocks:
            try:
                file.write(np.ascontiguousarray(block, dtype).data)
                file.flush()
            except OSError as error:
                raise ValueError(
                    f"cannot write a scratch file to {tempfile.gettempdir()} ({error.strerror}); "
                    "name a folder with more room in TMPDIR"
                ) from None
            rows += len(block)
        if not rows or not columns:
            return np.empty((rows, columns), dtype)
        # copy on write: torch wants arrays that it could write to
        return np.memmap(file, dtype, mode="c", shape=(rows, columns))
