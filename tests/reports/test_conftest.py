"""The made-up run folders say what was asked of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from streamsim.metrics import accuracy_matrices
from streamsim.runs import open_run

WriteRun = Callable[..., Path]


def test_a_given_matrix_is_read_back(tmp_path: Path, write_run: WriteRun) -> None:
    matrix_AE = np.array([[0.0, 0.0], [0.9, 0.0], [0.5, 0.8]])
    run = open_run(write_run(tmp_path / "r", accuracy=matrix_AE, seeds=[3, 8], eval_every=10))
    found = accuracy_matrices(run.table("accuracy"))
    assert found.replicas["seed"].tolist() == [3, 8]
    assert np.allclose(found.accuracy_KEE, matrix_AE[1:])
    assert run.summary().set_index("metric").loc["forgetting", "mean"] == 0.4
    # at the last moment of an experience, both tables say the same
    last = run.table("continual").query("step == 40 and experience == 1 and on == 0")
    assert last["accuracy"].tolist() == [0.5, 0.5]


def test_a_diverged_and_an_unfinished_run(tmp_path: Path, write_run: WriteRun) -> None:
    run = open_run(write_run(tmp_path / "d", diverged={(0, 1): 2}))
    assert run.summary()["num_diverged"].unique().tolist() == [1]
    run = open_run(write_run(tmp_path / "u", done=3))
    assert run.status == "interrupted"
    assert run.table("accuracy")["after"].max() == 2


def test_the_large_cohort_is_large(twelve_runs: list[Path]) -> None:
    opened = [open_run(path) for path in twelve_runs]
    assert len({run.configuration["strategy"] for run in opened}) == 12
    assert len(opened[0].table("accuracy")) == 30 * 21 * 20
