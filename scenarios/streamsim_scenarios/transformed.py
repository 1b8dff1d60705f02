"""Scenarios whose experiences all hold the whole data set, each seen through its own transform.

An id is experience x N + place in the pool, so a memory of ids keeps the transform too.

Shape letters: N samples of the pool, E experiences, B samples of a batch, K channels, P pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import torch
from pydantic import Field
from torch import Tensor

from streamsim.data import LabelledData
from streamsim.stream import Experience, Replica, Stream, StreamSpec, Tables
from streamsim_scenarios.pools import Boundaries, OverData, by_class, hold_out, pool, reveals, rows

Repeated = Annotated[
    Literal["domain", "task"],
    Field(description="domain: the same task throughout; task: with task labels"),
]
Transform = Callable[[Tables, Tensor, Tensor], Tensor]  # (tables, x_BKP, experience_B) to x_BKP


class Options(OverData, Protocol):
    """Options that every family of this kind has."""

    @property
    def n_experiences(self) -> int: ...
    @property
    def setting(self) -> Repeated: ...
    @property
    def boundaries(self) -> Boundaries: ...
    @property
    def validation(self) -> float: ...


@dataclass(frozen=True)
class TransformedView:
    """The transform may read the replica's tables and the pool."""

    num_samples: int
    shape: tuple[int, ...]
    transform: Transform

    def inputs(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        x_BF = rows(pool, ids % self.num_samples)
        x_BKP = x_BF.view(*ids.shape, *channels_pixels(self.shape))
        x_BKP = self.transform({**pool, **tables}, x_BKP, ids // self.num_samples)
        return x_BKP.reshape(*ids.shape, *self.shape)

    def labels(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return pool["y"][ids % self.num_samples]

    def tasks(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return ids // self.num_samples


def channels_pixels(shape: tuple[int, ...]) -> tuple[int, int]:
    """Images have channels that share their pixels; anything else is one channel.

    >>> channels_pixels((3, 32, 32)), channels_pixels((64,))
    ((3, 1024), (1, 64))
    """
    return (shape[0], shape[1] * shape[2]) if len(shape) == 3 else (1, math.prod(shape))


def transformed_stream(
    options: Options,
    data: LabelledData,
    transform: Transform,
    tables: Callable[[Tensor], Tables],
    shared: Tables | None = None,
) -> Stream:
    """The stream of a transform: `tables` of a replica's key, or tables `shared` by all."""
    num_train, num_samples = len(data.y_train), len(data.y_train) + len(data.y_test)
    task = options.setting == "task"
    spec = StreamSpec(
        input_shape=data.shape,
        num_classes=data.num_classes,
        num_experiences=options.n_experiences,
        setting=options.setting,
        reveals=reveals(options.boundaries, task),
        num_tasks=options.n_experiences if task else 1,
    )
    classes = dict(enumerate(by_class(data.y_train, data.num_classes)))
    train, test = torch.arange(num_train), torch.arange(num_train, num_samples)
    offsets = [experience * num_samples for experience in range(options.n_experiences)]
    # without held-out samples all replicas have the same ids, and share their memory
    plain = [Experience(train + offset, test + offset) for offset in offsets]

    def draw(key: Tensor) -> Replica:
        if options.validation == 0:
            return Replica(plain, tables(key))
        kept, held = hold_out(key, classes, options.validation)
        experiences = [Experience(kept + o, test + o, held + o) for o in offsets]
        return Replica(experiences, tables(key))

    view = TransformedView(num_samples, data.shape, transform)
    return Stream(spec, {**pool(data), **(shared or {})}, view, draw)
