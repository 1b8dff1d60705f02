"""The metrics by name: what computes each one, and when it has no meaning.

Adding a metric is one entry in METRICS. An entry owns its check `undefined`, which returns the
reason, in one sentence, why the data give no number, or None.

Shape letters: K replicas, E experiences, S moments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamsim.metrics import continual, matrix
from streamsim.metrics.arrays import Floats, Ints
from streamsim.metrics.prequential import CURVES

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class MetricData:
    """All that a metric may look at: the replicas of one hyper-parameter setting."""

    accuracy_KEE: Floats  # [k, i, j]: accuracy on j after training on i; NaN where not known
    initial_KE: Floats  # accuracy before any training; NaN where not known
    accuracy_KSE: Floats | None = None  # accuracies inside experiences, None without them
    experience_KS: Ints | None = None  # experience in training at each moment, or PADDING
    reference_E: Floats | None = None  # accuracy of a jointly trained model, None without one
    judged_KM: Floats | None = None  # over the whole stream, by CURVES; None without judging
    protocol: str | None = None  # "class", "task", "domain" or not told

    @property
    def num_experiences(self) -> int:
        return int(self.accuracy_KEE.shape[-1])


Check = Callable[[MetricData], str | None]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number per replica, `function(data) -> [K]`; NaN for replicas that lack what it needs."""

    name: str
    title: str
    function: Callable[[MetricData], Floats]
    higher_is_better: bool
    reference: str
    undefined: Check


def _judged(place: int) -> Callable[[MetricData], Floats]:
    """One of CURVES at the end of the stream."""

    def function(data: MetricData) -> Floats:
        assert data.judged_KM is not None
        return data.judged_KM[:, place]

    return function


# --- checks ---------------------------------------------------------------------------------------


def first_of(*checks: Check) -> Check:
    """The check that gives the first reason any of these gives."""
    return lambda data: next((reason for check in checks if (reason := check(data))), None)


def needs_two_experiences(data: MetricData) -> str | None:
    return "needs at least two experiences" if data.num_experiences < 2 else None


def needs_accuracies(cells: Callable[[int], Mask]) -> Check:
    """A check that some replica has the accuracies R[i, j] that `cells(E)` [E, E] marks."""

    def check(data: MetricData) -> str | None:
        known_EE = np.asarray(~np.isnan(data.accuracy_KEE).all(axis=0))
        return _missing_accuracies(known_EE, cells(data.num_experiences))

    return check


def needs_judging(data: MetricData) -> str | None:
    if data.judged_KM is None:
        return "needs predictions made before learning: run with --prequential"
    return None


def needs_initial(data: MetricData) -> str | None:
    if np.isnan(data.initial_KE[:, 1:]).any(axis=1).all():
        return "needs accuracies before any training: rows with after = -1"
    return None


def needs_visible_future(data: MetricData) -> str | None:
    if data.protocol == "class":
        return "classes of later experiences are masked until seen in class-incremental streams"
    return None


def needs_reference(data: MetricData) -> str | None:
    if data.reference_E is None:
        return "needs a joint run of the same scenario as the reference"
    if len(data.reference_E) != data.num_experiences:
        has = len(data.reference_E)
        return f"the joint run has {has} experiences, this run {data.num_experiences}"
    missing = np.flatnonzero(np.isnan(data.reference_E))
    if missing.size:
        return f"the joint run has no final accuracy on experience {missing[0]}"
    return None


def needs_continual(data: MetricData) -> str | None:
    if data.accuracy_KSE is None or data.experience_KS is None:
        return "needs continual evaluation: run with --eval-every N"
    trained = np.unique(data.experience_KS)
    missing = np.setdiff1d(np.arange(1, data.num_experiences), trained)
    if missing.size:
        return f"continual evaluation has no rows while training on experience {missing[0]}"
    return None


def _missing_accuracies(known_EE: Mask, needed_EE: Mask) -> str | None:
    missing = np.argwhere(needed_EE & ~known_EE)
    if not missing.size:
        return None
    last = len(known_EE) - 1
    empty_rows = np.flatnonzero(~known_EE.any(axis=1)).tolist()
    if empty_rows == list(range(last)):
        return "accuracies after each experience are missing: only those after the last are there"
    if last in empty_rows:
        done = len(known_EE) - len(empty_rows)
        return f"unfinished run: accuracies after {done} of {last + 1} experiences are there"
    trained, evaluated = missing[0].tolist()
    more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
    return f"accuracy on experience {evaluated} after experience {trained} is missing{more}"


# --- the accuracies R[i, j] that metrics need, E -> [E, E] ----------------------------------------


def _last_row(size: int) -> Mask:
    return np.repeat(np.arange(size)[:, None] == size - 1, size, axis=1)


def _diagonal(size: int) -> Mask:
    return np.eye(size, dtype=bool)


def _lower_triangle(size: int) -> Mask:
    return np.tril(np.ones((size, size), dtype=bool))


def _past_columns(size: int) -> Mask:
    return _lower_triangle(size) & (np.arange(size) < size - 1)


def _learned_and_final(size: int) -> Mask:
    return (_diagonal(size) | _last_row(size)) & (np.arange(size) < size - 1)


def _just_before(size: int) -> Mask:
    return np.eye(size, k=1, dtype=bool)


# --- the metrics ----------------------------------------------------------------------------------


def _of_matrix(function: Callable[[Floats], Floats]) -> Callable[[MetricData], Floats]:
    return lambda data: function(data.accuracy_KEE)


def _of_curves(function: Callable[[Floats, Ints], Floats]) -> Callable[[MetricData], Floats]:
    def values(data: MetricData) -> Floats:
        assert data.accuracy_KSE is not None
        assert data.experience_KS is not None
        return function(data.accuracy_KSE, data.experience_KS)

    return values


def _forward_transfer(data: MetricData) -> Floats:
    return matrix.forward_transfer(data.accuracy_KEE, data.initial_KE)


def _intransigence(data: MetricData) -> Floats:
    assert data.reference_E is not None
    return matrix.intransigence(data.accuracy_KEE, data.reference_E)


_CURVES_UNDEFINED = first_of(needs_two_experiences, needs_continual, needs_accuracies(_last_row))

_ENTRIES = (
    Metric(
        name="average_accuracy",
        title="Average accuracy",
        function=_of_matrix(matrix.average_accuracy),
        higher_is_better=True,
        reference="Lopez-Paz & Ranzato 2017",
        undefined=needs_accuracies(_last_row),
    ),
    Metric(
        name="average_incremental_accuracy",
        title="Average incremental accuracy",
        function=_of_matrix(matrix.average_incremental_accuracy),
        higher_is_better=True,
        reference="Rebuffi et al. 2017",
        undefined=needs_accuracies(_lower_triangle),
    ),
    Metric(
        name="learning_accuracy",
        title="Learning accuracy",
        function=_of_matrix(matrix.learning_accuracy),
        higher_is_better=True,
        reference="Riemer et al. 2019",
        undefined=needs_accuracies(_diagonal),
    ),
    Metric(
        name="forgetting",
        title="Forgetting",
        function=_of_matrix(matrix.forgetting),
        higher_is_better=False,
        reference="Chaudhry et al. 2018",
        undefined=first_of(needs_two_experiences, needs_accuracies(_past_columns)),
    ),
    Metric(
        name="backward_transfer",
        title="Backward transfer",
        function=_of_matrix(matrix.backward_transfer),
        higher_is_better=True,
        reference="Lopez-Paz & Ranzato 2017",
        undefined=first_of(needs_two_experiences, needs_accuracies(_learned_and_final)),
    ),
    Metric(
        name="forward_transfer",
        title="Forward transfer",
        function=_forward_transfer,
        higher_is_better=True,
        reference="Lopez-Paz & Ranzato 2017",
        undefined=first_of(
            needs_two_experiences,
            needs_visible_future,
            needs_initial,
            needs_accuracies(_just_before),
        ),
    ),
    Metric(
        name="intransigence",
        title="Intransigence",
        function=_intransigence,
        higher_is_better=False,
        reference="Chaudhry et al. 2018",
        undefined=first_of(needs_reference, needs_accuracies(_diagonal)),
    ),
    Metric(
        name="min_accuracy",
        title="Minimum accuracy",
        function=_of_curves(continual.min_accuracy),
        higher_is_better=True,
        reference="De Lange et al. 2023",
        undefined=_CURVES_UNDEFINED,
    ),
    Metric(
        name="worst_case_accuracy",
        title="Worst-case accuracy",
        function=_of_curves(continual.worst_case_accuracy),
        higher_is_better=True,
        reference="De Lange et al. 2023",
        undefined=_CURVES_UNDEFINED,
    ),
    Metric(
        name="stability_gap",
        title="Stability gap",
        function=_of_curves(continual.stability_gap),
        higher_is_better=False,
        reference="after De Lange et al. 2023",
        undefined=_CURVES_UNDEFINED,
    ),
)

_WHILE_LEARNING = tuple(
    Metric(
        name=f"prequential_{name}",
        title=f"Prequential {name.replace('_', ' ')}",
        function=_judged(place),
        higher_is_better=name != "log_loss",
        reference=reference,
        undefined=needs_judging,
    )
    for place, (name, reference) in enumerate(
        zip(
            CURVES,
            (
                "Dawid 1984",
                "Cohen 1960",
                "Žliobaitė et al. 2015",
                "Brodersen et al. 2010",
                "Good 1952",
            ),
            strict=True,
        )
    )
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in (*_ENTRIES, *_WHILE_LEARNING)}
