"""Waves are river's, mixed as river mixes them."""

from __future__ import annotations

import torch
from river.datasets import synth

from streamsim_scenarios.concepts.waveform import Waveform

from .conftest import alike, key, rivers, sampled

NUM = 4000


def test_waves_are_rivers() -> None:
    """As sets: the shares of the two are one minus the other, so their order does not matter."""
    pairs = Waveform().prepare(key(), 0)["pairs"].view(3, 2, 21)
    base = synth.Waveform._H_FUNCTION
    for label in range(3):
        choice = (1 if label == 2 else 0, 1 if label == 0 else 2)  # river's rule
        found = {tuple(wave.tolist()) for wave in pairs[label]}
        assert found == {tuple(map(float, base[i])) for i in choice}, label


def test_each_class_is_distributed_as_rivers() -> None:
    ours = sampled(Waveform(irrelevant_features=False), NUM)
    inputs, labels = rivers(synth.Waveform(seed=1), NUM)
    for label in range(3):
        mine, yours = ours.inputs[ours.labels == label], inputs[labels == label].float()
        for i in range(21):
            assert alike(mine[:, i], yours[:, i]), (label, i)
        torch.testing.assert_close(torch.cov(mine.T), torch.cov(yours.T), rtol=0.2, atol=0.25)


def test_variants_exchange_points_for_noise() -> None:
    plain, moved = (sampled(Waveform(), 50, variant) for variant in (0, 19))
    place = Waveform().prepare(key(), 19)["place"]
    assert int((place != torch.arange(40)).sum()) == 38
    assert torch.equal(moved.inputs, plain.inputs[:, place])
    assert torch.equal(moved.labels, plain.labels)
