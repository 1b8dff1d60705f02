"""What drift detectors are worth: how well they find drifts, and what that changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from streamsim_reports.cohort import Arm
from streamsim_reports.page.model import Cell, Column, Table
from streamsim_reports.page.scores import Results
from streamsim_reports.page.text import NOTHING, number, plus_minus, printable

if TYPE_CHECKING:
    import pandas as pd

ACCURACY = "prequential_accuracy"
TELLING = ("trigger", "detector", "signal", "direction", "period")  # what says when to react
COLUMNS = (
    Column("Strategy"),
    Column("Told by"),
    Column("Drifts found", numeric=True),
    Column("False alarms", numeric=True),
    Column("Delay in samples", numeric=True),
    Column("Prequential accuracy", numeric=True),
    Column("More than if never told", numeric=True),
)


def detectors(results: Results, prefix: str) -> list[Table]:
    """One table, if any arm watched for drift on a stream where it was judged while learning."""
    rows = [row for arm in results.cohort.arms for row in _rows(results, arm)]
    if not rows:
        return []
    caption = (
        "What detectors are worth: alarms against true drifts, and accuracy against the same "
        "strategy with trigger=never; means over seeds"
    )
    return [Table(f"{prefix}-detectors", caption, COLUMNS, rows)]


def _rows(results: Results, arm: Arm) -> list[list[Cell]]:
    """A row for each watching part."""
    try:
        scores = arm.run.detection()
    except ValueError:  # nothing watched, or nothing was judged while learning
        return []
    accuracy = results.scores[arm.label, ACCURACY]
    worth = _worth(results, arm)
    parts = arm.strategy.split("+")
    return [
        [
            Cell(arm.label),
            Cell(printable(arm.options.get(f"strategy.{parts[int(str(watcher))]}.trigger", ""))),
            *_found(own),
            Cell(plus_minus(accuracy.mean, accuracy.half), accuracy.mean),
            Cell(number(worth), worth if worth == worth else None),
        ]
        for watcher, own in scores[scores["setting"] == arm.setting].groupby("watcher")
    ]


def _found(scores: pd.DataFrame) -> list[Cell]:
    drifts, detected, false, delay = (
        float(scores[name].mean()) for name in ("drifts", "detected", "false_alarms", "delay")
    )
    return [
        Cell(f"{detected:.3g} of {drifts:.3g}", detected),
        Cell(f"{false:.3g}", false),
        Cell(f"{delay:.0f}" if delay == delay else NOTHING, delay if delay == delay else None),
    ]


def _worth(results: Results, arm: Arm) -> float:
    """Accuracy above that of the same strategy that is never told; NaN where it is not known."""
    for other in results.cohort.arms:
        triggers = {v for k, v in other.options.items() if _tells(k) and k.endswith(".trigger")}
        if triggers == {"never"} and _rest(other) == _rest(arm):
            return (
                results.scores[arm.label, ACCURACY].mean
                - results.scores[other.label, ACCURACY].mean
            )
    return float("nan")


def _rest(arm: Arm) -> tuple[str, Mapping[str, object]]:
    """Everything but who tells of drift."""
    return arm.strategy, {k: v for k, v in arm.options.items() if not _tells(k)}


def _tells(option: str) -> bool:
    return option.startswith("strategy.on-drift:") and option.rpartition(".")[2] in TELLING
