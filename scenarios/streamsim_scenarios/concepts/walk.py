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
from streamsim_scenarios.concepts.concept import between, by_column

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


def walk(state: State, time: Tensor, which: Tensor | None = None) -> Tensor:
    """Positions [W, N] float64 at `time` [N] >= 0, counted in steps; straight in between.

    After SPAN * SPAN steps a walk goes its way back. `which` [N] as in `Concept.generate`.
    """
    end = SPAN * SPAN
    time = time.to(torch.float64)
    # as `remainder`, which takes many times as long: powers of two divide without rounding
    time = torch.add(time, (time * (0.5 / end)).floor_(), alpha=-2 * end)
    time = end - (end - time).abs_()
    stride = (time * (1 / SPAN)).floor_().clamp(max=SPAN - 1)
    within = torch.add(time, stride, alpha=-SPAN)
    # all that is wanted of a row, in one look-up
    strides = torch.cat([_pieces(state["coarse"]), state["side"]], -1)
    begin, long, side = _rows(strides, stride, which).chunk(3)
    step = within.floor().clamp(max=SPAN - 1)
    first, short = _rows(_pieces(state["bridge"]), step, which).chunk(2)
    return begin + within / SPAN * long + side * (first + (within - step) * short)


def _pieces(table: Tensor) -> Tensor:
    """Where each piece of a way begins and how far it leads, [..., S, 2W] of [..., S+1, W]."""
    return torch.cat([table[..., :-1, :], table.diff(dim=-2)], -1)


def _rows(table: Tensor, row: Tensor, which: Tensor | None) -> Tensor:
    """Rows [N] of a table [S, W], or of the tables [K, S, W] of several concepts, as [W, N]."""
    row = row.to(torch.int64)
    if which is None:
        return by_column(table, row)
    rows = table.flatten(0, 1)
    return between(which, lambda k: by_column(rows, k * SPAN + row))
