"""Elastic weight consolidation against one gradient at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor

from streamsim import draws
from streamsim_strategies.ewc import Ewc
from streamsim_strategies.multihead import Multihead

if TYPE_CHECKING:
    from tests.strategies.conftest import Kit, One, Weights

LR = 0.05


def slow_fisher(
    kit: Kit, one: One, weights: Weights, ids: Tensor, seen: set[int], exact: bool
) -> Weights:
    """The diagonal Fisher, a mean over samples: E_y (d log p(y) / dw)^2, y by the model or true."""
    fisher = {name: torch.zeros_like(w) for name, w in weights.items()}
    for sample in ids:
        x, y, _ = one.take(sample[None])
        columns = sorted(seen)
        p = kit.logits(weights, x)[0, columns].softmax(0).detach()
        for place, label in enumerate(columns):
            if not exact and label != int(y):
                continue
            share = p[place] if exact else 1.0
            log_p = -kit.cross_entropy(kit.logits(weights, x), torch.tensor([label]), seen)[0]
            for name, grad in kit.gradient(log_p, weights).items():
                fisher[name] += share * grad.square() / len(ids)
    return fisher


def slow(
    kit: Kit, one: One, weights: Weights, part: Ewc, experiences: int
) -> tuple[Weights, Weights, list[float]]:
    """Weights, Fisher and losses of online EWC."""
    anchor: Weights = {}
    fisher = {name: torch.zeros_like(w) for name, w in weights.items()}
    seen, recorded = set[int](), []
    for experience in range(experiences):
        for step in one.steps(experience):
            seen |= set(step.y.tolist())
            loss = kit.cross_entropy(kit.logits(weights, step.x), step.y, seen).mean()
            for name, old in anchor.items():
                pull = fisher[name] * (weights[name] - old) ** 2
                loss = loss + part.strength / 2 * pull.sum()
            recorded.append(loss.item())
            weights = kit.descended(weights, kit.gradient(loss, weights), LR)
        anchor = {name: w.detach() for name, w in weights.items()}
        ids = one.replica.experiences[experience].train
        new = slow_fisher(kit, one, weights, ids, seen, part.fisher == "exact")
        fisher = {name: part.decay * f + new[name] for name, f in fisher.items()}
    return weights, fisher, recorded


@pytest.mark.parametrize("setting", ["class", "domain"])
@pytest.mark.parametrize("decay", [1.0, 0.4])
@pytest.mark.parametrize("fisher", ["exact", "empirical"])
def test_ewc_equals_a_slow_loop_in_fisher_loss_and_weights(
    kit: Kit, fisher: Any, decay: float, setting: Any
) -> None:
    part = Ewc(fisher=fisher, decay=decay, strength=8.0)
    learner = kit.population(part, kit.toy(setting=setting), lr=LR, epochs=2)
    start = [kit.weights(learner, r) for r in range(3)]
    kit.train(learner, 0, 1, 2)
    losses, state = learner.take_losses(), learner.carry.states["ewc"]
    for r, one in enumerate(kit.ones(learner)):
        weights, expected, recorded = slow(kit, one, start[r], part, 3)
        kit.assert_same({k: f[r] for k, f in state.fisher.items()}, expected)
        kit.assert_same(kit.weights(learner, r), weights)
        kit.assert_same({k: p[r] for k, p in state.params.items()}, weights)
        ours = losses.value[r][losses.active[r]].tolist()
        assert ours == pytest.approx(recorded, rel=1e-4, abs=1e-5)


def test_exact_and_empirical_fisher_differ(kit: Kit) -> None:
    found = []
    for fisher in ("exact", "empirical"):
        learner = kit.population(Ewc(fisher=fisher))
        kit.train(learner, 0)
        found.append(learner.carry.states["ewc"].fisher["head.weight"])
    assert ((found[0] - found[1]).abs() > 0.1 * found[0].abs()).any()


@pytest.mark.parametrize("fisher", ["exact", "empirical"])
def test_fisher_of_some_samples_is_that_of_the_drawn_ones(kit: Kit, fisher: Any) -> None:
    learner = kit.population(Ewc(fisher=fisher, num_samples=5))
    kit.train(learner, 0)
    for r, one in enumerate(kit.ones(learner)):
        ids = one.replica.experiences[0].train
        priority = draws.uniform(one.fold("parts", 0, "ewc"), torch.arange(len(ids)))
        chosen = ids[priority.argsort()[:5]]
        assert len(ids) > 5
        weights = kit.weights(learner, r)
        expected = slow_fisher(kit, one, weights, chosen, {0, 1}, fisher == "exact")
        state = learner.carry.states["ewc"]
        kit.assert_same({k: f[r] for k, f in state.fisher.items()}, expected)


def test_unseen_classes_have_no_fisher(kit: Kit) -> None:
    learner = kit.population(Ewc())
    kit.train(learner, 0)
    fisher = learner.carry.states["ewc"].fisher["head.bias"]
    assert ((fisher > 0) == learner.carry.seen).all()


def test_heads_of_other_tasks_have_no_fisher_and_stay(kit: Kit) -> None:
    learner = kit.population([Multihead(), Ewc(strength=20.0)], kit.toy(setting="task"), lr=LR)
    kit.train(learner, 0)
    fisher = learner.carry.states["ewc"].fisher
    assert not fisher["head.weight"].any()
    assert fisher["multihead.weight"].flatten(2).any(-1).tolist() == [[True, False, False]] * 3
    first = learner.parameters()["multihead.weight"][:, 0]
    kit.train(learner, 1)
    assert torch.equal(learner.parameters()["multihead.weight"][:, 0], first)
    fisher = learner.carry.states["ewc"].fisher
    assert fisher["multihead.weight"].flatten(2).any(-1).tolist() == [[True, True, False]] * 3


def test_a_stronger_pull_stays_nearer(kit: Kit) -> None:
    moved = []
    for strength in (0.0, 20.0, 200.0):
        learner = kit.population(Ewc(strength=strength), lr=0.02, epochs=5)
        kit.train(learner, 0)
        state = learner.carry.states["ewc"]
        kit.train(learner, 1)
        moved.append(
            sum(
                float((state.fisher[k] * (p - state.params[k]) ** 2).sum())
                for k, p in learner.parameters().items()
            )
        )
    assert moved[0] > 2 * moved[1] > 4 * moved[2]


def test_ewc_needs_boundaries(kit: Kit) -> None:
    with pytest.raises(ValueError, match="'ewc' needs boundaries"):
        kit.population(Ewc(), kit.toy(boundaries=False))
