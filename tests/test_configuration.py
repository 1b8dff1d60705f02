"""Configurations: everything given is validated, named in full, and numbered into settings."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from streamsim import configuration
from streamsim.chunks import make_chunks
from streamsim.compilation import Compiler
from streamsim.configuration import Configuration, Objects, parse_seeds
from streamsim.optimizers import DEFAULT_LR, TrainOptions
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
    return configuration.resolve(
        scenario, strategy, model, options or {}, seeds, sweep or {}, eval_every
    )


@plain_dataclass(frozen=True, kw_only=True)
class Pull(Part):
    """A part given from Python, which no registry knows."""

    name: ClassVar[str] = "pull"
    strength: float = 1.0
    reach: float | None = None


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


# -- seeds ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "seeds"),
    [
        (1, (0,)),
        (3, (0, 1, 2)),
        ("3", (0, 1, 2)),
        (" 3 ", (0, 1, 2)),
        ("3,7,11", (3, 7, 11)),
        ("7,", (7,)),
        ("11, 7", (11, 7)),
        ([7, 3], (7, 3)),
        ((2**62 - 1,), (2**62 - 1,)),
    ],
)
def test_seeds_are_a_number_of_them_or_listed(given: Any, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(given) == seeds


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (0, "0 seeds: at least 1 is needed"),
        ("-2", "-2 seeds: at least 1 is needed"),
        ("", "no seeds: give a number"),
        (",", "no seeds: give a number"),
        ([], "no seeds: give a number"),
        ("three", "--seeds three: give a number of seeds"),
        ("1.5", "--seeds 1.5: give a number of seeds"),
        ("7,8,7", "seed 7 is given twice"),
        ("-1,2", "seed -1: seeds run from 0"),
        ([2**62], f"seed {2**62}: seeds run from 0 to {2**62 - 1}"),
    ],
)
def test_impossible_seeds_are_refused(given: Any, line: str) -> None:
    with pytest.raises(ValueError, match="seed") as caught:
        parse_seeds(given)
    assert str(caught.value).startswith(line)


# -- settings -------------------------------------------------------------------------------------
def test_without_a_sweep_there_is_one_setting() -> None:
    assert resolve().settings() == [{}]


def test_settings_are_the_grid_with_the_last_option_running_fastest() -> None:
    sweep = {"train.lr": ["0.1", "0.2"], "train.epochs": ["1", "2", "3"]}
    assert resolve(sweep=sweep).settings() == [
        {"train.lr": lr, "train.epochs": epochs} for lr in (0.1, 0.2) for epochs in (1, 2, 3)
    ]


@given(
    st.dictionaries(
        st.text("abc", min_size=1),
        st.lists(st.integers(), min_size=1, max_size=3, unique=True).map(tuple),
        max_size=4,
    )
)
def test_every_combination_is_one_setting(sweep: dict[str, tuple[int, ...]]) -> None:
    found = replace(resolve(), sweep=sweep).settings()
    assert len(found) == prod(map(len, sweep.values()))
    assert len({tuple(setting.items()) for setting in found}) == len(found)
    assert all(setting[name] in sweep[name] for setting in found for name in sweep)


def test_swept_options_are_named_in_full_and_taken_out_of_the_others() -> None:
    found = resolve("lwf", sweep={"strategy.alpha": ["1", "10"], "model.hidden": ["5,6", "7"]})
    assert found.sweep == {"strategy.lwf.alpha": (1.0, 10.0), "model.hidden": ([5, 6], [7])}
    assert not {"strategy.lwf.alpha", "model.hidden"} & set(found.options)


def test_a_setting_is_built_from_its_swept_values_and_the_options() -> None:
    given = {"train.epochs": 2, "strategy.temperature": 3}
    found, objects = resolve_objects("lwf", given, {"strategy.alpha": [1, 10]})
    built = [configuration.build(found, objects, setting) for setting in found.settings()]
    assert [vars(each.parts[0])["alpha"] for each in built] == [1.0, 10.0]
    assert {vars(each.parts[0])["temperature"] for each in built} == {3.0}
    assert {each.train.epochs for each in built} == {2}


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


@pytest.mark.parametrize("options", [{}, {"train.lr": None}, {"train.lr": "none"}])
def test_a_swept_optimizer_brings_its_own_learning_rate(options: dict[str, Any]) -> None:
    sweep = {"train.optimizer": ["sgd", "adam", "adamw"]}
    found, objects = resolve_objects(options=options, sweep=sweep)
    rates = [configuration.build(found, objects, s).train.lr for s in found.settings()]
    assert rates == [DEFAULT_LR["sgd"], DEFAULT_LR["adam"], DEFAULT_LR["adamw"]]


def test_a_given_learning_rate_holds_for_every_swept_optimizer() -> None:
    sweep = {"train.optimizer": ["sgd", "adam"]}
    found, objects = resolve_objects(options={"train.lr": 0.3}, sweep=sweep)
    rates = [configuration.build(found, objects, s).train.lr for s in found.settings()]
    assert rates == [0.3, 0.3]


def test_optimizer_and_learning_rate_may_both_be_swept() -> None:
    sweep: dict[str, Sequence[Any]] = {"train.optimizer": ["sgd", "adam"], "train.lr": [0.3, 0.2]}
    found, objects = resolve_objects(sweep=sweep)
    assert "train.lr" not in found.options
    built = [configuration.build(found, objects, s).train for s in found.settings()]
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
    found, objects = resolve_objects("lwf+replay", sweep=sweep)
    [setting] = found.settings()
    built = configuration.build(found, objects, setting)
    assert configuration.traced(setting, built) == [
        "train.lr",
        "train.momentum",
        "train.weight_decay",
        "strategy.lwf.alpha",
        "strategy.lwf.temperature",
    ]


def test_none_is_no_number_to_trace() -> None:
    """A float option may be switched off by None, in a population of its own."""
    built = configuration.Setting(Lake(), [Pull()], linear, TrainOptions())
    assert configuration.traced({"strategy.pull.reach": 0.5}, built) == ["strategy.pull.reach"]
    assert configuration.traced({"strategy.pull.reach": None}, built) == []


def grouped(strategy: str, sweep: Mapping[str, Sequence[Any]]) -> list[list[tuple[int, int]]]:
    """(setting, seed) of every chunk."""
    found, objects = resolve_objects(strategy, sweep=sweep, seeds=2)
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


# -- identity -------------------------------------------------------------------------------------
plain = st.builds(
    Configuration,
    scenario=st.sampled_from("ab"),
    strategy=st.sampled_from("ab"),
    model=st.sampled_from("ab"),
    options=st.dictionaries(st.sampled_from("xy"), st.sampled_from([1, 2, "1", None]), max_size=2),
    seeds=st.sampled_from([(0,), (1,), (0, 1), (1, 0)]),
    sweep=st.dictionaries(st.just("z"), st.sampled_from([(1,), (1, 2), (2, 1)])),
    eval_every=st.sampled_from([None, 1]),
)
fields = st.sampled_from(["scenario", "strategy", "model", "options", "seeds", "sweep"])


@given(plain, plain, st.sets(fields))
def test_identities_are_equal_exactly_where_configurations_are(
    first: Configuration, other: Configuration, copied: set[str]
) -> None:
    second = replace(other, **{name: getattr(first, name) for name in copied})
    second = replace(second, options=dict(reversed([*second.options.items()])))
    assert (first.identity() == second.identity()) == (first == second)


@given(plain)
def test_identity_survives_run_json(found: Configuration) -> None:
    read = json.loads(json.dumps(vars(found)))
    read["seeds"] = tuple(read["seeds"])
    read["sweep"] = {name: tuple(values) for name, values in read["sweep"].items()}
    assert Configuration(**read).identity() == found.identity()


def test_the_way_it_was_written_does_not_change_an_identity() -> None:
    first = resolve("lwf", {"strategy.alpha": "2", "train.lr": 0.1})
    second = resolve("lwf", {"train.lr": "1e-1", "strategy.lwf.alpha": 2.0, "train.epochs": 1})
    assert first.identity() == second.identity()


def test_sweeping_in_another_order_is_another_configuration() -> None:
    """It numbers the settings otherwise, so neither may go on with the other's checkpoint."""
    one = resolve("naive", sweep={"train.lr": [1, 2], "train.momentum": [0.1, 0.2]})
    other = resolve("naive", sweep={"train.momentum": [0.1, 0.2], "train.lr": [1, 2]})
    assert one.settings() != other.settings()
    assert one.identity() != other.identity()


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
    built = configuration.build(found, objects, {})
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
    once = configuration.build(found, objects, {}).scenario
    again = resolve(options=found.options, scenario=found.scenario)
    assert again == found
    assert configuration.build(again, Objects(), {}).scenario == once


def test_options_of_modifiers_are_swept_by_their_full_names() -> None:
    found, objects = resolve_objects(
        sweep={"scenario.share": ["0", "0.4"]}, scenario="split-digits+label-noise"
    )
    assert found.sweep == {"scenario.label-noise.share": (0.0, 0.4)}
    assert "scenario.label-noise.share" not in found.options
    settings = [configuration.build(found, objects, values).scenario for values in found.settings()]
    assert [s.modifiers["label-noise"].share for s in settings] == [0.0, 0.4]  # type: ignore[attr-defined]


def test_a_drifting_base_is_judged_while_learning_under_modifiers_too() -> None:
    found = resolve(scenario="sea-abrupt+label-noise")
    assert "prequential.block" in found.options
