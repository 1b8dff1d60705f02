"""Trees: a tensor, None, or tuples, NamedTuples and dicts of trees. Parts keep their state in one.

`flatten` gives every tensor a stable name, which is how trees are written to disk and compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap

Params = Mapping[str, Tensor]  # by name: the flattest tree
Tree = Any  # Tensor | None | Mapping[str, Tree] | tuple[Tree, ...]; mypy gains nothing from that


def _children(tree: Tree) -> list[tuple[str, Tree]]:
    # no generator: compilers trace this, and some stumble over those
    if isinstance(tree, Mapping):
        return list(tree.items())
    if hasattr(tree, "_fields"):
        return list(zip(tree._fields, tree, strict=True))
    if isinstance(tree, (tuple, list)):
        return [(str(i), child) for i, child in enumerate(tree)]
    raise TypeError(
        f"{type(tree).__name__} in a state tree; use tensors in dicts and (named) tuples"
    )


def flatten(tree: Tree, prefix: str = "") -> dict[str, Tensor]:
    """Names and tensors, in the tree's own order.

    >>> list(flatten({"memory": (torch.zeros(2), torch.zeros(3))}))
    ['memory/0', 'memory/1']
    """
    if isinstance(tree, Tensor):
        return {prefix: tree}
    if tree is None:
        return {}
    flat: dict[str, Tensor] = {}
    for name, child in _children(tree):
        flat |= flatten(child, f"{prefix}/{name}" if prefix else name)
    return flat


def unflatten(template: Tree, flat: Mapping[str, Tensor], prefix: str = "") -> Tree:
    """The tree shaped like `template` that `flatten` named so."""
    names = iter(flatten(template, prefix))
    return map_tree(lambda _: flat[next(names)], template)


def map_tree(function: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """Apply to every tensor (and its counterparts in equally shaped trees); the shape stays."""
    if isinstance(tree, Tensor):
        return function(tree, *others)
    if tree is None:
        return None
    if isinstance(tree, Mapping):
        return {k: map_tree(function, v, *(other[k] for other in others)) for k, v in tree.items()}
    mapped = [
        map_tree(function, child, *(other[i] for other in others))
        for i, (_, child) in enumerate(_children(tree))
    ]
    return type(tree)(*mapped) if hasattr(tree, "_fields") else tuple(mapped)


def leaves(tree: Tree) -> list[Tensor]:
    """Every tensor, in the tree's own order."""
    if isinstance(tree, Tensor):
        return [tree]
    if tree is None:
        return []
    return [leaf for _, child in _children(tree) for leaf in leaves(child)]


def over_first_axis(
    function: Callable[..., Tree], at_once: int | None = None
) -> Callable[..., Tree]:
    """`torch.func.vmap` of a function from trees to a tree, along the first axis of every tensor,
    all of it or so many places at once.

    vmap's own walk through nested arguments takes longer than a small network's step; it gets a
    flat list.
    """

    def lifted(*trees: Tree) -> Tree:
        made: list[Tree] = []

        def of_leaves(flat: list[Tensor]) -> list[Tensor]:
            rest = iter(flat)
            made.append(function(*map_tree(lambda _: next(rest), trees)))
            return leaves(made[-1])

        results = iter(vmap(of_leaves, chunk_size=at_once)(leaves(trees)))
        return map_tree(lambda _: next(results), made[0])

    return lifted


def stack(trees: list[Tree]) -> Tree:
    """One tree with a new first axis from equally shaped ones."""
    return map_tree(lambda *leaves: torch.stack(leaves), trees[0], *trees[1:])


def unstack(tree: Tree, length: int) -> list[Tree]:
    """The trees along a first axis of some length, as `stack` puts them together.

    >>> [int(one["a"]) for one in unstack({"a": torch.tensor([3, 4]), "b": {}}, 2)]
    [3, 4]
    """
    if isinstance(tree, Tensor):
        return list(tree.unbind(0))
    if tree is None:
        return [None] * length
    columns = [unstack(child, length) for _, child in _children(tree)]
    rows = list(zip(*columns, strict=True)) if columns else [()] * length
    if isinstance(tree, Mapping):
        return [dict(zip(tree, row, strict=True)) for row in rows]
    return [type(tree)(*row) if hasattr(tree, "_fields") else row for row in rows]


def num_bytes(tree: Tree) -> int:
    return sum(leaf.numel() * leaf.element_size() for leaf in flatten(tree).values())
