"""The work that is timed: data, model, batch and memory, equal for both sides."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from streamsim import resolution
from streamsim.chunks import make_chunks
from streamsim.compilation import Compiler, Mode
from streamsim.data import LabelledData, data_root, load
from streamsim.drive import stretches
from streamsim.learner import Learner
from streamsim.stream import Scenario
from streamsim_scenarios.split import Split

NUM_EXPERIENCES = 5
LR = 0.01


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Replay on a data set split in five; a step trains on as many old samples as new ones."""

    name: str
    data: Callable[[], LabelledData]
    hidden: tuple[int, ...]
    batch_size: int
    memory_size: int  # a multiple of the batch, so that Avalanche's memory batches are full too
    num_replicas: int
    epochs: int = 1
    target: str = ""


def digits() -> LabelledData:
    return load("digits", data_root())


def mnist() -> LabelledData:
    """MNIST, or noise of its shape where the data are absent: time does not depend on values."""
    try:
        return load("mnist", data_root())
    except ValueError:
        drawn = torch.Generator().manual_seed(0)
        sizes = {"train": 60_000, "test": 10_000}
        x = {k: torch.rand(n, 1, 28, 28, generator=drawn) for k, n in sizes.items()}
        y = {k: torch.arange(n) % 10 for k, n in sizes.items()}
        return LabelledData(
            name="noise",
            x_train=x["train"],
            y_train=y["train"],
            x_test=x["test"],
            y_test=y["test"],
            num_classes=10,
        )


SMALL = Workload(
    name="S: 64-100-100-10, 10 + 10",
    data=digits,
    hidden=(100, 100),
    batch_size=10,
    memory_size=200,
    num_replicas=30,
    epochs=10,
    target="25x",
)
MEDIUM = Workload(
    name="M: 784-256-10, 32 + 32",
    data=mnist,
    hidden=(256,),
    batch_size=32,
    memory_size=960,
    num_replicas=10,
    target="5x",
)
LARGE = Workload(
    name="L: 784-400-400-10, 128 + 128",
    data=mnist,
    hidden=(400, 400),
    batch_size=128,
    memory_size=2560,
    num_replicas=10,
    target="2x",
)


def network(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    """The others' network, of the same layers as ours."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise([inputs, *hidden]):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear([inputs, *hidden][-1], outputs))


def split(data: LabelledData) -> Scenario:
    return Split(n_experiences=NUM_EXPERIENCES).on(data)


def learner(work: Workload, scenario: Scenario, num_replicas: int, mode: Mode) -> Learner:
    """Our side: a population that has not been trained yet."""
    options = {
        "strategy.memory_size": work.memory_size,
        "model.hidden": work.hidden,
        "train.batch_size": work.batch_size,
        "train.epochs": work.epochs,
        "train.lr": LR,
    }
    wanted, objects = resolution.resolve(scenario, "replay", "mlp", options, num_replicas, {}, None)
    chunks = make_chunks(wanted, objects, data_root(), torch.device("cpu"), "auto", Compiler(mode))
    population = chunks[0].learner()
    population.start()
    return population


def train(population: Learner, experience: int) -> int:
    """Train on an experience as the simulator does, without evaluation; returns the steps made."""
    total = population.num_steps(experience)
    population.begin(experience)
    for stretch in stretches(0, total, None):
        population.train(experience, stretch)
        population.take_losses()
    population.end(experience)
    return total
