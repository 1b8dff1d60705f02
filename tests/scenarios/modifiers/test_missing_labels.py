from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from streamsim.stream import Stream
from streamsim_scenarios.modifiers.missing_labels import MissingLabels

KEY = torch.tensor(3)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.9])
def test_the_share_asked_for_is_left_out_and_the_rest_keeps_its_order(
    line: Stream, share: float
) -> None:
    before = [e.train.tolist() for e in line.draw(KEY).experiences]
    after = [
        e.train.tolist() for e in MissingLabels(share=share).modify(line).draw(KEY).experiences
    ]
    for old, new in zip(before, after, strict=True):
        places = [old.index(i) for i in new]
        assert places == sorted(places)
    kept = sum(map(len, after)) / sum(map(len, before))
    assert abs(1 - share - kept) <= 4 * (share * (1 - share) / 2000) ** 0.5


def test_every_experience_keeps_a_sample(groups: Stream) -> None:
    drawn = MissingLabels(share=0.999999).modify(groups).draw(KEY)
    assert [len(e.train) for e in drawn.experiences] == [1, 1, 1]
    assert [len(e.test) for e in drawn.experiences] == [20, 20, 20]


def test_true_drifts_count_the_samples_that_are_left(line: Stream) -> None:
    drifting = replace(line, draw=lambda key: replace(line.draw(key), drifts=[300, 1200]))
    ids = torch.cat([e.train for e in drifting.draw(KEY).experiences])
    drawn = MissingLabels(share=0.5).modify(drifting).draw(KEY)
    left = torch.cat([e.train for e in drawn.experiences])
    for place, drift in zip([300, 1200], drawn.true_drifts(), strict=True):
        assert torch.equal(left[:drift], ids[:place][torch.isin(ids[:place], left)])
