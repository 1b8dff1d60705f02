"""Experience replay as one writes it by hand for one seed: tensors, nn.Sequential, torch.optim."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor

from .workloads import LR, NUM_EXPERIENCES, Workload, network


class PlainLoop:
    """Trains on the experiences of a split data set, with a reservoir of row numbers."""

    def __init__(self, work: Workload) -> None:
        data = work.data()
        torch.manual_seed(0)
        self.work, self.x, self.y = work, data.x_train.flatten(1), data.y_train
        self.groups = [
            (self.y // (data.num_classes // NUM_EXPERIENCES) == e).nonzero().flatten()
            for e in range(NUM_EXPERIENCES)
        ]
        self.model = network(self.x.shape[1], work.hidden, data.num_classes)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=LR)
        self.memory = torch.zeros(work.memory_size, dtype=torch.int64)
        self.offered = 0

    def train(self, experience: int) -> int:
        """Train on an experience; returns the steps made."""
        steps, rows = 0, self.groups[experience]
        for epoch in range(self.work.epochs):
            shuffled = rows[torch.randperm(len(rows))]
            for batch in torch.split(shuffled, self.work.batch_size):
                self._step(torch.cat([batch, self._rehearsed()]))
                if epoch == 0:
                    self._remember(batch)
                steps += 1
        return steps

    def _step(self, rows: Tensor) -> None:
        loss = F.cross_entropy(self.model(self.x[rows]), self.y[rows])
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own lack
        self.optimizer.step()

    def _rehearsed(self) -> Tensor:
        filled = min(self.offered, len(self.memory))
        if filled == 0:
            return self.memory[:0]
        return self.memory[torch.randint(filled, (self.work.batch_size,))]

    def _remember(self, batch: Tensor) -> None:
        """The n-th sample takes slot floor(u * n) if there is one; the first fill it in order."""
        count = torch.arange(self.offered, self.offered + len(batch))
        drawn = (torch.rand(len(batch)) * (count + 1)).long()
        slot = torch.where(count < len(self.memory), count, drawn)
        kept = slot < len(self.memory)
        self.memory[slot[kept]] = batch[kept]
        self.offered += len(batch)
