"""Nearest class mean: predict the class whose remembered features lie closest."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim.strategy import (
    MASKED,
    Arrivals,
    Context,
    Data,
    Params,
    Part,
    Predictor,
    Setup,
)
from streamsim.stream import Batch, Reveal, StreamSpec
from streamsim.trees import Tree
from streamsim_strategies import memory
from streamsim_strategies.memory import Memory, Policy, Size


@dataclass(frozen=True, kw_only=True)
class Ncm(Part):
    """Predict by the nearest mean of normalised features over a memory; training stays as it is."""

    name: ClassVar[str] = "ncm"
    reference: ClassVar[str] = (
        "Mensink et al. 2013, Distance-based image classification; "
        "Rebuffi et al. 2017, iCaRL, alg. 1"
    )

    memory_size: Size = 200
    policy: Policy = "reservoir"

    def needs(self) -> frozenset[Reveal]:
        return memory.needs(self.policy)

    def check(self, spec: StreamSpec, batch_size: int) -> None:
        memory.check(self.name, self.memory_size, 1, self.policy, spec.num_classes)

    def init(self, setup: Setup, params: Params) -> Memory:
        return memory.empty(self.memory_size, setup)

    def plan(self, ctx: Context, state: Memory, arrivals: Arrivals) -> tuple[Memory, Tree]:
        state, _ = memory.plan(state, ctx, arrivals, self.policy, 1, self.name)
        return state, {}

    def end_experience(self, ctx: Context, state: Memory, data: Data) -> tuple[Params, Memory]:
        return ctx.params, memory.end(state, ctx, data, self.policy)

    def predictor(self, ctx: Context, state: Memory) -> Predictor:
        kept = ctx.take(state.ids)
        held = torch.arange(state.ids.shape[0], device=state.ids.device) < state.filled
        label_M = torch.where(held, kept.y, 0)  # a free slot's id may be outside the stream
        member_MC = F.one_hot(label_M, ctx.spec.num_classes).float() * held[:, None]
        features_MF = F.normalize(ctx.network.features(ctx.params, kept.x), dim=-1)
        count_C = member_MC.sum(0)
        mean_CF = F.normalize(member_MC.T @ features_MF / count_C.clamp_min(1)[:, None], dim=-1)

        def scores(batch: Batch) -> Tensor:
            features_BF = F.normalize(ctx.network.features(ctx.params, batch.x), dim=-1)
            # unit vectors: the nearest mean has the largest product
            return torch.where(count_C > 0, features_BF @ mean_CF.T, MASKED)

        return scores
