"""Every table as a Parquet file, types kept."""

from __future__ import annotations

from pathlib import Path

from streamsim.runs import Run
from streamsim_reports.export.contents import tables


def write(run: Run, folder: Path) -> str:
    """`accuracy.parquet`, `metrics.parquet`, `settings.parquet` and so on."""
    for name, table in tables(run).items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    return f"{folder}: read it with pandas.read_parquet('{folder / 'settings.parquet'}'), for one"
