"""What a concept is: a joint distribution of inputs and labels that any sample can be drawn from.

Everything is written for one replica, as pure tensor functions of a key and of sample numbers: the
samples do not depend on how they are cut into chunks, on neighbouring replicas or on the device.
The rules compare in float64, so that a label does not hang on the last bit of a float32 sum.
Inside, features come first and samples last in memory: compiled, that is up to eight times faster.

Shape letters: N samples (any shape, also a single one), F features, K concepts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor

from streamsim import draws

State = dict[str, Tensor]


class Feature(NamedTuple):
    """One column of the inputs, and the range it nominally lies in (noise may leave it)."""

    name: str
    low: float
    high: float
    num_values: int | None = None  # categories, numbered from `low`; None: a number


class Samples(NamedTuple):
    """What a concept generates."""

    inputs: Tensor  # [N, F] float32, contiguous column by column
    labels: Tensor  # [N] int64


class Concept(Protocol):
    """A family of concepts: a frozen dataclass of options."""

    @property
    def name(self) -> str: ...
    @property
    def reference(self) -> str: ...
    @property
    def num_classes(self) -> int: ...
    @property
    def features(self) -> tuple[Feature, ...]: ...

    @property
    def variants(self) -> int | None:
        """How many numbered concepts there are; None: every number is one, drawn from the key."""
        ...

    def prepare(self, key: Tensor, variant: int | Tensor) -> State:
        """The small fixed tensors of one concept of one replica; ValueError: no such variant."""
        ...

    def generate(
        self, state: State, key: Tensor, index: Tensor, time: Tensor, which: Tensor | None = None
    ) -> Samples:
        """Sample number `index` [N] int64 of the replica with this key.

        `time`, of the shape of `index` or one number, counts the samples since the concept began;
        only concepts that move read it.

        With `which` [N], `state` holds K concepts, stacked [K, ...], and says of every sample to
        which one it belongs: a stream costs the same however many concepts it has. A fraction lies
        between two concepts; only those whose tensors are all numbers know what is there.
        """
        ...


@runtime_checkable
class Labelling(Concept, Protocol):
    """A concept whose labels are a function of the inputs, up to noise."""

    def label(
        self, state: State, inputs: Tensor, time: Tensor, which: Tensor | None = None
    ) -> Tensor:
        """The noise-free labels [N] int64 of inputs [N, F] of any floating type."""
        ...


def numbers(prefix: str, count: int, low: float = 0.0, high: float = 1.0) -> tuple[Feature, ...]:
    """Numeric features with one range.

    >>> [feature.name for feature in numbers("x", 2)]
    ['x0', 'x1']
    """
    return tuple(Feature(f"{prefix}{i}", low, high) for i in range(count))


def numbered(concept: Concept, key: Tensor, variant: int | Tensor) -> Tensor:
    """The variant as an int64 scalar beside the key; a number that does not exist is refused."""
    if isinstance(variant, int) and not 0 <= variant < (concept.variants or 1 << 62):
        raise ValueError(
            f"variant {variant} of the concept {concept.name}: choose 0"
            + (f" to {concept.variants - 1}" if concept.variants else " or more")
        )
    return torch.as_tensor(variant, device=key.device)


def drawn(concept: Concept, key: Tensor, variant: int | Tensor) -> Tensor:
    """The key that a variant's fixed tensors are drawn from."""
    return draws.fold(key, f"concept {concept.name}", numbered(concept, key, variant))


def at(numbers: Tensor, which: Tensor | None) -> Tensor:
    """The number that holds for each sample: [N] of [K], or the scalar itself without `which`."""
    if which is None:
        return numbers
    return between(which, lambda k: entries(numbers, k))


def between(which: Tensor, find: Callable[[Tensor], Tensor]) -> Tensor:
    """What is found for whole numbers [N] int64; on the straight line between two for fractions."""
    if not which.is_floating_point():
        return find(which)
    low = which.floor()
    return torch.lerp(find(low.to(torch.int64)), find(which.ceil().to(torch.int64)), which - low)


def entries(table: Tensor, place: Tensor) -> Tensor:
    """Entries of a one-dimensional table at places of any shape."""
    return table.index_select(0, place.flatten()).view(place.shape)


def by_column(table: Tensor, row: Tensor) -> Tensor:
    """Rows [N] of a table [P, F] as [F, N], contiguous."""
    return F.embedding(row, table).movedim(-1, 0).contiguous()


def choose(rules: Sequence[Tensor], number: Tensor) -> Tensor:
    """The outcomes [N] of Boolean rules of these numbers ([N] or a scalar), as int64 labels.

    Gathered, as indexing would ask the device for a number.
    """
    outcomes = torch.stack(tuple(rules))
    return outcomes.gather(0, number.expand(outcomes[0].shape)[None])[0].to(torch.int64)


def lanes(key: Tensor, index: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Keys [count, 1, ...] and a counter [N]: `count` numbers a sample that no other sample uses.

    >>> keys, counter = lanes(torch.tensor(7), torch.tensor([0, 1]), 3)
    >>> every = draws.bits(torch.tensor(7), torch.tensor([[0, 3], [1, 4], [2, 5]]))
    >>> torch.equal(draws.bits(keys, counter), every)
    True
    """
    lane = column(torch.arange(count, device=index.device), index)
    return draws.ahead(key, lane), index * count


def column(values: Tensor, index: Tensor) -> Tensor:
    """One-dimensional values in a shape [len, 1, ...] that broadcasts against [N]."""
    return values.view(-1, *[1] * index.dim())


def joined(columns: Tensor) -> Tensor:
    """Columns [F, N] as inputs [N, F] float32."""
    return columns.float().contiguous().movedim(0, -1)


def flipped(labels: Tensor, noise: float, drawn: Tensor) -> Tensor:
    """Binary labels of which a share `noise` is wrong, by uniform numbers [N]."""
    if noise == 0:
        return labels
    return labels ^ (drawn < noise)
