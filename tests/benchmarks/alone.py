"""One replica against a plain loop, and the 50th experience against the first."""

from __future__ import annotations

import time
from collections.abc import Callable

from streamsim.compilation import Mode
from streamsim_scenarios.permuted import PermutedDigits

from . import timing
from .plain_loop import PlainLoop
from .workloads import SMALL, learner, split, train

REPEATS = 15
NUM_EXPERIENCES = 50
SEEDS = 30


def main() -> None:
    flags = timing.flags()
    print_one_replica(flags.repeats(REPEATS))
    print_long_stream(1, flags.repeats(REPEATS))
    print_long_stream(SEEDS, flags.repeats(REPEATS))


def print_one_replica(repeats: int) -> None:
    found = timing.in_turns(
        {"plain": plain(), "eager": one_replica("off"), "compiled": one_replica("on")}, repeats
    )
    for way in ("eager", "compiled"):
        timing.line(
            f"{SMALL.name}, 1 replica, {way}",
            f"{1e3 * found.median(way):.3f} ms; plain loop {1e3 * found.median('plain'):.3f} ms",
            f"{found.ratio(way, 'plain'):.2f} times the plain loop",
            "at most 1.5" if way == "eager" else "",
        )


def print_long_stream(num_replicas: int, repeats: int) -> None:
    """Two populations of the same stream take turns: one at its beginning, one at its end."""
    stream = PermutedDigits(n_experiences=NUM_EXPERIENCES)
    early, late = (learner(SMALL, stream, num_replicas, "off") for _ in range(2))
    for experience in range(NUM_EXPERIENCES - 1):
        late.begin(experience)
        late.train(experience, range(late.num_steps(experience) // SMALL.epochs))
        late.take_losses()
        late.end(experience)
    last = NUM_EXPERIENCES - 1
    for population, experience in ((early, 0), (late, last)):
        train(population, experience)
    found = timing.in_turns(
        {
            "first": measure(lambda: train(early, 0)),
            "last": measure(lambda: train(late, last)),
        },
        repeats,
    )
    timing.line(
        f"permuted digits, {num_replicas} replicas, eager",
        f"{1e3 * found.median('first'):.3f} ms at the first experience, "
        f"{1e3 * found.median('last'):.3f} at the {NUM_EXPERIENCES}th",
        f"{found.ratio('last', 'first'):.2f}",
        "0.9 to 1.1",
    )


def plain() -> Callable[[], float]:
    loop = PlainLoop(SMALL)
    loop.train(0)
    loop.train(1)
    return measure(lambda: loop.train(1))


def one_replica(mode: Mode) -> Callable[[], float]:
    population = learner(SMALL, split(SMALL.data()), 1, mode)
    train(population, 0)
    train(population, 1)
    return measure(lambda: train(population, 1))


def measure(trained: Callable[[], int]) -> Callable[[], float]:
    """Seconds a step of something that returns how many steps it made."""

    def seconds() -> float:
        start = time.perf_counter()
        steps = trained()
        return (time.perf_counter() - start) / steps

    return seconds


if __name__ == "__main__":
    main()
