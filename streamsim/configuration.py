"""What a run is: names, options, seeds and sweeps, as plain data (it is what run.json holds)."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import index
from typing import Any

MAX_SEED = 2**62
MOST_SEEDS = 1_000_000  # every one has rows in memory and in tables


@dataclass(frozen=True)
class Configuration:
    """Everything that decides a run's results; plain data."""

    scenario: str
    strategy: str
    model: str
    options: Mapping[str, Any]  # "section.option" or "strategy.part.option" to its value
    seeds: tuple[int, ...]
    sweep: Mapping[str, tuple[Any, ...]]  # the same names, to the values to try
    eval_every: int | None

    def identity(self) -> str:
        """A short name of the configuration: equal exactly where all of it is equal."""
        # the order of swept options numbers the settings, so it counts
        plain = {**asdict(self), "sweep": list(self.sweep.items())}
        text = json.dumps(plain, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def settings(self) -> list[dict[str, Any]]:
        """The grid of swept values, the last option running fastest; one empty setting if none."""
        return [
            dict(zip(self.sweep, values, strict=True))
            for values in itertools.product(*self.sweep.values())
        ]


def parse_seeds(seeds: int | Sequence[int] | str) -> tuple[int, ...]:
    """A number of seeds (0, 1, ...), or the seeds themselves.

    >>> parse_seeds("3"), parse_seeds("7,"), parse_seeds([7, 11])
    ((0, 1, 2), (7,), (7, 11))
    """
    if isinstance(seeds, str):
        try:
            # a comma at the end makes a list of a single seed
            given = seeds.strip().removesuffix(",")
            listed = [int(part) for part in given.split(",")] if given else []
        except ValueError:
            raise ValueError(
                f"--seeds {seeds}: give a number of seeds, as in 30, or the seeds, as in 7,11,13"
            ) from None
        seeds = listed if "," in seeds or not listed else listed[0]
    if isinstance(seeds, int):
        if seeds < 1:
            raise ValueError(f"{seeds} seeds: at least 1 is needed")
        _check_number(seeds)
        return tuple(range(seeds))
    try:
        chosen = tuple(map(index, seeds))
    except TypeError:
        raise ValueError(
            f"seeds={seeds}: give a number of seeds, or a list of whole numbers"
        ) from None
    if not chosen:
        raise ValueError("no seeds: give a number of seeds, as in 30, or a list, as in 7,11,13")
    _check_number(len(chosen))
    twice = [seed for seed, count in Counter(chosen).items() if count > 1]
    if twice:
        raise ValueError(f"seed {min(twice)} is given twice; every seed can run once")
    outside = [seed for seed in chosen if not 0 <= seed < MAX_SEED]
    if outside:
        raise ValueError(f"seed {outside[0]}: seeds run from 0 to {MAX_SEED - 1}")
    return chosen


def _check_number(num_seeds: int) -> None:
    if num_seeds > MOST_SEEDS:
        raise ValueError(
            f"{num_seeds} seeds: a run takes {MOST_SEEDS} at most; share them out among several"
        )
