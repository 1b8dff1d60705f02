"""Samples per second of drifting streams, against iterating river's generator.

A stream generates a stretch of steps at a time, eagerly, so stretches follow each other here: of
one replica with three batch sizes, and of ten replicas with the smallest one, whose samples are all
counted. Making keys and tables is not counted.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from river.datasets import synth
from river.datasets.base import SyntheticDataset
from torch import Tensor

from streamsim import registry
from streamsim.chunks import replica_key
from streamsim.population import STRETCH
from streamsim.stream import GeneratingView
from streamsim.trees import over_first_axis, stack

from . import timing

REPEATS = 9
NUM_STRETCHES = 8
RIVERS_SAMPLES = 5_000


class Way(NamedTuple):
    """How a stream is asked for samples."""

    replicas: int
    batch_size: int


WAYS = (Way(1, 256), Way(1, 64), Way(1, 10), Way(10, 10))


class Pair(NamedTuple):
    """A scenario, and the generator of river that means the same between two drifts."""

    scenario: str
    options: dict[str, Any]
    river: SyntheticDataset
    target: str = ""


PAIRS = {
    "SEA": Pair("sea-abrupt", {"noise": 0.1}, synth.SEA(noise=0.1, seed=1), "30x"),
    "SEA, gradual": Pair("sea-gradual", {"noise": 0.1}, synth.SEA(noise=0.1, seed=1), "30x"),
    "Hyperplane": Pair(
        "hyperplane-incremental",
        {"drift": "gradual", "widths": (0,)},
        synth.Hyperplane(seed=1),
        "30x",
    ),
    "Hyperplane, incremental": Pair(
        "hyperplane-incremental", {}, synth.Hyperplane(mag_change=0.001, seed=1), "30x"
    ),
    "Hyperplane, wandering": Pair(
        "hyperplane-incremental",
        {"concepts": (0,), "mag_change": 0.001},
        synth.Hyperplane(mag_change=0.001, seed=1),
        "30x",
    ),
    "LED, 7 features": Pair(
        "led-abrupt",
        {"concepts": (0, 0), "irrelevant_features": False},
        synth.LED(seed=1),
        "30x",
    ),
    "LED, 24 features, noise": Pair(
        "led-abrupt",
        {"noise": 0.1},
        synth.LED(noise_percentage=0.1, irrelevant_features=True, seed=1),
        "30x",
    ),
    "RandomRBF with drift": Pair(
        "rbf-incremental",
        {"change_speed": 0.001},
        synth.RandomRBFDrift(seed_model=1, seed_sample=1, change_speed=0.001),
        "200x",
    ),
    "Agrawal": Pair("agrawal-recurring", {}, synth.Agrawal(seed=1), "200x"),
    "RandomRBF": Pair("rbf-abrupt", {}, synth.RandomRBF(seed_model=1, seed_sample=1)),
    "Sine": Pair("sine-reversal", {}, synth.Sine(seed=1)),
    "STAGGER": Pair("stagger-abrupt", {}, synth.STAGGER(seed=1)),
    "Mixed": Pair("mixed-abrupt", {}, synth.Mixed(seed=1)),
    "Waveform": Pair("waveform-abrupt", {}, synth.Waveform(has_noise=True, seed=1)),
    "RandomTree": Pair("tree-abrupt", {}, synth.RandomTree(seed_tree=1, seed_sample=1)),
}


def main() -> None:
    flags = timing.flags()
    for name, pair in PAIRS.items():
        compare(name, pair, flags.repeats(REPEATS))


def compare(name: str, pair: Pair, repeats: int) -> None:
    """Print one scenario in every way."""
    measures = {"river": rivers(pair.river)}
    labels = {way: f"{name}, {way.replicas} x batch {way.batch_size}" for way in WAYS}
    found = timing.in_turns(
        measures | {label: ours(pair, way) for way, label in labels.items()}, repeats
    )
    for label in labels.values():
        timing.line(
            label,
            f"{1e-6 / found.median(label):.1f} M/s; river {1e-6 / found.median('river'):.3f} M/s",
            f"{found.ratio('river', label):.0f}x",
            pair.target,
        )


def rivers(dataset: SyntheticDataset) -> Callable[[], float]:
    """A measure of river's seconds per sample, once it has begun."""
    samples = iter(dataset)
    next(samples)

    def draw() -> None:
        for _ in itertools.islice(samples, RIVERS_SAMPLES):
            pass

    return lambda: timing.seconds(draw) / RIVERS_SAMPLES


def ours(pair: Pair, way: Way) -> Callable[[], float]:
    """A measure of our seconds per sample of one replica."""
    size = STRETCH * way.batch_size
    options = {"n_samples": size * NUM_STRETCHES, **pair.options}
    stream = registry.load("scenario", pair.scenario)(**options).stream(Path())
    view = stream.view
    assert isinstance(view, GeneratingView)
    tables = [stream.draw(replica_key(seed)).tables for seed in range(way.replicas)]
    stretches = list(torch.split(torch.arange(size * NUM_STRETCHES), size))

    def samples(tables: Any, ids: Tensor) -> tuple[Tensor, Tensor]:
        return view.samples(stream.pool, tables, ids)

    if way.replicas == 1:
        generate, drawn = samples, tables[0]
    else:
        generate, drawn = over_first_axis(samples), stack(tables)
        stretches = [ids.expand(way.replicas, -1).contiguous() for ids in stretches]
    generate(drawn, stretches[0])

    def draw() -> None:
        for ids in stretches:
            generate(drawn, ids)

    return lambda: timing.seconds(draw) / (size * NUM_STRETCHES * way.replicas)


if __name__ == "__main__":
    main()
