"""Checks tell what the data lack, the first thing first."""

import numpy as np

from streamsim.metrics import MetricData
from streamsim.metrics.checks import first_of, needs_accuracies, needs_reference


def data_of(*matrices: object, reference_E: np.ndarray | None = None) -> MetricData:
    accuracy_KEE = np.array(matrices, dtype=float)
    return MetricData(
        accuracy_KEE=accuracy_KEE,
        initial_KE=np.full(accuracy_KEE.shape[:2], 0.1),
        reference_E=reference_E,
    )


KNOWN, UNKNOWN = np.full((3, 3), 0.5), np.full((3, 3), np.nan)


def test_an_accuracy_that_one_replica_has_is_not_missing() -> None:
    check = needs_accuracies(lambda size: np.ones((size, size), dtype=bool))
    assert check(data_of(KNOWN, UNKNOWN)) is None


def test_a_joint_run_of_another_length_is_no_reference() -> None:
    reason = needs_reference(data_of(KNOWN, reference_E=np.array([0.9, 0.9])))
    assert reason == "the joint run has 2 experiences, this run 3"


def test_the_first_reason_is_given() -> None:
    check = first_of(lambda _: None, lambda _: "first", lambda _: "second")
    assert check(data_of(KNOWN)) == "first"
