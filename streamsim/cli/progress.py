"""Progress on standard error: a bar on a terminal, now and then a line elsewhere; and Ctrl-C."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import typer

if TYPE_CHECKING:
    from streamsim.drive import Progress

PLAIN_SECONDS = 10.0  # between plain lines


class Reporter(Protocol):
    def __call__(self, progress: Progress) -> None: ...


class NoProgress:
    """Reports nothing; leaving by Ctrl-C still says how to go on."""

    def __enter__(self) -> Reporter | None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        if isinstance(error, KeyboardInterrupt):
            typer.echo(_farewell(error), err=True)
            raise typer.Exit(130)

    def close(self) -> None:
        """Take away what is on the screen, before anything else is said."""


def _farewell(error: KeyboardInterrupt) -> str:
    path = error.args[0] if error.args else ""
    return f"interrupted; go on with: streamsim resume {path}" if path else "interrupted"


class PlainProgress(NoProgress):
    """A line when an experience begins, and every ten seconds."""

    def __init__(self) -> None:
        self.last, self.experience = time.monotonic(), -1

    def __enter__(self) -> Reporter:
        return self.report

    def report(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self.last >= PLAIN_SECONDS or progress.done == progress.total:
            self.last = now
            typer.echo(line(progress), err=True)


class TerminalProgress(NoProgress):
    """A bar with rate and time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%  {task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self.task: Any = None

    def __enter__(self) -> Reporter:
        self.bar.start()
        self.task = self.bar.add_task("starting", total=None, rate="")
        return self.report

    def report(self, progress: Progress) -> None:
        self.bar.update(
            self.task,
            total=progress.total,
            completed=progress.done,
            description=f"experience {progress.experience + 1}/{progress.num_experiences}",
            rate=f"{rate(progress):,.0f} replica-steps/s",
        )

    def close(self) -> None:
        self.bar.stop()


def rate(progress: Progress) -> float:
    """Replica-steps per second since the start."""
    return progress.done * progress.replicas / max(progress.seconds, 1e-9)


def line(progress: Progress) -> str:
    """One plain line: how far, how fast, how long still."""
    left = progress.seconds * (progress.total - progress.done) / max(progress.done, 1)
    return (
        f"experience {progress.experience + 1}/{progress.num_experiences}, "
        f"step {progress.done:,}/{progress.total:,}, {rate(progress):,.0f} replica-steps/s, "
        f"{left:.0f} s left"
    )
