"""Weights change as river's do."""

from __future__ import annotations

import itertools

import pytest
import torch
from river.datasets import synth
from torch import Tensor

from streamsim_scenarios.concepts.hyperplane import Hyperplane

from .conftest import START, key

SIGMA, CHANGE = 0.1, 0.01


def ours_after(time: Tensor, num: int) -> Tensor:
    """Changes [T, num] of as many weights."""
    plane = Hyperplane(n_features=num, n_drift_features=num, mag_change=CHANGE, sigma=SIGMA)
    state = plane.prepare(key(), 0)
    return plane.weights(state, time).T - state["weights"]


def rivers_after(steps: int, num: int) -> Tensor:
    theirs = synth.Hyperplane(
        seed=5, n_features=num, n_drift_features=num, mag_change=CHANGE, sigma=SIGMA + 0.01
    )
    stream = iter(theirs)
    next(stream)
    start = torch.tensor(theirs._weights)
    next(itertools.islice(stream, steps - 1, None))
    return torch.tensor(theirs._weights) - start


@pytest.mark.parametrize("steps", [2, 500])
def test_weights_wander_as_far_as_rivers(steps: int) -> None:
    num = 3000
    start, end = ours_after(torch.tensor([1000, 1000 + steps]), num)
    ours, theirs = (c.square().mean().sqrt() for c in (end - start, rivers_after(steps, num)))
    assert float(ours) == pytest.approx(float(theirs), rel=0.1)


def test_weights_that_never_turn_back_grow_as_rivers() -> None:
    plane = Hyperplane(n_features=4, n_drift_features=3, mag_change=CHANGE, sigma=0)
    theirs = synth.Hyperplane(
        seed=1, n_features=4, n_drift_features=3, mag_change=CHANGE, sigma=0, noise_percentage=0
    )
    stream = iter(theirs)
    next(stream)
    start = torch.tensor(theirs._weights, dtype=torch.float64)
    for steps in range(1, 50):
        next(stream)
        found = plane.weights({"weights": start}, torch.tensor(steps))
        assert found.tolist() == pytest.approx(theirs._weights, abs=1e-9)


def test_only_drifting_weights_change() -> None:
    plane = Hyperplane(n_features=5, n_drift_features=2, mag_change=CHANGE)
    weights = plane.weights(plane.prepare(key(), 0), torch.arange(100))
    assert [len(column.unique()) > 50 for column in weights] == [True, True, False, False, False]


def test_a_drifting_concept_changes_its_labels() -> None:
    plane = Hyperplane(mag_change=0.02, noise=0)
    state, x = plane.prepare(key(), 0), torch.rand(2000, 10, generator=torch.manual_seed(1))
    now = plane.label(state, x, START)
    soon, later = (plane.label(state, x, torch.tensor(t)) for t in (10, 5000))
    assert 0 < float((now != soon).double().mean()) < float((now != later).double().mean())


def test_classes_are_balanced_whatever_the_weights() -> None:
    plane = Hyperplane(mag_change=0.02, noise=0)
    index = torch.arange(20_000)
    labels = plane.generate(plane.prepare(key(), 0), key(), index, index).labels
    for part in torch.split(labels, 4000):
        assert float(part.double().mean()) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("num", [2, 32])
def test_sums_are_exact(num: int) -> None:
    """So that a label cannot depend on the order in which a device adds."""
    plane = Hyperplane(n_features=num)
    state, index = plane.prepare(key(), 0), torch.arange(20)
    x = plane.generate(state, key(), index, START).inputs
    whole = (state["weights"] * 2**24).long()
    assert torch.equal(whole * 2.0**-24, state["weights"])
    for row in (x.double() * 2**24).long().tolist():
        exact = sum(a * b for a, b in zip(row, whole.tolist(), strict=True))
        found = (torch.tensor(row).double() * 2.0**-24 * state["weights"]).sum()
        assert int(float(found) * 2**48) == exact
