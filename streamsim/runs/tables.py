"""The raw tables of a run: their columns, and Parquet files of them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from streamsim.runs.files import first_line, write_whole

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

PAIRS = ("setting", "seed", "after", "source", "target", "loss_before", "loss_after", "ratio")
TABLES: Mapping[str, tuple[str, ...]] = {
    "accuracy": ("setting", "seed", "after", "on", "correct", "total", "accuracy"),
    "continual": ("setting", "seed", "experience", "step", "on", "correct", "total", "accuracy"),
    "training": ("setting", "seed", "experience", "steps", "loss"),
    "replicas": ("setting", "seed", "diverged_experience", "diverged_step"),
    # sums over blocks of samples that were predicted and then learned from
    "prequential": (
        *("setting", "seed", "position", "total", "correct", "accuracy", "persistent"),
        *("log_loss", "faded_accuracy", "faded_log_loss"),
    ),
    "prequential_classes": (
        *("setting", "seed", "position", "class", "labelled", "predicted", "correct"),
    ),
    # what detectors said, after how many samples; `watcher` is the place of a part in the strategy
    "alarms": ("setting", "seed", "position", "watcher"),
    "drifts": ("setting", "seed", "position"),  # where true ones begin, which no learner sees
    # what a step on the source does to the target: between experiences, after training on
    # one, and between episodes, after outer steps of meta-training
    "transference": PAIRS,
    "meta_transference": PAIRS,
}
NOT_ASKED = {  # tables that a finished run may do without
    "continual": "this run has no continual evaluation; run with --eval-every N",
    "prequential": "this run was not judged while learning; run with --prequential",
    "prequential_classes": "this run was not judged while learning; run with --prequential",
    "alarms": "no detector watched this run; add a part such as on-drift:watch",
    "drifts": "this run has no true drifts: nobody knows those of its stream, or it was not judged "
    "while learning (--prequential)",
    "transference": "this run has no transference; run with --transference",
    "meta_transference": "this run has no transference between episodes; run a strategy that "
    "meta-learns, such as maml-init, with --transference",
}
MAY_BE_EMPTY = {*NOT_ASKED, "training"}  # nothing may have happened
Columns = Mapping[str, "Tensor"]  # a table's columns, equally long


def frame(name: str, columns: Columns) -> pd.DataFrame:
    """A table from raw columns: accuracy is added, and divergence becomes nullable."""
    import pandas as pd

    table = pd.DataFrame({key: column.numpy() for key, column in columns.items()})
    if table.empty:
        return pd.DataFrame(columns=list(TABLES[name]))
    if "accuracy" in TABLES[name]:
        known = table["correct"] >= 0  # -1 marks a diverged replica
        table["accuracy"] = (table["correct"] / table["total"]).where(known)
        table["correct"] = table["correct"].where(known).astype("Int64")
    for key in ("diverged_experience", "diverged_step"):
        if key in table:
            table[key] = table[key].where(table[key] >= 0).astype("Int64")
    order = [key for key in TABLES[name] if key not in ("correct", "total", "accuracy", "loss")]
    return table[list(TABLES[name])].sort_values(order, ignore_index=True)


def read(file: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A Parquet table with the expected columns, of numbers."""
    import pandas as pd
    from pandas.api.types import is_numeric_dtype

    if not file.is_file():
        raise ValueError(f"{file} is missing or damaged: there is no such file; run again")
    try:
        table = pd.read_parquet(file)
    except Exception as error:  # pyarrow raises many kinds for a damaged file
        raise ValueError(f"{file} is missing or damaged: {first_line(error)}") from None
    absent = [name for name in columns if name not in table]
    if absent:
        raise ValueError(f"{file} has no column {', '.join(absent)}; was it written by streamsim?")
    if table.empty and file.stem not in MAY_BE_EMPTY:
        raise ValueError(f"{file} is missing or damaged: it has no rows; run again")
    texts = [name for name in columns if len(table) and not is_numeric_dtype(table[name])]
    if texts:
        raise ValueError(
            f"{file} is missing or damaged: the column {texts[0]} holds no numbers; run again"
        )
    return table


def write(path: Path, rows: Mapping[str, Columns]) -> None:
    """The final tables; the same rows give the same bytes."""
    for name, columns in rows.items():
        buffer = io.BytesIO()
        frame(name, columns).to_parquet(buffer, index=False)
        write_whole(path / f"{name}.parquet", buffer.getvalue())
