"""Files of a run folder are written whole or not at all."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from streamsim.runs.files import write_whole


def fail(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_is_written_into_folders_that_are_made(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "file"
    write_whole(file, b"new")
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in file.parent.iterdir()] == ["file"]


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
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]


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
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]


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
