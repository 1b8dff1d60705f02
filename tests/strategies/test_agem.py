"""A-GEM's projection against the formula, and its training against a slow loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from streamsim.strategy import StepContext
from streamsim_strategies.agem import Agem
from streamsim_strategies.baselines import Naive
from streamsim_strategies.memory import Drawn

if TYPE_CHECKING:
    from tests.strategies.conftest import Kit, One, Weights

LR = 0.1


def dot(a: Weights, b: Weights) -> float:
    return sum(float((a[k].double() * b[k].double()).sum()) for k in a)


def projected(grads: Weights, reference: Weights) -> Weights:
    """Chaudhry et al. 2019, eq. 11."""
    conflict = dot(grads, reference)
    if conflict >= 0:
        return grads
    factor = conflict / dot(reference, reference)
    return {k: g - factor * reference[k] for k, g in grads.items()}


def slow(
    kit: Kit, one: One, weights: Weights, part: Agem, experiences: int
) -> tuple[Weights, list[bool]]:
    """Weights, and whether each step's gradient was in conflict with its memory."""
    kept, seen, batch = kit.SlowReservoir(part.memory_size), set[int](), one.train.batch_size
    num, conflicts = part.batch_size or batch, []
    for experience in range(experiences):
        write = one.fold("parts", experience, "memory")
        read = one.fold("parts", experience, "memory", "agem")
        for step in one.steps(experience):
            seen |= set(step.y.tolist())
            loss = kit.cross_entropy(kit.logits(weights, step.x), step.y, seen).mean()
            grads = kit.gradient(loss, weights)
            old = kept.read(read, step.clock, num)
            if old:
                x, y, _ = one.take(old)
                past = kit.cross_entropy(kit.logits(weights, x), y, seen).mean()
                reference = kit.gradient(past, weights)
                conflicts.append(dot(grads, reference) < 0)
                grads = projected(grads, reference)
            weights = kit.descended(weights, grads, LR)
            kept.offer_step(step, write, batch)
    return weights, conflicts


@pytest.mark.parametrize("num", [None, 3])
def test_agem_equals_a_slow_loop(kit: Kit, num: int | None) -> None:
    part = Agem(memory_size=8, batch_size=num)
    learner = kit.population(part, lr=LR, epochs=2)
    start = [kit.weights(learner, r) for r in range(3)]
    kit.train(learner, 0, 1, 2, stretch=4)
    for r, one in enumerate(kit.ones(learner)):
        weights, conflicts = slow(kit, one, start[r], part, 3)
        assert {True, False} == set(conflicts)
        kit.assert_same(kit.weights(learner, r), weights)


def test_agem_with_a_memory_of_past_experiences_first_trains_naively(kit: Kit) -> None:
    agem = kit.population(Agem(memory_size=12, policy="class-balanced"))
    naive = kit.population(Naive())
    for learner in (agem, naive):
        kit.train(learner, 0)
    for r in range(3):
        kit.assert_same(kit.weights(agem, r), kit.weights(naive, r))


@pytest.fixture(scope="module")
def step(kit: Kit) -> StepContext:
    """A step that reads a memory of four samples."""
    learner = kit.population(Agem(), seeds=(0,))
    kit.train(learner, 0)
    ctx = kit.context(learner, 1)
    (one,) = kit.ones(learner, (0,))
    remembered = one.replica.experiences[0].train[:4]
    batch = ctx.take(one.replica.experiences[1].train[:4])
    logits = ctx.forward(ctx.params, batch)
    plan = Drawn(remembered, torch.ones(4))
    return StepContext(**vars(ctx), batch=batch, num_incoming=4, logits=logits, plan=plan)


def reference_of(kit: Kit, step: StepContext) -> Weights:
    weights = kit.leaves(step.params)
    batch = step.take(step.plan.ids)
    return kit.gradient(
        kit.cross_entropy(kit.logits(weights, batch.x), batch.y, {0, 1}).mean(), weights
    )


def drawn_gradient(step: StepContext, seed: int, scale: float) -> Weights:
    generator = torch.Generator().manual_seed(seed)
    return {k: scale * torch.randn(p.shape, generator=generator) for k, p in step.params.items()}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), scale=st.sampled_from([1e-3, 1.0, 1e3]))
def test_a_projected_gradient_equals_the_formula_and_no_longer_conflicts(
    kit: Kit, step: StepContext, seed: int, scale: float
) -> None:
    grads, reference = drawn_gradient(step, seed, scale), reference_of(kit, step)
    after: Any = Agem().gradients(step, None, grads)  # type: ignore[arg-type]
    expected = projected(grads, reference)
    for name, gradient in expected.items():
        torch.testing.assert_close(after[name], gradient, rtol=1e-5, atol=1e-5 * scale)
    norms = (dot(after, after) * dot(reference, reference)) ** 0.5
    assert dot(after, reference) >= -1e-5 * norms
    if dot(grads, reference) > 0:
        assert all(torch.equal(after[name], gradient) for name, gradient in grads.items())
    else:
        assert abs(dot(after, reference)) <= 1e-5 * norms


def test_random_gradients_of_both_kinds_were_tried(kit: Kit, step: StepContext) -> None:
    reference = reference_of(kit, step)
    signs = {dot(drawn_gradient(step, seed, 1.0), reference) > 0 for seed in range(20)}
    assert signs == {True, False}


def test_an_opposite_gradient_projects_to_nothing(kit: Kit, step: StepContext) -> None:
    reference = reference_of(kit, step)
    opposite = {k: -3 * g for k, g in reference.items()}
    after = Agem().gradients(step, None, opposite)  # type: ignore[arg-type]
    for name, gradient in after.items():
        size = reference[name].abs().max()
        assert gradient.abs().max() <= 1e-5 * size.clamp_min(1e-3), name


def test_an_empty_memory_changes_nothing(kit: Kit, step: StepContext) -> None:
    empty = StepContext(**{**vars(step), "plan": step.plan._replace(weight=torch.zeros(4))})
    grads = drawn_gradient(step, 1, 1.0)
    after: dict[str, Tensor] = dict(Agem().gradients(empty, None, grads))  # type: ignore[arg-type]
    assert all(torch.equal(after[name], gradient) for name, gradient in grads.items())
