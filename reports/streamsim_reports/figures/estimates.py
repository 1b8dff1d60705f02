"""Means over seeds with their confidence intervals, for many points at once."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def estimate(table: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """Mean, half-width of its 95 % interval and number of seeds of each group of rows.

    One row a seed is expected within a group. Columns: `by`, mean, ci95 (NaN with one seed: no
    interval is invented), num_seeds. The interval is that of `streamsim.metrics.mean_ci`. Groups
    without any value are left out.

    >>> table = pd.DataFrame({"on": [1, 1, 2], "seed": [0, 1, 0], "accuracy": [0.5, 0.7, 0.9]})
    >>> estimate(table, ["on"], "accuracy").round(3).to_dict("list")
    {'on': [1, 2], 'mean': [0.6, 0.9], 'ci95': [1.271, nan], 'num_seeds': [2, 1]}
    """
    from scipy.special import stdtrit

    groups = table.groupby(list(by), observed=True, sort=True)[value]
    found = groups.agg(["mean", "std", "count"]).reset_index()
    found = found[found["count"] > 0].reset_index(drop=True)
    several = found["count"] > 1
    quantile = stdtrit((found["count"] - 1).where(several), 0.975)
    found["ci95"] = (quantile * found["std"] / found["count"] ** 0.5).where(several)
    found = found.rename(columns={"count": "num_seeds"})
    return found[[*by, "mean", "ci95", "num_seeds"]]
