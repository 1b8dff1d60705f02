"""Training parts on a small stream, step by step, and comparing what came out.

Shape letters: R replicas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from streamsim import resolution
from streamsim.chunks import make_chunks
from streamsim.compilation import Compiler, Mode
from streamsim.population import Population
from streamsim.settings import ModelFactory
from streamsim.strategy import Part
from streamsim.stream import Scenario, Stream

SEEDS = (0, 1, 2)
FAST: Mapping[str, Any] = {
    "model.hidden": (16, 16),
    "train.batch_size": 16,
    "train.epochs": 2,
    "train.lr": 0.05,
}
CORRECT = "correct predictions"  # the name of test results in a moment

Moment = Mapping[str, Tensor]  # all that training changed and test results, replica axis first
Cuts = Callable[[int], Iterator[range]]  # a number of steps to stretches


@dataclass(frozen=True)
class Subject:
    """Parts, and all that is needed to train them again and again."""

    parts: Sequence[Part]
    scenario: Scenario
    model: str | ModelFactory
    options: Mapping[str, Any]  # as --set would give them
    root: Path

    @cached_property
    def stream(self) -> Stream:
        return self.scenario.stream(self.root)

    def learner(self, seeds: Sequence[int] = SEEDS, compile: Mode = "off") -> Population:
        """A population as the simulator makes it, on the CPU, not started."""
        found, objects = resolution.resolve(
            self.scenario, list(self.parts), self.model, self.options, list(seeds), {}, None
        )
        device, size = torch.device("cpu"), str(len(seeds))
        [chunk] = make_chunks(found, objects, self.root, device, size, Compiler(compile))
        learner = chunk.learner()
        assert isinstance(learner, Population)
        return learner

    def with_parts(self, parts: Sequence[Part]) -> Subject:
        return replace(self, parts=parts)

    @cached_property
    def alone(self) -> list[Moment]:
        """The first seed by itself: the moments that others are compared with."""
        return train(self.learner(SEEDS[:1]))

    @cached_property
    def together(self) -> list[Moment]:
        """All seeds in one population."""
        return train(self.learner())


def num_experiences(learner: Population) -> int:
    return learner.program.stream.spec.num_experiences


def whole(num_steps: int) -> Iterator[range]:
    """All steps as one stretch."""
    yield range(num_steps)


def growing(num_steps: int) -> Iterator[range]:
    """Stretches of one step, two, three and so on.

    >>> list(growing(5))
    [range(0, 1), range(1, 3), range(3, 5)]
    """
    start, size = 0, 1
    while start < num_steps:
        yield range(start, min(start + size, num_steps))
        start, size = start + size, size + 1


def train(learner: Population, cuts: Cuts = whole, until: int | None = None) -> list[Moment]:
    """Go through the first experiences as the simulator does: the moments after the start and
    after each of them."""
    learner.start()
    moments = [moment(learner, -1)]
    for experience in range(num_experiences(learner) if until is None else until):
        go_through(learner, experience, cuts)
        moments.append(moment(learner, experience))
    return moments


def go_through(learner: Population, experience: int, cuts: Cuts = whole) -> None:
    num_steps = learner.num_steps(experience)
    if num_steps:
        learner.begin(experience)
        for stretch in cuts(num_steps):
            learner.train(experience, stretch)
        learner.end(experience)


def trained_state(learner: Population) -> dict[str, Tensor]:
    """What training changes; what detectors have read is kept beside it, and grows."""
    return {name: leaf for name, leaf in learner.state().items() if not name.startswith("watch/")}


def moment(learner: Population, after: int) -> Moment:
    """What a population is at this moment, and its test results on every experience."""
    state = {name: leaf.clone() for name, leaf in trained_state(learner).items()}
    if learner.size == 1:
        state = {name: leaf[None] for name, leaf in state.items()}
    return {**state, CORRECT: learner.correct(range(num_experiences(learner)), after)}


def rows(moments: Sequence[Moment], chosen: Sequence[int]) -> list[Moment]:
    """The moments of some replicas."""
    return [{name: leaf[list(chosen)] for name, leaf in m.items()} for m in moments]


def difference(ours: Sequence[Moment], theirs: Sequence[Moment], tolerance: float = 0.0) -> str:
    """Where two trainings differ first, or nothing.

    Floats may differ by `tolerance` of the largest number beside them up to the end of the first
    experience, then by a hundred times that: rounding grows. Whole numbers may not differ, but
    for one prediction on a decision boundary.
    """
    for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        allowed = tolerance if number < 2 else 100 * tolerance
        when = f"after experience {number - 1}" if number else "before training"
        if mine.keys() != other.keys():
            odd = ", ".join(sorted(mine.keys() ^ other.keys()))
            return f"{when}, only one of them has {odd}"
        for name, a in mine.items():
            if found := _leaf_difference(a, other[name], allowed, name == CORRECT):
                return f"{when}, {name} differs{found}"
    return ""


def _leaf_difference(a: Tensor, b: Tensor, tolerance: float, predictions: bool) -> str:
    if a.shape != b.shape or a.dtype != b.dtype:
        return f": {list(a.shape)} of {a.dtype} against {list(b.shape)} of {b.dtype}"
    if not a.numel() or torch.equal(a, b):
        return ""
    gap = (a.double() - b.double()).abs().max().item()
    slack = 0.0
    if a.is_floating_point():
        slack = tolerance * max(a.nan_to_num().abs().max().item(), 1e-3)
    elif predictions and tolerance:
        slack = 1.0
    if torch.allclose(a.double(), b.double(), rtol=0.0, atol=slack, equal_nan=True):
        return ""
    return f" by {gap:.2g}"
