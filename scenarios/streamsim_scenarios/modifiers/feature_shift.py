"""Virtual drift: the inputs move, and what they mean stays as it is."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim.stream import Stream, Tables
from streamsim_scenarios.modifiers.over_time import OverTime, along


@dataclass(frozen=True, kw_only=True)
class FeatureShift(OverTime):
    """Every feature is shifted or scaled in its own direction, which a seed draws.

    shift: x + level x direction; scale: x * exp(level x direction), directions standard normal.
    """

    name: ClassVar[str] = "feature-shift"
    reference: ClassVar[str] = (
        "Gama et al. 2014, A survey on concept drift adaptation: virtual drift"
    )

    levels: tuple[float, ...] = Field(
        default=(0.0, 1.0),
        min_length=1,
        description="how far features move, in order of appearance",
    )
    how: Literal["shift", "scale"] = Field(default="shift", description="added or multiplied")

    def _tables(self, key: Tensor, stream: Stream) -> Tables:
        number = math.prod(stream.spec.input_shape)
        direction = draws.normal(draws.fold(key, "direction"), draws.counters(number))
        return {"direction": direction.view(stream.spec.input_shape)}

    def _inputs(self, tables: Tables, x: Tensor, ids: Tensor, level: Tensor) -> Tensor:
        change = along(level, x) * tables["direction"]
        return x + change if self.how == "shift" else x * change.exp()
