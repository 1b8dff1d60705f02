"""Prequential sums against a loop over samples, however the samples are cut into stretches."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamsim.learner import Judged
from streamsim.prequential import (
    Blocks,
    PrequentialOptions,
    Samples,
    Standing,
    samples_of,
    tally,
    unfinished,
)

CLASSES = 3


def stream(num: int, seed: int) -> Samples:
    rng = np.random.default_rng(seed)
    label, predicted = (torch.from_numpy(rng.integers(0, CLASSES, num)) for _ in range(2))
    log_loss = torch.from_numpy(rng.random(num, np.float32))
    return Samples(label, predicted, log_loss, torch.cat([torch.tensor([-1]), label])[:num])


def cut(samples: Samples, places: list[int]) -> list[Samples]:
    edges = [0, *sorted(places), len(samples.label)]
    return [Samples(*(each[a:b] for each in samples)) for a, b in itertools.pairwise(edges)]


def counted(options: PrequentialOptions, pieces: list[Samples]) -> dict[str, torch.Tensor]:
    """All blocks, the last one perhaps shorter."""
    standing, found = Standing.start(), list[Blocks]()
    for piece in pieces:
        # through a checkpoint every time
        standing = Standing.restored(standing.tensors())
        (standing,), blocks = tally(options, CLASSES, [standing], [piece])
        found += blocks
    found += unfinished(options, CLASSES, [standing])
    return {name: torch.cat([b._asdict()[name] for b in found]) for name in Blocks._fields}


def slow(options: PrequentialOptions, samples: Samples) -> list[dict[str, float]]:
    """Sample by sample, from the definitions."""
    rows, row, previous = list[dict[str, float]](), dict[str, float](), -1
    weight = right = loss = 0.0
    for n, (label, predicted, log_loss) in enumerate(
        zip(*(each.tolist() for each in samples[:3]), strict=True), start=1
    ):
        if not row:
            row = dict.fromkeys(["total", "correct", "persistent", "log_loss"], 0.0)
        row["total"] += 1
        row["correct"] += label == predicted
        row["persistent"] += label == previous
        row["log_loss"] += log_loss
        previous = label
        weight = options.fading * weight + 1
        right = options.fading * right + (label == predicted)
        loss = options.fading * loss + log_loss
        if n % options.block == 0 or n == len(samples.label):
            row["log_loss"] /= row["total"]
            faded = {"faded_accuracy": right / weight, "faded_log_loss": loss / weight}
            rows.append({"position": n, **row, **faded})
            row = {}
    return rows


@settings(max_examples=60, deadline=None)
@given(
    num=st.integers(1, 60),
    block=st.integers(1, 25),
    fading=st.sampled_from([0.5, 0.9, 0.999]),
    places=st.lists(st.integers(0, 60), max_size=6),
    seed=st.integers(0, 1000),
)
def test_blocks_equal_a_loop_over_samples_however_they_arrive(
    num: int, block: int, fading: float, places: list[int], seed: int
) -> None:
    options, samples = PrequentialOptions(block=block, fading=fading), stream(num, seed)
    found = counted(options, cut(samples, [min(place, num) for place in places]))
    rows = slow(options, samples)
    for name in rows[0]:
        assert found[name].tolist() == pytest.approx([row[name] for row in rows]), name


def test_replicas_are_counted_apart_however_far_each_is() -> None:
    options = PrequentialOptions(block=4)
    streams = [stream(num, seed) for num, seed in ((11, 1), (11, 2), (5, 3), (0, 4))]
    standings = [Standing.start() for _ in streams]
    pieces = [cut(each, [len(each.label) // 2]) for each in streams]
    together = [list[Blocks]() for _ in streams]
    for part in range(2):
        standings, blocks = tally(options, CLASSES, standings, [piece[part] for piece in pieces])
        for found, one in zip(together, blocks, strict=True):
            found.append(one)
    rest = unfinished(options, CLASSES, standings)
    for each, found, last in zip(streams, together, rest, strict=True):
        found.append(last)
        alone = counted(options, [each])
        for name in Blocks._fields:
            joined = torch.cat([one._asdict()[name] for one in found])
            torch.testing.assert_close(joined, alone[name])


def test_classes_are_counted_as_labelled_predicted_and_right() -> None:
    label, predicted = torch.tensor([0, 0, 2]), torch.tensor([0, 2, 2])
    samples = Samples(label, predicted, torch.zeros(3), torch.tensor([-1, 0, 0]))
    counts = counted(PrequentialOptions(block=3), [samples])["classes"]
    assert counts.tolist() == [[[2, 1, 1], [0, 0, 0], [1, 2, 1]]]


def test_only_samples_that_count_are_taken_and_the_label_before_comes_along() -> None:
    counts = torch.tensor([[True, False, True], [False, False, False]])
    label = torch.tensor([[1, 2, 0], [1, 1, 1]])
    judged = Judged(label, label + 1, label.float(), counts)
    taken = samples_of(judged, 0, torch.tensor([2]))
    assert taken.label.tolist() == [1, 0]
    assert taken.before.tolist() == [2, 1]
    assert len(samples_of(judged, 1, torch.tensor([2])).label) == 0


@pytest.mark.parametrize("wrong", [{"block": 0}, {"fading": 0.0}, {"fading": 1.0}])
def test_options_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PrequentialOptions(**wrong)  # type: ignore[arg-type]  # that is the point
