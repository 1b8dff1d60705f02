"""From tidy tables to arrays: the only place that knows how the tables are laid out.

A replica is one (setting, seed) pair. Replicas are sorted by setting, then seed.

Shape letters: K replicas, E experiences, S moments (training steps at which the replica was
evaluated), N table rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

REPLICA = ["setting", "seed"]
PADDING = -1  # in experience_KS: this replica has fewer moments than the longest one

# Key columns of each table and the smallest value allowed in each; None: any integer.
_ACCURACY_KEYS = {"setting": 0, "seed": None, "after": -1, "on": 0}
_CONTINUAL_KEYS = {"setting": 0, "seed": None, "experience": 0, "step": 1, "on": 0}


class AccuracyMatrices(NamedTuple):
    """Accuracies at the ends of experiences, one matrix per replica."""

    replicas: pd.DataFrame  # K rows: setting, seed
    accuracy_KEE: Floats  # [k, i, j]: accuracy on j after training on i; NaN where not evaluated
    initial_KE: Floats  # [k, j]: accuracy on j before any training; NaN where not evaluated


class ContinualCurves(NamedTuple):
    """Accuracies inside experiences. Replicas may have been evaluated at different moments."""

    replicas: pd.DataFrame  # K rows: setting, seed
    accuracy_KSE: Floats  # [k, s, j]: accuracy on j at moment s; NaN where not evaluated
    experience_KS: Ints  # experience in training at moment s, ascending; PADDING at the end
    step_KS: Ints  # steps done within that experience, ascending; PADDING at the end


def accuracy_matrices(accuracy: pd.DataFrame) -> AccuracyMatrices:
    """Accuracy matrices R[i, j] of all replicas, N rows -> [K, E, E] and [K, E].

    Needs the columns setting, seed, after, on and accuracy; rows with after = -1 hold the
    accuracies before any training. E is one more than the largest experience named in the table.

    >>> table = pd.DataFrame(
    ...     [(0, 7, 0, 0, 0.9), (0, 7, 1, 0, 0.6), (0, 7, 1, 1, 0.8)],
    ...     columns=["setting", "seed", "after", "on", "accuracy"],
    ... )
    >>> accuracy_matrices(table).accuracy_KEE.tolist()
    [[[0.9, nan], [0.6, 0.8]]]
    """
    _check_table(accuracy, "accuracy", _ACCURACY_KEYS)
    replicas, replica_N = _replicas(accuracy)
    after_N, on_N = _column(accuracy, "after"), _column(accuracy, "on")
    num_experiences = 1 + int(max(after_N.max(), on_N.max()))
    # One extra row: after = -1 lands on it by ordinary negative indexing.
    table_KAE = np.full((len(replicas), num_experiences + 1, num_experiences), np.nan)
    table_KAE[replica_N, after_N, on_N] = _accuracies(accuracy)
    return AccuracyMatrices(replicas, table_KAE[:, :-1], table_KAE[:, -1])


def continual_curves(continual: pd.DataFrame) -> ContinualCurves:
    """Accuracies at every evaluated moment of all replicas, N rows -> [K, S, E] and [K, S].

    Needs the columns setting, seed, experience, step, on and accuracy. Moments are sorted by
    experience, then step; S is the largest number of moments any replica has.

    >>> table = pd.DataFrame(
    ...     [(0, 7, 0, 5, 0, 0.9), (0, 7, 1, 5, 0, 0.6), (0, 7, 1, 5, 1, 0.8)],
    ...     columns=["setting", "seed", "experience", "step", "on", "accuracy"],
    ... )
    >>> curves = continual_curves(table)
    >>> curves.accuracy_KSE.tolist(), curves.experience_KS.tolist()
    ([[[0.9, nan], [0.6, 0.8]]], [[0, 1]])
    """
    _check_table(continual, "continual", _CONTINUAL_KEYS)
    replicas, replica_N = _replicas(continual)
    moment = [*REPLICA, "experience", "step"]
    moments = continual[moment].drop_duplicates().sort_values(moment)
    by_replica = moments.groupby(REPLICA, sort=True)
    owner_M = by_replica.ngroup().to_numpy()
    position_M = by_replica.cumcount().to_numpy()  # of each moment within its replica
    position_N = position_M[continual.groupby(moment, sort=True).ngroup().to_numpy()]

    on_N = _column(continual, "on")
    num_experiences = 1 + int(max(on_N.max(), _column(continual, "experience").max()))
    shape_KS = (len(replicas), 1 + int(position_M.max()))
    accuracy_KSE = np.full((*shape_KS, num_experiences), np.nan)
    accuracy_KSE[replica_N, position_N, on_N] = _accuracies(continual)
    experience_KS = np.full(shape_KS, PADDING, dtype=np.int64)
    experience_KS[owner_M, position_M] = _column(moments, "experience")
    step_KS = np.full(shape_KS, PADDING, dtype=np.int64)
    step_KS[owner_M, position_M] = _column(moments, "step")
    return ContinualCurves(replicas, accuracy_KSE, experience_KS, step_KS)


def lengths_of_settings(accuracy: pd.DataFrame, continual: pd.DataFrame | None) -> dict[int, int]:
    """How many experiences each setting has: a swept option may decide that."""
    places = [accuracy.rename(columns={"after": "experience"})]
    places += [] if continual is None else [continual]
    rows = pd.concat([table[["setting", "experience", "on"]] for table in places])
    last = rows.groupby("setting", as_index=False).max()
    lengths = 1 + last[["experience", "on"]].max(axis=1)
    return dict(zip(last["setting"].tolist(), lengths.tolist(), strict=True))


def replica_positions(replicas: pd.DataFrame, wanted: pd.DataFrame) -> Ints:
    """Row of `replicas` that holds each wanted replica, -1 where there is none.

    >>> have = pd.DataFrame({"setting": [0, 0], "seed": [1, 2]})
    >>> replica_positions(have, pd.DataFrame({"setting": [0, 0], "seed": [2, 3]})).tolist()
    [1, -1]
    """
    have = pd.MultiIndex.from_frame(replicas[REPLICA])
    want = pd.MultiIndex.from_frame(wanted[REPLICA])
    return np.asarray(have.get_indexer(want), dtype=np.int64)


def check_columns(table: pd.DataFrame, name: str, needed: list[str]) -> None:
    """Raise a ValueError that names the columns a table lacks.

    >>> check_columns(pd.DataFrame({"seed": [1]}), "replicas", ["setting", "seed"])
    Traceback (most recent call last):
    ...
    ValueError: the replicas table has no column setting; it has seed; it needs setting, seed
    """
    missing = [column for column in needed if column not in table.columns]
    if missing:
        has = ", ".join(map(str, table.columns)) or "none"
        raise ValueError(
            f"the {name} table has no column {', '.join(missing)}; it has {has}; "
            f"it needs {', '.join(needed)}"
        )


def _check_table(table: pd.DataFrame, name: str, keys: Mapping[str, int | None]) -> None:
    check_columns(table, name, [*keys, "accuracy"])
    if table.empty:
        raise ValueError(f"the {name} table is empty; give at least one row per replica")
    for column, lowest in keys.items():
        _check_key(table[column], name, lowest)
    if not pd.api.types.is_numeric_dtype(table["accuracy"].dtype):
        raise ValueError(
            f"column accuracy of the {name} table has type {table['accuracy'].dtype}; "
            "give numbers, NaN where the replica had diverged"
        )
    repeated = table.duplicated(list(keys))
    if repeated.any():
        first = table.loc[repeated, list(keys)].iloc[0]
        where = ", ".join(f"{column}={first[column]}" for column in keys)
        raise ValueError(
            f"the {name} table has {int(repeated.sum())} repeated rows, first at {where}; "
            "give one row for each, and do not join two runs in one table"
        )


def _check_key(column: pd.Series, name: str, lowest: int | None) -> None:
    whole = pd.api.types.is_integer_dtype(column.dtype) and not column.isna().any()
    if not whole:
        raise ValueError(
            f"column {column.name} of the {name} table has type {column.dtype} or missing values; "
            "give integers"
        )
    if lowest is not None and column.min() < lowest:
        raise ValueError(
            f"column {column.name} of the {name} table holds {column.min()}; "
            f"give integers from {lowest} up"
        )


def _replicas(table: pd.DataFrame) -> tuple[pd.DataFrame, Ints]:
    """The sorted replicas of a table and, for each of its N rows, which of them it belongs to."""
    replicas = table[REPLICA].drop_duplicates().sort_values(REPLICA).reset_index(drop=True)
    replica_N = table.groupby(REPLICA, sort=True).ngroup().to_numpy()
    return replicas, np.asarray(replica_N, dtype=np.int64)


def _column(table: pd.DataFrame, name: str) -> Ints:
    return table[name].to_numpy(dtype=np.int64)


def _accuracies(table: pd.DataFrame) -> Floats:
    return table["accuracy"].to_numpy(dtype=np.float64, na_value=np.nan)
