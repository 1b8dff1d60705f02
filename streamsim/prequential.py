"""Prequential evaluation: every sample is predicted first and learned from afterwards.

A run keeps sums over blocks of successive samples, per replica: small, and enough for accuracy,
kappa, kappa-temporal, balanced accuracy and log loss over any window of whole blocks
(`streamsim.metrics.prequential`), plus faded averages at the end of every block, which sums cannot
give. Gama, Sebastião & Rodrigues 2013, "On evaluating stream learning algorithms".

Shape letters: R replicas, N samples, K blocks of all replicas, one replica's after the other's,
B samples of a block, C classes.
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


class Blocks(NamedTuple):
    """Sums over blocks, and averages that fade, at the end of each."""

    replica: Tensor  # [K] int64
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
    """Where replicas are between stretches."""

    position: Tensor  # [R] int64: samples in finished blocks
    last: Tensor  # [R] int64: the label that came before the pending samples; -1 at the beginning
    faded: Tensor  # [R, 2] float64: fading sums of correct predictions and log loss
    pending: Judged  # [R, N] of the block begun, those that count first

    @classmethod
    def start(cls, num_replicas: int) -> Standing:
        none = torch.empty(num_replicas, 0, dtype=torch.int64)
        return cls(
            position=torch.zeros(num_replicas, dtype=torch.int64),
            last=torch.full((num_replicas,), -1),
            faded=torch.zeros(num_replicas, 2, dtype=torch.float64),
            pending=Judged(none, none, none.float(), none.bool()),
        )

    def tensors(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        own = {"position": self.position, "last": self.last, "faded": self.faded}
        return own | self.pending._asdict()

    @classmethod
    def restored(cls, tensors: Mapping[str, Tensor]) -> Standing:
        pending = Judged(*(tensors[name] for name in Judged._fields))
        return cls(tensors["position"], tensors["last"], tensors["faded"], pending)


def tally(
    options: PrequentialOptions, num_classes: int, standing: Standing, news: Sequence[Judged]
) -> tuple[Standing, Blocks]:
    """Count samples in: where replicas are then, and the blocks that they finish."""
    merged = Judged(*(torch.cat(each, 1) for each in zip(standing.pending, *news, strict=True)))
    num_R = merged.counts.sum(1) // options.block
    whole, rest = _divided(merged, num_R * options.block)
    blocks, faded_R2 = _reduced(options, num_classes, standing, num_R, options.block, whole)
    end_R = (num_R * options.block).cumsum(0) - 1
    last_R = standing.last.clone()
    last_R[num_R > 0] = whole.label[end_R[num_R > 0]]
    return Standing(standing.position + num_R * options.block, last_R, faded_R2, rest), blocks


def unfinished(options: PrequentialOptions, num_classes: int, standing: Standing) -> Blocks:
    """The block that every replica has begun, if any, at the end of a run."""
    size_R = standing.pending.counts.sum(1)
    found = []
    for size in sorted(set(size_R.tolist())):
        own_R = (size_R == size) & (size_R > 0)
        samples = _Samples(*(each[own_R, :size].flatten() for each in standing.pending[:3]))
        found.append(_reduced(options, num_classes, standing, own_R.long(), max(size, 1), samples))
    joined = Blocks(*map(torch.cat, zip(*(blocks for blocks, _ in found), strict=True)))
    order = joined.replica.argsort()
    return Blocks(*(column[order] for column in joined))


class _Samples(NamedTuple):
    """Samples that count, of one replica after the other."""

    label: Tensor  # [N] int64
    predicted: Tensor  # [N] int64
    log_loss: Tensor  # [N] float32


def _divided(judged: Judged, first_R: Tensor) -> tuple[_Samples, Judged]:
    """So many samples that count of every replica, and those that are left."""
    if judged.counts.all():  # so all replicas are equally far
        first = int(first_R[0])
        # clones: a view would keep everything in memory
        rest = Judged(*(each[:, first:].clone() for each in judged))
        return _Samples(*(each[:, :first].flatten() for each in judged[:3])), rest
    rank = judged.counts.cumsum(1)
    taken = (judged.counts & (rank <= first_R[:, None])).flatten().nonzero()[:, 0]
    replica, column = (judged.counts & (rank > first_R[:, None])).nonzero().unbind(1)
    place = rank[replica, column] - first_R[replica] - 1
    width = int(place.max()) + 1 if len(place) else 0
    rest = Judged(*(each.new_zeros(len(each), width) for each in judged))
    for new, old in zip(rest, judged, strict=True):
        new[replica, place] = old[replica, column]
    return _Samples(*(each.flatten()[taken] for each in judged[:3])), rest


def _reduced(
    options: PrequentialOptions,
    num_classes: int,
    standing: Standing,
    num_R: Tensor,  # blocks
    size: int,  # of a block
    samples: _Samples,
) -> tuple[Blocks, Tensor]:
    """Blocks, and what has faded by the end of every replica's last, `[R, 2]`."""
    replica_K = torch.arange(len(num_R)).repeat_interleave(num_R)
    before_R = num_R.cumsum(0) - num_R  # blocks of replicas before
    place_K = torch.arange(len(replica_K)) - before_R[replica_K]  # among the replica's own
    end_K = standing.position[replica_K] + size * (place_K + 1)

    hit = samples.predicted == samples.label
    again = torch.empty_like(hit)  # the label before came once more
    torch.eq(samples.label[1:], samples.label[:-1], out=again[1:])
    first = size * before_R[num_R > 0]
    again[first] = samples.label[first] == standing.last[num_R > 0]
    # one product weighs samples by age, so that they fade, and sums them up
    age_B = torch.arange(size - 1, -1, -1, dtype=torch.float64)
    weight_B2 = torch.stack([options.fading**age_B, torch.ones_like(age_B)], dim=1)
    right_K2, loss_K2 = (
        value.double().view(-1, size) @ weight_B2 for value in (hit, samples.log_loss)
    )
    new_K2 = torch.stack([right_K2[:, 0], loss_K2[:, 0]], dim=1)
    faded_K2, faded_R2 = _faded(
        options.fading**size, standing.faded, new_K2, num_R, replica_K, place_K
    )
    # the weights 1 + f + ... + f^(n-1) of all samples so far
    faded_K2 /= (1 - options.fading ** end_K.double())[:, None] / (1 - options.fading)
    blocks = Blocks(
        replica=replica_K,
        position=end_K,
        total=torch.full_like(end_K, size),
        correct=right_K2[:, 1].long(),
        persistent=again.view(-1, size).sum(-1),
        log_loss=loss_K2[:, 1] / size,
        faded_accuracy=faded_K2[:, 0],
        faded_log_loss=faded_K2[:, 1],
        classes=_per_class(samples, hit, size, num_classes),
    )
    return blocks, faded_R2


def _faded(
    factor: float,
    before_R2: Tensor,
    new_K2: Tensor,
    num_R: Tensor,
    replica_K: Tensor,
    place_K: Tensor,
) -> tuple[Tensor, Tensor]:
    """`factor` times the sum before plus what is new, block by block; also at every replica's last.

    A replica without a block keeps what it had.
    """
    from scipy.signal import lfilter

    if not len(new_K2):
        return new_K2, before_R2
    new_RK2 = new_K2.new_zeros(len(before_R2), int(num_R.max()), 2)
    new_RK2[replica_K, place_K] = new_K2
    start = (factor * before_R2)[:, None].numpy()
    sums_RK2 = torch.from_numpy(
        lfilter([1.0], [1.0, -factor], new_RK2.numpy(), axis=1, zi=start)[0]
    )
    after_R2, has_R = before_R2.clone(), num_R > 0
    after_R2[has_R] = sums_RK2[has_R, num_R[has_R] - 1]
    return sums_RK2[replica_K, place_K], after_R2


def _per_class(samples: _Samples, hit: Tensor, size: int, num_classes: int) -> Tensor:
    """How many samples have each label, are predicted as it, and rightly so: `[K, C, 3]`."""
    num_blocks = len(hit) // size
    first_K1 = num_classes * torch.arange(num_blocks)[:, None]

    def count(which: Tensor, *shape: int) -> Tensor:
        minlength = num_blocks * num_classes * math.prod(shape)
        return which.flatten().bincount(minlength=minlength).view(num_blocks, num_classes, *shape)

    label_KB, predicted_KB, hit_KB = (
        each.view(-1, size) for each in (samples.label, samples.predicted, hit)
    )
    wrong, right = count(2 * (first_K1 + label_KB) + hit_KB, 2).unbind(-1)
    return torch.stack([wrong + right, count(first_K1 + predicted_KB), right], dim=-1)
