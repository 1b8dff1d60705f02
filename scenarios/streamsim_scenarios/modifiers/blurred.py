"""Blurred boundaries: around a boundary, samples of both experiences come mixed."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim.modifiers import in_time
from streamsim.stream import Replica, Reveal, Stream


@dataclass(frozen=True, kw_only=True)
class Blurred:
    """Neighbouring experiences run into each other, and nobody is told where one begins.

    Every sample comes earlier or later by up to half the width, drawn evenly: so the share of the
    new experience grows in a straight line from half a width before the boundary to half a width
    after it, up to chance. Experiences keep their sizes, and their own test samples; the order of
    training samples is drawn once and kept.
    """

    reference: ClassVar[str] = (
        "Lee, Ha, Zhang & Kim 2020, A neural Dirichlet process mixture model for task-free "
        "continual learning: fuzzy boundaries"
    )

    width: int = Field(default=100, ge=0, description="training samples that a transition lasts")

    def modify(self, stream: Stream) -> Stream:
        def draw(key: Tensor) -> Replica:
            own = draws.fold(key, "blurred")
            replica = in_time(stream, own, stream.draw(key))
            sizes = [len(e.train) for e in replica.experiences]
            place = torch.arange(sum(sizes), dtype=torch.float64)
            moved = place + self.width * (draws.uniform(own, draws.counters(len(place))) - 0.5)
            mixed = torch.cat([e.train for e in replica.experiences])[moved.argsort(stable=True)]
            experiences = [
                replace(e, train=train)
                for e, train in zip(replica.experiences, torch.split(mixed, sizes), strict=True)
            ]
            return replace(replica, experiences=experiences)

        spec = replace(stream.spec, ordered=True, reveals=stream.spec.reveals - {Reveal.BOUNDARIES})
        return replace(stream, spec=spec, draw=draw)
