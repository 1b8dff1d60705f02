"""Model-agnostic meta-learning: initial weights from which a few steps learn a new task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.func import grad, vmap

from streamsim import draws, optimizers
from streamsim.optimizers import TrainOptions
from streamsim.strategy import Params, Part, Setup, mask
from streamsim.stream import Reveal, StreamSpec
from streamsim.transference import (
    Loss,
    PairLosses,
    Task,
    TransferenceOptions,
    adapt,
    episodic_losses,
)

ADAM = TrainOptions(optimizer="adam")


class Episode(NamedTuple):
    """An N-way K-shot task, shown to N random outputs of the model's own head."""

    support: Tensor  # [N*K] ids
    query: Tensor  # [N*Q] ids
    support_y: Tensor  # [N*K] output units
    query_y: Tensor  # [N*Q] output units
    units: Tensor  # [C] bool: the outputs in play

    @property
    def task(self) -> Task:
        """Both sets as (ids, output units, outputs in play)."""
        return Task(
            (self.support, self.support_y, self.units), (self.query, self.query_y, self.units)
        )


@dataclass(frozen=True, kw_only=True)
class MamlInit(Part):
    """Start from weights meta-learned on classes that the stream keeps apart."""

    name: ClassVar[str] = "maml-init"
    reference: ClassVar[str] = "Finn, Abbeel & Levine 2017, Model-agnostic meta-learning, alg. 2"

    order: Literal["second", "first"] = Field(
        default="second", description="second: differentiate through the inner steps; first: FOMAML"
    )
    ways: int = Field(default=3, ge=2, description="classes of an episode")
    shots: int = Field(default=5, ge=1, description="support samples of a class")
    queries: int = Field(default=5, ge=1, description="query samples of a class")
    inner_steps: int = Field(default=3, ge=1, description="gradient steps on the support set")
    inner_lr: float = Field(default=0.1, gt=0, description="step size on the support set")
    meta_lr: float = Field(default=0.003, gt=0, description="step size of the outer loop (Adam)")
    meta_batch: int = Field(default=4, ge=1, description="episodes of an outer step")
    iterations: int = Field(default=100, ge=1, description="outer steps")

    def needs(self) -> frozenset[Reveal]:
        return frozenset({Reveal.META_CLASSES})

    def check(self, spec: StreamSpec, batch_size: int) -> None:
        if self.ways > spec.num_classes:
            raise ValueError(
                f"strategy.maml-init.ways={self.ways}: the model has {spec.num_classes} outputs; "
                f"use 2 to {spec.num_classes}"
            )

    def initial_weights(self, setup: Setup, params: Params) -> Params:
        meta = setup.meta
        assert meta is not None
        if self.ways > meta.shape[0] or self.shots + self.queries > meta.shape[1]:
            raise ValueError(
                f"strategy.maml-init needs {self.ways} meta-training classes with "
                f"{self.shots + self.queries} samples (ways, shots + queries); the stream keeps "
                f"{meta.shape[0]} with {meta.shape[1]} apart (see scenario.meta_classes)"
            )
        weights: Params = {}
        for made in self._meta_training(setup, meta, params):
            weights = made
        return {**params, **{k: p.to(params[k].dtype) for k, p in weights.items()}}

    def meta_transference(
        self, setup: Setup, params: Params, options: TransferenceOptions
    ) -> Mapping[int, PairLosses]:
        """Fresh episodes, the same at every moment of a second meta-training, equal to the first;
        the update on a source is a plain gradient step of size `meta_lr`, or as asked for."""
        meta = setup.meta
        assert meta is not None
        key = draws.fold(setup.key, "maml-init transference")
        sources = self._episodes(setup, meta, draws.fold(key, "sources"), options.episodes)
        targets = self._episodes(setup, meta, draws.fold(key, "targets"), options.targets)
        steps = [self.iterations * m // (options.moments - 1) for m in range(options.moments)]
        return {
            made: episodic_losses(
                self._loss_of(setup),
                weights,
                sources.task,
                targets.task,
                inner_lr=self.inner_lr,
                outer_lr=self.meta_lr if options.lr is None else options.lr,
                inner_steps=self.inner_steps,
                order=self.order,
                chunk_size=self.meta_batch,  # no more memory than meta-training takes
            )
            for made, weights in enumerate(self._meta_training(setup, meta, params))
            if made in steps
        }

    def _meta_training(self, setup: Setup, meta: Tensor, params: Params) -> Iterator[Params]:
        """The model's weights before any outer step and after each, in float64: a hundred Adam
        steps blow up rounding, which batching over replicas changes."""
        key = draws.fold(setup.key, "maml-init")
        weights = {k: p.double() for k, p in params.items() if k in setup.network.names}
        state = optimizers.init(ADAM, weights, False)
        yield weights
        for iteration in range(self.iterations):
            episodes = self._episodes(setup, meta, draws.fold(key, iteration), self.meta_batch)

            def outer(weights: Params, episodes: Episode = episodes) -> Tensor:
                losses: Tensor = vmap(lambda e: self._query_loss(setup, weights, e))(episodes)
                return losses.mean()

            gradient = grad(outer)(weights)
            weights, state = optimizers.update(ADAM, weights, gradient, state, self.meta_lr, {})
            yield weights

    def _episodes(self, setup: Setup, meta: Tensor, key: Tensor, num: int) -> Episode:
        """`num` of them, stacked."""
        keys = draws.fold(key, torch.arange(num, device=key.device))
        drawn: Episode = vmap(lambda k: self._episode(setup, meta, k))(keys)
        return drawn

    def _episode(self, setup: Setup, meta: Tensor, key: Tensor) -> Episode:
        num_classes = setup.spec.num_classes
        classes = draws.permutation(draws.fold(key, "classes"), meta.shape[0])[: self.ways]
        units = draws.permutation(draws.fold(key, "units"), num_classes)[: self.ways]
        each = draws.fold(key, "samples", torch.arange(self.ways, device=key.device))
        places = draws.permutation(each, meta.shape[1])[:, : self.shots + self.queries]
        ids = meta[classes].gather(1, places)
        in_play = torch.zeros(num_classes, dtype=torch.int8, device=key.device)
        return Episode(
            ids[:, : self.shots].flatten(),
            ids[:, self.shots :].flatten(),
            units[:, None].expand(-1, self.shots).flatten(),
            units[:, None].expand(-1, self.queries).flatten(),
            in_play.scatter(0, units, 1).bool(),
        )

    def _query_loss(self, setup: Setup, weights: Params, episode: Episode) -> Tensor:
        """Loss on the query set after adapting to the support set (alg. 2, lines 5 to 8)."""
        loss, task = self._loss_of(setup), episode.task
        adapted = adapt(
            loss, weights, task.support, steps=self.inner_steps, lr=self.inner_lr, order=self.order
        )
        return loss(adapted, task.query)

    def _loss_of(self, setup: Setup) -> Loss:
        def loss(weights: Params, samples: tuple[Tensor, Tensor, Tensor]) -> Tensor:
            ids, y, units = samples
            logits = setup.network(weights, setup.take(ids).x.double())
            return F.cross_entropy(mask(logits, units), y)

        return loss
