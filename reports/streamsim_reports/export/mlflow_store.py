"""A local MLflow store in one SQLite file: an experiment, and a run a replica."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from streamsim.runs import Run
from streamsim_reports.export.contents import Replica, replicas

if TYPE_CHECKING:
    from mlflow import MlflowClient

BATCH = 1000  # the most metrics that MLflow takes at once
MOST_PARAMS = 100


def write(run: Run, folder: Path) -> str:
    """Metrics over steps, final metrics, options as parameters; the experiment is the run."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # building the database is told step by step otherwise
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    from mlflow import MlflowClient

    place = f"sqlite:///{(folder / 'mlflow.db').resolve()}"
    client = MlflowClient(place)
    artifacts = (folder / "artifacts").resolve().as_uri()
    experiment = client.create_experiment(run.path.resolve().name, artifact_location=artifacts)
    for replica in replicas(run):
        _write_run(replica, client, experiment)
    return f"{folder}: look at it with: mlflow ui --backend-store-uri {place}"


def _write_run(replica: Replica, client: MlflowClient, experiment: str) -> None:
    from mlflow.entities import Metric, Param

    made = client.create_run(experiment, run_name=replica.name).info
    moment = made.start_time
    log = replica.scalars
    last = int(log["step"].max())
    params = [Param(name, str(value)) for name, value in replica.config.items()]
    metrics = [
        *map(Metric, log["tag"], log["value"].astype(float), [moment] * len(log), log["step"]),
        *(Metric(f"metric/{name}", value, moment, last) for name, value in replica.metrics.items()),
    ]
    for start in range(0, len(params), MOST_PARAMS):
        client.log_batch(made.run_id, params=params[start : start + MOST_PARAMS])
    for start in range(0, len(metrics), BATCH):
        client.log_batch(made.run_id, metrics=metrics[start : start + BATCH])
    client.set_terminated(made.run_id)
