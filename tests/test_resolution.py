"""Resolution: everything given is validated, named in full, and kept with its value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from torch import nn

from streamsim import resolution, settings
from streamsim.configuration import Configuration
from streamsim.settings import Objects
from streamsim.strategy import Part
from streamsim.stream import Stream, StreamSpec


def resolve(
    strategy: str | Part | Sequence[Part] = "naive",
    options: Mapping[str, Any] | None = None,
    sweep: Mapping[str, Sequence[Any]] | None = None,
    seeds: int | Sequence[int] = 1,
    eval_every: int | None = None,
    scenario: Any = "split-digits",
    model: Any = "mlp",
) -> Configuration:
    return resolve_objects(strategy, options, sweep, seeds, eval_every, scenario, model)[0]


def resolve_objects(
    strategy: str | Part | Sequence[Part] = "naive",
    options: Mapping[str, Any] | None = None,
    sweep: Mapping[str, Sequence[Any]] | None = None,
    seeds: int | Sequence[int] = 1,
    eval_every: int | None = None,
    scenario: Any = "split-digits",
    model: Any = "mlp",
) -> tuple[Configuration, Objects]:
    return resolution.resolve(
        scenario, strategy, model, options or {}, seeds, sweep or {}, eval_every
    )


@plain_dataclass(frozen=True, kw_only=True)
class Pull(Part):
    """A part given from Python, which no registry knows."""

    name: ClassVar[str] = "pull"
    strength: float = 1.0


@plain_dataclass(frozen=True)
class Lake:
    """A scenario given from Python."""

    depth: int = 3

    def stream(self, root: Path) -> Stream:
        raise NotImplementedError


def linear(spec: StreamSpec) -> nn.Module:
    """A model given from Python."""
    return nn.Linear(spec.input_shape[0], spec.num_classes)


# -- options --------------------------------------------------------------------------------------
def test_every_option_is_kept_with_its_value() -> None:
    found = resolve("replay", {"model.hidden": "30,20", "train.epochs": "2"}).options
    assert found["model.hidden"] == [30, 20]
    assert found["train.epochs"] == 2
    assert found["strategy.replay.memory_size"] == 200
    assert found["scenario.n_experiences"] == 5
    assert found["train.momentum"] == 0.0


def test_an_option_of_several_parts_goes_to_each_and_a_full_name_to_one() -> None:
    both = resolve("replay+agem", {"strategy.memory_size": 70}).options
    assert both["strategy.replay.memory_size"] == both["strategy.agem.memory_size"] == 70
    one = resolve("replay+agem", {"strategy.agem.memory_size": 70}).options
    assert one["strategy.replay.memory_size"] == 200
    assert one["strategy.agem.memory_size"] == 70


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            {"trian.lr": 1},
            "unknown section 'trian' in trian.lr; options begin with scenario., strategy., model., "
            "train., transference., prequential.; did you mean 'train'?",
        ),
        ({"train.learning_rate": 1}, "unknown option train.learning_rate; it has epochs, "),
        ({"model.hiden": 1}, "unknown option model.hiden; it has hidden, activation; did you mean"),
        ({"strategy.strength": 1}, "unknown option strategy.strength; it has no options"),
        ({"train.batch_size": 0}, "train.batch_size=0: input should be greater than or equal to 1"),
        ({"scenario.n_experiences": "x"}, "scenario.n_experiences=x: input should be a valid int"),
    ],
)
def test_bad_options_are_refused_in_one_line(options: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=r"unknown|input") as caught:
        resolve("naive", options)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "line"),
    [
        ({"scenario": "split-digit"}, "unknown scenario 'split-digit'; did you mean 'split-digits"),
        ({"strategy": "reply"}, "unknown strategy 'reply'; did you mean 'replay'"),
        ({"model": "mpl"}, "unknown model 'mpl'; did you mean 'mlp'"),
    ],
)
def test_unknown_names_are_refused_with_a_near_one(names: dict[str, str], line: str) -> None:
    with pytest.raises(ValueError, match="unknown") as caught:
        resolve(**names)  # type: ignore[arg-type]
    assert str(caught.value).startswith(line)


@pytest.mark.parametrize("eval_every", [0, -5])
def test_evaluating_every_zero_steps_is_refused(eval_every: int) -> None:
    with pytest.raises(ValueError, match=f"eval_every={eval_every}: give a number of steps"):
        resolve(eval_every=eval_every)


# -- sweeps ---------------------------------------------------------------------------------------
def test_swept_options_are_named_in_full_and_taken_out_of_the_others() -> None:
    found = resolve("lwf", sweep={"strategy.alpha": ["1", "10"], "model.hidden": ["5,6", "7"]})
    assert found.sweep == {"strategy.lwf.alpha": (1.0, 10.0), "model.hidden": ([5, 6], [7])}
    assert not {"strategy.lwf.alpha", "model.hidden"} & set(found.options)


@pytest.mark.parametrize(
    ("strategy", "options", "sweep", "line"),
    [
        ("naive", {}, {"train.lr": []}, "--sweep train.lr names no values"),
        ("naive", {}, {"train.lr": ["0.1", "1e-1"]}, "--sweep train.lr names 0.1 twice"),
        ("naive", {}, {"train.lr": ["0.1", "x"]}, "train.lr=x: input should be a valid number"),
        ("naive", {}, {"train.lr": ["0.1", "-1"]}, "train.lr=-1: input should be greater than 0"),
        ("naive", {}, {"train.rl": [1]}, "unknown option train.rl"),
        ("naive", {}, {"lr": [1]}, "unknown section 'lr'"),
        ("lwf", {}, {"strategy.alhpa": [1]}, "unknown option strategy.alhpa; it has alpha"),
        ("lwf", {}, {"strategy.lfw.alpha": [1]}, "unknown part 'lfw' in strategy.lfw.alpha"),
        ("lwf", {"train.lr": 1}, {"train.lr": [1, 2]}, "train.lr is both set and swept"),
        (
            "lwf",
            {"strategy.alpha": 1},
            {"strategy.lwf.alpha": [1, 2]},
            "strategy.lwf.alpha is both set and swept",
        ),
        (
            "lwf",
            {"strategy.lwf.alpha": 1},
            {"strategy.alpha": [1, 2]},
            "strategy.lwf.alpha is both set and swept",
        ),
        (
            "lwf",
            {},
            {"strategy.alpha": [1, 2], "strategy.lwf.alpha": [3, 4]},
            "strategy.lwf.alpha is swept twice",
        ),
        (
            "replay+agem",
            {},
            {"strategy.memory_size": [1, 2]},
            "--sweep strategy.memory_size: several parts have this option; name one of "
            "strategy.replay.memory_size, strategy.agem.memory_size",
        ),
    ],
)
def test_bad_sweeps_are_refused_in_one_line(
    strategy: str, options: dict[str, Any], sweep: dict[str, list[Any]], line: str
) -> None:
    with pytest.raises(ValueError, match=r"input|unknown|swe[ep]") as caught:
        resolve(strategy, options, sweep)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


# -- given from Python ----------------------------------------------------------------------------
def test_objects_are_named_by_where_they_come_from_and_used() -> None:
    parts = [Pull(strength=7.0)]
    found, objects = resolve_objects(parts, scenario=Lake(), model=linear)
    assert found.scenario.startswith("python:")
    assert ".Lake#" in found.scenario
    assert ".linear#" in found.model
    assert found.strategy.startswith("pull#")
    assert found.options["strategy.pull.strength"] == 7.0
    assert found.options["scenario.depth"] == 3
    built = settings.build(found, objects, {})
    assert built.parts == parts
    assert built.scenario == Lake()
    assert built.model is linear


def test_a_single_part_is_a_strategy() -> None:
    assert resolve(Pull()).strategy.startswith("pull#")


def test_options_and_sweeps_reach_parts_given_as_objects() -> None:
    found = resolve(Pull(strength=7.0), options={"strategy.pull.strength": 2})
    assert found.options["strategy.pull.strength"] == 2.0
    assert resolve(Pull(), sweep={"strategy.strength": [2, 4]}).sweep == {
        "strategy.pull.strength": (2.0, 4.0)
    }


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"scenario": Lake()}, "scenario.depth"),
        ({"model": linear}, "model.width"),
    ],
)
def test_an_option_of_an_object_is_refused_rather_than_ignored(
    given: dict[str, Any], name: str
) -> None:
    with pytest.raises(ValueError, match=name.partition(".")[0]):
        resolve(options={name: 2}, **given)


@pytest.mark.parametrize(
    ("given", "name"),
    [({"scenario": Lake()}, "scenario.depth"), ({"model": linear}, "model.width")],
)
def test_a_sweep_over_an_object_is_refused_for_that_reason(
    given: dict[str, Any], name: str
) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        resolve(sweep={name: [2, 4]}, **given)
    assert "twice" not in str(caught.value)


def test_a_part_given_twice_from_python_is_refused() -> None:
    with pytest.raises(ValueError, match="part 'pull' is given twice"):
        resolve([Pull(strength=1.0), Pull(strength=2.0)])


def test_a_strategy_without_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="part"):
        resolve([])


# -- scenarios with modifiers ---------------------------------------------------------------------
def test_options_of_modifiers_are_kept_by_name_and_build_the_same_again() -> None:
    found, objects = resolve_objects(
        options={"scenario.width": 3}, scenario="split-digits+label-noise+blurred"
    )
    assert found.options["scenario.blurred.width"] == 3
    assert found.options["scenario.label-noise.share"] == 0.1
    assert found.options["scenario.n_experiences"] == 5
    once = settings.build(found, objects, {}).scenario
    again = resolve(options=found.options, scenario=found.scenario)
    assert again == found
    assert settings.build(again, Objects(), {}).scenario == once


def test_options_of_modifiers_are_swept_by_their_full_names() -> None:
    found, objects = resolve_objects(
        sweep={"scenario.share": ["0", "0.4"]}, scenario="split-digits+label-noise"
    )
    assert found.sweep == {"scenario.label-noise.share": (0.0, 0.4)}
    assert "scenario.label-noise.share" not in found.options
    built = [settings.build(found, objects, values).scenario for values in found.settings()]
    assert [s.modifiers["label-noise"].share for s in built] == [0.0, 0.4]  # type: ignore[attr-defined]


def test_a_drifting_base_is_judged_while_learning_under_modifiers_too() -> None:
    found = resolve(scenario="sea-abrupt+label-noise")
    assert "prequential.block" in found.options
