from __future__ import annotations

import pytest
import torch
from torch import Tensor

from streamsim.stream import Stream
from streamsim_scenarios.modifiers.imbalance import Imbalance

KEY = torch.tensor(3)


def _labels(stream: Stream) -> list[Tensor]:
    replica = stream.draw(KEY)
    return [stream.view.labels(stream.pool, replica.tables, e.train) for e in replica.experiences]


def test_classes_keep_the_shares_of_their_ranks(line: Stream) -> None:
    counts = torch.cat(_labels(Imbalance(ratio=10, ranks="fixed").modify(line))).bincount()
    for label, count in enumerate(counts.tolist()):
        expected = 500 * 10 ** -(label / 3)
        assert abs(count - expected) <= 4 * expected**0.5
    assert counts[0] == 500


def test_seeds_rank_classes_in_their_own_way(line: Stream) -> None:
    uneven = Imbalance(ratio=10).modify(line)
    orders = set()
    for seed in range(6):
        replica = uneven.draw(torch.tensor(seed))
        ids = torch.cat([e.train for e in replica.experiences])
        counts = uneven.view.labels(uneven.pool, {}, ids).bincount(minlength=4)
        orders.add(tuple(counts.argsort().tolist()))
    assert len(orders) > 2


def test_rare_classes_become_the_frequent_ones(line: Stream) -> None:
    first, *_, last = _labels(Imbalance(ratio=100, shift="reverse", ranks="fixed").modify(line))
    early, late = first.bincount(minlength=4), last.bincount(minlength=4)
    assert early[0] > 5 * early[3]
    assert late[3] > 5 * late[0]


def test_every_class_is_frequent_once(line: Stream) -> None:
    found = _labels(Imbalance(ratio=100, shift="rotate", ranks="fixed").modify(line))
    everything = torch.cat(found)
    sixteenth = len(everything) // 16
    for label in range(4):  # class c has its time around c/4 of the stream
        around = everything[max(0, (4 * label - 1) * sixteenth) : (4 * label + 1) * sixteenth]
        counts = around.bincount(minlength=4)
        assert counts[label] > 3 * counts[torch.arange(4) != label].max()


@pytest.mark.parametrize("shift", ["none", "reverse", "rotate"])
def test_no_class_of_an_experience_vanishes_and_test_samples_all_stay(
    groups: Stream, shift: str
) -> None:
    rare = Imbalance(ratio=1e9, shift=shift).modify(groups)  # type: ignore[arg-type]
    for number, y in enumerate(_labels(rare)):
        assert set(y.tolist()) == {2 * number, 2 * number + 1}
    assert [len(e.test) for e in rare.draw(KEY).experiences] == [20, 20, 20]
    assert rare.spec.ordered == (shift != "none")
