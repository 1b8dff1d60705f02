"""Streams for learners of other libraries, and river's own way through them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest
import torch
from torch import Tensor

from streamsim.chunks import replica_key
from streamsim.stream import Experience, Replica, Stream, StreamSpec, Tables

Samples = list[tuple[dict[int, float], int]]


class Looked:
    """Looks samples up in a pool."""

    def inputs(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return pool["x"][ids].float()

    def exact(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return pool["x"][ids].double()

    def labels(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return pool["y"][ids]

    def tasks(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        raise AssertionError


@dataclass(frozen=True)
class Given:
    """Samples in the order given, cut into two experiences; the last ones test both."""

    x: Tensor
    y: Tensor
    num_tests: int = 10
    ordered: bool = True
    features: tuple[str, ...] | None = None

    prequential: ClassVar[bool] = True

    def stream(self, root: Path) -> Stream:
        num = len(self.y) - self.num_tests
        spec = StreamSpec(
            input_shape=tuple(self.x.shape[1:]),
            num_classes=max(2, int(self.y.max()) + 1),
            num_experiences=2,
            setting="domain",
            reveals=frozenset(),
            ordered=self.ordered,
            features=self.features,
        )
        test = torch.arange(num, len(self.y))
        cut = num // 2
        experiences = [
            Experience(torch.arange(cut), test),
            Experience(torch.arange(cut, num), test),
        ]
        return Stream(
            spec, {"x": self.x, "y": self.y}, Looked(), lambda key: Replica(experiences, {})
        )


class Drawn(NamedTuple):
    """What a replica learns, experience by experience, and what it is tested on."""

    train: list[Samples]
    test: list[Samples]


def _draw(scenario: Any, seed: int = 0) -> Drawn:
    stream = scenario.stream(Path())
    replica = stream.draw(replica_key(seed))

    def samples(ids: Tensor) -> Samples:
        """One by one."""
        found = []
        for each in ids:
            x = stream.view.inputs(stream.pool, replica.tables, each[None])[0]
            y = stream.view.labels(stream.pool, replica.tables, each[None])[0]
            found.append(({k: float(v) for k, v in enumerate(x.flatten())}, int(y)))
        return found

    return Drawn(
        [samples(e.train) for e in replica.experiences],
        [samples(e.test) for e in replica.experiences],
    )


@pytest.fixture
def given() -> type[Given]:
    """A scenario of samples that a test makes up."""
    return Given


@pytest.fixture
def draw() -> Callable[..., Drawn]:
    """The samples of a replica in the order of their ids, read one by one."""
    return _draw
