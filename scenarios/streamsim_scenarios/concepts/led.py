"""LED: digits on a display of seven segments, some of which are wrong."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim_scenarios.concepts.attributes import exchanged
from streamsim_scenarios.concepts.concept import (
    Feature,
    Samples,
    State,
    column,
    drawn,
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
        segments = torch.tensor(_SEGMENTS, dtype=torch.float32, device=key.device)
        place = exchanged(drawn(self, key, variant), _RELEVANT, _IRRELEVANT, count)
        return {"segments": segments, "place": place}

    def generate(self, state: State, key: Tensor, index: Tensor, time: Tensor) -> Samples:
        counter = lanes(index, _RELEVANT + 2)
        digit = draws.integers(key, counter[-1], len(_SEGMENTS))
        lit = F.embedding(digit, state["segments"]).movedim(-1, 0)
        if self.noise > 0:
            lit = (lit - (draws.uniform(key, counter[:_RELEVANT]) < self.noise).float()).abs()
        if not self.irrelevant_features:
            return Samples(joined(lit), digit)
        shift = column(torch.arange(_IRRELEVANT, device=index.device), index)
        other = (draws.bits(key, counter[-2]) >> shift) & 1
        return Samples(joined(torch.cat([lit, other]).index_select(0, state["place"])), digit)
