"""Checks of schedules, and the truth of a drifting stream."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from streamsim.stream import truth_of
from streamsim_scenarios.drift import SeaAbrupt, SeaGradual
from streamsim_scenarios.takeovers import check, check_length, each


def test_one_width_stands_for_all() -> None:
    assert each((3,), 4) == (3, 3, 3, 3)
    assert each((3, 5), 2) == (3, 5)


@pytest.mark.parametrize(
    ("positions", "widths", "complaint"),
    [
        ((5,), (0,), "positions=5: 3 concepts need 2 of them"),
        ((5, 5), (0,), "positions=5,5: choose growing numbers above 0"),
        ((0, 5), (0,), "positions=0,5: choose growing numbers above 0"),
        ((5, 9), (1, 2, 3), "widths=1,2,3: give one number of samples, or 2, 0 or more"),
        ((5, 9), (-1,), "widths=-1: give one number"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(
    positions: tuple[int, ...], widths: tuple[int, ...], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        check(positions, widths, 3, "concepts")


def test_the_last_takeover_lies_within_the_stream() -> None:
    check_length((5, 9), 10, "n_samples=10")
    with pytest.raises(ValueError, match=r"positions=5,10: choose .* between 0 and n_samples=10"):
        check_length((5, 10), 10, "n_samples=10")


def test_a_drifting_stream_knows_its_concepts() -> None:
    stream = SeaAbrupt(n_samples=100, concepts=(2, 0, 2), positions=(30, 80)).stream(Path())
    replica = stream.draw(torch.tensor(1))
    place = truth_of(stream.view, stream.pool, replica.tables, torch.arange(100))["concept"]
    assert place.tolist() == [0.0] * 30 + [1.0] * 50 + [2.0] * 20
    tests = torch.stack([e.test[:2] for e in replica.experiences]).flatten()
    place = truth_of(stream.view, stream.pool, replica.tables, tests)["concept"]
    assert place.tolist() == [0, 0, 1, 1, 2, 2]


def test_gradual_concepts_are_told_by_sample() -> None:
    stream = SeaGradual(n_samples=4000, concepts=(0, 2), widths=(2000,)).stream(Path())
    replica = stream.draw(torch.tensor(1))
    ids = torch.arange(4000)
    place = truth_of(stream.view, stream.pool, replica.tables, ids)["concept"]
    x, y = (
        look(stream.pool, replica.tables, ids) for look in (stream.view.inputs, stream.view.labels)
    )
    total = 5 * (x[:, 0].double() + x[:, 1].double() + 2)  # from [-1, 1] back to [0, 10]
    threshold = torch.where(place == 0, 8.0, 7.0)
    sure = (total - threshold).abs() > 1e-5
    assert torch.equal((total > threshold)[sure], y.bool()[sure])
    assert 0.4 < place.mean() < 0.6
