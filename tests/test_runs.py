"""Run folders: written whole or not at all, read back as written, and safe to open."""

import ast
import errno
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save
from torch import Tensor

from streamsim import runs
from streamsim.runs import Checkpoint, open_run, write_whole

INFO: dict[str, Any] = {
    "configuration": {"scenario": "split-digits", "strategy": "naïve", "seeds": [3, 8]},
    "settings": [{}],
    "status": "finished",
    "stream": {"setting": "class"},
    "environment": {},
}
REPLICAS = ((0, 3), (0, 8))  # (setting, seed)


def column(*values: int) -> Tensor:
    return torch.tensor(values)


def rows() -> dict[str, dict[str, Tensor]]:
    """Two seeds, two experiences; seed 8 diverges in the second. Not sorted."""
    return {
        "accuracy": {
            "setting": column(0, 0, 0, 0, 0, 0, 0, 0),
            "seed": column(3, 8, 3, 8, 3, 8, 3, 8),
            "after": column(1, 1, 1, 1, 0, 0, 0, 0),
            "on": column(1, 1, 0, 0, 0, 0, 1, 1),
            "correct": column(9, -1, 4, -1, 8, 6, 0, 1),
            "total": column(10, 10, 8, 8, 8, 8, 10, 10),
        },
        "replicas": {
            "setting": column(0, 0),
            "seed": column(3, 8),
            "diverged_experience": column(-1, 1),
            "diverged_step": column(-1, 4),
        },
        "training": {
            "setting": column(0, 0),
            "seed": column(8, 3),
            "experience": column(0, 0),
            "steps": column(5, 5),
            "loss": torch.tensor([0.5, 0.25], dtype=torch.float64),
        },
    }


def finished(path: Path) -> runs.Run:
    runs.write_tables(path, rows())
    runs.write_info(path, INFO)
    return open_run(path)


def refusal(path: Path) -> str:
    """What is said of a folder that cannot be opened; always one line that names it."""
    with pytest.raises(ValueError, match=r"run|streamsim") as caught:
        open_run(path)
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    return line


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def fail(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


# -- whole or not at all --------------------------------------------------------------------------
def test_a_file_is_written_into_folders_that_are_made(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "file"
    write_whole(file, b"new")
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o644
    assert names(file.parent) == ["file"]


@pytest.mark.parametrize("step", ["fsync", "replace", "fdopen", "chmod"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.json"
    write_whole(file, b"old")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(ValueError, match="No space left on device") as caught:
        write_whole(file, b"new")
    monkeypatch.undo()
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)
    assert file.read_bytes() == b"old"
    assert names(tmp_path) == ["run.json"]


def test_an_interruption_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    file = tmp_path / "run.json"
    write_whole(file, b"old")
    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(file, b"new")
    monkeypatch.undo()
    assert file.read_bytes() == b"old"
    assert names(tmp_path) == ["run.json"]


def test_content_is_on_the_disk_before_it_takes_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def noted(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: Any) -> None:
            done.append(name)
            real(*arguments)

        monkeypatch.setattr(os, name, call)

    noted("fsync")
    noted("replace")
    write_whole(tmp_path / "file", b"new")
    assert done == ["fsync", "replace", "fsync"]  # the content, the name, the folder


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ValueError, match="choose another --out or make room"):
        write_whole(tmp_path / "file" / "run.json", b"new")


# -- opening --------------------------------------------------------------------------------------
def test_a_run_is_opened_as_it_was_written(tmp_path: Path) -> None:
    run = finished(tmp_path)
    assert run.path == tmp_path
    assert run.status == "finished"
    assert run.configuration == INFO["configuration"]
    assert run.settings == [{}]
    assert "naïve" in (tmp_path / "run.json").read_text(encoding="utf-8")
    assert open_run(str(tmp_path)).info == run.info


@pytest.mark.parametrize("path", ["missing", "."])
def test_another_folder_is_refused(path: str, tmp_path: Path) -> None:
    assert "is not a run folder: it has no run.json" in refusal(tmp_path / path)


def test_a_file_is_no_run_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert "is not a run folder" in refusal(tmp_path / "file")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"3", b"null", b'"text"', b"{}", b"\xff\xfe\x00", b'{"format"']
)
def test_a_damaged_description_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(content)
    assert "run.json is damaged or not of streamsim: " in refusal(tmp_path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({**INFO, "format": 2}))
    assert "has the format 2, and this streamsim reads 1; use the version" in refusal(tmp_path)


@pytest.mark.parametrize("key", INFO)
def test_a_description_without_a_key_is_refused(key: str, tmp_path: Path) -> None:
    runs.write_info(tmp_path, {k: v for k, v in INFO.items() if k != key})
    assert refusal(tmp_path).endswith(f"run.json is damaged: it has no {key}")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda child: (
        st.lists(child, max_size=3)
        | st.dictionaries(st.sampled_from(["format", *INFO]), child, max_size=6)
    ),
)


@given(st.binary(max_size=30) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_description_is_opened_or_refused(content: bytes) -> None:
    """Nothing else escapes, whatever a stranger sends."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "run.json").write_bytes(content)
        with suppress(ValueError):
            assert open_run(folder).info.keys() >= INFO.keys()


# -- tables ---------------------------------------------------------------------------------------
def test_tables_are_sorted_and_name_what_is_unknown(tmp_path: Path) -> None:
    run = finished(tmp_path)
    accuracy = run.table("accuracy")
    assert tuple(accuracy) == runs.TABLES["accuracy"]
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


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    shuffled = {
        table: {name: values.flip(0) for name, values in columns.items()}
        for table, columns in rows().items()
    }
    runs.write_tables(tmp_path / "a", rows())
    runs.write_tables(tmp_path / "b", shuffled)
    for name in ("accuracy", "replicas", "training"):
        file = f"{name}.parquet"
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_an_unknown_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no table 'acuracy'; a run has accuracy, continual"):
        finished(tmp_path).table("acuracy")


def test_a_run_without_continual_evaluation_says_how_to_get_it(tmp_path: Path) -> None:
    run = finished(tmp_path)
    assert not run.has_table("continual")
    with pytest.raises(ValueError, match="run with --eval-every N"):
        run.table("continual")


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "text", "columns"])
def test_a_damaged_table_is_refused_in_one_line(damage: str, tmp_path: Path) -> None:
    run = finished(tmp_path)
    file = tmp_path / "accuracy.parquet"
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


def test_an_unfinished_run_has_the_rows_of_its_checkpoint(tmp_path: Path) -> None:
    runs.write_info(tmp_path, {**INFO, "status": "running"})
    assert open_run(tmp_path).table("accuracy").empty
    assert tuple(open_run(tmp_path).table("accuracy")) == runs.TABLES["accuracy"]
    runs.write_checkpoint(tmp_path, Checkpoint({}, {}, rows()))
    assert open_run(tmp_path).table("accuracy")["accuracy"].count() == 6
    assert open_run(tmp_path).table("continual").empty


def test_a_summary_and_a_representation_come_from_the_tables(tmp_path: Path) -> None:
    run = finished(tmp_path)
    summary = run.summary().set_index("metric")
    assert summary["mean"]["average_accuracy"] == pytest.approx((0.5 + 0.9) / 2)
    assert summary["num_diverged"]["average_accuracy"] == 1
    assert repr(run).startswith("Run(naïve on split-digits, 2 seeds, finished)\n")
    assert "average_accuracy" in repr(run)


# -- checkpoints ----------------------------------------------------------------------------------
def checkpoint() -> Checkpoint:
    shared = torch.arange(6.0)
    state = {
        "params/net.weight": shared.view(2, 3),
        "states/lwf/teacher/net.weight": shared.view(2, 3),  # of the same memory
        "states/replay/ids": torch.arange(4),
        "states/replay/filled": torch.tensor(True),
        "optimizer/step": torch.tensor(3.0),
        "states/empty": torch.empty(2, 0),
    }
    return Checkpoint({"chunk": 1, "experience": 2, "step": 3, "choice": None}, state, rows())


def assert_equal(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert not runs.has_checkpoint(tmp_path)
    runs.write_checkpoint(tmp_path, checkpoint())
    assert runs.has_checkpoint(tmp_path)
    found = runs.read_checkpoint(tmp_path)
    assert found.position == checkpoint().position
    assert_equal(found.state, checkpoint().state)
    assert found.rows.keys() == rows().keys()
    for table, columns in rows().items():
        assert_equal(found.rows[table], columns)


def test_a_checkpoint_takes_tensors_of_any_strides(tmp_path: Path) -> None:
    """A hook may return a transposed view, and vmap may give one."""
    view = torch.arange(6.0).view(2, 3).T
    state = {"view": view, "expanded": torch.zeros(1).expand(4), "column": torch.eye(3)[:, 1]}
    runs.write_checkpoint(tmp_path, Checkpoint({}, state, {"training": {"loss": view[:, 1]}}))
    found = runs.read_checkpoint(tmp_path)
    assert_equal(found.state, state)
    assert_equal(found.rows["training"], {"loss": view[:, 1]})


def test_a_newer_checkpoint_replaces_the_older(tmp_path: Path) -> None:
    runs.write_checkpoint(tmp_path, checkpoint())
    runs.write_checkpoint(tmp_path, Checkpoint({"step": 9}, {}, {}))
    assert runs.read_checkpoint(tmp_path) == Checkpoint({"step": 9}, {}, {})
    assert names(tmp_path) == ["checkpoint.safetensors"]
    runs.remove_checkpoint(tmp_path)
    runs.remove_checkpoint(tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "position", "metadata"])
def test_a_damaged_checkpoint_is_refused_in_one_line(damage: str, tmp_path: Path) -> None:
    runs.write_checkpoint(tmp_path, checkpoint())
    file = tmp_path / "checkpoint.safetensors"
    contents = {
        "empty": b"",
        "cut": file.read_bytes()[:-8],
        "text": b"no checkpoint at all",
        "position": save({"state/a": torch.ones(1)}, {"position": "{"}),
        "metadata": save({"state/a": torch.ones(1)}),
    }
    file.write_bytes(contents[damage])
    with pytest.raises(ValueError, match=r"checkpoint.safetensors is damaged: ") as caught:
        runs.read_checkpoint(tmp_path)
    assert str(caught.value).endswith("; remove it to begin again")
    assert "\n" not in str(caught.value)


# -- parameters -----------------------------------------------------------------------------------
def test_the_weights_of_a_replica_are_found_in_its_chunk(tmp_path: Path) -> None:
    run = finished(tmp_path)
    weight = torch.arange(12.0).view(2, 2, 3)
    runs.write_parameters(tmp_path, 0, REPLICAS, {"weight": weight})
    runs.write_parameters(tmp_path, 1, [(1, 3)], {"weight": -weight[:1].transpose(1, 2)})
    assert torch.equal(run.parameters(8)["weight"], weight[1])
    assert torch.equal(run.parameters(3, setting=1)["weight"], -weight[0].T)
    with pytest.raises(ValueError, match="no weights of seed 4, setting 0 in"):
        run.parameters(4)


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"metadata"])
def test_damaged_weights_are_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    run = finished(tmp_path)
    runs.write_parameters(tmp_path, 0, REPLICAS, {"weight": torch.ones(2, 3)})
    file = tmp_path / "parameters" / "000.safetensors"
    file.write_bytes(save({"weight": torch.ones(2, 3)}) if content == b"metadata" else content)
    with pytest.raises(ValueError, match=r"000.safetensors is damaged") as caught:
        run.parameters(3)
    assert "\n" not in str(caught.value)


# -- safety ---------------------------------------------------------------------------------------
def test_nothing_in_a_run_folder_is_unpickled() -> None:
    tree = ast.parse(Path(runs.__file__).read_text(encoding="utf-8"))
    imported = {
        name.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for name in node.names
    } | {
        (node.module or "").partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    assert "safetensors" in imported
    assert not imported & {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert "read_parquet" in called
    assert not called & {"read_pickle", "load", "eval", "exec"}
    assert not {"eval", "exec"} & {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
