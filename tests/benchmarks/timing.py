"""Taking turns, medians, processes with their peak memory, and one line for every figure.

Imports nothing heavy: a process starts with the peak memory of the one that started it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from streamsim import process as own_process


class Flags(NamedTuple):
    """What every benchmark accepts."""

    quick: bool
    full: bool

    def repeats(self, usual: int) -> int:
        return max(1, usual // 3) if self.quick else usual


class Finished(NamedTuple):
    """A process that has ended well."""

    seconds: float
    peak_bytes: int  # of the process itself, without those it started


def flags() -> Flags:
    """Those given; memory is kept as under the command line, for all contestants."""
    own_process.keep_memory()
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--full", action="store_true")
    return Flags(**vars(parser.parse_args()))


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


class Turns(NamedTuple):
    """Figures of several contestants, one a turn."""

    figures: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        return statistics.median(self.figures[name])

    def ratio(self, name: str, other: str) -> float:
        """Median over turns of one figure by another of the same turn: busy moments cancel."""
        pairs = zip(self.figures[name], self.figures[other], strict=True)
        return statistics.median(a / b for a, b in pairs)


def in_turns(measures: Mapping[str, Callable[[], float]], num: int) -> Turns:
    """Measure everything once a turn, so that a busy moment of the machine hits all."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(num):
        for name, measure in measures.items():
            found[name].append(measure())
    return Turns(found)


def process(command: Sequence[str], **variables: str) -> Finished:
    """Run a command to its end; it may keep byte code, and sees the given variables."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        child = subprocess.Popen(command, env=kept | variables, stdout=said, stderr=said)
        _, status, usage = os.wait4(child.pid, 0)
        taken = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            said.seek(0)
            raise RuntimeError(f"{' '.join(command)}: {said.read().decode()[-2000:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Finished(taken, usage.ru_maxrss * unit)


def streamsim(*arguments: str) -> list[str]:
    """The command line of this environment."""
    return [str(Path(sys.executable).parent / "streamsim"), *arguments]


def line(what: str, figures: str, verdict: str = "", target: str = "") -> None:
    aim = f"  (target {target})" if target else ""
    print(f"{what:<46} {figures:<44} {verdict}{aim}", flush=True)
