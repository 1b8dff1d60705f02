"""MAML against plain autograd loops in float64, on the same episodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor
from torch.func import grad

from streamsim import draws
from streamsim.strategy import Setup
from streamsim.transference import TransferenceOptions
from streamsim_strategies.maml import Episode, MamlInit
from streamsim_strategies.multihead import Multihead

if TYPE_CHECKING:
    from tests.strategies.conftest import Kit, One, Weights


@pytest.fixture(scope="module")
def one(kit: Kit) -> One:
    learner = kit.population(MamlInit(iterations=1), kit.toy(meta_classes=5), seeds=(0,))
    return kit.ones(learner, (0,))[0]


@pytest.fixture(scope="module")
def setup(kit: Kit, one: One) -> Setup:
    """What the part is given before the first sample."""
    learner = kit.population(MamlInit(iterations=1), kit.toy(meta_classes=5), seeds=(0,))
    return Setup(
        spec=one.stream.spec,
        network=learner.program.network,
        take=lambda ids: learner.program.take(learner.world, ids),
        key=one.fold("parts"),
        batch_size=4,
        meta=one.replica.meta,
    )


@pytest.fixture(scope="module")
def start(kit: Kit) -> Weights:
    """Initial weights before meta-learning."""
    from streamsim_strategies.baselines import Naive

    learner = kit.population(Naive(), kit.toy(meta_classes=5), seeds=(0,))
    return kit.weights(learner, 0)


def episode_of(part: MamlInit, one: One, iteration: int, number: int) -> Episode:
    return drawn_episode(part, one, draws.fold(one.fold("parts", "maml-init", iteration), number))


def drawn_episode(part: MamlInit, one: One, key: Tensor) -> Episode:
    """The episode of a draw, class by class."""
    assert one.replica.meta is not None
    num_classes = one.stream.spec.num_classes
    classes = draws.permutation(draws.fold(key, "classes"), len(one.replica.meta))[: part.ways]
    units = draws.permutation(draws.fold(key, "units"), num_classes)[: part.ways]
    support, query, support_y, query_y = [], [], [], []
    for way in range(part.ways):
        samples = one.replica.meta[classes[way]]
        samples = samples[draws.permutation(draws.fold(key, "samples", way), len(samples))]
        support.append(samples[: part.shots])
        query.append(samples[part.shots : part.shots + part.queries])
        support_y += [int(units[way])] * part.shots
        query_y += [int(units[way])] * part.queries
    in_play = torch.tensor([c in units.tolist() for c in range(num_classes)])
    ids = torch.cat(support), torch.cat(query)
    return Episode(*ids, torch.tensor(support_y), torch.tensor(query_y), in_play)


def loss_on(kit: Kit, one: One, weights: Weights, ids: Tensor, y: Tensor, units: Tensor) -> Tensor:
    classes = units.nonzero().flatten().tolist()
    return kit.cross_entropy(kit.logits(weights, one.take(ids)[0].double()), y, classes).mean()


def slow_query_loss(kit: Kit, one: One, weights: Weights, part: MamlInit, each: Episode) -> Tensor:
    """Finn et al. 2017, alg. 2, lines 5 to 8; the graph of the inner steps is kept."""
    adapted = dict(weights)
    for _ in range(part.inner_steps):
        loss = loss_on(kit, one, adapted, each.support, each.support_y, each.units)
        grads = torch.autograd.grad(loss, list(adapted.values()), create_graph=True)
        adapted = {
            name: w - part.inner_lr * g for (name, w), g in zip(adapted.items(), grads, strict=True)
        }
    return loss_on(kit, one, adapted, each.query, each.query_y, each.units)


def slow_first_order(
    kit: Kit, one: One, weights: Weights, part: MamlInit, episodes: list[Episode]
) -> Weights:
    """FOMAML: the query gradient at the adapted weights, as if these were the initial ones."""
    mean = {name: torch.zeros_like(w) for name, w in weights.items()}
    for each in episodes:
        adapted = kit.leaves(weights)
        for _ in range(part.inner_steps):
            loss = loss_on(kit, one, adapted, each.support, each.support_y, each.units)
            adapted = kit.descended(adapted, kit.gradient(loss, adapted), part.inner_lr)
        query = loss_on(kit, one, adapted, each.query, each.query_y, each.units)
        for name, g in kit.gradient(query, adapted).items():
            mean[name] += g / len(episodes)
    return mean


def slow_gradient(
    kit: Kit, one: One, weights: Weights, part: MamlInit, episodes: list[Episode]
) -> Weights:
    if part.order == "first":
        return slow_first_order(kit, one, weights, part, episodes)
    losses = [slow_query_loss(kit, one, weights, part, each) for each in episodes]
    return kit.gradient(torch.stack(losses).mean(), weights)


def stacked(episodes: list[Episode]) -> Episode:
    return Episode(*(torch.stack(fields) for fields in zip(*episodes, strict=True)))


def our_gradient(
    part: MamlInit, setup: Setup, weights: Weights, episodes: list[Episode]
) -> dict[str, Tensor]:
    def outer(weights: Weights) -> Tensor:
        query_loss = torch.func.vmap(lambda each: part._query_loss(setup, weights, each))
        losses: Tensor = query_loss(stacked(episodes))
        return losses.mean()

    found: dict[str, Tensor] = grad(outer)({name: w.detach() for name, w in weights.items()})
    return found


@pytest.mark.parametrize("inner_steps", [1, 3])
@pytest.mark.parametrize("order", ["second", "first"])
def test_the_meta_gradient_equals_plain_autograd_in_float64(
    kit: Kit, one: One, setup: Setup, start: Weights, order: Any, inner_steps: int
) -> None:
    part = MamlInit(order=order, inner_steps=inner_steps, inner_lr=0.3, shots=4, queries=6)
    weights = kit.leaves({name: w.double() for name, w in start.items()})
    episodes = [episode_of(part, one, 0, number) for number in range(3)]
    expected = slow_gradient(kit, one, weights, part, episodes)
    ours = our_gradient(part, setup, weights, episodes)
    for name, gradient in expected.items():
        assert gradient.dtype == torch.float64
        torch.testing.assert_close(ours[name], gradient, rtol=0, atol=1e-8)


def test_first_order_differs_from_second_order(
    kit: Kit, one: One, setup: Setup, start: Weights
) -> None:
    weights = kit.leaves({name: w.double() for name, w in start.items()})
    first, second = MamlInit(order="first", inner_lr=0.3), MamlInit(inner_lr=0.3)
    episodes = [episode_of(second, one, 0, number) for number in range(3)]
    ours = [our_gradient(part, setup, weights, episodes) for part in (first, second)]
    for name, gradient in ours[0].items():
        assert (gradient - ours[1][name]).abs().max() > 1e-3, name


def test_episodes_are_those_drawn_class_by_class(one: One, setup: Setup) -> None:
    part = MamlInit(ways=4, shots=3, queries=7)
    assert setup.meta is not None
    for number in range(5):
        key = draws.fold(draws.fold(setup.key, "maml-init", 2), number)
        ours = part._episode(setup, setup.meta, key)
        for field, expected in zip(ours, episode_of(part, one, 2, number), strict=True):
            assert torch.equal(field, expected)


def test_support_and_query_are_disjoint_samples_of_the_same_classes(setup: Setup) -> None:
    part = MamlInit(ways=4, shots=10, queries=14)
    assert setup.meta is not None
    classes_met, units_met = set(), set()
    for number in range(40):
        episode = part._episode(setup, setup.meta, draws.fold(setup.key, number))
        support, query = episode.support.tolist(), episode.query.tolist()
        assert len({*support, *query}) == 4 * 24
        class_of = {int(i): c for c, row in enumerate(setup.meta) for i in row}
        unit_of = dict(zip([class_of[i] for i in support], episode.support_y.tolist(), strict=True))
        assert len(set(unit_of.values())) == len(unit_of) == 4
        assert [unit_of[class_of[i]] for i in support] == episode.support_y.tolist()
        assert [unit_of[class_of[i]] for i in query] == episode.query_y.tolist()
        assert set(episode.units.nonzero().flatten().tolist()) == set(unit_of.values())
        classes_met |= set(unit_of)
        units_met |= set(unit_of.values())
    assert classes_met == set(range(5))
    assert units_met == set(range(6))


@pytest.mark.parametrize("order", ["second", "first"])
def test_meta_training_equals_a_loop_with_torch_adam(
    kit: Kit, one: One, start: Weights, order: Any
) -> None:
    part = MamlInit(order=order, iterations=4, meta_batch=2, inner_steps=2, inner_lr=0.3)
    learner = kit.population(part, kit.toy(meta_classes=5))
    weights = kit.leaves({name: w.double() for name, w in start.items()})
    optimizer = torch.optim.Adam(weights.values(), lr=part.meta_lr)
    for iteration in range(4):
        episodes = [episode_of(part, one, iteration, number) for number in range(2)]
        for name, gradient in slow_gradient(kit, one, weights, part, episodes).items():
            weights[name].grad = gradient
        optimizer.step()
    kit.assert_same(kit.weights(learner, 0), {name: w.float() for name, w in weights.items()})
    assert (kit.weights(learner, 0)["head.bias"] - start["head.bias"]).abs().max() > 5e-3


def test_meta_training_lowers_the_query_loss_after_adaptation(
    kit: Kit, one: One, start: Weights
) -> None:
    part = MamlInit(iterations=40, meta_lr=0.05, inner_steps=1, inner_lr=0.3)
    learner = kit.population(part, kit.toy(meta_classes=5), seeds=(0,))
    unused = [episode_of(part, one, 1000, number) for number in range(20)]

    def mean_query_loss(weights: Weights) -> float:
        weights = kit.leaves({name: w.double() for name, w in weights.items()})
        losses = [slow_query_loss(kit, one, weights, part, each).item() for each in unused]
        return sum(losses) / len(losses)

    assert mean_query_loss(kit.weights(learner, 0)) < 0.7 * mean_query_loss(start)


@pytest.mark.parametrize("lr", [None, 0.5])
def test_transference_between_episodes_is_what_a_loop_measures(
    kit: Kit, one: One, start: Weights, lr: float | None
) -> None:
    """At every moment, with the weights of a meta-training that ends there."""
    part = MamlInit(iterations=4, meta_batch=2, meta_lr=0.05)
    learner = kit.population(part, kit.toy(meta_classes=5), seeds=(0, 1))
    options = TransferenceOptions(episodes=3, targets=2, moments=3, lr=lr)
    found = learner.meta_transference(options)
    assert sorted(found) == [0, 2, 4]

    def episodes(side: str, num: int) -> list[Episode]:
        key = one.fold("parts", "maml-init transference", side)
        return [drawn_episode(part, one, draws.fold(key, number)) for number in range(num)]

    for made, losses in found.items():
        weights = start
        if made:
            shorter = MamlInit(iterations=made, meta_batch=2, meta_lr=0.05)
            weights = kit.weights(kit.population(shorter, kit.toy(meta_classes=5), seeds=(0,)), 0)
        weights = kit.leaves({name: w.double() for name, w in weights.items()})
        for j, target in enumerate(episodes("targets", 2)):
            before = slow_query_loss(kit, one, weights, part, target).item()
            for i, source in enumerate(episodes("sources", 3)):
                outer = slow_query_loss(kit, one, weights, part, source)
                grads = kit.gradient(outer, weights)
                updated = kit.descended(weights, grads, part.meta_lr if lr is None else lr)
                after = slow_query_loss(kit, one, updated, part, target).item()
                assert losses.ratio[0, i, j].item() == pytest.approx(after / before, abs=1e-5)


def test_meta_learned_weights_are_the_ones_that_multiple_heads_begin_with(kit: Kit) -> None:
    toy = kit.toy(setting="task", meta_classes=5)
    params = kit.population([MamlInit(iterations=3), Multihead()], toy).parameters()
    for task in range(3):
        assert torch.equal(params["multihead.weight"][:, task], params["head.weight"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ways": 7}, r"ways=7: the model has 6 outputs; use 2 to 6"),
        ({"ways": 6}, r"needs 6 meta-training classes with 10 samples .* keeps 5 with 24"),
        ({"shots": 20}, r"needs 3 meta-training classes with 25 samples .* keeps 5 with 24"),
        ({"queries": 20}, r"needs 3 meta-training classes with 25 samples .* keeps 5 with 24"),
    ],
)
def test_episodes_that_cannot_be_filled_are_refused(
    kit: Kit, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        kit.population(MamlInit(**options), kit.toy(meta_classes=5))


def test_episodes_that_just_fit_are_trained_on(kit: Kit) -> None:
    part = MamlInit(ways=5, shots=12, queries=12, iterations=1)
    assert kit.population(part, kit.toy(meta_classes=5)).finite().all()


def test_meta_learning_needs_classes_kept_apart(kit: Kit) -> None:
    with pytest.raises(ValueError, match="'maml-init' needs meta-training classes"):
        kit.population(MamlInit())
