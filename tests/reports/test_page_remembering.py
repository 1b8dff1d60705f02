"""Runs that are read once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import pytest

from streamsim import runs
from streamsim.runs import tables
from streamsim_reports.page.remembering import RememberedRun


def test_a_table_is_read_once_and_nobody_sees_what_another_adds(
    write_run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs.open_run(write_run(tmp_path / "a"))
    read: list[str] = []
    original = tables.read

    def counted(file: Path, columns: Sequence[str]) -> pd.DataFrame:
        read.append(file.name)
        return original(file, columns)

    monkeypatch.setattr(tables, "read", counted)
    remembered = RememberedRun(run.path, run.info)
    first = remembered.table("accuracy")
    first["mine"] = 1
    assert list(remembered.table("accuracy")) == list(run.table("accuracy"))
    assert read == ["accuracy.parquet", "accuracy.parquet"]  # once each
    assert remembered.summary().equals(run.summary())
    assert remembered.per_replica().equals(run.per_replica())
    before = len(read)
    remembered.summary()
    remembered.per_replica()
    assert len(read) == before
