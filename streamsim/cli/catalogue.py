"""`streamsim list` and `streamsim show`."""

from __future__ import annotations

import inspect
import json
import textwrap
from typing import Annotated, Any, cast

import typer

from streamsim import foreign, options, registry
from streamsim.options import did_you_mean
from streamsim.registry import PLURALS, Kind

FIGURES = ("figure", "figures")  # can be listed; they are no plugins


def list_plugins(
    kind: Annotated[
        str, typer.Argument(help="scenarios, modifiers, strategies, models or figures")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """List what is registered, with one line each; plugins that cannot be loaded are named."""
    rows = _figures() if kind in FIGURES else _plugins(_kind(kind, FIGURES))
    if as_json:
        typer.echo(json.dumps(rows))
        return
    width = max((len(str(row["name"])) for row in rows), default=0)
    for row in rows:
        mark = "" if row["works"] else "BROKEN: "
        typer.echo(f"{row['name']:<{width}}  {mark}{row['about']}")
    if kind in ("strategy", PLURALS["strategy"]):
        for prefix, library in foreign.LIBRARIES.items():
            typer.echo(f"{prefix + ':NAME':<{width}}  {library.about}")


def _plugins(kind: Kind) -> list[dict[str, Any]]:
    rows = []
    for name, plugin in registry.plugins(kind).items():
        try:
            about, works = _first_line(registry.load(kind, name)), True
        except ValueError as error:
            about, works = str(error), False
        rows.append({"name": name, "package": plugin.package, "works": works, "about": about})
    return rows


def _figures() -> list[dict[str, Any]]:
    from streamsim_reports.figures import KINDS

    about = {name: kind.description for name, kind in KINDS.items()}
    return [
        {"name": name, "package": "streamsim", "works": True, "about": text}
        for name, text in about.items()
    ]


def show(
    kind: Annotated[str, typer.Argument(help="scenario, modifier, strategy or model")],
    name: Annotated[str, typer.Argument(help="Its registered name.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Show what a plugin does, its options, what it needs revealed, and its paper."""
    found = _kind(kind)
    section = {"strategy": f"strategy.{name}.", "modifier": f"scenario.{name}."}.get(
        found, f"{found}."
    )
    if found == "strategy" and foreign.is_foreign(name):
        (about, described), facts, section = foreign.describe(name), {}, "strategy."
    else:
        cls = registry.load(found, name)
        about, described, facts = (
            inspect.getdoc(cls) or "",
            options.describe(cls),
            _facts(found, name, cls),
        )
    if as_json:
        listed = [option._asdict() for option in described]
        typer.echo(json.dumps({"name": name, "about": about, **facts, "options": listed}))
        return
    typer.echo(f"{found} {name}\n")
    typer.echo(f"{about}\n")
    for fact, value in facts.items():
        typer.echo(textwrap.fill(f"{fact}: {value}", 98, subsequent_indent="    "))
    typer.echo(f"\noptions (--set {section}OPTION=VALUE):" if described else "\nno options")
    for option in described:
        limits = f", {option.bounds}" if option.bounds else ""
        typer.echo(f"  {option.name}={option.default}  ({option.type}{limits})")
        if option.help:
            typer.echo(
                textwrap.fill(option.help, 94, initial_indent="      ", subsequent_indent="      ")
            )


def _kind(word: str, more: tuple[str, ...] = ()) -> Kind:
    """A kind of plugins from its name; `more`, singular and plural, could be asked for as well."""
    for kind, plural in PLURALS.items():
        if word in (kind, plural):
            return kind
    known = [*PLURALS.values(), *more[1:], *PLURALS, *more[:1]]
    choices = ", ".join([*PLURALS.values(), *more[1:]])
    raise ValueError(f"unknown kind '{word}'; choose {choices}{did_you_mean(word, known)}")


def _first_line(cls: type[Any]) -> str:
    return (inspect.getdoc(cls) or "").strip().partition("\n")[0]


def _facts(kind: Kind, name: str, cls: type[Any]) -> dict[str, str]:
    """Reference, and for parts what the stream must reveal at default options."""
    facts = {}
    if hasattr(cls, "members") and registry.is_family(name):
        facts["names"] = ", ".join(cls.members())
    if kind == "strategy":
        needs = sorted(str(need) for need in cast(Any, cls)().needs())
        facts["needs"] = ", ".join(needs) or "nothing beyond samples and labels"
    if getattr(cls, "reference", ""):
        facts["reference"] = cls.reference
    return facts
