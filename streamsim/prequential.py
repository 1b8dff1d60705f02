"""Prequential evaluation: every sample is predicted first and learned from afterwards.

A run keeps sums over blocks of successive samples, per replica: small, and enough for accuracy,
kappa, kappa-temporal, balanced accuracy and log loss over any window of whole blocks
(`streamsim.metrics.prequential`), plus faded averages at the end of every block, which sums cannot
give. Gama, Sebastião & Rodrigues 2013, "On evaluating stream learning algorithms".

Shape letters: N samples, K blocks, B samples of a block, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    counts = judged.counts[replica]
    label, predicted, log_loss = (each[replica][counts] for each in judged[:3])
    return Samples(label, predicted, log_loss, torch.cat([last, label])[:-1])


def tally(
    options: PrequentialOptions, num_classes: int, standing: Standing, new: Samples
) -> tuple[Standing, Blocks]:
    """Count samples in: the new standing, and the blocks that they finish."""
    samples = Samples(*map(torch.cat, zip(standing.pending, new, strict=True)))
    whole = len(samples.label) // options.block * options.block
    blocks, faded = _reduced(
        options,
        num_classes,
        standing.position,
        standing.faded,
        Samples(*(each[:whole].view(-1, options.block) for each in samples)),
    )
    # clones: a view would keep the whole stretch in memory
    pending = Samples(*(each[whole:].clone() for each in samples))
    last = new.label[-1:].clone() if len(new.label) else standing.last
    return Standing(standing.position + whole, pending, last, faded), blocks


def unfinished(options: PrequentialOptions, num_classes: int, standing: Standing) -> Blocks:
    """The block begun, if any, at the end of a run."""
    count = len(standing.pending.label)
    rows = Samples(*(each.view(min(count, 1), count) for each in standing.pending))
    return _reduced(options, num_classes, standing.position, standing.faded, rows)[0]


def _reduced(
    options: PrequentialOptions,
    num_classes: int,
    position: int,
    faded: Tensor,
    samples: Samples,  # [K, B] each
) -> tuple[Blocks, Tensor]:
    num_blocks, size = samples.label.shape
    hit_KB = samples.predicted == samples.label
    value_K2B = torch.stack([hit_KB.double(), samples.log_loss.double()], dim=1)
    age_B = torch.arange(size - 1, -1, -1, dtype=torch.float64)
    within_K2 = (value_K2B * options.fading**age_B).sum(-1)
    end_K = position + size * torch.arange(1, num_blocks + 1)
    averages = []
    for k in range(num_blocks):
        faded = options.fading**size * faded + within_K2[k]
        # the weights 1 + f + ... + f^(n-1) of all samples so far
        averages.append(faded * (1 - options.fading) / (1 - options.fading ** int(end_K[k])))
    average_K2 = torch.stack(averages) if averages else torch.empty(0, 2, dtype=torch.float64)
    blocks = Blocks(
        position=end_K,
        total=torch.full_like(end_K, size),
        correct=hit_KB.sum(-1),
        persistent=(samples.before == samples.label).sum(-1),
        log_loss=value_K2B[:, 1].mean(-1),
        faded_accuracy=average_K2[:, 0],
        faded_log_loss=average_K2[:, 1],
        classes=torch.stack(
            [
                _per_class(samples.label, torch.ones_like(hit_KB), num_classes),
                _per_class(samples.predicted, torch.ones_like(hit_KB), num_classes),
                _per_class(samples.label, hit_KB, num_classes),
            ],
            dim=-1,
        ),
    )
    return blocks, faded


def _per_class(class_KB: Tensor, counts_KB: Tensor, num_classes: int) -> Tensor:
    """How many samples of each class count, `[K, C]` int64."""
    zeros_KC = torch.zeros(len(class_KB), num_classes, dtype=torch.int64)
    return zeros_KC.scatter_add(1, class_KB, counts_KB.to(torch.int64))
