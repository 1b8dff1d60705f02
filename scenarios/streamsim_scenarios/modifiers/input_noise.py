"""Input noise: the sensor becomes worse, and perhaps better again."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim.stream import Stream, Tables
from streamsim_scenarios.modifiers.over_time import OverTime, along


@dataclass(frozen=True, kw_only=True)
class InputNoise(OverTime):
    """Normal noise on every input, drawn by sample: remembered samples keep theirs."""

    name: ClassVar[str] = "input-noise"
    reference: ClassVar[str] = (
        "Hendrycks & Dietterich 2019, Benchmarking neural network robustness to common corruptions"
    )

    levels: tuple[float, ...] = Field(
        default=(0.0, 0.5),
        min_length=1,
        description="standard deviation of the noise, in order of appearance",
    )

    def _tables(self, key: Tensor, stream: Stream) -> Tables:
        return {"key": draws.fold(key, "noise")}

    def _inputs(self, tables: Tables, x: Tensor, ids: Tensor, level: Tensor) -> Tensor:
        number = math.prod(x.shape[1:])
        counter = ids[:, None] * number + torch.arange(number, device=ids.device)
        return x + along(level, x) * draws.normal(tables["key"], counter).view(x.shape)
