"""The order of samples: whole passes, and the same ones whatever is planned or padded beside."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.func import vmap

from streamsim import draws, schedule
from streamsim.optimizers import TrainOptions
from streamsim.schedule import Order, seen_after

KEY = draws.fold(torch.tensor(3), "order")

sizes = st.integers(1, 30)
by_epochs = st.builds(TrainOptions, epochs=st.integers(1, 4), batch_size=st.integers(1, 12))
by_iterations = st.builds(
    TrainOptions, iterations=st.integers(1, 30), batch_size=st.integers(1, 12)
)
hurried = settings(deadline=None, max_examples=60)


@dataclass
class Visit:
    """One real entry of an order: what a replica trains on, and at which of its own steps."""

    step: int
    place: int
    fresh: bool


def order(
    options: TrainOptions,
    size: int,
    steps: range | None = None,
    padded: int = 0,
    smallest: int = 10**6,
    ordered: bool = False,
    key: Tensor = KEY,
) -> Order:
    """An order among replicas whose sizes run from `smallest` to `padded`."""
    padded = max(padded, size)
    if steps is None:
        steps = range(schedule.num_steps(options, padded))
    size_ = torch.tensor(size)
    return schedule.order(options, key, size_, steps, padded, min(smallest, size), ordered)


def visits(order: Order) -> list[Visit]:
    """Real entries in the order of training."""
    return [
        Visit(int(order.clock[s]), int(order.place[s, b]), bool(order.fresh[s, b]))
        for s, b in order.weight.nonzero().tolist()
    ]


def passes(order: Order, size: int) -> list[list[int]]:
    """Places visited, cut into passes; the last may be incomplete."""
    places = [visit.place for visit in visits(order)]
    return [places[start : start + size] for start in range(0, len(places), size)]


def is_equal(a: Order, b: Order) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


# -- what is visited ------------------------------------------------------------------------------
@hurried
@given(by_epochs, sizes, st.integers(0, 40))
def test_every_epoch_visits_every_sample_once(
    options: TrainOptions, size: int, padded: int
) -> None:
    found = passes(order(options, size, padded=padded), size)
    assert [sorted(places) for places in found] == [list(range(size))] * options.epochs


@hurried
@given(by_iterations, sizes, st.integers(1, 30))
def test_iterations_run_through_whole_passes(
    options: TrainOptions, size: int, smallest: int
) -> None:
    *whole, last = passes(order(options, size, smallest=smallest), size)
    assert all(sorted(places) == list(range(size)) for places in whole)
    assert set(last) <= set(range(size))
    assert len(set(last)) == len(last)


@hurried
@given(by_iterations, sizes)
def test_batches_of_iterations_are_always_full(options: TrainOptions, size: int) -> None:
    found = order(options, size)
    assert found.weight.shape == (options.iterations, options.batch_size)
    assert (found.weight == 1).all()


def test_the_last_batch_of_an_epoch_is_smaller() -> None:
    found = order(TrainOptions(epochs=2, batch_size=10), 23)
    assert found.weight.dtype == torch.float32
    assert found.weight.sum(1).tolist() == [10, 10, 3, 10, 10, 3]


@hurried
@given(by_epochs | by_iterations, sizes, st.integers(0, 40), st.booleans())
def test_padding_points_at_real_samples(
    options: TrainOptions, size: int, padded: int, ordered: bool
) -> None:
    place = order(options, size, padded=padded, ordered=ordered).place
    assert place.dtype == torch.int64
    assert ((place >= 0) & (place < size)).all()


@hurried
@given(by_epochs | by_iterations, sizes, st.integers(0, 40), st.booleans())
def test_a_sample_is_fresh_at_its_first_visit_only(
    options: TrainOptions, size: int, padded: int, ordered: bool
) -> None:
    found = order(options, size, padded=padded, ordered=ordered)
    assert not found.fresh[found.weight == 0].any()
    seen: set[int] = set()
    for visit in visits(found):
        assert visit.fresh == (visit.place not in seen)
        seen.add(visit.place)


@hurried
@given(by_epochs | by_iterations, sizes, st.integers(0, 40))
def test_the_clock_counts_the_steps_that_a_replica_made(
    options: TrainOptions, size: int, padded: int
) -> None:
    found = order(options, size, padded=padded)
    active = (found.weight.sum(1) > 0).long()
    assert found.clock.tolist() == (active.cumsum(0) - active).tolist()


@hurried
@given(by_epochs, sizes, st.integers(0, 40))
def test_a_replica_with_fewer_samples_makes_as_many_steps_as_alone(
    options: TrainOptions, size: int, padded: int
) -> None:
    active = order(options, size, padded=padded).weight.sum(1) > 0
    assert int(active.sum()) == schedule.num_steps(options, size)


# -- what it depends on ---------------------------------------------------------------------------
@hurried
@given(by_epochs | by_iterations, sizes, st.integers(0, 40), st.integers(1, 30), st.booleans())
def test_other_replicas_do_not_change_an_order(
    options: TrainOptions, size: int, padded: int, smallest: int, ordered: bool
) -> None:
    among = order(options, size, padded=padded, smallest=smallest, ordered=ordered)
    alone = order(options, size, ordered=ordered)
    assert visits(among) == visits(alone)


@hurried
@pytest.mark.parametrize("some", [by_epochs, by_iterations], ids=["epochs", "iterations"])
@pytest.mark.parametrize("ordered", [False, True])
@given(st.data(), sizes, st.integers(0, 40), st.integers(1, 30))
def test_planning_in_stretches_gives_the_same(
    some: st.SearchStrategy[TrainOptions],
    ordered: bool,
    data: st.DataObject,
    size: int,
    padded: int,
    smallest: int,
) -> None:
    options = data.draw(some, "options")
    total = schedule.num_steps(options, max(size, padded))
    cuts = data.draw(st.sets(st.integers(0, total), min_size=min(total, 3)), "cuts")
    pieces = [
        order(options, size, range(start, stop), padded, smallest, ordered)
        for start, stop in pairwise(sorted(cuts | {0, total}))
    ]
    joined = Order(*(torch.cat(fields) for fields in zip(*pieces, strict=True)))
    assert is_equal(joined, order(options, size, None, padded, smallest, ordered))


@hurried
@given(by_epochs | by_iterations, st.lists(sizes, min_size=2, max_size=4))
def test_replicas_planned_together_equal_each_alone(
    options: TrainOptions, sizes: list[int]
) -> None:
    keys = draws.fold(draws.counters(len(sizes)), "order")
    largest, smallest = max(sizes), min(sizes)
    steps = range(schedule.num_steps(options, largest))

    def plan(key: Tensor, size: Tensor) -> Order:
        return schedule.order(options, key, size, steps, largest, smallest, False)

    together = vmap(plan)(keys, torch.tensor(sizes))
    for i, size in enumerate(sizes):
        alone = order(options, size, padded=largest, smallest=smallest, key=keys[i])
        assert is_equal(Order(*(field[i] for field in together)), alone)


@pytest.mark.parametrize("options", [TrainOptions(epochs=3), TrainOptions(iterations=12)])
def test_passes_and_keys_shuffle_anew(options: TrainOptions) -> None:
    first, second, third = passes(order(options, 40), 40)[:3]
    other = passes(order(options, 40, key=draws.fold(KEY, 1)), 40)[0]
    assert len({tuple(places[:40]) for places in (first, second, other)}) == 3
    assert first != list(range(40))
    assert third != first[: len(third)]


@hurried
@given(by_epochs | by_iterations, sizes, st.integers(0, 40))
def test_ordered_streams_keep_their_order(options: TrainOptions, size: int, padded: int) -> None:
    for places in passes(order(options, size, padded=padded, ordered=True), size):
        assert places == list(range(len(places)))


# -- how many steps -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "num_samples", "num_merged", "steps"),
    [
        (TrainOptions(epochs=1, batch_size=10), 20, 1, 2),
        (TrainOptions(epochs=3, batch_size=10), 21, 1, 9),
        (TrainOptions(epochs=2, batch_size=10), 21, 5, 6),
        (TrainOptions(iterations=7, epochs=1), 21, 1, 7),
        (TrainOptions(iterations=7), 21, 5, 35),
    ],
)
def test_steps_of_an_experience(
    options: TrainOptions, num_samples: int, num_merged: int, steps: int
) -> None:
    assert schedule.num_steps(options, num_samples, num_merged) == steps


def test_a_class_has_been_seen_from_the_step_on_that_brings_it() -> None:
    seen = torch.tensor([False, True, False, False])
    labels = torch.tensor([[1, 3], [0, 2], [0, 0]])
    weight = torch.tensor([[1.0, 1.0], [1.0, 0.0], [1.0, 1.0]])  # the 2 is padding
    assert seen_after(seen, labels, weight).tolist() == [
        [False, True, False, True],
        [True, True, False, True],
        [True, True, False, True],
    ]
