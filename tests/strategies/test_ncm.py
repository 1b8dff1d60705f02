"""Nearest class mean against distances worked out class by class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from streamsim_strategies.baselines import Naive
from streamsim_strategies.memory import Memory
from streamsim_strategies.ncm import Ncm

if TYPE_CHECKING:
    from tests.strategies.conftest import Kit, One, Weights

Floats = npt.NDArray[np.float64]


def unit(vector: Floats) -> Floats:
    length: float = np.sqrt((vector**2).sum())
    return vector / length


def nearest(kit: Kit, one: One, weights: Weights, remembered: Tensor, ids: Tensor) -> list[int]:
    """The class whose mean of unit features, itself made a unit vector, lies closest."""

    def features(chosen: Tensor) -> list[Floats]:
        raw = kit.features(weights, one.take(chosen)[0]).detach().double().numpy()
        return [unit(row) for row in raw]

    labels = one.take(remembered)[1].tolist()
    means = {}
    for label in set(labels):
        members = [f for f, y in zip(features(remembered), labels, strict=True) if y == label]
        means[label] = unit(np.mean(members, axis=0))
    return [
        min(means, key=lambda label: float(((means[label] - row) ** 2).sum()))
        for row in features(ids)
    ]


@pytest.mark.parametrize("policy", ["reservoir", "class-balanced"])
def test_ncm_predicts_the_nearest_mean_by_hand(kit: Kit, policy: str) -> None:
    learner = kit.population(Ncm(memory_size=15, policy=policy), epochs=4)  # type: ignore[arg-type]
    kit.train(learner, 0, 1, 2)
    correct = learner.correct([0, 1, 2], 2)
    state: Memory = learner.carry.states["ncm"]
    for r, one in enumerate(kit.ones(learner)):
        remembered = state.ids[r, : int(state.filled[r])]
        for e, experience in enumerate(one.replica.experiences):
            guesses = nearest(kit, one, kit.weights(learner, r), remembered, experience.test)
            right = one.take(experience.test)[1].tolist()
            assert correct[r, e] == sum(g == y for g, y in zip(guesses, right, strict=True))


def test_ncm_answers_sample_by_sample_like_the_nearest_mean(kit: Kit) -> None:
    learner = kit.population(Ncm(memory_size=15), seeds=(0,), epochs=4)
    kit.train(learner, 0, 1)
    (one,) = kit.ones(learner, (0,))
    state: Memory = learner.carry.states["ncm"]
    ctx, everything = kit.context(learner, 1), torch.arange(6 * 24)
    scores = Ncm(memory_size=15).predictor(ctx, state)(ctx.take(everything))
    expected = nearest(kit, one, kit.weights(learner, 0), state.ids, everything)
    assert scores.argmax(-1).tolist() == expected


def test_classes_without_samples_are_never_predicted(kit: Kit) -> None:
    learner = kit.population(Ncm(memory_size=10), seeds=(0,))
    kit.train(learner, 0, 1, 2)
    (one,) = kit.ones(learner, (0,))
    everything = torch.arange(6 * 24)
    labels = one.take(everything)[1]
    some = everything[(labels == 1) | (labels == 4)][20:28]
    assert set(one.take(some)[1].tolist()) == {1, 4}
    # eight slots hold classes 1 and 4; the free ones hold samples of another class
    ids = torch.cat([some, everything[labels == 2][:2]])
    old: Memory = learner.carry.states["ncm"]
    state = old._replace(ids=ids, filled=torch.tensor(8))
    ctx = kit.context(learner, 2)
    scores = Ncm(memory_size=10).predictor(ctx, state)(ctx.take(everything))
    assert set(scores.argmax(-1).tolist()) == {1, 4}
    expected = nearest(kit, one, kit.weights(learner, 0), some, everything)
    assert scores.argmax(-1).tolist() == expected


def test_a_class_that_a_small_reservoir_lost_is_never_predicted(kit: Kit) -> None:
    learner = kit.population(Ncm(memory_size=2))
    kit.train(learner, 0, 1, 2)
    state: Memory = learner.carry.states["ncm"]
    correct = learner.correct([0, 1, 2], 2)
    for r, one in enumerate(kit.ones(learner)):
        remembered = set((one.take(state.ids[r])[1] // 2).tolist())
        assert len(remembered) < 3
        assert all(e in remembered or correct[r, e] == 0 for e in range(3))
        assert correct[r].sum() > 0


def test_ncm_leaves_training_as_it_is(kit: Kit) -> None:
    ncm, naive = kit.population(Ncm()), kit.population(Naive())
    for learner in (ncm, naive):
        kit.train(learner, 0, 1)
    for r in range(3):
        kit.assert_same(kit.weights(ncm, r), kit.weights(naive, r))
    assert not torch.equal(ncm.correct([0, 1], 1), naive.correct([0, 1], 1))
