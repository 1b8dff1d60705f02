"""When one concept of a stream takes over from another: abrupt, gradual or incremental drift.

Shape letters: N samples, K concepts in the order in which they appear.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeVar

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor

from streamsim import draws

T = TypeVar("T")
Kind = Literal["gradual", "incremental"]
_TAKEOVER = draws.purpose("takeover")  # hashed here: a compiled program cannot


def _read(kinds: Any) -> Any:
    """One kind needs no tuple; abrupt drift is looked for here, and widths say it."""
    several = (kinds,) if isinstance(kinds, str) else kinds
    if isinstance(several, (tuple, list)) and "abrupt" in several:
        raise ValueError(
            "choose gradual or incremental for each takeover; either is abrupt where its width is 0"
        )
    return several


_READ = (BeforeValidator(_read), Field(min_length=1))
Kinds = Annotated[tuple[Kind, ...], *_READ]
OnlyGradual = Annotated[tuple[Literal["gradual"], ...], *_READ]


@dataclass(frozen=True)
class Takeovers:
    """Concept k + 1 takes over from concept k around sample number `positions[k]`.

    A width of 0 is abrupt. Gradual: a sample belongs to the new concept with the probability
    1 / (1 + exp(-4 (t - position) / width)), as in MOA (Bifet et al. 2010), which torch computes
    for any width without overflow. Incremental: the concept itself moves in a straight line, from
    half a width before the position to half a width after it. The same concept may come back.

    Takeovers of any kinds may overlap: a sample is taken on from where the earlier ones put it, by
    a gradual takeover at once, by an incremental one along the sequence of concepts.
    """

    positions: Sequence[int]
    widths: Sequence[int]  # as are kinds: one for all, or one for each
    kinds: Sequence[Kind] = ("gradual",)

    @property
    def moves(self) -> bool:
        """Whether samples may stand between two concepts."""
        return any(width > 0 and kind == "incremental" for _, width, kind in self._each())

    def begins(self) -> list[int]:
        """How many samples come before each takeover begins: half a width before its position.

        That is where drift begins (Gama et al. 2014): an incremental takeover has moved nothing
        before, and 12 % of a gradual one's samples there are of the new concept already; MOA's
        width spans what lies between that and 88 %.

        >>> Takeovers((100, 500), (0, 80)).begins()
        [100, 460]
        """
        return sorted({max(0, position - width // 2) for position, width, _ in self._each()})

    def settled(self) -> Takeovers:
        """For what has no moment of its own: gradual takeovers are over by their positions."""
        widths = [width if kind == "incremental" else 0 for _, width, kind in self._each()]
        return replace(self, widths=widths)

    @property
    def abrupt(self) -> bool:
        """Whether no takeover lasts."""
        return not any(self.widths)

    def place(self, key: Tensor, time: Tensor) -> Tensor:
        """Where in the sequence of concepts the samples at times `[N]` stand: 0 .. K-1, float64.

        Whole numbers unless it `moves`.
        """
        moment = time.to(torch.float64)
        at = torch.zeros_like(moment)
        number = torch.arange(len(self.positions), device=time.device)
        keys = key if self.abrupt else draws.fold(key, _TAKEOVER, number)
        for k, (position, width, kind) in enumerate(self._each()):
            since = moment - position
            if width == 0:
                at = torch.where(since >= 0, k + 1.0, at)
            elif kind == "gradual":
                drawn = draws.uniform(keys[k], time)
                at = torch.where(drawn < (4 * since).div_(width).sigmoid_(), k + 1.0, at)
            else:
                share = since.div_(width).add_(0.5).clamp(0, 1)
                at = at + share.mul_(k + 1 - at)
        return at

    def _each(self) -> Iterator[tuple[int, int, Kind]]:
        num = len(self.positions)
        return zip(self.positions, each(self.widths, num), each(self.kinds, num), strict=True)


def evenly(num_samples: int, num_concepts: int) -> tuple[int, ...]:
    """Where `num_concepts - 1` takeovers divide a stream into equal parts.

    >>> evenly(1000, 4)
    (250, 500, 750)
    """
    if num_samples < num_concepts:
        raise ValueError(f"{num_samples} samples are too few for {num_concepts - 1} takeovers")
    return tuple(num_samples * k // num_concepts for k in range(1, num_concepts))


def each(given: Sequence[T], num: int) -> tuple[T, ...]:
    """One for all, or one for each of `num` takeovers, as one for each."""
    return tuple(given) * num if len(given) == 1 else tuple(given)


def check(
    positions: Sequence[int], widths: Sequence[int], kinds: Sequence[Kind], num: int, what: str
) -> None:
    """ValueError unless takeovers lead through `num` concepts, or `what` there is else."""
    if len(positions) != num - 1:
        raise ValueError(f"positions={_shown(positions)}: {num} {what} need {num - 1} of them")
    if any(a >= b for a, b in itertools.pairwise([0, *positions])):
        raise ValueError(f"positions={_shown(positions)}: choose growing numbers above 0")
    if len(widths) not in (1, num - 1) or min(widths) < 0:
        raise ValueError(
            f"widths={_shown(widths)}: give one number of samples, or {num - 1}, 0 or more"
        )
    if len(kinds) not in (1, num - 1):
        raise ValueError(
            f"drift={_shown(kinds)}: give one kind for all {num - 1} takeovers, or {num - 1} kinds"
        )


def check_length(positions: Sequence[int], length: int, what: str) -> None:
    """ValueError if a takeover lies past the end of a stream."""
    if positions and positions[-1] >= length:
        raise ValueError(
            f"positions={_shown(positions)}: choose growing numbers between 0 and {what}"
        )


def _shown(given: Sequence[object]) -> str:
    return ",".join(map(str, given))
