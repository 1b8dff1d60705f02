"""Modifiers: what turns one stream into another. `split-digits+label-noise` is a scenario with one.

Most modifiers change some samples and not others. The stream under them must not know, so a
sample's id carries a mark: `id x radix + mark`, which the view on top takes off again. The mark
says what is done to the sample: nothing (0), or whatever the modifier means by the number. A
memory of ids thus keeps what happened to its samples, and no table grows with the stream.

Shape letters: N samples (labels also in bulk, with more dimensions).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from streamsim import draws
from streamsim.stream import (
    Experience,
    GeneratingView,
    Replica,
    Scenario,
    Stream,
    Tables,
    View,
    truth_of,
)

CHUNK = 2**20  # labels, or numbers of inputs, looked up together while a replica is drawn


class Modifier(Protocol):
    """A frozen dataclass of options, registered by name.

    One that has a class variable `last = True` takes no other modifiers after it.
    """

    def modify(self, stream: Stream) -> Stream:
        """Another stream; ValueError if it cannot be had from this one."""
        ...


@dataclass(frozen=True)
class Modified:
    """A scenario and its modifiers, by name; the first one is the nearest to the data."""

    base: Scenario
    modifiers: Mapping[str, Modifier]

    @property
    def prequential(self) -> bool:
        """Whether learners are judged while they learn, unless a run says otherwise."""
        return bool(getattr(self.base, "prequential", False))

    def stream(self, root: Path) -> Stream:
        for name in list(self.modifiers)[:-1]:
            if getattr(self.modifiers[name], "last", False):
                raise ValueError(
                    f"'{name}' must be the last modifier; write "
                    f"+{'+'.join([*(n for n in self.modifiers if n != name), name])}"
                )
        stream = self.base.stream(root)
        for modifier in self.modifiers.values():
            stream = modifier.modify(stream)
        return stream


class ChangeInputs(Protocol):
    def __call__(self, tables: Tables, x: Tensor, ids: Tensor, mark: Tensor) -> Tensor:
        """Inputs `[N, ...]` of samples with ids and marks `[N]`, changed.

        `tables` are those of the replica and the stream's pool.
        """
        ...


class ChangeLabels(Protocol):
    def __call__(self, y: Tensor, mark: Tensor) -> Tensor:
        """Labels of any shape, changed."""
        ...


@dataclass(frozen=True)
class MarkedView:
    """Takes marks off the ids, asks the view below, and does what the marks say."""

    view: View
    radix: int  # marks run over 0 .. radix-1
    change_inputs: ChangeInputs | None = None
    change_labels: ChangeLabels | None = None
    tell: Callable[[Tensor], Mapping[str, Tensor]] | None = None  # marks to ground truth

    def inputs(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        x = self.view.inputs(pool, tables, ids // self.radix)
        if self.change_inputs is None:
            return x
        return self.change_inputs({**pool, **tables}, x, ids, ids % self.radix)

    def labels(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        y = self.view.labels(pool, tables, ids // self.radix)
        return y if self.change_labels is None else self.change_labels(y, ids % self.radix)

    def tasks(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return self.view.tasks(pool, tables, ids // self.radix)

    def truth(self, pool: Tables, tables: Tables, ids: Tensor) -> Mapping[str, Tensor]:
        """What learners must not know: a number for every sample, by name."""
        below = truth_of(self.view, pool, tables, ids // self.radix)
        return {**below, **(self.tell(ids % self.radix) if self.tell is not None else {})}


@dataclass(frozen=True)
class GeneratingMarkedView(MarkedView):
    """Over a view that makes its samples in bulk: a `streamsim.stream.GeneratingView`."""

    def samples(self, pool: Tables, tables: Tables, ids: Tensor) -> tuple[Tensor, Tensor]:
        assert isinstance(self.view, GeneratingView)
        x, y = self.view.samples(pool, tables, ids // self.radix)
        mark = ids % self.radix
        if self.change_inputs is not None:
            x = self.change_inputs({**pool, **tables}, x, ids, mark)
        return x, y if self.change_labels is None else self.change_labels(y, mark)

    def inputs(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return self.samples(pool, tables, ids)[0]


def marked_view(
    view: View,
    radix: int,
    change_inputs: ChangeInputs | None = None,
    change_labels: ChangeLabels | None = None,
    tell: Callable[[Tensor], Mapping[str, Tensor]] | None = None,
) -> View:
    """The view of marked ids over a view of plain ones."""
    kind = GeneratingMarkedView if isinstance(view, GeneratingView) else MarkedView
    return kind(view, radix, change_inputs, change_labels, tell)


def mark(
    replica: Replica,
    radix: int,
    train: Sequence[Tensor | int],
    test: Sequence[Tensor | int] | None = None,
) -> Replica:
    """A replica whose ids carry marks: of training samples, and of held-out ones (None: 0).

    >>> ids = torch.tensor([4, 5])
    >>> replica = Replica([Experience(ids, torch.tensor([6]))], {})
    >>> mark(replica, 10, [torch.tensor([0, 3])]).experiences[0].train.tolist()
    [40, 53]
    """
    held_out = [0] * len(replica.experiences) if test is None else test
    experiences = [
        Experience(
            e.train * radix + own,
            e.test * radix + other,
            None if e.valid is None else e.valid * radix + other,
        )
        for e, own, other in zip(replica.experiences, train, held_out, strict=True)
    ]
    meta = None if replica.meta is None else replica.meta * radix
    return replace(replica, experiences=experiences, meta=meta)


def thin(replica: Replica, keeps: Sequence[Tensor]) -> Replica:
    """A replica with fewer training samples: those of each experience where `keeps` (bool) says so.

    >>> ids = torch.arange(4)
    >>> replica = Replica([Experience(ids, ids)], {}, drifts=[2])
    >>> thin(replica, [torch.tensor([True, False, True, True])]).drifts
    [1]
    """
    experiences = [
        replace(e, train=e.train[kept]) for e, kept in zip(replica.experiences, keeps, strict=True)
    ]
    drifts = replica.drifts
    if drifts is not None:
        before = torch.cat([torch.zeros(1, dtype=torch.int64), torch.cat(list(keeps)).cumsum(0)])
        drifts = before[list(drifts)].tolist()
    return replace(replica, experiences=experiences, drifts=drifts)


def labels_of(stream: Stream, replica: Replica, ids: Tensor) -> Tensor:
    """Labels `[N]`, looked up a chunk at a time."""
    look = stream.view.labels
    size = max(1, CHUNK // max(1, torch.Size(stream.spec.input_shape).numel()))
    return torch.cat([look(stream.pool, replica.tables, part) for part in torch.split(ids, size)])


def feature_of(stream: Stream, replica: Replica, ids: Tensor, feature: int) -> Tensor:
    """One number `[N]` of every sample's inputs, flattened; looked up a chunk at a time."""
    size = max(1, CHUNK // max(1, torch.Size(stream.spec.input_shape).numel()))
    look = stream.view.inputs
    return torch.cat(
        [
            look(stream.pool, replica.tables, chunk).flatten(1)[:, feature]
            for chunk in torch.split(ids, size)
        ]
    )


def in_time(stream: Stream, key: Tensor, replica: Replica) -> Replica:
    """The replica with training samples in the order in which they come.

    Where the stream leaves the order to training, the key draws one for each experience; whoever
    uses this makes the stream `ordered`.
    """
    if stream.spec.ordered:
        return replica
    experiences = [
        replace(e, train=e.train[draws.permutation(draws.fold(key, "in time", n), len(e.train))])
        for n, e in enumerate(replica.experiences)
    ]
    return replace(replica, experiences=experiences)
