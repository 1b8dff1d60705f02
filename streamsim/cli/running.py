"""`streamsim run`, `resume` and `summary`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from streamsim import options

if TYPE_CHECKING:
    from streamsim.runs import Run

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the run folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]
DataRoot = Annotated[
    Path | None,
    typer.Option("--data-root", envvar="STREAMSIM_DATA", help="Folder of real data sets."),
]


def run(
    scenario: Annotated[
        str,
        typer.Argument(
            help="A name (see: streamsim list scenarios), with modifiers if wanted, as in "
            "split-digits+label-noise; or a .toml file."
        ),
    ],
    strategy: Annotated[str, typer.Argument(help="One part or a sum, as in replay+lwf.")],
    model: Annotated[str, typer.Option(help="See: streamsim list models")] = "mlp",
    seeds: Annotated[
        str, typer.Option(help="How many (30), or which (3,7,11; a single one: 7,).")
    ] = "1",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SECTION.OPTION=VALUE",
            help="Such as scenario.n_experiences=5, strategy.memory_size=200, "
            "model.hidden=100,100, train.lr=0.1. Repeatable.",
        ),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SECTION.OPTION=V1,V2",
            help="Train every value (and every combination), as in strategy.alpha=0.1,1,10. "
            "Values that contain commas are separated by semicolons. Repeatable.",
        ),
    ] = None,
    eval_every: Annotated[
        int | None, typer.Option(help="Also evaluate every N training steps within experiences.")
    ] = None,
    transference: Annotated[
        bool,
        typer.Option(
            "--transference",
            help="Record what a step on one experience does to the loss on the others; "
            "see --set transference.samples, .lr, .after.",
        ),
    ] = False,
    prequential: Annotated[
        bool | None,
        typer.Option(
            "--prequential/--no-prequential",
            help="Judge every sample before it is learned from; see --set prequential.block, "
            ".fading. By default where the stream drifts.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder; by default one under runs/.")
    ] = None,
    data_root: DataRoot = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    vectorize: Annotated[
        str, typer.Option(help="Replicas trained side by side: auto, off or a number.")
    ] = "auto",
    compile_: Annotated[
        str, typer.Option("--compile", help="auto measures and chooses; on; off.")
    ] = "auto",
    report: Annotated[
        bool, typer.Option("--report", help="Also write report.html into the run folder.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train a strategy on a scenario and leave a run folder; a finished run is not run again."""
    given = options.parse_assignments(settings or ())
    tried = options.parse_assignments(sweep or (), "--sweep")
    values = {name: text.split(";" if ";" in text else ",") for name, text in tried.items()}

    from streamsim import simulator
    from streamsim.configuration import parse_seeds

    with _progress(quiet or as_json) as progress:
        done = simulator.run(
            scenario,
            strategy,
            model=model,
            options=given,
            seeds=parse_seeds(seeds),
            sweep={name: [text for text in texts if text] for name, texts in values.items()},
            eval_every=eval_every,
            transference=transference,
            prequential=prequential,
            out=out,
            data=data_root,
            device=device,
            vectorize=vectorize,
            compile=compile_,  # type: ignore[arg-type]  # checked there
            progress=progress,
        )
    _show(done, quiet, as_json)
    if report:
        from streamsim.cli.reporting import write

        written = write([done.path], done.path / "report.html")
        if not (quiet or as_json):
            typer.echo(f"report: {written}")


def resume(
    folder: Annotated[Path, typer.Argument(help="A run folder.")],
    data_root: DataRoot = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Finish an interrupted or killed run; the results are those of an uninterrupted one."""
    from streamsim import simulator

    with _progress(quiet or as_json) as progress:
        done = simulator.resume(folder, data=data_root, progress=progress)
    _show(done, quiet, as_json)


def summary(
    folder: Annotated[Path, typer.Argument(help="A run folder.")],
    joint: Annotated[
        Path | None, typer.Option(help="A run of 'joint' on the same scenario: intransigence.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the metrics of a run folder, and why some are undefined."""
    from streamsim.runs import open_run

    opened = open_run(folder)
    if opened.status != "finished" and opened.table("accuracy").empty:
        raise ValueError(
            f"{folder} has no results yet: {opened.status} before its first evaluation; go on "
            f"with: streamsim resume {folder}"
        )
    reference = open_run(joint) if joint is not None else None
    if reference is not None:
        _check_reference(opened, reference)
    _show(opened, False, as_json, reference, notes=True)


def _check_reference(run: Run, joint: Run) -> None:
    """A ValueError unless `joint` tells what could have been reached on the stream of `run`."""
    of_joint, of_run = joint.configuration, run.configuration
    if of_joint["strategy"] != "joint":
        raise ValueError(
            f"--joint {joint.path}: a run of '{of_joint['strategy']}'; give one of 'joint'"
        )
    if of_joint["scenario"] != of_run["scenario"]:
        raise ValueError(
            f"--joint {joint.path}: a run on {of_joint['scenario']}; give one on the scenario of "
            f"{run.path}, {of_run['scenario']}"
        )
    both = {**of_joint["options"], **of_run["options"]}
    different = [
        name
        for name in both
        if name.startswith("scenario.")
        and of_joint["options"].get(name) != of_run["options"].get(name)
    ]
    if different:
        raise ValueError(
            f"--joint {joint.path}: a run with another {', '.join(different)}; give one with the "
            f"options of {run.path}"
        )


def _show(
    run: Run, quiet: bool, as_json: bool, joint: Run | None = None, notes: bool = False
) -> None:
    if quiet:
        typer.echo(run.path)
        return
    rows = cast("list[dict[str, Any]]", run.summary(joint).to_dict("records"))
    if as_json:
        plain = [{k: None if v != v else v for k, v in row.items()} for row in rows]
        about = {"run": str(run.path), "status": run.status, "settings": run.settings}
        typer.echo(json.dumps({**about, "summary": plain}))
        return
    from streamsim.cli.tables import divergence, summary_table

    typer.echo(summary_table(run, rows, notes))
    if run.status == "finished":
        for line in divergence(run.table("replicas")):
            typer.echo(line)
    for note in run.info["notes"]:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"run folder: {run.path}")


def _progress(silent: bool) -> Any:
    from streamsim.cli.progress import NoProgress, PlainProgress, TerminalProgress

    if silent:
        return NoProgress()
    return TerminalProgress() if sys.stderr.isatty() else PlainProgress()
