"""Every registered plugin keeps its promises, whoever wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamsim import options, registry
from streamsim.options import Option
from streamsim.registry import Kind
from streamsim.testing import check
from streamsim.testing.scenarios import DATA

ROOT = Path(__file__).resolve().parents[1].parent / "shared" / "data"

# values that let a check reach every branch in seconds, for parts that have these options
SMALL: dict[str, Any] = {
    "delay": 20,
    "memory_size": 40,  # full within the first experience of the toy
    "iterations": 3,
    "num_samples": 30,
    "trigger": "periodic",  # a real detector says nothing on so few samples
    "period": 10,
}
LARGE = ("mnist", "cifar", "omniglot")  # data sets of these names take long to read


def _names(kind: Kind) -> list[Any]:
    slow = {n for n in registry.plugins(kind) if kind == "scenario" and any(x in n for x in LARGE)}
    return [
        pytest.param(name, marks=pytest.mark.slow if name in slow else ())
        for name in registry.plugins(kind)
        if not registry.is_family(name)  # tests of the families check some of their members
    ]


def _small(kind: Kind, name: str) -> dict[str, Any]:
    cls = registry.load(kind, name)
    return {f"{kind}.{key}": SMALL[key] for key in options.names(cls) if key in SMALL}


def _is_required(option: Option) -> bool:
    return option.default == "required"


@pytest.mark.parametrize("name", _names("strategy"))
def test_strategy_conforms(name: str) -> None:
    results = check(name, options=_small("strategy", name))
    assert [result for result in results if not result.passed] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", _names("strategy"))
def test_strategy_conforms_compiled(name: str) -> None:
    results = check(name, options=_small("strategy", name), compile=True)
    assert [result for result in results if not result.passed] == []


@pytest.mark.parametrize("name", _names("scenario"))
def test_scenario_conforms(name: str) -> None:
    required = [
        o.name for o in options.describe(registry.load("scenario", name)) if _is_required(o)
    ]
    if required:
        pytest.skip(f"{name} needs a value for {', '.join(required)}")
    results = check(name, options=_small("scenario", name), root=ROOT)
    absent = [r.detail for r in results if r.check == DATA and " is not in " in r.detail]
    if absent:
        pytest.skip(absent[0])
    assert [result for result in results if not result.passed] == []


@pytest.mark.parametrize("name", ["replay+lwf", "multihead+ewc", "maml-init+agem"])
def test_sums_of_parts_conform(name: str) -> None:
    sizes = {"strategy.memory_size": 40, "strategy.iterations": 3}
    parts = name.split("+")
    given = {
        key: value
        for key, value in sizes.items()
        if any(key.partition(".")[2] in options.names(registry.load("strategy", p)) for p in parts)
    }
    assert [result for result in check(name, options=given) if not result.passed] == []


@pytest.mark.parametrize("name", _names("modifier"))
def test_modifier_conforms(name: str) -> None:
    results = check(name, options=_small("modifier", name))
    assert [result for result in results if not result.passed] == []


@pytest.mark.parametrize("base", ["split-digits", "permuted-digits", "sea-gradual"])
@pytest.mark.parametrize("name", _names("modifier"))
def test_modified_scenario_conforms(base: str, name: str) -> None:
    results = check(f"{base}+{name}")
    absent = [r.detail for r in results if r.check == DATA and "needs images" in r.detail]
    if absent:
        pytest.skip(absent[0])
    assert [result for result in results if not result.passed] == []


@pytest.mark.parametrize(
    "name",
    ["split-digits+imbalance+label-noise+blurred", "sea-abrupt+input-noise+feature-shift"],
)
def test_sums_of_modifiers_conform(name: str) -> None:
    assert [result for result in check(name) if not result.passed] == []
