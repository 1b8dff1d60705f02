"""The arrays that metrics look at, row by row those of the same replicas.

Shape letters: K replicas, E experiences, S moments, M of CURVES, D of detection.SCORES.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from streamsim.metrics.arrays import (
    PADDING,
    REPLICA,
    Floats,
    Ints,
    accuracy_matrices,
    check_columns,
    continual_curves,
    replica_positions,
)
from streamsim.metrics.detection import SCORES
from streamsim.metrics.metric import MetricData
from streamsim.metrics.prequential import CURVES

Number = TypeVar("Number", np.float64, np.int64)


def gather(
    everyone: pd.DataFrame, accuracy: pd.DataFrame, continual: pd.DataFrame | None
) -> MetricData:
    """The arrays of all replicas; a replica without rows is all NaN rather than absent."""
    matrices = accuracy_matrices(accuracy)
    rows_K = replica_positions(matrices.replicas, everyone)
    accuracy_KEE = _take(matrices.accuracy_KEE, rows_K, np.nan)
    initial_KE = _take(matrices.initial_KE, rows_K, np.nan)
    if continual is None:
        return MetricData(accuracy_KEE=accuracy_KEE, initial_KE=initial_KE)
    curves = continual_curves(continual)
    # An interrupted run may have entered an experience that the accuracy table does not know.
    more = max(0, curves.accuracy_KSE.shape[-1] - accuracy_KEE.shape[-1])
    rows_K = replica_positions(curves.replicas, everyone)
    return MetricData(
        accuracy_KEE=np.pad(accuracy_KEE, [(0, 0), (0, more), (0, more)], constant_values=np.nan),
        initial_KE=np.pad(initial_KE, [(0, 0), (0, more)], constant_values=np.nan),
        accuracy_KSE=_take(curves.accuracy_KSE, rows_K, np.nan),
        experience_KS=_take(curves.experience_KS, rows_K, np.int64(PADDING)),
    )


def judged(everyone: pd.DataFrame, prequential: pd.DataFrame) -> Floats:
    """Prequential metrics at the end of the stream, `[K, M]`."""
    check_columns(prequential, "prequential", [*REPLICA, "position", *CURVES])
    last = prequential.sort_values("position").groupby(REPLICA).tail(1)
    return _columns(everyone, last, CURVES)


def detected(everyone: pd.DataFrame, detection: pd.DataFrame) -> Floats:
    """Scores of detectors, mean over watching parts, `[K, D]`."""
    check_columns(detection, "detection", [*REPLICA, *SCORES])
    means = detection.groupby(REPLICA)[list(SCORES)].mean().reset_index()
    return _columns(everyone, means, SCORES)


def _columns(everyone: pd.DataFrame, rows: pd.DataFrame, names: Sequence[str]) -> Floats:
    """Columns of a table with at most one row a replica, NaN where there is none."""
    if rows.empty:
        return np.full((len(everyone), len(names)), np.nan)
    values_KM = rows[list(names)].to_numpy(np.float64)
    return _take(values_KM, replica_positions(rows, everyone), np.nan)


def select(data: MetricData, rows_K: npt.NDArray[np.intp]) -> MetricData:
    return replace(
        data,
        accuracy_KEE=data.accuracy_KEE[rows_K],
        initial_KE=data.initial_KE[rows_K],
        accuracy_KSE=None if data.accuracy_KSE is None else data.accuracy_KSE[rows_K],
        experience_KS=None if data.experience_KS is None else data.experience_KS[rows_K],
        judged_KM=None if data.judged_KM is None else data.judged_KM[rows_K],
        detected_KD=None if data.detected_KD is None else data.detected_KD[rows_K],
    )


def of_length(data: MetricData, length: int | None) -> MetricData:
    """Without experiences that only other settings have."""
    return replace(
        data,
        accuracy_KEE=data.accuracy_KEE[:, :length, :length],
        initial_KE=data.initial_KE[:, :length],
        accuracy_KSE=None if data.accuracy_KSE is None else data.accuracy_KSE[..., :length],
    )


def _take(
    values_K: npt.NDArray[Number], rows_K: Ints, absent: Number | float
) -> npt.NDArray[Number]:
    """Rows of an array by position, `absent` where the position is -1."""
    taken_K = values_K[rows_K]
    taken_K[rows_K < 0] = absent
    return taken_K
