"""A-GEM: keep the step from raising the average loss on a memory of the past."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim.strategy import Params, StepContext
from streamsim_strategies.memory import Drawn, Memory
from streamsim_strategies.reader import Reader


@dataclass(frozen=True, kw_only=True)
class Agem(Reader):
    """Project a gradient that conflicts with the memory's: g - (g.r / r.r) r where g.r < 0."""

    name: ClassVar[str] = "agem"
    reference: ClassVar[str] = (
        "Chaudhry et al. 2019, Efficient lifelong learning with A-GEM, eq. 11; the paper's memory "
        "holds past experiences only: policy=class-balanced"
    )

    batch_size: int | None = Field(
        default=None, ge=1, description="samples of a reference gradient; none: as many as arrive"
    )

    def gradients(self, ctx: StepContext, state: Memory, grads: Params) -> Params:
        drawn: Drawn = ctx.plan
        batch = ctx.take(drawn.ids)._replace(weight=drawn.weight)
        reference: Params = torch.func.grad(ctx.loss)(dict(ctx.params), batch)
        dot, square = _dot(grads, reference), _dot(reference, reference)
        # an empty memory weighs nothing: its gradient is zero, and so is the projection
        factor = dot.clamp(max=0) / square.clamp_min(1e-12)
        return {k: g - factor * reference[k] for k, g in grads.items()}


def _dot(a: Params, b: Params) -> Tensor:
    return torch.stack([(a[k] * b[k]).sum() for k in a]).sum()
