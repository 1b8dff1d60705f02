"""What a column holds: numbers, categories or times; and what is wrong with it, by row and column.

Shape letters: n rows of a piece.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from streamsim.options import did_you_mean
from streamsim_scenarios.tables.files import Piece, Source

Kind = Literal["number", "category"]
Floats = npt.NDArray[np.float64]
NUMERIC = ("integer", "floating", "decimal", "boolean")
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "?")  # what stands for a missing value
MOST_SHOWN = 20  # columns named in a message
HEAD = 1000  # rows that decide what a column holds
MOST_IDENTIFIERS = 100  # different texts in the head; with more, and in most rows, it names rows


def check_known(source: Source, option: str, names: Collection[str]) -> None:
    """Refuse names of columns that are not there."""
    for name in names:
        if name not in source.columns:
            near = did_you_mean(name, source.columns) or _headless(source.columns)
            shown = ", ".join(source.columns[:MOST_SHOWN])
            if len(source.columns) > MOST_SHOWN:
                shown += f" and {len(source.columns) - MOST_SHOWN} more"
            raise ValueError(
                f"scenario.{option}={name}: {source.name} has no such column; it has {shown}{near}"
            )


def _headless(columns: Sequence[str]) -> str:
    """A hint where a first row of values was taken for names."""
    numbered = [str(number) for number in range(len(columns) + 1)]
    if list(columns) in (numbered[:-1], numbered[1:]) or not any(map(is_number, columns)):
        return ""
    return " (where the first line is no header: scenario.header=false)"


def kinds(source: Source, names: Collection[str], categorical: Collection[str]) -> dict[str, Kind]:
    """What columns hold, by declaration or by their first 1,000 rows.

    The rest of the file is not looked at: what comes later must not change what comes earlier.
    """
    import pyarrow as pa

    head = list(first_rows(source.pieces(), HEAD))
    found: dict[str, Kind] = {}
    for name in names:
        if name in categorical or name in source.nominal:
            found[name] = "category"
            continue
        if any(pa.types.is_dictionary(piece.rows.column(name).type) for piece in head):
            found[name] = "category"  # as pandas writes what it calls so
            continue
        values = [_column(piece, name) for piece in head]
        if not any(_textual(column.type) for column in values):
            found[name] = "number"
            continue
        texts = pa.concat_arrays(list(map(trimmed, values)))
        found[name] = _kind_of_texts(f"{source.name}, column '{name}'", name, texts)
    return found


def first_rows(pieces: Iterator[Piece], most: int | None) -> Iterator[Piece]:
    """Pieces up to a number of rows in all."""
    left = most
    for piece in pieces:
        if left is None:
            yield piece
            continue
        yield piece._replace(rows=piece.rows.slice(0, left))
        left -= min(left, piece.rows.num_rows)
        if left == 0:
            return


def _kind_of_texts(where: str, name: str, texts: Any) -> Kind:
    import pyarrow as pa

    values = texts.drop_null().unique()
    if _mostly(values, (pa.float64(),)):  # what is none among them is refused with its row
        return "number"
    if _mostly(values, _timestamps()):
        raise ValueError(
            f"{where} holds dates; leave it out with scenario.drop={name}, or order the rows by it "
            f"with scenario.time={name}"
        )
    if _mostly_with_commas(values):
        raise ValueError(
            f"{where} holds numbers with commas, such as '{values[0]}'; write decimal points, or "
            f"take the column for categories with scenario.categorical={name}"
        )
    if len(values) > max(MOST_IDENTIFIERS, len(texts) // 2):
        raise ValueError(
            f"{where} holds a different text in most rows; leave it out with "
            f"scenario.drop={name}, or keep it with scenario.categorical={name}"
        )
    return "category"


def _mostly(values: Any, targets: Sequence[Any]) -> bool:
    """Whether at least half of the values can be cast to a type."""
    singles = [values.slice(i, 1) for i in range(len(values))]
    casts = [sum(_cast(each, target) is not None for each in singles) for target in targets]
    return 2 * max(casts) >= len(values)


def _mostly_with_commas(values: Any) -> bool:
    import pyarrow.compute as pc

    found = pc.sum(pc.match_substring_regex(values, r"^[+-]?\d+,\d+$")).as_py() or 0
    return bool(2 * found > len(values))


def is_number(text: str) -> bool:
    """Whether a text can be read as a number.

    >>> is_number("1e-3"), is_number("nan"), is_number("x1")
    (True, False, False)
    """
    try:
        return float(text) == float(text)
    except ValueError:
        return False


def check_declared(source: Source, piece: Piece, names: Collection[str]) -> None:
    """Refuse values that a file says its columns do not have."""
    for name in names:
        if name in source.nominal:
            allowed = source.nominal[name]
            for row, text in enumerate(texts(piece, name).to_pylist()):
                if text is not None and text not in allowed:
                    raise ValueError(
                        f"{piece.at(row)}, column '{name}': '{text}' is none of the declared "
                        f"values {', '.join(allowed[:MOST_SHOWN])}{did_you_mean(text, allowed)}; "
                        "mend it, or declare it"
                    )


def numbers(piece: Piece, name: str) -> Floats:
    """`[n]` numbers, NaN where one is missing."""
    import pyarrow as pa

    column = _column(piece, name)
    if _textual(column.type):
        column = trimmed(column)
        found = _cast(column, pa.float64())
        if found is None:
            row, text = _first_bad(column, pa.float64())
            raise ValueError(
                f"{piece.at(row)}, column '{name}': '{text}' is not a number; mend it, or take the "
                f"column for categories with scenario.categorical={name}"
            )
    else:
        found = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
        found = found.cast(pa.float64(), safe=False)
    values: Floats = np.array(found.fill_null(float("nan")).to_numpy(zero_copy_only=False))
    # inputs are single precision
    odd = np.flatnonzero(np.abs(np.nan_to_num(values, posinf=np.inf)) > np.finfo(np.float32).max)
    if len(odd):
        raise ValueError(
            f"{piece.at(odd[0])}, column '{name}': {values[odd[0]]} is beyond any number that can "
            "be learned from; mend it"
        )
    return values


def texts(piece: Piece, name: str) -> Any:
    """`[n]` strings of pyarrow, null where one is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = _column(piece, name)
    if _textual(column.type):
        return trimmed(column)
    if pa.types.is_floating(column.type):  # 1.0 is cast to "1", so whole numbers stay the same
        column = pc.if_else(pc.is_nan(column), None, column)
    return column.cast(pa.string())


def times(piece: Piece, name: str) -> tuple[Floats, bool]:
    """`[n]` numbers, or seconds since 1970 of dates, and whether they are dates."""
    import pyarrow as pa

    column = _column(piece, name, dates=True)
    if _textual(column.type):
        column = trimmed(column)
        targets = (pa.float64(), *_timestamps())
        found = next((c for t in targets if (c := _cast(column, t)) is not None), None)
        if found is None:
            row, text = max(_first_bad(column, target) for target in targets)
            raise ValueError(
                f"{piece.at(row)}, column '{name}': '{text}' is neither a number nor a date such "
                "as 2024-01-31 or 2024-01-31 23:59:59"
            )
        column = found
    dated = pa.types.is_temporal(column.type)
    if dated:
        column = column.cast(pa.timestamp("us", getattr(column.type, "tz", None)), safe=False)
        column = column.cast(pa.int64())
    values: Floats = np.array(
        column.cast(pa.float64(), safe=False).fill_null(float("nan")).to_numpy(zero_copy_only=False)
    )
    absent = np.flatnonzero(np.isnan(values))
    if len(absent):
        raise ValueError(f"{piece.at(absent[0])}, column '{name}': the time is missing")
    return (values / 1e6 if dated else values), dated


def trimmed(column: Any) -> Any:
    """Strings without blanks and quotes around them, null where they stand for nothing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pc.utf8_trim_whitespace(column.cast(pa.string()))
    for quote in ("'", '"'):
        quoted = pc.and_(pc.starts_with(column, quote), pc.ends_with(column, quote))
        column = pc.if_else(quoted, pc.utf8_trim(column, quote), column)
    return pc.if_else(pc.is_in(column, pa.array(MISSING)), None, column)


def _timestamps() -> tuple[Any, Any]:
    import pyarrow as pa

    return pa.timestamp("us"), pa.timestamp("us", "UTC")


def _column(piece: Piece, name: str, dates: bool = False) -> Any:
    """A column of numbers or texts (or dates); others are refused."""
    import pyarrow as pa

    column = piece.rows.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kinds = ("timestamp", "date", *NUMERIC) if dates else NUMERIC
    if not (_textual(column.type) or any(_is(kind, column.type) for kind in kinds)):
        raise ValueError(
            f"{piece.where}, column '{name}' holds {column.type}, which is neither numbers nor "
            f"texts; leave it out with scenario.drop={name}, or make numbers of it"
        )
    return column


def _textual(type_: Any) -> bool:
    return any(_is(kind, type_) for kind in ("string", "large_string", "string_view", "null"))


def _is(kind: str, type_: Any) -> bool:
    """Whether a type of pyarrow is of a kind."""
    import pyarrow as pa

    return bool(getattr(pa.types, f"is_{kind}")(type_))


def _cast(column: Any, target: Any) -> Any:
    """The column as another type, or None where a value does not fit."""
    import pyarrow as pa

    try:
        return column.cast(target)
    except pa.ArrowInvalid:
        return None


def _first_bad(column: Any, target: Any) -> tuple[int, str]:
    """The first value that cannot be cast."""
    bad = (i for i in range(len(column)) if _cast(column.slice(i, 1), target) is None)
    index = next(bad)
    return index, column[index].as_py()
