"""Drift by attributes that change places with irrelevant ones (LED, Waveform)."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor

from streamsim import draws


def arranged(columns: Tensor, place: Tensor, which: Tensor | None) -> Tensor:
    """Columns [F, N] in the order that `place` [F] says, or that of several concepts [K, F]."""
    if which is None:
        return _taken(columns, place)
    # copying whole columns for every concept is cheaper than fetching numbers one by one
    found, *others = (_taken(columns, each) for each in place.unbind())
    for k, other in enumerate(others, 1):
        found = _replaced(found, other, which == k)
    return found


def _taken(columns: Tensor, place: Tensor) -> Tensor:
    """Columns in another order; `index_select`, mapped over replicas, would copy number by number.

    `embedding` copies whole rows.
    """
    return F.embedding(place, columns.reshape(len(columns), -1)).view(columns.shape)


def _replaced(old: Tensor, new: Tensor, here: Tensor) -> Tensor:
    """The new values where told; bits (uint8, 0 or 1) several times faster than by `where`."""
    if old.dtype == torch.uint8:
        return old ^ (old ^ new).bitwise_and_(here.to(torch.uint8))
    return torch.where(here, new, old)


def exchanged(key: Tensor, num_relevant: int, num_irrelevant: int, count: Tensor) -> Tensor:
    """Where each of the attributes comes from, [relevant + irrelevant] int64.

    `count` relevant attributes in a row, from a random first one, change places with as many
    irrelevant ones in a row.

    >>> exchanged(torch.tensor(7), 2, 3, torch.tensor(0)).tolist()
    [0, 1, 2, 3, 4]
    """
    place = torch.arange(num_relevant + num_irrelevant, device=key.device)
    step = torch.arange(min(num_relevant, num_irrelevant), device=key.device)
    first = [
        draws.integers(key, step[0] + i, n) for i, n in enumerate((num_relevant, num_irrelevant))
    ]
    one = (step + first[0]) % num_relevant
    other = num_relevant + (step + first[1]) % num_irrelevant
    moved = step < count
    place = place.scatter(0, one, torch.where(moved, other, one))
    return place.scatter(0, other, torch.where(moved, one, other))
