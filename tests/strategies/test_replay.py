"""Replay against a loop with Algorithm R and one concatenated batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from streamsim.population import Population
from streamsim_strategies.replay import Replay

if TYPE_CHECKING:
    from tests.strategies.conftest import Kit, One, Weights

LR = 0.1


def slow(kit: Kit, one: One, weights: Weights, part: Replay, experiences: int) -> Weights:
    """Reservoir replay with plain gradient descent: rehearsal first reads, then the batch is kept.

    The loss is the mean over the concatenated batch, or 1/t and 1 - 1/t of the two means.
    """
    kept, seen, batch = kit.SlowReservoir(part.memory_size), set[int](), one.train.batch_size
    num = part.batch_size or batch
    for experience in range(experiences):
        write = one.fold("parts", experience, "memory")
        read = one.fold("parts", experience, "memory", "replay")
        for step in one.steps(experience):
            seen |= set(step.y.tolist())
            old = kept.read(read, step.clock, num)
            x_old, y_old, _ = one.take(torch.tensor(old, dtype=torch.int64))
            x, y = torch.cat([step.x, x_old]), torch.cat([step.y, y_old])
            losses = kit.cross_entropy(kit.logits(weights, x), y, seen)
            if part.weighting == "samples" or not old:
                loss = losses.mean()
            else:
                new, past = losses[: len(step.y)].mean(), losses[len(step.y) :].mean()
                loss = new / (experience + 1) + (1 - 1 / (experience + 1)) * past
            weights = kit.descended(weights, kit.gradient(loss, weights), LR)
            kept.offer_step(step, write, batch)
    return weights


@pytest.mark.parametrize("epochs", [1, 2])
@pytest.mark.parametrize(
    "part",
    [
        Replay(memory_size=7),
        Replay(memory_size=7, batch_size=2),
        Replay(memory_size=30, batch_size=9),
    ],
    ids=["as many as arrive", "fewer", "more"],
)
def test_replay_equals_a_slow_loop_over_concatenated_batches(
    kit: Kit, part: Replay, epochs: int
) -> None:
    learner = kit.population(part, lr=LR, epochs=epochs)
    start = [kit.weights(learner, r) for r in range(3)]
    kit.train(learner, 0, 1, 2, stretch=3)
    for r, one in enumerate(kit.ones(learner)):
        kit.assert_same(kit.weights(learner, r), slow(kit, one, start[r], part, 3))


@pytest.mark.parametrize("num", [None, 3])
def test_weighting_by_experiences_equals_a_slow_loop(kit: Kit, num: int | None) -> None:
    part = Replay(memory_size=7, batch_size=num, weighting="experiences")
    toy = kit.toy(smallest=12, largest=12)  # full batches of 4
    learner = kit.population(part, toy, lr=LR)
    start = [kit.weights(learner, r) for r in range(3)]
    kit.train(learner, 0, 1, 2)
    for r, one in enumerate(kit.ones(learner)):
        kit.assert_same(kit.weights(learner, r), slow(kit, one, start[r], part, 3))


def test_weighting_by_experiences_holds_in_the_last_smaller_batch_too(kit: Kit) -> None:
    part = Replay(memory_size=7, weighting="experiences")
    learner = kit.population(part, kit.toy(smallest=13, largest=13), lr=LR)
    start = [kit.weights(learner, r) for r in range(3)]
    kit.train(learner, 0, 1, 2)
    for r, one in enumerate(kit.ones(learner)):
        kit.assert_same(kit.weights(learner, r), slow(kit, one, start[r], part, 3))


def shares(learner: Population, experience: int) -> Tensor:
    """The rehearsed part of the weight in every step, `[S]`."""
    inputs = learner._plan(experience, range(learner.num_steps(experience))).inputs
    old: Tensor = inputs.plans["replay"].weight.sum(-1)
    return old / (old + inputs.weight.sum(-1))


@pytest.mark.parametrize("num", [None, 2, 6])
def test_rehearsal_is_one_minus_one_over_t_of_the_loss_at_the_t_th_experience(
    kit: Kit, num: int | None
) -> None:
    part = Replay(memory_size=12, batch_size=num, weighting="experiences")
    learner = kit.population(part, kit.toy(smallest=12, largest=12), seeds=(0,))
    for experience, share in enumerate([0, 1 / 2, 2 / 3]):
        assert shares(learner, experience).tolist() == pytest.approx([share] * 3)
        kit.train(learner, experience)


def test_weighting_by_samples_counts_every_sample_once(kit: Kit) -> None:
    part = Replay(memory_size=12, batch_size=6)
    learner = kit.population(part, kit.toy(smallest=12, largest=12), seeds=(0,))
    assert shares(learner, 0).tolist() == pytest.approx([0, 0.6, 0.6])


def test_replay_with_a_balanced_memory_rehearses_past_experiences_only(kit: Kit) -> None:
    learner = kit.population(Replay(memory_size=12, policy="class-balanced"), seeds=(0,), epochs=9)
    (one,) = kit.ones(learner, (0,))
    kit.train(learner, 0, 1)
    inputs = learner._plan(2, range(learner.num_steps(2))).inputs
    rehearsed = inputs.plans["replay"].ids.flatten()
    assert set(one.replica.tables["task"][rehearsed].tolist()) == {0, 1}


def test_replay_needs_no_boundaries_with_a_reservoir(kit: Kit) -> None:
    hidden, revealed = kit.toy(boundaries=False), kit.toy()
    states = []
    for toy in (hidden, revealed):
        learner = kit.population(Replay(memory_size=8), toy)
        kit.train(learner, 0)
        states.append(learner.parameters())
    assert all(torch.equal(weights, states[1][name]) for name, weights in states[0].items())
    # and it goes on: what it keeps comes from both experiences
    learner = kit.population(Replay(memory_size=8), hidden)
    kit.train(learner, 0, 1)
    for r, one in enumerate(kit.ones(learner)):
        kept = learner.carry.states["replay"].ids[r]
        assert set(one.replica.tables["task"][kept].tolist()) == {0, 1}


def test_weighting_by_experiences_needs_boundaries(kit: Kit) -> None:
    with pytest.raises(ValueError, match="'replay' needs boundaries"):
        kit.population(Replay(weighting="experiences"), kit.toy(boundaries=False))
