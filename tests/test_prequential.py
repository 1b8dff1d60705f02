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
    Standing,
    tally,
    unfinished,
)

CLASSES = 3


def stream(num: int, seed: int) -> Judged:
    """Samples of one replica, of which some do not count."""
    rng = np.random.default_rng(seed)
    label, predicted = (torch.from_numpy(rng.integers(0, CLASSES, (1, num))) for _ in range(2))
    log_loss = torch.from_numpy(rng.random((1, num), np.float32))
    return Judged(label, predicted, log_loss, torch.from_numpy(rng.random((1, num)) < 0.9))


def all_count(judged: Judged) -> Judged:
    return judged._replace(counts=torch.ones_like(judged.counts))


def cut(judged: Judged, places: list[int]) -> list[Judged]:
    edges = [0, *sorted(places), judged.label.shape[1]]
    return [Judged(*(each[:, a:b] for each in judged)) for a, b in itertools.pairwise(edges)]


def counted(
    options: PrequentialOptions, pieces: list[Judged], num_replicas: int = 1
) -> dict[str, torch.Tensor]:
    """All blocks, the last one perhaps shorter."""
    standing, found = Standing.start(num_replicas), list[Blocks]()
    for piece in pieces:
        # through a checkpoint every time
        standing = Standing.restored(standing.tensors())
        standing, blocks = tally(options, CLASSES, standing, [piece])
        found.append(blocks)
    found.append(unfinished(options, CLASSES, standing))
    return {name: torch.cat([b._asdict()[name] for b in found]) for name in Blocks._fields}


def slow(options: PrequentialOptions, judged: Judged) -> list[dict[str, float]]:
    """Sample by sample, from the definitions."""
    rows, row, previous = list[dict[str, float]](), dict[str, float](), -1
    weight = right = loss = 0.0
    samples = [each[judged.counts].tolist() for each in judged[:3]]
    for n, (label, predicted, log_loss) in enumerate(zip(*samples, strict=True), start=1):
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
        if n % options.block == 0 or n == len(samples[0]):
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
    whole=st.booleans(),
)
def test_blocks_equal_a_loop_over_samples_however_they_arrive(
    num: int, block: int, fading: float, places: list[int], seed: int, whole: bool
) -> None:
    options, judged = PrequentialOptions(block=block, fading=fading), stream(num, seed)
    judged = all_count(judged) if whole else judged
    found = counted(options, cut(judged, [min(place, num) for place in places]))
    rows = slow(options, judged)
    assert len(found["position"]) == len(rows)
    for name in rows[0] if rows else ():
        assert found[name].tolist() == pytest.approx([row[name] for row in rows]), name


@pytest.mark.parametrize("whole", [True, False], ids=["equally far", "some do not count"])
@pytest.mark.parametrize("places", [[], [5], [1, 2, 3, 9]], ids=str)
def test_replicas_are_counted_apart_however_far_each_is(places: list[int], whole: bool) -> None:
    options = PrequentialOptions(block=4)
    streams = [all_count(stream(11, seed)) if whole else stream(11, seed) for seed in range(4)]
    if not whole:  # none at all of one
        streams[2] = streams[2]._replace(counts=torch.zeros_like(streams[2].counts))
    population = Judged(*map(torch.cat, zip(*streams, strict=True)))
    together = counted(options, cut(population, places), num_replicas=4)
    for replica, own in enumerate(streams):
        alone = counted(options, [own])
        chosen = together["replica"] == replica
        for name in set(Blocks._fields) - {"replica"}:
            torch.testing.assert_close(together[name][chosen], alone[name])


def test_classes_are_counted_as_labelled_predicted_and_right() -> None:
    label, predicted = torch.tensor([[0, 0, 2]]), torch.tensor([[0, 2, 2]])
    judged = Judged(label, predicted, torch.zeros(1, 3), torch.ones(1, 3, dtype=torch.bool))
    counts = counted(PrequentialOptions(block=3), [judged])["classes"]
    assert counts.tolist() == [[[2, 1, 1], [0, 0, 0], [1, 2, 1]]]


@pytest.mark.parametrize("wrong", [{"block": 0}, {"fading": 0.0}, {"fading": 1.0}])
def test_options_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PrequentialOptions(**wrong)  # type: ignore[arg-type]  # that is the point
