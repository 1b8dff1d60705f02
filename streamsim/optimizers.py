"""Element-wise optimisers as pure functions of one replica's parameters, equal to torch.optim's.

`lr`, and any other number, may be a scalar tensor: under vmap every replica has its own.
Frozen parameters have a rate factor of 0; weight decay is part of the step, so it is frozen too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim.trees import Params

Number = float | Tensor
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # torch.optim's (and Kingma & Ba's) defaults
DEFAULT_LR = {"sgd": 0.1, "adam": 0.001, "adamw": 0.001}


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How a learner trains at each experience."""

    epochs: int = Field(default=1, ge=1, description="passes over the data of each experience")
    iterations: int | None = Field(
        default=None, ge=1, description="steps at each experience, instead of epochs"
    )
    batch_size: int = Field(default=10, ge=1, description="incoming samples of a step")
    optimizer: Literal["sgd", "adam", "adamw"] = Field(default="sgd", description="update rule")
    lr: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="learning rate; none: 0.1 for sgd, 0.001 for adam and adamw"
    )
    momentum: float = Field(default=0.0, ge=0, lt=1, description="of sgd")
    nesterov: bool = Field(default=False, description="Nesterov momentum, of sgd")
    weight_decay: float = Field(
        default=0.0, ge=0, description="L2 for sgd and adam, decoupled for adamw"
    )

    def __post_init__(self) -> None:
        if self.iterations is not None and self.epochs != 1:
            raise ValueError(
                f"epochs={self.epochs} and iterations={self.iterations} both say how long to "
                "train; keep one"
            )
        if self.optimizer != "sgd" and (self.momentum or self.nesterov):
            raise ValueError(
                f"momentum and nesterov belong to sgd; optimizer={self.optimizer} has its own"
            )
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov=true needs momentum > 0, such as train.momentum=0.9")
        if self.lr is None:
            object.__setattr__(self, "lr", DEFAULT_LR[self.optimizer])


class OptimizerState(NamedTuple):
    """Same keys and shapes as the parameters; empty where the rule keeps nothing."""

    first: Params  # momentum, or first moment
    second: Params  # second moment
    step: Tensor  # float32 scalar


def init(options: TrainOptions, params: Params, uses_momentum: bool) -> OptimizerState:
    """State before the first step."""
    adaptive = options.optimizer != "sgd"
    some = next(iter(params.values()))
    return OptimizerState(
        {k: torch.zeros_like(p) for k, p in params.items()} if adaptive or uses_momentum else {},
        {k: torch.zeros_like(p) for k, p in params.items()} if adaptive else {},
        torch.zeros((), device=some.device),
    )


def update(
    options: TrainOptions,
    params: Params,
    grads: Params,
    state: OptimizerState,
    lr: Number,
    rates: Mapping[str, Number],
) -> tuple[dict[str, Tensor], OptimizerState]:
    """One step; `rates` are factors on the learning rate by parameter name.

    For one replica, or for stacked ones (`[R, ...]` parameters, `[R]` numbers) without a vmap: the
    rules are element-wise.
    """
    rule = _sgd if options.optimizer == "sgd" else _adam
    return rule(options, params, grads, state, lr, rates)


def _sgd(
    options: TrainOptions,
    params: Params,
    grads: Params,
    state: OptimizerState,
    lr: Number,
    rates: Mapping[str, Number],
) -> tuple[dict[str, Tensor], OptimizerState]:
    after: dict[str, Tensor] = {}
    first: dict[str, Tensor] = {}
    for k, p in params.items():
        direction = _decayed(grads[k], p, options.weight_decay)
        if state.first:
            first[k] = _scaled_add(direction, state.first[k], options.momentum)
            direction = (
                _scaled_add(direction, first[k], options.momentum) if options.nesterov else first[k]
            )
        after[k] = _descend(p, direction, _along(_rate(lr, rates, k), p))
    return after, OptimizerState(first, {}, state.step)


def _adam(
    options: TrainOptions,
    params: Params,
    grads: Params,
    state: OptimizerState,
    lr: Number,
    rates: Mapping[str, Number],
) -> tuple[dict[str, Tensor], OptimizerState]:
    """Kingma & Ba 2015; decoupled decay for adamw: Loshchilov & Hutter 2019."""
    decoupled = options.optimizer == "adamw"
    step = state.step + 1
    # 1 - beta**t, which loses its digits in float32 unless it is asked for so
    correction_1 = -torch.expm1(step * math.log(BETA_1))
    correction_2 = (-torch.expm1(step * math.log(BETA_2))).sqrt()
    after: dict[str, Tensor] = {}
    first: dict[str, Tensor] = {}
    second: dict[str, Tensor] = {}
    for k, p in params.items():
        rate = _along(_rate(lr, rates, k), p)
        gradient = grads[k] if decoupled else _decayed(grads[k], p, options.weight_decay)
        if decoupled and not _is_zero(options.weight_decay):
            p = p * (1 - rate * _along(options.weight_decay, p))
        first[k] = torch.lerp(state.first[k], gradient, 1 - BETA_1)
        second[k] = torch.addcmul(state.second[k] * BETA_2, gradient, gradient, value=1 - BETA_2)
        denominator = second[k].sqrt() / _along(correction_2, p) + EPSILON
        after[k] = p - (rate / _along(correction_1, p)) * (first[k] / denominator)
    return after, OptimizerState(first, second, step)


def _rate(lr: Number, rates: Mapping[str, Number], name: str) -> Number:
    return lr * rates[name] if name in rates else lr


def _along(number: Number, p: Tensor) -> Number:
    """A number of each replica, `[R]`, shaped to go with stacked parameters, `[R, ...]`."""
    if isinstance(number, Tensor) and 0 < number.ndim < p.ndim:
        return number.view(-1, *[1] * (p.ndim - 1))
    return number


def _is_zero(number: Number) -> bool:
    return not isinstance(number, Tensor) and number == 0


def _decayed(gradient: Tensor, p: Tensor, decay: Number) -> Tensor:
    return gradient if _is_zero(decay) else _scaled_add(gradient, p, decay)


def _scaled_add(a: Tensor, b: Tensor, factor: Number) -> Tensor:
    """a + factor * b in one pass over memory."""
    factor = _along(factor, a)
    if isinstance(factor, Tensor):
        return torch.addcmul(a, b, factor)
    return torch.add(a, b, alpha=factor)


def _descend(p: Tensor, direction: Tensor, rate: Number) -> Tensor:
    if isinstance(rate, Tensor):
        return torch.addcmul(p, direction, rate, value=-1)
    return torch.sub(p, direction, alpha=rate)
