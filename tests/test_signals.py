"""What detectors read of a step's scores."""

from __future__ import annotations

from typing import Any

import torch

from streamsim.flow import Inputs
from streamsim.judging import Planned, Waiting
from streamsim.signals import Signals


def planned(label: Any, fresh: Any) -> Planned:
    """One step of two replicas."""
    y, fresh = torch.tensor([label]), torch.tensor([fresh])
    inputs = Inputs(y, y, fresh.float(), None, fresh, y, {})
    return Planned(inputs, fresh.any(-1), fresh)


SCORES = torch.tensor([[[0.0, 1.0, 5.0], [3.0, 0.0, 0.0]], [[0.0, 1.0, 0.0], [0.0, 2.0, 9.0]]])
ALL = torch.ones(2, 2, dtype=torch.bool).tolist()


def test_an_error_is_a_wrong_class_among_those_known() -> None:
    stretch = planned([[1, 0], [1, 2]], ALL)
    every = torch.ones(1, 2, 3, dtype=torch.bool)
    two = torch.tensor([[[True, True, False], [False, False, False]]])  # the second knows none
    assert Signals(stretch, every, Waiting.none(2), False, False).read(0, SCORES).errors == [
        [1, 0],
        [0, 0],
    ]
    assert Signals(stretch, two, Waiting.none(2), False, False).read(0, SCORES).errors == [
        [0, 0],
        [0, 0],
    ]


def test_losses_are_read_only_where_they_are_asked_for() -> None:
    stretch, known = planned([[1, 0], [1, 2]], ALL), torch.ones(1, 2, 3, dtype=torch.bool)
    without, with_losses = (
        Signals(stretch, known, Waiting.none(2), asked, False).read(0, SCORES)
        for asked in (False, True)
    )
    assert without.losses is None
    assert without.errors == with_losses.errors
    expected = -SCORES.log_softmax(-1).gather(-1, stretch.inputs.y[0, ..., None])[..., 0]
    torch.testing.assert_close(torch.tensor(with_losses.losses), expected)


def test_samples_that_do_not_count_are_not_read() -> None:
    stretch = planned([[1, 0], [0, 2]], [[False, True], [True, False]])
    known = torch.ones(1, 2, 3, dtype=torch.bool)
    signal = Signals(stretch, known, Waiting.none(2), True, False).read(0, SCORES)
    assert signal.errors == [[0.0], [1.0]]
    assert signal.losses is not None
    assert [len(row) for row in signal.losses] == [1, 1]
