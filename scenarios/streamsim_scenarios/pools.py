"""What scenarios over labelled data share: the pool, the data behind a scenario, held-out samples.

Shape letters: N samples of the pool (training ones first), F numbers of a sample, B samples of a
batch, C classes.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Protocol, TypeVar

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field
from torch import Tensor

from streamsim import data, draws
from streamsim.data import LabelledData
from streamsim.stream import Reveal, Tables

# options of several families
Boundaries = Annotated[
    Literal["revealed", "hidden"], Field(description="whether learners know when one begins")
]
Validation = Annotated[float, Field(ge=0, lt=0.5, description="share of training samples held out")]


class OverData(Protocol):
    """A scenario of a family: over a published data set, or over data of your own."""

    @property
    def dataset(self) -> str: ...
    @property
    def own(self) -> LabelledData | None: ...


S = TypeVar("S", bound=OverData)


def with_data(scenario: S, own: LabelledData) -> S:
    """A copy of a scenario with the same options over other data."""
    other = copy.copy(scenario)
    object.__setattr__(other, "own", own)
    return other


def data_of(scenario: OverData, root: Path) -> LabelledData:
    """The data that a scenario streams."""
    family = type(scenario).__name__
    if scenario.own is None and not scenario.dataset:
        raise ValueError(f"{family}() has no data; use {family}(...).on(LabelledData(...))")
    return scenario.own if scenario.own is not None else data.load(scenario.dataset, root)


def pool(given: LabelledData) -> Tables:
    """Every sample once: `x` [N, F] and `y` [N], training samples before test samples."""
    return {
        "x": torch.cat([given.x_train, given.x_test]).flatten(1).contiguous(),
        "y": torch.cat([given.y_train, given.y_test]),
    }


def rows(pool: Tables, index: Tensor) -> Tensor:
    """`[B]` places in the pool to `[B, F]` float32; uint8 stands for [0, 1] in steps of 1/255."""
    # embedding: a batched `x[index]` takes two to nine times as long
    x_BF = F.embedding(index, pool["x"])
    return x_BF.to(torch.float32).div(255) if x_BF.dtype == torch.uint8 else x_BF


def by_class(y: Tensor, num_classes: int, offset: int = 0) -> list[Tensor]:
    """For each class, the places of its samples, counted from `offset`.

    >>> [ids.tolist() for ids in by_class(torch.tensor([1, 0, 1]), 3, offset=10)]
    [[11], [10, 12], []]
    """
    counts: list[int] = y.bincount(minlength=num_classes).tolist()
    return list(torch.split(y.argsort(stable=True) + offset, counts))


def hold_out(key: Tensor, classes: Mapping[int, Tensor], share: float) -> tuple[Tensor, Tensor]:
    """The ids of some classes as (kept, held out): of each class a random share, one at least.

    What is held out of a class depends on the key and that class alone.
    """
    kept, held = [], []
    for label, ids in classes.items():
        order = draws.permutation(draws.fold(key, "validation", label), len(ids))
        num_held = max(round(share * len(ids)), 1) if len(ids) > 1 else 0
        held.append(ids[order[:num_held]])
        kept.append(ids[order[num_held:]])
    return torch.cat(kept), torch.cat(held)


def reveals(boundaries: Boundaries, tasks: bool, meta: bool = False) -> frozenset[Reveal]:
    """What options let a stream tell."""
    told = {
        Reveal.BOUNDARIES: boundaries == "revealed",
        Reveal.TASK_LABELS: tasks,
        Reveal.META_CLASSES: meta,
    }
    return frozenset(reveal for reveal, holds in told.items() if holds)
