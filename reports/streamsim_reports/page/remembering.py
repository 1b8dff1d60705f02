"""A run that is read once, however many tables and figures ask for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamsim.runs import Run

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False, eq=False)
class RememberedRun(Run):
    """A run folder as it was when it was first read."""

    memory: dict[str, pd.DataFrame] = field(default_factory=dict)

    def table(self, name: str) -> pd.DataFrame:
        return self._once(name, lambda: Run.table(self, name))

    def summary(self, joint: Run | None = None) -> pd.DataFrame:
        if joint is not None:
            return super().summary(joint)
        return self._once("metrics over seeds", lambda: Run.summary(self))

    def per_replica(self, joint: Run | None = None) -> pd.DataFrame:
        if joint is not None:
            return super().per_replica(joint)
        return self._once("metrics of replicas", lambda: Run.per_replica(self))

    def prequential(self, window: int | None = None) -> pd.DataFrame:
        return self._once(f"curves over {window}", lambda: Run.prequential(self, window))

    def detection(self, tolerance: int | None = None) -> pd.DataFrame:
        return self._once(f"alarms within {tolerance}", lambda: Run.detection(self, tolerance))

    def _once(self, name: str, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        if name not in self.memory:
            self.memory[name] = read()
        # a copy of the columns' names only: whoever adds one adds it to their own
        return self.memory[name].copy(deep=False)
