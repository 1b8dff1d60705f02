"""The command line: parse, call, print. Heavy imports wait for the command that needs them."""

from __future__ import annotations

import sys
from typing import Annotated

import click
import typer

from streamsim import __version__
from streamsim.cli import catalogue, data, develop, running

app = typer.Typer(
    name="streamsim",
    help="Continual learning on class-incremental and drifting streams, whole populations at once.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command("run")(running.run)
app.command("resume")(running.resume)
app.command("summary")(running.summary)
app.command("list")(catalogue.list_plugins)
app.command("show")(catalogue.show)
app.add_typer(data.app, name="data")
app.command("check")(develop.check)
app.command("new")(develop.new)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(f"streamsim {__version__}")
        raise typer.Exit


def main() -> None:
    """The entry point. Bad input is one line on standard error and exit code 2."""
    try:
        code = app(standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except click.UsageError as error:
        help_of = error.ctx.command_path if error.ctx is not None else "streamsim"
        _complain(f"{error.format_message()} (see: {help_of} --help)")
        code = 2
    except click.ClickException as error:
        _complain(error.format_message())
        code = error.exit_code
    except ValueError as error:
        _complain(str(error))
        code = 2
    except BrokenPipeError:  # the reader of a pipe has had enough
        sys.stderr.close()
        code = 141
    sys.exit(code)


def _complain(text: str) -> None:
    typer.echo("error: " + " ".join(text.split()), err=True)
