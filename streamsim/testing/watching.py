"""Parts whose hooks are watched: what they were given, what they wrote to, what they drew from."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from streamsim.strategy import HOOKS, Part, overrides

Call = Callable[[], Any]
Watch = Callable[[str, Call, Mapping[str, Any]], Any]  # (hook, call, arguments) to the result
DECLARATIONS = ("needs", "check")  # they get no tensors


def watched(part: Part, watch: Watch) -> Part:
    """A copy of a part whose hooks, and the prediction rule it makes, go through `watch`."""

    def guarded(hook: str, call: Call, args: Mapping[str, Any]) -> Any:
        return watch(f"{part.name}.{hook}", call, args)

    def around(hook: str, function: Callable[..., Any]) -> Callable[..., Any]:
        names = list(inspect.signature(getattr(Part, hook)).parameters)[1:]

        def call(self: Part, *args: Any) -> Any:
            given = dict(zip(names, args, strict=True))
            result = guarded(hook, lambda: function(self, *args), given)
            if hook != "predictor":
                return result
            return lambda batch: guarded("predictor()", lambda: result(batch), {"batch": batch})

        return call

    cls = type(part)
    own = [h for h in HOOKS if h not in DECLARATIONS and overrides(part, h)]
    hooks = {hook: around(hook, getattr(cls, hook)) for hook in own}
    copy: Part = object.__new__(type(cls.__name__, (cls,), hooks))
    for field, value in vars(part).items():
        object.__setattr__(copy, field, value)
    return copy


def outermost(watch: Watch) -> Watch:
    """Watch no hook that runs within another one (a forward, say, which a gradient asks for): its
    tensors may be those of a transform."""
    depth = 0

    def guarded(hook: str, call: Call, args: Mapping[str, Any]) -> Any:
        nonlocal depth
        depth += 1
        try:
            return watch(hook, call, args) if depth == 1 else call()
        finally:
            depth -= 1

    return guarded


def tensors(thing: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """The tensors in an argument of a hook, named as its author would."""
    if isinstance(thing, Tensor):
        yield name, thing
    elif isinstance(thing, Mapping):
        for key, value in thing.items():
            yield from tensors(value, f"{name}[{key!r}]")
    elif hasattr(thing, "_fields"):
        for field in thing._fields:
            yield from tensors(getattr(thing, field), f"{name}.{field}")
    elif isinstance(thing, (tuple, list)):
        for i, value in enumerate(thing):
            yield from tensors(value, f"{name}[{i}]")
    elif is_dataclass(thing) and not isinstance(thing, type):
        for each in fields(thing):
            yield from tensors(getattr(thing, each.name), f"{name}.{each.name}")


class Kept(NamedTuple):
    """A tensor as it was."""

    name: str
    tensor: Tensor
    version: int  # counts writes
    copy: Tensor


def kept(things: Mapping[str, Any]) -> list[Kept]:
    """What to compare with later."""
    return [
        Kept(name, tensor, tensor._version, tensor.detach().clone())
        for key, thing in things.items()
        for name, tensor in tensors(thing, key)
    ]


def written(before: list[Kept], things: Mapping[str, Any]) -> list[str]:
    """Names of tensors that were written to, and of those put into dicts or taken out of them."""
    now = {name: tensor for key, thing in things.items() for name, tensor in tensors(thing, key)}
    was = {each.name: each for each in before}
    exchanged = [name for name in now.keys() | was.keys() if not _is_same(now, was, name)]
    changed = [
        each.name
        for each in before
        if each.tensor._version != each.version or not _equal(each.tensor, each.copy)
    ]
    return sorted({*exchanged, *changed})


def _is_same(now: Mapping[str, Tensor], was: Mapping[str, Kept], name: str) -> bool:
    return name in now and name in was and now[name] is was[name].tensor


def _equal(a: Tensor, b: Tensor) -> bool:
    if a.is_floating_point():
        return torch.equal(a.detach().nan_to_num(), b.nan_to_num())
    return torch.equal(a, b)


def hidden_generators() -> tuple[Any, ...]:
    """The states of the generators that nobody may draw from."""
    numpy_state = np.random.get_state(legacy=False)["state"]
    return (
        torch.get_rng_state().numpy().tobytes(),
        random.getstate(),
        numpy_state["key"].tobytes(),
        numpy_state["pos"],
    )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Other states of those generators, put back at the end."""
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()
    try:
        torch.default_generator.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        yield
    finally:
        torch.set_rng_state(before[0])
        random.setstate(before[1])
        np.random.set_state(before[2])
