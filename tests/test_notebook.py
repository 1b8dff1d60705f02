"""What a run shows of itself in a notebook: its numbers, and nothing that runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from streamsim import runs, simulator
from streamsim.runs import Run, open_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("run")
    return simulator.run("split-digits", "naive", seeds=2, out=folder / "here", compile="off")


class Page(HTMLParser):
    """Tags, attributes and tables; complains about tags that are not closed in order."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.text = run._repr_html_()
        self.seen: set[str] = set()
        self.open: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.feed(self.text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen |= {tag, *(f"{tag}.{name}" for name, _ in attrs)}
        if tag != "br":
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_data(self, data: str) -> None:
        if self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_metrics_are_those_of_the_summary(run: Run) -> None:
    metrics, matrix, _ = Page(run).tables
    summary = run.summary().set_index("metric")
    shown = {row[0]: row[1:] for row in metrics}
    row = summary.loc["forgetting"]
    assert shown["Forgetting"] == [f"{row['mean']:.4f} ± {row['ci95']:.4f}", "2"]
    assert "Stability gap" not in shown
    accuracy = run.table("accuracy")
    learned = accuracy[accuracy["on"] == accuracy["after"]].groupby("on")["accuracy"].mean()
    assert matrix[0][1:] == ["1", "2", "3", "4", "5"]
    assert [row[0] for row in matrix[1:]] == [f"after {n}" for n in range(1, 6)]
    diagonal = [matrix[i + 1][i + 1] for i in range(5)]
    assert diagonal == [f"{value:.2f}" for value in learned]


def test_a_sweep_tells_its_settings_apart(tmp_path: Path) -> None:
    swept = simulator.run(
        "split-digits", "naive", sweep={"train.lr": ["0.1", "0.2"]}, out=tmp_path, compile="off"
    )
    settings = [row[0] for row in Page(swept).tables[0][1:]]
    assert sorted(set(settings)) == ["train.lr=0.1", "train.lr=0.2"]


def test_nothing_from_the_folder_becomes_markup(run: Run, tmp_path: Path) -> None:
    evil = '<script>alert(1)</script><img src=x onerror="alert(2)">'
    folder = tmp_path / "<b>bold"
    shutil.copytree(run.path, folder)
    info = json.loads((folder / "run.json").read_text())
    info["configuration"]["strategy"] = evil
    info["configuration"]["options"][evil] = evil
    info["settings"] = [{evil: evil}, {}]
    info["notes"] = [evil]
    info["environment"]["device"] = evil
    (folder / "run.json").write_text(json.dumps(info))
    page = Page(open_run(folder))
    assert page.seen - {"p"} <= Page(run).seen
    assert page.text.count("&lt;script&gt;") >= 5


def test_an_unfinished_run_says_how_to_finish(run: Run, tmp_path: Path) -> None:
    runs.write_info(tmp_path, {**run.info, "status": "interrupted"})
    text = Page(open_run(tmp_path)).text
    assert f"<code>streamsim resume {tmp_path}</code>" in text


def test_a_damaged_table_is_told_and_not_raised(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "bad")
    (tmp_path / "bad" / "accuracy.parquet").write_bytes(b"")
    text = Page(open_run(tmp_path / "bad")).text
    assert re.search("accuracy.parquet is missing or damaged", text)
    assert "options and environment" in text


def test_showing_a_run_needs_no_torch(run: Run) -> None:
    code = (
        "import sys; from streamsim.runs import open_run; "
        f"open_run({str(run.path)!r})._repr_html_(); "
        "print([m for m in ('torch', 'seaborn', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
