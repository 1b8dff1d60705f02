"""Sine: points below or above a sine curve."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from pydantic import Field
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
    numbers,
)


def wave(x: Tensor) -> Tensor:
    """The curve of SINE2 and of Mixed."""
    return 0.5 + 0.3 * torch.sin(3 * math.pi * x)


@dataclass(frozen=True, kw_only=True)
class Sine:
    """SINE1, its reversal, SINE2 and its reversal: variants 0 to 3, over two numbers from 0 to 1.

    River's `has_noise` is called `irrelevant_features` here. Its `balance_classes` rejects samples
    until the wanted class comes, which has no bound; class shares are a matter of the schedule.
    """

    name: ClassVar[str] = "sine"
    reference: ClassVar[str] = (
        "Gama, Medas, Castillo & Rodrigues 2004, Learning with drift detection"
    )
    num_classes: ClassVar[int] = 2
    variants: ClassVar[int] = 4

    irrelevant_features: bool = Field(default=False, description="two more that mean nothing")

    @property
    def features(self) -> tuple[Feature, ...]:
        return numbers("x", 4 if self.irrelevant_features else 2)

    def prepare(self, key: Tensor, variant: int | Tensor) -> State:
        return {"rule": numbered(self, key, variant)}

    def generate(
        self, state: State, key: Tensor, index: Tensor, time: Tensor, which: Tensor | None = None
    ) -> Samples:
        keys, counter = lanes(key, index, 4)
        inputs = joined(draws.uniform(keys[: len(self.features)], counter))
        return Samples(inputs, self.label(state, inputs, time, which))

    def label(
        self, state: State, inputs: Tensor, time: Tensor, which: Tensor | None = None
    ) -> Tensor:
        x, y = inputs[..., 0].to(torch.float64), inputs[..., 1].to(torch.float64)
        below_1, below_2 = x < torch.sin(y), x < wave(y)
        return choose([below_1, ~below_1, below_2, ~below_2], at(state["rule"], which))
