"""A strategy is a sum of parts: terms add up, and their order does not matter."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
import torch

from streamsim.strategy import Part
from streamsim_strategies.ewc import Ewc
from streamsim_strategies.lwf import Lwf
from streamsim_strategies.ncm import Ncm
from streamsim_strategies.replay import Replay

if TYPE_CHECKING:
    from tests.strategies.conftest import Kit, One, Weights

LR = 0.05
REPLAY, LWF, EWC = Replay(memory_size=9), Lwf(alpha=0.5, temperature=3.0), Ewc(strength=5.0)


def slow(kit: Kit, one: One, weights: Weights, experiences: int) -> Weights:
    """Replay and distillation, each worked out on its own, added."""
    kept, seen, teacher, old = kit.SlowReservoir(9), set[int](), weights, list[int]()
    for experience in range(experiences):
        write = one.fold("parts", experience, "memory")
        read = one.fold("parts", experience, "memory", "replay")
        for step in one.steps(experience):
            seen |= set(step.y.tolist())
            x_old, y_old, _ = one.take(torch.tensor(kept.read(read, step.clock, 4)).long())
            x, y = torch.cat([step.x, x_old]), torch.cat([step.y, y_old])
            grads = kit.gradient(kit.cross_entropy(kit.logits(weights, x), y, seen).mean(), weights)
            if old:
                # the term reads the incoming samples alone
                target = (kit.logits(teacher, step.x)[:, old] / 3).softmax(-1).detach()
                now = sorted(seen)
                everywhere = (kit.logits(weights, step.x)[:, now] / 3).log_softmax(-1)
                answer = everywhere[:, [now.index(c) for c in old]]
                term = 0.5 * 9 * -(target * answer).sum(-1).mean()
                more = kit.gradient(term, weights)
                grads = {name: g + more[name] for name, g in grads.items()}
            weights = kit.descended(weights, grads, LR)
            kept.offer_step(step, write, 4)
        teacher, old = weights, sorted(seen)
    return weights


def test_replay_and_lwf_is_the_sum_of_their_gradients(kit: Kit) -> None:
    learner = kit.population([REPLAY, LWF], lr=LR, epochs=2)
    start = [kit.weights(learner, r) for r in range(3)]
    kit.train(learner, 0, 1, 2)
    for r, one in enumerate(kit.ones(learner)):
        kit.assert_same(kit.weights(learner, r), slow(kit, one, start[r], 3))


@pytest.mark.parametrize("order", list(itertools.permutations([REPLAY, LWF, EWC]))[1:])
def test_the_order_of_terms_does_not_matter(kit: Kit, order: tuple[Part, ...]) -> None:
    learners = [kit.population(parts, lr=LR) for parts in ([REPLAY, LWF, EWC], order)]
    for learner in learners:
        kit.train(learner, 0, 1, 2)
    for r in range(3):
        kit.assert_same(kit.weights(learners[1], r), kit.weights(learners[0], r))
    losses = [learner.take_losses().value for learner in learners]
    torch.testing.assert_close(losses[1], losses[0])


def test_parts_with_equal_memories_keep_the_same_samples(kit: Kit) -> None:
    for policy in ("reservoir", "class-balanced", "per-class"):
        parts: list[Part] = [
            Replay(memory_size=10, policy=policy),
            Ncm(memory_size=10, policy=policy),
        ]
        learner = kit.population(parts)
        kit.train(learner, 0, 1)
        states = learner.carry.states
        assert torch.equal(states["replay"].ids, states["ncm"].ids)


def test_a_part_draws_the_same_beside_another(kit: Kit) -> None:
    alone, beside = kit.population(REPLAY), kit.population([LWF, REPLAY, Ncm(memory_size=30)])
    for learner in (alone, beside):
        kit.train(learner, 0, 1)
    plans = [learner._plan(2, range(3))[0].plans["replay"] for learner in (alone, beside)]
    assert torch.equal(plans[0].ids, plans[1].ids)
