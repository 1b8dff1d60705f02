"""The command line: parse, call, print. Heavy imports wait for the command that needs them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from streamsim import __version__, process
from streamsim.cli import (
    catalogue,
    comparing,
    data,
    develop,
    plotting,
    previewing,
    reporting,
    running,
)

# Typer brings its own copy of click or uses the installed one, depending on its version
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
_ClickException: type[Exception] = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="streamsim",
    help="Continual learning on class-incremental and drifting streams, whole populations at once.",
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command("run")(running.run)
app.command("resume")(running.resume)
app.command("summary")(running.summary)
app.command("plot")(plotting.plot)
app.command("report")(reporting.report)
app.command("compare")(comparing.compare)
app.command("export")(comparing.export)
app.command("preview")(previewing.preview)
app.command("list")(catalogue.list_plugins)
app.command("show")(catalogue.show)
app.add_typer(data.app, name="data")
app.command("check")(develop.check)
app.command("new")(develop.new)


@app.callback(invoke_without_command=True)
def _options(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(f"streamsim {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def main() -> None:
    """The entry point. Bad input is one line on standard error and exit code 2."""
    process.settle()
    try:
        code = app(standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except (_UsageError, _ClickException) as error:
        context = getattr(error, "ctx", None)
        help_of = context.command_path if context is not None else "streamsim"
        message = getattr(error, "format_message", error.__str__)()
        _complain(f"{message.rstrip('.')} (see: {help_of} --help)")
        code = 2
    except ValueError as error:
        _complain(str(error))
        code = 2
    except (MemoryError, RuntimeError) as error:
        if not _lacks_memory(error):
            raise
        _complain(
            "not enough memory for what was asked; make models, batches and memories smaller, or "
            f"train fewer replicas side by side (--vectorize N): {str(error).splitlines()[0]}"
        )
        code = 2
    except BrokenPipeError:  # the reader of a pipe has had enough
        sys.stderr.close()
        code = 141
    sys.exit(code)


def _lacks_memory(error: MemoryError | RuntimeError) -> bool:
    """Whether an allocation failed: on a CPU, torch has no class of its own for that."""
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool({"MemoryError", "OutOfMemoryError"} & names) or "allocate memory" in str(error)


def _complain(text: str) -> None:
    typer.echo("error: " + " ".join(text.split()), err=True)
