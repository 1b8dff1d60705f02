"""Run the benchmarks: all of them, or those named; each in a process of its own.

    python tests/benchmarks/run.py [NAME ...] [--quick] [--full]

Figures are medians of runs that alternate with what they are compared to.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

BENCHMARKS = {
    "step": "one replica-step, training only, against Avalanche's Replay",
    "command": "the whole command, against one process of Avalanche; peak memory",
    "alone": "one replica against a plain loop, and long streams",
    "transference": "every pair of experiences, against the plain loop over pairs",
    "startup": "streamsim --help",
    "prequential": "predict, then learn, against a plain loop; long streams",
    "watched": "detectors in the loop, against the same run without them",
    "generators": "samples per second of drifting streams, against river's generators",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Side-by-side timings, printed as ratios.")
    parser.add_argument("names", nargs="*", help=f"{', '.join(BENCHMARKS)}; all if none is named")
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    parser.add_argument("--full", action="store_true", help="command: nothing extrapolated")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown benchmark '{unknown[0]}'; choose from {', '.join(BENCHMARKS)}")
    flags = [*(["--quick"] if given.quick else []), *(["--full"] if given.full else [])]
    folder = Path(__file__).resolve().parent
    codes = []
    for name in given.names or BENCHMARKS:
        print(f"\n== {name}: {BENCHMARKS[name]}", flush=True)
        # a package from its parent folder: Avalanche installs a top-level package named tests
        command = [sys.executable, "-m", f"{folder.name}.{name}", *flags]
        codes.append(subprocess.run(command, cwd=folder.parent, check=False).returncode)
    sys.exit(max(codes))


if __name__ == "__main__":
    main()
