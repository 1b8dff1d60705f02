"""Memories against one-sample-at-a-time loops, brute force and counting.

Shape letters: M slots, S steps, B batch, K read samples, R replicas.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.func import vmap

from streamsim import draws
from streamsim.strategy import Arrivals
from streamsim_strategies import memory
from streamsim_strategies.agem import Agem
from streamsim_strategies.memory import Drawn, Memory, Policy
from streamsim_strategies.ncm import Ncm
from streamsim_strategies.replay import Replay

if TYPE_CHECKING:
    from tests.strategies.conftest import Kit

WRITE, READ = draws.fold(torch.tensor(5), "write"), draws.fold(torch.tensor(5), "read")
CHI_SQUARE_23, CHI_SQUARE_19 = 55.5, 49.0  # exceeded by chance once in about 5000


def empty(size: int) -> Memory:
    zero = torch.tensor(0)
    return Memory(torch.zeros(size, dtype=torch.int64), zero, zero, torch.tensor(99))


def copies(memory: Memory, num: int) -> Memory:
    """With a replica axis."""
    return Memory(*(leaf.expand(num, *leaf.shape).clone() for leaf in memory))


def arrivals_of(rows: list[list[bool | None]], batch: int) -> Arrivals:
    """One row a step: a flag for each sample, whether it is fresh; None is padding."""
    fresh = torch.tensor([[flag is True for flag in row] for row in rows])
    weight = torch.tensor([[flag is not None for flag in row] for row in rows]).float()
    ids = 100 + torch.arange(len(rows) * batch).view(len(rows), batch)
    active = [any(flag is not None for flag in row) for row in rows]
    clock = torch.tensor([sum(active[:s]) for s in range(len(rows))])
    return Arrivals(ids, ids % 3, weight, fresh, clock)


def part_of(arrivals: Arrivals, start: int, stop: int) -> Arrivals:
    return Arrivals(*(field[start:stop] for field in arrivals if field is not None))


def full_steps(num_steps: int, batch: int) -> Arrivals:
    return arrivals_of([[True] * batch] * num_steps, batch)


@st.composite
def streams(draw: st.DrawFn) -> tuple[Arrivals, list[int]]:
    """Steps with padding, idle ones and repeated samples among them, and where to cut them."""
    batch = draw(st.integers(1, 4))
    rows: list[list[bool | None]] = []
    for _ in range(draw(st.integers(1, 12))):
        real = draw(st.integers(0, batch))
        flags = draw(st.lists(st.booleans(), min_size=real, max_size=real))
        rows.append([*flags, *[None] * (batch - real)])
    cuts = draw(st.sets(st.integers(1, len(rows))))
    return arrivals_of(rows, batch), sorted({0, len(rows), *cuts})


# -- reservoir --------------------------------------------------------------------------------
@settings(max_examples=80, deadline=None)
@given(stream=streams(), size=st.integers(1, 9), num=st.integers(1, 3))
def test_reservoir_equals_algorithm_r_one_sample_at_a_time_however_it_is_cut(
    kit: Kit, stream: tuple[Arrivals, list[int]], size: int, num: int
) -> None:
    arrivals, cuts = stream
    slow, kept = kit.SlowReservoir(size), empty(size)
    batch = arrivals.ids.shape[1]
    for start, stop in itertools.pairwise(cuts):
        kept, drawn = memory.reservoir(kept, part_of(arrivals, start, stop), WRITE, READ, num)
        for step in range(start, stop):
            clock = int(arrivals.clock[step])
            read = slow.read(READ, clock, num)
            ours = drawn.ids[step - start], drawn.weight[step - start]
            assert ours[1].tolist() == [float(bool(read))] * num
            assert not read or ours[0].tolist() == read
            for place in range(batch):
                if arrivals.fresh[step, place]:
                    slow.offer(int(arrivals.ids[step, place]), WRITE, clock * batch + place)
        assert kept.ids[: int(kept.filled)].tolist() == slow.slots
        assert int(kept.filled) == len(slow.slots)
        assert int(kept.arrived) == slow.arrived


def test_reservoir_of_many_replicas_is_that_of_each_alone() -> None:
    rows: list[list[bool | None]] = [[True, True], [True, None], [None, None], [False, True]] * 3
    arrivals = arrivals_of(rows, 2)
    keys = draws.fold(torch.tensor(1), torch.arange(7))
    old = Memory(torch.arange(30, 35), torch.tensor(5), torch.tensor(8), torch.tensor(0))

    def plan(old: Memory, key: Tensor) -> tuple[Memory, Drawn]:
        return memory.reservoir(old, arrivals, key, key + 1, 3)

    kept, drawn = vmap(plan)(copies(old, 7), keys)
    assert len(set(map(tuple, kept.ids.tolist()))) > 1
    for r, key in enumerate(keys):
        alone, read = plan(old, key)
        assert torch.equal(kept.ids[r], alone.ids)
        assert torch.equal(drawn.ids[r], read.ids)


def test_reservoir_keeps_every_sample_with_the_same_probability() -> None:
    arrivals, size, num_keys = full_steps(6, 4), 6, 4000
    keys = draws.fold(torch.tensor(0), torch.arange(num_keys))

    def keep(old: Memory, key: Tensor) -> Tensor:
        return memory.reservoir(old, arrivals, key, READ, 1)[0].ids

    kept = vmap(keep)(copies(empty(size), num_keys), keys) - 100
    assert all(len(set(row)) == size for row in kept.tolist())
    share = size / 24
    expected = num_keys * share
    deviation = (kept.flatten().bincount(minlength=24) - expected).square() / expected
    assert deviation.sum() / (1 - share) < CHI_SQUARE_23


def test_a_step_reads_every_earlier_sample_with_the_same_probability() -> None:
    arrivals, num_keys = full_steps(6, 4), 4000
    keys = draws.fold(torch.tensor(1), torch.arange(num_keys))

    def read(old: Memory, key: Tensor) -> Tensor:
        write, read = draws.fold(key, "write"), draws.fold(key, "read")
        return memory.reservoir(old, arrivals, write, read, 1)[1].ids[-1, 0]

    counts = (vmap(read)(copies(empty(6), num_keys), keys) - 100).bincount(minlength=24)
    assert counts[20:].sum() == 0  # the last step's own samples
    expected = num_keys / 20
    assert ((counts[:20] - expected).square() / expected).sum() < CHI_SQUARE_19


@given(step=st.integers(0, 7), size=st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_a_step_reads_nothing_offered_in_it_or_later(step: int, size: int) -> None:
    arrivals = full_steps(8, 3)
    later = torch.arange(8) >= step
    others = arrivals._replace(ids=torch.where(later[:, None], arrivals.ids + 500, arrivals.ids))
    _, drawn = memory.reservoir(empty(size), arrivals, WRITE, READ, 4)
    _, instead = memory.reservoir(empty(size), others, WRITE, READ, 4)
    assert torch.equal(drawn.weight, instead.weight)
    # in the first step there is nothing to read: whatever stands there weighs nothing
    assert drawn.weight[0].any() == 0
    assert torch.equal(drawn.ids[1 : step + 1], instead.ids[1 : step + 1])
    assert step == 0 or (drawn.ids[step] < 100 + 3 * step).all()


def test_idle_steps_padding_and_repeated_samples_are_not_offered() -> None:
    rows: list[list[bool | None]] = [[True, None], [None, None], [False, True], [False, False]]
    kept, drawn = memory.reservoir(empty(5), arrivals_of(rows, 2), WRITE, READ, 2)
    assert kept.ids.tolist() == [100, 105, 0, 0, 0]
    assert (int(kept.filled), int(kept.arrived)) == (2, 2)
    assert drawn.weight.tolist() == [[0, 0], [1, 1], [1, 1], [1, 1]]


def test_replicas_of_unequal_length_offer_each_of_their_samples_once(kit: Kit) -> None:
    learner = kit.population(Replay(memory_size=16), epochs=2)
    kit.train(learner, 0, 1, stretch=3)
    state: Memory = learner.carry.states["replay"]
    sizes = [sum(len(e.train) for e in one.replica.experiences[:2]) for one in kit.ones(learner)]
    assert len(set(sizes)) > 1
    assert state.arrived.tolist() == sizes
    assert state.filled.tolist() == [16] * 3
    for ids, one in zip(state.ids, kit.ones(learner), strict=True):
        assert len(set(ids.tolist())) == 16
        offered = torch.cat([e.train for e in one.replica.experiences[:2]])
        assert torch.isin(ids, offered).all()


@pytest.mark.parametrize("part", [Replay(), Agem(), Ncm()], ids=lambda part: part.name)
@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)], ids=["alone", "population"])
def test_free_slots_never_stand_for_a_sample_outside_the_stream(
    kit: Kit, part: Any, seeds: tuple[int, ...]
) -> None:
    # the pool begins with a class outside the stream: labelled -1, which no loss can take
    learner = kit.population(part, kit.toy(outside=1), seeds)
    (state,) = learner.carry.states.values()
    assert not state.ids.any()
    assert (learner.correct([0], -1) >= 0).all()
    kit.train(learner, 0)
    assert (learner.correct([0], 0) > 0).all()
    assert learner.finite().all()


# -- balanced ---------------------------------------------------------------------------------
def lowest(offered: list[int], label_of: dict[int, int], key: Tensor, per_class: int) -> set[int]:
    """The `per_class` samples of each class with the lowest priorities, by sorting."""
    priority = {i: int(draws.integers(key, torch.tensor(i), 1 << 31)) for i in offered}
    kept: set[int] = set()
    for label in set(label_of.values()):
        members = [i for i in offered if label_of[i] == label]
        kept |= set(sorted(members, key=priority.__getitem__)[:per_class])
    return kept


@st.composite
def experiences(draw: st.DrawFn) -> list[dict[int, int]]:
    """Ids and their labels, 0 to 3, of some experiences."""
    names = iter(draw(st.permutations(range(1, 61))))
    labels = st.lists(st.integers(0, 3), min_size=1, max_size=12)
    return [{next(names): label for label in draw(labels)} for _ in range(draw(st.integers(1, 5)))]


@settings(max_examples=80, deadline=None)
@given(
    given_experiences=experiences(),
    size=st.integers(4, 13),
    padding=st.integers(0, 3),
    fixed=st.booleans(),
)
def test_balanced_keeps_the_samples_of_lowest_priority_of_each_class(
    given_experiences: list[dict[int, int]], size: int, padding: int, fixed: bool
) -> None:
    kept, label_of = empty(size), dict.fromkeys([0], 3)  # free slots hold 0, whatever its label
    everything: list[int] = []
    for samples in given_experiences:
        everything += samples
        label_of |= samples
        num_seen = len({label_of[i] for i in everything})
        per_class = size // (4 if fixed else num_seen)
        ids = torch.tensor([*samples, *[next(iter(samples))] * padding])
        ids = torch.cat([kept.ids, ids])
        labels = torch.tensor([label_of[int(i)] for i in ids])
        held = torch.arange(size) < kept.filled
        real = torch.cat([held, torch.arange(len(samples) + padding) < len(samples)])
        kept = memory.balanced(kept, ids, labels, real, torch.tensor(per_class), 4)
        expected = lowest(everything, label_of, kept.key, per_class)
        filled = int(kept.filled)
        assert filled == len(expected)
        assert set(kept.ids[:filled].tolist()) == expected
        assert kept.ids[filled:].tolist() == [0] * (size - filled)
        assert int(kept.arrived) == len(everything)


@pytest.mark.parametrize("setting", ["class", "task", "domain"])
@pytest.mark.parametrize("policy", ["class-balanced", "per-class"])
@pytest.mark.parametrize("part", ["replay", "agem", "ncm"])
def test_a_memory_after_each_experience_is_that_of_brute_force(
    kit: Kit, setting: Any, policy: Policy, part: str
) -> None:
    size = 13
    parts = {
        "replay": Replay(memory_size=size, policy=policy),
        "agem": Agem(memory_size=size, policy=policy),
        "ncm": Ncm(memory_size=size, policy=policy),
    }
    learner = kit.population(parts[part], kit.toy(setting=setting))
    for experience in range(3):
        kit.train(learner, experience)
        state: Memory = learner.carry.states[part]
        for r, one in enumerate(kit.ones(learner)):
            past = [e.train for e in one.replica.experiences[: experience + 1]]
            offered = torch.cat(past)
            label_of = dict(zip(offered.tolist(), one.take(offered)[1].tolist(), strict=True))
            shares = len(set(label_of.values()))
            if policy == "per-class":
                shares = learner.program.stream.spec.num_classes
            key = one.fold("parts", "memory")
            expected = lowest(list(label_of), label_of, key, size // shares)
            assert set(state.ids[r, : int(state.filled[r])].tolist()) == expected
            assert int(state.arrived[r]) == len(offered)


def test_class_balanced_drops_old_samples_when_classes_come(kit: Kit) -> None:
    toy = kit.toy(smallest=20, largest=24)  # enough of each class to fill its share
    learner = kit.population(Replay(memory_size=12, policy="class-balanced"), toy)
    for experience, per_class in enumerate([6, 3, 2]):
        kit.train(learner, experience)
        state: Memory = learner.carry.states["replay"]
        for ids, filled, one in zip(state.ids, state.filled, kit.ones(learner), strict=True):
            counts = one.take(ids[: int(filled)])[1].bincount()
            assert counts.tolist() == [per_class] * 2 * (experience + 1)


def test_balanced_memory_of_recurring_classes_keeps_samples_of_all_experiences(kit: Kit) -> None:
    toy = kit.toy(setting="domain")
    learner = kit.population(Replay(memory_size=18, policy="class-balanced"), toy)
    kit.train(learner, 0, 1, 2)
    state: Memory = learner.carry.states["replay"]
    for ids, one in zip(state.ids, kit.ones(learner), strict=True):
        assert set(one.replica.tables["task"][ids].tolist()) == {0, 1, 2}
        assert one.take(ids)[1].bincount().tolist() == [6, 6, 6]


def test_balanced_keeps_a_sample_that_comes_again_only_once() -> None:
    ids = torch.arange(1, 9)
    kept, one_class = empty(4), torch.tensor(4)
    for _ in range(3):  # the same experience, three times
        both = torch.cat([kept.ids, ids])
        real = torch.cat([torch.arange(4) < kept.filled, torch.ones(8, dtype=torch.bool)])
        kept = memory.balanced(kept, both, torch.zeros_like(both), real, one_class, 1)
        assert len(set(kept.ids.tolist())) == 4


@pytest.mark.parametrize("policy", ["class-balanced", "per-class"])
def test_a_memory_between_boundaries_is_read_uniformly_and_not_at_all_while_empty(
    kit: Kit, policy: Policy
) -> None:
    learner = kit.population(Replay(memory_size=12, policy=policy), seeds=(0,), batch_size=2)
    learner.begin(0)
    plan = learner._plan(0, range(3)).inputs
    assert not plan.plans["replay"].weight.any()
    learner.train(0, range(learner.num_steps(0)))
    learner.end(0)
    state: Memory = learner.carry.states["replay"]
    drawn: Drawn = learner._plan(1, range(200))[0].plans["replay"]
    held = state.ids[: int(state.filled)]
    assert drawn.weight.all()
    counts = torch.stack([(drawn.ids == i).sum() for i in held])
    assert counts.sum() == drawn.ids.numel()
    expected = drawn.ids.numel() / len(held)
    assert ((counts - expected).square() / expected).sum() < CHI_SQUARE_19


def test_a_memory_that_is_too_small_is_refused(kit: Kit) -> None:
    with pytest.raises(ValueError, match=r"memory_size=3 .* use at least 4"):
        kit.population(Replay(memory_size=3))
    with pytest.raises(ValueError, match=r"memory_size=5 .* use at least 6"):
        kit.population(Replay(memory_size=5, policy="class-balanced"))
    with pytest.raises(ValueError, match="boundaries"):
        kit.population(Replay(policy="per-class"), kit.toy(boundaries=False))
