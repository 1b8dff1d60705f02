"""`streamsim compare` and `streamsim export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")]


def compare(
    runs: Runs,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Such as forgetting; see: streamsim summary. Repeatable."),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(help="Compare with this strategy; by default with the best one."),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", help="table, csv, json, latex or markdown.")
    ] = "table",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write to a file.")
    ] = None,
    anyway: Annotated[
        bool, typer.Option(help="Compare even where data or revealed settings differ.")
    ] = False,
) -> None:
    """Compare strategies: paired tests over common seeds, ranks over scenarios, plain words."""
    from streamsim_reports import formats
    from streamsim_reports.cohort import gather
    from streamsim_reports.comparison import compare as compare_cohort

    if form not in formats.FORMATS:
        raise ValueError(f"--format {form}: choose {', '.join(formats.FORMATS)}")
    if out is not None and not out.parent.is_dir():
        raise ValueError(f"cannot write {out}: there is no folder {out.parent}; make it first")
    cohort = gather(runs)
    comparisons = [
        compare_cohort(cohort, name, baseline, anyway=anyway)
        for name in dict.fromkeys(metric or ["average_accuracy"])
    ]
    for warning in dict.fromkeys(text for made in comparisons for text in made.warnings):
        typer.echo(f"warning: {warning}", err=True)
    rendered = formats.render(comparisons, form)
    if out is None:
        typer.echo(rendered)
        return
    try:
        out.write_text(rendered + "\n", encoding="utf-8")
    except OSError as error:
        raise ValueError(f"cannot write {out}: {error.strerror}; choose another file") from None
    typer.echo(f"wrote {out}", err=True)


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    to: Annotated[
        str, typer.Option("--to", help="csv, parquet, tensorboard, wandb-offline or mlflow.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FOLDER", help="By default RUN-TARGET, here."),
    ] = None,
) -> None:
    """Hand the results of a run to other tools; the run folder stays as it is."""
    from streamsim.runs import open_run
    from streamsim_reports.export import export as export_run

    opened = open_run(run)
    folder = out if out is not None else Path(f"{run.resolve().name}-{to}")
    typer.echo(export_run(opened, to, folder))
