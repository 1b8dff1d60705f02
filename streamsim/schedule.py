"""Which samples every step brings: batch order as a pure function of the replica's key.

For ONE replica. Padding (other replicas have more samples) never changes a draw.
Shape letters: S steps, B batch, N padded samples of the experience, C classes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from streamsim import draws
from streamsim.optimizers import TrainOptions


class Order(NamedTuple):
    """Places in the experience's data."""

    place: Tensor  # [S, B] int64
    weight: Tensor  # [S, B] float32, 0 for padding
    fresh: Tensor  # [S, B] bool: the sample's first visit
    clock: Tensor  # [S] int64: steps this replica has made in this experience


def num_steps(options: TrainOptions, num_samples: int, num_merged: int = 1) -> int:
    """Steps at an experience with `num_samples`, merged from `num_merged` ones (joint training)."""
    if options.iterations is not None:
        return options.iterations * num_merged
    return options.epochs * -(-num_samples // options.batch_size)


def order(
    options: TrainOptions,
    key: Tensor,
    size: Tensor,
    steps: range,
    padded: int,
    smallest: int,
    ordered: bool,
) -> Order:
    """The samples of `steps` for a replica with `size` samples.

    `padded` is the largest size of the population and `smallest` the smallest.
    """
    batch = options.batch_size
    step_S = torch.arange(steps.start, steps.stop, device=key.device)
    if options.iterations is not None:  # one endless sequence of shuffled passes, in full batches
        place_SB = step_S[:, None] * batch + torch.arange(batch, device=key.device)
        pass_SB, offset_SB = place_SB // size, place_SB % size
        real_SB = torch.ones_like(place_SB, dtype=torch.bool)
        clock_S = step_S
        first_pass = (steps.start * batch) // size
        num_passes = (len(steps) * batch - 1) // smallest + 2
    else:  # every pass ends with a smaller batch; replicas with fewer samples then idle
        per_pass = -(-padded // batch)
        own_per_pass = (size + batch - 1) // batch
        pass_S, step_in_pass_S = step_S // per_pass, step_S % per_pass
        offset_SB = step_in_pass_S[:, None] * batch + torch.arange(batch, device=key.device)
        real_SB = offset_SB < size
        pass_SB = pass_S[:, None].expand_as(offset_SB)
        clock_S = pass_S * own_per_pass + torch.minimum(step_in_pass_S, own_per_pass)
        first_pass = torch.full_like(size, steps.start // per_pass)
        num_passes = (steps.stop - 1) // per_pass - steps.start // per_pass + 1
        offset_SB = torch.where(real_SB, offset_SB, 0)
    index_SB = offset_SB
    if not ordered:
        passes = first_pass + torch.arange(num_passes, device=key.device)
        orders_PN = _shuffled(draws.fold(key, passes), size, padded)
        index_SB = orders_PN.flatten()[(pass_SB - first_pass) * padded + offset_SB]
    return Order(index_SB, real_SB.to(torch.float32), real_SB & (pass_SB == 0), clock_S)


def seen_after(seen: Tensor, labels: Tensor, weight: Tensor) -> Tensor:
    """Classes that have arrived by the end of each step, `[S, C]` bool: those `seen` before (`[C]`)
    and the labels `[S, B]` that weigh something."""
    num_classes = seen.shape[0]
    # padding goes to a column of its own, which is then cut off
    column_SB = torch.where(weight > 0, labels, num_classes)
    hit_SC = torch.zeros(
        (column_SB.shape[0], num_classes + 1), dtype=torch.int8, device=seen.device
    ).scatter(1, column_SB, 1)[:, :num_classes]
    return hit_SC.cummax(0).values.bool() | seen


def _shuffled(keys: Tensor, size: Tensor, padded: int) -> Tensor:
    """`[P]` keys to `[P, padded]` orders: the first `size` entries permute 0 .. size-1."""
    place_N = torch.arange(padded, device=keys.device)
    bits_PN = draws.bits(keys[:, None], place_N)
    last = torch.iinfo(torch.int64).max
    return torch.where(place_N < size, bits_PN, last).argsort(dim=-1, stable=True)
