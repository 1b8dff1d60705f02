"""Random walks whose position at any time is looked up, not reached step by step.

A coarse walk of SPAN long strides; each stride is filled in with the same bridge of SPAN steps (a
walk that ends where it began), up or down at random. So a table of a few thousand numbers gives a
million steps, in which the variance of a change is, as in a random walk of single steps, the time
that it took.

Shape letters: N times, S = SPAN, W walks.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor

from streamsim import draws

SPAN = 1024
State = dict[str, Tensor]


def draw_walks(key: Tensor, num: int) -> State:
    """The tables of `num` walks: `coarse` and `bridge` [S+1, W], `side` [S, W], all float64."""
    bits = draws.bits(key, draws.counters(3, SPAN, num, device=key.device)) & 1
    signs = (2 * bits - 1).to(torch.float64)
    coarse, path = F.pad(signs[:2].cumsum(1), (0, 0, 1, 0))  # both begin at 0
    way = torch.arange(SPAN + 1, dtype=torch.float64, device=key.device)[:, None] / SPAN
    return {
        "coarse": math.sqrt(SPAN) * coarse,
        "bridge": path - way * path[-1],
        "side": signs[2],
    }


def walk(state: State, time: Tensor) -> Tensor:
    """Positions [W, N] float64 at `time` [N] >= 0, counted in steps; straight in between.

    After SPAN * SPAN steps a walk goes its way back.
    """
    end = SPAN * SPAN
    time = end - (end - time.to(torch.float64).remainder(2 * end)).abs()
    stride = (time / SPAN).floor().clamp(max=SPAN - 1)
    within = time - stride * SPAN
    row = stride.to(torch.int64)
    long = _between(state["coarse"], row, within / SPAN)
    step = within.floor().clamp(max=SPAN - 1)
    short = _between(state["bridge"], step.to(torch.int64), within - step)
    return long + _rows(state["side"], row) * short


def _between(table: Tensor, row: Tensor, share: Tensor) -> Tensor:
    """Linear interpolation from a row [N] to the next one."""
    first = _rows(table, row)
    return first + share * (_rows(table, row + 1) - first)


def _rows(table: Tensor, row: Tensor) -> Tensor:
    """Rows [N] of a table [S, W] as [W, N]."""
    return F.embedding(row, table).movedim(-1, 0)
