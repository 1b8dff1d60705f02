"""Claims, what became of them, and how an exception of a plugin is told in one line."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

import streamsim

# frames in these places say nothing about the plugin
_OURS = (Path(streamsim.__file__).parent, Path(torch.__file__).parent)
MAX_DETAIL = 400  # characters
UNTRIED = "not tried"  # how the detail of a check begins that rests on a failed one


class Result(NamedTuple):
    """One claim about a plugin; `detail` says what is wrong with it."""

    check: str
    passed: bool
    detail: str = ""


class Check(NamedTuple):
    """A claim and how to test it: `complaint` returns what is wrong, or nothing."""

    claim: str
    complaint: Callable[[], str]
    after: tuple[str, ...] = ()  # claims without which this one says nothing


def run_checks(checks: Iterable[Check]) -> list[Result]:
    """Try every claim; one that rests on a failed claim is not tried, and has not passed.

    >>> first = Check("one is two", lambda: "they differ")
    >>> run_checks([first, Check("two is one", lambda: "", after=("one is two",))])[1].detail
    "not tried, because 'one is two' failed"
    """
    results: list[Result] = []
    with single_thread():
        for check in checks:
            failed = [r.check for r in results if not r.passed and r.check in check.after]
            unsaid = f"{UNTRIED}, because '{failed[0]}' failed" if failed else ""
            complaint = unsaid or _complaint(check)
            results.append(Result(check.claim, not complaint, complaint))
    return results


def failures(results: Iterable[Result]) -> dict[str, str]:
    """Failed claims and what is wrong, without those that were not tried because of them."""
    return {
        result.check: result.detail
        for result in results
        if not result.passed and not result.detail.startswith(UNTRIED)
    }


@contextmanager
def single_thread() -> Iterator[None]:
    """Small tensors lose time to threads, most of all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _complaint(check: Check) -> str:
    try:
        return one_line(check.complaint())
    except Exception as error:  # whatever a stranger's plugin does
        return told(error)


def told(error: Exception) -> str:
    """An exception's type, text and place in the plugin, in one line."""
    text = one_line(str(error)) or "no message"
    return f"{type(error).__name__}: {text}{_place(error)}"


def one_line(text: str) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= MAX_DETAIL else joined[: MAX_DETAIL - 3] + "..."


def _place(error: Exception) -> str:
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not any(Path(frame.filename).is_relative_to(place) for place in _OURS)
    ]
    return f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
