"""Columns become numbers, the same in any pieces, or are refused by row and column."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamsim_scenarios.tables.encoding import Encoded, Reading, encode
from streamsim_scenarios.tables.files import Source, arff, csv, open_table, parquet

HEAD = "when,temp,site,label\n"
BODY = [
    "2024-01-01,1.5,north,b",
    "2024-01-01,-2,south,a",
    "2024-01-02,3e1,north,b",
    "2024-01-03, 4 ,west,c",
]
READING = Reading("label", time="when")


def text(tmp_path: Path, lines: list[str], head: str = HEAD) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(head + "".join(f"{line}\n" for line in lines))
    return path


def encoded(tmp_path: Path, lines: list[str], reading: Reading = READING, **more: Any) -> Encoded:
    return encode(csv(text(tmp_path, lines), **more), reading)


def refusal(tmp_path: Path, lines: list[str], reading: Reading = READING) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (callers look at the message)
        encoded(tmp_path, lines, reading)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_numbers_categories_labels_and_times(tmp_path: Path) -> None:
    found = encoded(tmp_path, BODY)
    assert found.values.tolist() == [[1.5, 0], [-2, 1], [30, 0], [4, 2]]
    assert found.sizes == [0, 3]
    assert found.classes == ["a", "b", "c"]
    assert found.labels.tolist() == [1, 0, 1, 2]
    assert found.time is not None
    assert (found.time - found.time[0]).tolist() == [0, 0, 86_400, 172_800]
    assert found.dated


def same(a: Encoded, b: Encoded) -> None:
    for ours, theirs in zip(a, b, strict=True):
        if isinstance(ours, np.ndarray):
            assert isinstance(theirs, np.ndarray)
            assert np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f")
        else:
            assert ours == theirs


def frame(num_rows: int = 500) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    found = pd.DataFrame(
        {
            "x": generator.normal(size=num_rows).round(6),
            "count": generator.integers(0, 9, num_rows),
            "kind": generator.choice(["p", "q, r", "s"], num_rows),
            "many": [f"m{i % 60}" for i in range(num_rows)],
            "at": np.sort(generator.uniform(0, 100, num_rows)).round(3),
            "site": generator.choice(["one", "two"], num_rows),
            "label": generator.choice([10, 9, 2], num_rows),
        }
    )
    for column in ("x", "kind"):
        found.loc[generator.random(num_rows) < 0.1, column] = None
    return found


FULL = Reading("label", time="at", by="site", categorical=("count",), missing="mean")


@pytest.mark.parametrize("block_bytes", [128, 1000])
def test_pieces_change_nothing(tmp_path: Path, block_bytes: int) -> None:
    frame().to_csv(tmp_path / "rows.csv", index=False)
    whole = encode(csv(tmp_path / "rows.csv"), FULL)
    same(encode(csv(tmp_path / "rows.csv", block_bytes=block_bytes), FULL), whole)
    assert whole.classes == ["2", "9", "10"]


@pytest.mark.parametrize("block_rows", [7, 1000])
def test_parquet_gives_what_text_gives(tmp_path: Path, block_rows: int) -> None:
    frame().to_csv(tmp_path / "rows.csv", index=False)
    frame().astype({"kind": "category", "label": float}).to_parquet(tmp_path / "rows.parquet")
    whole = encode(csv(tmp_path / "rows.csv"), FULL)
    same(encode(parquet(tmp_path / "rows.parquet", block_rows), FULL), whole)


def test_arff_gives_what_text_gives(tmp_path: Path) -> None:
    data = frame()
    data.to_csv(tmp_path / "rows.csv", index=False)
    lines = ["@relation r"]
    for name in data:
        texts = name in ("kind", "many", "site", "count", "label")
        values = ",".join(f"'{v}'" for v in data[name].dropna().unique())
        lines.append(f"@attribute {name} " + (f"{{{values}}}" if texts else "numeric"))
    lines.append("@data")
    for row in data.itertuples(index=False):
        lines.append(",".join("?" if pd.isna(v) else f"'{v}'" for v in row))
    (tmp_path / "rows.arff").write_text("\n".join(lines))
    ours = encode(open_table([tmp_path / "rows.arff"], True), FULL)
    same(ours, encode(csv(tmp_path / "rows.csv"), FULL))


def test_values_agree_with_pandas(tmp_path: Path) -> None:
    data = frame()
    data.to_csv(tmp_path / "rows.csv", index=False)
    found = encode(csv(tmp_path / "rows.csv"), FULL._replace(drop=("many",)))
    assert np.array_equal(found.values[:, 0], data["x"].to_numpy(), equal_nan=True)
    codes, names = pd.factorize(data["kind"])
    assert np.array_equal(np.nan_to_num(found.values[:, 2], nan=-1), codes)
    assert found.sizes == [0, data["count"].nunique(), len(names)]
    assert found.incomplete.tolist() == [True, False, True]
    assert np.array_equal(found.labels, pd.Categorical(data["label"]).codes)
    assert found.group is not None
    assert np.array_equal(found.group, pd.factorize(data["site"])[0])


def test_later_rows_change_nothing_of_earlier_ones(tmp_path: Path) -> None:
    first = encoded(tmp_path, BODY[:2])
    later = encoded(tmp_path, [*BODY, "2024-01-04,7,a new one,b"])
    assert np.array_equal(first.values, later.values[:2])


def test_only_the_first_categories_are_told_apart(tmp_path: Path) -> None:
    found = encoded(tmp_path, BODY, READING._replace(max_categories=1))
    assert found.values[:, 1].tolist() == [0, 1, 0, 1]
    assert found.sizes == [0, 1]


def test_only_so_many_rows_are_read(tmp_path: Path) -> None:
    found = encoded(tmp_path, [*BODY, "not,a,valid,row"], READING._replace(most_rows=4))
    assert len(found.values) == 4


def test_listed_classes_keep_their_order(tmp_path: Path) -> None:
    found = encoded(tmp_path, BODY, READING._replace(classes=("c", "b", "a", "z")))
    assert found.labels.tolist() == [1, 2, 1, 0]
    assert len(found.classes) == 4


@pytest.mark.parametrize("mark", ["", "NA", "N/A", "nan", "NaN", "null", "?", '" ? "'])
def test_missing_values_are_known_by_their_marks(tmp_path: Path, mark: str) -> None:
    found = encoded(
        tmp_path, [*BODY, f"2024-01-04,{mark},{mark},a"], READING._replace(missing="mean")
    )
    assert np.isnan(found.values[4]).all()
    assert found.incomplete.all()


BAD: list[tuple[list[str], dict[str, Any], str]] = [
    ([*BODY, "2024-01-04,,south,a"], {}, "row 5, column 'temp': the value is missing; choose"),
    ([*BODY, "2024-01-04,1,?,a"], {}, "row 5, column 'site': the value is missing"),
    ([*BODY, "2024-01-04,1,south,"], {}, "row 5, column 'label': the label is missing"),
    ([*BODY, ",1,south,a"], {}, "row 5, column 'when': the time is missing"),
    ([*BODY, "2023-12-31,1,south,a"], {}, "row 5, column 'when': the time goes back; sort"),
    ([*BODY, "soon,1,south,a"], {}, "row 5, column 'when': 'soon' is neither a number nor a date"),
    ([*BODY, "2024-01-04,1.5x,south,a"], {}, "row 5, column 'temp': '1.5x' is not a number; mend"),
    ([*BODY, "2024-01-04,inf,south,a"], {}, "row 5, column 'temp': inf is beyond"),
    ([*BODY, "2024-01-04,-1e39,south,a"], {}, "row 5, column 'temp': -1e+39 is beyond"),
    (BODY, {"label": "lable"}, "scenario.label=lable: rows.csv has no such column; it has when, "),
    (BODY, {"label": "lable"}, "did you mean 'label'?"),
    (BODY, {"drop": ("sight",)}, "scenario.drop=sight: rows.csv has no such column"),
    (BODY, {"by": "place"}, "scenario.by=place: rows.csv has no such column"),
    (BODY, {"time": None}, "column 'when' holds dates; leave it out with scenario.drop=when"),
    (BODY, {"drop": ("temp", "site")}, "no column left to learn from"),
    (BODY, {"classes": ("a", "b")}, "row 4, column 'label': 'c' is a class that is not listed"),
    ([*BODY, "2024-01-04,1,,a"], {"by": "site"}, "row 5, column 'site': the value is missing"),
    ([], {}, "rows.csv has no rows"),
    (BODY[:1], {}, "column 'label' holds one label only ('b')"),
]


@pytest.mark.parametrize(("lines", "changes", "message"), BAD)
def test_what_cannot_be_learned_from_is_named(
    tmp_path: Path, lines: list[str], changes: dict[str, Any], message: str
) -> None:
    assert message in refusal(tmp_path, lines, READING._replace(**changes))


def test_rows_of_later_pieces_are_counted_on(tmp_path: Path) -> None:
    lines = [*BODY[:3] * 1000, "2024-01-09,many,south,a"]
    path = text(tmp_path, lines)
    with pytest.raises(ValueError, match=r"row 3001, column 'temp': 'many' is not a number"):
        encode(csv(path, block_bytes=200), READING._replace(time=None, drop=("when",)))


def test_a_time_that_goes_back_between_pieces_is_seen(tmp_path: Path) -> None:
    path = text(tmp_path, [*BODY[2:], *BODY[:2]])
    with pytest.raises(ValueError, match=r"row 3, column 'when': the time goes back"):
        encode(csv(path, block_bytes=30), READING)


def test_times_are_numbers_throughout_or_dates(tmp_path: Path) -> None:
    path = text(tmp_path, [*["1,1.5,north,a"] * 9, *BODY])
    with pytest.raises(ValueError, match=r"column 'when': numbers and dates do not go together"):
        encode(csv(path, block_bytes=126), READING)


def test_a_column_of_texts_may_hold_a_few_numbers(tmp_path: Path) -> None:
    path = text(tmp_path, ["red,a", "7,b", "blue,a", "red,b"], "colour,label\n")
    assert encode(csv(path), Reading("label")).sizes == [3]


def test_a_header_that_was_not_written_is_suspected(tmp_path: Path) -> None:
    path = text(tmp_path, ["0.5,1", "0.7,0"], "0.25,0\n")
    with pytest.raises(ValueError, match=r"it has 0\.25, 0 \(where the .* scenario.header=false"):
        encode(csv(path), Reading("label"))


def test_columns_that_are_numbered_have_no_header(tmp_path: Path) -> None:
    path = text(tmp_path, ["0.5,1", "0.7,0"], "")
    with pytest.raises(ValueError, match=r"it has 1, 2$"):
        encode(csv(path, header=False), Reading("label"))


def test_a_date_or_a_word_among_the_names_does_not_hide_a_missing_header(tmp_path: Path) -> None:
    path = text(tmp_path, ["2024-01-02,0.5,no"], "2024-01-01,0.7,yes\n")
    with pytest.raises(ValueError, match=r"0\.7, yes \(where .* scenario.header=false"):
        encode(csv(path), Reading("label"))


def test_decimal_commas_are_no_categories(tmp_path: Path) -> None:
    path = text(tmp_path, [f"{i % 7},{i % 3};{i % 2}" for i in range(300)], "x;label\n")
    with pytest.raises(ValueError, match=r"'x' holds numbers with commas, such as '0,0'; write"):
        encode(csv(path), Reading("label"))
    assert encode(csv(path), Reading("label", categorical=("x",))).sizes == [21]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (
            "1,drk green,yes",
            "column 'colour': 'drk green' is none of .* red, dark green; did you mean 'dark",
        ),
        ("1,red,ye", "row 3, column 'out': 'ye' is none of the declared values yes, no; did you"),
    ],
)
def test_what_an_arff_file_does_not_declare_is_refused(
    tmp_path: Path, row: str, complaint: str
) -> None:
    head = "@attribute x real\n@attribute colour {red, 'dark green'}\n@attribute out {yes,no}\n"
    path = tmp_path / "t.arff"
    path.write_text(f"{head}@data\n1,red,yes\n?,'dark green',no\n{row}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=complaint):
        encode(arff(path), Reading("out", missing="mean"))


def test_names_of_rows_are_no_categories(tmp_path: Path) -> None:
    path = text(tmp_path, [f"user{i},1,{i % 2}" for i in range(300)], "id,x,label\n")
    with pytest.raises(ValueError, match=r"column 'id' holds a different text in most rows"):
        encode(csv(path), Reading("label"))
    assert encode(csv(path), Reading("label", categorical=("id",))).sizes == [32, 0]


def test_numbers_to_predict_are_no_labels(tmp_path: Path) -> None:
    path = text(tmp_path, [f"1,{i / 7}" for i in range(2000)], "x,y\n")
    with pytest.raises(ValueError, match=r"row 1001, column 'y': .* label number 1001"):
        encode(csv(path), Reading("y"))


def test_dates_and_lists_of_parquet_are_no_inputs(tmp_path: Path) -> None:
    def source(**columns: Any) -> Source:
        pd.DataFrame({**columns, "label": [0, 1, 0]}).to_parquet(tmp_path / "rows.parquet")
        return parquet(tmp_path / "rows.parquet")

    with pytest.raises(ValueError, match=r"column 'at' holds timestamp.*scenario\.drop=at"):
        encode(source(at=pd.date_range("2024", periods=3)), Reading("label"))
    with pytest.raises(ValueError, match=r"column 'x' holds list"):
        encode(source(x=[[1], [2], [3]]), Reading("label"))
    for odd in (Reading("x"), Reading("label", by="x"), Reading("label", time="x")):
        with pytest.raises(ValueError, match=r"column 'x' holds list"):
            encode(source(x=[[1], [2], [3]], a=[1, 2, 3]), odd)


def test_every_type_of_parquet_that_holds_numbers_or_texts_is_read(tmp_path: Path) -> None:
    columns = {
        "i": pa.array([1, None, 3], pa.uint8()),
        "f": pa.array([0.5, 1.5, float("nan")], pa.float32()),
        "d": pa.array([Decimal("1.25"), None, Decimal("-2")]),
        "b": pa.array([True, None, False]),
        "s": pa.array(["x", None, "y"], pa.large_string()),
        "v": pa.array(["1", None, "2"], pa.string_view()),
        "c": pa.array(["7", "9", "7"]).dictionary_encode(),
        "n": pa.nulls(3),
        "at": pa.array([date(2024, 1, 1), date(2024, 1, 1), date(2024, 1, 3)]),
        "label": pa.array([1.0, 10.0, 2.0]),
    }
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    reading = Reading("label", time="at", missing="mean")
    found = encode(parquet(tmp_path / "rows.parquet"), reading)
    assert np.nan_to_num(found.values, nan=-9).tolist() == [
        [1, 0.5, 1.25, 1, 0, 1, 0, -9],
        [-9, 1.5, -9, -9, -9, -9, 1, -9],
        [3, -9, -2, 0, 1, 2, 0, -9],
    ]
    assert found.classes == ["1", "2", "10"]
    assert found.time is not None
    assert found.time[2] - found.time[0] == 2 * 86_400


@pytest.mark.parametrize(
    "when",
    [
        ["2024-01-01", "2024-01-02"],
        ["2024-01-01T00:00:00Z", "2024-01-02T01:00:00+01:00"],
        ["2024-01-01 00:00", "2024-01-02 00:00"],
        ["1704067200", "1704153600"],
    ],
)
def test_times_in_many_forms_are_a_day_apart(tmp_path: Path, when: list[str]) -> None:
    path = text(tmp_path, [f"{at},{i},{i}" for i, at in enumerate(when)], "at,x,label\n")
    found = encode(csv(path), Reading("label", time="at")).time
    assert found is not None
    assert found[1] - found[0] == 86_400
