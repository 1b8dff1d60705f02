"""Whole commands, imports and compilation included: many seeds of replay on split digits.

Avalanche's hundred seeds take minutes, so unless --full is given they are extrapolated from a few:
start-up plus a time for each seed. Caches of compiled steps: empty ones first, then kept ones.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import timing
from .timing import Finished

FEW, SOME = 2, 6  # seeds of Avalanche that are measured
REPEATS = 3


@dataclass(frozen=True)
class Size:
    """One command line to compare."""

    seeds: int
    epochs: int
    target: str
    long: bool = False  # Avalanche takes minutes

    @property
    def name(self) -> str:
        return f"{self.seeds} seeds x {self.epochs} epochs"


SIZES = (Size(100, 10, "10x", long=True), Size(30, 1, "3.5x"))


def main() -> None:
    flags = timing.flags()
    with tempfile.TemporaryDirectory() as scratch:
        for size in SIZES:
            compare(size, Path(scratch), flags.repeats(REPEATS), flags.full)
        peak = Ours(SIZES[-1], Path(scratch)).with_kept_caches().peak_bytes
        timing.line(f"{SIZES[-1].name}, peak memory", f"{peak / 1e9:.2f} GB", target="1.5 GB")


def compare(size: Size, scratch: Path, repeats: int, full: bool) -> None:
    """Print one size: ours with empty and with kept caches, and Avalanche's."""
    counts = (FEW, SOME) if size.long and not full else (size.seeds,)
    ours, theirs = Ours(size, scratch), {count: Avalanche(size, count) for count in counts}
    measures: dict[str, Callable[[], float]] = {
        "empty": lambda: ours.with_empty_caches().seconds,
        "kept": lambda: ours.with_kept_caches().seconds,
    }
    measures |= {str(count): avalanche.seconds for count, avalanche in theirs.items()}
    found = timing.in_turns(measures, repeats)
    total, said = found.median(str(counts[-1])), "measured"
    if len(counts) > 1:
        few, some = found.median(str(FEW)), found.median(str(SOME))
        each = (some - few) / (SOME - FEW)
        total = few + each * (size.seeds - FEW)
        said = f"extrapolated from {FEW} and {SOME} seeds at {each:.2f} s a seed"
    print(f"{size.name}: Avalanche takes {total:.1f} s, {said}")
    for caches in ("empty", "kept"):
        timing.line(
            f"{size.name}, {caches} caches",
            f"{found.median(caches):.2f} s; Avalanche {total:.1f} s",
            f"{total / found.median(caches):.1f}x",
            size.target,
        )


class Ours:
    """`streamsim run`, into a fresh folder each time."""

    def __init__(self, size: Size, scratch: Path) -> None:
        self.size, self.scratch = size, scratch

    def with_empty_caches(self) -> Finished:
        with tempfile.TemporaryDirectory(dir=self.scratch) as caches:
            return self._run(Path(caches))

    def with_kept_caches(self) -> Finished:
        """With caches that at least one run has filled."""
        caches = self.scratch / f"caches-{self.size.seeds}"
        if not caches.exists():
            self._run(caches)
        return self._run(caches)

    def _run(self, caches: Path) -> Finished:
        with tempfile.TemporaryDirectory(dir=self.scratch) as out:
            command = timing.streamsim(
                *("run", "split-digits", "replay", "--seeds", str(self.size.seeds)),
                *("--set", f"train.epochs={self.size.epochs}", "--out", str(Path(out) / "run")),
            )
            variables = {
                "XDG_CACHE_HOME": str(caches / "user"),
                "TORCHINDUCTOR_CACHE_DIR": str(caches / "torch"),
            }
            return timing.process(command, **variables)


class Avalanche:
    """One process that runs `count` seeds one after another."""

    def __init__(self, size: Size, count: int) -> None:
        module = f"{__package__}.avalanche_replay"
        options = ["--seeds", str(count), "--epochs", str(size.epochs)]
        self.command = [sys.executable, "-m", module, *options]

    def seconds(self) -> float:
        return timing.process(self.command).seconds


if __name__ == "__main__":
    main()
