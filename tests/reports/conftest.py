"""Run folders to report on, made up in milliseconds, written by the code that writes real ones.

Shape letters: R replicas, E experiences, A = E + 1 rows of a matrix: before any training, then
after each experience.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
from torch import Tensor

from streamsim import runs
from streamsim.runs import checkpoints
from streamsim.runs import tables as raw_tables
from streamsim.runs.checkpoints import Checkpoint

TESTED = 200  # test samples of each experience
STEPS = 40  # training steps of each experience

WriteRun = Callable[..., Path]
Replica = tuple[int, int]  # (setting, seed)


def _write_run(
    folder: Path,
    scenario: str = "split-digits",
    strategy: str = "naive",
    *,
    accuracy: npt.ArrayLike | None = None,  # [A, E] for all, or [R, A, E]; by default made up
    retention: float = 0.8,  # what is made up: share of an accuracy kept per later experience
    experiences: int = 5,
    seeds: int | Sequence[int] = 5,
    settings: Sequence[Mapping[str, Any]] = ({},),  # swept values of each setting
    options: Mapping[str, Any] | None = None,  # beside the few that are there anyway
    model: str = "mlp",
    protocol: str = "class",  # class, task or domain
    eval_every: int | None = None,  # adds the table `continual`
    diverged: Mapping[Replica, int] | None = None,  # experience in which a replica diverged
    done: int | None = None,  # experiences done by an unfinished run
    seconds: float = 12.5,
    notes: Sequence[str] = (),
    tables: Mapping[str, pd.DataFrame] | None = None,  # further tables, written as they are
) -> Path:
    """A genuine-looking run folder; returns its path.

    An accuracy is noted in whole samples out of TESTED. The same arguments give the same tables.
    """
    chosen = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    replicas = [(setting, seed) for setting in range(len(settings)) for seed in chosen]
    if accuracy is None:
        accuracy = _made_up(len(replicas), experiences, retention, protocol)
    given = np.asarray(accuracy, dtype=np.float64)
    matrix_RAE = np.broadcast_to(given, (len(replicas), *given.shape[-2:]))
    swept: dict[str, list[Any]] = {}
    for setting in settings:
        for name, value in setting.items():
            swept.setdefault(name, [])
            swept[name] += [] if value in swept[name] else [value]
    info = _info(
        {
            "scenario": scenario,
            "strategy": strategy,
            "model": model,
            "options": {"train.lr": 0.1, "train.epochs": 1, "train.batch_size": 10}
            | dict(options or {})
            | dict(settings[0]),
            "seeds": chosen,
            "sweep": swept,
            "eval_every": eval_every,
        },
        [dict(setting) for setting in settings],
        matrix_RAE.shape[-1],
        protocol,
        seconds,
        notes,
    )
    num_done = matrix_RAE.shape[-1] if done is None else done
    rows = _rows(replicas, matrix_RAE, num_done, eval_every, dict(diverged or {}))
    folder.mkdir(parents=True, exist_ok=True)
    if done is None:
        raw_tables.write(folder, rows)
        runs.write_info(folder, {"status": "finished", **info})
    else:
        del rows["replicas"]  # written when a chunk ends
        checkpoints.write(folder, Checkpoint({"experience": done}, {}, rows))
        runs.write_info(folder, {"status": "interrupted", **info})
    for name, table in (tables or {}).items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    return folder


def _info(
    configuration: Mapping[str, Any],
    settings: list[dict[str, Any]],
    experiences: int,
    protocol: str,
    seconds: float,
    notes: Sequence[str],
) -> dict[str, Any]:
    names = ["run", configuration["scenario"], configuration["strategy"]]
    return {
        "configuration": configuration,
        "settings": settings,
        "stream": {
            "setting": protocol,
            "num_experiences": experiences,
            "num_classes": 2 * experiences,
            "input_shape": [1, 8, 8],
            "reveals": ["boundaries"],
        },
        "execution": {"device": "cpu", "vectorize": "auto", "compile": "auto"},
        "notes": list(notes),
        "environment": {
            "python": "3.11.7",
            "platform": "Linux",
            "device": "cpu, 2 threads",
            "command": ["streamsim", *names],
            "packages": {"streamsim": "0.1.0", "torch": "2.15.0"},
        },
        "steps": {"choice": "eager", "reason": "short"},
        "chunks": [len(settings) * len(configuration["seeds"])],
        "timings": {"seconds": seconds},
        "peak_bytes": {"host": 500_000_000},
    }


def _made_up(
    num_replicas: int, experiences: int, retention: float, protocol: str
) -> npt.NDArray[np.float64]:
    """Accuracies that decay with every later experience, [R, A, E]; noise differs by replica."""
    noise = np.random.default_rng(round(retention * 1000))
    learned_RE = 0.95 + 0.02 * noise.standard_normal((num_replicas, experiences))
    kept_R = retention + 0.03 * noise.standard_normal(num_replicas)
    age_AE = np.arange(-1, experiences)[:, None] - np.arange(experiences)
    kept_RAE = kept_R[:, None, None].clip(0, 1) ** age_AE.clip(0)
    unseen = 0.0 if protocol == "class" else 0.5
    matrix_RAE = np.where(age_AE < 0, unseen, learned_RE[:, None] * kept_RAE)
    return np.asarray(matrix_RAE.clip(0, 1))


def _rows(
    replicas: Sequence[Replica],
    matrix_RAE: npt.NDArray[np.float64],
    num_done: int,
    eval_every: int | None,
    diverged: Mapping[Replica, int],
) -> dict[str, dict[str, Tensor]]:
    """Columns of every table, as a run hands them to `runs.tables.write`."""
    experiences = matrix_RAE.shape[-1]
    gone_R = np.array([diverged.get(replica, experiences) for replica in replicas])
    replica, after, on = _grid(len(replicas), num_done + 1, experiences)
    tables = {"accuracy": {"after": after - 1, "on": on, **_tested(
        matrix_RAE[replica, after, on], after - 1 >= gone_R[replica])}}  # fmt: skip
    of = {"accuracy": replica}
    if eval_every is not None:
        cells = list(_moments(num_done, eval_every))
        experience, step, tested = np.array(cells).T
        of["continual"], cell = _grid(len(replicas), len(cells))
        before, now = (
            matrix_RAE[of["continual"], experience[cell] + later, tested[cell]] for later in (0, 1)
        )
        # past experiences dip at first and recover, as real ones do
        share = step[cell] / STEPS
        value = before + (now - before) * share - 0.3 * (now + before) / 2 * (1 - share)
        value = np.where(tested[cell] == experience[cell], now * share**0.3, value)
        tables["continual"] = {
            "experience": experience[cell],
            "step": step[cell],
            "on": tested[cell],
            **_tested(value.clip(0, 1), experience[cell] >= gone_R[of["continual"]]),
        }
    of["training"], trained = _grid(len(replicas), num_done)
    tables["training"] = {
        "experience": trained,
        "steps": np.full(len(trained), STEPS),
        "loss": 1.0 / (1.0 + trained),
    }
    (of["replicas"],) = _grid(len(replicas))
    tables["replicas"] = {
        "diverged_experience": np.where(gone_R < experiences, gone_R, -1),
        "diverged_step": np.where(gone_R < experiences, STEPS // 2, -1),
    }
    pairs = np.array(replicas)
    return {
        name: {
            key: torch.from_numpy(np.ascontiguousarray(column))
            for key, column in {
                "setting": pairs[of[name], 0],
                "seed": pairs[of[name], 1],
                **columns,
            }.items()
        }
        for name, columns in tables.items()
    }


def _grid(*sizes: int) -> list[npt.NDArray[np.int64]]:
    return [index.ravel() for index in np.indices(sizes)]


def _tested(
    accuracy: npt.NDArray[np.float64], gone: npt.NDArray[np.bool_]
) -> dict[str, npt.NDArray[Any]]:
    correct = np.where(gone, -1, (accuracy * TESTED).round().astype(np.int64))
    return {"correct": correct, "total": np.full(len(correct), TESTED)}


def _moments(num_done: int, eval_every: int) -> Iterator[tuple[int, int, int]]:
    """(experience, step, on) of every evaluation inside experiences."""
    for experience in range(num_done):
        for step in sorted({*range(eval_every, STEPS + 1, eval_every), STEPS}):
            for on in range(experience + 1):
                yield experience, step, on


@pytest.fixture(scope="session")
def write_run() -> WriteRun:
    """The function that writes a run folder: `write_run(folder, scenario, strategy, ...)`."""
    return _write_run


@pytest.fixture(scope="session")
def five_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five strategies on one scenario, five experiences, five seeds, evaluated continually."""
    kept = {"naive": 0.3, "ewc": 0.5, "lwf": 0.7, "agem": 0.85, "replay": 0.95}
    root = tmp_path_factory.mktemp("five")
    return [
        _write_run(root / name, strategy=name, retention=share, eval_every=10)
        for name, share in kept.items()
    ]


@pytest.fixture(scope="session")
def twelve_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """As large as people compare: twelve strategies, twenty experiences, thirty seeds."""
    root = tmp_path_factory.mktemp("twelve")
    parts = ["naive", "ewc", "si", "mas", "lwf", "agem", "gem", "ncm"]
    names = [*parts, "replay", "replay+lwf", "maml-init+replay", "multihead+ewc+replay"]
    return [
        _write_run(
            root / name,
            strategy=name,
            retention=0.55 + 0.04 * number,
            experiences=20,
            seeds=30,
            eval_every=10,
            options={f"strategy.{name}.memory_size": 100 * number} if "replay" in name else {},
        )
        for number, name in enumerate(names)
    ]
