"""Settings: built from values, and held by one population where they differ in numbers alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from streamsim import composition, resolution, settings
from streamsim.chunks import make_chunks
from streamsim.compilation import Compiler
from streamsim.configuration import Configuration
from streamsim.optimizers import DEFAULT_LR, TrainOptions
from streamsim.settings import Objects, Setting
from streamsim.strategy import Part


def resolve(
    strategy: str = "naive",
    options: Mapping[str, Any] | None = None,
    sweep: Mapping[str, Sequence[Any]] | None = None,
    seeds: int = 1,
) -> tuple[Configuration, Objects]:
    return resolution.resolve(
        "split-digits", strategy, "mlp", options or {}, seeds, sweep or {}, None
    )


def test_a_setting_is_built_from_its_swept_values_and_the_options() -> None:
    given = {"train.epochs": 2, "strategy.temperature": 3}
    found, objects = resolve("lwf", given, {"strategy.alpha": [1, 10]})
    built = [settings.build(found, objects, setting) for setting in found.settings()]
    assert [vars(each.parts[0])["alpha"] for each in built] == [1.0, 10.0]
    assert {vars(each.parts[0])["temperature"] for each in built} == {3.0}
    assert {each.train.epochs for each in built} == {2}


@pytest.mark.parametrize("options", [{}, {"train.lr": None}, {"train.lr": "none"}])
def test_a_swept_optimizer_brings_its_own_learning_rate(options: dict[str, Any]) -> None:
    sweep = {"train.optimizer": ["sgd", "adam", "adamw"]}
    found, objects = resolve(options=options, sweep=sweep)
    rates = [settings.build(found, objects, s).train.lr for s in found.settings()]
    assert rates == [DEFAULT_LR["sgd"], DEFAULT_LR["adam"], DEFAULT_LR["adamw"]]


def test_a_given_learning_rate_holds_for_every_swept_optimizer() -> None:
    sweep = {"train.optimizer": ["sgd", "adam"]}
    found, objects = resolve(options={"train.lr": 0.3}, sweep=sweep)
    rates = [settings.build(found, objects, s).train.lr for s in found.settings()]
    assert rates == [0.3, 0.3]


def test_optimizer_and_learning_rate_may_both_be_swept() -> None:
    sweep: dict[str, Sequence[Any]] = {"train.optimizer": ["sgd", "adam"], "train.lr": [0.3, 0.2]}
    found, objects = resolve(sweep=sweep)
    assert "train.lr" not in found.options
    built = [settings.build(found, objects, s).train for s in found.settings()]
    assert [(train.optimizer, train.lr) for train in built] == [
        ("sgd", 0.3),
        ("sgd", 0.2),
        ("adam", 0.3),
        ("adam", 0.2),
    ]


# -- what one population can hold -----------------------------------------------------------------
def test_only_numbers_that_shape_nothing_are_traced() -> None:
    sweep: dict[str, Sequence[Any]] = {
        "train.lr": [0.1],
        "train.momentum": [0.5],
        "train.weight_decay": [0.1],
        "train.epochs": [2],
        "train.nesterov": ["false"],
        "strategy.lwf.alpha": [1],
        "strategy.lwf.temperature": [1],
        "strategy.replay.memory_size": [50],
        "strategy.replay.policy": ["class-balanced"],
        "model.hidden": ["5"],
        "scenario.validation": [0.1],
    }
    found, objects = resolve("lwf+replay", sweep=sweep)
    [setting] = found.settings()
    built = settings.build(found, objects, setting)
    assert settings.traced(setting, built) == [
        "train.lr",
        "train.momentum",
        "train.weight_decay",
        "strategy.lwf.alpha",
        "strategy.lwf.temperature",
    ]


@plain_dataclass(frozen=True, kw_only=True)
class Pull(Part):
    """A part given from Python, which no registry knows."""

    name: ClassVar[str] = "pull"
    reach: float | None = None


def test_none_is_no_number_to_trace() -> None:
    """A float option may be switched off by None, in a population of its own."""
    scenario = composition.build_scenario("split-digits", {})
    built = Setting(scenario, [Pull()], model=None, train=TrainOptions())
    assert settings.traced({"strategy.pull.reach": 0.5}, built) == ["strategy.pull.reach"]
    assert settings.traced({"strategy.pull.reach": None}, built) == []


def grouped(strategy: str, sweep: Mapping[str, Sequence[Any]]) -> list[list[tuple[int, int]]]:
    """(setting, seed) of every chunk."""
    found, objects = resolve(strategy, sweep=sweep, seeds=2)
    chunks = make_chunks(
        found, objects, Path(), torch.device("cpu"), vectorize="100", compiler=Compiler("off")
    )
    return [list(chunk.replicas) for chunk in chunks]


def test_settings_of_traced_options_share_a_population() -> None:
    sweep: dict[str, Sequence[Any]] = {"train.lr": [0.1, 0.2], "strategy.alpha": [1, 2]}
    assert grouped("lwf", sweep) == [[(s, seed) for s in range(4) for seed in range(2)]]


def test_settings_of_shape_changing_options_are_populations_of_their_own() -> None:
    sweep: dict[str, Sequence[Any]] = {"train.lr": [0.1, 0.2], "strategy.memory_size": [50, 60]}
    assert grouped("replay", sweep) == [
        [(0, 0), (0, 1), (2, 0), (2, 1)],  # memory_size=50
        [(1, 0), (1, 1), (3, 0), (3, 1)],
    ]
