"""Missing labels: most samples of a stream are never labelled."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim.modifiers import thin
from streamsim.stream import Replica, Stream


@dataclass(frozen=True, kw_only=True)
class MissingLabels:
    """A share of the training samples has no label: they teach nothing, and are left out.

    Which ones a seed draws by sample; every experience keeps at least one. Nor are they judged, so
    that prequential figures count labelled samples.
    """

    reference: ClassVar[str] = "Zhu, Zhang, Lin & Shi 2007, Active learning from data streams"

    share: float = Field(
        default=0.5, ge=0, lt=1, description="share of training samples without a label"
    )

    def modify(self, stream: Stream) -> Stream:
        def draw(key: Tensor) -> Replica:
            replica, own = stream.draw(key), draws.fold(key, "missing-labels")
            return thin(replica, [self._labelled(own, e.train) for e in replica.experiences])

        return replace(stream, draw=draw)

    def _labelled(self, key: Tensor, ids_N: Tensor) -> Tensor:
        """Which samples `[N]` have a label."""
        number_N = draws.uniform(key, ids_N)
        keeps_N = number_N >= self.share
        keeps_N[number_N.argmax()] = True
        return keeps_N
