"""Time of one replica-step, training only, ours against Avalanche's Replay.

Both train on the second of five experiences, where replay has begun, and the time counts
everything that training brings with it: loaders and memory updates there, plans here.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import torch

from . import timing
from .avalanche_replay import AvalancheReplay
from .workloads import LARGE, MEDIUM, SMALL, Workload, learner, split, train

REPEATS = 9


def main() -> None:
    flags = timing.flags()
    for work in (SMALL, MEDIUM, LARGE):
        compare(work, flags.repeats(REPEATS))


def compare(work: Workload, repeats: int) -> None:
    """Print one workload, eager and compiled."""
    theirs = AvalancheReplay(work)
    rows = theirs.largest_batch()
    assert rows == 2 * work.batch_size, f"Avalanche trains on {rows} samples a step"
    found = timing.in_turns(
        {
            "theirs": theirs.seconds_a_step,
            "eager": seconds_a_step(work, compiled=False),
            "compiled": seconds_a_step(work, compiled=True),
        },
        repeats,
    )
    for way in ("eager", "compiled"):
        timing.line(
            f"{work.name}, {work.num_replicas} replicas, {way}",
            f"{1e3 * found.median(way):.4f} ms; Avalanche {1e3 * found.median('theirs'):.3f} ms",
            f"{found.ratio('theirs', way):.1f}x",
            work.target if way == "compiled" else "",
        )
    if work is LARGE:
        print_rate(work, min(found.median("eager"), found.median("compiled")), repeats)


def seconds_a_step(work: Workload, compiled: bool) -> Callable[[], float]:
    """A measure of seconds per replica and step; what comes before the steady state is done."""
    population = learner(work, split(work.data()), work.num_replicas, "on" if compiled else "off")
    train(population, 0)
    train(population, 1)

    def measure() -> float:
        start = time.perf_counter()
        steps = train(population, 1)
        return (time.perf_counter() - start) / (steps * work.num_replicas)

    return measure


def print_rate(work: Workload, seconds: float, repeats: int) -> None:
    """The share of the machine's best rate at the same matrix products that our step reaches."""
    flops, best = matrix_products(work, repeats)
    ours, machine = flops / seconds, flops / best
    timing.line(
        f"{work.name}, matrix products",
        f"{ours / 1e9:.0f} of {machine / 1e9:.0f} GFLOP/s",
        f"{ours / machine:.0%}",
        "75 %",
    )


def matrix_products(work: Workload, repeats: int) -> tuple[float, float]:
    """Operations of one replica-step, and the least seconds they take, batched or one by one."""
    inputs = work.data().x_train[0].numel()
    widths = [inputs, *work.hidden, 10]
    rows, replicas = 2 * work.batch_size, work.num_replicas
    flops, best = 0.0, 0.0
    for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
        products = [(rows, fan_in, fan_out), (fan_in, rows, fan_out), (rows, fan_out, fan_in)]
        # nobody needs the gradient of the data
        for shape in products[: 2 if layer == 0 else 3]:
            flops += 2.0 * rows * fan_in * fan_out
            best += fastest(shape, replicas, repeats) / replicas
    return flops, best


def fastest(shape: tuple[int, int, int], replicas: int, repeats: int) -> float:
    """Least seconds of `replicas` products of [n, k] and [k, m]."""
    n, k, m = shape
    a, b = torch.randn(replicas, n, k), torch.randn(replicas, k, m)
    ways: list[Callable[[], object]] = [
        lambda: torch.bmm(a, b),
        lambda: [torch.mm(one, other) for one, other in zip(a, b, strict=True)],
    ]
    return min(timing.seconds(way) for _ in range(3 + 5 * repeats) for way in ways)


if __name__ == "__main__":
    main()
