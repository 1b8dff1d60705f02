"""When concepts take over: places along a stream, against the definitions."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamsim_scenarios.takeovers import Kind, Takeovers, evenly

KEY = torch.tensor(11)


def test_an_abrupt_takeover_begins_at_its_position() -> None:
    place = Takeovers((3, 5), (0, 0)).place(KEY, torch.arange(7))
    assert place.tolist() == [0, 0, 0, 1, 1, 2, 2]


@settings(deadline=None)
@given(width=st.integers(1, 10**9), position=st.integers(0, 10**6))
def test_gradual_shares_follow_the_sigmoid_for_any_width(width: int, position: int) -> None:
    num = 4000
    offset = 0.5  # in widths
    time = torch.full((num,), position + int(offset * width)) + torch.arange(num) * 0
    # many draws at one moment: another key for each
    places = torch.stack(
        [Takeovers((position,), (width,)).place(KEY + k, time[:1])[0] for k in range(200)]
    )
    expected = 1 / (1 + math.exp(-4 * int(offset * width) / width))
    assert abs(float(places.mean()) - expected) < 5 * math.sqrt(expected * (1 - expected) / 200)


def test_a_narrow_takeover_far_away_neither_overflows_nor_happens() -> None:
    time = torch.tensor([0, 10**9])
    assert Takeovers((5 * 10**8,), (1,)).place(KEY, time).tolist() == [0, 1]


@pytest.mark.parametrize("kind", ["gradual", "incremental"])
def test_a_takeover_begins_where_the_new_concept_first_occurs(kind: Kind) -> None:
    takeover = Takeovers((1000,), (400,), (kind,))
    (begin,) = takeover.begins()
    assert begin == 800
    place = takeover.place(KEY, torch.arange(2000))
    new = (place > 0).double()
    # of a sigmoid's samples 2 % lie before, of a straight line's none
    assert place[:begin].sum() <= 0.03 * new.sum()
    assert new[begin:1000].mean() > 0.2


def test_beginnings_of_overlapping_takeovers_are_in_order_and_within_the_stream() -> None:
    assert Takeovers((10, 200, 220), (50, 0, 100)).begins() == [0, 170, 200]


def test_an_incremental_takeover_is_a_straight_line() -> None:
    place = Takeovers((10,), (8,), ("incremental",)).place(KEY, torch.arange(4, 18, 2))
    assert place.tolist() == [0, 0, 0.25, 0.5, 0.75, 1, 1]


def test_overlapping_takeovers_go_on_from_where_the_stream_is() -> None:
    place = Takeovers((10, 12), (8, 8), ("incremental",)).place(KEY, torch.tensor([12, 30]))
    # three quarters of the way to 1, then half of the rest of the way to 2
    assert place.tolist() == [0.75 + 0.5 * (2 - 0.75), 2]


def test_an_abrupt_a_gradual_and_an_incremental_takeover_follow_on_one_another() -> None:
    time = torch.arange(1000)
    mixed = Takeovers((200, 500, 800), (0, 100, 100), ("gradual", "gradual", "incremental"))
    place = mixed.place(KEY, time)
    alone = Takeovers((200, 500), (0, 100)).place(KEY, time)
    moving = 2 + ((time - 750) / 100).clamp(0, 1).double()
    assert torch.allclose(place, torch.where(time < 750, alone, moving))


@pytest.mark.parametrize("at", [90, 100, 110, 200])
def test_overlapping_takeovers_of_different_kinds_start_where_the_earlier_ones_led(at: int) -> None:
    time = torch.tensor([at])
    first = Takeovers((100,), (40,), ("incremental",)).place(KEY, time).item()
    second = Takeovers((105,), (30,), ("incremental",)).place(KEY, time).item()
    jumps = Takeovers((100, 105), (40, 30), ("incremental", "gradual"))
    assert jumps.place(KEY, time).item() in (first, 2)
    moves = Takeovers((100, 105), (40, 30), ("gradual", "incremental"))
    assert moves.place(KEY, time).item() in [at + second * (2 - at) for at in (0, 1)]


def test_only_an_incremental_takeover_of_some_width_leads_between_concepts() -> None:
    assert Takeovers((5, 9), (0, 4), ("gradual", "incremental")).moves
    assert not Takeovers((5, 9), (0, 4), ("incremental", "gradual")).moves
    assert not Takeovers((5, 9), (3, 4)).moves


def test_a_settled_gradual_takeover_is_over_by_its_position() -> None:
    settled = Takeovers((10, 30), (50, 20), ("gradual", "incremental")).settled()
    assert settled.place(KEY, torch.tensor([9, 10, 20, 25, 30])).tolist() == [0, 1, 1, 1.25, 1.5]


def test_places_do_not_depend_on_how_time_is_cut() -> None:
    takeovers, time = Takeovers((40, 60), (30, 30)), torch.arange(100)
    whole = takeovers.place(KEY, time)
    cut = torch.cat([takeovers.place(KEY, piece) for piece in torch.split(time, [1, 49, 50])])
    assert torch.equal(whole, cut)


@pytest.mark.parametrize(("num", "places"), [(1, ()), (3, (333, 666))])
def test_evenly_divides_a_stream(num: int, places: tuple[int, ...]) -> None:
    assert evenly(1000, num) == places
