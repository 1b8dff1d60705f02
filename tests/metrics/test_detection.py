"""Detection scores on streams worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from streamsim.metrics import detection
from streamsim_scenarios.takeovers import Takeovers


def scored(
    alarms: list[int], drifts: list[int], length: int = 1000, tolerance: int | None = None
) -> dict[str, Any]:
    where = {"setting": 0, "seed": 1}
    table = detection(
        pd.DataFrame({**where, "watcher": 0, "position": pd.Series(alarms, dtype="int64")}),
        pd.DataFrame({**where, "position": pd.Series(drifts, dtype="int64")}),
        pd.DataFrame({**where, "watcher": [0], "length": length}),
        tolerance,
    )
    (row,) = table.to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_the_first_alarm_after_a_drift_detects_it_and_others_are_false() -> None:
    row = scored([50, 120, 150, 480], [100, 400])
    assert (row["drifts"], row["detected"], row["missed"], row["false_alarms"]) == (2, 2, 0, 2)
    assert row["delay"] == (20 + 80) / 2
    assert row["time_between_false_alarms"] == 500


def test_an_alarm_beyond_the_tolerance_is_false_and_the_drift_missed() -> None:
    row = scored([130, 480], [100, 400], tolerance=50)
    assert (row["detected"], row["missed"], row["false_alarms"], row["delay"]) == (1, 1, 1, 30)


def test_an_alarm_belongs_to_the_newest_drift() -> None:
    row = scored([450], [100, 400])
    assert (row["detected"], row["missed"], row["delay"]) == (1, 1, 50)


def test_nothing_said_is_nothing_false_and_has_no_delay() -> None:
    row = scored([], [100])
    assert (row["detected"], row["missed"], row["false_alarms"]) == (0, 1, 0)
    assert np.isnan(row["delay"])
    assert np.isnan(row["time_between_false_alarms"])


def test_an_alarm_in_the_first_half_of_a_wide_takeover_detects_it() -> None:
    takeover = Takeovers((500,), (400,))
    row = scored([350], takeover.begins())
    assert (row["detected"], row["false_alarms"], row["delay"]) == (1, 0, 50)


def test_an_alarm_of_the_last_sample_counts() -> None:
    assert scored([1000], [900])["detected"] == 1


def test_missing_columns_are_named() -> None:
    none = pd.DataFrame({"setting": [], "seed": [], "position": []})
    with pytest.raises(ValueError, match="watcher"):
        detection(none, none, none)
