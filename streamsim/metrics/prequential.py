"""Prequential metrics: how a learner did on samples before it learned from them.

From the tables of sums over blocks that a run records; a window is a number of whole blocks.
Shape letters: K blocks of one replica, C classes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from streamsim.metrics.arrays import REPLICA, Floats, check_columns

CURVES = ("accuracy", "kappa", "kappa_temporal", "balanced_accuracy", "log_loss")
SUMS = ("total", "correct", "persistent", "log_loss")
PER_CLASS = ("labelled", "predicted", "correct")


def prequential_curves(
    prequential: pd.DataFrame, classes: pd.DataFrame, window: int | None = None
) -> pd.DataFrame:
    """Metrics over the last `window` samples (None: all so far), at the end of every block.

    `prequential` and `classes` are a run's tables `prequential` and `prequential_classes`. Columns:
    setting, seed, position (samples judged by then), then accuracy, kappa (Cohen 1960),
    kappa_temporal (against the last label once more; Žliobaitė et al. 2015), balanced_accuracy
    (mean recall of the classes that occurred) and log_loss (natural logarithm). A kappa is NaN
    where chance, or the last label, is always right. ValueError: a window that is no whole number
    of blocks.

    >>> sums = pd.DataFrame({"setting": 0, "seed": 1, "position": [2, 4], "total": 2,
    ...                      "correct": [1, 2], "persistent": [0, 1], "log_loss": [0.7, 0.2]})
    >>> counts = pd.DataFrame({"setting": 0, "seed": 1, "position": [2, 2, 4, 4],
    ...                        "class": [0, 1, 0, 1], "labelled": 1, "predicted": [2, 0, 1, 1],
    ...                        "correct": [1, 0, 1, 1]})
    >>> prequential_curves(sums, counts)[["position", "accuracy", "kappa"]].values.tolist()
    [[2.0, 0.5, 0.0], [4.0, 0.75, 0.5]]
    """
    check_columns(prequential, "prequential", [*REPLICA, "position", *SUMS])
    check_columns(classes, "prequential_classes", [*REPLICA, "position", "class", *PER_CLASS])
    counts = dict(iter(classes.groupby(REPLICA)))
    none = classes.iloc[:0]
    curves = [
        _curves(rows, counts.get(replica, none), window)
        for replica, rows in prequential.groupby(REPLICA)
    ]
    columns = [*REPLICA, "position", *CURVES]
    return pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=columns)


def _curves(rows: pd.DataFrame, classes: pd.DataFrame, window: int | None) -> pd.DataFrame:
    """Of one replica."""
    rows = rows.sort_values("position")
    total_K = rows["total"].to_numpy(np.float64)
    blocks = _blocks(window, total_K)
    block_of = pd.Series(np.arange(len(rows)), index=rows["position"])
    shape = (len(rows), int(classes["class"].max() + 1) if len(classes) else 1)
    labelled_KC, predicted_KC, right_KC = (
        _last(_dense(classes, block_of, name, shape), blocks) for name in PER_CLASS
    )
    sums = [rows[name].to_numpy(np.float64) for name in SUMS[1:]]
    seen_K = _last(total_K, blocks)
    correct_K, persistent_K = _last(sums[0], blocks), _last(sums[1], blocks)
    accuracy_K, last_K = correct_K / seen_K, persistent_K / seen_K
    chance_K = (labelled_KC * predicted_KC).sum(-1) / seen_K**2
    occurred_KC = labelled_KC > 0
    recall_KC = np.divide(right_KC, labelled_KC, out=np.zeros(shape), where=occurred_KC)
    return pd.DataFrame(
        {
            **{name: rows[name].to_numpy() for name in (*REPLICA, "position")},
            "accuracy": accuracy_K,
            "kappa": _above(accuracy_K, chance_K),
            "kappa_temporal": _above(accuracy_K, last_K),
            "balanced_accuracy": recall_KC.sum(-1) / occurred_KC.sum(-1),
            "log_loss": _last(sums[2] * total_K, blocks) / seen_K,
        }
    )


def _blocks(window: int | None, total_K: Floats) -> int:
    """The window in blocks; the last block of a run may be shorter than the others."""
    if window is None:
        return len(total_K)
    size = int(total_K[0])
    if window < size or window % size:
        raise ValueError(
            f"a window of {window} samples over blocks of {size}: choose a multiple of {size}, or "
            "run again with a smaller --set prequential.block"
        )
    return window // size


def _dense(
    classes: pd.DataFrame, block_of: pd.Series[int], name: str, shape: tuple[int, int]
) -> Floats:
    """One count, `[K, C]`; classes that did not occur have no row."""
    dense_KC = np.zeros(shape)
    where = block_of.loc[classes["position"]].to_numpy(), classes["class"].to_numpy(np.int64)
    dense_KC[where] = classes[name]
    return dense_KC


def _last(values_K: Floats, blocks: int) -> Floats:
    """Sums over the last `blocks` of every moment, or over fewer at the beginning."""
    total_K = np.concatenate([np.zeros_like(values_K[:1]), values_K]).cumsum(axis=0)
    end = np.arange(1, len(values_K) + 1)
    return np.asarray(total_K[end] - total_K[np.maximum(end - blocks, 0)])


def _above(accuracy_K: Floats, reference_K: Floats) -> Floats:
    """How far from the reference to perfection, in shares of the way."""
    room_K = 1 - reference_K
    undefined_K = np.full(len(room_K), np.nan)
    return np.asarray(
        np.divide(accuracy_K - reference_K, room_K, out=undefined_K, where=room_K > 0)
    )
