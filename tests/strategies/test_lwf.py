"""Learning without forgetting against the formula, term by term."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor

from streamsim_strategies.baselines import Naive
from streamsim_strategies.lwf import Lwf
from streamsim_strategies.multihead import Multihead

if TYPE_CHECKING:
    from tests.strategies.conftest import Kit, One, Weights

LR = 0.05


def distillation(
    teacher_BC: Tensor, student_BC: Tensor, old: set[int], seen: set[int], temperature: float
) -> Tensor:
    """T^2 times the mean cross-entropy of softened answers, sample by sample: the teacher's over
    the old classes, the student's over all seen by now."""
    theirs, ours = sorted(old), sorted(seen)
    losses = []
    for before, now in zip(teacher_BC.detach(), student_BC, strict=True):
        target = torch.exp(before[theirs] / temperature)
        target = target / target.sum()
        answer = torch.exp(now[theirs] / temperature) / torch.exp(now[ours] / temperature).sum()
        losses.append(-(target * answer.log()).sum())
    return temperature**2 * torch.stack(losses).mean()


def slow(
    kit: Kit, one: One, weights: Weights, part: Lwf, experiences: int
) -> tuple[Weights, list[float]]:
    teacher, old, seen = weights, set[int](), set[int]()
    recorded = []
    for experience in range(experiences):
        for step in one.steps(experience):
            seen |= set(step.y.tolist())
            answers = kit.logits(weights, step.x)
            loss = kit.cross_entropy(answers, step.y, seen).mean()
            if old:
                term = distillation(
                    kit.logits(teacher, step.x), answers, old, seen, part.temperature
                )
                loss = loss + part.alpha * (experience if part.growing else 1) * term
            recorded.append(loss.item())
            weights = kit.descended(weights, kit.gradient(loss, weights), LR)
        teacher, old = weights, set(seen)
    return weights, recorded


@pytest.mark.parametrize("setting", ["class", "domain"])
@pytest.mark.parametrize(
    "part",
    [Lwf(), Lwf(alpha=0.3, temperature=4.0), Lwf(alpha=0.5, temperature=1.0, growing=True)],
    ids=["default", "soft", "growing"],
)
def test_lwf_equals_a_slow_loop_in_loss_and_weights(kit: Kit, part: Lwf, setting: Any) -> None:
    learner = kit.population(part, kit.toy(setting=setting), lr=LR, epochs=2)
    start = [kit.weights(learner, r) for r in range(3)]
    kit.train(learner, 0, 1, 2)
    losses = learner.take_losses()
    for r, one in enumerate(kit.ones(learner)):
        weights, recorded = slow(kit, one, start[r], part, 3)
        kit.assert_same(kit.weights(learner, r), weights)
        ours = losses.value[r][losses.active[r]].tolist()
        assert ours == pytest.approx(recorded, rel=1e-4, abs=1e-5)


def test_the_first_experience_is_naive(kit: Kit) -> None:
    naive, lwf = kit.population(Naive(), epochs=3), kit.population(Lwf(alpha=50.0), epochs=3)
    for learner in (naive, lwf):
        kit.train(learner, 0)
    for r in range(3):
        kit.assert_same(kit.weights(lwf, r), kit.weights(naive, r))
    torch.testing.assert_close(lwf.take_losses().value, naive.take_losses().value)


def test_without_new_classes_the_term_is_least_where_the_model_answers_like_its_teacher(
    kit: Kit,
) -> None:
    learner = kit.population(
        Lwf(temperature=3.0),
        kit.toy(setting="domain"),
        seeds=(0,),
        lr=LR,
        batch_size=64,
        epochs=4,
    )
    kit.train(learner, 0)
    taught = learner.carry
    learner.begin(1)
    learner.train(1, range(1))
    (one,) = kit.ones(learner, (0,))
    (step,) = one.steps(1)[:1]
    weights = kit.leaves(taught.params)
    seen = set(taught.seen.nonzero().flatten().tolist())
    answers = kit.logits(weights, step.x)
    term = distillation(kit.logits(weights, step.x), answers, seen, seen, 3.0)
    for grad in kit.gradient(term, weights).values():
        torch.testing.assert_close(grad, torch.zeros_like(grad), atol=1e-5, rtol=0)
    # so that the first step after a boundary is the naive one
    base = kit.cross_entropy(kit.logits(weights, step.x), step.y, seen).mean()
    naive = kit.descended(weights, kit.gradient(base, weights), LR)
    kit.assert_same(kit.weights(learner, 0), naive)


def test_the_teacher_is_the_model_at_the_last_boundary(kit: Kit) -> None:
    learner = kit.population(Lwf())
    for experience in range(2):
        kit.train(learner, experience)
        teacher = learner.carry.states["lwf"]
        for name, weight in learner.carry.params.items():
            assert torch.equal(teacher.params[name], weight)
        expected = [True] * 2 * (experience + 1) + [False] * 2 * (2 - experience)
        assert teacher.classes.tolist() == [expected] * 3
        assert teacher.experiences.tolist() == [experience + 1] * 3


# -- with task labels ---------------------------------------------------------------------------
def head(kit: Kit, weights: Weights, x: Tensor, task: int) -> Tensor:
    """Answers of one task's head."""
    weight, bias = weights["multihead.weight"][task], weights["multihead.bias"][task]
    return kit.features(weights, x) @ weight.T + bias


def slow_with_heads(
    kit: Kit, one: One, weights: Weights, part: Lwf, experiences: int
) -> tuple[Weights, list[float]]:
    """The answers of every past task's head are kept; the mean of their terms, or the sum."""
    teacher, old, seen = weights, set[int](), set[int]()
    past: list[tuple[int, set[int]]] = []  # task labels and classes
    recorded = []
    for experience in range(experiences):
        task = int(one.steps(experience)[0].task[0])
        classes = {2 * experience, 2 * experience + 1}
        for step in one.steps(experience):
            seen |= set(step.y.tolist())
            answers = head(kit, weights, step.x, task)
            loss = kit.cross_entropy(answers, step.y, classes & seen).mean()
            terms = [
                distillation(
                    head(kit, teacher, step.x, earlier),
                    head(kit, weights, step.x, earlier),
                    theirs & old,
                    theirs & seen,
                    part.temperature,
                )
                for earlier, theirs in past
            ]
            if terms:
                sum_or_mean = 1 if part.growing else 1 / len(terms)
                loss = loss + part.alpha * sum_or_mean * torch.stack(terms).sum()
            recorded.append(loss.item())
            weights = kit.descended(weights, kit.gradient(loss, weights), LR)
        teacher, old = weights, set(seen)
        past.append((task, classes))
    return weights, recorded


@pytest.mark.parametrize("backwards", [False, True], ids=["labels in order", "backwards"])
@pytest.mark.parametrize("growing", [False, True], ids=["mean", "sum"])
def test_with_task_labels_every_past_head_keeps_its_answers(
    kit: Kit, growing: bool, backwards: bool
) -> None:
    part = Lwf(alpha=0.7, temperature=2.5, growing=growing)
    toy = kit.toy(setting="task", backwards=backwards)
    learner = kit.population([Multihead(), part], toy, lr=LR, epochs=2)
    start = [kit.weights(learner, r) for r in range(3)]
    kit.train(learner, 0, 1, 2)
    losses = learner.take_losses()
    for r, one in enumerate(kit.ones(learner)):
        weights, recorded = slow_with_heads(kit, one, start[r], part, 3)
        ours = losses.value[r][losses.active[r]].tolist()
        assert ours == pytest.approx(recorded, rel=1e-4, abs=1e-5)
        kit.assert_same(kit.weights(learner, r), weights)


@pytest.mark.parametrize("growing", [False, True])
def test_with_task_labels_and_one_head_the_term_is_that_without_labels(
    kit: Kit, growing: bool
) -> None:
    part = Lwf(alpha=0.7, growing=growing)
    learner = kit.population(part, kit.toy(setting="task"), lr=LR)
    start = [kit.weights(learner, r) for r in range(3)]
    kit.train(learner, 0, 1, 2)
    for r, one in enumerate(kit.ones(learner)):
        kit.assert_same(kit.weights(learner, r), slow(kit, one, start[r], part, 3)[0])


def test_lwf_needs_boundaries(kit: Kit) -> None:
    with pytest.raises(ValueError, match="'lwf' needs boundaries"):
        kit.population(Lwf(), kit.toy(boundaries=False))
