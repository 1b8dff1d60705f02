"""Arrays on disk hold what was written, and say when there is no room."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from streamsim_scenarios.tables.scratch import on_disk


def test_blocks_lie_one_below_the_other_in_another_precision() -> None:
    blocks = [np.arange(6.0).reshape(2, 3), np.full((1, 3), 1 / 3)]
    found = on_disk(iter(blocks), np.float32, 3)
    assert found.dtype == np.float32
    assert np.array_equal(found, np.concatenate(blocks).astype(np.float32))


def test_torch_reads_it_in_place() -> None:
    found = on_disk([np.ones((4, 2))], np.float32, 2)
    tensor = torch.from_numpy(found)
    assert tensor.data_ptr() == found.ctypes.data
    assert tensor.sum() == 8


def test_nothing_is_an_empty_array() -> None:
    assert on_disk([], np.float64, 3).shape == (0, 3)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_no_room_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", partial(Path("/dev/full").open, "wb", 0))
    with pytest.raises(ValueError, match=r"No space left.*TMPDIR"):
        on_disk([np.ones((4, 2))], np.float32, 2)
