"""Small streams to try parts on, and streams altered where nobody should be looking.

Shape letters: N samples of the pool, C classes, B samples of a batch, K kept ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from streamsim import draws
from streamsim.stream import Experience, Replica, Reveal, Stream, StreamSpec, Tables, View

SHAPE = (1, 8, 8)
NUM_CLASSES, NUM_EXPERIENCES = 6, 3
NUM_META = 4  # classes kept apart
PER_CLASS = 64  # samples of each class in the pool
NUM_TEST = 12  # of each class
LEAST_TRAIN, MOST_TRAIN = 22, 52  # of each class; every replica draws its own number


@dataclass(frozen=True)
class ToyView:
    """Ids are places in the pool; classes kept apart have the label and task -1."""

    def inputs(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return pool["x"][ids]

    def labels(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return tables["label"][pool["y"][ids]]

    def tasks(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return tables["task"][pool["y"][ids]]


@dataclass(frozen=True, kw_only=True)
class Toy:
    """Noisy 8x8 patterns: six classes, two an experience, in every seed's own order.

    Experiences differ in size between seeds, so that replicas idle while others go on.

    >>> stream = Toy().stream(Path())
    >>> len(stream.draw(torch.tensor(7)).experiences)
    3
    """

    reveals: frozenset[Reveal] = frozenset({Reveal.BOUNDARIES})

    def stream(self, root: Path) -> Stream:
        tasks = Reveal.TASK_LABELS in self.reveals
        spec = StreamSpec(
            input_shape=SHAPE,
            num_classes=NUM_CLASSES,
            num_experiences=NUM_EXPERIENCES,
            setting="task" if tasks else "class",
            reveals=self.reveals,
            num_tasks=NUM_EXPERIENCES if tasks else 1,
        )
        pool = _pool()
        return Stream(spec, pool, ToyView(), lambda key: self._draw(key, pool["y"]))

    def _draw(self, key: Tensor, y_N: Tensor) -> Replica:
        order = draws.permutation(draws.fold(key, "classes"), NUM_CLASSES + NUM_META)
        groups = order[:NUM_CLASSES].view(NUM_EXPERIENCES, -1)
        sizes = LEAST_TRAIN + draws.integers(
            draws.fold(key, "sizes"), torch.arange(len(order)), MOST_TRAIN - LEAST_TRAIN + 1
        )
        of_class = [(y_N == c).nonzero().flatten() for c in range(len(order))]
        experiences = [
            Experience(
                torch.cat([of_class[c][NUM_TEST : NUM_TEST + sizes[c]] for c in group]),
                torch.cat([of_class[c][:NUM_TEST] for c in group]),
            )
            for group in groups
        ]
        label, task = torch.full_like(order, -1), torch.full_like(order, -1)
        label[order[:NUM_CLASSES]] = torch.arange(NUM_CLASSES)
        task[groups] = torch.arange(NUM_EXPERIENCES)[:, None]
        meta = torch.stack([of_class[c] for c in order[NUM_CLASSES:]])
        revealed = Reveal.META_CLASSES in self.reveals
        return Replica(experiences, {"label": label, "task": task}, meta if revealed else None)


def _pool() -> Mapping[str, Tensor]:
    """`x` [N, 1, 8, 8], a pattern of the class plus noise, and `y` [N]; classes well mixed, so
    that the ids next to a sample's own are those of other experiences."""
    key, num_classes = draws.fold(torch.tensor(0), "toy"), NUM_CLASSES + NUM_META
    num_samples = num_classes * PER_CLASS
    mixed = draws.permutation(draws.fold(key, "mixed"), num_samples)
    y_N = torch.arange(num_classes).repeat(PER_CLASS)[mixed]
    pattern = draws.normal(draws.fold(key, "patterns"), draws.counters(num_classes, *SHAPE))
    noise = draws.normal(draws.fold(key, "noise"), draws.counters(num_samples, *SHAPE))
    return {"x": pattern[y_N] + noise, "y": y_N}


@dataclass(frozen=True)
class AlteredView:
    """Another view's samples, turned upside down unless their ids are in `kept` [K]."""

    view: View
    num_classes: int

    def _is_kept(self, tables: Tables, ids: Tensor) -> Tensor:
        return (ids[..., None] == tables["kept"]).any(-1)

    def inputs(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        x = self.view.inputs(pool, tables, ids)
        kept = self._is_kept(tables, ids).view(-1, *[1] * (x.ndim - 1))
        return torch.where(kept, x, 1 - 2 * x)

    def labels(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        y = self.view.labels(pool, tables, ids)
        return torch.where(self._is_kept(tables, ids), y, (y + 1) % self.num_classes)

    def tasks(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return self.view.tasks(pool, tables, ids)


def altered(stream: Stream, keep: Callable[[Replica], Tensor]) -> Stream:
    """The same stream with other inputs and labels for all ids but those to keep."""

    def draw(key: Tensor) -> Replica:
        replica = stream.draw(key)
        return replace(replica, tables={**replica.tables, "kept": keep(replica)})

    return replace(stream, view=AlteredView(stream.view, stream.spec.num_classes), draw=draw)


@dataclass(frozen=True)
class FlatView:
    """Another view's samples as vectors."""

    view: View

    def inputs(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return self.view.inputs(pool, tables, ids).flatten(1)

    def labels(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return self.view.labels(pool, tables, ids)

    def tasks(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return self.view.tasks(pool, tables, ids)


def flat(stream: Stream) -> Stream:
    """The same stream with vectors in place of images."""
    shape = (torch.Size(stream.spec.input_shape).numel(),)
    return replace(stream, spec=replace(stream.spec, input_shape=shape), view=FlatView(stream.view))


@dataclass(frozen=True)
class Given:
    """A scenario that is a stream already made."""

    made: Stream

    def stream(self, root: Path) -> Stream:
        return self.made
