"""Parts of a strategy that watch for drift: their detectors, and the samples they want to see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from streamsim.detection import Alarm, Monitors
from streamsim.judging import Planned, in_order
from streamsim.strategy import Part


class Watchers:
    """Of one population: detectors, the newest ids of each replica, alarms not asked for yet."""

    def __init__(
        self, parts: Sequence[Part], drifts: Sequence[Sequence[int]], keys: Sequence[Tensor]
    ) -> None:
        self._watches = {part.name: watch for part in parts if (watch := part.watch())}
        seeds = [int(key) & 0xFFFFFFFF for key in keys]
        self.monitors = Monitors(self._watches, drifts, seeds)
        self._recent = [torch.empty(0, dtype=torch.int64)] * len(keys)
        self._alarms: list[Alarm] = []

    def follow(self, planned: Planned, alone: bool, alarms: Sequence[Alarm]) -> None:
        """Remember the newest samples of a stretch that has been made, and its alarms."""
        most = max(1, *(watch.recent for watch in self._watches.values()))
        ids, weight = (
            in_order(each, alone) for each in (planned.inputs.ids, planned.inputs.weight)
        )
        for replica, old in enumerate(self._recent):
            new = ids[replica][weight[replica] > 0]
            self._recent[replica] = torch.cat([old, new])[-most:]
        self._alarms += alarms

    def recent(self, part: str) -> list[Tensor]:
        """The newest ids of each replica, as many as a part wants to see, at least one."""
        return [ids[-max(1, self._watches[part].recent) :] for ids in self._recent]

    def take(self) -> list[Alarm]:
        """Alarms since the last call."""
        alarms, self._alarms = self._alarms, []
        return alarms

    def state(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        recent = {f"recent/{r}": ids for r, ids in enumerate(self._recent)}
        return {**self.monitors.state(), **recent}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.monitors.restore(state)
        self._recent = [state[f"recent/{r}"] for r in range(len(self._recent))]
