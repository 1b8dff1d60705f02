"""One setting of a configuration as objects: a scenario, parts, a model and training options.

`build` makes them of plain values, and `values_of` tells their values, defaults included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from torch import nn

from streamsim import composition, foreign, options, registry
from streamsim.configuration import Configuration
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

ModelFactory = Callable[[StreamSpec], nn.Module]


@dataclass(frozen=True)
class Objects:
    """Things given from Python in place of registered names."""

    scenario: Scenario | None = None
    parts: Sequence[Part] | None = None
    model: ModelFactory | None = None


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


def build(configuration: Configuration, objects: Objects, setting: Mapping[str, Any]) -> Setting:
    """The objects of one setting, whose values go before the configuration's."""
    sections = by_section({**configuration.options, **setting})
    scenario = objects.scenario
    if scenario is None:
        scenario = composition.build_scenario(configuration.scenario, sections["scenario"])
    learner = None
    model = objects.model
    if objects.parts is None and foreign.is_foreign(configuration.strategy):
        learner = foreign.recipe(configuration.strategy, sections["strategy"])
    elif model is None:
        cls = registry.load("model", configuration.model)
        model = options.build(cls, sections["model"], "model").build
    parts: Sequence[Part] = []
    if objects.parts is not None:
        parts = composition.rebuild_parts(objects.parts, sections["strategy"])
    elif learner is None:
        parts = composition.build_parts(configuration.strategy, sections["strategy"])
    train = options.build(TrainOptions, sections["train"], "train")
    measures = {
        name: options.build(kind, sections[name], name)
        for name, kind in MEASURES.items()
        if sections[name]
    }
    return Setting(scenario, parts, model, train, **measures, foreign=learner)


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


def by_section(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """`train.lr` to `lr` of the section `train`."""
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


def values_of(setting: Setting) -> dict[str, Any]:
    """Every option with its value, defaults included."""
    scenario: Scenario = setting.scenario
    modifiers: Mapping[str, Modifier] = {}
    if isinstance(setting.scenario, Modified):
        scenario, modifiers = setting.scenario.base, setting.scenario.modifiers
    found = fields_of("scenario", scenario)
    for name, modifier in modifiers.items():
        found |= fields_of(f"scenario.{name}", modifier)
    for part in setting.parts:
        found |= fields_of(f"strategy.{part.name}", part)
    owner = getattr(setting.model, "__self__", None)
    found |= (fields_of("model", owner) if owner else {}) | fields_of("train", setting.train)
    if setting.foreign is not None:
        found = {k: v for k, v in found.items() if foreign.heeds(k)}
        found |= {f"strategy.{name}": value for name, value in setting.foreign.options.items()}
    for name in MEASURES:
        found |= fields_of(name, getattr(setting, name))
    return found


def fields_of(prefix: str, built: Any) -> dict[str, Any]:
    if not is_dataclass(built):
        return {}
    named = {f.name: getattr(built, f.name) for f in fields(built) if f.init}
    plain = (int, float, str, bool, tuple, type(None))
    return {
        f"{prefix}.{name}": list(value) if isinstance(value, tuple) else value
        for name, value in named.items()
        if isinstance(value, plain)
    }
