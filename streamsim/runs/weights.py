"""The final weights of replicas: one file a chunk, whose metadata say whose weights a row holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from streamsim.runs.files import first_line, write_whole
from streamsim.runs.tables import Columns

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = "parameters"


def read(path: Path, seed: int, setting: int) -> dict[str, Tensor]:
    """The weights of one replica of a run folder."""
    from safetensors import safe_open
    from safetensors.torch import load_file

    for file in sorted((path / FOLDER).glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt") as opened:
                replicas = json.loads(opened.metadata()["replicas"])
            if [setting, seed] in replicas:
                row = replicas.index([setting, seed])
                return {name: tensor[row] for name, tensor in load_file(file).items()}
        except Exception as error:  # safetensors' own errors, missing keys, bad JSON
            raise ValueError(f"{file} is damaged: {first_line(error)}") from None
    raise ValueError(f"no weights of seed {seed}, setting {setting} in {path}")


def write(path: Path, chunk: int, replicas: Sequence[tuple[int, int]], params: Columns) -> None:
    """The weights of a chunk; `replicas` are the (setting, seed) of each row."""
    from safetensors.torch import save

    metadata = {"replicas": json.dumps([list(replica) for replica in replicas])}
    content = save({name: tensor.contiguous() for name, tensor in params.items()}, metadata)
    write_whole(path / FOLDER / f"{chunk:03}.safetensors", content)
