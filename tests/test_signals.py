"""What detectors read of how a step predicted."""

from __future__ import annotations

from typing import Any

import torch

from streamsim.flow import Inputs, Prediction
from streamsim.judging import Planned, Waiting
from streamsim.signals import Signals


def planned(label: Any, fresh: Any) -> Planned:
    """One step of two replicas."""
    y, fresh = torch.tensor([label]), torch.tensor([fresh])
    inputs = Inputs(y, y, fresh.float(), None, fresh, y, {})
    return Planned(inputs, fresh.any(-1), fresh)


PREDICTION = Prediction(
    predicted=torch.tensor([[2, 0], [1, 2]]), log_loss=torch.tensor([[4.0, 0.1], [0.2, 0.5]])
)
ALL = torch.ones(2, 2, dtype=torch.bool).tolist()


def test_an_error_is_a_wrong_class() -> None:
    signals = Signals(planned([[1, 0], [1, 0]], ALL), Waiting.none(2), False, False)
    assert signals.read(0, PREDICTION).errors == [[1, 0], [0, 1]]


def test_losses_are_read_only_where_they_are_asked_for() -> None:
    stretch = planned([[1, 0], [1, 2]], ALL)
    without, with_losses = (
        Signals(stretch, Waiting.none(2), asked, False).read(0, PREDICTION)
        for asked in (False, True)
    )
    assert without.losses is None
    assert without.errors == with_losses.errors
    assert with_losses.losses == PREDICTION.log_loss.tolist()


def test_samples_that_do_not_count_are_not_read() -> None:
    stretch = planned([[1, 0], [0, 2]], [[False, True], [True, False]])
    signal = Signals(stretch, Waiting.none(2), True, False).read(0, PREDICTION)
    assert signal.errors == [[0.0], [1.0]]
    assert signal.losses == [
        PREDICTION.log_loss[0, 1:].tolist(),
        PREDICTION.log_loss[1, :1].tolist(),
    ]
