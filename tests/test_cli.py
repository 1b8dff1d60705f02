"""The command line, as its users type it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streamsim.cli import main
from streamsim.cli.tables import setting_name

RUN = ["run", "split-digits", "naive", "--seeds", "2"]
TREE = ["run", "sea-abrupt", "river:HoeffdingTreeClassifier"]


def _call(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    monkeypatch.setattr(sys, "argv", ["streamsim", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMSIM_DATA", str(tmp_path / "no-data"))


def test_a_run_ends_with_a_table_and_its_folder(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = _call([*RUN, "--out", "here"], capsys, monkeypatch)
    assert code == 0
    assert re.search(r"average_accuracy +0\.\d{4}  ± 0\.\d{4} +2", out)
    assert out.rstrip().endswith("run folder: here")
    assert Path("here/run.json").is_file()


def test_json_is_one_object_and_quiet_is_the_folder(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out, err = _call([*RUN, "--json"], capsys, monkeypatch)
    described = json.loads(out)
    assert err == ""
    assert described["status"] == "finished"
    assert {row["metric"] for row in described["summary"]} >= {"average_accuracy", "forgetting"}
    _, out, err = _call([*RUN, "--quiet"], capsys, monkeypatch)
    assert (out.strip(), err) == (described["run"], "")


def test_summary_says_why_a_metric_is_undefined(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _call([*RUN, "--out", "here"], capsys, monkeypatch)
    code, out, _ = _call(["summary", "here"], capsys, monkeypatch)
    assert code == 0
    assert re.search(r"worst_case_accuracy.*--eval-every", out)


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        (["split-digits", "naive"], "a run of 'naive'; give one of 'joint'"),
        (["permuted-digits", "joint"], "a run on permuted-digits; give one on the scenario of"),
        (
            ["split-digits", "joint", "--set", "scenario.setting=domain"],
            "a run with another scenario.setting; give one with the options of here",
        ),
    ],
)
def test_intransigence_is_measured_against_joint_on_the_same_stream_alone(
    other: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = ["--set", "train.iterations=2"]
    _call([*RUN, *few, "--out", "here"], capsys, monkeypatch)
    _call(["run", *other, *few, "--out", "there"], capsys, monkeypatch)
    code, out, err = _call(["summary", "here", "--joint", "there"], capsys, monkeypatch)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: --joint there: {complaint}")


def test_intransigence_is_shown_where_there_is_a_joint_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ["--set", "train.iterations=2"]
    _call([*RUN, *few, "--out", "here"], capsys, monkeypatch)
    _call(["run", "split-digits", "joint", *few, "--out", "there"], capsys, monkeypatch)
    code, out, _ = _call(["summary", "here", "--joint", "there"], capsys, monkeypatch)
    assert code == 0
    assert re.search(r"intransigence +-?0\.\d{4}", out)


def test_a_run_without_results_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _call([*RUN, "--set", "train.iterations=2", "--out", "here"], capsys, monkeypatch)
    described = json.loads(Path("here/run.json").read_text())
    Path("here/run.json").write_text(json.dumps({**described, "status": "interrupted"}))
    Path("here/accuracy.parquet").unlink()
    code, out, err = _call(["summary", "here"], capsys, monkeypatch)
    assert (code, out) == (2, "")
    assert err.endswith("go on with: streamsim resume here\n")


BAD = [
    (
        ["run", "split-digitz", "naive"],
        "unknown scenario 'split-digitz'; did you mean 'split-digits'",
    ),
    (["run", "split-digits", "reply"], "unknown strategy 'reply'; did you mean 'replay'"),
    ([*RUN, "--model", "cnnn"], "unknown model 'cnnn'; did you mean 'cnn'"),
    ([*RUN, "--set", "trian.lr=1"], "unknown section 'trian'"),
    ([*RUN, "--set", "train.lrr=1"], "unknown option train.lrr; it has .*did you mean 'lr'"),
    ([*RUN, "--set", "train.lr=-1"], "train.lr=-1: .*greater than 0"),
    ([*RUN, "--set", "train.lr=inf"], "train.lr=inf: give a finite number"),
    ([*RUN, "--set", "train.epochs=many"], "train.epochs=many: .*valid integer"),
    ([*RUN, "--set", "train.lr="], "train.lr= has no value; write train.lr=none, or a value"),
    (
        [*RUN, "--set", "train.epochs=2", "--set", "train.iterations=3"],
        "epochs=2 and iterations=3 both say how long to train; keep one",
    ),
    (["check", "replay", "--set", "strategy.bad=1"], "unknown option strategy.bad"),
    (["check", "replay", "--set", "scenario.bad=1"], "no options of 'replay', which is a strategy"),
    ([*RUN, "--set", "train.lr"], "write section.option=value"),
    ([*RUN, "--set", "train.lr=1", "--set", "train.lr=2"], "given twice"),
    ([*RUN, "--set", "scenario.n_experiences=11"], "has 10 classes in its stream; choose 1 to 10"),
    ([*RUN, "--seeds", "0"], "0 seeds: at least 1"),
    ([*RUN, "--seeds", "3,3"], "seed 3 is given twice"),
    ([*RUN, "--seeds", "a"], "give a number of seeds"),
    ([*RUN, "--seeds", "1,,2"], "--seeds 1,,2: give a number of seeds"),
    ([*RUN, "--seeds", "1000000000"], "a run takes 1000000 at most; share them out"),
    ([*RUN, "--set", "train.batch_size=999999999"], "train.batch_size=999999999: .*use at most"),
    ([*TREE, "--set", "train.batch_size=999999999"], "train.batch_size=999999999: .*use at most"),
    ([*RUN, "--device", "cuda:9"], "choose auto, cpu, cuda or mps"),
    ([*RUN, "--compile", "maybe"], "choose auto, on or off"),
    ([*RUN, "--vectorize", "0"], "choose auto, off or a number"),
    ([*RUN, "--eval-every", "0"], "at least 1"),
    ([*RUN, "--sweep", "train.lr="], "names no values"),
    ([*RUN, "--bogus"], "No such option: --bogus"),
    (["run", "split-digits"], "Missing argument 'strategy'"),
    (["run", "split-digits", "multihead"], "'multihead' needs task labels.*scenario.setting=task"),
    (
        ["run", "split-digits", "lwf", "--set", "scenario.boundaries=hidden"],
        "'lwf' needs boundaries.*scenario.boundaries=revealed",
    ),
    (
        ["run", "split-digits", "replay", "--set", "strategy.memory_size=5"],
        "memory_size=5 is smaller than one batch of 10",
    ),
    (["run", "split-mnist", "naive"], "no-data.*streamsim data get mnist"),
    (["run", "sea-abrupt", "river:HoefdingTree"], "did you mean 'HoeffdingTreeClassifier'"),
    (["run", "sea-abrupt", "river:GaussianNB+naive"], "cannot be summed with other parts"),
    (
        [*TREE, "--set", "strategy.grace_perod=9"],
        "unknown option strategy.grace_perod; .*'grace_period'",
    ),
    ([*TREE, "--set", "strategy.grace_period=x"], "grace_period=x: give a whole number"),
    ([*TREE, "--set", "train.lr=0.1"], "train.lr: .*has no optimizer; leave it out"),
    ([*TREE, "--model", "cnn"], "brings its own model; leave out --model"),
    ([*TREE, "--transference"], "makes no gradient steps"),
    (["check", "river:GaussianNB"], "not made of parts"),
    (["show", "strategy", "river:GausianNB"], "did you mean 'GaussianNB'"),
    (["resume", "nowhere"], "nowhere is not a run folder"),
    (["show", "strategy", "replayy"], "did you mean 'replay'"),
    (["list", "things"], "unknown kind 'things'; choose scenarios, .*, models, figures"),
    (["list", "figurs"], "did you mean 'figures'"),
    (["show", "figures", "forgetting"], "unknown kind 'figures'; choose .*, models"),
    (
        ["run", "split-digits", "replay", "--set", "strategy.memory_size=1000000000000000"],
        "not enough memory for what was asked; make models, batches and memories smaller",
    ),
    (["check", "replayy"], "did you mean 'replay'"),
    (["data", "get", "mnistt"], "did you mean 'mnist'"),
    (["new", "strategy", "Not A Name"], "Not A Name"),
    (["frobnicate"], "No such command 'frobnicate'"),
]


@pytest.mark.parametrize(("arguments", "complaint"), BAD, ids=lambda value: str(value)[:60])
def test_bad_input_is_one_line_and_writes_nothing(
    arguments: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, out, err = _call(arguments, capsys, monkeypatch)
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert re.search(complaint, err), err
    assert list(Path().iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("file").write_text("")
    for place in ("file", "file/below"):
        code, _, err = _call([*RUN, "--out", place], capsys, monkeypatch)
        assert (code, err.count("\n")) == (2, 1)


def test_a_damaged_run_folder_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _call([*RUN, "--out", "here"], capsys, monkeypatch)
    Path("here/accuracy.parquet").write_bytes(b"not a table")
    code, _, err = _call(["summary", "here"], capsys, monkeypatch)
    assert (code, err.count("\n")) == (2, 1)
    assert "accuracy.parquet is missing or damaged" in err


def test_every_plugin_can_be_listed_and_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("scenarios", "strategies", "models"):
        _, out, _ = _call(["list", kind, "--json"], capsys, monkeypatch)
        for row in json.loads(out):
            assert row["works"]
            code, shown, _ = _call(["show", kind, row["name"]], capsys, monkeypatch)
            assert code == 0
            assert row["about"] in shown


def test_a_classifier_of_river_is_shown_and_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out, _ = _call(["list", "strategies"], capsys, monkeypatch)
    assert "river:NAME" in out
    _, out, _ = _call(["show", "strategy", TREE[2]], capsys, monkeypatch)
    assert "options (--set strategy.OPTION=VALUE):" in out
    assert "  grace_period=200  (a whole number)" in out
    _, out, _ = _call(["show", "strategy", TREE[2], "--json"], capsys, monkeypatch)
    assert json.loads(out)["options"][0]["name"] == "grace_period"
    small = ["--set", "scenario.n_samples=300", "--set", "strategy.grace_period=20"]
    code, out, _ = _call([*TREE, *small, "--seeds", "2", "--out", "here"], capsys, monkeypatch)
    assert code == 0
    assert re.search(r"average_accuracy +0\.\d{4}  ± 0\.\d{4} +2", out)


def test_ctrl_c_says_how_to_go_on_and_exits_130(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from streamsim.cli import main; main()", *RUN]
    process = subprocess.Popen(
        [*command, "--set", "train.epochs=500", "--out", "here"],
        stderr=subprocess.PIPE,
        env={**os.environ},
    )
    while not Path("here/run.json").is_file():
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"streamsim resume here" in err
    assert b"Traceback" not in err
    assert json.loads(Path("here/run.json").read_text())["status"] == "interrupted"


def test_help_is_quick_because_it_imports_nothing_heavy() -> None:
    code = (
        "import sys, streamsim.cli; "
        "print([m for m in ('torch', 'pandas', 'numpy', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_setting_is_shown_as_it_is_typed() -> None:
    swept = {"scenario.drift": ["gradual", "incremental"], "strategy.limit": None, "train.lr": 0.1}
    assert setting_name(swept) == (
        "scenario.drift=gradual,incremental strategy.limit=none train.lr=0.1"
    )
