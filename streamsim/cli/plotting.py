"""`streamsim plot`: one figure of one or more runs, in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamsim.options import did_you_mean


def plot(
    kind: Annotated[str, typer.Argument(help="See: streamsim list figures")] = "",
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN...", help="Run folders.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="File ending in .svg, .png or .pdf; by default ./KIND.svg."
        ),
    ] = None,
    dark: Annotated[bool, typer.Option("--dark", help="Light on dark.")] = False,
) -> None:
    """Draw a figure of runs and save it: streamsim plot forgetting-curves runs/*"""
    from streamsim_reports.cohort import gather
    from streamsim_reports.figures import KINDS, check_path, figure, save

    if kind not in KINDS:
        given = f"unknown figure '{kind}'" if kind else "no figure named"
        raise ValueError(f"{given}; choose {', '.join(KINDS)}{did_you_mean(kind, KINDS)}")
    path = out if out is not None else Path(f"{kind}.svg")
    check_path(path)
    cohort = gather(runs or ())
    try:
        drawn = figure(KINDS[kind], cohort, "dark" if dark else "light", standalone=True)
    except ValueError as error:
        raise ValueError(f"{kind} cannot be drawn: {error}") from None
    save(drawn, path)
    typer.echo(path)
