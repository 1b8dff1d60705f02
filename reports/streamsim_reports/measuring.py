"""The values of one metric that arms have, seed by seed, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from streamsim.metrics import Estimate, mean_ci
from streamsim.runs import Run
from streamsim_reports.cohort import Arm, Cohort

if TYPE_CHECKING:
    import pandas as pd


class Measured(NamedTuple):
    """An arm with its values."""

    arm: Arm
    method: str  # its label without the scenario
    values: pd.Series[float]  # by seed, of replicas that have one
    estimate: Estimate
    num_diverged: int
    note: str  # why values are missing


Stages = Mapping[str, Sequence[Measured]]  # arms that may be compared, by what they ran on


def measure(cohort: Cohort, found: Mapping[str, Sequence[Arm]], metric: str) -> Stages:
    """Read the values of a metric; of intransigence, against the stage's own run of `joint`."""
    method_of = dict(zip(cohort.labels, cohort.methods, strict=True))
    arms: dict[str, list[Measured]] = {}
    for stage, members in found.items():
        joint = next((arm.run for arm in members if arm.strategy == "joint"), None)
        reference = joint if metric == "intransigence" else None
        runs = {arm.run.path: arm.run for arm in members}
        replicas = {path: _replicas(run, reference) for path, run in runs.items()}
        arms[stage] = [
            _measured(arm, method_of[arm.label], replicas[arm.run.path], metric) for arm in members
        ]
    return arms


def _measured(arm: Arm, method: str, replicas: pd.DataFrame, metric: str) -> Measured:
    rows = replicas[(replicas["setting"] == arm.setting) & (replicas["metric"] == metric)]
    values = rows.set_index("seed")["value"].astype(float).dropna()
    diverged = rows["note"] == "diverged"
    note = "; ".join(note for note in dict.fromkeys(rows["note"][~diverged]) if note)
    if rows.empty:
        note = "unfinished, with no results yet"
    elif diverged.all():
        note = "all replicas diverged"
    return Measured(arm, method, values, mean_ci(values.to_numpy()), int(diverged.sum()), note)


def _replicas(run: Run, joint: Run | None) -> pd.DataFrame:
    """Every metric of every replica; of an unfinished run as far as it goes."""
    if run.status != "finished" and run.table("accuracy").empty:
        import pandas as pd

        return pd.DataFrame(columns=["setting", "seed", "metric", "value", "note"])
    return run.per_replica(joint)


def incomplete(arms: Stages, metric: str) -> Iterator[str]:
    """Arms that stand alone, are unfinished, have diverged or lack the metric."""
    for stage, members in arms.items():
        if len(members) == 1:
            yield f"only {members[0].arm.label} ran on {stage}: nothing to compare it with there"
        for measured in members:
            label, run, gone = measured.arm.label, measured.arm.run, measured.num_diverged
            if run.status != "finished":
                yield (
                    f"{label} is unfinished and shown as far as it goes; finish it with: "
                    f"streamsim resume {run.path}"
                )
            if measured.values.empty:
                yield f"{label} has no {metric}: {measured.note}"
            elif gone:
                yield (
                    f"{label}: {gone} of {len(measured.values) + gone} replicas diverged; means "
                    "and tests are of the others, and so kinder than the truth"
                )
