"""Brightness: images of another exposure."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim.stream import Tables
from streamsim_scenarios.modifiers.over_time import OverTime, along


@dataclass(frozen=True, kw_only=True)
class Brightness(OverTime):
    """The level is added to every pixel of an image, which stays between 0 and 1."""

    name: ClassVar[str] = "brightness"
    images_only: ClassVar[bool] = True
    reference: ClassVar[str] = (
        "Hendrycks & Dietterich 2019, Benchmarking neural network robustness to common corruptions"
    )

    levels: tuple[float, ...] = Field(
        default=(0.0, 0.5), min_length=1, description="what is added, in order of appearance"
    )

    def _inputs(self, tables: Tables, x: Tensor, ids: Tensor, level: Tensor) -> Tensor:
        added = along(level, x)
        return torch.where(added == 0, x, (x + added).clamp(0, 1))
