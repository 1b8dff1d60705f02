"""The baselines that every comparison needs: nothing, everything so far, everything at once."""

from __future__ import annotations

from typing import ClassVar

from pydantic.dataclasses import dataclass

from streamsim.strategy import Part, Scope


@dataclass(frozen=True, kw_only=True)
class Naive(Part):
    """Train on each experience as it comes and do nothing about forgetting (fine-tuning)."""

    name: ClassVar[str] = "naive"
    reference: ClassVar[str] = "the lower bound of every comparison"


@dataclass(frozen=True, kw_only=True)
class Cumulative(Part):
    """Train at each experience on the data of all experiences so far, without resetting weights."""

    name: ClassVar[str] = "cumulative"
    reference: ClassVar[str] = "an upper bound, at a cost that grows with the stream"
    scope: ClassVar[Scope] = "cumulative"


@dataclass(frozen=True, kw_only=True)
class Joint(Part):
    """Train once on the data of all experiences together, as if there were no stream."""

    name: ClassVar[str] = "joint"
    reference: ClassVar[str] = "the upper bound of every comparison"
    scope: ClassVar[Scope] = "joint"
