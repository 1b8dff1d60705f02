"""From names to scenarios, and to parts that fit each other and the stream, or to a line that says
why not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streamsim import options, registry
from streamsim.modifiers import Modified
from streamsim.options import did_you_mean
from streamsim.strategy import EXCLUSIVE, Part, overrides
from streamsim.stream import Reveal, Scenario, StreamSpec

REMEDIES = {
    Reveal.TASK_LABELS: "reveal them with --set scenario.setting=task",
    Reveal.BOUNDARIES: "reveal them with --set scenario.boundaries=revealed "
    "(a blurred stream has none)",
    Reveal.META_CLASSES: "keep some apart with --set scenario.meta_classes=4 or more",
}


def part_classes(strategy: str) -> dict[str, type[Part]]:
    """Part classes by name, in the order written.

    >>> list(part_classes("replay+lwf"))
    ['replay', 'lwf']
    """
    names = _names("strategy", strategy, "part", "replay+lwf")
    return {name: registry.load("strategy", name) for name in names}


def _names(what: str, text: str, of: str, example: str) -> list[str]:
    """Names joined by plus signs, each once."""
    names = [name.strip() for name in text.split("+")]
    for name in names:
        if not name:
            raise ValueError(f"{what} '{text}' has an empty {of}; write names as in {example}")
        if names.count(name) > 1:
            raise ValueError(f"{what} '{text}' has the {of} '{name}' twice; name it once")
    return names


def scenario_classes(scenario: str) -> dict[str, type[Any]]:
    """The class of a scenario, then those of its modifiers, by name.

    >>> list(scenario_classes("split-digits+label-noise"))
    ['split-digits', 'label-noise']
    """
    base, *modifiers = _names("scenario", scenario, "modifier", "split-digits+label-noise")
    return {
        base: registry.load("scenario", base),
        **{name: registry.load("modifier", name) for name in modifiers},
    }


def scenario_owners(classes: Mapping[str, type], key: str) -> list[str]:
    """Whose option it is: the scenario's own comes first; `blurred.width` names a modifier."""
    base, *modifiers = classes
    modifier, dot, option = key.rpartition(".")
    if dot and modifier not in modifiers:
        has = f"has {', '.join(modifiers)}" if modifiers else "has none"
        raise ValueError(
            f"unknown modifier '{modifier}' in scenario.{key}; this scenario {has}"
            f"{did_you_mean(modifier, modifiers)}"
        )
    if dot or option in options.names(classes[base]) or not modifiers:
        return [modifier if dot else base]
    owners = [name for name in modifiers if option in options.names(classes[name])]
    if not owners:
        known = sorted({o for c in classes.values() for o in options.names(c)})
        raise ValueError(
            f"unknown option scenario.{key}; it has {', '.join(known)}{did_you_mean(key, known)}"
        )
    return owners


def build_scenario(scenario: str, values: Mapping[str, Any]) -> Scenario:
    """A scenario such as `split-digits+label-noise` with its options."""
    classes = scenario_classes(scenario)
    assigned: dict[str, dict[str, Any]] = {name: {} for name in classes}
    for key, value in values.items():
        option = key.rpartition(".")[2]
        for owner in scenario_owners(classes, key):
            if option in assigned[owner]:
                raise ValueError(
                    f"scenario.{owner}.{option} is given twice, once as scenario.{option}; keep one"
                )
            assigned[owner][option] = value
    base, *modifiers = classes
    built: Scenario = options.build(classes[base], assigned[base], "scenario")
    if not modifiers:
        return built
    return Modified(
        built,
        {n: options.build(classes[n], assigned[n], f"scenario.{n}") for n in modifiers},
    )


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
