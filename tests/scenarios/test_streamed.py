"""Data sets as one stream."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from streamsim.stream import Reveal, truth_of
from streamsim_scenarios.streamed import DigitsRotating, DigitsStream, Rotating, Streamed

from .conftest import Make, key


def test_every_pass_goes_through_all_samples_once_in_an_order_of_its_own(make: Make) -> None:
    data = make()
    stream = Streamed(n_samples=100, n_experiences=3).on(data).stream(Path())
    number = len(data.y_train)
    ids = torch.cat([e.train for e in stream.draw(key(1)).experiences])
    assert len(ids) == 100
    passes = [part.tolist() for part in torch.split(ids, number)]
    for whole in passes[:-1]:
        assert sorted(whole) == list(range(number))
    assert passes[0] != passes[1]
    other = torch.cat([e.train for e in stream.draw(key(2)).experiences])
    assert ids.tolist() != other.tolist()


def test_samples_are_those_of_the_data_and_held_out_ones_are_all_there(make: Make) -> None:
    data = make()
    stream = Streamed(n_experiences=2).on(data).stream(Path())
    replica = stream.draw(key(1))
    for experience in replica.experiences:
        ids = experience.train
        assert torch.equal(stream.view.inputs(stream.pool, {}, ids), data.x_train[ids])
        assert torch.equal(stream.view.labels(stream.pool, {}, ids), data.y_train[ids])
        assert torch.equal(stream.view.labels(stream.pool, {}, experience.test), data.y_test)
    assert sum(len(e.train) for e in replica.experiences) == len(data.y_train)


def test_boundaries_are_hidden_unless_asked_for(make: Make) -> None:
    hidden = Streamed().on(make()).stream(Path()).spec
    revealed = Streamed(boundaries="revealed").on(make()).stream(Path()).spec
    assert (hidden.ordered, Reveal.BOUNDARIES in hidden.reveals) == (True, False)
    assert Reveal.BOUNDARIES in revealed.reveals


def test_more_experiences_than_samples_are_refused(make: Make) -> None:
    with pytest.raises(ValueError, match="n_experiences=9: the stream has 5 samples; choose 1 to"):
        Streamed(n_samples=5, n_experiences=9).on(make()).stream(Path())


def test_rotating_digits_stand_on_their_heads_at_last() -> None:
    still, turning = DigitsStream().stream(Path()), DigitsRotating().stream(Path())
    replica = turning.draw(key(1))
    truth = truth_of(turning.view, turning.pool, {}, replica.experiences[-1].test)
    assert set(truth["rotation"].tolist()) == {180.0}
    plain = still.draw(key(1)).experiences[-1].test
    upright = still.view.inputs(still.pool, {}, plain)
    turned = turning.view.inputs(turning.pool, replica.tables, replica.experiences[-1].test)
    assert torch.allclose(turned, upright.rot90(2, (2, 3)), atol=1e-5)


def test_a_turn_is_as_long_as_the_stream_allows(make: Make) -> None:
    stream = Rotating(n_samples=1000).on(make()).stream(Path())
    replica = stream.draw(key(1))
    ids = torch.cat([e.train for e in replica.experiences])
    angle = truth_of(stream.view, stream.pool, {}, ids)["rotation"]
    assert angle[:100].max() <= 1
    assert angle[-99:].min() >= 179
    assert angle.diff().min() >= 0
    assert angle.diff().max() < 0.5
