"""Cohorts: arms with names that tell them apart, tables under each other."""

from __future__ import annotations

from pathlib import Path

from streamsim.runs import open_run
from streamsim_reports.cohort import gather


def test_tables_of_all_arms_lie_under_each_other(five_runs: list[Path]) -> None:
    cohort = gather(five_runs)
    assert cohort.labels == ["naive", "ewc", "lwf", "agem", "replay"]
    table = cohort.table("accuracy")
    assert len(table) == sum(len(open_run(path).table("accuracy")) for path in five_runs)
