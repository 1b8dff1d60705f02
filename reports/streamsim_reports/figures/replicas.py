"""Which replicas of a cohort can be averaged, and which cannot."""

from __future__ import annotations

import pandas as pd

from streamsim_reports.cohort import Arm, Cohort

REPLICA = ["label", "seed"]


def healthy(cohort: Cohort, name: str) -> pd.DataFrame:
    """A raw table of all arms without the replicas that diverged; ValueError if nothing is left."""
    table = cohort.table(name)
    gone = pd.MultiIndex.from_frame(diverged(cohort))
    kept = table[~pd.MultiIndex.from_frame(table[REPLICA].astype({"label": str})).isin(gone)]
    if kept.empty:
        why = "all replicas diverged" if len(table) else "nothing has been recorded yet"
        raise ValueError(why)
    return kept.reset_index(drop=True)


def diverged(cohort: Cohort) -> pd.DataFrame:
    """Replicas whose loss was no number any more: label, seed.

    By their own record or, in an unfinished run, by an accuracy that is missing.
    """
    return cohort.once("diverged", lambda: _diverged(cohort))


def _diverged(cohort: Cohort) -> pd.DataFrame:
    accuracy = cohort.table("accuracy")
    tested = accuracy["accuracy"].isna() & (accuracy["total"] > 0)
    replicas = cohort.table("replicas")
    recorded = replicas["diverged_experience"].notna()
    found = pd.concat([accuracy.loc[tested, REPLICA], replicas.loc[recorded, REPLICA]])
    return found.astype({"label": str}).drop_duplicates(ignore_index=True)


def num_done(arm: Arm) -> int:
    """Experiences whose end has been evaluated, of the replica that is furthest."""
    table = arm.run.table("accuracy")
    after = table.loc[table["setting"] == arm.setting, "after"]
    return 1 + int(after.max()) if len(after) else 0


def num_experiences(arm: Arm) -> int:
    return int(arm.run.info["stream"]["num_experiences"])
