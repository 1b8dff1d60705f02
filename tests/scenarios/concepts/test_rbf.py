"""Clouds lie where river's lie, and move as river's move."""

from __future__ import annotations

import math

import pytest
import torch
from river.datasets import synth

from streamsim_scenarios.concepts import State
from streamsim_scenarios.concepts.rbf import RandomRbf

from .conftest import START, alike, key, rivers

NUM = 4000


def stored(theirs: synth.RandomRBF) -> State:
    """The tables of river's centroids."""
    weights = torch.tensor(theirs.centroid_weights, dtype=torch.float64)
    centre = torch.tensor([c.centre for c in theirs.centroids], dtype=torch.float64)
    speed = getattr(theirs, "centroid_speed", None)
    return {
        "centre": centre,
        "way": torch.zeros_like(centre)
        if speed is None
        else torch.tensor(speed, dtype=torch.float64),
        "deviation": torch.tensor([c.std_dev for c in theirs.centroids], dtype=torch.float64),
        "label": torch.tensor([c.class_label for c in theirs.centroids]),
        "share": (weights / weights.sum()).cumsum(0),
    }


def test_samples_are_distributed_as_rivers_around_the_same_centroids() -> None:
    options = {"n_classes": 3, "n_features": 4, "n_centroids": 6}
    theirs = synth.RandomRBF(seed_model=2, seed_sample=3, **options)
    inputs, labels = rivers(theirs, NUM)
    ours = RandomRbf(**options).generate(stored(theirs), key(), torch.arange(NUM), START)
    assert alike(ours.labels, labels)
    for label in torch.unique(labels):
        mine, yours = ours.inputs[ours.labels == label], inputs[labels == label]
        for i in range(4):
            assert alike(mine[:, i], yours[:, i].float()), (label, i)
        assert alike(mine.norm(dim=1), yours.norm(dim=1).float())


def test_distances_are_normal_and_directions_point_everywhere() -> None:
    rbf = RandomRbf(n_features=3, n_centroids=1)
    state = rbf.prepare(key(), 0)
    away = rbf.generate(state, key(), torch.arange(NUM), START).inputs - state["centre"].float()
    distance = away.norm(dim=1) / state["deviation"].float()
    normal = torch.randn(NUM, generator=torch.manual_seed(0)).abs()
    assert alike(distance, normal)
    assert float((away / away.norm(dim=1, keepdim=True)).mean(0).abs().max()) < 0.05


def test_one_dimension_has_two_directions() -> None:
    rbf = RandomRbf(n_features=1, n_centroids=1)
    state = rbf.prepare(key(), 0)
    x = rbf.generate(state, key(), torch.arange(NUM), START).inputs
    assert x.isfinite().all()
    assert float((x > state["centre"].float()).double().mean()) == pytest.approx(0.5, abs=0.04)


def test_centroids_are_drawn_as_rivers() -> None:
    rbf = RandomRbf(n_classes=3, n_features=5, n_centroids=800, change_speed=0.1)
    ours = rbf.prepare(key(), 0)
    theirs = synth.RandomRBFDrift(
        seed_model=1, seed_sample=1, n_classes=3, n_features=5, n_centroids=800,
        change_speed=0.0, n_drift_centroids=800,
    )  # fmt: skip
    next(iter(theirs))
    expected = stored(theirs)
    for name in ("centre", "way", "deviation", "label"):
        assert alike(ours[name].flatten().float(), expected[name].flatten().float()), name
    shares = [torch.cat([t["share"][:1], t["share"].diff()]).float() for t in (ours, expected)]
    assert alike(*shares)
    torch.testing.assert_close(ours["way"].norm(dim=1), torch.ones(800, dtype=torch.float64))


# -- drift ----------------------------------------------------------------------------------------
def test_centroids_move_as_rivers() -> None:
    """Exactly before the first border; then river loses up to a step at each."""
    speed, steps = 0.004, 400
    still, theirs = (
        synth.RandomRBFDrift(
            seed_model=1,
            seed_sample=1,
            n_features=3,
            n_centroids=20,
            n_drift_centroids=20,
            change_speed=change_speed,
        )
        for change_speed in (0.0, speed)
    )
    next(iter(still))
    start, every, stream = stored(still), torch.arange(20), iter(theirs)
    rbf = RandomRbf(n_features=3, n_centroids=20, change_speed=speed)
    for time in range(1, steps + 1):
        next(stream)  # river moves before it draws
        ours = rbf.centres(start, every, torch.tensor(time)).T
        found = torch.tensor([c.centre for c in theirs.centroids], dtype=torch.float64)
        travelled = start["centre"] + speed * time * start["way"]
        borders = travelled.floor().clamp(min=0)
        error = (ours - found).abs()
        assert float(error[borders == 0].max()) < 1e-9
        assert (error <= 2 * speed * start["way"] * borders + 1e-9).all()
    assert float(borders.max()) >= 1


def test_centroids_turn_back_at_the_borders() -> None:
    """Against a slow loop that reflects."""
    rbf = RandomRbf(n_features=2, n_centroids=5, change_speed=0.3)
    state = rbf.prepare(key(), 0)
    for centroid in range(5):
        for axis in range(2):
            place = float(state["centre"][centroid, axis])
            step = 0.3 * float(state["way"][centroid, axis])
            for time in range(60):
                found = rbf.centres(state, torch.tensor(centroid), torch.tensor(time))[axis]
                assert float(found) == pytest.approx(place, abs=1e-9)
                place += step
                if place > 1:
                    place, step = 2 - place, -step
                elif place < 0:
                    place, step = -place, -step


def test_only_the_first_centroids_drift() -> None:
    rbf = RandomRbf(n_centroids=5, n_drift_centroids=2, change_speed=0.01)
    state, every = rbf.prepare(key(), 0), torch.arange(5)
    now, soon = (rbf.centres(state, every, torch.tensor(t)).T for t in (0, 10))
    moved = soon - now
    lengths = [0.1, 0.1, 0.0, 0.0, 0.0]
    assert all(
        math.isclose(float(m.norm()), length, abs_tol=0.03)
        for m, length in zip(moved, lengths, strict=True)
    )
    assert moved[2:].abs().max() == 0
