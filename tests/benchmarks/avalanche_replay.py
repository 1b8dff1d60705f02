"""Avalanche's side: its Replay on its classic benchmarks, with nothing else attached.

As a script: whole seeds one after another, with accuracy on all experiences after each.

    python -m benchmarks.avalanche_replay --seeds 6 --epochs 10
"""

from __future__ import annotations

import argparse
import logging
import time
from typing import Any

import torch
from avalanche.benchmarks import nc_benchmark
from avalanche.evaluation.metrics import accuracy_metrics
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.supervised import Replay
from torch import nn
from torch.utils.data import TensorDataset

from .workloads import LR, NUM_EXPERIENCES, SMALL, Workload, network

EVAL_BATCH = 256  # Avalanche's default of 1 would make it many times slower


class AvalancheReplay:
    """A workload as Avalanche's strategy and benchmark, one seed at a time."""

    def __init__(self, work: Workload) -> None:
        # its warnings reset the filters of the warnings module; loggers without handlers are silent
        logging.captureWarnings(True)
        self.work, self.data = work, work.data()
        self.inputs = self.data.x_train[0].numel()

    def benchmark(self, seed: int) -> Any:
        data = self.data
        train = TensorDataset(data.x_train.flatten(1), data.y_train)
        test = TensorDataset(data.x_test.flatten(1), data.y_test)
        return nc_benchmark(train, test, NUM_EXPERIENCES, task_labels=False, seed=seed)

    def strategy(self, seed: int, evaluator: Any = None) -> Any:
        torch.manual_seed(seed)
        model = network(self.inputs, self.work.hidden, self.data.num_classes)
        return Replay(
            model=model,
            optimizer=torch.optim.SGD(model.parameters(), lr=LR),
            criterion=nn.CrossEntropyLoss(),
            mem_size=self.work.memory_size,
            train_mb_size=self.work.batch_size,
            train_epochs=self.work.epochs,
            eval_mb_size=EVAL_BATCH,
            evaluator=evaluator or EvaluationPlugin(),
        )

    def seconds_a_step(self, seed: int = 0) -> float:
        """Seconds of one training step at the second experience, where replay has begun."""
        first, second, *_ = self.benchmark(seed).train_stream
        strategy = self.strategy(seed)
        strategy.train(first, num_workers=0)
        before = strategy.clock.train_iterations
        start = time.perf_counter()
        strategy.train(second, num_workers=0)
        steps: int = strategy.clock.train_iterations - before
        return (time.perf_counter() - start) / steps

    def largest_batch(self, seed: int = 0) -> int:
        """Samples of a training step at the second experience: shows that it rehearses."""
        sizes: list[int] = []
        measure = nn.CrossEntropyLoss()

        def criterion(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            sizes.append(len(y))
            loss: torch.Tensor = measure(logits, y)
            return loss

        first, second, *_ = self.benchmark(seed).train_stream
        strategy = self.strategy(seed)
        strategy.train(first, num_workers=0)
        strategy._criterion = criterion
        strategy.train(second, num_workers=0)
        return max(sizes)

    def whole_seed(self, seed: int) -> None:
        """A run as a user writes it: train on every experience, evaluate on all after each."""
        metrics = accuracy_metrics(experience=True)
        benchmark = self.benchmark(seed)
        strategy = self.strategy(seed, EvaluationPlugin(metrics, loggers=[]))
        for experience in benchmark.train_stream:
            strategy.train(experience, num_workers=0)
            strategy.eval(benchmark.test_stream, num_workers=0)


def main() -> None:
    parser = argparse.ArgumentParser(description="Seeds of Avalanche's Replay on split digits.")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=1)
    given = parser.parse_args()
    work = Workload(**{**vars(SMALL), "epochs": given.epochs})
    side = AvalancheReplay(work)
    for seed in range(given.seeds):
        side.whole_seed(seed)


if __name__ == "__main__":
    main()
