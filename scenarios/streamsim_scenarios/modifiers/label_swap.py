"""Label swap: real drift of any labelled data; the same inputs come to mean another class."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim_scenarios.modifiers.over_time import OverTime
from streamsim_scenarios.takeovers import OnlyGradual


@dataclass(frozen=True, kw_only=True)
class LabelSwap(OverTime):
    """Classes exchange their labels in a circle, in training and test samples alike.

    At level k a class has the label of the k-th class after it. With `only`, the circle goes
    through these classes alone, and the others stay as they are: local drift.
    """

    name: ClassVar[str] = "label-swap"
    acts_on: ClassVar[Literal["inputs", "labels"]] = "labels"
    reference: ClassVar[str] = "Gama et al. 2014, A survey on concept drift adaptation: real drift"

    levels: tuple[int, ...] = Field(
        default=(0, 1), min_length=1, description="steps round the circle, in order of appearance"
    )
    drift: OnlyGradual = Field(
        default=("gradual",), description="both labels occur for a while; nothing lies in between"
    )

    @model_validator(mode="after")
    def _check_circle(self) -> Self:
        if self.only is not None and (len(self.only) < 2 or len(set(self.only)) < len(self.only)):
            raise ValueError(
                f"only={','.join(map(str, self.only))}: name two labels or more, each once"
            )
        return self

    def _labels(self, y: Tensor, level: Tensor, num_classes: int) -> Tensor:
        circle = torch.tensor(self.only or range(num_classes), device=y.device)
        place_C = torch.full((num_classes,), -1, device=y.device)
        place_C[circle] = torch.arange(len(circle), device=y.device)
        # classes outside the stream have the label -1
        place = F.embedding(y.clamp_min(0), place_C[:, None])[..., 0]
        place = torch.where(y < 0, -1, place)
        swapped = F.embedding((place + level.to(torch.int64)) % len(circle), circle[:, None])
        return torch.where(place < 0, y, swapped[..., 0])
