"""Exports read back by the tools they are for, against the raw tables."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from streamsim.runs import TABLES, Run, open_run
from streamsim_reports.export import TARGETS, export
from streamsim_reports.export.contents import replicas, scalars, tables

STEPS = 40  # of each experience, in runs that are made up


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, write_run: Any) -> Run:
    """Two settings of two seeds, three experiences, one replica diverged in the second."""
    return open_run(
        write_run(
            tmp_path_factory.mktemp("run") / "my-run",
            strategy="ewc",
            settings=[{"strategy.ewc.strength": value} for value in (1.0, 10.0)],
            options={"model.hidden": [100, 100], "train.iterations": None},
            seeds=[3, 7],
            experiences=3,
            eval_every=10,
            diverged={(1, 7): 1},
        )
    )


def expected(run: Run, setting: int, seed: int) -> dict[tuple[str, int], float]:
    """(tag, step) to value by a loop over raw rows; every experience has STEPS steps."""
    found = {}
    accuracy = run.table("accuracy")
    for row in accuracy.to_dict("records"):
        if (row["setting"], row["seed"]) == (setting, seed) and row["accuracy"] == row["accuracy"]:
            found[f"accuracy/experience {row['on']}", STEPS * (row["after"] + 1)] = row["accuracy"]
    for row in run.table("continual").to_dict("records"):
        if (row["setting"], row["seed"]) == (setting, seed) and row["accuracy"] == row["accuracy"]:
            step = STEPS * row["experience"] + row["step"]
            found[f"continual/experience {row['on']}", step] = row["accuracy"]
    for row in run.table("training").to_dict("records"):
        if (row["setting"], row["seed"]) == (setting, seed):
            found["training/loss", STEPS * (row["experience"] + 1)] = row["loss"]
    for after in range(3):
        step = STEPS * (after + 1)
        seen = [found.get((f"accuracy/experience {on}", step)) for on in range(after + 1)]
        known = [value for value in seen if value is not None]
        if known:
            found["accuracy/seen so far", step] = sum(known) / len(known)
    return found


@pytest.mark.parametrize(("setting", "seed"), [(0, 3), (1, 7)])
def test_scalars_are_the_raw_rows_at_their_steps(run: Run, setting: int, seed: int) -> None:
    log = scalars(run)
    own = log[(log["setting"] == setting) & (log["seed"] == seed)]
    assert not own.duplicated(["tag", "step"]).any()
    made = dict(zip(zip(own["tag"], own["step"], strict=True), own["value"], strict=True))
    assert made == pytest.approx(expected(run, setting, seed))


def test_replicas_carry_their_options_and_their_divergence(run: Run) -> None:
    made = {replica.name: replica for replica in replicas(run)}
    assert list(made) == [
        "setting-0_strength=1.0_seed-3",
        "setting-0_strength=1.0_seed-7",
        "setting-1_strength=10.0_seed-3",
        "setting-1_strength=10.0_seed-7",
    ]
    last = made["setting-1_strength=10.0_seed-7"]
    assert last.config["strategy.ewc.strength"] == 10.0
    assert last.config["model.hidden"] == "100,100"
    assert last.config["train.iterations"] == "none"
    assert last.config["diverged_experience"] == 1
    assert last.metrics == {}
    assert "average_accuracy" in made["setting-1_strength=10.0_seed-3"].metrics


def test_steps_that_a_joint_learner_skips_do_not_count(tmp_path: Path, write_run: Any) -> None:
    path = write_run(tmp_path / "joint", strategy="joint", experiences=3, seeds=1)
    for name in ("training", "accuracy"):
        table = pd.read_parquet(path / f"{name}.parquet")
        key = "experience" if name == "training" else "after"
        table[table[key].isin([-1, 2])].to_parquet(path / f"{name}.parquet")
    log = scalars(open_run(path))
    assert sorted(set(log["step"])) == [0, STEPS]


def test_names_cannot_leave_the_folder(tmp_path: Path, write_run: Any) -> None:
    settings = [{"strategy.ewc.mode": value} for value in ("../../up", "/etc/x")]
    run = open_run(write_run(tmp_path / "bad", strategy="ewc", settings=settings, seeds=1))
    for replica in replicas(run):
        assert Path(replica.name).name == replica.name


@pytest.mark.parametrize("to", ["csv", "parquet"])
def test_tables_come_back_as_they_were(run: Run, tmp_path: Path, to: str) -> None:
    said = export(run, to, tmp_path / "out")
    assert str(tmp_path / "out") in said
    read = pd.read_csv if to == "csv" else pd.read_parquet
    whole = tables(run)
    assert set(whole) >= {"accuracy", "continual", "settings", "metrics", "summary"}
    assert set(whole) - {"settings", "metrics", "summary"} <= set(TABLES)
    assert {file.stem for file in (tmp_path / "out").iterdir()} == set(whole)
    for name, table in whole.items():
        back = read(tmp_path / "out" / f"{name}.{to}")
        text = table.select_dtypes(["object", "string"]).columns
        pd.testing.assert_frame_equal(
            back.drop(columns=text), table.drop(columns=text), check_dtype=to == "parquet"
        )
    settings = read(tmp_path / "out" / f"settings.{to}")
    assert settings["strategy.ewc.strength"].tolist() == [1.0, 10.0]


def test_an_unfinished_run_is_exported_as_far_as_it_goes(tmp_path: Path, write_run: Any) -> None:
    half = open_run(write_run(tmp_path / "half", experiences=4, done=2))
    export(half, "csv", tmp_path / "out")
    assert pd.read_csv(tmp_path / "out" / "accuracy.csv")["after"].max() == 1
    none = open_run(write_run(tmp_path / "none", experiences=4, done=0))
    assert scalars(none).empty


def test_tensorboard_reads_every_scalar_back(run: Run, tmp_path: Path) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    assert "tensorboard --logdir" in export(run, "tensorboard", tmp_path / "out")
    folder = tmp_path / "out" / "setting-0_strength=1.0_seed-3"
    events = reading.EventAccumulator(str(folder))
    events.Reload()
    read = {
        (tag, event.step): event.value
        for tag in events.Tags()["scalars"]
        for event in events.Scalars(tag)
    }
    metrics = next(replicas(run)).metrics
    whole = expected(run, 0, 3) | {(f"metric/{n}", 3 * STEPS): v for n, v in metrics.items()}
    assert read == pytest.approx(whole, rel=1e-6)
    assert len(list((tmp_path / "out").iterdir())) == 4


def wandb_records(content: bytes) -> Iterator[bytes]:
    """The log format of LevelDB: blocks of 32 KiB, records whole (1) or in pieces (2, 3, 4)."""
    at, pieces = 7, b""  # after the header
    while at + 7 <= len(content):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        pieces += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield pieces
            pieces = b""


def test_wandb_keeps_history_and_summary_offline(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    protocol: Any = importlib.import_module("wandb.proto.wandb_internal_pb2")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nobody answers there
    export(run, "wandb-offline", tmp_path / "out")
    files = sorted((tmp_path / "out" / "wandb").glob("offline-run-*/*.wandb"))
    assert len(files) == 4
    histories: dict[str, dict[tuple[str, int], float]] = {}
    for file in files:
        name: str = ""
        read: dict[tuple[str, int], float] = {}
        for record in map(protocol.Record.FromString, wandb_records(file.read_bytes())):
            name = record.run.display_name or name
            items = {
                "/".join(item.nested_key) or item.key: json.loads(item.value_json)
                for item in record.history.item
            }
            read |= {(tag, items["_step"]): v for tag, v in items.items() if tag[0] != "_"}
        histories[name] = read
    history = histories["setting-0_strength=1.0_seed-3"]
    assert history == pytest.approx(expected(run, 0, 3))


@pytest.mark.filterwarnings("ignore")  # of MLflow about its own database library
def test_mlflow_reads_every_scalar_back(run: Run, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    export(run, "mlflow", tmp_path / "out")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'out' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("my-run")
    made = {found.info.run_name: found for found in client.search_runs(experiment.experiment_id)}
    assert len(made) == 4
    one = made["setting-0_strength=1.0_seed-3"]
    assert one.info.status == "FINISHED"
    assert one.data.params["strategy.ewc.strength"] == "1.0"
    read = {
        (tag, point.step): point.value
        for tag in one.data.metrics
        for point in client.get_metric_history(one.info.run_id, tag)
    }
    whole = expected(run, 0, 3)
    assert {key: read[key] for key in whole} == pytest.approx(whole)
    assert made["setting-1_strength=10.0_seed-7"].data.params["diverged_experience"] == "1"


@pytest.mark.parametrize("to", [name for name, target in TARGETS.items() if target.extra])
def test_a_missing_library_names_its_extra(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    monkeypatch.setitem(sys.modules, TARGETS[to].libraries[0], None)
    with pytest.raises(ValueError, match=rf"pip install 'streamsim\[{TARGETS[to].extra}\]'"):
        export(run, to, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_run_leaves_no_folder_behind(tmp_path: Path, write_run: Any) -> None:
    run = open_run(write_run(tmp_path / "run"))
    (run.path / "accuracy.parquet").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="is missing or damaged"):
        export(run, "csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_only_empty_places_are_written_to(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    for place, complaint in (
        ("file", "is a file"),
        ("full", "is not empty"),
        ("not/there", "there is no folder"),
    ):
        with pytest.raises(ValueError, match=complaint):
            export(run, "csv", tmp_path / place)
    with pytest.raises(ValueError, match="unknown target 'excel'; choose csv, parquet"):
        export(run, "excel", tmp_path / "out")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "full"]
