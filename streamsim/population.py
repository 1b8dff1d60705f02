"""The only training loop, and the only place that knows the replica axis.

A population is the replicas of one chunk: same parts, shapes and schedule; their own keys, tables
and numbers. With one replica there is no axis and no vmap: the same functions run as they are.

Shape letters: R replicas, S steps of a stretch, B batch, N padded samples, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from streamsim import draws, pairs, products
from streamsim.compilation import Compiler
from streamsim.detection import Alarm, Monitors
from streamsim.devices import COPIES, saved_bytes
from streamsim.flow import Carry, Inputs, Moving, World
from streamsim.judging import Planned, Waiting, in_order, judge, predictions
from streamsim.learner import Judged, Losses
from streamsim.program import Program
from streamsim.replica_ids import ReplicaIds
from streamsim.schedule import order
from streamsim.signals import Signals
from streamsim.stepping import Stepper
from streamsim.strategy import Params, Scope
from streamsim.stream import Padded, Replica
from streamsim.transference import PairLosses, TransferenceOptions
from streamsim.trees import (
    Tree,
    flatten,
    map_tree,
    num_bytes,
    stack,
    unflatten,
    unstack,
)

STRETCH = 256  # most steps planned at once
Changing = TypeVar("Changing", Carry, Moving)
WATCHED = 64  # and where an alarm may cut them short
EVAL_FLOATS = 2**23  # inputs held at once while evaluating


class Made(NamedTuple):
    """What came of a stretch, or of its steps up to an alarm."""

    planned: Planned
    known: Tensor  # [S, C] bool: classes seen before each step; [C] if nothing is judged
    losses: list[Tensor]  # of each step
    scores: list[Any]
    alarms: list[Alarm]


@dataclass
class Population:
    """Replicas trained as one program on one device; a `streamsim.learner.Learner`."""

    program: Program
    world: World  # stacked
    replicas: Sequence[Replica]
    initial_module: Callable[[Tensor], nn.Module]  # a fresh network of a replica's key
    compiler: Compiler
    device: torch.device
    scope: Scope = "experience"
    carry: Carry = field(init=False)
    _losses: list[Tensor] = field(init=False, default_factory=list)  # [S] or [S, R] a stretch
    _active: list[Tensor] = field(init=False, default_factory=list)
    _judged: list[Judged] = field(init=False, default_factory=list)
    _waiting: Waiting = field(init=False)  # for their labels
    _monitors: Monitors | None = field(init=False, default=None)  # where a part watches
    _recent: list[Tensor] = field(init=False, default_factory=list)  # newest ids of each replica
    _alarms: list[Alarm] = field(init=False, default_factory=list)
    _sides: pairs.Sides | None = field(init=False, default=None)  # samples of transference

    # -- the replica axis ---------------------------------------------------------------------
    @property
    def size(self) -> int:
        return len(self.replicas)

    @cached_property
    def _stepper(self) -> Stepper:
        return Stepper(self.program, self._alone, self.device)

    @cached_property
    def _ids(self) -> ReplicaIds:
        return ReplicaIds(self.replicas, self.scope, self.device)

    @property
    def _alone(self) -> bool:
        return self.size == 1

    @property
    def _delayed(self) -> bool:
        """Whether predictions wait for their labels."""
        return self.program.judges and self.replicas[0].experiences[0].asked is not None

    def _stack(self, trees: Sequence[Tree]) -> Tree:
        return trees[0] if self._alone else stack(list(trees))

    def _lift(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self._stepper.lift(function)

    def _rows(self, values: Tensor) -> Tensor:
        """Per-replica results with the replica axis first, also of one replica."""
        return values[None] if self._alone else values

    @cached_property
    def _large_products(self) -> bool:
        return not self._alone and products.gain(p[0] for p in self.carry.params.values())

    # -- learner ------------------------------------------------------------------------------
    def start(self) -> None:
        """Initial weights, own parameters and states of every replica."""
        params, meta = self._fresh()
        initial = self._lift(self.program.initial)
        self.carry = self._settled(initial(self.world, params, meta))
        self._waiting = Waiting.none(self.size)
        watches = {part.name: watch for part in self.program.parts if (watch := part.watch())}
        if watches:
            seeds = [int(key) & 0xFFFFFFFF for key in self._rows(self.world.key)]
            self._monitors = Monitors(watches, self.true_drifts(), seeds)
            self._recent = [torch.empty(0, dtype=torch.int64)] * self.size

    def _fresh(self) -> tuple[Params, Tensor | None]:
        """The model's own initial weights, and ids for meta-training."""
        params = [
            {name: p.detach() for name, p in self.initial_module(key).named_parameters()}
            for key in self._rows(self.world.key).cpu()
        ]
        metas = [replica.meta for replica in self.replicas]
        meta = None
        if metas[0] is not None:
            meta = self._stack([m.to(self.device) for m in metas if m is not None])
        return map_tree(lambda t: t.to(self.device), self._stack(params)), meta

    def num_steps(self, experience: int) -> int:
        """Training steps at an experience."""
        return self._ids.num_steps(self.program.train, experience)

    def begin(self, experience: int) -> None:
        self._boundary("begin_experience", experience)
        ahead = self._ids.ahead(experience) if self.program.judges else None
        if ahead is not None:
            self._ask(experience, ahead)

    def _ask(self, experience: int, samples: Padded) -> None:
        """Predict samples that come before anything can be learned."""

        def answers(carry: Carry, world: World, ids: Tensor) -> tuple[Tensor, Tensor]:
            return self.program.answers(carry, world, self._index(experience), ids)

        known = self.carry.seen
        for ids in torch.split(samples.ids, self._at_once, dim=-1):
            with torch.no_grad():
                scores, label = self._lift(answers)(self.carry, self.world, ids)
                counts = torch.ones_like(label, dtype=torch.bool)
                asked = Judged(label, *predictions(known, scores, label), counts)
            rows = Judged(*(self._rows(each).cpu() for each in asked))
            self._waiting = self._waiting.joined(rows)

    def end(self, experience: int) -> None:
        self._boundary("end_experience", experience)

    def _boundary(self, hook: str, experience: int) -> None:
        if self.program.with_hook[hook] and self.program.reveals_boundaries:
            data = self._ids.train(experience)

            def boundary(carry: Carry, world: World, ids: Tensor, size: Tensor) -> Carry:
                return self.program.boundary(hook, carry, world, self._index(experience), ids, size)

            with torch.no_grad():
                lifted = self._lift(boundary)
                self.carry = self._settled(lifted(self.carry, self.world, *data))

    def train(self, experience: int, steps: range) -> None:
        """Make a stretch of steps of an experience; an alarm is answered between two of them."""
        with products.by_onednn(self._large_products):
            while len(steps) > 0:
                steps = self._stretch(experience, steps)

    def _stretch(self, experience: int, steps: range) -> range:
        """Make as many steps as can be planned at once; returns those that are left."""
        stretch = steps if self._monitors is None else steps[:WATCHED]
        before = self.carry
        made = self._made(experience, stretch, self._monitors)
        if len(made.losses) < len(stretch):
            # what was planned beyond the alarm must not have happened
            stretch, alarms, self.carry = stretch[: len(made.losses)], made.alarms, before
            made = self._made(experience, stretch, None)._replace(alarms=alarms)
        self._keep(made)
        self._answer(experience, made)
        return steps[len(stretch) :]

    def _made(self, experience: int, steps: range, monitors: Monitors | None) -> Made:
        """Plan steps and make them, up to an alarm."""
        known, planned = self.carry.seen, self._plan(experience, steps)
        if self.program.judges:
            known = torch.cat([known[None], planned.inputs.seen[:-1]])
        return self._steps(planned, known, monitors)

    def _keep(self, made: Made) -> None:
        """Remember what came of a stretch until it is asked for."""
        self._losses.append(torch.stack(made.losses))
        self._active.append(made.planned.active)
        if self.program.judges:
            scores = torch.stack(made.scores)
            judged = judge(made.known, made.planned, scores, self._alone)
            if made.planned.inputs.asked is not None:
                self._waiting, judged = self._waiting.exchange(judged)
            self._judged.append(judged)

    def _answer(self, experience: int, made: Made) -> None:
        """Let parts react to their detectors' alarms, each in the replicas concerned."""
        if self._monitors is None:
            return
        most = max(1, *(watch.recent for watch in self._monitors.watches.values()))
        ids, weight = (
            in_order(each, self._alone)
            for each in (made.planned.inputs.ids, made.planned.inputs.weight)
        )
        for replica, old in enumerate(self._recent):
            new = ids[replica][weight[replica] > 0]
            self._recent[replica] = torch.cat([old, new])[-most:]
        self._alarms += made.alarms
        for part in {alarm.part: None for alarm in made.alarms}:
            self._react(part, experience, [a.replica for a in made.alarms if a.part == part])

    def _react(self, part: str, experience: int, replicas: Sequence[int]) -> None:
        watch = self.program.part(part).watch()
        assert watch is not None
        recent = self._ids.padded([ids[-max(1, watch.recent) :] for ids in self._recent])

        def react(carry: Carry, world: World, ids: Tensor, size: Tensor) -> Carry:
            return self.program.react(part, carry, world, self._index(experience), ids, size)

        with torch.no_grad():
            after = self._settled(self._lift(react)(self.carry, self.world, *recent))
        if not self._alone:
            chosen = torch.zeros(self.size, dtype=torch.bool, device=self.device)
            chosen[list(replicas)] = True
            after = _where(chosen, after, self.carry)
        self.carry = after

    def take_alarms(self) -> list[Alarm]:
        """Alarms of detectors since the last call."""
        alarms, self._alarms = self._alarms, []
        late = self.program.stream.spec.label_delay  # what they read is as old as its labels are
        return [alarm._replace(position=alarm.position + late) for alarm in alarms]

    def true_drifts(self) -> list[list[int]]:
        """How many samples come before each true drift, for every replica."""
        return [replica.true_drifts() for replica in self.replicas]

    def correct(self, experiences: Sequence[int], after: int) -> Tensor:
        """Correct predictions `[R, len(experiences)]` and nothing changed."""
        tests = [tuple(self._ids.test(e)) for e in experiences]
        batch = self._at_once

        def correct(carry: Carry, world: World, tests: Any) -> Tensor:
            return self.program.correct(carry, world, self._index(max(after, 0)), tests, batch)

        with torch.no_grad(), products.by_onednn(self._large_products):
            counts: Tensor = self._lift(correct)(self.carry, self.world, tests)
        return self._rows(counts).cpu()

    @property
    def _at_once(self) -> int:
        """Samples of every replica that are evaluated together."""
        floats = max(1, torch.Size(self.program.stream.spec.input_shape).numel()) * self.size
        return max(32, EVAL_FLOATS // floats)

    def test_sizes(self, experiences: Sequence[int]) -> Tensor:
        """Test samples, `[R, len(experiences)]`."""
        sizes = [self._rows(self._ids.test(e).size) for e in experiences]
        return torch.stack(sizes, dim=1).cpu()

    def transference(self, options: TransferenceOptions, after: int) -> PairLosses:
        """Losses on every experience before and after a step on every one."""
        if self._sides is None:
            keys = list(self._rows(self.world.key).cpu())
            drawn = pairs.draw(self.program.stream, self.replicas, keys, options.samples)
            self._sides = map_tree(lambda t: t.to(self.device), self._stack(drawn))

        at_once = min(self.size, pairs.replicas_at_once(self.program, options.samples))

        def losses(carry: Carry, world: World, sides: pairs.Sides) -> PairLosses:
            experience = self._index(max(after, 0))
            return pairs.experience_losses(
                self.program, carry, world, experience, sides, options.lr, at_once
            )

        with torch.no_grad(), products.by_onednn(self._large_products):
            lifted = self._stepper.lift(losses, at_once)
            found = lifted(self.carry, self.world, self._sides)
        return PairLosses(*(self._rows(each).cpu() for each in found))

    def meta_transference(self, options: TransferenceOptions) -> Mapping[int, PairLosses]:
        """What a part that meta-learns tells, by outer steps made."""
        params, meta = self._fresh()

        def losses(world: World, params: Params, meta: Tensor | None) -> Mapping[int, PairLosses]:
            return self.program.meta_transference(world, params, meta, options)

        with torch.no_grad():
            found = self._lift(losses)(self.world, params, meta)
        rows = {moment: map(self._rows, each) for moment, each in found.items()}
        return {moment: PairLosses(*(t.cpu() for t in each)) for moment, each in rows.items()}

    def take_losses(self) -> Losses:
        """Loss of every step since the last call."""
        if not self._losses:
            return Losses(torch.empty(self.size, 0), torch.empty(self.size, 0, dtype=torch.bool))
        value, active = torch.cat(self._losses), torch.cat(self._active)
        self._losses, self._active = [], []
        if self._alone:
            return Losses(value[None].cpu(), active[None].cpu())
        return Losses(value.T.cpu(), active.T.cpu())

    def take_judged(self) -> Judged:
        """Predictions of every incoming sample since the last call."""
        judged = Judged(*(torch.cat(each, dim=1) for each in zip(*self._judged, strict=True)))
        self._judged = []
        return judged

    def parameters(self) -> dict[str, Tensor]:
        """The trained weights, `[R, ...]` each."""
        return {name: self._rows(p).cpu() for name, p in self.carry.params.items()}

    def finite(self) -> Tensor:
        """Whether every parameter of a replica is a finite number, `[R]` bool."""
        flags = [p.reshape(self.size, -1).isfinite().all(1) for p in self.carry.params.values()]
        return torch.stack(flags).all(0).cpu()

    def bytes_needed(self) -> int:
        """Memory that training takes, by weighing the state and the tensors of one step."""
        self.start()
        example = unstack(self._plan(0, range(1)).inputs, 1)[0]
        leaves = {k: p.detach().requires_grad_() for k, p in self.carry.params.items()}
        saved = saved_bytes(self._stepper.loss, leaves, self.carry.states, self.world, example)
        return COPIES * num_bytes(self.carry) + 2 * saved

    def state(self) -> dict[str, Tensor]:
        """Everything that training has changed, by name, on the CPU."""
        found = {name: leaf.cpu() for name, leaf in flatten(self.carry).items()}
        if self._monitors is not None:
            found |= {f"watch/{name}": t for name, t in self._monitors.state().items()}
            found |= {f"watch/recent/{r}": ids for r, ids in enumerate(self._recent)}
        if self._delayed:
            found |= {f"waiting/{name}": t for name, t in self._waiting.tensors().items()}
        return found

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up a saved state, in place of `start`."""
        self.start()
        if self._monitors is not None:
            watched = {name[6:]: t for name, t in state.items() if name.startswith("watch/")}
            self._monitors.restore(watched)
            self._recent = [watched[f"recent/{r}"] for r in range(self.size)]
        if self._delayed:
            waiting = {name[8:]: t for name, t in state.items() if name.startswith("waiting/")}
            self._waiting = Waiting.restored(waiting, self.size)
        state = {n: t for n, t in state.items() if not n.startswith(("watch/", "waiting/"))}
        own = flatten(self.carry)
        if own.keys() != state.keys() or any(own[k].shape != state[k].shape for k in own):
            raise ValueError(
                "the checkpoint does not fit this configuration; "
                "it was written by another version: remove the run folder and run again"
            )
        moved = {name: leaf.to(self.device) for name, leaf in state.items()}
        self.carry = unflatten(self.carry, moved)

    # -- a stretch ----------------------------------------------------------------------------
    def _index(self, experience: int) -> Tensor:
        return torch.tensor(experience, device=self.device)

    def _plan(self, experience: int, steps: range) -> Planned:
        """A stretch, step first and contiguous."""
        program, data = self.program, self._ids.train(experience)
        asked = self._ids.asked(experience) if program.judges else None
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
            index = self._index(experience)
            carry, inputs = program.plan(carry, world, index, arrivals, meanwhile)
            return carry, Planned(inputs, shuffled.weight.sum(-1) > 0, shuffled.fresh)

        with torch.no_grad():
            before = self._ids.steps_before(program.train, experience)
            come = None if asked is None else asked.ids
            carry, planned = self._lift(plan)(self.carry, self.world, *data, before, come)
        # steps must get the same strides whether or not a hook returned a view
        self.carry = self._settled(carry)
        if not self._alone:
            planned = map_tree(lambda planned_RS: planned_RS.transpose(0, 1), planned)
        contiguous: Planned = map_tree(torch.Tensor.contiguous, planned)
        return contiguous

    def _steps(self, planned: Planned, known: Tensor, monitors: Monitors | None) -> Made:
        """The steps of a planned stretch; an idle replica keeps what it had."""
        inputs, active, _ = planned
        idle = set() if self._alone else set((~active.all(-1)).nonzero().flatten().tolist())
        slices: list[Inputs] = unstack(inputs, inputs.ids.shape[0])
        moving, losses, every_score = self._moving(), [], []
        alarms: list[Alarm] = []
        example = (moving, self.carry.states, self.world, slices[0])
        step = self.compiler.step(
            (id(self.program), self.size),
            self._stepper.signature(example),
            self._stepper.eager,
            self._stepper.whole,
            example,
        )
        if monitors is not None:
            signals = Signals(planned, known, self._waiting, monitors.read_losses, self._alone)
        for s, each in enumerate(slices):
            moved, loss, scores = step(moving, self.carry.states, self.world, each)
            if s in idle:
                moved = _where(active[s], moved, moving)
            moving = moved
            losses.append(loss)
            every_score.append(scores)
            if monitors is not None:
                alarms = monitors.read(*signals.read(s, scores))
                if alarms:
                    break
        self.carry = self.carry._replace(
            params=moving.params,
            optimizer=moving.optimizer,
            states={**self.carry.states, **moving.states},
        )
        return Made(planned, known, losses, every_score, alarms)

    def _moving(self) -> Moving:
        follows = self.program.with_hook["after_step"]
        states = {name: self.carry.states[name] for name in follows}
        return Moving(self.carry.params, self.carry.optimizer, states)

    @staticmethod
    def _settled(carry: Carry) -> Carry:
        """Contiguous tensors of their own: compiled steps want the same strides every time."""
        settled: Carry = map_tree(lambda t: t.detach().contiguous(), carry)
        return settled


def _where(active: Tensor, new: Changing, old: Changing) -> Changing:
    """The new values of active replicas (`[R]` bool), the old ones of the others."""

    def choose(new: Tensor, old: Tensor) -> Tensor:
        return torch.where(active.view(-1, *[1] * (new.ndim - 1)), new, old)

    chosen: Changing = map_tree(choose, new, old)
    return chosen
