"""How files get into a run folder, whole or not at all, and what is said of a damaged one."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write_whole(file: Path, content: bytes) -> None:
    """Replace a file by new content, or leave it as it was, whatever happens."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(name, 0o644)
            os.replace(name, file)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
        _sync_folder(file.parent)
    except OSError as error:
        raise ValueError(
            f"cannot write {file}: {error.strerror}; choose another --out or make room, "
            "then resume: what was saved before is untouched"
        ) from None


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; some systems cannot open folders, and need not."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
