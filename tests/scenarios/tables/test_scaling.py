"""Every row is scaled by earlier rows alone, as a slow loop would do it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from river import preprocessing

from streamsim_scenarios.tables import scaling
from streamsim_scenarios.tables.scaling import LIMIT, Moments, inputs, running


def table(num_rows: int = 200, columns: int = 3, missing: float = 0.1) -> npt.NDArray[np.float64]:
    generator = np.random.default_rng(3)
    values = generator.normal(1e6, [1, 50, 0.01], (num_rows, columns))
    values[generator.random(values.shape) < missing] = np.nan
    return values


def all_of(
    values: npt.NDArray[np.float64],
    learned: npt.NDArray[np.bool_] | None = None,
    order: npt.NDArray[np.int64] | None = None,
    sizes: list[int] | None = None,
    flagged: list[bool] | None = None,
    how: scaling.Scaling = "online",
) -> npt.NDArray[np.float32]:
    rows, columns = values.shape
    blocks = inputs(
        values,
        np.arange(rows) if order is None else order,
        np.ones(rows, bool) if learned is None else learned,
        [0] * columns if sizes is None else sizes,
        np.array([False] * columns if flagged is None else flagged),
        how,
    )
    return np.concatenate(list(blocks))


def slowly(
    values: npt.NDArray[np.float64], learned: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    found = np.zeros_like(values)
    for k in range(values.shape[1]):
        known: list[float] = []
        for row, value in enumerate(values[:, k]):
            if not math.isnan(value):
                std = float(np.std(known)) if known else 0.0
                if std > 0:
                    found[row, k] = np.clip((value - np.mean(known)) / std, -LIMIT, LIMIT)
                if learned[row]:
                    known.append(value)
    return found


@pytest.mark.parametrize("block", [1, 7, 64, 8192])
def test_blocks_give_what_a_slow_loop_gives(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "BLOCK", block)
    values, learned = table(), np.random.default_rng(0).random(200) < 0.8
    np.testing.assert_allclose(all_of(values, learned), slowly(values, learned), atol=2e-4)


def test_agrees_with_the_scaler_of_river() -> None:
    values = table(missing=0.0)
    scaler: Any = preprocessing.StandardScaler()
    expected = []
    for row in values:
        x = dict(enumerate(row))
        expected.append([scaler.transform_one(x)[k] for k in range(3)])
        scaler.learn_one(x)
    np.testing.assert_allclose(all_of(values), np.clip(expected, -LIMIT, LIMIT), atol=2e-4)


@pytest.mark.parametrize("how", ["online", "none"])
@pytest.mark.parametrize("row", [0, 1, 2, 63, 64, 150])
def test_later_rows_change_no_bit_of_earlier_ones(
    row: int, how: scaling.Scaling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling, "BLOCK", 64)
    values = table()
    other = values.copy()
    other[row:] = np.random.default_rng(9).normal(-7, 1e5, other[row:].shape)
    assert np.array_equal(all_of(values, how=how)[:row], all_of(other, how=how)[:row])
    assert not np.array_equal(all_of(values, how=how), all_of(other, how=how))


def test_rows_that_are_not_learned_from_do_not_count() -> None:
    values, learned = table(), np.arange(200) % 3 > 0
    other = np.where(learned[:, None], values, 1e9)
    assert np.array_equal(all_of(values, learned)[learned], all_of(other, learned)[learned])


def test_a_column_without_spread_is_zero() -> None:
    assert not all_of(np.full((50, 1), 0.1)).any()


def test_an_outlier_is_cut() -> None:
    values = np.array([[0.0], [1.0], [1e12]])
    assert all_of(values)[2] == LIMIT


def test_little_is_lost_to_rounding_far_from_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "BLOCK", 16)
    near = np.random.default_rng(1).integers(0, 8, (400, 1)).astype(float)
    np.testing.assert_allclose(all_of(near + 1e12), all_of(near), atol=1e-4)


def test_missing_numbers_are_the_mean_so_far() -> None:
    values = np.array([[np.nan], [2.0], [4.0], [np.nan], [9.0]])
    assert all_of(values, how="none").ravel().tolist() == [0, 2, 4, 3, 9]
    assert all_of(values)[3] == 0


def test_categories_are_one_input_each_and_flags_stand_at_the_end() -> None:
    values = np.array([[0.0, 5.0], [2.0, np.nan], [np.nan, 5.0], [3.0, 5.0]])
    found = all_of(values, sizes=[3, 0], flagged=[True, True], how="none")
    assert found.tolist() == [
        [1, 0, 0, 5, 0, 0],
        [0, 0, 1, 5, 0, 1],
        [0, 0, 0, 5, 1, 0],
        [0, 0, 0, 5, 0, 0],  # a category that is not told apart
    ]


def test_rows_come_in_the_order_asked_for() -> None:
    values, order = table(), np.random.default_rng(2).permutation(200)
    assert np.array_equal(all_of(values, order=order), all_of(values[order]))


def test_moments_are_those_of_all_rows_that_count() -> None:
    values, learned = table(), np.random.default_rng(5).random(200) < 0.5
    _, after = running(values, learned, Moments.start(3))
    for k in range(3):
        known = values[learned & ~np.isnan(values[:, k]), k]
        assert after.number[k] == len(known)
        np.testing.assert_allclose(after.mean[k], known.mean(), rtol=1e-12)
        np.testing.assert_allclose(after.squares[k] / len(known), known.var(), rtol=1e-6)
