"""Results of a run for the tools that people already use, one target a file.

A target is a module with `write(run, folder)`, which fills an empty folder. Its libraries are
imported when it is asked for.
"""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from streamsim.runs import Run


class Target(NamedTuple):
    """Where a target is written, and what it needs beyond streamsim itself."""

    module: str
    libraries: tuple[str, ...] = ()
    extra: str = ""  # of streamsim, that brings the libraries


TARGETS = {
    "csv": Target("csv_files"),
    "parquet": Target("parquet_files"),
    "tensorboard": Target("tensorboard_events", ("tensorboard",), "tensorboard"),
    "wandb-offline": Target("wandb_runs", ("wandb",), "wandb"),
    "mlflow": Target("mlflow_store", ("mlflow", "sqlalchemy", "alembic"), "mlflow"),
}


def export(run: Run, to: str, folder: Path) -> str:
    """Write a run for one of TARGETS into a new folder; returns what was written, and what next.

    ValueError for an unknown target, a missing library, or a folder that is in use or cannot be
    made.
    """
    if to not in TARGETS:
        raise ValueError(f"unknown target '{to}'; choose {', '.join(TARGETS)}")
    target = TARGETS[to]
    _check(folder)
    for library in target.libraries:
        try:
            import_module(library)
        except ImportError:
            raise ValueError(
                f"--to {to} needs {library}: pip install 'streamsim[{target.extra}]'"
            ) from None
    new = not folder.exists()
    try:
        folder.mkdir(exist_ok=True)
        written: str = import_module(f"{__name__}.{target.module}").write(run, folder)
    except (OSError, ValueError) as error:
        if new:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise ValueError(f"cannot write to {folder}: {error.strerror or error}") from None
        raise
    return written


def _check(folder: Path) -> None:
    if not folder.absolute().parent.is_dir():
        raise ValueError(f"there is no folder {folder.parent} to make {folder.name} in")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; give a folder as --out")
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty; choose another --out")
