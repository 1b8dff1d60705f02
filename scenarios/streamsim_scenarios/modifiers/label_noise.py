"""Label noise: some training samples come with a wrong label.

Shape letters: N samples, C classes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim.modifiers import labels_of, mark, marked_view
from streamsim.stream import Replica, Stream


@dataclass(frozen=True, kw_only=True)
class LabelNoise:
    """A share of the training labels is wrong; test samples keep their true ones.

    Which samples, and which wrong class, a seed draws by sample. Where classes arrive group by
    group, a wrong label is one of the same experience, so that no class comes early.
    """

    reference: ClassVar[str] = (
        "Angluin & Laird 1988, Learning from noisy examples: symmetric noise; "
        "Frenay & Verleysen 2014, Classification in the presence of label noise: a survey"
    )

    share: float = Field(default=0.1, ge=0, le=1, description="share of wrong training labels")

    def modify(self, stream: Stream) -> Stream:
        num_classes = stream.spec.num_classes

        def draw(key: Tensor) -> Replica:
            replica, own = stream.draw(key), draws.fold(key, "label-noise")
            shifts = [self._shifts(stream, replica, own, e.train) for e in replica.experiences]
            return mark(replica, num_classes, shifts)

        def wrong(y: Tensor, mark: Tensor) -> Tensor:
            return torch.where(mark == 0, y, (y + mark) % num_classes)

        view = marked_view(stream.view, num_classes, change_labels=wrong, tell=_tell)
        return replace(stream, view=view, draw=draw)

    def _shifts(self, stream: Stream, replica: Replica, key: Tensor, ids_N: Tensor) -> Tensor:
        """How far each label is moved, 0 .. C-1; 0: it is right."""
        num_classes = stream.spec.num_classes
        hit_N = draws.uniform(draws.fold(key, "which"), ids_N) < self.share
        to_key = draws.fold(key, "to")
        if stream.spec.setting == "domain":
            return torch.where(hit_N, 1 + draws.integers(to_key, ids_N, num_classes - 1), 0)
        y_N = labels_of(stream, replica, ids_N)
        here, place_N = torch.unique(y_N, return_inverse=True)
        if len(here) < 2:  # no other class to take it for
            return torch.zeros_like(ids_N)
        other_N = (place_N + 1 + draws.integers(to_key, ids_N, len(here) - 1)) % len(here)
        return torch.where(hit_N, (here[other_N] - y_N) % num_classes, 0)


def _tell(mark: Tensor) -> dict[str, Tensor]:
    return {"wrong labels": (mark > 0).to(torch.float64)}
