"""One step of a whole population: eagerly, or as a single function for the compiler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from streamsim.compilation import signature
from streamsim.flow import Inputs, Moving, Passed, World
from streamsim.program import Program
from streamsim.trees import Tree, flatten, map_tree, over_first_axis, stack


@dataclass(frozen=True)
class Stepper:
    """Maps a program's step over replicas; with one replica there is no axis and no vmap."""

    program: Program
    alone: bool
    device: torch.device

    def lift(self, function: Callable[..., Any], at_once: int | None = None) -> Callable[..., Any]:
        """The function of one replica as a function of all, replica axis first everywhere."""
        return function if self.alone else over_first_axis(function, at_once)

    def stack(self, trees: Sequence[Tree]) -> Tree:
        """One tree of each replica as one of all."""
        return trees[0] if self.alone else stack(list(trees))

    def rows(self, values: Tensor) -> Tensor:
        """Per-replica results with the replica axis first, also of one replica."""
        return values[None] if self.alone else values

    def index(self, experience: int) -> Tensor:
        return torch.tensor(experience, device=self.device)

    def signature(self, example: Tree) -> str:
        shapes = [(k, tuple(v.shape), str(v.dtype)) for k, v in flatten(example).items()]
        told = f"{self.device} {self.program.judges}"
        return signature(self.program.parts, self.program.train, told, shapes)

    @cached_property
    def loss(self) -> Callable[..., tuple[Tensor, Passed]]:
        lifted: Callable[..., tuple[Tensor, Passed]] = self.lift(self.program.losses)
        return lifted

    @cached_property
    def _apply(self) -> Callable[..., Moving]:
        lifted: Callable[..., Moving] = self.lift(self.program.apply)
        return lifted

    @cached_property
    def whole(self) -> Callable[..., tuple[Moving, Tensor, Tensor | None]]:
        """The whole step as one function, for the compiler."""
        lifted: Callable[..., tuple[Moving, Tensor, Tensor | None]] = self.lift(self.program.step)
        return lifted

    def eager(
        self, moving: Moving, states: Tree, world: World, inputs: Inputs
    ) -> tuple[Moving, Tensor, Tensor | None]:
        """Replicas share nothing, so the gradient of their sum is every replica's own gradient: one
        ordinary backward pass, faster than a vmapped one."""
        leaves = {k: p.detach().requires_grad_() for k, p in moving.params.items()}
        losses, passed = self.loss(leaves, {**states, **moving.states}, world, inputs)
        grads = torch.autograd.grad(
            losses if self.alone else losses.sum(),
            list(leaves.values()),
            allow_unused=True,
            materialize_grads=True,
        )
        with torch.no_grad():
            gradients = dict(zip(leaves, grads, strict=True))
            params = {k: _laid_out_like(gradients[k], p) for k, p in moving.params.items()}
            moving = moving._replace(params=params)
            if self.program.only_optimizes:
                after = self.program.optimize(moving, world, gradients)
            else:
                aux = map_tree(Tensor.detach, passed.aux)
                after = self._apply(moving, states, world, inputs, gradients, aux)
            return after, losses.detach(), passed.scores


def _laid_out_like(example: Tensor, tensor: Tensor) -> Tensor:
    """The same values with the strides of an example.

    Batched products leave gradients transposed in memory, and element-wise arithmetic on two
    layouts takes several times as long: weights take on the gradients' in a stretch's first step.
    """
    if tensor.stride() == example.stride():
        return tensor
    return torch.empty_like(example).copy_(tensor)
