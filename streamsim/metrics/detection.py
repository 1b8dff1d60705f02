"""How well drift was detected: alarms against the true drifts.

Gama et al. 2014, "A survey on concept drift adaptation", section 4.3; Bifet et al. 2013, "CD-MOA".
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from streamsim.metrics.arrays import REPLICA, Floats, check_columns

SCORES = ("missed", "false_alarms", "delay", "time_between_false_alarms")
COLUMNS = [*REPLICA, "watcher", "drifts", "detected", *SCORES]


def detection(
    alarms: pd.DataFrame, drifts: pd.DataFrame, lengths: pd.DataFrame, tolerance: int | None = None
) -> pd.DataFrame:
    """One row for each replica and watching part.

    `alarms` and `drifts` are a run's tables, `lengths` has the columns setting, seed, length (of
    the stream, in samples) and watcher. A drift is where it begins. An alarm detects the drift
    before it if none did so earlier and it comes within `tolerance` samples (None: before the next
    drift); every other alarm is false. `delay` is the mean over detected drifts, in samples, and
    `time_between_false_alarms` the samples of a stream for each of its false alarms; NaN where
    there are none.

    >>> where = {"setting": 0, "seed": 7}
    >>> alarms = pd.DataFrame({**where, "watcher": 0, "position": [40, 110, 130]})
    >>> drifts = pd.DataFrame({**where, "position": [100, 200]})
    >>> lengths = pd.DataFrame({**where, "watcher": 0, "length": [300]})
    >>> detection(alarms, drifts, lengths)[["detected", "missed", "false_alarms", "delay"]].values
    array([[ 1.,  1.,  2., 10.]])
    """
    check_columns(alarms, "alarms", [*REPLICA, "position", "watcher"])
    check_columns(drifts, "drifts", [*REPLICA, "position"])
    check_columns(lengths, "lengths", [*REPLICA, "length", "watcher"])
    rows = []
    for own in lengths.itertuples():
        mine = (alarms["setting"] == own.setting) & (alarms["seed"] == own.seed)
        raised = alarms.loc[mine & (alarms["watcher"] == own.watcher), "position"]
        true = drifts.loc[
            (drifts["setting"] == own.setting) & (drifts["seed"] == own.seed), "position"
        ]
        scores = _scores(_sorted(raised), _sorted(true), float(own.length), tolerance)  # type: ignore[arg-type]
        rows.append((own.setting, own.seed, own.watcher, *scores))
    return pd.DataFrame(rows, columns=COLUMNS)


def _sorted(positions: pd.Series[int]) -> Floats:
    return np.sort(positions.to_numpy(np.float64))


def _scores(
    alarms: Floats, drifts: Floats, length: float, tolerance: int | None
) -> tuple[int, int, int, int, float, float]:
    delays = []
    for drift, following in zip(drifts, [*drifts[1:], length + 1], strict=True):
        end = following if tolerance is None else min(following, drift + tolerance + 1)
        after = alarms[(alarms > drift) & (alarms < end)]
        if after.size:
            delays.append(after[0] - drift)
    num_false = len(alarms) - len(delays)
    return (
        len(drifts),
        len(delays),
        len(drifts) - len(delays),
        num_false,
        float(np.mean(delays)) if delays else np.nan,
        length / num_false if num_false else np.nan,
    )
