"""A-GEM: keep the step from raising the average loss on a memory of the past."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim.strategy import Arrivals, Context, Data, Params, Part, Setup, StepContext
from streamsim.stream import Reveal, StreamSpec
from streamsim_strategies import memory
from streamsim_strategies.memory import POLICIES, Drawn, Memory, Policy


@dataclass(frozen=True, kw_only=True)
class Agem(Part):
    """Project a gradient that conflicts with the memory's: g - (g.r / r.r) r where g.r < 0."""

    name: ClassVar[str] = "agem"
    reference: ClassVar[str] = (
        "Chaudhry et al. 2019, Efficient lifelong learning with A-GEM, eq. 11; the paper's memory "
        "holds past experiences only: policy=class-balanced"
    )

    memory_size: int = Field(default=200, ge=1, description="samples kept")
    batch_size: int | None = Field(
        default=None, ge=1, description="samples of a reference gradient; none: as many as arrive"
    )
    policy: Policy = Field(default="reservoir", description=POLICIES)

    def needs(self) -> frozenset[Reveal]:
        return memory.needs(self.policy)

    def check(self, spec: StreamSpec, batch_size: int) -> None:
        num = self.batch_size or batch_size
        memory.check(self.name, self.memory_size, num, self.policy, spec.num_classes)

    def init(self, setup: Setup, params: Params) -> Memory:
        return memory.empty(self.memory_size, setup)

    def plan(self, ctx: Context, state: Memory, arrivals: Arrivals) -> tuple[Memory, Drawn]:
        num = self.batch_size or arrivals.ids.shape[1]
        return memory.plan(state, ctx, arrivals, self.policy, num, self.name)

    def gradients(self, ctx: StepContext, state: Memory, grads: Params) -> Params:
        drawn: Drawn = ctx.plan
        batch = ctx.take(drawn.ids)._replace(weight=drawn.weight)
        reference: Params = torch.func.grad(ctx.loss)(dict(ctx.params), batch)
        dot, square = _dot(grads, reference), _dot(reference, reference)
        # an empty memory weighs nothing: its gradient is zero, and so is the projection
        factor = dot.clamp(max=0) / square.clamp_min(1e-12)
        return {k: g - factor * reference[k] for k, g in grads.items()}

    def end_experience(self, ctx: Context, state: Memory, data: Data) -> tuple[Params, Memory]:
        return ctx.params, memory.end(state, ctx, data, self.policy)


def _dot(a: Params, b: Params) -> Tensor:
    return torch.stack([(a[k] * b[k]).sum() for k in a]).sum()
