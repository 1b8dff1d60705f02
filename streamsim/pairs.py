"""Transference between the experiences of a stream, for one replica: which samples of each, under
which classes, and what the learner's own loss on them is. `streamsim.transference` says the rest.

Shape letters: R replicas, E experiences, N samples of each, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import grad, vmap

from streamsim import draws
from streamsim.devices import saved_bytes
from streamsim.flow import Carry, World
from streamsim.program import Program
from streamsim.strategy import Params, Scope
from streamsim.stream import Batch, Replica, Stream, pad
from streamsim.transference import (
    PairLosses,
    TransferenceOptions,
    descend,
    pair_losses,
)
from streamsim.trees import Tree, num_bytes

# weights, gradients and activations held at once: what caches like, and what fills a GPU
CPU_BYTES, GPU_BYTES = 2**24, 2**30


class Samples(NamedTuple):
    """Some samples of every experience, the same at every checkpoint of a run."""

    ids: Tensor  # [E, N]
    weight: Tensor  # [E, N] float32, 0 for padding
    classes: Tensor  # [E, C] bool: of all the experience's samples


class Sides(NamedTuple):
    """What is stepped on, and what is measured."""

    train: Samples
    test: Samples


def check_fit(options: TransferenceOptions, num_experiences: int, scope: Scope) -> None:
    """Refuse checkpoints that training does not pass; ValueError."""
    last = num_experiences - 1
    passed = [-1, last] if scope == "joint" else range(-1, num_experiences)
    for after in options.after or ():
        if after not in passed:
            allowed = f"-1 or {last}" if scope == "joint" else f"-1 to {last}"
            raise ValueError(
                f"transference.after={after}: training passes no such experience; choose {allowed}"
            )


def draw(
    stream: Stream, replicas: Sequence[Replica], keys: Sequence[Tensor], num_samples: int
) -> list[Sides]:
    """At most `num_samples` training and test samples of every experience, drawn by replica."""
    classes = [_classes(stream, replica) for replica in replicas]
    sides = []
    for side in ("train", "test"):
        rows = [
            _some(getattr(e, side), draws.fold(key, f"transference {side}", number), num_samples)
            for replica, key in zip(replicas, keys, strict=True)
            for number, e in enumerate(replica.experiences)
        ]
        padded = pad(rows)
        real = torch.arange(padded.ids.shape[1]) < padded.size[:, None]
        count = len(replicas)
        each = padded.ids.chunk(count), real.to(torch.float32).chunk(count), classes
        sides.append([Samples(*one) for one in zip(*each, strict=True)])
    return [Sides(train, test) for train, test in zip(*sides, strict=True)]


def _some(ids: Tensor, key: Tensor, num: int) -> Tensor:
    """`num` ids drawn without replacement, or all there are."""
    lots = draws.bits(key, draws.counters(len(ids)))
    return ids[lots.topk(min(num, len(ids))).indices]


def _classes(stream: Stream, replica: Replica) -> Tensor:
    """`[E, C]` bool."""
    found = torch.zeros(len(replica.experiences), stream.spec.num_classes, dtype=torch.bool)
    for number, experience in enumerate(replica.experiences):
        ids = torch.cat([experience.train, experience.test])
        found[number, stream.view.labels(stream.pool, replica.tables, ids)] = True
    return found


def experience_losses(
    program: Program,
    carry: Carry,
    world: World,
    experience: Tensor,
    sides: Sides,
    lr: float | None,
    num_replicas: int,
) -> PairLosses:
    """Losses on test samples of every experience, `[E]`, and after a step on every one, `[E, E]`.

    The step is one of plain gradient descent, of size `lr` or the replica's own, along the
    strategy's criterion through its forward pass: terms that parts add to the loss, their rate
    factors and the optimiser's memory stay out. The classes of an experience count as seen while
    it is stepped on or measured, beside those that have arrived.
    """
    rate = world.values["train.lr"] if lr is None else lr

    def loss(params: Params, fields: Mapping[str, Tensor], classes: Tensor) -> Tensor:
        own = program.base_loss(carry, world, experience, carry.seen | classes)
        return own(params, Batch(**fields))

    def update(params: Params, source: Tree) -> Params:
        return descend(params, grad(loss)(params, *source), rate)

    sources, targets = _taken(program, world, sides.train), _taken(program, world, sides.test)

    held = (CPU_BYTES if world.key.device.type == "cpu" else GPU_BYTES) // num_replicas
    a_sample = _bytes_a_sample(program)
    an_update = 2 * num_bytes(carry.params) + a_sample * sides.train.ids.shape[1]
    targets_at_once = max(1, held // (a_sample * sides.test.ids.shape[1]))

    def measure(params: Params) -> Tensor:
        each = vmap(loss, in_dims=(None, 0, 0), chunk_size=targets_at_once)
        losses: Tensor = each(params, *targets)
        return losses

    return pair_losses(
        update,
        measure,
        carry.params,
        sources,
        updated_at_once=max(1, held // an_update),
        measured_at_once=max(1, targets_at_once // len(sides.test.ids)),
    )


def _taken(program: Program, world: World, some: Samples) -> tuple[dict[str, Tensor], Tensor]:
    """Fields of the batch of every experience, `[E, N, ...]`, and its classes."""
    batch = program.take(world, some.ids.flatten())
    fields = {
        k: v.unflatten(0, some.ids.shape) for k, v in batch._asdict().items() if v is not None
    }
    return {**fields, "weight": some.weight}, some.classes


def replicas_at_once(program: Program, num_samples: int) -> int:
    """As many replicas as have their test samples in a CPU's cache while all weights meet them."""
    spec, device = program.stream.spec, next(program.network.model.parameters()).device
    floats = math.prod(spec.input_shape) * num_samples * spec.num_experiences
    return max(1, (CPU_BYTES if device.type == "cpu" else GPU_BYTES) // (4 * floats))


def _bytes_a_sample(program: Program) -> int:
    """What a sample's way through the network takes, by weighing what autograd would keep."""
    model, shape = program.network.model, program.stream.spec.input_shape
    device = next(model.parameters()).device
    with torch.enable_grad():
        one, two = (saved_bytes(model, torch.zeros(n, *shape, device=device)) for n in (1, 2))
    return max(two - one, 4)
