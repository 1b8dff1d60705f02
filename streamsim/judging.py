"""How incoming samples were predicted, from the scores that steps left behind.

Shape letters: S steps of a stretch, R replicas, B batch, C classes, N samples in order of arrival.
"""

from __future__ import annotations

import math
from typing import NamedTuple

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
    allowed = (known | ~known.any(-1, keepdim=True)).unsqueeze(-2)
    scores = mask(scores, allowed)
    log_loss = scores.logsumexp(-1) - scores.gather(-1, label.unsqueeze(-1))[..., 0]
    # argmax alone takes several times as long over few classes
    return scores.max(-1).indices, log_loss.clamp(0, MOST_LOG_LOSS)


def judge(known: Tensor, planned: Planned, scores: Tensor, alone: bool) -> Judged:
    """Predictions of a stretch: `scores` are `[S, B, C]` or `[S, R, B, C]`; classes `known` before
    each step."""
    made = len(scores)
    label, fresh = planned.inputs.y[:made], planned.fresh[:made]
    judged = Judged(label, *predictions(known[:made], scores, label), fresh)
    return Judged(*(in_order(each, alone) for each in judged))


def in_order(values: Tensor, alone: bool) -> Tensor:
    """`[S, B]` or `[S, R, B]` to `[R, N]`, on the CPU."""
    rows = values.flatten()[None] if alone else values.transpose(0, 1).flatten(1)
    return rows.cpu()
