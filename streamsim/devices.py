"""Where a population runs, and how many replicas fit there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import psutil
import torch
from torch import Tensor, nn

DeviceChoice = Literal["auto", "cpu", "cuda", "mps"]
CPU_SHARE, GPU_SHARE = 0.25, 0.6  # of all memory, for one chunk of replicas
COPIES = 4  # old and new parameters and states, gradients, and room to breathe


def choose(name: str) -> torch.device:
    """The device of a name; `auto` takes a GPU if there is one."""
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        return torch.device("cuda" if available["cuda"] else "mps" if available["mps"] else "cpu")
    if name not in available:
        raise ValueError(f"--device {name}: choose auto, cpu, cuda or mps")
    if not available[name]:
        there = ", ".join(n for n, yes in available.items() if yes)
        raise ValueError(f"--device {name}: this machine has none; available: {there}")
    return torch.device(name)


def describe(device: torch.device) -> str:
    """The device in words, for run.json."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads"


def budget(device: torch.device) -> int:
    """Bytes one chunk may use: a share of what the machine has, not of what happens to be free, so
    that the same command makes the same chunks."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory * GPU_SHARE)
    return int(psutil.virtual_memory().total * CPU_SHARE)


def check_batch(batch_size: int, per_sample: int, device: torch.device) -> None:
    """Refuse batches that one replica alone could not train on; `per_sample` is in bytes."""
    most = max(1, budget(device) // per_sample)
    if batch_size > most:
        needed, there = batch_size * per_sample / 1e9, budget(device) / 1e9
        raise ValueError(
            f"train.batch_size={batch_size}: a batch of one replica would take about "
            f"{needed:.3g} GB, and {there:.3g} GB may be used here; use at most {most}"
        )


def peak_bytes(device: torch.device) -> dict[str, int]:
    """Peak memory of this process, and of the GPU."""
    import resource
    import sys

    unit = 1 if sys.platform == "darwin" else 1024  # the same field, in other units
    peak = {"host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    if device.type == "cuda":
        peak["cuda"] = torch.cuda.max_memory_allocated(device)
    return peak


def saved_bytes(function: Callable[..., Any], *args: Any) -> int:
    """Bytes that autograd keeps of one call for its backward pass."""
    total = 0

    def pack(tensor: Tensor) -> Tensor:
        nonlocal total
        total += tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        function(*args)
    return total


def chunk_sizes(num_replicas: int, largest: int) -> list[int]:
    """As few chunks as possible, as equal as possible.

    >>> chunk_sizes(10, 4)
    [4, 3, 3]
    """
    num_chunks = -(-num_replicas // largest)
    size, more = divmod(num_replicas, num_chunks)
    return [size + (i < more) for i in range(num_chunks)]


def convolves(model: nn.Module) -> bool:
    """Whether a model has convolutions, which vmap does not speed up on a CPU."""
    return any(isinstance(m, nn.modules.conv._ConvNd) for m in model.modules())
