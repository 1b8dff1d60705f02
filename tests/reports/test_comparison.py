"""Comparisons recomputed from the Parquet tables, and what is said where nothing can be."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats

from streamsim_reports.cohort import gather
from streamsim_reports.comparison import compare, critical_difference_axes

SCENARIOS = ("split-digits", "permuted-digits", "rotated-digits", "split-mnist")


def final_accuracy(run: Path) -> dict[int, float]:
    """Average accuracy of each seed that finished, by a loop over the raw rows."""
    table = pd.read_parquet(run / "accuracy.parquet")
    last = table["after"].max()
    return {
        int(str(seed)): sum(rows["correct"] / rows["total"]) / len(rows)
        for seed, rows in table[table["after"] == last].groupby("seed")
        if rows["correct"].notna().all()
    }


def by_label(table: pd.DataFrame) -> dict[str, dict[Any, Any]]:
    return {row["label"]: row for row in table.to_dict("records")}


def matrix(finals: list[float], learned: float = 0.9) -> np.ndarray[Any, Any]:
    """[R, 3, 2]: two experiences; average accuracy of replica r is (finals[r] + learned) / 2."""
    rows = [[[0.0, 0.0], [learned, 0.0], [final, learned]] for final in finals]
    return np.array(rows)


def test_every_number_of_the_table_follows_from_the_raw_rows(five_runs: list[Path]) -> None:
    comparison = compare(gather(five_runs), baseline="naive")
    values = {run.name: final_accuracy(run) for run in five_runs}
    naive = values["naive"]
    for label, row in by_label(comparison.table).items():
        own = np.array(list(values[label].values()))
        assert row["mean"] == pytest.approx(own.mean())
        spread = stats.t.ppf(0.975, 4) * stats.sem(own)
        assert (row["ci95"], row["num_seeds"]) == (pytest.approx(spread), 5)
        if label == "naive":
            assert row["verdict"] == "baseline"
            continue
        gaps = np.array([values[label][seed] - naive[seed] for seed in naive])
        reference = stats.ttest_rel(list(values[label].values()), list(naive.values()))
        assert row["difference"] == pytest.approx(gaps.mean())
        assert row["p"] == pytest.approx(reference.pvalue)
        low, high = reference.confidence_interval()
        assert 2 * row["difference_ci95"] == pytest.approx(high - low)
        assert row["effect"] == pytest.approx(gaps.mean() / gaps.std(ddof=1))


def test_a_named_baseline_is_corrected_for_its_own_tests_only(five_runs: list[Path]) -> None:
    named = by_label(compare(gather(five_runs), baseline="replay").table)
    best = by_label(compare(gather(five_runs)).table)
    assert {row["baseline"] for row in best.values()} == {"replay"}
    smallest = min(named.keys() - {"replay"}, key=lambda label: float(named[label]["p"]))
    assert named[smallest]["p_corrected"] == pytest.approx(4 * named[smallest]["p"])
    pairs = compare(gather(five_runs)).pairs
    smaller = int((pairs["p"] < best[smallest]["p"]).sum())
    assert best[smallest]["p_corrected"] >= (10 - smaller - 1) * best[smallest]["p"]
    assert best[smallest]["p_corrected"] > named[smallest]["p_corrected"]


def test_all_pairs_are_there_once(five_runs: list[Path]) -> None:
    cohort = gather(five_runs)
    pairs = compare(cohort).pairs
    assert list(zip(pairs["first"], pairs["second"], strict=True)) == [
        *combinations(cohort.labels, 2)
    ]
    assert (pairs["p_corrected"] >= pairs["p"]).all()


def test_only_common_seeds_are_paired(tmp_path: Path, write_run: Any) -> None:
    one = write_run(tmp_path / "one", strategy="one", seeds=[0, 1, 2, 3, 4])
    other = write_run(tmp_path / "other", strategy="other", seeds=[2, 3, 4, 9], retention=0.5)
    row = by_label(compare(gather([one, other])).table)["other"]
    first, second = final_accuracy(one), final_accuracy(other)
    gaps = [second[seed] - first[seed] for seed in (2, 3, 4)]
    assert (row["num_common"], row["num_seeds"]) == (3, 4)
    assert row["difference"] == pytest.approx(np.mean(gaps))


def test_lower_is_better_for_forgetting(five_runs: list[Path]) -> None:
    comparison = compare(gather(five_runs), "forgetting")
    assert comparison.baseline == "replay"
    assert comparison.table["mean"].is_monotonic_increasing
    naive = by_label(comparison.table)["naive"]
    assert naive["difference"] > 0
    assert naive["verdict"] == "worse"
    assert comparison.sentences[0].startswith("replay has the lowest forgetting: 0.")


def test_clear_differences_hold_and_are_said(five_runs: list[Path]) -> None:
    comparison = compare(gather(five_runs), baseline="naive")
    better = next(s for s in comparison.sentences if s.startswith("Better than naive"))
    assert "the differences hold" in better
    assert "replay by 0." in better
    assert "paired over 5 common seeds" in better


def test_what_cannot_be_told_apart_asks_for_seeds(tmp_path: Path, write_run: Any) -> None:
    finals = [0.50, 0.52, 0.48, 0.51, 0.49, 0.50]
    noisy = [0.53, 0.50, 0.50, 0.50, 0.50, 0.50]
    runs = [
        write_run(tmp_path / name, strategy=name, accuracy=matrix(values), seeds=6)
        for name, values in (("one", finals), ("other", noisy))
    ]
    comparison = compare(gather(runs))
    row = by_label(comparison.table)["one"]
    assert row["verdict"] == "undecided"
    assert row["seeds_needed"] > 6
    (said,) = [s for s in comparison.sentences if s.startswith("Cannot be told apart from other")]
    assert "it would take about" in said


def test_one_seed_gives_no_interval_and_no_verdict(tmp_path: Path, write_run: Any) -> None:
    runs = [
        write_run(tmp_path / name, strategy=name, seeds=1, retention=kept)
        for name, kept in (("one", 0.9), ("other", 0.2))
    ]
    comparison = compare(gather(runs))
    row = by_label(comparison.table)["other"]
    assert row["verdict"] == "untested"
    assert all(math.isnan(row[name]) for name in ("ci95", "difference_ci95", "p", "effect"))
    assert any("no interval and no test" in sentence for sentence in comparison.sentences)


def test_diverged_replicas_are_counted_and_told(tmp_path: Path, write_run: Any) -> None:
    good = write_run(tmp_path / "good", strategy="good")
    bad = write_run(tmp_path / "bad", strategy="bad", diverged={(0, 1): 2, (0, 3): 0})
    comparison = compare(gather([good, bad]), baseline="good")
    row = by_label(comparison.table)["bad"]
    assert (row["num_seeds"], row["num_diverged"], row["num_common"]) == (3, 2, 3)
    assert any(w.startswith("bad: 2 of 5 replicas diverged") for w in comparison.warnings)


def test_an_arm_that_diverged_whole_stays_in_the_table(tmp_path: Path, write_run: Any) -> None:
    gone = {(0, seed): 0 for seed in range(5)}
    runs = [
        write_run(tmp_path / "good", strategy="good"),
        write_run(tmp_path / "bad", strategy="bad", diverged=gone),
    ]
    comparison = compare(gather(runs))
    row = by_label(comparison.table)["bad"]
    assert (row["num_diverged"], row["note"]) == (5, "all replicas diverged")
    assert "bad has no average_accuracy: all replicas diverged" in comparison.warnings
    assert any(sentence.startswith("Only good has a number") for sentence in comparison.sentences)


@pytest.mark.parametrize("done", [0, 2])
def test_an_unfinished_run_is_marked(
    five_runs: list[Path], tmp_path: Path, write_run: Any, done: int
) -> None:
    half = write_run(tmp_path / "half", strategy="half", done=done)
    comparison = compare(gather([*five_runs, half]))
    assert any("half is unfinished" in warning for warning in comparison.warnings)
    assert by_label(comparison.table)["half"]["verdict"] == "untested"
    assert comparison.table["label"].iloc[-1] == "half"


def test_an_unlike_budget_is_warned_about(tmp_path: Path, write_run: Any) -> None:
    runs = [
        write_run(tmp_path / name, strategy=name, options={"train.epochs": epochs})
        for name, epochs in (("one", 1), ("other", 5))
    ]
    warning = "not run alike: train.epochs on split-digits is 1 for one and 5 for other"
    assert warning in compare(gather(runs)).warnings


def test_other_data_is_compared_only_anyway(tmp_path: Path, write_run: Any) -> None:
    runs = [
        write_run(tmp_path / name, strategy=name, experiences=number)
        for name, number in (("one", 5), ("other", 4))
    ]
    with pytest.raises(ValueError, match="num_experiences on split-digits is 5 for one and 4"):
        compare(gather(runs))
    comparison = compare(gather(runs), anyway=True)
    assert any("num_experiences" in warning for warning in comparison.warnings)


def test_the_joint_run_is_the_reference_of_intransigence(tmp_path: Path, write_run: Any) -> None:
    """Learned 0.9 on both; joint 0.95 and 0.9: intransigence 0.025 of one, 0 less of the other."""
    joint = np.array([[[0, 0], [0.95, 0], [0.95, 0.90]]])
    runs = [
        write_run(tmp_path / "one", strategy="one", accuracy=matrix([0.5] * 3), seeds=3),
        write_run(tmp_path / "joint", strategy="joint", accuracy=joint.repeat(3, 0), seeds=3),
    ]
    table = by_label(compare(gather(runs), "intransigence").table)
    assert table["one"]["mean"] == pytest.approx(0.025)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, write_run: Any) -> list[Path]:
    """Three strategies on four scenarios; the order of the first two changes once."""
    root = tmp_path_factory.mktemp("many")
    kept = {"naive": 0.3, "ewc": 0.6, "replay": 0.9}
    return [
        write_run(
            root / f"{scenario}-{name}",
            scenario,
            name,
            retention={"ewc": 0.95}.get(name, share) if scenario == "split-mnist" else share,
        )
        for scenario in SCENARIOS
        for name, share in kept.items()
    ]


def test_ranks_over_scenarios_are_of_strategies(many: list[Path]) -> None:
    comparison = compare(gather(many))
    assert comparison.ranks is not None
    average = comparison.ranks.set_index("method")["average_rank"].to_dict()
    assert average == {"replay": 1.25, "ewc": 1.75, "naive": 3.0}
    assert comparison.rank_test is not None
    assert comparison.rank_test.num_scenarios == 4
    assert comparison.sentences[-2].startswith("Over 4 scenarios replay has the best average rank")
    assert comparison.sentences[0].startswith("On split-digits: replay has the highest")


def test_each_scenario_has_its_own_baseline(many: list[Path]) -> None:
    table = compare(gather(many), baseline="naive").table
    for scenario, rows in table.groupby("scenario"):
        assert set(rows["baseline"]) == {f"naive on {scenario}"}
    assert (table["verdict"] == "baseline").sum() == 4


def test_the_correction_spans_all_scenarios(many: list[Path]) -> None:
    table = compare(gather(many), baseline="naive").table
    smallest = table.sort_values("p").iloc[0]
    assert smallest["p_corrected"] == pytest.approx(8 * smallest["p"])


def test_a_strategy_that_misses_a_scenario_is_not_ranked(many: list[Path]) -> None:
    comparison = compare(gather(many[:-1]))
    assert comparison.ranks is not None
    assert set(comparison.ranks["method"]) == {"naive", "ewc"}


def test_the_diagram_needs_ranks(five_runs: list[Path], many: list[Path]) -> None:
    critical_difference_axes(compare(gather(many)), Figure().subplots())
    with pytest.raises(ValueError, match="at least 3 strategies"):
        critical_difference_axes(compare(gather(five_runs)), Figure().subplots())


def test_a_few_seeds_that_carry_a_difference_raise_a_doubt(tmp_path: Path, write_run: Any) -> None:
    # differences of 8 seeds for which t rejects and Wilcoxon does not
    for seed in range(400):
        gaps = np.random.default_rng(seed).normal(0.7, 1.0, 8)
        if stats.ttest_1samp(gaps, 0).pvalue < 0.045 and stats.wilcoxon(gaps).pvalue > 0.06:
            break
    finals = (0.4 + 0.05 * gaps).tolist()
    runs = [
        write_run(tmp_path / name, strategy=name, accuracy=matrix(values), seeds=8)
        for name, values in (("steady", [0.4] * 8), ("lucky", finals))
    ]
    assert any("a few seeds may carry" in w for w in compare(gather(runs)).warnings)


@pytest.mark.parametrize(
    ("names", "options", "complaint"),
    [
        (["naive", "ewc"], {"metric": "forgettin"}, "unknown metric 'forgettin'; choose average_"),
        (["naive", "ewc"], {"metric": "intransigence"}, "no run has intransigence: needs a joint"),
        (["naive", "ewc"], {"baseline": "naif"}, "naif is not among the runs on split-digits"),
        (["naive"], {}, "nothing to compare: naive; give two or more runs"),
    ],
    ids=str,
)
def test_what_cannot_be_compared_is_refused(
    five_runs: list[Path], names: list[str], options: dict[str, Any], complaint: str
) -> None:
    runs = [run for run in five_runs if run.name in names]
    with pytest.raises(ValueError, match=complaint):
        compare(gather(runs), **options)


def test_runs_on_different_scenarios_are_refused_by_name(tmp_path: Path, write_run: Any) -> None:
    runs = [
        write_run(tmp_path / name, strategy=name, scenario=scenario)
        for name, scenario in (("one", "split-digits"), ("other", "split-mnist"))
    ]
    with pytest.raises(ValueError, match="ran on split-digits and split-mnist; give two or more"):
        compare(gather(runs))


def test_runs_without_a_common_seed_are_refused(tmp_path: Path, write_run: Any) -> None:
    runs = [
        write_run(tmp_path / name, strategy=name, seeds=seeds)
        for name, seeds in (("one", [0, 1]), ("other", [2, 3]))
    ]
    with pytest.raises(ValueError, match=r"no two runs have a seed in common \(one: 0 and 1"):
        compare(gather(runs))


def test_a_baseline_that_is_a_sweep_asks_which_setting(tmp_path: Path, write_run: Any) -> None:
    settings = [{"strategy.ewc.strength": value} for value in (1.0, 10.0)]
    run = write_run(tmp_path / "sweep", strategy="ewc", settings=settings)
    with pytest.raises(ValueError, match="could be 'ewc strength=1' and 'ewc strength=10'"):
        compare(gather([run]), baseline="ewc")
    assert compare(gather([run]), baseline="ewc strength=10").baseline == "ewc strength=10"


def test_a_baseline_without_a_number_is_refused(
    five_runs: list[Path], tmp_path: Path, write_run: Any
) -> None:
    half = write_run(tmp_path / "half", strategy="half", done=2)
    with pytest.raises(ValueError, match="half has no such number: unfinished"):
        compare(gather([*five_runs, half]), baseline="half")
