"""Rotated benchmarks: every experience turns the images by another angle.

Shape letters: E experiences, B samples of a batch, K channels, P pixels, 4 neighbours of a point.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import ClassVar, Literal, Self

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim.data import LabelledData
from streamsim.stream import Stream, Tables
from streamsim_scenarios.pools import Boundaries, Validation, data_of, with_data
from streamsim_scenarios.transformed import Repeated, transformed_stream


@dataclass(frozen=True, kw_only=True)
class Rotated:
    """Your own labelled images, turned further in every experience.

    Experience e turns by e x degrees counter-clockwise, or by (e + u) x degrees with a random
    u in [0, 1) of each seed and experience.

    >>> x, y = torch.rand(6, 1, 4, 4), torch.arange(6) % 2
    >>> mine = LabelledData(name="mine", x_train=x, y_train=y, x_test=x, y_test=y, num_classes=2)
    >>> stream = Rotated(n_experiences=2, degrees=180).on(mine).stream(Path())
    >>> turned = stream.view.inputs(stream.pool, {}, torch.tensor([12]))  # 12 samples: experience 1
    >>> torch.allclose(turned[0], x[0].rot90(2, (1, 2)), atol=1e-5)
    True
    """

    dataset: ClassVar[str] = ""
    own: ClassVar[LabelledData | None] = None
    reference: ClassVar[str] = (
        "Lopez-Paz & Ranzato 2017, Gradient episodic memory for continual learning"
    )

    n_experiences: int = Field(default=10, ge=1, description="angles, one after the other")
    degrees: float = Field(
        default=18.0, gt=0, le=360, description="from one experience to the next"
    )
    angles: Literal["fixed", "random"] = Field(
        default="fixed",
        description="fixed: the same for all seeds; random: each seed draws its own",
    )
    setting: Repeated = "domain"
    boundaries: Boundaries = "revealed"
    validation: Validation = 0.0

    def on(self, data: LabelledData) -> Self:
        """The same scenario over your own data."""
        return with_data(self, data)

    def stream(self, root: Path) -> Stream:
        data = data_of(self, root)
        if len(data.shape) != 3:
            raise ValueError(
                f"{data.name} has inputs of shape {data.shape}, which cannot be rotated; give "
                "images of shape (channels, height, width)"
            )
        _, height, width = data.shape
        step_E = torch.arange(self.n_experiences)

        def tables(key: Tensor) -> Tables:
            jitter_E = draws.uniform(draws.fold(key, "angles"), step_E)
            return taps((step_E + jitter_E) * self.degrees, height, width)

        if self.angles == "random":
            return transformed_stream(self, data, _rotate, tables)
        shared = taps(step_E * self.degrees, height, width)
        return transformed_stream(self, data, _rotate, lambda key: {}, shared)


def taps(degrees_E: Tensor, height: int, width: int) -> Tables:
    """Where every pixel of a turned image comes from: `tap` and `weight` [E, 4*P].

    Bilinear interpolation about the centre; outside the image is 0.
    """
    angle_E1 = degrees_E.to(torch.float64)[:, None] * (math.pi / 180)
    row_P, column_P = (i.flatten() for i in _centred_grid(height, width, degrees_E.device))
    row_EP = angle_E1.cos() * row_P + angle_E1.sin() * column_P + (height - 1) / 2
    column_EP = angle_E1.cos() * column_P - angle_E1.sin() * row_P + (width - 1) / 2
    tap, weight = [], []
    for down in (0, 1):
        for right in (0, 1):
            i_EP, j_EP = row_EP.floor() + down, column_EP.floor() + right
            inside_EP = (i_EP >= 0) & (i_EP < height) & (j_EP >= 0) & (j_EP < width)
            share_EP = (1 - (row_EP - i_EP).abs()) * (1 - (column_EP - j_EP).abs())
            tap.append(torch.where(inside_EP, i_EP * width + j_EP, 0).to(torch.int64))
            weight.append(torch.where(inside_EP, share_EP, 0).to(torch.float32))
    return {"tap": torch.cat(tap, dim=1), "weight": torch.cat(weight, dim=1)}


def _centred_grid(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Row and column of every pixel, counted from the centre."""
    rows = torch.arange(height, dtype=torch.float64, device=device) - (height - 1) / 2
    columns = torch.arange(width, dtype=torch.float64, device=device) - (width - 1) / 2
    row, column = torch.meshgrid(rows, columns, indexing="ij")
    return row, column


def _rotate(tables: Tables, x_BKP: Tensor, experience_B: Tensor) -> Tensor:
    tap_BP, weight_BP = (F.embedding(experience_B, tables[name]) for name in ("tap", "weight"))
    return turned(x_BKP, tap_BP, weight_BP)


def turned(x_BKP: Tensor, tap_BP: Tensor, weight_BP: Tensor) -> Tensor:
    """Every pixel is the weighted sum of four, in all channels; `taps` [B, 4*P]."""
    turned_BKP = torch.zeros_like(x_BKP)
    for one_BP, share_BP in zip(tap_BP.chunk(4, -1), weight_BP.chunk(4, -1), strict=True):
        neighbour_BKP = x_BKP.gather(-1, one_BP.unsqueeze(-2).expand_as(x_BKP))
        turned_BKP = turned_BKP + share_BP.unsqueeze(-2) * neighbour_BKP
    return turned_BKP


@dataclass(frozen=True, kw_only=True)
class RotatedDigits(Rotated):
    """Digits turned step by step, 8x8 pixels; comes with scikit-learn, needs no download.

    >>> RotatedDigits(n_experiences=3).stream(Path()).spec.setting
    'domain'
    """

    dataset: ClassVar[str] = "digits"


@dataclass(frozen=True, kw_only=True)
class RotatedMnist(Rotated):
    """Handwritten digits turned step by step."""

    dataset: ClassVar[str] = "mnist"


@dataclass(frozen=True, kw_only=True)
class RotatedFashionMnist(Rotated):
    """Articles of clothing turned step by step."""

    dataset: ClassVar[str] = "fashion-mnist"


@dataclass(frozen=True, kw_only=True)
class RotatedCifar10(Rotated):
    """Colour photographs of ten classes, turned step by step."""

    dataset: ClassVar[str] = "cifar10"


@dataclass(frozen=True, kw_only=True)
class RotatedCifar100(Rotated):
    """Colour photographs of a hundred classes, turned step by step."""

    dataset: ClassVar[str] = "cifar100"
