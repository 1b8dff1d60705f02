"""Commands that repeat a run: what a shell and the command line make of them is the same run."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import streamsim
from streamsim.cli import main
from streamsim.runs import Run
from streamsim_reports.page import commands


def _run(**changes: object) -> Run:
    names = {
        "scenario": "split-digits",
        "strategy": "replay",
        "model": "mlp",
        "options": {"train.lr": 0.1, "model.hidden": [100, 50], "scenario.classes": None},
        "seeds": [0, 1, 2],
        "sweep": {},
        "eval_every": None,
        **changes,
    }
    info = {"configuration": names, "settings": [{}], "environment": {}, "status": "finished"}
    return Run(Path("here"), info)


@pytest.mark.parametrize(
    ("seeds", "sweep", "every"),
    [
        ("2", [], []),
        ("7,", [], ["--eval-every", "5"]),
        ("3,1", ["train.lr=0.1,0.2"], []),
        ("2", ["model.hidden=10,10;20"], []),
        ("2", ["model.hidden=10,10;"], []),
    ],
)
def test_a_repeated_command_finds_the_finished_run(
    seeds: str,
    sweep: list[str],
    every: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The simulator itself is the judge: another configuration would be refused in this folder."""
    monkeypatch.chdir(tmp_path)
    typed = ["streamsim", "run", "split-digits", "replay", "--seeds", seeds, *every]
    typed += [word for text in sweep for word in ("--sweep", text)]
    typed += ["--set", "scenario.n_experiences=2", "--out", "here", "--quiet"]
    monkeypatch.setattr(sys, "argv", typed)
    with pytest.raises(SystemExit) as first:
        main()
    assert first.value.code in (0, None), capsys.readouterr().err
    before = Path("here/run.json").read_bytes()
    full = commands.in_full(streamsim.open_run("here"))
    assert full is not None
    monkeypatch.setattr(sys, "argv", [*shlex.split(full), "--out", "here", "--quiet"])
    with pytest.raises(SystemExit) as again:
        main()
    assert again.value.code in (0, None), capsys.readouterr().err
    assert Path("here/run.json").read_bytes() == before


def test_a_shell_reads_hostile_values_as_words() -> None:
    evil = "$(touch pwned); `touch pwned` & 'x' \"y\" <b>"
    full = commands.in_full(_run(options={"train.note": evil}, scenario="a b;c"))
    assert full is not None
    program = "import json, sys; print(json.dumps(sys.argv[1:]))"
    shell = f"{shlex.quote(sys.executable)} -c {shlex.quote(program)} {full}"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
    words = json.loads(done.stdout)
    assert words[:4] == ["streamsim", "run", "a b;c", "replay"]
    assert f"train.note={evil}" in words


@pytest.mark.parametrize(
    "changes",
    [{"scenario": "python:mine.Stream#1a2b"}, {"model": "python:Net#1"}, {"strategy": "mine#1a"}],
)
def test_objects_from_python_have_no_command(changes: dict[str, object]) -> None:
    assert commands.in_full(_run(**changes)) is None


def test_transference_is_asked_for_where_it_was_measured() -> None:
    full = commands.in_full(_run(options={"transference.samples": 64}))
    assert full is not None
    assert "--transference" in shlex.split(full)
    assert "--transference" not in shlex.split(commands.in_full(_run()) or "")


def test_prequential_evaluation_is_as_it_was_whatever_the_scenario_wants() -> None:
    full = commands.in_full(_run(options={"prequential.block": 100}))
    assert "--prequential" in shlex.split(full or "")
    assert "--no-prequential" in shlex.split(commands.in_full(_run()) or "")


def test_the_typed_command_is_quoted_and_only_that_of_the_program() -> None:
    run = _run()
    typed = {"command": ["streamsim", "run", "x y", "z"]}
    assert commands.as_typed(Run(run.path, {**run.info, "environment": typed})) == (
        "streamsim run 'x y' z"
    )
    for other in ({"command": ["pytest", "-q"]}, {"command": "streamsim"}, {}):
        assert commands.as_typed(Run(run.path, {**run.info, "environment": other})) is None
