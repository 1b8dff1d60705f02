"""Random tree: labels at the leaves of a decision tree that is drawn at random.

The tree is stored as if it were complete: node i of a level has its `branches` children from
i x branches on in the next level, and what lies below a leaf carries the leaf's label.

Shape letters: N samples, F features (numbers before categories), P nodes of one level.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Self

import torch
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim_scenarios.concepts.concept import (
    Feature,
    Samples,
    State,
    drawn,
    entries,
    joined,
    lanes,
    numbers,
)

_MOST_LEAVES = 100_000


class _Level(NamedTuple):
    """The nodes of one level, as their ancestors leave them."""

    label: Tensor  # [P] int64, -1 until a leaf is met
    low: Tensor  # [P, F] float64: where a numeric split may lie
    high: Tensor  # [P, F]
    used: Tensor  # [P, F] bool: categories that an ancestor splits on


@dataclass(frozen=True, kw_only=True)
class RandomTree:
    """Numbers from 0 to 1 and categories, labelled by a random decision tree.

    A node splits on a random feature: a number at a random place of what is left of its range, a
    category (only once on a path) into all its values. From `first_leaf_level` on a share of the
    nodes are leaves.
    """

    name: ClassVar[str] = "random-tree"
    reference: ClassVar[str] = "Domingos & Hulten 2000, Mining high-speed data streams"
    variants: ClassVar[int | None] = None

    n_classes: int = Field(default=2, ge=2, description="labels of the leaves")
    n_num_features: int = Field(default=5, ge=0, description="numbers from 0 to 1")
    n_cat_features: int = Field(default=5, ge=0, description="categories")
    n_categories_per_feature: int = Field(default=5, ge=2, description="values of a category")
    max_tree_depth: int = Field(default=5, ge=1, description="splits on the longest path")
    first_leaf_level: int = Field(default=3, ge=0, description="where leaves may begin; 0: root")
    fraction_leaves_per_level: float = Field(
        default=0.15, ge=0, le=1, description="share of leaves from that level on"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.n_num_features == 0 and self.n_cat_features < self.max_tree_depth:
            raise ValueError(
                f"n_num_features=0 and n_cat_features={self.n_cat_features}: a path splits on a "
                f"category once, so a depth of {self.max_tree_depth} needs as many of them; choose "
                "more features or a smaller max_tree_depth"
            )
        if self.max_tree_depth > 60 or self.branches**self.max_tree_depth > _MOST_LEAVES:
            raise ValueError(
                f"max_tree_depth={self.max_tree_depth} with {self.branches} branches at a node: "
                f"more than {_MOST_LEAVES} leaves; choose a smaller depth or fewer categories"
            )
        return self

    @property
    def num_classes(self) -> int:
        return self.n_classes

    @property
    def branches(self) -> int:
        return self.n_categories_per_feature if self.n_cat_features else 2

    @property
    def features(self) -> tuple[Feature, ...]:
        values = self.n_categories_per_feature
        categories = [Feature(f"c{i}", 0, values - 1, values) for i in range(self.n_cat_features)]
        return (*numbers("x", self.n_num_features), *categories)

    def prepare(self, key: Tensor, variant: int | Tensor) -> State:
        """`feature` and `threshold` of the splits, level after level, and `label` of the leaves."""
        key = drawn(self, key, variant)
        level, splits = self._root(key.device), []
        for depth in range(self.max_tree_depth):
            level, split = self._grow(draws.fold(key, depth), level, depth)
            splits.append(split)
        labels = self._labels(draws.fold(key, self.max_tree_depth), level)
        feature, threshold = (torch.cat(parts) for parts in zip(*splits, strict=True))
        return {
            "feature": feature,
            "threshold": threshold,
            "label": torch.where(level.label < 0, labels, level.label),
        }

    def generate(
        self, state: State, key: Tensor, index: Tensor, time: Tensor, which: Tensor | None = None
    ) -> Samples:
        keys, counter = lanes(key, index, len(self.features))
        values = draws.uniform(keys[: self.n_num_features], counter)
        codes = draws.integers(keys[self.n_num_features :], counter, self.n_categories_per_feature)
        inputs = joined(torch.cat([values, codes]))
        return Samples(inputs, self.label(state, inputs, time, which))

    def label(
        self, state: State, inputs: Tensor, time: Tensor, which: Tensor | None = None
    ) -> Tensor:
        node, first = torch.zeros_like(inputs[..., 0], dtype=torch.int64), 0
        for depth in range(self.max_tree_depth):
            feature = _at(state["feature"], first + node, which)
            value = inputs.gather(-1, feature[..., None])[..., 0].to(torch.float64)
            above = value >= _at(state["threshold"], first + node, which)
            branch = torch.where(feature < self.n_num_features, above.long(), value.long())
            node, first = node * self.branches + branch, first + self.branches**depth
        return _at(state["label"], node, which)

    # -- growing ----------------------------------------------------------------------------------
    def _root(self, device: torch.device) -> _Level:
        low = torch.zeros(1, len(self.features), dtype=torch.float64, device=device)
        label = torch.full((1,), -1, device=device)
        return _Level(label, low, torch.ones_like(low), torch.zeros_like(low, dtype=torch.bool))

    def _labels(self, key: Tensor, level: _Level) -> Tensor:
        """A label for every node, should it be a leaf: [P]."""
        nodes = draws.counters(len(level.label), device=key.device)
        return draws.integers(draws.fold(key, "label"), nodes, self.n_classes)

    def _grow(self, key: Tensor, level: _Level, depth: int) -> tuple[_Level, tuple[Tensor, Tensor]]:
        """Split every node of a level: the next one, and features and thresholds [P]."""
        nodes = draws.counters(len(level.label), device=key.device)
        label = level.label
        if depth >= self.first_leaf_level:
            leaf = draws.uniform(draws.fold(key, "leaf"), nodes) < self.fraction_leaves_per_level
            label = torch.where(leaf & (label < 0), self._labels(key, level), label)
        candidate = (~level.used).cumsum(-1)  # [P, F], from 1
        which = draws.integers(draws.fold(key, "feature"), nodes, candidate[:, -1])
        feature = (candidate <= which[:, None]).sum(-1)
        chosen = torch.arange(len(self.features), device=key.device) == feature[:, None]  # [P, F]
        share = draws.uniform(draws.fold(key, "place"), nodes).to(torch.float64)
        place = level.low + share[:, None] * (level.high - level.low)
        threshold = place.gather(-1, feature[:, None])[:, 0]
        return self._children(level._replace(label=label), chosen, place), (feature, threshold)

    def _children(self, level: _Level, chosen: Tensor, place: Tensor) -> _Level:
        """Branch 0 of a split lies below its place, the others above."""
        branch = torch.arange(self.branches, device=place.device).repeat(len(place))[:, None]
        category = torch.arange(place.shape[-1], device=place.device) >= self.n_num_features
        chosen, place = (rows.repeat_interleave(self.branches, 0) for rows in (chosen, place))
        label, low, high, used = (rows.repeat_interleave(self.branches, 0) for rows in level)
        return _Level(
            label,
            torch.where(chosen & (branch > 0), place, low),
            torch.where(chosen & (branch == 0), place, high),
            used | (chosen & category),
        )


def _at(table: Tensor, place: Tensor, which: Tensor | None) -> Tensor:
    """Entries of a tree's table, or of the tables [K, P] of several trees."""
    if which is None:
        return entries(table, place)
    return entries(table.flatten(), which * table.shape[1] + place)
