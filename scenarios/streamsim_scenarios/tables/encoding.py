"""From a table to numbers: one reading of the whole of it, piece by piece, to a scratch file.

Categories are numbered as they appear, so that what comes later changes nothing that came earlier.

Shape letters: N rows, K feature columns of the table, n rows of a piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from streamsim.options import did_you_mean
from streamsim_scenarios.tables import columns
from streamsim_scenarios.tables.columns import Floats, Kind
from streamsim_scenarios.tables.files import Piece, Source
from streamsim_scenarios.tables.scratch import on_disk

Missing = Literal["refuse", "mean", "indicator"]
MOST_CLASSES = 1000
MOST_GROUPS = 1000


class Reading(NamedTuple):
    """How a table is to be understood."""

    label: str
    time: str | None = None
    by: str | None = None
    categorical: Sequence[str] = ()
    drop: Sequence[str] = ()
    max_categories: int = 32
    missing: Missing = "refuse"
    classes: Sequence[str] | None = None  # None: those that occur
    most_rows: int | None = None


class Encoded(NamedTuple):
    """A table as numbers."""

    values: Floats  # [N, K] in a scratch file; numbers of categories; NaN: missing
    sizes: Sequence[int]  # [K] categories told apart, 0 for numbers
    incomplete: npt.NDArray[np.bool_]  # [K] whether anything is missing
    labels: npt.NDArray[np.int64]  # [N]
    classes: Sequence[str]
    time: Floats | None  # [N] not decreasing
    dated: bool  # the time is in seconds
    group: npt.NDArray[np.int64] | None  # [N] numbers of the values of `by`, as they appear
    names: Sequence[str]  # [K] of the columns


@dataclass
class _Progress:
    """What has been found so far, beside the features."""

    categories: Mapping[str, dict[str, int]]
    incomplete: npt.NDArray[np.bool_]
    classes: dict[str, int]
    groups: dict[str, int] = field(default_factory=dict)
    labels: list[npt.NDArray[np.int64]] = field(default_factory=list)
    group: list[npt.NDArray[np.int64]] = field(default_factory=list)
    time: list[Floats] = field(default_factory=list)
    dated: bool = False


def encode(source: Source, reading: Reading) -> Encoded:
    """Read a table; ValueError names file, row and column."""
    named = {"label": [reading.label], "categorical": reading.categorical, "drop": reading.drop}
    for option, names in {**named, "time": [reading.time], "by": [reading.by]}.items():
        columns.check_known(source, option, [name for name in names if name is not None])
    roles = {reading.label, reading.time, reading.by, *reading.drop}
    features = [name for name in source.columns if name not in roles]
    if not features:
        raise ValueError(f"{source.name} has no column left to learn from beside the label")
    kinds = columns.kinds(source, features, reading.categorical)
    so_far = _Progress(
        {name: {} for name, kind in kinds.items() if kind == "category"},
        np.zeros(len(features), bool),
        {name: number for number, name in enumerate(reading.classes or ())},
    )
    blocks = _blocks(source, reading, kinds, so_far)
    values = on_disk(blocks, np.float64, len(features))
    if not len(values):
        raise ValueError(f"{source.name} has no rows")
    labels, classes = _in_order(source, reading, so_far)
    return Encoded(
        values,
        [len(so_far.categories[name]) if name in so_far.categories else 0 for name in features],
        so_far.incomplete,
        labels,
        classes,
        np.concatenate(so_far.time) if so_far.time else None,
        so_far.dated,
        np.concatenate(so_far.group) if so_far.group else None,
        features,
    )


def _blocks(
    source: Source, reading: Reading, kinds: Mapping[str, Kind], so_far: _Progress
) -> Iterator[Floats]:
    """`[n, K]` of every piece; labels, times and groups are kept aside."""
    for piece in columns.first_rows(source.pieces(), reading.most_rows):
        if not piece.rows.num_rows:
            continue
        columns.check_declared(source, piece, [reading.label, *kinds])
        _keep_aside(piece, reading, so_far)
        block = np.empty((piece.rows.num_rows, len(kinds)))
        for k, (name, kind) in enumerate(kinds.items()):
            if kind == "number":
                block[:, k] = columns.numbers(piece, name)
            else:
                known = so_far.categories[name]
                block[:, k] = _codes(columns.texts(piece, name), known, reading.max_categories)
        absent = np.isnan(block)
        if reading.missing == "refuse" and absent.any():
            row, k = np.argwhere(absent)[0]
            raise ValueError(
                f"{piece.at(row)}, column '{list(kinds)[k]}': the value is missing; choose "
                "scenario.missing=mean or scenario.missing=indicator, or mend it"
            )
        so_far.incomplete |= absent.any(axis=0)
        yield block


def _keep_aside(piece: Piece, reading: Reading, so_far: _Progress) -> None:
    so_far.labels.append(_labels(piece, reading, so_far.classes))
    if reading.by is not None:
        groups = _codes(columns.texts(piece, reading.by), so_far.groups, MOST_GROUPS)
        if (bad := np.flatnonzero(~(groups < MOST_GROUPS))).size:
            what = "is missing" if np.isnan(groups[bad[0]]) else f"is beyond the {MOST_GROUPS}th"
            raise ValueError(
                f"{piece.at(bad[0])}, column '{reading.by}': the value {what}; every value makes "
                "an experience"
            )
        so_far.group.append(groups.astype(np.int64))
    if reading.time is not None:
        time, dated = columns.times(piece, reading.time)
        if so_far.time and dated != so_far.dated:
            raise ValueError(
                f"{piece.at(0)}, column '{reading.time}': numbers and dates do not go together"
            )
        so_far.dated = dated
        before = so_far.time[-1][-1:] if so_far.time else time[:1]
        back = np.flatnonzero(np.diff(time, prepend=before) < 0)
        if len(back):
            raise ValueError(
                f"{piece.at(back[0])}, column '{reading.time}': the time goes back; sort the rows "
                "by it"
            )
        so_far.time.append(time)


def _labels(piece: Piece, reading: Reading, classes: dict[str, int]) -> npt.NDArray[np.int64]:
    """`[n]` numbers of classes as they appear, or as they are listed."""
    limit = len(classes) if reading.classes is not None else MOST_CLASSES
    texts = columns.texts(piece, reading.label)
    codes = _codes(texts, classes, limit)
    bad = np.flatnonzero(~(codes < limit))
    if not len(bad):
        return codes.astype(np.int64)
    where = f"{piece.at(bad[0])}, column '{reading.label}'"
    if np.isnan(codes[bad[0]]):
        raise ValueError(f"{where}: the label is missing; leave out rows without one")
    label = texts[int(bad[0])].as_py()
    if reading.classes is None:
        raise ValueError(
            f"{where}: '{label}' is label number {limit + 1}; a column of numbers to predict is no "
            "label"
        )
    raise ValueError(
        f"{where}: '{label}' is a class that is not listed; scenario.classes="
        f"{','.join(reading.classes)}{did_you_mean(label, reading.classes)}; list it, or leave the "
        "option out to take every class of the file"
    )


def _codes(texts: Any, known: dict[str, int], limit: int) -> Floats:
    """`[n]` numbers of texts, in the order in which they appeared; NaN: missing.

    New ones join `known` up to the limit; the rest gets the limit as its number.
    """
    encoded = texts.dictionary_encode()
    different = encoded.dictionary.to_pylist()
    for text in different:
        if len(known) < limit:
            known.setdefault(text, len(known))
    number = np.array([*(known.get(text, limit) for text in different), np.nan])
    found: Floats = number[encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
    return found


def _in_order(
    source: Source, reading: Reading, so_far: _Progress
) -> tuple[npt.NDArray[np.int64], Sequence[str]]:
    """Labels by their place in the sorted classes (numbers as numbers), or in the listed ones."""
    labels = np.concatenate(so_far.labels)
    if reading.classes is not None:
        return labels, reading.classes
    found = list(so_far.classes)
    if len(found) < 2:
        raise ValueError(
            f"{source.name}, column '{reading.label}' holds one label only ('{found[0]}'); at "
            "least 2 are needed"
        )
    classes = sorted(found, key=_sort_key if all(map(columns.is_number, found)) else str)
    place = np.array([classes.index(name) for name in found])
    return place[labels], classes


def _sort_key(text: str) -> tuple[float, str]:
    return float(text), text
