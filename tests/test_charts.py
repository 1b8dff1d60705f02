"""`streamsim preview`, as its users type and read it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from streamsim.cli import main
from streamsim.cli.charts import COLUMNS, NAME, WIDTH, chart, sentence

ABOUT = {
    "scenario": "made-up",
    "seed": 0,
    "train_samples": 600,
    "test_samples": 20,
    "num_experiences": 2,
    "num_classes": 2,
    "input_shape": [3],
    "setting": "domain",
    "ordered": True,
    "label_delay": 0,
    "reveals": [],
}


def _table(num_classes: int = 2, concepts: tuple[str, str] = ("0", "1")) -> pd.DataFrame:
    """600 samples in ten slices; the last class comes in the second half alone."""
    rows = []
    for e in range(2):
        rows.append(("experiences", str(e), 300 * e, 300 * e + 300, e, 10.0))
    for k in range(10):
        where, late = (60 * k, 60 * k + 60, k // 5), k >= 5
        shares = [0.0] * num_classes
        shares[num_classes - 1 if late else 0] = 1.0
        rows += [("classes", str(c), *where, share) for c, share in enumerate(shares)]
        new = 0.5 if k == 5 else float(late)
        rows += [("concepts", concepts[0], *where, 1 - new), ("concepts", concepts[1], *where, new)]
        rows.append(("features", "row 12, column 13, of many", *where, 4.0 * late))
    return pd.DataFrame(rows, columns=["panel", "name", "start", "stop", "experience", "value"])


def _line(text: str, name: str) -> str:
    """What stands beside a name."""
    (found,) = [line for line in text.splitlines() if line[:NAME].strip() == name]
    return found[NAME + 2 :].ljust(COLUMNS)


def test_rows_say_what_happens_when() -> None:
    text = chart(ABOUT, _table())
    half = COLUMNS // 2
    assert _line(text, "experience") == "|1".ljust(half) + "|2".ljust(half)
    assert _line(text, "concept") == "0" * half + "~" * 6 + "1" * (half - 6)
    assert _line(text, "0") == "█" * half + " " * half
    assert _line(text, "1") == " " * half + "█" * half
    assert _line(text, "row 12, column …") == "▁" * half + "█" * half
    assert "domain-incremental: 2 experiences, 2 classes" in text


def test_a_single_experience_is_not_several() -> None:
    assert "domain-incremental: 1 experience, 2" in sentence({**ABOUT, "num_experiences": 1})


@pytest.mark.parametrize("num_classes", [2, 12, 13, 100, 659])
def test_it_fits_on_a_terminal_whatever_the_number_of_classes(num_classes: int) -> None:
    lines = chart({**ABOUT, "scenario": "x"}, _table(num_classes)).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert len([line for line in lines if line]) <= 24
    shown = [line for line in lines if line.startswith("  ")]
    if num_classes == 100:
        assert any(line.strip().startswith("99") for line in shown)
        assert any(line.strip().startswith("0 to 8") for line in shown)


def test_concepts_of_two_digits_are_letters() -> None:
    assert set(_line(chart(ABOUT, _table(concepts=("9", "11"))), "concept")) == {"9", "~", "b"}


def test_a_share_above_nothing_is_seen() -> None:
    table = _table()
    table.loc[(table["panel"] == "classes") & (table["value"] == 0), "value"] = 1e-4
    assert " " not in _line(chart(ABOUT, table), "0")


# -- the command ------------------------------------------------------------------------------
def _call(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["streamsim", "preview", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0), *capsys.readouterr()


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMSIM_DATA", str(tmp_path / "no-data"))


def test_text_is_shown_unless_a_file_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = _call(["sea-abrupt", "--seed", "3"], capsys, monkeypatch)
    assert (code, err) == (0, "")
    assert out.startswith("sea-abrupt, seed 3\n")
    assert max(map(len, out.splitlines())) <= 80
    for name in ("a.svg", "b.png", "c.pdf"):
        code, out, _ = _call(["split-digits+blurred", "-o", name], capsys, monkeypatch)
        assert (code, out) == (0, f"{name}\n")
        assert Path(name).stat().st_size > 1000


def test_json_is_one_object(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out, _ = _call(
        ["sea-abrupt", "--json", "--set", "scenario.n_samples=900"], capsys, monkeypatch
    )
    described = json.loads(out)
    assert described["train_samples"] == 900
    assert {row["panel"] for row in described["rows"]} == {
        "experiences",
        "concepts",
        "classes",
        "features",
    }


def test_a_file_is_previewed_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("drift.toml").write_text('scenario = "stagger-abrupt"\nsamples = 300\n')
    _, out, _ = _call(["drift.toml"], capsys, monkeypatch)
    assert "300 training samples" in out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["sea-abrup"], "did you mean 'sea-abrupt'"),
        (["sea-abrupt+"], "has an empty modifier"),
        (["sea-abrupt+blured"], "unknown modifier 'blured'; did you mean 'blurred'"),
        (["sea-abrupt+blurred+blurred"], "has the modifier 'blurred' twice"),
        (["sea-abrupt+rotation"], "rotation needs images"),
        (["sea-abrupt", "--set", "train.lr=1"], "options begin with scenario."),
        (["sea-abrupt", "--set", "scenario.blurred.width=1"], "unknown modifier 'blurred'"),
        (["sea-abrupt+blurred", "--set", "scenario.blurred.width=-1"], "scenario.blurred.width=-1"),
        (["sea-abrupt+blurred", "--set", "scenario.widht=1"], "did you mean 'widths?'"),
        (["sea-abrupt", "-o", "a.gif"], "unknown format"),
        (["sea-abrupt", "-o", "none/a.svg"], "there is no folder none"),
        (["split-mnist"], "streamsim data get mnist"),
        (["sea-abrupt", "--seed", "-1"], "seeds run from 0"),
        (["none.toml"], "none.toml: cannot be read"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    arguments: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, out, err = _call(arguments, capsys, monkeypatch)
    assert (code, out, err.count("\n")) == (2, "", 1)
    import re

    assert re.search(complaint, err), err
    assert list(Path().iterdir()) == []
