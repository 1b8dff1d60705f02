"""Label delay: a sample comes now, and its label comes later."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim.modifiers import in_time
from streamsim.stream import Experience, Replica, Stream


@dataclass(frozen=True, kw_only=True)
class LabelDelay:
    """Labels come late: learning lags behind, and so does the verdict on every prediction.

    A sample is predicted when it comes. Its label comes after `delay` more samples: then the
    prediction is judged, and the sample learned from. What experiences learn from moves with it:
    the last labels of one come in the next, and the last ones of the stream never. Test samples
    stay where they are. The order of training samples is drawn once and kept.
    """

    last: ClassVar[bool] = True  # other modifiers act on samples, whenever their labels come
    reference: ClassVar[str] = (
        "Gomes, Grzenda, Mello, Read, Le Nguyen & Bifet 2022, A survey on semi-supervised learning "
        "for delayed partially labelled data streams; Csaba, Zhang, Müller, Lim, Torr & Bibi 2024, "
        "Label delay in online continual learning"
    )

    delay: int = Field(
        default=50, ge=0, description="training samples that come between a sample and its label"
    )

    def modify(self, stream: Stream) -> Stream:
        def draw(key: Tensor) -> Replica:
            own = draws.fold(key, "label-delay")
            replica = in_time(stream, own, stream.draw(key))
            return replace(
                replica,
                experiences=self._delayed(replica.experiences),
                drifts=replica.true_drifts(),
            )

        draw(torch.tensor(0))  # too long a delay is refused now rather than in training
        spec = replace(stream.spec, ordered=True, label_delay=self.delay)
        return replace(stream, spec=spec, draw=draw)

    def _delayed(self, experiences: Sequence[Experience]) -> list[Experience]:
        first = len(experiences[0].train)
        if self.delay >= first:
            raise ValueError(
                f"label-delay: delay={self.delay}: the first experience has {first} training "
                f"samples, and no label would come in it; choose 0 to {first - 1}"
            )
        order = torch.cat([e.train for e in experiences])
        ends = itertools.accumulate((len(e.train) for e in experiences), initial=0)
        labelled = [
            order[max(0, start - self.delay) : stop - self.delay]
            for start, stop in itertools.pairwise(ends)
        ]
        return [
            replace(e, train=train, asked=e.train)
            for e, train in zip(experiences, labelled, strict=True)
        ]
