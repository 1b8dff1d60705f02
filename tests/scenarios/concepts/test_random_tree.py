"""Trees grow by river's rules."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.func import vmap

from streamsim import draws
from streamsim_scenarios.concepts import State
from streamsim_scenarios.concepts.random_tree import RandomTree

from .conftest import START, key


def grown(seed: int = 0, **options: Any) -> tuple[RandomTree, State]:
    tree = RandomTree(**options)
    return tree, tree.prepare(key(seed), 0)


def paths(tree: RandomTree, state: State) -> list[list[tuple[int, float, int]]]:
    """(feature, threshold, branch) from the root to every place of the last level."""
    found: list[list[tuple[int, float, int]]] = [[]]
    first = 0
    for _ in range(tree.max_tree_depth):
        below = []
        for node, path in enumerate(found):
            feature = int(state["feature"][first + node])
            threshold = float(state["threshold"][first + node])
            below += [[*path, (feature, threshold, branch)] for branch in range(tree.branches)]
        first, found = first + len(found), below
    return found


@pytest.mark.parametrize("seed", range(3))
def test_splits_are_possible(seed: int) -> None:
    """A category once on a path; a number within what is left of its range."""
    tree, state = grown(seed, max_tree_depth=4, n_num_features=2, n_cat_features=2)
    assert len(state["feature"]) == len(state["threshold"]) == 1 + 5 + 25 + 125
    assert len(state["label"]) == 625
    for path in paths(tree, state):
        categories = [feature for feature, _, _ in path if feature >= 2]
        assert len(categories) == len(set(categories))
        ranges = {0: (0.0, 1.0), 1: (0.0, 1.0)}
        for feature, threshold, branch in path:
            assert 0 <= feature < 4
            if feature < 2:
                low, high = ranges[feature]
                assert low <= threshold <= high
                ranges[feature] = (low, threshold) if branch == 0 else (threshold, high)


def test_only_categories_make_a_tree_too() -> None:
    tree, state = grown(n_num_features=0, n_cat_features=3, max_tree_depth=3)
    for path in paths(tree, state):
        assert sorted(feature for feature, _, _ in path) == [0, 1, 2]


def roots(count: int, **options: Any) -> Tensor:
    tree = RandomTree(max_tree_depth=2, **options)
    keys = draws.fold(torch.arange(count), "tree")
    return vmap(lambda k: tree.prepare(k, 0)["feature"])(keys)


def test_every_feature_is_as_likely_at_the_root() -> None:
    counts = roots(2000, n_num_features=3, n_cat_features=4)[:, 0].bincount(minlength=7)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3


def test_below_a_category_the_others_are_as_likely() -> None:
    features = roots(2000, n_num_features=2, n_cat_features=3)
    below = features[features[:, 0] == 3][:, 1:]
    for column in below.T:
        counts = column.bincount(minlength=5)
        assert counts[3] == 0
        assert stats.chisquare(counts[[0, 1, 2, 4]].numpy()).pvalue > 1e-3


def test_leaves_begin_at_their_level() -> None:
    """Below a leaf all labels are the leaf's."""
    options = {"n_cat_features": 0, "n_classes": 50, "max_tree_depth": 8}
    _, state = grown(first_leaf_level=5, fraction_leaves_per_level=1.0, **options)
    blocks = state["label"].view(32, 8)
    assert (blocks == blocks[:, :1]).all()
    assert len(torch.unique(blocks[:, 0])) > 15
    _, state = grown(first_leaf_level=5, fraction_leaves_per_level=0.0, **options)
    assert len(torch.unique(state["label"])) > 45
    assert not (state["label"].view(32, 8) == state["label"].view(32, 8)[:, :1]).all()


def test_that_share_of_nodes_are_leaves() -> None:
    _, state = grown(
        n_cat_features=0, n_classes=1000, max_tree_depth=13, first_leaf_level=12,
        fraction_leaves_per_level=0.15,
    )  # fmt: skip
    siblings = state["label"].view(4096, 2)
    same = int((siblings[:, 0] == siblings[:, 1]).sum())
    assert stats.binomtest(same, 4096, 0.15 + 0.85 / 1000).pvalue > 1e-4


def test_a_root_that_is_a_leaf_labels_everything_alike() -> None:
    tree, state = grown(first_leaf_level=0, fraction_leaves_per_level=1.0)
    labels = tree.generate(state, key(), torch.arange(200), START).labels
    assert len(torch.unique(labels)) == 1


def test_a_number_at_the_threshold_goes_above() -> None:
    tree = RandomTree(n_num_features=1, n_cat_features=0, max_tree_depth=1, first_leaf_level=1)
    state = {
        "feature": torch.tensor([0]),
        "threshold": torch.tensor([0.25], dtype=torch.float64),
        "label": torch.tensor([0, 1]),
    }
    x = torch.tensor([[0.2499], [0.25], [0.9]])
    assert tree.label(state, x, START).tolist() == [0, 1, 1]
