"""What is asked of a population between steps, and changes nothing: its answers, the accuracy of
its replicas, and what a step on one experience would do to the others.

Shape letters: R replicas, N samples, E experiences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from streamsim import pairs
from streamsim.flow import Carry, World
from streamsim.judging import predictions
from streamsim.learner import Judged
from streamsim.program import Program
from streamsim.replica_ids import ReplicaIds
from streamsim.stepping import Stepper
from streamsim.strategy import Params
from streamsim.stream import Padded
from streamsim.transference import PairLosses, TransferenceOptions
from streamsim.trees import map_tree

EVAL_FLOATS = 2**23  # inputs held at once


@dataclass
class Evaluation:
    """Questions to the replicas of a population, whatever their weights are."""

    program: Program
    stepper: Stepper
    ids: ReplicaIds
    world: World  # stacked
    _sides: pairs.Sides | None = field(init=False, default=None)  # samples of transference

    @property
    def size(self) -> int:
        return len(self.ids.replicas)

    def correct(self, carry: Carry, experiences: Sequence[int], after: int) -> Tensor:
        """Correct predictions, `[R, E]`."""
        tests = [tuple(self.ids.test(e)) for e in experiences]

        def correct(carry: Carry, world: World, tests: Any) -> Tensor:
            index = self.stepper.index(max(after, 0))
            return self.program.correct(carry, world, index, tests, self.at_once)

        counts: Tensor = self.stepper.lift(correct)(carry, self.world, tests)
        return self.stepper.rows(counts).cpu()

    def answers(self, carry: Carry, experience: int, samples: Padded) -> Judged:
        """How samples are predicted, `[R, N]` each."""

        def answers(carry: Carry, world: World, ids: Tensor) -> tuple[Tensor, Tensor]:
            return self.program.answers(carry, world, self.stepper.index(experience), ids)

        found = []
        for ids in torch.split(samples.ids, self.at_once, dim=-1):
            scores, label = self.stepper.lift(answers)(carry, self.world, ids)
            counts = torch.ones_like(label, dtype=torch.bool)
            judged = label, *predictions(carry.seen, scores, label), counts
            found.append([self.stepper.rows(each).cpu() for each in judged])
        return Judged(*(torch.cat(each, dim=1) for each in zip(*found, strict=True)))

    @property
    def at_once(self) -> int:
        """Samples of every replica that are evaluated together."""
        floats = max(1, torch.Size(self.program.stream.spec.input_shape).numel()) * self.size
        return max(32, EVAL_FLOATS // floats)

    def test_sizes(self, experiences: Sequence[int]) -> Tensor:
        """Test samples, `[R, E]`."""
        sizes = [self.stepper.rows(self.ids.test(e).size) for e in experiences]
        return torch.stack(sizes, dim=1).cpu()

    def transference(self, carry: Carry, options: TransferenceOptions, after: int) -> PairLosses:
        """Losses on every experience before and after a step on every one."""
        if self._sides is None:
            keys = list(self.stepper.rows(self.world.key).cpu())
            drawn = pairs.draw(self.program.stream, self.ids.replicas, keys, options.samples)
            sides = self.stepper.stack(drawn)
            self._sides = map_tree(lambda t: t.to(self.stepper.device), sides)
        at_once = min(self.size, pairs.replicas_at_once(self.program, options.samples))

        def losses(carry: Carry, world: World, sides: pairs.Sides) -> PairLosses:
            index = self.stepper.index(max(after, 0))
            return pairs.experience_losses(
                self.program, carry, world, index, sides, options.lr, at_once
            )

        found = self.stepper.lift(losses, at_once)(carry, self.world, self._sides)
        return PairLosses(*(self.stepper.rows(each).cpu() for each in found))

    def meta_transference(
        self, params: Params, meta: Tensor | None, options: TransferenceOptions
    ) -> Mapping[int, PairLosses]:
        """What a part that meta-learns from initial weights tells, by outer steps made."""

        def losses(world: World, params: Params, meta: Tensor | None) -> Mapping[int, PairLosses]:
            return self.program.meta_transference(world, params, meta, options)

        found = self.stepper.lift(losses)(self.world, params, meta)
        return {
            moment: PairLosses(*(self.stepper.rows(t).cpu() for t in each))
            for moment, each in found.items()
        }
