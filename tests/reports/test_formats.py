"""One comparison in every format: the same numbers, nothing that breaks the format."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from streamsim_reports.cohort import gather
from streamsim_reports.comparison import Comparison, compare
from streamsim_reports.formats import FORMATS, render


@pytest.fixture(scope="module")
def both(five_runs: list[Path]) -> list[Comparison]:
    cohort = gather(five_runs)
    return [compare(cohort, metric, "naive") for metric in ("average_accuracy", "forgetting")]


def test_csv_holds_every_number_in_full(both: list[Comparison]) -> None:
    table = pd.read_csv(io.StringIO(render(both, "csv")))
    assert table["metric"].unique().tolist() == ["average_accuracy", "forgetting"]
    whole = pd.concat([made.table for made in both], ignore_index=True)
    for column in ("mean", "ci95", "difference", "p", "p_corrected", "effect"):
        assert table[column].tolist() == pytest.approx(whole[column].tolist(), nan_ok=True, rel=0)


def test_json_is_strict_and_holds_the_pairs(both: list[Comparison]) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    parsed = json.loads(render(both, "json"), parse_constant=refuse)
    assert [made["metric"] for made in parsed] == ["average_accuracy", "forgetting"]
    assert [made["higher_is_better"] for made in parsed] == [True, False]
    assert len(parsed[0]["pairs"]) == 10
    assert parsed[0]["pairs"][0]["difference"] == both[0].pairs["difference"].iloc[0]
    assert parsed[0]["table"][-1]["p"] is None
    assert parsed[1]["sentences"] == both[1].sentences


def test_json_holds_ranks_over_scenarios(tmp_path: Path, write_run: Any) -> None:
    runs = [
        write_run(tmp_path / f"{scenario}{name}", scenario, name, retention=kept)
        for scenario in ("split-digits", "rotated-digits")
        for name, kept in (("one", 0.2), ("two", 0.5), ("three", 0.8))
    ]
    made = json.loads(render([compare(gather(runs))], "json"))[0]
    assert [row["method"] for row in made["ranks"]] == ["three", "two", "one"]
    assert made["rank_test"]["nemenyi"]["one"]["one"] == 1.0


def test_text_is_aligned_and_ends_in_sentences(both: list[Comparison]) -> None:
    lines = render(both[:1], "table").splitlines()
    assert lines[0].split() == [
        "strategy", "average", "accuracy", "seeds", "difference", "p", "corrected", "effect",
        "verdict",
    ]  # fmt: skip
    numbers = [line.index(" ± ") for line in lines[1:6]]
    assert len(set(numbers)) == 1
    assert lines[-len(both[0].sentences) :] == both[0].sentences


def test_markdown_is_a_table(both: list[Comparison]) -> None:
    lines = render(both[:1], "markdown").splitlines()
    assert lines[1] == "|" + " --- |" * 8
    assert all(line.count("|") == 9 for line in lines[:7])


def test_latex_has_the_best_in_bold_and_every_row(both: list[Comparison]) -> None:
    made = render(both[1:], "latex")
    best = both[1].table.iloc[0]
    assert f"replay & \\textbf{{{best['mean']:.4f} $\\pm$ {best['ci95']:.4f}}}" in made
    assert made.count("textbf") == 1
    assert made.count(r"\\") == 6
    assert r"\toprule" in made


@pytest.mark.parametrize("form", FORMATS)
def test_hostile_names_stay_in_their_cell(tmp_path: Path, write_run: Any, form: str) -> None:
    names = ["a|b", "50%_\\input{x}"]
    runs = [
        write_run(tmp_path / str(n), strategy=name, retention=0.2 + 0.5 * n)
        for n, name in enumerate(names)
    ]
    made = render([compare(gather(runs))], form)
    if form == "markdown":
        row = next(line for line in made.splitlines() if "b" in line and line.startswith("| a"))
        assert "a\\|b" in row
    if form == "latex":
        rows = [line for line in made.splitlines() if not line.startswith("%")]
        assert not any("\\input{" in row for row in rows)
        assert any(r"50\%\_" in row for row in rows)
    if form == "csv":
        assert set(pd.read_csv(io.StringIO(made))["label"]) == set(names)


def test_several_scenarios_are_named_once_a_row(tmp_path: Path, write_run: Any) -> None:
    runs = [
        write_run(tmp_path / f"{scenario}{name}", scenario, name, retention=kept)
        for scenario in ("split-digits", "rotated-digits")
        for name, kept in (("one", 0.2), ("two", 0.5))
    ]
    lines = render([compare(gather(runs))], "table").splitlines()
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["split-digits", "two"], ["split-digits", "one"],
        ["rotated-digits", "two"], ["rotated-digits", "one"],
    ]  # fmt: skip
