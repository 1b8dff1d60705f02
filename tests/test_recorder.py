"""Rows of the raw tables: what diverged and when, mean losses, and going on after a checkpoint."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import pandas as pd
import pytest
import torch
from torch import Tensor

import streamsim.recorder
from streamsim.detection import Alarm
from streamsim.learner import Judged, Learner, Losses
from streamsim.prequential import PrequentialOptions
from streamsim.recorder import DIVERGED, Judging, Recorder
from streamsim.runs import checkpoints
from streamsim.runs.checkpoints import Checkpoint
from streamsim.runs.tables import TABLES, Columns, frame
from streamsim.stream import StreamSpec
from streamsim.transference import PairLosses

INF, NAN = float("inf"), float("nan")
REPLICAS = ((0, 3), (0, 8), (1, 3))  # (setting, seed)
SPEC = StreamSpec(
    input_shape=(2,), num_classes=3, num_experiences=2, setting="domain", reveals=frozenset()
)
JUDGING = Judging(REPLICAS, PrequentialOptions(block=2), SPEC)
FINE = torch.tensor([True, True, True])
Snapshot = Mapping[str, Columns]


class Constant:
    """A learner that is right about 10 r + e samples, of 50 + e, in experience e."""

    def correct(self, experiences: Sequence[int], after: int) -> Tensor:
        return torch.tensor([[10 * r + e for e in experiences] for r in range(3)])

    def test_sizes(self, experiences: Sequence[int]) -> Tensor:
        return torch.tensor([[50 + e for e in experiences] for _ in range(3)])


LEARNER = cast(Learner, Constant())


def losses(*rows: Sequence[float], idle: Sequence[tuple[int, int]] = ()) -> Losses:
    """Losses of every replica; `idle` are (replica, step) pairs."""
    value = torch.tensor(rows)
    active = torch.ones_like(value, dtype=torch.bool)
    for replica, step in idle:
        active[replica, step] = False
    return Losses(value, active)


def fresh() -> Recorder:
    recorder = Recorder()
    recorder.begin_chunk(3)
    recorder.judging = JUDGING
    return recorder


def divergence(recorder: Recorder) -> list[tuple[int, int]]:
    """(experience, step) of every replica."""
    recorder.end_chunk(REPLICAS)
    table = recorder.tables()["replicas"]
    return list(
        zip(table["diverged_experience"].tolist(), table["diverged_step"].tolist(), strict=True)
    )


# -- divergence -----------------------------------------------------------------------------------
@pytest.mark.parametrize("bad", [INF, -INF, NAN])
def test_a_replica_diverges_at_the_first_step_with_an_unbounded_loss(bad: float) -> None:
    recorder = fresh()
    recorder.training(0, range(3), losses([1, 1, 1], [1, 1, 1], [1, 1, 1]))
    recorder.training(1, range(6, 9), losses([1, bad, bad], [1, 1, 1], [bad, 1, 1]))
    recorder.training(1, range(9, 12), losses([bad, bad, bad], [1, 1, bad], [1, 1, 1]))
    assert divergence(recorder) == [(1, 7), (1, 11), (1, 6)]


def test_an_idle_step_is_no_divergence() -> None:
    recorder = fresh()
    recorder.training(0, range(2), losses([1, NAN], [INF, 1], [1, NAN], idle=[(0, 1), (1, 0)]))
    assert divergence(recorder) == [(-1, -1), (-1, -1), (0, 1)]


def test_weights_that_overflowed_diverge_at_the_last_step() -> None:
    recorder = fresh()
    recorder.training(2, range(5), losses([1] * 5, [1] * 5, [1, NAN, 1, 1, 1]))
    recorder.end_experience(REPLICAS, 2, 5, torch.tensor([True, False, False]))
    assert divergence(recorder) == [(-1, -1), (2, 4), (2, 1)]


def test_a_diverged_replica_has_no_accuracy_from_then_on() -> None:
    recorder = fresh()
    recorder.accuracy(REPLICAS, LEARNER, 0, 2)
    recorder.training(1, range(1), losses([1], [NAN], [1]))
    recorder.accuracy(REPLICAS, LEARNER, 1, 2)
    recorder.continual(REPLICAS, LEARNER, 1, 1)
    table = recorder.tables()["accuracy"]
    of_second = table["seed"] == 8
    assert table["correct"][of_second].tolist() == [10, 11, DIVERGED, DIVERGED]
    assert (table["correct"][~of_second] >= 0).all()
    continual = recorder.tables()["continual"]
    assert continual["correct"].tolist() == [0, DIVERGED, 20, 1, DIVERGED, 21]


def test_a_new_chunk_begins_without_divergence() -> None:
    recorder = fresh()
    recorder.training(0, range(1), losses([NAN], [NAN], [NAN]))
    recorder.end_chunk(REPLICAS)
    recorder.begin_chunk(3)
    assert divergence(recorder) == [(0, 0)] * 3 + [(-1, -1)] * 3


# -- rows -----------------------------------------------------------------------------------------
def test_every_evaluation_is_a_row_with_its_replica_and_place() -> None:
    recorder = fresh()
    recorder.accuracy(REPLICAS, LEARNER, -1, 3)
    tables = recorder.tables()
    assert [tables["accuracy"][k].tolist() for k in ("after", "on", "correct", "total")] == [
        [-1] * 9,
        [0, 0, 0, 1, 1, 1, 2, 2, 2],
        [0, 10, 20, 1, 11, 21, 2, 12, 22],
        [50, 50, 50, 51, 51, 51, 52, 52, 52],
    ]
    assert tables["accuracy"]["setting"].tolist() == [0, 0, 1] * 3
    assert tables["accuracy"]["seed"].tolist() == [3, 8, 3] * 3


@pytest.mark.parametrize("experience", [0, 1, 2])
def test_continual_evaluation_sees_the_experiences_that_have_begun(experience: int) -> None:
    recorder = fresh()
    recorder.continual(REPLICAS, LEARNER, experience, 40)
    table = recorder.tables()["continual"]
    seen = range(experience + 1)
    assert table["on"].tolist() == [on for on in seen for _ in REPLICAS]
    assert table["correct"].tolist() == [10 * r + on for on in seen for r in range(3)]
    assert set(table["experience"].tolist()) == {experience}
    assert set(table["step"].tolist()) == {40}


def test_the_loss_is_the_mean_over_the_steps_a_replica_made() -> None:
    recorder = fresh()
    recorder.training(0, range(2), losses([1, 2], [4, 9], [1, 1]))
    recorder.training(0, range(2, 4), losses([3, 6], [5, NAN], [1, 1], idle=[(1, 1)]))
    recorder.end_experience(REPLICAS, 0, 4, FINE)
    recorder.training(1, range(1), losses([7], [8], [9]))
    recorder.end_experience(REPLICAS, 1, 1, FINE)
    table = recorder.tables()["training"]
    assert table["loss"].tolist() == [3, 6, 1, 7, 8, 9]
    assert table["steps"].tolist() == [4, 3, 4, 1, 1, 1]
    assert table["experience"].tolist() == [0, 0, 0, 1, 1, 1]


def test_losses_are_summed_in_double_precision() -> None:
    recorder = fresh()
    for start in range(0, 4000, 1000):
        recorder.training(0, range(start, start + 1000), losses(*[[0.1] * 1000] * 3))
    recorder.end_experience(REPLICAS, 0, 4000, FINE)
    expected = float(torch.tensor(0.1).double())
    assert recorder.tables()["training"]["loss"].tolist() == pytest.approx(
        [expected] * 3, abs=1e-12
    )


def test_every_table_has_the_columns_that_a_run_folder_expects() -> None:
    recorder = fresh()
    recorder.accuracy(REPLICAS, LEARNER, 0, 1)
    recorder.training(0, range(1), losses([1], [1], [1]))
    recorder.continual(REPLICAS, LEARNER, 0, 1)
    recorder.end_experience(REPLICAS, 0, 1, FINE)
    for name in ("transference", "meta_transference"):
        recorder.pairs(name, REPLICAS, 0, PairLosses(torch.ones(3, 2), torch.ones(3, 2, 2)))
    recorder.drifts(REPLICAS, [[4], [], [2, 5]])
    recorder.alarms(REPLICAS, ["a", "b"], [Alarm("b", 2, 6)])
    recorder.prequential(judged([0, 1, 2], [0, 0, 2]))
    recorder.end_prequential()
    recorder.end_chunk(REPLICAS)
    for name, columns in recorder.tables().items():
        assert set(columns) == set(TABLES[name]) - {"accuracy"}
        assert tuple(frame(name, columns)) == TABLES[name]
    assert recorder.tables().keys() == TABLES.keys()


# -- judged while learning ------------------------------------------------------------------------


def judged(label: list[int], predicted: list[int]) -> Judged:
    """The same samples for all three replicas, with a log loss of 1."""
    right, said = (torch.tensor([each] * 3) for each in (label, predicted))
    return Judged(right, said, torch.ones(right.shape), torch.ones_like(right, dtype=torch.bool))


def test_finished_blocks_become_rows_and_the_last_one_at_the_end() -> None:
    recorder = fresh()
    recorder.prequential(judged([0, 1, 2], [0, 0, 2]))
    recorder.end_prequential()
    table = frame("prequential", recorder.tables()["prequential"])
    assert table["position"].tolist() == [2, 3] * 3
    assert table["accuracy"].tolist() == [0.5, 1.0] * 3
    classes = frame("prequential_classes", recorder.tables()["prequential_classes"])
    own = classes[classes["seed"] == classes["seed"].iloc[0]]
    counts = ["class", "labelled", "predicted", "correct"]
    assert own[counts].iloc[:3].to_numpy().tolist() == [[0, 1, 2, 1], [1, 1, 0, 0], [2, 1, 1, 1]]


def test_a_diverged_replica_is_not_judged_any_more() -> None:
    recorder = fresh()
    recorder.prequential(judged([0, 1], [0, 0]))
    recorder.training(0, range(1), losses([1], [NAN], [1]))
    recorder.prequential(judged([0, 1], [0, 0]))
    recorder.end_prequential()
    assert recorder.tables()["prequential"]["seed"].tolist().count(8) == 1  # what came before


def test_predictions_are_counted_together_however_they_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables = []
    for enough in (1, 2**18):
        monkeypatch.setattr(streamsim.recorder, "ENOUGH", enough)
        recorder = fresh()
        for label in ([0, 1, 2], [2], [1, 0, 0, 1], [2, 2]):
            recorder.prequential(judged(label, [0] * len(label)))
        recorder.end_prequential()
        table = frame("prequential", recorder.tables()["prequential"])
        tables.append(table.sort_values(["setting", "seed", "position"], ignore_index=True))
    pd.testing.assert_frame_equal(tables[0], tables[1])


def test_a_watched_run_without_alarms_has_an_empty_table() -> None:
    recorder = fresh()
    recorder.drifts(REPLICAS, [[], [], []])
    recorder.watched()
    for name in ("alarms", "drifts"):
        table = frame(name, recorder.tables()[name])
        assert table.empty
        assert tuple(table) == TABLES[name]


# -- transference ---------------------------------------------------------------------------------
def test_pairs_have_a_row_each_and_those_of_a_diverged_replica_no_numbers() -> None:
    recorder = fresh()
    recorder.training(0, range(1), losses([1], [NAN], [1]))
    before = torch.tensor([[1.0, 2.0]] * 3)
    after = torch.arange(12.0).view(3, 2, 2)
    recorder.pairs("transference", REPLICAS, 4, PairLosses(before, after))
    table = frame("transference", recorder.tables()["transference"])
    assert table["after"].tolist() == [4] * 12
    assert table.query("seed == 8")[["loss_before", "loss_after", "ratio"]].isna().all(axis=None)
    of_last = table.query("setting == 1 and seed == 3")
    assert of_last["source"].tolist() == [0, 0, 1, 1]
    assert of_last["target"].tolist() == [0, 1, 0, 1]
    assert of_last["ratio"].tolist() == [8.0, 4.5, 10.0, 5.5]


# -- checkpoints ----------------------------------------------------------------------------------
SCRIPT: list[Callable[[Recorder], None]] = [
    lambda r: r.accuracy(REPLICAS, LEARNER, -1, 2),
    lambda r: r.training(0, range(2), losses([1, 2], [4, 9], [1, 1])),
    lambda r: r.drifts(REPLICAS, [[4], [], [2, 5]]),
    lambda r: r.prequential(judged([0, 1, 2], [0, 0, 2])),
    lambda r: r.alarms(REPLICAS, ["a", "b"], [Alarm("b", 2, 6)]),
    lambda r: r.continual(REPLICAS, LEARNER, 0, 2),
    lambda r: r.prequential(judged([2], [0])),
    lambda r: r.training(0, range(2, 4), losses([1, 2], [NAN, 9], [1, 1], idle=[(0, 1)])),
    lambda r: r.end_experience(REPLICAS, 0, 4, FINE),
    lambda r: r.accuracy(REPLICAS, LEARNER, 0, 2),
    lambda r: r.training(1, range(2), losses([1, 2], [4, 9], [INF, 1])),
    lambda r: r.end_experience(REPLICAS, 1, 2, FINE),
    lambda r: r.accuracy(REPLICAS, LEARNER, 1, 2),
    lambda r: r.end_prequential(),
    lambda r: r.end_chunk(REPLICAS),
    lambda r: r.begin_chunk(3),
    lambda r: r.training(0, range(1), losses([1], [NAN], [3])),
    lambda r: r.end_experience(REPLICAS, 0, 1, FINE),
    lambda r: r.end_chunk(REPLICAS),
]


def assert_equal(found: Snapshot, expected: Snapshot) -> None:
    assert found.keys() == expected.keys()
    for table, columns in expected.items():
        assert found[table].keys() == columns.keys()
        for name, column in columns.items():
            assert found[table][name].dtype == column.dtype
            torch.testing.assert_close(found[table][name], column, rtol=0, atol=0, equal_nan=True)


def played(recorder: Recorder, script: Sequence[Callable[[Recorder], None]]) -> Snapshot:
    for act in script:
        act(recorder)
    return recorder.tables()


@pytest.mark.parametrize("cut", range(len(SCRIPT) + 1))
def test_going_on_from_a_checkpoint_gives_the_rows_of_going_on(cut: int, tmp_path: Path) -> None:
    expected = played(fresh(), SCRIPT)
    recorder = fresh()
    played(recorder, SCRIPT[:cut])
    checkpoints.write(tmp_path, Checkpoint({}, {}, recorder.snapshot()))
    restored = Recorder.restored(checkpoints.read(tmp_path).rows)
    restored.judging = JUDGING
    assert_equal(played(restored, SCRIPT[cut:]), expected)
    assert_equal(played(recorder, SCRIPT[cut:]), expected)


@pytest.mark.parametrize("cut", range(len(SCRIPT) + 1))
def test_a_snapshot_is_a_moment_that_nothing_changes(cut: int) -> None:
    """Neither the recorder it was taken from nor one restored from it."""
    recorder = fresh()
    played(recorder, SCRIPT[:cut])
    snapshot = recorder.snapshot()
    kept = {t: {k: v.clone() for k, v in columns.items()} for t, columns in snapshot.items()}
    played(recorder, SCRIPT[cut:])
    assert_equal(snapshot, kept)
    restored = Recorder.restored(snapshot)
    restored.judging = JUDGING
    played(restored, SCRIPT[cut:])
    assert_equal(snapshot, kept)


def test_a_snapshot_of_another_version_is_refused() -> None:
    snapshot = fresh().snapshot()
    current = {k: v for k, v in snapshot["current"].items() if k != "standing/position"}
    with pytest.raises(ValueError, match="no position: it was written by another version"):
        Recorder.restored({**snapshot, "current": current})
