"""Drifting streams: every sample is what its concept generates, wherever it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import streamsim
from streamsim import registry
from streamsim.chunks import replica_key
from streamsim.models import Mlp
from streamsim.stream import GeneratingView, Replica, Reveal, Stream
from streamsim_scenarios import drift
from streamsim_scenarios.drift import HyperplaneIncremental, LedAbrupt, SeaAbrupt, SineReversal
from streamsim_scenarios.takeovers import Kind

KEY = torch.tensor(5)
NAMES = [name for name, path in registry.plugins("scenario").items() if "drift:" in str(path)]


def drawn(scenario: Any) -> tuple[Stream, Replica]:
    stream = scenario.stream(Path())
    return stream, stream.draw(KEY)


def samples(stream: Stream, replica: Replica, ids: torch.Tensor) -> tuple[Any, Any]:
    assert isinstance(stream.view, GeneratingView)
    return stream.view.samples(stream.pool, replica.tables, ids)


def test_labels_follow_the_threshold_in_force() -> None:
    stream, replica = drawn(SeaAbrupt(n_samples=400, scaled=False))
    for experience, threshold in zip(replica.experiences, (8, 9, 7, 9.5), strict=True):
        for ids in (experience.train, experience.test):
            x, y = samples(stream, replica, ids)
            assert torch.equal(y, (x[:, 0].double() + x[:, 1].double() > threshold).long())


def test_experiences_lie_between_takeovers_and_test_samples_beyond_the_stream() -> None:
    _, replica = drawn(SeaAbrupt(n_samples=100, positions=(10, 50, 60), test_samples=7))
    assert [len(e.train) for e in replica.experiences] == [10, 40, 10, 40]
    train = torch.cat([e.train for e in replica.experiences])
    assert train.tolist() == list(range(100))
    test = torch.cat([e.test for e in replica.experiences])
    assert test.tolist() == list(range(100, 128))
    assert replica.true_drifts() == [10, 50, 60]


def test_a_true_drift_is_where_a_takeover_begins() -> None:
    _, replica = drawn(SeaAbrupt(n_samples=1000, positions=(300, 500, 800), widths=(200, 0, 100)))
    assert replica.true_drifts() == [200, 500, 750]
    assert [len(e.train) for e in replica.experiences] == [300, 200, 300, 200]


def test_a_concept_that_comes_back_is_the_same() -> None:
    stream, replica = drawn(SineReversal(n_samples=400))
    ids = replica.experiences[0].test
    view, tables = stream.view, dict(replica.tables)
    first = view.labels({}, tables, ids)
    swapped = {**tables, "state/0/rule": tables["state/2/rule"]}
    assert torch.equal(view.labels({}, swapped, ids), first)
    reversed_ = {**tables, "state/0/rule": tables["state/1/rule"]}
    assert torch.equal(view.labels({}, reversed_, ids), 1 - first)


def test_samples_do_not_depend_on_how_they_are_asked_for() -> None:
    for scenario in (SeaAbrupt(n_samples=200), HyperplaneIncremental(n_samples=200)):
        stream, replica = drawn(scenario)
        ids = torch.arange(260)
        x, y = samples(stream, replica, ids)
        for piece in torch.split(ids, [1, 99, 160]):
            x_piece, y_piece = samples(stream, replica, piece)
            assert torch.equal(x_piece, x[piece])
            assert torch.equal(y_piece, y[piece])
        assert torch.equal(stream.view.inputs({}, replica.tables, ids), x)
        assert torch.equal(stream.view.labels({}, replica.tables, ids.view(2, 130)), y.view(2, 130))


def test_an_incremental_plane_is_between_its_neighbours() -> None:
    scenario = HyperplaneIncremental(
        n_samples=100, concepts=(0, 1), positions=(50,), widths=(100,), noise=0.0, scaled=False
    )
    stream, replica = drawn(scenario)
    old, new = (replica.tables[f"state/{k}/weights"] for k in (0, 1))
    x, y = samples(stream, replica, torch.arange(100))
    for t in range(100):
        weights = old + (new - old) * (t - 50 + 50) / 100
        side = (weights * x[t].double()).sum() - 0.5 * weights.sum()
        assert abs(float(side)) < 1e-6 or int(side >= 0) == int(y[t])


def test_one_stream_drifts_abruptly_gradually_and_incrementally() -> None:
    options: dict[str, Any] = {"n_samples": 4000, "scaled": False}
    kinds: tuple[Kind, ...] = ("gradual", "gradual", "incremental")
    mixed = drawn(SeaAbrupt(**options, widths=(0, 100, 800), drift=kinds))
    plain = drawn(SeaAbrupt(**options, widths=(0, 100, 0)))
    x, y = samples(*mixed, torch.arange(4000))
    same_x, same_y = samples(*plain, torch.arange(4000))
    assert torch.equal(x, same_x)  # concepts differ in labels alone
    assert torch.equal(y[:2600], same_y[:2600])
    total = x[2600:3400, 0].double() + x[2600:3400, 1].double()
    threshold = 7 + 2.5 * torch.arange(800) / 800
    sure = (total - threshold).abs() > 1e-5
    assert torch.equal((total > threshold)[sure].long(), y[2600:3400][sure])
    assert not torch.equal(y, same_y)


@pytest.mark.parametrize("name", NAMES)
def test_scaled_features_are_about_one(name: str) -> None:
    stream, replica = drawn(registry.load("scenario", name)(n_samples=600))
    x, y = samples(stream, replica, torch.arange(600))
    assert x.shape[1:] == stream.spec.input_shape
    assert 0.3 < float(x.abs().quantile(0.9)) < 1.2  # rbf's clouds reach beyond the unit cube
    assert 0 <= int(y.min()) < int(y.max()) < stream.spec.num_classes


def test_nothing_but_samples_is_revealed() -> None:
    assert SeaAbrupt().stream(Path()).spec.reveals == frozenset()
    told = SeaAbrupt(boundaries="revealed").stream(Path()).spec.reveals
    assert told == {Reveal.BOUNDARIES}


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"positions": (10,)}, "4 concepts need 3 of them"),
        ({"positions": (10, 10, 20)}, "positions=10,10,20: choose growing numbers"),
        ({"positions": (10, 20, 20_000)}, "growing numbers"),
        ({"n_samples": 3}, "3 samples are too few for 3 takeovers"),
        ({"widths": (1, 2)}, "give one number of samples, or 3"),
        ({"widths": (-1,)}, "0 or more"),
    ],
)
def test_schedules_that_make_no_sense_are_refused(options: Any, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        SeaAbrupt(**options)


def test_a_concept_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="variant 4 of the concept sea: choose 0 to 3"):
        SeaAbrupt(concepts=(0, 4)).stream(Path()).draw(KEY)


def test_rules_cannot_drift_incrementally() -> None:
    with pytest.raises(ValueError, match="the concepts of led are rules"):
        LedAbrupt(drift=("incremental",)).stream(Path())


def test_every_ready_made_name_is_a_class_of_the_module() -> None:
    assert len(NAMES) >= 12
    assert all(hasattr(drift, type(registry.load("scenario", n)()).__name__) for n in NAMES)


def test_a_run_judges_every_sample_before_it_learns_from_it(tmp_path: Path) -> None:
    """Against a loop that predicts, then takes one step of plain gradient descent."""
    options: dict[str, Any] = {"scenario.n_samples": 120, "train.lr": 0.1, "train.batch_size": 1}
    options |= {"prequential.block": 20, "model.hidden": (4,), "scenario.concepts": (0, 2)}
    run = streamsim.run("sea-abrupt", options=options, seeds=1, out=tmp_path / "run")

    stream = SeaAbrupt(n_samples=120, concepts=(0, 2)).stream(Path())
    replica = stream.draw(replica_key(0))
    x, y = samples(stream, replica, torch.arange(120))
    start = streamsim.run(
        "sea-abrupt", options={**options, "train.lr": 1e-30}, seeds=1, out=tmp_path / "start"
    ).parameters(0)
    model = Mlp(hidden=(4,)).build(stream.spec)
    model.load_state_dict(start)
    optimizer, hits, seen = torch.optim.SGD(model.parameters(), lr=0.1), [], torch.zeros(2).bool()
    for x_t, y_t in zip(x, y, strict=True):
        logits = model(x_t[None])
        known = seen | ~seen.any()
        hits.append(int(logits.masked_fill(~known, -torch.inf).argmax()) == int(y_t))
        seen[y_t] = True
        loss = torch.nn.functional.cross_entropy(logits.masked_fill(~seen, -1e9), y_t[None])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own lack
        optimizer.step()
    blocks = np.array(hits).reshape(-1, 20).sum(1)
    assert run.table("prequential")["correct"].tolist() == blocks.tolist()
