"""Every table as a CSV file, numbers in full."""

from __future__ import annotations

from pathlib import Path

from streamsim.runs import Run
from streamsim_reports.export.contents import tables


def write(run: Run, folder: Path) -> str:
    """`accuracy.csv`, `metrics.csv`, `settings.csv` and so on."""
    for name, table in tables(run).items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return f"{folder}: read it with pandas.read_csv('{folder / 'settings.csv'}'), for one"
