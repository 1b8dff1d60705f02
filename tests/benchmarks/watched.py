"""Detectors in the loop: a watched run against the same run unwatched, and the whole command.

Batch 10 is what a run has by default; with single samples, reading weighs most.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from streamsim import resolution
from streamsim.chunks import make_chunks
from streamsim.compilation import Compiler
from streamsim.drive import stretches
from streamsim.learner import Learner

from . import timing

REPEATS = 5
REPLICAS = 30
NUM_SAMPLES = {10: 10_000, 1: 2_000}  # by batch size
WAYS = {"unwatched": "naive", "adwin": "naive+on-drift:watch", "loss": "naive+on-drift:watch"}


def main() -> None:
    flags = timing.flags()
    for batch_size, num_samples in NUM_SAMPLES.items():
        learners = {way: learner(way, batch_size, num_samples) for way in WAYS}
        for made in learners.values():
            seconds(made)
        found = timing.in_turns(
            {way: lambda made=made: seconds(made) for way, made in learners.items()},  # type: ignore[misc]
            flags.repeats(REPEATS),
        )
        steps = num_samples // batch_size
        for way in ("adwin", "loss"):
            timing.line(
                f"sea-abrupt, batch {batch_size}, {REPLICAS} replicas, {way}",
                f"{1e3 * found.median(way) / steps:.2f} ms a step, "
                f"{1e3 * found.median('unwatched') / steps:.2f} unwatched",
                f"{found.ratio(way, 'unwatched'):.2f}",
            )
    print_command(flags.repeats(3))


def learner(way: str, batch_size: int, num_samples: int) -> Learner:
    """A population whose detectors read errors, or losses, and change nothing."""
    options: dict[str, object] = {
        "scenario.n_samples": num_samples,
        "train.batch_size": batch_size,
    }
    if way == "loss":
        options["strategy.on-drift:watch.signal"] = "loss"
    wanted, objects = resolution.resolve(
        "sea-abrupt", WAYS[way], "mlp", options, REPLICAS, {}, None, prequential=True
    )
    (chunk,) = make_chunks(
        wanted, objects, Path(), torch.device("cpu"), str(REPLICAS), Compiler("off")
    )
    made = chunk.learner()
    made.start()
    return made


def seconds(made: Learner) -> float:
    def whole() -> None:
        for experience in range(4):
            for stretch in stretches(0, made.num_steps(experience), None):
                made.train(experience, stretch)
                made.take_losses()
                made.take_judged()

    return timing.seconds(whole)


def print_command(repeats: int) -> None:
    """The command line, imports and figures of the table included."""

    def command(strategy: str) -> float:
        with tempfile.TemporaryDirectory() as scratch:
            given = ["run", "sea-abrupt", strategy, "--seeds", str(REPLICAS), "--out"]
            return timing.process(timing.streamsim(*given, str(Path(scratch) / "run"))).seconds

    ways = {"watched": "naive+on-drift:reset", "unwatched": "naive"}
    found = timing.in_turns(
        {way: lambda strategy=strategy: command(strategy) for way, strategy in ways.items()},  # type: ignore[misc]
        repeats,
    )
    timing.line(
        "streamsim run sea-abrupt naive+on-drift:reset",
        f"{found.median('watched'):.1f} s; naive {found.median('unwatched'):.1f} s",
        f"{found.ratio('watched', 'unwatched'):.2f}",
        "well under a minute",
    )


if __name__ == "__main__":
    main()
