"""When one concept of a stream takes over from another: abrupt, gradual or incremental drift.

Shape letters: N samples, K concepts in the order in which they appear.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from streamsim import draws

Kind = Literal["gradual", "incremental"]
_TAKEOVER = draws.purpose("takeover")  # hashed here: a compiled program cannot


@dataclass(frozen=True)
class Takeovers:
    """Concept k + 1 takes over from concept k around sample number `positions[k]`.

    A width of 0 is abrupt. Gradual: a sample belongs to the new concept with the probability
    1 / (1 + exp(-4 (t - position) / width)), as in MOA (Bifet et al. 2010), which torch computes
    for any width without overflow. Incremental: the concept itself moves in a straight line, from
    half a width before the position to half a width after it. Takeovers may overlap, and the same
    concept may come back.
    """

    positions: Sequence[int]
    widths: Sequence[int]
    kind: Kind = "gradual"

    @property
    def abrupt(self) -> bool:
        """Whether no takeover lasts."""
        return not any(self.widths)

    def place(self, key: Tensor, time: Tensor) -> Tensor:
        """Where in the sequence of concepts the samples at times `[N]` stand: 0 .. K-1, float64.

        Whole numbers unless the drift is incremental.
        """
        moment = time.to(torch.float64)
        at = torch.zeros_like(moment)
        if self.kind == "gradual" and not self.abrupt:
            number = torch.arange(len(self.positions), device=time.device)
            keys = draws.fold(key, _TAKEOVER, number)
        for k, (position, width) in enumerate(zip(self.positions, self.widths, strict=True)):
            since = moment - position
            if width == 0:
                at = torch.where(since >= 0, k + 1.0, at)
            elif self.kind == "gradual":
                drawn = draws.uniform(keys[k], time)
                at = torch.where(drawn < (4 * since).div_(width).sigmoid_(), k + 1.0, at)
            else:
                share = since.div_(width).add_(0.5).clamp(0, 1)
                at = at + share.mul_(k + 1 - at)
        return at


def evenly(num_samples: int, num_concepts: int) -> tuple[int, ...]:
    """Where `num_concepts - 1` takeovers divide a stream into equal parts.

    >>> evenly(1000, 4)
    (250, 500, 750)
    """
    return tuple(num_samples * k // num_concepts for k in range(1, num_concepts))


def each(widths: Sequence[int], num: int) -> tuple[int, ...]:
    """One width for all, or one for each of `num` takeovers, as one for each."""
    return tuple(widths) * num if len(widths) == 1 else tuple(widths)


def check(positions: Sequence[int], widths: Sequence[int], num: int, what: str) -> None:
    """ValueError unless takeovers lead through `num` concepts, or `what` there is else."""
    if len(positions) != num - 1:
        raise ValueError(f"positions={_shown(positions)}: {num} {what} need {num - 1} of them")
    if any(a >= b for a, b in itertools.pairwise([0, *positions])):
        raise ValueError(f"positions={_shown(positions)}: choose growing numbers above 0")
    if len(widths) not in (1, num - 1) or min(widths) < 0:
        raise ValueError(
            f"widths={_shown(widths)}: give one number of samples, or {num - 1}, 0 or more"
        )


def check_length(positions: Sequence[int], length: int, what: str) -> None:
    """ValueError if a takeover lies past the end of a stream."""
    if positions and positions[-1] >= length:
        raise ValueError(
            f"positions={_shown(positions)}: choose growing numbers between 0 and {what}"
        )


def _shown(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))
