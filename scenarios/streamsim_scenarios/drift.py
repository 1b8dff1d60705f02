"""Drifting streams: concepts that take over from one another, generated sample by sample.

Samples come in the order of time, and boundaries are hidden unless asked for. An experience is
what lies between two takeovers; its test samples are drawn from its concept alone, so that
forgetting a concept, and remembering it when it comes back, can be seen.

An id below the length of the stream is a time; test samples follow, experience by experience.
Shape letters: N samples, K concepts in the order in which they appear, F features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from pathlib import Path
from typing import ClassVar, Self, cast

import torch
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim.stream import Experience, Replica, Stream, StreamSpec, Tables
from streamsim_scenarios.concepts.agrawal import Agrawal
from streamsim_scenarios.concepts.concept import Concept, State
from streamsim_scenarios.concepts.hyperplane import Hyperplane
from streamsim_scenarios.concepts.led import Led
from streamsim_scenarios.concepts.mixed import Mixed
from streamsim_scenarios.concepts.random_tree import RandomTree
from streamsim_scenarios.concepts.rbf import RandomRbf
from streamsim_scenarios.concepts.sea import Sea
from streamsim_scenarios.concepts.sine import Sine
from streamsim_scenarios.concepts.stagger import Stagger
from streamsim_scenarios.concepts.waveform import Waveform
from streamsim_scenarios.pools import Boundaries, reveals
from streamsim_scenarios.takeovers import Kinds, Takeovers, check, check_length, evenly


@plain_dataclass(frozen=True)
class DriftView:
    """Generates samples of any number: a `streamsim.stream.GeneratingView`."""

    concept: Concept
    takeovers: Takeovers
    length: int  # samples of the stream
    num_tests: int  # of each experience
    scaled: bool

    def samples(self, pool: Tables, tables: Tables, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs `[N, F]` float32 and labels `[N]`."""
        time, place = self._where(tables, ids)
        states = [_state(tables, k) for k in range(len(self.takeovers.positions) + 1)]
        if len(states) == 1:
            x, y = self.concept.generate(states[0], tables["key"], ids, time)
        else:
            state = {name: torch.stack([each[name] for each in states]) for name in states[0]}
            x, y = self.concept.generate(state, tables["key"], ids, time, place)
        return (self._unit(x) if self.scaled else x), y

    def inputs(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return self.samples(pool, tables, ids)[0]

    def labels(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return self.samples(pool, tables, ids.flatten())[1].view(ids.shape)

    def tasks(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        raise AssertionError("a drifting stream has no task labels")

    def truth(self, pool: Tables, tables: Tables, ids: Tensor) -> Mapping[str, Tensor]:
        return {"concept": self._where(tables, ids)[1].to(torch.float64)}

    def _where(self, tables: Tables, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Time and place among the concepts, int64 unless it may be a fraction.

        Test samples stand at the end of their experience.
        """
        ends = [*self.takeovers.positions, self.length]
        tests = range(self.length, self.length + len(ends) * self.num_tests, self.num_tests)
        edges = torch.tensor([*ends[:-1], *tests], device=ids.device)
        part = torch.searchsorted(edges, ids.contiguous(), right=True)  # experiences, then tests
        last = torch.tensor([[self.length] * len(ends), ends], device=ids.device).flatten() - 1
        time = torch.minimum(ids, last.index_select(0, part))
        if self.takeovers.abrupt:
            return time, part % len(ends)
        place = self.takeovers.place(tables["key"], time)
        if not self.takeovers.moves:
            place = place.to(torch.int64)
        return time, torch.where(part >= len(ends), (part - len(ends)).to(place.dtype), place)

    def _unit(self, x: Tensor) -> Tensor:
        """Every feature from its nominal range to [-1, 1]."""
        lows = [feature.low for feature in self.concept.features]
        halves = [(feature.high - feature.low) / 2 for feature in self.concept.features]
        if any(lows):
            x = x - torch.tensor(lows, device=x.device)
        # a tensor, as some devices multiply by the inverse of a number
        return (x / torch.tensor(halves, device=x.device)).sub_(1)


def _state(tables: Tables, k: int) -> State:
    """Fixed tensors of the k-th concept."""
    prefix = f"state/{k}/"
    return {name[len(prefix) :]: t for name, t in tables.items() if name.startswith(prefix)}


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A schedule over the concepts of the family that a scenario is combined with."""

    prequential: ClassVar[bool] = True  # judge learners while they learn

    n_samples: int = Field(default=20_000, ge=2, description="length of the stream")
    concepts: tuple[int, ...] = Field(
        default=(0, 1),
        min_length=1,
        description="numbers of the concepts in the order in which they appear; one may come back",
    )
    positions: tuple[int, ...] | None = Field(
        default=None,
        description="samples at which the next concept takes over; none: evenly spaced",
    )
    widths: tuple[int, ...] = Field(
        default=(0,),
        min_length=1,
        description="samples that a takeover lasts, one for all or one for each; 0: abrupt",
    )
    drift: Kinds = Field(
        default=("gradual",),
        description="gradual: both concepts occur for a while; incremental: one turns into the "
        "other step by step; one for all takeovers or one for each",
    )
    boundaries: Boundaries = Field(
        default="hidden", description="whether learners know when a concept takes over"
    )
    test_samples: int = Field(
        default=500, ge=1, description="held-out samples of each experience's concept"
    )
    scaled: bool = Field(default=True, description="features from their nominal range to [-1, 1]")

    @model_validator(mode="after")
    def _check_schedule(self) -> Self:
        check(self._positions, self.widths, self.drift, len(self.concepts), "concepts")
        check_length(self._positions, self.n_samples, f"n_samples={self.n_samples}")
        return self

    @property
    def _positions(self) -> tuple[int, ...]:
        if self.positions is not None:
            return self.positions
        return evenly(self.n_samples, len(self.concepts))

    def stream(self, root: Path) -> Stream:
        concept = cast("Concept", self)
        positions = self._positions
        takeovers = Takeovers(positions, self.widths, self.drift)
        probe = concept.prepare(torch.tensor(0), self.concepts[0])
        if "incremental" in self.drift and any(not t.is_floating_point() for t in probe.values()):
            raise ValueError(
                f"drift=incremental: the concepts of {concept.name} are rules, between which there "
                "is nothing; choose drift=gradual"
            )
        spec = StreamSpec(
            input_shape=(len(concept.features),),
            num_classes=concept.num_classes,
            num_experiences=len(self.concepts),
            setting="domain",
            reveals=reveals(self.boundaries, tasks=False),
            ordered=True,
        )
        edges = [0, *positions, self.n_samples]
        experiences = [
            Experience(
                torch.arange(edges[e], edges[e + 1]),
                self.n_samples + torch.arange(e * self.test_samples, (e + 1) * self.test_samples),
            )
            for e in range(len(self.concepts))
        ]

        def draw(key: Tensor) -> Replica:
            key = draws.fold(key, "drift")
            tables = {
                f"state/{k}/{name}": tensor
                for k, number in enumerate(self.concepts)
                for name, tensor in concept.prepare(key, number).items()
            }
            return Replica(experiences, {"key": key, **tables}, drifts=takeovers.begins())

        view = DriftView(concept, takeovers, self.n_samples, self.test_samples, self.scaled)
        return Stream(spec, {}, view, draw)


@dataclass(frozen=True, kw_only=True)
class SeaAbrupt(Drift, Sea):
    """Four thresholds, one after the other.

    >>> SeaAbrupt().stream(Path()).spec.num_experiences
    4
    """

    concepts: tuple[int, ...] = Field(
        default=(0, 1, 2, 3), min_length=1, description="numbers of the thresholds 8, 9, 7, 9.5"
    )


@dataclass(frozen=True, kw_only=True)
class SeaGradual(Drift, Sea):
    """Four thresholds; each takes over during a thousand samples."""

    concepts: tuple[int, ...] = Field(
        default=(0, 1, 2, 3), min_length=1, description="numbers of the thresholds 8, 9, 7, 9.5"
    )
    widths: tuple[int, ...] = Field(
        default=(1000,), min_length=1, description="samples that a takeover lasts"
    )


@dataclass(frozen=True, kw_only=True)
class AgrawalRecurring(Drift, Agrawal):
    """Who gets a loan, by two rules that take turns."""

    concepts: tuple[int, ...] = Field(
        default=(0, 3, 0, 3), min_length=1, description="numbers of the ten rules, 0 to 9"
    )


@dataclass(frozen=True, kw_only=True)
class HyperplaneIncremental(Drift, Hyperplane):
    """A plane that turns all the time, towards five positions one after the other."""

    concepts: tuple[int, ...] = Field(
        default=(0, 1, 2, 3, 4), min_length=1, description="planes, drawn from the seed"
    )
    widths: tuple[int, ...] = Field(
        default=(4000,), min_length=1, description="samples that a takeover lasts"
    )
    drift: Kinds = Field(
        default=("incremental",),
        description="gradual or incremental, one for all takeovers or one for each",
    )


@dataclass(frozen=True, kw_only=True)
class RbfIncremental(Drift, RandomRbf):
    """Clouds of points that drift through space; four stretches of time are told apart."""

    concepts: tuple[int, ...] = Field(
        default=(0, 0, 0, 0), min_length=1, description="sets of clouds, drawn from the seed"
    )
    change_speed: float = Field(default=0.0005, ge=0, description="way of a cloud per sample")


@dataclass(frozen=True, kw_only=True)
class RbfAbrupt(Drift, RandomRbf):
    """Clouds of points, replaced by others."""


@dataclass(frozen=True, kw_only=True)
class LedAbrupt(Drift, Led):
    """A display of seven segments whose wires are swapped; 24 features, ten digits."""

    concepts: tuple[int, ...] = Field(
        default=(0, 3, 5, 7), min_length=1, description="how many wires are swapped, 0 to 7"
    )


@dataclass(frozen=True, kw_only=True)
class StaggerAbrupt(Drift, Stagger):
    """Three rules about size, colour and shape, one after the other."""

    concepts: tuple[int, ...] = Field(
        default=(0, 1, 2), min_length=1, description="numbers of the rules"
    )


@dataclass(frozen=True, kw_only=True)
class SineReversal(Drift, Sine):
    """Above or below a sine: the labels are reversed, and reversed again."""

    concepts: tuple[int, ...] = Field(
        default=(0, 1, 0, 1), min_length=1, description="numbers of the rules"
    )


@dataclass(frozen=True, kw_only=True)
class MixedAbrupt(Drift, Mixed):
    """Two of three conditions, and then the reverse."""


@dataclass(frozen=True, kw_only=True)
class WaveformAbrupt(Drift, Waveform):
    """Mixtures of three waves; then relevant and irrelevant points change places."""


@dataclass(frozen=True, kw_only=True)
class TreeAbrupt(Drift, RandomTree):
    """A random decision tree, replaced by another."""
