"""Offline runs for Weights & Biases, one a replica; nothing leaves the machine before a sync."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from streamsim.runs import Run
from streamsim_reports.export.contents import Replica, replicas

if TYPE_CHECKING:
    from wandb import Settings


def write(run: Run, folder: Path) -> str:
    """History over steps, final metrics as summary, options as config; grouped by run folder."""
    import wandb

    settings = wandb.Settings(
        silent=True, console="off", disable_git=True, disable_code=True,
        x_disable_stats=True, x_disable_machine_info=True,
    )  # fmt: skip
    for replica in replicas(run):
        _write_run(replica, folder, run.path.resolve().name, settings)
    return f"{folder}: upload it with: wandb sync {folder}/wandb/offline-run-*"


def _write_run(replica: Replica, folder: Path, group: str, settings: Settings) -> None:
    import wandb

    made = wandb.init(
        mode="offline",
        dir=str(folder),
        project="streamsim",
        group=group,
        name=replica.name,
        config=dict(replica.config),
        settings=settings,
    )
    log = replica.scalars
    for step in sorted({int(step) for step in log["step"]}):
        rows = log[log["step"] == step]
        made.log(dict(zip(rows["tag"], rows["value"].astype(float), strict=True)), step=step)
    made.summary.update(replica.metrics)
    made.finish()
