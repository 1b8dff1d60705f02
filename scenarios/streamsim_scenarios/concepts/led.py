"""LED: digits on a display of seven segments, some of which are wrong."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim_scenarios.concepts.attributes import arranged, exchanged
from streamsim_scenarios.concepts.concept import (
    Feature,
    Samples,
    State,
    column,
    drawn,
    entries,
    joined,
    lanes,
    numbered,
)

_SEGMENTS = (
    (1, 1, 1, 0, 1, 1, 1),
    (0, 0, 1, 0, 0, 1, 0),
    (1, 0, 1, 1, 1, 0, 1),
    (1, 0, 1, 1, 0, 1, 1),
    (0, 1, 1, 1, 0, 1, 0),
    (1, 1, 0, 1, 0, 1, 1),
    (1, 1, 0, 1, 1, 1, 1),
    (1, 0, 1, 0, 0, 1, 0),
    (1, 1, 1, 1, 1, 1, 1),
    (1, 1, 1, 1, 0, 1, 1),
)
_RELEVANT, _IRRELEVANT = 7, 17


@dataclass(frozen=True, kw_only=True)
class Led:
    """A digit, its seven segments, and seventeen random bits that mean nothing.

    In variant v, v of the segments change places with irrelevant bits; without those there is only
    one variant. `noise` is what it says; in river the probability is lower by 0.01.
    """

    name: ClassVar[str] = "led"
    reference: ClassVar[str] = (
        "Breiman, Friedman, Olshen & Stone 1984, Classification and regression trees"
    )
    num_classes: ClassVar[int] = 10

    noise: float = Field(default=0.0, ge=0, le=1, description="share of segments that are wrong")
    irrelevant_features: bool = Field(default=True, description="seventeen random bits")

    @property
    def variants(self) -> int:
        return _RELEVANT + 1 if self.irrelevant_features else 1

    @property
    def features(self) -> tuple[Feature, ...]:
        count = _RELEVANT + (_IRRELEVANT if self.irrelevant_features else 0)
        return tuple(Feature(f"x{i}", 0.0, 1.0, 2) for i in range(count))

    def prepare(self, key: Tensor, variant: int | Tensor) -> State:
        count = numbered(self, key, variant)
        words = [sum(lit << i for i, lit in enumerate(digit)) for digit in _SEGMENTS]
        segments = torch.tensor(words, device=key.device)
        place = exchanged(drawn(self, key, variant), _RELEVANT, _IRRELEVANT, count)
        return {"segments": segments, "place": place}

    def generate(
        self, state: State, key: Tensor, index: Tensor, time: Tensor, which: Tensor | None = None
    ) -> Samples:
        keys, counter = lanes(key, index, _RELEVANT + 2)
        digit = draws.integers(keys[-1], counter, len(_SEGMENTS))
        segments = state["segments"] if which is None else state["segments"][0]
        lit = _bits(entries(segments, digit), _RELEVANT)
        if self.noise > 0:
            lit = lit ^ (draws.uniform(keys[:_RELEVANT], counter) < self.noise).to(torch.uint8)
        if not self.irrelevant_features:
            return Samples(joined(lit), digit)
        other = _bits(draws.bits(keys[-2], counter), _IRRELEVANT)
        columns = torch.cat([lit, other])
        return Samples(joined(arranged(columns, state["place"], which)), digit)


def _bits(words: Tensor, count: int) -> Tensor:
    """The lowest bits of words [N]: [count, N] uint8."""
    shift = column(torch.arange(count, device=words.device), words)
    return (words >> shift).to(torch.uint8).bitwise_and_(1)
