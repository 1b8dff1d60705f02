"""Where results come from: versions and machine, and the per-user folders."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from streamsim import devices

PACKAGES = ("streamsim", "torch", "numpy", "pandas", "pyarrow", "scikit-learn", "torchvision")


def describe(device: torch.device) -> dict[str, Any]:
    """Versions, machine and device, for run.json."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": devices.describe(device),
        "threads": torch.get_num_threads(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def cache_folder(name: str) -> Path:
    """A folder for what can be made again."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("streamsim")) / name
