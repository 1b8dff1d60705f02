"""Rotation: images that turn as the stream goes on."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim.stream import Stream, Tables
from streamsim_scenarios.modifiers.over_time import OverTime
from streamsim_scenarios.rotated import taps, turned

_ANGLES = 720  # of a circle


@dataclass(frozen=True, kw_only=True)
class Rotation(OverTime):
    """Every image is turned counter-clockwise by the level, in degrees, about its centre.

    Angles are rounded to half a degree, so that one table of them serves all samples.
    """

    name: ClassVar[str] = "rotation"
    images_only: ClassVar[bool] = True
    reference: ClassVar[str] = (
        "Lopez-Paz & Ranzato 2017, Gradient episodic memory for continual learning: rotations"
    )

    levels: tuple[float, ...] = Field(
        default=(0.0, 90.0), min_length=1, description="degrees, in order of appearance"
    )

    def _shared(self, stream: Stream) -> Tables:
        _, height, width = stream.spec.input_shape
        return taps(torch.arange(_ANGLES) * (360 / _ANGLES), height, width)

    def _inputs(self, tables: Tables, x: Tensor, ids: Tensor, level: Tensor) -> Tensor:
        angle = (level * (_ANGLES / 360)).round().to(torch.int64) % _ANGLES
        tap, weight = (F.embedding(angle, tables[name]) for name in ("tap", "weight"))
        return turned(x.flatten(2), tap, weight).view(x.shape)
