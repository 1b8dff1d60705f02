"""Split benchmarks: the classes of a data set arrive group by group.

Labels are dense in every replica. Class- and task-incremental: the place of a class in the
replica's class order, so that an experience owns successive labels. Domain-incremental: the place
of a class within its experience. Samples of classes outside the stream have label and task -1.

Shape letters: N samples of the pool, C classes of the data set, B samples of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass as plain_dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim.data import LabelledData
from streamsim.stream import Experience, Replica, Setting, Stream, StreamSpec, Tables
from streamsim_scenarios.pools import (
    Boundaries,
    Validation,
    by_class,
    data_of,
    hold_out,
    pool,
    reveals,
    rows,
    with_data,
)

Groups = Annotated[int, Field(ge=1, description="groups of classes, one after the other")]


@plain_dataclass(frozen=True)
class SplitView:
    """Ids are places in the pool; `label` and `task` [C] say what a class is to the replica."""

    shape: tuple[int, ...]

    def inputs(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return rows(pool, ids).view(*ids.shape, *self.shape)

    def labels(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return tables["label"][pool["y"][ids]]

    def tasks(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return tables["task"][pool["y"][ids]]


@dataclass(frozen=True, kw_only=True)
class Split:
    """Your own labelled data, class group by class group.

    >>> x, y = torch.rand(40, 2), torch.arange(40) % 4
    >>> mine = LabelledData(name="mine", x_train=x, y_train=y, x_test=x, y_test=y, num_classes=4)
    >>> stream = Split(n_experiences=2, class_order="fixed").on(mine).stream(Path())
    >>> replica = stream.draw(torch.tensor(7))
    >>> [y[experience.train].unique().tolist() for experience in replica.experiences]
    [[0, 1], [2, 3]]
    """

    dataset: ClassVar[str] = ""
    own: ClassVar[LabelledData | None] = None
    reference: ClassVar[str] = (
        "Zenke, Poole & Ganguli 2017, Continual learning through synaptic intelligence; "
        "van de Ven, Tuytelaars & Tolias 2022, Three types of incremental learning"
    )

    n_experiences: Groups = 5
    setting: Setting = Field(
        default="class",
        description="class: tell all classes apart; task: with task labels; domain: "
        "the same labels in every experience",
    )
    boundaries: Boundaries = "revealed"
    class_order: Literal["shuffled", "fixed"] = Field(
        default="shuffled",
        description="shuffled: each seed draws an order; fixed: as in the data set",
    )
    classes: int | None = Field(default=None, ge=2, description="classes of the stream; none: all")
    meta_classes: int = Field(default=0, ge=0, description="classes kept apart for meta-training")
    validation: Validation = 0.0

    def on(self, data: LabelledData) -> Self:
        """The same scenario over your own data."""
        return with_data(self, data)

    def stream(self, root: Path) -> Stream:
        data = data_of(self, root)
        num_classes = self._num_classes(data)
        self._check_groups(data, num_classes)
        task = self.setting == "task"
        spec = StreamSpec(
            input_shape=data.shape,
            num_classes=num_classes // (self.n_experiences if self.setting == "domain" else 1),
            num_experiences=self.n_experiences,
            setting=self.setting,
            reveals=reveals(self.boundaries, task, self.meta_classes > 0),
            num_tasks=self.n_experiences if task else 1,
        )
        train = by_class(data.y_train, data.num_classes)
        test = by_class(data.y_test, data.num_classes, offset=len(data.y_train))
        whole = [torch.cat(both) for both in zip(train, test, strict=True)]
        num_meta_samples = min(len(ids) for ids in whole)  # of any class: equal in all replicas

        def draw(key: Tensor) -> Replica:
            order, meta = self._draw_classes(key, data, num_classes)
            groups = order.tensor_split(self.n_experiences)
            return Replica(
                [self._experience(key, group.tolist(), train, test) for group in groups],
                _tables(groups, data.num_classes, restart=self.setting == "domain"),
                torch.stack([whole[c][:num_meta_samples] for c in meta]) if meta else None,
            )

        return Stream(spec, pool(data), SplitView(data.shape), draw)

    def _num_classes(self, data: LabelledData) -> int:
        """Classes of the stream: those asked for, or all that are not kept apart."""
        available = data.num_classes - data.num_background
        if (self.classes or 0) > available:
            raise ValueError(
                f"classes={self.classes}: split-{data.name} has {available} classes for its "
                f"stream; choose 2 to {available}"
            )
        most = data.num_background or data.num_classes - (self.classes or 2)
        if self.meta_classes > most:
            raise ValueError(
                f"meta_classes={self.meta_classes}: split-{data.name} can keep {most} of its "
                f"{data.num_classes} classes apart; choose 0 to {most}"
            )
        return self.classes or available - (0 if data.num_background else self.meta_classes)

    def _check_groups(self, data: LabelledData, num_classes: int) -> None:
        given = f"n_experiences={self.n_experiences}: split-{data.name} has {num_classes} classes"
        equal = [n for n in range(1, num_classes // 2 + 1) if num_classes % n == 0]
        if self.setting == "domain" and self.n_experiences not in equal:
            raise ValueError(
                f"{given} in its stream, and setting=domain needs equal groups of 2 or more; "
                f"choose {', '.join(map(str, equal))}"
            )
        if self.n_experiences > num_classes:
            raise ValueError(f"{given} in its stream; choose 1 to {num_classes}")

    def _draw_classes(
        self, key: Tensor, data: LabelledData, num_classes: int
    ) -> tuple[Tensor, list[int]]:
        """The stream's classes in order, and the classes kept apart."""
        apart = torch.arange(data.num_background)
        order = torch.arange(data.num_background, data.num_classes)
        if self.class_order == "shuffled":
            apart = draws.permutation(draws.fold(key, "meta classes"), len(apart))
            order = order[draws.permutation(draws.fold(key, "classes"), len(order))]
        # without classes meant for it, the end of the order: the stream's beginning stays the same
        meta = apart[: self.meta_classes] if len(apart) else order[len(order) - self.meta_classes :]
        return order[:num_classes], meta.tolist()

    def _experience(
        self, key: Tensor, group: list[int], train: list[Tensor], test: list[Tensor]
    ) -> Experience:
        tested = torch.cat([test[c] for c in group])
        if self.validation == 0:
            return Experience(torch.cat([train[c] for c in group]), tested)
        kept, held = hold_out(key, {c: train[c] for c in group}, self.validation)
        return Experience(kept, tested, held)


def _tables(groups: Sequence[Tensor], num_classes: int, restart: bool) -> dict[str, Tensor]:
    """`label` and `task` [C]; labels restart from 0 in every group, or run on."""
    label, task = torch.full((num_classes,), -1), torch.full((num_classes,), -1)
    first = 0
    for number, group in enumerate(groups):
        label[group] = torch.arange(len(group)) + (0 if restart else first)
        task[group] = number
        first += len(group)
    return {"label": label, "task": task}


@dataclass(frozen=True, kw_only=True)
class SplitDigits(Split):
    """Five pairs of digits, 8x8 pixels; comes with scikit-learn, needs no download.

    >>> SplitDigits(setting="domain").stream(Path()).spec.num_classes
    2
    """

    dataset: ClassVar[str] = "digits"


@dataclass(frozen=True, kw_only=True)
class SplitMnist(Split):
    """Five pairs of handwritten digits."""

    dataset: ClassVar[str] = "mnist"


@dataclass(frozen=True, kw_only=True)
class SplitFashionMnist(Split):
    """Five pairs of articles of clothing."""

    dataset: ClassVar[str] = "fashion-mnist"


@dataclass(frozen=True, kw_only=True)
class SplitCifar10(Split):
    """Five pairs of classes of colour photographs."""

    dataset: ClassVar[str] = "cifar10"


@dataclass(frozen=True, kw_only=True)
class SplitCifar100(Split):
    """Ten times ten classes of colour photographs."""

    dataset: ClassVar[str] = "cifar100"

    n_experiences: Groups = 10


@dataclass(frozen=True, kw_only=True)
class SplitOmniglot(Split):
    """Handwritten characters, few samples each: background ones to meta-train, others to learn."""

    dataset: ClassVar[str] = "omniglot"
    reference: ClassVar[str] = (
        "Lake, Salakhutdinov & Tenenbaum 2015, Human-level concept learning; "
        "Javed & White 2019, Meta-learning representations for continual learning"
    )

    n_experiences: Groups = 10
    classes: int | None = Field(
        default=50, ge=2, description="classes of the stream; none: all 659"
    )
    meta_classes: int = Field(default=100, ge=0, description="background classes for meta-training")
