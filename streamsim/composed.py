"""Parts over a stream and a network, for one replica: options put in, samples taken, answers given.

Shape letters: B batch, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from streamsim.flow import Carry, World
from streamsim.network import Network
from streamsim.optimizers import TrainOptions
from streamsim.strategy import (
    Context,
    Params,
    Part,
    Predictor,
    State,
    mask,
    overrides,
    with_options,
)
from streamsim.stream import Batch, Reveal, Stream, Tables

# numbers of a batch's logits: fewer take least time as one softmax, which is slow over few classes
FEW = 512


@dataclass(frozen=True)
class Composed:
    """Parts, stream, network and optimiser, and the contexts that hooks are called with."""

    parts: Sequence[Part]
    stream: Stream
    pool: Tables  # on the device
    network: Network
    train: TrainOptions
    judges: bool = False  # whether steps also tell how incoming samples were predicted

    def __post_init__(self) -> None:
        # looked up now: computing a cached property for the first time breaks a compiler's trace
        _ = self.with_hook, self.only_optimizes, self._reveals_tasks, self.reveals_boundaries

    @cached_property
    def with_hook(self) -> dict[str, list[str]]:
        """Names of the parts that define each hook, in the order written."""
        hooks = ("rehearse", "loss", "gradients", "rates", "after_step", "plan", "forward")
        more = ("begin_experience", "end_experience", "criterion", "predictor")
        return {
            hook: [part.name for part in self.parts if overrides(part, hook)]
            for hook in hooks + more
        }

    def part(self, name: str) -> Part:
        return next(part for part in self.parts if part.name == name)

    @cached_property
    def only_optimizes(self) -> bool:
        """Whether nothing but the optimiser follows the gradients."""
        return not any(self.with_hook[hook] for hook in ("gradients", "rates", "after_step"))

    @cached_property
    def _reveals_tasks(self) -> bool:
        return Reveal.TASK_LABELS in self.stream.spec.reveals

    @cached_property
    def reveals_boundaries(self) -> bool:
        return Reveal.BOUNDARIES in self.stream.spec.reveals

    # -- options ------------------------------------------------------------------------------
    def _traced(self, values: Mapping[str, Tensor]) -> dict[str, Part]:
        """Parts by name, with this replica's numbers in place of swept options."""
        parts = {}
        for part in self.parts:
            prefix = f"strategy.{part.name}."
            swept = {k[len(prefix) :]: v for k, v in values.items() if k.startswith(prefix)}
            parts[part.name] = with_options(part, swept) if swept else part
        return parts

    def _train(self, values: Mapping[str, Tensor]) -> TrainOptions:
        swept = {k[6:]: v for k, v in values.items() if k.startswith("train.") and k != "train.lr"}
        return with_options(self.train, swept) if swept else self.train

    # -- samples ------------------------------------------------------------------------------
    def take(self, world: World, ids: Tensor, weight: Tensor | None = None) -> Batch:
        """Samples by id, of weight 1 unless told; task labels only where they are revealed."""
        view = self.stream.view
        return Batch(
            view.inputs(self.pool, world.tables, ids),
            view.labels(self.pool, world.tables, ids),
            torch.ones(ids.shape, device=ids.device) if weight is None else weight,
            self.tasks(world, ids) if self._reveals_tasks else None,
        )

    def labels(self, world: World, ids: Tensor) -> Tensor:
        return self.stream.view.labels(self.pool, world.tables, ids)

    def tasks(self, world: World, ids: Tensor) -> Tensor:
        return self.stream.view.tasks(self.pool, world.tables, ids)

    # -- contexts -----------------------------------------------------------------------------
    def _forward(self, ctx: Context, parts: Mapping[str, Part], states: Mapping[str, State]) -> Any:
        def bare(params: Params, batch: Batch) -> Tensor:
            return self.network(params, batch.x)

        net = bare
        for name in self.with_hook["forward"]:

            def wrapped(params: Params, batch: Batch, name: str = name, inner: Any = net) -> Tensor:
                return parts[name].forward(ctx, states.get(name, {}), params, batch, inner)

            net = wrapped
        return net

    def context(
        self,
        world: World,
        params: Params,
        states: Mapping[str, State],
        seen: Tensor,
        experience: Tensor,
        parts: Mapping[str, Part],
        key: Tensor | None = None,
    ) -> Context:
        def forward(params: Params, batch: Batch) -> Tensor:
            out: Tensor = self._forward(ctx, parts, states)(params, batch)
            return out

        def loss(params: Params, batch: Batch) -> Tensor:
            losses = self._criterion(ctx, parts, states, forward(params, batch), batch)
            return weighted_mean(losses, batch.weight)

        ctx = Context(
            spec=self.stream.spec,
            network=self.network,
            params=params,
            forward=forward,
            loss=loss,
            take=lambda ids: self.take(world, ids),
            labels=lambda ids: self.labels(world, ids),
            tasks=(lambda ids: self.tasks(world, ids)) if self._reveals_tasks else None,
            seen=seen,
            experience=experience if self.reveals_boundaries else None,
            key=key,
        )
        return ctx

    def _criterion(
        self,
        ctx: Context,
        parts: Mapping[str, Part],
        states: Mapping[str, State],
        logits: Tensor,
        batch: Batch,
    ) -> Tensor:
        for name in self.with_hook["criterion"]:
            return parts[name].criterion(ctx, states.get(name, {}), logits, batch)
        return cross_entropy(mask(logits, ctx.seen), batch.y)

    def base_loss(
        self, carry: Carry, world: World, experience: Tensor, seen: Tensor
    ) -> Callable[[Params, Batch], Tensor]:
        """The mean of the criterion between steps, where `seen` classes (`[C]` bool) count."""
        parts = self._traced(world.values)
        return self.context(world, carry.params, carry.states, seen, experience, parts).loss

    # -- answers ------------------------------------------------------------------------------
    def predictor(
        self, ctx: Context, parts: Mapping[str, Part], states: Mapping[str, State]
    ) -> Predictor:
        """How the strategy answers: by its predictor, or by its logits."""

        def by_logits(batch: Batch) -> Tensor:
            return ctx.forward(ctx.params, batch)

        for name in self.with_hook["predictor"]:
            return parts[name].predictor(ctx, states[name])
        return by_logits

    def answers(
        self, carry: Carry, world: World, experience: Tensor, ids: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Scores `[B, C]` between steps, and the labels of the samples."""
        parts = self._traced(world.values)
        ctx = self.context(world, carry.params, carry.states, carry.seen, experience, parts)
        batch = self.take(world, ids)
        return self.predictor(ctx, parts, carry.states)(batch), batch.y

    def correct(
        self,
        carry: Carry,
        world: World,
        experience: Tensor,
        tests: Sequence[tuple[Tensor, Tensor]],
        batch_size: int,
    ) -> Tensor:
        """Correct predictions on each test set of (padded ids, size), `[len(tests)]` int64."""
        parts = self._traced(world.values)
        ctx = self.context(world, carry.params, carry.states, carry.seen, experience, parts)
        # before anything has been seen, every class is allowed: initial accuracy is chance
        allowed = carry.seen | ~carry.seen.any()

        predict = self.predictor(ctx, parts, carry.states)
        counts = []
        for ids, size in tests:
            count = torch.zeros((), dtype=torch.int64, device=ids.device)
            for start in range(0, ids.shape[0], batch_size):
                chosen = ids[start : start + batch_size]
                real = torch.arange(start, start + chosen.shape[0], device=ids.device) < size
                batch = self.take(world, chosen)
                best = mask(predict(batch), allowed).argmax(-1)
                count = count + ((best == batch.y) & real).sum()
            counts.append(count)
        return torch.stack(counts)


def cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """`[B]`, spelt out: torch's own has no batching rule and costs more under vmap."""
    if logits.numel() < FEW:
        return -logits.log_softmax(-1).gather(-1, label[:, None])[:, 0]
    return logits.logsumexp(-1) - logits.gather(-1, label[:, None])[:, 0]


def weighted_mean(losses: Tensor, weight: Tensor) -> Tensor:
    # an idle replica's batch weighs nothing; its step is discarded, but must not divide by zero
    return (losses * (weight / weight.sum().clamp_min(1e-12))).sum()
