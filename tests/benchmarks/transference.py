"""Transference between experiences, against the plain loop over pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor, nn

from streamsim import resolution
from streamsim.chunks import make_chunks
from streamsim.compilation import Compiler
from streamsim.population import Population
from streamsim.stream import Experience, Replica, Stream, StreamSpec, Tables
from streamsim.transference import TransferenceOptions

from . import timing
from .workloads import network

NUM_EXPERIENCES, NUM_REPLICAS, NUM_CLASSES = 20, 10, 10
LR = 0.1
REPEATS = 9


@dataclass(frozen=True, kw_only=True)
class Work:
    inputs: int
    hidden: int
    samples: int
    target: str

    @property
    def name(self) -> str:
        return f"MLP {self.inputs}-{self.hidden}-{NUM_CLASSES}, {self.samples} samples"


WORKS = (
    Work(inputs=64, hidden=100, samples=64, target="12x"),
    Work(inputs=784, hidden=100, samples=256, target="4x"),
)


def main() -> None:
    repeats = timing.flags().repeats(REPEATS)
    for work in WORKS:
        population, options = learner(work), TransferenceOptions(samples=work.samples)
        loop = Loop(population, work)
        check(population, loop, options)
        ways: dict[str, Callable[[], object]] = {
            "ours": partial(population.transference, options, -1),
            "pairs": loop.over_pairs,
            "sources": loop.over_sources,
        }
        measures = {way: partial(timing.seconds, call) for way, call in ways.items()}
        found = timing.in_turns(measures, repeats)
        for way, what, aim in (
            ("pairs", "the loop over pairs", work.target),
            ("sources", "a loop that steps on each source once", ""),
        ):
            timing.line(
                f"{work.name}: {what}",
                f"{found.median('ours'):.3f} s; the loop {found.median(way):.3f} s",
                f"{found.ratio(way, 'ours'):.1f}x",
                aim,
            )


@dataclass(frozen=True)
class Noise:
    """Rows of a pool; time does not depend on values."""

    work: Work

    def stream(self, root: Path) -> Stream:
        drawn = torch.Generator().manual_seed(0)
        num = 2 * self.work.samples * NUM_EXPERIENCES
        pool = {
            "x": torch.rand(num, self.work.inputs, generator=drawn),
            "y": torch.randint(NUM_CLASSES, (num,), generator=drawn),
        }
        spec = StreamSpec(
            input_shape=(self.work.inputs,),
            num_classes=NUM_CLASSES,
            num_experiences=NUM_EXPERIENCES,
            setting="domain",
            reveals=frozenset(),
        )
        parts = torch.arange(num).view(NUM_EXPERIENCES, 2, self.work.samples)
        replica = Replica([Experience(*sides) for sides in parts], {})
        return Stream(spec, pool, Rows(), lambda key: replica)


class Rows:
    """Ids are rows."""

    def inputs(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return F.embedding(ids, pool["x"])  # as the built-in scenarios look samples up

    def labels(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return pool["y"][ids]

    def tasks(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        raise NotImplementedError("task labels are hidden")


def learner(work: Work) -> Population:
    """Our side, with fresh weights."""
    options = {"model.hidden": (work.hidden,), "train.lr": LR}
    wanted, objects = resolution.resolve(
        Noise(work), "naive", "mlp", options, NUM_REPLICAS, {}, None
    )
    device = torch.device("cpu")
    (chunk,) = make_chunks(wanted, objects, Path(), device, str(NUM_REPLICAS), Compiler("off"))
    population = chunk.learner()
    assert isinstance(population, Population)
    population.start()
    return population


class Loop:
    """The same by hand: one network, one pair of experiences after the other."""

    def __init__(self, population: Population, work: Work) -> None:
        population.transference(TransferenceOptions(samples=work.samples), -1)  # draws samples
        sides = population._evaluation._sides
        assert sides is not None
        self.weights = population.parameters()
        train, test = sides
        self.train = [self._read(population, r, train.ids[r]) for r in range(NUM_REPLICAS)]
        self.test = [self._read(population, r, test.ids[r]) for r in range(NUM_REPLICAS)]
        self.model = network(work.inputs, (work.hidden,), NUM_CLASSES)
        self.updated = network(work.inputs, (work.hidden,), NUM_CLASSES)

    def over_pairs(self) -> Tensor:
        """Step on i, loss on j before and after, for every pair anew."""
        return self._ratios(False)

    def over_sources(self) -> Tensor:
        """What an attentive author writes: nothing is computed twice."""
        return self._ratios(True)

    def _ratios(self, once: bool) -> Tensor:
        ratio = torch.empty(NUM_REPLICAS, NUM_EXPERIENCES, NUM_EXPERIENCES)
        for r in range(NUM_REPLICAS):
            self._load(r)
            if once:
                before = [self._loss(self.model, *self.test[r][j]) for j in range(NUM_EXPERIENCES)]
            for i in range(NUM_EXPERIENCES):
                if once:
                    self._step(*self.train[r][i])
                for j in range(NUM_EXPERIENCES):
                    if not once:
                        self._step(*self.train[r][i])
                    old = before[j] if once else self._loss(self.model, *self.test[r][j])
                    ratio[r, i, j] = self._loss(self.updated, *self.test[r][j]) / old
        return ratio

    def _load(self, replica: int) -> None:
        with torch.no_grad():
            rows = (tensor[replica] for tensor in self.weights.values())
            for p, row in zip(self.model.parameters(), rows, strict=True):
                p.copy_(row)

    def _step(self, x: Tensor, y: Tensor) -> None:
        loss = F.cross_entropy(self.model(x), y)
        grads = torch.autograd.grad(loss, list(self.model.parameters()))
        with torch.no_grad():
            pairs = zip(self.model.parameters(), self.updated.parameters(), grads, strict=True)
            for p, q, g in pairs:
                torch.sub(p, g, alpha=LR, out=q)

    @staticmethod
    def _loss(model: nn.Module, x: Tensor, y: Tensor) -> float:
        with torch.no_grad():
            return float(F.cross_entropy(model(x), y))

    @staticmethod
    def _read(population: Population, replica: int, ids_EN: Tensor) -> list[tuple[Tensor, Tensor]]:
        stream, tables = population.program.stream, population.replicas[replica].tables
        return [
            (
                stream.view.inputs(stream.pool, tables, ids),
                stream.view.labels(stream.pool, tables, ids),
            )
            for ids in ids_EN
        ]


def check(population: Population, loop: Loop, options: TransferenceOptions) -> None:
    """Both sides must do the same work."""
    ours = population.transference(options, -1).ratio
    torch.testing.assert_close(ours.float(), loop.over_pairs(), rtol=1e-5, atol=1e-5)


if __name__ == "__main__":
    main()
