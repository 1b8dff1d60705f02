"""Metrics of a run, or why there are none: `summarize` over seeds, `per_replica` one by one.

Shape letters: K replicas, E experiences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from streamsim.metrics.arrays import (
    REPLICA,
    Floats,
    Ints,
    accuracy_matrices,
    check_columns,
    lengths_of_settings,
    replica_positions,
)
from streamsim.metrics.catalogue import METRICS
from streamsim.metrics.estimate import mean_ci
from streamsim.metrics.gathering import detected, gather, judged, of_length, select
from streamsim.metrics.metric import Metric, MetricData

COLUMNS = ["setting", "metric", "mean", "ci95", "num_seeds", "num_diverged", "note"]
REPLICA_COLUMNS = ["setting", "seed", "metric", "value", "note"]
PROTOCOLS = ("class", "task", "domain")


class Summary(pd.DataFrame):
    """A summary; printed, numbers come first, and below them why there are no others."""

    def __repr__(self) -> str:
        if list(self.columns) != COLUMNS or self.empty:
            return super().__repr__()
        known = self[self["mean"].notna()]
        one = self["setting"].nunique() == 1
        shown = known.drop(columns=["note", "setting"] if one else ["note"])
        reasons = self[self["note"] != ""].groupby("note", sort=False)["metric"].unique()
        notes = [f"{', '.join(metrics)}: {note}" for note, metrics in reasons.items()]
        return "\n".join([shown.to_string(index=False), *notes])


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
    detection: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """All metrics of a run, one row per setting and metric, in the order of METRICS.

    Columns: setting, metric, mean over seeds, ci95 (half-width of the 95 % interval), num_seeds
    that entered the mean, num_diverged that are left out of it, and note: why there is no number,
    or which replicas are missing from it. `joint` is the accuracy table of a jointly trained run
    of the same scenario: its final accuracies, averaged over seeds, are the reference of
    intransigence. `protocol["setting"]` may tell that the stream is "class", "task" or "domain"
    incremental. `prequential` is what `prequential_curves` makes of a run that was judged while
    learning, `detection` what the function of that name makes of one that watched for drift: no
    rows where nobody knows the drifts.

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
        for found in _outcomes(
            accuracy, continual, replicas, joint, protocol, prequential, detection
        )
    ]
    return Summary(rows, columns=COLUMNS)


def per_replica(
    accuracy: pd.DataFrame,
    continual: pd.DataFrame | None = None,
    replicas: pd.DataFrame | None = None,
    joint: pd.DataFrame | None = None,
    protocol: Mapping[str, object] | None = None,
    prequential: pd.DataFrame | None = None,
    detection: pd.DataFrame | None = None,
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
        for found in _outcomes(
            accuracy, continual, replicas, joint, protocol, prequential, detection
        )
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
    detection: pd.DataFrame | None,
) -> Iterator[_Outcome]:
    """Setting by setting, in the order of METRICS."""
    # A run that was to be continually evaluated but never got that far has an empty table.
    inside = continual if continual is not None and not continual.empty else None
    diverged = _diverged(accuracy, inside, replicas)
    everyone = _everyone([t for t in (accuracy, inside, replicas) if t is not None])
    data = gather(everyone, accuracy, inside)
    data = replace(
        data,
        reference_E=_joint_reference(joint),
        judged_KM=None if prequential is None else judged(everyone, prequential),
        detected_KD=None if detection is None else detected(everyone, detection),
        protocol=_protocol(protocol),
    )

    diverged_K = replica_positions(diverged, everyone) >= 0
    lengths = lengths_of_settings(accuracy, inside)
    setting_K, seed_K = (everyone[key].to_numpy(dtype=np.int64) for key in REPLICA)
    for setting in np.unique(setting_K):
        healthy_K = (setting_K == setting) & ~diverged_K
        healthy = of_length(select(data, np.flatnonzero(healthy_K)), lengths.get(setting))
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
        return values_K, f"{num_missing} of {num_healthy} replicas left out: {metric.lacking}"
    return values_K, ""


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
