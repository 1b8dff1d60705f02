"""streamsim: continual learning on streams, with whole populations trained at once.

>>> import streamsim
>>> streamsim.run("split-digits", "replay", seeds=3).summary()  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamsim.runs import Run as Run
    from streamsim.runs import open_run as open_run
    from streamsim.simulator import resume as resume
    from streamsim.simulator import run as run

__version__ = "0.1.0"
__all__ = ["Run", "__version__", "open_run", "resume", "run"]

_HOMES = {
    "Run": "streamsim.runs",
    "open_run": "streamsim.runs",
    "resume": "streamsim.simulator",
    "run": "streamsim.simulator",
}


def __getattr__(name: str) -> Any:
    """Import late: `streamsim --help` must not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'streamsim' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
