"""Typed options: plugins declare them once, as fields of a frozen keyword-only pydantic dataclass;
`--set`, `--sweep`, `streamsim show`, validation and run.json all derive from those fields.
"""

from __future__ import annotations

import difflib
import math
import re
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


class Option(NamedTuple):
    """One option as people see it."""

    name: str
    type: str
    default: str
    bounds: str
    help: str


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` when something known is close, else nothing.

    >>> did_you_mean("reply", ["replay", "lwf"])
    "; did you mean 'replay'?"
    """
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def names(cls: type) -> list[str]:
    """The options a plugin class declares, in order."""
    return [field.name for field in fields(cls) if field.init] if is_dataclass(cls) else []


def is_float(cls: type, name: str) -> bool:
    """Whether an option may be swept inside one population: a number that changes no shape."""
    hint = get_type_hints(cls, include_extras=False)[name]
    arms = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return float in arms


def build(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """An instance from texts or values, or one ValueError line naming `where.option`."""
    import pydantic

    known = names(cls)
    for name in values:
        if name not in known:
            allowed = f"it has {', '.join(known)}" if known else "it has no options"
            raise ValueError(f"unknown option {where}.{name}; {allowed}{did_you_mean(name, known)}")
    hints = get_type_hints(cls) if is_dataclass(cls) else {}
    for name, value in values.items():
        if value == "" and type(None) in get_args(hints[name]):
            raise ValueError(f"{where}.{name}= has no value; write {where}.{name}=none, or a value")
    try:
        built = cls(**{name: _parse(value, hints[name]) for name, value in values.items()})
    except pydantic.ValidationError as error:
        raise ValueError("; ".join(_line(e, where) for e in _telling(error.errors()))) from None
    for name in values:
        value = getattr(built, name)
        each = value if isinstance(value, tuple) else (value,)
        if any(isinstance(number, float) and not math.isfinite(number) for number in each):
            raise ValueError(f"{where}.{name}={show_value(value)}: give a finite number")
    return built


def _telling(errors: Sequence[Any]) -> list[Any]:
    """Without a second one that only says that wrong items do not count as items."""
    with_bad_items = {error["loc"][:1] for error in errors if len(error["loc"]) > 1}
    return [e for e in errors if e["type"] != "too_short" or e["loc"] not in with_bad_items]


def _line(error: Any, where: str) -> str:
    """One pydantic error in one line: what was given and what is allowed."""
    path = ".".join([where, *(str(part) for part in error["loc"] if not isinstance(part, int))])
    text = error["msg"].removeprefix("Value error, ")
    given = error.get("input")
    if error["type"] == "missing":
        return f"{path} is required: --set {path}=..."
    if not error["loc"]:  # a check across options, whose text names what was given
        return f"{where}: {text}"
    shown = ",".join(map(str, given)) if isinstance(given, (list, tuple)) else str(given)
    if error["type"] == "literal_error":
        text += did_you_mean(shown, re.findall(r"'([^']+)'", error["ctx"]["expected"]))
    return f"{path}={shown}: {text[0].lower()}{text[1:]}"


def _parse(value: Any, hint: Any) -> Any:
    """Texts from a command line to what pydantic reads: commas make tuples, 'none' makes None."""
    if not isinstance(value, str):
        return value
    arms = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    if type(None) in arms and value.lower() == "none":
        return None
    if any(get_origin(arm) is tuple for arm in arms):
        return tuple(part for part in map(str.strip, value.split(",")) if part)
    return value


def parse_assignments(texts: Iterable[str], flag: str = "--set") -> dict[str, str]:
    """`["train.lr=0.1"]` to `{"train.lr": "0.1"}`; an option given twice is refused.

    >>> parse_assignments(["model.hidden=100,100"])
    {'model.hidden': '100,100'}
    """
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or "." not in name:
            raise ValueError(
                f"{flag} {text}: write section.option=value, such as {flag} train.lr=0.1"
            )
        if name in values:
            raise ValueError(f"{flag} {name} is given twice ({values[name]} and {value}); keep one")
        values[name] = value
    return values


def describe(cls: type) -> list[Option]:
    """What `streamsim show` prints for a plugin class."""
    if not is_dataclass(cls):
        return []
    hints = get_type_hints(cls)
    infos = getattr(cls, "__pydantic_fields__", {})
    described = []
    for field in fields(cls):
        if not field.init:
            continue
        info = infos.get(field.name)
        default = info.default if info is not None else field.default
        described.append(
            Option(
                field.name,
                type_name(hints[field.name]),
                "required"
                if default is MISSING or repr(default) == "PydanticUndefined"
                else show_value(default),
                bounds(info.metadata if info is not None else ()),
                (info.description or "") if info is not None else "",
            )
        )
    return described


def show_value(value: Any) -> str:
    """A value as it is typed after `--set name=`."""
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value))
    return (
        "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )


def type_name(hint: Any) -> str:
    """A type as people say it.

    >>> type_name(tuple[int, ...]), type_name(Literal["a", "b"]), type_name(int | None)
    ('int,int,...', 'a | b', 'int | none')
    >>> type_name(tuple[Literal["a", "b"], ...])
    '(a | b),...'
    """
    if get_origin(hint) is Literal:
        return " | ".join(map(str, get_args(hint)))
    if get_origin(hint) in (Union, types.UnionType):
        return " | ".join(type_name(arm) for arm in get_args(hint))
    if get_origin(hint) is tuple:
        inner = type_name(get_args(hint)[0])
        return f"({inner}),..." if "|" in inner else f"{inner},{inner},..."
    return "none" if hint is type(None) else getattr(hint, "__name__", str(hint))


def bounds(metadata: Iterable[Any]) -> str:
    """Constraints in words, such as `>= 1, <= 10`."""
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "min_length": "length >="}
    found = [
        f"{sign} {getattr(constraint, name)}"
        for constraint in metadata
        for name, sign in signs.items()
        if getattr(constraint, name, None) is not None
    ]
    return ", ".join(found)
