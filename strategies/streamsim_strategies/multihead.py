"""A head for each task, chosen by the task label (task-incremental learning)."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim.strategy import Context, Data, Net, Params, Part, Setup, mask
from streamsim.stream import Batch, Reveal


@dataclass(frozen=True, kw_only=True)
class Multihead(Part):
    """Give every task a linear head of its own on shared features, over the task's classes."""

    name: ClassVar[str] = "multihead"
    reference: ClassVar[str] = (
        "Caruana 1997, Multitask learning; van de Ven et al. 2022 (task-incremental)"
    )

    def needs(self) -> frozenset[Reveal]:
        return frozenset({Reveal.TASK_LABELS, Reveal.BOUNDARIES})

    def parameters(self, setup: Setup, params: Params) -> Params:
        heads = (setup.spec.num_tasks, 1, 1)
        return {
            f"{self.name}.weight": params["head.weight"].repeat(heads),
            f"{self.name}.bias": params["head.bias"].repeat(heads[:2]),
        }

    def init(self, setup: Setup, params: Params) -> Tensor:
        """`[T, C]` bool: the classes of each task, all of them until the task has come."""
        shape = (setup.spec.num_tasks, setup.spec.num_classes)
        return torch.ones(shape, dtype=torch.bool, device=setup.key.device)

    def begin_experience(self, ctx: Context, state: Tensor, data: Data) -> tuple[Params, Tensor]:
        assert ctx.experience is not None
        columns = torch.where(data.weight > 0, ctx.labels(data.ids), ctx.spec.num_classes)
        found = torch.zeros(ctx.spec.num_classes + 1, dtype=torch.int8, device=columns.device)
        classes = found.scatter(0, columns, 1)[: ctx.spec.num_classes].bool()
        current = torch.arange(state.shape[0], device=columns.device) == ctx.experience
        return ctx.params, torch.where(current[:, None], classes, state)

    def forward(
        self, ctx: Context, state: Tensor, params: Params, batch: Batch, net: Net
    ) -> Tensor:
        assert batch.task is not None
        own = self._own(params)
        features = ctx.network.features(params, batch.x)
        all_heads = torch.einsum("bf,tcf->btc", features, own["weight"]) + own["bias"]
        task = batch.task[:, None, None].expand(-1, 1, all_heads.shape[-1])
        return mask(all_heads.gather(1, task)[:, 0], state[batch.task])
