"""One HTML file about some runs: facts are gathered into a model, which templates lay out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from streamsim.runs import Run
from streamsim.runs.files import write_whole
from streamsim_reports.page.gathering import gather_page
from streamsim_reports.page.html import render
from streamsim_reports.page.model import Page

__all__ = ["Page", "gather_page", "render", "write_page"]

SUFFIXES = (".html", ".htm")


def write_page(runs: Iterable[Run | str | Path], file: str | Path) -> Path:
    """Write the report of some runs, whole or not at all; returns where it is.

    ValueError if there are no runs, if one cannot be read, or if the file cannot be written.
    """
    file = check_place(file)
    write_whole(file, render(gather_page(runs)).encode())
    return file


def check_place(file: str | Path) -> Path:
    """A path that a page can be written to; ValueError, before any work, if it is none."""
    file = Path(file)
    if file.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{file} is no name for a page; give a file that ends in .html")
    if file.is_dir():
        raise ValueError(f"{file} is a folder; give a file that ends in .html")
    if not file.parent.is_dir():
        raise ValueError(f"the folder {file.parent} is not there; make it, or choose another -o")
    return file
