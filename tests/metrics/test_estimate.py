"""Mean and confidence interval: Student's t over the seeds there are, and none invented."""

import numpy as np
import pytest
from scipy import stats

from streamsim.metrics import mean_ci


@pytest.mark.parametrize("level", [0.9, 0.95])
@pytest.mark.parametrize("num_seeds", [2, 5, 30])
def test_the_interval_is_student_t(num_seeds: int, level: float) -> None:
    values = np.random.default_rng(0).uniform(size=num_seeds)
    estimate = mean_ci(values, level)
    low, high = stats.t.interval(level, num_seeds - 1, values.mean(), stats.sem(values))
    assert estimate.mean - estimate.half_width == pytest.approx(low)
    assert estimate.mean + estimate.half_width == pytest.approx(high)


def test_missing_values_are_not_counted() -> None:
    assert mean_ci([0.5, np.nan, 0.7]) == mean_ci([0.5, 0.7])
    assert mean_ci([np.nan]).num_seeds == 0
    assert np.isnan(mean_ci([]).mean)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_that_is_no_share_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        mean_ci([0.5, 0.7], level)
