"""River's random trees in our tables."""

from __future__ import annotations

from typing import Any

import torch
from river.datasets import synth

from streamsim_scenarios.concepts import State
from streamsim_scenarios.concepts.random_tree import RandomTree


def stored(theirs: synth.RandomTree, ours: RandomTree) -> State:
    """The tables of a tree that river has drawn."""
    levels: list[list[Any]] = [[theirs.tree_root]]
    feature, threshold = [], []
    for _ in range(ours.max_tree_depth):
        below: list[Any] = []
        for node in levels[-1]:
            children = node.children or [node]  # below a leaf, the leaf
            feature.append(node.split_feature_idx if node.children else 0)
            threshold.append(node.split_feature_val if node.children else None)
            below += [children[min(i, len(children) - 1)] for i in range(ours.branches)]
        levels.append(below)
    return {
        "feature": torch.tensor(feature),
        "threshold": torch.tensor([t or 0.0 for t in threshold], dtype=torch.float64),
        "label": torch.tensor([node.class_label for node in levels[-1]]),
    }
