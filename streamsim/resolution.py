"""From what a run is asked for to its configuration: validated, named in full, defaults filled in.

Nothing is trained before all of it has been checked, sweeps included.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from streamsim import composition, foreign, registry, scenario_file
from streamsim.configuration import Configuration, parse_seeds
from streamsim.fingerprint import fingerprint
from streamsim.settings import (
    MEASURES,
    ModelFactory,
    Objects,
    build,
    by_section,
    fields_of,
    values_of,
)
from streamsim.strategy import Part
from streamsim.stream import Scenario

DEFAULT_MODEL = "mlp"
NO_MODEL = "none"  # of a foreign learner, which brings its own


def resolve(
    scenario: str | Scenario,
    strategy: str | Part | Sequence[Part],
    model: str | ModelFactory,
    values: Mapping[str, Any],
    seeds: int | Sequence[int],
    sweep: Mapping[str, Sequence[Any]],
    eval_every: int | None,
    transference: bool = False,
    prequential: bool | None = None,
) -> tuple[Configuration, Objects]:
    """Validate everything given, fill in every default, and keep objects given from Python.

    A scenario may be a file ending in .toml (`streamsim.scenario_file`); `values` go before it.
    """
    _check_kinds(values, sweep)
    if isinstance(scenario, str) and scenario.endswith(scenario_file.ENDING):
        scenario, written = scenario_file.read(scenario)
        values = {**{k: v for k, v in written.items() if k not in sweep}, **values}
    objects = _objects(scenario, strategy, model)
    if eval_every is not None and eval_every < 1:
        raise ValueError(f"eval_every={eval_every}: give a number of steps, at least 1")
    if prequential is None:
        prequential = _asks_for_judging(scenario)
    measured = {"transference": transference, "prequential": prequential}
    values = _with_measures(values, sweep, measured)
    if isinstance(strategy, str) and foreign.is_foreign(strategy):
        model = _no_model(strategy, model, [*values, *sweep])
    _check_given(values, sweep, objects)
    names = Configuration(
        scenario=scenario if isinstance(scenario, str) else _name_of(scenario),
        strategy=strategy if isinstance(strategy, str) else _strategy_name(objects.parts or []),
        model=model if isinstance(model, str) else _name_of(model),
        options={},
        seeds=parse_seeds(seeds),
        sweep={},
        eval_every=eval_every,
    )
    resolved = values_of(build(names, objects, values))
    swept = _resolve_sweep(names, values, sweep, objects)
    kept = _kept(resolved, swept, values.get("train.lr") not in (None, "none"))
    return replace(names, options=kept, sweep=swept), objects


def _check_kinds(values: Any, sweep: Any) -> None:
    """Refuse what Python callers may take for options and sweeps."""
    for what, given, example in (
        ("options", values, "{'train.lr': 0.1}"),
        ("sweep", sweep, "{'train.lr': [0.1, 1]}"),
    ):
        if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
            raise ValueError(f"{what}={given!r}: give values by name, as in {example}")
    for name, tried in sweep.items():
        if isinstance(tried, str) or not isinstance(tried, Iterable):
            raise ValueError(
                f"sweep={{'{name}': {tried!r}}}: give a list of values, as in "
                f"{{'{name}': [{tried!r}]}}"
            )


def _objects(
    scenario: str | Scenario, strategy: str | Part | Sequence[Part], model: str | ModelFactory
) -> Objects:
    """What is not a name."""
    parts = None
    if not isinstance(strategy, str):
        parts = [strategy] if isinstance(strategy, Part) else list(strategy)
    return Objects(
        None if isinstance(scenario, str) else scenario,
        parts,
        None if isinstance(model, str) else model,
    )


def _asks_for_judging(scenario: str | Scenario) -> bool:
    """Scenarios of drifting streams want learners judged while they learn."""
    chosen: Any = scenario
    if isinstance(scenario, str):
        chosen = next(iter(composition.scenario_classes(scenario).values()))
    return bool(getattr(chosen, "prequential", False))


def _with_measures(
    values: Mapping[str, Any], sweep: Mapping[str, Any], wanted: Mapping[str, bool]
) -> Mapping[str, Any]:
    """Options of what is measured besides: they stand in a configuration only where it is."""
    for name in [*sweep, *values]:
        section = name.partition(".")[0]
        if section in MEASURES and name in sweep:
            raise ValueError(f"--sweep {name}: a run measures one way; use --set {name}=VALUE")
        if section in MEASURES and not wanted[section]:
            raise ValueError(f"{name}: {section} is not measured; add --{section}")
    defaults: dict[str, Any] = {}
    for section, kind in MEASURES.items():
        if wanted[section]:
            defaults |= fields_of(section, kind())
    return {**defaults, **values}


def _no_model(strategy: str, model: str | ModelFactory, given: Sequence[str]) -> str:
    """The name of no model, where a foreign learner heeds all that is given."""
    if model != DEFAULT_MODEL:
        raise ValueError(f"model: '{strategy}' brings its own model; leave out --model")
    foreign.check_given(strategy, given)
    return NO_MODEL


def _check_given(
    values: Mapping[str, Any], sweep: Mapping[str, Sequence[Any]], objects: Objects
) -> None:
    """Refuse options of no section or of an object, and sweeps over nothing."""
    by_section(values)
    for name in [*values, *sweep]:
        section = name.partition(".")[0]
        if {"scenario": objects.scenario, "model": objects.model}.get(section) is not None:
            raise ValueError(f"{name}: the {section} is an object given from Python; set it there")
    for name in sweep:
        if not list(sweep[name]):
            raise ValueError(f"--sweep {name} names no values; write {name}=0.1,1,10")


def _kept(
    resolved: Mapping[str, Any], swept: Mapping[str, Any], lr_is_given: bool
) -> dict[str, Any]:
    """The options that hold for every setting."""
    kept = {name: value for name, value in resolved.items() if name not in swept}
    if "train.optimizer" in swept and "train.lr" in kept and not lr_is_given:
        kept["train.lr"] = None  # every optimizer brings its own
    return kept


def _resolve_sweep(
    names: Configuration,
    values: Mapping[str, Any],
    sweep: Mapping[str, Sequence[Any]],
    objects: Objects,
) -> dict[str, tuple[Any, ...]]:
    """Full option names and validated values, each checked at the others' defaults."""
    swept: dict[str, tuple[Any, ...]] = {}
    fixed = {full for name in values for full in _full_names(names, objects, name)}
    for name, tried in sweep.items():
        full = _full_names(names, objects, name)
        for again in full:
            if again in fixed or again in swept:
                how = "both set and swept" if again in fixed else "swept twice"
                raise ValueError(f"{again} is {how}; keep one")
        resolved = []
        for value in tried:
            built = build(names, objects, {**values, **dict.fromkeys(full, value)})
            resolved.append(values_of(built)[full[0]])
        doubled = [value for i, value in enumerate(resolved) if value in resolved[:i]]
        if doubled:
            raise ValueError(f"--sweep {name} names {doubled[0]} twice; keep one")
        if len(full) > 1:
            raise ValueError(
                f"--sweep {name}: several parts have this option; name one of {', '.join(full)}"
            )
        swept[full[0]] = tuple(resolved)
    return swept


def _full_names(names: Configuration, objects: Objects, name: str) -> list[str]:
    """`strategy.alpha` to `strategy.lwf.alpha`; names of scenarios with modifiers likewise."""
    section, _, option = name.partition(".")
    if section == "scenario" and objects.scenario is None:
        named = composition.scenario_classes(names.scenario)
        base, last = next(iter(named)), option.rpartition(".")[2]
        owners = composition.scenario_owners(named, option)
        return [f"scenario.{'' if o == base else o + '.'}{last}" for o in owners]
    if section != "strategy" or (objects.parts is None and foreign.is_foreign(names.strategy)):
        return [name]
    if objects.parts is None:
        classes = composition.part_classes(names.strategy)
    else:
        classes = {part.name: type(part) for part in objects.parts}
    assigned = composition.assign(classes, {option: None})
    return [f"strategy.{part}.{key}" for part, given in assigned.items() for key in given]


def _strategy_name(parts: Sequence[Part]) -> str:
    """`replay+mine`; parts that are registered under their name need no mark of their contents,
    because every option of theirs is in the configuration."""
    names = []
    for part in parts:
        known = registry.plugins("strategy").get(part.name)
        ours = known is not None and registry.load("strategy", part.name) is type(part)
        names.append(part.name if ours else f"{part.name}#{fingerprint(part)}")
    if not names:
        raise ValueError("no parts: give a strategy by name, a part, or a list of parts")
    twice = {part.name for part in parts if [p.name for p in parts].count(part.name) > 1}
    if twice:
        raise ValueError(f"the part '{min(twice)}' is given twice; give it once")
    return "+".join(names)


def _name_of(thing: Any) -> str:
    """A name for an object, that differs where its contents differ."""
    kind = thing if callable(thing) and hasattr(thing, "__qualname__") else type(thing)
    return f"python:{kind.__module__}.{kind.__qualname__}#{fingerprint(thing)}"
