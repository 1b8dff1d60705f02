"""Walks that are looked up have the moments of walks that are walked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from streamsim_scenarios.concepts.walk import SPAN, draw_walks, walk

from .conftest import key

NUM = 2000
END = SPAN * SPAN


def positions(time: Tensor, num: int = NUM) -> Tensor:
    return walk(draw_walks(key(), num), time).movedim(0, -1)


def test_walks_begin_at_zero() -> None:
    assert positions(torch.tensor([0])).abs().max() == 0


@pytest.mark.parametrize(
    ("start", "lag"),
    [(0, 1), (0, 100), (500, 100), (1000, 100), (10 * SPAN, SPAN), (300, 5000), (0, END // 2)],
)
def test_the_variance_of_a_change_is_the_time_it_took(start: int, lag: int) -> None:
    before, after = positions(torch.tensor([start, start + lag]))
    change = after - before
    # for a normal sample the relative error of a variance is the root of 2 / NUM
    assert abs(float(change.mean())) < 4 * (lag / NUM) ** 0.5
    assert float(change.var()) == pytest.approx(lag, rel=4 * (2 / NUM) ** 0.5)


def test_changes_are_uncorrelated() -> None:
    place = torch.arange(0, 8 * SPAN, SPAN // 2)
    change = positions(place).diff(dim=0)
    correlation = torch.corrcoef(change) - torch.eye(len(change))
    assert float(correlation.abs().max()) < 5 / NUM**0.5


def test_walks_are_uncorrelated_with_each_other() -> None:
    # within a stride a walk repeats its bridge, so strides are what can be told apart
    change = positions(torch.arange(0, END, 4 * SPAN), num=8).diff(dim=0)
    correlation = torch.corrcoef(change.T) - torch.eye(8)
    assert float(correlation.abs().max()) < 5 / len(change) ** 0.5


def test_a_step_is_about_as_long_as_one() -> None:
    length = positions(torch.arange(5 * SPAN + 1), num=4).diff(dim=0).abs()
    assert float(length.min()) > 0.7
    assert float(length.max()) < 1.3
    assert float(length.mean()) == pytest.approx(1, abs=0.01)


def test_walks_are_straight_between_whole_times() -> None:
    whole = torch.tensor([0, 7, SPAN - 1, SPAN, 17 * SPAN + 3, END - 1])
    first, last = positions(whole, 5), positions(whole + 1, 5)
    for share in (0.25, 0.5, 0.875):
        expected = first + share * (last - first)
        torch.testing.assert_close(positions(whole + share, 5), expected, rtol=0, atol=1e-9)


def test_walks_equal_a_slow_reference() -> None:
    state = draw_walks(key(3), 2)
    coarse, bridge, side = (state[name].numpy() for name in ("coarse", "bridge", "side"))
    for time in np.random.default_rng(0).integers(0, END, 50):
        stride, step = divmod(int(time), SPAN)
        long = coarse[stride] + step / SPAN * (coarse[stride + 1] - coarse[stride])
        expected = long + side[stride] * bridge[step]
        np.testing.assert_allclose(walk(state, torch.tensor(time)).numpy(), expected, atol=1e-9)


def test_after_the_last_step_a_walk_goes_its_way_back() -> None:
    back = positions(torch.tensor([END + 5, 2 * END, 2 * END + 7, END]), 3)
    assert torch.equal(back, positions(torch.tensor([END - 5, 0, 7, END]), 3))
    assert torch.equal(back[3], draw_walks(key(), 3)["coarse"][-1])
