"""Samples per second of one replica's concept, against iterating river's generator.

Chunks follow each other as in a stream; a chunk costs the same wherever it lies. Making keys and
tables is not counted, nor is compilation.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from river.datasets import synth
from river.datasets.base import SyntheticDataset

from streamsim import draws
from streamsim_scenarios.concepts import CONCEPTS, Samples

from . import timing

REPEATS = 9
CHUNK = 16_384
NUM_CHUNKS = 8
RIVERS_SAMPLES = 5_000


class Pair(NamedTuple):
    """A concept, and the generator of river that means the same."""

    name: str
    options: dict[str, Any]
    river: SyntheticDataset
    target: str = ""


PAIRS = {
    "SEA": Pair("sea", {"noise": 0.1}, synth.SEA(noise=0.1, seed=1), "30x"),
    "Hyperplane": Pair("hyperplane", {}, synth.Hyperplane(seed=1), "30x"),
    "Hyperplane with drift": Pair(
        "hyperplane",
        {"mag_change": 0.001},
        synth.Hyperplane(mag_change=0.001, seed=1),
        "30x",
    ),
    "LED, 7 features": Pair("led", {"irrelevant_features": False}, synth.LED(seed=1), "30x"),
    "LED, 24 features, noise": Pair(
        "led",
        {"noise": 0.1},
        synth.LED(noise_percentage=0.1, irrelevant_features=True, seed=1),
        "30x",
    ),
    "RandomRBF with drift": Pair(
        "rbf",
        {"change_speed": 0.001},
        synth.RandomRBFDrift(seed_model=1, seed_sample=1, change_speed=0.001),
        "200x",
    ),
    "Agrawal": Pair("agrawal", {}, synth.Agrawal(seed=1), "200x"),
    "Sine": Pair("sine", {}, synth.Sine(seed=1)),
    "STAGGER": Pair("stagger", {}, synth.STAGGER(seed=1)),
    "Mixed": Pair("mixed", {}, synth.Mixed(seed=1)),
    "Waveform": Pair("waveform", {}, synth.Waveform(has_noise=True, seed=1)),
    "RandomTree": Pair("random-tree", {}, synth.RandomTree(seed_tree=1, seed_sample=1)),
}


def main() -> None:
    flags = timing.flags()
    for name, pair in PAIRS.items():
        compare(name, pair, flags.repeats(REPEATS))


def compare(name: str, pair: Pair, repeats: int) -> None:
    """Print one concept, eager and compiled."""
    torch.compiler.reset()
    found = timing.in_turns(
        {
            "river": rivers(pair.river),
            "eager": ours(pair, compiled=False),
            "compiled": ours(pair, compiled=True),
        },
        repeats,
    )
    for way in ("eager", "compiled"):
        timing.line(
            f"{name}, {way}",
            f"{1e-6 / found.median(way):.1f} M/s; river {1e-6 / found.median('river'):.3f} M/s",
            f"{found.ratio('river', way):.0f}x",
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


def ours(pair: Pair, compiled: bool) -> Callable[[], float]:
    """A measure of our seconds per sample."""
    concept, key = CONCEPTS[pair.name](**pair.options), draws.fold(torch.tensor(7), "bench")
    state = concept.prepare(key, 0)

    def generate(index: torch.Tensor) -> Samples:
        return concept.generate(state, key, index, index)

    program = torch.compile(generate, fullgraph=True) if compiled else generate
    chunks = [torch.arange(CHUNK) + i * CHUNK for i in range(NUM_CHUNKS)]
    program(chunks[0])

    def draw() -> None:
        for chunk in chunks:
            program(chunk)

    return lambda: timing.seconds(draw) / (CHUNK * NUM_CHUNKS)


if __name__ == "__main__":
    main()
