"""What a run is: names, options, seeds and sweeps; all of it validated before anything is trained.

A configuration is plain data (it is what run.json holds); `build` turns one setting of it into a
scenario, parts, a model and training options.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any

from torch import nn

from streamsim import composition, foreign, options, registry, scenario_file
from streamsim.fingerprint import fingerprint
from streamsim.foreign import Recipe
from streamsim.modifiers import Modified, Modifier
from streamsim.optimizers import TrainOptions
from streamsim.options import did_you_mean
from streamsim.prequential import PrequentialOptions
from streamsim.strategy import Part
from streamsim.stream import Scenario, StreamSpec
from streamsim.transference import TransferenceOptions

MEASURES: Mapping[str, Any] = {
    "transference": TransferenceOptions,
    "prequential": PrequentialOptions,
}
SECTIONS = ("scenario", "strategy", "model", "train", *MEASURES)
TRAIN_FLOATS = ("lr", "momentum", "weight_decay")
MAX_SEED = 2**62
DEFAULT_MODEL = "mlp"
NO_MODEL = "none"  # of a foreign learner, which brings its own

ModelFactory = Callable[[StreamSpec], nn.Module]


@dataclass(frozen=True)
class Objects:
    """Things given from Python in place of registered names."""

    scenario: Scenario | None = None
    parts: Sequence[Part] | None = None
    model: ModelFactory | None = None


@dataclass(frozen=True)
class Configuration:
    """Everything that decides a run's results; plain data."""

    scenario: str
    strategy: str
    model: str
    options: Mapping[str, Any]  # "section.option" or "strategy.part.option" to its value
    seeds: tuple[int, ...]
    sweep: Mapping[str, tuple[Any, ...]]  # the same names, to the values to try
    eval_every: int | None

    def identity(self) -> str:
        """A short name of the configuration: equal exactly where all of it is equal."""
        # the order of swept options numbers the settings, so it counts
        plain = {**asdict(self), "sweep": list(self.sweep.items())}
        text = json.dumps(plain, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def settings(self) -> list[dict[str, Any]]:
        """The grid of swept values, the last option running fastest; one empty setting if none."""
        return [
            dict(zip(self.sweep, values, strict=True))
            for values in itertools.product(*self.sweep.values())
        ]


@dataclass(frozen=True)
class Setting:
    """One setting of a configuration, as objects."""

    scenario: Scenario
    parts: Sequence[Part]
    model: ModelFactory | None  # None: a foreign learner brings its own
    train: TrainOptions
    transference: TransferenceOptions | None = None  # None: not measured
    prequential: PrequentialOptions | None = None
    foreign: Recipe | None = None  # learns in place of parts


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
    if isinstance(scenario, str) and scenario.endswith(scenario_file.ENDING):
        scenario, written = scenario_file.read(scenario)
        values = {**{k: v for k, v in written.items() if k not in sweep}, **values}
    parts = None
    if not isinstance(strategy, str):
        parts = [strategy] if isinstance(strategy, Part) else list(strategy)
    objects = Objects(
        None if isinstance(scenario, str) else scenario,
        parts,
        None if isinstance(model, str) else model,
    )
    if eval_every is not None and eval_every < 1:
        raise ValueError(f"eval_every={eval_every}: give a number of steps, at least 1")
    chosen = objects.scenario or next(iter(composition.scenario_classes(str(scenario)).values()))
    if prequential is None:  # scenarios of drifting streams ask for it
        prequential = getattr(chosen, "prequential", False)
    wanted = {"transference": transference, "prequential": prequential}
    values = _with_measures(values, sweep, wanted)
    if isinstance(strategy, str) and foreign.is_foreign(strategy):
        if model != DEFAULT_MODEL:
            raise ValueError(f"model: '{strategy}' brings its own model; leave out --model")
        foreign.check_given(strategy, [*values, *sweep])
        model = NO_MODEL
    sections = _by_section(values)
    for name in [*values, *sweep]:
        section = name.partition(".")[0]
        if {"scenario": objects.scenario, "model": objects.model}.get(section) is not None:
            raise ValueError(f"{name}: the {section} is an object given from Python; set it there")
    for name in sweep:
        if not list(sweep[name]):
            raise ValueError(f"--sweep {name} names no values; write {name}=0.1,1,10")
    names = Configuration(
        scenario=scenario if isinstance(scenario, str) else _name_of(scenario),
        strategy=strategy if isinstance(strategy, str) else _strategy_name(parts or []),
        model=model if isinstance(model, str) else _name_of(model),
        options={},
        seeds=parse_seeds(seeds),
        sweep={},
        eval_every=eval_every,
    )
    resolved = _options_of(_build(names, sections, objects))
    swept = _resolve_sweep(names, values, sweep, objects)
    kept = {name: value for name, value in resolved.items() if name not in swept}
    given_lr = values.get("train.lr") not in (None, "none")
    if "train.optimizer" in swept and "train.lr" in kept and not given_lr:
        kept["train.lr"] = None  # every optimizer brings its own
    return Configuration(**{**vars(names), "options": kept, "sweep": swept}), objects


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
            defaults |= _fields(section, kind())
    return {**defaults, **values}


def build(configuration: Configuration, objects: Objects, setting: Mapping[str, Any]) -> Setting:
    """The objects of one setting."""
    return _build(configuration, _by_section({**configuration.options, **setting}), objects)


def traced(setting: Mapping[str, Any], built: Setting) -> list[str]:
    """The swept options that one population can hold side by side: numbers that shape nothing."""
    parts = {part.name: type(part) for part in built.parts}
    found = []
    for name in setting:
        section, _, rest = name.partition(".")
        part, _, option = rest.rpartition(".")
        number = isinstance(setting[name], (int, float)) and not isinstance(setting[name], bool)
        if built.foreign is not None or not number:
            holds = False
        elif section == "train":
            holds = rest in TRAIN_FLOATS
        else:
            holds = section == "strategy" and options.is_float(parts[part], option)
        if holds:
            found.append(name)
    return found


def parse_seeds(seeds: int | Sequence[int] | str) -> tuple[int, ...]:
    """A number of seeds (0, 1, ...), or the seeds themselves.

    >>> parse_seeds("3"), parse_seeds("7,"), parse_seeds([7, 11])
    ((0, 1, 2), (7,), (7, 11))
    """
    if isinstance(seeds, str):
        try:
            listed = [int(part) for part in seeds.split(",") if part.strip()]
        except ValueError:
            raise ValueError(
                f"--seeds {seeds}: give a number of seeds, as in 30, or the seeds, as in 7,11,13"
            ) from None
        seeds = listed if "," in seeds or not listed else listed[0]
    if isinstance(seeds, int):
        if seeds < 1:
            raise ValueError(f"{seeds} seeds: at least 1 is needed")
        return tuple(range(seeds))
    if not seeds:
        raise ValueError("no seeds: give a number of seeds, as in 30, or a list, as in 7,11,13")
    twice = sorted({seed for seed in seeds if list(seeds).count(seed) > 1})
    if twice:
        raise ValueError(f"seed {twice[0]} is given twice; every seed can run once")
    outside = [seed for seed in seeds if not 0 <= seed < MAX_SEED]
    if outside:
        raise ValueError(f"seed {outside[0]}: seeds run from 0 to {MAX_SEED - 1}")
    return tuple(seeds)


def _by_section(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    sections: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    for name, value in values.items():
        section, _, option = name.partition(".")
        if section not in sections:
            raise ValueError(
                f"unknown section '{section}' in {name}; options begin with "
                f"{', '.join(s + '.' for s in SECTIONS)}{did_you_mean(section, SECTIONS)}"
            )
        sections[section][option] = value
    return sections


def _build(
    names: Configuration, sections: Mapping[str, Mapping[str, Any]], objects: Objects
) -> Setting:
    scenario = objects.scenario
    if scenario is None:
        scenario = composition.build_scenario(names.scenario, sections["scenario"])
    learner = None
    model = objects.model
    if objects.parts is None and foreign.is_foreign(names.strategy):
        learner = foreign.recipe(names.strategy, sections["strategy"])
    elif model is None:
        cls = registry.load("model", names.model)
        model = options.build(cls, sections["model"], "model").build
    parts: Sequence[Part] = []
    if objects.parts is not None:
        parts = composition.rebuild_parts(objects.parts, sections["strategy"])
    elif learner is None:
        parts = composition.build_parts(names.strategy, sections["strategy"])
    train = options.build(TrainOptions, sections["train"], "train")
    measures = {
        name: options.build(kind, sections[name], name)
        for name, kind in MEASURES.items()
        if sections[name]
    }
    return Setting(scenario, parts, model, train, **measures, foreign=learner)


def _options_of(setting: Setting) -> dict[str, Any]:
    """Every option with its value, defaults included."""
    scenario: Scenario = setting.scenario
    modifiers: Mapping[str, Modifier] = {}
    if isinstance(setting.scenario, Modified):
        scenario, modifiers = setting.scenario.base, setting.scenario.modifiers
    found = _fields("scenario", scenario)
    for name, modifier in modifiers.items():
        found |= _fields(f"scenario.{name}", modifier)
    for part in setting.parts:
        found |= _fields(f"strategy.{part.name}", part)
    owner = getattr(setting.model, "__self__", None)
    found |= (_fields("model", owner) if owner else {}) | _fields("train", setting.train)
    if setting.foreign is not None:
        found = {k: v for k, v in found.items() if foreign.heeds(k)}
        found |= {f"strategy.{name}": value for name, value in setting.foreign.options.items()}
    for name in MEASURES:
        found |= _fields(name, getattr(setting, name))
    return found


def _fields(prefix: str, built: Any) -> dict[str, Any]:
    if not is_dataclass(built):
        return {}
    named = {f.name: getattr(built, f.name) for f in fields(built) if f.init}
    plain = (int, float, str, bool, tuple, type(None))
    return {
        f"{prefix}.{name}": list(value) if isinstance(value, tuple) else value
        for name, value in named.items()
        if isinstance(value, plain)
    }


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
            built = _build(names, _by_section({**values, **dict.fromkeys(full, value)}), objects)
            resolved.append(_options_of(built)[full[0]])
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
