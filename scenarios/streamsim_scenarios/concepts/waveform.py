"""Waveform: random mixtures of two of three waves, in noise."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim_scenarios.concepts.attributes import arranged, exchanged
from streamsim_scenarios.concepts.concept import (
    Feature,
    Samples,
    State,
    by_column,
    column,
    drawn,
    joined,
    lanes,
    numbered,
    numbers,
)

_RELEVANT, _IRRELEVANT = 21, 19
_PEAKS = (6, 14, 10)  # a wave rises to 6 there, in steps of 1
_PAIRS = ((0, 1), (0, 2), (1, 2))  # of waves, by class
_NOISE = draws.purpose("noise")  # hashed here: a compiled program cannot


@dataclass(frozen=True, kw_only=True)
class Waveform:
    """Three classes, 21 points of a mixture with standard normal noise, 19 of noise alone.

    River's `has_noise` is called `irrelevant_features` here. In variant v, v of the points change
    places with irrelevant ones (as MOA's WaveformGeneratorDrift has it); without those there is
    only one variant.
    """

    name: ClassVar[str] = "waveform"
    reference: ClassVar[str] = (
        "Breiman, Friedman, Olshen & Stone 1984, Classification and regression trees"
    )
    num_classes: ClassVar[int] = 3

    irrelevant_features: bool = Field(default=True, description="nineteen points of noise")

    @property
    def variants(self) -> int:
        return _IRRELEVANT + 1 if self.irrelevant_features else 1

    @property
    def features(self) -> tuple[Feature, ...]:
        irrelevant = _IRRELEVANT if self.irrelevant_features else 0
        return numbers("x", _RELEVANT + irrelevant, low=-3.0, high=9.0)

    def prepare(self, key: Tensor, variant: int | Tensor) -> State:
        count = numbered(self, key, variant)
        waves = _waves(key.device)
        place = exchanged(drawn(self, key, variant), _RELEVANT, _IRRELEVANT, count)
        return {"pairs": waves[torch.tensor(_PAIRS, device=key.device)].flatten(1), "place": place}

    def generate(
        self, state: State, key: Tensor, index: Tensor, time: Tensor, which: Tensor | None = None
    ) -> Samples:
        keys, counter = lanes(key, index, 2)
        label = draws.integers(keys[0], counter, len(_PAIRS))
        pairs = state["pairs"] if which is None else state["pairs"][0]
        first, second = by_column(pairs, label).chunk(2)
        share = draws.uniform(keys[1], counter)
        points = draws.normal(draws.fold(key, _NOISE), _counters(index))
        mixture = second + share * (first - second) + points[:_RELEVANT]
        if not self.irrelevant_features:
            return Samples(joined(mixture), label)
        columns = torch.cat([mixture, points[_RELEVANT:]])
        return Samples(joined(arranged(columns, state["place"], which)), label)


def _counters(index: Tensor) -> Tensor:
    """One for every point, [40, N]; they exist without irrelevant features, too."""
    count = _RELEVANT + _IRRELEVANT
    return index * count + column(torch.arange(count, device=index.device), index)


def _waves(device: torch.device) -> Tensor:
    """The three waves, [3, 21]."""
    away = torch.arange(_RELEVANT, device=device) - torch.tensor(_PEAKS, device=device)[:, None]
    return (6 - away.abs()).clamp(min=0).float()
