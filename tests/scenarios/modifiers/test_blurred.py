from __future__ import annotations

import torch

from streamsim.stream import Reveal, Stream
from streamsim_scenarios.modifiers.blurred import Blurred

KEY = torch.tensor(3)


def _origins(stream: Stream, width: int) -> tuple[Stream, torch.Tensor]:
    """Which experience every sample comes from, in the order of time."""
    blurred = Blurred(width=width).modify(stream)
    replica = blurred.draw(KEY)
    ids = torch.cat([e.train for e in replica.experiences])
    return blurred, blurred.view.labels(blurred.pool, replica.tables, ids) // 2


def test_the_new_experience_takes_over_in_a_straight_line(groups: Stream) -> None:
    _, origin = _origins(groups, 800)
    for boundary in (1000, 2000):
        new = origin >= boundary // 1000
        # places shift by chance, with a standard deviation of sqrt(800 / 6)
        assert not new[: boundary - 450].any()
        assert new[boundary + 450 :].all()
        for at in (-300, -100, 100, 300):
            share = new[boundary + at - 50 : boundary + at + 50].double().mean().item()
            assert abs(share - (0.5 + at / 800)) < 0.2  # four standard errors of 100 samples


def test_nothing_is_lost_and_sizes_stay(groups: Stream) -> None:
    blurred, _ = _origins(groups, 800)
    before, after = groups.draw(KEY), blurred.draw(KEY)
    assert [len(e.train) for e in after.experiences] == [1000, 1000, 1000]
    ids = [torch.cat([e.train for e in r.experiences]).sort().values for r in (before, after)]
    assert torch.equal(*ids)
    for old, new in zip(before.experiences, after.experiences, strict=True):
        assert torch.equal(old.test, new.test)


def test_width_0_leaves_experiences_apart_in_a_drawn_order(groups: Stream) -> None:
    blurred, origin = _origins(groups, 0)
    assert origin.tolist() == [0] * 1000 + [1] * 1000 + [2] * 1000
    ids = blurred.draw(KEY).experiences[0].train
    assert ids.tolist() != ids.sort().values.tolist()


def test_boundaries_are_hidden_and_the_order_is_kept(groups: Stream) -> None:
    blurred, _ = _origins(groups, 10)
    assert Reveal.BOUNDARIES in groups.spec.reveals
    assert Reveal.BOUNDARIES not in blurred.spec.reveals
    assert blurred.spec.ordered
