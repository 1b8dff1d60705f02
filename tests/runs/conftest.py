"""A small run to write and to read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from streamsim import runs
from streamsim.runs import Run, tables

Rows = dict[str, dict[str, Tensor]]


@pytest.fixture
def info() -> dict[str, Any]:
    """What run.json holds, the format aside."""
    return {
        "configuration": {"scenario": "split-digits", "strategy": "naïve", "seeds": [3, 8]},
        "settings": [{}],
        "status": "finished",
        "stream": {"setting": "class"},
        "environment": {},
    }


def column(*values: int) -> Tensor:
    return torch.tensor(values)


@pytest.fixture
def rows() -> Rows:
    """Two seeds, two experiences; seed 8 diverges in the second. Not sorted."""
    return {
        "accuracy": {
            "setting": column(0, 0, 0, 0, 0, 0, 0, 0),
            "seed": column(3, 8, 3, 8, 3, 8, 3, 8),
            "after": column(1, 1, 1, 1, 0, 0, 0, 0),
            "on": column(1, 1, 0, 0, 0, 0, 1, 1),
            "correct": column(9, -1, 4, -1, 8, 6, 0, 1),
            "total": column(10, 10, 8, 8, 8, 8, 10, 10),
        },
        "replicas": {
            "setting": column(0, 0),
            "seed": column(3, 8),
            "diverged_experience": column(-1, 1),
            "diverged_step": column(-1, 4),
        },
        "training": {
            "setting": column(0, 0),
            "seed": column(8, 3),
            "experience": column(0, 0),
            "steps": column(5, 5),
            "loss": torch.tensor([0.5, 0.25], dtype=torch.float64),
        },
    }


@pytest.fixture
def run(tmp_path: Path, info: dict[str, Any], rows: Rows) -> Run:
    """The run, finished."""
    tables.write(tmp_path, rows)
    runs.write_info(tmp_path, info)
    return runs.open_run(tmp_path)
