"""Elastic weight consolidation, online: a running diagonal Fisher pulls weights to their anchor."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.func import grad, vjp, vmap

from streamsim import draws
from streamsim.strategy import Context, Data, Params, Part, Setup, StepContext, mask
from streamsim.stream import Batch

CHUNK_FLOATS = 2**20  # floats of per-sample gradients held at once, per replica


class Anchor(NamedTuple):
    """Same keys and shapes as the parameters."""

    params: Params  # at the last boundary
    fisher: Params


@dataclass(frozen=True, kw_only=True)
class Ewc(Part):
    """Pull weights to their last anchor: 1/2 strength sum_k F_k (w_k - w*_k)^2."""

    name: ClassVar[str] = "ewc"
    reference: ClassVar[str] = (
        "Kirkpatrick et al. 2017, Overcoming catastrophic forgetting; online: Schwarz et al. 2018, "
        "Progress & compress; Fisher: van de Ven 2025, On the computation of the Fisher information"
    )

    strength: float = Field(default=10.0, ge=0, description="weight of the pull (lambda)")
    decay: float = Field(
        default=1.0, ge=0, le=1, description="share of the old Fisher kept (gamma)"
    )
    fisher: Literal["exact", "empirical"] = Field(
        default="exact",
        description="exact: expectation over the model's own labels; empirical: true labels",
    )
    num_samples: int = Field(
        default=200, ge=1, description="random samples of an experience for its Fisher"
    )

    def init(self, setup: Setup, params: Params) -> Anchor:
        return Anchor(
            {k: p.clone() for k, p in params.items()},
            {k: torch.zeros_like(p) for k, p in params.items()},
        )

    def loss(self, ctx: StepContext, state: Anchor) -> Tensor:
        pulls = [
            (state.fisher[k] * (p - state.params[k]).square()).sum() for k, p in ctx.params.items()
        ]
        return 0.5 * self.strength * torch.stack(pulls).sum()

    def end_experience(self, ctx: Context, state: Anchor, data: Data) -> tuple[Params, Anchor]:
        chosen = self._sample(ctx, data)
        per_sample = sum(p.numel() for p in ctx.params.values()) * ctx.spec.num_classes
        size = max(1, min(32, CHUNK_FLOATS // per_sample))
        squares = _exact if self.fisher == "exact" else _empirical
        fisher = {k: self.decay * f for k, f in state.fisher.items()}
        total = chosen.weight.sum()
        for batch in chosen.batches(size):
            for k, square in squares(ctx, batch).items():
                fisher[k] = fisher[k] + square / total
        return ctx.params, Anchor(ctx.params, fisher)

    def _sample(self, ctx: Context, data: Data) -> Data:
        """A random part of the data; padding comes last, whatever its length."""
        assert ctx.key is not None
        place = torch.arange(data.ids.shape[0], device=data.ids.device)
        priority = draws.uniform(draws.fold(ctx.key, "ewc"), place)
        order = torch.where(data.weight > 0, priority, 2.0).argsort(stable=True)[: self.num_samples]
        return Data(data.ids[order], data.weight[order], data.take)


def _exact(ctx: Context, batch: Batch) -> Params:
    """Sum over samples of E_y~model[(d log p(y) / dw)^2]."""

    def log_probabilities(params: Params, x: Tensor, task: Tensor | None) -> Tensor:
        one = Batch(x[None], batch.y[:1], batch.weight[:1], None if task is None else task[None])
        return mask(ctx.forward(params, one), ctx.seen).log_softmax(-1)[0]

    def of_sample(x: Tensor, weight: Tensor, task: Tensor | None) -> Params:
        log_p, pull, *_ = vjp(lambda params: log_probabilities(params, x, task), dict(ctx.params))
        # the root of a class's share goes into its gradient, which needs no factor once squared
        gradients: Params = vmap(pull)((log_p.exp() * weight).sqrt().diag())[0]
        return gradients

    in_dims = (0, 0, None if batch.task is None else 0)
    gradients = vmap(of_sample, in_dims=in_dims)(batch.x, batch.weight, batch.task)
    return {k: g.square().sum((0, 1)) for k, g in gradients.items()}


def _empirical(ctx: Context, batch: Batch) -> Params:
    """Sum over samples of (d log p(true y) / dw)^2."""

    def of_sample(x: Tensor, y: Tensor, weight: Tensor, task: Tensor | None) -> Params:
        one = Batch(
            x[None], y[None], torch.ones_like(weight)[None], None if task is None else task[None]
        )
        return {k: g.square() * weight for k, g in grad(ctx.loss)(dict(ctx.params), one).items()}

    in_dims = (0, 0, 0, None if batch.task is None else 0)
    squares = vmap(of_sample, in_dims=in_dims)(batch.x, batch.y, batch.weight, batch.task)
    return {k: s.sum(0) for k, s in squares.items()}
