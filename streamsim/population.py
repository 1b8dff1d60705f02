"""The only training loop: stretches of steps, boundaries, alarms; what is saved and restored.

A population is the replicas of one chunk: same parts, shapes and schedule; their own keys, tables
and numbers. With one replica there is no axis and no vmap: the same functions run as they are.

Shape letters: R replicas, S steps of a stretch, B batch, N padded samples, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor, nn

from streamsim import products
from streamsim.compilation import Compiler
from streamsim.detection import Alarm, Monitors
from streamsim.devices import COPIES, saved_bytes
from streamsim.evaluation import Evaluation
from streamsim.flow import Carry, World
from streamsim.judging import Planned, Waiting, judge
from streamsim.learner import Judged, Losses
from streamsim.program import Program
from streamsim.replica_ids import ReplicaIds
from streamsim.stepping import Stepper
from streamsim.strategy import Params, Scope
from streamsim.stream import Padded, Replica
from streamsim.stretches import Made, Stretches, settled, where
from streamsim.transference import PairLosses, TransferenceOptions
from streamsim.trees import flatten, map_tree, num_bytes, unflatten, unstack
from streamsim.watching import Watchers

STRETCH = 256  # most steps planned at once
WATCHED = 64  # and where an alarm may cut them short


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
    _watchers: Watchers | None = field(init=False, default=None)

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

    @cached_property
    def _stretches(self) -> Stretches:
        return Stretches(self.program, self._stepper, self._ids, self.world, self.compiler)

    @cached_property
    def _evaluation(self) -> Evaluation:
        return Evaluation(self.program, self._stepper, self._ids, self.world)

    @property
    def _alone(self) -> bool:
        return self.size == 1

    @property
    def _delayed(self) -> bool:
        """Whether predictions wait for their labels."""
        return self.program.judges and self.replicas[0].experiences[0].asked is not None

    def _fast_products(self, rows: int) -> AbstractContextManager[None]:
        """While about so many samples meet each replica's weights at once."""
        weights = [] if self._alone else [p[0] for p in self.carry.params.values()]
        return products.by_onednn(products.gain(weights, rows))

    # -- learner ------------------------------------------------------------------------------
    def start(self) -> None:
        """Initial weights, own parameters and states of every replica."""
        params, meta = self._fresh()
        initial = self._stepper.lift(self.program.initial)
        self.carry = settled(initial(self.world, params, meta))
        self._waiting = Waiting.none(self.size)
        if any(part.watch() for part in self.program.parts):
            keys = list(self._stepper.rows(self.world.key))
            self._watchers = Watchers(self.program.parts, self.true_drifts(), keys)

    def _fresh(self) -> tuple[Params, Tensor | None]:
        """The model's own initial weights, and ids for meta-training."""
        params = [
            {name: p.detach() for name, p in self.initial_module(key).named_parameters()}
            for key in self._stepper.rows(self.world.key).cpu()
        ]
        metas = [replica.meta for replica in self.replicas]
        meta = None
        if metas[0] is not None:
            meta = self._stepper.stack([m.to(self.device) for m in metas if m is not None])
        return map_tree(lambda t: t.to(self.device), self._stepper.stack(params)), meta

    def num_steps(self, experience: int) -> int:
        """Training steps at an experience."""
        return self._ids.num_steps(self.program.train, experience)

    def begin(self, experience: int) -> None:
        self._boundary("begin_experience", experience)
        ahead = self._ids.ahead(experience) if self.program.judges else None
        if ahead is not None:  # samples that come before anything can be learned
            with torch.no_grad():
                asked = self._evaluation.answers(self.carry, experience, ahead)
            self._waiting = self._waiting.joined(asked)

    def end(self, experience: int) -> None:
        self._boundary("end_experience", experience)

    def _boundary(self, hook: str, experience: int) -> None:
        if self.program.with_hook[hook] and self.program.reveals_boundaries:
            data = self._ids.train(experience)

            def boundary(carry: Carry, world: World, ids: Tensor, size: Tensor) -> Carry:
                return self.program.boundary(
                    hook, carry, world, self._stepper.index(experience), ids, size
                )

            with torch.no_grad():
                lifted = self._stepper.lift(boundary)
                self.carry = settled(lifted(self.carry, self.world, *data))

    def train(self, experience: int, steps: range) -> None:
        """Make a stretch of steps of an experience; an alarm is answered between two of them."""
        with self._fast_products(2 * self.program.train.batch_size):  # as many old as new ones
            while len(steps) > 0:
                steps = self._stretch(experience, steps)

    def _stretch(self, experience: int, steps: range) -> range:
        """Make as many steps as can be planned at once; returns those that are left."""
        monitors = None if self._watchers is None else self._watchers.monitors
        stretch = steps if monitors is None else steps[:WATCHED]
        before = self.carry
        made = self._made(experience, stretch, monitors)
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
        self.carry, made = self._stretches.make(self.carry, planned, known, self._waiting, monitors)
        return made

    def _plan(self, experience: int, steps: range) -> Planned:
        self.carry, planned = self._stretches.plan(self.carry, experience, steps)
        return planned

    def _keep(self, made: Made) -> None:
        """Remember what came of a stretch until it is asked for."""
        self._losses.append(torch.stack(made.losses))
        self._active.append(made.planned.active)
        if self.program.judges:
            judged = judge(made.known, made.planned, torch.stack(made.scores), self._alone)
            if made.planned.inputs.asked is not None:
                self._waiting, judged = self._waiting.exchange(judged)
            self._judged.append(judged)

    def _answer(self, experience: int, made: Made) -> None:
        """Let parts react to their detectors' alarms, each in the replicas concerned."""
        if self._watchers is None:
            return
        self._watchers.follow(made.planned, self._alone, made.alarms)
        for part in {alarm.part: None for alarm in made.alarms}:
            recent = self._ids.padded(self._watchers.recent(part))
            concerned = [alarm.replica for alarm in made.alarms if alarm.part == part]
            self._react(part, experience, concerned, recent)

    def _react(self, part: str, experience: int, replicas: Sequence[int], recent: Padded) -> None:
        def react(carry: Carry, world: World, ids: Tensor, size: Tensor) -> Carry:
            return self.program.react(
                part, carry, world, self._stepper.index(experience), ids, size
            )

        with torch.no_grad():
            after = settled(self._stepper.lift(react)(self.carry, self.world, *recent))
        if not self._alone:
            chosen = torch.zeros(self.size, dtype=torch.bool, device=self.device)
            chosen[list(replicas)] = True
            after = where(chosen, after, self.carry)
        self.carry = after

    def take_alarms(self) -> list[Alarm]:
        """Alarms of detectors since the last call."""
        alarms = [] if self._watchers is None else self._watchers.take()
        late = self.program.stream.spec.label_delay  # what they read is as old as its labels are
        return [alarm._replace(position=alarm.position + late) for alarm in alarms]

    def true_drifts(self) -> list[list[int]]:
        """How many samples come before each true drift, for every replica."""
        return [replica.true_drifts() for replica in self.replicas]

    def correct(self, experiences: Sequence[int], after: int) -> Tensor:
        """Correct predictions `[R, len(experiences)]` and nothing changed."""
        with torch.no_grad(), self._fast_products(self._evaluation.at_once):
            return self._evaluation.correct(self.carry, experiences, after)

    def test_sizes(self, experiences: Sequence[int]) -> Tensor:
        """Test samples, `[R, len(experiences)]`."""
        return self._evaluation.test_sizes(experiences)

    def transference(self, options: TransferenceOptions, after: int) -> PairLosses:
        """Losses on every experience before and after a step on every one."""
        rows = options.samples * self.program.stream.spec.num_experiences
        with torch.no_grad(), self._fast_products(rows):
            return self._evaluation.transference(self.carry, options, after)

    def meta_transference(self, options: TransferenceOptions) -> Mapping[int, PairLosses]:
        """What a part that meta-learns tells, by outer steps made."""
        with torch.no_grad():
            return self._evaluation.meta_transference(*self._fresh(), options)

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
        return {name: self._stepper.rows(p).cpu() for name, p in self.carry.params.items()}

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
        if self._watchers is not None:
            found |= {f"watch/{name}": t for name, t in self._watchers.state().items()}
        if self._delayed:
            found |= {f"waiting/{name}": t for name, t in self._waiting.tensors().items()}
        return found

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up a saved state, in place of `start`."""
        self.start()
        if self._watchers is not None:
            watched = {name[6:]: t for name, t in state.items() if name.startswith("watch/")}
            self._watchers.restore(watched)
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
