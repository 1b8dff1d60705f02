from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from streamsim.fingerprint import fingerprint


@dataclass(frozen=True)
class Thing:
    data: torch.Tensor
    factor: float = 1.0


def _adder(amount: int) -> Callable[[int], int]:
    return lambda x: x + amount


def test_equal_contents_have_equal_fingerprints() -> None:
    assert fingerprint(Thing(torch.ones(3))) == fingerprint(Thing(torch.ones(3)))
    assert fingerprint(_adder(1)) == fingerprint(_adder(1))


def test_other_contents_have_other_fingerprints() -> None:
    things = [
        Thing(torch.ones(3)),
        Thing(torch.zeros(3)),
        Thing(torch.ones(3, 1)),
        Thing(torch.ones(3), 2.0),
        _adder(1),
        _adder(2),
        1,
        "1",
        [1, 2],
        [2, 1],
        None,
    ]
    assert len({fingerprint(thing) for thing in things}) == len(things)
