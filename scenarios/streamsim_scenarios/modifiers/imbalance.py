"""Class imbalance: some classes are rare, and which ones may change over time (prior shift).

Shape letters: N training samples, C classes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim.modifiers import in_time, labels_of, thin
from streamsim.stream import Replica, Stream


@dataclass(frozen=True, kw_only=True)
class Imbalance:
    """Training samples of some classes are left out, the more the rarer the class.

    Of the class of rank r (0: frequent, 1: rare) a share ratio^-r stays. Each seed ranks the
    classes; every class that an experience has keeps at least one sample there. Test samples all
    stay. With a shift, the order of training samples is drawn once and kept.
    """

    reference: ClassVar[str] = (
        "Cao et al. 2019, Learning imbalanced datasets with label-distribution-"
        "aware margin loss: long-tailed classes"
    )

    ratio: float = Field(
        default=10.0, ge=1, description="samples of the most frequent class to one of the rarest"
    )
    shift: Literal["none", "reverse", "rotate"] = Field(
        default="none",
        description="over the stream. none: ranks stay; reverse: rare classes become the frequent "
        "ones; rotate: every class is frequent once",
    )
    ranks: Literal["shuffled", "fixed"] = Field(
        default="shuffled", description="shuffled: each seed draws them; fixed: class 0 is frequent"
    )

    def modify(self, stream: Stream) -> Stream:
        num_classes = stream.spec.num_classes

        def draw(key: Tensor) -> Replica:
            own = draws.fold(key, "imbalance")
            replica = stream.draw(key)
            if self.shift != "none":
                replica = in_time(stream, own, replica)
            order = draws.permutation(draws.fold(own, "ranks"), num_classes)
            if self.ranks == "fixed":
                order = torch.arange(num_classes)
            rank_C = order.to(torch.float64) / (num_classes - 1)
            return self._thinned(stream, replica, own, rank_C)

        spec = replace(stream.spec, ordered=stream.spec.ordered or self.shift != "none")
        return replace(stream, spec=spec, draw=draw)

    def _thinned(self, stream: Stream, replica: Replica, key: Tensor, rank_C: Tensor) -> Replica:
        total = sum(len(e.train) for e in replica.experiences)
        start, keeps = 0, []
        for e in replica.experiences:
            y_N = labels_of(stream, replica, e.train)
            time_N = (start + torch.arange(len(e.train), dtype=torch.float64)) / max(total - 1, 1)
            number_N = draws.uniform(draws.fold(key, "which"), e.train)
            keeps_N = number_N < self._keep(rank_C[y_N], time_N, len(rank_C))
            for label in torch.unique(y_N):
                of_class = (y_N == label).nonzero().flatten()
                keeps_N[of_class[number_N[of_class].argmin()]] = True
            keeps.append(keeps_N)
            start += len(e.train)
        return thin(replica, keeps)

    def _keep(self, rank_N: Tensor, time_N: Tensor, num_classes: int) -> Tensor:
        """The share that stays of samples with a rank in 0 .. 1, at a time in 0 .. 1."""
        if self.shift == "reverse":
            rank_N = rank_N + time_N * (1 - 2 * rank_N)
        elif self.shift == "rotate":  # ranks in a circle, so that neighbours in time are alike
            place_N = rank_N * (num_classes - 1) / num_classes
            away_N = (place_N - time_N).abs()
            rank_N = 2 * torch.minimum(away_N, 1 - away_N)
        return self.ratio**-rank_N
