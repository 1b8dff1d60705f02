"""`streamsim plot` and `streamsim list figures`, as their users type them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from streamsim.cli import main

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Call:
    """Exit code, standard output and standard error of a command, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["streamsim", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return run


@pytest.fixture
def finished(call: Call) -> str:
    """A small run of two seeds, without continual evaluation."""
    call("run", "split-digits", "naive", "--seeds", "2", "--out", "here", "--quiet")
    return "here"


def test_a_figure_is_saved_where_asked_and_its_path_printed(call: Call, finished: str) -> None:
    for name, start in (("a.svg", b"<?xml"), ("a.png", b"\x89PNG"), ("a.pdf", b"%PDF")):
        assert call("plot", "forgetting-curves", finished, "-o", name) == (0, f"{name}\n", "")
        assert Path(name).read_bytes().startswith(start)
    light = Path("a.svg").read_bytes()
    call("plot", "forgetting-curves", finished, "--dark", "-o", "a.svg")
    assert Path("a.svg").read_bytes() != light


def test_without_a_name_the_kind_is_the_name(call: Call, finished: str) -> None:
    assert call("plot", "accuracy-matrix", finished) == (0, "accuracy-matrix.svg\n", "")
    assert "Mean over 2 seeds" in Path("accuracy-matrix.svg").read_text()


def test_figures_are_listed_with_what_they_show(call: Call) -> None:
    _, out, _ = call("list", "figures")
    assert re.search(r"^forgetting-curves +Accuracy on each experience as training goes", out)
    _, out, _ = call("list", "figures", "--json")
    assert len(json.loads(out)) >= 14


BAD = [
    ([], "no figure named; choose forgetting-curves, .*sweep"),
    (["forgeting-curves", "here"], "unknown figure.*did you mean 'forgetting-curves'"),
    (["average-accuracy"], "no runs given; name one or more run folders"),
    (["average-accuracy", "nowhere"], "nowhere is not a run folder"),
    (["average-accuracy", "here", "-o", "a.gif"], r"a.gif: unknown format; .*\.svg, \.png, \.pdf"),
    (["average-accuracy", "here", "-o", "figure"], "figure: unknown format"),
    (["average-accuracy", "here", "-o", "none/a.svg"], "there is no folder none"),
    (["continual", "here"], "continual cannot be drawn: .*--eval-every N"),
    (["transference", "here"], "transference cannot be drawn: .*--transference"),
    (["sweep", "here"], "sweep cannot be drawn: no option was swept; run with --sweep"),
]


@pytest.mark.parametrize(("arguments", "complaint"), BAD, ids=lambda value: str(value)[:50])
def test_bad_input_is_one_line_and_writes_nothing(
    arguments: list[str], complaint: str, call: Call, finished: str
) -> None:
    code, out, err = call("plot", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.search(complaint, err), err
    assert [entry.name for entry in Path().iterdir()] == [finished]


def test_damage_is_one_line(call: Call, finished: str) -> None:
    Path("here/accuracy.parquet").write_bytes(b"not a table")
    code, _, err = call("plot", "average-accuracy", finished)
    assert (code, err.count("\n")) == (2, 1)
    assert "accuracy.parquet is missing or damaged" in err
