"""The summary: numbers where the data allow them, a reason where they do not, nobody dropped."""

import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from streamsim.metrics import METRICS, mean_ci, per_replica, summarize
from streamsim.metrics.prequential import CURVES

MATRIX = [[0.80, 0.30, 0.10], [0.60, 0.90, 0.20], [0.50, 0.70, 0.85]]
ON_CURVES = ["min_accuracy", "worst_case_accuracy", "stability_gap"]
NEEDS_TWO = ["forgetting", "backward_transfer", "forward_transfer"]


def accuracy_table(
    seeds: tuple[int, ...] = (1, 2),
    settings: tuple[int, ...] = (0,),
    experiences: int = 3,
    initial: bool = True,
) -> pd.DataFrame:
    """Complete rows of a run; every later seed is 0.01 better."""
    rows = []
    for setting in settings:
        for n, seed in enumerate(seeds):
            for on in range(experiences):
                if initial:
                    rows.append((setting, seed, -1, on, 10, 100, 0.1))
                for after in range(experiences):
                    accuracy = MATRIX[after][on] + 0.01 * n
                    rows.append((setting, seed, after, on, round(100 * accuracy), 100, accuracy))
    columns = ["setting", "seed", "after", "on", "correct", "total", "accuracy"]
    return pd.DataFrame(rows, columns=columns)


def continual_table(seeds: tuple[int, ...] = (1, 2), experiences: int = 3) -> pd.DataFrame:
    """Two moments an experience: a dip of 0.1 below the accuracy at its end, then the end."""
    rows = [
        (0, seed, k, 5 * step, on, 0, 100, MATRIX[k][on] - (0.1 if step == 1 else 0))
        for seed in seeds
        for k in range(experiences)
        for step in (1, 2)
        for on in range(k + 1)
    ]
    columns = ["setting", "seed", "experience", "step", "on", "correct", "total", "accuracy"]
    return pd.DataFrame(rows, columns=columns)


def joint_table(seeds: tuple[int, ...] = (1, 2)) -> pd.DataFrame:
    """A joint run: only the accuracies after the last experience."""
    table = accuracy_table(seeds)
    return table[table["after"] == 2].assign(accuracy=0.9)


def judged_table(seeds: tuple[int, ...] = (1, 2)) -> pd.DataFrame:
    """Prequential curves of two moments; the last says 0.6, or 0.7 for the next seed."""
    rows = [
        {"setting": 0, "seed": seed, "position": position, **dict.fromkeys(CURVES, value)}
        for n, seed in enumerate(seeds)
        for position, value in ((200, 0.6 + 0.1 * n), (100, 0.1))
    ]
    return pd.DataFrame(rows)


def detection_table(*rows: tuple[int, int, float, float]) -> pd.DataFrame:
    """Seed, false alarms, delay and time between false alarms; one drift is missed."""
    columns = ["seed", "false_alarms", "delay", "time_between_false_alarms"]
    return pd.DataFrame(rows, columns=columns).assign(setting=0, missed=1)


def replica_table(diverged: dict[int, int | None]) -> pd.DataFrame:
    """Replicas of setting 0: seed -> experience it diverged in."""
    where = pd.array(list(diverged.values()), dtype="Int64")
    return pd.DataFrame(
        {"setting": 0, "seed": list(diverged), "diverged_experience": where, "diverged_step": where}
    )


def by_metric(summary: pd.DataFrame) -> dict[str, Any]:
    """The rows of one setting: metric -> row."""
    return {str(row.metric): row for row in summary.itertuples()}


def test_one_row_per_setting_and_metric_in_catalogue_order() -> None:
    summary = summarize(accuracy_table(settings=(1, 0)))
    assert list(summary.columns) == [
        "setting", "metric", "mean", "ci95", "num_seeds", "num_diverged", "note"
    ]  # fmt: skip
    assert summary["metric"].tolist() == [*METRICS, *METRICS]
    assert summary["setting"].tolist() == [0] * len(METRICS) + [1] * len(METRICS)


def test_a_complete_run_has_every_number_and_no_note() -> None:
    replicas = replica_table({1: None, 2: None})
    protocol = {"setting": "domain"}
    summary = summarize(
        accuracy_table(),
        continual_table(),
        replicas,
        joint_table(),
        protocol,
        judged_table(),
        detection_table((1, 2, 10, 500), (2, 4, 30, 250)),
    )
    assert summary["note"].tolist() == [""] * len(METRICS)
    assert summary.set_index("metric")["mean"].to_dict() == pytest.approx(
        {
            "average_accuracy": 2.05 / 3 + 0.005,
            "average_incremental_accuracy": (0.80 + 0.75 + 2.05 / 3) / 3 + 0.005,
            "learning_accuracy": 0.855,
            "forgetting": 0.25,
            "backward_transfer": -0.25,
            "forward_transfer": (0.2 + 0.1) / 2 + 0.005,
            "intransigence": 0.045,
            "min_accuracy": (0.4 + 0.6) / 2,
            "worst_case_accuracy": (0.85 + 2 * 0.5) / 3,
            "stability_gap": (0.3 + 0.2 + 0.3) / 3,
            **{f"prequential_{name}": 0.65 for name in CURVES},
            "missed_drifts": 1,
            "false_alarms": 3,
            "detection_delay": 20,
            "time_between_false_alarms": 375,
        }
    )
    assert (summary["num_seeds"] == 2).all()
    assert (summary["num_diverged"] == 0).all()


def test_one_seed_has_a_mean_and_no_interval() -> None:
    row = by_metric(summarize(accuracy_table(seeds=(1,))))["average_accuracy"]
    assert row.mean == pytest.approx(2.05 / 3)
    assert np.isnan(row.ci95)
    assert row.num_seeds == 1


def test_one_experience_leaves_only_metrics_of_the_present() -> None:
    summary = by_metric(summarize(accuracy_table(experiences=1), continual_table(experiences=1)))
    for name in NEEDS_TWO + ON_CURVES:
        assert summary[name].note == "needs at least two experiences"
        assert np.isnan(summary[name].mean)
    assert summary["learning_accuracy"].mean == pytest.approx(0.805)


def test_a_joint_run_has_a_final_accuracy_and_no_history() -> None:
    summary = by_metric(summarize(joint_table()))
    assert summary["average_accuracy"].mean == pytest.approx(0.9)
    undefined = ["average_incremental_accuracy", "learning_accuracy", "forgetting",
                 "backward_transfer"]  # fmt: skip
    for name in undefined:
        assert np.isnan(summary[name].mean)
        assert "accuracies after each experience are missing" in summary[name].note


@pytest.mark.parametrize("nothing", [None, continual_table().iloc[:0]])
def test_without_continual_evaluation_the_note_says_how_to_get_it(
    nothing: pd.DataFrame | None,
) -> None:
    summary = by_metric(summarize(accuracy_table(), nothing))
    for name in ON_CURVES:
        assert summary[name].note == "needs continual evaluation: run with --eval-every N"


def test_without_a_joint_run_intransigence_asks_for_one() -> None:
    note = by_metric(summarize(accuracy_table()))["intransigence"].note
    assert note.startswith("needs a joint run")


def test_forward_transfer_is_undefined_while_later_classes_are_masked() -> None:
    summary = by_metric(summarize(accuracy_table(), protocol={"setting": "class"}))
    assert np.isnan(summary["forward_transfer"].mean)
    assert "masked until seen" in summary["forward_transfer"].note


def test_forward_transfer_needs_the_untrained_accuracies() -> None:
    summary = by_metric(summarize(accuracy_table(initial=False)))
    assert "before any training" in summary["forward_transfer"].note


def test_an_unfinished_run_says_how_far_it_came() -> None:
    table = accuracy_table()
    summary = by_metric(summarize(table[table["after"] < 2]))
    assert summary["average_accuracy"].note == (
        "unfinished run: accuracies after 2 of 3 experiences are there"
    )
    assert {name for name, row in summary.items() if row.num_seeds} == {"forward_transfer"}


def test_a_run_interrupted_inside_an_experience_is_unfinished() -> None:
    table = accuracy_table()
    seen = table[(table["after"] < 2) & (table["on"] <= table["after"])]
    summary = by_metric(summarize(seen, continual_table()))
    for name in ["average_accuracy", *ON_CURVES]:
        assert "2 of 3 experiences" in summary[name].note


def test_continual_evaluation_of_another_length_is_not_used() -> None:
    summary = by_metric(summarize(accuracy_table(), continual_table(experiences=2)))
    assert summary["min_accuracy"].note == (
        "continual evaluation has no rows while training on experience 2"
    )


def test_an_unfinished_replica_is_left_out_and_told() -> None:
    table = accuracy_table(seeds=(1, 2, 3))
    summary = by_metric(summarize(table[(table["seed"] != 3) | (table["after"] < 2)]))
    row = summary["average_accuracy"]
    assert row.num_seeds == 2
    assert row.note == "1 of 3 replicas left out: accuracies are missing"
    assert summary["forward_transfer"].num_seeds == 3
    assert summary["forward_transfer"].note == ""


def test_a_replica_without_any_rows_is_left_out_and_told() -> None:
    summary = by_metric(
        summarize(accuracy_table(), replicas=replica_table(dict.fromkeys([1, 2, 9])))
    )
    assert summary["average_accuracy"].note.startswith("1 of 3 replicas left out")


def test_a_replica_that_never_ended_an_experience_is_left_out_and_told() -> None:
    summary = by_metric(summarize(accuracy_table(), continual_table(seeds=(1, 2, 9))))
    assert summary["average_accuracy"].note.startswith("1 of 3 replicas left out")


def test_a_diverged_replica_is_counted_and_kept_out_of_the_mean() -> None:
    table = accuracy_table(seeds=(1, 2, 3))
    table.loc[(table["seed"] == 3) & (table["after"] >= 1), "accuracy"] = np.nan
    healthy = summarize(accuracy_table())
    recorded = summarize(table, replicas=replica_table({1: None, 2: None, 3: 1}))
    assert (recorded["num_diverged"] == 1).all()
    pd.testing.assert_frame_equal(
        recorded.drop(columns="num_diverged"), healthy.drop(columns="num_diverged")
    )
    # The accuracies alone tell the same.
    pd.testing.assert_frame_equal(summarize(table), recorded)


def test_a_replica_that_diverged_before_its_first_row_is_counted() -> None:
    summary = summarize(accuracy_table(), replicas=replica_table({1: None, 2: None, 3: 0}))
    assert (summary["num_diverged"] == 1).all()


def test_a_replica_that_diverged_only_inside_an_experience_is_counted() -> None:
    inside = continual_table()
    inside.loc[inside.index[-1], "accuracy"] = np.nan
    assert (summarize(accuracy_table(), inside)["num_diverged"] == 1).all()


def test_a_setting_whose_replicas_all_diverged_says_so() -> None:
    table = accuracy_table(settings=(0, 1))
    table.loc[(table["setting"] == 1) & (table["after"] >= 0), "accuracy"] = np.nan
    summary = summarize(table)
    lost = summary[summary["setting"] == 1]
    assert (lost["note"] == "all replicas diverged").all()
    assert lost["mean"].isna().all()
    assert (lost["num_diverged"] == 2).all()
    assert summary.loc[summary["setting"] == 0, "mean"].notna().any()


def test_an_experience_without_test_samples_is_no_divergence() -> None:
    table = accuracy_table()
    table.loc[table["on"] == 1, ["correct", "total", "accuracy"]] = [0, 0, np.nan]
    summary = by_metric(summarize(table))
    assert {row.num_diverged for row in summary.values()} == {0}
    assert "on experience 1 after experience 2" in summary["average_accuracy"].note


def test_the_joint_reference_is_the_mean_over_seeds_that_have_one() -> None:
    joint = joint_table(seeds=(1, 2, 3))
    joint["accuracy"] = joint["seed"].map({1: 0.8, 2: 1.0, 3: np.nan})
    row = by_metric(summarize(accuracy_table(seeds=(1,)), joint=joint))["intransigence"]
    assert row.mean == pytest.approx(0.05)


def test_a_joint_run_that_skips_an_experience_is_no_reference() -> None:
    joint = joint_table()
    summary = by_metric(summarize(accuracy_table(), joint=joint[joint["on"] != 1]))
    assert summary["intransigence"].note == "the joint run has no final accuracy on experience 1"


def test_an_untrained_joint_run_is_no_reference() -> None:
    table = accuracy_table()
    summary = by_metric(summarize(table, joint=table[table["after"] == -1]))
    assert summary["intransigence"].note == "the joint run has no final accuracy on experience 0"


def test_a_joint_table_of_several_settings_is_refused() -> None:
    with pytest.raises(ValueError, match=r"settings \[0, 1\]"):
        summarize(accuracy_table(), joint=accuracy_table(settings=(0, 1)))


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown protocol setting 'clas'; give one of class"):
        summarize(accuracy_table(), protocol={"setting": "clas"})


def test_an_empty_accuracy_table_is_refused() -> None:
    with pytest.raises(ValueError, match="accuracy table is empty"):
        summarize(accuracy_table().iloc[:0])


@pytest.mark.parametrize("table", ["accuracy", "continual", "replicas", "joint"])
def test_a_table_without_seeds_is_refused_by_column(table: str) -> None:
    tables: dict[str, Any] = {
        "accuracy": accuracy_table(),
        "continual": continual_table(),
        "replicas": replica_table({1: None, 2: None}),
        "joint": joint_table(),
    }
    tables[table] = tables[table].drop(columns="seed")
    with pytest.raises(ValueError, match="has no column seed"):
        summarize(**tables)


def test_scores_of_detectors_are_means_over_the_parts_that_watch() -> None:
    table = detection_table((1, 0, 10, np.nan), (1, 2, 30, 500), (2, 0, np.nan, np.nan))
    summary = by_metric(summarize(accuracy_table(), detection=table))
    assert summary["false_alarms"].mean == (1 + 0) / 2
    assert (summary["detection_delay"].mean, summary["detection_delay"].num_seeds) == (20, 1)
    assert summary["detection_delay"].note == "1 of 2 replicas left out: no drift was detected"
    assert (
        summary["time_between_false_alarms"].note == "1 of 2 replicas left out: no alarm was false"
    )


def test_scores_of_detectors_say_why_there_are_none() -> None:
    names = ["missed_drifts", "false_alarms", "detection_delay", "time_between_false_alarms"]
    unwatched = by_metric(summarize(accuracy_table()))
    nothing = detection_table().astype({"seed": int})
    unknown = by_metric(summarize(accuracy_table(), detection=nothing))
    for name in names:
        assert unwatched[name].note.startswith("no detector watched this run")
        assert unknown[name].note.startswith("needs a stream that knows its drifts")
    silent = by_metric(
        summarize(accuracy_table(), detection=detection_table((1, 0, np.nan, np.nan)))
    )
    assert silent["detection_delay"].note == "no drift was detected"
    assert silent["time_between_false_alarms"].note == "no alarm was false"
    assert silent["false_alarms"].mean == 0


def test_a_printed_summary_shows_its_numbers_first_and_its_notes_below() -> None:
    summary = summarize(accuracy_table())
    table, _, notes = repr(summary).partition("\nintransigence: ")
    assert all(len(line) <= 80 for line in table.splitlines())
    shown = {line.split()[0]: line.split()[1] for line in table.splitlines()[1:]}
    means = summary.set_index("metric")["mean"].dropna()
    assert {name: float(text) for name, text in shown.items()} == pytest.approx(
        means.to_dict(), abs=1e-5
    )
    assert "\nmin_accuracy, worst_case_accuracy, stability_gap: needs continual" in notes
    both = repr(summarize(accuracy_table(settings=(0, 1))))
    assert both.split()[0] == "setting"
    assert "note" in repr(summary[["metric", "note"]])


def test_the_summary_is_of_the_values_of_its_replicas() -> None:
    accuracy = accuracy_table(seeds=(1, 2, 5), settings=(0, 3))
    replicas = replica_table({1: None, 2: 1, 5: None})
    arguments = (accuracy, continual_table(seeds=(1, 2, 5)), replicas, joint_table())
    values, summary = per_replica(*arguments), summarize(*arguments)
    assert list(values.columns) == ["setting", "seed", "metric", "value", "note"]
    assert len(values) == 2 * 3 * len(METRICS)
    for row in summary.itertuples():
        own = values[(values["setting"] == row.setting) & (values["metric"] == row.metric)]
        assert own["seed"].tolist() == [1, 2, 5]
        assert mean_ci(own["value"]) == pytest.approx(
            (row.mean, row.ci95, row.num_seeds), nan_ok=True
        )
        assert (own["note"] == "diverged").sum() == row.num_diverged


def test_each_replica_has_its_own_number_or_the_reason_why_not() -> None:
    table = accuracy_table(seeds=(5, 1))
    table.loc[(table["seed"] == 1) & (table["after"] == 2) & (table["on"] == 0), "total"] = 0
    table.loc[table["total"] == 0, "accuracy"] = np.nan
    rows = {(row.metric, row.seed): row for row in per_replica(table).itertuples()}
    whole, partial = (rows["average_accuracy", seed] for seed in (5, 1))
    assert float(str(whole.value)) == pytest.approx(sum(MATRIX[2]) / 3)
    assert whole.note == ""
    assert np.isnan(float(str(partial.value)))
    assert "1 of 2 replicas left out" in str(partial.note)
    assert "--eval-every" in str(rows["min_accuracy", 5].note)


def test_importing_the_metrics_loads_nothing_heavy() -> None:
    code = (
        "import sys, streamsim.metrics; print([m for m in ('torch', 'scipy') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_settings_of_different_lengths_are_each_measured_over_their_own_experiences() -> None:
    long = accuracy_table()
    short = accuracy_table(experiences=2).assign(setting=1)
    together = summarize(pd.concat([long, short]))
    alone = summarize(short.assign(setting=0))
    assert together.query("setting == 1")["mean"].tolist() == pytest.approx(
        alone["mean"].tolist(), nan_ok=True
    )
    assert together.query("setting == 0").equals(summarize(long))
