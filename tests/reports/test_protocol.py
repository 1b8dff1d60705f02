"""Runs of unlike protocol: what differs is named, what cannot be compared is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamsim_reports.cohort import gather
from streamsim_reports.protocol import protocol_differences, stages

Options = dict[str, dict[str, Any]]  # of write_run, by strategy


def cohort_of(tmp_path: Path, write_run: Any, runs: Options) -> Any:
    return gather([write_run(tmp_path / name, strategy=name, **how) for name, how in runs.items()])


def test_runs_alike_have_no_difference(five_runs: list[Path]) -> None:
    assert protocol_differences(gather(five_runs)) == []


@pytest.mark.parametrize(
    ("how", "field", "refused"),
    [
        ({"options": {"scenario.n_experiences": 10}}, "scenario.n_experiences", True),
        ({"experiences": 4}, "num_experiences", True),
        ({"protocol": "task"}, "setting", True),
        ({"model": "cnn"}, "model", False),
        ({"options": {"model.hidden": [400]}}, "model.hidden", False),
        ({"options": {"train.epochs": 5}}, "train.epochs", False),
        ({"options": {"train.batch_size": 64}}, "train.batch_size", False),
        ({"options": {"strategy.other.memory_size": 50}}, "memory_size", False),
    ],
    ids=lambda value: str(value)[:40],
)
def test_each_kind_of_difference_is_named(
    tmp_path: Path, write_run: Any, how: dict[str, Any], field: str, refused: bool
) -> None:
    options = {
        "scenario.n_experiences": 5, "model.hidden": [100], "strategy.one.memory_size": 200,
        "train.batch_size": 10, "train.epochs": 1,
    }  # fmt: skip
    if "experiences" in how or "protocol" in how:
        del options["scenario.n_experiences"]  # then the stream itself tells
    mine = {name: value for name, value in options.items() if "one" not in name}
    mine |= {"strategy.other.memory_size": 200} | how.get("options", {})
    runs = {"one": {"options": options}, "other": {**how, "options": mine}}
    found = protocol_differences(cohort_of(tmp_path, write_run, runs))
    assert {field} <= {difference.field for difference in found}
    assert {difference.refused for difference in found} == {refused}
    text = next(str(difference) for difference in found if difference.field == field)
    assert text.startswith(f"{field} on split-digits is ")
    assert "for one and" in text
    assert text.endswith("for other")


def test_how_a_strategy_is_tuned_is_its_own_business(tmp_path: Path, write_run: Any) -> None:
    runs = {"one": {"options": {"train.lr": 0.1}}, "other": {"options": {"train.lr": 0.5}}}
    assert protocol_differences(cohort_of(tmp_path, write_run, runs)) == []


def test_what_is_swept_is_what_is_studied(tmp_path: Path, write_run: Any) -> None:
    settings = [{"train.epochs": 1}, {"train.epochs": 5}]
    assert (
        protocol_differences(cohort_of(tmp_path, write_run, {"one": {"settings": settings}})) == []
    )


def test_an_option_that_one_run_does_not_record_is_no_difference(
    tmp_path: Path, write_run: Any
) -> None:
    runs: Options = {"one": {"options": {"scenario.new": 1}}, "other": {}}
    assert protocol_differences(cohort_of(tmp_path, write_run, runs)) == []


def test_other_data_is_refused_and_anyway_keeps_it(tmp_path: Path, write_run: Any) -> None:
    runs = {
        name: {"options": {"scenario.n_experiences": number}}
        for name, number in (("one", 5), ("two", 5), ("odd", 10))
    }
    cohort = cohort_of(tmp_path, write_run, runs)
    with pytest.raises(ValueError, match=r"^odd cannot be .* is 5 for one and two and 10 for odd"):
        stages(cohort)
    assert list(stages(cohort, anyway=True)) == ["split-digits"]


def test_variants_of_a_scenario_with_company_are_scenarios_of_their_own(
    tmp_path: Path, write_run: Any
) -> None:
    runs = [
        write_run(
            tmp_path / f"{name}{number}",
            strategy=name,
            options={"scenario.n_experiences": number},
        )
        for name in ("naive", "replay")
        for number in (5, 10)
    ]
    cohort = gather(runs)
    found = {name: [arm.strategy for arm in arms] for name, arms in stages(cohort).items()}
    assert found == {
        "split-digits n_experiences=5": ["naive", "replay"],
        "split-digits n_experiences=10": ["naive", "replay"],
    }
    assert cohort.methods == ["naive", "naive", "replay", "replay"]
    assert cohort.labels[:2] == ["naive n_experiences=5", "naive n_experiences=10"]
