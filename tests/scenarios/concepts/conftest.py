"""River's generators as tensors, and comparisons of distributions."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from river.datasets.base import SyntheticDataset
from scipy import stats
from torch import Tensor

from streamsim import draws
from streamsim_scenarios.concepts import CONCEPTS, Concept, Samples

START = torch.tensor(0)  # for concepts that stand still


def key(seed: int = 0) -> Tensor:
    return draws.fold(torch.tensor(seed), "replica")


def concept(name: str, **options: Any) -> Concept:
    return CONCEPTS[name](**options)


def sampled(given: Concept, num: int, variant: int = 0, seed: int = 0) -> Samples:
    """The first samples of a concept that stands still."""
    return given.generate(given.prepare(key(seed), variant), key(seed), torch.arange(num), START)


def rivers(dataset: SyntheticDataset, num: int) -> tuple[Tensor, Tensor]:
    """River's first samples, in its own precision: [N, F] float64 and [N] int64."""
    pairs = list(itertools.islice(dataset, num))
    inputs = np.array([[float(value) for value in x.values()] for x, _ in pairs])
    return torch.from_numpy(inputs), torch.tensor([int(y) for _, y in pairs])


def alike(ours: Tensor, theirs: Tensor) -> bool:
    """Whether two samples may come from one distribution; seeds are fixed, so never flickering.

    Values that repeat are counted (chi-squared), others ranked (Kolmogorov & Smirnov).
    """
    a, b = ours.double().numpy(), theirs.double().numpy()
    values = np.union1d(a, b)
    if len(values) == 1:
        return True
    if len(values) > 100:
        return bool(stats.ks_2samp(a, b).pvalue > 1e-4)
    return bool(stats.chi2_contingency(_counts(values, a, b)).pvalue > 1e-4)


def _counts(values: npt.NDArray[Any], *samples: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.array([[(sample == value).sum() for value in values] for sample in samples])


def is_share(hits: Tensor, share: float) -> bool:
    """Whether independent events of probability `share` may have come out so."""
    return bool(stats.binomtest(int(hits.sum()), hits.numel(), share).pvalue > 1e-4)
