"""Two arms on common seeds: paired difference, test, effect size, and how many seeds it would take.

Shape letters: K common seeds, M tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streamsim.metrics import mean_ci

ALPHA = 0.05
POWER = 0.8
MOST_SEEDS = 10_000  # beyond which a number of seeds is no advice any more

NAN = float("nan")


class PairedTest(NamedTuple):
    """First minus second, over the seeds that both have; NaN where there is nothing to tell."""

    num_common: int
    difference: float  # mean over common seeds
    half_width: float  # difference +- half_width is its 95 % confidence interval
    effect: float  # d_z: mean over standard deviation of the differences
    p: float  # two-sided paired t test
    p_wilcoxon: float  # signed-rank test; NaN below 6 seeds, where it can never reach 0.05
    note: str  # why there is no test


def paired_test(first: npt.ArrayLike, second: npt.ArrayLike) -> PairedTest:
    """Student's paired t test of one value per common seed, [K] and [K] -> PairedTest.

    A seed decides initial weights, class order and batches of both arms alike, so that their
    values rise and fall together: pairing takes that shared variation out. The t test is used
    rather than ranks because it can decide with five seeds, agrees with its interval, and leans
    on normal differences ever less as seeds are added; Wilcoxon's test (1945) stands by to
    contradict it. Student 1908; Cohen 1988 (d_z).

    >>> test = paired_test([0.8, 0.9, 0.7], [0.5, 0.7, 0.6])
    >>> round(test.difference, 3), round(test.effect, 3), round(test.p, 3)
    (0.2, 2.0, 0.074)
    """
    difference_K = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    num_common = len(difference_K)
    if num_common < 2:
        mean = float(difference_K[0]) if num_common else NAN
        note = "one common seed" if num_common else "no common seeds"
        return PairedTest(num_common, mean, NAN, NAN, NAN, NAN, note)
    mean, deviation = float(difference_K.mean()), float(difference_K.std(ddof=1))
    # differences of equal accuracies may differ in their last bits
    if deviation <= 1e-12:
        if abs(mean) <= 1e-12:
            return PairedTest(num_common, 0.0, 0.0, 0.0, 1.0, NAN, "equal on every seed")
        note = "the same difference on every seed: no spread to test against"
        return PairedTest(num_common, mean, 0.0, NAN, NAN, NAN, note)
    from scipy import stats

    found = stats.ttest_1samp(difference_K, 0.0)
    wilcoxon = float(stats.wilcoxon(difference_K).pvalue) if num_common >= 6 else NAN
    return PairedTest(
        num_common,
        mean,
        mean_ci(difference_K, 1 - ALPHA).half_width,
        mean / deviation,
        float(found.pvalue),
        wilcoxon,
        "",
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """p values of M tests, corrected so that 0.05 bounds the chance of any false claim.

    NaN, a test that was not made, stays NaN and does not count. Holm 1979, "A simple sequentially
    rejective multiple test procedure".

    >>> holm([0.01, 0.04, float("nan"), 0.03])
    [0.03, 0.06, nan, 0.06]
    """
    p_M = np.asarray(p_values, dtype=np.float64)
    # NaN sorts last and stays what it is
    order_M, made = np.argsort(p_M), int((~np.isnan(p_M)).sum())
    times_M = np.clip(made - np.arange(len(p_M)), 1, None)
    corrected_M = np.empty_like(p_M)
    corrected_M[order_M] = np.minimum(np.maximum.accumulate(p_M[order_M] * times_M), 1.0)
    return [float(p) for p in corrected_M]


def seeds_needed(effect: float, num_tests: int = 1) -> float:
    """Seeds with which a paired t test finds such an effect in 4 of 5 experiments.

    That is 80 % power, two-sided, at 0.05 / num_tests: the strictest level that Holm's correction
    may ask for. Infinite beyond 10,000; NaN without an effect size. It leans on the effect that
    few seeds have shown, so it is rough. Cohen 1988, "Statistical power analysis".

    >>> seeds_needed(0.5), seeds_needed(0.5, num_tests=10)
    (34.0, 58.0)
    """
    if np.isnan(effect):
        return NAN
    from scipy import stats

    def power(num_seeds: int) -> float:
        # the far tail, wrong in sign, adds nothing where power is large, and scipy may give NaN
        critical = stats.t.isf(ALPHA / num_tests / 2, num_seeds - 1)
        return float(stats.nct.sf(critical, num_seeds - 1, abs(effect) * num_seeds**0.5))

    if power(MOST_SEEDS) < POWER:
        return float("inf")
    too_few, enough = 1, MOST_SEEDS
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (middle, enough) if power(middle) < POWER else (too_few, middle)
    return float(enough)
