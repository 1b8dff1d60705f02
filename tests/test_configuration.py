"""Configurations: seeds are listed, settings numbered, and equal ones have equal identities."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsim import resolution
from streamsim.configuration import Configuration, parse_seeds


def resolve(
    strategy: str = "naive",
    options: Mapping[str, Any] | None = None,
    sweep: Mapping[str, Sequence[Any]] | None = None,
) -> Configuration:
    return resolution.resolve("split-digits", strategy, "mlp", options or {}, 1, sweep or {}, None)[
        0
    ]


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
        ("1,,2", "--seeds 1,,2: give a number of seeds"),
        (",1", "--seeds ,1: give a number of seeds"),
        (1.5, "seeds=1.5: give a number of seeds, or a list of whole numbers"),
        ([0.5], "seeds=[0.5]: give a number of seeds, or a list of whole numbers"),
        (10**9, "1000000000 seeds: a run takes 1000000 at most"),
        (range(10**6 + 1), "1000001 seeds: a run takes 1000000 at most"),
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
