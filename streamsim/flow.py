"""What flows through a program: for one replica, or stacked for a population.

Shape letters: B batch, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from streamsim.optimizers import OptimizerState
from streamsim.strategy import (
    Params,
    State,
)
from streamsim.stream import Tables
from streamsim.trees import Tree


class World(NamedTuple):
    """What one replica is given and never changes."""

    key: Tensor  # int64 scalar: all of this replica's draws
    tables: Tables  # what the stream's view reads
    values: Mapping[str, Tensor]  # its numbers for traced options: "train.lr", "strategy.lwf.alpha"


class Carry(NamedTuple):
    """What training changes. Params, moments and states are flat or nested dicts of tensors."""

    params: Params
    optimizer: OptimizerState
    states: Mapping[str, State]  # by part
    seen: Tensor  # [C] bool


class Asked(NamedTuple):
    """Samples of one replica that come with a step, but whose labels come later."""

    ids: Tensor  # [B]
    y: Tensor  # [B], for judging alone
    x: Tensor | None  # [B, *input_shape], where the stream generates samples


class Inputs(NamedTuple):
    """One replica's inputs to one step."""

    ids: Tensor  # [B]
    y: Tensor  # [B]
    weight: Tensor  # [B]
    x: Tensor | None  # [B, *input_shape], made a stretch ahead where the stream generates samples
    seen: Tensor  # [C] bool
    experience: Tensor  # int64 scalar
    plans: Mapping[str, Tree]  # by part
    asked: Asked | None = None  # what is predicted in this step, if not the samples learned from


class Moving(NamedTuple):
    """The part of a carry that a step can change."""

    params: Params
    optimizer: OptimizerState
    states: Mapping[str, State]  # of parts with an `after_step`


class Aux(NamedTuple):
    """What the forward pass leaves for the hooks after it."""

    samples: Mapping[str, Tensor]  # the batch's fields, without hidden task labels
    logits: Tensor


class Passed(NamedTuple):
    """What a forward pass leaves behind."""

    aux: Aux | None = None  # for the hooks after it, if there are any
    scores: Tensor | None = (
        None  # [B, C] of the incoming samples, before the update, where it is judged
    )
