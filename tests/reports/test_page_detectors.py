"""What a report says of drift detectors, against the tables of the runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

import streamsim
from streamsim.runs import Run
from streamsim_reports.page import gather_page
from streamsim_reports.page.text import p_value, plus_minus

OPTIONS = {"scenario.n_samples": 2000, "model.hidden": (16,), "train.batch_size": 4}


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamsim_reports.page.gathering.pictures", lambda *_: ([], []))


TRIGGERS = ("adwin", "oracle", "periodic", "never")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The same strategy, told of drift by each trigger."""
    root = tmp_path_factory.mktemp("told")
    return {
        trigger: streamsim.run(
            "sine-reversal",
            "on-drift:reset",
            options={**OPTIONS, "strategy.trigger": trigger},
            seeds=3,
            out=root / trigger,
            compile="off",
        )
        for trigger in TRIGGERS
    }


def _accuracy(run: Run) -> pd.Series[float]:
    """Prequential accuracy by seed, from the raw table."""
    sums = run.table("prequential").groupby("seed")[["correct", "total"]].sum()
    return sums["correct"] / sums["total"]


def test_a_detector_is_worth_the_paired_difference_from_never(runs: dict[str, Run]) -> None:
    tables = gather_page(runs.values()).chapters[0].tables
    assert tables[0].name.endswith("-detectors")
    rows = {row[1].text: row for row in tables[0].rows}
    assert tuple(rows) == TRIGGERS
    tests = {}
    for trigger in TRIGGERS[:-1]:
        scores, row = runs[trigger].detection(), rows[trigger]
        assert row[2].sort == scores["detected"].mean()
        assert row[3].sort == scores["false_alarms"].mean()
        gap = _accuracy(runs[trigger]) - _accuracy(runs["never"])
        tests[trigger] = stats.ttest_1samp(gap, 0.0)
        assert row[6].sort == pytest.approx(gap.mean())
        half = gap.mean() - tests[trigger].confidence_interval(0.95).low
        assert row[6].text == plus_minus(gap.mean(), half)
    smallest = min(tests, key=lambda trigger: tests[trigger].pvalue)
    corrected = p_value(min(1.0, 3 * tests[smallest].pvalue))
    assert rows[smallest][6].note.endswith(corrected)
    assert rows["never"][6].text == "never told"
    assert [cell.text for cell in rows["never"][2:5]] == ["0 of 3", "0", "\N{EN DASH}"]
    assert [cell.text for cell in rows["oracle"][2:5]] == ["3 of 3", "0", "1"]


def test_prequential_accuracy_leads_where_streams_drift(runs: dict[str, Run]) -> None:
    chapter = gather_page(runs.values()).chapters[0]
    asked = [answer.question for answer in chapter.answers]
    assert asked == [
        "Which is most accurate while learning?",
        "Which is most accurate at the end?",
        "Which strategy forgets least?",
    ]
    means = {trigger: _accuracy(run).mean() for trigger, run in runs.items()}
    best = max(means, key=lambda trigger: means[trigger])
    assert chapter.standings.columns[1].title == "Prequential accuracy"
    assert chapter.standings.rows[0][0].text == f"on-drift:reset trigger={best}"
    assert [row[1].sort for row in chapter.standings.rows] == sorted(means.values(), reverse=True)
    points = [point.question for point in chapter.points]
    assert points[1:4] == [
        "Who wins while learning",
        "What detectors are worth",
        "Who wins at the end, on held-out samples",
    ]
    assert chapter.tables[0].name.endswith("-detectors")
    assert any("differences-prequential_accuracy" in table.name for table in chapter.tables)


def test_gains_are_claimed_only_where_they_hold(runs: dict[str, Run]) -> None:
    chapter = gather_page(runs.values()).chapters[0]
    (said,) = (p.sentences for p in chapter.points if p.question == "What detectors are worth")
    rows = {row[0].text: row for row in chapter.tables[0].rows}
    assert len(said) == 3
    for sentence in said:
        label = next(label for label in rows if sentence.startswith(f"{label} "))
        sure = rows[label][6].tone == "plain"
        assert sure == (" gains " in sentence or " loses " in sentence)


def test_what_was_judged_is_summed_up_once_a_run(
    runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    summed: list[Path] = []
    original = Run.prequential

    def counted(self: Run, window: int | None = None) -> pd.DataFrame:
        summed.append(self.path)
        return original(self, window)

    monkeypatch.setattr(Run, "prequential", counted)
    gather_page(runs.values())
    assert sorted(summed) == sorted(run.path for run in runs.values())


def test_a_recorded_stream_has_gains_and_no_scores_of_alarms(
    runs: dict[str, Run], tmp_path: Path
) -> None:
    folders = []
    for trigger in ("adwin", "never"):
        shutil.copytree(runs[trigger].path, tmp_path / trigger)
        (tmp_path / trigger / "drifts.parquet").unlink()
        folders.append(tmp_path / trigger)
    (table, *_) = gather_page(folders).chapters[0].tables
    told, never = table.rows
    assert [cell.text for cell in told[2:5]] == ["\N{EN DASH}"] * 3
    gap = _accuracy(runs["adwin"]) - _accuracy(runs["never"])
    assert told[6].sort == pytest.approx(gap.mean())
    assert never[6].text == "never told"


def test_runs_that_nothing_watched_have_no_such_table(tmp_path: Path) -> None:
    run = streamsim.run(
        "sine-reversal", "naive", options=OPTIONS, seeds=1, out=tmp_path / "run", compile="off"
    )
    tables = gather_page([run]).chapters[0].tables
    assert not [table for table in tables if table.name.endswith("-detectors")]
