"""What a page shows, as plain values: facts are gathered into these, templates lay them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Tone = Literal["plain", "good", "doubt", "bad"]


@dataclass(frozen=True)
class Strip:
    """A mean with its interval, as shares (0 to 100) of a common axis."""

    low: float
    centre: float
    high: float


@dataclass(frozen=True)
class Cell:
    """One entry of a table."""

    text: str
    sort: float | None = None  # what numbers are sorted by; None: nothing known, always last
    note: str = ""  # said in small print below
    strip: Strip | None = None
    tone: Tone = "plain"


@dataclass(frozen=True)
class Column:
    """A column; numbers are set to the right and sorted by `Cell.sort`."""

    title: str
    numeric: bool = False
    hint: str = ""
    drawn: bool = False  # holds a strip


@dataclass(frozen=True)
class Table:
    """The first cell of every row names the row."""

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    order: tuple[int, str] | None = None  # the column it is sorted by, and which way
    csv: str = ""  # the same numbers, unrounded, as a data URI


@dataclass(frozen=True)
class Answer:
    """A question that a reader has, answered in words."""

    question: str
    winner: str  # a name, or nothing where there is no winner
    sentence: str
    certainty: str
    tone: Tone


@dataclass(frozen=True)
class Point:
    """One heading of the summary in words."""

    question: str
    sentences: Sequence[str]
    tone: Tone = "plain"


@dataclass(frozen=True)
class Picture:
    """A figure with the numbers behind it."""

    kind: str
    name: str  # its id on the page
    title: str
    caption: str
    svg: str
    csv: str  # a data URI
    file: str  # the name to download it under


@dataclass(frozen=True)
class Absent:
    """A figure that cannot be drawn, and why."""

    title: str
    reason: str


@dataclass(frozen=True)
class Fact:
    """A name with a value, both text."""

    name: str
    value: str


@dataclass(frozen=True)
class Chapter:
    """Everything about the runs of one scenario."""

    name: str  # part of ids
    scenario: str
    answers: Sequence[Answer]
    standings: Table
    points: Sequence[Point]
    tables: Sequence[Table]
    lead: Picture | None  # the one chart of the first screen
    pictures: Sequence[Picture]
    absent: Sequence[Absent]


@dataclass(frozen=True)
class Across:
    """What holds over several scenarios."""

    words: Sequence[str]
    tables: Sequence[Table]
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Detail:
    """One strategy: what it was, what became of it."""

    label: str
    headline: str
    facts: Sequence[Fact]
    tables: Sequence[Table]
    notes: Sequence[str]


@dataclass(frozen=True)
class Command:
    """How to make a run, or the page, again."""

    title: str
    text: str
    note: str = ""


@dataclass(frozen=True)
class Page:
    """The whole report."""

    title: str
    subtitle: str
    warnings: Sequence[str]
    chapters: Sequence[Chapter]
    across: Across | None = None
    details: Sequence[Detail] = ()
    configuration: Sequence[Table] = ()
    environment: Sequence[Table] = ()
    commands: Sequence[Command] = ()
    version: str = ""
