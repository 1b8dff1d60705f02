"""What detectors read of the steps of a stretch: numbers on the host, for every replica.

Shape letters: S steps of a stretch, R replicas, B batch.
"""

from __future__ import annotations

from itertools import compress
from typing import NamedTuple

from torch import Tensor

from streamsim.flow import Prediction
from streamsim.judging import Planned, Waiting, labels_asked
from streamsim.learner import Judged


class Signal(NamedTuple):
    """One step: the samples that count, in order of arrival, for each replica."""

    errors: list[list[float]]  # 1 where the learner was wrong
    losses: list[list[float]] | None  # log loss, if it is asked for


class Signals:
    """Reads what steps tell; a step is small, so what can be is done once."""

    def __init__(self, planned: Planned, waiting: Waiting, with_losses: bool, alone: bool) -> None:
        self._label, self._fresh = labels_asked(planned.inputs), planned.fresh  # [S, R, B]
        self._with_losses, self._alone = with_losses, alone
        # predictions whose labels come later; None where they come at once
        self._waiting = None if planned.inputs.asked is None else waiting
        self._whole = bool(planned.fresh.all())  # mostly every sample counts

    def read(self, step: int, prediction: Prediction) -> Signal:
        """How samples were predicted whose labels came with a step."""
        label, fresh, (predicted, log_loss) = self._label[step], self._fresh[step], prediction
        if self._waiting is not None:
            asked = (self._rows(each).cpu() for each in (label, predicted, log_loss, fresh))
            self._waiting, judged = self._waiting.exchange(Judged(*asked))
            label, predicted, log_loss, fresh = judged
        errors = self._counting((predicted != label).float(), fresh)
        losses = self._counting(log_loss, fresh) if self._with_losses else None
        return Signal(errors, losses)

    def _counting(self, values: Tensor, fresh: Tensor) -> list[list[float]]:
        rows: list[list[float]] = self._rows(values).tolist()
        if self._whole:
            return rows
        chosen = self._rows(fresh).tolist()
        return [list(compress(row, own)) for row, own in zip(rows, chosen, strict=True)]

    def _rows(self, values: Tensor) -> Tensor:
        return values[None] if self._alone and values.ndim == 1 else values
