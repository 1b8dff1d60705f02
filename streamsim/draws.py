"""Counter-based random numbers: the same bits alone, among others, resumed, on any device.

Every number is a pure function of a key and a counter (SplitMix64: Steele, Lea & Flood 2014,
"Fast splittable pseudorandom number generators", OOPSLA), in wrapping int64 arithmetic, so there
is no generator state to carry, to checkpoint or to share between replicas.

A key is an int64 scalar tensor (or any shape of them); counters may have any shape that broadcasts.
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor


def _signed(value: int) -> int:
    """The int64 with the same 64 bits as an unsigned constant."""
    return value - (1 << 64) if value >= 1 << 63 else value


_GAMMA = _signed(0x9E3779B97F4A7C15)
_MIX_1 = _signed(0xBF58476D1CE4E5B9)
_MIX_2 = _signed(0x94D049BB133111EB)


# Draws are limited by memory, not by arithmetic: each writes into its own fresh tensors.
def _shift(bits: Tensor, by: int) -> Tensor:
    """Logical right shift: torch's own keeps the sign."""
    return (bits >> by).bitwise_and_((1 << (64 - by)) - 1)


def _stirred(z: Tensor, by: int) -> Tensor:
    return _shift(z, by).bitwise_xor_(z)


def _upper(key: Tensor, counter: Tensor) -> Tensor:
    """`bits` without the last step, which leaves the upper 33 as they are."""
    z = torch.add(key + _GAMMA, counter, alpha=_GAMMA)
    return _stirred(_stirred(z, 30).mul_(_MIX_1), 27).mul_(_MIX_2)


def bits(key: Tensor, counter: Tensor) -> Tensor:
    """64 random bits per counter, as int64: output `counter` of SplitMix64 seeded with `key`.

    >>> key = torch.tensor(1234567)
    >>> hex(int(bits(key, torch.tensor(0))))  # the generator's published first output
    '0x599ed017fb08fc85'
    """
    return _stirred(_upper(key, counter), 31)


def ahead(key: Tensor, by: Tensor) -> Tensor:
    """The key whose number `n` is this key's number `n + by`, but for normal ones, which take two.

    Adding to a few keys is cheaper than adding to many counters.

    >>> key, counter = torch.tensor(7), torch.tensor([0, 1, 2])
    >>> bool((bits(ahead(key, torch.tensor(5)), counter) == bits(key, counter + 5)).all())
    True
    """
    return key + _GAMMA * by


def purpose(name: str) -> int:
    """A stable 63-bit number for what a draw is for, so that no draw is used twice by accident."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def fold(key: Tensor, *fields: int | Tensor | str) -> Tensor:
    """A new key from a key and fields such as a purpose, an experience or a step.

    >>> key = torch.tensor(7)
    >>> bool(fold(key, "order", 1) == fold(fold(key, "order"), 1))
    True
    """
    for field in fields:
        number = purpose(field) if isinstance(field, str) else field
        counter = torch.as_tensor(number, device=key.device)
        # a second mixing round keeps (key, field) and (key + gamma, field - 1) apart
        key = bits(bits(key, torch.zeros_like(key)) ^ counter, torch.zeros_like(key))
    return key


def counters(*shape: int, device: torch.device | None = None) -> Tensor:
    """0, 1, 2, ... in the given shape: the counters of one bulk draw."""
    return torch.arange(math.prod(shape), device=device).view(shape)


def uniform(key: Tensor, counter: Tensor) -> Tensor:
    """float32 in [0, 1), in steps of 2**-24, so that rounding can never give 1."""
    return _shift(_upper(key, counter), 40).to(torch.float32).mul_(2.0**-24)


def integers(key: Tensor, counter: Tensor, high: int | Tensor) -> Tensor:
    """int64 in [0, high), high < 2**31, by multiply-and-shift (Lemire 2019, without rejection)."""
    return (_shift(_upper(key, counter), 33) * high).bitwise_right_shift_(31)


def normal(key: Tensor, counter: Tensor) -> Tensor:
    """float32 standard normal (Box & Muller 1958), computed in float64 and rounded.

    The transcendental functions of two devices may differ in the last bit of float64, which the
    rounding hides in all but about one of 2**29 numbers.
    """
    even = 2 * counter
    radius = _shift(bits(key, even), 11).to(torch.float64).add_(1).mul_(2.0**-53)
    angle = _shift(bits(key + _GAMMA, even), 11).to(torch.float64).mul_(2.0**-53)
    cosine = angle.mul_(2 * math.pi).cos_()
    return radius.log_().mul_(-2).sqrt_().mul_(cosine).to(torch.float32)


def permutation(key: Tensor, size: int) -> Tensor:
    """A random order of 0 .. size-1, `[..., size]` for keys of shape `[...]`."""
    return bits(key[..., None], counters(size, device=key.device)).argsort(dim=-1, stable=True)
