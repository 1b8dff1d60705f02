from __future__ import annotations

import torch

from streamsim.stream import Replica, Stream, truth_of
from streamsim_scenarios.modifiers.label_noise import LabelNoise

KEY = torch.tensor(3)


def _labels(stream: Stream, replica: Replica, part: str = "train") -> list[torch.Tensor]:
    return [
        stream.view.labels(stream.pool, replica.tables, getattr(e, part))
        for e in replica.experiences
    ]


def test_the_share_of_wrong_labels_is_the_one_asked_for(line: Stream) -> None:
    noisy = LabelNoise(share=0.3).modify(line)
    before = torch.cat(_labels(line, line.draw(KEY)))
    after = torch.cat(_labels(noisy, noisy.draw(KEY)))
    wrong = (before != after).double().mean().item()
    assert abs(wrong - 0.3) < 4 * (0.3 * 0.7 / len(before)) ** 0.5


def test_every_other_class_is_as_likely_a_wrong_label(line: Stream) -> None:
    noisy = LabelNoise(share=1.0).modify(line)
    before = torch.cat(_labels(line, line.draw(KEY)))
    after = torch.cat(_labels(noisy, noisy.draw(KEY)))
    for label in range(4):
        counts = after[before == label].bincount(minlength=4)
        assert counts[label] == 0
        others = counts[torch.arange(4) != label].double()
        # chi-square with two degrees of freedom: 18 is exceeded once in eight thousand
        assert ((others - others.mean()).square() / others.mean()).sum() < 18


def test_a_wrong_label_is_a_class_of_the_same_experience(groups: Stream) -> None:
    noisy = LabelNoise(share=0.5).modify(groups)
    before, after = _labels(groups, groups.draw(KEY)), _labels(noisy, noisy.draw(KEY))
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        assert set(new.tolist()) == {2 * number, 2 * number + 1}
        assert 0.4 < (old != new).double().mean() < 0.6


def test_test_samples_keep_their_labels_and_all_samples_their_inputs(groups: Stream) -> None:
    noisy = LabelNoise(share=1.0).modify(groups)
    plain, drawn = groups.draw(KEY), noisy.draw(KEY)
    for old, new in zip(_labels(groups, plain, "test"), _labels(noisy, drawn, "test"), strict=True):
        assert torch.equal(old, new)
    a, b = plain.experiences[0].train, drawn.experiences[0].train
    x = groups.view.inputs(groups.pool, plain.tables, a)
    assert torch.equal(noisy.view.inputs(noisy.pool, drawn.tables, b), x)


def test_no_noise_changes_nothing_and_one_class_has_no_other(groups: Stream) -> None:
    silent = LabelNoise(share=0.0).modify(groups)
    for old, new in zip(
        _labels(groups, groups.draw(KEY)), _labels(silent, silent.draw(KEY)), strict=True
    ):
        assert torch.equal(old, new)


def test_seeds_differ_and_the_truth_tells_which_labels_are_wrong(line: Stream) -> None:
    noisy = LabelNoise(share=0.5).modify(line)
    one, other = noisy.draw(KEY), noisy.draw(KEY + 1)
    ids = one.experiences[0].train
    told = truth_of(noisy.view, noisy.pool, one.tables, ids)["wrong labels"]
    old = line.view.labels(line.pool, {}, line.draw(KEY).experiences[0].train)
    assert torch.equal(told.bool(), _labels(noisy, one)[0] != old)
    marks = [torch.cat([e.train for e in r.experiences]) for r in (one, other)]
    assert not torch.equal(marks[0].sort().values, marks[1].sort().values)
