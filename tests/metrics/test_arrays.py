"""Tables to arrays: every row lands in its cell, and a bad table is refused with the remedy."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsim.metrics import accuracy_matrices, continual_curves
from streamsim.metrics.arrays import PADDING, replica_positions

ACCURACY = ["setting", "seed", "after", "on", "accuracy"]
CONTINUAL = ["setting", "seed", "experience", "step", "on", "accuracy"]


def accuracy_table(*rows: tuple[int, int, int, int, float]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=ACCURACY)


def continual_table(*rows: tuple[int, int, int, int, int, float]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=CONTINUAL)


def test_each_row_lands_in_its_cell() -> None:
    table = accuracy_table(
        (0, 3, -1, 0, 0.1), (0, 3, -1, 1, 0.2), (0, 3, 0, 0, 0.9), (0, 3, 1, 0, 0.6)
    )
    replicas, accuracy_KEE, initial_KE = accuracy_matrices(table)
    assert replicas.to_dict("list") == {"setting": [0], "seed": [3]}
    np.testing.assert_equal(accuracy_KEE, [[[0.9, np.nan], [0.6, np.nan]]])
    np.testing.assert_equal(initial_KE, [[0.1, 0.2]])


def test_initial_accuracies_are_nan_without_rows_before_training() -> None:
    assert np.isnan(accuracy_matrices(accuracy_table((0, 1, 0, 0, 0.9))).initial_KE).all()


def test_replicas_are_sorted_by_setting_then_seed() -> None:
    table = accuracy_table((1, 2, 0, 0, 0.3), (0, 9, 0, 0, 0.2), (0, -4, 0, 0, 0.1))
    matrices = accuracy_matrices(table)
    assert matrices.replicas.to_numpy().tolist() == [[0, -4], [0, 9], [1, 2]]
    assert matrices.accuracy_KEE.ravel().tolist() == [0.1, 0.2, 0.3]


@given(st.permutations(range(24)))
def test_row_order_does_not_matter(order: list[int]) -> None:
    keys = itertools.product((0, 1), (5, 6), (-1, 0, 1), (0, 1))
    table = accuracy_table(*[(*key, n / 24) for n, key in enumerate(keys)])
    expected, got = accuracy_matrices(table), accuracy_matrices(table.iloc[order])
    np.testing.assert_equal(got.accuracy_KEE, expected.accuracy_KEE)
    np.testing.assert_equal(got.initial_KE, expected.initial_KE)


def test_the_table_is_left_untouched() -> None:
    table = accuracy_table((0, 2, 0, 0, 0.9), (0, 1, 0, 0, 0.8))
    before = table.copy()
    accuracy_matrices(table)
    pd.testing.assert_frame_equal(table, before)


def test_nullable_columns_are_read_like_plain_ones() -> None:
    table = accuracy_table((0, 1, 0, 0, 0.9), (0, 2, 0, 0, np.nan)).convert_dtypes()
    np.testing.assert_equal(accuracy_matrices(table).accuracy_KEE, [[[0.9]], [[np.nan]]])


def test_curves_pad_replicas_that_have_fewer_moments() -> None:
    table = continual_table(
        (0, 2, 1, 4, 1, 0.7), (0, 2, 1, 4, 0, 0.5), (0, 2, 0, 8, 0, 0.9), (0, 1, 0, 3, 0, 0.4)
    )
    curves = continual_curves(table)
    assert curves.replicas["seed"].tolist() == [1, 2]
    assert curves.experience_KS.tolist() == [[0, PADDING], [0, 1]]
    assert curves.step_KS.tolist() == [[3, PADDING], [8, 4]]
    expected = [[[0.4, np.nan], [np.nan] * 2], [[0.9, np.nan], [0.5, 0.7]]]
    np.testing.assert_equal(curves.accuracy_KSE, expected)


def test_moments_are_ordered_by_experience_then_step() -> None:
    table = continual_table(
        (0, 1, 1, 1, 0, 0.3), (0, 1, 0, 20, 0, 0.2), (0, 1, 0, 3, 0, 0.1), (0, 1, 1, 12, 0, 0.4)
    )
    curves = continual_curves(table)
    assert curves.accuracy_KSE[0, :, 0].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert curves.step_KS.tolist() == [[3, 20, 1, 12]]


def test_positions_of_absent_replicas_are_minus_one() -> None:
    have = pd.DataFrame({"setting": [0, 0, 1], "seed": [1, 2, 1]})
    wanted = pd.DataFrame({"setting": [1, 0, 1], "seed": [1, 2, 2]})
    assert replica_positions(have, wanted).tolist() == [2, 1, -1]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (accuracy_table((0, 1, 0, 0, 0.9)).drop(columns=["after", "on"]), "no column after, on"),
        (accuracy_table(), "accuracy table is empty"),
        (accuracy_table((0, 1, 0, 0, 0.9), (0, 1, 0, 0, 0.8)), "1 repeated rows.*after=0, on=0"),
        (accuracy_table((0, 1, -2, 0, 0.9)), "column after .* holds -2; give integers from -1 up"),
        (accuracy_table((0, 1, 0, -1, 0.9)), "column on .* holds -1; give integers from 0 up"),
        (accuracy_table((0, 1, 0, 0, 0.9)).astype({"seed": float}), "column seed .* float64"),
        (accuracy_table((0, 1, 0, 0, 0.9)).astype({"accuracy": str}), "column accuracy .* numbers"),
    ],
)
def test_a_bad_accuracy_table_is_refused_with_the_remedy(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        accuracy_matrices(table)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (continual_table((0, 1, 0, 1, 0, 0.9)).drop(columns="step"), "no column step"),
        (continual_table(), "continual table is empty"),
        (continual_table(*[(0, 1, 0, 1, 0, 0.9)] * 3), "2 repeated rows"),
        (continual_table((0, 1, 0, 0, 0, 0.9)), "column step .* give integers from 1 up"),
    ],
)
def test_a_bad_continual_table_is_refused(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        continual_curves(table)
