"""Optimisers equal torch.optim's, replica by replica, also with swept numbers."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from streamsim import optimizers
from streamsim.optimizers import OptimizerState, TrainOptions
from streamsim.options import describe
from streamsim.trees import Params

STEPS = 100
LRS = (0.1, 0.01, 0.003)  # of three replicas
SHAPES = {"layer.weight": (3, 4), "layer.bias": (3,)}
Reference = Callable[[Iterable[Tensor], float], torch.optim.Optimizer]

REFERENCES: dict[str, tuple[TrainOptions, Reference]] = {
    "sgd": (TrainOptions(), lambda p, lr: torch.optim.SGD(p, lr)),
    "sgd-decay": (
        TrainOptions(weight_decay=0.1),
        lambda p, lr: torch.optim.SGD(p, lr, weight_decay=0.1),
    ),
    "momentum": (TrainOptions(momentum=0.9), lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9)),
    "momentum-decay": (
        TrainOptions(momentum=0.9, weight_decay=0.1),
        lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9, weight_decay=0.1),
    ),
    "nesterov": (
        TrainOptions(momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9, nesterov=True, weight_decay=0.01),
    ),
    "adam": (TrainOptions(optimizer="adam"), lambda p, lr: torch.optim.Adam(p, lr)),
    "adam-decay": (
        TrainOptions(optimizer="adam", weight_decay=0.1),
        lambda p, lr: torch.optim.Adam(p, lr, weight_decay=0.1),
    ),
    "adamw": (
        TrainOptions(optimizer="adamw", weight_decay=0.1),
        lambda p, lr: torch.optim.AdamW(p, lr, weight_decay=0.1),
    ),
    "adamw-without-decay": (
        TrainOptions(optimizer="adamw"),
        lambda p, lr: torch.optim.AdamW(p, lr, weight_decay=0.0),
    ),
}
RULES = {
    "sgd": TrainOptions(weight_decay=0.1),
    "momentum": TrainOptions(momentum=0.9, weight_decay=0.1),
    "adam": TrainOptions(optimizer="adam", weight_decay=0.1),
    "adamw": TrainOptions(optimizer="adamw", weight_decay=0.1),
}
each_rule = pytest.mark.parametrize("options", RULES.values(), ids=RULES)


def random(seed: int, *leading: int) -> dict[str, Tensor]:
    """Tensors like the parameters, with more axes in front."""
    generator = torch.Generator().manual_seed(seed)
    return {k: torch.randn(*leading, *shape, generator=generator) for k, shape in SHAPES.items()}


def start(options: TrainOptions, params: Params) -> OptimizerState:
    return optimizers.init(options, params, options.momentum > 0)


def swept(options: TrainOptions, **numbers: Tensor) -> TrainOptions:
    """Options with scalar tensors in place of numbers, as inside a population."""
    copy: TrainOptions = object.__new__(TrainOptions)
    for name, value in {**vars(options), **numbers}.items():
        object.__setattr__(copy, name, value)
    return copy


def reference(make: Reference, lr: float, params: Params, grads: Params) -> dict[str, Tensor]:
    """What torch.optim makes of `params` after all steps of `grads`."""
    leaves = {k: p.clone().requires_grad_() for k, p in params.items()}
    optimizer = make(leaves.values(), lr)
    for step in range(STEPS):
        for k, leaf in leaves.items():
            leaf.grad = grads[k][step].clone()
        optimizer.step()
    return {k: leaf.detach() for k, leaf in leaves.items()}


def trained(
    options: TrainOptions,
    params: Params,
    grads: Params,
    lr: Tensor,
    numbers: Mapping[str, Tensor] | None = None,
) -> Params:
    """All replicas after all steps; `lr` and every other number are `[R]`."""
    numbers = numbers or {}
    uses_momentum = options.momentum > 0 or "momentum" in numbers

    def step(params: Params, state: Any, grads: Params, lr: Tensor, own: Any) -> Any:
        return optimizers.update(swept(options, **own), params, grads, state, lr, {})

    state = vmap(lambda p: optimizers.init(options, p, uses_momentum))(params)
    for s in range(STEPS):
        now = {k: g[:, s] for k, g in grads.items()}
        params, state = vmap(step)(params, state, now, lr, numbers)
    return params


def assert_replicas_match(
    found: Params, params: Params, grads: Params, each: list[tuple[Reference, float]]
) -> None:
    for r, (make, lr) in enumerate(each):
        own = {k: p[r] for k, p in params.items()}
        expected = reference(make, lr, own, {k: g[r] for k, g in grads.items()})
        replica = {k: p[r] for k, p in found.items()}
        torch.testing.assert_close(replica, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("options", "make"), REFERENCES.values(), ids=REFERENCES)
def test_a_hundred_steps_equal_torch_with_a_rate_for_every_replica(
    options: TrainOptions, make: Reference
) -> None:
    params, grads = random(0, len(LRS)), random(1, len(LRS), STEPS)
    found = trained(options, params, grads, torch.tensor(LRS))
    assert_replicas_match(found, params, grads, [(make, lr) for lr in LRS])


@pytest.mark.parametrize("name", ["adam", "adamw-without-decay"])
def test_vanishing_gradients_equal_torch(name: str) -> None:
    """Where the small number in Adam's denominator decides."""
    options, make = REFERENCES[name]
    params = random(0, len(LRS))
    grads = {k: 1e-8 * g for k, g in random(1, len(LRS), STEPS).items()}
    found = trained(options, params, grads, torch.tensor(LRS))
    assert_replicas_match(found, params, grads, [(make, lr) for lr in LRS])


@pytest.mark.parametrize("nesterov", [False, True])
def test_swept_momentum_equals_torch(nesterov: bool) -> None:
    momenta = (0.9, 0.5, 0.1) if nesterov else (0.9, 0.5, 0.0)
    params, grads = random(0, 3), random(1, 3, STEPS)
    options = TrainOptions(momentum=0.9, nesterov=nesterov)
    numbers = {"momentum": torch.tensor(momenta)}
    found = trained(options, params, grads, torch.full((3,), 0.02), numbers)

    def make(momentum: float) -> Reference:
        return lambda p, lr: torch.optim.SGD(p, lr, momentum=momentum, nesterov=nesterov)

    assert_replicas_match(found, params, grads, [(make(m), 0.02) for m in momenta])


@pytest.mark.parametrize(
    ("optimizer", "rule"),
    [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)],
)
def test_swept_weight_decay_equals_torch(optimizer: Any, rule: Any) -> None:
    decays = (0.0, 0.01, 0.3)
    params, grads = random(0, 3), random(1, 3, STEPS)
    numbers = {"weight_decay": torch.tensor(decays)}
    found = trained(
        TrainOptions(optimizer=optimizer), params, grads, torch.full((3,), 0.02), numbers
    )

    def make(decay: float) -> Reference:
        return lambda p, lr: rule(p, lr=lr, weight_decay=decay)

    assert_replicas_match(found, params, grads, [(make(d), 0.02) for d in decays])


@each_rule
def test_a_number_and_a_tensor_mean_the_same(options: TrainOptions) -> None:
    params, grads = random(0), random(1)
    state = start(options, params)
    plain, _ = optimizers.update(options, params, grads, state, 0.25, {})
    numbers = {
        "momentum": torch.tensor(options.momentum),
        "weight_decay": torch.tensor(options.weight_decay),
    }
    tensors, _ = optimizers.update(
        swept(options, **numbers), params, grads, state, torch.tensor(0.25), {}
    )
    torch.testing.assert_close(tensors, plain, rtol=1e-6, atol=1e-7)


# -- rate factors ---------------------------------------------------------------------------------
@each_rule
@pytest.mark.parametrize("zero", [0.0, torch.tensor(0.0)], ids=["number", "tensor"])
def test_a_rate_factor_of_zero_freezes_bit_for_bit(
    options: TrainOptions, zero: float | Tensor
) -> None:
    """Weight decay included."""
    params = random(0)
    after: Params = params
    state = start(options, params)
    for step in range(5):
        rates = {"layer.weight": zero}
        after, state = optimizers.update(
            options, after, random(step + 1), state, torch.tensor(0.1), rates
        )
    assert torch.equal(after["layer.weight"], params["layer.weight"])
    assert (after["layer.bias"] != params["layer.bias"]).all()


@each_rule
def test_a_rate_factor_scales_the_learning_rate(options: TrainOptions) -> None:
    params, grads = random(0), random(1)
    state = start(options, params)
    factors = dict.fromkeys(params, 0.5)
    scaled, _ = optimizers.update(options, params, grads, state, 0.2, factors)
    halved, _ = optimizers.update(options, params, grads, state, 0.1, {})
    torch.testing.assert_close(scaled, halved, rtol=0, atol=1e-7)


# -- state ----------------------------------------------------------------------------------------
@each_rule
def test_a_step_keeps_keys_and_shapes_and_its_arguments(options: TrainOptions) -> None:
    params, grads = random(0), random(1)
    state = start(options, params)
    before = [p.clone() for p in (*params.values(), *grads.values(), *state.first.values())]
    after, moved = optimizers.update(options, params, grads, state, 0.1, {})
    assert list(after) == list(params)
    for old, new in zip(state[:2], moved[:2], strict=True):
        assert {k: v.shape for k, v in old.items()} == {k: v.shape for k, v in new.items()}
    assert moved.step.shape == state.step.shape == ()
    now = [*params.values(), *grads.values(), *state.first.values()]
    assert all(map(torch.equal, before, now))


def test_a_rule_keeps_only_what_it_uses() -> None:
    params = random(0)
    plain = start(TrainOptions(), params)
    assert (dict(plain.first), dict(plain.second)) == ({}, {})
    heavy = start(TrainOptions(momentum=0.5), params)
    assert (list(heavy.first), dict(heavy.second)) == (list(params), {})
    adam = start(TrainOptions(optimizer="adam"), params)
    assert list(adam.first) == list(adam.second) == list(params)


# -- options --------------------------------------------------------------------------------------
def test_the_learning_rate_defaults_to_that_of_the_rule_as_described() -> None:
    rules: tuple[Any, ...] = ("sgd", "adam", "adamw")
    sgd, adam, adamw = (TrainOptions(optimizer=rule).lr for rule in rules)
    assert adam == adamw == 0.001
    [described] = [option for option in describe(TrainOptions) if option.name == "lr"]
    assert f"{sgd} for sgd, {adam} for adam and adamw" in described.help


def test_a_given_learning_rate_is_kept() -> None:
    assert TrainOptions(optimizer="adam", lr=0.3).lr == 0.3


def test_momentum_belongs_to_sgd() -> None:
    with pytest.raises(ValueError, match="momentum and nesterov belong to sgd; optimizer=adam"):
        TrainOptions(optimizer="adam", momentum=0.9)


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(ValueError, match="nesterov=true needs momentum > 0"):
        TrainOptions(nesterov=True)
