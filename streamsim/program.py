"""The sum of a strategy's parts as a handful of pure functions of ONE replica.

`streamsim.population` maps them over replicas; nothing here knows that there are others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from streamsim import draws, optimizers
from streamsim.composed import Composed, weighted_mean
from streamsim.flow import Asked, Aux, Carry, Inputs, Moving, Passed, World
from streamsim.schedule import Order, seen_after
from streamsim.strategy import (
    AlarmContext,
    Arrivals,
    Context,
    Data,
    Params,
    Part,
    Rehearsal,
    Setup,
    State,
    StepContext,
    Update,
    overrides,
)
from streamsim.stream import Batch, GeneratingView
from streamsim.transference import PairLosses, TransferenceOptions

# not `vars`, which torch 2.11 cannot trace
_CONTEXT = tuple(field.name for field in fields(Context))


class Program(Composed):
    """When hooks are called, and in which order; see each method."""

    # -- before training ----------------------------------------------------------------------
    def initial(self, world: World, params: Params, meta: Tensor | None) -> Carry:
        """The model's initial weights, then parts' own parameters, then their states."""
        parts = self._traced(world.values)
        setup = self._setup(world, meta)
        for part in parts.values():
            params = part.initial_weights(setup, params)
        for part in parts.values():
            params = {**params, **part.parameters(setup, params)}
        states = {name: part.init(setup, params) for name, part in parts.items()}
        momentum = "train.momentum" in world.values or self.train.momentum > 0
        seen = torch.zeros(self.stream.spec.num_classes, dtype=torch.bool, device=world.key.device)
        return Carry(params, optimizers.init(self.train, params, momentum), states, seen)

    def meta_transference(
        self, world: World, params: Params, meta: Tensor | None, options: TransferenceOptions
    ) -> Mapping[int, PairLosses]:
        """What the first part that meta-learns tells, by outer steps made; nothing without one."""
        setup = self._setup(world, meta)
        for part in self._traced(world.values).values():
            if overrides(part, "meta_transference"):
                return part.meta_transference(setup, params, options)
            params = part.initial_weights(setup, params)
        return {}

    def _setup(self, world: World, meta: Tensor | None) -> Setup:
        return Setup(
            spec=self.stream.spec,
            network=self.network,
            take=lambda ids: self.take(world, ids),
            key=draws.fold(world.key, "parts"),
            batch_size=self.train.batch_size,
            meta=meta,
        )

    # -- between steps ------------------------------------------------------------------------
    def boundary(
        self, hook: str, carry: Carry, world: World, experience: Tensor, ids: Tensor, size: Tensor
    ) -> Carry:
        """`begin_experience` or `end_experience` of every part, in the order written."""
        parts = self._traced(world.values)
        params, states = carry.params, dict(carry.states)
        real = torch.arange(ids.shape[0], device=ids.device) < size
        key = draws.fold(world.key, "parts", experience)
        data = Data(ids, real.to(torch.float32), lambda chosen: self.take(world, chosen))
        for name in self.with_hook[hook]:
            ctx = self.context(world, params, states, carry.seen, experience, parts, key)
            params, states[name] = getattr(parts[name], hook)(ctx, states[name], data)
        return carry._replace(params=params, states=states)

    def react(
        self, name: str, carry: Carry, world: World, experience: Tensor, ids: Tensor, size: Tensor
    ) -> Carry:
        """What a part does about its detector's alarm; `ids` are the newest samples."""
        parts = self._traced(world.values)
        ctx = self.context(world, carry.params, carry.states, carry.seen, experience, parts)

        def end_experience() -> tuple[Params, Mapping[str, State]]:
            after = carry
            for hook in ("end_experience", "begin_experience"):
                after = self.boundary(hook, after, world, experience, ids, size)
            return after.params, after.states

        real = torch.arange(ids.shape[0], device=ids.device) < size
        recent = Data(ids, real.to(torch.float32), lambda chosen: self.take(world, chosen))
        alarm = AlarmContext(
            ctx=ctx, states=carry.states, recent=recent, end_experience=end_experience
        )
        params, states = parts[name].on_alarm(alarm, carry.states[name])
        return carry._replace(params=params, states=states)

    def arrivals(self, world: World, ids: Tensor, order: Order, before: Tensor) -> Arrivals:
        """Samples `[S, B]` in the order of a schedule, with what is known of them ahead.

        `before` counts the steps made at earlier experiences: a clock that started anew would give
        a hidden boundary away.
        """
        come = self.asked(world, ids)
        clock = order.clock if self.reveals_boundaries else before + order.clock
        return Arrivals(ids, come.y, order.weight, order.fresh, clock, come.x)

    def asked(self, world: World, ids: Tensor) -> Asked:
        """Samples `[S, B]` by id, with their inputs where those are generated."""
        view = self.stream.view
        if not isinstance(view, GeneratingView):
            return Asked(ids, self.labels(world, ids), None)
        x, y = view.samples(self.pool, world.tables, ids.flatten())
        return Asked(ids, y.view(ids.shape), x.view(*ids.shape, *x.shape[1:]))

    def plan(
        self,
        carry: Carry,
        world: World,
        experience: Tensor,
        arrivals: Arrivals,
        asked: Asked | None = None,
    ) -> tuple[Carry, Inputs]:
        """Everything about a stretch that its order and its draws decide; leaves have S first.
        `asked` are the samples to predict, where they are not those that arrive with labels.
        """
        parts = self._traced(world.values)
        states, plans = dict(carry.states), {}
        seen_SC = seen_after(carry.seen, arrivals.labels, arrivals.weight)
        # a key that changed would give a hidden boundary away
        key = draws.fold(world.key, "parts", experience if self.reveals_boundaries else 0)
        for name in self.with_hook["plan"]:
            ctx = self.context(world, carry.params, states, carry.seen, experience, parts, key)
            states[name], plans[name] = parts[name].plan(ctx, states[name], arrivals)
        inputs = Inputs(
            arrivals.ids,
            arrivals.labels,
            arrivals.weight,
            arrivals.inputs,
            seen_SC,
            experience.expand(arrivals.clock.shape[0]),
            plans,
            asked,
        )
        return carry._replace(states=states, seen=seen_SC[-1]), inputs

    # -- within a step ------------------------------------------------------------------------
    def losses(
        self, params: Params, states: Mapping[str, State], world: World, inputs: Inputs
    ) -> tuple[Tensor, Passed]:
        """Rehearsals join the batch, one forward pass, the criterion's mean plus every term."""
        parts = self._traced(world.values)
        ctx = self.context(world, params, states, inputs.seen, inputs.experience, parts)
        extras = [
            parts[name].rehearse(ctx, states[name], inputs.plans.get(name, {}))
            for name in self.with_hook["rehearse"]
        ]
        batch = self._batch(world, inputs, extras)
        logits = ctx.forward(params, batch)
        aux = Aux({k: v for k, v in batch._asdict().items() if v is not None}, logits)
        total = weighted_mean(self._criterion(ctx, parts, states, logits, batch), batch.weight)
        for name in self.with_hook["loss"]:
            step = self._step_context(ctx, aux, inputs, name)
            total = total + parts[name].loss(step, states[name])
        scores = self._scores(ctx, parts, states, aux, world, inputs) if self.judges else None
        return total, Passed(None if self.only_optimizes else aux, scores)

    def _scores(
        self,
        ctx: Context,
        parts: Mapping[str, Part],
        states: Mapping[str, State],
        aux: Aux,
        world: World,
        inputs: Inputs,
    ) -> Tensor:
        """What the strategy would have answered to the samples that come, `[B, C]`."""
        if inputs.asked is not None:
            # nothing is learned from them now
            params = {name: p.detach() for name, p in ctx.params.items()}
            now = self.context(world, params, states, ctx.seen, inputs.experience, parts)
            return self.predictor(now, parts, states)(self._come(world, inputs.asked)).detach()
        scores = aux.logits[: inputs.ids.shape[0]]
        for name in self.with_hook["predictor"]:
            incoming = self._step_context(ctx, aux, inputs, name).incoming
            scores = parts[name].predictor(ctx, states[name])(incoming)
        return scores.detach()

    def _come(self, world: World, asked: Asked) -> Batch:
        """Samples that come without labels."""
        if asked.x is None:
            return self.take(world, asked.ids)
        task = self.tasks(world, asked.ids) if self._reveals_tasks else None
        return Batch(asked.x, asked.y, torch.ones(asked.y.shape, device=asked.y.device), task)

    def _batch(self, world: World, inputs: Inputs, extras: Sequence[Rehearsal]) -> Batch:
        """Incoming samples, then rehearsed ones."""
        ids = [inputs.ids, *(extra.ids for extra in extras)]
        weight = _joined([inputs.weight, *(extra.weight for extra in extras)])
        if inputs.x is None:
            return self.take(world, _joined(ids), weight)
        task = self.tasks(world, _joined(ids)) if self._reveals_tasks else None
        if not extras:
            return Batch(inputs.x, inputs.y, weight, task)
        old = self.take(world, _joined(ids[1:]))
        x, y = torch.cat([inputs.x, old.x]), torch.cat([inputs.y, old.y])
        return Batch(x, y, weight, task)

    def apply(
        self,
        moving: Moving,
        states: Mapping[str, State],
        world: World,
        inputs: Inputs,
        grads: Params,
        aux: Aux | None,
    ) -> Moving:
        """Gradients, rates, the optimiser's step, what follows it; parts in the order written."""
        parts = self._traced(world.values)
        params, optimizer, states = moving.params, moving.optimizer, {**states, **moving.states}

        def step(name: str) -> StepContext:
            assert aux is not None
            # only where a hook asks: most steps have none, and small ones would feel it
            ctx = self.context(world, params, states, inputs.seen, inputs.experience, parts)
            return self._step_context(ctx, aux, inputs, name)

        for name in self.with_hook["gradients"]:
            grads = parts[name].gradients(step(name), states[name], grads)
        rates: dict[str, float | Tensor] = {}
        for name in self.with_hook["rates"]:
            for key, factor in parts[name].rates(step(name), states[name]).items():
                rates[key] = rates.get(key, 1.0) * factor
        after, optimizer = optimizers.update(
            self._train(world.values), params, grads, optimizer, world.values["train.lr"], rates
        )
        changed: dict[str, State] = {}
        result: Params = after
        for name in self.with_hook["after_step"]:
            result, changed[name] = parts[name].after_step(
                step(name), states[name], Update(params, result, grads)
            )
        return Moving(result, optimizer, changed)

    def optimize(self, moving: Moving, world: World, grads: Params) -> Moving:
        """`apply` where nothing but the optimiser follows; also of stacked replicas, unmapped."""
        params, optimizer = optimizers.update(
            self._train(world.values),
            moving.params,
            grads,
            moving.optimizer,
            world.values["train.lr"],
            {},
        )
        return moving._replace(params=params, optimizer=optimizer)

    def step(
        self, moving: Moving, states: Mapping[str, State], world: World, inputs: Inputs
    ) -> tuple[Moving, Tensor, Tensor | None]:
        """One whole update as a single function, what is compiled: also the loss and the scores."""

        def losses(params: Params) -> tuple[Tensor, Any]:
            loss, passed = self.losses(params, {**states, **moving.states}, world, inputs)
            # grad takes tensors only
            return loss, {k: v for k, v in passed._asdict().items() if v is not None}

        grads, (loss, found) = torch.func.grad_and_value(losses, has_aux=True)(moving.params)
        passed = Passed(**found)
        after = self.apply(moving, states, world, inputs, grads, passed.aux)
        return after, loss, passed.scores

    def _step_context(self, ctx: Context, aux: Aux, inputs: Inputs, name: str) -> StepContext:
        return StepContext(
            **{name: getattr(ctx, name) for name in _CONTEXT},
            batch=Batch(**aux.samples),
            num_incoming=inputs.ids.shape[0],
            logits=aux.logits,
            plan=inputs.plans.get(name, {}),
        )


def _joined(pieces: Sequence[Tensor]) -> Tensor:
    return torch.cat(tuple(pieces)) if len(pieces) > 1 else pieces[0]
