"""A tiny stream, and what slow references are made of: samples, batch order, plain arithmetic.

References know the public protocol of streams, `streamsim.draws` and `streamsim.schedule`; the
engine (population, program) is only ever on the other side of a comparison.

Shape letters: N samples, B samples of a batch, C classes, F features, R replicas.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from streamsim import draws, resolution, schedule
from streamsim.chunks import make_chunks, replica_key
from streamsim.compilation import Compiler
from streamsim.models import Mlp
from streamsim.population import Population
from streamsim.strategy import Context, Part
from streamsim.stream import Experience, Replica, Reveal, Setting, Stream, StreamSpec, Tables

PER_CLASS = 24  # samples of each class in the pool
Weights = dict[str, Tensor]


# -- the stream -------------------------------------------------------------------------------
@dataclass(frozen=True)
class ToyView:
    """Ids are places in the pool; a replica shifts inputs and orders classes in its own way."""

    def inputs(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return pool["x"][ids] + tables["shift"]

    def labels(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return tables["label"][pool["y"][ids]]

    def tasks(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return tables["task"][ids]


@dataclass(frozen=True, kw_only=True)
class Toy:
    """Blobs in four dimensions; replicas differ in class order, samples, sizes and a shift.

    Class- and task-incremental: two classes an experience. Domain-incremental: three in all.
    Classes outside the stream are labelled -1, as in the split scenarios.
    """

    setting: Setting = "class"
    num_experiences: int = 3
    smallest: int = 9  # training samples of an experience
    largest: int = 14
    boundaries: bool = True
    backwards: bool = False  # the first experience has the last task label
    meta_classes: int = 0  # the pool ends with these
    outside: int = 0  # and begins with classes that nobody uses

    @property
    def num_classes(self) -> int:
        return 3 if self.setting == "domain" else 2 * self.num_experiences

    def stream(self, root: Path) -> Stream:
        total = self.outside + self.num_classes + self.meta_classes
        generator = torch.Generator().manual_seed(total)
        centre_CF = 2 * torch.randn(total, 4, generator=generator)
        y_N = torch.arange(total).repeat_interleave(PER_CLASS)
        x_NF = centre_CF[y_N] + torch.randn(len(y_N), 4, generator=generator)
        told = {
            Reveal.BOUNDARIES: self.boundaries,
            Reveal.TASK_LABELS: self.setting == "task",
            Reveal.META_CLASSES: self.meta_classes > 0,
        }
        spec = StreamSpec(
            input_shape=(4,),
            num_classes=self.num_classes,
            num_experiences=self.num_experiences,
            setting=self.setting,
            reveals=frozenset(reveal for reveal, holds in told.items() if holds),
            num_tasks=self.num_experiences if self.setting == "task" else 1,
        )
        place_CN = torch.arange(len(y_N)).view(total, PER_CLASS)
        return Stream(spec, {"x": x_NF, "y": y_N}, ToyView(), lambda key: self._draw(key, place_CN))

    def _draw(self, key: Tensor, place_CN: Tensor) -> Replica:
        generator = torch.Generator().manual_seed(int(key) & (2**63 - 1))
        order = self.outside + torch.randperm(self.num_classes, generator=generator)
        label = torch.full((place_CN.shape[0],), -1)
        label[order] = torch.arange(self.num_classes)
        task = torch.full((place_CN.numel(),), -1)
        mixed = [place_CN[order]] if self.setting == "domain" else torch.split(place_CN[order], 2)
        shuffled = [
            classes.flatten()[torch.randperm(classes.numel(), generator=generator)]
            for classes in mixed
        ]
        experiences = []
        for number, ids in enumerate(torch.cat(shuffled).chunk(self.num_experiences)):
            size = int(torch.randint(self.smallest, self.largest + 1, (), generator=generator))
            experiences.append(Experience(ids[:size], ids[size:]))
            task[ids] = self.num_experiences - 1 - number if self.backwards else number
        shift = 0.3 * torch.randn(4, generator=generator)
        tables = {"label": label, "task": task, "shift": shift}
        meta = place_CN[self.outside + self.num_classes :] if self.meta_classes else None
        return Replica(experiences, tables, meta)


# -- what a reference may know of one replica ----------------------------------------------------
class Step(NamedTuple):
    """The samples that one training step brings, without padding."""

    ids: Tensor  # [B]
    x: Tensor  # [B, F]
    y: Tensor  # [B]
    task: Tensor  # [B]
    fresh: Tensor  # [B] bool
    clock: int


@dataclass(frozen=True)
class One:
    """One replica, seen from outside."""

    stream: Stream
    replica: Replica
    key: Tensor
    train: Any  # TrainOptions

    def take(self, ids: Tensor | Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs, labels and task labels."""
        ids = torch.as_tensor(ids)
        given = self.stream.pool, self.replica.tables, ids
        view = self.stream.view
        return view.inputs(*given), view.labels(*given), view.tasks(*given)

    def fold(self, *fields: int | str) -> Tensor:
        """A key of this replica's draws."""
        return draws.fold(self.key, *fields)

    def steps(self, experience: int, ids: Tensor | None = None) -> list[Step]:
        """Every training step at an experience, as if this replica were alone."""
        ids = self.replica.experiences[experience].train if ids is None else ids
        num = schedule.num_steps(self.train, len(ids))
        order = schedule.order(
            self.train,
            self.fold("order", experience),
            torch.tensor(len(ids)),
            range(num),
            len(ids),
            len(ids),
            False,
        )
        steps = []
        for place, weight, fresh, clock in zip(*order, strict=True):
            real = weight > 0
            chosen = ids[place[real]]
            steps.append(Step(chosen, *self.take(chosen), fresh[real], int(clock)))
        return steps


class SlowReservoir:
    """Algorithm R (Vitter 1985), one sample after the other."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.slots: list[int] = []
        self.arrived = 0

    def offer(self, sample: int, key: Tensor, counter: int) -> None:
        self.arrived += 1
        if len(self.slots) < self.size:
            self.slots.append(sample)
            return
        place = int(draws.integers(key, torch.tensor(counter), self.arrived))
        if place < self.size:
            self.slots[place] = sample

    def offer_step(self, step: Step, key: Tensor, batch_size: int) -> None:
        for place, (sample, fresh) in enumerate(zip(step.ids, step.fresh, strict=True)):
            if fresh:
                self.offer(int(sample), key, step.clock * batch_size + place)

    def read(self, key: Tensor, clock: int, num: int) -> list[int]:
        """`num` samples with replacement; none while nothing has been kept."""
        if not self.slots:
            return []
        counters = torch.arange(clock * num, clock * num + num)
        return [self.slots[int(i)] for i in draws.integers(key, counters, len(self.slots))]


# -- plain arithmetic ----------------------------------------------------------------------------
def features(weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """The hidden layer of the toy network, `[B, F]`."""
    return (x @ weights["stages.0.1.weight"].T + weights["stages.0.1.bias"]).tanh()


def logits(weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """The toy network, `[B, C]`."""
    return features(weights, x) @ weights["head.weight"].T + weights["head.bias"]


def cross_entropy(logits_BC: Tensor, y: Tensor, classes: Collection[int]) -> Tensor:
    """`[B]`, over some of the classes only: other columns are cut out."""
    right = logits_BC.gather(1, y[:, None])[:, 0]
    return logits_BC[:, sorted(classes)].logsumexp(1) - right


def gradient(loss: Tensor, weights: Weights) -> Weights:
    """By name; 0 where the loss does not depend on a weight."""
    grads = torch.autograd.grad(
        loss, list(weights.values()), allow_unused=True, materialize_grads=True
    )
    return dict(zip(weights, grads, strict=True))


def leaves(weights: Mapping[str, Tensor]) -> Weights:
    """Copies that a gradient can be taken of."""
    return {name: w.detach().clone().requires_grad_() for name, w in weights.items()}


def descended(weights: Weights, grads: Mapping[str, Tensor], lr: float) -> Weights:
    """One step of plain gradient descent."""
    return leaves({name: w.detach() - lr * grads[name] for name, w in weights.items()})


def assert_same(actual: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Equal weights, to 1e-5."""
    assert actual.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(
            actual[name].detach(),
            tensor.detach(),
            rtol=1e-5,
            atol=1e-5,
            msg=lambda text, name=name: f"{name}: {text}",  # type: ignore[misc]
        )


# -- the engine, on the other side ---------------------------------------------------------------
class Kit:
    """The above, and populations, for tests (which cannot import from each other)."""

    SlowReservoir = SlowReservoir
    features = staticmethod(features)
    logits = staticmethod(logits)
    cross_entropy = staticmethod(cross_entropy)
    gradient = staticmethod(gradient)
    leaves = staticmethod(leaves)
    descended = staticmethod(descended)
    assert_same = staticmethod(assert_same)

    def toy(self, **options: Any) -> Toy:
        return Toy(**options)

    def population(
        self,
        parts: Part | Sequence[Part],
        toy: Toy | None = None,
        seeds: Sequence[int] = (0, 1, 2),
        **train: Any,
    ) -> Population:
        """A started population of a network with one hidden layer of 5 tanh units."""
        chosen, objects = resolution.resolve(
            toy or Toy(),
            parts,
            Mlp(hidden=(5,), activation="tanh").build,
            {
                f"train.{name}": value
                for name, value in {"batch_size": 4, "lr": 0.1, **train}.items()
            },
            seeds,
            {},
            None,
        )
        device, together = torch.device("cpu"), str(len(seeds))
        (chunk,) = make_chunks(chosen, objects, Path(), device, together, Compiler("off"))
        learner = chunk.learner()
        assert isinstance(learner, Population)
        learner.start()
        return learner

    def ones(self, learner: Population, seeds: Sequence[int] = (0, 1, 2)) -> list[One]:
        """The replicas of a population, drawn anew."""
        program = learner.program
        keys = [replica_key(seed) for seed in seeds]
        return [One(program.stream, program.stream.draw(key), key, program.train) for key in keys]

    def train(self, learner: Population, *experiences: int, stretch: int = 256) -> None:
        """Train at these experiences from begin to end."""
        for experience in experiences:
            total = learner.num_steps(experience)
            learner.begin(experience)
            for start in range(0, total, stretch):
                learner.train(experience, range(start, min(start + stretch, total)))
            learner.end(experience)

    def weights(self, learner: Population, replica: int) -> Weights:
        """Copies of one replica's parameters that a gradient can be taken of."""
        return leaves({name: p[replica] for name, p in learner.parameters().items()})

    def context(self, learner: Population, experience: int = 0) -> Context:
        """What hooks of the only replica get between steps."""
        assert learner.size == 1
        carry, world = learner.carry, learner.world
        return learner.program.context(
            world,
            carry.params,
            carry.states,
            carry.seen,
            torch.tensor(experience),
            {part.name: part for part in learner.program.parts},
            draws.fold(world.key, "parts", experience),
        )


@pytest.fixture(scope="session")
def kit() -> Kit:
    return Kit()
