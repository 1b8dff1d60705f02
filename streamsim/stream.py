"""What scenarios emit: one pool of samples for everybody, and index tensors for each replica.

A sample is named by an id, an int64 that only its stream can read. A stream's `View` turns ids
into inputs and labels, so a view may look one sample up in the pool, transform it (permuted
pixels), or generate it; a memory of ids works for all of them.

Shape letters: N samples, B samples of a batch, C classes, E experiences.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

Tables = Mapping[str, Tensor]
Setting = Literal["class", "task", "domain"]


class Reveal(StrEnum):
    """What a stream may tell its learner beyond samples; a part declares what it needs."""

    TASK_LABELS = "task labels"
    BOUNDARIES = "boundaries"
    META_CLASSES = "meta-training classes"


class Batch(NamedTuple):
    """Samples of one replica. `task` is None wherever task labels are hidden."""

    x: Tensor  # [B, *input_shape] float32
    y: Tensor  # [B] int64, 0 .. C-1
    weight: Tensor  # [B] float32, 0 for padding
    task: Tensor | None = None  # [B] int64, 0 .. num_tasks-1


@dataclass(frozen=True, kw_only=True)
class StreamSpec:
    """Every shape and secret of a stream, known before it is drawn."""

    input_shape: tuple[int, ...]
    num_classes: int  # labels run over 0 .. num_classes-1
    num_experiences: int
    setting: Setting  # van de Ven, Tuytelaars & Tolias 2022, "Three types of incremental learning"
    reveals: frozenset[Reveal]
    ordered: bool = False  # train in the order of the ids, without shuffling
    num_tasks: int = 1  # task labels run over 0 .. num_tasks-1
    features: tuple[str, ...] | None = None  # names of the inputs, where they have some
    label_delay: int = 0  # training samples that come between a sample and its label
    knows_drifts: bool = True  # whether replicas can tell their true drifts

    def __post_init__(self) -> None:
        if self.features is not None and (len(set(self.features)),) != self.input_shape:
            raise ValueError(
                f"{len(set(self.features))} names of features for inputs of shape "
                f"{list(self.input_shape)}; give each input a name of its own, or none a name"
            )
        if self.num_experiences < 1 or self.num_classes < 2:
            raise ValueError(
                f"a stream of {self.num_experiences} experiences and {self.num_classes} classes; "
                "it needs at least 1 experience and 2 classes"
            )


@dataclass(frozen=True)
class Experience:
    """One segment of one replica's stream: sample ids, `[n]` int64.

    Where labels are delayed, samples come (and are predicted) before they can be learned from:
    `asked` then names those that come in this segment, and `train` those whose labels do. Over the
    whole stream both are one sequence; `train` lags behind by the delay.
    """

    train: Tensor
    test: Tensor
    valid: Tensor | None = None
    asked: Tensor | None = None

    @property
    def coming(self) -> Tensor:
        """The training samples that come in this segment, with their labels or without."""
        return self.train if self.asked is None else self.asked


@dataclass(frozen=True)
class Replica:
    """What one seed draws: experiences, and the tables its view reads (equal shapes for all)."""

    experiences: Sequence[Experience]
    tables: Tables
    meta: Tensor | None = None  # [classes, samples] ids of classes kept apart for meta-training
    drifts: Sequence[int] | None = None  # where true ones begin; hidden; None: new experiences

    def true_drifts(self) -> list[int]:
        """How many samples come before each true drift, which begins where a new concept occurs."""
        if self.drifts is not None:
            return list(self.drifts)
        sizes = itertools.accumulate(len(experience.coming) for experience in self.experiences)
        return list(sizes)[:-1]


class View(Protocol):
    """Ids to samples, for one replica: pure tensor functions of (pool, tables, ids).

    Labels and tasks are also asked for in bulk, with ids of more than one dimension.
    """

    def inputs(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        """`[B]` ids to `[B, *input_shape]` float32."""
        ...

    def labels(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        """Ids of any shape to int64 class labels of that shape."""
        ...

    def tasks(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        """Ids of any shape to int64 task labels; asked for only where they are revealed."""
        ...


@runtime_checkable
class GeneratingView(View, Protocol):
    """A view that computes its samples: incoming ones are made in bulk, a stretch ahead."""

    def samples(self, pool: Tables, tables: Tables, ids: Tensor) -> tuple[Tensor, Tensor]:
        """`[N]` ids to inputs `[N, *input_shape]` and labels `[N]`, as `inputs` and `labels`."""
        ...


@runtime_checkable
class ExactView(View, Protocol):
    """A view of numbers that float32 rounds, for learners that take them whole."""

    def exact(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        """`[B]` ids to `[B, *input_shape]` float64; `inputs` are these, rounded."""
        ...


@runtime_checkable
class KnowingView(View, Protocol):
    """A view that knows what no learner may: ground truth, for evaluation and pictures."""

    def truth(self, pool: Tables, tables: Tables, ids: Tensor) -> Mapping[str, Tensor]:
        """A number `[N]` float64 for each of the ids `[N]`, by name.

        `concept` is the place among the concepts in the order in which they appear, a fraction
        while one turns into the next.
        """
        ...


def truth_of(view: View, pool: Tables, tables: Tables, ids: Tensor) -> Mapping[str, Tensor]:
    """The ground truth of a view; nothing if it has none."""
    return view.truth(pool, tables, ids) if isinstance(view, KnowingView) else {}


@dataclass(frozen=True)
class Stream:
    """A scenario with its data: what every replica shares, and how one replica is drawn."""

    spec: StreamSpec
    pool: Tables  # shared by all replicas, moved to the device once
    view: View
    draw: Callable[[Tensor], Replica]  # a pure function of one replica's key (int64 scalar)


class Scenario(Protocol):
    """A stream generator: a frozen dataclass of options, registered by name."""

    def stream(self, root: Path) -> Stream:
        """Load what is needed from the data root and describe the stream."""
        ...


class Padded(NamedTuple):
    """Ragged ids of several replicas in one tensor."""

    ids: Tensor  # [R, N] int64; beyond a replica's size its first id is repeated
    size: Tensor  # [R] int64


def pad(rows: Sequence[Tensor]) -> Padded:
    """Stack id rows of different lengths.

    >>> pad([torch.tensor([4, 5]), torch.tensor([6])]).ids.tolist()
    [[4, 5], [6, 6]]
    """
    if any(len(row) == 0 for row in rows):
        raise ValueError("an experience without samples; every experience needs at least one")
    size = torch.tensor([len(row) for row in rows])
    ids = torch.stack(
        [torch.cat([row, row[:1].expand(int(size.max()) - len(row))]) for row in rows]
    )
    return Padded(ids, size)
