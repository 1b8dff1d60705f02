"""STAGGER: Boolean rules over the size, colour and shape of objects."""

from __future__ import annotations

from typing import ClassVar

from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim_scenarios.concepts.concept import (
    Feature,
    Samples,
    State,
    at,
    choose,
    joined,
    lanes,
    numbered,
)


@dataclass(frozen=True, kw_only=True)
class Stagger:
    """Small and red; green or a circle; medium or large: variants 0 to 2.

    Sizes are small, medium, large; colours red, blue, green; shapes circle, square, triangle.
    Without river's `balance_classes`, which rejects samples until the wanted class comes, which
    has no bound; class shares are a matter of the schedule.
    """

    name: ClassVar[str] = "stagger"
    reference: ClassVar[str] = "Schlimmer & Granger 1986, Incremental learning from noisy data"
    num_classes: ClassVar[int] = 2
    variants: ClassVar[int] = 3
    features: ClassVar[tuple[Feature, ...]] = tuple(
        Feature(name, 0.0, 2.0, 3) for name in ("size", "color", "shape")
    )

    def prepare(self, key: Tensor, variant: int | Tensor) -> State:
        return {"rule": numbered(self, key, variant)}

    def generate(
        self, state: State, key: Tensor, index: Tensor, time: Tensor, which: Tensor | None = None
    ) -> Samples:
        inputs = joined(draws.integers(*lanes(key, index, 3), 3))
        return Samples(inputs, self.label(state, inputs, time, which))

    def label(
        self, state: State, inputs: Tensor, time: Tensor, which: Tensor | None = None
    ) -> Tensor:
        size, color, shape = inputs.unbind(-1)
        rules = [(size == 0) & (color == 0), (color == 2) | (shape == 0), size >= 1]
        return choose(rules, at(state["rule"], which))
