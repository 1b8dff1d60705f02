"""Multi-head networks against a loop with one weight matrix a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from streamsim.strategy import Part
from streamsim_strategies.baselines import Cumulative, Joint
from streamsim_strategies.multihead import Multihead

if TYPE_CHECKING:
    from tests.strategies.conftest import Kit, One, Weights

LR = 0.1


def head(kit: Kit, weights: Weights, x: Tensor, task: int) -> Tensor:
    weight, bias = weights["multihead.weight"][task], weights["multihead.bias"][task]
    return kit.features(weights, x) @ weight.T + bias


def classes_of(one: One, experience: int) -> set[int]:
    return set(one.take(one.replica.experiences[experience].train)[1].tolist())


def slow(kit: Kit, one: One, weights: Weights, experiences: int) -> Weights:
    seen: set[int] = set()
    for experience in range(experiences):
        for step in one.steps(experience):
            seen |= set(step.y.tolist())
            assert len(set(step.task.tolist())) == 1
            answers = head(kit, weights, step.x, int(step.task[0]))
            columns = classes_of(one, experience) & seen
            loss = kit.cross_entropy(answers, step.y, columns).mean()
            weights = kit.descended(weights, kit.gradient(loss, weights), LR)
    return weights


@pytest.mark.parametrize("backwards", [False, True], ids=["labels in order", "backwards"])
def test_multihead_training_equals_a_slow_loop(kit: Kit, backwards: bool) -> None:
    toy = kit.toy(setting="task", backwards=backwards)
    learner = kit.population(Multihead(), toy, lr=LR, epochs=2)
    start = [kit.weights(learner, r) for r in range(3)]
    kit.train(learner, 0, 1, 2)
    for r, one in enumerate(kit.ones(learner)):
        kit.assert_same(kit.weights(learner, r), slow(kit, one, start[r], 3))


def guessed(kit: Kit, one: One, weights: Weights, experience: int) -> int:
    """Correct answers of the head of each test sample's label, among the task's classes."""
    correct, columns = 0, sorted(classes_of(one, experience))
    for x, y, task in zip(*one.take(one.replica.experiences[experience].test), strict=True):
        scores = head(kit, weights, x[None], int(task))[0, columns]
        correct += columns[int(scores.argmax())] == int(y)
    return correct


@pytest.mark.parametrize("backwards", [False, True], ids=["labels in order", "backwards"])
def test_a_label_chooses_the_head_that_answers_among_the_tasks_classes(
    kit: Kit, backwards: bool
) -> None:
    toy = kit.toy(setting="task", backwards=backwards)
    learner = kit.population(Multihead(), toy, lr=LR, epochs=3)
    kit.train(learner, 0, 1, 2)
    correct = learner.correct([0, 1, 2], 2)
    for r, one in enumerate(kit.ones(learner)):
        expected = [guessed(kit, one, kit.weights(learner, r), e) for e in range(3)]
        assert correct[r].tolist() == expected


def test_before_training_every_head_answers_among_all_classes(kit: Kit) -> None:
    learner = kit.population(Multihead(), kit.toy(setting="task"))
    correct = learner.correct([0, 1, 2], -1)
    for r, one in enumerate(kit.ones(learner)):
        for e, experience in enumerate(one.replica.experiences):
            x, y, _ = one.take(experience.test)
            answers = head(kit, kit.weights(learner, r), x, e).argmax(-1)
            assert correct[r, e] == (answers == y).sum()
    assert correct.any()


@pytest.mark.parametrize("part", [Cumulative(), Joint()], ids=lambda part: part.name)
def test_heads_answer_among_their_own_classes_where_experiences_are_merged(
    kit: Kit, part: Part
) -> None:
    toy = kit.toy(setting="task", smallest=20, largest=20)
    learner = kit.population([Multihead(), part], toy, lr=LR)
    kit.train(learner, *([2] if isinstance(part, Joint) else [0, 1, 2]))
    masks = learner.carry.states["multihead"]
    assert (
        masks.int().tolist() == [[[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]]] * 3
    )
    correct = learner.correct([0, 1, 2], 2)
    for r, one in enumerate(kit.ones(learner)):
        expected = [guessed(kit, one, kit.weights(learner, r), e) for e in range(3)]
        assert correct[r].tolist() == expected


def test_gradients_reach_the_head_of_the_task_at_hand_only(kit: Kit) -> None:
    learner = kit.population(Multihead(), kit.toy(setting="task"))
    for experience in range(3):
        before = learner.parameters()
        kit.train(learner, experience)
        after = learner.parameters()
        moved = (before["multihead.weight"] != after["multihead.weight"]).any(-1)
        rows = range(2 * experience, 2 * experience + 2)
        for task in range(3):
            expected = [task == experience and row in rows for row in range(6)]
            assert moved[:, task].tolist() == [expected] * 3
        assert (before["stages.0.1.weight"] != after["stages.0.1.weight"]).flatten(1).all()
        assert torch.equal(before["head.weight"], after["head.weight"])


def test_every_head_begins_as_the_models_own(kit: Kit) -> None:
    params = kit.population(Multihead(), kit.toy(setting="task")).parameters()
    for task in range(3):
        assert torch.equal(params["multihead.weight"][:, task], params["head.weight"])
        assert torch.equal(params["multihead.bias"][:, task], params["head.bias"])


def test_multihead_needs_task_labels(kit: Kit) -> None:
    with pytest.raises(ValueError, match="'multihead' needs task labels"):
        kit.population(Multihead())
