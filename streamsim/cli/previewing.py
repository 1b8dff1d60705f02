"""`streamsim preview`: what a scenario's stream looks like, before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamsim import options
from streamsim.cli.running import AsJson, DataRoot


def preview(
    scenario: Annotated[
        str,
        typer.Argument(
            help="A name (see: streamsim list scenarios), with modifiers if wanted, as in "
            "split-digits+label-noise; or a .toml file."
        ),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="scenario.OPTION=VALUE", help="As for run. Repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Whose stream.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File ending in .svg, .png or .pdf; else text is shown."),
    ] = None,
    dark: Annotated[bool, typer.Option("--dark", help="Light on dark.")] = False,
    data_root: DataRoot = None,
    as_json: AsJson = False,
) -> None:
    """Draw a scenario over time: experiences, concepts, class shares and feature means."""
    import json

    given = options.parse_assignments(settings or ())
    if out is not None:
        from streamsim_reports.figures import check_path

        check_path(out)
    from streamsim import preview as previews
    from streamsim.cli.charts import chart, sentence

    about, table = previews.preview(scenario, options=given, seed=seed, data=data_root)
    if out is not None:
        from streamsim_reports import preview as pictures
        from streamsim_reports.figures import save

        title = f"{about['scenario']}, seed {about['seed']}"
        save(pictures.figure(table, title, sentence(about), "dark" if dark else "light"), out)
    if as_json:
        typer.echo(json.dumps({**about, "rows": table.to_dict("records")}))
    else:
        typer.echo(chart(about, table) if out is None else out)
