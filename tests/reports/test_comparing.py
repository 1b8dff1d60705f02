"""`streamsim compare` and `streamsim export`, as their users type them."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from streamsim.cli import main

Call = Callable[..., tuple[int, str, str]]
FIVE = ["naive", "ewc", "lwf", "agem", "replay"]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Exit code, standard output and standard error of a command."""

    def made(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["streamsim", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return made


@pytest.fixture(autouse=True)
def _here(five_runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The five runs by their names, in a folder of one's own."""
    for run in five_runs:
        (tmp_path / run.name).symlink_to(run)
    monkeypatch.chdir(tmp_path)


def test_a_comparison_is_a_table_and_a_plain_answer(call: Call) -> None:
    code, out, err = call("compare", *FIVE, "--metric", "forgetting", "--baseline", "naive")
    assert (code, err) == (0, "")
    assert re.search(r"^replay +0\.\d{4} ± 0\.\d{4} +5 +-0\.\d{4} ± 0\.\d{4}.* better$", out, re.M)
    assert "\nreplay has the lowest forgetting: 0." in out
    assert "\nBetter than naive, and the difference" in out


def test_several_metrics_follow_each_other(call: Call) -> None:
    _, out, _ = call(
        "compare", *FIVE, "--metric", "forgetting", "--metric", "stability_gap", "--format", "json"
    )
    assert [made["metric"] for made in json.loads(out)] == ["forgetting", "stability_gap"]


def test_the_file_holds_what_would_be_printed(call: Call) -> None:
    _, printed, _ = call("compare", *FIVE, "--format", "csv")
    code, out, err = call("compare", *FIVE, "--format", "csv", "-o", "all.csv")
    assert (code, out, err) == (0, "", "wrote all.csv\n")
    assert Path("all.csv").read_text() == printed
    assert sorted(pd.read_csv("all.csv")["label"]) == sorted(FIVE)


def test_warnings_go_to_standard_error(call: Call, write_run: Any) -> None:
    write_run(Path("long"), strategy="long", options={"train.epochs": 50})
    code, out, err = call("compare", "naive", "long", "--format", "csv")
    assert code == 0
    assert err.startswith("warning: not run alike: train.epochs on split-digits is 1 for naive")
    assert "warning" not in out


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_a_diagram_of_ranks_is_drawn(call: Call, write_run: Any, suffix: str) -> None:
    for name in FIVE[:3]:
        write_run(Path("other") / name, "rotated-digits", name)
    runs = [*FIVE[:3], *(f"other/{name}" for name in FIVE[:3])]
    code, _, err = call("compare", *runs, "--diagram", f"ranks.{suffix}")
    assert (code, err) == (0, f"wrote ranks.{suffix}\n")
    content = Path(f"ranks.{suffix}").read_bytes()
    assert content.startswith({"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[suffix])


BAD = [
    (["compare"], "Missing argument"),
    (["compare", "nowhere"], "nowhere is not a run folder"),
    (["compare", "naive"], "nothing to compare: naive; give two or more runs"),
    (["compare", "naive", "naive"], "nothing to compare: naive"),
    (["compare", *FIVE, "--metric", "forgeting"], "unknown metric 'forgeting'; choose"),
    (["compare", *FIVE, "--metric", "intransigence"], "no run has intransigence: needs a joint"),
    (["compare", *FIVE, "--baseline", "naif"], "naif is not among the runs.*'naive'"),
    (["compare", *FIVE, "--format", "xml"], "--format xml: choose table, csv"),
    (["compare", *FIVE, "-o", "no/where/x.csv"], "no folder no/where; make it first"),
    (["compare", *FIVE, "-o", "."], "cannot write .: Is a directory"),
    (["compare", *FIVE, "--diagram", "ranks.svg"], "needs at least 3 strategies"),
    (["compare", *FIVE, "--diagram", "ranks.gif"], "ends in .svg, .png, .pdf"),
    (["compare", "naive", "seeds"], "no two runs have a seed in common"),
    (["compare", "naive", "data"], "num_experiences on split-digits is 5 for naive and 4 for ewc"),
    (["compare", "naive", "column"], "has no column accuracy; was it written by streamsim"),
    (["compare", "naive", "damaged"], "accuracy.parquet is missing or damaged"),
    (["compare", "naive", "foreign"], "has the format 99, and this streamsim reads"),
    (["export", "naive"], "Missing option '--to'"),
    (["export", "nowhere", "--to", "csv"], "nowhere is not a run folder"),
    (["export", "naive", "--to", "excel"], "unknown target 'excel'; choose csv"),
    (["export", "naive", "--to", "csv", "-o", "no/where"], "there is no folder no to make where"),
    (["export", "naive", "--to", "csv", "-o", "ewc"], "ewc is not empty"),
]


@pytest.fixture
def bad_runs(five_runs: list[Path], write_run: Any) -> set[str]:
    """Folders that cannot be compared with `naive`, each for a reason of its own."""
    write_run(Path("seeds"), strategy="ewc", seeds=[70, 71])
    write_run(Path("data"), strategy="ewc", experiences=4)
    for name in ("column", "damaged", "foreign"):
        shutil.copytree(five_runs[1], name)
    table = pd.read_parquet("column/accuracy.parquet")
    table.drop(columns="accuracy").to_parquet("column/accuracy.parquet")
    Path("damaged/accuracy.parquet").write_bytes(b"PAR1")
    info = json.loads(Path("foreign/run.json").read_text())
    Path("foreign/run.json").write_text(json.dumps({**info, "format": 99}))
    return {path.name for path in Path().iterdir()}


@pytest.mark.parametrize(("arguments", "complaint"), BAD, ids=lambda value: str(value)[-50:])
def test_bad_input_is_one_line_and_writes_nothing(
    arguments: list[str], complaint: str, call: Call, bad_runs: set[str]
) -> None:
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert re.search(complaint, err), err
    assert {path.name for path in Path().iterdir()} == bad_runs


def test_an_export_goes_beside_and_says_what_next(call: Call) -> None:
    code, out, err = call("export", "replay", "--to", "parquet")
    assert (code, err) == (0, "")
    assert out.startswith("replay-parquet: read it with")
    assert len(pd.read_parquet("replay-parquet/accuracy.parquet")) > 0
    code, _, err = call("export", "replay", "--to", "parquet")
    assert (code, err.count("\n")) == (2, 1)
    assert "replay-parquet is not empty" in err
