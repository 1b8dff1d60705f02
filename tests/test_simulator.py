"""Whole runs on the embedded digits."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import streamsim
from streamsim import drive, simulator
from streamsim.drive import stretches
from streamsim.runs import checkpoints, tables

TABLES = ("accuracy", "training", "replicas")


def _bytes(folder: Path) -> dict[str, bytes]:
    """Every result file of a run; run.json holds timings and is left out."""
    files = [*folder.glob("*.parquet"), *(folder / "parameters").glob("*.safetensors")]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def test_the_same_command_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        streamsim.run("split-digits", "replay", seeds=3, eval_every=20, out=tmp_path / name)
    first, second = _bytes(tmp_path / "a"), _bytes(tmp_path / "b")
    assert first.keys() == second.keys()
    assert len(first) == 5
    assert first == second


@pytest.mark.parametrize("strategy", ["replay+lwf", "ewc", "ncm"])
def test_a_seed_alone_is_the_seed_among_others(strategy: str, tmp_path: Path) -> None:
    options = {"scenario.n_experiences": 2}
    among = streamsim.run("split-digits", strategy, seeds=8, options=options, out=tmp_path / "a")
    alone = streamsim.run("split-digits", strategy, seeds=[7], options=options, out=tmp_path / "b")
    for name, weights in alone.parameters(7).items():
        torch.testing.assert_close(weights, among.parameters(7)[name], rtol=1e-4, atol=1e-5)
    steps = [run.table("training").query("seed == 7")["steps"].tolist() for run in (among, alone)]
    assert steps[0] == steps[1]


def test_chunks_change_nothing(tmp_path: Path) -> None:
    whole = streamsim.run("split-digits", "replay", seeds=5, out=tmp_path / "a")
    cut = streamsim.run("split-digits", "replay", seeds=5, vectorize=2, out=tmp_path / "b")
    assert cut.info["chunks"] == [2, 2, 1]
    for seed in range(5):
        for name, weights in whole.parameters(seed).items():
            torch.testing.assert_close(weights, cut.parameters(seed)[name], rtol=1e-3, atol=1e-4)


def test_a_sweep_trains_every_setting_as_if_alone(tmp_path: Path) -> None:
    sweep = {"strategy.alpha": [0.5, 2.0], "train.lr": [0.05, 0.1]}
    swept = streamsim.run("split-digits", "lwf", seeds=2, sweep=sweep, out=tmp_path / "a")
    assert swept.info["chunks"] == [8]
    assert swept.settings[1] == {"strategy.lwf.alpha": 0.5, "train.lr": 0.1}
    options = {"strategy.alpha": 0.5, "train.lr": 0.1}
    alone = streamsim.run("split-digits", "lwf", seeds=2, options=options, out=tmp_path / "b")
    for name, weights in alone.parameters(1).items():
        torch.testing.assert_close(weights, swept.parameters(1, 1)[name], rtol=1e-3, atol=1e-4)


def test_a_sweep_over_shapes_makes_populations_of_its_own(tmp_path: Path) -> None:
    sweep = {"strategy.memory_size": [20, 40]}
    run = streamsim.run("split-digits", "replay", seeds=2, sweep=sweep, out=tmp_path)
    assert run.info["chunks"] == [2, 2]
    assert sorted(run.table("accuracy")["setting"].unique()) == [0, 1]


def test_continual_evaluation_leaves_the_results_alone(tmp_path: Path) -> None:
    plain = streamsim.run("split-digits", "replay+ncm", seeds=2, out=tmp_path / "a")
    watched = streamsim.run("split-digits", "replay+ncm", seeds=2, eval_every=7, out=tmp_path / "b")
    assert plain.table("accuracy").equals(watched.table("accuracy"))
    continual = watched.table("continual")
    last = continual.groupby("experience")["step"].max()
    assert (continual["on"] <= continual["experience"]).all()
    total = plain.table("training").groupby("experience")["steps"].max()
    assert (last == total).all()


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    streamsim.run("split-digits", "naive", out=tmp_path)
    before = (tmp_path / "run.json").stat().st_mtime_ns
    again = streamsim.run("split-digits", "naive", out=tmp_path)
    assert again.status == "finished"
    assert (tmp_path / "run.json").stat().st_mtime_ns == before


def test_a_folder_of_another_configuration_is_refused(tmp_path: Path) -> None:
    streamsim.run("split-digits", "naive", out=tmp_path)
    with pytest.raises(ValueError, match=r"different: strategy|different: train.lr"):
        streamsim.run("split-digits", "naive", options={"train.lr": 0.3}, out=tmp_path)


def test_diverged_replicas_are_marked_and_the_others_go_on(tmp_path: Path) -> None:
    sweep = {"train.lr": [0.1, 1e30]}
    run = streamsim.run("split-digits", "naive", seeds=2, sweep=sweep, out=tmp_path)
    replicas = run.table("replicas")
    assert replicas.query("setting == 0")["diverged_step"].isna().all()
    assert replicas.query("setting == 1")["diverged_step"].notna().all()
    accuracy = run.table("accuracy")
    assert accuracy.query("setting == 0")["accuracy"].notna().all()
    assert accuracy.query("setting == 1 and after == 4")["accuracy"].isna().all()
    summary = run.summary().set_index(["setting", "metric"])
    assert summary.loc[(1, "average_accuracy"), "num_diverged"] == 2
    assert summary.loc[(0, "average_accuracy"), "num_seeds"] == 2


def test_joint_is_trained_once_and_serves_intransigence(tmp_path: Path) -> None:
    joint = streamsim.run("split-digits", "joint", seeds=2, out=tmp_path / "joint")
    assert set(joint.table("accuracy")["after"]) == {-1, 4}
    naive = streamsim.run("split-digits", "naive", seeds=2, out=tmp_path / "naive")
    summary = naive.summary(joint).set_index("metric")
    assert summary.loc["intransigence", "num_seeds"] == 2


def test_python_objects_run_like_names(tmp_path: Path) -> None:
    from streamsim_scenarios.split import SplitDigits
    from streamsim_strategies.replay import Replay

    named = streamsim.run("split-digits", "replay", out=tmp_path / "a")
    given = streamsim.run(SplitDigits(), Replay(), out=tmp_path / "b")
    assert named.table("accuracy").equals(given.table("accuracy"))
    _unfinished(tmp_path / "b")
    with pytest.raises(ValueError, match=r"call streamsim\.run again"):
        streamsim.resume(tmp_path / "b")


def _unfinished(folder: Path) -> None:
    info = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**info, "status": "running"}))


def test_two_processes_cannot_write_one_folder(tmp_path: Path) -> None:
    with simulator._locked(tmp_path), pytest.raises(ValueError, match="another process"):
        streamsim.run("split-digits", "naive", out=tmp_path)


@pytest.mark.parametrize(("start", "stop", "every"), [(0, 600, None), (0, 10, 3), (7, 300, 5)])
def test_stretches_cover_every_step_once_and_stop_for_evaluations(
    start: int, stop: int, every: int | None
) -> None:
    cut = list(stretches(start, stop, every))
    assert [step for stretch in cut for step in stretch] == list(range(start, stop))
    if every is not None:
        ends = {stretch.stop for stretch in cut}
        assert all(step in ends for step in range(start + 1, stop) if step % every == 0)


# -- killed, interrupted, out of room -----------------------------------------------------------
SCRIPT = """
    import sys
    from streamsim import drive, simulator
    drive.CHECKPOINT_SECONDS, drive.CHECKPOINT_SHARE = 0.0, 1e9
    simulator.run(
        "split-digits", "replay+ewc", seeds=4, vectorize=2, eval_every=50, out=sys.argv[1],
        options={"train.epochs": 4, "strategy.num_samples": 20},
    )
"""


def _start(folder: Path) -> subprocess.Popen[bytes]:
    code = textwrap.dedent(SCRIPT)
    return subprocess.Popen([sys.executable, "-c", code, str(folder)])


def test_killed_at_any_moment_a_run_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    whole = _start(tmp_path / "whole")
    assert whole.wait(120) == 0
    kills, folder = 0, tmp_path / "killed"
    while kills < 4:
        process = _start(folder)
        _wait_for_new_checkpoint(folder, process)
        if process.poll() is not None:
            break
        time.sleep(0.13 * kills)  # another moment each time
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert kills >= 2, "the run was over before it could be killed twice"
    assert streamsim.open_run(folder).status == "running"
    finished = streamsim.resume(folder)
    assert finished.status == "finished"
    assert not checkpoints.exists(folder)
    assert _bytes(folder) == _bytes(tmp_path / "whole")


def _wait_for_new_checkpoint(folder: Path, process: subprocess.Popen[bytes]) -> None:
    file = folder / "checkpoint.safetensors"
    before = file.stat().st_mtime_ns if file.exists() else 0
    while process.poll() is None and not (file.exists() and file.stat().st_mtime_ns > before):
        time.sleep(0.01)


def test_an_interrupted_run_says_so_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drive, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(drive, "CHECKPOINT_SHARE", 1e9)

    def stop(progress: drive.Progress) -> None:
        if progress.experience == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=str(tmp_path / "a")):
        streamsim.run("split-digits", "replay", seeds=2, out=tmp_path / "a", progress=stop)
    halfway = streamsim.open_run(tmp_path / "a")
    assert halfway.status == "interrupted"
    assert set(halfway.table("accuracy")["after"]) == {-1, 0, 1}
    streamsim.resume(tmp_path / "a")
    streamsim.run("split-digits", "replay", seeds=2, out=tmp_path / "b")
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")


def test_a_full_disk_is_one_line_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, rows: object) -> None:
        raise ValueError("cannot write: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tables, "write", full)
        with pytest.raises(ValueError, match="No space left"):
            streamsim.run("split-digits", "naive", out=tmp_path)
    assert streamsim.open_run(tmp_path).status == "running"
    assert streamsim.resume(tmp_path).status == "finished"


def test_objects_with_other_contents_are_another_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from streamsim.data import LabelledData
    from streamsim_scenarios.split import Split

    monkeypatch.chdir(tmp_path)
    generator = torch.Generator().manual_seed(0)
    tables = []
    for _ in range(2):
        x, y = torch.rand(60, 4, generator=generator), torch.arange(60) % 4
        data = LabelledData(name="mine", x_train=x, y_train=y, x_test=x, y_test=y, num_classes=4)
        run = streamsim.run(Split(n_experiences=2).on(data), "naive")
        tables.append((run.path, run.table("training")["loss"].tolist()))
    assert tables[0][0] != tables[1][0]
    assert tables[0][1] != tables[1][1]


def test_options_reach_parts_given_as_objects(tmp_path: Path) -> None:
    from streamsim_strategies.lwf import Lwf

    options, sweep = {"strategy.lwf.temperature": 3.0}, {"strategy.alpha": [0.5, 5.0]}
    run = streamsim.run(
        "split-digits", [Lwf(temperature=1.0)], options=options, sweep=sweep, out=tmp_path
    )
    assert run.configuration["options"]["strategy.lwf.temperature"] == 3.0
    assert run.settings == [{"strategy.lwf.alpha": 0.5}, {"strategy.lwf.alpha": 5.0}]
    loss = run.table("training").query("experience == 4")["loss"]
    assert loss.iloc[0] != loss.iloc[1]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"compile": "z"}, "--compile z: choose auto, on or off"),
        ({"device": "z"}, "--device z: choose auto, cpu, cuda or mps"),
        ({"vectorize": "z"}, "--vectorize z: choose auto, off or a number"),
        ({"vectorize": 0}, "--vectorize 0: choose auto, off or a number"),
        ({"options": "x"}, "options='x': give values by name, as in {'train.lr': 0.1}"),
        ({"options": {1: 2}}, "options={1: 2}: give values by name"),
        ({"sweep": ["train.lr"]}, "sweep=['train.lr']: give values by name"),
        ({"sweep": {"train.lr": 0.1}}, "sweep={'train.lr': 0.1}: give a list of values"),
        ({"sweep": {"train.lr": "1,2"}}, "sweep={'train.lr': '1,2'}: give a list of values"),
    ],
)
def test_arguments_that_mean_nothing_are_refused_before_anything_is_written(
    given: dict[str, Any], line: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"give|choose") as caught:
        streamsim.run("split-digits", out=tmp_path / "run", **given)
    assert str(caught.value).startswith(line)
    assert not (tmp_path / "run").exists()
