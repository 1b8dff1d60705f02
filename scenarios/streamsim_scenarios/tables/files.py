"""Tables in files, read piece by piece: CSV, Parquet and ARFF; `.gz` is unpacked on the way.

Whatever a file says in text stays text here; `columns.py` makes numbers and categories of it.
Rows are counted from 1 in each file, without a header, comments and empty lines.
"""

from __future__ import annotations

import csv as plain_csv
import gzip
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

BLOCK_BYTES = 1 << 22  # of text, read at once
BLOCK_ROWS = 1 << 16  # of Parquet, read at once
DELIMITERS = (",", ";", "\t", "|")
TEXT = (".csv", ".tsv", ".txt")


class Piece(NamedTuple):
    """Some successive rows of a file."""

    where: str  # the file
    first: int  # the number of the first row
    rows: Any  # a pyarrow.RecordBatch

    def at(self, index: int) -> str:
        """How a message names a row.

        >>> Piece("a.csv", 11, None).at(2)
        'a.csv, row 13'
        """
        return f"{self.where}, row {self.first + index}"


@dataclass(frozen=True)
class Source:
    """A table that can be read again and again."""

    name: str
    columns: tuple[str, ...]
    pieces: Callable[[], Iterator[Piece]]
    nominal: Mapping[str, Sequence[str]] = field(default_factory=dict)  # declared categories


def open_table(paths: Sequence[Path], header: bool) -> Source:
    """One table of files with the same columns, one after the other; ValueError in one line."""
    sources = [_open(path, header) for path in paths]
    first = sources[0]
    for other in sources[1:]:
        odd = sorted({*first.columns} ^ {*other.columns})
        if odd:
            owner = first if odd[0] in first.columns else other
            raise ValueError(
                f"{first.name} and {other.name} have different columns: only {owner.name} has "
                f"'{odd[0]}'; give files with the same columns"
            )

    def pieces() -> Iterator[Piece]:
        for source in sources:
            yield from source.pieces()

    return Source(first.name, first.columns, pieces, first.nominal)


def beside(source: Source, name: str, labels: Source) -> Source:
    """A table with one more column, `name`, from the only column of another one."""

    def pieces() -> Iterator[Piece]:
        import pyarrow as pa

        found = [piece.rows.column(0) for piece in labels.pieces()]
        column, start = pa.concat_arrays(found), 0
        for piece in source.pieces():
            more = column.slice(start, piece.rows.num_rows)
            start += piece.rows.num_rows
            if start > len(column):
                break
            yield piece._replace(rows=piece.rows.append_column(name, more))
        if start != len(column):
            raise ValueError(
                f"{source.name} and {labels.name} have different numbers of rows; "
                "is one of them cut short?"
            )

    return Source(source.name, (*source.columns, name), pieces, source.nominal)


def _open(path: Path, header: bool) -> Source:
    kind = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if not path.is_file():
        raise ValueError(f"there is no file {path} (looked for {path.absolute()})")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty")
    if kind.lower() in TEXT:
        return csv(path, header)
    if kind.lower() in (".parquet", ".pq"):
        return parquet(path)
    if kind.lower() == ".arff":
        return arff(path)
    raise ValueError(
        f"{path}: unknown kind of file; give .csv, .tsv or .txt (also with .gz), .parquet or .arff"
    )


def csv(path: Path, header: bool = True, block_bytes: int = BLOCK_BYTES) -> Source:
    """A text file with one row a line; without a header, columns are called 1, 2, 3 and so on."""
    skipped, line = _first_line(path)
    delimiter = max(DELIMITERS, key=line.count)  # of equally frequent ones the first
    if delimiter not in line and " " in line:
        delimiter = " "
    fields = [field.strip() for field in next(plain_csv.reader([line], delimiter=delimiter))]
    # a column without a name (pandas writes its index so) goes by its number
    names = [(header and field) or str(number) for number, field in enumerate(fields, start=1)]
    before = skipped + 1 if header else skipped

    def pieces() -> Iterator[Piece]:
        with _binary(path) as file:
            for _ in range(before):
                file.readline()
            yield from _text_rows(file, path, names, delimiter, '"', block_bytes)

    return Source(path.name, _checked(path, names), pieces)


def parquet(path: Path, block_rows: int = BLOCK_ROWS) -> Source:
    """A Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def opened() -> Any:
        try:
            return pq.ParquetFile(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise _unreadable(path, error) from None

    def pieces() -> Iterator[Piece]:
        first = 1
        with opened() as file:
            try:
                for batch in file.iter_batches(block_rows):
                    yield Piece(path.name, first, batch)
                    first += batch.num_rows
            except (pa.ArrowInvalid, OSError) as error:
                raise _unreadable(path, error) from None

    with opened() as file:
        names = list(file.schema_arrow.names)
    return Source(path.name, _checked(path, names), pieces)


ATTRIBUTE = re.compile(r"""@attribute\s+('[^']*'|"[^"]*"|\S+)\s+(.+)""", re.IGNORECASE)


def arff(path: Path, block_bytes: int = BLOCK_BYTES) -> Source:
    """A file of Weka (https://waikato.github.io/weka-wiki/formats_and_processing/arff_stable);
    its sparse form is refused."""
    names: list[str] = []
    nominal: dict[str, Sequence[str]] = {}
    lines = 0
    with _binary(path) as file:
        for raw in file:
            lines += 1
            line = raw.decode("utf-8-sig", "replace").strip()
            if line.lower().startswith("@data"):
                break
            if found := ATTRIBUTE.match(line):
                names.append(found[1].strip("'\""))
                if found[2].startswith("{"):
                    nominal[names[-1]] = _declared(found[2])
        else:
            raise ValueError(f"{path} has no line @data; is the file cut short?")

    def pieces() -> Iterator[Piece]:
        with _binary(path) as file:
            for _ in range(lines):
                file.readline()
            yield from _text_rows(file, path, names, ",", "'", block_bytes)

    return Source(path.name, _checked(path, names), pieces, nominal)


def _declared(text: str) -> Sequence[str]:
    """The values of `{red, 'dark blue'}`."""
    inside = text[1 : text.rfind("}")]
    [values] = plain_csv.reader([inside], quotechar="'", escapechar="\\", skipinitialspace=True)
    return [value.strip().strip('"') for value in values]


def _binary(path: Path) -> Any:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _first_line(path: Path) -> tuple[int, str]:
    """The first line that is not empty, and how many are before it."""
    try:
        with _binary(path) as file:
            for number, raw in enumerate(file):
                if line := raw.decode("utf-8-sig").strip("\r\n"):
                    return number, line
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from None
    raise ValueError(f"{path} is empty")


def _text_rows(
    file: Any, path: Path, names: Sequence[str], delimiter: str, quote: str, block_bytes: int
) -> Iterator[Piece]:
    """Rows of text columns; a row of another length is named."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    comments, ragged, first = [0], [""], 1

    def on_odd_row(row: Any) -> str:
        if row.text.startswith("%"):
            comments[0] += 1
            return "skip"
        if row.text.startswith("{"):
            ragged[0] = f"{path.name} is a sparse table; write every value of every row"
            return "error"
        ragged[0] = (
            f"{path.name}, row {row.number - comments[0]}: {row.actual_columns} columns where "
            f"there are {row.expected_columns}; is the file cut short, or a text not quoted?"
        )
        return "error"

    try:
        reader = arrow_csv.open_csv(
            file,
            arrow_csv.ReadOptions(use_threads=False, block_size=block_bytes, column_names=names),
            arrow_csv.ParseOptions(
                delimiter=delimiter,
                quote_char=quote,
                newlines_in_values=True,
                invalid_row_handler=on_odd_row,
            ),
            arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
        for batch in reader:
            yield Piece(path.name, first, batch)
            first += batch.num_rows
    except (pa.ArrowInvalid, OSError, EOFError, zlib.error, UnicodeError) as error:
        if ragged[0]:
            raise ValueError(ragged[0]) from None
        if "Empty CSV" not in str(error):  # a header and nothing more: no pieces
            raise _unreadable(path, error) from None


def _checked(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise ValueError(f"{path} has two columns named '{twice[0]}'; rename one")
    return tuple(names)


def _unreadable(path: Path, error: BaseException) -> ValueError:
    if isinstance(error, UnicodeError) or "invalid UTF8" in str(error):
        return ValueError(f"{path} is no text in UTF-8; save it as such")
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    return ValueError(f"{path} cannot be read ({reason}); is the file cut short or damaged?")
