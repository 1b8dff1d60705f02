"""Cohorts: arms with names that tell them apart, tables under each other."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from streamsim.runs import open_run
from streamsim_reports.cohort import gather

WriteRun = Callable[..., Path]


def test_tables_of_all_arms_lie_under_each_other(five_runs: list[Path]) -> None:
    cohort = gather(five_runs)
    assert cohort.labels == ["naive", "ewc", "lwf", "agem", "replay"]
    table = cohort.table("accuracy")
    assert len(table) == sum(len(open_run(path).table("accuracy")) for path in five_runs)
    assert list(table.columns[:2]) == ["label", "scenario"]
    # the order of the arms, not of the alphabet
    assert list(table["label"].cat.categories) == cohort.labels
    own = table[table["label"] == "lwf"].drop(columns=["label", "scenario"])
    assert own.reset_index(drop=True).equals(open_run(five_runs[2]).table("accuracy"))


def test_each_setting_of_a_sweep_is_an_arm(tmp_path: Path, write_run: WriteRun) -> None:
    settings = [{"strategy.ewc.strength": 0.1}, {"strategy.ewc.strength": 10.0}]
    cohort = gather([write_run(tmp_path / "r", strategy="ewc", settings=settings)])
    assert cohort.labels == ["ewc strength=0.1", "ewc strength=10"]
    assert [arm.options["strategy.ewc.strength"] for arm in cohort.arms] == [0.1, 10.0]
    assert len(cohort.runs) == 1
    counts = cohort.table("replicas")["label"].value_counts()
    assert counts.to_dict() == {"ewc strength=0.1": 5, "ewc strength=10": 5}


def test_names_grow_only_as_far_as_needed(tmp_path: Path, write_run: WriteRun) -> None:
    paths = [
        write_run(tmp_path / "a", "split-digits", "naive"),
        write_run(tmp_path / "b", "rotated-digits", "naive"),
        write_run(tmp_path / "c", "split-digits", "ewc"),
        write_run(tmp_path / "d", "split-digits", "ewc"),
    ]
    assert gather(paths).labels == [
        "naive on split-digits", "naive on rotated-digits", "ewc (c)", "ewc (d)",
    ]  # fmt: skip
    assert gather(paths).scenarios == ["split-digits", "rotated-digits"]
    assert gather([paths[2], paths[2]]).labels == ["ewc"]


def test_no_runs_are_refused() -> None:
    with pytest.raises(ValueError, match="no runs given; name one or more run folders"):
        gather([])


def test_a_table_nobody_has_says_how_to_get_it(tmp_path: Path, write_run: WriteRun) -> None:
    finished, unfinished = write_run(tmp_path / "a"), write_run(tmp_path / "b", done=2)
    for paths in ([finished], [unfinished], [unfinished, finished]):
        with pytest.raises(ValueError, match="--transference"):
            gather(paths).table("transference")


def test_arms_that_were_not_asked_for_a_table_are_absent(
    tmp_path: Path, write_run: WriteRun
) -> None:
    paths = [write_run(tmp_path / "a"), write_run(tmp_path / "b", strategy="lwf", eval_every=20)]
    assert set(gather(paths).table("continual")["label"]) == {"lwf"}


def test_a_damaged_table_is_never_passed_over(five_runs: list[Path], tmp_path: Path) -> None:
    for path in five_runs[:2]:
        shutil.copytree(path, tmp_path / path.name)
    (tmp_path / "naive" / "continual.parquet").write_bytes(b"no table")
    (tmp_path / "naive" / "accuracy.parquet").unlink()
    cohort = gather(sorted(tmp_path.iterdir()))
    for name in ("continual", "accuracy"):
        with pytest.raises(ValueError, match=rf"{name}\.parquet is missing or damaged"):
            cohort.table(name)
