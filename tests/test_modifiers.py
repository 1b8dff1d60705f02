"""Marks on ids, views that read them, and scenarios with modifiers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from streamsim import composition
from streamsim.modifiers import Modified, feature_of, in_time, labels_of, mark, marked_view
from streamsim.stream import GeneratingView, Replica, Reveal, Stream, truth_of
from streamsim.testing.toys import Toy, ToyView

KEY = torch.tensor(7)


@dataclass(frozen=True)
class Add:
    """Adds `number` to the inputs and `turn` to the labels of training samples with odd ids."""

    number: float = 1.0
    turn: int = 1

    def modify(self, stream: Stream) -> Stream:
        def inputs(tables: object, x: Tensor, ids: Tensor, mark: Tensor) -> Tensor:
            return x + self.number * mark.view(-1, 1, 1, 1)

        def labels(y: Tensor, mark: Tensor) -> Tensor:
            return (y + self.turn * mark) % stream.spec.num_classes

        def tell(mark: Tensor) -> Mapping[str, Tensor]:
            return {f"added {self.number:g}": mark.double()}

        def draw(key: Tensor) -> Replica:
            replica = stream.draw(key)
            return mark(replica, 2, [e.train % 2 for e in replica.experiences])

        view = marked_view(stream.view, 2, inputs, labels, tell)
        return replace(stream, view=view, draw=draw)


def _base() -> Stream:
    return Toy().stream(Path())


def test_marks_change_marked_samples_and_no_others() -> None:
    base, modified = _base(), Add().modify(_base())
    plain, marked = base.draw(KEY), modified.draw(KEY)
    for before, after in zip(plain.experiences, marked.experiences, strict=True):
        for old, new, hit in (
            (before.train, after.train, before.train % 2),
            (before.test, after.test, torch.zeros_like(before.test)),
        ):
            x = base.view.inputs(base.pool, plain.tables, old)
            y = base.view.labels(base.pool, plain.tables, old)
            assert torch.equal(
                modified.view.inputs(modified.pool, marked.tables, new), x + hit.view(-1, 1, 1, 1)
            )
            assert torch.equal(
                modified.view.labels(modified.pool, marked.tables, new), (y + hit) % 6
            )


def test_modifiers_nest_in_the_order_written() -> None:
    stream = Modified(Toy(), {"first": Add(1.0, 0), "second": Add(10.0, 0)}).stream(Path())
    replica, plain = stream.draw(KEY), _base().draw(KEY)
    old, new = plain.experiences[0].train, replica.experiences[0].train
    first = old % 2
    second = (2 * old + first) % 2  # what the second modifier sees
    added = stream.view.inputs(stream.pool, replica.tables, new) - _base().view.inputs(
        stream.pool, plain.tables, old
    )
    assert torch.allclose(
        added, (first + 10.0 * second).view(-1, 1, 1, 1).expand_as(added), atol=1e-5
    )
    truth = truth_of(stream.view, stream.pool, replica.tables, new)
    assert set(truth) == {"added 1", "added 10"}
    assert truth["added 10"].tolist() == second.tolist()


def test_a_generating_view_stays_one_and_others_do_not_become_one() -> None:
    assert not isinstance(marked_view(ToyView(), 2), GeneratingView)
    sea = composition.build_scenario("sea-abrupt+label-noise", {}).stream(Path())
    assert isinstance(sea.view, GeneratingView)
    replica = sea.draw(KEY)
    ids = replica.experiences[1].train[:40]
    x, y = sea.view.samples(sea.pool, replica.tables, ids)
    assert torch.equal(x, sea.view.inputs(sea.pool, replica.tables, ids))
    assert torch.equal(y, sea.view.labels(sea.pool, replica.tables, ids))


def test_meta_training_samples_are_marked_as_unchanged() -> None:
    stream = Add().modify(Toy(reveals=frozenset(Reveal)).stream(Path()))
    meta, before = (
        stream.draw(KEY).meta,
        Toy(reveals=frozenset(Reveal)).stream(Path()).draw(KEY).meta,
    )
    assert meta is not None
    assert before is not None
    assert torch.equal(meta, before * 2)


def test_labels_are_the_same_in_any_number_of_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = _base()
    replica = stream.draw(KEY)
    ids = replica.experiences[0].train
    whole = labels_of(stream, replica, ids)
    monkeypatch.setattr("streamsim.modifiers.CHUNK", 7 * 64)
    assert torch.equal(labels_of(stream, replica, ids), whole)
    inputs = stream.view.inputs(stream.pool, replica.tables, ids).flatten(1)
    assert torch.equal(feature_of(stream, replica, ids, 5), inputs[:, 5])


def test_an_order_in_time_is_drawn_only_where_the_stream_has_none() -> None:
    stream = _base()
    replica = stream.draw(KEY)
    drawn = in_time(stream, KEY, replica)
    for before, after in zip(replica.experiences, drawn.experiences, strict=True):
        assert before.train.tolist() != after.train.tolist()
        assert before.train.sort().values.tolist() == after.train.sort().values.tolist()
    ordered = replace(stream, spec=replace(stream.spec, ordered=True))
    assert in_time(ordered, KEY, replica) is replica


def test_a_modified_scenario_is_judged_while_learning_as_its_base_is() -> None:
    assert not Modified(Toy(), {}).prequential
    built = composition.build_scenario("sea-abrupt+label-noise", {})
    assert isinstance(built, Modified)
    assert built.prequential
