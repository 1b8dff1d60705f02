"""`streamsim report` and `streamsim run --report`, as their users type them."""

from __future__ import annotations

import json
import re
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from streamsim.cli import main

Call = Callable[..., tuple[int, str, str]]
WriteRun = Callable[..., Path]


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Call:
    """Exit code, standard output and standard error of a command."""
    monkeypatch.chdir(tmp_path)

    def called(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["streamsim", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        return int(caught.value.code or 0), *capsys.readouterr()

    return called


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures have tests of their own and take seconds."""
    monkeypatch.setattr("streamsim_reports.page.gathering.pictures", lambda *_: ([], []))


@pytest.mark.usefixtures("without_figures")
def test_a_report_is_one_file_and_its_name_is_printed(
    call: Call, write_run: WriteRun, tmp_path: Path
) -> None:
    runs = [str(write_run(tmp_path / name, strategy=name)) for name in ("naive", "ewc")]
    assert call("report", *runs) == (0, "report.html\n", "")
    text = Path("report.html").read_text(encoding="utf-8")
    assert "<title>2 strategies on split-digits · streamsim</title>" in text
    assert re.findall(r"""(?:src|href)=["'](?!#|data:)""", text) == []
    assert call("report", *runs, "-o", "again.html")[0] == 0
    again = Path("again.html").read_bytes()
    assert again == Path("report.html").read_bytes()


@pytest.mark.usefixtures("without_figures")
def test_open_shows_the_file(
    call: Call, write_run: WriteRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: shown.append(url))
    run = write_run(tmp_path / "a run")
    assert call("report", str(run), "--open")[0] == 0
    assert shown == [(tmp_path / "report.html").as_uri()]


@pytest.mark.usefixtures("without_figures")
def test_a_run_brings_its_own_report(call: Call) -> None:
    command = ["run", "split-digits", "naive", "--seeds", "2", "--out", "here", "--report"]
    code, out, _ = call(*command)
    assert code == 0
    assert out.endswith("report: here/report.html\n")
    assert "naive on split-digits" in Path("here/report.html").read_text(encoding="utf-8")
    code, out, err = call(*command, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["status"] == "finished"


BAD = [
    (["report"], "Missing argument"),
    (["report", "nowhere"], "nowhere is not a run folder"),
    (["report", "good", "file.txt"], "file.txt is not a run folder"),
    (["report", "good", "-o", "nowhere/report.html"], "the folder nowhere is not there"),
    (["report", "good", "-o", "report.pdf"], "give a file that ends in .html"),
    (["report", "good", "-o", "folder.html"], "folder.html is a folder"),
    (["report", "good", "-o", "file.txt/report.html"], "cannot|is not there"),
    (["report", "good", "columns"], "accuracy.parquet has no column"),
    (["report", "good", "foreign"], "has the format 99"),
    (["report", "good", "stranger"], "run.json is damaged: it has no configuration.options"),
]


@pytest.mark.parametrize(("arguments", "complaint"), BAD, ids=lambda value: str(value)[:60])
def test_bad_input_is_one_line_and_writes_nothing(
    arguments: list[str], complaint: str, call: Call, write_run: WriteRun, tmp_path: Path
) -> None:
    write_run(tmp_path / "good", strategy="naive")
    (tmp_path / "file.txt").write_text("")
    (tmp_path / "folder.html").mkdir()
    pd.DataFrame({"seed": [1]}).to_parquet(write_run(tmp_path / "columns") / "accuracy.parquet")
    foreign = write_run(tmp_path / "foreign") / "run.json"
    foreign.write_text(foreign.read_text().replace('"format": 1', '"format": 99'))
    stranger = write_run(tmp_path / "stranger") / "run.json"
    info = json.loads(stranger.read_text())
    del info["configuration"]["options"]
    stranger.write_text(json.dumps(info))
    before = sorted(tmp_path.rglob("*"))
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert re.search(complaint, err), err
    assert sorted(tmp_path.rglob("*")) == before
