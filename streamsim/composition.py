"""From names to parts that fit each other and the stream, or to a line that says why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streamsim import options, registry
from streamsim.options import did_you_mean
from streamsim.strategy import EXCLUSIVE, Part, overrides
from streamsim.stream import Reveal, StreamSpec

REMEDIES = {
    Reveal.TASK_LABELS: "reveal them with --set scenario.setting=task",
    Reveal.BOUNDARIES: "reveal them with --set scenario.boundaries=revealed",
    Reveal.META_CLASSES: "keep some apart with --set scenario.meta_classes=4 or more",
}


def part_classes(strategy: str) -> dict[str, type[Part]]:
    """Part classes by name, in the order written.

    >>> list(part_classes("replay+lwf"))
    ['replay', 'lwf']
    """
    names = [name.strip() for name in strategy.split("+")]
    for name in names:
        if not name:
            raise ValueError(
                f"strategy '{strategy}' has an empty part; write names as in replay+lwf"
            )
        if names.count(name) > 1:
            raise ValueError(f"strategy '{strategy}' has the part '{name}' twice; name it once")
    return {name: registry.load("strategy", name) for name in names}


def assign(classes: Mapping[str, type], values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Values by part: `memory_size` goes to every part that has it, `replay.memory_size` to one."""
    assigned: dict[str, dict[str, Any]] = {name: {} for name in classes}
    for key, value in values.items():
        part, dot, option = key.rpartition(".")
        owners = [part] if dot else [n for n, c in classes.items() if key in options.names(c)]
        if dot and part not in classes:
            raise ValueError(
                f"unknown part '{part}' in strategy.{key}; this strategy has "
                f"{', '.join(classes)}{did_you_mean(part, classes)}"
            )
        if not owners:
            known = sorted({o for c in classes.values() for o in options.names(c)})
            allowed = f"it has {', '.join(known)}" if known else "it has no options"
            raise ValueError(f"unknown option strategy.{key}; {allowed}{did_you_mean(key, known)}")
        for owner in owners:
            if option in assigned[owner]:
                raise ValueError(
                    f"strategy.{owner}.{option} is given twice, once as strategy.{option}; keep one"
                )
            assigned[owner][option] = value
    return assigned


def build_parts(strategy: str, values: Mapping[str, Any]) -> list[Part]:
    """The parts of a strategy such as `replay+lwf` with their options."""
    classes = part_classes(strategy)
    assigned = assign(classes, values)
    return [options.build(cls, assigned[name], f"strategy.{name}") for name, cls in classes.items()]


def rebuild_parts(parts: Sequence[Part], values: Mapping[str, Any]) -> list[Part]:
    """Parts given as objects, with some of their options replaced."""
    assigned = assign({part.name: type(part) for part in parts}, values)
    return [
        options.build(
            type(part),
            {**{name: getattr(part, name) for name in options.names(type(part))}, **given},
            f"strategy.{part.name}",
        )
        if (given := assigned[part.name])
        else part
        for part in parts
    ]


def check_fit(parts: Sequence[Part], spec: StreamSpec, batch_size: int) -> None:
    """Refuse parts that contradict each other or that need what the stream hides."""
    for hook in EXCLUSIVE:
        owners = [part.name for part in parts if overrides(part, hook)]
        if len(owners) > 1:
            raise ValueError(
                f"{' and '.join(owners)} each bring a {hook}, and a strategy can follow only one; "
                f"leave out {' or '.join(owners)}"
            )
    scopes = [part for part in parts if part.scope != "experience"]
    if len(scopes) > 1:
        names = " and ".join(part.name for part in scopes)
        raise ValueError(f"{names} each choose the data to train on; keep one of them")
    provided = spec.reveals.union(*(part.provides() for part in parts))
    for part in parts:
        for need in sorted(part.needs() - provided):
            raise ValueError(
                f"'{part.name}' needs {need}, which this stream does not reveal "
                f"(setting={spec.setting}); {REMEDIES[need]}, or leave '{part.name}' out"
            )
        part.check(spec, batch_size)


def hints(parts: Sequence[Part], spec: StreamSpec) -> list[str]:
    """What a user may have overlooked; nothing here is wrong."""
    uses_tasks = any(Reveal.TASK_LABELS in part.needs() for part in parts)
    if Reveal.TASK_LABELS in spec.reveals and not uses_tasks:
        names = "+".join(part.name for part in parts)
        return [
            f"the stream reveals task labels, but no part of '{names}' uses them; "
            f"'multihead+{names}' would"
        ]
    return []
