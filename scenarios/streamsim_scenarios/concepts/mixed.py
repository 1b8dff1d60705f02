"""Mixed: two Boolean and two numeric features vote."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim_scenarios.concepts.concept import (
    Feature,
    Samples,
    State,
    at,
    choose,
    joined,
    lanes,
    numbered,
)
from streamsim_scenarios.concepts.sine import wave


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """At least two of v, w and y < 0.5 + 0.3 sin(3 pi x): class 0 in variant 0, class 1 in 1.

    Without river's `balance_classes`, which rejects samples until the wanted class comes, which
    has no bound; class shares are a matter of the schedule.
    """

    name: ClassVar[str] = "mixed"
    reference: ClassVar[str] = (
        "Gama, Medas, Castillo & Rodrigues 2004, Learning with drift detection"
    )
    num_classes: ClassVar[int] = 2
    variants: ClassVar[int] = 2
    features: ClassVar[tuple[Feature, ...]] = (
        Feature("v", 0.0, 1.0, 2),
        Feature("w", 0.0, 1.0, 2),
        Feature("x", 0.0, 1.0),
        Feature("y", 0.0, 1.0),
    )

    def prepare(self, key: Tensor, variant: int | Tensor) -> State:
        return {"rule": numbered(self, key, variant)}

    def generate(
        self, state: State, key: Tensor, index: Tensor, time: Tensor, which: Tensor | None = None
    ) -> Samples:
        drawn = draws.uniform(*lanes(key, index, 4))
        inputs = joined(torch.cat([(drawn[:2] >= 0.5).float(), drawn[2:]]))
        return Samples(inputs, self.label(state, inputs, time, which))

    def label(
        self, state: State, inputs: Tensor, time: Tensor, which: Tensor | None = None
    ) -> Tensor:
        v, w = inputs[..., 0] > 0, inputs[..., 1] > 0
        z = inputs[..., 3].to(torch.float64) < wave(inputs[..., 2].to(torch.float64))
        two = (v & w) | (v & z) | (w & z)
        return choose([~two, two], at(state["rule"], which))
