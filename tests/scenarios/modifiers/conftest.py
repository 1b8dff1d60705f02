"""Streams to modify: classes group by group, and all classes all along."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from streamsim.data import LabelledData
from streamsim.stream import Stream
from streamsim_scenarios.split import Split
from streamsim_scenarios.streamed import Streamed

PER_CLASS = 500


def data(num_classes: int) -> LabelledData:
    """Every input is its sample's number, in two of four pixels; classes take turns."""
    number = num_classes * PER_CLASS
    x = torch.arange(number, dtype=torch.float32).view(-1, 1, 1, 1) / number
    x = torch.cat([x, 1 - x, torch.zeros_like(x), torch.ones_like(x)], -1).view(-1, 1, 2, 2)
    y = torch.arange(number) % num_classes
    return LabelledData(
        name="numbers", x_train=x, y_train=y, x_test=x[:60], y_test=y[:60], num_classes=num_classes
    )


@pytest.fixture
def groups() -> Stream:
    """Six classes, two an experience, 1,000 training samples each; not ordered."""
    return Split(n_experiences=3, class_order="fixed").on(data(6)).stream(Path())


@pytest.fixture
def line() -> Stream:
    """Four classes in a random order; 2,000 training samples in four experiences; ordered."""
    return Streamed(n_experiences=4).on(data(4)).stream(Path())
