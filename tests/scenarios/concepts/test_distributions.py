"""Inputs and labels are distributed as river's, column by column."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from river.datasets import synth
from river.datasets.base import SyntheticDataset

from .conftest import alike, concept, rivers, sampled

NUM = 4000
SAME: dict[str, tuple[str, dict[str, Any], int, SyntheticDataset]] = {
    **{
        f"sea {v}": ("sea", {"noise": 0.2}, v, synth.SEA(variant=v, noise=0.2, seed=1))
        for v in range(4)
    },
    "sine": (
        "sine",
        {"irrelevant_features": True},
        2,
        synth.Sine(classification_function=2, has_noise=True, seed=1),
    ),
    **{
        f"stagger {v}": ("stagger", {}, v, synth.STAGGER(classification_function=v, seed=1))
        for v in range(3)
    },
    "mixed": ("mixed", {}, 1, synth.Mixed(classification_function=1, seed=1)),
    "agrawal": ("agrawal", {}, 0, synth.Agrawal(seed=1)),
    "led": (
        "led",
        {"noise": 0.19},
        0,
        synth.LED(noise_percentage=0.2, irrelevant_features=True, seed=1),
    ),
    "bare led": ("led", {"irrelevant_features": False}, 0, synth.LED(seed=1)),
    "waveform": ("waveform", {}, 0, synth.Waveform(has_noise=True, seed=1)),
    "hyperplane": ("hyperplane", {}, 0, synth.Hyperplane(seed=1)),
}


@pytest.mark.parametrize(("name", "options", "variant", "theirs"), SAME.values(), ids=SAME)
def test_columns_are_distributed_as_rivers(
    name: str, options: dict[str, Any], variant: int, theirs: SyntheticDataset
) -> None:
    given = concept(name, **options)
    ours = sampled(given, NUM, variant)
    inputs, labels = rivers(theirs, NUM)
    for i, feature in enumerate(given.features):
        assert alike(ours.inputs[:, i], inputs[:, i].float()), feature
    assert alike(ours.labels, labels)


@pytest.mark.parametrize("variant", range(10))
def test_agrawals_classes_are_as_frequent_as_rivers(variant: int) -> None:
    ours = sampled(concept("agrawal"), NUM, variant)
    theirs = synth.Agrawal(classification_function=variant, seed=1)
    assert alike(ours.labels, rivers(theirs, 1000)[1])


def test_columns_are_independent_of_each_other() -> None:
    """Two columns that were drawn from one counter would be equal."""
    for name in ("sea", "sine", "mixed", "stagger", "hyperplane", "agrawal", "led", "random-tree"):
        inputs = sampled(concept(name), NUM).inputs
        relevant = range(7, 24) if name == "led" else range(inputs.shape[1])
        columns = [i for i in relevant if not (name == "agrawal" and i in (0, 1, 5, 6))]
        correlation = torch.corrcoef(inputs[:, columns].T) - torch.eye(len(columns))
        assert float(correlation.abs().max()) < 0.07, name


def test_successive_samples_are_independent() -> None:
    for name in ("sea", "sine", "mixed", "stagger", "hyperplane", "agrawal", "rbf", "random-tree"):
        x = sampled(concept(name), NUM).inputs
        both = torch.corrcoef(torch.cat([x[:-1], x[1:]], dim=1).T)
        assert float(both[: x.shape[1], x.shape[1] :].abs().max()) < 0.07, name
