"""The conformance kit fails each broken scenario by the one check that names its fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from streamsim import draws
from streamsim.chunks import replica_key
from streamsim.stream import Experience, Replica, Reveal, Stream, StreamSpec, Tables
from streamsim.testing import Result, Toy, assert_conforms, check_scenario, failures, scenarios
from streamsim.testing.driving import FAST, SEEDS


@dataclass(frozen=True)
class Changed:
    """The toy, with one thing changed."""

    change: Callable[[Stream], Stream]
    reveals: frozenset[Reveal] = frozenset(Reveal)

    def stream(self, root: Path) -> Stream:
        return self.change(Toy(reveals=self.reveals).stream(root))


@dataclass(frozen=True)
class View:
    """The toy's view, with one thing changed."""

    on_inputs: Callable[[Tables, Tensor, Tensor], Tensor] = lambda pool, ids, x: x
    on_labels: Callable[[Tensor], Tensor] = lambda y: y

    def inputs(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return self.on_inputs(pool, ids, pool["x"][ids])

    def labels(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return self.on_labels(tables["label"][pool["y"][ids]])

    def tasks(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return tables["task"][pool["y"][ids]]


def _drawing(change: Callable[[Replica, Tensor], Replica]) -> Callable[[Stream], Stream]:
    return lambda stream: replace(stream, draw=lambda key: change(stream.draw(key), key))


def _announcing(change: Callable[[StreamSpec], StreamSpec]) -> Callable[[Stream], Stream]:
    return lambda stream: replace(stream, spec=change(stream.spec))


def _viewing(view: View) -> Callable[[Stream], Stream]:
    return lambda stream: replace(stream, view=view)


def _first(replica: Replica, change: Callable[[Experience], Experience]) -> Replica:
    first, *others = replica.experiences
    return replace(replica, experiences=[change(first), *others])


def _shuffle_globally(replica: Replica, key: Tensor) -> Replica:
    return _first(replica, lambda e: replace(e, train=e.train[torch.randperm(len(e.train))]))


def _ragged_table(replica: Replica, key: Tensor) -> Replica:
    size = int(draws.integers(key, torch.tensor(0), 1000))
    return replace(replica, tables={**replica.tables, "more": torch.zeros(size)})


def _scaled_by_batch(pool: Tables, ids: Tensor, x: Tensor) -> Tensor:
    return x / x.std()


def _writing(pool: Tables, ids: Tensor, x: Tensor) -> Tensor:
    pool["x"].add_(1.0)
    return x


def _on_default_device(pool: Tables, ids: Tensor, x: Tensor) -> Tensor:
    return x + torch.zeros(x.shape[1:])


def _branching(pool: Tables, ids: Tensor, x: Tensor) -> Tensor:
    return x if int(ids.max()) >= 0 else -x


BROKEN_STREAMS: Mapping[str, tuple[Callable[[Stream], Stream], str]] = {
    "global generator": (_drawing(_shuffle_globally), scenarios.REPLAYS),
    "one experience too many": (
        _announcing(lambda spec: replace(spec, num_experiences=4)),
        scenarios.EXPERIENCES,
    ),
    "empty test part": (
        _drawing(lambda r, key: _first(r, lambda e: replace(e, test=e.test[:0]))),
        scenarios.EXPERIENCES,
    ),
    "tables of different sizes": (_drawing(_ragged_table), scenarios.STACKS),
    "test samples to train on": (
        _drawing(
            lambda r, key: _first(r, lambda e: replace(e, train=torch.cat([e.train, e.test[:1]])))
        ),
        scenarios.APART,
    ),
    "labels out of range": (_viewing(View(on_labels=lambda y: y + 1)), scenarios.SAMPLES),
    "inputs of another shape": (
        _viewing(View(on_inputs=lambda pool, ids, x: x.flatten(1))),
        scenarios.SAMPLES,
    ),
    "inputs of another type": (
        _viewing(View(on_inputs=lambda pool, ids, x: x.double())),
        scenarios.SAMPLES,
    ),
    "no classes apart": (
        _drawing(lambda replica, key: replace(replica, meta=None)),
        scenarios.REVEALS,
    ),
    "classes apart that are not": (
        _drawing(lambda r, key: replace(r, meta=r.experiences[1].train[None, :20])),
        scenarios.REVEALS,
    ),
    "hidden task labels": (
        _announcing(lambda spec: replace(spec, reveals=spec.reveals - {Reveal.TASK_LABELS})),
        scenarios.REVEALS,
    ),
    "writes into the pool": (_viewing(View(on_inputs=_writing)), scenarios.UNTOUCHED),
    "depends on the batch": (_viewing(View(on_inputs=_scaled_by_batch)), scenarios.BATCHES),
    "forgets the device": (_viewing(View(on_inputs=_on_default_device)), scenarios.DEVICES),
    "cannot be mapped": (_viewing(View(on_inputs=_branching)), scenarios.MAPS),
    "diverges": (
        _viewing(View(on_inputs=lambda pool, ids, x: x * 1e25)),
        scenarios.RUNS,
    ),
}


@pytest.mark.parametrize("reveals", [frozenset(), frozenset(Reveal)], ids=["nothing", "all"])
def test_a_sound_scenario_passes_every_check(reveals: frozenset[Reveal]) -> None:
    assert failures(check_scenario(Toy(reveals=reveals))) == {}
    assert_conforms(Toy(reveals=reveals))


@pytest.mark.parametrize("fault", BROKEN_STREAMS)
def test_a_broken_scenario_fails_the_one_check_that_names_its_fault(fault: str) -> None:
    change, expected = BROKEN_STREAMS[fault]
    assert list(failures(check_scenario(Changed(change)))) == [expected]


def test_a_missing_data_set_is_one_honest_result() -> None:
    def missing(stream: Stream) -> Stream:
        raise ValueError("letters is not in here; run `streamsim data get letters`")

    assert check_scenario(Changed(missing)) == [
        Result(scenarios.DATA, False, "letters is not in here; run `streamsim data get letters`")
    ]


def test_seeds_of_the_toy_idle_at_different_times() -> None:
    stream = Toy().stream(Path())
    sizes = [[len(e.train) for e in stream.draw(replica_key(seed)).experiences] for seed in SEEDS]
    steps = [[-(-size // FAST["train.batch_size"]) for size in of_seed] for of_seed in sizes]
    assert all(len(set(at_experience)) > 1 for at_experience in zip(*steps, strict=True))
    # the chunk of all but the first seed is padded otherwise than all of them
    assert [max(sizes) for sizes in zip(*steps, strict=True)] != [
        max(sizes[1:]) for sizes in zip(*steps, strict=True)
    ]
    # the default memory of 200 samples overflows
    assert all(sum(of_seed) > 200 for of_seed in sizes[:2])
