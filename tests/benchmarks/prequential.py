"""Predict, then learn: many replicas on SEA against a plain loop for one; what judging costs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)

from streamsim import configuration
from streamsim.chunks import make_chunks
from streamsim.compilation import Compiler, Mode
from streamsim.drive import stretches
from streamsim.learner import Learner
from streamsim.prequential import PrequentialOptions
from streamsim.recorder import Judging, Recorder
from streamsim.stream import GeneratingView
from streamsim_scenarios.drift import SeaAbrupt

from . import timing
from .workloads import LR, network

REPEATS = 5
NUM_SAMPLES = 20_000
REPLICAS = 30
HIDDEN = (32,)
TARGETS = {1: "10x", 16: "15x"}
LONG = 1_000_000


def main() -> None:
    flags = timing.flags()
    repeats, num_samples = flags.repeats(REPEATS), NUM_SAMPLES // (4 if flags.quick else 1)
    for batch_size, target in TARGETS.items():
        print_batch(batch_size, target, num_samples, repeats)
    print_long(LONG // (10 if flags.quick else 1))


def print_batch(batch_size: int, target: str, num_samples: int, repeats: int) -> None:
    found = timing.in_turns(
        {
            "plain": plain(batch_size, num_samples),
            "eager": population(batch_size, num_samples, "off", judged=True),
            "compiled": population(batch_size, num_samples, "on", judged=True),
            "unjudged": population(batch_size, num_samples, "on", judged=False),
        },
        repeats,
    )
    name = f"SEA, 3-32-2, batch {batch_size}, {REPLICAS} replicas"
    for way in ("eager", "compiled"):
        timing.line(
            f"{name}, {way}",
            f"{1e-3 / found.median(way):.0f}; plain loop {1e-3 / found.median('plain'):.1f} "
            "thousand samples a second",
            f"{found.ratio('plain', way):.1f}x",
            target if way == "compiled" else "",
        )
    cost = found.ratio("compiled", "unjudged")
    timing.line(f"{name}, metrics", "on against off", f"{cost:.2f}", "at most 1.15")


def plain(batch_size: int, num_samples: int) -> Callable[[], float]:
    """Seconds a sample of one learner that predicts and learns, with torch.optim."""
    stream = SeaAbrupt(n_samples=num_samples).stream(Path())
    view, tables = stream.view, stream.draw(torch.tensor(0)).tables
    assert isinstance(view, GeneratingView)
    x, y = view.samples(stream.pool, tables, torch.arange(num_samples))
    model = network(3, HIDDEN, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)

    def seconds() -> float:
        hits = torch.zeros((), dtype=torch.int64)
        start = time.perf_counter()
        for x_B, y_B in zip(torch.split(x, batch_size), torch.split(y, batch_size), strict=True):
            logits = model(x_B)
            hits += (logits.argmax(-1) == y_B).sum()
            optimizer.zero_grad()
            F.cross_entropy(logits, y_B).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return (time.perf_counter() - start) / num_samples

    return seconds


def population(batch_size: int, num_samples: int, mode: Mode, judged: bool) -> Callable[[], float]:
    """Seconds a sample, replicas counted; compilation is over before the first turn."""
    made = learner(batch_size, num_samples, mode, judged)
    run(made, judged)
    return lambda: run(made, judged) / (num_samples * REPLICAS)


def learner(
    batch_size: int, num_samples: int, mode: Mode, judged: bool, num_replicas: int = REPLICAS
) -> Learner:
    options = {
        "model.hidden": HIDDEN,
        "train.batch_size": batch_size,
        "train.lr": LR,
    }
    scenario = SeaAbrupt(n_samples=num_samples)
    wanted, objects = configuration.resolve(
        scenario, "naive", "mlp", options, num_replicas, {}, None, prequential=judged
    )
    (chunk,) = make_chunks(
        wanted, objects, Path(), torch.device("cpu"), str(num_replicas), Compiler(mode)
    )
    made = chunk.learner()
    made.start()
    return made


def run(learner: Learner, judged: bool) -> float:
    """Seconds of the whole stream, as the simulator drives it."""
    recorder, replicas = Recorder(), [(0, seed) for seed in range(learner.size)]
    recorder.begin_chunk(learner.size)
    recorder.judging = Judging(replicas, PrequentialOptions(), SeaAbrupt().stream(Path()).spec)
    start = time.perf_counter()
    for experience in range(4):
        for stretch in stretches(0, learner.num_steps(experience), None):
            learner.train(experience, stretch)
            recorder.training(experience, stretch, learner.take_losses())
            if judged:
                recorder.prequential(learner.take_judged())
    if judged:
        recorder.end_prequential()
    return time.perf_counter() - start


def print_long(num_samples: int) -> None:
    """The whole command on a long stream: memory, and time as the stream goes on."""
    command = timing.streamsim(
        *("run", "sea-abrupt", "naive", "--seeds", "10", "--set", "train.batch_size=32"),
        *("--set", f"scenario.n_samples={num_samples}", "--set", "model.hidden=32"),
        *("--set", "prequential.block=1000", "--out"),
    )
    with tempfile.TemporaryDirectory() as scratch:
        finished = timing.process([*command, str(Path(scratch) / "run")])
    name = f"{num_samples:,} samples, 10 replicas, batch 32"
    timing.line(f"{name}, peak memory", f"{finished.peak_bytes / 1e9:.2f} GB", target="2 GB")
    made = learner(32, num_samples, "off", judged=True, num_replicas=10)
    first, *_, last = [_chunk_seconds(made, experience) for experience in range(4)]
    timing.line(f"{name}, time per step", "last experience against first", f"{last / first:.2f}")


def _chunk_seconds(made: Learner, experience: int) -> float:
    """Seconds a step at the beginning of an experience."""
    steps = range(min(1024, made.num_steps(experience)))
    start = time.perf_counter()
    for stretch in stretches(0, steps.stop, None):
        made.train(experience, stretch)
        made.take_losses()
        made.take_judged()
    return (time.perf_counter() - start) / len(steps)


if __name__ == "__main__":
    main()
