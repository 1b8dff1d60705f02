"""What a plugin says about itself: its name, docstring, reference and options."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from streamsim import options
from streamsim.registry import Kind
from streamsim.strategy import Part
from streamsim.templates import NAME

PLAIN = (int, float, str, bool, type(None))


def description(kind: Kind, name: str, cls: type[Any]) -> str:
    """What is missing or wrong in a plugin class, or nothing."""
    return "; ".join([*_naming(kind, name, cls), *_options(cls)])


def _naming(kind: Kind, name: str, cls: type[Any]) -> Iterator[str]:
    if not NAME.fullmatch(name.partition(":")[0]):  # what follows, a family decides
        yield f"the name '{name}' is not made of lower-case letters, digits and single hyphens"
    # a dataclass without a docstring gets its signature as one
    about = (vars(cls).get("__doc__") or "").strip()
    if not about or about.startswith(f"{cls.__name__}("):
        yield f"{cls.__name__} has no docstring"
    if kind == "strategy":
        yield from _part(name, cls)


def _part(name: str, cls: type[Any]) -> Iterator[str]:
    if not issubclass(cls, Part):
        yield f"{cls.__name__} is not a streamsim.strategy.Part"
        return
    if cls.name != name:
        yield f"registered as '{name}', but {cls.__name__}.name is '{cls.name}'"
    if not cls.reference.strip():
        yield f"{cls.__name__}.reference is empty; name the paper, or say what it is"


def _options(cls: type[Any]) -> Iterator[str]:
    known = options.names(cls)
    for name, hint in inspect.get_annotations(cls).items():
        if name not in known and "ClassVar" not in str(hint):
            yield f"{name} is no option; write @dataclass(frozen=True, kw_only=True)"
    if not is_dataclass(cls):
        return
    if not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        yield f"{cls.__name__} is not frozen; write @dataclass(frozen=True, kw_only=True)"
    for option in options.describe(cls):
        if not option.help:
            yield f"option {option.name} has no description; give it with pydantic's Field"
    yield from _defaults(cls)


def _defaults(cls: type[Any]) -> Iterator[str]:
    """Defaults must be what run.json can hold, and pass the options' own bounds."""
    infos = getattr(cls, "__pydantic_fields__", {})
    values = {}
    for field in (field for field in fields(cls) if field.init):
        info = infos.get(field.name)
        default = info.get_default(call_default_factory=True) if info is not None else field.default
        if default is MISSING or repr(default) == "PydanticUndefined":
            return  # an option that must be given: there are no defaults to build from
        values[field.name] = default
        if not _is_plain(default):
            kind = type(default).__name__
            yield f"option {field.name} has a default of type {kind}, not a plain value"
    try:
        options.build(cls, values, cls.__name__)
    except ValueError as error:
        yield f"the defaults are refused: {error}"


def _is_plain(value: Any) -> bool:
    return isinstance(value, PLAIN) or (
        isinstance(value, tuple) and all(_is_plain(each) for each in value)
    )
