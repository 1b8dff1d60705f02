"""The sample ids of a population's replicas, experience by experience, padded to one tensor.

Of one replica there is no replica axis. Shape letters: R replicas, N padded samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from streamsim.optimizers import TrainOptions
from streamsim.schedule import num_steps
from streamsim.strategy import Scope
from streamsim.stream import Padded, Replica, pad


@dataclass
class ReplicaIds:
    """Reads the experiences of replicas; the newest training ids and all test ids stay at hand."""

    replicas: Sequence[Replica]
    scope: Scope
    device: torch.device
    _train: dict[int, Padded] = field(init=False, default_factory=dict)
    _test: dict[int, Padded] = field(init=False, default_factory=dict)

    def padded(self, rows: Sequence[Tensor]) -> Padded:
        """One row for each replica, on the device."""
        ids, size = (each.to(self.device) for each in pad(rows))
        return Padded(ids[0], size[0]) if len(rows) == 1 else Padded(ids, size)

    def train(self, experience: int) -> Padded:
        """Training ids at an experience: its own, all so far, or all at once."""
        if experience not in self._train:
            first, last = {
                "experience": (experience, experience + 1),
                "cumulative": (0, experience + 1),
                "joint": (0, self._num_experiences),
            }[self.scope]
            rows = [
                torch.cat([e.train for e in replica.experiences[first:last]])
                for replica in self.replicas
            ]
            self._train = {experience: self.padded(rows)}  # only the current one stays
        return self._train[experience]

    def asked(self, experience: int) -> Padded | None:
        """Where labels are delayed, the samples that come while those of `train` are learned from,
        place by place."""
        if self.replicas[0].experiences[experience].asked is None:
            return None
        own = [replica.experiences[experience] for replica in self.replicas]
        return self.padded([e.coming[len(e.coming) - len(e.train) :] for e in own])

    def ahead(self, experience: int) -> Padded | None:
        """Where labels are delayed, the samples that come before any can be learned from."""
        own = [replica.experiences[experience] for replica in self.replicas]
        rows = [e.coming[: len(e.coming) - len(e.train)] for e in own]
        return self.padded(rows) if all(len(row) for row in rows) else None

    def test(self, experience: int) -> Padded:
        if experience not in self._test:
            rows = [replica.experiences[experience].test for replica in self.replicas]
            self._test[experience] = self.padded(rows)
        return self._test[experience]

    def num_steps(self, train: TrainOptions, experience: int) -> int:
        """Steps at an experience; replicas with fewer samples idle through the last."""
        joint = self.scope == "joint"
        if joint and experience < self._num_experiences - 1:
            return 0
        largest = self.train(experience).ids.shape[-1]
        return num_steps(train, largest, self._num_experiences if joint else 1)

    def steps_before(self, train: TrainOptions, experience: int) -> Tensor:
        """Steps that each replica has made before an experience, `[R]` or scalar int64."""
        sizes = [
            [len(e.train) for e in replica.experiences[:experience]] for replica in self.replicas
        ]
        steps = torch.tensor([sum(num_steps(train, size) for size in row) for row in sizes])
        return (steps[0] if len(sizes) == 1 else steps).to(self.device)

    @property
    def _num_experiences(self) -> int:
        return len(self.replicas[0].experiences)
