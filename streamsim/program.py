"""The sum of a strategy's parts as a handful of pure functions of ONE replica.

`streamsim.population` maps them over replicas; nothing here knows that there are others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from streamsim import draws, optimizers
from streamsim.optimizers import OptimizerState, TrainOptions
from streamsim.schedule import Order
from streamsim.strategy import (
    AlarmContext,
    Arrivals,
    Context,
    Data,
    Network,
    Params,
    Part,
    Predictor,
    Rehearsal,
    Setup,
    State,
    StepContext,
    Update,
    mask,
    overrides,
    with_options,
)
from streamsim.stream import Batch, GeneratingView, Reveal, Stream, Tables
from streamsim.transference import PairLosses, TransferenceOptions
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


class Inputs(NamedTuple):
    """One replica's inputs to one step."""

    ids: Tensor  # [B]
    y: Tensor  # [B]
    weight: Tensor  # [B]
    x: Tensor | None  # [B, *input_shape], made a stretch ahead where the stream generates samples
    seen: Tensor  # [C] bool
    experience: Tensor  # int64 scalar
    plans: Mapping[str, Tree]  # by part


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


@dataclass(frozen=True)
class Program:
    """Parts, stream, network and optimiser composed; see each method for the order of hooks."""

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
        if not swept:
            return self.train
        options = object.__new__(TrainOptions)
        for field, value in {**vars(self.train), **swept}.items():
            object.__setattr__(options, field, value)
        return options

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
            return _weighted_mean(losses, batch.weight)

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
        # cross-entropy, spelt out: torch's own has no batching rule, and its log-softmax over a few
        # classes takes longer; subtracting the right logit first keeps small losses exact
        allowed = mask(logits, ctx.seen)
        return (allowed - allowed.gather(-1, batch.y[:, None])).logsumexp(-1)

    def base_loss(
        self, carry: Carry, world: World, experience: Tensor, seen: Tensor
    ) -> Callable[[Params, Batch], Tensor]:
        """The mean of the criterion between steps, where `seen` classes (`[C]` bool) count."""
        parts = self._traced(world.values)
        return self.context(world, carry.params, carry.states, seen, experience, parts).loss

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
        view, inputs = self.stream.view, None
        if isinstance(view, GeneratingView):
            x, y = view.samples(self.pool, world.tables, ids.flatten())
            inputs, labels = x.view(*ids.shape, *x.shape[1:]), y.view(ids.shape)
        else:
            labels = self.labels(world, ids)
        clock = order.clock if self.reveals_boundaries else before + order.clock
        return Arrivals(ids, labels, order.weight, order.fresh, clock, inputs)

    def plan(
        self, carry: Carry, world: World, experience: Tensor, arrivals: Arrivals
    ) -> tuple[Carry, Inputs]:
        """Everything about a stretch that its order and its draws decide; leaves have S first."""
        parts = self._traced(world.values)
        states, plans = dict(carry.states), {}
        seen_SC = _seen_after(carry.seen, arrivals)
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
        total = _weighted_mean(self._criterion(ctx, parts, states, logits, batch), batch.weight)
        for name in self.with_hook["loss"]:
            step = self._step_context(ctx, aux, inputs, name)
            total = total + parts[name].loss(step, states[name])
        scores = self._scores(ctx, parts, states, aux, inputs) if self.judges else None
        return total, Passed(None if self.only_optimizes else aux, scores)

    def _scores(
        self,
        ctx: Context,
        parts: Mapping[str, Part],
        states: Mapping[str, State],
        aux: Aux,
        inputs: Inputs,
    ) -> Tensor:
        """What the strategy would have answered to the incoming samples, `[B, C]`."""
        scores = aux.logits[: inputs.ids.shape[0]]
        for name in self.with_hook["predictor"]:
            incoming = self._step_context(ctx, aux, inputs, name).incoming
            scores = parts[name].predictor(ctx, states[name])(incoming)
        return scores.detach()

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
            **vars(ctx),
            batch=Batch(**aux.samples),
            num_incoming=inputs.ids.shape[0],
            logits=aux.logits,
            plan=inputs.plans.get(name, {}),
        )

    # -- evaluation ---------------------------------------------------------------------------
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

        def predict_by_logits(batch: Batch) -> Tensor:
            return ctx.forward(ctx.params, batch)

        predict: Predictor = predict_by_logits
        for name in self.with_hook["predictor"]:
            predict = parts[name].predictor(ctx, carry.states[name])
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


def _weighted_mean(losses: Tensor, weight: Tensor) -> Tensor:
    # an idle replica's batch weighs nothing; its step is discarded, but must not divide by zero
    return (losses * (weight / weight.sum().clamp_min(1e-12))).sum()


def _joined(pieces: Sequence[Tensor]) -> Tensor:
    return torch.cat(tuple(pieces)) if len(pieces) > 1 else pieces[0]


def _seen_after(seen: Tensor, arrivals: Arrivals) -> Tensor:
    """Classes that have arrived by the end of each step of a stretch, `[S, C]` bool."""
    num_classes = seen.shape[0]
    # padding goes to a column of its own, which is then cut off
    column_SB = torch.where(arrivals.weight > 0, arrivals.labels, num_classes)
    hit_SC = torch.zeros(
        (column_SB.shape[0], num_classes + 1), dtype=torch.int8, device=seen.device
    ).scatter(1, column_SB, 1)[:, :num_classes]
    return hit_SC.cummax(0).values.bool() | seen
