"""One number an arm: metrics of whole runs, for bars and scatter plots."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from streamsim_reports.cohort import Cohort

COLUMNS = ["label", "scenario", "metric", "mean", "ci95", "num_seeds"]


def scores(cohort: Cohort, metrics: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Defined metrics of every arm, as `Run.summary` has them, and why others have no number."""
    rows, reasons = [], []
    for arm in cohort.arms:
        try:
            summary = cohort.once(("summary", arm.run.path), arm.run.summary)
        except ValueError as error:  # nothing recorded yet
            reasons.append(str(error))
            continue
        own = summary.query("setting == @arm.setting and metric in @metrics")
        for row in own.to_dict("records"):
            if row["mean"] == row["mean"]:
                rows.append((arm.label, arm.scenario, *(row[name] for name in COLUMNS[2:])))
            else:
                reasons.append(f"{row['metric'].replace('_', ' ')}: {row['note']}")
    found = pd.DataFrame(rows, columns=COLUMNS)
    found["label"] = pd.Categorical(found["label"], categories=cohort.labels, ordered=True)
    return found, list(dict.fromkeys(reasons))
