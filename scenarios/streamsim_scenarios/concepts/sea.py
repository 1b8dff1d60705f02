"""SEA: the sum of two of three numbers against a threshold that drifts."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim_scenarios.concepts.concept import (
    Feature,
    Samples,
    State,
    at,
    flipped,
    joined,
    lanes,
    numbered,
    numbers,
)

_THRESHOLDS = (8.0, 9.0, 7.0, 9.5)


@dataclass(frozen=True, kw_only=True)
class Sea:
    """Three numbers from 0 to 10; the label is 1 if the first two exceed 8, 9, 7 or 9.5 together.

    >>> sea = Sea()
    >>> sea.label(sea.prepare(torch.tensor(7), 3), torch.tensor([[5.0, 4.0, 0.0]]), torch.tensor(0))
    tensor([0])
    """

    name: ClassVar[str] = "sea"
    reference: ClassVar[str] = (
        "Street & Kim 2001, A streaming ensemble algorithm (SEA) for large-scale classification"
    )
    num_classes: ClassVar[int] = 2
    variants: ClassVar[int] = len(_THRESHOLDS)
    features: ClassVar[tuple[Feature, ...]] = numbers("x", 3, high=10.0)

    noise: float = Field(default=0.0, ge=0, le=1, description="share of labels that are flipped")

    def prepare(self, key: Tensor, variant: int | Tensor) -> State:
        thresholds = torch.tensor(_THRESHOLDS, dtype=torch.float64, device=key.device)
        return {"threshold": F.embedding(numbered(self, key, variant), thresholds[:, None])[0]}

    def generate(
        self, state: State, key: Tensor, index: Tensor, time: Tensor, which: Tensor | None = None
    ) -> Samples:
        keys, counter = lanes(key, index, 4)
        drawn = draws.uniform(keys if self.noise > 0 else keys[:3], counter)
        inputs = joined(10 * drawn[:3])
        labels = self.label(state, inputs, time, which)
        return Samples(inputs, flipped(labels, self.noise, drawn[-1]))

    def label(
        self, state: State, inputs: Tensor, time: Tensor, which: Tensor | None = None
    ) -> Tensor:
        total = inputs[..., 0].to(torch.float64) + inputs[..., 1].to(torch.float64)
        return (total > at(state["threshold"], which)).to(torch.int64)
