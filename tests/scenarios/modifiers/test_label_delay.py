"""Labels come late: what is learned, when, and what was predicted meanwhile."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor

import streamsim
from streamsim import composition, configuration, drive, runs
from streamsim.chunks import make_chunks, replica_key
from streamsim.compilation import Compiler
from streamsim.learner import Learner
from streamsim.modifiers import in_time
from streamsim.population import Population
from streamsim.stream import Stream
from streamsim_scenarios.modifiers.label_delay import LabelDelay

KEY = torch.tensor(3)
SCENARIO = "stagger-abrupt+label-delay"
DELAY, BATCH, LR = 10, 4, 0.5
STAGGER: dict[str, Any] = {
    "scenario.n_samples": 200,
    "scenario.test_samples": 20,
    "scenario.delay": DELAY,
}
STAGGER |= {"train.batch_size": BATCH, "train.lr": LR, "model.hidden": (8,), "prequential.block": 1}


# -- the stream -----------------------------------------------------------------------------------
def test_labels_are_the_same_sequence_so_many_samples_later(line: Stream) -> None:
    before, after = line.draw(KEY), LabelDelay(delay=7).modify(line).draw(KEY)
    come = [e.coming for e in after.experiences]
    for now, old in zip(come, before.experiences, strict=True):
        assert torch.equal(now, old.train)
    assert torch.equal(torch.cat([e.train for e in after.experiences]), torch.cat(come)[:-7])
    sizes = [len(e.train) for e in before.experiences]
    assert [len(e.train) for e in after.experiences] == [sizes[0] - 7, *sizes[1:]]


def test_tests_and_true_drifts_stay_where_they_are(groups: Stream) -> None:
    before, after = groups.draw(KEY), LabelDelay(delay=7).modify(groups).draw(KEY)
    for old, new in zip(before.experiences, after.experiences, strict=True):
        assert torch.equal(old.test, new.test)
    assert after.true_drifts() == before.true_drifts()


def test_without_delay_the_stream_is_as_before_in_the_order_of_time(groups: Stream) -> None:
    drawn = LabelDelay(delay=0).modify(groups).draw(KEY)
    for e, old in zip(drawn.experiences, groups.draw(KEY).experiences, strict=True):
        assert torch.equal(e.train, e.coming)
        assert sorted(e.train.tolist()) == sorted(old.train.tolist())
    assert in_time(LabelDelay(delay=0).modify(groups), KEY, drawn) is drawn


def test_a_delay_longer_than_the_first_experience_is_refused(groups: Stream) -> None:
    first = len(groups.draw(torch.tensor(0)).experiences[0].train)
    with pytest.raises(ValueError, match=rf"first experience has {first} .* 0 to {first - 1}"):
        LabelDelay(delay=first).modify(groups)


def test_other_modifiers_come_before_it() -> None:
    built = composition.build_scenario("split-digits+label-delay+label-noise", {})
    with pytest.raises(ValueError, match=r"last modifier; write \+label-noise\+label-delay"):
        built.stream(Path())


# -- a learner on it ------------------------------------------------------------------------------
def _run(tmp_path: Path, **more: Any) -> runs.Run:
    options = {**STAGGER, **more.pop("options", {})}
    strategy = more.pop("strategy", "naive")
    if strategy.startswith("river:"):
        options = {k: v for k, v in options.items() if not k.startswith(("model", "train.lr"))}
    return streamsim.run(SCENARIO, strategy, options=options, out=tmp_path, **more)


def _weights(options: dict[str, Any], seeds: list[int]) -> tuple[Stream, dict[str, Tensor]]:
    """The stream, and a population's initial weights."""
    options = {**STAGGER, **options}
    wanted, objects = configuration.resolve(SCENARIO, "naive", "mlp", options, seeds, {}, None)
    (chunk,) = make_chunks(wanted, objects, Path(), torch.device("cpu"), "auto", Compiler("off"))
    learner = chunk.learner()
    assert isinstance(learner, Population)
    learner.start()
    return learner.program.stream, learner.parameters()


def _slow_loop(stream: Stream, seed: int, params: dict[str, Tensor]) -> list[tuple[int, float]]:
    """Sample by sample, with a queue of labels: whether each was right, its log loss."""
    replica = stream.draw(replica_key(seed))
    waiting: deque[tuple[Tensor, int, bool, float]] = deque()
    batch: list[tuple[Tensor, int]] = []
    verdicts, seen = [], torch.zeros(stream.spec.num_classes, dtype=torch.bool)

    def logits(x: Tensor) -> Tensor:
        first, second = [name.removesuffix("weight") for name in params if "weight" in name]
        hidden = F.linear(x, params[f"{first}weight"], params[f"{first}bias"]).relu()
        return F.linear(hidden, params[f"{second}weight"], params[f"{second}bias"])

    def masked(x: Tensor) -> Tensor:
        return logits(x).masked_fill(~(seen | ~seen.any()), -torch.inf)

    for ids in torch.cat([e.coming for e in replica.experiences]):
        x = stream.view.inputs(stream.pool, replica.tables, ids[None])
        y = int(stream.view.labels(stream.pool, replica.tables, ids[None]))
        scores = masked(x)[0].detach()
        loss = min(float(-scores.log_softmax(-1)[y]), 34.5388)
        waiting.append((x, y, int(scores.argmax()) == y, loss))
        if len(waiting) <= DELAY:
            continue
        x, y, hit, loss = waiting.popleft()
        verdicts.append((int(hit), loss))
        batch.append((x, y))
        if len(batch) == BATCH:
            labels = torch.tensor([y for _, y in batch])
            seen[labels] = True
            params = {k: p.detach().requires_grad_() for k, p in params.items()}
            loss_B = F.cross_entropy(masked(torch.cat([x for x, _ in batch])), labels)
            grads = torch.autograd.grad(loss_B, list(params.values()))
            params = {
                k: (p - LR * g).detach() for (k, p), g in zip(params.items(), grads, strict=True)
            }
            batch = []
    return verdicts


@pytest.mark.parametrize("seeds", [[3], [3, 4, 5]])
def test_predictions_are_those_of_a_loop_with_a_queue_of_labels(
    tmp_path: Path, seeds: list[int]
) -> None:
    # no batch ends with an experience before it is full: the loop knows none
    options = {"scenario.concepts": (0, 1), "scenario.positions": (102,), "scenario.n_samples": 202}
    stream, weights = _weights(options, seeds)
    table = _run(tmp_path, options=options, seeds=seeds).table("prequential")
    for k, seed in enumerate(seeds):
        own = table[table["seed"] == seed].sort_values("position")
        expected = _slow_loop(stream, seed, {name: w[k] for name, w in weights.items()})
        assert own["position"].tolist() == list(range(DELAY + 1, 203))
        assert own["correct"].tolist() == [hit for hit, _ in expected]
        assert own["log_loss"].tolist() == pytest.approx([loss for _, loss in expected], abs=1e-4)


def test_a_resumed_run_has_the_bytes_of_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drive, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(drive, "CHECKPOINT_SHARE", 1e9)
    options = {"strategy.trigger": "periodic", "strategy.period": 40}
    common: dict[str, Any] = {"strategy": "on-drift:reset", "seeds": 2, "options": options}
    whole = _run(tmp_path / "whole", **common)
    correct = Population.correct
    calls: list[None] = []

    def dies(self: Population, *rest: Any) -> Tensor:
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return correct(self, *rest)

    monkeypatch.setattr(Population, "correct", dies)
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path / "cut", **common)
    monkeypatch.setattr(Population, "correct", correct)
    resumed = streamsim.resume(tmp_path / "cut")
    for name in ("prequential", "prequential_classes", "alarms", "accuracy"):
        assert resumed.table(name).equals(whole.table(name)), name


def test_alarms_and_verdicts_stand_where_the_stream_is_when_labels_come(tmp_path: Path) -> None:
    run = _run(tmp_path, strategy="on-drift:reset", options={"strategy.trigger": "oracle"}, seeds=2)
    drifts, alarms = run.table("drifts"), run.table("alarms")
    assert len(alarms) == len(drifts) > 0
    late = alarms["position"].to_numpy() - drifts["position"].to_numpy()
    assert set(late.tolist()) == {DELAY + 1}


def test_what_trains_on_more_than_what_comes_cannot_be_judged(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'joint' trains on more than what comes"):
        _run(tmp_path, strategy="joint")


@pytest.mark.parametrize("strategy", ["replay", "ncm", "ewc+on-drift:consolidate"])
def test_every_label_that_comes_is_judged_whatever_the_strategy(
    tmp_path: Path, strategy: str
) -> None:
    options = {"scenario.n_samples": 400, "prequential.block": 20}
    table = _run(tmp_path, strategy=strategy, options=options, seeds=2).table("prequential")
    by_seed = table.groupby("seed")
    assert by_seed["position"].max().tolist() == [400, 400]
    assert by_seed["total"].sum().tolist() == [400 - DELAY, 400 - DELAY]


# -- learners of other libraries ------------------------------------------------------------------
@pytest.mark.parametrize("delay", [1, 25])
def test_river_learns_as_rivers_own_evaluation_with_delay(tmp_path: Path, delay: int) -> None:
    from river import tree
    from river.stream import simulate_qa

    options = {"scenario.delay": delay, "scenario.n_samples": 300, "prequential.block": 1}
    run = _run(tmp_path, strategy="river:HoeffdingTreeClassifier", seeds=[3], options=options)
    scenario = composition.build_scenario("stagger-abrupt", {"n_samples": 300})
    stream = scenario.stream(Path())
    replica = stream.draw(replica_key(3))
    ids = torch.cat([e.train for e in replica.experiences])
    names = stream.spec.features or range(stream.spec.input_shape[0])
    x = stream.view.inputs(stream.pool, replica.tables, ids).tolist()
    y = stream.view.labels(stream.pool, replica.tables, ids).tolist()
    samples = [(dict(zip(names, row, strict=True)), label) for row, label in zip(x, y, strict=True)]
    model: Any = tree.HoeffdingTreeClassifier()
    said: dict[int, Any] = {}
    hits: dict[int, bool] = {}  # by the moment at which the label comes
    # river counts a delay of 1 as "before the next sample", which is none to us
    for number, features, label, *_ in simulate_qa(samples, None, delay + 1):
        if label is None:
            said[number] = model.predict_one(features)
            continue
        model.learn_one(features, label)
        if said[number] is not None:
            hits[number + delay + 1] = said[number] == label
    table = run.table("prequential").sort_values("position")
    known = {at: hit for at, hit in hits.items() if at <= 300}
    assert table["correct"].astype(bool).tolist() == list(known.values())


def test_a_resumed_learner_of_another_library_goes_on_as_if_nothing_had_happened() -> None:
    def learner() -> Learner:
        own = {k: v for k, v in STAGGER.items() if not k.startswith(("model", "train.lr"))}
        wanted, objects = configuration.resolve(
            SCENARIO, "river:GaussianNB", "mlp", own, [3], {}, None
        )
        chunks = make_chunks(wanted, objects, Path(), torch.device("cpu"), "auto", Compiler("off"))
        return chunks[0].learner()

    whole, cut = learner(), learner()
    whole.start()
    whole.begin(0)
    whole.train(0, range(5))
    saved = whole.state()
    whole.take_judged()
    whole.train(0, range(5, 12))
    cut.restore(saved)
    cut.train(0, range(5, 12))
    for one, other in zip(whole.take_judged(), cut.take_judged(), strict=True):
        assert torch.equal(one, other)
