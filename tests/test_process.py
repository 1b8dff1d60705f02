"""Settings of a process of our own, seen from another one."""

from __future__ import annotations

import subprocess
import sys

import pytest

PAGES = """
import resource
import sys
from streamsim import process
if sys.argv[1] == "settled":
    process.settle()
for _ in range(20):
    bytes(3_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
blocks = [bytearray(b"x") * 20_000_000 for _ in range(3)]
del blocks
for _ in range(20):
    blocks = [bytearray(b"x") * 20_000_000 for _ in range(3)]
    del blocks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _pages(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", PAGES, how], capture_output=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's own settings")
def test_freed_memory_is_used_again_rather_than_fetched_anew() -> None:
    assert _pages("settled") < _pages("as it is") / 4


def test_what_the_user_says_of_threads_stands() -> None:
    code = "import os; from streamsim import process; process.settle(); print(os.environ['{0}'])"
    for given, expected in (({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7")):
        done = subprocess.run(
            [sys.executable, "-c", code.format("GOMP_SPINCOUNT")],
            env={"PATH": "", **given},
            capture_output=True,
            check=True,
        )
        assert done.stdout.decode().strip() == expected


def test_all_objects_are_hardly_ever_searched_for_garbage() -> None:
    code = """
import gc, sys
from streamsim import process
if sys.argv[1] == "settled":
    process.settle()
before = gc.get_stats()[2]["collections"]
kept = [[] for _ in range(1_000_000)]
print(gc.get_stats()[2]["collections"] - before)
"""
    found = [
        int(
            subprocess.run(
                [sys.executable, "-c", code, how], capture_output=True, check=True
            ).stdout
        )
        for how in ("as it is", "settled")
    ]
    assert found[0] > 0
    assert found[1] == 0
