"""From one value per seed to a mean with its confidence interval.

Shape letters: K replicas.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Estimate(NamedTuple):
    """A mean over seeds; mean +- half_width is its confidence interval."""

    mean: float
    half_width: float  # NaN with fewer than two seeds
    num_seeds: int


def mean_ci(values: npt.ArrayLike, level: float = 0.95) -> Estimate:
    """Mean of one value per seed and its Student t confidence interval, [K] -> Estimate.

    half_width = t_{(1 + level)/2, n-1} s / sqrt(n), with s the sample standard deviation (n - 1).
    NaN values are left out and not counted; one seed has no spread, so no interval is invented.
    Student 1908, "The probable error of a mean", Biometrika 6.

    >>> estimate = mean_ci([0.5, 0.7, float("nan")])
    >>> round(estimate.mean, 3), round(estimate.half_width, 3), estimate.num_seeds
    (0.6, 1.271, 2)
    """
    from scipy.special import stdtrit

    if not 0 < level < 1:
        raise ValueError(f"level is {level}; give a confidence level between 0 and 1, such as 0.95")
    given_K = np.asarray(values, dtype=np.float64).ravel()
    known_K = given_K[~np.isnan(given_K)]
    num_seeds = known_K.size
    mean = float(known_K.mean()) if num_seeds else float("nan")
    if num_seeds < 2:
        return Estimate(mean, float("nan"), num_seeds)
    standard_error = float(known_K.std(ddof=1)) / num_seeds**0.5
    return Estimate(
        mean, float(stdtrit(num_seeds - 1, (1 + level) / 2)) * standard_error, num_seeds
    )
