"""Options of river's objects, read from the signatures of their classes.

An option that wants another object (a base learner, a detector, an optimizer) takes its name, and
that object's options stand below: `model=HoeffdingTreeClassifier`, `model.grace_period=50`.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import math
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Union, get_args, get_origin

from torch import Tensor

from streamsim import draws
from streamsim.foreign.onebyone import failing_as
from streamsim.options import Option, did_you_mean, show_value

REQUIRED = inspect.Parameter.empty
SEEDS = 2**31  # river hands them to generators that take 32 bits
WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "features as in 0,1 or age,sex",
    str: "text",
}
Find = Callable[[str, tuple[type, ...]], type]  # a name, and what it may be, to a class


class Parameter(NamedTuple):
    """One option of a class."""

    name: str
    kinds: tuple[type, ...]  # of bool, int, float, list, str: what it takes as it is
    objects: tuple[type, ...]  # what it takes by name
    default: Any  # REQUIRED if it has none

    @property
    def words(self) -> str:
        """What it takes, as people say it."""
        named = [f"the name of a {kind.__name__} of river" for kind in self.objects]
        return " or ".join(
            [
                *(WORDS[kind] for kind in self.kinds),
                *named,
                *(["none"] if self.default is None else []),
            ]
        )


def parameters(cls: type) -> dict[str, Parameter]:
    """The options of a class by name, in order."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    constructor = inspect.unwrap(getattr(cls, "__init__"))  # noqa: B009 (mypy)
    scope = vars(sys.modules[getattr(constructor, "__module__", cls.__module__)])
    found = {}
    for name, each in inspect.signature(cls).parameters.items():
        if each.kind in named:
            kinds, objects = _takes(each, scope)
            found[name] = Parameter(name, kinds, objects, each.default)
    return found


def _takes(parameter: inspect.Parameter, scope: Mapping[str, Any]) -> tuple[Any, Any]:
    """Plain kinds and classes of river; by the default where there is no annotation."""
    hint, default = parameter.annotation, parameter.default
    if isinstance(hint, str):
        try:
            hint = eval(hint, dict(scope))  # river's own annotations, which it keeps as text
        except (NameError, AttributeError):  # imported for type checkers only
            hint = REQUIRED
    if hint is REQUIRED and default is REQUIRED:
        from river.base import Base

        return (), (Base,)
    if hint is REQUIRED and default is None:
        return (int, float, str), ()
    if hint is REQUIRED:  # numbers without a point are defaults of options that take any
        return ((int, float) if type(default) is int else (type(default),)), ()
    arms = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    plain = tuple(kind for kind in _READERS if kind in arms)
    ours = [arm for arm in arms if isinstance(arm, type) and arm.__module__.startswith("river.")]
    return plain, tuple(ours)


def resolve(cls: type, values: Mapping[str, Any], where: str, find: Find) -> dict[str, Any]:
    """Every option with its value, plain data; ValueError names `where.option`."""
    known = parameters(cls)
    own = {name: value for name, value in values.items() if "." not in name}
    below: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        head, dot, rest = name.partition(".")
        if head not in known:
            allowed = f"it has {', '.join(known)}" if known else "it has no options"
            raise ValueError(f"unknown option {where}.{name}; {allowed}{did_you_mean(head, known)}")
        if dot:
            below.setdefault(head, {})[rest] = value
    resolved: dict[str, Any] = {}
    for name, parameter in known.items():
        value, kind = _value(parameter, own, where, find)
        inner = below.get(name, {})
        if value is None or isinstance(value, tuple(_READERS)):
            resolved[name] = value
        if kind is not None:
            found = resolve(kind, inner, f"{where}.{name}", find)
            resolved |= {f"{name}.{option}": value for option, value in found.items()}
        elif inner:
            raise ValueError(
                f"{where}.{name}.{next(iter(inner))}: {where}.{name} names no object; give "
                f"{where}.{name}=NAME too, or leave this out"
            )
    return resolved


def _value(
    parameter: Parameter, own: Mapping[str, Any], where: str, find: Find
) -> tuple[Any, type | None]:
    """The value of an option, and the class that it names, if it does."""
    full, default = f"{where}.{parameter.name}", parameter.default
    if parameter.name not in own:
        if default is REQUIRED:
            unable = "an object that has no name here; choose something else"
            raise ValueError(f"{full} is needed: {parameter.words or unable}")
        return default, None
    given = own[parameter.name]
    if default is None and (given is None or str(given).lower() in ("none", "")):
        return None, None
    for kind in parameter.kinds:
        with contextlib.suppress(ValueError):
            return _READERS[kind](given), None
    if parameter.objects and isinstance(given, str):
        try:
            return given, find(given, parameter.objects)
        except ValueError as error:
            raise ValueError(f"{full}={given}: {error}") from None
    shown = show_value(given)
    raise ValueError(
        f"{full}={shown}: give {parameter.words}"
        if parameter.words
        else f"{full}={shown}: this option takes objects that have no name here; leave it out"
    )


def _bool(given: Any) -> bool:
    if str(given).lower() in ("true", "false"):
        return str(given).lower() == "true"
    raise ValueError


def _int(given: Any) -> int:
    if isinstance(given, (bool, float)):
        raise ValueError
    return int(given)


def _float(given: Any) -> float:
    if isinstance(given, bool) or not math.isfinite(float(given)):
        raise ValueError
    return float(given)


def _list(given: Any) -> list[int | str]:
    places = given.split(",") if isinstance(given, str) else given
    if not isinstance(places, (list, tuple)) or not all(isinstance(p, (int, str)) for p in places):
        raise ValueError
    return [int(p) if str(p).isdecimal() else str(p) for p in places if p != ""]


def _str(given: Any) -> str:
    if not isinstance(given, str):
        raise ValueError
    return given


# in the order in which a text is tried
_READERS: Mapping[type, Callable[[Any], Any]] = {
    bool: _bool,
    int: _int,
    float: _float,
    list: _list,
    str: _str,
}


def build(cls: type, resolved: Mapping[str, Any], key: Tensor, where: str, find: Find) -> Any:
    """An object of resolved options; a `seed` that is None is drawn from the key, for it and for
    every object below."""
    given: dict[str, Any] = {}
    for name, parameter in parameters(cls).items():
        if name not in resolved:
            continue
        value = given[name] = resolved[name]
        if name == "seed" and value is None:
            given[name] = int(draws.fold(key, "seed")) % SEEDS
        elif parameter.objects and isinstance(value, str) and str not in parameter.kinds:
            prefix = f"{name}."
            below = {k.removeprefix(prefix): v for k, v in resolved.items() if k.startswith(prefix)}
            kind = find(value, parameter.objects)
            given[name] = build(kind, below, draws.fold(key, name), f"{where}.{name}", find)
    silence = contextlib.redirect_stdout(io.StringIO())  # river prints that it replaces a value
    with failing_as(f"{where}: {cls.__name__} refuses its options"), silence:
        built = cls(**given)
    for name, value in given.items():
        if isinstance(value, str) and getattr(built, name, value) != value:
            raise ValueError(
                f"{where}.{name}={value}: {cls.__name__} does not know it and would take "
                f"'{getattr(built, name)}'"
            )
    return built


def describe(cls: type) -> list[Option]:
    """What `streamsim show` prints of them."""
    return [
        Option(
            each.name,
            each.words or "an object without a name",
            "required" if each.default is REQUIRED else show_value(each.default),
            "",
            "",
        )
        for each in parameters(cls).values()
    ]
