"""Experiences are the rows they are said to be, and every one can be learned from and tested on."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsim_scenarios.tables.stretches import Cuts, cut, places_to_test, window_size


def parts(
    cuts: Cuts, num_rows: int, time: list[float] | None = None, **more: object
) -> list[list[int]]:
    group = more.get("group")
    found = cut(
        cuts,
        num_rows,
        None if time is None else np.array(time),
        bool(more.get("dated", False)),
        None if group is None else np.array(group),
    )
    return [rows.tolist() for rows in found]


def test_five_equal_stretches_unless_told_otherwise() -> None:
    assert parts(Cuts(), 10) == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    assert [len(rows) for rows in parts(Cuts(n_experiences=3), 10)] == [4, 3, 3]


def test_stretches_of_so_many_rows_end_with_a_shorter_one_of_two_or_more() -> None:
    assert [len(rows) for rows in parts(Cuts(rows_per_experience=4), 10)] == [4, 4, 2]
    assert [len(rows) for rows in parts(Cuts(rows_per_experience=3), 10)] == [3, 3, 4]


def test_windows_begin_at_the_first_time_and_empty_ones_are_no_experience() -> None:
    time = [5.0, 6.0, 14.9, 15.0, 24.0, 55.0, 56.0]
    assert parts(Cuts(window="10"), 7, time) == [[0, 1, 2], [3, 4], [5, 6]]


def test_dates_are_cut_by_units() -> None:
    days = [86_400.0 * day for day in (0, 1, 7, 8, 13.9, 14, 15)]
    assert parts(Cuts(window="1w"), 7, days, dated=True) == [[0, 1], [2, 3, 4], [5, 6]]


def test_groups_come_in_the_order_in_which_they_appear_with_their_rows_in_order() -> None:
    group = [0, 1, 0, 2, 1, 2, 0]
    assert parts(Cuts(by="site"), 7, group=group) == [[0, 2, 6], [1, 4], [3, 5]]


@given(
    st.integers(2, 200),
    st.sampled_from(["n_experiences", "rows_per_experience"]),
    st.integers(2, 9),
)
def test_every_row_is_in_one_experience(num_rows: int, option: str, value: int) -> None:
    equal = option == "n_experiences"
    cuts = Cuts(n_experiences=value) if equal else Cuts(rows_per_experience=value)
    try:
        found = parts(cuts, num_rows)
    except ValueError:
        assert equal
        assert num_rows < 2 * value
        return
    assert [row for rows in found for row in rows] == list(range(num_rows))


def test_windows_agree_with_a_loop() -> None:
    time = np.sort(np.random.default_rng(0).uniform(0, 50, 300))
    slow = groupby(range(300), key=lambda row: (time[row] - time[0]) // 7.5)
    assert parts(Cuts(window="7.5"), 300, list(time)) == [list(rows) for _, rows in slow]


@pytest.mark.parametrize(
    ("cuts", "num_rows", "message"),
    [
        (Cuts(n_experiences=4), 7, "n_experiences=4 leaves .* row 7 with one of 7 rows"),
        (Cuts(), 5, "n_experiences=5 leaves"),
        (Cuts(rows_per_experience=2), 4000, "into 2000 experiences; .* at most 1000"),
    ],
)
def test_too_few_rows_and_too_many_experiences_are_refused(
    cuts: Cuts, num_rows: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        parts(cuts, num_rows)


@pytest.mark.parametrize(
    ("text", "dated"),
    [("7", True), ("7x", True), ("d", True), ("7d", False), ("0h", True), ("", False)],
)
def test_a_window_that_is_none_is_refused(text: str, dated: bool) -> None:
    with pytest.raises(ValueError, match=f"scenario.window={text}: give"):
        window_size(text, dated)


def test_windows_have_units() -> None:
    sizes = [window_size(text, True) for text in ("1s", "2min", "3h", "0.5d", "1 w")]
    assert sizes == [1, 120, 10_800, 43_200, 604_800]


@given(st.integers(2, 500), st.floats(0.001, 0.5))
def test_test_rows_are_spread_evenly_and_never_all(num_rows: int, share: float) -> None:
    found = places_to_test(num_rows, share)
    assert 1 <= len(found) < num_rows
    assert len(found) == max(round(share * num_rows), 1) or num_rows == 2
    assert 0 <= found[0] < found[-1] + 1 <= num_rows
    if len(found) > 1:
        steps = np.diff(found)
        assert steps.min() >= 1
        assert steps.max() - steps.min() <= 1
