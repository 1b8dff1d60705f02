"""The catalogue: entries are complete, and each check tells what is missing, never a number."""

import numpy as np
import pytest

from streamsim.metrics import METRICS, MetricData
from streamsim.metrics.detection import SCORES
from streamsim.metrics.prequential import CURVES

ROWS = np.array([[0.8, 0.3, 0.1], [0.6, 0.9, 0.2], [0.5, 0.7, 0.85]])


def data_of(*matrices: object, **rest: object) -> MetricData:
    accuracy_KEE = np.array(matrices, dtype=float)
    defaults = {"initial_KE": np.full(accuracy_KEE.shape[:2], 0.1)}
    return MetricData(accuracy_KEE=accuracy_KEE, **(defaults | rest))  # type: ignore[arg-type]


def without(*cells: tuple[int, int] | int) -> np.ndarray:
    matrix = ROWS.copy()
    for cell in cells:
        matrix[cell] = np.nan
    return matrix


@pytest.mark.parametrize("name", METRICS)
def test_an_entry_is_filed_under_its_own_name(name: str) -> None:
    metric = METRICS[name]
    assert metric.name == name
    assert metric.title
    assert metric.reference


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_with_all_it_needs_is_defined_for_each_replica(name: str) -> None:
    curve = np.array([[0.8, np.nan, np.nan], [0.5, 0.9, np.nan], [0.5, 0.7, 0.85]])
    data = data_of(
        ROWS,
        ROWS,
        accuracy_KSE=np.stack([curve, curve]),
        experience_KS=np.array([[0, 1, 2]] * 2),
        reference_E=np.array([0.9, 0.9, 0.9]),
        detected_KD=np.ones((2, len(SCORES))),
        judged_KM=np.full((2, len(CURVES)), 0.5),
        protocol="domain",
    )
    assert METRICS[name].undefined(data) is None
    values = METRICS[name].function(data)
    assert values.shape == (2,)
    assert np.isfinite(values).all()


@pytest.mark.parametrize(
    ("matrix", "name", "reason"),
    [
        (without(2), "average_accuracy", "unfinished run: accuracies after 2 of 3 experiences"),
        (without(0, 1, 2), "average_accuracy", "unfinished run: accuracies after 0 of 3"),
        (without(0, 1), "learning_accuracy", "accuracies after each experience are missing"),
        (without(1), "learning_accuracy", "accuracy on experience 1 after experience 1 is missing"),
        (without((1, 0)), "forgetting", "accuracy on experience 0 after experience 1 is missing"),
        (without((0, 1), (1, 2)), "forward_transfer", "on experience 1 .* missing, and 1 more"),
    ],
)
def test_the_reason_names_the_missing_accuracies(
    matrix: np.ndarray, name: str, reason: str
) -> None:
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(METRICS[name].undefined(data_of(matrix)))


@pytest.mark.parametrize("name", ["forgetting", "backward_transfer"])
def test_the_last_diagonal_accuracy_is_not_asked_for(name: str) -> None:
    assert METRICS[name].undefined(data_of(without((2, 2)))) is None
