"""Plugins by name. A package offers a table `name -> "module:attribute"` by entry point; a plugin
is imported when it is asked for, and one that cannot be imported never harms the others.

A name such as `river:NAME` stands for a family: its class has a class method `named`, which gives
the plugin class for `river:Phishing`, or a ValueError for a name that is not in the family; one
called `members`, if there is one, lists names.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, NamedTuple

from streamsim.options import did_you_mean

Kind = Literal["scenario", "modifier", "strategy", "model"]
GROUPS: Mapping[Kind, str] = {
    "scenario": "streamsim.scenarios",
    "modifier": "streamsim.modifiers",
    "strategy": "streamsim.strategies",
    "model": "streamsim.models",
}
MEMBER = ":NAME"  # the end of a family's name
PLURALS: Mapping[Kind, str] = {
    "scenario": "scenarios",
    "modifier": "modifiers",
    "strategy": "strategies",
    "model": "models",
}


class Plugin(NamedTuple):
    """Where a name comes from; `problem` says why its table could not be read."""

    name: str
    target: str  # "module:attribute"
    package: str  # the distribution that offers it
    problem: str = ""


@cache
def plugins(kind: Kind) -> Mapping[str, Plugin]:
    """Every registered name of a kind, built-in ones first, without importing the plugins."""
    found: dict[str, Plugin] = {}
    points = entry_points(group=GROUPS[kind])
    ordered = sorted(points, key=lambda p: (_package(p) != "streamsim", p.name, _package(p)))
    offered = [plugin for point in ordered for plugin in _table(point)]
    # tables that cannot be read come last: they must not take a working plugin's name
    for plugin in sorted(offered, key=lambda plugin: bool(plugin.problem)):
        name = plugin.name
        if name in found:
            taken = f"the name '{name}' is taken by {found[name].package}"
            plugin = plugin._replace(problem=plugin.problem or taken)
            name = f"{name} ({plugin.package})"
        found[name] = plugin._replace(name=name)
    return found


def _table(point: EntryPoint) -> list[Plugin]:
    package = _package(point)
    try:
        table = point.load()
        return [Plugin(str(name), str(target), package) for name, target in dict(table).items()]
    except (Exception, SystemExit) as error:  # whatever a stranger's package does on import
        return [Plugin(point.name, point.value, package, _reason(error))]


def _package(point: EntryPoint) -> str:
    """The distribution that offers an entry point."""
    return point.dist.name if point.dist is not None else point.value


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def offers(kind: Kind, name: str) -> bool:
    """Whether a name is registered, or belongs to a family that is."""
    return name in plugins(kind) or _family(kind, name) is not None


def is_family(name: str) -> bool:
    """Whether a registered name stands for others.

    >>> is_family("river:NAME"), is_family("replay")
    (True, False)
    """
    return name.endswith(MEMBER)


def _family(kind: Kind, name: str) -> str | None:
    prefix, colon, member = name.partition(":")
    return prefix + MEMBER if colon and member and prefix + MEMBER in plugins(kind) else None


def load(kind: Kind, name: str) -> type[Any]:
    """The plugin class of a name; ValueError with a near name, or with why the plugin is broken."""
    known = plugins(kind)
    if name in known:
        return _load(kind, name)
    if family := _family(kind, name):
        found: type[Any] = _load(kind, family).named(name.partition(":")[2])
        return found
    asked = name.partition(":")[2]
    member = f":{asked}" if asked else MEMBER
    working = [n.replace(MEMBER, member) for n, plugin in known.items() if not plugin.problem]
    raise ValueError(
        f"unknown {kind} '{name}'{did_you_mean(name, working)}"
        f" (see: streamsim list {PLURALS[kind]})"
    )


def _load(kind: Kind, name: str) -> type[Any]:
    """The class behind a name in a table."""
    plugin = plugins(kind)[name]
    problem = plugin.problem
    if not problem:
        module, _, attribute = plugin.target.partition(":")
        try:
            found: type[Any] = getattr(import_module(module), attribute)
            return found
        except (Exception, SystemExit) as error:  # whatever a stranger's module does
            problem = _reason(error)
    raise ValueError(
        f"{kind} '{name}' of {plugin.package} cannot be loaded from {plugin.target}: {problem}; "
        "mend or uninstall that package"
    )
