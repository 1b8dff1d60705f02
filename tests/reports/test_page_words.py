"""What the page says: the numbers and verdicts against the tables they come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from streamsim.runs.tables import TABLES
from streamsim_reports.page import Page, gather_page
from streamsim_reports.page.model import Cell, Chapter, Table

WriteRun = Callable[..., Path]


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures have tests of their own and take seconds."""
    monkeypatch.setattr("streamsim_reports.page.gathering.pictures", lambda *_: ([], []))


def _said(chapter: Chapter, question: str) -> str:
    return " ".join(
        sentence
        for point in chapter.points
        if point.question == question
        for sentence in point.sentences
    )


def _cell(table: Table, row: str, column: str) -> Cell:
    place = [column.title for column in table.columns].index(column)
    return next(cells[place] for cells in table.rows if cells[0].text == row)


def _matrix(*rows: list[float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.array(rows)


def test_a_hand_worked_pair_is_told_in_numbers(write_run: WriteRun, tmp_path: Path) -> None:
    """Forgetting of `bad` is 0.9 - 0.1 = 0.8 with every seed, that of `good` 0.9 - 0.7 = 0.2."""
    noise = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])[:, None, None]
    final = np.array([[0, 0], [0, 0], [1, 0]])
    bad = _matrix([0, 0], [0.9, 0], [0.1, 0.9]) + noise * final
    good = _matrix([0, 0], [0.9, 0], [0.7, 0.9]) - noise * final
    runs = [
        write_run(tmp_path / name, strategy=name, accuracy=matrix)
        for name, matrix in {"bad": bad, "good": good}.items()
    ]
    chapter = gather_page(runs).chapters[0]
    answer = chapter.answers[0]
    assert (answer.winner, answer.tone) == ("good", "good")
    # t = 2.776 with 4 degrees of freedom, s = 0.0158: half width 0.0196
    assert answer.sentence == "Forgetting 0.200\xa0±\xa00.020, 0.600 less than bad, the next."
    assert answer.certainty.startswith("Sure: ")
    assert chapter.standings.rows[0][0].text == "good"
    assert _cell(chapter.standings, "bad", "Behind the best").text.startswith("0.600\xa0±")
    assert "bad on experience 1, from 0.900" in _said(chapter, "What is forgotten")
    assert "to 0.100 at the end" in _said(chapter, "What is forgotten")
    assert "negative with every strategy" in _said(chapter, "Where transfer is negative")
    strip = chapter.standings.rows[1][1].strip
    assert strip is not None
    assert strip.high == 100.0
    assert strip.centre == pytest.approx(100 * 0.8 / (0.8 + 0.0196), abs=0.1)


def test_a_tie_is_no_victory(write_run: WriteRun, tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / name, strategy=name, retention=share)
        for name, share in {"one": 0.7, "two": 0.701}.items()
    ]
    chapter = gather_page(runs).chapters[0]
    assert (chapter.answers[0].winner, chapter.answers[0].tone) == ("one or two", "doubt")
    assert "cannot be told apart" in chapter.answers[0].certainty
    assert "cannot be told apart" in _said(chapter, "What cannot be concluded")
    last = _cell(chapter.standings, chapter.standings.rows[-1][0].text, "Behind the best")
    assert (last.tone, "cannot be told apart" in last.note) == ("doubt", True)


def test_one_seed_gets_no_interval_and_no_test(write_run: WriteRun, tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, strategy=name, seeds=1) for name in ("one", "two")]
    chapter = gather_page(runs).chapters[0]
    assert "±" not in " ".join(c.text for row in chapter.standings.rows for c in row)
    assert chapter.answers[0].tone == "doubt"
    assert "nothing can be tested" in chapter.answers[0].certainty
    assert "With one seed there is no interval" in _said(chapter, "What cannot be concluded")


def test_a_single_strategy_is_described_and_not_compared(
    write_run: WriteRun, tmp_path: Path
) -> None:
    page = gather_page([write_run(tmp_path / "a", strategy="replay")])
    assert page.title == "replay on split-digits"
    assert [answer.question for answer in page.chapters[0].answers] == [
        "How much is forgotten?",
        "How accurate is it at the end?",
    ]
    assert len(page.chapters[0].tables) == 2


def test_an_unfinished_run_is_marked_and_shown(write_run: WriteRun, tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "a", strategy="naive", done=2)]
    runs += [write_run(tmp_path / name, strategy=name) for name in ("ewc", "lwf")]
    page = gather_page(runs)
    assert "naive: interrupted; shown as far as it goes." in page.warnings
    assert "naive: interrupted" in _said(page.chapters[0], "What went wrong")
    assert (
        "unfinished run: accuracies after 2 of 5"
        in _cell(page.chapters[0].standings, "naive", "Forgetting").note
    )
    assert _cell(page.chapters[0].tables[1], "naive", "1").text != "–"  # after two experiences
    assert "interrupted" in page.details[0].headline


def test_a_run_without_any_row_is_marked(write_run: WriteRun, tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, strategy=name) for name in ("naive", "ewc", "lwf")]
    info = (runs[0] / "run.json").read_text().replace('"finished"', '"running"')
    (runs[0] / "run.json").write_text(info)
    page = gather_page(runs)
    assert "naive: not finished (running or killed)" in page.warnings[0]
    assert "no results yet" in _cell(page.chapters[0].standings, "naive", "Forgetting").note


def test_diverged_replicas_are_counted_and_shown(write_run: WriteRun, tmp_path: Path) -> None:
    gone = {(0, 1): 2, (0, 3): 0}
    runs = [write_run(tmp_path / "a", strategy="naive", diverged=gone)]
    runs += [write_run(tmp_path / "b", strategy="ewc")]
    page = gather_page(runs)
    said = "Replicas that diverged and are left out of all means: 2 of 5 of naive."
    assert said in page.warnings
    cell = _cell(page.chapters[0].standings, "naive", "Seeds")
    assert (cell.text, cell.note) == ("3", "2 diverged")


def test_all_replicas_may_diverge(write_run: WriteRun, tmp_path: Path) -> None:
    gone = {(0, seed): 0 for seed in range(5)}
    runs = [write_run(tmp_path / "a", strategy="naive", diverged=gone)]
    runs += [write_run(tmp_path / name, strategy=name) for name in ("ewc", "lwf")]
    page = gather_page(runs)
    assert "5 of 5 of naive" in page.warnings[0]
    assert page.chapters[0].standings.rows[-1][0].text == "naive"


def test_runs_without_common_seeds_are_not_compared(write_run: WriteRun, tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "a", strategy="naive", seeds=[0, 1, 2])]
    runs += [write_run(tmp_path / "b", strategy="ewc", seeds=[7, 8, 9])]
    page = gather_page(runs)
    assert any("no two runs have a seed in common" in warning for warning in page.warnings)
    assert page.chapters[0].answers[0].tone == "doubt"


def test_unlike_protocols_are_named_and_not_compared(write_run: WriteRun, tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "a", strategy="naive", experiences=5)]
    runs += [write_run(tmp_path / "b", strategy="ewc", experiences=4)]
    page = gather_page(runs)
    assert any("num_experiences" in warning for warning in page.warnings)
    runs[1] = write_run(tmp_path / "c", strategy="ewc", model="cnn", retention=0.95)
    page = gather_page(runs)
    assert any("Not run alike: model" in warning for warning in page.warnings)
    assert page.chapters[0].answers[0].certainty.startswith("Sure")


def test_every_scenario_has_a_chapter_with_short_names(write_run: WriteRun, tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / f"{scenario}-{name}", scenario, name, retention=share)
        for scenario in ("split-digits", "rotated-digits")
        for name, share in {"naive": 0.5, "ewc": 0.7, "replay": 0.9}.items()
    ]
    page = gather_page(runs)
    assert page.title == "3 strategies on split-digits and rotated-digits"
    assert [chapter.scenario for chapter in page.chapters] == ["split-digits", "rotated-digits"]
    for chapter in page.chapters:
        assert [row[0].text for row in chapter.standings.rows] == ["replay", "ewc", "naive"]
    assert len(page.details) == 6
    assert page.across is not None
    assert page.across.tables[0].rows[0][0].text == "replay"
    assert any("best average rank" in sentence for sentence in page.across.words)


def test_settings_of_a_sweep_are_arms(write_run: WriteRun, tmp_path: Path) -> None:
    settings = [{"train.lr": 0.1}, {"train.lr": 0.5}]
    page = gather_page([write_run(tmp_path / "a", settings=settings)])
    assert page.title == "naive in 2 settings on split-digits"
    assert [detail.label for detail in page.details] == ["naive lr=0.1", "naive lr=0.5"]
    assert _cell(page.configuration[0], "naive lr=0.5", "train.lr").text == "0.5"


def test_transference_tells_which_harms_which(write_run: WriteRun, tmp_path: Path) -> None:
    """Source 0 doubles the loss of 1 with both seeds; all other pairs gain."""
    rows = [
        (0, seed, after, i, j, 1.0, ratio, ratio)
        for seed in (0, 1)
        for after in (0, 1)
        for i in (0, 1, 2)
        for j in (0, 1, 2)
        for ratio in [3.0 if after == 0 else 2.0 if (i, j) == (0, 1) else 0.5]
    ]
    columns = ["setting", "seed", "after", "source", "target", "loss_before", "loss_after", "ratio"]
    table = pd.DataFrame(rows, columns=columns)
    run = write_run(tmp_path / "a", experiences=3, seeds=2, tables={"transference": table})
    said = _said(gather_page([run]).chapters[0], "Where transfer is negative")
    assert "in 17% of all pairs" in said
    assert "most of all 1 → 2 (loss × 2.000)" in said


def test_a_drifting_stream_is_judged_while_it_is_learned(
    write_run: WriteRun, tmp_path: Path
) -> None:
    """Two seeds, two blocks: (3 + 5) / 20 and (5 + 7) / 20, so 0.5 ± 12.706 * 0.1."""
    table = pd.DataFrame(dict.fromkeys(TABLES["prequential"], 0.0), index=range(4))
    table = table.assign(setting=0, seed=[0, 0, 1, 1], position=[10, 20] * 2, total=10)
    table = table.assign(correct=[3, 5, 5, 7], accuracy=[0.3, 0.5, 0.5, 0.7])
    run = write_run(tmp_path / "a", seeds=2, tables={"prequential": table})
    said = _said(gather_page([run]).chapters[0], "How it does while learning")
    assert said.endswith("over the whole stream: naive 0.500\xa0±\xa01.271.")


@pytest.mark.parametrize("damage", ["columns", "cut", "format", "shape"])
def test_a_damaged_folder_is_one_line_that_names_it(
    damage: str, write_run: WriteRun, tmp_path: Path
) -> None:
    runs = [write_run(tmp_path / name, strategy=name) for name in ("naive", "ewc")]
    info = runs[1] / "run.json"
    if damage == "columns":
        pd.DataFrame({"seed": [1]}).to_parquet(runs[1] / "accuracy.parquet")
    elif damage == "cut":
        (runs[1] / "replicas.parquet").write_bytes(b"PAR1")
    elif damage == "format":
        info.write_text(info.read_text().replace('"format": 1', '"format": 99'))
    else:
        info.write_text(info.read_text().replace('"seeds": [', '"seeds": ["x", '))
    with pytest.raises(ValueError, match="ewc") as refused:
        gather_page(runs)
    assert "\n" not in str(refused.value)


def test_configuration_tells_shared_from_different(write_run: WriteRun, tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / name, strategy=name, options={"train.lr": lr, "strategy.x.y": 1})
        for name, lr in {"naive": 0.1, "ewc": 0.2}.items()
    ]
    page: Page = gather_page(runs)
    differing, shared = page.configuration
    assert _cell(differing, "ewc", "train.lr").text == "0.2"
    assert "train.lr" not in [row[0].text for row in shared.rows]
    assert _cell(shared, "train.epochs", "Value").text == "1"
    assert _cell(page.environment[0], "torch", "Every run").text == "2.15.0"
