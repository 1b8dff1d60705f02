"""Naive, cumulative and joint training against a hand-written loop with torch.optim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor

from streamsim.population import Population
from streamsim_strategies.baselines import Cumulative, Joint, Naive

if TYPE_CHECKING:
    from tests.strategies.conftest import Kit, One, Weights

OPTIMIZERS: dict[str, tuple[dict[str, Any], type[torch.optim.Optimizer], dict[str, Any]]] = {
    "sgd": ({"lr": 0.1}, torch.optim.SGD, {"lr": 0.1}),
    "momentum": (
        {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01},
        torch.optim.SGD,
        {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01},
    ),
    "nesterov": (
        {"lr": 0.1, "momentum": 0.8, "nesterov": True},
        torch.optim.SGD,
        {"lr": 0.1, "momentum": 0.8, "nesterov": True},
    ),
    "adam": (
        {"optimizer": "adam", "lr": 0.01, "weight_decay": 0.01},
        torch.optim.Adam,
        {"lr": 0.01, "weight_decay": 0.01},
    ),
    "adamw": (
        {"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.1},
        torch.optim.AdamW,
        {"lr": 0.01, "weight_decay": 0.1},
    ),
}
SCHEDULES: dict[str, dict[str, Any]] = {
    "two epochs": {"epochs": 2, "batch_size": 4},
    "iterations": {"iterations": 9, "batch_size": 4},
}


def slow(
    kit: Kit,
    one: One,
    weights: Weights,
    optimizer: torch.optim.Optimizer,
    data: list[tuple[int, Tensor]],
) -> list[float]:
    """Train on the ids of each (experience, ids); the loss of every step."""
    seen: set[int] = set()
    losses = []
    for experience, ids in data:
        for step in one.steps(experience, ids):
            seen |= set(step.y.tolist())
            loss = kit.cross_entropy(kit.logits(weights, step.x), step.y, seen).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(loss.item())
    return losses


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_naive_training_equals_torch_optim(kit: Kit, optimizer: str, schedule: str) -> None:
    options, rule, arguments = OPTIMIZERS[optimizer]
    learner = kit.population(Naive(), **options, **SCHEDULES[schedule])
    start = [kit.weights(learner, r) for r in range(3)]
    kit.train(learner, 0, 1)
    recorded = learner.take_losses()
    for r, one in enumerate(kit.ones(learner)):
        data = [(e, one.replica.experiences[e].train) for e in range(2)]
        losses = slow(kit, one, start[r], rule(start[r].values(), **arguments), data)
        kit.assert_same(kit.weights(learner, r), start[r])
        ours = recorded.value[r][recorded.active[r]].tolist()
        assert ours == pytest.approx(losses, rel=1e-4, abs=1e-5)


def test_the_loss_is_a_mean_over_classes_that_have_arrived_so_far(kit: Kit) -> None:
    learner = kit.population(Naive(), seeds=(4,), batch_size=1, lr=0.5)
    start = kit.weights(learner, 0)
    learner.train(0, range(1))
    # one class has come, so it is certain: nothing to learn, and other columns stay untouched
    assert learner.take_losses().value.tolist() == [[0.0]]
    kit.assert_same(kit.weights(learner, 0), start)
    assert learner.carry.seen.sum() == 1


def test_classes_that_have_not_arrived_keep_their_output_weights(kit: Kit) -> None:
    learner = kit.population(Naive())
    before = learner.parameters()["head.weight"]
    kit.train(learner, 0)
    moved = (learner.parameters()["head.weight"] != before).any(-1)
    assert moved.tolist() == [[True] * 2 + [False] * 4] * 3


def test_predictions_are_among_classes_that_have_arrived_or_all_before_any_has(kit: Kit) -> None:
    learner = kit.population(Naive())
    for after, columns in ((-1, [0, 1, 2, 3, 4, 5]), (0, [0, 1]), (1, [0, 1, 2, 3])):
        if after >= 0:
            kit.train(learner, after)
        # make one class that comes last the favourite of every sample
        bias = learner.carry.params["head.bias"].clone()
        bias[:, 5] = 50.0
        learner.carry = learner.carry._replace(params={**learner.carry.params, "head.bias": bias})
        correct = learner.correct([0, 1, 2], after)
        for r, one in enumerate(kit.ones(learner)):
            for e, experience in enumerate(one.replica.experiences):
                x, y, _ = one.take(experience.test)
                scores = kit.logits(kit.weights(learner, r), x)[:, columns]
                assert correct[r, e] == (torch.tensor(columns)[scores.argmax(-1)] == y).sum()
        assert correct.any()


def trained_on(kit: Kit, learner: Population, experience: int) -> list[list[int]]:
    """Ids that one epoch at an experience visits, sorted, of each replica."""
    inputs = learner._plan(experience, range(learner.num_steps(experience))).inputs
    real = inputs.weight > 0
    return [sorted(inputs.ids[:, r][real[:, r]].tolist()) for r in range(3)]


@pytest.mark.parametrize("experience", [0, 1, 2])
def test_naive_visits_the_samples_of_the_experience_once_an_epoch(
    kit: Kit, experience: int
) -> None:
    learner = kit.population(Naive())
    expected = [one.replica.experiences[experience].train for one in kit.ones(learner)]
    assert trained_on(kit, learner, experience) == [sorted(ids.tolist()) for ids in expected]


@pytest.mark.parametrize("experience", [0, 1, 2])
def test_cumulative_visits_the_samples_of_all_experiences_so_far(kit: Kit, experience: int) -> None:
    learner = kit.population(Cumulative())
    for ids, one in zip(trained_on(kit, learner, experience), kit.ones(learner), strict=True):
        past = [e.train for e in one.replica.experiences[: experience + 1]]
        assert ids == sorted(torch.cat(past).tolist())


def test_cumulative_training_equals_torch_optim_on_merged_experiences(kit: Kit) -> None:
    learner = kit.population(Cumulative(), lr=0.1)
    start = [kit.weights(learner, r) for r in range(3)]
    kit.train(learner, 0, 1)
    for r, one in enumerate(kit.ones(learner)):
        first, second = (e.train for e in one.replica.experiences[:2])
        data = [(0, first), (1, torch.cat([first, second]))]
        slow(kit, one, start[r], torch.optim.SGD(start[r].values(), lr=0.1), data)
        kit.assert_same(kit.weights(learner, r), start[r])


def test_joint_visits_everything_at_the_last_experience_only(kit: Kit) -> None:
    learner = kit.population(Joint())
    assert [learner.num_steps(e) for e in range(2)] == [0, 0]
    for ids, one in zip(trained_on(kit, learner, 2), kit.ones(learner), strict=True):
        assert ids == sorted(torch.cat([e.train for e in one.replica.experiences]).tolist())


def test_joint_training_has_the_iterations_of_all_experiences(kit: Kit) -> None:
    learner = kit.population(Joint(), iterations=7)
    assert [learner.num_steps(e) for e in range(3)] == [0, 0, 21]


def test_joint_training_equals_torch_optim_on_all_samples(kit: Kit) -> None:
    learner = kit.population(Joint(), lr=0.1, epochs=2)
    start = [kit.weights(learner, r) for r in range(3)]
    kit.train(learner, 2)
    for r, one in enumerate(kit.ones(learner)):
        everything = torch.cat([e.train for e in one.replica.experiences])
        slow(kit, one, start[r], torch.optim.SGD(start[r].values(), lr=0.1), [(2, everything)])
        kit.assert_same(kit.weights(learner, r), start[r])


def test_two_choices_of_data_are_refused(kit: Kit) -> None:
    with pytest.raises(ValueError, match="cumulative and joint each choose the data"):
        kit.population([Cumulative(), Joint()])
