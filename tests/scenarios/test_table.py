"""A user's own file, from the command line to a run folder."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import streamsim
from streamsim import options
from streamsim.cli import main
from streamsim.testing import check as certify
from streamsim.testing import failures
from streamsim_scenarios.table import Table


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Rows in every format, with the current folder where they lie."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(1)
    kind = generator.choice(["red", "green"], 200)
    x = generator.normal(3, 2, 200).round(3)
    found = pd.DataFrame(
        {
            "at": pd.date_range("2024-03-01", periods=200, freq="6h").astype(str),
            "x": x,
            "kind": kind,
            "outcome": np.where((x > 3) ^ (kind == "red"), "yes", "no"),
        }
    )
    found.loc[generator.random(200) < 0.1, "x"] = None
    found.to_csv("rows.csv", index=False)
    found.to_csv("shuffled.csv", index=False, columns=["outcome", "kind", "at", "x"])
    found.to_parquet("rows.parquet")
    return found


def table(**given: Any) -> Table:
    return options.build(
        Table,
        {"path": "rows.csv", "label": "outcome", "time": "at", "missing": "mean", **given},
        "scenario",
    )


def call(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["streamsim", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


SET = [
    word
    for text in ("path=rows.csv", "label=outcome", "time=at", "missing=indicator", "window=10d")
    for word in ("--set", f"scenario.{text}")
]


def test_a_file_runs_from_the_command_line(
    rows: pd.DataFrame, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = call(
        ["run", "table", "replay", *SET, "--set", "train.batch_size=4", "--out", "here"],
        capsys,
        monkeypatch,
    )
    assert code == 0
    assert out.rstrip().endswith("run folder: here")
    run = streamsim.open_run("here")
    assert run.info["stream"]["num_experiences"] == 5  # 50 days
    assert len(run.table("prequential"))
    assert run.configuration["options"]["scenario.checksum"] == table().checksum


@pytest.mark.parametrize("path", ["shuffled.csv", "rows.parquet"])
def test_another_format_or_order_of_columns_makes_the_same_stream(
    rows: pd.DataFrame, path: str
) -> None:
    one, other = table().stream(Path()), table(path=path).stream(Path())
    inputs = [stream.pool["x"] for stream in (one, other)]
    columns = [0, 1, 2] if path == "rows.parquet" else [2, 0, 1]
    assert torch.equal(inputs[0], inputs[1][:, columns])
    assert torch.equal(one.pool["y"], other.pool["y"])


def test_several_files_are_one_table(rows: pd.DataFrame) -> None:
    rows[:80].to_csv("first.csv", index=False)
    rows[80:].to_csv("second.csv", index=False)
    ours = table(path="first.csv,second.csv").stream(Path())
    assert torch.equal(ours.pool["x"], table().stream(Path()).pool["x"])


def test_a_path_may_be_given_as_one(rows: pd.DataFrame) -> None:
    for path in ("rows.csv", Path("rows.csv"), ["rows.csv"]):
        assert Table(path=path, label="outcome").path == ("rows.csv",)  # type: ignore[arg-type]


def test_a_file_that_changed_is_another_configuration(rows: pd.DataFrame) -> None:
    before = table()
    assert table() == before
    assert table(path="rows.parquet").checksum != before.checksum
    rows[:150].to_csv("rows.csv", index=False)
    assert table().checksum != before.checksum
    with pytest.raises(ValueError, match="the rows have changed: bring the old ones back"):
        table(checksum=before.checksum)


def test_a_table_conforms(rows: pd.DataFrame) -> None:
    given = dict(text.removeprefix("scenario.").split("=") for text in SET[1::2])
    results = certify("table", options={f"scenario.{k}": v for k, v in given.items()})
    assert failures(results) == {}


BAD: list[tuple[dict[str, str], str]] = [
    ({"path": "none.csv"}, "there is no file none.csv \\(looked for /"),
    ({"label": "outcom"}, "outcom: rows.csv has no such column.*did you mean 'outcome'"),
    ({"label": "at"}, "column 'at' is given for two purposes"),
    ({"time": "x", "drop": "at"}, "rows.csv, row .*column 'x': the time"),
    ({"missing": "refuse"}, "rows.csv, row [0-9]+, column 'x': the value is missing; choose"),
    ({"missing": "zero"}, "scenario.missing=zero: .*'refuse', 'mean' or 'indicator'"),
    ({"window": "10"}, "scenario.window=10: give a number and one of s, min, h, d, w"),
    ({"window": "1h"}, "scenario.window=1h leaves the experience .* one of 200 rows"),
    ({"by": "kind"}, "window=10d and by=kind cut the rows in two ways"),
    ({"classes": "yes,not"}, "row [0-9]+, column 'outcome': 'no' is a class that is not listed"),
    ({"header": "false"}, "outcome: rows.csv has no such column; it has 1, 2, 3, 4"),
    ({"colour": "x"}, "unknown option scenario.colour"),
]


@pytest.mark.parametrize(("given", "message"), BAD, ids=lambda value: str(value)[:40])
def test_bad_input_is_one_line_and_writes_nothing(
    rows: pd.DataFrame,
    given: dict[str, str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = [word for word in SET[1::2] if word.split("=")[0][9:] not in given]
    texts = [*kept, *(f"scenario.{name}={value}" for name, value in given.items())]
    words = [word for text in texts for word in ("--set", text)]
    before = sorted(Path().iterdir())
    code, out, err = call(["run", "table", "naive", *words], capsys, monkeypatch)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.search(message, err), err
    assert sorted(Path().iterdir()) == before


def test_what_must_be_given_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = call(["run", "table", "naive"], capsys, monkeypatch)
    assert code == 2
    assert "scenario.path is required: --set scenario.path=...; scenario.label is required" in err


def test_results_are_kept_only_for_the_same_rows(rows: pd.DataFrame) -> None:
    given = {"scenario.path": "rows.csv", "scenario.label": "outcome", "scenario.drop": "at,x"}
    first = streamsim.run("table", options=given)
    assert streamsim.run("table", options=given).path == first.path
    rows[:150].to_csv("rows.csv", index=False)
    assert streamsim.run("table", options=given).path != first.path
