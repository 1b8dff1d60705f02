"""Large batched matrix products on CPUs where torch's usual library leaves half the speed unused.

torch hands `bmm` to MKL, which uses AVX-512 on Intel's processors only; elsewhere it stays with
AVX2. oneDNN, which torch also brings, uses what is there: a large product takes half the time. It
multiplies one pair of matrices a call, so small ones stay where they are.
"""

from __future__ import annotations

import platform
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

LARGE = 2**22  # multiply-adds of one product that repay a call of their own


def gain(weights: Iterable[Tensor], rows: int) -> bool:
    """Whether products of `rows` samples with these weights, of one replica, gain here."""
    sizes = [w.numel() for w in weights if w.ndim == 2 and w.device.type == "cpu"]
    return rows * max(sizes, default=0) >= LARGE and _leaves_avx512_unused()


@contextmanager
def by_onednn(wanted: bool = True) -> Iterator[None]:
    """Within, large float32 products of `torch.bmm` on the CPU are oneDNN's, in compiled steps and
    backward passes too; nothing changes unless `wanted`."""
    if not wanted:
        yield
        return
    with torch.library._scoped_library("aten", "IMPL") as library:
        with warnings.catch_warnings():
            # to override is the purpose, and it does not last
            warnings.filterwarnings("ignore", "(?s).*other operators may also be overridden")
            library.impl("bmm", _bmm, "CPU")
            library.impl("bmm.out", _bmm_out, "CPU")
        yield


def _bmm(a: Tensor, b: Tensor) -> Tensor:
    return _bmm_out(a, b, out=a.new_empty(a.shape[0], a.shape[1], b.shape[2]))


def _bmm_out(a: Tensor, b: Tensor, *, out: Tensor) -> Tensor:
    if out.numel() == 0:
        out.resize_(a.shape[0], a.shape[1], b.shape[2])
    if a.dtype != torch.float32 or a.shape[1] * a.shape[2] * b.shape[2] < LARGE:
        return torch.baddbmm(out, a, b, beta=0, out=out)  # what torch's own bmm does
    multiply = torch.ops.mkldnn._linear_pointwise.default
    for one, other, product in zip(a.unbind(0), b.unbind(0), out.unbind(0), strict=True):
        product.copy_(multiply(one, other.T, None, "none", [], ""))
    return out


@cache
def _leaves_avx512_unused() -> bool:
    """Whether this processor has AVX-512 and MKL does not use it."""
    libraries = torch.backends.mkl, torch.backends.mkldnn
    if not all(library.is_available() for library in libraries):
        return False
    return torch.backends.cpu.get_cpu_capability() == "AVX512" and "Intel" not in _vendor()


def _vendor() -> str:
    """Of the processor, as the system tells; for example AuthenticAMD or GenuineIntel."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    names = [line for line in lines if line.startswith("vendor_id")]
    return names[0] if names else platform.processor()
