"""Whether a stream's view gives what its specification announces: looked at once, before training.

Shape letters: N samples.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from streamsim.modifiers import Modified
from streamsim.stream import Reveal, Scenario, Stream

LOOKED_AT = 2  # samples; one more than what broadcasts unseen


def check_view(name: str, scenario: Scenario, stream: Stream, root: Path, key: Tensor) -> None:
    """ValueError if samples are not as announced, naming the scenario or the modifier at fault."""
    if not (odd := _complaint(stream, key)):
        return
    names = [name.partition("+")[0]]
    if isinstance(scenario, Modified):
        names += scenario.modifiers
        for count in range(len(names) - 1):
            first = dict(list(scenario.modifiers.items())[:count])
            if found := _complaint(Modified(scenario.base, first).stream(root), key):
                odd, names = found, names[: count + 1]
                break
    raise ValueError(
        f"'{names[-1]}' does not fit this stream: {odd}; choose another, or mend it with: "
        f"streamsim check {names[-1]}"
    )


def _complaint(stream: Stream, key: Tensor) -> str:
    """What is wrong with some of the first samples of a replica."""
    replica, spec = stream.draw(key), stream.spec
    ids_N = next((e.coming[:LOOKED_AT] for e in replica.experiences if len(e.coming)), None)
    if ids_N is None:
        return ""
    size = (len(ids_N),)
    looks: dict[str, tuple[Callable[..., Tensor], tuple[int, ...], torch.dtype]] = {
        "inputs": (stream.view.inputs, (*size, *spec.input_shape), torch.float32),
        "labels": (stream.view.labels, size, torch.int64),
    }
    if Reveal.TASK_LABELS in spec.reveals:
        looks["task labels"] = (stream.view.tasks, size, torch.int64)
    for what, (look, shape, dtype) in looks.items():
        try:
            found = look(stream.pool, replica.tables, ids_N)
        except Exception as error:  # whatever a stranger's view does with shapes it never met
            text = " ".join(str(error).split())
            return f"its {what} of {size[0]} samples fail with {type(error).__name__}: {text[:200]}"
        if tuple(found.shape) != shape or found.dtype != dtype:
            return (
                f"its {what} of {size[0]} samples have shape {list(found.shape)} and type "
                f"{found.dtype}, not {list(shape)} and {dtype}"
            )
    return ""
