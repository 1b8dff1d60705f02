"""Metrics of the accuracy matrix: a hand-worked 3 x 3 example, then a slow loop on random ones."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from streamsim import metrics

Floats = npt.NDArray[np.float64]
Matrix = list[list[float]]

R: Matrix = [
    [0.80, 0.30, 0.10],
    [0.60, 0.90, 0.20],
    [0.50, 0.70, 0.85],
]
INITIAL = [0.10, 0.20, 0.15]
JOINT = [0.90, 0.90, 0.90]
ON_MATRIX = [
    metrics.average_accuracy,
    metrics.average_incremental_accuracy,
    metrics.learning_accuracy,
    metrics.forgetting,
    metrics.backward_transfer,
]
NEEDS_TWO = [metrics.forgetting, metrics.backward_transfer]

accuracies = st.floats(0, 1)
stacks = st.tuples(st.integers(1, 3), st.integers(2, 5)).flatmap(
    lambda ke: hnp.arrays(np.float64, (ke[0], ke[1], ke[1]), elements=accuracies)
)


def test_average_accuracy_of_a_hand_worked_matrix() -> None:
    assert metrics.average_accuracy(R).item() == pytest.approx(2.05 / 3)


def test_average_incremental_accuracy_of_a_hand_worked_matrix() -> None:
    expected = (0.80 + 0.75 + 2.05 / 3) / 3
    assert metrics.average_incremental_accuracy(R).item() == pytest.approx(expected)


def test_learning_accuracy_of_a_hand_worked_matrix() -> None:
    assert metrics.learning_accuracy(R).item() == pytest.approx(0.85)


def test_forgetting_of_a_hand_worked_matrix() -> None:
    assert metrics.forgetting_per_experience(R).tolist() == pytest.approx([0.30, 0.20])
    assert metrics.forgetting(R).item() == pytest.approx(0.25)


def test_backward_transfer_of_a_hand_worked_matrix() -> None:
    assert metrics.backward_transfer(R).item() == pytest.approx(-0.25)


def test_forward_transfer_of_a_hand_worked_matrix() -> None:
    assert metrics.forward_transfer(R, INITIAL).item() == pytest.approx((0.10 + 0.05) / 2)


def test_intransigence_of_a_hand_worked_matrix() -> None:
    assert metrics.intransigence(R, JOINT).item() == pytest.approx(0.05)


def test_forgetting_counts_a_best_accuracy_from_before_training() -> None:
    assert metrics.forgetting([[0.5, 0.9, 0], [0.5, 0.6, 0], [0.5, 0.4, 0]]).item() == 0.25


def test_forgetting_is_negative_when_the_past_gets_better() -> None:
    assert metrics.forgetting([[0.25, 0], [0.75, 0]]).item() == -0.5


def test_forgetting_does_not_need_evaluation_on_the_future() -> None:
    lower = np.where(np.tril(np.ones((3, 3))) > 0, R, np.nan)
    assert metrics.forgetting(lower).item() == pytest.approx(0.25)


def test_a_missing_accuracy_of_the_past_is_not_glossed_over() -> None:
    matrix = np.array(R)
    matrix[1, 0] = np.nan
    assert np.isnan(metrics.forgetting(matrix))
    assert np.isnan(metrics.average_incremental_accuracy(matrix))
    assert not np.isnan(metrics.average_accuracy(matrix))


@pytest.mark.parametrize("metric", NEEDS_TWO)
def test_one_experience_gives_nan_without_a_warning(metric: Callable[..., Floats]) -> None:
    assert np.isnan(metric([[0.9]]))
    assert np.isnan(metrics.forward_transfer([[0.9]], [0.1]))
    assert metrics.forgetting_per_experience([[0.9]]).shape == (0,)


@pytest.mark.parametrize("metric", ON_MATRIX)
def test_a_diverged_replica_is_nan_and_its_neighbour_is_not(metric: Callable[..., Floats]) -> None:
    stack = np.stack([np.array(R), np.full((3, 3), np.nan)])
    assert np.isnan(metric(stack)).tolist() == [False, True]


@pytest.mark.parametrize("metric", ON_MATRIX)
@pytest.mark.parametrize("shape", [(3,), (2, 3), (0, 0)])
def test_a_matrix_that_is_not_square_is_refused(
    metric: Callable[..., Floats], shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="last two axes must be equal"):
        metric(np.zeros(shape))


def test_a_vector_of_the_wrong_length_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"initial_E has shape \(2,\).* 3 experiences"):
        metrics.forward_transfer(R, [0.1, 0.1])
    with pytest.raises(ValueError, match=r"reference_E has shape \(\)"):
        metrics.intransigence(R, 0.9)


# --- slow loops, written from the papers ----------------------------------------------------------


def slow_average_accuracy(r: Matrix) -> float:
    return sum(r[-1]) / len(r)


def slow_average_incremental_accuracy(r: Matrix) -> float:
    total = 0.0
    for i in range(len(r)):
        total += sum(r[i][j] for j in range(i + 1)) / (i + 1)
    return total / len(r)


def slow_learning_accuracy(r: Matrix) -> float:
    return sum(r[i][i] for i in range(len(r))) / len(r)


def slow_forgetting(r: Matrix) -> float:
    last = len(r) - 1
    drops = []
    for j in range(last):
        best = max(r[l][j] for l in range(last))  # noqa: E741 (the paper's letter)
        drops.append(best - r[last][j])
    return sum(drops) / last


def slow_backward_transfer(r: Matrix) -> float:
    last = len(r) - 1
    return sum(r[last][j] - r[j][j] for j in range(last)) / last


def slow_forward_transfer(r: Matrix, b: list[float]) -> float:
    return sum(r[i - 1][i] - b[i] for i in range(1, len(r))) / (len(r) - 1)


def slow_intransigence(r: Matrix, a: list[float]) -> float:
    return sum(a[j] - r[j][j] for j in range(len(r))) / len(r)


SLOW = [
    slow_average_accuracy,
    slow_average_incremental_accuracy,
    slow_learning_accuracy,
    slow_forgetting,
    slow_backward_transfer,
]


@pytest.mark.parametrize(("fast", "slow"), list(zip(ON_MATRIX, SLOW, strict=True)))
@given(stack=stacks)
def test_a_metric_equals_its_slow_loop(
    fast: Callable[..., Floats], slow: Callable[..., float], stack: Floats
) -> None:
    np.testing.assert_allclose(fast(stack), [slow(r.tolist()) for r in stack], atol=1e-12)


@pytest.mark.parametrize(
    ("fast", "slow"),
    [
        (metrics.forward_transfer, slow_forward_transfer),
        (metrics.intransigence, slow_intransigence),
    ],
)
@given(stack=stacks, data=st.data())
def test_a_metric_with_a_reference_equals_its_slow_loop(
    fast: Callable[..., Floats],
    slow: Callable[..., float],
    stack: Floats,
    data: st.DataObject,
) -> None:
    vectors = data.draw(hnp.arrays(np.float64, stack.shape[:2], elements=accuracies))
    expected = [slow(r.tolist(), v.tolist()) for r, v in zip(stack, vectors, strict=True)]
    np.testing.assert_allclose(fast(stack, vectors), expected, atol=1e-12)


@given(stack=stacks)
def test_forgetting_is_never_below_what_backward_transfer_lost(stack: Floats) -> None:
    assert (metrics.forgetting(stack) >= -metrics.backward_transfer(stack) - 1e-12).all()
