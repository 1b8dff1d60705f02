"""Where an unfinished run stands: one file that holds a learner's state and all rows so far."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from streamsim.runs.files import first_line, write_whole
from streamsim.runs.tables import Columns

if TYPE_CHECKING:
    from torch import Tensor

FILE = "checkpoint.safetensors"


class Checkpoint(NamedTuple):
    """A moment between two steps."""

    position: Mapping[str, Any]  # chunk, experience, step, seconds, choice
    state: Mapping[str, Tensor]
    rows: Mapping[str, Columns]


def exists(path: Path) -> bool:
    return (path / FILE).is_file()


def read(path: Path) -> Checkpoint:
    """The last moment that an unfinished run wrote down."""
    from safetensors import safe_open

    file = path / FILE
    state: dict[str, Tensor] = {}
    rows: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(file, framework="pt") as opened:
            position = json.loads(opened.metadata()["position"])
            for name in opened.keys():  # noqa: SIM118 (not a mapping)
                kind, _, rest = name.partition("/")
                if kind == "rows":
                    table, _, column = rest.partition("/")
                    rows.setdefault(table, {})[column] = opened.get_tensor(name)
                else:
                    state[rest] = opened.get_tensor(name)
    except Exception as error:  # safetensors' own errors, missing keys, bad JSON
        raise ValueError(
            f"{file} is damaged: {first_line(error)}; remove it to begin again"
        ) from None
    return Checkpoint(position, state, rows)


def write(path: Path, checkpoint: Checkpoint) -> None:
    from safetensors.torch import save

    # clones: safetensors refuses tensors that share memory, as a teacher may with its student
    tensors = {
        f"state/{name}": tensor.contiguous().clone() for name, tensor in checkpoint.state.items()
    }
    for table, columns in checkpoint.rows.items():
        tensors |= {f"rows/{table}/{name}": column for name, column in columns.items()}
    metadata = {"position": json.dumps(dict(checkpoint.position))}
    write_whole(path / FILE, save(tensors, metadata))


def remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        (path / FILE).unlink()
