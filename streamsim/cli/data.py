"""`streamsim data`: which data sets are there, and getting one when asked to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from streamsim.cli.running import AsJson, DataRoot

app = typer.Typer(
    help="List the real data sets and download one when asked.",
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def _help(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


@app.command("list")
def list_data(data_root: DataRoot = None, as_json: AsJson = False) -> None:
    """List data sets and whether they are in the data root."""
    from streamsim import data

    root = data.data_root(data_root)
    rows = [(name, data.status(name, root)) for name in data.DATASETS]
    if as_json:
        typer.echo(
            json.dumps([{"name": name, **status._asdict()} for name, status in rows], default=str)
        )
        return
    typer.echo(f"data root: {root}")
    for name, status in rows:
        typer.echo(f"{name:<15} {'present' if status.present else 'missing'}  {status.path}")


@app.command("get")
def get(
    name: Annotated[str, typer.Argument(help="See: streamsim data list")],
    data_root: DataRoot = None,
) -> None:
    """Download a data set into the data root."""
    from streamsim import data

    root: Path = data.data_root(data_root)
    data.get(name, root)
    typer.echo(f"{name} is in {root}")
