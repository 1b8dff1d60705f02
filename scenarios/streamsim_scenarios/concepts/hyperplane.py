"""Hyperplane: a plane through the middle of the unit cube, whose weights wander."""

from __future__ import annotations

from typing import ClassVar, Self

import torch
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim_scenarios.concepts.concept import (
    Feature,
    Samples,
    State,
    between,
    column,
    drawn,
    flipped,
    joined,
    lanes,
    numbers,
)
from streamsim_scenarios.concepts.walk import draw_walks, walk


@dataclass(frozen=True, kw_only=True)
class Hyperplane:
    """Numbers from 0 to 1; the label is 1 if w·x is at least half the sum of the weights w.

    The first `n_drift_features` weights change by `mag_change` a sample, and turn back with
    probability `sigma`. River adds the changes up sample by sample; here the weights at any time
    are looked up in random walks (see `walk`) with legs of (1 - sigma) / sigma samples, about as
    steep, of the same variance in the long run and back on their way after a million legs. Without
    `sigma` the weights grow by `mag_change` a sample, as in river. `sigma` and `noise` are what
    they say; in river the probabilities are lower by 0.01.
    """

    name: ClassVar[str] = "hyperplane"
    reference: ClassVar[str] = "Hulten, Spencer & Domingos 2001, Mining time-changing data streams"
    num_classes: ClassVar[int] = 2
    variants: ClassVar[int | None] = None

    n_features: int = Field(default=10, ge=2, description="all of them matter")
    n_drift_features: int = Field(default=2, ge=0, description="weights that change")
    mag_change: float = Field(
        default=0.0, ge=0, le=1, description="change of a weight per sample; 0: no drift"
    )
    sigma: float = Field(
        default=0.1, ge=0, le=0.5, description="probability per sample that a change turns back"
    )
    noise: float = Field(default=0.05, ge=0, le=1, description="share of labels that are flipped")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.n_drift_features > self.n_features:
            raise ValueError(
                f"n_drift_features={self.n_drift_features} of {self.n_features} features; "
                f"choose 0 to {self.n_features}"
            )
        return self

    @property
    def features(self) -> tuple[Feature, ...]:
        return numbers("x", self.n_features)

    @property
    def _drifts(self) -> bool:
        return self.mag_change > 0 and self.n_drift_features > 0

    @property
    def _wanders(self) -> bool:
        return self._drifts and self.sigma > 0

    def prepare(self, key: Tensor, variant: int | Tensor) -> State:
        key = drawn(self, key, variant)
        counter = draws.counters(self.n_features, device=key.device)
        # multiples of 2**-24, as inputs are: float64 holds their products and sums without rounding
        weights = draws.uniform(key, counter).to(torch.float64)
        if not self._wanders:
            return {"weights": weights}
        return {"weights": weights, **draw_walks(draws.fold(key, "walk"), self.n_drift_features)}

    def generate(
        self, state: State, key: Tensor, index: Tensor, time: Tensor, which: Tensor | None = None
    ) -> Samples:
        keys, counter = lanes(key, index, self.n_features + 1)
        drawn = draws.uniform(keys, counter)
        inputs = joined(drawn[:-1])
        labels = self.label(state, inputs, time, which)
        return Samples(inputs, flipped(labels, self.noise, drawn[-1]))

    def label(
        self, state: State, inputs: Tensor, time: Tensor, which: Tensor | None = None
    ) -> Tensor:
        columns = inputs.movedim(-1, 0).to(torch.float64)
        half = 0.5 * state["weights"].sum(-1)
        beyond: Tensor = torch.tensordot(state["weights"], columns, 1)
        if which is None:
            beyond = beyond - half
        else:  # the planes of all concepts at once: what lies between two is linear in both
            every = beyond - column(half, which)
            beyond = between(which, lambda k: every.gather(0, k[None])[0])
        if self._drifts:
            change = self._change(state, time.expand(beyond.shape), which)
            beyond = beyond + (change * (columns[: self.n_drift_features] - 0.5)).sum(0)
        return (beyond >= 0).to(torch.int64)

    def weights(self, state: State, time: Tensor) -> Tensor:
        """The weights at times [N]: [F, N] float64, or [F, 1, ...] if they never change."""
        start = column(state["weights"], time)
        if not self._drifts:
            return start
        moved = start[: self.n_drift_features] + self._change(state, time, None)
        still = start[self.n_drift_features :].expand(-1, *time.shape)
        return torch.cat([moved, still])

    def _change(self, state: State, time: Tensor, which: Tensor | None) -> Tensor:
        """How far the weights that drift have come, float64: [n_drift_features, N]."""
        if self._wanders:
            leg = (1 - self.sigma) / self.sigma
            change = leg * walk(state, time / leg, which)
        else:
            change = time.to(torch.float64).expand(self.n_drift_features, *time.shape)
        return change * self.mag_change
