"""Prequential evaluation: every sample is predicted first and learned from afterwards.

A run keeps sums over blocks of successive samples, per replica: small, and enough for accuracy,
kappa, kappa-temporal, balanced accuracy and log loss over any window of whole blocks
(`streamsim.metrics.prequential`), plus faded averages at the end of every block, which sums cannot
give. Gama, Sebastião & Rodrigues 2013, "On evaluating stream learning algorithms".

Shape letters: N samples, K blocks, B samples of a block, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from typing import NamedTuple

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim.learner import Judged


@dataclass(frozen=True, kw_only=True)
class PrequentialOptions:
    """What `--prequential` records."""

    block: int = Field(
        default=100, ge=1, description="samples whose sums make a row; windows are whole blocks"
    )
    fading: float = Field(
        default=0.999, gt=0, lt=1, description="factor on a sample's weight with every later one"
    )


class Samples(NamedTuple):
    """Judged samples of one replica, in order of arrival."""

    label: Tensor  # [N] int64
    predicted: Tensor  # [N] int64
    log_loss: Tensor  # [N] float32
    before: Tensor  # [N] int64: the label that came before; -1 at the beginning


class Blocks(NamedTuple):
    """Sums over blocks of one replica, and averages that fade, at the end of each."""

    position: Tensor  # [K] int64: samples judged by then
    total: Tensor  # [K] int64
    correct: Tensor  # [K] int64
    persistent: Tensor  # [K] int64: what "the last label once more" would have got right
    log_loss: Tensor  # [K] float64, mean
    faded_accuracy: Tensor  # [K] float64
    faded_log_loss: Tensor  # [K] float64
    classes: Tensor  # [K, C, 3] int64: labelled, predicted, correct of every class


@plain_dataclass(frozen=True)
class Standing:
    """Where one replica is between stretches."""

    position: int  # samples in finished blocks
    pending: Samples  # of the block begun, fewer than a block
    last: Tensor  # [1] int64: the newest label
    faded: Tensor  # [2] float64: fading sums of correct predictions and log loss

    @classmethod
    def start(cls) -> Standing:
        none = torch.empty(0, dtype=torch.int64)
        samples = Samples(none, none, torch.empty(0), none)
        return cls(0, samples, torch.tensor([-1]), torch.zeros(2, dtype=torch.float64))

    def tensors(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        own = {"position": torch.tensor(self.position), "last": self.last, "faded": self.faded}
        return own | self.pending._asdict()

    @classmethod
    def restored(cls, tensors: Mapping[str, Tensor]) -> Standing:
        pending = Samples(*(tensors[name] for name in Samples._fields))
        return cls(int(tensors["position"]), pending, tensors["last"], tensors["faded"])


def samples_of(judged: Judged, replica: int, last: Tensor) -> Samples:
    """What one replica was judged on; `last` is the label before."""
    label, predicted, log_loss, counts = (each[replica] for each in judged)
    if not counts.all():
        label, predicted, log_loss = label[counts], predicted[counts], log_loss[counts]
    return Samples(label, predicted, log_loss, torch.cat([last, label])[:-1])


def tally(
    options: PrequentialOptions,
    num_classes: int,
    standings: Sequence[Standing],
    news: Sequence[Samples],
) -> tuple[list[Standing], list[Blocks]]:
    """Count samples of every replica in: their new standings, and the blocks that they finish."""
    found: dict[int, tuple[Standing, Blocks]] = {}
    # replicas that are equally far are counted together
    stages = [
        (standing.position, len(standing.pending.label), len(new.label))
        for standing, new in zip(standings, news, strict=True)
    ]
    for stage in set(stages):
        group = [r for r, each in enumerate(stages) if each == stage]
        of_group = [standings[r] for r in group], [news[r] for r in group]
        found |= zip(group, _counted(options, num_classes, *of_group), strict=True)
    in_turn = [found[r] for r in range(len(standings))]
    return [standing for standing, _ in in_turn], [blocks for _, blocks in in_turn]


def _counted(
    options: PrequentialOptions,
    num_classes: int,
    standings: Sequence[Standing],
    news: Sequence[Samples],
) -> list[tuple[Standing, Blocks]]:
    """`tally` of replicas that are equally far."""
    position, size = standings[0].position, options.block
    pieces = [each for s, new in zip(standings, news, strict=True) for each in (s.pending, new)]
    merged = [torch.cat(column).view(len(news), -1) for column in zip(*pieces, strict=True)]
    whole = merged[0].shape[1] // size * size
    blocks_RKB = Samples(*(each[:, :whole].view(len(news), -1, size) for each in merged))
    faded_R2 = torch.stack([standing.faded for standing in standings])
    reduced = _reduced(options, num_classes, position, faded_R2, blocks_RKB)
    # clones: a view would keep everything in memory
    pending = zip(*(each[:, whole:].clone() for each in merged), strict=True)
    return [
        (
            Standing(
                position + whole,
                Samples(*rest),
                torch.cat([standing.last, new.label])[-1:],
                faded,
            ),
            blocks,
        )
        for standing, new, rest, (blocks, faded) in zip(
            standings, news, pending, reduced, strict=True
        )
    ]


def unfinished(
    options: PrequentialOptions, num_classes: int, standings: Sequence[Standing]
) -> list[Blocks]:
    """The block that every replica has begun, if any, at the end of a run."""
    found: dict[int, Blocks] = {}
    stages = [(standing.position, len(standing.pending.label)) for standing in standings]
    for position, count in set(stages):
        group = [r for r, each in enumerate(stages) if each == (position, count)]
        rows = zip(*(standings[r].pending for r in group), strict=True)
        shape = len(group), min(count, 1), count
        samples = Samples(*(torch.stack(column).view(shape) for column in rows))
        faded_R2 = torch.stack([standings[r].faded for r in group])
        reduced = _reduced(options, num_classes, position, faded_R2, samples)
        found |= zip(group, (blocks for blocks, _ in reduced), strict=True)
    return [found[r] for r in range(len(standings))]


def _reduced(
    options: PrequentialOptions,
    num_classes: int,
    position: int,
    faded: Tensor,  # [R, 2]
    samples: Samples,  # [R, K, B] each
) -> list[tuple[Blocks, Tensor]]:
    """Blocks of replicas that are equally far, and what has faded by their end."""
    num_blocks, size = samples.label.shape[1:]
    hit_RKB = samples.predicted == samples.label
    value_RK2B = torch.stack([hit_RKB.double(), samples.log_loss.double()], dim=2)
    end_K = position + size * torch.arange(1, num_blocks + 1)
    sums_RK2 = _faded(options.fading, faded, value_RK2B)
    # the weights 1 + f + ... + f^(n-1) of all samples so far
    weight_K1 = (1 - options.fading ** end_K.double())[:, None] / (1 - options.fading)
    columns = Blocks(
        position=end_K.expand(len(faded), -1),
        total=torch.full_like(end_K, size).expand(len(faded), -1),
        correct=hit_RKB.sum(-1),
        persistent=(samples.before == samples.label).sum(-1),
        log_loss=value_RK2B[:, :, 1].mean(-1),
        faded_accuracy=(sums_RK2 / weight_K1)[..., 0],
        faded_log_loss=(sums_RK2 / weight_K1)[..., 1],
        classes=_per_class(samples, hit_RKB, num_classes),
    )
    last_R2 = sums_RK2[:, -1] if num_blocks else faded
    return [(Blocks(*(c[r] for c in columns)), last_R2[r]) for r in range(len(faded))]


def _faded(fading: float, before_R2: Tensor, value_RK2B: Tensor) -> Tensor:
    """Sums in which a sample fades with every later one, at the end of every block, `[R, K, 2]`."""
    from scipy.signal import lfilter

    num_blocks, size = value_RK2B.shape[1], value_RK2B.shape[-1]
    if num_blocks == 0:
        return value_RK2B.sum(-1)
    age_B = torch.arange(size - 1, -1, -1, dtype=torch.float64)
    within_RK2 = value_RK2B @ fading**age_B
    factor = fading**size
    start = (factor * before_R2)[:, None].numpy()
    return torch.from_numpy(lfilter([1.0], [1.0, -factor], within_RK2.numpy(), axis=1, zi=start)[0])


def _per_class(samples: Samples, hit_RKB: Tensor, num_classes: int) -> Tensor:
    """How many samples have each label, are predicted as it, and rightly so: `[R, K, C, 3]`."""
    shape = *hit_RKB.shape[:-1], num_classes
    first_RK1 = num_classes * torch.arange(math.prod(shape[:-1])).view(*shape[:-1], 1)

    def count(which: Tensor, *shape: int) -> Tensor:
        return which.flatten().bincount(minlength=math.prod(shape)).view(shape)

    wrong, right = count(2 * (first_RK1 + samples.label) + hit_RKB, *shape, 2).unbind(-1)
    predicted = count(first_RK1 + samples.predicted, *shape)
    return torch.stack([wrong + right, predicted, right], dim=-1)
