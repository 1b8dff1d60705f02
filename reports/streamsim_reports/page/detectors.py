"""What drift detectors are worth: how well they find drifts, and what that changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamsim_reports.cohort import Arm
from streamsim_reports.page.model import Cell, Column, Table
from streamsim_reports.page.scores import UNSURE, WHILE_LEARNING, Results
from streamsim_reports.page.text import NOTHING, number, p_value, plus_minus, printable
from streamsim_reports.statistics import PairedTest, holm, paired_test

if TYPE_CHECKING:
    import pandas as pd

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


@dataclass(frozen=True)
class Worth:
    """Accuracy of an arm less that of the same strategy that is never told, seed by seed."""

    never: str  # the label of that one
    test: PairedTest
    corrected: float  # p after correction for the number of these tests

    @property
    def sure(self) -> bool:
        return self.corrected < UNSURE


def detectors(results: Results, prefix: str) -> list[Table]:
    """One table, if any arm watched for drift on a stream where it was judged while learning."""
    found = worth(results)
    rows = [row for arm in results.cohort.arms for row in _rows(results, arm, found)]
    if not rows:
        return []
    caption = (
        "What detectors are worth: alarms against true drifts, means over seeds, and accuracy "
        "against the same strategy with trigger=never, paired over common seeds"
    )
    return [Table(f"{prefix}-detectors", caption, COLUMNS, rows)]


def sentences(results: Results) -> Iterator[str]:
    """What being told of drift changes, arm by arm."""
    for label, own in worth(results).items():
        gap, p = own.test.difference, p_value(own.corrected)
        if own.sure:
            verb = "gains" if gap > 0 else "loses"
            away = plus_minus(abs(gap), own.test.half_width)
            yield f"{label} {verb} {away} over {own.never} ({p}, corrected)."
        elif own.corrected == own.corrected:
            away = plus_minus(gap, own.test.half_width)
            yield f"{label} cannot be told apart from {own.never}: {away} ({p}, corrected)."


def worth(results: Results) -> dict[str, Worth]:
    """By label, of arms that are told of drift and have a twin that never is."""
    twins = {
        arm.label: twin.label
        for arm in results.cohort.arms
        if (twin := _never_told(results, arm)) is not None and twin is not arm
    }
    tests = {label: _paired(results, label, never) for label, never in twins.items()}
    corrected = holm([test.p for test in tests.values()])
    return {
        label: Worth(twins[label], test, p)
        for (label, test), p in zip(tests.items(), corrected, strict=True)
    }


def _paired(results: Results, label: str, never: str) -> PairedTest:
    told, untold = (results.values(name, WHILE_LEARNING) for name in (label, never))
    common = told.index.intersection(untold.index)
    return paired_test(told[common].to_numpy(), untold[common].to_numpy())


def _never_told(results: Results, arm: Arm) -> Arm | None:
    for other in results.cohort.arms:
        triggers = {v for k, v in other.options.items() if _tells(k) and k.endswith(".trigger")}
        if triggers == {"never"} and _rest(other) == _rest(arm):
            return other
    return None


def _rest(arm: Arm) -> tuple[str, Mapping[str, object]]:
    """Everything but who tells of drift."""
    return arm.strategy, {k: v for k, v in arm.options.items() if not _tells(k)}


def _tells(option: str) -> bool:
    return option.startswith("strategy.on-drift:") and option.rpartition(".")[2] in TELLING


def _rows(results: Results, arm: Arm, found: Mapping[str, Worth]) -> list[list[Cell]]:
    """A row for each watching part."""
    accuracy = results.scores[arm.label, WHILE_LEARNING]
    parts = [part.strip() for part in arm.strategy.split("+")]
    watchers = [place for place, part in enumerate(parts) if part.startswith("on-drift:")]
    if not accuracy.known or not watchers:
        return []
    try:
        scores = arm.run.detection()
        scores = scores[scores["setting"] == arm.setting]
    except ValueError:  # nobody knows the drifts of recorded streams
        scores = None
    return [
        [
            Cell(arm.label),
            Cell(printable(arm.options.get(f"strategy.{parts[watcher]}.trigger", ""))),
            *_found(scores, watcher),
            Cell(plus_minus(accuracy.mean, accuracy.half), accuracy.mean),
            _gain(found.get(arm.label), {own.never for own in found.values()}, arm.label),
        ]
        for watcher in watchers
    ]


def _found(scores: pd.DataFrame | None, watcher: int) -> list[Cell]:
    if scores is None:
        return [Cell(NOTHING)] * 3
    own = scores[scores["watcher"] == watcher]
    drifts, detected, false, delay = (
        float(own[name].mean()) for name in ("drifts", "detected", "false_alarms", "delay")
    )
    return [
        Cell(f"{detected:.3g} of {drifts:.3g}", detected),
        Cell(f"{false:.3g}", false),
        Cell(f"{delay:.0f}" if delay == delay else NOTHING, delay if delay == delay else None),
    ]


def _gain(own: Worth | None, never: set[str], label: str) -> Cell:
    if own is None:
        return Cell("never told", 0.0) if label in never else Cell(NOTHING)
    gap = own.test.difference
    if gap != gap:
        return Cell(NOTHING)
    if own.corrected != own.corrected:
        return Cell(number(gap), gap, own.test.note, tone="doubt")
    note = p_value(own.corrected)
    if own.sure:
        return Cell(plus_minus(gap, own.test.half_width), gap, note)
    return Cell(
        plus_minus(gap, own.test.half_width), gap, f"cannot be told apart, {note}", tone="doubt"
    )
