"""Random radial basis functions: clouds around labelled centroids, which may move."""

from __future__ import annotations

from typing import ClassVar, Self

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim_scenarios.concepts.concept import (
    Feature,
    Samples,
    State,
    by_column,
    drawn,
    entries,
    joined,
    lanes,
    numbers,
)

_DISTANCE = draws.purpose("distance")  # hashed here: a compiled program cannot


@dataclass(frozen=True, kw_only=True)
class RandomRbf:
    """A centroid by weight, then a random direction and a normal distance from its centre.

    With a `change_speed` the first `n_drift_centroids` centres move that far a sample, straight on,
    and turn back at 0 and 1 in each coordinate. As in river, but that the way is a formula of time:
    a centre that reaches a border between two samples is reflected there, where river puts it on
    the border and loses the rest of the step.
    """

    name: ClassVar[str] = "rbf"
    reference: ClassVar[str] = (
        "Bifet, Holmes, Pfahringer, Kirkby & Gavalda 2009, New ensemble methods for evolving "
        "data streams"
    )
    variants: ClassVar[int | None] = None

    n_classes: int = Field(default=2, ge=2, description="labels of the centroids")
    n_features: int = Field(default=10, ge=1, description="dimensions")
    n_centroids: int = Field(default=50, ge=1, description="clouds")
    change_speed: float = Field(
        default=0.0, ge=0, description="way of a centroid per sample; 0: no drift"
    )
    n_drift_centroids: int | None = Field(
        default=None, ge=0, description="centroids that move; none: all"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.n_drift_centroids or 0) > self.n_centroids:
            raise ValueError(
                f"n_drift_centroids={self.n_drift_centroids} of {self.n_centroids} centroids; "
                f"choose 0 to {self.n_centroids}"
            )
        return self

    @property
    def num_classes(self) -> int:
        return self.n_classes

    @property
    def features(self) -> tuple[Feature, ...]:
        return numbers("x", self.n_features)

    def prepare(self, key: Tensor, variant: int | Tensor) -> State:
        key = drawn(self, key, variant)
        one = draws.counters(self.n_centroids, device=key.device)
        each = draws.counters(self.n_centroids, self.n_features, device=key.device)
        way = draws.uniform(draws.fold(key, "way"), each).to(torch.float64) + 2.0**-25
        moving = one < (
            self.n_centroids if self.n_drift_centroids is None else self.n_drift_centroids
        )
        weight = draws.uniform(draws.fold(key, "weight"), one).to(torch.float64) + 2.0**-25
        return {
            "centre": draws.uniform(draws.fold(key, "centre"), each).to(torch.float64),
            "way": moving[:, None] * F.normalize(way, dim=-1),  # of length 1
            "deviation": draws.uniform(draws.fold(key, "deviation"), one).to(torch.float64),
            "label": draws.integers(draws.fold(key, "label"), one, self.n_classes),
            "share": _on_grid((weight / weight.sum()).cumsum(0)),
        }

    def generate(
        self, state: State, key: Tensor, index: Tensor, time: Tensor, which: Tensor | None = None
    ) -> Samples:
        keys, counter = lanes(key, index, self.n_features + 1)
        drawn = draws.uniform(keys, counter)
        place = drawn[-1].to(torch.float64)
        if which is not None:  # the centroids of one concept after those of another
            shift = torch.arange(len(state["share"]), device=place.device)[:, None]
            state = {**state, "share": state["share"] + shift}
            state, place = {name: t.flatten(0, 1) for name, t in state.items()}, place + which
        chosen = torch.searchsorted(state["share"], place, right=True)
        # odd multiples of 2**-24: a direction is never 0
        direction = (2 * drawn[:-1]).sub_(1 - 2.0**-24).to(torch.float64)
        distance = draws.normal(draws.fold(key, _DISTANCE), index) * entries(
            state["deviation"], chosen
        )
        # the sum of squares is exact
        columns = (direction / direction.square().sum(0).sqrt()).mul_(distance)
        columns = columns.add_(self.centres(state, chosen, time))
        return Samples(joined(columns), entries(state["label"], chosen))

    def centres(self, state: State, chosen: Tensor, time: Tensor) -> Tensor:
        """Where the chosen [N] centroids are at their times: [F, N] float64."""
        start = by_column(state["centre"], chosen)
        if self.change_speed == 0:
            return start
        way = by_column(self.change_speed * state["way"], chosen)
        # to and fro between 0 and 1 is a walk round a circle of length 2, seen from the side
        place = way * time + start
        rounds = (0.5 * place).floor_()
        return 1 - (1 - torch.add(place, rounds, alpha=-2)).abs_()


def _on_grid(share: Tensor) -> Tensor:
    """Sums of shares, rounded up to the steps of the draws that are compared to them.

    No draw falls elsewhere, and whole numbers are added without rounding. The last one is 1.
    """
    return (share * 2.0**24).ceil().mul(2.0**-24).clamp(max=1)
