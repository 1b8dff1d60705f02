"""Metrics of a run, or why there are none: `summarize` over seeds, `per_replica` one by one.

Shape letters: K replicas, E experiences, S moments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple, TypeVar

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
    lengths_of_settings,
    replica_positions,
)
from streamsim.metrics.catalogue import METRICS
from streamsim.metrics.estimate import mean_ci
from streamsim.metrics.metric import Metric, MetricData
from streamsim.metrics.prequential import CURVES

COLUMNS = ["setting", "metric", "mean", "ci95", "num_seeds", "num_diverged", "note"]
REPLICA_COLUMNS = ["setting", "seed", "metric", "value", "note"]
PROTOCOLS = ("class", "task", "domain")

Number = TypeVar("Number", np.float64, np.int64)


class _Outcome(NamedTuple):
    """One metric of one setting."""

    setting: int
    metric: str
    seed_K: Ints  # of the replicas that have not diverged
    values_K: Floats  # NaN where there is no number
    diverged: Ints  # seeds of the replicas that have
    note: str


def summarize(
    accuracy: pd.DataFrame,
    continual: pd.DataFrame | None = None,
    replicas: pd.DataFrame | None = None,
    joint: pd.DataFrame | None = None,
    protocol: Mapping[str, object] | None = None,
    prequential: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """All metrics of a run, one row per setting and metric, in the order of METRICS.

    Columns: setting, metric, mean over seeds, ci95 (half-width of the 95 % interval), num_seeds
    that entered the mean, num_diverged that are left out of it, and note: why there is no number,
    or which replicas are missing from it. `joint` is the accuracy table of a jointly trained run
    of the same scenario: its final accuracies, averaged over seeds, are the reference of
    intransigence. `protocol["setting"]` may tell that the stream is "class", "task" or "domain"
    incremental. `prequential` is what `prequential_curves` makes of a run that was judged while
    learning.

    >>> table = pd.DataFrame(
    ...     [(0, seed, i, j, [[0.9, 0.1], [0.6, 0.8]][i][j])
    ...      for seed in (1, 2) for i in (0, 1) for j in (0, 1)],
    ...     columns=["setting", "seed", "after", "on", "accuracy"],
    ... )
    >>> summary = summarize(table).set_index("metric")
    >>> summary.loc[["average_accuracy", "forgetting"], "mean"].round(3).tolist()
    [0.7, 0.3]
    >>> summary.loc["min_accuracy", "note"]
    'needs continual evaluation: run with --eval-every N'
    """
    rows = [
        (
            found.setting,
            found.metric,
            *mean_ci(found.values_K),
            len(found.diverged),
            found.note,
        )
        for found in _outcomes(accuracy, continual, replicas, joint, protocol, prequential)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def per_replica(
    accuracy: pd.DataFrame,
    continual: pd.DataFrame | None = None,
    replicas: pd.DataFrame | None = None,
    joint: pd.DataFrame | None = None,
    protocol: Mapping[str, object] | None = None,
    prequential: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Every metric of every replica: what `summarize` takes its means of, from the same arguments.

    Columns: setting, seed, metric, value and note. Replicas that diverged have no value and the
    note "diverged"; where else a value is NaN, the note says why.

    >>> table = pd.DataFrame(
    ...     [(0, seed, 0, 0, 0.1 * seed) for seed in (7, 8)],
    ...     columns=["setting", "seed", "after", "on", "accuracy"],
    ... )
    >>> values = per_replica(table)
    >>> values.loc[values["metric"] == "average_accuracy", ["seed", "value"]].round(3).to_numpy()
    array([[7. , 0.7],
           [8. , 0.8]])
    """
    rows = [
        row
        for found in _outcomes(accuracy, continual, replicas, joint, protocol, prequential)
        for row in _replica_rows(found)
    ]
    return pd.DataFrame(rows, columns=REPLICA_COLUMNS)


def _replica_rows(found: _Outcome) -> list[tuple[int, int, str, float, str]]:
    """The replicas of one outcome, by seed."""
    rows = [
        (found.setting, int(seed), found.metric, float(value), "" if value == value else found.note)
        for seed, value in zip(found.seed_K, found.values_K, strict=True)
    ]
    rows += [
        (found.setting, int(seed), found.metric, float("nan"), "diverged")
        for seed in found.diverged
    ]
    return sorted(rows, key=lambda row: row[1])


def _outcomes(
    accuracy: pd.DataFrame,
    continual: pd.DataFrame | None,
    replicas: pd.DataFrame | None,
    joint: pd.DataFrame | None,
    protocol: Mapping[str, object] | None,
    prequential: pd.DataFrame | None,
) -> Iterator[_Outcome]:
    """Setting by setting, in the order of METRICS."""
    # A run that was to be continually evaluated but never got that far has an empty table.
    inside = continual if continual is not None and not continual.empty else None
    diverged = _diverged(accuracy, inside, replicas)
    everyone = _everyone([t for t in (accuracy, inside, replicas) if t is not None])
    data = _gather(everyone, accuracy, inside)
    data = replace(
        data,
        reference_E=_joint_reference(joint),
        judged_KM=None if prequential is None else _judged(everyone, prequential),
        protocol=_protocol(protocol),
    )

    diverged_K = replica_positions(diverged, everyone) >= 0
    lengths = lengths_of_settings(accuracy, inside)
    setting_K, seed_K = (everyone[key].to_numpy(dtype=np.int64) for key in REPLICA)
    for setting in np.unique(setting_K):
        healthy_K = (setting_K == setting) & ~diverged_K
        healthy = _of_length(_select(data, np.flatnonzero(healthy_K)), lengths.get(setting))
        gone = seed_K[(setting_K == setting) & diverged_K]
        for metric in METRICS.values():
            values_K, note = _evaluate(metric, healthy)
            yield _Outcome(int(setting), metric.name, seed_K[healthy_K], values_K, gone, note)


def _evaluate(metric: Metric, healthy: MetricData) -> tuple[Floats, str]:
    """The metric of each replica that has not diverged, and what there is to say about it."""
    num_healthy = len(healthy.accuracy_KEE)
    nothing_K = np.full(num_healthy, np.nan)
    if num_healthy == 0:
        return nothing_K, "all replicas diverged"
    reason = metric.undefined(healthy)
    if reason is not None:
        return nothing_K, reason
    values_K = metric.function(healthy)
    num_missing = int(np.isnan(values_K).sum())
    if num_missing == num_healthy:
        return nothing_K, "no replica has all the accuracies it needs"
    if num_missing:
        return values_K, f"{num_missing} of {num_healthy} replicas left out: accuracies are missing"
    return values_K, ""


def _gather(
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


def _judged(everyone: pd.DataFrame, prequential: pd.DataFrame) -> Floats:
    """Prequential metrics at the end of the stream, `[K, M]`."""
    check_columns(prequential, "prequential", [*REPLICA, "position", *CURVES])
    last = prequential.sort_values("position").groupby(REPLICA).tail(1)
    if last.empty:
        return np.full((len(everyone), len(CURVES)), np.nan)
    values_KM = last[list(CURVES)].to_numpy(np.float64)
    return _take(values_KM, replica_positions(last, everyone), np.nan)


def _select(data: MetricData, rows_K: npt.NDArray[np.intp]) -> MetricData:
    return replace(
        data,
        accuracy_KEE=data.accuracy_KEE[rows_K],
        initial_KE=data.initial_KE[rows_K],
        accuracy_KSE=None if data.accuracy_KSE is None else data.accuracy_KSE[rows_K],
        experience_KS=None if data.experience_KS is None else data.experience_KS[rows_K],
        judged_KM=None if data.judged_KM is None else data.judged_KM[rows_K],
    )


def _of_length(data: MetricData, length: int | None) -> MetricData:
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


def _everyone(tables: list[pd.DataFrame]) -> pd.DataFrame:
    replicas = pd.concat([table[REPLICA] for table in tables]).drop_duplicates()
    return replicas.sort_values(REPLICA).reset_index(drop=True)


def _diverged(
    accuracy: pd.DataFrame, continual: pd.DataFrame | None, replicas: pd.DataFrame | None
) -> pd.DataFrame:
    """Replicas that diverged, by their own record or by a NaN where there was something to test."""
    found = []
    for name, table in {"accuracy": accuracy, "continual": continual}.items():
        if table is None:
            continue
        check_columns(table, name, [*REPLICA, "accuracy"])
        # Without test samples the accuracy is NaN as well, and nothing is wrong.
        tested = table["total"] > 0 if "total" in table.columns else True
        found.append(table.loc[table["accuracy"].isna() & tested, REPLICA])
    if replicas is not None:
        check_columns(replicas, "replicas", [*REPLICA, "diverged_experience"])
        found.append(replicas.loc[replicas["diverged_experience"].notna(), REPLICA])
    return _everyone(found)


def _joint_reference(joint: pd.DataFrame | None) -> Floats | None:
    """Final accuracy on each experience, mean over the seeds that have one, N rows -> [E]."""
    if joint is None:
        return None
    matrices = accuracy_matrices(joint)
    settings = matrices.replicas["setting"].unique().tolist()
    if len(settings) > 1:
        raise ValueError(
            f"the joint table has settings {settings}; a reference has one: keep its best"
        )
    trained = np.flatnonzero(~np.isnan(matrices.accuracy_KEE).all(axis=(0, 2)))
    if not trained.size:
        return np.full(matrices.accuracy_KEE.shape[-1], np.nan)
    final_KE = matrices.accuracy_KEE[:, trained[-1]]
    known_KE = ~np.isnan(final_KE)
    # np.nanmean would warn about an experience that no seed was evaluated on.
    count_E = np.where(known_KE.any(axis=0), known_KE.sum(axis=0), np.nan)
    return np.asarray(np.where(known_KE, final_KE, 0.0).sum(axis=0) / count_E)


def _protocol(protocol: Mapping[str, object] | None) -> str | None:
    setting = None if protocol is None else protocol.get("setting")
    if setting is None:
        return None
    if setting not in PROTOCOLS:
        raise ValueError(
            f"unknown protocol setting {setting!r}; give one of {', '.join(PROTOCOLS)}, or leave "
            "it out"
        )
    return str(setting)
