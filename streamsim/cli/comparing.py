"""`streamsim compare` and `streamsim export`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from streamsim_reports.comparison import Comparison

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
    diagram: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw ranks over scenarios with their critical difference."
        ),
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
    for file in filter(None, (out, diagram)):
        if not file.parent.is_dir():
            raise ValueError(
                f"cannot write {file}: there is no folder {file.parent}; make it first"
            )
    cohort = gather(runs)
    comparisons = [
        compare_cohort(cohort, name, baseline, anyway=anyway)
        for name in dict.fromkeys(metric or ["average_accuracy"])
    ]
    if diagram is not None:
        _draw(comparisons, diagram)
    rendered = formats.render(comparisons, form)
    if out is not None:
        _write(out, lambda: out.write_text(rendered + "\n", encoding="utf-8"))
    for warning in dict.fromkeys(text for made in comparisons for text in made.warnings):
        typer.echo(f"warning: {warning}", err=True)
    if out is None:
        typer.echo(rendered)


def _draw(comparisons: Sequence[Comparison], file: Path) -> None:
    from matplotlib.figure import Figure

    from streamsim_reports.comparison import critical_difference_axes

    suffixes = (".svg", ".png", ".pdf")
    if file.suffix not in suffixes:
        raise ValueError(f"--diagram {file}: name a file that ends in {', '.join(suffixes)}")
    most = max(0 if made.ranks is None else len(made.ranks) for made in comparisons)
    figure = Figure(figsize=(8, (1.6 + 0.2 * most) * len(comparisons)), layout="constrained")
    for made, axes in zip(
        comparisons, figure.subplots(len(comparisons), squeeze=False), strict=True
    ):
        critical_difference_axes(made, axes[0])
    _write(file, lambda: figure.savefig(file, dpi=150))


def _write(file: Path, act: Callable[[], object]) -> None:
    try:
        act()
    except OSError as error:
        raise ValueError(f"cannot write {file}: {error.strerror}; choose another file") from None
    typer.echo(f"wrote {file}", err=True)


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
