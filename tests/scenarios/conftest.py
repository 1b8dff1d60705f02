"""Data for the scenarios' tests: small made-up sets, and the real ones where they are at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from streamsim import draws
from streamsim.data import LabelledData
from streamsim.stream import Replica, Stream


@pytest.fixture
def real_data() -> Path:
    """The folder of real data sets beside the checkout."""
    folder = Path(__file__).resolve().parents[2].parent / "shared/data"
    if not folder.is_dir():
        pytest.skip(f"no real data sets in {folder}")
    return folder


Make = Callable[..., LabelledData]


@pytest.fixture
def make() -> Make:
    return made_up


def made_up(
    num_classes: int = 6,
    shape: tuple[int, ...] = (1, 4, 4),
    per_class: int = 5,
    num_background: int = 0,
    dtype: torch.dtype = torch.float32,
) -> LabelledData:
    """Random inputs; class c has per_class + c training samples and 2 test samples."""
    y_train = torch.cat([torch.full((per_class + c,), c) for c in range(num_classes)])
    y_test = torch.arange(num_classes).repeat(2)
    numbers = draws.uniform(torch.tensor(1), draws.counters(len(y_train) + len(y_test), *shape))
    x = (numbers * 255).to(dtype) if dtype == torch.uint8 else numbers
    return LabelledData(
        name="made-up",
        x_train=x[: len(y_train)],
        y_train=y_train,
        x_test=x[len(y_train) :],
        y_test=y_test,
        num_classes=num_classes,
        num_background=num_background,
    )


def key(seed: int) -> Tensor:
    return draws.fold(torch.tensor(seed), "replica")


def assert_vmap_equals_loop(stream: Stream, seeds: range = range(3)) -> None:
    """The view mapped over replicas gives what it gives for each of them."""
    replicas = [stream.draw(key(seed)) for seed in seeds]
    ids = torch.stack([_some_ids(replica) for replica in replicas])
    tables = {
        name: torch.stack([replica.tables[name] for replica in replicas])
        for name in replicas[0].tables
    }
    for look in (stream.view.inputs, stream.view.labels, stream.view.tasks):
        together = vmap(lambda t, i, look=look: look(stream.pool, t, i))(tables, ids)
        alone = [look(stream.pool, r.tables, i) for r, i in zip(replicas, ids, strict=True)]
        assert torch.equal(together, torch.stack(alone))


def _some_ids(replica: Replica) -> Tensor:
    return torch.cat([e.train[:3] for e in replica.experiences])
