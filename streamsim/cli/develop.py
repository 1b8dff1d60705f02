"""`streamsim check` and `streamsim new`: for people who write plugins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamsim import options
from streamsim.cli.running import AsJson, DataRoot


def check(
    name: Annotated[str, typer.Argument(help="A scenario, modifier or strategy, or a sum.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.OPTION=VALUE", help="As for run. Repeatable."),
    ] = None,
    data_root: DataRoot = None,
    compile_: Annotated[
        bool, typer.Option("--compile", help="Try compiled training too (slow).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Certify a plugin: run the conformance kit and print every check. Exit 1 if one fails."""
    import json

    given = options.parse_assignments(settings or ())
    from streamsim import testing

    results = testing.check(name, options=given, root=data_root, compile=compile_)
    if as_json:
        typer.echo(json.dumps([result._asdict() for result in results]))
    else:
        for result in results:
            outcome = "ok" if result.passed else "FAILED"
            typer.echo(
                f"{outcome:<7} {result.check}" + (f": {result.detail}" if result.detail else "")
            )
    if not all(result.passed for result in results):
        raise typer.Exit(1)


def new(
    kind: Annotated[str, typer.Argument(help="scenario, modifier or strategy")],
    name: Annotated[str, typer.Argument(help="The name to register, such as my-replay.")],
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where to write; by default ./NAME.")
    ] = None,
) -> None:
    """Write a plugin package with a passing test, ready to change."""
    from streamsim import templates

    written = templates.write(kind, name, folder if folder is not None else Path(name))
    typer.echo(f"{written}: a {kind} plugin. Now:")
    typer.echo(f"  pip install -e {written}\n  streamsim check {name}\n  pytest {written}")
