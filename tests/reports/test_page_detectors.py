"""What a report says of drift detectors, against the tables of the runs."""

from __future__ import annotations

from pathlib import Path

import pytest

import streamsim
from streamsim_reports.page import gather_page

OPTIONS = {"scenario.n_samples": 2000, "model.hidden": (16,), "train.batch_size": 4}


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamsim_reports.page.gathering.pictures", lambda *_: ([], []))


def test_detectors_of_one_strategy_are_set_against_never(tmp_path: Path) -> None:
    triggers = ("adwin", "oracle", "periodic", "never")
    runs = {
        trigger: streamsim.run(
            "sine-reversal",
            "on-drift:reset",
            options={**OPTIONS, "strategy.trigger": trigger},
            seeds=2,
            out=tmp_path / trigger,
            compile="off",
        )
        for trigger in triggers
    }
    tables = gather_page(runs.values()).chapters[0].tables
    (table,) = (table for table in tables if table.name.endswith("-detectors"))
    rows = {row[1].text: row for row in table.rows}
    assert tuple(rows) == triggers
    accuracy = {
        trigger: run.summary().set_index("metric").loc["prequential_accuracy", "mean"]
        for trigger, run in runs.items()
    }
    for trigger, row in rows.items():
        scores = runs[trigger].detection()
        assert row[2].sort == scores["detected"].mean()
        assert row[3].sort == scores["false_alarms"].mean()
        assert row[6].sort == pytest.approx(accuracy[trigger] - accuracy["never"])  # type: ignore[operator]
    assert [cell.text for cell in rows["never"][2:5]] == ["0 of 3", "0", "\N{EN DASH}"]
    assert [cell.text for cell in rows["oracle"][2:5]] == ["3 of 3", "0", "1"]


def test_runs_that_nothing_watched_have_no_such_table(tmp_path: Path) -> None:
    run = streamsim.run(
        "sine-reversal", "naive", options=OPTIONS, seeds=1, out=tmp_path / "run", compile="off"
    )
    tables = gather_page([run]).chapters[0].tables
    assert not [table for table in tables if table.name.endswith("-detectors")]
