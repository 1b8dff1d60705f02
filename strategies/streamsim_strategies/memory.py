"""Memories of sample ids: what to keep is decided by order and draws alone, so it is planned ahead.

Parts with equal memory options keep the same samples, because those draws do not depend on the
part: `replay+ncm` costs the storage of one memory.

Shape letters: M slots, S steps of a stretch, B batch, K rehearsed samples, N samples, C classes.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from streamsim import draws
from streamsim.strategy import Arrivals, Context, Data, Setup
from streamsim.stream import Reveal

# options of every part with a memory
Size = Annotated[int, Field(ge=1, description="samples kept")]
Policy = Annotated[
    Literal["reservoir", "class-balanced", "per-class"],
    Field(
        description="reservoir: uniform over all arrivals, updated every step; class-balanced: "
        "equal shares of the classes seen, per-class: fixed shares for all classes, both updated "
        "after an experience"
    ),
]


class Memory(NamedTuple):
    """Sample ids; slots from `filled` on are free and hold 0."""

    ids: Tensor  # [M] int64
    filled: Tensor  # int64 scalar
    arrived: Tensor  # int64 scalar: samples offered so far
    key: Tensor  # int64 scalar: decides which samples of a class are kept


class Drawn(NamedTuple):
    """Samples drawn from a memory for every step."""

    ids: Tensor  # [S, K]
    weight: Tensor  # [S, K] float32: 1, or 0 while the memory is empty


def needs(policy: Policy) -> frozenset[Reveal]:
    """A memory that changes after experiences needs to know where they end."""
    return frozenset({Reveal.BOUNDARIES} if policy != "reservoir" else ())


def check(part: str, size: int, num: int, policy: Policy, num_classes: int) -> None:
    """Refuse a memory that cannot fill a batch, or cannot give every class a slot."""
    if size < num:
        raise ValueError(
            f"strategy.{part}.memory_size={size} is smaller than one batch of {num} from the "
            f"memory; use at least {num}, or a smaller strategy.{part}.batch_size"
        )
    if policy != "reservoir" and size < num_classes:
        raise ValueError(
            f"strategy.{part}.memory_size={size} leaves some of {num_classes} classes without a "
            f"slot; use at least {num_classes}, or strategy.{part}.policy=reservoir"
        )


def empty(size: int, setup: Setup) -> Memory:
    """A memory before the first sample."""
    zero = torch.zeros((), dtype=torch.int64, device=setup.key.device)
    ids = torch.zeros(size, dtype=torch.int64, device=setup.key.device)
    return Memory(ids, zero, zero, draws.fold(setup.key, "memory"))


def plan(
    memory: Memory, ctx: Context, arrivals: Arrivals, policy: Policy, num: int, reader: str
) -> tuple[Memory, Drawn]:
    """The memory after a stretch, and `num` samples that each of its steps reads for `reader`."""
    assert ctx.key is not None
    write, read = draws.fold(ctx.key, "memory"), draws.fold(ctx.key, "memory", reader)
    if policy == "reservoir":
        memory, drawn = reservoir(memory, arrivals, write, read, num)
    else:
        filled_S = memory.filled.expand(arrivals.clock.shape[0])
        slot_SK = _slots(read, arrivals.clock, num, filled_S)
        weight_SK = (memory.filled > 0).to(torch.float32).expand_as(slot_SK)
        drawn = Drawn(memory.ids[slot_SK], weight_SK)
    # an empty memory's ids may be outside the stream; incoming ones can be looked up, and weigh 0
    return memory, Drawn(
        torch.where(drawn.weight > 0, drawn.ids, arrivals.ids[:, :1]), drawn.weight
    )


def end(memory: Memory, ctx: Context, data: Data, policy: Policy) -> Memory:
    """The memory after an experience."""
    if policy == "reservoir":
        return memory
    num_classes = ctx.spec.num_classes
    shares = ctx.seen.sum().clamp_min(1) if policy == "class-balanced" else num_classes
    size = memory.ids.shape[0]
    per_class = torch.div(torch.tensor(size, device=data.ids.device), shares, rounding_mode="floor")
    ids = torch.cat([memory.ids, data.ids])
    held = torch.arange(size, device=ids.device) < memory.filled
    real = torch.cat([held, data.weight > 0])
    return balanced(memory, ids, ctx.labels(ids), real, per_class, num_classes)


def _slots(key: Tensor, clock: Tensor, num: int, filled_S: Tensor) -> Tensor:
    """`[S, K]` slots below `filled_S`: draws belong to a step of the experience, by its clock."""
    counter_SK = clock[:, None] * num + torch.arange(num, device=key.device)
    return draws.integers(key, counter_SK, filled_S[:, None].clamp_min(1))


def reservoir(
    memory: Memory, arrivals: Arrivals, write: Tensor, read: Tensor, num: int
) -> tuple[Memory, Drawn]:
    """Algorithm R (Vitter 1985) over a stretch: the memory after it, and what its steps read.

    The n-th sample ever offered takes slot floor(u * n) if that is below M. A step reads what was
    offered before it. All slots of all steps are looked up at once: the writes, sorted by slot and
    time, are searched for the last one before each reading.
    """
    size = memory.ids.shape[0]
    num_steps, batch = arrivals.ids.shape
    device = write.device
    offered = arrivals.fresh.flatten()  # [S*B], in order of arrival
    nth = memory.arrived + offered.cumsum(0)
    place = arrivals.clock[:, None] * batch + torch.arange(batch, device=device)
    target = draws.integers(write, place.flatten(), nth.clamp_min(1))
    target = torch.where(nth <= size, nth - 1, target)
    # what is not kept goes to a slot beyond the last
    slot = torch.where(offered & (target < size), target, size)
    span = num_steps * batch + 1
    writes, order = (slot * span + torch.arange(num_steps * batch, device=device)).sort()
    written_ids = arrivals.ids.flatten()[order]

    def content(slots: Tensor, time: Tensor) -> Tensor:
        """The id in each slot just before a time within the stretch."""
        # adding nothing gives every replica a row of its own, which searchsorted asks for
        sought = (slots * span + time).flatten() + 0 * memory.arrived
        found = torch.searchsorted(writes, sought).view(slots.shape) - 1
        last = found.clamp_min(0)
        hit = (found >= 0) & (writes[last] // span == slots)
        return torch.where(hit, written_ids[last], memory.ids[slots])

    before_S = memory.arrived + arrivals.fresh.sum(1).cumsum(0) - arrivals.fresh.sum(1)
    slot_SK = _slots(read, arrivals.clock, num, before_S.clamp(max=size))
    start_SK = (torch.arange(num_steps, device=device) * batch)[:, None].expand_as(slot_SK)
    weight_SK = (before_S > 0).to(torch.float32)[:, None].expand_as(slot_SK)
    every = torch.arange(size, device=device)
    kept = content(every, torch.full_like(every, num_steps * batch))
    after = Memory(kept, nth[-1].clamp(max=size), nth[-1], memory.key)
    return after, Drawn(content(slot_SK, start_SK), weight_SK)


def balanced(
    memory: Memory,
    ids: Tensor,
    labels: Tensor,
    real: Tensor,
    per_class: Tensor,
    num_classes: int,
) -> Memory:
    """At most `per_class` samples of each class, uniformly among all that were ever offered.

    Every sample has a fixed random priority, a draw by its id, and a class keeps its lowest ones:
    a reservoir per class that needs no counters (Efraimidis & Spirakis 2006). `ids` holds the
    memory and then an experience's data; `real` is false for free slots and padding.
    """
    size = memory.ids.shape[0]
    label = torch.where(real, labels, num_classes)
    priority = draws.integers(memory.key, ids, 1 << 31)
    by_priority = ((label << 31) + priority).argsort(stable=True)
    # a sample that comes again, as in cumulative training, is kept once
    again = torch.cat([real[:1] & False, ids[by_priority][1:] == ids[by_priority][:-1]])
    label = torch.where(again, num_classes, label[by_priority])
    order = label.argsort(stable=True)
    order, label = by_priority[order], label[order]
    rank = torch.arange(ids.shape[0], device=ids.device) - torch.searchsorted(label, label)
    kept = (rank < per_class) & (label < num_classes)
    chosen = order[(~kept).to(torch.int64).argsort(stable=True)[:size]]
    filled = kept.sum().clamp(max=size)
    used = torch.arange(size, device=ids.device) < filled
    arrived = memory.arrived + real[size:].sum()
    return Memory(torch.where(used, ids[chosen], 0), filled, arrived, memory.key)
