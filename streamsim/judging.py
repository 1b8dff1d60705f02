"""How incoming samples were predicted, from the scores that steps left behind.

Shape letters: S steps of a stretch, R replicas, B batch, C classes, N samples in order of arrival.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from streamsim.flow import Inputs
from streamsim.learner import Judged
from streamsim.strategy import mask

MOST_LOG_LOSS = -math.log(1e-15)  # of what was held impossible, as is usual


class Planned(NamedTuple):
    """A stretch before it is made; of several replicas, their axis comes second."""

    inputs: Inputs
    active: Tensor  # [S] bool: the replica is not idle
    fresh: Tensor  # [S, B] bool: a sample's first visit


def predictions(known: Tensor, scores: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """Predicted class and log loss `[..., B]` of scores `[..., B, C]` among the classes `known`
    (`[..., C]` bool) before; among all if there is none."""
    if not known.all():  # mostly they all are
        allowed = known | ~known.any(-1, keepdim=True)
        scores = mask(scores, allowed.unsqueeze(-2))
    # few classes take a fraction of the time if they come first, in memory too
    scores_CN = scores.movedim(-1, 0).contiguous().flatten(1)
    log_loss_N = -scores_CN.log_softmax(0).gather(0, label.flatten()[None])[0]
    return (
        _highest(scores_CN).view(label.shape),
        log_loss_N.clamp_(0, MOST_LOG_LOSS).view(label.shape),
    )


def _highest(scores_CN: Tensor) -> Tensor:
    """The class of the highest score, the first of several, `[N]`; torch's argmax takes several
    times as long over few classes."""
    best, found = scores_CN[0], torch.zeros_like(scores_CN[0], dtype=torch.int64)
    for c, own in enumerate(scores_CN[1:], start=1):
        found = torch.maximum(found, c * (own > best))
        best = torch.maximum(best, own)
    return found


def judge(known: Tensor, planned: Planned, scores: Tensor, alone: bool) -> Judged:
    """Predictions of a stretch: `scores` are `[S, B, C]` or `[S, R, B, C]`; classes `known` before
    each step. What counts for no replica is left out."""
    made = len(scores)
    label, fresh = labels_asked(planned.inputs)[:made], planned.fresh[:made]
    judged = Judged(label, *predictions(known[:made], scores, label), fresh)
    rows = Judged(*(in_order(each, alone) for each in judged))
    if fresh.all():
        return rows
    places = rows.counts.any(0).nonzero()[:, 0]
    return Judged(*(each.index_select(1, places) for each in rows))


def labels_asked(inputs: Inputs) -> Tensor:
    """Labels of the samples that a step predicts: those it learns from, or others that come."""
    return inputs.y if inputs.asked is None else inputs.asked.y


def in_order(values: Tensor, alone: bool) -> Tensor:
    """`[S, B]` or `[S, R, B]` to `[R, N]`, on the CPU."""
    rows = values.flatten()[None] if alone else values.transpose(0, 1).flatten(1)
    return rows.cpu()


class Answers(NamedTuple):
    """Predictions of one replica's samples, in order of arrival."""

    label: Tensor  # [N] int64
    predicted: Tensor  # [N] int64
    log_loss: Tensor  # [N] float32


@dataclass(frozen=True)
class Waiting:
    """Predictions whose labels have not come yet, oldest first, of every replica."""

    rows: Sequence[Answers]

    @classmethod
    def none(cls, num_replicas: int) -> Waiting:
        empty = torch.empty(0, dtype=torch.int64)
        return cls([Answers(empty, empty, torch.empty(0))] * num_replicas)

    def joined(self, asked: Judged) -> Waiting:
        """With predictions of samples that have come since."""
        return Waiting(
            [
                Answers(*(torch.cat([old, new]) for old, new in zip(row, news, strict=True)))
                for row, news in zip(self.rows, _that_count(asked), strict=True)
            ]
        )

    def exchange(self, asked: Judged) -> tuple[Waiting, Judged]:
        """Predictions join, and as many leave: the oldest, whose labels have come by now."""
        staying, leaving = [], []
        counts = asked.counts
        for row, own in zip(self.joined(asked).rows, counts, strict=True):
            num = int(own.sum())
            staying.append(Answers(*(each[num:] for each in row)))
            leaving.append([each.new_zeros(own.shape).masked_scatter(own, each) for each in row])
        judged = [torch.stack(column) for column in zip(*leaving, strict=True)]
        label, predicted, log_loss = judged
        return Waiting(staying), Judged(label, predicted, log_loss, counts)

    def tensors(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return {
            f"{replica}/{name}": tensor
            for replica, row in enumerate(self.rows)
            for name, tensor in row._asdict().items()
        }

    @classmethod
    def restored(cls, tensors: Mapping[str, Tensor], num_replicas: int) -> Waiting:
        return cls(
            [
                Answers(*(tensors[f"{replica}/{name}"] for name in Answers._fields))
                for replica in range(num_replicas)
            ]
        )


def _that_count(judged: Judged) -> list[Answers]:
    return [Answers(*(each[own] for each in row)) for *row, own in zip(*judged, strict=True)]
