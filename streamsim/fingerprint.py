"""Telling objects from Python apart by what they hold, so that a folder of results is reused only
for the same data, parts and models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import Any

import torch


def fingerprint(thing: Any) -> str:
    """Eight hexadecimal digits; equal for equal contents, in any process.

    >>> fingerprint({"a": torch.zeros(2)}) == fingerprint({"a": torch.zeros(2)})
    True
    >>> fingerprint({"a": torch.zeros(2)}) == fingerprint({"a": torch.ones(2)})
    False
    """
    digest = hashlib.sha256()
    for piece in _pieces(thing):
        digest.update(piece)
    return digest.hexdigest()[:8]


def _pieces(thing: Any) -> Iterator[bytes]:
    """The contents, depth first; every piece begins with its kind."""
    yield f"{type(thing).__module__}.{type(thing).__qualname__}:".encode()
    if isinstance(thing, torch.Tensor):
        yield f"{tuple(thing.shape)}".encode()
        yield thing.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
    elif isinstance(thing, (str, int, float, bool, type(None))):
        yield repr(thing).encode()
    elif isinstance(thing, Mapping):
        for key in sorted(thing, key=str):
            yield str(key).encode()
            yield from _pieces(thing[key])
    elif isinstance(thing, (list, tuple, set, frozenset)):
        for item in thing if isinstance(thing, (list, tuple)) else sorted(thing, key=str):
            yield from _pieces(item)
    elif isinstance(thing, FunctionType):
        yield f"{thing.__module__}.{thing.__qualname__}".encode()
        yield thing.__code__.co_code + repr(thing.__code__.co_names).encode()
        for cell in thing.__closure__ or ():
            yield from _pieces(cell.cell_contents)
    elif hasattr(thing, "__dict__") and not isinstance(thing, type):
        yield from _pieces({k: v for k, v in vars(thing).items() if not k.startswith("__")})
    else:
        yield str(getattr(thing, "__qualname__", type(thing))).encode()
