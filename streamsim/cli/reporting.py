"""`streamsim report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="One or more run folders.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The file to write; an older one is replaced.")
    ] = Path("report.html"),
    open_: Annotated[bool, typer.Option("--open", help="Show it in a browser.")] = False,
) -> None:
    """Write one HTML file about run folders: words, tables, figures, how to make them again."""
    written = write(runs, out)
    typer.echo(written)
    if open_:
        import webbrowser

        webbrowser.open(written.resolve().as_uri())


def write(runs: list[Path], out: Path) -> Path:
    """Check the place before the work, then write the page."""
    from streamsim_reports.page import check_place, write_page

    return write_page(runs, check_place(out))
