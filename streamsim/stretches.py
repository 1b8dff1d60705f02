"""A stretch: some steps of all replicas, planned in one go and then made.

Shape letters: R replicas, S steps, B batch, N padded samples, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from streamsim import draws
from streamsim.compilation import Compiler
from streamsim.detection import Alarm, Monitors
from streamsim.flow import Carry, Inputs, Moving, World
from streamsim.judging import Planned, Waiting
from streamsim.program import Program
from streamsim.replica_ids import ReplicaIds
from streamsim.schedule import order
from streamsim.signals import Signals
from streamsim.stepping import Stepper
from streamsim.trees import flatten, map_tree, unstack

Changing = TypeVar("Changing", Carry, Moving)


class Made(NamedTuple):
    """What came of a stretch, or of its steps up to an alarm."""

    planned: Planned
    known: Tensor  # [S, C] bool: classes seen before each step; [C] if nothing is judged
    losses: list[Tensor]  # of each step
    scores: list[Any]
    alarms: list[Alarm]


@dataclass(frozen=True)
class Stretches:
    """Plans and makes stretches of one population."""

    program: Program
    stepper: Stepper
    ids: ReplicaIds
    world: World  # stacked
    compiler: Compiler

    @torch.no_grad()
    def plan(self, carry: Carry, experience: int, steps: range) -> tuple[Carry, Planned]:
        """Everything about steps that order and draws decide, step first and contiguous."""
        program, data = self.program, self.ids.train(experience)
        asked = self.ids.asked(experience) if program.judges else None
        padded, smallest = data.ids.shape[-1], int(data.size.min())

        def plan(
            carry: Carry,
            world: World,
            ids: Tensor,
            size: Tensor,
            before: Tensor,
            come: Tensor | None,
        ) -> tuple[Carry, Any]:
            key = draws.fold(world.key, "order", experience)
            shuffled = order(
                program.train, key, size, steps, padded, smallest, program.stream.spec.ordered
            )
            arrivals = program.arrivals(world, ids[shuffled.place], shuffled, before)
            meanwhile = None if come is None else program.asked(world, come[shuffled.place])
            index = self.stepper.index(experience)
            carry, inputs = program.plan(carry, world, index, arrivals, meanwhile)
            return carry, Planned(inputs, shuffled.weight.sum(-1) > 0, shuffled.fresh)

        before = self.ids.steps_before(program.train, experience)
        come = None if asked is None else asked.ids
        carry, planned = self.stepper.lift(plan)(carry, self.world, *data, before, come)
        if not self.stepper.alone:
            planned = map_tree(lambda planned_RS: planned_RS.transpose(0, 1), planned)
        contiguous: Planned = map_tree(torch.Tensor.contiguous, planned)
        # steps must get the same strides whether or not a hook returned a view
        return settled(carry), contiguous

    def make(
        self,
        carry: Carry,
        planned: Planned,
        known: Tensor,
        waiting: Waiting,
        monitors: Monitors | None,
    ) -> tuple[Carry, Made]:
        """The steps of a planned stretch, up to an alarm; an idle replica keeps what it had."""
        inputs, active, _ = planned
        alone = self.stepper.alone
        idle = set() if alone else set((~active.all(-1)).nonzero().flatten().tolist())
        slices: list[Inputs] = unstack(inputs, inputs.ids.shape[0])
        moving = self.moving(carry)
        made = Made(planned, known, [], [], [])
        step = self._step(moving, carry.states, self.world, slices[0])
        if monitors is not None:
            signals = Signals(planned, known, waiting, monitors.read_losses, alone)
        with ExitStack() as unguarded:
            for s, each in enumerate(slices):
                moved, loss, scores = step(moving, carry.states, self.world, each)
                if s in idle:
                    moved = where(active[s], moved, moving)
                    unguarded.close()  # the strides may have changed
                elif s == 1 and strides(moved) == strides(moving):
                    # from here on every step is given what this one was given
                    unguarded.enter_context(self.compiler.unguarded())
                moving = moved
                made.losses.append(loss)
                made.scores.append(scores)
                if monitors is not None:
                    made.alarms.extend(monitors.read(*signals.read(s, scores)))
                    if made.alarms:
                        break
        carry = carry._replace(
            params=moving.params,
            optimizer=moving.optimizer,
            states={**carry.states, **moving.states},
        )
        return carry, made

    def _step(self, *example: Any) -> Callable[..., Any]:
        """The step of all replicas, eager or compiled; it is called with arguments like these."""
        return self.compiler.step(
            (id(self.program), self.world.key.numel()),
            self.stepper.signature(example),
            self.stepper.eager,
            self.stepper.whole,
            example,
        )

    def moving(self, carry: Carry) -> Moving:
        """What steps can change."""
        follows = self.program.with_hook["after_step"]
        states = {name: carry.states[name] for name in follows}
        return Moving(carry.params, carry.optimizer, states)


def settled(carry: Carry) -> Carry:
    """Contiguous tensors of their own: compiled steps want the same strides every time."""
    found: Carry = map_tree(lambda t: t.detach().contiguous(), carry)
    return found


def where(active: Tensor, new: Changing, old: Changing) -> Changing:
    """The new values of active replicas (`[R]` bool), the old ones of the others."""

    def choose(new: Tensor, old: Tensor) -> Tensor:
        return torch.where(active.view(-1, *[1] * (new.ndim - 1)), new, old)

    chosen: Changing = map_tree(choose, new, old)
    return chosen


def strides(moving: Moving) -> list[tuple[int, ...]]:
    """Of every tensor."""
    return [leaf.stride() for leaf in flatten(moving).values()]
