"""What detectors read of the steps of a stretch: numbers on the host, for every replica.

Shape letters: S steps of a stretch, R replicas, B batch, C classes.
"""

from __future__ import annotations

from itertools import compress
from typing import NamedTuple

from torch import Tensor

from streamsim.judging import Planned, predictions
from streamsim.strategy import mask


class Signal(NamedTuple):
    """One step: the samples that count, in order of arrival, for each replica."""

    errors: list[list[float]]  # 1 where the learner was wrong
    losses: list[list[float]] | None  # log loss, if it is asked for


class Signals:
    """Reads the scores that steps leave behind; a step is small, so what can be is done once."""

    def __init__(self, planned: Planned, known: Tensor, with_losses: bool, alone: bool) -> None:
        self._label, self._known = planned.inputs.y, known  # [S, R, B] and [S, R, C]
        self._with_losses, self._alone = with_losses, alone
        allowed = known | ~known.any(-1, keepdim=True)
        # mostly all classes have been seen
        self._allowed = None if bool(allowed.all()) else allowed.unsqueeze(-2)
        self._fresh = None if bool(planned.fresh.all()) else planned.fresh

    def read(self, step: int, scores: Tensor) -> Signal:
        """How the samples of a step were predicted, from scores `[R, B, C]` before the step."""
        label, losses = self._label[step], None
        if self._with_losses:
            predicted, log_loss = predictions(self._known[step], scores, label)
            losses = self._rows(step, log_loss)
        else:
            allowed = None if self._allowed is None else self._allowed[step]
            # argmax alone takes several times as long over few classes
            predicted = (scores if allowed is None else mask(scores, allowed)).max(-1).indices
        return Signal(self._rows(step, (predicted != label).float()), losses)

    def _rows(self, step: int, values: Tensor) -> list[list[float]]:
        rows: list[list[float]] = (values[None] if self._alone else values).tolist()
        if self._fresh is None:
            return rows
        fresh = self._fresh[step]
        chosen = (fresh[None] if self._alone else fresh).tolist()
        return [list(compress(row, own)) for row, own in zip(rows, chosen, strict=True)]
