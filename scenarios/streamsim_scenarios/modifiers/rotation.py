"""Rotation: images that turn as the stream goes on."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim.stream import Tables
from streamsim_scenarios.modifiers.over_time import OverTime
from streamsim_scenarios.rotated import taps, turned


@dataclass(frozen=True, kw_only=True)
class Rotation(OverTime):
    """Every image is turned counter-clockwise by the level, in degrees, about its centre."""

    name: ClassVar[str] = "rotation"
    images_only: ClassVar[bool] = True
    reference: ClassVar[str] = (
        "Lopez-Paz & Ranzato 2017, Gradient episodic memory for continual learning: rotations"
    )

    levels: tuple[float, ...] = Field(
        default=(0.0, 90.0), min_length=1, description="degrees, in order of appearance"
    )

    def _inputs(self, tables: Tables, x: Tensor, ids: Tensor, level: Tensor) -> Tensor:
        from_where = taps(level, *x.shape[-2:])
        return turned(x.flatten(2), from_where["tap"], from_where["weight"]).view(x.shape)
