"""Segments are lit as river's, and change places as river's."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import torch
from river.datasets import synth

from streamsim_scenarios.concepts.attributes import exchanged
from streamsim_scenarios.concepts.led import Led

from .conftest import is_share, key, rivers, sampled


def test_digits_are_rivers() -> None:
    x, y = sampled(Led(irrelevant_features=False), 1000)
    inputs, labels = rivers(synth.LED(seed=1), 1000)
    ours = {(label, *row) for row, label in zip(x.tolist(), y.tolist(), strict=True)}
    theirs = {(label, *row) for row, label in zip(inputs.tolist(), labels.tolist(), strict=True)}
    assert ours == theirs
    assert len(ours) == 10


def test_noise_inverts_that_share_of_every_segment() -> None:
    clean, noisy = (sampled(Led(noise=noise), 5000) for noise in (0.0, 0.1))
    wrong = clean.inputs != noisy.inputs
    for segment in range(7):
        assert is_share(wrong[:, segment], 0.1)
    assert is_share(wrong[:, 0] & wrong[:, 6], 0.01)
    assert not wrong[:, 7:].any()
    assert torch.equal(clean.labels, noisy.labels)


def test_irrelevant_bits_are_fair_and_unrelated_to_the_digit() -> None:
    x, y = sampled(Led(), 5000)
    for i in range(7, 24):
        assert is_share(x[:, i], 0.5)
        assert is_share(x[y == 3, i], 0.5)


@pytest.mark.parametrize("count", range(1, 8))
def test_attributes_change_places_as_rivers(count: int) -> None:
    """River's places are among those that keys give: 7 x 17 of them, all about as likely."""
    keys = [key(seed) for seed in range(700)]
    ours = Counter(tuple(exchanged(k, 7, 17, torch.tensor(count)).tolist()) for k in keys)
    for seed in range(5):
        theirs = synth.LEDDrift(seed=seed, irrelevant_features=True, n_drift_features=count)
        next(iter(theirs))
        assert ours[tuple(theirs._attr_idx)] > 0
    assert len(ours) > 100
    assert max(ours.values()) < 25


def test_a_variant_moves_that_many_segments() -> None:
    led = Led()
    still = led.prepare(key(), 0)["place"]
    assert still.tolist() == list(range(24))
    for variant in range(8):
        place = led.prepare(key(), variant)["place"]
        assert int((place != still).sum()) == 2 * variant
        assert place[place].tolist() == still.tolist()  # exchanged in pairs


def test_moved_segments_are_found_where_the_table_says() -> None:
    led = Led()
    plain, moved = (sampled(led, 50, variant) for variant in (0, 5))
    place = led.prepare(key(), 5)["place"]
    assert torch.equal(moved.inputs, plain.inputs[:, place])
    assert torch.equal(moved.labels, plain.labels)


def test_every_segment_may_move() -> None:
    """The first of them is drawn."""
    rng, first = random.Random(0), set()
    for _ in range(100):
        place = Led().prepare(key(rng.randrange(10**6)), 1)["place"]
        first.add(int((place != torch.arange(24)).nonzero()[0]))
    assert first == set(range(7))
