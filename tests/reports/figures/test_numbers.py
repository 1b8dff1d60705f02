"""The numbers that are drawn, against slow loops and hand-worked cases."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from streamsim.metrics import forgetting_per_experience, mean_ci
from streamsim.runs import open_run
from streamsim_reports.cohort import gather
from streamsim_reports.figures import KINDS
from streamsim_reports.figures.estimates import estimate
from streamsim_reports.figures.replicas import diverged, healthy

WriteRun = Callable[..., Path]


def numbers(name: str, *paths: Path) -> pd.DataFrame:
    return KINDS[name].numbers(gather(paths))


def row(table: pd.DataFrame, **where: object) -> Any:
    chosen = table
    for column, value in where.items():
        chosen = chosen[chosen[column] == value]
    assert len(chosen) == 1
    return chosen.iloc[0]


# -- means and intervals ---------------------------------------------------------------------------
def test_estimates_are_those_of_the_metrics() -> None:
    values = np.random.default_rng(0).random(12)
    values[4] = np.nan
    table = pd.DataFrame({"on": np.repeat([0, 1, 2], [6, 5, 1]), "value": values})
    found = estimate(table, ["on"], "value")
    for on, rows in table.groupby("on"):
        expected = mean_ci(rows["value"])
        own = row(found, on=on)
        assert own["num_seeds"] == expected.num_seeds
        assert own["mean"] == pytest.approx(expected.mean)
        assert own["ci95"] == pytest.approx(expected.half_width, nan_ok=True)


def test_one_seed_has_no_interval(tmp_path: Path, write_run: WriteRun) -> None:
    found = numbers("average-accuracy", write_run(tmp_path / "r", seeds=1))
    assert found["ci95"].isna().all()
    assert (found["num_seeds"] == 1).all()


# -- accuracy --------------------------------------------------------------------------------------
def test_curves_and_matrix_equal_a_plain_loop(tmp_path: Path, write_run: WriteRun) -> None:
    path = write_run(tmp_path / "r", experiences=3, seeds=[4, 7, 9])
    raw = open_run(path).table("accuracy")
    curves, matrix, average = (
        numbers(name, path) for name in ("forgetting-curves", "accuracy-matrix", "average-accuracy")
    )
    for after in range(3):
        seen = []
        for on in range(3):
            cells = raw[(raw["after"] == after) & (raw["on"] == on)].set_index("seed")["accuracy"]
            values = [cells[seed] for seed in (4, 7, 9)]
            expected = mean_ci(values)
            cell = row(matrix, trained=after + 1, experience=on + 1)
            assert cell["mean"] == pytest.approx(expected.mean)
            if on <= after:
                seen.append(values)
                point = row(curves, trained=after + 1, experience=on + 1)
                assert point["ci95"] == pytest.approx(expected.half_width)
        point = row(average, trained=after + 1)
        assert point["mean"] == pytest.approx(np.mean(seen))
        assert point["ci95"] == pytest.approx(mean_ci(np.mean(seen, axis=0)).half_width)
    # no experience before it was learned, nothing before any training
    assert (curves["experience"] <= curves["trained"]).all()
    assert len(matrix) == 9


def test_forgetting_is_that_of_the_metric(five_runs: list[Path]) -> None:
    found = numbers("forgetting", *five_runs)
    table = open_run(five_runs[1]).table("accuracy")
    matrices = np.full((5, 5, 5), np.nan)
    trained = table[table["after"] >= 0]
    matrices[trained["seed"], trained["after"], trained["on"]] = trained["accuracy"]
    lost = forgetting_per_experience(matrices)
    for experience in range(4):
        own = row(found, label="ewc", experience=experience + 1)
        assert own["mean"] == pytest.approx(lost[:, experience].mean())


def test_an_unfinished_run_is_judged_as_far_as_it_goes(tmp_path: Path, write_run: WriteRun) -> None:
    matrix_AE = [[0, 0, 0], [0.9, 0, 0], [0.5, 0.8, 0], [0.1, 0.1, 0.1]]
    found = numbers("forgetting", write_run(tmp_path / "r", accuracy=matrix_AE, done=2))
    assert found[["experience", "mean"]].to_numpy().tolist() == [[1, pytest.approx(0.4)]]


def test_diverged_replicas_enter_no_mean(tmp_path: Path, write_run: WriteRun) -> None:
    matrix_RAE = np.array([[[0.0], [0.2]], [[0.0], [0.4]], [[0.0], [0.9]]])
    path = write_run(tmp_path / "r", accuracy=matrix_RAE, seeds=3, diverged={(0, 2): 0})
    found = numbers("average-accuracy", path)
    assert (found["mean"].item(), found["num_seeds"].item()) == (pytest.approx(0.3), 2)
    cohort = gather([path])
    assert diverged(cohort).to_numpy().tolist() == [["naive", 2]]
    # in an unfinished run there is no record yet, only accuracies that are missing
    path = write_run(tmp_path / "u", accuracy=matrix_RAE, seeds=3, diverged={(0, 2): 0}, done=1)
    assert sorted(healthy(gather([path]), "accuracy")["seed"].unique()) == [0, 1]


def test_all_replicas_diverged_is_said(tmp_path: Path, write_run: WriteRun) -> None:
    path = write_run(tmp_path / "r", seeds=2, diverged={(0, 0): 0, (0, 1): 1})
    assert KINDS["forgetting-curves"].available(gather([path])) == "all replicas diverged"


# -- metrics of whole runs -------------------------------------------------------------------------
def test_transfer_has_the_same_arms_for_both_metrics(tmp_path: Path, write_run: WriteRun) -> None:
    paths = [
        write_run(tmp_path / "a", strategy="naive"),
        write_run(tmp_path / "b", strategy="lwf", protocol="domain"),
    ]
    found = numbers("transfer", *paths)
    assert found.groupby("metric", observed=True)["label"].apply(list).tolist() == [
        ["naive", "lwf"], ["naive", "lwf"],
    ]  # fmt: skip
    assert row(found, metric="Forward transfer (FWT)", label="naive")["mean"] != 0  # undefined
    expected = open_run(paths[1]).summary().set_index("metric").loc["backward_transfer"]
    own = row(found, metric="Backward transfer (BWT)", label="lwf")
    assert (own["mean"], own["ci95"]) == (expected["mean"], expected["ci95"])


def test_memory_and_time_are_read_from_the_run(tmp_path: Path, write_run: WriteRun) -> None:
    def matrix(last: float) -> list[list[float]]:
        return [[0.0], [last]]

    replay = {"strategy.replay.memory_size": 300, "strategy.gdumb.memory_size": 200}
    paths = [
        write_run(tmp_path / "a", strategy="naive", accuracy=matrix(0.4), seconds=10.0),
        write_run(tmp_path / "b", strategy="replay+gdumb", options=replay, accuracy=matrix(0.9),
                  seconds=20.0, seeds=4),
        write_run(tmp_path / "c", strategy="joint", accuracy=matrix(0.95)),
        write_run(tmp_path / "d", strategy="si", accuracy=matrix(0.3), seconds=11.0),
    ]  # fmt: skip
    memory = numbers("memory-cost", *paths).set_index("label")
    assert memory["memory"].to_dict() == {"naive": 0, "si": 0, "replay+gdumb": 500}
    assert memory["frontier"].to_dict() == {"naive": True, "si": False, "replay+gdumb": True}
    time = numbers("time-cost", *paths).set_index("label")
    assert time["seconds"].to_dict() == {"naive": 2.0, "replay+gdumb": 5.0, "si": 2.2, "joint": 2.5}
    caption = KINDS["memory-cost"].caption(gather(paths), memory.reset_index())
    # 50 points for 500 samples
    assert "50.0 points from naive to replay+gdumb (10 for 100 more samples)" in caption
    assert "keep the whole stream" in caption


def test_a_sweep_has_the_option_with_most_values_as_axis(
    tmp_path: Path, write_run: WriteRun
) -> None:
    settings = [{"train.lr": lr, "strategy.ewc.strength": s} for s in (1.0, 100.0, 10.0)
                for lr in (0.1, 0.01)]  # fmt: skip
    path = write_run(tmp_path / "r", strategy="ewc", settings=settings)
    found = numbers("sweep", path)
    assert set(found["option"]) == {"strategy.ewc.strength"}
    assert set(found["line"]) == {"ewc lr=0.1", "ewc lr=0.01"}
    assert sorted(found["place"].unique()) == [1, 10, 100]
    summary = open_run(path).summary().query("metric == 'average_accuracy'").set_index("setting")
    own = row(found, place=100, line="ewc lr=0.01")
    assert own["mean"] == summary.loc[3, "mean"]


def test_values_that_are_no_numbers_keep_their_order(tmp_path: Path, write_run: WriteRun) -> None:
    settings = [{"strategy.replay.policy": name} for name in ("reservoir", "balanced", "ring")]
    found = numbers("sweep", write_run(tmp_path / "r", strategy="replay", settings=settings))
    assert found[["place", "value"]].to_numpy().tolist() == [
        [0, "reservoir"], [1, "balanced"], [2, "ring"],
    ]  # fmt: skip


# -- inside experiences ----------------------------------------------------------------------------
def test_continual_curves_of_a_hand_worked_stream(tmp_path: Path, write_run: WriteRun) -> None:
    path = write_run(tmp_path / "r", experiences=3, seeds=2, eval_every=20)
    raw = open_run(path).table("continual")
    found = numbers("continual", path)
    past = found[found["series"] == "past"]
    # the third experience starts at step 80, from the mean over both learned by then
    start = raw.query("experience == 1 and step == 40")["accuracy"].mean()
    assert row(past, experience=3, step=80)["mean"] == pytest.approx(start)
    inside = raw.query("experience == 2 and step == 20 and on < 2")["accuracy"].mean()
    assert row(past, experience=3, step=100)["mean"] == pytest.approx(inside)
    current = raw.query("experience == 1 and step == 20 and on == 1")["accuracy"].mean()
    own = row(found, series="current", experience=2, step=60)
    assert own["mean"] == pytest.approx(current)


def test_many_moments_are_thinned_to_the_worst_of_each_few(
    tmp_path: Path, write_run: WriteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_run(tmp_path / "r", experiences=3, seeds=2, eval_every=1)
    every = numbers("continual", path)
    monkeypatch.setattr("streamsim_reports.figures.continual.POINTS", 60)
    few = numbers("continual", path)
    assert len(few) < 80 < len(every)
    lowest = ["series", "experience"]
    assert few.groupby(lowest)["mean"].min().equals(every.groupby(lowest)["mean"].min())
    assert (
        few.groupby(lowest)["step"]
        .agg(["min", "max"])
        .equals(every.groupby(lowest)["step"].agg(["min", "max"]))
    )


# -- drift -----------------------------------------------------------------------------------------
def test_prequential_means_in_stretches(full_runs: list[Path]) -> None:
    found = numbers("prequential", *full_runs)
    curve = found[(found["series"] == "accuracy") & (found["label"] == "naive")]
    # 400 blocks become 200 stretches of 20 samples
    assert len(curve) == 200
    before = curve[curve["position"] < 1980]["mean"]
    after = curve[curve["position"] > 2020]["mean"]
    assert before.to_numpy() == pytest.approx(0.9)
    assert after.to_numpy() == pytest.approx(0.6)
    drift = row(found, label="naive", series="drift")
    assert drift["mean"] == 1.0  # every seed
    assert drift["position"] == 2000  # few events stay where they are
    assert row(found, label="replay", series="alarm")["position"] == 2150


def test_a_detector_that_kept_silent_leaves_the_curve(
    tmp_path: Path, write_run: WriteRun, full_runs: list[Path]
) -> None:
    run = open_run(full_runs[0])
    tables = {name: run.table(name) for name in ("prequential", "drifts", "alarms")}
    tables["alarms"] = tables["alarms"].head(0)
    found = numbers("prequential", write_run(tmp_path / "r", seeds=3, tables=tables))
    assert set(found["series"]) == {"accuracy", "drift"}


def test_a_million_rows_are_few_numbers(tmp_path: Path, write_run: WriteRun) -> None:
    position = np.tile(np.arange(1, 200_001), 5)
    table = pd.DataFrame({"position": position, "accuracy": position % 2, "total": 1})
    table["seed"] = np.repeat(range(5), 200_000)
    rest = ["correct", "persistent", "log_loss", "faded_accuracy", "faded_log_loss"]
    table = table.assign(setting=0, **dict.fromkeys(rest, 0))
    found = numbers("prequential", write_run(tmp_path / "r", tables={"prequential": table}))
    assert len(found) == 200
    assert found["mean"].to_numpy() == pytest.approx(0.5, abs=0.01)


# -- transference ----------------------------------------------------------------------------------
def test_ratios_are_averaged_as_logarithms_at_the_last_checkpoint(
    tmp_path: Path, write_run: WriteRun
) -> None:
    cells = [(0, 5.0), (1, 0.5), (1, 2.0)]  # (after, ratio), of seeds 0, 0, 1
    table = pd.DataFrame(
        [(0, seed, after, 0, 1, 1.0, ratio, ratio)
         for (after, ratio), seed in zip(cells, (0, 0, 1), strict=True)],
        columns=["setting", "seed", "after", "source", "target", "loss_before", "loss_after",
                 "ratio"],
    )  # fmt: skip
    found = numbers("transference", write_run(tmp_path / "r", tables={"transference": table}))
    own = row(found, source=1, target=2)
    assert own["ratio"] == pytest.approx(1.0)  # halving and doubling cancel
    assert own["trained"] == 2
    share = numbers("transference-histogram", tmp_path / "r")
    assert share.groupby("trained")["negative"].first().to_dict() == {1: 1.0, 2: 0.5}
    assert share.groupby("trained")["share"].sum().to_dict() == {1: 1.0, 2: 1.0}


def test_histograms_leave_out_a_task_with_itself(full_runs: list[Path]) -> None:
    found = numbers("transference-histogram", *full_runs)
    # of 20 ordered pairs, 8 neighbours help (|i - j| = 1), 12 hurt
    assert found["negative"].unique() == pytest.approx(12 / 20)
    assert (found["num_pairs"] == 3 * 20).all()
    assert set(found["panel"]) == {"naive", "replay"}


def test_transference_between_episodes_has_panels_of_its_own(
    tmp_path: Path, write_run: WriteRun, full_runs: list[Path]
) -> None:
    table = open_run(full_runs[0]).table("transference")
    tables = {"transference": table, "meta_transference": table.assign(after=100)}
    found = numbers("transference-histogram", write_run(tmp_path / "r", tables=tables))
    assert set(found["panel"]) == {"naive", "naive (episodes)"}
    steps = found[found["between"] == "episodes"]["trained"].unique()
    assert steps.tolist() == [100]  # outer steps are counts already


def test_the_dendrogram_is_the_tree_of_mergers(full_runs: list[Path]) -> None:
    found = numbers("transference-groups", *full_runs)
    own = found[found["label"] == "naive"]
    assert own["size"].tolist()[-1] == 5
    assert own["height"].is_monotonic_increasing
    first = own.iloc[0]
    # neighbours merge first, at exp(-0.025) and what seeds add to it
    assert abs(first["left"] - first["right"]) == 1
    assert math.log(first["height"]) == pytest.approx(-0.025 + 0.001)
    caption = KINDS["transference-groups"].caption(gather(full_runs), found)
    assert "Suggested groups: naive: 1+2" in caption
    # the corner counts the groups that the caption names, single experiences too
    axes = KINDS["transference-groups"].draw(own, Figure().subplots())
    named = caption.partition("naive: ")[2].partition(";")[0].partition(". ")[0]
    groups = re.split(", | and ", named)
    assert axes.get_title(loc="right").startswith(f"{len(groups)} group")
    assert sorted("+".join(groups).split("+")) == ["1", "2", "3", "4", "5"]
