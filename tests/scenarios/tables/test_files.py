"""Files give the same rows in any pieces and any format, and what is wrong with them is named."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from streamsim_scenarios.tables.files import Source, arff, beside, csv, open_table, parquet

TEXT = "a,b,c\n1,x,2.5\n2,,3\n3,z z,4e2\n4,x,5\n"
ROWS = [["1", "x", "2.5"], ["2", "", "3"], ["3", "z z", "4e2"], ["4", "x", "5"]]


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(source: Source) -> list[list[Any]]:
    """Every row, with the columns in the order announced; rows are numbered without gaps."""
    found: list[list[Any]] = []
    for piece in source.pieces():
        assert piece.first == len(found) + 1
        columns = [piece.rows.column(name).to_pylist() for name in source.columns]
        found += map(list, zip(*columns, strict=True))
    return found


def refusal(path: Path, header: bool = True) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (callers look at the message)
        rows(open_table([path], header))
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("block_bytes", [16, 20, 1 << 20])
def test_pieces_of_text_make_the_whole(tmp_path: Path, block_bytes: int) -> None:
    source = csv(written(tmp_path / "a.csv", TEXT), block_bytes=block_bytes)
    assert source.columns == ("a", "b", "c")
    assert rows(source) == ROWS
    assert rows(source) == ROWS  # again and again
    assert (len(list(source.pieces())) > 1) is (block_bytes < 100)


@pytest.mark.parametrize("delimiter", [";", "\t", "|", " "])
def test_other_delimiters_are_seen_in_the_first_line(tmp_path: Path, delimiter: str) -> None:
    text = TEXT.replace("z z", "zz").replace(",", delimiter)
    expected = [[cell.replace("z z", "zz") for cell in row] for row in ROWS]
    assert rows(csv(written(tmp_path / "a.txt", text))) == expected


def test_packed_text_byte_order_marks_and_empty_lines_are_understood(tmp_path: Path) -> None:
    assert rows(csv(written(tmp_path / "a.csv.gz", gzip.compress(TEXT.encode())))) == ROWS
    marked = b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode()
    source = csv(written(tmp_path / "b.csv", b"\n" + marked.replace(b"3,z", b"\n3,z")))
    assert rows(source) == ROWS


def test_quoted_texts_may_hold_delimiters_and_line_ends(tmp_path: Path) -> None:
    source = csv(written(tmp_path / "a.csv", 'a,"b, b"\n1,"x, y"\n2,"x\ny"\n'))
    assert source.columns == ("a", "b, b")
    assert rows(source) == [["1", "x, y"], ["2", "x\ny"]]


def test_names_with_blanks_and_columns_without_a_name(tmp_path: Path) -> None:
    source = csv(written(tmp_path / "a.csv", ",the first one,the second one\n0,x,y\n"))
    assert source.columns == ("1", "the first one", "the second one")
    assert rows(source) == [["0", "x", "y"]]


def test_without_a_header_columns_are_numbered(tmp_path: Path) -> None:
    source = csv(written(tmp_path / "a.csv", TEXT.partition("\n")[2]), header=False)
    assert source.columns == ("1", "2", "3")
    assert rows(source) == ROWS


@pytest.mark.parametrize("block_rows", [1, 3, 100])
def test_parquet_keeps_its_types(tmp_path: Path, block_rows: int) -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"], "c": [True, False, True]})
    frame.to_parquet(tmp_path / "a.parquet")
    found = parquet(tmp_path / "a.parquet", block_rows)
    assert rows(found) == [[1, "x", True], [2, None, False], [3, "z", True]]


def test_arff_declares_names_and_categories(tmp_path: Path) -> None:
    text = (
        "% a comment\n@RELATION r\n\n@attribute 'the a' NUMERIC\n@Attribute b {x, 'z z'}\n"
        "@attribute c real\n@DATA\n% another\n1,x,2.5\n2,'z z',?\n%more\n3,x,4\n"
    )
    source = arff(written(tmp_path / "a.arff", text))
    assert source.columns == ("the a", "b", "c")
    assert source.nominal == {"b": ["x", "z z"]}
    assert rows(source) == [["1", "x", "2.5"], ["2", "z z", "?"], ["3", "x", "4"]]


def test_files_with_the_same_columns_follow_one_another_in_any_order_of_columns(
    tmp_path: Path,
) -> None:
    first = written(tmp_path / "a.csv", "a,b\n1,x\n2,y\n")
    second = written(tmp_path / "b.csv", "b,a\nz,3\n")
    source = open_table([first, second], header=True)
    pieces = list(source.pieces())
    assert [(p.where, p.first, p.rows.column("a").to_pylist()) for p in pieces] == [
        ("a.csv", 1, ["1", "2"]),
        ("b.csv", 1, ["3"]),
    ]


def test_files_with_different_columns_are_refused(tmp_path: Path) -> None:
    first = written(tmp_path / "a.csv", "a,b\n1,x\n")
    second = written(tmp_path / "b.csv", "a,c\n1,x\n")
    with pytest.raises(ValueError, match=r"a\.csv and b\.csv .* only a\.csv has 'b'"):
        open_table([first, second], header=True)


def test_a_column_from_another_file_stands_beside(tmp_path: Path) -> None:
    left = csv(written(tmp_path / "x.csv", "1,2\n3,4\n5,6\n"), header=False, block_bytes=8)
    right = csv(written(tmp_path / "y.csv", "0\n1\n0\n"), header=False, block_bytes=4)
    assert rows(beside(left, "class", right)) == [
        ["1", "2", "0"],
        ["3", "4", "1"],
        ["5", "6", "0"],
    ]


@pytest.mark.parametrize("labels", ["0\n1\n", "0\n1\n0\n1\n"])
def test_files_side_by_side_have_the_same_number_of_rows(tmp_path: Path, labels: str) -> None:
    left = csv(written(tmp_path / "x.csv", "1,2\n3,4\n5,6\n"), header=False)
    right = csv(written(tmp_path / "y.csv", labels), header=False)
    with pytest.raises(ValueError, match=r"x\.csv and y\.csv have different numbers of rows"):
        rows(beside(left, "class", right))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "is empty"),
        ("a.csv", "\n\n", "is empty"),
        ("a.csv.gz", gzip.compress(b""), "is empty"),
        ("a.csv", "a,a\n1,2\n", "two columns named 'a'"),
        ("a.csv", TEXT + "5,x\n", "row 5: 2 columns where there are 3; is the file cut short"),
        ("a.csv", TEXT + "5,x,6,7\n", "row 5: 4 columns"),
        ("a.csv", "a,b\n1,\xe9\n".encode("latin-1"), "is no text in UTF-8; save it as such"),
        ("a.csv", "a,b\n1,x\n".encode("utf-16"), "is no text in UTF-8; save it as such"),
        ("a.csv.gz", gzip.compress(TEXT.encode() * 99)[:-30], "cannot be read .*cut short"),
        ("a.csv.gz", TEXT, "cannot be read"),
        ("a.parquet", "PAR1abc", "cannot be read .*cut short or damaged"),
        ("a.arff", "@relation r\n@attribute a real\n", "no line @data; is the file cut short"),
        (
            "a.arff",
            "@relation r\n@attribute a real\n@attribute b real\n@data\n%\n1,2\n3\n",
            "row 2",
        ),
        ("a.arff", "@attribute a real\n@attribute b real\n@data\n{0 1}\n", "is a sparse table"),
        ("a.xlsx", "abc", r"unknown kind of file; give \.csv"),
    ],
)
def test_a_file_that_is_no_table_is_one_line(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    assert re.search(message, refusal(written(tmp_path / name, content)))


def test_a_parquet_file_cut_short_is_one_line(tmp_path: Path) -> None:
    pd.DataFrame({"a": range(1000)}).to_parquet(tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    assert "cut short" in refusal(written(tmp_path / "a.parquet", whole[:-50]))


def test_a_file_that_is_not_there_is_named_with_where_it_was_looked_for(tmp_path: Path) -> None:
    assert f"looked for {tmp_path.absolute()}" in refusal(tmp_path / "a.csv")


def test_a_header_without_rows_has_no_pieces(tmp_path: Path) -> None:
    assert list(csv(written(tmp_path / "a.csv", "a,b\n")).pieces()) == []


def test_text_stays_text(tmp_path: Path) -> None:
    [piece] = csv(written(tmp_path / "a.csv", TEXT)).pieces()
    assert {field.type for field in piece.rows.schema} == {pa.string()}
