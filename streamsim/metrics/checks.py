"""When a metric has no meaning: each check tells what is missing, in a sentence, or None.

Shape letters: K replicas, E experiences.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from streamsim.metrics.metric import Check, MetricData

NOTHING_WATCHED = "no detector watched this run: add a part such as on-drift:reset"
Mask = npt.NDArray[np.bool_]


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


def needs_detection(data: MetricData) -> str | None:
    if data.detected_KD is None:
        return NOTHING_WATCHED
    if np.isnan(data.detected_KD).all():
        return "needs a stream that knows its drifts, and judging: run with --prequential"
    return None


def needs_score(place: int, reason: str) -> Check:
    """A check that some replica has the number at this place of SCORES."""

    def check(data: MetricData) -> str | None:
        assert data.detected_KD is not None
        return reason if np.isnan(data.detected_KD[:, place]).all() else None

    return check


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


# -- the accuracies R[i, j] that metrics need, E -> [E, E] -----------------------------------------
def last_row(size: int) -> Mask:
    return np.repeat(np.arange(size)[:, None] == size - 1, size, axis=1)


def diagonal(size: int) -> Mask:
    return np.eye(size, dtype=bool)


def lower_triangle(size: int) -> Mask:
    return np.tril(np.ones((size, size), dtype=bool))


def past_columns(size: int) -> Mask:
    return lower_triangle(size) & (np.arange(size) < size - 1)


def learned_and_final(size: int) -> Mask:
    return (diagonal(size) | last_row(size)) & (np.arange(size) < size - 1)


def just_before(size: int) -> Mask:
    return np.eye(size, k=1, dtype=bool)
