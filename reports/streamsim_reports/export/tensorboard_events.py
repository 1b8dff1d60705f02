"""Event files for TensorBoard, one folder a replica; needs the package tensorboard alone."""

from __future__ import annotations

import time
from pathlib import Path

from streamsim.runs import Run
from streamsim_reports.export.contents import Replica, replicas


def write(run: Run, folder: Path) -> str:
    """Scalars over steps, final metrics at the last step, options as hyper-parameters."""
    for replica in replicas(run):
        _write_events(replica, folder / replica.name)
    return f"{folder}: look at it with: tensorboard --logdir {folder}"


def _write_events(replica: Replica, folder: Path) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    now = time.time()
    writer = EventFileWriter(str(folder))
    options = hparams_pb(replica.config, trial_id=replica.name, start_time_secs=now)
    writer.add_event(Event(wall_time=now, summary=options))
    log = replica.scalars
    last = int(log["step"].max())
    values = [
        *zip(log["tag"], log["step"], log["value"], strict=True),
        *((f"metric/{name}", last, value) for name, value in replica.metrics.items()),
    ]
    for tag, step, value in values:
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=float(value))])
        writer.add_event(Event(wall_time=now, step=int(step), summary=summary))
    writer.close()
