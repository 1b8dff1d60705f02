"""A run folder is read as it was written, or refused in one line, and is safe to open."""

import ast
import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsim import runs
from streamsim.runs import Run, open_run

KEYS = ("configuration", "settings", "status", "stream", "environment")  # of run.json


def refusal(path: Path) -> str:
    """What is said of a folder that cannot be opened; always one line that names it."""
    with pytest.raises(ValueError, match=r"run|streamsim") as caught:
        open_run(path)
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    return line


def test_a_run_is_opened_as_it_was_written(run: Run, info: dict[str, Any], tmp_path: Path) -> None:
    assert run.path == tmp_path
    assert run.status == "finished"
    assert run.configuration == info["configuration"]
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


@pytest.mark.parametrize("content", [b"{}", b"[]"])
def test_a_description_of_something_else_is_said_to_name_no_format(
    content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "run.json").write_bytes(content)
    assert refusal(tmp_path).endswith("it names no format")


def test_another_format_is_refused(info: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({**info, "format": 2}))
    assert "has the format 2, and this streamsim reads 1; use the version" in refusal(tmp_path)


@pytest.mark.parametrize("key", KEYS)
def test_a_description_without_a_key_is_refused(
    key: str, info: dict[str, Any], tmp_path: Path
) -> None:
    runs.write_info(tmp_path, {k: v for k, v in info.items() if k != key})
    assert refusal(tmp_path).endswith(f"run.json is damaged: it has no {key}")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda child: (
        st.lists(child, max_size=3)
        | st.dictionaries(st.sampled_from(["format", *KEYS]), child, max_size=6)
    ),
)


@given(st.binary(max_size=30) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_description_is_opened_or_refused(content: bytes) -> None:
    """Nothing else escapes, whatever a stranger sends."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "run.json").write_bytes(content)
        with suppress(ValueError):
            assert open_run(folder).info.keys() >= {*KEYS}


def test_a_summary_and_a_representation_come_from_the_tables(run: Run) -> None:
    summary = run.summary().set_index("metric")
    assert summary["mean"]["average_accuracy"] == pytest.approx((0.5 + 0.9) / 2)
    assert summary["num_diverged"]["average_accuracy"] == 1
    assert repr(run).startswith("Run(naïve on split-digits, 2 seeds, finished)\n")
    assert "average_accuracy" in repr(run)


# -- safety ---------------------------------------------------------------------------------------
def test_nothing_in_a_run_folder_is_unpickled() -> None:
    files = sorted(Path(runs.__file__).parent.glob("*.py"))
    assert len(files) > 3
    tree = ast.parse("\n".join(file.read_text(encoding="utf-8") for file in files))
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
