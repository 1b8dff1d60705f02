"""Trees keep their shape through every operation, and every tensor has one stable name."""

from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from streamsim.trees import flatten, map_tree, num_bytes, stack, unflatten


class Memory(NamedTuple):
    ids: Tensor
    anchor: Any


def tensors(value: int) -> Tensor:
    return torch.tensor([value, value + 1])


names = st.text("abcxyz._0", min_size=1, max_size=3)
trees = st.recursive(
    st.integers(-9, 9).map(tensors) | st.none(),
    lambda child: (
        st.dictionaries(names, child, max_size=3)
        | st.lists(child, max_size=3).map(tuple)
        | st.builds(Memory, st.integers(0, 9).map(tensors), child)
    ),
    max_leaves=8,
)


def same(a: Any, b: Any) -> bool:
    """Equal types, names and values."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and torch.equal(a, b)
    if a is None:
        return b is None
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[name], b[name]) for name in a)
    return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))


@settings(deadline=None)
@given(trees)
def test_unflatten_is_the_inverse_of_flatten(tree: Any) -> None:
    assert same(unflatten(tree, flatten(tree)), tree)


@settings(deadline=None)
@given(trees)
def test_unflatten_does_not_need_the_order_of_names(tree: Any) -> None:
    flat = flatten(tree)
    assert same(unflatten(tree, dict(reversed(flat.items()))), tree)


@settings(deadline=None)
@given(trees)
def test_mapping_keeps_the_shape_and_reaches_every_tensor(tree: Any) -> None:
    doubled = map_tree(lambda leaf: 2 * leaf, tree)
    assert {k: v.tolist() for k, v in flatten(doubled).items()} == {
        k: (2 * v).tolist() for k, v in flatten(tree).items()
    }
    assert same(map_tree(lambda leaf, twice: twice - leaf, tree, doubled), tree)


@settings(deadline=None)
@given(trees)
def test_stacking_adds_a_first_axis(tree: Any) -> None:
    stacked = stack([tree, tree, tree])
    assert all(leaf.shape == (3, 2) for leaf in flatten(stacked).values())
    assert same(map_tree(lambda leaf: leaf[1], stacked), tree)


def test_names_are_paths() -> None:
    tree = {"net": {"head.bias": tensors(1)}, "memory": Memory(tensors(2), (tensors(3), None))}
    assert list(flatten(tree)) == ["net/head.bias", "memory/ids", "memory/anchor/0"]
    assert list(flatten(tensors(1), "state")) == ["state"]


def test_mapping_leaves_its_arguments_untouched() -> None:
    tree = {"a": tensors(1)}
    assert map_tree(lambda leaf: leaf + 1, tree) is not tree
    assert tree["a"].tolist() == [1, 2]


@pytest.mark.parametrize("leaf", [1.0, "text", {1, 2}])
def test_other_leaves_are_refused(leaf: Any) -> None:
    with pytest.raises(TypeError, match=f"^{type(leaf).__name__} in a state tree; use tensors"):
        flatten({"a": (leaf,)})
    with pytest.raises(TypeError, match=f"^{type(leaf).__name__} in a state tree; use tensors"):
        map_tree(lambda x: x, {"a": (leaf,)})


def test_bytes_are_counted_by_element_size() -> None:
    tree = {"a": torch.zeros(3, 5), "b": (torch.zeros(7, dtype=torch.int64), None)}
    assert num_bytes(tree) == 3 * 5 * 4 + 7 * 8
