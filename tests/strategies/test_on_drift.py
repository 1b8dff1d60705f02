"""What an alarm changes, with alarms at known places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import streamsim
from streamsim.detection import Monitors
from streamsim.population import Population
from streamsim.stream import StreamSpec
from streamsim_strategies.baselines import Naive
from streamsim_strategies.ewc import Ewc
from streamsim_strategies.lwf import Lwf
from streamsim_strategies.on_drift import (
    OnDriftBoost,
    OnDriftConsolidate,
    OnDriftRefresh,
    OnDriftReset,
    OnDriftWatch,
)
from streamsim_strategies.replay import Replay
from tests.strategies.conftest import Kit


def trained(kit: Kit, parts: Any, *experiences: int, **options: Any) -> Population:
    toy = kit.toy(setting="domain", boundaries=False, smallest=16, largest=16)
    learner = kit.population(parts, toy, batch_size=4, **options)
    kit.train(learner, *experiences)
    return learner


def test_a_detector_that_never_speaks_changes_nothing(kit: Kit) -> None:
    for part in (OnDriftReset, OnDriftBoost, OnDriftWatch):
        watched = trained(kit, [part(trigger="never")], 0, 1)
        naive = trained(kit, [Naive()], 0, 1)
        for r in range(3):
            kit.assert_same(kit.weights(watched, r), kit.weights(naive, r))
        assert watched.take_alarms() == []


def test_watching_records_alarms_and_changes_nothing(kit: Kit) -> None:
    watched = trained(kit, OnDriftWatch(trigger="periodic", period=6), 0, 1)
    naive = trained(kit, Naive(), 0, 1)
    for r in range(3):
        kit.assert_same(kit.weights(watched, r), kit.weights(naive, r))
    alarms = watched.take_alarms()
    assert [a.position for a in alarms if a.replica == 1] == [6, 12, 18, 24, 30]


def test_reset_begins_again_from_the_initial_weights(kit: Kit) -> None:
    learner = trained(kit, OnDriftReset(trigger="periodic", period=16))
    start = [kit.weights(learner, r) for r in range(3)]
    kit.train(learner, 0)
    for r in range(3):  # the last sample of the experience raised the alarm
        kit.assert_same(kit.weights(learner, r), start[r])


def test_reset_of_the_head_leaves_the_rest(kit: Kit) -> None:
    learner = trained(kit, OnDriftReset(trigger="periodic", period=16, what="head"))
    start = kit.weights(learner, 0)
    kit.train(learner, 0)
    naive = trained(kit, Naive(), 0)
    after, without = kit.weights(learner, 0), kit.weights(naive, 0)
    for name, weight in after.items():
        torch.testing.assert_close(
            weight, start[name] if name.startswith("head.") else without[name]
        )


def test_only_the_replicas_concerned_react(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = trained(kit, OnDriftReset(trigger="oracle"))
    start = kit.weights(learner, 1)
    watch = learner.program.parts[0].watch()
    assert watch is not None
    watches = {"on-drift:reset": watch}
    assert learner._watchers is not None
    monitors = Monitors(watches, [[], [15], []], [0, 1, 2])
    monkeypatch.setattr(learner._watchers, "monitors", monitors)
    kit.train(learner, 0)
    naive = trained(kit, Naive(), 0)
    kit.assert_same(kit.weights(learner, 1), start)
    for r in (0, 2):
        kit.assert_same(kit.weights(learner, r), kit.weights(naive, r))


def test_boost_learns_faster_for_as_many_steps_as_it_says(kit: Kit) -> None:
    # an alarm after the first of four steps; the next two are boosted
    part = OnDriftBoost(trigger="periodic", period=4, factor=3.0, steps=2)
    learner = trained(kit, part, lr=0.1)
    (one, *_), weights = kit.ones(learner), kit.weights(learner, 0)
    boosted = kit.population(
        part,
        kit.toy(setting="domain", boundaries=False, smallest=16, largest=16),
        batch_size=4,
        lr=0.1,
    )
    # one alarm only, after 4 samples
    watch = part.watch()
    assert watch is not None
    assert boosted._watchers is not None
    boosted._watchers.monitors = Monitors(
        {part.name: watch._replace(trigger="oracle")}, [[3]] * 3, [0, 1, 2]
    )
    kit.train(boosted, 0)
    seen = set[int]()
    for step, lr in zip(one.steps(0), [0.1, 0.3, 0.3, 0.1], strict=True):
        seen |= set(step.y.tolist())
        loss = kit.cross_entropy(kit.logits(weights, step.x), step.y, seen).mean()
        weights = kit.descended(weights, kit.gradient(loss, weights), lr)
    kit.assert_same(kit.weights(boosted, 0), weights)


def test_refresh_empties_every_memory(kit: Kit) -> None:
    parts = [Replay(memory_size=8), OnDriftRefresh(trigger="periodic", period=16)]
    learner = trained(kit, parts, 0)
    assert learner.carry.states["replay"].filled.tolist() == [0, 0, 0]
    assert (
        trained(kit, [Replay(memory_size=8)], 0).carry.states["replay"].filled.tolist() == [8] * 3
    )


@pytest.mark.parametrize("part", [Lwf(), Ewc()], ids=["lwf", "ewc"])
def test_consolidate_ends_an_experience_where_the_stream_hides_it(kit: Kit, part: Any) -> None:
    """The oracle's alarm comes with the first samples after a boundary; with the period of an
    experience it comes exactly there."""
    consolidate = OnDriftConsolidate(trigger="periodic", period=16, recent=16)
    hidden = trained(kit, [part, consolidate], 0, 1)
    toy = kit.toy(setting="domain", smallest=16, largest=16)
    told = kit.population([part], toy, batch_size=4)
    kit.train(told, 0, 1)
    for r in range(3):
        kit.assert_same(kit.weights(hidden, r), kit.weights(told, r))


def test_parts_that_need_boundaries_are_refused_without_consolidate(kit: Kit) -> None:
    with pytest.raises(ValueError, match="'lwf' needs boundaries"):
        trained(kit, [Lwf(), OnDriftReset()])


def test_a_detector_of_errors_cannot_read_losses(kit: Kit) -> None:
    with pytest.raises(ValueError, match="trigger=ddm reads errors only"):
        trained(kit, OnDriftReset(trigger="ddm", signal="loss"))


@pytest.mark.parametrize(
    ("wrong", "line"),
    [("delta", "'delta' is no option"), ("detla=1", "has no option 'detla'")],
)
def test_bad_detector_options_are_refused(kit: Kit, wrong: str, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        trained(kit, OnDriftReset(detector=(wrong,)))


def test_a_paused_run_with_detectors_resumes_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"scenario.n_samples": 2400, "train.batch_size": 4, "train.lr": 0.1}
    call: dict[str, Any] = {"options": options, "seeds": 2, "compile": "off"}
    strategy = "replay+on-drift:reset"
    whole = streamsim.run("sine-reversal", strategy, out=tmp_path / "a", **call)
    assert len(whole.table("alarms")) > 0
    monkeypatch.setattr("streamsim.drive.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("streamsim.drive.CHECKPOINT_SHARE", 1e9)

    class StopError(Exception):
        pass

    def stop(progress: Any) -> None:
        if progress.done >= 256:
            raise StopError

    with pytest.raises(StopError):
        streamsim.run("sine-reversal", strategy, out=tmp_path / "b", progress=stop, **call)
    streamsim.resume(tmp_path / "b")
    for name in ("alarms", "drifts", "prequential", "prequential_classes", "accuracy"):
        files = [tmp_path / folder / f"{name}.parquet" for folder in "ab"]
        assert files[0].read_bytes() == files[1].read_bytes(), name


def test_scores_of_detectors_are_metrics_of_their_run(tmp_path: Path) -> None:
    options = {"scenario.n_samples": 2400, "train.batch_size": 4, "train.lr": 0.1}
    run = streamsim.run(
        "sine-reversal", "on-drift:reset", options=options, seeds=2, out=tmp_path / "r"
    )
    scores = run.detection()
    summary = run.summary().set_index("metric")
    for metric, column in {
        "missed_drifts": "missed",
        "false_alarms": "false_alarms",
        "detection_delay": "delay",
        "time_between_false_alarms": "time_between_false_alarms",
    }.items():
        assert summary["mean"][metric] == pytest.approx(scores[column].mean(), nan_ok=True)
    # as of a stream whose drifts nobody knows
    (run.path / "drifts.parquet").unlink()
    assert "knows its drifts" in str(run.summary().set_index("metric")["note"]["missed_drifts"])


def test_the_oracle_is_refused_where_nobody_knows_the_drifts() -> None:
    spec = StreamSpec(
        input_shape=(2,),
        num_classes=2,
        num_experiences=2,
        setting="domain",
        reveals=frozenset(),
        knows_drifts=False,
    )
    with pytest.raises(ValueError, match="nobody knows where this stream drifts"):
        OnDriftReset(trigger="oracle").check(spec, 1)
    OnDriftReset(trigger="adwin").check(spec, 1)
