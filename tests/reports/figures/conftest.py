"""Runs that have every table a figure can ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

SEEDS, LENGTH = 3, 4000  # of a stream, in samples


@pytest.fixture(scope="session")
def drift_tables() -> dict[str, tuple[str, ...]]:
    """Columns of tables that runs on drifting streams write."""
    return {
        "drifts": ("setting", "seed", "position", "kind"),
        "alarms": ("setting", "seed", "position", "detector"),
    }


@pytest.fixture(autouse=True)
def _known_tables(
    drift_tables: dict[str, tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from streamsim import runs

    monkeypatch.setattr(runs, "TABLES", {**runs.TABLES, **drift_tables})


@pytest.fixture(scope="session")
def full_runs(
    tmp_path_factory: pytest.TempPathFactory, write_run: Callable[..., Path]
) -> list[Path]:
    """Three arms with transference, drifts and alarms, of which one is a sweep."""
    root = tmp_path_factory.mktemp("full")
    tables = {
        "transference": transference(5),
        "prequential": prequential(),
        "drifts": _events("kind", "abrupt", [2000]),
        "alarms": _events("detector", "adwin", [2150]),
    }
    common = {"seeds": SEEDS, "eval_every": 10, "tables": tables, "protocol": "domain"}
    return [
        write_run(root / "naive", strategy="naive", retention=0.5, **common),
        write_run(
            root / "ewc",
            strategy="ewc",
            settings=[{"strategy.ewc.strength": value} for value in (0.1, 10.0)],
            **{**common, "tables": {}},
        ),
        write_run(
            root / "replay",
            strategy="replay",
            retention=0.9,
            options={"strategy.replay.memory_size": 200},
            **common,
        ),
    ]


def transference(experiences: int) -> pd.DataFrame:
    """Ratios after every experience: neighbours help, others hurt."""
    cells = np.indices((SEEDS, experiences, experiences, experiences)).reshape(4, -1)
    table = pd.DataFrame(dict(zip(("seed", "after", "source", "target"), cells, strict=True)))
    far = (table["source"] - table["target"]).abs()
    ratio = np.exp(0.05 * (far - 1.5) + 0.001 * table["seed"])
    return table.assign(setting=0, loss_before=1.0, loss_after=ratio, ratio=ratio)


def prequential() -> pd.DataFrame:
    """Accuracy of every block of 10 samples; lower after a drift at 2,000."""
    position = np.arange(10, LENGTH + 1, 10)
    blocks = pd.DataFrame({"position": position, "accuracy": 0.9 - 0.3 * (position > 2000)})
    every = pd.concat([blocks.assign(seed=seed) for seed in range(SEEDS)])
    zeros = dict.fromkeys(["persistent", "log_loss", "faded_accuracy", "faded_log_loss"], 0)
    return every.assign(setting=0, total=10, correct=5, **zeros)


def _events(column: str, name: str, positions: list[int]) -> pd.DataFrame:
    rows = [(0, seed, position, name) for seed in range(SEEDS) for position in positions]
    return pd.DataFrame(rows, columns=["setting", "seed", "position", column])
