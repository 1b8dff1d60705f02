"""Cutting a table into experiences, and choosing the rows that they are tested on.

Shape letters: N rows of the table, n rows of an experience.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streamsim_scenarios.tables.columns import Floats

Rows = npt.NDArray[np.int64]
UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
EQUAL_PARTS = 5  # unless anything is said
MOST = 1000  # experiences; each is tested after every other


class Cuts(NamedTuple):
    """How to cut; at most one of them is given."""

    n_experiences: int | None = None
    rows_per_experience: int | None = None
    window: str | None = None
    by: str | None = None


def window_size(text: str, dated: bool) -> float:
    """`2d` in seconds for dates, a plain number for times that are numbers.

    >>> window_size("2d", dated=True), window_size("0.5", dated=False)
    (172800.0, 0.5)
    """
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*([a-z]*)", text.strip())
    if found is None or (found[2] in UNITS) != dated or (found[2] and not dated):
        allowed = f"a number and one of {', '.join(UNITS)}, as in 7d" if dated else "a number"
        raise ValueError(f"scenario.window={text}: give {allowed}")
    size = float(found[1]) * UNITS.get(found[2], 1)
    if size == 0:
        raise ValueError(f"scenario.window={text}: give more than 0")
    return size


def cut(
    cuts: Cuts, num_rows: int, time: Floats | None, dated: bool, group: Rows | None
) -> list[Rows]:
    """The rows of every experience `[n]`, in their order; ValueError where one has fewer than 2.

    `time` and `group` are `[N]`; `dated` times are in seconds.
    """
    if group is not None:
        number: Rows = group
    elif cuts.window is not None:
        assert time is not None
        number = np.floor((time - time[0]) / window_size(cuts.window, dated)).astype(np.int64)
    elif cuts.rows_per_experience is not None:
        number = np.arange(num_rows) // cuts.rows_per_experience
        if num_rows % cuts.rows_per_experience == 1 and num_rows > 1:
            number[-1] = number[-2]  # a row alone cannot be both learned from and tested on
    else:
        parts = cuts.n_experiences or EQUAL_PARTS
        number = np.arange(num_rows) * parts // num_rows
    order = np.argsort(number, kind="stable")
    starts = np.flatnonzero(np.diff(number[order], prepend=-1))
    _check(cuts, starts, num_rows, order)
    return np.split(order, starts[1:])


def _check(cuts: Cuts, starts: Rows, num_rows: int, order: Rows) -> None:
    given = {name: value for name, value in cuts._asdict().items() if value is not None}
    option, value = next(iter(given.items()), ("n_experiences", EQUAL_PARTS))
    if len(starts) > MOST:
        raise ValueError(
            f"scenario.{option}={value} cuts the {num_rows} rows into {len(starts)} experiences; "
            f"choose it so that there are at most {MOST}"
        )
    sizes = np.diff(starts, append=num_rows)
    if sizes.min() < 2:
        first = order[starts[int(sizes.argmin())]] + 1
        raise ValueError(
            f"scenario.{option}={value} leaves the experience that begins at row {first} with one "
            f"of {num_rows} rows; each needs 2, one to learn from and one to be tested on"
        )


def places_to_test(num_rows: int, share: float) -> Rows:
    """Places of the test rows of an experience: evenly spread, at least 1, and not all.

    >>> places_to_test(10, 0.2).tolist()
    [2, 7]
    """
    number = min(max(round(share * num_rows), 1), num_rows - 1)
    return (2 * np.arange(number) + 1) * num_rows // (2 * number)
