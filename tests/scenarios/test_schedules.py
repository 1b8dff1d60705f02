"""Checks of schedules, and the truth of a drifting stream."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from streamsim import composition
from streamsim.stream import truth_of
from streamsim_scenarios.drift import SeaAbrupt, SeaGradual
from streamsim_scenarios.takeovers import Kind, check, check_length, each


def test_one_width_or_kind_stands_for_all() -> None:
    assert each((3,), 4) == (3, 3, 3, 3)
    assert each(("gradual",), 2) == ("gradual", "gradual")
    assert each((3, 5), 2) == (3, 5)


@pytest.mark.parametrize(
    ("positions", "widths", "num_kinds", "complaint"),
    [
        ((5,), (0,), 1, "positions=5: 3 concepts need 2 of them"),
        ((5, 5), (0,), 1, "positions=5,5: choose growing numbers above 0"),
        ((0, 5), (0,), 1, "positions=0,5: choose growing numbers above 0"),
        ((5, 9), (1, 2, 3), 1, "widths=1,2,3: give one number of samples, or 2, 0 or more"),
        ((5, 9), (-1,), 1, "widths=-1: give one number"),
        ((5, 9), (0,), 3, "drift=gradual,gradual,gradual: give one kind for all 2 takeovers, or 2"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(
    positions: tuple[int, ...], widths: tuple[int, ...], num_kinds: int, complaint: str
) -> None:
    kinds: list[Kind] = ["gradual"] * num_kinds
    with pytest.raises(ValueError, match=complaint):
        check(positions, widths, kinds, 3, "concepts")


@pytest.mark.parametrize(
    ("scenario", "drift", "complaint"),
    [
        ("sea-abrupt", "gradul,gradual,incremental", "drift=gradul: .*; did you mean 'gradual'"),
        ("sea-abrupt", "gradual,abrupt,gradual", "drift=gradual,abrupt,gradual: choose .* width"),
        ("sea-abrupt", "gradual,incremental", "one kind for all 3 takeovers, or 3 kinds"),
        ("sea-abrupt", "", "scenario.drift=: .* at least 1 item"),
        ("digits-label-swap", "gradual,incremental", "drift=incremental: input should be 'gr"),
    ],
)
def test_kinds_that_cannot_be_are_refused(scenario: str, drift: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        composition.build_scenario(scenario, {"drift": drift})
    assert "\n" not in str(caught.value)


def test_rules_do_not_drift_incrementally_not_even_once() -> None:
    mixed = composition.build_scenario("stagger-abrupt", {"drift": "gradual,incremental"})
    with pytest.raises(ValueError, match="concepts of stagger are rules"):
        mixed.stream(Path())


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
