"""The metrics by name: what computes each one, and when it has no meaning.

Adding a metric is one entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from streamsim.metrics import continual, matrix
from streamsim.metrics.arrays import Floats, Ints
from streamsim.metrics.checks import (
    diagonal,
    first_of,
    just_before,
    last_row,
    learned_and_final,
    lower_triangle,
    needs_accuracies,
    needs_continual,
    needs_detection,
    needs_initial,
    needs_judging,
    needs_reference,
    needs_score,
    needs_two_experiences,
    needs_visible_future,
    past_columns,
)
from streamsim.metrics.detection import SCORES
from streamsim.metrics.metric import Check, Metric, MetricData
from streamsim.metrics.prequential import CURVES


def _entry(
    name: str,
    function: Callable[[MetricData], Floats],
    reference: str,
    undefined: Check,
    *,
    title: str | None = None,
    higher_is_better: bool = True,
) -> Metric:
    return Metric(
        name=name,
        title=title or name.replace("_", " ").capitalize(),
        function=function,
        higher_is_better=higher_is_better,
        reference=reference,
        undefined=undefined,
    )


def _of_matrix(
    function: Callable[[Floats], Floats],
    reference: str,
    undefined: Check,
    *,
    higher_is_better: bool = True,
) -> Metric:
    return _entry(
        function.__name__,
        lambda data: function(data.accuracy_KEE),
        reference,
        undefined,
        higher_is_better=higher_is_better,
    )


def _of_curves(
    function: Callable[[Floats, Ints], Floats],
    reference: str,
    title: str,
    *,
    higher_is_better: bool = True,
) -> Metric:
    def values(data: MetricData) -> Floats:
        assert data.accuracy_KSE is not None
        assert data.experience_KS is not None
        return function(data.accuracy_KSE, data.experience_KS)

    return _entry(
        function.__name__,
        values,
        reference,
        first_of(needs_two_experiences, needs_continual, needs_accuracies(last_row)),
        title=title,
        higher_is_better=higher_is_better,
    )


def _while_learning(curve: str, reference: str) -> Metric:
    """One of CURVES at the end of the stream."""
    place = CURVES.index(curve)

    def values(data: MetricData) -> Floats:
        assert data.judged_KM is not None
        return data.judged_KM[:, place]

    return _entry(
        f"prequential_{curve}",
        values,
        reference,
        needs_judging,
        higher_is_better=curve != "log_loss",
    )


def _of_detectors(score: str, name: str, lacking: str, *, higher_is_better: bool) -> Metric:
    """One of SCORES, mean over the parts of a strategy that watch.

    `lacking` says why a replica has no number.
    """
    place = SCORES.index(score)

    def values(data: MetricData) -> Floats:
        assert data.detected_KD is not None
        return data.detected_KD[:, place]

    found = _entry(
        name,
        values,
        "Gama et al. 2014",
        first_of(needs_detection, needs_score(place, lacking)),
        higher_is_better=higher_is_better,
    )
    return replace(found, lacking=lacking)


def _forward_transfer(data: MetricData) -> Floats:
    return matrix.forward_transfer(data.accuracy_KEE, data.initial_KE)


def _intransigence(data: MetricData) -> Floats:
    assert data.reference_E is not None
    return matrix.intransigence(data.accuracy_KEE, data.reference_E)


_ENTRIES = (
    _of_matrix(matrix.average_accuracy, "Lopez-Paz & Ranzato 2017", needs_accuracies(last_row)),
    _of_matrix(
        matrix.average_incremental_accuracy, "Rebuffi et al. 2017", needs_accuracies(lower_triangle)
    ),
    _of_matrix(matrix.learning_accuracy, "Riemer et al. 2019", needs_accuracies(diagonal)),
    _of_matrix(
        matrix.forgetting,
        "Chaudhry et al. 2018",
        first_of(needs_two_experiences, needs_accuracies(past_columns)),
        higher_is_better=False,
    ),
    _of_matrix(
        matrix.backward_transfer,
        "Lopez-Paz & Ranzato 2017",
        first_of(needs_two_experiences, needs_accuracies(learned_and_final)),
    ),
    _entry(
        "forward_transfer",
        _forward_transfer,
        "Lopez-Paz & Ranzato 2017",
        first_of(
            needs_two_experiences,
            needs_visible_future,
            needs_initial,
            needs_accuracies(just_before),
        ),
    ),
    _entry(
        "intransigence",
        _intransigence,
        "Chaudhry et al. 2018",
        first_of(needs_reference, needs_accuracies(diagonal)),
        higher_is_better=False,
    ),
    _of_curves(continual.min_accuracy, "De Lange et al. 2023", "Minimum accuracy"),
    _of_curves(continual.worst_case_accuracy, "De Lange et al. 2023", "Worst-case accuracy"),
    _of_curves(
        continual.stability_gap,
        "after De Lange et al. 2023",
        "Stability gap",
        higher_is_better=False,
    ),
    _while_learning("accuracy", "Dawid 1984"),
    _while_learning("kappa", "Cohen 1960"),
    _while_learning("kappa_temporal", "Žliobaitė et al. 2015"),
    _while_learning("balanced_accuracy", "Brodersen et al. 2010"),
    _while_learning("log_loss", "Good 1952"),
    _of_detectors("missed", "missed_drifts", "no scores", higher_is_better=False),
    _of_detectors("false_alarms", "false_alarms", "no scores", higher_is_better=False),
    _of_detectors("delay", "detection_delay", "no drift was detected", higher_is_better=False),
    _of_detectors(
        "time_between_false_alarms",
        "time_between_false_alarms",
        "no alarm was false",
        higher_is_better=True,
    ),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ENTRIES}
