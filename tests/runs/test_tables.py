"""Raw tables are sorted, name what is unknown, and are read back or refused."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from torch import Tensor

from streamsim import runs
from streamsim.runs import Run, checkpoints, open_run, tables
from streamsim.runs.checkpoints import Checkpoint
from streamsim.runs.tables import TABLES

Rows = dict[str, dict[str, Tensor]]


def test_tables_are_sorted_and_name_what_is_unknown(run: Run) -> None:
    accuracy = run.table("accuracy")
    assert tuple(accuracy) == TABLES["accuracy"]
    keys = accuracy[["seed", "after", "on"]]
    assert keys.to_numpy().tolist() == sorted(keys.to_numpy().tolist())
    fine, diverged = accuracy[accuracy["seed"] == 3], accuracy[accuracy["seed"] == 8]
    assert fine["accuracy"].tolist() == [1.0, 0.0, 0.5, 0.9]
    assert diverged["accuracy"].isna().tolist() == [False, False, True, True]
    assert diverged["correct"].isna().tolist() == [False, False, True, True]
    replicas = run.table("replicas")
    assert replicas["diverged_step"].isna().tolist() == [True, False]
    assert replicas["diverged_experience"][1] == 1
    assert run.table("training")["loss"].tolist() == [0.25, 0.5]


def test_the_same_rows_give_the_same_bytes(rows: Rows, tmp_path: Path) -> None:
    shuffled = {
        table: {name: values.flip(0) for name, values in columns.items()}
        for table, columns in rows.items()
    }
    tables.write(tmp_path / "a", rows)
    tables.write(tmp_path / "b", shuffled)
    for name in ("accuracy", "replicas", "training"):
        file = f"{name}.parquet"
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_an_unknown_table_is_refused(run: Run) -> None:
    with pytest.raises(ValueError, match="no table 'acuracy'; a run has accuracy, continual"):
        run.table("acuracy")


def test_a_run_without_continual_evaluation_says_how_to_get_it(run: Run) -> None:
    assert not run.has_table("continual")
    with pytest.raises(ValueError, match="run with --eval-every N"):
        run.table("continual")


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "text", "columns"])
def test_a_damaged_table_is_refused_in_one_line(damage: str, run: Run) -> None:
    file = run.path / "accuracy.parquet"
    whole = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage == "columns":
        pd.read_parquet(file).drop(columns=["seed", "on"]).to_parquet(file)
    else:
        file.write_bytes({"empty": b"", "cut": whole[:-40], "text": b"no table"}[damage])
    with pytest.raises(ValueError, match=r"accuracy.parquet") as caught:
        run.table("accuracy")
    said = "has no column seed, on" if damage == "columns" else "is missing or damaged: "
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["missing", "text", "rows"])
def test_what_is_wrong_with_a_table_is_said_once_and_names_its_file(
    run: Run, damage: str, tmp_path: Path
) -> None:
    file = tmp_path / "accuracy.parquet"
    table = pd.read_parquet(file)
    if damage == "missing":
        file.unlink()
    else:
        bad = table.astype({"accuracy": str}) if damage == "text" else table.iloc[:0]
        bad.to_parquet(file)
    with pytest.raises(ValueError, match="run again") as caught:
        run.summary()
    said = {
        "missing": "there is no such file",
        "text": "the column accuracy holds no numbers",
        "rows": "it has no rows",
    }[damage]
    assert str(caught.value) == f"{file} is missing or damaged: {said}; run again"


def test_an_unfinished_run_has_the_rows_of_its_checkpoint(
    info: dict[str, Any], rows: Rows, tmp_path: Path
) -> None:
    runs.write_info(tmp_path, {**info, "status": "running"})
    assert open_run(tmp_path).table("accuracy").empty
    assert tuple(open_run(tmp_path).table("accuracy")) == TABLES["accuracy"]
    checkpoints.write(tmp_path, Checkpoint({}, {}, rows))
    assert open_run(tmp_path).table("accuracy")["accuracy"].count() == 6
    assert open_run(tmp_path).table("continual").empty
