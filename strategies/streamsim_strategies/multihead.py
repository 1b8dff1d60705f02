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
        num_tasks, num_classes = setup.spec.num_tasks, setup.spec.num_classes
        weight = params.get("head.weight")
        if weight is None or weight.shape != (num_classes, setup.network.num_features):
            raise ValueError("multihead copies the model's head; it must be nn.Linear over classes")
        bias = params.get("head.bias", weight.new_zeros(num_classes))
        return {
            f"{self.name}.weight": weight.repeat(num_tasks, 1, 1),
            f"{self.name}.bias": bias.repeat(num_tasks, 1),
        }

    def init(self, setup: Setup, params: Params) -> Tensor:
        """`[T, C]` bool: the classes that have come with each task label."""
        shape = (setup.spec.num_tasks, setup.spec.num_classes)
        return torch.zeros(shape, dtype=torch.bool, device=setup.key.device)

    def begin_experience(self, ctx: Context, state: Tensor, data: Data) -> tuple[Params, Tensor]:
        assert ctx.tasks is not None
        num_tasks, num_classes = state.shape
        cell = ctx.tasks(data.ids) * num_classes + ctx.labels(data.ids)
        # padding goes to a cell of its own, which is then cut off
        cell = torch.where(data.weight > 0, cell, num_tasks * num_classes)
        found = torch.zeros(num_tasks * num_classes + 1, dtype=torch.int8, device=cell.device)
        return ctx.params, state | found.scatter(0, cell, 1)[:-1].view(state.shape).bool()

    def forward(
        self, ctx: Context, state: Tensor, params: Params, batch: Batch, net: Net
    ) -> Tensor:
        assert batch.task is not None
        own = self._own(params)
        features = ctx.network.features(params, batch.x)
        all_heads = torch.einsum("bf,tcf->btc", features, own["weight"]) + own["bias"]
        task = batch.task[:, None, None].expand(-1, 1, all_heads.shape[-1])
        known = state[batch.task]  # a task that has not come may be anything
        return mask(all_heads.gather(1, task)[:, 0], known | ~known.any(-1, keepdim=True))
