"""What detectors read of the steps of a stretch: numbers on the host, for every replica.

Shape letters: S steps of a stretch, R replicas, B batch, C classes.
"""

from __future__ import annotations

from itertools import compress
from typing import NamedTuple

from torch import Tensor

from streamsim.judging import Planned, Waiting, labels_asked, predictions
from streamsim.learner import Judged
from streamsim.strategy import mask


class Signal(NamedTuple):
    """One step: the samples that count, in order of arrival, for each replica."""

    errors: list[list[float]]  # 1 where the learner was wrong
    losses: list[list[float]] | None  # log loss, if it is asked for


class Signals:
    """Reads the scores that steps leave behind; a step is small, so what can be is done once."""

    def __init__(
        self, planned: Planned, known: Tensor, waiting: Waiting, with_losses: bool, alone: bool
    ) -> None:
        self._label, self._known = labels_asked(planned.inputs), known  # [S, R, B] and [S, R, C]
        self._fresh, self._with_losses, self._alone = planned.fresh, with_losses, alone
        # predictions whose labels come later; None where they come at once
        self._waiting = None if planned.inputs.asked is None else waiting
        allowed = known | ~known.any(-1, keepdim=True)
        # mostly all classes have been seen, and every sample counts
        self._allowed = None if bool(allowed.all()) else allowed.unsqueeze(-2)
        self._whole = bool(planned.fresh.all())

    def read(self, step: int, scores: Tensor) -> Signal:
        """How samples were predicted whose labels came with a step that had scores `[R, B, C]`."""
        label, fresh, log_loss = self._label[step], self._fresh[step], None
        if self._waiting is not None or self._with_losses:
            predicted, log_loss = predictions(self._known[step], scores, label)
        else:
            allowed = None if self._allowed is None else self._allowed[step]
            # argmax alone takes several times as long over few classes
            predicted = (scores if allowed is None else mask(scores, allowed)).max(-1).indices
        if self._waiting is not None:
            assert log_loss is not None
            asked = (self._rows(each).cpu() for each in (label, predicted, log_loss, fresh))
            self._waiting, judged = self._waiting.exchange(Judged(*asked))
            label, predicted, log_loss, fresh = judged
        errors = self._counting((predicted != label).float(), fresh)
        losses = (
            self._counting(log_loss, fresh) if self._with_losses and log_loss is not None else None
        )
        return Signal(errors, losses)

    def _counting(self, values: Tensor, fresh: Tensor) -> list[list[float]]:
        rows: list[list[float]] = self._rows(values).tolist()
        if self._whole:
            return rows
        chosen = self._rows(fresh).tolist()
        return [list(compress(row, own)) for row, own in zip(rows, chosen, strict=True)]

    def _rows(self, values: Tensor) -> Tensor:
        return values[None] if self._alone and values.ndim == 1 else values
