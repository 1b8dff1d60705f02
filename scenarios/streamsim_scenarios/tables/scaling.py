"""Inputs from encoded rows, scaled by what has been learned from before, never by what comes.

Every row is standardised by the mean and standard deviation of the rows before it. Rows that are
not learned from do not count. Missing numbers become the mean so far.

Shape letters: N rows in the order of the stream, K columns of the table, F inputs, n rows of a
block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from streamsim_scenarios.tables.columns import Floats

Scaling = Literal["online", "none"]
Flags = npt.NDArray[np.bool_]
BLOCK = 8192  # rows at once; a fixed number, so that results do not hang on it
LIMIT = 10.0  # standard deviations; an outlier must not tear a network apart


class Moments(NamedTuple):
    """Of the rows so far, by column `[K]`; `squares` sums the squared distances from the mean."""

    number: Floats
    mean: Floats
    squares: Floats

    @classmethod
    def start(cls, columns: int) -> Moments:
        return cls(*np.zeros((3, columns)))


def running(values: Floats, learned: Flags, before: Moments) -> tuple[Moments, Moments]:
    """Moments before each row of a block, `[n, K]` each, and after the block, `[K]` each.

    With distances d from a fixed point near the values, the sums give the mean and, by
    sum((x - mean)^2) = sum(d^2) - sum(d)^2 / n, the squares; the point moves from block to block,
    so that little is lost to rounding. Chan, Golub & LeVeque 1983, "Algorithms for computing the
    sample variance".
    """
    counts = learned[:, None] & ~np.isnan(values)
    first = np.take_along_axis(values, counts.argmax(axis=0)[None], axis=0)[0]
    # the first value that counts: a later one would let the future into the last bit
    point = np.where(before.number > 0, before.mean, np.where(counts.any(axis=0), first, 0.0))
    away = np.where(counts, values - point, 0.0)
    number = before.number + _sums(counts)
    total, squared = _sums(away), _sums(away**2)
    share = total / np.maximum(number, 1)
    squares = np.maximum(before.squares + squared - total * share, 0.0)
    every = Moments(number, np.where(number > 0, point + share, 0.0), squares)
    return Moments(*(each[:-1] for each in every)), Moments(*(each[-1] for each in every))


def _sums(values: npt.NDArray[np.generic]) -> Floats:
    """Sums of the rows before each row, and of all: `[n, K]` to `[n + 1, K]`."""
    zero = np.zeros((1, values.shape[1]))
    return np.concatenate([zero, np.cumsum(values, axis=0, dtype=np.float64)])


def scaled(values: Floats, moments: Moments, scaling: Scaling) -> Floats:
    """`[n, K]` numbers by moments of that shape; without a spread so far, 0."""
    filled = np.where(np.isnan(values), moments.mean, values)
    if scaling == "none":
        return filled
    std = np.sqrt(moments.squares / np.maximum(moments.number, 1))
    away = np.divide(filled - moments.mean, std, out=np.zeros_like(filled), where=std > 0)
    return away.clip(-LIMIT, LIMIT)


def inputs(
    values: Floats,
    order: npt.NDArray[np.int64],
    learned: Flags,
    sizes: Sequence[int],
    flagged: Flags,
    scaling: Scaling,
) -> Iterator[Floats]:
    """Blocks `[n, F]` of the rows of `values` `[N, K]`, in an order.

    `learned` `[N]`, in that order too, says which rows count. A category becomes `sizes[k]` inputs,
    of which one is 1: all are 0 where it is missing or was not told apart. `flagged` columns get
    one more input each, at the end: 1 where they are missing.
    """
    moments = Moments.start(values.shape[1])
    for start in range(0, len(order), BLOCK):
        block = np.asarray(values[order[start : start + BLOCK]])
        before, moments = running(block, learned[start : start + BLOCK], moments)
        numbers = scaled(block, before, scaling)
        parts = [
            block[:, k, None] == np.arange(size) if size else numbers[:, k, None]
            for k, size in enumerate(sizes)
        ]
        yield np.concatenate([*parts, np.isnan(block[:, flagged])], axis=1)
