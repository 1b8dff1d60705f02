"""Checkpoints are read as they were written, or refused."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from streamsim.runs import checkpoints
from streamsim.runs.checkpoints import Checkpoint

Rows = dict[str, dict[str, Tensor]]


@pytest.fixture
def checkpoint(rows: Rows) -> Checkpoint:
    shared = torch.arange(6.0)
    state = {
        "params/net.weight": shared.view(2, 3),
        "states/lwf/teacher/net.weight": shared.view(2, 3),  # of the same memory
        "states/replay/ids": torch.arange(4),
        "states/replay/filled": torch.tensor(True),
        "optimizer/step": torch.tensor(3.0),
        "states/empty": torch.empty(2, 0),
    }
    return Checkpoint({"chunk": 1, "experience": 2, "step": 3, "choice": None}, state, rows)


def assert_equal(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_a_checkpoint_is_read_as_it_was_written(
    checkpoint: Checkpoint, rows: Rows, tmp_path: Path
) -> None:
    assert not checkpoints.exists(tmp_path)
    checkpoints.write(tmp_path, checkpoint)
    assert checkpoints.exists(tmp_path)
    found = checkpoints.read(tmp_path)
    assert found.position == checkpoint.position
    assert_equal(found.state, checkpoint.state)
    assert found.rows.keys() == rows.keys()
    for table, columns in rows.items():
        assert_equal(found.rows[table], columns)


def test_a_checkpoint_takes_tensors_of_any_strides(tmp_path: Path) -> None:
    """A hook may return a transposed view, and vmap may give one."""
    view = torch.arange(6.0).view(2, 3).T
    state = {"view": view, "expanded": torch.zeros(1).expand(4), "column": torch.eye(3)[:, 1]}
    checkpoints.write(tmp_path, Checkpoint({}, state, {"training": {"loss": view[:, 1]}}))
    found = checkpoints.read(tmp_path)
    assert_equal(found.state, state)
    assert_equal(found.rows["training"], {"loss": view[:, 1]})


def test_a_newer_checkpoint_replaces_the_older(checkpoint: Checkpoint, tmp_path: Path) -> None:
    checkpoints.write(tmp_path, checkpoint)
    checkpoints.write(tmp_path, Checkpoint({"step": 9}, {}, {}))
    assert checkpoints.read(tmp_path) == Checkpoint({"step": 9}, {}, {})
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.safetensors"]
    checkpoints.remove(tmp_path)
    checkpoints.remove(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "position", "metadata"])
def test_a_damaged_checkpoint_is_refused_in_one_line(
    damage: str, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    checkpoints.write(tmp_path, checkpoint)
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
        checkpoints.read(tmp_path)
    assert str(caught.value).endswith("; remove it to begin again")
    assert "\n" not in str(caught.value)
