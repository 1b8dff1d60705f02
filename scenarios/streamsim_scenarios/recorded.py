"""Streams of recorded rows, in the order in which they were recorded.

An experience is a stretch of rows, and boundaries are hidden unless asked for. Test rows are
evenly spread over it. Inputs are scaled by the training rows that came before: a training row by
those before it, a test row by those up to the end of its experience. A sample then looks the same
whenever it is rehearsed or tested. The order of the rows leaves nothing to draw, so that seeds
differ in their learners only.

What shapes the network is read off the table beforehand: its classes, its categories, the columns
with missing values, and by the first 1,000 rows whether a column holds numbers. All else that a
learner sees of a row depends on that row and earlier ones alone.

Inputs (4 bytes each) lie in a scratch file that is mapped into memory, so that on a CPU a table may
be larger than memory; a GPU has to hold them. Each row takes some 40 bytes of memory besides.

An id is a place in the stream; without held-out rows, N more is the same row to test on.
Shape letters: N rows of the stream, F inputs, B samples of a batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass as plain_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim.stream import Experience, Replica, Stream, StreamSpec, Tables
from streamsim_scenarios.pools import Boundaries, reveals, rows
from streamsim_scenarios.tables.encoding import Encoded, Missing, Reading, encode
from streamsim_scenarios.tables.files import Source
from streamsim_scenarios.tables.scaling import Flags, Scaling, inputs
from streamsim_scenarios.tables.scratch import on_disk
from streamsim_scenarios.tables.stretches import Cuts, Rows, cut, places_to_test


@plain_dataclass(frozen=True)
class RecordedView:
    """Looks rows up."""

    num_rows: int

    def inputs(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return rows(pool, ids % self.num_rows)

    def labels(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return pool["y"][ids % self.num_rows]

    def tasks(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        raise AssertionError("a recorded stream has no task labels")


@plain_dataclass(frozen=True)
class WholeView(RecordedView):
    """Rows as recorded, unrounded for learners that take them whole: an `ExactView`."""

    write: Callable[[], Tensor]  # `[N, F]` float64

    @cached_property
    def _whole(self) -> Tensor:
        return self.write()  # only where somebody asks

    def exact(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return self._whole[ids % self.num_rows]


@dataclass(frozen=True, kw_only=True)
class Recorded(ABC):
    """How recorded rows become a stream; which rows, says a subclass."""

    prequential: ClassVar[bool] = True  # judge learners while they learn

    n_experiences: int | None = Field(
        default=None, ge=1, description="equal stretches of rows; 5 unless cut in another way"
    )
    rows_per_experience: int | None = Field(
        default=None, ge=2, description="stretches of so many rows"
    )
    n_samples: int | None = Field(
        default=None, ge=4, description="only so many rows, from the beginning; none: all"
    )
    test_share: float = Field(
        default=0.1, gt=0, le=0.5, description="rows of each experience to test on, evenly spread"
    )
    held_out: bool = Field(
        default=True,
        description="keep test rows out of training; false: all rows train, and tests tell what "
        "is retained of them",
    )
    boundaries: Boundaries = Field(
        default="hidden", description="whether learners know when an experience begins"
    )
    scaling: Scaling = Field(
        default="online",
        description="online: by mean and spread of the training rows so far; none: as recorded",
    )

    @model_validator(mode="after")
    def _check_cuts(self) -> Self:
        given = [f"{k}={v}" for k, v in self.cuts()._asdict().items() if v is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} cut the rows in two ways; keep one")
        return self

    @abstractmethod
    def source(self, root: Path) -> Source:
        """The table."""

    @abstractmethod
    def reading(self) -> Reading:
        """How the table is to be understood."""

    def cuts(self) -> Cuts:
        """How it is cut into experiences."""
        return Cuts(self.n_experiences, self.rows_per_experience)

    def knows_drifts(self) -> bool:
        """Whether the concept changes with every experience, and then alone."""
        return False

    def stream(self, root: Path) -> Stream:
        reading = self.reading()
        table = encode(self.source(root), reading)
        stretches = cut(self.cuts(), len(table.labels), table.time, table.dated, table.group)
        order, learned, experiences = self._laid_out(stretches)
        flagged = table.incomplete & (reading.missing == "indicator")

        def write(dtype: type[np.floating[Any]]) -> Tensor:
            """Inputs `[N, F]`, in a scratch file."""
            width = sum(size or 1 for size in table.sizes) + int(flagged.sum())
            blocks = inputs(table.values, order, learned, table.sizes, flagged, self.scaling)
            return torch.from_numpy(on_disk(blocks, dtype, width))

        pool = {
            "x": write(np.float32),
            "y": torch.from_numpy(table.labels[order]),
        }
        spec = StreamSpec(
            input_shape=(pool["x"].shape[1],),
            num_classes=len(table.classes),
            num_experiences=len(experiences),
            setting="domain",
            reveals=reveals(self.boundaries, tasks=False),
            ordered=True,
            features=_names(table, flagged),
            knows_drifts=self.knows_drifts(),
        )
        view = RecordedView(len(order))
        if self.scaling == "none":
            view = WholeView(len(order), lambda: write(np.float64))
        # the same ids for all replicas, which share their memory
        replica = Replica(experiences, {})
        return Stream(spec, pool, view, lambda key: replica)

    def _laid_out(self, stretches: list[Rows]) -> tuple[Rows, Flags, list[Experience]]:
        """Rows in the order of the pool `[N]`, which of them train `[N]`, and the experiences.

        Held-out rows follow the training rows of their experience, and so are scaled as what is
        known at its end.
        """
        total = sum(map(len, stretches))
        order, learned, experiences, start = [], [], [], 0
        for stretch in stretches:
            places = places_to_test(len(stretch), self.test_share)
            test = np.isin(np.arange(len(stretch)), places) & self.held_out
            order += [stretch[~test], stretch[test]]
            learned.append(np.arange(len(stretch)) < (~test).sum())
            end, middle = start + len(stretch), start + int((~test).sum())
            held = torch.arange(middle, end)
            experiences.append(
                Experience(
                    torch.arange(start, middle),
                    held if self.held_out else torch.from_numpy(places) + start + total,
                )
            )
            start = end
        return np.concatenate(order), np.concatenate(learned), experiences


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Options of a table whose columns are not known beforehand."""

    missing: Missing = Field(
        default="refuse",
        description="what becomes of missing values; mean: the mean so far, and none of the "
        "categories; indicator: that, and one more input that says so",
    )
    categorical: tuple[str, ...] = Field(
        default=(), description="columns of numbers that stand for categories; texts always do"
    )
    drop: tuple[str, ...] = Field(default=(), description="columns to leave out")
    max_categories: int = Field(
        default=32, ge=1, description="categories told apart in a column: the first to appear"
    )


def _names(table: Encoded, flagged: Flags) -> tuple[str, ...] | None:
    """Of the inputs: columns, categories as in `colour=0`; None if they are numbers in order."""
    names = [
        name if not size else f"{name}={category}"
        for name, size in zip(table.names, table.sizes, strict=True)
        for category in range(size or 1)
    ]
    names += [
        f"{name} is missing" for name, is_so in zip(table.names, flagged, strict=True) if is_so
    ]
    told_apart = len(set(names)) == len(names) and names != [str(n) for n in range(len(names))]
    return tuple(names) if told_apart else None
